/*
 * limits.c -- rate-limit headers, Retry-After, HTTP dates, durations.
 */
#include "providers/limits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"

/* --- numbers and times ----------------------------------------------------- */

static size_t
digits_in(struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

/* A finite number; digits without end are a very large one. */
static bool
read_number(struct str s, double *out)
{
	/* JSON knows no 007. */
	while (s.n > 1 && s.p[0] == '0' && s.p[1] >= '0' && s.p[1] <= '9')
		s = str_sub(s, 1, s.n);
	if (str_to_double(s, out))
		return true;
	*out = 1e300;
	return s.n > 0 && digits_in(s) == s.n;
}

int64_t
limits_whole_ms(double ms)
{
	ms = ceil(ms);
	if (!(ms > 0)) /* NaN too */
		return 0;
	return ms < (double)LIMITS_MOST_MS ? (int64_t)ms : LIMITS_MOST_MS;
}

static int64_t
ms_until(double utc_ms, int64_t now_utc_ms)
{
	return limits_whole_ms(utc_ms - (double)now_utc_ms);
}

/* A number and its unit at the start of *s: "18.642s", "6 seconds", "174ms". */
static bool
take_span(struct str *s, double *ms)
{
	static const struct { const char *name; double ms; } units[] = {
		{ "ns", 1e-6 }, { "us", 1e-3 }, { "\xc2\xb5s", 1e-3 },
		{ "ms", 1 }, { "milliseconds", 1 }, { "s", 1e3 },
		{ "sec", 1e3 }, { "second", 1e3 }, { "seconds", 1e3 },
		{ "m", 6e4 }, { "min", 6e4 }, { "minute", 6e4 },
		{ "minutes", 6e4 }, { "h", 3.6e6 }, { "hour", 3.6e6 },
		{ "hours", 3.6e6 },
	};
	size_t n = digits_in(*s), from, more;
	double v;

	if (n + 1 < s->n && s->p[n] == '.') {
		more = digits_in(str_sub(*s, n + 1, s->n));
		n += more ? 1 + more : 0;
	}
	if (!n || !read_number(str_sub(*s, 0, n), &v))
		return false;
	if (n < s->n && s->p[n] == ' ')
		n++;
	from = n;
	while (n < s->n && ((s->p[n] >= 'a' && s->p[n] <= 'z')
	    || (unsigned char)s->p[n] >= 0x80))
		n++;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (str_is(str_sub(*s, from, n - from), units[i].name)) {
			*ms = v * units[i].ms;
			*s = str_sub(*s, n, s->n);
			return true;
		}
	return false;
}

bool
limits_duration(struct str *s, double *ms)
{
	double sum = 0, one;
	int spans = 0;

	while (spans < 4 && take_span(s, &one)) {
		sum += one;
		spans++;
	}
	if (spans)
		*ms = sum;
	return spans > 0;
}

static int
month_of(const char *name)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (strncasecmp(name, names + 3 * i, 3) == 0)
			return i;
	return -1;
}

bool
limits_http_date(struct str s, int64_t *utc_ms)
{
	struct tm t = { 0 };
	char text[48], month[4] = "";
	int end = 0, n;

	s = str_trim(s);
	if (!s.n || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	n = sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n",
	    &t.tm_mday, month, &t.tm_year, &t.tm_hour, &t.tm_min, &t.tm_sec,
	    &end);
	if (n != 6 || !end) {
		end = 0;
		n = sscanf(text,
		    "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n",
		    &t.tm_mday, month, &t.tm_year, &t.tm_hour, &t.tm_min,
		    &t.tm_sec, &end);
		t.tm_year += t.tm_year < 70 ? 2000 : 1900;
	}
	if (n != 6 || !end) {
		end = 0;
		n = sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n",
		    month, &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec,
		    &t.tm_year, &end);
	}
	t.tm_mon = month_of(month);
	if (n != 6 || (size_t)end != s.n || t.tm_mon < 0 || t.tm_year < 1970
	    || t.tm_mday < 1 || t.tm_mday > 31 || t.tm_hour < 0
	    || t.tm_hour > 23 || t.tm_min < 0 || t.tm_min > 59
	    || t.tm_sec < 0 || t.tm_sec > 60)
		return false;
	t.tm_year -= 1900;
	*utc_ms = (int64_t)timegm(&t) * 1000;
	return true;
}

/* --- waiting --------------------------------------------------------------- */

int64_t
limits_retry_after_ms(struct str value)
{
	double v;

	if (!read_number(str_trim(value), &v) || v < 0)
		return -1;
	return limits_whole_ms(v);
}

int64_t
limits_retry_after(struct str value, int64_t server_now_utc_ms)
{
	int64_t at;
	double v;

	value = str_trim(value);
	if (read_number(value, &v))
		return v < 0 ? -1 : limits_whole_ms(v * 1000);
	if (limits_http_date(value, &at) || clock_parse_rfc3339(value, &at))
		return ms_until((double)at, server_now_utc_ms);
	return -1;
}

int64_t
limit_wait(const struct limit *l, int64_t needed)
{
	double missing;
	int64_t wait;

	if (l->remaining < 0 || needed <= l->remaining)
		return 0;
	if (l->limit <= l->remaining) /* its size is not known */
		return l->reset_ms > 0 ? l->reset_ms : 0;
	if (needed > l->limit)
		needed = l->limit;
	missing = (double)(needed - l->remaining);
	if (l->reset_ms < 0)
		return limits_whole_ms(missing * 60000 / (double)l->limit);
	wait = limits_whole_ms(missing * (double)l->reset_ms
	    / (double)(l->limit - l->remaining));
	return wait < l->reset_ms ? wait : l->reset_ms; /* it is rounded up */
}

/* --- headers --------------------------------------------------------------- */

static int64_t
read_count(struct str s)
{
	struct str head;
	double v;

	/* "100, 100;w=60": a list, of which the first counts. */
	(void)str_cut(&s, ',', &head);
	if (!read_number(str_trim(head), &v) || v < 0)
		return -1;
	return v < (double)LIMITS_MOST ? (int64_t)v : LIMITS_MOST;
}

static int64_t
read_reset(struct str s, int64_t now_utc_ms)
{
	int64_t at;
	double v;

	if (read_number(s, &v)) {
		if (v < 0)
			return -1;
		if (v >= 1e11)
			return ms_until(v, now_utc_ms);
		return v >= 1e9 ? ms_until(v * 1000, now_utc_ms)
		    : limits_whole_ms(v * 1000);
	}
	if (clock_parse_rfc3339(s, &at))
		return ms_until((double)at, now_utc_ms);
	if (limits_duration(&s, &v) && s.n == 0)
		return limits_whole_ms(v);
	return -1;
}

static bool
cut_prefix(struct str *s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (!str_is_nocase(str_sub(*s, 0, n), prefix))
		return false;
	*s = str_sub(*s, n, s->n);
	return true;
}

static bool
cut_suffix(struct str *s, const char *suffix)
{
	size_t n = strlen(suffix);

	if (s->n < n || !str_is_nocase(str_sub(*s, s->n - n, n), suffix))
		return false;
	*s = str_sub(*s, 0, s->n - n);
	return true;
}

#define OPENAI_PREFIX "x-ratelimit-"
#define ANTHROPIC_PREFIX "anthropic-ratelimit-"

bool
limits_is_header(struct str name)
{
	return cut_prefix(&name, OPENAI_PREFIX)
	    || cut_prefix(&name, ANTHROPIC_PREFIX);
}

void
limits_init(struct limits *l)
{
	const struct limit none = { -1, -1, -1 };

	*l = (struct limits){ none, none, none, none, false };
}

/* NULL: of a bucket that is not known. */
static struct limit *
bucket_of(struct limits *l, struct str kind)
{
	if (str_is_nocase(kind, "requests") || kind.n == 0)
		return &l->requests;
	if (str_is_nocase(kind, "tokens"))
		return &l->tokens;
	if (str_is_nocase(kind, "input-tokens"))
		return &l->input_tokens;
	return str_is_nocase(kind, "output-tokens") ? &l->output_tokens : NULL;
}

/* What a name means: 'l'imit, 'r'emaining or 't'ime of reset; 0: nothing.
 * *kind gets the bucket's name. */
static char
read_name(struct str name, struct str *kind)
{
	static const struct { const char *word; char what; } words[] = {
		{ "limit", 'l' }, { "remaining", 'r' }, { "reset", 't' },
	};
	bool first = cut_prefix(&name, OPENAI_PREFIX);

	if (!first && !cut_prefix(&name, ANTHROPIC_PREFIX))
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		*kind = name;
		if (first ? !cut_prefix(kind, words[i].word)
		    : !cut_suffix(kind, words[i].word))
			continue;
		if (kind->n == 0 && first)
			return words[i].what;
		if (kind->n > 1 && (first ? cut_prefix(kind, "-")
		    : cut_suffix(kind, "-")))
			return words[i].what;
	}
	return 0;
}

bool
limits_header(struct limits *l, struct str name, struct str value,
    int64_t server_now_utc_ms)
{
	struct limit *b;
	struct str kind;
	int64_t v, *to;
	char what = read_name(name, &kind);

	if (!what || !(b = bucket_of(l, kind)))
		return false;
	value = str_trim(value);
	v = what == 't' ? read_reset(value, server_now_utc_ms)
	    : read_count(value);
	if (v < 0)
		return false;
	to = what == 'l' ? &b->limit : what == 'r' ? &b->remaining
	    : &b->reset_ms;
	*to = v;
	l->any = true;
	return true;
}
