/*
 * money.c -- amounts as whole picodollars. Digits are placed by their decimal
 * power one at a time, so that no amount ever passes through floating point
 * except the one that arrives as a double.
 */
#include <math.h>

#include "base/money.h"

/* 10^0 to 10^18; 10^18 picodollars are a million dollars. */
#define POWERS 19
/* Exponents beyond this can only be 0 or out of range. */
#define EXPONENT_MAX 1000
#define DECIMALS 12

static int64_t
power_of_ten(int n)
{
	static const int64_t v[POWERS] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
		1000000000, 10000000000, 100000000000, 1000000000000,
		10000000000000, 100000000000000, 1000000000000000,
		10000000000000000, 100000000000000000, 1000000000000000000,
	};

	return v[n];
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int64_t
saturated(bool negative)
{
	return negative ? -MONEY_MAX : MONEY_MAX;
}

/* INT64_MIN is taken: it means unknown. */
static int64_t
known(int64_t v)
{
	return v == MONEY_UNKNOWN ? -MONEY_MAX : v;
}

int64_t
money_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (a == MONEY_UNKNOWN || b == MONEY_UNKNOWN)
		return MONEY_UNKNOWN;
	if (__builtin_add_overflow(a, b, &sum))
		return saturated(a < 0);
	return known(sum);
}

int64_t
money_sub(int64_t a, int64_t b)
{
	if (b == MONEY_UNKNOWN)
		return MONEY_UNKNOWN;
	return money_add(a, -b);
}

int64_t
money_mul(int64_t picousd, int64_t count)
{
	int64_t product;

	if (picousd == MONEY_UNKNOWN || count == MONEY_UNKNOWN)
		return MONEY_UNKNOWN;
	if (__builtin_mul_overflow(picousd, count, &product))
		return saturated((picousd < 0) != (count < 0));
	return known(product);
}

/* Add digit * 10^power dollars to *sum; false if that cannot be exact. */
static bool
add_digit(int64_t *sum, int digit, int64_t power)
{
	int64_t part;

	if (digit == 0)
		return true;
	power += DECIMALS;
	if (power < 0 || power >= POWERS)
		return false;
	return !__builtin_mul_overflow(power_of_ten((int)power), digit,
	    &part) && !__builtin_add_overflow(*sum, part, sum);
}

/* The "e-06" of "4.2e-06", which is all of s, into *exponent. */
static bool
parse_exponent(struct str s, int *exponent)
{
	bool negative = false;
	size_t i = 1;
	int v = 0;

	if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
		negative = s.p[i++] == '-';
	if (i == s.n)
		return false;
	for (; i < s.n; i++) {
		if (!is_digit(s.p[i]))
			return false;
		if (v < EXPONENT_MAX)
			v = v * 10 + (s.p[i] - '0');
	}
	*exponent = negative ? -v : v;
	return true;
}

bool
money_parse(struct str dollars, int64_t *picousd)
{
	size_t mantissa = 0, digits = 0, point, i;
	int64_t sum = 0, place;
	int exponent = 0;

	while (mantissa < dollars.n && (is_digit(dollars.p[mantissa]) ||
	    dollars.p[mantissa] == '.'))
		digits += dollars.p[mantissa++] != '.';
	if (digits == 0 || mantissa - digits > 1)
		return false;
	if (mantissa < dollars.n && ((dollars.p[mantissa] != 'e' &&
	    dollars.p[mantissa] != 'E') || !parse_exponent(str_sub(dollars,
	    mantissa, dollars.n - mantissa), &exponent)))
		return false;

	for (point = 0; point < mantissa && dollars.p[point] != '.'; point++)
		;
	place = (int64_t)point - 1 + exponent;
	for (i = 0; i < mantissa; i++) {
		if (i == point)
			continue;
		if (!add_digit(&sum, dollars.p[i] - '0', place--))
			return false;
	}
	*picousd = sum;
	return true;
}

int64_t
money_from_double(double dollars)
{
	/* On x86 the product is exact to the last picodollar that a double
	 * can tell apart. */
	long double v = (long double)dollars * MONEY_USD;

	if (isnan(v))
		return MONEY_UNKNOWN;
	if (v >= (long double)MONEY_MAX || v <= -(long double)MONEY_MAX)
		return saturated(v < 0);
	return (int64_t)llroundl(v);
}

#define ROOM 40 /* digits of the largest amount, a sign and a point */

/* `units` of 10^-decimals dollars, with at least `keep` decimals, at the end of
 * `room`. */
static struct str
decimal(uint64_t units, int decimals, int keep, char room[ROOM])
{
	const uint64_t one = (uint64_t)power_of_ten(decimals);
	uint64_t part = units % one;
	size_t i = ROOM;

	for (; decimals - keep >= 6 && part % 1000000 == 0; decimals -= 6)
		part /= 1000000;
	for (; decimals > keep && part % 10 == 0; decimals--)
		part /= 10;
	for (int n = decimals; n > 0; n--, part /= 10)
		room[--i] = (char)('0' + part % 10);
	if (decimals > 0)
		room[--i] = '.';
	for (part = units / one; part > 9; part /= 10)
		room[--i] = (char)('0' + part % 10);
	room[--i] = (char)('0' + part);
	return (struct str){ room + i, ROOM - i };
}

static uint64_t
magnitude(int64_t v)
{
	return v < 0 ? -(uint64_t)v : (uint64_t)v;
}

static struct str
exact(int64_t picousd, char room[ROOM])
{
	struct str s = decimal(magnitude(picousd), DECIMALS, 0, room);
	size_t i = ROOM - s.n;

	if (picousd >= 0)
		return s;
	room[--i] = '-';
	return (struct str){ room + i, ROOM - i };
}

void
money_exact(struct buf *out, int64_t picousd)
{
	char room[ROOM];

	if (picousd != MONEY_UNKNOWN)
		buf_add(out, exact(picousd, room));
}

/*
 * Four significant digits, and never fewer than two decimals. Zeros at the
 * end go, down to two decimals, or to six below a cent.
 */
void
money_show(struct buf *out, int64_t picousd)
{
	uint64_t v = magnitude(picousd), top = 10 * MONEY_USD, step;
	int decimals = 2;
	char room[ROOM];

	if (picousd == MONEY_UNKNOWN) {
		buf_adds(out, "unknown");
		return;
	}
	for (; v < top && v != 0 && decimals < DECIMALS; top /= 10)
		decimals++;
	step = (uint64_t)power_of_ten(DECIMALS - decimals);
	buf_adds(out, picousd < 0 ? "-$" : "$");
	buf_add(out, decimal(v / step + (v % step >= step - step / 2),
	    decimals, v != 0 && v < MONEY_USD / 100 ? 6 : 2, room));
}

void
jw_kmoney(struct jw *w, const char *name, int64_t picousd)
{
	char room[ROOM];

	if (picousd == 0) /* as nearly all of an answer that was kept */
		jw_kraw(w, name, STR("0"));
	else if (picousd != MONEY_UNKNOWN)
		jw_kraw(w, name, exact(picousd, room));
}
