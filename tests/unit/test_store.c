/*
 * test_store.c -- the file, its transactions, and completions kept in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/internal.h"

static char dir[PATH_MAX];
static struct err e;

static const char *
in_dir(const char *name)
{
	static char path[PATH_MAX + 256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
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
make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%s/frugal-store-XXXXXX",
	    tmp && tmp[0] ? tmp : "/tmp");
	memset(&e, 0, sizeof(e));
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct store *
open_with(const char *path, unsigned flags)
{
	struct store *s = NULL;

	if (store_open(&s, path, flags, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static void
assert_no_open(const char *path, unsigned flags, const char *message)
{
	struct store *s = NULL;

	assert_int_equal(store_open(&s, path, flags, &e), -1);
	assert_null(s);
	assert_int_equal(e.code, ERR_STORE);
	if (!strstr(e.msg, message))
		fail_msg("'%s' lacks '%s'", e.msg, message);
}

static void
raw_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t
count(struct store *s, const char *sql)
{
	int64_t n = -1;

	assert_int_equal(store_int(s, sql, &n, &e), 0);
	return n;
}

static mode_t
mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(in_dir(name), &st), 0);
	return st.st_mode & 07777;
}

static struct request_row
request(unsigned char first)
{
	struct request_row q = {
		.canon = STR("{\"messages\":[]}"),
		.provider = STR("local"), .model = STR("qwen"),
	};

	memset(q.key, 7, sizeof(q.key));
	q.key[0] = first;
	return q;
}

static struct completion
answer(const char *text)
{
	return (struct completion){
		.text = str_of(text), .model = STR("qwen-2.5"),
		.cost_picousd = 1234,
		.prompt_tokens = 10, .cached_tokens = -1,
		.cache_write_tokens = 3, .completion_tokens = 20,
		.reasoning_tokens = -1, .latency_ms = 456,
		.asked_utc_ms = 1700000000000,
	};
}

static void
put(struct store *s, unsigned char key, int sample, const char *text,
    int64_t *row)
{
	struct request_row q = request(key);
	struct completion c = answer(text);

	if (store_put(s, &q, sample, &c, row, &e) < 0)
		fail_msg("%s", e.msg);
}

static void
put_alone(struct store *s, unsigned char key, int sample, const char *text,
    int64_t *row)
{
	assert_int_equal(store_begin(s, &e), 0);
	put(s, key, sample, text, row);
	assert_int_equal(store_commit(s, &e), 0);
}

static int
get(struct store *s, unsigned char key, int sample, struct arena *a,
    struct completion *c)
{
	struct request_row q = request(key);
	int64_t row;

	return store_get(s, q.key, sample, false, a, c, &row, &e);
}

static void
assert_kept(struct store *s, unsigned char key, int sample, const char *text)
{
	struct arena *a = arena_new(0);
	struct completion c;

	assert_non_null(a);
	assert_int_equal(get(s, key, sample, a, &c), 1);
	assert_true(str_is(c.text, text));
	arena_free(a);
}

static void
assert_not_kept(struct store *s, unsigned char key, int sample)
{
	struct arena *a = arena_new(0);
	struct completion c;

	assert_non_null(a);
	assert_int_equal(get(s, key, sample, a, &c), 0);
	arena_free(a);
}

/* Keep c and get it back, by key and by row. */
static void
there_and_back(struct completion *c, struct arena *a, struct completion *out)
{
	struct store *s = open_with(":memory:", 0);
	struct request_row q = request(1);
	struct completion by_row;
	int64_t row, found;

	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(store_put(s, &q, 3, c, &row, &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(store_get(s, q.key, 3, true, a, out, &found, &e), 1);
	assert_int_equal(found, row);
	assert_int_equal(store_get_row(s, row, a, &by_row, NULL, &e), 1);
	assert_true(str_eq(by_row.text, out->text));
	assert_int_equal(by_row.n_tokens, out->n_tokens);
	store_close(s);
}

static void
a_completion_comes_back_as_it_was_kept(void **state)
{
	struct arena *a = arena_new(0);
	struct completion c = answer("It's 42; \"DROP TABLE\" -- ü"), out;

	(void)state;
	c.finish = FINISH_TOOL;
	c.tokens_of_answer = true;
	there_and_back(&c, a, &out);
	assert_true(str_eq(out.text, c.text));
	assert_true(str_eq(out.model, c.model));
	assert_int_equal(out.finish, FINISH_TOOL);
	assert_int_equal(out.cost_picousd, 1234);
	assert_int_equal(out.prompt_tokens, 10);
	assert_int_equal(out.cached_tokens, -1);
	assert_int_equal(out.cache_write_tokens, 3);
	assert_int_equal(out.completion_tokens, 20);
	assert_int_equal(out.reasoning_tokens, -1);
	assert_int_equal(out.latency_ms, 456);
	assert_int_equal(out.asked_utc_ms, 1700000000000);
	assert_true(out.tokens_of_answer);
	assert_null(out.tokens);
	assert_false(out.has_answer);
	assert_int_equal(out.answer.n, 0);
	arena_free(a);
}

static void
an_unknown_cost_stays_unknown_and_zero_stays_zero(void **state)
{
	struct arena *a = arena_new(0);
	struct completion c = answer("x"), out;

	(void)state;
	c.cost_picousd = MONEY_UNKNOWN;
	c.prompt_tokens = 0;
	there_and_back(&c, a, &out);
	assert_true(out.cost_picousd == MONEY_UNKNOWN);
	assert_int_equal(out.prompt_tokens, 0);
	c.cost_picousd = 0;
	there_and_back(&c, a, &out);
	assert_true(out.cost_picousd == 0);
	c.cost_picousd = MONEY_MAX;
	there_and_back(&c, a, &out);
	assert_true(out.cost_picousd == MONEY_MAX);
	arena_free(a);
}

static void
empty_huge_and_odd_texts_come_back(void **state)
{
	const size_t huge = (size_t)9 << 20;
	struct arena *a = arena_new(0);
	struct completion c = answer(""), out;
	char *p = malloc(huge);

	(void)state;
	assert_non_null(p);
	c.text = (struct str){ NULL, 0 };
	c.model = (struct str){ NULL, 0 };
	there_and_back(&c, a, &out);
	assert_int_equal(out.text.n, 0);

	memset(p, 'x', huge);
	p[huge / 2] = '\0';
	c.text = (struct str){ p, huge };
	there_and_back(&c, a, &out);
	assert_true(str_eq(out.text, c.text));
	free(p);
	arena_free(a);
}

static void
assert_tokens_return(const struct token *t, size_t n)
{
	struct arena *a = arena_new(0);
	struct completion c = answer("some text"), out;

	c.tokens = t;
	c.n_tokens = n;
	there_and_back(&c, a, &out);
	assert_non_null(out.tokens);
	assert_int_equal(out.n_tokens, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(out.tokens[i].from, t[i].from);
		assert_int_equal(out.tokens[i].to, t[i].to);
		/* Bit by bit: also -0.0 and what is not a number. */
		assert_memory_equal(&out.tokens[i].logprob, &t[i].logprob,
		    sizeof(double));
	}
	arena_free(a);
}

static void
no_digit_of_a_log_probability_is_lost(void **state)
{
	static const struct token t[] = {
		{ 0, 4, -4.7e-12 }, { 4, 5, -1e-300 }, { 5, 5, -0.0 },
		{ 5, 9, LOGPROB_FLOOR }, { 9, 10, -5e-324 },
		{ 10, 11, -0.1 - 0.2 },
	};

	(void)state;
	assert_tokens_return(t, sizeof(t) / sizeof(t[0]));
}

static void
tokens_may_overlap_run_backwards_and_be_out_of_range(void **state)
{
	static const struct token t[] = {
		{ 4, 9, -1 }, { 4, 9, -1 }, { 0, 2, -1 },
		{ UINT32_MAX, UINT32_MAX, -1 }, { 0, UINT32_MAX, -1 },
		{ 7, 3, -1 }, { UINT32_MAX, 0, -1 }, { 1u << 31, 1, -1 },
	};

	(void)state;
	assert_tokens_return(t, sizeof(t) / sizeof(t[0]));
	assert_tokens_return(t, 0); /* measured, but none: not the same as */
}

static void
a_hundred_thousand_tokens_take_ten_bytes_each(void **state)
{
	const size_t n = 100000;
	struct store *s = open_with(":memory:", 0);
	struct token *t = calloc(n, sizeof(*t));
	struct completion c = answer("long");
	struct request_row q = request(1);

	(void)state;
	assert_non_null(t);
	for (size_t i = 0; i < n; i++)
		t[i] = (struct token){ (uint32_t)(4 * i),
		    (uint32_t)(4 * i + 4), -1.0 / (double)(i + 1) };
	assert_tokens_return(t, n);
	c.tokens = t;
	c.n_tokens = n;
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(store_put(s, &q, 0, &c, NULL, &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	assert_in_range(count(s, "SELECT length(tokens) FROM completions"),
	    10 * n, 10 * n + 10);
	store_close(s);
	free(t);
}

static void
a_damaged_token_blob_is_an_error(void **state)
{
	/* Empty; cut short; too many; a byte too many; an endless number. */
	static const char *const blob[] = {
		"x'01'", "x'0100'", "x'01000400'",
		"x'ffffffffffffffffff01'", "x'ffffffff0f'",
		"x'0200040000000000000000'",
		"x'010004000000000000000000'",
		"x'01ffffffffffffffffffffff0400000000'", "'text'",
	};
	char sql[128];
	struct arena *a = arena_new(0);
	struct store *s = open_with(":memory:", 0);
	struct completion c;

	(void)state;
	put_alone(s, 1, 0, "text", NULL);
	for (size_t i = 0; i < sizeof(blob) / sizeof(blob[0]); i++) {
		snprintf(sql, sizeof(sql), "UPDATE completions SET tokens ="
		    " %s", blob[i]);
		assert_int_equal(store_exec(s, sql, "test", &e), 0);
		if (get(s, 1, 0, a, &c) != -1)
			fail_msg("%s was taken", blob[i]);
		assert_non_null(strstr(e.msg, "is damaged"));
	}
	store_close(s);
	arena_free(a);
}

static void
an_unknown_request_sample_or_row_is_not_there(void **state)
{
	struct arena *a = arena_new(0);
	struct store *s = open_with(":memory:", 0);
	struct completion c;
	int64_t row;

	(void)state;
	assert_not_kept(s, 1, 0);
	put_alone(s, 1, 0, "one", &row);
	assert_kept(s, 1, 0, "one");
	assert_not_kept(s, 2, 0);
	assert_not_kept(s, 1, 1);
	assert_not_kept(s, 1, STORE_SAMPLES - 1);
	assert_int_equal(store_get_row(s, row + 1, a, &c, NULL, &e), 0);
	assert_int_equal(store_get_row(s, -1, a, &c, NULL, &e), 0);
	store_close(s);
	arena_free(a);
}

static void
keys_that_share_their_first_64_bits_are_told_apart(void **state)
{
	struct arena *a = arena_new(0);
	struct store *s = open_with(":memory:", 0);
	struct request_row q[2] = { request(0xff), request(0xff) };
	struct completion c = answer("first"), out;
	int64_t row[2], found;

	(void)state;
	q[1].key[SHA256_BYTES - 1] ^= 1;
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(store_put(s, &q[0], 0, &c, &row[0], &e), 0);
	assert_int_equal(store_get(s, q[1].key, 0, true, a, &out, &found, &e),
	    0);
	c = answer("second");
	assert_int_equal(store_put(s, &q[1], 0, &c, &row[1], &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	assert_true(row[0] != row[1]);
	assert_int_equal(store_get(s, q[0].key, 0, true, a, &out, &found, &e),
	    1);
	assert_true(str_is(out.text, "first"));
	assert_int_equal(store_get(s, q[1].key, 0, true, a, &out, &found, &e),
	    1);
	assert_true(str_is(out.text, "second"));
	store_close(s);
	arena_free(a);
}

static void
samples_share_the_text_of_their_request(void **state)
{
	struct store *s = open_with(":memory:", 0);
	int64_t row[3];

	(void)state;
	put_alone(s, 1, 0, "zero", &row[0]);
	put_alone(s, 1, 5, "five", &row[1]);
	put_alone(s, 1, STORE_SAMPLES - 1, "last", &row[2]);
	assert_true(row[0] < row[1] && row[1] < row[2]);
	assert_int_equal(count(s, "SELECT count(canon) FROM completions"), 1);
	put_alone(s, 2, 0, "next", &row[1]);
	assert_true(row[2] < row[1]);
	assert_int_equal(count(s, "SELECT count(DISTINCT key) FROM completions"), 2);
	assert_kept(s, 1, 0, "zero");
	assert_kept(s, 1, 5, "five");
	assert_kept(s, 1, STORE_SAMPLES - 1, "last");
	assert_kept(s, 2, 0, "next");
	store_close(s);
}

static void
the_same_sample_is_replaced_in_its_row(void **state)
{
	struct store *s = open_with(":memory:", 0);
	int64_t row, again;

	(void)state;
	put_alone(s, 1, 0, "old", &row);
	put_alone(s, 1, 0, "new", &again);
	assert_int_equal(row, again);
	assert_kept(s, 1, 0, "new");
	assert_int_equal(count(s, "SELECT count(*) FROM completions"), 1);
	store_close(s);
}

static void
a_sample_number_out_of_range_is_refused(void **state)
{
	static const int bad[] = { -1, STORE_SAMPLES, INT_MAX, INT_MIN };
	struct arena *a = arena_new(0);
	struct store *s = open_with(":memory:", 0);
	struct request_row q = request(1);
	struct completion c = answer("x"), out;

	(void)state;
	assert_int_equal(store_begin(s, &e), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(store_put(s, &q, bad[i], &c, NULL, &e), -1);
		assert_int_equal(get(s, 1, bad[i], a, &out), -1);
	}
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(count(s, "SELECT count(DISTINCT key) FROM completions"), 0);
	store_close(s);
	arena_free(a);
}

static void
cut_off_and_refused_answers_are_given_only_when_asked_for(void **state)
{
	static const bool reused[] = {
		[FINISH_STOP] = true, [FINISH_LENGTH] = false,
		[FINISH_REFUSED] = false, [FINISH_TOOL] = true,
		[FINISH_OTHER] = true,
	};
	struct arena *a = arena_new(0);
	struct store *s = open_with(":memory:", 0);
	struct request_row q = request(1);
	struct completion c = answer("x"), out;
	int64_t row;

	(void)state;
	assert_int_equal(store_begin(s, &e), 0);
	for (int f = FINISH_STOP; f <= FINISH_OTHER; f++) {
		c.finish = (enum finish)f;
		assert_int_equal(store_put(s, &q, f, &c, NULL, &e), 0);
		assert_int_equal(store_get(s, q.key, f, false, a, &out, &row,
		    &e), reused[f]);
		assert_int_equal(store_get(s, q.key, f, true, a, &out, &row,
		    &e), 1);
		assert_int_equal(out.finish, f);
	}
	store_close(s);
	arena_free(a);
}

static void
an_answer_that_was_changed_is_not_given_out(void **state)
{
	static const char *const changes[] = {
		"text = text || 'y'", "text = ''", "details = x''",
		"details = x'02' || substr(details, 2)",
		"details = substr(details, 1, length(details) - 1) || x'77'",
		"tokens = x'00'",
	};
	struct arena *a = arena_new(0);
	struct store *s = open_with(":memory:", 0);
	struct completion c;
	char sql[200];

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		assert_int_equal(store_clear(s, true, &e), 0);
		put_alone(s, 1, 0, "x", NULL);
		assert_int_equal(store_check(s, &e), 0);
		snprintf(sql, sizeof(sql), "UPDATE completions SET %s",
		    changes[i]);
		assert_int_equal(store_exec(s, sql, "test", &e), 0);
		if (get(s, 1, 0, a, &c) != -1)
			fail_msg("%s was not seen", changes[i]);
		assert_non_null(strstr(e.msg, "is damaged"));
		assert_int_equal(store_check(s, &e), -1);
		assert_non_null(strstr(e.msg, "is damaged"));
	}
	store_close(s);
	arena_free(a);
}

static void
a_finish_of_another_version_is_other(void **state)
{
	struct arena *a = arena_new(0);
	struct store *s = open_with(":memory:", 0);
	struct request_row q = request(1);
	struct completion later = answer("x"), c;

	(void)state;
	later.finish = (enum finish)77;
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(store_put(s, &q, 0, &later, NULL, &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(get(s, 1, 0, a, &c), 1);
	assert_int_equal(c.finish, FINISH_OTHER);
	store_close(s);
	arena_free(a);
}

static void
writing_outside_a_transaction_is_refused(void **state)
{
	struct store *s = open_with(":memory:", 0);
	struct request_row q = request(1);
	struct completion c = answer("x");

	(void)state;
	assert_int_equal(store_put(s, &q, 0, &c, NULL, &e), -1);
	assert_int_equal(e.code, ERR_STORE);
	assert_int_equal(store_commit(s, &e), -1);
	store_rollback(s); /* nothing to roll back: no harm */
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(store_begin(s, &e), -1);
	assert_int_equal(store_put(s, &q, 0, &c, NULL, &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(store_put(s, &q, 1, &c, NULL, &e), -1);
	assert_not_kept(s, 1, 1);
	store_close(s);
}

static void
what_is_rolled_back_or_not_committed_is_not_kept(void **state)
{
	struct store *s = open_with(in_dir("db"), STORE_CREATE);

	(void)state;
	assert_int_equal(store_begin(s, &e), 0);
	put(s, 1, 0, "rolled back", NULL);
	assert_kept(s, 1, 0, "rolled back"); /* seen by its own handle */
	store_rollback(s);
	assert_not_kept(s, 1, 0);
	put_alone(s, 2, 0, "kept", NULL);
	assert_int_equal(store_begin(s, &e), 0);
	put(s, 3, 0, "open at the end", NULL);
	store_close(s);

	s = open_with(in_dir("db"), 0);
	assert_string_equal(store_path(s), in_dir("db"));
	assert_not_kept(s, 1, 0);
	assert_kept(s, 2, 0, "kept");
	assert_not_kept(s, 3, 0);
	assert_int_equal(count(s, "SELECT count(DISTINCT key) FROM completions"), 1);
	store_close(s);
}

static void
a_full_disk_loses_the_transaction_and_nothing_else(void **state)
{
	char text[50000], expected[PATH_MAX + 300];
	struct store *s = open_with(in_dir("db"), STORE_CREATE);
	struct request_row q = request(9);
	struct completion c = answer("small");

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put_alone(s, 1, 0, "before", NULL);
	assert_int_equal(store_exec(s, "PRAGMA max_page_count = 16", "test",
	    &e), 0);
	assert_int_equal(store_begin(s, &e), 0);
	put(s, 2, 0, "in the same transaction", NULL);
	c.text = str_of(text);
	assert_int_equal(store_put(s, &q, 0, &c, NULL, &e), -1);
	snprintf(expected, sizeof(expected), "disk full: nothing more can be "
	    "kept in '%s'", in_dir("db"));
	assert_string_equal(e.msg, expected);
	assert_int_equal(e.code, ERR_STORE);
	/* Also what would fit is refused now: half would be kept. */
	c.text = STR("small");
	assert_int_equal(store_put(s, &q, 0, &c, NULL, &e), -1);
	assert_int_equal(store_commit(s, &e), -1);
	assert_non_null(strstr(e.msg, "earlier write"));

	assert_kept(s, 1, 0, "before");
	assert_not_kept(s, 2, 0);
	assert_not_kept(s, 9, 0);
	put_alone(s, 3, 0, "after", NULL);
	assert_kept(s, 3, 0, "after");
	assert_int_equal(count(s, "SELECT count(DISTINCT key) FROM completions"), 2);
	assert_int_equal(store_check(s, &e), 0);
	store_close(s);
}

static void
a_transaction_that_sqlite_gave_up_takes_no_more(void **state)
{
	struct store *s = open_with(":memory:", 0);
	struct request_row q = request(1);
	struct completion c = answer("x");

	(void)state;
	assert_int_equal(store_begin(s, &e), 0);
	put(s, 2, 0, "lost", NULL);
	/* As it does by itself after a failed read, for one. */
	assert_int_equal(store_exec(s, "ROLLBACK", "test", &e), 0);
	assert_int_equal(store_put(s, &q, 0, &c, NULL, &e), -1);
	assert_int_equal(store_commit(s, &e), -1);
	assert_not_kept(s, 1, 0);
	assert_not_kept(s, 2, 0);
	put_alone(s, 3, 0, "after", NULL);
	assert_kept(s, 3, 0, "after");
	store_close(s);
}

static void
a_write_that_failed_spoils_its_transaction(void **state)
{
	struct store *s = open_with(":memory:", 0);
	struct request_row q = request(1);
	struct completion c = answer("x");

	(void)state;
	assert_int_equal(store_begin(s, &e), 0);
	put(s, 2, 0, "in the same transaction", NULL);
	assert_int_equal(store_exec(s, "CREATE TEMP TRIGGER t BEFORE INSERT"
	    " ON completions BEGIN SELECT raise(FAIL, 'made up'); END",
	    "test", &e), 0);
	assert_int_equal(store_put(s, &q, 0, &c, NULL, &e), -1);
	assert_non_null(strstr(e.msg, "made up"));
	assert_int_equal(store_commit(s, &e), -1);
	assert_int_equal(count(s, "SELECT count(*) FROM completions"), 0);
	store_close(s);
}

static void
the_files_are_for_their_owner_alone(void **state)
{
	mode_t before = umask(0);
	struct store *s = open_with(in_dir("a/b/store.db"), STORE_CREATE);

	(void)state;
	put_alone(s, 1, 0, "x", NULL);
	umask(before);
	assert_int_equal(mode_of("a"), 0700);
	assert_int_equal(mode_of("a/b"), 0700);
	assert_int_equal(mode_of("a/b/store.db"), 0600);
	assert_int_equal(mode_of("a/b/store.db-wal"), 0600);
	assert_int_equal(mode_of("a/b/store.db-shm"), 0600);
	store_close(s);
}

static void
a_short_log_is_left_behind_and_a_long_one_is_not(void **state)
{
	struct store *s = open_with(in_dir("db"), STORE_CREATE);
	char *long_text = malloc(2 << 20);

	(void)state;
	assert_non_null(long_text);
	memset(long_text, 'x', (2 << 20) - 1);
	long_text[(2 << 20) - 1] = '\0';
	put_alone(s, 1, 0, "first", NULL);
	store_close(s);
	assert_int_equal(access(in_dir("db-wal"), F_OK), -1); /* it was new */

	s = open_with(in_dir("db"), 0);
	put_alone(s, 2, 0, "second", NULL);
	store_close(s);
	assert_int_equal(access(in_dir("db-wal"), F_OK), 0);

	s = open_with(in_dir("db"), STORE_READONLY);
	assert_kept(s, 2, 0, "second");
	store_close(s);
	s = open_with(in_dir("db"), 0);
	put_alone(s, 3, 0, long_text, NULL);
	store_close(s);
	assert_int_equal(access(in_dir("db-wal"), F_OK), -1);

	s = open_with(in_dir("db"), STORE_READONLY);
	assert_kept(s, 1, 0, "first");
	assert_kept(s, 2, 0, "second");
	assert_kept(s, 3, 0, long_text);
	store_close(s);
	free(long_text);
}

static void
a_strange_umask_does_not_hinder(void **state)
{
	mode_t before = umask(0777);
	struct store *s = open_with(in_dir("db"), STORE_CREATE);

	(void)state;
	umask(before);
	assert_int_equal(mode_of("db"), 0600);
	store_close(s);
}

static void
an_empty_file_becomes_a_store_of_its_owner_alone(void **state)
{
	int fd = open(in_dir("db"), O_WRONLY | O_CREAT, 0644);
	struct store *s;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
	assert_no_open(in_dir("db"), 0, "nothing has been kept");
	assert_no_open(in_dir("db"), STORE_READONLY, "nothing has been kept");
	s = open_with(in_dir("db"), STORE_CREATE);
	assert_int_equal(mode_of("db"), 0600);
	put_alone(s, 1, 0, "x", NULL);
	store_close(s);

	/* What its owner has chosen to share stays shared. */
	assert_int_equal(chmod(in_dir("db"), 0640), 0);
	s = open_with(in_dir("db"), STORE_CREATE);
	assert_int_equal(mode_of("db"), 0640);
	store_close(s);
}

static void
a_store_that_is_not_there_is_made_only_on_request(void **state)
{
	(void)state;
	assert_no_open(in_dir("db"), 0, "no store at");
	assert_no_open(in_dir("db"), STORE_READONLY | STORE_CREATE,
	    "no store at");
	assert_no_open(in_dir("a/b/db"), 0, "no store at");
	assert_int_equal(access(in_dir("db"), F_OK), -1);
	assert_int_equal(access(in_dir("a"), F_OK), -1);
}

static void
a_path_that_cannot_be_a_store_is_refused(void **state)
{
	int fd = open(in_dir("file"), O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_no_open("", STORE_CREATE, "empty name");
	assert_no_open(dir, STORE_CREATE, "not a file");
	assert_no_open("/dev/null", STORE_CREATE, "not a file");
	assert_no_open(in_dir("file/db"), STORE_CREATE, "Not a directory");
	assert_no_open(in_dir("file/x/db"), STORE_CREATE, "Not a directory");
	assert_int_equal(symlink("nowhere", in_dir("link")), 0);
	assert_no_open(in_dir("link"), STORE_CREATE, "cannot open store");
}

static void
a_name_like_a_uri_is_a_name(void **state)
{
	char before[PATH_MAX];
	struct store *s;

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(dir), 0);
	s = open_with("file:db?mode=memory", STORE_CREATE);
	put_alone(s, 1, 0, "x", NULL);
	store_close(s);
	assert_int_equal(mode_of("file:db?mode=memory"), 0600);
	s = open_with("file:db?mode=memory", 0);
	assert_kept(s, 1, 0, "x");
	store_close(s);
	assert_int_equal(chdir(before), 0);
}

static void
another_programs_database_is_refused_and_left_alone(void **state)
{
	struct stat before, after;

	(void)state;
	raw_sql(in_dir("a"), "CREATE TABLE requests (x)");
	raw_sql(in_dir("b"), "PRAGMA application_id = 77");
	raw_sql(in_dir("c"), "PRAGMA user_version = 1");
	raw_sql(in_dir("d"), "PRAGMA application_id = 0x6672676c");
	assert_int_equal(stat(in_dir("a"), &before), 0);
	assert_no_open(in_dir("a"), STORE_CREATE, "another program");
	assert_no_open(in_dir("b"), STORE_CREATE, "another program");
	assert_no_open(in_dir("c"), STORE_CREATE, "another program");
	assert_no_open(in_dir("d"), STORE_CREATE, "another program");
	assert_no_open(in_dir("a"), STORE_READONLY, "another program");
	assert_int_equal(stat(in_dir("a"), &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(before.st_mode, after.st_mode);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(access(in_dir("a-wal"), F_OK), -1);
}

static void
a_store_of_a_newer_version_is_refused_with_its_number(void **state)
{
	char expected[2 * PATH_MAX + 300];

	(void)state;
	store_close(open_with(in_dir("db"), STORE_CREATE));
	raw_sql(in_dir("db"), "PRAGMA user_version = 12");
	snprintf(expected, sizeof(expected), "store '%s' is of a newer frugal "
	    "(version 12, this one knows 3); update frugal", in_dir("db"));
	assert_no_open(in_dir("db"), STORE_CREATE, expected);
	assert_no_open(in_dir("db"), STORE_READONLY, expected);
}

static void
a_store_left_unfinished_by_a_crash_is_finished(void **state)
{
	struct store *s;

	(void)state;
	raw_sql(in_dir("db"), "PRAGMA journal_mode = WAL");
	s = open_with(in_dir("db"), STORE_CREATE);
	put_alone(s, 1, 0, "x", NULL);
	assert_kept(s, 1, 0, "x");
	store_close(s);
}

/* Overwrite `n` bytes from `at` on with 0xa5. */
static void
damage(const char *path, off_t at, size_t n)
{
	char *p = malloc(n);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_non_null(p);
	assert_true(fd >= 0);
	memset(p, 0xa5, n);
	assert_int_equal(pwrite(fd, p, n, at), n);
	close(fd);
	free(p);
}

static void
a_damaged_store_says_how_to_recover_it(void **state)
{
	char text[9000], expected[4 * PATH_MAX];
	struct arena *a = arena_new(0);
	struct completion c;
	struct store *s;
	int found;

	(void)state;
	snprintf(expected, sizeof(expected), "store '%s' is damaged; save what "
	    "can be read with: frugal cache export --salvage --store %s -o "
	    "FILE; then move it away and import FILE", in_dir("db"),
	    in_dir("db"));
	damage(in_dir("db"), 0, 5000); /* no database at all */
	assert_no_open(in_dir("db"), STORE_CREATE, "' is damaged, and nothing "
	    "of it can be read; move it away, or choose another file");
	assert_int_equal(unlink(in_dir("db")), 0);

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	s = open_with(in_dir("db"), STORE_CREATE);
	for (int i = 0; i < 100; i++)
		put_alone(s, (unsigned char)i, 0, text, NULL);
	store_close(s);
	damage(in_dir("db"), 4096, 40 * 4096); /* all but the first page */
	s = open_with(in_dir("db"), 0);
	found = get(s, 1, 0, a, &c);
	assert_int_equal(found, -1);
	assert_string_equal(e.msg, expected);
	assert_int_equal(store_check(s, &e), -1);
	assert_non_null(strstr(e.msg, "is damaged"));
	assert_non_null(strstr(e.msg, "cache export --salvage"));
	store_close(s);
	arena_free(a);
}

/* As a damaged page leaves it, and `sqlite3 .recover` after that. */
static void
a_lost_segment_costs_no_completion(void **state)
{
	struct store *s = open_with(in_dir("store.db"), STORE_CREATE);
	int64_t row;

	(void)state;
	put_alone(s, 1, 0, "first", NULL);
	put_alone(s, 2, 0, "second", &row);
	assert_int_equal(row, 2);
	store_close(s);
	raw_sql(in_dir("store.db"), "DELETE FROM segments WHERE id = 2");
	s = open_with(in_dir("store.db"), 0);
	put_alone(s, 3, 0, "third", &row);
	assert_int_equal(row, 3);
	store_close(s);
	raw_sql(in_dir("store.db"), "DELETE FROM segments");
	s = open_with(in_dir("store.db"), 0);
	put_alone(s, 4, 0, "fourth", &row);
	assert_int_equal(row, 4);
	assert_kept(s, 1, 0, "first");
	assert_kept(s, 2, 0, "second");
	assert_kept(s, 3, 0, "third");
	store_close(s);
}

static void
numbers_that_nothing_counts_to_are_damage(void **state)
{
	struct request_row q = request(2);
	struct completion c = answer("x");
	struct store *s = open_with(in_dir("store.db"), STORE_CREATE);

	(void)state;
	put_alone(s, 1, 0, "first", NULL);
	store_close(s);
	raw_sql(in_dir("store.db"), "UPDATE completions"
	    " SET id = 9223372036854775807");
	s = open_with(in_dir("store.db"), 0);
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(store_put(s, &q, 0, &c, NULL, &e), -1);
	assert_non_null(strstr(e.msg, "is damaged"));
	store_close(s);
}

static void
a_store_opened_for_reading_is_read_and_not_written(void **state)
{
	struct store *s = open_with(in_dir("db"), STORE_CREATE);

	(void)state;
	put_alone(s, 1, 0, "x", NULL);
	store_close(s);
	s = open_with(in_dir("db"), STORE_READONLY);
	assert_kept(s, 1, 0, "x");
	assert_int_equal(store_begin(s, &e), -1);
	assert_non_null(strstr(e.msg, "reading alone"));
	assert_int_equal(store_vacuum(s, &e), -1);
	assert_non_null(strstr(e.msg, "read-only"));
	assert_int_equal(store_repair(s, &e), -1);
	assert_non_null(strstr(e.msg, "reading alone"));
	store_close(s);
}

/* Run f in a child, where it may call _exit(); its exit status. */
static int
in_child(void (*f)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		f();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
open_without_permission(void)
{
	struct store *s = NULL;

	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		_exit(2);
	if (store_open(&s, in_dir("db"), STORE_CREATE, &e) == 0 ||
	    !strstr(e.msg, "read-only: nothing can be kept"))
		_exit(3);
	if (store_open(&s, in_dir("open/db"), STORE_CREATE, &e) == 0 ||
	    !strstr(e.msg, "read-only: nothing can be kept"))
		_exit(6);
	if (store_open(&s, in_dir("open/db"), STORE_READONLY, &e) < 0)
		_exit(7);
	store_close(s);
	if (store_open(&s, in_dir("secret"), STORE_CREATE, &e) == 0 ||
	    !strstr(e.msg, "cannot open store") ||
	    !strstr(e.msg, "Permission denied"))
		_exit(4);
	if (store_open(&s, in_dir("sub/new"), STORE_CREATE, &e) == 0 ||
	    !strstr(e.msg, "Permission denied"))
		_exit(5);
}

static void
a_missing_permission_is_named(void **state)
{
	(void)state;
	store_close(open_with(in_dir("db"), STORE_CREATE));
	store_close(open_with(in_dir("secret"), STORE_CREATE));
	store_close(open_with(in_dir("open/db"), STORE_CREATE));
	assert_int_equal(chmod(in_dir("db"), 0444), 0);
	/* Here SQLite alone would fall back to reading without a word. */
	assert_int_equal(chmod(in_dir("open/db"), 0444), 0);
	assert_int_equal(chmod(in_dir("open"), 0777), 0);
	assert_int_equal(chmod(in_dir("secret"), 0), 0);
	assert_int_equal(chmod(dir, 0555), 0);
	assert_int_equal(in_child(open_without_permission), 0);
	assert_int_equal(chmod(dir, 0700), 0);
}

static void
a_store_held_by_another_handle_is_said_to_be_held(void **state)
{
	struct store *s = open_with(in_dir("db"), STORE_CREATE);
	struct store *other = open_with(in_dir("db"), 0);

	(void)state;
	assert_int_equal(sqlite3_busy_timeout(other->db, 1), SQLITE_OK);
	assert_int_equal(store_begin(s, &e), 0);
	put(s, 1, 0, "x", NULL);
	assert_int_equal(store_begin(other, &e), -1);
	assert_non_null(strstr(e.msg, "another process"));
	assert_not_kept(other, 1, 0); /* readers are not held up */
	assert_int_equal(store_commit(s, &e), 0);
	assert_kept(other, 1, 0, "x");
	put_alone(other, 2, 0, "y", NULL);
	assert_kept(s, 2, 0, "y");
	store_close(other);
	store_close(s);
}

static void
die_within_a_transaction(void)
{
	struct store *s;

	if (store_open(&s, in_dir("db"), STORE_CREATE, &e) < 0)
		_exit(2);
	put_alone(s, 1, 0, "committed", NULL);
	if (store_begin(s, &e) < 0)
		_exit(3);
	put(s, 2, 0, "not committed", NULL);
	kill(getpid(), SIGKILL);
}

static void
what_was_committed_survives_kill_and_nothing_else(void **state)
{
	struct store *s;

	(void)state;
	assert_int_equal(in_child(die_within_a_transaction), -1);
	s = open_with(in_dir("db"), 0);
	assert_kept(s, 1, 0, "committed");
	assert_not_kept(s, 2, 0);
	assert_int_equal(count(s, "SELECT count(DISTINCT key) FROM completions"), 1);
	assert_int_equal(store_check(s, &e), 0);
	store_close(s);
}

#define PROCESSES 4
#define TRANSACTIONS 200

/* Each makes the store itself, and half of the requests are everyone's. */
static void
write_many(int me)
{
	struct store *s;

	if (store_open(&s, in_dir("db"), STORE_CREATE, &e) < 0)
		_exit(2);
	for (int i = 0; i < TRANSACTIONS; i++) {
		struct request_row own = request((unsigned char)i);
		struct request_row common = request((unsigned char)i);
		struct completion c = answer("text");

		own.key[1] = (unsigned char)(me + 1);
		if (store_begin(s, &e) < 0)
			_exit(3);
		if (store_put(s, &own, 0, &c, NULL, &e) < 0 ||
		    store_put(s, &common, me, &c, NULL, &e) < 0)
			_exit(4);
		if (store_commit(s, &e) < 0)
			_exit(5);
	}
	store_close(s);
	_exit(0);
}

static void
four_processes_write_into_one_store(void **state)
{
	pid_t pid[PROCESSES];
	struct store *s;
	int status;

	(void)state;
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			write_many(i);
	}
	for (int i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	s = open_with(in_dir("db"), 0);
	assert_int_equal(store_check(s, &e), 0);
	assert_int_equal(count(s, "SELECT count(*) FROM completions"),
	    2 * PROCESSES * TRANSACTIONS);
	assert_int_equal(count(s, "SELECT count(DISTINCT key) FROM completions"),
	    (PROCESSES + 1) * TRANSACTIONS);
	store_close(s);
}

static void
assert_default_path(const char *expected)
{
	struct buf b;

	buf_init(&b, PATH_MAX);
	buf_adds(&b, "left over");
	assert_int_equal(store_default_path(&b, &e), 0);
	assert_string_equal(b.p, expected);
	buf_release(&b);
}

static void
the_default_path_follows_the_environment(void **state)
{
	struct buf b;
	char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;

	(void)state;
	setenv("FRUGAL_STORE", "my.db", 1);
	setenv("XDG_STATE_HOME", "/state", 1);
	setenv("HOME", "/them/me", 1);
	assert_default_path("my.db");
	setenv("FRUGAL_STORE", "", 1);
	assert_default_path("/state/frugal/store.db");
	setenv("XDG_STATE_HOME", "relative", 1);
	assert_default_path("/them/me/.local/state/frugal/store.db");
	unsetenv("FRUGAL_STORE");
	unsetenv("XDG_STATE_HOME");
	assert_default_path("/them/me/.local/state/frugal/store.db");
	unsetenv("HOME");
	buf_init(&b, PATH_MAX);
	assert_int_equal(store_default_path(&b, &e), -1);
	assert_non_null(strstr(e.msg, "FRUGAL_STORE"));
	buf_release(&b);
	if (home)
		setenv("HOME", home, 1);
	free(home);
}

static void
closing_nothing_is_harmless(void **state)
{
	(void)state;
	store_close(NULL);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_completion_comes_back_as_it_was_kept),
		cmocka_unit_test(
		    an_unknown_cost_stays_unknown_and_zero_stays_zero),
		cmocka_unit_test(empty_huge_and_odd_texts_come_back),
		cmocka_unit_test(no_digit_of_a_log_probability_is_lost),
		cmocka_unit_test(
		    tokens_may_overlap_run_backwards_and_be_out_of_range),
		cmocka_unit_test(
		    a_hundred_thousand_tokens_take_ten_bytes_each),
		cmocka_unit_test(a_damaged_token_blob_is_an_error),
		cmocka_unit_test(
		    an_unknown_request_sample_or_row_is_not_there),
		cmocka_unit_test(
		    keys_that_share_their_first_64_bits_are_told_apart),
		cmocka_unit_test(samples_share_the_text_of_their_request),
		cmocka_unit_test(the_same_sample_is_replaced_in_its_row),
		cmocka_unit_test(a_sample_number_out_of_range_is_refused),
		cmocka_unit_test(
		    cut_off_and_refused_answers_are_given_only_when_asked_for),
		cmocka_unit_test(an_answer_that_was_changed_is_not_given_out),
		cmocka_unit_test(a_finish_of_another_version_is_other),
		cmocka_unit_test(writing_outside_a_transaction_is_refused),
		IN_DIR(what_is_rolled_back_or_not_committed_is_not_kept),
		IN_DIR(a_full_disk_loses_the_transaction_and_nothing_else),
		cmocka_unit_test(
		    a_transaction_that_sqlite_gave_up_takes_no_more),
		cmocka_unit_test(a_write_that_failed_spoils_its_transaction),
		IN_DIR(the_files_are_for_their_owner_alone),
		IN_DIR(a_short_log_is_left_behind_and_a_long_one_is_not),
		IN_DIR(a_strange_umask_does_not_hinder),
		IN_DIR(an_empty_file_becomes_a_store_of_its_owner_alone),
		IN_DIR(a_store_that_is_not_there_is_made_only_on_request),
		IN_DIR(a_path_that_cannot_be_a_store_is_refused),
		IN_DIR(a_name_like_a_uri_is_a_name),
		IN_DIR(another_programs_database_is_refused_and_left_alone),
		IN_DIR(a_store_of_a_newer_version_is_refused_with_its_number),
		IN_DIR(a_store_left_unfinished_by_a_crash_is_finished),
		IN_DIR(a_damaged_store_says_how_to_recover_it),
		IN_DIR(a_lost_segment_costs_no_completion),
		IN_DIR(numbers_that_nothing_counts_to_are_damage),
		IN_DIR(a_store_opened_for_reading_is_read_and_not_written),
		IN_DIR(a_missing_permission_is_named),
		IN_DIR(a_store_held_by_another_handle_is_said_to_be_held),
		IN_DIR(what_was_committed_survives_kill_and_nothing_else),
		IN_DIR(four_processes_write_into_one_store),
		cmocka_unit_test(the_default_path_follows_the_environment),
		cmocka_unit_test(closing_nothing_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
