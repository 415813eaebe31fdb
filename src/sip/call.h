/**
 * @file call.h  Calls and subscriptions, as the main thread sees them
 *
 * A sipcall stands for a dialog that lives in a signalling thread. It is
 * reference counted; its stack holds one reference until SIPCALL_END. After
 * that everything asked of it does nothing and returns ENOTCONN.
 */
#ifndef JUNCTOR_SIP_CALL_H
#define JUNCTOR_SIP_CALL_H

struct sipcall;

enum sipcall_what {
	SIPCALL_JOIN,        /* INVITE: accept, reject or redirect          */
	SIPCALL_SUBSCRIBE,   /* SUBSCRIBE: accept (no body) or reject       */
	SIPCALL_TEXT_OUT,    /* MESSAGE outside a dialog: accept or reject;
				no SIPCALL_END follows                      */
	SIPCALL_ESTABLISHED, /* ACK; body: answer, if we offered            */
	SIPCALL_OFFER,       /* body: new offer; accept or reject           */
	SIPCALL_ANSWER,      /* body: answer to our re-INVITE               */
	SIPCALL_REFUSED,     /* scode: our re-INVITE was refused; err:
				ENOTCONN if the phone cannot be reached,
				ETIMEDOUT if it does not answer in time     */
	SIPCALL_TEXT,
	SIPCALL_DTMF,
	SIPCALL_REFRESHED,   /* the subscriber wants the whole state again  */
	SIPCALL_DIALOG,      /* body: what sipcall_freeze or, `sent`,
				sipcall_peek asked for, or err              */
	SIPCALL_REFERRED,    /* scode: what came of sipcall_refer           */
	SIPCALL_DEAD,        /* nobody answers sipcall_probe; scode         */
	SIPCALL_LOST,        /* a request of a dialog that is not known: no
				call; sipstack_adopt, or sipstack_lost_no   */
	SIPCALL_END,         /* scode, reason                               */
	SIPCALL_TRACED,      /* body: a message; sent: by us                */
};

/* Strings and body live as long as the handler runs. */
struct sipcall_event {
	enum sipcall_what what;
	const char *callid;
	const char *conference, *account, *user, *name, *info, *ticket;
	struct sa src;
	const char *ctype;         /* "" when none                          */
	const char *body;          /* NULL when none; zero-terminated       */
	size_t bodylen;            /* [bytes]                               */
	char digit;
	unsigned duration;         /* [ms]                                  */
	uint16_t scode;
	int err;                   /* errno                                 */
	const char *reason;        /* "" when none                          */
	bool sent;
	const char *replaces;      /* join: Call-ID of the dialog that it is
				      to replace, or ""                     */
	struct sipcall *replaced;  /* that dialog, if it is one of ours     */
	uint64_t id;               /* lost: for sipstack_lost_no            */
};

typedef void (sipcall_h)(struct sipcall *call,
			 const struct sipcall_event *ev, void *arg);

void  sipcall_data_set(struct sipcall *call, void *data);
void *sipcall_data(const struct sipcall *call);
int sipcall_accept(struct sipcall *call, const char *sdp, size_t len);
int sipcall_reject(struct sipcall *call, uint16_t scode,
		   const char *reason);
int sipcall_redirect(struct sipcall *call, const char *contact);
int sipcall_bye(struct sipcall *call, uint16_t scode, const char *reason);
int sipcall_offer(struct sipcall *call, const char *sdp, size_t len);
int sipcall_text(struct sipcall *call, const char *ctype,
		 const char *text, size_t len);
int sipcall_notify(struct sipcall *call, const char *xml, size_t len,
		   bool last);
int sipcall_probe(struct sipcall *call);
int sipcall_trace(struct sipcall *call, bool on);
int sipcall_freeze(struct sipcall *call);
int sipcall_peek(struct sipcall *call);
int sipcall_thaw(struct sipcall *call, uint32_t cseq);
int sipcall_release(struct sipcall *call);
int sipcall_refer(struct sipcall *call, const char *uri);

#endif
