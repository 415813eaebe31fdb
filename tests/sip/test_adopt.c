/**
 * @file test_adopt.c  A server adopts a dialog: what the phone answers, and
 *                     when
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "handover.h"
#include "../suite.h"


/* Both sides offer: ours comes again. */
START_TEST(adopted_glare)
{
	struct handover f;

	handover_open(&f);
	handover_freeze(&f);
	handover_adopt(&f);

	for (int i = 0; i < 3; i++) {
		if (i)
			ck_assert(phone_request(&f.p, "INVITE"));
		else
			handover_reinvite(&f);
		phone_answer(&f.p, 491, NULL, NULL);
		ck_assert(phone_request(&f.p, "ACK"));
	}

	/* meanwhile the phone's own, at the new server */
	phone_send(&f.p, "INVITE", NULL, phone_sdp);
	fix_told(&f.b, "offer");
	ck_assert(!sipcall_accept(f.call, new_sdp, strlen(new_sdp)));
	while (phone_wait(&f.p, PHONE_LIMIT) &&
	       (f.p.msg->req || f.p.msg->scode < 200)) {
		if (f.p.msg->req && pl_strcmp(&f.p.msg->met, "ACK"))
			phone_answer(&f.p, 491, NULL, NULL);
	}
	phone_send(&f.p, "ACK", NULL, NULL);

	ck_assert(phone_request(&f.p, "INVITE"));
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	fix_told(&f.b, "offer answer");
	handover_close(&f);
}
END_TEST


/* What the phone may answer to the new server's re-INVITE */
static const struct {
	unsigned scode;
	const char *hdrs;
	const char *told;
	bool again;                /* it is asked once more first           */
} answerv[] = {
	{488, NULL, "refused:488", false},
	{403, NULL, "refused:403", false},
	{500, NULL, "refused:500", false},
	{503, "Retry-After: 3600\r\n", "refused:503", false},
	{503, "Retry-After: 1\r\n", "refused:488", true},
	{500, "Retry-After: 0\r\n", "refused:488", true},
	{481, NULL, "end:481", false},
	{408, NULL, "end:408", false},
};


START_TEST(adopted_refused)
{
	struct handover f;

	handover_open(&f);
	handover_freeze(&f);
	handover_adopt(&f);
	handover_reinvite(&f);
	phone_answer(&f.p, answerv[_i].scode, answerv[_i].hdrs, NULL);
	ck_assert(phone_request(&f.p, "ACK"));

	if (answerv[_i].again) {
		ck_assert(phone_request(&f.p, "INVITE"));
		phone_answer(&f.p, 488, NULL, NULL);
		ck_assert(phone_request(&f.p, "ACK"));
	}

	fix_told(&f.b, answerv[_i].told);
	ck_assert(!sipcall_release(f.call) ==
		  !strncmp(answerv[_i].told, "refused", 7));
	ck_assert(fix_idle(&f.b));

	/* the old server goes on, with a higher number */
	ck_assert(!sipcall_thaw(f.a.call, f.p.msg->cseq.num));
	ck_assert(!sipcall_bye(f.a.call, 0, NULL));
	ck_assert(phone_request(&f.p, "BYE"));
	handover_close(&f);
}
END_TEST


/* It takes so long to answer that nobody waits for it; when it does, the
   dialog is not the new server's any more. */
START_TEST(adopted_slow)
{
	struct sipstack_conf conf;
	struct handover f;

	fix_conf(&conf, "127.0.0.1");
	conf.move_ms = 300;
	handover_conf(&f, &conf, false);
	fix_join(&f.a, &f.p);
	handover_freeze(&f);
	handover_adopt(&f);
	handover_reinvite(&f);
	phone_answer(&f.p, 180, NULL, NULL);
	fix_told(&f.b, "refused:408");
	ck_assert_int_eq(f.b.err, ETIMEDOUT);

	ck_assert(!sipcall_release(f.call));
	ck_assert(phone_request(&f.p, "CANCEL"));
	phone_answer(&f.p, 200, NULL, NULL);
	ck_assert(sipstack_stat(f.b.st, SIPSTACK_CALLS, 0) != 0);
	f.p.msg = mem_deref(f.p.msg);
	handover_close(&f);
}
END_TEST


/* Released, but the phone's 200 was on its way: it is acknowledged. */
START_TEST(adopted_crosses)
{
	struct handover f;
	struct sip_msg *inv;

	handover_open(&f);
	handover_freeze(&f);
	handover_adopt(&f);
	handover_reinvite(&f);
	inv = mem_ref(f.p.msg);
	ck_assert(!sipcall_release(f.call));
	loop_run(20);
	mem_deref(f.p.msg);
	f.p.msg = inv;
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	fix_told(&f.b, "");
	ck_assert(fix_idle(&f.b));
	handover_close(&f);
}
END_TEST


/* Given up before the signalling thread has heard of it; and once more. */
START_TEST(adopted_given_up)
{
	struct handover f;

	handover_open(&f);
	handover_freeze(&f);

	for (int i = 0; i < 3; i++) {
		handover_adopt(&f);
		ck_assert(!sipcall_offer(f.call, new_sdp, strlen(new_sdp)));
		ck_assert(!sipcall_release(f.call));
		ck_assert_int_eq(sipcall_bye(f.call, 0, NULL), ENOTCONN);
		f.call = mem_deref(f.call);
		fix_told(&f.b, "");
	}

	/* the re-INVITEs were cancelled, the call goes on where it was */
	ck_assert(!sipcall_thaw(f.a.call, (uint32_t)f.d.local_cseq + 5));
	ck_assert(!sipcall_probe(f.a.call));
	while (phone_wait(&f.p, PHONE_LIMIT) && f.p.msg->req &&
	       pl_strcmp(&f.p.msg->met, "OPTIONS"))
		;
	ck_assert(!pl_strcmp(&f.p.msg->met, "OPTIONS"));
	phone_answer(&f.p, 200, NULL, NULL);
	fix_told(&f.a, "");

	/* it ends while one is on its way here */
	handover_adopt(&f);
	handover_close(&f);
}
END_TEST


/* The phone wants longer sessions than the old server had agreed on. */
START_TEST(adopted_timer)
{
	struct sipstack_conf conf;
	struct handover f;

	fix_conf(&conf, "127.0.0.1");
	conf.se = 100;
	handover_conf(&f, &conf, false);
	phone_send(&f.p, "INVITE", "Allow: INVITE, UPDATE\r\n"
		   "Supported: timer, replaces\r\n"
		   "Session-Expires: 100;refresher=uas\r\n", phone_sdp);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	phone_send(&f.p, "ACK", NULL, NULL);
	fix_told(&f.a, "join established");
	f.a.log[0] = '\0';

	handover_freeze(&f);
	ck_assert_uint_eq(f.d.interval, 100);
	ck_assert_uint_eq(f.d.refresher, 1);
	ck_assert_uint_eq(f.d.timer, 1);
	ck_assert_uint_eq(f.d.update, 1);
	ck_assert_uint_eq(f.d.replaces, 1);
	ck_assert_uint_ge(f.d.left, 20);
	ck_assert_uint_le(f.d.left, 50);
	f.d.left = 2;
	handover_adopt(&f);
	handover_reinvite(&f);
	ck_assert(phone_has(&f.p, "Session-Expires", "100;refresher=uac"));
	phone_answer(&f.p, 422, "Min-SE: 200\r\n", NULL);
	ck_assert(phone_request(&f.p, "ACK"));
	ck_assert(phone_request(&f.p, "INVITE"));
	ck_assert(phone_has(&f.p, "Session-Expires", "200;refresher=uac"));
	phone_answer(&f.p, 200, "Session-Expires: 200;refresher=uac\r\n",
		     phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	fix_told(&f.b, "answer");
	handover_close(&f);
}
END_TEST


/* The old server died when it was the refresher's turn. */
START_TEST(adopted_refreshes)
{
	struct handover f;

	handover_open(&f);
	handover_freeze(&f);
	f.d.interval  = 100;
	f.d.refresher = 1;
	f.d.update    = 1;
	f.d.left      = 1;
	handover_adopt(&f);
	ck_assert(phone_request(&f.p, "UPDATE"));
	ck_assert(phone_has(&f.p, "Session-Expires", "100;refresher=uac"));
	ck_assert(phone_has(&f.p, "CSeq", "UPDATE"));
	phone_answer(&f.p, 200, NULL, NULL);
	handover_close(&f);
}
END_TEST


/* After a crash: numbers were used that nobody wrote down. */
START_TEST(adopted_after_crash)
{
	struct handover f;
	uint64_t cseq;

	handover_open(&f);
	handover_freeze(&f);
	cseq = f.d.local_cseq += 1000;
	f.d.remote_cseq = 0;
	handover_adopt(&f);
	handover_reinvite(&f);
	ck_assert_uint_eq(f.p.msg->cseq.num, cseq + 1);
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	phone_send(&f.p, "OPTIONS", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	handover_close(&f);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("adopt");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, adopted_glare);
	tcase_add_loop_test(tc, adopted_refused, 0, ARRAY_SIZE(answerv));
	tcase_add_test(tc, adopted_slow);
	tcase_add_test(tc, adopted_crosses);
	tcase_add_test(tc, adopted_given_up);
	tcase_add_test(tc, adopted_timer);
	tcase_add_test(tc, adopted_refreshes);
	tcase_add_test(tc, adopted_after_crash);

	return suite_run("adopt", tc);
}
