/**
 * @file pointtopoint.c  Connect service: two who hear each other, nobody else
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


static uint16_t admit(const struct room *room, const char **reason)
{
	if (room->count < 2)
		return 0;

	*reason = "Both places are taken";

	return 486;
}


/* Each hears the other directly, past the sorter: no talker has to be found,
   and equal codecs pass through. */
static void wire(struct room *room)
{
	struct member *a = list_ledata(list_head(&room->memberl));
	struct member *b = list_ledata(list_tail(&room->memberl));

	if (!a)
		return;

	(void)mesh_part_hear_only(a->part, a == b ? NULL : b->part);

	if (a != b)
		(void)mesh_part_hear_only(b->part, a->part);
}


const struct connect_rule connect_rule = {
	.name = "pointtopoint",
	.admit = admit,
	.wire = wire,
};


const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "pointtopoint",
	.role = "connect",
	.needs = connect_needs,
	.settings = connect_settings,
	.init = connect_init,
	.start = connect_start,
	.stop = connect_stop,
	.busy = connect_busy,
	.close = connect_close,
};
