/**
 * @file wait.c  stop and restart: say when it has happened
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <re.h>
#include "cli/cli.h"

enum {
	WAIT_MS = 15000,         /* longest wait [ms]                      */
	LOOK_MS = 20,            /* between two looks [ms]                 */
};

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = LOOK_MS * 1000000L};

	(void)nanosleep(&ts, NULL);
}

/* The server writes the file anew whenever it starts. */
static bool addr_stat(struct stat *st, const char *dir)
{
	char path[1024];

	return re_snprintf(path, sizeof(path), "%s/remote.addr", dir) > 0 &&
		!stat(path, st);
}

/* The server removes both, the second one last. */
static bool gone(const char *dir)
{
	struct stat st;
	char path[1024];

	return !addr_stat(&st, dir) &&
		re_snprintf(path, sizeof(path), "%s/junctord.pid", dir) > 0 &&
		stat(path, &st);
}

static int call(struct cli *cli, const char *name)
{
	struct odict *result = NULL;
	int ret = client_ok(cli, &result, name, NULL);

	mem_deref(result);
	return ret;
}

static int done(const struct cli *cli, const char *what)
{
	(void)printf(cli->json ? "{\"state\":\"%s\"}\n" : "%s\n", what);
	return CLI_OK;
}

/**
 * stop
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_stop(struct cli *cli, int argc, char **argv)
{
	unsigned ms;
	int ret;
	(void)argv;

	if (argc) {
		cli_error("usage: junctor stop");
		return CLI_USAGE;
	}

	if (cli->server)
		return command_call(cli, "stop", NULL);

	ret = call(cli, "stop");
	if (ret)
		return ret;

	for (ms = 0; ms < WAIT_MS; ms += LOOK_MS) {
		if (gone(cli->dir))
			return done(cli, "stopped");
		nap();
	}

	cli_error("still running after %d s", WAIT_MS / 1000);
	return CLI_FAILED;
}

/**
 * restart
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_restart(struct cli *cli, int argc, char **argv)
{
	struct stat before, now;
	unsigned ms;
	int ret;
	(void)argv;

	if (argc) {
		cli_error("usage: junctor restart");
		return CLI_USAGE;
	}

	if (cli->server)
		return command_call(cli, "restart", NULL);

	if (!addr_stat(&before, cli->dir))
		memset(&before, 0, sizeof(before));

	ret = call(cli, "restart");
	if (ret)
		return ret;

	for (ms = 0; ms < WAIT_MS; ms += LOOK_MS) {
		if (addr_stat(&now, cli->dir) &&
		    (now.st_ino != before.st_ino ||
		     now.st_mtim.tv_sec != before.st_mtim.tv_sec ||
		     now.st_mtim.tv_nsec != before.st_mtim.tv_nsec))
			return done(cli, "restarted");
		nap();
	}

	cli_error("has not come back after %d s; look into the log",
		  WAIT_MS / 1000);
	return CLI_FAILED;
}
