/*
 * engine.c -- tasks in, results out; one turn of the loop at a time:
 *
 *   feed     take tasks while there is room; what the store has is answered
 *   commit   completions, ledger rows and requests about to leave, in one
 *            transaction; then those leave
 *   emit     results whose rows are committed
 *   wait     http_turn(): replies arrive, climbs go on, more is asked
 */
#include "cascade/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "cascade/key.h"

#define MAX_FINISHED 1024 /* results that may wait for a commit */
#define MAX_PAUSE_MS 50  /* between two commits */
#define MAX_CANON ((size_t)64 << 20)

/* A completion that a job waits for. */
struct wanted {
	struct want want; /* first member */
	struct climb_ask ask;
	size_t endpoint;  /* 0: the tier itself, n: its others[n - 1] */
	struct wanted *next, **prev; /* of the job's, while it is to come */
	bool fallen;      /* to be asked of the next endpoint */
};

struct job {
	struct engine *en;
	struct task *task;
	const struct cascade *cascade;
	struct climb *climb;
	struct job *next, **prev; /* among the active */
	struct job *finished_next;
	struct job *fallen_next;  /* has completions that are `fallen` */
	struct wanted *waiting;
	struct budget budget;
	struct http_timer deadline;
	int64_t deadline_ms;      /* 0: none */
	bool asking, fallen, expired;
	bool broken;              /* it cannot go on: the run ends without it */
};

struct engine {
	const struct config *cfg;
	struct store *store;
	struct http *http;
	struct calls *calls;
	struct engine_options o;
	struct engine_io io;
	struct engine_state state;
	struct tier_state **tiers; /* of each cascade of cfg */
	struct key_base ***keys;   /* likewise, of each tier's endpoints */
	bool *checked;             /* likewise: keys and prices */
	struct job *fallen;
	size_t unsynced;           /* rows committed, but not on the disk */
	int64_t unsynced_ms;       /* since when */
	struct job *active;
	size_t n_broken;           /* of them */
	struct job *finished, **finished_tail;
	size_t n_finished;
	int64_t finished_ms; /* when the oldest of them finished */
	int64_t pause_until_ms; /* no commit before, unless nothing else goes on */
	struct buf canon;  /* of the open group */
	struct buf other;  /* of its request at another endpoint */
	struct buf tags, error;
	int64_t lost; /* completions that could not be kept */
	char run[48];
	int watched; /* descriptor of the source; -1 */
	bool input_late; /* the source has no task yet */
	bool input_ended, stopping, hard;
	bool failed;
	struct err why; /* if failed */
};

static int job_ask(struct job *j, struct err *e);

/* --- jobs --------------------------------------------------------------------------- */

static void
job_unlink(struct job *j)
{
	*j->prev = j->next;
	if (j->next)
		j->next->prev = j->prev;
	j->en->state.active--;
}

static void
job_free(struct job *j)
{
	http_timer_stop(j->en->http, &j->deadline);
	task_free(j->task); /* the job is in its arena */
}

/* The run ends for a reason of ours: remember the first. */
static void
engine_fail(struct engine *en, const struct err *e)
{
	if (!en->failed)
		en->why = *e;
	en->failed = true;
	engine_stop(en, false);
}

static void
job_finished(struct job *j)
{
	struct engine *en = j->en;

	job_unlink(j);
	http_timer_stop(en->http, &j->deadline);
	if (!en->n_finished++)
		en->finished_ms = clock_mono_ms();
	*en->finished_tail = j;
	en->finished_tail = &j->finished_next;
}

/* The store or memory failed it. It stays where it is, for what it has asked
 * may still come; but nobody waits for its end. */
static void
job_broke(struct job *j, const struct err *e)
{
	if (!j->broken)
		j->en->n_broken++;
	j->broken = true;
	engine_fail(j->en, e);
}

/* After any news: ask for what the climb wants now, or be done. */
static void
job_go_on(struct job *j)
{
	struct err e;

	if (j->asking || j->broken)
		return; /* the loop in job_ask() sees to it */
	if (job_ask(j, &e) < 0) {
		job_broke(j, &e);
		return;
	}
	if (climb_result(j->climb))
		job_finished(j);
}

/* --- asking -------------------------------------------------------------------------- */

/* Nothing was asked, so it has cost nothing. */
static int
job_lost(struct job *j, size_t slot, bool not_cached, const char *code,
    struct str message, struct err *e)
{
	struct climb_failure f = { .outcome = OUTCOME_FAIL,
	    .not_cached = not_cached, .code = str_of(code),
	    .message = message };

	return climb_fail(j->climb, slot, &f, clock_mono_ms(), e);
}

/* 1: it was in the store, as an answer of this endpoint. */
static int
look_up(struct job *j, const unsigned char *key, const struct tier *endpoint,
    const struct climb_ask *ask, struct err *e)
{
	struct engine *en = j->en;
	struct completion c;
	struct climb_news news = { .c = &c, .lasts = true, .cached = true };
	int64_t row, *place;
	int rc = store_get(en->store, key, ask->sample, en->o.collect,
	    j->task->arena, &c, &row, e);

	if (rc <= 0)
		return rc;
	climb_answered_by(j->climb, endpoint->model);
	if (climb_give(j->climb, ask->slot, &news, clock_mono_ms(), &place,
	    e) < 0)
		return -1;
	*place = row;
	return 1;
}

/* --- endpoints ------------------------------------------------------------------------ */

static const struct tier *
endpoint_of(const struct tier *t, size_t n)
{
	return n ? &t->others[n - 1] : t;
}

static struct tier_state *
state_of(const struct job *j, int tier)
{
	return &j->en->tiers[j->cascade - j->en->cfg->cascades][tier];
}

/* The first usable endpoint from `n` on; false: there is none. */
static bool
usable_endpoint(const struct job *j, int tier, size_t *n)
{
	const struct tier_state *s = state_of(j, tier);
	size_t all = j->cascade->tiers[tier].n_others + 1;

	while (*n < all && s->endpoints_out & 1u << *n)
		++*n;
	return *n < all;
}

static enum outage_rule
outage_rule(const struct job *j, int tier, size_t endpoint)
{
	size_t next = endpoint + 1;

	/* An audit may wait for nobody, and a trace for as long as it takes the
	 * tier: there is no other one in its place. */
	if (usable_endpoint(j, tier, &next) || climb_is_audit(j->climb))
		return OUTAGE_LEAVE;
	if (j->en->o.collect && j->cascade->on_outage != OUTAGE_WAIT)
		return OUTAGE_PATIENT;
	switch (j->cascade->on_outage) {
	case OUTAGE_WAIT:
		return OUTAGE_STAY;
	case OUTAGE_FAIL:
		return OUTAGE_PATIENT;
	case OUTAGE_CLIMB:
		break;
	}
	return tier + 1 < (int)j->cascade->n_tiers ? OUTAGE_LEAVE
	    : OUTAGE_PATIENT;
}

/* --- the request that some asks of one prompt share ----------------------------------- */

struct group {
	struct climb_ask ask; /* the first of them */
	size_t endpoint;
	struct message *messages;
	size_t n_messages;
	struct calls_ask q;
	unsigned char key[SHA256_BYTES];
	struct want *missing, **tail;
	bool open;
};

/* What all requests of an endpoint begin with is made with the first. */
static int
key_base_of(struct engine *en, const struct cascade *k, int tier,
    size_t endpoint, struct key_base **out, struct err *e)
{
	const struct tier *t = endpoint_of(&k->tiers[tier], endpoint);
	struct model_request q = { .provider = t->provider,
	    .model = t->model_name, .sampling = &t->sampling };

	*out = &en->keys[k - en->cfg->cascades][tier][endpoint];
	return (*out)->canon.n ? 0 : key_base_init(*out, &q, e);
}

/* The canonical form of the request at an endpoint, and its key. */
static int
key_at(struct job *j, const struct group *g, size_t endpoint,
    struct buf *canon, unsigned char key[SHA256_BYTES], struct err *e)
{
	const struct tier *t = endpoint_of(&j->cascade->tiers[g->ask.tier],
	    endpoint);
	struct sampling s = t->sampling;
	struct model_request q = { .provider = t->provider,
	    .model = t->model_name, .sampling = &s,
	    .messages = g->messages, .n_messages = g->n_messages };
	struct key_base *b;

	if (j->task->max_tokens) {
		s.max_tokens = j->task->max_tokens;
		return key_canon(&q, canon, e) < 0 ? -1
		    : key_of(buf_str(canon), key, e);
	}
	if (key_base_of(j->en, j->cascade, g->ask.tier, endpoint, &b, e) < 0)
		return -1;
	return key_make(b, &q, canon, key, e);
}

static int
group_open(struct job *j, const struct climb_ask *ask, size_t endpoint,
    struct group *g, struct err *e)
{
	*g = (struct group){ .ask = *ask, .endpoint = endpoint };
	g->tail = &g->missing;
	if (climb_messages(j->climb, ask, &g->messages, &g->n_messages, e) < 0
	    || key_at(j, g, endpoint, &j->en->canon, g->key, e) < 0)
		return -1;
	g->q = (struct calls_ask){
	    .tier = endpoint_of(&j->cascade->tiers[ask->tier], endpoint),
	    .messages = g->messages, .n_messages = g->n_messages,
	    .max_tokens = j->task->max_tokens, .key = g->key,
	    .canon = buf_str(&j->en->canon),
	    .outage = outage_rule(j, ask->tier, endpoint) };
	g->open = true;
	return 0;
}

static bool
has_caps(const struct caps *c)
{
	return c->run != BUDGET_NONE || c->day != BUDGET_NONE
	    || c->task != BUDGET_NONE;
}

/* A cap is kept by holding the most that a request may cost. */
static int
check_price(const struct engine *en, const struct tier *t, int64_t max_tokens,
    struct err *e)
{
	if (!max_tokens)
		max_tokens = t->sampling.max_tokens;
	if (!has_caps(&en->o.caps) || t->provider->ops->flags
	    & PROVIDER_RECORDED || calls_worst(t, (struct str){ 0 }, 1,
	    max_tokens, 1, clock_utc_ms()) != MONEY_UNKNOWN)
		return 0;
	if (!price_known(&t->price))
		return err_set(e, ERR_CONFIG, "max_cost cannot be kept: the "
		    "price of '%.*s' is unknown; state it under models",
		    STR_ARG(t->model));
	return err_set(e, ERR_CONFIG, "max_cost cannot be kept: nothing bounds "
	    "the length of an answer of '%.*s'; give the tier max_tokens",
	    STR_ARG(t->model));
}

static int
check_endpoint(const struct engine *en, const struct tier *t,
    int64_t max_tokens, struct err *e)
{
	struct secret key = { 0 };

	if (check_price(en, t, max_tokens, e) < 0)
		return -1;
	if (t->provider->key_source != KEY_CMD
	    && provider_key(t->provider, &key, e) < 0)
		return -1;
	secret_wipe(&key);
	return 0;
}

/* Before a cascade asks for the first time: are the keys and the prices of all
 * its tiers there? A dearer tier's that is not would be found when its turn
 * comes, after money was spent on the cheaper ones. (A command is run when it
 * is needed.) */
static void
check_cascade(struct engine *en, const struct cascade *k, int64_t max_tokens)
{
	bool *checked = &en->checked[k - en->cfg->cascades];
	struct err e;

	for (size_t i = 0; i < k->n_tiers && !*checked; i++)
		for (size_t n = 0; n <= k->tiers[i].n_others; n++)
			if (check_endpoint(en, endpoint_of(&k->tiers[i], n),
			    max_tokens, &e) < 0) {
				engine_fail(en, &e);
				*checked = true;
				return;
			}
	*checked = true;
}

static int
group_close(struct job *j, struct group *g, struct err *e)
{
	struct want *missing = g->missing;

	g->open = false;
	g->missing = NULL;
	if (!missing)
		return 0;
	check_cascade(j->en, j->cascade, j->task->max_tokens);
	return calls_ask(j->en->calls, &g->q, missing, e);
}

/* Under this endpoint's key, else under another's: an answer is an answer. */
static int
group_look_up(struct job *j, struct group *g, const struct climb_ask *ask,
    struct err *e)
{
	struct engine *en = j->en;
	size_t n = j->cascade->tiers[ask->tier].n_others + 1;
	unsigned char key[SHA256_BYTES];
	int rc;

	if (!en->store || en->o.cache == CACHE_NONE
	    || en->o.cache == CACHE_REFRESH)
		return 0;
	rc = look_up(j, g->key, g->q.tier, ask, e);
	for (size_t i = 0; rc == 0 && n > 1 && i < n; i++) {
		if (i == g->endpoint)
			continue;
		rc = key_at(j, g, i, &en->other, key, e);
		if (rc == 0)
			rc = look_up(j, key, endpoint_of(&j->cascade->tiers
			    [ask->tier], i), ask, e);
	}
	return rc;
}

static void
wanted_link(struct job *j, struct wanted *w)
{
	w->prev = &j->waiting;
	w->next = j->waiting;
	if (w->next)
		w->next->prev = &w->next;
	j->waiting = w;
}

static void
wanted_unlink(struct wanted *w)
{
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
}

static struct wanted *
wanted_new(struct job *j, const struct climb_ask *ask, size_t endpoint)
{
	struct wanted *w = arena_alloc(j->task->arena, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct wanted){ .ask = *ask, .endpoint = endpoint,
	    .want = { .sample = ask->sample, .slot = ask->slot, .owner = j,
	    .budget = j->budget.cap == BUDGET_NONE ? NULL : &j->budget,
	    .dispensable = climb_is_audit(j->climb),
	    .deadline_ms = j->deadline_ms } };
	return w;
}

static int
group_add(struct job *j, struct group *g, const struct climb_ask *ask,
    struct err *e)
{
	struct engine *en = j->en;
	struct wanted *w = wanted_new(j, ask, g->endpoint);
	int rc;

	if (!w)
		return err_nomem(e);
	wanted_link(j, w);
	if (calls_join(en->calls, g->key, &w->want))
		return 0;
	rc = group_look_up(j, g, ask, e);
	if (rc == 0 && en->o.cache != CACHE_ONLY) {
		*g->tail = &w->want;
		g->tail = &w->want.next;
		return 0;
	}
	wanted_unlink(w);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return job_lost(j, ask->slot, true, "not_cached",
	    STR("it is not in the store, and --cache-only asks nobody"), e);
}

/* `f`: with the cost of what was asked. */
static int
job_expired(struct job *j, const struct climb_ask *ask,
    struct climb_failure *f, struct err *e)
{
	f->outcome = OUTCOME_FAIL;
	f->code = STR("task_timeout");
	f->message = STR("the task's time was over (task_timeout)");
	return climb_fail(j->climb, ask->slot, f, clock_mono_ms(), e);
}

/* A task that cannot even be put into words fails alone. */
static int
job_ask_at(struct job *j, struct group *g, const struct climb_ask *ask,
    size_t endpoint, struct err *e)
{
	struct err mine;

	if (g->open && (g->ask.tier != ask->tier || g->endpoint != endpoint
	    || g->ask.prompt != ask->prompt || g->ask.repair != ask->repair)
	    && group_close(j, g, e) < 0)
		return -1;
	if (!g->open && group_open(j, ask, endpoint, g, &mine) < 0) {
		if (mine.code != ERR_INPUT) {
			*e = mine;
			return -1;
		}
		return job_lost(j, ask->slot, false, "input",
		    str_of(mine.msg), e);
	}
	return group_add(j, g, ask, e);
}

static int
job_ask_one(struct job *j, struct group *g, const struct climb_ask *ask,
    struct err *e)
{
	struct climb_failure nothing = { .code = { 0 } };
	size_t endpoint = 0;

	if (j->expired)
		return job_expired(j, ask, &nothing, e);
	if (!usable_endpoint(j, ask->tier, &endpoint))
		endpoint = 0;
	/* Those before it are out of use: they did not answer either. */
	if (endpoint)
		climb_fallback(j->climb, endpoint_of(&j->cascade->tiers
		    [ask->tier], endpoint)->model, &nothing);
	return job_ask_at(j, g, ask, endpoint, e);
}

static int
job_ask(struct job *j, struct err *e)
{
	struct group g = { .open = false };
	struct climb_ask ask;
	int rc = 0;

	j->asking = true;
	do {
		while (rc == 0 && climb_next(j->climb, &ask))
			rc = job_ask_one(j, &g, &ask, e);
		if (rc == 0 && !g.open)
			break;
		if (rc == 0)
			rc = group_close(j, &g, e);
	} while (rc == 0);
	j->asking = false;
	return rc;
}

/* --- falling back to the next endpoint --------------------------------------------------- */

/* The tier did not answer, but it has another endpoint. What one call brought
 * down is asked again together, later in this turn. */
static bool
fall_back(struct job *j, struct wanted *w, const struct climb_failure *f)
{
	struct engine *en = j->en;
	size_t next = w->endpoint + 1;

	if (f->outcome == OUTCOME_FAIL || f->outcome == OUTCOME_OK
	    || en->stopping || j->expired
	    || !usable_endpoint(j, w->ask.tier, &next))
		return false;
	climb_fallback(j->climb, endpoint_of(&j->cascade->tiers[w->ask.tier],
	    next)->model, f);
	w->endpoint = next;
	w->fallen = true;
	wanted_link(j, w);
	if (!j->fallen) {
		j->fallen = true;
		j->fallen_next = en->fallen;
		en->fallen = j;
	}
	return true;
}

static int
job_ask_fallen(struct job *j, struct err *e)
{
	struct group g = { .open = false };
	struct wanted *w, *next;
	int rc = 0;

	j->asking = true;
	for (w = j->waiting; rc == 0 && w; w = next) {
		next = w->next;
		if (!w->fallen)
			continue;
		wanted_unlink(w);
		rc = job_ask_at(j, &g, &w->ask, w->endpoint, e);
	}
	if (rc == 0 && g.open)
		rc = group_close(j, &g, e);
	j->asking = false;
	return rc;
}

static void
ask_fallen(struct engine *en)
{
	struct job *j;
	struct err e;

	while ((j = en->fallen)) {
		en->fallen = j->fallen_next;
		j->fallen = false;
		if (job_ask_fallen(j, &e) < 0)
			job_broke(j, &e);
		else
			job_go_on(j);
	}
}

/* --- time is over --------------------------------------------------------------------------- */

static void
not_fallen(struct job *j)
{
	struct job **p = &j->en->fallen;

	while (j->fallen && *p != j)
		p = &(*p)->fallen_next;
	if (j->fallen)
		*p = j->fallen_next;
	j->fallen = false;
}

static void
on_deadline(void *cookie)
{
	struct job *j = cookie;
	struct wanted *w;
	struct err e;

	j->expired = true;
	not_fallen(j);
	while ((w = j->waiting)) {
		struct climb_failure f = { .code = { 0 } };
		wanted_unlink(w);
		calls_leave(j->en->calls, &w->want, &f);
		if (job_expired(j, &w->ask, &f, &e) < 0) {
			job_broke(j, &e);
			return;
		}
	}
	job_go_on(j);
}

/* --- news from the calls ---------------------------------------------------------------- */

static void
on_got(void *cookie, struct want *w, const struct climb_news *n)
{
	struct job *j = w->owner;
	struct err e;

	(void)cookie;
	wanted_unlink((struct wanted *)w);
	if (climb_give(j->climb, w->slot, n, clock_mono_ms(), &w->row, &e) < 0)
		job_broke(j, &e);
	else
		job_go_on(j);
}

/* The run has to end when a provider refuses everything, unless the tier has
 * another one. */
static void
on_lost(void *cookie, struct want *w, const struct climb_failure *f)
{
	struct job *j = w->owner;
	struct err e;

	(void)cookie;
	wanted_unlink((struct wanted *)w);
	if (fall_back(j, (struct wanted *)w, f))
		return;
	if (f->outcome == OUTCOME_STOP && !j->en->stopping) {
		err_set(&e, ERR_NET, "stopped: %.*s (%.*s)",
		    STR_ARG(f->message), STR_ARG(f->code));
		engine_fail(j->en, &e);
	}
	if (climb_fail(j->climb, w->slot, f, clock_mono_ms(), &e) < 0)
		job_broke(j, &e);
	else
		job_go_on(j);
}

static void
on_again(void *cookie, const struct tier *t, struct str code,
    struct str message, int64_t delay_ms, int retry)
{
	struct engine *en = cookie;

	if (en->io.again)
		en->io.again(en->io.cookie, t, code, message, delay_ms,
		    retry);
}

/* Which of a tier's endpoints it is; false: none. */
static bool
find_endpoint(const struct tier *tier, const struct tier *t, size_t *n)
{
	for (*n = 0; *n <= tier->n_others; ++*n)
		if (endpoint_of(tier, *n) == t)
			return true;
	return false;
}

/* Where a provider refuses everything, all its endpoints are out of use. */
static bool
concerns(const struct tier *endpoint, const struct tier *t, bool stop)
{
	return endpoint == t || (stop && endpoint->provider == t->provider);
}

/* True: it concerns this tier, which has no endpoint left. */
static bool
take_out(struct engine *en, const struct tier *tier, struct tier_state *s,
    const struct tier *t, bool stop, struct str code, struct str message)
{
	unsigned all = (2u << tier->n_others) - 1, concerned = 0;

	for (size_t n = 0; n <= tier->n_others; n++)
		if (concerns(endpoint_of(tier, n), t, stop))
			concerned |= 1u << n;
	s->endpoints_out |= concerned;
	if (!concerned || (s->endpoints_out & all) != all)
		return false;
	if (s->out_of_use)
		return true;
	s->out_of_use = true;
	(void)arena_str(en->cfg->arena, code, &s->code);
	(void)arena_str(en->cfg->arena, message, &s->message);
	return true;
}

/* STOP ends the run where a cascade that it uses has a tier without another
 * endpoint. */
static void
on_out_of_use(void *cookie, const struct tier *t, bool stop, struct str code,
    struct str message)
{
	struct engine *en = cookie;
	bool known = false, none_left = false;

	for (size_t i = 0; i < en->cfg->n_cascades; i++)
		for (size_t k = 0; k < en->cfg->cascades[i].n_tiers; k++) {
			const struct tier *tier = &en->cfg->cascades[i]
			    .tiers[k];
			struct tier_state *s = &en->tiers[i][k];
			unsigned before = s->endpoints_out;
			size_t n;

			if (!find_endpoint(tier, t, &n) && !stop)
				continue;
			known |= n <= tier->n_others && before & 1u << n;
			none_left |= take_out(en, tier, s, t, stop, code,
			    message) && en->checked[i];
		}
	if (stop && none_left) {
		struct err e;
		err_set(&e, str_is(code, "config") ? ERR_CONFIG : ERR_NET,
		    "stopped, since provider '%.*s' would refuse every "
		    "request: %.*s (%.*s)", STR_ARG(t->provider->name),
		    STR_ARG(message), STR_ARG(code));
		engine_fail(en, &e);
	} else if (!known && en->io.notice) {
		en->io.notice(en->io.cookie, t, code, message);
	}
}

static void
on_outage(void *cookie, const struct tier *t, bool out, struct str code,
    struct str message)
{
	struct engine *en = cookie;

	if (en->io.outage)
		en->io.outage(en->io.cookie, t, out, code, message);
}

static void
on_broke(void *cookie, bool day, int64_t worst_picousd, int64_t held_picousd)
{
	struct engine *en = cookie;
	struct buf cap, held, worst;
	struct err e;

	buf_init(&cap, 64);
	buf_init(&held, 64);
	buf_init(&worst, 64);
	money_show(&cap, day ? en->o.caps.day : en->o.caps.run);
	money_show(&held, held_picousd);
	money_show(&worst, worst_picousd);
	err_set(&e, ERR_BUDGET, "budget reached: of %s for this %s %s is spent "
	    "or may have been billed, and the next request may cost %s",
	    cap.p ? cap.p : "", day ? "day (UTC)" : "run", held.p ? held.p : "",
	    worst.p ? worst.p : "");
	buf_release(&cap);
	buf_release(&held);
	buf_release(&worst);
	engine_fail(en, &e);
}

/* --- commit and emit -------------------------------------------------------------------- */

static int
put_results(struct engine *en, struct err *e)
{
	struct ledger_task row;

	for (struct job *j = en->finished; j; j = j->finished_next) {
		const struct result *r = climb_result(j->climb);
		if (r->stopped)
			continue;
		result_ledger(r, str_of(en->run), en->o.source,
		    clock_utc_ms(), &en->tags, &en->error, &row);
		if (en->tags.failed || en->error.failed)
			return err_nomem(e);
		if (ledger_put(en->store, &row, e) < 0)
			return -1;
	}
	return 0;
}

/* Verdicts on answers out of the store cost nothing: where nothing that was
 * paid for awaits the disk, neither do they. */
static bool
must_sync(const struct engine *en)
{
	return calls_to_keep(en->calls) || en->unsynced;
}

static int
commit(struct engine *en, bool synced, bool results, struct err *e)
{
	if (!en->store || en->o.dry)
		return 0;
	if ((synced ? store_begin(en->store, e)
	    : store_begin_unsynced(en->store, e)) < 0)
		return -1;
	if ((synced && en->unsynced && asks_touch(en->store, e) < 0)
	    || calls_keep(en->calls, en->store, e) < 0
	    || (results && put_results(en, e) < 0)
	    || store_commit(en->store, e) < 0) {
		store_rollback(en->store);
		return -1;
	}
	return 0;
}

static void
count_result(struct engine *en, const struct result *r)
{
	struct engine_state *s = &en->state;

	s->done++;
	s->by_status[r->status]++;
	if (r->tier > 0 && (size_t)r->tier <= s->n_tiers)
		s->by_tier[r->tier - 1]++;
	s->booked_picousd = money_add(s->booked_picousd, r->booked_picousd);
	if (r->cost_picousd == MONEY_UNKNOWN)
		s->unknown_cost++;
	else
		s->cost_picousd = money_add(s->cost_picousd, r->cost_picousd);
	if (r->top_picousd != MONEY_UNKNOWN
	    && r->cost_picousd != MONEY_UNKNOWN)
		s->saved_picousd = money_add(s->saved_picousd,
		    money_sub(r->top_picousd, r->cost_picousd));
	s->cached += r->cached;
	if (r->audit) {
		s->audited += r->audit_outcome != AUDIT_NO_ANSWER;
		s->differ += r->audit_outcome == AUDIT_DIFFERS;
		s->audit_picousd = money_add(s->audit_picousd,
		    r->audit_picousd);
	}
	s->labelled += r->correct != UNSET;
	s->correct += r->correct == YES;
}

static int
emit(struct engine *en, struct err *e)
{
	struct job *j, *next;
	int rc = 0;

	for (j = en->finished; j; j = next) {
		const struct result *r = climb_result(j->climb);
		next = j->finished_next;
		if (r->stopped) {
			en->state.undone++;
		} else if (rc == 0) {
			count_result(en, r);
			rc = en->io.done(en->io.cookie, r, e);
		}
		job_free(j);
	}
	en->finished = NULL;
	en->finished_tail = &en->finished;
	en->n_finished = 0;
	return rc;
}

/* Every turn: what has come survives the process, and what was written down may
 * leave. */
static int
commit_only(struct engine *en, struct err *e)
{
	size_t n = calls_to_keep(en->calls);

	if (commit(en, false, false, e) < 0) {
		en->lost += (int64_t)n;
		calls_unkept(en->calls);
		return -1;
	}
	if (n && !en->unsynced)
		en->unsynced_ms = clock_mono_ms();
	en->unsynced += n;
	calls_kept(en->calls);
	return 0;
}

/* What could not be kept is shown all the same: it has been paid for. */
static int
commit_and_emit(struct engine *en, struct err *e)
{
	struct err lost;
	size_t n = calls_to_keep(en->calls);
	int64_t began = clock_mono_ms(), took;
	int rc = commit(en, must_sync(en), true, &lost);

	/* On a slow disk sync less often: at most a fifth of the time. */
	took = clock_mono_ms() - began;
	en->pause_until_ms = began + took
	    + (4 * took < MAX_PAUSE_MS ? 4 * took : MAX_PAUSE_MS);
	if (rc < 0) {
		en->lost += (int64_t)n;
		engine_fail(en, &lost); /* before anything else is sent */
		calls_unkept(en->calls);
	} else {
		en->unsynced = 0;
		calls_kept(en->calls);
	}
	return emit(en, e);
}

/* When results, or rows that are not on the disk yet, have waited enough. */
static int64_t
sync_due(const struct engine *en)
{
	size_t rows = calls_to_keep(en->calls) + en->unsynced
	    + en->n_finished;
	int64_t oldest = INT64_MAX;

	if (!rows)
		return INT64_MAX;
	if (!calls_in_flight(en->calls) || en->n_finished >= MAX_FINISHED)
		return 0;
	if (rows >= ENGINE_COMMIT_ROWS)
		return en->pause_until_ms;
	if (calls_to_keep(en->calls))
		oldest = calls_oldest_ms(en->calls);
	if (en->n_finished && en->finished_ms < oldest)
		oldest = en->finished_ms;
	if (en->unsynced && en->unsynced_ms < oldest)
		oldest = en->unsynced_ms;
	oldest += ENGINE_COMMIT_MS;
	return oldest > en->pause_until_ms ? oldest : en->pause_until_ms;
}

static bool
has_news(const struct engine *en)
{
	return calls_to_note(en->calls) || calls_to_keep(en->calls)
	    || calls_must_look(en->calls);
}

static int
commit_due(struct engine *en, struct err *e)
{
	int64_t due = sync_due(en);

	/* With nothing to write a transaction syncs nothing. */
	if (due <= clock_mono_ms() && (has_news(en) || en->n_finished))
		return commit_and_emit(en, e);
	return has_news(en) ? commit_only(en, e) : 0;
}

/* --- the source --------------------------------------------------------------------------- */

static size_t
cascade_number(const struct engine *en, const struct cascade *k)
{
	return (size_t)(k - en->cfg->cascades);
}

static int
begin(struct engine *en, struct task *t, const struct cascade *k,
    struct err *e)
{
	struct job *j = arena_alloc(t->arena, sizeof(*j));

	if (j)
		j->climb = climb_new(k, t, en->tiers[cascade_number(en, k)],
		    en->o.collect ? CLIMB_ALL : CLIMB_UP, clock_mono_ms());
	if (!j || !j->climb) {
		task_free(t);
		return err_nomem(e);
	}
	j->en = en;
	j->task = t;
	j->cascade = k;
	j->budget.cap = en->o.caps.task;
	j->deadline.fire = on_deadline;
	j->deadline.cookie = j;
	j->prev = &en->active;
	j->next = en->active;
	if (j->next)
		j->next->prev = &j->next;
	en->active = j;
	en->state.active++;
	if (en->o.task_timeout_ms) {
		j->deadline_ms = clock_mono_ms() + en->o.task_timeout_ms;
		if (http_timer_set(en->http, &j->deadline, j->deadline_ms,
		    e) < 0)
			return -1;
	}
	job_go_on(j);
	return 0;
}

static void
on_source_ready(void *cookie)
{
	(void)cookie; /* the turn is over: feed() looks again */
}

static void
watch(struct engine *en, int fd)
{
	if (en->watched == fd)
		return;
	if (en->watched >= 0)
		http_unwatch(en->http, en->watched);
	en->watched = -1;
	if (fd >= 0 && http_watch(en->http, fd, on_source_ready, en, NULL)
	    == 0)
		en->watched = fd;
}

static bool
has_room(const struct engine *en)
{
	return !en->stopping && !en->input_ended
	    && en->state.active < (size_t)en->o.in_flight
	    && en->n_finished < MAX_FINISHED;
}

/* Take tasks while there is room and the source has some. */
static int
take_tasks(struct engine *en, struct err *e)
{
	en->input_late = false;
	while (has_room(en)) {
		const struct cascade *k = NULL;
		struct task *t = NULL;
		int fd = -1, rc = en->io.next(en->io.cookie, &t, &k, &fd, e);

		if (rc < 0)
			return -1;
		if (rc == 2) {
			watch(en, fd);
			en->input_late = true;
			return 0;
		}
		if (rc == 0)
			en->input_ended = true;
		else if (begin(en, t, k, e) < 0)
			return -1;
	}
	watch(en, -1);
	return 0;
}

/* What the tasks look up they look up in one state of the store. */
static int
feed(struct engine *en, struct err *e)
{
	int rc;

	if (!en->store || !has_room(en))
		return take_tasks(en, e);
	if (store_hold(en->store, e) < 0)
		return -1;
	rc = take_tasks(en, e);
	if (store_let_go(en->store, rc < 0 ? NULL : e) < 0)
		rc = -1;
	return rc;
}

/* --- the loop ----------------------------------------------------------------------------- */

/* Nothing under way, nothing to hand out, nothing to come. */
static bool
is_through(const struct engine *en)
{
	return en->state.active == en->n_broken && !en->n_finished
	    && !calls_in_flight(en->calls)
	    && (en->input_ended || en->stopping);
}

static int64_t
time_to_wait(const struct engine *en)
{
	int64_t due = sync_due(en), wait = -1;

	/* A commit made room: on with the next tasks. */
	if (has_news(en) || is_through(en) || (has_room(en)
	    && !en->input_late))
		return 0;
	if (due != INT64_MAX && en->n_finished) {
		wait = due - clock_mono_ms();
		wait = wait < 0 ? 0 : wait;
	}
	/* So that progress moves while nothing comes. */
	if (en->io.turn && (wait < 0 || wait > 250))
		wait = 250;
	return wait;
}

/* What arrives while the first of it is being read shares its transaction. */
static int
wait_for_news(struct engine *en, struct err *e)
{
	size_t n, most = calls_in_flight(en->calls) / 2;

	if (http_turn(en->http, time_to_wait(en), e) < 0)
		return -1;
	do {
		n = calls_to_keep(en->calls);
		if (n > 0 && n < most && http_turn(en->http, 0, e) < 0)
			return -1;
	} while (calls_to_keep(en->calls) > n);
	return 0;
}

static int
turn(struct engine *en, struct err *e)
{
	if (feed(en, e) < 0)
		return -1;
	ask_fallen(en);
	/* What has come and what is about to leave, in one transaction. */
	if (commit_due(en, e) < 0)
		return -1;
	if (wait_for_news(en, e) < 0)
		return -1;
	ask_fallen(en);
	en->state.to_keep = (int64_t)calls_to_keep(en->calls);
	return en->io.turn ? en->io.turn(en->io.cookie, &en->state, e) : 0;
}

int
engine_run(struct engine *en, struct err *e)
{
	struct err mine;

	while (!en->hard && !is_through(en)) {
		if (turn(en, &mine) < 0) {
			engine_fail(en, &mine);
			if (mine.code == ERR_NOMEM)
				break;
		}
	}
	if (calls_in_flight(en->calls))
		calls_abandon(en->calls);
	/* Whatever has come is kept, also when the run was cut short. */
	if ((en->n_finished || has_news(en) || en->unsynced)
	    && commit_and_emit(en, &mine) < 0)
		engine_fail(en, &mine);
	en->state.undone += (int64_t)en->state.active;
	if (!en->failed)
		return 0;
	*e = en->why;
	if (en->lost)
		err_in(e, "%lld completions that were paid for are not in the "
		    "store", (long long)en->lost);
	return -1;
}

void
engine_stop(struct engine *en, bool hard)
{
	en->hard |= hard;
	if (en->stopping)
		return;
	en->stopping = true;
	calls_stop(en->calls);
}

struct calls_totals
engine_totals(const struct engine *en)
{
	return calls_totals(en->calls);
}

const struct engine_state *
engine_state(struct engine *en)
{
	en->state.undone_picousd = money_sub(calls_totals(en->calls)
	    .cost_picousd, en->state.cost_picousd);
	return &en->state;
}

/* --- opening and closing -------------------------------------------------------------------- */

static struct key_base **
keys_of(const struct cascade *k)
{
	struct key_base **v = calloc(k->n_tiers + 1, sizeof(*v));

	for (size_t i = 0; v && i < k->n_tiers; i++) {
		v[i] = calloc(k->tiers[i].n_others + 1, sizeof(*v[i]));
		if (!v[i]) {
			while (i > 0)
				free(v[--i]);
			free(v);
			return NULL;
		}
	}
	return v;
}

static void
free_keys(struct key_base **v, const struct cascade *k)
{
	for (size_t i = 0; v && i < k->n_tiers; i++) {
		for (size_t n = 0; n <= k->tiers[i].n_others; n++)
			key_base_release(&v[i][n]);
		free(v[i]);
	}
	free(v);
}

static int
make_tiers(struct engine *en)
{
	const struct config *cfg = en->cfg;

	en->tiers = calloc(cfg->n_cascades + 1, sizeof(*en->tiers));
	en->keys = calloc(cfg->n_cascades + 1, sizeof(*en->keys));
	if (!en->tiers || !en->keys)
		return -1;
	for (size_t i = 0; i < cfg->n_cascades; i++) {
		size_t n = cfg->cascades[i].n_tiers;
		en->tiers[i] = calloc(n + 1, sizeof(**en->tiers));
		en->keys[i] = keys_of(&cfg->cascades[i]);
		if (!en->tiers[i] || !en->keys[i])
			return -1;
		if (n > en->state.n_tiers)
			en->state.n_tiers = n;
	}
	en->state.by_tier = calloc(en->state.n_tiers + 1, sizeof(int64_t));
	en->checked = calloc(cfg->n_cascades + 1, sizeof(bool));
	return en->state.by_tier && en->checked ? 0 : -1;
}

int
engine_new(struct engine **out, const struct config *cfg,
    struct store *store, struct http *h, const struct engine_options *o,
    const struct engine_io *io, struct err *e)
{
	struct calls_ops ops = { .got = on_got, .lost = on_lost,
	    .again = on_again, .out_of_use = on_out_of_use,
	    .outage = on_outage, .broke = on_broke };
	struct calls_options co = { .max_in_flight = o->in_flight,
	    .retries = o->retries, .caps = o->caps, .source = o->source,
	    .keep = store && o->cache != CACHE_NONE, .unwritten = !store,
	    .reuse = store && o->cache == CACHE_USE };
	struct engine *en = calloc(1, sizeof(*en));

	if (!en)
		return err_nomem(e);
	en->cfg = cfg;
	en->store = store;
	en->http = h;
	en->o = *o;
	en->io = *io;
	en->watched = -1;
	en->finished_tail = &en->finished;
	buf_init(&en->canon, MAX_CANON);
	buf_init(&en->other, MAX_CANON);
	buf_init(&en->tags, 1 << 20);
	buf_init(&en->error, 4096);
	snprintf(en->run, sizeof(en->run), "%lld-%ld",
	    (long long)clock_utc_ms(), (long)getpid());
	ops.cookie = en;
	if (make_tiers(en) < 0) {
		engine_free(en);
		return err_nomem(e);
	}
	co.run = str_of(en->run);
	if (calls_new(&en->calls, h, cfg, &co, &ops, e) < 0) {
		engine_free(en);
		return -1;
	}
	*out = en;
	return 0;
}

void
engine_free(struct engine *en)
{
	struct job *j, *next;

	if (!en)
		return;
	watch(en, -1);
	calls_free(en->calls); /* before the jobs that it would tell */
	for (j = en->active; j; j = next) {
		next = j->next;
		job_free(j);
	}
	for (j = en->finished; j; j = next) {
		next = j->finished_next;
		job_free(j);
	}
	for (size_t i = 0; en->tiers && i < en->cfg->n_cascades; i++)
		free(en->tiers[i]);
	for (size_t i = 0; en->keys && i < en->cfg->n_cascades; i++)
		free_keys(en->keys[i], &en->cfg->cascades[i]);
	free(en->keys);
	free(en->tiers);
	free(en->checked);
	free(en->state.by_tier);
	buf_release(&en->canon);
	buf_release(&en->other);
	buf_release(&en->tags);
	buf_release(&en->error);
	free(en);
}
