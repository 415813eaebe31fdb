/**
 * @file test_quorum.c  The bus while a cluster of NATS has lost its quorum
 *
 * Two of three servers die. The connection to the third one stands, and what
 * is published goes through.
 */
#include <string.h>
#include <signal.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "natsd.h"
#include "loop.h"


enum {
	LIMIT_MS = 180000,
	RENEW_MS = 500,
	TTL_MS   = 10000,
};

static struct fixture {
	struct natsd nodev[NATSD_CLUSTER];
	struct bus *bus;
	struct bus_listener *lis;
	struct bus_watch *watch;
	struct bus_sub *sub;
	struct tmr renew, wait;
	unsigned lost, back;       /* told that it stores nothing, again    */
	unsigned told, gone;
	unsigned heard;
	bool waited;
} fix;


static void setup(void)
{
	memset(&fix, 0, sizeof(fix));
	ck_assert_int_eq(0, libre_init());
}


static void teardown(void)
{
	unsigned i;

	tmr_cancel(&fix.renew);
	tmr_cancel(&fix.wait);
	mem_deref(fix.watch);
	mem_deref(fix.sub);
	mem_deref(fix.lis);
	mem_deref(fix.bus);
	for (i=0; i<NATSD_CLUSTER; i++)
		natsd_close(&fix.nodev[i]);
	libre_close();
}


static void until(bool (*done)(void))
{
	ck_assert(loop_until(done, LIMIT_MS));
}


static void store_handler(bool stores, void *arg)
{
	(void)arg;
	if (stores)
		++fix.back;
	else
		++fix.lost;
}


static void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	(void)rev;
	(void)len;
	(void)arg;
	if (key && buf)
		++fix.told;
	else if (key)
		++fix.gone;
}


static void renew_handler(void *arg)
{
	(void)arg;
	(void)bus_kv_put(NULL, fix.bus, "b", "k", (const uint8_t *)"v", 1,
			 TTL_MS, NULL, NULL);
	tmr_start(&fix.renew, RENEW_MS, renew_handler, NULL);
}


static void wait_handler(void *arg)
{
	(void)arg;
	fix.waited = true;
}


static void msg_handler(const char *subject, const uint8_t *buf, size_t len,
			struct bus_reply *reply, void *arg)
{
	(void)subject;
	(void)buf;
	(void)len;
	(void)arg;
	++fix.heard;
	mem_deref(reply);
}


static bool is_up(void)
{
	return bus_state(fix.bus) == BUS_UP;
}


static bool is_told(void)
{
	return fix.told;
}


static bool is_lost(void)
{
	return fix.lost && !bus_stores(fix.bus);
}


static bool has_waited(void)
{
	return fix.waited;
}


static bool is_heard(void)
{
	return fix.heard;
}


static bool is_back(void)
{
	return fix.back && bus_stores(fix.bus);
}


START_TEST(test_quorum)
{
	struct bus_nats_conf conf = { .replicas = 3 };
	const char *wrong;

	natsd_cluster_start(fix.nodev);
	conf.url = fix.nodev[0].url;
	ck_assert_int_eq(0, bus_alloc_nats(&fix.bus, &conf, &wrong));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "s", msg_handler,
					  NULL));
	until(is_up);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 watch_handler, NULL));
	renew_handler(NULL);
	until(is_told);
	ck_assert_int_eq(0, bus_store_listen(&fix.lis, fix.bus, store_handler,
					     NULL));

	natsd_stop(&fix.nodev[1], SIGKILL);
	natsd_stop(&fix.nodev[2], SIGKILL);
	until(is_lost);

	/* nobody can renew anything: it does not expire */
	tmr_start(&fix.wait, TTL_MS + 2000, wait_handler, NULL);
	until(has_waited);
	ck_assert_int_eq(BUS_UP, bus_state(fix.bus));
	ck_assert(!bus_stores(fix.bus));
	ck_assert_int_eq(0, bus_publish(fix.bus, "s", NULL, 0));
	until(is_heard);
	ck_assert_uint_eq(0, fix.gone);

	natsd_start(&fix.nodev[1]);
	until(is_back);
	fix.told = 0;
	until(is_told);
	ck_assert_uint_eq(0, fix.gone);

	/* and when it is renewed no more, it does, as always */
	tmr_cancel(&fix.renew);
	fix.told = 0;
	while (!fix.gone)
		loop_run(100);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("quorum");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, test_quorum);

	return natsd_run("quorum", tc);
}
