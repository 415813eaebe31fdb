/**
 * @file leg.h  The signalling thread's side of a dialog
 *
 * Internal to the sofia-sip side of src/sip. Everything here belongs to one
 * signalling thread.
 */
#ifndef JUNCTOR_SIP_LEG_H
#define JUNCTOR_SIP_LEG_H

#define NTA_AGENT_MAGIC_T    struct agent
#define NTA_LEG_MAGIC_T      struct leg
#define NTA_INCOMING_MAGIC_T struct leg
#define NTA_OUTGOING_MAGIC_T struct leg
#define SU_ROOT_MAGIC_T      struct agent
#define SU_TIMER_ARG_T       struct leg

#include <pthread.h>
#include <semaphore.h>
#include <sofia-sip/su_wait.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/tport.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/msg_addr.h>
#include "sip/agent.h"

enum {
	LEG_TEXT_MAX    = 8191,        /* MESSAGE [bytes]                   */
	LEG_SDP_MAX     = 16384,       /* SDP [bytes]                       */
	LEG_NOTIFY_MAX  = 32,          /* NOTIFYs that wait for their turn  */
	LEG_ANSWER_MAX  = 30,          /* services have so long [s]         */
	LEG_RETRY_AFTER = 5,           /* told with 480 and 503 [s]         */
	LEG_FREEZE_MS   = 1500,        /* a dialog may take so long to get
					  quiet before it is frozen [ms]    */
	LEG_FROZEN_MAX  = 60,          /* and stays frozen for so long [s]  */
	LEG_TRIES       = 6,           /* of one re-INVITE                  */
	LEG_RETRY_MAX   = 10,          /* longest Retry-After obeyed [s]    */
	LEG_REFER_MAX   = 64,          /* a phone that is referred elsewhere
					  has so long to tell of it [s]     */
	LEG_LOST_MS     = 300,         /* requests of unknown dialogs wait
					  so long for somebody [ms]         */
	LEG_LOST_MAX    = 256,         /* so many at a time                 */
};

enum leg_kind {
	LEG_CALL,
	LEG_SUBSCRIPTION,
	LEG_MESSAGE,                   /* a MESSAGE outside any dialog      */
	LEG_LOST,                      /* a request of an unknown dialog    */
};

enum leg_state {
	LEG_INCOMING,                  /* the main thread has to answer     */
	LEG_ACCEPTED,                  /* 200 sent, ACK to come             */
	LEG_CONFIRMED,
	LEG_DYING,                     /* told the main thread: gone        */
};

struct leg {
	struct agent *ag;
	uint64_t id;
	tport_t *tport;                /* primary where the dialog began    */
	tport_t *conn;                 /* the peer's TCP connection, ref'd  */
	char *hop;                     /* URI of a peer behind NAT, or NULL */
	nta_leg_t *nl;                 /* NULL until accepted               */
	nta_incoming_t *irq;           /* INVITE, UPDATE, ... to answer     */
	nta_outgoing_t *orq;           /* our re-INVITE, BYE, NOTIFY, ...   */
	nta_outgoing_t *probe;         /* our OPTIONS or refreshing UPDATE  */
	char *callid;
	char *contact;                 /* Contact header value              */
	char *local, *remote;          /* URIs of the dialog, su_alloc'd    */
	char *local_name, *remote_name; /* display names, or NULL           */
	char *privacy;                 /* what was asked for, or NULL       */
	char *event_id;                /* of a subscription, or NULL        */
	char *sdp;                     /* ours, last sent, or NULL          */
	size_t sdplen;
	char *sdp_before;              /* in force until sdp is answered, or
					  NULL                              */
	char *sdp_out;                 /* the one that is out, if sdp is to
					  be offered next, or NULL          */
	uint64_t offer_hash;           /* of the last SDP received, 0: none */
	struct wire *waitl;            /* NOTIFYs or MESSAGEs that wait     */
	unsigned waitc;
	unsigned due;                  /* when the timer strikes, as
					  agent_now tells [s]; 0: never     */
	su_timer_t *offer_timer;       /* re-INVITE again, or give it up    */
	su_timer_t *freeze_timer;      /* how long to wait for quiet        */
	unsigned se;                   /* session interval [s], 0: none     */
	unsigned thaw;                 /* frozen until [s], 0: not frozen   */
	unsigned refer_until;          /* NOTIFYs are awaited until [s], 0:
					  none are                          */
	uint32_t refer_id;             /* CSeq of our REFER                 */
	uint16_t bye_scode;
	uint8_t tries;                 /* of the re-INVITE that is out      */
	enum leg_kind kind:4;
	enum leg_state state:4;
	bool offered:1;                /* an offer of ours awaits an answer */
	bool refresher:1;              /* we refresh the session            */
	bool can_update:1;             /* the peer allows UPDATE            */
	bool timer:1;                  /* the peer supports timers          */
	bool bye_wanted:1;             /* BYE as soon as allowed            */
	bool offer_wanted:1;           /* re-INVITE as soon as allowed      */
	bool offer_told:1;             /* the main thread waits for what
					  becomes of its offer              */
	bool offer_asked:1;            /* that is the re-INVITE that is out,
					  which else only refreshes         */
	bool offer_next:1;             /* and it has another one already    */
	bool offer_again:1;            /* offer_timer: try again            */
	bool freeze_wanted:1;          /* as soon as nothing is under way   */
	bool adopted:1;                /* of another server, which might
					  still have it                     */
	bool probe_told:1;             /* the main thread asked to probe    */
	bool replaces:1;               /* the peer supports Replaces        */
	bool nat:1;                    /* its Contact is not where it is    */
	bool trace:1;
};

struct recent;
struct trace_match;

struct agent {
	unsigned index, threads;
	struct agent_shared *sh;
	struct wireq *in, *out;
	int fd;                        /* wakes this thread                 */
	pthread_t tid;
	bool joinable;

	/* handed to the creator once the thread has started */
	sem_t ready;
	int err;
	const char *const *urlv;
	unsigned urlc;
	union wire_addr addrv[32];
	unsigned addrc;

	/* signalling thread only */
	bool entered;                  /* the fast path                     */
	su_root_t *root;
	nta_agent_t *nta;
	nta_leg_t *deflt;
	su_timer_t *tick;
	su_wait_t wait;
	int waiti;
	struct recent *recent;         /* INVITEs accepted                  */
	struct recent *released;       /* dialogs that moved away           */
	struct leg *lostv[LEG_LOST_MAX]; /* legs of kind LEG_LOST           */
	unsigned lostc;
	struct leg *none;              /* stands for requests without a leg */
	struct leg **legv;             /* by slot                           */
	uint32_t *genv;                /* generation of each slot           */
	uint32_t legc;                 /* slots                             */
	uint32_t *freev;               /* slots that are free               */
	uint32_t freec;
	uint16_t limit;                /* refuse what is new with it        */
	struct trace_match *tracev;
	unsigned tracec;
	unsigned long long bad;        /* malformed, as nta counted         */
};

/* what a response or request of ours carries beyond the obvious */
struct reply {
	uint16_t scode;
	const char *phrase;            /* NULL: the usual one               */
	const char *contact;           /* Contact value, or NULL            */
	const char *ctype;
	const char *body;
	size_t bodylen;
	const char *extra;             /* header lines, or NULL             */
};

struct request {
	sip_method_t method;
	const char *name;
	const char *ctype;
	const char *body;
	size_t bodylen;
	const char *extra;
	uint32_t cseq;                 /* of an ACK; else 0                 */
};

/* agent.c */
unsigned agent_now(void);

/* receive.c */
int  receive_request(struct leg *none, nta_leg_t *nl, nta_incoming_t *irq,
		     sip_t const *sip);
bool receive_check(struct agent *ag, nta_incoming_t *irq, sip_t const *sip);
bool receive_body(struct agent *ag, nta_incoming_t *irq, sip_t const *sip,
		  const char *ctype, size_t max, const char **bodyp,
		  size_t *lenp);
bool receive_full(struct agent *ag, nta_incoming_t *irq);
enum agent_method receive_method(sip_method_t method);

/* dialog.c */
struct leg *leg_new(struct agent *ag, enum leg_kind kind, const char *callid);
int  leg_alloc(struct leg **lgp, struct agent *ag, enum leg_kind kind,
	       nta_incoming_t *irq, sip_t const *sip);
void leg_free(struct leg *lg);
struct leg *leg_find(const struct agent *ag, uint64_t id);
int  leg_dialog(struct leg *lg);
void leg_end(struct leg *lg, uint16_t scode, const char *reason);
void leg_answered(struct leg *lg);
void leg_quiet(struct leg *lg);
int  leg_request(struct leg *lg, nta_leg_t *nl, nta_incoming_t *irq,
		 sip_t const *sip);
void leg_tick(struct agent *ag, unsigned now);
void leg_tell(const struct leg *lg, enum wire_type type, const char *ctype,
	      const char *body, size_t len);

/* conn.c */
void leg_conn(struct leg *lg, nta_incoming_t *irq);

/* dialogsave.c */
struct dialogtext;
int  dialog_save(struct dialogtext *d, const struct leg *lg);
void dialog_names(struct leg *lg, sip_t const *sip);

/* adopt.c */
int  adopt_leg(struct leg *lg, const struct dialogtext *d);
void adopt_recv(struct agent *ag, const struct wire *w);

/* freeze.c */
void freeze_ask(struct leg *lg, bool peek);
void freeze_try(struct leg *lg);
void freeze_tick(struct leg *lg, unsigned now);
void freeze_thaw(struct leg *lg, uint32_t cseq);
void freeze_release(struct leg *lg);

/* lost.c */
void lost_recv(struct agent *ag, nta_incoming_t *irq, sip_t const *sip);
void lost_adopted(struct leg *lg);
void lost_refused(struct leg *lg);

/* refer.c */
void refer_send(struct leg *lg, const char *target);
void refer_recv(struct leg *lg, nta_incoming_t *irq, sip_t const *sip);
void refer_notified(struct leg *lg, nta_incoming_t *irq, sip_t const *sip);
void refer_end(struct leg *lg, uint16_t scode);

/* replaces.c */
bool replaces_check(struct agent *ag, nta_incoming_t *irq, sip_t const *sip);

/* identity.c */
struct wire *identity_wire(struct agent *ag, enum wire_type type,
			   uint64_t id, nta_incoming_t *irq,
			   sip_t const *sip, struct reply *bad);
char *identity_contact(const struct leg *lg, const char *user);
void identity_display(char *dst, size_t sz, const char *src);

/* invite.c */
void invite_recv(struct agent *ag, nta_incoming_t *irq, sip_t const *sip);
void invite_accept(struct leg *lg, const struct wire *w);
void invite_refuse(struct leg *lg, const struct wire *w);
int  invite_bind(struct leg *lg);

/* recent.c */
struct recent *recent_alloc(void);
void recent_add(struct recent *r, sip_t const *sip, unsigned now);
bool recent_has(const struct recent *r, sip_t const *sip, unsigned now);
void recent_put(struct recent *r, const char *callid, const char *tag,
		unsigned now);
bool recent_had(const struct recent *r, const char *callid, const char *tag,
		unsigned now);

/* reinvite.c */
uint64_t offer_hash(const char *p, size_t len);
bool offer_keep(struct leg *lg, const struct wire *w);
bool offer_propose(struct leg *lg, const struct wire *w);
void reinvite_refuse(struct leg *lg, const struct wire *w);
void reinvite_recv(struct leg *lg, nta_incoming_t *irq, sip_t const *sip);
void reinvite_accept(struct leg *lg, const struct wire *w);
void reinvite_send(struct leg *lg);
void reinvite_headers(const struct leg *lg, bool request, char *buf,
		      size_t sz);

/* retry.c */
void retry_cancel(struct leg *lg);
void retry_limit(struct leg *lg);
bool retry_wanted(struct leg *lg, uint16_t scode, sip_t const *sip);
void retry_tell(struct leg *lg, uint16_t scode, int err);

/* bye.c */
void bye_recv(struct leg *lg, nta_incoming_t *irq, sip_t const *sip);
void bye_send(struct leg *lg, uint16_t scode, const char *reason);
void bye_want(struct leg *lg, uint16_t scode, const char *reason);

/* info.c, message.c, options.c */
void info_recv(struct leg *lg, nta_incoming_t *irq, sip_t const *sip);
void message_recv(struct leg *lg, nta_incoming_t *irq, sip_t const *sip);
void message_recv_out(struct agent *ag, nta_incoming_t *irq,
		      sip_t const *sip);
bool message_send(struct leg *lg, struct wire *w);
void message_flush(struct leg *lg);
void options_recv(struct agent *ag, nta_incoming_t *irq, sip_t const *sip);
void options_send(struct leg *lg);

/* subscribe.c */
void subscribe_recv(struct agent *ag, nta_incoming_t *irq,
		    sip_t const *sip);
void subscribe_recv_in(struct leg *lg, nta_incoming_t *irq,
		       sip_t const *sip);
void subscribe_accept(struct leg *lg);
void subscribe_expired(struct leg *lg);
void notify_push(struct leg *lg, struct wire *w);

/* timer.c */
bool timer_offer(struct leg *lg, nta_incoming_t *irq, sip_t const *sip);
void timer_headers(const struct leg *lg, bool request, char *buf, size_t sz);
void timer_start(struct leg *lg, unsigned now);
void timer_strike(struct leg *lg, unsigned now);
void timer_answer(struct leg *lg, sip_t const *sip);

/* reply.c */
void reply_send(struct agent *ag, const struct leg *lg, nta_incoming_t *irq,
		const struct reply *r);
void reply_end(struct agent *ag, const struct leg *lg, nta_incoming_t *irq,
	       uint16_t scode, const char *phrase, const char *extra);
const char *reply_allow(void);

/* request.c */
nta_outgoing_t *request_send(struct leg *lg, const struct request *rq,
			     nta_response_f *h);

/* trace.c */
void trace_start(struct leg *lg, const struct wire *who);
void trace_match_set(struct agent *ag, const char *what, bool on);
void trace_msg(const struct leg *lg, msg_t *msg, bool sent);
void trace_request(const struct leg *lg, nta_incoming_t *irq);

/* command.c */
void command_drain(struct agent *ag);

#endif
