/*
 * http.c -- libcurl's multi interface on epoll, one timer heap.
 *
 * One http_turn(): start new calls, make epoll agree with what libcurl wants to
 * hear of, wait, give events to libcurl and to watched descriptors, fire timers,
 * hand out finished calls, give a place to calls that waited for one.
 *
 * libcurl forgets a socket at the end of a transfer and asks for it again at
 * the start of the next. So its wishes are noted, and told to the kernel once
 * a turn: a connection that is busy again by then costs no system call.
 */
#include "providers/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "providers/libcurl.h"
#include "providers/origin.h"

#define EVENTS 256
#define NEVER INT64_MAX
#define GRACE_MS 1000
#define FLOWING_MS 50
#define SPARE_ANSWER ((size_t)4 << 10) /* bytes kept for the next answer, */
#define MOST_SPARE 64 /* by so many handles */
#define EXPECT_BYTES ((size_t)512 << 10) /* libcurl: from 1 MiB on */
#define USER_AGENT "User-Agent: frugal/" FRUGAL_VERSION
#define ACCEPT_ENCODING "gzip"
/* Of a request under way. libcurl takes 16 and, over HTTP/2, 64 KB. */
#define READ_BYTES 4096L
#define WRITE_BYTES 16384L /* no fewer can be set */

/* What is known of one descriptor, by number. */
struct fd_state {
	uint32_t wanted; /* by libcurl or a watcher: EPOLLIN, EPOLLOUT */
	uint32_t told;   /* what epoll was told; 0: not registered */
	bool dirty;      /* is in the list of the changed */
	void (*ready)(void *cookie); /* of a watcher; NULL: libcurl's */
	void *cookie;
};

struct http {
	CURLM *multi;
	struct origin *origins;
	struct place *places;
	int epoll;
	struct heap timers;
	int64_t curl_due; /* when libcurl wants to be called; NEVER */
	struct fd_state *fds;
	size_t n_fds;
	int *dirty;
	size_t n_dirty, cap_dirty;
	struct http_call *calls;  /* all that are not done */
	struct http_call *wait_head, **wait_tail; /* without a place */
	struct handle *spare; /* to be used again */
	size_t n_spare;
	struct curl_slist *common; /* headers that every request has, */
	struct curl_slist *least;  /* its tail: those that nobody replaces */
	const char *ca_file, *ca_path; /* what libcurl trusts by itself */
	size_t running, max_running, total;
	int64_t opened;
	bool nomem;
	bool no_tls;
};

/* A URL that requests go to. It is parsed once, where libcurl by itself parses it
 * and writes it out again for each of them. */
struct place {
	struct place *next;
	CURLU *parsed; /* NULL: it cannot be; the transfer will complain */
	char url[];
};

/*
 * An easy handle, with what it was told last: a request to the same place tells
 * it no more than its body.
 */
struct handle {
	struct handle *next; /* among the spare */
	struct http_call *call; /* whose it is */
	CURL *easy;
	const struct place *place;
	struct curl_slist *headers;
	bool direct, https;
	int64_t connect_timeout_ms;
	struct buf answer;
	struct buf told;    /* headers of interest: "name:value", a line each */
	char date[64];      /* the header of this name */
	char error[CURL_ERROR_SIZE];
};

struct http_call {
	struct http *h;
	struct http_call *next, **prev; /* in calls */
	struct http_call *wait_next;
	struct handle *handle; /* NULL: waits for a place */
	struct origin *origin;  /* NULL: in the clear */
	struct curl_slist *headers; /* its own, then the common ones */
	char *url;          /* while it waits */
	struct str body;
	bool begun;         /* a connection was given the request */
	bool again;         /* libcurl wanted to send it once more */
	size_t max_answer;
	size_t skipped;     /* bytes before the answer that say nothing */
	size_t header_bytes, header_lines;
	bool too_long, idle, direct;
	const char *ca_file;
	bool in_line, in_comment; /* of the answer's text: see payload_at() */
	http_done *done;
	void *cookie;
	int64_t connect_timeout_ms, timeout_ms, idle_timeout_ms;
	int64_t started_ms, heard_ms;
	struct http_timer timer; /* for both of: */
	int64_t end_ms;     /* the time of the whole is over; 0: never */
	int64_t grace_ms;   /* past that, but an answer is being read: until */
};

const char *
http_library(void)
{
	return libcurl_load(NULL) < 0 ? "no libcurl" : curl_version();
}

/* --- descriptors ------------------------------------------------------- */

static struct fd_state *
fd_state(struct http *h, int fd)
{
	size_t n = (size_t)fd + 1;

	if (n > h->n_fds) {
		size_t cap = h->n_fds ? h->n_fds : 64;
		while (cap < n)
			cap *= 2;
		struct fd_state *v = realloc(h->fds, cap * sizeof(*v));
		if (!v)
			return NULL;
		memset(v + h->n_fds, 0, (cap - h->n_fds) * sizeof(*v));
		h->fds = v;
		h->n_fds = cap;
	}
	return &h->fds[fd];
}

static bool
fd_want(struct http *h, int fd, uint32_t wanted)
{
	struct fd_state *s = fd_state(h, fd);

	if (!s)
		return false;
	s->wanted = wanted;
	if (s->dirty || s->wanted == s->told)
		return true;
	if (h->n_dirty == h->cap_dirty) {
		size_t cap = h->cap_dirty ? h->cap_dirty * 2 : 64;
		int *v = realloc(h->dirty, cap * sizeof(*v));
		if (!v)
			return false;
		h->dirty = v;
		h->cap_dirty = cap;
	}
	h->dirty[h->n_dirty++] = fd;
	s->dirty = true;
	return true;
}

static int
fd_tell(struct http *h, int fd, struct err *e)
{
	struct fd_state *s = &h->fds[fd];
	struct epoll_event ev = { .events = s->wanted, .data.fd = fd };
	int op;

	s->dirty = false;
	if (s->wanted == s->told)
		return 0;
	op = !s->told ? EPOLL_CTL_ADD
	    : !s->wanted ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
	/* What is to be forgotten may be closed, or another file by now. */
	if (epoll_ctl(h->epoll, op, fd, &ev) < 0 && op != EPOLL_CTL_DEL)
		return err_sys(e, ERR_IO, "cannot watch a socket");
	s->told = s->wanted;
	return 0;
}

static int
fd_tell_all(struct http *h, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < h->n_dirty; i++)
		if (fd_tell(h, h->dirty[i], e) < 0)
			rc = -1;
	h->n_dirty = 0;
	return rc;
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *cookie, void *unused)
{
	struct http *h = cookie;
	uint32_t wanted = 0;

	(void)easy;
	(void)unused;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		wanted |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		wanted |= EPOLLOUT;
	if (!fd_want(h, fd, wanted))
		h->nomem = true;
	return 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *cookie)
{
	struct http *h = cookie;

	(void)multi;
	h->curl_due = timeout_ms < 0 ? NEVER : clock_mono_ms() + timeout_ms;
	return 0;
}

/* The kernel drops a closed descriptor from epoll by itself: forget it too,
 * before its number comes back as another file. */
static void
fd_forget(struct http *h, int fd)
{
	if ((size_t)fd < h->n_fds)
		h->fds[fd].told = h->fds[fd].wanted = 0;
}

static int
on_close(void *cookie, curl_socket_t fd)
{
	fd_forget(cookie, fd);
	return close(fd);
}

/* Not all that libcurl closes it closes by on_close(): not, for one, a socket
 * whose connection took too long. A number that is opened is a new one. For a
 * request that has left it is none: see on_leaving(). */
static int
on_open(void *cookie, curl_socket_t fd, curlsocktype type)
{
	struct http_call *c = ((struct handle *)cookie)->call;

	(void)type;
	fd_forget(c->h, fd);
	c->again = c->begun;
	if (c->again)
		return CURL_SOCKOPT_ERROR;
	c->h->opened++;
	return CURL_SOCKOPT_OK;
}

/* --- opening and closing ------------------------------------------------ */

int
http_new(struct http **out, int max_connections, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return err_nomem(e);
	h->wait_tail = &h->wait_head;
	h->curl_due = NEVER;
	h->max_running = max_connections > 0 ? (size_t)max_connections : 1;
	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (h->epoll < 0) {
		http_free(h);
		return err_set(e, ERR_NET, "cannot start the event loop");
	}
	*out = h;
	return 0;
}

/* By its own options libcurl would write two of these twice over, a byte at a
 * time: once by themselves, and once into the request. */
static bool
make_headers(struct http *h)
{
	static const char *const lines[] = { USER_AGENT,
	    ("Accept-Encoding: " ACCEPT_ENCODING),
	    "Content-Type: application/json" };
	struct curl_slist *list = NULL, *last = NULL;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct curl_slist *longer = curl_slist_append(list, lines[i]);
		if (!longer) {
			curl_slist_free_all(list);
			return false;
		}
		list = longer;
	}
	for (last = list; last->next; last = last->next)
		;
	h->common = list;
	h->least = last;
	return true;
}

/* libcurl is loaded and started by the first request: an answer out of the
 * store does not pay for it. */
static int
start_curl(struct http *h, struct err *e)
{
	static bool global;
	const curl_version_info_data *about;

	if (h->multi)
		return 0;
	if (libcurl_load(e) < 0)
		return -1;
	if (!global && h->no_tls)
		libcurl_spare_tls();
	if (!global && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		goto fail;
	global = true;
	if (!h->common && !make_headers(h))
		goto fail;
	about = curl_version_info(CURLVERSION_NOW);
	h->ca_file = about->cainfo;
	h->ca_path = about->capath;
	h->multi = curl_multi_init();
	if (h->multi
	    && !curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket)
	    && !curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h)
	    && !curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer)
	    && !curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h)
	    && !curl_multi_setopt(h->multi, CURLMOPT_PIPELINING,
	    (long)CURLPIPE_MULTIPLEX)
	    && !curl_multi_setopt(h->multi, CURLMOPT_MAX_CONCURRENT_STREAMS,
	    (long)h->max_running)
	    && !curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS,
	    (long)h->max_running))
		return 0;
fail:
	return err_set(e, ERR_NET, "cannot start libcurl");
}

static bool
is_common(const struct http *h, const struct curl_slist *l)
{
	return l == h->common || l == h->least;
}

static void
free_headers(struct http_call *c)
{
	struct curl_slist *last = c->headers;

	if (!last || is_common(c->h, last))
		return;
	while (last->next && !is_common(c->h, last->next))
		last = last->next;
	last->next = NULL;
	curl_slist_free_all(c->headers);
}

static bool
may_start(const struct http_call *c)
{
	return c->h->running < c->h->max_running
	    && origin_lets_start(c->origin);
}

/* What it tells of its server. */
static void
tell_origin(struct http_call *c, bool answered)
{
	long version = 0;

	if (!c->origin)
		return;
	if (answered) {
		curl_easy_getinfo(c->handle->easy, CURLINFO_HTTP_VERSION,
		    &version);
		origin_answered(c->origin, version >= CURL_HTTP_VERSION_2_0);
	} else if (!c->begun) {
		origin_failed(c->origin);
	}
}

/* What points to it in the line; NULL: it is not in there. */
static struct http_call **
place_in_line(const struct http_call *c)
{
	struct http_call **p = &c->h->wait_head;

	while (*p && *p != c)
		p = &(*p)->wait_next;
	return *p ? p : NULL;
}

/* Out of the line, where *p is it. */
static void
leave_line(struct http *h, struct http_call **p)
{
	struct http_call *c = *p;

	*p = c->wait_next;
	if (!*p)
		h->wait_tail = p;
	c->wait_next = NULL;
}

static void
handle_free(struct handle *x)
{
	if (!x)
		return;
	curl_easy_cleanup(x->easy); /* of NULL: nothing */
	buf_release(&x->answer);
	buf_release(&x->told);
	free(x);
}

/* Keep it for the next call: nothing of this one's own stays in it. */
static void
handle_give_back(struct http *h, struct handle *x)
{
	curl_multi_remove_handle(h->multi, x->easy);
	if (x->headers != h->common) {
		curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, h->common);
		x->headers = h->common;
	}
	if (x->answer.cap > SPARE_ANSWER || h->n_spare >= MOST_SPARE)
		buf_release(&x->answer);
	x->call = NULL;
	x->next = h->spare;
	h->spare = x;
	h->n_spare++;
	h->running--;
}

static void
call_free(struct http_call *c)
{
	struct http *h = c->h;
	struct http_call **place;

	http_timer_stop(h, &c->timer);
	if (c->handle) {
		handle_give_back(h, c->handle);
		origin_ended(c->origin);
	} else if ((place = place_in_line(c))) {
		leave_line(h, place);
	}
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	h->total--;
	free_headers(c);
	free(c->url);
	free(c);
}

void
http_free(struct http *h)
{
	struct handle *x;
	struct place *p;

	if (!h)
		return;
	while (h->calls)
		call_free(h->calls);
	while ((x = h->spare)) {
		h->spare = x->next;
		handle_free(x);
	}
	while ((p = h->places)) {
		h->places = p->next;
		if (p->parsed)
			curl_url_cleanup(p->parsed);
		free(p);
	}
	if (h->multi)
		curl_multi_cleanup(h->multi);
	if (h->epoll >= 0)
		close(h->epoll);
	heap_release(&h->timers);
	origin_free_all(h->origins);
	if (h->common)
		curl_slist_free_all(h->common);
	free(h->fds);
	free(h->dirty);
	free(h);
}

void
http_spare_tls(struct http *h)
{
	h->no_tls = true;
}

size_t
http_in_flight(const struct http *h)
{
	return h->total;
}

int64_t
http_connections_opened(const struct http *h)
{
	return h->opened;
}

/* --- one call ----------------------------------------------------------- */

/* Called before a request leaves on a connection, hence a second time when
 * libcurl would send it once more: see http.h. */
static int
on_leaving(void *cookie, char *to_ip, char *from_ip, int to_port,
    int from_port)
{
	struct http_call *c = ((struct handle *)cookie)->call;

	(void)to_ip;
	(void)from_ip;
	(void)to_port;
	c->again = c->begun;
	c->begun = true;
	origin_left(c->origin, c, from_port);
	return c->again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* Is it one that read_headers() looks at? */
static bool
is_of_interest(struct str name)
{
	return limits_is_header(name)
	    || str_is_nocase(str_sub(name, 0, 5), "retry")
	    || str_is_nocase(name, "x-should-retry");
}

/* "Name: value", or the status line of this answer, or of one before it. */
static void
note_header(struct handle *x, struct str line)
{
	struct str value = line, name;
	size_t n;

	switch (line.n ? line.p[0] | 0x20 : 0) {
	case 'h':
		if (str_starts(line, "HTTP/")) {
			buf_clear(&x->told);
			x->date[0] = '\0';
		}
		return;
	case 'a': case 'd': case 'r': case 'x':
		break;
	default:
		return; /* nearly all: what they begin with says so */
	}
	if (x->answer.n || !str_cut(&value, ':', &name))
		return;
	value = str_trim(value);
	if (str_is_nocase(name, "date")) {
		n = value.n < sizeof(x->date) ? value.n : 0;
		memcpy(x->date, value.p, n);
		x->date[n] = '\0';
	} else if (is_of_interest(name)) {
		buf_add(&x->told, name);
		buf_addc(&x->told, ':');
		buf_add(&x->told, value);
		buf_addc(&x->told, '\n');
	}
}

/* All headers of an answer together: libcurl bounds but a single line. */
static size_t
on_header(char *from, size_t size, size_t count, void *cookie)
{
	struct handle *x = cookie;
	struct http_call *c = x->call;
	size_t n = size * count;

	c->header_bytes += n;
	c->header_lines++;
	if (c->header_bytes > HTTP_MAX_HEADERS
	    || c->header_lines > HTTP_MAX_HEADER_LINES) {
		c->too_long = true;
		return CURL_WRITEFUNC_ERROR;
	}
	note_header(x, (struct str){ from, n });
	return n;
}

/*
 * Where the first byte lies that is part of an answer; n: there is none. Blank
 * lines (DeepSeek) and lines that start with ':' (": keep-alive", and
 * OpenRouter's) keep a connection open but are no sign of life. A line may come
 * in several pieces.
 */
static size_t
payload_at(struct http_call *c, const char *p, size_t n)
{
	const char *lf, *cr, *end = p + n;
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] == '\n' || p[i] == '\r') {
			c->in_line = c->in_comment = false;
			continue;
		}
		if (!c->in_line)
			c->in_comment = p[i] == ':';
		c->in_line = true;
		if (!c->in_comment && p[i] != ' ' && p[i] != '\t')
			break;
	}
	if (i == n)
		return n;
	/* Of the rest the last line alone matters, to the next piece. */
	lf = memrchr(p + i, '\n', n - i);
	cr = memrchr(p + i, '\r', n - i);
	if (!lf || (cr && cr > lf))
		lf = cr;
	if (lf) {
		c->in_line = lf + 1 < end;
		c->in_comment = c->in_line && lf[1] == ':';
	}
	return i;
}

/* What comes is decompressed already, piece by piece: so a small body that
 * unfolds to a huge one is bounded, too. */
static size_t
on_write(char *from, size_t size, size_t count, void *cookie)
{
	struct handle *x = cookie;
	struct http_call *c = x->call;
	size_t n = size * count, skip = payload_at(c, from, n);

	if (skip < n)
		c->heard_ms = clock_mono_ms();
	if (x->answer.n)
		skip = 0;
	c->skipped += skip;
	c->too_long = c->skipped > c->max_answer
	    || n - skip > c->max_answer - x->answer.n;
	if (!c->too_long)
		buf_add(&x->answer, (struct str){ from + skip, n - skip });
	return c->too_long || x->answer.failed ? CURL_WRITEFUNC_ERROR : n;
}

static void finish(struct http_call *c, CURLcode code);

static void on_time(void *cookie);

/* When it has to be looked at next. */
static int
set_timer(struct http_call *c)
{
	int64_t idle = c->idle_timeout_ms > 0
	    ? c->heard_ms + c->idle_timeout_ms : NEVER;
	int64_t due = c->end_ms && c->end_ms < idle ? c->end_ms : idle;

	return due == NEVER ? 0 : http_timer_set(c->h, &c->timer, due, NULL);
}

/*
 * The time of the whole request is over. libcurl's own bound is not used: it
 * looks at the clock before it looks at the socket, so that after a suspend
 * answers that have long arrived, and are paid for, would be thrown away. Ours
 * is looked at when all sockets have been read (see http_turn), and an answer
 * that is just being read may end, for GRACE_MS.
 */
static bool
may_go_on(struct http_call *c, int64_t now)
{
	if (!c->grace_ms)
		c->grace_ms = now + GRACE_MS;
	if (!c->handle->answer.n || now - c->heard_ms >= FLOWING_MS
	    || now >= c->grace_ms)
		return false;
	c->end_ms = now + FLOWING_MS;
	return true;
}

static void
on_time(void *cookie)
{
	struct http_call *c = cookie;
	int64_t now = clock_mono_ms();

	if (c->end_ms && now >= c->end_ms && !may_go_on(c, now)) {
		finish(c, CURLE_OPERATION_TIMEDOUT);
		return;
	}
	if (c->idle_timeout_ms > 0
	    && now >= c->heard_ms + c->idle_timeout_ms) {
		c->idle = true;
		finish(c, CURLE_OPERATION_TIMEDOUT);
		return;
	}
	if (set_timer(c) < 0)
		finish(c, CURLE_OUT_OF_MEMORY);
}

static int
add_header(struct http_call *c, const char *name, struct str value)
{
	struct curl_slist *l;
	struct buf line;

	buf_init(&line, SECRET_MAX + 256);
	buf_addf(&line, "%s: %.*s", name, STR_ARG(value));
	l = line.failed ? NULL : curl_slist_append(c->headers, line.p);
	if (line.p)
		explicit_bzero(line.p, line.n);
	buf_release(&line);
	if (!l)
		return -1;
	c->headers = l;
	return 0;
}

static int
add_own_headers(struct http_call *c, const struct http_request *q)
{
	struct buf text;
	int rc = 0;

	for (size_t i = 0; i < q->n_headers && rc == 0; i++) {
		char *name = str_dup(q->headers[i].name);
		rc = name ? add_header(c, name, q->headers[i].value) : -1;
		free(name);
	}
	if (rc < 0 || !q->key || !secret_text(q->key).n
	    || q->auth == AUTH_NONE)
		return rc;
	if (q->auth == AUTH_API_KEY)
		return add_header(c, "api-key", secret_text(q->key));
	buf_init(&text, SECRET_MAX + 16);
	buf_addf(&text, "Bearer %.*s", STR_ARG(secret_text(q->key)));
	rc = text.failed ? -1 : add_header(c, "Authorization", buf_str(&text));
	if (text.p)
		explicit_bzero(text.p, text.n);
	buf_release(&text);
	return rc;
}

/* Those of the configuration take the place of ours. */
static int
set_headers(struct http_call *c, const struct http_request *q)
{
	bool agent = false, encoding = false;
	struct curl_slist **last = &c->headers;

	if (add_own_headers(c, q) < 0)
		return -1;
	for (size_t i = 0; i < q->n_headers; i++) {
		struct str name = q->headers[i].name;
		agent |= str_is_nocase(name, "user-agent");
		encoding |= str_is_nocase(name, "accept-encoding");
	}
	if (encoding && !agent
	    && add_header(c, "User-Agent", STR("frugal/" FRUGAL_VERSION)) < 0)
		return -1;
	/* It would be waited for before such a body is sent. */
	if (c->body.n > EXPECT_BYTES) {
		struct curl_slist *l = curl_slist_append(c->headers, "Expect:");
		if (!l)
			return -1;
		c->headers = l;
	}
	while (*last)
		last = &(*last)->next;
	*last = agent || encoding ? c->h->least : c->h->common;
	return 0;
}

#define SET(option, value) (r = r ? r : curl_easy_setopt(x->easy, option, value))

/* What is the same for all requests. */
static bool
set_for_ever(struct http *h, struct handle *x)
{
	CURLcode r = CURLE_OK;

	SET(CURLOPT_PRIVATE, x);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_ERRORBUFFER, x->error);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_ACCEPT_ENCODING, ACCEPT_ENCODING);
	SET(CURLOPT_HTTPHEADER, h->common);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_BUFFERSIZE, READ_BYTES);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, WRITE_BYTES);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_MAXAGE_CONN, 30L);
	SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
	SET(CURLOPT_CLOSESOCKETDATA, h);
	SET(CURLOPT_SOCKOPTFUNCTION, on_open);
	SET(CURLOPT_PREREQFUNCTION, on_leaving);
	SET(CURLOPT_PREREQDATA, x);
	SET(CURLOPT_SOCKOPTDATA, x);
	x->headers = h->common;
	return r == CURLE_OK;
}

static struct handle *
handle_new(struct http *h)
{
	struct handle *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	buf_init(&x->answer, SIZE_MAX); /* each call has its own bound */
	buf_init(&x->told, HTTP_MAX_HEADERS);
	x->easy = curl_easy_init();
	if (x->easy && set_for_ever(h, x))
		return x;
	handle_free(x);
	return NULL;
}

/* NULL: out of memory. */
static const struct place *
place_of(struct http *h, struct str url)
{
	struct place *p;

	for (p = h->places; p; p = p->next)
		if (str_is(url, p->url))
			return p;
	p = malloc(sizeof(*p) + url.n + 1);
	if (!p)
		return NULL;
	memcpy(p->url, url.p, url.n);
	p->url[url.n] = '\0';
	p->parsed = curl_url();
	if (!p->parsed) {
		free(p);
		return NULL;
	}
	if (curl_url_set(p->parsed, CURLUPART_URL, p->url, 0) != CURLUE_OK) {
		curl_url_cleanup(p->parsed);
		p->parsed = NULL;
	}
	p->next = h->places;
	return h->places = p;
}

/* libcurl copies what it is told of a place, and does not change it. */
static CURLcode
set_url(struct http *h, struct handle *x, struct str url)
{
	CURLcode r = CURLE_OK;

	if (x->place && str_is(url, x->place->url))
		return CURLE_OK;
	x->place = place_of(h, url);
	if (!x->place)
		return CURLE_OUT_OF_MEMORY;
	SET(CURLOPT_URL, &x->place->url[0]);
	SET(CURLOPT_CURLU, x->place->parsed);
	return r;
}

/* In the clear there is nothing to wait for, and nobody to be sure of. What is
 * trusted is told each time: it is borrowed, so its address says nothing. */
static CURLcode
set_protocol(struct handle *x, const struct http_call *c)
{
	CURLcode r = CURLE_OK;
	bool https = c->origin != NULL;

	if (x->https != https) {
		SET(CURLOPT_HTTP_VERSION, https ? (long)CURL_HTTP_VERSION_2TLS
		    : (long)CURL_HTTP_VERSION_1_1);
		SET(CURLOPT_PIPEWAIT, https ? 1L : 0L);
	}
	x->https = https;
	if (!https)
		return r;
	SET(CURLOPT_CAINFO, c->ca_file ? c->ca_file : c->h->ca_file);
	SET(CURLOPT_CAPATH, c->ca_file ? NULL : c->h->ca_path);
	return r;
}

static bool
set_options(struct handle *x, const struct http_call *c, struct str url)
{
	CURLcode r = set_url(c->h, x, url);

	r = r ? r : set_protocol(x, c);
	if (x->headers != c->headers)
		SET(CURLOPT_HTTPHEADER, c->headers);
	x->headers = c->headers;
	if (x->connect_timeout_ms != c->connect_timeout_ms)
		SET(CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
	x->connect_timeout_ms = c->connect_timeout_ms;
	if (x->direct != c->direct)
		SET(CURLOPT_PROXY, c->direct ? "" : NULL);
	x->direct = c->direct;
	if (c->body.n) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.n);
		SET(CURLOPT_POSTFIELDS, c->body.p);
	} else {
		SET(CURLOPT_HTTPGET, 1L);
	}
	return r == CURLE_OK;
}

#undef SET

/* Give a call a place in libcurl. */
static int
start(struct http_call *c, struct str url)
{
	struct http *h = c->h;
	struct handle *x = h->spare;

	if (x) {
		h->spare = x->next;
		h->n_spare--;
	} else if (!(x = handle_new(h))) {
		return -1;
	}
	if (!set_options(x, c, url)) {
		handle_free(x); /* what it has been told is not known */
		return -1;
	}
	c->handle = x;
	x->call = c;
	x->error[0] = x->date[0] = '\0';
	buf_clear(&x->answer);
	buf_clear(&x->told);
	h->running++;
	origin_started(c->origin, c);
	c->started_ms = c->heard_ms = clock_mono_ms();
	c->end_ms = c->timeout_ms > 0 ? c->started_ms + c->timeout_ms : 0;
	if (curl_multi_add_handle(h->multi, x->easy) != CURLM_OK)
		return -1;
	return set_timer(c);
}

/* libcurl refuses negative ones. A time that is over already is the shortest
 * there is, for 0 is none at all; no time is longer than 24 days. */
static int64_t
timeout_of(int64_t ms)
{
	if (ms < 0)
		return 1;
	return ms < INT32_MAX ? ms : INT32_MAX;
}

int
http_send(struct http *h, const struct http_request *q, http_done *done,
    void *cookie, struct http_call **out, struct err *e)
{
	struct http_call *c;
	bool nomem = false;

	if (start_curl(h, e) < 0)
		return -1;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_nomem(e);
	c->h = h;
	c->prev = &h->calls;
	c->next = h->calls;
	if (c->next)
		c->next->prev = &c->next;
	h->calls = c;
	h->total++;
	c->done = done;
	c->cookie = cookie;
	c->body = q->body;
	c->direct = q->direct;
	c->ca_file = q->ca_file;
	c->connect_timeout_ms = timeout_of(q->connect_timeout_ms);
	c->timeout_ms = timeout_of(q->timeout_ms);
	c->idle_timeout_ms = timeout_of(q->idle_timeout_ms);
	c->timer = (struct http_timer){ .fire = on_time, .cookie = c };
	c->max_answer = q->max_body ? q->max_body : HTTP_MAX_BODY;
	c->origin = origin_of(&h->origins, q->url, &nomem);
	if (nomem || set_headers(c, q) < 0)
		goto nomem;
	if (may_start(c)) {
		if (start(c, q->url) < 0)
			goto nomem;
	} else {
		c->url = str_dup(q->url);
		if (!c->url)
			goto nomem;
		*h->wait_tail = c;
		h->wait_tail = &c->wait_next;
	}
	if (out)
		*out = c;
	return 0;
nomem:
	call_free(c);
	return err_nomem(e);
}

void
http_cancel(struct http_call *c)
{
	call_free(c);
}

/* --- the end of a call --------------------------------------------------- */

/* Was the request perhaps processed? */
enum processed {
	NOT_PROCESSED,
	IF_BEGUN, /* when libcurl had begun to send it */
	IF_WHOLE, /* when all of it had been sent */
	PERHAPS,
};

/* libcurl's failures in our words, which are those of outcome_of_transfer():
 * errors-and-retries.md, section 6. */
static const struct {
	CURLcode curl;
	const char *code;
	enum processed processed;
	const char *says; /* NULL: what libcurl says */
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_PROXY, "dns", NOT_PROCESSED, NULL },
	{ CURLE_COULDNT_RESOLVE_HOST, "dns", NOT_PROCESSED, NULL },
	{ CURLE_COULDNT_CONNECT, "connect", NOT_PROCESSED, NULL },
	{ CURLE_SSL_CONNECT_ERROR, "tls", NOT_PROCESSED, NULL },
	{ CURLE_PEER_FAILED_VERIFICATION, "certificate", NOT_PROCESSED, NULL },
	{ CURLE_SSL_CACERT_BADFILE, "certificate", NOT_PROCESSED, NULL },
	{ CURLE_URL_MALFORMAT, "url", NOT_PROCESSED, NULL },
	{ CURLE_OPERATION_TIMEDOUT, "timeout", IF_BEGUN, NULL },
	{ CURLE_SEND_ERROR, "network", IF_WHOLE, NULL },
	{ CURLE_ABORTED_BY_CALLBACK, "network", PERHAPS, /* `again` */
	    "the connection died before an answer came" },
	{ CURLE_PARTIAL_FILE, "cut_off", PERHAPS, NULL },
	{ CURLE_BAD_CONTENT_ENCODING, "bad_encoding", PERHAPS, NULL },
	{ CURLE_OK, "network", IF_BEGUN, NULL }, /* any other */
};

static bool
was_processed(const struct http_call *c, enum processed p)
{
	curl_off_t pretransfer = 0, uploaded = 0;

	curl_easy_getinfo(c->handle->easy, CURLINFO_PRETRANSFER_TIME_T,
	    &pretransfer);
	curl_easy_getinfo(c->handle->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	switch (p) {
	case NOT_PROCESSED:
		return false;
	case IF_BEGUN:
		return pretransfer > 0;
	case IF_WHOLE:
		return uploaded >= (curl_off_t)c->body.n;
	case PERHAPS:
		break;
	}
	return true;
}

/* libcurl cites a proxy of the environment that it cannot read, with the user
 * and the password in it. What lies before the last '@', back to where a URL or
 * a quotation begins, is left out. */
static void
hide_userinfo(char *text)
{
	char *at = strrchr(text, '@'), *from = text, *p;

	if (!at)
		return;
	p = strpbrk(text, "'\"");
	if (p && p < at)
		from = p + 1;
	p = strstr(text, "://");
	if (p && p < at)
		from = p + 3;
	memmove(from, at + 1, strlen(at + 1) + 1);
}

static void
explain_failure(struct http_call *c, CURLcode code, struct wire_reply *w)
{
	size_t i = 0;

	if (c->again)
		code = CURLE_ABORTED_BY_CALLBACK;
	while (failures[i].curl != code && failures[i].curl != CURLE_OK)
		i++;
	w->failure_code = failures[i].code;
	w->failure = failures[i].says;
	w->sent = was_processed(c, failures[i].processed);
	hide_userinfo(c->handle->error);
	if (!w->failure)
		w->failure = c->handle->error[0] ? c->handle->error
		    : curl_easy_strerror(code);
	/* An HTTP/2 connection that died has the code of an answer cut short. */
	if (code == CURLE_PARTIAL_FILE && !w->status)
		w->failure_code = "network";
	/* Garbage instead of an answer has libcurl's code for a wrong scheme. */
	if (code == CURLE_UNSUPPORTED_PROTOCOL && !w->sent)
		w->failure_code = "url";
	if (c->idle)
		w->failure = "nothing of an answer came for longer than "
		    "idle_timeout";
	/* It has none for a header line of more than 100 KB. */
	if (code == CURLE_OUT_OF_MEMORY && w->sent && !c->handle->answer.n)
		c->too_long = true;
	if (c->too_long) {
		w->failure_code = "too_long";
		w->failure = "the answer is longer than allowed";
	}
}

/* Times among them are relative to the Date that the server gave. */
static void
read_headers(const struct handle *x, struct wire_reply *w)
{
	struct str rest = buf_str(&x->told), value, name;
	bool exact = false; /* Retry-After-Ms comes before Retry-After */
	int64_t now = -1, wait;

	if (!rest.n)
		return;
	if (!limits_http_date(str_of(x->date), &now))
		now = clock_utc_ms();
	limits_init(&w->limits);
	while (str_cut(&rest, '\n', &value)) {
		str_cut(&value, ':', &name);
		if (limits_header(&w->limits, name, value, now))
			continue;
		if (str_is_nocase(name, "x-should-retry"))
			w->should_not_retry = str_is_nocase(value, "false");
		else if (str_is_nocase(name, "retry-after-ms")
		    && (wait = limits_retry_after_ms(value)) >= 0) {
			w->retry_after_ms = wait;
			exact = true;
		} else if (str_is_nocase(name, "retry-after") && !exact
		    && (wait = limits_retry_after(value, now)) >= 0) {
			w->retry_after_ms = wait;
		}
	}
}

static void
finish(struct http_call *c, CURLcode code)
{
	struct wire_reply w = { .retry_after_ms = -1 };
	http_done *done = c->done;
	void *cookie = c->cookie;
	int64_t latency_ms = clock_mono_ms() - c->started_ms;
	long status = 0;

	http_timer_stop(c->h, &c->timer);
	curl_easy_getinfo(c->handle->easy, CURLINFO_RESPONSE_CODE, &status);
	w.status = (int)status;
	tell_origin(c, status != 0);
	w.body = buf_str(&c->handle->answer);
	if (code != CURLE_OK) {
		explain_failure(c, code, &w);
		w.truncated = true;
	}
	if (status)
		read_headers(c->handle, &w);
	done(cookie, &w, latency_ms);
	call_free(c);
}

/* --- timers and watched descriptors -------------------------------------- */

int
http_timer_set(struct http *h, struct http_timer *t, int64_t due_mono_ms,
    struct err *e)
{
	if (!heap_set(&h->timers, &t->entry, due_mono_ms))
		return err_nomem(e);
	return 0;
}

void
http_timer_stop(struct http *h, struct http_timer *t)
{
	heap_remove(&h->timers, &t->entry);
}

int
http_watch(struct http *h, int fd, void (*ready)(void *cookie),
    void *cookie, struct err *e)
{
	struct fd_state *s = fd_state(h, fd);

	if (!s)
		return err_nomem(e);
	if (!s->ready) /* libcurl may have had this number before */
		s->told = 0;
	s->wanted = EPOLLIN;
	s->ready = ready;
	s->cookie = cookie;
	if (fd_tell(h, fd, e) < 0) {
		memset(s, 0, sizeof(*s));
		return -1;
	}
	return 0;
}

void
http_unwatch(struct http *h, int fd)
{
	struct fd_state *s = fd_state(h, fd);

	if (!s || !s->ready)
		return;
	s->wanted = 0;
	(void)fd_tell(h, fd, NULL);
	memset(s, 0, sizeof(*s));
}

/* --- the loop ------------------------------------------------------------ */

static int
time_to_wait(const struct http *h, int64_t max_wait_ms)
{
	struct heap_entry *first = heap_first(&h->timers);
	int64_t due = h->curl_due, wait;

	if (first && first->due_ms < due)
		due = first->due_ms;
	wait = due == NEVER ? -1 : due - clock_mono_ms();
	if (due != NEVER && wait < 0)
		wait = 0;
	if (max_wait_ms >= 0 && (wait < 0 || wait > max_wait_ms))
		wait = max_wait_ms;
	/* Wake now and then: a suspended machine's clock jumps. */
	if (wait > 60000)
		wait = 60000;
	return (int)wait;
}

/* libcurl may lack the memory to note a new socket. It says so here alone, and
 * would never hear of that socket again. */
static void
drive(struct http *h, curl_socket_t fd, int mask)
{
	int running;

	if (curl_multi_socket_action(h->multi, fd, mask, &running) != CURLM_OK)
		h->nomem = true;
}

static void
dispatch(struct http *h, const struct epoll_event *ev)
{
	struct fd_state *s = &h->fds[ev->data.fd];
	int mask = 0;

	if (s->ready) {
		s->ready(s->cookie);
		return;
	}
	if (ev->events & (EPOLLIN | EPOLLHUP))
		mask |= CURL_CSELECT_IN;
	if (ev->events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (ev->events & EPOLLERR)
		mask |= CURL_CSELECT_ERR;
	drive(h, ev->data.fd, mask);
}

static void
fire_timers(struct http *h)
{
	int64_t now = clock_mono_ms();
	struct heap_entry *first;

	while ((first = heap_first(&h->timers)) && first->due_ms <= now) {
		struct http_timer *t = (struct http_timer *)first;
		heap_remove(&h->timers, first);
		t->fire(t->cookie);
	}
}

/* How many calls have ended. */
static int
hand_out(struct http *h)
{
	CURLMsg *m;
	int left, n = 0;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		char *x = NULL;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
		finish(((struct handle *)x)->call, code);
		n++;
	}
	return n;
}

/* What libcurl wants to do by now, the start of new calls above all. */
static void
run_due(struct http *h)
{
	if (!h->multi || h->curl_due > clock_mono_ms())
		return;
	h->curl_due = NEVER;
	drive(h, CURL_SOCKET_TIMEOUT, 0);
}

static void
start_waiting(struct http *h)
{
	struct http_call **p = &h->wait_head, *c;

	while ((c = *p) && h->running < h->max_running) {
		if (!may_start(c)) {
			p = &c->wait_next;
			continue;
		}
		leave_line(h, p);
		if (start(c, str_of(c->url)) < 0) {
			if (!c->handle) { /* no handle: try again next turn */
				c->wait_next = h->wait_head;
				h->wait_head = c;
				if (!c->wait_next)
					h->wait_tail = &c->wait_next;
				return;
			}
			finish(c, CURLE_OUT_OF_MEMORY);
			p = &h->wait_head; /* who was told may have changed it */
		} else if (c->origin) {
			run_due(h); /* does it find room? */
		}
	}
}

int
http_turn(struct http *h, int64_t max_wait_ms, struct err *e)
{
	struct epoll_event ev[EVENTS];
	int n, wait;

	/* New calls first: they take up connections that fell free, so that
	 * epoll need not be told of them twice. */
	run_due(h);
	wait = h->multi && hand_out(h) ? 0 : time_to_wait(h, max_wait_ms);
	if (h->nomem)
		wait = 0;
	if (fd_tell_all(h, e) < 0)
		return -1;
	n = epoll_wait(h->epoll, ev, EVENTS, wait);
	if (n < 0 && errno != EINTR)
		return err_sys(e, ERR_IO, "cannot wait for events");
	for (int i = 0; i < n; i++)
		dispatch(h, &ev[i]);
	run_due(h);
	if (h->multi)
		hand_out(h);
	/* What has arrived goes before what is overdue. */
	if (n < EVENTS)
		fire_timers(h);
	if (h->multi)
		hand_out(h);
	start_waiting(h);
	if (h->nomem) {
		h->nomem = false;
		return err_nomem(e);
	}
	return 0;
}
