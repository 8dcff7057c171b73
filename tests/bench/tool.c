/*
 * tool.c -- what the benchmark's shell script cannot do by itself:
 *
 *	tool run COMMAND...   run it, its output to /dev/null, and print
 *	                      "WALL_US CPU_US PEAK_KB": of the whole process
 *	tool sync FOLDER      microseconds of an fdatasync after 4 KB there
 *	tool get PORT PATH    ask the server on 127.0.0.1; "post" likewise
 *	tool sql FILE TEXT    run it on a SQLite file; the first column of each
 *	                      row is printed
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SYNCS 101

extern char **environ;

static int
fail(const char *what)
{
	fprintf(stderr, "tool: %s: %s\n", what, strerror(errno));
	return 1;
}

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double
time_us(struct timeval t)
{
	return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static int
run(char **command)
{
	posix_spawn_file_actions_t actions;
	double began, wall;
	struct rusage u;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	began = now_us();
	errno = posix_spawnp(&pid, command[0], &actions, NULL, command,
	    environ);
	if (errno)
		return fail(command[0]);
	if (wait4(pid, &status, 0, &u) < 0)
		return fail("wait4");
	wall = now_us() - began;
	posix_spawn_file_actions_destroy(&actions);
	printf("%.0f %.0f %ld\n", wall, time_us(u.ru_utime)
	    + time_us(u.ru_stime), u.ru_maxrss);
	return status == 0 ? 0 : 1;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int
sync_time(const char *folder)
{
	static const char page[4096];
	double took[SYNCS];
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/sync", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(path);
	for (int i = 0; i < SYNCS; i++) {
		double began;

		if (write(fd, page, sizeof(page)) != sizeof(page))
			return fail(path);
		began = now_us();
		if (fdatasync(fd) < 0)
			return fail(path);
		took[i] = now_us() - began;
	}
	close(fd);
	unlink(path);
	qsort(took, SYNCS, sizeof(*took), compare);
	printf("%.0f\n", took[SYNCS / 2]);
	return 0;
}

/* Print the body of the answer, which comes whole and ends the connection. */
static int
ask(const char *method, const char *port, const char *path)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)strtol(port, NULL, 10)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static char text[1 << 20];
	size_t n = 0;
	ssize_t got;
	char *body;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return fail("connect");
	dprintf(fd, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n\r\n", method, path);
	while (n < sizeof(text) - 1
	    && (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	close(fd);
	body = strstr(text, "\r\n\r\n");
	if (!body || strncmp(text, "HTTP/1.1 2", 10) != 0)
		return fail("answer");
	puts(body + 4);
	return 0;
}

static int
print_first(void *cookie, int n, char **values, char **names)
{
	(void)cookie;
	(void)n;
	(void)names;
	puts(values[0] ? values[0] : "");
	return 0;
}

static int
sql(const char *file, const char *text)
{
	sqlite3 *db = NULL;
	char *why = NULL;

	if (sqlite3_open(file, &db) != SQLITE_OK
	    || sqlite3_exec(db, text, print_first, NULL, &why) != SQLITE_OK) {
		fprintf(stderr, "tool: %s: %s\n", file, why ? why : "?");
		return 1;
	}
	return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "run") == 0 && argc > 2)
		return run(argv + 2);
	if (strcmp(what, "sync") == 0 && argc == 3)
		return sync_time(argv[2]);
	if (strcmp(what, "get") == 0 && argc == 4)
		return ask("GET", argv[2], argv[3]);
	if (strcmp(what, "post") == 0 && argc == 4)
		return ask("POST", argv[2], argv[3]);
	if (strcmp(what, "sql") == 0 && argc == 4)
		return sql(argv[2], argv[3]);
	fputs("usage: tool run|sync|get|post|sql ...; see tool.c\n", stderr);
	return 2;
}
