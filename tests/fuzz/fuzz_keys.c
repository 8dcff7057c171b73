/*
 * fuzz_keys.c -- the list of recent keys, of a file that may be damaged by a hand
 * that knows how to seal. Input: two bytes of a clock, and two chunks, the second
 * from the first 0xfe on.
 */
#include "cache/entry.h"
#include "cache/keys.h"
#include "tests/fuzz/fuzz.h"

static void
put_chunk(struct store *s, int64_t id, int64_t clock, struct str bytes)
{
	struct params p = { 0 };
	struct err e;
	struct buf b;

	buf_init(&b, BUF_MAX);
	buf_add(&b, (struct str){ "8 bytes.", SEAL_BYTES });
	buf_add(&b, bytes);
	must(!b.failed);
	must(store_prepare(s, "INSERT INTO recent VALUES (?1, ?2, ?3)", &p,
	    &e) == 0);
	param_int(&p, id);
	param_int(&p, clock);
	param_blob(&p, entry_seal(&b));
	must(store_step(s, &p, "test", &e) == 0);
	sqlite3_finalize(p.stmt);
	buf_release(&b);
}

/* What can be read can be moved and written; nothing of it is lost by that. */
static void
read_list(struct store *s)
{
	static const unsigned char key[SHA256_BYTES];
	const int64_t *rows;
	struct err e;
	size_t n, m;

	if (keys_find(s, KEYS_RECENT, 0, KEYS_ANY_SAMPLE, &rows, &n, &e) < 0) {
		fuzz_error(&e);
		return;
	}
	must(keys_add(s, key, 0, 5, &e) == 0);
	must(keys_flush(s, &e) == 0);
	must(keys_find(s, KEYS_SETTLED, 0, KEYS_ANY_SAMPLE, &rows, &m, &e)
	    == 0);
	must(keys_settle(s, &e) == 0);
	must(keys_find(s, KEYS_RECENT, 0, KEYS_ANY_SAMPLE, &rows, &m, &e)
	    == 0);
	must(m == 0);
	must(keys_find(s, KEYS_SETTLED, 0, KEYS_ANY_SAMPLE, &rows, &m, &e)
	    == 0);
	must(m >= 1 && m <= n + 1); /* some may have been there twice */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct store *s;
	const char *p = (const char *)data, *cut;
	struct err e;
	int64_t clock;

	if (!s)
		must(store_open(&s, ":memory:", 0, &e) == 0);
	if (size < 2)
		return 0;
	clock = data[0] << 8 | data[1];
	p += 2;
	size -= 2;
	cut = memchr(p, 0xfe, size);
	keys_free(s); /* to be read anew */
	must(store_begin(s, &e) == 0);
	put_chunk(s, 1, clock, (struct str){ p, cut ? (size_t)(cut - p)
	    : size });
	if (cut)
		put_chunk(s, 2, clock, (struct str){ cut + 1,
		    size - (size_t)(cut - p) - 1 });
	read_list(s);
	store_rollback(s);
	return 0;
}
