/*
 * keys.h -- which rows have a key: an index in two levels. Private to cache/.
 *
 * Keys are hashes. In one B-tree of ten million each new key reads, and in the end
 * writes, a page of its own. So new keys are appended to a list (the table `recent`,
 * a row for each transaction or so), which a handle has in memory by the leading
 * bits of the key. From there they go into the B-tree (the table `keys`) together
 * with their neighbours: range after range and round and round, in each commit as
 * many as it takes for the list to stay short. This is the rolling merge of
 * O'Neil, Cheng, Gawlick, O'Neil: The log-structured merge-tree, 1996.
 *
 * What the index says is a hint: a row that it names may be gone, or another's.
 * Whoever looks up compares key and sample in the row.
 */
#ifndef CACHE_KEYS_H
#define CACHE_KEYS_H

#include "cache/internal.h"

enum keys_level { KEYS_SETTLED, KEYS_RECENT };
#define KEYS_ANY_SAMPLE (-1)

/* The rows that may have this key and sample. To be sure that there are none both
 * levels are asked, KEYS_SETTLED first: the other one may have to be read, which
 * who has found is spared. Both in one transaction or under one store_hold().
 * *rows is good until the next call. */
int keys_find(struct store *s, enum keys_level level, int64_t key64,
    int sample, const int64_t **rows, size_t *n, struct err *e);

/* What was looked for in vain is remembered while nobody else writes, so that who
 * keeps it then need not look again. First: both levels have just been asked, and
 * it is in none of their rows. Second, in a transaction: 1: it is not there, 0: not
 * known, -1. */
void keys_note_absent(struct store *s, const unsigned char key[SHA256_BYTES],
    int sample);
int keys_is_absent(struct store *s, const unsigned char key[SHA256_BYTES],
    int sample, struct err *e);

/* A row that was not there before; its number is higher than those of all before
 * it. Inside a transaction, as are all that follow. */
int keys_add(struct store *s, const unsigned char key[SHA256_BYTES],
    int sample, int64_t row, struct err *e);
/* Write what was added, and move what is due; before a commit. */
int keys_flush(struct store *s, struct err *e);
/* Move all there is, so that KEYS_RECENT is empty: rows may be deleted after it,
 * each with its entry in `keys`. */
int keys_settle(struct store *s, struct err *e);
/* Make all of it anew from the completions. */
int keys_rebuild(struct store *s, struct err *e);
int keys_clear(struct store *s, struct err *e);
/* The open transaction was rolled back. */
void keys_forget(struct store *s);

/* A number for each entry, to be summed up: equal sums of two sets of entries mean
 * equal sets. *sum gets that of all entries. */
uint64_t keys_hash(int64_t key64, int sample, int64_t row);
int keys_sum(struct store *s, uint64_t *sum, struct err *e);

void keys_free(struct store *s);

#endif
