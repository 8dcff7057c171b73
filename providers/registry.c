/*
 * registry.c -- every wire format that `api:` can name.
 */
#include "providers/provider.h"

extern const struct provider_ops provider_openai;
extern const struct provider_ops provider_simulated;
extern const struct provider_ops provider_recorded;

const struct provider_ops *const provider_registry[] = {
	&provider_openai,
	&provider_simulated,
	&provider_recorded,
	NULL,
};

const struct provider_ops *
provider_find(struct str api)
{
	for (size_t i = 0; provider_registry[i]; i++)
		if (str_is(api, provider_registry[i]->name))
			return provider_registry[i];
	return NULL;
}
