/**
 * @file junctor.c  The operator's command
 *
 *   junctor [--dir DIR] [--server NAME|--all] [--json] COMMAND [arguments]
 *
 * A thin client of the service `remote`: it finds the server's address and
 * the token in the directory of the NOC, calls a command of the server and
 * prints what comes back. src/cli/verbs.c lists the commands.
 */
#include <config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <re.h>
#include "cli/cli.h"

enum { ARGS_MAX = 64 };

static void usage_print(void)
{
	const struct verb *v;
	size_t i, n;

	(void)puts("Usage: junctor [--dir DIR] [--server NAME|--all] [--json] "
		   "COMMAND [arguments]\n"
		   "\n"
		   "Looks after a running Junctor NOC.\n"
		   "\n"
		   "  --dir DIR   its directory (default: JUNCTOR_DIR in the "
		   "environment, or ./run)\n"
		   "  --server NAME  another server of its farm\n"
		   "  --all       all servers of its farm, --here: only this "
		   "one\n"
		   "  --json      print JSON for programs\n"
		   "  --help      this text, or with a COMMAND its own\n"
		   "\n"
		   "Commands:");

	v = verb_table(&n);
	for (i = 0; i < n; i++)
		if (v[i].help)
			(void)printf("  %-30s %s\n", v[i].usage, v[i].help);

	(void)puts("\n"
		   "Exit status: 0 done, 1 the server could not, 2 wrong "
		   "usage, 3 no server there,\n4 no right to ask it.");
}

static int usage_error(const char *text, const char *word)
{
	cli_error("%s%s%s%s", text, word ? " '" : "", word ? word : "",
		  word ? "'" : "");
	(void)fputs("Try 'junctor --help'.\n", stderr);

	return CLI_USAGE;
}

static int unknown_verb(const char *word)
{
	const char *wordv[64], *near;
	const struct verb *v;
	size_t i, n, c = 0;

	v = verb_table(&n);
	for (i = 0; i < n && c < ARRAY_SIZE(wordv); i++)
		if (v[i].help)
			wordv[c++] = v[i].name;

	near = suggest(word, wordv, c);
	if (!near)
		return usage_error("unknown command", word);

	cli_error("unknown command '%s'; did you mean '%s'?", word, near);
	return CLI_USAGE;
}

/* Takes our own options out, wherever they stand; everything else stays. */
static int options_take(struct cli *cli, int argc, char **argv,
			char **restv, int *restc)
{
	int i, n = 0;

	for (i = 1; i < argc; i++) {

		const char *arg = argv[i];

		if (!strcmp(arg, "--json")) {
			cli->json = true;
		}
		else if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
			cli->help = true;
		}
		else if (!strcmp(arg, "--dir")) {
			if (++i >= argc)
				return usage_error("a directory is missing "
						   "after", arg);
			cli->dir = argv[i];
		}
		else if (!strncmp(arg, "--dir=", 6)) {
			cli->dir = arg + 6;
		}
		else if (!strcmp(arg, "--server")) {
			if (++i >= argc)
				return usage_error("a name is missing after",
						   arg);
			cli->server = argv[i];
		}
		else if (!strncmp(arg, "--server=", 9)) {
			cli->server = arg + 9;
		}
		else if (!strcmp(arg, "--all")) {
			cli->all = true;
		}
		else if (!strcmp(arg, "--here")) {
			cli->here = true;
		}
		else if (!n && arg[0] == '-' && strcmp(arg, "--version")) {
			return usage_error("unknown option", arg);
		}
		else if (n >= ARGS_MAX) {
			return usage_error("too many arguments", NULL);
		}
		else {
			restv[n++] = argv[i];
		}
	}

	if (cli->server && (cli->all || cli->here))
		return usage_error("--server, --all, --here: only one of "
				   "them", NULL);
	if (cli->server && !cli->server[0])
		return usage_error("--server needs a name", NULL);

	*restc = n;
	return CLI_OK;
}

static int command_main(int argc, char **argv)
{
	struct cli cli = {.dir = getenv("JUNCTOR_DIR")};
	char *restv[ARGS_MAX] = {NULL};
	const struct verb *v;
	int restc = 0, ret;

	if (!cli.dir || !cli.dir[0])
		cli.dir = "run";

	ret = options_take(&cli, argc, argv, restv, &restc);
	if (ret)
		return ret;

	if (!restc) {
		if (!cli.help)
			return usage_error("say what to do", NULL);
		usage_print();
		return CLI_OK;
	}

	if (!strcmp(restv[0], "help")) {
		if (restc == 1) {
			usage_print();
			return CLI_OK;
		}
		restv[0] = restv[1];
		cli.help = true;
	}
	else if (!strcmp(restv[0], "--version")) {
		(void)puts("junctor " PACKAGE_VERSION);
		return CLI_OK;
	}

	v = verb_find(restv[0]);
	if (!v)
		return unknown_verb(restv[0]);

	if (cli.help) {
		verb_help(v);
		return CLI_OK;
	}

	return verb_run(&cli, v, restc - 1, restv + 1);
}

int main(int argc, char **argv)
{
	int ret;

	if (libre_init())
		return CLI_FAILED;

	ret = command_main(argc, argv);
	libre_close();

	if (fflush(stdout) && !ret)
		ret = CLI_FAILED;

	return ret;
}
