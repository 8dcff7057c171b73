/*
 * lane.h -- how fast one model at one provider may be asked. Rules over plain
 * values: it reads no clock and sends nothing. What it knows of:
 *
 *   limits      requests and tokens a minute, as configured, and what is left
 *               of them as the server's headers say
 *   window      how many requests may be under way: one is added for each
 *               windowful that is answered, and half is taken away, once an
 *               episode, when the server says that there are too many (AIMD)
 *   pause       the time that the server asked for holds the whole lane; after
 *               it one request goes alone, and the rest when it was answered
 *   breaker     after LANE_FAILURES failures in a row, each of a request that
 *               was sent after the one before had failed, nothing is sent but
 *               one request each LANE_DARK_MS, until one is answered
 *   the first   request goes alone until it is answered, or for a second: a
 *               wrong key or an empty account costs one request, not many
 *
 * Each request that is sent ends with exactly one of lane_answered(),
 * lane_refused(), lane_failed() and lane_other(). Times are clock_mono_ms().
 */
#ifndef CASCADE_LANE_H
#define CASCADE_LANE_H

#include <stdbool.h>
#include <stddef.h>

#include "cascade/pace.h"

#define LANE_FAILURES 5
#define LANE_DARK_MS 30000
#define LANE_ALONE_MS 1000
#define LANE_HALF_MS (15 * 60 * 1000)
#define LANE_LATER INT64_MAX /* not before one that is under way has ended */

/* What is left of a limit: so much at a time, growing back. */
struct allowance {
	bool known;
	double limit, left, per_ms;
	int64_t at_ms;
	int64_t until_ms; /* it holds nobody back after that: by then it is
	                     full again, whatever the rate seemed to be */
};

#define ALLOWANCE_MS 60000 /* a window is no shorter than this, */
#define ALLOWANCE_MAX_MS (24 * 60 * 60 * 1000) /* and no longer than this */

struct need { /* of one request, roughly */
	int64_t input, output; /* tokens */
};

struct lane {
	struct pace requests, tokens;
	int64_t rpm, tpm; /* as configured; 0: no limit */
	struct allowance said_requests, said_tokens, said_input, said_output;
	double window, most;
	size_t under_way;
	int64_t first_ms; /* when the first was sent; -1: none was */
	bool proven;      /* a request has been answered */
	int64_t paused_until_ms;
	bool probing;     /* one goes alone now, */
	bool probe_out;   /* and is under way */
	int64_t probe_ms; /* when the last of them was sent */
	int64_t decreased_ms;
	int64_t half_until_ms;
	double half;      /* the window's bound until then */
	int failures;     /* in a row, */
	int64_t failed_ms; /* the last of them */
	int64_t dark_since_ms, dark_until_ms; /* 0: not dark */
};

/* `most`: requests under way at most, >= 1. */
void lane_init(struct lane *l, int64_t requests_per_minute,
    int64_t tokens_per_minute, size_t most);

/* When the next request may be sent: now_ms or earlier means now. */
int64_t lane_due(const struct lane *l, const struct need *n, int64_t now_ms);
void lane_sent(struct lane *l, const struct need *n, int64_t now_ms);
/* It was counted as sent, but never left. */
void lane_unsent(struct lane *l, int64_t sent_ms);
/* A pause, or the breaker, that came after it was counted as sent. */
bool lane_is_shut(const struct lane *l, int64_t now_ms);

void lane_answered(struct lane *l, int64_t sent_ms, int64_t now_ms);
/* 429 and the like: nothing for delay_ms; `halve`: and half the rate for
 * LANE_HALF_MS after that. */
void lane_refused(struct lane *l, int64_t sent_ms, int64_t now_ms,
    int64_t delay_ms, bool halve);
/* No answer, or a server's failure that another try may mend. `fewer`: it has
 * too many requests. */
void lane_failed(struct lane *l, int64_t sent_ms, int64_t now_ms, bool fewer);
/* The server is there, whatever it said. */
void lane_other(struct lane *l, int64_t sent_ms);
/* A 503 with a time: nobody is to ask before. */
void lane_pause(struct lane *l, int64_t now_ms, int64_t delay_ms);

/* The breaker is open; for how long, in ms. */
bool lane_is_dark(const struct lane *l);
int64_t lane_dark_ms(const struct lane *l, int64_t now_ms);

/* A limit as the server has it: `limit` and `remaining` of a window that is
 * full again in reset_ms; -1: not said. */
void allowance_said(struct allowance *a, int64_t limit, int64_t remaining,
    int64_t reset_ms, int64_t now_ms);
int64_t allowance_due(const struct allowance *a, double need, int64_t now_ms);

#endif
