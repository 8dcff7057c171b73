/*
 * engine.c -- tasks in, results out; one turn of the loop at a time:
 *
 *   feed     take tasks while there is room; what the store has is answered
 *   wait     http_turn(): replies arrive, climbs go on, more is asked
 *   commit   completions and ledger rows in one transaction
 *   emit     results whose rows are committed
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

struct job {
	struct engine *en;
	struct task *task;
	const struct cascade *cascade;
	struct climb *climb;
	struct job *next, **prev; /* among the active */
	struct job *finished_next;
	bool asking;
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
	bool *keys_checked;        /* likewise */
	struct job *active;
	struct job *finished, **finished_tail;
	size_t n_finished;
	int64_t finished_ms; /* when the oldest of them finished */
	int64_t pause_until_ms; /* no commit before, unless nothing else goes on */
	struct arena *lookup;
	struct buf canon, tags, error;
	int64_t lost; /* completions that could not be kept */
	char run[48];
	int watched; /* descriptor of the source; -1 */
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
	if (!en->n_finished++)
		en->finished_ms = clock_mono_ms();
	*en->finished_tail = j;
	en->finished_tail = &j->finished_next;
}

/* After any news: ask for what the climb wants now, or be done. */
static void
job_go_on(struct job *j)
{
	struct err e;

	if (j->asking)
		return; /* the loop in job_ask() sees to it */
	if (job_ask(j, &e) < 0) {
		engine_fail(j->en, &e);
		return;
	}
	if (climb_result(j->climb))
		job_finished(j);
}

/* --- asking -------------------------------------------------------------------------- */

static int
job_lost(struct job *j, size_t slot, enum outcome outcome, bool not_cached,
    const char *code, struct str message, struct err *e)
{
	struct climb_failure f = { .outcome = outcome,
	    .not_cached = not_cached, .code = str_of(code),
	    .message = message };

	return climb_fail(j->climb, slot, &f, clock_mono_ms(), e);
}

/* 1: it was in the store. */
static int
job_look_up(struct job *j, const unsigned char *key,
    const struct climb_ask *ask, struct err *e)
{
	struct engine *en = j->en;
	struct completion c;
	struct climb_news news = { .c = &c, .cached = true };
	int64_t row, *place;
	int rc;

	if (!en->store || en->o.cache == CACHE_NONE
	    || en->o.cache == CACHE_REFRESH)
		return 0;
	arena_clear(en->lookup);
	rc = store_get(en->store, key, ask->sample, false, en->lookup, &c,
	    &row, e);
	if (rc <= 0)
		return rc;
	if (climb_give(j->climb, ask->slot, &news, clock_mono_ms(), &place,
	    e) < 0)
		return -1;
	*place = row;
	return 1;
}

/* The request that some asks of one prompt share. */
struct group {
	struct climb_ask ask; /* the first of them */
	struct calls_ask q;
	unsigned char key[SHA256_BYTES];
	struct want *missing, **tail;
	bool open;
};

static int
group_open(struct job *j, const struct climb_ask *ask, struct group *g,
    struct err *e)
{
	const struct tier *t = &j->cascade->tiers[ask->tier];
	struct sampling s = t->sampling;
	struct model_request q = { .provider = t->provider,
	    .model = t->model_name, .sampling = &s, .n = 1 };
	struct message *m = NULL;

	*g = (struct group){ .ask = *ask };
	g->tail = &g->missing;
	if (climb_messages(j->climb, ask, &m, &q.n_messages, e) < 0)
		return -1;
	q.messages = m;
	if (j->task->max_tokens)
		s.max_tokens = j->task->max_tokens;
	if (key_canon(&q, &j->en->canon, e) < 0
	    || key_of(buf_str(&j->en->canon), g->key, e) < 0)
		return -1;
	g->q = (struct calls_ask){ .tier = t, .messages = m,
	    .n_messages = q.n_messages, .max_tokens = j->task->max_tokens,
	    .key = g->key };
	if (!arena_str(j->task->arena, buf_str(&j->en->canon), &g->q.canon))
		return err_nomem(e);
	g->open = true;
	return 0;
}

/* Before a cascade asks for the first time: are the keys of all its tiers
 * there? A dearer tier's that is not would be found when its turn comes, after
 * money was spent on the cheaper ones. (A command is run when it is needed.) */
static void
check_keys(struct engine *en, const struct cascade *k)
{
	bool *checked = &en->keys_checked[k - en->cfg->cascades];
	struct secret key = { 0 };
	struct err e;

	for (size_t i = 0; i < k->n_tiers && !*checked; i++) {
		const struct provider *p = k->tiers[i].provider;
		if (p->key_source != KEY_CMD
		    && provider_key(p, &key, &e) < 0) {
			engine_fail(en, &e);
			break;
		}
		secret_wipe(&key);
	}
	*checked = true;
}

static int
group_close(struct job *j, struct group *g, struct err *e)
{
	struct want *missing = g->missing;

	g->open = false;
	g->missing = NULL;
	if (missing)
		check_keys(j->en, j->cascade);
	return missing ? calls_ask(j->en->calls, &g->q, missing, e) : 0;
}

static int
group_add(struct job *j, struct group *g, const struct climb_ask *ask,
    struct err *e)
{
	struct engine *en = j->en;
	struct want *w = arena_alloc(j->task->arena, sizeof(*w));
	int rc;

	if (!w)
		return err_nomem(e);
	*w = (struct want){ .sample = ask->sample, .slot = ask->slot,
	    .owner = j };
	if (calls_join(en->calls, g->key, w))
		return 0;
	rc = job_look_up(j, g->key, ask, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (en->o.cache == CACHE_ONLY)
		return job_lost(j, ask->slot, OUTCOME_FAIL, true,
		    "not_cached", STR("it is not in the store, and "
		    "--cache-only asks nobody"), e);
	*g->tail = w;
	g->tail = &w->next;
	return 0;
}

/* A task that cannot even be put into words fails alone. */
static int
job_ask_one(struct job *j, struct group *g, const struct climb_ask *ask,
    struct err *e)
{
	struct err mine;

	if (g->open && (g->ask.tier != ask->tier
	    || g->ask.prompt != ask->prompt || g->ask.repair != ask->repair)
	    && group_close(j, g, e) < 0)
		return -1;
	if (!g->open && group_open(j, ask, g, &mine) < 0) {
		if (mine.code != ERR_INPUT) {
			*e = mine;
			return -1;
		}
		return job_lost(j, ask->slot, OUTCOME_FAIL, false, "input",
		    str_of(mine.msg), e);
	}
	return group_add(j, g, ask, e);
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

/* --- news from the calls ---------------------------------------------------------------- */

static void
on_got(void *cookie, struct want *w, const struct climb_news *n)
{
	struct job *j = w->owner;
	struct err e;

	(void)cookie;
	if (climb_give(j->climb, w->slot, n, clock_mono_ms(), &w->row, &e) < 0)
		engine_fail(j->en, &e);
	else
		job_go_on(j);
}

static void
on_lost(void *cookie, struct want *w, const struct climb_failure *f)
{
	struct job *j = w->owner;
	struct err e;

	(void)cookie;
	if (climb_fail(j->climb, w->slot, f, clock_mono_ms(), &e) < 0)
		engine_fail(j->en, &e);
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

static void
on_out_of_use(void *cookie, const struct tier *t, bool stop, struct str code,
    struct str message)
{
	struct engine *en = cookie;

	for (size_t i = 0; i < en->cfg->n_cascades; i++) {
		const struct cascade *k = &en->cfg->cascades[i];
		size_t at = (size_t)(t - k->tiers);
		struct tier_state *s;

		if (t < k->tiers || t >= k->tiers + k->n_tiers)
			continue;
		s = &en->tiers[i][at];
		if (s->out_of_use && !stop)
			return;
		s->out_of_use = true;
		(void)arena_str(en->cfg->arena, code, &s->code);
		(void)arena_str(en->cfg->arena, message, &s->message);
	}
	if (stop) {
		struct err e;
		err_set(&e, str_is(code, "config") ? ERR_CONFIG : ERR_NET,
		    "stopped, since provider '%.*s' would refuse every "
		    "request: %.*s (%.*s)", STR_ARG(t->provider->name),
		    STR_ARG(message), STR_ARG(code));
		engine_fail(en, &e);
	} else if (en->io.notice) {
		en->io.notice(en->io.cookie, t, code, message);
	}
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

static int
commit(struct engine *en, struct err *e)
{
	if (!en->store)
		return 0;
	if (store_begin(en->store, e) < 0)
		return -1;
	if ((en->o.cache != CACHE_NONE && calls_keep(en->calls, en->store,
	    e) < 0) || put_results(en, e) < 0
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
	if (r->cost_picousd == MONEY_UNKNOWN)
		s->unknown_cost++;
	else
		s->cost_picousd = money_add(s->cost_picousd, r->cost_picousd);
	if (r->top_picousd != MONEY_UNKNOWN
	    && r->cost_picousd != MONEY_UNKNOWN)
		s->saved_picousd += r->top_picousd - r->cost_picousd;
	s->cached += r->cached;
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

/* What could not be kept is shown all the same: it has been paid for. */
static int
commit_and_emit(struct engine *en, struct err *e)
{
	struct err lost;
	size_t n = calls_to_keep(en->calls);
	int64_t began = clock_mono_ms(), took;
	int rc = commit(en, &lost);

	/* On a slow disk commit less often: at most a fifth of the time. */
	took = clock_mono_ms() - began;
	en->pause_until_ms = began + took
	    + (4 * took < MAX_PAUSE_MS ? 4 * took : MAX_PAUSE_MS);
	if (rc < 0)
		en->lost += (int64_t)n;
	calls_kept(en->calls);
	if (emit(en, e) < 0)
		return -1;
	if (rc < 0)
		*e = lost;
	return rc;
}

static int64_t
commit_due(const struct engine *en)
{
	size_t rows = calls_to_keep(en->calls) + en->n_finished;
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
	oldest += ENGINE_COMMIT_MS;
	return oldest > en->pause_until_ms ? oldest : en->pause_until_ms;
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
		    false, clock_mono_ms());
	if (!j || !j->climb) {
		task_free(t);
		return err_nomem(e);
	}
	j->en = en;
	j->task = t;
	j->cascade = k;
	j->prev = &en->active;
	j->next = en->active;
	if (j->next)
		j->next->prev = &j->next;
	en->active = j;
	en->state.active++;
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

/* Take tasks while there is room; 1: the source has none yet. */
static int
feed(struct engine *en, struct err *e)
{
	while (!en->stopping && !en->input_ended
	    && en->state.active < (size_t)en->o.in_flight
	    && en->n_finished < MAX_FINISHED) {
		const struct cascade *k = NULL;
		struct task *t = NULL;
		int fd = -1, rc = en->io.next(en->io.cookie, &t, &k, &fd, e);

		if (rc < 0)
			return -1;
		if (rc == 2) {
			watch(en, fd);
			return 1;
		}
		if (rc == 0)
			en->input_ended = true;
		else if (begin(en, t, k, e) < 0)
			return -1;
	}
	watch(en, -1);
	return 0;
}

/* --- the loop ----------------------------------------------------------------------------- */

static int
turn(struct engine *en, struct err *e)
{
	int64_t due, wait = -1;
	int fed = feed(en, e);

	if (fed < 0)
		return -1;
	due = commit_due(en);
	if (due != INT64_MAX) {
		wait = due - clock_mono_ms();
		wait = wait < 0 ? 0 : wait;
	} else if (!en->state.active && (en->input_ended || en->stopping)) {
		wait = 0;
	} else if (en->io.turn) {
		wait = 250; /* so that progress moves while nothing comes */
	}
	if (http_turn(en->http, wait, e) < 0)
		return -1;
	due = commit_due(en);
	if (due != INT64_MAX && due <= clock_mono_ms()
	    && commit_and_emit(en, e) < 0)
		return -1;
	en->state.to_keep = (int64_t)calls_to_keep(en->calls);
	return en->io.turn ? en->io.turn(en->io.cookie, &en->state, e) : 0;
}

int
engine_run(struct engine *en, struct err *e)
{
	struct err mine;

	while (!en->hard) {
		if (turn(en, &mine) < 0) {
			engine_fail(en, &mine);
			if (mine.code == ERR_NOMEM)
				break;
		}
		if (!en->state.active && !en->n_finished
		    && (en->input_ended || en->stopping))
			break;
	}
	/* Whatever has come is kept, also when the run was cut short. */
	if ((en->n_finished || calls_to_keep(en->calls))
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

const struct engine_state *
engine_state(const struct engine *en)
{
	return &en->state;
}

/* --- opening and closing -------------------------------------------------------------------- */

static int
make_tiers(struct engine *en)
{
	const struct config *cfg = en->cfg;

	en->tiers = calloc(cfg->n_cascades + 1, sizeof(*en->tiers));
	if (!en->tiers)
		return -1;
	for (size_t i = 0; i < cfg->n_cascades; i++) {
		size_t n = cfg->cascades[i].n_tiers;
		en->tiers[i] = calloc(n + 1, sizeof(**en->tiers));
		if (!en->tiers[i])
			return -1;
		if (n > en->state.n_tiers)
			en->state.n_tiers = n;
	}
	en->state.by_tier = calloc(en->state.n_tiers + 1, sizeof(int64_t));
	en->keys_checked = calloc(cfg->n_cascades + 1, sizeof(bool));
	return en->state.by_tier && en->keys_checked ? 0 : -1;
}

int
engine_new(struct engine **out, const struct config *cfg,
    struct store *store, struct http *h, const struct engine_options *o,
    const struct engine_io *io, struct err *e)
{
	struct calls_ops ops = { on_got, on_lost, on_again, on_out_of_use,
	    NULL };
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
	buf_init(&en->tags, 1 << 20);
	buf_init(&en->error, 4096);
	snprintf(en->run, sizeof(en->run), "%lld-%ld",
	    (long long)clock_utc_ms(), (long)getpid());
	en->lookup = arena_new(0);
	ops.cookie = en;
	if (!en->lookup || make_tiers(en) < 0) {
		engine_free(en);
		return err_nomem(e);
	}
	if (calls_new(&en->calls, h, cfg, o->in_flight, o->retries, &ops,
	    e) < 0) {
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
	free(en->tiers);
	free(en->keys_checked);
	free(en->state.by_tier);
	arena_free(en->lookup);
	buf_release(&en->canon);
	buf_release(&en->tags);
	buf_release(&en->error);
	free(en);
}
