/*
 * yaml.c -- a YAML text as a tree, built from libfyaml's events.
 *
 * Events, because they carry a mark for everything and leave aliases alone.
 * libfyaml's documents would report less and resolve without a bound. What is
 * not done by its parser is done here: keys, anchors, merge keys, limits.
 *
 * An alias shares the tree of its anchor, so that a complaint about a value
 * points to where it is written; what the tree would be without sharing is
 * counted, and the count is bounded, so that walking it is bounded too.
 */
#include <float.h>
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/map.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "base/yaml.h"

/* libfyaml takes up to 370 bytes of memory and 0.5 us for a byte of brackets:
 * it reads ahead for the end of what might be a key. */
#define TEXT_MAX ((size_t)1 << 20)
#define NODES_MAX 1000000
#define DEPTH_MAX 64
#define COMPLAINTS_MAX 1000 /* kept; all are counted */
#define COMPLAINT_COLUMNS 400
#define SHOWN_MAX 40 /* of a value, in a complaint */

static const char *complaint_text(struct arena *a, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void complain(struct report *r, int line, int column, bool warning,
    const char *fmt, va_list ap) __attribute__((format(printf, 5, 0)));

void
report_init(struct report *r, struct arena *a, const char *file)
{
	*r = (struct report){ .file = file, .arena = a };
}

/* Safe to show on a terminal, in the arena; NULL: out of memory. */
static const char *
complaint_text(struct arena *a, const char *fmt, va_list ap)
{
	char *raw = NULL;
	const char *text = NULL;
	struct buf shown;

	if (vasprintf(&raw, fmt, ap) < 0)
		return NULL;
	buf_init(&shown, BUF_MAX);
	utf8_oneline(&shown, str_of(raw), COMPLAINT_COLUMNS);
	if (!shown.failed)
		text = arena_cstr(a, buf_str(&shown));
	buf_release(&shown);
	free(raw);
	return text;
}

static bool
is_after(const struct complaint *c, int line, int column)
{
	return c->line != line ? c->line > line : c->column > column;
}

static void
complain(struct report *r, int line, int column, bool warning,
    const char *fmt, va_list ap)
{
	struct complaint **p = &r->first, *c;
	bool full = r->errors + r->warnings >= COMPLAINTS_MAX;
	const char *text = NULL;

	if (!full) {
		text = complaint_text(r->arena, fmt, ap);
		c = arena_alloc(r->arena, sizeof(*c));
		if (!text || !c) {
			r->nomem = true;
			return;
		}
		for (; *p && !is_after(*p, line, column); p = &(*p)->next) {
			if ((*p)->line == line && (*p)->column == column &&
			    strcmp((*p)->text, text) == 0)
				return;
		}
		*c = (struct complaint){ line, column, warning, text, *p };
		*p = c;
	}
	if (warning)
		r->warnings++;
	else
		r->errors++;
}

void
report_at(struct report *r, int line, int column, bool warning,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(r, line, column, warning, fmt, ap);
	va_end(ap);
}

void
report_error(struct report *r, const struct ynode *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(r, at ? at->line : 0, at ? at->column : 0, false, fmt, ap);
	va_end(ap);
}

void
report_warn(struct report *r, const struct ynode *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(r, at ? at->line : 0, at ? at->column : 0, true, fmt, ap);
	va_end(ap);
}

void
report_print(const struct report *r, struct buf *out, bool errors,
    bool warnings)
{
	size_t all = r->errors + r->warnings;
	const struct complaint *c;

	for (c = r->first; c; c = c->next) {
		if (c->warning ? !warnings : !errors)
			continue;
		buf_adds(out, c->warning ? "warning: " : "");
		utf8_visible(out, str_of(r->file), false);
		buf_addc(out, ':');
		if (c->line > 0)
			buf_addf(out, "%d:%d:", c->line, c->column);
		buf_addf(out, " %s\n", c->text);
	}
	if (all > COMPLAINTS_MAX) {
		utf8_visible(out, str_of(r->file), false);
		buf_addf(out, ": and %zu more\n", all - COMPLAINTS_MAX);
	}
}

/* What an alias can stand for. */
struct anchor {
	struct ynode *node;
	size_t nodes; /* in it, aliases counted in full */
	int height;   /* levels, 1 for a scalar */
	bool open;    /* its end has not come yet */
};

/* A list or map whose end has not come yet. */
struct frame {
	struct ynode *node;
	struct anchor *anchor; /* NULL: none */
	size_t base;  /* of its entries in builder.pending */
	size_t nodes; /* counted before it */
	int height;   /* levels inside it, so far */
	bool flow;    /* written with brackets */
};

struct builder {
	struct arena *arena;
	struct report *report;
	struct str text;
	struct map *anchors; /* by name */
	struct frame stack[DEPTH_MAX];
	int depth;
	struct ynode **pending; /* entries; of maps key and value in turn */
	size_t n, cap;
	size_t nodes;
	struct ynode *root;
	struct fy_mark end; /* of the last token */
	int documents;
};

static bool
out_of_memory(struct builder *b)
{
	b->report->nomem = true;
	return false;
}

/* False, for leaving off after a complaint. */
static bool
stop_at(struct builder *b, struct fy_mark at, const char *why)
{
	report_at(b->report, at.line + 1, at.column + 1, false, "%s", why);
	return false;
}

/* Step over one byte. Columns count characters, a tab being one. */
static void
step(struct str text, struct fy_mark *m)
{
	char c = text.p[m->input_pos++];
	bool crlf = c == '\r' && m->input_pos < text.n &&
	    text.p[m->input_pos] == '\n';

	if (c == '\n' || (c == '\r' && !crlf)) {
		m->line++;
		m->column = 0;
	} else if (((unsigned char)c & 0xc0) != 0x80) {
		m->column++;
	}
}

/* The first character from `m` on that is not in `pass` nor in a comment; `m`
 * itself where that is not in `want`. */
static struct fy_mark
seek(struct str text, struct fy_mark m, const char *pass, const char *want)
{
	struct fy_mark start = m;
	bool comment = false;
	char c;

	for (; m.input_pos < text.n; step(text, &m)) {
		c = text.p[m.input_pos];
		if (c == '\n' || c == '\r')
			comment = false;
		else if (c == '#')
			comment = true;
		else if (!comment && !strchr(pass, c))
			return strchr(want, c) ? m : start;
	}
	return start;
}

static struct frame *
top(struct builder *b)
{
	return b->depth ? &b->stack[b->depth - 1] : NULL;
}

static bool
wants_key(struct builder *b)
{
	const struct frame *f = top(b);

	return f && f->node->kind == YNODE_MAP && (b->n - f->base) % 2 == 0;
}

static void
advance(struct builder *b, const struct fy_mark *m)
{
	if (m && m->input_pos > b->end.input_pos)
		b->end = *m;
}

/* libfyaml's end of a quoted scalar is its closing quote. */
static void
advance_over(struct builder *b, struct fy_event *ev)
{
	advance(b, fy_event_end_mark(ev));
	if (ev->type == FYET_SCALAR && b->end.input_pos < b->text.n &&
	    strchr("\"'", b->text.p[b->end.input_pos]))
		step(b->text, &b->end);
}

/*
 * Where a scalar starts, its quote or `|` included: libfyaml marks what is in
 * the quotes and the first line of a block, and leaves an empty value unmarked,
 * which is then at the indicator that announces it.
 */
static struct fy_mark
scalar_start(struct builder *b, struct fy_event *ev)
{
	const struct fy_mark *m = fy_event_start_mark(ev);
	enum fy_scalar_style style = fy_token_scalar_style(ev->scalar.value);
	struct fy_mark at;

	if (style == FYSS_LITERAL || style == FYSS_FOLDED) {
		if (ev->scalar.anchor)
			advance(b, fy_token_end_mark(ev->scalar.anchor));
		if (ev->scalar.tag)
			advance(b, fy_token_end_mark(ev->scalar.tag));
		return seek(b->text, b->end, " \t:-?", "|>");
	}
	if (!m) {
		at = seek(b->text, b->end, " \t", ":-?");
		if (at.input_pos < b->text.n) {
			b->end = at;
			step(b->text, &b->end);
		}
		return at;
	}
	at = *m;
	if (style != FYSS_PLAIN && at.column > 0) {
		at.input_pos--;
		at.column--;
	}
	return at;
}

static struct ynode *
new_node(struct builder *b, enum ynode_kind kind, struct fy_mark at)
{
	struct ynode *node = arena_alloc(b->arena, sizeof(*node));

	if (!node) {
		out_of_memory(b);
		return NULL;
	}
	*node = (struct ynode){ .kind = kind, .line = at.line + 1,
	    .column = at.column + 1 };
	return node;
}

/* Make `more` nodes count, and `height` levels below what is open. */
static bool
count(struct builder *b, size_t more, int height, struct fy_mark at)
{
	struct frame *f = top(b);

	b->nodes += more;
	if (b->nodes > NODES_MAX)
		return stop_at(b, at, "more than 1,000,000 values, counting "
		    "those of aliases again");
	if (b->depth + height > DEPTH_MAX)
		return stop_at(b, at, "nested more than 64 levels deep");
	if (f && f->height < height)
		f->height = height;
	return true;
}

/* Put a finished node, or one that will be, where it belongs. */
static bool
attach(struct builder *b, struct ynode *node)
{
	size_t cap = b->cap ? b->cap * 2 : 64;
	struct ynode **v;

	if (b->depth == 0) {
		b->root = node;
		return true;
	}
	if (b->n == b->cap) {
		v = reallocarray(b->pending, cap, sizeof(*v));
		if (!v)
			return out_of_memory(b);
		b->pending = v;
		b->cap = cap;
	}
	b->pending[b->n++] = node;
	return true;
}

static struct str
token_text(struct fy_token *t)
{
	struct str s = { NULL, 0 };

	s.p = fy_token_get_text(t, &s.n);
	return s;
}

/* Give `node` the name that `token`, if it is not NULL, says. */
static bool
set_anchor(struct builder *b, struct fy_token *token, struct ynode *node,
    struct anchor **out)
{
	struct anchor *a;
	struct str name;

	*out = NULL;
	if (!token)
		return true;
	name = token_text(token);
	a = arena_alloc(b->arena, sizeof(*a));
	if (!a || !name.p || !map_put(b->anchors, name, a))
		return out_of_memory(b);
	*a = (struct anchor){ .node = node, .nodes = 1, .height = 1 };
	*out = a;
	return true;
}

static void
refuse_tag(struct builder *b, struct fy_token *tag)
{
	const struct fy_mark *m = tag ? fy_token_start_mark(tag) : NULL;

	if (m)
		stop_at(b, *m, "tags such as !!str are not supported; put "
		    "text that looks like a number in quotes");
}

static bool
is_null_text(struct str s)
{
	return s.n == 0 || str_is(s, "~") || str_is(s, "null") ||
	    str_is(s, "Null") || str_is(s, "NULL");
}

static bool
on_scalar(struct builder *b, struct fy_event *ev)
{
	struct fy_mark at = scalar_start(b, ev);
	struct str text = token_text(ev->scalar.value);
	struct ynode *node = new_node(b, YNODE_SCALAR, at);
	struct anchor *anchor;

	if (!node)
		return false;
	if (!text.p || !arena_str(b->arena, text, &node->text))
		return out_of_memory(b);
	refuse_tag(b, ev->scalar.tag);
	if (memchr(text.p, '\0', text.n) || !utf8_valid(text))
		stop_at(b, at, "a value cannot contain this character; is "
		    "an escape wrong?");
	node->quoted =
	    fy_token_scalar_style(ev->scalar.value) != FYSS_PLAIN;
	if (!node->quoted && wants_key(b) && text.n == 0)
		stop_at(b, at, "a key is missing before ':'");
	if (!node->quoted && !wants_key(b) && is_null_text(text))
		node->kind = YNODE_NULL;
	return count(b, 1, 1, at) &&
	    set_anchor(b, ev->scalar.anchor, node, &anchor) &&
	    attach(b, node);
}

/* A key has a place of its own also where it is an alias. */
static struct ynode *
aliased(struct builder *b, const struct anchor *a, struct fy_mark at)
{
	struct ynode *key;

	if (!wants_key(b))
		return a->node;
	key = new_node(b, YNODE_SCALAR, at);
	if (key) {
		key->quoted = a->node->quoted;
		key->text = a->node->text;
	}
	return key;
}

static bool
refuse_key(struct builder *b, struct fy_mark at)
{
	return stop_at(b, at, "a key must be plain text, not a list or map");
}

static bool
on_alias(struct builder *b, struct fy_event *ev)
{
	const struct fy_mark *m = fy_event_start_mark(ev);
	struct fy_mark at = m ? *m : b->end;
	struct str name = token_text(ev->alias.anchor);
	const struct anchor *a;
	struct ynode *node;

	if (!name.p)
		return out_of_memory(b);
	if (at.column > 0)
		at.column--; /* the mark is behind the asterisk */
	a = map_get(b->anchors, name);
	if (!a || a->open) {
		report_at(b->report, at.line + 1, at.column + 1, false,
		    a ? "alias '*%.*s' stands inside what it stands for" :
		    "alias '*%.*s' has no anchor '&%.*s' before it",
		    STR_ARG(name), STR_ARG(name));
		return false;
	}
	if (wants_key(b) && a->node->kind != YNODE_SCALAR)
		return refuse_key(b, at);
	if (!count(b, a->nodes, a->height, at))
		return false;
	node = aliased(b, a, at);
	return node && attach(b, node);
}

static bool
on_open(struct builder *b, struct fy_event *ev, enum ynode_kind kind)
{
	struct fy_token *anchor = fy_event_get_anchor_token(ev);
	const struct fy_mark *m = fy_event_start_mark(ev);
	struct fy_mark at = m ? *m : b->end;
	struct frame f = { .base = 0 };

	if (wants_key(b))
		return refuse_key(b, at);
	refuse_tag(b, fy_event_get_tag_token(ev));
	f.node = new_node(b, kind, at);
	f.nodes = b->nodes;
	f.flow = fy_event_get_node_style(ev) == FYNS_FLOW;
	if (!f.node || !count(b, 1, 1, at) ||
	    !set_anchor(b, anchor, f.node, &f.anchor) || !attach(b, f.node))
		return false;
	if (f.anchor)
		f.anchor->open = true;
	f.base = b->n;
	b->stack[b->depth++] = f;
	return true;
}

static bool
is_merge(const struct ynode *key)
{
	return !key->quoted && str_is(key->text, "<<");
}

/* How many entries a map can have that merges `value`; 0 if it cannot be. */
static size_t
merge_size(const struct ynode *value)
{
	size_t n = 0, i;

	if (value->kind == YNODE_MAP)
		return value->n;
	for (i = 0; value->kind == YNODE_LIST && i < value->n; i++) {
		if (value->item[i]->kind == YNODE_MAP)
			n += value->item[i]->n;
	}
	return n;
}

static bool
merge_from(struct builder *b, struct ynode *map, const struct ynode *from,
    struct map *seen)
{
	size_t i;

	if (from->kind != YNODE_MAP) {
		report_error(b->report, from, "'<<' takes a map or a list of "
		    "maps");
		return true;
	}
	for (i = 0; i < from->n; i++) {
		if (map_get(seen, from->key[i]->text))
			continue;
		if (!map_put(seen, from->key[i]->text, from->key[i]))
			return out_of_memory(b);
		map->key[map->n] = from->key[i];
		map->item[map->n++] = from->item[i];
	}
	return true;
}

static bool
merge(struct builder *b, struct ynode *map, const struct ynode *value,
    struct map *seen)
{
	size_t i;

	if (value->kind != YNODE_LIST)
		return merge_from(b, map, value, seen);
	for (i = 0; i < value->n; i++) {
		if (!merge_from(b, map, value->item[i], seen))
			return false;
	}
	return true;
}

/* Its own entries first; then those of `<<`, where they are not among them. */
static bool
fill_map(struct builder *b, struct ynode *map, struct ynode **v, size_t n,
    struct map *seen)
{
	const struct ynode *first;
	size_t i;

	for (i = 0; i + 1 < n; i += 2) {
		first = map_get(seen, v[i]->text);
		if (first)
			report_error(b->report, v[i], "duplicate key '%.*s'; "
			    "it is already on line %d", STR_ARG(v[i]->text),
			    first->line);
		else if (!map_put(seen, v[i]->text, v[i]))
			return out_of_memory(b);
		if (is_merge(v[i]))
			continue;
		map->key[map->n] = v[i];
		map->item[map->n++] = v[i + 1];
	}
	for (i = 0; i + 1 < n; i += 2) {
		if (is_merge(v[i]) && !merge(b, map, v[i + 1], seen))
			return false;
	}
	return true;
}

static bool
close_map(struct builder *b, struct ynode *map, struct ynode **v, size_t n)
{
	struct map *seen = map_new();
	size_t most = 0, i;
	bool ok;

	for (i = 0; i + 1 < n; i += 2)
		most += is_merge(v[i]) ? merge_size(v[i + 1]) : 1;
	map->key = arena_array(b->arena, most, sizeof(*map->key));
	map->item = arena_array(b->arena, most, sizeof(*map->item));
	ok = seen && map->key && map->item ? fill_map(b, map, v, n, seen) :
	    out_of_memory(b);
	map_free(seen);
	return ok;
}

static bool
close_list(struct builder *b, struct ynode *list, struct ynode **v, size_t n)
{
	list->item = arena_array(b->arena, n, sizeof(*list->item));
	if (!list->item)
		return out_of_memory(b);
	if (n)
		memcpy(list->item, v, n * sizeof(*v));
	list->n = n;
	return true;
}

static bool
on_close(struct builder *b)
{
	struct frame f = b->stack[--b->depth];
	struct frame *parent = top(b);
	struct ynode **v = b->pending ? b->pending + f.base : NULL;
	size_t n = b->n - f.base;

	b->n = f.base;
	if (f.anchor) {
		f.anchor->open = false;
		f.anchor->nodes = b->nodes - f.nodes;
		f.anchor->height = f.height + 1;
	}
	if (parent && parent->height < f.height + 1)
		parent->height = f.height + 1;
	return f.node->kind == YNODE_MAP ? close_map(b, f.node, v, n) :
	    close_list(b, f.node, v, n);
}

static bool
on_document(struct builder *b, struct fy_event *ev)
{
	const struct fy_version *v = fy_document_start_event_version(ev);
	const struct fy_mark *m = fy_event_start_mark(ev);
	struct fy_mark at = m ? *m : b->end;

	if (b->documents++)
		return stop_at(b, at, "a second document starts here; there "
		    "can be only one");
	if (v && (v->major != 1 || v->minor != 2))
		return stop_at(b, at, "this is YAML 1.2; remove the %YAML "
		    "line above");
	return true;
}

static bool
on_event(struct builder *b, struct fy_event *ev)
{
	bool ok = true;

	switch (ev->type) {
	case FYET_DOCUMENT_START:
		ok = on_document(b, ev);
		break;
	case FYET_SCALAR:
		ok = on_scalar(b, ev);
		break;
	case FYET_ALIAS:
		ok = on_alias(b, ev);
		break;
	case FYET_SEQUENCE_START:
		ok = on_open(b, ev, YNODE_LIST);
		break;
	case FYET_MAPPING_START:
		ok = on_open(b, ev, YNODE_MAP);
		break;
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		ok = on_close(b);
		break;
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_DOCUMENT_END:
		break;
	}
	advance_over(b, ev);
	return ok;
}

static const char *
hint_for(const char *msg)
{
	static const char *const hints[][2] = {
		{ "tab", "; use spaces" },
		{ "invalid UTF8 escape", "; write the character itself" },
		{ "wrongly indented double-q", "; is the end quote missing?" },
		{ "wrongly indented single-q", "; is the end quote missing?" },
		{ "content after single-quoted",
		    "; a quote inside single quotes is written twice" },
		{ "invalid escape",
		    "; in single quotes a backslash is only a backslash" },
		{ "plain scalar cannot start", "; put the text in quotes" },
		{ "nested block mapping on the same line",
		    "; put text that contains ': ' in quotes" },
		{ "invalid multiline plain key",
		    "; is this line or the next one indented wrongly?" },
	};
	size_t i;

	for (i = 0; i < sizeof(hints) / sizeof(*hints); i++) {
		if (strstr(msg, hints[i][0]))
			return hints[i][1];
	}
	return "";
}

/* The innermost bracket that is open; NULL: none. */
static const struct ynode *
open_bracket(const struct builder *b)
{
	int i;

	for (i = b->depth - 1; i >= 0; i--) {
		if (b->stack[i].flow)
			return b->stack[i].node;
	}
	return NULL;
}

/* Pass on what libfyaml complains about. */
static bool
parse_errors(struct builder *b, struct fy_diag *diag)
{
	struct fy_diag_error *x;
	const struct ynode *open = open_bracket(b);
	void *i = NULL;
	bool any = false;

	while ((x = fy_diag_errors_iterate(diag, &i)) != NULL) {
		any = true;
		if (open && (strstr(x->msg, "without a closing") ||
		    strstr(x->msg, "missing comma in flow")))
			report_at(b->report, x->line, x->column, false,
			    "%s; it was opened at %d:%d", x->msg, open->line,
			    open->column);
		else
			report_at(b->report, x->line, x->column, false,
			    "%s%s", x->msg, hint_for(x->msg));
	}
	return any ? false : stop_at(b, b->end, "this cannot be read as "
	    "YAML 1.2");
}

/* To the end of the stream; false after a complaint. */
static bool
read_events(struct builder *b, struct fy_parser *parser, struct fy_diag *diag)
{
	struct fy_event *ev;
	bool more = true, end = false;

	while (more && !end) {
		ev = fy_parser_parse(parser);
		if (!ev)
			return parse_errors(b, diag);
		more = on_event(b, ev);
		end = ev->type == FYET_STREAM_END;
		fy_parser_event_free(parser, ev);
	}
	return more;
}

static bool
parse(struct builder *b)
{
	struct fy_diag_cfg config;
	struct fy_diag *diag;
	struct fy_parser *parser = NULL;
	bool ok = false;

	fy_diag_cfg_default(&config);
	/* What is not collected would go to standard error. */
	config.fp = NULL;
	config.output_fn = NULL;
	diag = fy_diag_create(&config);
	if (!diag)
		return out_of_memory(b);
	fy_diag_set_collect_errors(diag, true);
	parser = fy_parser_create(&(struct fy_parse_cfg){ .diag = diag,
	    .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE });
	if (!parser || fy_parser_set_string(parser,
	    b->text.n ? b->text.p : "", b->text.n) != 0)
		out_of_memory(b);
	else
		ok = read_events(b, parser, diag);
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return ok;
}

static bool
is_bare_question_mark(struct str t, size_t i)
{
	bool before = i == 0 || strchr(" \t\r\n[{,", t.p[i - 1]);
	bool after = i + 1 == t.n || strchr(" \t\r\n", t.p[i + 1]);

	return t.p[i] == '?' && before && after;
}

/* From the colon at i: blanks, a tab among them, then an indicator. */
static bool
is_tab_before_indicator(struct str t, size_t i)
{
	bool tab = false;

	for (i++; i < t.n && (t.p[i] == ' ' || t.p[i] == '\t'); i++)
		tab |= t.p[i] == '\t';
	return tab && i < t.n && strchr("?:|>-", t.p[i]);
}

/*
 * libfyaml 0.7.12 frees a key twice when it refuses a tab after the colon of
 * an explicit (`? `) key. Both together are never needed, so they are refused
 * before it sees them.
 */
static bool
check_explicit_keys(struct builder *b)
{
	struct fy_mark m = { 0 }, colon = { 0 };
	bool question = false, tab = false;

	for (; m.input_pos < b->text.n; step(b->text, &m)) {
		question |= is_bare_question_mark(b->text, m.input_pos);
		if (!tab && b->text.p[m.input_pos] == ':' &&
		    is_tab_before_indicator(b->text, m.input_pos)) {
			colon = m;
			tab = true;
		}
	}
	return !(question && tab) || stop_at(b, colon, "a tab after this "
	    "colon, in a text with '?'; use a space");
}

/* The character at `at` into *c, and its length; 0 if it is ill-formed. */
static size_t
character(struct str t, size_t at, uint32_t *c)
{
	size_t n, i = 0;

	for (n = 1; n <= 4; n++) {
		if (utf8_valid(str_sub(t, at, n))) {
			*c = utf8_next(str_sub(t, at, n), &i);
			return i;
		}
	}
	return 0;
}

/* What YAML allows nowhere. */
static bool
is_forbidden(uint32_t c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
	    (c >= 0x7f && c < 0xa0 && c != 0x85) || c == 0xfffe || c == 0xffff;
}

static bool
check_characters(struct builder *b)
{
	struct fy_mark m = { 0 };
	size_t n;
	uint32_t c;

	while (m.input_pos < b->text.n) {
		n = character(b->text, m.input_pos, &c);
		if (n == 0)
			return stop_at(b, m, "this is not UTF-8");
		if (is_forbidden(c)) {
			report_at(b->report, m.line + 1, m.column + 1, false,
			    "control character U+%04X; in double quotes it "
			    "can be written \\u%04x", (unsigned)c,
			    (unsigned)c);
			return false;
		}
		while (n-- > 0)
			step(b->text, &m);
	}
	return true;
}

/* Refuse what libfyaml is not to see, and mend what it cannot read. */
static bool
prepare(struct builder *b)
{
	char *copy;

	if (b->text.n > TEXT_MAX) {
		report_at(b->report, 0, 0, false, "larger than %zu MB",
		    TEXT_MAX >> 20);
		return false;
	}
	if (str_starts(b->text, "\xef\xbb\xbf"))
		b->text = str_sub(b->text, 3, b->text.n - 3);
	if (!check_characters(b) || !check_explicit_keys(b))
		return false;
	if (!str_ends(b->text, "\\"))
		return true;
	/* 0.7.12 looks for the escaped character behind the end. */
	copy = arena_alloc(b->arena, b->text.n + 1);
	if (!copy)
		return out_of_memory(b);
	memcpy(copy, b->text.p, b->text.n);
	copy[b->text.n] = '\n';
	b->text = (struct str){ copy, b->text.n + 1 };
	return true;
}

struct ynode *
yaml_parse(struct str text, struct arena *a, struct report *r)
{
	struct builder b = { .arena = a, .report = r, .text = text };
	size_t errors = r->errors;

	b.anchors = map_new();
	if (!b.anchors)
		out_of_memory(&b);
	else if (prepare(&b) && parse(&b) && !b.root)
		b.root = new_node(&b, YNODE_NULL, (struct fy_mark){ 0 });
	map_free(b.anchors);
	free(b.pending);
	return r->errors == errors && !r->nomem ? b.root : NULL;
}

static size_t
find_key(const struct ynode *map, const char *key)
{
	size_t i;

	if (!map || map->kind != YNODE_MAP)
		return SIZE_MAX;
	for (i = 0; i < map->n; i++) {
		if (str_is(map->key[i]->text, key))
			return i;
	}
	return SIZE_MAX;
}

const struct ynode *
ynode_get(const struct ynode *map, const char *key)
{
	size_t i = find_key(map, key);

	return i == SIZE_MAX ? NULL : map->item[i];
}

const struct ynode *
ynode_get_key(const struct ynode *map, const char *key)
{
	size_t i = find_key(map, key);

	return i == SIZE_MAX ? NULL : map->key[i];
}

/* Complain that n is not what is wanted; false. */
static bool
wrong(const struct ynode *n, const char *what, const char *wanted,
    struct report *r)
{
	struct str shown;

	switch (n->kind) {
	case YNODE_NULL:
		report_error(r, n, "%s must be %s, but has no value", what,
		    wanted);
		break;
	case YNODE_LIST:
		report_error(r, n, "%s must be %s, not a list", what, wanted);
		break;
	case YNODE_MAP:
		report_error(r, n, "%s must be %s, not a map", what, wanted);
		break;
	case YNODE_SCALAR:
		shown = utf8_clip(n->text, SHOWN_MAX);
		report_error(r, n, "%s must be %s, not %s'%.*s%s'", what,
		    wanted, n->quoted ? "the text " : "", STR_ARG(shown),
		    shown.n < n->text.n ? "..." : "");
		break;
	}
	return false;
}

static bool
is_plain(const struct ynode *n)
{
	return n->kind == YNODE_SCALAR && !n->quoted;
}

bool
ynode_str(const struct ynode *n, const char *what, struct str *out,
    struct report *r)
{
	if (!n)
		return true;
	if (n->kind != YNODE_SCALAR)
		return wrong(n, what, "text", r);
	*out = n->text;
	return true;
}

static bool
plain_bool(const struct ynode *n, bool *out)
{
	if (!is_plain(n))
		return false;
	*out = str_is(n->text, "true") || str_is(n->text, "True") ||
	    str_is(n->text, "TRUE");
	return *out || str_is(n->text, "false") || str_is(n->text, "False") ||
	    str_is(n->text, "FALSE");
}

bool
ynode_bool(const struct ynode *n, const char *what, bool *out,
    struct report *r)
{
	bool v;

	if (!n)
		return true;
	if (!plain_bool(n, &v))
		return wrong(n, what, "true or false", r);
	*out = v;
	return true;
}

/* YAML's numbers also have a plus, or no digit on one side of the point. */
static bool
plain_double(const struct ynode *n, double *out)
{
	struct str s = n->text, sign = { NULL, 0 };
	struct buf b;
	bool ok;

	if (!is_plain(n))
		return false;
	if (str_to_double(s, out))
		return true;
	if (str_starts(s, "-"))
		sign = STR("-");
	if (sign.n || str_starts(s, "+"))
		s = str_sub(s, 1, s.n - 1);
	if (s.n == 0 || str_starts(s, "-") || str_is(s, "."))
		return false;
	buf_init(&b, s.n + 2);
	buf_add(&b, sign);
	if (str_starts(s, "."))
		buf_addc(&b, '0');
	buf_add(&b, str_ends(s, ".") ? str_sub(s, 0, s.n - 1) : s);
	ok = !b.failed && str_to_double(buf_str(&b), out);
	buf_release(&b);
	return ok;
}

bool
ynode_double(const struct ynode *n, const char *what, double min, double max,
    double *out, struct report *r)
{
	char wanted[96];
	double v;

	if (!n)
		return true;
	if (plain_double(n, &v) && v >= min && v <= max) {
		*out = v;
		return true;
	}
	if (min < -DBL_MAX / 2 && max > DBL_MAX / 2)
		snprintf(wanted, sizeof(wanted), "a number");
	else if (max > DBL_MAX / 2)
		snprintf(wanted, sizeof(wanted), "a number of at least %g",
		    min);
	else if (min < -DBL_MAX / 2)
		snprintf(wanted, sizeof(wanted), "a number of at most %g",
		    max);
	else
		snprintf(wanted, sizeof(wanted), "a number from %g to %g",
		    min, max);
	return wrong(n, what, wanted, r);
}

bool
ynode_count(const struct ynode *n, const char *what, int64_t min, int64_t max,
    int64_t *out, struct report *r)
{
	char wanted[96];
	int64_t v;

	if (!n)
		return true;
	if (is_plain(n) && str_to_count(n->text, &v) && v >= min && v <= max) {
		*out = v;
		return true;
	}
	if (max == INT64_MAX)
		snprintf(wanted, sizeof(wanted), "a whole number of at least "
		    "%lld", (long long)min);
	else
		snprintf(wanted, sizeof(wanted), "a whole number from %lld "
		    "to %lld", (long long)min, (long long)max);
	return wrong(n, what, wanted, r);
}

bool
ynode_duration(const struct ynode *n, const char *what, int64_t *out_ms,
    struct report *r)
{
	int64_t ms;

	if (!n)
		return true;
	if (!is_plain(n) || !clock_parse_duration(n->text, &ms))
		return wrong(n, what, "a duration such as 250ms, 30s, 2m or "
		    "1h", r);
	*out_ms = ms;
	return true;
}

static bool
is_known(struct str key, const char *const *known)
{
	for (; *known; known++) {
		if (str_is(key, *known))
			return true;
	}
	return false;
}

void
ynode_known(const struct ynode *map, const char *where,
    const char *const *known, struct report *r)
{
	const char *near;
	struct str shown;
	size_t i;

	for (i = 0; map && map->kind == YNODE_MAP && i < map->n; i++) {
		if (is_known(map->key[i]->text, known))
			continue;
		near = suggest(map->key[i]->text, known);
		shown = utf8_clip(map->key[i]->text, SHOWN_MAX);
		report_error(r, map->key[i], "unknown key '%.*s' in %s%s%s%s",
		    STR_ARG(shown), where, near ? "; did you mean '" : "",
		    near ? near : "", near ? "'?" : "");
	}
}

struct entry {
	const struct ynode *key, *item;
};

static int
by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return str_cmp(x->key->text, y->key->text);
}

static void write_json(struct jw *w, const struct ynode *n);

static void
write_map(struct jw *w, const struct ynode *n)
{
	struct entry *v = calloc(n->n + 1, sizeof(*v));
	size_t i;

	if (!v) {
		w->out->failed = true;
		return;
	}
	for (i = 0; i < n->n; i++)
		v[i] = (struct entry){ n->key[i], n->item[i] };
	qsort(v, n->n, sizeof(*v), by_key);
	jw_open(w, '{');
	for (i = 0; i < n->n; i++) {
		jw_key_str(w, v[i].key->text);
		write_json(w, v[i].item);
	}
	jw_close(w, '}');
	free(v);
}

static void
write_scalar(struct jw *w, const struct ynode *n)
{
	int64_t whole;
	double number;
	bool truth;

	if (plain_bool(n, &truth))
		jw_bool(w, truth);
	else if (is_plain(n) && str_to_i64(n->text, &whole))
		jw_i64(w, whole);
	else if (plain_double(n, &number))
		jw_double(w, number);
	else
		jw_str(w, n->text);
}

/* The depth is bounded by DEPTH_MAX. */
static void
write_json(struct jw *w, const struct ynode *n)
{
	size_t i;

	switch (n->kind) {
	case YNODE_NULL:
		jw_null(w);
		break;
	case YNODE_SCALAR:
		write_scalar(w, n);
		break;
	case YNODE_LIST:
		jw_open(w, '[');
		for (i = 0; i < n->n; i++)
			write_json(w, n->item[i]);
		jw_close(w, ']');
		break;
	case YNODE_MAP:
		write_map(w, n);
		break;
	}
}

void
ynode_json(const struct ynode *n, struct buf *out)
{
	struct jw w = jw_on(out);

	write_json(&w, n);
}
