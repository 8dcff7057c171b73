/*
 * tune_exec.c -- a command of the user's own says whether an answer is right.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/tune.h"

extern char **environ;

static int
write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EPIPE ? 0 : -1; /* it need not read */
		s = str_sub(s, (size_t)n, s.n);
	}
	return 0;
}

/* Its standard input is the read end; its output goes to standard error, for
 * standard output carries the report. */
static int
start(const char *command, const int ends[2], pid_t *pid, struct err *e)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	posix_spawn_file_actions_t fa;
	int rc = posix_spawn_file_actions_init(&fa);

	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&fa, ends[0], 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&fa, 2, 1);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclose(&fa, ends[1]);
	if (rc == 0)
		rc = posix_spawn(pid, "/bin/sh", &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (rc == 0)
		return 0;
	errno = rc;
	return err_sys(e, ERR_IO, "cannot start '%.80s'", command);
}

static int
verdict(const char *command, pid_t pid, struct err *e)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, ERR_IO, "cannot wait for '%.80s'",
			    command);
	if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		return WEXITSTATUS(status) == 0 ? YES : NO;
	if (WIFEXITED(status))
		return err_set(e, ERR_IO, "'%.80s' ended with status %d; 0 is "
		    "right and 1 is wrong", command, WEXITSTATUS(status));
	return err_set(e, ERR_IO, "'%.80s' was ended by a signal", command);
}

static void
question(struct buf *out, const struct trace_task *t, struct str text,
    struct str answer)
{
	struct jw w = jw_on(out);

	jw_open(&w, '{');
	jw_kstr(&w, "id", t->task->id);
	jw_kstr(&w, "prompt", t->task->prompt);
	if (t->task->has_reference)
		jw_kstr(&w, "reference", t->task->reference);
	jw_kstr(&w, "text", text);
	jw_kstr(&w, "answer", answer);
	jw_close(&w, '}');
	buf_addc(out, '\n');
}

int
tune_exec(void *to, const struct trace_task *t, struct str text,
    struct str answer, struct err *e)
{
	const char *command = to;
	struct buf b;
	pid_t pid;
	int ends[2], rc;

	if (pipe(ends) < 0)
		return err_sys(e, ERR_IO, "cannot make a pipe");
	buf_init(&b, BUF_MAX);
	question(&b, t, text, answer);
	rc = b.failed ? err_nomem(e) : start(command, ends, &pid, e);
	close(ends[0]);
	if (rc == 0 && write_all(ends[1], buf_str(&b)) < 0)
		err_sys(e, ERR_IO, "cannot write to '%.80s'", command);
	close(ends[1]);
	buf_release(&b);
	return rc < 0 ? -1 : verdict(command, pid, e);
}
