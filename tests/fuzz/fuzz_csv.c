/*
 * fuzz_csv.c -- lines and CSV records of a file, gzipped or not.
 *
 * Input: a byte for the separator and the longest record, the file.
 */
#include "base/input.h"
#include "tests/fuzz/fuzz.h"

static void
add_quoted(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_addc(b, '"');
		buf_addc(b, s.p[i]);
	}
	buf_addc(b, '"');
}

/* The fields, written with quotes and read again, are the same. */
static void
check_written(const struct str *fields, size_t n, char sep)
{
	struct input *in;
	struct str *again;
	struct fuzz_file f;
	struct buf b;
	struct err e = { 0 };
	size_t count;

	buf_init(&b, BUF_MAX);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(&b, sep);
		add_quoted(&b, fields[i]);
	}
	buf_adds(&b, "\r\n");
	must(!b.failed);
	f = fuzz_file(buf_str(&b));
	must(input_open(&in, f.path, 0, &e) == 0);
	must(input_csv(in, sep, &again, &count, &e) == 1);
	must(count == n);
	for (size_t i = 0; i < n; i++)
		must(str_eq(fields[i], again[i]));
	must(input_csv(in, sep, &again, &count, &e) == 0);
	input_close(in);
	close(f.fd);
	buf_release(&b);
}

/* To have asked whether there is a record changes nothing about it. */
static void
check_asked(struct input *in, char sep, int rc, size_t n, int64_t line,
    const struct err *e)
{
	struct str *fields;
	struct err mine = { 0 };
	size_t count = 0;

	must(input_ready(in));
	must(input_ready(in));
	must(input_csv(in, sep, &fields, &count, &mine) == rc);
	must(input_lineno(in) == line || (rc < 0 && e->code == ERR_IO));
	must(rc != 1 || count == n);
	must(rc >= 0 || (mine.code == e->code && !strcmp(mine.msg, e->msg)));
}

static void
check_records(const char *path, char sep, size_t max, size_t size)
{
	struct input *in, *asked;
	struct str *fields;
	struct err e = { 0 };
	int64_t line = 0;
	size_t n, calls = 0, bytes;
	int rc, written = 0;

	must(input_open(&in, path, max, &e) == 0);
	must(input_open(&asked, path, max, &e) == 0);
	if (size % 2)
		input_expect(asked, sep);
	while ((rc = input_csv(in, sep, &fields, &n, &e)) != 0) {
		check_asked(asked, sep, rc, n, input_lineno(in), &e);
		must(++calls <= FUZZ_MAX_LINES(size));
		if (rc < 0) {
			must(e.code == ERR_INPUT || e.code == ERR_IO);
			must(!strchr(e.msg, '\n') && input_column(in) >= 0);
			if (e.code == ERR_IO)
				break;
			continue;
		}
		must(n > 0 && n <= INPUT_MAX_FIELDS);
		must(input_lineno(in) > line);
		line = input_lineno(in);
		bytes = n - 1;
		for (size_t i = 0; i < n; i++)
			bytes += fields[i].n;
		must(bytes <= max);
		if (written++ < 8)
			check_written(fields, n, sep);
	}
	input_close(asked);
	input_close(in);
}

static void
check_lines(const char *path, size_t max, size_t size)
{
	struct input *in, *asked;
	struct str line, again;
	struct err e = { 0 }, mine;
	int64_t number = 0;
	size_t calls = 0;
	int rc;

	must(input_open(&in, path, max, &e) == 0);
	must(input_open(&asked, path, max, &e) == 0);
	if (size % 2)
		input_expect(asked, '\0');
	while ((rc = input_line(in, &line, &e)) != 0) {
		must(input_ready(asked));
		must(input_line(asked, &again, &mine) == rc);
		must(rc < 0 ? !strcmp(mine.msg, e.msg) : str_eq(line, again));
		must(++calls <= FUZZ_MAX_LINES(size));
		if (rc < 0 && e.code == ERR_IO)
			break;
		must(input_lineno(in) == ++number);
		must(rc < 0 || (line.n <= max && (!line.n
		    || !memchr(line.p, '\n', line.n))));
	}
	input_close(asked);
	input_close(in);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	unsigned first = size ? data[0] : 0;
	size_t max = 8 + first % 64;
	struct fuzz_file f;

	text = str_sub(text, 1, size);
	f = fuzz_file(text);
	check_records(f.path, first & 0x80 ? '\t' : ',', max, size);
	check_records(f.path, ',', INPUT_MAX_RECORD, size);
	check_lines(f.path, max, size);
	close(f.fd);
	return 0;
}
