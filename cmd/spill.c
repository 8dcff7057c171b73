/*
 * spill.c -- a file of runs. Each line has its number and its length before
 * it. A run knows the number of its first line that is left, so that the
 * lowest of all is found without reading; runs hardly overlap, since lines
 * come nearly in order, so a few windows on the file serve all of them.
 */
#include "cmd/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/heap.h"

#define HEAD 16                      /* number and length of a line */
#define WRITE_SIZE ((size_t)256 << 10)
#define WINDOWS 8
#define WINDOW_SIZE ((size_t)64 << 10)
#define GIVE_BACK ((off_t)1 << 20)   /* so much at a time */

struct run {
	struct heap_entry first; /* first member; by the number of its line */
	off_t at, end;           /* of what is left */
	off_t given_back;        /* before this */
};

/* A part of the file that is in memory. */
struct window {
	off_t at;
	size_t n;
	char *p;  /* NULL: not used yet */
	uint64_t used; /* when */
};

struct spill {
	int fd;
	off_t end;               /* of the last whole run */
	int64_t bytes;
	struct heap runs;
	struct run *open;        /* being written; NULL: none */
	struct buf waiting;      /* of it, not written yet */
	off_t written;           /* where the rest of it goes */
	int error;               /* errno of a failure since it was begun */
	struct window windows[WINDOWS];
	uint64_t clock;          /* for window.used */
	char *big;               /* a line that is larger than a window */
};

/* --- the file ---------------------------------------------------------------- */

/* A file whose name is gone at once, where there are none without one. */
static int
open_named(const char *folder)
{
	struct buf name;
	int fd = -1;

	buf_init(&name, 8192);
	buf_addf(&name, "%s/.frugal-XXXXXX", folder);
	errno = ENOMEM;
	if (!name.failed)
		fd = mkostemp(name.p, O_CLOEXEC);
	if (fd >= 0 && unlink(name.p) < 0) {
		close(fd);
		fd = -1;
	}
	buf_release(&name);
	return fd;
}

/* -1: see errno. */
static int
open_in(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : open_named(folder);
}

static int
open_beside(const char *file)
{
	char *path = realpath(file, NULL), *slash;
	int fd;

	if (!path && !(path = str_dup(str_of(file))))
		return -1;
	slash = strrchr(path, '/');
	if (slash)
		slash[slash == path] = '\0';
	fd = open_in(slash ? path : ".");
	free(path);
	return fd;
}

int
spill_open(struct spill **out, const char *beside, struct err *e)
{
	const char *folders[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	struct spill *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(e);
	s->fd = beside ? open_beside(beside) : -1;
	for (size_t i = 0; s->fd < 0 && i < 3; i++)
		if (folders[i] && *folders[i])
			s->fd = open_in(folders[i]);
	if (s->fd < 0) {
		free(s);
		return err_sys(e, ERR_IO, "cannot make a temporary file; see "
		    "TMPDIR");
	}
	buf_init(&s->waiting, BUF_MAX);
	*out = s;
	return 0;
}

void
spill_free(struct spill *s)
{
	struct heap_entry *first;

	if (!s)
		return;
	while ((first = heap_first(&s->runs))) {
		heap_remove(&s->runs, first);
		free(first);
	}
	heap_release(&s->runs);
	for (size_t i = 0; i < WINDOWS; i++)
		free(s->windows[i].p);
	free(s->open);
	free(s->big);
	buf_release(&s->waiting);
	close(s->fd);
	free(s);
}

/* --- writing ----------------------------------------------------------------- */

static void
write_waiting(struct spill *s)
{
	size_t at = 0;

	while (!s->error && at < s->waiting.n) {
		ssize_t n = pwrite(s->fd, s->waiting.p + at,
		    s->waiting.n - at, s->written);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->error = n < 0 ? errno : ENOSPC;
			break;
		}
		at += (size_t)n;
		s->written += n;
	}
	buf_clear(&s->waiting);
}

void
spill_add(struct spill *s, int64_t number, struct str line)
{
	char head[HEAD];
	uint64_t n = line.n;

	if (s->error)
		return;
	if (!s->open) {
		s->open = calloc(1, sizeof(*s->open));
		if (!s->open) {
			s->error = ENOMEM;
			return;
		}
		s->open->at = s->open->given_back = s->written = s->end;
		s->open->first.due_ms = number;
	}
	memcpy(head, &number, 8);
	memcpy(head + 8, &n, 8);
	buf_add(&s->waiting, (struct str){ head, HEAD });
	buf_add(&s->waiting, line);
	if (s->waiting.failed)
		s->error = ENOMEM;
	else if (s->waiting.n >= WRITE_SIZE)
		write_waiting(s);
}

int
spill_end(struct spill *s, struct err *e)
{
	struct run *r = s->open;

	write_waiting(s);
	buf_release(&s->waiting); /* it is not needed for long */
	s->open = NULL;
	if (!s->error && r) {
		r->end = s->written;
		if (!heap_set(&s->runs, &r->first, r->first.due_ms))
			s->error = ENOMEM;
	}
	if (s->error) {
		errno = s->error;
		s->error = 0;
		err_sys(e, errno == ENOMEM ? ERR_NOMEM : ERR_IO, "cannot write "
		    "to a temporary file");
		/* What does not go back is written over. */
		(void)!ftruncate(s->fd, s->end);
		free(r);
		return -1;
	}
	if (r) {
		s->end = r->end;
		s->bytes += r->end - r->at;
	}
	return 0;
}

/* --- reading ----------------------------------------------------------------- */

static int
read_at(const struct spill *s, off_t at, char *p, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t got = pread(s->fd, p, n, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, ERR_IO, "cannot read a temporary "
			    "file");
		if (got == 0)
			return err_set(e, ERR_IO, "a temporary file is "
			    "shorter than it was");
		p += got;
		n -= (size_t)got;
		at += got;
	}
	return 0;
}

/* The window in which these bytes are; else the one that was used longest ago,
 * *found false. */
static struct window *
find_window(struct spill *s, off_t at, size_t n, bool *found)
{
	struct window *oldest = s->windows;

	*found = true;
	for (struct window *w = s->windows; w < s->windows + WINDOWS; w++) {
		if (at >= w->at && at + (off_t)n <= w->at + (off_t)w->n)
			return w;
		if (w->used < oldest->used)
			oldest = w;
	}
	*found = false;
	return oldest;
}

/* n bytes of a run that ends at `end`; borrowed until the next call. */
static int
look(struct spill *s, off_t at, size_t n, off_t end, const char **p,
    struct err *e)
{
	struct window *w;
	bool found;

	if (n > WINDOW_SIZE) {
		s->big = malloc(n);
		*p = s->big;
		return s->big ? read_at(s, at, s->big, n, e) : err_nomem(e);
	}
	w = find_window(s, at, n, &found);
	w->used = ++s->clock;
	*p = w->p ? w->p + (at - w->at) : NULL;
	if (found)
		return 0;
	if (!w->p && !(w->p = malloc(WINDOW_SIZE)))
		return err_nomem(e);
	w->at = at;
	w->n = end - at < (off_t)WINDOW_SIZE ? (size_t)(end - at)
	    : WINDOW_SIZE;
	*p = w->p;
	if (read_at(s, at, w->p, w->n, e) < 0) {
		w->n = 0;
		return -1;
	}
	return 0;
}

/* Nobody but us can write to the file, but a disk may err. */
static int
is_broken(struct err *e)
{
	return err_set(e, ERR_IO, "a temporary file does not hold what was "
	    "written to it");
}

static int
read_head(struct spill *s, const struct run *r, int64_t *number, uint64_t *n,
    struct err *e)
{
	const char *p;

	if (r->end - r->at < HEAD)
		return is_broken(e);
	if (look(s, r->at, HEAD, r->end, &p, e) < 0)
		return -1;
	memcpy(number, p, 8);
	memcpy(n, p + 8, 8);
	return 0;
}

static void
give_back(struct spill *s, struct run *r)
{
	if (r->at == r->given_back)
		return;
	/* Where it cannot be done, it is done at the end. */
	(void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    r->given_back, r->at - r->given_back);
	r->given_back = r->at;
}

/* Its last line is out. */
static void
end_run(struct spill *s, struct run *r)
{
	heap_remove(&s->runs, &r->first);
	if (heap_first(&s->runs)) {
		give_back(s, r);
	} else if (ftruncate(s->fd, 0) == 0) {
		s->end = 0;
		for (size_t i = 0; i < WINDOWS; i++)
			s->windows[i].n = 0;
	}
	free(r);
}

/* On to the line behind this one, of n bytes. */
static int
go_on(struct spill *s, struct run *r, uint64_t n, struct err *e)
{
	int64_t number, before = r->first.due_ms;
	uint64_t next;

	r->at += HEAD + (off_t)n;
	s->bytes -= HEAD + (int64_t)n;
	if (r->at == r->end) {
		end_run(s, r);
		return 0;
	}
	if (r->at - r->given_back >= GIVE_BACK)
		give_back(s, r);
	if (read_head(s, r, &number, &next, e) < 0)
		return -1;
	if (number <= before)
		return is_broken(e);
	heap_set(&s->runs, &r->first, number);
	return 0;
}

int
spill_take(struct spill *s, struct str *line, struct err *e)
{
	struct run *r = (struct run *)heap_first(&s->runs);
	const char *p;
	int64_t number;
	uint64_t n;

	free(s->big);
	s->big = NULL;
	if (read_head(s, r, &number, &n, e) < 0)
		return -1;
	if (number != r->first.due_ms || n > (uint64_t)(r->end - r->at - HEAD))
		return is_broken(e);
	if (look(s, r->at + HEAD, (size_t)n, r->end, &p, e) < 0)
		return -1;
	*line = (struct str){ p, (size_t)n };
	return go_on(s, r, n, e);
}

int64_t
spill_first(const struct spill *s)
{
	const struct heap_entry *first = heap_first(&s->runs);

	return first ? first->due_ms : INT64_MAX;
}

int64_t
spill_bytes(const struct spill *s)
{
	return s->bytes;
}
