/*
 * migrate.c -- a store of version 1 brought forwards: its completions and its
 * ledger, which had a row for each task and each attempt.
 */
#include "base/json.h"
#include "cache/segments.h"

#define ABOUT 256 /* tasks of one segment */

/* As they are read. */
#define TASKS \
	"SELECT number, id, run, cascade, source, status, tier, tiers, model," \
	" cost_picousd, cached_picousd, top_picousd, finished_utc_ms," \
	" latency_ms, cached, error, tags, prompt FROM tasks ORDER BY number"
#define ATTEMPTS \
	"SELECT tier, model, samples, cached, repairs, score, score_ln," \
	" threshold, threshold_ln, scorer, verdict, reason, cost_picousd," \
	" cached_picousd, prompt_tokens, completion_tokens, latency_ms," \
	" requests, retries, completions, chosen FROM attempts" \
	" WHERE task = ?1 ORDER BY seq"

static int
read_rows(struct store *s, struct str text, struct arena *a,
    struct ledger_attempt *out, struct err *e)
{
	struct json *doc = json_parse(text, e);
	const struct json *v;
	int64_t *rows;
	int rc = 0;

	if (!doc) /* e->code tells lack of memory from bad JSON */
		return e->code == ERR_NOMEM ? -1
		    : store_fail(s, SQLITE_CORRUPT, "read", e);
	rows = arena_array(a, json_count(doc), sizeof(*rows));
	if (!rows)
		rc = err_nomem(e);
	for (v = json_first(doc); rc == 0 && v; v = json_next(v))
		if (!json_i64(v, &rows[out->n_rows++]))
			rc = store_fail(s, SQLITE_CORRUPT, "read", e);
	out->rows = rows;
	json_free(doc);
	return rc;
}

static int
read_attempt(struct store *s, struct columns *col, struct ledger_attempt *t,
    struct err *e)
{
	int64_t verdict;
	struct str rows;

	*t = (struct ledger_attempt){ 0 };
	t->tier = (int)column_int(col);
	t->model = column_text(col);
	t->samples = (int)column_int(col);
	t->cached = (int)column_int(col);
	t->repairs = (int)column_int(col);
	t->scored = sqlite3_column_type(col->stmt, col->n) != SQLITE_NULL;
	t->score = column_real(col);
	t->score_ln = column_real(col);
	t->threshold = column_real(col);
	t->threshold_ln = column_real(col);
	t->scorer = column_text(col);
	verdict = column_int(col);
	t->verdict = verdict >= ATTEMPT_ACCEPT && verdict < ATTEMPT_VERDICTS
	    ? (enum attempt_verdict)verdict : ATTEMPT_FAILED;
	t->reason = column_text(col);
	t->cost_picousd = column_known(col, MONEY_UNKNOWN);
	t->cached_picousd = column_known(col, MONEY_UNKNOWN);
	t->prompt_tokens = column_known(col, -1);
	t->completion_tokens = column_known(col, -1);
	t->latency_ms = column_int(col);
	t->requests = (int)column_int(col);
	t->retries = (int)column_int(col);
	rows = column_text(col);
	t->chosen = (int)column_int(col);
	if (col->failed)
		return err_nomem(e);
	return read_rows(s, rows, col->arena, t, e);
}

static int
read_attempts(struct store *s, struct params *p, struct arena *a,
    struct ledger_task *t, struct err *e)
{
	struct ledger_attempt *v = NULL, *more;
	size_t n = 0, cap = 0;
	int rc;

	p->n = 0;
	param_int(p, t->number);
	while ((rc = store_step(s, p, "read", e)) == 1) {
		struct columns col = { .stmt = p->stmt, .arena = a };
		if (n == cap) {
			cap = cap ? 2 * cap : 4;
			more = arena_array(a, cap, sizeof(*more));
			if (!more)
				return err_nomem(e);
			if (n)
				memcpy(more, v, n * sizeof(*v));
			v = more;
		}
		if (read_attempt(s, &col, &v[n], e) < 0)
			return -1;
		n++;
	}
	sqlite3_reset(p->stmt);
	t->attempts = v;
	t->n_attempts = n;
	return rc;
}

static int
read_task(struct columns *col, struct ledger_task *t, struct err *e)
{
	int64_t status;

	*t = (struct ledger_task){ 0 };
	t->number = column_int(col);
	t->id = column_text(col);
	t->run = column_text(col);
	t->cascade = column_text(col);
	t->source = column_text(col);
	status = column_int(col);
	t->status = status >= TASK_ACCEPTED && status <= TASK_BUDGET
	    ? (enum task_status)status : TASK_FAILED;
	t->tier = (int)column_int(col);
	t->tiers = (int)column_int(col);
	t->model = column_text(col);
	t->cost_picousd = column_known(col, MONEY_UNKNOWN);
	t->cached_picousd = column_known(col, MONEY_UNKNOWN);
	t->top_picousd = column_known(col, MONEY_UNKNOWN);
	t->finished_utc_ms = column_int(col);
	t->latency_ms = column_int(col);
	t->cached = column_int(col) != 0;
	t->error = column_text(col);
	t->tags = column_text(col);
	t->prompt = column_text(col);
	return col->failed ? err_nomem(e) : 0;
}

/* Tasks keep their numbers, so a gap between them begins a segment. */
static int
move_task(struct store *s, const struct ledger_task *t, int64_t *expected,
    struct err *e)
{
	if (t->number != *expected || s->pending.n_tasks >= ABOUT)
		if (segments_flush(s, e) < 0 || (t->number != *expected
		    && segments_set_next(s, t->number, 0, e) < 0))
			return -1;
	*expected = t->number + 1;
	return ledger_put(s, t, e);
}

static int
move_tasks(struct store *s, struct err *e)
{
	struct params p = { 0 }, attempts = { 0 };
	struct arena *a = arena_new(0);
	struct ledger_task t;
	int64_t expected = 1;
	int rc = a ? store_prepare(s, TASKS, &p, e) : err_nomem(e);

	if (rc == 0)
		rc = store_prepare(s, ATTEMPTS, &attempts, e);
	while (rc >= 0 && (rc = store_step(s, &p, "read", e)) == 1) {
		struct columns col = { .stmt = p.stmt, .arena = a };
		rc = read_task(&col, &t, e);
		if (rc == 0)
			rc = read_attempts(s, &attempts, a, &t, e);
		if (rc == 0)
			rc = move_task(s, &t, &expected, e);
		arena_clear(a);
	}
	sqlite3_finalize(p.stmt);
	sqlite3_finalize(attempts.stmt);
	arena_free(a);
	return rc < 0 ? -1 : segments_flush(s, e);
}

#define COMPLETIONS \
	"SELECT c.id, c.kept_utc_ms, c.asked_utc_ms, c.latency_ms, c.finish," \
	" c.cost_picousd, c.prompt_tokens, c.cached_tokens," \
	" c.cache_write_tokens, c.completion_tokens, c.reasoning_tokens," \
	" c.model, c.text, c.tokens_of_answer, q.key, q.provider, q.model," \
	" q.canon, c.id / 4096, c.tokens FROM completions_1 c" \
	" JOIN requests q ON q.id = c.id / 4096 ORDER BY c.id"

static int (*renew_with)(struct str old, struct buf *canon,
    unsigned char key[SHA256_BYTES], struct err *e);

void
store_renew_with(int (*renew)(struct str old, struct buf *canon,
    unsigned char key[SHA256_BYTES], struct err *e))
{
	renew_with = renew;
}

static int
put_renewed(struct store *s, const struct completion_place *at,
    struct request_row *q, bool first, const struct completion *c,
    struct err *e)
{
	struct buf canon;
	int rc = 0;

	buf_init(&canon, BUF_MAX);
	if (renew_with && q->canon.n) {
		rc = renew_with(q->canon, &canon, q->key, e);
		q->canon = buf_str(&canon);
	}
	if (rc == 0)
		rc = completions_put(s, at, q, first, c, e);
	buf_release(&canon);
	return rc;
}

/* One row: the ledger refers to it by its number, which it keeps. Of a request's
 * samples the first gets its text. */
static int
move_completion(struct store *s, struct params *p, struct arena *a,
    int64_t *request, struct err *e)
{
	struct columns col = { .stmt = p->stmt, .arena = a };
	struct completion_place at = { .row = column_int(&col) };
	struct request_row q = { .canon = { 0 } };
	struct completion c = { 0 };
	int64_t finish, of;
	struct str key;
	bool first;

	at.sample = (int)(at.row % STORE_SAMPLES);
	at.kept_utc_ms = column_int(&col);
	c.asked_utc_ms = column_int(&col);
	c.latency_ms = column_int(&col);
	finish = column_int(&col);
	c.finish = finish >= FINISH_STOP && finish <= FINISH_OTHER
	    ? (enum finish)finish : FINISH_OTHER;
	c.cost_picousd = column_known(&col, MONEY_UNKNOWN);
	c.prompt_tokens = column_known(&col, -1);
	c.cached_tokens = column_known(&col, -1);
	c.cache_write_tokens = column_known(&col, -1);
	c.completion_tokens = column_known(&col, -1);
	c.reasoning_tokens = column_known(&col, -1);
	c.model = column_text(&col);
	c.text = column_text(&col);
	c.tokens_of_answer = column_int(&col) != 0;
	key = column_blob(&col);
	if (key.n == SHA256_BYTES)
		memcpy(q.key, key.p, SHA256_BYTES);
	q.provider = column_text(&col);
	q.model = column_text(&col);
	q.canon = column_text(&col);
	of = column_int(&col);
	first = of != *request;
	*request = of;
	if (col.failed)
		return err_nomem(e);
	return completions_tokens(s, &col, &c, e) < 0 ? -1
	    : put_renewed(s, &at, &q, first, &c, e);
}

static int
move_completions(struct store *s, struct err *e)
{
	struct params p = { 0 };
	struct arena *a = arena_new(0);
	int64_t request = 0, most = 0;
	int rc = a ? store_prepare(s, COMPLETIONS, &p, e) : err_nomem(e);

	while (rc >= 0 && (rc = store_step(s, &p, "read", e)) == 1) {
		rc = move_completion(s, &p, a, &request, e);
		arena_clear(a);
	}
	sqlite3_finalize(p.stmt);
	arena_free(a);
	if (rc < 0 || store_int(s, "SELECT (1 + coalesce((SELECT seq"
	    " FROM sqlite_sequence WHERE name = 'requests'), 0)) * 4096",
	    &most, e) < 0)
		return -1;
	return segments_set_next(s, 0, most, e);
}

int
migrate_1(struct store *s, struct err *e)
{
	if (move_completions(s, e) < 0 || move_tasks(s, e) < 0)
		return -1;
	return store_exec(s, "DROP TABLE completions_1; DROP TABLE requests;"
	    " DROP TABLE attempts; DROP TABLE tasks", "set up", e);
}
