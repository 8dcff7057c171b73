/*
 * script.h -- the rules that say how the server behaves; their format is
 * described in testserver.c.
 */
#ifndef TESTS_SERVER_SCRIPT_H
#define TESTS_SERVER_SCRIPT_H

#include "base/arena.h"
#include "base/err.h"
#include "tests/server/chat.h"

enum fault {
	FAULT_NONE = 0,
	FAULT_RESET_BEFORE,
	FAULT_RESET_AFTER_HEADERS,
	FAULT_TRUNCATE,
	FAULT_SILENCE,
	FAULT_DRIP,
	FAULT_DRIP_HEAD,
	FAULT_STALL,
	FAULT_BAD_CHUNK,
	FAULT_CUT_CHUNK,
	FAULT_BAD_JSON,
	FAULT_GARBAGE,
	FAULT_CLOSE_AFTER_REQUEST,
	FAULT_REFUSE,
	FAULT_GOAWAY,
};
const char *fault_name(enum fault f);
bool fault_is_silent(enum fault f); /* not a byte of the answer is sent */
bool fault_is_harmless(enum fault f); /* the answer arrives whole */

enum logprobs_form {
	FORM_AS_ASKED = 0, /* by the type of the request's `logprobs` */
	FORM_OPENAI,
	FORM_TOGETHER,
	FORM_NONE,
};

/* `reply`, the answer of a model. Zeroed, it is the default one. */
struct script_reply {
	struct str *texts; /* said one after the other, again and again */
	size_t n_texts, next_text;
	struct str finish; /* empty: "stop" */
	enum logprobs_form form;
	struct str *logprobs; /* of the tokens, as JSON; the last one goes on */
	size_t n_logprobs;
	struct str refusal;
	bool has_refusal, null_content;
	bool no_choices, empty_choices;
	struct str usage;  /* JSON, instead of the counted one */
	bool no_usage;
	int64_t usage_prompt, usage_completion; /* of that JSON */
	struct str cost;   /* as JSON; empty: none */
	struct str model;  /* empty: as asked */
};

struct rule {
	int line; /* in the script */
	struct str model, contains, path; /* empty: any */
	int64_t come;    /* that this body came so often before; -1: any */
	double chance;  /* that it fits after all; 1: always */
	int64_t nth;   /* 0: any */
	int64_t seen;  /* requests that the rest of the match fitted */
	int64_t times; /* as written; -1: no end */
	int64_t left;
	int64_t status; /* 0: the usual one */
	struct str headers; /* lines */
	bool has_type; /* a content type is among them */
	bool closes;
	struct str body;
	bool has_body, body_is_json;
	int64_t delay_ms; /* -1: the server's */
	int64_t drip_ms;
	enum fault fault;
	bool ignore_n;
	bool billed, not_billed; /* as the rule says; else by the fault */
	bool chunked, gzip, echo_key;
	int64_t bomb_mb;      /* 0: none */
	int64_t size;         /* the least of a body, in bytes */
	int64_t blanks;       /* before it */
	int64_t many_headers, long_header; /* number, bytes */
	bool has_retry_date;
	int64_t retry_date_s; /* from now; may be in the past */
	int64_t clock_s;      /* how much the server's clock is fast */
	struct script_reply reply;
};

struct script {
	struct arena *arena;
	struct rule *rules;
	size_t n;
};

/* -1: *e says "line N: ...". path NULL: no rules. */
int script_load(struct script *s, const char *path, struct err *e);
void script_release(struct script *s);

/* The rule that answers this request, having counted it; or NULL. The body came
 * `came` times before; `draw` is random and decides on the rules with a chance,
 * each on its own. */
struct rule *script_match(struct script *s, struct str path,
    const struct chat *c, int64_t came, uint64_t draw);
/* Every rule as it was at the start. */
void script_rewind(struct script *s);

#endif
