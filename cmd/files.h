/*
 * files.h -- the tasks of several files, one after the other, for the commands
 * that work through them.
 */
#ifndef CMD_FILES_H
#define CMD_FILES_H

#include "cascade/task.h"

struct files {
	char **names;
	size_t n, at; /* at: of the open one */
	struct task_reader *reader;
	enum task_format format;
	const struct task_limits *limits;
	bool needs_prompt;
	int64_t bytes, bytes_before; /* of all; of those that are done */
	int64_t tasks;
};

/* Every file is opened once beforehand: a name that is wrong costs nothing. */
int files_check(struct files *f, struct err *e);
/* As task_reader_next(), over all files. 2: none yet, see *fd; which is only
 * so where it is not NULL. With several files a task without an id is called
 * "file:line". */
int files_next(struct files *f, struct task **t, int *fd, struct err *e);
/* Tasks in all, guessed from the bytes read so far; -1: no idea. */
int64_t files_total(const struct files *f);
/* All of them are read, so that files_total() is no guess. */
bool files_all_read(const struct files *f);
void files_close(struct files *f);
/* Puts where the task stands before what is wrong with it. */
void files_place(const struct files *f, const struct task *t, struct err *e);

#endif
