/*
 * sha256.c -- FIPS 180-4 by OpenSSL's libcrypto, the one door to it.
 *
 * By its older interface: the newer one looks the algorithm up by name first,
 * which is 5 million instructions, a quarter of what a cached answer takes.
 */
#define OPENSSL_API_COMPAT 10101
#include <openssl/sha.h>
#include <string.h>

#include "base/sha256.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256)
    && _Alignof(SHA256_CTX) <= _Alignof(struct sha256), "it is kept there");

static int
refused(struct err *e)
{
	return err_set(e, ERR_IO, "cannot compute SHA-256: OpenSSL refuses");
}

static bool
update(SHA256_CTX *c, struct str text)
{
	return SHA256_Update(c, text.n ? text.p : "", text.n) == 1;
}

int
sha256_begin(struct sha256 *s, struct str beginning, struct err *e)
{
	SHA256_CTX c;

	if (SHA256_Init(&c) != 1 || !update(&c, beginning))
		return refused(e);
	memcpy(s->state, &c, sizeof(c));
	return 0;
}

int
sha256_end(const struct sha256 *s, struct str rest,
    unsigned char out[SHA256_BYTES], struct err *e)
{
	SHA256_CTX c;

	memcpy(&c, s->state, sizeof(c));
	return update(&c, rest) && SHA256_Final(out, &c) == 1 ? 0
	    : refused(e);
}

int
sha256(struct str text, unsigned char out[SHA256_BYTES], struct err *e)
{
	struct sha256 s;

	return sha256_begin(&s, text, e) < 0 ? -1
	    : sha256_end(&s, STR(""), out, e);
}

void
hex_add(struct buf *out, const unsigned char *p, size_t n)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		buf_addc(out, digit[p[i] >> 4]);
		buf_addc(out, digit[p[i] & 15]);
	}
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
hex_parse(struct str s, unsigned char *out, size_t n)
{
	int high, low;

	if (s.n / 2 != n || s.n % 2)
		return false;
	for (size_t i = 0; i < n; i++) {
		high = hex_value(s.p[2 * i]);
		low = hex_value(s.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}
