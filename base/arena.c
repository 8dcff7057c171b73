/*
 * arena.c -- memory that lives and dies together: a list of chunks, filled
 * from the front. What is too large for a chunk gets one of its own.
 */
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define ALIGN alignof(max_align_t)
#define CHUNK_DEFAULT 8000 /* two pages with malloc's and our own header */

struct chunk {
	struct chunk *next;
	size_t size; /* of data */
	alignas(ALIGN) char data[];
};

struct arena {
	struct arena *next_spare;
	size_t chunk;
	char *at, *end;        /* what is free of the current chunk */
	size_t used;           /* of all others */
	struct chunk *current; /* the one being filled */
	struct chunk first;    /* last: its data follow */
};

/*
 * Arenas of the default size come and go with each task and each request, and
 * are more than malloc keeps at hand: some of them stay here, and some chunks, so
 * that the memory of a long answer is not given back to the system and asked for
 * again. Not where memory that was given back is watched.
 */
#if defined(__SANITIZE_ADDRESS__)
#define MOST_SPARE 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MOST_SPARE 0
#endif
#endif
#ifndef MOST_SPARE
#define MOST_SPARE 1024 /* so many results wait for one commit at most */
#define MOST_SPARE_CHUNKS 128 /* a megabyte: a document of 64 KB */
#else
#define MOST_SPARE_CHUNKS 0
#endif
static _Thread_local struct arena *spare;
static _Thread_local size_t n_spare;
static _Thread_local struct chunk *spare_chunk;
static _Thread_local size_t n_spare_chunks;

static struct chunk *
chunk_new(size_t size)
{
	struct chunk *c = spare_chunk;

	if (c && size == CHUNK_DEFAULT) {
		spare_chunk = c->next;
		n_spare_chunks--;
		return c;
	}
	if (size > PTRDIFF_MAX - sizeof(*c))
		return NULL;
	c = malloc(sizeof(*c) + size);
	if (c)
		c->size = size;
	return c;
}

static void
chunk_free(struct chunk *c)
{
	if (c->size != CHUNK_DEFAULT || n_spare_chunks >= MOST_SPARE_CHUNKS) {
		free(c);
		return;
	}
	c->next = spare_chunk;
	spare_chunk = c;
	n_spare_chunks++;
}

static void
fill(struct arena *a, struct chunk *c)
{
	a->current = c;
	a->at = c->data;
	a->end = c->data + c->size;
}

struct arena *
arena_new(size_t chunk)
{
	struct arena *a = spare;

	if (!chunk)
		chunk = CHUNK_DEFAULT;
	if (a && chunk == CHUNK_DEFAULT) {
		spare = a->next_spare;
		n_spare--;
		return a;
	}
	if (chunk > PTRDIFF_MAX - sizeof(*a))
		return NULL;
	a = malloc(sizeof(*a) + chunk);
	if (!a)
		return NULL;
	a->chunk = chunk;
	a->used = 0;
	a->first = (struct chunk){ .size = chunk };
	fill(a, &a->first);
	return a;
}

void
arena_clear(struct arena *a)
{
	struct chunk *c, *next;

	for (c = a->first.next; c; c = next) {
		next = c->next;
		chunk_free(c);
	}
	a->first.next = NULL;
	a->used = 0;
	fill(a, &a->first);
}

void
arena_free(struct arena *a)
{
	if (!a)
		return;
	arena_clear(a);
	if (a->chunk != CHUNK_DEFAULT || n_spare >= MOST_SPARE) {
		free(a);
		return;
	}
	a->next_spare = spare;
	spare = a;
	n_spare++;
}

/* n bytes of a new chunk; more than a quarter of one gets one of its own, for
 * the current one is still worth filling. */
static void *
from_new_chunk(struct arena *a, size_t n)
{
	bool large = n > a->chunk / 4;
	struct chunk *c;

	if (n > PTRDIFF_MAX)
		return NULL;
	c = chunk_new(large ? n : a->chunk);
	if (!c)
		return NULL;
	c->next = a->current->next;
	a->current->next = c;
	if (large) {
		a->used += n;
		return c->data;
	}
	a->used += (size_t)(a->at - a->current->data);
	fill(a, c);
	a->at += n;
	return c->data;
}

void *
arena_raw(struct arena *a, size_t n)
{
	void *p = a->at;

	if (n > PTRDIFF_MAX)
		return NULL;
	n = (n + !n + ALIGN - 1) & ~(ALIGN - 1);
	if (n > (size_t)(a->end - a->at))
		return from_new_chunk(a, n);
	a->at += n;
	return p;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p = arena_raw(a, n);

	return p ? memset(p, 0, n) : NULL;
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	return arena_alloc(a, n);
}

char *
arena_cstr(struct arena *a, struct str s)
{
	char *p;

	if (s.n == SIZE_MAX)
		return NULL;
	p = arena_raw(a, s.n + 1);
	if (!p)
		return NULL;
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

bool
arena_str(struct arena *a, struct str s, struct str *out)
{
	char *p = arena_cstr(a, s);

	if (!p)
		return false;
	*out = (struct str){ p, s.n };
	return true;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

size_t
arena_used(const struct arena *a)
{
	return a->used + (size_t)(a->at - a->current->data);
}
