/**
 * @file builtin.c  The commands of the server itself
 */
#include <string.h>
#include <unistd.h>
#include <re.h>
#include "server/server.h"
#include "server/settings.h"
#include "server/service.h"
#include "server/command.h"
#include "server/log.h"
#include "server/process.h"
#include "server/module.h"
#include "server/core.h"
#include "server/degraded.h"
#include "server/builtin.h"




/**
 * Answer a command with a result that was made for it
 *
 * @param req Request
 * @param err 0, or why there is no result
 * @param od  Result, gone afterwards; or NULL
 */
void builtin_answer(struct command_req *req, int err, struct odict *od)
{
	if (err)
		command_fail(req, err, "%m", err);
	else
		command_ok(req, od);

	mem_deref(od);
}


static void cmd_version(struct command_req *req, const struct odict *args,
			void *arg)
{
	struct odict *od = NULL;
	int err;
	(void)args;
	(void)arg;

	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_entry_add(od, "version", ODICT_STRING,
				      JUNCTOR_VERSION);
	if (!err)
		err = odict_entry_add(od, "api_version", ODICT_INT,
				      (int64_t)SERVICE_API_VERSION);

	builtin_answer(req, err, od);
}


static const char *server_state(const struct server *srv)
{
	struct le *le;

	if (srv->stopping)
		return "stopping";
	if (!srv->started)
		return "starting";

	LIST_FOREACH(&srv->svcl, le) {
		if (service_state(le->data) == SERVICE_PAUSED)
			return "paused";
	}

	return "running";
}


static int status_add(struct odict *od, struct server *srv)
{
	const uint64_t now = tmr_jiffies();
	struct process_stats st;
	struct odict *services = NULL, *missing = NULL;
	int err;

	err = process_stats(&st);
	if (err)
		return err;

	err  = odict_alloc(&services, 16);
	err |= odict_alloc(&missing, 4);
	if (err)
		goto out;

	err  = service_list(srv, services);
	err |= odict_entry_add(od, "name", ODICT_STRING, srv->name);
	err |= odict_entry_add(od, "version", ODICT_STRING,
			       JUNCTOR_VERSION);
	err |= odict_entry_add(od, "state", ODICT_STRING, server_state(srv));
	err |= odict_entry_add(od, "pid", ODICT_INT, (int64_t)getpid());
	err |= odict_entry_add(od, "dir", ODICT_STRING, server_dir(srv));
	err |= odict_entry_add(od, "uptime", ODICT_INT, (int64_t)
			       (srv->started ? (now - srv->started) / 1000
				: 0));
	err |= odict_entry_add(od, "cpu", ODICT_DOUBLE, st.cpu);
	err |= odict_entry_add(od, "memory", ODICT_INT, (int64_t)st.rss);
	err |= odict_entry_add(od, "threads", ODICT_INT,
			       (int64_t)st.threads);
	err |= odict_entry_add(od, "fds", ODICT_INT, (int64_t)st.fds);
	err |= odict_entry_add(od, "busy", ODICT_INT,
			       (int64_t)services_busy(srv));
	err |= degraded_list(missing, srv->degraded);
	if (odict_count(missing, false))
		err |= odict_entry_add(od, "degraded", ODICT_ARRAY, missing);
	err |= odict_entry_add(od, "services", ODICT_ARRAY, services);

 out:
	mem_deref(missing);
	mem_deref(services);

	return err;
}


static void cmd_status(struct command_req *req, const struct odict *args,
		       void *arg)
{
	struct builtin *b = arg;
	struct odict *od = NULL;
	int err;
	(void)args;

	err = odict_alloc(&od, 16);
	if (!err)
		err = status_add(od, b->srv);

	builtin_answer(req, err, od);
}


static void service_do(struct command_req *req, const struct odict *args,
		       struct builtin *b, int (*fn)(struct service *svc),
		       const char *what)
{
	const char *name = odict_string(args, "service");
	struct service *svc;
	struct odict *od = NULL;
	int err;

	if (!name) {
		command_fail(req, EINVAL, "service is needed");
		return;
	}

	svc = service_find(b->srv, name);
	if (!svc) {
		command_fail(req, ENOENT, "%s: no such service", name);
		return;
	}

	err = fn(svc);
	if (err) {
		command_fail(req, err, "%s: cannot %s: %s", name, what,
			     err == ENOSYS ? "it has no such state" :
			     err == EBUSY ? "a running service needs it" :
			     err == ENOTCONN ? "it, or what it needs, does"
			     " not run" : strerror(err));
		return;
	}

	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_entry_add(od, service_name(svc), ODICT_STRING,
				      service_state_name(
					      service_state(svc)));
	builtin_answer(req, err, od);
}


static void cmd_pause(struct command_req *req, const struct odict *args,
		      void *arg)
{
	service_do(req, args, arg, service_pause, "pause");
}


static void cmd_resume(struct command_req *req, const struct odict *args,
		       void *arg)
{
	service_do(req, args, arg, service_resume, "resume");
}


static void cmd_start(struct command_req *req, const struct odict *args,
		      void *arg)
{
	service_do(req, args, arg, service_start, "start");
}


static void cmd_stop(struct command_req *req, const struct odict *args,
		     void *arg)
{
	struct builtin *b = arg;

	if (odict_lookup(args, "service")) {
		service_do(req, args, arg, service_stop, "stop");
		return;
	}

	server_stop(b->srv, false);
	command_ok(req, NULL);
}


static void cmd_restart(struct command_req *req, const struct odict *args,
			void *arg)
{
	struct builtin *b = arg;
	(void)args;

	server_stop(b->srv, true);
	command_ok(req, NULL);
}


static void cmd_reload(struct command_req *req, const struct odict *args,
		       void *arg)
{
	struct builtin *b = arg;
	int err;
	(void)args;

	err = server_reload(b->srv);
	if (err)
		command_fail(req, err, "nothing was changed: the file has"
			     " errors, the log tells them");
	else
		command_ok(req, NULL);
}


static const struct {
	const char *name;
	enum command_kind kind;
	const char *help;
	command_h *h;
} commandv[] = {
	{"version", COMMAND_READ, "version of the server", cmd_version},
	{"status", COMMAND_READ, "the server and its services", cmd_status},
	{"settings", COMMAND_READ,
	 "every setting with its type, default, value and meaning",
	 builtin_settings},
	{"get", COMMAND_READ, "[key]: values of settings", builtin_get},
	{"set", COMMAND_CHANGE, "key value: change a setting", builtin_set},
	{"pause", COMMAND_CHANGE,
	 "service: let it take nothing new", cmd_pause},
	{"resume", COMMAND_CHANGE, "service: end a pause", cmd_resume},
	{"start", COMMAND_CHANGE, "service: start it again", cmd_start},
	{"stop", COMMAND_CHANGE,
	 "[service]: stop it, or the whole server", cmd_stop},
	{"restart", COMMAND_CHANGE, "stop the server and start it again",
	 cmd_restart},
	{"reload", COMMAND_CHANGE,
	 "read the configuration file again", cmd_reload},
	{"trace", COMMAND_CHANGE,
	 "service [on]: switch its trace on, or off", builtin_trace},
	{"log.level", COMMAND_CHANGE,
	 "level: error, warn, notice, info or debug", builtin_log_level},
};


static void builtin_destructor(void *data)
{
	struct builtin *b = data;

	while (b->cmdc)
		mem_deref(b->cmdv[--b->cmdc]);
}


/**
 * Add the commands of the server itself
 *
 * @param bp  Pointer to the new object; mem_deref takes the commands out
 * @param srv Server
 *
 * @return 0 if success, otherwise errorcode
 */
int builtin_alloc(struct builtin **bp, struct server *srv)
{
	struct builtin *b;
	size_t i;
	int err = 0;

	if (!bp || !srv)
		return EINVAL;

	b = mem_zalloc(sizeof(*b), builtin_destructor);
	if (!b)
		return ENOMEM;

	b->srv = srv;

	for (i = 0; i < ARRAY_SIZE(commandv) && !err; i++) {
		err = command_add(&b->cmdv[b->cmdc], srv->commands,
				  commandv[i].name, commandv[i].kind,
				  commandv[i].help, commandv[i].h, b);
		if (!err)
			++b->cmdc;
	}

	if (err)
		mem_deref(b);
	else
		*bp = b;

	return err;
}
