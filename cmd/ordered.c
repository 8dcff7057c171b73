/*
 * ordered.c -- results on their way out in the order of the tasks.
 */
#include "cmd/ordered.h"

/* Bytes that are let through in a turn of the loop, and after each result that
 * is put: more than came in. */
#define A_TURN ((size_t)8 << 20)
#define AFTER(n) (2 * (n) + ((size_t)64 << 10))

int
ordered_open(struct ordered *o, struct output *out, size_t held,
    struct err *e)
{
	o->out = out;
	o->order = order_new(held, output_path(out));
	return o->order ? 0 : err_nomem(e);
}

void
ordered_close(struct ordered *o)
{
	order_free(o->order);
	o->order = NULL;
}

/* 1: there may be more; 0: nothing more is due; -1. */
static int
let_through(struct ordered *o, size_t most, struct err *e)
{
	struct err full;
	struct str line;
	size_t n = 0;
	int rc = 1;

	if (order_trouble(o->order, &full))
		say("%s; no new tasks are begun until the result comes that "
		    "the others wait for", full.msg);
	while (n < most && (rc = order_next(o->order, &line, e)) > 0) {
		n += line.n + 1; /* some are empty */
		if (output_add(o->out, line, e) < 0)
			return -1;
	}
	return rc;
}

int
ordered_put(struct ordered *o, int64_t seq, struct str text, struct err *e)
{
	if (!o->order)
		return output_add(o->out, text, e);
	if (order_put(o->order, seq, text, e) < 0)
		return -1;
	return let_through(o, AFTER(text.n), e) < 0 ? -1 : 0;
}

int
ordered_turn(struct ordered *o, bool idle, struct err *e)
{
	if (o->order && let_through(o, idle ? SIZE_MAX : A_TURN, e) < 0)
		return -1;
	return output_reader(o->out, e);
}

int
ordered_finish(struct ordered *o, struct runner *r, const struct err *why,
    struct err *e)
{
	bool kept = r && runner_kept(r, why);
	int rc;

	while (o->order) {
		rc = let_through(o, A_TURN, e);
		if (rc < 0)
			return -1;
		if (rc == 0 && (kept || !order_jump(o->order)))
			break;
		if (kept && runner_interrupted(r))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
	}
	return 0;
}

int64_t
ordered_waiting(const struct ordered *o)
{
	return o->order ? order_counts(o->order).waiting : 0;
}

void
ordered_say(const struct ordered *o)
{
	struct order_counts c;

	if (!o->order)
		return;
	c = order_counts(o->order);
	if (c.spilled)
		say("%lld results that came before their turn waited in a "
		    "temporary file, %lld MiB at most", (long long)c.spilled,
		    (long long)((c.most + (1 << 20) - 1) >> 20));
}
