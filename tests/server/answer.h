/*
 * answer.h -- a chat completion as JSON.
 */
#ifndef TESTS_SERVER_ANSWER_H
#define TESTS_SERVER_ANSWER_H

#include "tests/server/bill.h"
#include "tests/server/script.h"

#define ANSWER_MAX_N 128

/* Append the answer to request number `number`. r is a rule's reply, or a
 * zeroed one; which of its texts is next is kept in it. The tokens and choices
 * of *charge are filled in, and whether the usage is told. */
void answer_chat(struct buf *out, const struct chat *c,
    struct script_reply *r, bool ignore_n, int64_t number,
    struct charge *charge);

#endif
