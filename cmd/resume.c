/*
 * resume.c -- output files of earlier runs: which ids they hold, by 64-bit
 * hashes in a sorted table, so that a million lines take eight megabytes.
 */
#include "cmd/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/input.h"
#include "base/json.h"
#include "base/rand.h"
#include "cache/ledger.h"

#define MAX_LINE ((size_t)256 << 20)
#define HASH_SEED 0x6672756761ull

struct line {
	uint64_t hash; /* of the id */
	int64_t from, n; /* where it lies in the file, without the line end */
	int64_t number;
	bool used;
};

struct lines {
	struct line *v;
	size_t n, cap;
};

struct resume {
	struct lines lines; /* sorted by hash once read */
	struct resume_counts counts;
};

static bool
lines_add(struct lines *l, struct line line)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 1024;
		struct line *v = realloc(l->v, cap * sizeof(*v));
		if (!v)
			return false;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = line;
	return true;
}

static int
by_hash(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

static void
lines_sort(struct lines *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_hash);
}

static struct line *
lines_take(struct lines *l, struct str id)
{
	uint64_t hash = hash64(id, HASH_SEED);
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (l->v[mid].hash < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < l->n && l->v[lo].hash == hash; lo++)
		if (!l->v[lo].used) {
			l->v[lo].used = true;
			return &l->v[lo];
		}
	return NULL;
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

/* Every whole line of the file in order; *end is where the last one ends. */
static int
scan(const char *path, struct lines *all, struct lines *failed, int64_t *end,
    struct err *e)
{
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;
	int64_t at = 0, number = 0;
	int rc = 0;
	FILE *f = fopen(path, "re");

	*end = 0;
	if (!f)
		return errno == ENOENT ? 0
		    : err_sys(e, ERR_IO, "cannot read '%s'", path);
	while (rc == 0 && (n = getline(&text, &cap, f)) > 0) {
		struct line line = { .from = at, .n = n - 1,
		    .number = number++ };
		bool done = false;

		if (text[n - 1] != '\n')
			break;
		if (!read_line((struct str){ text, (size_t)n - 1 },
		    &line.hash, &done))
			rc = err_set(e, ERR_USAGE, "%s:%lld: this is no result "
			    "of frugal; the file is left as it is, name "
			    "another with -o", path, (long long)number);
		else if (!lines_add(done ? all : failed, line))
			rc = err_nomem(e);
		at += n;
		*end = at;
	}
	if (rc == 0 && ferror(f))
		rc = err_sys(e, ERR_IO, "cannot read '%s'", path);
	free(text);
	fclose(f);
	return rc;
}

/* --- writing lines anew ---------------------------------------------------------------- */

static int
copy_line(FILE *from, FILE *to, const struct line *line)
{
	char chunk[65536];
	int64_t left = line->n + 1;

	if (fseeko(from, (off_t)line->from, SEEK_SET) < 0)
		return -1;
	while (left > 0) {
		size_t want = left < (int64_t)sizeof(chunk) ? (size_t)left
		    : sizeof(chunk);
		size_t got = fread(chunk, 1, want, from);
		if (!got || fwrite(chunk, 1, got, to) != got)
			return -1;
		left -= (int64_t)got;
	}
	return 0;
}

struct rewrite {
	const char *path;
	char *temporary;
	FILE *from, *to;
};

static int
rewrite_open(struct rewrite *w, const char *path, struct err *e)
{
	struct buf b;

	*w = (struct rewrite){ .path = path };
	buf_init(&b, 8192);
	buf_addf(&b, "%s.%ld.tmp", path, (long)getpid());
	w->temporary = buf_take(&b);
	if (!w->temporary)
		return err_nomem(e);
	w->from = fopen(path, "re");
	w->to = fopen(w->temporary, "we");
	if (!w->from || !w->to)
		return err_sys(e, ERR_IO, "cannot write '%s'", w->temporary);
	return 0;
}

/* Into place, if all went well; else the new file goes away. */
static int
rewrite_close(struct rewrite *w, int rc, struct err *e)
{
	if (w->from)
		fclose(w->from);
	if (w->to) {
		if (rc == 0 && (fflush(w->to) != 0 || fsync(fileno(w->to)) < 0))
			rc = err_sys(e, ERR_IO, "cannot write '%s'",
			    w->temporary);
		if (fclose(w->to) != 0 && rc == 0)
			rc = err_sys(e, ERR_IO, "cannot write '%s'",
			    w->temporary);
		if (rc == 0 && rename(w->temporary, w->path) < 0)
			rc = err_sys(e, ERR_IO, "cannot rename '%s'",
			    w->temporary);
		if (rc < 0)
			unlink(w->temporary);
	}
	free(w->temporary);
	return rc;
}

static int
write_only(const char *path, const struct lines *l, struct err *e)
{
	struct rewrite w;
	int rc = rewrite_open(&w, path, e);

	for (size_t i = 0; rc == 0 && i < l->n; i++)
		if (copy_line(w.from, w.to, &l->v[i]) < 0)
			rc = err_sys(e, ERR_IO, "cannot copy '%s'", path);
	return rewrite_close(&w, rc, e);
}

/* --- resuming ---------------------------------------------------------------------------- */

static int
cut_torn(const char *path, int64_t end, int64_t *torn, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0
		    : err_sys(e, ERR_IO, "cannot read '%s'", path);
	*torn = st.st_size - end;
	if (*torn > 0 && truncate(path, (off_t)end) < 0)
		return err_sys(e, ERR_IO, "cannot mend the torn last line of "
		    "'%s'", path);
	return 0;
}

int
resume_open(struct resume **out, const char *path, struct err *e)
{
	struct resume *r = calloc(1, sizeof(*r));
	struct lines failed = { 0 };
	int64_t end;
	int rc;

	if (!r)
		return err_nomem(e);
	rc = scan(path, &r->lines, &failed, &end, e);
	if (rc == 0)
		rc = cut_torn(path, end, &r->counts.torn, e);
	r->counts.kept = (int64_t)r->lines.n;
	r->counts.dropped = (int64_t)failed.n;
	if (rc == 0 && failed.n)
		rc = write_only(path, &r->lines, e);
	free(failed.v);
	if (rc < 0) {
		resume_free(r);
		return -1;
	}
	lines_sort(&r->lines);
	*out = r;
	return 0;
}

void
resume_free(struct resume *r)
{
	if (!r)
		return;
	free(r->lines.v);
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
	return lines_take(&r->lines, id) != NULL;
}

/* --- sorting ------------------------------------------------------------------------------- */

static int
merge(struct lines *a, const struct lines *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (!lines_add(a, b->v[i]))
			return -1;
	return 0;
}

int
resume_sort(const char *path, int (*next)(void *cookie, struct str *id,
    struct err *e), void *cookie, struct err *e)
{
	struct lines all = { 0 }, failed = { 0 }, order = { 0 };
	struct line *line;
	struct str id;
	bool in_order = true;
	int64_t end, last = -1;
	int rc = scan(path, &all, &failed, &end, e);

	if (rc == 0 && merge(&all, &failed) < 0)
		rc = err_nomem(e);
	lines_sort(&all);
	while (rc == 0 && (rc = next(cookie, &id, e)) > 0) {
		rc = 0;
		line = lines_take(&all, id);
		if (!line)
			continue;
		in_order = in_order && line->number > last;
		last = line->number;
		if (!lines_add(&order, *line))
			rc = err_nomem(e);
	}
	for (size_t i = 0; rc == 0 && i < all.n; i++)
		if (!all.v[i].used && !lines_add(&order, all.v[i]))
			rc = err_nomem(e);
	if (rc == 0 && !in_order)
		rc = write_only(path, &order, e);
	free(all.v);
	free(failed.v);
	free(order.v);
	return rc;
}
