/*
 * calls_queue.c -- who is sent when: the queue of each model, its limits and
 * those of its provider, and the budget.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/money.h"
#include "cascade/calls_internal.h"

/* --- lines ------------------------------------------------------------------- */

static struct server *
server_of(struct calls *k, const struct provider *p)
{
	for (size_t i = 0; i < k->n_servers; i++)
		if (k->servers[i].p == p)
			return &k->servers[i];
	return NULL;
}

static void
on_wake(void *cookie)
{
	struct line *l = cookie;

	calls_pump(l->k);
}

static struct line *
line_new(struct calls *k, const struct tier *t)
{
	struct line *l = calloc(1, sizeof(*l));
	size_t most = k->max_in_flight;
	const struct provider *p = t->provider;

	if (!l || !(l->words = arena_new(0))) {
		free(l);
		return NULL;
	}
	if (p->max_in_flight > 0 && (size_t)p->max_in_flight < most)
		most = (size_t)p->max_in_flight;
	l->k = k;
	l->server = server_of(k, p);
	l->model_name = t->model_name;
	l->tail = &l->head;
	l->wake.fire = on_wake;
	l->wake.cookie = l;
	lane_init(&l->lane, t->requests_per_minute, t->tokens_per_minute,
	    most);
	/* Made-up models, and those of this machine that want no key, refuse
	 * nobody's. */
	l->lane.proven = (p->ops->flags & PROVIDER_OFFLINE)
	    || (l->server->local && p->key_source == KEY_NONE);
	*k->lines_tail = l;
	k->lines_tail = &l->next;
	return l;
}

struct line *
line_of(struct calls *k, const struct tier *t)
{
	for (struct line *l = k->lines; l; l = l->next)
		if (l->server->p == t->provider
		    && str_eq(l->model_name, t->model_name))
			return l;
	return line_new(k, t);
}

void
line_free(struct line *l)
{
	http_timer_stop(l->k->h, &l->wake);
	arena_free(l->words);
	free(l);
}

/* --- the queue ------------------------------------------------------------------ */

void
call_enqueue(struct call *c, bool in_front)
{
	struct line *l = c->line;

	c->state = CALL_QUEUED;
	l->queued++;
	if (in_front) {
		c->queue_next = l->head;
		l->head = c;
		if (!c->queue_next)
			l->tail = &c->queue_next;
		return;
	}
	c->queue_next = NULL;
	*l->tail = c;
	l->tail = &c->queue_next;
}

/* Of the list that begins at *p and ends at *tail. */
static void
take_out(struct call *c, struct call **p, struct call ***tail)
{
	while (*p != c)
		p = &(*p)->queue_next;
	*p = c->queue_next;
	if (!*p)
		*tail = p;
	c->queue_next = NULL;
}

void
call_dequeue(struct call *c)
{
	struct line *l = c->line;

	take_out(c, &l->head, &l->tail);
	l->queued--;
}

/* --- the budget ------------------------------------------------------------------- */

/* A wanter whose own cap has room for it. */
static struct want *
find_payer(const struct call *c)
{
	for (struct want *w = c->wants; w; w = w->next)
		if (!w->budget || budget_fits(w->budget, c->worst_picousd))
			return w;
	return NULL;
}

bool
call_is_dispensable(const struct call *c)
{
	for (const struct want *w = c->wants; w; w = w->next)
		if (!w->dispensable)
			return false;
	return true;
}

/* What is held for others of the same task will cost less, or nothing. */
static bool
may_fit_later(const struct call *c)
{
	for (const struct want *w = c->wants; w; w = w->next)
		if (c->worst_picousd != MONEY_UNKNOWN && w->budget->open > 0
		    && c->worst_picousd <= w->budget->cap)
			return true;
	return false;
}

enum fit {
	FITS,
	FITS_LATER,  /* when something of the run has ended */
	FITS_NOT,    /* never again */
	FITS_SOMEBODY_LATER, /* when something of a task that wants it has */
	FITS_NOBODY, /* no task that wants it has room for it */
};

static enum fit
hold(struct call *c)
{
	struct calls *k = c->k;

	c->worst_picousd = calls_worst(c->tier, c->canon, c->q.n_messages,
	    c->sampling.max_tokens, c->q.n, clock_utc_ms());
	c->payer = find_payer(c);
	if (!c->payer)
		return may_fit_later(c) ? FITS_SOMEBODY_LATER : FITS_NOBODY;
	if (k->day_full)
		return call_is_dispensable(c) ? FITS_NOBODY : FITS_LATER;
	if (!budget_fits(&k->budget, c->worst_picousd))
		return call_is_dispensable(c) ? FITS_NOBODY
		    : k->budget.open > 0 ? FITS_LATER : FITS_NOT;
	budget_hold(&k->budget, c->worst_picousd);
	c->task_budget = c->payer->budget;
	if (c->task_budget)
		budget_hold(c->task_budget, c->worst_picousd);
	c->held = true;
	return FITS;
}

static void
settle(struct call *c, int64_t cost_picousd)
{
	if (!c->held)
		return;
	budget_settle(&c->k->budget, c->worst_picousd, cost_picousd);
	if (c->task_budget)
		budget_settle(c->task_budget, c->worst_picousd, cost_picousd);
	c->task_budget = NULL;
	c->payer = NULL;
	c->held = false;
}

void
call_forget(struct call *c, const struct want *w)
{
	struct want *o = c->wants;

	if (c->payer != w)
		return;
	/* Other samples of the same task need what is held. */
	while (o && o->budget != w->budget)
		o = o->next;
	c->payer = o;
	if (o)
		return;
	if (c->task_budget)
		budget_settle(c->task_budget, c->worst_picousd, 0);
	c->task_budget = NULL;
}

void
call_release(struct call *c, int64_t cost_picousd)
{
	settle(c, cost_picousd);
	c->k->in_flight--;
	if (--c->line->server->under_way == 0)
		secret_wipe(&c->line->server->key);
}

void
call_unready(struct call *c)
{
	struct calls *k = c->k;

	take_out(c, &k->ready, &k->ready_tail);
	k->n_ready--;
	lane_unsent(&c->line->lane, c->sent_ms);
	call_release(c, 0);
}

/* --- leaving a model that does not answer -------------------------------------------- */

static bool
is_out(const struct line *l, int64_t now)
{
	return lane_is_dark(&l->lane)
	    || l->lane.paused_until_ms - now > CALLS_MAX_WAIT_MS;
}

static bool
leaves(const struct call *c, int64_t now)
{
	const struct lane *l = &c->line->lane;

	switch (c->outage) {
	case OUTAGE_LEAVE:
		return true;
	case OUTAGE_STAY:
		return false;
	case OUTAGE_PATIENT:
		break;
	}
	return !lane_is_dark(l) || lane_dark_ms(l, now) > CALLS_PATIENCE_MS;
}

/* Those who have somewhere else to go do not wait for a model that is out;
 * one of them may stay to try it again. True: somebody went. */
static bool
let_go(struct line *l, int64_t now)
{
	bool probe = lane_is_dark(&l->lane) && !l->lane.probe_out
	    && now >= l->lane.dark_until_ms;
	struct calls *k = l->k;
	struct call *c, *next;
	bool went;

	if (!is_out(l, now))
		return false;
	for (c = l->head; c; c = next) {
		next = c->queue_next;
		if (probe) {
			probe = false;
			continue;
		}
		if (!leaves(c, now))
			continue;
		call_dequeue(c);
		c->state = CALL_LEAVING;
		c->queue_next = k->leaving;
		k->leaving = c;
	}
	went = k->leaving;
	/* What is told of it may ask for more, or stop the run. */
	while ((c = k->leaving)) {
		k->leaving = c->queue_next;
		call_lose(c, OUTCOME_RETRY, l->code.n ? l->code
		    : STR("unavailable"), l->message.n ? l->message
		    : STR("the model does not answer"));
	}
	return went;
}

/* --- sending ------------------------------------------------------------------------ */

static int64_t
line_due(const struct line *l, const struct call *c, int64_t now)
{
	const struct server *s = l->server;
	int64_t due = lane_due(&l->lane, &c->need, now), at;

	if (s->p->max_in_flight
	    && s->under_way >= (size_t)s->p->max_in_flight)
		return LANE_LATER;
	at = pace_due(&s->requests, now);
	due = at > due ? at : due;
	at = pace_due(&s->tokens, now);
	return at > due ? at : due;
}

static void
make_ready(struct call *c, int64_t now)
{
	struct calls *k = c->k;
	struct server *s = c->line->server;

	call_dequeue(c);
	pace_take(&s->requests, now, 1);
	pace_take(&s->tokens, now, c->need.input + c->need.output);
	lane_sent(&c->line->lane, &c->need, now);
	s->under_way++;
	k->in_flight++;
	c->state = CALL_READY;
	c->sent_ms = now;
	c->noted = k->o.unwritten;
	c->queue_next = NULL;
	*k->ready_tail = c;
	k->ready_tail = &c->queue_next;
	k->n_ready++;
}

static void
stop_queue(struct line *l)
{
	struct call *c;

	while ((c = l->head)) {
		call_dequeue(c);
		call_lose(c, OUTCOME_STOP, STR("stopped"),
		    STR("the run was stopped before this was asked"));
	}
}

/* When to look again, where no event will say so. A dark lane is looked at when
 * the patience of those who wait for it may be over. */
static void
wake_at(struct line *l, int64_t due, int64_t now)
{
	if (lane_is_dark(&l->lane) && due - now > LANE_DARK_MS)
		due = now + LANE_DARK_MS;
	if (due != LANE_LATER)
		(void)http_timer_set(l->k->h, &l->wake, due, NULL);
}

static struct call *
queued_after(const struct line *l, size_t passed)
{
	struct call *c = l->head;

	while (c && passed--)
		c = c->queue_next;
	return c;
}

/* False: the run is out of money. */
static bool
pump_line(struct line *l)
{
	struct calls *k = l->k;
	int64_t now = clock_mono_ms();
	size_t passed = 0; /* that wait for their own task */

	while (l->head) {
		struct call *c;
		int64_t due;

		if (l->server->stopped || k->stopped) {
			stop_queue(l);
			return true;
		}
		if (let_go(l, now))
			passed = 0;
		c = queued_after(l, passed);
		if (!c || k->in_flight >= k->max_in_flight)
			return true;
		due = line_due(l, c, now);
		if (due > now) {
			wake_at(l, due, now);
			return true;
		}
		switch (hold(c)) {
		case FITS:
			make_ready(c, now);
			break;
		case FITS_LATER:
			return true;
		case FITS_NOT:
			k->ops.broke(k->ops.cookie, false, c->worst_picousd,
			    k->budget.held);
			return false;
		case FITS_SOMEBODY_LATER:
			passed++;
			break;
		case FITS_NOBODY:
			call_dequeue(c);
			call_lose_budget(c);
			passed = 0;
			break;
		}
	}
	return true;
}

/* A call that is lost may bring another one, which brings us back here. */
void
calls_pump(struct calls *k)
{
	k->pump_again = true;
	if (k->pumping)
		return;
	k->pumping = true;
	while (k->pump_again) {
		k->pump_again = false;
		for (struct line *l = k->lines; l; l = l->next)
			if (!pump_line(l))
				break;
	}
	k->pumping = false;
	if (k->o.unwritten)
		calls_send_noted(k);
}
