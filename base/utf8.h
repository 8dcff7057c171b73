/*
 * utf8.h -- text from outside, made safe to keep and to show.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/str.h"

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool utf8_valid(struct str s);

/* Append s with every ill-formed sequence replaced by U+FFFD. */
void utf8_fix(struct buf *out, struct str s);

/* Decode one character at *i of well-formed s, advance *i. */
uint32_t utf8_next(struct str s, size_t *i);
void utf8_put(struct buf *out, uint32_t c);

/* At most max bytes of s, cut at a character boundary. */
struct str utf8_clip(struct str s, size_t max);

/* Columns that s takes on a terminal (wcwidth's idea of it, C.UTF-8). */
size_t utf8_columns(struct str s);

/* Characters that a reader does not see but that act: C0 and C1 controls, DEL,
 * bidirectional controls, the line and paragraph separators, and what has no
 * width and no part in a script (zero-width space, word joiner, byte order
 * mark, tag characters, ...). The joiners U+200C and U+200D have a part. */
bool utf8_hidden(uint32_t c);

/*
 * Append s so that it cannot command a terminal nor hide anything: hidden
 * characters and ill-formed bytes become visible (caret notation such as ^[
 * for controls, <U+202E>, <ff> for bytes). A joiner passes only behind a
 * character that is not ASCII, as scripts and emoji have it. With keep_lines,
 * line feed and tab pass through.
 */
void utf8_visible(struct buf *out, struct str s, bool keep_lines);

/* As utf8_visible in one line of at most max columns, "..." where cut. */
void utf8_oneline(struct buf *out, struct str s, size_t max);

#endif
