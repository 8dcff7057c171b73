/*
 * linefile.c -- lines of files that are our own.
 */
#include "cmd/linefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE ((size_t)256 << 10)

bool
linefile_open(struct linefile *r, const char *path, size_t max)
{
	*r = (struct linefile){ .path = path, .max = max };
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	return r->fd >= 0;
}

void
linefile_close(struct linefile *r)
{
	close(r->fd);
	free(r->p);
}

/* Room behind what has been read, which is moved to the front. */
static bool
room(struct linefile *r)
{
	size_t cap = r->cap ? r->cap * 2 : READ_SIZE;
	char *p;

	if (r->from > 0) {
		memmove(r->p, r->p + r->from, r->to - r->from);
		r->to -= r->from;
		r->from = 0;
	}
	if (r->to < r->cap)
		return true;
	p = realloc(r->p, cap);
	if (!p)
		return false;
	r->p = p;
	r->cap = cap;
	return true;
}

int
linefile_next(struct linefile *r, struct str *line, struct err *e)
{
	size_t seen = 0, n;
	const char *lf = NULL;
	ssize_t got;

	for (;;) {
		n = r->to - r->from;
		if (n > seen)
			lf = memchr(r->p + r->from + seen, '\n', n - seen);
		seen = n;
		if (lf || r->end || n > r->max)
			break;
		if (!room(r))
			return err_nomem(e);
		do
			got = read(r->fd, r->p + r->to, r->cap - r->to);
		while (got < 0 && errno == EINTR);
		if (got < 0)
			return err_sys(e, ERR_IO, "cannot read '%s'", r->path);
		r->to += (size_t)got;
		r->end = got == 0;
	}
	if (lf)
		n = (size_t)(lf - (r->p + r->from)) + 1;
	if (n > r->max)
		return err_set(e, ERR_USAGE, "a line is longer than %zu bytes; "
		    "the file is left as it is, see limit 'result'", r->max);
	*line = (struct str){ n ? r->p + r->from : "", n };
	r->from += n;
	return n > 0;
}

bool
linefile_is_torn(struct str line)
{
	struct str start = STR("{\"id\":\"");

	return !str_ends(line, "\n")
	    && str_eq(str_sub(line, 0, start.n), str_sub(start, 0, line.n));
}

/* --- writing lines anew ---------------------------------------------------------------- */

int
linefile_rewrite(struct linefile_new *w, const char *path, struct err *e)
{
	struct stat st;
	struct buf b;

	*w = (struct linefile_new){ .path = realpath(path, NULL) };
	if (!w->path)
		return err_sys(e, ERR_IO, "cannot find '%s'", path);
	buf_init(&b, 8192);
	buf_addf(&b, "%s.%ld.tmp", w->path, (long)getpid());
	w->temporary = buf_take(&b);
	if (!w->temporary)
		return err_nomem(e);
	w->from = fopen(w->path, "re");
	/* What a killed process left; no link of somebody else is followed. */
	unlink(w->temporary);
	w->to = fopen(w->temporary, "wxe");
	if (!w->from || !w->to || fstat(fileno(w->from), &st) < 0
	    || fchmod(fileno(w->to), st.st_mode & 07777) < 0)
		return err_sys(e, ERR_IO, "cannot write '%s'", w->temporary);
	return 0;
}

int
linefile_replace(struct linefile_new *w, int rc, struct err *e)
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
	free(w->path);
	return rc;
}

int
linefile_copy(const struct linefile_new *w, int64_t at, int64_t n)
{
	char chunk[65536];

	if (fseeko(w->from, (off_t)at, SEEK_SET) < 0)
		return -1;
	while (n > 0) {
		size_t want = n < (int64_t)sizeof(chunk) ? (size_t)n
		    : sizeof(chunk);
		size_t got = fread(chunk, 1, want, w->from);
		if (!got || fwrite(chunk, 1, got, w->to) != got)
			return -1;
		n -= (int64_t)got;
	}
	return 0;
}

/* --- whose it is -------------------------------------------------------------------------- */

int
linefile_cut(const char *path, int64_t end, int64_t *torn, struct err *e)
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
linefile_lock(const char *path, int *fd, struct err *e)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0 || flock(*fd, LOCK_EX | LOCK_NB) == 0
	    || errno != EWOULDBLOCK)
		return 0;
	close(*fd);
	*fd = -1;
	return err_set(e, ERR_USAGE, "'%s' is being written by another frugal; "
	    "wait for it, or name another with -o", path);
}
