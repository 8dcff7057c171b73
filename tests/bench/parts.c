/*
 * parts.c -- how fast the parts are that do no input or output: the scorers,
 * and the parse of a long answer against cJSON alone. "NAME NUMBER" a line.
 */
#include <cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/money.h"
#include "providers/provider.h"
#include "scorers/rule.h"

#define SECONDS 0.3
#define ROUNDS 7
#define SAMPLES 20
#define TOKENS 2000
#define BODY 65536

static void
fail(const char *what)
{
	fprintf(stderr, "parts: %s\n", what);
	exit(1);
}

/* CPU time, so that others on the machine matter less. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- scorers ------------------------------------------------------------------ */

static void
judge(const char *name, const char *accept, const struct completion *c,
    size_t n)
{
	struct score_input in = { .prompt = STR("How much is 6 * 7?"), .c = c,
	    .n = n };
	struct arena *a = arena_new(0);
	struct report r;
	struct verdict v;
	struct rule *rule;
	struct err e;
	double began, took = 0;
	long done = 0;

	if (!a)
		fail("memory");
	report_init(&r, a, "parts");
	rule = rule_build(yaml_parse(str_of(accept), a, &r), a, &r);
	if (!rule)
		fail(accept);
	for (began = now(); took < SECONDS; took = now() - began, done += 100)
		for (int i = 0; i < 100; i++)
			if (rule_judge(rule, &in, &v, &e) < 0)
				fail(e.msg);
	if (v.kind != VERDICT_ACCEPT)
		fail(v.reason);
	printf("%s %.0f\n", name, (double)done / took);
	rule_release(rule);
	arena_free(a);
}

static void
scorers(void)
{
	static struct token tokens[TOKENS];
	static char text[2 * TOKENS + 1];
	struct completion c[SAMPLES];

	for (size_t i = 0; i < TOKENS; i++) {
		memcpy(text + 2 * i, "a ", 3);
		tokens[i] = (struct token){ (uint32_t)(2 * i),
		    (uint32_t)(2 * i + 2), -0.001 * (double)(i % 7) };
	}
	for (size_t i = 0; i < SAMPLES; i++)
		c[i] = (struct completion){ .has_answer = true,
		    .answer = i % 5 ? STR("42") : STR("41"),
		    .text = STR("Six times seven is 42, and that is that.\n"
		    "#### 42") };
	judge("regex", "{regex: '#### *[0-9]+$'}", c, 1);
	judge("agreement", "{agreement: 0.5}", c, SAMPLES);
	c[0].text = (struct str){ text, sizeof(text) - 1 };
	c[0].tokens = tokens;
	c[0].n_tokens = TOKENS;
	judge("logprob", "{logprob: 0.1}", c, 1);
}

/* --- the parse of 64 KB ---------------------------------------------------------- */

static char *
body(size_t *n)
{
	char *p = malloc(2 * BODY), *at = p;

	if (!p)
		fail("memory");
	at += sprintf(at, "{\"id\":\"x\",\"object\":\"chat.completion\","
	    "\"model\":\"m\",\"choices\":[{\"index\":0,\"finish_reason\":"
	    "\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"");
	for (int i = 0; i < 900; i++)
		at += sprintf(at, " t%03d", i);
	at += sprintf(at, "\"},\"logprobs\":{\"content\":[");
	for (int i = 0; i < 900; i++)
		at += sprintf(at, "%s{\"token\":\" t%03d\",\"logprob\":"
		    "-0.%08d,\"bytes\":[32,116,48,48,48]}", i ? "," : "", i,
		    12345 * i);
	at += sprintf(at, "]}}],\"usage\":{\"prompt_tokens\":12,"
	    "\"completion_tokens\":900,\"total_tokens\":812}}");
	*n = (size_t)(at - p);
	return p;
}

static double
parse_ours(const char *p, size_t n)
{
	struct provider pr = { .name = STR("p"), .url = STR("http://x") };
	struct sampling s = { .logprobs = true };
	struct model_request q = { .provider = &pr, .model = STR("m"),
	    .sampling = &s, .n = 1 };
	struct wire_reply w = { .status = 200, .body = { p, n },
	    .retry_after_ms = -1 };
	struct reply out;
	struct err e;
	double began = now();

	pr.ops = provider_find(STR("openai"));
	for (int i = 0; i < 50; i++) {
		struct arena *a = arena_new(0);

		if (!a || pr.ops->parse(&q, &w, a, &out, &e) < 0
		    || out.n != 1 || out.c->n_tokens != 900)
			fail("the answer was not read");
		arena_free(a);
	}
	return now() - began;
}

/* As a program without our json.c has it: with malloc(). */
static double
parse_theirs(const char *p, size_t n)
{
	double began;

	cJSON_InitHooks(NULL);
	began = now();
	for (int i = 0; i < 50; i++) {
		cJSON *doc = cJSON_ParseWithLength(p, n);

		if (!doc)
			fail("cJSON");
		cJSON_Delete(doc);
	}
	return now() - began;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
parse(void)
{
	double ratio[ROUNDS], ours = 0;
	size_t n;
	char *p = body(&n);

	/* Theirs last: our hooks are set once, and would be lost. */
	for (int i = 0; i < ROUNDS; i++) {
		ours = parse_ours(p, n);
		ratio[i] = ours;
	}
	qsort(ratio, ROUNDS, sizeof(*ratio), by_size);
	ours = ratio[ROUNDS / 2];
	for (int i = 0; i < ROUNDS; i++)
		ratio[i] = parse_theirs(p, n);
	qsort(ratio, ROUNDS, sizeof(*ratio), by_size);
	printf("parse_us %.1f\n", ours / 50 * 1e6);
	printf("cjson_us %.1f\n", ratio[ROUNDS / 2] / 50 * 1e6);
	printf("body %zu\n", n);
	free(p);
}

int
main(void)
{
	scorers();
	parse();
	return 0;
}
