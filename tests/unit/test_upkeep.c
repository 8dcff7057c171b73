/*
 * test_upkeep.c -- looking through what is kept, and throwing it away.
 */
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/keys.h"
#include "cache/ledger.h"

static struct err e;
static struct store *s;
static char dir[PATH_MAX], path[PATH_MAX + 16];

/* The texts that store_each() and its like gave, in order, with spaces. */
static char seen[4000];
static int most;

static int
open_memory(void **state)
{
	(void)state;
	memset(&e, 0, sizeof(e));
	most = INT_MAX;
	return store_open(&s, ":memory:", 0, &e);
}

static int
close_memory(void **state)
{
	(void)state;
	store_close(s);
	return 0;
}

static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static int
open_file(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	memset(&e, 0, sizeof(e));
	most = INT_MAX;
	snprintf(dir, sizeof(dir), "%s/frugal-upkeep-XXXXXX",
	    tmp && tmp[0] ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/db", dir);
	return store_open(&s, path, STORE_CREATE, &e);
}

static int
close_file(void **state)
{
	(void)state;
	store_close(s);
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
sql(const char *text)
{
	if (store_exec(s, text, "test", &e) < 0)
		fail_msg("%s", e.msg);
}

static int64_t
count(const char *text)
{
	int64_t n = -1;

	assert_int_equal(store_int(s, text, &n, &e), 0);
	return n;
}

/* Its text is valid until the next call. */
static struct request_row
request(int number, const char *model, const char *prompt)
{
	static char canon[1000];
	struct request_row q = {
		.provider = STR("p"), .model = str_of(model),
	};

	snprintf(canon, sizeof(canon), "{\"messages\":[{\"content\":\"%s\","
	    "\"role\":\"user\"}],\"temperature\":1}", prompt);
	q.canon = str_of(canon);
	q.key[0] = (unsigned char)(number >> 8);
	q.key[1] = (unsigned char)number;
	return q;
}

/* Keep one completion, as if at kept_utc_ms. */
static int64_t
put_sample(const struct request_row *q, int sample, const char *text,
    int64_t cost_picousd, int64_t kept_utc_ms)
{
	struct completion c = {
		.text = str_of(text), .model = STR("m"),
		.cost_picousd = cost_picousd,
	};
	char update[200];
	int64_t row;

	assert_int_equal(store_begin(s, &e), 0);
	if (store_put(s, q, sample, &c, &row, &e) < 0)
		fail_msg("%s", e.msg);
	snprintf(update, sizeof(update), "UPDATE completions SET kept_utc_ms ="
	    " %lld WHERE id = %lld", (long long)kept_utc_ms, (long long)row);
	sql(update);
	assert_int_equal(store_commit(s, &e), 0);
	return row;
}

static int64_t
put(int number, const char *model, const char *prompt, const char *text,
    int64_t kept_utc_ms)
{
	struct request_row q = request(number, model, prompt);

	return put_sample(&q, 0, text, 10, kept_utc_ms);
}

/* Kept in the order c, a, d, b. */
static void
put_four(void)
{
	put(0xb000, "big[1]?", "user role", "c", 1000);
	put(0xa1b2, "org/small", "What is 6*7? 100%", "a", 2000);
	put(0xb001, "big", "TeMperatur", "Delta d", 3000);
	put(0xa1c3, "org/small", "say \\\"hi\\\"\\nthere", "b", 4000);
}

static bool
see(void *cookie, const struct cached_row *row)
{
	size_t n = strlen(seen);

	assert_null(cookie);
	snprintf(seen + n, sizeof(seen) - n, "%s%.*s", n ? " " : "",
	    STR_ARG(row->c.text));
	return --most > 0;
}

static const char *
each(struct cache_filter f)
{
	seen[0] = '\0';
	if (store_each(s, &f, see, NULL, &e) < 0)
		fail_msg("%s", e.msg);
	return seen;
}

#define EACH(...) each((struct cache_filter){ __VA_ARGS__ })

static void
everything_comes_oldest_first_and_a_few_newest_first(void **state)
{
	(void)state;
	assert_string_equal(EACH(.limit = 0), "");
	assert_string_equal(EACH(.limit = 5), "");
	put_four();
	assert_string_equal(EACH(.limit = 0), "c a Delta d b");
	assert_string_equal(EACH(.limit = 2), "b Delta d");
	assert_string_equal(EACH(.limit = INT64_MAX), "b Delta d a c");
	most = 2;
	assert_string_equal(EACH(.limit = 0), "c a");
}

static void
bounds_of_time_take_the_first_and_not_the_last(void **state)
{
	(void)state;
	put_four();
	assert_string_equal(EACH(.before_utc_ms = 2000), "c");
	assert_string_equal(EACH(.after_utc_ms = 2000), "a Delta d b");
	assert_string_equal(EACH(.after_utc_ms = 2000,
	    .before_utc_ms = 4000), "a Delta d");
	assert_string_equal(EACH(.after_utc_ms = 2000,
	    .before_utc_ms = 2000), "");
	assert_string_equal(EACH(.before_utc_ms = 4000, .limit = 1),
	    "Delta d");
}

static void
a_model_is_named_with_or_without_provider_or_by_stars(void **state)
{
	(void)state;
	put_four();
	assert_string_equal(EACH(.model = STR("org/small")), "a b");
	assert_string_equal(EACH(.model = STR("p/org/small")), "a b");
	assert_string_equal(EACH(.model = STR("p/*")), "c a Delta d b");
	assert_string_equal(EACH(.model = STR("*small")), "a b");
	assert_string_equal(EACH(.model = STR("big")), "Delta d");
	assert_string_equal(EACH(.model = STR("big*")), "c Delta d");
	assert_string_equal(EACH(.model = STR("big[1]?")), "c");
	assert_string_equal(EACH(.model = STR("big[1]*")), "c");
	assert_string_equal(EACH(.model = STR("small")), "");
	assert_string_equal(EACH(.model = STR("' OR ''='")), "");
}

static void
texts_of_prompt_and_answer_are_searched_not_the_json(void **state)
{
	(void)state;
	put_four();
	assert_string_equal(EACH(.contains = STR("delta")), "Delta d");
	assert_string_equal(EACH(.contains = STR("WHAT is")), "a");
	assert_string_equal(EACH(.contains = STR("100%")), "a");
	assert_string_equal(EACH(.contains = STR("10%")), "");
	assert_string_equal(EACH(.contains = STR("6_7")), "");
	assert_string_equal(EACH(.contains = STR("say \"hi\"\nthere")), "b");
	assert_string_equal(EACH(.contains = STR("temperature")), "");
	assert_string_equal(EACH(.contains = STR("temperatur")), "Delta d");
	assert_string_equal(EACH(.contains = STR("user")), "c");
	assert_string_equal(EACH(.contains = STR("content")), "");
}

static void
a_request_that_is_not_json_is_passed_over(void **state)
{
	(void)state;
	put_four();
	sql("UPDATE completions SET canon = '{broken' WHERE asked_model = 'big'");
	assert_string_equal(EACH(.contains = STR("what")), "a");
	assert_string_equal(EACH(.contains = STR("delta")), "Delta d");
	assert_int_equal(store_similar(s, STR("{broken"), 5, see, NULL, &e),
	    0);
}

static void
a_key_is_named_by_its_first_digits(void **state)
{
	(void)state;
	put_four();
	assert_string_equal(EACH(.key_prefix = STR("a")), "a b");
	assert_string_equal(EACH(.key_prefix = STR("A1C")), "b");
	assert_string_equal(EACH(.key_prefix = STR("a1b2000000000000000000000"
	    "000000000000000000000000000000000000000")), "a");
	assert_string_equal(EACH(.key_prefix = STR("a1b2000000000000000000000"
	    "0000000000000000000000000000000000000000")), "");
	assert_string_equal(EACH(.key_prefix = STR("%")), "");
	assert_string_equal(EACH(.key_prefix = STR("b"),
	    .model = STR("big")), "Delta d");
}

static bool
look_closely(void *cookie, const struct cached_row *row)
{
	struct request_row q = request(0x1234, "m", "hello");

	assert_memory_equal(row->request.key, q.key, SHA256_BYTES);
	assert_true(str_eq(row->request.canon, q.canon));
	assert_true(str_is(row->request.provider, "p"));
	assert_true(str_is(row->request.model, "m"));
	assert_int_equal(row->sample, 4095);
	assert_int_equal(row->kept_utc_ms, 77);
	assert_int_equal(row->c.cost_picousd, 5);
	assert_int_equal(row->c.prompt_tokens, 0);
	*(bool *)cookie = true;
	return true;
}

static void
a_row_comes_with_all_that_is_known_of_it(void **state)
{
	struct request_row q = request(0x1234, "m", "hello");
	struct cache_filter f = { 0 };
	bool called = false;

	(void)state;
	put_sample(&q, 4095, "x", 5, 77);
	assert_int_equal(store_each(s, &f, look_closely, &called, &e), 0);
	assert_true(called);
	sql("UPDATE completions SET key = x'00'");
	assert_int_equal(store_each(s, &f, look_closely, &called, &e), -1);
	assert_non_null(strstr(e.msg, "is damaged"));
}

static void
totals_leave_out_what_is_unknown_and_say_so(void **state)
{
	struct request_row q = request(1, "m", "x");
	struct cache_totals t;

	(void)state;
	assert_int_equal(store_totals(s, &t, &e), 0);
	assert_int_equal(t.requests, 0);
	assert_int_equal(t.completions, 0);
	assert_int_equal(t.cost_picousd, 0);
	assert_int_equal(t.oldest_utc_ms, 0);
	assert_int_equal(t.newest_utc_ms, 0);
	assert_true(t.file_bytes > 0);
	put_four();
	put_sample(&q, 0, "x", MONEY_UNKNOWN, 9000);
	put_sample(&q, 1, "y", MONEY_MAX - 20, 500);
	assert_int_equal(store_totals(s, &t, &e), 0);
	assert_int_equal(t.requests, 5);
	assert_int_equal(t.completions, 6);
	assert_true(t.cost_picousd == MONEY_MAX); /* saturates */
	assert_int_equal(t.unknown_cost, 1);
	assert_int_equal(t.oldest_utc_ms, 500);
	assert_int_equal(t.newest_utc_ms, 9000);
}

static bool
see_model(void *cookie, struct str provider, struct str model,
    const struct cache_totals *t)
{
	size_t n = strlen(seen);

	assert_null(cookie);
	snprintf(seen + n, sizeof(seen) - n, "%.*s/%.*s %d %d %d %d %d-%d;",
	    STR_ARG(provider), STR_ARG(model), (int)t->requests,
	    (int)t->completions, (int)t->cost_picousd, (int)t->unknown_cost,
	    (int)t->oldest_utc_ms, (int)t->newest_utc_ms);
	return --most > 0;
}

static void
models_come_dearest_first(void **state)
{
	struct request_row q = request(1, "dear", "x");

	(void)state;
	put_four();
	put_sample(&q, 0, "x", MONEY_UNKNOWN, 9000);
	put_sample(&q, 1, "y", 21, 500);
	seen[0] = '\0';
	assert_int_equal(store_totals_by_model(s, see_model, NULL, &e), 0);
	assert_string_equal(seen, "p/dear 1 2 21 1 500-9000;"
	    "p/org/small 2 2 20 0 2000-4000;p/big 1 1 10 0 3000-3000;"
	    "p/big[1]? 1 1 10 0 1000-1000;");
	seen[0] = '\0';
	most = 1;
	assert_int_equal(store_totals_by_model(s, see_model, NULL, &e), 0);
	assert_string_equal(seen, "p/dear 1 2 21 1 500-9000;");
}

static int64_t
delete_under(struct cache_filter f)
{
	int64_t n = -1;

	if (store_delete(s, &f, &n, &e) < 0)
		fail_msg("%s", e.msg);
	return n;
}

static void
what_the_filter_names_is_deleted_and_no_more(void **state)
{
	(void)state;
	put_four();
	assert_int_equal(delete_under((struct cache_filter){
	    .model = STR("nobody") }), 0);
	/* The limit is for showing. */
	assert_int_equal(delete_under((struct cache_filter){
	    .model = STR("org/small"), .limit = 1 }), 2);
	assert_string_equal(EACH(.limit = 0), "c Delta d");
	assert_int_equal(count("SELECT count(DISTINCT key) FROM completions"), 2);
	assert_int_equal(delete_under((struct cache_filter){
	    .before_utc_ms = 3000 }), 1);
	assert_string_equal(EACH(.limit = 0), "Delta d");
	assert_int_equal(delete_under((struct cache_filter){ 0 }), 1);
	assert_int_equal(count("SELECT count(DISTINCT key) FROM completions"), 0);
}

static void
a_request_stays_as_long_as_one_of_its_samples(void **state)
{
	struct request_row q = request(1, "m", "x");

	(void)state;
	put_sample(&q, 0, "zero", 1, 1000);
	put_sample(&q, 7, "seven", 1, 2000);
	assert_int_equal(delete_under((struct cache_filter){
	    .before_utc_ms = 1500 }), 1);
	assert_int_equal(count("SELECT count(DISTINCT key) FROM completions"), 1);
	assert_string_equal(EACH(.limit = 0), "seven");
	/* With the text, which the other had. */
	assert_string_equal(EACH(.contains = STR("x")), "seven");
	assert_int_equal(delete_under((struct cache_filter){ 0 }), 1);
	assert_int_equal(count("SELECT count(DISTINCT key) FROM completions"), 0);
}

static void
many_are_deleted_in_batches(void **state)
{
	const int n = 2 * 512 + 3; /* two whole batches and a part */
	struct completion c = { .text = STR("x"), .model = STR("m") };

	(void)state;
	assert_int_equal(store_begin(s, &e), 0);
	for (int i = 0; i < n; i++) {
		struct request_row q = request(i, i % 2 ? "odd" : "even", "x");

		assert_int_equal(store_put(s, &q, 0, &c, NULL, &e), 0);
	}
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(delete_under((struct cache_filter){
	    .model = STR("odd") }), n / 2);
	assert_int_equal(count("SELECT count(*) FROM completions"),
	    n - n / 2);
	assert_int_equal(delete_under((struct cache_filter){ 0 }), n - n / 2);
}

static void
a_row_number_is_never_given_twice(void **state)
{
	struct ledger_attempt a = { .tier = 1, .n_rows = 1, .chosen = 0 };
	struct ledger_task t = { .id = STR("t"), .attempts = &a,
	    .n_attempts = 1 };
	struct arena *arena = arena_new(0);
	struct completion c;
	int64_t row = put(1, "m", "old", "old answer", 1000);

	(void)state;
	a.rows = &row;
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(ledger_put(s, &t, &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(delete_under((struct cache_filter){ 0 }), 1);
	put(2, "m", "new", "new answer", 1000);
	assert_int_equal(ledger_find(s, STR("t"), 0, arena, &t, &e), 1);
	assert_int_equal(t.attempts[0].rows[0], row);
	/* The ledger keeps its row; another answer is not taken for it. */
	assert_int_equal(store_get_row(s, row, arena, &c, NULL, &e), 0);
	assert_int_equal(store_clear(s, false, &e), 0);
	assert_true(put(3, "m", "newer", "x", 1000) > row + 1);
	arena_free(arena);
}

static void
upkeep_within_a_transaction_is_refused(void **state)
{
	struct cache_filter f = { 0 };
	int64_t n;

	(void)state;
	put_four();
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(store_delete(s, &f, &n, &e), -1);
	assert_int_equal(store_shrink(s, 0, &n, &e), -1);
	assert_int_equal(store_vacuum(s, &e), -1);
	assert_int_equal(store_clear(s, true, &e), -1);
	assert_int_equal(store_commit(s, &e), 0);
	assert_string_equal(EACH(.limit = 0), "c a Delta d b");
}

static off_t
file_bytes(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* n completions of 3 KB: the later, the newer. */
static void
fill(int n)
{
	char text[3000];
	struct completion c = { .text = { text, sizeof(text) },
	    .model = STR("m") };

	memset(text, 'x', sizeof(text));
	assert_int_equal(store_begin(s, &e), 0);
	for (int i = 0; i < n; i++) {
		struct request_row q = request(i, "m", "x");

		assert_int_equal(store_put(s, &q, 0, &c, NULL, &e), 0);
	}
	sql("UPDATE completions SET kept_utc_ms = id");
	assert_int_equal(store_commit(s, &e), 0);
}

static void
shrinking_deletes_the_oldest_and_no_more_than_needed(void **state)
{
	const int64_t bytes = 1 << 20;
	int64_t n, left;

	(void)state;
	fill(1000);
	assert_int_equal(store_shrink(s, bytes, &n, &e), 0);
	assert_true(file_bytes() <= bytes);
	assert_true(file_bytes() > bytes * 8 / 10);
	left = count("SELECT count(*) FROM completions");
	assert_int_equal(n + left, 1000);
	assert_int_equal(count("SELECT min(id) FROM completions"), n + 1);
	assert_int_equal(count("SELECT count(DISTINCT key) FROM completions"), left);
	assert_int_equal(store_check(s, &e), 0);

	/* It fits: nothing goes. */
	assert_int_equal(store_shrink(s, bytes, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(store_shrink(s, INT64_MAX, &n, &e), 0);
	assert_int_equal(n, 0);
	/* Nothing fits into nothing. */
	assert_int_equal(store_shrink(s, 0, &n, &e), 0);
	assert_int_equal(n, left);
	assert_true(file_bytes() < 100000);
}

static void
completions_are_not_sacrificed_for_a_ledger_that_is_too_large(void **state)
{
	char prompt[1000];
	struct ledger_task t = { .prompt = { prompt, sizeof(prompt) } };
	int64_t n;

	(void)state;
	memset(prompt, 'x', sizeof(prompt));
	fill(10);
	assert_int_equal(store_begin(s, &e), 0);
	for (int i = 0; i < 300; i++)
		assert_int_equal(ledger_put(s, &t, &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(store_shrink(s, 200000, &n, &e), -1);
	assert_non_null(strstr(e.msg, "its ledger alone has "));
	assert_int_equal(n, 0);
	assert_int_equal(count("SELECT count(*) FROM completions"), 10);
}

static void
vacuum_gives_free_room_back_to_the_disk(void **state)
{
	off_t before;

	(void)state;
	fill(500);
	assert_int_equal(store_vacuum(s, &e), 0);
	before = file_bytes();
	assert_int_equal(delete_under((struct cache_filter){ 0 }), 500);
	assert_int_equal(store_vacuum(s, &e), 0);
	assert_true(file_bytes() < before / 10);
}

static void
clearing_spares_the_ledger_unless_asked(void **state)
{
	struct ledger_attempt a = { .tier = 1 };
	struct ledger_task t = { .id = STR("t"), .attempts = &a,
	    .n_attempts = 1 };
	struct arena *arena = arena_new(0);

	(void)state;
	fill(50);
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(ledger_put(s, &t, &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(store_clear(s, false, &e), 0);
	assert_int_equal(count("SELECT count(*) FROM completions"), 0);
	assert_int_equal(count("SELECT count(DISTINCT key) FROM completions"), 0);
	assert_int_equal(ledger_find(s, STR("t"), 0, arena, &t, &e), 1);
	assert_int_equal(t.n_attempts, 1);
	assert_true(file_bytes() < 100000);
	assert_int_equal(store_clear(s, true, &e), 0);
	assert_int_equal(ledger_find(s, STR("t"), 0, arena, &t, &e), 0);
	assert_int_equal(count("SELECT count(*) FROM segments"), 1);
	arena_free(arena);
	put(1, "m", "x", "usable afterwards", 1000);
	assert_string_equal(EACH(.limit = 0), "usable afterwards");
}

static void
a_sound_store_is_found_sound(void **state)
{
	(void)state;
	assert_int_equal(store_check(s, &e), 0);
	fill(100);
	assert_int_equal(store_check(s, &e), 0);
}

/* It is what SQL sums up, and no seal is over it. */
static void
a_cost_that_is_not_the_sealed_one_is_found(void **state)
{
	static const char *const wrong[] = { "-5", "'much'", "NULL", "7.5" };

	(void)state;
	fill(10);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char text[120];

		snprintf(text, sizeof(text), "UPDATE completions SET cost_picousd"
		    " = %s WHERE id = 3", wrong[i]);
		sql("SAVEPOINT whole");
		sql(text);
		assert_int_equal(store_check(s, &e), -1);
		assert_non_null(strstr(e.msg, "is damaged"));
		sql("ROLLBACK TO whole; RELEASE whole");
		assert_int_equal(store_check(s, &e), 0);
	}
}

static void
damage_that_sqlite_finds_is_said_with_its_words(void **state)
{
	(void)state;
	put_four();
	/* Point one table at the root of another. */
	sql("PRAGMA writable_schema = ON;"
	    "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM"
	    " sqlite_schema WHERE name = 'days')"
	    " WHERE name = 'completions';"
	    "PRAGMA writable_schema = RESET");
	assert_int_equal(store_check(s, &e), -1);
	assert_int_equal(e.code, ERR_STORE);
	assert_non_null(strstr(e.msg, "is damaged ("));
	assert_non_null(strstr(e.msg, "cache export --salvage"));
}

static void
settle(void)
{
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(keys_settle(s, &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
}

static void
an_index_that_does_not_fit_is_found_and_made_anew(void **state)
{
	static const char *const spoil[] = {
		"DELETE FROM keys WHERE row = 2",
		"UPDATE keys SET row = 3 WHERE row = 2",
		"UPDATE keys SET sample = 7 WHERE row = 2",
		"UPDATE keys SET key64 = key64 + 1 WHERE row = 2",
		"INSERT INTO keys VALUES (5, 0, 6)",
	};

	(void)state;
	put_four();
	assert_int_equal(store_check(s, &e), 0);
	settle();
	assert_int_equal(store_check(s, &e), 0);
	for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
		sql(spoil[i]);
		assert_int_equal(store_check(s, &e), -1);
		assert_int_equal(e.code, ERR_STORE);
		assert_non_null(strstr(e.msg, "does not fit"));
		assert_non_null(strstr(e.msg, "frugal cache check --repair"));
		assert_int_equal(store_repair(s, &e), 0);
		assert_int_equal(store_check(s, &e), 0);
	}
	/* The column that it is made from is checked by the key itself. */
	sql("UPDATE completions SET key64 = key64 + 1 WHERE id = 2");
	assert_int_equal(store_check(s, &e), -1);
	assert_non_null(strstr(e.msg, "is damaged"));
}

/* --- what can be read of a damaged store ------------------------------------- */

static void
put_many(int n)
{
	for (int i = 1; i <= n; i++)
		put(i, "m", "prompt", "an answer", 1000 + i);
}

struct saved {
	int64_t row[1000];
	int n, most;
};

static bool
save(void *cookie, const struct cached_row *row)
{
	struct saved *saved = cookie;

	saved->row[saved->n++] = row->row;
	return saved->n < saved->most;
}

static int64_t
salvage(struct saved *saved, struct cache_filter f)
{
	int64_t gaps;

	*saved = (struct saved){ .most = 1000 };
	assert_int_equal(store_salvage(s, &f, save, saved, &gaps, &e), 0);
	return gaps;
}

static void
what_is_not_damaged_is_saved(void **state)
{
	static const struct {
		const char *where;
		int lost, gaps;
	} damage[] = {
		{ "id = 1", 1, 1 },
		{ "id = 900", 1, 1 },
		{ "id IN (3, 4, 5)", 3, 1 },
		{ "id IN (3, 5)", 2, 2 },
		{ "id BETWEEN 100 AND 700", 601, 1 },
		{ "id % 100 = 1", 9, 9 },
		{ "id > 2", 898, 1 },
		{ "1", 900, 1 },
	};
	static struct saved saved;
	char text[200];

	(void)state;
	put_many(900);
	assert_int_equal(salvage(&saved, (struct cache_filter){ 0 }), 0);
	assert_int_equal(saved.n, 900);
	sql("SAVEPOINT sound");
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		snprintf(text, sizeof(text), "UPDATE completions SET text ="
		    " 'another' WHERE %s", damage[i].where);
		sql(text);
		assert_int_equal(salvage(&saved, (struct cache_filter){ 0 }),
		    damage[i].gaps);
		assert_int_equal(saved.n, 900 - damage[i].lost);
		for (int j = 1; j < saved.n; j++)
			assert_true(saved.row[j] > saved.row[j - 1]);
		sql("ROLLBACK TO sound");
	}
}

static void
salvage_takes_what_the_filter_names_and_stops_when_told(void **state)
{
	static struct saved saved = { .most = 3 };
	int64_t gaps;

	(void)state;
	put_many(100);
	sql("UPDATE completions SET text = 'another' WHERE id IN (20, 60)");
	assert_int_equal(salvage(&saved, (struct cache_filter){
	    .after_utc_ms = 1051, .limit = 7 }), 1);
	assert_int_equal(saved.n, 49);
	assert_int_equal(saved.row[0], 51);
	saved = (struct saved){ .most = 3 };
	assert_int_equal(store_salvage(s, &(struct cache_filter){ 0 }, save,
	    &saved, &gaps, &e), 0);
	assert_int_equal(saved.n, 3);
}

/* Pages, not rows. */
static void
pages_that_are_damaged_are_passed_over(void **state)
{
	static struct saved saved;
	char bytes[4096];
	int64_t gaps;
	FILE *f;

	(void)state;
	put_many(900);
	store_close(s);
	s = NULL;
	memset(bytes, 0xff, sizeof(bytes));
	f = fopen(path, "r+");
	assert_non_null(f);
	for (long page = 15; page < 60; page += 5) {
		assert_int_equal(fseek(f, page * 4096, SEEK_SET), 0);
		assert_int_equal(fwrite(bytes, sizeof(bytes), 1, f), 1);
	}
	assert_int_equal(fclose(f), 0);
	assert_int_equal(store_open(&s, path, 0, &e), 0);
	gaps = salvage(&saved, (struct cache_filter){ 0 });
	assert_in_range(gaps, 1, 60);
	assert_in_range(saved.n, 300, 899);
}

static const char *
similar(const char *messages, int limit)
{
	seen[0] = '\0';
	if (store_similar(s, str_of(messages), limit, see, NULL, &e) < 0)
		fail_msg("%s", e.msg);
	return seen;
}

static void
similar_requests_have_the_same_messages_else_are_the_newest(void **state)
{
	const char *same = "[{\"content\":\"same\",\"role\":\"user\"}]";
	struct request_row q;

	(void)state;
	assert_string_equal(similar(same, 5), "");
	put(1, "m", "same", "first", 1000);
	put(2, "m", "other", "second", 1000);
	put(3, "n", "same", "third", 1000);
	put(4, "m", "sam", "fourth", 1000);
	q = request(9, "m", "same");
	put_sample(&q, 3, "fifth, sample 3", 1, 1000);
	put_sample(&q, 4, "fifth, sample 4", 1, 1000);
	assert_string_equal(similar(same, 10),
	    "fifth, sample 3 third first fourth second");
	assert_string_equal(similar(same, 2), "fifth, sample 3 third");
	assert_string_equal(similar(same, 0), "");
	assert_string_equal(similar(same, -1), "");
	assert_string_equal(similar("", 2), "fifth, sample 3 fourth");
	assert_string_equal(similar("[' OR 1 --", 1), "fifth, sample 3");
	most = 1;
	assert_string_equal(similar(same, 10), "fifth, sample 3");
}

#define MEMORY(f) \
	cmocka_unit_test_setup_teardown(f, open_memory, close_memory)
#define ON_DISK(f) cmocka_unit_test_setup_teardown(f, open_file, close_file)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		MEMORY(everything_comes_oldest_first_and_a_few_newest_first),
		MEMORY(bounds_of_time_take_the_first_and_not_the_last),
		MEMORY(a_model_is_named_with_or_without_provider_or_by_stars),
		MEMORY(texts_of_prompt_and_answer_are_searched_not_the_json),
		MEMORY(a_request_that_is_not_json_is_passed_over),
		MEMORY(a_key_is_named_by_its_first_digits),
		MEMORY(a_row_comes_with_all_that_is_known_of_it),
		MEMORY(totals_leave_out_what_is_unknown_and_say_so),
		MEMORY(models_come_dearest_first),
		MEMORY(what_the_filter_names_is_deleted_and_no_more),
		MEMORY(a_request_stays_as_long_as_one_of_its_samples),
		MEMORY(many_are_deleted_in_batches),
		MEMORY(a_row_number_is_never_given_twice),
		MEMORY(upkeep_within_a_transaction_is_refused),
		ON_DISK(shrinking_deletes_the_oldest_and_no_more_than_needed),
		ON_DISK(
		completions_are_not_sacrificed_for_a_ledger_that_is_too_large),
		ON_DISK(vacuum_gives_free_room_back_to_the_disk),
		ON_DISK(clearing_spares_the_ledger_unless_asked),
		ON_DISK(a_sound_store_is_found_sound),
		ON_DISK(a_cost_that_is_not_the_sealed_one_is_found),
		MEMORY(damage_that_sqlite_finds_is_said_with_its_words),
		MEMORY(an_index_that_does_not_fit_is_found_and_made_anew),
		MEMORY(what_is_not_damaged_is_saved),
		MEMORY(salvage_takes_what_the_filter_names_and_stops_when_told),
		ON_DISK(pages_that_are_damaged_are_passed_over),
		MEMORY(
		similar_requests_have_the_same_messages_else_are_the_newest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
