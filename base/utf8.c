/*
 * utf8.c -- text from outside, made safe to keep and to show.
 */
#include <endian.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <wchar.h>

#include "base/utf8.h"

#define REPLACEMENT 0xfffd
#define ILL_FORMED UINT32_MAX

/*
 * Decode what s begins with (it is not empty); the number of bytes taken.
 * *c is ILL_FORMED where they are not a character; they are then as many as
 * could still have begun one, which is what one U+FFFD stands for.
 */
static size_t
decode(struct str s, uint32_t *c)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char low = 0x80, high = 0xbf; /* of the second byte */
	uint32_t v = p[0];
	size_t n;

	*c = ILL_FORMED;
	if (v < 0x80) {
		*c = v;
		return 1;
	}
	if (v < 0xc2 || v > 0xf4)
		return 1;
	n = v < 0xe0 ? 2 : v < 0xf0 ? 3 : 4;
	if (v == 0xe0)
		low = 0xa0; /* below it: overlong */
	else if (v == 0xed)
		high = 0x9f; /* above it: surrogates */
	else if (v == 0xf0)
		low = 0x90;
	else if (v == 0xf4)
		high = 0x8f; /* above it: more than U+10FFFF */
	v &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if (i == s.n || p[i] < low || p[i] > high)
			return i;
		v = v << 6 | (p[i] & 0x3f);
		low = 0x80;
		high = 0xbf;
	}
	*c = v;
	return n;
}

/* Offset, from i on, of the first byte that is not ASCII, or s.n. */
static size_t
skip_ascii(struct str s, size_t i)
{
	uint64_t w, four[4];

	for (; s.n - i >= sizeof(four); i += sizeof(four)) {
		memcpy(four, s.p + i, sizeof(four));
		if ((four[0] | four[1] | four[2] | four[3])
		    & UINT64_C(0x8080808080808080))
			break;
	}
	for (; s.n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		w = le64toh(w) & UINT64_C(0x8080808080808080);
		if (w)
			return i + (size_t)__builtin_ctzll(w) / 8;
	}
	while (i < s.n && (unsigned char)s.p[i] < 0x80)
		i++;
	return i;
}

/* How many bytes stand before the first ill-formed one. */
static size_t
valid_prefix(struct str s)
{
	size_t i = 0, n;
	uint32_t c;

	while ((i = skip_ascii(s, i)) < s.n) {
		do {
			n = decode(str_sub(s, i, s.n), &c);
			if (c == ILL_FORMED)
				return i;
			i += n;
		} while (i < s.n && c >= 0x80);
	}
	return i;
}

bool
utf8_valid(struct str s)
{
	return valid_prefix(s) == s.n;
}

void
utf8_fix(struct buf *out, struct str s)
{
	size_t n;
	uint32_t c;

	for (;;) {
		n = valid_prefix(s);
		buf_add(out, str_sub(s, 0, n));
		s = str_sub(s, n, s.n);
		if (s.n == 0)
			break;
		n = decode(s, &c);
		utf8_put(out, REPLACEMENT);
		s = str_sub(s, n, s.n);
	}
}

uint32_t
utf8_next(struct str s, size_t *i)
{
	uint32_t c;

	if (*i >= s.n)
		return REPLACEMENT;
	*i += decode(str_sub(s, *i, s.n), &c);
	return c == ILL_FORMED ? REPLACEMENT : c;
}

void
utf8_put(struct buf *out, uint32_t c)
{
	char b[4];
	size_t n;

	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = REPLACEMENT;
	n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n; i-- > 1; c >>= 6)
		b[i] = (char)(0x80 | (c & 0x3f));
	/* 0xxxxxxx, 110xxxxx, 1110xxxx or 11110xxx */
	b[0] = (char)(n == 1 ? c : (0xf00 >> n & 0xff) | c);
	buf_add(out, (struct str){ b, n });
}

struct str
utf8_clip(struct str s, size_t max)
{
	size_t n = max;

	if (s.n <= max)
		return s;
	/* Ill-formed text may have no boundary near: then any will do. */
	while (n > 0 && max - n < 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	if (max - n == 4)
		n = max;
	return str_sub(s, 0, n);
}

/* wcwidth() asks the locale, which is the user's: this one is always ours. */
static locale_t utf8_locale;
static once_flag utf8_locale_once = ONCE_FLAG_INIT;

static void
open_utf8_locale(void)
{
	utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static size_t
columns_of(uint32_t c)
{
	locale_t old;
	int n;

	if (c < 0x300) /* nothing wide or combining below */
		return c >= 0x20 && (c < 0x7f || c >= 0xa0);
	call_once(&utf8_locale_once, open_utf8_locale);
	if (utf8_locale == (locale_t)0)
		return 1;
	old = uselocale(utf8_locale);
	n = wcwidth((wchar_t)c);
	uselocale(old);
	return n > 0 ? (size_t)n : 0;
}

size_t
utf8_columns(struct str s)
{
	size_t columns = 0;

	for (size_t i = 0; i < s.n;)
		columns += columns_of(utf8_next(s, &i));
	return columns;
}

/* One character of the text as it is shown. */
struct piece {
	char text[16];
	size_t n, columns;
};

bool
utf8_hidden(uint32_t c)
{
	static const struct { uint32_t first, last; } ranges[] = {
		{ 0x00, 0x1f }, { 0x7f, 0x9f },
		{ 0x061c, 0x061c }, /* Arabic letter mark */
		{ 0x180e, 0x180e }, /* Mongolian vowel separator */
		{ 0x200b, 0x200b }, /* zero-width space */
		{ 0x200e, 0x200f }, /* marks of direction */
		{ 0x2028, 0x202e }, /* line and paragraph separator, embeddings */
		{ 0x2060, 0x206f }, /* word joiner, invisible operators, isolates */
		{ 0xfeff, 0xfeff }, /* byte order mark */
		{ 0xfff9, 0xfffb }, /* interlinear annotation */
		{ 0xe0000, 0xe007f }, /* tags, which spell ASCII unseen */
	};

	if (c >= 0x20 && c < 0x7f)
		return false;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

static bool
is_joiner(uint32_t c)
{
	return c == 0x200c || c == 0x200d;
}

/* The number of bytes taken from the start of s, which is not empty. *p holds
 * the piece before it. */
static size_t
piece_next(struct piece *p, struct str s)
{
	bool after_ascii = p->n == 0 || (unsigned char)p->text[0] < 0x80;
	uint32_t c;
	size_t n = decode(s, &c);
	int len;

	if (c == ILL_FORMED) {
		n = 1;
		len = snprintf(p->text, sizeof(p->text), "<%02x>",
		    (unsigned)(unsigned char)s.p[0]);
	} else if (c < 0x20 || c == 0x7f) {
		len = snprintf(p->text, sizeof(p->text), "^%c",
		    (char)(c ^ 0x40));
	} else if (utf8_hidden(c) || (is_joiner(c) && after_ascii)) {
		len = snprintf(p->text, sizeof(p->text), "<U+%04X>",
		    (unsigned)c);
	} else {
		memcpy(p->text, s.p, n);
		p->n = n;
		p->columns = columns_of(c);
		return n;
	}
	p->n = p->columns = (size_t)len;
	return n;
}

void
utf8_visible(struct buf *out, struct str s, bool keep_lines)
{
	struct piece p = { .n = 0 };

	while (s.n) {
		if (keep_lines && (s.p[0] == '\n' || s.p[0] == '\t')) {
			buf_addc(out, s.p[0]);
			p.n = 0;
			s = str_sub(s, 1, s.n);
			continue;
		}
		s = str_sub(s, piece_next(&p, s), s.n);
		buf_add(out, (struct str){ p.text, p.n });
	}
}

void
utf8_oneline(struct buf *out, struct str s, size_t max)
{
	static const struct str dots = { "...", 3 };
	size_t columns = 0, room = max > dots.n ? max - dots.n : 0;
	size_t cut = out->n; /* where the dots go if it becomes too long */
	struct piece p = { .n = 0 };

	while (s.n) {
		s = str_sub(s, piece_next(&p, s), s.n);
		columns += p.columns;
		if (columns > max) {
			buf_cut(out, cut);
			buf_add(out, str_sub(dots, 0, max));
			return;
		}
		buf_add(out, (struct str){ p.text, p.n });
		if (columns <= room)
			cut = out->n;
	}
}
