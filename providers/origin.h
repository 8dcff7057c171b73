/*
 * origin.h -- when a request to an https server may start, so that connections
 * that can be shared (HTTP/2) are. It decides; it does no I/O.
 *
 * libcurl lets the first requests wait for a connection that they may be able to
 * share, but once that is full (servers allow some hundred streams) it opens one
 * for each request that finds no room. So, of the requests to one server:
 *
 *   nothing known  two are started, to see whether they share a connection
 *   HTTP/1         as many as there are
 *   HTTP/2         as many as find room at once; the first one that does not
 *                  opens a connection, and the others wait until it has done so,
 *                  or until an answer makes room
 *
 * NULL stands for a server in the clear, of which there is nothing to know.
 */
#ifndef PROVIDERS_ORIGIN_H
#define PROVIDERS_ORIGIN_H

#include "base/str.h"

struct origin; /* opaque: scheme, host and port */

/* The server of a url, among *all, made if need be. NULL: it is not https, or
 * *nomem is set. */
struct origin *origin_of(struct origin **all, struct str url, bool *nomem);
void origin_free_all(struct origin *all);

bool origin_lets_start(const struct origin *o);
/* What becomes of a request (any pointer that tells it from others), in this
 * order: it was started, */
void origin_started(struct origin *o, const void *request);
/* it was given a connection, and leaves from this port of ours, */
void origin_left(struct origin *o, const void *request, int port);
/* it was answered, by HTTP/2 or not; or no connection came about, */
void origin_answered(struct origin *o, bool shared);
void origin_failed(struct origin *o);
/* and it is over. */
void origin_ended(struct origin *o);

#endif
