/*
 * origin.c -- when a request to an https server may start.
 */
#include <stdlib.h>
#include <string.h>

#include "providers/origin.h"

struct origin {
	struct origin *next;
	char *name;          /* https://host:port */
	bool known, shared;  /* shared: HTTP/2 */
	int port;            /* ours, of the first request that left; 0: none */
	size_t running;
	const void *opening; /* started last, and not left yet */
};

/* What comes before the path. */
static struct str
name_of(struct str url)
{
	size_t n = sizeof("https://") - 1;

	while (n < url.n && !strchr("/?#", url.p[n]))
		n++;
	return str_sub(url, 0, n);
}

struct origin *
origin_of(struct origin **all, struct str url, bool *nomem)
{
	struct str name;
	struct origin *o;

	if (!str_is_nocase(str_sub(url, 0, 8), "https://"))
		return NULL;
	name = name_of(url);
	for (o = *all; o; o = o->next)
		if (str_is(name, o->name))
			return o;
	o = calloc(1, sizeof(*o));
	if (o)
		o->name = str_dup(name);
	if (!o || !o->name) {
		free(o);
		*nomem = true;
		return NULL;
	}
	o->next = *all;
	return *all = o;
}

void
origin_free_all(struct origin *all)
{
	struct origin *o;

	while ((o = all)) {
		all = o->next;
		free(o->name);
		free(o);
	}
}

bool
origin_lets_start(const struct origin *o)
{
	if (!o || (o->known && !o->shared))
		return true;
	return o->known ? !o->opening : o->running < 2;
}

void
origin_started(struct origin *o, const void *request)
{
	if (!o)
		return;
	o->running++;
	if (o->shared)
		o->opening = request;
}

/* Two that are under way from the same port of ours share a connection. */
void
origin_left(struct origin *o, const void *request, int port)
{
	if (!o)
		return;
	if (o->opening == request)
		o->opening = NULL;
	if (o->known)
		return;
	o->known = o->port != 0;
	o->shared = o->port == port;
	o->port = port;
}

void
origin_answered(struct origin *o, bool shared)
{
	if (!o)
		return;
	o->known = true;
	o->shared = shared;
}

/* Where there is no connection, nobody waits for one: all fail together. */
void
origin_failed(struct origin *o)
{
	origin_answered(o, false);
}

/* There is room for one more. */
void
origin_ended(struct origin *o)
{
	if (!o)
		return;
	o->opening = NULL;
	if (--o->running == 0)
		o->port = 0;
}
