/*
 * tally.c -- counting what happened.
 *
 * A task counts once: at the last visit of the tier that answered it, else with
 * its last attempt. So tiers add up to cascades, and cascades to the total. A
 * rule about the model keeps nothing but its attempts, hence only tasks that
 * came to it.
 */
#include <stdlib.h>

#include "base/map.h"
#include "base/money.h"
#include "base/rand.h"
#include "cache/tally.h"

#define EXACT_BITS 12
#define EXACT (1 << EXACT_BITS) /* milliseconds that have steps of their own */
#define HALF (EXACT / 2)
#define MOST_STEPS (EXACT + (63 - EXACT_BITS) * HALF)

struct tally {
	struct map *map;   /* by what add_key() says */
	struct tally_cell *last[TALLY_ASK + 1]; /* most are like the one before */
	struct arena *arena; /* the cells and their texts */
	struct buf key;
};

void
tally_sum(int64_t *sum, int64_t v)
{
	if (v != MONEY_UNKNOWN && __builtin_add_overflow(*sum, v, sum))
		*sum = v < 0 ? INT64_MIN : INT64_MAX;
}

/* --- latencies --------------------------------------------------------------- */

static uint32_t
step_of(int64_t ms)
{
	int bits;

	if (ms < EXACT)
		return ms < 0 ? 0 : (uint32_t)ms;
	bits = 63 - __builtin_clzll((unsigned long long)ms);
	return (uint32_t)(EXACT + (bits - EXACT_BITS) * HALF
	    + (ms >> (bits - EXACT_BITS + 1)) - HALF);
}

/* The least number of a step. */
static int64_t
least_of(uint32_t step)
{
	uint32_t above;

	if (step < EXACT)
		return (int64_t)step;
	above = step - EXACT;
	return (int64_t)(above % HALF + HALF) << (above / HALF + 1);
}

/* Where a step is, or belongs. */
static size_t
place_of(const struct hist *h, uint32_t step)
{
	size_t from = 0, to = h->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		if (h->v[mid].step < step)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static bool
add_step(struct hist *h, uint32_t step, int64_t times)
{
	size_t at = place_of(h, step), cap = h->cap ? 2 * h->cap : 8;
	struct hist_step *v;

	if (at < h->n && h->v[at].step == step) {
		tally_sum(&h->v[at].times, times);
		return true;
	}
	if (h->n == h->cap) {
		v = reallocarray(h->v, cap, sizeof(*v));
		if (!v)
			return false;
		h->v = v;
		h->cap = cap;
	}
	memmove(&h->v[at + 1], &h->v[at], (h->n - at) * sizeof(*h->v));
	h->v[at] = (struct hist_step){ times, step };
	h->n++;
	return true;
}

bool
hist_add(struct hist *h, int64_t ms, int64_t times)
{
	return add_step(h, step_of(ms), times);
}

bool
hist_merge(struct hist *h, const struct hist *more)
{
	for (size_t i = 0; i < more->n; i++)
		if (!add_step(h, more->v[i].step, more->v[i].times))
			return false;
	return true;
}

int64_t
hist_percentile(const struct hist *h, int64_t p)
{
	int64_t all = 0, rank, seen = 0;

	for (size_t i = 0; i < h->n; i++)
		tally_sum(&all, h->v[i].times);
	/* all * p / 100, rounded up, without overflow */
	rank = all / 100 * p + (all % 100 * p + 99) / 100;
	for (size_t i = 0; i < h->n; i++) {
		tally_sum(&seen, h->v[i].times);
		if (seen >= rank)
			return least_of(h->v[i].step);
	}
	return -1;
}

void
hist_release(struct hist *h)
{
	free(h->v);
	*h = (struct hist){ 0 };
}

/* --- cells ------------------------------------------------------------------- */

struct tally *
tally_new(void)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	buf_init(&t->key, BUF_MAX);
	t->map = map_new();
	t->arena = arena_new(0);
	if (t->map && t->arena)
		return t;
	tally_free(t);
	return NULL;
}

static void
release_cells(struct tally *t)
{
	struct str key;
	void *v;
	size_t i = 0;

	while (t->map && map_each(t->map, &i, &key, &v)) {
		struct tally_cell *c = v;
		hist_release(&c->attempts);
		hist_release(&c->tasks);
		free(c->once);
	}
	map_free(t->map);
	t->map = NULL;
}

void
tally_free(struct tally *t)
{
	if (!t)
		return;
	release_cells(t);
	arena_free(t->arena);
	buf_release(&t->key);
	free(t);
}

void
tally_clear(struct tally *t)
{
	release_cells(t); /* a map that is missing is made when it is needed */
	memset(t->last, 0, sizeof(t->last));
	arena_clear(t->arena);
}

/* What tells one cell from another. Also how it begins in the file. */
static bool
add_key(struct buf *b, const struct tally_key *c)
{
	char *p;

	if (!buf_reserve(b, 9 * PACK_NUMBER + c->cascade.n + c->model.n
	    + c->word.n))
		return false;
	p = pack_u64(b->p + b->n, c->kind);
	p = pack_u64(p, c->collected | c->booked << 1);
	p = pack_i64(p, c->tier);
	p = pack_i64(p, c->verdict);
	p = pack_i64(p, c->quarter);
	p = pack_str(p, c->cascade);
	p = pack_str(p, c->model);
	p = pack_str(p, c->word);
	*p = '\0';
	b->n = (size_t)(p - b->p);
	return true;
}

static bool
is_like(const struct tally_key *c, const struct tally_key *like)
{
	return c->collected == like->collected && c->tier == like->tier
	    && c->verdict == like->verdict && c->booked == like->booked
	    && c->quarter == like->quarter && str_eq(c->cascade, like->cascade)
	    && str_eq(c->model, like->model) && str_eq(c->word, like->word);
}

/* The cell like this one, which is made if there is none. NULL: no memory. */
static struct tally_cell *
cell_like(struct tally *t, const struct tally_key *like)
{
	struct tally_cell *c = t->last[like->kind];

	if (c && is_like(&c->key, like))
		return c;
	if (!t->map && !(t->map = map_new()))
		return NULL;
	buf_clear(&t->key);
	if (!add_key(&t->key, like))
		return NULL;
	c = map_get(t->map, buf_str(&t->key));
	if (c)
		return t->last[like->kind] = c;
	c = arena_alloc(t->arena, sizeof(*c));
	if (!c)
		return NULL;
	c->key = *like;
	if (!arena_str(t->arena, like->cascade, &c->key.cascade)
	    || !arena_str(t->arena, like->model, &c->key.model)
	    || !arena_str(t->arena, like->word, &c->key.word)
	    || !map_put(t->map, buf_str(&t->key), c))
		return NULL;
	return t->last[like->kind] = c;
}

const struct tally_cell *
tally_each(const struct tally *t, size_t *i)
{
	struct str key;
	void *v;

	return t->map && map_each(t->map, i, &key, &v) ? v : NULL;
}

/* --- tasks ------------------------------------------------------------------- */

static bool
glob(struct str s, struct str pattern)
{
	size_t i = 0, j = 0, star = SIZE_MAX, from = 0;

	while (i < s.n) {
		if (j < pattern.n && pattern.p[j] == '*') {
			star = j++;
			from = i;
		} else if (j < pattern.n && pattern.p[j] == s.p[i]) {
			i++;
			j++;
		} else if (star != SIZE_MAX) {
			j = star + 1;
			i = ++from;
		} else {
			return false;
		}
	}
	while (j < pattern.n && pattern.p[j] == '*')
		j++;
	return j == pattern.n;
}

bool
model_is(struct str model, struct str arg)
{
	struct str rest = model, provider;

	return arg.n == 0 || glob(model, arg)
	    || glob(str_cut(&rest, '/', &provider) ? rest : model, arg);
}

static void
count_attempt(struct tally_cell *c, const struct ledger_attempt *a)
{
	static const double bound[LEDGER_BINS - 1] = {
		0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
	};
	int bin = 0;

	if (a->verdict < ATTEMPT_VERDICTS)
		c->n[TALLY_VERDICT + a->verdict]++;
	tally_sum(&c->n[TALLY_COMPLETIONS], a->samples);
	tally_sum(&c->n[TALLY_CACHED_COMPLETIONS], a->cached);
	tally_sum(&c->n[TALLY_REPAIRS], a->repairs);
	tally_sum(&c->n[TALLY_REQUESTS], a->requests);
	tally_sum(&c->n[TALLY_RETRIES], a->retries);
	tally_sum(&c->n[TALLY_FALLBACKS], a->fallbacks);
	c->n[TALLY_UNKNOWN] += a->cost_picousd == MONEY_UNKNOWN;
	tally_sum(&c->n[TALLY_COST], a->cost_picousd);
	tally_sum(&c->n[TALLY_CACHED_COST], a->cached_picousd);
	if (a->prompt_tokens > 0)
		tally_sum(&c->n[TALLY_PROMPT_TOKENS], a->prompt_tokens);
	if (a->completion_tokens > 0)
		tally_sum(&c->n[TALLY_COMPLETION_TOKENS],
		    a->completion_tokens);
	if (!a->scored)
		return;
	/* The bounds as they are written: multiplying would round. */
	while (bin < LEDGER_BINS - 1 && a->score >= bound[bin])
		bin++;
	c->n[TALLY_BINS + bin]++;
}

static void
count_ended(struct tally_cell *c, const struct ledger_task *t)
{
	if (t->status <= TASK_BUDGET)
		c->n[TALLY_STATUS + t->status]++;
	c->n[TALLY_UNKNOWN] += t->audit_picousd == MONEY_UNKNOWN;
	tally_sum(&c->n[TALLY_COST], t->audit_picousd);
	tally_sum(&c->n[TALLY_AUDIT_COST], t->audit_picousd);
	if (t->top_picousd == MONEY_UNKNOWN
	    || t->cost_picousd == MONEY_UNKNOWN
	    || t->cached_picousd == MONEY_UNKNOWN)
		return;
	c->n[TALLY_TOP_KNOWN]++;
	tally_sum(&c->n[TALLY_TOP], t->top_picousd);
	tally_sum(&c->n[TALLY_TOP_PAID], t->cost_picousd);
	tally_sum(&c->n[TALLY_TOP_PAID], t->cached_picousd);
}

/* Where the task ended. */
static size_t
last_attempt(const struct ledger_task *t)
{
	for (size_t i = t->n_attempts; i-- > 0;)
		if (t->attempts[i].tier == t->tier)
			return i;
	return t->n_attempts - 1;
}

/* What was not audited is what audits speak for. */
static void
count_answered(struct tally_cell *c, const struct ledger_task *task)
{
	c->n[TALLY_ANSWERED] += task->tier > 0;
	c->n[TALLY_ACCEPTED] += task->status == TASK_ACCEPTED
	    && task->tier > 0 && task->tier < task->tiers;
}

/* Is it counted where the task ended? */
static bool
ended_where_answered(const struct ledger_task *t)
{
	const struct ledger_attempt *a;

	if (t->n_attempts == 0)
		return false;
	a = &t->attempts[last_attempt(t)];
	return a->tier == t->tier && str_eq(a->model, t->model);
}

static bool
count_reason(struct tally *t, const struct ledger_task *task,
    const struct ledger_attempt *a)
{
	struct tally_cell *c;

	if (a->verdict == ATTEMPT_ACCEPT || a->verdict > ATTEMPT_UNKNOWN_IN_CACHE)
		return true;
	c = cell_like(t, &(struct tally_key){ .kind = TALLY_REASON,
	    .collected = task->collected, .tier = a->tier,
	    .verdict = a->verdict, .cascade = task->cascade,
	    .word = a->scorer });
	if (!c)
		return false;
	c->n[TALLY_COUNT]++;
	return true;
}

/* Attempt number i, in its cell. */
static bool
count_at(struct tally_cell *c, const struct ledger_task *task, size_t i,
    bool answered, const struct tally_rules *r)
{
	const struct ledger_attempt *a = &task->attempts[i], *b;
	bool first = true, of_model = true, of_tier = true, waited;

	for (b = task->attempts; b < a; b++) {
		bool same = str_eq(a->model, b->model);
		first = first && !model_is(b->model, r->model);
		of_model = of_model && !same;
		of_tier = of_tier && !(same && a->tier == b->tier);
	}
	c->n[TALLY_TASKS] += first;
	c->n[TALLY_TASKS_OF_MODEL] += of_model;
	c->n[TALLY_TASKS_OF_TIER] += of_tier;
	count_attempt(c, a);
	waited = a->cached < a->samples || a->requests > 0;
	if (waited && !hist_add(&c->attempts, a->latency_ms, 1))
		return false;
	if (i != last_attempt(task))
		return true;
	count_ended(c, task);
	if (answered)
		count_answered(c, task);
	waited = !task->cached && a->verdict != ATTEMPT_UNKNOWN_IN_CACHE;
	return !waited || hist_add(&c->tasks, task->latency_ms, 1);
}

static int64_t
quarter_of(int64_t utc_ms)
{
	return utc_ms / TALLY_QUARTER_MS - (utc_ms % TALLY_QUARTER_MS < 0);
}

static bool
count_climb(struct tally *t, const struct ledger_task *task, bool answered,
    const struct tally_rules *r)
{
	struct tally_key like = { .kind = TALLY_CLIMB,
	    .collected = task->collected, .cascade = task->cascade,
	    .quarter = quarter_of(task->finished_utc_ms), .word = r->word };
	struct tally_cell *c;

	if (task->n_attempts == 0 && r->model.n == 0) {
		c = cell_like(t, &like);
		if (!c)
			return false;
		c->n[TALLY_TASKS]++;
		count_ended(c, task);
	}
	for (size_t i = 0; i < task->n_attempts; i++) {
		const struct ledger_attempt *a = &task->attempts[i];
		if (!model_is(a->model, r->model))
			continue;
		like.tier = a->tier;
		like.model = a->model;
		c = cell_like(t, &like);
		if (!c || !count_at(c, task, i, answered, r)
		    || !count_reason(t, task, a))
			return false;
	}
	return true;
}

/* --- audits ------------------------------------------------------------------ */

static bool
add_once(struct tally_cell *c, uint64_t v)
{
	size_t cap = c->cap_once ? 2 * c->cap_once : 8;
	uint64_t *more;

	if (c->n_once == c->cap_once) {
		more = reallocarray(c->once, cap, sizeof(*more));
		if (!more)
			return false;
		c->once = more;
		c->cap_once = cap;
	}
	c->once[c->n_once++] = v;
	return true;
}

/* What was not kept cannot have been had twice. */
static uint64_t
hash_once(const struct ledger_task *t)
{
	const struct ledger_attempt *a = t->audit;

	for (size_t i = 0; i < a->n_rows; i++)
		if (a->rows[i] < 0)
			return hash64((struct str){ (const char *)&t->number,
			    sizeof(t->number) }, 1);
	return hash64((struct str){ (const char *)a->rows,
	    a->n_rows * sizeof(*a->rows) }, 0);
}

static bool
count_audit(struct tally *t, const struct ledger_task *task, bool counted,
    const struct tally_rules *r)
{
	struct tally_cell *c;

	if (!task->audit && (counted || task->tier <= 0))
		return true;
	c = cell_like(t, &(struct tally_key){ .kind = TALLY_AUDIT,
	    .collected = task->collected, .tier = task->tier,
	    .cascade = task->cascade, .model = task->model, .word = r->word });
	if (!c)
		return false;
	if (!counted)
		count_answered(c, task);
	tally_sum(&c->n[TALLY_COST], task->audit_picousd);
	c->n[TALLY_UNKNOWN] += task->audit_picousd == MONEY_UNKNOWN;
	if (!task->audit)
		return true;
	c->n[TALLY_AUDITS]++;
	if (task->audit_outcome == AUDIT_NO_ANSWER) {
		c->n[TALLY_UNANSWERED]++;
		return true;
	}
	return add_once(c, hash_once(task) << 1
	    | (task->audit_outcome == AUDIT_DIFFERS));
}

bool
tally_add_task(struct tally *t, const struct ledger_task *task,
    const struct tally_rules *r)
{
	bool answered = r->model.n == 0 && ended_where_answered(task);

	return count_climb(t, task, answered, r)
	    && count_audit(t, task, answered, r);
}

bool
tally_add_end(struct tally *t, const struct entry_end *e)
{
	struct tally_cell *c = cell_like(t, &(struct tally_key){
	    .kind = TALLY_ASK, .verdict = (int)e->outcome,
	    .booked = e->booked, .model = e->ask.model });

	if (!c)
		return false;
	c->n[TALLY_COUNT]++;
	c->n[TALLY_UNKNOWN] += e->cost_picousd == MONEY_UNKNOWN;
	tally_sum(&c->n[TALLY_COST], e->cost_picousd);
	return true;
}

/* --- bytes ------------------------------------------------------------------- */

/* Where something is, and how much: of the few that are not 0. */
static char *
pack_counts(char *p, const int64_t *n)
{
	size_t set = 0;

	for (size_t i = 0; i < TALLY_COUNTS; i++)
		set += n[i] != 0;
	p = pack_u64(p, set);
	for (size_t i = 0; i < TALLY_COUNTS; i++) {
		if (n[i] == 0)
			continue;
		p = pack_u64(p, i);
		p = pack_i64(p, n[i]);
	}
	return p;
}

static char *
pack_hist(char *p, const struct hist *h)
{
	p = pack_u64(p, h->n);
	for (size_t i = 0; i < h->n; i++) {
		p = pack_u64(p, h->v[i].step);
		p = pack_i64(p, h->v[i].times);
	}
	return p;
}

static bool
encode_cell(const struct tally_cell *c, struct buf *out)
{
	char *p;

	if (!add_key(out, &c->key) || !buf_reserve(out, PACK_NUMBER * (4
	    + 2 * (TALLY_COUNTS + c->attempts.n + c->tasks.n)
	    + c->n_once)))
		return false;
	p = pack_counts(out->p + out->n, c->n);
	p = pack_hist(p, &c->attempts);
	p = pack_hist(p, &c->tasks);
	p = pack_u64(p, c->n_once);
	for (size_t i = 0; i < c->n_once; i++)
		p = pack_u64(p, c->once[i]);
	*p = '\0';
	out->n = (size_t)(p - out->p);
	return true;
}

bool
tally_encode(const struct tally *t, struct buf *out)
{
	const struct tally_cell *c;
	size_t i = 0;

	while ((c = tally_each(t, &i)))
		if (!encode_cell(c, out))
			return false;
	return true;
}

static bool
read_key(struct unpack *u, struct tally_key *c)
{
	uint64_t kind = unpack_u64(u), bits = unpack_u64(u);
	int64_t tier = unpack_i64(u), verdict = unpack_i64(u);

	*c = (struct tally_key){ .kind = (enum tally_kind)kind,
	    .collected = bits & 1, .booked = bits & 2, .tier = (int)tier,
	    .verdict = (int)verdict };
	c->quarter = unpack_i64(u);
	c->cascade = unpack_str(u);
	c->model = unpack_str(u);
	c->word = unpack_str(u);
	return !u->bad && kind <= TALLY_ASK && tier >= INT_MIN
	    && tier <= INT_MAX && verdict >= 0 && verdict < 64;
}

/* 1, 0: damaged, -1: no memory. */
static int
read_hist(struct unpack *u, struct hist *h)
{
	uint64_t set = unpack_u64(u), step;

	for (; set > 0 && !u->bad; set--) {
		step = unpack_u64(u);
		if (step >= MOST_STEPS)
			return 0;
		if (!add_step(h, (uint32_t)step, unpack_i64(u)))
			return -1;
	}
	return !u->bad;
}

static int
read_cell(struct unpack *u, struct tally_cell *c)
{
	uint64_t set = unpack_u64(u), i;
	int64_t n;
	int rc;

	for (; set > 0 && !u->bad; set--) {
		i = unpack_u64(u);
		n = unpack_i64(u);
		if (i >= TALLY_COUNTS || n < 0)
			return 0;
		tally_sum(&c->n[i], n);
	}
	if ((rc = read_hist(u, &c->attempts)) < 1
	    || (rc = read_hist(u, &c->tasks)) < 1)
		return rc;
	set = unpack_u64(u);
	for (; set > 0 && !u->bad; set--)
		if (!add_once(c, unpack_u64(u)))
			return -1;
	return !u->bad;
}

int
tally_decode(struct tally *t, struct str bytes)
{
	struct unpack u = unpack_of(bytes);
	struct tally_key like;
	struct tally_cell *c;
	int rc = 1;

	while (rc == 1 && unpack_more(&u)) {
		if (!read_key(&u, &like))
			return 0;
		c = cell_like(t, &like);
		rc = c ? read_cell(&u, c) : -1;
	}
	return rc == 1 && u.bad ? 0 : rc;
}
