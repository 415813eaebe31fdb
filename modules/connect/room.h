/**
 * @file room.h  What connect services share: rooms, members, their rule
 *
 * A room is one conference on this server, a member one participant. What
 * differs between connect services (who is let in, who hears whom) is their
 * rule; everything else is the same for all.
 */
#ifndef JUNCTOR_CONNECT_ROOM_H
#define JUNCTOR_CONNECT_ROOM_H

struct connect;
struct service;
struct mesh;
struct mesh_conf;
struct mesh_part;
struct mesh_media;
struct media_desc;
struct join;
struct client_event;

enum { CONNECT_LISTENERS = 9, CONNECT_COMMANDS = 7 };

struct room {
	struct le he;             /* in connect.roomh, by name              */
	struct connect *c;        /* owner                                  */
	char name[CLIENT_CONFERENCE_MAX];
	struct mesh_conf *conf;
	struct list memberl;      /* struct member, oldest first            */
	unsigned count;           /* of those                               */
	unsigned memberc;         /* of those who have joined               */
	bool locked;
	uint64_t created_usec;    /* UTC since the epoch [us]               */
	struct roster *roster;
};

struct member {
	struct le le;             /* in room.memberl                        */
	struct le he;             /* in connect.memberh, by client          */
	struct room *room;        /* reference                              */
	struct client *client;    /* reference                              */
	struct mesh_part *part;
	unsigned id;              /* unique on this server                  */
	char codec[16];           /* name as in SDP                         */
	uint64_t joined_usec;     /* 0 until the client has confirmed       */
	uint64_t sess_ver;        /* of the description we sent last        */
	char key;                 /* digit before this one, 0: none         */
	uint64_t key_jfs;         /* when it came [ms]                      */
	bool muted, held, speaking, private_port;
	bool offered;             /* our offer waits for its answer         */
};

/* What makes one connect service differ from another. */
struct connect_rule {
	const char *name;
	/* 0, or the SIP status to refuse with and *reason */
	uint16_t (*admit)(const struct room *room, const char **reason);
	/* who hears whom, after somebody came or is about to go */
	void (*wire)(struct room *room);
};

struct connect {
	struct connect_api api;
	struct service *svc;
	const struct connect_rule *rule;
	struct mesh *mesh;
	struct hash *roomh;       /* struct room by name                    */
	struct hash *memberh;     /* struct member by client                */
	struct listener *lsnv[CONNECT_LISTENERS];
	struct command *cmdv[CONNECT_COMMANDS];
	unsigned roomc, memberc;
	unsigned next_id;
	bool stopping;
};

extern const struct setting connect_settings[];

/* each connect service defines its own */
extern const struct connect_rule connect_rule;
extern const char *const connect_needs[];

int  connect_init(struct service *svc);
int  connect_start(struct service *svc);
void connect_stop(struct service *svc);
unsigned connect_busy(const struct service *svc);
void connect_close(struct service *svc);
int  connect_commands(struct connect *c);

struct config *connect_config(const struct connect *c);
struct room *room_find(const struct connect *c, const char *name);
int  room_get(struct room **rp, struct connect *c, const char *name);
struct member *room_member(const struct room *room, unsigned id,
			   const char *user);

int  member_alloc(struct member **mp, struct room *room,
		  const struct join *join, const struct media_desc *offer);
struct member *member_find(const struct connect *c,
			   const struct client *client);
int  member_describe(struct member *m, struct media_desc *md,
		     struct mesh_media *media, const struct join *join,
		     const struct media_desc *offer);
int  member_address(struct member *m, struct media_desc *md);
void member_tell(const struct member *m);
int  member_answer(struct member *m, const struct media_desc *offer);
int  member_answered(struct member *m, const struct media_desc *answer);
void member_joined(struct member *m);
void member_left(struct member *m, enum leave_cause cause,
		 const char *reason);
void member_mute(struct member *m, bool on, bool tell);
void member_bye(struct member *m, enum leave_cause cause);
void member_key(struct member *m, char digit);
void member_fire(struct member *m, const char *event, bool on);
void member_text(struct member *from, const char *type, const char *text);

#endif
