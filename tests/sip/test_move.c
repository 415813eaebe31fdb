/**
 * @file test_move.c  Dialogs that move between two servers
 *
 * Both run in this process: the old one at 127.0.0.1, the new one at
 * 127.0.0.2. The phone speaks with whoever speaks with it last.
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "fixture.h"
#include "sip/dialogtext.h"

static const char new_sdp[] =
	"v=0\r\n"
	"o=junctor 7 8 IN IP4 127.0.0.2\r\n"
	"s=-\r\n"
	"c=IN IP4 127.0.0.2\r\n"
	"t=0 0\r\n"
	"m=audio 20002 RTP/AVP 0\r\n";

struct farm {
	struct fix a, b;
	struct phone p;
	struct dialogtext d;
	struct sipcall *call;      /* at b, referenced                      */
};


static void farm_conf(struct farm *f, struct sipstack_conf *conf, bool tcp)
{
	struct sipstack_conf other = *conf;

	memset(f, 0, sizeof(*f));
	ck_assert(!sa_set_str(&other.laddrv[0], "127.0.0.2", 0));
	fix_open(&f->a, conf);
	fix_start(&f->b, &other);
	phone_open(&f->p, &f->a.laddr, tcp, "room");
}


static void farm_open(struct farm *f)
{
	struct sipstack_conf conf;

	fix_conf(&conf, "127.0.0.1");
	farm_conf(f, &conf, false);
	fix_join(&f->a, &f->p);
}


static void farm_close(struct farm *f)
{
	f->call = mem_deref(f->call);
	phone_close(&f->p);
	fix_stop(&f->b);
	fix_close(&f->a);
}


/* The old server writes the dialog down. */
static void freeze(struct farm *f)
{
	ck_assert(!sipcall_freeze(f->a.call));
	fix_told(&f->a, "dialog");
	ck_assert_int_eq(f->a.err, 0);
	f->a.log[0] = '\0';
	ck_assert_int_eq(dialogtext_decode(&f->d, f->a.body,
					   strlen(f->a.body)), 0);
}


/* The new server has it from now on. */
static void adopt(struct farm *f)
{
	struct sipcall *call;

	ck_assert_int_eq(sipstack_adopt(f->b.st, &call, &f->d), 0);
	f->call = mem_ref(call);
	ck_assert_int_eq(sipstack_adopt(f->b.st, &call, &f->d), EEXIST);
}


static void reinvite(struct farm *f)
{
	char contact[64];

	(void)re_snprintf(contact, sizeof(contact), "sip:room@%J",
			  &f->b.laddr);
	ck_assert(!sipcall_offer(f->call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&f->p, "INVITE"));
	f->p.srv = f->b.laddr;
	ck_assert(phone_has(&f->p, "Contact", contact));
	ck_assert(phone_has(&f->p, "Call-ID", f->p.callid));
	ck_assert(phone_has(&f->p, "From", f->p.ttag));
	ck_assert(phone_has(&f->p, "To", f->p.ftag));
	ck_assert(phone_says(&f->p, "m=audio 20002"));
}


static void moved(struct farm *f)
{
	reinvite(f);
	phone_answer(&f->p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f->p, "ACK"));
	fix_told(&f->b, "answer");
	f->b.log[0] = '\0';
	ck_assert(!sipcall_release(f->a.call));
	ck_assert_int_eq(sipcall_bye(f->a.call, 0, NULL), ENOTCONN);
	fix_told(&f->a, "");
	ck_assert(fix_idle(&f->a, 1000));
}


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
	struct farm f;

	farm_open(&f);
	freeze(&f);
	adopt(&f);
	moved(&f);

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
	ck_assert(fix_idle(&f.b, 1000));
	farm_close(&f);
}
END_TEST


START_TEST(move_then_our_bye)
{
	struct farm f;

	farm_open(&f);
	freeze(&f);
	adopt(&f);
	moved(&f);

	ck_assert(!sipcall_bye(f.call, 480, "Enough"));
	ck_assert(phone_request(&f.p, "BYE"));
	phone_answer(&f.p, 200, NULL, NULL);
	fix_told(&f.b, "end:480");
	ck_assert(fix_idle(&f.b, 1000));
	farm_close(&f);
}
END_TEST


static Suite *move_suite(void)
{
	Suite *s = suite_create("move");
	TCase *tc = tcase_create("move");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, move_then_their_bye);
	tcase_add_test(tc, move_then_our_bye);
	suite_add_tcase(s, tc);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(move_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
