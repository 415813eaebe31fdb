/**
 * @file udpsock_int.h  Shared by udpsock.c and udplibc.c only
 */
#ifndef JUNCTOR_SIP_UDPSOCK_INT_H
#define JUNCTOR_SIP_UDPSOCK_INT_H

struct epoll_event;

enum {
	UDPSOCK_SOCKS = 8,      /* UDP sockets of one thread                */
};

/* What epoll tells for our eventfd; sofia's own values are small indices. */
#define UDPSOCK_INBOX_EVENT UINT64_MAX

struct udpsock_sock {
	int fd;
	int epfd;
	uint64_t data;          /* what sofia wants to be told              */
};

/* A datagram for sofia */
struct udpsock_left {
	struct le le;
	unsigned sockix;
	struct sockaddr_storage src;
	socklen_t srclen;
	const char *buf;
	size_t len;
	char *copy;             /* buf, if it is ours to free               */
};

struct udpsock {
	/* of the signalling thread */
	unsigned ix;
	bool shared;
	bool freebind;                  /* bind to addresses that may come  */
	udpsock_batch_h *bh;
	udpsock_hand_h *hh;
	void *arg;
	struct udpsock_sock sockv[UDPSOCK_SOCKS]; /* changed under the lock */
	unsigned sockc;
	int efd;
	struct list leftl;              /* of the last batch, or from the
					   inbox; sofia's next first        */
	unsigned tells;                 /* events for the first of them     */
	struct udpsock_left leftv[UDPSOCK_BATCH];
	struct udpsock_msg msgv[UDPSOCK_BATCH];
	struct mmsghdr rxv[UDPSOCK_BATCH], txv[UDPSOCK_BATCH];
	struct iovec rxiov[UDPSOCK_BATCH], txiov[UDPSOCK_BATCH];
	struct sockaddr_storage srcv[UDPSOCK_BATCH];
	char *rxbuf, *txbuf;
	uint64_t last;                  /* when a batch was read [ns]       */
	uint64_t gap;                   /* between datagrams, average [ns]  */
	uint64_t nap;                   /* not to wake before [ns], 0: now  */
	uint64_t unsent;                /* read by other threads            */

	/* of all threads, under the lock */
	pthread_mutex_t lock;
	struct list inboxl;             /* struct udpsock_left, each a copy */
};

int  udpsock_events(struct udpsock *us, struct epoll_event *evv, int n,
		    int max);
void udpsock_nap(struct udpsock *us);
const struct udpsock_left *udpsock_left(const struct udpsock *us,
					const struct udpsock_sock *sock);
void udpsock_left_pop(struct udpsock *us);
void udpsock_left_flush(struct udpsock *us);
void udplibc_set(struct udpsock *us);
struct udpsock *udplibc_get(void);

#endif
