/*
 * tune.c -- `frugal tune`: learn a cascade from recorded answers.
 */
#include "cmd/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "base/suggest.h"
#include "cascade/ledger_traces.h"

#define LEARN_MOST 20000 /* tasks that --learned auto learns from */
#define LEARN_LEAST 150

/* --- progress ------------------------------------------------------------ */

static bool
learning(void *to, size_t done, size_t all)
{
	say_share(((const struct tune_cmd *)to)->quiet, "learning", all
	    ? (double)done / (double)all : 1);
	return true;
}

/* --- options ------------------------------------------------------------- */

/* "0.3", "30%": a share. */
static int
parse_share(const char *name, const char *text, double *out, struct err *e)
{
	struct str s = str_trim(str_of(text));
	bool percent = str_ends(s, "%");

	if (percent)
		s = str_trim(str_sub(s, 0, s.n - 1));
	if (!str_to_double(s, out))
		*out = -1;
	if (percent)
		*out /= 100;
	if (!(*out > 0 && *out < 1))
		return err_set(e, ERR_USAGE, "option '--%s' takes a share "
		    "between 0 and 1 such as 0.9 or 90%%, not '%.40s'", name,
		    text);
	return 0;
}

/* "$0.002", "0.002": dollars a task; "30%": a share of the top tier's cost. */
static int
parse_cost(struct tune_cmd *c, struct err *e)
{
	struct str s = str_trim(str_of(c->max_cost));
	int64_t picousd;

	c->wish_is_share = str_ends(s, "%");
	if (c->wish_is_share)
		return parse_share("max-cost", c->max_cost, &c->wish, e);
	if (str_starts(s, "$"))
		s = str_sub(s, 1, s.n);
	if (!money_parse(s, &picousd) || picousd <= 0)
		return err_set(e, ERR_USAGE, "option '--max-cost' takes "
		    "dollars a task such as 0.0005, or a share of the top "
		    "tier's such as 30%%, not '%.40s'", c->max_cost);
	c->wish = (double)picousd;
	return 0;
}

/* "30" where "30%" was meant. */
static void
doubt_cost(const struct tune_cmd *c)
{
	double most = 0;

	for (size_t i = 0; i < c->h.tiers; i++)
		most = fmax(most, matrix_mean_cost(c->h.m, c->h.tier[i].first));
	if (c->target == TARGET_COST && !c->wish_is_share && c->wish > 10
	    * most)
		say("--max-cost %s is dollars a task, far more than any tier "
		    "costs; a share of the top tier's is written %s%%",
		    c->max_cost, c->max_cost);
}

static const char *const bounds[] = {
	[NETLOSS_EXACT] = "exact",
	[NETLOSS_CLOPPER_PEARSON] = "clopper-pearson",
	NULL
};

const char *
tune_bound_word(enum netloss_bound bound)
{
	return bounds[bound];
}

static int
parse_bound(struct tune_cmd *c, struct err *e)
{
	const char *near;

	if (!c->bound_word)
		return 0;
	if (!c->max_loss)
		return err_set(e, ERR_USAGE, "--bound goes with --max-loss");
	for (int i = 0; bounds[i]; i++)
		if (strcmp(c->bound_word, bounds[i]) == 0) {
			c->bound = (enum netloss_bound)i;
			return 0;
		}
	near = suggest(str_of(c->bound_word), bounds);
	return err_set(e, ERR_USAGE, "--bound takes exact or clopper-pearson, "
	    "not '%.40s'%s%s%s", c->bound_word, near ? "; did you mean '" : "",
	    near ? near : "", near ? "'?" : "");
}

static int
parse_target(struct tune_cmd *c, struct err *e)
{
	c->sure = 0.95;
	if (!!c->max_cost + !!c->min_quality + !!c->max_loss > 1)
		return err_set(e, ERR_USAGE, "--max-cost, --min-quality and "
		    "--max-loss are three wishes; give one");
	if (c->confidence && !c->max_loss)
		return err_set(e, ERR_USAGE, "--confidence goes with "
		    "--max-loss");
	if (parse_bound(c, e) < 0)
		return -1;
	if (c->confidence
	    && parse_share("confidence", c->confidence, &c->sure, e) < 0)
		return -1;
	c->target = c->max_cost ? TARGET_COST : c->min_quality
	    ? TARGET_QUALITY : c->max_loss ? TARGET_LOSS : TARGET_NONE;
	switch (c->target) {
	case TARGET_COST:
		return parse_cost(c, e);
	case TARGET_QUALITY:
		return parse_share("min-quality", c->min_quality, &c->wish, e);
	case TARGET_LOSS:
		return parse_share("max-loss", c->max_loss, &c->wish, e);
	case TARGET_NONE:
		break;
	}
	return c->write ? err_set(e, ERR_USAGE, "--write needs to know what "
	    "you want: give --max-cost, --min-quality or --max-loss") : 0;
}

static int
parse_metric(struct tune_cmd *c, struct metric *m, struct err *e)
{
	struct str word = str_of(c->metric), rest = word;
	const char *near;

	*m = (struct metric){ .kind = METRIC_TRACE, .least = 0.5 };
	if (!c->metric)
		return 0;
	if (c->label_free)
		return err_set(e, ERR_USAGE, "--metric needs labels, "
		    "--label-free does without; give one");
	if (str_starts(word, "exec ")) {
		m->kind = METRIC_EXEC;
		m->ask = tune_exec;
		m->to = (void *)(c->metric + 5);
		return 0;
	}
	if (str_starts(word, "f1:")) {
		str_cut(&rest, ':', &word);
		m->kind = METRIC_F1;
		if (str_to_double(rest, &m->least) && m->least > 0
		    && m->least <= 1)
			return 0;
	}
	for (int i = 0; metric_words[i] && i != METRIC_EXEC; i++)
		if (strcmp(c->metric, metric_words[i]) == 0) {
			m->kind = (enum metric_kind)i;
			return 0;
		}
	near = suggest(str_of(c->metric), metric_words);
	return err_set(e, ERR_USAGE, "--metric takes trace, exact, numeric, "
	    "contains, regex, f1, f1:0.8, json or 'exec COMMAND', not "
	    "'%.40s'%s%s%s", c->metric, near ? "; did you mean '" : "",
	    near ? near : "", near ? "'?" : "");
}

static int
parse_learned(struct tune_cmd *c, struct err *e)
{
	static const char *const word[] = { "auto", "yes", "no", NULL };

	for (int i = 0; c->learned_word && word[i]; i++)
		if (strcmp(c->learned_word, word[i]) == 0) {
			c->learned = (enum tune_learned)i;
			return 0;
		}
	return !c->learned_word ? 0 : err_set(e, ERR_USAGE, "--learned takes "
	    "auto, yes or no, not '%.40s'", c->learned_word);
}

/* --- the configuration --------------------------------------------------- */

/* The rules as they are written: the configuration keeps them only built. */
static int
find_rules(struct tune_cmd *c, struct err *e)
{
	struct report report;
	const struct ynode *root, *n;

	c->arena = arena_new(0);
	c->accept = c->arena ? arena_array(c->arena, c->k->n_tiers,
	    sizeof(*c->accept)) : NULL;
	if (!c->accept)
		return err_nomem(e);
	if (strcmp(c->path.p, "demo") == 0)
		buf_add(&c->text, config_demo_text());
	else if (input_slurp(c->path.p, BUF_MAX, &c->text, e) < 0)
		return -1;
	report_init(&report, c->arena, c->path.p);
	root = yaml_parse(buf_str(&c->text), c->arena, &report);
	n = ynode_get(root, "cascades");
	for (size_t i = 0; n && n->kind == YNODE_MAP && i < n->n; i++)
		if (str_eq(n->key[i]->text, c->k->name)) {
			n = ynode_get(n->item[i], "tiers");
			break;
		}
	for (size_t i = 0; n && n->kind == YNODE_LIST && i < n->n
	    && i < c->k->n_tiers; i++)
		c->accept[i] = ynode_get(n->item[i], "accept");
	return 0;
}

/* The name of the configuration's file without its end, and of the cascade if
 * there are several. */
static int
find_stem(struct tune_cmd *c, struct err *e)
{
	const char *slash = strrchr(c->path.p, '/');
	const char *name = slash ? slash + 1 : c->path.p;
	const char *dot = strrchr(name, '.');
	char *stem = arena_printf(c->arena, "%.*s%s%.*s", dot && dot > name
	    ? (int)(dot - name) : (int)strlen(name), name,
	    c->cfg->n_cascades > 1 ? "-" : "", c->cfg->n_cascades > 1
	    ? (int)c->k->name.n : 0, c->k->name.p);

	if (!stem)
		return err_nomem(e);
	c->stem = str_of(stem);
	return 0;
}

static int
load_config(struct tune_cmd *c, struct err *e)
{
	int rc;

	if (!c->common.config_path && !c->cascade_name && !c->write)
		return 0;
	if (common_config(&c->common, false, false, &c->cfg, e) < 0)
		return -1;
	rc = config_find(c->common.config_path, &c->path, e);
	if (rc <= 0)
		return -1;
	c->k = config_cascade(c->cfg, str_of(c->cascade_name), e);
	if (!c->k && c->write)
		err_in(e, "--write changes a cascade that is there, with all "
		    "tiers to choose from");
	return c->k && find_rules(c, e) == 0 ? find_stem(c, e) : -1;
}

/* --- reading ------------------------------------------------------------- */

static int
read_file(struct tune_cmd *c, size_t file, struct err *e)
{
	struct trace *trace;
	struct trace_task *t;
	int rc = trace_open(&trace, c->files[file], e);

	if (rc < 0) {
		e->code = ERR_USAGE;
		return -1;
	}
	while (rc == 0 && (rc = trace_next(trace, &t, e)) != 0) {
		if (rc > 0) {
			rc = harvest_add(&c->h, t, e);
		} else if (e->code == ERR_INPUT) {
			say_bad_record(++c->bad, e);
			rc = 0;
		}
		say_reading(c->quiet, trace_input(trace), file, c->n_files);
	}
	trace_close(trace);
	return rc;
}

static int
add_trace(void *cookie, struct trace_task *t, struct err *e)
{
	struct tune_cmd *c = cookie;

	return harvest_add(&c->h, t, e);
}

/* What the ledger and the store hold already: climbs, what `collect` asked, and
 * audits. */
static int
read_ledger(struct tune_cmd *c, struct err *e)
{
	struct ledger_filter f = { .cascade = str_of(c->cascade_name) };
	struct ledger_traces_counts n = { 0 };
	struct store *s = NULL;
	int rc = 0;

	if (c->since)
		rc = clock_parse_since(str_of(c->since), clock_utc_ms(),
		    &f.since_utc_ms, e);
	if (rc == 0)
		rc = common_store(&c->common, c->cfg, false, &s, e);
	if (rc == 0)
		rc = ledger_traces(s, c->cfg, &f, add_trace, c, &n, e);
	store_close(s);
	return rc;
}

static int
harvest(struct tune_cmd *c, struct err *e)
{
	struct harvest_options o = { .k = c->k, .accept = c->accept,
		.only = &c->only, .top = str_of(c->top),
		.dataset = str_of(c->dataset), .split = str_of(c->split),
		.label_free = c->label_free, .stem = c->stem,
		.learned = c->learned != LEARNED_NO, .route = c->route,
		.learned_most = c->learned == LEARNED_AUTO ? LEARN_MOST : 0 };

	c->only = (struct opt_names){ c->tiers.v, c->tiers.n };
	if (parse_metric(c, &o.metric, e) < 0 ||
	    harvest_init(&c->h, &o, e) < 0)
		return -1;
	for (size_t i = 0; i < c->n_files; i++)
		if (read_file(c, i, e) < 0)
			return -1;
	if ((c->from_ledger && read_ledger(c, e) < 0)
	    || harvest_end(&c->h, e) < 0)
		return -1;
	say_no_status();
	for (size_t i = 0; i < HARVEST_REASONS && c->h.reasons[i].text[0]; i++)
		say("%lld task%s left out: %s",
		    (long long)c->h.reasons[i].tasks, c->h.reasons[i].tasks
		    == 1 ? " was" : "s were", c->h.reasons[i].text);
	if (c->h.unverified)
		say("the traces' verify is tried at tiers with 'api: "
		    "recorded' alone: no other is asked whether it was right");
	if (c->h.unlabelled)
		say("%lld task%s left out: nothing says whether an answer is "
		    "right", (long long)c->h.unlabelled, c->h.unlabelled == 1
		    ? " was" : "s were");
	return 0;
}

/* --- learned scores ------------------------------------------------------ */

static void
training(void *to, size_t done, size_t all)
{
	say_share(((const struct tune_cmd *)to)->quiet, "training scores", all
	    ? (double)done / (double)all : 1);
}

static int
train(struct tune_cmd *c, struct err *e)
{
	struct err why = { .code = ERR_NONE };
	int rc = 1;

	if (c->learned == LEARNED_NO)
		return 0;
	if (c->learned == LEARNED_AUTO && c->h.m->tasks < LEARN_LEAST)
		err_set(&why, ERR_INPUT, "fewer than %d tasks; see --learned",
		    LEARN_LEAST);
	else
		rc = harvest_learn(&c->h, training, c, &why, e);
	say_no_status();
	if (rc > 0)
		say("no scores are learned: %s", why.msg);
	return rc < 0 ? -1 : 0;
}

/* --- the choice ---------------------------------------------------------- */

static double
top_cost(const struct tune_cmd *c)
{
	return matrix_mean_cost(c->h.m, c->h.tier[c->h.top].first);
}

static void
choose_within(struct tune_cmd *c, double budget)
{
	if (!tune_mix_within(&c->t, budget, &c->mix))
		return;
	c->chosen = true;
	c->lesson = &c->mix.first;
	c->policy = tune_mix_policy(&c->t, &c->mix, true);
	c->right = c->mix.right;
	c->cost = c->mix.cost;
}

static void
choose_reaching(struct tune_cmd *c)
{
	c->lesson = tune_reaching(&c->t, c->wish);
	if (!c->lesson)
		return;
	c->chosen = true;
	c->policy = tune_policy(&c->t, c->lesson);
	c->right = c->lesson->right;
	c->cost = c->lesson->cost;
}

/* In the place of what was chosen, a toss or not, a cascade with a route, if
 * that is better. */
static int
choose_route(struct tune_cmd *c, double budget, struct err *e)
{
	struct tune_wish wish = { c->target == TARGET_COST ? budget : 0,
		c->wish };
	struct lesson plain = *c->lesson;

	plain.right = c->right;
	plain.cost = c->cost;
	if (c->mix.toss)
		plain.merit = c->mix.merit;
	if (tune_routed(&c->t, c->routes, c->n_routes, &wish, &plain,
	    &c->routed, e) < 0)
		return -1;
	if (!c->routed.better)
		return 0;
	c->mix.toss = false;
	c->lesson = &c->routed.lesson;
	c->policy = c->routed.policy;
	c->right = c->lesson->right;
	c->cost = c->lesson->cost;
	return tune_skip(&c->h, c->policy.chain.col[0], &c->routed.route, e);
}

static int
choose_lesson(struct tune_cmd *c, struct err *e)
{
	double budget = c->wish_is_share ? c->wish * top_cost(c) : c->wish;
	struct buf b;

	if (c->target == TARGET_COST)
		choose_within(c, budget);
	else
		choose_reaching(c);
	if (c->chosen)
		return choose_route(c, budget, e);
	if (c->target == TARGET_QUALITY)
		return err_set(e, ERR_INPUT, "no cascade of these tiers "
		    "reaches %g %%; the frontier shows what does", 100
		    * c->wish);
	buf_init(&b, 64);
	money_show(&b, (int64_t)(c->t.lessons ? c->t.lesson[0].cost : 0));
	err_set(e, ERR_INPUT, "nothing is as cheap as --max-cost says; the "
	    "cheapest tier is %s a task", b.p ? b.p : "?");
	buf_release(&b);
	return -1;
}

static int
refuse(const struct tune_cmd *c, struct err *e)
{
	const struct certificate *t = &c->cert;

	if (t->verdict == CERTIFY_NO_CHAIN)
		return err_set(e, ERR_INPUT, "nothing can be promised: no "
		    "tier with a score costs clearly less than the top one");
	if (t->verdict == CERTIFY_TOO_DEAR)
		return err_set(e, ERR_INPUT, "nothing can be promised that "
		    "is cheaper than the top tier; more labels or a larger "
		    "--max-loss may do");
	if (t->verdict == CERTIFY_TOO_FEW)
		return err_set(e, ERR_INPUT, "nothing can be promised from "
		    "%zu labels: a loss of at most %g %% at confidence %g "
		    "%% takes at least %lld%s", c->h.m->tasks, 100 * c->wish,
		    100 * c->sure, (long long)t->needed, c->bound
		    == NETLOSS_EXACT ? "" : ", by --bound exact fewer");
	if (t->needed)
		return err_set(e, ERR_INPUT, "nothing can be promised: even "
		    "the most careful cascade lost %lld answers and gained "
		    "%lld, of %lld; if that goes on it takes about %lld labels",
		    (long long)t->lost, (long long)t->gained,
		    (long long)t->labels, (long long)t->needed);
	return err_set(e, ERR_INPUT, "nothing can be promised: even the most "
	    "careful cascade lost %lld answers and gained %lld, of %lld, and "
	    "more labels would not help; ask the top tier",
	    (long long)t->lost, (long long)t->gained, (long long)t->labels);
}

static int
choose_promise(struct tune_cmd *c, struct err *e)
{
	struct tune_promise ask = { c->wish, c->sure, c->bound,
		c->learned == LEARNED_YES };
	struct policy_sum sum = { 0 };
	int rc;

	if (!c->quiet && is_terminal(STDERR_FILENO))
		say_status(STR("testing the promise"));
	rc = tune_promise(&c->h, &ask, &c->cert, e);
	say_no_status();
	if (rc < 0)
		return -1;
	if (c->cert.verdict != CERTIFY_YES)
		return refuse(c, e);
	c->chosen = true;
	c->policy = c->cert.policy;
	policy_add(&sum, &c->policy, c->h.m);
	c->right = (double)sum.right / (double)sum.tasks;
	c->cost = (double)sum.cost / (double)sum.tasks;
	return 0;
}

static int
learn(struct tune_cmd *c, struct err *e)
{
	struct tune_options o = { .longest = (size_t)c->longest,
		.budget = -1, .progress = learning, .to = c };

	if (c->target == TARGET_COST)
		o.budget = c->wish_is_share ? c->wish * top_cost(c) : c->wish;
	doubt_cost(c);
	if (tune_run(&c->t, &c->h, &o, e) < 0)
		return -1;
	say_no_status();
	return 0;
}

/* After the scorers, whose figures it is compared with. */
static int
try_routes(struct tune_cmd *c, struct err *e)
{
	struct err why;
	int rc;

	if (!c->route)
		return 0;
	rc = harvest_route(&c->h, training, c, &why, e);
	say_no_status();
	if (rc > 0)
		say("no route is tried: %s", why.msg);
	return rc ? rc < 0 ? -1 : 0 : tune_routes(&c->t, c->routes,
	    &c->n_routes, e);
}

/* What is shown before a wish that cannot be granted is refused. */
static int
tune(struct tune_cmd *c, struct err *e)
{
	struct err refused = { .code = ERR_NONE };

	if (parse_target(c, e) < 0 || parse_learned(c, e) < 0 ||
	    load_config(c, e) < 0 || harvest(c, e) < 0 || train(c, e) < 0 ||
	    learn(c, e) < 0 || try_routes(c, e) < 0)
		return -1;
	if (c->target == TARGET_LOSS)
		choose_promise(c, &refused);
	else if (c->target != TARGET_NONE)
		choose_lesson(c, &refused);
	if ((c->json ? tune_report_json(c, e) : tune_report(c, e)) < 0 ||
	    (c->plot && tune_plot_svg(c, c->plot, e) < 0) ||
	    out_flush(e) < 0)
		return -1;
	if (refused.code != ERR_NONE) {
		*e = refused;
		return -1;
	}
	return c->write ? tune_write(c, e) : 0;
}

/* --- the command --------------------------------------------------------- */

static void
release(struct tune_cmd *c)
{
	tune_release(&c->t);
	harvest_release(&c->h);
	config_free(c->cfg);
	arena_free(c->arena);
	buf_release(&c->path);
	buf_release(&c->text);
	opt_list_release(&c->tiers);
}

/* From what to learn, and between what to choose. */
#define TUNE_FROM_OPTS(c) \
	{ OPT_TEXT, 'c', "config", &(c)->common.config_path, "FILE", \
	    "choose from the tiers of a cascade in it; with -k or\n" \
	    "--write alone the usual configuration is taken", 0, 0, \
	    NULL }, \
	{ OPT_TEXT, 'k', "cascade", &(c)->cascade_name, "NAME", \
	    "the cascade whose tiers to choose from", 0, 0, NULL }, \
	{ OPT_LIST, 0, "tier", &(c)->tiers, "NAME", \
	    "choose from this tier only; may be repeated (default:\n" \
	    "the cascade's tiers, without -c those of the traces)", \
	    0, 0, NULL }, \
	{ OPT_TEXT, 0, "top", &(c)->top, "NAME", \
	    "the tier to compare with (default: the cascade's last,\n" \
	    "without -c the dearest)", 0, 0, NULL }, \
	{ OPT_FLAG, 0, "from-ledger", &(c)->from_ledger, NULL, \
	    "learn from what the ledger and the store hold (traces\n" \
	    "may be given as well)", 0, 0, NULL }, \
	{ OPT_TEXT, 0, "since", &(c)->since, "TIME", \
	    "of the ledger only tasks since then, as in stats", 0, 0, \
	    NULL }, \
	COMMON_STORE_OPT(&(c)->common)

/* What is wished for. */
#define TUNE_WISH_OPTS(c) \
	{ OPT_TEXT, 0, "max-cost", &(c)->max_cost, "USD|%", \
	    "the best for so much a task, or for this share of the\n" \
	    "top tier's cost: a cascade, or where none is worth the\n" \
	    "money a coin toss between two (a tier's share)", 0, 0, \
	    NULL }, \
	{ OPT_TEXT, 0, "min-quality", &(c)->min_quality, "SHARE", \
	    "the cheapest that is right this often", 0, 0, NULL }, \
	{ OPT_TEXT, 0, "max-loss", &(c)->max_loss, "SHARE", \
	    "the cheapest that is promised to lose no more than this\n" \
	    "share of right answers against the top tier", 0, 0, \
	    NULL }, \
	{ OPT_TEXT, 0, "confidence", &(c)->confidence, "SHARE", \
	    "of that promise (default: 0.95)", 0, 0, NULL }, \
	{ OPT_TEXT, 0, "bound", &(c)->bound_word, "HOW", \
	    "what it is tested by: exact (the default) or\n" \
	    "clopper-pearson, which takes more labels", 0, 0, NULL }

/* How it is learned. */
#define TUNE_HOW_OPTS(c) \
	{ OPT_TEXT, 0, "learned", &(c)->learned_word, "WHEN", \
	    "try a learned score of each tier: auto (default: with 150\n" \
	    "tasks or more, kept where it pays), yes or no; with\n" \
	    "--max-loss only on yes, and half of the labels train it", \
	    0, 0, NULL }, \
	{ OPT_FLAG, 0, "route", &(c)->route, NULL, \
	    "try whether some tasks should skip a tier by their prompt", \
	    0, 0, NULL }, \
	{ OPT_TEXT, 0, "metric", &(c)->metric, "HOW", \
	    "what is right: trace, exact, numeric, contains, regex,\n" \
	    "f1, f1:0.8, json, or 'exec COMMAND' (default: trace)", \
	    0, 0, NULL }, \
	{ OPT_FLAG, 0, "label-free", &(c)->label_free, NULL, \
	    "without labels: right is what the top tier says", 0, 0, \
	    NULL }, \
	{ OPT_TEXT, 0, "dataset", &(c)->dataset, "NAME", \
	    "only tasks of this data set", 0, 0, NULL }, \
	{ OPT_TEXT, 0, "split", &(c)->split, "NAME", \
	    "only tasks of this split", 0, 0, NULL }, \
	{ OPT_INT, 0, "longest", &(c)->longest, "N", \
	    "tiers in a cascade, at most (default: 3)", 1, \
	    FRONTIER_MAX_CHAIN, NULL }

/* What becomes of it. */
#define TUNE_SHOW_OPTS(c) \
	{ OPT_TEXT, 0, "plot", &(c)->plot, "FILE.svg", \
	    "draw the frontier", 0, 0, NULL }, \
	{ OPT_FLAG, 0, "write", &(c)->write, NULL, \
	    "put what was chosen into the configuration; shows what\n" \
	    "changes", 0, 0, NULL }, \
	{ OPT_FLAG, 0, "json", &(c)->json, NULL, \
	    "one JSON object instead of the tables", 0, 0, NULL }, \
	{ OPT_FLAG, 'q', "quiet", &(c)->quiet, NULL, \
	    "no progress", 0, 0, NULL }

static int
tune_main(const struct command *self, int argc, char **argv)
{
	struct tune_cmd c = { .longest = 3 };
	const struct opt table[] = {
		TUNE_FROM_OPTS(&c),
		TUNE_WISH_OPTS(&c),
		TUNE_HOW_OPTS(&c),
		TUNE_SHOW_OPTS(&c),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc, status = 0;

	buf_init(&c.path, 8192);
	buf_init(&c.text, BUF_MAX);
	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		goto out;
	c.files = (const char *const *)argv + first;
	c.n_files = (size_t)(argc - first);
	if (rc == 0 && c.n_files == 0 && !c.from_ledger)
		rc = err_set(&e, ERR_USAGE, "no trace given; see frugal tune "
		    "--help");
	if (rc == 0 && c.since && !c.from_ledger)
		rc = err_set(&e, ERR_USAGE, "--since is for --from-ledger");
	if (rc == 0)
		rc = tune(&c, &e);
	if (rc < 0)
		status = say_err(&e);
	if (status == 0 && c.bad)
		status = 1;
out:
	release(&c);
	return status;
}

extern const struct command cmd_tune;
const struct command cmd_tune = {
	.name = "tune",
	.summary = "learn the best cascade from recorded answers",
	.usage = "[OPTION]... TRACES...\n[OPTION]... --from-ledger",
	.about = "Shows the best quality at each cost: which tiers, in which "
	    "order, by which scorer\nand threshold, beside each model alone, "
	    "the coin toss between two of them and the\noracle. Qualities are "
	    "those on tasks that nothing was learned from. With a wish\n"
	    "(--max-cost, --min-quality, --max-loss) it chooses, and --write "
	    "puts the choice\ninto the configuration. Nothing is sent "
	    "anywhere.",
	.examples =
	    "  frugal tune traces.jsonl.gz\n"
	    "  frugal tune traces.jsonl.gz -c frugal.yaml --max-cost 30% "
	    "--write\n"
	    "  frugal tune traces.jsonl.gz --max-loss 0.02 --confidence "
	    "0.95\n",
	.run = tune_main,
};
