/*
 * map.c -- a hash table from byte strings to pointers: open addressing with
 * linear probing, at most three quarters full. Removal moves later entries
 * back, so there are no marks for deleted ones.
 */
#include <stdlib.h>

#include "base/map.h"
#include "base/rand.h"

#define FIRST_SIZE 16 /* slots; always a power of two */

struct slot {
	char *key; /* NULL: empty */
	size_t n;
	uint64_t hash;
	void *value;
};

struct map {
	struct slot *v;
	size_t size, count;
};

struct map *
map_new(void)
{
	struct map *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	m->size = FIRST_SIZE;
	m->count = 0;
	m->v = calloc(m->size, sizeof(*m->v));
	if (!m->v) {
		free(m);
		return NULL;
	}
	return m;
}

void
map_free(struct map *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->size; i++)
		free(m->v[i].key);
	free(m->v);
	free(m);
}

/* The slot of the key, or the empty one where it belongs. */
static size_t
find(const struct map *m, struct str key, uint64_t hash)
{
	size_t i = hash & (m->size - 1);

	for (; m->v[i].key; i = (i + 1) & (m->size - 1))
		if (m->v[i].hash == hash &&
		    str_eq((struct str){ m->v[i].key, m->v[i].n }, key))
			break;
	return i;
}

void *
map_get(const struct map *m, struct str key)
{
	/* A run out of the store asks here in vain for each of its prompts. */
	return m->count ? m->v[find(m, key, hash64(key, 0))].value : NULL;
}

static bool
grow(struct map *m)
{
	struct map larger = { .size = m->size * 2, .count = m->count };
	size_t to;

	larger.v = calloc(larger.size, sizeof(*larger.v));
	if (!larger.v)
		return false;
	for (size_t i = 0; i < m->size; i++) {
		if (!m->v[i].key)
			continue;
		to = m->v[i].hash & (larger.size - 1);
		while (larger.v[to].key)
			to = (to + 1) & (larger.size - 1);
		larger.v[to] = m->v[i];
	}
	free(m->v);
	*m = larger;
	return true;
}

bool
map_put(struct map *m, struct str key, void *value)
{
	uint64_t hash = hash64(key, 0);
	size_t i = find(m, key, hash);
	char *copy;

	if (m->v[i].key) {
		m->v[i].value = value;
		return true;
	}
	if (m->count >= m->size / 4 * 3) {
		if (!grow(m))
			return false;
		i = find(m, key, hash);
	}
	copy = str_dup(key);
	if (!copy)
		return false;
	m->v[i] = (struct slot){ copy, key.n, hash, value };
	m->count++;
	return true;
}

/* Close the gap at i: an entry further on may be found from its home slot
 * only while no slot between the two is empty. */
static void
close_gap(struct map *m, size_t i)
{
	size_t mask = m->size - 1, at = i, home;

	for (;;) {
		at = (at + 1) & mask;
		if (!m->v[at].key)
			break;
		home = m->v[at].hash & mask;
		if (((at - home) & mask) < ((at - i) & mask))
			continue;
		m->v[i] = m->v[at];
		i = at;
	}
	m->v[i] = (struct slot){ 0 };
}

void *
map_remove(struct map *m, struct str key)
{
	size_t i = find(m, key, hash64(key, 0));
	void *value = m->v[i].value;

	if (!m->v[i].key)
		return NULL;
	free(m->v[i].key);
	m->count--;
	close_gap(m, i);
	return value;
}

size_t
map_count(const struct map *m)
{
	return m->count;
}

bool
map_each(const struct map *m, size_t *i, struct str *key, void **value)
{
	while (*i < m->size) {
		const struct slot *s = &m->v[(*i)++];

		if (!s->key)
			continue;
		*key = (struct str){ s->key, s->n };
		*value = s->value;
		return true;
	}
	return false;
}
