/*
 * cache.c -- `frugal cache`: which action on the completions in the store, and
 * what the actions share.
 */
#include "cmd/cache.h"

#include <stdio.h>
#include <string.h>

#include "base/money.h"
#include "base/suggest.h"

#define KEY_SHOWN 6 /* bytes */

/* --- shared ------------------------------------------------------------ */

void
cache_add_key(struct buf *out, const unsigned char key[SHA256_BYTES])
{
	hex_add(out, key, KEY_SHOWN);
}

int
cache_with_store(const struct common *c, cache_action *action, void *cookie,
    struct err *e)
{
	struct store *s = NULL;
	int rc = inspect_store(c, &s, e);

	if (rc == 0)
		rc = action(s, cookie, e);
	if (rc == 0)
		rc = out_flush(e);
	store_close(s);
	return rc;
}

void
cache_add_count(struct buf *b, int64_t n, const char *what)
{
	buf_addf(b, "%lld %s%s", (long long)n, what, n == 1 ? "" : "s");
}

void
cache_add_worth(struct buf *b, int64_t n, int64_t cost, int64_t unknown,
    const char *worth)
{
	cache_add_count(b, n, "completion");
	buf_addf(b, " %s ", worth);
	money_show(b, cost);
	if (unknown)
		buf_addf(b, " (%lld of unknown cost)", (long long)unknown);
}

/* --- which action ------------------------------------------------------ */

static const struct command *const actions[] = {
	&cache_list, &cache_show, &cache_stats, &cache_explain, &cache_prune,
	&cache_export, &cache_import, &cache_clear, &cache_check, NULL
};

static const char *
action_name(const struct command *c)
{
	return c->name + sizeof("cache ") - 1;
}

static int
help(const struct command *self)
{
	struct err e;

	printf("Usage: frugal cache %s\n\n", self->usage);
	opt_about(self);
	printf("\nActions:\n");
	for (size_t i = 0; actions[i]; i++)
		printf("  %-8s %s\n", action_name(actions[i]),
		    actions[i]->summary);
	printf("\n`frugal cache ACTION --help` shows the options of one.\n\n"
	    "Examples:\n%s", self->examples);
	return out_flush(&e) < 0 ? say_err(&e) : 0;
}

static int
unknown_action(const char *word)
{
	const char *names[16], *near;
	struct err e;
	size_t n = 0;

	for (; actions[n]; n++)
		names[n] = action_name(actions[n]);
	names[n] = NULL;
	near = word ? suggest(str_of(word), names) : NULL;
	if (!word)
		err_set(&e, ERR_USAGE, "say what to do: list, show, stats, "
		    "...; see frugal cache --help");
	else if (near)
		err_set(&e, ERR_USAGE, "unknown action '%.40s'; did you mean "
		    "'%s'?", word, near);
	else
		err_set(&e, ERR_USAGE, "unknown action '%.40s'; see frugal "
		    "cache --help", word);
	return say_err(&e);
}

/* Options that every command has may stand before the action as well:
 * `frugal -c demo cache list`. The action is moved before them. */
static void
action_first(int argc, char **argv)
{
	char *action;
	int at = 1;

	while (at + 2 < argc && (strcmp(argv[at], "-c") == 0
	    || strcmp(argv[at], "--config") == 0
	    || strcmp(argv[at], "--store") == 0))
		at += 2;
	action = argv[at];
	memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof(*argv));
	argv[1] = action;
}

static int
cache_main(const struct command *self, int argc, char **argv)
{
	if (argc < 2)
		return unknown_action(NULL);
	action_first(argc, argv);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(self);
	for (size_t i = 0; actions[i]; i++)
		if (strcmp(argv[1], action_name(actions[i])) == 0)
			return actions[i]->run(actions[i], argc - 1,
			    argv + 1);
	return unknown_action(argv[1]);
}

extern const struct command cmd_cache;
const struct command cmd_cache = {
	.name = "cache",
	.summary = "look at the stored answers, move or delete them",
	.usage = "ACTION [OPTION]... [ARGUMENT]...",
	.about = "Every completion that was paid for is kept in the store, and "
	    "the same request is\nnever paid for twice. These actions show "
	    "what is there, why a prompt was not found\nin it, and make room.",
	.examples =
	    "  frugal cache list\n"
	    "  frugal cache explain \"Why is the sky blue?\"\n"
	    "  frugal cache prune --older-than 90d --dry-run\n"
	    "  frugal cache export -o answers.jsonl\n",
	.run = cache_main,
};
