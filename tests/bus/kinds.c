/**
 * @file kinds.c  Every kind of bus, for tests of what all of them must do
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "loop.h"
#include "told.h"
#include "kinds.h"


typedef int (factory_h)(struct bus **busp);

struct kinds fix;


static bool is_up(void)
{
	return bus_state(fix.bus) == BUS_UP;
}


static int nats_alloc(struct bus **busp)
{
	struct bus_nats_conf conf = {
		.url = fix.natsd.url, .kv_timeout = LIMIT_MS
	};
	const char *wrong;
	int err;

	if (!fix.natsd.pid)
		natsd_start(&fix.natsd);

	err = bus_alloc_nats(busp, &conf, &wrong);
	if (!err)
		ck_assert(loop_until(is_up, LIMIT_MS));

	return err;
}


/* A space inside another one, in memory */
static int space_alloc(struct bus **busp)
{
	struct bus *outer = NULL, *middle = NULL;
	int err;

	err = bus_alloc_memory(&outer);
	if (!err)
		err = bus_alloc_space(&middle, outer, "b1");
	if (!err)
		err = bus_alloc_space(busp, middle, "x-2");
	mem_deref(middle);
	mem_deref(outer);

	return err;
}


static factory_h *const factoryv[] = {
	bus_alloc_memory,
	space_alloc,
	nats_alloc,
};


static void setup(void)
{
	memset(&fix, 0, sizeof(fix));
	ck_assert_int_eq(0, libre_init());
	told_begin();
}


static void teardown(void)
{
	fix.sub = mem_deref(fix.sub);
	fix.watch = mem_deref(fix.watch);
	fix.reply = mem_deref(fix.reply);
	fix.bus = mem_deref(fix.bus);
	told_end();
	natsd_close(&fix.natsd);
	libre_close();
}


/**
 * Make a case whose tests find the fixture prepared, and a main loop
 *
 * @param name Of the case
 *
 * @return The case, for suite_run
 */
TCase *kinds_case(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 240);
	if (!natsd_installed())
		(void)re_fprintf(stderr, "no nats-server here: only the bus"
				 " in memory is tested\n");

	return tc;
}


/* How many can be tested here */
int kinds_count(void)
{
	return natsd_installed() ? ARRAY_SIZE(factoryv) : 1;
}


/* Makes the bus of a test */
void kind_open(int i)
{
	ck_assert_int_eq(0, factoryv[i](&fix.bus));
}


bool kind_in_memory(int i)
{
	return factoryv[i] != nats_alloc;
}


void publish(const char *subject, const char *s)
{
	ck_assert_int_eq(0, bus_publish(fix.bus, subject, bytes(s),
					strlen(s)));
}


void put(const char *key, const char *val, uint32_t ttl)
{
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.bus, "b", key, bytes(val),
				       strlen(val), ttl, NULL, NULL));
}


void echo_handler(const char *subject, const uint8_t *buf, size_t len,
		  struct bus_reply *reply, void *arg)
{
	ck_assert_ptr_nonnull(reply);
	tell("%s %s", arg, subject);
	ck_assert_int_eq(0, bus_respond(reply, buf, len));
}


void keep_handler(const char *subject, const uint8_t *buf, size_t len,
		  struct bus_reply *reply, void *arg)
{
	tell("%s %s", arg, subject);
	fix.reply = reply;
}


/* To the request that waits in the fixture */
void answer_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	ck_assert_ptr_null(fix.req);
	resp_handler(err, buf, len, arg);
}
