/**
 * @file save.c  Legs written down, for another server or for the bus
 *
 *   leg_save -> the client host freezes the dialog -> seat -> handler
 *                                                               |
 *             leg_release: it goes on elsewhere   <-------------+
 *             leg_thaw:    it goes on here        <-------------+
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "noc/roster.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "connect/negotiate.h"
#include "connect/room.h"
#include "connect/seatwriter.h"
#include "connect/stream.h"


/* One dialog that is being asked for. */
struct saving {
	struct le le;             /* in connect.savingl                     */
	struct connect *c;        /* NULL: nobody wants it any more         */
	connect_save_h *h;
	void *arg;
	char callid[CLIENT_CALLID_MAX];
};


static void saving_destructor(void *data)
{
	struct saving *s = data;

	list_unlink(&s->le);
}


static void join_fill(struct seat *s, const struct connect *c,
		      const struct room *room, const struct join *j)
{
	s->conference = room->name;
	s->server  = connect_server(c);
	s->saved_usec = connect_now();
	s->callid  = j->callid;
	s->account = j->account;
	s->user    = j->user;
	s->name    = j->name;
	s->info    = j->info;
	s->src     = j->src;
	s->types   = j->media;
}


static void media_fill(struct seat_media *to, const struct member *m)
{
	const struct mesh_media *from = &m->media;

	str_ncpy(to->codec, m->codec, sizeof to->codec);
	to->pt      = from->tx.pt;
	to->rate    = from->tx.rate;
	to->bitrate = from->tx.bitrate;
	to->fec     = from->tx.fec;
	to->dtx     = from->tx.dtx;
	to->cbr     = from->tx.cbr;
	to->telev   = from->telev_rx;
	to->telev_rate = m->telev_rate;
	to->ptime   = from->ptime;
	to->ext_level = from->ext_level;
	to->ext_mixer = from->ext_mixer;
	to->rtp     = from->rtp;
	to->rtcp    = from->rtcp;
	to->rtcp_mux = from->rtcp_mux;
	to->send    = from->send;
	to->recv    = from->recv;

	if (!m->lines)
		return;

	to->linec    = m->lines->mediac;
	to->audio_ix = m->lines->audio_ix;
	for (unsigned i = 0; i < m->lines->mediac && i < SEAT_LINES_MAX; i++)
		str_ncpy(to->linev[i].text, m->lines->linev[i],
			 sizeof to->linev[i].text);
}


static void state_fill(struct seat_state *to, const struct member *m)
{
	struct mesh_part_state st;

	if (mesh_part_state(m->part, &st))
		return;

	to->muted     = st.muted;
	to->deaf      = st.deaf;
	to->dominant  = st.dominant;
	to->speaking  = st.speaking;
	to->talk_db   = st.talk_db;
	to->hear_db   = st.hear_db;
	to->hear_only = st.hear_only;
	to->whisper   = st.whisper;
	to->ignorec   = st.ignorec;
	for (unsigned i = 0; i < st.ignorec; i++)
		to->ignorev[i] = st.ignorev[i];
}


/* NULL: nothing was sent yet */
static int stream_make(struct odict **odp, const struct member *m)
{
	struct mesh_stream st;

	*odp = NULL;
	if (mesh_part_stream(m->part, &st) || !st.step)
		return 0;

	return stream_encode(odp, &st);
}


static void member_fill(struct seat_member *to, const struct member *m)
{
	to->id = m->id;
	to->joined_usec = m->joined_usec;
	to->sess_id  = m->sess_id;
	to->sess_ver = m->sess_ver;
	to->origin   = m->origin;
	to->muted_by_operator = m->muted_by_operator;
	to->held = m->held;
	to->private_port = m->private_port;
	to->textc = m->seenc;
	memcpy(to->textv, m->seenv, m->seenc * sizeof m->seenv[0]);

	if (m->key) {
		to->key[0] = m->key;
		to->key_age = (uint32_t)(tmr_jiffies() - m->key_jfs);
	}
}


/**
 * Write a member down
 *
 * @param m      Member that has joined
 * @param dialog Its dialog, as client_dialog gave it
 * @param len    Its length [bytes]
 * @param moving It goes to another server now; else it is kept for a crash
 * @param odp    Set to the seat, owned by the caller
 *
 * @return as seat_encode; EOVERFLOW if the dialog is too long
 */
int member_save(struct member *m, const char *dialog, size_t len,
		bool moving, struct odict **odp)
{
	struct seat_event se = {
		.conference = m->room->name,
		.callid = client_join(m->client)->callid,
		.id = m->id, .moving = moving,
	};
	struct connect *c = m->room->c;
	struct seat s = {.kind = SEAT_LEG};
	struct odict *stream = NULL;
	char text[SEAT_DIALOG_MAX];
	int err;

	if (len >= sizeof text)
		return EOVERFLOW;

	err = odict_alloc(&se.x, 4);
	if (!err)
		err = stream_make(&stream, m);
	if (err)
		goto out;

	memcpy(text, dialog, len);
	text[len] = '\0';
	s.dialog = text;
	s.moves = m->moves;
	s.x = se.x;
	s.stream = stream;

	join_fill(&s, c, m->room, client_join(m->client));
	member_fill(&s.member, m);
	if (!moving)
		s.member.textc = 0;
	media_fill(&s.media, m);
	state_fill(&s.state, m);

	event_fire(server_events(service_server(c->svc)),
		   &(struct event){.name = "seat.save", .callid = s.callid,
				   .data = &se});

	err = seat_encode(odp, &s);

 out:
	mem_deref(stream);
	mem_deref(se.x);

	return err;
}


/**
 * Write a watcher down
 *
 * @param w      Watcher
 * @param dialog Its subscription, as client_dialog gave it
 * @param len    Its length [bytes]
 * @param odp    Set to the seat, owned by the caller
 *
 * @return as member_save
 */
int watch_save(struct watch *w, const char *dialog, size_t len,
	       struct odict **odp)
{
	struct seat s = {.kind = SEAT_WATCHER};
	char text[SEAT_DIALOG_MAX];
	int err;

	if (len >= sizeof text)
		return EOVERFLOW;

	memcpy(text, dialog, len);
	text[len] = '\0';
	s.dialog = text;
	s.moves = w->moves;

	join_fill(&s, w->room->c, w->room, client_join(w->client));
	err = roster_watch_save(w->room->roster, w->client, &s.watch);

	return err ? err : seat_encode(odp, &s);
}


/* The dialog of a leg is frozen, and here is its text. */
static void dialog_h(int err, const char *dialog, size_t len, void *arg)
{
	struct saving *s = arg;
	struct member *m = s->c ? member_callid(s->c, s->callid) : NULL;
	struct watch *w = s->c ? watch_callid(s->c, s->callid) : NULL;
	struct odict *od = NULL;

	if (!s->c)
		goto out;

	if (!m && !w)
		err = ENOTCONN;
	else if (!err)
		err = m ? member_save(m, dialog, len, true, &od)
			: watch_save(w, dialog, len, &od);

	if (err)
		(void)leg_thaw(s->c, s->callid, 0);

	s->h(err, s->callid, od, s->arg);

 out:
	mem_deref(od);
	mem_deref(s);
}


/**
 * Write a leg down, member or watcher; its dialog is frozen from then on
 *
 * @param c      Connect service
 * @param callid Its Call-ID
 * @param h      Called later, unless the service stops
 * @param arg    Its argument
 *
 * @return 0 if success; ENOENT if it is not here; EBUSY if it is being saved,
 *         or taken over, already, or has not confirmed yet; otherwise as
 *         client_dialog
 */
int leg_save(struct connect *c, const char *callid, connect_save_h *h,
	     void *arg)
{
	struct member *m = member_callid(c, callid);
	struct watch *w = m ? NULL : watch_callid(c, callid);
	struct saving *s;
	int err;

	if (!h)
		return EINVAL;
	if (!m && !w)
		return ENOENT;
	if (m ? m->frozen || m->adoption || !m->joined_usec : w->frozen)
		return EBUSY;

	s = mem_zalloc(sizeof *s, saving_destructor);
	if (!s)
		return ENOMEM;

	s->c = c;
	s->h = h;
	s->arg = arg;
	str_ncpy(s->callid, callid, sizeof s->callid);
	list_append(&c->savingl, &s->le, s);

	if (w)
		roster_watch_flush(w->room->roster, w->client);

	if (m)
		m->frozen = true;
	else
		w->frozen = true;

	err = client_dialog(m ? m->client : w->client, dialog_h, s);
	if (err) {
		mem_deref(s);
		if (m)
			m->frozen = false;
		else
			w->frozen = false;
	}

	return err;
}


/**
 * A leg could not be moved: go on with it
 *
 * @param c      Connect service
 * @param callid Its Call-ID
 * @param cseq   Greatest CSeq that the other server may have used, 0: unknown
 *
 * @return 0 if success; ENOENT if it is not here, or not frozen; otherwise as
 *         client_thaw
 */
int leg_thaw(struct connect *c, const char *callid, uint32_t cseq)
{
	struct member *m = member_callid(c, callid);
	struct watch *w = m ? NULL : watch_callid(c, callid);
	int err;

	if (m && m->frozen) {
		m->frozen = false;
		err = client_thaw(m->client, cseq);
		member_text_flush(m);
		/* what has changed meanwhile was not written */
		member_changed(m);
		return err;
	}

	if (w && w->frozen) {
		w->frozen = false;
		err = client_thaw(w->client, cseq);
		seatwriter_watch(w);
		return err;
	}

	return ENOENT;
}


/**
 * A leg was moved to another server: forget it without a word to anybody. In
 * the roster it stays
 *
 * @param c      Connect service
 * @param callid Its Call-ID
 * @param to     Name of the other server
 *
 * @return 0 if success; ENOENT if it is not here, or not frozen
 */
int leg_release(struct connect *c, const char *callid, const char *to)
{
	struct member *m = member_callid(c, callid);
	struct watch *w = m ? NULL : watch_callid(c, callid);

	if (!to)
		return EINVAL;

	if (m && m->frozen) {
		room_leaving(m->room, to);
		(void)client_release(m->client);
		/* no goodbye: the stream goes on from elsewhere */
		(void)mesh_part_hush(m->part, true);
		seatwriter_forget(m);
		--m->room->memberc;
		--m->room->c->memberc;
		roster_user_moved(m->room->roster, m->id, to);
		member_fire_moved(m, "connect.moved", to);
		m->joined_usec = 0;
		member_remove(m);
		return 0;
	}

	if (w && w->frozen) {
		room_leaving(w->room, to);
		(void)client_release(w->client);
		seatwriter_watch_forget(w);
		mem_deref(w);
		return 0;
	}

	return ENOENT;
}


/**
 * Nobody waits for dialogs any more: the service stops
 *
 * @param c Connect service
 */
void savings_end(struct connect *c)
{
	struct le *le;

	while ((le = c->savingl.head)) {
		struct saving *s = le->data;

		s->c = NULL;
		list_unlink(&s->le);
	}
}
