/*
 * gather.h -- what a struct ledger_filter means, brought together from summaries
 * and segments. Private to cache/.
 */
#ifndef CACHE_GATHER_H
#define CACHE_GATHER_H

#include "cache/segments.h"

/* Every task that is meant, oldest first, with its number; its texts are
 * borrowed, its run and source left out. f->model and f->collected are not
 * looked at. -1 from `each` ends it. */
int gather_tasks(struct store *s, const struct ledger_filter *f,
    int (*each)(void *cookie, const struct ledger_task *t, struct err *e),
    void *cookie, struct err *e);

/*
 * The same counted: cells of the kind, whose texts are borrowed; there may be
 * several of one name. With `by_tag` the word of a cell is the value of the tag
 * f->tag_key. What the summaries have added up is not read again, unless the
 * filter asks for what they cannot tell: a model, a run, a tag, or a time that
 * begins or ends within one.
 */
int gather_cells(struct store *s, const struct ledger_filter *f,
    enum tally_kind kind, bool by_tag, int (*each)(void *cookie,
    const struct tally_cell *c, struct err *e), void *cookie,
    struct err *e);

/* Append what people see as the name of a cell's group. */
void gather_name(struct buf *b, enum ledger_group by,
    const struct tally_cell *c);

#endif
