/*
 * task.h -- one unit of work, and the files that hold many.
 */
#ifndef CASCADE_TASK_H
#define CASCADE_TASK_H

#include "base/arena.h"
#include "base/err.h"
#include "base/input.h"
#include "providers/provider.h"

struct json;

struct field {
	struct str name, value;
};

/* How much a task may be: bounds on what others wrote. A file of tasks has
 * these defaults until it is told otherwise (configuration: `limits`). */
struct task_limits {
	size_t line;     /* bytes of a line or a CSV record, with its task */
	size_t prompt;   /* bytes of all text of a task, templates filled */
	size_t id;       /* bytes */
	size_t fields;   /* vars, tags, columns: each */
	size_t messages;
};
#define TASK_MAX_PROMPT ((size_t)8 << 20)
#define TASK_MAX_ID 4096
#define TASK_MAX_FIELDS 1000
#define TASK_MAX_MESSAGES 10000
#define TASK_LIMITS_DEFAULT { INPUT_MAX_RECORD, TASK_MAX_PROMPT, TASK_MAX_ID, \
    TASK_MAX_FIELDS, TASK_MAX_MESSAGES }
#define TASK_MAX_TAGS ((size_t)64 << 10) /* bytes of all tags together */
#define TASK_MAX_TOKENS 1000000000

struct task {
	struct arena *arena;  /* owns everything here, and the struct itself */
	struct str id;        /* given, or the line number */
	struct str prompt;    /* what {{input}} stands for; of a message list, the
	                         last user message */
	struct message *messages; /* NULL: prompt (and system) alone */
	size_t n_messages;
	struct str system;    /* empty: none of its own */
	struct field *vars;   /* {{field}} */
	size_t n_vars;
	struct field *tags;
	size_t n_tags;
	struct str cascade;   /* empty: the default */
	struct str reference; /* empty: none */
	bool has_reference;
	int64_t max_tokens;   /* 0: the tier's */
	int64_t line;         /* in the file; 0: none */
	bool numbered;        /* it had no id: the line number serves */
	int64_t seq;          /* for whoever reads tasks: the how-manieth */
	const struct task_limits *limits; /* borrowed; NULL: the defaults */
};

/* Those of the task, which are the defaults where it has none. */
const struct task_limits *task_limits(const struct task *t);

/* A task of a prompt. NULL: out of memory. */
struct task *task_of_prompt(struct str prompt);
/* From a task object (design: Task and result objects), or a line of an
 * OpenAI batch file ({"custom_id","method","url","body":{"messages",...}}).
 * NULL: *e says "column N: ..." or names the member. A task with `vars` may
 * lack a prompt: see task_check(). */
struct task *task_of_json(struct str line, struct err *e);
/* The same within `limits`, which outlive the task. */
struct task *task_of_json_within(struct str line,
    const struct task_limits *limits, struct err *e);
void task_free(struct task *t); /* NULL is fine */
/* 0, or -1 with ERR_INPUT: too much text, or (needs_prompt: there is no
 * template) a prompt that is missing or blank. */
int task_check(const struct task *t, bool needs_prompt, struct err *e);
int task_add_tag(struct task *t, struct str name, struct str value,
    struct err *e); /* replaces an equal name */

/* For traces, whose lines hold a task among other things: an empty task; its
 * `id`, `prompt` or `messages`, `system` and `tags` from an object; and a string, or a
 * number's or boolean's JSON text, in arena memory. */
struct task *task_new(void); /* NULL: out of memory */
int task_read(struct task *t, const struct json *o, struct err *e);
int task_text(struct arena *a, const struct json *v, struct str *out,
    struct err *e);

enum task_format {
	TASKS_AUTO,  /* by the file's name: .jsonl .ndjson .csv .tsv .txt, .gz */
	TASKS_JSONL, TASKS_CSV, TASKS_TSV, TASKS_TXT
};

struct task_reader; /* opaque */

/* TASKS_AUTO with a name that says nothing is an ERR_USAGE that names the
 * option; "-" is JSON Lines if its first byte is '{', else one prompt a line. */
int task_reader_open(struct task_reader **out, const char *path,
    enum task_format format, struct err *e);
void task_reader_close(struct task_reader *r);
/* Before the first task: other limits than the defaults. They outlive the
 * tasks. */
void task_reader_limit(struct task_reader *r, const struct task_limits *limits);
/*
 * 1: *out is the caller's; 0: the end; -1 with ERR_INPUT: this line is bad
 * ("file:line:column: ..."), the next call goes on after it; -1 with another
 * code: final. Blank lines are passed over in JSON Lines and text.
 * CSV: a header; column `prompt` is the prompt, `id`, `system`, `cascade` and
 * `reference` are what they say, every column is a field for templates. With
 * needs_prompt false (a template is used) there need be no `prompt`.
 */
int task_reader_next(struct task_reader *r, bool needs_prompt,
    struct task **out, struct err *e);
struct input *task_reader_input(struct task_reader *r); /* for progress */

/*
 * Messages for a tier: the task's messages, or system + prompt; with a
 * template, the last user message is the filled template. {{input}} is the
 * prompt, {{name}} a field; `{{{{` is a literal `{{`. An unknown field is an
 * ERR_INPUT that names it and the known ones. What is filled in is never
 * looked at again for braces.
 */
int template_fill(struct str template, const struct task *t, struct buf *out,
    struct err *e);
/* Complain about an unclosed or empty field: 0, or -1 with "character N". */
int template_check(struct str template, struct err *e);

#endif
