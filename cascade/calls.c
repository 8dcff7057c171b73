/*
 * calls.c -- completions on their way.
 *
 * A call is one HTTP request, its retries included, for some samples of one
 * key:
 *
 *   QUEUED    waits for its provider's limits          -> SENT
 *   SENT      on the network, or being simulated       -> ANSWERED, SLEEPING,
 *                                                         QUEUED or gone
 *   SLEEPING  waits its delay before a retry           -> QUEUED
 *   ANSWERED  its completions wait to be committed     -> gone
 *
 * Each provider has a lane: its queue, its pace, and whether it is paused.
 */
#include "cascade/calls.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/money.h"
#include "base/rand.h"
#include "cascade/pace.h"
#include "providers/outcome.h"

#define MAX_BODY ((size_t)64 << 20)
#define MAX_REQUEST ((size_t)64 << 20)

enum call_state { CALL_QUEUED, CALL_SENT, CALL_SLEEPING, CALL_ANSWERED };

struct call {
	struct call *same;            /* next with the same key */
	struct call *next, **prev;    /* in all calls */
	struct call *queue_next;
	struct calls *k;
	struct lane *lane;
	const struct tier *tier;
	struct arena *arena;          /* owns the call */
	enum call_state state;
	unsigned char key[SHA256_BYTES];
	struct str canon;
	struct model_request q;
	struct sampling sampling;
	int *samples;                 /* q.n of them, rising */
	struct want *wants;           /* unanswered: to come; answered: rows */
	struct completion *c;         /* of the first n_c samples */
	int64_t *rows;
	size_t n_c;
	int tries;                    /* sent so far */
	int64_t booked_picousd;       /* of tries that may have been billed */
	struct wire wire;
	struct http_call *http;
	struct http_timer timer;
	struct reply *simulated;
	int64_t asked_utc_ms, sent_ms;
};

struct lane {
	struct calls *k;
	const struct provider *p;
	struct pace requests, tokens;
	size_t in_flight;
	int64_t paused_until_ms;
	bool one_by_one;              /* the server has no `n` */
	bool stopped, local;
	struct call *head, **tail;
	struct http_timer wake;
	struct secret key;            /* while requests are in flight */
};

struct calls {
	struct http *h;
	struct calls_ops ops;
	struct map *by_key;
	struct call *all;
	struct lane *lanes;
	size_t n_lanes;
	size_t max_in_flight, in_flight; /* sent */
	size_t alive;                    /* queued, sent or sleeping */
	size_t to_keep;
	int64_t oldest_ms;
	int retries;
	bool stopped;
	struct rng rng;
	struct calls_totals totals;
};

static void pump(struct calls *k);
static void on_wake(void *cookie);

/* --- calls and their key ---------------------------------------------------------- */

static struct str
key_str(const unsigned char *key)
{
	return (struct str){ (const char *)key, SHA256_BYTES };
}

static bool
link_call(struct calls *k, struct call *c)
{
	struct call *head = map_get(k->by_key, key_str(c->key));

	c->same = head;
	if (!map_put(k->by_key, key_str(c->key), c))
		return false;
	c->prev = &k->all;
	c->next = k->all;
	if (c->next)
		c->next->prev = &c->next;
	k->all = c;
	k->alive++;
	return true;
}

static void
unlink_call(struct call *c)
{
	struct calls *k = c->k;
	struct call *head = map_get(k->by_key, key_str(c->key)), **p = &head;

	while (*p && *p != c)
		p = &(*p)->same;
	if (*p)
		*p = c->same;
	if (!head)
		map_remove(k->by_key, key_str(c->key));
	else
		(void)map_put(k->by_key, key_str(c->key), head);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
}

static void
call_free(struct call *c)
{
	if (c->http)
		http_cancel(c->http);
	http_timer_stop(c->k->h, &c->timer);
	buf_release(&c->wire.url);
	buf_release(&c->wire.body);
	arena_free(c->arena);
}

/* Out of the tables; its memory goes too. */
static void
call_end(struct call *c)
{
	struct calls *k = c->k;

	if (c->state != CALL_ANSWERED)
		k->alive--;
	unlink_call(c);
	call_free(c);
}

static bool
copy_messages(struct call *c, const struct message *m, size_t n)
{
	struct message *v = arena_array(c->arena, n, sizeof(*v));

	if (!v)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!arena_str(c->arena, m[i].role, &v[i].role)
		    || !arena_str(c->arena, m[i].content, &v[i].content))
			return false;
	c->q.messages = v;
	c->q.n_messages = n;
	return true;
}

static struct call *
call_new(struct calls *k, struct lane *lane, const struct calls_ask *ask,
    struct want *wants, int n)
{
	struct arena *a = arena_new(0);
	struct call *c = a ? arena_alloc(a, sizeof(*c)) : NULL;
	int i = 0;

	if (!c || !(c->samples = arena_array(a, (size_t)n, sizeof(int)))) {
		arena_free(a);
		return NULL;
	}
	c->arena = a;
	c->k = k;
	c->lane = lane;
	c->tier = ask->tier;
	c->timer.cookie = c;
	memcpy(c->key, ask->key, sizeof(c->key));
	buf_init(&c->wire.url, 16384);
	buf_init(&c->wire.body, MAX_REQUEST);
	c->sampling = ask->tier->sampling;
	if (ask->max_tokens)
		c->sampling.max_tokens = ask->max_tokens;
	if (!arena_str(a, ask->canon, &c->canon)
	    || !copy_messages(c, ask->messages, ask->n_messages)) {
		arena_free(a);
		return NULL;
	}
	for (struct want *w = wants; w && i < n; w = w->next)
		c->samples[i++] = w->sample;
	c->q.provider = lane->p;
	c->q.model = ask->tier->model_name;
	c->q.sampling = &c->sampling;
	c->q.first = c->samples[0];
	c->q.n = n;
	return c;
}

/* --- the queue --------------------------------------------------------------------- */

static void
enqueue(struct call *c, bool in_front)
{
	struct lane *lane = c->lane;

	c->state = CALL_QUEUED;
	if (in_front) {
		c->queue_next = lane->head;
		lane->head = c;
		if (!c->queue_next)
			lane->tail = &c->queue_next;
		return;
	}
	c->queue_next = NULL;
	*lane->tail = c;
	lane->tail = &c->queue_next;
}

static struct call *
dequeue(struct lane *lane)
{
	struct call *c = lane->head;

	lane->head = c->queue_next;
	if (!lane->head)
		lane->tail = &lane->head;
	return c;
}

/* --- telling those who wait --------------------------------------------------------- */

static struct want *
take_want(struct want **list, int sample)
{
	for (struct want **p = list; *p; p = &(*p)->next)
		if ((*p)->sample == sample) {
			struct want *w = *p;
			*p = w->next;
			return w;
		}
	return NULL;
}

static void
push_want(struct want **list, struct want *w)
{
	w->next = *list;
	*list = w;
}

/* The first who wanted a sample stays the first: it bears the cost. */
static void
append_want(struct want **list, struct want *w)
{
	while (*list)
		list = &(*list)->next;
	w->next = NULL;
	*list = w;
}

static void
lose_wants(struct call *c, struct want *wants, const struct climb_failure *f)
{
	struct climb_failure one = *f;

	while (wants) {
		struct want *w = wants;
		wants = w->next;
		w->next = NULL;
		c->k->ops.lost(c->k->ops.cookie, w, &one);
		one.requests = one.retries = 0;
		one.cost_picousd = 0;
	}
}

static void
lose(struct call *c, enum outcome outcome, struct str code,
    struct str message)
{
	struct climb_failure f = { .outcome = outcome, .code = code,
	    .message = message, .requests = c->tries,
	    .retries = c->tries > 1 ? c->tries - 1 : 0,
	    .cost_picousd = c->booked_picousd };
	struct want *wants = c->wants;

	/* A call that is lost must not be joined by those it tells. */
	c->wants = NULL;
	c->k->alive--;
	unlink_call(c);
	lose_wants(c, wants, &f);
	call_free(c);
}

static void
give(struct call *c, struct want *w, size_t i, bool first, bool paid)
{
	struct climb_news news = {
		.c = &c->c[i],
		.cached = !first,
		.requests = first && paid ? c->tries : 0,
		.retries = first && paid && c->tries > 1 ? c->tries - 1 : 0,
		.booked_picousd = first && paid ? c->booked_picousd : 0,
	};

	c->k->ops.got(c->k->ops.cookie, w, &news);
}

/* --- an answer ------------------------------------------------------------------------ */

/* The output of each choice at the list price; the first bears the rest of the
 * request's cost, so that together they cost what the request did. */
static void
set_costs(struct call *c, struct reply *r)
{
	const struct price *p = &c->tier->price;
	struct usage all = { r->c[0].prompt_tokens, r->c[0].cached_tokens,
	    r->c[0].cache_write_tokens, r->c[0].completion_tokens };
	int64_t total, rest = 0;

	for (size_t i = 1; i < r->n; i++)
		if (all.completion >= 0)
			all.completion += r->c[i].completion_tokens;
	total = r->charged_picousd;
	if (total == MONEY_UNKNOWN)
		total = price_cost(p, &all, c->asked_utc_ms, false);
	for (size_t i = 1; i < r->n; i++) {
		struct usage u = { 0, 0, 0, r->c[i].completion_tokens };
		int64_t cost = price_cost(p, &u, c->asked_utc_ms, false);
		if (total == MONEY_UNKNOWN)
			cost = MONEY_UNKNOWN;
		else if (cost == MONEY_UNKNOWN || cost > total - rest)
			cost = 0;
		r->c[i].cost_picousd = cost;
		if (cost != MONEY_UNKNOWN)
			rest += cost;
	}
	r->c[0].cost_picousd = money_sub(total, rest);
}

/* The rest of the samples that one request did not bring, one by one. */
static int
ask_rest(struct call *c, size_t from, struct want **wants)
{
	struct calls_ask ask = { .tier = c->tier, .messages = c->q.messages,
	    .n_messages = c->q.n_messages, .canon = c->canon, .key = c->key,
	    .max_tokens = c->sampling.max_tokens };

	for (size_t i = from; i < (size_t)c->q.n; i++) {
		struct want *w = take_want(wants, c->samples[i]), *also;
		struct call *one;

		if (!w)
			continue;
		one = call_new(c->k, c->lane, &ask, w, 1);
		if (!one || !link_call(c->k, one)) {
			push_want(wants, w);
			if (one)
				call_free(one);
			return -1;
		}
		push_want(&one->wants, w);
		while ((also = take_want(wants, c->samples[i])))
			append_want(&one->wants, also);
		enqueue(one, false);
	}
	return 0;
}

static void
answered(struct call *c, struct reply *r, int64_t latency_ms)
{
	struct calls *k = c->k;
	struct want *wants = c->wants, *done = NULL, *w;
	size_t n = r->n < (size_t)c->q.n ? r->n : (size_t)c->q.n;

	set_costs(c, r);
	for (size_t i = 0; i < n; i++) {
		r->c[i].latency_ms = latency_ms;
		r->c[i].asked_utc_ms = c->asked_utc_ms;
	}
	c->state = CALL_ANSWERED;
	c->c = r->c;
	c->n_c = n;
	c->wants = NULL;
	k->alive--;
	if (!k->to_keep)
		k->oldest_ms = clock_mono_ms();
	k->to_keep += n;
	k->totals.completions += (int64_t)n;
	if (n < (size_t)c->q.n) {
		if (!r->broken)
			c->lane->one_by_one = true;
		if (ask_rest(c, n, &wants) < 0) {
			struct climb_failure f = { .outcome = OUTCOME_RETRY,
			    .code = STR("nomem"),
			    .message = STR("out of memory") };
			lose_wants(c, wants, &f);
			wants = NULL;
		}
	}
	for (size_t i = 0; i < n; i++) {
		bool first = true;
		while ((w = take_want(&wants, c->samples[i]))) {
			push_want(&done, w);
			give(c, w, i, first, i == 0);
			first = false;
		}
	}
	/* Those whose answer a later join finds are in c->wants by then. */
	while ((w = done)) {
		done = w->next;
		push_want(&c->wants, w);
	}
}

static void
on_retry(void *cookie)
{
	struct call *c = cookie;

	enqueue(c, false);
	pump(c->k);
}

static void
retry(struct call *c, const struct reply *r)
{
	struct calls *k = c->k;
	int most = k->retries;
	int64_t now = clock_mono_ms(), delay;

	if (r->most_retries >= 0 && r->most_retries < most)
		most = r->most_retries;
	if (c->tries > most || k->stopped || c->lane->stopped) {
		lose(c, r->outcome, r->code, r->message);
		return;
	}
	k->totals.retries++;
	delay = outcome_delay(&k->rng, c->tries - 1,
	    r->also & ACTION_SLOW, r->wait_ms);
	k->ops.again(k->ops.cookie, c->tier, r->code, r->message, delay,
	    c->tries);
	if (r->outcome == OUTCOME_WAIT) {
		/* The server means all of us, not this request alone. */
		if (now + delay > c->lane->paused_until_ms)
			c->lane->paused_until_ms = now + delay;
		enqueue(c, true);
		return;
	}
	c->state = CALL_SLEEPING;
	c->timer.fire = on_retry;
	if (http_timer_set(k->h, &c->timer, now + delay, NULL) < 0)
		lose(c, r->outcome, r->code, r->message);
}

static void
failed(struct call *c, struct reply *r)
{
	struct calls *k = c->k;
	struct want *wants;

	if (r->n_refused) {
		c->lane->one_by_one = true;
		wants = c->wants;
		c->wants = NULL;
		if (ask_rest(c, 0, &wants) == 0) {
			call_end(c);
			return;
		}
		c->wants = wants;
	}
	switch (r->outcome) {
	case OUTCOME_RETRY:
	case OUTCOME_WAIT:
		retry(c, r);
		return;
	case OUTCOME_STOP:
		c->lane->stopped = true;
		k->ops.out_of_use(k->ops.cookie, c->tier, true, r->code,
		    r->message);
		break;
	case OUTCOME_TIER:
		k->ops.out_of_use(k->ops.cookie, c->tier, false, r->code,
		    r->message);
		break;
	case OUTCOME_NEXT:
	case OUTCOME_FAIL:
	case OUTCOME_OK:
		break;
	}
	lose(c, r->outcome, r->code, r->message);
}

/* A server may say the key back to us. */
static void
redact(struct call *c, struct str *s)
{
	char *copy;

	if (!secret_text(&c->lane->key).n || !s->n)
		return;
	copy = arena_cstr(c->arena, *s);
	if (!copy) {
		*s = STR("(withheld: out of memory)");
		return;
	}
	secret_redact(&c->lane->key, copy, s->n);
	s->p = copy;
}

/* In an answer only the whole key is meant: what merely begins like it may be
 * an answer about keys. */
static void
redact_answer(struct call *c, struct str *s)
{
	if (secret_text(&c->lane->key).n
	    && str_find(*s, secret_text(&c->lane->key)) >= 0)
		redact(c, s);
}

/* No answer came, but it may have been made: book the worst case. A token has
 * at least one byte. */
static void
book(struct call *c)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < c->q.n_messages; i++)
		bytes += (int64_t)c->q.messages[i].content.n;
	c->booked_picousd = money_add(c->booked_picousd,
	    price_worst(&c->tier->price, bytes, c->sampling.max_tokens,
	    c->q.n, c->asked_utc_ms, false));
}

static void
handle(struct call *c, struct reply *r, int64_t latency_ms)
{
	struct lane *lane = c->lane;
	struct calls *k = c->k;

	redact(c, &r->message);
	redact(c, &r->code);
	for (size_t i = 0; r->outcome == OUTCOME_OK && i < r->n; i++) {
		redact_answer(c, &r->c[i].text);
		redact_answer(c, &r->c[i].model);
	}
	if (r->outcome != OUTCOME_OK && r->maybe_billed)
		book(c);
	k->in_flight--;
	if (--lane->in_flight == 0)
		secret_wipe(&lane->key);
	if (r->outcome == OUTCOME_OK)
		answered(c, r, latency_ms);
	else
		failed(c, r);
	pump(k);
}

static void
on_reply(void *cookie, const struct wire_reply *w, int64_t latency_ms)
{
	struct call *c = cookie;
	struct reply r;
	struct err e;

	c->http = NULL;
	if (c->q.provider->ops->parse(&c->q, w, c->arena, &r, &e) < 0)
		r = (struct reply){ .outcome = OUTCOME_FAIL, .wait_ms = -1,
		    .code = STR("nomem"), .message = STR("out of memory") };
	handle(c, &r, latency_ms);
}

static void
on_simulated(void *cookie)
{
	struct call *c = cookie;

	handle(c, c->simulated, clock_mono_ms() - c->sent_ms);
}

/* --- sending ---------------------------------------------------------------------------- */

static int
simulate(struct call *c, struct err *e)
{
	int64_t latency_ms;

	c->simulated = arena_alloc(c->arena, sizeof(*c->simulated));
	if (!c->simulated)
		return err_nomem(e);
	if (c->q.provider->ops->simulate(&c->q, c->arena, c->simulated,
	    &latency_ms, e) < 0)
		return -1;
	c->timer.fire = on_simulated;
	return http_timer_set(c->k->h, &c->timer, c->sent_ms + latency_ms, e);
}

static int
transmit(struct call *c, struct err *e)
{
	const struct provider *p = c->q.provider;
	struct lane *lane = c->lane;
	struct http_request q;

	if (p->ops->build(&c->q, &c->wire, e) < 0)
		return -1;
	q = (struct http_request){
		.url = buf_str(&c->wire.url),
		.body = buf_str(&c->wire.body),
		.headers = p->headers,
		.n_headers = p->n_headers,
		.auth = p->auth,
		.direct = lane->local,
		.key = &lane->key,
		.connect_timeout_ms = p->connect_timeout_ms,
		.timeout_ms = p->timeout_ms,
		.idle_timeout_ms = p->idle_timeout_ms,
		.max_body = MAX_BODY,
	};
	return http_send(c->k->h, &q, on_reply, c, &c->http, e);
}

static void
send_call(struct call *c)
{
	struct calls *k = c->k;
	struct lane *lane = c->lane;
	struct err e = { 0 };
	int rc = 0;

	if (lane->in_flight == 0 && !(lane->p->ops->flags & PROVIDER_OFFLINE))
		rc = provider_key(lane->p, &lane->key, &e);
	c->state = CALL_SENT;
	c->asked_utc_ms = clock_utc_ms();
	c->sent_ms = clock_mono_ms();
	if (rc == 0)
		rc = lane->p->ops->flags & PROVIDER_SIMULATED
		    ? simulate(c, &e) : transmit(c, &e);
	if (rc < 0) {
		struct str why = str_of(e.msg);
		bool config = e.code == ERR_CONFIG || e.code == ERR_USAGE;
		if (lane->in_flight == 0)
			secret_wipe(&lane->key);
		if (config) {
			lane->stopped = true;
			k->ops.out_of_use(k->ops.cookie, c->tier, true,
			    STR("config"), why);
		}
		lose(c, config ? OUTCOME_STOP : OUTCOME_FAIL,
		    config ? STR("config") : STR("send"), why);
		return;
	}
	c->tries++;
	k->totals.requests++;
	k->in_flight++;
	lane->in_flight++;
}

/* A rough count, for the pace alone: four bytes a token. */
static int64_t
tokens_of(const struct call *c)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < c->q.n_messages; i++)
		bytes += (int64_t)c->q.messages[i].content.n;
	return bytes / 4 + 1 + c->sampling.max_tokens * c->q.n;
}

static int64_t
lane_due(const struct lane *lane, int64_t now)
{
	int64_t due = lane->paused_until_ms, at;

	at = pace_due(&lane->requests, now);
	due = at > due ? at : due;
	at = pace_due(&lane->tokens, now);
	return at > due ? at : due;
}

static void
pump_lane(struct lane *lane)
{
	struct calls *k = lane->k;
	int64_t now = clock_mono_ms(), due;

	while (lane->head && k->in_flight < k->max_in_flight
	    && (!lane->p->max_in_flight
	    || lane->in_flight < (size_t)lane->p->max_in_flight)) {
		struct call *c;
		if (lane->stopped || k->stopped) {
			lose(dequeue(lane), OUTCOME_STOP, STR("stopped"),
			    STR("the run was stopped before this was asked"));
			continue;
		}
		due = lane_due(lane, now);
		if (due > now) {
			lane->wake.fire = on_wake;
			(void)http_timer_set(k->h, &lane->wake, due, NULL);
			return;
		}
		c = dequeue(lane);
		pace_take(&lane->requests, now, 1);
		pace_take(&lane->tokens, now, tokens_of(c));
		send_call(c);
	}
}

static void
pump(struct calls *k)
{
	for (size_t i = 0; i < k->n_lanes; i++)
		pump_lane(&k->lanes[i]);
}

static void
on_wake(void *cookie)
{
	struct lane *lane = cookie;

	pump_lane(lane);
}

/* --- asking ------------------------------------------------------------------------------- */

static struct lane *
lane_of(struct calls *k, const struct provider *p)
{
	for (size_t i = 0; i < k->n_lanes; i++)
		if (k->lanes[i].p == p)
			return &k->lanes[i];
	return NULL;
}

bool
calls_join(struct calls *k, const unsigned char key[SHA256_BYTES],
    struct want *w)
{
	struct call *c = map_get(k->by_key, key_str(key));

	for (; c; c = c->same) {
		size_t i, n = c->state == CALL_ANSWERED ? c->n_c
		    : (size_t)c->q.n;

		for (i = 0; i < n && c->samples[i] != w->sample; i++)
			;
		if (i == n)
			continue;
		if (c->state == CALL_ANSWERED) {
			give(c, w, i, false, false);
			push_want(&c->wants, w);
		} else {
			append_want(&c->wants, w);
		}
		return true;
	}
	return false;
}

int
calls_ask(struct calls *k, const struct calls_ask *q, struct want *wants,
    struct err *e)
{
	struct lane *lane = lane_of(k, q->tier->provider);
	bool single = lane->one_by_one || lane->p->n == NO;

	while (wants) {
		struct want *rest = NULL;
		struct call *c;
		int n = 0;

		if (single) {
			rest = wants->next;
			wants->next = NULL;
		}
		for (struct want *w = wants; w; w = w->next)
			n++;
		c = call_new(k, lane, q, wants, n);
		if (!c || !link_call(k, c)) {
			if (c)
				call_free(c);
			return err_nomem(e);
		}
		c->wants = wants;
		enqueue(c, false);
		wants = rest;
	}
	pump(k);
	return 0;
}

void
calls_stop(struct calls *k)
{
	struct call *c, *next;

	k->stopped = true;
	for (size_t i = 0; i < k->n_lanes; i++)
		while (k->lanes[i].head)
			lose(dequeue(&k->lanes[i]), OUTCOME_STOP,
			    STR("stopped"),
			    STR("the run was stopped before this was asked"));
	for (c = k->all; c; c = next) {
		next = c->next;
		if (c->state == CALL_SLEEPING)
			lose(c, OUTCOME_STOP, STR("stopped"),
			    STR("the run was stopped before a retry"));
	}
}

/* --- keeping ---------------------------------------------------------------------------------- */

size_t
calls_in_flight(const struct calls *k)
{
	return k->alive;
}

size_t
calls_to_keep(const struct calls *k)
{
	return k->to_keep;
}

int64_t
calls_oldest_ms(const struct calls *k)
{
	return k->oldest_ms;
}

static int
keep(struct call *c, struct store *s, struct err *e)
{
	struct request_row row = { .canon = c->canon,
	    .provider = c->q.provider->name, .model = c->q.model };

	memcpy(row.key, c->key, sizeof(row.key));
	if (!c->rows)
		c->rows = arena_array(c->arena, c->n_c, sizeof(*c->rows));
	if (!c->rows)
		return err_nomem(e);
	for (size_t i = 0; i < c->n_c; i++) {
		if (store_put(s, &row, c->samples[i], &c->c[i], &c->rows[i],
		    e) < 0)
			return -1;
		for (struct want *w = c->wants; w; w = w->next)
			if (w->sample == c->samples[i] && w->row)
				*w->row = c->rows[i];
	}
	return 0;
}

int
calls_keep(struct calls *k, struct store *s, struct err *e)
{
	for (struct call *c = k->all; c; c = c->next)
		if (c->state == CALL_ANSWERED && keep(c, s, e) < 0)
			return -1;
	return 0;
}

void
calls_kept(struct calls *k)
{
	struct call *c, *next;

	for (c = k->all; c; c = next) {
		next = c->next;
		if (c->state == CALL_ANSWERED)
			call_end(c);
	}
	k->to_keep = 0;
}

/* --- opening and closing ------------------------------------------------------------------------ */

int
calls_new(struct calls **out, struct http *h, const struct config *cfg,
    int max_in_flight, int retries, const struct calls_ops *ops,
    struct err *e)
{
	struct calls *k = calloc(1, sizeof(*k));

	if (!k)
		return err_nomem(e);
	k->h = h;
	k->ops = *ops;
	k->retries = retries >= 0 ? retries
	    : cfg->retries >= 0 ? cfg->retries : CALLS_RETRIES;
	k->max_in_flight = max_in_flight > 0 ? (size_t)max_in_flight : 1;
	k->by_key = map_new();
	k->lanes = calloc(cfg->n_providers + 1, sizeof(*k->lanes));
	if (!k->by_key || !k->lanes) {
		calls_free(k);
		return err_nomem(e);
	}
	rng_seed_system(&k->rng);
	k->n_lanes = cfg->n_providers;
	for (size_t i = 0; i < k->n_lanes; i++) {
		struct lane *lane = &k->lanes[i];
		lane->k = k;
		lane->p = &cfg->providers[i];
		lane->local = provider_is_local(lane->p);
		lane->tail = &lane->head;
		lane->wake.cookie = lane;
		pace_init(&lane->requests, lane->p->requests_per_minute);
		pace_init(&lane->tokens, lane->p->tokens_per_minute);
	}
	*out = k;
	return 0;
}

void
calls_free(struct calls *k)
{
	if (!k)
		return;
	while (k->all)
		call_end(k->all);
	for (size_t i = 0; i < k->n_lanes; i++) {
		http_timer_stop(k->h, &k->lanes[i].wake);
		secret_wipe(&k->lanes[i].key);
	}
	map_free(k->by_key);
	free(k->lanes);
	free(k);
}

struct calls_totals
calls_totals(const struct calls *k)
{
	return k->totals;
}
