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
#include <re.h>
#include "server/settings.h"
#include "noc/roster.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "connect/room.h"
#include "connect/seatwriter.h"


enum { KEY_TIME = 3000 };        /* from `*` to the digit after it [ms]     */


/* Nobody finds it any more. */
static void member_unlink(struct member *m)
{
	if (m->le.list)
		--m->room->count;

	list_unlink(&m->le);
	list_unlink(&m->silent_le);
	hash_unlink(&m->he);
	hash_unlink(&m->hc);
	hash_unlink(&m->hi);
}


static void member_destructor(void *data)
{
	struct member *m = data;

	member_unlink(m);
	seatwriter_forget(m);
	list_flush(&m->textl);
	mem_deref(m->part);
	mem_deref(m->client);
	mem_deref(m->lines);
	mem_deref(m->room);
}


/**
 * What the mesh tells of a member
 *
 * @param part  Its place in the mesh
 * @param ev    What happened
 * @param value See mesh.h
 * @param arg   Member
 */
void member_event(struct mesh_part *part, enum mesh_event ev, int value,
		  void *arg)
{
	struct member *m = arg;

	switch (ev) {

	case MESH_SPEAKING_STARTED:
	case MESH_SPEAKING_STOPPED:
		m->speaking = ev == MESH_SPEAKING_STARTED;
		member_tell(m);
		if (m->joined_usec)
			member_fire(m, "connect.speaking", m->speaking);
		break;

	case MESH_DTMF:
		member_key(m, (char)value);
		break;

	case MESH_SILENT:
		member_silent(m);
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


static bool callid_cmp_h(struct le *le, void *arg)
{
	const struct member *m = le->data;

	return !strcmp(client_join(m->client)->callid, arg);
}


/**
 * Find a member by its call
 *
 * @param c      Connect service
 * @param callid Call-ID
 *
 * @return The member (borrowed), or NULL
 */
struct member *member_callid(const struct connect *c, const char *callid)
{
	if (!c || !callid)
		return NULL;

	return list_ledata(hash_lookup(c->callidh, hash_joaat_str(callid),
				       callid_cmp_h, (void *)callid));
}


static bool id_cmp_h(struct le *le, void *arg)
{
	const struct member *m = le->data;

	return m->id == *(unsigned *)arg;
}


/**
 * Find a member by its number
 *
 * @param c  Connect service
 * @param id Number, as in rosters
 *
 * @return The member (borrowed), or NULL
 */
struct member *member_id(const struct connect *c, unsigned id)
{
	return list_ledata(hash_lookup(c->idh, id, id_cmp_h, &id));
}


/* Random numbers stay apart when conferences of two servers come together.
   One that is taken here nevertheless is exchanged. */
static unsigned id_take(const struct connect *c, unsigned id)
{
	while (!id || id > SEAT_ID_MAX || member_id(c, id))
		id = rand_u32() & SEAT_ID_MAX;

	return id;
}


/**
 * Begin a member: it has no media yet, and nobody sees it
 *
 * @param mp     Pointer to the new member, owned by the caller
 * @param room   Room to enter (referenced)
 * @param client Its client (referenced)
 * @param id     What it was known by elsewhere, 0: a new one
 *
 * @return 0 if success, ENOMEM
 */
int member_make(struct member **mp, struct room *room,
		struct client *client, unsigned id)
{
	struct member *m = mem_zalloc(sizeof *m, member_destructor);

	if (!m)
		return ENOMEM;

	m->room = mem_ref(room);
	m->client = mem_ref(client);
	m->id = id_take(room->c, id);
	*mp = m;

	return 0;
}


/**
 * Let a member be found. From now on the room's list holds it
 *
 * @param m Member with a place in the mesh, whose reference goes to the list
 */
void member_enter(struct member *m)
{
	struct room *room = m->room;

	list_append(&room->memberl, &m->le, m);
	++room->count;
	hash_append(room->c->memberh, client_key(m->client), &m->he, m);
	hash_append(room->c->callidh,
		    hash_joaat_str(client_join(m->client)->callid), &m->hc,
		    m);
	hash_append(room->c->idh, m->id, &m->hi, m);
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
	struct media_desc md;
	struct member *m;
	int err;

	if (!mp || !room || !join)
		return EINVAL;

	err = member_make(&m, room, join->client, 0);
	if (err)
		return err;

	err = member_describe(m, &md, join, offer);
	if (err)
		goto out;

	err = mesh_part_alloc(&m->part, room->conf,
			      &(struct mesh_part_params){
				      .media = &m->media,
				      .private_port = m->private_port,
				      .cname = join->user,
				      .h = member_event, .arg = m});
	if (err)
		goto out;

	err = member_address(m, &md);
	if (err)
		goto out;

	member_enter(m);

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
 * The client has confirmed: from now on it is a participant. One that comes
 * from another server has been for longer, and nobody is to notice
 *
 * @param m Member
 */
void member_joined(struct member *m)
{
	if (!m || !m->joined_usec == !!m->adoption)
		return;

	if (!m->adoption)
		m->joined_usec = connect_now();

	++m->room->memberc;
	++m->room->c->memberc;

	member_changed(m);
	if (!m->adoption)
		chime(m->room, MESH_TONE_JOIN);
	member_fire(m, "connect.joined", true);
}


/**
 * Take a member out of its room; nobody is told
 *
 * @param m Member; no longer valid afterwards
 */
void member_remove(struct member *m)
{
	struct room *room = mem_ref(m->room);

	if (m->joined_usec && !m->adoption) {
		--room->memberc;
		--room->c->memberc;
	}

	member_unlink(m);
	mem_deref(m);

	if (!list_isempty(&room->memberl))
		room->c->rule->wire(room);

	mem_deref(room);
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

	/* it was not ours yet */
	if (m->adoption) {
		adoption_left(m);
		return;
	}

	room = mem_ref(m->room);

	member_unlink(m);
	seatwriter_left(m);

	if (m->joined_usec) {
		--room->memberc;
		--room->c->memberc;
		roster_user_del(room->roster, m->id);
		member_fire_left(m, cause, reason);
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
	m->muted_by_operator = false;
	(void)mesh_part_mute(m->part, on);

	if (tell)
		(void)mesh_part_tone(m->part, on ? MESH_TONE_MUTED
				     : MESH_TONE_UNMUTED);

	member_changed(m);
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

	/* what is said here would be lost on the way to another server */
	if (star && digit == '6' && !m->frozen)
		member_mute(m, !m->muted, true);
}
