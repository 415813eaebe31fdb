/**
 * @file test_move.c  Dialogs that move from one server to another
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "sip/redirect.h"
#include "handover.h"
#include "../suite.h"


/*  phone           A                 B
 *    |--INVITE----->|                 |
 *    |<--200--------|                 |
 *    |--ACK-------->|                 |
 *    |              |---dialog------->|
 *    |<--INVITE-----------------------|
 *    |--200-------------------------->|
 *    |<--ACK--------------------------|
 *    |              | released        |
 *    |--BYE-------------------------->|
 *    |<--200--------------------------|
 */
START_TEST(move_then_their_bye)
{
	struct handover f;

	handover_open(&f);
	handover_freeze(&f);
	handover_adopt(&f);
	handover_finish(&f);

	phone_send(&f.p, "INFO", "Content-Type: application/dtmf\r\n", "7");
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.b, "dtmf:7/250");

	phone_send(&f.p, "INVITE", NULL, phone_sdp);
	fix_told(&f.b, "dtmf:7/250 offer");
	ck_assert(!sipcall_accept(f.call, new_sdp, strlen(new_sdp)));
	ck_assert_uint_eq(phone_status(&f.p), 200);
	phone_send(&f.p, "ACK", NULL, NULL);

	phone_send(&f.p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.b, "dtmf:7/250 offer end:0");
	ck_assert(fix_idle(&f.b));
	handover_close(&f);
}
END_TEST


START_TEST(move_then_our_bye)
{
	struct handover f;

	handover_open(&f);
	handover_freeze(&f);
	handover_adopt(&f);
	handover_finish(&f);

	ck_assert(!sipcall_bye(f.call, 480, "Enough"));
	ck_assert(phone_request(&f.p, "BYE"));
	phone_answer(&f.p, 200, NULL, NULL);
	fix_told(&f.b, "end:480");
	ck_assert(fix_idle(&f.b));
	handover_close(&f);
}
END_TEST


/* What is released is not known any more, but its BYE is welcome. */
START_TEST(released)
{
	struct handover f;

	handover_open(&f);
	handover_freeze(&f);
	ck_assert(!sipcall_release(f.a.call));
	loop_run(20);

	phone_send(&f.p, "INFO", "Content-Type: application/dtmf\r\n", "1");
	ck_assert_uint_eq(phone_status(&f.p), 481);
	phone_send(&f.p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.a, "");
	ck_assert(fix_idle(&f.a));
	handover_close(&f);
}
END_TEST


/* Several signalling threads: a dialog is adopted by the one that hears what
   the phone says in it. */
START_TEST(move_threads)
{
	struct sipstack_conf conf, other;
	struct redirect *ra, *rb;
	struct handover f;

	memset(&f, 0, sizeof(f));
	ck_assert_int_eq(libre_init(), 0);
	ck_assert(!redirect_alloc(&ra, 3));
	ck_assert(!redirect_alloc(&rb, 3));
	fix_conf(&conf, "127.0.0.1");
	conf.threads  = 3;
	conf.redirect = ra;
	fix_start(&f.a, &conf);
	fix_conf(&other, "127.0.0.2");
	other.threads  = 3;
	other.redirect = rb;
	fix_start(&f.b, &other);
	phone_open(&f.p, &f.a.laddr, false, "room");

	for (int i = 0; i < 12; i++) {
		f.p.srv = f.a.laddr;
		phone_new(&f.p);
		fix_join(&f.a, &f.p);
		handover_freeze(&f);
		handover_adopt(&f);
		handover_finish(&f);
		phone_send(&f.p, "INFO", "Content-Type: application/dtmf\r\n",
			   "7");
		ck_assert_uint_eq(phone_status(&f.p), 200);
		phone_send(&f.p, "BYE", NULL, NULL);
		ck_assert_uint_eq(phone_status(&f.p), 200);
		fix_told(&f.b, "dtmf:7/250 end:0");
		f.b.log[0] = '\0';
		f.call = mem_deref(f.call);
	}

	phone_close(&f.p);
	fix_stop(&f.b);
	fix_stop(&f.a);
	mem_deref(ra);
	mem_deref(rb);
	fix_close(&f.a);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("move");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, move_then_their_bye);
	tcase_add_test(tc, move_then_our_bye);
	tcase_add_test(tc, released);
	tcase_add_test(tc, move_threads);

	return suite_run("move", tc);
}
