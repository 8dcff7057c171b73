/*
 * fuzz_headers.c -- what the headers of an answer say about limits and waiting.
 *
 * Input: a line with the server's time in UTC milliseconds, then headers,
 * "Name: value", one a line.
 */
#include "base/rand.h"
#include "providers/limits.h"
#include "providers/outcome.h"
#include "tests/fuzz/fuzz.h"

static void
check_limit(const struct limit *l)
{
	static const int64_t needed[] = { INT64_MIN, -1, 0, 1, 7, 1000,
	    LIMITS_MOST, INT64_MAX };
	int64_t before = 0;

	must(l->limit >= -1 && l->limit <= LIMITS_MOST);
	must(l->remaining >= -1 && l->remaining <= LIMITS_MOST);
	must(l->reset_ms >= -1 && l->reset_ms <= LIMITS_MOST_MS);
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		int64_t wait = limit_wait(l, needed[i]);

		must(wait >= before && wait <= LIMITS_MOST_MS);
		must(l->reset_ms < 0 || wait <= l->reset_ms);
		before = wait;
	}
}

static void
check_wait(int64_t wait_ms)
{
	struct rng rng;
	int64_t delay;

	must(wait_ms >= -1 && wait_ms <= LIMITS_MOST_MS);
	rng_seed(&rng, 1);
	delay = outcome_delay(&rng, 3, false, wait_ms);
	must(wait_ms > 0 ? delay >= wait_ms && delay <= wait_ms + 1000
	    : delay >= 0 && delay <= 8000);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, line, name;
	struct limits l;
	int64_t now, utc_ms;

	if (!str_to_i64(fuzz_take_line(&rest), &now))
		now = 0;
	limits_init(&l);
	while (rest.n) {
		line = fuzz_take_line(&rest);
		(void)str_cut(&line, ':', &name);
		if (limits_header(&l, name, line, now))
			must(limits_is_header(name) && l.any);
		check_wait(limits_retry_after(line, now));
		check_wait(limits_retry_after_ms(line));
		check_wait(outcome_wait_in(line));
		if (limits_http_date(line, &utc_ms))
			must(utc_ms >= 0 && utc_ms < INT64_C(1) << 48);
	}
	check_limit(&l.requests);
	check_limit(&l.tokens);
	check_limit(&l.input_tokens);
	check_limit(&l.output_tokens);
	return 0;
}
