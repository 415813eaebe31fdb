/**
 * @file pair.c  Two members of one bus over NATS; one is behind a relay
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "loop.h"
#include "told.h"
#include "pair.h"


struct pair fix;


static void setup(void)
{
	memset(&fix, 0, sizeof(fix));
	ck_assert_int_eq(0, libre_init());
	told_begin();
}


static void teardown(void)
{
	mem_deref(fix.watch);
	mem_deref(fix.sub);
	mem_deref(fix.listener);
	mem_deref(fix.near);
	mem_deref(fix.far);
	told_end();
	relay_stop(&fix.relay);
	natsd_close(&fix.nd);
	libre_close();
}


/**
 * Make a case whose tests find the fixture prepared, and a main loop
 *
 * @param name Of the case
 *
 * @return The case, for natsd_run
 */
TCase *pair_case(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);

	return tc;
}


bool near_up(void)
{
	return bus_state(fix.near) == BUS_UP;
}


bool near_down(void)
{
	return bus_state(fix.near) == BUS_DOWN;
}


bool far_up(void)
{
	return bus_state(fix.far) == BUS_UP;
}


bool far_down(void)
{
	return bus_state(fix.far) == BUS_DOWN;
}


void bus_conf(struct bus **busp, const struct bus_nats_conf *conf)
{
	const char *wrong = NULL;

	ck_assert_int_eq(0, bus_alloc_nats(busp, conf, &wrong));
}


void bus_make(struct bus **busp, const char *url)
{
	const struct bus_nats_conf conf = { .url = url, .kv_timeout = KV_MS };

	bus_conf(busp, &conf);
}


/* One server, and one member */
void near_make(void)
{
	natsd_start(&fix.nd);
	bus_make(&fix.near, fix.nd.url);
	until(near_up);
}


/* One server, both connected */
void pair_make(unsigned delay_ms)
{
	natsd_start(&fix.nd);
	relay_start(&fix.relay, fix.nd.port, delay_ms);
	bus_make(&fix.near, fix.nd.url);
	bus_make(&fix.far, fix.relay.url);
	until(near_up);
	until(far_up);
}


void put(struct bus *bus, const char *key, const char *val,
	 uint32_t ttl)
{
	ck_assert_int_eq(0, bus_kv_put(NULL, bus, "b", key, bytes(val),
				       strlen(val), ttl, kv_handler, "put"));
	await("put 0 -\n");
}


void get(struct bus *bus, const char *key)
{
	ck_assert_int_eq(0, bus_kv_get(NULL, bus, "b", key, kv_handler,
				       "get"));
}


int publish(struct bus *bus, const char *subject, const char *val)
{
	return bus_publish(bus, subject, bytes(val), strlen(val));
}


void watch(struct bus *bus)
{
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, bus, "b", ">",
					 watch_handler, "watch"));
}
