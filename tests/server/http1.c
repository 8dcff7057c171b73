/*
 * http1.c -- HTTP/1.1 requests as they come off a socket.
 */
#include <string.h>

#include "tests/server/http1.h"

/* The line that s begins with, without its LF or CRLF, which s loses. False,
 * and s stays, when there is no line end yet. */
static bool
take_line(struct str *s, struct str *line)
{
	struct str rest = *s;

	if (!str_cut(&rest, '\n', line))
		return false;
	*s = rest;
	if (str_ends(*line, "\r"))
		line->n--;
	return true;
}

bool
http1_header_next(struct str *headers, struct str *name, struct str *value)
{
	struct str line;

	if (!take_line(headers, &line))
		return false;
	str_cut(&line, ':', name);
	*value = str_trim(line);
	return true;
}

static bool
request_line(struct str line, struct http1_head *out)
{
	struct str target;

	if (!str_cut(&line, ' ', &out->method) ||
	    !str_cut(&line, ' ', &target) || !str_starts(target, "/"))
		return false;
	str_cut(&target, '?', &out->path);
	out->query = target;
	out->keep_alive = str_is(line, "HTTP/1.1");
	return out->keep_alive || str_is(line, "HTTP/1.0");
}

static bool
header(struct str name, struct str value, struct http1_head *out)
{
	if (str_is_nocase(name, "content-length"))
		return str_to_i64(value, &out->content_length) &&
		    out->content_length >= 0;
	if (str_is_nocase(name, "transfer-encoding")) {
		out->chunked = true;
		return str_is_nocase(value, "chunked");
	}
	if (str_is_nocase(name, "connection"))
		out->keep_alive &= !str_is_nocase(value, "close");
	if (str_is_nocase(name, "expect"))
		out->expects_continue = true;
	return name.n > 0;
}

enum http1_result
http1_head(struct str in, struct http1_head *out)
{
	ptrdiff_t end = str_find(in, STR("\r\n\r\n"));
	struct str head, line, name, value;

	if (end < 0)
		return HTTP1_MORE;
	*out = (struct http1_head){ .size = (size_t)end + 4 };
	head = str_sub(in, 0, (size_t)end + 2);
	take_line(&head, &line);
	out->headers = head;
	if (!request_line(line, out))
		return HTTP1_BAD;
	while (http1_header_next(&head, &name, &value))
		if (!header(name, value, out))
			return HTTP1_BAD;
	return HTTP1_DONE;
}

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = memchr(digits, c | 0x20, 16);

	return c && at ? (int)(at - digits) : -1;
}

/* The length before a chunk, with the extensions that may follow it. */
static bool
chunk_size(struct str line, size_t *size)
{
	size_t i;

	*size = 0;
	for (i = 0; i < line.n && hex_digit(line.p[i]) >= 0; i++) {
		if (i == 8)
			return false;
		*size = *size * 16 + (size_t)hex_digit(line.p[i]);
	}
	return i > 0 && (i == line.n || line.p[i] == ';');
}

/* The lines after the last chunk, up to an empty one. */
static enum http1_result
trailers(struct str rest, struct str in, size_t *at)
{
	struct str line;

	do {
		if (!take_line(&rest, &line))
			return HTTP1_MORE;
	} while (line.n > 0);
	*at = in.n - rest.n;
	return HTTP1_DONE;
}

enum http1_result
http1_chunks(struct str in, size_t *at, struct buf *body)
{
	for (;;) {
		struct str rest = str_sub(in, *at, in.n), line;
		size_t size;

		if (!take_line(&rest, &line))
			return rest.n > 64 ? HTTP1_BAD : HTTP1_MORE;
		if (!chunk_size(line, &size))
			return HTTP1_BAD;
		if (size == 0)
			return trailers(rest, in, at);
		if (rest.n < size + 2)
			return HTTP1_MORE;
		if (rest.p[size] != '\r' || rest.p[size + 1] != '\n')
			return HTTP1_BAD;
		buf_add(body, str_sub(rest, 0, size));
		*at = in.n - rest.n + size + 2;
	}
}
