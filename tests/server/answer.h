/*
 * answer.h -- a chat completion as JSON.
 */
#ifndef TESTS_SERVER_ANSWER_H
#define TESTS_SERVER_ANSWER_H

#include "tests/server/script.h"

#define ANSWER_MAX_N 128

struct billed {
	int64_t prompt, completion; /* tokens */
};

/* Append the answer to request number `number`. r is a rule's reply, or a
 * zeroed one; which of its texts is next is kept in it. */
void answer_chat(struct buf *out, const struct chat *c,
    struct script_reply *r, bool ignore_n, int64_t number,
    struct billed *billed);

#endif
