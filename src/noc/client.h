/**
 * @file client.h  A client as every service sees it, whatever protocol it
 *                 speaks
 *
 * The client host (`siphost`) makes one `struct client` per call, or per
 * subscription, and fires the events below; the services above answer through
 * client_accept ... client_bye. Main thread only. A client is reference
 * counted: whoever keeps it holds a reference; after "client.leave" every
 * operation on it does nothing and returns ENOTCONN.
 */
#ifndef JUNCTOR_NOC_CLIENT_H
#define JUNCTOR_NOC_CLIENT_H

struct client;
struct media_desc;              /* sip/sdp.h                                */

enum {
	CLIENT_CONFERENCE_MAX = 128,  /* bytes of each, with the final zero */
	CLIENT_ACCOUNT_MAX    = 64,
	CLIENT_USER_MAX       = 128,
	CLIENT_INFO_MAX       = 256,
	CLIENT_TICKET_MAX     = 128,
	CLIENT_CALLID_MAX     = 256,
	CLIENT_TEXT_MAX       = 8192,
	CLIENT_DIALOG_MAX     = 12288,
};

/* media types, a set */
enum media_type {
	MEDIA_AUDIO = 1 << 0,
	MEDIA_VIDEO = 1 << 1,
	MEDIA_TEXT  = 1 << 2,
};

/* "client.connect": somebody new is heard of (struct join, nothing to
 *                   answer yet)
 * "client.join":    wants to enter a conference; answered by exactly one of
 *                   client_accept, client_reject, client_dispatch
 * "client.subscribe": wants the roster of a conference; answered likewise,
 *                   client_accept with NULL */
struct join {
	struct client *client;
	const char *callid;
	const char *conference;    /* user part of the request URI          */
	const char *account;       /* "" when not told                      */
	const char *user;          /* who: user@host of From                */
	const char *name;          /* display name, or user                 */
	const char *info;          /* User-Agent                            */
	const char *ticket;        /* "" when none                          */
	struct sa src;             /* where the request came from           */
	unsigned media;            /* set of media types asked for          */
	const struct media_desc *offer;  /* NULL: the answer is to offer    */
	bool admitted;             /* ticket or will-call list was checked  */
	struct client *replaces;   /* this one, which is sent away as soon
				      as the join is accepted; or NULL      */
	const char *replacing;     /* Call-ID of what it replaces, or ""    */
};

/* "client.replaces": the join wants to take the place of a dialog that is not
 *                   held here (`replacing`), as phones do that another server
 *                   sent here by client_refer. Who knows it returns true, and
 *                   sets `admitted` if it may come in: then "client.join"
 *                   follows. If nobody does, it is refused with 481.
 * "client.lost":    a request came for a dialog not known here (struct
 *                   client_lost). Who is about to adopt that dialog returns
 *                   true; the request waits for it, at most 300 ms. */
struct client_lost {
	const char *callid;
};

/* "client.established": the client confirmed (ACK); struct client_event
 * "client.media":   new media from a client that is in: `media` is its offer
 *                   (answer with client_accept or client_reject), or, when
 *                   `answered`, its answer to ours (nothing to answer)
 * "client.refused": what came of client_offer if it was not answered: `cause`
 *                   is a SIP status; `err` ENOTCONN if the client cannot be
 *                   reached from this server, ETIMEDOUT if it does not answer
 *                   in time (a later answer still comes as "client.media").
 *                   The client is still there, with the media it had
 * "client.referred": what came of client_refer: `cause` is the SIP status that
 *                   the client got there (200: it is there, and this dialog
 *                   may be ended), or why it did not go
 * "client.dead":    nobody answers client_probe; the client is still there
 * "client.text":    a message from a client that is in (text, type)
 * "client.dtmf":    a digit by SIP INFO
 * "client.refresh": a subscriber asks for the whole roster again
 * "client.leave":   gone; cause is a SIP status or 0 for a normal goodbye */
struct client_event {
	struct client *client;
	const char *callid;
	const struct media_desc *media;
	bool answered;
	const char *text;
	const char *type;          /* MIME type of text                     */
	char digit;                /* 0-9 * # A-D                           */
	unsigned duration;         /* [ms]                                  */
	int cause;
	int err;                   /* errno                                 */
	const char *reason;
};

/* What client_dialog got: the dialog as text, for the `adopt` of another
 * server's client host, or an errno:
 * EAGAIN    it is being answered (no ACK yet): later
 * EBUSY     an offer or another request of either side takes too long: later
 * ENOTCONN  it is hanging up or gone */
typedef void (client_dialog_h)(int err, const char *dialog, size_t len,
			       void *arg);

struct client_ops {
	int (*accept)(struct client *cl, const struct media_desc *answer);
	int (*reject)(struct client *cl, uint16_t scode, const char *reason);
	int (*dispatch)(struct client *cl, const char *contact);
	int (*text)(struct client *cl, const char *from, const char *type,
		    const char *text);
	int (*roster)(struct client *cl, const char *xml, bool last);
	int (*bye)(struct client *cl, uint16_t scode, const char *reason);
	int (*trace)(struct client *cl, bool on);
	int (*dialog)(struct client *cl, client_dialog_h *h, void *arg);
	int (*peek)(struct client *cl, client_dialog_h *h, void *arg);
	int (*thaw)(struct client *cl, uint32_t cseq);
	int (*release)(struct client *cl);
	int (*offer)(struct client *cl, const struct media_desc *offer);
	int (*refer)(struct client *cl, const char *uri);
	int (*probe)(struct client *cl);
};

int client_alloc(struct client **clp, const struct client_ops *ops,
		 const struct join *join, void *arg);
void *client_arg(const struct client *cl);
const struct join *client_join(const struct client *cl);
void client_gone(struct client *cl);

int client_accept(struct client *cl, const struct media_desc *answer);
int client_reject(struct client *cl, uint16_t scode, const char *reason);
int client_dispatch(struct client *cl, const char *contact);
int client_text(struct client *cl, const char *from, const char *type,
		const char *text);
int client_roster(struct client *cl, const char *xml, bool last);
int client_bye(struct client *cl, uint16_t scode, const char *reason);
int client_trace(struct client *cl, bool on);

/* A client moves to another server: it is frozen and written down, ... */
int client_dialog(struct client *cl, client_dialog_h *h, void *arg);
/* (or only written down, in case this server dies) */
int client_peek(struct client *cl, client_dialog_h *h, void *arg);
/* ... and goes on here, or is forgotten here */
int client_thaw(struct client *cl, uint32_t cseq);
int client_release(struct client *cl);

int client_offer(struct client *cl, const struct media_desc *offer);
int client_refer(struct client *cl, const char *uri);
int client_probe(struct client *cl);

#endif
