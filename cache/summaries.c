/*
 * summaries.c -- segments of the ledger, summed up.
 */
#include <stdlib.h>

#include "base/rand.h"
#include "cache/segments.h"

/* --- writing ----------------------------------------------------------------- */

struct summing {
	struct store *s;
	struct arena *arena; /* of one task */
	struct tally *tally;
	struct buf ids;
	int64_t from_utc_ms, to_utc_ms;
	int64_t run, first;  /* of what this process has counted itself */
};

static uint32_t
hash_of(struct str id)
{
	return (uint32_t)hash64(id, 0);
}

static struct summing *
summing_new(struct store *s)
{
	struct summing *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->s = s;
	m->from_utc_ms = INT64_MAX;
	m->to_utc_ms = INT64_MIN;
	m->run = s->run_id;
	m->first = s->next_segment;
	buf_init(&m->ids, BUF_MAX);
	m->tally = tally_new();
	m->arena = arena_new(0);
	if (m->tally && m->arena)
		return m;
	tally_free(m->tally);
	arena_free(m->arena);
	free(m);
	return NULL;
}

static void
summing_free(struct summing *m)
{
	if (!m)
		return;
	tally_free(m->tally);
	arena_free(m->arena);
	buf_release(&m->ids);
	free(m);
}

void
summaries_forget(struct store *s)
{
	summing_free(s->own);
	s->own = NULL;
}

static void
widen(struct summing *m, int64_t utc_ms)
{
	if (utc_ms < m->from_utc_ms)
		m->from_utc_ms = utc_ms;
	if (utc_ms > m->to_utc_ms)
		m->to_utc_ms = utc_ms;
}

/* --- counting ---------------------------------------------------------------- */

static int
count_task(struct summing *m, const struct ledger_task *t, struct err *e)
{
	static const struct tally_rules all;
	uint32_t hash = htole32(hash_of(t->id));

	buf_add(&m->ids, (struct str){ (const char *)&hash, sizeof(hash) });
	if (m->ids.failed || !tally_add_task(m->tally, t, &all))
		return err_nomem(e);
	widen(m, t->finished_utc_ms);
	return 0;
}

/* What was counted is of other segments than those that are to come. */
static struct summing *
own_of(struct store *s)
{
	if (s->own && (s->own->run != s->run_id
	    || s->own->first <= s->summed_upto))
		summaries_forget(s);
	if (!s->own)
		s->own = summing_new(s);
	return s->own;
}

int
summaries_note_task(struct store *s, const struct ledger_task *t,
    struct err *e)
{
	struct summing *m = own_of(s);
	struct ledger_task numbered;

	if (!m)
		return err_nomem(e);
	if (!t->audit)
		return count_task(m, t, e);
	/* As it will be: an audit may be known by it. */
	numbered = *t;
	numbered.number = s->next_task + s->pending.n_tasks - 1;
	return count_task(m, &numbered, e);
}

int
summaries_note_end(struct store *s, const struct entry_end *end,
    struct err *e)
{
	struct summing *m = own_of(s);

	if (!m || !tally_add_end(m->tally, end))
		return err_nomem(e);
	widen(m, end->ask.asked_utc_ms);
	return 0;
}

/* --- what is read ------------------------------------------------------------ */

static int
sum_asks(struct summing *m, const struct segment *g, struct err *e)
{
	struct unpack u = unpack_of(g->asks);
	struct entry_end end;
	bool ended;

	while (entry_next_ask(&u, &ended, &end)) {
		if (ended && !tally_add_end(m->tally, &end))
			return err_nomem(e);
		widen(m, end.ask.asked_utc_ms);
	}
	return u.bad ? store_fail(m->s, SQLITE_CORRUPT, "read", e) : 0;
}

static int
sum_segment(void *cookie, const struct segment *g, struct err *e)
{
	struct summing *m = cookie;
	struct unpack u = unpack_of(g->entries);
	int64_t number = g->first;
	struct ledger_task t;
	struct str entry;

	while (entry_next_task(&u, &entry)) {
		int rc;

		arena_clear(m->arena);
		rc = entry_get_task(entry, g->at_utc_ms, m->arena, &t);
		if (rc == 0)
			return store_fail(m->s, SQLITE_CORRUPT, "read", e);
		if (rc < 0)
			return err_nomem(e);
		t.number = number++;
		if (count_task(m, &t, e) < 0)
			return -1;
	}
	if (u.bad || number - g->first != g->tasks)
		return store_fail(m->s, SQLITE_CORRUPT, "read", e);
	return sum_asks(m, g, e) < 0 ? -1 : 1;
}

static int
put_summary(struct summing *m, struct err *e)
{
	struct store *s = m->s;
	int64_t upto = s->next_segment - 1;
	static const char room[SEAL_BYTES];
	struct buf tally, open;
	struct params p;
	int rc = -1;

	buf_init(&tally, BUF_MAX);
	buf_init(&open, BUF_MAX);
	buf_add(&tally, (struct str){ room, sizeof(room) });
	buf_add(&open, (struct str){ room, sizeof(room) });
	if (!tally_encode(m->tally, &tally))
		err_nomem(e);
	else if (asks_open_encode(s, &open, e) == 0)
		rc = store_stmt(s, STMT_SUMMARY_PUT, "INSERT INTO summaries"
		    " (upto, after, last_task, from_utc_ms, to_utc_ms,"
		    " tally, open, ids) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
		    " ?8)", &p, e);
	if (rc == 0) {
		param_int(&p, upto);
		param_int(&p, s->summed_upto);
		param_int(&p, s->next_task - 1);
		param_int(&p, m->from_utc_ms);
		param_int(&p, m->to_utc_ms);
		param_blob(&p, entry_seal(&tally));
		param_blob(&p, entry_seal(&open));
		param_blob(&p, buf_str(&m->ids));
		rc = store_run(s, &p, "write to", e);
	}
	buf_release(&tally);
	buf_release(&open);
	if (rc == 0) {
		s->summed_upto = upto;
		s->summed_task = s->next_task - 1;
	}
	return rc;
}

/* What it has not counted itself is read: that of others, and what was there
 * before. */
static int
add(struct store *s, struct err *e)
{
	struct segment_range r = { .after = s->summed_upto };
	struct summing *m = own_of(s);
	int rc = -1;

	if (!m)
		return err_nomem(e);
	r.but_run = m->run;
	r.but_from = m->first;
	if (segments_each(s, &r, sum_segment, m, e) == 0)
		rc = put_summary(m, e);
	summaries_forget(s);
	return rc;
}

int
summaries_add(struct store *s, bool all, struct err *e)
{
	int64_t tasks = s->next_task - 1 - s->summed_task;
	int64_t segments = s->next_segment - 1 - s->summed_upto;

	return all || tasks >= SUMMARY_TASKS || segments >= SUMMARY_TASKS
	    ? add(s, e) : 0;
}

/* --- reading ----------------------------------------------------------------- */

int
summaries_last(struct store *s, int64_t *upto, int64_t *task, struct err *e)
{
	struct params p;
	int rc;

	if (store_stmt(s, STMT_SUMMED, "SELECT upto, last_task FROM summaries"
	    " ORDER BY upto DESC LIMIT 1", &p, e) < 0)
		return -1;
	rc = store_step(s, &p, "read", e);
	if (rc >= 0) {
		*upto = rc ? sqlite3_column_int64(p.stmt, 0) : 0;
		*task = rc ? sqlite3_column_int64(p.stmt, 1) : 0;
	}
	store_reset(&p);
	if (rc >= 0 && (!store_is_number(*upto) || !store_is_number(*task)))
		return store_fail(s, SQLITE_CORRUPT, "read", e);
	return rc < 0 ? -1 : 0;
}

int
summaries_each(struct store *s, bool newest_first,
    int (*each)(void *cookie, const struct summary *m, struct err *e),
    void *cookie, struct err *e)
{
	struct params p = { 0 };
	int rc = store_prepare(s, newest_first ? "SELECT upto, after,"
	    " from_utc_ms, to_utc_ms, tally, open, ids FROM summaries"
	    " ORDER BY upto DESC" : "SELECT upto, after, from_utc_ms,"
	    " to_utc_ms, tally, open, ids FROM summaries ORDER BY upto", &p,
	    e);

	while (rc >= 0 && (rc = store_step(s, &p, "read", e)) == 1) {
		struct columns c = { .stmt = p.stmt };
		struct summary m;

		m.upto = column_int(&c);
		m.after = column_int(&c);
		m.from_utc_ms = column_int(&c);
		m.to_utc_ms = column_int(&c);
		m.tally = column_blob(&c);
		m.open = column_blob(&c);
		m.ids = column_blob(&c);
		rc = c.failed ? err_nomem(e) : !store_is_number(m.upto)
		    || !store_is_number(m.after) || !entry_unseal(&m.tally)
		    || !entry_unseal(&m.open) ? store_fail(s, SQLITE_CORRUPT,
		    "read", e) : each(cookie, &m, e);
		if (rc == 0)
			break;
	}
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : 0;
}

bool
summary_may_have(const struct summary *m, struct str id)
{
	uint32_t want = htole32(hash_of(id)), v;

	for (size_t i = 0; i + sizeof(v) <= m->ids.n; i += sizeof(v)) {
		memcpy(&v, m->ids.p + i, sizeof(v));
		if (v == want)
			return true;
	}
	return false;
}
