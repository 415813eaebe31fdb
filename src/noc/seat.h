/**
 * @file seat.h  All that another media server needs to take somebody over
 *
 * A seat is one leg (or one watcher of the roster) of one conference, a room
 * what its participants share. Both travel as JSON: {v, conference, server,
 * ...}; whatever a service keeps for a leg or a conference stands under its
 * own name in `x`. Members that this version does not know are ignored.
 *
 * Buckets: `seats`, key seat_key(); `rooms`, key name_key(conference); both
 * sealed for the place "BUCKET/KEY".
 */
#ifndef JUNCTOR_NOC_SEAT_H
#define JUNCTOR_NOC_SEAT_H

struct odict;

enum {
	SEAT_VERSION    = 1,
	SEAT_KEY_MAX    = 240,     /* bytes, with the final zero            */
	SEAT_DIALOG_MAX = 12288,   /* bytes, with the final zero            */
	SEAT_CODEC_MAX  = 16,      /* bytes, with the final zero            */
	SEAT_TALKERS_MAX = 16,
	SEAT_LINES_MAX  = 8,
	SEAT_TEXTS_MAX  = 32,
	SEAT_ID_MAX     = 0x7fffffff,
};

enum seat_kind { SEAT_LEG, SEAT_WATCHER };

struct seat_member {
	unsigned id;               /* 1..SEAT_ID_MAX                        */
	uint64_t joined_usec;      /* UTC since the epoch [us]              */
	uint64_t sess_id, sess_ver;/* of our last description               */
	struct sa origin;          /* address in its o= line                */
	bool muted_by_operator;
	bool held;
	bool private_port;
	char key[2];               /* last digit pressed, "": none          */
	uint32_t key_age;          /* since then [ms]                       */
	uint32_t textv[SEAT_TEXTS_MAX];  /* that it had last, oldest first  */
	unsigned textc;
};

/* What was set for somebody in the mesh; others are named by their SSRC */
struct seat_state {
	bool muted, deaf, dominant, speaking;
	int talk_db, hear_db;      /* gains, -60..60 [dB]                   */
	uint32_t ignorev[SEAT_TALKERS_MAX];
	unsigned ignorec;
	uint32_t hear_only;        /* 0: hears all                          */
	uint32_t whisper;          /* 0: is heard by all                    */
};

struct seat_media {            /* what was agreed                          */
	char codec[SEAT_CODEC_MAX];  /* as in SDP; "": not agreed yet       */
	uint8_t pt, telev;         /* payload types; telev 0: none          */
	uint32_t telev_rate;       /* of telephone-event in SDP [Hz]        */
	struct {
		char text[64];     /* "video RTP/AVP 96"                    */
	} linev[SEAT_LINES_MAX];   /* m= lines; none if there is one        */
	uint32_t linec, audio_ix;
	uint32_t rate;             /* highest audio rate of use [Hz]        */
	uint32_t bitrate;          /* [bit/s], 0: the server's              */
	bool fec, dtx, cbr;
	uint32_t ptime;            /* 10, 20, 40, 60 [ms]                   */
	uint8_t ext_level, ext_mixer;  /* ids, 0: none                      */
	struct sa rtp, rtcp;       /* the peer's, by its SDP                */
	bool rtcp_mux;
	bool send, recv;           /* do we send, do we listen              */
};

struct seat_watch {            /* what a watcher of the roster knows       */
	uint32_t version;          /* of the last document it got           */
	char digest[20];           /* of what it knows; "": it is behind    */
	uint32_t speakingv[SEAT_TALKERS_MAX];  /* ids it knows to speak     */
	unsigned speakingc;
};

/* Texts, stream and x are borrowed: of whom encodes, or of the object
   decoded. */
struct seat {
	enum seat_kind kind;
	const char *conference;
	const char *server;        /* which has it                          */
	uint64_t saved_usec;       /* when this was written, UTC [us]       */
	uint32_t moves;            /* times that its server has changed     */
	const char *callid, *account, *user, *name, *info;
	struct sa src;             /* where the client's requests come from */
	unsigned types;            /* media types asked for                 */
	const char *dialog;        /* as client_dialog gives it             */
	struct seat_member member; /* SEAT_LEG only, and the next three     */
	struct seat_state state;
	struct seat_media media;
	/* Numbers of its streams, as the mesh has them; NULL: begin anew */
	const struct odict *stream;
	struct seat_watch watch;   /* SEAT_WATCHER only                     */
	const struct odict *x;     /* one member per service, or NULL       */
};

struct seat_room {
	const char *conference;
	const char *server;
	uint64_t created_usec;     /* UTC since the epoch [us]              */
	bool locked;
	uint32_t talkers;          /* most mixed at once, 0: as configured  */
	uint32_t rate_max;         /* [Hz], 0: as configured                */
	uint32_t ssrc_seed, ssrc_next;  /* where its SSRCs come from        */
	const struct odict *x;     /* one member per service, or NULL       */
};

/* Data of the events
 * "seat.save": a leg is written down; add what is yours to x
 * "seat.load": a leg was taken over: take what is yours from x
 * "room.save", "room.load": the same for a conference; callid NULL, id 0 */
struct seat_event {
	const char *conference;
	const char *callid;
	unsigned id;               /* of the participant                    */
	struct odict *x;           /* load: not to be changed               */
	bool moving;               /* save: it is leaving this server now   */
	bool crash;                /* load: the other server is dead        */
};

int seat_encode(struct odict **odp, const struct seat *s);
int seat_decode(struct seat *s, const struct odict *od);
int seat_room_encode(struct odict **odp, const struct seat_room *r);
int seat_room_decode(struct seat_room *r, const struct odict *od);
int seat_key(char *key, size_t sz, const char *conference,
	     const char *callid);

#endif
