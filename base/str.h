/*
 * str.h -- borrowed text (struct str) and text that grows (struct buf).
 *
 * A struct str is never owned: it points into somebody else's memory and need
 * not be NUL-terminated. A struct buf is always NUL-terminated, has a maximum
 * set when it is made, and remembers a failed append, so that a text is built
 * with many calls and checked once.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p; /* may be NULL when n is 0 */
	size_t n;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })

/* For printf: "%.*s", STR_ARG(s). */
#define STR_ARG(s) (int)(s).n, (s).n ? (s).p : ""

struct str str_of(const char *cstr); /* NULL gives the empty text */
static inline struct str str_sub(struct str s, size_t from, size_t n);
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *cstr);
bool str_is_nocase(struct str a, const char *cstr); /* ASCII case only */
bool str_starts(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
int str_cmp(struct str a, struct str b); /* bytewise, for sorting */
struct str str_trim(struct str s); /* ASCII white space at both ends */
/* Offset of the first occurrence of needle, or -1. */
ptrdiff_t str_find(struct str s, struct str needle);
bool str_has(struct str s, const char *needle);
bool str_has_nocase(struct str s, const char *needle); /* ASCII case only */
/* Cut s at the first `sep`: *head gets what is before it, *s what follows.
 * False, with everything in *head and *s empty, when there is none. */
bool str_cut(struct str *s, char sep, struct str *head);

/* A NUL-terminated copy, the caller's to free; NULL when out of memory. */
char *str_dup(struct str s);

/* The whole text as a number; false when it is not one or does not fit. No
 * white space, no locale. A double accepts what JSON does, and is finite. */
bool str_to_i64(struct str s, int64_t *out);
bool str_to_double(struct str s, double *out);
/* As str_to_i64, times 1,000 for a final k or K, 1,000,000 for m or M. */
bool str_to_count(struct str s, int64_t *out);

struct buf {
	char *p; /* NUL-terminated, or NULL before the first append */
	size_t n;
	size_t cap;
	size_t max;  /* longest text allowed */
	bool failed; /* an append did not fit or had no memory */
};

#define BUF_MAX ((size_t)1 << 30)

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* frees; b may be used again */
void buf_clear(struct buf *b);   /* empties, keeps the memory, clears failed */
static inline bool buf_reserve(struct buf *b, size_t more); /* room for
    `more` bytes */
void buf_add(struct buf *b, struct str s);
void buf_adds(struct buf *b, const char *cstr);
static inline void buf_addc(struct buf *b, char c);
void buf_add_i64(struct buf *b, int64_t v); /* in decimal */
/* The same in place of a buf, at the end of `room`. */
#define I64_ROOM 20
struct str str_of_i64(int64_t v, char room[I64_ROOM]);
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_addv(struct buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
void buf_cut(struct buf *b, size_t n); /* shorten to n bytes */
struct str buf_str(const struct buf *b);
/* The text, the caller's to free; b is empty again. NULL if b had failed. */
char *buf_take(struct buf *b);

/* What is called for each byte or token of a text. */

/* The n bytes from `from` on, clipped to s. */
static inline struct str
str_sub(struct str s, size_t from, size_t n)
{
	if (from > s.n)
		from = s.n;
	if (n > s.n - from)
		n = s.n - from;
	return (struct str){ s.p ? s.p + from : s.p, n };
}

/* Copy n bytes: in place of a call where there are few. */
static inline void
copy_few(char *to, const char *from, size_t n)
{
	uint64_t first, last;
	uint32_t a, b;

	if (n > 16) {
		memcpy(to, from, n);
	} else if (n >= 8) {
		memcpy(&first, from, 8);
		memcpy(&last, from + n - 8, 8);
		memcpy(to, &first, 8);
		memcpy(to + n - 8, &last, 8);
	} else if (n >= 4) {
		memcpy(&a, from, 4);
		memcpy(&b, from + n - 4, 4);
		memcpy(to, &a, 4);
		memcpy(to + n - 4, &b, 4);
	} else {
		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

bool buf_grow(struct buf *b, size_t more); /* buf_reserve() where it is full */

static inline bool
buf_reserve(struct buf *b, size_t more)
{
	/* cap is at most max + 1. */
	return (!b->failed && more < b->cap - b->n) || buf_grow(b, more);
}

static inline void
buf_addc(struct buf *b, char c)
{
	if (!buf_reserve(b, 1))
		return;
	b->p[b->n++] = c;
	b->p[b->n] = '\0';
}

#endif
