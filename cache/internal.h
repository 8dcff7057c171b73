/*
 * internal.h -- what the files of cache/ share. Private to them, and the one
 * place that includes <sqlite3.h>.
 */
#ifndef CACHE_INTERNAL_H
#define CACHE_INTERNAL_H

#include <sqlite3.h>

#include "base/money.h"
#include "cache/store.h"

#define APPLICATION_ID 0x6672676c /* "frgl", of every version */

/* What to do with a damaged store; of its path. */
#define SALVAGE "save what can be read with: frugal cache export --salvage " \
	"--store %s -o FILE; then move it away and import FILE"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

/* Statements that are prepared once, when they are first needed. */
enum stmt_id {
	STMT_BEGIN, STMT_COMMIT, STMT_ROLLBACK, STMT_HOLD,
	STMT_KEYS, STMT_KEYS_ALL, STMT_KEYS_PUT, STMT_KEYS_DELETE,
	STMT_CLOCK, STMT_RECENT, STMT_RECENT_PUT, STMT_RECENT_DELETE,
	STMT_GET, STMT_GET_SETTLED, STMT_GET_ROW, STMT_AHEAD,
	STMT_FIND, STMT_OF_KEY, STMT_PUT, STMT_WITH_TEXT, STMT_HAND_ON, STMT_DELETE,
	STMT_SYNC_FULL, STMT_SYNC_NORMAL, STMT_DATA_VERSION,
	STMT_LAST_COMPLETION, STMT_NUMBERS, STMT_SEGMENT_PUT,
	STMT_SUMMED, STMT_SUMMARY_PUT,
	STMT_DAY_ADD, STMT_DAY_GET,
	STMT_COUNT
};

/* What the open transaction has to say to the ledger: see segments.h. */
struct pending {
	struct buf asks, tasks; /* entries */
	int64_t n_tasks;
	int64_t run;            /* of the tasks */
	int64_t at_utc_ms;
	bool any;               /* there is something to write */
};

struct store {
	sqlite3 *db;
	char *path;
	bool readonly;
	bool is_open; /* and known to be a store */
	bool fresh; /* the file was made or filled by this handle */
	bool writing; /* between store_begin and its end */
	bool spoiled; /* a write failed: nothing but a rollback is left */
	bool full;    /* synchronous is FULL, else NORMAL */
	bool damaged; /* there was damage; store_salvage() wants to know */
	int error;    /* errno of the last step that failed, or 0 */
	int64_t txn;  /* the number of the transaction, rising */
	int64_t snapshot; /* likewise of the state that is held or written to */

	/* segments.c */
	struct pending pending;
	int64_t next_segment;    /* 0: none of them is known */
	int64_t next_task, next_completion;
	int64_t summed_upto, summed_task; /* the last with a summary */
	int64_t numbers_of;      /* the transaction in which they are known */
	int64_t numbers_version; /* of the store, when they were read */
	int64_t run_id;          /* the run last written to the table, */
	struct buf run_word, run_source;
	int64_t run_of;          /* in this transaction */
	struct summing *own;     /* summaries.c; NULL: nothing counted */

	/* asks.c */
	int live;     /* its file; -1: not open */
	int64_t run;  /* this process among those that ask; 0: not yet */
	int64_t new_run;         /* the same, until it is committed */
	int64_t n_asks;          /* asked by this process so far */
	struct open_asks *open;  /* NULL: not looked at yet */
	int64_t day, day_change; /* not yet written: see asks_flush() */

	struct keys *keys;   /* keys.c; NULL: nothing was looked up or kept */
	struct ahead *ahead; /* ahead.c; NULL: nothing was looked up */

	sqlite3_stmt *stmt[STMT_COUNT];
};

/*
 * Parameters in the order of the statement, and the columns of a row in the
 * order of the query: a failure is remembered, to be looked at once.
 */
struct params {
	sqlite3_stmt *stmt;
	int n;
	int rc; /* of the first bind that failed, else SQLITE_OK */
};

static inline void
param_rc(struct params *p, int rc)
{
	if (p->rc == SQLITE_OK)
		p->rc = rc;
}

static inline void
param_int(struct params *p, int64_t v)
{
	param_rc(p, sqlite3_bind_int64(p->stmt, ++p->n, v));
}

static inline void
param_null(struct params *p)
{
	param_rc(p, sqlite3_bind_null(p->stmt, ++p->n));
}

/* What is unknown is NULL in the file, so that SQL leaves it out of sums. */
static inline void
param_known(struct params *p, int64_t v, int64_t unknown)
{
	if (v == unknown)
		param_null(p);
	else
		param_int(p, v);
}

static inline void
param_real(struct params *p, double v)
{
	param_rc(p, sqlite3_bind_double(p->stmt, ++p->n, v));
}

/* Borrowed until the statement is reset. */
static inline void
param_text(struct params *p, struct str s)
{
	param_rc(p, sqlite3_bind_text64(p->stmt, ++p->n, s.n ? s.p : "", s.n,
	    SQLITE_STATIC, SQLITE_UTF8));
}

static inline void
param_blob(struct params *p, struct str s)
{
	param_rc(p, sqlite3_bind_blob64(p->stmt, ++p->n, s.n ? s.p : "", s.n,
	    SQLITE_STATIC));
}

struct columns {
	sqlite3_stmt *stmt;
	int n;
	struct arena *arena; /* NULL: texts are borrowed until the next step */
	bool failed;         /* out of memory */
};

static inline int64_t
column_int(struct columns *c)
{
	return sqlite3_column_int64(c->stmt, c->n++);
}

static inline int64_t
column_known(struct columns *c, int64_t unknown)
{
	if (sqlite3_column_type(c->stmt, c->n) == SQLITE_NULL) {
		c->n++;
		return unknown;
	}
	return column_int(c);
}

static inline double
column_real(struct columns *c)
{
	return sqlite3_column_double(c->stmt, c->n++);
}

/* Borrowed until the next step, whatever the arena. */
static inline struct str
column_blob(struct columns *c)
{
	const char *p = sqlite3_column_blob(c->stmt, c->n);
	struct str s = { p, (size_t)sqlite3_column_bytes(c->stmt, c->n) };

	c->failed = c->failed || (!p && s.n);
	c->n++;
	return p ? s : STR("");
}

/* Not by sqlite3_column_text(), which makes a copy to end it with a NUL. */
static inline struct str
column_text(struct columns *c)
{
	struct str s = column_blob(c);

	if (c->arena && !arena_str(c->arena, s, &s))
		c->failed = true;
	return s;
}

/*
 * store.c. `doing` completes "cannot ...".
 */

/* Fill *e with what SQLite's rc, just returned, means, in one line. -1. */
int store_fail(struct store *s, int rc, const char *doing, struct err *e);
/* The statement kept under `id`, ready to be bound. */
int store_stmt(struct store *s, enum stmt_id id, const char *sql,
    struct params *out, struct err *e);
/* A statement for one use; the caller finalizes out->stmt, also after -1. */
int store_prepare(struct store *s, const char *sql, struct params *out,
    struct err *e);
/* Step a bound statement. 1: a row, 0: the end, -1: *e. */
int store_step(struct store *s, struct params *p, const char *doing,
    struct err *e);
/* Step a kept statement without results to its end and let go of its
 * parameters. */
int store_run(struct store *s, struct params *p, const char *doing,
    struct err *e);
/* Let go of the row and the snapshot of a kept statement. Whoever uses it next
 * binds every parameter anew. */
void store_reset(struct params *p);
/* Statements without parameters or results. */
int store_exec(struct store *s, const char *sql, const char *doing,
    struct err *e);
/* The first column of the first row of a query without parameters. */
int store_int(struct store *s, const char *sql, int64_t *out, struct err *e);
/* Refuse a write outside a sound transaction; a whole operation inside one. */
int store_must_write(struct store *s, struct err *e);
int store_must_not_write(struct store *s, struct err *e);
/* Several questions about one state of the store. *mine: it was not held before,
 * and is to be let go. */
int store_look(struct store *s, bool *mine, struct err *e);
int store_looked(struct store *s, bool mine, struct err *e);
/* The first 64 bits of a key. */
int64_t store_key64(const unsigned char key[SHA256_BYTES]);

/*
 * segments.c
 */

/* The number of a run, which is registered if it is not. */
int store_run_id(struct store *s, struct str run, struct str source,
    int64_t *id, struct err *e);
/* Those with this word, the caller's to free; NULL for all if it is empty. */
int store_runs(struct store *s, struct str run, int64_t **out, size_t *n,
    struct err *e);
/* Its word and source, in arena memory. */
int store_run_words(struct store *s, int64_t id, struct arena *a,
    struct str *run, struct str *source, struct err *e);

/*
 * asks.c. What the open transaction changes of a day's sum, to be written
 * before the commit.
 */
int asks_flush(struct store *s, struct err *e);

/*
 * schema.c. Refuses a file that is not a store of this version or an older
 * one; lays out an empty one if `create`.
 */
int schema_open(struct store *s, bool create, struct err *e);

/*
 * migrate.c. What version 1 has kept, into the tables of version 2; inside the
 * transaction that made them.
 */
int migrate_1(struct store *s, struct err *e);

/*
 * completions.c
 */

/* What completions_read() reads, of completions AS c. */
#define COMPLETION_COLUMNS "c.id, c.details, c.text, c.tokens"

/* The next columns, in memory of col->arena. */
int completions_read(struct store *s, struct columns *col,
    struct completion *out, int64_t *row, struct err *e);
/* What says which one it is and when it was kept. */
struct completion_place {
	int64_t row;
	int sample;
	int64_t kept_utc_ms;
};
/* The next column as the tokens of a completion; NULL: none. */
int completions_tokens(struct store *s, struct columns *col,
    struct completion *out, struct err *e);
/* A new row, or in place of the one with this number; inside a transaction.
 * `canon`: the text of the request is to be kept with it. The index (keys.h) is
 * the caller's. */
int completions_put(struct store *s, const struct completion_place *at,
    const struct request_row *q, bool canon, const struct completion *c,
    struct err *e);

/* A row of the request, other than `but` (0: any), that has its text, or that has
 * not; *canon (may be NULL) gets the text, in memory of the arena. 1, 0, -1. */
int completions_of_key(struct store *s, const unsigned char key[SHA256_BYTES],
    bool with_text, int64_t but, int64_t *row, struct arena *a,
    struct str *canon, struct err *e);
/* For SQL: the text of the request that a row of completions AS c answers. It is
 * with one of the samples. */
#define REQUEST_TEXT "coalesce(c.canon, request_text(c.key))"
int completions_add_function(struct store *s, struct err *e);

/*
 * SQL for "is this model meant by `arg`": "provider/model", "model", or a
 * pattern of either in which * alone is special.
 */
#define SQL_GLOB(arg) "replace(replace(" arg ", '[', '[[]'), '?', '[?]')"
#define SQL_MODEL_IS(full, part, arg) "(" arg " = '' OR " \
	full " GLOB " SQL_GLOB(arg) " OR " part " GLOB " SQL_GLOB(arg) ")"

/* Parameters for bounds of time; 0 is open. */
static inline int64_t
since_or_open(int64_t utc_ms)
{
	return utc_ms ? utc_ms : INT64_MIN;
}

static inline int64_t
until_or_open(int64_t utc_ms)
{
	return utc_ms ? utc_ms : INT64_MAX;
}

#endif
