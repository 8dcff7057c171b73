/*
 * simulated.c -- `api: simulated`: models that need no key and no network and
 * can do nothing but arithmetic, so that a cascade can be tried at once.
 *
 * A simulated model finds an expression in the last user message and works it
 * out exactly. Whether it then says something else is decided by a hash of
 * model, messages and sample number against an error probability that grows
 * with the difficulty of the expression and shrinks with the model's skill.
 * The same request and sample always give the same completion.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/money.h"
#include "base/rand.h"
#include "base/utf8.h"
#include "providers/provider.h"

extern const struct provider_ops provider_simulated;

#define SEARCHED ((size_t)8 << 10)  /* bytes at the end of a message */
#define MAX_DEPTH 32                /* of parentheses and signs */
#define EXPRESSION_SHOWN 200        /* bytes */
#define BYTES_PER_TOKEN 4
#define EXACT_PLACES 12             /* decimals, if that many are enough */
#define ROUNDED_PLACES 6            /* else */

struct model {
	const char *name;
	double skill;       /* difficulty at which it errs every other time */
	double candour;     /* share of its doubts that its confidence shows */
	double forgets;     /* probability of not writing "####" */
	int64_t latency_ms; /* in the mean */
};

static const struct model models[] = {
	{ "small", 3.4, 0.7, 0.05, 15 },
	{ "medium", 6, 0.85, 0, 45 },
	{ "large", 20, 1, 0, 120 },
};

/*
 * Exact arithmetic: num / den in lowest terms, den > 0.
 */
__extension__ typedef __int128 wide;

struct ratio {
	int64_t num, den;
};

/* False: den is 0, or the value does not fit. */
static bool
ratio_set(struct ratio *r, wide num, wide den)
{
	wide a = num < 0 ? -num : num, b = den < 0 ? -den : den, rest;

	if (den == 0)
		return false;
	while (b) {
		rest = a % b;
		a = b;
		b = rest;
	}
	if (den < 0)
		a = -a;
	num /= a;
	den /= a;
	if (num > INT64_MAX || num < -INT64_MAX || den > INT64_MAX)
		return false;
	*r = (struct ratio){ (int64_t)num, (int64_t)den };
	return true;
}

static bool
ratio_apply(struct ratio *a, char operator, struct ratio b)
{
	wide num = a->num, den = a->den;

	switch (operator) {
	case '+':
		return ratio_set(a, num * b.den + b.num * den, den * b.den);
	case '-':
		return ratio_set(a, num * b.den - b.num * den, den * b.den);
	case '*':
		return ratio_set(a, num * b.num, den * b.den);
	default:
		return ratio_set(a, num * b.den, den * b.num);
	}
}

/* As a decimal number, rounded where it has no end or a far one. */
static void
ratio_print(struct buf *out, struct ratio r)
{
	wide scaled = r.num < 0 ? -(wide)r.num : r.num, unit = 1;
	char digits[EXACT_PLACES + 1];
	int places = 0, n;

	while (places < EXACT_PLACES && unit % r.den != 0) {
		unit *= 10;
		places++;
	}
	if (unit % r.den != 0)
		for (places = ROUNDED_PLACES, unit = 1, n = 0; n < places; n++)
			unit *= 10;
	scaled = (scaled * unit * 2 + r.den) / ((wide)r.den * 2);
	for (n = places; n > 0; n--, scaled /= 10)
		digits[n - 1] = (char)('0' + (int)(scaled % 10));
	while (places > 0 && digits[places - 1] == '0')
		places--;
	if (r.num < 0 && (scaled || places))
		buf_addc(out, '-');
	buf_addf(out, "%" PRId64, (int64_t)scaled);
	if (places) {
		buf_addc(out, '.');
		buf_add(out, (struct str){ digits, (size_t)places });
	}
}

/*
 * sum     = product { ("+" | "-") product }
 * product = factor { ("*" | "/") factor }
 * factor  = number | "-" factor | "(" sum ")"
 *
 * An operator that nothing follows is not taken: "3 + 4 - what" is 3 + 4.
 */
struct parser {
	const char *p, *end;
	int depth;
	bool undefined; /* divided by zero, or a value did not fit */
	int operators, products, operands, digits;
};

static const struct {
	const char *spelling;
	char operator;
} operators[] = {
	{ "+", '+' }, { "-", '-' }, { "*", '*' }, { "/", '/' },
	{ "x", '*' }, { "\u00d7", '*' }, { "\u00f7", '/' }, { "\u2212", '-' },
};

static bool parse_sum(struct parser *ps, struct ratio *v);

static void
skip_blanks(struct parser *ps)
{
	while (ps->p < ps->end && (*ps->p == ' ' || *ps->p == '\t'))
		ps->p++;
}

static bool
is_digit(const struct parser *ps, ptrdiff_t at)
{
	return at < ps->end - ps->p && ps->p[at] >= '0' && ps->p[at] <= '9';
}

/* Take the operator that comes next if it is one of the two. */
static char
take_operator(struct parser *ps, char one, char other)
{
	struct str rest;
	char c;

	skip_blanks(ps);
	rest = (struct str){ ps->p, (size_t)(ps->end - ps->p) };
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
		c = operators[i].operator;
		if ((c == one || c == other) &&
		    str_starts(rest, operators[i].spelling)) {
			ps->p += str_of(operators[i].spelling).n;
			return c;
		}
	}
	return 0;
}

/* The comma in 1,200. */
static bool
is_separator(const struct parser *ps)
{
	return ps->p < ps->end && *ps->p == ',' && is_digit(ps, 1) &&
	    is_digit(ps, 2) && is_digit(ps, 3) && !is_digit(ps, 4);
}

static bool
parse_number(struct parser *ps, struct ratio *v)
{
	wide num = 0, den = 1;
	bool decimals = false;

	while (is_digit(ps, 0) || (!decimals && is_separator(ps)) ||
	    (!decimals && ps->p < ps->end && *ps->p == '.' &&
	    is_digit(ps, 1))) {
		if (*ps->p == '.') {
			decimals = true;
		} else if (num > INT64_MAX || den > INT64_MAX) {
			ps->undefined = true;
		} else if (*ps->p != ',') {
			num = num * 10 + (*ps->p - '0');
			den *= decimals ? 10 : 1;
			ps->digits++;
		}
		ps->p++;
	}
	ps->operands++;
	if (!ratio_set(v, num, den)) {
		ps->undefined = true;
		*v = (struct ratio){ 0, 1 };
	}
	return true;
}

static bool
parse_factor(struct parser *ps, struct ratio *v)
{
	bool ok;

	skip_blanks(ps);
	if (is_digit(ps, 0))
		return parse_number(ps, v);
	if (ps->depth == MAX_DEPTH)
		return false;
	ps->depth++;
	if (ps->p < ps->end && *ps->p == '(') {
		ps->p++;
		ok = parse_sum(ps, v);
		skip_blanks(ps);
		ok = ok && ps->p < ps->end && *ps->p++ == ')';
	} else {
		ok = take_operator(ps, '-', '-') && parse_factor(ps, v);
		v->num = ok ? -v->num : 0;
	}
	ps->depth--;
	return ok;
}

static bool
parse_chain(struct parser *ps, struct ratio *v, char one, char other,
    bool (*operand)(struct parser *, struct ratio *))
{
	struct parser before;
	struct ratio right;
	char operator;

	if (!operand(ps, v))
		return false;
	for (;;) {
		before = *ps;
		operator = take_operator(ps, one, other);
		if (!operator || !operand(ps, &right)) {
			*ps = before;
			return true;
		}
		ps->operators++;
		ps->products += operator == '*' || operator == '/';
		if (!ratio_apply(v, operator, right))
			ps->undefined = true;
	}
}

static bool
parse_product(struct parser *ps, struct ratio *v)
{
	return parse_chain(ps, v, '*', '/', parse_factor);
}

static bool
parse_sum(struct parser *ps, struct ratio *v)
{
	return parse_chain(ps, v, '+', '-', parse_product);
}

struct problem {
	struct str text; /* empty: there is none */
	struct ratio value;
	bool undefined;
	int operators;
	double difficulty;
};

/* A number or a sign in the middle of a word begins nothing. */
static bool
may_begin(struct str s, size_t i)
{
	char c = s.p[i], before = i ? s.p[i - 1] : ' ';

	if (c == '(')
		return true;
	if ((c < '0' || c > '9') && c != '-')
		return false;
	return !(before >= '0' && before <= '9') &&
	    !(before >= 'a' && before <= 'z') &&
	    !(before >= 'A' && before <= 'Z');
}

/* The expression with the most operators; of several the last. */
static struct problem
find_problem(struct str s)
{
	struct problem best = { .operators = 0 };
	struct parser ps;
	struct ratio v;
	size_t i = 0;

	if (s.n > SEARCHED)
		s = str_sub(s, s.n - SEARCHED, SEARCHED);
	while (i < s.n) {
		ps = (struct parser){ .p = s.p + i, .end = s.p + s.n };
		if (!may_begin(s, i) || !parse_sum(&ps, &v)) {
			i++;
			continue;
		}
		if (ps.operators && ps.operators >= best.operators)
			best = (struct problem){
				.text = { s.p + i, (size_t)(ps.p - s.p) - i },
				.value = v,
				.undefined = ps.undefined,
				.operators = ps.operators,
				.difficulty = ps.operators + ps.products +
				    0.5 * (ps.digits - ps.operands),
			};
		i = (size_t)(ps.p - s.p);
	}
	return best;
}

/* What one sample of a model comes to. */
struct thought {
	bool wrong;
	struct ratio value;
	double doubt;  /* that its confidence shows, in (0, 1) */
	unsigned form; /* of words */
	bool forgets;  /* to write the answer as it should */
	struct rng rng; /* for whatever else is left to chance */
};

/* An off-by-some slip: one digit of the value moves. */
static struct ratio
slip(struct ratio v, struct rng *r)
{
	int64_t step = 1, size = v.num / v.den;
	struct ratio other = v;

	for (uint64_t k = rng_u64(r) % 4; k > 0; k--)
		step *= step <= llabs(size) / 100 ? 10 : 1;
	step *= (int64_t)(rng_u64(r) % 9) + 1;
	if (!ratio_apply(&other, rng_u64(r) % 2 ? '+' : '-',
	    (struct ratio){ step, 1 }))
		other = (struct ratio){ 0, 1 }; /* v is far from it */
	return other;
}

/*
 * `seed` stands for model and messages. A question may be harder or easier for
 * a model than it looks, and has one wrong answer that lies nearer than others.
 */
static struct thought
think(const struct model *m, const struct problem *q, uint64_t seed,
    uint64_t sample)
{
	struct rng question, r;
	struct thought t = { .value = q->value };
	double hard, error;

	rng_seed(&question, ~seed);
	rng_seed(&r, seed + sample);
	hard = q->difficulty * (0.75 + 0.5 * rng_unit(&question)) / m->skill;
	hard *= hard * hard;
	error = hard * hard / (1 + hard * hard);
	t.wrong = rng_unit(&r) < error;
	if (t.wrong)
		t.value = slip(q->value, rng_unit(&r) < 0.3 ? &question : &r);
	t.doubt = error * m->candour * (0.5 + 0.5 * rng_unit(&r)) +
	    0.05 * rng_unit(&r) * rng_unit(&r) +
	    (t.wrong ? 0.25 * rng_unit(&r) : 0);
	t.doubt = t.doubt < 1e-6 ? 1e-6 : t.doubt > 0.98 ? 0.98 : t.doubt;
	t.form = (unsigned)(rng_u64(&r) % 3);
	t.forgets = rng_unit(&r) < m->forgets;
	t.rng = r;
	return t;
}

static void
say_nothing(struct buf *out, const struct problem *q)
{
	if (q->text.n)
		buf_adds(out, "[simulated] This cannot be worked out: a "
		    "division by zero, or numbers too large.");
	else
		buf_adds(out, "[simulated] A simulated model can only do "
		    "arithmetic; this prompt has none. Configure a real "
		    "provider: see frugal(1).");
}

static void
say(struct buf *out, const struct problem *q, const struct thought *t,
    struct str value)
{
	static const char *const words[][3] = { /* before, between, after */
		{ "", " = ", "" },
		{ "I work out ", ".\nThat makes ", "." },
		{ "Products first, then sums.\n", " = ", "" },
	};
	struct str text = utf8_clip(q->text, EXPRESSION_SHOWN);

	buf_addf(out, "[simulated] %s", words[t->form][0]);
	buf_add(out, text);
	buf_adds(out, text.n < q->text.n ? "..." : "");
	buf_adds(out, words[t->form][1]);
	buf_add(out, value);
	buf_adds(out, words[t->form][2]);
	buf_adds(out, t->forgets ? "\nSo it is " : "\n#### ");
	buf_add(out, value);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t';
}

/* Sure of all words but the value; of none if there is no value. */
static double
logprob_of(struct str word, struct str value, struct thought *t)
{
	word = str_trim(word);
	if (str_ends(word, "."))
		word.n--;
	if (value.n == 0)
		return log(1 - t->doubt) - rng_unit(&t->rng);
	if (str_eq(word, value))
		return log(1 - t->doubt);
	return -0.02 * rng_unit(&t->rng);
}

/* Tokens are words with the blanks before them. */
static bool
add_tokens(struct completion *c, struct str value, struct thought *t,
    struct arena *a)
{
	struct token *v = arena_array(a, c->text.n / 2 + 1, sizeof(*v));
	size_t from = 0, to = 0;

	if (!v)
		return false;
	c->tokens = v;
	for (; to < c->text.n; from = to) {
		while (to < c->text.n && is_blank(c->text.p[to]))
			to++;
		while (to < c->text.n && !is_blank(c->text.p[to]))
			to++;
		v[c->n_tokens++] = (struct token){
			.from = (uint32_t)from,
			.to = (uint32_t)to,
			.logprob = logprob_of(str_sub(c->text, from,
			    to - from), value, t),
		};
	}
	return true;
}

static int64_t
tokens_of(size_t bytes)
{
	return (int64_t)((bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN);
}

/* Into *c, cut off where the request says so. */
static bool
set_text(struct completion *c, struct str text, int64_t max_tokens,
    struct arena *a)
{
	if (max_tokens > 0 && tokens_of(text.n) > max_tokens) {
		text = utf8_clip(text, (size_t)max_tokens * BYTES_PER_TOKEN);
		c->finish = FINISH_LENGTH;
	}
	c->completion_tokens = tokens_of(text.n);
	return arena_str(a, text, &c->text);
}

static bool
answer(const struct model_request *q, const struct model *m,
    const struct problem *p, uint64_t seed, uint64_t sample,
    struct arena *a, struct completion *c)
{
	bool solvable = p->text.n && !p->undefined, ok;
	struct thought t = { .doubt = 0.8 };
	struct buf text, value;

	rng_seed(&t.rng, seed + sample);
	buf_init(&text, BUF_MAX);
	buf_init(&value, BUF_MAX);
	if (solvable) {
		t = think(m, p, seed, sample);
		ratio_print(&value, t.value);
		say(&text, p, &t, buf_str(&value));
	} else {
		say_nothing(&text, p);
	}
	ok = !text.failed && !value.failed &&
	    set_text(c, buf_str(&text), q->sampling->max_tokens, a) &&
	    (!q->sampling->logprobs ||
	    add_tokens(c, buf_str(&value), &t, a));
	buf_release(&text);
	buf_release(&value);
	return ok;
}

static const struct model *
find_model(struct str name)
{
	for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++)
		if (str_is(name, models[i].name))
			return &models[i];
	return NULL;
}

static uint64_t
seed_of(const struct model_request *q)
{
	uint64_t h = q->sampling->has_seed ? (uint64_t)q->sampling->seed : 0;

	h = hash64(q->model, h);
	for (size_t i = 0; i < q->n_messages; i++) {
		h = hash64(q->messages[i].role, h);
		h = hash64(q->messages[i].content, h);
	}
	return h;
}

static struct str
last_question(const struct model_request *q)
{
	for (size_t i = q->n_messages; i > 0; i--)
		if (str_is(q->messages[i - 1].role, "user"))
			return q->messages[i - 1].content;
	return STR("");
}

static int64_t
prompt_tokens(const struct model_request *q)
{
	size_t bytes = 0;

	for (size_t i = 0; i < q->n_messages; i++)
		bytes += q->messages[i].content.n;
	return tokens_of(bytes);
}

static int
answer_all(const struct model_request *q, const struct model *m,
    struct arena *a, struct reply *out, int64_t *latency_ms)
{
	struct problem p = find_problem(last_question(q));
	uint64_t seed = seed_of(q);
	struct completion *c;
	struct rng r;

	rng_seed(&r, seed ^ (uint64_t)q->first);
	*latency_ms = (int64_t)((double)m->latency_ms *
	    (0.7 + 0.6 * rng_unit(&r)));
	out->c = arena_array(a, (size_t)q->n, sizeof(*out->c));
	if (!out->c)
		return -1;
	for (int i = 0; i < q->n; i++) {
		c = &out->c[i];
		c->model = str_of(m->name);
		c->prompt_tokens = i ? 0 : prompt_tokens(q);
		c->cost_picousd = MONEY_UNKNOWN;
		c->latency_ms = *latency_ms;
		if (!answer(q, m, &p, seed, (uint64_t)q->first + (uint64_t)i,
		    a, c))
			return -1;
	}
	out->n = (size_t)q->n;
	return 0;
}

static int
simulated_simulate(const struct model_request *q, struct arena *a,
    struct reply *out, int64_t *latency_ms, struct err *e)
{
	const struct model *m = find_model(q->model);

	*latency_ms = 0;
	*out = (struct reply){
		.charged_picousd = MONEY_UNKNOWN,
		.wait_ms = -1,
		.most_retries = -1,
	};
	if (!m) {
		out->outcome = OUTCOME_TIER;
		out->status = 404;
		out->code = STR("model_not_found");
		out->message = STR("the simulated models are small, medium "
		    "and large");
		return 0;
	}
	return answer_all(q, m, a, out, latency_ms) < 0 ? err_nomem(e) : 0;
}

const struct provider_ops provider_simulated = {
	.name = "simulated",
	.summary = "models that can only do arithmetic, for trying things out",
	.flags = PROVIDER_SIMULATED | PROVIDER_OFFLINE,
	.simulate = simulated_simulate,
};
