/*
 * regex.h -- the one door to PCRE2 (UTF-8 mode, JIT where there is one).
 *
 * Match, depth and heap limits are always set, so that no pattern on no text
 * hangs or eats the memory: such a match ends as REGEX_LIMIT.
 */
#ifndef BASE_REGEX_H
#define BASE_REGEX_H

#include "base/err.h"
#include "base/str.h"

struct regex; /* opaque; may be used by one thread at a time */

/* Work that one search may do. A step is an item of the pattern that is tried,
 * or 8 bytes passed: 10 to 20 ns, so all of it 15 to 30 ms. */
#define REGEX_STEPS 1500000
/* For every search that follows: other than REGEX_STEPS; 0: that. */
void regex_limit(uint32_t steps);

#define REGEX_NOCASE (1u << 0)

/* 0, or -1 with "at character N: ..." in *e (ERR_CONFIG). `^` and `$` match
 * at line ends, `.` does not match a line end. */
int regex_compile(struct regex **out, struct str pattern, unsigned flags,
    struct err *e);
void regex_free(struct regex *re); /* NULL is fine */

enum regex_result { REGEX_MATCH, REGEX_NO_MATCH, REGEX_LIMIT, REGEX_NOMEM };

/* Byte offsets in the subject of group 1 if the pattern has one that took
 * part, else of the whole match; `end` of the whole match in *match_end. */
struct regex_span {
	size_t from, to;
	size_t match_from, match_to;
};

/* First match at or after `start`. Ill-formed UTF-8 in the subject is the
 * caller's to mend first. out may be NULL. */
enum regex_result regex_first(struct regex *re, struct str subject,
    size_t start, struct regex_span *out);
/* The last of the successive, non-overlapping matches. */
enum regex_result regex_last(struct regex *re, struct str subject,
    struct regex_span *out);

struct str regex_pattern(const struct regex *re); /* as compiled; borrowed */
const char *regex_library(void); /* "10.42 2022-12-11" */

#endif
