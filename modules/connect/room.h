/**
 * @file room.h  What connect services share: rooms, members, their rule
 *
 * A room is one conference on this server, a member one participant. What
 * differs between connect services (who is let in, who hears whom) is their
 * rule; everything else is the same for all.
 */
#ifndef JUNCTOR_CONNECT_ROOM_H
#define JUNCTOR_CONNECT_ROOM_H

#include "server/settings.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/roster.h"
#include "noc/seat.h"
#include "mesh/mesh.h"
#include "sip/sdp.h"

struct connect;
struct service;
struct mesh;
struct mesh_conf;
struct mesh_part;
struct media_desc;
struct join;
struct client_event;
struct adoption;
struct offers;
struct siphost_api;
struct seatwriter;
struct seatrec;

struct room {
	struct le he;             /* in connect.roomh, by name              */
	struct connect *c;        /* owner                                  */
	char name[CLIENT_CONFERENCE_MAX];
	struct mesh_conf *conf;
	struct list memberl;      /* struct member, oldest first            */
	unsigned count;           /* of those                               */
	unsigned memberc;         /* of those who have joined               */
	struct list watchl;       /* struct watch, oldest first             */
	bool locked;
	bool leaving;             /* some are elsewhere already: one
				     reference to itself                    */
	bool moved;               /* it goes on elsewhere, or comes from
				     there                                  */
	bool lost;                /* another server has taken it            */
	bool going;               /* orders about it are for the server `to`*/
	unsigned holdc;           /* struct room_hold                       */
	struct tmr arrive_tmr;    /* its roster waits for who arrives       */
	struct tmr whole_tmr;     /* then, for who is still elsewhere       */
	uint64_t created_usec;    /* UTC since the epoch [us]               */
	struct roster *roster;
	struct mesh_part *link;   /* stands for another server, or NULL     */
	struct sa link_peer;
	struct seatrec *rec;      /* what the bus knows of it, or NULL      */
	bool changed;             /* since that was written                 */
	char from[NAME_SERVER_MAX];  /* where it comes from, or ""          */
	char to[NAME_SERVER_MAX]; /* moved, going: where it goes on         */
};

struct member {
	struct le le;             /* in room.memberl                        */
	struct le he;             /* in connect.memberh, by client          */
	struct le hc;             /* in connect.callidh, by Call-ID         */
	struct le hi;             /* in connect.idh, by id                  */
	struct room *room;        /* reference                              */
	struct client *client;    /* reference                              */
	struct mesh_part *part;
	unsigned id;              /* random, unique on this server          */
	char codec[16];           /* name as in SDP                         */
	uint64_t joined_usec;     /* 0 until the client has confirmed       */
	struct mesh_media media;  /* what was agreed last                   */
	uint32_t telev_rate;      /* of telephone-event in SDP [Hz]         */
	struct media_lines *lines;/* other media of the session, or NULL    */
	uint64_t sess_id;         /* of our descriptions                    */
	uint64_t sess_ver;        /* of the description we sent last        */
	struct sa origin;         /* address in their o= line               */
	char key;                 /* digit before this one, 0: none         */
	uint64_t key_jfs;         /* when it came [ms]                      */
	bool muted, held, speaking, private_port;
	bool muted_by_operator;
	bool offered;             /* our offer waits for its answer         */
	bool frozen;              /* it is on its way to another server     */
	struct le silent_le;      /* in connect.silentl                     */
	uint64_t asked_jfs;       /* when it was asked if it lives [ms]     */
	struct adoption *adoption;/* it comes from another server           */
	uint32_t moves;           /* times that its server has changed      */
	struct seatrec *rec;      /* what the bus knows of it, or NULL      */
	struct list textl;        /* struct held: frozen, or not ours yet   */
	uint32_t seenv[SEAT_TEXTS_MAX];  /* texts that it had last          */
	unsigned seenc;           /* of those, oldest first                 */
};

/* The m= lines of a session that has more than our audio: their number and
   order must not change (RFC 3264 section 8). */
struct media_lines {
	unsigned mediac, audio_ix;
	char linev[SDP_MEDIA_MAX][64];
};

/* A subscription to a roster */
struct watch {
	struct le le;             /* in room.watchl                         */
	struct le he;             /* in connect.watchh, by client           */
	struct le hc;             /* in connect.callidh, by Call-ID         */
	struct room *room;        /* owner                                  */
	struct client *client;    /* reference                              */
	bool frozen;              /* it is on its way to another server     */
	uint32_t moves;           /* times that its server has changed      */
	struct seatrec *rec;      /* what the bus knows of it, or NULL      */
	char from[NAME_SERVER_MAX];  /* where it comes from, or ""          */
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
	const struct siphost_api *host;
	struct mesh *mesh;
	struct hash *roomh;       /* struct room by name                    */
	struct hash *memberh;     /* struct member by client                */
	struct hash *watchh;      /* struct watch by client                 */
	struct hash *callidh;     /* struct member by Call-ID               */
	struct hash *watchidh;    /* struct watch by Call-ID                */
	struct hash *idh;         /* struct member by id                    */
	struct list savingl;      /* struct saving                          */
	struct list adoptionl;    /* struct adoption                        */
	struct list silentl;      /* struct member that sends nothing       */
	struct tmr silent_tmr;
	struct seatwriter *writer;/* NULL: seats are not on the bus         */
	struct offers *offers;
	unsigned roomc, memberc;
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
const char *connect_server(const struct connect *c);
uint64_t connect_now(void);

/* api.c */
void connect_api_init(struct connect *c);

/* tell.c */
void member_fire(struct member *m, const char *event, bool on);
void member_fire_left(struct member *m, enum leave_cause cause,
		      const char *reason);
void member_fire_moved(struct member *m, const char *event, const char *to);
void room_fire(const struct room *room, const char *event);
void member_tell(const struct member *m);
void member_changed(struct member *m);

/* room.c */
struct room *room_find(const struct connect *c, const char *name);
int  room_get(struct room **rp, struct connect *c, const char *name);
int  room_restore(struct room **rp, struct connect *c,
		  const struct seat_room *sr);
void room_lock(struct room *room, bool on);
struct member *room_member(const struct room *room, unsigned id,
			   const char *user);

/* member.c */
int  member_make(struct member **mp, struct room *room,
		 struct client *client, unsigned id);
void member_enter(struct member *m);
int  member_alloc(struct member **mp, struct room *room,
		  const struct join *join, const struct media_desc *offer);
struct member *member_find(const struct connect *c,
			   const struct client *client);
struct member *member_callid(const struct connect *c, const char *callid);
struct member *member_id(const struct connect *c, unsigned id);
void member_joined(struct member *m);
void member_left(struct member *m, enum leave_cause cause,
		 const char *reason);
void member_remove(struct member *m);
void member_mute(struct member *m, bool on, bool tell);
void member_bye(struct member *m, enum leave_cause cause);
void member_key(struct member *m, char digit);
void member_event(struct mesh_part *part, enum mesh_event ev, int value,
		  void *arg);

/* text.c */
void member_text(struct member *from, const char *type, const char *text);
void member_text_flush(struct member *m);
int  leg_texts(struct connect *c, const char *callid, struct odict **odp);
int  leg_text(struct connect *c, const char *callid, const struct odict *od);
int  room_text(struct connect *c, const char *conference,
	       const struct odict *od);

/* member_media.c */
int  member_describe(struct member *m, struct media_desc *md,
		     const struct join *join,
		     const struct media_desc *offer);
int  member_address(struct member *m, struct media_desc *md);
int  member_answer(struct member *m, const struct media_desc *offer);
int  member_answered(struct member *m, const struct media_desc *answer);
int  member_offer(struct member *m, bool all);

/* silent.c */
void member_silent(struct member *m);
void member_dead(struct member *m);
void silents_stop(struct connect *c);

/* watch.c */
int  watch_alloc(struct watch **wp, struct room *room,
		 struct client *client);
struct watch *watch_find(const struct connect *c,
			 const struct client *client);
struct watch *watch_callid(const struct connect *c, const char *callid);

/* save.c */
int  leg_save(struct connect *c, const char *callid, connect_save_h *h,
	      void *arg);
int  leg_thaw(struct connect *c, const char *callid, uint32_t cseq);
int  leg_release(struct connect *c, const char *callid, const char *to);
int  member_save(struct member *m, const char *dialog, size_t len,
		 bool moving, struct odict **odp);
int  watch_save(struct watch *w, const char *dialog, size_t len,
		struct odict **odp);
void savings_end(struct connect *c);

/* room_move.c */
int  room_save(struct connect *c, const char *conference,
	       struct odict **odp);
int  room_load(struct connect *c, const struct odict *od,
	       struct room_hold **holdp);
int  room_going(struct connect *c, const char *conference, const char *to);
int  room_drop(struct connect *c, const char *conference, const char *to);
int  room_link(struct connect *c, const char *conference, const char *peer,
	       char *laddr, size_t sz);
int  room_unlink(struct connect *c, const char *conference);
bool room_parted(const struct room *room);
void room_leaving(struct room *room, const char *to);
void room_arriving(struct room *room);
void rooms_end(struct connect *c);

/* mirror.c */
int  room_mirror(struct roster_mirror **mp, struct connect *c,
		 const char *conference, const char *server,
		 roster_mirror_h *h, void *arg);
int  room_users(struct connect *c, const char *conference,
		const char *server, const struct odict *od);
void room_whole(struct room *room);

/* restore.c */
uint64_t seat_age(const struct seat *s);
uint32_t seat_moves(const struct connect *c, const struct seat *s);
int  member_restore(struct member **mp, struct room *room, struct client *cl,
		    const struct seat *s, bool crash);
void member_arrives(const struct member *m, const struct seat *s);

/* metrics.c */
int  connect_metrics(struct connect *c);

/* adopt.c */
int  leg_adopt(struct connect *c, const struct odict *seat, bool crash,
	       connect_adopt_h *h, void *arg);
void leg_gone(struct connect *c, const char *conference, unsigned id);
void adoption_answered(struct member *m, const struct media_desc *answer);
void adoption_refused(struct member *m, const struct client_event *ce);
void adoption_left(struct member *m);
const char *adoption_from(const struct member *m);
void adoptions_end(struct connect *c);

#endif
