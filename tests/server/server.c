/*
 * server.c -- connections and the event loop: epoll, level-triggered.
 *
 * A connection is in one of these states:
 *
 *   READING   collecting a request     -> WAITING, SENDING, SILENT or closed
 *   WAITING   an answer is ready, its delay is not over   -> SENDING
 *   SENDING   as much as the socket takes; or, dripping, a few bytes for each
 *             tick of its timer        -> READING or closed
 *   SILENT    never answers, or no further -> closed by the other side
 *   STREAMS   HTTP/2: reads and writes at any time, see http2.h -> LEAVING
 *   LEAVING   nothing more is said; what still comes is thrown away, for
 *             closing with it unread would take back what was said
 *
 * While an answer is due nothing is read: further requests on the connection
 * stay in the socket. A connection that has ended is freed at the end of the
 * turn, since what is going on may still look at it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"
#include "tests/server/http2.h"
#include "tests/server/server.h"
#include "tests/server/tls.h"

#define HEAD_MAX ((size_t)64 << 10)
#define REQUEST_MAX ((size_t)64 << 20)
#define READ_SIZE ((size_t)16 << 10)
#define KEEP_MAX ((size_t)256 << 10) /* larger buffers are not kept */
#define DRIP_BYTES 16
#define EVENTS 256
#define TLS_HANDSHAKE 0x16 /* RFC 8446, 5.1: the first byte */

enum state { READING, WAITING, SENDING, SILENT, STREAMS, LEAVING, ENDED };

/* What comes after the answer. */
enum after { AFTER_KEEP, AFTER_CLOSE, AFTER_RESET, AFTER_STALL };

struct conn {
	struct heap_entry timer; /* first member */
	struct server *server;
	struct conn *prev, *next;
	int fd;
	struct tls *tls;  /* NULL: in clear, or not yet known */
	struct http2 *h2; /* NULL: HTTP/1.1, or not yet known */
	bool known;       /* whether it is TLS */
	bool agreed;      /* on HTTP/2 or not */
	uint32_t events;  /* that epoll watches for */
	enum state state;
	enum after after;
	struct buf in;
	struct buf body;  /* of a chunked request, as far as it has come */
	size_t chunk_at;  /* in `in`; 0: no chunk was looked at */
	bool continued;   /* 100 Continue was sent */
	struct buf out;
	size_t sent;
	size_t send_to;   /* how much of `out` may be sent by now */
	int64_t drip_ms;  /* 0: all at once */
	int64_t number;   /* of the request that is being answered */
	bool counted;     /* site_done() is owed, */
	struct charge charge; /* with this */
	bool whole;       /* all that was to be sent was */
};

struct server {
	struct site *site;
	struct tls_server *tls; /* NULL: all is in clear */
	int64_t max_streams;
	int epoll_fd, listen_fd, signal_fd;
	int port;
	bool accepting;
	size_t n_conns, max_conns;
	struct conn *conns; /* all that live */
	struct conn *ended; /* linked by next, freed when the turn is over */
	struct heap timers;
	struct buf body;    /* of the answer being made */
	int64_t now_ms;
};

static void conn_work(struct conn *c);
static void conn_streams(struct conn *c);

static bool
watch(struct server *s, int op, int fd, uint32_t events, void *what)
{
	struct epoll_event ev = { .events = events, .data.ptr = what };

	return epoll_ctl(s->epoll_fd, op, fd, &ev) == 0;
}

/* The listening socket rests while there are too many connections. */
static void
set_accepting(struct server *s, bool accepting)
{
	if (s->accepting != accepting &&
	    watch(s, EPOLL_CTL_MOD, s->listen_fd, accepting ? EPOLLIN : 0,
	    &s->listen_fd))
		s->accepting = accepting;
}

static void
conn_end(struct conn *c)
{
	struct server *s = c->server;
	struct linger reset = { .l_onoff = 1 };

	if (c->state == ENDED)
		return;
	if (c->after == AFTER_RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset,
		    sizeof(reset));
	http2_free(c->h2);
	tls_free(c->tls, c->after == AFTER_CLOSE);
	close(c->fd);
	if (c->counted)
		site_done(s->site, &c->charge, c->whole);
	heap_remove(&s->timers, &c->timer);
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->next = s->ended;
	s->ended = c;
	c->state = ENDED;
	s->n_conns--;
	set_accepting(s, true);
}

static void
free_ended(struct server *s)
{
	struct conn *c;

	while ((c = s->ended)) {
		s->ended = c->next;
		buf_release(&c->in);
		buf_release(&c->body);
		buf_release(&c->out);
		free(c);
	}
}

static void
conn_watch(struct conn *c, uint32_t events)
{
	if (c->state == ENDED || c->events == events)
		return;
	if (!watch(c->server, EPOLL_CTL_MOD, c->fd, events, c))
		conn_end(c);
	c->events = events;
}

static void
set_timer(struct conn *c, int64_t ms)
{
	struct server *s = c->server;

	if (!heap_set(&s->timers, &c->timer, s->now_ms + ms))
		conn_end(c);
}

static void
reuse(struct buf *b)
{
	if (b->cap > KEEP_MAX)
		buf_release(b);
	else
		buf_clear(b);
}

/* The answer is out. */
static void
conn_sent(struct conn *c)
{
	if (c->after == AFTER_STALL) {
		c->state = SILENT;
		conn_watch(c, EPOLLRDHUP);
		return;
	}
	c->whole = true;
	if (c->after != AFTER_KEEP) {
		conn_end(c);
		return;
	}
	if (c->counted)
		site_done(c->server->site, &c->charge, true);
	c->counted = false;
	reuse(&c->out);
	c->state = READING;
	conn_watch(c, EPOLLIN);
}

/* The other side has closed the connection: it did not wait for the answer,
 * which the kernel would still take. A server that stalls may be late. */
static bool
is_gone(const struct conn *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static ssize_t
put(struct conn *c, const char *p, size_t n)
{
	if (c->tls)
		return tls_send(c->tls, p, n);
	return send(c->fd, p, n, MSG_NOSIGNAL);
}

/* As much of `out` as may and can be sent. */
static void
push(struct conn *c)
{
	while (c->state != ENDED && c->sent < c->send_to) {
		ssize_t n = put(c, c->out.p + c->sent, c->send_to - c->sent);

		if (n >= 0)
			c->sent += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			conn_end(c);
	}
}

static void
conn_send(struct conn *c)
{
	if (c->counted && c->sent == 0 && is_gone(c)) {
		conn_end(c);
		return;
	}
	if (c->state == SENDING)
		push(c);
	if (c->state != SENDING)
		return;
	if (c->sent == c->out.n) {
		conn_sent(c);
	} else if (c->sent < c->send_to) {
		conn_watch(c, EPOLLOUT);
	} else {
		conn_watch(c, EPOLLRDHUP);
		set_timer(c, c->drip_ms);
	}
}

/* The session is over: say so, and wait for the other side to close. */
static void
leave(struct conn *c)
{
	tls_free(c->tls, true);
	c->tls = NULL;
	c->state = LEAVING;
	heap_remove(&c->server->timers, &c->timer);
	shutdown(c->fd, SHUT_WR);
	conn_watch(c, EPOLLIN);
}

/* Send what the streams have to say, and listen for more. */
static void
conn_streams(struct conn *c)
{
	int64_t due;

	do {
		if (c->sent == c->out.n) {
			http2_sent(c->h2);
			reuse(&c->out);
			c->sent = 0;
			if (!http2_give(c->h2, &c->out)) {
				conn_end(c);
				return;
			}
			c->send_to = c->out.n;
		}
		push(c);
		if (c->state == ENDED)
			return;
	} while (c->out.n > 0 && c->sent == c->out.n);
	if (c->sent == c->out.n && http2_is_over(c->h2)) {
		leave(c);
		return;
	}
	conn_watch(c, EPOLLIN | (c->sent < c->out.n ? EPOLLOUT : 0));
	due = http2_due(c->h2);
	if (due < INT64_MAX && c->state != ENDED)
		set_timer(c, due - c->server->now_ms);
	else
		heap_remove(&c->server->timers, &c->timer);
}

static void
conn_timer(struct conn *c)
{
	if (c->state == STREAMS) {
		http2_tick(c->h2, c->server->now_ms);
		conn_streams(c);
		return;
	}
	if (c->state == WAITING) {
		c->state = SENDING;
	} else {
		c->send_to += DRIP_BYTES;
		if (c->send_to > c->out.n)
			c->send_to = c->out.n;
	}
	conn_send(c);
	conn_work(c);
}

static const char *
reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 402: return "Payment Required";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 409: return "Conflict";
	case 413: return "Content Too Large";
	case 422: return "Unprocessable Content";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	}
	return "Scripted";
}

/* Head and body into c->out; the size of the head. */
static size_t
put_response(struct conn *c, const struct response *r)
{
	size_t head;

	buf_addf(&c->out, "HTTP/1.1 %d %s\r\n", r->status,
	    reason(r->status));
	if (r->chunked)
		buf_adds(&c->out, "Transfer-Encoding: chunked\r\n");
	else
		buf_addf(&c->out, "Content-Length: %zu\r\n", r->body->n);
	if (r->type)
		buf_addf(&c->out, "Content-Type: %s\r\n", r->type);
	if (r->close)
		buf_adds(&c->out, "Connection: close\r\n");
	buf_add(&c->out, r->headers);
	buf_adds(&c->out, "\r\n");
	head = c->out.n;
	buf_add(&c->out, buf_str(r->body));
	return head;
}

static void
respond(struct conn *c, const struct response *r)
{
	size_t head = put_response(c, r);

	c->after = r->close ? AFTER_CLOSE : AFTER_KEEP;
	c->number = r->number;
	c->counted = r->counted;
	c->charge = r->charge;
	c->whole = false;
	c->state = r->fault == FAULT_SILENCE ? SILENT : SENDING;
	c->drip_ms = r->fault == FAULT_DRIP ||
	    r->fault == FAULT_DRIP_HEAD ? r->drip_ms : 0;
	switch (r->fault) {
	case FAULT_NONE:
	case FAULT_SILENCE:
	case FAULT_DRIP:
	case FAULT_DRIP_HEAD:
	case FAULT_BAD_JSON:
	case FAULT_GARBAGE:
		break;
	case FAULT_RESET_BEFORE:
	case FAULT_REFUSE:
	case FAULT_GOAWAY:
		buf_cut(&c->out, 0);
		c->after = AFTER_RESET;
		break;
	case FAULT_RESET_AFTER_HEADERS:
		buf_cut(&c->out, head);
		c->after = AFTER_RESET;
		break;
	case FAULT_BAD_CHUNK:
	case FAULT_CUT_CHUNK:
		c->after = AFTER_CLOSE;
		break;
	case FAULT_TRUNCATE:
		buf_cut(&c->out, head + (c->out.n - head) / 2);
		c->after = AFTER_CLOSE;
		break;
	case FAULT_STALL:
		buf_cut(&c->out, head + (c->out.n - head) / 2);
		c->after = AFTER_STALL;
		break;
	case FAULT_CLOSE_AFTER_REQUEST:
		buf_cut(&c->out, 0);
		c->after = AFTER_CLOSE;
		break;
	}
	c->sent = 0;
	c->send_to = c->drip_ms == 0 ? c->out.n :
	    r->fault == FAULT_DRIP ? head : 1;
	if (c->out.failed) {
		conn_end(c);
	} else if (c->state == SILENT) {
		conn_watch(c, EPOLLRDHUP);
	} else if (r->delay_ms > 0) {
		c->state = WAITING;
		conn_watch(c, EPOLLRDHUP);
		set_timer(c, r->delay_ms);
	} else {
		conn_send(c);
	}
}

static void
refuse(struct conn *c, int status)
{
	struct response r = {
		.status = status, .type = "text/plain", .close = true,
		.body = &c->server->body,
	};

	buf_clear(r.body);
	buf_addf(r.body, "%s\n", reason(status));
	respond(c, &r);
}

/* The delay of the answer to this request is over; < 0: of all. They go out at
 * the end of the turn. */
static void
release(struct server *s, int64_t number)
{
	struct conn *next;

	for (struct conn *c = s->conns; c; c = next) {
		next = c->next;
		if (c->state == WAITING && (number < 0 || c->number == number))
			set_timer(c, 0);
	}
}

/* The whole body of a request. */
static enum http1_result
take_body(struct conn *c, const struct http1_head *h, struct str *body,
    size_t *size)
{
	struct str in = buf_str(&c->in);
	enum http1_result got;

	if (!h->chunked) {
		*size = h->size + (size_t)h->content_length;
		*body = str_sub(in, h->size, (size_t)h->content_length);
		return in.n < *size ? HTTP1_MORE : HTTP1_DONE;
	}
	if (c->chunk_at == 0)
		c->chunk_at = h->size;
	got = http1_chunks(in, &c->chunk_at, &c->body);
	*body = buf_str(&c->body);
	*size = c->chunk_at;
	return c->body.failed ? HTTP1_BAD : got;
}

static void
answer(struct conn *c, const struct http1_head *h, struct str body)
{
	struct response r = { .body = &c->server->body };

	reuse(r.body);
	site_answer(c->server->site, h, body, &r);
	r.close |= !h->keep_alive;
	if (r.release)
		release(c->server, r.release);
	if (!r.body->failed) {
		respond(c, &r);
		return;
	}
	if (r.counted)
		site_done(c->server->site, &r.charge, false);
	refuse(c, 500);
}

/* What is left of the input is the next request. */
static void
forget_request(struct conn *c, size_t size)
{
	struct buf rest;

	if (c->in.n == size) {
		reuse(&c->in);
	} else {
		buf_init(&rest, REQUEST_MAX);
		buf_add(&rest, str_sub(buf_str(&c->in), size, c->in.n));
		if (rest.failed)
			conn_end(c);
		buf_release(&c->in);
		c->in = rest;
	}
	reuse(&c->body);
	c->chunk_at = 0;
	c->continued = false;
}

static void
ask_for_more(struct conn *c, const struct http1_head *h)
{
	static const char more[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!h->expects_continue || c->continued)
		return;
	c->continued = true;
	/* Nothing else is on its way out, so so little always fits. */
	if (put(c, more, sizeof(more) - 1) < 0)
		conn_end(c);
}

/* One request, if all of it is there. */
static bool
take_request(struct conn *c)
{
	struct http1_head h;
	struct str body;
	size_t size;

	switch (http1_head(buf_str(&c->in), &h)) {
	case HTTP1_BAD:
		refuse(c, 400);
		return false;
	case HTTP1_MORE:
		if (c->in.n > HEAD_MAX)
			refuse(c, 431);
		return false;
	case HTTP1_DONE:
		break;
	}
	if (h.content_length > (int64_t)(REQUEST_MAX - HEAD_MAX)) {
		refuse(c, 413);
		return false;
	}
	switch (take_body(c, &h, &body, &size)) {
	case HTTP1_BAD:
		refuse(c, 400);
		return false;
	case HTTP1_MORE:
		ask_for_more(c, &h);
		return false;
	case HTTP1_DONE:
		break;
	}
	answer(c, &h, body);
	forget_request(c, size);
	return true;
}

/* Answer what has come. */
static void
conn_work(struct conn *c)
{
	while (c->state == READING && c->in.n > 0 && take_request(c))
		;
}

/* TLS or in clear, and which HTTP: false, if that cannot be told yet. */
static bool
find_out(struct conn *c)
{
	struct server *s = c->server;
	unsigned char first;

	if (!c->known && s->tls) {
		if (recv(c->fd, &first, 1, MSG_PEEK) != 1)
			return true; /* it has ended, as will be seen */
		if (first == TLS_HANDSHAKE) {
			s->site->stats.tls++;
			c->tls = tls_accept(s->tls, c->fd);
			if (!c->tls)
				return false;
		}
	}
	c->known = true;
	return true;
}

/* HTTP/2 has been agreed on. */
static bool
begin_streams(struct conn *c)
{
	c->h2 = http2_new(c->server->site, c->server->max_streams);
	c->state = STREAMS;
	return c->h2 != NULL;
}

/* What has come is taken by the streams. */
static void
take_streams(struct conn *c)
{
	bool taken = http2_take(c->h2, buf_str(&c->in), c->server->now_ms);

	buf_clear(&c->in);
	if (taken)
		conn_streams(c);
	else
		conn_end(c);
}

/* Read once; whether there may be more. */
static bool
read_some(struct conn *c)
{
	ssize_t n;

	if (!buf_reserve(&c->in, READ_SIZE)) {
		refuse(c, 413);
		return false;
	}
	n = c->tls ? tls_recv(c->tls, c->in.p + c->in.n, READ_SIZE)
	    : recv(c->fd, c->in.p + c->in.n, c->in.cap - 1 - c->in.n, 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		conn_end(c);
		return false;
	}
	if (n < 0)
		return false;
	c->in.n += (size_t)n;
	c->in.p[c->in.n] = '\0';
	return true;
}

static void
conn_read(struct conn *c)
{
	if (!find_out(c)) {
		conn_end(c);
		return;
	}
	do {
		if (!read_some(c))
			return;
		if (c->state == LEAVING) {
			buf_clear(&c->in);
			continue;
		}
		if (c->tls && !c->agreed && tls_is_http2(c->tls) &&
		    !begin_streams(c)) {
			conn_end(c);
			return;
		}
		c->agreed = true;
		if (c->state == STREAMS)
			take_streams(c);
		else
			conn_work(c);
	} while (c->state != ENDED && c->tls && tls_pending(c->tls));
}

static void
conn_event(struct conn *c, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP)) {
		conn_end(c);
	} else if (c->state == STREAMS) {
		if (events & EPOLLIN)
			conn_read(c);
		else
			conn_streams(c);
	} else if (c->state == READING || c->state == LEAVING) {
		conn_read(c);
	} else if (events & EPOLLRDHUP) {
		conn_end(c); /* nobody waits for the answer any more */
	} else if (events & EPOLLOUT) {
		conn_send(c);
		conn_work(c);
	}
}

static bool
conn_open(struct server *s, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int on = 1;

	if (!c)
		return false;
	c->server = s;
	c->fd = fd;
	c->events = EPOLLIN;
	buf_init(&c->in, REQUEST_MAX);
	buf_init(&c->body, REQUEST_MAX);
	buf_init(&c->out, BUF_MAX);
	if (!watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, c)) {
		free(c);
		return false;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->next = s->conns;
	if (c->next)
		c->next->prev = c;
	s->conns = c;
	s->n_conns++;
	s->site->stats.connections++;
	return true;
}

static void
accept_all(struct server *s)
{
	while (s->n_conns < s->max_conns) {
		int fd = accept4(s->listen_fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0)
			break;
		if (!conn_open(s, fd))
			close(fd);
	}
	set_accepting(s, false);
}

static int
open_listener(struct server *s, int port, struct err *e)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(at);
	int on = 1;

	s->listen_fd = socket(AF_INET,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listen_fd < 0)
		return err_sys(e, ERR_IO, "cannot make a socket");
	setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s->listen_fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(s->listen_fd, 4096) < 0 ||
	    getsockname(s->listen_fd, (struct sockaddr *)&at, &size) < 0)
		return err_sys(e, ERR_IO, "cannot listen on port %d", port);
	s->port = ntohs(at.sin_port);
	s->accepting = true;
	return 0;
}

static int
open_signals(struct server *s, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, ERR_IO, "cannot block signals");
	s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->signal_fd < 0)
		return err_sys(e, ERR_IO, "cannot watch for signals");
	return 0;
}

/* As many connections as there may be descriptors, less a few. */
static size_t
most_connections(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 512;
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_cur > 16384)
		limit.rlim_cur = 16384;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 512;
	return limit.rlim_cur > 64 ? (size_t)limit.rlim_cur - 32 : 32;
}

int
server_open(struct server **out, struct site *site,
    const struct server_options *o, struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(e);
	s->site = site;
	s->max_streams = o->max_streams;
	s->listen_fd = s->signal_fd = -1;
	s->max_conns = most_connections();
	buf_init(&s->body, BUF_MAX);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0) {
		err_sys(e, ERR_IO, "cannot make an epoll descriptor");
		goto fail;
	}
	if (o->tls_cert &&
	    tls_server_new(&s->tls, o->tls_cert, !o->http1, e) < 0)
		goto fail;
	if (open_listener(s, (int)o->port, e) < 0 || open_signals(s, e) < 0)
		goto fail;
	if (!watch(s, EPOLL_CTL_ADD, s->listen_fd, EPOLLIN, &s->listen_fd) ||
	    !watch(s, EPOLL_CTL_ADD, s->signal_fd, EPOLLIN, &s->signal_fd)) {
		err_sys(e, ERR_IO, "cannot watch the socket");
		goto fail;
	}
	*out = s;
	return 0;
fail:
	server_close(s);
	return -1;
}

int
server_port(const struct server *s)
{
	return s->port;
}

void
server_close(struct server *s)
{
	if (!s)
		return;
	while (s->conns)
		conn_end(s->conns);
	free_ended(s);
	tls_server_free(s->tls);
	heap_release(&s->timers);
	buf_release(&s->body);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	free(s);
}

static void
run_timers(struct server *s)
{
	struct heap_entry *first;

	while ((first = heap_first(&s->timers)) && first->due_ms <= s->now_ms) {
		heap_remove(&s->timers, first);
		conn_timer((struct conn *)first);
	}
}

static int
wait_ms(const struct server *s, int64_t end_ms)
{
	const struct heap_entry *first = heap_first(&s->timers);
	int64_t ms = end_ms - s->now_ms;

	if (first && first->due_ms - s->now_ms < ms)
		ms = first->due_ms - s->now_ms;
	return ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

/* What has happened; false: a signal to end. */
static bool
turn(struct server *s, const struct epoll_event *events, int n)
{
	bool go_on = true;

	for (int i = 0; i < n; i++) {
		void *what = events[i].data.ptr;

		if (what == &s->signal_fd)
			go_on = false;
		else if (what == &s->listen_fd)
			accept_all(s);
		else
			conn_event(what, events[i].events);
	}
	run_timers(s);
	free_ended(s);
	return go_on;
}

int
server_run(struct server *s, int64_t lifetime_ms, struct err *e)
{
	struct epoll_event events[EVENTS];
	int64_t end_ms;
	int n;

	s->now_ms = clock_mono_ms();
	end_ms = s->now_ms + lifetime_ms;
	do {
		n = epoll_wait(s->epoll_fd, events, EVENTS,
		    wait_ms(s, end_ms));
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, "cannot wait for events");
		s->now_ms = clock_mono_ms();
	} while (turn(s, events, n) && s->now_ms < end_ms);
	return 0;
}
