/*
 * fuzz_text.c -- text from a model on its way to a terminal and into JSON.
 *
 * Input: the text; its first byte is also a width.
 */
#include "base/json.h"
#include "tests/fuzz/fuzz.h"

static bool
has_hidden(struct str s, bool keep_lines)
{
	for (size_t i = 0; i < s.n;) {
		uint32_t c = utf8_next(s, &i);
		if (utf8_hidden(c) && !(keep_lines && (c == '\n' || c == '\t')))
			return true;
	}
	return false;
}

static void
check_fixed(struct str s)
{
	struct buf b, again;

	buf_init(&b, BUF_MAX);
	buf_init(&again, BUF_MAX);
	utf8_fix(&b, s);
	must(utf8_valid(buf_str(&b)));
	must(!utf8_valid(s) || str_eq(s, buf_str(&b)));
	utf8_fix(&again, buf_str(&b));
	must(str_eq(buf_str(&again), buf_str(&b)));
	buf_release(&again);
	buf_release(&b);
}

static void
check_visible(struct str s, bool keep_lines)
{
	struct buf b, again;

	buf_init(&b, BUF_MAX);
	buf_init(&again, BUF_MAX);
	utf8_visible(&b, s, keep_lines);
	fuzz_text(buf_str(&b));
	must(!has_hidden(buf_str(&b), keep_lines));
	utf8_visible(&again, buf_str(&b), keep_lines);
	must(str_eq(buf_str(&again), buf_str(&b)));
	buf_release(&again);
	buf_release(&b);
}

static void
check_oneline(struct str s, size_t max)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	utf8_oneline(&b, s, max);
	fuzz_line(buf_str(&b));
	must(utf8_columns(buf_str(&b)) <= max);
	must(utf8_clip(s, max).n <= max);
	buf_release(&b);
}

/* What is written is one line of JSON that says the same; NUL has no place in
 * it. */
static void
check_json(struct str s, bool shown)
{
	struct buf b, fixed;
	struct json *doc;
	struct str back;
	struct err e = { 0 };
	struct jw w;

	buf_init(&b, BUF_MAX);
	buf_init(&fixed, BUF_MAX);
	w = shown ? jw_shown(&b) : jw_on(&b);
	jw_open(&w, '{');
	jw_key_str(&w, s);
	jw_str(&w, s);
	jw_close(&w, '}');
	fuzz_text(buf_str(&b));
	must(!memchr(b.p, '\n', b.n));
	must(!shown || !has_hidden(buf_str(&b), false));
	doc = json_parse(buf_str(&b), &e);
	must(doc != NULL);
	must(json_str(json_first(doc), &back));
	must(str_eq(json_name(json_first(doc)), back));
	for (size_t from = 0, i = 0; i <= s.n; i++)
		if (i == s.n || s.p[i] == '\0') {
			utf8_fix(&fixed, str_sub(s, from, i - from));
			if (i < s.n)
				buf_adds(&fixed, "\xef\xbf\xbd");
			from = i + 1;
		}
	must(str_eq(buf_str(&fixed), back));
	json_free(doc);
	buf_release(&fixed);
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = { (const char *)data, size };

	check_fixed(s);
	check_visible(s, false);
	check_visible(s, true);
	check_oneline(s, size ? data[0] : 0);
	check_json(s, false);
	check_json(s, true);
	return 0;
}
