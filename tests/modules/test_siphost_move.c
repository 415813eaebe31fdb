/**
 * @file test_siphost_move.c  The SIP client host: clients that go to another
 *                            server and come back, calls instead of others
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "siphost_server.h"
#include "../suite.h"


/* Its dialog is asked for, and it stays after all. */
static void moving_stays(struct phone *p)
{
	ask(ASK_DIALOG);
	ck_assert_int_eq(host.err, 0);
	log_is("dialog:0");
	ask(ASK_ADOPT_BAD);
	ask(ASK_ADOPT);
	ck_assert_int_eq(host.err, EEXIST);

	ask(ASK_THAW);
	ask(ASK_OFFER);
	ck_assert_int_eq(host.err, 0);
	ck_assert(phone_request(p, "INVITE"));
	ck_assert_uint_eq(p->msg->cseq.num, 0x20001);
	phone_answer(p, 488, NULL, NULL);
	ck_assert(phone_request(p, "ACK"));
	log_is("refused:488");
}


/* It goes, and nobody hears of it. */
static void moving_goes(struct phone *p)
{
	ask(ASK_DIALOG);
	log_is("dialog:0");
	ask(ASK_RELEASE);
	ck_assert_int_eq(host.err, 0);
	log_is("");
	phone_send(p, "OPTIONS", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 481);
}


static void moving_comes(struct phone *p)
{
	ask(ASK_ADOPT);
	ck_assert_int_eq(host.err, 0);
	ask(ASK_OFFER);
	ck_assert_int_eq(host.err, 0);
	ck_assert(phone_request(p, "INVITE"));
	ck_assert_uint_eq(p->msg->cseq.num, 0x20001 + 101);

	/* the session that the first offer began, 100 versions later */
	ck_assert(phone_says(p, "o=- 1 102 IN"));
	phone_answer(p, 200, NULL, phone_sdp);
	ck_assert(phone_request(p, "ACK"));
	log_is("media:answer");
}


static void moving_asked(struct phone *p)
{
	ask(ASK_PROBE);
	ck_assert(phone_request(p, "OPTIONS"));
	phone_answer(p, 200, NULL, NULL);
	log_is("");
	ask(ASK_PROBE);
	ck_assert(phone_request(p, "OPTIONS"));
	phone_answer(p, 481, NULL, NULL);
	log_is("dead:481");

	ask(ASK_REFER);
	ck_assert_int_eq(host.err, 0);
	ck_assert(phone_request(p, "REFER"));
	phone_answer(p, 603, NULL, NULL);
	log_is("referred:603");
}


/* It hangs up while somebody waits for its dialog. */
static void moving_ends(struct phone *p)
{
	ask(ASK_OFFER);
	ck_assert(phone_request(p, "INVITE"));
	ask(ASK_DIALOG);
	log_is("");
	phone_send(p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("dialog:107 leave:0");
	ask(ASK_DIALOG);
	ck_assert_int_eq(host.err, ENOTCONN);
}


/* A client leaves this server and comes back, as it would at another one. */
static void moving(struct phone *p)
{
	phone_join(p);
	moving_stays(p);
	moving_goes(p);
	moving_comes(p);
	moving_asked(p);

	ask(ASK_METRICS);
	ck_assert_ptr_nonnull(strstr(host.result,
				     "junctor_sip_adopted_total 1"));
	ck_assert_ptr_nonnull(strstr(host.result,
				     "junctor_sip_released_total 1"));

	moving_ends(p);
	ask(ASK_STOP);
}


START_TEST(siphost_moving)
{
	ck_assert_int_eq(ENOTCONN, 107);
	host_run(moving);
}
END_TEST


/* Somebody who is about to adopt a client hears that it speaks already. */
static void losing(struct phone *p)
{
	phone_join(p);
	ask(ASK_DIALOG);
	log_is("dialog:0");
	ask(ASK_RELEASE);

	str_ncpy(p->ttag, "unknown", sizeof(p->ttag));
	phone_send(p, "INFO", "Content-Type: application/dtmf\r\n", "6");
	ck_assert_uint_eq(phone_status(p), 481);
	log_is("");

	phone_new(p);
	str_ncpy(p->ttag, "unknown", sizeof(p->ttag));
	phone_send(p, "INFO", "Content-Type: application/dtmf\r\n", "6");
	ck_assert_uint_eq(phone_status(p), 481);
	log_is("lost");
	ask(ASK_STOP);
}


START_TEST(siphost_losing)
{
	host_run(losing);
}
END_TEST


static void replace_send(struct phone *q, const char *callid,
			 const char *totag, const char *fromtag)
{
	char hdrs[512];

	(void)re_snprintf(hdrs, sizeof(hdrs), "Replaces: %s;to-tag=%s;"
			  "from-tag=%s\r\n", callid, totag, fromtag);
	phone_new(q);
	phone_send(q, "INVITE", hdrs, phone_sdp);
}


static void replacing(struct phone *p)
{
	struct phone q;

	phone_join(p);
	phone_open(&q, &host.laddr, false, "room");

	replace_send(&q, "unknown", "a", "b");
	ck_assert_uint_eq(phone_status(&q), 481);
	phone_send(&q, "ACK", NULL, NULL);
	log_is("connect:room replaces:room unknown");

	str_ncpy(q.conf, "other", sizeof(q.conf));
	replace_send(&q, p->callid, p->ttag, p->ftag);
	ck_assert_uint_eq(phone_status(&q), 481);
	phone_send(&q, "ACK", NULL, NULL);
	log_is("connect:other");
	str_ncpy(q.conf, "room", sizeof(q.conf));

	replace_send(&q, p->callid, p->ttag, p->ftag);
	ck_assert_uint_eq(phone_status(&q), 200);
	phone_send(&q, "ACK", NULL, NULL);
	ck_assert(phone_request(p, "BYE"));
	phone_answer(p, 200, NULL, NULL);
	log_is("connect:room instead join:room leave:0 established");

	replace_send(&q, "moved", "a", "b");
	ck_assert_uint_eq(phone_status(&q), 200);
	phone_send(&q, "ACK", NULL, NULL);
	log_is("connect:room replaces:room moved join:room established");
	phone_close(&q);
	ask(ASK_STOP);
}


START_TEST(siphost_replacing)
{
	host_run(replacing);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("siphost move");

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, siphost_moving);
	tcase_add_test(tc, siphost_losing);
	tcase_add_test(tc, siphost_replacing);

	return suite_run("siphost move", tc);
}
