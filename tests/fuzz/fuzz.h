/*
 * fuzz.h -- what the fuzz targets share: an assertion that says what did not
 * hold, checks of what comes out, and a text as a file.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "base/utf8.h"
#include "scorers/score.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) \
	((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))

static inline void
fuzz_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, what);
	abort();
}

/* Text that may be kept and sent. Reads all of it, so that AddressSanitizer
 * sees text that has been freed. */
static inline void
fuzz_text(struct str s)
{
	must(utf8_valid(s));
}

/* Text that may be printed as it is: no line end, no control character. */
static inline void
fuzz_line(struct str s)
{
	struct buf visible;

	fuzz_text(s);
	buf_init(&visible, BUF_MAX);
	utf8_visible(&visible, s, false);
	must(!visible.failed && str_eq(buf_str(&visible), s));
	buf_release(&visible);
}

/* An error message is one line. cmd/ makes control characters in it visible. */
static inline void
fuzz_error(const struct err *e)
{
	must(e->code != ERR_NONE && e->msg[0] != '\0');
	must(memchr(e->msg, '\0', sizeof(e->msg)) != NULL);
	fuzz_text(str_of(e->msg));
	must(!strchr(e->msg, '\n'));
}

static inline void
fuzz_score(struct score s)
{
	must(s.p >= 0 && s.p <= 1 && s.ln <= 0);
	must(fabs(s.p - exp(s.ln)) < 1e-12);
}

/* The first line of *rest, without its end, taken off. */
static inline struct str
fuzz_take_line(struct str *rest)
{
	struct str line;

	(void)str_cut(rest, '\n', &line);
	return line;
}

/* A file of so many bytes has no more lines: it may be gzipped, and deflate
 * makes at most 1,032 bytes of one. */
#define FUZZ_MAX_LINES(size) (1032 * (size) + 1)

struct fuzz_file {
	int fd;
	char path[32];
};

/* `text` as a file that has a name. Close fd. */
static inline struct fuzz_file
fuzz_file(struct str text)
{
	struct fuzz_file f = { .fd = memfd_create("input", MFD_CLOEXEC) };

	must(f.fd >= 0);
	for (size_t at = 0; at < text.n;) {
		ssize_t n = write(f.fd, text.p + at, text.n - at);
		must(n > 0);
		at += (size_t)n;
	}
	snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", f.fd);
	return f;
}

/*
 * libfyaml 0.7.12 does not give back a table of some kilobytes for a text in
 * single quotes with many quotes in it. Nothing of ours is kept by it.
 */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so\n";
}

#endif
