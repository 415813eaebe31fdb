/**
 * @file seatrec.c  What is done for one record: written, deleted, looked up
 *
 * Whoever finds the name of a third server in a record has lost whom it is
 * about: that server has taken it over.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/roster.h"
#include "noc/seal.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter_int.h"


enum { PLACE_MAX = SEAT_KEY_MAX + 8 };


static int place_make(char *place, size_t sz, const struct seatrec *rec)
{
	return re_snprintf(place, sz, "%s/%s", rec->bucket, rec->key) < 0
		? EOVERFLOW : 0;
}


/* Whose name stands in what is on the bus, and is it another's who came after
   us? "": it makes no sense. */
static bool is_other(char *server, size_t sz, const struct seatrec *rec,
		     const uint8_t *buf, size_t len)
{
	char place[PLACE_MAX];
	struct odict *od = NULL;
	const char *name = NULL;
	uint64_t moves = 0;

	*server = '\0';

	if (buf && !place_make(place, sizeof place, rec) &&
	    !seal_open(&od, rec->w->key, place, buf, len))
		name = odict_string(od, "server");

	if (name) {
		str_ncpy(server, name, sz);
		(void)odict_get_number(od, &moves, "moves");
	}

	mem_deref(od);

	if (!*server || !strcmp(server, connect_server(rec->w->c)))
		return false;

	return rec->seat ? moves >= rec->moves : strcmp(server, rec->from);
}


/* Another server has taken a member over, thinking that we are dead. */
static void member_lost(struct seatrec *rec, const char *server)
{
	struct member *m = rec->m;

	++rec->w->st.lost;
	log_event(LOG_WARN, service_name(rec->w->c->svc),
		  client_join(m->client)->callid, "%s was taken over by %s",
		  client_join(m->client)->user, server);

	(void)client_release(m->client);
	(void)mesh_part_hush(m->part, true);
	/* it may be in the other half of the same conference */
	if (!room_parted(m->room))
		roster_user_del(m->room->roster, m->id);
	seatwriter_forget(m);
	--m->room->memberc;
	--m->room->c->memberc;
	member_fire_moved(m, "connect.lost", server);
	m->joined_usec = 0;
	member_remove(m);
}


static void watch_lost(struct seatrec *rec)
{
	struct watch *w = rec->watch;

	++rec->w->st.lost;
	(void)client_release(w->client);
	seatwriter_watch_forget(w);
	mem_deref(w);
}


/* The conference is another server's: perhaps all its members are, too. */
static void room_lost(struct seatrec *rec, const char *server)
{
	struct room *room = rec->room;

	str_ncpy(room->to, server, sizeof room->to);
	room->moved = room->lost = true;
	seatrec_room_look(room);
}


/* What a record is about is another server's now. */
static void taken(struct seatrec *rec, const char *server)
{
	rec->rev = 0;

	if (rec->m)
		member_lost(rec, server);
	else if (rec->watch)
		watch_lost(rec);
	else if (rec->room)
		room_lost(rec, server);
}


/* Something stands in the way of what we wanted to write. */
static void in_the_way(struct seatrec *rec, uint64_t rev, const uint8_t *buf,
		       size_t len)
{
	char server[NAME_SERVER_MAX];

	if (is_other(server, sizeof server, rec, buf, len)) {
		taken(rec, server);
		return;
	}

	rec->rev = rev;
	rec->again = true;
}


static void looked(struct seatrec *rec, uint64_t rev, const uint8_t *buf,
		   size_t len)
{
	char server[NAME_SERVER_MAX];

	rec->rev = rev;
	rec->work = WORK_WRITE;

	if (is_other(server, sizeof server, rec, buf, len))
		taken(rec, server);
}


static void kv_h(int err, uint64_t rev, const uint8_t *buf, size_t len,
		 void *arg)
{
	struct seatrec *rec = arg;
	const enum seatrec_work work = rec->work;

	rec->op = NULL;

	if (!rec->w) {
		mem_deref(rec);
		return;
	}

	switch (err) {

	case 0:
		if (work == WORK_LOOK) {
			looked(rec, rev, buf, len);
		}
		else if (work == WORK_DELETE) {
			++rec->w->st.deleted;
		}
		else {
			++rec->w->st.written;
			rec->rev = rev;
			rec->from[0] = '\0';
		}
		break;

	case EEXIST:
	case ESTALE:
		/* what we wanted to delete is somebody else's now */
		if (work != WORK_DELETE)
			in_the_way(rec, rev, buf, len);
		err = 0;
		break;

	case ENOENT:
		rec->rev = 0;
		if (work == WORK_LOOK) {
			/* the bus has forgotten: so it has the members */
			rec->work = WORK_WRITE;
			if (rec->room)
				seatrec_room_look(rec->room);
		}
		rec->again = work != WORK_DELETE;
		err = 0;
		break;

	default:
		break;
	}

	seatrec_done(rec, err);
}


static int write_object(struct seatrec *rec, const struct odict *od)
{
	struct seatwriter *w = rec->w;
	char place[PLACE_MAX];
	uint8_t *buf = NULL;
	size_t len;
	int err;

	err = place_make(place, sizeof place, rec);
	if (!err)
		err = seal_odict(&buf, &len, w->key, place, od);
	if (err)
		return err;

	if (rec->rev)
		err = bus_kv_update(&rec->op, w->bus, rec->bucket, rec->key,
				    rec->rev, buf, len, 0, kv_h, rec);
	else
		err = bus_kv_create(&rec->op, w->bus, rec->bucket, rec->key,
				    buf, len, 0, kv_h, rec);

	mem_deref(buf);

	return err;
}


/* Whoever is moving is written by whom it moves to. */
static struct client *writable(const struct seatrec *rec)
{
	if (rec->m)
		return rec->m->joined_usec && !rec->m->frozen
			? rec->m->client : NULL;

	return rec->watch && !rec->watch->frozen ? rec->watch->client : NULL;
}


static void peek_h(int err, const char *dialog, size_t len, void *arg)
{
	struct seatrec *rec = arg;
	struct odict *od = NULL;

	if (!rec->w || !writable(rec) || rec->work != WORK_WRITE) {
		rec->again = rec->work != WORK_WRITE;
		seatrec_done(rec, 0);
		return;
	}

	if (!err)
		err = rec->m ? member_save(rec->m, dialog, len, false, &od)
			: watch_save(rec->watch, dialog, len, &od);

	/* what cannot be written down will not be later on either; a call
	   that is being answered will be */
	if (err) {
		seatrec_done(rec, err == EAGAIN || err == ENOMEM ? err : 0);
		return;
	}

	/* at once is perhaps before anything was sent to it */
	if (rec->m && !rec->whole) {
		rec->whole = true;
		rec->again |= !odict_lookup(od, "stream");
	}

	err = write_object(rec, od);
	mem_deref(od);
	if (err)
		seatrec_done(rec, err);
}


static int write_begin(struct seatrec *rec)
{
	struct odict *od;
	int err;

	if (rec->m || rec->watch) {
		struct client *cl = writable(rec);

		return cl ? client_peek(cl, peek_h, rec) : ENOENT;
	}

	if (!rec->room || rec->room->moved)
		return ENOENT;

	err = room_save(rec->w->c, rec->room->name, &od);
	if (err)
		return err;

	err = write_object(rec, od);
	mem_deref(od);

	return err;
}


static void found_h(int err, uint64_t rev, const uint8_t *buf, size_t len,
		    void *arg)
{
	struct seatrec *rec = arg;
	char server[NAME_SERVER_MAX];

	rec->op = NULL;

	if (!rec->w) {
		mem_deref(rec);
		return;
	}

	if (!err) {
		rec->again = !is_other(server, sizeof server, rec, buf, len);
		rec->rev = rev;
	}

	if (!err || err == ENOENT)
		rec->from[0] = '\0';

	seatrec_done(rec, err == ENOENT ? 0 : err);
}


static int delete_begin(struct seatrec *rec)
{
	struct bus *bus = rec->w->bus;

	if (rec->rev)
		return bus_kv_delete(&rec->op, bus, rec->bucket, rec->key,
				     rec->rev, kv_h, rec);

	return rec->from[0] ? bus_kv_get(&rec->op, bus, rec->bucket,
					 rec->key, found_h, rec) : ENOENT;
}


/**
 * Do what is due for a record
 *
 * @param rec Record
 *
 * @return 0 if seatrec_done is or will be called; ENOENT, EILSEQ, ENOSYS if
 *         there is nothing to do; else it is to be tried again
 */
int seatrec_begin(struct seatrec *rec)
{
	switch (rec->work) {

	case WORK_LOOK:
		return bus_kv_get(&rec->op, rec->w->bus, rec->bucket,
				  rec->key, kv_h, rec);
	case WORK_DELETE:
		return delete_begin(rec);

	default:
		return write_begin(rec);
	}
}
