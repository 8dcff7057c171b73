/*
 * rewrite_flow.c -- tiers in brackets: `tiers: [{model: a/b}, {model: c/d}]`, on
 * one line or several, and configurations in JSON.
 *
 * What is replaced is found by bytes: the span of the list, of each tier in it,
 * and of `accept`, `samples` and `share` within a tier. All between them stays.
 *
 *   each tier has lines of its own: it takes its comments with it, and one that
 *   is left out is commented out where it stands;
 *   else: what is between tiers stays where it is, and one that is left out is
 *   named in a comment above.
 *
 * JSON has no comments: what there would be said of the data goes into the
 * cascade's `note`, with notes of others kept.
 */
#include <string.h>

#include "base/json.h"
#include "cascade/rewrite_internal.h"

struct span {
	size_t from, to;
};

struct flow {
	const struct rewrite_job *j;
	struct str text;
	bool json;
	size_t open, close;  /* the brackets of the list */
	struct span *item;   /* one a tier, without comma and comment */
	struct span *lines;  /* the whole lines of each, if they have their own;
	                        comments above are with it */
	bool own_lines;
};

static int
no_memory(const struct flow *f)
{
	return err_nomem(f->j->e);
}

static int
not_found(const struct flow *f)
{
	return err_set(f->j->e, ERR_CONFIG, "%s:%d: not all of the tiers are "
	    "written where the cascade has them; write them there, without "
	    "aliases, or put the result in by hand", f->j->file,
	    f->j->tiers->line);
}

/* --- lines --------------------------------------------------------------- */

static size_t
line_start(struct str s, size_t at)
{
	while (at > 0 && s.p[at - 1] != '\n')
		at--;
	return at;
}

/* One past the line's end. */
static size_t
line_end(struct str s, size_t at)
{
	while (at < s.n && s.p[at] != '\n')
		at++;
	return at + (at < s.n);
}

static size_t
skip_blanks(struct str s, size_t at)
{
	while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t'
	    || s.p[at] == '\r'))
		at++;
	return at;
}

static bool
begins_line(struct str s, size_t at)
{
	return skip_blanks(s, line_start(s, at)) == at;
}

/* The blanks before what begins the line that `at` is in. */
static struct str
indent_at(struct str s, size_t at)
{
	size_t from = line_start(s, at);

	return str_sub(s, from, skip_blanks(s, from) - from);
}

/* --- where everything is ------------------------------------------------- */

/* Does nothing but a comma and a comment follow on the line? */
static bool
ends_line(const struct flow *f, size_t at)
{
	at = skip_blanks(f->text, at);
	if (at < f->close && f->text.p[at] == ',')
		at = skip_blanks(f->text, at + 1);
	return at >= f->text.n || f->text.p[at] == '\n'
	    || f->text.p[at] == '#';
}

static void
find_lines(struct flow *f)
{
	size_t n = f->j->tiers->n;

	f->own_lines = true;
	for (size_t i = 0; i < n && f->own_lines; i++) {
		size_t from = line_start(f->text, f->item[i].from);
		size_t least = i ? f->lines[i - 1].to : line_end(f->text,
		    f->open);
		f->own_lines = begins_line(f->text, f->item[i].from)
		    && ends_line(f, f->item[i].to) && from >= least;
		while (from > least && rewrite_is_remark(str_sub(f->text,
		    line_start(f->text, from - 1), from - line_start(f->text,
		    from - 1))))
			from = line_start(f->text, from - 1);
		f->lines[i] = (struct span){ from, line_end(f->text,
		    f->item[i].to) };
	}
}

/* Only blanks and commas between the tiers? */
static bool
has_comment(const struct flow *f)
{
	for (size_t i = 0; i <= f->j->tiers->n; i++) {
		size_t from = i ? f->item[i - 1].to : f->open;
		size_t to = i < f->j->tiers->n ? f->item[i].from : f->close;
		if (to > from && memchr(f->text.p + from, '#', to - from))
			return true;
	}
	return false;
}

static int
find_places(struct flow *f)
{
	const struct ynode *t = f->j->tiers;
	struct json *doc;
	struct err e;

	doc = json_parse(f->text, &e);
	f->json = doc != NULL;
	json_free(doc);
	f->item = arena_array(f->j->a, t->n, sizeof(*f->item));
	f->lines = arena_array(f->j->a, t->n, sizeof(*f->lines));
	if (!f->item || !f->lines)
		return no_memory(f);
	f->open = rewrite_place(f->text, t);
	f->close = rewrite_value_end(f->text, f->open, true) - 1;
	for (size_t i = 0; i < t->n; i++) {
		size_t at = rewrite_place(f->text, t->item[i]);
		size_t least = i ? f->item[i - 1].to : f->open + 1;
		if (at < least || at >= f->close || f->text.p[at] != '{'
		    || t->item[i]->kind != YNODE_MAP || t->item[i]->n == 0)
			return not_found(f);
		f->item[i] = (struct span){ at, rewrite_value_end(f->text, at,
		    true) };
	}
	find_lines(f);
	if (!f->own_lines && has_comment(f))
		return err_set(f->j->e, ERR_CONFIG, "%s:%d: there are comments "
		    "among tiers that share lines; write each tier on a line "
		    "of its own, or put the result in by hand", f->j->file,
		    t->line);
	return 0;
}

/* --- a tier -------------------------------------------------------------- */

/* A value as JSON has it; in JSON alone. */
static int
add_value(const struct flow *f, struct str yaml, struct buf *out)
{
	struct report r;
	const struct ynode *n;

	if (!f->json) {
		buf_add(out, yaml);
		return 0;
	}
	report_init(&r, f->j->a, "rule");
	n = yaml_parse(yaml, f->j->a, &r);
	if (!n)
		return r.nomem ? no_memory(f) : err_set(f->j->e, ERR_CONFIG,
		    "a rule cannot be written as JSON");
	ynode_json(n, out);
	return 0;
}

static int
add_member(const struct flow *f, const char *key, struct str value,
    bool quoted, struct buf *out)
{
	buf_addf(out, quoted ? "\"%s\": " : "%s: ", key);
	return add_value(f, value, out);
}

/* A change of one tier's text; bytes of the whole. */
struct change {
	struct span at;
	struct buf text;
};

#define CHANGES 3 /* samples, accept, share */

/* Behind the last member, on a line of its own if that has one. */
static size_t
add_behind(const struct flow *f, size_t item, struct buf *out)
{
	const struct ynode *map = f->j->tiers->item[item];
	const struct ynode *value = map->item[map->n - 1];
	size_t key = rewrite_place(f->text, map->key[map->n - 1]);
	size_t at = rewrite_value_end(f->text, rewrite_place(f->text, value),
	    true);

	buf_adds(out, ",");
	if (begins_line(f->text, key) && key > f->item[item].from) {
		buf_adds(out, "\n");
		buf_add(out, indent_at(f->text, key));
	} else {
		buf_adds(out, " ");
	}
	return at;
}

static int
plan(const struct flow *f, size_t item, const char *key, struct str value,
    struct change *c)
{
	const struct ynode *map = f->j->tiers->item[item], *old = NULL;
	const struct ynode *k = rewrite_key(map, key, &old);
	bool quoted;

	quoted = f->text.p[rewrite_place(f->text, map->key[0])] == '"';
	if (k) {
		c->at.from = rewrite_place(f->text, k);
		c->at.to = rewrite_value_end(f->text, rewrite_place(f->text,
		    old), true);
	} else {
		c->at.from = c->at.to = add_behind(f, item, &c->text);
	}
	if (c->at.from < f->item[item].from || c->at.to > f->item[item].to
	    || c->at.to < c->at.from)
		return not_found(f); /* an alias: what it names is elsewhere */
	return add_member(f, key, value, quoted, &c->text);
}

/* By their places; of what is new, at the same one, in this order. */
static void
sort_changes(struct change *c, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k && c[k].at.from < c[k - 1].at.from; k--) {
			struct change swap = c[k];
			c[k] = c[k - 1];
			c[k - 1] = swap;
		}
}

static int
plan_all(const struct flow *f, const struct rewrite_tier *t, struct change *c,
    size_t *n)
{
	struct buf number;
	int rc = 0;

	buf_init(&number, 32);
	buf_addf(&number, "%d", t->samples);
	if (number.failed)
		rc = no_memory(f);
	if (rc == 0 && t->samples)
		rc = plan(f, t->place, "samples", buf_str(&number),
		    &c[(*n)++]);
	if (rc == 0 && t->accept.n)
		rc = plan(f, t->place, "accept", t->accept, &c[(*n)++]);
	if (rc == 0 && t->share.n)
		rc = plan(f, t->place, "share", t->share, &c[(*n)++]);
	buf_release(&number);
	return rc;
}

static int
add_tier(const struct flow *f, const struct rewrite_tier *t, struct buf *out)
{
	size_t at = f->item[t->place].from, n = 0;
	struct change c[CHANGES];
	int rc;

	for (size_t i = 0; i < CHANGES; i++)
		buf_init(&c[i].text, BUF_MAX);
	rc = plan_all(f, t, c, &n);
	sort_changes(c, n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		buf_add(out, str_sub(f->text, at, c[i].at.from - at));
		buf_add(out, buf_str(&c[i].text));
		out->failed |= c[i].text.failed;
		at = c[i].at.to;
	}
	if (rc == 0)
		buf_add(out, str_sub(f->text, at, f->item[t->place].to - at));
	for (size_t i = 0; i < CHANGES; i++)
		buf_release(&c[i].text);
	return rc;
}

/* --- the list ------------------------------------------------------------ */

static bool
is_kept(const struct flow *f, size_t item)
{
	for (size_t i = 0; i < f->j->n; i++)
		if (f->j->tier[i].place == item)
			return true;
	return false;
}

/* The lines of a tier that is left out, as comments. */
static void
add_dropped(const struct flow *f, size_t item, struct buf *out)
{
	size_t indent = indent_at(f->text, f->item[item].from).n;

	for (size_t at = f->lines[item].from; at < f->lines[item].to; ) {
		size_t end = line_end(f->text, at);
		struct str line = str_sub(f->text, at, end - at);
		at = end;
		if (rewrite_is_remark(line)) {
			buf_add(out, line);
			continue;
		}
		end = skip_blanks(line, 0);
		end = end < indent ? end : indent;
		buf_add(out, str_sub(line, 0, end));
		buf_adds(out, "# ");
		buf_add(out, str_sub(line, end, line.n));
	}
}

static int
add_lines(const struct flow *f, struct buf *out)
{
	size_t n = f->j->tiers->n;
	size_t first = f->lines[0].from, last = f->lines[n - 1].to;

	buf_add(out, str_sub(f->text, f->open, first - f->open));
	for (size_t i = 0; i < f->j->n; i++) {
		size_t k = f->j->tier[i].place, at = f->item[k].to;
		buf_add(out, str_sub(f->text, f->lines[k].from,
		    f->item[k].from - f->lines[k].from));
		if (add_tier(f, &f->j->tier[i], out) < 0)
			return -1;
		if (i + 1 < f->j->n)
			buf_addc(out, ',');
		if (f->text.p[skip_blanks(f->text, at)] == ',')
			at = skip_blanks(f->text, at) + 1;
		buf_add(out, str_sub(f->text, at, f->lines[k].to - at));
	}
	for (size_t k = 0; k < n && !f->json; k++)
		if (!is_kept(f, k))
			add_dropped(f, k, out);
	buf_add(out, str_sub(f->text, last, f->close - last));
	return 0;
}

static int
add_in_line(const struct flow *f, struct buf *out)
{
	size_t n = f->j->tiers->n;

	for (size_t i = 0; i < f->j->n; i++) {
		size_t from = i ? f->item[i - 1].to : f->open;
		buf_add(out, str_sub(f->text, from, f->item[i].from - from));
		if (add_tier(f, &f->j->tier[i], out) < 0)
			return -1;
	}
	buf_add(out, str_sub(f->text, f->item[n - 1].to, f->close
	    - f->item[n - 1].to));
	return 0;
}

/* --- what is said of it -------------------------------------------------- */

static void
left_out(const struct flow *f, size_t item, struct buf *out)
{
	buf_adds(out, REWRITE_LEFT_OUT);
	ynode_json(f->j->tiers->item[item], out);
}

/* Where comments go: the start of the line that 'tiers' is in, and of those of
 * remarks above it. */
static struct span
comment_place(const struct flow *f, size_t key)
{
	size_t to = line_start(f->text, key), from = to;

	while (from > 0) {
		size_t up = line_start(f->text, from - 1);
		if (!rewrite_is_remark(str_sub(f->text, up, from - up)))
			break;
		from = up;
	}
	return (struct span){ from, to };
}

static void
add_comments(const struct flow *f, struct span at, struct buf *out)
{
	struct str indent = indent_at(f->text, at.to), line;
	struct str comment = f->j->comment;

	for (size_t i = at.from; i < at.to; ) {
		size_t end = line_end(f->text, i);
		line = str_sub(f->text, i, end - i);
		if (!rewrite_is_ours(line))
			buf_add(out, line);
		i = end;
	}
	for (size_t k = 0; k < f->j->tiers->n && !f->own_lines; k++)
		if (!is_kept(f, k)) {
			buf_add(out, indent);
			buf_adds(out, "# ");
			left_out(f, k, out);
			buf_addc(out, '\n');
		}
	while (comment.n) {
		str_cut(&comment, '\n', &line);
		buf_add(out, indent);
		buf_addf(out, "# " REWRITE_MARK "%.*s\n", STR_ARG(line));
	}
}

/* A text among those of the note, each on a line if `between` says so. */
static void
add_note(struct buf *out, struct str text, const char *between, bool *some)
{
	struct jw w = jw_on(out);

	buf_addf(out, "%s%s", *some ? "," : "", between);
	jw_str(&w, text);
	*some = true;
}

static void
keep_note(const struct ynode *n, struct buf *out, const char *between,
    bool *some)
{
	if (n && n->kind == YNODE_SCALAR && !str_starts(n->text,
	    REWRITE_MARK))
		add_note(out, n->text, between, some);
	for (size_t i = 0; n && n->kind == YNODE_LIST && i < n->n; i++)
		keep_note(n->item[i], out, between, some);
}

static void
add_notes(const struct flow *f, const struct ynode *old, struct str indent,
    bool lines, struct buf *out)
{
	const char *between = lines ? arena_printf(f->j->a, "\n%.*s  ",
	    STR_ARG(indent)) : " ";
	struct str comment = f->j->comment, line;
	bool some = false;

	if (!between) {
		out->failed = true;
		return;
	}
	buf_adds(out, "\"note\": [");
	keep_note(old, out, between, &some);
	for (size_t k = 0; k < f->j->tiers->n; k++)
		if (!is_kept(f, k)) {
			struct buf b;
			buf_init(&b, BUF_MAX);
			left_out(f, k, &b);
			add_note(out, buf_str(&b), between, &some);
			out->failed |= b.failed;
			buf_release(&b);
		}
	while (comment.n) {
		struct buf b;
		str_cut(&comment, '\n', &line);
		buf_init(&b, BUF_MAX);
		buf_addf(&b, REWRITE_MARK "%.*s", STR_ARG(line));
		add_note(out, buf_str(&b), between, &some);
		out->failed |= b.failed;
		buf_release(&b);
	}
	if (lines) {
		buf_addc(out, '\n');
		buf_add(out, indent);
	}
	buf_adds(out, lines ? "]" : " ]");
}

/* The text up to the list's bracket, with the note in it. */
static void
add_json_head(const struct flow *f, size_t key, struct buf *out)
{
	const struct ynode *value = NULL;
	const struct ynode *k = rewrite_key(f->j->cascade, "note", &value);
	size_t at = k ? rewrite_place(f->text, k) : key;
	bool lines = begins_line(f->text, at);
	struct str indent = indent_at(f->text, at);

	buf_add(out, str_sub(f->text, 0, at));
	add_notes(f, value, indent, lines, out);
	if (k) {
		at = rewrite_value_end(f->text, rewrite_place(f->text, value),
		    true);
	} else {
		buf_adds(out, lines ? ",\n" : ", ");
		buf_add(out, str_sub(indent, 0, lines ? indent.n : 0));
	}
	buf_add(out, str_sub(f->text, at, f->open > at ? f->open - at : 0));
}

int
rewrite_flow(const struct rewrite_job *j, struct buf *out)
{
	struct flow f = { .j = j, .text = j->text };
	const struct ynode *value = NULL, *note = NULL;
	size_t key, note_at = 0;
	struct span above;

	if (find_places(&f) < 0)
		return -1;
	key = rewrite_place(f.text, rewrite_key(j->cascade, "tiers", &value));
	if (key > f.open)
		return not_found(&f); /* an alias */
	if (rewrite_key(j->cascade, "note", &note))
		note_at = rewrite_place(f.text, note);
	if (f.json && note_at > f.open)
		return err_set(j->e, ERR_CONFIG, "%s: 'note' of the cascade "
		    "stands behind its tiers; put it before them", j->file);
	if (f.json) {
		add_json_head(&f, key, out);
	} else {
		above = comment_place(&f, key);
		buf_add(out, str_sub(f.text, 0, above.from));
		add_comments(&f, above, out);
		buf_add(out, str_sub(f.text, above.to, f.open - above.to));
	}
	if ((f.own_lines ? add_lines(&f, out) : add_in_line(&f, out)) < 0)
		return -1;
	buf_add(out, str_sub(f.text, f.close, f.text.n));
	return out->failed ? no_memory(&f) : 0;
}
