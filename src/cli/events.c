/**
 * @file cli/events.c  Events as they happen
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <re.h>
#include "cli/cli.h"

static void members_print(const struct odict *od)
{
	const struct le *le;

	for (le = od->lst.head; le; le = le->next) {

		const struct odict_entry *e = le->data;
		char key[64], val[512];

		if (!strcmp(e->key, "event"))
			continue;

		(void)re_snprintf(key, sizeof(key), "%s", e->key);
		text_clean(key);
		value_text(val, sizeof(val), e);
		(void)printf(" %s=%s", key, val);
	}
}

static int line_handler(const char *line, size_t len, void *arg)
{
	const struct cli *cli = arg;
	struct odict *od = NULL;
	const char *name;
	struct tm tm;
	time_t now;
	char when[16] = "", what[80];

	if (cli->json) {
		(void)printf("%.*s\n", (int)len, line);
	}
	else if (!json_decode_odict(&od, 16, line, len, 8)) {

		now = time(NULL);
		if (gmtime_r(&now, &tm))
			(void)strftime(when, sizeof(when), "%H:%M:%S", &tm);

		name = odict_string(od, "event");
		(void)re_snprintf(what, sizeof(what), "%s",
				  name ? name : "?");
		text_clean(what);
		(void)printf("%s %-20s", when, what);
		members_print(od);
		(void)printf("\n");
	}
	mem_deref(od);

	return fflush(stdout) ? ECANCELED : 0;
}

static int path_make(char **pathp, bool all, int argc, char **argv)
{
	struct mbuf *mb = mbuf_alloc(256);
	int i, err;

	if (!mb)
		return CLI_FAILED;

	err = mbuf_write_str(mb, all ? "/v1/events?all=1" : "/v1/events");
	for (i = 0; i < argc; i++) {

		if (!argv[i][0] || argv[i][0] == '-' ||
		    strspn(argv[i], "abcdefghijklmnopqrstuvwxyz"
			   "0123456789._-*") != strlen(argv[i])) {
			cli_error("'%s' cannot be the name of an event",
				  argv[i]);
			mem_deref(mb);
			return CLI_USAGE;
		}

		err |= mbuf_printf(mb, "%s%s", i ? "," : all ? "&names="
				   : "?names=", argv[i]);
	}

	mb->pos = 0;
	if (!err)
		err = mbuf_strdup(mb, pathp, mb->end);
	mem_deref(mb);

	return err ? CLI_FAILED : CLI_OK;
}

static int refused(const struct cli *cli, unsigned scode, struct mbuf *body)
{
	struct odict *od = NULL;
	const char *text;

	if (scode == 401) {
		cli_error("the server does not know the token in %s/token",
			  cli->dir);
		return CLI_DENIED;
	}

	(void)json_decode_odict(&od, 8, (const char *)mbuf_buf(body),
				mbuf_get_left(body), 4);
	text = od ? odict_string(od, "error") : NULL;
	cli_error("events: %s", text ? text : "refused");
	mem_deref(od);

	return CLI_FAILED;
}

/**
 * events [NAME ...]
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_events(struct cli *cli, int argc, char **argv)
{
	struct http_cli_conn *conn = NULL;
	struct mbuf *body = NULL;
	unsigned scode = 0;
	char *path = NULL;
	int ret;

	ret = cli->server ? only_here(cli, "events") : CLI_OK;
	if (!ret)
		ret = path_make(&path, cli->all, argc, argv);
	if (!ret)
		ret = http_open(&conn, cli->dir);
	if (!ret)
		ret = http_stream(conn, &scode, &body, path, line_handler,
				  cli);
	if (!ret && scode != 200)
		ret = refused(cli, scode, body);

	mem_deref(body);
	mem_deref(conn);
	mem_deref(path);
	return ret;
}
