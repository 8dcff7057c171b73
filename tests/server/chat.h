/*
 * chat.h -- what the server needs to know of a chat completion request, read
 * in one pass over its JSON without building a tree.
 */
#ifndef TESTS_SERVER_CHAT_H
#define TESTS_SERVER_CHAT_H

#include "base/str.h"

struct chat {
	bool is_json;      /* the body is a JSON object */
	bool has_messages; /* and has a list of messages */
	struct str model;
	struct str texts;  /* of all messages, each with a line feed after it */
	struct str prompt; /* of the last user message */
	int64_t text_bytes; /* of all messages, without those line feeds */
	int64_t n;          /* choices wanted; 1 where it is not said */
	int64_t max_tokens; /* of either name; 0: no limit */
	bool logprobs;
	bool logprobs_number; /* it was a number, as Together has it */
	bool stream;
};

/* What the texts point into is *text, which is emptied first. */
void chat_scan(struct chat *c, struct str body, struct buf *text);

#endif
