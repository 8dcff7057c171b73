/*
 * pack.c -- reading the numbers that are not of one byte.
 */
#include "base/pack.h"

uint64_t
unpack_long(struct unpack *u)
{
	uint64_t v = 0;

	for (unsigned shift = 0; !u->bad && u->p < u->end && shift < 64;
	    shift += 7) {
		uint64_t digit = (unsigned char)*u->p++;

		if (shift == 63 && digit > 1)
			break;
		v |= (digit & 0x7f) << shift;
		if (!(digit & 0x80))
			return v;
	}
	u->bad = true;
	return 0;
}
