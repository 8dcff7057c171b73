/*
 * map.h -- a hash table from byte strings to pointers.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct map; /* opaque */

struct map *map_new(void); /* NULL: out of memory */
void map_free(struct map *m); /* not the values; NULL is fine */
void *map_get(const struct map *m, struct str key); /* NULL: not there */
/* Copies the key. False: out of memory. value is not NULL. */
bool map_put(struct map *m, struct str key, void *value);
void *map_remove(struct map *m, struct str key); /* the old value or NULL */
size_t map_count(const struct map *m);
/* Every entry in no order; *i starts at 0. False at the end. */
bool map_each(const struct map *m, size_t *i, struct str *key, void **value);

#endif
