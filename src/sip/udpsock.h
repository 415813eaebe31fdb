/**
 * @file udpsock.h  sofia's UDP sockets, read in batches before sofia
 */
#ifndef JUNCTOR_SIP_UDPSOCK_H
#define JUNCTOR_SIP_UDPSOCK_H

struct udpsock;
struct sockaddr;

enum {
	UDPSOCK_BATCH     = 32,         /* datagrams read at once            */
	UDPSOCK_REPLY_MAX = 4096,       /* bytes                             */
};

enum udpsock_verdict {
	UDPSOCK_HAND,                   /* to sofia of the thread `owner`    */
	UDPSOCK_REPLY,                  /* reply[0..replylen) goes to src    */
	UDPSOCK_ABSORB,
};

struct udpsock_msg {
	const char *buf;
	size_t len;
	struct sockaddr *src;           /* may be changed for the reply      */
	char *reply;                    /* UDPSOCK_REPLY_MAX bytes           */
	size_t replylen;
	enum udpsock_verdict verdict;   /* UDPSOCK_HAND at first             */
	unsigned owner;                 /* this thread at first              */
	unsigned sockix;                /* number of the socket it came to   */
};

/* Sets the verdict of each. */
typedef void (udpsock_batch_h)(struct udpsock_msg *msgv, unsigned msgc,
			       void *arg);

/* Gives a copy of what belongs to another thread to it: ENOENT if it is not
 * there (then sofia of this thread gets it). */
typedef int (udpsock_hand_h)(const struct udpsock_msg *msg, void *arg);

int  udpsock_enter(struct udpsock **up, unsigned ix, bool shared,
		   udpsock_batch_h *bh, udpsock_hand_h *hh, void *arg);
void udpsock_freebind(struct udpsock *us, bool on);
int  udpsock_push(struct udpsock *us, const struct udpsock_msg *msg);
int  udpsock_send(struct udpsock *us, unsigned sockix, const void *buf,
		  size_t len, const struct sockaddr *dst);
uint64_t udpsock_unsent(const struct udpsock *us);

#endif
