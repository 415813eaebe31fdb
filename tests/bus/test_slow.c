/**
 * @file test_slow.c  The bus over NATS when the network is slow, the server
 *                    takes nothing, or there is much to carry
 */
#define _GNU_SOURCE 1
#include <signal.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "loop.h"
#include "told.h"
#include "pair.h"
#include "../suite.h"


static void echo_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	(void)subject;
	(void)arg;
	(void)bus_respond(reply, buf, len);
}


static void many_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	(void)rev;
	(void)buf;
	(void)len;
	(void)arg;
	ck_assert_int_eq(0, err);
	if (++fix.n == 3000)
		re_cancel();
}


/* A request of its own comes back, so the server knows its subscription */
static bool near_hears(void)
{
	static bool asked, heard;

	if (told_has("self 0 x")) {
		told_forget();
		heard = true;
	}
	if (!asked)
		(void)bus_request(NULL, fix.near, "q", bytes("x"), 1, 30000,
				  resp_handler, "self");
	asked = true;

	return heard;
}


START_TEST(test_slow)
{
	unsigned i;

	/* 200 ms each way: slow, but thousands are under way at once */
	pair_make(200);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.near, "q",
					  echo_handler, NULL));
	until(near_hears);
	ck_assert_int_eq(0, bus_request(NULL, fix.far, "q", bytes("x"), 1,
					30000, resp_handler, "resp"));
	await("resp 0 x\n");
	ck_assert_int_eq(0, bus_request(NULL, fix.far, "nobody", NULL, 0,
					30000, resp_handler, "none"));
	await("none ENOENT -\n");

	/* one after the other they would take twenty minutes */
	put(fix.far, "first", "x", 0);
	for (i=0; i<3000; i++) {
		char key[32];

		re_snprintf(key, sizeof(key), "k.%u", i);
		ck_assert_int_eq(0, bus_kv_create(NULL, fix.far, "b", key,
						  (uint8_t *)&i, 4, 0,
						  many_handler, NULL));
	}
	loop_run(LIMIT_MS);
	ck_assert_uint_eq(3000, fix.n);

	/* who is slow loses against who is fast, and hears of it */
	relay_stall(&fix.relay, true);
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.far, "b", "race",
					  bytes("far"), 3, 0, kv_handler,
					  "far"));
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.near, "b", "race",
					  bytes("near"), 4, 0, kv_handler,
					  "near"));
	await("near 0 -\n");
	relay_stall(&fix.relay, false);
	await("far EEXIST near\n");
}
END_TEST


START_TEST(test_reply_lost)
{
	/* it was stored, and the word of it did not come through */
	pair_make(0);
	put(fix.far, "first", "x", 0);
	watch(fix.near);
	await("watch first x\nwatch (all) -\n");
	relay_mute(&fix.relay, true);
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.far, "b", "k",
					  bytes("v"), 1, 0, kv_handler,
					  "create"));
	await("watch k v\n");
	relay_cut(&fix.relay);
	until(far_down);
	relay_mute(&fix.relay, false);
	relay_mend(&fix.relay);
	await("create 0 -\n");
	ck_assert_int_eq(0, bus_kv_update(NULL, fix.far, "b", "k", kv_rev(),
					  bytes("w"), 1, 0, kv_handler,
					  "update"));
	await_all((const char *const []){"update 0 -\n", "watch k w\n",
		  NULL});
}
END_TEST


START_TEST(test_flood)
{
	static uint8_t buf[1024];
	struct bus_stats st;
	unsigned n = 0;
	int err = 0;

	/* the server takes nothing more: we do not, either, and nobody waits
	   for it: that would end when it is given up, with ENOTCONN */
	near_make();
	ck_assert_int_eq(0, kill(fix.nd.pid, SIGSTOP));

	while (n < 200000 && !err) {
		err = bus_publish(fix.near, "flood", buf, sizeof(buf));
		++n;
	}
	ck_assert_int_eq(ENOBUFS, err);
	ck_assert_uint_gt(n, 10000);
	ck_assert_uint_lt(n, 70000);
	bus_stats_get(fix.near, &st);
	ck_assert_uint_eq(1, st.refused);
	ck_assert_uint_gt(st.waiting, 10000);

	/* it is given up, and found again */
	until(near_down);
	ck_assert_int_eq(ENOTCONN, publish(fix.near, "flood", "x"));
	ck_assert_int_eq(0, kill(fix.nd.pid, SIGCONT));
	until(near_up);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.near, "s",
					  msg_handler, "sub"));
	ck_assert_int_eq(0, publish(fix.near, "s", "x"));
	await("sub s x\n");
	bus_stats_get(fix.near, &st);
	ck_assert_uint_eq(2, st.refused);
	ck_assert_uint_eq(2, st.connects);
}
END_TEST


static void big_handler(const char *key, uint64_t rev, const uint8_t *buf,
			size_t len, void *arg)
{
	(void)rev;
	(void)buf;
	(void)arg;
	if (!key) {
		re_cancel();
		return;
	}
	ck_assert_uint_eq(BUS_PAYLOAD_MAX, len);
	++fix.n;
}


START_TEST(test_big)
{
	uint8_t *buf = mem_zalloc(BUS_PAYLOAD_MAX, NULL);
	char key[16];
	unsigned i;

	/* a main thread that does not look drowns nobody */
	near_make();
	for (i=0; i<100; i++) {
		re_snprintf(key, sizeof(key), "k%u", i);
		ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", key, buf,
					       BUS_PAYLOAD_MAX, 0, kv_handler,
					       "put"));
		await("put 0 -\n");
	}
	mem_deref(buf);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.near, "b", ">",
					 big_handler, NULL));
	loop_run(1);
	sys_msleep(1500);
	loop_run(LIMIT_MS);
	ck_assert_uint_eq(100, fix.n);
}
END_TEST


int main(void)
{
	TCase *tc = pair_case("slow");

	tcase_add_test(tc, test_slow);
	tcase_add_test(tc, test_reply_lost);
	tcase_add_test(tc, test_flood);
	tcase_add_test(tc, test_big);

	return natsd_run("slow", tc);
}
