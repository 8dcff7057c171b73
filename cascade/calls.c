/*
 * calls.c -- the life of a call: made, joined, sent, answered or failed, tried
 * again. Its states are described in calls_internal.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "cascade/calls_internal.h"
#include "providers/outcome.h"

#define MAX_REQUEST ((size_t)64 << 20)

/* --- calls and their key ---------------------------------------------------------- */

struct str
call_key(const struct call *c)
{
	return (struct str){ (const char *)c->key, SHA256_BYTES };
}

static bool
link_call(struct calls *k, struct call *c)
{
	struct call *head = map_get(k->by_key, call_key(c));

	c->same = head;
	if (!map_put(k->by_key, call_key(c), c))
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
	struct call *head = map_get(k->by_key, call_key(c)), **p = &head;

	while (*p && *p != c)
		p = &(*p)->same;
	if (*p)
		*p = c->same;
	if (!head)
		map_remove(k->by_key, call_key(c));
	else
		(void)map_put(k->by_key, call_key(c), head);
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

void
call_end(struct call *c)
{
	struct calls *k = c->k;

	if (c->state != CALL_ANSWERED)
		k->alive--;
	if (c->state == CALL_ELSEWHERE)
		k->n_elsewhere--;
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

int64_t
calls_worst(const struct tier *t, struct str canon, size_t n_messages,
    int64_t max_tokens, int samples, int64_t utc_ms)
{
	/* A token has a byte at least, and the canonical form has them all. */
	int64_t tokens = (int64_t)canon.n + CALLS_TEMPLATE_TOKENS
	    + 16 * (int64_t)n_messages;

	return price_worst(&t->price, tokens, max_tokens, samples, utc_ms,
	    false);
}

/* A rough count, for the pace alone: four bytes a token. */
static struct need
need_of(const struct call *c)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < c->q.n_messages; i++)
		bytes += (int64_t)c->q.messages[i].content.n;
	return (struct need){ bytes / 4 + 1,
	    c->sampling.max_tokens * c->q.n };
}

/* A call with a short prompt takes some 2,300: there are thousands of them. */
#define CALL_CHUNK 2400

static struct call *
call_new(struct calls *k, struct line *line, const struct calls_ask *ask,
    struct want *wants, int n)
{
	struct arena *a = arena_new(CALL_CHUNK);
	struct call *c = a ? arena_alloc(a, sizeof(*c)) : NULL;
	int i = 0;

	if (!c || !(c->samples = arena_array(a, (size_t)n, sizeof(int)))) {
		arena_free(a);
		return NULL;
	}
	c->arena = a;
	c->k = k;
	c->line = line;
	c->tier = ask->tier;
	c->outage = ask->outage;
	c->version = k->version;
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
	c->q.provider = line->server->p;
	c->q.model = ask->tier->model_name;
	c->q.sampling = &c->sampling;
	c->q.first = c->samples[0];
	c->q.n = n;
	c->need = need_of(c);
	return c;
}

/* --- telling those who wait --------------------------------------------------------- */

struct want *
want_take(struct want **list, int sample)
{
	for (struct want **p = list; *p; p = &(*p)->next)
		if ((*p)->sample == sample) {
			struct want *w = *p;
			*p = w->next;
			return w;
		}
	return NULL;
}

void
want_push(struct want **list, struct want *w)
{
	w->next = *list;
	*list = w;
}

/* The first who wanted a sample stays the first: it bears the cost. */
static void
append_want(struct call *c, struct want *w)
{
	struct want **list = &c->wants;

	while (*list)
		list = &(*list)->next;
	w->next = NULL;
	w->call = c;
	*list = w;
}

static void
lose_wants(struct calls *k, struct want *wants, const struct climb_failure *f)
{
	struct climb_failure one = *f;

	/* Told of one, its owner may leave others: they must not be here. */
	for (struct want *w = wants; w; w = w->next)
		w->call = NULL;
	while (wants) {
		struct want *w = wants;
		wants = w->next;
		w->next = NULL;
		k->ops.lost(k->ops.cookie, w, &one);
		one.requests = one.retries = 0;
		one.cost_picousd = one.booked_picousd = 0;
	}
}

/* What a call that brought nothing has cost. */
static void
add_tries(const struct call *c, struct climb_failure *f)
{
	f->requests = c->tries + c->earlier;
	f->retries = c->tries > 1 ? c->tries - 1 : 0;
	f->cost_picousd = c->failed_picousd;
	f->booked_picousd = c->booked_picousd;
}

static void
lose(struct call *c, struct climb_failure f)
{
	struct calls *k = c->k;
	struct want *wants = c->wants;

	if (!c->charged)
		add_tries(c, &f);
	/* A call that is lost must not be joined by those it tells. */
	c->wants = NULL;
	k->alive--;
	if (c->state == CALL_ELSEWHERE)
		k->n_elsewhere--;
	unlink_call(c);
	lose_wants(k, wants, &f);
	call_free(c);
}

void
call_lose(struct call *c, enum outcome outcome, struct str code,
    struct str message)
{
	lose(c, (struct climb_failure){ .outcome = outcome, .code = code,
	    .message = message });
}

void
call_lose_budget(struct call *c)
{
	lose(c, (struct climb_failure){ .outcome = OUTCOME_FAIL,
	    .budget = true, .code = STR("budget"), .message =
	    STR("max_cost leaves too little for this request") });
}

/* `pays`: it bears the cost of this completion; `all`: and of the request's
 * tries. */
static void
give(struct call *c, struct want *w, size_t i, bool pays, bool all)
{
	struct climb_news news = {
		.c = &c->c[i],
		.cached = !pays,
		.requests = all ? c->tries + c->earlier : 0,
		.retries = all && c->tries > 1 ? c->tries - 1 : 0,
		.failed_picousd = all ? c->failed_picousd : 0,
		.booked_picousd = all ? c->booked_picousd : 0,
	};

	w->call = NULL;
	c->k->ops.got(c->k->ops.cookie, w, &news);
}

/* --- an answer ------------------------------------------------------------------------ */

/* The output of each choice at the list price; the first bears the rest of the
 * request's cost, so that together they cost what the request did. Gives that
 * cost. */
static int64_t
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
	return total;
}

/* The rest of the samples that one request did not bring, one by one. */
static int
ask_rest(struct call *c, size_t from, struct want **wants)
{
	struct calls_ask ask = { .tier = c->tier, .messages = c->q.messages,
	    .n_messages = c->q.n_messages, .canon = c->canon, .key = c->key,
	    .max_tokens = c->sampling.max_tokens, .outage = c->outage };

	bool instead = from == 0; /* of c: the first then bears its cost */

	for (size_t i = from; i < (size_t)c->q.n; i++) {
		struct want *w = want_take(wants, c->samples[i]), *also;
		struct call *one;

		if (!w)
			continue;
		one = call_new(c->k, c->line, &ask, w, 1);
		if (!one || !link_call(c->k, one)) {
			want_push(wants, w);
			if (one)
				call_free(one);
			return -1;
		}
		append_want(one, w);
		while ((also = want_take(wants, c->samples[i])))
			append_want(one, also);
		if (instead) {
			one->earlier = c->tries + c->earlier;
			one->failed_picousd = c->failed_picousd;
			one->booked_picousd = c->booked_picousd;
			instead = false;
		}
		call_enqueue(one, false);
	}
	return 0;
}

static void
take_reply(struct call *c, struct reply *r, size_t n, int64_t latency_ms)
{
	struct calls *k = c->k;

	for (size_t i = 0; i < n; i++) {
		r->c[i].latency_ms = latency_ms;
		r->c[i].asked_utc_ms = c->asked_utc_ms;
	}
	c->state = CALL_ANSWERED;
	c->c = r->c;
	c->n_c = n;
	k->alive--;
	if (!k->to_keep)
		k->oldest_ms = clock_mono_ms();
	k->to_keep += n;
	k->totals.completions += (int64_t)n;
}

/* Those who wanted it, each sample's in their order: the first of those whose
 * cap it was held against pays. */
static void
give_all(struct call *c, struct want *wants, const struct budget *payer)
{
	struct want *done = NULL, *w;
	bool all = !c->charged;

	for (size_t i = 0; i < c->n_c; i++) {
		bool paid = c->charged;

		while ((w = want_take(&wants, c->samples[i]))) {
			bool pays = !paid && w->budget == payer;

			want_push(&done, w);
			give(c, w, i, pays, pays && all);
			paid |= pays;
			all &= !pays;
		}
	}
	/* Those whose answer a later join finds are in c->wants by then. */
	while ((w = done)) {
		done = w->next;
		want_push(&c->wants, w);
	}
}

static void
answered(struct call *c, struct reply *r, int64_t latency_ms)
{
	struct want *wants = c->wants;
	const struct budget *payer = c->task_budget;
	size_t n = r->n < (size_t)c->q.n ? r->n : (size_t)c->q.n;
	int64_t cost = set_costs(c, r);

	c->line->odd = 0;
	c->wants = NULL;
	call_note_end(c, ASK_OK, r->status, STR(""), cost, false);
	call_release(c, cost);
	take_reply(c, r, n, latency_ms);
	if (n < (size_t)c->q.n) {
		if (!r->broken)
			c->line->server->one_by_one = true;
		if (ask_rest(c, n, &wants) < 0) {
			struct climb_failure f = { .outcome = OUTCOME_RETRY,
			    .code = STR("nomem"),
			    .message = STR("out of memory") };
			lose_wants(c->k, wants, &f);
			wants = NULL;
		}
	}
	give_all(c, wants, payer);
}

/* --- a failure ------------------------------------------------------------------------- */

static void
on_retry(void *cookie)
{
	struct call *c = cookie;

	call_enqueue(c, false);
	calls_pump(c->k);
}

/* Nobody would live to see the answer of another try. */
static bool
too_late(const struct call *c, int64_t due)
{
	for (const struct want *w = c->wants; w; w = w->next)
		if (!w->deadline_ms || w->deadline_ms > due)
			return false;
	return true;
}

/* May it be tried again? A failure that may have been billed, or that the
 * server has answered, is not tried for ever, however long its wanters stay. */
static bool
may_retry(const struct call *c, const struct reply *r, int64_t due,
    int64_t now)
{
	const struct calls *k = c->k;
	if (k->stopped || c->line->server->stopped || too_late(c, due))
		return false;
	if (c->outage != OUTAGE_STAY && r->outcome == OUTCOME_WAIT
	    && due - now > CALLS_MAX_WAIT_MS)
		return false;
	/* Who waits for the model is there when the breaker opens, and one by
	 * one tries it then. */
	if (c->outage == OUTAGE_STAY && !r->maybe_billed && k->retries > 0
	    && (c->tries < LANE_FAILURES || (lane_is_dark(&c->line->lane)
	    && c->tries < CALLS_MOST_TRIES)))
		return true;
	if (r->most_retries >= 0 && c->in_a_row > r->most_retries)
		return false;
	return c->tries <= k->retries;
}

static void
retry(struct call *c, const struct reply *r, int64_t delay)
{
	struct calls *k = c->k;
	int64_t now = clock_mono_ms();

	if (!may_retry(c, r, now + delay, now)) {
		call_lose(c, r->also & ACTION_THEN_FAIL ? OUTCOME_FAIL
		    : r->outcome, r->code, r->message);
		return;
	}
	k->totals.retries++;
	k->ops.again(k->ops.cookie, c->tier, r->code, r->message, delay,
	    c->tries);
	if (r->outcome == OUTCOME_WAIT) {
		call_enqueue(c, true); /* the lane is paused */
		return;
	}
	c->state = CALL_SLEEPING;
	c->timer.fire = on_retry;
	if (http_timer_set(k->h, &c->timer, now + delay, NULL) < 0)
		call_lose(c, r->outcome, r->code, r->message);
}

/* What those are told who leave a model that is out. */
static void
remember(struct line *l, const struct reply *r)
{
	arena_clear(l->words);
	if (!arena_str(l->words, r->code, &l->code)
	    || !arena_str(l->words, r->message, &l->message))
		l->code = l->message = (struct str){ 0 };
}

static void
tell_outage(struct call *c, bool was_dark, struct str code,
    struct str message)
{
	struct calls *k = c->k;
	bool dark = lane_is_dark(&c->line->lane);

	if (dark != was_dark && k->ops.outage)
		k->ops.outage(k->ops.cookie, c->tier, dark, code, message);
}

/* What the lane learns of a failure. */
static void
teach(struct call *c, const struct reply *r, int64_t delay)
{
	struct lane *l = &c->line->lane;
	int64_t now = clock_mono_ms();
	bool was_dark = lane_is_dark(l);

	switch (r->outcome) {
	case OUTCOME_WAIT:
		lane_refused(l, c->sent_ms, now, delay,
		    r->also & ACTION_HALVE_RATE);
		remember(c->line, r);
		break;
	case OUTCOME_RETRY:
		lane_failed(l, c->sent_ms, now, r->also & ACTION_FEWER);
		remember(c->line, r);
		/* The server means all of us, not this request alone. */
		if (r->wait_ms > 0)
			lane_pause(l, now, delay);
		break;
	case OUTCOME_NEXT:
	case OUTCOME_FAIL:
	case OUTCOME_TIER:
	case OUTCOME_STOP:
	case OUTCOME_OK:
		lane_other(l, c->sent_ms);
		break;
	}
	tell_outage(c, was_dark, r->code, r->message);
}

/* Several different requests refused in a row: it is not the requests. */
static void
count_odd(struct call *c, struct reply *r)
{
	struct line *l = c->line;

	if (!(r->also & ACTION_ODD)) {
		l->odd = 0;
		return;
	}
	for (int i = 0; i < l->odd; i++)
		if (memcmp(l->odd_key[i], c->key, SHA256_BYTES) == 0)
			return;
	if (l->odd < ODD_IN_A_ROW)
		memcpy(l->odd_key[l->odd++], c->key, SHA256_BYTES);
	if (l->odd >= ODD_IN_A_ROW)
		r->outcome = OUTCOME_TIER;
}

/* The server refuses several samples at once: one by one then, at once. */
static bool
split(struct call *c)
{
	struct want *wants = c->wants;

	c->line->server->one_by_one = true;
	c->wants = NULL;
	if (ask_rest(c, 0, &wants) == 0) {
		call_end(c);
		return true;
	}
	c->wants = wants;
	return false;
}

/* A worst case without an answer: held for good, and said to be that. */
static int64_t
book(struct call *c)
{
	struct calls *k = c->k;

	c->failed_picousd = money_add(c->failed_picousd, c->worst_picousd);
	c->booked_picousd = money_add(c->booked_picousd, c->worst_picousd);
	k->totals.booked++;
	k->totals.booked_picousd = money_add(k->totals.booked_picousd,
	    c->worst_picousd);
	return c->worst_picousd;
}

/* What the server says that it cost, in money or in tokens; else unknown. */
static int64_t
cost_of_failure(const struct call *c, const struct reply *r)
{
	struct usage u = { r->prompt_tokens, r->cached_tokens,
	    r->cache_write_tokens, r->completion_tokens };

	if (r->charged_picousd != MONEY_UNKNOWN || !r->has_usage
	    || !r->maybe_billed)
		return r->charged_picousd;
	return price_cost(&c->tier->price, &u, c->asked_utc_ms, false);
}

/* How often a kind of failure is tried again is bounded for each kind. */
static void
count_kind(struct call *c, const struct reply *r)
{
	if (c->in_a_row && str_eq(c->last_code, r->code)) {
		c->in_a_row++;
		return;
	}
	c->in_a_row = 1;
	if (!arena_str(c->arena, r->code, &c->last_code))
		c->last_code = (struct str){ 0 };
}

static void
failed(struct call *c, struct reply *r)
{
	struct calls *k = c->k;
	int64_t delay = outcome_delay(&k->rng, c->tries - 1,
	    r->also & ACTION_SLOW, r->wait_ms);
	int64_t cost = cost_of_failure(c, r);
	bool said = cost != MONEY_UNKNOWN;

	count_kind(c, r);
	if (!said)
		cost = r->maybe_billed ? book(c) : 0;
	else
		c->failed_picousd = money_add(c->failed_picousd, cost);
	count_odd(c, r);
	call_note_end(c, (enum ask_outcome)r->outcome, r->status, r->code,
	    cost, r->maybe_billed && !said);
	call_release(c, cost);
	if (r->n_refused) {
		lane_other(&c->line->lane, c->sent_ms);
		if (split(c))
			return;
	} else {
		teach(c, r, delay);
	}
	switch (r->outcome) {
	case OUTCOME_RETRY:
	case OUTCOME_WAIT:
		retry(c, r, delay);
		return;
	case OUTCOME_STOP:
		c->line->server->stopped = true;
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
	call_lose(c, r->outcome, r->code, r->message);
}

/* A server may say the key back to us. */
static void
redact(struct call *c, struct str *s)
{
	const struct secret *key = &c->line->server->key;
	char *copy;

	if (!secret_text(key).n || !s->n)
		return;
	copy = arena_cstr(c->arena, *s);
	if (!copy) {
		*s = STR("(withheld: out of memory)");
		return;
	}
	secret_redact(key, copy, s->n);
	s->p = copy;
}

/* In an answer only the whole key is meant: what merely begins like it may be
 * an answer about keys. */
static void
redact_answer(struct call *c, struct str *s)
{
	struct str key = secret_text(&c->line->server->key);

	if (key.n && str_find(*s, key) >= 0)
		redact(c, s);
}

static void
handle(struct call *c, struct reply *r, int64_t latency_ms)
{
	struct calls *k = c->k;

	redact(c, &r->message);
	redact(c, &r->code);
	for (size_t i = 0; r->outcome == OUTCOME_OK && i < r->n; i++) {
		redact_answer(c, &r->c[i].text);
		redact_answer(c, &r->c[i].model);
	}
	if (r->outcome == OUTCOME_OK) {
		bool was_dark = lane_is_dark(&c->line->lane);
		lane_answered(&c->line->lane, c->sent_ms, clock_mono_ms());
		tell_outage(c, was_dark, STR(""), STR(""));
		answered(c, r, latency_ms);
	} else {
		failed(c, r);
	}
	calls_pump(k);
}

static void
learn_limits(struct lane *l, const struct limits *said)
{
	int64_t now = clock_mono_ms();
	struct { struct allowance *a; const struct limit *s; } v[] = {
		{ &l->said_requests, &said->requests },
		{ &l->said_tokens, &said->tokens },
		{ &l->said_input, &said->input_tokens },
		{ &l->said_output, &said->output_tokens },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		allowance_said(v[i].a, v[i].s->limit, v[i].s->remaining,
		    v[i].s->reset_ms, now);
}

static void
on_reply(void *cookie, const struct wire_reply *w, int64_t latency_ms)
{
	struct call *c = cookie;
	struct reply r;
	struct err e;

	c->http = NULL;
	if (w->limits.any)
		learn_limits(&c->line->lane, &w->limits);
	if (c->q.provider->ops->parse(&c->q, w, c->arena, &r, &e) < 0)
		r = (struct reply){ .outcome = OUTCOME_FAIL, .wait_ms = -1,
		    .maybe_billed = true, .charged_picousd = MONEY_UNKNOWN,
		    .code = STR("nomem"),
		    .message = STR("out of memory") };
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

/* Not longer than the last of those lives who wait for it. */
static int64_t
timeout_of(const struct call *c)
{
	int64_t ms = c->q.provider->timeout_ms, last = 0;

	for (const struct want *w = c->wants; w; w = w->next) {
		if (!w->deadline_ms)
			return ms;
		if (w->deadline_ms > last)
			last = w->deadline_ms;
	}
	last -= c->sent_ms;
	if (last < 1)
		last = 1;
	return last < ms ? last : ms;
}

static int
transmit(struct call *c, struct err *e)
{
	const struct provider *p = c->q.provider;
	struct http_request q;

	if (p->ops->build(&c->q, &c->wire, e) < 0)
		return -1;
	q = (struct http_request){
		.url = buf_str(&c->wire.url),
		.body = buf_str(&c->wire.body),
		.headers = p->headers,
		.n_headers = p->n_headers,
		.ca_file = p->ca_file,
		.auth = p->auth,
		.direct = c->line->server->local,
		.key = &c->line->server->key,
		.connect_timeout_ms = p->connect_timeout_ms,
		.timeout_ms = timeout_of(c),
		.idle_timeout_ms = p->idle_timeout_ms,
		.max_body = (size_t)c->k->cfg->limits.response,
	};
	return http_send(c->k->h, &q, on_reply, c, &c->http, e);
}

/* It could not even be sent. */
static void
not_sent(struct call *c, const struct err *e)
{
	struct calls *k = c->k;
	bool config = e->code == ERR_CONFIG || e->code == ERR_USAGE;
	enum outcome outcome = config ? OUTCOME_STOP : OUTCOME_FAIL;
	struct str code = config ? STR("config") : STR("send");

	call_note_end(c, (enum ask_outcome)outcome, 0, code, 0, false);
	lane_unsent(&c->line->lane, c->sent_ms);
	call_release(c, 0);
	if (config) {
		c->line->server->stopped = true;
		k->ops.out_of_use(k->ops.cookie, c->tier, true, code,
		    str_of(e->msg));
	}
	call_lose(c, outcome, code, str_of(e->msg));
}

void
call_send(struct call *c)
{
	struct calls *k = c->k;
	struct server *s = c->line->server;
	struct err e = { 0 };
	int rc = 0;

	if (!secret_text(&s->key).n && !(s->p->ops->flags & PROVIDER_OFFLINE))
		rc = provider_key(s->p, &s->key, &e);
	c->state = CALL_SENT;
	c->sent_ms = clock_mono_ms();
	if (!c->ask_id)
		c->asked_utc_ms = clock_utc_ms();
	if (rc == 0)
		rc = s->p->ops->flags & PROVIDER_SIMULATED
		    ? simulate(c, &e) : transmit(c, &e);
	if (rc < 0) {
		not_sent(c, &e);
		return;
	}
	c->tries++;
	k->totals.requests++;
}

/* --- asking ------------------------------------------------------------------------------- */

bool
calls_join(struct calls *k, const unsigned char key[SHA256_BYTES],
    struct want *w)
{
	struct call *c = map_get(k->by_key,
	    (struct str){ (const char *)key, SHA256_BYTES });

	for (; c; c = c->same) {
		size_t i, n = c->state == CALL_ANSWERED ? c->n_c
		    : (size_t)c->q.n;

		for (i = 0; i < n && c->samples[i] != w->sample; i++)
			;
		if (i == n || c->state == CALL_LEAVING)
			continue;
		if (c->state == CALL_ANSWERED) {
			give(c, w, i, false, false);
			want_push(&c->wants, w);
		} else {
			append_want(c, w);
		}
		return true;
	}
	return false;
}

int
calls_ask(struct calls *k, const struct calls_ask *q, struct want *wants,
    struct err *e)
{
	struct line *line = line_of(k, q->tier);
	bool single;

	if (!line)
		return err_nomem(e);
	single = line->server->one_by_one || line->server->p->n == NO;
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
		c = call_new(k, line, q, wants, n);
		if (!c || !link_call(k, c)) {
			if (c)
				call_free(c);
			return err_nomem(e);
		}
		c->wants = wants;
		for (struct want *w = wants; w; w = w->next)
			w->call = c;
		call_enqueue(c, false);
		wants = rest;
	}
	calls_pump(k);
	return 0;
}

/* The last who wanted it is told what it has cost so far. What is under way may
 * be billed: whatever it will cost, this is the most. */
static void
charge(struct call *c, struct climb_failure *f)
{
	if (c->charged)
		return;
	c->charged = true;
	add_tries(c, f);
	if (c->state != CALL_SENT)
		return;
	f->cost_picousd = money_add(f->cost_picousd, c->worst_picousd);
	f->booked_picousd = money_add(f->booked_picousd, c->worst_picousd);
}

void
calls_leave(struct calls *k, struct want *w, struct climb_failure *f)
{
	struct call *c = w->call;
	struct want **p;

	if (!c)
		return;
	for (p = &c->wants; *p && *p != w; p = &(*p)->next)
		;
	if (*p)
		*p = w->next;
	w->call = NULL;
	call_forget(c, w);
	if (c->wants)
		return;
	charge(c, f);
	switch (c->state) {
	case CALL_QUEUED:
		call_dequeue(c);
		break;
	case CALL_READY:
		call_unready(c);
		/* Others may be sent in its place. */
		(void)http_timer_set(k->h, &c->line->wake, clock_mono_ms(),
		    NULL);
		break;
	case CALL_ELSEWHERE:
	case CALL_SLEEPING:
		break;
	case CALL_SENT:
	case CALL_ANSWERED:
	case CALL_LEAVING:
		return;
	}
	call_end(c);
}

/* --- stopping ------------------------------------------------------------------------------ */

/* The first call that waits for something; telling of its end may end others. */
static struct call *
find_waiting(struct calls *k)
{
	for (struct call *c = k->all; c; c = c->next)
		if (c->state == CALL_QUEUED || c->state == CALL_READY
		    || c->state == CALL_SLEEPING
		    || c->state == CALL_ELSEWHERE)
			return c;
	return NULL;
}

void
calls_stop(struct calls *k)
{
	struct call *c;

	k->stopped = true;
	while ((c = find_waiting(k))) {
		if (c->state == CALL_QUEUED)
			call_dequeue(c);
		else if (c->state == CALL_READY)
			call_unready(c);
		call_lose(c, OUTCOME_STOP, STR("stopped"),
		    STR("the run was stopped before this was asked"));
	}
}

void
calls_abandon(struct calls *k)
{
	struct call *c, *next;

	calls_stop(k);
	for (c = k->all; c; c = next) {
		int64_t cost;

		next = c->next;
		if (c->state != CALL_SENT)
			continue;
		if (c->http)
			http_cancel(c->http);
		c->http = NULL;
		cost = book(c);
		call_note_end(c, ASK_LOST, 0, STR("interrupted"), cost, true);
		lane_unsent(&c->line->lane, c->sent_ms);
		call_release(c, cost);
		for (struct want *w = c->wants; w; w = w->next)
			w->call = NULL;
		c->wants = NULL;
		call_end(c);
	}
}

/* --- opening and closing ------------------------------------------------------------------------ */

static void
open_server(struct server *s, const struct provider *p)
{
	s->p = p;
	s->local = provider_is_local(p);
	pace_init(&s->requests, p->requests_per_minute);
	pace_init(&s->tokens, p->tokens_per_minute);
}

int
calls_new(struct calls **out, struct http *h, const struct config *cfg,
    const struct calls_options *o, const struct calls_ops *ops,
    struct err *e)
{
	struct calls *k = calloc(1, sizeof(*k));

	if (!k)
		return err_nomem(e);
	k->h = h;
	k->ops = *ops;
	k->o = *o;
	k->cfg = cfg;
	k->retries = o->retries >= 0 ? o->retries
	    : cfg->retries >= 0 ? cfg->retries : CALLS_RETRIES;
	k->max_in_flight = o->max_in_flight > 0 ? (size_t)o->max_in_flight : 1;
	k->budget.cap = o->caps.run;
	k->ready_tail = &k->ready;
	k->lines_tail = &k->lines;
	k->look.cookie = k;
	k->by_key = map_new();
	k->servers = calloc(cfg->n_providers + 1, sizeof(*k->servers));
	k->found_arena = arena_new(0);
	if (!k->by_key || !k->servers || !k->found_arena) {
		calls_free(k);
		return err_nomem(e);
	}
	rng_seed_system(&k->rng);
	k->n_servers = cfg->n_providers;
	for (size_t i = 0; i < k->n_servers; i++)
		open_server(&k->servers[i], &cfg->providers[i]);
	*out = k;
	return 0;
}

void
calls_free(struct calls *k)
{
	struct line *l;

	if (!k)
		return;
	while (k->all)
		call_end(k->all);
	while ((l = k->lines)) {
		k->lines = l->next;
		line_free(l);
	}
	for (size_t i = 0; i < k->n_servers; i++)
		secret_wipe(&k->servers[i].key);
	http_timer_stop(k->h, &k->look);
	arena_free(k->found_arena);
	map_free(k->by_key);
	free(k->servers);
	free(k->endings);
	free(k);
}

size_t
calls_in_flight(const struct calls *k)
{
	return k->alive;
}

struct calls_totals
calls_totals(const struct calls *k)
{
	return k->totals;
}
