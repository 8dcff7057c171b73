/*
 * answer.h -- the answer inside a text, and when two answers are equal.
 */
#ifndef SCORERS_ANSWER_H
#define SCORERS_ANSWER_H

#include "base/regex.h"
#include "base/str.h"

struct answer_rule {
	struct regex *pattern; /* NULL: the whole text, trimmed, is the answer */
	bool first;            /* take the first match, not the last */
};

/* The answer as bytes of text (group 1 of the pattern, or the whole match),
 * white space trimmed. False: none (nothing matched, or it is empty). */
bool answer_extract(const struct answer_rule *rule, struct str text,
    struct str *out);

/*
 * Append the form in which answers are compared: two answers are equal when
 * their normal forms are the same bytes. Case folded (all of Unicode's simple
 * folding that towlower of C.UTF-8 knows), white space runs one blank, white
 * space and final punctuation . , ; : ! ? off the ends, quotes, backquotes,
 * asterisks and outer $...$, \(...\), \[...\], \boxed{...} around the whole
 * taken away (but never so much that nothing is left), and half a pair of **
 * too, for a pattern that starts inside bold text leaves one behind; and, if
 * the rest is a number (sign, digits with or without thousands separators,
 * decimals, exponent, a leading currency sign, a trailing %), its value: no
 * separators, no leading or trailing zeros, no plus sign, -0 is 0: so 1,234.50
 * and $1234.5 are equal. A percent sign stays part of the answer: 5% is not 5.
 * Exact: decimals are moved, never rounded; a value that would need more than
 * 40 zeros to write is in scientific form. Only commas between groups of three
 * digits are thousands separators: 1,5 is no number.
 */
void answer_normal(struct buf *out, struct str answer);

/* Equal in the above sense. False too when out of memory. */
bool answer_equal(struct str a, struct str b);

#endif
