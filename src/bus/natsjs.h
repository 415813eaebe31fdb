/**
 * @file natsjs.h  Internal to the NATS bus: what JetStream says
 */
#ifndef JUNCTOR_BUS_NATSJS_H
#define JUNCTOR_BUS_NATSJS_H

/* Error codes of JetStream's API that make a difference here */
enum {
	NATSJS_NO_MESSAGE      = 10037,
	NATSJS_STREAM_EXISTS   = 10058,
	NATSJS_NO_STREAM       = 10059,
	NATSJS_WRONG_SEQUENCE  = 10071,
};

#define NATSJS_HDR_EXPECT "Nats-Expected-Last-Subject-Sequence"
#define NATSJS_HDR_KVOP   "KV-Operation"
#define NATSJS_HDR_TTL    "Junctor-TTL"
#define NATSJS_HDR_WRITE  "Junctor-Write"

/* What stands in a bucket under a key */
struct natsval {
	uint64_t seq;              /* of the stream: the revision           */
	uint64_t stamp;            /* clock of the server [ns]              */
	bool deleted;              /* it says that the key was deleted      */
	uint32_t ttl;              /* 0: lives for ever [ms]                */
	uint64_t write;            /* random, of who stored it; 0: none     */
	uint8_t *buf;              /* owned                                 */
	size_t len;
};

/* Where a message that a consumer was sent stands */
struct natspush {
	uint64_t seq;              /* in the stream                         */
	uint64_t nth;              /* for this consumer, from 1             */
	uint64_t stamp;            /* clock of the server [ns]              */
	uint64_t pending;          /* messages behind it                    */
};

int  natsjs_push_decode(struct natspush *p, const char *reply);
int  natsjs_time_decode(uint64_t *ns, const char *s);
int  natsjs_headers_decode(struct natsval *val, const char *buf, size_t len);
int  natsjs_reply_decode(struct odict **odp, unsigned *codep,
			 const char *buf, size_t len);
int  natsjs_value_decode(struct natsval *val, const struct odict *od);
void natsjs_value_reset(struct natsval *val);

#endif
