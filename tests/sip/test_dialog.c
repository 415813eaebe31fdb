/**
 * @file test_dialog.c  What happens inside of calls: offers, DTMF, text,
 *                      refreshes
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "fixture.h"

static const char hold_sdp[] =
	"v=0\r\n"
	"o=- 1 2 IN IP4 127.0.0.1\r\n"
	"s=-\r\n"
	"c=IN IP4 127.0.0.1\r\n"
	"t=0 0\r\n"
	"m=audio 40000 RTP/AVP 0\r\n"
	"a=sendonly\r\n";

static const char our_sdp2[] =
	"v=0\r\n"
	"o=junctor 7 8 IN IP4 127.0.0.1\r\n"
	"s=-\r\n"
	"c=IN IP4 127.0.0.1\r\n"
	"t=0 0\r\n"
	"m=audio 20002 RTP/AVP 0\r\n";


static void begin(struct fix *fx, struct phone *p)
{
	fix_open_default(fx);
	phone_open(p, &fx->laddr, false, "room");
	fix_join(fx, p);
}


static void end(struct fix *fx, struct phone *p)
{
	phone_close(p);
	fix_close(fx);
}


/*    |--INVITE (hold)-->|  offer
 *    |<--200------------|
 *    |--ACK------------>|
 *    |--INVITE (same)-->|  answered without a word to anybody
 */
START_TEST(reinvite_theirs)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	phone_send(&p, "INVITE", NULL, hold_sdp);
	fix_told(&fx, "offer");
	ck_assert_str_eq(fx.body, hold_sdp);
	ck_assert(!sipcall_accept(fx.call, our_sdp2, strlen(our_sdp2)));
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_says(&p, "m=audio 20002"));
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "offer");

	phone_send(&p, "INVITE", NULL, hold_sdp);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_says(&p, "m=audio 20002"));
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "offer");

	end(&fx, &p);
}
END_TEST


START_TEST(reinvite_refused)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	phone_send(&p, "INVITE", NULL, hold_sdp);
	fix_told(&fx, "offer");
	ck_assert(!sipcall_reject(fx.call, 488, NULL));
	ck_assert_uint_eq(phone_status(&p), 488);
	phone_send(&p, "ACK", NULL, NULL);

	/* the call goes on */
	phone_send(&p, "OPTIONS", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "offer");
	ck_assert_uint_eq(sipstack_stat(fx.st, SIPSTACK_CALLS, 0), 1);

	end(&fx, &p);
}
END_TEST


/* A re-INVITE without SDP asks for our offer; the answer comes with ACK. */
START_TEST(reinvite_without_offer)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	phone_send(&p, "INVITE", NULL, NULL);
	fix_told(&fx, "offer");
	ck_assert(!sipcall_accept(fx.call, NULL, 0));
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_says(&p, "m=audio 20000"));
	phone_send(&p, "ACK", NULL, phone_sdp);
	fix_told(&fx, "offer answer");

	end(&fx, &p);
}
END_TEST


START_TEST(reinvite_cancelled)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	phone_send(&p, "INVITE", NULL, hold_sdp);
	fix_told(&fx, "offer");
	phone_send(&p, "CANCEL", NULL, NULL);
	ck_assert_uint_ne(phone_status(&p), 0);
	ck_assert_uint_ne(phone_status(&p), 0);
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "offer");

	/* too late, and harmless */
	ck_assert(!sipcall_accept(fx.call, our_sdp2, strlen(our_sdp2)));
	ck_assert(!phone_wait(&p, 100));

	end(&fx, &p);
}
END_TEST


/* BYE while our answer to a re-INVITE is still to come */
START_TEST(reinvite_then_bye)
{
	struct fix fx;
	struct phone p;
	unsigned bye, invite;

	begin(&fx, &p);

	phone_send(&p, "INVITE", NULL, hold_sdp);
	fix_told(&fx, "offer");
	phone_send(&p, "BYE", NULL, NULL);
	bye = phone_status(&p);
	invite = phone_status(&p);
	ck_assert_uint_eq(bye + invite, 200 + 487);
	fix_told(&fx, "offer end:0");
	ck_assert(fix_idle(&fx));

	end(&fx, &p);
}
END_TEST


/*    |<--INVITE---------|
 *    |--200------------>|  answer
 *    |<--ACK------------|
 *    |--200 (again)---->|
 *    |<--ACK (again)----|
 */
START_TEST(reinvite_ours)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	ck_assert(!sipcall_offer(fx.call, our_sdp2, strlen(our_sdp2)));
	ck_assert(phone_request(&p, "INVITE"));
	ck_assert(phone_has(&p, "Contact", "isfocus"));
	ck_assert(phone_says(&p, "m=audio 20002"));

	phone_answer(&p, 100, NULL, NULL);
	phone_answer(&p, 200, NULL, hold_sdp);
	phone_answer(&p, 200, NULL, hold_sdp);
	ck_assert(phone_request(&p, "ACK"));
	ck_assert(phone_request(&p, "ACK"));
	fix_told(&fx, "answer");
	ck_assert_str_eq(fx.body, hold_sdp);

	end(&fx, &p);
}
END_TEST


START_TEST(reinvite_ours_refused)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	ck_assert(!sipcall_offer(fx.call, our_sdp2, strlen(our_sdp2)));
	ck_assert(phone_request(&p, "INVITE"));
	phone_answer(&p, 488, NULL, NULL);
	ck_assert(phone_request(&p, "ACK"));
	fix_told(&fx, "refused:488");

	/* both at once: ours comes again */
	ck_assert(!sipcall_offer(fx.call, our_sdp2, strlen(our_sdp2)));
	ck_assert(phone_request(&p, "INVITE"));
	phone_answer(&p, 491, NULL, NULL);
	ck_assert(phone_request(&p, "ACK"));
	ck_assert(phone_request(&p, "INVITE"));

	/* the other side knows nothing of the call any more */
	phone_answer(&p, 481, NULL, NULL);
	ck_assert(phone_request(&p, "ACK"));
	fix_told(&fx, "refused:488 end:481");
	ck_assert(fix_idle(&fx));

	end(&fx, &p);
}
END_TEST


START_TEST(reinvites_cross)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	ck_assert(!sipcall_offer(fx.call, our_sdp2, strlen(our_sdp2)));
	ck_assert(phone_request(&p, "INVITE"));
	phone_send(&p, "INVITE", NULL, hold_sdp);
	ck_assert_uint_eq(phone_status(&p), 491);
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "");

	end(&fx, &p);
}
END_TEST


START_TEST(update)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	phone_send(&p, "UPDATE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "");

	phone_send(&p, "UPDATE", NULL, hold_sdp);
	fix_told(&fx, "offer");
	ck_assert(!sipcall_accept(fx.call, our_sdp2, strlen(our_sdp2)));
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_says(&p, "m=audio 20002"));

	end(&fx, &p);
}
END_TEST


static const struct {
	const char *ctype, *body;
	unsigned scode;
	const char *told;
} infov[] = {
	{"application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 200,
	 "dtmf:5/160"},
	{"application/dtmf-relay", "Signal= *\r\nDuration= 99\r\n", 200,
	 "dtmf:*/99"},
	{"application/dtmf-relay", "signal=11\nduration=0", 200,
	 "dtmf:#/250"},
	{"application/dtmf-relay", "Signal=d", 200, "dtmf:D/250"},
	{"application/dtmf-relay", "Duration=99999999999\r\nSignal=0", 200,
	 "dtmf:0/250"},
	{"application/dtmf", "7", 200, "dtmf:7/250"},
	{"application/dtmf", "#\r\n", 200, "dtmf:#/250"},
	{"application/dtmf-relay", "Signal=\r\n", 400, ""},
	{"application/dtmf-relay", "Signal=16\r\n", 400, ""},
	{"application/dtmf-relay", "Signal=55\r\n", 400, ""},
	{"application/dtmf-relay", "Sign=5\r\n", 400, ""},
	{"application/dtmf-relay", "=", 400, ""},
	{"application/dtmf", "x", 400, ""},
	{"application/dtmf", " ", 400, ""},
	{"application/media_control+xml", "<a/>", 415, ""},
	{NULL, NULL, 200, ""},
};


START_TEST(info)
{
	struct fix fx;
	struct phone p;
	char hdr[128];

	begin(&fx, &p);

	for (size_t i = 0; i < sizeof(infov) / sizeof(infov[0]); i++) {

		(void)re_snprintf(hdr, sizeof(hdr), "Content-Type: %s\r\n",
				  infov[i].ctype);
		phone_send(&p, "INFO", infov[i].ctype ? hdr : NULL,
			   infov[i].body);
		ck_assert_msg(phone_status(&p) == infov[i].scode,
			      "%zu: %u", i, p.msg->scode);
		fix_told(&fx, infov[i].told);
		fx.log[0] = '\0';
	}

	end(&fx, &p);
}
END_TEST


START_TEST(text)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	phone_send(&p, "MESSAGE", "Content-Type: text/plain\r\n",
		   "hello w\xc3\xb6rld");
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "text");
	ck_assert_str_eq(fx.body, "hello w\xc3\xb6rld");

	ck_assert(!sipcall_text(fx.call, "text/plain", "Bob: hi", 7));
	ck_assert(phone_request(&p, "MESSAGE"));
	ck_assert(phone_has(&p, "Content-Type", "text/plain"));
	ck_assert(phone_says(&p, "Bob: hi"));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "text");

	end(&fx, &p);
}
END_TEST


START_TEST(text_too_long)
{
	struct fix fx;
	struct phone p;
	char body[9000];

	begin(&fx, &p);

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	phone_send(&p, "MESSAGE", "Content-Type: text/plain\r\n", body);
	ck_assert_uint_eq(phone_status(&p), 413);
	fix_told(&fx, "");

	end(&fx, &p);
}
END_TEST


START_TEST(text_outside)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	phone_send(&p, "MESSAGE", "Content-Type: text/plain\r\n", "hello");
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "text-out");
	ck_assert_str_eq(fx.user, "alice@home");
	ck_assert_str_eq(fx.body, "hello");

	str_ncpy(p.conf, "refuse", sizeof(p.conf));
	phone_new(&p);
	phone_send(&p, "MESSAGE", "Content-Type: text/plain\r\n", "hello");
	ck_assert_uint_eq(phone_status(&p), 403);
	fix_told(&fx, "text-out text-out");
	ck_assert(fix_idle(&fx));

	end(&fx, &p);
}
END_TEST


START_TEST(probe)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	ck_assert(!sipcall_probe(fx.call));
	ck_assert(phone_request(&p, "OPTIONS"));
	phone_answer(&p, 405, NULL, NULL);
	fix_told(&fx, "");

	ck_assert(!sipcall_probe(fx.call));
	ck_assert(phone_request(&p, "OPTIONS"));
	phone_answer(&p, 481, NULL, NULL);
	fix_told(&fx, "dead:481");
	ck_assert_uint_eq(sipstack_stat(fx.st, SIPSTACK_CALLS, 0), 1);

	end(&fx, &p);
}
END_TEST


/* Nobody answers OPTIONS: 64 T1 later the call is over. */
START_TEST(probe_dead)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone p;

	fix_conf(&conf, "127.0.0.1");
	conf.t1 = 30;
	conf.probe = 1;
	fix_open(&fx, &conf);
	phone_open(&p, &fx.laddr, false, "room");
	fix_join(&fx, &p);

	fix_told(&fx, "end:408");
	ck_assert(fix_idle(&fx));

	end(&fx, &p);
}
END_TEST


static void timer_open(struct fix *fx, struct phone *p, unsigned se)
{
	struct sipstack_conf conf;

	fix_conf(&conf, "127.0.0.1");
	conf.se = se;
	conf.min_se = 3;
	fix_open(fx, &conf);
	phone_open(p, &fx->laddr, false, "room");
}


START_TEST(timer_too_short)
{
	struct fix fx;
	struct phone p;

	timer_open(&fx, &p, 4);
	phone_send(&p, "INVITE", "Supported: timer\r\n"
		   "Session-Expires: 2\r\n", phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 422);
	ck_assert(phone_has(&p, "Min-SE", "3"));
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "");
	ck_assert(fix_idle(&fx));

	end(&fx, &p);
}
END_TEST


/* The phone refreshes, and when it stops to, the call ends. */
START_TEST(timer_theirs)
{
	struct fix fx;
	struct phone p;
	uint64_t refreshed;

	timer_open(&fx, &p, 9);
	phone_send(&p, "INVITE", "Supported: timer\r\n"
		   "Session-Expires: 100;refresher=uac\r\n", phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_has(&p, "Session-Expires", "9;refresher=uac"));
	ck_assert(phone_has(&p, "Require", "timer"));
	phone_send(&p, "ACK", NULL, NULL);

	loop_run(3000);
	phone_send(&p, "UPDATE", "Supported: timer\r\n"
		   "Session-Expires: 9;refresher=uac\r\n", NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_has(&p, "Session-Expires", "9;refresher=uac"));

	/* so it lives longer than it would have otherwise */
	refreshed = tmr_jiffies();
	ck_assert(phone_request(&p, "BYE"));
	ck_assert_uint_ge(tmr_jiffies() - refreshed, 4000);
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "join established end:408");
	ck_assert(fix_idle(&fx));

	end(&fx, &p);
}
END_TEST


/* We refresh: by UPDATE if the phone allows it, else by re-INVITE. */
START_TEST(timer_ours)
{
	struct fix fx;
	struct phone p;

	timer_open(&fx, &p, 4);
	phone_send(&p, "INVITE", "Allow: INVITE, UPDATE\r\n"
		   "Supported: timer\r\n"
		   "Session-Expires: 4;refresher=uas\r\n", phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_has(&p, "Session-Expires", "4;refresher=uas"));
	phone_send(&p, "ACK", NULL, NULL);

	ck_assert(phone_request(&p, "UPDATE"));
	ck_assert(phone_has(&p, "Session-Expires", "4;refresher=uac"));
	phone_answer(&p, 200, "Session-Expires: 4;refresher=uac\r\n", NULL);

	/* an answer to a refresh is nobody's business */
	ck_assert(phone_request(&p, "UPDATE"));
	phone_answer(&p, 405, NULL, NULL);
	ck_assert(phone_request(&p, "INVITE"));
	phone_answer(&p, 200, "Session-Expires: 4;refresher=uac\r\n",
		     phone_sdp);
	ck_assert(phone_request(&p, "ACK"));
	fix_told(&fx, "join established");

	/* nor is it one to what is offered meanwhile */
	ck_assert(phone_request(&p, "INVITE"));
	ck_assert(!sipcall_offer(fx.call, our_sdp2, strlen(our_sdp2)));
	loop_run(50);
	phone_answer(&p, 200, "Session-Expires: 4;refresher=uac\r\n",
		     phone_sdp);
	ck_assert(phone_request(&p, "ACK"));
	ck_assert(phone_request(&p, "INVITE"));
	ck_assert(phone_says(&p, "m=audio 20002"));
	fix_told(&fx, "join established");
	ck_assert(!sipcall_offer(fx.call, fix_sdp, strlen(fix_sdp)));
	loop_run(50);
	phone_answer(&p, 200, "Session-Expires: 4;refresher=uac\r\n",
		     hold_sdp);
	ck_assert(phone_request(&p, "ACK"));
	ck_assert(phone_request(&p, "INVITE"));
	fix_told(&fx, "join established answer");
	phone_answer(&p, 488, NULL, NULL);
	ck_assert(phone_request(&p, "ACK"));
	fix_told(&fx, "join established answer refused:488");
	fx.log[0] = '\0';

	/* what was refused is not in force; no answer at all ends the call */
	ck_assert(phone_request(&p, "INVITE"));
	ck_assert(phone_says(&p, "m=audio 20002"));
	phone_answer(&p, 408, NULL, NULL);
	ck_assert(phone_request(&p, "ACK"));
	fix_told(&fx, "end:408");

	end(&fx, &p);
}
END_TEST


static Suite *dialog_suite(void)
{
	Suite *s = suite_create("dialog");
	TCase *tc = tcase_create("dialog");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, reinvite_theirs);
	tcase_add_test(tc, reinvite_refused);
	tcase_add_test(tc, reinvite_without_offer);
	tcase_add_test(tc, reinvite_cancelled);
	tcase_add_test(tc, reinvite_then_bye);
	tcase_add_test(tc, reinvite_ours);
	tcase_add_test(tc, reinvite_ours_refused);
	tcase_add_test(tc, reinvites_cross);
	tcase_add_test(tc, update);
	tcase_add_test(tc, info);
	tcase_add_test(tc, text);
	tcase_add_test(tc, text_too_long);
	tcase_add_test(tc, text_outside);
	tcase_add_test(tc, probe);
	tcase_add_test(tc, probe_dead);
	tcase_add_test(tc, timer_too_short);
	tcase_add_test(tc, timer_theirs);
	tcase_add_test(tc, timer_ours);
	suite_add_tcase(s, tc);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(dialog_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
