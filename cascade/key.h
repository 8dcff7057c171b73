/*
 * key.h -- the canonical form of a request and its SHA-256: what makes two
 * requests the same. Everything that can change the answer is in it (wire
 * format, base URL, model, messages, every sampling setting, whether
 * log-probabilities are asked for, the key's version); nothing that cannot
 * (API key, timeouts, order of JSON members, tags). The number of the sample
 * stands beside it, not in it.
 *
 * The form is one JSON object, its members always in the same order. What is
 * the same for all requests of an endpoint comes first, and is written and
 * hashed once (struct key_base): up to the first message it is a multiple of 64
 * bytes, by spaces before the name "messages", which is the only white space.
 */
#ifndef CASCADE_KEY_H
#define CASCADE_KEY_H

#include "base/sha256.h"
#include "providers/provider.h"

/* 1: members sorted by name. 2: the messages last. */
#define KEY_VERSION 2

/* The form of a request, in *canon (which is emptied first). ERR_INPUT: it is
 * longer than canon's maximum. */
int key_canon(const struct model_request *q, struct buf *canon,
    struct err *e);
int key_of(struct str canon, unsigned char key[SHA256_BYTES], struct err *e);

/* What all requests of one endpoint begin with. */
struct key_base {
	struct buf canon;
	struct sha256 hash;
};
/* Of q's provider, model and sampling alone. */
int key_base_init(struct key_base *b, const struct model_request *q,
    struct err *e);
void key_base_release(struct key_base *b); /* zeroed is fine */
/* As key_canon() and key_of() of a request of that endpoint with q's messages,
 * which alone are looked at. */
int key_make(const struct key_base *b, const struct model_request *q,
    struct buf *canon, unsigned char key[SHA256_BYTES], struct err *e);

/* The form of today of a request that was kept in that of version 1, in
 * *canon, so that it is found again; any other text stays as it is. */
int key_renew(struct str old, struct buf *canon, struct err *e);

#endif
