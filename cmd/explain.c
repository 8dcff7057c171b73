/*
 * explain.c -- `frugal explain`: the climb of one task, tier by tier, as the
 * ledger and the store have it.
 */
#include "base/clock.h"
#include "base/money.h"
#include "base/suggest.h"
#include "cache/ledger.h"
#include "cmd/inspect.h"

#define RECENT 200    /* ids among which the nearest to a wrong one is sought */
#define NAMED 5       /* of them in the message */
#define MAX_OTHERS 8  /* different answers that are listed */
#define OTHER_COLUMNS 48

struct explain {
	struct store *store;
	struct arena *arena;
	struct ledger_task task;
	/* The pattern by which answers are found in texts, if the configuration
	 * is at hand and has the cascade; else NULL. */
	const struct answer_rule *answer;
	bool simulated;
	struct buf out;
};

/* One completion of an attempt. */
struct sample {
	int64_t row;
	bool there; /* false: not kept, or pruned since */
	struct completion c;
	struct str answer;
	bool has_answer;
};

/* --- completions ------------------------------------------------------- */

/* What stands for the text among others: the answer, else the last line. */
static struct str
last_line(struct str text)
{
	size_t from;

	text = str_trim(text);
	from = text.n;
	while (from > 0 && text.p[from - 1] != '\n')
		from--;
	return str_sub(text, from, text.n);
}

static int
get_sample(struct explain *x, int64_t row, struct sample *s, struct err *e)
{
	int rc = 0;

	*s = (struct sample){ .row = row };
	if (row > 0)
		rc = store_get_row(x->store, row, x->arena, &s->c,
		    NULL, e);
	if (rc < 1)
		return rc;
	s->there = true;
	if (x->answer)
		s->has_answer = answer_extract(x->answer, s->c.text,
		    &s->answer);
	return 0;
}

/* All completions of an attempt, in arena memory. */
static int
get_samples(struct explain *x, const struct ledger_attempt *at,
    struct sample **out, struct err *e)
{
	struct sample *v = arena_array(x->arena, at->n_rows, sizeof(*v));

	if (!v)
		return err_nomem(e);
	for (size_t i = 0; i < at->n_rows; i++)
		if (get_sample(x, at->rows[i], &v[i], e) < 0)
			return -1;
	*out = v;
	return 0;
}

/* --- for people -------------------------------------------------------- */

static void
label(struct buf *b, const char *name)
{
	buf_addf(b, "  %-9s ", name);
}

static void
add_indented(struct buf *b, struct str text)
{
	struct str line;

	text = str_trim(text);
	if (!text.n)
		buf_adds(b, "(empty)\n");
	for (bool first = true; text.n; first = false) {
		str_cut(&text, '\n', &line);
		buf_addf(b, "%*s%.*s\n", first ? 0 : 12, "", STR_ARG(line));
	}
}

static struct str
shown_answer(const struct sample *s)
{
	return s->has_answer ? s->answer : last_line(s->c.text);
}

/* How often the answer of v[i] came beside the chosen one; 0 if an earlier
 * sample has the same, so that it has been counted already. */
static size_t
count_equal(const struct sample *v, size_t n, size_t i, int chosen)
{
	size_t same = 0;

	for (size_t k = 0; k < n; k++) {
		if ((int)k == chosen || !v[k].there
		    || !answer_equal(shown_answer(&v[i]),
		    shown_answer(&v[k])))
			continue;
		if (k < i)
			return 0;
		same++;
	}
	return same;
}

/* The different answers beside the chosen one, with how often each came. */
static void
add_others(struct buf *b, const struct sample *v, size_t n, int chosen)
{
	size_t seen = 0, gone = 0;

	for (size_t i = 0; i < n; i++) {
		size_t same;

		if ((int)i == chosen)
			continue;
		gone += !v[i].there;
		same = v[i].there ? count_equal(v, n, i, chosen) : 0;
		if (!same || seen++ >= MAX_OTHERS)
			continue;
		if (seen == 1)
			label(b, "others");
		buf_adds(b, seen == 1 ? "'" : ", '");
		inspect_oneline(b, shown_answer(&v[i]), OTHER_COLUMNS);
		buf_addc(b, '\'');
		if (same > 1)
			buf_addf(b, " (%zu times)", same);
	}
	if (seen > MAX_OTHERS)
		buf_addf(b, " and %zu more", seen - MAX_OTHERS);
	if (seen)
		buf_addc(b, '\n');
	if (gone) {
		label(b, "missing");
		buf_addf(b, "%zu further completion%s not in the store\n",
		    gone, gone == 1 ? "" : "s");
	}
}

static void
add_chosen(struct buf *b, const struct sample *v, size_t n, int chosen)
{
	const struct sample *s = chosen >= 0 && (size_t)chosen < n
	    ? &v[chosen] : NULL;

	if (!s)
		return;
	label(b, "text");
	if (!s->there) {
		buf_adds(b, s->row > 0 ? "(no longer in the store)\n"
		    : "(was not kept: --no-cache)\n");
		return;
	}
	add_indented(b, s->c.text);
	if (s->c.finish != FINISH_STOP) {
		label(b, "ended by");
		buf_addf(b, "%s\n", finish_name(s->c.finish));
	}
	if (s->has_answer) {
		label(b, "answer");
		add_indented(b, s->answer);
	}
}

static void
add_score(struct buf *b, const struct ledger_attempt *at)
{
	if (!at->scored)
		return;
	label(b, "score");
	score_show(b, (struct score){ at->score, at->score_ln });
	buf_adds(b, " against ");
	score_show(b, (struct score){ at->threshold, at->threshold_ln });
	if (at->scorer.n)
		buf_addf(b, " (%.*s)", STR_ARG(at->scorer));
	buf_addc(b, '\n');
}

static void
add_counts(struct buf *b, const struct ledger_attempt *at)
{
	label(b, "samples");
	buf_addf(b, "%d", at->samples);
	if (at->cached)
		buf_addf(b, ", %d completion%s out of the store", at->cached,
		    at->cached == 1 ? "" : "s");
	if (at->repairs)
		buf_addf(b, ", %d repair%s", at->repairs,
		    at->repairs == 1 ? "" : "s");
	buf_addc(b, '\n');
	label(b, "tokens");
	buf_addf(b, "%lld in, %lld out\n", (long long)at->prompt_tokens,
	    (long long)at->completion_tokens);
	label(b, "cost");
	money_show(b, at->cost_picousd);
	buf_adds(b, " paid");
	if (at->cached) {
		buf_adds(b, ", ");
		money_show(b, at->cached_picousd);
		buf_adds(b, " saved by the cache");
	}
	if (at->booked_picousd) {
		buf_adds(b, "; of what was paid ");
		money_show(b, at->booked_picousd);
		buf_adds(b, " is booked, for requests without an answer");
	}
	buf_addc(b, '\n');
	label(b, "time");
	clock_duration(b, at->latency_ms);
	buf_addf(b, ", %d request%s", at->requests,
	    at->requests == 1 ? "" : "s");
	if (at->retries)
		buf_addf(b, ", %d of them repeated", at->retries);
	if (at->fallbacks)
		buf_addf(b, ", %d fallback%s to another endpoint",
		    at->fallbacks, at->fallbacks == 1 ? "" : "s");
	buf_addc(b, '\n');
}

static int
add_attempt(struct explain *x, const struct ledger_attempt *at, struct err *e)
{
	struct buf *b = &x->out;
	struct sample *v = NULL;

	if (get_samples(x, at, &v, e) < 0)
		return -1;
	buf_addf(b, "\n%stier %d of %d, %.*s: %s\n",
	    at == x->task.audit ? "audit by " : "", at->tier, x->task.tiers,
	    STR_ARG(at->model), at == x->task.audit
	    ? audit_outcome_name(x->task.audit_outcome)
	    : attempt_verdict_name(at->verdict));
	if (at->reason.n) {
		label(b, "because");
		buf_addf(b, "%.*s\n", STR_ARG(at->reason));
	}
	add_score(b, at);
	add_counts(b, at);
	add_chosen(b, v, at->n_rows, at->chosen);
	add_others(b, v, at->n_rows, at->chosen);
	return 0;
}

static void
add_costs(struct buf *b, const struct ledger_task *t)
{
	label(b, "cost");
	money_show(b, t->cost_picousd);
	buf_adds(b, " paid, ");
	money_show(b, t->cached_picousd);
	buf_adds(b, " saved by the cache; on the top tier alone ");
	money_show(b, t->top_picousd);
	buf_adds(b, t->tier == t->tiers || (t->audit && t->audit->samples)
	    ? "\n" : " (estimated)\n");
	if (t->audit_picousd) {
		label(b, "audit");
		money_show(b, t->audit_picousd);
		buf_adds(b, " of it\n");
	}
}

static void
add_task(struct explain *x)
{
	const struct ledger_task *t = &x->task;
	struct buf *b = &x->out;

	buf_addf(b, "task '%.*s' (number %lld)%s\n", STR_ARG(t->id),
	    (long long)t->number, x->simulated ? ", simulated" : "");
	label(b, "cascade");
	buf_addf(b, "%.*s, by %.*s, ", STR_ARG(t->cascade),
	    STR_ARG(t->source));
	clock_local(b, t->finished_utc_ms);
	buf_addc(b, '\n');
	label(b, "prompt");
	add_indented(b, t->prompt);
	label(b, "status");
	buf_addf(b, "%s", task_status_name(t->status));
	if (t->tier)
		buf_addf(b, " at tier %d of %d, %.*s", t->tier, t->tiers,
		    STR_ARG(t->model));
	buf_addc(b, '\n');
	if (t->error.n) {
		label(b, "error");
		add_indented(b, t->error);
	}
	if (t->tags.n) {
		label(b, "tags");
		buf_addf(b, "%.*s\n", STR_ARG(t->tags));
	}
	add_costs(b, t);
	label(b, "time");
	clock_duration(b, t->latency_ms);
	buf_adds(b, t->cached ? ", all out of the store\n" : "\n");
}

static int
show_text(struct explain *x, struct err *e)
{
	add_task(x);
	for (size_t i = 0; i < x->task.n_attempts; i++)
		if (add_attempt(x, &x->task.attempts[i], e) < 0)
			return -1;
	if (x->task.audit && add_attempt(x, x->task.audit, e) < 0)
		return -1;
	return inspect_print(&x->out, e);
}

/* --- JSON -------------------------------------------------------------- */

static void
json_known(struct jw *w, const char *name, int64_t v)
{
	if (v >= 0)
		jw_ki64(w, name, v);
}

static void
json_sample(struct jw *w, const struct sample *s, bool chosen)
{
	jw_open(w, '{');
	if (s->row > 0)
		jw_ki64(w, "row", s->row);
	jw_kbool(w, "chosen", chosen);
	jw_kbool(w, "kept", s->there);
	if (s->there) {
		jw_kstr(w, "text", s->c.text);
		if (s->has_answer)
			jw_kstr(w, "answer", s->answer);
		jw_kstr(w, "finish", str_of(finish_name(s->c.finish)));
		jw_kstr(w, "model", s->c.model);
		json_known(w, "prompt_tokens", s->c.prompt_tokens);
		json_known(w, "completion_tokens", s->c.completion_tokens);
		jw_kmoney(w, "cost_usd", s->c.cost_picousd);
		jw_ki64(w, "latency_ms", s->c.latency_ms);
	}
	jw_close(w, '}');
}

static void
json_score(struct jw *w, const struct ledger_attempt *at)
{
	if (!at->scored)
		return;
	jw_kdouble(w, "score", at->score);
	jw_kdouble(w, "score_log", at->score_ln);
	jw_kdouble(w, "threshold", at->threshold);
	jw_kdouble(w, "threshold_log", at->threshold_ln);
	if (at->scorer.n)
		jw_kstr(w, "scorer", at->scorer);
}

static int
json_attempt(struct explain *x, struct jw *w, const struct ledger_attempt *at,
    struct err *e)
{
	struct sample *v = NULL;

	if (get_samples(x, at, &v, e) < 0)
		return -1;
	jw_open(w, '{');
	jw_ki64(w, "tier", at->tier);
	jw_kstr(w, "model", at->model);
	jw_kstr(w, "verdict", str_of(attempt_verdict_name(at->verdict)));
	if (at->reason.n)
		jw_kstr(w, "reason", at->reason);
	json_score(w, at);
	jw_ki64(w, "samples", at->samples);
	jw_ki64(w, "cached", at->cached);
	jw_ki64(w, "repairs", at->repairs);
	json_known(w, "prompt_tokens", at->prompt_tokens);
	json_known(w, "completion_tokens", at->completion_tokens);
	jw_kmoney(w, "cost_usd", at->cost_picousd);
	if (at->booked_picousd)
		jw_kmoney(w, "booked_usd", at->booked_picousd);
	jw_kmoney(w, "saved_by_cache_usd", at->cached_picousd);
	jw_ki64(w, "latency_ms", at->latency_ms);
	jw_ki64(w, "requests", at->requests);
	jw_ki64(w, "retries", at->retries);
	jw_ki64(w, "fallbacks", at->fallbacks);
	jw_key(w, "completions");
	jw_open(w, '[');
	for (size_t i = 0; i < at->n_rows; i++)
		json_sample(w, &v[i], (int)i == at->chosen);
	jw_close(w, ']');
	jw_close(w, '}');
	return 0;
}

static void
json_task(struct explain *x, struct jw *w)
{
	const struct ledger_task *t = &x->task;
	struct buf time;

	buf_init(&time, 64);
	clock_rfc3339(&time, t->finished_utc_ms);
	jw_kstr(w, "id", t->id);
	jw_ki64(w, "number", t->number);
	jw_kbool(w, "simulated", x->simulated);
	jw_kstr(w, "cascade", t->cascade);
	jw_kstr(w, "source", t->source);
	jw_kstr(w, "run", t->run);
	jw_kstr(w, "finished", buf_str(&time));
	jw_kstr(w, "prompt", t->prompt);
	jw_kstr(w, "status", str_of(task_status_name(t->status)));
	if (t->tier) {
		jw_ki64(w, "tier", t->tier);
		jw_kstr(w, "model", t->model);
	}
	jw_ki64(w, "tiers", t->tiers);
	if (t->error.n)
		jw_kstr(w, "error", t->error);
	if (t->tags.n) {
		jw_key(w, "tags");
		jw_raw(w, t->tags);
	}
	jw_kmoney(w, "cost_usd", t->cost_picousd);
	jw_kmoney(w, "saved_by_cache_usd", t->cached_picousd);
	jw_kmoney(w, "top_usd", t->top_picousd);
	jw_ki64(w, "latency_ms", t->latency_ms);
	jw_kbool(w, "cached", t->cached);
	buf_release(&time);
}

static int
show_json(struct explain *x, struct err *e)
{
	struct jw w = jw_shown(&x->out);

	jw_open(&w, '{');
	json_task(x, &w);
	jw_key(&w, "attempts");
	jw_open(&w, '[');
	for (size_t i = 0; i < x->task.n_attempts; i++)
		if (json_attempt(x, &w, &x->task.attempts[i], e) < 0)
			return -1;
	jw_close(&w, ']');
	if (x->task.audit) {
		jw_kstr(&w, "audit_outcome", str_of(audit_outcome_name(
		    x->task.audit_outcome)));
		jw_key(&w, "audit");
		if (json_attempt(x, &w, x->task.audit, e) < 0)
			return -1;
	}
	jw_close(&w, '}');
	buf_addc(&x->out, '\n');
	return inspect_print(&x->out, e);
}

/* --- finding the task -------------------------------------------------- */

static int
not_found(struct explain *x, const char *id, struct err *e)
{
	const char *known[RECENT + 1], *near;
	struct ledger_task *v = NULL;
	struct buf newest;
	size_t n = 0;

	if (ledger_recent(x->store, RECENT, x->arena, &v, &n, e) < 0)
		return -1;
	if (!n)
		return err_set(e, ERR_INPUT, "the ledger is empty; `frugal "
		    "run` and `frugal batch` write it");
	for (size_t i = 0; i < n; i++) {
		known[i] = arena_cstr(x->arena, v[i].id);
		if (!known[i])
			return err_nomem(e);
	}
	known[n] = NULL;
	near = suggest(str_of(id), known);
	buf_init(&newest, 1024);
	for (size_t i = 0; i < n && i < NAMED; i++)
		buf_addf(&newest, "%s'%.40s'", i ? ", " : "", known[i]);
	err_set(e, ERR_INPUT, "no task '%.60s' in the ledger; %s%.60s%snewest: "
	    "%s", id, near ? "did you mean '" : "", near ? near : "",
	    near ? "'? " : "", newest.p ? newest.p : "");
	buf_release(&newest);
	return -1;
}

static int
find(struct explain *x, const char *id, int64_t number, struct err *e)
{
	int rc = ledger_find(x->store, str_of(id), number, x->arena, &x->task,
	    e);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (!id)
		return err_set(e, ERR_INPUT, "no task number %lld in the "
		    "ledger; `frugal explain --last` shows the newest",
		    (long long)number);
	return not_found(x, id, e);
}

static int
last_number(struct explain *x, int64_t *number, struct err *e)
{
	struct ledger_task *v = NULL;
	size_t n = 0;

	if (ledger_recent(x->store, 1, x->arena, &v, &n, e) < 0)
		return -1;
	if (!n)
		return err_set(e, ERR_INPUT, "the ledger is empty; `frugal "
		    "run` and `frugal batch` write it");
	*number = v[0].number;
	return 0;
}

/* What is wrong with the configuration is of no interest here. */
static void
pattern_of(struct explain *x, const char *given, struct config **cfg)
{
	struct buf path, messages;
	const struct cascade *k = NULL;
	struct err e;

	buf_init(&path, 8192);
	buf_init(&messages, BUF_MAX);
	if (config_find(given, &path, &e) > 0
	    && config_load(cfg, path.p, &messages, NULL, &e) == 0)
		k = config_cascade(*cfg, x->task.cascade, &e);
	if (k)
		limits_apply(&(*cfg)->limits);
	if (k && k->answer.pattern)
		x->answer = &k->answer;
	buf_release(&path);
	buf_release(&messages);
}

/* The answer pattern of the task's cascade, if the configuration has it. */
static void
find_pattern(struct explain *x, const struct common *c, struct config **cfg)
{
	pattern_of(x, c->config_path, cfg);
	if (x->answer || c->config_path || !x->simulated)
		return;
	config_free(*cfg);
	*cfg = NULL;
	pattern_of(x, "demo", cfg);
}

static bool
all_simulated(const struct ledger_task *t)
{
	for (size_t i = 0; i < t->n_attempts; i++)
		if (!inspect_is_simulated(t->attempts[i].model))
			return false;
	return t->n_attempts > 0;
}

/* --- the command line -------------------------------------------------- */

struct words {
	struct common common;
	const char *id;
	int64_t number;
	bool last, json;
};

static int
explain(struct explain *x, struct words *w, struct err *e)
{
	struct config *cfg = NULL;
	int rc = inspect_store(&w->common, &x->store, e);

	if (rc == 0 && w->last)
		rc = last_number(x, &w->number, e);
	if (rc == 0)
		rc = find(x, w->id, w->number, e);
	if (rc == 0) {
		x->simulated = all_simulated(&x->task);
		find_pattern(x, &w->common, &cfg);
		rc = w->json ? show_json(x, e) : show_text(x, e);
	}
	if (rc == 0)
		rc = out_flush(e);
	config_free(cfg);
	return rc;
}

static int
understand(struct words *w, int argc, char **argv, int first, struct err *e)
{
	int given = (first < argc) + w->last + (w->number > 0);

	if (given != 1)
		return err_set(e, ERR_USAGE, "say which task: %s an id, "
		    "--last or --number N", given ? "one of" : "by");
	if (first < argc)
		w->id = argv[first];
	return inspect_no_arguments(argc, argv, first + 1, "one task at a "
	    "time", e);
}

static int
explain_main(const struct command *self, int argc, char **argv)
{
	struct words w = { 0 };
	struct explain x = { 0 };
	const struct opt table[] = {
		{ OPT_FLAG, 0, "last", &w.last, NULL,
		    "the task that was finished last", 0, 0, NULL },
		{ OPT_INT, 0, "number", &w.number, "N",
		    "the task with this number in the ledger: ids may come\n"
		    "again, numbers do not", 1, INT64_MAX, NULL },
		{ OPT_FLAG, 0, "json", &w.json, NULL,
		    "one JSON object with every completion", 0, 0, NULL },
		COMMON_CONFIG_OPT(&w.common),
		COMMON_STORE_OPT(&w.common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc;

	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		return 0;
	buf_init(&x.out, BUF_MAX);
	if (rc == 0)
		rc = understand(&w, argc, argv, first, &e);
	if (rc == 0 && !(x.arena = arena_new(0)))
		rc = err_nomem(&e);
	if (rc == 0)
		rc = explain(&x, &w, &e);
	store_close(x.store);
	arena_free(x.arena);
	buf_release(&x.out);
	return rc < 0 ? say_err(&e) : 0;
}

extern const struct command cmd_explain;
const struct command cmd_explain = {
	.name = "explain",
	.summary = "show the climb of one task, tier by tier",
	.usage = "[OPTION]... ID\n[OPTION]... --last\n[OPTION]... --number N",
	.about = "Shows what happened to one task: for each tier the answers, "
	    "the score against the\nthreshold with all its digits, the verdict "
	    "and its reason, tokens, cost and time.\nWith several tasks of one "
	    "id it is the latest. The extracted answers are shown if\nthe "
	    "configuration has the task's cascade; else the last line of each "
	    "text.",
	.examples =
	    "  frugal explain --last\n"
	    "  frugal explain q17\n"
	    "  frugal explain q17 --json | jq '.attempts[].completions[].text'"
	    "\n",
	.run = explain_main,
};
