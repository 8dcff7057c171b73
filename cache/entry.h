/*
 * entry.h -- what the ledger says, as bytes: a task with its attempts, a
 * request that was asked, a request that has ended. Private to cache/.
 *
 * A segment of the ledger (segments.h) is these one after another. The formats
 * are the file's: a released one is never changed. See base/pack.h for numbers
 * and texts; what is read may be damaged, and is checked.
 */
#ifndef CACHE_ENTRY_H
#define CACHE_ENTRY_H

#include "base/pack.h"
#include "cache/asks.h"
#include "cache/ledger.h"

/*
 * What the file has as bytes begins with 8 bytes of a hash of the rest, so that
 * nothing is made of what was changed by a disk or a hand. Nothing at all is no
 * bytes. What is to be sealed begins with SEAL_BYTES of room.
 */
#define SEAL_BYTES PACK_FIXED
struct str entry_seal(struct buf *b);
/* False: it is not what was sealed. */
bool entry_unseal(struct str *bytes);
/* As unpack_known(); less than nothing is damage: u->bad. */
int64_t entry_unpack_money(struct unpack *u);

/* --- tasks ------------------------------------------------------------------- */

/* Append one; `at_utc_ms` is that of its segment. False: out of memory. */
bool entry_put_task(struct buf *b, const struct ledger_task *t,
    int64_t at_utc_ms);
/* The bytes of the next one, unread: for those who look for one of many. False
 * at the end, or with u->bad. */
bool entry_next_task(struct unpack *u, struct str *entry);
struct str entry_task_id(struct str entry); /* empty if damaged */
/* Texts are borrowed from the entry, arrays are in the arena; number, run and
 * source are left empty. 1, 0: damaged, -1: out of memory. */
int entry_get_task(struct str entry, int64_t at_utc_ms, struct arena *a,
    struct ledger_task *out);

/* --- requests ---------------------------------------------------------------- */

/* Asked: id is unique among all processes (asks.c). */
struct entry_ask {
	int64_t id, key64;
	int64_t first, last;
	int64_t asked_utc_ms, until_utc_ms;
	int64_t worst_picousd; /* or MONEY_UNKNOWN */
	struct str model;
};
/* Ended; with what was asked, so that sums need not look for it. */
struct entry_end {
	struct entry_ask ask; /* id, asked_utc_ms and model alone */
	enum ask_outcome outcome;
	int status;
	struct str code;
	int64_t ended_utc_ms;
	int64_t cost_picousd;  /* or MONEY_UNKNOWN */
	bool booked;
};

bool entry_put_ask(struct buf *b, const struct entry_ask *a);
bool entry_put_end(struct buf *b, const struct entry_end *e);
/* The next one. False at the end, or with u->bad. `*ended` tells which it is;
 * of one that was asked, out->ask alone is filled in. Texts are borrowed. */
bool entry_next_ask(struct unpack *u, bool *ended, struct entry_end *out);

#endif
