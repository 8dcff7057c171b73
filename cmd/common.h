/*
 * common.h -- what the subcommands share: messages, the configuration, the
 * store, and standard output that is checked.
 *
 * Standard output carries answers and tables; everything else goes to
 * standard error through say() and say_err().
 */
#ifndef CMD_COMMON_H
#define CMD_COMMON_H

#include "base/err.h"
#include "cache/store.h"
#include "cascade/config.h"
#include "cmd/opt.h"

/* Every subcommand, in the order of `frugal --help`; NULL-ended. */
extern const struct command *const commands[];

/* "frugal: " and the text as one line on standard error; control characters
 * are made visible. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "frugal: " and the error; gives its exit status. */
int say_err(const struct err *e);
/* The nth recorded answer that cannot be read: a file of another kind has as many
 * as it has lines, and the first few say it. */
void say_bad_record(int64_t nth, const struct err *e);
/* Lines without a name before them; control characters are made visible. */
void say_block(const struct buf *lines);

/* A line on a terminal's standard error that is written over by the next, and
 * taken away before anything else is said. */
void say_status(struct str line);
void say_no_status(void);

struct common { /* zeroed, then filled by the options below */
	const char *config_path;
	const char *store_path;
};
/*
 * How far long work is, where that is a share: one line that is written over on
 * a terminal, a plain line every half minute elsewhere. say_no_status() when it
 * is done. say_reading(): of the i-th of n files.
 */
void say_share(bool quiet, const char *what, double share);
struct input;
void say_reading(bool quiet, struct input *in, size_t i, size_t n);

/* Rows for an option table. */
#define COMMON_CONFIG_OPT(c) \
	{ OPT_TEXT, 'c', "config", &(c)->config_path, "FILE", \
	    "configuration; `demo` is the built-in one (default:\n" \
	    "$FRUGAL_CONFIG, ./frugal.yaml, ~/.config/frugal/frugal.yaml)", \
	    0, 0, NULL }
#define COMMON_STORE_OPT(c) \
	{ OPT_TEXT, 0, "store", &(c)->store_path, "FILE", \
	    "the SQLite store, or `none` (default: $FRUGAL_STORE, the\n" \
	    "configuration's, ~/.local/state/frugal/store.db)", 0, 0, NULL }

/*
 * Find and load the configuration; complaints are printed, warnings too if
 * `warn`; its limits are in force from then on. With `optional`, none at all
 * gives an empty one. -1: *e, whose
 * message is empty when the complaints have said it all.
 */
int common_config(const struct common *c, bool optional, bool warn,
    struct config **out, struct err *e);
/* The store of --store, $FRUGAL_STORE, the configuration (which may be NULL)
 * or the default place. `create`: make it if it is not there; else
 * ERR_STORE says that there is none yet. "none" is NULL for those who create, and
 * an error for those who look. */
int common_store(const struct common *c, const struct config *cfg,
    bool create, struct store **out, struct err *e);

/* Is standard output, standard error, standard input a terminal? */
bool is_terminal(int fd);
int terminal_columns(int fd); /* 80 if unknown */

/* Write to standard output; -1 with errno. A closed pipe is an error that
 * is_closed_pipe() tells apart: the reader of a table has seen enough, which is
 * no failure (exit status 0); one of answers has not had them all (1). */
int out_write(struct str s, struct err *e);
/* The same, with control characters made visible on a terminal. */
int out_text(struct str s, struct err *e);
/* To be called once, at the end: catches "no space left". */
int out_flush(struct err *e);
bool is_closed_pipe(const struct err *e);

/*
 * A table for people: columns separated by two blanks, numbers to the right
 * ('r' in `align`, else 'l'), text made visible and cut at 60 columns. On a
 * terminal that is too narrow rows go on in further lines, indented.
 */
struct table {
	const char *align;   /* a letter a column */
	size_t columns;
	struct buf text;     /* cells, each ended by a NUL byte */
	size_t cells;
};
void table_init(struct table *t, const char *align);
void table_cell(struct table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void table_cell_str(struct table *t, struct str s);
void table_cell_money(struct table *t, int64_t picousd);
/* Print and release. */
int table_print(struct table *t, struct err *e);

#endif
