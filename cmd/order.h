/*
 * order.h -- lines that come in any order, let through in theirs.
 */
#ifndef CMD_ORDER_H
#define CMD_ORDER_H

#include "base/err.h"
#include "base/str.h"

struct order; /* opaque */

/* How far ahead of the first line that is missing a line may be. */
#define ORDER_WINDOW 4096
/* When more than this waits, order_limit() lets nothing new in. What is under
 * way then still comes: so much and one line for each task in flight is the
 * most that is held, however long a straggler takes. */
#define ORDER_BYTES ((size_t)64 << 20)

struct order *order_new(void); /* NULL: out of memory */
void order_free(struct order *o);
/* Line number `seq` (from 0, each once) is `line`, which is copied; append to
 * *ready what is now due, whole. seq was below order_limit() when the line was
 * asked for. */
int order_put(struct order *o, int64_t seq, struct str line,
    struct buf *ready, struct err *e);
/* The first number that is too far ahead now. */
int64_t order_limit(const struct order *o);
/* Everything that waits, in order, whatever is missing before it. */
void order_flush(struct order *o, struct buf *ready);

#endif
