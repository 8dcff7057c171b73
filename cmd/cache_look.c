/*
 * cache_look.c -- `frugal cache list`, `show`, `stats` and `check`: what there
 * is in the store.
 */
#include "cmd/cache.h"

#include <string.h>

#include "base/clock.h"
#include "base/money.h"

#define LISTED 20      /* default of `list` */
#define KEYS_NAMED 5   /* in a complaint about the beginning of several */
#define PROMPT_COLUMNS 36
#define TEXT_COLUMNS 28

/* --- list -------------------------------------------------------------- */

/* The content of the last message, which is what was asked. */
static void
add_question(struct buf *b, struct str canon, size_t columns)
{
	struct json *doc = json_parse(canon, NULL);
	const struct json *m = json_first(json_get(doc, "messages"));
	const struct json *last = NULL;
	struct str content;

	for (; m; m = json_next(m))
		last = m;
	if (json_str(json_get(last, "content"), &content))
		inspect_oneline(b, content, columns);
	json_free(doc);
}

struct list {
	struct cache_filter filter;
	struct table table;
};

static void
cell(struct table *t, struct buf *b)
{
	t->text.failed |= b->failed;
	table_cell_str(t, buf_str(b));
	buf_clear(b);
}

static bool
list_row(void *cookie, const struct cached_row *r)
{
	struct list *l = cookie;
	struct buf b;

	buf_init(&b, BUF_MAX);
	table_cell(&l->table, "%lld", (long long)r->row);
	cache_add_key(&b, r->request.key);
	cell(&l->table, &b);
	clock_local(&b, r->kept_utc_ms);
	cell(&l->table, &b);
	buf_add(&b, r->request.provider);
	buf_addc(&b, '/');
	buf_add(&b, r->request.model);
	cell(&l->table, &b);
	table_cell(&l->table, "%d", r->sample);
	table_cell_money(&l->table, r->c.cost_picousd);
	add_question(&b, r->request.canon, PROMPT_COLUMNS);
	cell(&l->table, &b);
	if (r->c.finish != FINISH_STOP)
		buf_addf(&b, "(%s) ", finish_name(r->c.finish));
	inspect_oneline(&b, r->c.text, TEXT_COLUMNS);
	cell(&l->table, &b);
	buf_release(&b);
	return true;
}

static int
list(struct store *s, void *cookie, struct err *e)
{
	static const char *const titles[] = { "row", "key", "kept", "model",
		"sample", "cost", "prompt", "answer" };
	struct list *l = cookie;

	table_init(&l->table, "rlllrrll");
	for (size_t i = 0; i < l->table.columns; i++)
		table_cell(&l->table, "%s", titles[i]);
	if (store_each(s, &l->filter, list_row, l, e) < 0)
		return -1;
	if (l->table.cells > l->table.columns)
		return table_print(&l->table, e);
	say("no completion in '%s' matches", store_path(s));
	return 0;
}

static int
list_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	const char *model = NULL, *contains = NULL;
	struct list l = { .filter.limit = LISTED };
	const struct opt table[] = {
		{ OPT_TEXT, 'm', "model", &model, "MODEL",
		    "only of this model, or of a pattern such as openai/*",
		    0, 0, NULL },
		{ OPT_TEXT, 0, "contains", &contains, "TEXT",
		    "only with this text in prompt or answer, in any case",
		    0, 0, NULL },
		{ OPT_INT, 'n', "count", &l.filter.limit, "N",
		    "the newest N (default: 20); 0 is all, oldest first",
		    0, INT64_MAX, NULL },
		COMMON_CONFIG_OPT(&common),
		COMMON_STORE_OPT(&common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int rc = inspect_options(self, table, argc, argv,
	    "to look for a text use --contains", &e);

	l.filter.model = str_of(model);
	l.filter.contains = str_of(contains);
	if (rc == 0)
		rc = cache_with_store(&common, list, &l, &e);
	buf_release(&l.table.text);
	return rc < 0 ? say_err(&e) : 0;
}

const struct command cache_list = {
	.name = "cache list",
	.summary = "the newest completions, a line each",
	.usage = "[OPTION]...",
	.about = "Lists stored completions. `frugal cache show` takes a row "
	    "number or a key.",
	.examples =
	    "  frugal cache list -n 50\n"
	    "  frugal cache list --model 'openai/*' --contains invoice\n",
	.run = list_main,
};

/* --- show -------------------------------------------------------------- */

struct show {
	const char *which;
	struct cache_filter filter;
	int64_t row;       /* 0: any */
	unsigned char keys[KEYS_NAMED][SHA256_BYTES]; /* different ones found */
	size_t n_keys;
	struct buf out;
};

static void
add_member(struct buf *b, const struct json *m)
{
	struct str text = { 0 }, name = json_name(m);

	if (json_str(m, &text) && !text.n)
		return;
	buf_addf(b, "  %-17.*s ", STR_ARG(name));
	if (text.n)
		buf_add(b, text);
	else
		json_print(b, m, true);
	buf_addc(b, '\n');
}

static void
add_request(struct buf *b, const struct cached_row *r)
{
	struct json *doc = json_parse(r->request.canon, NULL);
	const struct json *m;
	struct str role, content;

	buf_adds(b, "request ");
	hex_add(b, r->request.key, SHA256_BYTES);
	buf_addf(b, "\n  %-17s %.*s\n", "provider",
	    STR_ARG(r->request.provider));
	for (m = json_first(doc); m; m = json_next(m))
		if (!str_is(json_name(m), "messages"))
			add_member(b, m);
	m = json_first(json_get(doc, "messages"));
	for (; m; m = json_next(m))
		if (json_str(json_get(m, "role"), &role)
		    && json_str(json_get(m, "content"), &content))
			buf_addf(b, "\n%.*s:\n%.*s\n", STR_ARG(role),
			    STR_ARG(content));
	json_free(doc);
}

static void
add_tokens(struct buf *b, const char *name, int64_t n)
{
	if (n >= 0)
		buf_addf(b, ", %lld %s", (long long)n, name);
}

static void
add_completion(struct buf *b, const struct cached_row *r)
{
	const struct completion *c = &r->c;

	buf_addf(b, "\nsample %d (row %lld), kept ", r->sample,
	    (long long)r->row);
	clock_local(b, r->kept_utc_ms);
	buf_addf(b, ", %s, by '%.*s', ", finish_name(c->finish),
	    STR_ARG(c->model));
	clock_duration(b, c->latency_ms);
	buf_adds(b, ", cost ");
	money_show(b, c->cost_picousd);
	add_tokens(b, "tokens in", c->prompt_tokens);
	add_tokens(b, "of them cached", c->cached_tokens > 0
	    ? c->cached_tokens : -1);
	add_tokens(b, "out", c->completion_tokens);
	add_tokens(b, "of them reasoning", c->reasoning_tokens > 0
	    ? c->reasoning_tokens : -1);
	if (c->n_tokens)
		buf_addf(b, ", log-probabilities of %zu tokens", c->n_tokens);
	buf_adds(b, ":\n");
	buf_add(b, c->text);
	buf_addc(b, '\n');
}

/* False: it is among the keys that were found already, or there is no room. */
static bool
is_new_key(struct show *w, const unsigned char *key)
{
	for (size_t i = 0; i < w->n_keys; i++)
		if (memcmp(w->keys[i], key, SHA256_BYTES) == 0)
			return false;
	if (w->n_keys == KEYS_NAMED)
		return false;
	memcpy(w->keys[w->n_keys++], key, SHA256_BYTES);
	return true;
}

static bool
show_row(void *cookie, const struct cached_row *r)
{
	struct show *w = cookie;

	if (w->row && r->row != w->row)
		return true;
	if (is_new_key(w, r->request.key) && w->n_keys == 1)
		add_request(&w->out, r);
	if (w->n_keys == 1)
		add_completion(&w->out, r);
	return w->row == 0 && w->n_keys < KEYS_NAMED;
}

/* Digits alone may be a row number or the beginning of a key: the row first. */
static int
understand_which(struct store *s, struct show *w, struct err *e)
{
	struct str which = str_of(w->which);
	struct completion c;
	struct arena *a;
	int rc;

	for (size_t i = 0; i < which.n; i++)
		if (!strchr("0123456789abcdefABCDEF", which.p[i]))
			return err_set(e, ERR_USAGE, "'%.60s' is neither a "
			    "row number nor the beginning of a key; `frugal "
			    "cache list` shows both", w->which);
	w->filter.key_prefix = which;
	if (!str_to_i64(which, &w->row))
		return 0;
	a = arena_new(0);
	if (!a)
		return err_nomem(e);
	rc = store_get_row(s, w->row, a, &c, NULL, e);
	arena_free(a);
	if (rc > 0)
		w->filter.key_prefix = (struct str){ 0 };
	else
		w->row = 0;
	return rc < 0 ? -1 : 0;
}

static int
not_unique(const struct show *w, struct err *e)
{
	struct buf keys;

	buf_init(&keys, 1024);
	for (size_t i = 0; i < w->n_keys; i++) {
		buf_adds(&keys, i ? ", " : "");
		cache_add_key(&keys, w->keys[i]);
	}
	err_set(e, ERR_USAGE, "'%.60s' is the beginning of several keys: "
	    "%s%s; give more digits", w->which, keys.p ? keys.p : "",
	    w->n_keys == KEYS_NAMED ? ", ..." : "");
	buf_release(&keys);
	return -1;
}

static int
show(struct store *s, void *cookie, struct err *e)
{
	struct show *w = cookie;

	if (understand_which(s, w, e) < 0
	    || store_each(s, &w->filter, show_row, w, e) < 0)
		return -1;
	if (!w->n_keys)
		return err_set(e, ERR_INPUT, "nothing in '%s' has row or key "
		    "'%.60s'; `frugal cache list` shows what there is",
		    store_path(s), w->which);
	if (w->n_keys > 1)
		return not_unique(w, e);
	return inspect_print(&w->out, e);
}

static int
show_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	struct show w = { 0 };
	const struct opt table[] = {
		COMMON_CONFIG_OPT(&common),
		COMMON_STORE_OPT(&common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc;

	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		return 0;
	buf_init(&w.out, BUF_MAX);
	if (rc == 0)
		rc = inspect_no_arguments(argc, argv, first + 1, "show one at "
		    "a time", &e);
	if (rc == 0 && (first >= argc || !argv[first][0]))
		rc = err_set(&e, ERR_USAGE, "say what to show: a row number "
		    "or the first digits of a key, as in `frugal cache list`");
	if (rc == 0) {
		w.which = argv[first];
		rc = cache_with_store(&common, show, &w, &e);
	}
	buf_release(&w.out);
	return rc < 0 ? say_err(&e) : 0;
}

const struct command cache_show = {
	.name = "cache show",
	.summary = "one request with its completions, whole",
	.usage = "[OPTION]... KEY|ROW",
	.about = "Shows a stored request: by the first digits of its key with "
	    "all its completions,\nor by row number with that one alone.",
	.examples =
	    "  frugal cache show 3fa9c0de\n"
	    "  frugal cache show 8192\n",
	.run = show_main,
};

/* --- stats ------------------------------------------------------------- */

static void
add_size(struct buf *b, int64_t bytes)
{
	static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB" };
	double v = (double)bytes;
	size_t i = 0;

	for (; v >= 1000 && i < 4; i++)
		v /= 1000;
	buf_addf(b, i ? "%.1f %s" : "%.0f %s", v, units[i]);
}

static bool
stats_row(void *cookie, struct str provider, struct str model,
    const struct cache_totals *t)
{
	struct table *table = cookie;
	struct buf b;

	buf_init(&b, BUF_MAX);
	buf_add(&b, provider);
	buf_addc(&b, '/');
	buf_add(&b, model);
	cell(table, &b);
	table_cell(table, "%lld", (long long)t->requests);
	table_cell(table, "%lld", (long long)t->completions);
	table_cell_money(table, t->cost_picousd);
	table_cell(table, "%lld", (long long)t->unknown_cost);
	clock_local_day(&b, t->oldest_utc_ms);
	cell(table, &b);
	clock_local_day(&b, t->newest_utc_ms);
	cell(table, &b);
	buf_release(&b);
	return true;
}

static int
print_totals(struct store *s, const struct cache_totals *t, struct err *e)
{
	struct buf b;

	buf_init(&b, 65536);
	buf_addf(&b, "store '%s', ", store_path(s));
	add_size(&b, t->file_bytes);
	buf_adds(&b, ": ");
	cache_add_count(&b, t->requests, "request");
	buf_adds(&b, " with ");
	cache_add_worth(&b, t->completions, t->cost_picousd, t->unknown_cost,
	    "that cost");
	buf_addc(&b, '\n');
	return inspect_print(&b, e);
}

static int
stats(struct store *s, void *cookie, struct err *e)
{
	static const char *const titles[] = { "model", "requests",
		"completions", "cost", "of unknown cost", "oldest",
		"newest" };
	struct table *table = cookie;
	struct cache_totals t;

	table_init(table, "lrrrrll");
	for (size_t i = 0; i < table->columns; i++)
		table_cell(table, "%s", titles[i]);
	if (store_totals(s, &t, e) < 0
	    || store_totals_by_model(s, stats_row, table, e) < 0)
		return -1;
	if (t.completions && (table_print(table, e) < 0
	    || out_write(STR("\n"), e) < 0))
		return -1;
	return print_totals(s, &t, e);
}

static int
stats_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	struct table rows = { 0 };
	const struct opt table[] = {
		COMMON_CONFIG_OPT(&common),
		COMMON_STORE_OPT(&common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int rc = inspect_options(self, table, argc, argv, "see --help", &e);

	if (rc == 0)
		rc = cache_with_store(&common, stats, &rows, &e);
	buf_release(&rows.text);
	return rc < 0 ? say_err(&e) : 0;
}

const struct command cache_stats = {
	.name = "cache stats",
	.summary = "how much there is of each model, and what it cost",
	.usage = "[OPTION]...",
	.about = "Sums up the stored completions by model. For tasks and "
	    "savings see `frugal stats`.",
	.examples = "  frugal cache stats\n",
	.run = stats_main,
};

/* --- check ------------------------------------------------------------- */

static int
check(struct store *s, void *cookie, struct err *e)
{
	const bool *repair = cookie;
	struct cache_totals t;

	if (*repair && store_repair(s, e) < 0)
		return -1;
	if (store_check(s, e) < 0 || store_totals(s, &t, e) < 0
	    || out_write(STR("sound: "), e) < 0)
		return -1;
	return print_totals(s, &t, e);
}

static int
check_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	bool repair = false;
	const struct opt table[] = {
		{ OPT_FLAG, 0, "repair", &repair, NULL,
		    "first make the index of the answers anew", 0, 0, NULL },
		COMMON_CONFIG_OPT(&common),
		COMMON_STORE_OPT(&common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int rc = inspect_options(self, table, argc, argv,
	    "name the store with --store", &e);

	if (rc == 0)
		rc = cache_with_store(&common, check, &repair, &e);
	return rc < 0 ? say_err(&e) : 0;
}

const struct command cache_check = {
	.name = "cache check",
	.summary = "is the file sound?",
	.usage = "[OPTION]...",
	.about = "Reads the whole store and looks for damage. Exit status: 0 "
	    "if it is sound, 1 if not.",
	.examples = "  frugal cache check\n"
	    "  frugal cache check --repair\n",
	.run = check_main,
};
