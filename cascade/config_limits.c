/*
 * config_limits.c -- `limits:`: bounds on what comes from outside, and on what
 * waits in memory.
 *
 * One table says what each is called, where it goes and what it may be; the
 * manual's section LIMITS lists it for users, with the bounds that are fixed.
 */
#include <stddef.h>
#include <string.h>

#include "base/json.h"
#include "base/regex.h"
#include "cascade/config_internal.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

const struct limits_config limits_default = {
	.task = TASK_LIMITS_DEFAULT,
	.template = (size_t)1 << 20,
	.response = (size_t)64 << 20,
	.result = (size_t)512 << 20,
	.trace = (size_t)256 << 20,
	.held = LIMITS_HELD,
	.json_values = JSON_MAX_VALUES,
	.regex_steps = REGEX_STEPS,
};

enum { SIZE, COUNT, STEPS };

#define AT(member) offsetof(struct limits_config, member)

static const struct bound {
	const char *name, *what;
	int kind; /* SIZE: of bytes, into a size_t; COUNT: likewise, no bytes;
	             STEPS: into a uint32_t */
	size_t at;
	int64_t min, max;
} bounds[] = {
	{ "line", "limit 'line'", SIZE, AT(task.line), KIB, GIB },
	/* A request holds it with every byte escaped, at worst by six. */
	{ "prompt", "limit 'prompt'", SIZE, AT(task.prompt), KIB,
	    LIMITS_MAX_PROMPT },
	{ "id", "limit 'id'", SIZE, AT(task.id), 16, 64 * KIB },
	{ "fields", "limit 'fields'", COUNT, AT(task.fields), 1, 10000 },
	{ "messages", "limit 'messages'", COUNT, AT(task.messages), 1, 100000 },
	{ "template", "limit 'template'", SIZE, AT(template), KIB,
	    LIMITS_MAX_TEMPLATE },
	{ "response", "limit 'response'", SIZE, AT(response), KIB, GIB },
	{ "result", "limit 'result'", SIZE, AT(result), KIB, GIB },
	{ "trace", "limit 'trace'", SIZE, AT(trace), MIB, 64 * GIB },
	{ "held", "limit 'held'", SIZE, AT(held), KIB, GIB },
	{ "json_values", "limit 'json_values'", COUNT, AT(json_values), 1000,
	    100000000 },
	{ "regex_steps", "limit 'regex_steps'", STEPS, AT(regex_steps), 1000,
	    1000000000 },
};
#define N_BOUNDS (sizeof(bounds) / sizeof(*bounds))

/* "64M": powers of 1024, as sizes of files are; a plain number is bytes. */
static bool
parse_size(struct str s, int64_t *out)
{
	static const char units[] = "kKmMgG";
	const char *unit = s.n ? memchr(units, s.p[s.n - 1], 6) : NULL;
	int64_t v, factor = 1;

	if (unit) {
		factor = (unit - units) / 2 == 0 ? KIB
		    : (unit - units) / 2 == 1 ? MIB : GIB;
		s = str_sub(s, 0, s.n - 1);
	}
	if (!str_to_i64(s, &v) || v < 0 || v > INT64_MAX / factor)
		return false;
	*out = v * factor;
	return true;
}

/* "1K": the largest unit that leaves nothing over. */
static void
show_size(struct load *l, int64_t v, const char **out)
{
	const char *unit = v % GIB == 0 ? "G" : v % MIB == 0 ? "M"
	    : v % KIB == 0 ? "K" : "";
	int64_t factor = v % GIB == 0 ? GIB : v % MIB == 0 ? MIB
	    : v % KIB == 0 ? KIB : 1;
	char *s = arena_printf(l->a, "%lld%s", (long long)(v / factor), unit);

	if (!s)
		l->r->nomem = true;
	*out = s ? s : "";
}

static bool
read_size(struct load *l, const struct ynode *n, const struct bound *k,
    int64_t *out)
{
	const char *low, *high;

	if (n->kind == YNODE_SCALAR && !n->quoted && parse_size(n->text, out)
	    && *out >= k->min && *out <= k->max)
		return true;
	show_size(l, k->min, &low);
	show_size(l, k->max, &high);
	report_error(l->r, n, "%s must be a size from %s to %s bytes (K, M and "
	    "G are powers of 1024)", k->what, low, high);
	return false;
}

void
config_limits(struct load *l, const struct ynode *n)
{
	const char *names[N_BOUNDS + 1] = { NULL };

	for (size_t i = 0; i < N_BOUNDS; i++)
		names[i] = bounds[i].name;
	if (!config_is_map(l, n, "limits"))
		return;
	ynode_known(n, "limits", names, l->r);
	for (size_t i = 0; i < N_BOUNDS; i++) {
		const struct bound *k = &bounds[i];
		const struct ynode *value = ynode_get(n, k->name);
		char *to = (char *)&l->c->limits + k->at;
		int64_t v = -1;

		if (!value || (k->kind == SIZE ? !read_size(l, value, k, &v)
		    : !ynode_count(value, k->what, k->min, k->max, &v, l->r))
		    || v < 0)
			continue;
		if (k->kind == STEPS)
			memcpy(to, &(uint32_t){ (uint32_t)v },
			    sizeof(uint32_t));
		else
			memcpy(to, &(size_t){ (size_t)v }, sizeof(size_t));
	}
}

void
limits_apply(const struct limits_config *of)
{
	json_limit(of->json_values);
	regex_limit(of->regex_steps);
}
