/*
 * opt.c -- option tables over getopt_long(3).
 */
#include "cmd/opt.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "cmd/common.h"

#define MAX_OPTIONS 64
#define FIRST_LONG 256 /* codes of long options, above any letter */
#define HELP_COLUMN 26
#define HELP_WIDTH 80  /* of lines, unless the terminal is narrower */
#define HELP_NARROW 40 /* and no further */

static size_t
count(const struct opt *table)
{
	size_t n = 0;

	while (table[n].kind != OPT_END)
		n++;
	return n;
}

static int
bad_option(const struct opt *table, char **argv, int at, struct err *e)
{
	const char *known[MAX_OPTIONS + 2], *near;
	const char *word = argv[at];
	size_t n = 0, k = 0;
	struct str name, rest;

	if (optopt > 0 && optopt < FIRST_LONG)
		return err_set(e, ERR_USAGE, "unknown option '-%c'; see "
		    "--help", optopt);
	for (; table[n].kind != OPT_END; n++)
		if (table[n].name)
			known[k++] = table[n].name;
	known[k++] = "help";
	known[k] = NULL;
	rest = str_of(word);
	while (rest.n && rest.p[0] == '-')
		rest = str_sub(rest, 1, rest.n);
	str_cut(&rest, '=', &name);
	near = suggest(name, known);
	if (near)
		return err_set(e, ERR_USAGE, "unknown option '%.60s'; did "
		    "you mean '--%s'?", word, near);
	return err_set(e, ERR_USAGE, "unknown option '%.60s'; see --help",
	    word);
}

static int
missing_argument(const struct opt *table, int code, struct err *e)
{
	if (code < FIRST_LONG)
		return err_set(e, ERR_USAGE, "option '-%c' needs a value; see "
		    "--help", code);
	return err_set(e, ERR_USAGE, "option '--%s' needs a value; see "
	    "--help", table[code - FIRST_LONG].name);
}

static int
list_add(struct opt_list *l, const char *text, struct err *e)
{
	const char **v = realloc(l->v, (l->n + 1) * sizeof(*v));

	if (!v)
		return err_nomem(e);
	v[l->n++] = text;
	l->v = v;
	return 0;
}

void
opt_list_release(struct opt_list *l)
{
	free(l->v);
	*l = (struct opt_list){ 0 };
}

static int
set_int(const struct opt *o, const char *text, struct err *e)
{
	int64_t v;

	if (!str_to_count(str_of(text), &v) || v < o->min || v > o->max)
		return err_set(e, ERR_USAGE, "option '--%s' takes a whole "
		    "number from %lld to %lld, not '%.40s'", o->name,
		    (long long)o->min, (long long)o->max, text);
	*(int64_t *)o->to = v;
	return 0;
}

static int
set_choice(const struct opt *o, const char *text, struct err *e)
{
	struct buf words;
	int rc;

	for (int i = 0; o->words[i]; i++)
		if (strcmp(text, o->words[i]) == 0) {
			*(int *)o->to = i;
			return 0;
		}
	buf_init(&words, 256);
	for (int i = 0; o->words[i]; i++)
		buf_addf(&words, "%s%s", i ? ", " : "", o->words[i]);
	rc = err_set(e, ERR_USAGE, "option '--%s' takes one of %s, not "
	    "'%.40s'", o->name, words.n ? words.p : "", text);
	buf_release(&words);
	return rc;
}

static int
set(const struct opt *o, const char *text, struct err *e)
{
	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)o->to = true;
		return 0;
	case OPT_TEXT:
		*(const char **)o->to = text;
		return 0;
	case OPT_LIST:
		return list_add(o->to, text, e);
	case OPT_INT:
		return set_int(o, text, e);
	case OPT_CHOICE:
		return set_choice(o, text, e);
	case OPT_END:
		break;
	}
	return 0;
}

static void
build_tables(const struct opt *table, size_t n, struct option *lo, char *sh)
{
	size_t k = 0;

	sh[k++] = ':'; /* tell a missing argument from an unknown option */
	sh[k++] = 'h';
	for (size_t i = 0; i < n; i++) {
		bool arg = table[i].kind != OPT_FLAG;
		lo[i] = (struct option){ table[i].name,
		    arg ? required_argument : no_argument, NULL,
		    FIRST_LONG + (int)i };
		if (table[i].letter) {
			sh[k++] = table[i].letter;
			if (arg)
				sh[k++] = ':';
		}
	}
	sh[k] = '\0';
	lo[n] = (struct option){ "help", no_argument, NULL, 'h' };
	lo[n + 1] = (struct option){ 0 };
}

static const struct opt *
by_code(const struct opt *table, int code)
{
	if (code >= FIRST_LONG)
		return &table[code - FIRST_LONG];
	while (table->kind != OPT_END && table->letter != code)
		table++;
	return table;
}

int
opt_parse(const struct command *cmd, const struct opt *table, int argc,
    char **argv, int *first, struct err *e)
{
	struct option lo[MAX_OPTIONS + 2];
	char sh[2 * MAX_OPTIONS + 4];
	size_t n = count(table);
	int code, at = 1;

	build_tables(table, n, lo, sh);
	optind = 0; /* begin afresh, GNU's way */
	opterr = 0;
	while ((code = getopt_long(argc, argv, sh, lo, NULL)) != -1) {
		if (code == 'h') {
			opt_help(cmd, table);
			return 1;
		}
		if (code == '?')
			return bad_option(table, argv,
			    optind > 1 ? optind - 1 : at, e);
		if (code == ':')
			return missing_argument(table, optopt, e);
		if (set(by_code(table, code), optarg, e) < 0)
			return -1;
		at = optind;
	}
	*first = optind;
	return 0;
}

/* How wide the help is: as the terminal, within reason. */
static size_t
help_width(void)
{
	int n = isatty(STDOUT_FILENO) ? terminal_columns(STDOUT_FILENO)
	    : HELP_WIDTH;

	return n > HELP_WIDTH ? HELP_WIDTH : n < HELP_NARROW ? HELP_NARROW
	    : (size_t)n;
}

/* The words of a text, in lines of their own length; further lines begin at
 * column `indent`, where the first one is already. */
static void
print_words(struct str text, size_t indent)
{
	size_t width = help_width(), at = indent;

	while (text.n) {
		size_t n = 0;

		while (n < text.n && text.p[n] != ' ' && text.p[n] != '\n')
			n++;
		if (n && at > indent && at + 1 + n > width) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		}
		if (n) {
			printf("%s%.*s", at > indent ? " " : "", (int)n,
			    text.p);
			at += (at > indent) + n;
		}
		text = str_sub(text, n < text.n ? n + 1 : n, text.n);
	}
	putchar('\n');
}

void
opt_about(const struct command *cmd)
{
	struct str text = str_of(cmd->about);

	while (text.n) {
		struct str rest = text, line, words = { text.p, 0 };

		while (rest.n && rest.p[0] != '\n' && rest.p[0] != ' ') {
			str_cut(&rest, '\n', &line);
			words.n = (size_t)(line.p + line.n - words.p);
		}
		if (words.n) {
			print_words(words, 0);
		} else {
			str_cut(&rest, '\n', &line);
			printf("%.*s\n", STR_ARG(line));
		}
		text = rest;
	}
}

static void
print_option(const struct opt *o)
{
	char left[80];
	int n;

	n = snprintf(left, sizeof(left), "  %c%c%s --%s%s%s",
	    o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
	    o->letter ? "," : " ", o->name, o->arg ? " " : "",
	    o->arg ? o->arg : "");
	if (n >= HELP_COLUMN - 1)
		printf("%s\n%*s", left, HELP_COLUMN, "");
	else
		printf("%-*s", HELP_COLUMN, left);
	print_words(str_of(o->help), HELP_COLUMN);
}

void
opt_help(const struct command *cmd, const struct opt *table)
{
	struct str rest = str_of(cmd->usage), line;
	const char *word = "Usage:";

	while (rest.n) {
		str_cut(&rest, '\n', &line);
		printf("%-6s frugal %s%s%.*s\n", word, cmd->name,
		    line.n ? " " : "", STR_ARG(line));
		word = "";
	}
	putchar('\n');
	opt_about(cmd);
	printf("\nOptions:\n");
	for (; table->kind != OPT_END; table++)
		if (table->help)
			print_option(table);
	print_option(&(struct opt){ OPT_FLAG, 'h', "help", NULL, NULL,
	    "show this help", 0, 0, NULL });
	if (cmd->examples)
		printf("\nExamples:\n%s", cmd->examples);
}
