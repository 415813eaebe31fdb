/**
 * @file test_kv.c  Keys and their values, on every kind of bus
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "loop.h"
#include "told.h"
#include "kinds.h"
#include "../suite.h"


static uint64_t kv_created(void)
{
	uint64_t rev;

	ck_assert_int_eq(0, bus_kv_create(&fix.op, fix.bus, "b", "k",
					  bytes("v1"), 2, 0, kv_handler,
					  "create"));
	ck_assert_ptr_nonnull(fix.op);
	told("");
	await("create 0 -\n");
	ck_assert_ptr_null(fix.op);
	rev = kv_rev();
	ck_assert_uint_ne(0, rev);

	ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", "k",
					  bytes("v2"), 2, 0, kv_handler,
					  "create"));
	await("create EEXIST v1\n");
	ck_assert_uint_eq(rev, kv_rev());

	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", rev + 1,
					  bytes("v3"), 2, 0, kv_handler,
					  "update"));
	await("update ESTALE v1\n");
	ck_assert_uint_eq(rev, kv_rev());

	return rev;
}


/* Operations on one key happen one after the other. */
static void kv_updated(uint64_t rev)
{
	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", rev,
					  bytes("v3"), 2, 0, kv_handler,
					  "update"));
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	await("update 0 -\nget 0 v3\n");
	ck_assert_uint_gt(kv_rev(), rev);
}


static void kv_deleted(uint64_t rev)
{
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", rev,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", 0,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", 0,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", rev,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", kv_rev(),
					  NULL, 0, 0, kv_handler, "update"));
	await("delete ESTALE v3\ndelete 0 -\ndelete ENOENT -\n"
	      "delete ENOENT -\nget ENOENT -\nupdate ENOENT -\n");

	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "none", "k", kv_handler,
				       "get"));
	await("get ENOENT -\n");
}


/* Not wanting to know does not undo it. */
static void kv_unasked(void)
{
	ck_assert_int_eq(0, bus_kv_create(&fix.op, fix.bus, "b", "k",
					  bytes("v4"), 2, 0, kv_handler,
					  "create"));
	fix.op = mem_deref(fix.op);
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	await("get 0 v4\n");
}


/* An empty value is a value. */
static void kv_empty(void)
{
	put("k", "", 0);
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", "k",
					  bytes("v5"), 2, 0, kv_handler,
					  "create"));
	await("get 0 \ncreate EEXIST \n");
}


static void kv_deleted_unasked(void)
{
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", 0, NULL,
					  NULL));
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", "k",
					  bytes("v6"), 2, 0, kv_handler,
					  "create"));
	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", 0,
					  bytes("v7"), 2, 0, kv_handler,
					  "update"));
	await("create 0 -\nupdate ESTALE v6\n");
}


START_TEST(test_kv)
{
	uint64_t rev;

	kind_open(_i);
	rev = kv_created();
	kv_updated(rev);
	kv_deleted(rev);
	kv_unasked();
	kv_empty();
	kv_deleted_unasked();
}
END_TEST


static void race_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	unsigned *won = arg;

	ck_assert(!err || err == EEXIST);
	ck_assert_uint_ne(0, rev);
	(void)buf;
	(void)len;
	if (!err)
		++*won;
	if (++fix.n == 3000)
		re_cancel();
}


START_TEST(test_kv_race)
{
	static unsigned wonv[1000];
	char key[32];
	unsigned i;

	/* a thousand keys, three want each */
	kind_open(_i);
	for (i=0; i<3000; i++) {
		wonv[i % 1000] = 0;
		re_snprintf(key, sizeof(key), "k.%u", i % 1000);
		ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", key,
						  (uint8_t *)&i, 4, 0,
						  race_handler,
						  &wonv[i % 1000]));
	}
	loop_run(LIMIT_MS);
	ck_assert_uint_eq(3000, fix.n);
	for (i=0; i<1000; i++)
		ck_assert_uint_eq(1, wonv[i]);
}
END_TEST


static void get(const char *key)
{
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", key, kv_handler,
				       (void *)key));
}


START_TEST(test_kv_ttl)
{
	enum { LIFE = 2500 };
	uint64_t begin;

	kind_open(_i);
	put("first", "", 0);
	get("first");
	await("first 0 \n");

	begin = tmr_jiffies();
	put("renewed", "2", LIFE);
	put("renewed", "2", 600000);
	put("stays", "3", 0);
	put("made-lasting", "4", LIFE);
	put("made-lasting", "5", 0);
	put("short", "1", LIFE);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "short",
					 watch_handler, "watch"));
	await("watch short 1\nwatch (all) -\nwatch short -\n");
	ck_assert_uint_ge(tmr_jiffies() - begin, LIFE - 50);

	/* those that were stored before it are all past their first time */
	get("short");
	get("renewed");
	get("stays");
	get("made-lasting");
	await_sorted("made-lasting 0 5\nrenewed 0 2\nshort ENOENT -\n"
		     "stays 0 3\n");

	/* what has expired stands in nobody's way */
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", "short",
					  bytes("6"), 1, 0, kv_handler,
					  "create"));
	await_sorted("create 0 -\nwatch short 6\n");

	/* a life that is made shorter ends sooner */
	fix.watch = mem_deref(fix.watch);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "renewed",
					 watch_handler, "watch"));
	await("watch renewed 2\nwatch (all) -\n");
	put("renewed", "7", LIFE);
	await("watch renewed 7\nwatch renewed -\n");
}
END_TEST


int main(void)
{
	TCase *tc = kinds_case("kv");
	const int n = kinds_count();

	tcase_add_loop_test(tc, test_kv, 0, n);
	tcase_add_loop_test(tc, test_kv_race, 0, n);
	tcase_add_loop_test(tc, test_kv_ttl, 0, n);

	return suite_run("kv", tc);
}
