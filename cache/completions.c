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
#include <string.h>

#include "base/clock.h"
#include "base/pack.h"
#include "cache/segments.h"

#define TOKEN_MIN_BYTES (1 + 1 + sizeof(double))

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

static bool
tokens_encode(struct buf *b, const struct token *t, size_t n)
{
	uint32_t end = 0;
	char *p;

	if (n > BUF_MAX / (2 * PACK_NUMBER + sizeof(double))
	    || !buf_reserve(b, PACK_NUMBER
	    + n * (2 * PACK_NUMBER + sizeof(double))))
		return false;
	p = pack_u64(b->p, n);
	for (size_t i = 0; i < n; i++) {
		p = pack_u64(p, zigzag(t[i].from - end));
		p = pack_u64(p, (uint32_t)(t[i].to - t[i].from));
		p = pack_double(p, t[i].logprob);
		end = t[i].to;
	}
	*p = '\0';
	b->n = (size_t)(p - b->p);
	return true;
}

/* 1: *out in arena memory; 0: not such a blob; -1: out of memory. */
static int
tokens_decode(struct str blob, struct arena *a, const struct token **out,
    size_t *n_out)
{
	struct unpack u = unpack_of(blob);
	uint64_t n = unpack_u64(&u);
	uint32_t end = 0;
	struct token *t;

	if (u.bad || n > blob.n / TOKEN_MIN_BYTES)
		return 0;
	t = arena_array(a, n, sizeof(*t));
	if (!t)
		return -1;
	for (uint64_t i = 0; i < n; i++) {
		t[i].from = end + unzigzag((uint32_t)unpack_u64(&u));
		t[i].to = t[i].from + (uint32_t)unpack_u64(&u);
		t[i].logprob = unpack_double(&u);
		end = t[i].to;
	}
	*out = t;
	*n_out = n;
	return !u.bad && u.p == u.end;
}

static int
read_tokens(struct store *s, struct columns *col, struct completion *out,
    struct err *e)
{
	bool none = sqlite3_column_type(col->stmt, col->n) == SQLITE_NULL;
	struct str blob = column_blob(col);
	int rc;

	if (none)
		return 0;
	rc = tokens_decode(blob, col->arena, &out->tokens, &out->n_tokens);
	if (rc < 0)
		return err_nomem(e);
	return rc == 1 ? 0 : store_fail(s, SQLITE_CORRUPT, "read", e);
}

int
completions_read(struct store *s, struct columns *col, struct completion *out,
    struct completion_place *at, struct err *e)
{
	int64_t finish;

	*out = (struct completion){ 0 };
	at->row = column_int(col);
	at->sample = (int)column_int(col);
	at->kept_utc_ms = column_int(col);
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

int64_t
store_key64(const unsigned char key[SHA256_BYTES])
{
	uint64_t v;

	memcpy(&v, key, sizeof(v));
	return (int64_t)be64toh(v);
}

/* Of parameters 1 and 2. */
#define OF_KEY " WHERE c.key64 = ?1 AND c.key = ?2"

static void
param_key(struct params *p, const unsigned char key[SHA256_BYTES])
{
	param_int(p, store_key64(key));
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
    struct completion *out, struct completion_place *at, struct err *e)
{
	struct columns col = { .stmt = p->stmt, .arena = a };
	int rc = store_step(s, p, "read", e);

	if (rc == 1 && completions_read(s, &col, out, at, e) < 0)
		rc = -1;
	store_reset(p);
	return rc;
}

int
store_get(struct store *s, const unsigned char key[SHA256_BYTES], int sample,
    bool any_finish, struct arena *a, struct completion *out, int64_t *row,
    struct err *e)
{
	struct completion_place at;
	struct completion c;
	struct params p;
	int rc;

	if (check_sample(s, sample, e) < 0 ||
	    store_stmt(s, STMT_GET, "SELECT " COMPLETION_COLUMNS
	    " FROM completions c" OF_KEY " AND c.sample = ?3", &p, e) < 0)
		return -1;
	param_key(&p, key);
	param_int(&p, sample);
	rc = get(s, &p, a, &c, &at, e);
	if (rc < 1)
		return rc;
	if (!any_finish && (c.finish == FINISH_LENGTH ||
	    c.finish == FINISH_REFUSED))
		return 0;
	*out = c;
	*row = at.row;
	return 1;
}

int
store_get_row(struct store *s, int64_t row, struct arena *a,
    struct completion *out, int *sample, struct err *e)
{
	struct completion_place at;
	struct completion c;
	struct params p;
	int rc;

	if (store_stmt(s, STMT_GET_ROW, "SELECT " COMPLETION_COLUMNS
	    " FROM completions c WHERE c.id = ?1", &p, e) < 0)
		return -1;
	param_int(&p, row);
	rc = get(s, &p, a, &c, &at, e);
	if (rc == 1)
		*out = c;
	if (rc == 1 && sample)
		*sample = at.sample;
	return rc;
}

/* The text of a request is with one of its samples. */
int
store_get_request(struct store *s, int64_t row, struct arena *a,
    struct request_row *out, struct err *e)
{
	struct params p = { 0 };
	struct columns col;
	struct str key;
	int rc = -1;

	if (store_prepare(s, "SELECT c.key, c.provider, c.asked_model,"
	    " coalesce(c.canon, (SELECT o.canon FROM completions o"
	    "  WHERE o.key64 = c.key64 AND o.key = c.key"
	    "  AND o.canon IS NOT NULL), '') FROM completions c"
	    " WHERE c.id = ?1", &p, e) < 0)
		goto out;
	param_int(&p, row);
	rc = store_step(s, &p, "read", e);
	if (rc < 1)
		goto out;
	*out = (struct request_row){ .canon = { 0 } };
	col = (struct columns){ .stmt = p.stmt, .arena = a };
	key = column_blob(&col);
	if (key.n == SHA256_BYTES)
		memcpy(out->key, key.p, SHA256_BYTES);
	out->provider = column_text(&col);
	out->model = column_text(&col);
	out->canon = column_text(&col);
	if (col.failed)
		rc = err_nomem(e);
out:
	sqlite3_finalize(p.stmt);
	return rc;
}

/* The row of this sample and whether it has the request's text; 0: none. */
static int
find(struct store *s, const unsigned char key[SHA256_BYTES], int sample,
    int64_t *id, bool *has_canon, struct err *e)
{
	struct params p;
	int rc;

	*id = 0;
	*has_canon = false;
	if (store_stmt(s, STMT_FIND, "SELECT c.id, c.canon IS NOT NULL"
	    " FROM completions c" OF_KEY " AND c.sample = ?3", &p, e) < 0)
		return -1;
	param_key(&p, key);
	param_int(&p, sample);
	rc = store_step(s, &p, "read", e);
	if (rc == 1) {
		*id = sqlite3_column_int64(p.stmt, 0);
		*has_canon = sqlite3_column_int64(p.stmt, 1) != 0;
	}
	store_reset(&p);
	return rc;
}

static int
is_canon_kept(struct store *s, const unsigned char key[SHA256_BYTES],
    struct err *e)
{
	struct params p;
	int rc;

	if (store_stmt(s, STMT_HAS_CANON, "SELECT 1 FROM completions c" OF_KEY
	    " AND c.canon IS NOT NULL LIMIT 1", &p, e) < 0)
		return -1;
	param_key(&p, key);
	rc = store_step(s, &p, "read", e);
	store_reset(&p);
	return rc;
}

static void
param_completion(struct params *p, const struct completion *c,
    const struct buf *tokens)
{
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
	param_int(p, c->tokens_of_answer);
	param_text(p, c->model);
	param_text(p, c->text);
	if (c->tokens)
		param_blob(p, buf_str(tokens));
	else
		param_null(p);
}

static int
put(struct store *s, const struct request_row *q, bool with_canon, int sample,
    int64_t id, const struct completion *c, struct err *e)
{
	struct params p;
	struct buf tokens;
	int rc = -1;

	buf_init(&tokens, BUF_MAX);
	if (c->tokens && !tokens_encode(&tokens, c->tokens, c->n_tokens)) {
		err_nomem(e);
		goto out;
	}
	if (store_stmt(s, STMT_PUT, "INSERT OR REPLACE INTO completions"
	    " (id, key64, key, sample, kept_utc_ms, asked_utc_ms, latency_ms, finish,"
	    " cost_picousd, prompt_tokens, cached_tokens,"
	    " cache_write_tokens, completion_tokens, reasoning_tokens,"
	    " tokens_of_answer, model, text, tokens, provider, asked_model,"
	    " canon) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
	    " ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)", &p, e) < 0)
		goto out;
	param_int(&p, id);
	param_key(&p, q->key);
	param_int(&p, sample);
	param_completion(&p, c, &tokens);
	param_text(&p, q->provider);
	param_text(&p, q->model);
	if (with_canon)
		param_text(&p, q->canon);
	else
		param_null(&p);
	rc = store_run(s, &p, "write to", e);
out:
	buf_release(&tokens);
	return rc;
}

/* In place of the one that is there, if any: the ledger may refer to it. */
static int
put_in_place(struct store *s, const struct request_row *q, int sample,
    const struct completion *c, int64_t *row, struct err *e)
{
	bool with_canon;
	int rc = find(s, q->key, sample, row, &with_canon, e);

	if (rc == 1)
		return put(s, q, with_canon, sample, *row, c, e);
	if (rc == 0 && sample > 0)
		rc = is_canon_kept(s, q->key, e);
	if (rc < 0 || segments_new_completion(s, row, e) < 0)
		return -1;
	return put(s, q, rc == 0, sample, *row, c, e);
}

int
store_put(struct store *s, const struct request_row *q, int sample,
    const struct completion *c, int64_t *row, struct err *e)
{
	int64_t id = 0;

	if (store_must_write(s, e) < 0 || check_sample(s, sample, e) < 0)
		return -1;
	if (put_in_place(s, q, sample, c, &id, e) < 0) {
		/* There may be half of a change: never commit that. */
		s->spoiled = true;
		return -1;
	}
	if (row)
		*row = id;
	return 0;
}
