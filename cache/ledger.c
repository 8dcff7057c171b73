/*
 * ledger.c -- writing down what happened to a task, and reading it back.
 */
#include <stdlib.h>

#include "base/map.h"
#include "cache/gather.h"
#include "cache/segments.h"

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
	case ATTEMPT_COLLECTED:
		return "collected";
	}
	return "failed";
}

const char *
audit_outcome_name(enum audit_outcome o)
{
	switch (o) {
	case AUDIT_NO_ANSWER:
		return "no_answer";
	case AUDIT_AGREES:
		return "agrees";
	case AUDIT_DIFFERS:
		return "differs";
	}
	return "no_answer";
}

int
ledger_put(struct store *s, const struct ledger_task *t, struct err *e)
{
	struct buf *tasks;
	int64_t at_utc_ms;

	if (segments_tasks(s, t->run, t->source, &tasks, &at_utc_ms, e) < 0)
		return -1;
	if (!entry_put_task(tasks, t, at_utc_ms))
		return err_nomem(e);
	segments_count_task(s);
	return 0;
}

/* --- one task ---------------------------------------------------------------- */

struct finding {
	struct store *s;
	struct arena *arena;
	struct str id;
	int64_t number;    /* sought; 0: the last with the id */
	struct str entry;  /* found, in arena memory */
	int64_t found;     /* its number; 0: not yet */
	int64_t at_utc_ms, run;
	int64_t upto;      /* summaries go so far */
};

/* What is damaged, if an entry could not be read. */
static int
damaged(struct store *s, struct err *e)
{
	return store_fail(s, SQLITE_CORRUPT, "read", e);
}

static int
find_in(void *cookie, const struct segment *g, struct err *e)
{
	struct finding *f = cookie;
	struct unpack u = unpack_of(g->entries);
	struct str entry, best = STR("");
	int64_t number = g->first;

	for (; entry_next_task(&u, &entry); number++) {
		if (f->number ? number != f->number
		    : !str_eq(entry_task_id(entry), f->id))
			continue;
		best = entry;
		f->found = number;
	}
	if (u.bad)
		return damaged(f->s, e);
	if (!f->found)
		return 1;
	if (!arena_str(f->arena, best, &f->entry))
		return err_nomem(e);
	f->at_utc_ms = g->at_utc_ms;
	f->run = g->run;
	return 0;
}

static int
find_in_summary(void *cookie, const struct summary *m, struct err *e)
{
	struct finding *f = cookie;
	struct segment_range r = { .after = m->after, .upto = m->upto,
	    .newest_first = true };

	if (!summary_may_have(m, f->id))
		return 1;
	if (segments_each(f->s, &r, find_in, f, e) < 0)
		return -1;
	return f->found ? 0 : 1;
}

static int
find_by_id(struct finding *f, struct err *e)
{
	struct segment_range r = { .newest_first = true };
	int64_t task;

	if (summaries_last(f->s, &r.after, &task, e) < 0
	    || segments_each(f->s, &r, find_in, f, e) < 0)
		return -1;
	return f->found ? 0
	    : summaries_each(f->s, true, find_in_summary, f, e);
}

static int
find_by_number(struct finding *f, struct err *e)
{
	struct segment_range r = { 0 };
	int rc = segments_of_number(f->s, f->number, &r, e);

	return rc < 1 ? rc : segments_each(f->s, &r, find_in, f, e);
}

/* The entry, which is in arena memory, and what its run says. */
static int
read_found(struct store *s, struct str entry, int64_t number,
    int64_t at_utc_ms, int64_t run, struct arena *a, struct ledger_task *out,
    struct err *e)
{
	struct ledger_task t;
	int rc = entry_get_task(entry, at_utc_ms, a, &t);

	if (rc < 1)
		return rc < 0 ? err_nomem(e) : damaged(s, e);
	t.number = number;
	if (store_run_words(s, run, a, &t.run, &t.source, e) < 0)
		return -1;
	*out = t;
	return 0;
}

int
ledger_find(struct store *s, struct str id, int64_t number, struct arena *a,
    struct ledger_task *out, struct err *e)
{
	struct finding f = { .s = s, .arena = a, .id = id,
	    .number = number > 0 ? number : 0 };
	bool mine;
	int rc;

	if (store_look(s, &mine, e) < 0)
		return -1;
	rc = f.number ? find_by_number(&f, e) : find_by_id(&f, e);
	if (rc == 0 && f.found)
		rc = read_found(s, f.entry, f.found, f.at_utc_ms, f.run, a,
		    out, e) < 0 ? -1 : 1;
	if (store_looked(s, mine, rc < 0 ? NULL : e) < 0)
		rc = -1;
	return rc;
}

/* --- the newest -------------------------------------------------------------- */

struct recent {
	struct store *s;
	struct arena *arena;
	struct ledger_task *v;
	size_t n, most;
};

static int
take_recent(void *cookie, const struct segment *g, struct err *e)
{
	struct recent *r = cookie;
	struct unpack u = unpack_of(g->entries);
	struct str *entries, copy;
	size_t n = 0, room = g->tasks > 0 ? (size_t)g->tasks : 0;

	if (room > g->entries.n)
		return damaged(r->s, e);
	entries = arena_array(r->arena, room, sizeof(*entries));
	if (!entries)
		return err_nomem(e);
	while (n < room && entry_next_task(&u, &entries[n]))
		n++;
	if (u.bad)
		return damaged(r->s, e);
	while (n > 0 && r->n < r->most) {
		n--;
		if (!arena_str(r->arena, entries[n], &copy))
			return err_nomem(e);
		if (read_found(r->s, copy, g->first + (int64_t)n, g->at_utc_ms,
		    g->run, r->arena, &r->v[r->n], e) < 0)
			return -1;
		r->n++;
	}
	return r->n < r->most;
}

int
ledger_recent(struct store *s, int limit, struct arena *a,
    struct ledger_task **out, size_t *n, struct err *e)
{
	struct segment_range range = { .newest_first = true };
	struct recent r = { .s = s, .arena = a };
	int64_t room; /* no more than there are */
	bool mine;
	int rc = 0;

	if (store_look(s, &mine, e) < 0)
		return -1;
	if (store_int(s, "SELECT first + tasks FROM segments ORDER BY id DESC"
	    " LIMIT 1", &room, e) < 0)
		rc = -1;
	else if (room > limit)
		room = limit;
	if (rc == 0) {
		r.most = room > 0 ? (size_t)room : 0;
		r.v = arena_array(a, r.most, sizeof(*r.v));
		rc = !r.v ? err_nomem(e) : r.most == 0 ? 0
		    : segments_each(s, &range, take_recent, &r, e);
	}
	if (store_looked(s, mine, rc < 0 ? NULL : e) < 0)
		rc = -1;
	if (rc == 0) {
		*out = r.v;
		*n = r.n;
	}
	return rc;
}

/* --- the latest of each ------------------------------------------------------ */

struct latest {
	struct store *s;
	struct arena *arena; /* what the map has */
	struct map *by_id;
};

static int
take_latest(void *cookie, const struct ledger_task *t, struct err *e)
{
	struct latest *l = cookie;
	int64_t *number = map_get(l->by_id, t->id);

	if (!number) {
		number = arena_alloc(l->arena, sizeof(*number));
		if (!number || !map_put(l->by_id, t->id, number))
			return err_nomem(e);
	}
	*number = t->number;
	return 0;
}

static int
cmp_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int
each_latest(struct latest *l, int (*each)(void *cookie, int64_t number,
    struct err *e), void *cookie, struct err *e)
{
	int64_t *v = arena_array(l->arena, map_count(l->by_id), sizeof(*v));
	struct str key;
	void *number;
	size_t i = 0, n = 0;

	if (!v)
		return err_nomem(e);
	while (map_each(l->by_id, &i, &key, &number))
		v[n++] = *(const int64_t *)number;
	if (n > 1)
		qsort(v, n, sizeof(*v), cmp_number);
	for (i = 0; i < n; i++)
		if (each(cookie, v[i], e) < 0)
			return -1;
	return 0;
}

int
ledger_latest(struct store *s, const struct ledger_filter *f,
    int (*each)(void *cookie, int64_t number, struct err *e), void *cookie,
    struct err *e)
{
	struct latest l = { .s = s, .arena = arena_new(0), .by_id = map_new() };
	int rc = -1;

	if (!l.arena || !l.by_id)
		err_nomem(e);
	else if (gather_tasks(s, f, take_latest, &l, e) == 0)
		rc = each_latest(&l, each, cookie, e);
	map_free(l.by_id);
	arena_free(l.arena);
	return rc;
}
