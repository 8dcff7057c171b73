/*
 * inspect.h -- what the commands share that look into the store and at prices:
 * opening it, and texts, models and times as people read them.
 */
#ifndef CMD_INSPECT_H
#define CMD_INSPECT_H

#include "base/json.h"
#include "cmd/common.h"

/* The store, which must be there. The configuration is read only if it is
 * needed to find the store, and need not exist. */
int inspect_store(const struct common *c, struct store **out, struct err *e);
/* The same, made if it is not there. */
int inspect_store_create(const struct common *c, struct store **out,
    struct err *e);

/* The configuration, if there is one and it is right: what is wrong with it is
 * of no interest where it is only looked at. Else *out stays as it is. */
void inspect_config(const struct common *c, struct config **out);

/* opt_parse() for those of these commands that take no arguments; where there is
 * one, ERR_USAGE names it and says what `instead`. */
int inspect_options(const struct command *self, const struct opt *table,
    int argc, char **argv, const char *instead, struct err *e);
/* That from `first` on there is none: 0, or ERR_USAGE as above. */
int inspect_no_arguments(int argc, char **argv, int first, const char *instead,
    struct err *e);

/* Append s in one line of at most max columns: runs of white space become one
 * blank, control characters visible. */
void inspect_oneline(struct buf *out, struct str s, size_t max);

/* A model of the provider `sim`: the built-in simulated one. */
bool inspect_is_simulated(struct str model);

/* Print what has been put together and let go of it. */
int inspect_print(struct buf *b, struct err *e);

#endif
