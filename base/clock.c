/*
 * clock.c -- reading the two clocks, and times and durations as text.
 */
#include <time.h>

#include "base/clock.h"

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define DURATION_MAX_MS (3650 * DAY_MS)

static int64_t
read_ms(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0)
		return -1;
	return (int64_t)t.tv_sec * SECOND_MS + t.tv_nsec / 1000000;
}

int64_t
clock_mono_ms(void)
{
	int64_t ms = read_ms(CLOCK_BOOTTIME);

	return ms >= 0 ? ms : read_ms(CLOCK_MONOTONIC);
}

int64_t
clock_utc_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

/* Whole seconds since 1970, rounded down also before 1970. */
static time_t
seconds_of(int64_t utc_ms)
{
	return (time_t)(utc_ms / SECOND_MS - (utc_ms % SECOND_MS < 0));
}

static void
add_day(struct buf *out, const struct tm *tm)
{
	buf_addf(out, "%04lld-%02d-%02d", (long long)tm->tm_year + 1900,
	    tm->tm_mon + 1, tm->tm_mday);
}

static void
add_time(struct buf *out, const struct tm *tm)
{
	buf_addf(out, "%02d:%02d:%02d", tm->tm_hour, tm->tm_min, tm->tm_sec);
}

void
clock_local(struct buf *out, int64_t utc_ms)
{
	time_t t = seconds_of(utc_ms);
	struct tm tm = { 0 };

	localtime_r(&t, &tm);
	add_day(out, &tm);
	buf_addc(out, ' ');
	add_time(out, &tm);
}

void
clock_local_day(struct buf *out, int64_t utc_ms)
{
	time_t t = seconds_of(utc_ms);
	struct tm tm = { 0 };

	localtime_r(&t, &tm);
	add_day(out, &tm);
}

void
clock_rfc3339(struct buf *out, int64_t utc_ms)
{
	time_t t = seconds_of(utc_ms);
	struct tm tm = { 0 };

	gmtime_r(&t, &tm);
	add_day(out, &tm);
	buf_addc(out, 'T');
	add_time(out, &tm);
	/* utc_ms % 1000 is negative before 1970. */
	buf_addf(out, ".%03dZ", (int)((utc_ms % SECOND_MS + SECOND_MS) %
	    SECOND_MS));
}

/* Exactly `digits` digits at the start of *s, which is shortened by them. */
static bool
take_number(struct str *s, size_t digits, int min, int max, int *out)
{
	size_t i;
	int v = 0;

	if (s->n < digits)
		return false;
	for (i = 0; i < digits; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	*s = str_sub(*s, digits, s->n - digits);
	*out = v;
	return v >= min && v <= max;
}

/* One character out of `set`. */
static bool
take_char(struct str *s, const char *set, char *out)
{
	for (; *set; set++) {
		if (s->n > 0 && s->p[0] == *set) {
			*out = *set;
			*s = str_sub(*s, 1, s->n - 1);
			return true;
		}
	}
	return false;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
	    30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* "2026-11-23" at the start of *s. */
static bool
take_date(struct str *s, struct tm *tm)
{
	int year, month, day;
	char c;

	if (!take_number(s, 4, 0, 9999, &year) || !take_char(s, "-", &c) ||
	    !take_number(s, 2, 1, 12, &month) || !take_char(s, "-", &c) ||
	    !take_number(s, 2, 1, days_in_month(year, month), &day))
		return false;
	*tm = (struct tm){ .tm_year = year - 1900, .tm_mon = month - 1,
	    .tm_mday = day, .tm_isdst = -1 };
	return true;
}

/* "14:03:07.123" at the start of *s; what is less than 1 ms is dropped. */
static bool
take_time(struct str *s, struct tm *tm, int *ms)
{
	int scale = 100, digit;
	char c;

	if (!take_number(s, 2, 0, 23, &tm->tm_hour) ||
	    !take_char(s, ":", &c) ||
	    !take_number(s, 2, 0, 59, &tm->tm_min) ||
	    !take_char(s, ":", &c) ||
	    !take_number(s, 2, 0, 60, &tm->tm_sec)) /* 60: a leap second */
		return false;
	*ms = 0;
	if (!take_char(s, ".", &c))
		return true;
	if (!take_number(s, 1, 0, 9, &digit))
		return false;
	do {
		*ms += digit * scale;
		scale /= 10;
	} while (take_number(s, 1, 0, 9, &digit));
	return true;
}

/* "Z" or "+01:00", all of s, as the minutes that local time is ahead. */
static bool
parse_offset(struct str s, int *minutes)
{
	int h, m;
	char sign, c;

	*minutes = 0;
	if (take_char(&s, "Zz", &c))
		return s.n == 0;
	if (!take_char(&s, "+-", &sign) || !take_number(&s, 2, 0, 23, &h) ||
	    !take_char(&s, ":", &c) || !take_number(&s, 2, 0, 59, &m))
		return false;
	*minutes = (sign == '-' ? -1 : 1) * (h * 60 + m);
	return s.n == 0;
}

bool
clock_parse_rfc3339(struct str s, int64_t *utc_ms)
{
	struct tm tm;
	int ms, ahead;
	char c;

	if (!take_date(&s, &tm) || !take_char(&s, "Tt ", &c) ||
	    !take_time(&s, &tm, &ms) || !parse_offset(s, &ahead))
		return false;
	*utc_ms = (int64_t)timegm(&tm) * SECOND_MS + ms - ahead * MINUTE_MS;
	return true;
}

void
clock_duration(struct buf *out, int64_t ms)
{
	/* -INT64_MIN does not exist; nobody will miss the millisecond. */
	if (ms < 0) {
		buf_addc(out, '-');
		ms = ms == INT64_MIN ? INT64_MAX : -ms;
	}
	if (ms < SECOND_MS)
		buf_addf(out, "%dms", (int)ms);
	else if (ms < MINUTE_MS)
		buf_addf(out, "%d.%ds", (int)(ms / SECOND_MS),
		    (int)(ms % SECOND_MS / 100));
	else if (ms < HOUR_MS)
		buf_addf(out, "%dm%02ds", (int)(ms / MINUTE_MS),
		    (int)(ms % MINUTE_MS / SECOND_MS));
	else if (ms < DAY_MS)
		buf_addf(out, "%dh%02dm", (int)(ms / HOUR_MS),
		    (int)(ms % HOUR_MS / MINUTE_MS));
	else
		buf_addf(out, "%lldd%dh", (long long)(ms / DAY_MS),
		    (int)(ms % DAY_MS / HOUR_MS));
}

static bool
unit_ms(struct str unit, int64_t *ms)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {
		{ "", SECOND_MS }, { "ms", 1 }, { "s", SECOND_MS },
		{ "m", MINUTE_MS }, { "h", HOUR_MS }, { "d", DAY_MS },
		{ "w", 7 * DAY_MS },
	};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (str_is(unit, units[i].name)) {
			*ms = units[i].ms;
			return true;
		}
	}
	return false;
}

bool
clock_parse_duration(struct str s, int64_t *ms)
{
	int64_t count = 0, unit;
	size_t n = 0;
	int digit;

	while (take_number(&s, 1, 0, 9, &digit)) {
		if (count <= DURATION_MAX_MS)
			count = count * 10 + digit;
		n++;
	}
	if (n == 0 || !unit_ms(s, &unit) || count > DURATION_MAX_MS / unit)
		return false;
	*ms = count * unit;
	return true;
}

bool
clock_parse_age(struct str s, int64_t *ms)
{
	bool bare = s.n && s.p[s.n - 1] >= '0' && s.p[s.n - 1] <= '9';

	return (!bare || str_is(s, "0")) && clock_parse_duration(s, ms);
}

/* Local midnight at the start of the day in *tm, which need not be in its
 * month. Where summer time starts at midnight, that day starts at 1:00. */
static int64_t
midnight_ms(struct tm tm)
{
	struct tm noon = { .tm_year = tm.tm_year, .tm_mon = tm.tm_mon,
	    .tm_mday = tm.tm_mday, .tm_hour = 12, .tm_isdst = -1 };
	struct tm start;

	mktime(&noon); /* brings the day into its month */
	start = (struct tm){ .tm_year = noon.tm_year, .tm_mon = noon.tm_mon,
	    .tm_mday = noon.tm_mday, .tm_isdst = -1 };
	if (mktime(&start) != -1 && start.tm_mday != noon.tm_mday)
		start = (struct tm){ .tm_year = noon.tm_year,
		    .tm_mon = noon.tm_mon, .tm_mday = noon.tm_mday,
		    .tm_hour = 1, .tm_isdst = -1 };
	return (int64_t)mktime(&start) * SECOND_MS;
}

int
clock_parse_since(struct str s, int64_t now_utc_ms, int64_t *utc_ms,
    struct err *e)
{
	time_t now = seconds_of(now_utc_ms);
	struct str rest = s;
	struct tm tm = { 0 };
	int64_t ago;

	if (clock_parse_age(s, &ago)) {
		*utc_ms = now_utc_ms - ago;
		return 0;
	}
	if (str_is(s, "today") || str_is(s, "yesterday")) {
		localtime_r(&now, &tm);
		tm.tm_mday -= str_is(s, "yesterday");
		*utc_ms = midnight_ms(tm);
		return 0;
	}
	if (take_date(&rest, &tm) && rest.n == 0) {
		*utc_ms = midnight_ms(tm);
		return 0;
	}
	if (clock_parse_rfc3339(s, utc_ms))
		return 0;
	return err_set(e, ERR_USAGE, "cannot read the time '%.*s'; use one "
	    "such as 2h, 7d, today, yesterday, 2026-11-23 or "
	    "2026-11-23T14:00:00Z", STR_ARG(s));
}
