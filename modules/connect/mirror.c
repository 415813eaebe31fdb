/**
 * @file mirror.c  The roster of a conference that is in several servers
 *
 * Whoever subscribes, here or there, is shown everybody.
 */
#include <string.h>
#include <re.h>
#include "noc/roster.h"
#include "connect/connect.h"
#include "connect/room.h"


enum { WHOLE_MS = 5000 };         /* to be taken over, or to be told [ms] */


static enum roster_place place_h(unsigned id, void *arg)
{
	const struct room *room = arg;
	const struct member *m = member_id(room->c, id);

	if (!m || m->room != room)
		return ROSTER_ELSEWHERE;

	return m->frozen || m->adoption ? ROSTER_MOVING : ROSTER_HERE;
}


/**
 * Begin to tell another server who is in the part of a conference that is here
 *
 * @param mp         Set to the mirror, owned by the caller
 * @param c          Connect service
 * @param conference Its name
 * @param server     Name of the other server
 * @param h          Called when there is something to tell
 * @param arg        Its argument
 *
 * @return 0 if success; ENOENT if it is not here; EINVAL; ENOMEM
 */
int room_mirror(struct roster_mirror **mp, struct connect *c,
		const char *conference, const char *server,
		roster_mirror_h *h, void *arg)
{
	const struct room *room = room_find(c, conference);

	if (!room)
		return ENOENT;

	return roster_mirror_alloc(mp, room->roster, server, h, arg);
}


/**
 * Another server tells who is in its part of a conference. Orders about the
 * conference go to the one that it is going to: that one knows if it is locked
 *
 * @param c          Connect service
 * @param conference Its name
 * @param server     Name of the other server
 * @param od         What its mirror told
 *
 * @return 0 if success; ENOENT if it is not here; EBADMSG if some of it makes
 *         no sense
 */
int room_users(struct connect *c, const char *conference, const char *server,
	       const struct odict *od)
{
	struct room *room = room_find(c, conference);
	bool locked;
	int err;

	if (!room)
		return ENOENT;

	err = roster_take(room->roster, server, od, place_h, room);

	if (room->going && !strcmp(room->to, server) &&
	    odict_get_boolean(od, &locked, "locked"))
		roster_lock(room->roster, locked);

	return err;
}


static void whole_h(void *arg)
{
	struct room *room = arg;

	if (!room_parted(room))
		roster_whole(room->roster, place_h, room);
}


/**
 * A room may be whole again. Whoever is in its roster, but in none of the
 * servers, is taken out when nobody has come for him in a while
 *
 * @param room Room
 */
void room_whole(struct room *room)
{
	roster_lock(room->roster, room->locked);
	tmr_start(&room->whole_tmr, WHOLE_MS, whole_h, room);
}
