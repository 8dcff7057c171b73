/*
 * check.h -- the part of `frugal check` that asks the models.
 */
#ifndef CMD_CHECK_H
#define CMD_CHECK_H

#include "cascade/config.h"

/* One tiny request for each tier; a line a tier on standard output as the
 * answers come. *failed is how many tiers cannot be used. */
int check_online(const struct config *cfg, size_t *failed, struct err *e);

#endif
