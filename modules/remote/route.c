/**
 * @file route.c  Commands about a conference go to where it runs
 *
 *   the command is here   -> run; if the conference is not here, or on its
 *                            way to another server, go on:
 *   it is not             -> who has the claim? -> give it to that server
 *
 * Whatever names a `conference` is treated so: remote need not know which
 * commands there are.
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "server/server.h"
#include "noc/json.h"
#include "noc/name.h"
#include "remote/forward.h"
#include "remote/http.h"
#include "remote/token.h"
#include "remote/remote.h"


struct routed {
	struct remote *r;          /* referenced: may be closed meanwhile   */
	struct httpd_req *req;     /* referenced, NULL: handed on           */
	struct odict *args;        /* referenced                            */
	bool read;
	bool found;                /* we have the command                   */
	int err;                   /* what the answer is if nobody has it   */
	char reason[256];
	char owner[NAME_SERVER_MAX];
	char name[];
};


static void routed_destructor(void *arg)
{
	struct routed *rt = arg;

	mem_deref(rt->req);
	mem_deref(rt->args);
	mem_deref(rt->r);
}


static void answer(struct routed *rt, int err, const char *reason,
		   const struct odict *result)
{
	struct httpd_req *req = rt->req;

	rt->req = NULL;
	api_answer(err, reason, result, req);
	mem_deref(rt);
}


/* The conference is nowhere else, as far as could be found out. Where no
   conference is, nobody has the command, and that is not what is wrong. */
static void nobody(struct routed *rt, int err)
{
	const char *conference = odict_string(rt->args, "conference");

	if (rt->found) {
		answer(rt, rt->err, rt->reason, NULL);
		return;
	}

	if (err == ENOENT)
		api_fail(rt->req, err, "%s: no such conference", conference);
	else if (err)
		api_fail(rt->req, err, "nobody tells where %s is: %s",
			 conference, err == ENOTCONN ? "the bus is down"
			 : strerror(err));
	else
		api_missing(rt->req);
	mem_deref(rt);
}


static void there_handler(int err, const char *reason,
			  const struct odict *result, void *arg)
{
	struct routed *rt = arg;
	char text[256];

	/* above a bank the claim names the bank */
	if (err == ENODEV) {
		(void)re_snprintf(text, sizeof(text), "%s is at %s: no such"
				  " server is there; of a bank ask one of its"
				  " servers", odict_string(rt->args,
							   "conference"),
				  rt->owner);
		reason = text;
	}

	answer(rt, err, reason, result);
}


static void owner_handler(int err, const char *server, void *arg)
{
	struct routed *rt = arg;
	struct remote *r = rt->r;

	if (!server || !strcmp(server, server_name(r->srv))) {
		nobody(rt, err);
		return;
	}

	str_ncpy(rt->owner, server, sizeof(rt->owner));
	log_event(rt->read ? LOG_DEBUG : LOG_NOTICE, "remote", NULL,
		  "command %s for %s, where %s is", rt->name, server,
		  odict_string(rt->args, "conference"));
	err = forward_run(r->forward, server, rt->name, rt->args, rt->read,
			  FORWARD_MS, there_handler, rt);
	if (err)
		answer(rt, err, strerror(err), NULL);
}


static void elsewhere(struct routed *rt, int err, const char *reason)
{
	rt->err = err;
	str_ncpy(rt->reason, reason ? reason : "", sizeof(rt->reason));

	/* the service may have stopped while the command ran */
	err = !rt->r->forward ? ESHUTDOWN
		: forward_owner(rt->r->forward,
				odict_string(rt->args, "conference"),
				owner_handler, rt);
	if (err)
		nobody(rt, err);
}


static void here_handler(int err, const char *reason,
			 const struct odict *result, void *arg)
{
	if (err == ENOENT || err == EAGAIN)
		elsewhere(arg, err, reason);
	else
		answer(arg, err, reason, result);
}


/**
 * Run a command where the conference is that it names
 *
 * @param r     Service
 * @param req   Request, answered later if it is ours
 * @param name  Name of the command
 * @param args  Its arguments
 * @param found This server has the command
 * @param read  Only if it changes nothing
 *
 * @return True if the request will be answered; false if it names no
 *         conference, or there is no farm
 */
bool route_command(struct remote *r, struct httpd_req *req, const char *name,
		   const struct odict *args, bool found, bool read)
{
	const char *conference = odict_string(args, "conference");
	struct routed *rt;
	size_t n;

	if (!r->forward || !str_isset(conference))
		return false;

	n = strlen(name) + 1;
	rt = mem_zalloc(sizeof(*rt) + n, routed_destructor);
	if (!rt)
		return false;

	memcpy(rt->name, name, n);
	rt->r = mem_ref(r);
	rt->req = mem_ref(req);
	rt->args = mem_ref((void *)args);
	rt->read = read;
	rt->found = found;

	if (!found)
		elsewhere(rt, ENOSYS, NULL);
	else if (command_run(server_commands(r->srv), name, args,
			     here_handler, rt))
		answer(rt, EINVAL, "cannot be run", NULL);

	return true;
}
