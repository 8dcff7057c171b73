/*
 * secret.h -- a text that is wiped before its memory is given back.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/err.h"
#include "base/str.h"

struct secret { /* private */
	char *p;
	size_t n;
};

#define SECRET_MAX 8192

/* Copies; white space around it is dropped. *s is filled without a look at
 * what it held. -1: empty, too long, has control characters (which could end
 * an HTTP header), or no memory; *s is empty then. The message never contains
 * any of it. */
int secret_set(struct secret *s, struct str text, struct err *e);
void secret_wipe(struct secret *s);
struct str secret_text(const struct secret *s);

/* Overwrite every occurrence of the secret in text, and of any run of 8 or
 * more of its first or last characters, with '*'. */
void secret_redact(const struct secret *s, char *text, size_t n);

/* From the environment, a file, or a command's first line of output (run by
 * /bin/sh with a null standard input, 30 s at most). */
int secret_from_env(struct secret *s, const char *name, struct err *e);
int secret_from_file(struct secret *s, const char *path, struct err *e);
int secret_from_command(struct secret *s, const char *command, struct err *e);

#endif
