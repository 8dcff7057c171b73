/*
 * key.c -- the key of a provider, and where it may be sent.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "providers/provider.h"

static int
key_from(enum key_source source, const char *ref, struct secret *out,
    struct err *e)
{
	switch (source) {
	case KEY_ENV:
		return secret_from_env(out, ref, e);
	case KEY_FILE:
		return secret_from_file(out, ref, e);
	case KEY_CMD:
		return secret_from_command(out, ref, e);
	case KEY_NONE:
		break;
	}
	return 0;
}

int
provider_key(const struct provider *p, struct secret *out, struct err *e)
{
	char *ref;
	int rc;

	*out = (struct secret){ .p = NULL };
	if (p->key_source == KEY_NONE)
		return 0;
	ref = str_dup(p->key_ref);
	if (!ref)
		return err_nomem(e);
	rc = key_from(p->key_source, ref, out, e);
	free(ref);
	if (rc < 0)
		return err_in(e, "provider '%.*s'", STR_ARG(p->name));
	return 0;
}

static bool
all_of(struct str s, const char *chars)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || !strchr(chars, s.p[i]))
			return false;
	return s.n > 0;
}

static bool
is_host(struct str host)
{
	if (str_starts(host, "["))
		return all_of(str_sub(host, 1, host.n - 2),
		    "0123456789abcdefABCDEF:.");
	return all_of(host, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
}

/* What comes before the first of the characters that end an authority. */
static struct str
authority(struct str rest)
{
	size_t n = 0;

	while (n < rest.n && !strchr("/?#", rest.p[n]))
		n++;
	return str_sub(rest, 0, n);
}

/* A URL has printable ASCII only, and a backslash is read as a slash by some. */
static bool
is_plain(struct str url)
{
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] >= 0x7f || url.p[i] == '\\')
			return false;
	return true;
}

static bool
cut_scheme(struct str *url, bool *https)
{
	struct str scheme;

	if (!str_cut(url, ':', &scheme) || !str_starts(*url, "//"))
		return false;
	*url = str_sub(*url, 2, url->n);
	*https = str_is_nocase(scheme, "https");
	return *https || str_is_nocase(scheme, "http");
}

bool
provider_url_parse(struct str url, struct url_parts *out)
{
	struct url_parts u = { .https = false };
	struct str rest;
	size_t n;
	int64_t port;

	if (!is_plain(url) || !cut_scheme(&url, &u.https))
		return false;
	rest = authority(url);
	for (n = rest.n; n > 0 && rest.p[n - 1] != '@'; n--)
		;
	u.userinfo = n > 0;
	rest = str_sub(rest, n, rest.n);
	/* The end of the host: its bracket, or the colon before the port. */
	n = 0;
	if (str_starts(rest, "["))
		while (n < rest.n && rest.p[n] != ']')
			n++;
	while (n < rest.n && rest.p[n] != ':')
		n++;
	u.host = str_sub(rest, 0, n);
	if (!is_host(u.host) || (u.host.p[0] == '[' && u.host.p[n - 1] != ']'))
		return false;
	if (n < rest.n) {
		u.port = str_sub(rest, n + 1, rest.n);
		if (!all_of(u.port, "0123456789") ||
		    !str_to_i64(u.port, &port) || port < 1 || port > 65535)
			return false;
	}
	*out = u;
	return true;
}

/* 127.0.0.0/8 in full, localhost, or any spelling of [::1]. */
static bool
is_loopback(struct str host)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;

	if (str_is_nocase(host, "localhost"))
		return true;
	if (str_starts(host, "["))
		host = str_sub(host, 1, host.n - 2);
	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool
provider_is_local(const struct provider *p)
{
	struct url_parts u;

	return provider_url_parse(p->url, &u) && is_loopback(u.host);
}

int
provider_url_check(const struct provider *p, struct err *e)
{
	struct url_parts u;

	if (p->key_source == KEY_NONE || p->auth == AUTH_NONE)
		return 0;
	if (p->ops->flags & PROVIDER_OFFLINE)
		return 0;
	if (!provider_url_parse(p->url, &u))
		return err_set(e, ERR_CONFIG, "provider '%.*s': the url is not "
		    "one of http or https", STR_ARG(p->name));
	if (u.https || is_loopback(u.host))
		return 0;
	return err_set(e, ERR_CONFIG, "provider '%.*s': the key would go to "
	    "'%.*s' over plain http, where anyone on the way can read it; use "
	    "https", STR_ARG(p->name), STR_ARG(u.host));
}
