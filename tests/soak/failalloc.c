/*
 * failalloc.c -- an LD_PRELOAD library that lets allocations fail, to see what
 * a program does then.
 *
 *   FAILALLOC=N       the Nth allocation of the process fails (from 1)
 *   FAILALLOC=N+      it and all after it
 *   FAILALLOC=0       none; at the exit their number is said
 *
 * malloc, calloc, realloc, reallocarray, posix_memalign, aligned_alloc and what
 * is built on them (strdup, getline, fopen, ...), in all threads; and mmap of
 * anonymous memory. Only the process that was started counts, not its children.
 * With FAILALLOC_SHOW=1 the call that failed is shown by its return addresses.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own allocator under its other names. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);

static atomic_long count;
static long fail_at = -1; /* -1: not yet known, nothing is counted */
static bool all_after, show;
static pid_t us;

static void
say_count(void)
{
	char text[64];
	int n;

	if (getpid() != us)
		return;
	n = snprintf(text, sizeof(text), "failalloc: %ld\n",
	    atomic_load(&count));
	if (write(2, text, (size_t)n) < 0)
		return;
}

__attribute__((constructor)) static void
start(void)
{
	const char *at = getenv("FAILALLOC");

	if (!at)
		return;
	us = getpid();
	all_after = strchr(at, '+') != NULL;
	show = getenv("FAILALLOC_SHOW") != NULL;
	if (show) {
		void *warm[2];

		backtrace(warm, 2); /* loads libgcc, which allocates */
	}
	/* Those we start are to be left alone. */
	unsetenv("LD_PRELOAD");
	if (atol(at) == 0)
		atexit(say_count);
	fail_at = atol(at);
}

static bool
fails(void)
{
	static __thread bool showing;
	void *frames[24];
	long n;

	if (fail_at < 0 || showing || getpid() != us)
		return false;
	n = atomic_fetch_add(&count, 1) + 1;
	if (fail_at == 0 || (n != fail_at && !(all_after && n > fail_at)))
		return false;
	if (show && n == fail_at) {
		showing = true;
		backtrace_symbols_fd(frames, backtrace(frames, 24), 2);
		showing = false;
	}
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}

void *
reallocarray(void *p, size_t n, size_t size)
{
	if (fails())
		return NULL;
	if (size && n > (size_t)-1 / size) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(p, n * size);
}

void *
aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : __libc_memalign(align, n);
}

int
posix_memalign(void **out, size_t align, size_t n)
{
	void *p;

	if (fails() || !(p = __libc_memalign(align, n)))
		return ENOMEM;
	*out = p;
	return 0;
}

char *
strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = malloc(n);

	return copy ? memcpy(copy, s, n) : NULL;
}

char *
strndup(const char *s, size_t most)
{
	size_t n = strnlen(s, most);
	char *copy = malloc(n + 1);

	if (!copy)
		return NULL;
	copy[n] = '\0';
	return memcpy(copy, s, n);
}
