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
 *
 * What nobody asks SQL about is another, `facts`: why it ended, when it was asked
 * and for how long, what it cost, the five counts of tokens (-1: unknown), whether
 * the tokens above are of the answer alone, and the model that answered; and in its last 8
 * bytes a hash of itself, the text and the tokens. To read it takes a fifth of
 * what a column for each does.
 */
#include <string.h>

#include "base/clock.h"
#include "base/pack.h"
#include "base/rand.h"
#include "cache/ahead.h"
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

int
completions_tokens(struct store *s, struct columns *col, struct completion *out,
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

/* Of everything that came with an answer. */
static uint64_t
seal_of(struct str facts, struct str text, struct str tokens)
{
	return checksum64(tokens, checksum64(text, checksum64(facts, 0)));
}

static bool
facts_encode(struct buf *b, const struct completion *c, struct str tokens)
{
	char *p;

	if (!buf_reserve(b, PACK_FIXED + 11 * PACK_NUMBER + c->model.n))
		return false;
	p = pack_i64(b->p, c->finish);
	p = pack_fixed(p, (uint64_t)c->asked_utc_ms);
	p = pack_i64(p, c->latency_ms);
	p = pack_known(p, c->cost_picousd, MONEY_UNKNOWN);
	p = pack_i64(p, c->prompt_tokens);
	p = pack_i64(p, c->cached_tokens);
	p = pack_i64(p, c->cache_write_tokens);
	p = pack_i64(p, c->completion_tokens);
	p = pack_i64(p, c->reasoning_tokens);
	p = pack_u64(p, c->tokens_of_answer);
	p = pack_str(p, c->model);
	p = pack_fixed(p, seal_of((struct str){ b->p, (size_t)(p - b->p) },
	    c->text, tokens));
	*p = '\0';
	b->n = (size_t)(p - b->p);
	return true;
}

/* False: damaged. The model is borrowed. */
static bool
facts_decode(struct str facts, struct completion *out)
{
	struct unpack u = unpack_of(facts);
	int64_t finish = unpack_i64(&u);

	out->finish = finish >= FINISH_STOP && finish <= FINISH_OTHER
	    ? (enum finish)finish : FINISH_OTHER;
	out->asked_utc_ms = (int64_t)unpack_fixed8(&u);
	out->latency_ms = unpack_i64(&u);
	out->cost_picousd = entry_unpack_money(&u);
	out->prompt_tokens = unpack_i64(&u);
	out->cached_tokens = unpack_i64(&u);
	out->cache_write_tokens = unpack_i64(&u);
	out->completion_tokens = unpack_i64(&u);
	out->reasoning_tokens = unpack_i64(&u);
	out->tokens_of_answer = unpack_u64(&u) != 0;
	out->model = unpack_str(&u);
	return !u.bad && u.end - u.p == PACK_FIXED;
}

int
completions_read(struct store *s, struct columns *col, struct completion *out,
    int64_t *row, struct err *e)
{
	struct str facts, tokens;

	*out = (struct completion){ 0 };
	*row = column_int(col);
	facts = column_blob(col);
	out->text = column_text(col);
	tokens = column_blob(col);
	if (col->failed)
		return err_nomem(e);
	if (!facts_decode(facts, out) || unpack_fixed(facts.p + facts.n
	    - PACK_FIXED) != seal_of(str_sub(facts, 0, facts.n - PACK_FIXED),
	    out->text, tokens))
		return store_fail(s, SQLITE_CORRUPT, "read", e);
	if (!arena_str(col->arena, out->model, &out->model))
		return err_nomem(e);
	if (tokens.n == 0)
		return 0;
	col->n--;
	return completions_tokens(s, col, out, e);
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
    struct completion *out, int64_t *row, int *sample, struct err *e)
{
	struct columns col = { .stmt = p->stmt, .arena = a };
	int rc = store_step(s, p, "read", e);

	if (rc == 1 && completions_read(s, &col, out, row, e) < 0)
		rc = -1;
	if (rc == 1 && sample)
		*sample = (int)column_int(&col);
	store_reset(p);
	return rc;
}

/* Where a hint says that it is. 1, 0: it is not there, -1. */
static int
get_hinted(struct store *s, const unsigned char key[SHA256_BYTES], int sample,
    struct arena *a, struct completion *out, int64_t *row, struct err *e)
{
	int64_t hint = ahead_row(s, store_key64(key), sample);
	struct params p;

	if (!hint)
		return 0;
	if (store_stmt(s, STMT_GET_HINTED, "SELECT " COMPLETION_COLUMNS
	    " FROM completions c WHERE c.id = ?1 AND c.key = ?2"
	    " AND c.sample = ?3", &p, e) < 0)
		return -1;
	param_int(&p, hint);
	param_blob(&p, (struct str){ (const char *)key, SHA256_BYTES });
	param_int(&p, sample);
	return get(s, &p, a, out, row, NULL, e);
}

static int
get_by_key(struct store *s, const unsigned char key[SHA256_BYTES], int sample,
    struct arena *a, struct completion *out, int64_t *row, struct err *e)
{
	struct params p;

	if (store_stmt(s, STMT_GET, "SELECT " COMPLETION_COLUMNS
	    " FROM completions c" OF_KEY " AND c.sample = ?3", &p, e) < 0)
		return -1;
	param_key(&p, key);
	param_int(&p, sample);
	return get(s, &p, a, out, row, NULL, e);
}

int
store_get(struct store *s, const unsigned char key[SHA256_BYTES], int sample,
    bool any_finish, struct arena *a, struct completion *out, int64_t *row,
    struct err *e)
{
	struct completion c;
	int64_t found;
	bool hinted;
	int rc;

	if (check_sample(s, sample, e) < 0)
		return -1;
	rc = get_hinted(s, key, sample, a, &c, &found, e);
	hinted = rc == 1;
	if (rc == 0)
		rc = get_by_key(s, key, sample, a, &c, &found, e);
	if (rc < 1)
		return rc;
	if (ahead_found(s, found, hinted, e) < 0)
		return -1;
	if (!any_finish && (c.finish == FINISH_LENGTH ||
	    c.finish == FINISH_REFUSED))
		return 0;
	*out = c;
	*row = found;
	return 1;
}

int
store_get_row(struct store *s, int64_t row, struct arena *a,
    struct completion *out, int *sample, struct err *e)
{
	struct completion c;
	struct params p;
	int64_t found;
	int of, rc;

	if (store_stmt(s, STMT_GET_ROW, "SELECT " COMPLETION_COLUMNS
	    ", c.sample FROM completions c WHERE c.id = ?1", &p, e) < 0)
		return -1;
	param_int(&p, row);
	rc = get(s, &p, a, &c, &found, &of, e);
	if (rc == 1)
		*out = c;
	if (rc == 1 && sample)
		*sample = of;
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

int
completions_put(struct store *s, const struct completion_place *at,
    const struct request_row *q, bool canon, const struct completion *c,
    struct err *e)
{
	struct buf facts, tokens;
	struct params p;
	int rc = -1;

	buf_init(&facts, BUF_MAX);
	buf_init(&tokens, BUF_MAX);
	if ((c->tokens && !tokens_encode(&tokens, c->tokens, c->n_tokens))
	    || !facts_encode(&facts, c, buf_str(&tokens))) {
		err_nomem(e);
		goto out;
	}
	if (store_stmt(s, STMT_PUT, "INSERT OR REPLACE INTO completions"
	    " (id, key64, key, sample, kept_utc_ms, cost_picousd, provider,"
	    " asked_model, facts, text, tokens, canon) VALUES (?1, ?2, ?3,"
	    " ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)", &p, e) < 0)
		goto out;
	param_int(&p, at->row);
	param_key(&p, q->key);
	param_int(&p, at->sample);
	param_int(&p, at->kept_utc_ms);
	param_known(&p, c->cost_picousd, MONEY_UNKNOWN);
	param_text(&p, q->provider);
	param_text(&p, q->model);
	param_blob(&p, buf_str(&facts));
	param_text(&p, c->text);
	if (c->tokens)
		param_blob(&p, buf_str(&tokens));
	else
		param_null(&p);
	if (canon)
		param_text(&p, q->canon);
	else
		param_null(&p);
	rc = store_run(s, &p, "write to", e);
out:
	buf_release(&facts);
	buf_release(&tokens);
	return rc;
}

/* In place of the one that is there, if any: the ledger may refer to it. */
static int
put_in_place(struct store *s, const struct request_row *q, int sample,
    const struct completion *c, int64_t *row, struct err *e)
{
	struct completion_place at = { .sample = sample,
	    .kept_utc_ms = clock_utc_ms() };
	bool canon;
	int rc = find(s, q->key, sample, &at.row, &canon, e);

	if (rc == 0) {
		rc = sample > 0 ? is_canon_kept(s, q->key, e) : 0;
		canon = rc == 0;
		if (rc >= 0)
			rc = segments_new_completion(s, &at.row, e);
	}
	*row = at.row;
	return rc < 0 ? -1 : completions_put(s, &at, q, canon, c, e);
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
