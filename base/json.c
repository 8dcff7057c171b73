/*
 * json.c -- the one door to cJSON, and a JSON writer.
 *
 * Before cJSON sees a text, one pass over it checks it against RFC 8259 and
 * mends what cJSON would refuse or lose; cJSON then builds the tree and can
 * fail only for want of memory. A text in which nothing needs mending, nearly
 * every one, is not copied. Ill-formed UTF-8 is mended first, by a copy;
 * everything else is replaced in place by something of the same length, so
 * that offsets of errors stay true.
 */
#include <cjson/cJSON.h>
#include <endian.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"

/* cJSON before 1.7.19 copies a number into 64 bytes and reads no more. */
#define NUMBER_MAX 63
#define TINY_TEXT 1200   /* its document fits in an arena's usual piece, */
#define SMALL_TEXT 10000 /* and this one's into a piece made for it */

/* The text as it will be given to cJSON. */
struct source {
	const char *p;
	size_t n;
	char *copy; /* NULL: p is the caller's; else p == copy */
};

/* Overwrite n bytes at offset `at`. */
static bool
patch(struct source *s, size_t at, const char *with, size_t n)
{
	if (!s->copy) {
		s->copy = str_dup((struct str){ s->p, s->n });
		if (!s->copy)
			return false;
		s->p = s->copy;
	}
	memcpy(s->copy + at, with, n);
	return true;
}

static int
fix_utf8(struct source *s, struct err *e)
{
	struct buf fixed;

	if (utf8_valid((struct str){ s->p, s->n }))
		return 0;
	if (s->n > BUF_MAX)
		return err_set(e, ERR_INPUT, "column 1: more than %zu bytes",
		    BUF_MAX);
	buf_init(&fixed, 3 * s->n);
	utf8_fix(&fixed, (struct str){ s->p, s->n });
	s->n = fixed.n;
	s->p = s->copy = buf_take(&fixed);
	return s->copy ? 0 : err_nomem(e);
}

/* Columns are counted in characters: mended bytes do not shift them. */
static int
bad_at(const struct source *s, size_t at, struct err *e, const char *what)
{
	size_t column = 1;

	for (size_t i = 0; i < at && i < s->n; i++)
		if (((unsigned char)s->p[i] & 0xc0) != 0x80)
			column++;
	return err_set(e, ERR_INPUT, "column %zu: %s", column, what);
}

/* The value of four hexadecimal digits at p (end is the text's), or -1. */
static long
hex4(const char *p, const char *end)
{
	long v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++, p++) {
		v <<= 4;
		if (*p >= '0' && *p <= '9')
			v |= *p - '0';
		else if (*p >= 'a' && *p <= 'f')
			v |= *p - 'a' + 10;
		else if (*p >= 'A' && *p <= 'F')
			v |= *p - 'A' + 10;
		else
			return -1;
	}
	return v;
}

/* The escape at *i, which is moved past it. */
static int
check_escape(struct source *s, size_t *i, struct err *e)
{
	const char *p = s->p + *i, *end = s->p + s->n;
	long code, low;

	if (end - p < 2 || !memchr("\"\\/bfnrtu", p[1], 9))
		return bad_at(s, *i, e, "unknown escape in a string");
	if (p[1] != 'u') {
		*i += 2;
		return 0;
	}
	code = hex4(p + 2, end);
	if (code < 0)
		return bad_at(s, *i, e,
		    "\\u is not followed by four hexadecimal digits");
	if (code >= 0xd800 && code <= 0xdbff && end - p >= 8 &&
	    p[6] == '\\' && p[7] == 'u') {
		low = hex4(p + 8, end);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*i += 12;
			return 0;
		}
	}
	if ((code == 0 || (code >= 0xd800 && code <= 0xdfff)) &&
	    !patch(s, *i, "\\ufffd", 6))
		return err_nomem(e);
	*i += 6;
	return 0;
}

/*
 * Offset, from i on, of the first '"', '\\' or control character, or s.n.
 * Eight bytes at a time: nearly all of a long reply passes through here.
 */
static inline size_t
skip_plain(struct str s, size_t i)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t tops = UINT64_C(0x8080808080808080);
	uint64_t w, hits;

	for (; s.n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		w = le64toh(w);
		/* (x - ones) & ~x & tops: the lowest bit set is in the first
		 * byte of x that is 0; with ones * k, in one less than k. ~w
		 * does for all three, where bytes below 0x80 are looked for. */
		hits = (((w ^ ones * '"') - ones) | ((w ^ ones * '\\') - ones)
		    | (w - ones * 0x20)) & ~w & tops;
		if (hits)
			return i + (size_t)__builtin_ctzll(hits) / 8;
	}
	while (i < s.n && s.p[i] != '"' && s.p[i] != '\\' &&
	    (unsigned char)s.p[i] >= 0x20)
		i++;
	return i;
}

/* What is behind the simple beginning of a string. */
static int
check_string_from(struct source *s, size_t start, size_t at, size_t *i,
    struct err *e)
{
	char c;

	while (at < s->n) {
		at = skip_plain((struct str){ s->p, s->n }, at);
		if (at == s->n)
			break;
		c = s->p[at];
		if (c == '"') {
			*i = at + 1;
			return 0;
		}
		if (c != '\\')
			return bad_at(s, at, e,
			    "control character in a string");
		if (check_escape(s, &at, e) < 0)
			return -1;
	}
	return bad_at(s, start, e, "string is not closed");
}

/* The string whose quote is at *i, which is moved past its end. */
static int
check_string(struct source *s, size_t *i, struct err *e)
{
	size_t at = skip_plain((struct str){ s->p, s->n }, *i + 1);

	if (at == s->n || s->p[at] != '"')
		return check_string_from(s, *i, at, i, e);
	*i = at + 1;
	return 0;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t
skip_digits(struct str s, size_t i)
{
	while (i < s.n && is_digit(s.p[i]))
		i++;
	return i;
}

/* Length of the number that s begins with; 0 if it is none of RFC 8259. */
static size_t
number_length(struct str s)
{
	size_t start = s.p[0] == '-', i = skip_digits(s, start);

	if (i == start || (s.p[start] == '0' && i > start + 1))
		return 0;
	if (i < s.n && s.p[i] == '.') {
		start = ++i;
		i = skip_digits(s, i);
		if (i == start)
			return 0;
	}
	if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
		i++;
		if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
			i++;
		start = i;
		i = skip_digits(s, i);
		if (i == start)
			return 0;
	}
	return i;
}

/* Write the n bytes of a number with fewer digits, then spaces. */
static int
shorten_number(struct source *s, size_t at, size_t n, struct err *e)
{
	struct buf shorter;
	double v;
	int rc = 0;

	errno = 0;
	if (!str_to_double((struct str){ s->p + at, n }, &v))
		return errno == ENOMEM ? err_nomem(e) :
		    bad_at(s, at, e, "number is out of range");
	buf_init(&shorter, NUMBER_MAX);
	buf_add_double(&shorter, v);
	if (!shorter.failed && patch(s, at, shorter.p, shorter.n))
		memset(s->copy + at + shorter.n, ' ', n - shorter.n);
	else
		rc = err_nomem(e);
	buf_release(&shorter);
	return rc;
}

static int
check_number(struct source *s, size_t *i, struct err *e)
{
	size_t at = *i;
	size_t n = number_length((struct str){ s->p + at, s->n - at });

	if (n == 0)
		return bad_at(s, at, e, "malformed number");
	*i += n;
	return n > NUMBER_MAX ? shorten_number(s, at, n, e) : 0;
}

static int
check_word(struct source *s, size_t *i, struct err *e)
{
	static const char *const words[] = { "true", "false", "null" };
	struct str rest = { s->p + *i, s->n - *i };

	for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++) {
		if (str_starts(rest, words[k])) {
			*i += strlen(words[k]);
			return 0;
		}
	}
	return bad_at(s, *i, e, "expected a value");
}

static size_t max_values = JSON_MAX_VALUES;

void
json_limit(size_t max)
{
	max_values = max ? max : JSON_MAX_VALUES;
}

/* What may come next. */
enum {
	VALUE = 1 << 0,
	NAME = 1 << 1,
	COLON = 1 << 2,
	COMMA = 1 << 3,
	END = 1 << 4,
};

struct nesting {
	int depth;
	uint64_t objects; /* a bit a level, the innermost lowest */
	unsigned next;
	size_t values;
};

_Static_assert(JSON_MAX_DEPTH <= 64, "one bit a level");

static bool
in_object(const struct nesting *in)
{
	return in->objects & 1;
}

static void
after_value(struct nesting *in)
{
	in->next = in->depth > 0 ? COMMA | END : 0;
}

static const char *
expected(const struct nesting *in)
{
	switch (in->next) {
	case VALUE:
	case VALUE | END:
		return "expected a value";
	case NAME:
	case NAME | END:
		return "expected a name in double quotes";
	case COLON:
		return "expected ':'";
	case COMMA | END:
		return in_object(in) ? "expected ',' or '}'" :
		    "expected ',' or ']'";
	}
	return "text after the JSON value";
}

static int
check_open(struct source *s, struct nesting *in, size_t *i, struct err *e)
{
	bool object = s->p[*i] == '{';

	if (in->depth == JSON_MAX_DEPTH)
		return bad_at(s, *i, e, "nested too deeply");
	in->depth++;
	in->objects = in->objects << 1 | object;
	in->next = (object ? NAME : VALUE) | END;
	++*i;
	return 0;
}

static int
check_token(struct source *s, struct nesting *in, size_t *i, struct err *e)
{
	char c = s->p[*i];

	switch (c) {
	case '"':
		if (!(in->next & NAME))
			break;
		in->next = COLON;
		return check_string(s, i, e);
	case ',':
		if (!(in->next & COMMA))
			break;
		in->next = in_object(in) ? NAME : VALUE;
		++*i;
		return 0;
	case ':':
		if (!(in->next & COLON))
			break;
		in->next = VALUE;
		++*i;
		return 0;
	case '}':
	case ']':
		if (!(in->next & END) || in_object(in) != (c == '}'))
			break;
		in->depth--;
		in->objects >>= 1;
		after_value(in);
		++*i;
		return 0;
	}
	if (!(in->next & VALUE))
		return bad_at(s, *i, e, expected(in));
	/* "0," is two bytes, and 80 in memory. */
	if (in->values++ == max_values)
		return bad_at(s, *i, e, "too many values in one document");
	if (c == '{' || c == '[')
		return check_open(s, in, i, e);
	after_value(in);
	if (c == '"')
		return check_string(s, i, e);
	if (c == '-' || is_digit(c))
		return check_number(s, i, e);
	return check_word(s, i, e);
}

/* The pass before cJSON's. */
static int
check(struct source *s, struct err *e)
{
	struct nesting in = { .next = VALUE };
	size_t i = 0;

	for (;;) {
		while (i < s->n && s->p[i] <= ' ' && is_space(s->p[i]))
			i++;
		if (i == s->n)
			break;
		if (check_token(s, &in, &i, e) < 0)
			return -1;
	}
	if (in.depth > 0)
		return bad_at(s, s->n, e, "the JSON value is cut off");
	if (in.next & VALUE)
		return err_set(e, ERR_INPUT, "column 1: empty, no JSON value");
	return 0;
}

/*
 * A document lives in an arena of its own, in place of three pieces of memory
 * for each member: cJSON allocates through us. The first piece is the
 * document's, and begins with where the arena is.
 */
static _Thread_local struct arena *building; /* NULL: not in build() */
static _Thread_local bool begun; /* it has the document's first value */

struct first {
	struct arena *arena;
	alignas(max_align_t) cJSON doc;
};

static void *
build_alloc(size_t n)
{
	struct first *f;

	if (!building)
		return malloc(n);
	if (begun)
		return arena_raw(building, n);
	begun = true;
	f = arena_raw(building, offsetof(struct first, doc) + n);
	if (!f)
		return NULL;
	f->arena = building;
	return &f->doc;
}

static void
build_free(void *p)
{
	if (!building)
		free(p);
}

static void
set_hooks(void)
{
	cJSON_InitHooks(&(cJSON_Hooks){ build_alloc, build_free });
}

static cJSON *
build(const char *p, size_t n)
{
	static once_flag once = ONCE_FLAG_INIT;
	cJSON *doc = NULL;

	call_once(&once, set_hooks);
	building = arena_new(n > TINY_TEXT && n < SMALL_TEXT ? 6 * n + 512 : 0);
	if (!building)
		return NULL;
	begun = false;
	doc = cJSON_ParseWithLength(p, n);
	if (!doc)
		arena_free(building);
	building = NULL;
	return doc;
}

struct json *
json_parse(struct str text, struct err *e)
{
	struct source s;
	cJSON *doc = NULL;

	if (str_starts(text, "\xef\xbb\xbf")) /* byte order mark */
		text = str_sub(text, 3, text.n);
	s = (struct source){ text.p, text.n, NULL };
	if (fix_utf8(&s, e) == 0 && check(&s, e) == 0) {
		doc = build(s.p, s.n);
		if (!doc)
			err_nomem(e);
	}
	free(s.copy);
	return (struct json *)doc;
}

static const cJSON *
as_cjson(const struct json *v)
{
	return (const cJSON *)v;
}

static const struct json *
as_json(const cJSON *v)
{
	return (const struct json *)v;
}

void
json_free(struct json *doc)
{
	if (doc)
		arena_free(((struct first *)((char *)doc
		    - offsetof(struct first, doc)))->arena);
}

enum json_type
json_type(const struct json *v)
{
	switch (v ? as_cjson(v)->type & 0xff : cJSON_NULL) {
	case cJSON_False:
	case cJSON_True:
		return JSON_BOOL;
	case cJSON_Number:
		return JSON_NUMBER;
	case cJSON_String:
		return JSON_STRING;
	case cJSON_Array:
		return JSON_ARRAY;
	case cJSON_Object:
		return JSON_OBJECT;
	}
	return JSON_NULL;
}

const char *
json_type_name(const struct json *v)
{
	if (!v)
		return "nothing";
	switch (json_type(v)) {
	case JSON_NULL:
		return "null";
	case JSON_BOOL:
		return "a boolean";
	case JSON_NUMBER:
		return "a number";
	case JSON_STRING:
		return "a string";
	case JSON_ARRAY:
		return "an array";
	case JSON_OBJECT:
		return "an object";
	}
	return "nothing";
}

const struct json *
json_get(const struct json *v, const char *name)
{
	const cJSON *found = NULL;

	if (json_type(v) != JSON_OBJECT)
		return NULL;
	for (const cJSON *m = as_cjson(v)->child; m; m = m->next)
		/* Nearly all that are others begin otherwise. */
		if (m->string[0] == name[0] && strcmp(m->string, name) == 0)
			found = m; /* go on: the last counts */
	return as_json(found);
}

const struct json *
json_first(const struct json *v)
{
	return v ? as_json(as_cjson(v)->child) : NULL;
}

const struct json *
json_next(const struct json *v)
{
	return v ? as_json(as_cjson(v)->next) : NULL;
}

struct str
json_name(const struct json *v)
{
	return str_of(v ? as_cjson(v)->string : NULL);
}

size_t
json_count(const struct json *v)
{
	size_t n = 0;

	for (v = json_first(v); v; v = json_next(v))
		n++;
	return n;
}

bool
json_is_null(const struct json *v)
{
	return json_type(v) == JSON_NULL;
}

bool
json_str(const struct json *v, struct str *text)
{
	if (json_type(v) != JSON_STRING)
		return false;
	*text = str_of(as_cjson(v)->valuestring);
	return true;
}

bool
json_double(const struct json *v, double *number)
{
	/* 1e999 is JSON too, but no number to compute with. */
	if (json_type(v) != JSON_NUMBER || !isfinite(as_cjson(v)->valuedouble))
		return false;
	*number = as_cjson(v)->valuedouble;
	return true;
}

bool
json_i64(const struct json *v, int64_t *number)
{
	double d;

	if (!json_double(v, &d) || fabs(d) > 0x1p53 || d != trunc(d))
		return false;
	*number = (int64_t)d;
	return true;
}

bool
json_bool(const struct json *v, bool *truth)
{
	if (json_type(v) != JSON_BOOL)
		return false;
	*truth = cJSON_IsTrue(as_cjson(v));
	return true;
}

static void print(struct jw *w, const struct json *v, bool canonical);

struct member {
	const struct json *v;
	size_t place; /* in the object */
};

static int
by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = str_cmp(json_name(x->v), json_name(y->v));

	return order ? order : (x->place > y->place) - (x->place < y->place);
}

static void
print_sorted(struct jw *w, const struct json *v)
{
	size_t n = json_count(v), i = 0;
	struct member *m;

	if (n == 0)
		return;
	m = calloc(n, sizeof(*m));
	if (!m) {
		w->out->failed = true;
		return;
	}
	for (v = json_first(v); v; v = json_next(v), i++)
		m[i] = (struct member){ v, i };
	qsort(m, n, sizeof(*m), by_name);
	for (i = 0; i < n; i++) {
		if (i + 1 < n &&
		    str_eq(json_name(m[i].v), json_name(m[i + 1].v)))
			continue; /* of equal names the last counts */
		jw_key_str(w, json_name(m[i].v));
		print(w, m[i].v, true);
	}
	free(m);
}

static void
print_object(struct jw *w, const struct json *v, bool canonical)
{
	jw_open(w, '{');
	if (canonical) {
		print_sorted(w, v);
	} else {
		for (v = json_first(v); v; v = json_next(v)) {
			jw_key_str(w, json_name(v));
			print(w, v, false);
		}
	}
	jw_close(w, '}');
}

static void
print(struct jw *w, const struct json *v, bool canonical)
{
	double number;

	switch (json_type(v)) {
	case JSON_NULL:
		jw_null(w);
		break;
	case JSON_BOOL:
		jw_bool(w, cJSON_IsTrue(as_cjson(v)));
		break;
	case JSON_NUMBER:
		number = as_cjson(v)->valuedouble;
		if (canonical && number == 0)
			number = 0; /* not -0 */
		jw_double(w, number);
		break;
	case JSON_STRING:
		jw_str(w, str_of(as_cjson(v)->valuestring));
		break;
	case JSON_ARRAY:
		jw_open(w, '[');
		for (v = json_first(v); v; v = json_next(v))
			print(w, v, canonical);
		jw_close(w, ']');
		break;
	case JSON_OBJECT:
		print_object(w, v, canonical);
		break;
	}
}

void
json_print(struct buf *to, const struct json *v, bool canonical)
{
	struct jw w = jw_on(to);

	print(&w, v, canonical);
}

struct jw
jw_on(struct buf *to)
{
	return (struct jw){ to, false, false };
}

struct jw
jw_shown(struct buf *to)
{
	return (struct jw){ to, false, true };
}

/* Before a value or a name; the comma that comes after it is remembered. */
static void
separate(struct jw *w)
{
	if (w->comma)
		buf_addc(w->out, ',');
	w->comma = true;
}

void
jw_open(struct jw *w, char c)
{
	separate(w);
	buf_addc(w->out, c);
	w->comma = false;
}

void
jw_close(struct jw *w, char c)
{
	buf_addc(w->out, c);
	w->comma = true;
}

static void
add_escape(struct buf *to, char c)
{
	static const char names[128] = { ['\b'] = 'b', ['\f'] = 'f',
		['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"',
		['\\'] = '\\' };
	char name = names[c & 0x7f];

	if (!name)
		buf_addf(to, "\\u%04x", (unsigned)(unsigned char)c);
	else if (buf_reserve(to, 2)) {
		to->p[to->n++] = '\\';
		to->p[to->n++] = name;
		to->p[to->n] = '\0';
	}
}

/* Offset, from i on, of the first byte of 0x7f or more, or s.n. */
static size_t
skip_shown(struct str s, size_t i)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t w;

	for (; s.n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		w = le64toh(w);
		w = (w | (w + ones)) & tops;
		if (w)
			return i + (size_t)__builtin_ctzll(w) / 8;
	}
	while (i < s.n && (unsigned char)s.p[i] < 0x7f)
		i++;
	return i;
}

/* Well-formed text without quotes, backslashes and C0 controls. */
static void
add_plain(struct buf *to, struct str s, bool shown)
{
	size_t from = 0, at = 0, i;
	uint32_t c;

	while (shown && (at = skip_shown(s, at)) < s.n) {
		i = at;
		c = utf8_next(s, &at);
		if (!utf8_hidden(c))
			continue;
		buf_add(to, str_sub(s, from, i - from));
		from = at;
		if (c > 0xffff)
			buf_addf(to, "\\u%04x\\u%04x", 0xd800 +
			    (unsigned)((c - 0x10000) >> 10), 0xdc00 +
			    (unsigned)((c - 0x10000) & 0x3ff));
		else
			buf_addf(to, "\\u%04x", (unsigned)c);
	}
	buf_add(to, str_sub(s, from, s.n));
}

/* s is well-formed UTF-8. */
static void
add_escaped(struct buf *to, struct str s, bool shown)
{
	size_t i;

	for (;;) {
		i = skip_plain(s, 0);
		add_plain(to, str_sub(s, 0, i), shown);
		if (i == s.n)
			break;
		add_escape(to, s.p[i]);
		s = str_sub(s, i + 1, s.n);
	}
}

/* What is not ASCII has to be looked at as characters. */
static void
add_characters(struct jw *w, struct str s)
{
	struct buf fixed;

	if (utf8_valid(s)) {
		add_escaped(w->out, s, w->shown);
		return;
	}
	buf_init(&fixed, BUF_MAX);
	utf8_fix(&fixed, s);
	add_escaped(w->out, buf_str(&fixed), w->shown);
	if (fixed.failed)
		w->out->failed = true;
	buf_release(&fixed);
}

static bool
is_simple(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/*
 * Copy what s begins with that is printable ASCII other than '"' and '\\',
 * and say how much that was. Nearly all that is written passes through here:
 * each byte is looked at and copied at once, eight at a time.
 */
static size_t
copy_simple(char *to, struct str s)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t w, hits;
	size_t i;

	for (i = 0; s.n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		memcpy(to + i, &w, sizeof(w));
		w = le64toh(w);
		/* As in skip_plain(); the last: 0x7f and more. */
		hits = (((w ^ ones * '"') - ones) | ((w ^ ones * '\\') - ones)
		    | (w - ones * 0x20) | (w + ones) | w) & tops;
		if (hits)
			return i + (size_t)__builtin_ctzll(hits) / 8;
	}
	for (; i < s.n && is_simple(s.p[i]); i++)
		to[i] = s.p[i];
	return i;
}

/* What is behind the simple beginning of a text. */
static void
add_rest(struct jw *w, struct str s)
{
	struct buf *to = w->out;
	size_t n;

	while (s.n && (unsigned char)s.p[0] < 0x7f) {
		add_escape(to, s.p[0]);
		s = str_sub(s, 1, s.n);
		if (!buf_reserve(to, s.n))
			return;
		n = copy_simple(to->p + to->n, s);
		to->n += n;
		to->p[to->n] = '\0';
		s = str_sub(s, n, s.n);
	}
	if (s.n)
		add_characters(w, s);
}

static void
add_string(struct jw *w, struct str s)
{
	struct buf *to = w->out;
	size_t n;

	if (!buf_reserve(to, s.n + 2))
		return;
	to->p[to->n++] = '"';
	n = copy_simple(to->p + to->n, s);
	to->n += n;
	if (n < s.n)
		add_rest(w, str_sub(s, n, s.n));
	buf_addc(to, '"');
}

/* The name, and where to write on, with room for `more` bytes; NULL: there is
 * none. put_end() has to follow. */
static char *
put_name(struct jw *w, struct str name, size_t more)
{
	struct buf *to = w->out;
	char *p;

	if (!buf_reserve(to, name.n + 4 + more))
		return NULL;
	p = to->p + to->n;
	if (w->comma)
		*p++ = ',';
	*p++ = '"';
	copy_few(p, name.p, name.n);
	p += name.n;
	*p++ = '"';
	*p++ = ':';
	return p;
}

/* Of what was written from put_name() on. `comma`: a value is behind it. */
static void
put_end(struct jw *w, const char *p, bool comma)
{
	w->out->n = (size_t)(p - w->out->p);
	w->out->p[w->out->n] = '\0';
	w->comma = comma;
}

void
jw_name(struct jw *w, struct str name)
{
	char *p = put_name(w, name, 0);

	if (p)
		put_end(w, p, false);
}

void
jw_name_str(struct jw *w, struct str name, struct str s)
{
	char *p = put_name(w, name, s.n + 2);
	size_t n;

	if (!p)
		return;
	*p++ = '"';
	n = copy_simple(p, s);
	put_end(w, p + n, true);
	if (n < s.n)
		add_rest(w, str_sub(s, n, s.n));
	buf_addc(w->out, '"');
}

void
jw_name_raw(struct jw *w, struct str name, struct str json)
{
	char *p = put_name(w, name, json.n);

	if (!p)
		return;
	copy_few(p, json.p, json.n);
	put_end(w, p + json.n, true);
}

void
jw_name_i64(struct jw *w, struct str name, int64_t v)
{
	char room[I64_ROOM];

	jw_name_raw(w, name, str_of_i64(v, room));
}

void
jw_key_str(struct jw *w, struct str name)
{
	separate(w);
	add_string(w, name);
	buf_addc(w->out, ':');
	w->comma = false;
}

void
jw_str(struct jw *w, struct str s)
{
	separate(w);
	add_string(w, s);
}

void
jw_again(struct jw *w, size_t from, size_t n)
{
	struct buf *to = w->out;

	separate(w);
	if (buf_reserve(to, n)) /* it may move: where it is now */
		buf_add(to, (struct str){ to->p + from, n });
}

void
jw_i64(struct jw *w, int64_t v)
{
	separate(w);
	buf_add_i64(w->out, v);
}

void
jw_double(struct jw *w, double v)
{
	separate(w);
	if (isfinite(v))
		buf_add_double(w->out, v);
	else
		buf_adds(w->out, "null");
}

void
jw_bool(struct jw *w, bool v)
{
	separate(w);
	buf_adds(w->out, v ? "true" : "false");
}

void
jw_null(struct jw *w)
{
	separate(w);
	buf_adds(w->out, "null");
}

void
jw_raw(struct jw *w, struct str json)
{
	separate(w);
	buf_add(w->out, json);
}

void
jw_kdouble(struct jw *w, const char *name, double v)
{
	jw_key(w, name);
	jw_double(w, v);
}

void
jw_kbool(struct jw *w, const char *name, bool v)
{
	jw_kraw(w, name, v ? STR("true") : STR("false"));
}

/* In the locale "C": 15 digits are always kept, 17 always suffice. */
static void
format_double(char *text, size_t size, double v)
{
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, size, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			return;
	}
}

void
buf_add_double(struct buf *b, double v)
{
	char text[32];
	locale_t c_locale, old;

	if (!isfinite(v)) {
		buf_adds(b, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
		return;
	}
	if (fabs(v) <= 1e15 && v == trunc(v)) {
		if (v == 0 && signbit(v))
			buf_addc(b, '-');
		buf_add_i64(b, (int64_t)v);
		return;
	}
	/* The C library has this one ready: nothing is allocated. */
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (c_locale == (locale_t)0) {
		b->failed = true;
		return;
	}
	old = uselocale(c_locale);
	format_double(text, sizeof(text), v);
	uselocale(old);
	freelocale(c_locale);
	buf_adds(b, text);
}
