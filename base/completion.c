/*
 * completion.c -- names of the reasons for which a model stops.
 */
#include "base/completion.h"

const char *
finish_name(enum finish f)
{
	switch (f) {
	case FINISH_STOP:
		return "stop";
	case FINISH_LENGTH:
		return "length";
	case FINISH_REFUSED:
		return "refused";
	case FINISH_TOOL:
		return "tool";
	case FINISH_OTHER:
		return "other";
	}
	return "other";
}

bool
finish_parse(struct str name, enum finish *out)
{
	for (int f = FINISH_STOP; f <= FINISH_OTHER; f++) {
		if (str_is(name, finish_name((enum finish)f))) {
			*out = (enum finish)f;
			return true;
		}
	}
	return false;
}
