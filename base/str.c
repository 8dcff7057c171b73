/*
 * str.c -- borrowed text and text that grows.
 */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define BUF_FIRST 64 /* bytes of the first allocation */

struct str
str_of(const char *cstr)
{
	if (!cstr)
		return STR("");
	return (struct str){ cstr, strlen(cstr) };
}

bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
str_is(struct str a, const char *cstr)
{
	return str_eq(a, str_of(cstr));
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
eq_nocase(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool
str_is_nocase(struct str a, const char *cstr)
{
	struct str b = str_of(cstr);

	return a.n == b.n && eq_nocase(a.p, b.p, a.n);
}

bool
str_starts(struct str s, const char *prefix)
{
	return str_is(str_sub(s, 0, strlen(prefix)), prefix);
}

bool
str_ends(struct str s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n >= n && str_is(str_sub(s, s.n - n, n), suffix);
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	if (order)
		return order;
	return (a.n > b.n) - (a.n < b.n);
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	while (s.n > 0 && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	return s;
}

ptrdiff_t
str_find(struct str s, struct str needle)
{
	const char *at;

	if (needle.n == 0)
		return 0;
	if (needle.n > s.n)
		return -1;
	at = memmem(s.p, s.n, needle.p, needle.n);
	return at ? at - s.p : -1;
}

bool
str_has(struct str s, const char *needle)
{
	return str_find(s, str_of(needle)) >= 0;
}

bool
str_has_nocase(struct str s, const char *needle)
{
	size_t n = strlen(needle);

	if (n == 0)
		return true;
	for (size_t i = 0; n <= s.n && i <= s.n - n; i++)
		if (eq_nocase(s.p + i, needle, n))
			return true;
	return false;
}

bool
str_cut(struct str *s, char sep, struct str *head)
{
	const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;

	if (!at) {
		*head = *s;
		*s = str_sub(*s, s->n, 0);
		return false;
	}
	*head = str_sub(*s, 0, (size_t)(at - s->p));
	*s = str_sub(*s, head->n + 1, s->n);
	return true;
}

char *
str_dup(struct str s)
{
	char *p;

	if (s.n == SIZE_MAX)
		return NULL;
	p = malloc(s.n + 1);
	if (!p)
		return NULL;
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

bool
str_to_i64(struct str s, int64_t *out)
{
	bool negative = str_starts(s, "-");
	int64_t v = 0;
	size_t i = negative;

	if (i == s.n)
		return false;
	/* Counted downwards, since there is one more negative number. */
	for (; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, s.p[i] - '0', &v))
			return false;
	}
	if (!negative && __builtin_sub_overflow(0, v, &v))
		return false;
	*out = v;
	return true;
}

bool
str_to_count(struct str s, int64_t *out)
{
	int64_t v, unit = 1;

	if (str_ends(s, "k") || str_ends(s, "K"))
		unit = 1000;
	else if (str_ends(s, "m") || str_ends(s, "M"))
		unit = 1000000;
	if (unit > 1)
		s.n--;
	if (!str_to_i64(s, &v) || __builtin_mul_overflow(v, unit, &v))
		return false;
	*out = v;
	return true;
}

static const char *
skip_digits(const char *p)
{
	while (*p >= '0' && *p <= '9')
		p++;
	return p;
}

/* RFC 8259's number, which is less than what strtod() takes. */
static bool
is_number(const char *p, const char *end)
{
	const char *digits;

	if (*p == '-')
		p++;
	digits = p;
	p = skip_digits(p);
	if (p == digits || (*digits == '0' && p - digits > 1))
		return false;
	if (*p == '.') {
		digits = ++p;
		p = skip_digits(p);
		if (p == digits)
			return false;
	}
	if (*p == 'e' || *p == 'E') {
		p++;
		if (*p == '+' || *p == '-')
			p++;
		digits = p;
		p = skip_digits(p);
		if (p == digits)
			return false;
	}
	return p == end;
}

bool
str_to_double(struct str s, double *out)
{
	char small[64], *copy = small;
	locale_t c_locale;
	double v = NAN;

	if (s.n < sizeof(small)) {
		if (s.n)
			memcpy(small, s.p, s.n);
		small[s.n] = '\0';
	} else {
		copy = str_dup(s);
		if (!copy)
			return false;
	}
	/* The C library has this one ready: nothing is allocated. */
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (c_locale != (locale_t)0) {
		if (is_number(copy, copy + s.n))
			v = strtod_l(copy, NULL, c_locale);
		freelocale(c_locale);
	}
	if (copy != small)
		free(copy);
	if (!isfinite(v))
		return false;
	*out = v;
	return true;
}

void
buf_init(struct buf *b, size_t max)
{
	/* Room for the NUL, and for doubling without overflow. */
	if (max > SIZE_MAX / 4)
		max = SIZE_MAX / 4;
	*b = (struct buf){ .max = max };
}

void
buf_release(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

void
buf_clear(struct buf *b)
{
	b->failed = false;
	buf_cut(b, 0);
}

bool
buf_grow(struct buf *b, size_t more)
{
	size_t cap;
	char *p;

	if (b->failed)
		return false;
	if (b->n > b->max || more > b->max - b->n) {
		b->failed = true;
		return false;
	}
	cap = b->cap ? b->cap : BUF_FIRST;
	while (cap <= b->n + more)
		cap *= 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return false;
	}
	p[b->n] = '\0';
	b->p = p;
	b->cap = cap;
	return true;
}

void
buf_add(struct buf *b, struct str s)
{
	if (!buf_reserve(b, s.n))
		return;
	copy_few(b->p + b->n, s.p, s.n);
	b->n += s.n;
	b->p[b->n] = '\0';
}

void
buf_adds(struct buf *b, const char *cstr)
{
	buf_add(b, str_of(cstr));
}

struct str
str_of_i64(int64_t v, char room[I64_ROOM])
{
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
	size_t i = I64_ROOM;

	while (left > 9) {
		room[--i] = (char)('0' + left % 10);
		left /= 10;
	}
	room[--i] = (char)('0' + left);
	if (v < 0)
		room[--i] = '-'; /* 19 digits at most */
	return (struct str){ room + i, I64_ROOM - i };
}

void
buf_add_i64(struct buf *b, int64_t v)
{
	char room[I64_ROOM];

	buf_add(b, str_of_i64(v, room));
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(b, fmt, ap);
	va_end(ap);
}

void
buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room;
	int n;

	if (!buf_reserve(b, 0))
		return;
	va_copy(again, ap);
	room = b->cap - b->n;
	n = vsnprintf(b->p + b->n, room, fmt, ap);
	if (n < 0) {
		b->failed = true;
	} else if ((size_t)n < room) {
		b->n += (size_t)n;
	} else if (buf_reserve(b, (size_t)n)) {
		vsnprintf(b->p + b->n, b->cap - b->n, fmt, again);
		b->n += (size_t)n;
	}
	b->p[b->n] = '\0';
	va_end(again);
}

void
buf_cut(struct buf *b, size_t n)
{
	if (!b->p)
		return;
	if (n < b->n)
		b->n = n;
	b->p[b->n] = '\0';
}

struct str
buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

char *
buf_take(struct buf *b)
{
	char *p = NULL;

	if (buf_reserve(b, 0)) {
		p = b->p;
		b->p = NULL;
	}
	buf_release(b);
	return p;
}
