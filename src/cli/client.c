/**
 * @file client.c  Calls of the server's commands
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <re.h>
#include "cli/cli.h"

enum {
	DEPTH_MAX = 16,
	TRY_MS    = 250,         /* "not now": again after                 */
	TRIES     = 20,
};

/**
 * Tell the operator what is wrong
 *
 * @param fmt Text; the program's name goes before it
 */
void cli_error(const char *fmt, ...)
{
	char buf[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);

	text_clean(buf);
	(void)fflush(stdout);
	(void)fprintf(stderr, "junctor: %s\n", buf);
}

/**
 * Forget an answer
 *
 * @param ans Answer
 */
void answer_reset(struct answer *ans)
{
	ans->od = mem_deref(ans->od);
	ans->scode = 0;
}

static int answer_decode(struct answer *ans, struct mbuf *body)
{
	if (json_decode_odict(&ans->od, 32, (const char *)mbuf_buf(body),
			      mbuf_get_left(body), DEPTH_MAX)) {
		cli_error("the server's answer is not JSON (status %u)",
			  ans->scode);
		return CLI_FAILED;
	}

	return CLI_OK;
}

static int request(struct cli *cli, struct answer *ans, const char *method,
		   const char *path, const char *text)
{
	struct http_cli_conn *conn = NULL;
	struct mbuf *body = NULL;
	int ret;

	ret = http_open(&conn, cli->dir);
	if (!ret)
		ret = http_exchange(conn, &ans->scode, &body, method, path,
				    text, text ? strlen(text) : 0);
	if (!ret)
		ret = answer_decode(ans, body);

	if (!ret && ans->scode == 401) {
		cli_error("the server does not know the token in %s/token",
			  cli->dir);
		ret = CLI_DENIED;
	}

	mem_deref(body);
	mem_deref(conn);
	return ret;
}

static int call(struct cli *cli, struct answer *ans, const char *name,
		const struct odict *args)
{
	char *path = NULL, *text = NULL;
	int ret = CLI_FAILED;

	memset(ans, 0, sizeof(*ans));

	if (args ? !re_sdprintf(&text, "%H", json_encode_odict, args)
		 : !str_dup(&text, "{}"))
		if (!re_sdprintf(&path, "/v1/%s", name))
			ret = request(cli, ans, "POST", path, text);

	mem_deref(path);
	mem_deref(text);
	return ret;
}

/* A command within another one: {server, command, args} */
static int call_within(struct cli *cli, struct answer *ans, const char *outer,
		       const char *name, const struct odict *args,
		       bool automatic)
{
	struct odict *od = NULL;
	int err, ret = CLI_FAILED;

	memset(ans, 0, sizeof(*ans));
	err = odict_alloc(&od, 4);
	if (!err && cli->server)
		err = odict_entry_add(od, "server", ODICT_STRING,
				      cli->server);
	if (!err && automatic)
		err = odict_entry_add(od, "auto", ODICT_BOOL, 1);
	if (!err)
		err = odict_entry_add(od, "command", ODICT_STRING, name);
	if (!err && args)
		err = odict_entry_add(od, "args", ODICT_OBJECT, args);
	if (!err)
		ret = call(cli, ans, outer, od);

	mem_deref(od);
	return ret;
}

static bool is_missing(const struct answer *ans)
{
	const char *code = odict_string(ans->od, "code");

	return ans->scode == 404 && code && !strcmp(code, "ENOSYS");
}

/**
 * Call a command that changes nothing, of all servers if the one that is asked
 * looks after a farm or --all was said
 *
 * @param cli  Options
 * @param ans  as client_call
 * @param name Command
 * @param args Arguments, or NULL
 *
 * @return as client_call
 */
int client_farm(struct cli *cli, struct answer *ans, const char *name,
		const struct odict *args)
{
	int ret;

	if (cli->server || cli->here)
		return client_call(cli, ans, name, args);

	ret = call_within(cli, ans, "farm.run", name, args, !cli->all);
	if (ret || cli->all || !is_missing(ans))
		return ret;

	/* it is in no farm */
	answer_reset(ans);

	return call(cli, ans, name, args);
}

/**
 * Call a command of the server
 *
 * @param cli  Options
 * @param ans  Returned answer, whatever its status; answer_reset it
 * @param name Command
 * @param args Arguments, or NULL
 *
 * @return 0 or an exit code (no server, no right, no JSON), already told
 */
int client_call(struct cli *cli, struct answer *ans, const char *name,
		const struct odict *args)
{
	if (cli->server)
		return call_within(cli, ans, "server.run", name, args, false);

	return cli->all ? client_farm(cli, ans, name, args)
		: call(cli, ans, name, args);
}

/**
 * The commands the server offers
 *
 * @param cli     Options
 * @param resultp Returned {commands: [{name, kind, help}]}
 *
 * @return 0 or an exit code, already told
 */
int client_list(struct cli *cli, struct odict **resultp)
{
	struct answer ans = {0};
	int ret;

	ret = request(cli, &ans, "GET", "/v1/", NULL);
	if (!ret && ans.scode != 200) {
		cli_error("the server does not list its commands (%u)",
			  ans.scode);
		ret = CLI_FAILED;
	}

	if (!ret)
		*resultp = mem_ref(ans.od);

	answer_reset(&ans);
	return ret;
}

/* The server has no such command: name what comes near. */
static void unknown_tell(struct cli *cli, const char *name)
{
	const char *wordv[256], *near;
	struct odict *od = NULL;
	const struct odict *array;
	const struct le *le;
	size_t n = 0;

	if (client_list(cli, &od))
		return;

	array = result_array(od, NULL);
	for (le = array ? array->lst.head : NULL; le && n < 256;
	     le = le->next) {
		const struct odict_entry *e = le->data;

		if (e->type == ODICT_OBJECT &&
		    odict_string(e->u.odict, "name"))
			wordv[n++] = odict_string(e->u.odict, "name");
	}

	near = suggest(name, wordv, n);
	if (near)
		cli_error("this server has no command '%s'; did you mean "
			  "'%s'?", name, near);
	else
		cli_error("this server has no command '%s'; its services "
			  "do not offer it ('junctor commands' lists those "
			  "it has)", name);

	mem_deref(od);
}

/* What went wrong, in words */
static int failed(struct cli *cli, const char *name, const struct answer *ans)
{
	const char *text = odict_string(ans->od, "error");

	if (!is_missing(ans))
		cli_error("%s: %s", name, text ? text : "failed");
	else if (cli->server || cli->all)
		cli_error("this server is in no farm (service heartbeat)");
	else
		unknown_tell(cli, name);

	return CLI_FAILED;
}

static bool is_later(const struct answer *ans)
{
	const char *code = odict_string(ans->od, "code");

	return ans->scode == 503 && code && !strcmp(code, "EAGAIN");
}

/**
 * Call a command that has to succeed. If it cannot be done right now, because
 * what it is about is moving to another server, it is tried again for a while
 *
 * @param cli     Options
 * @param resultp Returned result
 * @param name    Command
 * @param args    Arguments, or NULL
 *
 * @return 0 or an exit code, already told
 */
int client_ok(struct cli *cli, struct odict **resultp, const char *name,
	      const struct odict *args)
{
	struct answer ans;
	unsigned n;
	int ret;

	for (n = 1;; n++) {
		ret = client_call(cli, &ans, name, args);
		if (ret || !is_later(&ans) || n >= TRIES)
			break;

		answer_reset(&ans);
		sys_msleep(TRY_MS);
	}

	if (!ret && ans.scode == 200)
		*resultp = mem_ref(ans.od);
	else if (!ret)
		ret = failed(cli, name, &ans);

	answer_reset(&ans);
	return ret;
}

/* One server's: some texts name it already. */
static void farm_error(const char *server, const char *text)
{
	const size_t n = strlen(server);

	if (!strncmp(text, server, n) && text[n] == ':')
		cli_error("%s", text);
	else
		cli_error("%s: %s", server, text);
}

/**
 * Call a command as client_farm does, and print its result
 *
 * @param cli  Options
 * @param name Command
 * @param args Arguments, or NULL
 *
 * @return Exit code
 */
int farm_call(struct cli *cli, const char *name, const struct odict *args)
{
	struct answer ans;
	const struct odict_entry *e;
	const struct le *le;
	int ret;

	ret = client_farm(cli, &ans, name, args);
	if (!ret && ans.scode != 200)
		ret = failed(cli, name, &ans);
	if (ret)
		goto out;

	/* those that did not answer: told beside the table */
	e = cli->json ? NULL : odict_get_type(ans.od, ODICT_ARRAY, "errors");
	for (le = e ? e->u.odict->lst.head : NULL; le; le = le->next) {
		const struct odict_entry *row = le->data;
		const char *server, *text;

		if (row->type != ODICT_OBJECT)
			continue;
		server = odict_string(row->u.odict, "server");
		text = odict_string(row->u.odict, "error");
		farm_error(server ? server : "?", text ? text : "?");
	}
	if (e)
		odict_entry_del(ans.od, "errors");
	result_print(cli, ans.od);

 out:
	answer_reset(&ans);
	return ret;
}
