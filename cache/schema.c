/*
 * schema.c -- the tables, how a file becomes a store of this version, and the
 * one function that SQL lacks.
 *
 * A store is known by its application_id and says its version in user_version;
 * both are written in the transaction that makes or changes the tables.
 */
#include "base/clock.h"
#include "cache/keys.h"

#define VERSION 3

#define WAL_WAIT_MS 60000
#define WAL_PAUSE_MS 5

/*
 * Numbers of enums and the names of columns are the file's format: a released
 * one is never changed.
 *
 * A completion's id is never used twice: the ledger refers to it when the
 * completion is long deleted. Long columns stand last, so that a walk over the
 * short ones leaves overflow pages alone.
 */
static const char tables_2[] =
	"CREATE TABLE completions ("
	" id INTEGER PRIMARY KEY,"
	" key64 INTEGER NOT NULL," /* the first 64 bits of key */
	" sample INTEGER NOT NULL," /* 0, 1, ... of the request */
	" kept_utc_ms INTEGER NOT NULL,"
	" cost_picousd INTEGER," /* NULL: unknown */
	" key BLOB NOT NULL,"
	" provider TEXT NOT NULL,"
	" asked_model TEXT NOT NULL,"
	" details BLOB NOT NULL," /* tokens billed and more: see completions.c */
	" text TEXT NOT NULL,"
	" tokens BLOB," /* see completions.c; NULL: no log-probabilities */
	" canon TEXT);" /* of the request; NULL: with another sample of it */

	"CREATE TABLE runs ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT," /* locked in <store>-live */
	" word TEXT NOT NULL,"
	" source TEXT NOT NULL,"
	" pid INTEGER NOT NULL,"
	" started_utc_ms INTEGER NOT NULL);"

	"CREATE TABLE segments ("
	" id INTEGER PRIMARY KEY," /* 1, 2, ... */
	" first INTEGER NOT NULL," /* the number of its first task */
	" run INTEGER NOT NULL," /* of its tasks */
	" at_utc_ms INTEGER NOT NULL,"
	" tasks INTEGER NOT NULL," /* how many */
	" next_completion INTEGER NOT NULL," /* an id that was never used */
	" asks BLOB NOT NULL," /* entry.h */
	" entries BLOB NOT NULL);" /* likewise: the tasks */

	"CREATE TABLE summaries ("
	" upto INTEGER PRIMARY KEY," /* the last segment that it is of */
	" after INTEGER NOT NULL," /* and the one before its first */
	" last_task INTEGER NOT NULL," /* the number of the last task in it */
	" from_utc_ms INTEGER NOT NULL,"
	" to_utc_ms INTEGER NOT NULL,"
	" tally BLOB NOT NULL," /* tally.h */
	" open BLOB NOT NULL," /* requests under way then: entry.h */
	" ids BLOB NOT NULL);" /* 4 bytes of a hash of each task's id */

	"CREATE TABLE days ("
	" day INTEGER PRIMARY KEY," /* UTC days since 1970 */
	" held_picousd INTEGER NOT NULL);"; /* spent, or may yet be */

/* Which completions have a key: see keys.c. */
static const char tables_3[] =
	"CREATE TABLE keys ("
	" key64 INTEGER NOT NULL,"
	" sample INTEGER NOT NULL,"
	" row INTEGER NOT NULL," /* in completions */
	" PRIMARY KEY (key64, sample, row)) WITHOUT ROWID;"

	"CREATE TABLE recent ("
	" id INTEGER PRIMARY KEY," /* rising */
	" clock INTEGER NOT NULL,"
	" entries BLOB NOT NULL);";

/* Version 1 had a row for each request, task and attempt: see migrate.c. */
static const char make_room_for_2[] =
	"ALTER TABLE completions RENAME TO completions_1;"
	"DROP INDEX completions_kept;";

/* Version 2 had an index of SQLite's in place of the tables of keys. A process of
 * that version which has the store open would go on and keep answers without their
 * keys: it is to fail, so a column that it reads and writes has another name. */
static const char leave_2[] =
	"DROP INDEX IF EXISTS completions_key;"
	"ALTER TABLE completions RENAME COLUMN facts TO details;";

enum state { STATE_EMPTY, STATE_CURRENT, STATE_OLDER };

/* A number of the file's header. */
static int
header(struct store *s, const char *pragma, int64_t *out, struct err *e)
{
	struct params p = { 0 };
	int rc = store_prepare(s, pragma, &p, e);

	if (rc == 0)
		rc = store_step(s, &p, "open", e);
	if (rc == 1)
		*out = sqlite3_column_int64(p.stmt, 0);
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : 0;
}

/* What kind of file it is. In one transaction, hence of one moment: another
 * process may be making the tables right now. */
static int
look(struct store *s, enum state *state, int64_t *version, struct err *e)
{
	int64_t application = 0, tables_there = 0;

	*version = 0;
	if (header(s, "PRAGMA application_id", &application, e) < 0
	    || header(s, "PRAGMA user_version", version, e) < 0
	    || (application != APPLICATION_ID && store_int(s,
	    "SELECT count(*) FROM sqlite_schema", &tables_there, e) < 0))
		return -1;
	if (application == 0 && *version == 0 && tables_there == 0)
		*state = STATE_EMPTY;
	else if (application != APPLICATION_ID || *version < 1)
		return err_set(e, ERR_STORE, "'%s' is a database of another "
		    "program, not a store of frugal; choose another file",
		    s->path);
	else if (*version > VERSION)
		return err_set(e, ERR_STORE, "store '%s' is of a newer frugal "
		    "(version %lld, this one knows %d); update frugal",
		    s->path, (long long)*version, VERSION);
	else
		*state = *version < VERSION ? STATE_OLDER : STATE_CURRENT;
	return 0;
}

/* The same, where no transaction is open yet. */
static int
look_once(struct store *s, enum state *state, int64_t *version, struct err *e)
{
	int rc;

	if (store_hold(s, e) < 0)
		return -1;
	rc = look(s, state, version, e);
	if (store_let_go(s, rc < 0 ? NULL : e) < 0)
		rc = -1;
	return rc;
}

/* Alone among locks, the one for this change is not always waited for by
 * SQLite when several processes make the store at once. */
static int
use_wal(struct store *s, struct err *e)
{
	struct params p = { 0 };
	const unsigned char *mode = NULL;
	int64_t until = clock_mono_ms() + WAL_WAIT_MS;
	int rc, done = -1;

	if (store_prepare(s, "PRAGMA journal_mode = WAL", &p, e) < 0)
		goto out;
	rc = sqlite3_step(p.stmt);
	while ((rc & 0xff) == SQLITE_BUSY && clock_mono_ms() < until) {
		sqlite3_reset(p.stmt);
		sqlite3_sleep(WAL_PAUSE_MS);
		rc = sqlite3_step(p.stmt);
	}
	if (rc != SQLITE_ROW) {
		store_fail(s, rc, "set up", e);
		goto out;
	}
	mode = sqlite3_column_text(p.stmt, 0);
	/* A store in memory has a journal of its own kind. */
	if (mode && !str_is(str_of((const char *)mode), "wal") &&
	    !str_is(str_of((const char *)mode), "memory")) {
		err_set(e, ERR_STORE, "cannot set up store '%s': its file "
		    "system allows no write-ahead log; choose a local folder",
		    s->path);
		goto out;
	}
	done = 0;
out:
	sqlite3_finalize(p.stmt);
	return done;
}

/* From an older version, or from nothing (0). */
static int
bring_forwards(struct store *s, int64_t version, struct err *e)
{
	if (version == 1 && store_exec(s, make_room_for_2, "set up", e) < 0)
		return -1;
	if (version < 2 && store_exec(s, tables_2, "set up", e) < 0)
		return -1;
	if (store_exec(s, tables_3, "set up", e) < 0
	    || (version == 1 && migrate_1(s, e) < 0)
	    || (version > 0 && keys_rebuild(s, e) < 0)
	    || (version == 2 && store_exec(s, leave_2, "set up", e) < 0))
		return -1;
	return store_exec(s, "PRAGMA application_id = " TEXT(APPLICATION_ID) ";"
	    "PRAGMA user_version = " TEXT(VERSION), "set up", e);
}

/* Bring the file to this version, whatever another process did since it was last
 * looked at. */
static int
migrate(struct store *s, struct err *e)
{
	enum state state;
	int64_t version;

	if (store_begin(s, e) < 0)
		return -1;
	if (look(s, &state, &version, e) < 0 || (version < VERSION
	    && bring_forwards(s, version, e) < 0)) {
		store_rollback(s);
		return -1;
	}
	return store_commit(s, e);
}

static void
sum_step(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	int64_t *sum = sqlite3_aggregate_context(ctx, sizeof(*sum));
	int64_t more = sqlite3_value_int64(v[0]); /* 0 for NULL */

	(void)n;
	if (!sum)
		sqlite3_result_error_nomem(ctx);
	else if (__builtin_add_overflow(*sum, more, sum))
		*sum = more < 0 ? INT64_MIN : INT64_MAX;
}

static void
sum_final(sqlite3_context *ctx)
{
	int64_t *sum = sqlite3_aggregate_context(ctx, 0);

	sqlite3_result_int64(ctx, sum ? *sum : 0);
}

/* SQL's own sum() fails where it overflows. Here money saturates, as it does
 * everywhere, and the sum of nothing is 0. */
static int
add_functions(struct store *s, struct err *e)
{
	int rc = sqlite3_create_function_v2(s->db, "sum_saturating", 1,
	    SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, NULL, sum_step,
	    sum_final, NULL);

	return rc == SQLITE_OK ? 0 : store_fail(s, rc, "open", e);
}

/* A store that has no write-ahead log was made by SQL: recovered from a damaged one,
 * say. Rows of any table may be missing; without its key a completion would be paid
 * for again. */
static int
adopt(struct store *s, struct err *e)
{
	struct params p = { 0 };
	bool ours = false;
	int rc = store_prepare(s, "PRAGMA journal_mode", &p, e);

	if (rc == 0)
		rc = store_step(s, &p, "open", e);
	if (rc == 1) {
		struct str mode = str_of((const char *)
		    sqlite3_column_text(p.stmt, 0));
		ours = str_is(mode, "wal") || str_is(mode, "memory");
	}
	sqlite3_finalize(p.stmt);
	if (rc < 0 || ours)
		return rc < 0 ? -1 : 0;
	/* In this order: who is killed in between, or comes in between, does it
	 * again. */
	return store_repair(s, e) < 0 ? -1 : use_wal(s, e);
}

int
schema_open(struct store *s, bool create, struct err *e)
{
	enum state state;
	int64_t version;

	if (add_functions(s, e) < 0 || completions_add_function(s, e) < 0
	    || look_once(s, &state, &version, e) < 0)
		return -1;
	switch (state) {
	case STATE_CURRENT:
		return s->readonly ? 0 : adopt(s, e);
	case STATE_EMPTY:
		if (!create)
			return err_set(e, ERR_STORE, "no store at '%s' yet: "
			    "nothing has been kept", s->path);
		return use_wal(s, e) < 0 ? -1 : migrate(s, e);
	case STATE_OLDER:
		if (s->readonly)
			return err_set(e, ERR_STORE, "store '%s' is of an "
			    "older frugal (version %lld) and opened for "
			    "reading alone; use it once for writing", s->path,
			    (long long)version);
		return use_wal(s, e) < 0 ? -1 : migrate(s, e);
	}
	return 0;
}
