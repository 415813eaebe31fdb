/**
 * @file natsconn.h  Internal to natslink: what threads share
 */
#ifndef JUNCTOR_BUS_NATSCONN_H
#define JUNCTOR_BUS_NATSCONN_H

struct natsconn;

enum natsev_what { NATSEV_UP, NATSEV_DOWN, NATSEV_MSG };

/* to the main thread */
struct natsev {
	struct natsev *next;
	enum natsev_what what;
	uint64_t gen;              /* of the connection                     */
	uint64_t sid;
	natsMsg *msg;              /* owned                                 */
};

enum natscmd_what {
	NATSCMD_PUBLISH, NATSCMD_SUBSCRIBE, NATSCMD_UNSUBSCRIBE
};

struct natsconn_conf {
	natsOptions *opts;         /* owned                                 */
	char **urlv;               /* owned                                 */
	size_t urlc;
};

/* main thread */
int  natsconn_start(struct natsconn **ncp, struct natsconn_conf *conf,
		    mqueue_h *wakeh, void *arg);
void natsconn_stop(struct natsconn *nc);
void natsconn_conf_free(struct natsconn_conf *conf);
bool natsconn_full(struct natsconn *nc);
int  natsconn_push(struct natsconn *nc, enum natscmd_what what, uint64_t gen,
		   uint64_t sid, const char *pattern, natsMsg *msg,
		   size_t len);
struct natsev *natsconn_take(struct natsconn *nc);
void natsconn_wake(struct natsconn *nc);
void natsconn_stats(struct natsconn *nc, uint64_t *sent, uint32_t *waiting);
void natsev_free(struct natsev *ev);

#endif
