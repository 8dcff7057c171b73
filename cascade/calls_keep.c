/*
 * calls_keep.c -- what goes into the store: completions, requests that have
 * ended, and those about to leave. And what other processes have done
 * meanwhile: what they have kept is taken, what they are asking is waited for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "cascade/calls_internal.h"

_Static_assert((int)ASK_RETRY == (int)OUTCOME_RETRY
    && (int)ASK_WAIT == (int)OUTCOME_WAIT
    && (int)ASK_NEXT == (int)OUTCOME_NEXT
    && (int)ASK_FAIL == (int)OUTCOME_FAIL
    && (int)ASK_TIER == (int)OUTCOME_TIER
    && (int)ASK_STOP == (int)OUTCOME_STOP, "the store knows the six actions");

/* A lease outlives its request's own timeout by this. */
#define GRACE_MS 60000
#define LOOK_FIRST_MS 10
#define LOOK_MOST_MS 250

/* --- requests that have ended ---------------------------------------------------- */

void
call_note_end(struct call *c, enum ask_outcome outcome, int status,
    struct str code, int64_t cost_picousd, bool booked)
{
	struct calls *k = c->k;
	struct ending *v;

	k->totals.by_outcome[outcome]++;
	if (cost_picousd != MONEY_UNKNOWN)
		k->totals.cost_picousd = money_add(k->totals.cost_picousd,
		    cost_picousd);
	if (!c->ask_id)
		return;
	if (k->n_endings == k->cap_endings) {
		size_t cap = k->cap_endings ? k->cap_endings * 2 : 64;
		v = reallocarray(k->endings, cap, sizeof(*v));
		if (!v)
			return; /* it stays open: the next run books it */
		k->endings = v;
		k->cap_endings = cap;
	}
	v = &k->endings[k->n_endings++];
	*v = (struct ending){ .end = { .id = c->ask_id, .outcome = outcome,
	    .status = status, .ended_utc_ms = clock_utc_ms(),
	    .cost_picousd = cost_picousd, .booked = booked } };
	code = str_sub(code, 0, sizeof(v->code));
	memcpy(v->code, code.n ? code.p : "", code.n);
	v->end.code.n = code.n;
	c->ask_id = 0;
}

static int
keep_endings(struct calls *k, struct store *s, struct err *e)
{
	for (size_t i = 0; i < k->n_endings; i++) {
		struct ending *v = &k->endings[i];
		v->end.code.p = v->code; /* the table may have moved */
		if (asks_end(s, &v->end, e) < 0)
			return -1;
	}
	return 0;
}

/* --- completions --------------------------------------------------------------------- */

static int
keep_answer(struct call *c, struct store *s, struct err *e)
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

/* --- what others do --------------------------------------------------------------------- */

static void
on_look(void *cookie)
{
	struct calls *k = cookie;

	k->must_look = true;
}

void
calls_look_soon(struct calls *k)
{
	if (k->look.entry.place || k->must_look)
		return; /* it is to come already */
	k->look_ms = k->look_ms ? k->look_ms * 2 : LOOK_FIRST_MS;
	if (k->look_ms > LOOK_MOST_MS)
		k->look_ms = LOOK_MOST_MS;
	k->look.fire = on_look;
	(void)http_timer_set(k->h, &k->look, clock_mono_ms() + k->look_ms,
	    NULL);
}

/* Move those who want the sample from the call to the found one. */
static int
found_sample(struct call *c, int sample, const struct completion *got,
    int64_t row, struct err *e)
{
	struct calls *k = c->k;
	struct found *f = arena_alloc(k->found_arena, sizeof(*f));
	struct want *w;

	if (!f)
		return err_nomem(e);
	*f = (struct found){ .next = k->found, .c = *got, .row = row,
	    .requests = c->tries + c->earlier,
	    .retries = c->tries > 1 ? c->tries - 1 : 0,
	    .failed_picousd = c->failed_picousd,
	    .booked_picousd = c->booked_picousd };
	c->tries = c->earlier = 0;
	c->failed_picousd = c->booked_picousd = 0;
	k->found = f;
	while ((w = want_take(&c->wants, sample))) {
		w->call = NULL;
		call_forget(c, w);
		want_push(&f->wants, w);
	}
	return 0;
}

/* Take what the store has by now; *left: samples that it has not. */
static int
take_found(struct call *c, struct store *s, int *left, struct err *e)
{
	struct completion got;
	int64_t row;
	int n = 0;

	for (int i = 0; i < c->q.n; i++) {
		int rc = store_get(s, c->key, c->samples[i], false,
		    c->k->found_arena, &got, &row, e);
		if (rc < 0)
			return -1;
		if (rc == 0)
			c->samples[n++] = c->samples[i];
		else if (found_sample(c, c->samples[i], &got, row, e) < 0)
			return -1;
	}
	c->q.n = n;
	c->q.first = n ? c->samples[0] : 0;
	*left = n;
	return 0;
}

/* 1: it is not to be sent now: it was found, or others are asking it. */
static int
see_others(struct call *c, struct store *s, struct err *e)
{
	struct calls *k = c->k;
	int left = c->q.n, rc;

	if (!k->o.reuse)
		return 0;
	if (c->version != k->version) {
		c->version = k->version;
		if (take_found(c, s, &left, e) < 0)
			return -1;
		if (!left) {
			if (c->state == CALL_READY)
				call_unready(c);
			call_end(c);
			return 1;
		}
	}
	if (!k->others)
		return 0;
	rc = asks_elsewhere(s, c->key, c->samples[0], c->samples[left - 1],
	    clock_utc_ms(), e);
	if (rc <= 0)
		return rc;
	if (c->state == CALL_READY) {
		call_unready(c);
		c->state = CALL_ELSEWHERE;
		k->n_elsewhere++;
		k->totals.waited++;
	}
	return 1;
}

static int
see_store(struct calls *k, struct store *s, struct err *e)
{
	int64_t version = 0, others = 0;

	if (store_version(s, &version, e) < 0)
		return -1;
	if (version == k->version && !k->others)
		return 0;
	k->version = version;
	if (asks_others(s, clock_utc_ms(), &others, e) < 0)
		return -1;
	k->others = others > 0;
	return 0;
}

/* Those that waited for another process: is it through, or dead? */
static int
look_again(struct calls *k, struct store *s, struct err *e)
{
	struct call *c, *next;

	k->day_full = false;
	for (c = k->all; c && k->n_elsewhere; c = next) {
		int rc;

		next = c->next;
		if (c->state != CALL_ELSEWHERE)
			continue;
		rc = see_others(c, s, e);
		if (rc < 0)
			return -1;
		if (rc > 0)
			continue;
		k->n_elsewhere--;
		call_enqueue(c, true);
	}
	return 0;
}

/* --- requests about to leave --------------------------------------------------------------- */

/* 1: the day's cap has room. 0: not now, and the call is back in its queue. */
static int
fits_day(struct call *c, struct store *s, struct err *e)
{
	struct calls *k = c->k;
	int64_t held, others;

	if (k->o.caps.day == BUDGET_NONE)
		return 1;
	if (asks_day(s, c->asked_utc_ms, &held, e) < 0)
		return -1;
	if (c->worst_picousd != MONEY_UNKNOWN
	    && c->worst_picousd <= k->o.caps.day - held)
		return 1;
	k->day_full = true;
	call_unready(c);
	call_enqueue(c, true);
	if (asks_others(s, c->asked_utc_ms, &others, e) < 0)
		return -1;
	if (k->budget.open == 0 && others == 0 && !call_is_dispensable(c)) {
		k->broke_worst = c->worst_picousd;
		k->broke_held = held;
		k->broke = true;
	}
	return 0;
}

static int
write_down(struct call *c, struct store *s, struct err *e)
{
	struct ask a = { .key = c->key, .first = c->samples[0],
	    .last = c->samples[c->q.n - 1], .model = c->tier->model,
	    .worst_picousd = c->worst_picousd };
	int rc;

	c->asked_utc_ms = a.asked_utc_ms = clock_utc_ms();
	a.until_utc_ms = a.asked_utc_ms + c->q.provider->timeout_ms + GRACE_MS;
	rc = fits_day(c, s, e);
	if (rc <= 0)
		return rc;
	if (asks_put(s, &a, &c->ask_id, e) < 0)
		return -1;
	c->noted = true;
	return 0;
}

/* What came in this turn holds it back, or stops it. */
static bool
came_too_late(const struct call *c)
{
	return c->line->server->stopped
	    || lane_is_shut(&c->line->lane, clock_mono_ms());
}

static int
keep_ready(struct calls *k, struct store *s, struct err *e)
{
	struct call *c, *next;

	if (k->n_ready && asks_begin(s, k->o.run, k->o.source,
	    &k->totals.found, e) < 0)
		return -1;
	if ((k->n_ready || k->must_look) && see_store(k, s, e) < 0)
		return -1;
	if (k->must_look && look_again(k, s, e) < 0)
		return -1;
	for (c = k->ready; c; c = next) {
		int rc;

		next = c->queue_next;
		if (c->noted)
			continue;
		if (came_too_late(c)) {
			call_unready(c);
			call_enqueue(c, true);
			continue;
		}
		rc = see_others(c, s, e);
		if (rc == 0)
			rc = write_down(c, s, e);
		if (rc < 0)
			return -1;
	}
	k->must_look = false;
	if (k->n_elsewhere || k->day_full)
		calls_look_soon(k);
	else
		k->look_ms = 0;
	return 0;
}

int
calls_keep(struct calls *k, struct store *s, struct err *e)
{
	if (keep_endings(k, s, e) < 0)
		return -1;
	for (struct call *c = k->all; c && k->to_keep && k->o.keep;
	    c = c->next)
		if (c->state == CALL_ANSWERED && keep_answer(c, s, e) < 0)
			return -1;
	return keep_ready(k, s, e);
}

/* --- after the commit ---------------------------------------------------------------------------- */

static void
forget(struct calls *k)
{
	struct call *c, *next;

	for (c = k->all; c && k->to_keep; c = next) {
		next = c->next;
		if (c->state == CALL_ANSWERED)
			call_end(c);
	}
	k->to_keep = 0;
	k->n_endings = 0;
}

/* What others had made was read, whether or not this commit went well. */
static void
give_found(struct calls *k)
{
	struct found *f;
	struct want *w;

	while ((f = k->found)) {
		k->found = f->next;
		while ((w = f->wants)) {
			struct climb_news news = { .c = &f->c,
			    .cached = true, .requests = f->requests,
			    .retries = f->retries,
			    .failed_picousd = f->failed_picousd,
			    .booked_picousd = f->booked_picousd };
			f->wants = w->next;
			f->requests = f->retries = 0;
			f->failed_picousd = f->booked_picousd = 0;
			k->ops.got(k->ops.cookie, w, &news);
			if (w->row)
				*w->row = f->row;
		}
	}
	arena_clear(k->found_arena);
}

/* A call that cannot be sent may bring others, which are not written down. */
void
calls_send_noted(struct calls *k)
{
	struct call *c;

	while ((c = k->ready) && c->noted) {
		k->ready = c->queue_next;
		if (!k->ready)
			k->ready_tail = &k->ready;
		c->queue_next = NULL;
		c->noted = false;
		k->n_ready--;
		call_send(c);
	}
}

void
calls_kept(struct calls *k)
{
	forget(k);
	calls_send_noted(k);
	give_found(k);
	if (k->broke) {
		k->broke = false;
		k->ops.broke(k->ops.cookie, true, k->broke_worst,
		    k->broke_held);
	}
	calls_pump(k);
}

void
calls_unkept(struct calls *k)
{
	forget(k);
	for (struct call *c = k->ready; c; c = c->queue_next) {
		c->noted = false;
		c->ask_id = 0;
	}
	k->broke = false;
	give_found(k);
}

size_t
calls_to_keep(const struct calls *k)
{
	return k->to_keep;
}

size_t
calls_to_note(const struct calls *k)
{
	return k->n_ready + k->n_endings;
}

bool
calls_must_look(const struct calls *k)
{
	return k->must_look;
}

int64_t
calls_oldest_ms(const struct calls *k)
{
	return k->oldest_ms;
}
