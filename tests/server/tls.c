/*
 * tls.c -- TLS with a certificate of the server's own (libssl).
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/server/tls.h"

#define YEAR_S (365L * 86400)

struct tls_server {
	SSL_CTX *ctx;
	bool http2;
};

struct tls {
	SSL *ssl;
};

/* --- the certificate ---------------------------------------------------- */

static bool
add_names(X509 *x)
{
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL,
	    NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
	bool added = names && X509_add_ext(x, names, -1);

	X509_EXTENSION_free(names);
	return added;
}

static bool
fill_cert(X509 *x, EVP_PKEY *key)
{
	static const unsigned char cn[] = "localhost";
	X509_NAME *name = X509_get_subject_name(x);

	return X509_set_version(x, X509_VERSION_3)
	    && ASN1_INTEGER_set(X509_get_serialNumber(x), 1)
	    && X509_gmtime_adj(X509_getm_notBefore(x), -YEAR_S)
	    && X509_gmtime_adj(X509_getm_notAfter(x), YEAR_S)
	    && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, cn, -1, -1,
	    0)
	    && X509_set_issuer_name(x, name) && X509_set_pubkey(x, key)
	    && add_names(x) && X509_sign(x, key, EVP_sha256()) > 0;
}

static bool
write_cert(X509 *x, const char *path)
{
	FILE *f = fopen(path, "we");
	bool written;

	if (!f)
		return false;
	written = PEM_write_X509(f, x);
	return fclose(f) == 0 && written;
}

static int
use_own_cert(SSL_CTX *ctx, const char *path, struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	int rc = -1;

	if (!key || !x || !fill_cert(x, key)
	    || !SSL_CTX_use_certificate(ctx, x)
	    || !SSL_CTX_use_PrivateKey(ctx, key))
		err_set(e, ERR_IO, "cannot make a certificate");
	else if (!write_cert(x, path))
		err_sys(e, ERR_IO, "cannot write '%s'", path);
	else
		rc = 0;
	X509_free(x);
	EVP_PKEY_free(key);
	return rc;
}

/* --- the server ----------------------------------------------------------- */

static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *n,
    const unsigned char *in, unsigned int n_in, void *cookie)
{
	static const unsigned char ours[] = "\x02h2\x08http/1.1";
	const struct tls_server *s = cookie;
	unsigned from = s->http2 ? 0 : 3; /* after h2 */
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, n, ours + from,
	    (unsigned)sizeof(ours) - 1 - from, in, n_in)
	    != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

int
tls_server_new(struct tls_server **out, const char *cert_file, bool http2,
    struct err *e)
{
	struct tls_server *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(e);
	s->http2 = http2;
	s->ctx = SSL_CTX_new(TLS_server_method());
	if (!s->ctx) {
		tls_server_free(s);
		return err_nomem(e);
	}
	SSL_CTX_set_min_proto_version(s->ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(s->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
	    | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(s->ctx, choose_protocol, s);
	if (use_own_cert(s->ctx, cert_file, e) < 0) {
		tls_server_free(s);
		return -1;
	}
	signal(SIGPIPE, SIG_IGN); /* libssl writes without MSG_NOSIGNAL */
	*out = s;
	return 0;
}

void
tls_server_free(struct tls_server *s)
{
	if (!s)
		return;
	SSL_CTX_free(s->ctx);
	free(s);
}

/* --- one connection --------------------------------------------------------- */

struct tls *
tls_accept(struct tls_server *s, int fd)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ssl = SSL_new(s->ctx);
	if (!t->ssl || !SSL_set_fd(t->ssl, fd)) {
		tls_free(t, false);
		return NULL;
	}
	SSL_set_accept_state(t->ssl);
	return t;
}

void
tls_free(struct tls *t, bool orderly)
{
	if (!t)
		return;
	ERR_clear_error();
	if (orderly && SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl);
	SSL_free(t->ssl);
	free(t);
}

/* What a call that moved nothing means, in errno. A handshake that wants to
 * write is taken for one that waits: its few bytes always fit. */
static ssize_t
failed(struct tls *t, int rc)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	}
	errno = ECONNRESET;
	return -1;
}

ssize_t
tls_recv(struct tls *t, void *to, size_t n)
{
	size_t got;
	int rc;

	ERR_clear_error();
	rc = SSL_read_ex(t->ssl, to, n, &got);
	return rc == 1 ? (ssize_t)got : failed(t, rc);
}

ssize_t
tls_send(struct tls *t, const void *from, size_t n)
{
	size_t put;
	int rc;

	ERR_clear_error();
	rc = SSL_write_ex(t->ssl, from, n, &put);
	return rc == 1 ? (ssize_t)put : failed(t, rc);
}

bool
tls_pending(struct tls *t)
{
	return SSL_has_pending(t->ssl);
}

bool
tls_is_http2(struct tls *t)
{
	const unsigned char *name = NULL;
	unsigned n = 0;

	SSL_get0_alpn_selected(t->ssl, &name, &n);
	return n == 2 && memcmp(name, "h2", 2) == 0;
}
