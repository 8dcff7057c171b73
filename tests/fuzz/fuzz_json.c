/*
 * fuzz_json.c -- JSON documents, read and printed. Input: the text.
 */
#include "base/json.h"
#include "tests/fuzz/fuzz.h"

/* Every text can be kept, every number computed with or refused. */
static void
walk(const struct json *v, int depth)
{
	struct str s;
	double d;
	int64_t n;
	size_t members = 0;

	must(depth <= JSON_MAX_DEPTH);
	must(json_type_name(v)[0] != '\0');
	if (json_str(v, &s)) {
		fuzz_text(s);
		must(!s.n || !memchr(s.p, '\0', s.n));
	}
	if (json_double(v, &d))
		must(isfinite(d));
	if (json_i64(v, &n))
		must(json_double(v, &d) && d == (double)n);
	for (const struct json *m = json_first(v); m; m = json_next(m)) {
		members++;
		if (json_type(v) == JSON_OBJECT) {
			fuzz_text(json_name(m));
			must(json_get(v, json_name(m).p) != NULL);
		}
		walk(m, depth + 1);
	}
	must(members == json_count(v));
}

/* Printed and read again it is printed the same. */
static void
check_print(const struct json *doc, bool canonical)
{
	struct buf first, second;
	struct json *again;
	struct err e = { 0 };

	buf_init(&first, BUF_MAX);
	buf_init(&second, BUF_MAX);
	json_print(&first, doc, canonical);
	must(!first.failed && !memchr(first.p, '\n', first.n));
	fuzz_text(buf_str(&first));
	again = json_parse(buf_str(&first), &e);
	must(again != NULL);
	json_print(&second, again, canonical);
	must(str_eq(buf_str(&first), buf_str(&second)));
	json_free(again);
	buf_release(&second);
	buf_release(&first);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct err e = { 0 };
	struct json *doc;

	json_limit(500);
	doc = json_parse(text, &e);
	if (!doc) {
		must(e.code == ERR_INPUT);
		fuzz_error(&e);
		must(str_starts(str_of(e.msg), "column "));
		return 0;
	}
	walk(doc, 0);
	check_print(doc, false);
	check_print(doc, true);
	json_free(doc);
	return 0;
}
