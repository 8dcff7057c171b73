/*
 * suggest.c -- the known word nearest to a mistyped one.
 */
#include <string.h>

#include "base/suggest.h"

#define WORD_MAX 64 /* longer words are not compared */

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Damerau-Levenshtein distance: deletions, insertions, replacements and
 * exchanges of neighbours, also with something between them. d[i + 1][j + 1]
 * is the distance between the first i bytes of a and the first j of b; row
 * and column 0 hold a distance larger than any.
 */
static size_t
distance(struct str a, struct str b)
{
	unsigned char d[WORD_MAX + 2][WORD_MAX + 2];
	unsigned char row_of[256] = { 0 }; /* last row with this byte of a */
	size_t i, j, from, to, same, best;

	d[0][0] = (unsigned char)(a.n + b.n);
	for (i = 0; i <= a.n; i++) {
		d[i + 1][0] = d[0][0];
		d[i + 1][1] = (unsigned char)i;
	}
	for (j = 0; j <= b.n; j++) {
		d[0][j + 1] = d[0][0];
		d[1][j + 1] = (unsigned char)j;
	}
	for (i = 1; i <= a.n; i++) {
		to = 0; /* last column whose byte is a's i-th */
		for (j = 1; j <= b.n; j++) {
			from = row_of[(unsigned char)b.p[j - 1]];
			same = a.p[i - 1] == b.p[j - 1];
			best = d[i][j] + !same;
			best = least(best, d[i + 1][j] + 1u);
			best = least(best, d[i][j + 1] + 1u);
			best = least(best, d[from][to] + (i - from - 1) + 1 +
			    (j - to - 1));
			d[i + 1][j + 1] = (unsigned char)best;
			if (same)
				to = j;
		}
		row_of[(unsigned char)a.p[i - 1]] = (unsigned char)i;
	}
	return d[a.n + 1][b.n + 1];
}

const char *
suggest(struct str word, const char *const *known)
{
	const char *best = NULL;
	size_t limit = word.n / 3, n;

	if (word.n == 0 || word.n > WORD_MAX)
		return NULL;
	if (limit < 1)
		limit = 1;
	if (limit > 3)
		limit = 3;
	for (; *known; known++) {
		n = strlen(*known);
		if (n > WORD_MAX)
			continue;
		n = distance(word, (struct str){ *known, n });
		if (n > limit || (best && n == limit))
			continue;
		best = *known;
		limit = n;
	}
	return best;
}
