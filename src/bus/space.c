/**
 * @file space.c  A part of a bus that is a bus of its own
 *
 * What is published, asked and stored in a space has other names on the bus
 * below, so servers of different spaces do not hear one another:
 *
 *      subject noc.user        in space b1:  in.b1.noc.user
 *      bucket  servers                       b1_servers
 *
 * Spaces can be inside one another. Only subscriptions need a go-between, for
 * the subjects that handlers are told; all else is the bus below.
 */
#include <string.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/subject.h"


enum { NAME_MAX_ = 24, BUCKET_MAX = 64 };

struct space {
	struct bus bus;            /* first                                 */
	struct bus *up;            /* the bus below                         */
	struct bus_listener *lis, *storelis;
	size_t prefixlen;
	char prefix[NAME_MAX_ + 8];     /* of subjects: in.NAME.            */
	char bucket[NAME_MAX_ + 4];     /* of buckets: NAME_                */
};

struct bus_sub {
	struct bus_sub *sub;       /* of the bus below                      */
	size_t skip;               /* of its subjects [bytes]               */
	bus_msg_h *h;
	void *arg;
};


static void destructor(void *arg)
{
	struct space *sp = arg;

	mem_deref(sp->lis);
	mem_deref(sp->storelis);
	bus_close(&sp->bus);
	mem_deref(sp->up);
}


static int subject_make(char *buf, size_t sz, const struct space *sp,
			const char *subject)
{
	return re_snprintf(buf, sz, "%s%s", sp->prefix, subject) < 0 ?
		EINVAL : 0;
}


static int bucket_make(char *buf, size_t sz, const struct space *sp,
		       const char *bucket)
{
	return re_snprintf(buf, sz, "%s%s", sp->bucket, bucket) < 0 ?
		EINVAL : 0;
}


static int space_publish(struct bus *bus, const char *subject,
			 const uint8_t *buf, size_t len)
{
	struct space *sp = (struct space *)bus;
	char s[BUS_SUBJECT_MAX + 1];
	const int err = subject_make(s, sizeof(s), sp, subject);

	return err ? err : bus_publish(sp->up, s, buf, len);
}


static void msg_handler(const char *subject, const uint8_t *buf, size_t len,
			struct bus_reply *reply, void *arg)
{
	struct bus_sub *sub = arg;

	sub->h(subject + sub->skip, buf, len, reply, sub->arg);
}


static void sub_destructor(void *arg)
{
	struct bus_sub *sub = arg;

	mem_deref(sub->sub);
}


static int space_subscribe(struct bus_sub **subp, struct bus *bus,
			   const char *pattern, bus_msg_h *h, void *arg)
{
	struct space *sp = (struct space *)bus;
	char s[BUS_SUBJECT_MAX + 1];
	struct bus_sub *sub;
	int err;

	err = subject_make(s, sizeof(s), sp, pattern);
	if (err)
		return err;

	sub = mem_zalloc(sizeof(*sub), sub_destructor);
	if (!sub)
		return ENOMEM;

	sub->skip = sp->prefixlen;
	sub->h    = h;
	sub->arg  = arg;

	err = bus_subscribe(&sub->sub, sp->up, s, msg_handler, sub);
	if (err)
		mem_deref(sub);
	else
		*subp = sub;

	return err;
}


static int space_request(struct bus_req **reqp, struct bus *bus,
			 const char *subject, const uint8_t *buf, size_t len,
			 uint32_t timeout_ms, bus_resp_h *h, void *arg)
{
	struct space *sp = (struct space *)bus;
	char s[BUS_SUBJECT_MAX + 1];
	const int err = subject_make(s, sizeof(s), sp, subject);

	return err ? err : bus_request(reqp, sp->up, s, buf, len, timeout_ms,
				       h, arg);
}


static int space_put(struct bus_kvop **opp, struct bus *bus,
		     const struct bus_put *put, bus_kv_h *h, void *arg)
{
	struct space *sp = (struct space *)bus;
	struct bus_put p = *put;
	char b[BUCKET_MAX + 1];
	const int err = bucket_make(b, sizeof(b), sp, put->bucket);

	p.bucket = b;

	return err ? err : sp->up->ops->kv_put(opp, sp->up, &p, h, arg);
}


static int space_delete(struct bus_kvop **opp, struct bus *bus,
			const char *bucket, const char *key, uint64_t rev,
			bus_kv_h *h, void *arg)
{
	struct space *sp = (struct space *)bus;
	char b[BUCKET_MAX + 1];
	const int err = bucket_make(b, sizeof(b), sp, bucket);

	return err ? err : bus_kv_delete(opp, sp->up, b, key, rev, h, arg);
}


static int space_get(struct bus_kvop **opp, struct bus *bus,
		     const char *bucket, const char *key, bus_kv_h *h,
		     void *arg)
{
	struct space *sp = (struct space *)bus;
	char b[BUCKET_MAX + 1];
	const int err = bucket_make(b, sizeof(b), sp, bucket);

	return err ? err : bus_kv_get(opp, sp->up, b, key, h, arg);
}


static int space_watch(struct bus_watch **wp, struct bus *bus,
		       const char *bucket, const char *pattern,
		       bus_watch_h *h, void *arg)
{
	struct space *sp = (struct space *)bus;
	char b[BUCKET_MAX + 1];
	const int err = bucket_make(b, sizeof(b), sp, bucket);

	return err ? err : bus_kv_watch(wp, sp->up, b, pattern, h, arg);
}


static void space_stats(const struct bus *bus, struct bus_stats *stats)
{
	bus_stats_get(((const struct space *)bus)->up, stats);
}


static const struct bus_ops ops = {
	.publish   = space_publish,
	.subscribe = space_subscribe,
	.request   = space_request,
	.kv_put    = space_put,
	.kv_delete = space_delete,
	.kv_get    = space_get,
	.kv_watch  = space_watch,
	.stats     = space_stats,
};


static void state_handler(enum bus_state state, void *arg)
{
	struct space *sp = mem_ref(arg);

	bus_state_set(&sp->bus, state);
	mem_deref(sp);
}


static void store_handler(bool stores, void *arg)
{
	struct space *sp = mem_ref(arg);

	bus_store_set(&sp->bus, stores);
	mem_deref(sp);
}


/**
 * Is this the name of a space?
 *
 * @param name Name, need not be zero-terminated
 * @param len  Its length [bytes]
 *
 * @return True if it is one word of letters, digits and `-`
 */
bool bus_space_valid(const char *name, size_t len)
{
	size_t i;

	for (i=0; name && i<len; i++) {
		const char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '-')
			return false;
	}

	return name && len && len < NAME_MAX_;
}


/**
 * Make a space of a bus
 *
 * @param busp Pointer to the space, a bus like any other
 * @param up   The bus that it is in, which may be a space itself; referenced
 * @param name Name of the space
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int bus_alloc_space(struct bus **busp, struct bus *up, const char *name)
{
	struct space *sp;
	int err;

	if (!busp || !up || !name || !bus_space_valid(name, strlen(name)))
		return EINVAL;

	sp = mem_zalloc(sizeof(*sp), destructor);
	if (!sp)
		return ENOMEM;

	sp->bus.ops   = &ops;
	sp->bus.state = bus_state(up);
	sp->bus.unstored = !bus_stores(up);
	sp->up = mem_ref(up);
	(void)re_snprintf(sp->prefix, sizeof(sp->prefix), "in.%s.", name);
	(void)re_snprintf(sp->bucket, sizeof(sp->bucket), "%s_", name);
	sp->prefixlen = strlen(sp->prefix);

	err  = bus_state_listen(&sp->lis, up, state_handler, sp);
	err |= bus_store_listen(&sp->storelis, up, store_handler, sp);
	if (err)
		mem_deref(sp);
	else
		*busp = &sp->bus;

	return err;
}


/**
 * The bus that a space is in
 *
 * @param bus Bus
 *
 * @return The bus (borrowed), or NULL if `bus` is no space
 */
struct bus *bus_space_up(struct bus *bus)
{
	return bus && bus->ops == &ops ? ((struct space *)bus)->up : NULL;
}
