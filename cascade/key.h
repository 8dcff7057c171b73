/*
 * key.h -- the canonical form of a request and its SHA-256: what makes two
 * requests the same. Everything that can change the answer is in it (wire
 * format, base URL, model, messages, every sampling setting, whether
 * log-probabilities are asked for, the key's version); nothing that cannot
 * (API key, timeouts, order of JSON members, tags). The number of the sample
 * stands beside it, not in it.
 */
#ifndef CASCADE_KEY_H
#define CASCADE_KEY_H

#include "base/sha256.h"
#include "providers/provider.h"

#define KEY_VERSION 1

/* Canonical JSON: one object, members sorted by name, appended to *canon
 * (which is emptied first). ERR_INPUT: it is longer than canon's maximum. */
int key_canon(const struct model_request *q, struct buf *canon,
    struct err *e);
int key_of(struct str canon, unsigned char key[SHA256_BYTES], struct err *e);

#endif
