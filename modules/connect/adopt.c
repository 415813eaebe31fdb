/**
 * @file adopt.c  Legs that come from another server
 *
 *   seat -> client host adopts the dialog -> a member, quiet -> re-INVITE
 *
 *     200:      we send, "connect.joined" (moved), handler(0)
 *     refused:  forgotten as if it had never been here, handler(err)
 *
 * A watcher of the roster needs no re-INVITE: a NOTIFY tells it where we are.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "server/log.h"
#include "noc/roster.h"
#include "noc/seat.h"
#include "siphost/siphost.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"
#include "connect/stream.h"


enum {
	ANSWER_MS   = 8000,       /* a phone has so long for our re-INVITE   */
	CSEQ_MARGIN = 64,         /* requests of ours in an adopted dialog   */
	SKIP_CSEQ   = 1000,       /* after a crash: numbers left out, and    */
	SKIP_CSEQ_SEC = 5,        /* more per second since the seat was saved*/
	SKIP_CSEQ_MAX = 1 << 24,
};

struct adoption {
	struct le le;             /* in connect.adoptionl                    */
	struct connect *c;
	struct member *m;         /* NULL: it is over, tell the handler      */
	struct tmr tmr;
	connect_adopt_h *h;
	void *arg;
	struct odict *seat;       /* reference                               */
	uint64_t joined_usec;
	uint32_t cseq;            /* greatest that we may have used          */
	int err;                  /* what the handler will be told           */
	uint16_t scode;
	bool crash;
	bool refused;             /* by a codec list, once                   */
	char callid[CLIENT_CALLID_MAX];
};


static void adoption_destructor(void *data)
{
	struct adoption *a = data;

	tmr_cancel(&a->tmr);
	list_unlink(&a->le);
	mem_deref(a->seat);
}


static void adoption_tell(struct adoption *a)
{
	list_unlink(&a->le);
	tmr_cancel(&a->tmr);
	a->h(a->err, a->scode, a->cseq, a->callid, a->arg);
	mem_deref(a);
}


static void tell_h(void *arg)
{
	adoption_tell(arg);
}


/* Tell the handler from the main loop. */
static void adoption_end(struct adoption *a, int err, uint16_t scode)
{
	a->m = NULL;
	a->err = err;
	a->scode = scode;
	tmr_start(&a->tmr, 0, tell_h, a);
}


static void x_fire(struct adoption *a, const struct seat *s, unsigned id)
{
	struct seat_event se = {
		.conference = s->conference, .callid = s->callid, .id = id,
		.x = (struct odict *)s->x, .crash = a->crash,
	};

	if (s->x)
		event_fire(server_events(service_server(a->c->svc)),
			   &(struct event){.name = "seat.load",
					   .callid = s->callid,
					   .data = &se});
}


/* It is not ours, and never was. */
static void adoption_fail(struct adoption *a, int err, uint16_t scode)
{
	struct member *m = a->m;
	struct room *room = m->room;

	log_event(LOG_INFO, a->c->rule->name, a->callid,
		  "cannot go on with %s: %s (%u)",
		  client_join(m->client)->user, strerror(err), scode);

	(void)client_release(m->client);
	/* quiet already, so no goodbye either */
	(void)mesh_part_hush(m->part, true);

	/* whoever is at the other server still is in the conference */
	if (a->crash || err == ENOTCONN)
		roster_user_del(room->roster, m->id);

	m->adoption = NULL;
	member_remove(m);
	adoption_end(a, err, scode);
}


static void timeout_h(void *arg)
{
	struct adoption *a = arg;

	adoption_fail(a, ETIMEDOUT, 408);
}


/**
 * A member's phone has answered our re-INVITE: it is ours
 *
 * @param m      Member that comes from another server
 * @param answer What it answered
 */
void adoption_answered(struct member *m, const struct media_desc *answer)
{
	struct adoption *a = m->adoption;
	struct seat s;
	int err;

	err = member_answered(m, answer);
	if (err) {
		adoption_fail(a, err == ENOENT ? EPROTO : err,
			      err == ENOENT ? 488 : 0);
		return;
	}

	err = mesh_part_go(m->part);
	if (err) {
		adoption_fail(a, err, 0);
		return;
	}

	if (!seat_decode(&s, a->seat))
		x_fire(a, &s, m->id);

	m->joined_usec = a->joined_usec;
	member_joined(m);
	m->adoption = NULL;
	member_text_flush(m);

	adoption_end(a, 0, 200);
}


/**
 * A member's phone has refused our re-INVITE, or cannot be reached
 *
 * @param m  Member that comes from another server
 * @param ce Why
 */
void adoption_refused(struct member *m, const struct client_event *ce)
{
	struct adoption *a = m->adoption;
	const uint16_t scode = (uint16_t)ce->cause;

	/* perhaps it does not like the one codec that we offered */
	if (scode == 488 && !a->refused) {
		a->refused = true;
		if (!member_offer(m, true))
			return;
	}

	adoption_fail(a, ce->err == ENOTCONN ? EHOSTUNREACH
		      : ce->err == ETIMEDOUT || scode == 408 ? ETIMEDOUT
		      : EPROTO, scode);
}


/**
 * Where a member comes from
 *
 * @param m Member
 *
 * @return Name of the other server, or ""
 */
const char *adoption_from(const struct member *m)
{
	const char *server = m->adoption
		? odict_string(m->adoption->seat, "server") : NULL;

	return server ? server : "";
}


/**
 * A member has hung up before it was ours
 *
 * @param m Member that comes from another server
 */
void adoption_left(struct member *m)
{
	adoption_fail(m->adoption, ENOTCONN, 0);
}


static int member_place(struct adoption *a, struct client *cl,
			struct room *room, const struct seat *s)
{
	struct member *m;
	int err;

	err = member_restore(&m, room, cl, s, a->crash);
	if (err)
		return err;

	a->m = m;
	a->joined_usec = s->member.joined_usec;
	m->adoption = a;
	member_enter(m);
	member_arrives(m, s);
	room_arriving(room);
	room->c->rule->wire(room);

	err = member_offer(m, false);
	if (err) {
		m->adoption = NULL;
		a->m = NULL;
		roster_user_del(room->roster, m->id);
		(void)mesh_part_hush(m->part, true);
		member_remove(m);
	}

	return err;
}


static unsigned skip_of(const struct seat *s)
{
	const uint64_t n = SKIP_CSEQ +
		SKIP_CSEQ_SEC * (seat_age(s) / 1000000);

	return n > SKIP_CSEQ_MAX ? SKIP_CSEQ_MAX : (unsigned)n;
}


/* What a watcher was told after its seat had been kept is not known: it gets
   everything, with a higher version than any that it may have. */
static int watch_place(struct adoption *a, struct client *cl,
		       struct room *room, const struct seat *s)
{
	struct seat_watch sw = s->watch;
	struct watch *w;
	int err;

	err = watch_alloc(&w, room, cl);
	if (err)
		return err;

	str_ncpy(w->from, s->server, sizeof w->from);
	w->moves = seat_moves(a->c, s);

	if (a->crash) {
		sw.version += skip_of(s);
		sw.digest[0] = '\0';
	}

	err = roster_watch_load(room->roster, cl, &sw);
	if (!err) {
		/* it must not refresh with who does not know it any more */
		if (!a->crash)
			(void)client_roster(cl, "", false);
		seatwriter_watch(w);
		return 0;
	}

	seatwriter_watch_forget(w);
	mem_deref(w);

	return err;
}


/* The dialog's text is the client host's; of it we need one number. */
static uint32_t cseq_of(const char *dialog)
{
	static const char key[] = "local-cseq: ";
	const char *p = strstr(dialog, key);
	struct pl pl;

	if (!p)
		return 0;

	p += sizeof key - 1;
	pl.p = p;
	pl.l = strspn(p, "0123456789");

	return pl.l && pl.l < 10 ? pl_u32(&pl) : 0;
}


static int client_adopt(struct client **clp, struct adoption *a,
			const struct seat *s)
{
	const struct siphost_api *host = a->c->host;
	const struct join join = {
		.callid = s->callid, .conference = s->conference,
		.account = s->account, .user = s->user, .name = s->name,
		.info = s->info, .ticket = "", .src = s->src,
		.media = s->types, .admitted = true, .replacing = "",
	};
	int err;

	if (!host || !host->adopt)
		return ENOSYS;

	err = host->adopt(host->sh, clp, &join, s->dialog,
			  strlen(s->dialog), a->crash ? skip_of(s) : 0);

	return err == ENOTCONN ? EHOSTUNREACH : err;
}


static int place(struct adoption *a, const struct seat *s)
{
	struct room *room = NULL;
	struct client *cl = NULL;
	int err;

	if (member_callid(a->c, s->callid) || watch_callid(a->c, s->callid))
		return EEXIST;

	err = room_get(&room, a->c, s->conference);
	if (err)
		return err;

	err = client_adopt(&cl, a, s);
	if (err)
		goto out;

	mem_ref(cl);
	a->cseq = cseq_of(s->dialog) + (a->crash ? skip_of(s) : 0) +
		CSEQ_MARGIN;

	if (s->kind == SEAT_WATCHER)
		err = watch_place(a, cl, room, s);
	else
		err = member_place(a, cl, room, s);

	if (err)
		(void)client_release(cl);

 out:
	mem_deref(cl);
	mem_deref(room);

	return err;
}


/**
 * Take a leg over from another server
 *
 * @param c     Connect service
 * @param seat  What leg_save wrote, referenced
 * @param crash The other server is dead
 * @param h     Called once, later, unless the service stops; see connect.h
 * @param arg   Its argument
 *
 * @return 0 if the handler will be called; EINVAL; EBADMSG or EPROTO if the
 *         seat makes no sense; ENOMEM
 */
int leg_adopt(struct connect *c, const struct odict *seat, bool crash,
	      connect_adopt_h *h, void *arg)
{
	struct mesh_stream stream;
	struct adoption *a;
	struct seat s;
	int err;

	if (!c || !seat || !h)
		return EINVAL;

	err = seat_decode(&s, seat);
	if (!err && s.stream)
		err = stream_decode(&stream, s.stream);
	if (err)
		return err;

	a = mem_zalloc(sizeof *a, adoption_destructor);
	if (!a)
		return ENOMEM;

	a->c = c;
	a->h = h;
	a->arg = arg;
	a->crash = crash;
	a->seat = mem_ref((void *)seat);
	str_ncpy(a->callid, s.callid, sizeof a->callid);
	tmr_init(&a->tmr);
	list_append(&c->adoptionl, &a->le, a);

	if (c->stopping || service_state(c->svc) != SERVICE_RUNNING)
		err = EBUSY;
	else
		err = place(a, &s);

	if (a->m)
		tmr_start(&a->tmr, ANSWER_MS, timeout_h, a);
	else
		adoption_end(a, err, err ? 0 : 200);

	return 0;
}


/**
 * Somebody who was in the conference, but not here yet, has left it
 *
 * @param c          Connect service
 * @param conference Name of the conference
 * @param id         Of the participant
 */
void leg_gone(struct connect *c, const char *conference, unsigned id)
{
	struct room *room = room_find(c, conference);
	const struct member *m = room_member(room, id, NULL);

	if (room && id && (!m || m->adoption))
		roster_user_del(room->roster, id);
}


/**
 * Nobody is told any more: the service stops
 *
 * @param c Connect service
 */
void adoptions_end(struct connect *c)
{
	struct le *le;

	while ((le = c->adoptionl.head)) {
		struct adoption *a = le->data;

		if (a->m) {
			a->m->adoption = NULL;
			(void)client_release(a->m->client);
			(void)mesh_part_hush(a->m->part, true);
			member_remove(a->m);
		}
		mem_deref(a);
	}
}
