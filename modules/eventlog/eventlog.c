/**
 * @file eventlog.c  Every event of the server as one line of the log
 *
 * The line has the event's name and its details as JSON; with the Call-ID in
 * the column where every line has it.
 *
 * Settings:
 *
 *   eventlog.level  level of these lines in the general log
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/log.h"


enum { DETAIL_MAX = 4096 };        /* [bytes]                               */

struct eventlog {
	struct server *srv;
	struct listener *own;
	struct listener *remote;   /* events of other servers               */
	enum log_level level;
	bool paused;
};

static const struct setting settings[] = {
	{"eventlog.level", SETTING_CHOICE, "info", 0, 0,
	 "notice|info|debug", SETTING_RUNTIME,
	 "level at which events are logged"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};


static void level_set(struct eventlog *el)
{
	(void)log_level_decode(&el->level,
			       config_str(server_config(el->srv),
					  "eventlog.level"));
}


static bool event_handler(const struct event *ev, void *arg)
{
	struct eventlog *el = arg;
	char buf[DETAIL_MAX];
	struct odict *od;

	if (!strcmp(ev->name, "config.changed"))
		level_set(el);
	if (el->paused || !log_event_wanted(el->level)
	    || event_odict(&od, ev))
		return false;

	/* these have columns of their own */
	odict_entry_del(od, "event");
	odict_entry_del(od, "callid");

	if (!odict_count(od, false))
		buf[0] = '\0';
	else if (re_snprintf(buf, sizeof(buf), " %H", json_encode_odict,
			     od) < 0)
		str_ncpy(buf, " (details too long)", sizeof(buf));

	log_event(el->level, "eventlog", ev->callid, "%s%s", ev->name, buf);
	mem_deref(od);

	return false;
}


static void eventlog_destructor(void *data)
{
	struct eventlog *el = data;

	mem_deref(el->own);
	mem_deref(el->remote);
}


static int eventlog_start(struct service *svc)
{
	struct eventlog *el;
	int err;

	el = mem_zalloc(sizeof(*el), eventlog_destructor);
	if (!el)
		return ENOMEM;

	el->srv = service_server(svc);
	el->level = LOG_INFO;
	level_set(el);

	err  = event_listen(&el->own, server_events(el->srv), "*",
			    EVENT_PRIO_LOG, event_handler, el);
	err |= event_listen_remote(&el->remote, server_events(el->srv), "*",
				   EVENT_PRIO_LOG, event_handler, el);
	if (err)
		mem_deref(el);
	else
		service_data_set(svc, el);

	return err;
}


static void eventlog_stop(struct service *svc)
{
	mem_deref(service_data(svc));
	service_data_set(svc, NULL);
}


static int eventlog_pause(struct service *svc)
{
	struct eventlog *el = service_data(svc);

	el->paused = true;

	return 0;
}


static int eventlog_resume(struct service *svc)
{
	struct eventlog *el = service_data(svc);

	el->paused = false;

	return 0;
}


extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name        = "eventlog",
	.role        = "log",
	.settings    = settings,
	.start       = eventlog_start,
	.stop        = eventlog_stop,
	.pause       = eventlog_pause,
	.resume      = eventlog_resume,
};
