/*
 * test_http.c -- the event loop against a server that lives in the same loop:
 * it answers whatever bytes a test wants, so nothing here depends on a second
 * thread, on a port that is free, or on sleeping for luck.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "providers/http.h"

#define MOST_PIECES 64

/* What the server says to every request, and when. */
static struct {
	struct str pieces[MOST_PIECES]; /* one after the other */
	size_t n;
	int64_t between_ms;  /* 0: all at once */
	int64_t said_ms;     /* when the last one was said, and the longest */
	int64_t longest_ms;  /* silence so far: a machine may stall */
	int again;           /* the last piece this often */
	bool close_each;     /* close after each answer */
	bool silent;         /* from the second request of a connection on */
} says;

struct conn {
	struct conn *next;
	int fd;
	int asked; /* requests on this connection */
	char in[65536];
	size_t n_in, at, again;
	struct http_timer timer;
};

static struct http *h;
static struct conn *conns;
static int listener, port, accepted, requests;
static char heard[65536]; /* the last request */
static struct err e;

/* --- the server ------------------------------------------------------------- */

static void
conn_close(struct conn *c)
{
	struct conn **p = &conns;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	http_timer_stop(h, &c->timer);
	http_unwatch(h, c->fd);
	close(c->fd);
	free(c);
}

static void
end_silence(void)
{
	int64_t now = clock_mono_ms();

	if (now - says.said_ms > says.longest_ms)
		says.longest_ms = now - says.said_ms;
	says.said_ms = now;
}

/* The next piece; what the socket does not take is lost, which is meant only
 * where the client has stopped listening. */
static void
say_piece(void *cookie)
{
	struct conn *c = cookie;
	struct str s;

	end_silence();
	do {
		s = says.pieces[c->at];
		(void)!send(c->fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (c->at + 1 < says.n)
			c->at++;
		else if (c->again++ >= (size_t)says.again) {
			if (says.close_each)
				conn_close(c);
			return;
		}
	} while (!says.between_ms);
	assert_int_equal(http_timer_set(h, &c->timer,
	    clock_mono_ms() + says.between_ms, &e), 0);
}

/* A whole request is in c->in. */
static bool
is_whole(struct conn *c)
{
	const char *end = memmem(c->in, c->n_in, "\r\n\r\n", 4), *length;
	size_t body = 0;

	if (!end)
		return false;
	length = strcasestr(c->in, "content-length:");
	if (length && length < end)
		body = (size_t)atoi(length + 15);
	return c->n_in >= (size_t)(end + 4 - c->in) + body;
}

static void
on_request(void *cookie)
{
	struct conn *c = cookie;
	ssize_t n = read(c->fd, c->in + c->n_in, sizeof(c->in) - 1 - c->n_in);

	if (n <= 0) {
		conn_close(c);
		return;
	}
	c->n_in += (size_t)n;
	c->in[c->n_in] = '\0';
	if (!is_whole(c))
		return;
	requests++;
	memcpy(heard, c->in, c->n_in + 1);
	c->n_in = c->at = c->again = 0;
	if (says.silent && c->asked++ > 0) {
		conn_close(c);
	} else if (says.n) {
		say_piece(c);
	}
}

static void
on_connection(void *cookie)
{
	struct conn *c = calloc(1, sizeof(*c));
	int size = 4 << 20;

	(void)cookie;
	assert_non_null(c);
	c->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(c->fd >= 0);
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	accepted++;
	c->next = conns;
	conns = c;
	c->timer = (struct http_timer){ .fire = say_piece, .cookie = c };
	assert_int_equal(http_watch(h, c->fd, on_request, c, &e), 0);
}

static int
listen_on(int *to, int backlog)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0
	    || listen(fd, backlog) < 0
	    || getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return -1;
	*to = ntohs(a.sin_port);
	return fd;
}

static int
open_loop(int connections)
{
	if (http_new(&h, connections, &e) < 0)
		return -1;
	return http_watch(h, listener, on_connection, NULL, &e);
}

static int
begin(void **state)
{
	(void)state;
	memset(&says, 0, sizeof(says));
	accepted = requests = 0;
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	listener = listen_on(&port, 128);
	return listener < 0 ? -1 : open_loop(4);
}

static int
end(void **state)
{
	(void)state;
	while (conns)
		conn_close(conns);
	http_unwatch(h, listener);
	close(listener);
	http_free(h);
	return 0;
}

#define SAY(...) do { \
	static const char *const text[] = { __VA_ARGS__ }; \
	says.n = sizeof(text) / sizeof(*text); \
	for (size_t say_ = 0; say_ < says.n; say_++) \
		says.pieces[say_] = str_of(text[say_]); \
} while (0)

#define OK(headers, length, body) "HTTP/1.1 200 OK\r\n" headers \
	"Content-Length: " length "\r\n\r\n" body

/* --- the client ---------------------------------------------------------------- */

struct got {
	int done;
	struct wire_reply w;
	char body[4096], failure[300], code[40];
};

static void
on_done(void *cookie, const struct wire_reply *w, int64_t latency_ms)
{
	struct got *g = cookie;

	assert_true(latency_ms >= 0);
	g->done++;
	g->w = *w;
	snprintf(g->body, sizeof(g->body), "%.*s", STR_ARG(w->body));
	snprintf(g->failure, sizeof(g->failure), "%s",
	    w->failure ? w->failure : "");
	snprintf(g->code, sizeof(g->code), "%s",
	    w->failure_code ? w->failure_code : "");
}

static struct http_request
request_to(int to)
{
	static char url[80];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/x", to);
	return (struct http_request){ .url = str_of(url), .body = STR("{}"),
	    .direct = true, .connect_timeout_ms = 20000, .timeout_ms = 60000,
	    .idle_timeout_ms = 60000 };
}

static void
wait_until_done(const struct got *g)
{
	while (!g->done)
		if (http_turn(h, 1000, &e) < 0)
			fail_msg("%s", e.msg);
	assert_int_equal(g->done, 1);
}

static void
ask_with(struct got *g, struct http_request q)
{
	*g = (struct got){ 0 };
	assert_int_equal(http_send(h, &q, on_done, g, NULL, &e), 0);
	wait_until_done(g);
}

static void
ask(struct got *g)
{
	ask_with(g, request_to(port));
}

/* A call that is to end since nothing more comes. Where a machine stalls its
 * time may be over before the server was asked: then it has more of it. */
static void
ask_the_idle(struct got *g, struct http_request q)
{
	int tries = 0;

	requests = 0;
	do {
		ask_with(g, q);
		q.idle_timeout_ms *= 4;
		tries++;
	} while ((!g->w.sent || requests == 0) && tries < 6);
	assert_in_range(requests, 1, tries);
}

static void
failed_as(const struct got *g, const char *code, bool sent)
{
	if (strcmp(g->code, code) != 0 || g->w.sent != sent)
		fail_msg("'%s' (%s), HTTP %d, %s", g->code, g->failure,
		    g->w.status, g->w.sent ? "sent" : "not sent");
	assert_true(g->failure[0]);
}

static void
is_answer(const struct got *g, int status, const char *body)
{
	assert_string_equal(g->failure, "");
	assert_int_equal(g->w.status, status);
	assert_string_equal(g->body, body);
}

/* --- headers ------------------------------------------------------------------- */

static void
headers_without_limits_say_nothing(void **state)
{
	struct got g;

	(void)state;
	SAY(OK("Date: Tue, 25 Aug 2026 12:20:39 GMT\r\nX-Request-Id: a\r\n",
	    "2", "{}"));
	ask(&g);
	is_answer(&g, 200, "{}");
	assert_false(g.w.limits.any);
	assert_int_equal(g.w.retry_after_ms, -1);
	assert_false(g.w.should_not_retry);
}

/* Also those of a 200; a time in them is relative to the server's own. */
static void
limits_are_read_by_the_servers_clock(void **state)
{
	struct got g;

	(void)state;
	SAY(OK("anthropic-ratelimit-requests-limit: 1000\r\n"
	    "anthropic-ratelimit-requests-remaining: 999\r\n"
	    "anthropic-ratelimit-requests-reset: 2001-02-03T04:05:26Z\r\n"
	    "x-ratelimit-remaining-tokens: 449968\r\n"
	    "x-ratelimit-reset-tokens: 6m0s\r\n"
	    "Date: Sat, 03 Feb 2001 04:05:06 GMT\r\n", "2", "{}"));
	ask(&g);
	assert_true(g.w.limits.any);
	assert_int_equal(g.w.limits.requests.limit, 1000);
	assert_int_equal(g.w.limits.requests.remaining, 999);
	assert_int_equal(g.w.limits.requests.reset_ms, 20000);
	assert_int_equal(g.w.limits.tokens.limit, -1);
	assert_int_equal(g.w.limits.tokens.remaining, 449968);
	assert_int_equal(g.w.limits.tokens.reset_ms, 360000);
}

#define TOO_MANY(headers) "HTTP/1.1 429 Too Many\r\n" headers \
	"Content-Length: 2\r\n\r\n{}"

static void
retry_after_is_what_the_server_meant(void **state)
{
	static const struct { const char *answer; int64_t ms; } v[] = {
		{ TOO_MANY(""), -1 },
		{ TOO_MANY("Retry-After: 17\r\n"), 17000 },
		{ TOO_MANY("retry-after: 1.5\r\n"), 1500 },
		{ TOO_MANY("Retry-After: 0\r\n"), 0 },
		{ TOO_MANY("Retry-After: Sat, 03 Feb 2001 04:05:26 GMT\r\n"
		    "Date: Sat, 03 Feb 2001 04:05:06 GMT\r\n"), 20000 },
		{ TOO_MANY("Date: Sat, 03 Feb 2001 04:05:06 GMT\r\n"
		    "Retry-After: Sat, 03 Feb 2001 04:05:00 GMT\r\n"), 0 },
		/* Past by our own clock. */
		{ TOO_MANY("Retry-After: Sat, 03 Feb 2001 04:05:26 GMT\r\n"),
		    0 },
		{ TOO_MANY("Retry-After: 2\r\nRetry-After-Ms: 1250\r\n"),
		    1250 },
		{ TOO_MANY("Retry-After-Ms: 1250\r\nRetry-After: 2\r\n"),
		    1250 },
		{ TOO_MANY("Retry-After-Ms: soon\r\nRetry-After: 2\r\n"),
		    2000 },
		{ TOO_MANY("Retry-After: -1\r\n"), -1 },
		{ TOO_MANY("Retry-After: 1e300\r\n"), LIMITS_MOST_MS },
		{ TOO_MANY("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n"),
		    LIMITS_MOST_MS },
		{ TOO_MANY("Retry-After:\r\n"), -1 },
	};
	struct got g;

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		says.n = 1;
		says.pieces[0] = str_of(v[i].answer);
		ask(&g);
		is_answer(&g, 429, "{}");
		if (g.w.retry_after_ms != v[i].ms)
			fail_msg("%s: %lld", v[i].answer,
			    (long long)g.w.retry_after_ms);
		assert_false(g.w.should_not_retry);
	}
}

static void
headers_of_an_interim_answer_do_not_count(void **state)
{
	struct got g;

	(void)state;
	SAY("HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n"
	    "X-Should-Retry: false\r\n\r\n" OK("", "2", "{}"));
	ask(&g);
	is_answer(&g, 200, "{}");
	assert_int_equal(g.w.retry_after_ms, -1);
	assert_false(g.w.should_not_retry);
}

static void
was_heard(const char *what, int times)
{
	int n = 0;

	for (const char *p = heard; (p = strcasestr(p, what)); p++)
		n++;
	if (n != times)
		fail_msg("'%s' was sent %d times, not %d:\n%s", what, n, times,
		    heard);
}

/* One handle serves them all, and remembers what it was told last. */
static void
nothing_of_a_request_is_left_in_the_next(void **state)
{
	struct header_line own[] = { { STR("X-Mine"), STR("1") },
	    { STR("User-Agent"), STR("mine") } };
	struct header_line encoding = { STR("accept-encoding"),
	    STR("identity") };
	struct http_request q = request_to(port);
	char other[80];
	struct got g;

	(void)state;
	SAY(OK("", "2", "{}"));
	for (int i = 0; i < 2; i++) {
		q = request_to(port);
		ask_with(&g, q);
		is_answer(&g, 200, "{}");
		was_heard("POST /v1/x HTTP/1.1\r\n", 1);
		was_heard("\r\nUser-Agent: frugal/", 1);
		was_heard("\r\nAccept-Encoding: gzip\r\n", 1);
		was_heard("\r\nContent-Type: application/json\r\n", 1);
		was_heard("Expect", 0);
		was_heard("X-Mine", 0);
		was_heard("\r\n\r\n{}", 1);

		q.headers = own;
		q.n_headers = 2;
		snprintf(other, sizeof(other), "http://127.0.0.1:%d/y?z=1",
		    port);
		q.url = str_of(other);
		q.body = STR("{\"b\":1}");
		ask_with(&g, q);
		was_heard("POST /y?z=1 HTTP/1.1\r\n", 1);
		was_heard("\r\nX-Mine: 1\r\n", 1);
		was_heard("User-Agent: mine\r\n", 1);
		was_heard("User-Agent:", 1);
		was_heard("Accept-Encoding:", 1);
		was_heard("\r\n\r\n{\"b\":1}", 1);

		q.headers = &encoding;
		q.n_headers = 1;
		q.body = (struct str){ 0 };
		ask_with(&g, q);
		was_heard("GET /y?z=1 HTTP/1.1\r\n", 1);
		was_heard("User-Agent: frugal/", 1);
		was_heard("Accept-Encoding: identity\r\n", 1);
		was_heard("Accept-Encoding:", 1);
	}
	assert_int_equal(accepted, 1);
}

static void
a_server_may_forbid_a_retry(void **state)
{
	struct got g;

	(void)state;
	SAY(TOO_MANY("X-Should-Retry: false\r\n"));
	ask(&g);
	assert_true(g.w.should_not_retry);
	SAY(TOO_MANY("X-Should-Retry: true\r\n"));
	ask(&g);
	assert_false(g.w.should_not_retry);
}

/* Headers without end: in one answer, and in answers before the answer. */
static void
headers_are_bounded_together(void **state)
{
	static const char *const lines[] = {
		"X-Padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
		"a:\r\n",
	};
	struct got g;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		buf_init(&b, BUF_MAX);
		buf_adds(&b, "HTTP/1.1 200 OK\r\n");
		for (int k = 0; k < 999; k++)
			buf_adds(&b, lines[i]);
		buf_adds(&b, "Content-Length: 2\r\n\r\n{}");
		assert_false(b.failed);
		says.n = 1;
		says.pieces[0] = buf_str(&b);
		ask(&g);
		failed_as(&g, "too_long", true);
		buf_release(&b);
	}
	buf_init(&b, BUF_MAX);
	for (int k = 0; k < 600; k++)
		buf_adds(&b, "HTTP/1.1 103 Early Hints\r\n\r\n");
	buf_adds(&b, OK("", "2", "{}"));
	says.pieces[0] = buf_str(&b);
	ask(&g);
	failed_as(&g, "too_long", true);
	buf_release(&b);
	/* As many as any server has. */
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "HTTP/1.1 200 OK\r\n");
	for (int k = 0; k < 200; k++)
		buf_adds(&b, lines[0]);
	buf_adds(&b, "Content-Length: 2\r\n\r\n{}");
	says.pieces[0] = buf_str(&b);
	ask(&g);
	is_answer(&g, 200, "{}");
	buf_release(&b);
}

static void
one_header_without_end_is_too_long(void **state)
{
	struct got g;
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "HTTP/1.1 200 OK\r\nX-Padding: ");
	for (int k = 0; k < 20000; k++)
		buf_adds(&b, "aaaaaaaaaaaaaaa");
	buf_adds(&b, "\r\nContent-Length: 2\r\n\r\n{}");
	assert_false(b.failed);
	says.n = 1;
	says.pieces[0] = buf_str(&b);
	ask(&g);
	failed_as(&g, "too_long", true);
	buf_release(&b);
}

/* --- bodies --------------------------------------------------------------------- */

static void
a_body_may_be_as_long_as_allowed_and_no_longer(void **state)
{
	struct http_request q = request_to(port);
	struct got g;

	(void)state;
	q.max_body = 10;
	SAY(OK("", "10", "0123456789"));
	ask_with(&g, q);
	is_answer(&g, 200, "0123456789");
	SAY(OK("", "11", "0123456789a"));
	ask_with(&g, q);
	failed_as(&g, "too_long", true);
	assert_int_equal(g.w.status, 200);
	assert_true(g.w.truncated);
	/* Blank lines before an answer are part of none, but bounded. */
	SAY(OK("", "13", "\n\n\n0123456789"));
	ask_with(&g, q);
	is_answer(&g, 200, "0123456789");
	SAY(OK("", "13", "\n\n\n\n\n\n\n\n\n\n\n{}"));
	ask_with(&g, q);
	failed_as(&g, "too_long", true);
	SAY(OK("", "13", ": comments\n{}"));
	ask_with(&g, q);
	failed_as(&g, "too_long", true);
}

/* An answer that is a gzip file of n times c, and then "{}". */
static void
say_gzip(struct buf *b, char c, size_t n)
{
	z_stream z = { 0 };
	unsigned char out[65536];
	char in[4096];
	struct buf body;
	size_t done;

	memset(in, c, sizeof(in));
	buf_init(&body, BUF_MAX);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9,
	    Z_DEFAULT_STRATEGY), Z_OK);
	for (done = 0; done <= n; done += sizeof(in)) {
		bool last = done + sizeof(in) > n;
		z.next_in = (unsigned char *)(last ? "{}" : in);
		z.avail_in = last ? 2 : sizeof(in);
		do {
			z.next_out = out;
			z.avail_out = sizeof(out);
			deflate(&z, last ? Z_FINISH : Z_NO_FLUSH);
			buf_add(&body, (struct str){ (char *)out,
			    sizeof(out) - z.avail_out });
		} while (!z.avail_out);
	}
	deflateEnd(&z);
	buf_init(b, BUF_MAX);
	buf_addf(b, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
	    "Content-Length: %zu\r\n\r\n", body.n);
	buf_add(b, buf_str(&body));
	assert_false(b->failed || body.failed);
	buf_release(&body);
	says.n = 1;
	says.pieces[0] = buf_str(b);
}

/* 16 MB in 16 KB. */
static void
a_body_is_bounded_by_what_it_unfolds_to(void **state)
{
	static const char fill[] = { 'a', '\0', '\n', ' ', ':' };
	struct http_request q = request_to(port);
	struct got g;
	struct buf b;

	(void)state;
	q.max_body = 1 << 20;
	for (size_t i = 0; i < sizeof(fill); i++) {
		say_gzip(&b, fill[i], 16 << 20);
		assert_true(says.pieces[0].n < 20000);
		ask_with(&g, q);
		failed_as(&g, "too_long", true);
		assert_true(g.w.body.n <= q.max_body);
		buf_release(&b);
	}
	say_gzip(&b, ' ', 0);
	ask_with(&g, q);
	is_answer(&g, 200, "{}");
	buf_release(&b);
}

static void
comments_before_an_answer_are_left_out(void **state)
{
	struct got g;

	(void)state;
	says.between_ms = 2;
	SAY("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", ": keep",
	    "-alive {\n", "\r\n", ":", " x\n", "\n ", "{\"a\":\n", ": 1,\n",
	    "\n}", "\n:x\n");
	ask(&g);
	is_answer(&g, 200, "{\"a\":\n: 1,\n\n}\n:x\n");
}

/* --- when no status came -------------------------------------------------------- */

static void
a_server_that_does_not_listen_has_processed_nothing(void **state)
{
	struct got g;
	int to, fd = listen_on(&to, 1);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	ask_with(&g, request_to(to));
	failed_as(&g, "connect", false);
	assert_int_equal(g.w.status, 0);
}

static void
garbage_is_no_answer_but_may_be_billed(void **state)
{
	struct got g;

	(void)state;
	says.close_each = true;
	SAY("\001\002\003 garbage garbage garbage\r\n\r\n");
	ask(&g);
	failed_as(&g, "network", true);
}

static void
a_connection_that_is_cut_may_have_been_billed(void **state)
{
	struct got g;

	(void)state;
	says.close_each = true;
	SAY("");
	ask(&g);
	failed_as(&g, "network", true);
	assert_int_equal(g.w.status, 0);
	/* To libcurl an answer: its body is not JSON, which is noticed next. */
	SAY("HTTP/1.1 200 OK\r\nContent-Le");
	ask(&g);
	is_answer(&g, 200, "");
	SAY(OK("", "50", "{\"choices\": ["));
	ask(&g);
	failed_as(&g, "cut_off", true);
	SAY("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
	ask(&g);
	failed_as(&g, "network", true);
	SAY(OK("Content-Encoding: gzip\r\n", "30",
	    "this is no gzip file, you see."));
	ask(&g);
	failed_as(&g, "bad_encoding", true);
	assert_int_equal(requests, 5);
}

/* libcurl by itself would send it once more. */
static void
a_request_is_sent_once_when_a_used_connection_dies(void **state)
{
	struct got g;

	(void)state;
	says.silent = true;
	SAY(OK("", "2", "{}"));
	ask(&g);
	is_answer(&g, 200, "{}");
	ask(&g);
	failed_as(&g, "network", true);
	assert_int_equal(requests, 2);
}

static void
a_redirect_is_not_followed(void **state)
{
	struct got g;

	(void)state;
	SAY("HTTP/1.1 302 Found\r\nLocation: /v1/y\r\nContent-Length: 0\r\n"
	    "\r\n");
	ask(&g);
	is_answer(&g, 302, "");
	assert_int_equal(requests, 1);
}

/* libcurl cites what it cannot read. */
static void
a_proxys_password_is_not_told(void **state)
{
	static const char *const proxies[] = {
		"foo://user:hunter2@127.0.0.1:1", "http://user:hunter2@[::1",
		"http://user:hun'ter2@:x/", "user:hunter2@host:99999999",
		"http://us@er:hunter2@127.0.0.1:1 ",
	};
	struct http_request q = request_to(port);
	struct got g;

	(void)state;
	q.direct = false;
	for (size_t i = 0; i < sizeof(proxies) / sizeof(*proxies); i++) {
		setenv("http_proxy", proxies[i], 1);
		ask_with(&g, q);
		assert_true(g.failure[0]);
		assert_null(strstr(g.failure, "ter2"));
		assert_null(strstr(g.failure, "user"));
		assert_false(g.w.sent);
	}
	unsetenv("http_proxy");
}

static void
a_password_in_a_url_is_not_told(void **state)
{
	static const char *const urls[] = {
		"http://user:hunter2@127.0.0.1:99999999/", "http://user:hunter2@",
		"http://user:hunter2@host name/", "ftp://user:hunter2@127.0.0.1/",
		"http://user:hunter2@[::1/", "foo://user:hunter2@127.0.0.1:1/",
	};
	struct http_request q = request_to(port);
	struct got g;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		q.url = str_of(urls[i]);
		ask_with(&g, q);
		failed_as(&g, "url", false);
		assert_null(strstr(g.failure, "hunter2"));
		assert_null(strstr(g.failure, "user"));
	}
}

/* --- time ------------------------------------------------------------------------- */

static void
any_timeout_ends_a_call(void **state)
{
	static const int64_t timeouts[] = { 1, 2, 30, -1, INT64_MIN };
	struct http_request q = request_to(port);
	struct got g;

	(void)state;
	/* The server says nothing. */
	for (size_t i = 0; i < sizeof(timeouts) / sizeof(*timeouts); i++) {
		q.timeout_ms = timeouts[i];
		ask_with(&g, q);
		assert_string_equal(g.code, "timeout");
		assert_int_equal(g.w.status, 0);
	}
	q.timeout_ms = 60000;
	q.idle_timeout_ms = -1;
	ask_with(&g, q);
	assert_string_equal(g.code, "timeout");
	/* Long ones are long. */
	says.between_ms = 50;
	SAY("", OK("", "2", "{}"));
	q.timeout_ms = q.connect_timeout_ms = (INT64_C(1) << 32) + 1;
	q.idle_timeout_ms = (INT64_C(1) << 32) + 1;
	ask_with(&g, q);
	is_answer(&g, 200, "{}");
	q.timeout_ms = q.connect_timeout_ms = q.idle_timeout_ms = INT64_MAX;
	ask_with(&g, q);
	is_answer(&g, 200, "{}");
}

static void
a_timeout_after_the_request_may_be_billed(void **state)
{
	struct http_request q = request_to(port);
	struct got g = { 0 };

	(void)state;
	q.timeout_ms = 60000;
	SAY("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{");
	q.idle_timeout_ms = 50;
	ask_the_idle(&g, q);
	failed_as(&g, "timeout", true);
	assert_string_equal(g.failure,
	    "nothing of an answer came for longer than idle_timeout");
}

/* A queue that is full answers no knock. */
static void
a_timeout_while_connecting_is_free(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct http_request q;
	struct got g;
	int to, fill[8], fd = listen_on(&to, 0);

	(void)state;
	assert_true(fd >= 0);
	a.sin_port = htons((uint16_t)to);
	for (int i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_true(fill[i] >= 0);
		(void)connect(fill[i], (struct sockaddr *)&a, sizeof(a));
	}
	q = request_to(to);
	q.timeout_ms = 50;
	ask_with(&g, q);
	failed_as(&g, "timeout", false);
	/* libcurl closed that socket without a word; its number comes back. */
	SAY(OK("", "2", "{}"));
	for (int i = 0; i < 8; i++) {
		q = request_to(to);
		q.connect_timeout_ms = 20;
		ask_with(&g, q);
		failed_as(&g, "timeout", false);
		ask(&g);
		is_answer(&g, 200, "{}");
	}
	for (int i = 0; i < 8; i++)
		close(fill[i]);
	close(fd);
}

/* Without an end, were these signs of life. */
static void
comments_and_blank_lines_are_no_sign_of_life(void **state)
{
	struct http_request q = request_to(port);
	struct got g;

	(void)state;
	q.idle_timeout_ms = 100;
	q.timeout_ms = 600000;
	says.between_ms = 10;
	says.again = INT32_MAX;
	SAY("HTTP/1.1 200 OK\r\n\r\n", "\n");
	ask_the_idle(&g, q);
	failed_as(&g, "timeout", true);
	SAY("HTTP/1.1 200 OK\r\n\r\n", ": keep-alive\n\n");
	ask_the_idle(&g, q);
	failed_as(&g, "timeout", true);
	/* In mid-answer, too, and in pieces. */
	SAY("HTTP/1.1 200 OK\r\n\r\ndata: x\n\n", ":", " keep", "-alive");
	ask_the_idle(&g, q);
	failed_as(&g, "timeout", true);
	SAY("HTTP/1.1 103 Early Hints\r\n\r\n");
	ask_with(&g, q);
	assert_string_equal(g.code, "timeout");
}

/* 20 pieces, 60 ms apart: 1.2 s, of which 1 s would be too long a silence. A
 * machine that stalls for that long has to do it again. */
static void
an_answer_that_drips_is_alive(void **state)
{
	struct http_request q = request_to(port);
	struct got g;

	(void)state;
	q.idle_timeout_ms = 1000;
	says.between_ms = 60;
	says.again = 19;
	SAY("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", "x\n");
	for (int tries = 0; tries < 10; tries++) {
		says.said_ms = clock_mono_ms();
		says.longest_ms = 0;
		ask_with(&g, q);
		end_silence();
		if (!g.failure[0] ||
		    says.longest_ms < q.idle_timeout_ms / 2)
			break;
	}
	assert_string_equal(g.failure, "");
	assert_int_equal(g.w.body.n, 40);
}

/* --- connections ------------------------------------------------------------------ */

/* n requests, as many at once as there are connections. */
static void
ask_many(int n)
{
	struct http_request q = request_to(port);
	struct got *g = calloc((size_t)n, sizeof(*g));

	assert_non_null(g);
	for (int i = 0; i < n; i++)
		assert_int_equal(http_send(h, &q, on_done, &g[i], NULL, &e), 0);
	while (http_in_flight(h))
		assert_int_equal(http_turn(h, 1000, &e), 0);
	for (int i = 0; i < n; i++) {
		assert_int_equal(g[i].done, 1);
		is_answer(&g[i], 200, "{}");
	}
	free(g);
}

static void
connections_are_used_again(void **state)
{
	(void)state;
	SAY(OK("", "2", "{}"));
	ask_many(40);
	ask_many(40);
	assert_int_equal(requests, 80);
	assert_int_equal(http_connections_opened(h), 4);
	assert_int_equal(accepted, 4);
}

static void
only_what_the_server_closed_is_opened_again(void **state)
{
	(void)state;
	SAY(OK("Connection: close\r\n", "2", "{}"));
	says.close_each = true;
	ask_many(40);
	assert_int_equal(http_connections_opened(h), 40);
	assert_int_equal(accepted, 40);
	/* The next one is kept, and used again. */
	says.close_each = false;
	SAY(OK("", "2", "{}"));
	ask_many(40);
	assert_int_equal(http_connections_opened(h), 44);
}

static void
one_at_a_time_needs_one_connection(void **state)
{
	struct got g;

	(void)state;
	SAY(OK("", "2", "{}"));
	for (int i = 0; i < 20; i++)
		ask(&g);
	assert_int_equal(http_connections_opened(h), 1);
}

/* From within the callback of the one before, as cascade/calls.c does it. */
static struct got chain[50];
static int n_chain;

static void
ask_next(void *cookie, const struct wire_reply *w, int64_t latency_ms)
{
	struct http_request q = request_to(port);

	on_done(cookie, w, latency_ms);
	if (n_chain < 50) {
		int i = n_chain++;
		assert_int_equal(http_send(h, &q, ask_next, &chain[i], NULL,
		    &e), 0);
	}
}

static void
a_call_from_a_callback_takes_up_the_connection(void **state)
{
	struct http_request q = request_to(port);

	(void)state;
	SAY(OK("", "2", "{}"));
	n_chain = 4;
	for (int i = 0; i < 4; i++)
		assert_int_equal(http_send(h, &q, ask_next, &chain[i], NULL,
		    &e), 0);
	while (http_in_flight(h))
		assert_int_equal(http_turn(h, 1000, &e), 0);
	assert_int_equal(requests, 50);
	assert_int_equal(http_connections_opened(h), 4);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(headers_without_limits_say_nothing),
		T(limits_are_read_by_the_servers_clock),
		T(retry_after_is_what_the_server_meant),
		T(a_server_may_forbid_a_retry),
		T(headers_of_an_interim_answer_do_not_count),
		T(nothing_of_a_request_is_left_in_the_next),
		T(headers_are_bounded_together),
		T(one_header_without_end_is_too_long),
		T(a_body_may_be_as_long_as_allowed_and_no_longer),
		T(a_body_is_bounded_by_what_it_unfolds_to),
		T(comments_before_an_answer_are_left_out),
		T(a_server_that_does_not_listen_has_processed_nothing),
		T(garbage_is_no_answer_but_may_be_billed),
		T(a_connection_that_is_cut_may_have_been_billed),
		T(a_request_is_sent_once_when_a_used_connection_dies),
		T(a_redirect_is_not_followed),
		T(a_proxys_password_is_not_told),
		T(a_password_in_a_url_is_not_told),
		T(any_timeout_ends_a_call),
		T(a_timeout_after_the_request_may_be_billed),
		T(a_timeout_while_connecting_is_free),
		T(comments_and_blank_lines_are_no_sign_of_life),
		T(an_answer_that_drips_is_alive),
		T(connections_are_used_again),
		T(only_what_the_server_closed_is_opened_again),
		T(one_at_a_time_needs_one_connection),
		T(a_call_from_a_callback_takes_up_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
