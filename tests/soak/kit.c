/*
 * kit.c -- what the scripts of tests/soak need besides a shell:
 *
 *   kit get PORT PATH        the body of http://127.0.0.1:PORT/PATH
 *   kit post PORT PATH
 *   kit pick NAME... <JSON   values of members (a.b: b in a), a line each;
 *                            `-` where there is none. Dollars (*_usd) come as
 *                            whole picodollars.
 *   kit table NAME,... FILE  the same for each line of a file of JSON lines,
 *                            with tabs between the values of a line
 *   kit flip FILE AT COUNT SEED   other bytes in COUNT places from AT on
 *   kit lower LIMIT COMMAND...    run it with files of at most LIMIT bytes,
 *                            SIGXFSZ ignored, so that a write says EFBIG
 *
 * Exit status: 0, 1 if something failed, 2 for a wrong command line.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/money.h"
#include "base/rand.h"

static int
fail(const char *what)
{
	fprintf(stderr, "kit: %s: %s\n", what, strerror(errno));
	return 1;
}

/* --- HTTP ------------------------------------------------------------------ */

static int
connect_to(const char *port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool
read_all(int fd, struct buf *out)
{
	ssize_t n;

	do {
		if (!buf_reserve(out, 1 << 16))
			return false;
		n = read(fd, out->p + out->n, 1 << 16);
		if (n > 0)
			out->n += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (out->p)
		out->p[out->n] = '\0';
	return n == 0;
}

static int
ask(const char *method, const char *port, const char *path)
{
	struct buf text;
	ptrdiff_t end;
	int fd = connect_to(port), rc = 1;

	buf_init(&text, BUF_MAX);
	buf_addf(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n\r\n", method, path);
	if (fd < 0 || text.failed ||
	    send(fd, text.p, text.n, MSG_NOSIGNAL) != (ssize_t)text.n)
		goto out;
	buf_clear(&text);
	if (!read_all(fd, &text))
		goto out;
	end = str_find(buf_str(&text), STR("\r\n\r\n"));
	if (end < 0 || !str_starts(buf_str(&text), "HTTP/1.1 200"))
		goto out;
	rc = fwrite(text.p + end + 4, 1, text.n - (size_t)end - 4, stdout) ==
	    text.n - (size_t)end - 4 ? 0 : 1;
out:
	if (rc)
		fail(path);
	if (fd >= 0)
		close(fd);
	buf_release(&text);
	return rc;
}

/* --- JSON ------------------------------------------------------------------ */

static const struct json *
at_path(const struct json *v, struct str path)
{
	char name[128];
	struct str head;
	bool more;

	do {
		more = str_cut(&path, '.', &head);
		snprintf(name, sizeof(name), "%.*s", STR_ARG(head));
		v = json_get(v, name);
	} while (more);
	return v;
}

static void
print_value(const struct json *doc, struct str path)
{
	const struct json *v = at_path(doc, path);
	struct buf text;
	double dollars;

	buf_init(&text, BUF_MAX);
	if (!v)
		buf_addc(&text, '-');
	else if (str_ends(path, "_usd") && json_double(v, &dollars))
		buf_addf(&text, "%lld", dollars < 0 ?
		    -(long long)money_from_double(-dollars) :
		    (long long)money_from_double(dollars));
	else
		json_print(&text, v, false);
	if (!text.failed)
		fputs(text.p, stdout);
	buf_release(&text);
}

static int
pick(char **names)
{
	struct json *doc = NULL;
	struct err e = { 0 };
	struct buf text;

	buf_init(&text, BUF_MAX);
	if (!read_all(0, &text) || !(doc = json_parse(buf_str(&text), &e))) {
		fprintf(stderr, "kit: %s: %s\n", e.msg, text.n ? text.p : "");
		buf_release(&text);
		return 1;
	}
	for (; *names; names++) {
		print_value(doc, str_of(*names));
		putchar('\n');
	}
	json_free(doc);
	buf_release(&text);
	return 0;
}

static int
table(const char *names, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int rc = 0;

	if (!f)
		return fail(path);
	while ((n = getline(&line, &cap, f)) > 0) {
		struct str rest = str_of(names), name;
		struct err e = { 0 };
		struct json *doc = json_parse((struct str){ line, (size_t)n },
		    &e);
		bool more;

		if (!doc) {
			fprintf(stderr, "kit: %s: %s: %s", path, e.msg, line);
			rc = 1;
			continue;
		}
		do {
			more = str_cut(&rest, ',', &name);
			print_value(doc, name);
			putchar(more ? '\t' : '\n');
		} while (more);
		json_free(doc);
	}
	free(line);
	fclose(f);
	return rc;
}

/* --- files ------------------------------------------------------------------ */

static int
flip(char **a)
{
	int64_t at, count, seed;
	struct stat st;
	struct rng rng;
	int fd, rc = 0;

	if (!str_to_i64(str_of(a[1]), &at) || !str_to_i64(str_of(a[2]), &count) ||
	    !str_to_i64(str_of(a[3]), &seed))
		return 2;
	fd = open(a[0], O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(a[0]);
	rng_seed(&rng, (uint64_t)seed);
	for (; rc == 0 && count > 0 && at < st.st_size; count--, at++) {
		unsigned char c;

		if (pread(fd, &c, 1, at) != 1)
			rc = fail(a[0]);
		c ^= (unsigned char)(rng_u64(&rng) % 255 + 1);
		if (rc == 0 && pwrite(fd, &c, 1, at) != 1)
			rc = fail(a[0]);
	}
	close(fd);
	return rc;
}

static int
lower(char **a)
{
	struct rlimit limit;
	int64_t bytes;

	if (!str_to_i64(str_of(a[0]), &bytes) || bytes < 0)
		return 2;
	limit.rlim_cur = limit.rlim_max = (rlim_t)bytes;
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return fail("setrlimit");
	execvp(a[1], a + 1);
	return fail(a[1]);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "get") && argc == 4)
		return ask("GET", argv[2], argv[3]);
	if (!strcmp(what, "post") && argc == 4)
		return ask("POST", argv[2], argv[3]);
	if (!strcmp(what, "pick") && argc > 2)
		return pick(argv + 2);
	if (!strcmp(what, "table") && argc == 4)
		return table(argv[2], argv[3]);
	if (!strcmp(what, "flip") && argc == 6)
		return flip(argv + 2);
	if (!strcmp(what, "lower") && argc > 3)
		return lower(argv + 2);
	fprintf(stderr, "kit: see the beginning of tests/soak/kit.c\n");
	return 2;
}
