/*
 * test_sha256.c -- the published examples, and hexadecimal text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"

static void
assert_digest(struct str text, const char *expected)
{
	unsigned char digest[SHA256_BYTES];
	struct buf hex;

	sha256(text, digest);
	buf_init(&hex, BUF_MAX);
	hex_add(&hex, digest, sizeof(digest));
	assert_string_equal(hex.p, expected);
	buf_clear(&hex);
	sha256_plain(text, digest);
	hex_add(&hex, digest, sizeof(digest));
	assert_string_equal(hex.p, expected);
	buf_release(&hex);
}

static void
the_published_examples_come_out(void **state)
{
	char *million = malloc(1000000);

	(void)state;
	assert_digest(STR("abc"), "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	assert_digest(STR(""), "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
	assert_digest((struct str){ NULL, 0 },
	    "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
	assert_digest(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmno"
	    "mnopnopq"), "248d6a61d20638b8e5c026930c3e6039"
	    "a33ce45964ff2167f6ecedd419db06c1");
	assert_non_null(million);
	memset(million, 'a', 1000000);
	assert_digest((struct str){ million, 1000000 },
	    "cdc76e5c9914fb9281a1c7e284d73e67"
	    "f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

/* The processor's instructions and plain C agree, wherever a block ends; the sum
 * of the sums is what sha256sum(1) of coreutils says. */
static void
all_lengths_around_a_block_come_out(void **state)
{
	unsigned char text[300], sums[300 * SHA256_BYTES], plain[SHA256_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)(i * 7);
	for (size_t n = 0; n < sizeof(text); n++) {
		struct str part = { (const char *)text, n };

		sha256(part, sums + n * SHA256_BYTES);
		sha256_plain(part, plain);
		assert_memory_equal(sums + n * SHA256_BYTES, plain,
		    sizeof(plain));
	}
	assert_digest((struct str){ (const char *)sums, sizeof(sums) },
	    "f65f14b090e805017546322e618401d4"
	    "1f0710c213e013a5131eb38bbe8f367f");
}

static void
hexadecimal_text_is_read_back(void **state)
{
	unsigned char all[256], back[256];
	struct buf hex;

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	buf_init(&hex, BUF_MAX);
	hex_add(&hex, all, sizeof(all));
	assert_int_equal(hex.n, 512);
	assert_true(str_starts(buf_str(&hex), "000102"));
	assert_true(str_ends(buf_str(&hex), "fdfeff"));
	assert_true(hex_parse(buf_str(&hex), back, sizeof(back)));
	assert_memory_equal(all, back, sizeof(all));
	assert_true(hex_parse(STR("DEADbeef"), back, 4));
	assert_memory_equal(back, "\xde\xad\xbe\xef", 4);
	assert_true(hex_parse(STR(""), back, 0));
	buf_release(&hex);
}

static void
anything_but_exactly_n_bytes_is_refused(void **state)
{
	static const char *const bad[] = { "", "0", "00", "000", "00000",
	    "000000", "00g0", "000G", "0x00", " 000", "000/", "000:", "00@0",
	    "00`0" };
	unsigned char out[8];

	(void)state;
	assert_true(hex_parse(STR("0000"), out, 2));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (hex_parse(str_of(bad[i]), out, 2))
			fail_msg("'%s' was read", bad[i]);
	assert_false(hex_parse(STR("0000"), out, SIZE_MAX / 2 + 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_examples_come_out),
		cmocka_unit_test(all_lengths_around_a_block_come_out),
		cmocka_unit_test(hexadecimal_text_is_read_back),
		cmocka_unit_test(anything_but_exactly_n_bytes_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
