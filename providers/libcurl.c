/*
 * libcurl.c -- libcurl is opened; its functions that http.c uses, each passed on.
 */
#include "providers/libcurl.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NAME "libcurl.so.4"
#define ROOM 65536 /* bytes, of which the loader needs one or two */

#define FUNCTIONS(F) \
	F(curl_version) F(curl_version_info) F(curl_global_init) \
	F(curl_multi_init) F(curl_multi_cleanup) F(curl_multi_setopt) \
	F(curl_multi_add_handle) F(curl_multi_remove_handle) \
	F(curl_multi_socket_action) F(curl_multi_info_read) \
	F(curl_easy_init) F(curl_easy_cleanup) F(curl_easy_setopt) \
	F(curl_easy_getinfo) F(curl_easy_strerror) \
	F(curl_url) F(curl_url_cleanup) F(curl_url_set) \
	F(curl_slist_append) F(curl_slist_free_all)

/* In <curl/curl.h> some of them are macros around the functions as well, which
 * check types: http.c keeps those. */
#undef curl_multi_setopt
#undef curl_easy_setopt
#undef curl_easy_getinfo

#define POINTER(name) __typeof__(&name) name;
static struct {
	FUNCTIONS(POINTER)
} lib;

/* --- thread-local data ---------------------------------------------------- */

/* What the loader calls where code uses a thread-local variable of a library
 * (the ABI's name and type: "ELF Handling For Thread-Local Storage", 3.4). */
struct tls_index {
	unsigned long module, offset;
};
extern void *__tls_get_addr(struct tls_index *);

/* A library whose block this thread has not got yet: its module number. */
static int
find_late(struct dl_phdr_info *l, size_t size, void *cookie)
{
	(void)size;
	if (!l->dlpi_tls_modid || l->dlpi_tls_data)
		return 0;
	*(size_t *)cookie = l->dlpi_tls_modid;
	return 1;
}

/*
 * The thread-local data of a library that is loaded late is allocated when a
 * thread first uses it, which may be in a destructor at the exit, and glibc ends
 * a process that has no memory for it then. So this thread gets all of it at
 * once, from memory that was put by before the libraries were loaded. (Debian 12:
 * 554 bytes, of GnuTLS, p11-kit and com_err. The thread in which libcurl looks
 * up names calls none of them.)
 */
static void
get_thread_data(void)
{
	size_t module, before = 0;

	while (dl_iterate_phdr(find_late, &module) && module != before) {
		(void)__tls_get_addr(&(struct tls_index){ .module = module });
		before = module;
	}
}

/*
 * LeakSanitizer (LLVM 14) takes what lies before such a block for a header of
 * glibc 2.19's where the block begins 16 bytes into a page, and crashes on it. So
 * in a program built with it it is told not to look. Nothing that we allocate is
 * kept in these blocks.
 */
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif
#ifdef WITH_ASAN
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "intercept_tls_get_addr=0";
}
#endif

/* --- loading ------------------------------------------------------------------ */

static int
fail_load(struct err *e)
{
	const char *why = dlerror();

	if (!why || strstr(why, strerror(ENOMEM)))
		return err_nomem(e);
	return err_set(e, ERR_NET, "cannot load libcurl: %s%s", why,
	    strstr(why, strerror(ENOENT)) ? "; install it (Debian: libcurl4)"
	    : "");
}

static int
find_functions(void *handle, struct err *e)
{
#define FIND(name) \
	if (!(*(void **)&lib.name = dlsym(handle, #name))) \
		return fail_load(e);
	FUNCTIONS(FIND)
	return 0;
}

/* It stays loaded, whatever comes: its libraries do not expect to be unloaded. */
static int
open_library(void **handle, struct err *e)
{
	void *room = malloc(ROOM);

	if (!room)
		return err_nomem(e);
	*handle = dlopen(NAME, RTLD_LAZY | RTLD_LOCAL);
	free(room);
	if (!*handle)
		return fail_load(e);
	get_thread_data();
	return 0;
}

int
libcurl_load(struct err *e)
{
	static void *handle;
	static bool ready;

	if (ready)
		return 0;
	if (!handle && open_library(&handle, e) < 0)
		return -1;
	if (find_functions(handle, e) < 0)
		return -1;
	ready = true;
	return 0;
}

/* What is left out once stays left out. Nothing depends on it that is not TLS, so
 * that it fails is no matter. */
void
libcurl_spare_tls(void)
{
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS
	    | OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS
	    | OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
}

/* --- passed on as they are -------------------------------------------------- */

char *
curl_version(void)
{
	return lib.curl_version();
}

curl_version_info_data *
curl_version_info(CURLversion of)
{
	return lib.curl_version_info(of);
}

CURLcode
curl_global_init(long flags)
{
	return lib.curl_global_init(flags);
}

CURLM *
curl_multi_init(void)
{
	return lib.curl_multi_init();
}

CURLMcode
curl_multi_cleanup(CURLM *m)
{
	return lib.curl_multi_cleanup(m);
}

CURLMcode
curl_multi_add_handle(CURLM *m, CURL *x)
{
	return lib.curl_multi_add_handle(m, x);
}

CURLMcode
curl_multi_remove_handle(CURLM *m, CURL *x)
{
	return lib.curl_multi_remove_handle(m, x);
}

CURLMcode
curl_multi_socket_action(CURLM *m, curl_socket_t fd, int events, int *running)
{
	return lib.curl_multi_socket_action(m, fd, events, running);
}

CURLMsg *
curl_multi_info_read(CURLM *m, int *left)
{
	return lib.curl_multi_info_read(m, left);
}

CURL *
curl_easy_init(void)
{
	return lib.curl_easy_init();
}

void
curl_easy_cleanup(CURL *x)
{
	lib.curl_easy_cleanup(x);
}

const char *
curl_easy_strerror(CURLcode code)
{
	return lib.curl_easy_strerror(code);
}

CURLU *
curl_url(void)
{
	return lib.curl_url();
}

void
curl_url_cleanup(CURLU *u)
{
	lib.curl_url_cleanup(u);
}

CURLUcode
curl_url_set(CURLU *u, CURLUPart what, const char *text, unsigned flags)
{
	return lib.curl_url_set(u, what, text, flags);
}

struct curl_slist *
curl_slist_append(struct curl_slist *list, const char *text)
{
	return lib.curl_slist_append(list, text);
}

void
curl_slist_free_all(struct curl_slist *list)
{
	lib.curl_slist_free_all(list);
}

/* --- with one argument of a type that the option tells -------------------------- */

CURLcode
curl_easy_setopt(CURL *x, CURLoption option, ...)
{
	CURLcode rc;
	va_list ap;

	va_start(ap, option);
	if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
		rc = lib.curl_easy_setopt(x, option, va_arg(ap, curl_off_t));
	else if (option < CURLOPTTYPE_OBJECTPOINT)
		rc = lib.curl_easy_setopt(x, option, va_arg(ap, long));
	else
		rc = lib.curl_easy_setopt(x, option, va_arg(ap, void *));
	va_end(ap);
	return rc;
}

CURLMcode
curl_multi_setopt(CURLM *m, CURLMoption option, ...)
{
	CURLMcode rc;
	va_list ap;

	va_start(ap, option);
	if ((int)option < CURLOPTTYPE_OBJECTPOINT)
		rc = lib.curl_multi_setopt(m, option, va_arg(ap, long));
	else
		rc = lib.curl_multi_setopt(m, option, va_arg(ap, void *));
	va_end(ap);
	return rc;
}

/* Always a pointer to where the answer goes. */
CURLcode
curl_easy_getinfo(CURL *x, CURLINFO info, ...)
{
	CURLcode rc;
	va_list ap;

	va_start(ap, info);
	rc = lib.curl_easy_getinfo(x, info, va_arg(ap, void *));
	va_end(ap);
	return rc;
}
