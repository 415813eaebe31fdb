/**
 * @file tracelog.c  The trace of services, each switched at run time
 *
 * Settings:
 *
 *   trace.services  names of the services to trace, with blanks between;
 *                   `*` for all
 *   trace.file      name of the file, within server.dir unless it begins
 *                   with a slash
 *   trace.queue     what may wait for the disk before lines are dropped [kB]
 *
 * SIGHUP opens the file again, for log rotation.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/offers.h"
#include "server/logfile.h"


enum { SERVICE_SIZE = 32 };        /* of a service's name [bytes]           */

struct tracelog {
	struct server *srv;
	struct logfile *file;
	struct offers *offers;
};

static const struct setting settings[] = {
	{"trace.services", SETTING_STRING, "", 0, 511, NULL, SETTING_RUNTIME,
	 "services to trace, names with blanks between; *: all"},
	{"trace.file", SETTING_STRING, "trace.log", 1, 4095, NULL,
	 SETTING_RUNTIME,
	 "trace; within server.dir unless it begins with a slash"},
	{"trace.queue", SETTING_U32, "4096", 16, 65536, NULL, 0,
	 "most that waits for the disk before lines are dropped [kB]"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};


/* Switches every service of a list on or off. */
static void services_switch(const char *list, bool on)
{
	while (str_isset(list)) {
		char name[SERVICE_SIZE];
		struct pl pl;

		list += strspn(list, " \t,");
		pl.p = list;
		pl.l = strcspn(list, " \t,");
		list += pl.l;

		if (!pl_strcpy(&pl, name, sizeof(name)))
			log_trace_set(name, on);
	}
}


static bool changed_h(const struct event *ev, void *arg)
{
	const struct config_change *ch = ev->data;
	(void)arg;

	if (ch && !strcmp(ch->key, "trace.services")) {
		services_switch(ch->old, false);
		services_switch(ch->val, true);
	}

	return false;
}


static void tracelog_destructor(void *data)
{
	struct tracelog *tl = data;

	services_switch(config_str(server_config(tl->srv), "trace.services"),
			false);
	mem_deref(tl->offers);
	mem_deref(tl->file);
}


static int tracelog_start(struct service *svc)
{
	static const struct logfile_conf conf = {
		.kind = LOG_KIND_TRACE, .service = "tracelog",
		.file = "trace.file", .queue = "trace.queue",
		.metric = "junctor_trace_dropped_total",
		.help = "Trace lines dropped because the disk was too slow",
	};
	static const struct offer_listener changed = {
		"config.changed", EVENT_PRIO_NORMAL, changed_h, false
	};
	struct server *srv = service_server(svc);
	struct tracelog *tl;
	int err;

	tl = mem_zalloc(sizeof(*tl), tracelog_destructor);
	if (!tl)
		return ENOMEM;

	tl->srv = srv;
	err = logfile_alloc(&tl->file, srv, &conf);
	if (err)
		goto out;

	err = offers_alloc(&tl->offers, srv);
	if (!err)
		err = offers_listen(tl->offers, &changed, 1, tl);

 out:
	if (err) {
		mem_deref(tl);
	}
	else {
		services_switch(config_str(server_config(srv),
					   "trace.services"), true);
		service_data_set(svc, tl);
	}

	return err;
}


static void tracelog_stop(struct service *svc)
{
	mem_deref(service_data(svc));
	service_data_set(svc, NULL);
}


extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name        = "tracelog",
	.role        = "log",
	.settings    = settings,
	.start       = tracelog_start,
	.stop        = tracelog_stop,
};
