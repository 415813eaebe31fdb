/**
 * @file seats_bus.c  What is on the bus, and what usage records say
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/command.h"
#include "bus/bus.h"
#include "noc/seal.h"
#include "noc/seat.h"
#include "seats.h"


struct kept {
	unsigned n;
	char server[CALLERS_MAX][64];
	bool done;
};


static void kept_h(const char *k, uint64_t rev, const uint8_t *buf,
		   size_t len, void *arg)
{
	struct kept *kp = arg;
	struct odict *od = NULL;
	char place[300];

	(void)rev;
	if (!k) {
		kp->done = true;
		return;
	}
	if (!buf || kp->done)
		return;

	(void)re_snprintf(place, sizeof place, "seats/%s", k);
	if (seal_open(&od, seats_key, place, buf, len)) {
		(void)re_snprintf(place, sizeof place, "rooms/%s", k);
		ck_assert_int_eq(0, seal_open(&od, seats_key, place, buf,
					      len));
	}
	ck_assert_uint_lt(kp->n, CALLERS_MAX);
	str_ncpy(kp->server[kp->n++], odict_string(od, "server"), 64);
	mem_deref(od);
}


static bool kept_done(void *arg)
{
	return ((const struct kept *)arg)->done;
}


static void kept_get(struct kept *kp, const char *bucket)
{
	struct bus_watch *w;

	memset(kp, 0, sizeof *kp);
	ck_assert_int_eq(0, bus_kv_watch(&w, farm.inner, bucket, ">",
					 kept_h, kp));
	ck_assert(farm_wait(kept_done, kp, LIMIT_MS));
	mem_deref(w);
}


static bool kept_match(const struct kept *kp, const char *server, unsigned n)
{
	for (unsigned i = 0; i < n && i < kp->n; i++)
		if (strcmp(server, kp->server[i]))
			return false;

	return kp->n == n;
}


void kept_are(const char *bucket, const char *server, unsigned n)
{
	const uint64_t until = tmr_jiffies() + LIMIT_MS;
	static struct kept kp;

	for (;;) {
		kept_get(&kp, bucket);
		if (kept_match(&kp, server, n))
			return;

		ck_assert_msg(tmr_jiffies() < until, "%u %s, of '%s'", kp.n,
			      bucket, kp.n ? kp.server[0] : "");
		farm_nap(20);
	}
}


struct got {
	uint8_t buf[16384];
	size_t len;
	bool done;
};


static void got_h(int err, uint64_t rev, const uint8_t *buf, size_t len,
		  void *arg)
{
	struct got *got = arg;

	(void)rev;
	got->done = true;
	if (err)
		return;

	ck_assert_uint_le(len, sizeof got->buf);
	memcpy(got->buf, buf, len);
	got->len = len;
}


static bool got_done(void *arg)
{
	return ((const struct got *)arg)->done;
}


/* What is on the bus, opened; NULL: nothing */
struct odict *bus_object(const char *bucket, const char *k)
{
	static struct got got;
	struct bus_kvop *op = NULL;
	struct odict *od = NULL;
	char place[310];

	memset(&got, 0, sizeof got);
	ck_assert_int_eq(0, bus_kv_get(&op, farm.inner, bucket, k, got_h,
				       &got));
	ck_assert(farm_wait(got_done, &got, LIMIT_MS));
	if (!got.len)
		return NULL;

	(void)re_snprintf(place, sizeof place, "%s/%s", bucket, k);
	ck_assert_int_eq(0, seal_open(&od, seats_key, place, got.buf,
				      got.len));

	return od;
}


static void usage_h(int err, const char *reason, const struct odict *result,
		    void *arg)
{
	(void)reason;
	ck_assert_int_eq(0, err);
	*(struct odict **)arg = mem_ref((void *)result);
}


/* Records of a server: how many, and how many of them are closed. */
static unsigned usage_count(unsigned ix, unsigned *closed)
{
	struct odict *args, *res = NULL;
	const struct odict_entry *recs;
	struct le *le;
	unsigned n = 0;

	*closed = 0;
	ck_assert_int_eq(0, odict_alloc(&args, 4));
	ck_assert_int_eq(0, command_run(server_commands(callers.srvv[ix]),
					"usage", args, usage_h, &res));
	mem_deref(args);
	recs = odict_get_type(res, ODICT_ARRAY, "records");
	ck_assert_ptr_nonnull(recs);
	LIST_FOREACH(&recs->u.odict->lst, le) {
		const struct odict_entry *e = le->data;
		uint64_t left;

		++n;
		*closed += odict_get_number(e->u.odict, &left, "leave_time");
	}
	mem_deref(res);

	return n;
}


struct usage_want {
	unsigned ix, records, closed;
};


static bool usage_match(void *arg)
{
	const struct usage_want *uw = arg;
	unsigned closed;

	return usage_count(uw->ix, &closed) == uw->records &&
		closed == uw->closed;
}


void usage_are(unsigned ix, unsigned records, unsigned closed)
{
	struct usage_want uw = {ix, records, closed};
	unsigned n;

	if (farm_wait(usage_match, &uw, LIMIT_MS))
		return;

	n = usage_count(ix, &closed);
	ck_abort_msg("server %u: %u records, %u closed", ix, n, closed);
}
