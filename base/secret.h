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

/*
 * Overwrite every occurrence of the secret in text, and of any run of 8 or
 * more of its first or last characters, with '*'. One of 16 characters or more
 * is no word that a text may have by chance, and is found also
 *   - in the other case ("SK-..."),
 *   - escaped as in JSON (\u0041, \/), in a URL (%41) or in HTML (&#65;
 *     &#x41; &amp;), some of it or all,
 *   - with white space, line ends or escaped line ends in it,
 *   - as base64 or base64url, also within a longer text that is encoded, and
 *     as hexadecimal: of these at least 16 characters at either end.
 * Not found: a middle part alone, reversed, encoded twice, enciphered.
 */
void secret_redact(const struct secret *s, char *text, size_t n);

/* From the environment, a file, or a command's first line of output (run by
 * /bin/sh with a null standard input, 30 s at most). */
int secret_from_env(struct secret *s, const char *name, struct err *e);
int secret_from_file(struct secret *s, const char *path, struct err *e);
int secret_from_command(struct secret *s, const char *command, struct err *e);

#endif
