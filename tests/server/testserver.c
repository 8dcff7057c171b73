/*
 * testserver.c -- a scripted server on loopback that speaks OpenAI's chat
 * completions, for tests and benchmarks: over HTTP/1.1 in clear and, on the same
 * port, over HTTP/2 or HTTP/1.1 with TLS. `testserver --help` lists the options.
 *
 * It answers
 *
 *   POST any path that ends in /chat/completions
 *   GET  any path that ends in /models
 *   GET  /stats        what it has seen, as JSON
 *   POST /reset        zero the counts; /reset?rules also rewinds the script
 *   POST /release      what waits for the end of its delay goes out now;
 *                      /release?3: only the answer to request 3;
 *                      /release?always: nor is any delayed until a reset
 *
 * and everything else with 404. The last three are neither counted nor logged.
 *
 *
 * The script (--script FILE) has one rule a line, a JSON object; lines that
 * begin with # and empty ones are passed over. The rules are tried in order on
 * each request, and the first one that fits and has `times` left fires. All
 * members may be missing:
 *
 *   {"match": {"model": "m",      the request's model is this
 *              "contains": "x",   the text of some message has this in it
 *              "path": "/v1/..."  the path is this
 *              "seen": 1,         its body had come so often before
 *              "chance": 0.05,    and so is chance (see below)
 *              "nth": 3},         it is the 3rd request that fits the rest
 *    "times": 2,                  the rule fires so often; else without end
 *    "reply": {...},              what the model says, see below
 *    "status": 429,
 *    "headers": {"Retry-After": "1"},   "Connection": "close" also closes
 *    "body": {...} or "text",     instead of a completion or an error body
 *    "delay_ms": 50,              before the answer, or the fault
 *    "fault": "...",              see below
 *    "drip_ms": 10,               for the faults "drip" and "drip_head"
 *    "billed": true,              the model ran (or not), whatever is answered
 *    "chunked": true,             the body comes in chunks, without a length
 *    "encoding": "gzip",          compressed, whatever the request accepts
 *    "bomb_mb": 100,              gzip that becomes so many MiB of zeros
 *    "size": 1000000,             padded to so many bytes, an object by one
 *                                 more member
 *    "blanks": 1000,              so many before the body
 *    "many_headers": 1000,        so many more header lines
 *    "long_header": 100000,       one more, with so many bytes
 *    "retry_after_date_s": 2,     Retry-After, as a date so far from now
 *    "clock_s": 3600,             the server's clock is so fast, in Date and
 *                                 in that date; both may be negative
 *    "echo_key": true,            {{key}} in body and headers is the key that
 *                                 the request came with
 *    "n": "ignore"}               one choice, however many were asked for;
 *                                 else "honour"
 *
 * A rule changes what it names, the rest stays as it is without a rule. A
 * status of 300 and above without a body has an error body in OpenAI's form.
 *
 * Chance goes by the request's body, how often it had come before, the rule and
 * --seed: in another run the same requests meet the same faults, in whatever
 * order they come.
 *
 * reply:
 *
 *   "text": "..."          what is said; {{prompt}} is the last user message,
 *                          {{n}} the number of the request (from 1)
 *   "texts": ["...", ...]  one after the other, for the choices of a request
 *                          and for the next requests, then from the start
 *   "finish": "stop"       finish_reason; else "length" where `max_tokens` or
 *                          `max_completion_tokens` cut the text, or "stop"
 *   "logprobs": "openai", "together" or "none"  the form in which they come
 *                          when they are asked for; else Together's if the
 *                          request's `logprobs` is a number
 *   "token_logprob": -0.01 of each token; or a list: the last one goes on
 *   "refusal": "..."       with content null
 *   "content": null
 *   "choices": "none"      no choices, though the model ran; or "empty"
 *   "usage": {...}         as it is; or "none"
 *   "cost": 0.001          usage.cost
 *   "model": "..."         else the one that was asked for
 *
 * Without a rule the text is "You said: ", the beginning of the last user
 * message and a line "#### N" with a number that depends on that message.
 * A token is a run of blanks and the run of other characters after it.
 * usage.prompt_tokens is the bytes of all messages / 4, rounded up, and
 * completion_tokens the number of tokens of all choices. In Together's form
 * the end token is among them, as it is there.
 *
 * fault:
 *
 *   "reset_before"         the connection is reset instead of an answer
 *   "close_after_request"  it is closed instead of an answer
 *   "silence"              it stays open and no answer comes
 *   "reset_after_headers"  the head of the answer, then a reset
 *   "truncate"             half of the body, then the end of the connection
 *   "stall"                half of the body, then nothing; it stays open
 *   "drip"                 16 bytes of the body every drip_ms
 *   "drip_head"            of the head too
 *   "bad_chunk"            chunks, one of them with a size that is no number
 *   "cut_chunk"            chunks, the connection ends within one
 *   "bad_json"             the last brackets are missing, the length is right
 *   "garbage"              random bytes instead, as many
 *   "refuse"               as "reset_before"; over HTTP/2 as below
 *   "goaway"               likewise
 *
 * Over HTTP/2 a fault is one of its stream, not of the connection:
 *
 *   "reset_before", "reset_after_headers"    RST_STREAM, INTERNAL_ERROR
 *   "refuse"               at once RST_STREAM, REFUSED_STREAM
 *   "goaway"               at once a GOAWAY that names the last stream that is
 *                          being answered: this one and all later ones are not
 *                          processed, those before it are answered, then the
 *                          connection is closed
 *   "close_after_request"  the connection is closed, with all that is under way
 *   "truncate", "bad_chunk", "cut_chunk"     half of the body, then END_STREAM
 *   "drip_head"            as "drip"
 *
 * "Connection: close" is a GOAWAY after the answer; "chunked" means nothing.
 *
 *
 * GET /stats: requests, by_path, by_model, by_status ("none": a fault before
 * the answer), connections accepted, tls_connections among them, http2_requests,
 * ignored_streams (begun after a GOAWAY; not among the requests), in_flight and
 * most_in_flight requests at once, faults, duplicates (requests with a body that
 * had come before), paid_twice (those whose body had been billed before),
 * answered_twice (billed ones whose body had been answered whole before), and
 * the bill:
 *
 *   billed_tokens, _prompt_tokens, _completion_tokens, _requests, _picousd
 *   answered_requests, _completions, _picousd   the last byte was written, and
 *                          the answer can be read and tells its usage
 *   unanswered_requests, _picousd   any other: cut short, the client gone, or
 *                          the usage not told. What is in neither is under way
 *   bill                   the same for each model
 *   refused                by --rpm, --tpm and --max-at-once (at_once)
 *
 * A request is billed as soon as its model ran: also where a fault cuts the
 * answer short or the client does not wait for it. "reset_before", "silence",
 * "refuse", "goaway" and "close_after_request", and a rule's own status or body,
 * bill nothing, unless the rule says "billed": true.
 *
 * With --rpm or --tpm each answer has OpenAI's x-ratelimit-* headers, which
 * are true, and a refusal Retry-After and retry-after-ms. Refused requests use
 * up no rule.
 *
 * The log (--log FILE) has a JSON line for each request, written before its
 * answer goes out: n, t_ms (since the start), http2, method, path, query, headers
 * (names in lower case; of keys only "present" and a hash), body (or body_text
 * if it is not JSON), rule (its line in the script, 0: none), status, fault.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/server/server.h"

static const char usage[] =
    "usage: testserver [options]\n"
    "  --port N        port on 127.0.0.1; 0, the default, is any free one\n"
    "  --ready FILE    write the port to FILE once it can be connected to\n"
    "  --script FILE   rules, one JSON object a line\n"
    "  --log FILE      append a JSON line for each request\n"
    "  --latency-ms N  delay of answers that no rule delays\n"
    "  --jitter-ms N   up to so much more, at random\n"
    "  --seed N        of everything random; 0 is the default\n"
    "  --price M=I,O   what model M costs: picodollars for a token of input\n"
    "                  and of output; 0,0 without it; may be repeated\n"
    "  --rpm N         requests a minute for each model, then 429\n"
    "  --tpm N         tokens a minute: prompt and output limit together\n"
    "  --burst-s N     as many at once as come in N seconds (60)\n"
    "  --max-at-once N requests under way in all\n"
    "  --tls-cert FILE speak TLS too, on the same port: the certificate, made\n"
    "                  anew, is written to FILE\n"
    "  --http1         no HTTP/2 over TLS\n"
    "  --max-streams N of an HTTP/2 connection at once (100)\n"
    "  --lifetime N    seconds until it ends by itself (600)\n"
    "  --quiet         do not print the port\n"
    "It ends on SIGTERM, SIGINT and when its parent ends.\n";

struct options {
	int64_t lifetime_s;
	struct server_options server;
	struct site site; /* what of it can be set */
	const char *ready, *script, *log;
	bool quiet;
};

static int
number(const char *name, const char *text, int64_t max, int64_t *out,
    struct err *e)
{
	if (!str_to_i64(str_of(text), out) || *out < 0 || *out > max)
		return err_set(e, ERR_USAGE, "--%s: '%s' is not a number from "
		    "0 to %lld", name, text, (long long)max);
	return 0;
}

/* The options that are a number, and where it goes. */
static const struct count_option {
	const char *name;
	int64_t max;
	size_t offset;
} counts[] = {
#define AT(f) offsetof(struct options, f)
	{ "port", 65535, AT(server.port) },
	{ "max-streams", 1000000, AT(server.max_streams) },
	{ "lifetime", 86400, AT(lifetime_s) },
	{ "latency-ms", 3600000, AT(site.latency_ms) },
	{ "jitter-ms", 3600000, AT(site.jitter_ms) },
	{ "seed", INT64_MAX, AT(site.seed) },
	{ "rpm", 1000000000, AT(site.stats.limits.rpm) },
	{ "tpm", 1000000000000, AT(site.stats.limits.tpm) },
	{ "burst-s", 3600, AT(site.stats.limits.burst_s) },
	{ "max-at-once", 1000000, AT(site.stats.limits.at_once) },
#undef AT
};
#define COUNTS (sizeof(counts) / sizeof(counts[0]))

/* The numbers come first, and are told apart by their place. */
enum { READY = COUNTS, SCRIPT, LOG, PRICE, TLS_CERT, HTTP1, QUIET, HELP,
    OPTIONS };

static int
take_option(struct options *o, int which, const char *value, struct err *e)
{
	switch (which) {
	case READY:
		o->ready = value;
		return 0;
	case SCRIPT:
		o->script = value;
		return 0;
	case LOG:
		o->log = value;
		return 0;
	case PRICE:
		return bill_price(&o->site.stats.bill, value, e);
	case TLS_CERT:
		o->server.tls_cert = value;
		return 0;
	case HTTP1:
		o->server.http1 = true;
		return 0;
	case QUIET:
		o->quiet = true;
		return 0;
	case HELP:
		fputs(usage, stdout);
		exit(0);
	}
	if (which < 0 || which >= (int)COUNTS)
		return err_set(e, ERR_USAGE, "see --help");
	return number(counts[which].name, value, counts[which].max,
	    (int64_t *)((char *)o + counts[which].offset), e);
}

static int
parse_options(struct options *o, int argc, char **argv, struct err *e)
{
	struct option table[OPTIONS + 1] = {
		[READY] = { "ready", required_argument, NULL, READY },
		[SCRIPT] = { "script", required_argument, NULL, SCRIPT },
		[LOG] = { "log", required_argument, NULL, LOG },
		[PRICE] = { "price", required_argument, NULL, PRICE },
		[TLS_CERT] = { "tls-cert", required_argument, NULL, TLS_CERT },
		[HTTP1] = { "http1", no_argument, NULL, HTTP1 },
		[QUIET] = { "quiet", no_argument, NULL, QUIET },
		[HELP] = { "help", no_argument, NULL, HELP },
	};
	int c, rc = 0;

	for (int i = 0; i < (int)COUNTS; i++)
		table[i] = (struct option){ counts[i].name, required_argument,
		    NULL, i };
	o->lifetime_s = 600;
	o->server.max_streams = 100;
	o->site.stats.limits.burst_s = 60;
	while (rc == 0 && (c = getopt_long(argc, argv, "", table, NULL)) >= 0)
		rc = take_option(o, c, optarg, e);
	if (rc == 0 && optind < argc)
		rc = err_set(e, ERR_USAGE, "unexpected argument '%s'",
		    argv[optind]);
	return rc;
}

/* Beside its place and renamed into it, so that nobody reads half of it. */
static int
write_port(const char *path, int port, struct err *e)
{
	struct buf beside;
	FILE *f;
	int rc = -1;

	buf_init(&beside, 4096);
	buf_addf(&beside, "%s.new", path);
	f = beside.failed ? NULL : fopen(beside.p, "we");
	if (f) {
		fprintf(f, "%d\n", port);
		if (fclose(f) == 0 && rename(beside.p, path) == 0)
			rc = 0;
	}
	if (rc < 0)
		err_sys(e, ERR_IO, "cannot write '%s'", path);
	buf_release(&beside);
	return rc;
}

static int
serve(struct options *o, struct err *e)
{
	struct server *server = NULL;
	struct site *site = &o->site;
	int rc = -1;

	if (site_init(site, o->script, o->log, e) < 0)
		goto out;
	if (server_open(&server, site, &o->server, e) < 0)
		goto out;
	if (!o->quiet) {
		printf("%d\n", server_port(server));
		fflush(stdout);
	}
	if (o->ready && write_port(o->ready, server_port(server), e) < 0)
		goto out;
	rc = server_run(server, o->lifetime_s * 1000, e);
out:
	server_close(server);
	site_release(site);
	return rc;
}

int
main(int argc, char **argv)
{
	pid_t parent = getppid();
	struct err e = { 0 };
	static struct options o;

	if (parse_options(&o, argc, argv, &e) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			return 0; /* it ended before it could be told */
		if (serve(&o, &e) == 0)
			return 0;
	}
	fprintf(stderr, "testserver: %s\n", e.msg);
	return err_status(e.code);
}
