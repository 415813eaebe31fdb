/**
 * @file test_outage.c  The bus over NATS while nobody can reach the server
 *
 * It is not there yet, it is killed, it comes back with nothing; the network
 * is cut or deaf.
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


static void state_handler(enum bus_state state, void *arg)
{
	tell("%s %s", arg, state == BUS_UP ? "up" : "down");
}


START_TEST(test_later)
{
	struct bus_kvop *op;

	/* NATS is not there yet, and everything begins nevertheless */
	fix.nd.port = natsd_port_free();
	re_snprintf(fix.nd.url, sizeof(fix.nd.url), "nats://127.0.0.1:%u",
		    fix.nd.port);
	bus_make(&fix.near, fix.nd.url);
	ck_assert_int_eq(0, bus_state_listen(&fix.listener, fix.near,
					     state_handler, "bus"));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.near, "s",
					  msg_handler, "sub"));
	watch(fix.near);
	ck_assert_int_eq(ENOTCONN, publish(fix.near, "s", "lost"));
	ck_assert_int_eq(0, bus_request(NULL, fix.near, "s", NULL, 0, 5000,
					resp_handler, "resp"));
	told("");
	await("resp ENOTCONN -\n");

	ck_assert_int_eq(0, bus_kv_create(NULL, fix.near, "b", "k",
					  bytes("v"), 1, 0, kv_handler,
					  "create"));
	ck_assert_int_eq(0, bus_kv_get(&op, fix.near, "b", "k", kv_handler,
				       "cancelled"));
	mem_deref(op);
	loop_run(100);
	told("");

	natsd_start(&fix.nd);
	until(near_up);
	await_all((const char *const []){"bus up\n", "create 0 -\n",
		  "watch k v\n", "watch (all) -\n", NULL});

	ck_assert_int_eq(0, publish(fix.near, "s", "heard"));
	await("sub s heard\n");
}
END_TEST


/* What had waited too long has made room */
static bool put_fits(void)
{
	return !bus_kv_put(NULL, fix.near, "b", "k", NULL, 0, 0, NULL, NULL);
}


START_TEST(test_never)
{
	struct bus_nats_conf conf = {
		.url = "nats://127.0.0.1:1", .kv_timeout = 500
	};
	unsigned n = 0;
	uint8_t *big;
	uint64_t t0 = tmr_jiffies();
	int err = 0;

	bus_conf(&fix.near, &conf);
	get(fix.near, "k");
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "k", bytes("v"),
				       1, 0, NULL, NULL));
	await("get ENOTCONN -\n");
	ck_assert_uint_ge(tmr_jiffies() - t0, 450);

	/* what waits is bounded */
	big = mem_zalloc(BUS_PAYLOAD_MAX, NULL);
	while (!err && n < 1000) {
		err = bus_kv_put(NULL, fix.near, "b", "k", big,
				 BUS_PAYLOAD_MAX, 0, NULL, NULL);
		++n;
	}
	mem_deref(big);
	ck_assert_int_eq(ENOBUFS, err);
	ck_assert_uint_gt(n, 100);
	until(put_fits);

	/* it goes away at once, with everything under way */
	get(fix.near, "k");
	watch(fix.near);
	fix.near = mem_deref(fix.near);
	loop_run(50);
	told("");
}
END_TEST


static bool goes_gone(void)
{
	return told_has("watch goes -\n") && told_has("watch (all) -\n");
}


START_TEST(test_restart)
{
	/* the server is killed and comes back with what it had */
	near_make();
	put(fix.near, "stays", "1", 0);
	put(fix.near, "goes", "2", 0);
	watch(fix.near);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.near, "s",
					  msg_handler, "sub"));
	await("watch stays 1\nwatch goes 2\nwatch (all) -\n");

	ck_assert_int_eq(0, bus_request(NULL, fix.near, "s", bytes("?"), 1,
					5000, resp_handler, "resp"));
	await("sub s ? ?\n");
	natsd_stop(&fix.nd, SIGKILL);
	until(near_down);
	await("resp ECONNRESET -\n");

	/* waits for the server */
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.near, "b", "goes", 0,
					  NULL, NULL));
	loop_run(200);
	natsd_start(&fix.nd);
	until(near_up);
	until(goes_gone);
	ck_assert(!told_has("stays"));
	told_forget();

	ck_assert_int_eq(0, publish(fix.near, "s", "again"));
	await("sub s again\n");
	get(fix.near, "stays");
	get(fix.near, "goes");
	await("get 0 1\nget ENOENT -\n");
}
END_TEST


static void del(struct bus *bus, const char *key)
{
	ck_assert_int_eq(0, bus_kv_delete(NULL, bus, "b", key, 0, kv_handler,
					  "del"));
	await("del 0 -\n");
}


START_TEST(test_missed)
{
	/* what the others did while we were cut off is told afterwards */
	pair_make(0);
	put(fix.near, "same", "1", 0);
	put(fix.near, "changed", "2", 0);
	put(fix.near, "deleted", "3", 0);
	put(fix.near, "again", "4", 0);
	watch(fix.far);
	await("watch same 1\nwatch changed 2\nwatch deleted 3\n"
	      "watch again 4\nwatch (all) -\n");

	relay_cut(&fix.relay);
	until(far_down);
	put(fix.near, "changed", "2b", 0);
	del(fix.near, "deleted");
	del(fix.near, "again");
	put(fix.near, "again", "4b", 0);
	put(fix.near, "new", "5", 0);
	put(fix.near, "brief", "6", 0);
	del(fix.near, "brief");
	loop_run(200);
	told("");

	relay_mend(&fix.relay);
	until(far_up);
	await("watch changed 2b\nwatch deleted -\nwatch again 4b\n"
	      "watch new 5\nwatch (all) -\n");

	/* and goes on */
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "new",
				       bytes("5b"), 2, 0, NULL, NULL));
	await("watch new 5b\n");
}
END_TEST


START_TEST(test_stalled)
{
	/* nothing comes through, and no connection breaks */
	pair_make(0);
	put(fix.near, "k", "1", 0);
	watch(fix.far);
	await("watch k 1\nwatch (all) -\n");

	relay_stall(&fix.relay, true);
	ck_assert_int_eq(0, bus_request(NULL, fix.far, "nobody", NULL, 0, 300,
					resp_handler, "resp"));
	await("resp ETIMEDOUT -\n");
	put(fix.near, "k", "2", 0);
	until(far_down);
	put(fix.near, "k", "3", 0);

	/* nobody gets through before all is as it should be */
	relay_cut(&fix.relay);
	relay_stall(&fix.relay, false);
	relay_mend(&fix.relay);
	until(far_up);
	await("watch k 3\nwatch (all) -\n");
}
END_TEST


START_TEST(test_wiped)
{
	/* the server comes back with nothing */
	near_make();
	put(fix.near, "a", "1", 0);
	put(fix.near, "b", "2", 0);
	watch(fix.near);
	await("watch a 1\nwatch b 2\nwatch (all) -\n");

	natsd_stop(&fix.nd, SIGKILL);
	until(near_down);
	natsd_wipe(&fix.nd);
	natsd_start(&fix.nd);
	until(near_up);
	await_all((const char *const []){"watch a -\n", "watch b -\n",
		  "watch (all) -\n", NULL});

	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "a", bytes("3"),
				       1, 0, NULL, NULL));
	await("watch a 3\n");
}
END_TEST


START_TEST(test_ttl_reconnect)
{
	enum { LIFE = 4000 };
	uint64_t begin;

	pair_make(0);
	put(fix.near, "stays", "0", 0);
	watch(fix.far);
	await("watch stays 0\nwatch (all) -\n");
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "kept",
				       bytes("1"), 1, LIFE, NULL, NULL));
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "dead",
				       bytes("2"), 1, LIFE, NULL, NULL));
	begin = tmr_jiffies();
	await_all((const char *const []){"watch kept 1\n", "watch dead 2\n",
		  NULL});

	/* nothing expires while we cannot know */
	relay_cut(&fix.relay);
	until(far_down);
	put(fix.near, "kept", "1b", 10 * LIFE);
	while (tmr_jiffies() < begin + LIFE + 500)
		loop_run(100);
	told("");

	/* it is not told again, and gets its time anew */
	relay_mend(&fix.relay);
	until(far_up);
	await("watch kept 1b\nwatch (all) -\n");
	begin = tmr_jiffies();
	await("watch dead -\n");
	ck_assert_uint_ge(tmr_jiffies() - begin, LIFE / 2);

	/* for others it expired long ago */
	get(fix.near, "dead");
	await("get ENOENT -\n");
	mem_deref(fix.watch);
	watch(fix.near);
	await("watch stays 0\nwatch kept 1b\nwatch (all) -\n");
}
END_TEST


START_TEST(test_ttl_restart)
{
	/* age counts while the server is away */
	near_make();
	put(fix.near, "long", "1", 600000);
	put(fix.near, "short", "2", 1000);
	natsd_stop(&fix.nd, SIGKILL);
	until(near_down);
	loop_run(1000);
	natsd_start(&fix.nd);
	until(near_up);
	get(fix.near, "short");
	await("get ENOENT -\n");
	get(fix.near, "long");
	await("get 0 1\n");
	watch(fix.near);
	await("watch long 1\nwatch (all) -\n");
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.near, "b", "short",
					  bytes("3"), 1, 0, kv_handler,
					  "create"));
	await_all((const char *const []){"create 0 -\n", "watch short 3\n",
		  NULL});
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.near, "b", "long",
					  bytes("4"), 1, 0, kv_handler,
					  "create"));
	await("create EEXIST 1\n");
}
END_TEST


int main(void)
{
	TCase *tc = pair_case("outage");

	tcase_add_test(tc, test_later);
	tcase_add_test(tc, test_never);
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_missed);
	tcase_add_test(tc, test_stalled);
	tcase_add_test(tc, test_wiped);
	tcase_add_test(tc, test_ttl_reconnect);
	tcase_add_test(tc, test_ttl_restart);

	return natsd_run("outage", tc);
}
