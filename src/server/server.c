/**
 * @file server.c  The generic server: made, looked at, taken down
 */
#include <string.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/resource.h>
#include <re.h>
#include "server/server.h"
#include "server/settings.h"
#include "server/service.h"
#include "server/event.h"
#include "server/command.h"
#include "server/metrics.h"
#include "server/log.h"
#include "server/config.h"
#include "server/module.h"
#include "server/core.h"
#include "server/degraded.h"
#include "server/bridge.h"
#include "server/netbus.h"
#include "bus/bus.h"


static const struct setting settings[] = {
	{"service", SETTING_STRING, NULL, 1, 31, NULL,
	 SETTING_MULTI | SETTING_REQUIRED,
	 "a service that this server runs"},
	{"module.path", SETTING_STRING, NULL, 1, 0, NULL, 0,
	 "folders of plug-ins, separated by colons; unset: as installed"},
	{"server.name", SETTING_STRING, NULL, 1, 63, NULL, 0,
	 "name of this server, unique in its NOC; unset: the host's name"},
	{"server.dir", SETTING_STRING, "./run", 1, 0, NULL, 0,
	 "folder of state: process id, token, logs; made when missing"},
	{"noc.key", SETTING_STRING, NULL, 1, 0, NULL, 0,
	 "file with the key that all servers of a NOC share, made when"
	 " missing; unset: DIR/noc.key"},
	{"server.stop_timeout", SETTING_U32, "4000", 0, 600000, NULL,
	 SETTING_RUNTIME,
	 "longest wait for what is busy when stopping [ms]"},
	{"server.fds_max", SETTING_U32, "16384", 64, 1048576, NULL, 0,
	 "files and sockets that may be open at once"},
	{"events.publish", SETTING_STRING, NULL, 0, 0, NULL, 0,
	 "events that other servers can hear: names with blanks between"},
	{"events.subscribe", SETTING_STRING, NULL, 0, 0, NULL, 0,
	 "events of other servers to fire here: names with blanks between"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};


/**
 * Settings of the server itself
 *
 * @return Table that ends with key NULL
 */
const struct setting *server_settings(void)
{
	return settings;
}


static void server_destructor(void *data)
{
	struct server *srv = data;
	struct le *le;
	size_t i;

	tmr_cancel(&srv->tmr);
	config_changed_set(srv->setup ? srv->setup->cfg : NULL, NULL, NULL);

	/* services first, the last one first, while all else still stands */
	while ((le = srv->svcl.tail))
		mem_deref(le->data);

	mem_deref(srv->bridge);
	mem_deref(srv->degraded);
	mem_deref(srv->builtin);
	mem_deref(srv->process);
	mem_deref(srv->trim);
	mem_deref(srv->signals);
	mem_deref(srv->pidfile);
	mem_deref(srv->netbus);
	mem_deref(srv->bus);
	mem_deref(srv->commands);
	mem_deref(srv->metrics);
	mem_deref(srv->events);
	mem_deref(srv->setup);
	mem_deref(srv->name);
	mem_deref(srv->file);
	mem_deref(srv->module_path);
	for (i = 0; i < srv->setc; i++)
		mem_deref(srv->setv[i]);
	mem_deref(srv->setv);
}


static void error_print(const struct config_error *ce, void *arg)
{
	(void)arg;

	(void)fprintf(stderr, "%s: %s: %s\n", ce->where, ce->key,
		      ce->reason);
}


static int setup_make(struct setup **sp, const struct server_opts *opts)
{
	return setup_alloc(sp, opts, opts->errh ? opts->errh : error_print,
			   opts->arg);
}


static int change_detail(struct odict *od, const void *data)
{
	const struct config_change *ch = data;
	int err;

	err = odict_entry_add(od, "key", ODICT_STRING, ch->key);
	if (ch->old)
		err |= odict_entry_add(od, "old", ODICT_STRING, ch->old);
	if (ch->val)
		err |= odict_entry_add(od, "val", ODICT_STRING, ch->val);

	return err;
}


static int secret_detail(struct odict *od, const void *data)
{
	const struct config_change *ch = data;

	return odict_entry_add(od, "key", ODICT_STRING, ch->key);
}


static void changed(const struct setting *s, const char *old,
		    const char *val, void *arg)
{
	struct server *srv = arg;
	struct config_change ch = {.key = s->key, .old = old, .val = val};
	const struct event ev = {
		.name = "config.changed",
		.data = &ch,
		.detail = s->flags & SETTING_SECRET ? secret_detail
						    : change_detail,
	};

	log_event(LOG_NOTICE, "server", NULL, "%s is now %s", s->key,
		  s->flags & SETTING_SECRET ? "***" : val ? val : "changed");
	(void)event_fire(srv->events, &ev);
}


static int opts_copy(struct server *srv, const struct server_opts *opts)
{
	size_t i;
	int err = 0;

	srv->builtinv = opts->builtinv;
	srv->bus = mem_ref(opts->bus);
	if (opts->file)
		err |= str_dup(&srv->file, opts->file);
	if (opts->module_path)
		err |= str_dup(&srv->module_path, opts->module_path);
	if (!opts->setc)
		return err;

	srv->setv = mem_zalloc(opts->setc * sizeof(*srv->setv), NULL);
	if (!srv->setv)
		return ENOMEM;

	srv->setc = opts->setc;
	for (i = 0; i < opts->setc; i++)
		err |= str_dup(&srv->setv[i], opts->setv[i]);

	return err;
}


/**
 * The options that a server was made with
 *
 * @param srv  Server
 * @param opts Filled in; points into the server
 */
void server_opts_get(const struct server *srv, struct server_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->file        = srv->file;
	opts->setv        = (const char *const *)srv->setv;
	opts->setc        = srv->setc;
	opts->module_path = srv->module_path;
	opts->builtinv    = srv->builtinv;
}


static int name_set(struct server *srv)
{
	const char *name = config_str(srv->setup->cfg, "server.name");
	char host[64] = "";
	size_t n;

	if (name)
		return str_dup(&srv->name, name);

	(void)gethostname(host, sizeof(host) - 1);
	n = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789-_");
	host[n] = '\0';

	return str_dup(&srv->name, n ? host : "junctor");
}


/* libre takes the first size it is told; later ones change nothing. */
static int fds_prepare(uint32_t max)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return errno;

	if (rl.rlim_cur < max) {
		rl.rlim_cur = max < rl.rlim_max ? max : rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}

	if (rl.rlim_cur < max)
		log_event(LOG_NOTICE, "server", NULL, "only %lu files may be"
			  " open at once, not %u (server.fds_max)",
			  (unsigned long)rl.rlim_cur, (unsigned)max);

	(void)poll_method_set(METHOD_EPOLL);

	return fd_setsize((int)max);
}


static int parts_alloc(struct server *srv)
{
	int err;

	err = name_set(srv);
	if (err)
		return err;

	err = fds_prepare(config_u32(srv->setup->cfg, "server.fds_max"));
	if (err)
		return err;

	err  = events_alloc(&srv->events);
	err |= commands_alloc(&srv->commands);
	err |= metrics_alloc(&srv->metrics);
	err |= degraded_alloc(&srv->degraded, srv);
	if (err)
		return err;

	if (!srv->bus)
		err = netbus_alloc(&srv->bus, srv->setup->cfg, srv->name);
	if (!err)
		err = netbus_metrics_alloc(&srv->netbus, srv->bus,
					   srv->metrics);
	if (err)
		return err;

	err = degraded_bus(srv->degraded, srv->bus);
	if (err)
		return err;

	err = builtin_alloc(&srv->builtin, srv);
	if (err)
		return err;

	err = process_alloc(&srv->process, srv->metrics, srv);
	if (err)
		return err;

	config_changed_set(srv->setup->cfg, changed, srv);

	return bridge_alloc(&srv->bridge, srv->events, srv->bus, srv->name,
			    config_str(srv->setup->cfg, "events.publish"),
			    config_str(srv->setup->cfg, "events.subscribe"));
}


/**
 * Make a server: read its configuration, load and initialise its services
 *
 * @param srvp Pointer to the new server; mem_deref stops and closes it
 * @param opts What to run
 *
 * @return 0 if success, EBADMSG if the configuration has errors, which have
 *         been told, otherwise errorcode
 */
int server_alloc(struct server **srvp, const struct server_opts *opts)
{
	struct server *srv;
	int err;

	if (!srvp || !opts)
		return EINVAL;

	srv = mem_zalloc(sizeof(*srv), server_destructor);
	if (!srv)
		return ENOMEM;

	tmr_init(&srv->tmr);

	err = setup_make(&srv->setup, opts);
	if (err)
		goto out;

	err = opts_copy(srv, opts);
	if (err)
		goto out;

	err = parts_alloc(srv);
	if (err)
		goto out;

	err = services_alloc(srv);
	if (err)
		goto out;

	err = services_init(srv);

 out:
	if (err)
		mem_deref(srv);
	else
		*srvp = srv;

	return err;
}


/**
 * Judge a configuration and do nothing else
 *
 * @param opts What would run
 *
 * @return 0 if it is good, EBADMSG if it has errors, which have been told
 */
int server_check(const struct server_opts *opts)
{
	struct setup *setup = NULL;
	int err;

	if (!opts)
		return EINVAL;

	err = setup_make(&setup, opts);
	mem_deref(setup);

	return err;
}


struct settings_print {
	struct re_printf *pf;
	const char *last;          /* key printed last                      */
	int err;
};


static void setting_print(const struct setting *s, const char *val,
			  void *arg)
{
	struct settings_print *sp = arg;
	(void)val;

	/* a list comes once per line */
	if (sp->last == s->key)
		return;
	sp->last = s->key;

	sp->err |= re_hprintf(sp->pf, "%s\t%s\t%s\t%s\t%s\n", s->key,
			      s->type == SETTING_CHOICE && s->choices
			      ? s->choices : setting_type_name(s->type),
			      s->def ? s->def : "-",
			      s->flags & SETTING_RUNTIME ? "runtime"
							 : "restart",
			      s->help ? s->help : "");
}


/**
 * Print the settings of the services that a configuration names
 *
 * @param pf   Print backend; per line key, type, default, when it can change
 *             and meaning, with tabs between
 * @param opts Configuration, which may have errors
 *
 * @return 0 if success, otherwise errorcode
 */
int server_settings_print(struct re_printf *pf,
			  const struct server_opts *opts)
{
	struct settings_print sp = {.pf = pf};
	struct setup *setup = NULL;
	int err;

	if (!pf || !opts)
		return EINVAL;

	err = setup_make(&setup, opts);
	if (!setup)
		return err;

	config_apply(setup->cfg, setting_print, &sp);
	mem_deref(setup);

	return sp.err;
}


/**
 * Name of a server
 *
 * @param srv Server
 *
 * @return Name: one word of letters, digits, `-` and `_`
 */
const char *server_name(const struct server *srv)
{
	return srv ? srv->name : NULL;
}


/**
 * Folder of a server's state
 *
 * @param srv Server
 *
 * @return Path; exists once server_run was called
 */
const char *server_dir(const struct server *srv)
{
	return srv ? config_str(srv->setup->cfg, "server.dir") : NULL;
}


/**
 * Configuration of a server
 *
 * @param srv Server
 *
 * @return Configuration, the server's
 */
struct config *server_config(struct server *srv)
{
	return srv ? srv->setup->cfg : NULL;
}


/**
 * Events of a server
 *
 * @param srv Server
 *
 * @return Events, the server's
 */
struct events *server_events(struct server *srv)
{
	return srv ? srv->events : NULL;
}


/**
 * Commands of a server
 *
 * @param srv Server
 *
 * @return Commands, the server's
 */
struct commands *server_commands(struct server *srv)
{
	return srv ? srv->commands : NULL;
}


/**
 * Metrics of a server
 *
 * @param srv Server
 *
 * @return Metrics, the server's
 */
struct metrics *server_metrics(struct server *srv)
{
	return srv ? srv->metrics : NULL;
}


/**
 * Bus of a server
 *
 * @param srv Server
 *
 * @return Bus, the server's
 */
struct bus *server_bus(struct server *srv)
{
	return srv ? srv->bus : NULL;
}
