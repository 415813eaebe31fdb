/**
 * @file restore.c  Members made of seats
 */
#include <string.h>
#include <re.h>
#include "server/settings.h"
#include "noc/roster.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "connect/negotiate.h"
#include "connect/room.h"
#include "connect/stream.h"


enum {
	SKIP_PACKETS = 150,        /* after a crash, for clocks that differ */
	AGE_MAX      = 86400,      /* a stream that is older begins anew [s] */
};


static void media_fill(struct member *m, const struct seat_media *from)
{
	struct mesh_media *to = &m->media;
	enum mesh_codec codec;

	memset(to, 0, sizeof *to);

	if (negotiate_codec(&codec, from->codec))
		return;

	str_ncpy(m->codec, negotiate_name(codec), sizeof m->codec);
	to->tx = (struct mesh_format){
		.codec = codec, .pt = from->pt, .rate = from->rate,
		.bitrate = from->bitrate, .fec = from->fec,
		.dtx = from->dtx, .cbr = from->cbr,
	};
	to->rxv[0] = to->tx;
	to->rxc = 1;
	to->telev_rx = to->telev_tx = from->telev;
	to->ptime = from->ptime;
	to->ext_level = from->ext_level;
	to->ext_mixer = from->ext_mixer;
	to->rtp  = from->rtp;
	to->rtcp = from->rtcp;
	to->rtcp_mux = from->rtcp_mux;
	to->send = from->send;
	to->recv = from->recv;
	m->telev_rate = from->telev_rate;
}


static int lines_fill(struct member *m, const struct seat_media *from)
{
	if (from->linec < 2 || from->audio_ix >= from->linec)
		return 0;

	m->lines = mem_zalloc(sizeof *m->lines, NULL);
	if (!m->lines)
		return ENOMEM;

	m->lines->mediac   = from->linec;
	m->lines->audio_ix = from->audio_ix;
	for (unsigned i = 0; i < from->linec; i++)
		str_ncpy(m->lines->linev[i], from->linev[i].text,
			 sizeof m->lines->linev[i]);

	return 0;
}


static void member_fill(struct member *m, const struct seat *s)
{
	const struct seat_member *from = &s->member;

	m->sess_id  = from->sess_id;
	m->sess_ver = from->sess_ver;
	m->origin   = from->origin;
	m->held     = from->held;
	m->muted    = s->state.muted;
	m->speaking = s->state.speaking;
	m->muted_by_operator = from->muted_by_operator;
	m->private_port = from->private_port;
	m->seenc = from->textc;
	memcpy(m->seenv, from->textv, from->textc * sizeof m->seenv[0]);

	if (from->key[0]) {
		const uint64_t now = tmr_jiffies();

		m->key = from->key[0];
		m->key_jfs = now > from->key_age ? now - from->key_age : 0;
	}
}


/**
 * How long ago a seat of a dead server was saved; clocks differ
 *
 * @param s Seat
 *
 * @return Time since then, 0 if it is in the future [us]
 */
uint64_t seat_age(const struct seat *s)
{
	const uint64_t now = connect_now();

	return now > s->saved_usec ? now - s->saved_usec : 0;
}


/**
 * How often the server of a leg will have changed once it is ours. Of two
 * seats of a leg the one with more of it is the later one, whatever clocks
 * say. A seat that we saved ourselves may have been adopted by another server
 * meanwhile: we come after that one
 *
 * @param c Connect service
 * @param s Seat that is taken over
 *
 * @return Times
 */
uint32_t seat_moves(const struct connect *c, const struct seat *s)
{
	return s->moves + (strcmp(s->server, connect_server(c)) ? 1 : 2);
}


/* Where the stream is now; false if that cannot be told: after a crash,
   packets may have been left out since the seat was saved. */
static bool stream_fill(struct mesh_stream *to, const struct seat *s,
			bool crash)
{
	if (!s->stream || stream_decode(to, s->stream))
		return false;

	if (crash && (s->media.dtx || seat_age(s) / 1000000 > AGE_MAX))
		return false;

	to->age += crash ? seat_age(s) : 0;

	return true;
}


static void state_fill(struct mesh_part_state *to,
		       const struct seat_state *from)
{
	*to = (struct mesh_part_state){
		.muted = from->muted, .deaf = from->deaf,
		.dominant = from->dominant, .speaking = from->speaking,
		.talk_db = from->talk_db, .hear_db = from->hear_db,
		.hear_only = from->hear_only, .whisper = from->whisper,
		.ignorec = from->ignorec,
	};

	for (unsigned i = 0; i < from->ignorec && i < MESH_IGNORE_MAX; i++)
		to->ignorev[i] = from->ignorev[i];
}


static int part_alloc(struct member *m, const struct seat *s, bool crash)
{
	struct mesh_part_state state;
	struct mesh_stream stream;
	bool known;

	known = stream_fill(&stream, s, crash);
	state_fill(&state, &s->state);

	/* what was agreed may be of no use here: anything, until the phone
	   has answered */
	if (!m->codec[0]) {
		struct media_desc unused;
		int err;

		memset(&unused, 0, sizeof unused);
		err = negotiate_offer(&m->media, &unused,
				      config_str(connect_config(m->room->c),
						 "connect.codecs"));
		if (err)
			return err;
	}

	return mesh_part_alloc(&m->part, m->room->conf,
			       &(struct mesh_part_params){
				       .media = &m->media,
				       .private_port = m->private_port,
				       .cname = s->user,
				       .stream = known ? &stream : NULL,
				       .skip = crash ? SKIP_PACKETS : 0,
				       .state = &state, .quiet = true,
				       .h = member_event, .arg = m});
}


/**
 * Make a member of a seat; nobody finds it yet, and it is sent nothing
 *
 * @param mp    Pointer to the new member, owned by the caller
 * @param room  Room (referenced)
 * @param cl    Its client (referenced)
 * @param s     Seat
 * @param crash The seat is from the bus, its server dead
 *
 * @return 0 if success; ENOSPC, ENOMEM
 */
int member_restore(struct member **mp, struct room *room, struct client *cl,
		   const struct seat *s, bool crash)
{
	struct member *m;
	int err;

	err = member_make(&m, room, cl, s->member.id);
	if (err)
		return err;

	m->moves = seat_moves(room->c, s);
	member_fill(m, s);
	media_fill(m, &s->media);
	err = lines_fill(m, &s->media);
	if (!err)
		err = part_alloc(m, s, crash);

	if (err)
		mem_deref(m);
	else
		*mp = m;

	return err;
}


/**
 * Show a member that arrives in the roster, from the first moment on: it is
 * in the conference
 *
 * @param m Member
 * @param s Its seat
 */
void member_arrives(const struct member *m, const struct seat *s)
{
	(void)roster_user_set(m->room->roster, m->id, &(struct roster_user){
		.user = s->user, .name = client_join(m->client)->name,
		.joined_usec = s->member.joined_usec,
		.ssrc = mesh_part_ssrc(m->part),
		.held = m->held, .muted = m->muted, .speaking = m->speaking,
	});
}
