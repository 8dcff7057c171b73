/*
 * completions.c -- keeping completions and finding them again.
 *
 * The tokens of a completion are one blob: their number, then for each token
 *
 *   from   its distance from the end of the token before, zigzag (0: it
 *          follows at once, as nearly all do)
 *   size   to - from
 *   8 bytes of its log-probability, a double with the low byte first
 *
 * Numbers are LEB128 varints; differences are modulo 2^32, so that whatever a
 * server sent comes back. That makes ten bytes of a usual token.
 */
#include <endian.h>
#include <string.h>

#include "base/clock.h"
#include "cache/internal.h"

#define TOKEN_MIN_BYTES (1 + 1 + sizeof(double))

static void
add_varint(struct buf *b, uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		buf_addc(b, (char)(v | 0x80));
	buf_addc(b, (char)v);
}

/* False: cut short, or more than 63 bits. */
static bool
take_varint(struct str *s, uint64_t *out)
{
	uint64_t v = 0, digit;
	size_t i = 0;

	do {
		if (i == s->n || i == 9)
			return false;
		digit = (unsigned char)s->p[i];
		v |= (digit & 0x7f) << (7 * i++);
	} while (digit & 0x80);
	*s = str_sub(*s, i, s->n);
	*out = v;
	return true;
}

static uint32_t
zigzag(uint32_t v)
{
	return v << 1 ^ (v >> 31 ? UINT32_MAX : 0);
}

static uint32_t
unzigzag(uint32_t v)
{
	return v >> 1 ^ (v & 1 ? UINT32_MAX : 0);
}

static void
tokens_encode(struct buf *b, const struct token *t, size_t n)
{
	uint32_t end = 0;
	uint64_t bits;

	add_varint(b, n);
	for (size_t i = 0; i < n; i++) {
		add_varint(b, zigzag(t[i].from - end));
		add_varint(b, (uint32_t)(t[i].to - t[i].from));
		memcpy(&bits, &t[i].logprob, sizeof(bits));
		bits = htole64(bits);
		buf_add(b, (struct str){ (char *)&bits, sizeof(bits) });
		end = t[i].to;
	}
}

static bool
token_decode(struct str *s, uint32_t end, struct token *out)
{
	uint64_t from, size, bits;

	if (!take_varint(s, &from) || !take_varint(s, &size) ||
	    s->n < sizeof(bits))
		return false;
	memcpy(&bits, s->p, sizeof(bits));
	*s = str_sub(*s, sizeof(bits), s->n);
	bits = le64toh(bits);
	out->from = end + unzigzag((uint32_t)from);
	out->to = out->from + (uint32_t)size;
	memcpy(&out->logprob, &bits, sizeof(bits));
	return true;
}

/* 1: *out in arena memory; 0: not such a blob; -1: out of memory. */
static int
tokens_decode(struct str blob, struct arena *a, const struct token **out,
    size_t *n_out)
{
	struct token *t;
	uint64_t n;

	if (!take_varint(&blob, &n) || n > blob.n / TOKEN_MIN_BYTES)
		return 0;
	t = arena_array(a, n, sizeof(*t));
	if (!t)
		return -1;
	for (uint64_t i = 0; i < n; i++)
		if (!token_decode(&blob, i ? t[i - 1].to : 0, &t[i]))
			return 0;
	*out = t;
	*n_out = n;
	return blob.n == 0;
}

static int
read_tokens(struct store *s, struct columns *col, struct completion *out,
    struct err *e)
{
	bool none = sqlite3_column_type(col->stmt, col->n) == SQLITE_NULL;
	struct str blob = {
		sqlite3_column_blob(col->stmt, col->n),
		(size_t)sqlite3_column_bytes(col->stmt, col->n),
	};
	int rc;

	col->n++;
	if (none)
		return 0;
	rc = tokens_decode(blob, col->arena, &out->tokens, &out->n_tokens);
	if (rc < 0)
		return err_nomem(e);
	return rc == 1 ? 0 : store_fail(s, SQLITE_CORRUPT, "read", e);
}

int
completions_read(struct store *s, struct columns *col, struct completion *out,
    int64_t *row, int64_t *kept_utc_ms, struct err *e)
{
	int64_t finish;

	*out = (struct completion){ 0 };
	*row = column_int(col);
	*kept_utc_ms = column_int(col);
	out->asked_utc_ms = column_int(col);
	out->latency_ms = column_int(col);
	finish = column_int(col);
	out->finish = finish >= FINISH_STOP && finish <= FINISH_OTHER ?
	    (enum finish)finish : FINISH_OTHER;
	out->cost_picousd = column_known(col, MONEY_UNKNOWN);
	out->prompt_tokens = column_known(col, -1);
	out->cached_tokens = column_known(col, -1);
	out->cache_write_tokens = column_known(col, -1);
	out->completion_tokens = column_known(col, -1);
	out->reasoning_tokens = column_known(col, -1);
	out->model = column_text(col);
	out->text = column_text(col);
	out->tokens_of_answer = column_int(col) != 0;
	if (col->failed)
		return err_nomem(e);
	return read_tokens(s, col, out, e);
}

static int64_t
key64(const unsigned char key[SHA256_BYTES])
{
	uint64_t v;

	memcpy(&v, key, sizeof(v));
	return (int64_t)be64toh(v);
}

static void
param_key(struct params *p, const unsigned char key[SHA256_BYTES])
{
	param_int(p, key64(key));
	param_blob(p, (struct str){ (const char *)key, SHA256_BYTES });
}

static int
check_sample(struct store *s, int sample, struct err *e)
{
	if (sample >= 0 && sample < STORE_SAMPLES)
		return 0;
	return err_set(e, ERR_STORE, "store '%s' numbers the samples of a "
	    "request 0 to %d: there is no sample %d", s->path,
	    STORE_SAMPLES - 1, sample);
}

/* The completion that a bound statement selects, if any. */
static int
get(struct store *s, struct params *p, struct arena *a,
    struct completion *out, int64_t *row, struct err *e)
{
	struct columns col = { .stmt = p->stmt, .arena = a };
	int64_t kept;
	int rc = store_step(s, p, "read", e);

	if (rc == 1 && completions_read(s, &col, out, row, &kept, e) < 0)
		rc = -1;
	store_reset(p);
	return rc;
}

int
store_get(struct store *s, const unsigned char key[SHA256_BYTES], int sample,
    bool any_finish, struct arena *a, struct completion *out, int64_t *row,
    struct err *e)
{
	struct completion c;
	struct params p;
	int64_t found;
	int rc;

	if (check_sample(s, sample, e) < 0 ||
	    store_stmt(s, STMT_GET, "SELECT " COMPLETION_COLUMNS
	    " FROM requests q CROSS JOIN completions c"
	    " ON c.id = q.id * 4096 + ?3"
	    " WHERE q.key64 = ?1 AND q.key = ?2", &p, e) < 0)
		return -1;
	param_key(&p, key);
	param_int(&p, sample);
	rc = get(s, &p, a, &c, &found, e);
	if (rc < 1)
		return rc;
	if (!any_finish && (c.finish == FINISH_LENGTH ||
	    c.finish == FINISH_REFUSED))
		return 0;
	*out = c;
	*row = found;
	return 1;
}

int
store_get_row(struct store *s, int64_t row, struct arena *a,
    struct completion *out, struct err *e)
{
	struct completion c;
	struct params p;
	int64_t found;
	int rc;

	if (store_stmt(s, STMT_GET_ROW, "SELECT " COMPLETION_COLUMNS
	    " FROM completions c WHERE c.id = ?1", &p, e) < 0)
		return -1;
	param_int(&p, row);
	rc = get(s, &p, a, &c, &found, e);
	if (rc == 1)
		*out = c;
	return rc;
}

int
store_get_request(struct store *s, int64_t row, struct arena *a,
    struct request_row *out, struct err *e)
{
	struct params p = { 0 };
	struct columns col;
	int rc = -1;

	if (store_prepare(s, "SELECT key, provider, model, canon FROM requests"
	    " WHERE id = ?1", &p, e) < 0)
		goto out;
	param_int(&p, row / STORE_SAMPLES);
	rc = store_step(s, &p, "read", e);
	if (rc < 1)
		goto out;
	*out = (struct request_row){ .canon = { 0 } };
	if (sqlite3_column_bytes(p.stmt, 0) == SHA256_BYTES)
		memcpy(out->key, sqlite3_column_blob(p.stmt, 0),
		    SHA256_BYTES);
	col = (struct columns){ .stmt = p.stmt, .n = 1, .arena = a };
	out->provider = column_text(&col);
	out->model = column_text(&col);
	out->canon = column_text(&col);
	if (col.failed)
		rc = err_nomem(e);
out:
	sqlite3_finalize(p.stmt);
	return rc;
}

/* The row of the request, which is made if there is none. */
static int
put_request(struct store *s, const struct request_row *q, int64_t *id,
    struct err *e)
{
	struct params p;
	int rc;

	if (store_stmt(s, STMT_REQUEST_FIND, "SELECT id FROM requests"
	    " WHERE key64 = ?1 AND key = ?2", &p, e) < 0)
		return -1;
	param_key(&p, q->key);
	rc = store_step(s, &p, "read", e);
	if (rc == 1)
		*id = sqlite3_column_int64(p.stmt, 0);
	store_reset(&p);
	if (rc != 0)
		return rc < 0 ? -1 : 0;

	if (store_stmt(s, STMT_REQUEST_PUT, "INSERT INTO requests"
	    " (key64, key, provider, model, canon)"
	    " VALUES (?1, ?2, ?3, ?4, ?5)", &p, e) < 0)
		return -1;
	param_key(&p, q->key);
	param_text(&p, q->provider);
	param_text(&p, q->model);
	param_text(&p, q->canon);
	if (store_run(s, &p, "write to", e) < 0)
		return -1;
	*id = sqlite3_last_insert_rowid(s->db);
	return 0;
}

static void
param_completion(struct params *p, int64_t row, const struct completion *c,
    const struct buf *tokens)
{
	param_int(p, row);
	param_int(p, clock_utc_ms());
	param_int(p, c->asked_utc_ms);
	param_int(p, c->latency_ms);
	param_int(p, c->finish);
	param_known(p, c->cost_picousd, MONEY_UNKNOWN);
	param_known(p, c->prompt_tokens, -1);
	param_known(p, c->cached_tokens, -1);
	param_known(p, c->cache_write_tokens, -1);
	param_known(p, c->completion_tokens, -1);
	param_known(p, c->reasoning_tokens, -1);
	param_text(p, c->model);
	param_text(p, c->text);
	param_int(p, c->tokens_of_answer);
	if (c->tokens)
		param_blob(p, buf_str(tokens));
	else
		param_null(p);
}

static int
put_completion(struct store *s, int64_t row, const struct completion *c,
    struct err *e)
{
	struct params p;
	struct buf tokens;
	int rc = -1;

	buf_init(&tokens, BUF_MAX);
	if (c->tokens)
		tokens_encode(&tokens, c->tokens, c->n_tokens);
	if (tokens.failed) {
		err_nomem(e);
		goto out;
	}
	if (store_stmt(s, STMT_COMPLETION_PUT, "INSERT OR REPLACE"
	    " INTO completions (id, kept_utc_ms, asked_utc_ms, latency_ms,"
	    " finish, cost_picousd, prompt_tokens, cached_tokens,"
	    " cache_write_tokens, completion_tokens, reasoning_tokens, model,"
	    " text, tokens_of_answer, tokens) VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
	    " ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)", &p, e) < 0)
		goto out;
	param_completion(&p, row, c, &tokens);
	rc = store_run(s, &p, "write to", e);
out:
	buf_release(&tokens);
	return rc;
}

int
store_put(struct store *s, const struct request_row *q, int sample,
    const struct completion *c, int64_t *row, struct err *e)
{
	int64_t id = 0;

	if (store_must_write(s, e) < 0 || check_sample(s, sample, e) < 0)
		return -1;
	if (put_request(s, q, &id, e) < 0)
		goto err;
	id = id * STORE_SAMPLES + sample;
	if (put_completion(s, id, c, e) < 0)
		goto err;
	if (row)
		*row = id;
	return 0;
err:
	/* There may be a request without an answer: never commit that. */
	s->spoiled = true;
	return -1;
}
