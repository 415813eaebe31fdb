/**
 * @file beater_int.h  Internal to beater.c and beater_net.c
 */
#ifndef JUNCTOR_HEARTBEAT_BEATER_INT_H
#define JUNCTOR_HEARTBEAT_BEATER_INT_H

#include "noc/beat.h"
#include "heartbeat/beater.h"

struct mqueue;

/* Guarded by the lock */
struct peer {
	bool used;
	uint64_t instance;
	struct sa addr;
	uint64_t seq;              /* last heard of it, 0: none             */
	uint64_t heard;            /* [us]                                  */
	enum beater_state state, told;
	bool bye, bye_told;
	bool refused;              /* since the last beat                   */
};

struct beater {
	/* main */
	struct mqueue *mq;
	beater_h *h;
	void *arg;
	pthread_t thread;
	bool running;

	/* set once */
	struct beater_conf conf;
	struct hmac_key *key;
	int fd;

	/* the thread's */
	uint64_t seq;              /* of our last beats                     */
	uint64_t woke;             /* [us]                                  */
	bool odd;                  /* no beats this time                    */

	/* both */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool lock_ok, cond_ok;
	bool quit;
	bool gone;                 /* goodbye was said                      */
	uint64_t main_usec;        /* main was seen to run                  */
	uint64_t awake;            /* last time the thread looked           */
	struct beater_stats stats;
	unsigned peerc;            /* those behind are not used             */
	struct peer peerv[BEATER_PEERS];
};

int  beater_open(struct beater *b);
void beater_read(struct beater *b, uint64_t now);
void beater_send(struct beater *b, enum beat_type type);

#endif
