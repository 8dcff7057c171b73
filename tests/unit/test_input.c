/*
 * test_input.c -- lines and records out of files, pipes and gzip.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "base/input.h"

/* A temporary file with this content, open for reading at its start. */
static int
file_of(struct str s)
{
	FILE *f = tmpfile();
	int fd;

	assert_non_null(f);
	assert_int_equal(fwrite(s.p ? s.p : "", 1, s.n, f), s.n);
	assert_int_equal(fflush(f), 0);
	fd = dup(fileno(f));
	assert_true(fd >= 0);
	fclose(f);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static struct input *
input_of(struct str s, size_t max, int *fd)
{
	struct input *in = NULL;
	struct err e = { 0 };

	*fd = file_of(s);
	if (input_open_fd(&in, *fd, "t.txt", max, &e) < 0)
		fail_msg("%s", e.msg);
	return in;
}

/*
 * All of the input as text: a line as "<1:...>", an error as "!1:0 message;",
 * the end as "$".
 */
static const char *
lines_of(struct input *in)
{
	static char all[4096];
	struct buf b;
	struct str line;
	struct err e;
	int rc, i;

	buf_init(&b, sizeof(all) - 1);
	for (i = 0; i < 100; i++) {
		e = (struct err){ 0 };
		rc = input_line(in, &line, &e);
		if (rc == 0)
			break;
		if (rc > 0) {
			buf_addf(&b, "<%lld:", (long long)input_lineno(in));
			buf_add(&b, line);
			buf_adds(&b, ">");
		} else if (e.code == ERR_INPUT) {
			buf_addf(&b, "!%lld:%d %s;",
			    (long long)input_lineno(in), input_column(in),
			    e.msg);
		} else {
			buf_addf(&b, "!%s", e.msg);
			break;
		}
	}
	buf_adds(&b, rc == 0 ? "$" : "");
	assert_false(b.failed);
	memcpy(all, b.p, b.n + 1);
	buf_release(&b);
	return all;
}

static const char *
lines(struct str s, size_t max)
{
	int fd;
	struct input *in = input_of(s, max, &fd);
	const char *all = lines_of(in);

	input_close(in);
	assert_int_equal(close(fd), 0); /* input_close() did not */
	return all;
}

/* As lines_of(), a record as "<1:a|b>". */
static const char *
records(struct str s, char sep, size_t max)
{
	static char all[4096];
	int fd, rc = 0, i;
	struct input *in = input_of(s, max, &fd);
	struct str *v;
	struct buf b;
	struct err e;
	size_t n, j;

	buf_init(&b, sizeof(all) - 1);
	for (i = 0; i < 100; i++) {
		e = (struct err){ 0 };
		rc = input_csv(in, sep, &v, &n, &e);
		if (rc == 0)
			break;
		buf_addf(&b, rc > 0 ? "<%lld:" : "!%lld:",
		    (long long)input_lineno(in));
		for (j = 0; rc > 0 && j < n; j++)
			buf_addf(&b, "%s%.*s", j ? "|" : "", STR_ARG(v[j]));
		if (rc < 0) {
			assert_int_equal(e.code, ERR_INPUT);
			buf_addf(&b, "%d %.24s", input_column(in), e.msg);
		}
		buf_adds(&b, rc > 0 ? ">" : ";");
	}
	buf_adds(&b, rc == 0 ? "$" : "");
	assert_false(b.failed);
	memcpy(all, b.p, b.n + 1);
	buf_release(&b);
	input_close(in);
	close(fd);
	return all;
}

static struct str
gzip(struct str s)
{
	z_stream z = { 0 };
	size_t cap = s.n + s.n / 1000 + 256;
	char *p = malloc(cap);

	assert_non_null(p);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8,
	    Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)s.p;
	z.avail_in = (uInt)s.n;
	z.next_out = (unsigned char *)p;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	s = (struct str){ p, cap - z.avail_out };
	deflateEnd(&z);
	return s;
}

/* a, then b; a is freed. */
static struct str
joined(struct str a, struct str b)
{
	char *p = malloc(a.n + b.n + 1);

	assert_non_null(p);
	memcpy(p, a.p, a.n);
	memcpy(p + a.n, b.p, b.n);
	free((char *)a.p);
	return (struct str){ p, a.n + b.n };
}

static void
lines_end_in_lf_or_crlf_or_the_end(void **state)
{
	(void)state;
	assert_string_equal(lines(STR(""), 0), "$");
	assert_string_equal(lines(STR("a\nb\n"), 0), "<1:a><2:b>$");
	assert_string_equal(lines(STR("a\r\nb\r\n"), 0), "<1:a><2:b>$");
	assert_string_equal(lines(STR("a\nb"), 0), "<1:a><2:b>$");
	assert_string_equal(lines(STR("\n\r\n\n"), 0), "<1:><2:><3:>$");
	assert_string_equal(lines(STR("\n"), 0), "<1:>$");
	assert_string_equal(lines(STR("a\rb\r\r\nc\r"), 0),
	    "<1:a\rb\r><2:c\r>$");
}

static void
a_byte_order_mark_is_dropped_only_at_the_start(void **state)
{
	(void)state;
	assert_string_equal(lines(STR("\xef\xbb\xbf" "a\n\xef\xbb\xbf\n"), 0),
	    "<1:a><2:\xef\xbb\xbf>$");
	assert_string_equal(lines(STR("\xef\xbb\xbf"), 0), "$");
	assert_string_equal(lines(STR("\xef\xbb"), 0), "<1:\xef\xbb>$");
	assert_string_equal(records(STR("\xef\xbb\xbf\"a\",b\n"), ',', 0),
	    "<1:a|b>$");
}

static void
nul_bytes_pass_through(void **state)
{
	int fd;
	struct input *in = input_of(STR("a\0b\n\0"), 0, &fd);
	struct str line;

	(void)state;
	assert_int_equal(input_line(in, &line, NULL), 1);
	assert_true(str_eq(line, STR("a\0b")));
	assert_int_equal(input_line(in, &line, NULL), 1);
	assert_true(str_eq(line, STR("\0")));
	assert_int_equal(input_line(in, &line, NULL), 0);
	assert_int_equal(input_line(in, &line, NULL), 0);
	input_close(in);
	close(fd);
}

static void
a_line_that_is_too_long_is_skipped(void **state)
{
	(void)state;
	assert_string_equal(lines(STR("1234\n12345\r\n123456\nab\n"), 5),
	    "<1:1234><2:12345>!3:0 the line is longer than 5 bytes;<4:ab>$");
	assert_string_equal(lines(STR("1234567"), 5),
	    "!1:0 the line is longer than 5 bytes;$");
	assert_string_equal(lines(STR("123456"), 5),
	    "!1:0 the line is longer than 5 bytes;$");
	assert_string_equal(lines(STR("123456\r\n\n"), 5),
	    "!1:0 the line is longer than 5 bytes;<2:>$");
	assert_string_equal(lines(STR("12345\r"), 5),
	    "!1:0 the line is longer than 5 bytes;$");
	assert_string_equal(lines(STR("12345"), 5), "<1:12345>$");
}

/* `n` lines of 0 to `longest` bytes that say their number. */
static struct str
many_lines(size_t n, size_t longest)
{
	struct buf b;
	size_t i, j, len;

	buf_init(&b, BUF_MAX);
	for (i = 0; i < n; i++) {
		len = i * 7919 % (longest + 1);
		for (j = 0; j < len; j++)
			buf_addc(&b, (char)('a' + (i + j) % 26));
		buf_addc(&b, '\n');
	}
	assert_false(b.failed);
	return (struct str){ b.p, b.n };
}

/* in gives back exactly s; nothing but the line ends is looked at. */
static void
gives_back(struct input *in, struct str s)
{
	struct str line, head;
	struct err e = { 0 };
	int64_t n = 0;
	int rc;

	while ((rc = input_line(in, &line, &e)) == 1) {
		str_cut(&s, '\n', &head);
		assert_true(str_eq(line, head));
		assert_int_equal(input_lineno(in), ++n);
	}
	if (rc < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(s.n, 0);
}

static void
lines_of_every_length_come_out_whole(void **state)
{
	static const size_t longest[] = { 1, 100, 70000, 300000 };
	struct str s, z;
	struct input *in;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(longest) / sizeof(*longest); i++) {
		s = many_lines(60, longest[i]);
		in = input_of(s, 0, &fd);
		gives_back(in, s);
		input_close(in);
		close(fd);
		z = gzip(s);
		in = input_of(z, 0, &fd);
		gives_back(in, s);
		input_close(in);
		close(fd);
		free((char *)z.p);
		free((char *)s.p);
	}
}

static void
a_long_line_is_skipped_without_keeping_it(void **state)
{
	size_t n = (size_t)20 << 20;
	char *p = malloc(n + 3);
	struct str s = { p, n + 3 }, z;

	(void)state;
	assert_non_null(p);
	memset(p, 'x', n);
	memcpy(p + n, "\nb\n", 3);
	assert_string_equal(lines(s, 0),
	    "!1:0 the line is longer than 16777216 bytes;<2:b>$");
	z = gzip(s);
	assert_string_equal(lines(z, 1000),
	    "!1:0 the line is longer than 1000 bytes;<2:b>$");
	free((char *)z.p);
	free(p);
}

static void
gzip_may_have_many_members_and_padding(void **state)
{
	struct str z = gzip(STR("a\nb")), one = gzip(STR("c\nd\n"));
	struct str none = gzip(STR(""));

	(void)state;
	z = joined(z, one);
	z = joined(z, none);
	z = joined(z, one);
	assert_string_equal(lines(z, 0), "<1:a><2:bc><3:d><4:c><5:d>$");
	z = joined(z, STR("\0\0\0\0\0\0\0"));
	assert_string_equal(lines(z, 0), "<1:a><2:bc><3:d><4:c><5:d>$");
	assert_string_equal(lines(none, 0), "$");
	z = joined(z, STR("x"));
	assert_string_equal(lines(z, 0), "<1:a><2:bc><3:d><4:c><5:d>!cannot "
	    "read 't.txt': what follows its gzip data is not gzip");
	free((char *)z.p);
	free((char *)one.p);
	free((char *)none.p);
}

static void
garbage_behind_gzip_is_an_error(void **state)
{
	struct str z = joined(gzip(STR("a\n")), STR("garbage"));

	(void)state;
	assert_string_equal(lines(z, 0), "<1:a>!cannot read 't.txt': its "
	    "gzip data is damaged (incorrect header check)");
	free((char *)z.p);
}

static void
truncated_gzip_is_an_error_at_every_length(void **state)
{
	struct str z = gzip(STR("one\ntwo\nthree")), part;
	const char *all;

	(void)state;
	for (part = z, part.n = 2; part.n < z.n; part.n++) {
		all = lines(part, 0);
		assert_true(str_ends(str_of(all), "!cannot read 't.txt': its "
		    "gzip data ends too soon"));
		/* a piece of a line is no line */
		assert_null(strstr(all, ":three>"));
	}
	assert_string_equal(lines(z, 0), "<1:one><2:two><3:three>$");
	free((char *)z.p);
}

static void
damaged_gzip_is_an_error(void **state)
{
	struct str z = gzip(STR("one\ntwo\nthree\n"));
	char *p = (char *)z.p;
	struct str line;
	struct err e = { 0 };
	struct input *in;
	int fd;

	(void)state;
	p[z.n - 6] ^= 1; /* in the checksum */
	in = input_of(z, 0, &fd);
	while (input_line(in, &line, &e) == 1)
		;
	assert_int_equal(e.code, ERR_IO);
	assert_string_equal(e.msg, "cannot read 't.txt': its gzip data is "
	    "damaged (incorrect data check)");
	/* and it stays that way */
	e = (struct err){ 0 };
	assert_int_equal(input_line(in, &line, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_non_null(strstr(e.msg, "'t.txt'"));
	input_close(in);
	close(fd);
	p[2] = 7; /* a method of compression that there is not */
	assert_non_null(strstr(lines(z, 0), "damaged"));
	free(p);
}

static void
what_only_starts_like_gzip_is_plain(void **state)
{
	(void)state;
	assert_string_equal(lines(STR("\x1f"), 0), "<1:\x1f>$");
	assert_string_equal(lines(STR("\x1f\n\x8b"), 0),
	    "<1:\x1f><2:\x8b>$");
	assert_string_equal(lines(STR("\x1f\x8b"), 0),
	    "!cannot read 't.txt': its gzip data ends too soon");
}

/* Writes its text into a pipe a byte at a time, signalling the reader. */
struct dribble {
	int fd;
	struct str text;
	pthread_t reader;
};

static void *
dribble(void *arg)
{
	struct dribble *d = arg;
	size_t i;

	for (i = 0; i < d->text.n; i++) {
		pthread_kill(d->reader, SIGUSR1);
		if (write(d->fd, d->text.p + i, 1) != 1)
			break;
	}
	close(d->fd);
	return NULL;
}

static void
on_signal(int sig)
{
	(void)sig;
}

/* From a pipe that gives a byte at a time; no SA_RESTART, so that reads are
 * interrupted. */
static const char *
dribbled(struct str s, int flags)
{
	struct sigaction act = { .sa_handler = on_signal }, before;
	struct input *in = NULL;
	struct dribble d = { .text = s, .reader = pthread_self() };
	pthread_t writer;
	const char *all;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, flags), 0);
	d.fd = ends[1];
	assert_int_equal(sigaction(SIGUSR1, &act, &before), 0);
	assert_int_equal(pthread_create(&writer, NULL, dribble, &d), 0);
	assert_int_equal(input_open_fd(&in, ends[0], "pipe", 0, NULL), 0);
	assert_int_equal(input_size(in), -1);
	all = lines_of(in);
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_int_equal(input_offset(in), s.n);
	input_close(in);
	close(ends[0]);
	sigaction(SIGUSR1, &before, NULL);
	return all;
}

static void
pipes_may_dribble_and_reads_be_interrupted(void **state)
{
	struct str z = gzip(STR("one\ntwo\n")), two = gzip(STR("three\n"));

	(void)state;
	z = joined(z, two);
	assert_string_equal(dribbled(STR("one\r\ntwo"), 0),
	    "<1:one><2:two>$");
	assert_string_equal(dribbled(z, 0), "<1:one><2:two><3:three>$");
	assert_string_equal(dribbled(STR("one\r\ntwo"), O_NONBLOCK),
	    "<1:one><2:two>$");
	assert_string_equal(dribbled(z, O_NONBLOCK),
	    "<1:one><2:two><3:three>$");
	free((char *)two.p);
	free((char *)z.p);
}

static void
files_are_opened_by_name(void **state)
{
	char path[] = "/tmp/frugal-input-XXXXXX";
	int fd = mkstemp(path);
	struct input *in = NULL;
	struct err e = { 0 };
	struct str line;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a\nbc\n", 5), 5);
	close(fd);
	assert_int_equal(input_open(&in, path, 0, &e), 0);
	assert_string_equal(input_name(in), path);
	assert_int_equal(input_size(in), 5);
	assert_int_equal(input_offset(in), 0);
	assert_int_equal(input_line(in, &line, &e), 1);
	assert_int_equal(input_line(in, &line, &e), 1);
	assert_int_equal(input_line(in, &line, &e), 0);
	assert_int_equal(input_offset(in), 5);
	input_close(in);
	unlink(path);
	assert_int_equal(input_open(&in, path, 0, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_non_null(strstr(e.msg, path));
	assert_non_null(strstr(e.msg, "No such file"));
	input_close(NULL);
}

static void
a_folder_is_refused(void **state)
{
	struct input *in = NULL;
	struct err e = { 0 };
	struct buf b;

	(void)state;
	assert_int_equal(input_open(&in, "/tmp", 0, &e), -1);
	assert_null(in);
	assert_int_equal(e.code, ERR_IO);
	assert_string_equal(e.msg,
	    "cannot read '/tmp': it is a folder, not a file");
	buf_init(&b, BUF_MAX);
	assert_int_equal(input_slurp("/tmp", 100, &b, &e), -1);
	buf_release(&b);
}

static void
a_descriptor_that_cannot_be_read_is_an_error(void **state)
{
	int fd = open("/dev/null", O_WRONLY);
	struct input *in = NULL;
	struct str line;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(input_open_fd(&in, fd, "wo", 0, &e), 0);
	assert_int_equal(input_line(in, &line, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_non_null(strstr(e.msg, "'wo'"));
	input_close(in);
	close(fd);
	assert_int_equal(input_open_fd(&in, fd, "closed", 0, &e), -1);
	assert_non_null(strstr(e.msg, "'closed'"));
}

static void
records_are_cut_into_fields(void **state)
{
	(void)state;
	assert_string_equal(records(STR(""), ',', 0), "$");
	assert_string_equal(records(STR("a,b\nc,d\n"), ',', 0),
	    "<1:a|b><2:c|d>$");
	assert_string_equal(records(STR("a,b\r\nc,d"), ',', 0),
	    "<1:a|b><2:c|d>$");
	assert_string_equal(records(STR(",\n,,\nx,\n"), ',', 0),
	    "<1:|><2:||><3:x|>$");
	assert_string_equal(records(STR("a\tb,c\t d \n"), '\t', 0),
	    "<1:a|b,c| d >$");
	assert_string_equal(records(STR("\n\r\na\n\n\nb\n\n"), ',', 0),
	    "<3:a><6:b>$");
	assert_string_equal(records(STR("a\rb,c\r\n"), ',', 0),
	    "<1:a\rb|c>$");
}

static void
quoted_fields_keep_everything(void **state)
{
	(void)state;
	assert_string_equal(records(STR("\"a\",\"b,c\",\"d\"\"e\"\n"), ',',
	    0), "<1:a|b,c|d\"e>$");
	assert_string_equal(records(STR("\"\"\n\"\",\"\"\"\"\r\n"), ',', 0),
	    "<1:><2:|\">$");
	assert_string_equal(records(STR("\"a\nb\r\nc\",d\nx\n"), ',', 0),
	    "<1:a\nb\r\nc|d><4:x>$");
	assert_string_equal(records(STR("\"a\"\r\n\"b\"\r"), ',', 0),
	    "<1:a><2:b>$");
	assert_string_equal(records(STR("\"a\"\"\"\"\",\"\"\"b\""), ',', 0),
	    "<1:a\"\"|\"b>$");
}

static void
a_misplaced_quote_is_an_error_and_its_line_skipped(void **state)
{
	(void)state;
	assert_string_equal(records(STR("a,b\nx,y\"z\nc,d\n"), ',', 0),
	    "<1:a|b>!2:4 a quote inside a field t;<3:c|d>$");
	assert_string_equal(records(STR("\"a\"b,c\nd\n"), ',', 0),
	    "!1:4 text after the quote tha;<2:d>$");
	assert_string_equal(records(STR("\"a\" ,c\nd\n"), ',', 0),
	    "!1:4 text after the quote tha;<2:d>$");
	assert_string_equal(records(STR("\"a\"\rb\nd\n"), ',', 0),
	    "!1:5 text after the quote tha;<2:d>$");
	assert_string_equal(records(STR("\"a\nb\"c,d\ne\n"), ',', 0),
	    "!2:3 text after the quote tha;<3:e>$");
	assert_string_equal(records(STR("a\""), ',', 0),
	    "!1:2 a quote inside a field t;$");
}

static void
a_quote_that_is_never_closed_is_named(void **state)
{
	(void)state;
	assert_string_equal(records(STR("a,b\nc,\"d\ne,f\n"), ',', 0),
	    "<1:a|b>!2:3 a quote that is never cl;$");
	assert_string_equal(records(STR("\"a\nb\",\"c\nd"), ',', 0),
	    "!2:4 a quote that is never cl;$");
	assert_string_equal(records(STR("\""), ',', 0),
	    "!1:1 a quote that is never cl;$");
}

static void
a_record_that_is_too_long_is_skipped(void **state)
{
	struct buf b;
	int i;

	(void)state;
	assert_string_equal(records(STR("a,b\n1234567890,1\nc\n"), ',', 10),
	    "<1:a|b>!2:0 the record is longer tha;<3:c>$");
	assert_string_equal(records(STR("1234567,90\r\nc\n"), ',', 10),
	    "<1:1234567|90><2:c>$");
	/* with quotes and line ends in it, larger than any buffer */
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "a,\"");
	for (i = 0; i < 100000; i++)
		buf_adds(&b, "x\"\"\n");
	buf_adds(&b, "\",z\nafter\n");
	assert_string_equal(records(buf_str(&b), ',', 1000),
	    "!1:0 the record is longer tha;<100002:after>$");
	buf_release(&b);
}

static void
a_record_may_have_many_fields(void **state)
{
	struct buf b;
	struct input *in;
	struct str *v;
	size_t n, i;
	int fd;

	(void)state;
	buf_init(&b, BUF_MAX);
	for (i = 0; i < 100000; i++)
		buf_addf(&b, "%s\"%zu\"", i ? "," : "", i);
	in = input_of(buf_str(&b), 0, &fd);
	assert_int_equal(input_csv(in, ',', &v, &n, NULL), 1);
	assert_int_equal(n, 100000);
	assert_true(str_is(v[0], "0") && str_is(v[99999], "99999"));
	assert_int_equal(input_csv(in, ',', &v, &n, NULL), 0);
	input_close(in);
	close(fd);
	buf_release(&b);
}

/* --- not waiting -------------------------------------------------------------- */

static struct input *piped;
static int pipe_end;

static void
open_pipe(size_t max)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(input_open_fd(&piped, ends[0], "pipe", max, NULL), 0);
	pipe_end = ends[1];
}

static void
close_pipe(void)
{
	int fd = input_fd(piped);

	input_close(piped);
	close(fd);
	if (pipe_end >= 0)
		close(pipe_end);
}

static void
send(const char *text, size_t n)
{
	assert_int_equal(write(pipe_end, text, n), n);
}

static void
line_is(int rc, const char *text)
{
	struct str line = { NULL, 0 };
	struct err e = { 0 };

	assert_true(input_ready(piped));
	assert_int_equal(input_line(piped, &line, &e), rc);
	if (rc > 0 && !str_is(line, text))
		fail_msg("'%.*s' is not '%s'", STR_ARG(line), text);
	if (rc < 0 && !strstr(e.msg, text))
		fail_msg("'%s' has no '%s'", e.msg, text);
}

static void
half_a_line_is_not_waited_for(void **state)
{
	(void)state;
	open_pipe(10);
	assert_false(input_ready(piped));
	send("\xef", 1);
	assert_false(input_ready(piped));
	send("\xbb\xbfon", 4);
	assert_false(input_ready(piped));
	assert_false(input_ready(piped));
	send("e\ntwo\nthr", 9);
	line_is(1, "one");
	line_is(1, "two");
	assert_false(input_ready(piped));
	/* one that is too long does not wait for its end either */
	send("ee, and much more", 17);
	assert_false(input_ready(piped));
	send(" still", 6);
	assert_false(input_ready(piped));
	send("\nfive", 5);
	line_is(-1, "longer than 10 bytes");
	assert_int_equal(input_lineno(piped), 3);
	assert_false(input_ready(piped));
	close(pipe_end);
	pipe_end = -1;
	line_is(1, "five");
	assert_int_equal(input_lineno(piped), 4);
	line_is(0, "");
	close_pipe();
}

static void
half_a_csv_record_is_not_waited_for(void **state)
{
	struct str *fields;
	struct err e = { 0 };
	size_t n;

	(void)state;
	open_pipe(20);
	input_expect(piped, ',');
	send("a,\"", 3);
	assert_false(input_ready(piped));
	send("b\"\n", 3);
	assert_true(input_ready(piped));
	assert_int_equal(input_csv(piped, ',', &fields, &n, &e), 1);
	assert_false(input_ready(piped));
	send("\"x\n", 3);
	assert_false(input_ready(piped));
	send("y\",z\n", 5);
	assert_true(input_ready(piped));
	assert_int_equal(input_csv(piped, ',', &fields, &n, &e), 1);
	assert_true(n == 2 && str_is(fields[0], "x\ny"));
	send("\"a long one\n\n\n that", 20);
	assert_false(input_ready(piped));
	send(" is quoted", 10);
	assert_false(input_ready(piped));
	send("\",\nlast,\"o\"\"\n", 13);
	assert_true(input_ready(piped));
	assert_int_equal(input_csv(piped, ',', &fields, &n, &e), -1);
	assert_non_null(strstr(e.msg, "longer than 20 bytes"));
	assert_int_equal(input_lineno(piped), 4);
	assert_false(input_ready(piped));
	send("\"\n", 2);
	assert_true(input_ready(piped));
	assert_int_equal(input_csv(piped, ',', &fields, &n, &e), 1);
	assert_true(n == 2 && str_is(fields[1], "o\"\n"));
	assert_int_equal(input_lineno(piped), 8);
	close_pipe();
}

/* Inflating may take many bytes before it gives one. */
static void
half_a_gzip_file_is_not_waited_for(void **state)
{
	struct str gz = gzip(STR("one\ntwo\n"));

	(void)state;
	open_pipe(0);
	for (size_t i = 0; i + 1 < gz.n; i++) {
		send(gz.p + i, 1);
		if (i < 10)
			assert_false(input_ready(piped));
		else
			(void)input_ready(piped);
	}
	line_is(1, "one");
	line_is(1, "two");
	assert_false(input_ready(piped));
	close(pipe_end);
	pipe_end = -1;
	/* what went wrong then is said now, once */
	line_is(-1, "its gzip data ends too soon");
	line_is(-1, "has failed before");
	close_pipe();
	free((char *)gz.p);
}

static void
a_file_is_read_whole_up_to_a_limit(void **state)
{
	char path[] = "/tmp/frugal-slurp-XXXXXX";
	int fd = mkstemp(path);
	struct str s = many_lines(100, 5000), z = gzip(s);
	struct err e = { 0 };
	struct buf b;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, s.p, s.n), s.n);
	buf_init(&b, BUF_MAX);
	assert_int_equal(input_slurp(path, s.n, &b, &e), 0);
	assert_true(str_eq(buf_str(&b), s));
	buf_clear(&b);
	assert_int_equal(input_slurp(path, s.n - 1, &b, &e), -1);
	assert_non_null(strstr(e.msg, path));
	assert_non_null(strstr(e.msg, "is larger than"));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, z.p, z.n, 0), z.n);
	buf_clear(&b);
	assert_int_equal(input_slurp(path, s.n, &b, &e), 0);
	assert_true(str_eq(buf_str(&b), s));
	assert_int_equal(ftruncate(fd, 0), 0);
	buf_clear(&b);
	assert_int_equal(input_slurp(path, 0, &b, &e), 0);
	assert_int_equal(b.n, 0);
	close(fd);
	unlink(path);
	assert_int_equal(input_slurp(path, 10, &b, &e), -1);
	buf_release(&b);
	free((char *)s.p);
	free((char *)z.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_in_lf_or_crlf_or_the_end),
		cmocka_unit_test(
		    a_byte_order_mark_is_dropped_only_at_the_start),
		cmocka_unit_test(nul_bytes_pass_through),
		cmocka_unit_test(a_line_that_is_too_long_is_skipped),
		cmocka_unit_test(lines_of_every_length_come_out_whole),
		cmocka_unit_test(a_long_line_is_skipped_without_keeping_it),
		cmocka_unit_test(gzip_may_have_many_members_and_padding),
		cmocka_unit_test(garbage_behind_gzip_is_an_error),
		cmocka_unit_test(truncated_gzip_is_an_error_at_every_length),
		cmocka_unit_test(damaged_gzip_is_an_error),
		cmocka_unit_test(what_only_starts_like_gzip_is_plain),
		cmocka_unit_test(pipes_may_dribble_and_reads_be_interrupted),
		cmocka_unit_test(files_are_opened_by_name),
		cmocka_unit_test(a_folder_is_refused),
		cmocka_unit_test(a_descriptor_that_cannot_be_read_is_an_error),
		cmocka_unit_test(records_are_cut_into_fields),
		cmocka_unit_test(quoted_fields_keep_everything),
		cmocka_unit_test(
		    a_misplaced_quote_is_an_error_and_its_line_skipped),
		cmocka_unit_test(a_quote_that_is_never_closed_is_named),
		cmocka_unit_test(a_record_that_is_too_long_is_skipped),
		cmocka_unit_test(a_record_may_have_many_fields),
		cmocka_unit_test(half_a_line_is_not_waited_for),
		cmocka_unit_test(half_a_csv_record_is_not_waited_for),
		cmocka_unit_test(half_a_gzip_file_is_not_waited_for),
		cmocka_unit_test(a_file_is_read_whole_up_to_a_limit),
	};

	return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
