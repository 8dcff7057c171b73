/*
 * gathered.c -- traces of earlier runs. The lines of a task stand together, so
 * one task at a time is looked at; of those that are done a 64-bit hash of the
 * id stays, of the others where their lines lie.
 */
#include "cmd/gathered.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/rand.h"
#include "cmd/linefile.h"

#define HASH_SEED 0x7472616365ull

/* Open addressing; 0 is an empty place. The lowest bit says that the id is in
 * the file. */
struct ids {
	uint64_t *v;
	size_t n, cap;
};

struct range {
	int64_t from, to;
};

struct gathered {
	struct ids ids;
	struct range *drop;
	size_t n_drop, cap_drop;
	struct gathered_counts counts;
};

/* --- ids ------------------------------------------------------------------- */

static uint64_t *
place_of(const struct ids *s, uint64_t hash)
{
	size_t i = (size_t)(hash >> 1) & (s->cap - 1);

	while (s->v[i] && s->v[i] >> 1 != hash >> 1)
		i = (i + 1) & (s->cap - 1);
	return &s->v[i];
}

static bool
grow(struct ids *s)
{
	struct ids more = { .cap = s->cap ? s->cap * 2 : 1024, .n = s->n };

	more.v = calloc(more.cap, sizeof(*more.v));
	if (!more.v)
		return false;
	for (size_t i = 0; i < s->cap; i++)
		if (s->v[i])
			*place_of(&more, s->v[i]) = s->v[i];
	free(s->v);
	*s = more;
	return true;
}

/* The old value; 0: it is new. *ok false: out of memory. */
static uint64_t
take(struct ids *s, struct str id, bool in_file, bool *ok)
{
	uint64_t hash = hash64(id, HASH_SEED) | 2, *place;

	*ok = s->n * 2 < s->cap || grow(s);
	if (!*ok)
		return 0;
	place = place_of(s, hash);
	if (*place)
		return *place;
	*place = (hash & ~UINT64_C(1)) | in_file;
	s->n++;
	return 0;
}

enum gathered_id
gathered_take(struct gathered *g, struct str id)
{
	bool ok;
	uint64_t old = take(&g->ids, id, false, &ok);

	if (!ok)
		return GATHERED_NOMEM;
	return !old ? GATHERED_NEW : old & 1 ? GATHERED_DONE : GATHERED_AGAIN;
}

/* --- one task -------------------------------------------------------------- */

/* The lines of one id, so far. */
struct group {
	struct buf id, cascade; /* empty: it names none */
	struct range lines;
	struct arena *arena;
	struct str tier[CONFIG_MAX_TIERS * 2];
	size_t samples[CONFIG_MAX_TIERS * 2];
	size_t n;
};

struct scan {
	struct gathered *g;
	const struct gathered_ask *ask;
	struct group group;
};

static bool
has_tier(const struct group *p, const struct tier *t)
{
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->tier[i], t->name))
			return p->samples[i] >= (size_t)t->samples_max;
	return false;
}

/* NULL: there is none (any more). */
static const struct cascade *
cascade_of(const struct scan *s)
{
	struct str name = buf_str(&s->group.cascade);
	struct err e;

	if (s->ask->all || !name.n)
		return s->ask->k;
	return config_cascade(s->ask->cfg, name, &e);
}

static bool
is_whole(const struct scan *s)
{
	const struct cascade *k = cascade_of(s);

	for (size_t i = 0; k && i < k->n_tiers; i++)
		if (!has_tier(&s->group, &k->tiers[i]))
			return false;
	return k != NULL;
}

static bool
add_drop(struct gathered *g, struct range r)
{
	if (g->n_drop == g->cap_drop) {
		size_t cap = g->cap_drop ? g->cap_drop * 2 : 64;
		struct range *v = realloc(g->drop, cap * sizeof(*v));
		if (!v)
			return false;
		g->drop = v;
		g->cap_drop = cap;
	}
	g->drop[g->n_drop++] = r;
	return true;
}

static int
end_group(struct scan *s, struct err *e)
{
	struct gathered *g = s->g;
	struct group *p = &s->group;
	bool ok = true;

	if (!p->n)
		return 0;
	if (is_whole(s)) {
		/* A second time is one too many: a trace has each id once. */
		if (take(&g->ids, buf_str(&p->id), true, &ok))
			ok = add_drop(g, p->lines);
		else
			g->counts.kept++;
	} else {
		g->counts.dropped++;
		ok = add_drop(g, p->lines);
	}
	p->n = 0;
	buf_clear(&p->cascade);
	arena_clear(p->arena);
	return ok ? 0 : err_nomem(e);
}

/* --- the file -------------------------------------------------------------- */

/* False: no line of ours. */
static bool
look_at(const struct json *doc, struct str *id, struct str *tier,
    size_t *samples)
{
	const struct json *v = json_get(doc, "completions");

	if (!json_str(json_get(doc, "id"), id)
	    || !json_str(json_get(doc, "tier"), tier)
	    || json_type(v) != JSON_ARRAY)
		return false;
	*samples = json_count(v);
	return true;
}

static int
add_line(struct scan *s, struct str line, struct range at, struct err *e)
{
	struct group *p = &s->group;
	struct json *doc = json_parse(line, NULL);
	struct str id, tier, cascade;
	size_t samples;
	int rc = 0;

	if (!doc || !look_at(doc, &id, &tier, &samples)) {
		json_free(doc);
		return err_set(e, ERR_USAGE, "this is no trace that `frugal "
		    "collect` wrote; the file is left as it is, name another "
		    "with -o");
	}
	if (p->n && !str_eq(id, buf_str(&p->id)))
		rc = end_group(s, e);
	if (rc == 0 && !p->n) {
		p->lines.from = at.from;
		buf_clear(&p->id);
		buf_add(&p->id, id);
		if (json_str(json_get(doc, "cascade"), &cascade))
			buf_add(&p->cascade, cascade);
	}
	p->lines.to = at.to;
	/* More tiers than any cascade has: none of them is looked for. */
	if (rc == 0 && p->n < sizeof(p->tier) / sizeof(*p->tier)) {
		p->samples[p->n] = samples;
		if (p->id.failed || p->cascade.failed || !arena_str(p->arena, tier,
		    &p->tier[p->n++]))
			rc = err_nomem(e);
	}
	json_free(doc);
	return rc;
}

/* *end is where the last whole line ends. */
static int
scan(struct scan *s, const char *path, size_t max_line, int64_t *end,
    struct err *e)
{
	struct linefile f;
	struct str line;
	int64_t number = 0;
	int rc;

	*end = 0;
	if (!linefile_open(&f, path, max_line))
		return errno == ENOENT ? 0
		    : err_sys(e, ERR_IO, "cannot read '%s'", path);
	while ((rc = linefile_next(&f, &line, e)) > 0) {
		number++;
		if (linefile_is_torn(line)) {
			rc = 0;
			break;
		}
		rc = add_line(s, line, (struct range){ *end,
		    *end + (int64_t)line.n }, e);
		if (rc < 0)
			break;
		*end += (int64_t)line.n;
	}
	linefile_close(&f);
	if (rc < 0 && e->code == ERR_USAGE)
		return err_in(e, "%s:%lld", path, (long long)number);
	return rc < 0 ? -1 : end_group(s, e);
}

/* Everything but what is dropped, into a new file. */
static int
rewrite(const struct gathered *g, const char *path, int64_t end,
    struct err *e)
{
	struct linefile_new w;
	int64_t at = 0;
	int rc = linefile_rewrite(&w, path, e);

	for (size_t i = 0; rc == 0 && i <= g->n_drop; i++) {
		int64_t to = i < g->n_drop ? g->drop[i].from : end;

		if (linefile_copy(&w, at, to - at) < 0)
			rc = err_sys(e, ERR_IO, "cannot copy '%s'", path);
		at = i < g->n_drop ? g->drop[i].to : end;
	}
	return linefile_replace(&w, rc, e);
}

static int
read_file(struct scan *s, const char *path, size_t max_line, struct err *e)
{
	int64_t end;
	int rc, fd;

	if (linefile_lock(path, &fd, e) < 0)
		return -1;
	rc = scan(s, path, max_line, &end, e);
	if (rc == 0)
		rc = linefile_cut(path, end, &s->g->counts.torn, e);
	if (rc == 0 && s->g->n_drop)
		rc = rewrite(s->g, path, end, e);
	if (fd >= 0)
		close(fd);
	return rc;
}

int
gathered_open(struct gathered **out, const char *path, size_t max_line,
    const struct gathered_ask *ask, struct err *e)
{
	struct scan s = { .g = calloc(1, sizeof(*s.g)), .ask = ask };
	int rc = 0;

	buf_init(&s.group.id, BUF_MAX);
	buf_init(&s.group.cascade, BUF_MAX);
	s.group.arena = arena_new(0);
	if (!s.g || !s.group.arena)
		rc = err_nomem(e);
	else if (path)
		rc = read_file(&s, path, max_line, e);
	buf_release(&s.group.id);
	buf_release(&s.group.cascade);
	arena_free(s.group.arena);
	if (rc < 0) {
		gathered_free(s.g);
		return -1;
	}
	*out = s.g;
	return 0;
}

void
gathered_free(struct gathered *g)
{
	if (!g)
		return;
	free(g->ids.v);
	free(g->drop);
	free(g);
}

struct gathered_counts
gathered_counts(const struct gathered *g)
{
	return g->counts;
}
