/**
 * @file test_overload.c  More calls than there is room for, and many at once
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "sip/redirect.h"
#include "fixture.h"
#include "../suite.h"


START_TEST(test_overload)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone p, q;

	fix_conf(&conf, "127.0.0.1");
	conf.max_calls = 1;
	fix_open(&fx, &conf);

	phone_open(&p, &fx.laddr, false, "room");
	fix_join(&fx, &p);

	phone_open(&q, &fx.laddr, false, "room");
	phone_send(&q, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&q), 503);
	ck_assert(phone_has(&q, "Retry-After", "5"));
	phone_send(&q, "ACK", NULL, NULL);
	fix_told(&fx, "");
	ck_assert(sipstack_stat(fx.st, SIPSTACK_OVERLOAD, 0) >= 1);

	/* who is in can do what he wants */
	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	phone_new(&q);
	fix_told(&fx, "end:0");
	fix_join(&fx, &q);

	phone_close(&q);
	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* The services do not keep up: new joins are refused at once. */
START_TEST(test_backlog)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone pv[4];

	fix_conf(&conf, "127.0.0.1");
	conf.max_pending = 3;
	fix_open(&fx, &conf);

	for (int i = 0; i < 4; i++) {
		phone_open(&pv[i], &fx.laddr, false, "silent");
		phone_send(&pv[i], "INVITE", NULL, phone_sdp);
		loop_run(30);
	}

	ck_assert_uint_eq(phone_status(&pv[3]), 503);
	ck_assert(phone_has(&pv[3], "Retry-After", "5"));
	ck_assert_uint_eq(sipstack_stat(fx.st, SIPSTACK_PENDING, 0), 3);
	fix_told(&fx, "join join join");

	ck_assert(!sipcall_reject(fx.call, 486, NULL));
	ck_assert_uint_eq(phone_status(&pv[2]), 486);
	phone_new(&pv[3]);
	str_ncpy(pv[3].conf, "room", sizeof(pv[3].conf));
	phone_send(&pv[3], "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&pv[3]), 200);

	for (int i = 0; i < 4; i++)
		phone_close(&pv[i]);
	fix_close(&fx);
}
END_TEST


START_TEST(test_refusing)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	fix_join(&fx, &p);

	ck_assert(!sipstack_refuse(fx.st, 503));
	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);

	phone_new(&p);
	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 503);
	phone_send(&p, "ACK", NULL, NULL);

	ck_assert(!sipstack_refuse(fx.st, 0));
	fix_told(&fx, "end:0");
	phone_new(&p);
	fix_join(&fx, &p);

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* Many phones at once, over several threads that share the port */
static void storm(unsigned threads)
{
	enum { PHONES = 40 };
	struct sipstack_conf conf;
	static struct phone pv[PHONES];
	struct fix fx;

	fix_conf(&conf, "127.0.0.1");
	conf.threads = threads;
	ck_assert_int_eq(redirect_alloc(&conf.redirect, threads), 0);
	fix_open(&fx, &conf);

	for (int i = 0; i < PHONES; i++) {
		phone_open(&pv[i], &fx.laddr, false, "room");
		phone_send(&pv[i], "INVITE", NULL, phone_sdp);
	}

	for (int i = 0; i < PHONES; i++) {
		ck_assert_uint_eq(phone_status(&pv[i]), 200);
		phone_move(&pv[i]);
		phone_send(&pv[i], "ACK", NULL, NULL);
		phone_move(&pv[i]);
	}

	for (int i = 0; i < PHONES; i++)
		phone_send(&pv[i], "BYE", NULL, NULL);

	for (int i = 0; i < PHONES; i++) {
		ck_assert_uint_eq(phone_status(&pv[i]), 200);
		phone_close(&pv[i]);
	}

	ck_assert(fix_idle(&fx));
	fx.st = mem_deref(fx.st);
	mem_deref(conf.redirect);
	fix_close(&fx);
}


START_TEST(test_storm)
{
	storm(1);
}
END_TEST


START_TEST(test_storm_threads)
{
	storm(4);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("overload");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_overload);
	tcase_add_test(tc, test_backlog);
	tcase_add_test(tc, test_refusing);
	tcase_add_test(tc, test_storm);
	tcase_add_test(tc, test_storm_threads);

	return suite_run("overload", tc);
}
