/*
 * provider.h -- how a model is asked: one interface, one file a wire format.
 *
 * A wire format turns a request into bytes and a reply's bytes into
 * completions; it does no I/O. providers/http.h carries the bytes. A new
 * provider is one file with one `struct provider_ops` and one line in
 * providers/registry.c.
 */
#ifndef PROVIDERS_PROVIDER_H
#define PROVIDERS_PROVIDER_H

#include "base/arena.h"
#include "base/completion.h"
#include "base/err.h"
#include "base/secret.h"
#include "providers/limits.h"

struct provider_ops;

enum tristate { UNSET = 0, YES, NO };

enum auth_style {
	AUTH_UNSET = 0, /* by the host: api-key at Azure, else bearer */
	AUTH_BEARER,    /* Authorization: Bearer KEY */
	AUTH_API_KEY,   /* api-key: KEY (Azure) */
	AUTH_NONE,
};

enum limit_field {
	LIMIT_UNSET = 0, /* by the host */
	LIMIT_MAX_TOKENS,
	LIMIT_MAX_COMPLETION_TOKENS,
};

enum logprobs_style {
	LOGPROBS_BOOLEAN = 0, /* "logprobs": true */
	LOGPROBS_INTEGER,     /* "logprobs": 1 (Together) */
};

enum key_source { KEY_NONE = 0, KEY_ENV, KEY_FILE, KEY_CMD };

struct header_line {
	struct str name, value;
};

/* One entry under `providers:`. Plain data, filled by the configuration. */
struct provider {
	struct str name;
	const struct provider_ops *ops;
	struct str url;  /* base, such as https://api.openai.com/v1 */
	struct str host; /* of url, lower case, without the port */
	enum key_source key_source;
	struct str key_ref; /* variable, file or command */
	enum auth_style auth;
	const char *ca_file; /* PEM: the authorities to trust; NULL: the system's */
	struct header_line *headers; /* further ones; no secrets */
	size_t n_headers;

	/* What the server can do; UNSET is settled by provider_quirks(). */
	enum tristate n;        /* several choices of one request */
	enum tristate logprobs;
	enum limit_field limit_field;
	enum logprobs_style logprobs_style;
	bool random_seed;       /* "random_seed" instead of "seed" (Mistral) */

	int64_t requests_per_minute, tokens_per_minute; /* 0: no limit */
	int64_t max_in_flight;  /* 0: no limit of its own */
	int64_t connect_timeout_ms, timeout_ms, idle_timeout_ms;
};

#define PROVIDER_CONNECT_TIMEOUT_MS 10000
#define PROVIDER_TIMEOUT_MS 600000
#define PROVIDER_IDLE_TIMEOUT_MS 300000

/* Fill what is UNSET from what is known of the host and its usual port:
 * OpenAI, Azure, OpenRouter, Together, Groq, Mistral, DeepSeek, xAI, Ollama.
 * Facts, not guesses: what is not known stays careful (n unset: tried once). */
void provider_quirks(struct provider *p);

struct message {
	struct str role; /* "system", "user", "assistant", ... */
	struct str content;
};

/* Sampling settings. What is not set is not sent. */
struct sampling {
	bool has_temperature, has_top_p, has_seed;
	bool has_presence_penalty, has_frequency_penalty;
	double temperature;        /* 0 .. 2 */
	double top_p;              /* 0 .. 1 */
	double presence_penalty, frequency_penalty; /* -2 .. 2 */
	int64_t seed;              /* of sample 0; sample k is asked with seed + k */
	int64_t max_tokens;        /* 0: not set */
	struct str *stop;          /* at most 4 */
	size_t n_stop;
	struct str reasoning_effort; /* empty: not set */
	struct str response_format; /* canonical JSON, empty: not set */
	struct str extra;          /* canonical JSON object of further members of
	                              the request, passed on as they are */
	bool logprobs;             /* a scorer needs them */
};

struct model_request {
	const struct provider *provider;
	struct str model; /* without the provider */
	const struct message *messages;
	size_t n_messages;
	const struct sampling *sampling;
	int first; /* number of the first sample wanted */
	int n;     /* samples wanted of this one request, >= 1 */
};

/*
 * What became of a request: the six actions of errors-and-retries, and
 * success. See providers/outcome.h for the table.
 */
enum outcome {
	OUTCOME_OK = 0,
	OUTCOME_RETRY, /* the same again after a backoff */
	OUTCOME_WAIT,  /* the same again after the server's time; all wait */
	OUTCOME_NEXT,  /* this tier cannot answer this task now */
	OUTCOME_FAIL,  /* this task cannot be answered */
	OUTCOME_TIER,  /* no request of this tier would do */
	OUTCOME_STOP,  /* no request of this provider would do */
};
const char *outcome_name(enum outcome o);

/* What an outcome brings with it besides. */
#define ACTION_HALVE_RATE (1u << 0) /* WAIT: halve the rate for 15 minutes */
#define ACTION_FEWER      (1u << 1) /* RETRY: with fewer requests at once */
#define ACTION_SLOW       (1u << 2) /* RETRY: after a longer backoff */
#define ACTION_ODD        (1u << 3) /* FAIL: three in a row, of different tasks,
                                       mean that the tier is of no use */
#define ACTION_BILLED     (1u << 4) /* it may have been billed */
#define ACTION_THEN_FAIL  (1u << 5) /* RETRY: once there are no more, the task
                                       has failed; no other tier is at fault */

struct reply {
	enum outcome outcome;
	struct completion *c;  /* arena memory; text, tokens, finish, usage */
	size_t n;              /* > 0 exactly when OUTCOME_OK; may be fewer than
	                          were asked for */
	bool broken;           /* a choice was left out, being no whole answer */
	bool n_refused;        /* outcome RETRY: ask again with n = 1, at once */
	int64_t charged_picousd; /* what the server says the whole request cost,
	                          also of a failed one; else MONEY_UNKNOWN */
	bool has_usage;        /* no answer, but the server says what it took: */
	int64_t prompt_tokens, cached_tokens, cache_write_tokens,
	    completion_tokens; /* as in struct completion */
	int status;            /* HTTP; 0: none came */
	struct str code;       /* error code or type as the server named it, or a
	                          word of ours: "timeout", "connect", "not_json" */
	struct str message;    /* one line, bounded, made visible, redacted */
	int64_t wait_ms;       /* the server's wish, 0 to LIMITS_MOST_MS; -1: none.
	                          Not bounded by what is sensible */
	int most_retries;      /* of this kind of failure; -1: as configured */
	unsigned also;         /* ACTION_... */
	bool maybe_billed;     /* ACTION_BILLED is in `also`: it may have run
	                          although no answer came */
};

/* A request as bytes. The caller owns the buffers. */
struct wire {
	struct buf url;
	struct buf body;
};

/* An answer as it came. Borrowed by parse(). */
struct wire_reply {
	int status;            /* 0: none, see failure */
	struct str body;
	bool truncated;        /* longer than allowed, or cut by the server */
	const char *failure;   /* libcurl's words when status is 0 or the transfer
	                          broke; else NULL */
	const char *failure_code; /* a row of outcome_of_transfer(): "dns",
	                          "connect", "tls", "certificate", "url",
	                          "timeout", "cut_off", "bad_encoding",
	                          "too_long", "network" */
	bool sent;             /* the request may have been processed */
	int64_t retry_after_ms; /* of the headers; -1: none */
	bool should_not_retry; /* x-should-retry: false */
	struct limits limits;  /* of the headers; look at `any` first: without
	                          it the rest is not set */
};

#define PROVIDER_OFFLINE   (1u << 0) /* needs no url and no network */
#define PROVIDER_SIMULATED (1u << 1) /* answers come from simulate() */
#define PROVIDER_RECORDED  (1u << 2) /* answers come from traces only */

struct provider_ops {
	const char *name;    /* as written after `api:` */
	const char *summary; /* one line for `frugal models` and the manual */
	const char *default_url; /* NULL: `url` is required */
	unsigned flags;

	/* Bytes of a request. Never contains the key. */
	int (*build)(const struct model_request *q, struct wire *out,
	    struct err *e);
	/* Bytes of an answer, of whatever kind, into *out in arena memory. Text
	 * of the server is hostile: bounded, validated, mended. -1: no memory. */
	int (*parse)(const struct model_request *q, const struct wire_reply *w,
	    struct arena *a, struct reply *out, struct err *e);

	/* PROVIDER_SIMULATED: an answer and how long it would have taken. */
	int (*simulate)(const struct model_request *q, struct arena *a,
	    struct reply *out, int64_t *latency_ms, struct err *e);
};

extern const struct provider_ops *const provider_registry[]; /* NULL-ended */
const struct provider_ops *provider_find(struct str api);

/* A base URL taken apart; the texts are borrowed from it. */
struct url_parts {
	bool https;
	bool userinfo;   /* it has a user or a password in it */
	struct str host; /* as written, [::1] with its brackets */
	struct str port; /* digits; empty: the scheme's usual one */
};
/* False: not an http or https URL with a plain host. Strict on purpose: what
 * another reader of URLs could take for a different host is refused. */
bool provider_url_parse(struct str url, struct url_parts *out);

/* The key, to be wiped by the caller with secret_wipe(); empty if KEY_NONE. */
int provider_key(const struct provider *p, struct secret *out, struct err *e);
/* The server is this machine: asked directly, for a proxy of the environment
 * could not reach it, and would see the key. */
bool provider_is_local(const struct provider *p);
/* Refuse to send a key over plain http to any host but loopback. */
int provider_url_check(const struct provider *p, struct err *e);

#endif
