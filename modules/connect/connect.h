/**
 * @file connect.h  The role "connect": who hears whom in a conference
 *
 * `groups` and `pointtopoint` both play this role; services above find it by
 * the role's name and do not know which one runs. connect.c holds what they
 * share. Main thread only.
 */
#ifndef JUNCTOR_CONNECT_H
#define JUNCTOR_CONNECT_H

#include "noc/roster.h"

struct join;
struct client;
struct mesh_stats;
struct mesh_conf_cost;
struct media_desc;
struct odict;

enum leave_cause {
	LEAVE_BYE, LEAVE_KICKED, LEAVE_TIMEOUT, LEAVE_ERROR, LEAVE_SHUTDOWN,
};

/* Events:
 * "connect.joined", "connect.left", "connect.speaking", "connect.muted":
 *                                   struct connect_event
 * "connect.created", "connect.deleted": the same, participant fields NULL
 * "connect.moved": a participant goes on at the server `to`. There,
 *                  "connect.joined" says `moved`. Nobody has left
 * "connect.lost":  another server has taken a participant of ours, because
 *                  it could not know that we are alive: as "connect.moved"
 * "connect.text":  struct connect_text, while some of a conference are at
 *                  other servers
 * A conference that moves as a whole is "created" there and "deleted" here
 * with `moved` set. */
struct connect_event {
	const char *conference;
	const char *callid;
	const char *account;
	const char *user;            /* user@host                           */
	const char *name;            /* display name                        */
	const char *info;
	unsigned id;                 /* of the participant, unique on server*/
	unsigned participants;       /* in the conference after the event   */
	bool on;                     /* speaking, muted                     */
	bool moved;                  /* goes on, or comes from, elsewhere   */
	const char *to;              /* moved, lost: server, or NULL        */
	uint64_t joined_usec, left_usec;  /* UTC since the epoch [us]       */
	uint64_t created_usec;       /* created only: the same; wherever    */
	char codec[16];
	enum leave_cause cause;
	const char *reason;
	const struct mesh_stats *stats;   /* left only                      */
};

/* Something was said: for room_text of the other servers */
struct connect_text {
	const char *conference;
	const struct odict *texts;
};

struct connect_totals {
	unsigned conferences, participants;
};

struct connect;
struct room_hold;               /* a reference keeps a room that is empty   */

/* One for each leg; watchers of the roster (id 0) come last, and should be
 * moved last: they go on without a word if their roster is complete then. */
typedef void (connect_leg_h)(const char *callid, unsigned id, bool watcher,
			     void *arg);

/* err 0: `seat` (borrowed; seat_decode) is all that another server needs;
 * else nothing has happened: ENOTCONN it has left or is about to, EBUSY and
 * EAGAIN not now (a re-INVITE, still being answered): try again, EILSEQ
 * cannot be moved */
typedef void (connect_save_h)(int err, const char *callid,
			      const struct odict *seat, void *arg);

/* err 0: the participant is ours, and hears us. Else it is not, nothing of
 * it is left here, and nobody was told anything:
 * EEXIST   it is here already
 * EBADMSG  the seat makes no sense
 * ENOSPC, ENOMEM  no room
 * EPROTO   its phone refused: `scode` is what it answered
 * ETIMEDOUT       its phone did not answer (scode 408)
 * EHOSTUNREACH    it cannot be reached from this server (refer it)
 * ENOTCONN        it hung up meanwhile, here
 * `cseq`: the greatest CSeq that may have been used, for leg_thaw */
typedef void (connect_adopt_h)(int err, uint16_t scode, uint32_t cseq,
			       const char *callid, void *arg);

/* event_detail_h of the events above */
int connect_event_detail(struct odict *od, const void *data);

/* what service_api(srv, "connect") points to */
struct connect_api {
	struct connect *c;
	void (*totals)(const struct connect *c, struct connect_totals *tot);
	unsigned (*participants)(const struct connect *c,
				 const char *conference); /* 0: none such */
	int (*stats)(const struct connect *c, const char *callid,
		     struct mesh_stats *st);

	/* What a conference costs the media engine, as measured. ENOENT */
	int (*cost)(const struct connect *c, const char *conference,
		    struct mesh_conf_cost *cost);

	/* What another server needs to hold this conference, without its
	 * participants (seat_room_decode). ENOENT */
	int (*room_save)(struct connect *c, const char *conference,
			 struct odict **odp);

	/* Have the room of a conference that comes from elsewhere. If it is
	 * here already, it is taken as it is. While somebody holds it, an
	 * empty room stays, and watchers that came with it wait: drop the
	 * hold (mem_deref) when everybody has come */
	int (*room_load)(struct connect *c, const struct odict *od,
			 struct room_hold **holdp);

	/* who is in a conference of ours, not counting who is not confirmed
	 * yet and who has already been moved; returns their number. In the
	 * order in which they are best moved */
	unsigned (*legs)(struct connect *c, const char *conference,
			 connect_leg_h *h, void *arg);

	/* Write a leg down. From now on its dialog is frozen (noc/client.h),
	 * its media go on. Exactly one leg_release or leg_thaw must follow,
	 * unless it leaves by itself. The handler is called later */
	int (*leg_save)(struct connect *c, const char *callid,
			connect_save_h *h, void *arg);

	/* It could not be moved; cseq as connect_adopt_h told, 0: unknown */
	int (*leg_thaw)(struct connect *c, const char *callid,
			uint32_t cseq);

	/* It was moved to the server `to` */
	int (*leg_release)(struct connect *c, const char *callid,
			   const char *to);

	/* Text that waits for a leg since it was saved, to be taken before it
	 * is released (ENOENT: none), and given to it where it is then: the
	 * same once, however often it comes. ENOENT: it is not here */
	int (*leg_texts)(struct connect *c, const char *callid,
			 struct odict **odp);
	int (*leg_text)(struct connect *c, const char *callid,
			const struct odict *texts);

	/* Something was said in a conference of which a part is here: who is
	 * here is told, but for who has had it. ENOENT: nobody is here */
	int (*room_text)(struct connect *c, const char *conference,
			 const struct odict *texts);

	/* Who is in the part of a conference that is here, for a server that
	 * has another part: the handler is called when there is something to
	 * tell (roster_mirror_next), for users there. ENOENT: it is not
	 * here */
	int (*mirror)(struct roster_mirror **mp, struct connect *c,
		      const char *conference, const char *server,
		      roster_mirror_h *h, void *arg);
	int (*users)(struct connect *c, const char *conference,
		     const char *server, const struct odict *od);

	/* Take a leg over. crash: its server is dead, the seat is from the
	 * bus. The handler is called later, once, if 0 is returned */
	int (*leg_adopt)(struct connect *c, const struct odict *seat,
			 bool crash, connect_adopt_h *h, void *arg);

	/* It cannot be moved: ask its phone to call that URI in its stead
	 * (REFER); it leaves when it has */
	int (*leg_refer)(struct connect *c, const char *callid,
			 const char *uri);

	/* a leg that was not ours yet has left at the other server */
	void (*leg_gone)(struct connect *c, const char *conference,
			 unsigned id);

	/* What was saved of it is on its way to the server `to`: from now on
	 * that one takes orders about the conference (lock), here they are
	 * refused with EAGAIN. Until room_drop */
	int (*room_going)(struct connect *c, const char *conference,
			  const char *to);

	/* Everybody has moved to the server `to`: the conference is no
	 * longer here. EBUSY if somebody still is. to NULL: nobody moves any
	 * more, it ends when the last one leaves */
	int (*room_drop)(struct connect *c, const char *conference,
			 const char *to);

	/* Share what is said with another server, as long as the room is
	 * here or until unlink. peer: "addr:port" of its link, or NULL if
	 * that is not known yet (call again when it is); laddr: ours.
	 * EALREADY if it is linked to another one */
	int (*link)(struct connect *c, const char *conference,
		    const char *peer, char *laddr, size_t sz);
	int (*unlink)(struct connect *c, const char *conference);

	/* Are we still the one who has this conference? Looks its seats up
	 * on the bus; what others have taken is "connect.lost". NULL: all */
	void (*verify)(struct connect *c, const char *conference);
};

#endif
