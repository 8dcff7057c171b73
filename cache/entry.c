/*
 * entry.c -- entries of the ledger to bytes and back.
 */
#include "base/money.h"
#include "base/rand.h"
#include "base/utf8.h"
#include "cache/entry.h"

#define PROMPT_BYTES 1024 /* of a task's prompt that are kept */
#define SIZE_BYTES 4      /* of what precedes a task: its length, low byte first */

/* Numbers and doubles of one at most, with room to spare. */
#define TASK_ROOM (SIZE_BYTES + 24 * PACK_NUMBER)
#define ATTEMPT_ROOM (28 * PACK_NUMBER)
#define ASK_ROOM (16 * PACK_NUMBER)

enum { /* bits of a task */
	TASK_CACHED = 1, TASK_COLLECTED = 2, TASK_AUDITED = 4,
};
enum { /* bits of an attempt */
	OF_TASKS_MODEL = 1, /* its model is the task's: not repeated */
	SCORED = 2,
	HAS_THRESHOLD = 4,  /* else both are 0 */
};
enum { ASKED = 1, ENDED = 2 };

struct str
entry_seal(struct buf *b)
{
	if (b->n <= SEAL_BYTES)
		return STR("");
	pack_fixed(b->p, checksum64(str_sub(buf_str(b), SEAL_BYTES, b->n), 0));
	return buf_str(b);
}

bool
entry_unseal(struct str *bytes)
{
	struct str rest = str_sub(*bytes, SEAL_BYTES, bytes->n);

	if (bytes->n == 0)
		return true;
	if (rest.n == 0 || unpack_fixed(bytes->p) != checksum64(rest, 0))
		return false;
	*bytes = rest;
	return true;
}

/* Nothing was ever paid back. */
static int64_t
no_less_than_nothing(struct unpack *u, int64_t picousd)
{
	if (picousd < 0 && picousd != MONEY_UNKNOWN)
		u->bad = true;
	return picousd;
}

int64_t
entry_unpack_money(struct unpack *u)
{
	return no_less_than_nothing(u, unpack_known(u, MONEY_UNKNOWN));
}

/* --- tasks ------------------------------------------------------------------- */

static size_t
attempt_room(const struct ledger_attempt *a)
{
	return ATTEMPT_ROOM + a->model.n + a->scorer.n + a->reason.n
	    + a->n_rows * PACK_NUMBER;
}

/* Row numbers of one attempt lie close together. */
static char *
put_rows(char *p, const struct ledger_attempt *a)
{
	int64_t before = 0;

	p = pack_u64(p, a->n_rows);
	for (size_t i = 0; i < a->n_rows; i++) {
		p = pack_u64(p, pack_zigzag((int64_t)((uint64_t)a->rows[i]
		    - (uint64_t)before)));
		before = a->rows[i];
	}
	return p;
}

static char *
put_attempt(char *p, const struct ledger_attempt *a, struct str model)
{
	bool same = str_eq(a->model, model);
	bool threshold = a->threshold != 0 || a->threshold_ln != 0;

	p = pack_u64(p, (unsigned)((same ? OF_TASKS_MODEL : 0)
	    | (a->scored ? SCORED : 0) | (threshold ? HAS_THRESHOLD : 0)));
	if (!same)
		p = pack_str(p, a->model);
	p = pack_i64(p, a->tier);
	p = pack_i64(p, a->samples);
	p = pack_i64(p, a->cached);
	p = pack_i64(p, a->repairs);
	if (a->scored) {
		p = pack_double(p, a->score);
		p = pack_double(p, a->score_ln);
	}
	if (threshold) {
		p = pack_double(p, a->threshold);
		p = pack_double(p, a->threshold_ln);
	}
	p = pack_str(p, a->scorer);
	p = pack_i64(p, a->verdict);
	p = pack_str(p, a->reason);
	p = pack_known(p, a->cost_picousd, MONEY_UNKNOWN);
	p = pack_known(p, a->cached_picousd, MONEY_UNKNOWN);
	p = pack_i64(p, a->booked_picousd);
	p = pack_i64(p, a->prompt_tokens);
	p = pack_i64(p, a->completion_tokens);
	p = pack_i64(p, a->latency_ms);
	p = pack_i64(p, a->requests);
	p = pack_i64(p, a->retries);
	p = pack_i64(p, a->fallbacks);
	p = pack_i64(p, a->chosen);
	return put_rows(p, a);
}

/* Half a right answer is a wrong one. */
static struct str
reference_of(const struct ledger_task *t)
{
	return t->reference.n <= LEDGER_MAX_REFERENCE ? t->reference : STR("");
}

static char *
put_own(char *p, const struct ledger_task *t, struct str prompt,
    int64_t at_utc_ms)
{
	p = pack_str(p, t->id); /* first: see entry_task_id() */
	p = pack_u64(p, (unsigned)((t->cached ? TASK_CACHED : 0)
	    | (t->collected ? TASK_COLLECTED : 0)
	    | (t->audit ? TASK_AUDITED : 0)));
	p = pack_str(p, t->cascade);
	p = pack_str(p, t->model);
	p = pack_i64(p, t->status);
	p = pack_i64(p, t->tier);
	p = pack_i64(p, t->tiers);
	p = pack_known(p, t->cost_picousd, MONEY_UNKNOWN);
	p = pack_known(p, t->cached_picousd, MONEY_UNKNOWN);
	p = pack_i64(p, t->booked_picousd);
	p = pack_known(p, t->top_picousd, MONEY_UNKNOWN);
	p = pack_known(p, t->audit_picousd, MONEY_UNKNOWN);
	p = pack_i64(p, (int64_t)((uint64_t)t->finished_utc_ms
	    - (uint64_t)at_utc_ms));
	p = pack_i64(p, t->latency_ms);
	p = pack_str(p, t->error);
	p = pack_str(p, t->tags);
	p = pack_str(p, prompt);
	return pack_str(p, reference_of(t));
}

bool
entry_put_task(struct buf *b, const struct ledger_task *t, int64_t at_utc_ms)
{
	struct str prompt = utf8_clip(t->prompt, PROMPT_BYTES);
	size_t room = TASK_ROOM + t->id.n + t->cascade.n + t->model.n
	    + t->error.n + t->tags.n + prompt.n + reference_of(t).n;
	char *begin, *p;
	uint32_t size;

	for (size_t i = 0; i < t->n_attempts; i++)
		room += attempt_room(&t->attempts[i]);
	if (t->audit)
		room += attempt_room(t->audit);
	if (room > UINT32_MAX || !buf_reserve(b, room))
		return false;
	begin = b->p + b->n;
	p = put_own(begin + SIZE_BYTES, t, prompt, at_utc_ms);
	p = pack_u64(p, t->n_attempts);
	for (size_t i = 0; i < t->n_attempts; i++)
		p = put_attempt(p, &t->attempts[i], t->model);
	if (t->audit) {
		p = pack_i64(p, t->audit_outcome);
		p = put_attempt(p, t->audit, t->model);
	}
	size = htole32((uint32_t)(p - begin - SIZE_BYTES));
	memcpy(begin, &size, SIZE_BYTES);
	*p = '\0';
	b->n += (size_t)(p - begin);
	return true;
}

bool
entry_next_task(struct unpack *u, struct str *entry)
{
	uint32_t size;

	if (!unpack_more(u))
		return false;
	if (u->end - u->p < SIZE_BYTES) {
		u->bad = true;
		return false;
	}
	memcpy(&size, u->p, SIZE_BYTES);
	size = le32toh(size);
	u->p += SIZE_BYTES;
	if (size > (uint64_t)(u->end - u->p)) {
		u->bad = true;
		return false;
	}
	*entry = (struct str){ u->p, size };
	u->p += size;
	return true;
}

struct str
entry_task_id(struct str entry)
{
	struct unpack u = unpack_of(entry);

	return unpack_str(&u);
}

static bool
get_rows(struct unpack *u, struct arena *a, struct ledger_attempt *out)
{
	uint64_t n = unpack_u64(u), before = 0;
	int64_t *rows;

	if (u->bad || n > (uint64_t)(u->end - u->p)) {
		u->bad = true; /* each is a byte at least */
		return true;
	}
	rows = arena_array(a, n, sizeof(*rows));
	if (!rows)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		before += (uint64_t)unpack_i64(u);
		rows[i] = (int64_t)before;
	}
	out->rows = rows;
	out->n_rows = n;
	return true;
}

/* An int of either sign. */
static int
get_int(struct unpack *u)
{
	int64_t v = unpack_i64(u);

	if (v >= INT_MIN && v <= INT_MAX)
		return (int)v;
	u->bad = true;
	return 0;
}

/* What another version may know is a failure here. */
static int
get_enum(struct unpack *u, int most, int otherwise)
{
	int64_t v = unpack_i64(u);

	return v >= 0 && v <= most ? (int)v : otherwise;
}

/* False: out of memory. */
static bool
get_attempt(struct unpack *u, struct str model, struct arena *a,
    struct ledger_attempt *out)
{
	uint64_t bits = unpack_u64(u);

	*out = (struct ledger_attempt){ 0 };
	out->model = bits & OF_TASKS_MODEL ? model : unpack_str(u);
	out->tier = get_int(u);
	out->samples = get_int(u);
	out->cached = get_int(u);
	out->repairs = get_int(u);
	out->scored = bits & SCORED;
	if (bits & SCORED) {
		out->score = unpack_double(u);
		out->score_ln = unpack_double(u);
	}
	if (bits & HAS_THRESHOLD) {
		out->threshold = unpack_double(u);
		out->threshold_ln = unpack_double(u);
	}
	out->scorer = unpack_str(u);
	out->verdict = (enum attempt_verdict)get_enum(u, ATTEMPT_VERDICTS - 1,
	    ATTEMPT_FAILED);
	out->reason = unpack_str(u);
	out->cost_picousd = entry_unpack_money(u);
	out->cached_picousd = entry_unpack_money(u);
	out->booked_picousd = no_less_than_nothing(u, unpack_i64(u));
	out->prompt_tokens = unpack_i64(u);
	out->completion_tokens = unpack_i64(u);
	out->latency_ms = unpack_i64(u);
	out->requests = get_int(u);
	out->retries = get_int(u);
	out->fallbacks = get_int(u);
	out->chosen = get_int(u);
	return get_rows(u, a, out);
}

/* False: out of memory. */
static bool
get_attempts(struct unpack *u, struct arena *a, bool audited,
    struct ledger_task *t)
{
	uint64_t n = unpack_u64(u);
	struct ledger_attempt *v;

	if (u->bad || n > (uint64_t)(u->end - u->p)) {
		u->bad = true;
		return true;
	}
	v = arena_array(a, n + audited, sizeof(*v));
	if (!v)
		return false;
	for (uint64_t i = 0; i < n && !u->bad; i++)
		if (!get_attempt(u, t->model, a, &v[i]))
			return false;
	t->attempts = v;
	t->n_attempts = n;
	if (!audited)
		return true;
	t->audit_outcome = (enum audit_outcome)get_enum(u, AUDIT_DIFFERS,
	    AUDIT_NO_ANSWER);
	t->audit = &v[n];
	return get_attempt(u, t->model, a, &v[n]);
}

int
entry_get_task(struct str entry, int64_t at_utc_ms, struct arena *a,
    struct ledger_task *out)
{
	struct unpack u = unpack_of(entry);
	struct ledger_task t = { 0 };
	uint64_t bits;

	t.id = unpack_str(&u);
	bits = unpack_u64(&u);
	t.cached = bits & TASK_CACHED;
	t.collected = bits & TASK_COLLECTED;
	t.cascade = unpack_str(&u);
	t.model = unpack_str(&u);
	t.status = (enum task_status)get_enum(&u, TASK_BUDGET, TASK_FAILED);
	t.tier = get_int(&u);
	t.tiers = get_int(&u);
	t.cost_picousd = entry_unpack_money(&u);
	t.cached_picousd = entry_unpack_money(&u);
	t.booked_picousd = no_less_than_nothing(&u, unpack_i64(&u));
	t.top_picousd = entry_unpack_money(&u);
	t.audit_picousd = entry_unpack_money(&u);
	t.finished_utc_ms = (int64_t)((uint64_t)unpack_i64(&u)
	    + (uint64_t)at_utc_ms);
	t.latency_ms = unpack_i64(&u);
	t.error = unpack_str(&u);
	t.tags = unpack_str(&u);
	t.prompt = unpack_str(&u);
	t.reference = unpack_str(&u);
	if (!get_attempts(&u, a, bits & TASK_AUDITED, &t))
		return -1;
	if (u.bad || u.p != u.end)
		return 0;
	*out = t;
	return 1;
}

/* --- requests ---------------------------------------------------------------- */

bool
entry_put_ask(struct buf *b, const struct entry_ask *a)
{
	char *p;

	if (!buf_reserve(b, ASK_ROOM + a->model.n))
		return false;
	p = pack_u64(b->p + b->n, ASKED);
	p = pack_i64(p, a->id);
	p = pack_i64(p, a->asked_utc_ms);
	p = pack_str(p, a->model);
	p = pack_i64(p, a->key64);
	p = pack_i64(p, a->first);
	p = pack_i64(p, a->last);
	p = pack_i64(p, a->until_utc_ms);
	p = pack_known(p, a->worst_picousd, MONEY_UNKNOWN);
	*p = '\0';
	b->n = (size_t)(p - b->p);
	return true;
}

bool
entry_put_end(struct buf *b, const struct entry_end *e)
{
	char *p;

	if (!buf_reserve(b, ASK_ROOM + e->ask.model.n + e->code.n))
		return false;
	p = pack_u64(b->p + b->n, ENDED);
	p = pack_i64(p, e->ask.id);
	p = pack_i64(p, e->ask.asked_utc_ms);
	p = pack_str(p, e->ask.model);
	p = pack_i64(p, e->outcome);
	p = pack_i64(p, e->status);
	p = pack_str(p, e->code);
	p = pack_i64(p, e->ended_utc_ms);
	p = pack_known(p, e->cost_picousd, MONEY_UNKNOWN);
	p = pack_u64(p, e->booked);
	*p = '\0';
	b->n = (size_t)(p - b->p);
	return true;
}

bool
entry_next_ask(struct unpack *u, bool *ended, struct entry_end *out)
{
	uint64_t what;

	*out = (struct entry_end){ .ask.id = 0 };
	if (!unpack_more(u))
		return false;
	what = unpack_u64(u);
	out->ask.id = unpack_i64(u);
	out->ask.asked_utc_ms = unpack_i64(u);
	out->ask.model = unpack_str(u);
	*ended = what == ENDED;
	if (what == ASKED) {
		out->ask.key64 = unpack_i64(u);
		out->ask.first = unpack_i64(u);
		out->ask.last = unpack_i64(u);
		out->ask.until_utc_ms = unpack_i64(u);
		out->ask.worst_picousd = entry_unpack_money(u);
	} else if (what == ENDED) {
		out->outcome = (enum ask_outcome)get_enum(u, ASK_OUTCOMES - 1,
		    ASK_FAIL);
		out->status = get_int(u);
		out->code = unpack_str(u);
		out->ended_utc_ms = unpack_i64(u);
		out->cost_picousd = entry_unpack_money(u);
		out->booked = unpack_u64(u) != 0;
	} else {
		u->bad = true;
	}
	return !u->bad;
}
