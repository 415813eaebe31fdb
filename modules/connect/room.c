/**
 * @file room.c  Rooms: the conferences of this server
 */
#include <string.h>
#include <re.h>
#include "server/settings.h"
#include "noc/roster.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"


enum { ROSTER_INTERVAL = 200 };    /* at most 5 notifications a second [ms] */


/* Who watches a conference that another server has taken is watching there. */
static void watches_end(struct room *room)
{
	struct le *le;

	if (!room->lost)
		roster_end(room->roster);

	while ((le = room->watchl.head)) {
		struct watch *w = le->data;

		if (room->lost) {
			(void)client_release(w->client);
			seatwriter_watch_forget(w);
		}
		mem_deref(w);
	}
}


static void room_destructor(void *data)
{
	struct room *room = data;

	tmr_cancel(&room->arrive_tmr);
	tmr_cancel(&room->whole_tmr);

	if (room->he.list) {
		hash_unlink(&room->he);
		--room->c->roomc;
		seatwriter_room_end(room);
		room_fire(room, "connect.deleted");
	}

	watches_end(room);
	mem_deref(room->roster);
	mem_deref(room->link);
	mem_deref(room->conf);
}


static bool name_cmp_h(struct le *le, void *arg)
{
	const struct room *room = le->data;

	return !strcmp(room->name, arg);
}


/**
 * Find a conference
 *
 * @param c    Connect service
 * @param name Its name
 *
 * @return The room (borrowed), or NULL
 */
struct room *room_find(const struct connect *c, const char *name)
{
	if (!c || !name)
		return NULL;

	return list_ledata(hash_lookup(c->roomh, hash_joaat_str(name),
				       name_cmp_h, (void *)name));
}


static int room_alloc(struct room **rp, struct connect *c, const char *name,
		      const struct seat_room *sr)
{
	const struct config *cfg = connect_config(c);
	struct mesh_conf_params prm = {
		.talkers_max = config_u32(cfg, "connect.talkers"),
	};
	struct room *room;
	int err;

	room = mem_zalloc(sizeof *room, room_destructor);
	if (!room)
		return ENOMEM;

	room->c = c;
	tmr_init(&room->arrive_tmr);
	tmr_init(&room->whole_tmr);
	str_ncpy(room->name, name, sizeof room->name);
	room->created_usec = connect_now();

	if (sr) {
		if (sr->created_usec)
			room->created_usec = sr->created_usec;
		room->moved = true;
		prm.talkers_max = sr->talkers;
		prm.rate_max  = sr->rate_max;
		prm.ssrc_seed = sr->ssrc_seed;
		prm.ssrc_next = sr->ssrc_next;
	}

	err = mesh_conf_alloc(&room->conf, c->mesh, &prm);
	if (err)
		goto out;

	err = roster_alloc(&room->roster, name, ROSTER_INTERVAL);
	if (err)
		goto out;

	hash_append(c->roomh, hash_joaat_str(name), &room->he, room);
	++c->roomc;
	room_fire(room, "connect.created");
	room->moved = false;

 out:
	if (err)
		mem_deref(room);
	else
		*rp = room;

	return err;
}


/**
 * Have the room of a conference that comes from elsewhere
 *
 * @param rp Pointer to the room, a reference of the caller's
 * @param c  Connect service
 * @param sr What it is like; a room that is here already stays as it is
 *
 * @return 0 if success, otherwise errorcode
 */
int room_restore(struct room **rp, struct connect *c,
		 const struct seat_room *sr)
{
	struct room *room;
	int err;

	if (!rp || !c || !sr)
		return EINVAL;

	room = room_find(c, sr->conference);
	if (room) {
		/* it was away: orders went there */
		if (!strcmp(room->to, sr->server))
			room_lock(room, sr->locked);
		/* of two that become one the older one counts */
		if (sr->created_usec && sr->created_usec < room->created_usec)
			room->created_usec = sr->created_usec;
		*rp = mem_ref(room);
		return 0;
	}

	err = room_alloc(rp, c, sr->conference, sr);
	if (err)
		return err;

	str_ncpy((*rp)->from, sr->server, sizeof (*rp)->from);
	(*rp)->locked = sr->locked;
	roster_lock((*rp)->roster, sr->locked);

	return 0;
}


/**
 * Let nobody else come in, or let them in again
 *
 * @param room Room
 * @param on   Whether it is locked
 */
void room_lock(struct room *room, bool on)
{
	if (!room || room->locked == on)
		return;

	room->locked = on;
	room->changed = true;
	roster_lock(room->roster, on);
	seatwriter_room(room);
}


/**
 * Get the room of a conference; the first one to ask creates it. It lasts
 * as long as somebody holds a reference
 *
 * @param rp   Pointer to the room, a reference of the caller's
 * @param c    Connect service
 * @param name Name of the conference
 *
 * @return 0 if success, otherwise errorcode
 */
int room_get(struct room **rp, struct connect *c, const char *name)
{
	struct room *room;

	if (!rp || !c || !str_isset(name))
		return EINVAL;

	room = room_find(c, name);
	if (room) {
		*rp = mem_ref(room);
		return 0;
	}

	return room_alloc(rp, c, name, NULL);
}


/**
 * Find a member that an operator means
 *
 * @param room Room
 * @param id   Number of the member, or 0
 * @param user Address or display name, or NULL
 *
 * @return The member (borrowed), or NULL
 */
struct member *room_member(const struct room *room, unsigned id,
			   const char *user)
{
	struct le *le;

	if (!room)
		return NULL;

	LIST_FOREACH(&room->memberl, le) {
		struct member *m = le->data;
		const struct join *j = client_join(m->client);

		if (id ? m->id == id
		    : user && (!str_casecmp(j->user, user) ||
			       !str_casecmp(j->name, user)))
			return m;
	}

	return NULL;
}
