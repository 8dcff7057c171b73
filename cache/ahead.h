/*
 * ahead.h -- rows that are likely to be asked for next. Private to cache/.
 *
 * A batch that is run again asks in about the order in which its answers were
 * kept. Their rows lie side by side, but the index is in the order of hashes: in
 * a large store each look-up by it reads a page of its own. So once some look-ups
 * have found neighbours, the keys of the rows that come next are read, and who
 * asks for one of them is told its number. That is a hint: the key is compared in
 * the row.
 */
#ifndef CACHE_AHEAD_H
#define CACHE_AHEAD_H

#include "cache/internal.h"

/* The number of the row that may have this key and sample; 0: no idea. */
int64_t ahead_row(const struct store *s, int64_t key64, int sample);

/* A look-up has found this row; `hinted`: where ahead_row() said. More rows may
 * be read. */
int ahead_found(struct store *s, int64_t row, bool hinted, struct err *e);

void ahead_free(struct store *s);

#endif
