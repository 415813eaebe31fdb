/**
 * @file cli/time.c  Points in time, and what is planned for them
 */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <re.h>
#include "cli/cli.h"

static int decode(int64_t *sec, const char *str)
{
	static const char *const formatv[] = {
		"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%MZ",
		"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ",
	};
	const size_t len = strlen(str);
	size_t i;

	if (len && len <= 10 && strspn(str, "0123456789") == len) {
		*sec = strtoll(str, NULL, 10);
		return *sec <= UINT32_MAX ? 0 : EINVAL;
	}

	for (i = 0; i < ARRAY_SIZE(formatv); i++) {

		struct tm tm;
		const char *end;

		memset(&tm, 0, sizeof(tm));
		end = strptime(str, formatv[i], &tm);
		if (!end || *end)
			continue;

		*sec = timegm(&tm);
		return *sec >= 0 && *sec <= UINT32_MAX ? 0 : EINVAL;
	}

	return EINVAL;
}

/**
 * Read a point in time
 *
 * @param sec Returned time, UTC since the epoch [s]
 * @param str Seconds since 1970, YYYY-MM-DD, or YYYY-MM-DDTHH:MM[:SS][Z]
 *
 * @return 0 or an exit code, already told
 */
int time_decode(int64_t *sec, const char *str)
{
	if (!decode(sec, str))
		return CLI_OK;

	cli_error("'%s' is no time: YYYY-MM-DD, YYYY-MM-DDTHH:MM:SSZ or "
		  "seconds since 1970", str);
	return CLI_USAGE;
}

/**
 * plan SERVER FROM TO, plan SERVER off
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_plan(struct cli *cli, int argc, char **argv)
{
	const bool off = argc == 2 && !strcmp(argv[1], "off");
	int64_t from = 0, to = 0;
	struct odict *args = NULL;
	int ret = CLI_OK;

	if (argc != 3 && !off) {
		cli_error("usage: junctor plan SERVER FROM TO, or plan "
			  "SERVER off");
		return CLI_USAGE;
	}

	if (!off)
		ret = time_decode(&from, argv[1]);
	if (!ret && !off)
		ret = time_decode(&to, argv[2]);
	if (!ret && !off && to <= from) {
		cli_error("plan: it ends before it begins");
		ret = CLI_USAGE;
	}
	if (ret)
		return ret;

	if (odict_alloc(&args, 4))
		return CLI_FAILED;

	ret = arg_set(args, "server", argv[0]);
	if (!ret && (odict_entry_add(args, "from", ODICT_INT, from) ||
		     odict_entry_add(args, "to", ODICT_INT, to)))
		ret = CLI_FAILED;
	if (!ret)
		ret = command_call(cli, "plan-out", args);

	mem_deref(args);
	return ret;
}
