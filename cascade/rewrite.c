/*
 * rewrite.c -- editing YAML by lines, at the places where the parser saw the
 * values.
 *
 * The text of a list of tiers is cut into blocks, one an item: the comments
 * and blank lines right above it, its first line ("- model: ...") and what is
 * indented deeper. Blocks are reordered, edited, or commented out whole. Only
 * comments inside a rule that is replaced go with it.
 */
#include "cascade/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/yaml.h"

#define MARK "frugal tune: " /* how our comment begins */
#define ROUTE_MARK " # frugal tune" /* how the line of our route ends */

struct lines {
	struct str *v; /* with their line ends */
	size_t n;
};

struct block {
	size_t lead, first, end; /* lines: comments above, "- ...", after */
};

struct editor {
	struct lines l;
	const char *file;
	struct arena *a;
	const struct ynode *tiers;
	struct block *block;
	size_t dash;             /* column of "- ", from 0 */
	const struct ynode *key; /* "tiers" */
	size_t old_route;        /* the line of a route of ours, from 0;
	                            SIZE_MAX: there is none */
	struct err *e;
};

/* --- lines --------------------------------------------------------------- */

static int
cut_lines(struct editor *ed, struct str text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	ed->l.v = arena_array(ed->a, n, sizeof(*ed->l.v));
	if (!ed->l.v)
		return err_nomem(ed->e);
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t len = end ? (size_t)(end - text.p) + 1 : text.n;
		ed->l.v[ed->l.n++] = str_sub(text, 0, len);
		text = str_sub(text, len, text.n);
	}
	return 0;
}

static size_t
indent_of(struct str line)
{
	size_t i = 0;

	while (i < line.n && line.p[i] == ' ')
		i++;
	return i;
}

/* Blank, or a comment alone. */
static bool
is_remark(struct str line)
{
	struct str s = str_trim(line);

	return s.n == 0 || s.p[0] == '#';
}

static bool
is_ours(struct str line)
{
	return str_starts(str_trim(line), "# " MARK);
}

/* --- blocks -------------------------------------------------------------- */

static const struct ynode *
find_cascade(const struct ynode *root, struct str name)
{
	const struct ynode *all = ynode_get(root, "cascades");

	for (size_t i = 0; all && all->kind == YNODE_MAP && i < all->n; i++)
		if (name.n == 0 ? all->n == 1
		    : str_eq(all->key[i]->text, name))
			return all->item[i];
	return NULL;
}

static int
not_lines(const struct editor *ed)
{
	return err_set(ed->e, ERR_CONFIG, "%s:%d: the tiers are not written as "
	    "a list of lines, each beginning with '- '; write them so, or put "
	    "the result in by hand", ed->file, ed->tiers->line);
}

/* One past the last line that belongs to the item that begins at `first`,
 * remarks at its end not among them. */
static size_t
content_end(const struct editor *ed, size_t first)
{
	size_t end = first + 1;

	for (size_t i = first + 1; i < ed->l.n; i++) {
		if (is_remark(ed->l.v[i]))
			continue;
		if (indent_of(ed->l.v[i]) <= ed->dash)
			break;
		end = i + 1;
	}
	return end;
}

static int
cut_blocks(struct editor *ed)
{
	const struct ynode *t = ed->tiers;
	size_t above;

	ed->block = arena_array(ed->a, t->n, sizeof(*ed->block));
	if (!ed->block)
		return err_nomem(ed->e);
	/* The parser may know other line ends than ours. */
	for (size_t i = 0; i < t->n; i++)
		if (t->item[i]->line < 1 || (size_t)t->item[i]->line
		    > ed->l.n)
			return not_lines(ed);
	above = (size_t)t->item[0]->line - 1;
	while (above > 0 && is_remark(ed->l.v[above - 1]))
		above--;
	for (size_t i = 0; i < t->n; i++) {
		size_t first = (size_t)t->item[i]->line - 1;
		struct str line = ed->l.v[first];
		size_t dash = indent_of(line);
		if (first < above || dash >= line.n || line.p[dash] != '-'
		    || (i && dash != ed->dash))
			return not_lines(ed);
		ed->dash = dash;
		ed->block[i] = (struct block){ above, first,
		    content_end(ed, first) };
		above = ed->block[i].end;
	}
	return 0;
}

/* --- values -------------------------------------------------------------- */

/* The end of a quoted scalar, a list or map in brackets, or a plain scalar
 * that begins at `at`. */
static size_t
value_end(struct str s, size_t at, bool in_brackets)
{
	int depth = 0;
	char quote = 0;
	size_t i = at, end = at;

	for (; i < s.n; i++) {
		char c = s.p[i];
		if (quote) {
			if (c == '\\' && quote == '"')
				i++;
			else if (c == quote)
				quote = 0;
		} else if (c == '"' || (c == '\'' && (i == at
		    || strchr(" ,[{:", s.p[i - 1])))) {
			quote = c;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (depth-- == 0)
				break;
		} else if (depth == 0 && (c == '\n' || (c == '#' && i > at
		    && s.p[i - 1] == ' ') || (in_brackets && c == ','))) {
			break;
		}
		if (c != ' ' && c != '\r')
			end = i + 1;
		if (depth == 0 && !quote && (c == '}' || c == ']'
		    || c == '"' || c == '\''))
			break;
	}
	return end < s.n ? end : s.n;
}

static const struct ynode *
find_key(const struct ynode *map, const char *key, const struct ynode **value)
{
	for (size_t i = 0; i < map->n; i++)
		if (str_is(map->key[i]->text, key)) {
			*value = map->item[i];
			return map->key[i];
		}
	return NULL;
}

/* The place of a node in a text that begins at the start of line `first`. */
static size_t
offset_of(const struct editor *ed, size_t first, const struct ynode *n)
{
	size_t at = 0;

	for (size_t i = first; i < ed->l.n && i + 1 < (size_t)n->line; i++)
		at += ed->l.v[i].n;
	return at + (size_t)n->column - 1;
}

/* One line of the map, in place of what [from, to) of the block has. */
struct change {
	size_t from, to;
	const char *text;
};

/* The lines of a value that is written below its key: up to the last content
 * line that is indented deeper than the key. */
static size_t
lines_end(const struct editor *ed, const struct block *b,
    const struct ynode *key)
{
	size_t at = 0, end = 0;

	for (size_t i = b->first; i < b->end; i++) {
		struct str line = ed->l.v[i];
		bool deeper = !is_remark(line)
		    && indent_of(line) + 1 > (size_t)key->column;
		if (i + 1 > (size_t)key->line && !is_remark(line) && !deeper)
			break;
		at += line.n;
		if (i + 1 == (size_t)key->line
		    || (i + 1 > (size_t)key->line && deeper))
			end = at - (line.n && line.p[line.n - 1] == '\n');
	}
	return end;
}

/* key: text in the item; *c says where. False: out of memory. */
static bool
plan(struct editor *ed, size_t item, struct str block, const char *key,
    struct str text, struct change *c)
{
	const struct ynode *map = ed->tiers->item[item], *value = NULL;
	const struct ynode *k = find_key(map, key, &value);
	const struct block *b = &ed->block[item];
	size_t at = offset_of(ed, b->first, map);
	bool brackets = at < block.n && block.p[at] == '{';

	if (k) {
		c->from = offset_of(ed, b->first, k);
		c->to = value->line == k->line ? value_end(block,
		    offset_of(ed, b->first, value), brackets)
		    : lines_end(ed, b, k);
		if (c->to < c->from || c->to > block.n)
			c->to = c->from; /* an alias: what it names is elsewhere */
		c->text = arena_printf(ed->a, "%s: %.*s", key, STR_ARG(text));
	} else if (brackets) {
		c->from = c->to = value_end(block, at, false) - 1;
		c->text = arena_printf(ed->a, ", %s: %.*s", key,
		    STR_ARG(text));
	} else {
		c->from = c->to = block.n
		    - (block.n && block.p[block.n - 1] == '\n');
		c->text = arena_printf(ed->a, "\n%*s%s: %.*s",
		    map->column - 1, "", key, STR_ARG(text));
	}
	return c->text != NULL;
}

static void
add_block(struct buf *out, struct str block, struct change *c, size_t n)
{
	size_t at = 0;

	if (n == 2 && (c[1].from < c[0].from)) {
		struct change swap = c[0];
		c[0] = c[1];
		c[1] = swap;
	}
	for (size_t i = 0; i < n; i++) {
		buf_add(out, str_sub(block, at, c[i].from - at));
		buf_adds(out, c[i].text);
		at = c[i].to;
	}
	buf_add(out, str_sub(block, at, block.n));
	if (block.n && block.p[block.n - 1] != '\n')
		buf_addc(out, '\n');
}

static int
add_tier(struct editor *ed, const struct rewrite_tier *t, struct buf *out)
{
	const struct block *b = &ed->block[t->place];
	struct change change[2];
	struct buf block;
	size_t n = 0, k;
	int rc = 0;

	for (k = b->lead; k < b->first; k++)
		if (!is_ours(ed->l.v[k]))
			buf_add(out, ed->l.v[k]);
	buf_init(&block, BUF_MAX);
	for (k = b->first; k < b->end; k++)
		buf_add(&block, ed->l.v[k]);
	if (block.failed)
		rc = err_nomem(ed->e);
	if (rc == 0 && t->samples) {
		struct buf number;
		buf_init(&number, 32);
		buf_addf(&number, "%d", t->samples);
		if (number.failed || !plan(ed, t->place, buf_str(&block),
		    "samples", buf_str(&number), &change[n++]))
			rc = err_nomem(ed->e);
		buf_release(&number);
	}
	if (rc == 0 && t->accept.n && !plan(ed, t->place, buf_str(&block),
	    "accept", t->accept, &change[n++]))
		rc = err_nomem(ed->e);
	if (rc == 0)
		add_block(out, buf_str(&block), change, n);
	buf_release(&block);
	return rc;
}

/* --- the list ------------------------------------------------------------ */

static void
add_comment(const struct editor *ed, struct str comment, struct buf *out)
{
	struct str line;

	while (comment.n) {
		str_cut(&comment, '\n', &line);
		buf_addf(out, "%*s# " MARK "%.*s\n", (int)ed->dash, "",
		    STR_ARG(line));
	}
}

static void
add_dropped(const struct editor *ed, size_t item, struct buf *out)
{
	const struct block *b = &ed->block[item];

	for (size_t i = b->lead; i < b->end; i++) {
		struct str line = ed->l.v[i];
		if (is_ours(line))
			continue;
		if (is_remark(line)) {
			buf_add(out, line);
			continue;
		}
		buf_addf(out, "%*s# %.*s", (int)ed->dash, "", STR_ARG(str_sub(
		    line, ed->dash, line.n)));
		if (line.p[line.n - 1] != '\n')
			buf_addc(out, '\n');
	}
}

/* Is there a route already, and whose? */
static int
find_route(struct editor *ed, const struct ynode *cascade, struct str route)
{
	const struct ynode *value, *k = find_key(cascade, "route", &value);
	size_t at = k ? (size_t)k->line - 1 : SIZE_MAX;

	ed->old_route = SIZE_MAX;
	if (!k)
		return 0;
	if (at < ed->l.n && str_ends(str_trim(ed->l.v[at]), ROUTE_MARK)) {
		ed->old_route = at;
		return 0;
	}
	return !route.n ? 0 : err_set(ed->e, ERR_CONFIG, "%s:%d: the cascade "
	    "has a route of its own, which a learned one would replace; take "
	    "it out, or do without --route", ed->file, k->line);
}

/* Lines that stay as they are, with the route above the tiers. */
static void
keep_lines(struct editor *ed, size_t from, size_t to, struct str route,
    struct buf *out)
{
	for (size_t i = from; i < to; i++) {
		if (route.n && i + 1 == (size_t)ed->key->line)
			buf_addf(out, "%*sroute: %.*s" ROUTE_MARK "\n",
			    ed->key->column - 1, "", STR_ARG(route));
		if (i != ed->old_route)
			buf_add(out, ed->l.v[i]);
	}
}

static int
write_all(struct editor *ed, const struct rewrite_tier *tier, size_t n,
    struct str route, struct str comment, struct buf *out)
{
	size_t last = ed->tiers->n - 1;

	keep_lines(ed, 0, ed->block[0].lead, route, out);
	add_comment(ed, comment, out);
	for (size_t i = 0; i < n; i++)
		if (add_tier(ed, &tier[i], out) < 0)
			return -1;
	for (size_t k = 0; k <= last; k++) {
		bool kept = false;
		for (size_t i = 0; i < n; i++)
			kept |= tier[i].place == k;
		if (!kept)
			add_dropped(ed, k, out);
	}
	keep_lines(ed, ed->block[last].end, ed->l.n, STR(""), out);
	return out->failed ? err_nomem(ed->e) : 0;
}

int
rewrite_cascade(struct str text, const char *file, struct str name,
    const struct rewrite_tier *tier, size_t n, struct str route,
    struct str comment, struct buf *out, struct err *e)
{
	struct editor ed = { .file = file, .e = e };
	const struct ynode *root, *cascade;
	struct report report;
	int rc = -1;

	ed.a = arena_new(0);
	if (!ed.a)
		return err_nomem(e);
	report_init(&report, ed.a, file);
	root = yaml_parse(text, ed.a, &report);
	cascade = root ? find_cascade(root, name) : NULL;
	ed.key = cascade && cascade->kind == YNODE_MAP
	    ? find_key(cascade, "tiers", &ed.tiers) : NULL;
	if (!ed.tiers || ed.tiers->kind != YNODE_LIST || ed.tiers->n == 0)
		err_set(e, ERR_CONFIG, "%s: no tiers of cascade '%.*s' are "
		    "found", file, STR_ARG(name));
	else if (cut_lines(&ed, text) == 0 && cut_blocks(&ed) == 0 &&
	    find_route(&ed, cascade, route) == 0)
		rc = write_all(&ed, tier, n, route, comment, out);
	arena_free(ed.a);
	return rc;
}

/* --- the difference ------------------------------------------------------ */

#define AROUND 2

static struct str
next_line(struct str *s)
{
	struct str line;

	str_cut(s, '\n', &line);
	return line;
}

static size_t
count_lines(struct str s)
{
	size_t n = 0;

	while (s.n) {
		next_line(&s);
		n++;
	}
	return n;
}

static void
split_lines(struct str s, struct str *v)
{
	while (s.n)
		*v++ = next_line(&s);
}

/* common[i][j]: the longest common part of a[i..] and b[j..]. */
static void
print_diff(const struct str *a, size_t n, const struct str *b, size_t m,
    const uint32_t *common, struct buf *out)
{
	size_t i = 0, j = 0, since = SIZE_MAX;

	while (i < n || j < m) {
		bool same = i < n && j < m && str_eq(a[i], b[j]);
		if (same) {
			bool soon = false;
			for (size_t k = 0; k <= AROUND; k++)
				soon |= i + k >= n || j + k >= m ? false
				    : !str_eq(a[i + k], b[j + k]);
			if (i + AROUND >= n || j + AROUND >= m)
				soon |= n - i != m - j;
			if (soon || since < AROUND)
				buf_addf(out, "  %.*s\n", STR_ARG(a[i]));
			if (since != SIZE_MAX)
				since++;
			i++;
			j++;
			continue;
		}
		since = 0;
		if (j == m || (i < n && common[(i + 1) * (m + 1) + j]
		    >= common[i * (m + 1) + j + 1])) {
			buf_addf(out, "- %.*s\n", STR_ARG(a[i]));
			i++;
		} else {
			buf_addf(out, "+ %.*s\n", STR_ARG(b[j]));
			j++;
		}
	}
}

void
rewrite_diff(struct str old, struct str new, struct buf *out)
{
	size_t n = count_lines(old), m = count_lines(new);
	struct str *a = calloc(n + 1, sizeof(*a));
	struct str *b = calloc(m + 1, sizeof(*b));
	uint32_t *common = calloc((n + 1) * (m + 1), sizeof(*common));

	if (a && b && common) {
		split_lines(old, a);
		split_lines(new, b);
		for (size_t i = n; i-- > 0; )
			for (size_t j = m; j-- > 0; ) {
				uint32_t *c = &common[i * (m + 1) + j];
				*c = str_eq(a[i], b[j]) ? c[m + 2] + 1
				    : c[1] > c[m + 1] ? c[1] : c[m + 1];
			}
		print_diff(a, n, b, m, common, out);
	} else {
		buf_adds(out, "(too long to compare)\n");
	}
	free(a);
	free(b);
	free(common);
}
