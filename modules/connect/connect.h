/**
 * @file connect.h  The role "connect": who hears whom in a conference
 *
 * `groups` and `pointtopoint` both play this role; services above find it by
 * the role's name and do not know which one runs. connect.c holds what they
 * share. Main thread only.
 */
#ifndef JUNCTOR_CONNECT_H
#define JUNCTOR_CONNECT_H

struct join;
struct client;
struct mesh_stats;
struct media_desc;

enum leave_cause {
	LEAVE_BYE, LEAVE_KICKED, LEAVE_TIMEOUT, LEAVE_ERROR, LEAVE_SHUTDOWN,
};

/* Events:
 * "connect.joined", "connect.left", "connect.speaking", "connect.muted":
 *                                   struct connect_event
 * "connect.created", "connect.deleted": the same, participant fields NULL */
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
	uint64_t joined_usec, left_usec;  /* UTC since the epoch [us]       */
	char codec[16];
	enum leave_cause cause;
	const char *reason;
	const struct mesh_stats *stats;   /* left only                      */
};

struct connect_totals {
	unsigned conferences, participants;
};

struct connect;
struct odict;

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
};

#endif
