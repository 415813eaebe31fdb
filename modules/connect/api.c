/**
 * @file api.c  What a connect service offers to other services
 */
#include <string.h>
#include <re.h>
#include "noc/client.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"


static void totals(const struct connect *c, struct connect_totals *tot)
{
	tot->conferences  = c->roomc;
	tot->participants = c->memberc;
}


static unsigned participants(const struct connect *c, const char *name)
{
	const struct room *room = room_find(c, name);

	return room ? room->memberc : 0;
}


static int stats(const struct connect *c, const char *callid,
		 struct mesh_stats *st)
{
	const struct member *m = member_callid(c, callid);

	return m ? mesh_part_stats(m->part, st) : ENOENT;
}


static int cost(const struct connect *c, const char *name,
		struct mesh_conf_cost *mc)
{
	const struct room *room = room_find(c, name);

	return room ? mesh_conf_cost(room->conf, mc) : ENOENT;
}


static int leg_refer(struct connect *c, const char *callid, const char *uri)
{
	const struct member *m = member_callid(c, callid);

	if (!m || !m->joined_usec || m->adoption)
		return ENOENT;

	return m->frozen ? EBUSY : client_refer(m->client, uri);
}


static unsigned members(struct room *room, bool speaking, connect_leg_h *h,
			void *arg)
{
	unsigned n = 0;
	struct le *le;

	for (le = room->memberl.head; le; ) {
		const struct member *m = le->data;

		le = le->next;

		if (!m->joined_usec || m->adoption || m->speaking != speaking)
			continue;

		++n;
		if (h)
			h(client_join(m->client)->callid, m->id, false, arg);
	}

	return n;
}


/* Who listens goes before who speaks: what comes over the link is later than
   what is here, so a listener that goes hears a moment twice, and when the
   speakers go, nobody is left behind to miss one.

   The handler may take away the leg that it is told of, and no other. */
static unsigned legs(struct connect *c, const char *conference,
		     connect_leg_h *h, void *arg)
{
	struct room *room = mem_ref(room_find(c, conference));
	struct le *le;
	unsigned n;

	if (!room)
		return 0;

	n  = members(room, false, h, arg);
	n += members(room, true, h, arg);

	for (le = room->watchl.head; le; ) {
		const struct watch *w = le->data;

		le = le->next;
		++n;
		if (h)
			h(client_join(w->client)->callid, 0, true, arg);
	}

	mem_deref(room);

	return n;
}


/**
 * Fill in what other services find
 *
 * @param c Connect service
 */
void connect_api_init(struct connect *c)
{
	c->api = (struct connect_api){
		.c = c,
		.totals       = totals,
		.participants = participants,
		.stats        = stats,
		.cost         = cost,
		.room_save    = room_save,
		.room_load    = room_load,
		.legs         = legs,
		.leg_save     = leg_save,
		.leg_thaw     = leg_thaw,
		.leg_release  = leg_release,
		.leg_texts    = leg_texts,
		.leg_text     = leg_text,
		.room_text    = room_text,
		.mirror       = room_mirror,
		.users        = room_users,
		.leg_adopt    = leg_adopt,
		.leg_refer    = leg_refer,
		.leg_gone     = leg_gone,
		.room_going   = room_going,
		.room_drop    = room_drop,
		.link         = room_link,
		.unlink       = room_unlink,
		.verify       = seatwriter_verify,
	};
}
