/**
 * @file store.h  Usage records, written by a thread of its own
 */
#ifndef JUNCTOR_USAGE_STORE_H
#define JUNCTOR_USAGE_STORE_H

struct usage_store;
struct usage_db_ops;
struct odict;

enum {
	USAGE_TEXT_MAX = 128,
	USAGE_LEG_MAX  = 40,
	USAGE_EARLIER_MAX = 100000,
};

enum usage_what {
	USAGE_JOIN,                  /* also one that comes from elsewhere   */
	USAGE_LEAVE,
	USAGE_MOVED,                 /* another server goes on with it       */
	USAGE_DIED,                  /* of an earlier run: ends with that    */
};

typedef void (usage_earlier_h)(const char *leg, void *arg);

struct usage_leg {
	enum usage_what what;
	char leg[USAGE_LEG_MAX];     /* the leg, wherever it is              */
	unsigned id;                 /* of the participant                   */
	char account[USAGE_TEXT_MAX], conference[USAGE_TEXT_MAX];
	char user[USAGE_TEXT_MAX], from[USAGE_TEXT_MAX];
	char to[USAGE_TEXT_MAX], callid[USAGE_TEXT_MAX];
	char media[16], cause[16];
	uint64_t join_usec, leave_usec;        /* UTC since the epoch [us]   */
	uint64_t packets_in, packets_out;
	uint32_t lost_in, lost_out;            /* [packets]                  */
	uint32_t jitter;                       /* [us]                       */
};

struct usage_filter {
	const char *account;         /* or NULL                              */
	const char *conference;      /* or NULL                              */
	uint64_t from_sec, to_sec;   /* joined from .. before; 0: open [s]   */
	uint64_t after;              /* only records after this one          */
	unsigned limit;              /* most records                         */
};

int  usage_store_alloc(struct usage_store **sp,
		       const struct usage_db_ops *ops, const char *where,
		       const char *server, bool keep);
int  usage_store_earlier(struct usage_store *s, usage_earlier_h *h,
			 void *arg);
int  usage_store_push(struct usage_store *s, const struct usage_leg *leg);
void usage_store_heartbeat(struct usage_store *s);
int  usage_store_read(struct usage_store *s, const struct usage_filter *f,
		      struct odict *array);
unsigned usage_store_dropped(const struct usage_store *s);

#endif
