/*
 * segments.h -- the ledger in the file. Private to cache/.
 *
 * All that one transaction has to say (tasks that have ended, requests that were
 * asked or have ended) is one row of the table `segments`, as bytes (entry.h):
 * a row for each would cost more than everything else that a request costs
 * here. Tasks are numbered through, and so are segments.
 *
 * What SQL cannot look into is summed up every SUMMARY_TASKS tasks or so many
 * segments, in the transaction that comes to it: a row of `summaries` says of all
 * segments since the one before what `stats` wants to know (tally.h), which requests are under
 * way at its end, and a hash of the id of each task, by which one is found. What
 * comes after the last summary is read entry by entry.
 */
#ifndef CACHE_SEGMENTS_H
#define CACHE_SEGMENTS_H

#include "cache/entry.h"
#include "cache/internal.h"
#include "cache/tally.h"

#define SUMMARY_TASKS 512

/* --- writing, inside a transaction ----------------------------------------- */

/* What the transaction has to say so far; both are appended to. Those of another
 * run are written before. The run is registered if it is not. */
int segments_tasks(struct store *s, struct str run, struct str source,
    struct buf **tasks, int64_t *at_utc_ms, struct err *e);
int segments_asks(struct store *s, struct buf **asks, struct err *e);
/* After a task was appended. */
int segments_count_task(struct store *s, const struct ledger_task *t,
    struct err *e);
/* After the end of a request was. */
int segments_count_end(struct store *s, const struct entry_end *end,
    struct err *e);
/* The number that a new completion gets; never given twice. */
int segments_new_completion(struct store *s, int64_t *id, struct err *e);
/* The number of the next task; only for a file that is brought forwards. */
int segments_set_next(struct store *s, int64_t task, int64_t completion,
    struct err *e);

/* Before the commit; after the commit or rollback. */
int segments_flush(struct store *s, struct err *e);
void segments_forget(struct store *s);
/* Throw the whole ledger away, but for what is under way and for the numbers. */
int segments_clear(struct store *s, struct err *e);

/* --- reading ----------------------------------------------------------------- */

struct segment {
	int64_t id;
	int64_t first, tasks; /* the number of its first task, and how many */
	int64_t run, at_utc_ms;
	struct str asks, entries; /* borrowed until the next; entries are empty
	                             where they were not asked for */
};
struct segment_range {
	int64_t after, upto; /* ids; 0: open */
	int64_t but_run, but_from; /* those of a run from an id on are left out;
	                              0: none */
	bool newest_first;
	bool asks_alone;
};
/* `each`: 1 goes on, 0 ends it, -1 with *e. It may read the store. */
int segments_each(struct store *s, const struct segment_range *r,
    int (*each)(void *cookie, const struct segment *g, struct err *e),
    void *cookie, struct err *e);
/* The segment in which a task has this number; its bounds as a range. 1, 0, -1. */
int segments_of_number(struct store *s, int64_t number,
    struct segment_range *r, struct err *e);

/* Can this be a number of a segment, task or completion, or a count of them? A
 * file that was tampered with may have others; sums of two of these are safe. */
static inline bool
store_is_number(int64_t n)
{
	return n >= 0 && n < INT64_C(1) << 61;
}

struct summary {
	int64_t upto, after;             /* of segments in (after, upto] */
	int64_t from_utc_ms, to_utc_ms;  /* of all in it, inclusive */
	struct str tally, open, ids;     /* borrowed until the next */
};
/* Oldest first, or newest first. */
int summaries_each(struct store *s, bool newest_first,
    int (*each)(void *cookie, const struct summary *m, struct err *e),
    void *cookie, struct err *e);
/* The last segment that is summed up, and the number of the last task in it; 0:
 * none. */
int summaries_last(struct store *s, int64_t *upto, int64_t *task,
    struct err *e);
/* Is such an id perhaps among these? */
bool summary_may_have(const struct summary *m, struct str id);
/* Sum up what has no summary yet, if it is enough, or `all` of it. */
int summaries_add(struct store *s, bool all, struct err *e);

/*
 * What this process has to say is counted as it says it, so that its own
 * segments need not be read again for a summary: those of run `own_run` from
 * segment `own_first` on. After a rollback, or where another process has made a
 * summary meanwhile, they are read like all others.
 */
struct summing;
int summaries_note_task(struct store *s, const struct ledger_task *t,
    struct err *e);
int summaries_note_end(struct store *s, const struct entry_end *end,
    struct err *e);
void summaries_forget(struct store *s);

/* --- asks.c ------------------------------------------------------------------ */

/* What is under way, as entries of those that were asked. */
int asks_open_encode(struct store *s, struct buf *out, struct err *e);
/* After the commit, or after a rollback. */
void asks_committed(struct store *s);
void asks_rolled_back(struct store *s);
void asks_free(struct store *s);

#endif
