/*
 * test_yaml.c -- YAML texts, their places, and what is wrong with them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/yaml.h"

struct fixture {
	struct arena *arena;
	struct report report;
	struct buf text;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->arena = arena_new(0);
	report_init(&f->report, f->arena, "f.yaml");
	buf_init(&f->text, BUF_MAX);
	*state = f;
	return f->arena ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	buf_release(&f->text);
	arena_free(f->arena);
	free(f);
	return 0;
}

static struct ynode *
parse_str(struct fixture *f, struct str text)
{
	report_init(&f->report, f->arena, "f.yaml");
	return yaml_parse(text, f->arena, &f->report);
}

static struct ynode *
parse(struct fixture *f, const char *text)
{
	return parse_str(f, str_of(text));
}

/* The tree as JSON; for a text that must be right. */
static const char *
json(struct fixture *f, const char *text)
{
	struct ynode *n = parse(f, text);

	assert_non_null(n);
	assert_int_equal(f->report.errors, 0);
	buf_clear(&f->text);
	ynode_json(n, &f->text);
	assert_false(f->text.failed);
	return f->text.p;
}

static const char *
printed(struct fixture *f)
{
	buf_clear(&f->text);
	report_print(&f->report, &f->text, true, true);
	assert_false(f->text.failed);
	return f->text.p ? f->text.p : "";
}

/* The complaints about a text that must be wrong. */
static const char *
errors(struct fixture *f, const char *text)
{
	assert_null(parse(f, text));
	assert_true(f->report.errors > 0);
	return printed(f);
}

static void
at(const struct ynode *n, int line, int column)
{
	assert_non_null(n);
	assert_int_equal(n->line, line);
	assert_int_equal(n->column, column);
}

static void
block_and_flow_styles_become_the_same_tree(void **state)
{
	assert_string_equal(json(*state, "a:\n  - 1\n  - x: y\n    z: [q]\n"),
	    "{\"a\":[1,{\"x\":\"y\",\"z\":[\"q\"]}]}");
	assert_string_equal(json(*state,
	    "{\"a\": [1, {\"x\": \"y\", \"z\": [\"q\"]}]}"),
	    "{\"a\":[1,{\"x\":\"y\",\"z\":[\"q\"]}]}");
	assert_string_equal(json(*state, "--- # start\nword\n...\n"),
	    "\"word\"");
}

static void
an_empty_document_is_a_null(void **state)
{
	static const char *const texts[] = { "", "\n\n", "# only this\n",
	    "---\n", "---\n...\n", "~", "null", "\xef\xbb\xbf" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct ynode *n = parse(*state, texts[i]);

		assert_non_null(n);
		assert_int_equal(n->kind, YNODE_NULL);
		assert_true(n->line >= 1 && n->column >= 1);
	}
	assert_non_null(parse_str(*state, (struct str){ NULL, 0 }));
}

static void
every_value_knows_its_place(void **state)
{
	struct ynode *n = parse(*state,
	    "a: plain\n"
	    "b:   'single'\n"
	    "\"c\": \"double\"\n"
	    "d: [1, {\xc3\xa9: \xc3\xa9t\xc3\xa9, f: 2}]\n"
	    "e:\n"
	    "  - x\n"
	    "  -   y\n"
	    "f:\ttab\n"
	    "g: # | not this\n"
	    "  |\n"
	    "  text\n"
	    "h: &name >-\n"
	    "  text\n"
	    "i: ''\n");
	const struct ynode *d;

	at(n, 1, 1);
	at(ynode_get(n, "a"), 1, 4);
	at(ynode_get(n, "b"), 2, 6);
	at(ynode_get_key(n, "c"), 3, 1);
	at(ynode_get(n, "c"), 3, 6);
	d = ynode_get(n, "d");
	at(d, 4, 4);
	at(d->item[0], 4, 5);
	at(d->item[1], 4, 8);
	at(d->item[1]->key[0], 4, 9);
	at(d->item[1]->item[0], 4, 12);
	at(d->item[1]->key[1], 4, 17);
	at(ynode_get(n, "e"), 6, 3);
	at(ynode_get(n, "e")->item[1], 7, 7);
	at(ynode_get(n, "f"), 8, 4);
	at(ynode_get(n, "g"), 10, 3);
	at(ynode_get(n, "h"), 12, 10);
	at(ynode_get(n, "i"), 14, 4);
}

static void
an_empty_value_is_at_its_indicator(void **state)
{
	struct ynode *n = parse(*state,
	    "a:\n"
	    "b: &x\n"
	    "c:\n"
	    "  - \n"
	    "  -\n"
	    "d: {e: , f, \"g\":}\n"
	    "\"h\":\n");
	const struct ynode *d;

	at(ynode_get(n, "a"), 1, 2);
	at(ynode_get(n, "b"), 2, 2);
	at(ynode_get(n, "c")->item[0], 4, 3);
	at(ynode_get(n, "c")->item[1], 5, 3);
	d = ynode_get(n, "d");
	at(ynode_get(d, "e"), 6, 6);
	at(ynode_get(d, "f"), 6, 11);
	at(ynode_get(d, "g"), 6, 16);
	at(ynode_get(n, "h"), 7, 4);
	assert_int_equal(ynode_get(n, "h")->kind, YNODE_NULL);
}

static void
places_are_right_with_crlf_and_a_byte_order_mark(void **state)
{
	struct ynode *n = parse(*state,
	    "\xef\xbb\xbf" "a: 1\r\nb: |\r\n  x\r\nc: \"q\"\r\n");

	at(ynode_get_key(n, "a"), 1, 1);
	at(ynode_get(n, "b"), 2, 4);
	at(ynode_get(n, "c"), 4, 4);
	assert_true(str_is(ynode_get(n, "b")->text, "x\n"));
	n = parse(*state, "\xef\xbb\xbf|\n x\n");
	at(n, 1, 1);
}

static void
a_quoted_scalar_is_never_a_number(void **state)
{
	struct ynode *n = parse(*state,
	    "[1, '1', \"1\", null, 'null', true, 'true', |\n  1\n  ]");

	assert_null(n); /* a block scalar has no place in brackets */
	assert_string_equal(json(*state,
	    "[1, '1', \"1\", null, 'null', true, 'true', ~, False, TRUE]"),
	    "[1,\"1\",\"1\",null,\"null\",true,\"true\",null,false,true]");
	assert_string_equal(json(*state, "a: |\n  1\nb: >-\n  1\n"),
	    "{\"a\":\"1\\n\",\"b\":\"1\"}");
}

static void
json_is_canonical(void **state)
{
	assert_string_equal(json(*state,
	    "b: 1.50\na: 0.1e1\n\"\": -0.0\nc: 100\nd: .5\ne: +7\nf: 1.\n"
	    "g: 1e3\nh: 9007199254740993\ni: 0x10\nj: 1e999\nk: 1_000\n"
	    "l: -.5\nm: +-1\nn: .\no: '-'\n"),
	    "{\"\":-0,\"a\":1,\"b\":1.5,\"c\":100,\"d\":0.5,\"e\":7,\"f\":1,"
	    "\"g\":1000,\"h\":9007199254740993,\"i\":\"0x10\","
	    "\"j\":\"1e999\",\"k\":\"1_000\",\"l\":-0.5,\"m\":\"+-1\","
	    "\"n\":\".\",\"o\":\"-\"}");
	assert_string_equal(json(*state, "[\"a\\tb\\\"\\u00e9\", {}, []]"),
	    "[\"a\\tb\\\"\xc3\xa9\",{},[]]");
}

static void
nothing_is_expanded_inside_a_scalar(void **state)
{
	assert_string_equal(json(*state, "a: $HOME\nb: '${X}'\nc: '*a'\n"),
	    "{\"a\":\"$HOME\",\"b\":\"${X}\",\"c\":\"*a\"}");
	assert_string_equal(json(*state, "a: '####\\s*(-?[\\d.,]+)'\n"),
	    "{\"a\":\"####\\\\s*(-?[\\\\d.,]+)\"}");
}

static void
a_text_may_end_in_a_backslash(void **state)
{
	assert_string_equal(json(*state, "a: x\\"), "{\"a\":\"x\\\\\"}");
	assert_string_equal(errors(*state, "a: \"x\\"),
	    "f.yaml:1:5: double-quoted scalar without closing quote\n");
}

static void
an_alias_stands_for_its_anchor(void **state)
{
	struct ynode *n;

	assert_string_equal(json(*state,
	    "a: &x {p: 1}\nb: *x\nc: [*x, *x]\n&k d: &y 5\ne: [*k, *y]\n"),
	    "{\"a\":{\"p\":1},\"b\":{\"p\":1},\"c\":[{\"p\":1},{\"p\":1}],"
	    "\"d\":5,\"e\":[\"d\",5]}");
	n = parse(*state, "a: &x k\n*x : v\n");
	at(ynode_get_key(n, "k"), 2, 1);
	n = parse(*state, "a: &x 1\nb: &x 2\nc: *x\n");
	assert_true(str_is(ynode_get(n, "c")->text, "2"));
	at(ynode_get(n, "c"), 2, 7); /* where it is written */
}

static void
an_alias_without_an_anchor_is_an_error(void **state)
{
	assert_string_equal(errors(*state, "a: *nope\n"),
	    "f.yaml:1:4: alias '*nope' has no anchor '&nope' before it\n");
	assert_string_equal(errors(*state, "a: *x\nb: &x 1\n"),
	    "f.yaml:1:4: alias '*x' has no anchor '&x' before it\n");
}

static void
a_cycle_is_refused(void **state)
{
	assert_string_equal(errors(*state, "a: &x\n  - 1\n  - *x\n"),
	    "f.yaml:3:5: alias '*x' stands inside what it stands for\n");
	assert_string_equal(errors(*state, "&r {a: {b: [*r]}}\n"),
	    "f.yaml:1:13: alias '*r' stands inside what it stands for\n");
}

/* Ten aliases a line, each of ten aliases. */
static void
an_alias_bomb_is_refused(void **state)
{
	struct fixture *f = *state;
	struct buf b;
	int i, j;

	buf_init(&b, BUF_MAX);
	buf_adds(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (i = 1; i < 30; i++) {
		buf_addf(&b, "a%d: &a%d [", i, i);
		for (j = 0; j < 10; j++)
			buf_addf(&b, "%s*a%d", j ? "," : "", i - 1);
		buf_adds(&b, "]\n");
	}
	assert_null(parse_str(f, buf_str(&b)));
	buf_release(&b);
	assert_int_equal(f->report.errors, 1);
	assert_int_equal(f->report.first->line, 6);
	assert_string_equal(f->report.first->text, "more than 1,000,000 "
	    "values, counting those of aliases again");
	assert_true(arena_used(f->arena) < 100000);
}

static void
depth_is_bounded_also_through_aliases(void **state)
{
	struct fixture *f = *state;
	struct buf b;
	int i;

	buf_init(&b, BUF_MAX);
	for (i = 0; i < 64; i++)
		buf_addc(&b, '[');
	for (i = 0; i < 64; i++)
		buf_addc(&b, ']');
	assert_non_null(parse_str(f, buf_str(&b)));
	buf_clear(&b);
	for (i = 0; i < 5000; i++)
		buf_addc(&b, '[');
	assert_null(parse_str(f, buf_str(&b)));
	assert_int_equal(f->report.first->line, 1);
	assert_int_equal(f->report.first->column, 65);
	buf_clear(&b);
	buf_adds(&b, "- &a0 x\n");
	for (i = 1; i < 100; i++)
		buf_addf(&b, "- &a%d [*a%d]\n", i, i - 1);
	assert_null(parse_str(f, buf_str(&b)));
	assert_string_equal(f->report.first->text,
	    "nested more than 64 levels deep");
	assert_int_equal(f->report.first->line, 64);
	buf_release(&b);
}

static void
merge_keys_fill_in_what_is_missing(void **state)
{
	assert_string_equal(json(*state,
	    "base: &b {model: x, t: 1}\n"
	    "one:\n  <<: *b\n  t: 2\n"
	    "two:\n  u: 3\n  <<: [{t: 9}, *b]\n"
	    "three: {'<<': 1}\n"),
	    "{\"base\":{\"model\":\"x\",\"t\":1},"
	    "\"one\":{\"model\":\"x\",\"t\":2},"
	    "\"three\":{\"<<\":1},"
	    "\"two\":{\"model\":\"x\",\"t\":9,\"u\":3}}");
	assert_string_equal(errors(*state, "a:\n  <<: 5\n"),
	    "f.yaml:2:7: '<<' takes a map or a list of maps\n");
	assert_string_equal(errors(*state, "a:\n  <<: [{}, x]\n"),
	    "f.yaml:2:12: '<<' takes a map or a list of maps\n");
	assert_string_equal(errors(*state, "a:\n  <<: {}\n  <<: {}\n"),
	    "f.yaml:3:3: duplicate key '<<'; it is already on line 2\n");
}

static void
every_duplicate_key_is_reported_in_order(void **state)
{
	assert_string_equal(errors(*state,
	    "a: {x: 1, y: 2, \"x\": 3}\nb: 1\na: 2\n'b': 3\nb: 4\n"),
	    "f.yaml:1:17: duplicate key 'x'; it is already on line 1\n"
	    "f.yaml:3:1: duplicate key 'a'; it is already on line 1\n"
	    "f.yaml:4:1: duplicate key 'b'; it is already on line 2\n"
	    "f.yaml:5:1: duplicate key 'b'; it is already on line 2\n");
	assert_non_null(parse(*state, "a: {x: 1}\nb: {x: 1}\n"));
}

static void
keys_must_be_scalars(void **state)
{
	static const char *const texts[] = { "? [a, b]\n: c\n",
	    "{a: 1}: c\n", "[a]: c\n", "? - a\n: c\n",
	    "a: &x [1]\n*x : c\n" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_non_null(strstr(errors(*state, texts[i]),
		    ": a key must be plain text, not a list or map\n"));
	assert_string_equal(errors(*state, "a: 1\n: x\n"),
	    "f.yaml:2:1: a key is missing before ':'\n");
	assert_string_equal(json(*state, "null: 1\n~: 2\n5: 3\n"),
	    "{\"5\":3,\"null\":1,\"~\":2}");
	assert_string_equal(json(*state, "? a\n: 1\n? b\n"),
	    "{\"a\":1,\"b\":null}");
}

static void
tags_are_refused(void **state)
{
	assert_string_equal(errors(*state, "a: !!str 5\nb: !x [1]\n"),
	    "f.yaml:1:4: tags such as !!str are not supported; put text "
	    "that looks like a number in quotes\n"
	    "f.yaml:2:4: tags such as !!str are not supported; put text "
	    "that looks like a number in quotes\n");
}

static void
there_is_only_one_document(void **state)
{
	assert_string_equal(errors(*state, "a: 1\n---\nb: 2\n"),
	    "f.yaml:2:1: a second document starts here; there can be only "
	    "one\n");
}

static void
another_yaml_version_is_refused(void **state)
{
	assert_non_null(parse(*state, "%YAML 1.2\n---\na: 1\n"));
	assert_string_equal(errors(*state, "%YAML 1.1\n---\na: 1\n"),
	    "f.yaml:2:1: this is YAML 1.2; remove the %YAML line above\n");
	errors(*state, "%YAML 2.0\n---\na: 1\n");
}

static void
parse_errors_have_a_place_and_a_remedy(void **state)
{
	static const char *const rows[][2] = {
		{ "a:\n\tb: 1\n",
		    "2:1: tab character may not be used as indentation; "
		    "use spaces" },
		{ "a: 1\nb: \"open\nc: 2\n",
		    "2:4: wrongly indented double-quoted scalar; is the end "
		    "quote missing?" },
		{ "a: 1\nb: 'open\nc: 2\n",
		    "2:4: wrongly indented single-quoted scalar; is the end "
		    "quote missing?" },
		{ "a: 'it's'\n",
		    "1:8: invalid trailing content after single-quoted "
		    "scalar; a quote inside single quotes is written twice" },
		{ "a: [1, 2\nb: 3\n",
		    "3:1: flow sequence without a closing bracket; it was "
		    "opened at 1:4" },
		{ "x: 1\na: {b: c\n",
		    "3:1: missing comma in flow mapping; it was opened at "
		    "2:4" },
		{ "x: 1\n\xc3\xa9: \"\\d\"\n",
		    "2:5: invalid escape 'd' in double-quoted string; in "
		    "single quotes a backslash is only a backslash" },
		{ "a: @x\n",
		    "1:4: plain scalar cannot start with '@'; put the text "
		    "in quotes" },
		{ "a: b: c\n",
		    "1:5: invalid nested block mapping on the same line; put "
		    "text that contains ': ' in quotes" },
		{ "a: 1\n b: 2\n",
		    "1:4: invalid multiline plain key; is this line or the "
		    "next one indented wrongly?" },
		{ "a: [1]]\n",
		    "1:7: flow sequence with invalid extra closing bracket" },
		{ "\"\\ud800\"\n",
		    "1:2: double-quoted scalar has invalid UTF8 escape; "
		    "write the character itself" },
	};
	char line[200];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(line, sizeof(line), "f.yaml:%s\n", rows[i][1]);
		assert_string_equal(errors(*state, rows[i][0]), line);
	}
}

static void
characters_that_yaml_forbids_are_named_with_their_place(void **state)
{
	assert_string_equal(errors(*state, "a: 1\nb: \"\x1b[0m\"\n"),
	    "f.yaml:2:5: control character U+001B; in double quotes it can "
	    "be written \\u001b\n");
	assert_string_equal(errors(*state, "\xc3\xa9: \xc2\x9b\n"),
	    "f.yaml:1:4: control character U+009B; in double quotes it can "
	    "be written \\u009b\n");
	assert_string_equal(errors(*state, "a: 1\r\nb: \xff\n"),
	    "f.yaml:2:4: this is not UTF-8\n");
	assert_string_equal(errors(*state, "a: \xc3"),
	    "f.yaml:1:4: this is not UTF-8\n");
	assert_null(parse_str(*state, STR("a: x\0y\n")));
	assert_string_equal(printed(*state),
	    "f.yaml:1:5: control character U+0000; in double quotes it can "
	    "be written \\u0000\n");
	errors(*state, "\xff\xfe" "a");
	assert_non_null(parse(*state, "a: \xf0\x9f\x98\x80\n"));
}

static void
a_value_has_no_nul_in_it(void **state)
{
	assert_string_equal(errors(*state, "a: \"x\\0y\"\n"),
	    "f.yaml:1:4: a value cannot contain this character; is an "
	    "escape wrong?\n");
}

/* These made libfyaml 0.7.12 free memory twice. */
static void
texts_that_break_the_library_are_refused(void **state)
{
	assert_string_equal(errors(*state, "x: 1\n? a\t\t:\t\t\t|\r\n"),
	    "f.yaml:2:6: a tab after this colon, in a text with '?'; use a "
	    "space\n");
	errors(*state, "? : ...? :\t-\t\rZZ");
	errors(*state, "?\r \t~:[\t\t:\t:-\\ \t ::\t::\t::");
	assert_non_null(parse(*state, "a:\t|\n  b\nc: why?\n"));
	assert_non_null(parse(*state, "? a\n: |\n  b\n"));
}

static void
a_text_that_is_too_large_is_refused(void **state)
{
	struct fixture *f = *state;
	size_t n = ((size_t)1 << 20) + 1;
	char *text;

	if (getenv("FRUGAL_QUICK"))
		skip(); /* minutes under valgrind */
	text = malloc(n);
	assert_non_null(text);
	memset(text, '\n', n);
	assert_null(parse_str(f, (struct str){ text, n }));
	assert_string_equal(printed(f), "f.yaml: larger than 1 MB\n");
	assert_non_null(parse_str(f, (struct str){ text, n - 1 }));
	free(text);
}

static void
a_text_with_too_many_values_is_refused(void **state)
{
	struct fixture *f = *state;
	struct buf text;
	size_t i;

	/* a list of 999 values, itself included, 1,001 times, in one: 1,000,000 */
	buf_init(&text, BUF_MAX);
	buf_adds(&text, "- &a [1");
	for (i = 1; i < 998; i++)
		buf_adds(&text, ",1");
	buf_adds(&text, "]\n");
	for (i = 1; i < 1001; i++)
		buf_adds(&text, "- *a\n");
	assert_non_null(parse_str(f, buf_str(&text)));
	buf_adds(&text, "- 1\n");
	assert_null(parse_str(f, buf_str(&text)));
	assert_int_equal(f->report.first->line, 1002);
	buf_release(&text);
}

static void
the_library_prints_nothing(void **state)
{
	static const char *const texts[] = { "%YAML 2.0\n---\n", "a: [", "\t",
	    "a: *x", "%FOO\n---\n", "a: \"\\q\"" };
	FILE *caught = tmpfile();
	int saved_out = dup(1), saved_err = dup(2);
	size_t i;
	long size;

	assert_non_null(caught);
	assert_true(saved_out >= 0 && saved_err >= 0);
	fflush(NULL);
	dup2(fileno(caught), 1);
	dup2(fileno(caught), 2);
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		parse(*state, texts[i]);
	fflush(NULL);
	dup2(saved_out, 1);
	dup2(saved_err, 2);
	close(saved_out);
	close(saved_err);
	fseek(caught, 0, SEEK_END);
	size = ftell(caught);
	fclose(caught);
	assert_int_equal(size, 0);
}

static void
complaints_come_in_order_and_once(void **state)
{
	struct fixture *f = *state;
	struct ynode low = { .line = 9, .column = 2 };

	report_at(&f->report, 12, 3, false, "second");
	report_warn(&f->report, &low, "first %d", 1);
	report_at(&f->report, 12, 3, false, "second");
	report_at(&f->report, 12, 3, false, "third");
	report_error(&f->report, NULL, "of the whole");
	report_at(&f->report, 12, 1, false, "between");
	assert_string_equal(printed(f),
	    "f.yaml: of the whole\n"
	    "warning: f.yaml:9:2: first 1\n"
	    "f.yaml:12:1: between\n"
	    "f.yaml:12:3: second\n"
	    "f.yaml:12:3: third\n");
	assert_int_equal(f->report.errors, 4);
	assert_int_equal(f->report.warnings, 1);
	buf_clear(&f->text);
	report_print(&f->report, &f->text, false, true);
	assert_string_equal(f->text.p, "warning: f.yaml:9:2: first 1\n");
}

static void
complaints_are_safe_to_show_and_bounded(void **state)
{
	struct fixture *f = *state;
	size_t i, n = 0;
	struct complaint *c;

	report_at(&f->report, 1, 1, false, "key '%s'", "\x1b[31m\n");
	assert_string_equal(printed(f), "f.yaml:1:1: key '^[[31m^J'\n");
	for (i = 0; i < 5000; i++)
		report_at(&f->report, 2, (int)i + 1, false, "again");
	for (c = f->report.first; c; c = c->next)
		n++;
	assert_int_equal(n, 1000);
	assert_int_equal(f->report.errors, 5001);
	assert_true(str_ends(str_of(printed(f)), "f.yaml: and 4001 more\n"));
}

static void
readers_leave_absent_values_alone(void **state)
{
	struct fixture *f = *state;
	struct str s = STR("before");
	bool b = true;
	double d = 1.5;
	int64_t i = 7;

	assert_true(ynode_str(NULL, "x", &s, &f->report));
	assert_true(ynode_bool(NULL, "x", &b, &f->report));
	assert_true(ynode_double(NULL, "x", 0, 1, &d, &f->report));
	assert_true(ynode_count(NULL, "x", 0, 1, &i, &f->report));
	assert_true(ynode_duration(NULL, "x", &i, &f->report));
	assert_true(str_is(s, "before") && b && d == 1.5 && i == 7);
	assert_int_equal(f->report.errors, 0);
	assert_null(ynode_get(NULL, "x"));
	assert_null(ynode_get_key(NULL, "x"));
	assert_null(ynode_get(parse(f, "[x]"), "x"));
}

static void
readers_take_what_they_are_for(void **state)
{
	struct fixture *f = *state;
	struct ynode *n = parse(f, "s: text\nn: 5\nb: true\nd: .25\nc: 2M\n"
	    "w: 250ms\nq: '5'\n");
	struct report *r = &f->report;
	struct str s;
	bool b = false;
	double d;
	int64_t i;

	assert_true(ynode_str(ynode_get(n, "s"), "s", &s, r));
	assert_true(str_is(s, "text") && s.p[s.n] == '\0');
	assert_true(ynode_str(ynode_get(n, "n"), "n", &s, r));
	assert_true(ynode_str(ynode_get(n, "q"), "q", &s, r));
	assert_true(ynode_bool(ynode_get(n, "b"), "b", &b, r) && b);
	assert_true(ynode_double(ynode_get(n, "d"), "d", 0, 1, &d, r));
	assert_true(d == 0.25);
	assert_true(ynode_count(ynode_get(n, "c"), "c", 0, 2000000, &i, r));
	assert_int_equal(i, 2000000);
	assert_true(ynode_count(ynode_get(n, "n"), "n", 5, 5, &i, r));
	assert_int_equal(i, 5);
	assert_true(ynode_duration(ynode_get(n, "w"), "w", &i, r));
	assert_int_equal(i, 250);
	assert_true(ynode_duration(ynode_get(n, "n"), "n", &i, r));
	assert_int_equal(i, 5000);
	assert_int_equal(r->errors, 0);
}

static void
readers_complain_with_the_place(void **state)
{
	struct fixture *f = *state;
	struct ynode *n = parse(f, "s: [x]\nb: yes\nd: 2.5\nc: -1\nw: soon\n"
	    "q: '5'\ne:\nm: {}\n");
	struct report *r = &f->report;
	struct str s;
	bool b;
	double d;
	int64_t i = 3;

	assert_false(ynode_str(ynode_get(n, "s"), "model", &s, r));
	assert_false(ynode_bool(ynode_get(n, "b"), "json", &b, r));
	assert_false(ynode_double(ynode_get(n, "d"), "temperature", 0, 2, &d,
	    r));
	assert_false(ynode_count(ynode_get(n, "c"), "samples", 1, 100, &i, r));
	assert_false(ynode_duration(ynode_get(n, "w"), "timeout", &i, r));
	assert_false(ynode_count(ynode_get(n, "q"), "seed", 0, INT64_MAX, &i,
	    r));
	assert_false(ynode_double(ynode_get(n, "e"), "top_p", 0, INFINITY, &d,
	    r));
	assert_false(ynode_double(ynode_get(n, "m"), "bias", -INFINITY,
	    INFINITY, &d, r));
	assert_int_equal(i, 3);
	assert_string_equal(printed(f),
	    "f.yaml:1:4: model must be text, not a list\n"
	    "f.yaml:2:4: json must be true or false, not 'yes'\n"
	    "f.yaml:3:4: temperature must be a number from 0 to 2, not "
	    "'2.5'\n"
	    "f.yaml:4:4: samples must be a whole number from 1 to 100, not "
	    "'-1'\n"
	    "f.yaml:5:4: timeout must be a duration such as 250ms, 30s, 2m "
	    "or 1h, not 'soon'\n"
	    "f.yaml:6:4: seed must be a whole number of at least 0, not the "
	    "text '5'\n"
	    "f.yaml:7:2: top_p must be a number of at least 0, but has no "
	    "value\n"
	    "f.yaml:8:4: bias must be a number, not a map\n");
}

static void
nan_and_infinity_are_no_numbers(void **state)
{
	struct fixture *f = *state;
	struct ynode *n = parse(f, "[.inf, -.inf, .nan, inf, nan, 1e999]");
	double d = 1;
	size_t i;

	for (i = 0; i < n->n; i++)
		assert_false(ynode_double(n->item[i], "x", -INFINITY,
		    INFINITY, &d, &f->report));
	assert_true(d == 1);
}

static void
unknown_keys_are_reported_with_the_nearest(void **state)
{
	static const char *const known[] = { "model", "samples", NULL };
	struct fixture *f = *state;
	struct ynode *n = parse(f, "model: x\nsampels: 5\nzzzzzzzz: 1\n");

	ynode_known(n, "tier", known, &f->report);
	assert_string_equal(printed(f),
	    "f.yaml:2:1: unknown key 'sampels' in tier; did you mean "
	    "'samples'?\n"
	    "f.yaml:3:1: unknown key 'zzzzzzzz' in tier\n");
	ynode_known(NULL, "tier", known, &f->report);
	ynode_known(n->item[0], "tier", known, &f->report);
	assert_int_equal(f->report.errors, 2);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(block_and_flow_styles_become_the_same_tree),
		TEST(an_empty_document_is_a_null),
		TEST(every_value_knows_its_place),
		TEST(an_empty_value_is_at_its_indicator),
		TEST(places_are_right_with_crlf_and_a_byte_order_mark),
		TEST(a_quoted_scalar_is_never_a_number),
		TEST(json_is_canonical),
		TEST(nothing_is_expanded_inside_a_scalar),
		TEST(a_text_may_end_in_a_backslash),
		TEST(an_alias_stands_for_its_anchor),
		TEST(an_alias_without_an_anchor_is_an_error),
		TEST(a_cycle_is_refused),
		TEST(an_alias_bomb_is_refused),
		TEST(depth_is_bounded_also_through_aliases),
		TEST(merge_keys_fill_in_what_is_missing),
		TEST(every_duplicate_key_is_reported_in_order),
		TEST(keys_must_be_scalars),
		TEST(tags_are_refused),
		TEST(there_is_only_one_document),
		TEST(another_yaml_version_is_refused),
		TEST(parse_errors_have_a_place_and_a_remedy),
		TEST(characters_that_yaml_forbids_are_named_with_their_place),
		TEST(a_value_has_no_nul_in_it),
		TEST(texts_that_break_the_library_are_refused),
		TEST(a_text_that_is_too_large_is_refused),
		TEST(a_text_with_too_many_values_is_refused),
		TEST(the_library_prints_nothing),
		TEST(complaints_come_in_order_and_once),
		TEST(complaints_are_safe_to_show_and_bounded),
		TEST(readers_leave_absent_values_alone),
		TEST(readers_take_what_they_are_for),
		TEST(readers_complain_with_the_place),
		TEST(nan_and_infinity_are_no_numbers),
		TEST(unknown_keys_are_reported_with_the_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
