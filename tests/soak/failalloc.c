/*
 * failalloc.c -- an LD_PRELOAD library that lets allocations fail, to see what
 * a program does then. Compiled with FAILALLOC_WRAP it is linked into a program
 * (ld --wrap) whose own allocations it then lets fail, not those of shared
 * libraries: so it goes together with AddressSanitizer, which looks for what is
 * forgotten on the way out.
 *
 *   FAILALLOC=N       the Nth allocation of the process fails (from 1)
 *   FAILALLOC=N+      it and all after it
 *   FAILALLOC=0       none; at the exit their number is said
 *
 * malloc, calloc, realloc, reallocarray, posix_memalign, aligned_alloc and what
 * is built on them (strdup, getline, fopen, ...), in all threads. Only the process that was started counts, not its children.
 * What OpenSSL and libfyaml ask for is spared and not counted, unless
 * FAILALLOC_ALL is set: they crash on their own (libcrypto 3.0 takes a lock that
 * could not be made, in its start-up; libfyaml 0.7 goes on in
 * fy_parse_input_append()).
 * So is what the loader asks for where the program itself, no library, makes it
 * allocate thread-local data (see providers/libcurl.c): it has put memory by for
 * that and frees it just before, which a count cannot know. Where a library
 * first uses such data the allocation does fail, and the process is ended.
 * With FAILALLOC_SHOW=1 the call that failed is shown by its return addresses.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef FAILALLOC_WRAP
#define OURS(f) __wrap_##f
#define REAL(f) __real_##f
#else
/* glibc's own allocator under its other names. */
#define OURS(f) f
#define REAL(f) __libc_##f
extern void *__libc_memalign(size_t align, size_t n);
#endif
extern void *REAL(malloc)(size_t n);
extern void *REAL(calloc)(size_t n, size_t size);
extern void *REAL(realloc)(void *p, size_t n);
void *OURS(malloc)(size_t n);
void *OURS(calloc)(size_t n, size_t size);
void *OURS(realloc)(void *p, size_t n);
void *OURS(reallocarray)(void *p, size_t n, size_t size);
char *OURS(strdup)(const char *s);
char *OURS(strndup)(const char *s, size_t most);

static atomic_long count;
static long fail_at = -1; /* -1: not yet known, nothing is counted */
static bool all_after, show;
static pid_t us;

struct range { /* of code */
	uintptr_t from, to;
};
static struct range spared[8], program, loader, libc;
static size_t n_spared;

static void
note_range(uintptr_t from, uintptr_t n, struct range *r)
{
	r->from = from;
	r->to = from + n;
}

static int
note_library(struct dl_phdr_info *lib, size_t size, void *unused)
{
	bool spare = strstr(lib->dlpi_name, "libcrypto") ||
	    strstr(lib->dlpi_name, "libssl") ||
	    strstr(lib->dlpi_name, "libfyaml");

	(void)size;
	(void)unused;
	for (int i = 0; i < lib->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &lib->dlpi_phdr[i];
		uintptr_t from = lib->dlpi_addr + h->p_vaddr;

		if (h->p_type != PT_LOAD || !(h->p_flags & PF_X))
			continue;
		if (!lib->dlpi_name[0])
			note_range(from, h->p_memsz, &program);
		if (strstr(lib->dlpi_name, "/ld-linux"))
			note_range(from, h->p_memsz, &loader);
		if (strstr(lib->dlpi_name, "/libc.so"))
			note_range(from, h->p_memsz, &libc);
		if (spare && n_spared < sizeof(spared) / sizeof(spared[0]))
			note_range(from, h->p_memsz, &spared[n_spared++]);
	}
	return 0;
}

#ifndef FAILALLOC_WRAP
/* libssl comes with libcurl, late. */
void *
dlopen(const char *name, int how)
{
	static void *(*real)(const char *, int);
	void *lib;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "dlopen");
	lib = real(name, how);
	if (lib && fail_at >= 0 && !getenv("FAILALLOC_ALL")) {
		n_spared = 0;
		dl_iterate_phdr(note_library, NULL);
	}
	return lib;
}

static bool
within(const struct range *r, uintptr_t at)
{
	return at >= r->from && at < r->to;
}

/* Who called the library that `r` is the code of, and that asks now? */
static uintptr_t
called_by(const struct range *r)
{
	static __thread bool looking;
	void *frames[24];
	int n, i;

	if (looking)
		return 0;
	looking = true;
	n = backtrace(frames, 24);
	looking = false;
	for (i = 0; i < n && !within(r, (uintptr_t)frames[i]); i++)
		;
	while (i < n && within(r, (uintptr_t)frames[i]))
		i++;
	return i < n ? (uintptr_t)frames[i] : 0;
}

static bool
is_spared(uintptr_t caller)
{
	if (within(&loader, caller))
		return within(&program, called_by(&loader));
	if (within(&libc, caller)) /* asprintf() and the like */
		caller = called_by(&libc);
	for (size_t i = 0; i < n_spared; i++)
		if (within(&spared[i], caller))
			return true;
	return false;
}
#else
static bool
is_spared(uintptr_t caller)
{
	(void)caller;
	return false; /* libraries' allocations do not come here */
}
#endif

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

#ifndef FAILALLOC_WRAP
/* The program leaves by this, past what atexit() was told. */
void
_exit(int status)
{
	if (fail_at == 0)
		say_count();
	for (;;)
		syscall(SYS_exit_group, status);
}
#endif

__attribute__((constructor)) static void
start(void)
{
	const char *at = getenv("FAILALLOC");

	if (!at)
		return;
	us = getpid();
	all_after = strchr(at, '+') != NULL;
	show = getenv("FAILALLOC_SHOW") != NULL;
	backtrace((void *[2]){ NULL }, 2); /* loads libgcc, which allocates */
	if (!getenv("FAILALLOC_ALL"))
		dl_iterate_phdr(note_library, NULL);
	/* Those we start are to be left alone. */
	unsetenv("LD_PRELOAD");
	if (atol(at) == 0)
		atexit(say_count);
	fail_at = atol(at);
}

static bool
fails(const void *caller)
{
	static __thread bool showing;
	void *frames[24];
	long n;

	if (fail_at < 0 || showing || getpid() != us)
		return false;
	if (is_spared((uintptr_t)caller))
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
OURS(malloc)(size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : REAL(malloc)(n);
}

void *
OURS(calloc)(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : REAL(calloc)(n, size);
}

void *
OURS(realloc)(void *p, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : REAL(realloc)(p, n);
}

void *
OURS(reallocarray)(void *p, size_t n, size_t size)
{
	if (fails(__builtin_return_address(0)))
		return NULL;
	if (size && n > (size_t)-1 / size) {
		errno = ENOMEM;
		return NULL;
	}
	return REAL(realloc)(p, n * size);
}

#ifndef FAILALLOC_WRAP
void *
aligned_alloc(size_t align, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(align, n);
}

int
posix_memalign(void **out, size_t align, size_t n)
{
	void *p;

	if (fails(__builtin_return_address(0)) || !(p = __libc_memalign(align, n)))
		return ENOMEM;
	*out = p;
	return 0;
}
#endif

char *
OURS(strdup)(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = fails(__builtin_return_address(0)) ? NULL :
	    REAL(malloc)(n);

	return copy ? memcpy(copy, s, n) : NULL;
}

char *
OURS(strndup)(const char *s, size_t most)
{
	size_t n = strnlen(s, most);
	char *copy = fails(__builtin_return_address(0)) ? NULL :
	    REAL(malloc)(n + 1);

	if (!copy)
		return NULL;
	copy[n] = '\0';
	return memcpy(copy, s, n);
}
