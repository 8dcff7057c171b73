/*
 * stats.c -- counting what the server has seen, in bounded memory.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "tests/server/stats.h"

#define BODIES_FIRST ((size_t)1 << 12)
#define BODIES_MAX ((size_t)1 << 23) /* slots, at most half of them in use */

static void
tally_add(struct tally *t, struct str name)
{
	struct tally_entry *e = t->v;

	name = str_sub(name, 0, sizeof(e->name) - 1);
	while (e < t->v + t->n && !str_is(name, e->name))
		e++;
	if (e < t->v + t->n) {
		e->count++;
	} else if (t->n < TALLY_NAMES) {
		snprintf(e->name, sizeof(e->name), "%.*s", STR_ARG(name));
		e->count = 1;
		t->n++;
	} else {
		t->others++;
	}
}

/* The slot of a hash, or the free one where it belongs. */
static struct body_seen *
slot_of(const struct stats *s, uint64_t hash)
{
	size_t mask = s->cap_bodies - 1, i = (size_t)hash & mask;

	while (s->bodies[i].hash && s->bodies[i].hash != hash)
		i = (i + 1) & mask;
	return &s->bodies[i];
}

static bool
grow(struct stats *s)
{
	struct stats bigger = { 0 };

	bigger.cap_bodies = s->cap_bodies ? s->cap_bodies * 2 : BODIES_FIRST;
	if (bigger.cap_bodies > BODIES_MAX)
		return false;
	bigger.bodies = calloc(bigger.cap_bodies, sizeof(*bigger.bodies));
	if (!bigger.bodies)
		return false;
	for (size_t i = 0; i < s->cap_bodies; i++)
		if (s->bodies[i].hash)
			*slot_of(&bigger, s->bodies[i].hash) = s->bodies[i];
	free(s->bodies);
	s->bodies = bigger.bodies;
	s->cap_bodies = bigger.cap_bodies;
	return true;
}

/* NULL: there is no body, or no room for one more. */
static struct body_seen *
body_seen(struct stats *s, uint64_t hash)
{
	struct body_seen *b;

	if (hash == 0)
		return NULL;
	if (s->n_bodies * 2 >= s->cap_bodies && !grow(s)) {
		s->bodies_full = true;
		return NULL;
	}
	b = slot_of(s, hash);
	s->n_bodies += b->hash == 0;
	b->hash = hash;
	return b;
}

int64_t
stats_arrived(struct stats *s, struct str path, struct str model,
    uint64_t body)
{
	struct body_seen *b = body_seen(s, body);

	s->requests++;
	tally_add(&s->by_path, path);
	if (model.n > 0)
		tally_add(&s->by_model, model);
	if (++s->in_flight > s->most_in_flight)
		s->most_in_flight = s->in_flight;
	if (!b)
		return 0;
	s->duplicates += b->times > 0;
	return b->times++;
}

void
stats_decided(struct stats *s, int status, enum fault f, struct str model,
    struct charge *c)
{
	struct body_seen *b;

	s->by_status[fault_is_silent(f) ? 0 : status]++;
	s->faults += f != FAULT_NONE;
	if (!c->ran)
		return;
	bill_charge(&s->bill, model, c);
	b = body_seen(s, c->body);
	if (!b)
		return;
	s->paid_twice += b->paid;
	s->answered_twice += b->answered;
	b->paid = true;
}

void
stats_settled(struct stats *s, const struct charge *c, bool whole)
{
	struct body_seen *b;

	s->in_flight--;
	if (!c->ran)
		return;
	bill_settle(&s->bill, c, whole && c->told);
	b = whole && c->told ? body_seen(s, c->body) : NULL;
	if (b)
		b->answered = true;
}

static void
tally_json(struct jw *w, const char *name, const struct tally *t)
{
	jw_key(w, name);
	jw_open(w, '{');
	for (size_t i = 0; i < t->n; i++) {
		jw_key_str(w, str_of(t->v[i].name));
		jw_i64(w, t->v[i].count);
	}
	if (t->others > 0)
		jw_ki64(w, "(others)", t->others);
	jw_close(w, '}');
}

static void
statuses_json(struct jw *w, const int64_t *counts)
{
	char name[16];

	jw_key(w, "by_status");
	jw_open(w, '{');
	if (counts[0] > 0)
		jw_ki64(w, "none", counts[0]);
	for (int i = 1; i < 600; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (counts[i] > 0)
			jw_ki64(w, name, counts[i]);
	}
	jw_close(w, '}');
}

void
stats_json(const struct stats *s, struct buf *out)
{
	struct jw w = jw_on(out);

	jw_open(&w, '{');
	jw_ki64(&w, "requests", s->requests);
	tally_json(&w, "by_path", &s->by_path);
	tally_json(&w, "by_model", &s->by_model);
	statuses_json(&w, s->by_status);
	jw_ki64(&w, "connections", s->connections);
	jw_ki64(&w, "tls_connections", s->tls);
	jw_ki64(&w, "http2_requests", s->http2);
	jw_ki64(&w, "ignored_streams", s->ignored_streams);
	jw_ki64(&w, "in_flight", s->in_flight);
	jw_ki64(&w, "most_in_flight", s->most_in_flight);
	jw_ki64(&w, "faults", s->faults);
	jw_ki64(&w, "duplicates", s->duplicates);
	jw_ki64(&w, "paid_twice", s->paid_twice);
	jw_ki64(&w, "answered_twice", s->answered_twice);
	jw_kbool(&w, "duplicates_complete", !s->bodies_full);
	bill_json(&s->bill, &w);
	jw_key(&w, "bill");
	bill_json_models(&s->bill, &w);
	jw_key(&w, "refused");
	limit_json(&s->limits, &w);
	jw_close(&w, '}');
	buf_addc(out, '\n');
}

void
stats_reset(struct stats *s)
{
	struct stats old = *s;

	stats_release(s);
	s->in_flight = s->most_in_flight = old.in_flight;
	s->bill = old.bill;
	bill_reset(&s->bill);
	s->limits = old.limits;
	limit_reset(&s->limits);
}

void
stats_release(struct stats *s)
{
	free(s->bodies);
	*s = (struct stats){ 0 };
}
