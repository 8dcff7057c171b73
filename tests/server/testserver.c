/*
 * testserver.c -- a scripted HTTP/1.1 server on loopback that speaks OpenAI's
 * chat completions, for tests and benchmarks. `testserver --help` lists the
 * options.
 *
 * It answers
 *
 *   POST any path that ends in /chat/completions
 *   GET  any path that ends in /models
 *   GET  /stats        what it has seen, as JSON
 *   POST /reset        zero the counts; /reset?rules also rewinds the script
 *
 * and everything else with 404. The last two are neither counted nor logged.
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
 *              "nth": 3},         it is the 3rd request that fits the rest
 *    "times": 2,                  the rule fires so often; else without end
 *    "reply": {...},              what the model says, see below
 *    "status": 429,
 *    "headers": {"Retry-After": "1"},   "Connection": "close" also closes
 *    "body": {...} or "text",     instead of a completion or an error body
 *    "delay_ms": 50,              before the answer, or the fault
 *    "fault": "...",              see below
 *    "drip_ms": 10,               for the fault "drip"
 *    "n": "ignore"}               one choice, however many were asked for;
 *                                 else "honour"
 *
 * A rule changes what it names, the rest stays as it is without a rule. A
 * status of 300 and above without a body has an error body in OpenAI's form.
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
 *   "drip"                 16 bytes of the body every drip_ms
 *
 *
 * GET /stats: requests, by_path, by_model, by_status ("none": a fault before
 * the answer), connections accepted, in_flight and most_in_flight requests at
 * once, faults, duplicates (requests with a body that had come before),
 * paid_twice (completions given for a body that had got one), and the billed
 * tokens. A completion that a fault cut short is billed; the first three
 * faults bill nothing.
 *
 * The log (--log FILE) has a JSON line for each request, written before its
 * answer goes out: n, t_ms (since the start), method, path, query, headers
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
    "  --lifetime N    seconds until it ends by itself (600)\n"
    "  --quiet         do not print the port\n"
    "It ends on SIGTERM, SIGINT and when its parent ends.\n";

struct options {
	int64_t port, latency_ms, lifetime_s;
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

static int
parse_options(struct options *o, int argc, char **argv, struct err *e)
{
	enum { PORT, READY, SCRIPT, LOG, LATENCY, LIFETIME, QUIET, HELP };
	static const struct option table[] = {
		{ "port", required_argument, NULL, PORT },
		{ "ready", required_argument, NULL, READY },
		{ "script", required_argument, NULL, SCRIPT },
		{ "log", required_argument, NULL, LOG },
		{ "latency-ms", required_argument, NULL, LATENCY },
		{ "lifetime", required_argument, NULL, LIFETIME },
		{ "quiet", no_argument, NULL, QUIET },
		{ "help", no_argument, NULL, HELP },
		{ NULL, 0, NULL, 0 },
	};
	int c, rc = 0;

	*o = (struct options){ .lifetime_s = 600 };
	while (rc == 0 && (c = getopt_long(argc, argv, "", table, NULL)) >= 0)
		switch (c) {
		case PORT:
			rc = number("port", optarg, 65535, &o->port, e);
			break;
		case LATENCY:
			rc = number("latency-ms", optarg, 3600000,
			    &o->latency_ms, e);
			break;
		case LIFETIME:
			rc = number("lifetime", optarg, 86400, &o->lifetime_s,
			    e);
			break;
		case READY:
			o->ready = optarg;
			break;
		case SCRIPT:
			o->script = optarg;
			break;
		case LOG:
			o->log = optarg;
			break;
		case QUIET:
			o->quiet = true;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(0);
		default:
			return err_set(e, ERR_USAGE, "see --help");
		}
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
serve(const struct options *o, struct err *e)
{
	struct server *server = NULL;
	struct site site;
	int rc = -1;

	if (site_init(&site, o->script, o->log, o->latency_ms, e) < 0)
		goto out;
	if (server_open(&server, &site, (int)o->port, e) < 0)
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
	site_release(&site);
	return rc;
}

int
main(int argc, char **argv)
{
	pid_t parent = getppid();
	struct err e = { 0 };
	struct options o;

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
