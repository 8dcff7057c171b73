/*
 * ordered.h -- results on their way out in the order of the tasks: what the
 * commands share that give them so.
 */
#ifndef CMD_ORDERED_H
#define CMD_ORDERED_H

#include "cmd/order.h"
#include "cmd/output.h"
#include "cmd/runner.h"

struct ordered {
	struct order *order; /* NULL: results go out as they come */
	struct output *out;  /* borrowed */
};

/* `held`: the configuration's limit. What waits in a file does so beside that
 * of `out`, which outlives this. */
int ordered_open(struct ordered *o, struct output *out, size_t held,
    struct err *e);
void ordered_close(struct ordered *o);

/* Result number `seq` (from 0, each once). It goes out, and with it some of
 * what has waited for it, now or in turns to come: a whole temporary file may
 * wait for one result, and the loop must not stand still for so long. That no
 * more can be held back is said on standard error, once. */
int ordered_put(struct ordered *o, int64_t seq, struct str text,
    struct err *e);
/* In each turn of the loop, before the turn's results are written. `idle`: nothing
 * is under way. Results wait for their turn or for a commit, and while nothing is
 * written nobody would be told that the reader of a pipe is gone, and each further
 * result costs money: it is looked for here. */
int ordered_turn(struct ordered *o, bool idle, struct err *e);

/*
 * What is still due, after runner_run() of `r` (`why`: how that failed, or
 * NULL). What comes after a missing result stays where the next run finds it,
 * in the store: so the output is in order, and nothing is missing in it, at any
 * time. Where that store keeps nothing it goes out all the same, for it has been
 * paid for; with r NULL, always.
 */
int ordered_finish(struct ordered *o, struct runner *r, const struct err *why,
    struct err *e);

/* Results that wait, after ordered_finish(): in the store. */
int64_t ordered_waiting(const struct ordered *o);
/* One line, if something waited in a file. */
void ordered_say(const struct ordered *o);

#endif
