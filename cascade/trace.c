/*
 * trace.c -- reads traces, a task at a time.
 *
 * Lines are gathered into the task under way for as long as their id is the
 * same; the first line of another id, or the end, hands it over. A bad line is
 * reported when it comes and leaves the task under way as it was.
 */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "cascade/lines.h"
#include "cascade/trace.h"

#define MAX_TOKENS INT64_C(1000000000000) /* of one completion */
#define MAX_LATENCY_MS 1e12

struct trace {
	struct input *in;
	const struct task_limits *limits; /* NULL: the defaults */
	size_t max_task;
	struct trace_task *under_way; /* NULL: none */
};

int
trace_open(struct trace **out, const char *path, struct err *e)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(e);
	if (input_open(&t->in, path, 0, e) < 0) {
		free(t);
		return -1;
	}
	t->max_task = TRACE_MAX_TASK;
	*out = t;
	return 0;
}

void
trace_close(struct trace *t)
{
	if (!t)
		return;
	trace_task_free(t->under_way);
	input_close(t->in);
	free(t);
}

void
trace_limit(struct trace *t, const struct task_limits *limits,
    size_t max_task)
{
	t->limits = limits;
	t->max_task = max_task;
	input_limit(t->in, limits->line);
}

struct input *
trace_input(struct trace *t)
{
	return t->in;
}

void
trace_task_free(struct trace_task *t)
{
	if (t)
		task_free(t->task);
}

static int
must_be(const char *name, const char *what, const struct json *v,
    struct err *e)
{
	return err_set(e, ERR_INPUT, "'%s' must be %s, not %s", name, what,
	    json_type_name(v));
}

static bool
is_scalar(const struct json *v)
{
	enum json_type type = json_type(v);

	return type == JSON_STRING || type == JSON_NUMBER || type == JSON_BOOL;
}

/* *out stays as it is where the member is absent or null. */
static int
get_string(const struct json *o, const char *name, struct arena *a,
    struct str *out, struct err *e)
{
	const struct json *v = json_get(o, name);
	struct str s;

	if (json_is_null(v))
		return 0;
	if (!json_str(v, &s))
		return must_be(name, "a string", v, e);
	return arena_str(a, s, out) ? 0 : err_nomem(e);
}

static int
get_tokens(const struct json *o, const char *name, int64_t *out,
    struct err *e)
{
	const struct json *v = json_get(o, name);

	if (json_is_null(v))
		return 0;
	if (!json_i64(v, out) || *out < 0 || *out > MAX_TOKENS)
		return err_set(e, ERR_INPUT, "'%s' must be a whole number of "
		    "tokens", name);
	return 0;
}

static int
get_amount(const struct json *o, const char *name, double max, double *out,
    struct err *e)
{
	const struct json *v = json_get(o, name);

	if (json_is_null(v))
		return 0;
	if (!json_double(v, out) || *out < 0 || *out > max)
		return err_set(e, ERR_INPUT, "'%s' must be a number from 0 to "
		    "%g", name, max);
	return 0;
}

static int
get_money(const struct json *o, const char *name, int64_t per,
    int64_t *picousd, struct err *e)
{
	double usd = -1;

	if (get_amount(o, name, (double)(MONEY_MAX / MONEY_USD / 2), &usd,
	    e) < 0)
		return -1;
	if (usd >= 0)
		*picousd = money_from_double(usd / (double)per);
	return 0;
}

/* A token may be part of a character: then only its `bytes` tell it. False:
 * they are no bytes. */
static bool
add_token(struct buf *text, const struct json *item)
{
	const struct json *bytes = json_get(item, "bytes"), *b;
	struct str s;
	int64_t v;

	if (json_type(bytes) != JSON_ARRAY) {
		if (json_str(json_get(item, "token"), &s))
			buf_add(text, s);
		return true;
	}
	for (b = json_first(bytes); b; b = json_next(b)) {
		if (!json_i64(b, &v) || v < 0 || v > UINT8_MAX)
			return false;
		buf_addc(text, (char)(unsigned char)v);
	}
	return true;
}

/* null is the logarithm of 0. False: no number. */
static bool
get_logprob(const struct json *item, double *out)
{
	const struct json *v = json_get(item, "logprob");
	double p = LOGPROB_FLOOR;

	if (!v || (!json_is_null(v) && !json_double(v, &p)))
		return false;
	*out = p > 0 ? 0 : p < LOGPROB_FLOOR ? LOGPROB_FLOOR : p;
	return true;
}

/* Tokens with the places that they would have in the text that they make,
 * which is appended to `text`. */
static int
read_tokens(const struct json *v, struct token *tokens, struct buf *text,
    struct err *e)
{
	const struct json *item;

	for (item = json_first(v); item; item = json_next(item), tokens++) {
		tokens->from = (uint32_t)text->n;
		if (!get_logprob(item, &tokens->logprob) ||
		    !add_token(text, item))
			return err_set(e, ERR_INPUT, "'logprobs' must have "
			    "elements of the form {\"token\": \"...\", "
			    "\"logprob\": -0.1}");
		tokens->to = (uint32_t)text->n;
	}
	return text->failed ? err_nomem(e) : 0;
}

/* `from` and `to` of every token, where the first has them. */
static int
read_places(const struct json *v, struct completion *c, struct token *tokens,
    struct err *e)
{
	const struct json *item;
	int64_t from, to, n = (int64_t)c->text.n;

	if (!json_get(json_first(v), "from"))
		return 0;
	for (item = json_first(v); item; item = json_next(item), tokens++) {
		if (!json_i64(json_get(item, "from"), &from) ||
		    !json_i64(json_get(item, "to"), &to) ||
		    from < 0 || from > to || to > n)
			return err_set(e, ERR_INPUT, "'from' and 'to' of a "
			    "token must be bytes of the text");
		tokens->from = (uint32_t)from;
		tokens->to = (uint32_t)to;
	}
	c->tokens_of_answer = false;
	return 0;
}

static int
get_logprobs(const struct json *o, struct arena *a, struct completion *c,
    struct err *e)
{
	const struct json *v = json_get(o, "logprobs");
	size_t n = json_count(v);
	struct token *tokens;
	struct buf text;
	int rc;

	if (json_is_null(v))
		return 0;
	if (json_type(v) != JSON_ARRAY)
		return must_be("logprobs", "an array", v, e);
	tokens = arena_array(a, n, sizeof(*tokens));
	if (!tokens)
		return err_nomem(e);
	buf_init(&text, BUF_MAX);
	rc = read_tokens(v, tokens, &text, e);
	c->tokens_of_answer = n > 0 && !str_eq(buf_str(&text), c->text);
	buf_release(&text);
	for (size_t i = 0; c->tokens_of_answer && i < n; i++)
		tokens[i].from = tokens[i].to = 0;
	if (rc == 0)
		rc = read_places(v, c, tokens, e);
	c->tokens = n ? tokens : NULL;
	c->n_tokens = n;
	return rc;
}

static int
get_answer(const struct json *o, struct arena *a, struct completion *c,
    struct trace_note *note, struct err *e)
{
	const struct json *answer = json_get(o, "answer");
	const struct json *correct = json_get(o, "correct");
	bool yes;

	note->has_recorded_answer = answer != NULL;
	if (!json_is_null(answer)) {
		if (task_text(a, answer, &c->answer, e) < 0)
			return err_in(e, "'answer'");
		c->has_answer = true;
	}
	if (json_is_null(correct))
		return 0;
	if (!json_bool(correct, &yes))
		return must_be("correct", "a boolean", correct, e);
	note->correct = yes ? YES : NO;
	return 0;
}

/* An answer that was cut off or refused is never accepted. */
static int
get_finish(const struct json *o, struct completion *c, struct err *e)
{
	const struct json *v = json_get(o, "finish");
	struct str word;

	if (json_is_null(v))
		return 0;
	if (!json_str(v, &word) || !finish_parse(word, &c->finish))
		return err_set(e, ERR_INPUT, "'finish' must be stop, length, "
		    "refused, tool or other");
	return 0;
}

/* `p_true` and, where it has more digits, its `logprob`. */
static int
get_verify(const struct json *o, struct arena *a, struct completion *c,
    struct err *e)
{
	const struct json *v = json_get(o, "verify");
	bool has_ln = !json_is_null(json_get(v, "logprob"));
	struct verified *out;
	double p = -1;

	if (json_is_null(v))
		return 0;
	if (json_type(v) != JSON_OBJECT)
		return must_be("verify", "an object", v, e);
	out = arena_alloc(a, sizeof(*out));
	if (!out)
		return err_nomem(e);
	out->cost_picousd = MONEY_UNKNOWN;
	if (get_amount(v, "p_true", 1, &p, e) < 0 ||
	    get_money(v, "cost_usd", 1, &out->cost_picousd, e) < 0)
		return err_in(e, "'verify'");
	if (has_ln && !get_logprob(v, &out->ln))
		return must_be("logprob", "a number", json_get(v, "logprob"),
		    e);
	if (!has_ln)
		out->ln = p > 0 ? log(p) : LOGPROB_FLOOR;
	if (has_ln || p >= 0)
		c->verified = out;
	return 0;
}

static int
read_completion(const struct json *o, struct arena *a, struct completion *c,
    struct trace_note *note, struct err *e)
{
	double latency_ms = -1;

	if (json_type(o) != JSON_OBJECT)
		return err_set(e, ERR_INPUT, "must be an object, not %s",
		    json_type_name(o));
	*c = (struct completion){
		.model = c->model,
		.prompt_tokens = -1,
		.cached_tokens = -1,
		.cache_write_tokens = -1,
		.completion_tokens = -1,
		.reasoning_tokens = -1,
		.cost_picousd = MONEY_UNKNOWN,
	};
	if (get_string(o, "text", a, &c->text, e) < 0 ||
	    get_logprobs(o, a, c, e) < 0 ||
	    get_answer(o, a, c, note, e) < 0 ||
	    get_finish(o, c, e) < 0 ||
	    get_verify(o, a, c, e) < 0 ||
	    get_tokens(o, "prompt_tokens", &c->prompt_tokens, e) < 0 ||
	    get_tokens(o, "completion_tokens", &c->completion_tokens, e) < 0 ||
	    get_money(o, "cost_usd", 1, &c->cost_picousd, e) < 0 ||
	    get_amount(o, "latency_ms", MAX_LATENCY_MS, &latency_ms, e) < 0)
		return -1;
	c->latency_ms = llround(latency_ms);
	return 0;
}

static int
read_completions(const struct json *v, struct arena *a,
    struct trace_tier *tier, struct err *e)
{
	const struct json *item;
	size_t n = json_count(v), i = 0;

	if (n > TRACE_MAX_COMPLETIONS)
		return err_set(e, ERR_INPUT, "more than %d completions",
		    TRACE_MAX_COMPLETIONS);
	tier->n = n;
	tier->c = arena_array(a, n, sizeof(*tier->c));
	tier->notes = arena_array(a, n, sizeof(*tier->notes));
	if (!tier->c || !tier->notes)
		return err_nomem(e);
	for (item = json_first(v); item; item = json_next(item), i++) {
		tier->c[i].model = tier->model;
		if (read_completion(item, a, &tier->c[i], &tier->notes[i],
		    e) < 0)
			return err_in(e, "completion %zu", i + 1);
	}
	return 0;
}

static int
read_price(const struct json *o, struct price_rates *r, struct err *e)
{
	const struct json *v = json_get(o, "price");
	const int64_t million = 1000000;

	*r = (struct price_rates){ MONEY_UNKNOWN, MONEY_UNKNOWN, MONEY_UNKNOWN,
	    MONEY_UNKNOWN, MONEY_UNKNOWN };
	if (!json_is_null(v) && json_type(v) != JSON_OBJECT)
		return must_be("price", "an object", v, e);
	if (get_money(v, "input_per_mtok", million, &r->input, e) < 0)
		return -1;
	return get_money(v, "output_per_mtok", million, &r->output, e);
}

/* 1: *out; 0: the line has no tier or no completions; -1. */
static int
read_tier(const struct json *o, struct arena *a, struct trace_tier *out,
    struct err *e)
{
	const struct json *v = json_get(o, "completions");
	struct trace_tier tier = { .n = 0 };

	if (!json_is_null(v) && json_type(v) != JSON_ARRAY)
		return must_be("completions", "an array", v, e);
	if (get_string(o, "tier", a, &tier.name, e) < 0)
		return -1;
	if (json_count(v) == 0)
		return 0;
	if (tier.name.n == 0)
		return json_is_null(json_get(o, "tier")) ? 0 :
		    err_set(e, ERR_INPUT, "'tier' is empty");
	tier.model = tier.name;
	if (get_string(o, "model", a, &tier.model, e) < 0 ||
	    read_price(o, &tier.rates, e) < 0 ||
	    read_completions(v, a, &tier, e) < 0)
		return -1;
	*out = tier;
	return 1;
}

/* Does the name that comes next belong to none of the tiers there are? */
static int
check_room(const struct trace_task *t, const struct json *o, size_t max_task,
    struct err *e)
{
	struct str name;

	if (arena_used(t->task->arena) > max_task)
		return err_set(e, ERR_INPUT, "the lines of task '%s' are more "
		    "than %zu bytes; see limit 'trace'",
		    lines_shown(t->task->id).p, max_task);
	if (!json_str(json_get(o, "tier"), &name))
		return 0;
	if (t->n_tiers == TRACE_MAX_TIERS)
		return err_set(e, ERR_INPUT, "task '%s' has more than %d tiers",
		    lines_shown(t->task->id).p, TRACE_MAX_TIERS);
	for (size_t i = 0; i < t->n_tiers; i++)
		if (str_eq(t->tiers[i].name, name))
			return err_set(e, ERR_INPUT, "tier '%s' of task '%s' "
			    "is there twice", lines_shown(name).p,
			    lines_shown(t->task->id).p);
	return 0;
}

static int
add_tier(struct trace_task *t, const struct json *o, size_t max_task,
    struct err *e)
{
	int rc;

	if (check_room(t, o, max_task, e) < 0)
		return -1;
	rc = read_tier(o, t->task->arena, &t->tiers[t->n_tiers], e);
	if (rc == 1)
		t->n_tiers++;
	return rc < 0 ? -1 : 0;
}

/* The task itself, without a tier. */
static int
read_task(struct task *task, const struct json *o, struct trace_task **out,
    struct err *e)
{
	const struct json *reference = json_get(o, "reference");
	struct trace_task *t = arena_alloc(task->arena, sizeof(*t));

	if (!t)
		return err_nomem(e);
	t->task = task;
	t->tiers = arena_array(task->arena, TRACE_MAX_TIERS,
	    sizeof(*t->tiers));
	if (!t->tiers)
		return err_nomem(e);
	if (task_read(task, o, e) < 0 ||
	    get_string(o, "dataset", task->arena, &t->dataset, e) < 0 ||
	    get_string(o, "split", task->arena, &t->split, e) < 0)
		return -1;
	/* Lists of right answers are for people: go by `correct` there. */
	if (is_scalar(reference) &&
	    task_text(task->arena, reference, &task->reference, e) < 0)
		return err_in(e, "'reference'");
	task->has_reference = task->reference.n > 0;
	if (task_check(task, false, e) < 0)
		return -1;
	*out = t;
	return 0;
}

static int
begin_task(struct trace *t, const struct json *o, struct trace_task **out,
    struct err *e)
{
	struct trace_task *tt = NULL;
	struct task *task = task_new();

	if (!task)
		return err_nomem(e);
	task->line = input_lineno(t->in);
	task->limits = t->limits;
	if (read_task(task, o, &tt, e) < 0
	    || add_tier(tt, o, t->max_task, e) < 0) {
		task_free(task);
		return -1;
	}
	*out = tt;
	return 0;
}

/* Is this a line of the task under way? 1, 0; -1: it has no usable id. */
static int
belongs(const struct trace *t, const struct json *o, struct err *e)
{
	struct arena *scratch;
	struct str id;
	int rc = -1;

	if (json_type(o) != JSON_OBJECT)
		return err_set(e, ERR_INPUT, "a line of a trace must be an "
		    "object, not %s", json_type_name(o));
	if (json_is_null(json_get(o, "id")))
		return err_set(e, ERR_INPUT, "has no 'id'");
	scratch = arena_new(0);
	if (!scratch)
		return err_nomem(e);
	if (task_text(scratch, json_get(o, "id"), &id, e) < 0)
		err_in(e, "'id'");
	else if (id.n == 0)
		err_set(e, ERR_INPUT, "'id' is empty");
	else
		rc = t->under_way && str_eq(id, t->under_way->task->id);
	arena_free(scratch);
	return rc;
}

/* 1: *out is complete; 0: go on; -1. */
static int
take_line(struct trace *t, const struct json *o, struct trace_task **out,
    struct err *e)
{
	struct trace_task *next = NULL;
	int rc = belongs(t, o, e);

	if (rc < 0)
		return -1;
	if (rc == 1)
		return add_tier(t->under_way, o, t->max_task, e);
	if (begin_task(t, o, &next, e) < 0)
		return -1;
	*out = t->under_way;
	t->under_way = next;
	return *out != NULL;
}

int
trace_next(struct trace *t, struct trace_task **out, struct err *e)
{
	struct json *doc;
	struct str line;
	int rc;

	do {
		rc = lines_next(t->in, &line, e);
		if (rc < 0)
			return -1;
		if (rc == 0) {
			*out = t->under_way;
			t->under_way = NULL;
			return *out != NULL;
		}
		doc = json_parse(line, e);
		rc = doc ? take_line(t, doc, out, e) : -1;
		json_free(doc);
	} while (rc == 0);
	return rc < 0 ? lines_place(t->in, e) : rc;
}
