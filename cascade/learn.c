/*
 * learn.c -- rows in, models out.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "cascade/learn_internal.h"

#define FOLD_SEED UINT64_C(0x6c6561726e) /* any number, for ever */

#define SOME_WORDS (1u << WORDS_PROMPT | 1u << WORDS_ANSWER | \
	1u << WORDS_TEXT)
#define ALL_WORDS ((1u << N_WORD_GROUPS) - 1)

/* From the simplest on. */
const struct learn_setting learn_settings[] = {
	{ "scores", true, 0, false, 1, 0.01 },
	{ "features, shared, firm", false, 0, true, 1, 0.001 },
	{ "features, shared", false, 0, true, 1, 0.01 },
	{ "features", false, 0, false, 1, 0.1 },
	{ "words", false, SOME_WORDS, false, 1, 0.1 },
	{ "words, shared", false, SOME_WORDS, true, 2, 0.01 },
	{ "word pairs, shared", false, ALL_WORDS, true, 2, 0.01 },
};
const size_t learn_n_settings = sizeof(learn_settings) /
    sizeof(learn_settings[0]);

int
learn_new(struct learn **out, const struct learn_options *o, struct err *e)
{
	struct learn *l = calloc(1, sizeof(*l));

	if (!l)
		return err_nomem(e);
	l->o = *o;
	l->folds = LEARN_FOLDS;
	if (!l->o.settings) {
		l->o.settings = learn_settings;
		l->o.n_settings = learn_n_settings;
	}
	l->spread = calloc(o->n_tiers, sizeof(*l->spread));
	l->fitted = calloc(o->n_tiers, sizeof(*l->fitted));
	for (size_t t = 0; l->fitted && t < o->n_tiers; t++) {
		l->fitted[t].share = calloc(l->o.n_settings, sizeof(double));
		if (!l->fitted[t].share)
			goto nomem;
	}
	if (!l->spread || !l->fitted)
		goto nomem;
	*out = l;
	return 0;
nomem:
	learn_free(l);
	return err_nomem(e);
}

static void
forget(struct learn *l)
{
	free(l->raw);
	l->raw = NULL;
	for (unsigned k = 0; k < LEARN_FOLDS; k++) {
		free(l->raw_without[k]);
		free(l->z_without[k]);
		l->raw_without[k] = l->z_without[k] = NULL;
	}
}

void
learn_free(struct learn *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->row[i].words);
	free(l->row);
	free(l->spread);
	forget(l);
	for (size_t t = 0; l->fitted && t < l->o.n_tiers; t++)
		free(l->fitted[t].share);
	free(l->fitted);
	free(l);
}

size_t
learn_rows(const struct learn *l)
{
	return l->n;
}

size_t
learn_tiers(const struct learn *l)
{
	return l->o.n_tiers;
}

void
learn_progress(struct learn *l,
    void (*progress)(void *cookie, size_t done, size_t all), void *cookie)
{
	l->o.progress = progress;
	l->o.cookie = cookie;
}

/* --- a row ---------------------------------------------------------------------- */

/* The places of a row's words as they come, and how many a group has. */
struct word_list {
	uint32_t *v;
	size_t n, cap;
	uint32_t in_group[N_WORD_GROUPS];
	bool failed;
};

static void
list_word(void *cookie, enum word_group group, uint32_t hash)
{
	struct word_list *w = cookie;
	uint32_t *p;

	if (w->n == w->cap) {
		p = reallocarray(w->v, 2 * w->cap + 256, sizeof(*p));
		if (!p) {
			w->failed = true;
			return;
		}
		w->v = p;
		w->cap = 2 * w->cap + 256;
	}
	w->v[w->n++] = (uint32_t)group * MODEL_WORDS + hash % MODEL_WORDS;
	w->in_group[group]++;
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool
count_words(struct row *r, struct word_list *w)
{
	struct word_count *c;

	if (w->n)
		qsort(w->v, w->n, sizeof(*w->v), by_number);
	r->words = calloc(w->n + 1, sizeof(*r->words));
	if (!r->words)
		return false;
	for (size_t i = 0; i < w->n; i++) {
		if (!i || w->v[i] != w->v[i - 1])
			r->words[r->n_words++] = (struct word_count){
			    w->v[i], 0 };
		r->words[r->n_words - 1].n++;
	}
	memcpy(r->in_group, w->in_group, sizeof(r->in_group));
	c = reallocarray(r->words, r->n_words + 1, sizeof(*c));
	if (c)
		r->words = c;
	return true;
}

static bool
grow(struct learn *l)
{
	size_t cap = 2 * l->cap + 256;
	struct row *p;

	if (l->n < l->cap)
		return true;
	p = reallocarray(l->row, cap, sizeof(*p));
	if (!p)
		return false;
	l->row = p;
	l->cap = cap;
	return true;
}

static int
measure_row(const struct learn *l, const struct learn_row *from,
    struct row *r, struct err *e)
{
	struct score_input in = *from->in;
	struct word_list words = { .n = 0 };
	struct agreement a;
	double x[N_FEATURES];
	int rc = 0;

	if (l->o.kind == MODEL_ROUTE)
		in.n = in.missing = in.n_below = 0;
	if (agreement_of(&in, &a, e) < 0)
		return -1;
	features_measure(x, &in, &a);
	for (size_t k = 0; k < N_FEATURES; k++)
		r->x[k] = (float)x[k];
	for (size_t k = 0; k < l->o.n_rules; k++) {
		float *to = &r->x[N_FEATURES + 2 * k];
		to[0] = (float)from->scores[k].p;
		to[1] = (float)feature_sureness(from->scores[k].ln);
	}
	features_words(&in, &a, ALL_WORDS, list_word, &words);
	if (words.failed || !count_words(r, &words))
		rc = err_nomem(e);
	free(words.v);
	return rc;
}

int
learn_add(struct learn *l, const struct learn_row *row, struct err *e)
{
	struct row r = { .tier = row->tier, .right = row->right,
	    .fold = (unsigned)(hash64(row->task, FOLD_SEED) % LEARN_FOLDS) };

	if (l->n == LEARN_MAX_ROWS)
		return err_set(e, ERR_INPUT, "more than %d rows to learn "
		    "from", LEARN_MAX_ROWS);
	if (!grow(l))
		return err_nomem(e);
	if (measure_row(l, row, &r, e) < 0) {
		free(r.words);
		return -1;
	}
	l->row[l->n++] = r;
	return 0;
}

/* --- training -------------------------------------------------------------------- */

void
learn_deal(struct learn *l, const struct learn_deal *d)
{
	for (size_t i = 0; i < l->n; i++)
		l->row[i].fold = d->fold[i];
	l->folds = d->folds;
	l->nested = d->nested;
}

/* Room for what comes out, and nothing of an earlier fit. */
static int
make_room(struct learn *l, struct err *e)
{
	size_t raw = l->n * l->o.n_settings;

	forget(l);
	for (size_t t = 0; t < l->o.n_tiers; t++)
		memset(&l->fitted[t].w, 0, sizeof(l->fitted[t].w));
	l->raw = calloc(raw, sizeof(*l->raw));
	if (!l->raw)
		return err_nomem(e);
	for (unsigned k = 0; l->nested && k < l->folds; k++) {
		l->raw_without[k] = calloc(raw, sizeof(*l->raw));
		l->z_without[k] = calloc(l->n, sizeof(*l->raw));
		if (!l->raw_without[k] || !l->z_without[k])
			return err_nomem(e);
	}
	return 0;
}

static bool
has_enough(const struct learn *l, size_t tier)
{
	size_t n = 0, right = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (l->row[i].tier != tier || l->row[i].fold == LEARN_APART)
			continue;
		n++;
		right += l->row[i].right;
	}
	return n >= LEARN_MIN_TASKS && right >= LEARN_MIN_OF_A_KIND &&
	    n - right >= LEARN_MIN_OF_A_KIND;
}

static int
too_little(struct err *e)
{
	return err_set(e, ERR_INPUT, "too little to learn from: it takes %d "
	    "labelled tasks of a tier, %d of them right and %d wrong",
	    LEARN_MIN_TASKS, LEARN_MIN_OF_A_KIND, LEARN_MIN_OF_A_KIND);
}

int
learn_fit(struct learn *l, struct err *e)
{
	bool any = false;

	for (size_t t = 0; t < l->o.n_tiers; t++) {
		l->fitted[t].enough = has_enough(l, t);
		any |= l->fitted[t].enough;
	}
	if (!any)
		return too_little(e);
	return make_room(l, e) < 0 ? -1 : learn_train(l, e);
}

bool
learn_enough(const struct learn *l, size_t tier)
{
	return l->fitted[tier].enough;
}

struct score
learn_score(const struct learn *l, size_t row)
{
	return model_score_of(l->row[row].z);
}

struct score
learn_score_without(const struct learn *l, size_t row, unsigned fold)
{
	return model_score_of(l->z_without[fold][row]);
}

int
learn_quality(const struct learn *l, size_t tier, struct learn_quality *out,
    struct err *e)
{
	struct outcome_pair *v = calloc(l->n + 1, sizeof(*v));
	double right = 0, n;

	*out = (struct learn_quality){ .share = l->fitted[tier].share };
	if (!v)
		return err_nomem(e);
	for (size_t i = 0; i < l->n; i++) {
		if (l->row[i].tier != tier || l->row[i].fold == LEARN_APART)
			continue;
		right += l->row[i].right;
		v[out->tasks++] = (struct outcome_pair){ l->row[i].z,
		    l->row[i].right };
	}
	n = (double)out->tasks;
	out->right = n > 0 ? right / n : 0;
	if (!l->fitted[tier].enough)
		goto out;
	out->log_loss = learn_log_loss((struct platt){ 1, 0 }, v, out->tasks);
	out->base_loss = -(right * log(right / n) +
	    (n - right) * log1p(-right / n)) / n;
	out->calibration = learn_miscalibration(v, out->tasks);
	out->auroc = learn_auroc(v, out->tasks);
out:
	free(v);
	return 0;
}

/* The table of a group of words, or NULL if no word has a weight. */
static int
copy_words(const float *from, struct arena *a, float **out, struct err *e)
{
	size_t i = 0;

	while (i < MODEL_WORDS && from[i] == 0)
		i++;
	if (i == MODEL_WORDS)
		return 0;
	*out = arena_array(a, MODEL_WORDS, sizeof(**out));
	if (!*out)
		return err_nomem(e);
	for (i = 0; i < MODEL_WORDS; i++)
		(*out)[i] = from[i];
	return 0;
}

int
learn_model(const struct learn *l, size_t tier, struct arena *a,
    struct model *out, struct err *e)
{
	const struct fitted *f = &l->fitted[tier];
	struct learn_quality q;

	if (!f->enough)
		return too_little(e);
	if (learn_quality(l, tier, &q, e) < 0)
		return -1;
	*out = (struct model){ .kind = l->o.kind, .right = q.right,
	    .tasks = (int64_t)q.tasks, .bias = f->w.bias,
	    .scale = f->platt.scale, .shift = f->platt.shift,
	    .n_rules = l->o.n_rules };
	memcpy(out->weight, f->w.x, sizeof(out->weight));
	for (size_t k = 0; k < l->o.n_rules; k++) {
		out->rule[k].weight = f->w.x[N_FEATURES + 2 * k];
		out->rule[k].sure_weight = f->w.x[N_FEATURES + 2 * k + 1];
	}
	for (size_t g = 0; g < N_WORD_GROUPS; g++)
		if (copy_words(&f->w.word[g * MODEL_WORDS], a, &out->word[g],
		    e) < 0)
			return -1;
	return 0;
}
