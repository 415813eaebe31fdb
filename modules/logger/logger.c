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
#include "server/offers.h"
#include "server/logfile.h"


struct logger {
	struct server *srv;
	struct logfile *file;
	struct offers *offers;
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


static void level_set(struct logger *lg)
{
	enum log_level level = LOG_INFO;

	(void)log_level_decode(&level, config_str(server_config(lg->srv),
						  "log.level"));
	logfile_level(lg->file, level);
}


static bool changed_h(const struct event *ev, void *arg)
{
	const struct config_change *ch = ev->data;

	if (ch && !strcmp(ch->key, "log.level"))
		level_set(arg);

	return false;
}


static void logger_destructor(void *data)
{
	struct logger *lg = data;

	mem_deref(lg->offers);
	mem_deref(lg->file);
}


static int logger_start(struct service *svc)
{
	static const struct logfile_conf conf = {
		.kind = LOG_KIND_EVENT, .service = "logger",
		.file = "log.file", .console = "log.console",
		.queue = "log.queue",
		.metric = "junctor_log_dropped_total",
		.help = "Log lines dropped because the disk was too slow",
	};
	static const struct offer_listener changed = {
		"config.changed", EVENT_PRIO_NORMAL, changed_h, false
	};
	struct server *srv = service_server(svc);
	struct logger *lg;
	int err;

	lg = mem_zalloc(sizeof(*lg), logger_destructor);
	if (!lg)
		return ENOMEM;

	lg->srv = srv;
	err = logfile_alloc(&lg->file, srv, &conf);
	if (err)
		goto out;

	level_set(lg);
	err = offers_alloc(&lg->offers, srv);
	if (!err)
		err = offers_listen(lg->offers, &changed, 1, lg);

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
