/*
 * fuzz_trace.c -- traces, and a cascade replayed over what they hold.
 *
 * Input: a trace. The cascade has the tiers "small" (samples that agree),
 * "sure" (log-probabilities) and "big".
 */
#include "base/json.h"
#include "base/money.h"
#include "cascade/replay.h"
#include "tests/fuzz/fuzz.h"

static const char config_text[] =
    "providers: {p: {api: openai, url: 'http://127.0.0.1:1/v1', n: true,"
    " logprobs: true}}\n"
    "cascades:\n"
    "  k:\n"
    "    answer: '####\\s*(-?[\\d.,]+)'\n"
    "    tiers:\n"
    "      - {model: p/small, samples: {min: 1, max: 2},"
    " temperature: 1, accept: {agreement: 0.9}}\n"
    "      - {model: p/sure, accept: {all: [regex: '####',"
    " logprob: {at_least: 0.9, over: answer}]}}\n"
    "      - model: p/big\n"
    "  one:\n"
    "    tiers:\n"
    "      - {model: p/sure, accept: {logprob: {at_least: 0.5}}}\n";

static const struct config *
config(void)
{
	static struct config *c;
	struct buf messages;

	if (c)
		return c;
	buf_init(&messages, BUF_MAX);
	if (config_parse(&c, "built-in", str_of(config_text), &messages, NULL,
	    NULL) < 0) {
		fprintf(stderr, "%s", messages.p);
		abort();
	}
	buf_release(&messages);
	return c;
}

static void
check_tokens(const struct completion *c)
{
	size_t end = 0;

	must((c->tokens != NULL) == (c->n_tokens > 0));
	for (size_t i = 0; i < c->n_tokens; i++) {
		const struct token *t = &c->tokens[i];

		must(t->logprob >= LOGPROB_FLOOR && t->logprob <= 0);
		if (c->tokens_of_answer) {
			must(t->from == 0 && t->to == 0);
			continue;
		}
		must(t->from == end && t->to >= t->from);
		end = t->to;
	}
	must(!c->n_tokens || c->tokens_of_answer || end == c->text.n);
}

static void
check_tier(const struct trace_tier *v)
{
	must(v->n > 0 && v->n <= TRACE_MAX_COMPLETIONS && v->name.n > 0);
	fuzz_text(v->name);
	fuzz_text(v->model);
	must(v->rates.input >= 0 || v->rates.input == MONEY_UNKNOWN);
	must(v->rates.output >= 0 || v->rates.output == MONEY_UNKNOWN);
	for (size_t i = 0; i < v->n; i++) {
		const struct completion *c = &v->c[i];

		fuzz_text(c->text);
		fuzz_text(c->answer);
		must(c->prompt_tokens >= -1 && c->completion_tokens >= -1);
		must(c->latency_ms >= -1);
		must(c->cost_picousd >= 0 || c->cost_picousd == MONEY_UNKNOWN);
		must(!c->has_answer || v->notes[i].has_recorded_answer);
		check_tokens(c);
	}
}

static void
check_task(const struct trace_task *t)
{
	must(t->task->id.n > 0 && t->n_tiers <= TRACE_MAX_TIERS);
	fuzz_text(t->task->id);
	fuzz_text(t->task->prompt);
	fuzz_text(t->task->reference);
	fuzz_text(t->dataset);
	for (size_t i = 0; i < t->n_tiers; i++) {
		check_tier(&t->tiers[i]);
		for (size_t k = 0; k < i; k++)
			must(!str_eq(t->tiers[i].name, t->tiers[k].name));
	}
}

/* What a person or a program would be shown of it. */
static void
check_object(const struct result *r)
{
	struct json *doc;
	struct buf b;

	buf_init(&b, BUF_MAX);
	result_json(&b, r, false);
	must(!b.failed && !memchr(b.p, '\n', b.n));
	doc = json_parse(buf_str(&b), NULL);
	must(doc && json_type(doc) == JSON_OBJECT);
	json_free(doc);
	buf_release(&b);
}

static void
check_result(const struct cascade *k, const struct result *r)
{
	must(r->tier >= 0 && (size_t)r->tier <= k->n_tiers);
	must(r->n_attempts > 0 && r->n_attempts <= k->n_tiers);
	must(r->status != TASK_ACCEPTED || r->tier > 0);
	must(r->cost_picousd >= 0 || r->cost_picousd == MONEY_UNKNOWN);
	fuzz_text(r->text);
	fuzz_text(r->answer);
	if (r->scored) {
		fuzz_score(r->score);
		fuzz_score(r->threshold);
	}
	for (size_t i = 0; i < r->n_attempts; i++) {
		const struct ledger_attempt *a = &r->attempts[i];

		must(a->tier == (int)i + 1);
		fuzz_line(a->reason);
		if (a->scored) {
			fuzz_score((struct score){ a->score, a->score_ln });
			must((a->verdict == ATTEMPT_ACCEPT)
			    <= (a->score_ln >= a->threshold_ln));
		}
	}
	check_object(r);
}

static void
check_replay(const struct cascade *k, struct trace_task *t)
{
	struct err e = { 0 };
	struct replay r;

	must(replay_task(k, t, &r, &e) == 0);
	if (r.missing)
		return;
	check_result(k, r.result);
	must(r.cascade.answered == (r.result->tier > 0));
	for (size_t i = 0; i < k->n_tiers; i++)
		must(r.alone[i].cost_picousd >= 0
		    || r.alone[i].cost_picousd == MONEY_UNKNOWN);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	const struct config *c = config();
	struct fuzz_file f = fuzz_file(text);
	struct trace_task *t = NULL;
	struct trace *trace = NULL;
	struct err e = { 0 };
	size_t calls = 0;
	int rc;

	must(trace_open(&trace, f.path, &e) == 0);
	while ((rc = trace_next(trace, &t, &e)) != 0) {
		must(++calls <= FUZZ_MAX_LINES(size));
		if (rc < 0) {
			fuzz_error(&e);
			if (e.code != ERR_INPUT)
				break;
			continue;
		}
		check_task(t);
		for (size_t i = 0; i < c->n_cascades; i++)
			check_replay(&c->cascades[i], t);
		trace_task_free(t);
	}
	trace_close(trace);
	close(f.fd);
	return 0;
}
