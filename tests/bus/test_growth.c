/**
 * @file test_growth.c  What NATS stores is what there is, and no more
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "loop.h"
#include "told.h"
#include "pair.h"
#include "../suite.h"


static uint64_t messages;


static void info_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	const struct odict_entry *e;
	struct odict *od = NULL;
	(void)arg;

	ck_assert_int_eq(0, err);
	ck_assert_int_eq(0, json_decode_odict(&od, 8, (const char *)buf, len,
					      8));
	e = odict_lookup(od, "state");
	ck_assert_ptr_nonnull(e);
	ck_assert(odict_get_number(e->u.odict, &messages, "messages"));
	mem_deref(od);
	re_cancel();
}


/* What really is stored in the bucket */
static uint64_t stored(struct bus *bus)
{
	messages = 0;
	ck_assert_int_eq(0, bus_request(NULL, bus, "$JS.API.STREAM.INFO.KV_b",
					NULL, 0, 5000, info_handler, NULL));
	loop_run(LIMIT_MS);

	return messages;
}


static void nothing_handler(int err, uint64_t rev, const uint8_t *buf,
			    size_t len, void *arg)
{
	(void)err;
	(void)rev;
	(void)buf;
	(void)len;
	(void)arg;
	++fix.n;
}


static bool all_deleted(void)
{
	return fix.n >= 100;
}


/* Waits until little more is stored than what there is */
static void await_few(struct bus *bus)
{
	const uint64_t end = tmr_jiffies() + LIMIT_MS;
	uint64_t n;

	while ((n = stored(bus)) > 4 && tmr_jiffies() < end)
		loop_run(200);
	ck_assert_uint_le(n, 4);
}


/* Who deletes removes the mark. */
static void few_deleted(void)
{
	char key[16];
	unsigned i;

	for (i=0; i<100; i++) {
		re_snprintf(key, sizeof(key), "k%u", i);
		ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", key, NULL,
					       0, 0, NULL, NULL));
		ck_assert_int_eq(0, bus_kv_delete(NULL, fix.near, "b", key, 0,
						  nothing_handler, NULL));
	}
	until(all_deleted);
	await_few(fix.near);
}


/* Who watches removes what has expired. */
static void few_expired(void)
{
	watch(fix.near);
	await("watch stays 1\nwatch lives 1\nwatch (all) -\n");
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "short", NULL, 0,
				       1000, NULL, NULL));
	await("watch short \nwatch short -\n");
	await_few(fix.near);
	fix.watch = mem_deref(fix.watch);
}


/* Half of it is deleted, half of it expires, and its owner dies. */
static void leave_all(void)
{
	char key[16];
	unsigned i;

	for (i=0; i<100; i++) {
		re_snprintf(key, sizeof(key), "k%u", i);
		ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", key, NULL,
					       0, i & 1 ? 300 : 0, NULL,
					       NULL));
		if (i & 1)
			continue;
		ck_assert_int_eq(0, bus_kv_delete(NULL, fix.near, "b", key, 0,
						  nothing_handler, NULL));
	}
	fix.n = 50;
	until(all_deleted);
	fix.near = mem_deref(fix.near);
}


START_TEST(test_growth)
{
	struct bus_nats_conf conf = { .mark_life = 400, .kv_timeout = KV_MS };

	natsd_start(&fix.nd);
	conf.url = fix.nd.url;
	bus_conf(&fix.near, &conf);
	until(near_up);
	put(fix.near, "stays", "1", 0);
	put(fix.near, "lives", "1", 60000);

	few_deleted();
	few_expired();
	leave_all();

	/* of those who died somebody removes it */
	bus_conf(&fix.far, &conf);
	until(far_up);
	get(fix.far, "stays");
	await("get 0 1\n");
	await_few(fix.far);
	get(fix.far, "lives");
	await("get 0 1\n");
}
END_TEST


int main(void)
{
	TCase *tc = pair_case("growth");

	tcase_add_test(tc, test_growth);

	return natsd_run("growth", tc);
}
