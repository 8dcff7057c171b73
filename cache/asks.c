/*
 * asks.c -- requests written down before they leave, leases on what other
 * processes ask, and what a day has cost.
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
#include "cache/asks.h"
#include "cache/internal.h"

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
	store_reset(&p);
	return rc < 0 ? -1 : 0;
}

static int64_t
known(int64_t picousd)
{
	return picousd == MONEY_UNKNOWN ? 0 : picousd;
}

/* --- the dead --------------------------------------------------------------------- */

#define OPEN_RUNS "SELECT run, count(*), sum_saturating(worst_picousd)," \
	" sum(worst_picousd IS NULL) FROM asks WHERE outcome IS NULL" \
	" GROUP BY run"

/* Their requests may have been billed: the worst case stays held. */
static int
end_run(struct store *s, int64_t run, struct err *e)
{
	struct params p = { 0 };
	int rc;

	rc = store_prepare(s, "UPDATE asks SET outcome = ?2, booked = 1,"
	    " code = 'lost', ended_utc_ms = ?3, cost_picousd = worst_picousd"
	    " WHERE run = ?1 AND outcome IS NULL", &p, e);
	if (rc == 0) {
		param_int(&p, run);
		param_int(&p, ASK_LOST);
		param_int(&p, clock_utc_ms());
		rc = store_step(s, &p, "write to", e);
	}
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : 0;
}

static int
end_the_dead(struct store *s, struct asks_lost *lost, struct err *e)
{
	struct params p = { 0 };
	int64_t dead[64];
	size_t n = 0;
	int rc = store_prepare(s, OPEN_RUNS, &p, e);

	/* More than these are found by the next process. */
	while (rc >= 0 && n < sizeof(dead) / sizeof(*dead)
	    && (rc = store_step(s, &p, "read", e)) == 1) {
		struct columns c = { .stmt = p.stmt };
		int64_t run = column_int(&c);

		if (is_alive(s, run))
			continue;
		dead[n++] = run;
		lost->requests += column_int(&c);
		lost->picousd = money_add(lost->picousd, column_int(&c));
		lost->unknown += column_int(&c);
	}
	sqlite3_finalize(p.stmt);
	for (size_t i = 0; rc >= 0 && i < n; i++)
		rc = end_run(s, dead[i], e);
	return rc < 0 ? -1 : 0;
}

/* --- this process ------------------------------------------------------------------ */

static int
put_run(struct store *s, struct str run, struct str source, struct err *e)
{
	struct params p = { 0 };
	int rc = store_prepare(s, "INSERT INTO runs (word, source, pid,"
	    " started_utc_ms) VALUES (?1, ?2, ?3, ?4)", &p, e);

	if (rc == 0) {
		param_text(&p, run);
		param_text(&p, source);
		param_int(&p, getpid());
		param_int(&p, clock_utc_ms());
		rc = store_step(s, &p, "write to", e);
	}
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : 0;
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
	if (open_live(s, true, e) < 0 || put_run(s, run, source, e) < 0)
		return -1;
	id = sqlite3_last_insert_rowid(s->db);
	l = byte_lock(id);
	/* Nobody has this number yet: it is not committed. */
	if (s->live >= 0 && fcntl(s->live, F_OFD_SETLK, &l) < 0)
		return err_sys(e, ERR_STORE, "cannot lock '%s-live'", s->path);
	s->run = s->new_run = id;
	return end_the_dead(s, lost ? lost : &none, e);
}

int
asks_touch(struct store *s, struct err *e)
{
	/* An UPDATE to the value that is there writes nothing; this does. */
	return store_exec(s, "PRAGMA application_id = " TEXT(APPLICATION_ID),
	    "write to", e);
}

/* --- requests ------------------------------------------------------------------------ */

static int64_t
key64(const unsigned char key[SHA256_BYTES])
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | key[i];
	return (int64_t)v;
}

int
asks_elsewhere(struct store *s, const unsigned char key[SHA256_BYTES],
    int first, int last, int64_t now_utc_ms, struct err *e)
{
	struct params p;
	int rc, found = 0;

	if (store_stmt(s, STMT_ASK_FIND, "SELECT run, first, last,"
	    " until_utc_ms FROM asks WHERE key64 = ?1 AND outcome IS NULL",
	    &p, e) < 0)
		return -1;
	param_int(&p, key64(key));
	while ((rc = store_step(s, &p, "read", e)) == 1) {
		struct columns c = { .stmt = p.stmt };
		int64_t run = column_int(&c);
		int64_t a = column_int(&c), b = column_int(&c);

		if (run != s->run && a <= last && b >= first
		    && column_int(&c) > now_utc_ms && is_alive(s, run)) {
			found = 1;
			break;
		}
	}
	store_reset(&p);
	return rc < 0 ? -1 : found;
}

int
asks_put(struct store *s, const struct ask *a, int64_t *id, struct err *e)
{
	struct params p;

	if (store_must_write(s, e) < 0
	    || store_stmt(s, STMT_ASK_PUT, "INSERT INTO asks (run, key64,"
	    " first, last, model, asked_utc_ms, until_utc_ms, worst_picousd)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", &p, e) < 0)
		return -1;
	param_int(&p, s->run);
	param_int(&p, key64(a->key));
	param_int(&p, a->first);
	param_int(&p, a->last);
	param_text(&p, a->model);
	param_int(&p, a->asked_utc_ms);
	param_int(&p, a->until_utc_ms);
	param_known(&p, a->worst_picousd, MONEY_UNKNOWN);
	if (store_run(s, &p, "write to", e) < 0)
		return -1;
	*id = sqlite3_last_insert_rowid(s->db);
	return add_to_day(s, a->asked_utc_ms, known(a->worst_picousd), e);
}

/* What it held and when it was asked. 1, or 0: the row is gone (and its number
 * may be another's by now), or was ended by somebody who took this process for
 * dead. */
static int
find_open(struct store *s, int64_t id, int64_t *asked_utc_ms, int64_t *worst,
    struct err *e)
{
	struct params p;
	int rc;

	if (store_stmt(s, STMT_ASK_GET, "SELECT asked_utc_ms, worst_picousd"
	    " FROM asks WHERE id = ?1 AND run = ?2 AND outcome IS NULL", &p,
	    e) < 0)
		return -1;
	param_int(&p, id);
	param_int(&p, s->run);
	rc = store_step(s, &p, "read", e);
	if (rc == 1) {
		struct columns c = { .stmt = p.stmt };
		*asked_utc_ms = column_int(&c);
		*worst = column_known(&c, MONEY_UNKNOWN);
	}
	store_reset(&p);
	return rc;
}

int
asks_end(struct store *s, const struct ask_end *a, struct err *e)
{
	struct params p;
	int64_t asked = 0, worst = 0;
	int rc = store_must_write(s, e);

	if (rc == 0)
		rc = find_open(s, a->id, &asked, &worst, e);
	if (rc <= 0)
		return rc;
	if (store_stmt(s, STMT_ASK_END, "UPDATE asks SET outcome = ?2,"
	    " status = ?3, code = ?4, ended_utc_ms = ?5, cost_picousd = ?6,"
	    " booked = ?7 WHERE id = ?1", &p, e) < 0)
		return -1;
	param_int(&p, a->id);
	param_int(&p, a->outcome);
	param_int(&p, a->status);
	param_text(&p, a->code);
	param_int(&p, a->ended_utc_ms);
	param_known(&p, a->cost_picousd, MONEY_UNKNOWN);
	param_int(&p, a->booked);
	if (store_run(s, &p, "write to", e) < 0)
		return -1;
	if (a->cost_picousd == MONEY_UNKNOWN)
		return 0;
	return add_to_day(s, asked, a->cost_picousd - known(worst), e);
}

int
asks_others(struct store *s, int64_t now_utc_ms, int64_t *n, struct err *e)
{
	struct params p = { 0 };
	int rc = store_prepare(s, "SELECT run, count(*) FROM asks"
	    " WHERE outcome IS NULL AND until_utc_ms > ?1 GROUP BY run", &p,
	    e);

	*n = 0;
	if (rc == 0)
		param_int(&p, now_utc_ms);
	while (rc >= 0 && (rc = store_step(s, &p, "read", e)) == 1) {
		struct columns c = { .stmt = p.stmt };
		int64_t run = column_int(&c), count = column_int(&c);

		if (run != s->run && is_alive(s, run))
			*n += count;
	}
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : 0;
}

/* --- sums -------------------------------------------------------------------------------- */

#define WHERE " FROM asks a WHERE asked_utc_ms >= ?1 AND asked_utc_ms < ?2" \
	" AND (?3 = '' OR run IN (SELECT id FROM runs WHERE word = ?3))" \
	" AND " SQL_MODEL_IS("model", "substr(model, instr(model, '/') + 1)", \
	"?4")

static int
prepare_sum(struct store *s, const char *sql, int64_t since, int64_t until,
    struct str run, struct str model, struct params *p, struct err *e)
{
	if (store_prepare(s, sql, p, e) < 0)
		return -1;
	param_int(p, since_or_open(since));
	param_int(p, until_or_open(until));
	param_text(p, run);
	param_text(p, model);
	return 0;
}

static void
add_ended(struct columns *c, struct asks_totals *t)
{
	int64_t outcome = column_int(c), booked = column_int(c);
	int64_t n = column_int(c), cost = column_int(c);

	if (outcome < 0 || outcome >= ASK_OUTCOMES)
		outcome = ASK_FAIL;
	t->sent += n;
	t->by_outcome[outcome] += n;
	t->unknown_cost += column_int(c);
	t->cost_picousd = money_add(t->cost_picousd, cost);
	if (booked) {
		t->booked += n;
		t->booked_picousd = money_add(t->booked_picousd, cost);
	}
}

static void
add_open(const struct store *s, struct columns *c, struct asks_totals *t)
{
	int64_t run = column_int(c), n = column_int(c), worst = column_int(c);

	t->sent += n;
	if (is_alive(s, run)) {
		t->open += n;
		return;
	}
	t->by_outcome[ASK_LOST] += n;
	t->booked += n;
	t->unknown_cost += column_int(c);
	t->cost_picousd = money_add(t->cost_picousd, worst);
	t->booked_picousd = money_add(t->booked_picousd, worst);
}

int
asks_totals(struct store *s, int64_t since_utc_ms, int64_t until_utc_ms,
    struct str run, struct str model, struct asks_totals *out, struct err *e)
{
	struct asks_totals t = { 0 };
	struct params p = { 0 };
	int rc;

	if (open_live(s, false, e) < 0)
		return -1;
	rc = prepare_sum(s, "SELECT outcome, booked, count(*),"
	    " sum_saturating(cost_picousd), sum(cost_picousd IS NULL)"
	    WHERE " AND outcome IS NOT NULL GROUP BY outcome, booked",
	    since_utc_ms, until_utc_ms, run, model, &p, e);
	while (rc >= 0 && (rc = store_step(s, &p, "read", e)) == 1)
		add_ended(&(struct columns){ .stmt = p.stmt }, &t);
	sqlite3_finalize(p.stmt);
	if (rc < 0)
		return -1;
	p = (struct params){ 0 };
	rc = prepare_sum(s, "SELECT run, count(*),"
	    " sum_saturating(worst_picousd), sum(worst_picousd IS NULL)"
	    WHERE " AND outcome IS NULL GROUP BY run", since_utc_ms,
	    until_utc_ms, run, model, &p, e);
	while (rc >= 0 && (rc = store_step(s, &p, "read", e)) == 1)
		add_open(s, &(struct columns){ .stmt = p.stmt }, &t);
	sqlite3_finalize(p.stmt);
	if (rc < 0)
		return -1;
	*out = t;
	return 0;
}
