/**
 * @file logger.c  The general log: text to a file, the console, both, neither
 *
 * One line per record: UTC time, level, service, Call-ID or `-`, text.
 *
 * Settings:
 *
 *   log.file      name of the file, within server.dir unless it begins with
 *                 a slash; unset: no file
 *   log.console   yes: to standard error, too
 *   log.level     error, warn, notice, info, debug
 *   log.queue     what may wait for the disk before lines are dropped [kB]
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


struct logger {
	struct server *srv;
	struct logwriter *lw;
	struct log_sink *sink;
	struct listener *hup;
	struct listener *changed;
	struct metric *dropped;
};

static const struct setting settings[] = {
	{"log.file", SETTING_STRING, "junctord.log", 0, 4095, NULL,
	 SETTING_RUNTIME,
	 "general log; within server.dir unless it begins with a slash;"
	 " empty: no file"},
	{"log.console", SETTING_BOOL, "no", 0, 0, NULL, SETTING_RUNTIME,
	 "general log to standard error, too"},
	{"log.level", SETTING_CHOICE, "info", 0, 0,
	 "error|warn|notice|info|debug", SETTING_RUNTIME,
	 "the least important lines to log"},
	{"log.queue", SETTING_U32, "1024", 16, 65536, NULL, 0,
	 "most that waits for the disk before lines are dropped [kB]"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};


static void record_h(const struct log_record *rec, void *arg)
{
	struct logger *lg = arg;

	logwriter_put(lg->lw, rec);
}


static int target_set(struct logger *lg)
{
	const struct config *cfg = server_config(lg->srv);
	const char *file = config_str(cfg, "log.file");
	char *path = NULL;
	int err;

	if (!str_isset(file) || file[0] == '/')
		err = re_sdprintf(&path, "%s", file ? file : "");
	else
		err = re_sdprintf(&path, "%s/%s", server_dir(lg->srv), file);
	if (err)
		return err;

	err = logwriter_target(lg->lw, path, config_bool(cfg, "log.console"));
	if (err)
		log_event(LOG_ERROR, "logger", NULL, "cannot open %s: %s",
			  path, strerror(err));
	mem_deref(path);

	return err;
}


static void level_set(struct logger *lg)
{
	enum log_level level = LOG_INFO;

	(void)log_level_decode(&level, config_str(server_config(lg->srv),
						  "log.level"));
	log_sink_level(lg->sink, level);
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

	if (!strcmp(ch->key, "log.level"))
		level_set(arg);
	else if (!strcmp(ch->key, "log.file")
		 || !strcmp(ch->key, "log.console"))
		(void)target_set(arg);

	return false;
}


static double dropped_h(void *arg)
{
	const struct logger *lg = arg;

	return (double)logwriter_dropped(lg->lw);
}


static void logger_destructor(void *data)
{
	struct logger *lg = data;

	mem_deref(lg->dropped);
	mem_deref(lg->changed);
	mem_deref(lg->hup);
	mem_deref(lg->sink);      /* before the writer it puts lines into */
	mem_deref(lg->lw);
}


static int logger_start(struct service *svc)
{
	struct server *srv = service_server(svc);
	struct events *evs = server_events(srv);
	struct logger *lg;
	int err;

	lg = mem_zalloc(sizeof(*lg), logger_destructor);
	if (!lg)
		return ENOMEM;

	lg->srv = srv;
	err = logwriter_alloc(&lg->lw, 1024 * config_u32(server_config(srv),
							 "log.queue"));
	if (err)
		goto out;

	err = target_set(lg);
	if (err)
		goto out;

	err = log_sink_add(&lg->sink, LOG_KIND_EVENT, record_h, lg);
	if (err)
		goto out;

	level_set(lg);
	err  = event_listen(&lg->hup, evs, "server.hup", EVENT_PRIO_NORMAL,
			    hup_h, lg);
	err |= event_listen(&lg->changed, evs, "config.changed",
			    EVENT_PRIO_NORMAL, changed_h, lg);
	err |= metric_add(&lg->dropped, server_metrics(srv), METRIC_COUNTER,
			  "junctor_log_dropped_total", NULL,
			  "Log lines dropped because the disk was too slow",
			  dropped_h, lg);

 out:
	if (err)
		mem_deref(lg);
	else
		service_data_set(svc, lg);

	return err;
}


static void logger_stop(struct service *svc)
{
	mem_deref(service_data(svc));
	service_data_set(svc, NULL);
}


extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name        = "logger",
	.role        = "log",
	.settings    = settings,
	.start       = logger_start,
	.stop        = logger_stop,
};
