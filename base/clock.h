/*
 * clock.h -- what time it is, and times as text. Stored times are UTC
 * milliseconds since 1970; times shown to people are local.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/err.h"
#include "base/str.h"

int64_t clock_mono_ms(void); /* CLOCK_BOOTTIME: goes on through a suspend */
int64_t clock_utc_ms(void);

void clock_local(struct buf *out, int64_t utc_ms); /* 2026-11-23 14:03:07 */
void clock_local_day(struct buf *out, int64_t utc_ms); /* 2026-11-23 */
void clock_rfc3339(struct buf *out, int64_t utc_ms); /* 2026-11-23T14:03:07.123Z */
bool clock_parse_rfc3339(struct str s, int64_t *utc_ms);

/* "850ms", "12.3s", "4m05s", "2h10m", "3d4h": short, for people. */
void clock_duration(struct buf *out, int64_t ms);

/* "250ms", "30s", "2m", "1h", "7d", "2w", or plain seconds; up to ten years. */
bool clock_parse_duration(struct str s, int64_t *ms);

/* The same with a unit, unless it is 0: where "30" could be meant as days, or
 * "2026" as a year. */
bool clock_parse_age(struct str s, int64_t *ms);

/* --since: an age, "today", "yesterday", 2026-11-23 (local midnight)
 * or an RFC 3339 time. */
int clock_parse_since(struct str s, int64_t now_utc_ms, int64_t *utc_ms,
    struct err *e);

#endif
