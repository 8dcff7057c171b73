/*
 * json.h -- the one door to cJSON, and a JSON writer.
 *
 * cJSON by itself accepts text after the value, ignores case in names, ends
 * strings at \u0000 and refuses lone surrogates. Behind this door: exactly one
 * value (RFC 8259) with white space around it, names compared exactly, nesting
 * bounded; U+0000, lone surrogates and ill-formed UTF-8 arrive as U+FFFD, so
 * that what a model said is never lost for one bad character, and every text
 * taken out is well-formed UTF-8 without NUL. Of equal names the last counts.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct json; /* opaque: a document or any value inside one */

#define JSON_MAX_DEPTH 64
#define JSON_MAX_VALUES 4000000 /* of one document; 80 bytes of memory each */

/* For every document that follows: other than JSON_MAX_VALUES; 0: that. */
void json_limit(size_t max_values);

/* NULL: not JSON; *e (ERR_INPUT) says "column N: ...", counted in characters
 * from 1. json_free() it. */
struct json *json_parse(struct str text, struct err *e);
void json_free(struct json *doc); /* the document only; NULL is fine */

enum json_type {
	JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT
};
enum json_type json_type(const struct json *v);
const char *json_type_name(const struct json *v); /* "a string", ... */

/* NULL when v is NULL, no object, or has no such member. A member that is
 * null is returned: see json_is_null. Borrowed from the document, as all. */
const struct json *json_get(const struct json *v, const char *name);
const struct json *json_first(const struct json *v); /* of array or object */
const struct json *json_next(const struct json *v);  /* the sibling */
struct str json_name(const struct json *v); /* of an object's member */
size_t json_count(const struct json *v); /* members; 0 if neither; walks */

/* v may be NULL, which is "absent". Each is false if v is not of the type. */
bool json_is_null(const struct json *v); /* absent or null */
bool json_str(const struct json *v, struct str *out);
bool json_double(const struct json *v, double *out);
bool json_i64(const struct json *v, int64_t *out); /* whole, |x| <= 2^53 */
bool json_bool(const struct json *v, bool *out);

/* Append v without white space; `canonical`: members sorted bytewise by
 * name and numbers in shortest form, so that equal values give equal text. */
void json_print(struct buf *out, const struct json *v, bool canonical);

/*
 * Writer. Commas and colons come by themselves. Check buf.failed at the end.
 */
struct jw {
	struct buf *out;
	bool comma, shown;
};
struct jw jw_on(struct buf *out);
/* For what people may see: hidden characters (utf8_hidden()) in strings are
 * escaped, so that not even `cat` lets them command a terminal. Not for keys
 * and requests, whose bytes are as they are. */
struct jw jw_shown(struct buf *out);
void jw_open(struct jw *w, char c);  /* '{' or '[' */
void jw_close(struct jw *w, char c); /* '}' or ']' */
/* A name of our own, in which nothing is to be escaped: letters, digits, '_'. */
static inline void jw_key(struct jw *w, const char *name);
void jw_key_str(struct jw *w, struct str name); /* anybody's */
void jw_str(struct jw *w, struct str s); /* ill-formed UTF-8 is mended */
/* Once more the n bytes from `from` on of w->out, which were a value. */
void jw_again(struct jw *w, size_t from, size_t n);
void jw_i64(struct jw *w, int64_t v);
void jw_double(struct jw *w, double v); /* shortest that reads back; null if not finite */
void jw_bool(struct jw *w, bool v);
void jw_null(struct jw *w);
void jw_raw(struct jw *w, struct str json); /* already JSON */

/* key and value in one call. */
static inline void jw_kstr(struct jw *w, const char *name, struct str s);
static inline void jw_ki64(struct jw *w, const char *name, int64_t v);
static inline void jw_kraw(struct jw *w, const char *name, struct str json);
void jw_kdouble(struct jw *w, const char *name, double v);
void jw_kbool(struct jw *w, const char *name, bool v);

/* What those call that are inline, which they are for the length of the name:
 * the compiler knows a literal's. */
void jw_name(struct jw *w, struct str name);
void jw_name_str(struct jw *w, struct str name, struct str s);
void jw_name_i64(struct jw *w, struct str name, int64_t v);
void jw_name_raw(struct jw *w, struct str name, struct str json);

static inline void
jw_key(struct jw *w, const char *name)
{
	jw_name(w, (struct str){ name, strlen(name) });
}

static inline void
jw_kstr(struct jw *w, const char *name, struct str s)
{
	jw_name_str(w, (struct str){ name, strlen(name) }, s);
}

static inline void
jw_ki64(struct jw *w, const char *name, int64_t v)
{
	jw_name_i64(w, (struct str){ name, strlen(name) }, v);
}

static inline void
jw_kraw(struct jw *w, const char *name, struct str json)
{
	jw_name_raw(w, (struct str){ name, strlen(name) }, json);
}

/* Shortest decimal that reads back as v; "inf", "-inf", "nan" otherwise. */
void buf_add_double(struct buf *b, double v);

#endif
