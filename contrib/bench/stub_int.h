/* Inside the stub: stub.c answers and mixes, stubevent.c makes trouble. */
#ifndef JUNCTOR_BENCH_STUB_INT_H
#define JUNCTOR_BENCH_STUB_INT_H

#include "stub.h"

enum { LEGS_MAX = 64, FRAME = 160, QUEUE = 64 };

struct leg {
	bool used;
	char callid[64], conf[64], to[128], from[128], contact[64];
	struct sockaddr_in sip, rtp;
	int64_t born;
	bool bye;
	bool silent;            /* hears nothing for the gap */
	bool moved;             /* it is the other server's */
	bool gone;              /* another call is in its place */
	bool told;              /* its event is under way */
	int16_t q[QUEUE][FRAME];        /* frames that wait to be mixed */
	uint32_t head, tail;
	uint16_t seq;
	uint32_t ts;
};

struct stub {
	unsigned faults;
	uint32_t delay;         /* ticks a frame waits longer */
	struct sockio *sip, *rtp;
	struct sockio *sip2, *rtp2;     /* of the other server */
	enum stub_event event;
	int64_t at, gap;        /* age of a call, silence then [ns] */
	bool eventful;
	pthread_t thread;
	bool run;               /* atomic */
	uint32_t replies;       /* 200s to OPTIONS; atomic */
	uint32_t seenc;         /* INVITEs dropped once, by hash */
	uint32_t seenv[1024];
	uint32_t sent;
	uint32_t legs;          /* atomic */
	struct leg legv[LEGS_MAX];
};

/* stubevent.c */
void stub_request(struct stub *s, const struct leg *l, const char *method,
		  const char *more);
void stub_sdp(char *buf, size_t n, const struct sockio *rtp);
void stub_leg_event(struct stub *s, struct leg *l, int64_t now);
void stub_leg_end(struct stub *s, struct leg *l);
void stub_replaced(struct stub *s, struct leg *l);
void stub_gone_bye(struct stub *s);

#endif
