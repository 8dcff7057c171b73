/*
 * test_suggest.c -- the known word nearest to a mistyped one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/suggest.h"

static const char *const keys[] = { "samples", "temperature", "max_tokens",
	"accept", "model", "top_p", "n", NULL };

static void
assert_suggested(const char *word, const char *expected)
{
	const char *found = suggest(str_of(word), keys);

	if (!expected && found)
		fail_msg("'%s' for '%s'", found, word);
	if (expected && (!found || strcmp(found, expected) != 0))
		fail_msg("'%s' for '%s'", found ? found : "nothing", word);
}

static void
a_slip_finds_the_word_that_was_meant(void **state)
{
	(void)state;
	assert_suggested("sampels", "samples"); /* exchanged */
	assert_suggested("smples", "samples"); /* left out */
	assert_suggested("samplees", "samples"); /* put in */
	assert_suggested("samplez", "samples"); /* replaced */
	assert_suggested("temprature", "temperature");
	assert_suggested("max-tokens", "max_tokens");
	assert_suggested("samples", "samples");
}

static void
what_is_too_far_off_finds_nothing(void **state)
{
	(void)state;
	assert_suggested("budget", NULL);
	assert_suggested("", NULL);
	assert_suggested("zz", NULL);
	/* 5 letters: one mistake is allowed, not two */
	assert_suggested("mdel", "model");
	assert_suggested("modle", "model");
	assert_suggested("modxx", NULL);
	/* 11 letters: three mistakes, not four */
	assert_suggested("tempxxxture", "temperature");
	assert_suggested("tempxxxxure", NULL);
	/* 15 letters: not more than three either */
	assert_null(suggest(STR("requests_xxxmin"),
	    (const char *const[]){ "requests_per_min", NULL }));
	assert_non_null(suggest(STR("requests_xx_min"),
	    (const char *const[]){ "requests_per_min", NULL }));
}

static void
exchanged_letters_count_once_even_with_something_between(void **state)
{
	static const char *const known[] = { "abc", NULL };

	(void)state;
	/* ca -> ac -> abc: 2, which 6 letters allow and 5 do not */
	assert_null(suggest(STR("ca"), known));
	assert_non_null(suggest(STR("xyzca1"),
	    (const char *const[]){ "xyzabc1", NULL }));
	assert_null(suggest(STR("xyzca"),
	    (const char *const[]){ "xyzabc", NULL }));
}

static void
the_nearest_is_taken_and_of_equals_the_first(void **state)
{
	static const char *const known[] = { "regexes", "regex1", "regex2",
	    NULL };

	(void)state;
	assert_string_equal(suggest(STR("regex"), known), "regex1");
	assert_string_equal(suggest(STR("regex2"), known), "regex2");
	assert_string_equal(suggest(STR("regexe"), known), "regexes");
}

static void
no_list_and_endless_words_are_harmless(void **state)
{
	static const char *const none[] = { NULL };
	char word[1001];
	const char *known[] = { word, "abc", NULL };

	(void)state;
	memset(word, 'a', 1000);
	word[1000] = '\0';
	assert_null(suggest(STR("abc"), none));
	assert_null(suggest(str_of(word), known));
	assert_string_equal(suggest(STR("abd"), known), "abc");
	word[64] = '\0';
	assert_ptr_equal(suggest(str_of(word), known), word);
	assert_ptr_equal(suggest((struct str){ word, 63 }, known), word);
	memset(word, '\xff', 64);
	assert_null(suggest(STR("\x01\x02"), known));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_finds_the_word_that_was_meant),
		cmocka_unit_test(what_is_too_far_off_finds_nothing),
		cmocka_unit_test(
		    exchanged_letters_count_once_even_with_something_between),
		cmocka_unit_test(the_nearest_is_taken_and_of_equals_the_first),
		cmocka_unit_test(no_list_and_endless_words_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
