/*
 * price.h -- what models cost: the compiled-in table (prices.def), how a model
 * is found in it, and what a request costs.
 *
 * Rates are picodollars per token: USD per million tokens x 1,000,000. A rate
 * that is not known is MONEY_UNKNOWN, never 0. The table is constant; so are
 * the texts that a struct price points to, which makes it free to copy.
 */
#ifndef CASCADE_PRICE_H
#define CASCADE_PRICE_H

#include "base/money.h"
#include "base/str.h"

/* Picodollars per token. Of the last three an unknown one is billed as
 * `input`. `cache_write_1h` is for showing: its tokens are not told apart. */
struct price_rates {
	int64_t input, output;
	int64_t cached, cache_write, cache_write_1h;
};

enum price_can {
	CAN_UNKNOWN = 0,
	CAN_YES,
	CAN_NO,
	CAN_IF, /* only under struct price's `condition` */
};

enum price_status {
	MODEL_ACTIVE = 0,
	MODEL_PREVIEW,
	MODEL_ALIAS,      /* another name of a model that has its own row */
	MODEL_LEGACY,     /* served, but no longer recommended */
	MODEL_DEPRECATED, /* served until its shutdown date */
	MODEL_SHUT_DOWN,
	MODEL_HISTORICAL, /* a price of the past, for old papers and traces */
};

struct price_window {
	int from_min, to_min; /* minutes of a UTC day: [from, to) */
};
#define PRICE_WINDOWS 2

struct price {
	const char *provider, *model;
	struct price_rates rates;
	int64_t per_request;  /* picodollars on top of each request, mostly 0 */
	int batch_percent;    /* taken off all of a batch; 0: none known */
	int64_t context, max_output; /* tokens; -1: unknown */
	enum price_can logprobs;
	enum price_can temperature; /* any value but the default */
	const char *condition; /* of CAN_IF, such as "reasoning_effort=none" */
	enum price_status status;
	const char *shutdown; /* "2027-01-14"; NULL: none is known */
	const char *as_of;    /* date of the source; NULL: unconfirmed */

	/* For the whole of a request whose prompt has this many tokens or
	 * more. 0: there is no such price. */
	int64_t long_from;
	struct price_rates long_rates;

	/* Every day in these windows, but not on Saturdays and Sundays in
	 * Beijing (UTC+8). An empty window ends the list. */
	struct price_window window[PRICE_WINDOWS];
	struct price_rates window_rates;

	/* From this UTC day on, as 20270101. 0: no change is known. */
	int later_from;
	struct price_rates later_rates;
};

/* Billed tokens of one whole request; -1: the server did not say. As at OpenAI
 * `prompt` includes the two after it, and `completion` the reasoning. */
struct usage {
	int64_t prompt, cached, cache_write, completion;
};

/* Nothing is known: the start of a price that the user states. */
struct price price_none(void);
/* Put the user's own rates in place of all others, also of the long-context,
 * time-of-day and announced ones. */
void price_override(struct price *p, const struct price_rates *r);
/* Input and output rates are known, so a budget can be set. NULL: false. */
bool price_known(const struct price *p);

/*
 * What a request cost that was asked at utc_ms, in picodollars, saturating:
 *
 *	(prompt - cached - cache_write) x input + cached x cached rate +
 *	cache_write x cache-write rate + completion x output
 *
 * so that each input token is billed at one rate. The first factor is never
 * negative. Where `cached` exceeds `prompt` the server does not count the one
 * in the other (xAI): the whole prompt is their sum. `cached` and
 * `cache_write` of -1 are 0. MONEY_UNKNOWN if p is NULL, if the input or the
 * output rate is unknown, or if `prompt` or `completion` is -1 where tokens
 * are not free. Give the usage of the whole request: of several choices the
 * first alone bears the input, and with it what makes a prompt long.
 */
int64_t price_cost(const struct price *p, const struct usage *u,
    int64_t utc_ms, bool batch);

/*
 * The most that a request of at most prompt_tokens and `samples` (>= 1)
 * answers of at most max_output_tokens can cost if it is processed within 24
 * hours from utc_ms: nothing is read from a cache, all of the prompt is
 * written to one where that costs more, and the dearest time of day comes. For
 * max_output_tokens <= 0 the model's own limit is taken. MONEY_UNKNOWN if a
 * rate or that limit is unknown.
 */
int64_t price_worst(const struct price *p, int64_t prompt_tokens,
    int64_t max_output_tokens, int samples, int64_t utc_ms, bool batch);

/* Who sells at this host, as the table calls them (or "openrouter", which has
 * no rows of its own); NULL: nobody the table knows. Regional hosts are not
 * known: some charge more. */
const char *price_vendor_of_host(struct str host);

/*
 * The row of a model at a vendor (of price_vendor_of_host), or NULL. In order:
 *
 *	1. provider and model exactly;
 *	2. a further name of a row (the aliases in prices.def);
 *	3. the model without its version suffix (-2024-07-18, -20241022, -0613,
 *	   -2411, -001, -latest): gpt-4o-mini-2024-07-18 is gpt-4o-mini;
 *	4. for a model without one, or with -latest, the newest row that is the
 *	   same without its own: claude-3-5-haiku is claude-3-5-haiku-20241022;
 *	5. steps 1 to 4 for what follows the maker's name where a vendor
 *	   resells at the maker's prices: openai/gpt-4o-mini at openrouter.
 *	   There ":free" is dropped (the price is then an upper bound) and
 *	   claude-3.5-haiku is claude-3-5-haiku.
 *
 * A vendor's price is never given to another one, and an empty vendor (an
 * unknown host, or loopback) has none: there the configuration must say it.
 */
const struct price *price_find(struct str vendor, struct str model);

/*
 * Every row in order of provider and model whose "provider/model" has each
 * word of `search` in it, in any case of letters. *i starts at 0. NULL: the
 * end.
 */
const struct price *price_each(size_t *i, struct str search);

/* "active", "shut down", ... and "unknown", "yes", "no", "conditional". */
const char *price_status_name(enum price_status s);
const char *price_can_name(enum price_can c);
/* No longer served on the day of utc_ms: by its status, or since its shutdown
 * date has come. */
bool price_is_gone(const struct price *p, int64_t utc_ms);

#endif
