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
#define RUN_ENCODED 16 /* of it in base64 (12 bytes) or in hexadecimal (8) */
#define ENCODED_MIN 16 /* bytes of a secret that no text has by chance */
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

/* --- redaction ----------------------------------------------------------------- */

/* How the characters of a secret may be written. */
enum form {
	FORM_PLAIN,   /* as they are */
	FORM_HEX,     /* digits in either case */
	FORM_BASE64,  /* - and _ for + and / */
	FORM_ESCAPED, /* escaped or not, in either case, white space between */
};

static char
folded(char c, enum form form)
{
	if (form == FORM_BASE64)
		return c == '-' ? '+' : c == '_' ? '/' : c;
	if (form != FORM_PLAIN && c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c;
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = folded(c, FORM_HEX);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* An ASCII character by its number: s from `from` on has at most `most` digits,
 * then `end`, or exactly so many without one. The length of s up to there; 0
 * if it is none. */
static size_t
numbered(struct str s, size_t from, int base, size_t most, char end, char *c)
{
	size_t n = from;
	int v = 0;

	while (n < s.n && n - from < most && digit_value(s.p[n]) < base)
		v = (v * base + digit_value(s.p[n++])) & 0xffff;
	if (n == from || v < 0x20 || v > 0x7e || (!end && n - from < most))
		return 0;
	*c = (char)v;
	if (!end)
		return n;
	return n < s.n && s.p[n] == end ? n + 1 : 0;
}

/* The character, into *c, that s begins with, escaped or not; its length
 * there. s is not empty. */
static size_t
unescape(struct str s, char *c)
{
	char next = s.n > 1 ? s.p[1] : '\0';
	size_t n = 0;

	if (s.p[0] == '\\' && next == 'u') {
		n = numbered(s, 2, 16, 4, '\0', c);
	} else if (s.p[0] == '\\' && next && strchr("nrt", next)) {
		*c = ' ';
		n = 2;
	} else if (s.p[0] == '\\' && next && strchr("\"\\/", next)) {
		*c = next;
		n = 2;
	} else if (s.p[0] == '%') {
		n = numbered(s, 1, 16, 2, '\0', c);
	} else if (str_starts(s, "&#x") || str_starts(s, "&#X")) {
		n = numbered(s, 3, 16, 6, ';', c);
	} else if (str_starts(s, "&#")) {
		n = numbered(s, 2, 10, 6, ';', c);
	} else if (str_starts(s, "&amp;")) {
		*c = '&';
		n = 5;
	}
	if (n == 0)
		*c = s.p[0];
	return n ? n : 1;
}

#define LONGEST_ESCAPE 10 /* &#x000041; */

/* The same of the character that ends at `end`, which is not 0. */
static size_t
unescape_before(struct str text, size_t end, char *c)
{
	for (size_t n = LONGEST_ESCAPE; n > 1; n--)
		if (n <= end && unescape(str_sub(text, end - n, n), c) == n)
			return n;
	*c = text.p[end - 1];
	return 1;
}

static bool
is_white(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* How many characters of `what`, from its start, the text has at *at, which is
 * moved behind them. */
static size_t
agree_from(struct str what, struct str text, size_t *at, enum form form)
{
	size_t n = 0, i = *at, length = 1;
	char c;

	for (; n < what.n && i < text.n; i += length) {
		c = text.p[i];
		if (form == FORM_ESCAPED)
			length = unescape(str_sub(text, i, text.n), &c);
		if (folded(c, form) == folded(what.p[n], form)) {
			n++;
			*at = i + length;
		} else if (form != FORM_ESCAPED || !n || !is_white(c)) {
			break;
		}
	}
	return n;
}

/* Where the last characters of `what` begin that the text has before `end`. */
static size_t
agree_before(struct str what, struct str text, size_t end, enum form form)
{
	size_t n = what.n, from = end, i = end, length = 1;
	char c;

	for (; n > 0 && i > 0; i -= length) {
		c = text.p[i - 1];
		if (form == FORM_ESCAPED)
			length = unescape_before(text, i, &c);
		if (folded(c, form) == folded(what.p[n - 1], form)) {
			n--;
			from = i - length;
		} else if (form != FORM_ESCAPED || !is_white(c)) {
			break;
		}
	}
	return from;
}

/* Mark every run of at least `run` characters that `what` begins or ends
 * with. */
static void
mark_runs(struct str what, struct str text, enum form form, size_t run,
    char *mark)
{
	struct str last;
	size_t at, from;

	if (run > what.n)
		run = what.n;
	last = str_sub(what, what.n - run, run);
	for (size_t i = 0; run && i < text.n; i++) {
		at = i;
		if (agree_from(what, text, &at, form) >= run)
			memset(mark + i, 1, at - i);
		at = i;
		if (agree_from(last, text, &at, form) == run) {
			from = agree_before(str_sub(what, 0, what.n - run),
			    text, i, form);
			memset(mark + from, 1, at - from);
		}
	}
}

/* Six bits of the secret from bit `at` on, as base64. */
static char
base64_digit(const struct secret *s, size_t at)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char high = (unsigned char)s->p[at / 8];
	unsigned char low = at / 8 + 1 < s->n ?
	    (unsigned char)s->p[at / 8 + 1] : 0;

	return digits[((unsigned)high << 8 | low) >> (10 - at % 8) & 0x3f];
}

/*
 * Encoded together with what is before and behind it, `skip` bits of the
 * secret share a digit with what is before. Only whole digits are looked for.
 */
static void
mark_base64(const struct secret *s, size_t skip, struct str text, char *what,
    char *mark)
{
	size_t n = 0;

	for (size_t at = skip; at + 6 <= 8 * s->n; at += 6)
		what[n++] = base64_digit(s, at);
	mark_runs((struct str){ what, n }, text, FORM_BASE64, RUN_ENCODED,
	    mark);
}

static void
mark_hex(const struct secret *s, struct str text, char *what, char *mark)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < s->n; i++) {
		what[2 * i] = digits[(unsigned char)s->p[i] >> 4];
		what[2 * i + 1] = digits[(unsigned char)s->p[i] & 15];
	}
	mark_runs((struct str){ what, 2 * s->n }, text, FORM_HEX, RUN_ENCODED,
	    mark);
}

/* All runs are found before any is overwritten: they overlap. */
void
secret_redact(const struct secret *s, char *text, size_t n)
{
	struct str t = { text, n };
	char *mark, *what;

	if (s->n == 0 || n == 0)
		return;
	mark = calloc(n, 1);
	what = malloc(2 * s->n);
	if (mark && what) {
		mark_runs(secret_text(s), t, FORM_PLAIN, RUN_MIN, mark);
		if (s->n >= ENCODED_MIN) {
			mark_runs(secret_text(s), t, FORM_ESCAPED, RUN_MIN,
			    mark);
			mark_hex(s, t, what, mark);
			for (size_t skip = 0; skip < 6; skip += 2)
				mark_base64(s, skip, t, what, mark);
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (!mark || !what || mark[i]) /* no memory: nothing is shown */
			text[i] = '*';
	}
	if (what)
		explicit_bzero(what, 2 * s->n);
	free(what);
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
