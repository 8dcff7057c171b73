/*
 * test_json.c -- the door to cJSON, and the writer.
 */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/rand.h"
#include "base/utf8.h"

#define FFFD "\xef\xbf\xbd"
#define FIFTY "33333333333333333333333333333333333333333333333333"

static struct json *
parse(struct str text)
{
	struct err e = { ERR_NONE, "untouched" };
	struct json *doc = json_parse(text, &e);

	if (!doc)
		fail_msg("%.*s: %s", STR_ARG(text), e.msg);
	assert_string_equal(e.msg, "untouched");
	return doc;
}

static void
assert_refused(struct str text, const char *message)
{
	struct err e = { ERR_NONE, "" };
	struct json *doc = json_parse(text, &e);

	if (doc)
		fail_msg("accepted: %.*s", STR_ARG(text));
	assert_string_equal(e.msg, message);
	assert_int_equal(e.code, ERR_INPUT);
}

/* The text of a JSON string. */
static void
assert_text(struct str json, const char *expected)
{
	struct json *doc = parse(json);
	struct str s;

	assert_true(json_str(doc, &s));
	assert_string_equal(s.p, expected);
	assert_int_equal(s.n, strlen(expected));
	assert_true(utf8_valid(s));
	json_free(doc);
}

static void
assert_prints(struct str json, bool canonical, const char *expected)
{
	struct json *doc = parse(json);
	struct buf b;

	buf_init(&b, BUF_MAX);
	json_print(&b, doc, canonical);
	assert_false(b.failed);
	assert_string_equal(b.p, expected);
	buf_release(&b);
	json_free(doc);
}

static void
assert_number(const char *json, double expected)
{
	struct json *doc = parse(str_of(json));
	double v;

	assert_true(json_double(doc, &v));
	if (v != expected)
		fail_msg("%s is %.17g, not %.17g", json, v, expected);
	json_free(doc);
}

static void
a_document_is_walked(void **state)
{
	struct json *doc = parse(STR(" {\"a\" : [1, \"two\", null, true],\r\n"
	    "\t\"b\":{\"c\":-2.5e1}} \n"));
	const struct json *v;
	struct str s;
	double d;
	bool t = false;

	(void)state;
	assert_int_equal(json_type(doc), JSON_OBJECT);
	assert_int_equal(json_count(doc), 2);
	v = json_get(doc, "a");
	assert_int_equal(json_type(v), JSON_ARRAY);
	assert_int_equal(json_count(v), 4);
	assert_true(str_is(json_name(v), "a"));
	v = json_first(v);
	assert_true(json_double(v, &d) && d == 1);
	assert_int_equal(json_name(v).n, 0);
	v = json_next(v);
	assert_true(json_str(v, &s) && str_is(s, "two"));
	v = json_next(v);
	assert_true(json_is_null(v));
	v = json_next(v);
	assert_true(json_bool(v, &t) && t);
	assert_null(json_next(v));
	v = json_get(json_get(doc, "b"), "c");
	assert_true(json_double(v, &d) && d == -25);
	assert_null(json_get(doc, "c"));
	assert_null(json_get(v, "c"));
	json_free(doc);
	json_free(NULL);
}

static void
what_is_absent_is_nothing_of_anything(void **state)
{
	struct str s = STR("kept");
	double d = 7;
	int64_t i = 7;
	bool t = true;

	(void)state;
	assert_null(json_get(NULL, "a"));
	assert_null(json_first(NULL));
	assert_null(json_next(NULL));
	assert_int_equal(json_count(NULL), 0);
	assert_int_equal(json_name(NULL).n, 0);
	assert_true(json_is_null(NULL));
	assert_int_equal(json_type(NULL), JSON_NULL);
	assert_false(json_str(NULL, &s));
	assert_false(json_double(NULL, &d));
	assert_false(json_i64(NULL, &i));
	assert_false(json_bool(NULL, &t));
	assert_true(str_is(s, "kept") && d == 7 && i == 7 && t);
	assert_string_equal(json_type_name(NULL), "nothing");
}

static void
a_value_is_of_one_type_only(void **state)
{
	static const char *const texts[] = { "null", "true", "0.5", "\"s\"",
	    "[]", "{}" };
	static const char *const names[] = { "null", "a boolean", "a number",
	    "a string", "an array", "an object" };
	struct str s;
	double d;
	int64_t i;
	bool t;

	(void)state;
	for (int k = 0; k < 6; k++) {
		struct json *v = parse(str_of(texts[k]));

		assert_int_equal(json_type(v), k);
		assert_string_equal(json_type_name(v), names[k]);
		assert_int_equal(json_is_null(v), k == JSON_NULL);
		assert_int_equal(json_bool(v, &t), k == JSON_BOOL);
		assert_int_equal(json_double(v, &d), k == JSON_NUMBER);
		assert_int_equal(json_str(v, &s), k == JSON_STRING);
		assert_false(json_i64(v, &i));
		assert_int_equal(json_count(v), 0);
		assert_null(json_first(v));
		json_free(v);
	}
}

static void
a_member_that_is_null_is_told_from_an_absent_one(void **state)
{
	struct json *doc = parse(STR("{\"a\":null}"));

	(void)state;
	assert_non_null(json_get(doc, "a"));
	assert_true(json_is_null(json_get(doc, "a")));
	assert_null(json_get(doc, "b"));
	json_free(doc);
}

static void
names_are_compared_exactly_and_the_last_counts(void **state)
{
	struct json *doc = parse(STR("{\"a\":1,\"A\":2,\"a\":3,\"\":4}"));
	double d;

	(void)state;
	assert_true(json_double(json_get(doc, "a"), &d) && d == 3);
	assert_true(json_double(json_get(doc, "A"), &d) && d == 2);
	assert_true(json_double(json_get(doc, ""), &d) && d == 4);
	json_free(doc);
}

static void
whole_numbers_are_exact_or_none(void **state)
{
	static const char *const good[] = { "0", "-0", "12", "1e3", "2.0",
	    "9007199254740992", "-9007199254740992" };
	static const int64_t values[] = { 0, 0, 12, 1000, 2, INT64_C(1) << 53,
	    -(INT64_C(1) << 53) };
	static const char *const bad[] = { "0.5", "9007199254740994", "1e300",
	    "-1e19", "1e999", "\"1\"", "true" };
	int64_t v = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct json *doc = parse(str_of(good[i]));

		assert_true(json_i64(doc, &v));
		assert_true(v == values[i]);
		json_free(doc);
	}
	v = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct json *doc = parse(str_of(bad[i]));

		assert_false(json_i64(doc, &v));
		json_free(doc);
	}
	assert_int_equal(v, 77);
}

static void
infinite_numbers_are_none(void **state)
{
	struct json *doc = parse(STR("[1e999,-1e999]"));
	double d = 7;

	(void)state;
	assert_false(json_double(json_first(doc), &d));
	assert_false(json_double(json_next(json_first(doc)), &d));
	assert_true(d == 7);
	json_free(doc);
	assert_prints(STR("[1e999,-1e999]"), false, "[null,null]");
}

static void
numbers_of_any_length_are_read(void **state)
{
	char text[1000];

	(void)state;
	assert_number("0." FIFTY FIFTY, 1.0 / 3);
	assert_number("-0." FIFTY FIFTY "e+1", -10.0 / 3);
	assert_number("1" FIFTY FIFTY "e-100",
	    1.33333333333333333333333333333333);
	assert_prints(STR("[0." FIFTY FIFTY " ,{\"a\":0." FIFTY FIFTY "}]"),
	    false, "[0.3333333333333333,{\"a\":0.3333333333333333}]");
	/* cJSON's limit is somewhere here. */
	for (int n = 55; n < 75; n++) {
		snprintf(text, sizeof(text), "0.%.*s", n, FIFTY FIFTY);
		assert_number(text, 1.0 / 3);
	}
	memset(text, '9', sizeof(text));
	text[999] = '\0';
	assert_refused(str_of(text), "column 1: number is out of range");
}

static void
only_json_is_accepted(void **state)
{
	static const struct {
		struct str text;
		const char *message;
	} cases[] = {
		{ { NULL, 0 }, "column 1: empty, no JSON value" },
		{ STR(""), "column 1: empty, no JSON value" },
		{ STR(" \n\t"), "column 1: empty, no JSON value" },
		{ STR("\xef\xbb\xbf"), "column 1: empty, no JSON value" },
		{ STR("{} x"), "column 4: text after the JSON value" },
		{ STR("{}{}"), "column 3: text after the JSON value" },
		{ STR("1 2"), "column 3: text after the JSON value" },
		{ STR("1,"), "column 2: text after the JSON value" },
		{ STR("nullx"), "column 5: text after the JSON value" },
		{ STR("null\0"), "column 5: text after the JSON value" },
		{ STR("]"), "column 1: expected a value" },
		{ STR("True"), "column 1: expected a value" },
		{ STR("nul"), "column 1: expected a value" },
		{ STR("NaN"), "column 1: expected a value" },
		{ STR("'a'"), "column 1: expected a value" },
		{ STR("<html>"), "column 1: expected a value" },
		{ STR("[1,]"), "column 4: expected a value" },
		{ STR("[,1]"), "column 2: expected a value" },
		{ STR("[}"), "column 2: expected a value" },
		{ STR("[1,\x01 2]"), "column 4: expected a value" },
		{ STR("[1,\v2]"), "column 4: expected a value" },
		{ STR("[1,\xc2\xa0 2]"), "column 4: expected a value" },
		{ STR("[1,// no\n2]"), "column 4: expected a value" },
		{ STR("[1 2]"), "column 4: expected ',' or ']'" },
		{ STR("[1}"), "column 3: expected ',' or ']'" },
		{ STR("[1:2]"), "column 3: expected ',' or ']'" },
		{ STR("{\"a\":1]"), "column 7: expected ',' or '}'" },
		{ STR("{\"a\":[]:"), "column 8: expected ',' or '}'" },
		{ STR("[{}}"), "column 4: expected ',' or ']'" },
		{ STR("{\"a\" 1}"), "column 6: expected ':'" },
		{ STR("{\"a\",1}"), "column 5: expected ':'" },
		{ STR("{\"a\"}"), "column 5: expected ':'" },
		{ STR("{\"a\":}"), "column 6: expected a value" },
		{ STR("{\"a\"::1}"), "column 6: expected a value" },
		{ STR("{\"a\":1,}"),
		    "column 8: expected a name in double quotes" },
		{ STR("{,}"), "column 2: expected a name in double quotes" },
		{ STR("{1:2}"), "column 2: expected a name in double quotes" },
		{ STR("{'a':2}"),
		    "column 2: expected a name in double quotes" },
		{ STR("{]"), "column 2: expected a name in double quotes" },
		{ STR("["), "column 2: the JSON value is cut off" },
		{ STR("[1,"), "column 4: the JSON value is cut off" },
		{ STR("{\"a\":1"), "column 7: the JSON value is cut off" },
		{ STR("{\"a\":[1]"), "column 9: the JSON value is cut off" },
		{ STR("[\"abc"), "column 2: string is not closed" },
		{ STR("{\"abc"), "column 2: string is not closed" },
		{ STR("\"abc\\\""), "column 1: string is not closed" },
		{ STR("\"abc\\"), "column 5: unknown escape in a string" },
		{ STR("\"a\\x\""), "column 3: unknown escape in a string" },
		{ STR("\"a\\\0\""), "column 3: unknown escape in a string" },
		{ STR("\"a\\U0041\""),
		    "column 3: unknown escape in a string" },
		{ STR("\"a\nb\""), "column 3: control character in a string" },
		{ STR("\"a\0b\""), "column 3: control character in a string" },
		{ STR("\"12345678\x1f\""),
		    "column 10: control character in a string" },
		{ STR("-Infinity"), "column 1: malformed number" },
		{ STR("01"), "column 1: malformed number" },
		{ STR("[-]"), "column 2: malformed number" },
		{ STR("1."), "column 1: malformed number" },
		{ STR("-.5"), "column 1: malformed number" },
		{ STR("1e"), "column 1: malformed number" },
		{ STR("1e+"), "column 1: malformed number" },
		{ STR(".5"), "column 1: expected a value" },
		{ STR("+1"), "column 1: expected a value" },
		{ STR("0x10"), "column 2: text after the JSON value" },
		{ STR("1-2"), "column 2: text after the JSON value" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_refused(cases[i].text, cases[i].message);
}

static void
escapes_need_four_hexadecimal_digits(void **state)
{
	static const char *const bad[] = { "\"ab\\u\"", "\"ab\\u12\"",
	    "\"ab\\u12g4\"", "\"ab\\u 123\"", "\"ab\\u+123\"", "\"ab\\u123" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_refused(str_of(bad[i]), "column 4: \\u is not followed "
		    "by four hexadecimal digits");
}

static void
columns_count_characters_of_the_original(void **state)
{
	(void)state;
	assert_refused(STR("[\"\xc3\xa9\xe2\x82\xac\" x]"),
	    "column 7: expected ',' or ']'");
	assert_refused(STR("[\"\xff\xfe\\u0000\\ud800\" x]"),
	    "column 19: expected ',' or ']'");
	assert_refused(STR("[0." FIFTY FIFTY " 1]"),
	    "column 105: expected ',' or ']'");
}

static void
nesting_is_bounded(void **state)
{
	char text[2 * 100000];

	(void)state;
	memset(text, '[', JSON_MAX_DEPTH);
	memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	json_free(parse((struct str){ text, 2 * JSON_MAX_DEPTH }));
	memset(text, '[', 100000);
	memset(text + 100000, ']', 100000);
	assert_refused((struct str){ text, sizeof(text) },
	    "column 65: nested too deeply");
	memset(text, '[', sizeof(text));
	assert_refused((struct str){ text, sizeof(text) },
	    "column 65: nested too deeply");
	/* Brackets in strings do not count, siblings do not nest. */
	text[0] = '"';
	text[sizeof(text) - 1] = '"';
	json_free(parse((struct str){ text, sizeof(text) }));
	text[0] = '[';
	for (size_t i = 1; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "[],", 3);
	text[sizeof(text) - 1] = ' ';
	text[sizeof(text) - 2] = ']';
	text[sizeof(text) - 3] = ' ';
	text[sizeof(text) - 4] = '1';
	json_free(parse((struct str){ text, sizeof(text) }));
}

static void
escapes_are_undone(void **state)
{
	(void)state;
	assert_text(STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\/\b\f\n\r\t");
	assert_text(STR("\"\\u00e9\\u20AC\\ud83d\\ude00\""),
	    "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_text(STR("\"\\u0001\\u007f\""), "\x01\x7f");
	assert_text(STR("\"\""), "");
	assert_text(STR("\"\x7f\""), "\x7f");
	assert_text(STR("\"caf\xc3\xa9 \xf0\x9f\x98\x80\""),
	    "caf\xc3\xa9 \xf0\x9f\x98\x80");
	assert_text(STR("\"\\\\u0000\\\\ud800\""), "\\u0000\\ud800");
}

static void
what_a_c_string_cannot_hold_is_replaced(void **state)
{
	(void)state;
	assert_text(STR("\"a\\u0000b\""), "a" FFFD "b");
	assert_text(STR("\"\\u0000\\u0000\""), FFFD FFFD);
	assert_text(STR("\"\\ud800\""), FFFD);
	assert_text(STR("\"\\uDBFFx\""), FFFD "x");
	assert_text(STR("\"\\udc00\\ud83d\""), FFFD FFFD);
	assert_text(STR("\"\\ud83d\\ud83d\\ude00\""),
	    FFFD "\xf0\x9f\x98\x80");
	assert_text(STR("\"\\ud83d\\u0041\""), FFFD "A");
	assert_text(STR("\"\\ud83d\\u0000\""), FFFD FFFD);
	assert_text(STR("\"\\ud83d\\n\""), FFFD "\n");
	assert_text(STR("\"\\ud83d\\\\u\""), FFFD "\\u");
	assert_text(STR("\"\\ud83d\xff\""), FFFD FFFD);
	assert_text(STR("\"a\xff" "b\xed\xa0\x80" "c\xe2\x82\""),
	    "a" FFFD "b" FFFD FFFD FFFD "c" FFFD);
	assert_refused(STR("\"\\ud83d\\u12\""), "column 8: \\u is not "
	    "followed by four hexadecimal digits");
}

static void
names_are_mended_too(void **state)
{
	struct json *doc = parse(STR("{\"a\\u0000\xff\":1}"));

	(void)state;
	assert_non_null(json_get(doc, "a" FFFD FFFD));
	json_free(doc);
}

static void
the_text_given_is_not_changed(void **state)
{
	char text[] = "[\"\\u0000\xff\",0." FIFTY FIFTY "]";
	char before[sizeof(text)];

	(void)state;
	memcpy(before, text, sizeof(text));
	json_free(parse(str_of(text)));
	assert_memory_equal(text, before, sizeof(text));
}

/* What the pass before cJSON's lets through, cJSON must not refuse: it would
 * be taken for a lack of memory. */
static void
what_is_json_is_never_out_of_memory(void **state)
{
	static const char alphabet[] = "[]{},:\"\\u01e-.+ \ntrue\xc3\xa9";
	struct rng r;
	char text[12];
	size_t n;
	struct err e;
	struct json *doc;

	(void)state;
	rng_seed(&r, 6);
	for (int i = 0; i < 1000000; i++) {
		n = rng_u64(&r) % sizeof(text);
		for (size_t k = 0; k < n; k++)
			text[k] = alphabet[rng_u64(&r) %
			    (sizeof(alphabet) - 1)];
		doc = json_parse((struct str){ text, n }, &e);
		if (!doc && e.code != ERR_INPUT)
			fail_msg("%.*s: %s", (int)n, text, e.msg);
		json_free(doc);
	}
}

static void
a_byte_order_mark_is_passed_over(void **state)
{
	(void)state;
	assert_prints(STR("\xef\xbb\xbf[1]"), false, "[1]");
	assert_refused(STR("\xef\xbb\xbf[x]"),
	    "column 2: expected a value");
}

/* The text is copied to memory of exactly its size: valgrind and the address
 * sanitizer notice a byte read beyond it. */
static void
no_text_is_read_beyond_its_end(void **state)
{
	static const char whole[] = "{\"a\":[1.5e+3,true,false,null,\"\\u00e9"
	    "\\ud83d\\ude00\\n\xe2\x82\xac\"],\"b\":-12}";
	struct err e;

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		char *text = malloc(n ? n : 1);
		struct json *doc;

		assert_non_null(text);
		memcpy(text, whole, n);
		doc = json_parse((struct str){ text, n }, &e);
		if (doc)
			fail_msg("accepted %zu bytes", n);
		assert_int_equal(e.code, ERR_INPUT);
		free(text);
	}
	json_free(parse(str_of(whole)));
}

/* Bytes turned at random: whatever is accepted prints as what it is. */
static void
damaged_texts_are_refused_or_print_as_they_read(void **state)
{
	static const char whole[] = "{\"a\":[1.5e+3,true,false,null,\"\\u00e9"
	    "\\ud83d\\ude00\\n\xe2\x82\xac\"],\"b\":-12,\"c\":{\"d\":[[]]}}";
	struct rng r;
	struct buf once, twice;
	struct err e;
	int accepted = 0;

	(void)state;
	rng_seed(&r, 5);
	buf_init(&once, BUF_MAX);
	buf_init(&twice, BUF_MAX);
	for (int i = 0; i < 20000; i++) {
		char text[sizeof(whole) - 1];
		struct json *doc;

		memcpy(text, whole, sizeof(text));
		for (int k = 0; k < 2; k++)
			text[rng_u64(&r) % sizeof(text)] =
			    whole[rng_u64(&r) % sizeof(text)];
		doc = json_parse((struct str){ text, sizeof(text) }, &e);
		if (!doc)
			continue;
		accepted++;
		buf_clear(&once);
		buf_clear(&twice);
		json_print(&once, doc, true);
		json_free(doc);
		assert_true(utf8_valid(buf_str(&once)));
		doc = parse(buf_str(&once));
		json_print(&twice, doc, true);
		json_free(doc);
		assert_string_equal(once.p, twice.p);
	}
	assert_in_range(accepted, 100, 19900);
	buf_release(&once);
	buf_release(&twice);
}

static void
values_print_without_white_space(void **state)
{
	(void)state;
	assert_prints(STR(" { \"b\" : [ 1 , 2.50 , \"x\" , { } , [ ] ] ,"
	    " \"a\" : null , \"b\" : false } "), false,
	    "{\"b\":[1,2.5,\"x\",{},[]],\"a\":null,\"b\":false}");
	assert_prints(STR("\"\\u0001\\u001f\\\"\\\\\\/\\n\\u00e9\x7f\""),
	    false, "\"\\u0001\\u001f\\\"\\\\/\\n\xc3\xa9\x7f\"");
}

static void
equal_values_print_equally_when_canonical(void **state)
{
	static const char expected[] =
	    "{\"\":0,\"a\":[{\"x\":1,\"y\":2}],\"aa\":100,\"b\":\"\xc3\xa9\"}";

	(void)state;
	assert_prints(STR("{\"b\":\"\\u00e9\",\"aa\":1e2,\"a\":[{\"y\":2,"
	    "\"x\":1}],\"\":-0.0}"), true, expected);
	assert_prints(STR("{\"\":0,\"a\":7,\"aa\":100.0,\"b\":\"\xc3\xa9\","
	    "\"a\":[{\"x\":9,\"y\":2.0,\"x\":1}]}"), true, expected);
	assert_prints(STR("{}"), true, "{}");
	assert_prints(STR("{\"\xc3\xa9\":1,\"z\":2}"), true,
	    "{\"z\":2,\"\xc3\xa9\":1}");
}

static void
a_large_object_is_sorted(void **state)
{
	struct buf text, printed;
	struct json *doc;

	(void)state;
	buf_init(&text, BUF_MAX);
	buf_init(&printed, BUF_MAX);
	buf_addc(&text, '{');
	for (int i = 9999; i >= 1000; i--)
		buf_addf(&text, "\"%d\":%d,", i, i);
	buf_adds(&text, "\"0\":0}");
	doc = parse(buf_str(&text));
	json_print(&printed, doc, true);
	json_free(doc);
	buf_clear(&text);
	buf_adds(&text, "{\"0\":0");
	for (int i = 1000; i <= 9999; i++)
		buf_addf(&text, ",\"%d\":%d", i, i);
	buf_addc(&text, '}');
	assert_string_equal(printed.p, text.p);
	buf_release(&text);
	buf_release(&printed);
}

static void
commas_and_colons_come_by_themselves(void **state)
{
	struct buf b;
	struct jw w;

	(void)state;
	buf_init(&b, BUF_MAX);
	w = jw_on(&b);
	jw_open(&w, '{');
	jw_key(&w, "list");
	jw_open(&w, '[');
	jw_i64(&w, INT64_MIN);
	jw_double(&w, 0.1);
	jw_bool(&w, true);
	jw_null(&w);
	jw_raw(&w, STR("{\"raw\":[1,2]}"));
	jw_open(&w, '[');
	jw_close(&w, ']');
	jw_open(&w, '{');
	jw_close(&w, '}');
	jw_str(&w, STR("end"));
	jw_close(&w, ']');
	jw_kstr(&w, "s", STR("x"));
	jw_ki64(&w, "i", -5);
	jw_kdouble(&w, "d", NAN);
	jw_kbool(&w, "b", false);
	jw_kraw(&w, "r", STR("[1]"));
	jw_key(&w, "again");
	jw_again(&w, b.n - 12, 3);
	jw_key_str(&w, STR("k\"ey"));
	jw_double(&w, -INFINITY);
	jw_close(&w, '}');
	assert_string_equal(b.p, "{\"list\":[-9223372036854775808,0.1,true,"
	    "null,{\"raw\":[1,2]},[],{},\"end\"],\"s\":\"x\",\"i\":-5,"
	    "\"d\":null,\"b\":false,\"r\":[1],\"again\":[1],\"k\\\"ey\":null}");
	json_free(parse(buf_str(&b)));
	buf_release(&b);
}

static void
every_text_is_written_as_a_json_string(void **state)
{
	struct buf b;
	struct jw w;
	char all[256];

	(void)state;
	buf_init(&b, BUF_MAX);
	w = jw_on(&b);
	jw_str(&w, STR("a\"b\\c\b\f\n\r\t\x01\x1f\x7f/\0\xc3\xa9"));
	assert_string_equal(b.p, "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001f"
	    "\x7f/\\u0000\xc3\xa9\"");
	buf_clear(&b);
	w = jw_on(&b);
	jw_str(&w, STR("long enough to be read in words \n\xff\xe2\x82!"));
	assert_string_equal(b.p, "\"long enough to be read in words \\n"
	    FFFD FFFD "!\"");
	buf_clear(&b);
	w = jw_on(&b);
	jw_str(&w, (struct str){ NULL, 0 });
	assert_string_equal(b.p, "\"\"");
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	buf_clear(&b);
	w = jw_on(&b);
	jw_str(&w, (struct str){ all, sizeof(all) });
	json_free(parse(buf_str(&b)));
	buf_release(&b);
}

static void
a_text_comes_back_from_a_json_string(void **state)
{
	struct buf text, written;
	struct json *doc;
	struct str s;
	struct jw w;
	struct rng r;

	(void)state;
	rng_seed(&r, 11);
	buf_init(&text, BUF_MAX);
	buf_init(&written, BUF_MAX);
	for (int i = 0; i < 2000; i++) {
		buf_clear(&text);
		buf_clear(&written);
		for (int n = (int)(rng_u64(&r) % 40); n > 0; n--)
			utf8_put(&text, 1 + (uint32_t)(rng_u64(&r) %
			    (rng_u64(&r) % 4 ? 0x7f : 0x10ffff)));
		w = jw_on(&written);
		jw_str(&w, buf_str(&text));
		doc = parse(buf_str(&written));
		assert_true(json_str(doc, &s));
		assert_true(str_eq(s, buf_str(&text)));
		json_free(doc);
	}
	buf_release(&text);
	buf_release(&written);
}

static void
a_full_buffer_is_remembered(void **state)
{
	struct json *doc = parse(STR("{\"b\":[1,2,3],\"a\":\"text\"}"));
	struct buf b;

	(void)state;
	for (size_t max = 0; max < 24; max++) {
		buf_init(&b, max);
		json_print(&b, doc, true);
		assert_true(b.failed);
		buf_release(&b);
	}
	buf_init(&b, 24);
	json_print(&b, doc, true);
	assert_false(b.failed);
	assert_string_equal(b.p, "{\"a\":\"text\",\"b\":[1,2,3]}");
	buf_release(&b);
	json_free(doc);
}

static void
assert_double(double v, const char *expected)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	buf_add_double(&b, v);
	assert_string_equal(b.p, expected);
	buf_release(&b);
}

/* What `cat` would show must not act; keys and requests stay as they are. */
static void
hidden_characters_are_escaped_for_people_alone(void **state)
{
	static const char text[] = "a\x1b\x7f\xc2\x9b" "31m\xe2\x80\xae\xef\xbb"
	    "\xbf\xf3\xa0\x81\x81\xc3\xa9\xe2\x80\x8d\"";
	struct buf b;
	struct jw w;

	(void)state;
	buf_init(&b, BUF_MAX);
	w = jw_shown(&b);
	jw_str(&w, str_of(text));
	assert_string_equal(b.p, "\"a\\u001b\\u007f\\u009b31m\\u202e\\ufeff"
	    "\\udb40\\udc41\xc3\xa9\xe2\x80\x8d\\\"\"");
	assert_text(buf_str(&b), text);
	buf_clear(&b);
	w = jw_on(&b);
	jw_str(&w, str_of(text));
	assert_string_equal(b.p, "\"a\\u001b\x7f\xc2\x9b" "31m\xe2\x80\xae"
	    "\xef\xbb\xbf\xf3\xa0\x81\x81\xc3\xa9\xe2\x80\x8d\\\"\"");
	buf_release(&b);
}

static void
doubles_are_short(void **state)
{
	(void)state;
	assert_double(0, "0");
	assert_double(-0.0, "-0");
	assert_double(1, "1");
	assert_double(-42, "-42");
	assert_double(0.1, "0.1");
	assert_double(0.3, "0.3");
	assert_double(0.1 + 0.2, "0.30000000000000004");
	assert_double(1.0 / 3, "0.3333333333333333");
	assert_double(1e15, "1000000000000000");
	assert_double(-1e15, "-1000000000000000");
	assert_double(1e16, "1e+16");
	assert_double(0x1p53, "9007199254740992");
	assert_double(-4.7e-12, "-4.7e-12");
	assert_double(-9999.0, "-9999");
	assert_double(DBL_MAX, "1.7976931348623157e+308");
	assert_double(INFINITY, "inf");
	assert_double(-INFINITY, "-inf");
	assert_double(NAN, "nan");
}

static void
every_double_reads_back(void **state)
{
	struct buf b;
	struct rng r;
	union { uint64_t bits; double d; } v;
	double back;

	(void)state;
	rng_seed(&r, 9);
	buf_init(&b, BUF_MAX);
	for (int i = 0; i < 100000; i++) {
		v.bits = rng_u64(&r);
		if (!isfinite(v.d))
			continue;
		if (i % 3 == 0)
			v.d = (double)(v.bits % 100000) / 1000;
		buf_clear(&b);
		buf_add_double(&b, v.d);
		assert_true(str_to_double(buf_str(&b), &back));
		if (back != v.d)
			fail_msg("%s is not %a", b.p, v.d);
	}
	v.bits = 1; /* the smallest of all */
	buf_clear(&b);
	buf_add_double(&b, v.d);
	assert_true(str_to_double(buf_str(&b), &back) && back == v.d);
	buf_release(&b);
}

static void
numbers_do_not_depend_on_the_locale(void **state)
{
	static const char *const commas[] = { "de_DE.UTF-8", "de_DE.utf8",
	    "fr_FR.UTF-8", "pt_BR.UTF-8", "de_DE" };
	const char *found = NULL;
	double v;

	(void)state;
	for (size_t i = 0; i < 5 && !found; i++)
		found = setlocale(LC_ALL, commas[i]);
	if (!found)
		skip();
	assert_double(0.5, "0.5");
	assert_true(str_to_double(STR("0.5"), &v) && v == 0.5);
	assert_number("0.5", 0.5);
	assert_number("0." FIFTY FIFTY, 1.0 / 3);
	setlocale(LC_ALL, "C");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_is_walked),
		cmocka_unit_test(what_is_absent_is_nothing_of_anything),
		cmocka_unit_test(a_value_is_of_one_type_only),
		cmocka_unit_test(
		    a_member_that_is_null_is_told_from_an_absent_one),
		cmocka_unit_test(
		    names_are_compared_exactly_and_the_last_counts),
		cmocka_unit_test(whole_numbers_are_exact_or_none),
		cmocka_unit_test(infinite_numbers_are_none),
		cmocka_unit_test(numbers_of_any_length_are_read),
		cmocka_unit_test(only_json_is_accepted),
		cmocka_unit_test(escapes_need_four_hexadecimal_digits),
		cmocka_unit_test(columns_count_characters_of_the_original),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(what_a_c_string_cannot_hold_is_replaced),
		cmocka_unit_test(names_are_mended_too),
		cmocka_unit_test(the_text_given_is_not_changed),
		cmocka_unit_test(what_is_json_is_never_out_of_memory),
		cmocka_unit_test(a_byte_order_mark_is_passed_over),
		cmocka_unit_test(no_text_is_read_beyond_its_end),
		cmocka_unit_test(
		    damaged_texts_are_refused_or_print_as_they_read),
		cmocka_unit_test(values_print_without_white_space),
		cmocka_unit_test(equal_values_print_equally_when_canonical),
		cmocka_unit_test(a_large_object_is_sorted),
		cmocka_unit_test(commas_and_colons_come_by_themselves),
		cmocka_unit_test(every_text_is_written_as_a_json_string),
		cmocka_unit_test(a_text_comes_back_from_a_json_string),
		cmocka_unit_test(a_full_buffer_is_remembered),
		cmocka_unit_test(
		    hidden_characters_are_escaped_for_people_alone),
		cmocka_unit_test(doubles_are_short),
		cmocka_unit_test(every_double_reads_back),
		cmocka_unit_test(numbers_do_not_depend_on_the_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
