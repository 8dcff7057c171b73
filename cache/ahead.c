/*
 * ahead.c -- a small table of the keys of rows that may be asked for next.
 */
#include "cache/ahead.h"

#include <stdlib.h>

#define IN_A_ROW 8  /* neighbours found before anything is read */
#define NEAR 256    /* rows between neighbours: answers were kept as they came */
#define AT_ONCE 64  /* rows that are read */
#define WAYS 4      /* rows whose keys fall together; the oldest gives way */
#define SETS 256

/* Of rows that were read one of so many must be asked for. Where fewer are,
 * nothing is read for some time. */
#define WORTH 4
#define A_WHILE 1024 /* rows read, and then neighbours found */

struct hint {
	int64_t tag; /* of key and sample */
	int64_t row; /* 0: none */
};

struct ahead {
	int64_t last; /* row that was found */
	int in_a_row; /* neighbours found; below 0: reading was not worth it */
	int64_t upto; /* the last row read */
	int read, asked_for;
	struct hint hint[SETS][WAYS];
};

static int64_t
tag_of(int64_t key64, int sample)
{
	return (int64_t)((uint64_t)key64 + (uint64_t)sample
	    * UINT64_C(0x9e3779b97f4a7c15));
}

int64_t
ahead_row(const struct store *s, int64_t key64, int sample)
{
	int64_t tag = tag_of(key64, sample);
	const struct hint *h;

	if (!s->ahead)
		return 0;
	h = s->ahead->hint[(uint64_t)tag % SETS];
	for (int i = 0; i < WAYS; i++)
		if (h[i].tag == tag && h[i].row)
			return h[i].row;
	return 0;
}

static void
put(struct ahead *a, int64_t tag, int64_t row)
{
	struct hint *h = a->hint[(uint64_t)tag % SETS], *oldest = h;

	for (int i = 1; i < WAYS; i++)
		if (h[i].row < oldest->row)
			oldest = &h[i];
	*oldest = (struct hint){ tag, row };
}

static int
read_on(struct store *s, struct ahead *a, struct err *e)
{
	struct params p;
	int rc, n = 0;

	if (store_stmt(s, STMT_AHEAD, "SELECT id, key64, sample"
	    " FROM completions WHERE id > ?1 ORDER BY id LIMIT ?2", &p, e) < 0)
		return -1;
	param_int(&p, a->upto);
	param_int(&p, AT_ONCE);
	while ((rc = store_step(s, &p, "read", e)) == 1) {
		a->upto = sqlite3_column_int64(p.stmt, 0);
		put(a, tag_of(sqlite3_column_int64(p.stmt, 1),
		    sqlite3_column_int(p.stmt, 2)), a->upto);
		n++;
	}
	store_reset(&p);
	a->read += n;
	if (n < AT_ONCE) /* the end: not to be looked for each time */
		a->in_a_row = IN_A_ROW - AT_ONCE;
	return rc;
}

/* Does what was read pay for more? */
static bool
is_worth_it(struct ahead *a)
{
	bool worth = a->read < A_WHILE || a->asked_for > a->read / WORTH;

	if (a->read >= A_WHILE) {
		if (!worth)
			a->in_a_row = -A_WHILE;
		a->read = a->asked_for = 0;
	}
	return worth;
}

/* In a file that was tampered with a row may have any number. */
static int64_t
distance(int64_t from, int64_t to)
{
	return (int64_t)((uint64_t)to - (uint64_t)from);
}

int
ahead_found(struct store *s, int64_t row, bool hinted, struct err *e)
{
	struct ahead *a = s->ahead;
	bool near;

	if (!a)
		a = s->ahead = calloc(1, sizeof(*a));
	if (!a)
		return err_nomem(e);
	near = distance(a->last, row) > -NEAR && distance(a->last, row) < NEAR;
	a->last = row;
	a->asked_for += hinted;
	if (near && a->in_a_row < IN_A_ROW)
		a->in_a_row++;
	else if (!near && a->in_a_row > 0)
		a->in_a_row = 0;
	if (a->in_a_row < IN_A_ROW)
		return 0;
	if (distance(row, a->upto) < 0 || distance(row, a->upto) > 2 * NEAR)
		a->upto = row;
	return distance(row, a->upto) < NEAR && is_worth_it(a)
	    ? read_on(s, a, e) : 0;
}

void
ahead_free(struct store *s)
{
	free(s->ahead);
	s->ahead = NULL;
}
