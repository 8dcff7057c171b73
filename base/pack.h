/*
 * pack.h -- numbers and texts as bytes, for what is kept by the million.
 *
 * Numbers are LEB128 varints (as in DWARF), signed ones zigzag before, so that
 * small ones of either sign are one byte; a text is its length and its bytes; a
 * double is its 8 bytes, the low one first, so that nothing is rounded.
 *
 * Writing is for those who have made room: PACK_NUMBER bytes a number, and
 * PACK_NUMBER + n a text. Reading trusts nobody: what is cut short or too long
 * sets `bad`, and gives zeros and empty texts from then on.
 */
#ifndef BASE_PACK_H
#define BASE_PACK_H

#include <endian.h>
#include <limits.h>
#include <string.h>

#include "base/str.h"

#define PACK_NUMBER 10

static inline char *
pack_u64(char *p, uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		*p++ = (char)(v | 0x80);
	*p++ = (char)v;
	return p;
}

static inline uint64_t
pack_zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static inline char *
pack_i64(char *p, int64_t v)
{
	return pack_u64(p, pack_zigzag(v));
}

/* 0 is what is unknown. Of all numbers INT64_MIN alone has no place:
 * it is `unknown`, or not to be packed. */
static inline char *
pack_known(char *p, int64_t v, int64_t unknown)
{
	return v == unknown ? pack_u64(p, 0) : pack_u64(p, pack_zigzag(v) + 1);
}

static inline char *
pack_str(char *p, struct str s)
{
	p = pack_u64(p, s.n);
	if (s.n)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

static inline char *
pack_double(char *p, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	bits = htole64(bits);
	memcpy(p, &bits, sizeof(bits));
	return p + sizeof(bits);
}

/* 8 bytes, the low one first: a hash, say. */
#define PACK_FIXED 8
static inline char *
pack_fixed(char *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline uint64_t
unpack_fixed(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

struct unpack {
	const char *p, *end;
	bool bad;
};

static inline struct unpack
unpack_of(struct str s)
{
	return (struct unpack){ s.p, s.p ? s.p + s.n : s.p, false };
}

static inline bool
unpack_more(const struct unpack *u)
{
	return !u->bad && u->p < u->end;
}

uint64_t unpack_long(struct unpack *u); /* of two bytes and more */

static inline uint64_t
unpack_u64(struct unpack *u)
{
	if (!u->bad && u->p < u->end && !(*u->p & 0x80))
		return (unsigned char)*u->p++;
	return unpack_long(u);
}

static inline int64_t
unpack_i64(struct unpack *u)
{
	uint64_t v = unpack_u64(u);

	return (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
}

static inline int64_t
unpack_known(struct unpack *u, int64_t unknown)
{
	uint64_t v = unpack_u64(u);

	if (v == 0)
		return unknown;
	v--;
	return (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
}

static inline int
unpack_int(struct unpack *u)
{
	uint64_t v = unpack_u64(u);

	if (v <= INT_MAX)
		return (int)v;
	u->bad = true;
	return 0;
}

/* Borrowed from what is read. */
static inline struct str
unpack_str(struct unpack *u)
{
	uint64_t n = unpack_u64(u);
	struct str s = { u->p, n };

	if (u->bad || n > (uint64_t)(u->end - u->p)) {
		u->bad = true;
		return STR("");
	}
	u->p += n;
	return s;
}

static inline uint64_t
unpack_fixed8(struct unpack *u)
{
	if (u->bad || u->end - u->p < PACK_FIXED) {
		u->bad = true;
		return 0;
	}
	u->p += PACK_FIXED;
	return unpack_fixed(u->p - PACK_FIXED);
}

static inline double
unpack_double(struct unpack *u)
{
	uint64_t bits;
	double v;

	if (u->bad || u->end - u->p < (ptrdiff_t)sizeof(bits)) {
		u->bad = true;
		return 0;
	}
	memcpy(&bits, u->p, sizeof(bits));
	u->p += sizeof(bits);
	bits = le64toh(bits);
	memcpy(&v, &bits, sizeof(v));
	return v;
}

#endif
