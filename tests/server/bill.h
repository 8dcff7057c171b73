/*
 * bill.h -- what the server charges, to the picodollar: prices by model, and
 * what was charged for answers that arrived and for those that did not.
 *
 * A request is charged as soon as its model ran (`charged`), and settled once
 * when its connection is done with it: `answered` when the last byte of an
 * answer that tells the usage was written, else `unanswered`. In between it is
 * in flight: charged = answered + unanswered + in flight.
 */
#ifndef TESTS_SERVER_BILL_H
#define TESTS_SERVER_BILL_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#define BILL_MODELS 64 /* further ones are charged together */

struct bill_sum {
	int64_t requests, choices;
	int64_t prompt, completion; /* tokens */
	int64_t picousd;
};

struct bill_line {
	char name[96];
	int64_t in_price, out_price; /* picodollars for a token */
	struct bill_sum charged, answered, unanswered;
};

struct bill {
	struct bill_line v[BILL_MODELS + 1]; /* the last: all others */
	size_t n;
};

/* What one request is charged for. */
struct charge {
	bool ran;         /* the model ran, so there is something to pay */
	bool told;        /* the answer, if it arrives, says the usage */
	uint64_t body;    /* hash of the request's body */
	size_t line;      /* in the bill */
	int64_t prompt, completion, choices;
};

/* "MODEL=IN,OUT": picodollars for a token. */
int bill_price(struct bill *b, const char *text, struct err *e);

void bill_charge(struct bill *b, struct str model, struct charge *c);
void bill_settle(struct bill *b, const struct charge *c, bool answered);

/* Members of the object that is open. */
void bill_json(const struct bill *b, struct jw *w);
void bill_json_models(const struct bill *b, struct jw *w);
void bill_reset(struct bill *b); /* the sums; prices stay */

#endif
