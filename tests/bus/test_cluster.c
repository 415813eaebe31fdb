/**
 * @file test_cluster.c  The bus over a cluster of NATS that loses one server
 *                       after the other
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


static struct natsd nodev[NATSD_CLUSTER];


static void setup(void)
{
	memset(nodev, 0, sizeof(nodev));
}


static void teardown(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(nodev); i++)
		natsd_close(&nodev[i]);
}


static char changed[32];


static bool cluster_told(void)
{
	return told_has("put 0 -\n") && told_has(changed);
}


START_TEST(test_cluster)
{
	struct bus_nats_conf conf = { .replicas = 3, .kv_timeout = KV_MS };
	unsigned i;
	char url[200];

	natsd_cluster_start(nodev);
	re_snprintf(url, sizeof(url), "%s,%s,%s", nodev[0].url,
		    nodev[1].url, nodev[2].url);
	conf.url = url;
	bus_conf(&fix.near, &conf);
	bus_conf(&fix.far, &conf);
	until(near_up);
	until(far_up);
	put(fix.near, "k", "1", 0);
	put(fix.near, "l", "1", 0);
	watch(fix.near);
	await("watch k 1\nwatch l 1\nwatch (all) -\n");

	/* each of them in turn, so the leader is one of them */
	for (i=0; i<3; i++) {
		char val[8];

		natsd_stop(&nodev[i], SIGKILL);
		re_snprintf(val, sizeof(val), "%u", 10 + i);
		ck_assert_int_eq(0, bus_kv_put(NULL, fix.far, "b", "k",
					       bytes(val), 2, 0, kv_handler,
					       "put"));
		re_snprintf(changed, sizeof(changed), "watch k %s\n", val);
		(void)loop_until(cluster_told, LIMIT_MS);
		ck_assert(cluster_told());
		ck_assert(!told_has("watch l"));
		told_forget();
		natsd_start(&nodev[i]);
		loop_run(3000);
		told_forget();
	}
}
END_TEST


int main(void)
{
	TCase *tc = pair_case("cluster");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, test_cluster);

	return natsd_run("cluster", tc);
}
