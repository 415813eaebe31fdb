/**
 * @file natsbucket.h  Internal to the NATS bus: buckets
 */
#ifndef JUNCTOR_BUS_NATSBUCKET_H
#define JUNCTOR_BUS_NATSBUCKET_H

enum bucket_state {
	BUCKET_CLOSED,             /* the bus is down                       */
	BUCKET_PAUSE,              /* will be asked for again in a moment   */
	BUCKET_FIND,
	BUCKET_MAKE,
	BUCKET_STAMP,              /* to learn what time it is there        */
	BUCKET_CLOCK,
	BUCKET_READY,
};

struct kvbucket {
	struct target t;           /* first                                 */
	struct le le;
	struct natsbus *nb;
	enum bucket_state state;
	struct heap_node due;
	uint64_t asked_at;         /* what it is, first [ms]                */
	uint64_t nobody_at;        /* was there, first; 0: somebody is [ms] */
	unsigned told;             /* trouble that was logged last          */
	char made[40];             /* when: tells streams of one name apart */
	bool alone;                /* no cluster: where we are connected    */
	uint64_t last;             /* sequence number when it was found     */
	struct list watchl;
	struct natssweep *sweep;

	bool bad;                  /* nothing is stored                     */
	uint64_t stored_at;        /* when something was, last [ms]         */
	struct target probe;       /* whether it is again                   */
	struct heap_node probe_due;

	/* Its clock minus ours is at least this [ns]: greatest of the last
	   and the present half a minute */
	bool clock;                /* known                                 */
	int64_t aheadv[2];
	uint64_t ahead_at;         /* when the present one began [ms]       */
	char name[];
};

int  kvbucket_get(struct kvbucket **bp, struct natsbus *nb, const char *name);
void kvbucket_nobody(struct kvbucket *b);
void kvbucket_lost(struct kvbucket *b);
void kvbucket_down(struct natsbus *nb);
void kvbucket_up(struct natsbus *nb);
void kvbucket_close(struct natsbus *nb);
void kvbucket_stamp(struct kvbucket *b, uint64_t stamp);
int  kvbucket_stamp_send(struct kvbucket *b, struct target *t);
uint64_t kvbucket_age(const struct kvbucket *b, uint64_t stamp);

#endif
