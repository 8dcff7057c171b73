/*
 * test_utf8.c -- text from outside, made safe to keep and to show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

#define FFFD "\xef\xbf\xbd"
#define EURO "\xe2\x82\xac"
#define SMILE "\xf0\x9f\x98\x80"

static void
assert_fixed(struct str s, const char *expected)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	utf8_fix(&b, s);
	buf_adds(&b, "");
	assert_string_equal(b.p, expected);
	assert_true(utf8_valid(buf_str(&b)));
	assert_true(utf8_valid(s) == str_is(s, expected));
	buf_release(&b);
}

static void
well_formed_text_stays_as_it_is(void **state)
{
	static const char *const good[] = { "", "a", "plain text of any length",
	    "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
	    "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
	    "\xf4\x8f\xbf\xbf", "1234567\xc3\xa9", "12345678" EURO "x",
	    EURO SMILE EURO "abcdefghijk" SMILE };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(utf8_valid(str_of(good[i])));
		assert_fixed(str_of(good[i]), good[i]);
	}
	assert_true(utf8_valid((struct str){ NULL, 0 }));
	assert_true(utf8_valid(STR("a\0b")));
}

static void
ill_formed_sequences_become_one_replacement_each(void **state)
{
	static const char *const cases[][2] = {
		{ "a\x80z", "a" FFFD "z" },
		{ "\xff\xfe", FFFD FFFD },
		{ "\xc0\xaf", FFFD FFFD }, /* overlong */
		{ "\xc1\xbf", FFFD FFFD },
		{ "\xe0\x80\x80", FFFD FFFD FFFD },
		{ "\xe0\x9f\xbf", FFFD FFFD FFFD },
		{ "\xf0\x8f\xbf\xbf", FFFD FFFD FFFD FFFD },
		{ "\xed\xa0\x80", FFFD FFFD FFFD }, /* surrogates */
		{ "\xed\xbf\xbf", FFFD FFFD FFFD },
		{ "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD }, /* too large */
		{ "\xf5\x80\x80\x80", FFFD FFFD FFFD FFFD },
		{ "\xc3", FFFD }, /* cut off */
		{ "\xe2\x82", FFFD },
		{ "\xf0\x9f\x98", FFFD },
		{ "\xe2\x82" "A", FFFD "A" },
		{ "\xe2" EURO, FFFD EURO },
		{ "\xf0\x9f\xe2\x82" SMILE, FFFD FFFD SMILE },
		{ "\xc3(12345678901234567890", FFFD "(12345678901234567890" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_false(utf8_valid(str_of(cases[i][0])));
		assert_fixed(str_of(cases[i][0]), cases[i][1]);
	}
}

static void
a_bad_byte_is_noticed_at_every_place(void **state)
{
	char text[64];

	(void)state;
	for (size_t n = 1; n < sizeof(text); n++) {
		for (size_t i = 0; i < n; i++) {
			memset(text, 'x', n);
			assert_true(utf8_valid((struct str){ text, n }));
			text[i] = '\xe9';
			assert_false(utf8_valid((struct str){ text, n }));
		}
	}
	/* A sequence cut off by the end of the text, not by what follows it. */
	assert_false(utf8_valid((struct str){ EURO, 2 }));
	assert_fixed((struct str){ "ab" EURO, 4 }, "ab" FFFD);
}

static void
every_character_is_written_and_read_back(void **state)
{
	struct buf b;
	uint32_t c;
	size_t i;

	(void)state;
	buf_init(&b, BUF_MAX);
	for (c = 0; c <= 0x10ffff; c++) {
		if (c == 0xd800)
			c = 0xe000;
		buf_clear(&b);
		utf8_put(&b, c);
		i = 0;
		if (!utf8_valid(buf_str(&b)) ||
		    utf8_next(buf_str(&b), &i) != c || i != b.n)
			fail_msg("U+%04X", c);
	}
	buf_clear(&b);
	utf8_put(&b, 0xd800);
	utf8_put(&b, 0xdfff);
	utf8_put(&b, 0x110000);
	utf8_put(&b, UINT32_MAX);
	assert_string_equal(b.p, FFFD FFFD FFFD FFFD);
	buf_release(&b);
}

static void
reading_always_gets_to_the_end(void **state)
{
	struct str s = STR("a\xff\xe2\x82");
	size_t i = 0;

	(void)state;
	assert_int_equal(utf8_next(s, &i), 'a');
	assert_int_equal(i, 1);
	assert_int_equal(utf8_next(s, &i), 0xfffd);
	assert_int_equal(i, 2);
	assert_int_equal(utf8_next(s, &i), 0xfffd);
	assert_int_equal(i, 4);
	assert_int_equal(utf8_next(s, &i), 0xfffd);
	assert_int_equal(i, 4);
}

static void
a_text_is_clipped_between_characters(void **state)
{
	struct str s = STR("a" EURO "b" SMILE);
	static const size_t expected[] = { 0, 1, 1, 1, 4, 5, 5, 5, 5, 9, 9 };

	(void)state;
	for (size_t max = 0; max < 11; max++)
		assert_int_equal(utf8_clip(s, max).n, expected[max]);
	assert_int_equal(utf8_clip(s, SIZE_MAX).n, 9);
	assert_int_equal(utf8_clip((struct str){ NULL, 0 }, 0).n, 0);
	/* No boundary anywhere near */
	assert_int_equal(utf8_clip(STR("\x80\x80\x80\x80\x80\x80\x80"), 5).n,
	    5);
	assert_int_equal(utf8_clip(STR("\x80\x80\x80"), 2).n, 0);
}

static void
columns_are_those_of_a_terminal(void **state)
{
	(void)state;
	assert_int_equal(utf8_columns(STR("")), 0);
	assert_int_equal(utf8_columns(STR("abc")), 3);
	assert_int_equal(utf8_columns(STR("caf\xc3\xa9")), 4);
	assert_int_equal(utf8_columns(STR("cafe\xcc\x81")), 4); /* combining */
	assert_int_equal(utf8_columns(STR("\xe4\xbd\xa0\xe5\xa5\xbd")), 4);
	assert_int_equal(utf8_columns(STR(EURO)), 1);
	assert_int_equal(utf8_columns(STR(SMILE)), 2);
	assert_int_equal(utf8_columns(STR("a\n\tb")), 2);
	assert_int_equal(utf8_columns(STR("a\xff" "b")), 3);
}

static void
assert_visible(struct str s, bool keep_lines, const char *expected)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	utf8_visible(&b, s, keep_lines);
	buf_adds(&b, "");
	assert_string_equal(b.p, expected);
	buf_release(&b);
}

static void
nothing_can_command_the_terminal(void **state)
{
	(void)state;
	assert_visible(STR("\x1b[31mred\x1b]0;t\a"), false,
	    "^[[31mred^[]0;t^G");
	assert_visible(STR("a\0b\x7f"), false, "a^@b^?");
	assert_visible(STR("\x1f\x1c"), false, "^_^\\");
	assert_visible(STR("\xc2\x9b" "31m\xc2\x80"), false,
	    "<U+009B>31m<U+0080>");
	assert_visible(STR("a\xe2\x80\xae" "b"), false, "a<U+202E>b");
	assert_visible(STR("\xe2\x81\xa6\xe2\x81\xa9\xe2\x80\x8f\xd8\x9c"),
	    false, "<U+2066><U+2069><U+200F><U+061C>");
	assert_visible(STR("\xff\xe2\x82"), false, "<ff><e2><82>");
	assert_visible(STR("\x9b" "0m"), false, "<9b>0m");
	assert_visible(STR(""), false, "");
}

/* What hides in a text can make two that look the same differ. */
static void
nothing_can_hide(void **state)
{
	(void)state;
	assert_visible(STR("a\xe2\x80\x8b" "b\xe2\x81\xa0\xef\xbb\xbf"), false,
	    "a<U+200B>b<U+2060><U+FEFF>");
	assert_visible(STR("\xe2\x80\xa8\xe2\x80\xa9\xe1\xa0\x8e"), true,
	    "<U+2028><U+2029><U+180E>");
	assert_visible(STR("\xf3\xa0\x81\x81\xef\xbf\xb9"), false,
	    "<U+E0041><U+FFF9>");
	assert_visible(STR("\xe2\x80\x8d"), false, "<U+200D>");
	assert_visible(STR("ad\xe2\x80\x8cmin"), false, "ad<U+200C>min");
	assert_visible(STR("\xc3\xa9\n\xe2\x80\x8d"), true,
	    "\xc3\xa9\n<U+200D>");
	assert_false(utf8_hidden(' ') || utf8_hidden('~') ||
	    utf8_hidden(0xa0) || utf8_hidden(0x200d) || utf8_hidden(0x2070));
	assert_true(utf8_hidden(0) && utf8_hidden(0x1f) && utf8_hidden(0x7f) &&
	    utf8_hidden(0x9f) && utf8_hidden(0xe007f));
}

static void
harmless_text_is_shown_as_it_is(void **state)
{
	(void)state;
	assert_visible(STR("caf\xc3\xa9 " EURO SMILE " ~"), false,
	    "caf\xc3\xa9 " EURO SMILE " ~");
	/* A joiner, which emoji and scripts need, is no command. */
	assert_visible(STR(SMILE "\xe2\x80\x8d" SMILE), false,
	    SMILE "\xe2\x80\x8d" SMILE);
}

static void
line_feeds_and_tabs_pass_when_asked(void **state)
{
	(void)state;
	assert_visible(STR("a\n\tb\r\n"), true, "a\n\tb^M\n");
	assert_visible(STR("a\n\tb"), false, "a^J^Ib");
}

static void
assert_oneline(struct str s, size_t max, const char *expected)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	buf_adds(&b, "> ");
	utf8_oneline(&b, s, max);
	assert_string_equal(b.p + 2, expected);
	assert_true(utf8_columns(str_sub(buf_str(&b), 2, b.n)) <= max);
	buf_release(&b);
}

static void
a_line_is_cut_at_its_width(void **state)
{
	(void)state;
	assert_oneline(STR("abcdef"), 6, "abcdef");
	assert_oneline(STR("abcdefg"), 6, "abc...");
	assert_oneline(STR("abcdef"), 4, "a...");
	assert_oneline(STR("abcdef"), 3, "...");
	assert_oneline(STR("abcdef"), 2, "..");
	assert_oneline(STR("abcdef"), 0, "");
	assert_oneline(STR("ab"), 2, "ab");
	assert_oneline(STR(""), 0, "");
	assert_oneline(STR("a\nb"), 80, "a^Jb");
	/* Neither a wide character nor a shown control is cut in two. */
	assert_oneline(STR("ab\xe4\xbd\xa0\xe5\xa5\xbd" "c"), 6, "ab...");
	assert_oneline(STR("ab\xe4\xbd\xa0\xe5\xa5\xbd"), 6,
	    "ab\xe4\xbd\xa0\xe5\xa5\xbd");
	assert_oneline(STR("a\x1b\x1b\x1b" "b"), 6, "a^[...");
	assert_oneline(STR("a\x1b\x1b\x1b" "b"), 5, "a...");
	/* What combines with the last character stays with it. */
	assert_oneline(STR("e\xcc\x81" "abcd"), 4, "e\xcc\x81...");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_text_stays_as_it_is),
		cmocka_unit_test(
		    ill_formed_sequences_become_one_replacement_each),
		cmocka_unit_test(a_bad_byte_is_noticed_at_every_place),
		cmocka_unit_test(every_character_is_written_and_read_back),
		cmocka_unit_test(reading_always_gets_to_the_end),
		cmocka_unit_test(a_text_is_clipped_between_characters),
		cmocka_unit_test(columns_are_those_of_a_terminal),
		cmocka_unit_test(nothing_can_command_the_terminal),
		cmocka_unit_test(nothing_can_hide),
		cmocka_unit_test(harmless_text_is_shown_as_it_is),
		cmocka_unit_test(line_feeds_and_tabs_pass_when_asked),
		cmocka_unit_test(a_line_is_cut_at_its_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
