/*
 * regex.c -- the scorer `regex`: 1 when every wanted pattern matches and no
 * forbidden one does, else 0.
 */
#include "base/regex.h"
#include "scorers/scorer.h"

struct patterns {
	struct regex **re;
	size_t n;
};

struct regex_state {
	struct patterns match, not;
	unsigned over;
};

static bool
add_pattern(struct patterns *p, const char *what, const struct ynode *n,
    unsigned flags, struct report *r)
{
	struct str pattern = { NULL, 0 };
	struct err e;

	if (!ynode_str(n, what, &pattern, r))
		return false;
	if (!pattern.n) {
		report_error(r, n, "empty pattern in %s matches every text",
		    what);
		return false;
	}
	if (regex_compile(&p->re[p->n], pattern, flags, &e) < 0) {
		if (e.code == ERR_NOMEM)
			r->nomem = true;
		else
			report_error(r, n, "bad pattern in %s: %s", what,
			    e.msg);
		return false;
	}
	p->n++;
	return true;
}

/* One pattern or a list of them; n may be NULL. */
static bool
read_patterns(struct patterns *p, const char *what, const struct ynode *n,
    unsigned flags, struct arena *a, struct report *r)
{
	bool ok = true;
	size_t i;

	if (!n)
		return true;
	p->re = arena_array(a, n->kind == YNODE_LIST ? n->n : 1,
	    sizeof(*p->re));
	if (!p->re) {
		r->nomem = true;
		return false;
	}
	if (n->kind != YNODE_LIST)
		return add_pattern(p, what, n, flags, r);
	if (!n->n) {
		report_error(r, n, "the list of patterns in %s is empty", what);
		return false;
	}
	for (i = 0; i < n->n; i++)
		ok &= add_pattern(p, what, n->item[i], flags, r);
	return ok;
}

static bool
regex_init(void *state, const struct ynode *o, struct arena *a,
    struct report *r)
{
	struct regex_state *st = state;
	const struct ynode *match = ynode_get(o, "match");
	const struct ynode *not = ynode_get(o, "not");
	bool nocase = false, ok = true;
	unsigned flags;

	if (!match && !not) {
		report_error(r, o, "regex needs a pattern, as in "
		    "\"regex: '####'\"");
		return false;
	}
	ok &= scorer_word(ynode_get(o, "over"), "over", scorer_over_words,
	    &st->over, r);
	ok &= ynode_bool(ynode_get(o, "ignore_case"), "ignore_case", &nocase,
	    r);
	flags = nocase ? REGEX_NOCASE : 0;
	ok &= read_patterns(&st->match, "match", match, flags, a, r);
	ok &= read_patterns(&st->not, "not", not, flags, a, r);
	return ok;
}

static void
free_patterns(struct patterns *p)
{
	while (p->n)
		regex_free(p->re[--p->n]);
}

static void
regex_fini(void *state)
{
	struct regex_state *st = state;

	free_patterns(&st->match);
	free_patterns(&st->not);
}

/*
 * Does each pattern match (or not) as it should? 1; 0 with out->reason; -1
 * with *e.
 */
static int
try_patterns(const struct patterns *p, struct str subject, bool forbidden,
    struct score_output *out, struct err *e)
{
	enum regex_result wrong = forbidden ? REGEX_MATCH : REGEX_NO_MATCH;
	enum regex_result got;
	char quote[SCORER_QUOTE];
	size_t i;

	for (i = 0; i < p->n; i++) {
		got = regex_first(p->re[i], subject, 0, NULL);
		if (got == REGEX_NOMEM)
			return err_nomem(e);
		if (got != wrong && got != REGEX_LIMIT)
			continue;
		scorer_quote(quote, regex_pattern(p->re[i]));
		if (got == REGEX_LIMIT)
			scorer_reason(out->reason,
			    "pattern '%s' exceeded the match limit", quote);
		else if (forbidden)
			scorer_reason(out->reason,
			    "forbidden pattern '%s' matches", quote);
		else
			scorer_reason(out->reason,
			    "pattern '%s' does not match", quote);
		return 0;
	}
	return 1;
}

static void
say_matched(const struct regex_state *st, struct score_output *out)
{
	char quote[SCORER_QUOTE];

	if (!st->match.n)
		scorer_reason(out->reason, "no forbidden pattern matches");
	else if (st->match.n > 1)
		scorer_reason(out->reason, "all %zu patterns match",
		    st->match.n);
	else
		scorer_reason(out->reason, "pattern '%s' matches",
		    scorer_quote(quote, regex_pattern(st->match.re[0])));
}

static int
regex_score(void *state, const struct score_input *in,
    struct score_output *out, struct err *e)
{
	const struct regex_state *st = state;
	const struct completion *c = scorer_chosen(in);
	struct str subject;
	int rc;

	out->score = score_of_p(0);
	if (!c) {
		scorer_reason(out->reason, "no completion came back");
		return 0;
	}
	if (st->over == SCORER_OVER_ANSWER && !c->has_answer) {
		scorer_reason(out->reason, "no answer was found in the text");
		return 0;
	}
	subject = st->over == SCORER_OVER_ANSWER ? c->answer : c->text;

	rc = try_patterns(&st->match, subject, false, out, e);
	if (rc > 0)
		rc = try_patterns(&st->not, subject, true, out, e);
	if (rc <= 0)
		return rc;
	say_matched(st, out);
	out->score = score_of_p(1);
	return 0;
}

static const struct scorer_option regex_options[] = {
	{ "match", "pattern, or list of patterns", "none",
	    "Perl-compatible patterns that must all match somewhere in the "
	    "text; ^ and $ match at line ends" },
	{ "not", "pattern, or list of patterns", "none",
	    "patterns of which none may match" },
	{ "over", "text | answer", "text",
	    "look at the whole text, or only at the answer extracted from it "
	    "(no answer scores 0)" },
	{ "ignore_case", "true | false", "false",
	    "let upper and lower case match each other" },
	{ NULL, NULL, NULL, NULL },
};

const struct scorer_ops scorer_regex = {
	.name = "regex",
	.summary = "1 if the text matches the patterns that it must and none "
	    "that it must not, else 0",
	.flags = SCORER_BINARY | SCORER_FORMAT,
	.options = regex_options,
	.shorthand = "match",
	.state_size = sizeof(struct regex_state),
	.init = regex_init,
	.score = regex_score,
	.fini = regex_fini,
};
