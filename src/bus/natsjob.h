/**
 * @file natsjob.h  Internal to the operations on keys of the NATS bus
 */
#ifndef JUNCTOR_BUS_NATSJOB_H
#define JUNCTOR_BUS_NATSJOB_H

struct keyq;

enum job_cmd { JOB_CREATE, JOB_UPDATE, JOB_PUT, JOB_DELETE, JOB_GET };

struct kvjob {
	struct target t;           /* first                                 */
	struct le le;              /* in natsbus.jobl                       */
	struct le qle;             /* in keyq.jobl                          */
	struct heap_node limit;    /* then it has failed                    */
	struct heap_node retry;
	uint64_t began;            /* [ms]                                  */
	struct keyq *q;
	struct bus_kvop *op;       /* NULL: nobody wants to know            */
	enum job_cmd cmd;
	bool reading;              /* what was asked last: GET, else PUB    */
	bool sent;                 /* it may have happened                  */
	bool blind;                /* on no condition                       */
	uint64_t expect;           /* sequence number, 0: no message        */
	uint64_t rev;              /* the caller's condition                */
	uint64_t write;
	uint32_t ttl;
	unsigned tries;
	size_t len;
	uint8_t buf[];
};

int  job_alloc(struct kvjob **jp, struct bus *bus, enum job_cmd cmd,
	       const char *bucket, const char *key,
	       const uint8_t *buf, size_t len);
struct kvbucket *job_bucket(const struct kvjob *j);
int  job_start(struct bus_kvop **opp, struct kvjob *j, bus_kv_h *h,
	       void *arg);

#endif
