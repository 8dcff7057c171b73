/*
 * resume.c -- output files of earlier runs: which ids they hold, by 64-bit
 * hashes in a sorted table, so that a million lines take eight megabytes.
 */
#include "cmd/resume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/rand.h"
#include "cache/ledger.h"
#include "cmd/linefile.h"

#define HASH_SEED 0x6672756761ull

/* The ids that are done: their hashes, sorted, and which of them were taken.
 * Of equal ones the first are taken first. */
struct resume {
	uint64_t *hash;
	unsigned char *used; /* a bit each */
	size_t n, cap;
	struct resume_counts counts;
};

static bool
is_used(const struct resume *r, size_t i)
{
	return r->used[i / 8] & 1 << i % 8;
}

static bool
add_hash(struct resume *r, uint64_t hash)
{
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 1024;
		uint64_t *v = realloc(r->hash, cap * sizeof(*v));
		if (!v)
			return false;
		r->hash = v;
		r->cap = cap;
	}
	r->hash[r->n++] = hash;
	return true;
}

static int
compare_hashes(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* --- reading a result line ---------------------------------------------------------- */

/* Our own lines begin {"id":"...","status":"...": no need to read them whole,
 * unless the id has an escape in it. */
static bool
quick_look(struct str line, struct str *id, struct str *status)
{
	struct str rest = line;

	if (!str_starts(line, "{\"id\":\"") || !str_ends(line, "}"))
		return false;
	rest = str_sub(rest, 7, rest.n);
	if (!str_cut(&rest, '"', id) || str_has(*id, "\\")
	    || !str_starts(rest, ",\"status\":\""))
		return false;
	rest = str_sub(rest, 11, rest.n);
	return str_cut(&rest, '"', status);
}

/* 1: a result; 0: not one. id's hash and whether it counts as done. */
static bool
read_line(struct str line, uint64_t *hash, bool *done)
{
	struct str id, word;
	struct json *doc = NULL;
	enum task_status status;
	bool ok;

	ok = quick_look(line, &id, &word);
	if (!ok) {
		doc = json_parse(line, NULL);
		ok = doc && json_str(json_get(doc, "id"), &id)
		    && json_str(json_get(doc, "status"), &word);
	}
	ok = ok && task_status_parse(word, &status);
	if (ok) {
		*hash = hash64(id, HASH_SEED);
		*done = status != TASK_FAILED && status != TASK_BUDGET;
	}
	json_free(doc);
	return ok;
}

/* --- scanning ------------------------------------------------------------------------ */

struct line {
	struct str text; /* with its line end */
	uint64_t hash;   /* of the id */
	int64_t from;    /* where it lies in the file */
	int64_t number;  /* from 0 */
	bool done;
};

/* Read the line into *line; 0: it is the beginning of one of ours. */
static int
look_at(struct line *line, struct err *e)
{
	struct str s = line->text;

	if (linefile_is_torn(s))
		return 0;
	if (str_ends(s, "\n") && read_line(str_sub(s, 0, s.n - 1),
	    &line->hash, &line->done))
		return 1;
	return err_set(e, ERR_USAGE, "this is no result of frugal; "
	    "the file is left as it is, name another with -o");
}

/* Visit every whole line in order; *end is where the last one ends. */
static int
scan(const char *path, size_t max_line, int (*visit)(void *cookie,
    const struct line *line, struct err *e), void *cookie, int64_t *end,
    struct err *e)
{
	struct line line = { .number = 0 };
	struct linefile r;
	int rc;

	*end = 0;
	if (!linefile_open(&r, path, max_line))
		return errno == ENOENT ? 0
		    : err_sys(e, ERR_IO, "cannot read '%s'", path);
	while ((rc = linefile_next(&r, &line.text, e)) > 0) {
		line.from = *end;
		rc = look_at(&line, e);
		if (rc <= 0)
			break;
		rc = visit(cookie, &line, e);
		if (rc < 0)
			break;
		line.number++;
		*end += (int64_t)line.text.n;
	}
	linefile_close(&r);
	if (rc < 0 && e->code == ERR_USAGE)
		return err_in(e, "%s:%lld", path, (long long)line.number + 1);
	return rc < 0 ? -1 : 0;
}

/* --- resuming ---------------------------------------------------------------------------- */

static int
note_line(void *cookie, const struct line *line, struct err *e)
{
	struct resume *r = cookie;

	if (!line->done)
		r->counts.dropped++;
	else if (!add_hash(r, line->hash))
		return err_nomem(e);
	return 0;
}

static int
copy_if_done(void *cookie, const struct line *line, struct err *e)
{
	struct linefile_new *w = cookie;

	if (line->done && fwrite(line->text.p, 1, line->text.n, w->to)
	    != line->text.n)
		return err_sys(e, ERR_IO, "cannot write '%s'", w->temporary);
	return 0;
}

static int
drop_failed(const char *path, size_t max_line, struct err *e)
{
	struct linefile_new w;
	int64_t end;
	int rc = linefile_rewrite(&w, path, e);

	if (rc == 0)
		rc = scan(path, max_line, copy_if_done, &w, &end, e);
	return linefile_replace(&w, rc, e);
}

int
resume_open(struct resume **out, const char *path, size_t max_line,
    struct err *e)
{
	struct resume *r;
	int64_t end;
	int rc, fd;

	if (linefile_lock(path, &fd, e) < 0)
		return -1;
	r = calloc(1, sizeof(*r));
	if (!r) {
		if (fd >= 0)
			close(fd);
		return err_nomem(e);
	}
	rc = scan(path, max_line, note_line, r, &end, e);
	if (rc == 0)
		rc = linefile_cut(path, end, &r->counts.torn, e);
	if (rc == 0 && r->counts.dropped)
		rc = drop_failed(path, max_line, e);
	if (fd >= 0)
		close(fd);
	r->counts.kept = (int64_t)r->n;
	r->used = calloc(r->n / 8 + 1, 1);
	if (rc == 0 && !r->used)
		rc = err_nomem(e);
	if (rc < 0) {
		resume_free(r);
		return -1;
	}
	if (r->n)
		qsort(r->hash, r->n, sizeof(*r->hash), compare_hashes);
	*out = r;
	return 0;
}

void
resume_free(struct resume *r)
{
	if (!r)
		return;
	free(r->hash);
	free(r->used);
	free(r);
}

struct resume_counts
resume_counts(const struct resume *r)
{
	return r->counts;
}

bool
resume_take(struct resume *r, struct str id)
{
	uint64_t hash = hash64(id, HASH_SEED);
	size_t lo = 0, hi = r->n;

	/* The first of this hash that is not taken yet, or a greater one. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (r->hash[mid] < hash
		    || (r->hash[mid] == hash && is_used(r, mid)))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == r->n || r->hash[lo] != hash)
		return false;
	r->used[lo / 8] |= (unsigned char)(1 << lo % 8);
	return true;
}

/* --- sorting ------------------------------------------------------------------------------- */

/* Where a line lies, by its id. */
struct place {
	uint64_t hash;
	int64_t from, number;
	size_t n;
	bool used;
};

struct places {
	struct place *v;
	size_t n, cap;
};

static bool
add_place(struct places *l, struct place p)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 1024;
		struct place *v = realloc(l->v, cap * sizeof(*v));
		if (!v)
			return false;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = p;
	return true;
}

static int
note_place(void *cookie, const struct line *line, struct err *e)
{
	struct place p = { line->hash, line->from, line->number,
	    line->text.n, false };

	return add_place(cookie, p) ? 0 : err_nomem(e);
}

static int
compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

static struct place *
take_place(struct places *l, struct str id)
{
	uint64_t hash = hash64(id, HASH_SEED);
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (l->v[mid].hash < hash
		    || (l->v[mid].hash == hash && l->v[mid].used))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == l->n || l->v[lo].hash != hash)
		return NULL;
	l->v[lo].used = true;
	return &l->v[lo];
}

static int
write_places(const char *path, const struct places *l, struct err *e)
{
	struct linefile_new w;
	int rc = linefile_rewrite(&w, path, e);

	for (size_t i = 0; rc == 0 && i < l->n; i++)
		if (linefile_copy(&w, l->v[i].from,
		    (int64_t)l->v[i].n) < 0)
			rc = err_sys(e, ERR_IO, "cannot copy '%s'", path);
	return linefile_replace(&w, rc, e);
}

struct walk {
	int (*next)(void *cookie, struct str *id, struct err *e);
	void *cookie;
	bool in_order;
};

/* On to the next task of this line's id. */
static int
follow(void *cookie, const struct line *line, struct err *e)
{
	struct walk *w = cookie;
	struct str id;
	int rc = 1;

	while (w->in_order) {
		rc = w->next(w->cookie, &id, e);
		if (rc < 0)
			return -1;
		w->in_order = rc > 0;
		if (rc > 0 && hash64(id, HASH_SEED) == line->hash)
			break;
	}
	return 0;
}

int
resume_in_order(const char *path, size_t max_line, int (*next)(void *cookie,
    struct str *id, struct err *e), void *cookie, struct err *e)
{
	struct walk w = { next, cookie, true };
	int64_t end;

	if (scan(path, max_line, follow, &w, &end, e) < 0)
		return -1;
	return w.in_order;
}

int
resume_sort(const char *path, size_t max_line, int (*next)(void *cookie,
    struct str *id, struct err *e), void *cookie, struct err *e)
{
	struct places all = { 0 }, order = { 0 };
	struct place *p;
	struct str id;
	bool in_order = true;
	int64_t end, last = -1;
	int rc = scan(path, max_line, note_place, &all, &end, e);

	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), compare_places);
	while (rc == 0 && (rc = next(cookie, &id, e)) > 0) {
		rc = 0;
		p = take_place(&all, id);
		if (!p)
			continue;
		in_order = in_order && p->number > last;
		last = p->number;
		if (!add_place(&order, *p))
			rc = err_nomem(e);
	}
	for (size_t i = 0; rc == 0 && i < all.n; i++) {
		if (all.v[i].used)
			continue;
		in_order = in_order && all.v[i].number > last;
		if (!add_place(&order, all.v[i]))
			rc = err_nomem(e);
	}
	if (rc == 0 && !in_order)
		rc = write_places(path, &order, e);
	free(all.v);
	free(order.v);
	return rc;
}
