/**
 * @file unheard.c  Conferences of servers that died before this one started
 *
 * Who dies is noticed by those who are there ("node.down", crash.c). If nobody
 * was, its claims and seats are still on the bus, and its phones may be, too:
 * a server that starts looks for claims of servers that neither have a record
 * on the bus nor report their capacity. Looks begin when the bus was at work
 * for a while, so that who is just starting as well, or finds back to the bus,
 * is heard of by then; whoever claims first has it.
 */
#include <string.h>
#include <re.h>
#include "server/service.h"
#include "server/settings.h"
#include "bus/bus.h"
#include "noc/node.h"
#include "noc/tables.h"
#include "noc/wire.h"
#include "heartbeat/heartbeat.h"
#include "move/mover.h"


enum { LOOKS_MAX = 8 };

static const struct heartbeat_api *heartbeat(const struct move *mv)
{
	return service_api(service_server(mv->svc), "heartbeat");
}


struct heard {
	const char *server;
	bool yes;
};


static void server_handler(const struct server_info *si, void *arg)
{
	struct heard *h = arg;

	if (si->in_contact && !strcmp(si->report->name, h->server))
		h->yes = true;
}


static void owner_handler(const char *server, void *arg)
{
	struct move *mv = arg;
	const struct heartbeat_api *hb = heartbeat(mv);
	struct heard h = { .server = server };

	if (!hb || !strcmp(server, mv->name) ||
	    hb->state(hb->hb, server) != NODE_UNKNOWN)
		return;

	/* records may be what the bus cannot tell at the moment */
	tables_servers(mv->tables, tmr_jiffies(), server_handler, &h);
	if (!h.yes)
		crash_unheard(mv, server);
}


static void look_handler(void *arg)
{
	struct move *mv = arg;
	const bool good = bus_state(mv->bus) == BUS_UP && !mv->isolated;

	mv->unheard.looks = good ? mv->unheard.looks + 1 : 0;
	if (mv->unheard.looks > 1)
		mv->disp->owners(mv->disp->d, owner_handler, mv);
	if (mv->unheard.looks < LOOKS_MAX)
		unheard_start(mv);
}


/**
 * Begin to look for conferences of servers that nobody has heard of
 *
 * @param mv Service
 */
void unheard_start(struct move *mv)
{
	const uint32_t ms = config_u32(move_config(mv), "move.unheard");

	if (ms && heartbeat(mv))
		tmr_start(&mv->unheard.tmr, ms, look_handler, mv);
}


/**
 * Look no more
 *
 * @param mv Service
 */
void unheard_stop(struct move *mv)
{
	tmr_cancel(&mv->unheard.tmr);
	memset(&mv->unheard, 0, sizeof(mv->unheard));
}
