/*
 * tune_write.c -- `frugal tune --write`: the choice goes into the
 * configuration, and is read again before the file is touched.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/money.h"
#include "cascade/rewrite.h"
#include "cmd/output.h"
#include "cmd/tune.h"

/* The tiers as rewrite_cascade() wants them; the texts are in the arena. */
static int
plan(const struct tune_cmd *c, struct rewrite_tier *out, struct err *e)
{
	struct buf b;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->policy.chain.n; i++) {
		size_t k = c->policy.chain.col[i];
		const struct harvest_tier *t = &c->h.tier[c->h.m->col[k].tier];
		const struct setting *s = harvest_setting(&c->h, k);
		out[i] = (struct rewrite_tier){ .place = t->place };
		if (i + 1 == c->policy.chain.n)
			break;
		if (s->verify)
			return err_set(e, ERR_CONFIG, "the score of tier '%.*s' "
			    "is the trace's `verify`, which no rule can ask "
			    "for yet; nothing was written",
			    STR_ARG(t->tier.name));
		if (t->tier.samples_min != s->samples
		    || t->tier.samples_max != s->samples)
			out[i].samples = s->samples;
		buf_init(&b, BUF_MAX);
		setting_accept(s, c->policy.threshold[i], &b);
		if (b.failed || !arena_str(c->arena, buf_str(&b),
		    &out[i].accept))
			rc = err_nomem(e);
		buf_release(&b);
	}
	return rc;
}

/* From what data, when, which promise. */
static void
comment(const struct tune_cmd *c, struct buf *out)
{
	double n = (double)c->h.m->tasks;
	struct interval in = chance_share(c->right * n, n);

	clock_local_day(out, clock_utc_ms());
	buf_addf(out, ", %zu tasks of", c->h.m->tasks);
	for (size_t i = 0; i < c->n_files; i++)
		buf_addf(out, "%s %s", i ? "," : "", c->files[i]);
	buf_adds(out, "\n");
	tune_labels(c, out);
	buf_adds(out, "; ");
	tune_wish(c, out);
	buf_addf(out, "\n%s %.2f %% (%.1f-%.1f), ", tune_right_word(c),
	    100 * c->right, 100 * in.low, 100 * in.high);
	money_show(out, llround(c->cost));
	buf_adds(out, c->target == TARGET_LOSS ? " a task, on the same tasks"
	    : " a task, by cross-validation");
	if (c->target == TARGET_LOSS)
		buf_addf(out, "\npromised: at most %g %% of the answers of "
		    "'%.*s' lost on balance, confidence %g %%",
		    100 * c->wish, STR_ARG(c->h.tier[c->h.top].tier.name),
		    100 * c->sure);
}

/* Does the new text say what was meant? */
static int
verify(const struct tune_cmd *c, struct str text, struct err *e)
{
	struct buf messages;
	struct config *cfg = NULL;
	const struct cascade *k = NULL;
	int rc;

	buf_init(&messages, BUF_MAX);
	rc = config_parse(&cfg, c->path.p, text, &messages, NULL, e);
	if (rc == 0)
		k = config_cascade(cfg, c->k->name, e);
	if (rc < 0 || !k || k->n_tiers != c->policy.chain.n) {
		say_block(&messages);
		rc = err_set(e, ERR_CONFIG, "'%s' could not be rewritten: "
		    "nothing was changed; put the result in by hand",
		    c->path.p);
	}
	config_free(cfg);
	buf_release(&messages);
	return rc;
}

static int
replace(const char *path, struct str text, struct err *e)
{
	char *real = realpath(path, NULL); /* a link stays one */
	struct output *out = NULL;
	struct stat st;
	int rc;

	if (!real || stat(real, &st) < 0) {
		rc = err_sys(e, ERR_IO, "cannot write '%s'", path);
		free(real);
		return rc;
	}
	rc = output_open(&out, real, OUTPUT_REPLACE, e);
	if (rc == 0)
		rc = output_add(out, text, e);
	if (rc == 0)
		rc = output_finish(out, e);
	if (rc == 0 && chmod(real, st.st_mode & 07777) < 0)
		rc = err_sys(e, ERR_IO, "cannot set the mode of '%s'", path);
	output_free(out);
	free(real);
	return rc;
}

int
tune_write(const struct tune_cmd *c, struct err *e)
{
	struct rewrite_tier tier[FRONTIER_MAX_CHAIN];
	struct buf text, words, diff;
	int rc;

	if (strcmp(c->path.p, "demo") == 0)
		return err_set(e, ERR_USAGE, "-c demo is built in and cannot "
		    "be rewritten");
	buf_init(&text, BUF_MAX);
	buf_init(&words, BUF_MAX);
	buf_init(&diff, BUF_MAX);
	comment(c, &words);
	rc = plan(c, tier, e);
	if (rc == 0)
		rc = rewrite_cascade(buf_str(&c->text), c->path.p, c->k->name,
		    tier, c->policy.chain.n, buf_str(&words), &text, e);
	if (rc == 0)
		rc = verify(c, buf_str(&text), e);
	if (rc == 0) {
		rewrite_diff(buf_str(&c->text), buf_str(&text), &diff);
		say_block(&diff);
		rc = replace(c->path.p, buf_str(&text), e);
	}
	if (rc == 0)
		say("'%s' was rewritten", c->path.p);
	buf_release(&text);
	buf_release(&words);
	buf_release(&diff);
	return rc;
}
