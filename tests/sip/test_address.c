/**
 * @file test_address.c  Addresses that a signalling stack listens on
 */
#include <errno.h>
#include <check.h>
#include <re.h>
#include "fixture.h"
#include "../suite.h"


START_TEST(test_ipv6)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone p, q;

	fix_conf(&conf, "127.0.0.1");
	ck_assert(!sa_set_str(&conf.laddrv[1], "::1", 0));
	conf.laddrc = 2;
	fix_open(&fx, &conf);

	ck_assert_int_eq(sipstack_laddr(fx.st, 1, &fx.laddr), 0);
	ck_assert_int_eq(sa_af(&fx.laddr), AF_INET6);
	ck_assert_int_eq(sipstack_laddr(fx.st, 2, &fx.laddr), ENOENT);
	ck_assert_int_eq(sipstack_laddr(fx.st, 1, &fx.laddr), 0);

	phone_open(&p, &fx.laddr, false, "room");
	fix_call(&p);
	ck_assert(phone_has(&p, "Contact", "@[::1]:"));
	ck_assert(sa_cmp(&fx.src, &p.me, SA_ALL));
	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);

	phone_open(&q, &fx.laddr, true, "room");
	fix_call(&q);
	ck_assert(!sipcall_bye(fx.call, 0, NULL));
	ck_assert(phone_request(&q, "BYE"));
	phone_answer(&q, 200, NULL, NULL);
	fix_told(&fx, "join established end:0 join established end:0");
	ck_assert(fix_idle(&fx));

	phone_close(&q);
	phone_close(&p);
	fix_close(&fx);
}
END_TEST


static void nothing_h(struct sipcall *call, const struct sipcall_event *ev,
		      void *arg)
{
	(void)call;
	(void)ev;
	(void)arg;
}


START_TEST(test_address_in_use)
{
	struct sipstack_conf conf;
	struct sipstack *st = NULL;
	struct fix fx;

	fix_open_default(&fx);
	fix_conf(&conf, "127.0.0.1");
	conf.laddrv[0] = fx.laddr;
	ck_assert_int_eq(sipstack_alloc(&st, &conf, nothing_h, NULL),
			 EADDRINUSE);

	conf.laddrc = 0;
	ck_assert_int_eq(sipstack_alloc(&st, &conf, nothing_h, NULL),
			 EINVAL);
	ck_assert_ptr_null(st);
	fix_close(&fx);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("address");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_ipv6);
	tcase_add_test(tc, test_address_in_use);

	return suite_run("address", tc);
}
