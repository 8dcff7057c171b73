/*
 * model.c -- a learned model: its file, and its score.
 */
#include "scorers/model.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/input.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/utf8.h"

#define THOUSANDTHS 1000.0f /* a word's weight in the file, a whole number */
#define FIRST_LINE "frugal-model 1"
#define MAX_LINES (N_WORD_GROUPS * MODEL_WORDS + 1000)

static const char *const kind_names[] = { "score", "route", NULL };

static const char *const group_names[N_WORD_GROUPS] = {
	"prompt", "prompt_pairs", "answer", "text", "text_pairs"
};

/* --- reading ---------------------------------------------------------------- */

struct reading {
	struct model *m;
	struct arena *a;
	struct err *e;
	int line;
	float *words;      /* the table under way; NULL: none yet */
	int64_t last_word; /* indices must rise */
	bool had[N_FEATURES];
};

static int
bad(struct reading *r, const char *what)
{
	return err_set(r->e, ERR_CONFIG, "line %d: %s", r->line, what);
}

static int
take_number(struct reading *r, struct str text, double min, double max,
    double *out)
{
	double v;

	if (!str_to_double(text, &v) || !(v >= min && v <= max))
		return bad(r, "not a number, or out of its range");
	*out = v;
	return 0;
}

static int
take_count(struct reading *r, struct str text, int64_t max, int64_t *out)
{
	int64_t v;

	if (!str_to_i64(text, &v) || v < 0 || v > max)
		return bad(r, "not a whole number, or out of its range");
	*out = v;
	return 0;
}

static int
take_weight(struct reading *r, struct str text, double *out)
{
	return take_number(r, text, -MODEL_MAX_WEIGHT, MODEL_MAX_WEIGHT, out);
}

static int
take_kind(struct reading *r, struct str rest)
{
	for (unsigned i = 0; kind_names[i]; i++) {
		if (str_is(rest, kind_names[i])) {
			r->m->kind = (enum model_kind)i;
			return 0;
		}
	}
	return bad(r, "unknown kind of model");
}

static int
take_text(struct reading *r, struct str rest, struct str *out)
{
	if (!utf8_valid(rest))
		return bad(r, "not UTF-8");
	for (size_t i = 0; i < rest.n; i++)
		if ((unsigned char)rest.p[i] < ' ' || rest.p[i] == 0x7f)
			return bad(r, "a control character");
	return arena_str(r->a, rest, out) ? 0 : err_nomem(r->e);
}

static int
take_rule(struct reading *r, struct str rest)
{
	struct model *m = r->m;
	struct model_rule *rule = &m->rule[m->n_rules];
	struct str weight, sure;

	if (m->n_rules == MODEL_MAX_RULES)
		return bad(r, "too many rules");
	if (!str_cut(&rest, ' ', &weight) || !str_cut(&rest, ' ', &sure) ||
	    !rest.n)
		return bad(r, "a rule has two weights and a text");
	if (take_weight(r, weight, &rule->weight) < 0 ||
	    take_weight(r, sure, &rule->sure_weight) < 0)
		return -1;
	m->n_rules++;
	return take_text(r, rest, &rule->shown);
}

static int
take_feature(struct reading *r, struct str rest)
{
	struct str name;

	if (!str_cut(&rest, ' ', &name))
		return bad(r, "a feature has a name and a weight");
	for (size_t i = 0; i < N_FEATURES; i++) {
		if (!str_is(name, feature_kinds[i].name))
			continue;
		if (r->had[i])
			return bad(r, "this feature was there before");
		r->had[i] = true;
		return take_weight(r, rest, &r->m->weight[i]);
	}
	return bad(r, "unknown feature: a later version of frugal has made "
	    "this file");
}

static int
take_words(struct reading *r, struct str name)
{
	float **table = NULL;

	for (size_t i = 0; i < N_WORD_GROUPS; i++)
		if (str_is(name, group_names[i]))
			table = &r->m->word[i];
	if (!table)
		return bad(r, "unknown group of words");
	if (*table)
		return bad(r, "this group of words was there before");
	*table = arena_array(r->a, MODEL_WORDS, sizeof(**table));
	if (!*table)
		return err_nomem(r->e);
	r->words = *table;
	r->last_word = -1;
	return 0;
}

static int
take_word(struct reading *r, struct str rest)
{
	struct str number;
	int64_t at = 0, v;

	if (!r->words)
		return bad(r, "a word before its group");
	if (!str_cut(&rest, ' ', &number))
		return bad(r, "a word has an index and a weight");
	if (take_count(r, number, MODEL_WORDS - 1, &at) < 0)
		return -1;
	if (!str_to_i64(rest, &v) || v < -MODEL_MAX_WORD || v > MODEL_MAX_WORD)
		return bad(r, "not a whole number, or out of its range");
	if (at <= r->last_word)
		return bad(r, "words are not in their order");
	r->last_word = at;
	r->words[at] = (float)v / THOUSANDTHS;
	return 0;
}

static int
take_line(struct reading *r, struct str name, struct str rest)
{
	struct model *m = r->m;

	if (str_is(name, "word"))
		return take_word(r, rest);
	if (str_is(name, "feature"))
		return take_feature(r, rest);
	if (str_is(name, "kind"))
		return take_kind(r, rest);
	if (str_is(name, "tier"))
		return take_text(r, rest, &m->tier);
	if (str_is(name, "tasks"))
		return take_count(r, rest, INT64_C(1) << 50, &m->tasks);
	if (str_is(name, "right"))
		return take_number(r, rest, 0, 1, &m->right);
	if (str_is(name, "samples"))
		return take_count(r, rest, 1 << 20, &m->samples);
	if (str_is(name, "rule"))
		return take_rule(r, rest);
	if (str_is(name, "bias"))
		return take_weight(r, rest, &m->bias);
	if (str_is(name, "scale"))
		/* Never turns the order round. */
		return take_number(r, rest, 0, MODEL_MAX_WEIGHT, &m->scale);
	if (str_is(name, "shift"))
		return take_weight(r, rest, &m->shift);
	if (str_is(name, "words"))
		return take_words(r, rest);
	return bad(r, "unknown entry: a later version of frugal has made this "
	    "file");
}

/* Appends the sum of `text` in hex; false: it failed. */
static bool
add_sum(struct buf *out, struct str text)
{
	unsigned char sum[SHA256_BYTES];

	sha256(text, sum);
	hex_add(out, sum, sizeof(sum));
	return !out->failed;
}

/* Cuts the last line off, if it is the sum of what is before. */
static int
check_sum(struct str *text, struct err *e)
{
	const size_t n = sizeof("sha256 \n") - 1 + 2 * SHA256_BYTES;
	unsigned char said[SHA256_BYTES], is[SHA256_BYTES];
	struct str last;

	if (!str_starts(*text, FIRST_LINE "\n"))
		return err_set(e, ERR_CONFIG, str_starts(*text,
		    "frugal-model ") ? "line 1: another version of the "
		    "format; train it again with `frugal learn`" :
		    "line 1: no model of `frugal learn`");
	last = str_sub(*text, text->n < n ? 0 : text->n - n, n);
	text->n -= last.n;
	sha256(*text, is);
	if (!str_starts(last, "sha256 ") || !str_ends(last, "\n") ||
	    !hex_parse(str_sub(last, 7, 2 * SHA256_BYTES), said,
	    sizeof(said)) || memcmp(said, is, sizeof(is)) != 0)
		return err_set(e, ERR_CONFIG, "the file is cut off or was "
		    "changed: its sum is not that of its last line");
	return 0;
}

int
model_parse(struct model *out, struct str text, struct arena *a,
    struct err *e)
{
	struct reading r = { .m = out, .a = a, .e = e, .line = 1 };
	struct str line, name;

	*out = (struct model){ .scale = 1 };
	if (text.n > MODEL_MAX_FILE)
		return err_set(e, ERR_CONFIG, "the file is larger than %zu kB",
		    MODEL_MAX_FILE >> 10);
	if (check_sum(&text, e) < 0)
		return -1;
	str_cut(&text, '\n', &line);
	while (str_cut(&text, '\n', &line)) {
		if (++r.line > MAX_LINES)
			return bad(&r, "too many lines");
		if (!str_cut(&line, ' ', &name))
			return bad(&r, "an entry has a name and a value");
		if (take_line(&r, name, line) < 0)
			return -1;
	}
	return 0;
}

int
model_load(struct model *out, const char *path, struct arena *a,
    struct err *e)
{
	struct buf text;
	int rc;

	buf_init(&text, MODEL_MAX_FILE + 1);
	rc = input_slurp(path, MODEL_MAX_FILE, &text, e);
	if (rc == 0) {
		rc = model_parse(out, buf_str(&text), a, e);
		if (rc < 0)
			err_in(e, "model '%s'", path);
	}
	buf_release(&text);
	return rc;
}

int
model_load_for(struct model *out, struct str file, const struct report *r,
    struct arena *a, struct err *e)
{
	const char *slash = r->file ? strrchr(r->file, '/') : NULL;
	char *path = str_starts(file, "/") || !slash ? arena_cstr(a, file) :
	    arena_printf(a, "%.*s%.*s", (int)(slash + 1 - r->file), r->file,
	    STR_ARG(file));

	return path ? model_load(out, path, a, e) : err_nomem(e);
}

/* --- writing ---------------------------------------------------------------- */

static void
print_number(struct buf *out, const char *name, double v)
{
	buf_addf(out, "%s ", name);
	buf_add_double(out, v);
	buf_addc(out, '\n');
}

static void
print_words(struct buf *out, const char *name, const float *word)
{
	buf_addf(out, "words %s\n", name);
	for (size_t i = 0; i < MODEL_WORDS; i++)
		if (word[i] != 0)
			buf_addf(out, "word %zu %ld\n", i,
			    lrintf(word[i] * THOUSANDTHS));
}

void
model_print(struct buf *out, const struct model *m)
{
	struct buf sum;

	buf_addf(out, FIRST_LINE "\nkind %s\ntier %.*s\ntasks %" PRId64
	    "\n", kind_names[m->kind], STR_ARG(m->tier), m->tasks);
	print_number(out, "right", m->right);
	buf_addf(out, "samples %" PRId64 "\n", m->samples);
	for (size_t i = 0; i < m->n_rules; i++) {
		buf_adds(out, "rule ");
		buf_add_double(out, m->rule[i].weight);
		buf_addc(out, ' ');
		buf_add_double(out, m->rule[i].sure_weight);
		buf_addf(out, " %.*s\n", STR_ARG(m->rule[i].shown));
	}
	print_number(out, "bias", m->bias);
	print_number(out, "scale", m->scale);
	print_number(out, "shift", m->shift);
	for (size_t i = 0; i < N_FEATURES; i++) {
		if (m->weight[i] == 0)
			continue;
		buf_adds(out, "feature ");
		print_number(out, feature_kinds[i].name, m->weight[i]);
	}
	for (size_t g = 0; g < N_WORD_GROUPS; g++)
		if (m->word[g])
			print_words(out, group_names[g], m->word[g]);
	buf_init(&sum, 2 * SHA256_BYTES);
	if (!add_sum(&sum, buf_str(out)))
		out->failed = true;
	buf_addf(out, "sha256 %.*s\n", STR_ARG(buf_str(&sum)));
	buf_release(&sum);
}

/* --- scoring ------------------------------------------------------------------ */

bool
model_needs_logprobs(const struct model *m)
{
	for (size_t i = 0; i < N_FEATURES; i++)
		if (feature_kinds[i].needs == FEATURE_LOGPROBS &&
		    m->weight[i] != 0)
			return true;
	return false;
}

struct word_sums {
	const struct model *m;
	double sum[N_WORD_GROUPS];
	size_t n[N_WORD_GROUPS];
};

static void
add_word(void *cookie, enum word_group group, uint32_t hash)
{
	struct word_sums *s = cookie;

	s->sum[group] += (double)s->m->word[group][hash % MODEL_WORDS];
	s->n[group]++;
}

static double
score_words(const struct model *m, const struct score_input *in,
    const struct agreement *a)
{
	struct word_sums s = { .m = m };
	unsigned groups = 0;
	double z = 0;

	for (size_t g = 0; g < N_WORD_GROUPS; g++)
		if (m->word[g])
			groups |= 1u << g;
	if (!groups)
		return 0;
	features_words(in, a, groups, add_word, &s);
	for (size_t g = 0; g < N_WORD_GROUPS; g++)
		if (s.n[g])
			z += s.sum[g] / sqrt((double)s.n[g]);
	return z;
}

struct score
model_score_of(double z)
{
	return score_of_ln(z < 0 ? z - log1p(exp(z)) : -log1p(exp(-z)));
}

struct score
model_score(const struct model *m, const struct score_input *in,
    const struct agreement *a, const struct score *scores)
{
	double x[N_FEATURES], z = m->bias;

	features_measure(x, in, a);
	for (size_t i = 0; i < N_FEATURES; i++)
		z += m->weight[i] * x[i];
	for (size_t i = 0; i < m->n_rules; i++)
		z += m->rule[i].weight * scores[i].p +
		    m->rule[i].sure_weight * feature_sureness(scores[i].ln);
	z += score_words(m, in, a);
	return model_score_of(m->scale * z + m->shift);
}
