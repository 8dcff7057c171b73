/*
 * money.h -- integer picodollars (1e-12 USD) in int64_t: up to 9.2 million
 * dollars. Unknown is not 0: it is MONEY_UNKNOWN, and a sum that contains an
 * unknown is unknown unless it is asked for separately.
 */
#ifndef BASE_MONEY_H
#define BASE_MONEY_H

#include "base/json.h"
#include "base/str.h"

#define MONEY_UNKNOWN INT64_MIN
#define MONEY_MAX INT64_MAX
#define MONEY_USD ((int64_t)1000000000000)

/* Saturating at MONEY_MAX; unknown if either is. */
int64_t money_add(int64_t a, int64_t b);
int64_t money_sub(int64_t a, int64_t b);
int64_t money_mul(int64_t picousd, int64_t count);

/* A decimal number of dollars, exactly: "0.000033"; no sign, no exponent
 * unless needed ("4.2e-06" is read too). False: not a number, more than 12
 * decimals that are not 0, or out of range. */
bool money_parse(struct str dollars, int64_t *picousd);
/* From a double of a JSON reply, to the nearest picodollar. */
int64_t money_from_double(double dollars);

/* Exact, for JSON and CSV: "0.000033", "12", never an exponent. */
void money_exact(struct buf *out, int64_t picousd);
/* For people: "$12.34", "$0.000420", at least four significant digits;
 * "unknown". */
void money_show(struct buf *out, int64_t picousd);
void jw_kmoney(struct jw *w, const char *name, int64_t picousd); /* nothing if unknown */

#endif
