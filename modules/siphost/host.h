/**
 * @file host.h  Inside the SIP client host
 */
#ifndef JUNCTOR_SIPHOST_HOST_H
#define JUNCTOR_SIPHOST_HOST_H

#include "server/event.h"
#include "server/settings.h"
#include "noc/client.h"
#include "siphost/siphost.h"

struct command;
struct light;
struct listener;
struct mbuf;
struct media_desc;
struct metric;
struct mqueue;
struct redirect;
struct service;
struct sipcall;
struct sipcall_event;
struct sipstack;
struct event;

enum { HOST_METRICS_MAX = 48 };

struct siphost {
	struct service *svc;
	struct siphost_api api;
	struct sipstack *stack;        /* while running                     */
	struct redirect *redirect;     /* as long as the service            */
	struct mqueue *lightq;         /* there are joins in the fast path  */
	struct listener *lightlis;
	struct list lightl;            /* struct light                      */
	struct list passedl;           /* struct passed, oldest first       */
	struct light *lightnow;        /* whose join is being told, or NULL */
	struct hash *peers;            /* by user, struct peer              */
	unsigned peerc;
	struct listener *stopping;
	struct command *trace;
	struct metric *metricv[HOST_METRICS_MAX];
	unsigned metricc;
	uint64_t joins, redirects, refused;
	uint64_t adopted, released;    /* from and to other servers         */
	bool closing;                  /* the server stops                  */
	uint64_t lost_when;            /* requests of unknown dialogs were
					  told since then [ms], so many     */
	unsigned lostc;
	struct tmr tmr;
};

/* One per call and per subscription. */
struct peer {
	struct le he;
	struct siphost *sh;
	struct sipcall *call;          /* referenced                        */
	struct client *client;         /* referenced                        */
	struct media_desc *offer;      /* of the join, or NULL              */
	bool subscriber;
	bool answered;                 /* accepted or refused               */
	bool refused;
	bool adopted;                  /* o= of our SDP goes on from here   */
	uint64_t sdp_id, sdp_version;
	client_dialog_h *dialogh;      /* who waits for the dialog, or NULL */
	void *dialogarg;
	client_dialog_h *peekh;        /* who waits for a look, or NULL     */
	void *peekarg;
	struct client *replaced;       /* by this one when it is accepted,
					  referenced, or NULL               */
};

/* peer.c */
int  peer_alloc(struct peer **pp, struct siphost *sh, struct sipcall *call,
		bool subscriber, const struct join *join);
int  peer_sdp(struct mbuf **mbp, struct peer *p, const struct media_desc *md);
struct peer *peer_find(struct siphost *sh, const char *user,
		       const char *conference);
void peers_bye(struct siphost *sh, uint16_t scode, const char *reason);

/* move.c */
int  move_adopt(struct siphost *sh, struct client **clp,
		const struct join *join, const char *dialog, size_t len,
		unsigned skip);
void move_dialog(struct peer *p, int err, const char *dialog, size_t len);
void move_peeked(struct peer *p, int err, const char *dialog, size_t len);
int  move_peek_h(struct client *cl, client_dialog_h *h, void *arg);
int  move_dialog_h(struct client *cl, client_dialog_h *h, void *arg);
int  move_thaw_h(struct client *cl, uint32_t cseq);
int  move_release_h(struct client *cl);
int  move_refer_h(struct client *cl, const char *uri);

/* light.c */
int  lights_start(struct siphost *sh);
void lights_stop(struct siphost *sh);
bool lights_passed(struct siphost *sh, const char *callid, bool *admitted);

/* trace.c */
struct command_req;
void trace_command(struct command_req *req, const struct odict *args,
		   void *arg);
void trace_handle(const struct sipcall_event *ev);

/* calls.c */
void calls_end(struct siphost *sh);
void calls_handle(struct sipcall *call, const struct sipcall_event *ev,
		  void *arg);

/* details.c */
extern const struct event_field details_join[];
int  details_event(struct odict *od, const void *data);

/* metrics.c */
int  metrics_init(struct siphost *sh);

/* settings.c */
extern const struct setting siphost_settings[];
struct sipstack_conf;
int  settings_get(struct sipstack_conf *conf, const struct config *cfg);

#endif
