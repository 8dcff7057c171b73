/*
 * arena.h -- memory that lives and dies together, such as one task's.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena; /* opaque */

/* `chunk` bytes are taken at a time (0: a default). NULL: out of memory. */
struct arena *arena_new(size_t chunk);
void arena_free(struct arena *a); /* does nothing on NULL */
void arena_clear(struct arena *a); /* gives back all but the first chunk */

/* Zeroed, aligned for any type; NULL: out of memory. n may be 0. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_raw(struct arena *a, size_t n); /* the same, not zeroed */
void *arena_array(struct arena *a, size_t count, size_t size); /* checked */

/* A NUL-terminated copy of s. False: out of memory, *out untouched. */
bool arena_str(struct arena *a, struct str s, struct str *out);
char *arena_cstr(struct arena *a, struct str s); /* NULL: out of memory */
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
size_t arena_used(const struct arena *a); /* bytes handed out */

#endif
