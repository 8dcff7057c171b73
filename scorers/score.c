/*
 * score.c -- scores as probabilities that keep their digits next to 1.
 */
#include <math.h>

#include "base/json.h"
#include "scorers/score.h"

struct score
score_of_p(double p)
{
	/* Written so that NaN takes the first branch. */
	if (!(p > 0))
		return (struct score){ 0, -INFINITY };
	if (p >= 1)
		return (struct score){ 1, 0 };
	return (struct score){ p, log(p) };
}

struct score
score_of_ln(double ln)
{
	if (!(ln > -INFINITY))
		return (struct score){ 0, -INFINITY };
	if (ln >= 0)
		return (struct score){ 1, 0 };
	return (struct score){ exp(ln), ln };
}

int
score_cmp(struct score a, struct score b)
{
	return (a.ln > b.ln) - (a.ln < b.ln);
}

void
score_show(struct buf *out, struct score s)
{
	if (score_of_p(s.p).ln == s.ln) {
		buf_add_double(out, s.p);
		return;
	}
	buf_adds(out, "log ");
	buf_add_double(out, s.ln);
}
