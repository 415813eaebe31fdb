/**
 * @file seatwriter.c  Seats and rooms on the bus, in case this server dies
 *
 *   member changes -> record is due in 50 ms -> dialog is looked at ->
 *   seat, sealed -> create, or update of the revision that we wrote
 *                     |
 *                     +-> somebody else's name is there: the member is lost
 *
 * Whatever happens to a member until its record is due is written at once. So
 * many records are under way at a time, and so many are begun in a second: a
 * burst of joins is written a little later instead of flooding the bus. While
 * the bus is away records wait. Nobody who just sits and listens costs
 * anything.
 *
 * A record outlives its member until it has been deleted. It is referenced by
 * its member or room, by the queue, and by what is under way.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/name.h"
#include "noc/roster.h"
#include "noc/seal.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"


enum {
	GATHER    = 50,            /* changes until then are one [ms]       */
	BUSY_MAX  = 64,            /* under way at a time                   */
	BURST     = 100,           /* begun at once after a quiet time      */
	RETRY_MIN = 250,           /* after a failure [ms]                  */
	RETRY_MAX = 8000,
	PLACE_MAX = SEAT_KEY_MAX + 8,
};

static const char seats[] = "seats", rooms[] = "rooms";

enum work { WORK_WRITE, WORK_DELETE, WORK_LOOK };

struct seatrec {
	struct le le;              /* in seatwriter.duel                    */
	struct le all;             /* in seatwriter.recl                    */
	struct seatwriter *w;      /* NULL: it is gone                      */
	struct member *m;          /* whose it is: one of these; none when  */
	struct watch *watch;       /* that is gone                          */
	struct room *room;
	struct bus_kvop *op;
	const char *bucket;
	uint64_t rev;              /* of what is on the bus, 0: unknown     */
	uint64_t due;              /* [ms]                                  */
	unsigned fails;            /* in a row                              */
	enum work work;
	bool busy;                 /* something is under way                */
	bool again;                /* and then it is to be done once more   */
	char from[NAME_SERVER_MAX];/* server that it was taken over from    */
	char key[];
};

struct seatwriter {
	struct connect *c;
	struct bus *bus;
	struct seal_key *key;
	struct list duel;          /* struct seatrec, by due                */
	struct list recl;          /* all of them                           */
	struct tmr tmr;
	struct seatwriter_stats st;
	unsigned busy;
	uint32_t rate;             /* records begun per second              */
	uint32_t tokens;           /* records that may be begun, in 1/1000  */
	uint64_t refilled;         /* when [ms]                             */
};

static void begin_h(void *arg);


static void rec_destructor(void *data)
{
	struct seatrec *rec = data;

	mem_deref(rec->op);
	list_unlink(&rec->all);
}


static void writer_destructor(void *data)
{
	struct seatwriter *w = data;
	struct le *le;

	tmr_cancel(&w->tmr);

	while ((le = w->duel.head)) {
		list_unlink(le);
		mem_deref(le->data);
	}

	/* owners and dialogs that are looked at still hold some */
	while ((le = w->recl.head)) {
		struct seatrec *rec = le->data;
		const bool busy = rec->op != NULL;

		list_unlink(&rec->all);
		rec->w = NULL;
		rec->op = mem_deref(rec->op);
		if (busy)
			mem_deref(rec);
	}

	mem_deref(w->key);
}


static bool wanted(const struct connect *c)
{
	const struct config *cfg = connect_config(c);
	const char *seatsv = config_str(cfg, "connect.seats");

	if (!strcmp(seatsv, "auto"))
		return config_str(cfg, "bus.url") != NULL;

	return !strcmp(seatsv, "yes");
}


/**
 * Begin to keep seats on the bus, if the configuration wants that
 *
 * @param wp Set to the writer, or to NULL if it is not wanted
 * @param c  Connect service
 *
 * @return 0 if success; else as seal_key_load
 */
int seatwriter_alloc(struct seatwriter **wp, struct connect *c)
{
	struct server *srv = service_server(c->svc);
	struct seatwriter *w;
	int err;

	*wp = NULL;

	if (!wanted(c))
		return 0;

	w = mem_zalloc(sizeof *w, writer_destructor);
	if (!w)
		return ENOMEM;

	w->c = c;
	w->bus = server_bus(srv);
	w->rate = config_u32(connect_config(c), "connect.seats_rate");
	w->tokens = 1000 * BURST;
	tmr_init(&w->tmr);

	err = seal_key_load(&w->key, srv, service_name(c->svc));
	if (err)
		mem_deref(w);
	else
		*wp = w;

	return err;
}


/**
 * How much is not on the bus yet
 *
 * @param w Writer, or NULL
 *
 * @return Records that are to be written or deleted
 */
unsigned seatwriter_waiting(const struct seatwriter *w)
{
	return w ? list_count(&w->duel) + w->busy : 0;
}


/**
 * Numbers of a writer
 *
 * @param w  Writer, or NULL
 * @param st Filled in
 */
void seatwriter_stats(const struct seatwriter *w, struct seatwriter_stats *st)
{
	memset(st, 0, sizeof *st);

	if (w)
		*st = w->st;

	st->waiting = seatwriter_waiting(w);
}


static void refill(struct seatwriter *w, uint64_t now)
{
	const uint64_t ms = w->refilled ? now - w->refilled : 0;
	const uint64_t more = ms * w->rate;

	w->refilled = now;
	w->tokens = more > 1000 * BURST || w->tokens + more > 1000 * BURST
		? 1000 * BURST : w->tokens + (uint32_t)more;
}


static void wake(struct seatwriter *w)
{
	const uint64_t now = tmr_jiffies();
	const struct seatrec *rec = list_ledata(w->duel.head);
	uint64_t delay;

	if (!rec || w->busy >= BUSY_MAX)
		return;

	delay = rec->due > now ? rec->due - now : 0;
	if (w->tokens < 1000 && delay < 10)
		delay = 10;

	tmr_start(&w->tmr, delay, begin_h, w);
}


/* Put a record into the queue, which is ordered: nearly always at its end. */
static void enqueue(struct seatrec *rec, uint32_t delay)
{
	struct seatwriter *w = rec->w;
	struct le *le;

	if (!w)
		return;

	if (rec->busy) {
		rec->again = true;
		return;
	}

	if (rec->le.list)
		return;

	rec->due = tmr_jiffies() + delay;

	for (le = w->duel.tail; le; le = le->prev)
		if (((const struct seatrec *)le->data)->due <= rec->due)
			break;

	if (le)
		list_insert_after(&w->duel, le, &rec->le, rec);
	else
		list_prepend(&w->duel, &rec->le, rec);

	mem_ref(rec);
	wake(w);
}


/* What was under way is over; the reference of it goes. */
static void done(struct seatrec *rec, int err)
{
	struct seatwriter *w = rec->w;
	uint32_t delay = GATHER;

	rec->busy = false;

	if (!w)
		goto out;

	--w->busy;

	if (err) {
		++w->st.failed;
		delay = RETRY_MIN << (rec->fails < 5 ? rec->fails++ : 5);
		enqueue(rec, delay > RETRY_MAX ? RETRY_MAX : delay);
	}
	else {
		rec->fails = 0;
		if (rec->again)
			enqueue(rec, delay);
	}

	rec->again = false;
	wake(w);

 out:
	mem_deref(rec);
}


static int place_make(char *place, size_t sz, const struct seatrec *rec)
{
	return re_snprintf(place, sz, "%s/%s", rec->bucket, rec->key) < 0
		? EOVERFLOW : 0;
}


/* Whose name stands in what is on the bus; "" if that makes no sense. */
static void whose(char *server, size_t sz, const struct seatrec *rec,
		  const uint8_t *buf, size_t len)
{
	char place[PLACE_MAX];
	struct odict *od = NULL;
	const char *name = NULL;

	*server = '\0';

	if (buf && !place_make(place, sizeof place, rec) &&
	    !seal_open(&od, rec->w->key, place, buf, len))
		name = odict_string(od, "server");

	if (name)
		str_ncpy(server, name, sz);

	mem_deref(od);
}


static bool is_other(const struct seatrec *rec, const char *server)
{
	return *server && strcmp(server, connect_server(rec->w->c)) &&
		strcmp(server, rec->from);
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


/* Look up a record once more. */
static void look(struct seatrec *rec)
{
	if (rec && rec->work == WORK_WRITE) {
		rec->work = WORK_LOOK;
		enqueue(rec, 0);
	}
}


static void room_look(struct room *room)
{
	struct le *le;

	LIST_FOREACH(&room->memberl, le)
		look(((struct member *)le->data)->rec);
	LIST_FOREACH(&room->watchl, le)
		look(((struct watch *)le->data)->rec);
}


/* The conference is another server's: perhaps all its members are, too. */
static void room_lost(struct seatrec *rec, const char *server)
{
	struct room *room = rec->room;

	str_ncpy(room->to, server, sizeof room->to);
	room->moved = room->lost = true;
	room_look(room);
}


/* Something stands in the way of what we wanted to write. */
static int in_the_way(struct seatrec *rec, uint64_t rev, const uint8_t *buf,
		      size_t len)
{
	char server[NAME_SERVER_MAX];

	whose(server, sizeof server, rec, buf, len);

	if (is_other(rec, server)) {
		rec->rev = 0;
		if (rec->m)
			member_lost(rec, server);
		else if (rec->watch)
			watch_lost(rec);
		else if (rec->room)
			room_lost(rec, server);
		return 0;
	}

	rec->rev = rev;
	rec->again = true;

	return 0;
}


static void kv_h(int err, uint64_t rev, const uint8_t *buf, size_t len,
		 void *arg)
{
	struct seatrec *rec = arg;
	const enum work work = rec->work;

	rec->op = NULL;

	if (!rec->w) {
		mem_deref(rec);
		return;
	}

	switch (err) {

	case 0:
		if (work == WORK_LOOK) {
			char server[NAME_SERVER_MAX];

			whose(server, sizeof server, rec, buf, len);
			rec->rev = rev;
			rec->work = WORK_WRITE;
			if (is_other(rec, server))
				(void)in_the_way(rec, rev, buf, len);
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
			(void)in_the_way(rec, rev, buf, len);
		err = 0;
		break;

	case ENOENT:
		rec->rev = 0;
		if (work == WORK_LOOK)
			rec->work = WORK_WRITE;
		rec->again = work != WORK_DELETE;
		err = 0;
		break;

	default:
		break;
	}

	done(rec, err);
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
		done(rec, 0);
		return;
	}

	if (!err)
		err = rec->m ? member_save(rec->m, dialog, len, false, &od)
			: watch_save(rec->watch, dialog, len, &od);

	/* what cannot be written down will not be later on either; a call
	   that is being answered will be */
	if (err) {
		done(rec, err == EAGAIN || err == ENOMEM ? err : 0);
		return;
	}

	err = write_object(rec, od);
	mem_deref(od);
	if (err)
		done(rec, err);
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
		whose(server, sizeof server, rec, buf, len);
		rec->again = !is_other(rec, server);
		rec->rev = rev;
	}

	if (!err || err == ENOENT)
		rec->from[0] = '\0';

	done(rec, err == ENOENT ? 0 : err);
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


/* Do what is due for a record; the queue's reference becomes that of what is
   under way. */
static void begin(struct seatrec *rec)
{
	struct seatwriter *w = rec->w;
	int err;

	list_unlink(&rec->le);
	rec->busy = true;
	++w->busy;

	switch (rec->work) {

	case WORK_LOOK:
		err = bus_kv_get(&rec->op, w->bus, rec->bucket, rec->key,
				 kv_h, rec);
		break;

	case WORK_DELETE:
		err = delete_begin(rec);
		break;

	default:
		err = write_begin(rec);
		break;
	}

	if (err == ENOENT || err == EILSEQ || err == ENOSYS)
		done(rec, 0);
	else if (err)
		done(rec, err);
}


static void begin_h(void *arg)
{
	struct seatwriter *w = arg;
	const uint64_t now = tmr_jiffies();
	struct seatrec *rec;

	refill(w, now);

	while (w->busy < BUSY_MAX && w->tokens >= 1000 &&
	       (rec = list_ledata(w->duel.head)) && rec->due <= now) {
		w->tokens -= 1000;
		begin(rec);
	}

	wake(w);
}


static int rec_alloc(struct seatrec **rp, struct seatwriter *w,
		     const char *bucket, const char *key)
{
	const size_t sz = strlen(key) + 1;
	struct seatrec *rec;

	rec = mem_zalloc(sizeof *rec + sz, rec_destructor);
	if (!rec)
		return ENOMEM;

	rec->w = w;
	rec->bucket = bucket;
	memcpy(rec->key, key, sz);
	list_append(&w->recl, &rec->all, rec);
	*rp = rec;

	return 0;
}


/**
 * A member has come, or changed: write its seat
 *
 * @param m Member that has joined
 */
void seatwriter_member(struct member *m)
{
	struct seatwriter *w = m->room->c->writer;
	char key[SEAT_KEY_MAX];

	if (!w)
		return;

	if (!m->rec) {
		if (seat_key(key, sizeof key, m->room->name,
			     client_join(m->client)->callid) ||
		    rec_alloc(&m->rec, w, seats, key))
			return;
		m->rec->m = m;
		str_ncpy(m->rec->from, adoption_from(m),
			 sizeof m->rec->from);
	}

	seatwriter_room(m->room);
	enqueue(m->rec, GATHER);
}


/* Who leaves before its seat bears our name still has that of where it came
   from. */
static void rec_delete(struct seatrec *rec)
{
	rec->work = WORK_DELETE;

	if (rec->w && (rec->rev || rec->busy || rec->from[0]))
		enqueue(rec, GATHER);

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
	char key[SEAT_KEY_MAX];

	if (!w)
		return;

	if (!watch->rec) {
		if (seat_key(key, sizeof key, watch->room->name,
			     client_join(watch->client)->callid) ||
		    rec_alloc(&watch->rec, w, seats, key))
			return;
		watch->rec->watch = watch;
		str_ncpy(watch->rec->from, watch->from,
			 sizeof watch->rec->from);
	}

	enqueue(watch->rec, GATHER);
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
	char key[NAME_KEY_MAX];

	if (!w || room->moved)
		return;

	if (!room->rec) {
		if (name_key(key, sizeof key, room->name,
			     strlen(room->name)) ||
		    rec_alloc(&room->rec, w, rooms, key))
			return;
		room->rec->room = room;
		str_ncpy(room->rec->from, room->from,
			 sizeof room->rec->from);
	}
	else if (!room->changed) {
		return;
	}

	room->changed = false;
	enqueue(room->rec, GATHER);
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
	look(((struct room *)le->data)->rec);

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
		room_look(room);
}
