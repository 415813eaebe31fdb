/**
 * @file seatwriter.c  Seats and rooms on the bus, in case this server dies
 *
 *   member comes   -> record is due now --------+
 *   member changes -> record is due in 50 ms ---+-> dialog is looked at ->
 *   seat, sealed -> create, or update of the revision that we wrote
 *                     |
 *                     +-> it has moved since, to another server: the member
 *                         is lost
 *
 * Changes until a record is due are written as one. So many records are under
 * way at a time, and so many are begun in a second: a burst of joins is
 * written a little later instead of flooding the bus, but before any changes.
 * While the bus is away records wait. Nobody who just sits and listens costs
 * anything.
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
#include "connect/seatwriter_int.h"


enum {
	BUSY_MAX  = 64,            /* under way at a time                   */
	BURST     = 100,           /* begun at once after a quiet time      */
	RETRY_MIN = 250,           /* after a failure [ms]                  */
	RETRY_MAX = 8000,
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
	mem_deref(w->lis);

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


/* Whoever was cut off may have been thought dead; and what could not be
   written need not wait any longer. */
static void state_h(enum bus_state state, void *arg)
{
	struct seatwriter *w = arg;
	const uint64_t now = tmr_jiffies();
	struct le *le;

	if (state != BUS_UP)
		return;

	LIST_FOREACH(&w->duel, le) {
		struct seatrec *rec = le->data;

		rec->fails = 0;
		if (rec->due > now + SEATREC_GATHER)
			rec->due = now + SEATREC_GATHER;
	}

	seatwriter_verify(w->c, NULL);
	wake(w);
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
	if (!err)
		err = bus_state_listen(&w->lis, w->bus, state_h, w);
	if (err)
		mem_deref(w);
	else
		*wp = w;

	return err;
}


/**
 * How much is on its way to the bus: what waits for a bus that is away is not
 *
 * @param w Writer, or NULL
 *
 * @return Records that are to be written or deleted
 */
unsigned seatwriter_busy(const struct seatwriter *w)
{
	return w && bus_state(w->bus) == BUS_UP ? seatwriter_waiting(w) : 0;
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
	return w ? w->duec + w->busy : 0;
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


/**
 * Put a record into the queue, unless it is there already. The queue is in
 * order: it goes nearly always to the end
 *
 * @param rec   Record
 * @param delay When it is due [ms], 0: at once, before all that is late
 */
void seatrec_enqueue(struct seatrec *rec, uint32_t delay)
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

	rec->due = delay ? tmr_jiffies() + delay : 0;

	for (le = w->duel.tail; le; le = le->prev)
		if (((const struct seatrec *)le->data)->due <= rec->due)
			break;

	if (le)
		list_insert_after(&w->duel, le, &rec->le, rec);
	else
		list_prepend(&w->duel, &rec->le, rec);

	++w->duec;
	mem_ref(rec);
	wake(w);
}


/**
 * What was under way is over
 *
 * @param rec Record; the reference of what was under way goes
 * @param err 0, or why it has to be done again
 */
void seatrec_done(struct seatrec *rec, int err)
{
	struct seatwriter *w = rec->w;
	uint32_t delay = SEATREC_GATHER;

	rec->busy = false;

	if (!w)
		goto out;

	--w->busy;

	if (err) {
		++w->st.failed;
		delay = RETRY_MIN << (rec->fails < 5 ? rec->fails++ : 5);
		seatrec_enqueue(rec, delay > RETRY_MAX ? RETRY_MAX : delay);
	}
	else {
		rec->fails = 0;
		if (rec->again)
			seatrec_enqueue(rec, delay);
	}

	rec->again = false;
	wake(w);

 out:
	mem_deref(rec);
}


/* The queue's reference becomes that of what is under way. */
static void begin(struct seatrec *rec)
{
	struct seatwriter *w = rec->w;
	int err;

	list_unlink(&rec->le);
	--w->duec;
	rec->busy = true;
	++w->busy;

	err = seatrec_begin(rec);
	if (err == ENOENT || err == EILSEQ || err == ENOSYS)
		seatrec_done(rec, 0);
	else if (err)
		seatrec_done(rec, err);
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


/**
 * Make a record
 *
 * @param rp     Set to the record, a reference of its owner's
 * @param w      Writer
 * @param bucket Where it is kept; not copied
 * @param key    Its key there
 *
 * @return 0 if success; ENOMEM
 */
int seatrec_alloc(struct seatrec **rp, struct seatwriter *w,
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
