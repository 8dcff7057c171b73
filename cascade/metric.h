/*
 * metric.h -- is an answer right? By what the trace says, or by comparing it
 * with the task's reference. Pure; a command of the user's own is run by
 * whoever has one (see metric_ask).
 */
#ifndef CASCADE_METRIC_H
#define CASCADE_METRIC_H

#include "cascade/trace.h"

enum metric_kind {
	METRIC_TRACE,    /* `correct`; where there is none, as METRIC_EXACT */
	METRIC_EXACT,    /* equal answers in the sense of scorers/answer.h */
	METRIC_NUMERIC,  /* numbers that differ by less than a millionth */
	METRIC_CONTAINS, /* the text has the reference in it, case aside */
	METRIC_REGEX,    /* the reference is a pattern that the text matches */
	METRIC_F1,       /* words in common: F1 of 0.5 or more, or as given */
	METRIC_JSON,     /* the same JSON value, members in any order */
	METRIC_EXEC,     /* metric_ask says so */
};
extern const char *const metric_words[]; /* NULL-ended, in that order */

/* Is this text right? YES, NO, or -1 with *e. */
typedef int metric_ask(void *to, const struct trace_task *t, struct str text,
    struct str answer, struct err *e);

struct metric {
	enum metric_kind kind;
	double least;     /* METRIC_F1: from here on it is right */
	metric_ask *ask;  /* METRIC_EXEC */
	void *to;
};

/* UNSET: nothing says (no reference, or none that can be read as the metric
 * needs it). -1: *e. */
int metric_right(const struct metric *m, const struct trace_task *t,
    const struct completion *c, const struct trace_note *note,
    enum tristate *out, struct err *e);

/* F1 of the words (runs of letters and digits, case aside) of two texts
 * (Rajpurkar et al., 1606.05250). Both without words: 1. */
double metric_f1(struct str a, struct str b);

#endif
