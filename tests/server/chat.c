/*
 * chat.c -- one pass over the JSON of a chat completion request.
 *
 * A scan stands at a value and each function moves it past one. The first
 * mistake moves it to the end, where nothing more is found.
 */
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "tests/server/chat.h"

struct scan {
	struct str in; /* what is left */
	struct buf *text; /* strings, without their escapes */
	int depth;
	bool bad;
};

/* A string in the text buffer, which may move while it grows. */
struct span {
	size_t from, n;
};

static void
fail(struct scan *s)
{
	s->bad = true;
	s->in.n = 0;
}

static void
skip(struct scan *s, size_t n)
{
	s->in = str_sub(s->in, n, s->in.n);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next character that is not white space; 0 at the end. */
static char
peek(struct scan *s)
{
	size_t i = 0;

	while (i < s->in.n && is_blank(s->in.p[i]))
		i++;
	if (i > 0)
		skip(s, i);
	return s->in.n ? s->in.p[0] : '\0';
}

static bool
eat(struct scan *s, char c)
{
	if (peek(s) != c)
		return false;
	skip(s, 1);
	return true;
}

static void
expect(struct scan *s, char c)
{
	if (!eat(s, c))
		fail(s);
}

/* The bytes between the quotes, as they are. */
static struct str
raw_string(struct scan *s)
{
	size_t i = 0;
	struct str raw;

	expect(s, '"');
	while (i < s->in.n && s->in.p[i] != '"')
		i += s->in.p[i] == '\\' ? 2 : 1;
	if (i >= s->in.n) {
		fail(s);
		return STR("");
	}
	raw = str_sub(s->in, 0, i);
	skip(s, i + 1);
	return raw;
}

/* The four digits of a \u escape; s is moved past them. */
static uint32_t
hex4(struct str *s)
{
	uint32_t v = 0;

	for (int i = 0; i < 4 && s->n > 0; i++, *s = str_sub(*s, 1, s->n)) {
		char c = s->p[0];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			break;
	}
	return v;
}

/* s is behind a backslash. */
static void
add_escape(struct buf *text, struct str *s)
{
	static const char names[] = "b\bf\fn\nr\rt\t";
	char c = s->p[0];
	const char *at = memchr(names, c, sizeof(names) - 1);
	uint32_t u, low;

	*s = str_sub(*s, 1, s->n);
	if (c != 'u') {
		buf_addc(text, at && (at - names) % 2 == 0 ? at[1] : c);
		return;
	}
	u = hex4(s);
	if (u >= 0xd800 && u < 0xdc00 && str_starts(*s, "\\u")) {
		*s = str_sub(*s, 2, s->n);
		low = hex4(s);
		u = 0x10000 + ((u - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
	}
	utf8_put(text, u);
}

static struct span
take_string(struct scan *s)
{
	struct str raw = raw_string(s);
	struct span span = { s->text->n, 0 };

	while (raw.n > 0) {
		struct str plain;

		/* An escape is two bytes at least: raw_string() saw to it. */
		if (str_cut(&raw, '\\', &plain)) {
			buf_add(s->text, plain);
			add_escape(s->text, &raw);
		} else {
			buf_add(s->text, plain);
		}
	}
	span.n = s->text->n - span.from;
	return span;
}

/*
 * `for (bool first = true; next(s, &first, '{', &key);)` runs over an object,
 * with '[' over a list. Keys are compared as they are written.
 */
static bool
next(struct scan *s, bool *first, char open, struct str *key)
{
	char close = open == '{' ? '}' : ']';

	if (*first) {
		expect(s, open);
		if (++s->depth > JSON_MAX_DEPTH)
			fail(s);
	}
	if (s->bad || eat(s, close)) {
		s->depth--;
		return false;
	}
	if (!*first)
		expect(s, ',');
	*first = false;
	if (open == '{') {
		*key = raw_string(s);
		expect(s, ':');
	}
	return !s->bad;
}

/* true, false, null or a number. */
static struct str
take_word(struct scan *s)
{
	struct str word;
	size_t i = 0;

	peek(s);
	while (i < s->in.n && !is_blank(s->in.p[i]) &&
	    !strchr(",]}", s->in.p[i]))
		i++;
	if (i == 0)
		fail(s);
	word = str_sub(s->in, 0, i);
	skip(s, i);
	return word;
}

static void
skip_value(struct scan *s)
{
	char c = peek(s);
	struct str key;

	if (c == '"')
		raw_string(s);
	else if (c == '{' || c == '[')
		for (bool first = true; next(s, &first, c, &key);)
			skip_value(s);
	else
		take_word(s);
}

static bool
is_word(struct scan *s)
{
	char c = peek(s);

	return c && !strchr("\"{[", c);
}

static void
take_count(struct scan *s, int64_t *count)
{
	int64_t v;

	if (!is_word(s))
		skip_value(s);
	else if (str_to_i64(take_word(s), &v))
		*count = v;
}

static void
take_logprobs(struct scan *s, struct chat *c)
{
	struct str word;
	int64_t number;

	if (!is_word(s)) {
		skip_value(s);
		return;
	}
	word = take_word(s);
	c->logprobs_number = str_to_i64(word, &number);
	c->logprobs = c->logprobs_number || str_is(word, "true");
}

/* A text, or a list of parts with one each. */
static void
take_content(struct scan *s)
{
	struct str key;

	if (peek(s) == '"') {
		take_string(s);
		return;
	}
	if (peek(s) != '[') {
		skip_value(s);
		return;
	}
	for (bool first = true; next(s, &first, '[', &key);)
		for (bool one = true; next(s, &one, '{', &key);)
			if (str_is(key, "text") && peek(s) == '"')
				take_string(s);
			else
				skip_value(s);
}

static void
take_message(struct scan *s, struct chat *c, struct span *prompt)
{
	struct span content = { s->text->n, 0 };
	struct str key;
	bool of_user = false;

	for (bool first = true; next(s, &first, '{', &key);)
		if (str_is(key, "content"))
			take_content(s);
		else if (str_is(key, "role") && peek(s) == '"')
			of_user = str_is(raw_string(s), "user");
		else
			skip_value(s);
	content.n = s->text->n - content.from;
	if (of_user)
		*prompt = content;
	c->text_bytes += (int64_t)content.n;
	buf_addc(s->text, '\n');
}

static void
take_member(struct scan *s, struct str key, struct chat *c,
    struct span *model, struct span *texts, struct span *prompt)
{
	if (str_is(key, "model") && peek(s) == '"') {
		*model = take_string(s);
	} else if (str_is(key, "messages") && peek(s) == '[') {
		c->has_messages = true;
		texts->from = s->text->n;
		for (bool first = true; next(s, &first, '[', &key);)
			take_message(s, c, prompt);
		texts->n = s->text->n - texts->from;
	} else if (str_is(key, "n")) {
		take_count(s, &c->n);
	} else if (str_is(key, "max_tokens") ||
	    str_is(key, "max_completion_tokens")) {
		take_count(s, &c->max_tokens);
	} else if (str_is(key, "logprobs")) {
		take_logprobs(s, c);
	} else if (str_is(key, "stream") && is_word(s)) {
		c->stream = str_is(take_word(s), "true");
	} else {
		skip_value(s);
	}
}

void
chat_scan(struct chat *c, struct str body, struct buf *text)
{
	struct scan s = { .in = body, .text = text };
	struct span model = { 0, 0 }, texts = { 0, 0 }, prompt = { 0, 0 };
	struct str key;

	*c = (struct chat){ .n = 1 };
	buf_clear(text);
	for (bool first = true; next(&s, &first, '{', &key);)
		take_member(&s, key, c, &model, &texts, &prompt);
	if (s.bad || peek(&s) || s.in.n || text->failed)
		return;
	c->is_json = true;
	c->model = str_sub(buf_str(text), model.from, model.n);
	c->texts = str_sub(buf_str(text), texts.from, texts.n);
	c->prompt = str_sub(buf_str(text), prompt.from, prompt.n);
}
