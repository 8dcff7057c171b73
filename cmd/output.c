/*
 * output.c -- buffered lines on their way to a file or to standard output.
 */
#include "cmd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cmd/common.h"

#define MAX_WAITING ((size_t)1 << 20) /* then it is flushed by itself */

struct output {
	int fd;
	bool is_file, terminal, replace;
	bool has_reader; /* who may leave: a pipe's or a socket's other end */
	char *path, *temporary;
	off_t good; /* length of the file up to the last whole line */
	struct buf waiting;
};

static int
open_file(struct output *o, const char *path, struct err *e)
{
	struct buf b;
	off_t end;

	/* What a link points to is replaced, not the link. */
	o->path = realpath(path, NULL);
	if (!o->path)
		o->path = str_dup(str_of(path));
	if (!o->path)
		return err_nomem(e);
	if (o->replace) {
		buf_init(&b, 8192);
		buf_addf(&b, "%s.%ld.tmp", o->path, (long)getpid());
		o->temporary = buf_take(&b);
		if (!o->temporary)
			return err_nomem(e);
		/* What a killed process left; and in a folder that others can
		 * write, no link of theirs is followed. */
		unlink(o->temporary);
	}
	o->is_file = true;
	o->fd = open(o->replace ? o->temporary : path, O_WRONLY | O_CREAT
	    | O_CLOEXEC | (o->replace ? O_EXCL : 0), 0666);
	if (o->fd < 0)
		return err_sys(e, ERR_IO, "cannot write '%s'", path);
	if (!o->replace && flock(o->fd, LOCK_EX | LOCK_NB) < 0
	    && errno == EWOULDBLOCK)
		return err_set(e, ERR_USAGE, "'%s' is being written by another "
		    "frugal; wait for it, or name another with -o", path);
	end = lseek(o->fd, 0, SEEK_END);
	o->good = end < 0 ? 0 : end;
	return 0;
}

int
output_open(struct output **out, const char *path, enum output_mode mode,
    struct err *e)
{
	struct output *o = calloc(1, sizeof(*o));
	struct stat st;

	if (!o)
		return err_nomem(e);
	buf_init(&o->waiting, BUF_MAX);
	o->fd = STDOUT_FILENO;
	o->terminal = is_terminal(STDOUT_FILENO);
	/* A device or a pipe cannot be replaced by a new file. */
	o->replace = mode == OUTPUT_REPLACE
	    && !(path && stat(path, &st) == 0 && !S_ISREG(st.st_mode));
	if (path && strcmp(path, "-") != 0) {
		o->terminal = false;
		if (open_file(o, path, e) < 0) {
			output_free(o);
			return -1;
		}
	}
	o->has_reader = fstat(o->fd, &st) == 0
	    && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
	*out = o;
	return 0;
}

int
output_add(struct output *o, struct str s, struct err *e)
{
	if (o->terminal)
		utf8_visible(&o->waiting, s, true);
	else
		buf_add(&o->waiting, s);
	if (o->waiting.failed)
		return err_nomem(e);
	return o->waiting.n >= MAX_WAITING ? output_flush(o, e) : 0;
}

/* `at` bytes of what was waiting have been written. */
static int
failed(struct output *o, size_t at, struct err *e)
{
	int error = errno;

	while (at > 0 && o->waiting.p[at - 1] != '\n')
		at--;
	o->good += (off_t)at;
	errno = error;
	if (!o->is_file) {
		if (errno == EPIPE)
			return err_set(e, ERR_IO, "closed pipe");
		return err_sys(e, ERR_IO, "cannot write to standard output");
	}
	err_sys(e, ERR_IO, "cannot write '%s'", o->path);
	/* Half a line is worse than none. */
	if (ftruncate(o->fd, o->good) < 0 && errno != EINVAL)
		return err_in(e, "a torn line is left");
	return -1;
}

/* A pipe that somebody at its other end made non-blocking is full. */
static bool
wait_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

int
output_flush(struct output *o, struct err *e)
{
	size_t at = 0;

	while (at < o->waiting.n) {
		ssize_t n = write(o->fd, o->waiting.p + at, o->waiting.n - at);
		if (n < 0 && (errno == EINTR
		    || (errno == EAGAIN && wait_writable(o->fd))))
			continue;
		if (n < 0) {
			int rc = failed(o, at, e);
			buf_clear(&o->waiting);
			return rc;
		}
		at += (size_t)n;
	}
	o->good += (off_t)at;
	buf_clear(&o->waiting);
	return 0;
}

/* --- who reads it ------------------------------------------------------------------ */

const char *
output_path(const struct output *o)
{
	struct stat st;

	return o->is_file && fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode)
	    ? o->path : NULL;
}

int
output_reader(const struct output *o, struct err *e)
{
	struct pollfd p = { .fd = o->fd };

	if (!o->has_reader || poll(&p, 1, 0) <= 0 || !(p.revents & POLLERR))
		return 0;
	return err_set(e, ERR_IO, "closed pipe");
}

/* --- the end ------------------------------------------------------------------- */

int
output_finish(struct output *o, struct err *e)
{
	if (output_flush(o, e) < 0)
		return -1;
	if (!o->is_file)
		return 0;
	if (fsync(o->fd) < 0 && errno != EINVAL && errno != EROFS)
		return failed(o, 0, e);
	if (o->replace && rename(o->temporary, o->path) < 0)
		return err_sys(e, ERR_IO, "cannot rename '%s' to '%s'",
		    o->temporary, o->path);
	free(o->temporary);
	o->temporary = NULL;
	return 0;
}

void
output_free(struct output *o)
{
	if (!o)
		return;
	if (o->is_file && o->fd >= 0)
		close(o->fd);
	if (o->temporary)
		unlink(o->temporary);
	free(o->temporary);
	free(o->path);
	buf_release(&o->waiting);
	free(o);
}
