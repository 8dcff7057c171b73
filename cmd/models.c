/*
 * models.c -- `frugal models`: the table of prices, with search.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/money.h"
#include "cmd/inspect.h"

#define MTOK 1000000

/* One line of the output. */
struct row {
	struct str name; /* "provider/model" */
	const struct price *price;
	bool configured;
};

struct listing {
	char **words;    /* all of them are in the name */
	int n_words;
	const struct config *cfg; /* NULL: the table alone */
	bool json;
	int64_t now_utc_ms;
	int64_t shown;
	struct table table;
};

/* --- one row ----------------------------------------------------------- */

static void
cell_rate(struct table *t, int64_t rate)
{
	if (rate == MONEY_UNKNOWN)
		table_cell(t, "-");
	else
		table_cell_money(t, money_mul(rate, MTOK));
}

static void
cell_count(struct table *t, int64_t n)
{
	if (n < 0)
		table_cell(t, "-");
	else
		table_cell(t, "%lld", (long long)n);
}

static const char *
status_of(const struct listing *l, const struct price *p)
{
	return price_is_gone(p, l->now_utc_ms)
	    && p->status != MODEL_HISTORICAL
	    ? price_status_name(MODEL_SHUT_DOWN)
	    : price_status_name(p->status);
}

/* What makes the price of a request another one than the row says. */
static void
add_exceptions(struct buf *b, const struct price *p)
{
	if (p->long_from)
		buf_addf(b, ", dearer from %lld tokens",
		    (long long)p->long_from);
	if (p->window[0].to_min > p->window[0].from_min)
		buf_adds(b, ", dearer at peak hours");
	if (p->later_from)
		buf_addf(b, ", changes %04d-%02d-%02d", p->later_from / 10000,
		    p->later_from / 100 % 100, p->later_from % 100);
	if (p->per_request) {
		buf_adds(b, ", plus ");
		money_show(b, p->per_request);
		buf_adds(b, " a request");
	}
}

static void
row_cells(struct listing *l, const struct row *r)
{
	const struct price *p = r->price;
	struct table *t = &l->table;
	struct buf b;

	table_cell_str(t, r->name);
	cell_rate(t, p->rates.input);
	cell_rate(t, p->rates.output);
	cell_rate(t, p->rates.cached);
	cell_count(t, p->context);
	if (p->logprobs == CAN_IF)
		table_cell(t, "if %s", p->condition);
	else
		table_cell(t, "%s", price_can_name(p->logprobs));
	buf_init(&b, 512);
	buf_adds(&b, status_of(l, p));
	if (p->shutdown)
		buf_addf(&b, " (%s)", p->shutdown);
	add_exceptions(&b, p);
	table_cell_str(t, buf_str(&b));
	buf_release(&b);
	if (r->configured)
		table_cell(t, "configured");
	else
		table_cell(t, "%s", p->as_of ? p->as_of : "unconfirmed");
}

static void
json_rates(struct jw *w, const struct price_rates *r)
{
	jw_kmoney(w, "input_per_mtok", money_mul(r->input, MTOK));
	jw_kmoney(w, "output_per_mtok", money_mul(r->output, MTOK));
	jw_kmoney(w, "cached_input_per_mtok", money_mul(r->cached, MTOK));
	jw_kmoney(w, "cache_write_per_mtok", money_mul(r->cache_write, MTOK));
}

static void
json_exceptions(struct jw *w, const struct price *p)
{
	char day[16];

	if (p->per_request)
		jw_kmoney(w, "per_request_usd", p->per_request);
	if (p->batch_percent)
		jw_kdouble(w, "batch_discount", p->batch_percent / 100.0);
	if (p->long_from) {
		jw_key(w, "long_context");
		jw_open(w, '{');
		jw_ki64(w, "from_tokens", p->long_from);
		json_rates(w, &p->long_rates);
		jw_close(w, '}');
	}
	if (p->window[0].to_min > p->window[0].from_min) {
		jw_key(w, "peak_hours");
		jw_open(w, '{');
		json_rates(w, &p->window_rates);
		jw_close(w, '}');
	}
	if (p->later_from) {
		snprintf(day, sizeof(day), "%04d-%02d-%02d",
		    p->later_from / 10000 % 10000, p->later_from / 100 % 100,
		    p->later_from % 100);
		jw_key(w, "later");
		jw_open(w, '{');
		jw_kstr(w, "from", str_of(day));
		json_rates(w, &p->later_rates);
		jw_close(w, '}');
	}
}

static int
row_json(struct listing *l, const struct row *r, struct err *e)
{
	const struct price *p = r->price;
	struct buf b;
	struct jw w;

	buf_init(&b, 65536);
	w = jw_shown(&b);
	jw_open(&w, '{');
	jw_kstr(&w, "model", r->name);
	json_rates(&w, &p->rates);
	if (p->context >= 0)
		jw_ki64(&w, "context", p->context);
	if (p->max_output >= 0)
		jw_ki64(&w, "max_output", p->max_output);
	jw_kstr(&w, "logprobs", str_of(price_can_name(p->logprobs)));
	jw_kstr(&w, "temperature", str_of(price_can_name(p->temperature)));
	if (p->condition)
		jw_kstr(&w, "condition", str_of(p->condition));
	jw_kstr(&w, "status", str_of(status_of(l, p)));
	if (p->shutdown)
		jw_kstr(&w, "shutdown", str_of(p->shutdown));
	json_exceptions(&w, p);
	if (r->configured)
		jw_kbool(&w, "configured", true);
	else if (p->as_of)
		jw_kstr(&w, "as_of", str_of(p->as_of));
	jw_close(&w, '}');
	buf_addc(&b, '\n');
	return inspect_print(&b, e);
}

/* --- all of them ------------------------------------------------------- */

static int
show_row(struct listing *l, const struct row *r, struct err *e)
{
	for (int i = 0; i < l->n_words; i++)
		if (!str_has_nocase(r->name, l->words[i]))
			return 0;
	l->shown++;
	if (l->json)
		return row_json(l, r, e);
	row_cells(l, r);
	return 0;
}

static bool
is_configured(const struct listing *l, struct str name)
{
	for (size_t i = 0; l->cfg && i < l->cfg->n_models; i++)
		if (str_eq(l->cfg->models[i].model, name))
			return true;
	return false;
}

static int
show_rows(struct listing *l, struct err *e)
{
	const struct price *p;
	struct buf name;
	size_t i = 0;
	int rc = 0;

	for (size_t k = 0; rc == 0 && l->cfg && k < l->cfg->n_models; k++) {
		const struct model_price *m = &l->cfg->models[k];
		rc = show_row(l, &(struct row){ m->model, &m->price, true },
		    e);
	}
	buf_init(&name, 512);
	while (rc == 0 && (p = price_each(&i, STR("")))) {
		buf_clear(&name);
		buf_addf(&name, "%s/%s", p->provider, p->model);
		if (!is_configured(l, buf_str(&name)))
			rc = show_row(l, &(struct row){ buf_str(&name), p,
			    false }, e);
	}
	buf_release(&name);
	return rc;
}

static int
list(struct listing *l, struct err *e)
{
	static const char *const titles[] = { "model", "input/Mtok",
		"output/Mtok", "cached/Mtok", "context", "logprobs", "status",
		"as of" };

	if (l->json)
		return show_rows(l, e);
	table_init(&l->table, "lrrrrlll");
	for (size_t i = 0; i < l->table.columns; i++)
		table_cell(&l->table, "%s", titles[i]);
	if (show_rows(l, e) < 0)
		return -1;
	if (l->shown)
		return table_print(&l->table, e);
	buf_release(&l->table.text);
	return 0;
}

static int
nothing_found(const struct listing *l)
{
	if (l->shown)
		return 0;
	say("no model of the table matches; try fewer words, or state its "
	    "price under `models:` in the configuration");
	return 1;
}

static int
models_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	struct listing l = { .now_utc_ms = clock_utc_ms() };
	const struct opt table[] = {
		{ OPT_TEXT, 'c', "config", &common.config_path, "FILE",
		    "show its prices too, marked `configured`, in place of\n"
		    "those that it overrides", 0, 0, NULL },
		{ OPT_FLAG, 0, "json", &l.json, NULL,
		    "a JSON object a line, with every fact of the table",
		    0, 0, NULL },
		{ .kind = OPT_END },
	};
	struct config *cfg = NULL;
	struct err e = { 0 };
	int first, rc, status;

	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		return 0;
	if (rc == 0 && common.config_path)
		rc = common_config(&common, false, false, &cfg, &e);
	if (rc == 0) {
		l.words = argv + first;
		l.n_words = argc - first;
		l.cfg = cfg;
		rc = list(&l, &e);
	}
	if (rc == 0)
		rc = out_flush(&e);
	status = rc < 0 ? say_err(&e) : nothing_found(&l);
	config_free(cfg);
	return status;
}

extern const struct command cmd_models;
const struct command cmd_models = {
	.name = "models",
	.summary = "list the models whose prices are known",
	.usage = "[OPTION]... [WORD]...",
	.about = "Lists the built-in table of prices in dollars per million "
	    "tokens, or only the\nmodels whose provider/name has every WORD "
	    "in it. `cached` is input that the\nprovider reads from its own "
	    "cache. \"as of\" is the day of the price list; prices\nchange: "
	    "one that you state under `models:` in the configuration comes "
	    "first.\nA price that is not known is shown as `-` and never "
	    "taken for 0.",
	.examples =
	    "  frugal models                    all of them\n"
	    "  frugal models gpt-4o mini        names with both words\n"
	    "  frugal models -c frugal.yaml     with your own prices\n"
	    "  frugal models --json | jq -r 'select(.context > 1e6).model'\n",
	.run = models_main,
};
