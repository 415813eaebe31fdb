/**
 * @file message.h  What two media servers say to one another about a
 *                  conference that moves
 *
 * Requests on server.KEY.move, each answered. Objects of JSON, sealed; members
 * that are not known are passed over, so that later ones may say more.
 */
#ifndef JUNCTOR_MOVE_MESSAGE_H
#define JUNCTOR_MOVE_MESSAGE_H

struct odict;

enum move_op {
	MOVE_BEGIN = 1,            /* will you take it? room, link          */
	MOVE_SEAT,                 /* this participant                      */
	MOVE_GONE,                 /* one on its way has hung up            */
	MOVE_KEEP,                 /* still at it                           */
	MOVE_END,                  /* that was all                          */
	MOVE_ORDER,                /* an operator's: give it to `to`        */
	MOVE_TEXT,                 /* for somebody who has moved            */
	MOVE_SHARE,                /* said, or changed, in the other half   */
};

enum move_error {
	MOVE_OK,
	MOVE_RETRY,                /* not now                               */
	MOVE_REFUSED,              /* never                                 */
	MOVE_LEFT,                 /* the participant is no longer there    */
	MOVE_UNKNOWN,              /* no such move is under way             */
	MOVE_FULL,
	MOVE_OUT,                  /* not in service                        */
};

enum { MOVE_LINK_MAX = 64, MOVE_REASON_MAX = 128, MOVE_SEATS_MAX = 4096 };

struct move_msg {
	enum move_op op;
	char conference[CLIENT_CONFERENCE_MAX];
	char from[NAME_SERVER_MAX];     /* who says it                      */
	char to[NAME_SERVER_MAX];       /* order; "": wherever              */
	char link[MOVE_LINK_MAX];       /* address of the mix, "": none     */
	char callid[CLIENT_CALLID_MAX]; /* seat, gone, text                 */
	uint32_t id;                    /* gone: of the participant         */
	uint32_t participants;          /* begin, keep                      */
	bool abort;                     /* end: it stays where it was       */
	bool merge;                     /* begin: it runs at both           */
	bool punt;                      /* begin: from one with too much to
					   do, who may keep it as well      */
	const struct odict *room;       /* begin, end; within the message   */
	const struct odict *seat;       /* seat; likewise                   */
	const struct odict *users;      /* share; likewise                  */
	const struct odict *texts;      /* text, share; likewise            */
};

struct move_reply {
	enum move_error error;
	char reason[MOVE_REASON_MAX];
	char link[MOVE_LINK_MAX];
	char contact[NAME_CONTACT_MAX]; /* begin: where clients reach it    */
	uint32_t scode;                 /* of the re-INVITE, 0: none        */
	uint32_t cseq;                  /* last one used with it            */
};

int move_msg_encode(struct odict **odp, const struct move_msg *msg);
int move_msg_decode(struct move_msg *msg, const struct odict *od);
int move_reply_encode(struct odict **odp, const struct move_reply *r);
int move_reply_decode(struct move_reply *r, const struct odict *od);
const char *move_error_name(enum move_error error);

#endif
