/*
 * ledger_traces.c -- rows of the ledger and completions of the store, put
 * together as traces.
 */
#include "cascade/ledger_traces.h"

#include <string.h>

#include "base/json.h"
#include "base/money.h"

/* What ledger_put() may have cut a prompt to, less a character. */
#define WHOLE_PROMPT (1024 - 4)

struct making {
	struct store *s;
	const struct config *cfg;
	int (*each)(void *cookie, struct trace_task *t, struct err *e);
	void *cookie;
	struct ledger_traces_counts *counts;
	struct arena *rows; /* of the ledger's task under way */
};

/* --- completions ----------------------------------------------------------- */

/* A completion of an attempt that the store still has. */
struct kept {
	int sample;
	struct completion c;
};

/* By number of the sample; those of one number stay as they are. A row that was
 * not kept has no number, and what it stood for is not there. */
static int
read_rows(struct making *m, const struct ledger_attempt *at, struct arena *a,
    struct kept *v, size_t *n_out, struct err *e)
{
	size_t n = 0, k;

	for (size_t i = 0; i < at->n_rows; i++) {
		struct kept got;
		int rc = at->rows[i] <= 0 ? 0 : store_get_row(m->s,
		    at->rows[i], a, &got.c, &got.sample, e);

		if (rc < 0)
			return -1;
		if (rc == 0)
			continue;
		for (k = n++; k > 0 && v[k - 1].sample > got.sample; k--)
			v[k] = v[k - 1];
		v[k] = got;
	}
	*n_out = n;
	return 0;
}

/* Sample number `sample` of each of so many prompts: the how-manieth may it be?
 * What comes in excess is a repair, which replay does not know. */
static size_t
first_of_sample(int sample, size_t prompts)
{
	return (size_t)sample * prompts;
}

static void
take_rows(const struct kept *v, size_t n, size_t prompts,
    struct trace_tier *tier)
{
	size_t given = 0;

	for (size_t i = 0; i < n; i++) {
		size_t first = first_of_sample(v[i].sample, prompts);

		if (given >= first + prompts)
			continue; /* a repair */
		if (given < first)
			break;    /* one before it is not there */
		tier->c[given++] = v[i].c;
	}
	tier->n = given;
}

/* --- tiers ----------------------------------------------------------------- */

static const struct cascade *
find_cascade(const struct making *m, struct str name)
{
	for (size_t i = 0; m->cfg && i < m->cfg->n_cascades; i++)
		if (str_eq(m->cfg->cascades[i].name, name))
			return &m->cfg->cascades[i];
	return NULL;
}

/* The tier is where it was, and asks the same model; NULL: it is another. */
static const struct tier *
find_tier(const struct cascade *k, const struct ledger_attempt *at)
{
	const struct tier *t;

	if (!k || at->tier < 1 || (size_t)at->tier > k->n_tiers)
		return NULL;
	t = &k->tiers[at->tier - 1];
	if (str_eq(t->model, at->model))
		return t;
	for (size_t i = 0; i < t->n_others; i++)
		if (str_eq(t->others[i].model, at->model))
			return t;
	return NULL;
}

static int
name_tier(const struct tier *t, const struct ledger_attempt *at,
    struct arena *a, struct trace_tier *out, struct err *e)
{
	out->rates = (struct price_rates){ MONEY_UNKNOWN, MONEY_UNKNOWN,
	    MONEY_UNKNOWN, MONEY_UNKNOWN, MONEY_UNKNOWN };
	if (t) {
		out->rates.input = t->price.rates.input;
		out->rates.output = t->price.rates.output;
	}
	if (!arena_str(a, at->model, &out->model)
	    || !arena_str(a, t ? t->name : at->model, &out->name))
		return err_nomem(e);
	return 0;
}

static void
find_answers(const struct cascade *k, struct trace_tier *tier)
{
	if (!k || !k->answer.pattern)
		return;
	for (size_t i = 0; i < tier->n; i++) {
		struct completion *c = &tier->c[i];

		c->has_answer = answer_extract(&k->answer, c->text,
		    &c->answer);
		tier->notes[i].has_recorded_answer = true;
	}
}

static bool
is_there(const struct trace_task *t, struct str name)
{
	for (size_t i = 0; i < t->n_tiers; i++)
		if (str_eq(t->tiers[i].name, name))
			return true;
	return false;
}

static int
add_attempt(struct making *m, const struct cascade *k,
    const struct ledger_attempt *at, struct trace_task *t, struct err *e)
{
	const struct tier *known = find_tier(k, at);
	struct trace_tier *tier = &t->tiers[t->n_tiers];
	struct arena *a = t->task->arena;
	struct kept *v = arena_array(a, at->n_rows, sizeof(*v));
	size_t n;

	if (!v)
		return err_nomem(e);
	if (read_rows(m, at, a, v, &n, e) < 0)
		return -1;
	*tier = (struct trace_tier){ .c = arena_array(a, n, sizeof(*tier->c)),
	    .notes = arena_array(a, n, sizeof(*tier->notes)) };
	if (!tier->c || !tier->notes)
		return err_nomem(e);
	if (name_tier(known, at, a, tier, e) < 0)
		return -1;
	take_rows(v, n, known && known->n_prompts ? known->n_prompts : 1, tier);
	find_answers(k, tier);
	if (tier->n && !is_there(t, tier->name))
		t->n_tiers++;
	return 0;
}

/* --- the task -------------------------------------------------------------- */

static int
add_tags(struct task *t, struct str tags, struct err *e)
{
	struct json *doc = tags.n ? json_parse(tags, e) : NULL;
	const struct json *v;
	struct str value;
	int rc = 0;

	if (tags.n && !doc)
		return -1;
	for (v = json_first(doc); rc == 0 && v; v = json_next(v))
		if (json_str(v, &value))
			rc = task_add_tag(t, json_name(v), value, e);
	json_free(doc);
	return rc;
}

/* The last thing that the user says in a request. */
static struct str
last_prompt(const struct json *request)
{
	const struct json *m = json_first(json_get(request, "messages"));
	struct str prompt = { 0 }, role, text;

	for (; m; m = json_next(m))
		if (json_str(json_get(m, "role"), &role)
		    && str_is(role, "user")
		    && json_str(json_get(m, "content"), &text))
			prompt = text;
	return prompt;
}

/* All of a prompt of which the ledger has the beginning. */
static int
whole_prompt(struct making *m, const struct ledger_task *from,
    struct task *t, struct err *e)
{
	const struct ledger_attempt *at = from->attempts;
	struct request_row q;
	struct json *doc;
	struct str prompt;
	int rc;

	if (t->prompt.n < WHOLE_PROMPT || !from->n_attempts || !at->n_rows
	    || at->rows[0] <= 0)
		return 0;
	rc = store_get_request(m->s, at->rows[0], t->arena, &q, e);
	if (rc <= 0)
		return rc;
	doc = json_parse(q.canon, e);
	if (!doc)
		return e->code == ERR_NOMEM ? -1 : 0;
	prompt = last_prompt(doc);
	rc = 0;
	if (str_eq(str_sub(prompt, 0, t->prompt.n), t->prompt)
	    && !arena_str(t->arena, prompt, &t->prompt))
		rc = err_nomem(e);
	json_free(doc);
	return rc;
}

static int
fill_task(struct making *m, const struct ledger_task *from, struct task *t,
    struct err *e)
{
	if (!arena_str(t->arena, from->id, &t->id)
	    || !arena_str(t->arena, from->prompt, &t->prompt)
	    || !arena_str(t->arena, from->reference, &t->reference))
		return err_nomem(e);
	t->has_reference = t->reference.n > 0;
	if (add_tags(t, from->tags, e) < 0)
		return -1;
	return whole_prompt(m, from, t, e);
}

static int
fill_tiers(struct making *m, const struct ledger_task *from,
    struct trace_task *t, struct err *e)
{
	const struct cascade *k = find_cascade(m, from->cascade);

	t->tiers = arena_array(t->task->arena, from->n_attempts + 1,
	    sizeof(*t->tiers));
	if (!t->tiers)
		return err_nomem(e);
	for (size_t i = 0; i < from->n_attempts; i++)
		if (add_attempt(m, k, &from->attempts[i], t, e) < 0)
			return -1;
	return from->audit ? add_attempt(m, k, from->audit, t, e) : 0;
}

static int
make_trace(struct making *m, const struct ledger_task *from,
    struct trace_task **out, struct err *e)
{
	struct task *task = task_new();
	struct trace_task *t;

	if (!task)
		return err_nomem(e);
	t = arena_alloc(task->arena, sizeof(*t));
	if (!t) {
		task_free(task);
		return err_nomem(e);
	}
	t->task = task;
	if (fill_task(m, from, task, e) < 0
	    || fill_tiers(m, from, t, e) < 0) {
		trace_task_free(t);
		return -1;
	}
	*out = t;
	return 0;
}

static int
each_number(void *cookie, int64_t number, struct err *e)
{
	struct making *m = cookie;
	struct ledger_task from;
	struct trace_task *t = NULL;
	int rc;

	arena_clear(m->rows);
	rc = ledger_find(m->s, (struct str){ 0 }, number, m->rows, &from, e);
	if (rc <= 0)
		return rc; /* gone in between: another process cleared it */
	if (make_trace(m, &from, &t, e) < 0)
		return -1;
	if (!t->n_tiers) {
		m->counts->nothing++;
		trace_task_free(t);
		return 0;
	}
	m->counts->tasks++;
	m->counts->tiers += (int64_t)t->n_tiers;
	m->counts->labelled += t->task->has_reference;
	return m->each(m->cookie, t, e);
}

int
ledger_traces(struct store *s, const struct config *cfg,
    const struct ledger_filter *f, int (*each)(void *cookie,
    struct trace_task *t, struct err *e), void *cookie,
    struct ledger_traces_counts *counts, struct err *e)
{
	struct making m = { s, cfg, each, cookie, counts, arena_new(0) };
	int rc;

	*counts = (struct ledger_traces_counts){ 0 };
	if (!m.rows)
		return err_nomem(e);
	rc = ledger_latest(s, f, each_number, &m, e);
	arena_free(m.rows);
	return rc;
}
