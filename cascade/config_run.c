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

void
config_run(struct load *l, const struct ynode *root)
{
	const struct ynode *at = ynode_get(root, "task_timeout");

	read_caps(l, ynode_get(root, "max_cost"));
	if (ynode_duration(at, "task_timeout", &l->c->task_timeout_ms, l->r)
	    && at && l->c->task_timeout_ms <= 0)
		report_error(l->r, at, "task_timeout must be more than 0");
}
