/*
 * scorers.c -- `frugal scorers`: how an answer can be judged, with options.
 */
#include <stdio.h>

#include "base/suggest.h"
#include "cmd/inspect.h"
#include "scorers/scorer.h"

#define MAX_SCORERS 64
#define WIDTH 78  /* of a line */
#define INDENT 12 /* of what is said about a name */

/* The combinators are no scorers but the forms of a rule: scorers/rule.h. */
static const struct combinator {
	const char *name, *summary, *example;
	struct scorer_option options[4];
} combinators[] = {
	{ "all", "accepts when every rule under it accepts",
	    "all: [regex: '####', logprob: 0.85]",
	    { { "of", "list of rules", NULL, "the rules; a list alone is short "
	    "for it. With at_least here they have none of their own" },
	    { "at_least", "number from 0 to 1, or {log: x}", "none",
	    "accept when the least of their scores is at least this" } } },
	{ "any", "accepts when at least one rule under it accepts",
	    "any: [regex: '^I do not know', agreement: 0.8]",
	    { { "of", "list of rules", NULL, "the rules; a list alone is short "
	    "for it. With at_least here they have none of their own" },
	    { "at_least", "number from 0 to 1, or {log: x}", "none",
	    "accept when the greatest of their scores is at least this" } } },
	{ "mean", "the weighted mean of the scores under it",
	    "mean: {of: [agreement: {}, logprob: {}], weights: [2, 1], "
	    "at_least: 0.7}",
	    { { "of", "list of rules", NULL, "the rules, without thresholds of "
	    "their own" },
	    { "weights", "list of numbers", "all the same",
	    "how much each score counts, in the order of the rules" },
	    { "at_least", "number from 0 to 1, or {log: x}", NULL,
	    "accept when the mean is at least this" } } },
};
#define COMBINATORS (sizeof(combinators) / sizeof(combinators[0]))

/* Text after `column` columns, broken at blanks. */
static void
add_wrapped(struct buf *b, struct str text, size_t column)
{
	size_t at = column;
	struct str word;

	while (text.n) {
		str_cut(&text, ' ', &word);
		if (at > INDENT && at + 1 + word.n > WIDTH) {
			buf_addf(b, "\n%*s", INDENT, "");
			at = INDENT;
		} else if (at > column) {
			buf_addc(b, ' ');
			at++;
		}
		buf_add(b, word);
		at += word.n;
	}
	buf_addc(b, '\n');
}

static void
add_item(struct buf *b, const char *name, const char *text)
{
	size_t n = str_of(name).n;

	buf_addf(b, "%-*s", INDENT, name);
	if (n >= INDENT)
		buf_addf(b, "\n%*s", INDENT, "");
	add_wrapped(b, str_of(text), INDENT);
}

static void
add_option(struct buf *b, const struct scorer_option *o)
{
	struct buf name;

	buf_init(&name, 256);
	buf_addf(&name, "  %s", o->name);
	add_item(b, name.p ? name.p : "", o->type);
	buf_addf(b, "%*s", INDENT, "");
	add_wrapped(b, str_of(o->help), INDENT);
	if (o->deflt)
		buf_addf(b, "%*sdefault: %s\n", INDENT, "", o->deflt);
	else
		buf_addf(b, "%*srequired\n", INDENT, "");
	buf_release(&name);
}

static void
add_facts(struct buf *b, const struct scorer_ops *ops)
{
	if (ops->flags & SCORER_LOGPROBS)
		buf_adds(b, "It needs token log-probabilities, which not "
		    "every provider gives.\n");
	if (ops->flags & SCORER_CHOOSES)
		buf_adds(b, "Of several samples it chooses the one that is "
		    "returned.\n");
	if (ops->flags & SCORER_FORMAT)
		buf_adds(b, "Failing it is a matter of form: with `repair: 1` "
		    "in its tier the model is\nasked once more before the "
		    "task climbs.\n");
	if (ops->shorthand)
		buf_addf(b, "`%s: VALUE` is short for `%s: {%s: VALUE}`.\n",
		    ops->name, ops->name, ops->shorthand);
}

static void
describe_scorer(struct buf *b, const struct scorer_ops *ops)
{
	bool binary = ops->flags & SCORER_BINARY;
	char usual[32];
	struct scorer_option at_least = { "at_least",
	    "number from 0 to 1, or {log: x}", binary ? "1" :
	    ops->at_least > 0 ? usual : NULL,
	    "accept when the score is at least this; {log: x} gives its "
	    "natural logarithm, for thresholds next to 1" };

	snprintf(usual, sizeof(usual), "%g", ops->at_least);
	add_item(b, ops->name, ops->summary);
	buf_adds(b, "\nOptions:\n");
	for (const struct scorer_option *o = ops->options; o->name; o++)
		add_option(b, o);
	add_option(b, &at_least);
	buf_addc(b, '\n');
	add_facts(b, ops);
}

static void
describe_combinator(struct buf *b, const struct combinator *c)
{
	add_item(b, c->name, c->summary);
	buf_adds(b, "\nOptions:\n");
	for (const struct scorer_option *o = c->options; o->name; o++)
		add_option(b, o);
	buf_addf(b, "\nExample:\n  accept:\n    %s\n", c->example);
}

static void
add_list(struct buf *b)
{
	for (size_t i = 0; scorer_registry[i]; i++)
		add_item(b, scorer_registry[i]->name,
		    scorer_registry[i]->summary);
	buf_adds(b, "\nCombined by:\n");
	for (size_t i = 0; i < COMBINATORS; i++)
		add_item(b, combinators[i].name, combinators[i].summary);
}

static int
unknown(const char *name, struct err *e)
{
	const char *known[MAX_SCORERS + COMBINATORS + 1], *near;
	size_t n = 0;

	for (; n < MAX_SCORERS && scorer_registry[n]; n++)
		known[n] = scorer_registry[n]->name;
	for (size_t i = 0; i < COMBINATORS; i++)
		known[n++] = combinators[i].name;
	known[n] = NULL;
	near = suggest(str_of(name), known);
	if (near)
		return err_set(e, ERR_USAGE, "unknown scorer '%.60s'; did you "
		    "mean '%s'?", name, near);
	return err_set(e, ERR_USAGE, "unknown scorer '%.60s'; `frugal "
	    "scorers` lists them", name);
}

static int
describe(struct buf *b, const char *name, struct err *e)
{
	const struct scorer_ops *ops = scorer_find(str_of(name));

	if (ops) {
		describe_scorer(b, ops);
		return 0;
	}
	for (size_t i = 0; i < COMBINATORS; i++)
		if (str_is(str_of(name), combinators[i].name)) {
			describe_combinator(b, &combinators[i]);
			return 0;
		}
	return unknown(name, e);
}

static int
scorers_main(const struct command *self, int argc, char **argv)
{
	const struct opt table[] = { { .kind = OPT_END } };
	struct err e = { 0 };
	struct buf b;
	int first, rc;

	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		return 0;
	buf_init(&b, BUF_MAX);
	if (rc == 0)
		rc = inspect_no_arguments(argc, argv, first + 1, "ask for "
		    "one scorer at a time", &e);
	if (rc == 0 && first < argc)
		rc = describe(&b, argv[first], &e);
	else if (rc == 0)
		add_list(&b);
	if (rc == 0)
		rc = inspect_print(&b, &e);
	if (rc == 0)
		rc = out_flush(&e);
	buf_release(&b);
	return rc < 0 ? say_err(&e) : 0;
}

extern const struct command cmd_scorers;
const struct command cmd_scorers = {
	.name = "scorers",
	.summary = "list how answers can be judged, and the options",
	.usage = "[NAME]",
	.about = "Lists the scorers that a tier's `accept:` may name, or "
	    "shows the options of one.\nEvery score lies from 0 to 1, and 1 "
	    "means surely right.",
	.examples =
	    "  frugal scorers\n"
	    "  frugal scorers logprob\n"
	    "  frugal scorers all\n",
	.run = scorers_main,
};
