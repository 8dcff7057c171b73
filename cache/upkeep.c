/*
 * upkeep.c -- looking through what is kept, also where the file is damaged, and
 * throwing some of it away.
 *
 * Nothing here holds the write lock for longer than one batch of rows takes,
 * except where the whole file is rewritten (VACUUM).
 */
#include <inttypes.h>
#include <string.h>

#include "cache/keys.h"
#include "cache/segments.h"

#define BATCH 512 /* rows deleted in one transaction */

/*
 * What a struct cache_filter names; bound by param_filter(). Of a request the
 * text of its messages is searched, not the JSON around it.
 */
#define FILTER \
	" FROM completions c" \
	" WHERE c.kept_utc_ms < ?1 AND c.kept_utc_ms >= ?2" \
	" AND " SQL_MODEL_IS("(c.provider || '/' || c.asked_model)", \
	    "c.asked_model", "?3") \
	" AND (?4 = '' OR instr(lower(c.text), lower(?4)) OR EXISTS" \
	"  (SELECT 1 FROM json_tree(CASE WHEN json_valid(" REQUEST_TEXT ")" \
	"   THEN " REQUEST_TEXT " END, '$.messages') j WHERE j.type = 'text'" \
	"   AND j.key NOT IN ('role', 'type')" \
	"   AND instr(lower(j.atom), lower(?4))))" \
	" AND substr(hex(c.key), 1, length(?5)) = upper(?5)"

#define ROW_COLUMNS \
	"c.key, " REQUEST_TEXT ", c.provider, c.asked_model, c.sample," \
	" c.kept_utc_ms, " COMPLETION_COLUMNS

typedef bool each_row(void *cookie, const struct cached_row *row);

static void
param_filter(struct params *p, const struct cache_filter *f)
{
	param_int(p, until_or_open(f->before_utc_ms));
	param_int(p, since_or_open(f->after_utc_ms));
	param_text(p, f->model);
	param_text(p, f->contains);
	param_text(p, f->key_prefix);
}

/* ROW_COLUMNS, but for the first. */
static int
read_row(struct store *s, struct columns *col, struct cached_row *r,
    struct err *e)
{
	r->request.canon = column_text(col);
	r->request.provider = column_text(col);
	r->request.model = column_text(col);
	r->sample = (int)column_int(col);
	r->kept_utc_ms = column_int(col);
	return completions_read(s, col, &r->c, &r->row, e);
}

/* Hand the rows of a bound statement of ROW_COLUMNS to `each`. */
static int
each_of(struct store *s, struct params *p, each_row *each, void *cookie,
    struct err *e)
{
	struct arena *a = arena_new(0);
	struct columns col;
	struct cached_row r;
	int rc;

	if (!a)
		return err_nomem(e);
	while ((rc = store_step(s, p, "read", e)) == 1) {
		arena_clear(a);
		col = (struct columns){ .stmt = p->stmt, .n = 1, .arena = a };
		r = (struct cached_row){ 0 };
		if (sqlite3_column_bytes(p->stmt, 0) != SHA256_BYTES) {
			rc = store_fail(s, SQLITE_CORRUPT, "read", e);
			break;
		}
		memcpy(r.request.key, sqlite3_column_blob(p->stmt, 0),
		    SHA256_BYTES);
		rc = read_row(s, &col, &r, e);
		if (rc < 0 || !each(cookie, &r))
			break;
	}
	arena_free(a);
	return rc < 0 ? -1 : 0;
}

int
store_each(struct store *s, const struct cache_filter *f, each_row *each,
    void *cookie, struct err *e)
{
	struct params p;
	int rc = -1;

	if (store_prepare(s, f->limit > 0 ?
	    "SELECT " ROW_COLUMNS FILTER " ORDER BY c.id DESC LIMIT ?6" :
	    "SELECT " ROW_COLUMNS FILTER " ORDER BY c.id", &p, e) == 0) {
		param_filter(&p, f);
		if (f->limit > 0)
			param_int(&p, f->limit);
		rc = each_of(s, &p, each, cookie, e);
	}
	sqlite3_finalize(p.stmt);
	return rc;
}

/* --- of a damaged store ------------------------------------------------------- */

struct following {
	each_row *each;
	void *cookie;
	int64_t last; /* row */
	bool any;
};

static bool
follow(void *cookie, const struct cached_row *row)
{
	struct following *w = cookie;

	w->last = row->row;
	w->any = true;
	return w->each(w->cookie, row);
}

static bool
ignore(void *cookie, const struct cached_row *row)
{
	*(bool *)cookie = true;
	return row != NULL;
}

/* Rows from a number on, in order, up to the end or to damage. */
static int
each_from(struct store *s, const struct cache_filter *f, int64_t from,
    struct following *w, struct err *e)
{
	struct params p;
	int rc = -1;

	s->damaged = false;
	if (store_prepare(s, "SELECT " ROW_COLUMNS FILTER " AND c.id >= ?6"
	    " ORDER BY c.id", &p, e) == 0) {
		param_filter(&p, f);
		param_int(&p, from);
		rc = each_of(s, &p, follow, w, e);
	}
	sqlite3_finalize(p.stmt);
	return rc;
}

/* Can the first row from this number on be read? 1, 0: there is none, -1. */
static int
is_readable(struct store *s, int64_t from, struct err *e)
{
	struct params p;
	bool row = false;
	int rc = -1;

	s->damaged = false;
	if (store_prepare(s, "SELECT " ROW_COLUMNS " FROM completions c"
	    " WHERE c.id >= ?1 ORDER BY c.id LIMIT 1", &p, e) == 0) {
		param_int(&p, from);
		rc = each_of(s, &p, ignore, &row, e);
	}
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : row;
}

/* From where on it goes on behind damage; nothing before is readable. 1, 0: that was
 * the end, -1: an error that is none of damage. */
static int
behind_damage(struct store *s, int64_t *from, struct err *e)
{
	int64_t bad = *from, good = bad, step = 1;
	int rc = -1;

	while (rc < 0 && good < INT64_MAX - step) {
		good += step;
		step *= 2;
		rc = is_readable(s, good, e);
		if (rc < 0 && !s->damaged)
			return -1;
		if (rc < 0)
			bad = good;
	}
	if (rc < 0)
		return 0; /* whatever there is cannot be read */
	while (good - bad > 1) {
		int64_t middle = bad + (good - bad) / 2;

		rc = is_readable(s, middle, e);
		if (rc < 0 && !s->damaged)
			return -1;
		if (rc < 0)
			bad = middle;
		else
			good = middle;
	}
	*from = good;
	return is_readable(s, good, e);
}

int
store_salvage(struct store *s, const struct cache_filter *f, each_row *each,
    void *cookie, int64_t *gaps, struct err *e)
{
	struct following w = { .each = each, .cookie = cookie };
	int64_t from = 1;
	int rc = 1;

	*gaps = 0;
	while (rc > 0 && each_from(s, f, from, &w, e) < 0) {
		if (!s->damaged)
			return -1;
		++*gaps;
		if (w.any)
			from = w.last + 1;
		w.any = false;
		rc = behind_damage(s, &from, e);
	}
	return rc < 0 ? -1 : 0;
}

int
store_similar(struct store *s, struct str messages, int limit,
    each_row *each, void *cookie, struct err *e)
{
	struct params p;
	int rc = -1;

	/* instr() spares the parsing of nearly every request. */
	if (store_prepare(s, "SELECT " ROW_COLUMNS " FROM"
	    " (SELECT id AS row, CASE WHEN instr(canon, ?1) = 0 THEN 0"
	    "  WHEN json_valid(canon) THEN"
	    "   json_extract(canon, '$.messages') IS ?1"
	    "  ELSE 0 END AS same FROM completions WHERE canon IS NOT NULL"
	    "  ORDER BY same DESC, id DESC LIMIT ?2) likely"
	    " JOIN completions c ON c.id = likely.row"
	    " ORDER BY same DESC, c.id DESC", &p, e) == 0) {
		param_text(&p, messages);
		param_int(&p, limit > 0 ? limit : 0);
		rc = each_of(s, &p, each, cookie, e);
	}
	sqlite3_finalize(p.stmt);
	return rc;
}

#define TOTALS \
	"count(*) AS n, sum_saturating(c.cost_picousd) AS cost," \
	" count(*) - count(c.cost_picousd), coalesce(min(c.kept_utc_ms), 0)," \
	" coalesce(max(c.kept_utc_ms), 0)"

static void
read_totals(struct columns *col, struct cache_totals *t)
{
	*t = (struct cache_totals){ 0 };
	t->requests = column_int(col);
	t->completions = column_int(col);
	t->cost_picousd = column_int(col);
	t->unknown_cost = column_int(col);
	t->oldest_utc_ms = column_int(col);
	t->newest_utc_ms = column_int(col);
}

int
store_totals(struct store *s, struct cache_totals *out, struct err *e)
{
	struct cache_totals t;
	struct columns col;
	struct params p;
	int64_t bytes;
	int rc = -1;

	if (store_prepare(s, "SELECT count(c.canon), " TOTALS
	    " FROM completions c", &p, e) == 0)
		rc = store_step(s, &p, "read", e);
	if (rc == 1) {
		col = (struct columns){ .stmt = p.stmt };
		read_totals(&col, &t);
	}
	sqlite3_finalize(p.stmt);
	if (rc < 0 || store_int(s, "SELECT page_count * page_size"
	    " FROM pragma_page_count, pragma_page_size", &bytes, e) < 0)
		return -1;
	t.file_bytes = bytes;
	*out = t;
	return 0;
}

int
store_totals_by_model(struct store *s, bool (*each)(void *cookie,
    struct str provider, struct str model, const struct cache_totals *t),
    void *cookie, struct err *e)
{
	struct cache_totals t;
	struct str provider, model;
	struct columns col;
	struct params p;
	int rc = -1;

	if (store_prepare(s, "SELECT c.provider, c.asked_model,"
	    " count(DISTINCT c.key64), " TOTALS " FROM completions c"
	    " GROUP BY 1, 2 ORDER BY cost DESC, n DESC, 1, 2", &p, e) < 0)
		goto out;
	while ((rc = store_step(s, &p, "read", e)) == 1) {
		col = (struct columns){ .stmt = p.stmt };
		provider = column_text(&col);
		model = column_text(&col);
		read_totals(&col, &t);
		if (col.failed) {
			rc = err_nomem(e);
			break;
		}
		if (!each(cookie, provider, model, &t)) {
			rc = 0;
			break;
		}
	}
out:
	sqlite3_finalize(p.stmt);
	return rc;
}

/* At most BATCH row numbers of a bound statement. Lets go of the snapshot, so
 * that the writing which follows sees the present. */
static int
take_rows(struct store *s, struct params *p, int64_t *rows, size_t *n,
    struct err *e)
{
	int rc;

	*n = 0;
	while ((rc = store_step(s, p, "read", e)) == 1 && *n < BATCH)
		rows[(*n)++] = sqlite3_column_int64(p->stmt, 0);
	sqlite3_reset(p->stmt);
	return rc < 0 ? -1 : 0;
}

/* If this row has the text of its request, that goes to another sample. */
static int
hand_on(struct store *s, int64_t row, struct err *e)
{
	unsigned char key[SHA256_BYTES];
	struct params p;
	int64_t other;
	int rc;

	if (store_stmt(s, STMT_WITH_TEXT, "SELECT key FROM completions"
	    " WHERE id = ?1 AND canon IS NOT NULL", &p, e) < 0)
		return -1;
	param_int(&p, row);
	rc = store_step(s, &p, "read", e);
	if (rc == 1 && sqlite3_column_bytes(p.stmt, 0) == sizeof(key))
		memcpy(key, sqlite3_column_blob(p.stmt, 0), sizeof(key));
	else if (rc == 1)
		rc = 0; /* damaged, and about to go */
	store_reset(&p);
	if (rc == 1)
		rc = completions_of_key(s, key, false, row, &other, NULL,
		    NULL, e);
	if (rc < 1)
		return rc;
	if (store_stmt(s, STMT_HAND_ON, "UPDATE completions SET canon ="
	    " (SELECT canon FROM completions WHERE id = ?1) WHERE id = ?2",
	    &p, e) < 0)
		return -1;
	param_int(&p, row);
	param_int(&p, other);
	return store_run(s, &p, "write to", e);
}

/* One completion, with its entry in the index, where all is settled. */
static int
delete_row(struct store *s, int64_t row, int64_t *deleted, struct err *e)
{
	struct params p;

	if (hand_on(s, row, e) < 0 || store_stmt(s, STMT_KEYS_DELETE,
	    "DELETE FROM keys WHERE (key64, sample, row) = (SELECT key64,"
	    " sample, id FROM completions WHERE id = ?1)", &p, e) < 0)
		return -1;
	param_int(&p, row);
	if (store_run(s, &p, "write to", e) < 0
	    || store_stmt(s, STMT_DELETE,
	    "DELETE FROM completions WHERE id = ?1", &p, e) < 0)
		return -1;
	param_int(&p, row);
	if (store_run(s, &p, "write to", e) < 0)
		return -1;
	*deleted += sqlite3_changes(s->db);
	return 0;
}

static int
delete_all_of(struct store *s, const int64_t *rows, size_t n, int64_t *deleted,
    struct err *e)
{
	if (keys_settle(s, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (delete_row(s, rows[i], deleted, e) < 0)
			return -1;
	return 0;
}

static int
delete_rows(struct store *s, const int64_t *rows, size_t n, int64_t *deleted,
    struct err *e)
{
	int64_t count = 0;

	if (store_begin(s, e) < 0)
		return -1;
	if (delete_all_of(s, rows, n, &count, e) < 0) {
		store_rollback(s);
		return -1;
	}
	if (store_commit(s, e) < 0)
		return -1;
	*deleted += count;
	return 0;
}

int
store_delete(struct store *s, const struct cache_filter *f, int64_t *deleted,
    struct err *e)
{
	int64_t rows[BATCH], after = INT64_MIN;
	struct params p = { 0 };
	size_t n;
	int rc = -1;

	*deleted = 0;
	if (store_must_not_write(s, e) < 0 || store_prepare(s, "SELECT c.id"
	    FILTER " AND c.id > ?6 ORDER BY c.id LIMIT ?7", &p, e) < 0)
		goto out;
	do {
		p.n = 0;
		param_filter(&p, f);
		param_int(&p, after);
		param_int(&p, BATCH);
		rc = take_rows(s, &p, rows, &n, e);
		if (rc == 0 && n > 0) {
			after = rows[n - 1];
			rc = delete_rows(s, rows, n, deleted, e);
		}
	} while (rc == 0 && n == BATCH);
out:
	sqlite3_finalize(p.stmt);
	return rc;
}

/* How many of the oldest to delete next, so that the pages in use may come
 * down to max_bytes: never more than the average row suggests. 0: it fits. Rows
 * are counted by their keys, which are a small part of the file; those that are
 * not settled are missing until the first was deleted. */
static int
surplus(struct store *s, int64_t max_bytes, int64_t *n, struct err *e)
{
	int64_t used, count, rows;

	if (store_int(s, "SELECT (page_count - freelist_count) * page_size"
	    " FROM pragma_page_count, pragma_freelist_count,"
	    " pragma_page_size", &used, e) < 0 ||
	    store_int(s, "SELECT count(*) FROM keys", &count, e) < 0)
		return -1;
	*n = 0;
	if (used <= max_bytes)
		return 0;
	rows = (int64_t)((double)(used - max_bytes) / (double)used *
	    (double)count);
	*n = rows < 1 ? 1 : rows > BATCH ? BATCH : rows;
	return 0;
}

/* Completions are not to be thrown away for nothing: refuse what the ledger's
 * texts alone make impossible. */
static int
check_ledger_fits(struct store *s, int64_t max_bytes, struct err *e)
{
	int64_t bytes;

	if (store_int(s, "SELECT (SELECT total(length(asks)"
	    " + length(entries)) FROM segments) + (SELECT total(length(tally)"
	    " + length(ids)) FROM summaries)", &bytes, e) < 0)
		return -1;
	if (bytes <= max_bytes)
		return 0;
	return err_set(e, ERR_STORE, "cannot shrink store '%s' to %" PRId64
	    " bytes: its ledger alone has %" PRId64 "; clear the ledger, or "
	    "allow more", s->path, max_bytes, bytes);
}

int
store_shrink(struct store *s, int64_t max_bytes, int64_t *deleted,
    struct err *e)
{
	int64_t rows[BATCH], most;
	struct params p = { 0 };
	size_t n;
	int rc = -1;

	*deleted = 0;
	if (store_must_not_write(s, e) < 0 ||
	    check_ledger_fits(s, max_bytes, e) < 0 ||
	    store_prepare(s, "SELECT id FROM completions"
	    " ORDER BY id LIMIT ?1", &p, e) < 0)
		goto out;
	while ((rc = surplus(s, max_bytes, &most, e)) == 0 && most > 0) {
		p.n = 0;
		param_int(&p, most);
		rc = take_rows(s, &p, rows, &n, e);
		if (rc == 0 && n > 0)
			rc = delete_rows(s, rows, n, deleted, e);
		if (rc < 0 || n == 0)
			break;
	}
out:
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : store_vacuum(s, e);
}

int
store_vacuum(struct store *s, struct err *e)
{
	if (store_must_not_write(s, e) < 0)
		return -1;
	/* The new content is in the -wal: put it into the file as well. */
	return store_exec(s, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)",
	    "shrink", e);
}

int
store_clear(struct store *s, bool ledger_too, struct err *e)
{
	if (store_begin(s, e) < 0)
		return -1;
	/* What is under way, and a day's sum, bind others: they stay. So do the
	 * numbers, which the last segment has. */
	if (store_exec(s, "DELETE FROM completions", "write to", e) < 0
	    || keys_clear(s, e) < 0 || (ledger_too && segments_clear(s, e) < 0)) {
		store_rollback(s);
		return -1;
	}
	return store_commit(s, e) < 0 ? -1 : store_vacuum(s, e);
}
