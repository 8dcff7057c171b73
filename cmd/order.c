/*
 * order.c -- a ring of lines, by number.
 */
#include "cmd/order.h"

#include <stdlib.h>

struct order {
	int64_t next; /* to be let through */
	char *line[ORDER_WINDOW];
	size_t n[ORDER_WINDOW];
};

struct order *
order_new(void)
{
	return calloc(1, sizeof(struct order));
}

void
order_free(struct order *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < ORDER_WINDOW; i++)
		free(o->line[i]);
	free(o);
}

int64_t
order_limit(const struct order *o)
{
	return o->next + ORDER_WINDOW;
}

static bool
let_through(struct order *o, struct buf *ready)
{
	size_t at = (size_t)(o->next % ORDER_WINDOW);

	if (!o->line[at])
		return false;
	buf_add(ready, (struct str){ o->line[at], o->n[at] });
	free(o->line[at]);
	o->line[at] = NULL;
	return true;
}

int
order_put(struct order *o, int64_t seq, struct str line, struct buf *ready,
    struct err *e)
{
	size_t at = (size_t)(seq % ORDER_WINDOW);

	o->line[at] = str_dup(line);
	if (!o->line[at])
		return err_nomem(e);
	o->n[at] = line.n;
	while (let_through(o, ready))
		o->next++;
	return ready->failed ? err_nomem(e) : 0;
}

void
order_flush(struct order *o, struct buf *ready)
{
	for (int64_t end = order_limit(o); o->next < end; o->next++)
		(void)let_through(o, ready);
}
