/*
 * work.h -- what `batch` and `collect` have in common, which work through files
 * of tasks: their options, the tasks on their way in, the results on their way
 * out, and the end.
 *
 * In order: work_init(), the options, work_open(), what an earlier run has left
 * in the output file, work_open_output(), then work_run() and work_end(), or
 * work_estimate(); always work_close().
 */
#ifndef CMD_WORK_H
#define CMD_WORK_H

#include "cmd/files.h"
#include "cmd/ordered.h"
#include "cmd/progress.h"
#include "cmd/runner.h"

enum { ORDER_DONE, ORDER_INPUT };

/* The first member of the command's own struct, so that one cookie is both. */
struct work {
	struct runner runner;
	struct runner_options o;
	struct files files;
	const char *out_file;
	int order_mode, format;
	bool quiet;
	bool to_file;    /* something to go on with, see work_open() */
	struct ordered ordered;
	struct output *out;
	struct progress progress;
	int64_t seq;     /* tasks begun, and the number of the next */
	int64_t bad;     /* tasks that could not be read or begun */
	struct buf text; /* of a result, for the command */
};

extern const char *const work_orders[], *const work_formats[];

/* Rows for an option table, after those of -o and --order. */
#define WORK_OPTS(w) \
	{ OPT_CHOICE, 0, "format", &(w)->format, "FORMAT", \
	    "jsonl, csv, tsv or txt (default: by the file's name)", \
	    0, 0, work_formats }, \
	{ OPT_FLAG, 'q', "quiet", &(w)->quiet, NULL, \
	    "no progress and no summary", 0, 0, NULL }, \
	RUNNER_OPTS(&(w)->o)

void work_init(struct work *w);
void work_close(struct work *w);

/* The files, of which there must be one, and all but the engine. `name`: of the
 * command. to_file: the output is a file, not standard output, a pipe or a
 * device; with --estimate there is none. */
int work_open(struct work *w, const char *name, int argc, char **argv,
    struct err *e);
int work_open_output(struct work *w, struct err *e);

/*
 * For engine_io.next: the next task of the files. 1: *t, which the caller gives
 * to one of the next two or frees; 0, 2 and -1 as there. Tasks that cannot be
 * read are told of, and passed over.
 */
int work_read(struct work *w, struct task **t, int *fd, struct err *e);
/* 1: it is ready and has its number; 0: it cannot be done, so that was said and
 * it is freed; -1: *e. */
int work_begin(struct work *w, struct task *t, const struct cascade **cascade,
    struct err *e);
/* It cannot be done, as *e says. 0: that was said, and it is freed; -1: it is
 * freed, and *e is something worse. */
int work_refuse(struct work *w, struct task *t, struct err *e);

/*
 * Climb with what io.next gives, for io.done; of io only these two are looked
 * at, and their cookie is w. `kept`: tasks that an earlier run had done. What is
 * due is in the output afterwards, whether all went well or not.
 */
int work_run(struct work *w, struct engine_io io, const char *name,
    int64_t kept, struct err *e);
/* The last words of a run. */
void work_end(struct work *w);
/* Send nothing; print what io.next's tasks would cost. */
int work_estimate(struct work *w, struct engine_io io, struct err *e);

#endif
