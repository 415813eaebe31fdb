/**
 * @file cli/farm.c  Words about the servers of a farm
 */
#include <stdio.h>
#include <string.h>
#include <re.h>
#include "cli/cli.h"

/**
 * A word that only the server in the directory can answer
 *
 * @param cli  Options
 * @param verb Word
 *
 * @return 0, or an exit code if another server is asked for, already told
 */
int only_here(const struct cli *cli, const char *verb)
{
	if (!cli->server && !cli->all)
		return CLI_OK;

	cli_error("%s: only of the server in --dir", verb);
	return CLI_USAGE;
}

/**
 * status, conferences, moves: of all servers, if the one that is asked looks
 * after a farm
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments; argv[-1] is the word
 *
 * @return Exit code
 */
int cmd_farm(struct cli *cli, int argc, char **argv)
{
	const struct verb *v = verb_find(argv[-1]);

	if (argc) {
		cli_error("%s: '%s' is too much; usage: junctor %s",
			  v->name, argv[0], v->usage);
		return CLI_USAGE;
	}

	return farm_call(cli, v->command, NULL);
}

static int flag_set(struct odict *args, const char *key, bool on)
{
	return odict_entry_add(args, key, ODICT_BOOL, (int)on)
		? CLI_FAILED : CLI_OK;
}

/**
 * drain [SERVER] [--exit|--off]
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_drain(struct cli *cli, int argc, char **argv)
{
	struct odict *args = NULL;
	bool off = false, leave = false;
	int i, ret;

	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--exit"))
			leave = true;
		else if (!strcmp(argv[i], "--off"))
			off = true;
		else if (argv[i][0] != '-' && !cli->server)
			cli->server = argv[i];
		else {
			cli_error("drain: what is '%s'? usage: junctor "
				  "drain [SERVER] [--exit|--off]", argv[i]);
			return CLI_USAGE;
		}
	}

	if (off && leave) {
		cli_error("drain: --exit and --off do not go together");
		return CLI_USAGE;
	}
	if (cli->all) {
		cli_error("drain: one server at a time");
		return CLI_USAGE;
	}
	if (odict_alloc(&args, 4))
		return CLI_FAILED;

	ret = flag_set(args, "on", !off);
	if (!ret && leave)
		ret = flag_set(args, "exit", true);
	if (!ret)
		ret = command_call(cli, "drain", args);

	mem_deref(args);
	return ret;
}

/**
 * move CONF [SERVER]
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_move(struct cli *cli, int argc, char **argv)
{
	struct odict *args = NULL;
	int ret;

	if (argc < 1 || argc > 2) {
		cli_error("usage: junctor move CONF [SERVER]");
		return CLI_USAGE;
	}
	if (odict_alloc(&args, 4))
		return CLI_FAILED;

	ret = arg_set(args, "conference", argv[0]);
	if (!ret && argc == 2)
		ret = arg_set(args, "server", argv[1]);
	if (!ret)
		ret = command_call(cli, "move", args);

	mem_deref(args);
	return ret;
}

/**
 * registry probe SERVER
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_registry(struct cli *cli, int argc, char **argv)
{
	struct odict *args = NULL;
	int ret;

	if (argc != 2 || strcmp(argv[0], "probe")) {
		cli_error("usage: junctor registry probe SERVER");
		return CLI_USAGE;
	}
	if (odict_alloc(&args, 4))
		return CLI_FAILED;

	ret = arg_set(args, "server", argv[1]);
	if (!ret)
		ret = command_call(cli, "registry.probe", args);

	mem_deref(args);
	return ret;
}
