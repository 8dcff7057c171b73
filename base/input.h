/*
 * input.h -- a file, a gzip file or standard input, a line or a CSV record at
 * a time, in constant memory. The one door to zlib.
 *
 * Gzip is recognised by its first bytes, also on a pipe. What is read is
 * bounded: a line or a record has at most `max_record` bytes.
 */
#ifndef BASE_INPUT_H
#define BASE_INPUT_H

#include "base/err.h"
#include "base/str.h"

#define INPUT_MAX_RECORD ((size_t)16 << 20) /* default */
#define INPUT_MAX_FIELDS 100000 /* of a CSV record */

struct input; /* opaque */

/* "-" is standard input. max_record 0: the default. */
int input_open(struct input **out, const char *path, size_t max_record,
    struct err *e);
/* The same over a descriptor, which input_close() will not close. */
int input_open_fd(struct input **out, int fd, const char *name,
    size_t max_record, struct err *e);
void input_close(struct input *in); /* NULL is fine */
void input_limit(struct input *in, size_t max_record); /* from now on */
const char *input_name(const struct input *in); /* as the user named it */

/*
 * The next line, without its LF or CRLF; borrowed until the next call.
 * A last line without a line end counts. A UTF-8 byte order mark at the start
 * of the input is dropped.
 *   1  a line
 *   0  the end
 *  -1  *e: ERR_INPUT for a line that is too long (it has been skipped: the
 *      next call goes on after it), ERR_IO for everything else (final). The
 *      message of ERR_INPUT does not say where: see input_lineno()
 */
int input_line(struct input *in, struct str *line, struct err *e);

/*
 * The next CSV record (RFC 4180, LF or CRLF, quotes doubled inside quotes,
 * line ends inside quotes kept); `sep` is ',' or '\t'. Fields are borrowed
 * until the next call. Blank lines are passed over. As input_line otherwise;
 * ERR_INPUT also for a quote where none may be or that is never closed, and
 * for more than INPUT_MAX_FIELDS fields.
 */
int input_csv(struct input *in, char sep, struct str **fields, size_t *n,
    struct err *e);

/*
 * Would the next input_line() or input_csv() return without waiting? Takes in
 * what there is to read, so that half a line is not waited for. False: watch
 * input_fd() until it can be read, and ask again. Which of the two it will be
 * is what it was before; input_expect() says so at the start: the separator of
 * CSV records, or 0 for lines.
 */
void input_expect(struct input *in, char sep);
bool input_ready(struct input *in);
int input_fd(const struct input *in);

/* Line number, from 1, at which what was last returned begins, or of the last
 * ERR_INPUT. */
int64_t input_lineno(const struct input *in);
/* Column (bytes, from 1) of the last ERR_INPUT, or 0. */
int input_column(const struct input *in);

/* For progress: bytes of the file behind what was returned (of a gzip file
 * roughly, and compressed), and the file's size (-1 unknown). */
int64_t input_offset(const struct input *in);
int64_t input_size(const struct input *in);

/* A whole file into memory; more than `max` bytes is an error. */
int input_slurp(const char *path, size_t max, struct buf *out, struct err *e);

#endif
