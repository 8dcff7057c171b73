/*
 * recorded.c -- `api: recorded`: a provider whose answers come from traces
 * alone. It lets a cascade of models that are gone, or that nobody here has a
 * key for, be configured and replayed.
 */
#include "providers/provider.h"

extern const struct provider_ops provider_recorded;

static int
recorded_build(const struct model_request *q, struct wire *out, struct err *e)
{
	(void)out;
	return err_set(e, ERR_CONFIG, "model '%.*s/%.*s' is recorded: its answers "
	    "come from traces alone, see 'frugal replay'",
	    STR_ARG(q->provider->name), STR_ARG(q->model));
}

const struct provider_ops provider_recorded = {
	.name = "recorded",
	.summary = "answers of recorded traces, for 'frugal replay'",
	.flags = PROVIDER_RECORDED | PROVIDER_OFFLINE,
	.build = recorded_build,
};
