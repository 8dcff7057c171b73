/*
 * suggest.h -- the known word nearest to a mistyped one.
 */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include "base/str.h"

/* Of a NULL-ended list the word at the least Damerau-Levenshtein distance,
 * if at most a third of the word's length (at least 1, at most 3); else NULL. */
const char *suggest(struct str word, const char *const *known);

#endif
