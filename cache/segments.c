/*
 * segments.c -- what a transaction has to say, as one row; and reading it back.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cache/segments.h"

/* --- numbers ----------------------------------------------------------------- */

/* That no completion has such an id is looked at too: a segment may have been lost
 * with a damaged page, and what is kept would take a paid answer's place. */
static int
read_numbers(struct store *s, struct err *e)
{
	struct params p;
	int64_t last = 0;
	int rc;

	if (store_stmt(s, STMT_LAST_COMPLETION, "SELECT max(id) FROM"
	    " completions", &p, e) < 0)
		return -1;
	rc = store_step(s, &p, "read", e);
	if (rc > 0)
		last = sqlite3_column_int64(p.stmt, 0); /* 0 for NULL */
	store_reset(&p);
	if (rc < 0 || store_stmt(s, STMT_NUMBERS, "SELECT id + 1,"
	    " first + tasks, next_completion FROM segments"
	    " ORDER BY id DESC LIMIT 1", &p, e) < 0)
		return -1;
	rc = store_step(s, &p, "read", e);
	if (rc >= 0) {
		s->next_segment = rc ? sqlite3_column_int64(p.stmt, 0) : 1;
		s->next_task = rc ? sqlite3_column_int64(p.stmt, 1) : 1;
		s->next_completion = rc ? sqlite3_column_int64(p.stmt, 2) : 1;
	}
	store_reset(&p);
	if (rc < 0)
		return -1;
	if (last == INT64_MAX || !store_is_number(last + 1)
	    || !store_is_number(s->next_segment)
	    || !store_is_number(s->next_task)
	    || !store_is_number(s->next_completion))
		return store_fail(s, SQLITE_CORRUPT, "read", e);
	if (s->next_completion <= last)
		s->next_completion = last + 1;
	return 0;
}

/* The last row knows what comes next. It is asked again only when another
 * process has written meanwhile. */
static int
know_numbers(struct store *s, struct err *e)
{
	int64_t version;

	if (store_must_write(s, e) < 0)
		return -1;
	if (s->numbers_of == s->txn)
		return 0;
	if (store_version(s, &version, e) < 0)
		return -1;
	if (s->next_segment && version == s->numbers_version) {
		s->numbers_of = s->txn;
		return 0;
	}
	if (read_numbers(s, e) < 0 || summaries_last(s, &s->summed_upto,
	    &s->summed_task, e) < 0)
		return -1;
	s->numbers_version = version;
	s->numbers_of = s->txn;
	return 0;
}

static void
begin_pending(struct store *s)
{
	if (!s->pending.any)
		s->pending.at_utc_ms = clock_utc_ms();
	s->pending.any = true;
}

/* What is appended to begins with room for its seal. */
static int
open_entries(struct store *s, struct buf *b, struct err *e)
{
	static const char room[SEAL_BYTES];

	begin_pending(s);
	if (b->n == 0)
		buf_add(b, (struct str){ room, sizeof(room) });
	return b->failed ? err_nomem(e) : 0;
}

int
segments_new_completion(struct store *s, int64_t *id, struct err *e)
{
	if (know_numbers(s, e) < 0)
		return -1;
	*id = s->next_completion++;
	begin_pending(s);
	return 0;
}

int
segments_set_next(struct store *s, int64_t task, int64_t completion,
    struct err *e)
{
	if (segments_flush(s, e) < 0 || know_numbers(s, e) < 0)
		return -1;
	if (task > s->next_task)
		s->next_task = task;
	if (completion > s->next_completion)
		s->next_completion = completion;
	begin_pending(s);
	return 0;
}

/* --- writing ----------------------------------------------------------------- */

/* This process; asks.c locks its number. */
static int
put_run(struct store *s, struct str run, struct str source, struct err *e)
{
	struct params p = { 0 };
	int rc = store_prepare(s, "INSERT INTO runs (word, source, pid,"
	    " started_utc_ms) VALUES (?1, ?2, ?3, ?4)", &p, e);

	if (rc == 0) {
		param_text(&p, run);
		param_text(&p, source);
		param_int(&p, getpid());
		param_int(&p, clock_utc_ms());
		rc = store_step(s, &p, "write to", e);
	}
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : 0;
}

int
store_run_id(struct store *s, struct str run, struct str source, int64_t *id,
    struct err *e)
{
	if (s->run_id && str_eq(buf_str(&s->run_word), run)
	    && str_eq(buf_str(&s->run_source), source)) {
		*id = s->run_id;
		return 0;
	}
	/* What another run had to say is a segment of its own. */
	if (segments_flush(s, e) < 0 || put_run(s, run, source, e) < 0)
		return -1;
	buf_clear(&s->run_word);
	buf_clear(&s->run_source);
	buf_add(&s->run_word, run);
	buf_add(&s->run_source, source);
	s->run_id = s->run_word.failed || s->run_source.failed ? 0
	    : sqlite3_last_insert_rowid(s->db);
	s->run_of = s->txn;
	if (!s->run_id)
		return err_nomem(e);
	/* The number of a request begins with it: see asks_put(). */
	if (s->run_id < 0 || s->run_id > INT32_MAX) {
		s->run_id = 0;
		return store_fail(s, SQLITE_CORRUPT, "write to", e);
	}
	*id = s->run_id;
	return 0;
}

int
store_runs(struct store *s, struct str run, int64_t **out, size_t *n,
    struct err *e)
{
	struct params p = { 0 };
	int64_t *v = NULL, *more;
	size_t count = 0;
	int rc;

	*out = NULL;
	*n = 0;
	if (run.n == 0)
		return 0;
	rc = store_prepare(s, "SELECT id FROM runs WHERE word = ?1", &p, e);
	if (rc == 0)
		param_text(&p, run);
	while (rc >= 0 && (rc = store_step(s, &p, "read", e)) == 1) {
		more = reallocarray(v, count + 1, sizeof(*v));
		if (!more) {
			rc = err_nomem(e);
			break;
		}
		v = more;
		v[count++] = sqlite3_column_int64(p.stmt, 0);
	}
	sqlite3_finalize(p.stmt);
	/* None is not all. */
	if (rc == 0 && !v && !(v = calloc(1, sizeof(*v))))
		rc = err_nomem(e);
	if (rc < 0) {
		free(v);
		return -1;
	}
	*out = v;
	*n = count;
	return 0;
}

int
store_run_words(struct store *s, int64_t id, struct arena *a, struct str *run,
    struct str *source, struct err *e)
{
	struct params p = { 0 };
	int rc = store_prepare(s, "SELECT word, source FROM runs"
	    " WHERE id = ?1", &p, e);

	*run = *source = STR("");
	if (rc == 0) {
		param_int(&p, id);
		rc = store_step(s, &p, "read", e);
	}
	if (rc == 1) {
		struct columns c = { .stmt = p.stmt, .arena = a };
		*run = column_text(&c);
		*source = column_text(&c);
		rc = c.failed ? err_nomem(e) : 0;
	}
	sqlite3_finalize(p.stmt);
	return rc;
}

int
segments_tasks(struct store *s, struct str run, struct str source,
    struct buf **tasks, int64_t *at_utc_ms, struct err *e)
{
	int64_t id;

	if (store_must_write(s, e) < 0
	    || store_run_id(s, run, source, &id, e) < 0)
		return -1;
	if (open_entries(s, &s->pending.tasks, e) < 0)
		return -1;
	s->pending.run = id;
	*tasks = &s->pending.tasks;
	*at_utc_ms = s->pending.at_utc_ms;
	return 0;
}

int
segments_count_task(struct store *s, const struct ledger_task *t,
    struct err *e)
{
	s->pending.n_tasks++;
	if (s->numbers_of != s->txn && know_numbers(s, e) < 0)
		return -1;
	return summaries_note_task(s, t, e);
}

int
segments_count_end(struct store *s, const struct entry_end *end,
    struct err *e)
{
	return know_numbers(s, e) < 0 ? -1 : summaries_note_end(s, end, e);
}

int
segments_asks(struct store *s, struct buf **asks, struct err *e)
{
	if (store_must_write(s, e) < 0)
		return -1;
	if (open_entries(s, &s->pending.asks, e) < 0)
		return -1;
	*asks = &s->pending.asks;
	return 0;
}

void
segments_forget(struct store *s)
{
	buf_clear(&s->pending.asks);
	buf_clear(&s->pending.tasks);
	s->pending.n_tasks = 0;
	s->pending.run = 0;
	s->pending.any = false;
}

static int
put_segment(struct store *s, struct err *e)
{
	struct pending *n = &s->pending;
	struct params p;

	if (store_stmt(s, STMT_SEGMENT_PUT, "INSERT INTO segments (id, first,"
	    " run, at_utc_ms, tasks, next_completion, asks, entries)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", &p, e) < 0)
		return -1;
	param_int(&p, s->next_segment);
	param_int(&p, s->next_task);
	param_int(&p, n->run ? n->run : s->run_id);
	param_int(&p, n->at_utc_ms);
	param_int(&p, n->n_tasks);
	param_int(&p, s->next_completion);
	param_blob(&p, entry_seal(&n->asks));
	param_blob(&p, entry_seal(&n->tasks));
	if (store_run(s, &p, "write to", e) < 0)
		return -1;
	s->next_segment++;
	s->next_task += n->n_tasks;
	return 0;
}

int
segments_flush(struct store *s, struct err *e)
{
	if (!s->pending.any)
		return 0;
	if (know_numbers(s, e) < 0 || put_segment(s, e) < 0)
		return -1;
	segments_forget(s);
	return summaries_add(s, false, e);
}

int
segments_clear(struct store *s, struct err *e)
{
	/* The numbers go on in a segment of nothing, and what is under way in
	 * its summary. */
	begin_pending(s);
	if (segments_flush(s, e) < 0 || store_exec(s, "DELETE FROM segments"
	    " WHERE id < (SELECT max(id) FROM segments)", "write to", e) < 0
	    || store_exec(s, "DELETE FROM summaries", "write to", e) < 0)
		return -1;
	summaries_forget(s);
	s->summed_upto = s->summed_task = 0;
	return summaries_add(s, true, e);
}

/* --- reading ----------------------------------------------------------------- */

#define COLUMNS "id, first, run, at_utc_ms, tasks, asks"
#define RANGE " FROM segments WHERE id > ?1 AND id <= ?2" \
	" AND NOT (run = ?3 AND id >= ?4) ORDER BY id "

static const char *
sql_of(const struct segment_range *r)
{
	if (r->asks_alone)
		return r->newest_first ? "SELECT " COLUMNS ", ''" RANGE "DESC"
		    : "SELECT " COLUMNS ", ''" RANGE;
	return r->newest_first ? "SELECT " COLUMNS ", entries" RANGE "DESC"
	    : "SELECT " COLUMNS ", entries" RANGE;
}

static bool
has_numbers(const struct segment *g)
{
	return store_is_number(g->id) && store_is_number(g->first)
	    && store_is_number(g->tasks);
}

int
segments_each(struct store *s, const struct segment_range *r,
    int (*each)(void *cookie, const struct segment *g, struct err *e),
    void *cookie, struct err *e)
{
	struct params p = { 0 };
	int rc = store_prepare(s, sql_of(r), &p, e);

	if (rc == 0) {
		param_int(&p, r->after);
		param_int(&p, r->upto ? r->upto : INT64_MAX);
		param_int(&p, r->but_run ? r->but_run : -1);
		param_int(&p, r->but_from);
	}
	while (rc >= 0 && (rc = store_step(s, &p, "read", e)) == 1) {
		struct columns c = { .stmt = p.stmt };
		struct segment g = { .id = column_int(&c) };

		g.first = column_int(&c);
		g.run = column_int(&c);
		g.at_utc_ms = column_int(&c);
		g.tasks = column_int(&c);
		g.asks = column_blob(&c);
		g.entries = column_blob(&c);
		rc = c.failed ? err_nomem(e) : !has_numbers(&g)
		    || !entry_unseal(&g.asks) || !entry_unseal(&g.entries) ? store_fail(s,
		    SQLITE_CORRUPT, "read", e) : each(cookie, &g, e);
		if (rc == 0)
			break;
	}
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : 0;
}

/* The first segment from `id` on. 1, 0: none, -1. */
static int
look_at(struct store *s, struct params *p, int64_t id, struct segment *out,
    struct err *e)
{
	struct columns c = { .stmt = p->stmt };
	int rc;

	p->n = 0;
	param_int(p, id);
	rc = store_step(s, p, "read", e);
	if (rc == 1) {
		out->id = column_int(&c);
		out->first = column_int(&c);
		out->tasks = column_int(&c);
		if (!has_numbers(out))
			rc = store_fail(s, SQLITE_CORRUPT, "read", e);
	}
	sqlite3_reset(p->stmt);
	return rc;
}

/* Numbers rise with ids: the last segment that begins at the number or below. */
int
segments_of_number(struct store *s, int64_t number, struct segment_range *r,
    struct err *e)
{
	struct params p = { 0 };
	struct segment g = { 0 }, found = { 0 };
	int64_t from = 1, to;
	int rc;

	if (store_int(s, "SELECT max(id) FROM segments", &to, e) < 0)
		return -1;
	rc = store_prepare(s, "SELECT id, first, tasks FROM segments"
	    " WHERE id >= ?1 ORDER BY id LIMIT 1", &p, e);
	while (rc >= 0 && from <= to) {
		int64_t middle = from + (to - from) / 2;

		rc = look_at(s, &p, middle, &g, e);
		if (rc == 1 && g.first <= number) {
			found = g;
			from = g.id + 1;
		} else {
			to = middle - 1;
		}
	}
	sqlite3_finalize(p.stmt);
	if (rc < 0)
		return -1;
	r->upto = found.id;
	r->after = found.id - 1;
	return found.id > 0 && number < found.first + found.tasks;
}
