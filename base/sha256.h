/*
 * sha256.h -- FIPS 180-4 by OpenSSL's libcrypto, the one door to it.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/err.h"
#include "base/str.h"

#define SHA256_BYTES 32

int sha256(struct str text, unsigned char out[SHA256_BYTES], struct err *e);

/* For texts that begin alike: the state after their beginning, plain data. */
struct sha256 {
	uint64_t state[14];
};
int sha256_begin(struct sha256 *s, struct str beginning, struct err *e);
/* Of the beginning with `rest` behind it; s stays as it is. */
int sha256_end(const struct sha256 *s, struct str rest,
    unsigned char out[SHA256_BYTES], struct err *e);

void hex_add(struct buf *out, const unsigned char *p, size_t n);
bool hex_parse(struct str s, unsigned char *out, size_t n); /* exactly n bytes */

#endif
