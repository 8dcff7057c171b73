/*
 * yaml.h -- the one door to libfyaml: a YAML 1.2 document as a plain tree in
 * which every value knows its line and column, and a report that collects
 * every complaint about it.
 *
 * Anchors and aliases are resolved with a bound on the size of the result;
 * tags are refused; a duplicate key is an error. Nothing is ever expanded
 * inside a scalar.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum ynode_kind { YNODE_NULL, YNODE_SCALAR, YNODE_LIST, YNODE_MAP };

struct ynode {
	enum ynode_kind kind;
	int line, column;  /* from 1 */
	bool quoted;       /* a scalar in quotes or a block scalar: never a number */
	struct str text;   /* of a scalar, NUL-terminated */
	size_t n;          /* entries of a list or map */
	struct ynode **item;  /* values */
	struct ynode **key;   /* of a map, scalars */
};

/* What is wrong with a document. Lives in the arena it is given. */
struct complaint {
	int line, column; /* 0: none */
	bool warning;
	const char *text;
	struct complaint *next;
};

struct report {
	const char *file; /* as the user named it */
	struct arena *arena;
	struct complaint *first; /* in the order of position */
	size_t errors, warnings;
	bool nomem;
};

void report_init(struct report *r, struct arena *a, const char *file);
/* at may be NULL. Two identical complaints at one place count once. */
void report_error(struct report *r, const struct ynode *at, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
void report_warn(struct report *r, const struct ynode *at, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
void report_at(struct report *r, int line, int column, bool warning,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* One line a complaint: "file:12:9: unknown key ..." ("warning: " first for
 * warnings). */
void report_print(const struct report *r, struct buf *out, bool errors,
    bool warnings);

/* The document's root in arena memory, or NULL with complaints in *r. An
 * empty document is a YNODE_NULL. At most 1 MB of text, 1,000,000 nodes. */
struct ynode *yaml_parse(struct str text, struct arena *a, struct report *r);

/*
 * Reading a tree. Each returns false and complains in *r (with the position)
 * when the value is there but of the wrong type or out of [min, max]; with n
 * NULL (absent) it returns true and leaves *out alone.
 */
const struct ynode *ynode_get(const struct ynode *map, const char *key);
const struct ynode *ynode_get_key(const struct ynode *map, const char *key);
bool ynode_str(const struct ynode *n, const char *what, struct str *out,
    struct report *r);
bool ynode_bool(const struct ynode *n, const char *what, bool *out,
    struct report *r);
bool ynode_double(const struct ynode *n, const char *what, double min,
    double max, double *out, struct report *r);
/* Accepts 2k and 2M. */
bool ynode_count(const struct ynode *n, const char *what, int64_t min,
    int64_t max, int64_t *out, struct report *r);
/* "250ms", "30s", "2m", "1h", "7d"; a plain number is seconds. Gives ms. */
bool ynode_duration(const struct ynode *n, const char *what, int64_t *out_ms,
    struct report *r);

/* Complain about every key of map that is not in the NULL-ended list, with
 * the nearest known one: "unknown key 'sampels' in tier; did you mean
 * 'samples'?". */
void ynode_known(const struct ynode *map, const char *where,
    const char *const *known, struct report *r);

/* Append the value as canonical JSON (plain scalars that are numbers, true,
 * false or null stay so), for passing on to a provider. */
void ynode_json(const struct ynode *n, struct buf *out);

#endif
