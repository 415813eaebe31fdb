/**
 * @file commands.c  Words that are more than one call
 */
#include <config.h>
#include <stdio.h>
#include <string.h>
#include <re.h>
#include "cli/cli.h"

/* There are fewer words than `least`, or one more than may be. */
static int misused(int argc, int least, char **argv, const char *usage)
{
	if (argc < least)
		cli_error("something is missing; usage: junctor %s", usage);
	else
		cli_error("'%s' is too much; usage: junctor %s",
			  argv[argc - 1], usage);

	return CLI_USAGE;
}

static bool text_is(const struct odict *od, const char *key, const char *val)
{
	const char *str = odict_string(od, key);

	return str && !strcmp(str, val);
}

/* Who is meant: user, then display name; several is an error. Whom the list
   does not have may be at another server while the conference moves: the
   server knows. */
static int who_find(struct cli *cli, struct odict *args, const char *conf,
		    const char *who)
{
	static const char *const keyv[] = {"user", "name"};
	struct odict *query = NULL, *result = NULL;
	const struct odict *array, *found = NULL;
	unsigned hits = 0, id = 0;
	const struct le *le;
	uint64_t num;
	size_t k;
	int ret;

	if (odict_alloc(&query, 4))
		return CLI_FAILED;

	ret = arg_set(query, "conference", conf);
	if (!ret)
		ret = client_ok(cli, &result, "participants", query);
	mem_deref(query);
	if (ret)
		return ret;

	array = result_array(result, NULL);
	for (k = 0; array && k < ARRAY_SIZE(keyv) && !hits; k++) {
		for (le = array->lst.head; le; le = le->next) {
			const struct odict_entry *e = le->data;

			if (e->type == ODICT_OBJECT &&
			    text_is(e->u.odict, keyv[k], who)) {
				found = e->u.odict;
				++hits;
			}
		}
	}

	if (hits == 1 && odict_get_number(found, &num, "id"))
		id = (unsigned)num;
	mem_deref(result);

	if (!hits)
		return arg_set(args, "user", who);
	if (hits > 1) {
		cli_error("%u in '%s' are '%s': say id=N, as 'junctor show' "
			  "prints it", hits, conf, who);
		return CLI_FAILED;
	}

	return odict_entry_add(args, "id", ODICT_INT, (int64_t)id)
		? CLI_FAILED : CLI_OK;
}

/**
 * mute, unmute, kick: CONF WHO
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments; argv[-1] is the word
 *
 * @return Exit code
 */
int cmd_who(struct cli *cli, int argc, char **argv)
{
	const struct verb *v = verb_find(argv[-1]);
	struct odict *args = NULL;
	const char *who;
	struct pl id;
	int ret;

	if (argc != 2)
		return misused(argc, 2, argv, v->usage);
	if (odict_alloc(&args, 8))
		return CLI_FAILED;

	who = argv[1];
	ret = arg_set(args, "conference", argv[0]);
	if (ret)
		goto out;

	if (!strcmp(who, "all")) {
		ret = arg_set(args, "user", who);
	}
	else if (!strncmp(who, "user=", 5)) {
		ret = arg_set(args, "user", who + 5);
	}
	else if (!strncmp(who, "id=", 3)) {
		pl_set_str(&id, who + 3);
		if (!id.l || strspn(id.p, "0123456789") != id.l) {
			cli_error("'%s': an id is a number", who);
			ret = CLI_USAGE;
		}
		else if (odict_entry_add(args, "id", ODICT_INT,
					 (int64_t)pl_u32(&id)))
			ret = CLI_FAILED;
	}
	else {
		ret = who_find(cli, args, argv[0], who);
	}

	if (!ret)
		ret = command_call(cli, v->command, args);

 out:
	mem_deref(args);
	return ret;
}

/**
 * set KEY VALUE, or KEY=VALUE
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_set(struct cli *cli, int argc, char **argv)
{
	struct odict *args = NULL;
	char key[128];
	const char *eq, *val;
	int ret;

	eq = argc == 1 ? strchr(argv[0], '=') : NULL;
	if (argc != 2 && !eq)
		return misused(argc, 2, argv, "set KEY VALUE");

	val = eq ? eq + 1 : argv[1];
	if (re_snprintf(key, sizeof(key), "%b", argv[0],
			eq ? (size_t)(eq - argv[0]) : strlen(argv[0])) < 0) {
		cli_error("set: no setting has so long a name");
		return CLI_USAGE;
	}
	if (odict_alloc(&args, 4))
		return CLI_FAILED;

	ret = arg_set(args, "key", key);
	if (!ret)
		ret = arg_set(args, "value", val);
	if (!ret)
		ret = command_call(cli, "set", args);

	mem_deref(args);
	return ret;
}

/**
 * settings [PREFIX]
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_settings(struct cli *cli, int argc, char **argv)
{
	struct odict *result = NULL;
	const struct odict *array;
	struct le *le;
	int ret;

	if (argc > 1)
		return misused(argc, 0, argv, "settings [PREFIX]");

	ret = client_ok(cli, &result, "settings", NULL);
	if (ret)
		return ret;

	array = argc ? result_array(result, NULL) : NULL;
	for (le = array ? array->lst.head : NULL; le;) {

		struct odict_entry *e = le->data;
		const char *key = e->type == ODICT_OBJECT
			? odict_string(e->u.odict, "key") : NULL;

		le = le->next;
		if (key && strncmp(key, argv[0], strlen(argv[0])))
			mem_deref(e);
	}

	result_print(cli, result);
	mem_deref(result);
	return CLI_OK;
}

static int on_set(struct odict *args, const char *word)
{
	const bool on = !strcmp(word, "on");

	if (!on && strcmp(word, "off")) {
		cli_error("'%s': say on or off", word);
		return CLI_USAGE;
	}

	return odict_entry_add(args, "on", ODICT_BOOL, (int)on)
		? CLI_FAILED : CLI_OK;
}

/**
 * trace SERVICE on|off, trace sip CALL-ID|USER on|off
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_trace(struct cli *cli, int argc, char **argv)
{
	const bool sip = argc == 3 && !strcmp(argv[0], "sip");
	struct odict *args = NULL;
	int ret;

	if (argc != 2 && !sip)
		return misused(argc, 2, argv, "trace SERVICE on|off, or "
			       "trace sip CALL-ID|USER on|off");
	if (odict_alloc(&args, 4))
		return CLI_FAILED;

	if (sip) {
		/* the server knows which of the two it is */
		ret = arg_set(args, "callid", argv[1]);
		if (!ret)
			ret = arg_set(args, "user", argv[1]);
	}
	else {
		ret = arg_set(args, "service", argv[0]);
	}

	if (!ret)
		ret = on_set(args, argv[argc - 1]);
	if (!ret)
		ret = command_call(cli, sip ? "sip.trace" : "trace", args);

	mem_deref(args);
	return ret;
}

/**
 * run NAME [K=V ...]
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_run(struct cli *cli, int argc, char **argv)
{
	struct odict *args = NULL;
	int i, ret = CLI_OK;

	if (argc < 1)
		return misused(argc, 1, argv, "run NAME [K=V ...]");
	if (strspn(argv[0], "abcdefghijklmnopqrstuvwxyz0123456789._-") !=
	    strlen(argv[0])) {
		cli_error("'%s' cannot be the name of a command", argv[0]);
		return CLI_USAGE;
	}
	if (odict_alloc(&args, 8))
		return CLI_FAILED;

	for (i = 1; i < argc && !ret; i++)
		ret = pair_set(args, argv[i]);
	if (!ret)
		ret = command_call(cli, argv[0], args);

	mem_deref(args);
	return ret;
}

/**
 * commands
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_commands(struct cli *cli, int argc, char **argv)
{
	struct odict *result = NULL;
	int ret;

	if (argc)
		return misused(argc, 0, argv, "commands");

	ret = client_list(cli, &result);
	if (!ret)
		result_print(cli, result);

	mem_deref(result);
	return ret;
}

/**
 * version
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_version(struct cli *cli, int argc, char **argv)
{
	if (argc)
		return misused(argc, 0, argv, "version");
	if (!cli->json)
		(void)printf("junctor %s\n", PACKAGE_VERSION);

	return command_call(cli, "version", NULL);
}
