/*
 * script.c -- reading and trying the rules. A member that nobody knows is an
 * error: a mistyped rule would make a test pass for the wrong reason.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rand.h"
#include "tests/server/script.h"

static const char *const fault_names[] = {
	[FAULT_NONE] = "none",
	[FAULT_RESET_BEFORE] = "reset_before",
	[FAULT_RESET_AFTER_HEADERS] = "reset_after_headers",
	[FAULT_TRUNCATE] = "truncate",
	[FAULT_SILENCE] = "silence",
	[FAULT_DRIP] = "drip",
	[FAULT_DRIP_HEAD] = "drip_head",
	[FAULT_STALL] = "stall",
	[FAULT_BAD_CHUNK] = "bad_chunk",
	[FAULT_CUT_CHUNK] = "cut_chunk",
	[FAULT_BAD_JSON] = "bad_json",
	[FAULT_GARBAGE] = "garbage",
	[FAULT_CLOSE_AFTER_REQUEST] = "close_after_request",
	[FAULT_REFUSE] = "refuse",
	[FAULT_GOAWAY] = "goaway",
	NULL
};

static const char *const form_names[] = {
	[FORM_AS_ASKED] = "as_asked",
	[FORM_OPENAI] = "openai",
	[FORM_TOGETHER] = "together",
	[FORM_NONE] = "none",
	NULL
};

const char *
fault_name(enum fault f)
{
	return fault_names[f];
}

bool
fault_is_silent(enum fault f)
{
	return f == FAULT_RESET_BEFORE || f == FAULT_SILENCE ||
	    f == FAULT_CLOSE_AFTER_REQUEST || f == FAULT_REFUSE ||
	    f == FAULT_GOAWAY;
}

bool
fault_is_harmless(enum fault f)
{
	return f == FAULT_NONE || f == FAULT_DRIP || f == FAULT_DRIP_HEAD;
}

/* How one member of an object is read, and where in the struct it goes. */
struct reading {
	const char *name;
	int (*read)(struct arena *a, const struct json *v, void *into,
	    struct err *e);
	size_t offset;
};

static int
wrong(const struct json *v, const char *wanted, struct err *e)
{
	return err_set(e, ERR_INPUT, "'%.*s' is %s, not %s",
	    STR_ARG(json_name(v)), json_type_name(v), wanted);
}

static int
read_object(struct arena *a, const struct json *v, void *into,
    const struct reading *table, struct err *e)
{
	if (json_type(v) != JSON_OBJECT)
		return wrong(v, "an object", e);
	for (v = json_first(v); v; v = json_next(v)) {
		const struct reading *r = table;

		while (r->name && !str_is(json_name(v), r->name))
			r++;
		if (!r->name)
			return err_set(e, ERR_INPUT, "unknown member '%.*s'",
			    STR_ARG(json_name(v)));
		if (r->read(a, v, (char *)into + r->offset, e) < 0)
			return -1;
	}
	return 0;
}

static int
read_text(struct arena *a, const struct json *v, void *into, struct err *e)
{
	struct str text;

	if (!json_str(v, &text))
		return wrong(v, "a string", e);
	return arena_str(a, text, into) ? 0 : err_nomem(e);
}

static int
read_count(struct arena *a, const struct json *v, void *into, struct err *e)
{
	int64_t *count = into;

	(void)a;
	if (!json_i64(v, count) || *count < 0)
		return wrong(v, "a whole number, 0 or more", e);
	return 0;
}

static int
read_whole(struct arena *a, const struct json *v, void *into, struct err *e)
{
	(void)a;
	return json_i64(v, into) ? 0 : wrong(v, "a whole number", e);
}

static int
read_flag(struct arena *a, const struct json *v, void *into, struct err *e)
{
	(void)a;
	return json_bool(v, into) ? 0 : wrong(v, "true or false", e);
}

static int
read_chance(struct arena *a, const struct json *v, void *into, struct err *e)
{
	double *chance = into;

	(void)a;
	if (!json_double(v, chance) || *chance < 0 || *chance > 1)
		return wrong(v, "a number from 0 to 1", e);
	return 0;
}

/* The index of a word in a NULL-ended list. */
static int
read_word(const struct json *v, const char *const *words, struct err *e)
{
	struct str word;

	if (!json_str(v, &word))
		return wrong(v, "a string", e);
	for (int i = 0; words[i]; i++)
		if (str_is(word, words[i]))
			return i;
	return err_set(e, ERR_INPUT, "'%.*s' cannot be '%.*s'",
	    STR_ARG(json_name(v)), STR_ARG(word));
}

static int
read_json(struct arena *a, const struct json *v, struct str *out,
    struct err *e)
{
	struct buf text;
	int rc;

	buf_init(&text, BUF_MAX);
	json_print(&text, v, false);
	rc = !text.failed && arena_str(a, buf_str(&text), out) ?
	    0 : err_nomem(e);
	buf_release(&text);
	return rc;
}

/* A number as JSON text, for it is only to be written again. */
static int
read_number(struct arena *a, const struct json *v, void *into, struct err *e)
{
	if (json_type(v) != JSON_NUMBER)
		return wrong(v, "a number", e);
	return read_json(a, v, into, e);
}

/* `reply` */

static int
read_one_text(struct arena *a, const struct json *v, void *into,
    struct err *e)
{
	struct script_reply *r = into;

	r->texts = arena_array(a, 1, sizeof(*r->texts));
	if (!r->texts)
		return err_nomem(e);
	r->n_texts = 1;
	return read_text(a, v, r->texts, e);
}

static int
read_texts(struct arena *a, const struct json *v, void *into, struct err *e)
{
	struct script_reply *r = into;

	if (json_type(v) != JSON_ARRAY || json_count(v) == 0)
		return wrong(v, "a list of texts", e);
	r->texts = arena_array(a, json_count(v), sizeof(*r->texts));
	if (!r->texts)
		return err_nomem(e);
	r->n_texts = 0;
	for (v = json_first(v); v; v = json_next(v))
		if (read_text(a, v, &r->texts[r->n_texts++], e) < 0)
			return -1;
	return 0;
}

static int
read_form(struct arena *a, const struct json *v, void *into, struct err *e)
{
	enum logprobs_form *form = into;
	int word = read_word(v, form_names, e);

	(void)a;
	*form = word < 0 ? FORM_AS_ASKED : (enum logprobs_form)word;
	return word < 0 ? -1 : 0;
}

static int
read_token_logprob(struct arena *a, const struct json *v, void *into,
    struct err *e)
{
	struct script_reply *r = into;
	bool one = json_type(v) == JSON_NUMBER;

	if (!one && (json_type(v) != JSON_ARRAY || json_count(v) == 0))
		return wrong(v, "a number or a list of them", e);
	r->logprobs = arena_array(a, one ? 1 : json_count(v),
	    sizeof(*r->logprobs));
	if (!r->logprobs)
		return err_nomem(e);
	r->n_logprobs = 0;
	for (v = one ? v : json_first(v); v; v = one ? NULL : json_next(v))
		if (read_number(a, v, &r->logprobs[r->n_logprobs++], e) < 0)
			return -1;
	return 0;
}

static int
read_refusal(struct arena *a, const struct json *v, void *into,
    struct err *e)
{
	struct script_reply *r = into;

	r->has_refusal = true;
	return read_text(a, v, &r->refusal, e);
}

static int
read_content(struct arena *a, const struct json *v, void *into,
    struct err *e)
{
	struct script_reply *r = into;

	if (!json_is_null(v))
		return read_one_text(a, v, into, e);
	r->null_content = true;
	return 0;
}

static int
read_choices(struct arena *a, const struct json *v, void *into,
    struct err *e)
{
	static const char *const words[] = { "none", "empty", NULL };
	struct script_reply *r = into;
	int word = read_word(v, words, e);

	(void)a;
	r->no_choices = word == 0;
	r->empty_choices = word == 1;
	return word < 0 ? -1 : 0;
}

static int
read_usage(struct arena *a, const struct json *v, void *into, struct err *e)
{
	struct script_reply *r = into;
	struct str word;

	if (json_str(v, &word) && str_is(word, "none")) {
		r->no_usage = true;
		return 0;
	}
	if (json_type(v) != JSON_OBJECT)
		return wrong(v, "an object or \"none\"", e);
	json_i64(json_get(v, "prompt_tokens"), &r->usage_prompt);
	json_i64(json_get(v, "completion_tokens"), &r->usage_completion);
	return read_json(a, v, &r->usage, e);
}

static int
read_reply(struct arena *a, const struct json *v, void *into, struct err *e)
{
	static const struct reading table[] = {
		{ "text", read_one_text, 0 },
		{ "texts", read_texts, 0 },
		{ "finish", read_text, offsetof(struct script_reply, finish) },
		{ "logprobs", read_form, offsetof(struct script_reply, form) },
		{ "token_logprob", read_token_logprob, 0 },
		{ "refusal", read_refusal, 0 },
		{ "content", read_content, 0 },
		{ "choices", read_choices, 0 },
		{ "usage", read_usage, 0 },
		{ "cost", read_number, offsetof(struct script_reply, cost) },
		{ "model", read_text, offsetof(struct script_reply, model) },
		{ NULL, NULL, 0 },
	};

	return read_object(a, v, into, table, e);
}

/* `match` */

static int
read_match(struct arena *a, const struct json *v, void *into, struct err *e)
{
	static const struct reading table[] = {
		{ "model", read_text, offsetof(struct rule, model) },
		{ "contains", read_text, offsetof(struct rule, contains) },
		{ "path", read_text, offsetof(struct rule, path) },
		{ "nth", read_count, offsetof(struct rule, nth) },
		{ "seen", read_count, offsetof(struct rule, come) },
		{ "chance", read_chance, offsetof(struct rule, chance) },
		{ NULL, NULL, 0 },
	};

	return read_object(a, v, into, table, e);
}

/* The rest of a rule */

static int
read_status(struct arena *a, const struct json *v, void *into, struct err *e)
{
	int64_t *status = into;

	(void)a;
	if (!json_i64(v, status) || *status < 200 || *status > 599)
		return wrong(v, "a status from 200 to 599", e);
	return 0;
}

static int
read_headers(struct arena *a, const struct json *v, void *into,
    struct err *e)
{
	struct rule *r = into;

	if (json_type(v) != JSON_OBJECT)
		return wrong(v, "an object", e);
	for (v = json_first(v); v; v = json_next(v)) {
		struct str name = json_name(v), value;
		char *lines;

		if (!json_str(v, &value))
			return wrong(v, "a string", e);
		if (str_is_nocase(name, "connection") &&
		    str_is_nocase(value, "close")) {
			r->closes = true; /* the server writes it itself */
			continue;
		}
		lines = arena_printf(a, "%.*s%.*s: %.*s\r\n",
		    STR_ARG(r->headers), STR_ARG(name), STR_ARG(value));
		if (!lines)
			return err_nomem(e);
		r->headers = str_of(lines);
		r->has_type |= str_is_nocase(name, "content-type");
	}
	return 0;
}

static int
read_body(struct arena *a, const struct json *v, void *into, struct err *e)
{
	struct rule *r = into;

	r->has_body = true;
	r->body_is_json = json_type(v) != JSON_STRING;
	return r->body_is_json ? read_json(a, v, &r->body, e) :
	    read_text(a, v, &r->body, e);
}

static int
read_fault(struct arena *a, const struct json *v, void *into, struct err *e)
{
	enum fault *fault = into;
	int word = read_word(v, fault_names, e);

	(void)a;
	*fault = word < 0 ? FAULT_NONE : (enum fault)word;
	return word < 0 ? -1 : 0;
}

static int
read_n(struct arena *a, const struct json *v, void *into, struct err *e)
{
	static const char *const words[] = { "honour", "ignore", NULL };
	int word = read_word(v, words, e);

	(void)a;
	*(bool *)into = word == 1;
	return word < 0 ? -1 : 0;
}

static int
read_billed(struct arena *a, const struct json *v, void *into, struct err *e)
{
	struct rule *r = into;

	if (read_flag(a, v, &r->billed, e) < 0)
		return -1;
	r->not_billed = !r->billed;
	return 0;
}

static int
read_encoding(struct arena *a, const struct json *v, void *into,
    struct err *e)
{
	static const char *const words[] = { "identity", "gzip", NULL };
	int word = read_word(v, words, e);

	(void)a;
	*(bool *)into = word == 1;
	return word < 0 ? -1 : 0;
}

static int
read_retry_date(struct arena *a, const struct json *v, void *into,
    struct err *e)
{
	struct rule *r = into;

	r->has_retry_date = true;
	return read_whole(a, v, &r->retry_date_s, e);
}

static int
read_rule(struct arena *a, struct str line, struct rule *r, struct err *e)
{
	static const struct reading table[] = {
		{ "match", read_match, 0 },
		{ "times", read_count, offsetof(struct rule, times) },
		{ "reply", read_reply, offsetof(struct rule, reply) },
		{ "status", read_status, offsetof(struct rule, status) },
		{ "headers", read_headers, 0 },
		{ "body", read_body, 0 },
		{ "delay_ms", read_count, offsetof(struct rule, delay_ms) },
		{ "drip_ms", read_count, offsetof(struct rule, drip_ms) },
		{ "fault", read_fault, offsetof(struct rule, fault) },
		{ "n", read_n, offsetof(struct rule, ignore_n) },
		{ "billed", read_billed, 0 },
		{ "echo_key", read_flag, offsetof(struct rule, echo_key) },
		{ "chunked", read_flag, offsetof(struct rule, chunked) },
		{ "encoding", read_encoding, offsetof(struct rule, gzip) },
		{ "bomb_mb", read_count, offsetof(struct rule, bomb_mb) },
		{ "size", read_count, offsetof(struct rule, size) },
		{ "blanks", read_count, offsetof(struct rule, blanks) },
		{ "many_headers", read_count,
		    offsetof(struct rule, many_headers) },
		{ "long_header", read_count,
		    offsetof(struct rule, long_header) },
		{ "retry_after_date_s", read_retry_date, 0 },
		{ "clock_s", read_whole, offsetof(struct rule, clock_s) },
		{ NULL, NULL, 0 },
	};
	struct json *doc = json_parse(line, e);
	int rc;

	if (!doc)
		return -1;
	*r = (struct rule){
		.times = -1, .delay_ms = -1, .drip_ms = 10, .chance = 1,
		.come = -1,
	};
	rc = read_object(a, doc, r, table, e);
	r->left = r->times;
	json_free(doc);
	return rc;
}

static int
add_rule(struct script *s, struct str line, int number, struct err *e)
{
	struct rule *rules;

	rules = reallocarray(s->rules, s->n + 1, sizeof(*rules));
	if (!rules)
		return err_nomem(e);
	s->rules = rules;
	if (read_rule(s->arena, line, &rules[s->n], e) < 0)
		return err_in(e, "line %d", number);
	rules[s->n++].line = number;
	return 0;
}

static int
read_lines(struct script *s, FILE *f, struct err *e)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int rc = 0;

	for (int number = 1; rc == 0 && (n = getline(&line, &cap, f)) >= 0;
	     number++) {
		struct str text = str_trim((struct str){ line, (size_t)n });

		if (text.n > 0 && !str_starts(text, "#"))
			rc = add_rule(s, text, number, e);
	}
	if (rc == 0 && ferror(f))
		rc = err_sys(e, ERR_IO, "cannot read");
	free(line);
	return rc;
}

int
script_load(struct script *s, const char *path, struct err *e)
{
	FILE *f;
	int rc;

	*s = (struct script){ .arena = arena_new(0) };
	if (!s->arena)
		return err_nomem(e);
	if (!path)
		return 0;
	f = fopen(path, "re");
	if (!f)
		return err_sys(e, ERR_IO, "cannot open script '%s'", path);
	rc = read_lines(s, f, e);
	fclose(f);
	return rc < 0 ? err_in(e, "script '%s'", path) : 0;
}

void
script_release(struct script *s)
{
	arena_free(s->arena);
	free(s->rules);
	*s = (struct script){ 0 };
}

static bool
fits(const struct rule *r, struct str path, const struct chat *c,
    int64_t came)
{
	return (r->model.n == 0 || str_eq(r->model, c->model)) &&
	    (r->path.n == 0 || str_eq(r->path, path)) &&
	    (r->come < 0 || r->come == came) &&
	    str_find(c->texts, r->contains) >= 0;
}

/* Whether chance has it: the same for the same draw, whatever came before. */
static bool
is_drawn(const struct rule *r, uint64_t draw)
{
	struct rng rng;

	if (r->chance >= 1)
		return true;
	rng_seed(&rng, draw ^ (uint64_t)r->line * UINT64_C(0xd1342543de82ef95));
	return rng_unit(&rng) < r->chance;
}

struct rule *
script_match(struct script *s, struct str path, const struct chat *c,
    int64_t came, uint64_t draw)
{
	for (size_t i = 0; i < s->n; i++) {
		struct rule *r = &s->rules[i];

		if (r->left == 0 || !fits(r, path, c, came) || !is_drawn(r, draw))
			continue;
		r->seen++;
		if (r->nth > 0 && r->seen != r->nth)
			continue;
		if (r->left > 0)
			r->left--;
		return r;
	}
	return NULL;
}

void
script_rewind(struct script *s)
{
	for (size_t i = 0; i < s->n; i++) {
		s->rules[i].seen = 0;
		s->rules[i].left = s->rules[i].times;
		s->rules[i].reply.next_text = 0;
	}
}
