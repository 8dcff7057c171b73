/*
 * registry.c -- the table of all scorers, and the little that they share.
 */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "base/utf8.h"
#include "scorers/scorer.h"

/* One line a scorer, in the order of `frugal scorers`. */
#define SCORERS(X) \
	X(regex) \
	X(agreement) \
	X(logprob) \
	X(verify) \
	X(learned)

#define DECLARE(name) extern const struct scorer_ops scorer_##name;
#define ENTRY(name) &scorer_##name,

SCORERS(DECLARE)

const struct scorer_ops *const scorer_registry[] = { SCORERS(ENTRY) NULL };

const char *const scorer_over_words[] = { "text", "answer", NULL };

const struct scorer_ops *
scorer_find(struct str name)
{
	size_t i;

	for (i = 0; scorer_registry[i]; i++)
		if (str_is(name, scorer_registry[i]->name))
			return scorer_registry[i];
	return NULL;
}

const struct completion *
scorer_chosen(const struct score_input *in)
{
	return in->chosen < in->n ? &in->c[in->chosen] : NULL;
}

bool
scorer_complete(const struct completion *c)
{
	return c->finish != FINISH_LENGTH && c->finish != FINISH_REFUSED;
}

/* End text of n bytes in a buffer of `size` with "..." at a character. */
static void
cut(char *text, size_t n, size_t size)
{
	struct str kept = utf8_clip((struct str){ text, n },
	    size - sizeof("..."));

	memcpy(text + kept.n, "...", sizeof("..."));
}

void
scorer_reason(char reason[SCORER_REASON], const char *fmt, ...)
{
	va_list ap;
	int n;

	/* Most of them are said as they are. */
	if (!strchr(fmt, '%') && strlen(fmt) < SCORER_REASON) {
		strcpy(reason, fmt);
		return;
	}
	va_start(ap, fmt);
	n = vsnprintf(reason, SCORER_REASON, fmt, ap);
	va_end(ap);
	if (n < 0)
		reason[0] = '\0';
	else if (n >= SCORER_REASON)
		cut(reason, SCORER_REASON - 1, SCORER_REASON);
}

const char *
scorer_quote(char out[SCORER_QUOTE], struct str text)
{
	struct buf shown;

	buf_init(&shown, BUF_MAX);
	utf8_oneline(&shown, text, 60);
	if (shown.failed || !shown.p)
		buf_clear(&shown);
	/* Sixty columns may still be many bytes. */
	snprintf(out, SCORER_QUOTE, "%.*s", STR_ARG(buf_str(&shown)));
	if (shown.n >= SCORER_QUOTE)
		cut(out, SCORER_QUOTE - 1, SCORER_QUOTE);
	buf_release(&shown);
	return out;
}

/* "a, b or c" */
static void
list_words(struct buf *out, const char *const *words)
{
	size_t i;

	for (i = 0; words[i]; i++) {
		if (i)
			buf_adds(out, words[i + 1] ? ", " : " or ");
		buf_adds(out, words[i]);
	}
}

bool
scorer_word(const struct ynode *n, const char *what,
    const char *const *words, unsigned *out, struct report *r)
{
	struct str text = { NULL, 0 };
	struct buf list;
	const char *near;
	unsigned i;

	if (!n)
		return true;
	if (!ynode_str(n, what, &text, r))
		return false;
	for (i = 0; words[i]; i++) {
		if (str_is(text, words[i])) {
			*out = i;
			return true;
		}
	}

	near = suggest(text, words);
	buf_init(&list, 200);
	list_words(&list, words);
	if (list.failed)
		r->nomem = true;
	else if (near)
		report_error(r, n, "unknown %s '%.*s'; did you mean '%s'?",
		    what, STR_ARG(text), near);
	else
		report_error(r, n, "unknown %s '%.*s'; it is %s", what,
		    STR_ARG(text), list.p);
	buf_release(&list);
	return false;
}
