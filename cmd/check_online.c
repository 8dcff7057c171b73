/*
 * check_online.c -- one tiny request for each tier, one after the other, so
 * that each answer can be read while the next is awaited. Tiers that would
 * send the same request share it.
 */
#include "cmd/check.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/money.h"
#include "cascade/key.h"
#include "cmd/inspect.h"
#include "providers/http.h"

#define QUESTION "Reply with the single word OK."
#define MAX_TOKENS 16
#define MAX_ANSWER ((size_t)4 << 20)
#define TIMEOUT_MS 120000 /* a model may have to be loaded first */

/* One request and what came of it. */
struct probe {
	const struct cascade *cascade;
	const struct tier *tier;
	struct arena *arena;
	struct sampling sampling;
	struct message message;
	struct model_request q;
	struct buf canon;  /* tells equal requests */
	struct buf line;   /* what is said of the answer */
	struct wire wire;
	struct secret key;
	struct reply reply;
	bool answered;
	int64_t asked_utc_ms, latency_ms;
	bool failed;
	int64_t cost_picousd;
};

static int
probe_init(struct probe *p, const struct cascade *k, const struct tier *t,
    struct err *e)
{
	p->cascade = k;
	p->tier = t;
	buf_init(&p->canon, BUF_MAX);
	buf_init(&p->line, BUF_MAX);
	buf_init(&p->wire.url, 65536);
	buf_init(&p->wire.body, BUF_MAX);
	p->arena = arena_new(0);
	if (!p->arena)
		return err_nomem(e);
	/* The tier's own settings, for a model may refuse one of them; but not
	 * those that ask for another answer than this question has. */
	p->sampling = t->sampling;
	p->sampling.max_tokens = MAX_TOKENS;
	p->sampling.response_format = (struct str){ 0 };
	p->sampling.n_stop = 0;
	p->message = (struct message){ STR("user"), STR(QUESTION) };
	p->q = (struct model_request){ .provider = t->provider,
	    .model = t->model_name, .messages = &p->message, .n_messages = 1,
	    .sampling = &p->sampling, .n = 1 };
	return key_canon(&p->q, &p->canon, e);
}

static void
probe_release(struct probe *p)
{
	secret_wipe(&p->key);
	buf_release(&p->canon);
	buf_release(&p->line);
	buf_release(&p->wire.url);
	buf_release(&p->wire.body);
	arena_free(p->arena);
}

/* --- asking ------------------------------------------------------------ */

static void
not_sent(struct probe *p, const char *code, const struct err *e)
{
	struct str message = STR("out of memory");

	(void)arena_str(p->arena, str_of(e->msg), &message);
	p->reply = (struct reply){ .outcome = OUTCOME_FAIL,
	    .code = str_of(code), .message = message };
	p->answered = true;
}

static void
on_reply(void *cookie, const struct wire_reply *w, int64_t latency_ms)
{
	struct probe *p = cookie;
	struct err e;

	if (p->tier->provider->ops->parse(&p->q, w, p->arena, &p->reply, &e)
	    < 0)
		not_sent(p, "nomem", &e);
	p->latency_ms = latency_ms;
	p->answered = true;
}

static int64_t
at_most(int64_t ms)
{
	return ms > 0 && ms < TIMEOUT_MS ? ms : TIMEOUT_MS;
}

static int
send_probe(struct probe *p, struct http *h, struct err *e)
{
	const struct provider *v = p->tier->provider;
	struct http_request q;

	if (v->ops->build(&p->q, &p->wire, e) < 0
	    || provider_key(v, &p->key, e) < 0)
		return -1;
	q = (struct http_request){
		.url = buf_str(&p->wire.url),
		.body = buf_str(&p->wire.body),
		.headers = v->headers,
		.n_headers = v->n_headers,
		.ca_file = v->ca_file,
		.auth = v->auth,
		.direct = provider_is_local(v),
		.key = &p->key,
		.connect_timeout_ms = v->connect_timeout_ms,
		.timeout_ms = at_most(v->timeout_ms),
		.idle_timeout_ms = at_most(v->idle_timeout_ms),
		.max_body = MAX_ANSWER,
	};
	return http_send(h, &q, on_reply, p, NULL, e);
}

/* -1 for what ends the check; a model that fails is an answer too. */
static int
ask(struct probe *p, struct http *h, struct err *e)
{
	const struct provider_ops *ops = p->tier->provider->ops;
	struct err why;

	p->asked_utc_ms = clock_utc_ms();
	if (ops->flags & PROVIDER_SIMULATED) {
		if (ops->simulate(&p->q, p->arena, &p->reply, &p->latency_ms,
		    &why) < 0)
			not_sent(p, "simulated", &why);
		p->answered = true;
	} else if (send_probe(p, h, &why) < 0) {
		not_sent(p, "not sent", &why);
	}
	while (!p->answered)
		if (http_turn(h, -1, e) < 0)
			return -1;
	return 0;
}

/* --- saying ------------------------------------------------------------ */

/* A text of the server in one line, without the key that it may echo. */
static void
add_theirs(struct buf *b, const struct probe *p, struct str s, size_t columns)
{
	char *copy = arena_cstr(p->arena, s);

	if (!copy) {
		b->failed = true;
		return;
	}
	secret_redact(&p->key, copy, s.n);
	inspect_oneline(b, (struct str){ copy, s.n }, columns);
}

static int64_t
cost_of(const struct probe *p)
{
	const struct completion *c = p->reply.c;
	struct usage u = { c->prompt_tokens, c->cached_tokens,
	    c->cache_write_tokens, c->completion_tokens };

	if (p->reply.charged_picousd != MONEY_UNKNOWN)
		return p->reply.charged_picousd;
	return price_cost(&p->tier->price, &u, p->asked_utc_ms, false);
}

static void
add_tokens(struct buf *b, const struct completion *c)
{
	if (c->prompt_tokens < 0 || c->completion_tokens < 0)
		buf_adds(b, ", tokens not said, ");
	else
		buf_addf(b, ", %lld + %lld tokens, ",
		    (long long)c->prompt_tokens,
		    (long long)c->completion_tokens);
}

static void
say_answer(struct probe *p)
{
	const struct completion *c = p->reply.c;
	struct buf *b = &p->line;

	p->cost_picousd = cost_of(p);
	p->failed = p->sampling.logprobs && !c->n_tokens;
	buf_adds(b, p->failed ? "error: no log-probabilities came, and the "
	    "tier's rule needs them; answer " : "ok: ");
	if (c->text.n) {
		buf_addc(b, '\'');
		add_theirs(b, p, c->text, 40);
		buf_addc(b, '\'');
	} else {
		buf_adds(b, "(no text)");
	}
	if (c->finish != FINISH_STOP)
		buf_addf(b, " (%s)", finish_name(c->finish));
	buf_adds(b, ", ");
	clock_duration(b, p->latency_ms);
	add_tokens(b, c);
	if (p->cost_picousd == MONEY_UNKNOWN)
		buf_adds(b, "cost unknown");
	else
		money_show(b, p->cost_picousd);
	if (p->sampling.logprobs && c->n_tokens)
		buf_adds(b, ", with log-probabilities");
	if (c->model.n) {
		buf_adds(b, ", by '");
		add_theirs(b, p, c->model, 60);
		buf_addc(b, '\'');
	}
}

static void
say_failure(struct probe *p)
{
	struct buf *b = &p->line;

	p->failed = true;
	if (p->reply.maybe_billed)
		p->cost_picousd = MONEY_UNKNOWN;
	buf_adds(b, "error: ");
	if (p->reply.status)
		buf_addf(b, "HTTP %d, ", p->reply.status);
	if (p->reply.code.n) {
		add_theirs(b, p, p->reply.code, 60);
		buf_adds(b, ": ");
	}
	add_theirs(b, p, p->reply.message, 400);
}

static void
describe(struct probe *p)
{
	if (p->reply.outcome == OUTCOME_OK && p->reply.n > 0)
		say_answer(p);
	else
		say_failure(p);
	if (p->tier->provider->ops->flags & PROVIDER_SIMULATED)
		buf_adds(&p->line, " (simulated)");
	secret_wipe(&p->key);
}

static int
print_probe(const struct probe *p, const struct probe *same, struct err *e)
{
	struct buf b;
	int tier = (int)(p->tier - p->cascade->tiers) + 1;

	buf_init(&b, BUF_MAX);
	buf_addf(&b, "cascade %.*s, tier %d, %.*s: ",
	    STR_ARG(p->cascade->name), tier, STR_ARG(p->tier->model));
	buf_add(&b, buf_str(same ? &same->line : &p->line));
	if (same)
		buf_adds(&b, " (the same request as above)");
	buf_addc(&b, '\n');
	b.failed |= p->line.failed;
	if (inspect_print(&b, e) < 0)
		return -1;
	return out_flush(e);
}

/* --- all tiers --------------------------------------------------------- */

static const struct probe *
find_same(const struct probe *all, const struct probe *p)
{
	for (; all < p; all++)
		if (all->line.n && str_eq(buf_str(&all->canon),
		    buf_str(&p->canon))
		    && all->tier->provider == p->tier->provider)
			return all;
	return NULL;
}

static int
do_probe(struct probe *all, struct probe *p, struct http *h, struct err *e)
{
	const struct probe *same = find_same(all, p);

	if (same) {
		p->failed = same->failed;
	} else if (p->tier->provider->ops->flags & PROVIDER_RECORDED) {
		buf_adds(&p->line, "not asked: its answers come from traces, "
		    "by `frugal replay`");
	} else {
		if (ask(p, h, e) < 0)
			return -1;
		describe(p);
	}
	return print_probe(p, same, e);
}

static int
print_total(const struct probe *all, size_t n, struct err *e)
{
	int64_t cost = 0;
	size_t unknown = 0;
	struct buf b;

	for (size_t i = 0; i < n; i++) {
		if (all[i].cost_picousd == MONEY_UNKNOWN)
			unknown++;
		else
			cost = money_add(cost, all[i].cost_picousd);
	}
	buf_init(&b, 512);
	buf_adds(&b, "this check cost ");
	money_show(&b, cost);
	if (unknown)
		buf_addf(&b, " and %zu request%s of unknown cost", unknown,
		    unknown == 1 ? "" : "s");
	buf_addc(&b, '\n');
	return inspect_print(&b, e);
}

static int
probe_all(const struct config *cfg, struct probe *all, size_t *n,
    struct http *h, struct err *e)
{
	for (size_t i = 0; i < cfg->n_cascades; i++) {
		const struct cascade *k = &cfg->cascades[i];
		for (size_t j = 0; j < k->n_tiers; j++) {
			struct probe *p = &all[(*n)++];
			if (probe_init(p, k, &k->tiers[j], e) < 0
			    || do_probe(all, p, h, e) < 0)
				return -1;
		}
	}
	return print_total(all, *n, e);
}

int
check_online(const struct config *cfg, size_t *failed, struct err *e)
{
	struct http *h = NULL;
	struct probe *all;
	size_t n = 0, tiers = 0;
	int rc;

	for (size_t i = 0; i < cfg->n_cascades; i++)
		tiers += cfg->cascades[i].n_tiers;
	all = calloc(tiers + 1, sizeof(*all));
	if (!all)
		return err_nomem(e);
	rc = http_new(&h, 1, e);
	if (rc == 0)
		rc = out_write(STR("\n"), e);
	if (rc == 0)
		rc = probe_all(cfg, all, &n, h, e);
	if (rc == 0)
		rc = out_flush(e);
	http_free(h); /* before the probes that it would tell */
	for (size_t i = 0; i < n; i++) {
		*failed += all[i].failed;
		probe_release(&all[i]);
	}
	free(all);
	return rc;
}
