/*
 * task.c -- one unit of work, from a prompt, a task object or a line of an
 * OpenAI batch file.
 */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/suggest.h"
#include "cascade/lines.h"
#include "cascade/task.h"

#define LARGEST_EXACT 0x1p53 /* above it doubles skip whole numbers */

static const char *const task_members[] = {
	"id", "prompt", "messages", "system", "vars", "tags", "cascade",
	"reference", "max_tokens", NULL
};
static const char *const line_members[] = { /* of a batch file */
	"custom_id", "method", "url", "body", NULL
};
static const char *const body_members[] = {
	"messages", "max_tokens", "max_completion_tokens", "model", "stream",
	"n", "metadata", NULL
};
static const char *const message_members[] = { "role", "content", NULL };
static const char *const part_members[] = { "type", "text", NULL };
static const char *const roles[] = {
	"system", "developer", "user", "assistant", NULL
};

/* A task with a short prompt, and what its climb adds, takes some 2,500. */
#define TASK_CHUNK 2600

static const struct task_limits default_limits = TASK_LIMITS_DEFAULT;

const struct task_limits *
task_limits(const struct task *t)
{
	return t->limits ? t->limits : &default_limits;
}

struct task *
task_new(void)
{
	struct arena *a = arena_new(TASK_CHUNK);
	struct task *t = a ? arena_alloc(a, sizeof(*t)) : NULL;

	if (!t) {
		arena_free(a);
		return NULL;
	}
	t->arena = a;
	return t;
}

void
task_free(struct task *t)
{
	if (t)
		arena_free(t->arena);
}

struct task *
task_of_prompt(struct str prompt)
{
	struct task *t = task_new();

	if (t && !arena_str(t->arena, prompt, &t->prompt)) {
		task_free(t);
		return NULL;
	}
	return t;
}

static bool
is_among(struct str name, const char *const *words)
{
	for (; *words; words++)
		if (str_is(name, *words))
			return true;
	return false;
}

/* Members that others put beside ours for themselves. */
static bool
is_private(struct str name)
{
	return str_starts(name, "_") || str_starts(name, "x_");
}

static int
unknown(struct str name, const char *const *known, struct err *e)
{
	const char *near = suggest(name, known);
	struct buf b;
	int rc;

	buf_init(&b, sizeof(e->msg));
	if (near)
		buf_addf(&b, " (did you mean '%s'?)", near);
	buf_adds(&b, "; known are ");
	for (size_t i = 0; known[i]; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", known[i]);
	if (b.failed)
		rc = err_nomem(e);
	else
		rc = err_set(e, ERR_INPUT, "unknown member '%s'%s",
		    lines_shown(name).p, b.p);
	buf_release(&b);
	return rc;
}

static int
check_members(const struct json *o, const char *const *known, struct err *e)
{
	const struct json *m;

	for (m = json_first(o); m; m = json_next(m))
		if (!is_among(json_name(m), known) &&
		    !is_private(json_name(m)))
			return unknown(json_name(m), known, e);
	return 0;
}

int
task_text(struct arena *a, const struct json *v, struct str *out,
    struct err *e)
{
	struct str text;
	struct buf b;
	double number;
	bool ok;

	if (json_str(v, &text))
		return arena_str(a, text, out) ? 0 : err_nomem(e);
	if (json_type(v) != JSON_NUMBER && json_type(v) != JSON_BOOL)
		return err_set(e, ERR_INPUT, "must be a string, a number or a "
		    "boolean, not %s", json_type_name(v));
	if (json_type(v) == JSON_NUMBER &&
	    (!json_double(v, &number) || fabs(number) > LARGEST_EXACT))
		return err_set(e, ERR_INPUT, "is too large a number to be kept "
		    "exactly; write it as a string");
	buf_init(&b, 64);
	json_print(&b, v, true);
	ok = !b.failed && arena_str(a, buf_str(&b), out);
	buf_release(&b);
	return ok ? 0 : err_nomem(e);
}

/* A member that may be absent or null: then *out stays as it is. */
static int
get_text(struct task *t, const struct json *o, const char *name,
    struct str *out, struct err *e)
{
	const struct json *v = json_get(o, name);

	if (json_is_null(v))
		return 0;
	if (task_text(t->arena, v, out, e) < 0)
		return err_in(e, "'%s'", name);
	return 0;
}

static int
get_string(struct task *t, const struct json *o, const char *name,
    struct str *out, struct err *e)
{
	const struct json *v = json_get(o, name);

	if (!json_is_null(v) && json_type(v) != JSON_STRING)
		return err_set(e, ERR_INPUT, "'%s' must be a string, not %s",
		    name, json_type_name(v));
	return get_text(t, o, name, out, e);
}

/* Put in place of the field of the same name, else at the end. */
static void
put_field(struct field *v, size_t *n, struct field f)
{
	size_t i = 0;

	while (i < *n && !str_eq(v[i].name, f.name))
		i++;
	v[i] = f;
	if (i == *n)
		++*n;
}

static int
get_fields(struct task *t, const struct json *o, const char *name,
    struct field **out, size_t *n, struct err *e)
{
	const struct json *v = json_get(o, name), *m;
	size_t count = json_count(v), most = task_limits(t)->fields;
	struct field f;

	if (json_is_null(v))
		return 0;
	if (json_type(v) != JSON_OBJECT)
		return err_set(e, ERR_INPUT, "'%s' must be an object, not %s",
		    name, json_type_name(v));
	if (count > most)
		return err_set(e, ERR_INPUT, "'%s' has more than %zu members; "
		    "see limit 'fields'", name, most);
	*out = arena_array(t->arena, count, sizeof(**out));
	if (!*out)
		return err_nomem(e);
	for (m = json_first(v); m; m = json_next(m)) {
		if (!arena_str(t->arena, json_name(m), &f.name))
			return err_nomem(e);
		if (task_text(t->arena, m, &f.value, e) < 0)
			return err_in(e, "'%s' in '%s'",
			    lines_shown(f.name).p, name);
		put_field(*out, n, f);
	}
	return 0;
}

/* The ledger keeps them with every task. */
static int
check_tags(const struct field *v, size_t n, struct err *e)
{
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += v[i].name.n + v[i].value.n;
	if (total > TASK_MAX_TAGS)
		return err_set(e, ERR_INPUT, "the tags are longer than %zu "
		    "bytes together", TASK_MAX_TAGS);
	return 0;
}

int
task_add_tag(struct task *t, struct str name, struct str value, struct err *e)
{
	size_t most = task_limits(t)->fields;
	struct field f, *v;

	if (t->n_tags >= most)
		return err_set(e, ERR_INPUT, "more than %zu tags; see limit "
		    "'fields'", most);
	v = arena_array(t->arena, t->n_tags + 1, sizeof(*v));
	if (!v || !arena_str(t->arena, name, &f.name) ||
	    !arena_str(t->arena, value, &f.value))
		return err_nomem(e);
	if (t->n_tags)
		memcpy(v, t->tags, t->n_tags * sizeof(*v));
	put_field(v, &t->n_tags, f);
	t->tags = v;
	return check_tags(t->tags, t->n_tags, e);
}

static int
get_max_tokens(struct task *t, const struct json *o, const char *name,
    struct err *e)
{
	const struct json *v = json_get(o, name);
	int64_t n;

	if (json_is_null(v))
		return 0;
	if (!json_i64(v, &n) || n < 1 || n > TASK_MAX_TOKENS)
		return err_set(e, ERR_INPUT, "'%s' must be a whole number from "
		    "1 to %d", name, TASK_MAX_TOKENS);
	if (t->max_tokens)
		return err_set(e, ERR_INPUT, "both 'max_tokens' and '%s' are "
		    "given; keep one", name);
	t->max_tokens = n;
	return 0;
}

/* Text parts, joined. */
static int
join_parts(struct task *t, const struct json *parts, struct str *out,
    struct err *e)
{
	const struct json *p;
	struct str type, text;
	struct buf b;
	int rc = -1;

	buf_init(&b, BUF_MAX);
	for (p = json_first(parts); p; p = json_next(p)) {
		if (!json_str(json_get(p, "type"), &type) ||
		    !str_is(type, "text") ||
		    !json_str(json_get(p, "text"), &text)) {
			err_set(e, ERR_INPUT, "'content' may have only parts "
			    "of the form {\"type\": \"text\", \"text\": "
			    "\"...\"}");
			goto out;
		}
		if (check_members(p, part_members, e) < 0)
			goto out;
		buf_add(&b, text);
	}
	if (b.failed || !arena_str(t->arena, buf_str(&b), out))
		err_nomem(e);
	else
		rc = 0;
out:
	buf_release(&b);
	return rc;
}

static int
get_message(struct task *t, const struct json *o, struct message *m,
    struct err *e)
{
	const struct json *content = json_get(o, "content");
	struct str text;

	if (json_type(o) != JSON_OBJECT)
		return err_set(e, ERR_INPUT, "must be an object, not %s",
		    json_type_name(o));
	if (check_members(o, message_members, e) < 0)
		return -1;
	if (!json_str(json_get(o, "role"), &text))
		return err_set(e, ERR_INPUT, "has no 'role'");
	if (!is_among(text, roles))
		return err_set(e, ERR_INPUT, "unknown role '%s'; known are "
		    "system, developer, user, assistant", lines_shown(text).p);
	if (!arena_str(t->arena, text, &m->role))
		return err_nomem(e);
	if (json_type(content) == JSON_ARRAY)
		return join_parts(t, content, &m->content, e);
	if (!json_str(content, &text))
		return err_set(e, ERR_INPUT, "'content' must be a string or an "
		    "array of text parts, not %s", json_type_name(content));
	return arena_str(t->arena, text, &m->content) ? 0 : err_nomem(e);
}

static int
get_messages(struct task *t, const struct json *v, struct err *e)
{
	const struct json *m;
	size_t count = json_count(v), most = task_limits(t)->messages;
	bool asked = false;

	if (json_type(v) != JSON_ARRAY || count == 0)
		return err_set(e, ERR_INPUT, "'messages' must be an array with "
		    "at least one message");
	if (count > most)
		return err_set(e, ERR_INPUT, "more than %zu messages; see limit "
		    "'messages'", most);
	t->messages = arena_array(t->arena, count, sizeof(*t->messages));
	if (!t->messages)
		return err_nomem(e);
	for (m = json_first(v); m; m = json_next(m)) {
		struct message *to = &t->messages[t->n_messages++];

		if (get_message(t, m, to, e) < 0)
			return err_in(e, "message %zu", t->n_messages);
		if (str_is(to->role, "user")) {
			t->prompt = to->content;
			asked = true;
		}
	}
	if (!asked)
		return err_set(e, ERR_INPUT, "'messages' has no message of the "
		    "role 'user'");
	return 0;
}

int
task_read(struct task *t, const struct json *o, struct err *e)
{
	const struct json *messages = json_get(o, "messages");
	struct str first;

	if (get_text(t, o, "id", &t->id, e) < 0 ||
	    get_string(t, o, "prompt", &t->prompt, e) < 0 ||
	    get_string(t, o, "system", &t->system, e) < 0 ||
	    get_fields(t, o, "tags", &t->tags, &t->n_tags, e) < 0)
		return -1;
	if (check_tags(t->tags, t->n_tags, e) < 0)
		return err_in(e, "'tags'");
	if (json_is_null(messages))
		return 0;
	if (!json_is_null(json_get(o, "prompt")))
		return err_set(e, ERR_INPUT, "both 'prompt' and 'messages' are "
		    "given; keep one");
	if (get_messages(t, messages, e) < 0)
		return -1;
	first = t->messages[0].role;
	if (t->system.n &&
	    (str_is(first, "system") || str_is(first, "developer")))
		return err_set(e, ERR_INPUT, "'system' is given and 'messages' "
		    "begins with a %.*s message; keep one", STR_ARG(first));
	return 0;
}

int
task_check(const struct task *t, bool needs_prompt, struct err *e)
{
	const struct task_limits *most = task_limits(t);
	size_t total = t->system.n + (t->messages ? 0 : t->prompt.n);

	for (size_t i = 0; i < t->n_messages; i++)
		total += t->messages[i].content.n;
	if (total > most->prompt)
		return err_set(e, ERR_INPUT, "the prompt is longer than %zu "
		    "bytes; see limit 'prompt'", most->prompt);
	if (t->id.n > most->id)
		return err_set(e, ERR_INPUT, "the id is longer than %zu bytes; "
		    "see limit 'id'", most->id);
	if (needs_prompt && str_trim(t->prompt).n == 0)
		return err_set(e, ERR_INPUT, "there is no prompt, or it is "
		    "blank");
	return 0;
}

static int
read_object(struct task *t, const struct json *o, struct err *e)
{
	if (check_members(o, task_members, e) < 0 || task_read(t, o, e) < 0 ||
	    get_fields(t, o, "vars", &t->vars, &t->n_vars, e) < 0 ||
	    get_string(t, o, "cascade", &t->cascade, e) < 0 ||
	    get_text(t, o, "reference", &t->reference, e) < 0)
		return -1;
	t->has_reference = t->reference.n > 0;
	return get_max_tokens(t, o, "max_tokens", e);
}

/* What a cascade decides has no place in a task. */
static int
check_body(const struct json *body, struct err *e)
{
	const struct json *m;
	struct str name;
	bool stream;
	int64_t n;

	for (m = json_first(body); m; m = json_next(m)) {
		name = json_name(m);
		if (!is_among(name, body_members) && !is_private(name))
			return err_set(e, ERR_INPUT, "'%s' in 'body' belongs "
			    "in the cascade, not in a task", lines_shown(name).p);
	}
	m = json_get(body, "stream");
	if (!json_is_null(m) && (!json_bool(m, &stream) || stream))
		return err_set(e, ERR_INPUT, "'stream' in 'body' can only be "
		    "false");
	m = json_get(body, "n");
	if (!json_is_null(m) && (!json_i64(m, &n) || n != 1))
		return err_set(e, ERR_INPUT, "'n' in 'body' can only be 1; say "
		    "'samples' in the cascade");
	return 0;
}

static int
check_endpoint(const struct json *o, struct err *e)
{
	const struct json *method = json_get(o, "method");
	const struct json *url = json_get(o, "url");
	struct str s;

	if (!json_is_null(method) &&
	    (!json_str(method, &s) || !str_is(s, "POST")))
		return err_set(e, ERR_INPUT, "'method' can only be POST");
	if (!json_is_null(url) &&
	    (!json_str(url, &s) || !str_ends(s, "/chat/completions")))
		return err_set(e, ERR_INPUT, "'url' can only be "
		    "/v1/chat/completions");
	return 0;
}

static int
read_batch_line(struct task *t, const struct json *o, struct err *e)
{
	const struct json *body = json_get(o, "body");

	if (check_members(o, line_members, e) < 0 ||
	    check_endpoint(o, e) < 0 ||
	    get_text(t, o, "custom_id", &t->id, e) < 0)
		return -1;
	if (json_type(body) != JSON_OBJECT)
		return err_set(e, ERR_INPUT, "'body' must be an object, not %s",
		    json_type_name(body));
	if (check_body(body, e) < 0 ||
	    get_max_tokens(t, body, "max_tokens", e) < 0 ||
	    get_max_tokens(t, body, "max_completion_tokens", e) < 0)
		return -1;
	return get_messages(t, json_get(body, "messages"), e);
}

static int
read_task(struct task *t, const struct json *o, struct err *e)
{
	int rc;

	if (json_type(o) != JSON_OBJECT)
		return err_set(e, ERR_INPUT, "a task must be an object, not %s",
		    json_type_name(o));
	if (json_get(o, "custom_id") || json_get(o, "body"))
		rc = read_batch_line(t, o, e);
	else
		rc = read_object(t, o, e);
	return rc < 0 ? -1 : task_check(t, t->n_vars == 0, e);
}

struct task *
task_of_json(struct str line, struct err *e)
{
	return task_of_json_within(line, NULL, e);
}

struct task *
task_of_json_within(struct str line, const struct task_limits *limits,
    struct err *e)
{
	struct json *doc = json_parse(line, e);
	struct task *t = NULL;

	if (!doc)
		return NULL;
	t = task_new();
	if (!t) {
		err_nomem(e);
	} else {
		t->limits = limits;
		if (read_task(t, doc, e) < 0) {
			task_free(t);
			t = NULL;
		}
	}
	json_free(doc);
	return t;
}
