/*
 * fuzz_entry.c -- what the ledger has as bytes, of a file that may be damaged:
 * tasks, requests and tallies. Input: the bytes, without their seal.
 */
#include "cache/tally.h"
#include "tests/fuzz/fuzz.h"

static void
read_tasks(struct str s, struct arena *a)
{
	struct unpack u = unpack_of(s);
	struct ledger_task t;
	struct str entry;

	while (entry_next_task(&u, &entry)) {
		(void)entry_task_id(entry);
		arena_clear(a);
		if (entry_get_task(entry, 5, a, &t) == 1)
			must(t.n_attempts <= entry.n);
	}
}

static void
read_asks(struct str s)
{
	struct unpack u = unpack_of(s);
	struct entry_end end;
	bool ended;

	while (entry_next_ask(&u, &ended, &end))
		must(!u.bad);
}

/* What can be read can be written, and is the same then. */
static void
read_tally(struct str s)
{
	struct tally *t = tally_new(), *again = tally_new();
	struct buf b, c;

	buf_init(&b, BUF_MAX);
	buf_init(&c, BUF_MAX);
	if (t && again && tally_decode(t, s) == 1) {
		must(tally_encode(t, &b));
		must(tally_decode(again, buf_str(&b)) == 1);
		must(tally_encode(again, &c));
		must(b.n == c.n);
	}
	buf_release(&b);
	buf_release(&c);
	tally_free(t);
	tally_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = { (const char *)data, size };
	struct arena *a = arena_new(0);

	if (!a)
		return 0;
	read_tasks(s, a);
	read_asks(s);
	read_tally(s);
	arena_free(a);
	return 0;
}
