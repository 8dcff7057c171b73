/*
 * heap.c -- timers by due time. v[0] is not used: the entry in v[i] is due no
 * later than those in v[2i] and v[2i + 1].
 */
#include <stdlib.h>

#include "base/heap.h"

void
heap_release(struct heap *h)
{
	free(h->v);
	*h = (struct heap){ 0 };
}

static void
put(struct heap *h, size_t i, struct heap_entry *e)
{
	h->v[i] = e;
	e->place = i;
}

/* Put e at place i or wherever above or below it belongs. */
static void
settle(struct heap *h, size_t i, struct heap_entry *e)
{
	size_t child;

	for (; i > 1 && e->due_ms < h->v[i / 2]->due_ms; i /= 2)
		put(h, i, h->v[i / 2]);
	for (; (child = 2 * i) <= h->n; i = child) {
		if (child < h->n &&
		    h->v[child + 1]->due_ms < h->v[child]->due_ms)
			child++;
		if (e->due_ms <= h->v[child]->due_ms)
			break;
		put(h, i, h->v[child]);
	}
	put(h, i, e);
}

static bool
grow(struct heap *h)
{
	size_t cap = h->cap ? h->cap * 2 : 64;
	struct heap_entry **v;

	v = reallocarray(h->v, cap, sizeof(*v));
	if (!v)
		return false;
	h->v = v;
	h->cap = cap;
	return true;
}

bool
heap_set(struct heap *h, struct heap_entry *e, int64_t due_ms)
{
	if (!e->place) {
		if (h->n + 1 >= h->cap && !grow(h))
			return false;
		e->place = ++h->n;
	}
	e->due_ms = due_ms;
	settle(h, e->place, e);
	return true;
}

void
heap_remove(struct heap *h, struct heap_entry *e)
{
	struct heap_entry *last;

	if (!e->place)
		return;
	last = h->v[h->n--];
	if (last != e)
		settle(h, e->place, last);
	e->place = 0;
}

struct heap_entry *
heap_first(const struct heap *h)
{
	return h->n ? h->v[1] : NULL;
}
