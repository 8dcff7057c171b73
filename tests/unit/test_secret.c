/*
 * test_secret.c -- where secrets come from, and that they do not get out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

/* The file itself, with a time limit that a test can set. */
static int limit_ms = 30000;
#define SECRET_COMMAND_MS limit_ms
#include "base/secret.c"

static void
assert_secret(struct secret *s, const char *text)
{
	assert_true(str_is(secret_text(s), text));
	secret_wipe(s);
	assert_null(s->p);
	assert_int_equal(s->n, 0);
}

/* The secret "sk-0123456789abcdef" in a text, redacted. */
static const char *
redacted(const char *key, const char *text)
{
	static char copy[256];
	struct secret s;

	assert_int_equal(secret_set(&s, str_of(key), NULL), 0);
	snprintf(copy, sizeof(copy), "%s", text);
	secret_redact(&s, copy, strlen(copy));
	secret_wipe(&s);
	return copy;
}

static void
white_space_around_a_secret_is_dropped(void **state)
{
	struct secret s;

	(void)state;
	assert_int_equal(secret_set(&s, STR(" \t\r\n sk-x y \r\n"), NULL), 0);
	assert_secret(&s, "sk-x y");
	secret_wipe(&s); /* again */
}

static void
what_cannot_be_a_secret_is_refused_without_showing_it(void **state)
{
	static const struct str rows[] = {
		{ "", 0 }, { NULL, 0 }, { " \n ", 3 },
		{ "hush\nhush", 9 }, { "hush\rhush", 9 },
		{ "hush\0hush", 9 }, { "hush\x1bhush", 9 },
		{ "hush\x7fhush", 9 }, { "hush\thush", 9 },
	};
	struct secret s = { (char *)1, 2 };
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		e = (struct err){ 0 };
		assert_int_equal(secret_set(&s, rows[i], &e), -1);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_null(strstr(e.msg, "hush"));
		assert_null(s.p);
	}
}

static void
a_secret_has_a_longest_length(void **state)
{
	char *p = malloc(SECRET_MAX + 1);
	struct secret s;
	struct err e = { 0 };

	(void)state;
	assert_non_null(p);
	memset(p, 'x', SECRET_MAX + 1);
	assert_int_equal(secret_set(&s, (struct str){ p, SECRET_MAX }, &e),
	    0);
	secret_wipe(&s);
	assert_int_equal(secret_set(&s, (struct str){ p, SECRET_MAX + 1 },
	    &e), -1);
	assert_null(strstr(e.msg, "xxx"));
	free(p);
}

static void
a_whole_secret_is_redacted_wherever_it_is(void **state)
{
	(void)state;
	assert_string_equal(redacted("sk-0123456789", "sk-0123456789"),
	    "*************");
	assert_string_equal(redacted("sk-0123456789",
	    "a sk-0123456789, sk-0123456789b"),
	    "a *************, *************b");
	assert_string_equal(redacted("short", "a short shor hort"),
	    "a ***** shor hort");
	assert_string_equal(redacted("x", "axbx"), "a*b*");
	assert_string_equal(redacted("sk-0123456789", ""), "");
	assert_string_equal(redacted("sk-0123456789", "nothing"), "nothing");
}

static void
a_part_of_eight_at_either_end_is_redacted(void **state)
{
	(void)state;
	/* the start */
	assert_string_equal(redacted("sk-0123456789abcdef",
	    "key sk-01234... is wrong"), "key ********... is wrong");
	assert_string_equal(redacted("sk-0123456789abcdef", "sk-0123456x"),
	    "**********x");
	assert_string_equal(redacted("sk-0123456789abcdef", "sk-0123"),
	    "sk-0123");
	/* the end */
	assert_string_equal(redacted("sk-0123456789abcdef", "...89abcdef"),
	    "...********");
	assert_string_equal(redacted("sk-0123456789abcdef", "...789abcdef!"),
	    "...*********!");
	assert_string_equal(redacted("sk-0123456789abcdef", "...9abcdef"),
	    "...9abcdef");
	/* the middle is neither */
	assert_string_equal(redacted("sk-0123456789abcdef", "23456789ab"),
	    "23456789ab");
}

static void
parts_that_overlap_are_both_redacted(void **state)
{
	(void)state;
	/* end and start of it share the "12345678" */
	assert_string_equal(redacted("12345678_middle_12345678",
	    "e_12345678_mid"), "**************");
	assert_string_equal(redacted("aaaaaaaaaa", "aaaaaaaaaaaaaaab"),
	    "***************b");
	assert_string_equal(redacted("12345678", "123456781234567812345"),
	    "****************12345");
}

static void
hidden(const char *key, const char *text, const char *expected)
{
	assert_string_equal(redacted(key, text), expected);
}

#define LONG_KEY "sk-Abc/0123456789+xyz"

static void
a_long_secret_is_found_in_other_guises(void **state)
{
	(void)state;
	hidden(LONG_KEY, "(SK-ABC/0123456789+XYZ)", "(*********************)");
	/* JSON, a URL, HTML: some or all of it escaped */
	hidden(LONG_KEY, "\"sk-Abc\\/0123456789+xyz\"",
	    "\"**********************\"");
	hidden(LONG_KEY, "\\u0073k-\\u0041bc\\/01234...",
	    "***********************...");
	hidden(LONG_KEY, "?key=sk-Abc%2F0123456789%2Bxyz&a",
	    "?key=*************************&a");
	hidden(LONG_KEY, "%73%6b%2d%41%62%63%2f%30!",
	    "************************!");
	hidden(LONG_KEY, "&#115;&#x6B;-Abc/0123456789&#43;xyz;",
	    "***********************************;");
	hidden("ab&cd&0123456789ef", "<ab&amp;cd&amp;0123456789ef>",
	    "<**************************>");
	/* over several lines, also escaped ones */
	hidden(LONG_KEY, "sk-Abc/0123\n    456789+xyz.",
	    "**************************.");
	hidden(LONG_KEY, "sk-Abc/0123\\n456789+xyz.",
	    "***********************.");
	/* the end of it */
	hidden(LONG_KEY, "...3%34\\u003567 89+x\r\nyz.",
	    "...*********************.");
}

static void
a_long_secret_is_found_encoded(void **state)
{
	(void)state;
	/* base64 of it, of "user:" and it, of "ab" and it with "!" behind */
	hidden(LONG_KEY, "<c2stQWJjLzAxMjM0NTY3ODkreHl6>",
	    "<****************************>");
	hidden(LONG_KEY, "Basic dXNlcjpzay1BYmMvMDEyMzQ1Njc4OSt4eXo=",
	    "Basic dXNlcjp***************************o=");
	hidden(LONG_KEY, "YWJzay1BYmMvMDEyMzQ1Njc4OSt4eXoh",
	    "YWJ***************************oh");
	/* the start of it in base64url */
	hidden("sk-?>?>?>?>?>?>?", "c2stPz4_Pj8-Pz4_...",
	    "****************...");
	/* hexadecimal */
	hidden(LONG_KEY, "736B2D4162632F30 is no key",
	    "**************** is no key");
	hidden(LONG_KEY, "736b2d4162632f is no key", "736b2d4162632f is no key");
}

static void
a_short_secret_is_a_word_and_found_as_it_is_alone(void **state)
{
	(void)state;
	hidden("ollama-key", "Ollama-Key, OLLAMA-KEY, ollama-key",
	    "Ollama-Key, OLLAMA-KEY, **********");
}

static void
what_merely_looks_like_an_escape_is_left(void **state)
{
	static const char text[] = "100% \\ \\u12 \\u0000 &#; &#99999999; &#x &"
	    "amp %zz %0";

	(void)state;
	hidden(LONG_KEY, text, text);
	hidden(LONG_KEY, "\\", "\\");
	hidden(LONG_KEY, "&#x", "&#x");
	hidden(LONG_KEY, "%4", "%4");
	hidden(LONG_KEY, "\\u004", "\\u004");
}

static void
redacting_with_no_secret_changes_nothing(void **state)
{
	struct secret none = { NULL, 0 };
	char text[] = "text";

	(void)state;
	secret_redact(&none, text, 4);
	assert_string_equal(text, "text");
}

static void
a_secret_comes_from_the_environment(void **state)
{
	struct secret s;
	struct err e = { 0 };

	(void)state;
	setenv("FRUGAL_TEST_KEY", " sk-env\n", 1);
	assert_int_equal(secret_from_env(&s, "FRUGAL_TEST_KEY", &e), 0);
	assert_secret(&s, "sk-env");
	setenv("FRUGAL_TEST_KEY", "hush\nhush", 1);
	assert_int_equal(secret_from_env(&s, "FRUGAL_TEST_KEY", &e), -1);
	assert_non_null(strstr(e.msg, "FRUGAL_TEST_KEY"));
	assert_null(strstr(e.msg, "hush"));
	unsetenv("FRUGAL_TEST_KEY");
	assert_int_equal(secret_from_env(&s, "FRUGAL_TEST_KEY", &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg,
	    "environment variable 'FRUGAL_TEST_KEY' is not set; export it");
}

static void
a_secret_comes_from_a_file(void **state)
{
	char path[] = "/tmp/frugal-secret-XXXXXX", big[SECRET_MAX * 2];
	struct secret s;
	struct err e = { 0 };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "  sk-file\r\n\n", 12), 12);
	assert_int_equal(secret_from_file(&s, path, &e), 0);
	assert_secret(&s, "sk-file");
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(secret_from_file(&s, path, &e), -1);
	assert_non_null(strstr(e.msg, path));
	assert_non_null(strstr(e.msg, "empty"));
	memset(big, 'x', sizeof(big));
	assert_int_equal(write(fd, big, sizeof(big)), sizeof(big));
	assert_int_equal(secret_from_file(&s, path, &e), -1);
	assert_non_null(strstr(e.msg, "longer"));
	close(fd);
	unlink(path);
	assert_int_equal(secret_from_file(&s, path, &e), -1);
	assert_non_null(strstr(e.msg, "No such file"));
	assert_int_equal(secret_from_file(&s, "/tmp", &e), -1);
	assert_non_null(strstr(e.msg, "'/tmp'"));
}

static void
no_child_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* One more than the descriptor that open() gives next. */
static int
next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static void
a_command_gives(const char *command, const char *text)
{
	struct secret s;
	struct err e = { 0 };
	int fd = next_fd();

	if (secret_from_command(&s, command, &e) < 0)
		fail_msg("%s", e.msg);
	assert_secret(&s, text);
	no_child_is_left();
	assert_int_equal(next_fd(), fd);
}

static void
a_command_fails(const char *command, const char *why)
{
	struct secret s;
	struct err e = { 0 };
	int fd = next_fd();

	assert_int_equal(secret_from_command(&s, command, &e), -1);
	assert_null(s.p);
	if (!strstr(e.msg, why))
		fail_msg("%s", e.msg);
	assert_null(strstr(e.msg, "hush"));
	no_child_is_left();
	assert_int_equal(next_fd(), fd);
}

static void
a_secret_comes_from_the_first_line_of_a_command(void **state)
{
	(void)state;
	a_command_gives("echo sk-cmd", "sk-cmd");
	a_command_gives("printf 'sk-1 \\r\\nsecond\\n'", "sk-1");
	a_command_gives("printf sk-no-line-end", "sk-no-line-end");
	a_command_gives("printf sk-; printf pieces | cat", "sk-pieces");
	/* more than a pipe and our buffer hold */
	a_command_gives("echo sk-first; yes rest | head -c 300000",
	    "sk-first");
}

static void
a_command_reads_nothing_from_standard_input(void **state)
{
	(void)state;
	a_command_gives("cat; echo sk-x", "sk-x");
	a_command_gives("readlink /proc/self/fd/0", "/dev/null");
}

static void
a_command_does_not_inherit_ignored_signals(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	a_command_gives("sh -c 'kill -PIPE $$; echo survived' || echo died",
	    "died");
	signal(SIGPIPE, SIG_DFL);
}

static void
a_command_that_fails_gives_no_secret(void **state)
{
	(void)state;
	a_command_fails("echo hush; exit 3", "exit status 3");
	a_command_fails("echo hush; kill -TERM $$", "signal 15");
	a_command_fails("true # hush", "empty");
	a_command_fails("printf '\\nhush\\n'", "empty");
	a_command_fails("printf 'hush\\001hush\\n'", "control character");
	a_command_fails("yes hush | tr -d '\\n' | head -c 20000", "longer");
	a_command_fails("exec 2>/dev/null; /nonexistent/hush", "status 127");
}

static void
a_command_that_takes_too_long_is_stopped(void **state)
{
	int64_t start = clock_mono_ms();

	(void)state;
	limit_ms = 100;
	a_command_fails("echo hush; exec sleep 600", "was stopped");
	a_command_fails("exec >&-; exec sleep 600", "was stopped");
	limit_ms = 30000;
	assert_true(clock_mono_ms() - start >= 200);
	assert_true(clock_mono_ms() - start < 60000);
}

/* An agent that a command starts may hold the pipe open. */
static void
a_command_may_leave_something_running(void **state)
{
	int64_t start = clock_mono_ms();

	(void)state;
	a_command_gives("sleep 20 2>/dev/null & echo sk-agent", "sk-agent");
	assert_true(clock_mono_ms() - start < 20000);
}

static void
on_alarm(int sig)
{
	(void)sig;
}

static void
a_signal_does_not_disturb_the_waiting(void **state)
{
	struct sigaction act = { .sa_handler = on_alarm };
	timer_t timer;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
	    .sigev_signo = SIGALRM };
	struct itimerspec often = { { 0, 5000000 }, { 0, 5000000 } };

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &act, NULL), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
	a_command_gives("sleep 0.2; echo sk-late", "sk-late");
	assert_int_equal(timer_delete(timer), 0);
	signal(SIGALRM, SIG_DFL);
}

/* Started with standard input and output closed, as some daemons do. */
static void
closed_standard_streams_do_no_harm(void **state)
{
	int in = dup(0), out = dup(1), rc;
	struct secret s;

	(void)state;
	fflush(stdout);
	close(0);
	close(1);
	rc = secret_from_command(&s, "echo sk-closed", NULL);
	dup2(in, 0);
	dup2(out, 1);
	close(in);
	close(out);
	assert_int_equal(rc, 0);
	assert_secret(&s, "sk-closed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(white_space_around_a_secret_is_dropped),
		cmocka_unit_test(
		    what_cannot_be_a_secret_is_refused_without_showing_it),
		cmocka_unit_test(a_secret_has_a_longest_length),
		cmocka_unit_test(a_whole_secret_is_redacted_wherever_it_is),
		cmocka_unit_test(a_part_of_eight_at_either_end_is_redacted),
		cmocka_unit_test(parts_that_overlap_are_both_redacted),
		cmocka_unit_test(a_long_secret_is_found_in_other_guises),
		cmocka_unit_test(a_long_secret_is_found_encoded),
		cmocka_unit_test(
		    a_short_secret_is_a_word_and_found_as_it_is_alone),
		cmocka_unit_test(what_merely_looks_like_an_escape_is_left),
		cmocka_unit_test(redacting_with_no_secret_changes_nothing),
		cmocka_unit_test(a_secret_comes_from_the_environment),
		cmocka_unit_test(a_secret_comes_from_a_file),
		cmocka_unit_test(
		    a_secret_comes_from_the_first_line_of_a_command),
		cmocka_unit_test(a_command_reads_nothing_from_standard_input),
		cmocka_unit_test(a_command_does_not_inherit_ignored_signals),
		cmocka_unit_test(a_command_that_fails_gives_no_secret),
		cmocka_unit_test(a_command_that_takes_too_long_is_stopped),
		cmocka_unit_test(a_command_may_leave_something_running),
		cmocka_unit_test(a_signal_does_not_disturb_the_waiting),
		cmocka_unit_test(closed_standard_streams_do_no_harm),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
