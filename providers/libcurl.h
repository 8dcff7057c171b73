/*
 * libcurl.h -- libcurl, loaded when a request is to be sent.
 *
 * Linked in, it would bring some 30 libraries and 5 ms to every start, of
 * `frugal --version` and of an answer out of the store too. So it is opened by
 * name, and libcurl.c has functions of the same names as libcurl's that http.c
 * uses: they pass on to it. None but libcurl_load() may be called before that
 * has succeeded.
 */
#ifndef PROVIDERS_LIBCURL_H
#define PROVIDERS_LIBCURL_H

#include "base/err.h"

/* Once is enough, more does nothing; the thread that calls it is the only one
 * that may use libcurl. -1: it is not there, is not the one that this program
 * was built for, or there is no memory for it. */
int libcurl_load(struct err *e);
/* Before curl_global_init(), in a process that will speak no TLS: OpenSSL, which
 * libcurl starts whatever is asked for, leaves out its tables of ciphers, its
 * error texts and its configuration, a tenth of a whole request's start. */
void libcurl_spare_tls(void);

#endif
