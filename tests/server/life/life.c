/**
 * @file life.c  A plug-in that tells what is done to it
 *
 * Every handler fires the event "life.HANDLER"; pause logs, too.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/log.h"


static const struct setting settings[] = {
	{"life.num", SETTING_U32, "1", 1, 9, NULL, SETTING_RUNTIME, "n"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};


static int say(const struct service *svc, const char *name)
{
	const struct event ev = {.name = name};

	(void)event_fire(server_events(service_server(svc)), &ev);

	return 0;
}


static int life_start(struct service *svc)
{
	return say(svc, "life.start");
}


static void life_stop(struct service *svc)
{
	(void)say(svc, "life.stop");
}


static int life_pause(struct service *svc)
{
	log_trace("life", "c@h", "pauses");
	log_event(LOG_DEBUG, "life", "c@h", "pauses");

	return say(svc, "life.pause");
}


static int life_resume(struct service *svc)
{
	return say(svc, "life.resume");
}


extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name        = "life",
	.settings    = settings,
	.start       = life_start,
	.stop        = life_stop,
	.pause       = life_pause,
	.resume      = life_resume,
};
