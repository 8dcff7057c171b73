/*
 * ledger.c -- writing down what happened to a task, and reading it back.
 */
#include "base/json.h"
#include "base/utf8.h"
#include "cache/internal.h"
#include "cache/ledger.h"

#define PROMPT_BYTES 1024 /* of a task's prompt that are kept */

#define TASK_COLUMNS \
	"number, id, run, cascade, source, status, tier, tiers, model," \
	" cost_picousd, cached_picousd, top_picousd, finished_utc_ms," \
	" latency_ms, cached, error, tags, prompt, booked_picousd"

#define ATTEMPT_COLUMNS \
	"tier, model, samples, cached, repairs, score, score_ln, threshold," \
	" threshold_ln, scorer, verdict, reason, cost_picousd," \
	" cached_picousd, prompt_tokens, completion_tokens, latency_ms," \
	" requests, retries, completions, chosen, fallbacks, booked_picousd"

const char *
task_status_name(enum task_status s)
{
	switch (s) {
	case TASK_ACCEPTED:
		return "accepted";
	case TASK_EXHAUSTED:
		return "exhausted";
	case TASK_REFUSED:
		return "refused";
	case TASK_FAILED:
		return "failed";
	case TASK_BUDGET:
		return "budget";
	}
	return "failed";
}

bool
task_status_parse(struct str name, enum task_status *out)
{
	for (int s = TASK_ACCEPTED; s <= TASK_BUDGET; s++) {
		if (str_is(name, task_status_name((enum task_status)s))) {
			*out = (enum task_status)s;
			return true;
		}
	}
	return false;
}

const char *
attempt_verdict_name(enum attempt_verdict v)
{
	switch (v) {
	case ATTEMPT_ACCEPT:
		return "accept";
	case ATTEMPT_ESCALATE:
		return "escalate";
	case ATTEMPT_REFUSED:
		return "refused";
	case ATTEMPT_CUT_OFF:
		return "cut_off";
	case ATTEMPT_UNAVAILABLE:
		return "unavailable";
	case ATTEMPT_FAILED:
		return "failed";
	case ATTEMPT_UNKNOWN_IN_CACHE:
		return "unknown_in_cache";
	case ATTEMPT_BUDGET:
		return "budget";
	}
	return "failed";
}

static int
put_task(struct store *s, const struct ledger_task *t, int64_t *number,
    struct err *e)
{
	struct params p;

	if (store_stmt(s, STMT_TASK_PUT, "INSERT INTO tasks (" TASK_COLUMNS
	    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
	    " ?13, ?14, ?15, ?16, ?17, ?18, ?19)", &p, e) < 0)
		return -1;
	param_null(&p); /* SQLite gives the number */
	param_text(&p, t->id);
	param_text(&p, t->run);
	param_text(&p, t->cascade);
	param_text(&p, t->source);
	param_int(&p, t->status);
	param_int(&p, t->tier);
	param_int(&p, t->tiers);
	param_text(&p, t->model);
	param_known(&p, t->cost_picousd, MONEY_UNKNOWN);
	param_known(&p, t->cached_picousd, MONEY_UNKNOWN);
	param_known(&p, t->top_picousd, MONEY_UNKNOWN);
	param_int(&p, t->finished_utc_ms);
	param_int(&p, t->latency_ms);
	param_int(&p, t->cached);
	param_text(&p, t->error);
	if (t->tags.n)
		param_text(&p, t->tags);
	else
		param_null(&p);
	param_text(&p, utf8_clip(t->prompt, PROMPT_BYTES));
	param_int(&p, t->booked_picousd);
	if (store_run(s, &p, "write to", e) < 0)
		return -1;
	*number = sqlite3_last_insert_rowid(s->db);
	return 0;
}

static void
rows_encode(struct buf *b, const int64_t *rows, size_t n)
{
	struct jw w = jw_on(b);

	jw_open(&w, '[');
	for (size_t i = 0; i < n; i++)
		jw_i64(&w, rows[i]);
	jw_close(&w, ']');
}

static void
param_attempt(struct params *p, const struct ledger_attempt *a,
    struct str rows)
{
	param_int(p, a->tier);
	param_text(p, a->model);
	param_int(p, a->samples);
	param_int(p, a->cached);
	param_int(p, a->repairs);
	if (a->scored) {
		param_real(p, a->score);
		param_real(p, a->score_ln);
	} else {
		param_null(p);
		param_null(p);
	}
	param_real(p, a->threshold);
	param_real(p, a->threshold_ln);
	param_text(p, a->scorer);
	param_int(p, a->verdict);
	param_text(p, a->reason);
	param_known(p, a->cost_picousd, MONEY_UNKNOWN);
	param_known(p, a->cached_picousd, MONEY_UNKNOWN);
	param_known(p, a->prompt_tokens, -1);
	param_known(p, a->completion_tokens, -1);
	param_int(p, a->latency_ms);
	param_int(p, a->requests);
	param_int(p, a->retries);
	param_text(p, rows);
	param_int(p, a->chosen);
	param_int(p, a->fallbacks);
	param_int(p, a->booked_picousd);
}

/* Where the task ended: at the last visit of the tier that answered it, else
 * with its last attempt. So the attempts that ended a task sum up to tasks. */
static size_t
last_attempt(const struct ledger_task *t)
{
	for (size_t i = t->n_attempts; i-- > 0;)
		if (t->attempts[i].tier == t->tier)
			return i;
	return t->n_attempts - 1;
}

static int
put_attempts(struct store *s, const struct ledger_task *t, int64_t number,
    struct err *e)
{
	struct params p;
	struct buf rows;
	int rc = 0;

	buf_init(&rows, BUF_MAX);
	for (size_t i = 0; rc == 0 && i < t->n_attempts; i++) {
		buf_clear(&rows);
		rows_encode(&rows, t->attempts[i].rows, t->attempts[i].n_rows);
		rc = rows.failed ? err_nomem(e) : store_stmt(s,
		    STMT_ATTEMPT_PUT, "INSERT INTO attempts (task, seq, ended,"
		    " " ATTEMPT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
		    " ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
		    " ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)", &p, e);
		if (rc < 0)
			break;
		param_int(&p, number);
		param_int(&p, (int64_t)i);
		param_int(&p, i == last_attempt(t));
		param_attempt(&p, &t->attempts[i], buf_str(&rows));
		rc = store_run(s, &p, "write to", e);
	}
	buf_release(&rows);
	return rc;
}

int
ledger_put(struct store *s, const struct ledger_task *t, struct err *e)
{
	int64_t number;

	if (store_must_write(s, e) < 0)
		return -1;
	if (put_task(s, t, &number, e) == 0 &&
	    put_attempts(s, t, number, e) == 0)
		return 0;
	/* There may be a task without its attempts: never commit that. */
	s->spoiled = true;
	return -1;
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
	t->status = status >= TASK_ACCEPTED && status <= TASK_BUDGET ?
	    (enum task_status)status : TASK_FAILED;
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
	t->booked_picousd = column_int(col);
	return col->failed ? err_nomem(e) : 0;
}

static int
rows_decode(struct store *s, struct str text, struct arena *a,
    struct ledger_attempt *out, struct err *e)
{
	struct json *doc = json_parse(text, e);
	const struct json *v;
	int64_t *rows;
	int rc = -1;

	if (!doc) /* e->code tells lack of memory from bad JSON */
		return e && e->code == ERR_NOMEM ? -1 :
		    store_fail(s, SQLITE_CORRUPT, "read", e);
	rows = arena_array(a, json_count(doc), sizeof(*rows));
	if (!rows) {
		err_nomem(e);
		goto out;
	}
	for (v = json_first(doc); v; v = json_next(v)) {
		if (!json_i64(v, &rows[out->n_rows])) {
			store_fail(s, SQLITE_CORRUPT, "read", e);
			goto out;
		}
		out->n_rows++;
	}
	out->rows = rows;
	rc = 0;
out:
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
	t->verdict = verdict >= ATTEMPT_ACCEPT &&
	    verdict < ATTEMPT_VERDICTS ?
	    (enum attempt_verdict)verdict : ATTEMPT_FAILED;
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
	t->fallbacks = (int)column_int(col);
	t->booked_picousd = column_int(col);
	if (col->failed)
		return err_nomem(e);
	return rows_decode(s, rows, col->arena, t, e);
}

static int
find_attempts(struct store *s, struct arena *a, struct ledger_task *t,
    struct err *e)
{
	struct ledger_attempt *v = NULL;
	struct params p = { 0 };
	struct columns col;
	int64_t n;
	int rc = -1;

	if (store_prepare(s, "SELECT (SELECT count(*) FROM attempts"
	    " WHERE task = ?1), " ATTEMPT_COLUMNS " FROM attempts"
	    " WHERE task = ?1 ORDER BY seq", &p, e) < 0)
		goto out;
	param_int(&p, t->number);
	while ((rc = store_step(s, &p, "read", e)) == 1) {
		col = (struct columns){ .stmt = p.stmt, .arena = a };
		n = column_int(&col);
		if (!v)
			v = arena_array(a, (size_t)n, sizeof(*v));
		if (!v) {
			rc = err_nomem(e);
			goto out;
		}
		rc = read_attempt(s, &col, &v[t->n_attempts], e);
		if (rc < 0)
			goto out;
		t->n_attempts++;
	}
	t->attempts = v;
out:
	sqlite3_finalize(p.stmt);
	return rc;
}

int
ledger_find(struct store *s, struct str id, int64_t number, struct arena *a,
    struct ledger_task *out, struct err *e)
{
	struct ledger_task t = { 0 };
	struct params p = { 0 };
	struct columns col;
	int rc = -1;

	if (store_prepare(s, number > 0 ?
	    "SELECT " TASK_COLUMNS " FROM tasks WHERE number = ?1" :
	    "SELECT " TASK_COLUMNS " FROM tasks WHERE id = ?1"
	    " ORDER BY number DESC LIMIT 1", &p, e) < 0)
		goto out;
	if (number > 0)
		param_int(&p, number);
	else
		param_text(&p, id);
	rc = store_step(s, &p, "read", e);
	if (rc < 1)
		goto out;
	col = (struct columns){ .stmt = p.stmt, .arena = a };
	if (read_task(&col, &t, e) < 0 || find_attempts(s, a, &t, e) < 0) {
		rc = -1;
		goto out;
	}
	*out = t;
out:
	sqlite3_finalize(p.stmt);
	return rc;
}

int
ledger_recent(struct store *s, int limit, struct arena *a,
    struct ledger_task **out, size_t *n, struct err *e)
{
	struct ledger_task *v;
	struct params p = { 0 };
	struct columns col;
	int64_t room; /* no more than the highest number */
	size_t count = 0;
	int rc = -1;

	if (store_int(s, "SELECT max(number) FROM tasks", &room, e) < 0)
		return -1;
	if (room > limit)
		room = limit;
	if (room < 0)
		room = 0;
	v = arena_array(a, (size_t)room, sizeof(*v));
	if (!v)
		return err_nomem(e);
	if (store_prepare(s, "SELECT " TASK_COLUMNS " FROM tasks"
	    " ORDER BY number DESC LIMIT ?1", &p, e) < 0)
		goto out;
	param_int(&p, room);
	while ((rc = store_step(s, &p, "read", e)) == 1) {
		col = (struct columns){ .stmt = p.stmt, .arena = a };
		if (read_task(&col, &v[count++], e) < 0) {
			rc = -1;
			break;
		}
	}
	if (rc == 0) {
		*out = v;
		*n = count;
	}
out:
	sqlite3_finalize(p.stmt);
	return rc;
}
