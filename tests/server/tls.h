/*
 * tls.h -- TLS with a certificate of the server's own. The one door to libssl.
 *
 * Key and certificate are made at start and live in memory; the certificate,
 * for localhost and 127.0.0.1, is also written to a file, so that a client can
 * be told to trust it.
 */
#ifndef TESTS_SERVER_TLS_H
#define TESTS_SERVER_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct tls_server; /* opaque: key, certificate, protocols */
struct tls;        /* opaque: one connection */

/* http2: offer it by ALPN, before http/1.1. SIGPIPE is ignored from now on. */
int tls_server_new(struct tls_server **out, const char *cert_file,
    bool http2, struct err *e);
void tls_server_free(struct tls_server *s); /* NULL is fine */

/* On a socket that does not block, which stays the caller's; the handshake
 * happens within the first tls_recv(). NULL: out of memory. */
struct tls *tls_accept(struct tls_server *s, int fd);
/* orderly: tell the other side that nothing more comes. NULL is fine. */
void tls_free(struct tls *t, bool orderly);

/* As recv() and send() do it: bytes, 0 at the end, or -1 and errno. */
ssize_t tls_recv(struct tls *t, void *to, size_t n);
ssize_t tls_send(struct tls *t, const void *from, size_t n);
/* There is more to receive that epoll does not know of. */
bool tls_pending(struct tls *t);
bool tls_is_http2(struct tls *t); /* agreed on, in the handshake */

#endif
