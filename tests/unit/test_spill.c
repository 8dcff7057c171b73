/*
 * test_spill.c -- lines in a temporary file. The tests are linked with the
 * library alone, so the file comes in by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/rand.h"
#include "cmd/spill.c"

static char folder[] = "/tmp/frugal-test-XXXXXX";
static struct spill *spill;
static struct err e;

static int
make_folder(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	return mkdtemp(folder) && setenv("TMPDIR", folder, 1) == 0 ? 0 : -1;
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
	return spill_open(&spill, NULL, &e);
}

static int
end(void **state)
{
	(void)state;
	spill_free(spill);
	spill = NULL;
	return 0;
}

/* A run of some numbers, whose lines are their number in words of n bytes. */
static void
add(int64_t number, size_t n)
{
	char *p = malloc(n + 32);

	assert_non_null(p);
	memset(p, 'x', n + 32);
	snprintf(p, 32, "%lld", (long long)number);
	spill_add(spill, number, (struct str){ p, n });
	free(p);
}

static void
take(int64_t number, size_t n)
{
	char digits[32];
	struct str line;
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%lld",
	    (long long)number);

	assert_int_equal(spill_first(spill), number);
	assert_int_equal(spill_take(spill, &line, &e), 0);
	assert_int_equal(line.n, n);
	assert_memory_equal(line.p, digits, n < len ? n : len);
}

static off_t
blocks(void)
{
	struct stat st;

	assert_int_equal(fstat(spill->fd, &st), 0);
	return (off_t)st.st_blocks * 512;
}

static void
lines_come_out_in_order_over_all_runs(void **state)
{
	(void)state;
	add(3, 10);
	add(7, 10);
	assert_int_equal(spill_end(spill, &e), 0);
	add(1, 10);
	add(9, 10);
	assert_int_equal(spill_end(spill, &e), 0);
	add(5, 10);
	assert_int_equal(spill_end(spill, &e), 0);
	for (int64_t number = 1; number < 10; number += 2)
		take(number, 10);
	assert_int_equal(spill_first(spill), INT64_MAX);
	assert_int_equal(spill_bytes(spill), 0);
}

static void
a_run_counts_when_it_is_ended(void **state)
{
	(void)state;
	add(1, 10);
	assert_int_equal(spill_first(spill), INT64_MAX);
	assert_int_equal(spill_end(spill, &e), 0);
	assert_int_equal(spill_first(spill), 1);
	assert_int_equal(spill_end(spill, &e), 0); /* of nothing */
	take(1, 10);
}

static void
lines_of_any_length_come_out_whole(void **state)
{
	static const size_t n[] = { 0, 1, WINDOW_SIZE - HEAD, WINDOW_SIZE - 1,
	    WINDOW_SIZE, WINDOW_SIZE + 1, 3 * WRITE_SIZE, 0, 5 };
	const size_t many = sizeof(n) / sizeof(*n);

	(void)state;
	for (int run = 0; run < 2; run++) {
		for (size_t i = 0; i < many; i++)
			add((int64_t)(2 * i) + run, n[i]);
		assert_int_equal(spill_end(spill, &e), 0);
	}
	for (size_t i = 0; i < 2 * many; i++)
		take((int64_t)i, n[i / 2]);
}

/* A line stays as it is until the next is taken, whatever is read meanwhile. */
static void
a_line_is_there_until_the_next_is_taken(void **state)
{
	struct str line;

	(void)state;
	for (int64_t number = 0; number < 1000; number++)
		add(number, WINDOW_SIZE / 3);
	assert_int_equal(spill_end(spill, &e), 0);
	for (int64_t number = 0; number < 1000; number++) {
		char digits[32];
		int len = snprintf(digits, sizeof(digits), "%lldx",
		    (long long)number);
		assert_int_equal(spill_take(spill, &line, &e), 0);
		snprintf(digits, sizeof(digits), "%lld", (long long)number);
		assert_memory_equal(line.p, digits, (size_t)len - 1);
		assert_int_equal(line.p[line.n - 1], 'x');
	}
}

/* 200 runs, whose numbers are dealt out by chance: more than there are windows. */
static void
many_runs_that_overlap_come_out_right(void **state)
{
	enum { N = 20000, RUNS = 200 };
	static unsigned char run_of[N];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 11);
	for (int i = 0; i < N; i++)
		run_of[i] = (unsigned char)(rng_u64(&rng) % RUNS);
	for (int run = 0; run < RUNS; run++) {
		for (int i = 0; i < N; i++)
			if (run_of[i] == run)
				add(i, (size_t)i % 300);
		assert_int_equal(spill_end(spill, &e), 0);
	}
	for (int i = 0; i < N; i++)
		take(i, (size_t)i % 300);
}

static void
runs_may_be_added_while_others_are_taken_out(void **state)
{
	(void)state;
	add(0, 100);
	add(1, 100);
	assert_int_equal(spill_end(spill, &e), 0);
	for (int64_t number = 2; number < 2000; number += 2) {
		add(number, 100);
		add(number + 1, 100);
		assert_int_equal(spill_end(spill, &e), 0);
		take(number - 2, 100);
		take(number - 1, 100);
	}
	take(2000 - 2, 100);
	take(2000 - 1, 100);
}

/* The room is given back: all of it at the end, most of it before. */
static void
an_empty_file_takes_no_room(void **state)
{
	(void)state;
	for (int run = 0; run < 2; run++) {
		for (int i = 0; i < 100; i++)
			add(run * 100 + i, (size_t)100 << 10);
		assert_int_equal(spill_end(spill, &e), 0);
	}
	assert_true(blocks() >= (off_t)20000 << 10);
	for (int i = 0; i < 200; i++)
		take(i, (size_t)100 << 10);
	assert_int_equal(blocks(), 0);
	assert_int_equal(lseek(spill->fd, 0, SEEK_END), 0);
	add(7, 10);
	assert_int_equal(spill_end(spill, &e), 0);
	take(7, 10);
}

static void
what_has_come_out_takes_no_room(void **state)
{
	off_t full;

	(void)state;
	for (int i = 0; i < 200; i++)
		add(i, (size_t)100 << 10);
	assert_int_equal(spill_end(spill, &e), 0);
	full = blocks();
	/* A file system may be unable to. */
	if (fallocate(spill->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    full, 4096) < 0)
		skip();
	for (int i = 0; i < 150; i++)
		take(i, (size_t)100 << 10);
	assert_true(blocks() < full / 2);
	for (int i = 150; i < 200; i++)
		take(i, (size_t)100 << 10);
}

static void
allow_files_of(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
a_run_that_does_not_fit_leaves_the_others_as_they_are(void **state)
{
	off_t before;

	(void)state;
	add(2, 1000);
	add(4, 1000);
	assert_int_equal(spill_end(spill, &e), 0);
	before = blocks();
	allow_files_of(1 << 20);
	for (int i = 0; i < 20; i++)
		add(i, (size_t)100 << 10);
	assert_int_equal(spill_end(spill, &e), -1);
	allow_files_of(0);
	assert_int_equal(e.code, ERR_IO);
	assert_non_null(strstr(e.msg, "File too large"));
	assert_int_equal(spill_first(spill), 2);
	assert_int_equal(blocks(), before);
	add(3, 1000);
	assert_int_equal(spill_end(spill, &e), 0);
	take(2, 1000);
	take(3, 1000);
	take(4, 1000);
}

static void
the_file_has_no_name_and_is_nobody_elses(void **state)
{
	struct stat st;
	struct dirent *d;
	DIR *dir = opendir(folder);

	(void)state;
	assert_non_null(dir);
	while ((d = readdir(dir)))
		assert_int_equal(d->d_name[0], '.');
	closedir(dir);
	assert_int_equal(fstat(spill->fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 0);
}

/* Is an open file on the file system and in the folder that `path` names? */
static void
lies_in(const char *path)
{
	char link[64], target[256];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", spill->fd);
	n = readlink(link, target, sizeof(target) - 1);
	assert_true(n > 0);
	target[n] = '\0';
	assert_int_equal(strncmp(target, path, strlen(path)), 0);
	assert_int_equal(target[strlen(path)], '/');
}

static void
it_is_beside_the_file_that_it_is_for(void **state)
{
	char sub[64], file[96];

	(void)state;
	lies_in(folder); /* TMPDIR */
	spill_free(spill);
	snprintf(sub, sizeof(sub), "%s/sub", folder);
	snprintf(file, sizeof(file), "%s/out.jsonl", sub);
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(spill_open(&spill, file, &e), 0);
	lies_in(sub);
	assert_int_equal(rmdir(sub), 0);
	/* There is no such folder (any more). */
	spill_free(spill);
	assert_int_equal(spill_open(&spill, file, &e), 0);
	lies_in(folder);
}

/* Where the file system has no files without one. */
static void
a_file_that_has_to_have_a_name_has_it_for_a_moment(void **state)
{
	(void)state;
	close(spill->fd);
	spill->fd = open_named(folder);
	assert_true(spill->fd >= 0);
	the_file_has_no_name_and_is_nobody_elses(NULL);
	add(1, 10);
	assert_int_equal(spill_end(spill, &e), 0);
	take(1, 10);
	assert_int_equal(open_named("/nowhere/at/all"), -1);
}

static void
a_file_that_was_cut_short_is_an_error(void **state)
{
	struct str line;

	(void)state;
	add(1, 100);
	add(2, 100);
	assert_int_equal(spill_end(spill, &e), 0);
	assert_int_equal(ftruncate(spill->fd, HEAD + 50), 0);
	assert_int_equal(spill_take(spill, &line, &e), -1);
	assert_int_equal(e.code, ERR_IO);
}

static void
a_file_with_something_else_in_it_is_an_error(void **state)
{
	static const unsigned char huge[8] = { 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0x7f };
	struct str line;

	(void)state;
	add(1, 100);
	add(2, 100);
	assert_int_equal(spill_end(spill, &e), 0);
	assert_int_equal(pwrite(spill->fd, huge, 8, 8), 8);
	assert_int_equal(spill_take(spill, &line, &e), -1);
	assert_int_equal(e.code, ERR_IO);
}

static void
what_is_left_in_it_is_freed(void **state)
{
	(void)state;
	add(1, 100);
	assert_int_equal(spill_end(spill, &e), 0);
	add(2, WINDOW_SIZE + 1); /* never ended */
	spill_free(NULL);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(lines_come_out_in_order_over_all_runs),
		T(a_run_counts_when_it_is_ended),
		T(lines_of_any_length_come_out_whole),
		T(a_line_is_there_until_the_next_is_taken),
		T(many_runs_that_overlap_come_out_right),
		T(runs_may_be_added_while_others_are_taken_out),
		T(an_empty_file_takes_no_room),
		T(what_has_come_out_takes_no_room),
		T(a_run_that_does_not_fit_leaves_the_others_as_they_are),
		T(the_file_has_no_name_and_is_nobody_elses),
		T(it_is_beside_the_file_that_it_is_for),
		T(a_file_that_has_to_have_a_name_has_it_for_a_moment),
		T(a_file_that_was_cut_short_is_an_error),
		T(a_file_with_something_else_in_it_is_an_error),
		T(what_is_left_in_it_is_freed),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
