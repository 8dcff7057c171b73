/*
 * store.h -- one SQLite file: every completion that was ever paid for, and the
 * ledger of what happened. The one door to SQLite.
 *
 * WAL, synchronous=FULL, versioned schema (PRAGMA user_version, migrated
 * forwards in one transaction; a newer version is refused with its number).
 * The file and its -wal and -shm are 0600. Several processes may use one store:
 * writes are collected by the caller and made in one short transaction (BEGIN
 * IMMEDIATE, waiting up to a minute), so nobody sees "database is locked".
 * A handle belongs to one thread.
 */
#ifndef CACHE_STORE_H
#define CACHE_STORE_H

#include "base/arena.h"
#include "base/completion.h"
#include "base/err.h"
#include "base/sha256.h"

struct store; /* opaque */

#define STORE_CREATE   (1u << 0) /* make the file and its folders (0700) */
#define STORE_READONLY (1u << 1)

/* `path` may be ":memory:". ERR_STORE with one clear line: no such folder, not
 * a frugal store, damaged (says how to recover), newer version, no permission,
 * read-only, disk full. */
int store_open(struct store **out, const char *path, unsigned flags,
    struct err *e);
/* How a request that an older version has kept is known today: its canonical
 * form and key, from the form that was kept. Asked by every store_open() that
 * follows and brings a file forwards; without it they stay as they are. */
void store_renew_with(int (*renew)(struct str old, struct buf *canon,
    unsigned char key[SHA256_BYTES], struct err *e));
/* NULL is fine; rolls back. A log of up to 256 KB stays beside the file for
 * the next one; the file alone is then not the whole store. */
void store_close(struct store *s);
const char *store_path(const struct store *s);

/* $FRUGAL_STORE, else $XDG_STATE_HOME/frugal/store.db, else
 * ~/.local/state/frugal/store.db. */
int store_default_path(struct buf *out, struct err *e);

/* A transaction; writes outside one are refused as a bug. After a failed commit
 * nothing of the transaction is kept. store_commit syncs, unless the
 * transaction was begun with store_begin_unsynced(): that one survives the
 * death of the process at once, and the machine's from the next synced commit
 * on, of whichever process, or when the system has written its files. ERR_STORE
 * too when the file was moved or deleted. */
int store_begin(struct store *s, struct err *e);
int store_begin_unsynced(struct store *s, struct err *e);
int store_commit(struct store *s, struct err *e);
void store_rollback(struct store *s);

/* Many look-ups, no writes: they see one state of the file, and cost half. To be
 * let go before a transaction, and before waiting for anything: while it is
 * held the write-ahead log cannot be emptied. */
int store_hold(struct store *s, struct err *e);
int store_let_go(struct store *s, struct err *e);

/*
 * Completions. A request is known by the SHA-256 of its canonical form (JSON,
 * see cascade/key.h); its answers are numbered: samples 0, 1, 2, ... up to
 * STORE_SAMPLES - 1. Layout: a rowid table, and an index in two levels on the first
 * 64 bits of the key and the number of the sample (cache/keys.h); the key is compared
 * in the row. The text of a request is in one row of its samples.
 */
#define STORE_SAMPLES 4096

struct request_row {
	unsigned char key[SHA256_BYTES];
	struct str canon;    /* canonical JSON of the whole request */
	struct str provider; /* as in the configuration */
	struct str model;    /* as asked for */
};

/* 1: found, *out in arena memory and its row number in *row; 0: not there;
 * -1: *e. `any_finish` also gives back answers that are cut off or refused. */
int store_get(struct store *s, const unsigned char key[SHA256_BYTES],
    int sample, bool any_finish, struct arena *a, struct completion *out,
    int64_t *row, struct err *e);
/* Keep, in place of the same sample if it is there. *row (may be NULL) gets the
 * row number, which is never that of another. */
int store_put(struct store *s, const struct request_row *q, int sample,
    const struct completion *c, int64_t *row, struct err *e);
/* By row number, for the ledger's references. `sample` may be NULL. 1, 0, -1. */
int store_get_row(struct store *s, int64_t row, struct arena *a,
    struct completion *out, int *sample, struct err *e);

/* The request that a completion of this row number answers. 1, 0, -1. */
int store_get_request(struct store *s, int64_t row, struct arena *a,
    struct request_row *out, struct err *e);

/*
 * What `frugal cache` does. Text in a struct cached_row is borrowed for the
 * call of `each`; each returns false to stop.
 */
struct cached_row {
	int64_t row;
	struct request_row request;
	int sample;
	struct completion c;
	int64_t kept_utc_ms;
};
struct cache_filter { /* zeroed: everything */
	struct str model;     /* "provider/model" or "model" or a * glob of either */
	int64_t before_utc_ms; /* kept before; 0: any */
	int64_t after_utc_ms;  /* kept at or after; 0: any */
	struct str contains;   /* in prompt or answer, case-insensitive ASCII */
	struct str key_prefix; /* hex digits */
	int64_t limit;         /* newest first; 0: all, oldest first: in the order
	                          in which they were kept */
};
int store_each(struct store *s, const struct cache_filter *f,
    bool (*each)(void *cookie, const struct cached_row *row), void *cookie,
    struct err *e);
/* The same of a damaged store, oldest first, whatever the limit: what cannot be read
 * is passed over. *gaps: how often that was. */
int store_salvage(struct store *s, const struct cache_filter *f,
    bool (*each)(void *cookie, const struct cached_row *row), void *cookie,
    int64_t *gaps, struct err *e);
struct cache_totals {
	int64_t requests, completions, file_bytes;
	int64_t cost_picousd;   /* of all that have a known cost */
	int64_t unknown_cost;   /* completions without */
	int64_t oldest_utc_ms, newest_utc_ms; /* 0: none */
};
int store_totals(struct store *s, struct cache_totals *out, struct err *e);
/* Totals by provider/model, dearest first; file_bytes is 0. */
int store_totals_by_model(struct store *s, bool (*each)(void *cookie,
    struct str provider, struct str model, const struct cache_totals *t),
    void *cookie, struct err *e);
/* Delete what the filter names (limit is ignored) and give the number of
 * completions; in batches, so that other processes get their turn. The ledger
 * keeps its rows (their answers' texts are gone). */
int store_delete(struct store *s, const struct cache_filter *f,
    int64_t *deleted, struct err *e);
/* Delete the oldest until the file would fit into max_bytes, then shrink it.
 * Refuses, and deletes nothing, when the ledger alone would not fit. */
int store_shrink(struct store *s, int64_t max_bytes, int64_t *deleted,
    struct err *e);
int store_vacuum(struct store *s, struct err *e);
int store_clear(struct store *s, bool ledger_too, struct err *e);
/* PRAGMA integrity_check, every row against its hash, and the index against the
 * rows; 0: sound. */
int store_check(struct store *s, struct err *e);
/* Make the index anew from the completions. */
int store_repair(struct store *s, struct err *e);

/* The stored requests most like `canon` (same messages first, then newest),
 * at most `limit`, for `cache explain`. `messages` is the canonical JSON of
 * the member "messages". */
int store_similar(struct store *s, struct str messages, int limit,
    bool (*each)(void *cookie, const struct cached_row *row), void *cookie,
    struct err *e);

#endif
