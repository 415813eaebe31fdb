/**
 * @file adopt.c  A conference whose server is gone is brought back from what
 *                the bus holds of it
 *
 * The claim is ours already, so nobody else does the same. The room first,
 * then every seat that the dead server had, all at once but for a bound.
 */
#include <string.h>
#include <re.h>
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/seal.h"
#include "noc/seat.h"
#include "move/mover.h"


enum {
	READ_TIME  = 2000,         /* for the bus to tell all [ms]          */
	READS_MAX  = 15,           /* times it is asked                     */
	TRIES_MAX  = 4,
	TRY_TIME   = 500,          /* doubled with every try [ms]           */
	SEATS_MAX  = 100000,       /* of one conference                     */
	READING_MAX = 32,          /* conferences that are read at once     */
	PLACE_MAX  = 512,
};

struct adopt {
	struct le le;              /* in move.adoptl                        */
	struct le turn;            /* in move.turnl until it is read        */
	struct move *mv;
	struct room_hold *hold;
	struct bus_kvop *op;
	struct bus_watch *watch;
	struct tmr tmr;
	struct list waitl;         /* struct seated, to be adopted          */
	struct list flyl;          /* on their way, or waiting for a retry  */
	unsigned seatc;
	unsigned reads;
	unsigned back, lost;
	uint64_t started;          /* [ms]                                  */
	bool reading;              /* counted in move.reading               */
	bool all;                  /* the bus has told of all               */
	bool taken;                /* of a dead server, not of a lost move  */
	adopt_h *h;
	void *arg;
	char conference[CLIENT_CONFERENCE_MAX];
	char from[NAME_SERVER_MAX];
};

struct seated {
	struct le le;
	struct adopt *a;           /* NULL: no longer wanted                */
	struct move *mv;
	struct tmr tmr;
	struct odict *seat;
	struct odict *texts;       /* that wait for it, or NULL             */
	uint64_t rev;              /* on the bus, 0: not from there         */
	unsigned tries;
	bool flying;
	char callid[CLIENT_CALLID_MAX];
};

static void adopt_next(struct move *mv);
static void adopt_read(struct adopt *a);


static void landed(struct seated *s)
{
	if (s->flying)
		--s->mv->adopting;
	s->flying = false;
}


static void seated_destructor(void *arg)
{
	struct seated *s = arg;

	landed(s);
	tmr_cancel(&s->tmr);
	list_unlink(&s->le);
	mem_deref(s->seat);
	mem_deref(s->texts);
}


static void seated_drop(struct seated *s)
{
	landed(s);
	tmr_cancel(&s->tmr);
	list_unlink(&s->le);
	s->a = NULL;
	mem_deref(s);
}


/* All is read that can be: the next one's turn. */
static void read_done(struct adopt *a)
{
	struct move *mv = a->mv;
	struct le *le;

	list_unlink(&a->turn);
	if (!a->reading)
		return;

	a->reading = false;
	--mv->reading;
	le = list_head(&mv->turnl);
	if (le && !mv->stopping) {
		struct adopt *next = le->data;

		list_unlink(&next->turn);
		adopt_read(next);
	}
}


static void adopt_destructor(void *arg)
{
	struct adopt *a = arg;
	struct le *le;

	read_done(a);
	tmr_cancel(&a->tmr);
	list_unlink(&a->le);
	while ((le = list_head(&a->waitl)))
		seated_drop(le->data);
	while ((le = list_head(&a->flyl)))
		seated_drop(le->data);
	mem_deref(a->op);
	mem_deref(a->watch);
	mem_deref(a->hold);
}


static void adopt_end(struct adopt *a, int err)
{
	struct move *mv = a->mv;
	const struct move_event me = {
		.conference = a->conference, .from = a->from,
		.to = mv->name, .legs = a->back + a->lost, .moved = a->back,
		.failed = a->lost, .err = err,
		.ms = (unsigned)(tmr_jiffies() - a->started),
	};

	list_unlink(&a->le);
	if (a->taken) {
		++mv->countv[COUNT_TAKEN];
		mv->countv[COUNT_LEGS_TAKEN] += a->back;
		mv->countv[COUNT_LEGS_LOST] += a->lost;
		move_fire(mv, "move.taken", &me);
	}

	a->hold = mem_deref(a->hold);
	if (a->taken)
		mv->disp->settle(mv->disp->d, a->conference);
	if (a->h)
		a->h(err, a->back, a->lost, a->arg);

	mem_deref(a);
}


static void adopt_check(struct adopt *a)
{
	if (a->all && list_isempty(&a->waitl) && list_isempty(&a->flyl))
		adopt_end(a, 0);
}


/* Nobody will come for it: it is not to stay for ever. */
static void seat_delete(const struct seated *s)
{
	char key[SEAT_KEY_MAX];

	if (s->rev && !seat_key(key, sizeof(key), s->a->conference,
				s->callid))
		(void)bus_kv_delete(NULL, s->mv->bus, "seats", key, s->rev,
				    NULL, NULL);
}


static void retry_handler(void *arg)
{
	struct seated *s = arg;

	list_unlink(&s->le);
	list_append(&s->a->waitl, &s->le, s);
	adopt_next(s->mv);
}


static bool worth_trying(int err, uint16_t scode)
{
	switch (scode) {

	case 404: case 408: case 410: case 481: case 603:
		return false;
	default:
		return err != EBADMSG && err != ENOTSUP && err != ESTALE;
	}
}


static void seated_done(struct seated *s, int err, uint16_t scode)
{
	struct adopt *a = s->a;

	landed(s);
	if (err && err != EEXIST && worth_trying(err, scode) &&
	    ++s->tries < TRIES_MAX) {
		tmr_start(&s->tmr, (uint64_t)TRY_TIME << s->tries,
			  retry_handler, s);
		return;
	}

	if (!err) {
		++a->back;
		(void)texts_give(s->mv, s->callid, s->texts);
	}
	else if (err != ESTALE && err != EEXIST) {
		log_event(LOG_NOTICE, "move", s->callid,
			  "does not come back to %s: %u %s", a->conference,
			  scode, strerror(err));
		++a->lost;
		seat_delete(s);
	}

	seated_drop(s);
	adopt_check(a);
}


static void adopt_handler(int err, uint16_t scode, uint32_t cseq,
			  const char *callid, void *arg)
{
	struct seated *s = later_end(arg);
	struct move *mv = s->mv;
	(void)cseq;
	(void)callid;

	if (s->a) {
		seated_done(s, err, scode);
		adopt_next(mv);
	}

	mem_deref(s);
}


static void seated_go(struct seated *s)
{
	const struct connect_api *c = s->mv->connect;
	struct later *later;
	int err;

	list_unlink(&s->le);
	list_append(&s->a->flyl, &s->le, s);
	s->flying = true;
	++s->mv->adopting;
	later = later_begin(s->mv, s);
	err = later ? c->leg_adopt(c->c, s->seat, true, adopt_handler, later)
		: ENOMEM;
	if (err) {
		mem_deref(later);
		seated_done(s, err, 0);
	}
}


static void adopt_next(struct move *mv)
{
	const uint32_t window = config_u32(move_config(mv),
					   "move.crash_window");
	struct le *le = list_head(&mv->adoptl);

	while (le && mv->adopting < window) {
		struct adopt *a = le->data;
		struct le *sle = list_head(&a->waitl);

		/* seated_done may end it */
		if (sle) {
			seated_go(sle->data);
			le = list_head(&mv->adoptl);
		}
		else {
			le = le->next;
		}
	}
}


static int seated_add(struct adopt *a, struct odict *seat, const char *callid,
		      uint64_t rev, struct odict *texts)
{
	struct seated *s;

	if (a->seatc >= SEATS_MAX)
		return ENOSPC;

	s = mem_zalloc(sizeof(*s), seated_destructor);
	if (!s)
		return ENOMEM;

	s->a = a;
	s->mv = a->mv;
	s->rev = rev;
	s->seat = mem_ref(seat);
	s->texts = mem_ref(texts);
	str_ncpy(s->callid, callid, sizeof(s->callid));
	list_append(&a->waitl, &s->le, s);
	++a->seatc;

	return 0;
}


/* Those that the dead server had, and our own: what we have already is not
   adopted twice, and what moved to the dead server a moment ago may not have
   been written down by it. */
static void seat_read(struct adopt *a, const char *key, uint64_t rev,
		      const uint8_t *buf, size_t len)
{
	char place[PLACE_MAX];
	struct odict *od = NULL;
	struct seat seat;
	int err;

	(void)re_snprintf(place, sizeof(place), "seats/%s", key);
	err = seal_open(&od, a->mv->seal, place, buf, len);
	if (!err)
		err = seat_decode(&seat, od);
	if (!err && !strcmp(seat.conference, a->conference) &&
	    (!strcmp(seat.server, a->from) ||
	     !strcmp(seat.server, a->mv->name)))
		err = seated_add(a, od, seat.callid, rev, NULL);
	if (err)
		log_event(LOG_WARN, "move", NULL, "seat %s: %s", key,
			  strerror(err));

	mem_deref(od);
}


static void read_later_handler(void *arg)
{
	struct adopt *a = arg;

	a->op    = mem_deref(a->op);
	a->watch = mem_deref(a->watch);
	if (++a->reads < READS_MAX) {
		adopt_read(a);
		return;
	}

	log_event(LOG_ERROR, "move", NULL, "%s cannot be brought back: the bus"
		  " does not tell who was in it", a->conference);
	a->all = true;
	adopt_check(a);
}


/* All is read: the watch has done its work. */
static void read_handler(void *arg)
{
	struct adopt *a = arg;

	a->watch = mem_deref(a->watch);
	a->all = true;
	read_done(a);
	log_trace("move", NULL, "%s: %u seats of %s", a->conference,
		  a->seatc, a->from);

	/* all of them may be refused at once, which ends it */
	mem_ref(a);
	adopt_next(a->mv);
	if (a->le.list)
		adopt_check(a);
	mem_deref(a);
}


static void seats_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct adopt *a = arg;

	if (a->all)
		return;

	if (!key)
		tmr_start(&a->tmr, 0, read_handler, a);
	else if (buf)
		seat_read(a, key, rev, buf, len);
}


static void seats_read(struct adopt *a)
{
	char key[NAME_KEY_MAX], pattern[NAME_KEY_MAX + 2];
	int err;

	err = name_key(key, sizeof(key), a->conference,
		       strlen(a->conference));
	if (!err) {
		(void)re_snprintf(pattern, sizeof(pattern), "%s.*", key);
		err = bus_kv_watch(&a->watch, a->mv->bus, "seats", pattern,
				   seats_handler, a);
	}

	/* else the timer tries again */
	if (err)
		log_event(LOG_WARN, "move", NULL, "%s: %s", a->conference,
			  strerror(err));
}


static int room_plain(struct odict **odp, const struct adopt *a)
{
	const struct seat_room room = {
		.conference = a->conference, .server = a->from,
	};

	return seat_room_encode(odp, &room);
}


static void room_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct adopt *a = arg;
	const struct connect_api *c = a->mv->connect;
	char key[NAME_KEY_MAX], place[PLACE_MAX];
	struct odict *od = NULL;
	(void)rev;

	/* the bus is away: the timer tries again */
	if (err && err != ENOENT)
		return;

	if (!err)
		err = name_key(key, sizeof(key), a->conference,
			       strlen(a->conference));
	if (!err) {
		(void)re_snprintf(place, sizeof(place), "rooms/%s", key);
		err = seal_open(&od, a->mv->seal, place, buf, len);
	}

	/* better a room without its settings than none */
	if (err)
		err = room_plain(&od, a);
	if (!err && !a->hold)
		err = c->room_load(c->c, od, &a->hold);
	mem_deref(od);
	if (err)
		log_event(LOG_WARN, "move", NULL, "room %s: %s",
			  a->conference, strerror(err));

	seats_read(a);
}


static void adopt_read(struct adopt *a)
{
	char key[NAME_KEY_MAX];
	int err;

	if (!a->reading) {
		a->reading = true;
		++a->mv->reading;
	}

	tmr_start(&a->tmr, READ_TIME, read_later_handler, a);
	err = name_key(key, sizeof(key), a->conference,
		       strlen(a->conference));
	if (!err)
		err = bus_kv_get(&a->op, a->mv->bus, "rooms", key,
				 room_handler, a);
	if (err)
		log_event(LOG_WARN, "move", NULL, "%s: %s", a->conference,
			  strerror(err));
}


static int adopt_alloc(struct adopt **ap, struct move *mv,
		       const char *conference, const char *from)
{
	struct adopt *a;

	a = mem_zalloc(sizeof(*a), adopt_destructor);
	if (!a)
		return ENOMEM;

	a->mv = mv;
	a->started = tmr_jiffies();
	str_ncpy(a->conference, conference, sizeof(a->conference));
	str_ncpy(a->from, from, sizeof(a->from));
	list_append(&mv->adoptl, &a->le, a);
	*ap = a;

	return 0;
}


/**
 * Bring a conference back whose claim is ours and whose server is gone
 *
 * @param mv         Service
 * @param conference Conference
 * @param from       Server that had it
 * @param h          Called when all are back or lost, or NULL
 * @param arg        Handler argument
 *
 * @return 0 if it begins; EALREADY; ENOMEM
 */
int adopt_run(struct move *mv, const char *conference, const char *from,
	      adopt_h *h, void *arg)
{
	struct adopt *a;
	int err;

	if (adopt_running(mv, conference))
		return EALREADY;

	err = adopt_alloc(&a, mv, conference, from);
	if (err)
		return err;

	a->taken = true;
	a->h = h;
	a->arg = arg;
	log_event(LOG_NOTICE, "move", NULL, "%s is taken over from %s",
		  conference, from);
	if (mv->reading < READING_MAX)
		adopt_read(a);
	else
		list_append(&mv->turnl, &a->turn, a);

	return 0;
}


static void single_handler(void *arg)
{
	struct adopt *a = arg;

	adopt_next(a->mv);
}


/**
 * Adopt one participant whose seat is known
 *
 * @param mv         Service
 * @param conference Conference
 * @param callid     Its Call-ID
 * @param seat       Its seat
 * @param texts      That wait for it, or NULL
 */
void adopt_seat(struct move *mv, const char *conference, const char *callid,
		struct odict *seat, struct odict *texts)
{
	struct adopt *a;

	if (adopt_alloc(&a, mv, conference, mv->name))
		return;

	a->all = true;
	if (seated_add(a, seat, callid, 0, texts))
		mem_deref(a);
	else
		tmr_start(&a->tmr, 0, single_handler, a);
}


/**
 * Tell if a conference is being brought back
 *
 * @param mv         Service
 * @param conference Conference
 *
 * @return True if so
 */
bool adopt_running(const struct move *mv, const char *conference)
{
	struct le *le;

	LIST_FOREACH(&mv->adoptl, le) {
		const struct adopt *a = le->data;

		if (a->taken && !strcmp(a->conference, conference))
			return true;
	}

	return false;
}


/**
 * Give up whatever is being brought back
 *
 * @param mv Service
 */
void adopts_stop(struct move *mv)
{
	list_flush(&mv->adoptl);
}
