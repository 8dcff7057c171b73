/*
 * gather.c -- tasks and counts under a filter.
 */
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "cache/gather.h"

#define MANY_TASKS 4096 /* are counted before cells are handed on */

struct gather {
	struct store *s;
	const struct ledger_filter *f;
	int64_t since, until;
	int64_t *runs;         /* these alone; NULL: all */
	size_t n_runs;
	struct arena *arena;   /* of one task */
	struct buf tag;        /* its tag's value */
	int64_t upto;          /* what summaries are of */

	/* tasks */
	int (*task)(void *cookie, const struct ledger_task *t, struct err *e);
	void *cookie;

	/* cells */
	enum tally_kind kind;
	bool by_tag;
	struct tally *tally;
	int64_t counted;       /* tasks in it */
	int (*cell)(void *cookie, const struct tally_cell *c, struct err *e);
};

static int
damaged(const struct gather *g, struct err *e)
{
	return store_fail(g->s, SQLITE_CORRUPT, "read", e);
}

/* Has the task the tag that is meant? Its value is in g->tag. -1: no memory. */
static int
has_tag(struct gather *g, struct str tags, struct err *e)
{
	const struct ledger_filter *f = g->f;
	const struct json *v;
	struct json *doc;
	struct str value;
	int found = 0;

	buf_clear(&g->tag);
	if (tags.n == 0)
		return 0;
	doc = json_parse(tags, e);
	if (!doc)
		return e->code == ERR_NOMEM ? -1 : 0;
	for (v = json_first(doc); v; v = json_next(v)) {
		if (!str_eq(json_name(v), f->tag_key))
			continue;
		buf_clear(&g->tag);
		if (json_str(v, &value))
			buf_add(&g->tag, value);
		else
			json_print(&g->tag, v, true);
		found = f->tag_value.n == 0
		    || str_eq(buf_str(&g->tag), f->tag_value);
	}
	json_free(doc);
	return g->tag.failed ? err_nomem(e) : found;
}

static int
is_meant(struct gather *g, const struct ledger_task *t, struct err *e)
{
	const struct ledger_filter *f = g->f;

	if (t->finished_utc_ms < g->since || t->finished_utc_ms >= g->until
	    || (f->cascade.n && !str_eq(t->cascade, f->cascade)))
		return 0;
	return f->tag_key.n ? has_tag(g, t->tags, e) : 1;
}

/* --- names ------------------------------------------------------------------- */

/* Zones are whole quarters of an hour from UTC. */
static void
add_day(struct buf *b, int64_t quarter)
{
	time_t t = (time_t)(quarter * (TALLY_QUARTER_MS / 1000));
	char day[32];
	struct tm tm;

	if (localtime_r(&t, &tm)
	    && strftime(day, sizeof(day), "%Y-%m-%d", &tm) > 0)
		buf_adds(b, day);
}

void
gather_name(struct buf *b, enum ledger_group by, const struct tally_cell *c)
{
	switch (by) {
	case LEDGER_BY_TIER:
		buf_addf(b, "%.*s %d %.*s", STR_ARG(c->key.cascade), c->key.tier,
		    STR_ARG(c->key.model));
		break;
	case LEDGER_BY_CASCADE:
		buf_add(b, c->key.cascade);
		break;
	case LEDGER_BY_MODEL:
		buf_add(b, c->key.model);
		break;
	case LEDGER_BY_TAG:
		buf_add(b, c->key.word);
		break;
	case LEDGER_BY_DAY:
		add_day(b, c->key.quarter);
		break;
	case LEDGER_TOTAL:
		buf_adds(b, "total");
		break;
	}
}

/* --- handing on -------------------------------------------------------------- */

/* What audits speak for is counted where tasks ended. */
static bool
is_of(const struct tally_cell *c, enum tally_kind kind)
{
	return c->key.kind == kind || (kind == TALLY_AUDIT
	    && c->key.kind == TALLY_CLIMB && c->n[TALLY_ANSWERED]);
}

/* What is left out here is left out of summaries as well. */
static int
hand_on_cells(struct gather *g, struct err *e)
{
	const struct ledger_filter *f = g->f;
	const struct tally_cell *c;
	size_t i = 0;
	int rc = 0;

	while (rc == 0 && (c = tally_each(g->tally, &i)))
		if (is_of(c, g->kind) && c->key.collected == f->collected
		    && (f->cascade.n == 0 || str_eq(c->key.cascade, f->cascade)))
			rc = g->cell(g->cookie, c, e);
	tally_clear(g->tally);
	g->counted = 0;
	return rc < 0 ? -1 : 0;
}

static int
take_task(struct gather *g, const struct ledger_task *t, struct err *e)
{
	struct tally_rules rules = { .model = g->f->model };

	if (g->task)
		return g->task(g->cookie, t, e);
	if (t->collected != g->f->collected)
		return 0;
	if (g->by_tag)
		rules.word = buf_str(&g->tag);
	if (!tally_add_task(g->tally, t, &rules))
		return err_nomem(e);
	return ++g->counted < MANY_TASKS ? 0 : hand_on_cells(g, e);
}

static bool
of_runs(const struct gather *g, int64_t run)
{
	for (size_t i = 0; i < g->n_runs; i++)
		if (g->runs[i] == run)
			return true;
	return !g->runs;
}

static int
take_segment(void *cookie, const struct segment *m, struct err *e)
{
	struct gather *g = cookie;
	struct unpack u = unpack_of(m->entries);
	struct ledger_task t;
	struct str entry;
	int rc;

	if (!of_runs(g, m->run))
		return 1;
	for (int64_t number = m->first; entry_next_task(&u, &entry); number++) {
		arena_clear(g->arena);
		rc = entry_get_task(entry, m->at_utc_ms, g->arena, &t);
		if (rc < 1)
			return rc < 0 ? err_nomem(e) : damaged(g, e);
		t.number = number;
		rc = is_meant(g, &t, e);
		if (rc == 1)
			rc = take_task(g, &t, e);
		if (rc < 0)
			return -1;
	}
	return u.bad ? damaged(g, e) : 1;
}

/* --- summaries --------------------------------------------------------------- */

static bool
must_read_entries(const struct gather *g, const struct summary *m)
{
	return g->task || g->by_tag || g->runs || g->f->model.n
	    || g->f->tag_key.n || m->from_utc_ms < g->since
	    || m->to_utc_ms >= g->until;
}

static int
take_summary(void *cookie, const struct summary *m, struct err *e)
{
	struct gather *g = cookie;
	struct segment_range r = { .after = m->after, .upto = m->upto };
	int rc;

	g->upto = m->upto;
	if (m->to_utc_ms < g->since || m->from_utc_ms >= g->until)
		return 1;
	if (must_read_entries(g, m))
		return segments_each(g->s, &r, take_segment, g, e) < 0 ? -1 : 1;
	rc = tally_decode(g->tally, m->tally);
	if (rc < 1)
		return rc < 0 ? err_nomem(e) : damaged(g, e);
	return hand_on_cells(g, e) < 0 ? -1 : 1;
}

static int
gather(struct gather *g, struct err *e)
{
	struct segment_range r = { 0 };
	bool mine;
	int rc = -1;

	g->since = since_or_open(g->f->since_utc_ms);
	g->until = until_or_open(g->f->until_utc_ms);
	buf_init(&g->tag, BUF_MAX);
	g->arena = arena_new(0);
	if (!g->arena)
		return err_nomem(e);
	if (store_look(g->s, &mine, e) == 0) {
		if (store_runs(g->s, g->f->run, &g->runs, &g->n_runs, e) == 0)
			rc = summaries_each(g->s, false, take_summary, g, e);
		r.after = g->upto;
		if (rc == 0)
			rc = segments_each(g->s, &r, take_segment, g, e);
		if (rc == 0 && g->tally)
			rc = hand_on_cells(g, e);
		if (store_looked(g->s, mine, rc < 0 ? NULL : e) < 0)
			rc = -1;
	}
	free(g->runs);
	arena_free(g->arena);
	buf_release(&g->tag);
	return rc;
}

int
gather_tasks(struct store *s, const struct ledger_filter *f,
    int (*each)(void *cookie, const struct ledger_task *t, struct err *e),
    void *cookie, struct err *e)
{
	struct gather g = { .s = s, .f = f, .task = each, .cookie = cookie };

	return gather(&g, e);
}

int
gather_cells(struct store *s, const struct ledger_filter *f,
    enum tally_kind kind, bool by_tag, int (*each)(void *cookie,
    const struct tally_cell *c, struct err *e), void *cookie, struct err *e)
{
	struct gather g = { .s = s, .f = f, .kind = kind, .by_tag = by_tag,
	    .cell = each, .cookie = cookie, .tally = tally_new() };
	int rc = g.tally ? gather(&g, e) : err_nomem(e);

	tally_free(g.tally);
	return rc;
}
