/*
 * files.c -- tasks of several files.
 */
#include "cmd/files.h"

#include <string.h>

static int
files_open(struct files *f, struct err *e)
{
	if (task_reader_open(&f->reader, f->names[f->at], f->format, e) < 0)
		return -1;
	task_reader_limit(f->reader, f->limits);
	return 0;
}

void
files_close(struct files *f)
{
	task_reader_close(f->reader);
	f->reader = NULL;
}

/* With several files a line number alone names nothing. */
static int
name_task(const struct files *f, struct task *t, struct err *e)
{
	const char *name = f->names[f->at], *base = strrchr(name, '/');
	char *id;

	if (!t->numbered || f->n < 2)
		return 0;
	id = arena_printf(t->arena, "%s:%lld", base ? base + 1 : name,
	    (long long)t->line);
	if (!id)
		return err_nomem(e);
	t->id = str_of(id);
	return 0;
}

int
files_next(struct files *f, struct task **t, int *fd, struct err *e)
{
	struct input *in;
	int rc;

	for (;;) {
		if (!f->reader) {
			if (f->at == f->n)
				return 0;
			if (files_open(f, e) < 0)
				return -1;
		}
		in = task_reader_input(f->reader);
		if (fd && !input_ready(in)) {
			*fd = input_fd(in);
			return 2;
		}
		rc = task_reader_next(f->reader, f->needs_prompt, t, e);
		if (rc != 0)
			break;
		f->bytes_before += input_offset(in);
		files_close(f);
		f->at++;
	}
	if (rc > 0) {
		f->tasks++;
		if (name_task(f, *t, e) < 0) {
			task_free(*t);
			return -1;
		}
	}
	return rc;
}

int64_t
files_total(const struct files *f)
{
	int64_t read = f->bytes_before;

	if (f->at == f->n)
		return f->tasks;
	if (f->bytes < 0 || !f->reader)
		return -1;
	read += input_offset(task_reader_input(f->reader));
	if (read <= 0 || !f->tasks)
		return -1;
	return (int64_t)((double)f->tasks * (double)f->bytes / (double)read);
}

bool
files_all_read(const struct files *f)
{
	return f->at == f->n;
}

int
files_check(struct files *f, struct err *e)
{
	for (size_t i = 0; i < f->n; i++) {
		struct task_reader *r;
		int64_t size;

		if (strcmp(f->names[i], "-") == 0) {
			f->bytes = -1;
			continue;
		}
		if (task_reader_open(&r, f->names[i], f->format, e) < 0) {
			e->code = ERR_USAGE;
			return -1;
		}
		size = input_size(task_reader_input(r));
		f->bytes = size < 0 || f->bytes < 0 ? -1 : f->bytes + size;
		task_reader_close(r);
	}
	return 0;
}

void
files_place(const struct files *f, const struct task *t, struct err *e)
{
	err_in(e, "%s:%lld", f->names[f->at], (long long)t->line);
}
