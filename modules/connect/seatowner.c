/**
 * @file seatowner.c  Members, watchers and rooms, as far as they are kept on
 *                    the bus
 */
#include <string.h>
#include <re.h>
#include "noc/seat.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter_int.h"


static const char seats[] = "seats", rooms[] = "rooms";


/**
 * Look up whose a record is
 *
 * @param rec Record, or NULL
 */
void seatrec_look(struct seatrec *rec)
{
	if (rec && rec->work == WORK_WRITE) {
		rec->work = WORK_LOOK;
		/* what waits in the queue is for afterwards */
		if (rec->le.list)
			rec->again = true;
		seatrec_enqueue(rec, 0);
	}
}


/**
 * Look up whose everybody in a room is
 *
 * @param room Room
 */
void seatrec_room_look(struct room *room)
{
	struct le *le;

	LIST_FOREACH(&room->memberl, le)
		seatrec_look(((struct member *)le->data)->rec);
	LIST_FOREACH(&room->watchl, le)
		seatrec_look(((struct watch *)le->data)->rec);
}


/**
 * A member has come, or changed: write its seat. The first time at once: until
 * then it dies with this server
 *
 * @param m Member that has joined
 */
void seatwriter_member(struct member *m)
{
	struct seatwriter *w = m->room->c->writer;
	uint32_t delay = SEATREC_GATHER;
	char key[SEAT_KEY_MAX];

	if (!w)
		return;

	if (!m->rec) {
		if (seat_key(key, sizeof key, m->room->name,
			     client_join(m->client)->callid) ||
		    seatrec_alloc(&m->rec, w, seats, key))
			return;
		m->rec->m = m;
		m->rec->seat = true;
		m->rec->moves = m->moves;
		str_ncpy(m->rec->from, adoption_from(m),
			 sizeof m->rec->from);
		delay = 0;
	}

	seatwriter_room(m->room);
	seatrec_enqueue(m->rec, delay);
}


/**
 * Look up whether another server has taken a member; then it is lost
 *
 * @param m Member
 */
void seatwriter_look(struct member *m)
{
	seatrec_look(m->rec);
}


/* Who leaves before its seat bears our name still has that of where it came
   from. */
static void rec_delete(struct seatrec *rec)
{
	rec->work = WORK_DELETE;

	if (rec->w && (rec->rev || rec->busy || rec->from[0]))
		seatrec_enqueue(rec, SEATREC_GATHER);

	mem_deref(rec);
}


/**
 * A member has left: delete its seat
 *
 * @param m Member
 */
void seatwriter_left(struct member *m)
{
	struct seatrec *rec = m->rec;

	if (!rec)
		return;

	rec->m = NULL;
	m->rec = NULL;
	rec_delete(rec);
}


/**
 * A member's seat is somebody else's now: leave it alone
 *
 * @param m Member
 */
void seatwriter_forget(struct member *m)
{
	struct seatrec *rec = m->rec;

	if (!rec)
		return;

	rec->m = NULL;
	m->rec = NULL;
	rec->rev = 0;
	mem_deref(rec);
}


/**
 * Somebody watches the roster, or was told it anew: write its seat
 *
 * @param watch Watcher
 */
void seatwriter_watch(struct watch *watch)
{
	struct seatwriter *w = watch->room->c->writer;
	uint32_t delay = SEATREC_GATHER;
	char key[SEAT_KEY_MAX];

	if (!w)
		return;

	if (!watch->rec) {
		if (seat_key(key, sizeof key, watch->room->name,
			     client_join(watch->client)->callid) ||
		    seatrec_alloc(&watch->rec, w, seats, key))
			return;
		watch->rec->watch = watch;
		watch->rec->seat = true;
		watch->rec->moves = watch->moves;
		str_ncpy(watch->rec->from, watch->from,
			 sizeof watch->rec->from);
		delay = 0;
	}

	seatrec_enqueue(watch->rec, delay);
}


/**
 * A watcher is gone: delete its seat
 *
 * @param watch Watcher
 */
void seatwriter_watch_left(struct watch *watch)
{
	struct seatrec *rec = watch->rec;

	if (!rec)
		return;

	rec->watch = NULL;
	watch->rec = NULL;
	rec_delete(rec);
}


/**
 * A watcher's seat is somebody else's now: leave it alone
 *
 * @param watch Watcher
 */
void seatwriter_watch_forget(struct watch *watch)
{
	struct seatrec *rec = watch->rec;

	if (!rec)
		return;

	rec->watch = NULL;
	watch->rec = NULL;
	rec->rev = 0;
	mem_deref(rec);
}


/**
 * A room has changed, or has somebody in it now: write it
 *
 * @param room Room
 */
void seatwriter_room(struct room *room)
{
	struct seatwriter *w = room->c->writer;
	uint32_t delay = SEATREC_GATHER;
	char key[NAME_KEY_MAX];

	if (!w || room->moved)
		return;

	if (!room->rec) {
		if (name_key(key, sizeof key, room->name,
			     strlen(room->name)) ||
		    seatrec_alloc(&room->rec, w, rooms, key))
			return;
		room->rec->room = room;
		str_ncpy(room->rec->from, room->from,
			 sizeof room->rec->from);
		delay = 0;
	}
	else if (!room->changed) {
		return;
	}

	room->changed = false;
	seatrec_enqueue(room->rec, delay);
}


/**
 * A room is somebody else's now: leave it alone
 *
 * @param room Room
 */
void seatwriter_room_moved(struct room *room)
{
	struct seatrec *rec = room->rec;

	if (!rec)
		return;

	rec->room = NULL;
	room->rec = NULL;
	rec->rev = 0;
	mem_deref(rec);
}


/**
 * A room stays here after all: what the other server has written of it is
 * overwritten
 *
 * @param room Room, with the name of that server in `to`
 */
void seatwriter_room_back(struct room *room)
{
	room->moved = room->lost = false;
	if (room->rec)
		str_ncpy(room->rec->from, room->to, sizeof room->rec->from);

	room->changed = true;
	seatwriter_room(room);
}


/**
 * A room ends: delete it, unless it goes on elsewhere
 *
 * @param room Room
 */
void seatwriter_room_end(struct room *room)
{
	struct seatrec *rec = room->rec;

	if (!rec)
		return;

	if (room->moved) {
		seatwriter_room_moved(room);
		return;
	}

	rec->room = NULL;
	room->rec = NULL;
	rec_delete(rec);
}


static bool verify_h(struct le *le, void *arg)
{
	(void)arg;
	seatrec_look(((struct room *)le->data)->rec);

	return false;
}


/**
 * Look up whether others have taken what is ours; what they have is lost
 *
 * @param c          Connect service
 * @param conference Conference, or NULL for all of them
 */
void seatwriter_verify(struct connect *c, const char *conference)
{
	struct room *room;

	if (!c->writer)
		return;

	if (!conference) {
		hash_apply(c->roomh, verify_h, NULL);
		return;
	}

	room = room_find(c, conference);
	if (room)
		seatrec_room_look(room);
}
