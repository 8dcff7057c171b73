/*
 * calls_internal.h -- shared by calls.c (the life of a call), calls_queue.c
 * (who is sent when) and calls_keep.c (the store, and what others ask).
 *
 * A call is one HTTP request, its retries included, for some samples of one
 * key:
 *
 *   QUEUED    waits for its lane's limits and the budget  -> READY
 *   READY     its worst case is held; it is to be written
 *             down                                        -> SENT, ELSEWHERE
 *   ELSEWHERE another process asks the same               -> QUEUED or gone
 *   SENT      on the network, or being simulated          -> ANSWERED, SLEEPING,
 *                                                            QUEUED or gone
 *   SLEEPING  waits its delay before a retry              -> QUEUED
 *   ANSWERED  its completions wait to be committed        -> gone
 */
#ifndef CASCADE_CALLS_INTERNAL_H
#define CASCADE_CALLS_INTERNAL_H

#include "base/map.h"
#include "base/rand.h"
#include "cascade/calls.h"
#include "cascade/lane.h"

enum call_state {
	CALL_QUEUED, CALL_READY, CALL_ELSEWHERE, CALL_SENT, CALL_SLEEPING,
	CALL_ANSWERED,
	CALL_LEAVING, /* about to be lost */
};

struct call {
	struct call *same;            /* next with the same key */
	struct call *next, **prev;    /* in all calls */
	struct call *queue_next;      /* in its lane, or among the ready */
	struct calls *k;
	struct line *line;
	const struct tier *tier;
	struct arena *arena;          /* owns the call */
	enum call_state state;
	enum outage_rule outage;
	unsigned char key[SHA256_BYTES];
	int64_t version;              /* of the store, when it was looked up */
	struct str canon;
	struct model_request q;
	struct sampling sampling;
	int *samples;                 /* q.n of them, rising */
	struct want *wants;           /* unanswered: to come; answered: rows */
	struct completion *c;         /* of the first n_c samples */
	int64_t *rows;
	size_t n_c;
	struct need need;
	bool held;                    /* the worst case, against the budgets */
	int64_t worst_picousd;
	struct budget *task_budget;   /* of a wanter, held as well; or NULL */
	struct want *payer;           /* whose it is */
	int64_t ask_id;               /* its row; 0: none */
	bool noted;                   /* written down: may be sent */
	int tries;                    /* sent so far */
	struct str last_code;         /* of the failure before, */
	int in_a_row;                 /* and how often it came by now */
	int earlier;                  /* requests before this call was split off */
	int64_t failed_picousd;       /* what failed tries have cost, */
	int64_t booked_picousd;       /* and the part that is a worst case */
	bool charged;                 /* somebody who left has borne that, and what
	                                 was under way: nobody else does */
	struct wire wire;
	struct http_call *http;
	struct http_timer timer;
	struct reply *simulated;
	int64_t asked_utc_ms, sent_ms, until_utc_ms;
};

/* So many show that it is not the requests. */
#define ODD_IN_A_ROW 3

/* What all models of a provider share. */
struct server {
	const struct provider *p;
	struct pace requests, tokens; /* as configured */
	size_t under_way;
	bool one_by_one;              /* the server has no `n` */
	bool stopped, local;
	struct secret key;            /* while requests are in flight */
};

/* One model at a provider: its rules and its queue. */
struct line {
	struct calls *k;
	struct line *next;
	struct server *server;
	struct str model_name;        /* of the configuration */
	struct lane lane;
	struct call *head, **tail;
	size_t queued;
	struct http_timer wake;
	struct str code, message;     /* of the last failure, for those who
	                                 leave a dark lane */
	struct arena *words;          /* theirs */
	int odd;                      /* refusals in a row that look like the
	                                 tier's fault, of different requests */
	unsigned char odd_key[ODD_IN_A_ROW][SHA256_BYTES]; /* those */
};

/* A request that has ended, to be written down. */
struct ending {
	struct ask_end end;
	char code[64];
};

/* A sample that another process had made, to be given after the commit. */
struct found {
	struct found *next;
	struct completion c;
	int64_t row;
	struct want *wants;
	int requests, retries; /* of the call that wanted it, in vain */
	int64_t failed_picousd, booked_picousd;
};

struct calls {
	struct http *h;
	struct calls_ops ops;
	const struct config *cfg;
	struct calls_options o;
	struct map *by_key;
	struct call *all;
	struct server *servers;       /* as cfg->providers */
	size_t n_servers;
	struct line *lines, **lines_tail;
	size_t max_in_flight, in_flight; /* ready or sent */
	size_t alive;                    /* not answered */
	size_t to_keep;
	int64_t oldest_ms;
	struct call *ready, **ready_tail; /* in order */
	struct call *leaving;
	bool pumping, pump_again;
	size_t n_ready, n_elsewhere;
	struct ending *endings;
	size_t n_endings, cap_endings;
	struct found *found;
	struct arena *found_arena;
	struct http_timer look;       /* at what others do */
	bool must_look;
	int64_t look_ms;              /* how long until the next look */
	int64_t version;              /* of the store, as last seen */
	struct budget budget;         /* the run's */
	bool others;                  /* other processes are asking something */
	bool day_full;                /* until the next look */
	bool broke;                   /* to be told after the commit: */
	int64_t broke_worst, broke_held;
	int retries;
	bool stopped;
	struct rng rng;
	struct calls_totals totals;
};

/* calls.c */
struct str call_key(const struct call *c);
/* Out of the tables; its memory goes too. */
void call_end(struct call *c);
/* Tell all who want it that it will not come, and end it. */
void call_lose(struct call *c, enum outcome outcome, struct str code,
    struct str message);
/* The same for a cap. */
void call_lose_budget(struct call *c);
/* Nobody who wants it needs it. */
bool call_is_dispensable(const struct call *c);
/* Send what is written down. */
void call_send(struct call *c);
struct want *want_take(struct want **list, int sample);
void want_push(struct want **list, struct want *w);

/* calls_queue.c */
struct line *line_of(struct calls *k, const struct tier *t);
void line_free(struct line *l);
void call_enqueue(struct call *c, bool in_front);
void call_dequeue(struct call *c); /* wherever it stands */
/* Send what may be sent now, which makes it ready. */
void calls_pump(struct calls *k);
/* It is ready or sent no longer, at this cost (MONEY_UNKNOWN: the worst case
 * stays held). */
void call_release(struct call *c, int64_t cost_picousd);
/* One of its wants is its no longer. */
void call_forget(struct call *c, const struct want *w);
/* A ready call that is not to be sent: everything as before. */
void call_unready(struct call *c);

/* calls_keep.c */
/* The request has ended. */
void call_note_end(struct call *c, enum ask_outcome outcome, int status,
    struct str code, int64_t cost_picousd, bool booked);
void calls_look_soon(struct calls *k);
void calls_send_noted(struct calls *k);

#endif
