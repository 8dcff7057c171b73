/*
 * inspect.c -- what the commands share that look into the store.
 */
#include "cmd/inspect.h"

#include <stdlib.h>

#include "base/utf8.h"

static int
open_store(const struct common *c, bool create, struct store **out,
    struct err *e)
{
	const char *env = getenv("FRUGAL_STORE");
	struct config *cfg = NULL;
	int rc = 0;

	if (!c->store_path && !(env && *env))
		rc = common_config(c, c->config_path == NULL, false, &cfg, e);
	if (rc == 0)
		rc = common_store(c, cfg, create, out, e);
	config_free(cfg);
	return rc;
}

int
inspect_store(const struct common *c, struct store **out, struct err *e)
{
	return open_store(c, false, out, e);
}

int
inspect_store_create(const struct common *c, struct store **out,
    struct err *e)
{
	return open_store(c, true, out, e);
}

void
inspect_config(const struct common *c, struct config **out)
{
	struct buf path, messages;
	struct err e;

	buf_init(&path, 8192);
	buf_init(&messages, BUF_MAX);
	if (config_find(c->config_path, &path, &e) > 0
	    && config_load(out, path.p, &messages, NULL, &e) == 0)
		limits_apply(&(*out)->limits);
	buf_release(&path);
	buf_release(&messages);
}

int
inspect_options(const struct command *self, const struct opt *table, int argc,
    char **argv, const char *instead, struct err *e)
{
	int first, rc = opt_parse(self, table, argc, argv, &first, e);

	return rc == 0 ? inspect_no_arguments(argc, argv, first, instead, e)
	    : rc;
}

int
inspect_no_arguments(int argc, char **argv, int first, const char *instead,
    struct err *e)
{
	if (first >= argc)
		return 0;
	return err_set(e, ERR_USAGE, "unexpected argument '%.60s'; %s",
	    argv[first], instead);
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

void
inspect_oneline(struct buf *out, struct str s, size_t max)
{
	struct buf line;

	/* More than this is never shown, whatever it holds. */
	s = utf8_clip(str_trim(s), 16 * max + 64);
	buf_init(&line, BUF_MAX);
	for (size_t i = 0; i < s.n; i++) {
		if (!is_blank(s.p[i]))
			buf_addc(&line, s.p[i]);
		else if (!is_blank(s.p[i - 1]))
			buf_addc(&line, ' ');
	}
	if (line.failed)
		out->failed = true;
	utf8_oneline(out, buf_str(&line), max);
	buf_release(&line);
}

bool
inspect_is_simulated(struct str model)
{
	return str_starts(model, "sim/");
}

int
inspect_print(struct buf *b, struct err *e)
{
	int rc = b->failed ? err_nomem(e) : out_text(buf_str(b), e);

	buf_release(b);
	return rc;
}
