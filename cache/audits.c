/*
 * audits.c -- what audits found, summed up over the ledger.
 */
#include <stdlib.h>

#include "cache/gather.h"

struct group {
	struct ledger_audits sum;
	int64_t audits;
	uint64_t *once; /* as in struct tally_cell */
	size_t n_once, cap_once;
};

struct groups {
	enum ledger_group by;
	struct arena *arena;
	struct group *v;
	size_t n, cap;
	struct buf name;
};

/* What names a group; the rest of a cell is summed up. */
static struct ledger_audits
named(enum ledger_group by, const struct tally_cell *c, struct str name)
{
	struct ledger_audits g = { .group = name };

	if (by == LEDGER_BY_TIER || by == LEDGER_BY_CASCADE)
		g.cascade = c->key.cascade;
	if (by == LEDGER_BY_TIER) {
		g.tier = c->key.tier;
		g.model = c->key.model;
	}
	return g;
}

/* NULL: out of memory. Groups are few. */
static struct group *
group_of(struct groups *gs, const struct tally_cell *c)
{
	struct ledger_audits like;
	struct group *g;

	buf_clear(&gs->name);
	gather_name(&gs->name, gs->by, c);
	if (gs->name.failed)
		return NULL;
	like = named(gs->by, c, buf_str(&gs->name));
	for (g = gs->v; g && g < gs->v + gs->n; g++)
		if (g->sum.tier == like.tier
		    && str_eq(g->sum.group, like.group)
		    && str_eq(g->sum.cascade, like.cascade)
		    && str_eq(g->sum.model, like.model))
			return g;
	if (gs->n == gs->cap) {
		size_t cap = gs->cap ? 2 * gs->cap : 16;
		g = reallocarray(gs->v, cap, sizeof(*g));
		if (!g)
			return NULL;
		gs->v = g;
		gs->cap = cap;
	}
	g = &gs->v[gs->n];
	*g = (struct group){ .sum.tier = like.tier };
	if (!arena_str(gs->arena, like.group, &g->sum.group)
	    || !arena_str(gs->arena, like.cascade, &g->sum.cascade)
	    || !arena_str(gs->arena, like.model, &g->sum.model))
		return NULL;
	gs->n++;
	return g;
}

static int
add_cell(void *cookie, const struct tally_cell *c, struct err *e)
{
	struct groups *gs = cookie;
	struct group *g = group_of(gs, c);
	uint64_t *more;

	if (!g)
		return err_nomem(e);
	tally_sum(&g->sum.accepted, c->n[TALLY_ACCEPTED]);
	tally_sum(&g->sum.tasks, c->n[TALLY_ANSWERED]);
	if (c->key.kind == TALLY_CLIMB)
		return 0;
	tally_sum(&g->sum.unanswered, c->n[TALLY_UNANSWERED]);
	tally_sum(&g->sum.cost_picousd, c->n[TALLY_COST]);
	tally_sum(&g->sum.unknown_cost, c->n[TALLY_UNKNOWN]);
	tally_sum(&g->audits, c->n[TALLY_AUDITS]);
	if (g->cap_once - g->n_once < c->n_once) {
		size_t cap = 2 * g->n_once + c->n_once;
		more = reallocarray(g->once, cap, sizeof(*more));
		if (!more)
			return err_nomem(e);
		g->once = more;
		g->cap_once = cap;
	}
	if (c->n_once)
		memcpy(g->once + g->n_once, c->once,
		    c->n_once * sizeof(*c->once));
	g->n_once += c->n_once;
	return 0;
}

static int
cmp_once(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
count_once(struct group *g)
{
	if (g->n_once > 1)
		qsort(g->once, g->n_once, sizeof(*g->once), cmp_once);
	for (size_t i = 0; i < g->n_once; i++) {
		uint64_t v = g->once[i];
		bool seen = i > 0 && g->once[i - 1] == v;

		g->sum.audited += i == 0 || g->once[i - 1] >> 1 != v >> 1;
		g->sum.differ += (v & 1) && !seen;
	}
}

static int
cmp_group(const void *a, const void *b)
{
	const struct ledger_audits *x = &((const struct group *)a)->sum;
	const struct ledger_audits *y = &((const struct group *)b)->sum;
	int order = str_cmp(x->cascade, y->cascade);

	if (order == 0)
		order = (x->tier > y->tier) - (x->tier < y->tier);
	if (order == 0)
		order = str_cmp(x->group, y->group);
	return order ? order : str_cmp(x->model, y->model);
}

int
ledger_audits(struct store *s, const struct ledger_filter *f,
    enum ledger_group by, bool (*each)(void *cookie,
    const struct ledger_audits *g), void *cookie, struct err *e)
{
	struct groups gs = { .arena = arena_new(0) };
	struct ledger_filter climbs = *f;
	bool on = true;
	int rc;

	/* Other groups have no audits of their own. */
	gs.by = by == LEDGER_BY_MODEL || by == LEDGER_BY_DAY ? LEDGER_TOTAL : by;
	climbs.model = STR("");
	climbs.collected = false;
	buf_init(&gs.name, BUF_MAX);
	rc = gs.arena ? gather_cells(s, &climbs, TALLY_AUDIT,
	    by == LEDGER_BY_TAG, add_cell, &gs, e) : err_nomem(e);
	if (rc == 0 && gs.n > 1)
		qsort(gs.v, gs.n, sizeof(*gs.v), cmp_group);
	for (size_t i = 0; i < gs.n; i++) {
		struct group *g = &gs.v[i];
		if (rc == 0 && on && g->audits > 0) {
			count_once(g);
			on = each(cookie, &g->sum);
		}
		free(g->once);
	}
	free(gs.v);
	buf_release(&gs.name);
	arena_free(gs.arena);
	return rc;
}
