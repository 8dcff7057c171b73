/*
 * cache_explain.c -- `frugal cache explain`: would this prompt be answered out
 * of the store, and if not, which member of the request stands in the way?
 *
 * The requests are those that `frugal run` would make, by the same code. The
 * nearest stored one has the same messages, or nearly, and the fewest other
 * members that differ.
 */
#include "cmd/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/input.h"
#include "base/utf8.h"
#include "cascade/climb.h"
#include "cascade/key.h"
#include "cmd/runner.h"

#define CANDIDATES 200
#define VALUE_COLUMNS 60
#define SAME_SHOWN 16      /* bytes before the first difference */

/* What a member that differs adds to the distance of two requests: most of
 * them 1, another model more, messages 11 to 1010 by how much they differ. */
#define WEIGHT_MODEL 20
#define WEIGHT_MESSAGES 10
#define WEIGHT_WORDING 1000

struct question {
	struct runner_options o;
	struct runner runner;
	struct task *task;
	const struct cascade *cascade;
	struct climb *climb;
	struct tier_state *tiers;
	struct buf canon;
	struct buf out;
};

/* --- two requests compared --------------------------------------------- */

/* The stored request that differs least, so far. */
struct nearest {
	const struct json *mine;
	int difference;   /* -1: none was found */
	unsigned char key[SHA256_BYTES];
	int64_t kept_utc_ms;
	struct buf words; /* what differs */
	bool failed;
};

/* A value around the place where it begins to be another one. */
static void
add_value(struct buf *b, struct str v, size_t same)
{
	size_t from = 0;

	if (utf8_columns(v) > VALUE_COLUMNS && same > SAME_SHOWN)
		from = same - SAME_SHOWN;
	while (from > 0 && from < v.n && ((unsigned char)v.p[from] & 0xc0)
	    == 0x80)
		from--;
	if (from)
		buf_adds(b, "...");
	inspect_oneline(b, str_sub(v, from, v.n), VALUE_COLUMNS);
}

static size_t
same_bytes(struct str a, struct str b)
{
	size_t i = 0;

	while (i < a.n && i < b.n && a.p[i] == b.p[i])
		i++;
	return i;
}

/* "temperature: 0.7 there, 0.2 here"; NULL is absent. */
static void
add_difference(struct buf *words, const char *name, const struct json *there,
    const struct json *here)
{
	struct buf a, b;
	size_t same;

	buf_init(&a, BUF_MAX);
	buf_init(&b, BUF_MAX);
	if (there)
		json_print(&a, there, true);
	if (here)
		json_print(&b, here, true);
	same = same_bytes(buf_str(&a), buf_str(&b));
	buf_addf(words, "%s%s: ", words->n ? "; " : "", name);
	if (there)
		add_value(words, buf_str(&a), same);
	buf_adds(words, there ? " there, " : "absent there, ");
	if (here)
		add_value(words, buf_str(&b), same);
	buf_adds(words, here ? " here" : "absent here");
	words->failed |= a.failed || b.failed;
	buf_release(&a);
	buf_release(&b);
}

/* 0: the same; up to 1000 for values that have nothing in common at either
 * end. */
static int
distance(const struct json *a, const struct json *b, bool *failed)
{
	struct buf x, y;
	size_t most, least, front, back = 0;

	if (!a || !b)
		return a == b ? 0 : WEIGHT_WORDING;
	buf_init(&x, BUF_MAX);
	buf_init(&y, BUF_MAX);
	json_print(&x, a, true);
	json_print(&y, b, true);
	*failed |= x.failed || y.failed;
	most = x.n > y.n ? x.n : y.n;
	least = x.n > y.n ? y.n : x.n;
	front = same_bytes(buf_str(&x), buf_str(&y));
	while (front + back < least
	    && x.p[x.n - 1 - back] == y.p[y.n - 1 - back])
		back++;
	buf_release(&x);
	buf_release(&y);
	if (most == front)
		return 0;
	return 1 + (int)((double)(WEIGHT_WORDING - 1)
	    * (double)(most - front - back) / (double)most);
}

/* Message by message, and in them member by member. */
static void
compare_messages(struct buf *words, const struct json *there,
    const struct json *here, bool *failed)
{
	const struct json *a = json_first(there), *b = json_first(here);
	static const char *const members[] = { "role", "content" };
	char name[64];

	if (json_count(there) != json_count(here)) {
		buf_addf(words, "%smessages: %zu of them there, %zu here",
		    words->n ? "; " : "", json_count(there),
		    json_count(here));
		return;
	}
	for (int i = 1; a && b; i++, a = json_next(a), b = json_next(b))
		for (size_t k = 0; k < 2; k++) {
			const struct json *x = json_get(a, members[k]);
			const struct json *y = json_get(b, members[k]);
			if (!distance(x, y, failed))
				continue;
			snprintf(name, sizeof(name), "messages (%s of "
			    "message %d)", members[k], i);
			add_difference(words, name, x, y);
		}
}

/* How much two requests differ; what does is put into words. */
static int
compare(struct buf *words, const struct json *there, const struct json *here,
    bool *failed)
{
	const struct json *m;
	int difference = 0, apart;

	for (m = json_first(here); m; m = json_next(m)) {
		const char *name = json_name(m).p;
		const struct json *other = json_get(there, name);

		apart = distance(other, m, failed);
		if (!apart)
			continue;
		if (str_is(json_name(m), "messages")) {
			difference += WEIGHT_MESSAGES + apart;
			compare_messages(words, other, m, failed);
			continue;
		}
		difference += str_is(json_name(m), "model") ? WEIGHT_MODEL : 1;
		add_difference(words, name, other, m);
	}
	for (m = json_first(there); m; m = json_next(m))
		if (!json_get(here, json_name(m).p)) {
			difference++;
			add_difference(words, json_name(m).p, m, NULL);
		}
	return difference;
}

static bool
consider(void *cookie, const struct cached_row *r)
{
	struct nearest *n = cookie;
	struct json *there = json_parse(r->request.canon, NULL);
	struct buf words;
	int difference;

	if (!there)
		return true;
	buf_init(&words, BUF_MAX);
	difference = compare(&words, there, n->mine, &n->failed);
	n->failed |= words.failed;
	if (difference && (n->difference < 0
	    || difference < n->difference)) {
		struct buf old = n->words;
		n->words = words;
		words = old;
		n->difference = difference;
		n->kept_utc_ms = r->kept_utc_ms;
		memcpy(n->key, r->request.key, sizeof(n->key));
	}
	buf_release(&words);
	json_free(there);
	return !n->failed;
}

static int
add_nearest(struct question *q, struct err *e)
{
	struct nearest n = { .difference = -1 };
	struct json *mine = json_parse(buf_str(&q->canon), e);
	struct buf messages;
	int rc = -1;

	if (!mine)
		return -1;
	n.mine = mine;
	buf_init(&n.words, BUF_MAX);
	buf_init(&messages, BUF_MAX);
	json_print(&messages, json_get(mine, "messages"), true);
	if (messages.failed)
		err_nomem(e);
	else
		rc = store_similar(q->runner.store, buf_str(&messages),
		    CANDIDATES, consider, &n, e);
	if (rc == 0 && n.failed)
		rc = err_nomem(e);
	if (rc == 0 && n.difference < 0) {
		buf_adds(&q->out, "; no request like it is stored\n");
	} else if (rc == 0) {
		buf_adds(&q->out, "; the nearest stored request (key ");
		cache_add_key(&q->out, n.key);
		buf_adds(&q->out, ", ");
		clock_local_day(&q->out, n.kept_utc_ms);
		buf_adds(&q->out, ") differs in ");
		buf_add(&q->out, buf_str(&n.words));
		buf_addc(&q->out, '\n');
	}
	buf_release(&messages);
	buf_release(&n.words);
	json_free(mine);
	return rc;
}

/* --- one request of a tier --------------------------------------------- */

static int
make_canon(struct question *q, const struct climb_ask *ask, struct err *e)
{
	const struct tier *t = &q->cascade->tiers[ask->tier];
	struct sampling s = t->sampling;
	struct model_request r = { .provider = t->provider,
	    .model = t->model_name, .sampling = &s, .n = 1 };
	struct message *m = NULL;

	if (climb_messages(q->climb, ask, &m, &r.n_messages, e) < 0)
		return -1;
	r.messages = m;
	if (q->task->max_tokens)
		s.max_tokens = q->task->max_tokens;
	return key_canon(&r, &q->canon, e);
}

/* Of samples 0 .. n - 1, how many `run` would take from the store, and how
 * many are there and would be asked for again. */
static int
count_samples(struct question *q, const unsigned char *key, int n, int *good,
    int *incomplete, struct err *e)
{
	struct arena *a = arena_new(0);
	struct completion c;
	int64_t row;
	int rc = 0;

	if (!a)
		return err_nomem(e);
	for (int i = 0; i < n && rc >= 0; i++) {
		arena_clear(a);
		rc = store_get(q->runner.store, key, i, true, a, &c, &row, e);
		if (rc < 1)
			continue;
		if (c.finish == FINISH_LENGTH || c.finish == FINISH_REFUSED)
			++*incomplete;
		else
			++*good;
	}
	arena_free(a);
	return rc < 0 ? -1 : 0;
}

/* How many of `samples` fall to a template: they are dealt out in turn. */
static int
share(const struct tier *t, int samples, int prompt)
{
	int prompts = t->n_prompts ? (int)t->n_prompts : 1;

	return (samples - prompt + prompts - 1) / prompts;
}

static int
explain_request(struct question *q, const struct climb_ask *ask,
    struct err *e)
{
	const struct tier *t = &q->cascade->tiers[ask->tier];
	int least = share(t, t->samples_min, ask->prompt);
	int most = share(t, t->samples_max, ask->prompt);
	unsigned char key[SHA256_BYTES];
	int good = 0, incomplete = 0;

	if (make_canon(q, ask, e) < 0
	    || key_of(buf_str(&q->canon), key, e) < 0
	    || count_samples(q, key, most, &good, &incomplete, e) < 0)
		return -1;
	buf_addf(&q->out, "tier %d %.*s", ask->tier + 1, STR_ARG(t->model));
	if (t->n_prompts)
		buf_addf(&q->out, ", prompt '%.*s'",
		    STR_ARG(t->prompts[ask->prompt].name));
	buf_addf(&q->out, ": %s", good && good >= least ? "hit"
	    : good ? "partly" : "miss");
	if (good)
		buf_addf(&q->out, "; %d of %d sample%s stored", good, most,
		    most == 1 ? " is" : "s are");
	if (good && good < least)
		buf_addf(&q->out, ", and %d wanted", least);
	if (incomplete)
		buf_addf(&q->out, "; %d stored answer%s cut off or refused, "
		    "and would be asked for again", incomplete,
		    incomplete == 1 ? " was" : "s were");
	if (!good && !incomplete)
		return add_nearest(q, e);
	buf_adds(&q->out, " (key ");
	cache_add_key(&q->out, key);
	buf_adds(&q->out, ")\n");
	return 0;
}

/* --- the question ------------------------------------------------------ */

static int
explain_all(struct question *q, struct err *e)
{
	const struct cascade *k = q->cascade;

	q->tiers = calloc(k->n_tiers, sizeof(*q->tiers));
	if (q->tiers)
		q->climb = climb_new(k, q->task, q->tiers, CLIMB_UP, 0);
	if (!q->climb)
		return err_nomem(e);
	buf_addf(&q->out, "cascade %.*s, store '%s'%s\n", STR_ARG(k->name),
	    store_path(q->runner.store),
	    q->runner.cfg->simulated ? ", simulated models" : "");
	for (size_t i = 0; i < k->n_tiers; i++) {
		size_t prompts = k->tiers[i].n_prompts;
		for (size_t p = 0; p < (prompts ? prompts : 1); p++) {
			struct climb_ask ask = { .tier = (int)i,
			    .prompt = (int)p };
			if (explain_request(q, &ask, e) < 0)
				return -1;
		}
	}
	return inspect_print(&q->out, e);
}

/* The arguments, or standard input if there are none. */
static int
read_prompt(struct question *q, int argc, char **argv, struct err *e)
{
	struct buf b;
	int rc = 0;

	buf_init(&b, LIMITS_MAX_PROMPT);
	for (int i = 0; i < argc; i++)
		buf_addf(&b, "%s%s", i ? " " : "", argv[i]);
	if (!argc && is_terminal(0))
		rc = err_set(e, ERR_USAGE, "no prompt: give one as an argument "
		    "or on standard input");
	else if (!argc)
		rc = input_slurp("-", LIMITS_MAX_PROMPT, &b, e);
	while (!argc && b.n && (b.p[b.n - 1] == '\n' || b.p[b.n - 1] == '\r'))
		buf_cut(&b, b.n - 1);
	if (rc == 0 && b.failed)
		rc = err_nomem(e);
	if (rc == 0 && (!utf8_valid(buf_str(&b)) || !str_trim(buf_str(&b)).n))
		rc = err_set(e, ERR_USAGE, "the prompt is %s", b.n ? "blank "
		    "or not UTF-8" : "empty");
	if (rc == 0 && !(q->task = task_of_prompt(buf_str(&b))))
		rc = err_nomem(e);
	buf_release(&b);
	return rc;
}

static int
question_main(const struct command *self, int argc, char **argv)
{
	struct question q = { .o = RUNNER_OPTIONS_INIT, .runner.signals = -1 };
	const struct opt table[] = {
		COMMON_CONFIG_OPT(&q.o.common),
		{ OPT_TEXT, 'k', "cascade", &q.o.cascade, "NAME",
		    "the cascade to climb, as for `run`", 0, 0, NULL },
		{ OPT_TEXT, 'm', "model", &q.o.model, "MODEL",
		    "this one model, as for `run`", 0, 0, NULL },
		{ OPT_TEXT, 's', "system", &q.o.system, "TEXT",
		    "system text, as for `run`", 0, 0, NULL },
		{ OPT_TEXT, 't', "template", &q.o.template_file, "FILE",
		    "prompt template, as for `run`", 0, 0, NULL },
		{ OPT_LIST, 0, "set", &q.o.set, "NAME=VALUE",
		    "a sampling setting, as for `run`", 0, 0, NULL },
		COMMON_STORE_OPT(&q.o.common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc;

	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		return 0;
	buf_init(&q.canon, BUF_MAX);
	buf_init(&q.out, BUF_MAX);
	if (rc == 0)
		rc = read_prompt(&q, argc - first, argv + first, &e);
	if (rc == 0)
		rc = runner_open(&q.runner, &q.o, &e);
	if (rc == 0 && !q.runner.store)
		rc = err_set(&e, ERR_USAGE, "with the store 'none' there is "
		    "nothing to look at");
	if (rc == 0)
		rc = runner_prepare(&q.runner, q.task, &q.cascade, &e);
	if (rc == 0)
		rc = explain_all(&q, &e);
	if (rc == 0)
		rc = out_flush(&e);
	task_free(q.task);
	free(q.tiers);
	runner_close(&q.runner);
	buf_release(&q.canon);
	buf_release(&q.out);
	runner_options_release(&q.o);
	return rc < 0 ? say_err(&e) : 0;
}

const struct command cache_explain = {
	.name = "cache explain",
	.summary = "is this prompt in the store, and if not, why?",
	.usage = "[OPTION]... [PROMPT]...",
	.about = "Builds the requests that `frugal run` would make for the "
	    "prompt, one for each tier,\nand looks them up. For a miss it "
	    "names what differs from the nearest stored one:\nanother word in "
	    "the prompt, another temperature, another address of the server.\n"
	    "Nothing is sent.",
	.examples =
	    "  frugal cache explain \"Why is the sky blue?\"\n"
	    "  frugal cache explain -c frugal.yaml -k math <question.txt\n"
	    "  frugal cache explain --set temperature=0 \"12 + 30\"\n",
	.run = question_main,
};
