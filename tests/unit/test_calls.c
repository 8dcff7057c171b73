/*
 * test_calls.c -- completions on their way, with a simulated provider whose
 * answers are a script, and a clock that is only ever compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/money.h"
#include "cascade/calls.h"
#include "cascade/key.h"

/* --- the provider --------------------------------------------------------- */

/* What the provider does next; the last step is repeated. */
struct step {
	enum outcome outcome;
	int n;            /* completions that come; 0: as many as asked for */
	bool n_refused, maybe_billed;
	unsigned also;    /* ACTION_* */
	int64_t wait_ms;  /* a failure's; 0: a millisecond */
	int most;         /* retries of it; 0: as configured */
	const char *code, *message;
	int64_t latency_ms, charged;
	enum err_code error; /* simulate() itself fails */
};

/* What it was asked. */
struct asked {
	int first, n;
	int64_t at_ms, max_tokens;
	char provider[16], prompt[32];
};

static struct step steps[16];
static size_t n_steps, at_step;
static struct asked asked[64];
static size_t n_asked;

static void
note_question(const struct model_request *q)
{
	struct asked *a = &asked[n_asked++];

	assert_true(n_asked <= sizeof(asked) / sizeof(*asked));
	*a = (struct asked){ .first = q->first, .n = q->n,
	    .at_ms = clock_mono_ms(),
	    .max_tokens = q->sampling->max_tokens };
	snprintf(a->provider, sizeof(a->provider), "%.*s",
	    STR_ARG(q->provider->name));
	snprintf(a->prompt, sizeof(a->prompt), "%.*s",
	    STR_ARG(q->messages[0].content));
}

static void
fill(const struct model_request *q, struct arena *a, int n, struct reply *out)
{
	out->c = arena_array(a, (size_t)n, sizeof(*out->c));
	assert_non_null(out->c);
	out->n = (size_t)n;
	for (int i = 0; i < n; i++) {
		out->c[i].text = str_of(arena_printf(a, "sample %d",
		    q->first + i));
		assert_non_null(out->c[i].text.p);
		out->c[i].model = STR("m-2026");
		out->c[i].prompt_tokens = i ? 0 : 100;
		out->c[i].completion_tokens = 10 + i;
		out->c[i].cost_picousd = MONEY_UNKNOWN;
	}
}

static int
simulate(const struct model_request *q, struct arena *a, struct reply *out,
    int64_t *latency_ms, struct err *e)
{
	const struct step *s = &steps[at_step];

	note_question(q);
	if (at_step + 1 < n_steps)
		at_step++;
	if (s->error)
		return err_set(e, s->error, "no key");
	*latency_ms = s->latency_ms;
	*out = (struct reply){ .outcome = s->outcome,
	    .n_refused = s->n_refused, .maybe_billed = s->maybe_billed,
	    .also = s->also,
	    .charged_picousd = s->charged ? s->charged : MONEY_UNKNOWN,
	    .wait_ms = s->wait_ms ? s->wait_ms : 1,
	    .most_retries = s->most ? s->most : -1,
	    .code = str_of(s->code), .message = str_of(s->message) };
	if (s->outcome == OUTCOME_OK)
		fill(q, a, s->n ? s->n : q->n, out);
	return 0;
}

static const struct provider_ops ops = {
	.name = "scripted", .flags = PROVIDER_SIMULATED | PROVIDER_OFFLINE,
	.simulate = simulate,
};
static const struct provider_ops ops_with_key = {
	.name = "scripted", .flags = PROVIDER_SIMULATED, .simulate = simulate,
};

/* --- those who want something --------------------------------------------- */

struct event {
	char kind; /* 'g' got, 'l' lost, 'o' out of use, 's' stop, 'b' broke */
	struct want *w;
	struct climb_news news;
	struct completion c;
	enum outcome outcome;
	int requests, retries;
	int64_t cost, booked;
	bool budget;  /* lost for a task's cap; of 'b': the day's */
	char text[64], code[64], message[128];
};

static struct event events[64];
static size_t n_events;
static struct want wants[64];
static size_t n_wants;
static int64_t rows[64];

static struct event *
note(char kind, struct str code, struct str message)
{
	struct event *v = &events[n_events++];

	assert_true(n_events <= sizeof(events) / sizeof(*events));
	*v = (struct event){ .kind = kind };
	snprintf(v->code, sizeof(v->code), "%.*s", STR_ARG(code));
	snprintf(v->message, sizeof(v->message), "%.*s", STR_ARG(message));
	return v;
}

static void
on_got(void *cookie, struct want *w, const struct climb_news *n)
{
	struct event *v = note('g', STR(""), STR(""));

	(void)cookie;
	v->w = w;
	v->news = *n;
	v->c = *n->c;
	snprintf(v->text, sizeof(v->text), "%.*s", STR_ARG(n->c->text));
	w->row = &rows[w->slot];
}

static void
on_lost(void *cookie, struct want *w, const struct climb_failure *f)
{
	struct event *v = note('l', f->code, f->message);

	(void)cookie;
	v->w = w;
	v->outcome = f->outcome;
	v->requests = f->requests;
	v->retries = f->retries;
	v->cost = f->cost_picousd;
	v->booked = f->booked_picousd;
	v->budget = f->budget;
}

static void
on_out_of_use(void *cookie, const struct tier *t, bool stop, struct str code,
    struct str message)
{
	(void)cookie;
	(void)t;
	note(stop ? 's' : 'o', code, message);
}

/* Retries, apart from the rest. */
static struct again {
	int64_t delay_ms;
	int retry;
	char code[64];
} agains[16];
static size_t n_again;

static void
on_again(void *cookie, const struct tier *t, struct str code,
    struct str message, int64_t delay_ms, int retry)
{
	struct again *a = &agains[n_again++];

	(void)cookie;
	(void)t;
	(void)message;
	assert_true(n_again <= sizeof(agains) / sizeof(*agains));
	*a = (struct again){ delay_ms, retry, "" };
	snprintf(a->code, sizeof(a->code), "%.*s", STR_ARG(code));
}

static void on_broke(void *cookie, bool day, int64_t worst_picousd,
    int64_t held_picousd);

static const struct calls_ops on = {
	.got = on_got, .lost = on_lost, .again = on_again,
	.out_of_use = on_out_of_use, .broke = on_broke,
};

/* --- the fixture ---------------------------------------------------------- */

static struct provider providers[2];
static struct tier tiers[2];
static struct config cfg;
static enum outage_rule outage;  /* of what is asked, */
static struct budget *budget;    /* and whose */
static int64_t deadline_ms;
static struct http *http;
static struct calls *calls;
static struct store *store;
static struct err e;

static struct price
price(int64_t input, int64_t output)
{
	struct price p = price_none();
	struct price_rates r = { input, output, MONEY_UNKNOWN, MONEY_UNKNOWN,
	    MONEY_UNKNOWN };

	price_override(&p, &r);
	return p;
}

static int
begin(void **state)
{
	(void)state;
	outage = OUTAGE_PATIENT;
	budget = NULL;
	deadline_ms = 0;
	n_steps = at_step = n_asked = n_events = n_wants = n_again = 0;
	memset(steps, 0, sizeof(steps));
	memset(wants, 0, sizeof(wants));
	memset(&e, 0, sizeof(e));
	for (size_t i = 0; i < 64; i++)
		rows[i] = -1;
	for (size_t i = 0; i < 2; i++) {
		providers[i] = (struct provider){
		    .name = i ? STR("two") : STR("one"), .ops = &ops };
		tiers[i] = (struct tier){ .provider = &providers[i],
		    .model = i ? STR("two/m") : STR("one/m"),
		    .model_name = STR("m"), .price = price(3, 7),
		    .samples_min = 1, .samples_max = 1 };
		tiers[i].sampling.max_tokens = 50;
	}
	cfg = (struct config){ .providers = providers, .n_providers = 2,
	    .retries = -1 };
	return http_new(&http, 4, &e);
}

static int
end(void **state)
{
	(void)state;
	calls_free(calls);
	calls = NULL;
	http_free(http);
	http = NULL;
	store_close(store);
	store = NULL;
	return 0;
}

/* The owner stops then. */
static void
on_broke(void *cookie, bool day, int64_t worst_picousd, int64_t held_picousd)
{
	struct event *v = note('b', STR(""), STR(""));

	(void)cookie;
	v->budget = day;
	v->cost = worst_picousd;
	v->booked = held_picousd;
	calls_stop(calls);
}

static struct calls_options
options(int max_in_flight, int retries)
{
	return (struct calls_options){ .max_in_flight = max_in_flight,
	    .retries = retries, .keep = true, .unwritten = true,
	    .caps = { BUDGET_NONE, BUDGET_NONE, BUDGET_NONE } };
}

static void
open_with(struct calls_options o)
{
	assert_int_equal(calls_new(&calls, http, &cfg, &o, &on, &e), 0);
}

static void
open_calls(int max_in_flight, int retries)
{
	open_with(options(max_in_flight, retries));
}

static void
script(const struct step *v, size_t n)
{
	memcpy(steps, v, n * sizeof(*v));
	n_steps = n;
	at_step = 0;
}
#define SCRIPT(...) do { \
	static const struct step v_[] = { __VA_ARGS__ }; \
	script(v_, sizeof(v_) / sizeof(*v_)); \
} while (0)
#define OK { .outcome = OUTCOME_OK }

static void
key_named(const char *name, unsigned char key[SHA256_BYTES])
{
	assert_int_equal(key_of(str_of(name), key, &e), 0);
}

static struct want *
want(int sample)
{
	struct want *w = &wants[n_wants];

	*w = (struct want){ .sample = sample, .slot = n_wants++,
	    .budget = budget, .deadline_ms = deadline_ms };
	return w;
}

/* Samples from..to of the request called `name`. */
static void
ask_as(const char *name, size_t tier, int from, int to, int64_t max_tokens)
{
	unsigned char key[SHA256_BYTES];
	char prompt[32] = "";
	struct message m = { STR("user"), STR("") };
	struct calls_ask q = { .tier = &tiers[tier], .messages = &m,
	    .n_messages = 1, .key = key, .max_tokens = max_tokens,
	    .outage = outage };
	struct want *list = NULL, **tail = &list;

	snprintf(prompt, sizeof(prompt), "%s", name);
	m.content = q.canon = str_of(prompt);
	key_named(name, key);
	for (int i = from; i <= to; i++) {
		*tail = want(i);
		tail = &(*tail)->next;
	}
	assert_int_equal(calls_ask(calls, &q, list, &e), 0);
	/* All of it must have been copied. */
	memset(prompt, 'x', sizeof(prompt) - 1);
	memset(key, 0, sizeof(key));
}

static void
ask(const char *name, int from, int to)
{
	ask_as(name, 0, from, to, 0);
}

static bool
join(const char *name, int sample)
{
	unsigned char key[SHA256_BYTES];

	key_named(name, key);
	return calls_join(calls, key, want(sample));
}

static void
turn(void)
{
	assert_int_equal(http_turn(http, 1000, &e), 0);
}

/* Until everything has come or is lost. */
static void
finish(void)
{
	for (int i = 0; calls_in_flight(calls); i++) {
		assert_true(i < 1000);
		turn();
	}
}

/* Turns that do not wait, in which everything due happens. */
static void
settle(void)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(http_turn(http, 0, &e), 0);
}

static const struct event *
event(size_t i, char kind, size_t slot)
{
	assert_true(i < n_events);
	if (events[i].kind != kind)
		fail_msg("event %zu is '%c', not '%c' (%s)", i,
		    events[i].kind, kind, events[i].code);
	if (kind == 'g' || kind == 'l')
		assert_int_equal(events[i].w->slot, slot);
	return &events[i];
}

static const struct event *
got(size_t i, size_t slot, const char *text)
{
	const struct event *v = event(i, 'g', slot);

	assert_string_equal(v->text, text);
	return v;
}

static const struct event *
lost(size_t i, size_t slot, enum outcome outcome, const char *code)
{
	const struct event *v = event(i, 'l', slot);

	assert_string_equal(outcome_name(v->outcome), outcome_name(outcome));
	assert_string_equal(v->code, code);
	return v;
}

static void
was_asked(size_t i, const char *prompt, int first, int n)
{
	assert_true(i < n_asked);
	assert_string_equal(asked[i].prompt, prompt);
	assert_int_equal(asked[i].first, first);
	assert_int_equal(asked[i].n, n);
}

static void
totals_are(int64_t requests, int64_t retries, int64_t completions)
{
	struct calls_totals t = calls_totals(calls);

	assert_int_equal(t.requests, requests);
	assert_int_equal(t.retries, retries);
	assert_int_equal(t.completions, completions);
}

/* --- one request ---------------------------------------------------------- */

static void
what_is_asked_for_comes(void **state)
{
	const struct event *v;
	int64_t before = clock_utc_ms();

	(void)state;
	SCRIPT({ .latency_ms = 3 });
	open_calls(4, -1);
	assert_int_equal(calls_in_flight(calls), 0);
	ask("a", 0, 0);
	assert_int_equal(calls_in_flight(calls), 1);
	assert_int_equal(n_events, 0);
	finish();
	assert_int_equal(n_events, 1);
	v = got(0, 0, "sample 0");
	assert_false(v->news.cached);
	assert_int_equal(v->news.requests, 1);
	assert_int_equal(v->news.retries, 0);
	assert_int_equal(v->c.cost_picousd, 100 * 3 + 10 * 7);
	assert_true(v->c.latency_ms >= 3);
	assert_true(v->c.asked_utc_ms >= before);
	was_asked(0, "a", 0, 1);
	assert_int_equal(asked[0].max_tokens, 50);
	assert_int_equal(calls_to_keep(calls), 1);
	assert_true(calls_oldest_ms(calls) <= clock_mono_ms());
	totals_are(1, 0, 1);
}

static void
a_task_may_have_its_own_limit(void **state)
{
	(void)state;
	SCRIPT(OK);
	open_calls(4, -1);
	ask_as("a", 0, 0, 0, 7);
	finish();
	assert_int_equal(asked[0].max_tokens, 7);
}

static void
samples_of_one_request_are_asked_for_together(void **state)
{
	(void)state;
	SCRIPT(OK);
	open_calls(4, -1);
	ask("a", 2, 4);
	assert_int_equal(calls_in_flight(calls), 1);
	finish();
	assert_int_equal(n_asked, 1);
	was_asked(0, "a", 2, 3);
	assert_int_equal(n_events, 3);
	assert_int_equal(got(0, 0, "sample 2")->news.requests, 1);
	assert_int_equal(got(1, 1, "sample 3")->news.requests, 0);
	assert_int_equal(got(2, 2, "sample 4")->news.requests, 0);
	for (size_t i = 0; i < 3; i++)
		assert_false(events[i].news.cached);
	assert_int_equal(calls_to_keep(calls), 3);
	totals_are(1, 0, 3);
}

static void
a_server_without_n_is_asked_one_by_one(void **state)
{
	(void)state;
	SCRIPT(OK);
	providers[0].n = NO;
	open_calls(4, -1);
	ask("a", 0, 2);
	finish();
	assert_int_equal(n_asked, 3);
	for (int i = 0; i < 3; i++) {
		was_asked((size_t)i, "a", i, 1);
		assert_int_equal(events[i].news.requests, 1);
		assert_int_equal(events[i].c.prompt_tokens, 100);
	}
}

static void
what_waits_in_line_was_copied(void **state)
{
	(void)state;
	SCRIPT(OK);
	open_calls(1, -1);
	ask("a", 0, 0);
	ask("b", 0, 0);
	ask("c", 0, 0);
	assert_int_equal(n_asked, 1);
	assert_int_equal(calls_in_flight(calls), 3);
	finish();
	was_asked(0, "a", 0, 1);
	was_asked(1, "b", 0, 1);
	was_asked(2, "c", 0, 1);
}

/* --- identical requests --------------------------------------------------- */

static void
identical_requests_in_flight_are_made_once(void **state)
{
	(void)state;
	SCRIPT(OK);
	open_calls(4, -1);
	assert_false(join("a", 0)); /* slot 0: nothing yet */
	ask("a", 0, 0);
	assert_true(join("a", 0));
	assert_true(join("a", 0));
	assert_int_equal(n_events, 0);
	finish();
	assert_int_equal(n_asked, 1);
	assert_int_equal(n_events, 3);
	assert_false(got(0, 1, "sample 0")->news.cached);
	assert_true(got(1, 2, "sample 0")->news.cached);
	assert_true(got(2, 3, "sample 0")->news.cached);
	assert_int_equal(events[1].news.requests, 0);
	assert_int_equal(calls_to_keep(calls), 1);
	totals_are(1, 0, 1);
}

static void
a_request_in_line_can_be_joined(void **state)
{
	(void)state;
	SCRIPT(OK);
	open_calls(1, -1);
	ask("a", 0, 0);
	ask("b", 0, 1);
	assert_true(join("b", 1));
	assert_false(join("b", 2));
	assert_false(join("c", 0));
	finish();
	assert_int_equal(n_asked, 2);
	got(0, 0, "sample 0");
	got(1, 1, "sample 0");
	got(2, 2, "sample 1");
	assert_true(got(3, 3, "sample 1")->news.cached);
}

static void
an_answer_can_be_joined_until_it_is_kept(void **state)
{
	const struct event *v;

	(void)state;
	SCRIPT(OK);
	open_calls(4, -1);
	ask("a", 0, 1);
	finish();
	assert_int_equal(n_events, 2);
	assert_true(join("a", 1));
	assert_int_equal(n_events, 3); /* at once */
	v = got(2, 2, "sample 1");
	assert_true(v->news.cached);
	assert_int_equal(v->news.requests, 0);
	assert_int_equal(v->c.cost_picousd, events[1].c.cost_picousd);
	assert_false(join("a", 2));
	calls_kept(calls);
	assert_false(join("a", 1));
	assert_int_equal(n_events, 3);
}

static void
a_request_that_waits_to_be_tried_again_can_be_joined(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .wait_ms = 5 }, OK);
	open_calls(4, -1);
	ask("a", 0, 0);
	while (!n_again)
		turn();
	assert_true(join("a", 0));
	finish();
	assert_int_equal(n_asked, 2);
	got(0, 0, "sample 0");
	assert_true(got(1, 1, "sample 0")->news.cached);
}

static void
what_was_lost_cannot_be_joined(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_FAIL, .code = "bad" }, OK);
	open_calls(4, -1);
	ask("a", 0, 0);
	assert_true(join("a", 0));
	finish();
	assert_int_equal(lost(0, 0, OUTCOME_FAIL, "bad")->requests, 1);
	assert_int_equal(lost(1, 1, OUTCOME_FAIL, "bad")->requests, 0);
	assert_false(join("a", 0));
	ask("a", 0, 0);
	finish();
	got(2, 3, "sample 0");
}

static void
requests_of_one_key_do_not_hide_each_other(void **state)
{
	(void)state;
	SCRIPT(OK);
	open_calls(1, -1);
	ask("a", 0, 0);
	ask("a", 1, 1);
	ask("a", 2, 2);
	for (int i = 0; i < 3; i++)
		assert_true(join("a", i));
	assert_false(join("a", 3));
	finish();
	assert_int_equal(n_asked, 3);
	assert_int_equal(n_events, 6);
	for (int i = 0; i < 3; i++)
		assert_true(join("a", i));
}

/* --- fewer than were asked for -------------------------------------------- */

static void
what_one_request_did_not_bring_is_asked_for_one_by_one(void **state)
{
	(void)state;
	SCRIPT({ .n = 1 }, OK);
	open_calls(1, -1);
	ask("a", 0, 3);
	finish();
	assert_int_equal(n_asked, 4);
	was_asked(0, "a", 0, 4);
	was_asked(1, "a", 1, 1);
	was_asked(2, "a", 2, 1);
	was_asked(3, "a", 3, 1);
	assert_int_equal(n_events, 4);
	for (size_t i = 0; i < 4; i++) {
		char text[] = "sample 0";
		text[7] = (char)('0' + i);
		assert_false(got(i, i, text)->news.cached);
		assert_int_equal(events[i].news.requests, 1);
	}
	assert_int_equal(calls_to_keep(calls), 4);
	totals_are(4, 0, 4);
	/* It is remembered. */
	ask("b", 0, 1);
	finish();
	was_asked(4, "b", 0, 1);
	was_asked(5, "b", 1, 1);
	/* Of this provider alone. */
	ask_as("c", 1, 0, 1, 0);
	finish();
	was_asked(6, "c", 0, 2);
}

static void
more_than_were_asked_for_is_no_matter(void **state)
{
	(void)state;
	SCRIPT({ .n = 5 });
	open_calls(4, -1);
	ask("a", 0, 1);
	finish();
	assert_int_equal(n_events, 2);
	assert_int_equal(n_asked, 1);
	assert_int_equal(calls_to_keep(calls), 2);
	totals_are(1, 0, 2);
}

static void
a_refused_n_is_asked_for_one_by_one_at_once(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .n_refused = true,
	    .wait_ms = 100000 }, OK);
	open_calls(1, 0); /* it is no retry */
	ask("a", 0, 2);
	finish();
	assert_int_equal(n_asked, 4);
	was_asked(0, "a", 0, 3);
	for (int i = 0; i < 3; i++)
		was_asked((size_t)i + 1, "a", i, 1);
	assert_int_equal(n_events, 3);
	got(0, 0, "sample 0");
	got(1, 1, "sample 1");
	got(2, 2, "sample 2");
	ask("b", 0, 1);
	finish();
	was_asked(4, "b", 0, 1);
}

/* The first who wanted it bears the cost, also when it is asked for anew. */
static void
the_first_stays_the_first_when_a_request_is_split(void **state)
{
	(void)state;
	SCRIPT({ .n = 1 }, OK);
	open_calls(4, 0);
	ask("a", 0, 1);
	assert_true(join("a", 1)); /* slot 2 */
	assert_true(join("a", 1)); /* slot 3 */
	finish();
	assert_int_equal(n_asked, 2);
	assert_int_equal(n_events, 4);
	got(0, 0, "sample 0");
	assert_false(got(1, 1, "sample 1")->news.cached);
	assert_true(got(2, 2, "sample 1")->news.cached);
	assert_true(got(3, 3, "sample 1")->news.cached);
}

/* --- failures ------------------------------------------------------------- */

static void
a_failure_that_passes_is_tried_again(void **state)
{
	const struct event *v;

	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .code = "http_500" },
	    { .outcome = OUTCOME_RETRY, .wait_ms = 2 }, OK);
	open_calls(4, -1);
	ask("a", 0, 1);
	finish();
	assert_int_equal(n_asked, 3);
	for (size_t i = 0; i < 3; i++)
		was_asked(i, "a", 0, 2);
	assert_true(asked[2].at_ms >= asked[1].at_ms + 2);
	v = got(0, 0, "sample 0");
	assert_int_equal(v->news.requests, 3);
	assert_int_equal(v->news.retries, 2);
	v = got(1, 1, "sample 1");
	assert_int_equal(v->news.requests, 0);
	assert_int_equal(v->news.retries, 0);
	totals_are(3, 2, 2);
}

static void
each_retry_is_told_with_its_delay(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .code = "one" },
	    { .outcome = OUTCOME_WAIT, .code = "two", .wait_ms = 20 }, OK);
	open_calls(4, -1);
	ask("a", 0, 0);
	finish();
	assert_int_equal(n_again, 2);
	assert_string_equal(agains[0].code, "one");
	assert_int_equal(agains[0].retry, 1);
	assert_in_range(agains[0].delay_ms, 1, 2);
	assert_string_equal(agains[1].code, "two");
	assert_int_equal(agains[1].retry, 2);
	assert_in_range(agains[1].delay_ms, 20, 22);
	assert_true(asked[2].at_ms >= asked[1].at_ms + 20);
}

static void
retries_come_to_an_end(void **state)
{
	const struct event *v;

	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .code = "http_500",
	    .message = "boom" });
	open_calls(4, 2);
	ask("a", 0, 1);
	finish();
	assert_int_equal(n_asked, 3);
	assert_int_equal(n_events, 2);
	v = lost(0, 0, OUTCOME_RETRY, "http_500");
	assert_string_equal(v->message, "boom");
	assert_int_equal(v->requests, 3);
	assert_int_equal(v->retries, 2);
	assert_int_equal(v->cost, 0);
	v = lost(1, 1, OUTCOME_RETRY, "http_500");
	assert_int_equal(v->requests, 0);
	assert_int_equal(v->retries, 0);
	assert_int_equal(calls_to_keep(calls), 0);
	totals_are(3, 2, 0);
}

static void
asked_with_retries(int option, int configured, size_t expected)
{
	cfg.retries = configured;
	n_asked = 0;
	open_calls(4, option);
	ask("a", 0, 0);
	finish();
	assert_int_equal(n_asked, expected);
	calls_free(calls);
	calls = NULL;
}

static void
the_number_of_retries_is_the_nearest_said(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY });
	asked_with_retries(-1, -1, 1 + CALLS_RETRIES);
	asked_with_retries(-1, 1, 2);
	asked_with_retries(-1, 0, 1);
	asked_with_retries(3, 1, 4);
	asked_with_retries(0, 5, 1);
}

static void
a_kind_of_failure_may_allow_fewer_retries(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .most = 1 });
	open_calls(4, 4);
	ask("a", 0, 0);
	finish();
	assert_int_equal(n_asked, 2);
	calls_free(calls);
	SCRIPT({ .outcome = OUTCOME_RETRY, .most = 9 });
	n_asked = 0;
	open_calls(4, 2); /* but not more */
	ask("a", 0, 0);
	finish();
	assert_int_equal(n_asked, 3);
}

static void
what_cannot_be_answered_is_lost_at_once(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_NEXT, .code = "x" },
	    { .outcome = OUTCOME_FAIL, .code = "y" });
	open_calls(1, 4);
	ask("a", 0, 0);
	ask("b", 0, 0);
	finish();
	assert_int_equal(n_asked, 2);
	assert_int_equal(n_events, 2);
	assert_int_equal(lost(0, 0, OUTCOME_NEXT, "x")->retries, 0);
	assert_int_equal(lost(1, 1, OUTCOME_FAIL, "y")->retries, 0);
	assert_int_equal(n_again, 0);
}

static void
a_tier_out_of_use_is_told_before_the_loss(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_TIER, .code = "model_not_found",
	    .message = "no such model" }, OK);
	open_calls(1, 4);
	ask("a", 0, 0);
	ask("b", 0, 0);
	finish();
	assert_int_equal(n_events, 3);
	assert_string_equal(event(0, 'o', 0)->code, "model_not_found");
	assert_string_equal(events[0].message, "no such model");
	lost(1, 0, OUTCOME_TIER, "model_not_found");
	/* Others of the provider go on. */
	got(2, 1, "sample 0");
}

static void
a_stop_stops_the_lane_and_no_other(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_STOP, .code = "insufficient_quota",
	    .message = "no money" }, OK);
	open_calls(1, 4);
	ask("a", 0, 0);
	ask("b", 0, 0);
	ask_as("c", 1, 0, 0, 0);
	finish();
	assert_string_equal(event(0, 's', 0)->code, "insufficient_quota");
	lost(1, 0, OUTCOME_STOP, "insufficient_quota");
	assert_int_equal(lost(2, 1, OUTCOME_STOP, "stopped")->requests, 0);
	got(3, 2, "sample 0");
	assert_int_equal(n_asked, 2);
	/* And it stays so. */
	ask("d", 0, 0);
	finish();
	lost(4, 3, OUTCOME_STOP, "stopped");
	assert_int_equal(n_asked, 2);
	assert_int_equal(n_events, 5);
}

static void
retries_of_a_stopped_lane_are_given_up(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_STOP, .code = "x" },
	    { .outcome = OUTCOME_RETRY, .latency_ms = 5, .code = "y" });
	open_calls(4, 4);
	ask("a", 0, 0);
	ask("b", 0, 0);
	finish();
	event(0, 's', 0);
	lost(1, 0, OUTCOME_STOP, "x");
	lost(2, 1, OUTCOME_RETRY, "y");
	assert_int_equal(n_asked, 2);
}

static void
a_wait_pauses_the_lane_and_no_other(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_WAIT, .wait_ms = 60000 }, OK);
	open_calls(4, 4);
	ask("a", 0, 0);
	while (!n_again)
		turn();
	ask("b", 0, 0);
	ask_as("c", 1, 0, 0, 0);
	settle();
	assert_int_equal(n_asked, 2);
	was_asked(1, "c", 0, 1);
	got(0, 2, "sample 0");
	assert_int_equal(n_events, 1);
	assert_int_equal(calls_in_flight(calls), 2);
}

static void
after_a_pause_the_line_goes_on_in_its_order(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_WAIT, .wait_ms = 30 }, OK);
	open_calls(1, 4);
	ask("a", 0, 0);
	ask("b", 0, 0);
	finish();
	assert_int_equal(n_asked, 3);
	was_asked(0, "a", 0, 1);
	was_asked(1, "a", 0, 1); /* it keeps its place */
	was_asked(2, "b", 0, 1);
	assert_true(asked[1].at_ms >= asked[0].at_ms + 30);
	assert_int_equal(got(0, 0, "sample 0")->news.retries, 1);
	assert_int_equal(got(1, 1, "sample 0")->news.retries, 0);
}

static void
waits_come_to_an_end_too(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_WAIT, .code = "rate_limit_exceeded" });
	open_calls(4, 2);
	ask("a", 0, 0);
	finish();
	assert_int_equal(n_asked, 3);
	assert_int_equal(lost(0, 0, OUTCOME_WAIT, "rate_limit_exceeded")
	    ->requests, 3);
}

static void
a_wrong_configuration_stops_the_lane(void **state)
{
	(void)state;
	SCRIPT({ .error = ERR_CONFIG }, OK);
	open_calls(4, 4);
	ask("a", 0, 0);
	assert_int_equal(n_events, 2);
	assert_string_equal(event(0, 's', 0)->code, "config");
	assert_string_equal(events[0].message, "no key");
	assert_int_equal(lost(1, 0, OUTCOME_STOP, "config")->requests, 0);
	ask("b", 0, 0);
	lost(2, 1, OUTCOME_STOP, "stopped");
	assert_int_equal(calls_in_flight(calls), 0);
	totals_are(0, 0, 0);
}

static void
a_request_that_cannot_be_sent_fails_alone(void **state)
{
	(void)state;
	SCRIPT({ .error = ERR_NET }, OK);
	open_calls(4, 4);
	ask("a", 0, 0);
	ask("b", 0, 0);
	finish();
	assert_string_equal(lost(0, 0, OUTCOME_FAIL, "send")->message,
	    "no key");
	got(1, 1, "sample 0");
}

/* Nobody knows what it was: that is not nothing. */
static void
a_lost_request_that_may_be_billed_is_not_free(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .code = "timeout",
	    .maybe_billed = true });
	open_calls(4, 0);
	ask("a", 0, 1);
	finish();
	assert_int_not_equal(lost(0, 0, OUTCOME_RETRY, "timeout")->cost, 0);
	/* Once for the request. */
	assert_int_equal(lost(1, 1, OUTCOME_RETRY, "timeout")->cost, 0);
}

static void
a_try_that_may_be_billed_is_booked_though_the_next_succeeds(void **state)
{
	const struct event *v;
	int64_t worst;

	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .maybe_billed = true },
	    { .outcome = OUTCOME_RETRY }, OK);
	open_calls(4, -1);
	ask("abcd", 0, 1);
	assert_true(join("abcd", 0));
	finish();
	assert_int_equal(n_events, 3);
	v = got(0, 0, "sample 0");
	/* Two answers of fifty tokens, a token for each byte at most, and
	 * what a template may add to one message. */
	worst = calls_worst(&tiers[0], STR("abcd"), 1, 50, 2,
	    v->c.asked_utc_ms);
	assert_int_equal(worst, (4 + CALLS_TEMPLATE_TOKENS + 16) * 3
	    + 2 * 50 * 7);
	assert_int_equal(v->news.failed_picousd, worst);
	assert_int_equal(v->news.booked_picousd, worst);
	assert_int_equal(v->c.cost_picousd, 100 * 3 + 10 * 7);
	assert_int_equal(events[1].news.booked_picousd, 0);
	assert_int_equal(events[2].news.booked_picousd, 0);
}

static void
what_may_be_billed_without_a_price_is_unknown(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .code = "timeout",
	    .maybe_billed = true });
	tiers[0].price = price_none();
	open_calls(4, 1);
	ask("a", 0, 0);
	finish();
	assert_int_equal(lost(0, 0, OUTCOME_RETRY, "timeout")->cost,
	    MONEY_UNKNOWN);
}

#define KEY "sk-a-key-that-nobody-may-see"

static void
with_a_key(void)
{
	providers[0].ops = &ops_with_key;
	providers[0].url = STR("https://api.example/v1");
	providers[0].host = STR("api.example");
	providers[0].key_source = KEY_ENV;
	providers[0].key_ref = STR("FRUGAL_TEST_CALLS_KEY");
	assert_int_equal(setenv("FRUGAL_TEST_CALLS_KEY", KEY, 1), 0);
}

static void
a_key_that_the_server_says_back_is_hidden(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_STOP, .code = "invalid_api_key",
	    .message = "wrong key " KEY "!" });
	with_a_key();
	open_calls(4, 0);
	ask("a", 0, 0);
	finish();
	assert_string_equal(event(0, 's', 0)->code, "invalid_api_key");
	assert_null(strstr(events[0].message, "nobody"));
	assert_non_null(strstr(events[0].message, "wrong key *"));
	assert_null(strstr(lost(1, 0, OUTCOME_STOP, "invalid_api_key")
	    ->message, "nobody"));
}

static void
a_key_in_the_code_of_an_error_is_hidden_too(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_STOP, .code = "wrong key: " KEY });
	with_a_key();
	open_calls(4, 0);
	ask("a", 0, 0);
	finish();
	assert_null(strstr(event(0, 's', 0)->code, "nobody"));
	assert_null(strstr(event(1, 'l', 0)->code, "nobody"));
}

static void
without_its_key_a_provider_is_not_asked(void **state)
{
	(void)state;
	SCRIPT(OK);
	with_a_key();
	unsetenv("FRUGAL_TEST_CALLS_KEY");
	open_calls(4, 0);
	ask("a", 0, 0);
	event(0, 's', 0);
	assert_non_null(strstr(events[0].message, "FRUGAL_TEST_CALLS_KEY"));
	lost(1, 0, OUTCOME_STOP, "config");
	assert_int_equal(n_asked, 0);
}

/* --- limits --------------------------------------------------------------- */

static void
no_more_are_in_flight_than_allowed(void **state)
{
	(void)state;
	SCRIPT({ .latency_ms = 1 });
	open_calls(2, 0);
	for (int i = 0; i < 5; i++) {
		char name[2] = { (char)('a' + i), '\0' };
		ask(name, 0, 0);
	}
	ask_as("z", 1, 0, 0, 0);
	assert_int_equal(n_asked, 2);
	assert_int_equal(calls_in_flight(calls), 6);
	finish();
	assert_int_equal(n_asked, 6);
}

static void
a_provider_may_allow_fewer(void **state)
{
	(void)state;
	SCRIPT({ .latency_ms = 1 });
	providers[0].max_in_flight = 1;
	open_calls(4, 0);
	ask("a", 0, 0);
	ask("b", 0, 0);
	ask_as("c", 1, 0, 0, 0);
	assert_int_equal(n_asked, 2);
	assert_string_equal(asked[1].provider, "two");
	finish();
	assert_int_equal(n_asked, 3);
}

static void
requests_a_minute_are_kept_to(void **state)
{
	(void)state;
	SCRIPT(OK);
	providers[0].requests_per_minute = 1;
	open_calls(4, 0);
	ask("a", 0, 0);
	ask("b", 0, 0);
	ask_as("c", 1, 0, 0, 0);
	settle();
	assert_int_equal(n_asked, 2);
	was_asked(0, "a", 0, 1);
	was_asked(1, "c", 0, 1);
	assert_int_equal(calls_in_flight(calls), 1);
}

static void
tokens_a_minute_are_kept_to(void **state)
{
	(void)state;
	SCRIPT(OK);
	providers[0].tokens_per_minute = 6000; /* a hundred a second */
	open_calls(4, 0);
	ask_as("a", 0, 0, 1, 1000); /* two times a thousand */
	ask("b", 0, 0);
	settle();
	assert_int_equal(n_asked, 1);
	assert_int_equal(calls_in_flight(calls), 1);
}

static void
a_pace_is_waited_for(void **state)
{
	(void)state;
	SCRIPT(OK);
	providers[0].requests_per_minute = 50 * 60;
	open_calls(100, 0);
	/* The burst is one second's worth, 50; then 20 ms each. */
	providers[0].n = NO;
	ask("a", 0, 53);
	finish();
	assert_int_equal(n_asked, 54);
	assert_true(asked[53].at_ms >= asked[0].at_ms + 40);
}

/* --- money ---------------------------------------------------------------- */

static int64_t
sum_of_costs(size_t n)
{
	int64_t sum = 0;

	assert_int_equal(n_events, n);
	for (size_t i = 0; i < n; i++) {
		assert_true(events[i].c.cost_picousd >= 0);
		sum += events[i].c.cost_picousd;
	}
	return sum;
}

static void
choices_cost_together_what_the_request_did(void **state)
{
	(void)state;
	SCRIPT(OK);
	open_calls(4, 0);
	ask("a", 0, 2);
	finish();
	assert_int_equal(sum_of_costs(3), 100 * 3 + (10 + 11 + 12) * 7);
	assert_int_equal(events[0].c.cost_picousd, 100 * 3 + 10 * 7);
	assert_int_equal(events[1].c.cost_picousd, 11 * 7);
	assert_int_equal(events[2].c.cost_picousd, 12 * 7);
}

static void
a_price_for_each_request_is_paid_once(void **state)
{
	(void)state;
	SCRIPT(OK);
	tiers[0].price.per_request = 1000;
	open_calls(4, 0);
	ask("a", 0, 2);
	finish();
	assert_int_equal(sum_of_costs(3), 1000 + 100 * 3 + 33 * 7);
}

static void
what_the_server_charged_is_what_it_cost(void **state)
{
	(void)state;
	SCRIPT({ .charged = 1000000 });
	open_calls(4, 0);
	ask("a", 0, 2);
	finish();
	assert_int_equal(sum_of_costs(3), 1000000);
	assert_int_equal(events[1].c.cost_picousd, 11 * 7);
}

static void
less_was_charged_than_the_list_says(void **state)
{
	(void)state;
	SCRIPT({ .charged = 100 });
	open_calls(4, 0);
	ask("a", 0, 2);
	finish();
	assert_int_equal(sum_of_costs(3), 100);
}

static void
without_a_price_the_cost_is_what_was_charged_or_unknown(void **state)
{
	(void)state;
	SCRIPT({ .charged = 500 }, OK);
	tiers[0].price = price_none();
	open_calls(4, 0);
	ask("a", 0, 1);
	finish();
	assert_int_equal(sum_of_costs(2), 500);
	ask("b", 0, 1);
	finish();
	assert_int_equal(events[2].c.cost_picousd, MONEY_UNKNOWN);
	assert_int_equal(events[3].c.cost_picousd, MONEY_UNKNOWN);
}

/* --- keeping -------------------------------------------------------------- */

static void
keep_all(void)
{
	if (store_begin(store, &e) < 0 || calls_keep(calls, store, &e) < 0
	    || store_commit(store, &e) < 0)
		fail_msg("%s", e.msg);
}

static void
what_came_is_kept_and_its_rows_are_filled_in(void **state)
{
	unsigned char key[SHA256_BYTES];
	struct arena *a = arena_new(0);
	struct completion c;
	int64_t row;

	(void)state;
	SCRIPT({ .n = 2 }, OK);
	assert_non_null(a);
	assert_int_equal(store_open(&store, ":memory:", STORE_CREATE, &e), 0);
	open_calls(4, 0);
	ask("a", 0, 2);
	assert_true(join("a", 1)); /* slot 3, before it came */
	finish();
	assert_true(join("a", 0)); /* slot 4, after */
	assert_int_equal(calls_to_keep(calls), 3);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(rows[i], -1);
	keep_all();
	key_named("a", key);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_get(store, key, i, false, a, &c, &row,
		    &e), 1);
		assert_int_equal(row, rows[i]);
		assert_int_equal(c.prompt_tokens, i % 2 ? 0 : 100);
		assert_true(str_starts(c.text, "sample "));
		assert_int_equal(c.text.p[7], '0' + i);
		assert_true(c.cost_picousd > 0);
		assert_true(c.asked_utc_ms > 0);
	}
	assert_int_equal(rows[3], rows[1]);
	assert_int_equal(rows[4], rows[0]);
	/* Forgotten only when it has been committed. */
	assert_int_equal(calls_to_keep(calls), 3);
	assert_true(join("a", 2));
	calls_kept(calls);
	assert_int_equal(calls_to_keep(calls), 0);
	assert_false(join("a", 2));
	arena_free(a);
}

static void
keeping_leaves_alone_what_has_not_come(void **state)
{
	(void)state;
	SCRIPT(OK, { .outcome = OUTCOME_RETRY, .wait_ms = 60000 }, OK);
	assert_int_equal(store_open(&store, ":memory:", STORE_CREATE, &e), 0);
	open_calls(1, 4);
	ask("a", 0, 0);
	ask("b", 0, 0);
	ask_as("c", 1, 0, 0, 0); /* of another model: b's is paused */
	while (n_events < 2)
		turn();
	keep_all();
	calls_kept(calls);
	assert_true(rows[0] >= 0);
	assert_int_equal(rows[1], -1);
	assert_true(rows[2] >= 0);
	assert_int_equal(calls_to_keep(calls), 0);
	assert_int_equal(calls_in_flight(calls), 1);
	assert_true(join("b", 0));
}

static void
keeping_again_after_a_rollback_gives_the_same_rows(void **state)
{
	(void)state;
	SCRIPT(OK);
	assert_int_equal(store_open(&store, ":memory:", STORE_CREATE, &e), 0);
	open_calls(4, 4);
	ask("a", 0, 1);
	finish();
	assert_int_equal(store_begin(store, &e), 0);
	assert_int_equal(calls_keep(calls, store, &e), 0);
	store_rollback(store);
	keep_all();
	assert_int_equal(store_begin(store, &e), 0);
	assert_int_equal(calls_keep(calls, store, &e), 0);
	assert_int_equal(store_commit(store, &e), 0);
	assert_true(rows[0] >= 0 && rows[1] == rows[0] + 1);
}

static void
outside_a_transaction_nothing_is_kept(void **state)
{
	(void)state;
	SCRIPT(OK);
	assert_int_equal(store_open(&store, ":memory:", STORE_CREATE, &e), 0);
	open_calls(4, 4);
	assert_int_equal(calls_keep(calls, store, &e), 0); /* nothing there */
	ask("a", 0, 0);
	finish();
	assert_int_equal(calls_keep(calls, store, &e), -1);
	assert_int_equal(e.code, ERR_STORE);
	assert_int_equal(calls_to_keep(calls), 1);
}

static void
the_age_is_that_of_the_oldest(void **state)
{
	int64_t first;

	(void)state;
	SCRIPT(OK, { .latency_ms = 3 });
	open_calls(4, 4);
	ask("a", 0, 0);
	finish();
	first = calls_oldest_ms(calls);
	ask("b", 0, 0);
	finish();
	assert_int_equal(calls_oldest_ms(calls), first);
	calls_kept(calls);
	ask("c", 0, 0);
	finish();
	assert_true(calls_oldest_ms(calls) >= first + 3);
}

/* --- stopping ------------------------------------------------------------- */

static void
a_stop_loses_what_waits_and_finishes_what_is_in_flight(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .wait_ms = 60000 },
	    { .latency_ms = 5 });
	open_calls(1, 4);
	ask("a", 0, 0); /* will sleep */
	while (at_step < 1 || calls_totals(calls).retries < 1)
		turn();
	ask_as("b", 1, 0, 0, 0); /* in flight, of another model */
	ask_as("c", 1, 0, 1, 0); /* in line */
	assert_int_equal(calls_in_flight(calls), 3);
	calls_stop(calls);
	assert_int_equal(calls_in_flight(calls), 1);
	assert_int_equal(n_events, 3);
	lost(0, 2, OUTCOME_STOP, "stopped");
	lost(1, 3, OUTCOME_STOP, "stopped");
	assert_int_equal(lost(2, 0, OUTCOME_STOP, "stopped")->requests, 1);
	finish();
	got(3, 1, "sample 0");
	assert_int_equal(n_asked, 2);
	assert_int_equal(calls_to_keep(calls), 1);
	assert_true(join("b", 0));
}

static void
after_a_stop_nothing_is_asked(void **state)
{
	(void)state;
	SCRIPT(OK);
	open_calls(4, 4);
	calls_stop(calls);
	ask("a", 0, 1);
	assert_int_equal(n_events, 2);
	lost(0, 0, OUTCOME_STOP, "stopped");
	lost(1, 1, OUTCOME_STOP, "stopped");
	assert_int_equal(calls_in_flight(calls), 0);
	assert_int_equal(n_asked, 0);
	calls_stop(calls);
}

static void
after_a_stop_nothing_is_tried_again(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .code = "x", .latency_ms = 1 });
	open_calls(4, 4);
	ask("a", 0, 0);
	calls_stop(calls);
	assert_int_equal(n_events, 0);
	finish();
	lost(0, 0, OUTCOME_RETRY, "x");
	assert_int_equal(n_asked, 1);
}

static void
a_pause_ends_with_a_stop(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_WAIT, .wait_ms = 60000 });
	open_calls(4, 4);
	ask("a", 0, 0);
	while (calls_totals(calls).retries < 1)
		turn();
	calls_stop(calls);
	lost(0, 0, OUTCOME_STOP, "stopped");
	assert_int_equal(calls_in_flight(calls), 0);
}

static void
closing_tells_nobody(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .wait_ms = 60000 }, OK,
	    { .latency_ms = 60000 });
	open_calls(2, 4);
	ask("a", 0, 0);
	while (calls_totals(calls).retries < 1)
		turn();
	ask_as("b", 1, 0, 0, 0); /* the other is paused */
	while (!calls_to_keep(calls))
		turn();
	ask("c", 0, 1);
	ask("d", 0, 1);
	ask("e", 0, 1);
	assert_int_equal(calls_in_flight(calls), 4);
	assert_int_equal(n_events, 1);
	calls_free(calls);
	calls = NULL;
	settle();
	assert_int_equal(n_events, 1);
	calls_free(NULL);
}

/* --- leaving ---------------------------------------------------------------- */

static struct climb_failure
leave(size_t slot)
{
	struct climb_failure f = { .code = { 0 } };

	calls_leave(calls, &wants[slot], &f);
	return f;
}

/* The most that a request of this fixture for so many samples can cost. */
static int64_t
worst(int samples)
{
	int64_t w = calls_worst(&tiers[0], STR("a"), 1, 50, samples,
	    clock_utc_ms());

	assert_int_equal(w, (1 + CALLS_TEMPLATE_TOKENS + 16) * 3
	    + 50 * 7 * samples);
	return w;
}
#define COST (100 * 3 + 10 * 7) /* what one sample does cost */

static void
what_has_not_left_is_dropped_when_it_is_left(void **state)
{
	struct climb_failure f;

	(void)state;
	SCRIPT({ .latency_ms = 1 });
	open_calls(1, 4);
	ask("a", 0, 0);
	ask("b", 0, 1);
	f = leave(1);
	assert_int_equal(calls_in_flight(calls), 2);
	f = leave(2);
	assert_int_equal(f.cost_picousd, 0);
	assert_int_equal(f.requests, 0);
	assert_int_equal(calls_in_flight(calls), 1);
	finish();
	assert_int_equal(n_asked, 1);
	assert_int_equal(n_events, 1);
	leave(2); /* again: no matter */
}

static void
what_sleeps_is_dropped_with_what_it_has_cost(void **state)
{
	struct climb_failure f;

	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .maybe_billed = true,
	    .wait_ms = 60000 });
	open_calls(1, 4);
	ask("a", 0, 0);
	while (!n_again)
		turn();
	f = leave(0);
	assert_int_equal(f.cost_picousd, worst(1));
	assert_int_equal(f.booked_picousd, worst(1));
	assert_int_equal(f.requests, 1);
	assert_int_equal(calls_in_flight(calls), 0);
	settle();
	assert_int_equal(n_events, 0);
}

/* It may be billed, and is kept for whoever asks next. */
static void
what_is_under_way_goes_on_and_is_charged_to_who_left_last(void **state)
{
	struct climb_failure f;

	(void)state;
	SCRIPT({ .latency_ms = 2 });
	open_calls(1, 4);
	ask("a", 0, 0);
	assert_true(join("a", 0));
	f = leave(0);
	assert_int_equal(f.cost_picousd, 0); /* slot 1 bears it */
	f = leave(1);
	assert_int_equal(f.cost_picousd, worst(1));
	assert_int_equal(f.booked_picousd, worst(1));
	assert_int_equal(f.requests, 1);
	assert_int_equal(calls_in_flight(calls), 1);
	assert_true(join("a", 0)); /* slot 2: has no cost of it */
	finish();
	assert_int_equal(n_asked, 1);
	assert_int_equal(n_events, 1);
	assert_true(got(0, 2, "sample 0")->news.cached);
	assert_int_equal(events[0].news.requests, 0);
	assert_int_equal(calls_to_keep(calls), 1);
	/* What it did cost is in the totals once. */
	assert_int_equal(calls_totals(calls).booked, 0);
}

static void
nobody_is_told_of_an_orphan(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .latency_ms = 1,
	    .maybe_billed = true });
	open_calls(1, 4);
	ask("a", 0, 0);
	leave(0);
	finish();
	assert_int_equal(n_asked, 1); /* it is not tried again */
	assert_int_equal(n_events, 0);
	assert_int_equal(calls_totals(calls).booked_picousd, worst(1));
}

static void
another_who_wants_it_keeps_it(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .wait_ms = 3 }, OK);
	open_calls(1, 4);
	ask("a", 0, 0);
	assert_true(join("a", 0));
	while (!n_again)
		turn();
	leave(0);
	finish();
	got(0, 1, "sample 0");
	assert_false(events[0].news.cached);
	assert_int_equal(events[0].news.requests, 2);
}

/* --- deadlines -------------------------------------------------------------------- */

static void
no_retry_waits_for_those_who_do_not_live_to_see_it(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .code = "late", .wait_ms = 60000 },
	    { .outcome = OUTCOME_WAIT, .code = "later", .wait_ms = 60000 });
	deadline_ms = clock_mono_ms() + 30000;
	open_calls(4, 4);
	ask("a", 0, 0);
	finish();
	lost(0, 0, OUTCOME_RETRY, "late");
	ask_as("b", 1, 0, 0, 0);
	finish();
	lost(1, 1, OUTCOME_WAIT, "later");
	assert_int_equal(n_asked, 2);
}

static void
one_who_lives_longer_keeps_it(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .wait_ms = 60000 });
	deadline_ms = clock_mono_ms() + 30000;
	open_calls(4, 4);
	ask("a", 0, 0);
	deadline_ms = 0;
	assert_true(join("a", 0));
	while (!n_again)
		turn();
	assert_int_equal(n_events, 0);
	assert_int_equal(calls_in_flight(calls), 1);
}

/* --- a task's cap ------------------------------------------------------------------- */

static void
a_tasks_cap_is_held_and_settled(void **state)
{
	struct budget b = { .cap = worst(1) };

	(void)state;
	SCRIPT({ .latency_ms = 1 });
	budget = &b;
	open_calls(4, 4);
	ask("a", 0, 0);
	assert_int_equal(b.held, worst(1));
	assert_int_equal(b.open, 1);
	finish();
	assert_int_equal(b.held, COST);
	assert_int_equal(b.open, 0);
	ask("b", 0, 0); /* what is left is too little */
	assert_int_equal(n_asked, 1);
	assert_true(lost(1, 1, OUTCOME_FAIL, "budget")->budget);
	assert_int_equal(b.open, 0);
}

/* What is held for the first will not all be spent. */
static void
samples_of_a_task_wait_for_each_other_under_its_cap(void **state)
{
	struct budget b = { .cap = worst(1) + 2 * COST }, *mine = &b;

	(void)state;
	SCRIPT({ .latency_ms = 1 });
	providers[0].n = NO;
	budget = mine;
	open_calls(8, 4);
	ask("a", 0, 2);
	assert_int_equal(n_asked, 1);
	budget = NULL;
	ask("z", 0, 0); /* of a task without a cap: it passes those */
	assert_int_equal(n_asked, 2);
	finish();
	assert_int_equal(n_asked, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(events[i].kind, 'g');
	assert_int_equal(b.held, 3 * COST);
}

static void
more_than_the_whole_cap_is_not_waited_for(void **state)
{
	struct budget b = { .cap = worst(1) };

	(void)state;
	SCRIPT({ .latency_ms = 1 });
	budget = &b;
	open_calls(8, 4);
	ask("a", 0, 0);
	ask("b", 0, 1);
	assert_int_equal(n_events, 2);
	lost(0, 1, OUTCOME_FAIL, "budget");
	lost(1, 2, OUTCOME_FAIL, "budget");
	finish();
	got(2, 0, "sample 0");
}

static void
a_try_that_may_be_billed_stays_held_against_the_cap(void **state)
{
	struct budget b = { .cap = 2 * worst(1) - 1 };
	const struct event *v;

	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .maybe_billed = true }, OK);
	budget = &b;
	open_calls(4, 4);
	ask("a", 0, 0);
	finish();
	assert_int_equal(n_asked, 1);
	v = lost(0, 0, OUTCOME_FAIL, "budget");
	assert_int_equal(v->cost, worst(1));
	assert_int_equal(v->booked, worst(1));
	assert_int_equal(b.held, worst(1));
}

/* The one who asked first has no room: the other pays, and the first has it
 * for nothing. */
static void
who_pays_bears_the_cost(void **state)
{
	struct budget poor = { .cap = 5 }, rich = { .cap = worst(2) };

	(void)state;
	SCRIPT({ .latency_ms = 1 }, OK);
	open_calls(1, 4);
	ask("z", 0, 0); /* slot 0 is under way: the others wait in line */
	budget = &poor;
	ask("a", 0, 1); /* slots 1 and 2 */
	budget = &rich;
	assert_true(join("a", 0)); /* slot 3 */
	assert_true(join("a", 1)); /* slot 4 */
	finish();
	assert_int_equal(n_asked, 2);
	assert_int_equal(n_events, 5);
	for (size_t i = 1; i < 5; i++) {
		bool pays = events[i].w->slot >= 3;
		assert_int_equal(events[i].news.cached, !pays);
		assert_int_equal(events[i].news.requests,
		    events[i].w->slot == 3);
	}
	assert_int_equal(poor.held, 0);
	assert_int_equal(rich.held, 300 + (10 + 11) * 7);
}

static void
when_the_payer_leaves_the_others_have_it_for_nothing(void **state)
{
	struct budget a = { .cap = worst(1) }, b = { .cap = worst(1) };

	(void)state;
	SCRIPT({ .latency_ms = 1 });
	open_calls(1, 4);
	budget = &a;
	ask("a", 0, 0);
	budget = &b;
	assert_true(join("a", 0));
	leave(0);
	assert_int_equal(a.held, 0);
	finish();
	assert_int_equal(n_events, 1);
	assert_true(got(0, 1, "sample 0")->news.cached);
	assert_int_equal(b.held, 0);
}

/* --- the run's cap ----------------------------------------------------------------------- */

static void
a_runs_cap_waits_for_what_is_open_and_then_is_broke(void **state)
{
	struct calls_options o = options(8, 4);
	const struct event *v;

	(void)state;
	SCRIPT({ .latency_ms = 1 });
	o.caps.run = 2 * worst(1);
	open_with(o);
	for (int i = 0; i < 6; i++)
		ask((char[]){ (char)('a' + i), '\0' }, 0, 0);
	assert_int_equal(n_asked, 2);
	assert_int_equal(n_events, 0);
	finish();
	/* 2338: two, then as many as fit beside what the others have cost. */
	assert_int_equal(n_asked, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(events[i].kind, 'g');
	v = event(4, 'b', 0);
	assert_false(v->budget);
	assert_int_equal(v->cost, worst(1));
	assert_int_equal(v->booked, 4 * COST);
	lost(5, 5, OUTCOME_STOP, "stopped");
	lost(6, 4, OUTCOME_STOP, "stopped");
	assert_int_equal(n_events, 7);
}

/* Whatever fails, and whatever of it may have been billed. */
static void
booked_tries_count_against_the_runs_cap(void **state)
{
	struct calls_options o = options(8, 4);

	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .maybe_billed = true });
	o.caps.run = 3 * worst(1);
	open_with(o);
	ask("a", 0, 0);
	finish();
	assert_int_equal(n_asked, 3);
	assert_int_equal(event(0, 'b', 0)->booked, 3 * worst(1));
	assert_int_equal(lost(1, 0, OUTCOME_STOP, "stopped")->cost,
	    3 * worst(1));
	assert_int_equal(calls_totals(calls).booked, 3);
	assert_int_equal(calls_totals(calls).booked_picousd, 3 * worst(1));
}

static void
a_cap_of_nothing_sends_nothing(void **state)
{
	struct calls_options o = options(8, 4);

	(void)state;
	SCRIPT(OK);
	o.caps.run = 0;
	open_with(o);
	ask("a", 0, 0);
	event(0, 'b', 0);
	assert_int_equal(n_asked, 0);
}

static void
without_a_price_nothing_fits_under_a_cap(void **state)
{
	struct calls_options o = options(8, 4);

	(void)state;
	SCRIPT(OK);
	o.caps.run = MONEY_MAX;
	tiers[0].price = price_none();
	open_with(o);
	ask("a", 0, 0);
	assert_int_equal(event(0, 'b', 0)->cost, MONEY_UNKNOWN);
	assert_int_equal(n_asked, 0);
}

/* --- odd refusals ------------------------------------------------------------------------- */

#define ODD { .outcome = OUTCOME_FAIL, .also = ACTION_ODD, .code = "odd" }

static void
three_different_odd_refusals_in_a_row_are_the_tiers_fault(void **state)
{
	(void)state;
	SCRIPT(ODD);
	open_calls(1, 4);
	ask("a", 0, 0);
	ask("b", 0, 0);
	finish();
	lost(0, 0, OUTCOME_FAIL, "odd");
	lost(1, 1, OUTCOME_FAIL, "odd");
	ask("c", 0, 0);
	finish();
	event(2, 'o', 0);
	lost(3, 2, OUTCOME_TIER, "odd");
}

static void
the_same_request_refused_again_is_not_counted(void **state)
{
	(void)state;
	SCRIPT(ODD);
	open_calls(1, 4);
	for (int i = 0; i < 6; i++) {
		ask(i % 2 ? "a" : "b", 0, 0);
		finish();
		lost((size_t)i, (size_t)i, OUTCOME_FAIL, "odd");
	}
}

static void
an_answer_in_between_shows_that_it_is_not_the_tier(void **state)
{
	(void)state;
	SCRIPT(ODD, ODD, OK, ODD, ODD, { .outcome = OUTCOME_FAIL },
	    ODD, ODD, ODD);
	open_calls(1, 4);
	for (int i = 0; i < 8; i++)
		ask((char[]){ (char)('a' + i), '\0' }, 0, 0);
	finish();
	for (size_t i = 0; i < 8; i++)
		assert_true(events[i].kind != 'o');
	ask("z", 0, 0);
	finish();
	event(8, 'o', 0);
}

/* --- a model that does not answer -------------------------------------------------------------- */

/* Five failures in a row, of one request. */
static void
make_dark(enum outage_rule rule)
{
	SCRIPT({ .outcome = OUTCOME_RETRY, .code = "http_503",
	    .message = "down" });
	outage = rule;
	open_calls(4, 10);
	ask("a", 0, 0);
	while (n_asked < 5)
		turn();
	settle();
}

static void
who_has_somewhere_to_go_leaves_a_dark_lane_at_once(void **state)
{
	(void)state;
	make_dark(OUTAGE_LEAVE);
	finish();
	assert_int_equal(lost(0, 0, OUTCOME_RETRY, "http_503")->requests, 5);
	assert_string_equal(events[0].message, "down");
	ask("b", 0, 1);
	assert_int_equal(lost(1, 1, OUTCOME_RETRY, "http_503")->requests, 0);
	lost(2, 2, OUTCOME_RETRY, "http_503");
	ask_as("c", 1, 0, 0, 0); /* of the other provider */
	assert_int_equal(n_asked, 6);
}

static void
who_has_nowhere_to_go_waits_for_it(void **state)
{
	(void)state;
	make_dark(OUTAGE_PATIENT);
	assert_int_equal(n_events, 0);
	outage = OUTAGE_STAY;
	ask("b", 0, 0);
	outage = OUTAGE_LEAVE;
	ask("c", 0, 0);
	settle();
	assert_int_equal(n_events, 1);
	lost(0, 2, OUTCOME_RETRY, "http_503");
	assert_int_equal(n_asked, 5); /* nothing, for half a minute */
	assert_int_equal(calls_in_flight(calls), 2);
}

static void
a_wait_of_more_than_ten_minutes_is_an_outage(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_WAIT, .code = "quota",
	    .wait_ms = CALLS_MAX_WAIT_MS + 1000 });
	open_calls(4, 4);
	ask("a", 0, 0); /* patient, but not for that */
	finish();
	lost(0, 0, OUTCOME_WAIT, "quota");
	outage = OUTAGE_LEAVE;
	ask("b", 0, 0);
	lost(1, 1, OUTCOME_RETRY, "quota");
	outage = OUTAGE_STAY;
	ask("c", 0, 0);
	settle();
	assert_int_equal(n_events, 2);
	assert_int_equal(calls_in_flight(calls), 1);
	assert_int_equal(n_asked, 1);
}

static void
a_wait_of_ten_minutes_is_waited_for(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_WAIT,
	    .wait_ms = CALLS_MAX_WAIT_MS - 2000 });
	outage = OUTAGE_LEAVE;
	open_calls(4, 4);
	ask("a", 0, 0);
	settle();
	assert_int_equal(n_again, 1);
	assert_int_equal(calls_in_flight(calls), 1);
}

/* --- written down before they leave, beside another process ------------------------------------------ */

static char folder[64];
static struct store *other;

static int
begin_store(void **state)
{
	char path[128];

	snprintf(folder, sizeof(folder), "/tmp/frugal-calls-XXXXXX");
	if (begin(state) < 0 || !mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/store.db", folder);
	return store_open(&store, path, STORE_CREATE, &e) < 0
	    || store_open(&other, path, 0, &e) < 0 ? -1 : 0;
}

static int
end_store(void **state)
{
	static const char *const files[] = {
		"store.db", "store.db-wal", "store.db-shm", "store.db-live",
	};
	char path[128];

	store_close(other);
	other = NULL;
	end(state);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	return rmdir(folder);
}

static struct calls_options
written(int max_in_flight, int retries)
{
	struct calls_options o = options(max_in_flight, retries);

	o.unwritten = false;
	o.reuse = true;
	o.run = STR("run-1");
	o.source = STR("run");
	return o;
}

static void
commit_all(void)
{
	keep_all();
	calls_kept(calls);
}

/* As the engine's turn. */
static void
engine_turn(void)
{
	if (calls_to_note(calls) || calls_to_keep(calls)
	    || calls_must_look(calls))
		commit_all();
	else
		turn();
}

static void
engine_finish(void)
{
	for (int i = 0; calls_in_flight(calls) || calls_to_note(calls)
	    || calls_to_keep(calls); i++) {
		assert_true(i < 1000);
		engine_turn();
	}
}

/* What another process does. */
static int64_t
other_asks(const char *name, int first, int last, int64_t cost)
{
	unsigned char key[SHA256_BYTES];
	struct ask a = { .key = key, .first = first, .last = last,
	    .model = STR("one/m"), .asked_utc_ms = clock_utc_ms(),
	    .until_utc_ms = clock_utc_ms() + 600000, .worst_picousd = cost };
	int64_t id = 0;

	key_named(name, key);
	if (store_begin(other, &e) < 0
	    || asks_begin(other, STR("run-2"), STR("run"), NULL, &e) < 0
	    || asks_put(other, &a, &id, &e) < 0 || store_commit(other, &e) < 0)
		fail_msg("%s", e.msg);
	return id;
}

static void
other_gets(const char *name, int sample, const char *text)
{
	struct request_row q = { .canon = STR("c"), .provider = STR("one"),
	    .model = STR("m") };
	struct completion c = { .text = str_of(text), .model = STR("m"),
	    .prompt_tokens = 1, .completion_tokens = 1, .cost_picousd = 9 };

	key_named(name, q.key);
	if (store_begin(other, &e) < 0
	    || store_put(other, &q, sample, &c, NULL, &e) < 0
	    || store_commit(other, &e) < 0)
		fail_msg("%s", e.msg);
}

static void
other_ends(int64_t id, enum ask_outcome outcome, int64_t cost)
{
	struct ask_end v = { .id = id, .outcome = outcome,
	    .ended_utc_ms = clock_utc_ms(), .cost_picousd = cost };

	if (store_begin(other, &e) < 0 || asks_end(other, &v, &e) < 0
	    || store_commit(other, &e) < 0)
		fail_msg("%s", e.msg);
}

static struct asks_totals
seen(void)
{
	struct asks_totals t;

	if (asks_totals(other, 0, 0, STR("run-1"), STR(""), &t, &e) < 0)
		fail_msg("%s", e.msg);
	return t;
}

static void
nothing_leaves_before_it_is_written_down(void **state)
{
	(void)state;
	SCRIPT({ .latency_ms = 1 });
	open_with(written(4, 4));
	ask("a", 0, 0);
	assert_int_equal(n_asked, 0);
	assert_int_equal(calls_to_note(calls), 1);
	settle();
	assert_int_equal(n_asked, 0);
	keep_all();
	assert_int_equal(n_asked, 0);
	assert_int_equal(seen().open, 1);
	assert_int_equal(seen().sent, 1);
	calls_kept(calls);
	assert_int_equal(n_asked, 1);
	assert_int_equal(calls_to_note(calls), 0);
	engine_finish();
	got(0, 0, "sample 0");
	assert_int_equal(seen().open, 0);
	assert_int_equal(seen().by_outcome[ASK_OK], 1);
	assert_int_equal(seen().cost_picousd, COST);
	assert_true(rows[0] >= 0);
}

static void
when_it_cannot_be_written_down_nothing_is_sent(void **state)
{
	(void)state;
	SCRIPT(OK);
	open_with(written(4, 4));
	ask("a", 0, 1);
	assert_int_equal(store_begin(store, &e), 0);
	assert_int_equal(calls_keep(calls, store, &e), 0);
	store_rollback(store);
	calls_unkept(calls);
	calls_stop(calls);
	assert_int_equal(n_asked, 0);
	lost(0, 0, OUTCOME_STOP, "stopped");
	lost(1, 1, OUTCOME_STOP, "stopped");
	assert_int_equal(calls_in_flight(calls), 0);
	assert_int_equal(calls_to_note(calls), 0);
	assert_int_equal(seen().sent, 0);
}

static void
what_is_left_before_it_left_was_never_asked(void **state)
{
	(void)state;
	SCRIPT(OK);
	open_with(written(1, 4));
	ask("a", 0, 0);
	ask("b", 0, 0);
	assert_int_equal(calls_to_note(calls), 1);
	leave(0);
	settle(); /* and another takes its place */
	assert_int_equal(calls_to_note(calls), 1);
	engine_finish();
	assert_int_equal(n_asked, 1);
	was_asked(0, "b", 0, 1);
	assert_int_equal(seen().sent, 1);
}

static void
each_try_is_a_request_of_its_own(void **state)
{
	struct asks_totals t;

	(void)state;
	SCRIPT({ .outcome = OUTCOME_RETRY, .maybe_billed = true },
	    { .outcome = OUTCOME_WAIT }, OK,
	    { .outcome = OUTCOME_NEXT }, { .outcome = OUTCOME_FAIL });
	open_with(written(1, 4));
	ask("a", 0, 0);
	ask_as("b", 1, 0, 0, 0);
	ask_as("c", 1, 0, 0, 0);
	engine_finish();
	t = seen();
	assert_int_equal(t.sent, n_asked);
	assert_int_equal(t.sent, calls_totals(calls).requests);
	for (int i = 0; i < ASK_OUTCOMES; i++)
		assert_int_equal(t.by_outcome[i],
		    calls_totals(calls).by_outcome[i]);
	assert_int_equal(t.booked, 1);
	assert_int_equal(t.booked_picousd, worst(1));
	assert_int_equal(t.open, 0);
}

/* Retry-After holds also for what was about to leave when it came. */
static void
what_is_ready_when_a_pause_comes_waits(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_WAIT, .wait_ms = 60, .latency_ms = 1 },
	    OK);
	open_with(written(8, 4));
	ask("a", 0, 0);
	commit_all();
	ask("b", 0, 0); /* ready, when the refusal comes */
	while (!n_again)
		turn();
	assert_int_equal(n_asked, 1);
	engine_finish();
	assert_int_equal(n_asked, 3);
	assert_true(asked[1].at_ms >= asked[0].at_ms + 60);
	assert_int_equal(seen().by_outcome[ASK_OK], 2);
}

static void
what_is_ready_when_a_stop_comes_is_not_sent(void **state)
{
	(void)state;
	SCRIPT({ .outcome = OUTCOME_STOP, .code = "no_credit",
	    .latency_ms = 1 });
	open_with(written(8, 4));
	ask("a", 0, 0);
	commit_all();
	ask("b", 0, 0);
	while (!n_events)
		turn();
	engine_finish();
	assert_int_equal(n_asked, 1);
	event(0, 's', 0);
	lost(1, 0, OUTCOME_STOP, "no_credit");
	lost(2, 1, OUTCOME_STOP, "stopped");
	assert_int_equal(seen().sent, 1);
}

/* --- others --------------------------------------------------------------------------------------------- */

static void
what_another_process_asks_is_waited_for(void **state)
{
	int64_t id;

	(void)state;
	SCRIPT(OK);
	id = other_asks("a", 0, 0, 5);
	open_with(written(4, 4));
	ask("a", 0, 0);
	ask("b", 0, 0);
	for (int i = 0; i < 10; i++)
		engine_turn();
	assert_int_equal(n_asked, 1);
	was_asked(0, "b", 0, 1);
	assert_int_equal(calls_totals(calls).waited, 1);
	other_gets("a", 0, "theirs");
	other_ends(id, ASK_OK, 5);
	engine_finish();
	assert_int_equal(n_asked, 1);
	assert_int_equal(n_events, 2);
	assert_true(got(1, 0, "theirs")->news.cached);
	assert_int_equal(events[1].news.requests, 0);
	assert_true(rows[0] >= 0);
	assert_int_equal(seen().sent, 1);
}

static void
when_the_other_has_failed_it_is_asked(void **state)
{
	int64_t id;

	(void)state;
	SCRIPT(OK);
	id = other_asks("a", 0, 0, 5);
	open_with(written(4, 4));
	ask("a", 0, 0);
	for (int i = 0; i < 5; i++)
		engine_turn();
	assert_int_equal(n_asked, 0);
	other_ends(id, ASK_FAIL, 0);
	engine_finish();
	assert_int_equal(n_asked, 1);
	got(0, 0, "sample 0");
}

static void
when_the_other_has_died_it_is_taken_over(void **state)
{
	(void)state;
	SCRIPT(OK);
	other_asks("a", 0, 0, 5);
	open_with(written(4, 4));
	ask("a", 0, 0);
	for (int i = 0; i < 5; i++)
		engine_turn();
	assert_int_equal(n_asked, 0);
	store_close(other); /* as a process ends */
	other = NULL;
	engine_finish();
	assert_int_equal(n_asked, 1);
	got(0, 0, "sample 0");
}

static void
what_the_dead_have_asked_is_told(void **state)
{
	char path[128];

	(void)state;
	SCRIPT(OK);
	other_asks("a", 0, 0, 5);
	other_asks("b", 0, 0, MONEY_UNKNOWN);
	store_close(other);
	other = NULL;
	open_with(written(4, 4));
	ask("a", 0, 0);
	engine_finish();
	assert_int_equal(n_asked, 1);
	assert_int_equal(calls_totals(calls).found.requests, 2);
	assert_int_equal(calls_totals(calls).found.picousd, 5);
	assert_int_equal(calls_totals(calls).found.unknown, 1);
	snprintf(path, sizeof(path), "%s/store.db", folder);
	assert_int_equal(store_open(&other, path, 0, &e), 0);
}

static void
one_who_wants_it_anew_does_not_wait(void **state)
{
	struct calls_options o = written(4, 4);

	(void)state;
	SCRIPT(OK);
	other_asks("a", 0, 0, 5);
	other_gets("a", 0, "theirs");
	o.reuse = false;
	open_with(o);
	ask("a", 0, 0);
	engine_finish();
	got(0, 0, "sample 0");
	assert_int_equal(n_asked, 1);
}

/* Kept by another process since it was looked up: nothing is asked. */
static void
what_was_kept_meanwhile_is_taken(void **state)
{
	struct budget b = { .cap = worst(3) };

	(void)state;
	SCRIPT({ .latency_ms = 1 });
	budget = &b;
	open_with(written(4, 4));
	ask("a", 0, 2);
	assert_int_equal(b.held, worst(3));
	other_gets("a", 0, "theirs");
	commit_all();
	assert_true(got(0, 0, "theirs")->news.cached);
	assert_true(rows[0] >= 0);
	assert_int_equal(n_asked, 1);
	was_asked(0, "a", 1, 2);
	/* The rest is still held against the task's cap. */
	assert_int_equal(b.open, 1);
	assert_int_equal(b.held, worst(3));
	engine_finish();
	got(1, 1, "sample 1");
	got(2, 2, "sample 2");
	assert_false(events[1].news.cached);
	assert_int_equal(events[1].news.requests, 1);
	assert_int_equal(b.open, 0);
	assert_int_equal(b.held, 300 + (10 + 11) * 7);
}

static void
what_was_kept_whole_meanwhile_is_not_asked(void **state)
{
	struct calls_options o = written(4, 4);
	struct budget b = { .cap = worst(1) };

	(void)state;
	SCRIPT(OK);
	budget = &b;
	o.caps.run = worst(1);
	open_with(o);
	ask("a", 0, 0);
	other_gets("a", 0, "theirs");
	engine_finish();
	got(0, 0, "theirs");
	assert_int_equal(n_asked, 0);
	assert_int_equal(b.held, 0);
	assert_int_equal(b.open, 0);
	ask("b", 0, 0); /* nothing is held of the run's cap either */
	engine_finish();
	got(1, 1, "sample 0");
}

static void
a_stop_ends_the_waiting_for_another(void **state)
{
	(void)state;
	SCRIPT(OK);
	other_asks("a", 0, 0, 5);
	open_with(written(4, 4));
	ask("a", 0, 0);
	engine_turn();
	assert_int_equal(calls_to_note(calls), 0);
	calls_stop(calls);
	lost(0, 0, OUTCOME_STOP, "stopped");
	assert_int_equal(calls_in_flight(calls), 0);
}

static void
who_leaves_waits_for_another_no_more(void **state)
{
	(void)state;
	SCRIPT(OK);
	other_asks("a", 0, 0, 5);
	open_with(written(1, 4));
	ask("a", 0, 0);
	engine_turn();
	leave(0);
	assert_int_equal(calls_in_flight(calls), 0);
	ask("b", 0, 0);
	engine_finish();
	got(0, 1, "sample 0");
}

/* --- a day's cap ----------------------------------------------------------------------------------------- */

static void
a_days_cap_is_shared(void **state)
{
	struct calls_options o = written(4, 4);
	int64_t id;

	(void)state;
	SCRIPT({ .latency_ms = 1 });
	id = other_asks("x", 0, 0, 1000);
	o.caps.day = 999 + worst(1);
	open_with(o);
	ask("a", 0, 0);
	for (int i = 0; i < 5; i++)
		engine_turn();
	assert_int_equal(n_asked, 0); /* the other may cost that much */
	assert_int_equal(n_events, 0);
	other_ends(id, ASK_OK, 999);
	engine_finish();
	assert_int_equal(n_asked, 1);
	got(0, 0, "sample 0");
}

static void
a_day_that_is_spent_is_broke_when_nothing_is_open(void **state)
{
	struct calls_options o = written(4, 4);
	const struct event *v;

	(void)state;
	SCRIPT({ .latency_ms = 1 });
	other_ends(other_asks("x", 0, 0, 1000), ASK_OK, 700);
	o.caps.day = 700 + COST + worst(1) - 1;
	open_with(o);
	ask("a", 0, 0);
	ask("b", 0, 0);
	ask("c", 0, 0);
	engine_finish();
	assert_int_equal(n_asked, 1);
	got(0, 0, "sample 0");
	v = event(1, 'b', 0);
	assert_true(v->budget);
	assert_int_equal(v->cost, worst(1));
	assert_int_equal(v->booked, 700 + COST);
	assert_int_equal(n_events, 4);
	assert_int_equal(seen().sent, 1);
	assert_int_equal(seen().open, 0);
}

static void
without_a_days_cap_a_day_is_no_matter(void **state)
{
	(void)state;
	SCRIPT(OK);
	other_asks("x", 0, 0, MONEY_MAX);
	open_with(written(4, 4));
	ask("a", 0, 0);
	engine_finish();
	got(0, 0, "sample 0");
}

/* --- giving up --------------------------------------------------------------------------------------------- */

static void
what_is_given_up_is_booked(void **state)
{
	struct asks_totals t;
	int64_t sum = -1;

	(void)state;
	SCRIPT({ .latency_ms = 60000 });
	open_with(written(2, 4));
	ask("a", 0, 0);
	ask("b", 0, 1);
	ask("c", 0, 0);
	commit_all();
	assert_int_equal(n_asked, 2);
	calls_abandon(calls);
	assert_int_equal(calls_in_flight(calls), 0);
	lost(0, 3, OUTCOME_STOP, "stopped");
	assert_int_equal(n_events, 1);
	commit_all();
	t = seen();
	assert_int_equal(t.by_outcome[ASK_LOST], 2);
	assert_int_equal(t.booked, 2);
	assert_int_equal(t.booked_picousd, worst(1) + worst(2));
	assert_int_equal(t.open, 0);
	assert_int_equal(calls_totals(calls).booked, 2);
	assert_int_equal(calls_totals(calls).booked_picousd,
	    worst(1) + worst(2));
	assert_int_equal(store_begin(store, &e), 0);
	assert_int_equal(asks_day(store, clock_utc_ms(), &sum, &e), 0);
	store_rollback(store);
	assert_int_equal(sum, worst(1) + worst(2));
	settle();
	assert_int_equal(n_events, 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define S(f) cmocka_unit_test_setup_teardown(f, begin_store, end_store)
	const struct CMUnitTest tests[] = {
		T(what_is_asked_for_comes),
		T(a_task_may_have_its_own_limit),
		T(samples_of_one_request_are_asked_for_together),
		T(a_server_without_n_is_asked_one_by_one),
		T(what_waits_in_line_was_copied),
		T(identical_requests_in_flight_are_made_once),
		T(a_request_in_line_can_be_joined),
		T(an_answer_can_be_joined_until_it_is_kept),
		T(a_request_that_waits_to_be_tried_again_can_be_joined),
		T(what_was_lost_cannot_be_joined),
		T(requests_of_one_key_do_not_hide_each_other),
		T(what_one_request_did_not_bring_is_asked_for_one_by_one),
		T(more_than_were_asked_for_is_no_matter),
		T(a_refused_n_is_asked_for_one_by_one_at_once),
		T(the_first_stays_the_first_when_a_request_is_split),
		T(a_failure_that_passes_is_tried_again),
		T(each_retry_is_told_with_its_delay),
		T(retries_come_to_an_end),
		T(the_number_of_retries_is_the_nearest_said),
		T(a_kind_of_failure_may_allow_fewer_retries),
		T(what_cannot_be_answered_is_lost_at_once),
		T(a_tier_out_of_use_is_told_before_the_loss),
		T(a_stop_stops_the_lane_and_no_other),
		T(retries_of_a_stopped_lane_are_given_up),
		T(a_wait_pauses_the_lane_and_no_other),
		T(after_a_pause_the_line_goes_on_in_its_order),
		T(waits_come_to_an_end_too),
		T(a_wrong_configuration_stops_the_lane),
		T(a_request_that_cannot_be_sent_fails_alone),
		T(a_lost_request_that_may_be_billed_is_not_free),
		T(a_try_that_may_be_billed_is_booked_though_the_next_succeeds),
		T(what_may_be_billed_without_a_price_is_unknown),
		T(a_key_that_the_server_says_back_is_hidden),
		T(a_key_in_the_code_of_an_error_is_hidden_too),
		T(without_its_key_a_provider_is_not_asked),
		T(no_more_are_in_flight_than_allowed),
		T(a_provider_may_allow_fewer),
		T(requests_a_minute_are_kept_to),
		T(tokens_a_minute_are_kept_to),
		T(a_pace_is_waited_for),
		T(choices_cost_together_what_the_request_did),
		T(a_price_for_each_request_is_paid_once),
		T(what_the_server_charged_is_what_it_cost),
		T(less_was_charged_than_the_list_says),
		T(without_a_price_the_cost_is_what_was_charged_or_unknown),
		T(what_came_is_kept_and_its_rows_are_filled_in),
		T(keeping_leaves_alone_what_has_not_come),
		T(keeping_again_after_a_rollback_gives_the_same_rows),
		T(outside_a_transaction_nothing_is_kept),
		T(the_age_is_that_of_the_oldest),
		T(a_stop_loses_what_waits_and_finishes_what_is_in_flight),
		T(after_a_stop_nothing_is_asked),
		T(after_a_stop_nothing_is_tried_again),
		T(a_pause_ends_with_a_stop),
		T(closing_tells_nobody),
		T(what_has_not_left_is_dropped_when_it_is_left),
		T(what_sleeps_is_dropped_with_what_it_has_cost),
		T(what_is_under_way_goes_on_and_is_charged_to_who_left_last),
		T(nobody_is_told_of_an_orphan),
		T(another_who_wants_it_keeps_it),
		T(no_retry_waits_for_those_who_do_not_live_to_see_it),
		T(one_who_lives_longer_keeps_it),
		T(a_tasks_cap_is_held_and_settled),
		T(samples_of_a_task_wait_for_each_other_under_its_cap),
		T(more_than_the_whole_cap_is_not_waited_for),
		T(a_try_that_may_be_billed_stays_held_against_the_cap),
		T(who_pays_bears_the_cost),
		T(when_the_payer_leaves_the_others_have_it_for_nothing),
		T(a_runs_cap_waits_for_what_is_open_and_then_is_broke),
		T(booked_tries_count_against_the_runs_cap),
		T(a_cap_of_nothing_sends_nothing),
		T(without_a_price_nothing_fits_under_a_cap),
		T(three_different_odd_refusals_in_a_row_are_the_tiers_fault),
		T(the_same_request_refused_again_is_not_counted),
		T(an_answer_in_between_shows_that_it_is_not_the_tier),
		T(who_has_somewhere_to_go_leaves_a_dark_lane_at_once),
		T(who_has_nowhere_to_go_waits_for_it),
		T(a_wait_of_more_than_ten_minutes_is_an_outage),
		T(a_wait_of_ten_minutes_is_waited_for),
		S(nothing_leaves_before_it_is_written_down),
		S(when_it_cannot_be_written_down_nothing_is_sent),
		S(what_is_left_before_it_left_was_never_asked),
		S(each_try_is_a_request_of_its_own),
		S(what_is_ready_when_a_pause_comes_waits),
		S(what_is_ready_when_a_stop_comes_is_not_sent),
		S(what_another_process_asks_is_waited_for),
		S(when_the_other_has_failed_it_is_asked),
		S(when_the_other_has_died_it_is_taken_over),
		S(what_the_dead_have_asked_is_told),
		S(one_who_wants_it_anew_does_not_wait),
		S(what_was_kept_meanwhile_is_taken),
		S(what_was_kept_whole_meanwhile_is_not_asked),
		S(a_stop_ends_the_waiting_for_another),
		S(who_leaves_waits_for_another_no_more),
		S(a_days_cap_is_shared),
		S(a_day_that_is_spent_is_broke_when_nothing_is_open),
		S(without_a_days_cap_a_day_is_no_matter),
		S(what_is_given_up_is_booked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
