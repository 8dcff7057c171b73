/*
 * keys.c -- the list of recent keys, and their way into the B-tree.
 *
 * The space of keys is cut into RANGES. A clock counts how many were moved: at each
 * tick one of them, the next in turn, is emptied into the B-tree. So whether an entry
 * is still in the list need not be written down: it follows from the time at which
 * it was appended.
 *
 * A row of `recent` is a chunk: a seal (entry.h) and groups, one for each
 * transaction that appended to it:
 *
 *   clock  when it was appended
 *   first  row
 *   n      entries, each of 12 bytes, low ones first:
 *     8 of the key
 *     4 of (row - first) * STORE_SAMPLES + sample
 *
 * The numbers before them are LEB128 varints (base/pack.h). The column `clock` of
 * the last chunk is the time. Another one is deleted when the clock has gone round
 * once since its end.
 *
 * A handle reads the list when something was not found in the B-tree, and goes on
 * reading where it was when another process has written since.
 */
#include "cache/keys.h"

#include <stdlib.h>

#include "base/rand.h"
#include "cache/entry.h"
#include "cache/segments.h"

#define RANGES 1024
#define RANGE_SHIFT 54 /* of the unsigned key */

/* How many entries are in the list after a commit at most: as many as one of SHARE
 * of all rows. While the clock goes round once twice as many come: two or three for
 * each page of the B-tree, which has 150. */
#define SHARE 128
#define LEAST 512
#define MOST 131072

#define ABSENT 4096 /* keys that are remembered as not there */

#define CHUNK_BYTES 1024 /* no more is appended to a chunk that has so many */
#define ENTRY_BYTES (PACK_FIXED + 4)
#define GROUP_ROWS (UINT32_MAX / STORE_SAMPLES) /* first, and so many more */
#define GROUP_BYTES (3 * PACK_NUMBER)

struct entry {
	int64_t key64;
	uint64_t place; /* of row and sample: see place_of() */
};

struct range {
	struct entry *v;
	uint32_t n, cap;
};

struct keys {
	struct range range[RANGES];
	int64_t n;          /* entries in all of them */
	int64_t clock;
	int64_t chunk_id;   /* of the last chunk; 0: none */
	struct buf chunk;   /* its bytes, with the seal */
	bool known;         /* this is what the file has, as of: */
	int64_t version;    /* store_version() */
	int64_t snapshot;   /* in which that was looked at */
	uint64_t state;     /* a number of what we know: another one when it is
	                       read anew */
	uint64_t absent[ABSENT]; /* tags; 0: none */

	/* of the open transaction */
	struct buf added;   /* entries of a group */
	int64_t n_added, first_added, last_added;
	bool moved;         /* the clock has gone on */
	int64_t changed_in; /* the last transaction that changed any of this */

	int64_t *found; /* rows */
	size_t cap_found;
};

/* --- the list in memory ------------------------------------------------------- */

static struct range *
range_of(struct keys *k, int64_t key64)
{
	return &k->range[(uint64_t)key64 >> RANGE_SHIFT];
}

static uint64_t
place_of(int64_t row, int sample)
{
	return (uint64_t)row * STORE_SAMPLES + (uint64_t)sample;
}

static int64_t
row_of(const struct entry *v)
{
	return (int64_t)(v->place / STORE_SAMPLES);
}

static int
sample_of(const struct entry *v)
{
	return (int)(v->place % STORE_SAMPLES);
}

/* Can it be the number of a row in a place? */
static bool
is_row(int64_t row)
{
	return row >= 0 && row < INT64_MAX / STORE_SAMPLES;
}

static int
append(struct keys *k, int64_t key64, uint64_t place, struct err *e)
{
	struct range *r = range_of(k, key64);
	uint32_t cap = r->cap ? 2 * r->cap : 8;
	struct entry *more;

	if (r->n == r->cap) {
		more = r->cap > UINT32_MAX / 4 ? NULL
		    : reallocarray(r->v, cap, sizeof(*more));
		if (!more)
			return err_nomem(e);
		r->v = more;
		r->cap = cap;
	}
	r->v[r->n++] = (struct entry){ key64, place };
	k->n++;
	return 0;
}

static void
empty(struct keys *k, struct range *r)
{
	k->n -= r->n;
	r->n = 0;
}

/* What has been moved up to `clock` is not in the list any more. */
static void
advance(struct keys *k, int64_t clock)
{
	if (clock - k->clock > RANGES)
		k->clock = clock - RANGES;
	for (; k->clock < clock; k->clock++)
		empty(k, &k->range[k->clock & (RANGES - 1)]);
}

static void
reset(struct keys *k)
{
	for (size_t i = 0; i < RANGES; i++)
		empty(k, &k->range[i]);
	k->clock = 0;
	k->chunk_id = 0;
	buf_clear(&k->chunk);
	k->known = false;
}

static struct keys *
keys_of(struct store *s, struct err *e)
{
	if (!s->keys) {
		s->keys = calloc(1, sizeof(*s->keys));
		if (s->keys) {
			buf_init(&s->keys->chunk, BUF_MAX);
			buf_init(&s->keys->added, BUF_MAX);
		} else {
			err_nomem(e);
		}
	}
	return s->keys;
}

/* --- reading it ----------------------------------------------------------------- */

enum reading { READ, AGAIN, DAMAGED, FAILED };

/* Was an entry that was appended at `then` moved before now? */
static bool
is_moved(const struct keys *k, int64_t key64, int64_t then)
{
	int64_t range = (int64_t)((uint64_t)key64 >> RANGE_SHIFT);

	return k->clock > then + ((range - then) & (RANGES - 1));
}

static int
read_entries(struct keys *k, const char *p, size_t n, int64_t then,
    int64_t first, struct err *e)
{
	for (; n > 0; n--, p += ENTRY_BYTES) {
		int64_t key64 = (int64_t)unpack_fixed(p);
		uint32_t place;

		if (is_moved(k, key64, then))
			continue;
		memcpy(&place, p + PACK_FIXED, sizeof(place));
		if (append(k, key64, place_of(first, 0) + le32toh(place),
		    e) < 0)
			return -1;
	}
	return 0;
}

/* The groups that follow. */
static enum reading
read_groups(struct keys *k, struct unpack *u, struct err *e)
{
	while (unpack_more(u)) {
		uint64_t then = unpack_u64(u), first = unpack_u64(u);
		uint64_t n = unpack_u64(u);

		if (u->bad || then > (uint64_t)k->clock
		    || !is_row((int64_t)first)
		    || n > (size_t)(u->end - u->p) / ENTRY_BYTES)
			return DAMAGED;
		if (read_entries(k, u->p, n, (int64_t)then, (int64_t)first,
		    e) < 0)
			return FAILED;
		u->p += n * ENTRY_BYTES;
	}
	return u->bad ? DAMAGED : READ;
}

/* Nothing is ever taken out of a chunk, or changed in it. */
static bool
goes_on(struct str before, struct str bytes)
{
	return bytes.n >= before.n && str_eq(
	    str_sub(before, SEAL_BYTES, before.n),
	    str_sub(bytes, SEAL_BYTES, before.n - SEAL_BYTES));
}

static enum reading
read_chunk(struct keys *k, int64_t id, struct str bytes, struct err *e)
{
	bool known = id == k->chunk_id;
	struct str sealed = bytes;
	enum reading rc;
	struct unpack u;

	if (id == 0 || !store_is_number(id) || bytes.n <= SEAL_BYTES
	    || !entry_unseal(&sealed))
		return DAMAGED;
	if (known && !goes_on(buf_str(&k->chunk), bytes))
		return AGAIN;
	u = unpack_of(str_sub(bytes, known ? k->chunk.n : SEAL_BYTES, bytes.n));
	rc = read_groups(k, &u, e);
	if (rc != READ)
		return rc;
	k->chunk_id = id;
	buf_clear(&k->chunk);
	buf_add(&k->chunk, bytes);
	if (!k->chunk.failed)
		return READ;
	err_nomem(e);
	return FAILED;
}

/* What time it is. */
static enum reading
read_clock(struct store *s, struct keys *k, struct err *e)
{
	int64_t clock = k->clock;
	struct params p;
	int rc;

	if (store_stmt(s, STMT_CLOCK, "SELECT clock FROM recent"
	    " ORDER BY id DESC LIMIT 1", &p, e) < 0)
		return FAILED;
	rc = store_step(s, &p, "read", e);
	if (rc == 1)
		clock = sqlite3_column_int64(p.stmt, 0);
	store_reset(&p);
	if (rc < 0)
		return FAILED;
	if (!store_is_number(clock))
		return DAMAGED;
	if (clock < k->clock)
		return AGAIN;
	advance(k, clock);
	return READ;
}

/* What was written since, or all there is. The first chunk is the one that was read
 * last. If it is gone, so is what we have: the last one is never deleted but
 * together with all. AGAIN too where the file is not what it was with more behind
 * it: an older state may have been restored. */
static enum reading
read_on(struct store *s, struct keys *k, struct err *e)
{
	enum reading got = read_clock(s, k, e);
	bool first = true;
	struct params p;
	int rc;

	if (got != READ)
		return got;
	if (store_stmt(s, STMT_RECENT, "SELECT id, entries FROM recent"
	    " WHERE id >= ?1 ORDER BY id", &p, e) < 0)
		return FAILED;
	param_int(&p, k->chunk_id);
	while (got == READ && (rc = store_step(s, &p, "read", e)) != 0) {
		struct columns col = { .stmt = p.stmt };
		int64_t id = rc > 0 ? column_int(&col) : 0;
		struct str bytes = rc > 0 ? column_blob(&col) : STR("");

		if (rc < 0)
			got = FAILED;
		else if (col.failed)
			got = err_nomem(e) < 0 ? FAILED : got;
		else if (first && k->chunk_id && id != k->chunk_id)
			got = AGAIN;
		else
			got = read_chunk(k, id, bytes, e);
		first = false;
	}
	store_reset(&p);
	return got == READ && first && k->chunk_id ? AGAIN : got;
}

/* See to it that what we have is what the file has. */
static int
know(struct store *s, struct keys *k, struct err *e)
{
	enum reading got;
	int64_t version;

	if (k->known && !sqlite3_get_autocommit(s->db)
	    && k->snapshot == s->snapshot)
		return 0;
	if (store_version(s, &version, e) < 0)
		return -1;
	if (!k->known || version != k->version) {
		k->state++;
		if (!k->known)
			reset(k);
		k->known = false;
		got = read_on(s, k, e);
		if (got == AGAIN) {
			reset(k);
			got = read_on(s, k, e);
		}
		if (got != READ)
			return got == FAILED ? -1
			    : store_fail(s, SQLITE_CORRUPT, "read", e);
	}
	k->known = true;
	k->version = version;
	k->snapshot = s->snapshot;
	return 0;
}

/* --- looking up ------------------------------------------------------------------- */

static int
found(struct keys *k, size_t *n, int64_t row, struct err *e)
{
	size_t cap = k->cap_found ? 2 * k->cap_found : 8;
	int64_t *more;

	if (*n == k->cap_found) {
		more = reallocarray(k->found, cap, sizeof(*more));
		if (!more)
			return err_nomem(e);
		k->found = more;
		k->cap_found = cap;
	}
	k->found[(*n)++] = row;
	return 0;
}

static int
find_settled(struct store *s, struct keys *k, int64_t key64, int sample,
    size_t *n, struct err *e)
{
	struct params p;
	int rc = sample == KEYS_ANY_SAMPLE ? store_stmt(s, STMT_KEYS_ALL,
	    "SELECT row FROM keys WHERE key64 = ?1", &p, e)
	    : store_stmt(s, STMT_KEYS, "SELECT row FROM keys WHERE key64 = ?1"
	    " AND sample = ?2", &p, e);

	if (rc < 0)
		return -1;
	param_int(&p, key64);
	if (sample != KEYS_ANY_SAMPLE)
		param_int(&p, sample);
	while ((rc = store_step(s, &p, "read", e)) == 1) {
		rc = found(k, n, sqlite3_column_int64(p.stmt, 0), e);
		if (rc < 0)
			break;
	}
	store_reset(&p);
	return rc;
}

static int
find_recent(struct store *s, struct keys *k, int64_t key64, int sample,
    size_t *n, struct err *e)
{
	const struct range *r = range_of(k, key64);

	if (know(s, k, e) < 0)
		return -1;
	for (uint32_t i = 0; i < r->n; i++)
		if (r->v[i].key64 == key64 && (sample == KEYS_ANY_SAMPLE
		    || sample_of(&r->v[i]) == sample)
		    && found(k, n, row_of(&r->v[i]), e) < 0)
			return -1;
	return 0;
}

int
keys_find(struct store *s, enum keys_level level, int64_t key64, int sample,
    const int64_t **rows, size_t *n, struct err *e)
{
	struct keys *k = keys_of(s, e);
	int rc;

	*n = 0;
	if (!k)
		return -1;
	rc = level == KEYS_SETTLED ? find_settled(s, k, key64, sample, n, e)
	    : find_recent(s, k, key64, sample, n, e);
	*rows = k->found;
	return rc;
}

/* Of all of a key, and another one in each state of the store. */
static uint64_t
tag_of(const struct keys *k, const unsigned char key[SHA256_BYTES],
    int sample)
{
	uint64_t tag = k->state << 32 | (uint32_t)sample, word;

	tag *= UINT64_C(0x9e3779b97f4a7c15);
	for (size_t i = 0; i < SHA256_BYTES; i += sizeof(word)) {
		memcpy(&word, key + i, sizeof(word));
		tag = (tag << 1 | tag >> 63) ^ word;
	}
	return tag ? tag : 1;
}

void
keys_note_absent(struct store *s, const unsigned char key[SHA256_BYTES],
    int sample)
{
	struct keys *k = s->keys;
	uint64_t tag = tag_of(k, key, sample);

	k->absent[tag % ABSENT] = tag;
}

int
keys_is_absent(struct store *s, const unsigned char key[SHA256_BYTES],
    int sample, struct err *e)
{
	struct keys *k = keys_of(s, e);
	uint64_t tag;

	if (!k || know(s, k, e) < 0)
		return -1;
	tag = tag_of(k, key, sample);
	return k->absent[tag % ABSENT] == tag;
}

/* --- writing ---------------------------------------------------------------------- */

static int
by_key(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;

	return a->key64 != b->key64 ? (a->key64 < b->key64 ? -1 : 1)
	    : sample_of(a) != sample_of(b) ? sample_of(a) - sample_of(b)
	    : (a->place > b->place) - (a->place < b->place);
}

/* One tick: the next range into the B-tree. */
static int
move_range(struct store *s, struct keys *k, struct err *e)
{
	struct range *r = &k->range[k->clock & (RANGES - 1)];
	struct params p;

	k->moved = true;
	k->changed_in = s->txn;
	if (store_stmt(s, STMT_KEYS_PUT, "INSERT OR IGNORE INTO keys"
	    " (key64, sample, row) VALUES (?1, ?2, ?3)", &p, e) < 0)
		return -1;
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), by_key);
	for (uint32_t i = 0; i < r->n; i++) {
		p.n = 0;
		param_int(&p, r->v[i].key64);
		param_int(&p, sample_of(&r->v[i]));
		param_int(&p, row_of(&r->v[i]));
		if (store_run(s, &p, "write to", e) < 0)
			return -1;
	}
	empty(k, r);
	k->clock++;
	return 0;
}

/* As many entries as may stay. */
static int64_t
room(const struct keys *k)
{
	int64_t n = k->last_added / SHARE;

	return n < LEAST ? LEAST : n > MOST ? MOST : n;
}

static int
delete_old_chunks(struct store *s, struct keys *k, struct err *e)
{
	struct params p;

	do {
		if (store_stmt(s, STMT_RECENT_DELETE, "DELETE FROM recent"
		    " WHERE id = (SELECT min(id) FROM recent)"
		    " AND id < ?1 AND clock + ?2 <= ?3", &p, e) < 0)
			return -1;
		param_int(&p, k->chunk_id);
		param_int(&p, RANGES);
		param_int(&p, k->clock);
		if (store_run(s, &p, "write to", e) < 0)
			return -1;
	} while (sqlite3_changes(s->db) > 0);
	return 0;
}

/* To the last chunk, or to a new one, whose id is higher than those of all before
 * it. */
static int
append_group(struct keys *k, struct err *e)
{
	static const char seal[SEAL_BYTES];
	struct buf *b = &k->chunk;
	char *p;

	if (!k->chunk_id || b->n + k->added.n > CHUNK_BYTES) {
		k->chunk_id = k->first_added > k->chunk_id ? k->first_added
		    : k->chunk_id + 1;
		buf_clear(b);
		buf_add(b, (struct str){ seal, sizeof(seal) });
	}
	if (!buf_reserve(b, GROUP_BYTES))
		return err_nomem(e);
	p = pack_u64(b->p + b->n, (uint64_t)k->clock);
	p = pack_u64(p, (uint64_t)k->first_added);
	p = pack_u64(p, (uint64_t)k->n_added);
	*p = '\0';
	b->n = (size_t)(p - b->p);
	buf_add(b, buf_str(&k->added));
	buf_clear(&k->added);
	k->n_added = 0;
	return b->failed ? err_nomem(e) : 0;
}

static int
put_chunk(struct store *s, struct keys *k, struct err *e)
{
	struct params p;

	if (!k->chunk_id)
		return 0;
	if (store_stmt(s, STMT_RECENT_PUT, "INSERT OR REPLACE INTO recent"
	    " (id, clock, entries) VALUES (?1, ?2, ?3)", &p, e) < 0)
		return -1;
	param_int(&p, k->chunk_id);
	param_int(&p, k->clock);
	param_blob(&p, entry_seal(&k->chunk));
	return store_run(s, &p, "write to", e);
}

int
keys_add(struct store *s, const unsigned char key[SHA256_BYTES], int sample,
    int64_t row, struct err *e)
{
	int64_t key64 = store_key64(key);
	struct keys *k = keys_of(s, e);
	uint32_t place;
	char *p;

	if (!k || store_must_write(s, e) < 0 || know(s, k, e) < 0)
		return -1;
	if (!is_row(row))
		return store_fail(s, SQLITE_CORRUPT, "write to", e);
	if (k->n_added && row - k->first_added >= GROUP_ROWS
	    && (append_group(k, e) < 0 || put_chunk(s, k, e) < 0))
		return -1;
	if (!k->n_added)
		k->first_added = row;
	if (!buf_reserve(&k->added, ENTRY_BYTES))
		return err_nomem(e);
	p = pack_fixed(k->added.p + k->added.n, (uint64_t)key64);
	place = htole32((uint32_t)place_of(row - k->first_added, sample));
	memcpy(p, &place, sizeof(place));
	k->added.n += ENTRY_BYTES;
	k->added.p[k->added.n] = '\0';
	k->n_added++;
	k->last_added = row;
	k->changed_in = s->txn;
	k->absent[tag_of(k, key, sample) % ABSENT] = 0;
	return append(k, key64, place_of(row, sample), e);
}

static int
flush(struct store *s, struct keys *k, int64_t most, struct err *e)
{
	int64_t before = k->chunk_id;

	if (k->n_added && append_group(k, e) < 0)
		return -1;
	while (k->n > most)
		if (move_range(s, k, e) < 0)
			return -1;
	if (put_chunk(s, k, e) < 0)
		return -1;
	return k->chunk_id != before ? delete_old_chunks(s, k, e) : 0;
}

int
keys_flush(struct store *s, struct err *e)
{
	struct keys *k = s->keys;

	if (!k || (!k->n_added && !k->moved))
		return 0;
	if (flush(s, k, room(k), e) < 0)
		return -1;
	k->moved = false;
	return 0;
}

int
keys_settle(struct store *s, struct err *e)
{
	struct keys *k = keys_of(s, e);

	if (!k || store_must_write(s, e) < 0 || know(s, k, e) < 0)
		return -1;
	if (k->n == 0)
		return 0;
	if (flush(s, k, 0, e) < 0)
		return -1;
	k->moved = false;
	return 0;
}

static void
drop_changes(struct keys *k)
{
	buf_clear(&k->added);
	k->n_added = 0;
	k->moved = false;
}

int
keys_clear(struct store *s, struct err *e)
{
	struct keys *k = keys_of(s, e);

	if (!k)
		return -1;
	reset(k);
	drop_changes(k);
	k->changed_in = s->txn;
	return store_exec(s, "DELETE FROM keys; DELETE FROM recent", "write to",
	    e);
}

int
keys_rebuild(struct store *s, struct err *e)
{
	return keys_clear(s, e) < 0 ? -1 : store_exec(s, "INSERT INTO keys"
	    " (key64, sample, row) SELECT key64, sample, id FROM completions"
	    " ORDER BY key64, sample, id", "write to", e);
}

void
keys_forget(struct store *s)
{
	struct keys *k = s->keys;

	if (!k || k->changed_in != s->txn)
		return;
	drop_changes(k);
	k->known = false;
}

/* --- checking --------------------------------------------------------------------- */

uint64_t
keys_hash(int64_t key64, int sample, int64_t row)
{
	int64_t all[] = { key64, sample, row };

	return hash64((struct str){ (const char *)all, sizeof(all) }, 0);
}

int
keys_sum(struct store *s, uint64_t *sum, struct err *e)
{
	struct keys *k = keys_of(s, e);
	struct params p = { 0 };
	int rc = k ? know(s, k, e) : -1;

	*sum = 0;
	if (rc == 0)
		rc = store_prepare(s, "SELECT key64, sample, row FROM keys",
		    &p, e);
	while (rc >= 0 && (rc = store_step(s, &p, "check", e)) == 1)
		*sum += keys_hash(sqlite3_column_int64(p.stmt, 0),
		    sqlite3_column_int(p.stmt, 1),
		    sqlite3_column_int64(p.stmt, 2));
	sqlite3_finalize(p.stmt);
	for (size_t i = 0; rc == 0 && i < RANGES; i++)
		for (uint32_t j = 0; j < k->range[i].n; j++)
			*sum += keys_hash(k->range[i].v[j].key64,
			    sample_of(&k->range[i].v[j]),
			    row_of(&k->range[i].v[j]));
	return rc < 0 ? -1 : 0;
}

void
keys_free(struct store *s)
{
	struct keys *k = s->keys;

	if (!k)
		return;
	for (size_t i = 0; i < RANGES; i++)
		free(k->range[i].v);
	buf_release(&k->chunk);
	buf_release(&k->added);
	free(k->found);
	free(k);
	s->keys = NULL;
}
