/*
 * sha256.h -- FIPS 180-4 by OpenSSL's libcrypto, the one door to it.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/err.h"
#include "base/str.h"

#define SHA256_BYTES 32

int sha256(struct str text, unsigned char out[SHA256_BYTES], struct err *e);
void hex_add(struct buf *out, const unsigned char *p, size_t n);
bool hex_parse(struct str s, unsigned char *out, size_t n); /* exactly n bytes */

#endif
