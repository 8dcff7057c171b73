/*
 * http1.h -- HTTP/1.1 requests as they come off a socket: the head, and a
 * chunked body. Everything returned is borrowed from the text given.
 */
#ifndef TESTS_SERVER_HTTP1_H
#define TESTS_SERVER_HTTP1_H

#include "base/str.h"

struct http1_head {
	size_t size; /* with the empty line that ends it */
	struct str method, path, query;
	struct str headers; /* lines, for http1_header_next() */
	int64_t content_length; /* 0 where it is not said */
	bool chunked, keep_alive, expects_continue;
	bool http2; /* it came as a stream: see http2.h */
};

enum http1_result { HTTP1_BAD = -1, HTTP1_MORE = 0, HTTP1_DONE = 1 };

enum http1_result http1_head(struct str in, struct http1_head *out);

/* False at the end. */
bool http1_header_next(struct str *headers, struct str *name,
    struct str *value);

/* Append the chunks from offset *at of `in` on to *body, moving *at past what
 * is complete. HTTP1_DONE: *at is at the end of the body. */
enum http1_result http1_chunks(struct str in, size_t *at, struct buf *body);

#endif
