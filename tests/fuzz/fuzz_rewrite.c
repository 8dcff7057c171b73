/*
 * fuzz_rewrite.c -- a learned cascade into configurations of any form: what
 * comes out is text, of a plain list of tiers a configuration again, and of
 * JSON JSON.
 */
#include "base/json.h"
#include "cascade/config.h"
#include "cascade/rewrite.h"
#include "tests/fuzz/fuzz.h"

static bool
is_json(struct str text)
{
	struct err e = { 0 };
	struct json *doc = json_parse(text, &e);

	json_free(doc);
	return doc != NULL;
}

/* The first tier with a rule, then the last. */
static void
rewrite(const struct config *c, struct str text)
{
	const struct cascade *k = &c->cascades[0];
	struct rewrite_tier tier[2] = {
		{ 0, 3, STR("{agreement: {at_least: {log: -1e-9}}}"),
		    STR("0.4") },
		{ k->n_tiers - 1, 0, { NULL, 0 }, { NULL, 0 } },
	};
	struct config *again = NULL;
	struct buf out, diff, messages;
	struct err e = { 0 };

	buf_init(&out, BUF_MAX);
	buf_init(&diff, BUF_MAX);
	buf_init(&messages, BUF_MAX);
	if (rewrite_cascade(text, "f.yaml", k->name, tier,
	    k->n_tiers > 1 ? 2 : 1, k->n_tiers > 1 && !k->route
	    ? STR("[{start: 2, longer_than: 9}]") : STR(""), STR("a\nb"),
	    &out, &e) < 0) {
		fuzz_error(&e);
	} else {
		must(!out.failed);
		rewrite_diff(text, buf_str(&out), &diff);
		must(!diff.failed);
		must(!is_json(text) || is_json(buf_str(&out)));
		if (config_parse(&again, "f.yaml", buf_str(&out), &messages,
		    NULL, &e) == 0)
			must(again->n_cascades <= c->n_cascades);
		config_free(again);
	}
	buf_release(&out);
	buf_release(&diff);
	buf_release(&messages);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct config *c = NULL;
	struct buf messages;
	struct err e = { 0 };

	buf_init(&messages, BUF_MAX);
	if (config_parse(&c, "f.yaml", text, &messages, NULL, &e) == 0) {
		rewrite(c, text);
		config_free(c);
	}
	buf_release(&messages);
	return 0;
}
