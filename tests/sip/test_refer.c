/**
 * @file test_refer.c  Phones that are sent elsewhere (RFC 3515), and calls
 *                     that replace others (RFC 3891)
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "fixture.h"


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


static void refer(struct fix *fx, struct phone *p)
{
	char want[512];

	ck_assert(!sipcall_refer(fx->call, "sip:room@127.0.0.2:5099;x=y"));
	ck_assert(phone_request(p, "REFER"));
	(void)re_snprintf(want, sizeof(want), "<sip:room@127.0.0.2:5099;x=y"
			  "?Replaces=%s%%3Bto-tag%%3D%s%%3Bfrom-tag%%3D%s>",
			  p->callid, p->ttag, p->ftag);
	ck_assert(phone_has(p, "Refer-To", want));
	ck_assert(phone_has(p, "Referred-By", "<sip:"));
	ck_assert(phone_has(p, "Contact", "isfocus"));
}


static void notify(struct phone *p, const char *state, const char *frag)
{
	char hdrs[256];

	(void)re_snprintf(hdrs, sizeof(hdrs), "Event: refer\r\n"
			  "Subscription-State: %s\r\n"
			  "Content-Type: message/sipfrag;version=2.0\r\n",
			  state);
	phone_send(p, "NOTIFY", hdrs, frag);
}


/*    |<--REFER--------|
 *    |--202---------->|
 *    |--NOTIFY 100--->|
 *    |--NOTIFY 200--->|  referred
 */
START_TEST(refer_followed)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);

	/* nobody asked for anything yet */
	notify(&p, "active", "SIP/2.0 200 OK\r\n");
	ck_assert_uint_eq(phone_status(&p), 481);

	refer(&fx, &p);
	phone_answer(&p, 202, NULL, NULL);
	notify(&p, "active;expires=60", "SIP/2.0 100 Trying\r\n");
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "");
	notify(&p, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n");
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "referred:200");

	/* told once */
	notify(&p, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n");
	ck_assert_uint_eq(phone_status(&p), 481);
	fix_told(&fx, "referred:200");

	ck_assert(!sipcall_bye(fx.call, 0, NULL));
	ck_assert(phone_request(&p, "BYE"));
	end(&fx, &p);
}
END_TEST


/* The NOTIFY overtakes the 202. */
START_TEST(refer_overtaken)
{
	struct fix fx;
	struct phone p;
	struct sip_msg *req;

	begin(&fx, &p);
	refer(&fx, &p);
	req = mem_ref(p.msg);
	notify(&p, "active;expires=60", "SIP/2.0 486 Busy Here\r\n");
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "referred:486");
	mem_deref(p.msg);
	p.msg = req;
	phone_answer(&p, 202, NULL, NULL);
	fix_told(&fx, "referred:486");
	end(&fx, &p);
}
END_TEST


static const struct {
	unsigned scode;
	const char *hdrs;
	const char *told;
} answerv[] = {
	{405, NULL, "referred:405"},
	{603, NULL, "referred:603"},
	{202, "Refer-Sub: false\r\n", "referred:202"},
	{481, NULL, "referred:481 end:481"},
};


START_TEST(refer_answered)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);
	refer(&fx, &p);
	phone_answer(&p, answerv[_i].scode, answerv[_i].hdrs, NULL);
	fix_told(&fx, answerv[_i].told);
	end(&fx, &p);
}
END_TEST


static const struct {
	const char *state, *ctype, *frag;
	unsigned scode;
	const char *told;
} fragv[] = {
	{"active", "message/sipfrag", "SIP/2.0 603 No", 200, "referred:603"},
	{"active", "message/sipfrag", "SIP/2.0 603", 200, "referred:603"},
	{"active", "message/sipfrag", "SIP/2.0 180 R\r\nA: b", 200, ""},
	{"active", "message/sipfrag", "SIP/2.0 2000 OK", 200, ""},
	{"active", "message/sipfrag", "SIP/2.0 700 OK", 200, ""},
	{"active", "message/sipfrag", "SIP/2.0 20", 200, ""},
	{"active", "message/sipfrag", "SIP/3.0 200 OK", 200, ""},
	{"active", "message/sipfrag", "\r\n", 200, ""},
	{"active", "text/plain", "SIP/2.0 200 OK", 415, ""},
	{"terminated", "message/sipfrag", "SIP/2.0 100 Trying", 200,
	 "referred:487"},
	{"terminated", "message/sipfrag", "x", 200, "referred:487"},
};


START_TEST(refer_fragments)
{
	struct fix fx;
	struct phone p;
	char hdrs[256];

	begin(&fx, &p);
	refer(&fx, &p);
	phone_answer(&p, 202, NULL, NULL);
	(void)re_snprintf(hdrs, sizeof(hdrs), "Event: refer;id=7\r\n"
			  "Subscription-State: %s\r\nContent-Type: %s\r\n",
			  fragv[_i].state, fragv[_i].ctype);
	phone_send(&p, "NOTIFY", hdrs, fragv[_i].frag);
	ck_assert_uint_eq(phone_status(&p), fragv[_i].scode);
	fix_told(&fx, fragv[_i].told);
	end(&fx, &p);
}
END_TEST


START_TEST(refer_not_now)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);
	ck_assert_int_eq(sipcall_refer(fx.call, NULL), EINVAL);
	ck_assert(!sipcall_refer(fx.call, "tel:1"));
	fix_told(&fx, "referred:400");
	ck_assert(!sipcall_refer(fx.call, "sip:a>\r\nX: y"));
	fix_told(&fx, "referred:400 referred:400");
	fx.log[0] = '\0';

	refer(&fx, &p);
	ck_assert(!sipcall_refer(fx.call, "sip:a@b"));
	fix_told(&fx, "referred:491");
	phone_answer(&p, 202, NULL, NULL);

	/* the phone hangs up as soon as it is there */
	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "referred:491 end:0");
	end(&fx, &p);
}
END_TEST


/* A conference does not call anybody, and is no subscriber. */
START_TEST(refer_theirs)
{
	struct fix fx;
	struct phone p;

	begin(&fx, &p);
	phone_send(&p, "REFER", "Refer-To: <sip:bob@127.0.0.1>\r\n", NULL);
	ck_assert_uint_eq(phone_status(&p), 603);
	phone_send(&p, "NOTIFY", "Event: presence\r\n", NULL);
	ck_assert_uint_eq(phone_status(&p), 489);
	phone_new(&p);
	phone_send(&p, "REFER", "Refer-To: <sip:bob@127.0.0.1>\r\n", NULL);
	ck_assert_uint_eq(phone_status(&p), 405);
	fix_told(&fx, "");
	end(&fx, &p);
}
END_TEST


static void replaces(struct phone *q, const char *callid, const char *totag,
		     const char *fromtag, const char *more)
{
	char hdrs[1024];

	phone_new(q);
	(void)re_snprintf(hdrs, sizeof(hdrs), "Require: replaces\r\n"
			  "Replaces: %s;to-tag=%s;from-tag=%s%s\r\n",
			  callid, totag, fromtag, more);
	phone_send(q, "INVITE", hdrs, phone_sdp);
}


START_TEST(replaces_known)
{
	struct fix fx;
	struct phone p, q;
	struct sipcall *first;

	begin(&fx, &p);
	first = mem_ref(fx.call);
	phone_open(&q, &fx.laddr, false, "room");
	replaces(&q, p.callid, p.ttag, p.ftag, "");
	ck_assert_uint_eq(phone_status(&q), 200);
	phone_send(&q, "ACK", NULL, NULL);
	fix_told(&fx, "join established");
	ck_assert_ptr_eq(fx.replaced, first);
	ck_assert_str_eq(fx.replaces, p.callid);

	ck_assert(!sipcall_bye(first, 0, NULL));
	ck_assert(phone_request(&p, "BYE"));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "join established end:0");

	/* too late now */
	replaces(&q, p.callid, p.ttag, p.ftag, "");
	ck_assert_uint_eq(phone_status(&q), 603);
	phone_send(&q, "ACK", NULL, NULL);

	mem_deref(first);
	phone_close(&q);
	end(&fx, &p);
}
END_TEST


START_TEST(replaces_refused)
{
	struct fix fx;
	struct phone p, q;
	char id[320];

	begin(&fx, &p);
	phone_open(&q, &fx.laddr, false, "room");

	replaces(&q, p.callid, "other", p.ftag, "");
	ck_assert_uint_eq(phone_status(&q), 481);
	phone_send(&q, "ACK", NULL, NULL);
	replaces(&q, p.callid, p.ttag, "other", "");
	ck_assert_uint_eq(phone_status(&q), 481);
	phone_send(&q, "ACK", NULL, NULL);
	replaces(&q, p.callid, p.ftag, p.ttag, "");
	ck_assert_uint_eq(phone_status(&q), 481);
	phone_send(&q, "ACK", NULL, NULL);
	replaces(&q, p.callid, p.ttag, p.ftag, ";early-only");
	ck_assert_uint_eq(phone_status(&q), 486);
	phone_send(&q, "ACK", NULL, NULL);

	/* no dialog is named */
	phone_new(&q);
	phone_send(&q, "INVITE", "Replaces: x;to-tag=a\r\n", phone_sdp);
	ck_assert_uint_eq(phone_status(&q), 400);
	phone_send(&q, "ACK", NULL, NULL);
	memset(id, 'x', sizeof(id));
	id[sizeof(id) - 1] = '\0';
	replaces(&q, id, "a", "b", "");
	ck_assert_uint_eq(phone_status(&q), 400);
	phone_send(&q, "ACK", NULL, NULL);
	fix_told(&fx, "");
	ck_assert_uint_eq(sipstack_stat(fx.st, SIPSTACK_CALLS, 0), 1);

	phone_close(&q);
	end(&fx, &p);
}
END_TEST


/* Of a dialog of another server: its owner decides. */
START_TEST(replaces_foreign)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	replaces(&p, "foreign@there", "a", "b", "");
	ck_assert_uint_eq(phone_status(&p), 200);
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "join established");
	ck_assert_ptr_null(fx.replaced);
	ck_assert_str_eq(fx.replaces, "foreign@there");
	end(&fx, &p);
}
END_TEST


static Suite *refer_suite(void)
{
	Suite *s = suite_create("refer");
	TCase *tc = tcase_create("refer");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, refer_followed);
	tcase_add_test(tc, refer_overtaken);
	tcase_add_loop_test(tc, refer_answered, 0, ARRAY_SIZE(answerv));
	tcase_add_loop_test(tc, refer_fragments, 0, ARRAY_SIZE(fragv));
	tcase_add_test(tc, refer_not_now);
	tcase_add_test(tc, refer_theirs);
	tcase_add_test(tc, replaces_known);
	tcase_add_test(tc, replaces_refused);
	tcase_add_test(tc, replaces_foreign);
	suite_add_tcase(s, tc);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(refer_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
