/*
 * sha256.h -- SHA-256 (FIPS 180-4), and hexadecimal text.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/err.h"
#include "base/str.h"

#define SHA256_BYTES 32

void sha256(struct str text, unsigned char out[SHA256_BYTES]);
/* The same in plain C, whatever the processor can do: for tests. */
void sha256_plain(struct str text, unsigned char out[SHA256_BYTES]);

void hex_add(struct buf *out, const unsigned char *p, size_t n);
bool hex_parse(struct str s, unsigned char *out, size_t n); /* exactly n bytes */

#endif
