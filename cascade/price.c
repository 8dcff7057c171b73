/*
 * price.c -- the compiled-in price table, finding a model in it, and the cost
 * of a request.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cascade/price.h"

/* The rows of prices.def as initialisers. */
#define RATE(r) ((r) < 0 ? MONEY_UNKNOWN : (int64_t)(r))
#define RATES(in, out, cached, write, write_1h)                       \
	{ RATE(in), RATE(out), RATE(cached), RATE(write), RATE(write_1h) }
#define ENDS(day) .shutdown = day
#define WHEN(cond) .condition = cond
#define LONG_FROM(n, in, out, cached, write, write_1h)                \
	.long_from = (n),                                             \
	.long_rates = RATES(in, out, cached, write, write_1h)
#define LONG_OVER(n, in, out, cached, write, write_1h)                \
	LONG_FROM((n) + 1, in, out, cached, write, write_1h)
#define HOURS(from, to) { (from) * 60, (to) * 60 }
#define PEAK(in, out, cached, write, write_1h, ...)                   \
	.window = { __VA_ARGS__ },                                    \
	.window_rates = RATES(in, out, cached, write, write_1h)
#define LATER(day, in, out, cached, write, write_1h)                  \
	.later_from = (day),                                          \
	.later_rates = RATES(in, out, cached, write, write_1h)
#define PER_REQUEST(picousd) .per_request = (picousd)

/* What varies is as_of and the facts after it, which name their members. */
#define MODEL(vendor, name, in, out, cache, write, write_1h, batch,   \
    ctx, most, lp, temp, state, ...)                                  \
	{ .provider = vendor, .model = name,                          \
	  .rates = RATES(in, out, cache, write, write_1h),            \
	  .batch_percent = (batch), .context = (ctx),                 \
	  .max_output = (most), .logprobs = CAN_##lp,                 \
	  .temperature = CAN_##temp, .status = MODEL_##state,         \
	  .as_of = __VA_ARGS__ },
#define ALIAS(vendor, name, to)

static const struct price table[] = {
#include "cascade/prices.def"
};
#define ROWS (sizeof(table) / sizeof(table[0]))

#undef MODEL
#undef ALIAS
#define MODEL(...)
#define ALIAS(vendor, name, to) { vendor, name, to },

static const struct alias {
	const char *provider, *name, *model;
} aliases[] = {
#include "cascade/prices.def"
};

/* A name that begins with a dot stands for every host that ends in it. */
static const struct {
	const char *host, *vendor;
} hosts[] = {
	{ "api.openai.com", "openai" },
	{ ".openai.azure.com", "openai" },
	{ "api.anthropic.com", "anthropic" },
	{ "generativelanguage.googleapis.com", "google" },
	{ "api.mistral.ai", "mistral" },
	{ "api.groq.com", "groq" },
	{ "api.together.xyz", "together" },
	{ "api.together.ai", "together" },
	{ "api.deepseek.com", "deepseek" },
	{ "api.x.ai", "xai" },
	{ "openrouter.ai", "openrouter" },
	{ "api.ai21.com", "ai21" },
	{ "api.textsynth.com", "textsynth" },
};

/* What is sold at its maker's price under its maker's name. Not the models
 * with open weights: there each upstream has a price of its own. */
static const struct reseller {
	const char *vendor, *prefix, *maker;
} resellers[] = {
	{ "google", "models/", "google" },
	{ "openrouter", "anthropic/", "anthropic" },
	{ "openrouter", "google/", "google" },
	{ "openrouter", "mistralai/", "mistral" },
	{ "openrouter", "openai/", "openai" },
	{ "openrouter", "x-ai/", "xai" },
};

struct price
price_none(void)
{
	const struct price_rates unknown = RATES(-1, -1, -1, -1, -1);

	return (struct price){
		.provider = "", .model = "", .rates = unknown,
		.context = -1, .max_output = -1,
	};
}

void
price_override(struct price *p, const struct price_rates *r)
{
	p->rates = *r;
	p->per_request = 0;
	p->long_from = 0;
	memset(p->window, 0, sizeof(p->window));
	p->later_from = 0;
}

bool
price_known(const struct price *p)
{
	return p && p->rates.input != MONEY_UNKNOWN &&
	    p->rates.output != MONEY_UNKNOWN;
}

#define DAY_MS ((int64_t)86400000)

/* The UTC day as 20261123; 0 where there is no calendar for it. */
static int64_t
day_of(int64_t utc_ms)
{
	time_t t = (time_t)(utc_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		return 0;
	return ((int64_t)tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 +
	    tm.tm_mday;
}

static bool
weekend_in_beijing(int64_t utc_ms)
{
	/* 1970-01-01 was a Thursday, the fifth day counted from Sunday. */
	int64_t day = (utc_ms / 1000 + 8 * 3600) / 86400 + 4;

	return day % 7 == 6 || day % 7 == 0;
}

static bool
has_windows(const struct price *p)
{
	return p->window[0].to_min > 0;
}

static bool
in_window(const struct price *p, int64_t utc_ms)
{
	int64_t minute = utc_ms % DAY_MS / 60000;

	if (!has_windows(p) || weekend_in_beijing(utc_ms))
		return false;
	for (int i = 0; i < PRICE_WINDOWS; i++)
		if (minute >= p->window[i].from_min &&
		    minute < p->window[i].to_min)
			return true;
	return false;
}

/* No row has two of the three special prices. */
static const struct price_rates *
rates_at(const struct price *p, int64_t prompt, int64_t utc_ms)
{
	if (p->long_from > 0 && prompt >= p->long_from)
		return &p->long_rates;
	if (in_window(p, utc_ms))
		return &p->window_rates;
	if (p->later_from > 0 && day_of(utc_ms) >= p->later_from)
		return &p->later_rates;
	return &p->rates;
}

static int64_t
known_or(int64_t rate, int64_t otherwise)
{
	return rate == MONEY_UNKNOWN ? otherwise : rate;
}

/* Tokens that are free cost nothing however many they are. */
static int64_t
part(int64_t rate, int64_t tokens)
{
	if (rate == 0)
		return 0;
	return tokens < 0 ? MONEY_UNKNOWN : money_mul(rate, tokens);
}

/* Fractions of a picodollar are billed whole. */
static int64_t
in_batch(const struct price *p, int64_t cost)
{
	if (cost == MONEY_UNKNOWN || cost == MONEY_MAX)
		return cost;
	return cost - cost / 100 * p->batch_percent -
	    cost % 100 * p->batch_percent / 100;
}

static int64_t
add_capped(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t
or_none(int64_t tokens)
{
	return tokens < 0 ? 0 : tokens;
}

int64_t
price_cost(const struct price *p, const struct usage *u, int64_t utc_ms,
    bool batch)
{
	int64_t cached = or_none(u->cached), write = or_none(u->cache_write);
	int64_t prompt = u->prompt, plain, cost;
	const struct price_rates *r;

	if (!price_known(p))
		return MONEY_UNKNOWN;
	if (prompt >= 0 && cached > prompt)
		prompt = add_capped(prompt, cached);
	plain = prompt < 0 ? -1 : or_none(prompt - cached - write);

	r = rates_at(p, prompt, utc_ms);
	cost = part(r->input, plain);
	cost = money_add(cost, part(known_or(r->cached, r->input), cached));
	cost = money_add(cost, part(known_or(r->cache_write, r->input), write));
	cost = money_add(cost, part(r->output, u->completion));
	cost = money_add(cost, p->per_request);
	return batch ? in_batch(p, cost) : cost;
}

static int64_t
worst_at(const struct price_rates *r, int64_t prompt, int64_t output)
{
	int64_t input = r->input;

	if (known_or(r->cache_write, input) > input)
		input = r->cache_write;
	return money_add(part(input, prompt), part(r->output, output));
}

int64_t
price_worst(const struct price *p, int64_t prompt_tokens,
    int64_t max_output_tokens, int samples, int64_t utc_ms, bool batch)
{
	int64_t output = max_output_tokens, cost, peak;

	if (!price_known(p))
		return MONEY_UNKNOWN;
	if (output <= 0)
		output = p->max_output;
	if (output > 0 && __builtin_mul_overflow(output, samples, &output))
		output = INT64_MAX;
	cost = worst_at(rates_at(p, prompt_tokens, add_capped(utc_ms, DAY_MS)),
	    prompt_tokens, output);
	if (has_windows(p)) {
		peak = worst_at(&p->window_rates, prompt_tokens, output);
		/* An unknown is the least of all numbers. */
		if (cost != MONEY_UNKNOWN && peak > cost)
			cost = peak;
	}
	cost = money_add(cost, p->per_request);
	return batch ? in_batch(p, cost) : cost;
}

const char *
price_vendor_of_host(struct str host)
{
	if (str_ends(host, "."))
		host.n--; /* the root of the DNS */
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		size_t n = strlen(hosts[i].host);
		bool any = hosts[i].host[0] == '.';

		if (any ? host.n <= n : host.n != n)
			continue;
		if (str_is_nocase(str_sub(host, host.n - n, n), hosts[i].host))
			return hosts[i].vendor;
	}
	return NULL;
}

static const struct price *
find_exact(struct str vendor, struct str model)
{
	for (size_t i = 0; i < ROWS; i++)
		if (str_is(model, table[i].model) &&
		    str_is(vendor, table[i].provider))
			return &table[i];
	return NULL;
}

static const struct price *
find_alias(struct str vendor, struct str model)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (str_is(model, aliases[i].name) &&
		    str_is(vendor, aliases[i].provider))
			return find_exact(vendor, str_of(aliases[i].model));
	return NULL;
}

/* '#' in a pattern is any digit. */
static bool
ends_like(struct str s, const char *pattern)
{
	size_t n = strlen(pattern);

	if (s.n <= n)
		return false;
	s = str_sub(s, s.n - n, n);
	for (size_t i = 0; i < n; i++) {
		bool digit = s.p[i] >= '0' && s.p[i] <= '9';

		if (pattern[i] == '#' ? !digit : s.p[i] != pattern[i])
			return false;
	}
	return true;
}

/* The model's name without its version suffix; itself if it has none. */
static struct str
without_version(struct str model)
{
	/* Month and day, or year and month: -8192 is no date. */
	static const char *const patterns[] = {
		"-latest", "-####-##-##", "-20######",
		"-0###", "-10##", "-11##", "-12##", "-2###", "-00#",
	};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (ends_like(model, patterns[i]))
			return str_sub(model, 0,
			    model.n - strlen(patterns[i]));
	return model;
}

static const struct price *
find_newest(struct str vendor, struct str model)
{
	const struct price *newest = NULL;

	for (size_t i = 0; i < ROWS; i++) {
		struct str row = str_of(table[i].model);

		/* Rows are sorted, so of two dates the later comes later. */
		if (str_is(vendor, table[i].provider) &&
		    str_eq(without_version(row), model))
			newest = &table[i];
	}
	return newest;
}

/* Steps 1 to 4 of price_find(). */
static const struct price *
find_own(struct str vendor, struct str model)
{
	struct str bare = without_version(model);
	const struct price *p = find_exact(vendor, model);

	if (!p)
		p = find_alias(vendor, model);
	if (!p && bare.n < model.n)
		p = find_exact(vendor, bare);
	if (!p && (bare.n == model.n || str_ends(model, "-latest")))
		p = find_newest(vendor, bare);
	return p;
}

/* claude-3.5-haiku, as resellers write it, is claude-3-5-haiku. */
static const struct price *
find_dashed(struct str vendor, struct str model)
{
	char name[64];

	if (model.n > sizeof(name))
		return NULL;
	for (size_t i = 0; i < model.n; i++)
		name[i] = model.p[i] == '.' ? '-' : model.p[i];
	return find_own(vendor, (struct str){ name, model.n });
}

static const struct price *
find_resold(const struct reseller *r, struct str model)
{
	struct str maker = str_of(r->maker);
	const struct price *p;

	model = str_sub(model, strlen(r->prefix), model.n);
	if (str_ends(model, ":free"))
		model.n -= strlen(":free");
	p = find_own(maker, model);
	if (!p && str_is(maker, "anthropic"))
		p = find_dashed(maker, model);
	return p;
}

const struct price *
price_find(struct str vendor, struct str model)
{
	const struct price *p;

	if (vendor.n == 0 || model.n == 0)
		return NULL;
	p = find_own(vendor, model);
	for (size_t i = 0; !p && i < sizeof(resellers) / sizeof(resellers[0]);
	     i++)
		if (str_is(vendor, resellers[i].vendor) &&
		    str_starts(model, resellers[i].prefix))
			p = find_resold(&resellers[i], model);
	return p;
}

static bool
has_words(const char *name, struct str search)
{
	while (search.n > 0) {
		struct str word;
		char needle[64];

		str_cut(&search, ' ', &word);
		if (word.n >= sizeof(needle))
			return false;
		snprintf(needle, sizeof(needle), "%.*s", STR_ARG(word));
		if (!str_has_nocase(str_of(name), needle))
			return false;
	}
	return true;
}

const struct price *
price_each(size_t *i, struct str search)
{
	while (*i < ROWS) {
		const struct price *p = &table[(*i)++];
		char name[128];

		snprintf(name, sizeof(name), "%s/%s", p->provider, p->model);
		if (has_words(name, search))
			return p;
	}
	return NULL;
}

const char *
price_status_name(enum price_status s)
{
	switch (s) {
	case MODEL_ACTIVE:     return "active";
	case MODEL_PREVIEW:    return "preview";
	case MODEL_ALIAS:      return "alias";
	case MODEL_LEGACY:     return "legacy";
	case MODEL_DEPRECATED: return "deprecated";
	case MODEL_SHUT_DOWN:  return "shut down";
	case MODEL_HISTORICAL: return "historical";
	}
	return "";
}

const char *
price_can_name(enum price_can c)
{
	switch (c) {
	case CAN_UNKNOWN: return "unknown";
	case CAN_YES:     return "yes";
	case CAN_NO:      return "no";
	case CAN_IF:      return "conditional";
	}
	return "";
}

bool
price_is_gone(const struct price *p, int64_t utc_ms)
{
	int64_t today;
	char day[32];

	if (p->status == MODEL_SHUT_DOWN || p->status == MODEL_HISTORICAL)
		return true;
	if (!p->shutdown) /* a calendar reads the machine's time zone */
		return false;
	today = day_of(utc_ms);
	snprintf(day, sizeof(day), "%04lld-%02lld-%02lld",
	    (long long)(today / 10000), (long long)(today / 100 % 100),
	    (long long)(today % 100));
	return strcmp(p->shutdown, day) <= 0;
}
