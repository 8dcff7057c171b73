/*
 * lane.c -- limits, window, pause, breaker.
 */
#include "cascade/lane.h"

#define MINUTE_MS 60000.0

void
lane_init(struct lane *l, int64_t requests_per_minute,
    int64_t tokens_per_minute, size_t most)
{
	*l = (struct lane){ .rpm = requests_per_minute,
	    .tpm = tokens_per_minute, .first_ms = -1 };
	l->window = l->most = most > 0 ? (double)most : 1;
	pace_init(&l->requests, l->rpm);
	pace_init(&l->tokens, l->tpm);
}

/* --- what the server said is left -------------------------------------------- */

/* `reset` is when it is full, not when one more fits: with it the rate is
 * known, whether the window is a minute or a day. */
void
allowance_said(struct allowance *a, int64_t limit, int64_t remaining,
    int64_t reset_ms, int64_t now_ms)
{
	int64_t full = reset_ms < ALLOWANCE_MS ? ALLOWANCE_MS : reset_ms;

	if (limit <= 0 || remaining < 0)
		return;
	if (full > ALLOWANCE_MAX_MS)
		full = ALLOWANCE_MAX_MS;
	*a = (struct allowance){ .known = true, .limit = (double)limit,
	    .left = (double)remaining, .at_ms = now_ms,
	    .until_ms = now_ms + full, .per_ms = (double)limit / MINUTE_MS };
	if (reset_ms > 0 && remaining < limit)
		a->per_ms = (double)(limit - remaining) / (double)reset_ms;
}

static double
left_at(const struct allowance *a, int64_t now_ms)
{
	double left = a->left + a->per_ms * (double)(now_ms - a->at_ms);

	return left < a->limit ? left : a->limit;
}

int64_t
allowance_due(const struct allowance *a, double need, int64_t now_ms)
{
	double left, wait;

	if (!a->known || now_ms >= a->until_ms)
		return now_ms;
	if (need > a->limit)
		need = a->limit; /* it never fits; the server shall say so */
	left = left_at(a, now_ms);
	if (left >= need)
		return now_ms;
	/* A rate that was told in whole seconds, of a bucket that was hardly
	 * touched, may be far too low. */
	wait = (need - left) / a->per_ms + 1;
	if (wait >= (double)(a->until_ms - now_ms))
		return a->until_ms;
	return now_ms + (int64_t)wait;
}

static void
allowance_take(struct allowance *a, double need, int64_t now_ms)
{
	if (!a->known)
		return;
	a->left = left_at(a, now_ms) - need;
	a->at_ms = now_ms;
}

/* --- when ------------------------------------------------------------------------- */

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
limits_due(const struct lane *l, const struct need *n, int64_t now_ms)
{
	double in = (double)n->input, out = (double)n->output;
	int64_t due = pace_due(&l->requests, now_ms);

	due = later(due, pace_due(&l->tokens, now_ms));
	due = later(due, allowance_due(&l->said_requests, 1, now_ms));
	due = later(due, allowance_due(&l->said_tokens, in + out, now_ms));
	due = later(due, allowance_due(&l->said_input, in, now_ms));
	return later(due, allowance_due(&l->said_output, out, now_ms));
}

int64_t
lane_due(const struct lane *l, const struct need *n, int64_t now_ms)
{
	double window = l->window;
	int64_t due = later(l->paused_until_ms, l->dark_until_ms);

	if (l->probing && l->probe_out)
		return LANE_LATER;
	if (now_ms < l->half_until_ms && window > l->half)
		window = l->half;
	if (l->under_way > 0 && (double)(l->under_way + 1) > window)
		return LANE_LATER;
	if (!l->proven && l->under_way > 0)
		due = later(due, l->first_ms + LANE_ALONE_MS);
	return later(due, limits_due(l, n, now_ms));
}

void
lane_sent(struct lane *l, const struct need *n, int64_t now_ms)
{
	double in = (double)n->input, out = (double)n->output;

	if (l->first_ms < 0 || l->under_way == 0)
		l->first_ms = now_ms;
	if (l->half_until_ms && now_ms >= l->half_until_ms) {
		l->half_until_ms = 0;
		pace_init(&l->requests, l->rpm);
		pace_init(&l->tokens, l->tpm);
	}
	l->under_way++;
	l->probe_out = l->probing;
	if (l->probing)
		l->probe_ms = now_ms;
	pace_take(&l->requests, now_ms, 1);
	pace_take(&l->tokens, now_ms, n->input + n->output);
	allowance_take(&l->said_requests, 1, now_ms);
	allowance_take(&l->said_tokens, in + out, now_ms);
	allowance_take(&l->said_input, in, now_ms);
	allowance_take(&l->said_output, out, now_ms);
}

/* --- what became of it --------------------------------------------------------------- */

/* Those that were sent before the probe are not the probe. */
static void
ended(struct lane *l, int64_t sent_ms)
{
	l->under_way--;
	if (sent_ms >= l->probe_ms)
		l->probe_out = false;
}

/* The probe has come back, or an answer to one that was sent before it shows
 * that the server answers again. */
static void
is_there(struct lane *l, int64_t sent_ms)
{
	l->failures = 0;
	if (l->dark_since_ms) {
		l->dark_since_ms = l->dark_until_ms = 0;
		l->probing = l->probe_out = false;
	} else if (sent_ms >= l->paused_until_ms) {
		l->probing = l->probe_out = false;
	}
}

void
lane_unsent(struct lane *l, int64_t sent_ms)
{
	ended(l, sent_ms);
}

bool
lane_is_shut(const struct lane *l, int64_t now_ms)
{
	return later(l->paused_until_ms, l->dark_until_ms) > now_ms;
}

void
lane_answered(struct lane *l, int64_t sent_ms, int64_t now_ms)
{
	double most = now_ms < l->half_until_ms ? l->half : l->most;

	ended(l, sent_ms);
	l->proven = true;
	is_there(l, sent_ms);
	l->window += 1 / l->window;
	if (l->window > most)
		l->window = most;
}

void
lane_other(struct lane *l, int64_t sent_ms)
{
	ended(l, sent_ms);
	is_there(l, sent_ms);
}

/* One decrease an episode: all that were under way when the server had enough
 * are told the same. */
static void
decrease(struct lane *l, int64_t sent_ms, int64_t now_ms)
{
	double level = (double)l->under_way + 1;

	if (l->decreased_ms && sent_ms <= l->decreased_ms)
		return;
	if (level > l->window)
		level = l->window;
	l->window = level / 2 < 1 ? 1 : level / 2;
	l->decreased_ms = now_ms;
}

void
lane_pause(struct lane *l, int64_t now_ms, int64_t delay_ms)
{
	l->paused_until_ms = later(l->paused_until_ms, now_ms + delay_ms);
	l->probing = true;
}

void
lane_refused(struct lane *l, int64_t sent_ms, int64_t now_ms,
    int64_t delay_ms, bool halve)
{
	ended(l, sent_ms);
	l->failures = 0;
	l->dark_since_ms = l->dark_until_ms = 0;
	decrease(l, sent_ms, now_ms);
	lane_pause(l, now_ms, delay_ms);
	if (!halve || now_ms < l->half_until_ms)
		return;
	l->half = l->window;
	l->half_until_ms = l->paused_until_ms + LANE_HALF_MS;
	pace_init(&l->requests, l->rpm > 1 ? l->rpm / 2 : l->rpm);
	pace_init(&l->tokens, l->tpm > 1 ? l->tpm / 2 : l->tpm);
}

void
lane_failed(struct lane *l, int64_t sent_ms, int64_t now_ms, bool fewer)
{
	ended(l, sent_ms);
	if (fewer)
		decrease(l, sent_ms, now_ms);
	/* What was under way together fails together: a moment without a
	 * network is one failure, not as many as there were requests. */
	if (l->failures && sent_ms < l->failed_ms)
		return;
	l->failed_ms = now_ms;
	if (++l->failures < LANE_FAILURES)
		return;
	if (!l->dark_since_ms)
		l->dark_since_ms = now_ms > 0 ? now_ms : 1;
	l->dark_until_ms = now_ms + LANE_DARK_MS;
	l->probing = true;
}

bool
lane_is_dark(const struct lane *l)
{
	return l->dark_since_ms != 0;
}

int64_t
lane_dark_ms(const struct lane *l, int64_t now_ms)
{
	return l->dark_since_ms ? now_ms - l->dark_since_ms : 0;
}
