/**
 * @file siphost/trace.c  The SIP messages of calls that somebody follows
 *
 * They are traced as "sip", whoever follows the service "siphost" or does
 * not: `sip.trace` is the switch of each call.
 */
#include <string.h>
#include <re.h>
#include "server/command.h"
#include "server/log.h"
#include "noc/client.h"
#include "sip/call.h"
#include "sip/stack.h"
#include "siphost/host.h"


struct follow {
	const char *user;              /* user or user@host                 */
	bool on;
};


static bool is_user(const char *user, const char *what)
{
	const size_t n = strlen(what);

	return !strncmp(user, what, n) && (!user[n] || user[n] == '@');
}


static bool follow_h(struct le *le, void *arg)
{
	const struct peer *p = le->data;
	const struct follow *f = arg;

	if (is_user(client_join(p->client)->user, f->user))
		(void)client_trace(p->client, f->on);

	return false;
}


/**
 * Command sip.trace: follow a call, or those of a user that are up and that
 * come, or no longer
 *
 * @param req  Request to answer
 * @param args "callid" or "user", "on"
 * @param arg  Client host
 */
void trace_command(struct command_req *req, const struct odict *args,
		   void *arg)
{
	const struct odict_entry *on = odict_lookup(args, "on");
	const char *what = odict_string(args, "callid");
	struct siphost *sh = arg;
	struct follow f;
	bool yes = true;
	int err;

	if (!what)
		what = odict_string(args, "user");

	if (!str_isset(what)) {
		command_fail(req, EINVAL, "callid or user: missing");
		return;
	}

	if (on && on->type == ODICT_BOOL)
		yes = on->u.boolean;
	else if (on && on->type == ODICT_STRING)
		yes = !str_casecmp(on->u.str, "yes") ||
			!str_casecmp(on->u.str, "true") ||
			!str_casecmp(on->u.str, "on");

	err = sh->stack ? sipstack_trace(sh->stack, what, yes) : ENOTCONN;
	if (err == EOVERFLOW) {
		command_fail(req, err, "sip.trace: so many are traced"
			     " already; end another one first");
		return;
	}
	if (err) {
		command_fail(req, err, "sip.trace: %m", err);
		return;
	}

	f.user = what;
	f.on   = yes;
	(void)hash_apply(sh->peers, follow_h, &f);

	/* a trace that nobody hears would be a riddle */
	if (yes)
		log_trace_set("sip", true);

	command_ok(req, NULL);
}


/**
 * Print a message of a call that is followed
 *
 * @param ev What the stack tells
 */
void trace_handle(const struct sipcall_event *ev)
{
	const char *p = ev->body;
	const char *way = ev->sent ? ">" : "<";

	/* a log record is one line */
	while (p && *p) {
		size_t n = strcspn(p, "\r\n");

		log_trace("sip", ev->callid, "%s %.*s", way, (int)n, p);
		p += n;
		if (p[0] == '\r' && p[1] == '\n')
			++p;
		if (*p)
			++p;
	}
}
