/*
 * rewrite_route.c -- the route of a learned cascade: a line above the tiers,
 * which is known as ours by the comment at its end.
 */
#include "cascade/rewrite_internal.h"

#define MARK " # frugal tune" /* how the line ends */

struct span {
	size_t from, to;
};

/* The whole line that a byte is in. */
static struct span
line_at(struct str text, size_t at)
{
	struct span s = { at, at };

	while (s.from > 0 && text.p[s.from - 1] != '\n')
		s.from--;
	while (s.to < text.n && text.p[s.to] != '\n')
		s.to++;
	s.to += s.to < text.n;
	return s;
}

static struct str
text_of(struct str text, struct span s)
{
	return str_sub(text, s.from, s.to - s.from);
}

static bool
begins_line(struct str text, const struct ynode *key)
{
	size_t at = rewrite_place(text, key);
	struct span line = line_at(text, at);

	return str_trim(str_sub(text, line.from, at - line.from)).n == 0;
}

static bool
is_ours(struct str text, const struct ynode *route)
{
	return begins_line(text, route) && str_ends(str_trim(text_of(text,
	    line_at(text, rewrite_place(text, route)))), MARK);
}

int
rewrite_route_check(const struct rewrite_job *j)
{
	const struct ynode *value = NULL;
	const struct ynode *route = rewrite_key(j->cascade, "route", &value);
	const struct ynode *tiers = rewrite_key(j->cascade, "tiers", &value);
	size_t at = rewrite_place(j->text, j->cascade);

	if (!j->route.n)
		return 0;
	if (route && !is_ours(j->text, route))
		return err_set(j->e, ERR_CONFIG, "%s:%d: the cascade has a "
		    "route of its own, which a learned one would replace; take "
		    "it out, or do without --route", j->file, route->line);
	if ((at < j->text.n && j->text.p[at] == '{')
	    || !begins_line(j->text, tiers))
		return err_set(j->e, ERR_CONFIG, "%s:%d: a route is not "
		    "written into a cascade in brackets or in JSON; write its "
		    "'tiers:' on a line of its own, or do without --route",
		    j->file, tiers->line);
	return 0;
}

/* Where the line goes: above that of the tiers and what we say right above
 * that, so that the next time it is found there. */
static size_t
place_for(struct str text, const struct ynode *tiers)
{
	size_t at = line_at(text, rewrite_place(text, tiers)).from;

	while (at > 0) {
		struct span up = line_at(text, at - 1);
		struct str line = text_of(text, up);
		if (!rewrite_is_ours(line) && !str_starts(str_trim(line), "# "
		    REWRITE_LEFT_OUT))
			break;
		at = up.from;
	}
	return at;
}

/* A part of the text, but for what is taken out. */
static void
add_part(struct str text, size_t from, size_t to, struct span out_of_it,
    struct buf *out)
{
	for (size_t i = 0; i < 2; i++) {
		size_t a = i ? out_of_it.to : 0;
		size_t b = i ? text.n : out_of_it.from;
		a = a > from ? a : from;
		b = b < to ? b : to;
		if (a < b)
			buf_add(out, str_sub(text, a, b - a));
	}
}

int
rewrite_route(const struct rewrite_job *j, struct str text, struct buf *out)
{
	const struct ynode *value = NULL, *root, *cascade, *route, *tiers;
	struct span old = { text.n, text.n };
	size_t at = text.n;
	struct report r;

	report_init(&r, j->a, j->file);
	root = yaml_parse(text, j->a, &r);
	cascade = root ? rewrite_find(root, j->name) : NULL;
	tiers = cascade ? rewrite_key(cascade, "tiers", &value) : NULL;
	if (r.nomem)
		return err_nomem(j->e);
	if (!tiers)
		return err_set(j->e, ERR_CONFIG, "'%s' could not be "
		    "rewritten: put the result in by hand", j->file);
	route = rewrite_key(cascade, "route", &value);
	if (route && is_ours(text, route))
		old = line_at(text, rewrite_place(text, route));
	if (j->route.n)
		at = place_for(text, tiers);
	add_part(text, 0, at, old, out);
	if (j->route.n)
		buf_addf(out, "%*sroute: %.*s" MARK "\n", tiers->column - 1,
		    "", STR_ARG(j->route));
	add_part(text, at, text.n, old, out);
	return out->failed ? err_nomem(j->e) : 0;
}
