/*
 * cache_io.c -- `frugal cache export` and `import`: completions as JSON Lines.
 *
 * A line has the canonical request as text, to the byte, since the key is its
 * SHA-256; everything of one completion; and the key, for people who search.
 */
#include "cmd/cache.h"

#include <string.h>

#include "base/input.h"
#include "base/money.h"
#include "cascade/key.h"
#include "cascade/lines.h"
#include "cmd/output.h"

#define MAX_LINE ((size_t)256 << 20)
#define ROWS_A_COMMIT 512

/* The members of a line that are numbers or -1, which is left out. */
static const struct number {
	const char *name;
	size_t offset;
} numbers[] = {
	{ "prompt_tokens", offsetof(struct completion, prompt_tokens) },
	{ "cached_tokens", offsetof(struct completion, cached_tokens) },
	{ "cache_write_tokens",
	    offsetof(struct completion, cache_write_tokens) },
	{ "completion_tokens", offsetof(struct completion, completion_tokens) },
	{ "reasoning_tokens", offsetof(struct completion, reasoning_tokens) },
};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

/* --- export ------------------------------------------------------------ */

struct export {
	const char *out_file, *model, *contains;
	struct output *out;
	struct buf line;
	struct err *e;
	bool salvage, failed;
	int64_t n, gaps;
};

static void
put_tokens(struct jw *w, const struct completion *c)
{
	if (!c->tokens)
		return;
	jw_kbool(w, "tokens_of_answer", c->tokens_of_answer);
	jw_key(w, "tokens");
	jw_open(w, '[');
	for (size_t i = 0; i < c->n_tokens; i++) {
		jw_open(w, '[');
		jw_i64(w, c->tokens[i].from);
		jw_i64(w, c->tokens[i].to);
		jw_double(w, c->tokens[i].logprob);
		jw_close(w, ']');
	}
	jw_close(w, ']');
}

static void
put_line(struct buf *b, const struct cached_row *r)
{
	const struct completion *c = &r->c;
	struct jw w = jw_shown(b);
	struct buf key;

	buf_init(&key, 2 * SHA256_BYTES);
	hex_add(&key, r->request.key, SHA256_BYTES);
	jw_open(&w, '{');
	jw_kstr(&w, "key", buf_str(&key));
	jw_kstr(&w, "canon", r->request.canon);
	jw_kstr(&w, "provider", r->request.provider);
	jw_kstr(&w, "model", r->request.model);
	jw_ki64(&w, "sample", r->sample);
	jw_kstr(&w, "text", c->text);
	jw_kstr(&w, "finish", str_of(finish_name(c->finish)));
	jw_kstr(&w, "answered_by", c->model);
	for (size_t i = 0; i < NUMBERS; i++) {
		int64_t v = *(const int64_t *)((const char *)c
		    + numbers[i].offset);
		if (v >= 0)
			jw_ki64(&w, numbers[i].name, v);
	}
	jw_kmoney(&w, "cost_usd", c->cost_picousd);
	jw_ki64(&w, "latency_ms", c->latency_ms);
	jw_ki64(&w, "asked_utc_ms", c->asked_utc_ms);
	put_tokens(&w, c);
	jw_close(&w, '}');
	buf_addc(b, '\n');
	b->failed |= key.failed;
	buf_release(&key);
}

static bool
export_row(void *cookie, const struct cached_row *r)
{
	struct export *x = cookie;

	buf_clear(&x->line);
	put_line(&x->line, r);
	if (x->line.failed)
		x->failed = err_nomem(x->e) < 0;
	else
		x->failed = output_add(x->out, buf_str(&x->line), x->e) < 0;
	x->n++;
	return !x->failed;
}

static int
export_all(struct store *s, void *cookie, struct err *e)
{
	struct export *x = cookie;
	struct cache_filter f = { .model = str_of(x->model),
	    .contains = str_of(x->contains) };

	x->e = e;
	if (output_open(&x->out, x->out_file, OUTPUT_REPLACE, e) < 0
	    || (x->salvage ? store_salvage(s, &f, export_row, x, &x->gaps, e)
	    : store_each(s, &f, export_row, x, e)) < 0 || x->failed
	    || output_finish(x->out, e) < 0)
		return -1;
	if (x->out_file)
		say("%lld completion%s in '%s'", (long long)x->n,
		    x->n == 1 ? "" : "s", x->out_file);
	if (x->gaps)
		return err_set(e, ERR_STORE, "store '%s' is damaged: %lld "
		    "completion%s could be read; %lld time%s something was "
		    "passed over", store_path(s), (long long)x->n,
		    x->n == 1 ? "" : "s", (long long)x->gaps,
		    x->gaps == 1 ? "" : "s");
	return 0;
}

static int
export_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	struct export x = { 0 };
	const struct opt table[] = {
		{ OPT_TEXT, 'o', "output", &x.out_file, "FILE",
		    "write to FILE, which is replaced when all is there",
		    0, 0, NULL },
		{ OPT_TEXT, 'm', "model", &x.model, "MODEL",
		    "only of this model, or of a pattern such as openai/*",
		    0, 0, NULL },
		{ OPT_TEXT, 0, "contains", &x.contains, "TEXT",
		    "only with this text in prompt or answer, in any case",
		    0, 0, NULL },
		{ OPT_FLAG, 0, "salvage", &x.salvage, NULL,
		    "pass over what is damaged", 0, 0, NULL },
		COMMON_CONFIG_OPT(&common),
		COMMON_STORE_OPT(&common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int rc;

	buf_init(&x.line, BUF_MAX);
	rc = inspect_options(self, table, argc, argv, "name the file with -o",
	    &e);
	if (rc == 0)
		rc = cache_with_store(&common, export_all, &x, &e);
	output_free(x.out);
	buf_release(&x.line);
	return rc < 0 ? say_err(&e) : 0;
}

const struct command cache_export = {
	.name = "cache export",
	.summary = "write completions as JSON lines",
	.usage = "[OPTION]...",
	.about = "Writes stored completions, one JSON object a line, with all "
	    "that `frugal cache\nimport` needs to put them into another "
	    "store. Requests are in them word for word;\nkeys of providers "
	    "never are.",
	.examples =
	    "  frugal cache export -o answers.jsonl\n"
	    "  frugal cache export | gzip >answers.jsonl.gz\n"
	    "  frugal cache export --salvage -o saved.jsonl\n",
	.run = export_main,
};

/* --- reading a line ---------------------------------------------------- */

/* A completion in the form of a line; in the arena. */
struct record {
	struct request_row request;
	int sample;
	struct completion c;
};

static int
bad(struct err *e, const char *name, const char *what)
{
	return err_set(e, ERR_INPUT, "'%s' %s", name, what);
}

static int
get_text(const struct json *o, const char *name, struct arena *a,
    struct str *out, struct err *e)
{
	struct str s;

	if (!json_str(json_get(o, name), &s))
		return bad(e, name, json_get(o, name) ? "is not a text"
		    : "is missing");
	return arena_str(a, s, out) ? 0 : err_nomem(e);
}

/* A whole number from 0 to max; *out stays as it is if there is none. */
static int
get_number(const struct json *o, const char *name, int64_t max, int64_t *out,
    struct err *e)
{
	int64_t v;

	if (json_is_null(json_get(o, name)))
		return 0;
	if (!json_i64(json_get(o, name), &v) || v < 0 || v > max)
		return bad(e, name, "is not a whole number in range");
	*out = v;
	return 0;
}

/* [from, to, logprob] */
static bool
get_token(const struct json *v, struct token *out)
{
	const struct json *from = json_first(v), *to = json_next(from);
	int64_t f, t;

	if (json_type(v) != JSON_ARRAY || json_count(v) != 3
	    || !json_i64(from, &f) || !json_i64(to, &t)
	    || !json_double(json_next(to), &out->logprob))
		return false;
	if (f < 0 || f > t || t > UINT32_MAX || out->logprob > 0
	    || out->logprob < LOGPROB_FLOOR)
		return false;
	out->from = (uint32_t)f;
	out->to = (uint32_t)t;
	return true;
}

static int
get_tokens(const struct json *o, struct arena *a, struct completion *c,
    struct err *e)
{
	const struct json *list = json_get(o, "tokens"), *v;
	struct token *t;

	if (json_is_null(list))
		return 0;
	if (json_type(list) != JSON_ARRAY)
		return bad(e, "tokens", "is not a list");
	t = arena_array(a, json_count(list), sizeof(*t));
	if (!t)
		return err_nomem(e);
	for (v = json_first(list); v; v = json_next(v))
		if (!get_token(v, &t[c->n_tokens++]))
			return bad(e, "tokens", "has an entry that is not "
			    "[from, to, log-probability]");
	c->tokens = t;
	(void)json_bool(json_get(o, "tokens_of_answer"), &c->tokens_of_answer);
	return 0;
}

static int
get_cost(const struct json *o, struct completion *c, struct err *e)
{
	const struct json *v = json_get(o, "cost_usd");
	double dollars;

	c->cost_picousd = MONEY_UNKNOWN;
	if (json_is_null(v))
		return 0;
	if (!json_double(v, &dollars) || dollars < 0)
		return bad(e, "cost_usd", "is not a number of dollars");
	c->cost_picousd = money_from_double(dollars);
	return 0;
}

static int
get_completion(const struct json *o, struct arena *a, struct completion *c,
    struct err *e)
{
	struct str finish;

	*c = (struct completion){ 0 };
	if (get_text(o, "text", a, &c->text, e) < 0
	    || get_text(o, "answered_by", a, &c->model, e) < 0
	    || get_text(o, "finish", a, &finish, e) < 0)
		return -1;
	if (!finish_parse(finish, &c->finish))
		return bad(e, "finish", "is not stop, length, refused, tool or "
		    "other");
	for (size_t i = 0; i < NUMBERS; i++) {
		int64_t *v = (int64_t *)((char *)c + numbers[i].offset);
		*v = -1;
		if (get_number(o, numbers[i].name, INT64_MAX, v, e) < 0)
			return -1;
	}
	if (get_number(o, "latency_ms", INT64_MAX, &c->latency_ms, e) < 0
	    || get_number(o, "asked_utc_ms", INT64_MAX, &c->asked_utc_ms, e)
	    < 0
	    || get_cost(o, c, e) < 0)
		return -1;
	return get_tokens(o, a, c, e);
}

/* The request must be one that can be looked up again: an object about this
 * model, under the key that the line gives, if it gives one. */
static int
check_request(const struct json *o, const struct request_row *q,
    struct err *e)
{
	struct json *doc = json_parse(q->canon, NULL);
	unsigned char key[SHA256_BYTES];
	struct str model, given;
	int rc = 0;

	if (!json_str(json_get(doc, "model"), &model)
	    || json_type(json_get(doc, "messages")) != JSON_ARRAY)
		rc = bad(e, "canon", "is not the canonical form of a request");
	else if (!str_eq(model, q->model))
		rc = bad(e, "model", "is another one than that of 'canon'");
	json_free(doc);
	if (rc < 0 || json_is_null(json_get(o, "key")))
		return rc;
	if (!json_str(json_get(o, "key"), &given)
	    || !hex_parse(given, key, sizeof(key))
	    || memcmp(key, q->key, sizeof(key)) != 0)
		return bad(e, "key", "is not the SHA-256 of 'canon': one of "
		    "them was changed");
	return 0;
}

/* What an earlier version has exported is found by today's key. */
static int
renew(struct request_row *q, struct arena *a, struct err *e)
{
	struct buf canon;
	int rc;

	buf_init(&canon, BUF_MAX);
	rc = key_renew(q->canon, &canon, e);
	if (rc == 0 && !arena_str(a, buf_str(&canon), &q->canon))
		rc = err_nomem(e);
	buf_release(&canon);
	return rc < 0 ? -1 : key_of(q->canon, q->key, e);
}

static int
read_record(struct str line, struct arena *a, struct record *r, struct err *e)
{
	struct json *o = json_parse(line, e);
	int64_t sample = -1;
	int rc = -1;

	if (!o)
		return -1;
	*r = (struct record){ .sample = 0 };
	if (get_text(o, "canon", a, &r->request.canon, e) < 0
	    || get_text(o, "provider", a, &r->request.provider, e) < 0
	    || get_text(o, "model", a, &r->request.model, e) < 0
	    || get_number(o, "sample", STORE_SAMPLES - 1, &sample, e) < 0
	    || key_of(r->request.canon, r->request.key, e) < 0
	    || check_request(o, &r->request, e) < 0
	    || renew(&r->request, a, e) < 0
	    || get_completion(o, a, &r->c, e) < 0)
		goto out;
	if (sample < 0) {
		bad(e, "sample", "is missing");
		goto out;
	}
	r->sample = (int)sample;
	rc = 0;
out:
	json_free(o);
	return rc;
}

/* --- import ------------------------------------------------------------ */

struct import {
	int n_files;
	char **files;
	bool replace;
	struct arena *arena;
	int uncommitted;
	int64_t added, replaced, kept, bad;
};

/* -1: the store failed. */
static int
put_record(struct store *s, struct import *m, const struct record *r,
    struct err *e)
{
	struct completion there;
	int64_t row;
	int found;

	if (!m->uncommitted && store_begin(s, e) < 0)
		return -1;
	m->uncommitted++;
	found = store_get(s, r->request.key, r->sample, true, m->arena,
	    &there, &row, e);
	if (found < 0)
		return -1;
	if (found && !m->replace) {
		m->kept++;
	} else {
		if (store_put(s, &r->request, r->sample, &r->c, NULL, e) < 0)
			return -1;
		if (found)
			m->replaced++;
		else
			m->added++;
	}
	if (m->uncommitted < ROWS_A_COMMIT)
		return 0;
	m->uncommitted = 0;
	return store_commit(s, e);
}

/* A line that is no good is said and passed over. */
static int
import_line(struct store *s, struct import *m, struct input *in,
    struct str line, struct err *e)
{
	struct record r;

	arena_clear(m->arena);
	if (read_record(line, m->arena, &r, e) == 0)
		return put_record(s, m, &r, e);
	if (e->code != ERR_INPUT)
		return -1;
	lines_place(in, e);
	say_err(e);
	m->bad++;
	return 0;
}

static int
import_file(struct store *s, struct import *m, const char *path,
    struct err *e)
{
	struct input *in;
	struct str line;
	int rc;

	if (input_open(&in, path, MAX_LINE, e) < 0)
		return -1;
	while ((rc = lines_next(in, &line, e)) != 0) {
		if (rc > 0 && import_line(s, m, in, line, e) < 0)
			break;
		if (rc > 0)
			continue;
		if (e->code != ERR_INPUT)
			break;
		say_err(e);
		m->bad++;
	}
	input_close(in);
	return rc == 0 ? 0 : -1;
}

static void
say_import(const struct import *m)
{
	struct buf b;

	buf_init(&b, 512);
	buf_addf(&b, "imported %lld completion%s", (long long)m->added,
	    m->added == 1 ? "" : "s");
	if (m->replaced)
		buf_addf(&b, ", replaced %lld", (long long)m->replaced);
	if (m->kept)
		buf_addf(&b, ", %lld were there already",
		    (long long)m->kept);
	if (m->bad)
		buf_addf(&b, ", %lld line%s no good", (long long)m->bad,
		    m->bad == 1 ? " was" : "s were");
	say("%s", b.p ? b.p : "");
	buf_release(&b);
}

/* What was read before a file could not be is kept all the same. */
static int
import_all(struct store *s, struct import *m, struct err *e)
{
	struct err ending;
	int rc = 0, done = 0;

	for (int i = 0; rc == 0 && i < m->n_files; i++)
		rc = import_file(s, m, m->files[i], e);
	if (rc < 0 && (e->code == ERR_STORE || e->code == ERR_NOMEM)) {
		store_rollback(s);
		return -1;
	}
	if (m->uncommitted)
		done = store_commit(s, &ending);
	if (done < 0) {
		*e = ending;
		return -1;
	}
	if (rc == 0 || m->added || m->replaced || m->kept || m->bad)
		say_import(m);
	return rc;
}

/* Unlike the other actions this one makes the store if there is none. */
static int
open_and_import(const struct common *c, struct import *m, struct err *e)
{
	struct store *s = NULL;
	int rc = inspect_store_create(c, &s, e);

	m->arena = arena_new(0);
	if (rc == 0 && !m->arena)
		rc = err_nomem(e);
	if (rc == 0)
		rc = import_all(s, m, e);
	arena_free(m->arena);
	store_close(s);
	return rc;
}

static int
import_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	struct import m = { 0 };
	const struct opt table[] = {
		{ OPT_FLAG, 0, "replace", &m.replace, NULL,
		    "put the file's completions in place of those that are\n"
		    "in the store already", 0, 0, NULL },
		COMMON_CONFIG_OPT(&common),
		COMMON_STORE_OPT(&common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc;

	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		return 0;
	if (rc == 0 && first >= argc)
		rc = err_set(&e, ERR_USAGE, "name the files to import, or - "
		    "for standard input");
	m.files = argv + (rc == 0 ? first : 0);
	m.n_files = rc == 0 ? argc - first : 0;
	if (rc == 0)
		rc = open_and_import(&common, &m, &e);
	if (rc < 0)
		return say_err(&e);
	return m.bad ? 1 : 0;
}

const struct command cache_import = {
	.name = "cache import",
	.summary = "read completions that `export` wrote",
	.usage = "[OPTION]... FILE...",
	.about = "Puts exported completions into the store, which is made if "
	    "there is none. The key\nof each is worked out anew from its "
	    "request. A line that is no good is named and\nthe others go on; "
	    "the exit status is 1 then. What is in the store stays, unless\n"
	    "--replace is given. Files may be gzipped; - is standard input.",
	.examples =
	    "  frugal cache import answers.jsonl.gz\n"
	    "  ssh box frugal cache export | frugal cache import -\n",
	.run = import_main,
};
