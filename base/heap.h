/*
 * heap.h -- timers by due time: a binary heap of entries that others own.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embed in what is timed; zero it before the first use. */
struct heap_entry {
	int64_t due_ms;
	size_t place; /* 0: not in a heap */
};

struct heap {
	struct heap_entry **v;
	size_t n, cap;
};

void heap_release(struct heap *h); /* frees the table, not the entries */
/* Add or move. False: out of memory, entry not in the heap. */
bool heap_set(struct heap *h, struct heap_entry *e, int64_t due_ms);
void heap_remove(struct heap *h, struct heap_entry *e); /* if it is in */
struct heap_entry *heap_first(const struct heap *h); /* NULL when empty */

#endif
