/*
 * answer.c -- finding the answer in a text, and the form in which answers are
 * compared: fold case and blanks, peel off what merely surrounds the answer,
 * then write a number by its value.
 */
#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <wctype.h>

#include "base/utf8.h"
#include "scorers/answer.h"

/* What surrounds an answer without being part of it. */
static const struct {
	const char *open, *close;
} pairs[] = {
	{ "\"", "\"" },
	{ "'", "'" },
	{ "`", "`" },
	{ "*", "*" },
	{ "$", "$" },
	{ "\\(", "\\)" },
	{ "\\[", "\\]" },
	{ "\u201c", "\u201d" },
	{ "\u2018", "\u2019" },
	{ "\u00ab", "\u00bb" },
};

/* "\$" is how a dollar is written in LaTeX. */
static const char *const currencies[] = {
	"$", "\\$", "\u20ac", "\u00a3", "\u00a5", "\u20b9", "\u20a9", "\u20bd",
	NULL,
};

/* Each round may look at the whole text, so nesting has to end somewhere. */
#define PEEL_ROUNDS 32

/* More zeros than this around the digits: scientific form. */
#define MAX_ZEROS 40

/* Larger exponents are no numbers that anybody means. */
#define MAX_EXPONENT INT64_C(1000000000000)

bool
answer_extract(const struct answer_rule *rule, struct str text,
    struct str *out)
{
	struct regex_span span;
	enum regex_result found;

	if (rule->pattern) {
		found = rule->first ?
		    regex_first(rule->pattern, text, 0, &span) :
		    regex_last(rule->pattern, text, &span);
		if (found != REGEX_MATCH)
			return false;
		text = str_sub(text, span.from, span.to - span.from);
	}
	text = str_trim(text);
	if (!text.n)
		return false;
	*out = text;
	return true;
}

static locale_t folding;
static pthread_once_t folding_once = PTHREAD_ONCE_INIT;

static void
open_folding(void)
{
	folding = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Without that locale (never seen) ASCII alone is folded. */
static uint32_t
lower(uint32_t c)
{
	if (c < 128)
		return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
	return folding ? (uint32_t)towlower_l((wint_t)c, folding) : c;
}

static bool
is_space(uint32_t c)
{
	if (c < 128)
		return c == ' ' || (c >= '\t' && c <= '\r');
	/* The no-break spaces, which iswspace() leaves out. */
	if (c == 0xa0 || c == 0x2007 || c == 0x202f)
		return true;
	return folding && iswspace_l((wint_t)c, folding);
}

/* Case folded, white space runs one blank, none at the ends. */
static void
fold(struct buf *out, struct str s)
{
	bool blank = false;
	uint32_t c;
	size_t i = 0;

	pthread_once(&folding_once, open_folding);
	while (i < s.n) {
		c = utf8_next(s, &i);
		if (is_space(c)) {
			blank = out->n > 0;
			continue;
		}
		if (blank)
			buf_addc(out, ' ');
		blank = false;
		utf8_put(out, lower(c));
	}
}

/* Drop `literal` from the front of s if it is there. */
static bool
take(struct str *s, const char *literal)
{
	if (!str_starts(*s, literal))
		return false;
	*s = str_sub(*s, strlen(literal), s->n);
	return true;
}

static bool
take_any(struct str *s, const char *const *literals)
{
	size_t i;

	for (i = 0; literals[i]; i++)
		if (take(s, literals[i]))
			return true;
	return false;
}

/* Take `from` bytes off the front and `back` off the end; false, and nothing
 * is done, when only white space would be left. */
static bool
shorten(struct str *s, size_t from, size_t back)
{
	struct str inner;

	if (s->n <= from + back)
		return false;
	inner = str_trim(str_sub(*s, from, s->n - from - back));
	if (!inner.n)
		return false;
	*s = inner;
	return true;
}

static bool
peel_punctuation(struct str *s)
{
	size_t n = s->n;

	while (n > 1 && str_has(STR(".,;:!?"), (char[]){ s->p[n - 1], '\0' }))
		n--;
	return n < s->n && shorten(s, 0, s->n - n);
}

static bool
peel_pair(struct str *s)
{
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (str_starts(*s, pairs[i].open) &&
		    str_ends(*s, pairs[i].close) &&
		    shorten(s, strlen(pairs[i].open), strlen(pairs[i].close)))
			return true;
	return false;
}

/* \boxed{...}, if the last brace closes the first. */
static bool
peel_box(struct str *s)
{
	static const char open[] = "\\boxed{";
	size_t i, depth = 1;

	if (!str_starts(*s, open) || !str_ends(*s, "}"))
		return false;
	for (i = sizeof(open) - 1; i < s->n - 1; i++) {
		if (s->p[i] == '{')
			depth++;
		else if (s->p[i] == '}' && --depth == 0)
			return false;
	}
	return depth == 1 && shorten(s, sizeof(open) - 1, 1);
}

static bool
peel_bold(struct str *s)
{
	if (str_starts(*s, "**") && shorten(s, 2, 0))
		return true;
	return str_ends(*s, "**") && shorten(s, 0, 2);
}

static struct str
peel(struct str s)
{
	int round;

	s = str_trim(s);
	for (round = 0; round < PEEL_ROUNDS; round++)
		if (!peel_punctuation(&s) && !peel_pair(&s) && !peel_box(&s) &&
		    !peel_bold(&s))
			break;
	return s;
}

/* A decimal number: 0.DIGITS times ten to the power of `point`. */
struct number {
	struct buf digits;
	int64_t point;
	bool minus, percent;
};

/* Move the digits at the front of s to `out`; how many there were. */
static size_t
take_digits(struct str *s, struct buf *out)
{
	size_t n = 0;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	buf_add(out, str_sub(*s, 0, n));
	*s = str_sub(*s, n, s->n);
	return n;
}

/* 1234 or 1,234; false for 12,34 and 0,123, which are something else. */
static bool
take_integer(struct str *s, struct buf *digits)
{
	size_t n = take_digits(s, digits);

	if (!str_starts(*s, ","))
		return true;
	if (n < 1 || n > 3 || digits->failed || digits->p[0] == '0')
		return false;
	while (take(s, ","))
		if (take_digits(s, digits) != 3)
			return false;
	return true;
}

static bool
take_sign(struct str *s, bool *minus)
{
	*minus = take(s, "-") || take(s, "\u2212");
	return *minus || take(s, "+");
}

static bool
take_exponent(struct str *s, int64_t *out)
{
	bool minus;
	size_t n;

	*out = 0;
	if (!take(s, "e"))
		return true;
	take_sign(s, &minus);
	for (n = 0; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++) {
		*out = *out * 10 + (s->p[n] - '0');
		if (*out > MAX_EXPONENT)
			return false;
	}
	*s = str_sub(*s, n, s->n);
	if (minus)
		*out = -*out;
	return n > 0;
}

/* Is all of s a number? */
static bool
number_parse(struct number *num, struct str s)
{
	bool sign = take_sign(&s, &num->minus);
	int64_t exponent;

	if (take_any(&s, currencies)) {
		take(&s, " ");
		if (!sign)
			take_sign(&s, &num->minus);
	}
	if (!take_integer(&s, &num->digits))
		return false;
	num->point = (int64_t)num->digits.n;
	if (take(&s, "."))
		take_digits(&s, &num->digits);
	if (!num->digits.n || !take_exponent(&s, &exponent))
		return false;
	num->point += exponent;
	take(&s, " ");
	num->percent = take(&s, "%") || take(&s, "\\%");
	return !s.n;
}

static void
add_zeros(struct buf *out, int64_t n)
{
	while (n-- > 0)
		buf_addc(out, '0');
}

/* d has no zero at either end. */
static void
number_write(struct buf *out, struct str d, int64_t point)
{
	int64_t n = (int64_t)d.n;

	if (point > 0 && point < n) {
		buf_add(out, str_sub(d, 0, (size_t)point));
		buf_addc(out, '.');
		buf_add(out, str_sub(d, (size_t)point, d.n));
	} else if (point >= n && point - n <= MAX_ZEROS) {
		buf_add(out, d);
		add_zeros(out, point - n);
	} else if (point <= 0 && -point <= MAX_ZEROS) {
		buf_adds(out, "0.");
		add_zeros(out, -point);
		buf_add(out, d);
	} else {
		buf_add(out, str_sub(d, 0, 1));
		if (n > 1)
			buf_addc(out, '.');
		buf_add(out, str_sub(d, 1, d.n));
		buf_addf(out, "e%lld", (long long)point - 1);
	}
}

static void
number_add(struct buf *out, const struct number *num)
{
	struct str d = buf_str(&num->digits);
	int64_t point = num->point;

	while (d.n && d.p[0] == '0') {
		d = str_sub(d, 1, d.n);
		point--;
	}
	while (d.n && d.p[d.n - 1] == '0')
		d.n--;
	if (!d.n) {
		buf_addc(out, '0');
	} else {
		if (num->minus)
			buf_addc(out, '-');
		number_write(out, d, point);
	}
	if (num->percent)
		buf_addc(out, '%');
}

void
answer_normal(struct buf *out, struct str answer)
{
	struct number num = { .point = 0 };
	struct buf fixed, folded;
	struct str s;

	buf_init(&fixed, BUF_MAX);
	buf_init(&folded, BUF_MAX);
	buf_init(&num.digits, BUF_MAX);

	utf8_fix(&fixed, answer);
	fold(&folded, buf_str(&fixed));
	s = peel(buf_str(&folded));
	if (number_parse(&num, s))
		number_add(out, &num);
	else
		buf_add(out, s);
	if (fixed.failed || folded.failed || num.digits.failed)
		out->failed = true;

	buf_release(&num.digits);
	buf_release(&folded);
	buf_release(&fixed);
}

bool
answer_equal(struct str a, struct str b)
{
	struct buf x, y;
	bool equal;

	buf_init(&x, BUF_MAX);
	buf_init(&y, BUF_MAX);
	answer_normal(&x, a);
	answer_normal(&y, b);
	equal = !x.failed && !y.failed && str_eq(buf_str(&x), buf_str(&y));
	buf_release(&x);
	buf_release(&y);
	return equal;
}
