/*
 * asks.c -- requests written down before they leave, leases on what other
 * processes ask, and what a day has cost.
 *
 * That a request was asked, and that it has ended, are entries of the ledger
 * (segments.h). Which ones are under way is known in memory: from the last
 * summary and the segments after it, and by reading on where others have
 * written since. A request's id is its process's number and one of its own.
 *
 * A process is alive while it holds a lock on one byte, its number, of the
 * file "<store>-live": the kernel drops the lock when the process ends, however
 * it ends. No clock and no process number is trusted. (The store's own file is
 * never opened for this: closing it would drop SQLite's locks.)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "cache/segments.h"

#define DAY_MS ((int64_t)86400000)

const char *
ask_outcome_name(enum ask_outcome o)
{
	static const char *const names[ASK_OUTCOMES] = {
		[ASK_OK] = "ok",     [ASK_RETRY] = "retry",
		[ASK_WAIT] = "wait", [ASK_NEXT] = "next",
		[ASK_FAIL] = "fail", [ASK_TIER] = "tier",
		[ASK_STOP] = "stop", [ASK_LOST] = "lost",
	};

	return o >= ASK_OK && o < ASK_OUTCOMES ? names[o] : "lost";
}

int
store_version(struct store *s, int64_t *version, struct err *e)
{
	struct params p;
	int rc;

	if (store_stmt(s, STMT_DATA_VERSION, "PRAGMA data_version", &p, e) < 0)
		return -1;
	rc = store_step(s, &p, "read", e);
	if (rc > 0)
		*version = sqlite3_column_int64(p.stmt, 0);
	store_reset(&p);
	return rc < 0 ? -1 : 0;
}

/* --- who is alive ----------------------------------------------------------- */

/* Beside the file itself, as SQLite's own files are: a link is another name of
 * the same store. NULL: errno. */
static char *
live_name(const struct store *s)
{
	char *real = realpath(s->path, NULL), *name;

	if (!real)
		return NULL;
	name = malloc(strlen(real) + sizeof("-live"));
	if (name) {
		strcpy(name, real);
		strcat(name, "-live");
	}
	free(real);
	return name;
}

/* Without `create`, to look at others alone: where nobody has made it, nobody
 * is alive. */
static int
open_live(struct store *s, bool create, struct err *e)
{
	char *name;

	if (s->live >= 0 || strcmp(s->path, ":memory:") == 0)
		return 0;
	name = live_name(s);
	if (name)
		s->live = open(name, O_CLOEXEC | (create ? O_RDWR | O_CREAT
		    : O_RDONLY), 0600);
	free(name);
	if (s->live >= 0 || (!create && errno == ENOENT))
		return 0;
	return err_sys(e, ERR_STORE, "cannot open '%s-live'", s->path);
}

static struct flock
byte_lock(int64_t run)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET,
	    .l_start = (off_t)run, .l_len = 1 };
}

/* A store in memory has this process alone. */
static bool
is_alive(const struct store *s, int64_t run)
{
	struct flock l = byte_lock(run);

	if (run == s->run)
		return true;
	return s->live >= 0 && fcntl(s->live, F_OFD_GETLK, &l) == 0
	    && l.l_type != F_UNLCK;
}

/* --- a day's sum --------------------------------------------------------------- */

/* Sums of a day are changed once a transaction. */
static int
add_to_day(struct store *s, int64_t utc_ms, int64_t picousd, struct err *e)
{
	int64_t day = utc_ms / DAY_MS;

	if (day != s->day && s->day_change && asks_flush(s, e) < 0)
		return -1;
	s->day = day;
	s->day_change = money_add(s->day_change, picousd);
	return 0;
}

int
asks_flush(struct store *s, struct err *e)
{
	struct params p;

	if (!s->day_change)
		return 0;
	if (store_stmt(s, STMT_DAY_ADD, "INSERT INTO days (day, held_picousd)"
	    " VALUES (?1, max(0, ?2)) ON CONFLICT (day) DO UPDATE SET"
	    " held_picousd = max(0, ?2 + min(held_picousd,"
	    " 9223372036854775807 - max(0, ?2)))", &p, e) < 0)
		return -1;
	param_int(&p, s->day);
	param_int(&p, s->day_change);
	s->day_change = 0;
	return store_run(s, &p, "write to", e);
}

int
asks_day(struct store *s, int64_t utc_ms, int64_t *picousd, struct err *e)
{
	struct params p;
	int rc;

	if (asks_flush(s, e) < 0
	    || store_stmt(s, STMT_DAY_GET, "SELECT held_picousd FROM days"
	    " WHERE day = ?1", &p, e) < 0)
		return -1;
	param_int(&p, utc_ms / DAY_MS);
	rc = store_step(s, &p, "read", e);
	if (rc >= 0)
		*picousd = rc ? sqlite3_column_int64(p.stmt, 0) : 0;
	/* Less would be room under the cap of the day. */
	if (rc == 1 && (*picousd < 0 || sqlite3_column_type(p.stmt, 0)
	    != SQLITE_INTEGER))
		rc = store_fail(s, SQLITE_CORRUPT, "read", e);
	store_reset(&p);
	return rc < 0 ? -1 : 0;
}

static int64_t
known(int64_t picousd)
{
	return picousd == MONEY_UNKNOWN ? 0 : picousd;
}

/* --- what is under way ------------------------------------------------------- */

struct open_ask {
	struct open_ask *next;    /* of another process, with the same key64 */
	struct entry_ask ask;     /* its text is `model` */
	bool put_now, ended_now;  /* in the transaction that is open */
	char model[];
};

struct open_asks {
	struct map *by_id;
	struct map *by_key;       /* key64; of other processes alone */
	struct open_ask **changed; /* in the transaction that is open */
	size_t n_changed, cap_changed;
	int64_t upto;             /* segments that are in it, */
	int64_t upto_before;      /* and before this transaction */
	int64_t version;          /* of the store, then */
	int64_t of_txn;           /* it is known to be the present state of it */
};

static int64_t
run_of(int64_t id)
{
	return id >> 32;
}

static struct str
bytes_of(const int64_t *v)
{
	return (struct str){ (const char *)v, sizeof(*v) };
}

static void
drop_all(struct open_asks *o)
{
	struct str key;
	void *v;
	size_t i = 0;

	while (o->by_id && map_each(o->by_id, &i, &key, &v))
		free(v);
	map_free(o->by_id);
	map_free(o->by_key);
	free(o->changed);
	free(o);
}

void
asks_free(struct store *s)
{
	if (s->open)
		drop_all(s->open);
	s->open = NULL;
}

static struct open_asks *
open_new(void)
{
	struct open_asks *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->by_id = map_new();
	o->by_key = map_new();
	if (o->by_id && o->by_key)
		return o;
	drop_all(o);
	return NULL;
}

/* NULL: out of memory. */
static struct open_ask *
add_open(struct store *s, const struct entry_ask *a)
{
	struct open_ask *n = malloc(sizeof(*n) + a->model.n);
	struct open_ask *first;
	bool others = run_of(a->id) != s->run;

	if (!n)
		return NULL;
	*n = (struct open_ask){ .ask = *a };
	if (a->model.n)
		memcpy(n->model, a->model.p, a->model.n);
	n->ask.model.p = n->model;
	if (!map_put(s->open->by_id, bytes_of(&a->id), n)) {
		free(n);
		return NULL;
	}
	if (!others)
		return n;
	first = map_get(s->open->by_key, bytes_of(&a->key64));
	n->next = first;
	if (map_put(s->open->by_key, bytes_of(&a->key64), n))
		return n;
	n->next = NULL;
	map_remove(s->open->by_id, bytes_of(&a->id));
	free(n);
	return NULL;
}

/* Those of the same key are few. False: out of memory, and it stays. */
static bool
remove_open(struct store *s, int64_t id)
{
	struct open_asks *o = s->open;
	struct open_ask *n = map_get(o->by_id, bytes_of(&id)), *first, **at;

	if (!n)
		return true;
	first = run_of(id) == s->run ? NULL
	    : map_get(o->by_key, bytes_of(&n->ask.key64));
	if (first == n && !n->next) {
		map_remove(o->by_key, bytes_of(&n->ask.key64));
	} else if (first == n) {
		if (!map_put(o->by_key, bytes_of(&n->ask.key64), n->next))
			return false;
	} else if (first) {
		for (at = &first->next; *at && *at != n; at = &(*at)->next)
			;
		if (*at)
			*at = n->next;
	}
	map_remove(o->by_id, bytes_of(&id));
	free(n);
	return true;
}

/* What this process has asked itself it knows already. */
static int
apply(struct store *s, struct str asks, struct err *e)
{
	struct unpack u = unpack_of(asks);
	struct entry_end end;
	bool ended;

	while (entry_next_ask(&u, &ended, &end)) {
		if (ended) {
			struct open_ask *n = map_get(s->open->by_id,
			    bytes_of(&end.ask.id));
			if (n && n->ended_now)
				continue;
			if (!remove_open(s, end.ask.id))
				return err_nomem(e);
		} else if (run_of(end.ask.id) != s->run) {
			if (!map_get(s->open->by_id, bytes_of(&end.ask.id))
			    && !add_open(s, &end.ask))
				return err_nomem(e);
		}
	}
	return u.bad ? store_fail(s, SQLITE_CORRUPT, "read", e) : 0;
}

static int
apply_segment(void *cookie, const struct segment *g, struct err *e)
{
	struct store *s = cookie;

	if (apply(s, g->asks, e) < 0)
		return -1;
	s->open->upto = g->id;
	return 1;
}

static int
apply_summary(void *cookie, const struct summary *m, struct err *e)
{
	struct store *s = cookie;

	s->open->upto = m->upto;
	return apply(s, m->open, e); /* and no other */
}

static int
load_open(struct store *s, struct err *e)
{
	s->open = open_new();
	if (!s->open)
		return err_nomem(e);
	s->open->version = -1;
	if (summaries_each(s, true, apply_summary, s, e) == 0)
		return 0;
	asks_free(s);
	return -1;
}

/* Up to the present state of the transaction or snapshot. What was applied is
 * applied, also where an error ends it half way. */
static int
see_open(struct store *s, struct err *e)
{
	struct segment_range r = { .asks_alone = true };
	int64_t version;

	if (s->open && s->writing && s->open->of_txn == s->txn)
		return 0;
	if (store_version(s, &version, e) < 0
	    || (!s->open && load_open(s, e) < 0))
		return -1;
	s->open->upto_before = s->open->upto;
	if (s->open->version != version) {
		r.after = s->open->upto;
		if (segments_each(s, &r, apply_segment, s, e) < 0)
			return -1;
	}
	s->open->version = version;
	s->open->of_txn = s->writing ? s->txn : 0;
	return 0;
}

static int
note_change(struct store *s, struct open_ask *n, struct err *e)
{
	struct open_asks *o = s->open;
	size_t cap = o->cap_changed ? 2 * o->cap_changed : 64;
	struct open_ask **more;

	if (o->n_changed == o->cap_changed) {
		more = reallocarray(o->changed, cap, sizeof(*more));
		if (!more)
			return err_nomem(e);
		o->changed = more;
		o->cap_changed = cap;
	}
	o->changed[o->n_changed++] = n;
	return 0;
}

void
asks_committed(struct store *s)
{
	struct open_asks *o = s->open;

	for (size_t i = 0; o && i < o->n_changed; i++) {
		struct open_ask *n = o->changed[i];
		n->put_now = false;
		/* Where memory is short it stays, and binds nobody: its process
		 * is this one, or dead. */
		if (n->ended_now)
			(void)remove_open(s, n->ask.id);
	}
	if (o)
		o->n_changed = 0;
}

void
asks_rolled_back(struct store *s)
{
	struct open_asks *o = s->open;

	for (size_t i = 0; o && i < o->n_changed; i++) {
		o->changed[i]->ended_now = false;
		if (o->changed[i]->put_now)
			(void)remove_open(s, o->changed[i]->ask.id);
	}
	if (!o)
		return;
	o->n_changed = 0;
	/* The numbers of segments that are gone will be those of others. */
	if (o->of_txn == s->txn && o->upto > o->upto_before)
		o->upto = o->upto_before;
	o->version = -1;
	o->of_txn = 0;
}

int
asks_open_encode(struct store *s, struct buf *out, struct err *e)
{
	struct str key;
	void *v;
	size_t i = 0;

	if (see_open(s, e) < 0)
		return -1;
	while (map_each(s->open->by_id, &i, &key, &v)) {
		const struct open_ask *n = v;
		if (!n->ended_now && !entry_put_ask(out, &n->ask))
			return err_nomem(e);
	}
	return 0;
}

/* --- this process ------------------------------------------------------------ */

static int
put_end(struct store *s, struct open_ask *n, const struct ask_end *a,
    struct err *e)
{
	struct entry_end end = { .ask = n->ask, .outcome = a->outcome,
	    .status = a->status, .code = a->code,
	    .ended_utc_ms = a->ended_utc_ms, .cost_picousd = a->cost_picousd,
	    .booked = a->booked };
	struct buf *asks;

	if (segments_asks(s, &asks, e) < 0
	    || (!n->put_now && note_change(s, n, e) < 0))
		return -1;
	if (!entry_put_end(asks, &end))
		return err_nomem(e);
	n->ended_now = true;
	return segments_count_end(s, &end, e);
}

/* Their requests may have been billed: the worst case stays held. */
static int
end_the_dead(struct store *s, struct asks_lost *lost, struct err *e)
{
	struct ask_end end = { .outcome = ASK_LOST, .code = STR("lost"),
	    .ended_utc_ms = clock_utc_ms(), .booked = true };
	struct str key;
	void *v;
	size_t i = 0;

	while (map_each(s->open->by_id, &i, &key, &v)) {
		struct open_ask *n = v;

		if (n->ended_now || is_alive(s, run_of(n->ask.id)))
			continue;
		end.cost_picousd = n->ask.worst_picousd;
		if (put_end(s, n, &end, e) < 0)
			return -1;
		lost->requests++;
		lost->picousd = money_add(lost->picousd,
		    known(n->ask.worst_picousd));
		lost->unknown += n->ask.worst_picousd == MONEY_UNKNOWN;
	}
	return 0;
}

int
asks_begin(struct store *s, struct str run, struct str source,
    struct asks_lost *lost, struct err *e)
{
	struct asks_lost none = { 0 };
	struct flock l;
	int64_t id;

	if (s->run)
		return 0;
	if (store_must_write(s, e) < 0)
		return -1;
	if (s->live >= 0)
		close(s->live); /* it was opened for reading, by asks_totals() */
	s->live = -1;
	if (open_live(s, true, e) < 0
	    || store_run_id(s, run, source, &id, e) < 0)
		return -1;
	l = byte_lock(id);
	/* Nobody has asked under this number yet. */
	if (s->live >= 0 && fcntl(s->live, F_OFD_SETLK, &l) < 0)
		return err_sys(e, ERR_STORE, "cannot lock '%s-live'", s->path);
	s->run = s->new_run = id;
	if (see_open(s, e) < 0)
		return -1;
	return end_the_dead(s, lost ? lost : &none, e);
}

int
asks_touch(struct store *s, struct err *e)
{
	/* An UPDATE to the value that is there writes nothing; this does. */
	return store_exec(s, "PRAGMA application_id = " TEXT(APPLICATION_ID),
	    "write to", e);
}

/* --- requests ---------------------------------------------------------------- */

int
asks_elsewhere(struct store *s, const unsigned char key[SHA256_BYTES],
    int first, int last, int64_t now_utc_ms, struct err *e)
{
	int64_t key64 = store_key64(key);
	const struct open_ask *n;

	if (see_open(s, e) < 0)
		return -1;
	for (n = map_get(s->open->by_key, bytes_of(&key64)); n; n = n->next)
		if (n->ask.first <= last && n->ask.last >= first
		    && !n->ended_now && n->ask.until_utc_ms > now_utc_ms
		    && is_alive(s, run_of(n->ask.id)))
			return 1;
	return 0;
}

int
asks_put(struct store *s, const struct ask *a, int64_t *id, struct err *e)
{
	struct entry_ask ask = { .id = s->run << 32 | (s->n_asks + 1),
	    .key64 = store_key64(a->key), .first = a->first, .last = a->last,
	    .asked_utc_ms = a->asked_utc_ms, .until_utc_ms = a->until_utc_ms,
	    .worst_picousd = a->worst_picousd, .model = a->model };
	struct open_ask *n;
	struct buf *asks;

	if (segments_asks(s, &asks, e) < 0 || see_open(s, e) < 0)
		return -1;
	n = entry_put_ask(asks, &ask) ? add_open(s, &ask) : NULL;
	if (!n) {
		s->spoiled = true; /* half of it may be among the entries */
		return err_nomem(e);
	}
	n->put_now = true;
	if (note_change(s, n, e) < 0) {
		(void)remove_open(s, ask.id);
		s->spoiled = true;
		return -1;
	}
	s->n_asks++;
	*id = ask.id;
	return add_to_day(s, a->asked_utc_ms, known(a->worst_picousd), e);
}

int
asks_end(struct store *s, const struct ask_end *a, struct err *e)
{
	struct open_ask *n;

	if (store_must_write(s, e) < 0 || see_open(s, e) < 0)
		return -1;
	n = map_get(s->open->by_id, bytes_of(&a->id));
	/* It was ended by somebody who took this process for dead. */
	if (!n || n->ended_now || run_of(a->id) != s->run)
		return 0;
	if (put_end(s, n, a, e) < 0) {
		s->spoiled = true;
		return -1;
	}
	if (a->cost_picousd == MONEY_UNKNOWN)
		return 0;
	return add_to_day(s, n->ask.asked_utc_ms, a->cost_picousd
	    - known(n->ask.worst_picousd), e);
}

int
asks_others(struct store *s, int64_t now_utc_ms, int64_t *n, struct err *e)
{
	struct str key;
	void *v;
	size_t i = 0;

	*n = 0;
	if (see_open(s, e) < 0)
		return -1;
	while (map_each(s->open->by_id, &i, &key, &v)) {
		const struct open_ask *o = v;

		if (run_of(o->ask.id) != s->run && !o->ended_now
		    && o->ask.until_utc_ms > now_utc_ms
		    && is_alive(s, run_of(o->ask.id)))
			++*n;
	}
	return 0;
}

/* --- sums -------------------------------------------------------------------- */

struct adding {
	struct store *s;
	int64_t since, until;
	const int64_t *runs; /* these alone; NULL: all */
	size_t n_runs;
	struct str model;
	struct tally *tally; /* of one summary, or of entries */
	struct asks_totals *t;
	int64_t upto;        /* what the summaries go to */
};

static bool
of_runs(const struct adding *a, int64_t id)
{
	for (size_t i = 0; a->runs && i < a->n_runs; i++)
		if (a->runs[i] == run_of(id))
			return true;
	return !a->runs;
}

static bool
is_meant(const struct adding *a, const struct entry_ask *ask)
{
	return ask->asked_utc_ms >= a->since && ask->asked_utc_ms < a->until
	    && of_runs(a, ask->id) && model_is(ask->model, a->model);
}

static void
add_cells(struct adding *a)
{
	const struct tally_cell *c;
	struct asks_totals *t = a->t;
	size_t i = 0;

	while ((c = tally_each(a->tally, &i))) {
		if (c->key.kind != TALLY_ASK || !model_is(c->key.model, a->model)
		    || c->key.verdict >= ASK_OUTCOMES)
			continue;
		t->sent += c->n[TALLY_COUNT];
		t->by_outcome[c->key.verdict] += c->n[TALLY_COUNT];
		t->unknown_cost += c->n[TALLY_UNKNOWN];
		t->cost_picousd = money_add(t->cost_picousd,
		    c->n[TALLY_COST]);
		if (!c->key.booked)
			continue;
		t->booked += c->n[TALLY_COUNT];
		t->booked_unknown += c->n[TALLY_UNKNOWN];
		t->booked_picousd = money_add(t->booked_picousd,
		    c->n[TALLY_COST]);
	}
	tally_clear(a->tally);
}

static int
add_entries(void *cookie, const struct segment *g, struct err *e)
{
	struct adding *a = cookie;
	struct unpack u = unpack_of(g->asks);
	struct entry_end end;
	bool ended;

	while (entry_next_ask(&u, &ended, &end))
		if (ended && is_meant(a, &end.ask)
		    && !tally_add_end(a->tally, &end))
			return err_nomem(e);
	return u.bad ? store_fail(a->s, SQLITE_CORRUPT, "read", e) : 1;
}

static int
add_summary(void *cookie, const struct summary *m, struct err *e)
{
	struct adding *a = cookie;
	struct segment_range r = { .after = m->after, .upto = m->upto,
	    .asks_alone = true };
	int rc;

	a->upto = m->upto;
	if (m->to_utc_ms < a->since || m->from_utc_ms >= a->until)
		return 1;
	if (a->runs || m->from_utc_ms < a->since || m->to_utc_ms >= a->until)
		return segments_each(a->s, &r, add_entries, a, e) < 0 ? -1 : 1;
	rc = tally_decode(a->tally, m->tally);
	if (rc < 1)
		return rc < 0 ? err_nomem(e)
		    : store_fail(a->s, SQLITE_CORRUPT, "read", e);
	add_cells(a);
	return 1;
}

static void
add_under_way(struct adding *a)
{
	struct asks_totals *t = a->t;
	struct str key;
	void *v;
	size_t i = 0;

	while (map_each(a->s->open->by_id, &i, &key, &v)) {
		const struct open_ask *n = v;

		if (!is_meant(a, &n->ask))
			continue;
		t->sent++;
		if (is_alive(a->s, run_of(n->ask.id))) {
			t->open++;
			continue;
		}
		t->by_outcome[ASK_LOST]++;
		t->booked++;
		t->unknown_cost += n->ask.worst_picousd == MONEY_UNKNOWN;
		t->booked_unknown += n->ask.worst_picousd == MONEY_UNKNOWN;
		t->cost_picousd = money_add(t->cost_picousd,
		    known(n->ask.worst_picousd));
		t->booked_picousd = money_add(t->booked_picousd,
		    known(n->ask.worst_picousd));
	}
}

static int
add_all(struct adding *a, struct err *e)
{
	struct segment_range r = { .asks_alone = true };

	if (summaries_each(a->s, false, add_summary, a, e) < 0)
		return -1;
	r.after = a->upto;
	if (segments_each(a->s, &r, add_entries, a, e) < 0
	    || see_open(a->s, e) < 0)
		return -1;
	add_cells(a);
	add_under_way(a);
	return 0;
}

int
asks_totals(struct store *s, int64_t since_utc_ms, int64_t until_utc_ms,
    struct str run, struct str model, struct asks_totals *out, struct err *e)
{
	struct asks_totals t = { 0 };
	struct adding a = { .s = s, .since = since_or_open(since_utc_ms),
	    .until = until_or_open(until_utc_ms), .model = model, .t = &t };
	bool mine = false;
	int64_t *runs = NULL;
	int rc = -1;

	if (open_live(s, false, e) < 0 || store_look(s, &mine, e) < 0)
		return -1;
	a.tally = tally_new();
	if (!a.tally)
		err_nomem(e);
	else if (store_runs(s, run, &runs, &a.n_runs, e) == 0) {
		a.runs = runs;
		rc = add_all(&a, e);
	}
	if (store_looked(s, mine, rc < 0 ? NULL : e) < 0)
		rc = -1;
	tally_free(a.tally);
	free(runs);
	if (rc == 0)
		*out = t;
	return rc;
}
