/*
 * err.h -- what went wrong, in one line, and the exit status that it decides.
 *
 * A failure is described once, where it is noticed, and gains context on the
 * way up. Taken last by functions that can fail; untouched when they succeed.
 * A struct err allocates nothing, so it can report "out of memory".
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
	ERR_NONE = 0,
	ERR_USAGE,    /* the command line is wrong: exit 2 */
	ERR_CONFIG,   /* the configuration is wrong: exit 2 */
	ERR_INPUT,    /* a task, trace or reply cannot be read: exit 1 */
	ERR_IO,       /* a file, pipe or socket failed: exit 1 */
	ERR_STORE,    /* the SQLite store failed: exit 1 */
	ERR_NET,      /* a provider could not be reached or refused: exit 1 */
	ERR_BUDGET,   /* a cost cap was reached: exit 3 */
	ERR_NOMEM,    /* an allocation failed: exit 1 */
	ERR_INTERRUPTED, /* the user asked to stop: exit 130 */
};

struct err {
	enum err_code code;
	char msg[512];
};

/*
 * Fill *e (which may be NULL) and return -1, so that a caller may write
 * `return err_set(e, ...)`. Messages: lower case, no full stop, the problem
 * first, the subject in single quotes, the remedy last. A message that does
 * not fit is cut at a character boundary and ends in "...".
 */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set with ": " and the text of errno appended. Keeps errno. */
int err_sys(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Out of memory; returns -1. */
int err_nomem(struct err *e);

/* Put context before the message: err_in(e, "tier '%s'", name). Returns -1. */
int err_in(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The exit status of a code, as the manual lists them: 0, 1, 2, 3 or 130. */
int err_status(enum err_code code);

#endif
