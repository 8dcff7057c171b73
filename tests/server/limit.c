/*
 * limit.c -- rate limits.
 */
#include <math.h>
#include <stdio.h>

#include "tests/server/limit.h"

static double
capacity(const struct limits *l, int64_t per_minute)
{
	double full = (double)per_minute * (double)l->burst_s / 60;

	return full < 1 ? 1 : full;
}

static struct limit_bucket *
bucket_of(struct limits *l, struct str model, int64_t now_ms)
{
	struct limit_bucket *b = l->v;

	model = str_sub(model, 0, sizeof(b->name) - 1);
	while (b < l->v + l->n && !str_is(model, b->name))
		b++;
	if (b == l->v + l->n && l->n <= LIMIT_MODELS) {
		l->n++;
		snprintf(b->name, sizeof(b->name), "%.*s", STR_ARG(model));
		b->requests = capacity(l, l->rpm);
		b->tokens = capacity(l, l->tpm);
		b->at_ms = now_ms;
	} else if (b == l->v + l->n) {
		b--;
	}
	return b;
}

static void
fill(struct limits *l, struct limit_bucket *b, int64_t now_ms)
{
	double minutes = (double)(now_ms - b->at_ms) / 60000;

	b->requests = fmin(capacity(l, l->rpm),
	    b->requests + minutes * (double)l->rpm);
	b->tokens = fmin(capacity(l, l->tpm),
	    b->tokens + minutes * (double)l->tpm);
	b->at_ms = now_ms;
}

/* Until `missing` has come in. */
static int64_t
wait_for(double missing, int64_t per_minute)
{
	return missing <= 0 ? 0 :
	    (int64_t)ceil(missing / (double)per_minute * 60000);
}

/* As Go prints a duration: "12ms", "1.5s", "6m0s". */
static void
add_duration(struct buf *out, int64_t ms)
{
	if (ms < 1000)
		buf_addf(out, "%lldms", (long long)ms);
	else if (ms < 60000)
		buf_addf(out, "%lld.%03llds", (long long)(ms / 1000),
		    (long long)(ms % 1000));
	else
		buf_addf(out, "%lldm%llds", (long long)(ms / 60000),
		    (long long)(ms / 1000 % 60));
}

static void
add_headers(const struct limits *l, const char *what, int64_t per_minute,
    double left, struct buf *headers)
{
	if (per_minute == 0)
		return;
	buf_addf(headers, "x-ratelimit-limit-%s: %lld\r\n"
	    "x-ratelimit-remaining-%s: %lld\r\n"
	    "x-ratelimit-reset-%s: ", what, (long long)per_minute,
	    what, (long long)floor(left), what);
	add_duration(headers,
	    wait_for(capacity(l, per_minute) - left, per_minute));
	buf_adds(headers, "\r\n");
}

static bool
refuse(struct limit_refusal *out, int64_t *count, const char *type,
    int64_t limit, double left, int64_t wanted)
{
	*out = (struct limit_refusal){
		.type = type, .limit = limit, .left = (int64_t)floor(left),
		.wanted = wanted,
		.wait_ms = wait_for((double)wanted - left, limit),
	};
	++*count;
	return false;
}

static bool
take(struct limits *l, struct limit_bucket *b, int64_t tokens,
    int64_t in_flight, struct limit_refusal *out)
{
	if (l->at_once > 0 && in_flight > l->at_once) {
		refuse(out, &l->refused_at_once, "concurrency", l->at_once, 0,
		    1);
		out->wait_ms = 100;
		return false;
	}
	if (l->rpm > 0 && b->requests < 1)
		return refuse(out, &l->refused_rpm, "requests", l->rpm,
		    b->requests, 1);
	if (l->tpm > 0 && b->tokens < (double)tokens) {
		refuse(out, &l->refused_tpm, "tokens", l->tpm,
		    b->tokens, tokens);
		out->too_large = (double)tokens > capacity(l, l->tpm);
		return false;
	}
	b->requests -= 1;
	b->tokens -= (double)tokens;
	return true;
}

bool
limit_admit(struct limits *l, struct str model, int64_t tokens,
    int64_t in_flight, int64_t now_ms, struct buf *headers,
    struct limit_refusal *out)
{
	struct limit_bucket *b;
	bool admitted;

	*out = (struct limit_refusal){ 0 };
	if (l->rpm == 0 && l->tpm == 0 && l->at_once == 0)
		return true;
	b = bucket_of(l, model, now_ms);
	fill(l, b, now_ms);
	admitted = take(l, b, tokens, in_flight, out);
	add_headers(l, "requests", l->rpm, b->requests, headers);
	add_headers(l, "tokens", l->tpm, b->tokens, headers);
	if (!admitted && !out->too_large)
		buf_addf(headers, "Retry-After: %lld\r\n"
		    "retry-after-ms: %lld\r\n",
		    (long long)((out->wait_ms + 999) / 1000),
		    (long long)out->wait_ms);
	return admitted;
}

void
limit_json(const struct limits *l, struct jw *w)
{
	jw_open(w, '{');
	jw_ki64(w, "rpm", l->refused_rpm);
	jw_ki64(w, "tpm", l->refused_tpm);
	jw_ki64(w, "at_once", l->refused_at_once);
	jw_close(w, '}');
}

void
limit_reset(struct limits *l)
{
	l->n = 0;
	l->refused_rpm = l->refused_tpm = l->refused_at_once = 0;
}
