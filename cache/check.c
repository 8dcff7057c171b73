/*
 * check.c -- is what is kept as it was written, and is it found? And the index made
 * anew where it is not.
 */
#include <string.h>

#include "base/rand.h"
#include "cache/gather.h"
#include "cache/keys.h"

/* What a row costs stands in its sealed facts, and in a column of its own that
 * SQL sums up. They must agree; here are both, of all rows in any order. */
static uint64_t
cost_of_row(int64_t row, int64_t picousd)
{
	int64_t both[] = { row, picousd };

	return hash64((struct str){ (const char *)both, sizeof(both) }, 0);
}

/* Sums over all rows; see cost_of_row() and keys_hash(). */
struct sums {
	uint64_t costs, keys;
};

static bool
pass_row(void *cookie, const struct cached_row *row)
{
	struct sums *sums = cookie;

	sums->costs += cost_of_row(row->row, row->c.cost_picousd);
	sums->keys += keys_hash(store_key64(row->request.key), row->sample,
	    row->row);
	return true;
}

/* What the columns say that SQL and the index rely on. */
static int
sum_columns(struct store *s, struct sums *sums, struct err *e)
{
	struct params p;
	int rc = store_prepare(s, "SELECT id, cost_picousd, key64, sample"
	    " FROM completions", &p, e);

	*sums = (struct sums){ 0 };
	while (rc >= 0 && (rc = store_step(s, &p, "check", e)) == 1) {
		int64_t row = sqlite3_column_int64(p.stmt, 0);
		int type = sqlite3_column_type(p.stmt, 1);

		sums->costs += cost_of_row(row, type == SQLITE_NULL
		    ? MONEY_UNKNOWN : sqlite3_column_int64(p.stmt, 1));
		sums->keys += keys_hash(sqlite3_column_int64(p.stmt, 2),
		    sqlite3_column_int(p.stmt, 3), row);
		if (type != SQLITE_NULL && type != SQLITE_INTEGER)
			rc = store_fail(s, SQLITE_CORRUPT, "check", e);
	}
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : 0;
}

/* Everything that is kept must be found again. */
static int
check_index(struct store *s, uint64_t keys, struct err *e)
{
	uint64_t sum;

	if (keys_sum(s, &sum, e) < 0)
		return -1;
	return sum == keys ? 0 : err_set(e, ERR_STORE, "the index of store "
	    "'%s' does not fit what is kept: some of it would be paid for "
	    "again; make it anew with: frugal cache check --repair", s->path);
}

static int
pass_task(void *cookie, const struct ledger_task *t, struct err *e)
{
	(void)cookie;
	(void)t;
	(void)e;
	return 0;
}

static int
check_completions(struct store *s, struct err *e)
{
	const struct cache_filter everything = { 0 };
	struct sums rows = { 0 }, columns;

	if (store_each(s, &everything, pass_row, &rows, e) < 0
	    || sum_columns(s, &columns, e) < 0)
		return -1;
	if (rows.costs != columns.costs || rows.keys != columns.keys)
		return store_fail(s, SQLITE_CORRUPT, "check", e);
	return check_index(s, rows.keys, e);
}

/* What SQLite does not look into: to read it is to check it. All of one state,
 * for others may go on writing. */
static int
check_rows(struct store *s, struct err *e)
{
	const struct ledger_filter all = { 0 };
	struct asks_totals t;
	bool mine;
	int rc;

	if (store_look(s, &mine, e) < 0)
		return -1;
	rc = check_completions(s, e);
	if (rc == 0)
		rc = gather_tasks(s, &all, pass_task, NULL, e);
	if (rc == 0)
		rc = asks_totals(s, 0, 0, STR(""), STR(""), &t, e);
	if (store_looked(s, mine, rc < 0 ? NULL : e) < 0)
		rc = -1;
	return rc;
}

int
store_check(struct store *s, struct err *e)
{
	const char *found;
	struct params p;
	int rc = -1;

	if (store_prepare(s, "PRAGMA integrity_check(1)", &p, e) == 0)
		rc = store_step(s, &p, "check", e);
	if (rc >= 0) {
		found = (const char *)sqlite3_column_text(p.stmt, 0);
		rc = found && strcmp(found, "ok") == 0 ? 0 :
		    err_set(e, ERR_STORE, "store '%s' is damaged (%s); "
		    SALVAGE, s->path, found ? found : "out of memory",
		    s->path);
	}
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : check_rows(s, e);
}

int
store_repair(struct store *s, struct err *e)
{
	if (store_begin(s, e) < 0)
		return -1;
	if (keys_rebuild(s, e) < 0) {
		store_rollback(s);
		return -1;
	}
	return store_commit(s, e);
}
