/*
 * cache_prune.c -- `frugal cache prune` and `clear`: making room.
 */
#include "cmd/cache.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"

#define ROW_BYTES 100  /* of a row in the file, beside its texts */
#define TOKEN_BYTES 10 /* of a token with its log-probability */

/* --- prune ------------------------------------------------------------- */

struct prune {
	struct cache_filter filter;
	bool filtered;        /* the filter names something */
	int64_t max_bytes;    /* -1: no limit */
	bool dry_run;
	/* What was or would be deleted. */
	int64_t n, cost_picousd, unknown;
	int64_t to_free;      /* bytes, by a dry run; -1: no limit */
};

/* About what a completion takes in the file; its request is another's too. */
static int64_t
bytes_of(const struct cached_row *r)
{
	int64_t bytes = ROW_BYTES + (int64_t)r->c.text.n
	    + TOKEN_BYTES * (int64_t)r->c.n_tokens;

	if (r->sample == 0)
		bytes += ROW_BYTES + (int64_t)r->request.canon.n;
	return bytes;
}

static bool
count_row(void *cookie, const struct cached_row *r)
{
	struct prune *p = cookie;

	if (p->to_free == 0)
		return false;
	if (p->to_free > 0) {
		p->to_free -= bytes_of(r);
		p->to_free = p->to_free < 0 ? 0 : p->to_free;
	}
	p->n++;
	if (r->c.cost_picousd == MONEY_UNKNOWN)
		p->unknown++;
	else
		p->cost_picousd = money_add(p->cost_picousd,
		    r->c.cost_picousd);
	return true;
}

/* Which of the oldest would go, by an estimate of their size. */
static int
would_shrink(struct store *s, struct prune *p, struct err *e)
{
	struct cache_totals t;

	if (store_totals(s, &t, e) < 0)
		return -1;
	p->to_free = t.file_bytes > p->max_bytes
	    ? t.file_bytes - p->max_bytes : 0;
	return store_each(s, &(struct cache_filter){ 0 }, count_row, p, e);
}

static int
really_delete(struct store *s, struct prune *p, struct err *e)
{
	struct cache_totals before, after;
	int64_t n = 0, shrunk = 0;

	if (store_totals(s, &before, e) < 0
	    || (p->filtered && store_delete(s, &p->filter, &n, e) < 0)
	    || (p->max_bytes >= 0 && store_shrink(s, p->max_bytes, &shrunk,
	    e) < 0))
		return -1;
	p->n = n + shrunk;
	if (p->n && p->max_bytes < 0 && store_vacuum(s, e) < 0)
		return -1;
	if (store_totals(s, &after, e) < 0)
		return -1;
	p->cost_picousd = before.cost_picousd - after.cost_picousd;
	p->unknown = before.unknown_cost - after.unknown_cost;
	return 0;
}

static int
prune(struct store *s, void *cookie, struct err *e)
{
	struct prune *p = cookie;
	struct buf b;
	int rc;

	p->to_free = -1;
	if (!p->dry_run)
		rc = really_delete(s, p, e);
	else if (p->filtered)
		rc = store_each(s, &p->filter, count_row, p, e);
	else
		rc = would_shrink(s, p, e);
	if (rc < 0)
		return -1;
	buf_init(&b, 512);
	buf_adds(&b, p->dry_run ? "would delete " : "deleted ");
	if (p->dry_run && !p->filtered && p->n)
		buf_adds(&b, "about ");
	cache_add_worth(&b, p->n, p->cost_picousd, p->unknown,
	    "that had cost");
	buf_addc(&b, '\n');
	return inspect_print(&b, e);
}

/* "500M", "1.5G", "800k" or bytes; decimal units. */
static int
parse_size(const char *text, int64_t *bytes, struct err *e)
{
	static const char units[] = "kmgt";
	struct str s = str_of(text);
	const char *unit = s.n ? strchr(units, s.p[s.n - 1] | 0x20) : NULL;
	double v, scale = unit ? pow(1000, (double)(unit - units + 1)) : 1;

	if (unit)
		s.n--;
	if (!str_to_double(s, &v) || v < 0 || v * scale > 1e18)
		return err_set(e, ERR_USAGE, "option '--max-size' takes a size "
		    "such as 500M or 2G, not '%.40s'", text);
	*bytes = (int64_t)(v * scale);
	return 0;
}

struct prune_words {
	const char *older_than, *max_size, *model;
};

static int
understand_prune(const struct prune_words *w, struct prune *p, struct err *e)
{
	int64_t age;

	p->max_bytes = -1;
	p->filter.model = str_of(w->model);
	p->filtered = w->older_than || w->model;
	if (!p->filtered && !w->max_size)
		return err_set(e, ERR_USAGE, "say what to delete: "
		    "--older-than, --model or --max-size (all of it: `frugal "
		    "cache clear`)");
	if (w->older_than && !clock_parse_age(str_of(w->older_than),
	    &age))
		return err_set(e, ERR_USAGE, "option '--older-than' takes a "
		    "time such as 12h, 30d or 8w, not '%.40s'",
		    w->older_than);
	if (w->older_than)
		p->filter.before_utc_ms = clock_utc_ms() - age;
	if (w->max_size && parse_size(w->max_size, &p->max_bytes, e) < 0)
		return -1;
	if (p->dry_run && p->filtered && w->max_size)
		return err_set(e, ERR_USAGE, "--dry-run cannot tell what "
		    "--max-size would delete after the rest; try one of them "
		    "at a time");
	return 0;
}

static int
prune_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	struct prune_words w = { 0 };
	struct prune p = { 0 };
	const struct opt table[] = {
		{ OPT_TEXT, 0, "older-than", &w.older_than, "AGE",
		    "what was kept longer ago: 12h, 30d, 8w", 0, 0, NULL },
		{ OPT_TEXT, 'm', "model", &w.model, "MODEL",
		    "what is of this model, or of a pattern such as\n"
		    "openai/*; with --older-than both must be so",
		    0, 0, NULL },
		{ OPT_TEXT, 0, "max-size", &w.max_size, "SIZE",
		    "the oldest, until the file has at most this size:\n"
		    "500M, 2G", 0, 0, NULL },
		{ OPT_FLAG, 0, "dry-run", &p.dry_run, NULL,
		    "say what would be deleted, and delete nothing",
		    0, 0, NULL },
		COMMON_CONFIG_OPT(&common),
		COMMON_STORE_OPT(&common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int rc = inspect_options(self, table, argc, argv, "see --help", &e);

	if (rc == 0)
		rc = understand_prune(&w, &p, &e);
	if (rc == 0)
		rc = cache_with_store(&common, prune, &p, &e);
	return rc < 0 ? say_err(&e) : 0;
}

const struct command cache_prune = {
	.name = "cache prune",
	.summary = "delete completions by age, model or size",
	.usage = "[OPTION]...",
	.about = "Deletes stored completions and says how many and what they "
	    "had cost: asking\nagain would cost about that. The ledger keeps "
	    "its tasks.",
	.examples =
	    "  frugal cache prune --older-than 90d --dry-run\n"
	    "  frugal cache prune --model 'sim/*'\n"
	    "  frugal cache prune --max-size 2G\n",
	.run = prune_main,
};

/* --- clear ------------------------------------------------------------- */

struct clear {
	bool yes, ledger;
};

/* 1: yes. */
static int
ask_first(const struct cache_totals *t, const struct clear *c, struct err *e)
{
	char answer[16] = "";
	struct buf b;

	if (!is_terminal(STDIN_FILENO) || !is_terminal(STDERR_FILENO))
		return err_set(e, ERR_USAGE, "nothing was deleted: there is "
		    "no terminal to ask on; give --yes");
	buf_init(&b, 512);
	buf_adds(&b, "delete ");
	cache_add_worth(&b, t->completions, t->cost_picousd, t->unknown_cost,
	    "worth");
	buf_addf(&b, "%s? [y/N] ", c->ledger ? " and the ledger" : "");
	fputs(b.p ? b.p : "", stderr);
	fflush(stderr);
	buf_release(&b);
	if (!fgets(answer, sizeof(answer), stdin))
		return 0;
	return answer[0] == 'y' || answer[0] == 'Y';
}

static int
clear(struct store *s, void *cookie, struct err *e)
{
	const struct clear *c = cookie;
	struct cache_totals t;
	struct buf b;
	int rc = 1;

	if (store_totals(s, &t, e) < 0)
		return -1;
	if (!c->yes)
		rc = ask_first(&t, c, e);
	if (rc < 0)
		return -1;
	buf_init(&b, 512);
	if (rc == 0) {
		buf_adds(&b, "nothing was deleted\n");
	} else {
		if (store_clear(s, c->ledger, e) < 0)
			return -1;
		buf_adds(&b, "deleted ");
		cache_add_worth(&b, t.completions, t.cost_picousd,
		    t.unknown_cost, "that had cost");
		buf_adds(&b, c->ledger ? ", and the ledger\n" : "\n");
	}
	return inspect_print(&b, e);
}

static int
clear_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	struct clear c = { 0 };
	const struct opt table[] = {
		{ OPT_FLAG, 'y', "yes", &c.yes, NULL, "do not ask",
		    0, 0, NULL },
		{ OPT_FLAG, 0, "ledger", &c.ledger, NULL,
		    "the ledger too: what `stats` and `explain` read",
		    0, 0, NULL },
		COMMON_CONFIG_OPT(&common),
		COMMON_STORE_OPT(&common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int rc = inspect_options(self, table, argc, argv,
	    "to delete a part use `frugal cache prune`", &e);

	if (rc == 0)
		rc = cache_with_store(&common, clear, &c, &e);
	return rc < 0 ? say_err(&e) : 0;
}

const struct command cache_clear = {
	.name = "cache clear",
	.summary = "delete every completion",
	.usage = "[OPTION]...",
	.about = "Deletes every stored completion, after asking on the "
	    "terminal. To keep a copy, use\n`frugal cache export` first.",
	.examples =
	    "  frugal cache clear\n"
	    "  frugal cache clear --yes --ledger\n",
	.run = clear_main,
};
