/*
 * input.c -- lines and CSV records out of plain or gzipped bytes.
 *
 * Bytes go through two buffers. `raw` holds what was read from the descriptor;
 * `text` holds what came of it after inflating, from the start of the record
 * being looked for. A record is parsed where it lies, so a longer one makes
 * `text` grow, up to the limit; after that the record is passed over in pieces.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/input.h"

#define RAW_SIZE ((size_t)64 << 10)
#define TEXT_SIZE ((size_t)64 << 10) /* at first, and the step of growth */
#define GZIP_WINDOW (MAX_WBITS + 16) /* zlib: gzip alone, no raw deflate */
#define LINE_END_MAX 2

enum format {
	FORMAT_UNKNOWN, /* nothing read yet */
	FORMAT_PLAIN,
	FORMAT_GZIP,
	FORMAT_PADDING, /* zeros after the last member of a gzip file */
};

/*
 * A CSV record, byte by byte:
 *
 *   START    at the start of a field
 *   PLAIN    in a field without quotes
 *   QUOTED   in quotes
 *   CLOSED   after a quote in quotes: the end, or the first of a pair
 *   CR       after a CR behind a closed quote
 *   DONE     the LF or the end of the input is reached
 *   BAD      a quote, or something after a quote, where it may not be
 */
enum csv_state {
	CSV_START, CSV_PLAIN, CSV_QUOTED, CSV_CLOSED, CSV_CR, CSV_DONE, CSV_BAD
};

struct csv {
	enum csv_state state;
	char sep;
	size_t at;       /* bytes of the record that have been read */
	size_t line_at;  /* where its current line begins */
	int64_t line;    /* and its number */
	int64_t quote_line; /* of the last quote that opened */
	int quote_column;
};

struct input {
	int fd;
	bool close_fd, raw_end, text_end, failed;
	bool begun; /* a byte order mark has been looked for */
	enum format format;
	bool in_member; /* of a gzip file: its end has not come yet */
	char *name;
	size_t max_record;
	int64_t offset, size;
	z_stream z;
	unsigned char *raw;
	size_t raw_at, raw_n;
	char *text;
	size_t text_at, text_n, text_cap;
	int64_t next_line; /* number of the line at text_at */
	int64_t lineno;
	int column;
	struct str *fields;
	size_t fields_cap;
	/* What input_ready() has seen of what comes next. */
	char sep;         /* of records; 0: lines */
	bool expects;     /* it is known which */
	struct csv ahead; /* of a line only `at` counts */
	bool dropped;     /* its beginning, for it is too long */
	struct err late;  /* an error that was met then; ERR_NONE: none */
};

/* Errors of the input as a whole, after which nothing more is read. */
static int
broken(struct input *in, struct err *e, const char *why)
{
	in->failed = true;
	return err_set(e, ERR_IO, "cannot read '%s': %s", in->name, why);
}

static int
no_memory(struct input *in, struct err *e)
{
	in->failed = true;
	return err_nomem(e);
}

/* Size and position of a regular file, for progress; folders are refused. */
static int
look_at(struct input *in, struct err *e)
{
	struct stat st;
	off_t at;

	if (fstat(in->fd, &st) != 0)
		return err_sys(e, ERR_IO, "cannot read '%s'", in->name);
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_IO, "cannot read '%s': it is a folder, "
		    "not a file", in->name);
	in->size = -1;
	if (S_ISREG(st.st_mode)) {
		in->size = st.st_size;
		at = lseek(in->fd, 0, SEEK_CUR);
		in->offset = at > 0 ? at : 0;
	}
	return 0;
}

int
input_open_fd(struct input **out, int fd, const char *name,
    size_t max_record, struct err *e)
{
	struct input *in = calloc(1, sizeof(*in));

	if (!in)
		return err_nomem(e);
	in->fd = fd;
	in->max_record = max_record ? max_record : INPUT_MAX_RECORD;
	in->next_line = 1;
	in->name = str_dup(str_of(name));
	in->raw = malloc(RAW_SIZE);
	in->text = malloc(TEXT_SIZE);
	in->text_cap = TEXT_SIZE;
	if (!in->name || !in->raw || !in->text) {
		input_close(in);
		return err_nomem(e);
	}
	if (look_at(in, e) < 0) {
		input_close(in);
		return -1;
	}
	*out = in;
	return 0;
}

static int
open_file(const char *path)
{
	int fd;

	do
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	while (fd < 0 && errno == EINTR);
	return fd;
}

int
input_open(struct input **out, const char *path, size_t max_record,
    struct err *e)
{
	int fd;

	if (strcmp(path, "-") == 0)
		return input_open_fd(out, STDIN_FILENO, "standard input",
		    max_record, e);
	fd = open_file(path);
	if (fd < 0)
		return err_sys(e, ERR_IO, "cannot open '%s'", path);
	if (input_open_fd(out, fd, path, max_record, e) < 0) {
		close(fd);
		return -1;
	}
	(*out)->close_fd = true;
	return 0;
}

void
input_close(struct input *in)
{
	if (!in)
		return;
	if (in->format == FORMAT_GZIP || in->format == FORMAT_PADDING)
		inflateEnd(&in->z);
	if (in->close_fd)
		close(in->fd);
	free(in->fields);
	free(in->text);
	free(in->raw);
	free(in->name);
	free(in);
}

void
input_limit(struct input *in, size_t max_record)
{
	in->max_record = max_record ? max_record : INPUT_MAX_RECORD;
}

const char *
input_name(const struct input *in)
{
	return in->name;
}

/* Wait for a descriptor that somebody made non-blocking. */
static bool
wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

/* Append to raw, which has room. 0, also at the end: see raw_end. */
static int
read_raw(struct input *in, struct err *e)
{
	ssize_t n;

	do
		n = read(in->fd, in->raw + in->raw_n, RAW_SIZE - in->raw_n);
	while (n < 0 && (errno == EINTR ||
	    (errno == EAGAIN && wait_readable(in->fd))));
	if (n < 0) {
		in->failed = true;
		return err_sys(e, ERR_IO, "cannot read '%s'", in->name);
	}
	in->raw_n += (size_t)n;
	in->raw_end = n == 0;
	return 0;
}

static int
find_format(struct input *in, struct err *e)
{
	if (in->raw_n < 2 || in->raw[0] != 0x1f || in->raw[1] != 0x8b) {
		in->format = FORMAT_PLAIN;
		return 0;
	}
	if (inflateInit2(&in->z, GZIP_WINDOW) != Z_OK)
		return no_memory(in, e);
	in->format = FORMAT_GZIP;
	in->in_member = true;
	return 0;
}

static void
take_raw(struct input *in, size_t n)
{
	in->raw_at += n;
	in->offset += (int64_t)n;
}

static void
copy_plain(struct input *in)
{
	size_t n = in->raw_n - in->raw_at;

	if (n > in->text_cap - in->text_n)
		n = in->text_cap - in->text_n;
	memcpy(in->text + in->text_n, in->raw + in->raw_at, n);
	in->text_n += n;
	take_raw(in, n);
}

/* Between two members: another one, or padding as tapes have it. */
static int
next_member(struct input *in, struct err *e)
{
	if (in->raw[in->raw_at] == 0) {
		in->format = FORMAT_PADDING;
		return 0;
	}
	if (inflateReset(&in->z) != Z_OK)
		return broken(in, e, "zlib cannot start again");
	in->in_member = true;
	return 0;
}

static int
skip_padding(struct input *in, struct err *e)
{
	while (in->raw_at < in->raw_n) {
		if (in->raw[in->raw_at] != 0)
			return broken(in, e, "what follows its gzip data is "
			    "not gzip");
		take_raw(in, 1);
	}
	return 0;
}

static int
inflate_some(struct input *in, struct err *e)
{
	size_t before = in->raw_n - in->raw_at;
	int rc;

	in->z.next_in = in->raw + in->raw_at;
	in->z.avail_in = (uInt)before;
	in->z.next_out = (unsigned char *)in->text + in->text_n;
	in->z.avail_out = (uInt)(in->text_cap - in->text_n);
	rc = inflate(&in->z, Z_NO_FLUSH);
	take_raw(in, before - in->z.avail_in);
	in->text_n = in->text_cap - in->z.avail_out;
	switch (rc) {
	case Z_STREAM_END:
		in->in_member = false;
		return 0;
	case Z_OK:
	case Z_BUF_ERROR: /* wants more input */
		return 0;
	case Z_MEM_ERROR:
		return no_memory(in, e);
	default:
		in->failed = true;
		return err_set(e, ERR_IO, "cannot read '%s': its gzip data is "
		    "damaged (%s)", in->name, in->z.msg ? in->z.msg :
		    "it needs a dictionary");
	}
}

static int
decode(struct input *in, struct err *e)
{
	if (in->format == FORMAT_GZIP && !in->in_member &&
	    next_member(in, e) < 0)
		return -1;
	switch (in->format) {
	case FORMAT_GZIP:
		return inflate_some(in, e);
	case FORMAT_PADDING:
		return skip_padding(in, e);
	case FORMAT_UNKNOWN:
	case FORMAT_PLAIN:
		break;
	}
	copy_plain(in);
	return 0;
}

/* Inflating may still hold output back after the last byte went in. */
static bool
output_pending(const struct input *in)
{
	return in->format == FORMAT_GZIP && in->in_member &&
	    in->z.avail_out == 0;
}

static bool
can_be_read(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/*
 * One step towards more text, which has room for it: a read, or some inflating,
 * or text_end. A pipe may give its first two bytes, which tell the format, one
 * at a time. Unless `block`, *dry says that a read would have to wait.
 */
static int
pour(struct input *in, bool block, bool *dry, struct err *e)
{
	bool starved = in->format == FORMAT_UNKNOWN ? in->raw_n < 2
	    : in->raw_at == in->raw_n && !output_pending(in);

	if (starved && !in->raw_end) {
		if (!block && !can_be_read(in->fd)) {
			*dry = true;
			return 0;
		}
		if (in->format != FORMAT_UNKNOWN)
			in->raw_at = in->raw_n = 0;
		return read_raw(in, e);
	}
	if (in->format == FORMAT_UNKNOWN)
		return find_format(in, e);
	if (!starved)
		return decode(in, e);
	if (in->format == FORMAT_GZIP && in->in_member)
		return broken(in, e, "its gzip data ends too soon");
	in->text_end = true;
	return 0;
}

/* At least one more byte of text, which has room for it, or text_end. */
static int
more_text(struct input *in, struct err *e)
{
	size_t had = in->text_n;

	while (in->text_n == had && !in->text_end) {
		if (pour(in, true, NULL, e) < 0)
			return -1;
	}
	return 0;
}

/* Room for one byte more: move the text to the front, or make it larger. */
static int
make_room(struct input *in, struct err *e)
{
	char *p;

	if (in->text_n < in->text_cap)
		return 0;
	if (in->text_at >= in->text_cap / 4) {
		in->text_n -= in->text_at;
		memmove(in->text, in->text + in->text_at, in->text_n);
		in->text_at = 0;
		return 0;
	}
	p = realloc(in->text, in->text_cap * 2);
	if (!p)
		return no_memory(in, e);
	in->text = p;
	in->text_cap *= 2;
	return 0;
}

static int
grow_text(struct input *in, struct err *e)
{
	return make_room(in, e) < 0 ? -1 : more_text(in, e);
}

/* A byte order mark at the start is dropped. False: more text must show whether
 * there is one; no more than that is wanted, for it may be long in coming. */
static bool
mark_is_settled(struct input *in)
{
	static const char mark[] = "\xef\xbb\xbf";
	const size_t n = sizeof(mark) - 1;

	if (in->begun)
		return true;
	if (in->text_n < n && !in->text_end &&
	    memcmp(in->text, mark, in->text_n) == 0)
		return false;
	if (in->text_n >= n && memcmp(in->text, mark, n) == 0)
		in->text_at = n;
	in->begun = true;
	return true;
}

/* Before every record. */
static int
begin(struct input *in, struct err *e)
{
	enum err_code late = in->late.code;

	in->late.code = ERR_NONE;
	if (late != ERR_NONE)
		return err_set(e, late, "%s", in->late.msg);
	if (in->failed)
		return err_set(e, ERR_IO, "cannot read '%s': reading it has "
		    "failed before", in->name);
	while (!mark_is_settled(in)) {
		if (grow_text(in, e) < 0)
			return -1;
	}
	return 0;
}

static int
too_long(struct input *in, const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT, "the %s is longer than %zu bytes", what,
	    in->max_record);
}

static size_t
text_left(const struct input *in)
{
	return in->text_n - in->text_at;
}

/*
 * Find the LF at or after text_at; *n is the length up to it, or up to the end
 * of the input. With `keep` the line stays in memory and *n above the limit
 * means that the search was given up; without, the line is thrown away.
 */
static int
find_line_end(struct input *in, bool keep, size_t *n, struct err *e)
{
	size_t seen = 0;
	const char *lf;

	for (;;) {
		lf = memchr(in->text + in->text_at + seen, '\n',
		    text_left(in) - seen);
		if (lf) {
			*n = (size_t)(lf - (in->text + in->text_at));
			return 0;
		}
		seen = text_left(in);
		if (!keep) {
			in->text_at = in->text_n = 0;
			seen = 0;
		}
		*n = seen;
		if (in->text_end || seen >= in->max_record + LINE_END_MAX)
			return 0;
		if (grow_text(in, e) < 0)
			return -1;
	}
}

/* Step over the n bytes of a line and its LF, if it has one. */
static void
pass_line(struct input *in, size_t n)
{
	in->text_at += n;
	if (in->text_at < in->text_n)
		in->text_at++;
	in->next_line++;
}

static int
skip_line(struct input *in, struct err *e)
{
	size_t n;

	if (find_line_end(in, false, &n, e) < 0)
		return -1;
	pass_line(in, n);
	return 0;
}

/* What input_ready() has seen is being taken. */
static void
look_afresh(struct input *in)
{
	in->ahead = (struct csv){ .state = CSV_START };
	in->dropped = false;
}

void
input_expect(struct input *in, char sep)
{
	if (!in->expects || in->sep != sep)
		look_afresh(in);
	in->sep = sep;
	in->expects = true;
}

int
input_line(struct input *in, struct str *line, struct err *e)
{
	bool dropped;
	size_t n;

	in->column = 0;
	input_expect(in, '\0');
	dropped = in->dropped;
	look_afresh(in);
	if (begin(in, e) < 0 || find_line_end(in, true, &n, e) < 0)
		return -1;
	if (n == 0 && text_left(in) == 0 && !dropped)
		return 0;
	in->lineno = in->next_line;
	*line = (struct str){ in->text + in->text_at, n };
	if (n < text_left(in) && n > 0 && line->p[n - 1] == '\r')
		line->n--;
	if (dropped || line->n > in->max_record) {
		if (skip_line(in, e) < 0)
			return -1;
		return too_long(in, "line", e);
	}
	pass_line(in, n);
	return 1;
}

static enum csv_state
csv_step(enum csv_state state, char c, char sep)
{
	if (state == CSV_QUOTED)
		return c == '"' ? CSV_CLOSED : CSV_QUOTED;
	if (c == '\n')
		return CSV_DONE;
	if (state == CSV_CR)
		return CSV_BAD;
	if (c == sep)
		return CSV_START;
	if (c == '"')
		return state == CSV_PLAIN ? CSV_BAD : CSV_QUOTED;
	if (state == CSV_CLOSED)
		return c == '\r' ? CSV_CR : CSV_BAD;
	return CSV_PLAIN;
}

static int
csv_column(const struct csv *r)
{
	size_t column = r->at - r->line_at + 1;

	return column > INT32_MAX ? INT32_MAX : (int)column;
}

/* Go on until the record ends, or is wrong, or the text at hand does. */
static void
csv_scan(struct csv *r, const char *p, size_t n)
{
	enum csv_state before;

	while (r->at < n && r->state != CSV_DONE && r->state != CSV_BAD) {
		before = r->state;
		r->state = csv_step(before, p[r->at], r->sep);
		if (r->state == CSV_BAD)
			break;
		if (before == CSV_START && r->state == CSV_QUOTED) {
			r->quote_line = r->line;
			r->quote_column = csv_column(r);
		}
		if (p[r->at++] == '\n') {
			r->line++;
			r->line_at = r->at;
		}
	}
}

/*
 * The length of the record at text_at, line end included, into r->at. A record
 * above the limit is thrown away as it is read: *dropped says that it was, and
 * may be so from the start.
 */
static int
csv_find_end(struct input *in, struct csv *r, bool *dropped, struct err *e)
{
	for (;;) {
		csv_scan(r, in->text + in->text_at, text_left(in));
		if (r->state == CSV_DONE || r->state == CSV_BAD)
			break;
		if (r->at > in->max_record + LINE_END_MAX || *dropped) {
			*dropped = true;
			in->text_at = in->text_n = 0;
			r->at = r->line_at = 0;
		}
		if (in->text_end)
			break;
		if (grow_text(in, e) < 0)
			return -1;
	}
	return 0;
}

static int
csv_bad(struct input *in, const struct csv *r, bool dropped, struct err *e)
{
	bool quote = in->text[in->text_at + r->at] == '"';

	in->lineno = r->line;
	in->column = dropped ? 0 : csv_column(r);
	in->text_at += r->at;
	in->next_line = r->line;
	if (skip_line(in, e) < 0)
		return -1;
	if (quote)
		return err_set(e, ERR_INPUT, "a quote inside a field that does "
		    "not begin with one; put the field in quotes and double "
		    "those inside it");
	return err_set(e, ERR_INPUT, "text after the quote that ends a field; "
	    "double the quotes inside a quoted field");
}

static bool
add_field(struct input *in, size_t *n, struct str field)
{
	size_t cap = in->fields_cap ? in->fields_cap * 2 : 16;
	struct str *v;

	if (*n == in->fields_cap) {
		v = reallocarray(in->fields, cap, sizeof(*v));
		if (!v)
			return false;
		in->fields = v;
		in->fields_cap = cap;
	}
	in->fields[(*n)++] = field;
	return true;
}

/* The field at *at, unquoted in place; *at moves onto its separator. */
static struct str
cut_field(char *p, size_t n, char sep, size_t *at)
{
	size_t from = *at, to, i;

	if (from == n || p[from] != '"') {
		for (i = from; i < n && p[i] != sep; i++)
			;
		*at = i;
		return (struct str){ p + from, i - from };
	}
	to = ++from;
	for (i = from; i < n; i++) {
		if (p[i] == '"' && (++i == n || p[i] != '"'))
			break;
		p[to++] = p[i];
	}
	*at = i;
	return (struct str){ p + from, to - from };
}

/* Cut the well-formed record p, which has no line end any more. 1, or -1. */
static int
cut_record(struct input *in, char *p, size_t n, char sep, size_t *count,
    struct err *e)
{
	size_t at = 0;

	*count = 0;
	for (;;) {
		if (*count == INPUT_MAX_FIELDS)
			return err_set(e, ERR_INPUT, "the record has more than "
			    "%d fields", INPUT_MAX_FIELDS);
		if (!add_field(in, count, cut_field(p, n, sep, &at)))
			return no_memory(in, e);
		if (at >= n)
			return 1;
		at++;
	}
}

/* Without its LF, CRLF, or the CR of a CRLF that the end cut in two. */
static size_t
csv_length(const struct csv *r, const char *p)
{
	size_t n = r->at;

	if (r->state == CSV_CR)
		return n - 1;
	if (r->state != CSV_DONE)
		return n;
	n--;
	return n > 0 && p[n - 1] == '\r' ? n - 1 : n;
}

/* One record, as input_csv(); 2 is a blank line. */
static int
csv_record(struct input *in, char sep, size_t *count, struct err *e)
{
	struct csv r = { .sep = sep, .line = in->next_line };
	bool dropped = in->dropped;
	char *p;
	size_t n;

	if (dropped)
		r = in->ahead;
	look_afresh(in);
	if (csv_find_end(in, &r, &dropped, e) < 0)
		return -1;
	if (r.state == CSV_BAD)
		return csv_bad(in, &r, dropped, e);
	in->lineno = in->next_line;
	if (r.state == CSV_QUOTED) {
		in->text_at = in->text_n;
		in->lineno = r.quote_line;
		in->column = r.quote_column;
		return err_set(e, ERR_INPUT, "a quote that is never closed");
	}
	p = in->text + in->text_at;
	n = csv_length(&r, p);
	in->text_at += r.at;
	in->next_line = r.line;
	if (dropped || n > in->max_record)
		return too_long(in, "record", e);
	if (n == 0)
		return r.at == 0 ? 0 : 2;
	return cut_record(in, p, n, sep, count, e);
}

int
input_csv(struct input *in, char sep, struct str **fields, size_t *n,
    struct err *e)
{
	int rc;

	in->column = 0;
	input_expect(in, sep);
	if (begin(in, e) < 0)
		return -1;
	do
		rc = csv_record(in, sep, n, e);
	while (rc == 2);
	if (rc == 1)
		*fields = in->fields;
	return rc;
}

int64_t
input_lineno(const struct input *in)
{
	return in->lineno;
}

int
input_column(const struct input *in)
{
	return in->column;
}

int64_t
input_offset(const struct input *in)
{
	int64_t waiting = (int64_t)(in->raw_n - in->raw_at);

	/* Of a gzip file the text that waits is of unknown compressed size. */
	if (in->format != FORMAT_GZIP)
		waiting += (int64_t)(in->text_n - in->text_at);
	return in->offset - waiting;
}

int64_t
input_size(const struct input *in)
{
	return in->size;
}

static int
slurp(struct input *in, size_t max, struct buf *out, struct err *e)
{
	size_t total = 0;

	if (begin(in, e) < 0)
		return -1;
	for (;;) {
		total += text_left(in);
		if (total > max)
			return err_set(e, ERR_IO, "'%s' is larger than %zu "
			    "bytes", in->name, max);
		buf_add(out, (struct str){ in->text + in->text_at,
		    text_left(in) });
		if (out->failed)
			return err_nomem(e);
		in->text_at = in->text_n = 0;
		if (in->text_end)
			return 0;
		if (more_text(in, e) < 0)
			return -1;
	}
}

int
input_slurp(const char *path, size_t max, struct buf *out, struct err *e)
{
	struct input *in;
	int rc;

	if (input_open(&in, path, 0, e) < 0)
		return -1;
	rc = slurp(in, max, out, e);
	input_close(in);
	return rc;
}

/* Is a whole record at hand? What has been looked at is not looked at again. */
static bool
is_whole(struct input *in)
{
	struct csv *r = &in->ahead;
	const char *p = in->text + in->text_at;
	const char *lf;

	if (in->sep) {
		if (!r->at && !in->dropped)
			*r = (struct csv){ .sep = in->sep,
			    .line = in->next_line };
		csv_scan(r, p, text_left(in));
		return r->state == CSV_DONE || r->state == CSV_BAD;
	}
	lf = memchr(p + r->at, '\n', text_left(in) - r->at);
	r->at = lf ? (size_t)(lf - p) : text_left(in);
	return lf != NULL;
}

/* A record that is too long is dropped as it comes, as it would be later. */
static void
drop_ahead(struct input *in)
{
	in->dropped = true;
	in->text_at = in->text_n = 0;
	in->ahead.at = in->ahead.line_at = 0;
}

bool
input_ready(struct input *in)
{
	bool dry = false;

	while (!in->failed && !in->text_end
	    && !(mark_is_settled(in) && is_whole(in))) {
		if (in->dropped || (in->expects
		    && in->ahead.at > in->max_record + LINE_END_MAX))
			drop_ahead(in);
		if (make_room(in, &in->late) < 0
		    || pour(in, false, &dry, &in->late) < 0)
			return true;
		if (dry)
			return false;
	}
	return true;
}

int
input_fd(const struct input *in)
{
	return in->fd;
}
