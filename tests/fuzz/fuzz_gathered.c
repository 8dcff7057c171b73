/*
 * fuzz_gathered.c -- traces of earlier runs: read and mended.
 *
 * Input: the file. The program under test is in cmd/, so it comes in by name.
 */
#include <sys/stat.h>

#include "cmd/linefile.c"
#include "cmd/gathered.c"
#include "tests/fuzz/fuzz.h"

#define MAX_LINE ((size_t)512)

static char path[64];
static struct config *cfg;

static const struct config *
config(void)
{
	struct buf messages;
	struct err e = { 0 };

	if (cfg)
		return cfg;
	buf_init(&messages, BUF_MAX);
	must(config_parse(&cfg, "fuzz", STR("providers: {r: {api: recorded}}\n"
	    "cascades:\n"
	    "  default: {tiers: [{model: r/s, samples: 2, temperature: 1, "
	    "accept: {agreement: 1}}, {model: r/b}]}\n"
	    "  one: {tiers: [{model: r/b}]}\n"), &messages, NULL, &e) == 0);
	buf_release(&messages);
	return cfg;
}

/* In memory: every mended file is synced. */
static void
write_file(struct str text)
{
	FILE *f;

	snprintf(path, sizeof(path), "%s/frugal-fuzz-gathered-%ld",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".", (long)getpid());
	f = fopen(path, "w");
	must(f != NULL);
	must(fwrite(text.p, 1, text.n, f) == text.n);
	must(fclose(f) == 0);
}

static struct buf
content(void)
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

/* Every line of ours is whole, and what is whole stays so. */
static void
check_mended(const struct gathered_ask *ask, struct str before,
    const struct gathered_counts *first)
{
	struct gathered *g = NULL;
	struct gathered_counts c;
	struct err e = { 0 };
	struct buf after = content(), again;

	must(after.n == 0 || after.p[after.n - 1] == '\n');
	must(after.n <= before.n);
	if (!first->dropped && !first->torn)
		must(first->kept == 0 || after.n > 0);
	must(gathered_open(&g, path, MAX_LINE, ask, &e) == 0);
	c = gathered_counts(g);
	must(c.kept == first->kept && c.dropped == 0 && c.torn == 0);
	must(gathered_take(g, STR("never")) == GATHERED_NEW);
	must(gathered_take(g, STR("never")) == GATHERED_AGAIN);
	must(gathered_take(g, STR("a")) != GATHERED_AGAIN);
	gathered_free(g);
	again = content();
	must(str_eq(buf_str(&again), buf_str(&after)));
	buf_release(&again);
	buf_release(&after);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct gathered_ask ask = { config(), &config()->cascades[0], false };
	struct gathered *g = NULL;
	struct gathered_counts c;
	struct err e = { 0 };
	struct buf after;

	write_file(text);
	if (gathered_open(&g, path, MAX_LINE, &ask, &e) < 0) {
		must(e.code == ERR_USAGE);
		must(!strchr(e.msg, '\n'));
		after = content(); /* left as it is */
		must(str_eq(buf_str(&after), text));
		buf_release(&after);
	} else {
		c = gathered_counts(g);
		must(c.kept >= 0 && c.dropped >= 0 && c.torn >= 0);
		gathered_free(g);
		check_mended(&ask, text, &c);
	}
	unlink(path);
	return 0;
}
