/*
 * wrap.h -- what a rule makes of an answer's body and head on their way out:
 * padding, gzip, garbage, chunks, headers.
 */
#ifndef TESTS_SERVER_WRAP_H
#define TESTS_SERVER_WRAP_H

#include "tests/server/script.h"

/* In this order: broken or garbage (by the fault), padded, compressed. `draw`
 * picks the garbage. */
void wrap_body(const struct rule *r, uint64_t draw, struct buf *body);
/* Cut into chunks, if the rule says so: there is no length to be told then. */
bool wrap_chunks(const struct rule *r, struct buf *body);
/* Whether what is inside can still be read, by one who can read gzip. */
bool wrap_is_readable(const struct rule *r, bool reads_gzip);

/* The rule's header lines. now_s: the server's clock, in seconds. */
void wrap_headers(const struct rule *r, int64_t now_s, struct buf *headers);
/* "Date: ..." or another header with an HTTP date. */
void wrap_date(struct buf *headers, const char *name, int64_t utc_s);

#endif
