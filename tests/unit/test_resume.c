/*
 * test_resume.c -- what the output file of an earlier run holds. The tests are
 * linked with the library alone, so the file comes in by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/input.h"
#include "cmd/linefile.c"
#include "cmd/resume.c"

#define MAX ((size_t)1 << 20)

static char folder[] = "/tmp/frugal-test-XXXXXX";
static char path[64];
static struct resume *resume;
static struct err e;

static int
make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/out.jsonl", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* fails if something was left in it */
}

static int
begin(void **state)
{
	(void)state;
	memset(&e, 0, sizeof(e));
	return 0;
}

static int
clean_up(void **state)
{
	(void)state;
	resume_free(resume);
	resume = NULL;
	unlink(path);
	return 0;
}

static void
write_bytes(const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void
write_file(const char *text)
{
	write_bytes(text, strlen(text));
}

static void
file_has(const char *bytes, size_t n)
{
	struct buf b;
	struct err mine = { 0 };

	buf_init(&b, BUF_MAX);
	assert_int_equal(input_slurp(path, BUF_MAX, &b, &mine), 0);
	if (b.n != n || (n && memcmp(b.p, bytes, n) != 0))
		fail_msg("the file is '%s', not '%s'", b.p ? b.p : "", bytes);
	buf_release(&b);
}

static void
file_is(const char *text)
{
	file_has(text, strlen(text));
}

static void
opens(int64_t kept, int64_t dropped, int64_t torn)
{
	struct resume_counts c;

	if (resume_open(&resume, path, MAX, &e) < 0)
		fail_msg("%s", e.msg);
	c = resume_counts(resume);
	assert_int_equal(c.kept, kept);
	assert_int_equal(c.dropped, dropped);
	assert_int_equal(c.torn, torn);
}

static void
is_foreign(void)
{
	assert_int_equal(resume_open(&resume, path, MAX, &e), -1);
	assert_null(resume);
	assert_int_equal(e.code, ERR_USAGE);
	assert_non_null(strstr(e.msg, path));
}

static bool
take(const char *id)
{
	return resume_take(resume, str_of(id));
}

#define LINE(id, status) "{\"id\":\"" id "\",\"status\":\"" status "\"}\n"
#define A LINE("a", "accepted")
#define B LINE("b", "exhausted")
#define C LINE("c", "refused")
#define D LINE("d", "failed")
#define E LINE("e", "budget")

/* --- opening -------------------------------------------------------------- */

static void
no_file_is_an_empty_one(void **state)
{
	(void)state;
	opens(0, 0, 0);
	assert_false(take("a"));
	assert_int_equal(access(path, F_OK), -1);
}

static void
an_empty_file_holds_nothing(void **state)
{
	(void)state;
	write_file("");
	opens(0, 0, 0);
	assert_false(take("a"));
	file_is("");
}

static void
each_line_answers_for_one_task(void **state)
{
	(void)state;
	write_file(A B C);
	opens(3, 0, 0);
	file_is(A B C);
	assert_true(take("b"));
	assert_true(take("a"));
	assert_true(take("c"));
	assert_false(take("a"));
	assert_false(take("d"));
	assert_false(take(""));
}

static void
duplicate_ids_are_counted(void **state)
{
	(void)state;
	write_file(A B A A);
	opens(4, 0, 0);
	assert_true(take("a"));
	assert_true(take("a"));
	assert_true(take("b"));
	assert_true(take("a"));
	assert_false(take("a"));
	assert_false(take("b"));
}

static void
ids_are_read_with_their_escapes(void **state)
{
	(void)state;
	write_file(LINE("say \\\"hi\\\"", "accepted")
	    LINE("tab\\there", "accepted") LINE("\\u20ac", "accepted")
	    LINE("", "accepted") LINE("back\\\\slash", "accepted"));
	opens(5, 0, 0);
	assert_true(take("say \"hi\""));
	assert_true(take("tab\there"));
	assert_true(take("\xe2\x82\xac"));
	assert_true(take(""));
	assert_true(take("back\\slash"));
}

static void
members_may_stand_in_any_order(void **state)
{
	static const char text[] =
	    "{ \"status\": \"accepted\", \"text\": \"x\", \"id\": \"a\" }\n"
	    "{\"id\":\"b\",\"text\":\"\",\"status\":\"refused\"}\n";

	(void)state;
	write_file(text);
	opens(2, 0, 0);
	assert_true(take("a"));
	assert_true(take("b"));
	file_is(text);
}

/* What a model wrote may look like a result; it is inside a string. */
static void
text_that_looks_like_a_result_is_text(void **state)
{
	(void)state;
	write_file("{\"id\":\"a\",\"status\":\"accepted\",\"text\":"
	    "\"\\\",\\\"status\\\":\\\"failed\\\"}\"}\n");
	opens(1, 0, 0);
	assert_true(take("a"));
}

static void
many_lines_are_all_found(void **state)
{
	enum { N = 20000 };
	struct buf b;
	char id[32];

	(void)state;
	buf_init(&b, BUF_MAX);
	for (int i = 0; i < N; i++)
		buf_addf(&b, "{\"id\":\"task-%d\",\"status\":\"accepted\"}\n",
		    i);
	assert_false(b.failed);
	write_bytes(b.p, b.n);
	buf_release(&b);
	opens(N, 0, 0);
	for (int i = N; i-- > 0;) {
		snprintf(id, sizeof(id), "task-%d", i);
		assert_true(take(id));
		assert_false(take(id));
	}
}

static void
a_line_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
	char *text = malloc(MAX + 100);
	size_t n;

	(void)state;
	assert_non_null(text);
	n = (size_t)sprintf(text, A "{\"id\":\"x\",\"status\":\"accepted\","
	    "\"text\":\"");
	memset(text + n, 'y', MAX);
	strcpy(text + strlen(A) + MAX - 3, "\"}\n");
	write_bytes(text, strlen(text));
	opens(2, 0, 0);
	resume_free(resume);
	resume = NULL;
	strcpy(text + strlen(A) + MAX - 3, "y\"}\n");
	write_bytes(text, strlen(text));
	is_foreign();
	assert_non_null(strstr(e.msg, ":2: a line is longer than 1048576 "
	    "bytes"));
	free(text);
}

static void
a_folder_is_no_output_file(void **state)
{
	(void)state;
	assert_int_equal(resume_open(&resume, folder, MAX, &e), -1);
	assert_int_equal(e.code, ERR_IO);
}

/* --- torn lines ----------------------------------------------------------- */

static void
a_torn_last_line_is_cut_off(void **state)
{
	(void)state;
	write_file(A B "{\"id\":\"c\",\"stat");
	opens(2, 0, 15);
	file_is(A B);
	assert_true(take("a"));
	assert_false(take("c"));
}

/* Cut at every byte: never an error, and what is whole stays. */
static void
a_line_may_be_torn_anywhere(void **state)
{
	static const char text[] = A B;
	const int64_t first = (int64_t)strlen(A);

	(void)state;
	for (int64_t n = 0; n <= (int64_t)strlen(text); n++) {
		int64_t whole = n < first ? 0
		    : n < (int64_t)strlen(text) ? first : n;
		write_bytes(text, (size_t)n);
		opens(whole == 0 ? 0 : whole == first ? 1 : 2, 0, n - whole);
		file_has(text, (size_t)whole);
		resume_free(resume);
		resume = NULL;
	}
}

static void
a_whole_object_without_its_line_end_is_torn(void **state)
{
	(void)state;
	write_file(A "{\"id\":\"b\",\"status\":\"accepted\"}");
	opens(1, 0, (int64_t)strlen(B) - 2);
	file_is(A);
	assert_false(take("b"));
}

static void
a_torn_line_and_failed_ones_go_together(void **state)
{
	(void)state;
	write_file(D A "{\"id\"");
	opens(1, 1, 5);
	file_is(A);
	assert_true(take("a"));
}

/* --- failed lines --------------------------------------------------------- */

static void
failed_lines_are_taken_out(void **state)
{
	(void)state;
	write_file(D A E B D C);
	opens(3, 3, 0);
	file_is(A B C);
	assert_false(take("d"));
	assert_false(take("e"));
	assert_true(take("c"));
}

static void
a_file_of_failures_becomes_empty(void **state)
{
	(void)state;
	write_file(D E);
	opens(0, 2, 0);
	file_is("");
}

static void
a_failed_line_does_not_hide_a_later_answer(void **state)
{
	(void)state;
	write_file(LINE("a", "failed") A);
	opens(1, 1, 0);
	file_is(A);
	assert_true(take("a"));
	assert_false(take("a"));
}

static void
long_lines_are_copied_whole(void **state)
{
	struct buf b;
	size_t from, n;

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_adds(&b, D);
	from = b.n;
	buf_adds(&b, "{\"id\":\"a\",\"status\":\"accepted\",\"text\":\"");
	for (int i = 0; i < 30000; i++)
		buf_addf(&b, "word %d ", i);
	buf_adds(&b, "\"}\n");
	n = b.n - from;
	buf_adds(&b, E);
	write_bytes(b.p, b.n);
	opens(1, 2, 0);
	file_has(b.p + from, n);
	buf_release(&b);
}

static void
a_file_that_cannot_be_replaced_keeps_its_lines(void **state)
{
	struct linefile_new w;

	(void)state;
	write_file(A D);
	assert_int_equal(linefile_rewrite(&w, path, &e), 0);
	assert_int_equal(linefile_replace(&w, -1, &e), -1);
	file_is(A D);
}

/* --- somebody else's file ------------------------------------------------- */

static void
foreign(const char *text)
{
	write_file(text);
	is_foreign();
	file_is(text);
}

static void
a_foreign_file_is_refused_and_left_as_it_is(void **state)
{
	(void)state;
	foreign("hello\n");
	foreign("\n");
	foreign("id,prompt\n1,What?\n");
	foreign("{\"id\":\"a\",\"prompt\":\"What?\"}\n");
	foreign("[{\"id\":\"a\",\"status\":\"accepted\"}]\n");
	foreign("{\"id\":7,\"status\":\"accepted\"}\n");
	foreign("{\"id\":\"a\",\"status\":true}\n");
	foreign(LINE("a", "done"));
	foreign(LINE("a", "ACCEPTED"));
	foreign("{\"id\":\"a\",\"status\":\"accepted\"\n");
	foreign("null\n");
}

static void
one_foreign_line_among_ours_is_enough(void **state)
{
	(void)state;
	foreign(A B "# done by hand\n" C);
	assert_non_null(strstr(e.msg, ":3:"));
	foreign(A "\n");
	foreign(D "x\n" "{\"id");
	foreign("x\n" A);
	assert_non_null(strstr(e.msg, ":1:"));
}

/* There is no line end to say that it is whole, but no result begins so. */
static void
a_foreign_file_without_a_line_end_is_left_as_it_is(void **state)
{
	(void)state;
	foreign("a text of somebody else");
	foreign("{\"name\":\"settings\",\"version\":1}");
	foreign(A "and a note");
}

static void
bytes_that_are_no_text_are_foreign(void **state)
{
	static const char bytes[] = "\x7f" "ELF\0\0\x01\n\0\xff";

	(void)state;
	write_bytes(bytes, sizeof(bytes) - 1);
	is_foreign();
	file_has(bytes, sizeof(bytes) - 1);
}

/* --- sorting -------------------------------------------------------------- */

struct ids {
	const char *const *v;
	int fail_at; /* -1: never */
	int at;
};

static int
next_id(void *cookie, struct str *id, struct err *err)
{
	struct ids *i = cookie;

	if (i->at == i->fail_at)
		return err_set(err, ERR_INPUT, "no more of this");
	if (!i->v[i->at])
		return 0;
	*id = str_of(i->v[i->at++]);
	return 1;
}

#define IDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static ino_t
inode(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static void
sort_by(const char *const *v)
{
	struct ids ids = { v, -1, 0 };

	if (resume_sort(path, MAX, next_id, &ids, &e) < 0)
		fail_msg("%s", e.msg);
}

static void
lines_are_put_into_the_order_of_the_ids(void **state)
{
	(void)state;
	write_file(C A D B);
	sort_by(IDS("a", "b", "c", "d"));
	file_is(A B C D);
}

static void
sorted_lines_are_not_written_again(void **state)
{
	ino_t before;

	(void)state;
	write_file(A B C);
	before = inode();
	sort_by(IDS("a", "b", "c"));
	assert_int_equal(inode(), before);
	sort_by(IDS("a", "x", "b", "y", "c"));
	assert_int_equal(inode(), before);
	sort_by(IDS("b", "a", "c"));
	assert_int_not_equal(inode(), before);
	file_is(B A C);
}

static void
lines_of_one_id_keep_their_order(void **state)
{
#define A2 "{\"id\":\"a\",\"status\":\"accepted\",\"text\":\"2\"}\n"
	(void)state;
	write_file(B A A2);
	sort_by(IDS("a", "b", "a"));
	file_is(A B A2);
}

static void
lines_of_other_ids_come_last(void **state)
{
	(void)state;
	write_file(B D A);
	sort_by(IDS("a", "b"));
	file_is(A B D);
}

static void
lines_of_other_ids_come_last_also_when_the_rest_is_in_order(void **state)
{
	(void)state;
	write_file(D A B);
	sort_by(IDS("a", "b"));
	file_is(A B D);
}

static void
no_ids_change_nothing(void **state)
{
	(void)state;
	write_file(A);
	sort_by((const char *const[]){ NULL });
	file_is(A);
}

static void
an_id_without_a_line_is_passed_over(void **state)
{
	(void)state;
	write_file(C A);
	sort_by(IDS("a", "b", "c", "c"));
	file_is(A C);
}

/* It says yes only where resume_sort() changes nothing. */
static void
lines_in_order_are_known_as_such(void **state)
{
	static const struct {
		const char *file, *ids[5];
		int in_order;
	} cases[] = {
		{ A B C, { "a", "b", "c" }, 1 },
		{ A C, { "a", "b", "c", "d" }, 1 },
		{ B, { "a", "b" }, 1 },
		{ "", { "a" }, 1 },
		{ A B A2, { "a", "b", "a" }, 1 },
		{ B A, { "a", "b" }, 0 },
		{ A B C, { "a", "c", "b" }, 0 },
		{ A B C, { "b", "c" }, 0 },
		{ A B A2, { "a", "a", "b" }, 0 },
		{ A, { NULL }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ids ids = { cases[i].ids, -1, 0 };
		ino_t before;

		write_file(cases[i].file);
		assert_int_equal(resume_in_order(path, MAX, next_id, &ids, &e),
		    cases[i].in_order);
		before = inode();
		sort_by(cases[i].ids);
		if (cases[i].in_order)
			assert_int_equal(inode(), before);
	}
}

static void
what_is_no_list_of_results_is_in_no_order(void **state)
{
	struct ids ids = { IDS("a", "b"), -1, 0 },
	    fails = { IDS("b", "a"), 1, 0 };

	(void)state;
	write_file(A "x\n" B);
	assert_int_equal(resume_in_order(path, MAX, next_id, &ids, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	write_file(A);
	assert_int_equal(resume_in_order(path, MAX, next_id, &fails, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
}

static void
sorting_no_file_makes_none(void **state)
{
	(void)state;
	sort_by(IDS("a"));
	assert_int_equal(access(path, F_OK), -1);
}

static void
an_error_of_the_source_leaves_the_file_as_it_is(void **state)
{
	struct ids ids = { IDS("b", "a"), 1, 0 };

	(void)state;
	write_file(A B);
	assert_int_equal(resume_sort(path, MAX, next_id, &ids, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_string_equal(e.msg, "no more of this");
	file_is(A B);
}

static void
a_foreign_file_is_not_sorted(void **state)
{
	struct ids ids = { IDS("b", "a"), -1, 0 };

	(void)state;
	write_file(A "x\n" B);
	assert_int_equal(resume_sort(path, MAX, next_id, &ids, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	file_is(A "x\n" B);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, clean_up)
	const struct CMUnitTest tests[] = {
		T(no_file_is_an_empty_one),
		T(an_empty_file_holds_nothing),
		T(each_line_answers_for_one_task),
		T(duplicate_ids_are_counted),
		T(ids_are_read_with_their_escapes),
		T(members_may_stand_in_any_order),
		T(text_that_looks_like_a_result_is_text),
		T(many_lines_are_all_found),
		T(a_line_may_be_as_long_as_the_limit_and_no_longer),
		T(a_folder_is_no_output_file),
		T(a_torn_last_line_is_cut_off),
		T(a_line_may_be_torn_anywhere),
		T(a_whole_object_without_its_line_end_is_torn),
		T(a_torn_line_and_failed_ones_go_together),
		T(failed_lines_are_taken_out),
		T(a_file_of_failures_becomes_empty),
		T(a_failed_line_does_not_hide_a_later_answer),
		T(long_lines_are_copied_whole),
		T(a_file_that_cannot_be_replaced_keeps_its_lines),
		T(a_foreign_file_is_refused_and_left_as_it_is),
		T(one_foreign_line_among_ours_is_enough),
		T(a_foreign_file_without_a_line_end_is_left_as_it_is),
		T(bytes_that_are_no_text_are_foreign),
		T(lines_are_put_into_the_order_of_the_ids),
		T(sorted_lines_are_not_written_again),
		T(lines_of_one_id_keep_their_order),
		T(lines_of_other_ids_come_last),
		T(lines_of_other_ids_come_last_also_when_the_rest_is_in_order),
		T(no_ids_change_nothing),
		T(an_id_without_a_line_is_passed_over),
		T(lines_in_order_are_known_as_such),
		T(what_is_no_list_of_results_is_in_no_order),
		T(sorting_no_file_makes_none),
		T(an_error_of_the_source_leaves_the_file_as_it_is),
		T(a_foreign_file_is_not_sorted),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
