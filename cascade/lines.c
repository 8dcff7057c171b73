/*
 * lines.c -- what the readers of task files and of traces share.
 */
#include <stdio.h>

#include "base/utf8.h"
#include "cascade/lines.h"

#define SHOWN_COLUMNS 40

int
lines_place(const struct input *in, struct err *e)
{
	struct str rest, number;
	int64_t column = input_column(in);
	char msg[sizeof(e->msg)];

	if (!e)
		return -1;
	snprintf(msg, sizeof(msg), "%s", e->msg);
	rest = str_of(msg);
	if (str_starts(rest, "column ")) {
		rest = str_sub(rest, sizeof("column ") - 1, rest.n);
		if (str_cut(&rest, ':', &number) &&
		    str_to_i64(number, &column))
			err_set(e, e->code, "%.*s", STR_ARG(str_trim(rest)));
	}
	return err_in(e, "%s:%lld:%lld", input_name(in),
	    (long long)input_lineno(in), column ? (long long)column : 1);
}

int
lines_next(struct input *in, struct str *line, struct err *e)
{
	int rc;

	do
		rc = input_line(in, line, e);
	while (rc == 1 && str_trim(*line).n == 0);
	if (rc < 0 && e && e->code == ERR_INPUT)
		lines_place(in, e);
	return rc;
}

struct shown
lines_shown(struct str name)
{
	struct shown s;
	struct buf b;

	buf_init(&b, sizeof(s.p) - 1);
	utf8_oneline(&b, utf8_clip(name, sizeof(s.p) / 2), SHOWN_COLUMNS);
	snprintf(s.p, sizeof(s.p), "%s", b.failed ? "?" : b.p ? b.p : "");
	buf_release(&b);
	return s;
}
