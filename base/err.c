/*
 * err.c -- what went wrong, in one line, and the exit status that it decides.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define MSG_SIZE sizeof(((struct err *)0)->msg)

static void format(char *dst, size_t size, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
static void formatf(char *dst, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Format into dst; what does not fit is cut between two characters. */
static void
format(char *dst, size_t size, const char *fmt, va_list ap)
{
	int n;
	size_t cut;

	n = vsnprintf(dst, size, fmt, ap);
	if (n < 0) {
		dst[0] = '\0';
		return;
	}
	if ((size_t)n < size)
		return;
	cut = size - sizeof("...");
	while (cut > 0 && ((unsigned char)dst[cut] & 0xc0) == 0x80)
		cut--;
	memcpy(dst + cut, "...", sizeof("..."));
}

static void
formatf(char *dst, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format(dst, size, fmt, ap);
	va_end(ap);
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	char msg[MSG_SIZE]; /* an argument may point into e->msg */
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	format(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	e->code = code;
	memcpy(e->msg, msg, sizeof(msg));
	return -1;
}

int
err_sys(struct err *e, enum err_code code, const char *fmt, ...)
{
	int saved = errno;
	char text[128], msg[MSG_SIZE];
	const char *why;
	va_list ap;

	if (!e)
		return -1;
	why = strerror_r(saved, text, sizeof(text));
	/* The reason says more than the end of a long path: keep it whole. */
	va_start(ap, fmt);
	format(msg, sizeof(msg) - strlen(": ") - strlen(why), fmt, ap);
	va_end(ap);
	e->code = code;
	formatf(e->msg, sizeof(e->msg), "%s: %s", msg, why);
	errno = saved;
	return -1;
}

int
err_nomem(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

int
err_in(struct err *e, const char *fmt, ...)
{
	/* At most half, so that context never displaces the problem. */
	char context[MSG_SIZE / 2], msg[MSG_SIZE];
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	format(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(msg, e->msg, sizeof(msg));
	formatf(e->msg, sizeof(e->msg), "%s: %s", context, msg);
	return -1;
}

int
err_status(enum err_code code)
{
	switch (code) {
	case ERR_NONE:
		return 0;
	case ERR_USAGE:
	case ERR_CONFIG:
		return 2;
	case ERR_INPUT:
	case ERR_IO:
	case ERR_STORE:
	case ERR_NET:
	case ERR_NOMEM:
		return 1;
	case ERR_BUDGET:
		return 3;
	case ERR_INTERRUPTED:
		return 130;
	}
	return 1;
}
