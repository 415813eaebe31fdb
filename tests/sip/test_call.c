/**
 * @file test_call.c  Calls: joins, goodbyes and what comes in between
 */
#include <errno.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "fixture.h"


/*  phone        server
 *    |--INVITE--->|  join
 *    |<--200------|
 *    |--ACK------>|  established
 *    |--BYE------>|  end
 *    |<--200------|
 */
START_TEST(call_basic)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "a%20room;ticket=T.1;account=acme");

	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_has(&p, "Contact", "isfocus"));
	ck_assert(phone_has(&p, "Server", "Junctor test"));
	ck_assert(phone_has(&p, "Allow", "UPDATE"));
	ck_assert(phone_has(&p, "Content-Type", "application/sdp"));
	ck_assert(phone_says(&p, "m=audio 20000"));
	ck_assert(pl_isset(&p.msg->to.tag));
	fix_told(&fx, "join");
	ck_assert_str_eq(fx.user, "alice@home");
	ck_assert_str_eq(fx.name, "Alice \"A\" Doe");
	ck_assert_str_eq(fx.ticket, "T.1");
	ck_assert_str_eq(fx.account, "acme");
	ck_assert_str_eq(fx.info, "test phone");
	ck_assert_str_eq(fx.body, phone_sdp);
	ck_assert(sa_cmp(&fx.src, &p.me, SA_ALL));

	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "join established");
	ck_assert_uint_eq(sipstack_stat(fx.st, SIPSTACK_CALLS, 0), 1);

	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "join established end:0");
	ck_assert_uint_eq(sipstack_stat(fx.st, SIPSTACK_CALLS, 0), 0);
	ck_assert_int_eq(sipcall_bye(fx.call, 0, NULL), ENOTCONN);

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* Who says who somebody is: only a peer that is trusted (RFC 3325). */
static void account(bool trust, const char *conf_name, const char *want)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone p;

	fix_conf(&conf, "127.0.0.1");
	conf.trust_asserted = trust;
	fix_open(&fx, &conf);
	phone_open(&p, &fx.laddr, false, conf_name);

	phone_send(&p, "INVITE", "P-Asserted-Identity: \"A\" "
		   "<sip:ac%6De@trunk;user=phone>\r\n", phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert_str_eq(fx.account, want);

	phone_close(&p);
	fix_close(&fx);
}


START_TEST(call_account)
{
	account(false, "room", "");
	account(true, "room", "acme");
	account(true, "room;account=own", "own");
}
END_TEST


static void redirected(bool tcp, const char *contact)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, tcp, "move");

	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 302);
	ck_assert_msg(phone_has(&p, "Contact", contact), "%s", contact);
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "join end:302");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}


START_TEST(call_redirected)
{
	redirected(false, "<sip:x@127.0.0.1:9;ticket=a.b>");

	/* who came by TCP may reach nothing else */
	redirected(true, "<sip:x@127.0.0.1:9;ticket=a.b;transport=tcp>");
}
END_TEST


START_TEST(call_refused)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "refuse");

	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 403);
	ck_assert(!pl_strcmp(&p.msg->reason, "Not You"));
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "join end:403");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/*    |--INVITE--->|  join
 *    |<--100------|  after 200 ms
 *    |--CANCEL--->|  end
 *    |<--200------|  of the CANCEL
 *    |<--487------|
 *    |--ACK------>|
 */
START_TEST(call_cancelled)
{
	struct fix fx;
	struct phone p;
	unsigned scode;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "silent");

	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert(phone_wait(&p, PHONE_LIMIT));
	ck_assert_uint_eq(p.msg->scode, 100);

	phone_send(&p, "CANCEL", NULL, NULL);
	scode = phone_status(&p);
	if (scode == 487) {
		scode = phone_status(&p);
	}
	else {
		ck_assert(!pl_strcmp(&p.msg->cseq.met, "CANCEL"));
		ck_assert_uint_eq(phone_status(&p), 487);
		ck_assert(!pl_strcmp(&p.msg->cseq.met, "INVITE"));
	}
	ck_assert_uint_eq(scode, 200);
	phone_send(&p, "ACK", NULL, NULL);

	fix_told(&fx, "join end:487");
	ck_assert(fix_idle(&fx));
	ck_assert_int_eq(sipcall_accept(fx.call, fix_sdp, strlen(fix_sdp)),
			 ENOTCONN);

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* The answer and the CANCEL cross: whichever comes first wins, and there
   is one end at most. */
START_TEST(call_cancel_crosses)
{
	struct fix fx;
	struct phone p;
	unsigned scode = 0;

	fix_open_default(&fx);

	for (int i = 0; i < 20; i++) {

		phone_open(&p, &fx.laddr, false, "silent");
		phone_send(&p, "INVITE", NULL, phone_sdp);
		while (!strstr(fx.log, "join"))
			loop_run(2);

		ck_assert(!sipcall_accept(fx.call, fix_sdp,
					  strlen(fix_sdp)));
		phone_send(&p, "CANCEL", NULL, NULL);

		do {
			scode = phone_status(&p);
			ck_assert_uint_ne(scode, 0);
		} while (pl_strcmp(&p.msg->cseq.met, "INVITE"));

		phone_send(&p, "ACK", NULL, NULL);

		if (scode == 200) {
			fix_told(&fx, "join established");
			phone_send(&p, "BYE", NULL, NULL);
			loop_run(20);
			fix_told(&fx, "join established end:0");
		}
		else {
			ck_assert_uint_eq(scode, 487);
			fix_told(&fx, "join end:487");
		}

		ck_assert(fix_idle(&fx));
		fx.log[0] = '\0';
		phone_close(&p);
	}

	fix_close(&fx);
}
END_TEST


START_TEST(call_cancelled_late)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 200);
	phone_send(&p, "CANCEL", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 481);
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "join established");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


START_TEST(call_invite_repeated)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	phone_send(&p, "INVITE", NULL, phone_sdp);
	phone_repeat(&p);
	ck_assert_uint_eq(phone_status(&p), 200);
	phone_repeat(&p);
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "join");

	phone_send(&p, "ACK", NULL, NULL);
	phone_repeat(&p);
	fix_told(&fx, "join established");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* Longer than any transaction lives, in which nothing is repeated any more */
enum { LATE_T1 = 25 };

static void forgotten(struct phone *p)
{
	while (phone_wait(p, 100 * LATE_T1))
		;
}


/* A copy of the INVITE that comes when its transaction is long forgotten
   does not make a second call. */
START_TEST(call_invite_late_copy)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone p;
	char invite[32768];
	size_t len;

	fix_conf(&conf, "127.0.0.1");
	conf.t1 = LATE_T1;
	fix_open(&fx, &conf);
	phone_open(&p, &fx.laddr, false, "room");

	phone_send(&p, "INVITE", NULL, phone_sdp);
	len = p.sentlen;
	memcpy(invite, p.sent, len);
	ck_assert_uint_eq(phone_status(&p), 200);
	phone_send(&p, "ACK", NULL, NULL);
	forgotten(&p);
	phone_raw(&p, invite, len);
	ck_assert_uint_eq(phone_status(&p), 482);
	forgotten(&p);

	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	forgotten(&p);
	phone_raw(&p, invite, len);
	ck_assert_uint_eq(phone_status(&p), 482);
	fix_told(&fx, "join established end:0");
	ck_assert(fix_idle(&fx));

	/* the same phone, later; nobody acknowledged the 482 */
	forgotten(&p);
	p.ttag[0] = '\0';
	fix_join(&fx, &p);
	ck_assert_uint_eq(sipstack_stat(fx.st, SIPSTACK_CALLS, 0), 1);

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/*    |--INVITE--->|  join
 *    |<--200------|
 *    |<--200------|  after T1, 2 T1, ...
 *    |<--BYE------|  after 64 T1: end
 */
START_TEST(call_not_acked)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone p;
	unsigned n = 0;

	fix_conf(&conf, "127.0.0.1");
	conf.t1 = 20;
	fix_open(&fx, &conf);
	phone_open(&p, &fx.laddr, false, "room");

	phone_send(&p, "INVITE", NULL, phone_sdp);
	while (phone_wait(&p, PHONE_LIMIT) && !p.msg->req)
		++n;

	ck_assert_uint_ge(n, 3);
	ck_assert(!pl_strcmp(&p.msg->met, "BYE"));
	ck_assert(phone_has(&p, "Reason", "cause=408"));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "join end:408");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


START_TEST(call_bye_from_us)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	fix_join(&fx, &p);

	ck_assert(!sipcall_bye(fx.call, 480, "Kicked \r\n out, \"x\""));
	ck_assert(phone_request(&p, "BYE"));
	ck_assert(phone_has(&p, "Reason",
			    "SIP;cause=480;text=\"Kicked    out, 'x'\""));
	ck_assert(!pl_strcmp(&p.msg->to.tag, p.ftag));
	ck_assert(!pl_strcmp(&p.msg->from.tag, p.ttag));
	fix_told(&fx, "end:480");
	ck_assert_uint_eq(sipstack_stat(fx.st, SIPSTACK_CALLS, 0), 1);
	phone_answer(&p, 200, NULL, NULL);
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* Behind NAT: the Contact names an address that leads nowhere. */
START_TEST(call_nat)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	str_ncpy(p.contact, "127.7.7.7:5070", sizeof(p.contact));
	fix_join(&fx, &p);

	ck_assert(!sipcall_probe(fx.call));
	ck_assert(phone_request(&p, "OPTIONS"));
	ck_assert(!pl_strcmp(&p.msg->ruri, "sip:alice@127.7.7.7:5070"));
	phone_answer(&p, 200, NULL, NULL);

	ck_assert(!sipcall_offer(fx.call, fix_sdp, strlen(fix_sdp)));
	ck_assert(phone_request(&p, "INVITE"));
	phone_answer(&p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&p, "ACK"));

	/* the NAT chooses another port meanwhile */
	phone_move(&p);
	phone_send(&p, "UPDATE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(!sipcall_bye(fx.call, 0, NULL));
	ck_assert(phone_request(&p, "BYE"));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "answer end:0");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* A callee may not hang up before the ACK: the BYE waits for it. */
START_TEST(call_bye_before_ack)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(!sipcall_bye(fx.call, 0, NULL));
	ck_assert(!phone_wait(&p, 100));
	phone_send(&p, "ACK", NULL, NULL);
	ck_assert(phone_request(&p, "BYE"));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "join end:0");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* A client that is hung up on before it was accepted is refused. */
START_TEST(call_bye_before_answer)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "silent");

	phone_send(&p, "INVITE", NULL, phone_sdp);
	fix_told(&fx, "join");
	ck_assert(!sipcall_bye(fx.call, 0, NULL));
	ck_assert_uint_eq(phone_status(&p), 480);
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "join end:480");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


START_TEST(call_byes_cross)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	fix_join(&fx, &p);

	ck_assert(!sipcall_bye(fx.call, 0, NULL));
	ck_assert(phone_request(&p, "BYE"));

	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "end:0");

	/* ours comes again, until it is answered */
	ck_assert(phone_request(&p, "BYE"));
	phone_answer(&p, 481, NULL, NULL);
	ck_assert(fix_idle(&fx));
	fix_told(&fx, "end:0");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/*    |--INVITE (no SDP)-->|  join
 *    |<--200 (offer)------|
 *    |--ACK (answer)----->|  established, with the answer
 */
START_TEST(call_offer_in_200)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	phone_send(&p, "INVITE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_says(&p, "m=audio 20000"));
	fx.body[0] = '\0';
	phone_send(&p, "ACK", NULL, phone_sdp);
	fix_told(&fx, "join established");
	ck_assert_str_eq(fx.body, phone_sdp);

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


START_TEST(call_no_answer_in_ack)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	phone_send(&p, "INVITE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	phone_send(&p, "ACK", NULL, NULL);
	ck_assert(phone_request(&p, "BYE"));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "join end:400");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* CSeq of an earlier request: 500 (RFC 3261 section 12.2.2) */
START_TEST(call_out_of_order)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	p.cseq = 10;
	fix_join(&fx, &p);

	p.cseq = 3;
	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 500);
	fix_told(&fx, "");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* Another dialog's tags: 481, and the call is not harmed. */
START_TEST(call_wrong_tag)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	fix_join(&fx, &p);

	str_ncpy(p.ttag, "guessed", sizeof(p.ttag));
	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 481);
	fix_told(&fx, "");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


START_TEST(call_dialog_told)
{
	struct fix fx;
	struct phone p;
	char line[160];

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	phone_send(&p, "INVITE", "Record-Route: <sip:127.0.0.1:9;lr>\r\n",
		   phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_has(&p, "Record-Route", "sip:127.0.0.1:9;lr"));
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "join established");

	ck_assert(!sipcall_freeze(fx.call));
	fix_told(&fx, "join established dialog");

	(void)re_snprintf(line, sizeof(line), "call-id: %s\n", p.callid);
	ck_assert_ptr_nonnull(strstr(fx.body, line));
	(void)re_snprintf(line, sizeof(line), "local-tag: %s\n", p.ttag);
	ck_assert_ptr_nonnull(strstr(fx.body, line));
	(void)re_snprintf(line, sizeof(line), "remote-tag: %s\n", p.ftag);
	ck_assert_ptr_nonnull(strstr(fx.body, line));
	(void)re_snprintf(line, sizeof(line), "remote-target: sip:alice@%J\n",
			  &p.me);
	ck_assert_ptr_nonnull(strstr(fx.body, line));
	ck_assert_ptr_nonnull(strstr(fx.body, "remote-cseq: 1\n"));
	ck_assert_ptr_nonnull(strstr(fx.body,
				     "route: <sip:127.0.0.1:9;lr>\n"));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


START_TEST(call_traced)
{
	struct fix fx;
	struct phone p, q;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	phone_open(&q, &fx.laddr, false, "room");

	ck_assert(!sipstack_trace(fx.st, p.callid, true));
	fix_join(&fx, &q);
	ck_assert_ptr_null(strstr(fx.trace, "SIP/2.0"));

	fx.trace[0] = '\0';
	fix_join(&fx, &p);
	ck_assert_ptr_nonnull(strstr(fx.trace, "INVITE sip:room@"));
	ck_assert_ptr_nonnull(strstr(fx.trace, "SIP/2.0 200 OK\r\n"));
	ck_assert_ptr_nonnull(strstr(fx.trace, "ACK sip:room@"));
	ck_assert_ptr_nonnull(strstr(fx.trace, "m=audio 20000"));

	/* asked for twice it is one, and there may be so many of them */
	ck_assert(!sipstack_trace(fx.st, p.callid, true));
	for (unsigned i = 1; i < 64; i++) {
		char who[16];

		(void)re_snprintf(who, sizeof(who), "user%u", i);
		ck_assert(!sipstack_trace(fx.st, who, true));
	}
	ck_assert_int_eq(sipstack_trace(fx.st, "user64", true), EOVERFLOW);
	ck_assert(!sipstack_trace(fx.st, "nobody", false));
	ck_assert_int_eq(sipstack_trace(fx.st, "user64", true), EOVERFLOW);
	ck_assert(!sipstack_trace(fx.st, "user1", false));
	ck_assert(!sipstack_trace(fx.st, "user64", true));

	fx.trace[0] = '\0';
	ck_assert(!sipcall_trace(fx.call, false));
	phone_send(&p, "OPTIONS", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert_str_eq(fx.trace, "");

	phone_close(&q);
	phone_close(&p);
	fix_close(&fx);
}
END_TEST


static Suite *call_suite(void)
{
	Suite *s = suite_create("call");
	TCase *tc = tcase_create("call");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, call_basic);
	tcase_add_test(tc, call_account);
	tcase_add_test(tc, call_redirected);
	tcase_add_test(tc, call_refused);
	tcase_add_test(tc, call_cancelled);
	tcase_add_test(tc, call_cancel_crosses);
	tcase_add_test(tc, call_cancelled_late);
	tcase_add_test(tc, call_invite_repeated);
	tcase_add_test(tc, call_invite_late_copy);
	tcase_add_test(tc, call_not_acked);
	tcase_add_test(tc, call_bye_from_us);
	tcase_add_test(tc, call_nat);
	tcase_add_test(tc, call_bye_before_ack);
	tcase_add_test(tc, call_bye_before_answer);
	tcase_add_test(tc, call_byes_cross);
	tcase_add_test(tc, call_offer_in_200);
	tcase_add_test(tc, call_no_answer_in_ack);
	tcase_add_test(tc, call_out_of_order);
	tcase_add_test(tc, call_wrong_tag);
	tcase_add_test(tc, call_dialog_told);
	tcase_add_test(tc, call_traced);
	suite_add_tcase(s, tc);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(call_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
