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
 * What nobody asks SQL about is another, `details`: why it ended, when it was asked
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
#include "cache/keys.h"
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

static void
param_key(struct params *p, const unsigned char key[SHA256_BYTES])
{
	param_blob(p, (struct str){ (const char *)key, SHA256_BYTES });
}

/* Does this row have what is looked for? 1, 0, -1. */
typedef int is_it(struct store *s, int64_t row, void *cookie, struct err *e);

/* Ask it of the rows that may have this key, up to the first that does. */
static int
first_of_key(struct store *s, enum keys_level from,
    const unsigned char key[SHA256_BYTES], int sample, is_it *ask,
    void *cookie, struct err *e)
{
	const int64_t *rows;
	size_t n;
	int rc = 0;

	for (int level = (int)from; rc == 0 && level <= KEYS_RECENT; level++) {
		if (keys_find(s, level, store_key64(key), sample, &rows, &n,
		    e) < 0)
			return -1;
		for (size_t i = 0; rc == 0 && i < n; i++)
			rc = ask(s, rows[i], cookie, e);
	}
	if (rc == 0)
		keys_note_absent(s, key, sample);
	return rc;
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

/* What is looked for, and where it goes. */
struct wanted {
	const unsigned char *key;
	int sample;
	struct arena *arena;
	struct completion *out;
	int64_t *row;
};

static int
get_if_it_is(struct store *s, int64_t row, void *cookie, struct err *e)
{
	const struct wanted *w = cookie;
	struct params p;

	if (store_stmt(s, STMT_GET, "SELECT " COMPLETION_COLUMNS
	    " FROM completions c WHERE c.id = ?1 AND c.key = ?2"
	    " AND c.sample = ?3", &p, e) < 0)
		return -1;
	param_int(&p, row);
	param_key(&p, w->key);
	param_int(&p, w->sample);
	return get(s, &p, w->arena, w->out, w->row, NULL, e);
}

/* As first_of_key(), in one step for what most are. */
static int
get_settled(struct store *s, const struct wanted *w, struct err *e)
{
	struct params p;

	if (store_stmt(s, STMT_GET_SETTLED, "SELECT " COMPLETION_COLUMNS
	    " FROM keys k CROSS JOIN completions c ON c.id = k.row"
	    " WHERE k.key64 = ?1 AND k.sample = ?2 AND c.key = ?3"
	    " AND c.sample = ?2", &p, e) < 0)
		return -1;
	param_int(&p, store_key64(w->key));
	param_int(&p, w->sample);
	param_key(&p, w->key);
	return get(s, &p, w->arena, w->out, w->row, NULL, e);
}

/* By a hint or by the index. */
static int
get_by_key(struct store *s, struct wanted *w, bool *hinted, struct err *e)
{
	int64_t hint = ahead_row(s, store_key64(w->key), w->sample);
	bool mine;
	int rc = hint ? get_if_it_is(s, hint, w, e) : 0;

	*hinted = rc == 1;
	if (rc != 0)
		return rc;
	if (store_look(s, &mine, e) < 0)
		return -1;
	rc = get_settled(s, w, e);
	if (rc == 0)
		rc = first_of_key(s, KEYS_RECENT, w->key, w->sample,
		    get_if_it_is, w, e);
	if (store_looked(s, mine, rc < 0 ? NULL : e) < 0)
		rc = -1;
	return rc;
}

int
store_get(struct store *s, const unsigned char key[SHA256_BYTES], int sample,
    bool any_finish, struct arena *a, struct completion *out, int64_t *row,
    struct err *e)
{
	struct completion c;
	int64_t found;
	struct wanted w = { key, sample, a, &c, &found };
	bool hinted;
	int rc;

	if (check_sample(s, sample, e) < 0)
		return -1;
	rc = get_by_key(s, &w, &hinted, e);
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

int
store_get_request(struct store *s, int64_t row, struct arena *a,
    struct request_row *out, struct err *e)
{
	struct params p = { 0 };
	struct columns col;
	struct str key;
	int rc = -1;

	if (store_prepare(s, "SELECT c.key, c.provider, c.asked_model,"
	    " " REQUEST_TEXT " FROM completions c WHERE c.id = ?1", &p, e) < 0)
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

struct other {
	const unsigned char *key;
	bool with_text;
	int64_t but, *row;
	struct arena *arena;
	struct str *canon;
};

static int
take_other(struct store *s, int64_t row, void *cookie, struct err *e)
{
	const struct other *o = cookie;
	struct columns col;
	struct params p;
	int rc;

	if (row == o->but)
		return 0;
	if (store_stmt(s, STMT_OF_KEY, "SELECT c.canon FROM completions c"
	    " WHERE c.id = ?1 AND c.key = ?2 AND (c.canon IS NOT NULL) = ?3",
	    &p, e) < 0)
		return -1;
	param_int(&p, row);
	param_key(&p, o->key);
	param_int(&p, o->with_text);
	rc = store_step(s, &p, "read", e);
	if (rc == 1)
		*o->row = row;
	if (rc == 1 && o->canon) {
		col = (struct columns){ .stmt = p.stmt, .arena = o->arena };
		*o->canon = column_text(&col);
		if (col.failed)
			rc = err_nomem(e);
	}
	store_reset(&p);
	return rc;
}

int
completions_of_key(struct store *s, const unsigned char key[SHA256_BYTES],
    bool with_text, int64_t but, int64_t *row, struct arena *a,
    struct str *canon, struct err *e)
{
	struct other o = { key, with_text, but, row, a, canon };

	return first_of_key(s, KEYS_SETTLED, key, KEYS_ANY_SAMPLE, take_other,
	    &o, e);
}

static void
request_text(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	struct store *s = sqlite3_user_data(ctx);
	const unsigned char *key = sqlite3_value_blob(v[0]);
	struct arena *a = arena_new(0);
	struct str canon = STR("");
	int64_t row;
	struct err e;
	int rc = 0, code;

	(void)n;
	if (a && key && sqlite3_value_bytes(v[0]) == SHA256_BYTES)
		rc = completions_of_key(s, key, true, 0, &row, a, &canon, &e);
	if (!a || (rc < 0 && e.code == ERR_NOMEM)) {
		sqlite3_result_error_nomem(ctx);
	} else if (rc < 0) {
		code = sqlite3_extended_errcode(s->db);
		/* What SQLite could read and we could not is damage. */
		sqlite3_result_error_code(ctx, code == SQLITE_OK
		    || code == SQLITE_ROW || code == SQLITE_DONE
		    ? SQLITE_CORRUPT : code);
	} else {
		sqlite3_result_text64(ctx, canon.n ? canon.p : "", canon.n,
		    SQLITE_TRANSIENT, SQLITE_UTF8);
	}
	arena_free(a);
}

int
completions_add_function(struct store *s, struct err *e)
{
	int rc = sqlite3_create_function_v2(s->db, "request_text", 1,
	    SQLITE_UTF8 | SQLITE_DIRECTONLY, s, request_text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_fail(s, rc, "open", e);
}

struct place {
	const unsigned char *key;
	int sample;
	int64_t row;
	bool has_canon;
};

static int
place_if_it_is(struct store *s, int64_t row, void *cookie, struct err *e)
{
	struct place *at = cookie;
	struct params p;
	int rc;

	if (store_stmt(s, STMT_FIND, "SELECT c.canon IS NOT NULL FROM"
	    " completions c WHERE c.id = ?1 AND c.key = ?2 AND c.sample = ?3",
	    &p, e) < 0)
		return -1;
	param_int(&p, row);
	param_key(&p, at->key);
	param_int(&p, at->sample);
	rc = store_step(s, &p, "read", e);
	if (rc == 1) {
		at->row = row;
		at->has_canon = sqlite3_column_int64(p.stmt, 0) != 0;
	}
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
	    " asked_model, details, text, tokens, canon) VALUES (?1, ?2, ?3,"
	    " ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)", &p, e) < 0)
		goto out;
	param_int(&p, at->row);
	param_int(&p, store_key64(q->key));
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

/* A row of its own: the number, whether the text of the request goes with it, and
 * its entry in the index. */
static int
new_place(struct store *s, const unsigned char *key,
    struct completion_place *at, bool *canon, struct err *e)
{
	int64_t row;
	int rc = at->sample > 0 ? completions_of_key(s, key, true, 0, &row,
	    NULL, NULL, e) : 0;

	*canon = rc == 0;
	return rc < 0 || segments_new_completion(s, &at->row, e) < 0 ? -1
	    : keys_add(s, key, at->sample, at->row, e);
}

/* 1: there is one, 0: none, -1. */
static int
find_place(struct store *s, struct place *at, struct err *e)
{
	int rc = keys_is_absent(s, at->key, at->sample, e);

	if (rc != 0)
		return rc > 0 ? 0 : -1;
	return first_of_key(s, KEYS_SETTLED, at->key, at->sample,
	    place_if_it_is, at, e);
}

/* In place of the one that is there, if any: the ledger may refer to it. */
static int
put_in_place(struct store *s, const struct request_row *q, int sample,
    const struct completion *c, int64_t *row, struct err *e)
{
	struct completion_place at = { .sample = sample,
	    .kept_utc_ms = clock_utc_ms() };
	struct place there = { .key = q->key, .sample = sample };
	bool canon;
	int rc = find_place(s, &there, e);

	if (rc < 0)
		return -1;
	at.row = there.row;
	canon = there.has_canon;
	if (rc == 0 && new_place(s, q->key, &at, &canon, e) < 0)
		return -1;
	*row = at.row;
	return completions_put(s, &at, q, canon, c, e);
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
