/*
 * regex.c -- PCRE2 with a bound on the work of one search.
 *
 * PCRE2's own match limit starts again at every start position and does not
 * count what a single item scans, so that alone it bounds neither the time of
 * a search through a long text nor that of a nested one. Therefore every
 * pattern is compiled with automatic callouts: before each item PCRE2 tells
 * us where it is, and the way it went is charged to a budget. That measures
 * work and not time, so the same pattern on the same text ends the same way
 * everywhere. It costs little: most time goes into checking UTF-8.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/regex.h"

/* Compiled patterns read whole vectors, past the end of a subject but never of
 * its page: valgrind cannot know that this is meant. */
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define WORK_BYTES 8 /* of the way that count as a step */

/* Behind the budget; the last line of defence. */
#define MATCH_LIMIT 10000000u
#define DEPTH_LIMIT 200000u
#define HEAP_LIMIT_KIB (32u << 10) /* of the interpreter */
#define JIT_STACK_MIN ((size_t)32 << 10)
#define JIT_STACK_MAX ((size_t)4 << 20)
#define PATTERN_MAX ((size_t)32 << 10)

static uint32_t work_max = REGEX_STEPS;

void
regex_limit(uint32_t steps)
{
	work_max = steps ? steps : REGEX_STEPS;
}

struct regex {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack; /* NULL without JIT */
	char *pattern;
	size_t n;
	uint32_t work; /* what is left of this search's budget */
	size_t place;  /* in the subject, at the last callout */
};

/* A back reference compares text without telling; the callout before it
 * stands for that. */
static bool
is_back_reference(const struct regex *re, const pcre2_callout_block *b)
{
	struct str item = str_sub((struct str){ re->pattern, re->n },
	    b->pattern_position, b->next_item_length);

	return str_starts(item, "(?P=") || (item.n > 1 && item.p[0] == '\\' &&
	    strchr("123456789gk", item.p[1]));
}

static int
charge(pcre2_callout_block *b, void *arg)
{
	struct regex *re = arg;
	size_t at = b->current_position;
	size_t way = at > re->place ? at - re->place : re->place - at;
	size_t cost;

	if (is_back_reference(re, b))
		way += at;
	cost = 1 + way / WORK_BYTES;
	re->place = at;
	if (cost > re->work) {
		re->work = 0;
		return PCRE2_ERROR_CALLOUT;
	}
	re->work -= (uint32_t)cost;
	return 0;
}

/* The message of PCRE2 and the character, from 1, that it is about. */
static int
pattern_error(struct str pattern, int code, size_t offset, struct err *e)
{
	PCRE2_UCHAR8 text[160];
	size_t i, column = 1;

	if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAP_FAILED)
		return err_nomem(e);
	if (pcre2_get_error_message(code, text, sizeof(text)) < 0)
		snprintf((char *)text, sizeof(text), "error %d", code);
	for (i = 0; i < offset && i < pattern.n; i++)
		column += ((unsigned char)pattern.p[i] & 0xc0) != 0x80;
	return err_set(e, ERR_CONFIG, "at character %zu: %s", column,
	    (const char *)text);
}

static int
compile_code(struct regex *re, struct str pattern, unsigned flags,
    struct err *e)
{
	uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE |
	    PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);
	size_t offset = 0;
	int code = 0;

	if (!c)
		return err_nomem(e);
	if (flags & REGEX_NOCASE)
		options |= PCRE2_CASELESS;
	pcre2_set_newline(c, PCRE2_NEWLINE_ANYCRLF);
	pcre2_set_max_pattern_length(c, PATTERN_MAX);
	re->code = pcre2_compile((PCRE2_SPTR8)re->pattern, re->n, options,
	    &code, &offset, c);
	pcre2_compile_context_free(c);
	return re->code ? 0 : pattern_error(pattern, code, offset, e);
}

/* Without JIT, or without memory for it, the interpreter does the same. */
static void
try_jit(struct regex *re)
{
	if (RUNNING_ON_VALGRIND
	    || pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE) != 0)
		return;
	re->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	if (re->stack)
		pcre2_jit_stack_assign(re->context, NULL, re->stack);
}

static int
prepare_match(struct regex *re, struct err *e)
{
	re->data = pcre2_match_data_create_from_pattern(re->code, NULL);
	re->context = pcre2_match_context_create(NULL);
	if (!re->data || !re->context)
		return err_nomem(e);
	pcre2_set_match_limit(re->context, MATCH_LIMIT);
	pcre2_set_depth_limit(re->context, DEPTH_LIMIT);
	pcre2_set_heap_limit(re->context, HEAP_LIMIT_KIB);
	pcre2_set_callout(re->context, charge, re);
	try_jit(re);
	return 0;
}

int
regex_compile(struct regex **out, struct str pattern, unsigned flags,
    struct err *e)
{
	struct regex *re = calloc(1, sizeof(*re));

	if (!re)
		return err_nomem(e);
	re->pattern = str_dup(pattern);
	re->n = pattern.n;
	if (!re->pattern) {
		err_nomem(e);
		goto fail;
	}
	if (compile_code(re, pattern, flags, e) < 0 ||
	    prepare_match(re, e) < 0)
		goto fail;
	*out = re;
	return 0;
fail:
	regex_free(re);
	return -1;
}

void
regex_free(struct regex *re)
{
	if (!re)
		return;
	pcre2_match_data_free(re->data);
	pcre2_match_context_free(re->context);
	pcre2_jit_stack_free(re->stack);
	pcre2_code_free(re->code);
	free(re->pattern);
	free(re);
}

static enum regex_result
result_of(int rc)
{
	switch (rc) {
	case PCRE2_ERROR_CALLOUT:
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
	case PCRE2_ERROR_JIT_STACKLIMIT:
	case PCRE2_ERROR_RECURSELOOP:
		return REGEX_LIMIT;
	case PCRE2_ERROR_NOMEMORY:
		return REGEX_NOMEM;
	default: /* no match, or a subject that is not UTF-8 */
		return rc < 0 ? REGEX_NO_MATCH : REGEX_MATCH;
	}
}

static enum regex_result
search(struct regex *re, struct str subject, size_t start, uint32_t options)
{
	const PCRE2_SIZE *v;
	int rc;

	re->place = start;
	rc = pcre2_match(re->code, (PCRE2_SPTR8)(subject.n ? subject.p : ""),
	    subject.n, start, options, re->data, re->context);
	/* With \K in a lookahead a match can begin after its end. */
	v = pcre2_get_ovector_pointer(re->data);
	return rc >= 0 && v[0] > v[1] ? REGEX_NO_MATCH : result_of(rc);
}

static struct regex_span
span_of(struct regex *re)
{
	const PCRE2_SIZE *v = pcre2_get_ovector_pointer(re->data);
	struct regex_span span = { v[0], v[1], v[0], v[1] };

	/* PCRE2 unsets the groups that took no part, also the last ones. */
	if (pcre2_get_ovector_count(re->data) > 1 && v[2] != PCRE2_UNSET) {
		span.from = v[2];
		span.to = v[3];
	}
	return span;
}

enum regex_result
regex_first(struct regex *re, struct str subject, size_t start,
    struct regex_span *out)
{
	enum regex_result r;

	if (start > subject.n)
		return REGEX_NO_MATCH;
	re->work = work_max;
	r = search(re, subject, start, 0);
	if (r == REGEX_MATCH && out)
		*out = span_of(re);
	return r;
}

/* Where the character or CRLF at `at` ends. */
static size_t
next_character(struct str s, size_t at)
{
	if (s.p[at] == '\r' && at + 1 < s.n && s.p[at + 1] == '\n')
		return at + 2;
	do
		at++;
	while (at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80);
	return at;
}

/*
 * After an empty match the next one may begin at the same place but must not
 * be empty; failing that, the search goes on one character further.
 */
enum regex_result
regex_last(struct regex *re, struct str subject, struct regex_span *out)
{
	const uint32_t again = PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED;
	enum regex_result r, found = REGEX_NO_MATCH;
	struct regex_span span;
	uint32_t options = 0, checked = 0;
	size_t at = 0;

	re->work = work_max;
	for (;;) {
		r = search(re, subject, at, options | checked);
		if (r == REGEX_MATCH) {
			found = r;
			span = span_of(re);
			if (out)
				*out = span;
			at = span.match_to;
			options = span.match_from == span.match_to ? again : 0;
			checked = PCRE2_NO_UTF_CHECK;
		} else if (r != REGEX_NO_MATCH) {
			return r;
		} else if (options == 0 || at >= subject.n) {
			return found;
		} else {
			at = next_character(subject, at);
			options = 0;
		}
	}
}

struct str
regex_pattern(const struct regex *re)
{
	return (struct str){ re->pattern, re->n };
}

const char *
regex_library(void)
{
	static char version[64];

	if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) > (int)sizeof(version) ||
	    pcre2_config(PCRE2_CONFIG_VERSION, version) < 0)
		return "unknown";
	return version;
}
