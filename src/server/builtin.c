/**
 * @file builtin.c  The commands of the server itself
 */
#include <string.h>
#include <stdio.h>
#include <unistd.h>
#include <re.h>
#include "server/server.h"
#include "server/settings.h"
#include "server/service.h"
#include "server/command.h"
#include "server/log.h"
#include "server/config.h"
#include "server/process.h"
#include "server/module.h"
#include "server/core.h"


enum {
	COMMANDS_MAX = 16,
	TRACE_MAX = 512,           /* value of trace.services [bytes]       */
};

struct builtin {
	struct server *srv;
	struct command *cmdv[COMMANDS_MAX];
	size_t cmdc;
};


static void answer(struct command_req *req, int err, struct odict *od)
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

	answer(req, err, od);
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
	struct odict *services = NULL;
	int err;

	err = process_stats(&st);
	if (err)
		return err;

	err = odict_alloc(&services, 16);
	if (err)
		return err;

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
	err |= odict_entry_add(od, "services", ODICT_ARRAY, services);
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

	answer(req, err, od);
}


struct settings_walk {
	struct odict *od;
	unsigned n;                /* names of the array's members          */
	bool full;
	int err;
};


static int setting_odict(struct odict *od, const struct setting *s,
			 const char *val)
{
	int err;

	err  = odict_entry_add(od, "key", ODICT_STRING, s->key);
	err |= odict_entry_add(od, "type", ODICT_STRING,
			       s->type == SETTING_CHOICE && s->choices
			       ? s->choices : setting_type_name(s->type));
	if (val)
		err |= odict_entry_add(od, "value", ODICT_STRING, val);
	if (s->def)
		err |= odict_entry_add(od, "default", ODICT_STRING,
				       s->flags & SETTING_SECRET ? "***"
				       : s->def);
	err |= odict_entry_add(od, "runtime", ODICT_BOOL,
			       (s->flags & SETTING_RUNTIME) != 0);
	err |= odict_entry_add(od, "list", ODICT_BOOL,
			       (s->flags & SETTING_MULTI) != 0);
	err |= odict_entry_add(od, "help", ODICT_STRING,
			       s->help ? s->help : "");

	return err;
}


static void setting_list(const struct setting *s, const char *val, void *arg)
{
	struct settings_walk *sw = arg;
	struct odict *od;
	char name[16];
	int err;

	err = odict_alloc(&od, 8);
	if (err) {
		sw->err = err;
		return;
	}

	(void)snprintf(name, sizeof(name), "%u", sw->n++);
	err  = setting_odict(od, s, val);
	err |= odict_entry_add(sw->od, name, ODICT_OBJECT, od);
	mem_deref(od);

	sw->err |= err;
}


/* Lists come as several calls; JSON knows a key once, so they are joined. */
static void value_add(const struct setting *s, const char *val, void *arg)
{
	struct settings_walk *sw = arg;
	const char *have = odict_string(sw->od, s->key);
	char *both = NULL;

	if (!have) {
		sw->err |= odict_entry_add(sw->od, s->key,
					   val ? ODICT_STRING : ODICT_NULL,
					   val);
		return;
	}

	if (re_sdprintf(&both, "%s\n%s", have, val ? val : "")) {
		sw->err = ENOMEM;
		return;
	}

	odict_entry_del(sw->od, s->key);
	sw->err |= odict_entry_add(sw->od, s->key, ODICT_STRING, both);
	mem_deref(both);
}


static void cmd_settings(struct command_req *req, const struct odict *args,
			 void *arg)
{
	struct settings_walk sw = {.n = 0};
	struct builtin *b = arg;
	struct odict *od = NULL;
	int err;
	(void)args;

	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_alloc(&sw.od, 64);
	if (!err) {
		config_apply(server_config(b->srv), setting_list, &sw);
		err = sw.err;
	}
	if (!err)
		err = odict_entry_add(od, "settings", ODICT_ARRAY, sw.od);

	mem_deref(sw.od);
	answer(req, err, od);
}


static void cmd_get(struct command_req *req, const struct odict *args,
		    void *arg)
{
	const char *key = odict_string(args, "key");
	struct settings_walk sw = {.n = 0};
	struct builtin *b = arg;
	const struct config *cfg = server_config(b->srv);
	const struct odict_entry *e;
	struct odict *od = NULL;
	int err;

	if (key && !config_setting(cfg, key)) {
		command_fail(req, ENOENT, "%s: no such setting", key);
		return;
	}

	err = odict_alloc(&sw.od, 64);
	if (err) {
		answer(req, err, NULL);
		return;
	}

	config_apply(cfg, value_add, &sw);
	err = sw.err;

	if (!err && key) {
		e = odict_lookup(sw.od, key);
		err = odict_alloc(&od, 4);
		if (!err && e)
			err = odict_entry_add(od, key, e->type,
					      e->type == ODICT_STRING
					      ? e->u.str : NULL);
		mem_deref(sw.od);
		sw.od = od;
	}

	answer(req, err, sw.od);
}


static void set(struct command_req *req, struct builtin *b,
		const char *key, const char *val)
{
	char reason[CONFIG_REASON_MAX];
	struct odict *od = NULL;
	const struct setting *s;
	int err;

	err = config_set(server_config(b->srv), key, val, reason,
			 sizeof(reason));
	if (err) {
		command_fail(req, err, "%s: %s", key,
			     reason[0] ? reason : strerror(err));
		return;
	}

	s = config_setting(server_config(b->srv), key);
	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_entry_add(od, key, ODICT_STRING,
				      s && s->flags & SETTING_SECRET
				      ? "***" : val);
	answer(req, err, od);
}


static void cmd_set(struct command_req *req, const struct odict *args,
		    void *arg)
{
	const char *key = odict_string(args, "key");
	const char *val = odict_string(args, "value");

	if (!key || !val) {
		command_fail(req, EINVAL, "key and value are needed, as"
			     " text");
		return;
	}

	set(req, arg, key, val);
}


static void cmd_log_level(struct command_req *req, const struct odict *args,
			  void *arg)
{
	const char *level = odict_string(args, "level");

	if (!level)
		command_fail(req, EINVAL, "level is needed");
	else
		set(req, arg, "log.level", level);
}


/* Writes `have` without, or with, one of its blank-separated words. */
static bool words_set(char *buf, size_t sz, const char *have,
		      const char *word, bool on)
{
	size_t n = 0;

	buf[0] = '\0';
	while (have && *have) {
		const size_t gap = strspn(have, " \t,");
		const size_t len = strcspn(have + gap, " \t,");
		const char *p = have + gap;

		have = p + len;
		if (!len || (len == strlen(word) && !memcmp(p, word, len)))
			continue;

		if (n + len + 2 > sz)
			return false;
		if (n)
			buf[n++] = ' ';
		memcpy(buf + n, p, len);
		n += len;
		buf[n] = '\0';
	}

	if (!on)
		return true;
	if (n + strlen(word) + 2 > sz)
		return false;
	if (n)
		buf[n++] = ' ';
	str_ncpy(buf + n, word, sz - n);

	return true;
}


static void cmd_trace(struct command_req *req, const struct odict *args,
		      void *arg)
{
	const char *service = odict_string(args, "service");
	struct builtin *b = arg;
	char val[TRACE_MAX];
	bool on = true;

	if (!str_isset(service)) {
		command_fail(req, EINVAL, "service is needed");
		return;
	}

	(void)odict_get_boolean(args, &on, "on");

	if (!config_setting(server_config(b->srv), "trace.services")) {
		command_fail(req, ENOENT, "tracelog is not a service here");
		return;
	}

	if (!words_set(val, sizeof(val), config_str(server_config(b->srv),
						    "trace.services"),
		       service, on)) {
		command_fail(req, EOVERFLOW, "too many services");
		return;
	}

	set(req, b, "trace.services", val);
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
	answer(req, err, od);
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
	 cmd_settings},
	{"get", COMMAND_READ, "[key]: values of settings", cmd_get},
	{"set", COMMAND_CHANGE, "key value: change a setting", cmd_set},
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
	 "service [on]: switch its trace on, or off", cmd_trace},
	{"log.level", COMMAND_CHANGE,
	 "level: error, warn, notice, info or debug", cmd_log_level},
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
