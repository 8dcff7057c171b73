/*
 * order.c -- a ring of lines, by number. Its size bounds how many wait, and
 * their bytes are counted, since one may be large: when too much waits, nothing
 * new is let in but what is under way, until the line that is missing comes.
 */
#include "cmd/order.h"

#include <stdlib.h>

struct order {
	int64_t next; /* to be let through */
	size_t bytes; /* of the lines that wait */
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
	return o->bytes > ORDER_BYTES ? o->next : o->next + ORDER_WINDOW;
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
	o->bytes -= o->n[at];
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
	o->bytes += line.n;
	while (let_through(o, ready))
		o->next++;
	return ready->failed ? err_nomem(e) : 0;
}

void
order_flush(struct order *o, struct buf *ready)
{
	int64_t end = o->next + ORDER_WINDOW;

	for (; o->next < end; o->next++)
		(void)let_through(o, ready);
}
