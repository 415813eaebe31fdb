/**
 * @file seat.c  Seats and rooms written down, and read again
 *
 * Everything that has its usual value is left out: most seats are those of
 * people who sit and listen. Who wrote a seat had the farm's key, but perhaps
 * another version or an error: everything is checked before it is believed.
 */
#include <stddef.h>
#include <string.h>
#include <re.h>
#include "noc/fields.h"
#include "noc/json.h"
#include "noc/name.h"
#include "noc/client.h"
#include "noc/seat.h"


enum {
	DB_MIN = -60, DB_MAX = 60,
};


#define F(s, name, type, member, min, max) \
	{name, type, offsetof(struct s, member), min, max}

static const struct field member_fields[] = {
	F(seat_member, "id", FIELD_U32, id, 1, SEAT_ID_MAX),
	F(seat_member, "joined", FIELD_U64, joined_usec, 1, 0),
	F(seat_member, "sess_id", FIELD_U64, sess_id, 0, 0),
	F(seat_member, "sess_ver", FIELD_U64, sess_ver, 0, 0),
	F(seat_member, "origin", FIELD_SA, origin, 0, 0),
	F(seat_member, "by_operator", FIELD_BOOL, muted_by_operator, 0, 0),
	F(seat_member, "held", FIELD_BOOL, held, 0, 0),
	F(seat_member, "private_port", FIELD_BOOL, private_port, 0, 0),
	F(seat_member, "key", FIELD_TEXT, key, 0, 2),
	F(seat_member, "key_age", FIELD_U32, key_age, 0, UINT32_MAX),
	F(seat_member, "texts", FIELD_U32V, textv,
	  offsetof(struct seat_member, textc), SEAT_TEXTS_MAX),
	{NULL, 0, 0, 0, 0}
};

static const struct field state_fields[] = {
	F(seat_state, "muted", FIELD_BOOL, muted, 0, 0),
	F(seat_state, "deaf", FIELD_BOOL, deaf, 0, 0),
	F(seat_state, "dominant", FIELD_BOOL, dominant, 0, 0),
	F(seat_state, "speaking", FIELD_BOOL, speaking, 0, 0),
	F(seat_state, "talk_db", FIELD_INT, talk_db, DB_MIN, DB_MAX),
	F(seat_state, "hear_db", FIELD_INT, hear_db, DB_MIN, DB_MAX),
	F(seat_state, "ignore", FIELD_U32V, ignorev,
	  offsetof(struct seat_state, ignorec), SEAT_TALKERS_MAX),
	F(seat_state, "hear_only", FIELD_U32, hear_only, 0, UINT32_MAX),
	F(seat_state, "whisper", FIELD_U32, whisper, 0, UINT32_MAX),
	{NULL, 0, 0, 0, 0}
};

#define LINE(name, ix) \
	F(seat_media, name, FIELD_TEXT, linev[ix].text, 0, 64)

static const struct field media_fields[] = {
	F(seat_media, "codec", FIELD_TEXT, codec, 0, SEAT_CODEC_MAX),
	F(seat_media, "pt", FIELD_U8, pt, 0, 127),
	F(seat_media, "telev", FIELD_U8, telev, 0, 127),
	F(seat_media, "telev_rate", FIELD_U32, telev_rate, 0, 96000),
	F(seat_media, "rate", FIELD_U32, rate, 8000, 48000),
	F(seat_media, "bitrate", FIELD_U32, bitrate, 0, 510000),
	F(seat_media, "fec", FIELD_BOOL, fec, 0, 0),
	F(seat_media, "dtx", FIELD_BOOL, dtx, 0, 0),
	F(seat_media, "cbr", FIELD_BOOL, cbr, 0, 0),
	F(seat_media, "ptime", FIELD_U32, ptime, 10, 60),
	F(seat_media, "ext_level", FIELD_U8, ext_level, 0, 14),
	F(seat_media, "ext_mixer", FIELD_U8, ext_mixer, 0, 14),
	F(seat_media, "rtp", FIELD_SA, rtp, 0, 0),
	F(seat_media, "rtcp", FIELD_SA, rtcp, 0, 0),
	F(seat_media, "mux", FIELD_BOOL, rtcp_mux, 0, 0),
	F(seat_media, "send", FIELD_BOOL, send, 0, 0),
	F(seat_media, "recv", FIELD_BOOL, recv, 0, 0),
	F(seat_media, "lines", FIELD_U32, linec, 0, SEAT_LINES_MAX),
	F(seat_media, "audio_ix", FIELD_U32, audio_ix, 0,
	  SEAT_LINES_MAX - 1),
	LINE("line0", 0), LINE("line1", 1), LINE("line2", 2),
	LINE("line3", 3), LINE("line4", 4), LINE("line5", 5),
	LINE("line6", 6), LINE("line7", 7),
	{NULL, 0, 0, 0, 0}
};

static const struct field watch_fields[] = {
	F(seat_watch, "version", FIELD_U32, version, 0, UINT32_MAX),
	F(seat_watch, "digest", FIELD_TEXT, digest, 0, 20),
	F(seat_watch, "speaking", FIELD_U32V, speakingv,
	  offsetof(struct seat_watch, speakingc), SEAT_TALKERS_MAX),
	{NULL, 0, 0, 0, 0}
};

static const struct field seat_fields[] = {
	F(seat, "saved", FIELD_U64, saved_usec, 0, 0),
	F(seat, "moves", FIELD_U32, moves, 0, UINT32_MAX),
	{NULL, 0, 0, 0, 0}
};

static const struct field join_fields[] = {
	F(seat, "src", FIELD_SA, src, 0, 0),
	F(seat, "types", FIELD_U32, types, 0,
	  MEDIA_AUDIO | MEDIA_VIDEO | MEDIA_TEXT),
	{NULL, 0, 0, 0, 0}
};

static const struct field room_fields[] = {
	F(seat_room, "created", FIELD_U64, created_usec, 0, 0),
	F(seat_room, "locked", FIELD_BOOL, locked, 0, 0),
	F(seat_room, "talkers", FIELD_U32, talkers, 0, SEAT_TALKERS_MAX),
	F(seat_room, "rate_max", FIELD_U32, rate_max, 0, 48000),
	F(seat_room, "ssrc_seed", FIELD_U32, ssrc_seed, 0, UINT32_MAX),
	F(seat_room, "ssrc_next", FIELD_U32, ssrc_next, 0, UINT32_MAX),
	{NULL, 0, 0, 0, 0}
};


static int put_str(struct odict *od, const char *key, const char *str)
{
	return str_isset(str) ? odict_entry_add(od, key, ODICT_STRING, str)
		: 0;
}


static int put_part(struct odict *to, const char *key,
		    const struct field *fieldv, const void *from)
{
	struct odict *od;
	int err;

	err = odict_alloc(&od, 16);
	if (err)
		return err;

	err = fields_put(od, fieldv, from);
	if (!err && !list_isempty(&od->lst))
		err = odict_entry_add(to, key, ODICT_OBJECT, od);

	mem_deref(od);

	return err;
}


static int put_join(struct odict *to, const struct seat *s)
{
	struct odict *od;
	int err;

	err = odict_alloc(&od, 8);
	if (err)
		return err;

	err  = fields_put(od, join_fields, s);
	err |= put_str(od, "callid", s->callid);
	err |= put_str(od, "account", s->account);
	err |= put_str(od, "user", s->user);
	err |= put_str(od, "name", s->name);
	err |= put_str(od, "info", s->info);
	err |= odict_entry_add(to, "join", ODICT_OBJECT, od);
	mem_deref(od);

	return err;
}


static bool seat_valid(const struct seat *s)
{
	return str_isset(s->conference) && str_isset(s->server) &&
		str_isset(s->callid) && str_isset(s->user) &&
		str_isset(s->dialog) &&
		strlen(s->dialog) < SEAT_DIALOG_MAX &&
		(s->kind == SEAT_WATCHER ||
		 (s->member.id && s->member.id <= SEAT_ID_MAX &&
		  s->member.joined_usec));
}


/**
 * Write a seat down
 *
 * @param odp Set to the object, owned by the caller
 * @param s   Seat; stream and x are referenced
 *
 * @return 0 if success; EINVAL; EILSEQ if something that names it is no
 *         UTF-8 and would not come out as it went in; ENOMEM
 */
int seat_encode(struct odict **odp, const struct seat *s)
{
	struct odict *od;
	int err;

	if (!odp || !s || !seat_valid(s))
		return EINVAL;

	if (!json_utf8(s->conference) || !json_utf8(s->callid) ||
	    !json_utf8(s->user) || !json_utf8(s->server))
		return EILSEQ;

	err = odict_alloc(&od, 16);
	if (err)
		return err;

	err |= odict_entry_add(od, "v", ODICT_INT, (int64_t)SEAT_VERSION);
	err |= put_str(od, "kind", s->kind == SEAT_WATCHER ? "watcher" :
		       "leg");
	err |= put_str(od, "conference", s->conference);
	err |= put_str(od, "server", s->server);
	err |= fields_put(od, seat_fields, s);
	err |= put_join(od, s);
	err |= put_str(od, "dialog", s->dialog);

	if (s->kind == SEAT_WATCHER) {
		err |= put_part(od, "watch", watch_fields, &s->watch);
	}
	else {
		err |= put_part(od, "member", member_fields, &s->member);
		err |= put_part(od, "state", state_fields, &s->state);
		if (s->media.codec[0])
			err |= put_part(od, "media", media_fields,
					&s->media);
		if (s->stream && !list_isempty(&s->stream->lst))
			err |= odict_entry_add(od, "stream", ODICT_OBJECT,
					       s->stream);
	}

	if (s->x && !list_isempty(&s->x->lst))
		err |= odict_entry_add(od, "x", ODICT_OBJECT, s->x);

	if (err)
		mem_deref(od);
	else
		*odp = od;

	return err;
}


/**
 * Write a room down
 *
 * @param odp Set to the object, owned by the caller
 * @param r   Room; x is referenced
 *
 * @return as seat_encode
 */
int seat_room_encode(struct odict **odp, const struct seat_room *r)
{
	struct odict *od;
	int err;

	if (!odp || !r || !str_isset(r->conference) || !str_isset(r->server))
		return EINVAL;

	if (!json_utf8(r->conference) || !json_utf8(r->server))
		return EILSEQ;

	err = odict_alloc(&od, 8);
	if (err)
		return err;

	err |= odict_entry_add(od, "v", ODICT_INT, (int64_t)SEAT_VERSION);
	err |= put_str(od, "conference", r->conference);
	err |= put_str(od, "server", r->server);
	err |= fields_put(od, room_fields, r);

	if (r->x && !list_isempty(&r->x->lst))
		err |= odict_entry_add(od, "x", ODICT_OBJECT, r->x);

	if (err)
		mem_deref(od);
	else
		*odp = od;

	return err;
}


static const char *get_str(const struct odict *od, const char *key,
			   size_t max, int *err)
{
	const struct odict_entry *e = odict_lookup(od, key);

	if (!e)
		return "";

	if (e->type != ODICT_STRING || strlen(e->u.str) >= max) {
		*err = EBADMSG;
		return "";
	}

	return e->u.str;
}


/* Goes into headers, logs and lines of text. */
static const char *get_line(const struct odict *od, const char *key,
			    size_t max, int *err)
{
	const char *str = get_str(od, key, max, err);

	if (*str && !name_valid(str, strlen(str), max))
		*err = EBADMSG;

	return str;
}


static const char *get_name(const struct odict *od, const char *key,
			    size_t max, int *err)
{
	const char *str = get_line(od, key, max, err);

	if (!*str)
		*err = EBADMSG;

	return str;
}


static const struct odict *get_part(const struct odict *od, const char *key,
				    bool needed, int *err)
{
	const struct odict_entry *e = odict_lookup(od, key);

	if (e ? e->type != ODICT_OBJECT : needed)
		*err = EBADMSG;

	return e && e->type == ODICT_OBJECT ? e->u.odict : NULL;
}


static int get_fields(void *to, const struct field *fieldv,
		      const struct odict *od, const char *key, bool needed)
{
	const struct odict *part;
	int err = 0;

	part = get_part(od, key, needed, &err);

	return err || !part ? err : fields_get(to, fieldv, part);
}


static int get_join(struct seat *s, const struct odict *up)
{
	const struct odict *od;
	int err = 0;

	od = get_part(up, "join", true, &err);
	if (!od)
		return EBADMSG;

	s->callid  = get_name(od, "callid", CLIENT_CALLID_MAX, &err);
	s->account = get_line(od, "account", CLIENT_ACCOUNT_MAX, &err);
	s->user    = get_name(od, "user", CLIENT_USER_MAX, &err);
	/* these only describe: what came as no UTF-8 has grown */
	s->name    = get_line(od, "name", 3 * CLIENT_USER_MAX, &err);
	s->info    = get_line(od, "info", 3 * CLIENT_INFO_MAX, &err);

	return err ? err : fields_get(s, join_fields, od);
}


/* What is what can be told by the first members already. */
static int version_check(const struct odict *od)
{
	const struct odict_entry *e = odict_get_type(od, ODICT_INT, "v");

	if (!e)
		return EBADMSG;

	return e->u.integer == SEAT_VERSION ? 0 : EPROTO;
}


static int kind_get(enum seat_kind *kind, const struct odict *od)
{
	int err = 0;
	const char *str = get_str(od, "kind", 16, &err);

	*kind = strcmp(str, "watcher") ? SEAT_LEG : SEAT_WATCHER;

	if (*kind == SEAT_LEG && strcmp(str, "leg"))
		return EPROTO;

	return err;
}


static int get_leg(struct seat *s, const struct odict *od)
{
	int err = 0;

	err |= get_fields(&s->member, member_fields, od, "member", true);
	err |= get_fields(&s->state, state_fields, od, "state", false);
	err |= get_fields(&s->media, media_fields, od, "media", false);
	s->stream = get_part(od, "stream", false, &err);

	if (s->media.ptime % 10 || s->media.ptime == 30 ||
	    s->media.ptime == 50)
		err = EBADMSG;
	if (s->member.key[0] && !strchr("0123456789*#ABCD",
					s->member.key[0]))
		err = EBADMSG;

	return err;
}


/**
 * Read a seat
 *
 * @param s  Set to what it says; texts, stream and x point into the object
 * @param od Object
 *
 * @return 0 if success; EBADMSG if something is missing, of a wrong type or
 *         out of bounds; EPROTO if it is of another version or kind; EINVAL
 */
int seat_decode(struct seat *s, const struct odict *od)
{
	int err;

	if (!s || !od)
		return EINVAL;

	memset(s, 0, sizeof(*s));

	err = version_check(od);
	if (!err)
		err = kind_get(&s->kind, od);
	if (err)
		return err;

	s->conference = get_name(od, "conference", CLIENT_CONFERENCE_MAX,
				 &err);
	s->server = get_name(od, "server", NAME_SERVER_MAX, &err);
	s->dialog = get_str(od, "dialog", SEAT_DIALOG_MAX, &err);
	s->x      = get_part(od, "x", false, &err);
	err |= fields_get(s, seat_fields, od);
	err |= get_join(s, od);
	err |= s->kind == SEAT_WATCHER
		? get_fields(&s->watch, watch_fields, od, "watch", false)
		: get_leg(s, od);

	return err || !*s->dialog ? EBADMSG : 0;
}


/**
 * Read a room
 *
 * @param r  Set to what it says; texts and x point into the object
 * @param od Object
 *
 * @return as seat_decode
 */
int seat_room_decode(struct seat_room *r, const struct odict *od)
{
	int err;

	if (!r || !od)
		return EINVAL;

	memset(r, 0, sizeof(*r));

	err = version_check(od);
	if (err)
		return err;

	r->conference = get_name(od, "conference", CLIENT_CONFERENCE_MAX,
				 &err);
	r->server = get_name(od, "server", NAME_SERVER_MAX, &err);
	r->x      = get_part(od, "x", false, &err);
	err |= fields_get(r, room_fields, od);

	return err ? EBADMSG : 0;
}
