/*
 * order.c -- lines by number: a heap of those in memory, a file of the others.
 * When there are too many in memory, all of them go into the file, as one run.
 */
#include "cmd/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "cmd/spill.h"

struct line {
	struct heap_entry at; /* first member; by its number */
	struct line *next;    /* while they are written to the file */
	size_t n;
	char p[];
};

struct order {
	int64_t next; /* to be let through */
	size_t held, bytes;
	struct heap lines;
	struct line *given; /* by order_next() */
	struct spill *spill; /* NULL: never needed yet */
	char *beside;
	bool full, told;
	struct err why;     /* it is full */
	struct order_counts counts;
};

struct order *
order_new(size_t held, const char *beside)
{
	struct order *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->held = held;
	if (beside && !(o->beside = str_dup(str_of(beside)))) {
		free(o);
		return NULL;
	}
	return o;
}

static struct line *
pop(struct order *o)
{
	struct line *l = (struct line *)heap_first(&o->lines);

	if (l)
		heap_remove(&o->lines, &l->at);
	return l;
}

void
order_free(struct order *o)
{
	struct line *l;

	if (!o)
		return;
	while ((l = pop(o)))
		free(l);
	heap_release(&o->lines);
	spill_free(o->spill);
	free(o->given);
	free(o->beside);
	free(o);
}

static int64_t
first_in_memory(const struct order *o)
{
	const struct heap_entry *first = heap_first(&o->lines);

	return first ? first->due_ms : INT64_MAX;
}

static int64_t
first_in_file(const struct order *o)
{
	return o->spill ? spill_first(o->spill) : INT64_MAX;
}

/* --- into the file ------------------------------------------------------------- */

static size_t
cost_of(const struct line *l)
{
	return l->n + 64; /* the struct, malloc()'s, a place in the heap */
}

static void
note_spilled(struct order *o)
{
	int64_t bytes = spill_bytes(o->spill);

	if (bytes > o->counts.most)
		o->counts.most = bytes;
	o->bytes = 0;
}

/* All that is in memory; or nothing, if it cannot be. */
static void
spill_all(struct order *o)
{
	struct line *list = NULL, *l;
	int rc = o->spill ? 0 : spill_open(&o->spill, o->beside, &o->why);

	while (rc == 0 && (l = pop(o))) {
		spill_add(o->spill, l->at.due_ms, (struct str){ l->p, l->n });
		l->next = list;
		list = l;
	}
	if (rc == 0)
		rc = spill_end(o->spill, &o->why);
	o->full = rc < 0;
	while ((l = list)) {
		list = l->next;
		if (rc < 0) {
			/* There is room in the heap: it was there before. */
			(void)heap_set(&o->lines, &l->at, l->at.due_ms);
			continue;
		}
		o->counts.spilled++;
		free(l);
	}
	if (rc == 0)
		note_spilled(o);
}

int
order_put(struct order *o, int64_t seq, struct str line, struct err *e)
{
	struct line *l = malloc(sizeof(*l) + line.n);

	if (!l)
		return err_nomem(e);
	l->at = (struct heap_entry){ 0 };
	l->n = line.n;
	if (line.n)
		memcpy(l->p, line.p, line.n);
	if (!heap_set(&o->lines, &l->at, seq)) {
		free(l);
		return err_nomem(e);
	}
	o->bytes += cost_of(l);
	o->counts.waiting++;
	/* What is about to go is not written first. */
	if (o->bytes > o->held && !o->full && first_in_memory(o) != o->next)
		spill_all(o);
	return 0;
}

/* --- out ------------------------------------------------------------------------- */

int
order_next(struct order *o, struct str *line, struct err *e)
{
	free(o->given);
	o->given = NULL;
	if (first_in_memory(o) == o->next) {
		o->given = pop(o);
		o->bytes -= cost_of(o->given);
		*line = (struct str){ o->given->p, o->given->n };
	} else if (first_in_file(o) == o->next) {
		if (spill_take(o->spill, line, e) < 0)
			return -1;
	} else {
		return 0;
	}
	o->next++;
	o->counts.waiting--;
	if (!o->counts.waiting)
		o->full = false; /* perhaps there is room by the next time */
	return 1;
}

bool
order_jump(struct order *o)
{
	int64_t memory = first_in_memory(o), file = first_in_file(o);

	if (!o->counts.waiting)
		return false;
	o->next = memory < file ? memory : file;
	return true;
}

/* --- what there is to know ------------------------------------------------------- */

int64_t
order_limit(const struct order *o)
{
	return o->full && o->bytes > o->held ? o->next : INT64_MAX;
}

bool
order_trouble(struct order *o, struct err *e)
{
	if (!o->full || o->told)
		return false;
	o->told = true;
	*e = o->why;
	return true;
}

struct order_counts
order_counts(const struct order *o)
{
	return o->counts;
}
