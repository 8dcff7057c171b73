/*
 * cache.h -- what the files of `frugal cache` share.
 */
#ifndef CMD_CACHE_H
#define CMD_CACHE_H

#include "cmd/inspect.h"

/* The actions. */
extern const struct command cache_list, cache_show, cache_stats,
    cache_check;                          /* cache_look.c */
extern const struct command cache_explain; /* cache_explain.c */
extern const struct command cache_prune, cache_clear; /* cache_prune.c */
extern const struct command cache_export, cache_import; /* cache_io.c */

/* "3fa9c0de12ab": enough of a key for `frugal cache show`. */
void cache_add_key(struct buf *out, const unsigned char key[SHA256_BYTES]);

/* "1 completion", "2 completions" */
void cache_add_count(struct buf *out, int64_t n, const char *what);
/* "12 completions that cost $1.20 (3 of unknown cost)" */
void cache_add_worth(struct buf *out, int64_t n, int64_t cost_picousd,
    int64_t unknown, const char *that_cost);

/* Open the store of `c`, do the action, flush, close. */
typedef int cache_action(struct store *s, void *cookie, struct err *e);
int cache_with_store(const struct common *c, cache_action *action,
    void *cookie, struct err *e);

#endif
