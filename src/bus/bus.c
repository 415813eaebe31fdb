/**
 * @file bus.c  Publish, request, key-value: the same for every kind of bus
 */
#include <string.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/subject.h"


struct bus_listener {
	struct le le;
	struct bus *bus;           /* NULL once the bus is gone             */
	bus_state_h *h;            /* one of these                          */
	bus_store_h *storeh;
	void *arg;
};


static bool payload_valid(const uint8_t *buf, size_t len)
{
	return (buf || !len) && len <= BUS_PAYLOAD_MAX;
}


static bool key_valid(const char *bucket, const char *key)
{
	return subject_bucket_valid(bucket) && subject_key_valid(key);
}


/**
 * When something that is sent again and again has its next turn. All that has
 * the same interval has it at the same moment, in all processes of a machine:
 * to wake everybody up costs more than what is sent.
 *
 * @param interval Between two turns [ms]
 *
 * @return Time until then, 1..interval [ms]
 */
uint32_t bus_turn(uint32_t interval)
{
	return interval ? interval - (uint32_t)(tmr_jiffies() % interval) : 1;
}


/**
 * Tell everybody who listens to a subject
 *
 * @param bus     Bus
 * @param subject Subject without wildcards
 * @param buf     Message, copied
 * @param len     0..BUS_PAYLOAD_MAX [bytes]
 *
 * @return 0 if success; EINVAL; ENOBUFS if too much waits to be delivered;
 *         ENOTCONN if the bus is down
 */
int bus_publish(struct bus *bus, const char *subject,
		const uint8_t *buf, size_t len)
{
	if (!bus || !subject_valid(subject) || !payload_valid(buf, len))
		return EINVAL;

	return bus->ops->publish(bus, subject, buf, len);
}


/**
 * Listen to what is published and requested from now on
 *
 * @param subp    Pointer to the subscription, owned by the caller; mem_deref
 *                ends it, and no handler is called after that
 * @param bus     Bus
 * @param pattern Subject, may have wildcards
 * @param h       Message handler
 * @param arg     Handler argument
 *
 * @return 0 if success
 */
int bus_subscribe(struct bus_sub **subp, struct bus *bus,
		  const char *pattern, bus_msg_h *h, void *arg)
{
	if (!subp || !bus || !subject_pattern_valid(pattern) || !h)
		return EINVAL;

	return bus->ops->subscribe(subp, bus, pattern, h, arg);
}


/**
 * Ask whoever listens to a subject; the first reply counts
 *
 * @param reqp       Pointer to the request, or NULL if it need not be
 *                   cancelled. The request owns itself: *reqp becomes NULL
 *                   before the handler is called, so it must stay where it is;
 *                   mem_deref before that cancels
 * @param bus        Bus
 * @param subject    Subject without wildcards
 * @param buf        Message, copied
 * @param len        0..BUS_PAYLOAD_MAX [bytes]
 * @param timeout_ms Time limit, at least 1 [ms]
 * @param h          Called once unless cancelled
 * @param arg        Handler argument
 *
 * @return 0 if success; EINVAL; ENOBUFS
 */
int bus_request(struct bus_req **reqp, struct bus *bus,
		const char *subject, const uint8_t *buf, size_t len,
		uint32_t timeout_ms, bus_resp_h *h, void *arg)
{
	if (!bus || !subject_valid(subject) || !payload_valid(buf, len) ||
	    !timeout_ms || !h)
		return EINVAL;

	return bus->ops->request(reqp, bus, subject, buf, len, timeout_ms,
				 h, arg);
}


/**
 * Reply to a request
 *
 * @param reply From the message handler; released in any case
 * @param buf   Message, copied
 * @param len   0..BUS_PAYLOAD_MAX [bytes]
 *
 * @return 0 if success; ENOTCONN if nobody waits for it any more
 */
int bus_respond(struct bus_reply *reply, const uint8_t *buf, size_t len)
{
	int err;

	if (!reply)
		return EINVAL;

	if (payload_valid(buf, len))
		err = reply->respond(reply, buf, len);
	else
		err = EINVAL;

	mem_deref(reply);

	return err;
}


static int kv_put(struct bus_kvop **opp, struct bus *bus,
		  const struct bus_put *put, bus_kv_h *h, void *arg)
{
	if (!bus || !key_valid(put->bucket, put->key) ||
	    !payload_valid(put->buf, put->len))
		return EINVAL;

	return bus->ops->kv_put(opp, bus, put, h, arg);
}


/**
 * Store a value unless there is one already
 *
 * @param opp    Pointer to the operation or NULL, as in bus_request; to cancel
 *               means not to be told, the value may be stored all the same
 * @param bus    Bus
 * @param bucket One word
 * @param key    Key, see subject_key_valid
 * @param buf    Value, copied
 * @param len    0..BUS_PAYLOAD_MAX [bytes]
 * @param ttl_ms It is deleted after that time unless stored again, 0: never
 *               [ms]
 * @param h      Told the result, or NULL
 * @param arg    Handler argument
 *
 * @return 0 if success, the handler tells the rest; EINVAL; ENOBUFS
 */
int bus_kv_create(struct bus_kvop **opp, struct bus *bus,
		  const char *bucket, const char *key,
		  const uint8_t *buf, size_t len, uint32_t ttl_ms,
		  bus_kv_h *h, void *arg)
{
	const struct bus_put put = {
		BUS_KV_CREATE, bucket, key, 0, buf, len, ttl_ms
	};

	return kv_put(opp, bus, &put, h, arg);
}


/**
 * Store a value in the place of the one with a given revision
 *
 * @param opp    as bus_kv_create
 * @param bus    Bus
 * @param bucket One word
 * @param key    Key
 * @param rev    Revision that must be stored now
 * @param buf    Value, copied
 * @param len    0..BUS_PAYLOAD_MAX [bytes]
 * @param ttl_ms as bus_kv_create [ms]
 * @param h      Told the result, or NULL
 * @param arg    Handler argument
 *
 * @return as bus_kv_create
 */
int bus_kv_update(struct bus_kvop **opp, struct bus *bus,
		  const char *bucket, const char *key, uint64_t rev,
		  const uint8_t *buf, size_t len, uint32_t ttl_ms,
		  bus_kv_h *h, void *arg)
{
	const struct bus_put put = {
		BUS_KV_UPDATE, bucket, key, rev, buf, len, ttl_ms
	};

	return kv_put(opp, bus, &put, h, arg);
}


/**
 * Store a value whatever was there
 *
 * @param opp    as bus_kv_create
 * @param bus    Bus
 * @param bucket One word
 * @param key    Key
 * @param buf    Value, copied
 * @param len    0..BUS_PAYLOAD_MAX [bytes]
 * @param ttl_ms as bus_kv_create [ms]
 * @param h      Told the result, or NULL
 * @param arg    Handler argument
 *
 * @return as bus_kv_create
 */
int bus_kv_put(struct bus_kvop **opp, struct bus *bus,
	       const char *bucket, const char *key,
	       const uint8_t *buf, size_t len, uint32_t ttl_ms,
	       bus_kv_h *h, void *arg)
{
	const struct bus_put put = {
		BUS_KV_PUT, bucket, key, 0, buf, len, ttl_ms
	};

	return kv_put(opp, bus, &put, h, arg);
}


/**
 * Delete a value
 *
 * @param opp    as bus_kv_create
 * @param bus    Bus
 * @param bucket One word
 * @param key    Key
 * @param rev    Revision that must be stored now, 0: any
 * @param h      Told the result, or NULL
 * @param arg    Handler argument
 *
 * @return as bus_kv_create
 */
int bus_kv_delete(struct bus_kvop **opp, struct bus *bus,
		  const char *bucket, const char *key, uint64_t rev,
		  bus_kv_h *h, void *arg)
{
	if (!bus || !key_valid(bucket, key))
		return EINVAL;

	return bus->ops->kv_delete(opp, bus, bucket, key, rev, h, arg);
}


/**
 * Read a value
 *
 * @param opp    as bus_kv_create
 * @param bus    Bus
 * @param bucket One word
 * @param key    Key
 * @param h      Told the value
 * @param arg    Handler argument
 *
 * @return as bus_kv_create
 */
int bus_kv_get(struct bus_kvop **opp, struct bus *bus,
	       const char *bucket, const char *key, bus_kv_h *h, void *arg)
{
	if (!bus || !key_valid(bucket, key) || !h)
		return EINVAL;

	return bus->ops->kv_get(opp, bus, bucket, key, h, arg);
}


/**
 * Be told what is stored and every change of it
 *
 * @param wp      Pointer to the watch, owned by the caller; mem_deref ends it
 * @param bus     Bus
 * @param bucket  One word
 * @param pattern Keys, may have wildcards
 * @param h       Told every value, then key NULL, then every change
 * @param arg     Handler argument
 *
 * @return 0 if success
 */
int bus_kv_watch(struct bus_watch **wp, struct bus *bus,
		 const char *bucket, const char *pattern,
		 bus_watch_h *h, void *arg)
{
	if (!wp || !bus || !subject_bucket_valid(bucket) ||
	    !subject_pattern_valid(pattern) || !h)
		return EINVAL;

	return bus->ops->kv_watch(wp, bus, bucket, pattern, h, arg);
}


/**
 * Tell if others can be reached
 *
 * @param bus Bus
 *
 * @return State; a bus in memory is always up
 */
enum bus_state bus_state(const struct bus *bus)
{
	return bus ? bus->state : BUS_DOWN;
}


static void listener_destructor(void *arg)
{
	struct bus_listener *l = arg;

	if (l->bus && l->bus->listen_next == &l->le)
		l->bus->listen_next = l->le.next;

	list_unlink(&l->le);
}


static int listen_alloc(struct bus_listener **lp, struct bus *bus,
			bus_state_h *h, bus_store_h *storeh, void *arg)
{
	struct bus_listener *l;

	if (!lp || !bus || (!h && !storeh))
		return EINVAL;

	l = mem_zalloc(sizeof(*l), listener_destructor);
	if (!l)
		return ENOMEM;

	l->bus = bus;
	l->h   = h;
	l->storeh = storeh;
	l->arg = arg;
	list_append(&bus->listenl, &l->le, l);
	*lp = l;

	return 0;
}


/**
 * Be told when the bus goes up or down
 *
 * @param lp  Pointer to the listener, owned by the caller; mem_deref ends it
 * @param bus Bus
 * @param h   Told every change from now on
 * @param arg Handler argument
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int bus_state_listen(struct bus_listener **lp, struct bus *bus,
		     bus_state_h *h, void *arg)
{
	return listen_alloc(lp, bus, h, NULL, arg);
}


/**
 * Tell if the bus is known to store nothing at the moment, up as it may be
 *
 * @param bus Bus
 *
 * @return False if so
 */
bool bus_stores(const struct bus *bus)
{
	return bus && !bus->unstored;
}


/**
 * Be told when the bus stores nothing any more, and when it does again
 *
 * @param lp  Pointer to the listener, owned by the caller; mem_deref ends it
 * @param bus Bus
 * @param h   Told every change from now on
 * @param arg Handler argument
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int bus_store_listen(struct bus_listener **lp, struct bus *bus,
		     bus_store_h *h, void *arg)
{
	return listen_alloc(lp, bus, NULL, h, arg);
}


/**
 * The bus went up or down: tell everybody who listens
 *
 * @param bus   Bus, which its owner holds meanwhile
 * @param state State; nothing happens if it is that already
 */
void bus_state_set(struct bus *bus, enum bus_state state)
{
	struct le *le = list_head(&bus->listenl);

	if (bus->state == state)
		return;

	bus->state = state;
	while (le) {
		const struct bus_listener *l = le->data;

		bus->listen_next = le->next;
		if (l->h)
			l->h(state, l->arg);
		le = bus->listen_next;
	}
}


/**
 * What is stored is not confirmed any more, or is again: tell everybody who
 * listens
 *
 * @param bus    Bus, which its owner holds meanwhile
 * @param stores False if not; nothing happens if that is known
 */
void bus_store_set(struct bus *bus, bool stores)
{
	struct le *le = list_head(&bus->listenl);

	if (bus->unstored == !stores)
		return;

	bus->unstored = !stores;
	while (le) {
		const struct bus_listener *l = le->data;

		bus->listen_next = le->next;
		if (l->storeh)
			l->storeh(stores, l->arg);
		le = bus->listen_next;
	}
}


/**
 * A bus goes away under those who listen to its state
 *
 * @param bus Bus
 */
void bus_close(struct bus *bus)
{
	struct le *le;

	while ((le = list_head(&bus->listenl))) {
		struct bus_listener *l = le->data;

		list_unlink(le);
		l->bus = NULL;
	}
}


/**
 * Count what went over the bus
 *
 * @param bus   Bus
 * @param stats Filled in; zeros if the kind of bus does not count
 */
void bus_stats_get(const struct bus *bus, struct bus_stats *stats)
{
	if (!stats)
		return;

	memset(stats, 0, sizeof(*stats));
	if (bus && bus->ops->stats)
		bus->ops->stats(bus, stats);
}
