/**
 * @file natshelp.h  Internal to natsconn and its helper thread
 */
#ifndef JUNCTOR_BUS_NATSHELP_H
#define JUNCTOR_BUS_NATSHELP_H

/* to the helper */
struct natscmd {
	struct natscmd *next;
	enum natscmd_what what;
	uint64_t gen;
	uint64_t sid;
	natsMsg *msg;              /* owned, NATSCMD_PUBLISH                */
	size_t size;               /* [bytes]                               */
	char pattern[];
};

/* A subscription; libnats's delivery thread may use it until it is done. */
struct natssub {
	struct natssub *next;
	struct natsconn *nc;
	natsSubscription *sub;     /* NULL once given up, helper only       */
	uint64_t gen, sid;
	bool done;                 /* lock: nobody uses it any more         */
};

struct natsconn {
	struct natsconn_conf conf; /* helper                                */
	natsConnection *conn;      /* helper; NULL: not connected           */
	struct natssub *subs;      /* helper                                */
	size_t url;                /* helper: index of the next to try      */
	unsigned failures;         /* helper: in a row                      */
	char told[512];            /* helper: the failure logged last       */

	pthread_t helper;
	pthread_mutex_t lock;      /* for all that follows                  */
	pthread_cond_t work;       /* for the helper                        */
	pthread_cond_t room;       /* in rx, for the delivery thread        */
	struct mqueue *mq;         /* NULL: nobody wants events any more    */
	bool stop;
	bool lost;                 /* connection `gen`                      */
	unsigned open;             /* connections whose end was not told    */
	uint64_t gen;
	struct natscmd *txhead, **txtail;
	size_t txc, txbytes;
	struct natsev *rxhead, **rxtail;
	size_t rxc, rxbytes;
	uint64_t sent;
};

void *natshelp_run(void *arg);
void natscmd_free(struct natscmd *cmd);
void natsconn_event(struct natsconn *nc, enum natsev_what what, uint64_t gen,
		    uint64_t sid, natsMsg *msg);

#endif
