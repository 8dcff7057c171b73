/*
 * wrap.c -- what a rule makes of an answer.
 */
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/rand.h"
#include "tests/server/wrap.h"

#define CHUNKS 8
#define CHUNK_LEAST 16
#define LINE_BYTES 60 /* of a filler header */

static void
swap(struct buf *body, struct buf *made)
{
	body->failed |= made->failed;
	buf_clear(body);
	buf_add(body, buf_str(made));
	buf_release(made);
}

/* JSON that ends too early, though all bytes that were announced come. */
static void
break_json(struct buf *body)
{
	while (body->n > 0 && strchr("}\n", body->p[body->n - 1]))
		buf_cut(body, body->n - 1);
}

static void
fill_with_garbage(uint64_t draw, struct buf *body)
{
	struct rng rng;
	size_t n = body->n > 0 ? body->n : 64;

	rng_seed(&rng, draw);
	buf_clear(body);
	for (size_t i = 0; i < n; i++)
		buf_addc(body, (char)(rng_u64(&rng) >> 32));
}

/* `more` bytes c from offset `at` of the body on. */
static void
insert(struct buf *body, size_t at, size_t more, char c)
{
	if (!buf_reserve(body, more))
		return;
	memmove(body->p + at + more, body->p + at, body->n - at + 1);
	memset(body->p + at, c, more);
	body->n += more;
}

/* To so many bytes: an object by one more member, anything else at its end. */
static void
pad(int64_t size, struct buf *body)
{
	static const char member[] = "\"padding\":\"\",";
	size_t frame = sizeof(member) - 1, more;

	if (body->n == 0 || size <= (int64_t)(body->n + frame))
		return;
	more = (size_t)size - body->n;
	if (body->p[0] != '{' || body->p[1] == '}') {
		insert(body, body->n, more, 'x');
		return;
	}
	insert(body, 1, more, 'x');
	if (body->failed)
		return;
	memcpy(body->p + 1, member, frame - 2);
	memcpy(body->p + 1 + more - 2, member + frame - 2, 2);
}

/* `zeros` bytes of zero come before the body. */
static bool
deflate_into(struct buf *out, struct str body, int64_t zeros)
{
	static const char nothing[1 << 16];
	z_stream z = { 0 };
	char block[1 << 14];
	int rc = Z_OK;

	if (deflateInit2(&z, zeros > 0 ? 9 : 1, Z_DEFLATED, 16 + MAX_WBITS, 8,
	    Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	while (rc == Z_OK) {
		if (z.avail_in == 0 && zeros > 0) {
			z.avail_in = zeros < (int64_t)sizeof(nothing) ?
			    (uInt)zeros : (uInt)sizeof(nothing);
			z.next_in = (Bytef *)nothing;
			zeros -= z.avail_in;
		} else if (z.avail_in == 0 && body.n > 0) {
			z.avail_in = (uInt)body.n;
			z.next_in = (Bytef *)body.p;
			body.n = 0;
		}
		z.avail_out = sizeof(block);
		z.next_out = (Bytef *)block;
		rc = deflate(&z, zeros > 0 || body.n > 0 ? Z_NO_FLUSH :
		    Z_FINISH);
		buf_add(out, (struct str){ block,
		    sizeof(block) - z.avail_out });
	}
	deflateEnd(&z);
	return rc == Z_STREAM_END;
}

static void
compress_body(const struct rule *r, struct buf *body)
{
	struct buf out;

	buf_init(&out, BUF_MAX);
	if (!deflate_into(&out, r->bomb_mb > 0 ? STR("") : buf_str(body),
	    r->bomb_mb << 20))
		out.failed = true;
	swap(body, &out);
}

/* A bad one has a size that is no number; a cut one is announced and its
 * first half comes. Both are the second. */
static void
cut_into_chunks(enum fault fault, struct buf *body)
{
	size_t size = body->n / CHUNKS + 1;
	struct str rest = buf_str(body);
	struct buf out;

	if (size < CHUNK_LEAST)
		size = CHUNK_LEAST;
	buf_init(&out, BUF_MAX);
	for (int i = 0; rest.n > 0; i++) {
		struct str chunk = str_sub(rest, 0, size);
		bool wrong = i == 1 || chunk.n == rest.n;

		rest = str_sub(rest, chunk.n, rest.n);
		if (wrong && fault == FAULT_BAD_CHUNK) {
			buf_adds(&out, "so many\r\n");
			break;
		}
		buf_addf(&out, "%zx\r\n", chunk.n);
		if (wrong && fault == FAULT_CUT_CHUNK) {
			buf_add(&out, str_sub(chunk, 0, chunk.n / 2));
			break;
		}
		buf_add(&out, chunk);
		buf_adds(&out, "\r\n");
	}
	if (fault != FAULT_BAD_CHUNK && fault != FAULT_CUT_CHUNK)
		buf_adds(&out, "0\r\n\r\n");
	swap(body, &out);
}

bool
wrap_chunks(const struct rule *r, struct buf *body)
{
	if (!r->chunked && r->fault != FAULT_BAD_CHUNK &&
	    r->fault != FAULT_CUT_CHUNK)
		return false;
	cut_into_chunks(r->fault, body);
	return true;
}

bool
wrap_is_readable(const struct rule *r, bool reads_gzip)
{
	return r->bomb_mb == 0 && (!r->gzip || reads_gzip);
}

void
wrap_body(const struct rule *r, uint64_t draw, struct buf *body)
{
	if (r->fault == FAULT_BAD_JSON)
		break_json(body);
	if (r->fault == FAULT_GARBAGE)
		fill_with_garbage(draw, body);
	pad(r->size, body);
	if (r->blanks > 0 && body->n > 0)
		insert(body, 0, (size_t)r->blanks, ' ');
	if (r->gzip || r->bomb_mb > 0)
		compress_body(r, body);
}

void
wrap_date(struct buf *headers, const char *name, int64_t utc_s)
{
	static const char days[][4] = {
		"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
	};
	static const char months[][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun",
		"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
	};
	time_t t = (time_t)utc_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm)) {
		headers->failed = true;
		return;
	}
	buf_addf(headers, "%s: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", name,
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void
add_fillers(const struct rule *r, struct buf *headers)
{
	for (int64_t i = 0; i < r->many_headers; i++)
		buf_addf(headers, "x-filler-%lld: %0*d\r\n", (long long)i,
		    LINE_BYTES, 0);
	if (r->long_header == 0)
		return;
	buf_adds(headers, "x-long: ");
	for (int64_t i = 0; i < r->long_header; i++)
		buf_addc(headers, 'x');
	buf_adds(headers, "\r\n");
}

void
wrap_headers(const struct rule *r, int64_t now_s, struct buf *headers)
{
	if (r->gzip || r->bomb_mb > 0)
		buf_adds(headers, "Content-Encoding: gzip\r\n");
	if (r->has_retry_date)
		wrap_date(headers, "Retry-After", now_s + r->retry_date_s);
	buf_add(headers, r->headers);
	add_fillers(r, headers);
}
