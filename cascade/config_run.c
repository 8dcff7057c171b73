/*
 * config_run.c -- what bounds a run: `max_cost` and `task_timeout`.
 */
#include "cascade/budget.h"
#include "cascade/config_internal.h"

static void
read_cap(struct load *l, const struct ynode *at, const char *what,
    int64_t *cap)
{
	int64_t picousd;

	if (!at)
		return;
	if (at->kind != YNODE_SCALAR || !money_parse(at->text, &picousd))
		report_error(l->r, at, "%s must be dollars, such as 2.50",
		    what);
	else
		*cap = picousd;
}

/* `max_cost: 5` is a run's; or a map of run, day and task. */
static void
read_caps(struct load *l, const struct ynode *at)
{
	static const char *const keys[] = { "run", "day", "task", NULL };
	struct caps *c = &l->c->max_cost;

	if (!at)
		return;
	if (at->kind != YNODE_MAP) {
		read_cap(l, at, "max_cost", &c->run);
		return;
	}
	ynode_known(at, "max_cost", keys, l->r);
	read_cap(l, ynode_get(at, "run"), "max_cost of a run", &c->run);
	read_cap(l, ynode_get(at, "day"), "max_cost of a day", &c->day);
	read_cap(l, ynode_get(at, "task"), "max_cost of a task", &c->task);
}

/* What a request can cost at most must be known: see calls_worst(). */
static void
check_bounded(struct load *l, const struct tier *t, const struct ynode *at)
{
	if (!t->provider || !t->provider->ops
	    || t->provider->ops->flags & PROVIDER_RECORDED
	    || price_worst(&t->price, 1, t->sampling.max_tokens, 1,
	    l->now_utc_ms, false) != MONEY_UNKNOWN)
		return;
	if (config_price_miswritten(l, t))
		return;
	if (!price_known(&t->price))
		report_warn(l->r, at, "max_cost cannot be kept with '%.*s', "
		    "whose price is unknown", STR_ARG(t->model));
	else
		report_warn(l->r, at, "max_cost cannot be kept with '%.*s' "
		    "unless the tier, or every task, has max_tokens",
		    STR_ARG(t->model));
}

static void
check_all_bounded(struct load *l, const struct ynode *at)
{
	const struct config *c = l->c;

	for (size_t i = 0; at && i < c->n_cascades; i++)
		for (size_t k = 0; k < c->cascades[i].n_tiers; k++) {
			const struct tier *t = &c->cascades[i].tiers[k];

			check_bounded(l, t, at);
			for (size_t n = 0; n < t->n_others; n++)
				check_bounded(l, &t->others[n], at);
		}
}

void
config_run(struct load *l, const struct ynode *root)
{
	const struct ynode *at = ynode_get(root, "task_timeout");

	read_caps(l, ynode_get(root, "max_cost"));
	check_all_bounded(l, ynode_get(root, "max_cost"));
	if (ynode_duration(at, "task_timeout", &l->c->task_timeout_ms, l->r)
	    && at && l->c->task_timeout_ms <= 0)
		report_error(l->r, at, "task_timeout must be more than 0");
}
