/*
 * http2.c -- the server's side of one HTTP/2 connection (libnghttp2).
 *
 * A stream is in one of these states:
 *
 *   ASKING     its headers and its body come         -> WAITING, or closed
 *   WAITING    an answer is ready, its delay is not over       -> ANSWERING
 *   ANSWERING  as fast as flow control lets it; or, dripping, a few bytes for
 *              each tick of its timer                -> CLOSED
 *   SILENT     never answers                         -> closed by the other side
 *   CLOSED     its last byte was given to be sent, and it is counted as
 *              answered once that has been sent
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "tests/server/http2.h"

#define BODY_MAX ((size_t)64 << 20)
#define HEAD_MAX ((size_t)64 << 10)
#define GIVE_AT_ONCE ((size_t)64 << 10)
#define ANSWER_HEAD_MAX ((size_t)16 << 20)
#define WINDOW (1 << 20) /* of a request's body; curl's own default is larger */
#define DRIP_BYTES 16

enum state { ASKING, WAITING, ANSWERING, SILENT, CLOSED };

struct stream {
	struct heap_entry timer; /* first member */
	struct http2 *session;
	struct stream *prev, *next;
	int32_t id;
	enum state state;
	struct buf method, target, headers, body; /* of the request */
	int status;
	enum fault fault;
	bool close;           /* the connection, after this answer */
	struct buf head;      /* of the answer: lines */
	struct buf answer;    /* its body */
	size_t sent, send_to; /* how much of it may be sent by now */
	int64_t drip_ms;      /* 0: all at once */
	bool counted;         /* site_done() is owed, */
	struct charge charge; /* with this */
};

struct http2 {
	struct site *site;
	nghttp2_session *ng;
	struct heap timers;
	struct stream *streams;
	int64_t now_ms;
	int32_t last_id; /* the highest that is or was answered */
	bool leaving;    /* a GOAWAY was sent: */
	int32_t end_id;  /* what is higher is ignored */
	bool broken;     /* close at once */
};

static void
stream_free(struct stream *s, bool whole)
{
	struct http2 *h = s->session;

	heap_remove(&h->timers, &s->timer);
	if (s->counted)
		site_done(h->site, &s->charge, whole);
	if (s->prev)
		s->prev->next = s->next;
	else
		h->streams = s->next;
	if (s->next)
		s->next->prev = s->prev;
	buf_release(&s->method);
	buf_release(&s->target);
	buf_release(&s->headers);
	buf_release(&s->body);
	buf_release(&s->head);
	buf_release(&s->answer);
	free(s);
}

static void
set_timer(struct stream *s, int64_t ms)
{
	struct http2 *h = s->session;

	if (!heap_set(&h->timers, &s->timer, h->now_ms + ms))
		h->broken = true;
}

/* nghttp2 has failed for good. */
static void
check(struct http2 *h, int rc)
{
	if (rc != 0)
		h->broken = true;
}

/* --- the answer goes out ------------------------------------------------------- */

/* The next bytes of an answer's body. */
static ssize_t
on_read(nghttp2_session *ng, int32_t id, uint8_t *to, size_t room,
    uint32_t *flags, nghttp2_data_source *source, void *cookie)
{
	struct stream *s = source->ptr;
	size_t n = s->send_to - s->sent;

	(void)ng;
	(void)id;
	(void)cookie;
	if (s->fault == FAULT_RESET_AFTER_HEADERS)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* RST_STREAM */
	if (n == 0 && s->sent < s->answer.n) {
		set_timer(s, s->drip_ms);
		return NGHTTP2_ERR_DEFERRED;
	}
	if (n > room)
		n = room;
	if (n > 0)
		memcpy(to, s->answer.p + s->sent, n);
	s->sent += n;
	if (s->sent == s->answer.n && s->fault == FAULT_STALL)
		return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
	if (s->sent == s->answer.n)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* RFC 9113, 8.2.2: what speaks of a connection is no header here. */
static bool
is_of_connection(struct str name)
{
	return str_is_nocase(name, "connection")
	    || str_is_nocase(name, "transfer-encoding")
	    || str_is_nocase(name, "keep-alive");
}

static void
lower(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] >= 'A' && name.p[i] <= 'Z')
			((char *)name.p)[i] |= 0x20;
}

static nghttp2_nv
pair(struct str name, struct str value)
{
	return (nghttp2_nv){ (uint8_t *)name.p, (uint8_t *)value.p, name.n,
		value.n, NGHTTP2_NV_FLAG_NONE };
}

static void
submit_head(struct stream *s, nghttp2_nv *nv, size_t most)
{
	nghttp2_data_provider body = { .source.ptr = s,
		.read_callback = on_read };
	struct str lines = buf_str(&s->head), name, value;
	size_t n = 0;
	char status[16];

	snprintf(status, sizeof(status), "%d", s->status);
	nv[n++] = pair(STR(":status"), str_of(status));
	while (n < most && http1_header_next(&lines, &name, &value)) {
		if (is_of_connection(name))
			continue;
		lower(name);
		nv[n++] = pair(name, value);
	}
	check(s->session, nghttp2_submit_response(s->session->ng, s->id, nv, n,
	    &body));
}

static void
reset(struct stream *s, uint32_t code)
{
	check(s->session, nghttp2_submit_rst_stream(s->session->ng,
	    NGHTTP2_FLAG_NONE, s->id, code));
}

/* Streams above last_id will not be looked at, the others are answered. */
static void
go_away(struct http2 *h, int32_t last_id)
{
	if (h->leaving)
		return;
	h->leaving = true;
	h->end_id = last_id;
	check(h, nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE, last_id,
	    NGHTTP2_NO_ERROR, NULL, 0));
}

/* The delay is over. */
static void
stream_answer(struct stream *s)
{
	struct http2 *h = s->session;
	size_t most = 2;
	nghttp2_nv *nv;

	s->state = ANSWERING;
	switch (s->fault) {
	case FAULT_RESET_BEFORE:
		reset(s, NGHTTP2_INTERNAL_ERROR);
		return;
	case FAULT_CLOSE_AFTER_REQUEST:
		h->broken = true;
		return;
	default:
		break;
	}
	for (size_t i = 0; i < s->head.n; i++)
		most += s->head.p[i] == '\n';
	nv = calloc(most, sizeof(*nv));
	if (!nv) {
		h->broken = true;
		return;
	}
	submit_head(s, nv, most);
	free(nv);
	if (s->close)
		go_away(h, h->last_id);
}

/* --- a request has come -------------------------------------------------------- */

static void
keep_answer(struct stream *s, const struct response *r)
{
	s->status = r->status;
	s->fault = r->fault;
	s->close = r->close;
	s->counted = r->counted;
	s->charge = r->charge;
	buf_addf(&s->head, "content-length: %zu\r\n", r->body->n);
	if (r->type)
		buf_addf(&s->head, "content-type: %s\r\n", r->type);
	buf_add(&s->head, r->headers);
	buf_add(&s->answer, buf_str(r->body));
	if (s->fault == FAULT_TRUNCATE || s->fault == FAULT_STALL ||
	    s->fault == FAULT_BAD_CHUNK || s->fault == FAULT_CUT_CHUNK)
		buf_cut(&s->answer, s->answer.n / 2);
	if (s->fault == FAULT_DRIP || s->fault == FAULT_DRIP_HEAD)
		s->drip_ms = r->drip_ms;
	s->send_to = s->drip_ms > 0 ? 0 : s->answer.n;
}

/* What is not to be processed, and is told so at once. */
static bool
refuse(struct stream *s)
{
	struct http2 *h = s->session;

	if (s->fault != FAULT_REFUSE && s->fault != FAULT_GOAWAY)
		return false;
	s->state = SILENT;
	/* A GOAWAY cannot name it where a later one is being answered. */
	if (s->fault == FAULT_GOAWAY && h->last_id < s->id && !h->leaving)
		go_away(h, h->last_id);
	else
		reset(s, NGHTTP2_REFUSED_STREAM);
	return true;
}

static void
stream_asked(struct stream *s)
{
	struct http2 *h = s->session;
	struct http1_head head = { .http2 = true, .keep_alive = true,
		.method = buf_str(&s->method), .headers = buf_str(&s->headers) };
	struct str target = buf_str(&s->target);
	struct buf body;
	struct response r = { .body = &body };

	buf_init(&body, BUF_MAX);
	str_cut(&target, '?', &head.path);
	head.query = target;
	site_answer(h->site, &head, buf_str(&s->body), &r);
	keep_answer(s, &r);
	h->broken |= body.failed || s->head.failed || s->answer.failed;
	buf_release(&body);
	if (refuse(s))
		return;
	if (s->id > h->last_id)
		h->last_id = s->id;
	if (s->fault == FAULT_SILENCE) {
		s->state = SILENT;
	} else if (r.delay_ms > 0) {
		s->state = WAITING;
		set_timer(s, r.delay_ms);
	} else {
		stream_answer(s);
	}
}

static int
on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *cookie)
{
	struct stream *s = nghttp2_session_get_stream_user_data(ng,
	    f->hd.stream_id);

	(void)cookie;
	if ((f->hd.type == NGHTTP2_HEADERS || f->hd.type == NGHTTP2_DATA) &&
	    f->hd.flags & NGHTTP2_FLAG_END_STREAM && s && s->state == ASKING)
		stream_asked(s);
	return 0;
}

/* nghttp2 itself passes over the streams that a GOAWAY has ruled out. */
static int
on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *cookie)
{
	struct http2 *h = cookie;

	(void)ng;
	if (hd->type == NGHTTP2_HEADERS && h->leaving &&
	    hd->stream_id > h->end_id)
		h->site->stats.ignored_streams++;
	return 0;
}

static int
on_begin_headers(nghttp2_session *ng, const nghttp2_frame *f, void *cookie)
{
	struct http2 *h = cookie;
	struct stream *s;

	if (f->hd.type != NGHTTP2_HEADERS ||
	    f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	s->session = h;
	s->id = f->hd.stream_id;
	buf_init(&s->method, HEAD_MAX);
	buf_init(&s->target, HEAD_MAX);
	buf_init(&s->headers, HEAD_MAX);
	buf_init(&s->body, BODY_MAX);
	buf_init(&s->head, ANSWER_HEAD_MAX);
	buf_init(&s->answer, BUF_MAX);
	s->next = h->streams;
	if (s->next)
		s->next->prev = s;
	h->streams = s;
	return nghttp2_session_set_stream_user_data(ng, s->id, s);
}

static int
on_header(nghttp2_session *ng, const nghttp2_frame *f, const uint8_t *name,
    size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags,
    void *cookie)
{
	struct stream *s = nghttp2_session_get_stream_user_data(ng,
	    f->hd.stream_id);
	struct str key = { (const char *)name, n_name };
	struct str text = { (const char *)value, n_value };

	(void)flags;
	(void)cookie;
	if (!s || s->state != ASKING)
		return 0;
	if (str_is(key, ":method")) {
		buf_add(&s->method, text);
	} else if (str_is(key, ":path")) {
		buf_add(&s->target, text);
	} else if (!str_starts(key, ":")) {
		buf_add(&s->headers, key);
		buf_adds(&s->headers, ": ");
		buf_add(&s->headers, text);
		buf_adds(&s->headers, "\r\n");
	}
	return s->method.failed || s->target.failed || s->headers.failed ?
	    NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

static int
on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p,
    size_t n, void *cookie)
{
	struct stream *s = nghttp2_session_get_stream_user_data(ng, id);

	(void)flags;
	(void)cookie;
	if (!s || s->state != ASKING)
		return 0;
	buf_add(&s->body, (struct str){ (const char *)p, n });
	if (s->body.failed)
		reset(s, NGHTTP2_ENHANCE_YOUR_CALM);
	return 0;
}

static int
on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *cookie)
{
	struct stream *s = nghttp2_session_get_stream_user_data(ng, id);

	(void)cookie;
	if (!s)
		return 0;
	if (s->state == ASKING && s->session->leaving)
		s->session->site->stats.ignored_streams++;
	nghttp2_session_set_stream_user_data(ng, id, NULL);
	if (code == NGHTTP2_NO_ERROR && s->state == ANSWERING &&
	    s->sent == s->answer.n && s->fault != FAULT_TRUNCATE &&
	    s->fault != FAULT_BAD_CHUNK && s->fault != FAULT_CUT_CHUNK)
		s->state = CLOSED;
	else
		stream_free(s, false);
	return 0;
}

/* --- the connection ----------------------------------------------------------------- */

static int
open_session(struct http2 *h, int64_t max_streams)
{
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		    (uint32_t)max_streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
	};
	nghttp2_session_callbacks *c = NULL;
	nghttp2_option *o = NULL;
	int rc = -1;

	if (nghttp2_session_callbacks_new(&c) != 0 ||
	    nghttp2_option_new(&o) != 0)
		goto out;
	nghttp2_session_callbacks_set_on_begin_frame_callback(c,
	    on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(c,
	    on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
	nghttp2_option_set_max_send_header_block_length(o, ANSWER_HEAD_MAX);
	if (nghttp2_session_server_new2(&h->ng, c, h, o) == 0 &&
	    nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, settings,
	    sizeof(settings) / sizeof(settings[0])) == 0 &&
	    nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0,
	    64 * WINDOW) == 0)
		rc = 0;
out:
	nghttp2_option_del(o);
	nghttp2_session_callbacks_del(c);
	return rc;
}

struct http2 *
http2_new(struct site *site, int64_t max_streams)
{
	struct http2 *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->site = site;
	if (open_session(h, max_streams) == 0)
		return h;
	http2_free(h);
	return NULL;
}

void
http2_free(struct http2 *h)
{
	if (!h)
		return;
	while (h->streams)
		stream_free(h->streams, false);
	nghttp2_session_del(h->ng);
	heap_release(&h->timers);
	free(h);
}

bool
http2_take(struct http2 *h, struct str bytes, int64_t now_ms)
{
	ssize_t n;

	h->now_ms = now_ms;
	n = nghttp2_session_mem_recv(h->ng, (const uint8_t *)bytes.p, bytes.n);
	return n == (ssize_t)bytes.n && !h->broken;
}

bool
http2_give(struct http2 *h, struct buf *out)
{
	const uint8_t *p;
	ssize_t n = 0;

	while (!h->broken && out->n < GIVE_AT_ONCE &&
	    (n = nghttp2_session_mem_send(h->ng, &p)) > 0)
		buf_add(out, (struct str){ (const char *)p, (size_t)n });
	return n >= 0 && !h->broken && !out->failed;
}

void
http2_sent(struct http2 *h)
{
	struct stream *s, *next;

	for (s = h->streams; s; s = next) {
		next = s->next;
		if (s->state == CLOSED)
			stream_free(s, true);
	}
}

int64_t
http2_due(const struct http2 *h)
{
	const struct heap_entry *first = heap_first(&h->timers);

	return first ? first->due_ms : INT64_MAX;
}

void
http2_tick(struct http2 *h, int64_t now_ms)
{
	struct heap_entry *first;

	h->now_ms = now_ms;
	while ((first = heap_first(&h->timers)) && first->due_ms <= now_ms) {
		struct stream *s = (struct stream *)first;

		heap_remove(&h->timers, first);
		if (s->state == WAITING) {
			stream_answer(s);
			continue;
		}
		s->send_to += DRIP_BYTES;
		if (s->send_to > s->answer.n)
			s->send_to = s->answer.n;
		check(h, nghttp2_session_resume_data(h->ng, s->id));
	}
}

bool
http2_is_over(const struct http2 *h)
{
	return !nghttp2_session_want_read(h->ng) &&
	    !nghttp2_session_want_write(h->ng);
}
