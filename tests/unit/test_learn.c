/*
 * test_learn.c -- training on made-up tasks of which the truth is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "cascade/learn_internal.h"
#include "cascade/logit.h"

static void
assert_near(double got, double expected, double within)
{
	if (!(fabs(got - expected) <= within))
		fail_msg("%.17g is not %.17g", got, expected);
}

/* --- numbers ---------------------------------------------------------------- */

static void
areas_count_pairs(void **state)
{
	const struct score s[] = { score_of_p(0.1), score_of_p(0.2),
	    score_of_p(0.2), score_of_p(0.9) };
	const struct score constant[4] = { score_of_p(0.3), score_of_p(0.3),
	    score_of_p(0.3), score_of_p(0.3) };
	const bool right[] = { false, true, false, true };
	struct outcome_pair v[4];
	struct learn_areas areas;
	struct err e;

	(void)state;
	/* Of 4 pairs 3 are in order and 1 is tied. */
	assert_int_equal(learn_compare(s, constant, right, 4, &areas, &e), 0);
	assert_near(areas.a.is, 3.5 / 4, 1e-12);
	for (size_t i = 0; i < 4; i++)
		v[i] = (struct outcome_pair){ s[i].ln, right[i] };
	assert_near(learn_auroc(v, 4), 3.5 / 4, 1e-12);
	assert_near(areas.b.is, 0.5, 1e-12);
	assert_near(areas.more.is, 1.5 / 4, 1e-12);
	/* Placements of right ones 3/4 and 1, of wrong ones 1 and 3/4. */
	assert_near(areas.a.low, 3.5 / 4 - 1.959963984540054 *
	    sqrt(2 * 0.125 * 0.125), 1e-9);
	assert_near(areas.a.high, 1, 1e-12);
}

static void
a_score_is_no_better_than_itself(void **state)
{
	struct score s[100];
	struct learn_areas areas;
	bool right[100];
	struct err e;

	(void)state;
	for (int i = 0; i < 100; i++) {
		s[i] = score_of_p((i * 37 % 100) / 100.0);
		right[i] = i * 53 % 100 < 40;
	}
	assert_int_equal(learn_compare(s, s, right, 100, &areas, &e), 0);
	assert_near(areas.more.low, 0, 1e-12);
	assert_near(areas.more.high, 0, 1e-12);
	assert_true(areas.a.low < areas.a.is && areas.a.is < areas.a.high);
}

static void
one_kind_alone_has_no_area(void **state)
{
	const struct score s[] = { score_of_p(0.1), score_of_p(0.2) };
	const bool right[] = { true, true };
	struct learn_areas areas;
	struct err e;

	(void)state;
	assert_int_equal(learn_compare(s, NULL, right, 2, &areas, &e), 0);
	assert_near(areas.a.is, 0.5, 0);
	assert_near(areas.a.low, 0, 0);
	assert_near(areas.a.high, 1, 0);
}

static void
platt_finds_the_scale(void **state)
{
	static struct outcome_pair v[20000];
	struct platt p;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	for (size_t i = 0; i < 20000; i++) {
		double z = 4 * rng_unit(&rng) - 2;
		v[i].z = z;
		v[i].right = rng_unit(&rng) < 1 / (1 + exp(-(2 * z - 0.5)));
	}
	p = learn_platt(v, 20000);
	assert_near(p.scale, 2, 0.1);
	assert_near(p.shift, -0.5, 0.1);
	assert_true(learn_log_loss(p, v, 20000) <
	    learn_log_loss((struct platt){ 1, 0 }, v, 20000));
	/* Turned round it says nothing, and never the opposite. */
	for (size_t i = 0; i < 20000; i++)
		v[i].z = -v[i].z;
	p = learn_platt(v, 20000);
	assert_near(p.scale, 0, 0);
}

static void
miscalibration_is_the_distance(void **state)
{
	struct outcome_pair v[1000];

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		v[i] = (struct outcome_pair){ log(0.8 / 0.2), i % 2 };
	assert_near(learn_miscalibration(v, 1000), 0.3, 1e-9);
}

/* --- LIBLINEAR --------------------------------------------------------------- */

static void
a_column_that_decides_gets_the_weight(void **state)
{
	struct logit *l = NULL;
	struct err e = { 0 };
	size_t row[200];
	double w[3], again[3];

	(void)state;
	if (logit_new(&l, 2, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < 200; i++) {
		bool right = i % 3 == 0;
		struct logit_cell cell[] = { { 0, right ? 1 : -1 },
		    { 1, i % 2 ? 1 : -1 } };
		assert_int_equal(logit_add(l, cell, 2, right, &e), 0);
		row[i] = i;
	}
	assert_int_equal(logit_fit(l, row, 200, 1, w, &e), 0);
	assert_true(w[0] > 1);
	assert_true(fabs(w[1]) < 0.1);
	assert_int_equal(logit_fit(l, row, 200, 1, again, &e), 0);
	assert_memory_equal(w, again, sizeof(w));
	/* The rows that are not named do not count. */
	assert_int_equal(logit_fit(l, row, 1, 1, w, &e), 0);
	assert_near(w[0], 0, 0);
	assert_near(w[2], log(2), 1e-12);
	logit_free(l);
}

static void
the_first_row_does_not_turn_the_sign(void **state)
{
	struct err e = { 0 };

	(void)state;
	for (int first = 0; first < 2; first++) {
		struct logit *l = NULL;
		size_t row[100];
		double w[2];

		assert_int_equal(logit_new(&l, 1, &e), 0);
		for (size_t i = 0; i < 100; i++) {
			bool right = i % 2 == (size_t)first;
			struct logit_cell cell = { 0, right ? 1 : -1 };
			assert_int_equal(logit_add(l, &cell, 1, right, &e),
			    0);
			row[i] = i;
		}
		assert_int_equal(logit_fit(l, row, 100, 1, w, &e), 0);
		assert_true(w[0] > 1);
		logit_free(l);
	}
}

/* --- learning ------------------------------------------------------------------ */

/* What made-up tasks are like. */
struct world {
	size_t tasks, tiers;
	bool sure;  /* the log-probability tells right from wrong, mostly */
	bool words; /* a word of the prompt does */
	uint64_t seed;
};

static void
add_task(struct learn *l, const struct world *w, size_t i, struct rng *rng)
{
	char prompt[200], id[40];
	struct err e = { 0 };
	bool hard = rng_unit(rng) < 0.5;
	/* Words that no other task has: what a model may learn by heart. */
	int n = snprintf(prompt, sizeof(prompt), "%s", w->words ?
	    hard ? "hard question" : "easy question" : "question");

	for (int k = 0; k < 8; k++)
		n += snprintf(prompt + n, sizeof(prompt) - (size_t)n,
		    " %c%c%c%c", 'a' + (int)(rng_u64(rng) % 26),
		    'a' + (int)(rng_u64(rng) % 26),
		    'a' + (int)(rng_u64(rng) % 26),
		    'a' + (int)(rng_u64(rng) % 26));
	snprintf(id, sizeof(id), "task %zu", i);
	for (size_t t = 0; t < w->tiers; t++) {
		double p = w->words ? hard ? 0.2 : 0.9 : 0.6;
		bool right = rng_unit(rng) < p;
		double lp = -rng_unit(rng) * (w->sure && !right ? 2 : 1);
		struct token token = { 0, 1, lp };
		struct completion c = { .text = STR("x"), .tokens = &token,
		    .n_tokens = 1, .answer = STR("x"), .has_answer = true };
		struct score_input in = { .prompt = str_of(prompt), .c = &c,
		    .n = 1 };
		struct learn_row row = { str_of(id), t, &in, NULL, right };
		assert_int_equal(learn_add(l, &row, &e), 0);
	}
}

static struct learn *
learn(const struct world *w)
{
	struct learn_options o = { .n_tiers = w->tiers };
	struct learn *l = NULL;
	struct err e = { 0 };
	struct rng rng;

	assert_int_equal(learn_new(&l, &o, &e), 0);
	rng_seed(&rng, w->seed);
	for (size_t i = 0; i < w->tasks; i++)
		add_task(l, w, i, &rng);
	if (learn_fit(l, &e) < 0)
		fail_msg("%s", e.msg);
	return l;
}

static void
what_can_be_told_is_told(void **state)
{
	struct world w = { 500, 2, true, true, 1 };
	struct learn *l = learn(&w);
	struct learn_quality q;

	(void)state;
	for (size_t t = 0; t < 2; t++) {
		assert_int_equal(learn_quality(l, t, &q, NULL), 0);
		assert_int_equal(q.tasks, 500);
		assert_true(learn_enough(l, t));
		assert_true(q.auroc > 0.85);
		assert_true(q.log_loss < q.base_loss - 0.15);
		assert_true(q.calibration < 0.09);
	}
	learn_free(l);
}

/* The scores are not of the model that knows the task by heart. */
static void
no_task_is_scored_from_memory(void **state)
{
	struct learn_setting words = { "words", false,
	    1u << WORDS_PROMPT, false, 1, 100 };
	struct learn_options o = { .n_tiers = 1, .settings = &words,
	    .n_settings = 1 };
	struct world w = { 400, 1, true, false, 2 };
	static struct outcome_pair by_heart[400];
	struct arena *a = arena_new(0);
	struct learn *l = NULL;
	struct learn_quality q;
	struct err e = { 0 };
	struct rng rng;
	struct model m;

	(void)state;
	assert_int_equal(learn_new(&l, &o, &e), 0);
	rng_seed(&rng, w.seed);
	for (size_t i = 0; i < w.tasks; i++)
		add_task(l, &w, i, &rng);
	assert_int_equal(learn_fit(l, &e), 0);
	assert_int_equal(learn_quality(l, 0, &q, NULL), 0);
	assert_true(q.auroc > 0.6 && q.auroc < 0.85);
	assert_true(q.log_loss < q.base_loss + 0.02);
	/* The model itself does know these tasks, by their words alone. */
	assert_int_equal(learn_model(l, 0, a, &m, &e), 0);
	for (size_t i = 0; i < w.tasks; i++) {
		const struct row *r = &l->row[i];
		double z = 0;
		for (size_t k = 0; k < r->n_words; k++)
			if (r->words[k].at < MODEL_WORDS && m.word[0])
				z += (double)m.word[0][r->words[k].at];
		by_heart[i] = (struct outcome_pair){ z, r->right };
	}
	assert_true(learn_auroc(by_heart, w.tasks) > 0.9);
	learn_free(l);
	arena_free(a);
}

static void
a_model_scores_as_it_was_trained(void **state)
{
	struct world w = { 300, 1, true, true, 3 };
	struct learn *l = learn(&w);
	struct arena *a = arena_new(0);
	struct token token = { 0, 1, -0.01 };
	struct completion c = { .text = STR("x"), .tokens = &token,
	    .n_tokens = 1, .answer = STR("x"), .has_answer = true };
	struct score_input easy = { .prompt = STR("easy question abcd"),
	    .c = &c, .n = 1 };
	struct score_input hard = { .prompt = STR("hard question abcd"),
	    .c = &c, .n = 1 };
	struct agreement ag = { .samples = 1, .groups = 1, .leader = 1 };
	struct err e = { 0 };
	struct model m;
	double p, q;

	(void)state;
	assert_int_equal(learn_model(l, 0, a, &m, &e), 0);
	assert_int_equal(m.tasks, 300);
	p = model_score(&m, &easy, &ag, NULL).p;
	q = model_score(&m, &hard, &ag, NULL).p;
	assert_true(log(p / (1 - p)) > log(q / (1 - q)) + 1);
	learn_free(l);
	arena_free(a);
}

static void
the_same_tasks_give_the_same_file(void **state)
{
	struct world w = { 200, 2, true, true, 4 };
	struct arena *a = arena_new(0);
	struct buf text[2];
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct learn *l = learn(&w);
		struct model m;

		assert_int_equal(learn_model(l, 1, a, &m, &e), 0);
		buf_init(&text[i], BUF_MAX);
		model_print(&text[i], &m);
		learn_free(l);
	}
	assert_true(text[0].n > 100);
	assert_true(str_eq(buf_str(&text[0]), buf_str(&text[1])));
	buf_release(&text[0]);
	buf_release(&text[1]);
	arena_free(a);
}

static void
a_route_sees_the_prompt_alone(void **state)
{
	struct learn_options o = { .kind = MODEL_ROUTE, .n_tiers = 1 };
	struct world w = { 300, 1, true, true, 5 };
	struct arena *a = arena_new(0);
	struct learn *l = NULL;
	struct err e = { 0 };
	struct learn_quality q;
	struct rng rng;
	struct model m;

	(void)state;
	assert_int_equal(learn_new(&l, &o, &e), 0);
	rng_seed(&rng, w.seed);
	for (size_t i = 0; i < w.tasks; i++)
		add_task(l, &w, i, &rng);
	assert_int_equal(learn_fit(l, &e), 0);
	assert_int_equal(learn_quality(l, 0, &q, NULL), 0);
	assert_true(q.auroc > 0.75);
	assert_int_equal(learn_model(l, 0, a, &m, &e), 0);
	assert_int_equal(m.kind, MODEL_ROUTE);
	for (size_t i = 0; i < N_FEATURES; i++)
		assert_true(m.weight[i] == 0 ||
		    feature_kinds[i].needs == FEATURE_PROMPT);
	assert_null(m.word[WORDS_TEXT]);
	learn_free(l);
	arena_free(a);
}

static void
of_too_little_nothing_is_learnt(void **state)
{
	struct learn_options o = { .n_tiers = 1 };
	struct world w = { LEARN_MIN_TASKS - 1, 1, true, true, 6 };
	struct learn *l = NULL;
	struct err e = { 0 };
	struct rng rng;

	(void)state;
	assert_int_equal(learn_new(&l, &o, &e), 0);
	assert_int_equal(learn_fit(l, &e), -1);
	rng_seed(&rng, w.seed);
	for (size_t i = 0; i < w.tasks; i++)
		add_task(l, &w, i, &rng);
	assert_int_equal(learn_fit(l, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	learn_free(l);
}

/* --- folds dealt ----------------------------------------------------------------- */

static struct learn *
untrained(const struct world *w)
{
	struct learn_options o = { .n_tiers = w->tiers };
	struct learn *l = NULL;
	struct err e = { 0 };
	struct rng rng;

	assert_int_equal(learn_new(&l, &o, &e), 0);
	rng_seed(&rng, w->seed);
	for (size_t i = 0; i < w->tasks; i++)
		add_task(l, w, i, &rng);
	return l;
}

/* Fold 2 of 5 may have any labels: the scores without it stay, and those of its
 * own rows; what is trained on it does not. */
static void
labels_of_a_fold_do_not_reach_the_scores_without_it(void **state)
{
	struct world w = { 300, 2, true, true, 7 };
	static uint8_t fold[600];
	static double before[600], own[600];
	struct learn_deal deal = { fold, 5, true };
	struct learn *l = untrained(&w);
	struct err e = { 0 };
	bool moved = false;

	(void)state;
	for (size_t i = 0; i < 600; i++)
		fold[i] = (uint8_t)(i / 2 * 7 % 5);
	learn_deal(l, &deal);
	assert_int_equal(learn_fit(l, &e), 0);
	for (size_t i = 0; i < 600; i++) {
		before[i] = learn_score_without(l, i, 2).ln;
		own[i] = learn_score(l, i).ln;
	}
	for (size_t i = 0; i < 600; i++)
		l->row[i].right ^= fold[i] == 2;
	learn_deal(l, &deal);
	assert_int_equal(learn_fit(l, &e), 0);
	for (size_t i = 0; i < 600; i++) {
		assert_true(learn_score_without(l, i, 2).ln == before[i]);
		moved |= fold[i] != 2 && learn_score(l, i).ln != own[i];
	}
	assert_true(moved);
	/* And they are worth something. */
	before[0] = before[1] = own[0] = own[1] = 0;
	for (size_t i = 0; i < 600; i++)
		if (fold[i] == 2) {
			size_t k = l->row[i].right; /* turned round */
			before[k] += learn_score_without(l, i, 2).p;
			own[k]++;
		}
	assert_true(before[0] / own[0] > before[1] / own[1] + 0.2);
	learn_free(l);
}

/* Rows kept apart train nothing, and get the score of the model's file. */
static void
what_is_kept_apart_is_scored_by_the_model(void **state)
{
	struct world w = { 400, 1, true, true, 8 };
	static uint8_t fold[400];
	static double before[400];
	struct learn_deal deal = { fold, 4, false };
	struct learn *l = untrained(&w);
	struct arena *a = arena_new(0);
	struct learn_quality q;
	struct err e = { 0 };
	struct model m;

	(void)state;
	for (size_t i = 0; i < 400; i++)
		fold[i] = i % 2 ? LEARN_APART : (uint8_t)(i / 2 % 4);
	for (int turn = 0; turn < 2; turn++) {
		learn_deal(l, &deal);
		assert_int_equal(learn_fit(l, &e), 0);
		for (size_t i = 0; i < 400; i++) {
			if (turn)
				assert_true(learn_score(l, i).ln == before[i]);
			before[i] = learn_score(l, i).ln;
			l->row[i].right ^= i % 2;
		}
	}
	assert_int_equal(learn_quality(l, 0, &q, NULL), 0);
	assert_int_equal(q.tasks, 200);
	assert_int_equal(learn_model(l, 0, a, &m, &e), 0);
	assert_int_equal(m.tasks, 200);
	for (size_t i = 1; i < 400; i += 2) {
		const struct row *r = &l->row[i];
		double z = m.bias;
		for (size_t k = 0; k < N_FEATURES; k++)
			z += m.weight[k] * (double)r->x[k];
		for (size_t k = 0; k < r->n_words; k++) {
			size_t g = r->words[k].at / MODEL_WORDS;
			if (m.word[g])
				z += (double)m.word[g][r->words[k].at
				    % MODEL_WORDS] * r->words[k].n
				    / sqrt((double)r->in_group[g]);
		}
		assert_near(learn_score(l, i).p, model_score_of(m.scale * z
		    + m.shift).p, 1e-12);
	}
	learn_free(l);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(areas_count_pairs),
		cmocka_unit_test(a_score_is_no_better_than_itself),
		cmocka_unit_test(one_kind_alone_has_no_area),
		cmocka_unit_test(platt_finds_the_scale),
		cmocka_unit_test(miscalibration_is_the_distance),
		cmocka_unit_test(a_column_that_decides_gets_the_weight),
		cmocka_unit_test(the_first_row_does_not_turn_the_sign),
		cmocka_unit_test(what_can_be_told_is_told),
		cmocka_unit_test(no_task_is_scored_from_memory),
		cmocka_unit_test(a_model_scores_as_it_was_trained),
		cmocka_unit_test(the_same_tasks_give_the_same_file),
		cmocka_unit_test(a_route_sees_the_prompt_alone),
		cmocka_unit_test(of_too_little_nothing_is_learnt),
		cmocka_unit_test(
		    labels_of_a_fold_do_not_reach_the_scores_without_it),
		cmocka_unit_test(what_is_kept_apart_is_scored_by_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
