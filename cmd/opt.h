/*
 * opt.h -- one table of options parses the command line (getopt_long) and
 * prints the help.
 */
#ifndef CMD_OPT_H
#define CMD_OPT_H

#include "base/err.h"
#include "base/str.h"

enum opt_kind {
	OPT_FLAG,   /* bool *: set to true */
	OPT_TEXT,   /* const char **: the last one counts */
	OPT_LIST,   /* struct opt_list *: every one counts, in order */
	OPT_INT,    /* int64_t *: whole, in [min, max]; 2k and 2M are read */
	OPT_CHOICE, /* int *: the place of the word in `words` */
	OPT_END,
};

struct opt_list {
	const char **v;
	size_t n;
};

struct opt {
	enum opt_kind kind;
	char letter;          /* 0: none */
	const char *name;     /* without the dashes; NULL with OPT_END */
	void *to;
	const char *arg;      /* "FILE"; NULL for a flag */
	const char *help;     /* words, filled into lines; NULL hides it */
	int64_t min, max;     /* OPT_INT */
	const char *const *words; /* OPT_CHOICE, NULL-ended */
};

/* A subcommand, in cmd/<name>.c. */
struct command {
	const char *name;
	const char *summary;  /* a line in `frugal --help` */
	const char *usage;    /* "[OPTION]... [PROMPT]..." ; one usage a line */
	const char *about;    /* paragraphs before the options, filled too */
	const char *examples; /* lines after them; may be NULL */
	int (*run)(const struct command *self, int argc, char **argv);
};

/*
 * Parse argv[1..]; what is no option is moved to the end in order, as in GNU
 * programs, and *first is its index in argv. -h and --help are known without
 * being in the table: they print the help and give 1. 0: go on; 1: help was
 * printed, exit 0; -1: *e (ERR_USAGE) with the nearest option.
 */
int opt_parse(const struct command *cmd, const struct opt *table, int argc,
    char **argv, int *first, struct err *e);
void opt_list_release(struct opt_list *l);

void opt_help(const struct command *cmd, const struct opt *table);
/* What the command is about: paragraphs filled to the terminal, at most 80
 * columns; a line that begins with a blank stays as it is. */
void opt_about(const struct command *cmd);

#endif
