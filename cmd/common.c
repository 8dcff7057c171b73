/*
 * common.c -- messages, configuration, store, standard output, tables.
 */
#include "cascade/key.h"
#include "cmd/common.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/input.h"
#include "base/money.h"
#include "base/utf8.h"

#define TERMINAL_MS 200
#define PLAIN_MS 30000
#define MAX_CELL 60
#define BAD_SHOWN 20   /* lines of recorded answers that cannot be read */
#define MAX_SAID 65536
#define FOLD 6         /* columns that a line that goes on is indented by */

/* --- messages --------------------------------------------------------------------- */

static bool status_shown;

void
say_status(struct str line)
{
	line = utf8_clip(line, (size_t)terminal_columns(STDERR_FILENO) - 1);
	fprintf(stderr, "\r%.*s\033[K", STR_ARG(line));
	status_shown = true;
}

void
say_no_status(void)
{
	if (status_shown)
		fputs("\r\033[K", stderr);
	status_shown = false;
}

void
say_share(bool quiet, const char *what, double share)
{
	static int64_t said_ms = -1;
	bool terminal = is_terminal(STDERR_FILENO);
	int64_t now = clock_mono_ms();
	char line[80];

	if (said_ms < 0)
		said_ms = now;
	if (quiet || now - said_ms < (terminal ? TERMINAL_MS : PLAIN_MS))
		return;
	said_ms = now;
	snprintf(line, sizeof(line), "%s: %.0f %%", what, 100 * share);
	if (terminal)
		say_status(str_of(line));
	else
		say("%s", line);
}

void
say_reading(bool quiet, struct input *in, size_t i, size_t n)
{
	double size = (double)input_size(in), at = (double)input_offset(in);

	if (size > 0 && at >= 0 && at <= size)
		say_share(quiet, "reading", ((double)i + at / size)
		    / (double)n);
}

static void
say_line(struct str s)
{
	struct buf b;

	say_no_status();
	buf_init(&b, BUF_MAX);
	utf8_visible(&b, s, false);
	fprintf(stderr, "frugal: %s\n", b.p && !b.failed ? b.p
	    : "out of memory");
	buf_release(&b);
}

void
say(const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	buf_init(&b, MAX_SAID);
	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	/* Rather the beginning of a line that is too long than none of it. */
	if (b.failed) {
		buf_clear(&b);
		if (buf_reserve(&b, MAX_SAID)) {
			va_start(ap, fmt);
			vsnprintf(b.p, MAX_SAID, fmt, ap);
			va_end(ap);
			b.n = strlen(b.p);
		}
	}
	say_line(buf_str(&b));
	buf_release(&b);
}

int
say_err(const struct err *e)
{
	if (e->msg[0] && !is_closed_pipe(e))
		say_line(str_of(e->msg));
	return is_closed_pipe(e) ? 0 : err_status(e->code);
}

void
say_bad_record(int64_t nth, const struct err *e)
{
	if (nth <= BAD_SHOWN)
		say_err(e);
	if (nth == BAD_SHOWN)
		say("further lines that cannot be read are passed over without "
		    "a word");
}

void
say_block(const struct buf *lines)
{
	struct buf b;

	say_no_status();
	buf_init(&b, BUF_MAX);
	utf8_visible(&b, buf_str(lines), true);
	if (b.failed)
		fputs("frugal: out of memory\n", stderr);
	else if (b.n)
		fwrite(b.p, 1, b.n, stderr);
	buf_release(&b);
}

/* --- configuration and store -------------------------------------------------------- */

static int
no_config(struct err *e)
{
	return err_set(e, ERR_CONFIG, "no configuration found; give one with "
	    "-c FILE, write ./frugal.yaml, or try the simulated one with "
	    "-c demo");
}

int
common_config(const struct common *c, bool optional, bool warn,
    struct config **out, struct err *e)
{
	struct buf path, messages, warnings;
	int rc;

	buf_init(&path, 8192);
	buf_init(&messages, BUF_MAX);
	buf_init(&warnings, BUF_MAX);
	rc = config_find(c->config_path, &path, e);
	if (rc == 0)
		rc = optional ? config_empty(out, e) : no_config(e);
	else if (rc > 0)
		rc = config_load(out, path.p, &messages, &warnings, e);
	if (rc >= 0)
		limits_apply(&(*out)->limits);
	if (rc < 0 && messages.n)
		e->msg[0] = '\0';
	say_block(&messages);
	if (warn)
		say_block(&warnings);
	buf_release(&path);
	buf_release(&messages);
	buf_release(&warnings);
	return rc;
}

/* A request that an older version has kept, as it is known today. */
static int
renew(struct str old, struct buf *canon, unsigned char key[SHA256_BYTES],
    struct err *e)
{
	if (key_renew(old, canon, e) < 0)
		return -1;
	return key_of(buf_str(canon), key, e);
}

int
common_store(const struct common *c, const struct config *cfg, bool create,
    struct store **out, struct err *e)
{
	const char *env = getenv("FRUGAL_STORE");
	struct buf path;
	int rc = 0;

	buf_init(&path, 8192);
	if (c->store_path)
		buf_adds(&path, c->store_path);
	else if (cfg && cfg->store.n && !(env && *env))
		buf_add(&path, cfg->store);
	else
		rc = store_default_path(&path, e);
	/* What simulated models did has no place among real costs. */
	if (rc == 0 && cfg && cfg->simulated && !c->store_path
	    && !(env && *env) && str_ends(buf_str(&path), "/store.db")) {
		buf_cut(&path, path.n - 8);
		buf_adds(&path, "demo.db");
	}
	if (rc == 0 && path.failed)
		rc = err_nomem(e);
	if (rc == 0 && strcmp(path.p, "none") == 0) {
		*out = NULL;
		if (!create)
			rc = err_set(e, ERR_USAGE, "with the store 'none' "
			    "nothing is kept: there is nothing to look at; a "
			    "file of that name is ./none");
		buf_release(&path);
		return rc;
	}
	if (rc == 0 && !create && strcmp(path.p, ":memory:") != 0
	    && access(path.p, F_OK) < 0 && errno == ENOENT)
		rc = err_set(e, ERR_STORE, "there is no store '%s' yet; "
		    "`frugal run` makes one; name another with --store, or "
		    "see simulated runs with -c demo", path.p);
	store_renew_with(renew);
	if (rc == 0)
		rc = store_open(out, path.p, create ? STORE_CREATE : 0, e);
	buf_release(&path);
	return rc;
}

/* --- standard output ------------------------------------------------------------------ */

bool
is_terminal(int fd)
{
	return isatty(fd) == 1;
}

int
terminal_columns(int fd)
{
	struct winsize w;

	if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
		return w.ws_col;
	return 80;
}

bool
is_closed_pipe(const struct err *e)
{
	return e->code == ERR_IO && strcmp(e->msg, "closed pipe") == 0;
}

static int
out_failed(struct err *e)
{
	if (errno == EPIPE)
		return err_set(e, ERR_IO, "closed pipe");
	return err_sys(e, ERR_IO, "cannot write to standard output");
}

int
out_write(struct str s, struct err *e)
{
	if (s.n && fwrite(s.p, 1, s.n, stdout) != s.n)
		return out_failed(e);
	return 0;
}

int
out_text(struct str s, struct err *e)
{
	struct buf b;
	int rc;

	if (!is_terminal(STDOUT_FILENO))
		return out_write(s, e);
	buf_init(&b, BUF_MAX);
	utf8_visible(&b, s, true);
	rc = b.failed ? err_nomem(e) : out_write(buf_str(&b), e);
	buf_release(&b);
	return rc;
}

int
out_flush(struct err *e)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return out_failed(e);
	return 0;
}

/* --- tables ----------------------------------------------------------------------------- */

void
table_init(struct table *t, const char *align)
{
	*t = (struct table){ .align = align, .columns = strlen(align) };
	buf_init(&t->text, BUF_MAX);
}

void
table_cell_str(struct table *t, struct str s)
{
	utf8_oneline(&t->text, s, MAX_CELL);
	buf_addc(&t->text, '\0');
	t->cells++;
}

void
table_cell(struct table *t, const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	buf_init(&b, 65536);
	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	table_cell_str(t, buf_str(&b));
	buf_release(&b);
}

void
table_cell_money(struct table *t, int64_t picousd)
{
	struct buf b;

	buf_init(&b, 64);
	money_show(&b, picousd);
	table_cell_str(t, buf_str(&b));
	buf_release(&b);
}

static void
table_widths(const struct table *t, size_t *width)
{
	const char *p = t->text.p;

	for (size_t i = 0; i < t->cells; i++, p += strlen(p) + 1) {
		size_t n = utf8_columns(str_of(p)), k = i % t->columns;
		if (n > width[k])
			width[k] = n;
	}
}

static void
add_cell(struct buf *line, const char *cell, size_t width, bool right)
{
	size_t n = utf8_columns(str_of(cell));
	size_t pad = width > n ? width - n : 0;

	for (size_t i = 0; right && i < pad; i++)
		buf_addc(line, ' ');
	buf_adds(line, cell);
	for (size_t i = 0; !right && i < pad; i++)
		buf_addc(line, ' ');
	buf_adds(line, "  ");
}

/* The end of the line that began at `from`: no blanks, and no line that has
 * nothing else but to go on with one that has. */
static void
end_line(struct buf *out, size_t from, bool goes_on)
{
	size_t n = out->n;

	while (n > from && out->p[n - 1] == ' ')
		n--;
	buf_cut(out, n);
	if (n > from || !goes_on)
		buf_addc(out, '\n');
}

/* Where a row that is too wide for the terminal goes on in another line. */
static void
table_folds(const struct table *t, const size_t *width, bool *fold)
{
	size_t most = is_terminal(STDOUT_FILENO)
	    ? (size_t)terminal_columns(STDOUT_FILENO) : SIZE_MAX, n = 0;

	for (size_t k = 0; k < t->columns; k++) {
		fold[k] = k && n + 2 + width[k] > most;
		n = fold[k] ? FOLD + width[k] : n + (k ? 2 : 0) + width[k];
	}
}

static void
add_row(struct buf *out, const struct table *t, const char **p,
    const size_t *width, const bool *fold)
{
	size_t from = out->n;
	bool goes_on = false;

	for (size_t k = 0; k < t->columns; k++) {
		if (fold[k]) {
			end_line(out, from, goes_on);
			goes_on = true;
			from = out->n;
			buf_addf(out, "%*s", FOLD, "");
		}
		add_cell(out, *p, width[k], t->align[k] == 'r');
		*p += strlen(*p) + 1;
	}
	end_line(out, from, goes_on);
}

int
table_print(struct table *t, struct err *e)
{
	size_t width[32] = { 0 };
	bool fold[33] = { false };
	const char *p = t->text.p;
	struct buf line;
	int rc = 0;

	buf_init(&line, BUF_MAX);
	if (t->text.failed || t->columns > 32)
		rc = err_nomem(e);
	if (rc == 0) {
		table_widths(t, width);
		table_folds(t, width, fold);
	}
	for (size_t i = 0; rc == 0 && i + t->columns <= t->cells;
	    i += t->columns)
		add_row(&line, t, &p, width, fold);
	if (rc == 0)
		rc = line.failed ? err_nomem(e) : out_write(buf_str(&line), e);
	buf_release(&line);
	buf_release(&t->text);
	return rc;
}
