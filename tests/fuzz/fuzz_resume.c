/*
 * fuzz_resume.c -- output files of earlier runs: read, mended, sorted.
 *
 * Input: the file. The program under test is in cmd/, so it comes in by name.
 */
#include <sys/stat.h>

#include "cmd/resume.c"
#include "tests/fuzz/fuzz.h"

#define MAX_LINE ((size_t)512)

static char path[64];

/* In memory: every mended file is synced. */
static void
write_file(struct str text)
{
	FILE *f;

	snprintf(path, sizeof(path), "%s/frugal-fuzz-resume-%ld",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".", (long)getpid());
	f = fopen(path, "w");
	must(f != NULL);
	must(fwrite(text.p, 1, text.n, f) == text.n);
	must(fclose(f) == 0);
}

static struct buf
read_file(void)
{
	struct buf b;
	char chunk[4096];
	size_t n;
	FILE *f = fopen(path, "r");

	must(f != NULL);
	buf_init(&b, BUF_MAX);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, (struct str){ chunk, n });
	fclose(f);
	must(!b.failed);
	return b;
}

static size_t
lines_in(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

/* Ids that may be there, from nowhere. */
struct ids {
	int at;
};

static int
next_id(void *cookie, struct str *id, struct err *e)
{
	static const char *const some[] = { "c", "b", "1", "a", "b", "" };
	struct ids *c = cookie;

	(void)e;
	if (c->at == sizeof(some) / sizeof(*some))
		return 0;
	*id = str_of(some[c->at++]);
	return 1;
}

/* Every line of ours is whole, and none gets lost. */
static void
check_mended(struct str before, const struct resume_counts *first)
{
	struct resume *r = NULL;
	struct resume_counts c;
	struct ids ids = { 0 };
	struct err e = { 0 };
	struct buf after = read_file(), sorted;

	must(after.n == 0 || after.p[after.n - 1] == '\n');
	must((int64_t)lines_in(buf_str(&after)) == first->kept);
	must(after.n <= before.n);
	must((int64_t)lines_in(before) == first->kept + first->dropped);
	if (!first->dropped)
		must(str_eq(buf_str(&after), str_sub(before, 0, after.n)));
	must(resume_open(&r, path, MAX_LINE, &e) == 0);
	c = resume_counts(r);
	must(c.kept == first->kept && c.dropped == 0 && c.torn == 0);
	(void)resume_take(r, STR("a"));
	(void)resume_take(r, STR(""));
	resume_free(r);
	must(resume_sort(path, MAX_LINE, next_id, &ids, &e) == 0);
	sorted = read_file();
	must(sorted.n == after.n);
	must((int64_t)lines_in(buf_str(&sorted)) == first->kept);
	buf_release(&sorted);
	buf_release(&after);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct resume *r = NULL;
	struct resume_counts c;
	struct err e = { 0 };
	struct buf after;

	write_file(text);
	if (resume_open(&r, path, MAX_LINE, &e) < 0) {
		must(e.code == ERR_USAGE);
		must(!strchr(e.msg, '\n'));
		after = read_file(); /* left as it is */
		must(str_eq(buf_str(&after), text));
		buf_release(&after);
	} else {
		c = resume_counts(r);
		must(c.kept >= 0 && c.dropped >= 0 && c.torn >= 0);
		resume_free(r);
		check_mended(text, &c);
	}
	unlink(path);
	return 0;
}
