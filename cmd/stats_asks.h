/*
 * stats_asks.h -- the requests of the ledger in `frugal stats`: what became of
 * each, told apart by what was done about it.
 */
#ifndef CMD_STATS_ASKS_H
#define CMD_STATS_ASKS_H

#include "base/json.h"
#include "cache/asks.h"

/* A member "requests" of the open object. */
void stats_asks_json(struct jw *w, const struct asks_totals *t);
/* A line or two for people; nothing if nothing was asked. */
void stats_asks_text(struct buf *b, const struct asks_totals *t);

#endif
