/*
 * test_keys.c -- that whatever is kept is found, by whichever handle, while keys
 * pass from the list into the B-tree.
 */
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rand.h"
#include "cache/keys.h"
#include "cache/segments.h"

static char dir[PATH_MAX];
static struct err e;

static int
make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%s/frugal-keys-XXXXXX",
	    tmp && tmp[0] ? tmp : "/tmp");
	memset(&e, 0, sizeof(e));
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
remove_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *
in_dir(const char *name)
{
	static char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

#define OK(call) \
	do { \
		if ((call) < 0) \
			fail_msg("%s", e.msg); \
	} while (0)

static struct store *
open_db(void)
{
	struct store *s = NULL;

	OK(store_open(&s, in_dir("db"), STORE_CREATE, &e));
	return s;
}

/* Some requests share the first 64 bits of their keys. */
static struct request_row
request(int n)
{
	struct request_row q = { .canon = STR("{\"n\":1}"),
		.provider = STR("p"), .model = STR("m") };
	int like = n % 50 == 0 ? n + 1 : n;
	uint64_t hash = hash64((struct str){ (const char *)&like,
	    sizeof(like) }, 0);

	memcpy(q.key, &hash, sizeof(hash));
	memcpy(q.key + sizeof(hash), &n, sizeof(n));
	return q;
}

static int64_t
keep(struct store *s, int n, int sample)
{
	struct request_row q = request(n);
	struct completion c = { .model = STR("m"), .cost_picousd = 1 };
	char text[40];
	int64_t row;

	snprintf(text, sizeof(text), "%d %d", n, sample);
	c.text = str_of(text);
	OK(store_put(s, &q, sample, &c, &row, &e));
	return row;
}

static void
keep_some(struct store *s, int from, int n)
{
	OK(store_begin(s, &e));
	for (int i = from; i < from + n; i++)
		keep(s, i, 0);
	OK(store_commit(s, &e));
}

/* 1 or 0: is it there? With its text. */
static int
find(struct store *s, int n, int sample)
{
	struct request_row q = request(n);
	struct arena *a = arena_new(0);
	struct completion c;
	char text[40];
	int64_t row;
	int rc;

	assert_non_null(a);
	rc = store_get(s, q.key, sample, true, a, &c, &row, &e);
	OK(rc);
	snprintf(text, sizeof(text), "%d %d", n, sample);
	if (rc == 1)
		assert_true(str_is(c.text, text));
	arena_free(a);
	return rc;
}

static void
all_are_found(struct store *s, int from, int n)
{
	for (int i = from; i < from + n; i++)
		if (find(s, i, 0) != 1)
			fail_msg("%d is not found", i);
}

static int64_t
count(struct store *s, const char *sql)
{
	int64_t n = -1;

	OK(store_int(s, sql, &n, &e));
	return n;
}

static void
sql(struct store *s, const char *text)
{
	OK(store_exec(s, text, "test", &e));
}

static void
what_is_kept_is_found_wherever_its_key_is(void **state)
{
	struct store *s = open_db(), *before = open_db(), *after;
	int64_t settled;

	(void)state;
	keep_some(s, 0, 50);
	assert_int_equal(find(before, 49, 0), 1);
	assert_int_equal(find(before, 50, 0), 0);
	for (int i = 50; i < 5000; i += 50)
		keep_some(s, i, 50);
	settled = count(s, "SELECT count(*) FROM keys");
	assert_in_range(settled, 5000 - 512 - 50, 4999);
	all_are_found(s, 0, 5000);
	after = open_db();
	all_are_found(after, 0, 5000);
	all_are_found(before, 0, 5000);
	assert_int_equal(find(after, 5000, 0), 0);
	OK(store_check(after, &e));
	OK(store_check(before, &e));
	store_close(before);
	store_close(after);
	store_close(s);
}

/* A list for a page of the B-tree each, or two: less than a tenth of the pages that
 * as many transactions would write one by one. */
static void
neighbours_are_moved_together(void **state)
{
	struct store *s = open_db();
	int64_t clock;

	(void)state;
	keep_some(s, 0, 4000);
	clock = count(s, "SELECT max(clock) FROM recent");
	for (int i = 4000; i < 5000; i += 50)
		keep_some(s, i, 50);
	/* 1,000 more have gone: the clock has gone round once, or less. */
	assert_in_range(count(s, "SELECT max(clock) FROM recent"), clock + 500,
	    clock + 1024 + 50);
	store_close(s);
}

static void
the_list_stays_short(void **state)
{
	struct store *s = open_db();

	(void)state;
	for (int i = 0; i < 20000; i += 10)
		keep_some(s, i, 10);
	assert_in_range(count(s, "SELECT sum(length(entries)) FROM recent"),
	    512 * 12, 2 * 1024 * 14);
	assert_in_range(count(s, "SELECT count(*) FROM recent"), 1, 60);
	store_close(s);
}

static void
handles_see_what_others_keep(void **state)
{
	struct store *s[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		s[i] = open_db();
	for (int i = 0; i < 3000; i += 10) {
		keep_some(s[i / 10 % 3], i, 10);
		assert_int_equal(find(s[(i / 10 + 1) % 3], i + 3, 0), 1);
		if (i % 70 == 0)
			assert_int_equal(find(s[2], i, 0), 1);
	}
	for (int i = 0; i < 3; i++) {
		all_are_found(s[i], 0, 3000);
		OK(store_check(s[i], &e));
		store_close(s[i]);
	}
}

/* Looked for in vain, and kept by another one before it is kept here. */
static void
what_another_has_kept_since_is_not_kept_twice(void **state)
{
	struct store *a = open_db(), *b = open_db();
	int64_t row, same;

	(void)state;
	assert_int_equal(find(a, 1, 0), 0);
	assert_int_equal(find(a, 2, 0), 0);
	OK(store_begin(b, &e));
	row = keep(b, 1, 0);
	OK(store_commit(b, &e));
	OK(store_begin(a, &e));
	same = keep(a, 1, 0);
	keep(a, 2, 0);
	same = keep(a, 2, 0) - same;
	assert_int_equal(same, 1);
	OK(store_commit(a, &e));
	assert_int_equal(row, 1);
	assert_int_equal(count(a, "SELECT count(*) FROM completions"), 2);
	store_close(a);
	store_close(b);
}

static void
what_is_rolled_back_is_not_there(void **state)
{
	struct store *s = open_db(), *other = open_db();

	(void)state;
	keep_some(s, 0, 600);
	OK(store_begin(s, &e));
	for (int i = 600; i < 2000; i++)
		keep(s, i, 0);
	OK(keys_settle(s, &e));
	assert_int_equal(find(s, 1999, 0), 1);
	store_rollback(s);
	assert_int_equal(find(s, 1999, 0), 0);
	all_are_found(s, 0, 600);
	all_are_found(other, 0, 600);
	assert_int_equal(find(other, 700, 0), 0);
	keep_some(s, 600, 100);
	all_are_found(other, 0, 700);
	OK(store_check(s, &e));
	store_close(s);
	store_close(other);
}

/* The clock begins again: what a handle knew of the list is of no use. */
static void
what_is_kept_after_all_was_cleared_is_found(void **state)
{
	struct store *s = open_db(), *other = open_db();

	(void)state;
	keep_some(s, 0, 800);
	all_are_found(other, 0, 800);
	OK(store_clear(s, false, &e));
	keep_some(s, 1000, 300);
	all_are_found(other, 1000, 300);
	assert_int_equal(find(other, 1, 0), 0);
	keep_some(other, 2000, 300);
	all_are_found(s, 2000, 300);
	OK(store_check(s, &e));
	store_close(s);
	store_close(other);
}

static void
the_samples_of_a_request_are_told_apart(void **state)
{
	struct store *s = open_db();

	(void)state;
	OK(store_begin(s, &e));
	for (int i = 0; i < 300; i++)
		for (int sample = 0; sample < 3; sample++)
			keep(s, i, sample);
	keep(s, 7, STORE_SAMPLES - 1);
	OK(store_commit(s, &e));
	for (int i = 0; i < 300; i++) {
		assert_int_equal(find(s, i, 2), 1);
		assert_int_equal(find(s, i, 1), 1);
		assert_int_equal(find(s, i, 3), 0);
	}
	assert_int_equal(find(s, 7, STORE_SAMPLES - 1), 1);
	/* One of them has the text of the request. */
	assert_int_equal(count(s, "SELECT count(canon) FROM completions"), 300);
	store_close(s);
}

/* A transaction of more rows than a group can tell apart. */
static void
rows_far_apart_are_found(void **state)
{
	struct store *s = open_db(), *other = open_db();

	(void)state;
	OK(store_begin(s, &e));
	for (int i = 0; i < 500; i++) {
		keep(s, i, 0);
		if (i % 100 == 0)
			OK(segments_set_next(s, 0, (i + 1) * INT64_C(20000),
			    &e));
	}
	OK(store_commit(s, &e));
	all_are_found(s, 0, 500);
	all_are_found(other, 0, 500);
	OK(store_check(other, &e));
	store_close(s);
	store_close(other);
}

/* --- any order ---------------------------------------------------------------------- */

#define HANDLES 3
#define REQUESTS 4000

struct world {
	struct store *s[HANDLES];
	bool kept[REQUESTS], before[REQUESTS];
	int n;
	struct rng rng;
};

static int
any(struct world *w, int below)
{
	return (int)(rng_u64(&w->rng) % (uint64_t)below);
}

static void
delete_some(struct world *w, struct store *s)
{
	struct request_row q;
	struct cache_filter f = { 0 };
	char hex[2 * SHA256_BYTES + 1];
	int64_t deleted;
	int n = any(w, REQUESTS);

	q = request(n);
	for (int i = 0; i < SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", q.key[i]);
	f.key_prefix = str_of(hex);
	OK(store_delete(s, &f, &deleted, &e));
	assert_int_equal(deleted, w->kept[n]);
	w->n -= w->kept[n];
	w->kept[n] = false;
}

static void
change(struct world *w, struct store *s)
{
	int what = any(w, 100), n = 1 + any(w, what < 50 ? 3 : 200), before = w->n;

	if (what < 3) {
		delete_some(w, s);
		return;
	}
	if (what == 3) {
		OK(any(w, 2) ? store_vacuum(s, &e) : store_repair(s, &e));
		return;
	}
	if (what == 4 && any(w, 5) == 0) {
		OK(store_clear(s, false, &e));
		memset(w->kept, 0, sizeof(w->kept));
		w->n = 0;
		return;
	}
	memcpy(w->before, w->kept, sizeof(w->kept));
	OK(store_begin(s, &e));
	for (int i = 0; i < n; i++) {
		int r = any(w, REQUESTS);
		keep(s, r, 0);
		w->n += !w->kept[r];
		w->kept[r] = true;
	}
	if (what == 5)
		OK(keys_settle(s, &e));
	if (what < 90) {
		OK(store_commit(s, &e));
		return;
	}
	store_rollback(s);
	memcpy(w->kept, w->before, sizeof(w->kept));
	w->n = before;
}

static void
reopen(struct world *w, int i)
{
	store_close(w->s[i]);
	w->s[i] = open_db();
}

static void
whatever_is_done_all_are_found(void **state)
{
	static struct world w;

	(void)state;
	rng_seed(&w.rng, 7);
	for (int i = 0; i < HANDLES; i++)
		w.s[i] = open_db();
	for (int step = 0; step < 1500; step++) {
		struct store *s = w.s[any(&w, HANDLES)];

		change(&w, w.s[any(&w, HANDLES)]);
		if (any(&w, 40) == 0)
			reopen(&w, any(&w, HANDLES));
		for (int i = 0; i < 20; i++) {
			int r = any(&w, REQUESTS);
			s = w.s[any(&w, HANDLES)];
			if (find(s, r, 0) != w.kept[r])
				fail_msg("%d: %d is %s", step, r, w.kept[r]
				    ? "lost" : "there");
		}
		assert_int_equal(count(w.s[0], "SELECT count(*)"
		    " FROM completions"), w.n);
		if (step % 100 == 0)
			OK(store_check(w.s[any(&w, HANDLES)], &e));
	}
	for (int i = 0; i < HANDLES; i++) {
		for (int r = 0; r < REQUESTS; r++)
			assert_int_equal(find(w.s[i], r, 0), w.kept[r]);
		store_close(w.s[i]);
	}
}

/* --- files ---------------------------------------------------------------------------- */

static void
a_store_of_version_2_is_brought_forwards(void **state)
{
	struct store *s = open_db();

	(void)state;
	keep_some(s, 0, 2000);
	sql(s, "DROP TABLE keys; DROP TABLE recent;"
	    "ALTER TABLE completions RENAME COLUMN details TO facts;"
	    "CREATE INDEX completions_key ON completions (key64, sample);"
	    "PRAGMA user_version = 2");
	store_close(s);
	s = open_db();
	/* What a process of then would do: it would not know of `keys`. */
	assert_int_equal(store_exec(s, "UPDATE completions SET facts = facts",
	    "test", &e), -1);
	assert_non_null(strstr(e.msg, "no such column: facts"));
	assert_int_equal(count(s, "PRAGMA user_version"), 3);
	assert_int_equal(count(s, "SELECT count(*) FROM sqlite_schema"
	    " WHERE name = 'completions_key'"), 0);
	all_are_found(s, 0, 2000);
	keep_some(s, 2000, 10);
	all_are_found(s, 0, 2010);
	OK(store_check(s, &e));
	store_close(s);
}

/* Made by SQL, such as `.recover`: what is there may lack its key. */
static void
a_store_that_was_made_by_sql_gets_its_index_anew(void **state)
{
	struct store *s = open_db();
	char text[PATH_MAX + 100];

	(void)state;
	keep_some(s, 0, 2000);
	sql(s, "DELETE FROM keys WHERE row % 2; DELETE FROM recent");
	snprintf(text, sizeof(text), "VACUUM INTO '%s'", in_dir("new"));
	sql(s, text);
	store_close(s);
	OK(store_open(&s, in_dir("new"), STORE_READONLY, &e));
	store_close(s);
	OK(store_open(&s, in_dir("new"), 0, &e));
	all_are_found(s, 0, 2000);
	OK(store_check(s, &e));
	keep_some(s, 2000, 10);
	store_close(s);
	OK(store_open(&s, in_dir("new"), STORE_READONLY, &e));
	all_are_found(s, 0, 2010);
	store_close(s);
}

/* Who begins with that and does not get through leaves it to the next one. */
static void
an_index_half_made_anew_is_made_by_the_next_one(void **state)
{
	struct store *s = open_db();
	sqlite3 *db;
	char text[PATH_MAX + 100];

	(void)state;
	keep_some(s, 0, 2000);
	sql(s, "DELETE FROM keys WHERE row % 2; DELETE FROM recent;"
	    "CREATE TRIGGER no BEFORE INSERT ON keys BEGIN"
	    " SELECT RAISE(ABORT, 'no'); END");
	snprintf(text, sizeof(text), "VACUUM INTO '%s'", in_dir("new"));
	sql(s, text);
	store_close(s);
	assert_int_equal(store_open(&s, in_dir("new"), 0, &e), -1);
	assert_int_equal(sqlite3_open(in_dir("new"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TRIGGER no", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	OK(store_open(&s, in_dir("new"), 0, &e));
	all_are_found(s, 0, 2000);
	OK(store_check(s, &e));
	store_close(s);
}

/* As by SQLite's .restore, while a handle knows what came after it. */
static void
what_an_older_state_has_is_found_when_it_is_restored(void **state)
{
	struct store *s = open_db(), *other = open_db(), *hand = open_db();

	(void)state;
	keep_some(s, 0, 10);
	sql(hand, "CREATE TABLE older AS SELECT * FROM recent");
	OK(store_begin(s, &e));
	OK(keys_settle(s, &e));
	OK(store_commit(s, &e));
	assert_int_equal(find(other, 10, 0), 0);
	sql(hand, "DELETE FROM keys; REPLACE INTO recent SELECT * FROM older");
	all_are_found(other, 0, 10);
	keep_some(s, 10, 10);
	assert_int_equal(find(other, 20, 0), 0);
	sql(hand, "REPLACE INTO recent SELECT * FROM older;"
	    "DELETE FROM completions WHERE id > 10");
	keep_some(s, 20, 10);
	all_are_found(other, 0, 10);
	all_are_found(other, 20, 10);
	OK(store_check(other, &e));
	store_close(s);
	store_close(other);
	store_close(hand);
}

/* The last chunk with other bytes, or another clock. */
static void
assert_damaged(const char *change)
{
	struct store *s = open_db();
	struct request_row q = request(1000000);
	struct arena *a = arena_new(0);
	struct completion c;
	int64_t row;

	assert_non_null(a);
	sql(s, "BEGIN");
	sql(s, change);
	assert_int_equal(store_get(s, q.key, 0, true, a, &c, &row, &e), -1);
	assert_int_equal(e.code, ERR_STORE);
	assert_non_null(strstr(e.msg, "is damaged"));
	sql(s, "ROLLBACK");
	assert_int_equal(find(s, 1, 0), 1);
	arena_free(a);
	store_close(s);
}

static void
a_damaged_list_is_an_error(void **state)
{
	struct store *s = open_db();

	(void)state;
	keep_some(s, 0, 300);
	keep_some(s, 300, 10);
	store_close(s);
	assert_damaged("UPDATE recent SET entries = substr(entries, 1,"
	    " length(entries) - 1)");
	assert_damaged("UPDATE recent SET entries = entries || x'00'");
	assert_damaged("UPDATE recent SET entries = zeroblob(length(entries))");
	assert_damaged("UPDATE recent SET entries = x'00'");
	assert_damaged("UPDATE recent SET id = 0"
	    " WHERE id = (SELECT max(id) FROM recent)");
	assert_damaged("UPDATE recent SET entries = x''");
	assert_damaged("UPDATE recent SET entries = substr(entries, 1, 8)");
	assert_damaged("UPDATE recent SET clock = -1");
	assert_damaged("UPDATE recent SET clock = 9223372036854775807");
	assert_damaged("UPDATE recent SET id = 9223372036854775807"
	    " WHERE id = (SELECT max(id) FROM recent)");
}

/* Bytes that have their seal, as a hand would make them. */
static void
put_sealed(struct store *s, const char *bytes, size_t n)
{
	struct buf b;
	struct params p = { 0 };

	buf_init(&b, BUF_MAX);
	buf_add(&b, (struct str){ "12345678", 8 });
	buf_add(&b, (struct str){ bytes, n });
	OK(store_prepare(s, "INSERT INTO recent VALUES (9999, 5, ?1)", &p, &e));
	param_blob(&p, entry_seal(&b));
	OK(store_step(s, &p, "test", &e));
	sqlite3_finalize(p.stmt);
	buf_release(&b);
}

static void
groups_that_cannot_be_are_damage(void **state)
{
#define B(s) { s, sizeof(s) - 1 }
	static const struct str bad[] = {
		B("\x06\x01\x00"), /* of a time to come */
		B("\x05\x01\x01" "1234567890"), /* cut short */
		B("\x05\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		B("\x05\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00"),
		B("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x00"),
		B("\x05"), B("\x05\x80"),
	};
#undef B
	struct request_row q = request(1);
	struct arena *a = arena_new(0);
	struct completion c;
	int64_t row;

	(void)state;
	assert_non_null(a);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct store *s = open_db();
		sql(s, "BEGIN");
		put_sealed(s, bad[i].p, bad[i].n);
		assert_int_equal(store_get(s, q.key, 0, true, a, &c, &row, &e),
		    -1);
		assert_non_null(strstr(e.msg, "is damaged"));
		sql(s, "ROLLBACK");
		assert_int_equal(find(s, 1, 0), 0);
		store_close(s);
	}
	arena_free(a);
}

/* As when rows and segments were lost: what is kept then is behind it all the
 * same. */
static void
a_chunk_comes_after_those_before(void **state)
{
	struct store *s = open_db(), *other;

	(void)state;
	put_sealed(s, "\x05\x01\x00", 3);
	assert_int_equal(find(s, 0, 0), 0);
	for (int i = 0; i < 500; i += 100)
		keep_some(s, i, 100);
	assert_in_range(count(s, "SELECT min(id) FROM recent"), 9999, 10000);
	other = open_db();
	all_are_found(other, 0, 500);
	store_close(other);
	store_close(s);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_DIR(what_is_kept_is_found_wherever_its_key_is),
		IN_DIR(neighbours_are_moved_together),
		IN_DIR(the_list_stays_short),
		IN_DIR(handles_see_what_others_keep),
		IN_DIR(what_another_has_kept_since_is_not_kept_twice),
		IN_DIR(what_is_rolled_back_is_not_there),
		IN_DIR(what_is_kept_after_all_was_cleared_is_found),
		IN_DIR(the_samples_of_a_request_are_told_apart),
		IN_DIR(rows_far_apart_are_found),
		IN_DIR(whatever_is_done_all_are_found),
		IN_DIR(a_store_of_version_2_is_brought_forwards),
		IN_DIR(a_store_that_was_made_by_sql_gets_its_index_anew),
		IN_DIR(an_index_half_made_anew_is_made_by_the_next_one),
		IN_DIR(what_an_older_state_has_is_found_when_it_is_restored),
		IN_DIR(a_damaged_list_is_an_error),
		IN_DIR(groups_that_cannot_be_are_damage),
		IN_DIR(a_chunk_comes_after_those_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
