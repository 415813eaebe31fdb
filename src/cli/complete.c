/**
 * @file complete.c  Words for the shell's completion, one a line
 */
#include <stdio.h>
#include <string.h>
#include <re.h>
#include "cli/cli.h"

static void column_print(const struct odict *array, const char *key)
{
	const struct le *le;

	for (le = array ? array->lst.head : NULL; le; le = le->next) {

		const struct odict_entry *e = le->data;
		const char *str = e->type == ODICT_OBJECT
			? odict_string(e->u.odict, key) : NULL;

		/* a name that the shell would take apart helps nobody */
		if (str && str[0] && !str[strcspn(str, " \t\n\\'\"$`;&|<>()")])
			(void)printf("%s\n", str);
	}
}

static int called(struct cli *cli, const char *command, const char *array,
		  const char *key, const struct odict *args)
{
	const struct odict_entry *e;
	struct answer ans;
	int ret;

	ret = client_call(cli, &ans, command, args);
	e = ans.od ? odict_get_type(ans.od, ODICT_ARRAY, array) : NULL;
	if (!ret && e)
		column_print(e->u.odict, key);

	answer_reset(&ans);
	return ret;
}

static int participants(struct cli *cli, const char *conf)
{
	struct odict *args = NULL;
	int ret;

	if (odict_alloc(&args, 4))
		return CLI_FAILED;

	ret = arg_set(args, "conference", conf);
	if (!ret)
		ret = called(cli, "participants", "participants", "user",
			     args);

	mem_deref(args);
	return ret;
}

static int conferences(struct cli *cli)
{
	const struct odict_entry *e;
	struct answer ans;
	int ret;

	ret = client_farm(cli, &ans, "conferences", NULL);
	e = ans.od ? odict_get_type(ans.od, ODICT_ARRAY, "conferences")
		: NULL;
	if (!ret && e)
		column_print(e->u.odict, "name");
	answer_reset(&ans);

	return ret;
}

/* Of the farm; else what dispatch knows */
static int servers(struct cli *cli)
{
	const struct odict_entry *e;
	struct answer ans;
	int ret;

	ret = client_call(cli, &ans, "nodes", NULL);
	e = ans.od ? odict_get_type(ans.od, ODICT_ARRAY, "nodes") : NULL;
	if (!ret && e)
		column_print(e->u.odict, "name");
	answer_reset(&ans);

	return ret || e ? ret : called(cli, "capacity", "servers", "name",
				       NULL);
}

/**
 * complete commands|conferences|servers|services|settings|run, or
 * complete participants CONF
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_complete(struct cli *cli, int argc, char **argv)
{
	const char *what = argc ? argv[0] : "";
	struct odict *result = NULL;
	size_t i, n;
	int ret;

	if (!strcmp(what, "commands")) {
		const struct verb *v = verb_table(&n);

		for (i = 0; i < n; i++)
			if (v[i].help)
				(void)puts(v[i].name);
		return CLI_OK;
	}

	if (!strcmp(what, "conferences"))
		return conferences(cli);
	if (!strcmp(what, "services"))
		return called(cli, "status", what, "name", NULL);
	if (!strcmp(what, "servers"))
		return servers(cli);
	if (!strcmp(what, "settings"))
		return called(cli, what, what, "key", NULL);
	if (!strcmp(what, "participants") && argc == 2)
		return participants(cli, argv[1]);

	if (!strcmp(what, "run")) {
		ret = client_list(cli, &result);
		if (!ret)
			column_print(result_array(result, NULL), "name");
		mem_deref(result);
		return ret;
	}

	return CLI_USAGE;
}
