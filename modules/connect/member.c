/**
 * @file member.c  Members: the participants of a room
 *
 *   member_alloc        the mesh makes room, we answer the offer
 *        |              "client.established"
 *   member_joined       now it counts: roster, chime, "connect.joined"
 *        |              keys, mute, new media ...
 *   member_left         roster, chime, "connect.left"; the last one takes
 *                       the room along
 */
#include <string.h>
#include <sys/time.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/log.h"
#include "noc/client.h"
#include "noc/roster.h"
#include "sip/sdp.h"
#include "mesh/mesh.h"
#include "connect/connect.h"
#include "connect/room.h"


enum { KEY_TIME = 3000 };        /* from `*` to the digit after it [ms]     */


static uint64_t now_usec(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);

	return 1000000ULL * (uint64_t)tv.tv_sec + (uint64_t)tv.tv_usec;
}


/* Nobody finds it any more. */
static void member_unlink(struct member *m)
{
	if (m->le.list)
		--m->room->count;

	list_unlink(&m->le);
	hash_unlink(&m->he);
}


static void member_destructor(void *data)
{
	struct member *m = data;

	member_unlink(m);
	mem_deref(m->part);
	mem_deref(m->client);
	mem_deref(m->room);
}


/**
 * Fire an event about a member
 *
 * @param m     Member
 * @param event Name of the event
 * @param on    What it says of the member: speaking, muted
 */
void member_fire(struct member *m, const char *event, bool on)
{
	const struct join *j = client_join(m->client);
	struct connect_event ce = {
		.conference = m->room->name,
		.callid = j->callid,
		.account = j->account,
		.user = j->user,
		.name = j->name,
		.info = j->info,
		.id = m->id,
		.participants = m->room->memberc,
		.on = on,
		.joined_usec = m->joined_usec,
	};

	str_ncpy(ce.codec, m->codec, sizeof ce.codec);

	event_fire(server_events(service_server(m->room->c->svc)),
		   &(struct event){.name = event, .callid = j->callid,
				   .data = &ce,
				   .detail = connect_event_detail});
}


static void left_fire(struct member *m, enum leave_cause cause,
		      const char *reason)
{
	const struct join *j = client_join(m->client);
	struct mesh_stats st;
	struct connect_event ce = {
		.conference = m->room->name,
		.callid = j->callid,
		.account = j->account,
		.user = j->user,
		.name = j->name,
		.info = j->info,
		.id = m->id,
		.participants = m->room->memberc,
		.joined_usec = m->joined_usec,
		.left_usec = now_usec(),
		.cause = cause,
		.reason = reason,
	};

	str_ncpy(ce.codec, m->codec, sizeof ce.codec);
	if (!mesh_part_stats(m->part, &st))
		ce.stats = &st;

	event_fire(server_events(service_server(m->room->c->svc)),
		   &(struct event){.name = "connect.left",
				   .callid = j->callid, .data = &ce,
				   .detail = connect_event_detail});
}


/**
 * Tell the roster how a member is now
 *
 * @param m Member
 */
void member_tell(const struct member *m)
{
	const struct join *j = client_join(m->client);

	if (!m->joined_usec)
		return;

	(void)roster_user_set(m->room->roster, m->id, &(struct roster_user){
		.user = j->user, .name = j->name,
		.joined_usec = m->joined_usec,
		.ssrc = mesh_part_ssrc(m->part),
		.held = m->held, .muted = m->muted,
		.speaking = m->speaking,
	});
}


static void mesh_event(struct mesh_part *part, enum mesh_event ev,
		       int value, void *arg)
{
	struct member *m = arg;

	switch (ev) {

	case MESH_SPEAKING_STARTED:
	case MESH_SPEAKING_STOPPED:
		m->speaking = ev == MESH_SPEAKING_STARTED;
		member_tell(m);
		member_fire(m, "connect.speaking", m->speaking);
		break;

	case MESH_DTMF:
		member_key(m, (char)value);
		break;

	case MESH_SILENT:
		/* Who is on hold may be quiet for as long as it likes. */
		if (!m->held && config_bool(connect_config(m->room->c),
					    "connect.hangup_silent"))
			member_bye(m, LEAVE_TIMEOUT);
		break;

	case MESH_LATCHED:
		break;
	}

	(void)part;
}


static uint32_t client_key(const struct client *cl)
{
	return hash_joaat((const uint8_t *)&cl, sizeof cl);
}


static bool client_cmp_h(struct le *le, void *arg)
{
	const struct member *m = le->data;

	return m->client == arg;
}


/**
 * Find the member that a client is
 *
 * @param c      Connect service
 * @param client Client
 *
 * @return The member (borrowed), or NULL
 */
struct member *member_find(const struct connect *c,
			   const struct client *client)
{
	if (!c || !client)
		return NULL;

	return list_ledata(hash_lookup(c->memberh, client_key(client),
				       client_cmp_h, (void *)client));
}


/**
 * Make a participant of a client that wants to join, and answer it
 *
 * @param mp    Pointer to the new member; the room's list holds it, the
 *              caller has no reference
 * @param room  Room to enter (referenced)
 * @param join  The wish
 * @param offer What it offers, or NULL if we are to offer
 *
 * @return 0 if success, ENOENT if there is no common codec, otherwise
 *         errorcode
 */
int member_alloc(struct member **mp, struct room *room,
		 const struct join *join, const struct media_desc *offer)
{
	struct mesh_media media;
	struct media_desc md;
	struct member *m;
	int err;

	if (!mp || !room || !join)
		return EINVAL;

	m = mem_zalloc(sizeof *m, member_destructor);
	if (!m)
		return ENOMEM;

	m->room = mem_ref(room);
	m->client = mem_ref(join->client);
	m->id = ++room->c->next_id;

	err = member_describe(m, &md, &media, join, offer);
	if (err)
		goto out;

	err = mesh_part_alloc(&m->part, room->conf,
			      &(struct mesh_part_params){
				      .media = &media,
				      .private_port = m->private_port,
				      .cname = join->user,
				      .h = mesh_event, .arg = m});
	if (err)
		goto out;

	err = member_address(m, &md);
	if (err)
		goto out;

	list_append(&room->memberl, &m->le, m);
	++room->count;
	hash_append(room->c->memberh, client_key(m->client), &m->he, m);

	err = client_accept(m->client, &md);

 out:
	if (err)
		mem_deref(m);
	else
		*mp = m;

	return err;
}


/* A chime tells a small conference that somebody came or went; in a big one
   it would only disturb. */
static void chime(const struct room *room, enum mesh_tone tone)
{
	const uint32_t max = config_u32(connect_config(room->c),
					"connect.chime_max");

	if (room->memberc > 1 && room->memberc <= max)
		(void)mesh_conf_tone(room->conf, tone);
}


/**
 * The client has confirmed: from now on it is a participant
 *
 * @param m Member
 */
void member_joined(struct member *m)
{
	if (!m || m->joined_usec)
		return;

	m->joined_usec = now_usec();
	++m->room->memberc;
	++m->room->c->memberc;

	member_tell(m);
	chime(m->room, MESH_TONE_JOIN);
	member_fire(m, "connect.joined", true);
}


/**
 * The client is gone: take it out of the room
 *
 * @param m      Member; no longer valid afterwards
 * @param cause  Why
 * @param reason The same in words, or NULL
 */
void member_left(struct member *m, enum leave_cause cause,
		 const char *reason)
{
	struct room *room;

	if (!m)
		return;

	room = mem_ref(m->room);

	member_unlink(m);

	if (m->joined_usec) {
		--room->memberc;
		--room->c->memberc;
		roster_user_del(room->roster, m->id);
		left_fire(m, cause, reason);
		chime(room, MESH_TONE_LEAVE);
	}

	mem_deref(m);

	if (!list_isempty(&room->memberl))
		room->c->rule->wire(room);

	mem_deref(room);
}


/**
 * Mute or unmute a member
 *
 * @param m    Member
 * @param on   Nobody is to hear it
 * @param tell Let it hear a tone that says so
 */
void member_mute(struct member *m, bool on, bool tell)
{
	if (!m || m->muted == on)
		return;

	m->muted = on;
	(void)mesh_part_mute(m->part, on);

	if (tell)
		(void)mesh_part_tone(m->part, on ? MESH_TONE_MUTED
				     : MESH_TONE_UNMUTED);

	member_tell(m);
	member_fire(m, "connect.muted", on);
}


static uint16_t cause_scode(enum leave_cause cause, const char **reason)
{
	switch (cause) {

	case LEAVE_KICKED:   *reason = "Removed from conference"; return 403;
	case LEAVE_TIMEOUT:  *reason = "No media";                return 408;
	case LEAVE_SHUTDOWN: *reason = "Server is stopping";      return 503;
	default:             *reason = "Normal clearing";         return 200;
	}
}


/**
 * Say goodbye to a member
 *
 * @param m     Member; no longer valid afterwards
 * @param cause Why
 */
void member_bye(struct member *m, enum leave_cause cause)
{
	const char *reason;
	uint16_t scode;

	if (!m)
		return;

	scode = cause_scode(cause, &reason);
	(void)client_bye(m->client, scode, reason);
	member_left(m, cause, reason);
}


/**
 * A member pressed a key: `*6` mutes and unmutes it
 *
 * @param m     Member
 * @param digit 0-9 * # A-D
 */
void member_key(struct member *m, char digit)
{
	const uint64_t now = tmr_jiffies();
	bool star;

	if (!m)
		return;

	star = m->key == '*' && now - m->key_jfs <= KEY_TIME;

	m->key = digit;
	m->key_jfs = now;

	if (star && digit == '6')
		member_mute(m, !m->muted, true);

}


/**
 * Pass a member's text message on to all others in the room
 *
 * @param from Sender
 * @param type MIME type of the text
 * @param text The message
 */
void member_text(struct member *from, const char *type, const char *text)
{
	struct le *le;

	if (!from || !type || !text)
		return;

	LIST_FOREACH(&from->room->memberl, le) {
		struct member *m = le->data;

		if (m != from && m->joined_usec)
			(void)client_text(m->client,
					  client_join(from->client)->name,
					  type, text);
	}
}
