/*
 * secret.c -- taking in, holding and wiping secrets.
 *
 * Every buffer that a secret passes through is wiped here. No message contains
 * the secret, nor the command that prints it, which may well contain it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"

#ifndef SECRET_COMMAND_MS /* a test has less patience */
#define SECRET_COMMAND_MS 30000
#endif

#define LOOK_MS 20 /* between looks at a command, where there is no pidfd */
#define RUN_MIN 8 /* characters of the secret that give it away */
/* White space around the secret may take some more. */
#define READ_MAX (SECRET_MAX + 256)

extern char **environ;

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

int
secret_set(struct secret *s, struct str text, struct err *e)
{
	size_t i;

	*s = (struct secret){ NULL, 0 };
	text = str_trim(text);
	if (text.n == 0)
		return err_set(e, ERR_CONFIG, "it is empty");
	if (text.n > SECRET_MAX)
		return err_set(e, ERR_CONFIG, "it is longer than %d bytes",
		    SECRET_MAX);
	for (i = 0; i < text.n; i++) {
		if (is_control(text.p[i]))
			return err_set(e, ERR_CONFIG, "it contains a control "
			    "character or a line end");
	}
	s->p = str_dup(text);
	if (!s->p)
		return err_nomem(e);
	s->n = text.n;
	return 0;
}

void
secret_wipe(struct secret *s)
{
	if (s->p)
		explicit_bzero(s->p, s->n);
	free(s->p);
	*s = (struct secret){ NULL, 0 };
}

struct str
secret_text(const struct secret *s)
{
	return (struct str){ s->p, s->n };
}

/* Mark what agrees with the secret's start from `at` on. */
static void
mark_start(const struct secret *s, struct str text, size_t at, char *mark)
{
	size_t n = 0;

	while (n < s->n && at + n < text.n && text.p[at + n] == s->p[n])
		n++;
	memset(mark + at, 1, n);
}

/* Mark what agrees with the secret's end before `end`. */
static void
mark_end(const struct secret *s, struct str text, size_t end, char *mark)
{
	size_t n = 0;

	while (n < s->n && n < end &&
	    text.p[end - n - 1] == s->p[s->n - n - 1])
		n++;
	memset(mark + end - n, 1, n);
}

/* Runs overlap, so they are all found before any is overwritten. */
void
secret_redact(const struct secret *s, char *text, size_t n)
{
	size_t run = s->n < RUN_MIN ? s->n : RUN_MIN, i;
	struct str t = { text, n };
	char *mark;

	if (s->n == 0 || n < run)
		return;
	mark = calloc(n, 1);
	for (i = 0; mark && i + run <= n; i++) {
		if (memcmp(text + i, s->p, run) == 0)
			mark_start(s, t, i, mark);
		if (memcmp(text + i, s->p + s->n - run, run) == 0)
			mark_end(s, t, i + run, mark);
	}
	for (i = 0; i < n; i++) {
		if (!mark || mark[i]) /* out of memory: nothing is shown */
			text[i] = '*';
	}
	free(mark);
}

int
secret_from_env(struct secret *s, const char *name, struct err *e)
{
	const char *value = getenv(name);

	*s = (struct secret){ NULL, 0 };
	if (!value)
		return err_set(e, ERR_CONFIG, "environment variable '%s' is "
		    "not set; export it", name);
	if (secret_set(s, str_of(value), e) < 0)
		return err_in(e, "environment variable '%s'", name);
	return 0;
}

static ssize_t
read_some(int fd, char *p, size_t n)
{
	ssize_t got;

	do
		got = read(fd, p, n);
	while (got < 0 && errno == EINTR);
	return got;
}

/* Up to the end of the file or of the buffer. */
static int
read_file(int fd, char *p, size_t max, size_t *n)
{
	ssize_t got = 1;

	for (*n = 0; *n < max && got > 0; *n += (size_t)got) {
		got = read_some(fd, p + *n, max - *n);
		if (got < 0)
			return -1;
	}
	return 0;
}

int
secret_from_file(struct secret *s, const char *path, struct err *e)
{
	char text[READ_MAX];
	size_t n;
	int fd, rc;

	*s = (struct secret){ NULL, 0 };
	do
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return err_sys(e, ERR_CONFIG, "cannot open key file '%s'",
		    path);
	if (read_file(fd, text, sizeof(text), &n) < 0) {
		rc = err_sys(e, ERR_CONFIG, "cannot read key file '%s'", path);
	} else {
		rc = secret_set(s, (struct str){ text, n }, e);
		if (rc < 0)
			err_in(e, "key file '%s'", path);
	}
	explicit_bzero(text, sizeof(text));
	close(fd);
	return rc;
}

/* A command that is running: its first line of output is wanted. */
struct command {
	pid_t pid;
	int out;   /* its standard output; -1: closed */
	int pidfd; /* wakes us when it has ended; -1: the system has none */
	int64_t deadline_ms;
	char text[READ_MAX];
	size_t n;
};

/* A signal that this program ignores or blocks is none of the command's. */
static int
set_signals(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(attr, &all);
	if (rc == 0)
		rc = posix_spawnattr_setflags(attr,
		    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return rc;
}

/* 0 or an errno. `out` becomes the standard output of the command. */
static int
spawn_shell(pid_t *pid, const char *command, int out)
{
	char *argv[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc;

	rc = posix_spawn_file_actions_init(&files);
	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc != 0)
		goto out_files;
	/* In this order: `out` is 0 where standard input was closed. */
	rc = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&files, STDIN_FILENO,
		    "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = set_signals(&attr);
	if (rc == 0)
		rc = posix_spawn(pid, "/bin/sh", &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
out_files:
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

static int
command_start(struct command *c, const char *command, struct err *e)
{
	int ends[2], rc;

	*c = (struct command){ .pid = -1, .out = -1, .pidfd = -1 };
	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_sys(e, ERR_IO, "cannot make a pipe");
	c->out = ends[0];
	rc = spawn_shell(&c->pid, command, ends[1]);
	close(ends[1]);
	if (rc != 0) {
		c->pid = -1;
		errno = rc;
		return err_sys(e, ERR_IO, "cannot run /bin/sh");
	}
	c->pidfd = pidfd_open(c->pid, 0);
	c->deadline_ms = clock_mono_ms() + SECRET_COMMAND_MS;
	return 0;
}

/* Take in what can be read now; what finds no room is dropped. */
static int
command_read(struct command *c, struct err *e)
{
	char rest[512];
	bool full = c->n == sizeof(c->text);
	ssize_t got;

	got = full ? read_some(c->out, rest, sizeof(rest)) :
	    read_some(c->out, c->text + c->n, sizeof(c->text) - c->n);
	explicit_bzero(rest, sizeof(rest));
	if (got < 0)
		return err_sys(e, ERR_IO, "cannot read its output");
	if (got == 0) {
		close(c->out);
		c->out = -1;
	} else if (!full) {
		c->n += (size_t)got;
	}
	return 0;
}

/* A look, without reaping it. */
static bool
command_ended(const struct command *c)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)c->pid, &info,
	    WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == c->pid;
}

/* Until its output, or its end, or time to look whether it has ended; no wait
 * at all if it has. */
static int
command_poll(struct command *c, bool ended, bool *output, struct err *e)
{
	struct pollfd p[2] = {
		{ .fd = c->out, .events = POLLIN },
		{ .fd = c->pidfd, .events = POLLIN },
	};
	int64_t left_ms = c->deadline_ms - clock_mono_ms();

	if (left_ms <= 0)
		return err_set(e, ERR_CONFIG, "it took longer than %d s and "
		    "was stopped", SECRET_COMMAND_MS / 1000);
	if (c->pidfd < 0 && left_ms > LOOK_MS)
		left_ms = LOOK_MS;
	if (ended)
		left_ms = 0;
	if (poll(p, 2, (int)left_ms) < 0 && errno != EINTR)
		return err_sys(e, ERR_IO, "cannot wait for it");
	*output = p[0].revents != 0;
	return 0;
}

/*
 * Until the command itself has ended: something that it left running may keep
 * the pipe open for ever. The end is looked for before the output, or the last
 * of the output could come between the two.
 */
static int
command_wait(struct command *c, struct err *e)
{
	bool ended, output = false;

	for (;;) {
		ended = command_ended(c);
		if (command_poll(c, ended, &output, e) < 0)
			return -1;
		if (output && command_read(c, e) < 0)
			return -1;
		if (ended && !output)
			return 0;
	}
}

/* Ends the process if it has not ended, and reaps it. */
static int
command_finish(struct command *c, bool stop, int *status)
{
	pid_t pid = -1;

	if (c->pid > 0) {
		if (stop)
			kill(c->pid, SIGKILL);
		do
			pid = waitpid(c->pid, status, 0);
		while (pid < 0 && errno == EINTR);
	}
	if (c->pidfd >= 0)
		close(c->pidfd);
	if (c->out >= 0)
		close(c->out);
	return pid < 0 ? -1 : 0;
}

static int
check_status(int status, struct err *e)
{
	if (WIFSIGNALED(status))
		return err_set(e, ERR_CONFIG, "it was ended by signal %d",
		    WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(e, ERR_CONFIG, "it failed with exit status %d",
		    WEXITSTATUS(status));
	return 0;
}

int
secret_from_command(struct secret *s, const char *command, struct err *e)
{
	struct command c;
	struct str text, line;
	int rc, status = 0;

	*s = (struct secret){ NULL, 0 };
	rc = command_start(&c, command, e);
	if (rc == 0)
		rc = command_wait(&c, e);
	if (command_finish(&c, rc < 0, &status) < 0 && rc == 0)
		rc = err_sys(e, ERR_IO, "cannot learn how it ended");
	if (rc == 0)
		rc = check_status(status, e);
	if (rc == 0) {
		text = (struct str){ c.text, c.n };
		str_cut(&text, '\n', &line);
		rc = secret_set(s, line, e);
	}
	explicit_bzero(&c, sizeof(c));
	return rc < 0 ? err_in(e, "the command that prints the key") : 0;
}
