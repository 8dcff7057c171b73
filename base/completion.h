/*
 * completion.h -- one sampled answer of a model, as plain data.
 *
 * The one word of frugal's own trade in base/: providers make completions, the
 * cache keeps them and scorers read them, and those three do not know one
 * another. No behaviour here but names.
 */
#ifndef BASE_COMPLETION_H
#define BASE_COMPLETION_H

#include "base/str.h"

/* Why the model stopped. */
enum finish {
	FINISH_STOP = 0, /* the answer is complete */
	FINISH_LENGTH,   /* cut off by a token limit */
	FINISH_REFUSED,  /* refused by the model or by a content filter */
	FINISH_TOOL,     /* wants to call a tool; its text may be empty */
	FINISH_OTHER,    /* something this program has no name for */
};
const char *finish_name(enum finish f); /* "stop", "length", ... */
bool finish_parse(struct str name, enum finish *out);

/* Below this the log-probability of a token means "nothing was measured"
 * (-9999.0 at OpenAI and vLLM, -3.4e38 at llama.cpp): it is kept as this. */
#define LOGPROB_FLOOR (-9999.0)

struct token {
	uint32_t from, to; /* bytes of the text it stands for */
	double logprob;    /* natural log, in [LOGPROB_FLOOR, 0] */
};

/* What the same model said when it was asked whether its answer is right. */
struct verified {
	double ln;            /* of the probability of yes, in
	                         [LOGPROB_FLOOR, 0] */
	int64_t cost_picousd; /* of that call; MONEY_UNKNOWN without a price */
};

struct completion {
	struct str text;    /* well-formed UTF-8; empty if there was none */
	/* The extracted answer (bytes of text, or a recorded one). has_answer
	 * is false where nothing matched; filled by the engine, not stored. */
	struct str answer;
	bool has_answer;
	enum finish finish;
	struct str model;   /* the model that answered, as the server named it */
	const struct token *tokens; /* NULL: no log-probabilities */
	size_t n_tokens;
	/* The tokens are those of the answer alone, not of the whole text. */
	bool tokens_of_answer;
	/* NULL: it was not asked. Recorded answers alone have it. */
	const struct verified *verified;
	/* Billed tokens; -1 where the server did not say. Input is in exactly
	 * one of the three: prompt_tokens counts all of it. Of several choices
	 * of one request the first bears the input. */
	int64_t prompt_tokens, cached_tokens, cache_write_tokens;
	int64_t completion_tokens, reasoning_tokens;
	int64_t cost_picousd; /* MONEY_UNKNOWN without a price */
	int64_t latency_ms;   /* of the request that brought it */
	int64_t asked_utc_ms;
};

#endif
