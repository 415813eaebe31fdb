/**
 * @file groups.c  Connect service: everybody hears everybody
 *
 * Settings: connect.* (connect/connect.c)
 */
#include <re.h>
#include "server/service.h"
#include "server/settings.h"
#include "noc/client.h"
#include "mesh/mesh.h"
#include "connect/connect.h"
#include "connect/room.h"


/* The mesh's sorter lets all hear the loudest; nothing is left to wire. */
static void wire(struct room *room)
{
	(void)room;
}


const struct connect_rule connect_rule = {
	.name = "groups",
	.wire = wire,
};


const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "groups",
	.role = "connect",
	.needs = connect_needs,
	.settings = connect_settings,
	.init = connect_init,
	.start = connect_start,
	.stop = connect_stop,
	.busy = connect_busy,
	.close = connect_close,
};
