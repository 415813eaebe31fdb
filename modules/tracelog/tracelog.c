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
#include "server/event.h"
#include "server/metrics.h"
#include "server/log.h"
#include "server/logwriter.h"


enum { SERVICE_SIZE = 32 };        /* of a service's name [bytes]           */

struct tracelog {
	struct server *srv;
	struct logwriter *lw;
	struct log_sink *sink;
	struct listener *hup;
	struct listener *changed;
	struct metric *dropped;
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


static void record_h(const struct log_record *rec, void *arg)
{
	struct tracelog *tl = arg;

	logwriter_put(tl->lw, rec);
}


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


static int target_set(struct tracelog *tl)
{
	const char *file = config_str(server_config(tl->srv), "trace.file");
	char *path = NULL;
	int err;

	if (!file)
		return EINVAL;

	err = re_sdprintf(&path, "%s%s%s",
			  file[0] == '/' ? "" : server_dir(tl->srv),
			  file[0] == '/' ? "" : "/", file);
	if (err)
		return err;

	err = logwriter_target(tl->lw, path, false);
	if (err)
		log_event(LOG_ERROR, "tracelog", NULL, "cannot open %s: %s",
			  path, strerror(err));
	mem_deref(path);

	return err;
}


static bool hup_h(const struct event *ev, void *arg)
{
	(void)ev;
	(void)target_set(arg);

	return false;
}


static bool changed_h(const struct event *ev, void *arg)
{
	const struct config_change *ch = ev->data;

	if (!ch)
		return false;

	if (!strcmp(ch->key, "trace.services")) {
		services_switch(ch->old, false);
		services_switch(ch->val, true);
	}
	else if (!strcmp(ch->key, "trace.file")) {
		(void)target_set(arg);
	}

	return false;
}


static double dropped_h(void *arg)
{
	const struct tracelog *tl = arg;

	return (double)logwriter_dropped(tl->lw);
}


static void tracelog_destructor(void *data)
{
	struct tracelog *tl = data;

	services_switch(config_str(server_config(tl->srv), "trace.services"),
			false);
	mem_deref(tl->dropped);
	mem_deref(tl->changed);
	mem_deref(tl->hup);
	mem_deref(tl->sink);      /* before the writer it puts lines into */
	mem_deref(tl->lw);
}


static int tracelog_start(struct service *svc)
{
	struct server *srv = service_server(svc);
	const struct config *cfg = server_config(srv);
	struct events *evs = server_events(srv);
	struct tracelog *tl;
	int err;

	tl = mem_zalloc(sizeof(*tl), tracelog_destructor);
	if (!tl)
		return ENOMEM;

	tl->srv = srv;
	err = logwriter_alloc(&tl->lw, 1024 * config_u32(cfg, "trace.queue"));
	if (err)
		goto out;

	err = target_set(tl);
	if (err)
		goto out;

	err  = log_sink_add(&tl->sink, LOG_KIND_TRACE, record_h, tl);
	err |= event_listen(&tl->hup, evs, "server.hup", EVENT_PRIO_NORMAL,
			    hup_h, tl);
	err |= event_listen(&tl->changed, evs, "config.changed",
			    EVENT_PRIO_NORMAL, changed_h, tl);
	err |= metric_add(&tl->dropped, server_metrics(srv), METRIC_COUNTER,
			  "junctor_trace_dropped_total", NULL,
			  "Trace lines dropped because the disk was too slow",
			  dropped_h, tl);

 out:
	if (err) {
		mem_deref(tl);
	}
	else {
		services_switch(config_str(cfg, "trace.services"), true);
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
