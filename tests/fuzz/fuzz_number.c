/*
 * fuzz_number.c -- numbers, money, times, durations and URLs as text: from the
 * command line, the configuration, replies and their headers. Input: the text.
 */
#include "base/clock.h"
#include "base/money.h"
#include "base/sha256.h"
#include "providers/outcome.h"
#include "providers/provider.h"
#include "tests/fuzz/fuzz.h"

#define NOW INT64_C(1767225600000)
#define TEN_YEARS_MS (3660 * INT64_C(86400000))

static void
check_numbers(struct str s)
{
	int64_t n, again;
	double d, back;
	struct buf b;

	buf_init(&b, BUF_MAX);
	if (str_to_i64(s, &n)) {
		buf_addf(&b, "%lld", (long long)n);
		must(str_to_i64(buf_str(&b), &again) && again == n);
		must(str_to_count(s, &again) && again == n);
	}
	buf_clear(&b);
	if (str_to_double(s, &d)) {
		must(isfinite(d));
		buf_add_double(&b, d);
		must(str_to_double(buf_str(&b), &back) && back == d);
	}
	buf_release(&b);
}

static void
check_money(struct str s)
{
	int64_t picousd, again;
	struct buf b;

	if (!money_parse(s, &picousd))
		return;
	must(picousd >= 0);
	buf_init(&b, BUF_MAX);
	money_exact(&b, picousd);
	must(money_parse(buf_str(&b), &again) && again == picousd);
	buf_clear(&b);
	money_show(&b, picousd);
	fuzz_line(buf_str(&b));
	buf_release(&b);
}

static void
check_times(struct str s)
{
	struct err e = { 0 };
	int64_t ms, again;
	struct buf b;

	buf_init(&b, BUF_MAX);
	if (clock_parse_duration(s, &ms)) {
		must(ms >= 0 && ms <= TEN_YEARS_MS);
		clock_duration(&b, ms);
		fuzz_line(buf_str(&b));
	}
	buf_clear(&b);
	if (clock_parse_rfc3339(s, &ms)) {
		clock_rfc3339(&b, ms);
		must(clock_parse_rfc3339(buf_str(&b), &again) && again == ms);
	}
	if (clock_parse_since(s, NOW, &ms, &e) < 0)
		must(e.code != ERR_NONE && e.msg[0] != '\0');
	buf_release(&b);
}

static void
check_url(struct str s)
{
	struct url_parts u;

	if (!provider_url_parse(s, &u))
		return;
	must(u.host.n > 0 && u.host.p >= s.p && u.host.p + u.host.n
	    <= s.p + s.n);
	for (size_t i = 0; i < u.host.n; i++)
		must(u.host.p[i] > ' ' && !strchr("/@?#\\\"", u.host.p[i]));
	for (size_t i = 0; i < u.port.n; i++)
		must(u.port.p[i] >= '0' && u.port.p[i] <= '9');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = { (const char *)data, size };
	unsigned char digest[SHA256_BYTES];
	int64_t wait_ms = outcome_wait_in(s);

	must(wait_ms >= -1 && wait_ms <= INT64_C(1000000000000));
	check_numbers(s);
	check_money(s);
	check_times(s);
	check_url(s);
	if (hex_parse(s, digest, sizeof(digest)))
		must(s.n == 2 * sizeof(digest));
	return 0;
}
