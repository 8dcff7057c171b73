/*
 * progress.c -- how a batch is getting on.
 */
#include "cmd/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "cmd/common.h"

#define TERMINAL_MS 200
#define PLAIN_MS 30000

void
progress_start(struct progress *p, bool quiet, bool simulated,
    int64_t resumed)
{
	*p = (struct progress){ .quiet = quiet, .simulated = simulated,
	    .resumed = resumed,
	    .terminal = is_terminal(STDERR_FILENO),
	    .started_ms = clock_mono_ms() };
	p->said_ms = p->started_ms;
}

static void
add_count(struct buf *b, int64_t n)
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)n);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf_addc(b, ',');
		buf_addc(b, digits[i]);
	}
}

static void
add_money(struct buf *b, const struct engine_state *s)
{
	buf_adds(b, ", spent ");
	money_show(b, s->cost_picousd);
	if (s->booked_picousd > 0) {
		buf_adds(b, " (of it ");
		money_show(b, s->booked_picousd);
		buf_adds(b, " booked without an answer)");
	}
	if (s->audit_picousd > 0) {
		buf_adds(b, " (of it ");
		money_show(b, s->audit_picousd);
		buf_adds(b, " for audits)");
	}
	if (s->unknown_cost) {
		buf_adds(b, " (and ");
		add_count(b, s->unknown_cost);
		buf_adds(b, " of unknown cost)");
	}
	if (s->saved_picousd > 0) {
		buf_adds(b, ", saved ");
		money_show(b, s->saved_picousd);
	}
}

static void
add_tiers(struct buf *b, const struct engine_state *s)
{
	for (size_t i = 0; i < s->n_tiers; i++) {
		buf_addf(b, "%s%zu:", i ? " " : ", tier ", i + 1);
		add_count(b, s->by_tier[i]);
	}
}

static void
add_rate(struct buf *b, const struct progress *p,
    const struct engine_state *s, int64_t total)
{
	int64_t ms = clock_mono_ms() - p->started_ms;
	int64_t left = total - p->resumed - s->done;
	double rate = ms > 0 ? (double)s->done * 1000 / (double)ms : 0;

	buf_addf(b, rate < 10 ? ", %.1f/s" : ", %.0f/s", rate);
	if (total < 0 || rate <= 0 || left <= 0)
		return;
	buf_adds(b, ", ");
	clock_duration(b, (int64_t)((double)left / rate * 1000));
	buf_adds(b, " left");
}

void
progress_turn(struct progress *p, const struct engine_state *s, int64_t total,
    bool exact)
{
	int64_t now = clock_mono_ms();
	struct buf b;

	if (p->quiet || now - p->said_ms < (p->terminal ? TERMINAL_MS
	    : PLAIN_MS))
		return;
	p->said_ms = now;
	buf_init(&b, 4096);
	if (p->simulated)
		buf_adds(&b, "simulated: ");
	add_count(&b, p->resumed + s->done);
	if (total >= 0) {
		buf_adds(&b, exact ? " of " : " of about ");
		add_count(&b, total);
	}
	add_rate(&b, p, s, total);
	if (!p->collect)
		add_tiers(&b, s);
	if (s->by_status[TASK_FAILED]) {
		buf_adds(&b, ", failed ");
		add_count(&b, s->by_status[TASK_FAILED]);
	}
	add_money(&b, s);
	if (p->terminal)
		say_status(buf_str(&b));
	else
		say("%s", b.p);
	buf_release(&b);
}

static const char *
word_of(const struct progress *p, enum task_status s)
{
	if (!p->collect)
		return task_status_name(s);
	return s == TASK_ACCEPTED ? "whole" : s == TASK_BUDGET
	    ? "cut short by max_cost" : "with tiers missing";
}

void
progress_end(struct progress *p, const struct engine_state *s)
{
	struct buf b;

	say_no_status();
	if (p->quiet)
		return;
	buf_init(&b, 4096);
	if (p->simulated)
		buf_adds(&b, "simulated: ");
	add_count(&b, s->done);
	buf_adds(&b, s->done == 1 ? " task" : " tasks");
	for (int i = 0; i < 5; i++)
		if (s->by_status[i]) {
			buf_addf(&b, ", ");
			add_count(&b, s->by_status[i]);
			buf_addf(&b, " %s", word_of(p, (enum task_status)i));
		}
	if (s->labelled) {
		buf_adds(&b, ", ");
		add_count(&b, s->correct);
		buf_adds(&b, " of ");
		add_count(&b, s->labelled);
		buf_adds(&b, " labelled right");
	}
	if (!p->collect)
		add_tiers(&b, s);
	if (s->audited) {
		buf_adds(&b, ", ");
		add_count(&b, s->differ);
		buf_adds(&b, " of ");
		add_count(&b, s->audited);
		buf_adds(&b, " audited differ");
	}
	if (s->cached) {
		buf_adds(&b, ", ");
		add_count(&b, s->cached);
		buf_adds(&b, " from the store");
	}
	add_money(&b, s);
	if (s->undone && s->undone_picousd > 0) {
		buf_adds(&b, ", and ");
		money_show(&b, s->undone_picousd);
		buf_adds(&b, " for what is not done");
	}
	buf_adds(&b, ", ");
	clock_duration(&b, clock_mono_ms() - p->started_ms);
	say("%s", b.p ? b.p : "");
	buf_release(&b);
}
