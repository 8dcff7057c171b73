/*
 * fuzz_config.c -- configurations, and what an accepted one makes the program
 * do: requests that are built, keys, rules that judge.
 *
 * Input: a configuration. A comment line "#= NAME=VALUE" in it is also given
 * to --set, and "#m PROVIDER/MODEL" to -m.
 */
#include "base/json.h"
#include "base/money.h"
#include "cascade/config_internal.h"
#include "cascade/key.h"
#include "cascade/task.h"
#include "tests/fuzz/fuzz.h"

#define NOW_UTC_MS INT64_C(1790000000000) /* the same in every run */
#define SAMPLES 8

static const struct token tokens[] = {
	{ 0, 5, -0.25 }, { 5, 8, -1e-7 },
};
static const struct completion given[SAMPLES] = {
	{ .text = STR("#### 42"), .answer = STR("42"), .has_answer = true },
	{ .text = STR("so: #### 42."), .answer = STR("42."),
	    .has_answer = true, .tokens = tokens, .n_tokens = 2 },
	{ .text = STR("#### 41"), .answer = STR("41"), .has_answer = true },
	{ .text = STR("no idea") },
	{ .text = STR("\u00fcber\n#### 42"), .answer = STR("42"),
	    .has_answer = true, .finish = FINISH_LENGTH },
	{ .text = STR(""), .finish = FINISH_REFUSED },
	{ .text = STR("{\"a\": 42}"), .tokens = tokens, .n_tokens = 2 },
	{ .text = STR("#### 42"), .answer = STR("42"), .has_answer = true,
	    .tokens = tokens, .n_tokens = 2, .tokens_of_answer = true },
};

/* --- an accept rule --------------------------------------------------------- */

static void
check_verdict(struct rule *rule, const struct score_input *in)
{
	struct verdict v;
	struct err e = { 0 };

	must(rule_judge(rule, in, &v, &e) == 0);
	must(memchr(v.reason, '\0', sizeof(v.reason)) != NULL);
	fuzz_line(str_of(v.reason));
	if (v.scored) {
		fuzz_score(v.score);
		fuzz_score(v.threshold);
	}
	switch (v.kind) {
	case VERDICT_UNDECIDED:
		must(v.ask >= 1 && v.ask <= in->more);
		break;
	case VERDICT_ACCEPT:
		must(v.chosen < in->n);
		must(!v.scored || score_cmp(v.score, v.threshold) >= 0);
		break;
	case VERDICT_ESCALATE:
		must(v.chosen < in->n || in->n == 0);
		break;
	}
}

static void
check_rule(struct rule *rule)
{
	struct buf shown;

	for (size_t from = 0; from < SAMPLES; from += 3)
		for (size_t n = 0; n <= SAMPLES - from; n += 1 + n) {
			struct score_input in = { .prompt = STR("6 x 7?"),
			    .c = given + from, .n = n };
			check_verdict(rule, &in);
			in.more = SAMPLES - n;
			check_verdict(rule, &in);
			in.missing = 1;
			check_verdict(rule, &in);
		}
	if (!rule)
		return;
	buf_init(&shown, BUF_MAX);
	rule_show(rule, &shown);
	must(!shown.failed && shown.n > 0);
	fuzz_text(buf_str(&shown));
	buf_release(&shown);
}

/* --- a request --------------------------------------------------------------- */

/* Both ways to the key lead to the same one, and the form is JSON. */
static void
check_key(const struct model_request *q)
{
	unsigned char key[SHA256_BYTES], other[SHA256_BYTES];
	struct key_base base = { .canon = { 0 } };
	struct buf canon, again;
	struct json *doc;

	buf_init(&canon, BUF_MAX);
	buf_init(&again, BUF_MAX);
	must(key_canon(q, &canon, NULL) == 0);
	must(key_of(buf_str(&canon), key, NULL) == 0);
	must(key_base_init(&base, q, NULL) == 0);
	must(key_make(&base, q, &again, other, NULL) == 0);
	must(str_eq(buf_str(&canon), buf_str(&again)));
	must(memcmp(key, other, sizeof(key)) == 0);
	doc = json_parse(buf_str(&canon), NULL);
	must(doc && json_type(doc) == JSON_OBJECT);
	json_free(doc);
	key_base_release(&base);
	buf_release(&canon);
	buf_release(&again);
}

static size_t
count_members(const struct json *o, const char *name)
{
	size_t n = 0;

	for (const struct json *m = json_first(o); m; m = json_next(m))
		n += str_is(json_name(m), name);
	return n;
}

/* The body is JSON, about this model and these messages, and says nothing
 * twice. */
static void
check_body(const struct model_request *q, struct str body)
{
	struct json *doc = json_parse(body, NULL);
	struct str model;

	must(doc && json_type(doc) == JSON_OBJECT);
	must(json_str(json_get(doc, "model"), &model));
	must(!utf8_valid(q->model) || str_eq(model, q->model)
	    || memchr(q->model.p, '\0', q->model.n));
	must(json_count(json_get(doc, "messages")) == q->n_messages);
	for (const struct json *m = json_first(doc); m; m = json_next(m)) {
		char *name = str_dup(json_name(m));
		must(name);
		must(count_members(doc, name) == 1);
		free(name);
	}
	json_free(doc);
}

static void
check_request(const struct tier *t)
{
	const struct message messages[] = {
		{ STR("system"), t->system }, { STR("user"), STR("6 x 7?") },
	};
	struct model_request q = { .provider = t->provider,
	    .model = t->model_name, .messages = messages, .n_messages = 2,
	    .sampling = &t->sampling, .n = t->samples_max };
	const struct provider_ops *ops = t->provider->ops;
	struct wire wire;
	struct err e = { 0 };

	check_key(&q);
	if (!ops->build)
		return;
	buf_init(&wire.url, BUF_MAX);
	buf_init(&wire.body, BUF_MAX);
	if (ops->build(&q, &wire, &e) == 0)
		check_body(&q, buf_str(&wire.body));
	else
		fuzz_error(&e);
	buf_release(&wire.url);
	buf_release(&wire.body);
}

/* --- what was read --------------------------------------------------------------- */

static void
check_provider(const struct provider *p)
{
	struct url_parts u;
	struct err e = { 0 };

	must(p->ops && p->name.n > 0);
	must(p->connect_timeout_ms > 0 && p->timeout_ms > 0);
	must(p->requests_per_minute >= 0 && p->tokens_per_minute >= 0);
	if (p->ops->flags & PROVIDER_OFFLINE)
		return;
	must(provider_url_parse(p->url, &u) && !u.userinfo);
	must(provider_url_check(p, &e) == 0);
	for (size_t i = 0; i < p->n_headers; i++) {
		fuzz_line(p->headers[i].name);
		must(p->headers[i].name.n > 0);
		must(!memchr(p->headers[i].value.p, '\n',
		    p->headers[i].value.n));
		must(!memchr(p->headers[i].value.p, '\0',
		    p->headers[i].value.n));
	}
}

static void
check_tier(const struct tier *t)
{
	must(t->provider && t->model.n > 0 && t->model_name.n > 0);
	must(t->name.n > 0);
	must(t->samples_min >= 1 && t->samples_min <= t->samples_max);
	must(t->samples_max <= CONFIG_MAX_SAMPLES);
	must(t->n_prompts <= CONFIG_MAX_PROMPTS);
	must(t->repair >= 0 && t->repair <= 3);
	must(t->price.rates.input >= 0
	    || t->price.rates.input == MONEY_UNKNOWN);
	for (size_t i = 0; i < t->n_prompts; i++)
		must(template_check(t->prompts[i].text, NULL) == 0);
	check_rule(t->accept);
	check_request(t);
}

static void
check_config(const struct config *c)
{
	must(c->n_cascades > 0);
	for (size_t i = 0; i < c->n_providers; i++)
		check_provider(&c->providers[i]);
	for (size_t i = 0; i < c->n_cascades; i++) {
		const struct cascade *k = &c->cascades[i];

		must(k->n_tiers > 0 && k->n_tiers <= CONFIG_MAX_TIERS);
		must(config_cascade(c, k->name, NULL) == k);
		for (size_t j = 0; j < k->n_tiers; j++)
			check_tier(&k->tiers[j]);
	}
}

/* Whole lines, each with the name of the file, fit to be printed. */
static void
check_complaints(const struct buf *b)
{
	struct str rest = buf_str(b);

	must(!b->failed);
	while (rest.n) {
		struct str line = fuzz_take_line(&rest);
		must(str_starts(line, "f.yaml:")
		    || str_starts(line, "warning: f.yaml:"));
		fuzz_line(line);
	}
	must(b->n == 0 || b->p[b->n - 1] == '\n');
}

/* The rest of the line that begins with `start`. */
static struct str
comment(struct str text, const char *start)
{
	ptrdiff_t at = str_find(text, str_of(start));

	text = str_sub(text, at < 0 ? text.n : (size_t)at + strlen(start),
	    text.n);
	return fuzz_take_line(&text);
}

static void
use_options(struct config *c, struct str text)
{
	struct str set = comment(text, "\n#= "), model = comment(text, "\n#m ");
	const struct cascade *k;
	struct err e = { 0 };

	if (set.n && config_set(c, set, &e) < 0)
		fuzz_error(&e);
	if (!model.n)
		return;
	k = config_single(c, model, &e);
	if (!k) {
		fuzz_error(&e);
		return;
	}
	must(k->n_tiers == 1);
	check_request(&k->tiers[0]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct config *c = NULL;
	struct buf messages, warnings;
	struct err e = { 0 };

	buf_init(&messages, BUF_MAX);
	buf_init(&warnings, BUF_MAX);
	if (config_parse_at(&c, "f.yaml", text, NOW_UTC_MS, &messages,
	    &warnings, &e) == 0) {
		must(messages.n == 0);
		check_config(c);
		use_options(c, text);
		check_config(c);
		config_free(c);
	} else {
		must(e.code == ERR_CONFIG && messages.n > 0);
		fuzz_error(&e);
	}
	check_complaints(&messages);
	check_complaints(&warnings);
	buf_release(&messages);
	buf_release(&warnings);
	return 0;
}
