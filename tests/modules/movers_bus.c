/**
 * @file movers_bus.c  A server's way to the bus that can be cut
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/ops.h"
#include "movers.h"


struct way {
	struct bus bus;            /* first                                 */
	struct bus *inner;
	bool cut;
	bool hushed;               /* it does not tell what is left there   */
	bool unanswered;           /* requests arrive, answers do not       */
};

/* A request whose answer is lost */
struct lost {
	struct bus_req *inner;
	bus_resp_h *h;
	void *arg;
};

/* A subscription that hears nothing while the way is cut. */
struct sub {
	struct way *way;
	struct bus_sub *inner;
	bus_msg_h *h;
	void *arg;
};


static struct way *way_of(struct bus *bus)
{
	return (struct way *)bus;
}


static int publish(struct bus *bus, const char *subject, const uint8_t *buf,
		   size_t len)
{
	struct way *w = way_of(bus);

	if (w->hushed && !strcmp(subject, "noc.capacity"))
		return 0;

	return w->cut ? ENOTCONN : bus_publish(w->inner, subject, buf, len);
}


static void sub_destructor(void *arg)
{
	struct sub *s = arg;

	mem_deref(s->inner);
	mem_deref(s->way);
}


static void msg_handler(const char *subject, const uint8_t *buf, size_t len,
			struct bus_reply *reply, void *arg)
{
	struct sub *s = arg;

	if (s->way->cut)
		mem_deref(reply);
	else
		s->h(subject, buf, len, reply, s->arg);
}


static int subscribe(struct bus_sub **subp, struct bus *bus,
		     const char *pattern, bus_msg_h *h, void *arg)
{
	struct sub *s = mem_zalloc(sizeof(*s), sub_destructor);
	int err;

	if (!s)
		return ENOMEM;

	s->way = mem_ref(way_of(bus));
	s->h = h;
	s->arg = arg;
	err = bus_subscribe(&s->inner, s->way->inner, pattern, msg_handler,
			    s);
	if (err)
		mem_deref(s);
	else
		*subp = (struct bus_sub *)s;

	return err;
}


static void lost_destructor(void *arg)
{
	struct lost *l = arg;

	mem_deref(l->inner);
}


static void lost_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct lost *l = arg;
	(void)err;
	(void)buf;
	(void)len;

	l->h(ETIMEDOUT, NULL, 0, l->arg);
}


static int request_lost(struct bus_req **reqp, struct way *w,
			const char *subject, const uint8_t *buf, size_t len,
			uint32_t timeout_ms, bus_resp_h *h, void *arg)
{
	struct lost *l = mem_zalloc(sizeof(*l), lost_destructor);
	int err;

	if (!l)
		return ENOMEM;

	l->h = h;
	l->arg = arg;
	err = bus_request(&l->inner, w->inner, subject, buf, len, timeout_ms,
			  lost_handler, l);
	if (err)
		mem_deref(l);
	else
		*reqp = (struct bus_req *)l;

	return err;
}


static int request(struct bus_req **reqp, struct bus *bus,
		   const char *subject, const uint8_t *buf, size_t len,
		   uint32_t timeout_ms, bus_resp_h *h, void *arg)
{
	struct way *w = way_of(bus);

	if (w->unanswered && reqp)
		return request_lost(reqp, w, subject, buf, len, timeout_ms, h,
				    arg);

	return w->cut ? ENOTCONN : bus_request(reqp, w->inner, subject, buf,
					       len, timeout_ms, h, arg);
}


static int kv_put(struct bus_kvop **opp, struct bus *bus,
		  const struct bus_put *put, bus_kv_h *h, void *arg)
{
	struct way *w = way_of(bus);

	if (w->hushed && !strcmp(put->bucket, "servers"))
		return ENOTCONN;

	return w->cut ? ENOTCONN : w->inner->ops->kv_put(opp, w->inner, put,
							 h, arg);
}


static int kv_delete(struct bus_kvop **opp, struct bus *bus,
		     const char *bucket, const char *key, uint64_t rev,
		     bus_kv_h *h, void *arg)
{
	struct way *w = way_of(bus);

	return w->cut ? ENOTCONN : bus_kv_delete(opp, w->inner, bucket, key,
						 rev, h, arg);
}


static int kv_get(struct bus_kvop **opp, struct bus *bus, const char *bucket,
		  const char *key, bus_kv_h *h, void *arg)
{
	struct way *w = way_of(bus);

	return w->cut ? ENOTCONN : bus_kv_get(opp, w->inner, bucket, key, h,
					      arg);
}


static int kv_watch(struct bus_watch **wp, struct bus *bus,
		    const char *bucket, const char *pattern, bus_watch_h *h,
		    void *arg)
{
	struct way *w = way_of(bus);

	return w->cut ? ENOTCONN : bus_kv_watch(wp, w->inner, bucket,
						pattern, h, arg);
}


static void way_destructor(void *arg)
{
	struct way *w = arg;

	mem_deref(w->inner);
}


/**
 * Make a way to a bus
 *
 * @param inner Bus
 *
 * @return A bus, owned by the caller
 */
struct bus *way_alloc(struct bus *inner)
{
	static const struct bus_ops ops = {
		.publish = publish, .subscribe = subscribe,
		.request = request, .kv_put = kv_put, .kv_delete = kv_delete,
		.kv_get = kv_get, .kv_watch = kv_watch,
	};
	struct way *w = mem_zalloc(sizeof(*w), way_destructor);

	ck_assert_ptr_nonnull(w);
	w->bus.ops = &ops;
	w->inner = mem_ref(inner);
	w->hushed = movers.hush;

	return &w->bus;
}


/**
 * Cut a way, or mend it
 *
 * @param bus Made by way_alloc
 * @param on  True: nothing is heard or said any more
 */
void way_cut(struct bus *bus, bool on)
{
	way_of(bus)->cut = on;
}


/**
 * Lose the answers to what is asked by a way from now on, or no longer
 *
 * @param bus Made by way_alloc
 * @param on  True: who asks is told that nobody answered in time
 */
void way_unanswered(struct bus *bus, bool on)
{
	way_of(bus)->unanswered = on;
}


/**
 * Say that a way works, to those who ask
 *
 * @param bus Made by way_alloc
 */
void way_up(struct bus *bus)
{
	bus->state = BUS_UP;
}
