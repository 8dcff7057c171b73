/*
 * demo_config.c -- the text of `-c demo`: a cascade of simulated models, for a
 * machine with no key and no network.
 */
#include "cascade/config.h"

struct str
config_demo_text(void)
{
	return STR(
"# The built-in demonstration. EVERYTHING HERE IS SIMULATED: no model is asked,\n"
"# nothing leaves this machine, and nothing is paid. Answers are made up, and\n"
"# wrong more often the smaller the model is; prices are made up too, in the\n"
"# proportions of real ones. Copy it to frugal.yaml and put your models in.\n"
"\n"
"providers:\n"
"  sim: {api: simulated}\n"
"\n"
"cascades:\n"
"  demo:\n"
"    answer: '####\\s*(-?[\\d.,]+)'   # what counts as the answer in a text\n"
"    tiers:\n"
"      - model: sim/small            # asked 2 to 5 times: do they agree?\n"
"        samples: {min: 2, max: 5}\n"
"        temperature: 0.7\n"
"        max_tokens: 256             # at most: a --max-cost needs to know\n"
"        accept: {agreement: 0.8}\n"
"      - model: sim/medium           # asked once: is it sure of its answer?\n"
"        max_tokens: 256\n"
"        accept:\n"
"          all:\n"
"            - regex: '####'\n"
"            - logprob: {at_least: 0.85, over: answer}\n"
"      - model: sim/large            # the last one: its answer is taken\n"
"        max_tokens: 256\n"
"\n"
"models:                             # dollars for a million tokens\n"
"  sim/small: {input_per_mtok: 0.05, output_per_mtok: 0.25}\n"
"  sim/medium: {input_per_mtok: 0.375, output_per_mtok: 1.875}\n"
"  sim/large: {input_per_mtok: 3, output_per_mtok: 15}\n");
}
