/**
 * @file room_move.c  Rooms that come from, or go to, another server
 *
 *   there: room_load, holds it ... legs come ... hold is dropped
 *   here:  room_save ... legs go ... room_drop
 *
 * Meanwhile each has a link that stands for the other (mesh.h).
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "noc/roster.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"


enum { ARRIVE_MS = 3000 };        /* nobody comes for so long: tell [ms]  */

struct room_hold {
	struct room *room;
};


static void x_fire(struct connect *c, const char *event, const char *name,
		   struct odict *x)
{
	struct seat_event se = {.conference = name, .x = x};

	event_fire(server_events(service_server(c->svc)),
		   &(struct event){.name = event, .data = &se});
}


/**
 * Write a room down, without its members
 *
 * @param c          Connect service
 * @param conference Its name
 * @param odp        Set to the object, owned by the caller
 *
 * @return 0 if success; ENOENT; else as seat_room_encode
 */
int room_save(struct connect *c, const char *conference, struct odict **odp)
{
	const struct room *room = room_find(c, conference);
	struct mesh_conf_params prm = {0};
	struct seat_room sr = {
		.conference = conference, .server = connect_server(c),
	};
	struct odict *x;
	int err;

	if (!room)
		return ENOENT;

	err = odict_alloc(&x, 4);
	if (err)
		return err;

	(void)mesh_conf_state(room->conf, &prm);
	sr.created_usec = room->created_usec;
	sr.locked    = room->locked;
	sr.talkers   = prm.talkers_max;
	sr.rate_max  = prm.rate_max;
	sr.ssrc_seed = prm.ssrc_seed;
	sr.ssrc_next = prm.ssrc_next;
	sr.x = x;
	x_fire(c, "room.save", room->name, x);

	err = seat_room_encode(odp, &sr);
	mem_deref(x);

	return err;
}


static void hold_destructor(void *data)
{
	struct room_hold *hold = data;

	if (!hold->room)
		return;

	if (!--hold->room->holdc) {
		tmr_cancel(&hold->room->arrive_tmr);
		roster_pause(hold->room->roster, false);
		room_whole(hold->room);
	}

	mem_deref(hold->room);
}


static void arrived_h(void *arg)
{
	struct room *room = arg;

	roster_pause(room->roster, false);
}


/**
 * Somebody arrives in a room: as long as others may follow, watchers are not
 * told. Who cannot follow must not keep them waiting
 *
 * @param room Room
 */
void room_arriving(struct room *room)
{
	if (room->holdc)
		tmr_start(&room->arrive_tmr, ARRIVE_MS, arrived_h, room);
}


/**
 * Have the room of a conference that comes from elsewhere
 *
 * @param c     Connect service
 * @param od    What room_save wrote
 * @param holdp Set to a hold on it, owned by the caller
 *
 * @return 0 if success; EBADMSG or EPROTO if it makes no sense; otherwise
 *         errorcode
 */
int room_load(struct connect *c, const struct odict *od,
	      struct room_hold **holdp)
{
	struct room_hold *hold;
	struct seat_room sr;
	bool have;
	int err;

	if (!c || !od || !holdp)
		return EINVAL;

	err = seat_room_decode(&sr, od);
	if (err)
		return err;

	have = room_find(c, sr.conference) != NULL;

	hold = mem_zalloc(sizeof *hold, hold_destructor);
	if (!hold)
		return ENOMEM;

	err = room_restore(&hold->room, c, &sr);
	if (err) {
		mem_deref(hold);
		return err;
	}

	if (!hold->room->holdc++)
		roster_pause(hold->room->roster, true);
	room_arriving(hold->room);

	if (!have && sr.x)
		x_fire(c, "room.load", sr.conference, (struct odict *)sr.x);

	*holdp = hold;

	return 0;
}


/**
 * Some of its participants are, or may be, at another server
 *
 * @param room Room
 *
 * @return True while it moves
 */
bool room_parted(const struct room *room)
{
	return room->going || room->holdc;
}


/**
 * A member has gone to another server: the room stays, even when it is empty,
 * until everybody has
 *
 * @param room Room
 * @param to   The server
 */
void room_leaving(struct room *room, const char *to)
{
	str_ncpy(room->to, to, sizeof room->to);

	if (!room->leaving) {
		room->leaving = true;
		mem_ref(room);
	}
}


/**
 * What was saved of a room is on its way to another server: what is ordered
 * here from now on would be lost, until room_drop
 *
 * @param c          Connect service
 * @param conference Its name
 * @param to         The other server
 *
 * @return 0 if success; ENOENT; EINVAL
 */
int room_going(struct connect *c, const char *conference, const char *to)
{
	struct room *room = room_find(c, conference);

	if (!str_isset(to))
		return EINVAL;
	if (!room)
		return ENOENT;

	room->going = true;
	str_ncpy(room->to, to, sizeof room->to);

	return 0;
}


/**
 * Everybody has moved: the conference is no longer here. Or nobody moves any
 * more: it ends here when the last one leaves
 *
 * @param c          Connect service
 * @param conference Its name
 * @param to         Server where it goes on, or NULL: it stays
 *
 * @return 0 if success; ENOENT; EBUSY if it goes on at `to`, but somebody is
 *         still here
 */
int room_drop(struct connect *c, const char *conference, const char *to)
{
	struct room *room = room_find(c, conference);

	if (!room)
		return ENOENT;

	if (room->count && to)
		return EBUSY;

	if (to) {
		room->moved = true;
		str_ncpy(room->to, to, sizeof room->to);
		seatwriter_room_moved(room);
	}

	else if (room->leaving || room->lost) {
		seatwriter_room_back(room);
	}

	room->going = false;
	room->link = mem_deref(room->link);
	room_whole(room);

	if (room->leaving) {
		room->leaving = false;
		mem_deref(room);
	}

	return 0;
}


static bool room_end_h(struct le *le, void *arg)
{
	struct room *room = le->data;
	(void)arg;

	room->link = mem_deref(room->link);

	if (room->leaving) {
		room->leaving = false;
		mem_deref(room);
	}

	return false;
}


/**
 * Wait for nobody any more: the service stops
 *
 * @param c Connect service
 */
void rooms_end(struct connect *c)
{
	hash_apply(c->roomh, room_end_h, NULL);
}


/**
 * Share what is said with another server
 *
 * @param c          Connect service
 * @param conference Name of a conference that is here
 * @param peer       "addr:port" of the other server's link, or NULL if it is
 *                   not known yet: to be told by another call
 * @param laddr      Set to "addr:port" of ours, unless NULL
 * @param sz         Room there, 64 is enough [bytes]
 *
 * @return 0 if success; ENOENT if it is not here; EALREADY if it is linked to
 *         another one; EBADMSG; otherwise errorcode
 */
int room_link(struct connect *c, const char *conference, const char *peer,
	      char *laddr, size_t sz)
{
	struct room *room = room_find(c, conference);
	struct sa sa, own;
	int err = 0;

	if (!room)
		return ENOENT;

	sa_init(&sa, AF_UNSPEC);

	if (peer && (sa_decode(&sa, peer, strlen(peer)) ||
		     !sa_isset(&sa, SA_ALL)))
		return EBADMSG;

	if (!room->link) {
		err = mesh_link_alloc(&room->link, room->conf,
				      peer ? &sa : NULL, NULL, NULL);
		if (err)
			return err;
		room->link_peer = sa;
	}
	else if (peer && !sa_isset(&room->link_peer, SA_ADDR)) {
		err = mesh_link_peer(room->link, &sa);
		if (err)
			return err;
		room->link_peer = sa;
	}
	else if (peer && !sa_cmp(&room->link_peer, &sa, SA_ALL)) {
		return EALREADY;
	}

	if (!laddr)
		return 0;

	err = mesh_part_laddr(room->link, &own, NULL);
	if (!err && re_snprintf(laddr, sz, "%J", &own) < 0)
		err = EOVERFLOW;

	return err;
}


/**
 * Share nothing with another server any more
 *
 * @param c          Connect service
 * @param conference Name of a conference
 *
 * @return 0 if success; ENOENT if it is not here, or not linked
 */
int room_unlink(struct connect *c, const char *conference)
{
	struct room *room = room_find(c, conference);

	if (!room || !room->link)
		return ENOENT;

	room->link = mem_deref(room->link);
	sa_init(&room->link_peer, AF_UNSPEC);

	return 0;
}
