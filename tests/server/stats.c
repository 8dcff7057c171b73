/*
 * stats.c -- counting what the server has seen, in bounded memory.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/rand.h"
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

/* The slot of a hash, or the free one where it belongs. The lowest bit of a
 * slot says that the body was answered; a hash never has it and is not 0. */
static uint64_t *
slot_of(const struct stats *s, uint64_t hash)
{
	size_t mask = s->cap_bodies - 1, i = (size_t)(hash >> 2) & mask;

	while (s->bodies[i] && (s->bodies[i] & ~UINT64_C(1)) != hash)
		i = (i + 1) & mask;
	return &s->bodies[i];
}

static bool
grow(struct stats *s)
{
	struct stats bigger = *s;

	bigger.cap_bodies = s->cap_bodies ? s->cap_bodies * 2 : BODIES_FIRST;
	if (bigger.cap_bodies > BODIES_MAX)
		return false;
	bigger.bodies = calloc(bigger.cap_bodies, sizeof(*bigger.bodies));
	if (!bigger.bodies)
		return false;
	for (size_t i = 0; i < s->cap_bodies; i++)
		if (s->bodies[i])
			*slot_of(&bigger, s->bodies[i] & ~UINT64_C(1)) =
			    s->bodies[i];
	free(s->bodies);
	*s = bigger;
	return true;
}

static void
count_body(struct stats *s, struct str body, bool answered)
{
	uint64_t hash = (hash64(body, 0) | 2) & ~UINT64_C(1), *slot;

	if (body.n == 0)
		return;
	if (s->n_bodies * 2 >= s->cap_bodies && !grow(s)) {
		s->bodies_full = true;
		return;
	}
	slot = slot_of(s, hash);
	if (*slot) {
		s->duplicates++;
		s->paid_twice += answered && (*slot & 1);
	} else {
		s->n_bodies++;
	}
	*slot = hash | (*slot & 1) | answered;
}

void
stats_arrived(struct stats *s, struct str path, struct str model)
{
	s->requests++;
	tally_add(&s->by_path, path);
	if (model.n > 0)
		tally_add(&s->by_model, model);
	if (++s->in_flight > s->most_in_flight)
		s->most_in_flight = s->in_flight;
}

void
stats_decided(struct stats *s, int status, enum fault f, struct str body,
    const struct billed *billed)
{
	s->by_status[fault_is_silent(f) ? 0 : status]++;
	s->faults += f != FAULT_NONE;
	count_body(s, body, billed != NULL);
	if (billed) {
		s->billed.prompt += billed->prompt;
		s->billed.completion += billed->completion;
	}
}

static void
tally_json(struct jw *w, const char *name, const struct tally *t)
{
	jw_key(w, name);
	jw_open(w, '{');
	for (size_t i = 0; i < t->n; i++)
		jw_ki64(w, t->v[i].name, t->v[i].count);
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
	jw_ki64(&w, "in_flight", s->in_flight);
	jw_ki64(&w, "most_in_flight", s->most_in_flight);
	jw_ki64(&w, "faults", s->faults);
	jw_ki64(&w, "duplicates", s->duplicates);
	jw_ki64(&w, "paid_twice", s->paid_twice);
	jw_kbool(&w, "duplicates_complete", !s->bodies_full);
	jw_ki64(&w, "billed_prompt_tokens", s->billed.prompt);
	jw_ki64(&w, "billed_completion_tokens", s->billed.completion);
	jw_ki64(&w, "billed_tokens", s->billed.prompt + s->billed.completion);
	jw_close(&w, '}');
	buf_addc(out, '\n');
}

void
stats_reset(struct stats *s)
{
	int64_t in_flight = s->in_flight;

	stats_release(s);
	s->in_flight = s->most_in_flight = in_flight;
}

void
stats_release(struct stats *s)
{
	free(s->bodies);
	*s = (struct stats){ 0 };
}
