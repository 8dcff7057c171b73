/*
 * pace.c -- requests and tokens a minute.
 */
#include "cascade/pace.h"

#define BURST_MS 1000.0

void
pace_init(struct pace *p, int64_t a_minute)
{
	p->ms_each = a_minute > 0 ? 60000.0 / (double)a_minute : 0;
	p->full_ms = 0;
}

int64_t
pace_due(const struct pace *p, int64_t now_ms)
{
	double due = p->full_ms - BURST_MS;
	int64_t whole = (int64_t)due;

	if (p->ms_each <= 0 || due <= (double)now_ms)
		return now_ms;
	return (double)whole < due ? whole + 1 : whole;
}

void
pace_take(struct pace *p, int64_t now_ms, int64_t amount)
{
	if (p->full_ms < (double)now_ms)
		p->full_ms = (double)now_ms;
	p->full_ms += p->ms_each * (double)amount;
}
