/**
 * @file client.c  Calls of the server's commands
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <re.h>
#include "cli/cli.h"

enum { DEPTH_MAX = 16 };

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

/**
 * Call a command that has to succeed
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
	const char *code;
	int ret;

	ret = client_call(cli, &ans, name, args);
	if (ret)
		goto out;

	if (ans.scode == 200) {
		*resultp = mem_ref(ans.od);
		goto out;
	}

	ret = CLI_FAILED;
	code = odict_string(ans.od, "code");
	if (ans.scode == 404 && code && !strcmp(code, "ENOSYS")) {
		unknown_tell(cli, name);
	}
	else {
		const char *text = odict_string(ans.od, "error");

		cli_error("%s: %s", name, text ? text : "failed");
	}

 out:
	answer_reset(&ans);
	return ret;
}
