/**
 * @file test_watch.c  Watches of keys, on every kind of bus
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "loop.h"
#include "told.h"
#include "kinds.h"
#include "../suite.h"


START_TEST(test_kv_watch)
{
	kind_open(_i);
	put("a.1", "x", 0);
	put("b.1", "y", 0);
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "b.1", kv_handler,
				       "get"));
	await("get 0 y\n");
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "a.*",
					 watch_handler, "watch"));
	told("");
	await("watch a.1 x\nwatch (all) -\n");
	put("a.2", "z", 0);
	put("a.1", "x2", 0);
	put("a.3", "", 0);
	await("watch a.2 z\nwatch a.1 x2\nwatch a.3 \n");
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "a.1", 0,
					  kv_handler, "delete"));
	put("b.2", "unseen", 0);
	await_sorted("delete 0 -\nwatch a.1 -\n");

	fix.watch = mem_deref(fix.watch);
	put("a.3", "unheard", 0);
	loop_run(50);
	told("");

	/* ended before it began */
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 watch_handler, "watch"));
	fix.watch = mem_deref(fix.watch);
	loop_run(50);
	told("");
}
END_TEST


static void once_handler(const char *key, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	watch_handler(key, rev, buf, len, arg);
	fix.watch = mem_deref(fix.watch);
}


static bool watch_ended(void)
{
	return !fix.watch;
}


START_TEST(test_kv_watch_end_within)
{
	struct bus_watch *other;

	kind_open(_i);
	put("a", "x", 0);
	put("b", "x", 0);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 once_handler, "initial"));
	until(watch_ended);
	told_forget();     /* order of two is not told */

	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "c",
					 once_handler, "once"));
	ck_assert_int_eq(0, bus_kv_watch(&other, fix.bus, "b", "c",
					 watch_handler, "other"));
	await_sorted("once (all) -\nother (all) -\n");

	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "d",
					 watch_handler, "kept"));
	await("kept (all) -\n");
	put("c", "1", 0);
	await("other c 1\n");
	mem_deref(other);
}
END_TEST


static void count_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	const bool first = arg != NULL;
	(void)rev;
	(void)len;

	if (key && buf)
		++fix.n;
	else if (key)
		++fix.gone;
	if (!key && first)
		re_cancel();
}


static bool all_gone(void)
{
	return fix.gone == fix.many;
}


START_TEST(test_kv_many)
{
	/* in memory all are stored at once, elsewhere it takes longer */
	const uint32_t life = kind_in_memory(_i) ? 2000 : 15000;
	char key[32];
	unsigned i;

	fix.many = kind_in_memory(_i) ? 5000 : 1500;
	kind_open(_i);
	for (i=0; i<fix.many; i++) {
		re_snprintf(key, sizeof(key), "k.%u", i);
		put(key, key, life + i % 50);
	}
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 count_handler, NULL));

	/* each is told once when the watch begins, once when it expires */
	until(all_gone);
	loop_run(50);
	ck_assert_uint_eq(fix.many, fix.n);
	ck_assert_uint_eq(fix.many, fix.gone);
	fix.n = fix.gone = 0;
	fix.watch = mem_deref(fix.watch);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 count_handler, "first"));
	loop_run(LIMIT_MS);
	ck_assert_uint_eq(0, fix.n);
	ck_assert_uint_eq(0, fix.gone);
}
END_TEST


int main(void)
{
	TCase *tc = kinds_case("watch");
	const int n = kinds_count();

	tcase_add_loop_test(tc, test_kv_watch, 0, n);
	tcase_add_loop_test(tc, test_kv_watch_end_within, 0, n);
	tcase_add_loop_test(tc, test_kv_many, 0, n);

	return suite_run("watch", tc);
}
