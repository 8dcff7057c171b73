/*
 * main.c -- which subcommand, and what the program says of itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "cmd/common.h"

extern const struct command cmd_run, cmd_batch, cmd_collect, cmd_check,
    cmd_stats, cmd_explain, cmd_replay, cmd_tune, cmd_learn, cmd_cache,
    cmd_models, cmd_scorers;

const struct command *const commands[] = {
	&cmd_run, &cmd_batch, &cmd_collect, &cmd_check, &cmd_stats,
	&cmd_explain, &cmd_replay, &cmd_tune, &cmd_learn, &cmd_cache,
	&cmd_models, &cmd_scorers, NULL
};

static int
help(void)
{
	struct err e;

	printf("Usage: frugal [COMMAND] [OPTION]... [ARGUMENT]...\n\n"
	    "Sends each prompt to the cheapest model first, scores the "
	    "answer, and climbs to\na dearer model only when the score says "
	    "so. Nothing is paid for twice.\n\nCommands:\n");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-9s %s\n", commands[i]->name,
		    commands[i]->summary);
	printf("\nWithout a command it is `run`. `frugal COMMAND --help` "
	    "shows the options of one;\nfrugal(1) is the manual.\n\n"
	    "Examples:\n"
	    "  frugal -c demo \"What is 12 + 30?\"     no key, no network: "
	    "simulated models\n"
	    "  echo \"Why is the sky blue?\" | frugal -m openai/gpt-4o-mini\n"
	    "  frugal batch tasks.jsonl -o answers.jsonl\n"
	    "  frugal stats --since 7d\n\n"
	    "Exit status: 0 all answered; 1 some tasks failed; 2 usage or "
	    "configuration;\n3 budget reached; 130 interrupted.\n");
	return out_flush(&e) < 0 ? say_err(&e) : 0;
}

static int
version(void)
{
	struct err e;

	printf("frugal %s\n", FRUGAL_VERSION);
	return out_flush(&e) < 0 ? say_err(&e) : 0;
}

static const struct command *
find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

/*
 * A first word that is nearly a command's name is a typing error, not a prompt,
 * if it stands alone, before one more word, a file that is there, or an option:
 * to ask a model for it would cost money. `run` takes it as a prompt.
 */
static int
not_a_typo(int argc, char **argv, struct err *e)
{
	const char *names[16], *near;
	size_t n = 0;

	if (argc > 3 && argv[2][0] != '-' && access(argv[2], F_OK) != 0)
		return 0;
	for (; commands[n]; n++)
		names[n] = commands[n]->name;
	names[n] = NULL;
	near = suggest(str_of(argv[1]), names);
	if (near)
		return err_set(e, ERR_USAGE, "unknown command '%.40s'; did "
		    "you mean '%s'? (as a prompt: frugal run '%.40s')",
		    argv[1], near, argv[1]);
	return 0;
}

/* Options that every command has may stand before it: `frugal -c demo stats`.
 * The command is moved to the front. */
static void
command_first(int argc, char **argv)
{
	int at = 1;
	char *name;

	while (at + 2 < argc && (strcmp(argv[at], "-c") == 0
	    || strcmp(argv[at], "--config") == 0
	    || strcmp(argv[at], "--store") == 0))
		at += 2;
	if (at == 1 || !find(argv[at]))
		return;
	name = argv[at];
	memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof(*argv));
	argv[1] = name;
}

/*
 * A standard descriptor that is closed would be given to the next file that is
 * opened: answers, or messages, would be written into it. It gets a place of
 * its own, opened the wrong way round, so that to use it is still an error.
 */
static void
keep_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY
			    : O_RDONLY);
}

static int
run(int argc, char **argv)
{
	const struct command *cmd;
	struct err e;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0
	    || strcmp(argv[1], "-h") == 0
	    || (strcmp(argv[1], "help") == 0 && argc == 2)))
		return help();
	if (argc > 1 && (strcmp(argv[1], "--version") == 0
	    || strcmp(argv[1], "-V") == 0))
		return version();
	if (argc == 3 && strcmp(argv[1], "help") == 0 && find(argv[2])) {
		char *args[] = { argv[2], "--help", NULL };
		return find(argv[2])->run(find(argv[2]), 2, args);
	}
	command_first(argc, argv);
	cmd = argc > 1 ? find(argv[1]) : NULL;
	if (cmd)
		return cmd->run(cmd, argc - 1, argv + 1);
	if (argc > 1 && argv[1][0] != '-' && not_a_typo(argc, argv, &e) < 0)
		return say_err(&e);
	return cmd_run.run(&cmd_run, argc, argv);
}

/* As exit(), without what libraries do then: the kernel takes their memory, and
 * to clear it away before takes 2 to 5 % of a live start. Commands have looked at
 * what became of their output. */
static int
leave(int status)
{
	(void)fflush(stdout);
#ifndef SANITIZED /* leaks are looked for at the end */
	_exit(status);
#endif
	return status;
}

int
main(int argc, char **argv)
{
	keep_descriptors();
	/* A reader that goes away, and a file that grows beyond the limit of
	 * the shell (ulimit -f), are errors of write(2), told apart. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return leave(run(argc, argv));
}
