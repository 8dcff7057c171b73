/*
 * rewrite.c -- editing YAML by lines, at the places where the parser saw the
 * values.
 *
 * The text of a list of tiers is cut into blocks, one an item: the comments
 * and blank lines right above it, its first line ("- model: ...") and what is
 * indented deeper. Blocks are reordered, edited, or commented out whole. Only
 * comments inside a rule that is replaced go with it.
 */
#include <stdlib.h>
#include <string.h>

#include "cascade/rewrite_internal.h"

struct lines {
	struct str *v; /* with their line ends */
	size_t n;
};

struct block {
	size_t lead, first, end; /* lines: comments above, "- ...", after */
};

struct editor {
	struct str text;
	struct lines l;
	const char *file;
	struct arena *a;
	const struct ynode *tiers;
	struct block *block;
	size_t dash;             /* column of "- ", from 0 */
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

bool
rewrite_is_remark(struct str line)
{
	struct str s = str_trim(line);

	return s.n == 0 || s.p[0] == '#';
}

bool
rewrite_is_ours(struct str line)
{
	return str_starts(str_trim(line), "# " REWRITE_MARK);
}

/* --- blocks -------------------------------------------------------------- */

const struct ynode *
rewrite_find(const struct ynode *root, struct str name)
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
	    "a list, of lines that begin with '- ' or of {...} in brackets; "
	    "write them so, or put the result in by hand", ed->file,
	    ed->tiers->line);
}

/* One past the last line that belongs to the item that begins at `first`,
 * remarks at its end not among them. */
static size_t
content_end(const struct editor *ed, size_t first)
{
	size_t end = first + 1;

	for (size_t i = first + 1; i < ed->l.n; i++) {
		if (rewrite_is_remark(ed->l.v[i]))
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
	while (above > 0 && rewrite_is_remark(ed->l.v[above - 1]))
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

size_t
rewrite_place(struct str text, const struct ynode *n)
{
	size_t at = 0;

	for (int line = 1; line < n->line && at < text.n; line++) {
		const char *end = memchr(text.p + at, '\n', text.n - at);
		at = end ? (size_t)(end - text.p) + 1 : text.n;
	}
	for (int column = 1; column < n->column && at < text.n; column++) {
		at++;
		while (at < text.n && ((unsigned char)text.p[at] & 0xc0) == 0x80)
			at++;
	}
	return at;
}

/* What a quote or a comment may follow. */
static bool
is_gap(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One past the quoted text that begins at i. */
static size_t
quoted_end(struct str s, size_t i)
{
	char quote = s.p[i++];

	for (; i < s.n; i++)
		if (quote == '"' && s.p[i] == '\\')
			i++;
		else if (s.p[i] == quote && quote == '\'' && i + 1 < s.n
		    && s.p[i + 1] == quote)
			i++;
		else if (s.p[i] == quote)
			return i + 1;
	return s.n;
}

/* One past the plain text that begins at i, blanks at its end not counted. */
static size_t
plain_end(struct str s, size_t i, bool in_brackets)
{
	size_t end = i;

	for (; i < s.n && s.p[i] != '\n'; i++) {
		char c = s.p[i];
		if (c == '#' && i && is_gap(s.p[i - 1]))
			break;
		if (in_brackets && (c == ',' || c == ']' || c == '}'))
			break;
		if (!is_gap(c))
			end = i + 1;
	}
	return end;
}

size_t
rewrite_value_end(struct str s, size_t at, bool in_brackets)
{
	size_t i = at, depth = 0;

	if (i >= s.n)
		return s.n;
	if (s.p[i] == '"' || s.p[i] == '\'')
		return quoted_end(s, i);
	if (s.p[i] != '{' && s.p[i] != '[')
		return plain_end(s, i, in_brackets);
	while (i < s.n) {
		char c = s.p[i], before = i > at ? s.p[i - 1] : ' ';
		if ((c == '"' || c == '\'') && (is_gap(before)
		    || memchr(",[{:", before, 4))) {
			i = quoted_end(s, i);
			continue;
		}
		if (c == '#' && is_gap(before)) {
			while (i < s.n && s.p[i] != '\n')
				i++;
			continue;
		}
		i++;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return i;
	}
	return s.n;
}

const struct ynode *
rewrite_key(const struct ynode *map, const char *key,
    const struct ynode **value)
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
	return rewrite_place(ed->text, n)
	    - (size_t)(ed->l.v[first].p - ed->text.p);
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
		bool deeper = !rewrite_is_remark(line)
		    && indent_of(line) + 1 > (size_t)key->column;
		if (i + 1 > (size_t)key->line && !rewrite_is_remark(line) && !deeper)
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
	const struct ynode *k = rewrite_key(map, key, &value);
	const struct block *b = &ed->block[item];
	size_t at = offset_of(ed, b->first, map);
	bool brackets = at < block.n && block.p[at] == '{';

	if (k) {
		c->from = offset_of(ed, b->first, k);
		c->to = value->line == k->line ? rewrite_value_end(block,
		    offset_of(ed, b->first, value), brackets)
		    : lines_end(ed, b, k);
		if (c->to < c->from || c->to > block.n)
			c->to = c->from; /* an alias: what it names is elsewhere */
		c->text = arena_printf(ed->a, "%s: %.*s", key, STR_ARG(text));
	} else if (brackets) {
		c->from = c->to = rewrite_value_end(block, at, false) - 1;
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

	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k && c[k].from < c[k - 1].from; k--) {
			struct change swap = c[k];
			c[k] = c[k - 1];
			c[k - 1] = swap;
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
	struct change change[3];
	struct buf block;
	size_t n = 0, k;
	int rc = 0;

	for (k = b->lead; k < b->first; k++)
		if (!rewrite_is_ours(ed->l.v[k]))
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
	if (rc == 0 && t->share.n && !plan(ed, t->place, buf_str(&block),
	    "share", t->share, &change[n++]))
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
		buf_addf(out, "%*s# " REWRITE_MARK "%.*s\n", (int)ed->dash, "",
		    STR_ARG(line));
	}
}

static void
add_dropped(const struct editor *ed, size_t item, struct buf *out)
{
	const struct block *b = &ed->block[item];

	for (size_t i = b->lead; i < b->end; i++) {
		struct str line = ed->l.v[i];
		if (rewrite_is_ours(line))
			continue;
		if (rewrite_is_remark(line)) {
			buf_add(out, line);
			continue;
		}
		buf_addf(out, "%*s# %.*s", (int)ed->dash, "", STR_ARG(str_sub(
		    line, ed->dash, line.n)));
		if (line.p[line.n - 1] != '\n')
			buf_addc(out, '\n');
	}
}

static int
write_all(struct editor *ed, const struct rewrite_tier *tier, size_t n,
    struct str comment, struct buf *out)
{
	size_t last = ed->tiers->n - 1;

	for (size_t i = 0; i < ed->block[0].lead; i++)
		buf_add(out, ed->l.v[i]);
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
	for (size_t i = ed->block[last].end; i < ed->l.n; i++)
		buf_add(out, ed->l.v[i]);
	return out->failed ? err_nomem(ed->e) : 0;
}

static bool
is_in_brackets(const struct rewrite_job *j)
{
	size_t at = rewrite_place(j->text, j->tiers);

	return at < j->text.n && j->text.p[at] == '[';
}

static int
rewrite_lines(const struct rewrite_job *j, struct buf *out)
{
	struct editor ed = { .text = j->text, .file = j->file, .a = j->a,
		.tiers = j->tiers, .e = j->e };

	return cut_lines(&ed, j->text) < 0 || cut_blocks(&ed) < 0 ? -1
	    : write_all(&ed, j->tier, j->n, j->comment, out);
}

/* The tiers, then the route in what has come of that. */
static int
rewrite_both(const struct rewrite_job *j, struct buf *out)
{
	struct buf tiers;
	int rc;

	if (rewrite_route_check(j) < 0)
		return -1;
	buf_init(&tiers, BUF_MAX);
	rc = is_in_brackets(j) ? rewrite_flow(j, &tiers)
	    : rewrite_lines(j, &tiers);
	if (rc == 0)
		rc = rewrite_route(j, buf_str(&tiers), out);
	buf_release(&tiers);
	return rc;
}

int
rewrite_cascade(struct str text, const char *file, struct str name,
    const struct rewrite_tier *tier, size_t n, struct str route,
    struct str comment, struct buf *out, struct err *e)
{
	struct rewrite_job j = { .text = text, .file = file, .name = name,
		.tier = tier, .n = n, .route = route, .comment = comment,
		.e = e, .a = arena_new(0) };
	const struct ynode *root;
	struct report report;
	int rc;

	if (!j.a)
		return err_nomem(e);
	report_init(&report, j.a, file);
	root = yaml_parse(text, j.a, &report);
	j.cascade = root ? rewrite_find(root, name) : NULL;
	j.tiers = j.cascade ? ynode_get(j.cascade, "tiers") : NULL;
	if (!j.tiers || j.tiers->kind != YNODE_LIST || j.tiers->n == 0)
		rc = err_set(e, ERR_CONFIG, "%s: no tiers of cascade '%.*s' "
		    "are found", file, STR_ARG(name));
	else
		rc = rewrite_both(&j, out);
	arena_free(j.a);
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
