/*
 * ledger.h -- what happened: every task, every attempt at a tier, every
 * verdict and its cost. `stats` and `explain` read it. In the same SQLite file
 * as the completions (store.h), which attempts refer to by row number.
 */
#ifndef CACHE_LEDGER_H
#define CACHE_LEDGER_H

#include "cache/store.h"

enum task_status {
	TASK_ACCEPTED = 0, /* a tier's rule accepted it */
	TASK_EXHAUSTED,    /* the last tier's answer, below its own rule */
	TASK_REFUSED,      /* a model or a filter refused, at the last tier asked */
	TASK_FAILED,       /* no answer could be had */
	TASK_BUDGET,       /* a cost cap left nothing for it */
};
const char *task_status_name(enum task_status s);
bool task_status_parse(struct str name, enum task_status *out);

/* How an attempt ended. */
enum attempt_verdict {
	ATTEMPT_ACCEPT = 0,
	ATTEMPT_ESCALATE,    /* the score said so: quality */
	ATTEMPT_REFUSED,     /* the model or a filter refused */
	ATTEMPT_CUT_OFF,     /* the answer was cut off by the token limit */
	ATTEMPT_UNAVAILABLE, /* nobody answered: availability, not quality */
	ATTEMPT_FAILED,      /* the request was wrong for this model or task */
	ATTEMPT_UNKNOWN_IN_CACHE, /* --cache-only, and it is not there */
	ATTEMPT_BUDGET,      /* a cost cap left nothing for it */
};
#define ATTEMPT_VERDICTS 8
const char *attempt_verdict_name(enum attempt_verdict v);

struct ledger_attempt {
	int tier;               /* from 1 */
	struct str model;       /* provider/model */
	int samples;            /* completions that the verdict rests on */
	int cached;             /* of them, how many came out of the store */
	int repairs;
	bool scored;
	double score, score_ln; /* both, with all digits; see scorers/score.h */
	double threshold, threshold_ln;
	struct str scorer;      /* that decided; may be empty */
	enum attempt_verdict verdict;
	struct str reason;
	int64_t cost_picousd;   /* paid now, without what was cached */
	int64_t cached_picousd; /* what the cached part had cost */
	int64_t prompt_tokens, completion_tokens;
	int64_t latency_ms;     /* of the attempt, waiting included */
	int requests, retries;  /* sent over the network for it */
	int fallbacks;          /* endpoints of the tier that did not answer
	                           before the one that did: availability */
	int64_t booked_picousd; /* part of the cost: requests that may have been
	                           billed without an answer, at their worst case */
	const int64_t *rows;    /* the completions (store rows) */
	size_t n_rows;
	int chosen;             /* index in rows, or -1 */
};

struct ledger_task {
	int64_t number;         /* row, set on reading */
	struct str id;
	struct str run;         /* one word for all tasks of one process run */
	struct str cascade;
	struct str source;      /* "run", "batch FILE" */
	struct str prompt;      /* the first KB at most, for `explain` */
	struct str tags;        /* canonical JSON object, or empty */
	enum task_status status;
	int tier;               /* that answered, from 1; 0: none */
	int tiers;              /* of the cascade */
	struct str model;       /* that answered */
	int64_t cost_picousd, cached_picousd;
	int64_t booked_picousd; /* part of the cost, as in an attempt */
	int64_t top_picousd;    /* what the top tier alone would have cost
	                           (estimate, see cascade/engine.h) or unknown */
	int64_t finished_utc_ms, latency_ms;
	bool cached;            /* every completion came out of the store */
	struct str error;       /* "code: message" of a failed task */
	const struct ledger_attempt *attempts;
	size_t n_attempts;
};

/* Inside a transaction of the store. */
int ledger_put(struct store *s, const struct ledger_task *t, struct err *e);

struct ledger_filter { /* zeroed: everything */
	int64_t since_utc_ms, until_utc_ms; /* 0: open */
	struct str cascade, model, run;
	struct str tag_key, tag_value;
};

/* The latest task with this id, with its attempts, in arena memory. `number`
 * instead of id when it is > 0. 1, 0 (no such task), -1. */
int ledger_find(struct store *s, struct str id, int64_t number,
    struct arena *a, struct ledger_task *out, struct err *e);
/* How many tasks have this id, and the newest tasks' ids, for "did you mean". */
int ledger_recent(struct store *s, int limit, struct arena *a,
    struct ledger_task **out, size_t *n, struct err *e);

enum ledger_group {
	LEDGER_BY_TIER, LEDGER_BY_CASCADE, LEDGER_BY_MODEL, LEDGER_BY_TAG,
	LEDGER_BY_DAY, /* local days */
	LEDGER_TOTAL,  /* one row for everything */
};

#define LEDGER_BINS 10
struct ledger_stats { /* one group */
	struct str group;       /* "math 1 local/qwen" for tiers; borrowed in `each` */
	struct str cascade, model;
	int tier;               /* LEDGER_BY_TIER, else 0 */
	int64_t tasks;          /* that came here */
	int64_t by_status[5];   /* of tasks that ended here, by enum task_status */
	int64_t by_verdict[ATTEMPT_VERDICTS];  /* attempts, by enum attempt_verdict */
	int64_t completions, cached_completions, repairs, requests, retries, fallbacks;
	int64_t cost_picousd;   /* paid; known costs only */
	int64_t unknown_cost;   /* attempts whose cost is unknown */
	int64_t top_picousd;    /* of the tasks where it is known */
	int64_t top_paid_picousd; /* what those same tasks cost, cached part at
	                             its original price: cascade saving is
	                             top - top_paid */
	int64_t top_known;      /* tasks where it is known */
	int64_t cached_picousd; /* saved by the cache */
	int64_t prompt_tokens, completion_tokens;
	int64_t latency_p50_ms, latency_p95_ms; /* of what was not all cached; -1 */
	int64_t bins[LEDGER_BINS]; /* scores: [0,.1) ... [.9,1] */
};
/* LEDGER_BY_TAG needs filter->tag_key. Groups come in a useful order (tiers
 * upwards, days forwards, else most tasks first). */
int ledger_stats(struct store *s, const struct ledger_filter *f,
    enum ledger_group by, bool (*each)(void *cookie,
    const struct ledger_stats *g), void *cookie, struct err *e);
/* The reasons of escalation under a filter, most frequent first: scorer and
 * verdict with a count. */
int ledger_reasons(struct store *s, const struct ledger_filter *f,
    bool (*each)(void *cookie, struct str cascade, int tier,
    enum attempt_verdict v, struct str scorer, int64_t count), void *cookie,
    struct err *e);

#endif
