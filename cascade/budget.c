/*
 * budget.c -- held, then settled.
 */
#include "cascade/budget.h"

#include "base/money.h"

static int64_t
known(int64_t picousd)
{
	return picousd == MONEY_UNKNOWN ? 0 : picousd;
}

bool
budget_fits(const struct budget *b, int64_t worst_picousd)
{
	if (b->cap == BUDGET_NONE)
		return true;
	if (worst_picousd == MONEY_UNKNOWN)
		return false;
	return worst_picousd <= b->cap - b->held;
}

void
budget_hold(struct budget *b, int64_t worst_picousd)
{
	b->held = money_add(b->held, known(worst_picousd));
	b->open++;
}

void
budget_settle(struct budget *b, int64_t worst_picousd, int64_t cost_picousd)
{
	b->open--;
	if (cost_picousd != MONEY_UNKNOWN)
		b->held = money_add(b->held - known(worst_picousd),
		    cost_picousd);
}
