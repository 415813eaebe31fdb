/**
 * @file test_redirect.c  What the fast path answers and what it leaves
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <re.h>             /* first: sofia has macros with its names */
#include <sofia-sip/su_wait.h>
#include <sofia-sip/msg.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <check.h>
#include "sip/redirect.h"
#include "gate.h"


START_TEST(redirected)
{
	struct redirect *r = gate_begin(1);
	struct redirect_stats st;
	char buf[GATE_TEXT], again[GATE_TEXT], tag[64], head[512];
	struct sa sa;
	int fd = gate_client("127.0.0.1");
	size_t n;

	sa.len = sizeof(sa.u);
	ck_assert_int_eq(0, getsockname(fd, &sa.u.sa, &sa.len));

	ask(fd, buf, "INVITE", "known1", "c1", 7, "", "SIP/2.0 302 ");
	tag_get(tag, sizeof(tag), buf);
	(void)snprintf(head, sizeof(head),
		"SIP/2.0 302 Moved Temporarily\r\n"
		"Via: SIP/2.0/UDP 10.9.8.7:9;branch=z9hG4bKc17;rport=%u"
		";received=127.0.0.1\r\n"
		"From: \"A\" <sip:alice@127.0.0.1>;tag=f1\r\n"
		"To: <sip:known1@127.0.0.1>;tag=%s\r\n"
		"Call-ID: c1\r\nCSeq: 7 INVITE\r\n"
		"Contact: <sip:known1@127.0.0.1:5070;ticket=0a1b>\r\n"
		"Content-Length: 0\r\n\r\n", sa_port(&sa), tag);
	ck_assert_str_eq(buf, head);

	/* the same again, and once more */
	ask(fd, again, "INVITE", "known1", "c1", 7, "", "SIP/2.0 302 ");
	ck_assert_str_eq(buf, again);
	ask(fd, again, "INVITE", "known1", "c1", 7, "", "SIP/2.0 302 ");
	ck_assert_str_eq(buf, again);

	/* our ACK, then somebody else's, which sofia gets */
	n = request(buf, sizeof(buf), "ACK", "known1", "c1", 7, tag, "");
	text_send(fd, buf, n);
	tag[0] = tag[0] == '0' ? '1' : '0';
	n = request(buf, sizeof(buf), "ACK", "known1", "c1", 7, tag, "");
	text_send(fd, buf, n);
	ask(fd, buf, "OPTIONS", "known1", "c2", 1, "", "SIP/2.0 480 ");

	redirect_stats(r, &st);
	ck_assert_uint_eq(1, st.redirected);
	ck_assert_uint_eq(2, st.retransmitted);
	ck_assert_uint_eq(1, st.acked);
	ck_assert_uint_eq(2, st.handed_over);
	ck_assert_uint_eq(0, st.malformed);
	ck_assert_uint_eq(2, gate_threadv[0].got);
	ck_assert_uint_eq(1, gate_threadv[0].acks);

	close(fd);
	gate_end(r, 1);
}
END_TEST


START_TEST(handed_over)
{
	static const char *morev[] = {
		"Route: <sip:p@127.0.0.1;lr>\r\n", "Require: foo\r\n",
		"Foo: bar\r\n", "Subject: a\r\n b\r\n", "Max-Forwards: 70\r\n",
		"Record-Route: <sip:p@127.0.0.1;lr>\r\n",
	};
	struct redirect *r = gate_begin(1);
	char buf[GATE_TEXT], callid[16];
	int fd = gate_client("127.0.0.1");
	unsigned i;

	ask(fd, buf, "INVITE", "other", "c1", 1, "", "SIP/2.0 480 ");

	for (i=0; i<ARRAY_SIZE(morev); i++) {
		(void)snprintf(callid, sizeof(callid), "m%u", i);
		ask(fd, buf, "INVITE", "known", callid, 1, morev[i],
		    "SIP/2.0 4");
		ck_assert_ptr_null(strstr(buf, "SIP/2.0 302"));
	}

	/* no handler, nobody is known; it may be set again at any time */
	redirect_handler(r, NULL, NULL);
	ask(fd, buf, "INVITE", "known", "c2", 1, "", "SIP/2.0 480 ");
	redirect_handler(r, gate_lookup, gate_threadv);
	ask(fd, buf, "INVITE", "known", "c3", 1, "", "SIP/2.0 302 ");

	/* on hold for two reasons */
	redirect_hold(r, REDIRECT_HOLD_REFUSING, true);
	redirect_hold(r, REDIRECT_HOLD_TRACING, true);
	ask(fd, buf, "INVITE", "known", "c4", 1, "", "SIP/2.0 480 ");
	redirect_hold(r, REDIRECT_HOLD_REFUSING, false);
	ask(fd, buf, "INVITE", "known", "c5", 1, "", "SIP/2.0 480 ");
	redirect_hold(r, REDIRECT_HOLD_TRACING, false);
	ask(fd, buf, "INVITE", "known", "c6", 1, "", "SIP/2.0 302 ");

	close(fd);
	gate_end(r, 1);
}
END_TEST


/* A phone that comes back without its ticket must not be sent round. */
START_TEST(came_back)
{
	struct redirect *r = gate_begin(1);
	char buf[GATE_TEXT];
	int fd = gate_client("127.0.0.1");

	ask(fd, buf, "INVITE", "known1", "c1", 1, "", "SIP/2.0 302 ");
	ask(fd, buf, "INVITE", "known1", "c1", 2, "", "SIP/2.0 480 ");
	ask(fd, buf, "INVITE", "known1", "c1", 2, "", "SIP/2.0 480 ");
	ask(fd, buf, "INVITE", "known1", "c1", 1, "", "SIP/2.0 302 ");

	/* another conference, another call */
	ask(fd, buf, "INVITE", "known2", "c1", 3, "", "SIP/2.0 302 ");
	ask(fd, buf, "INVITE", "known1", "c2", 4, "", "SIP/2.0 302 ");

	close(fd);
	gate_end(r, 1);
}
END_TEST


/* Without rport the answer goes to the port in the Via. */
START_TEST(via_port)
{
	struct redirect *r = gate_begin(1);
	int fd = gate_client("127.0.0.1"), fd2 = gate_client("127.0.0.1");
	char buf[GATE_TEXT];
	struct sa sa;
	size_t n;

	sa.len = sizeof(sa.u);
	ck_assert_int_eq(0, getsockname(fd2, &sa.u.sa, &sa.len));

	n = (size_t)snprintf(buf, sizeof(buf),
		"INVITE sip:known@127.0.0.1 SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK1\r\n"
		"Via: SIP/2.0/TCP a.example;branch=z9hG4bK2;x=y\r\n"
		"Max-Forwards: 70\r\n"
		"From: \"A\" <sip:alice@127.0.0.1>;tag=f1\r\n"
		"To: <sip:known@127.0.0.1>\r\nCall-ID: c\r\n"
		"CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1:9>\r\n"
		"Content-Length: 0\r\n\r\n", sa_port(&sa));
	text_send(fd, buf, n);
	expect(fd2, buf, "SIP/2.0 302 ");
	ck_assert_ptr_nonnull(strstr(buf, ";branch=z9hG4bK1\r\nVia: SIP/2.0/"
				     "TCP a.example;branch=z9hG4bK2;x=y\r\n"));

	close(fd);
	close(fd2);
	gate_end(r, 1);
}
END_TEST


START_TEST(version6)
{
	struct redirect *r;
	char buf[GATE_TEXT];
	int fd;

	memset(gate_threadv, 0, sizeof(gate_threadv));
	ck_assert_int_eq(0, redirect_alloc(&r, 1));
	redirect_handler(r, gate_lookup, gate_threadv);

	/* a machine may have no IPv6 */
	if (gate_listen(r, 1, "[::1]")) {
		fd = gate_client("::1");
		ask(fd, buf, "INVITE", "known", "c1", 1, "", "SIP/2.0 302 ");
		ck_assert_ptr_nonnull(strstr(buf, ";received=::1\r\n"));
		ck_assert_ptr_nonnull(strstr(buf, "Contact: <sip:known@[::1]"
					     ":5070;ticket=0a1b>\r\n"));
		ask(fd, buf, "OPTIONS", "known", "c2", 1, "", "SIP/2.0 480 ");
		close(fd);
	}

	gate_end(r, 1);
}
END_TEST


/* The 302 of the fast path and the one that sofia makes of the same INVITE
 * say the same. */
START_TEST(as_sofia)
{
	struct redirect *r = gate_begin(1);
	msg_t *msgv[2];
	const sip_t *sipv[2];
	const sip_via_t *v, *w;
	char buf[GATE_TEXT];
	int fd = gate_client("127.0.0.1"), i;

	for (i=0; i<2; i++) {

		size_t n;

		redirect_handler(r, i ? NULL : gate_lookup, gate_threadv);
		n = request(buf, sizeof(buf), "INVITE", "known", "c1", 1,
			    NULL, "Via: SIP/2.0/TCP b.example:5;branch="
			    "z9hG4bKb;received=1.2.3.4\r\nSubject: 302\r\n");
		text_send(fd, buf, n);
		expect(fd, buf, "SIP/2.0 302 Moved Temporarily\r\n");
		msgv[i] = msg_make(sip_default_mclass(), 0, buf, -1);
		ck_assert_ptr_nonnull(msgv[i]);
		sipv[i] = sip_object(msgv[i]);
		ck_assert_ptr_null(sipv[i]->sip_error);
	}

	ck_assert_uint_eq(1, gate_threadv[0].got);

#define STR(f) ck_assert_str_eq(sipv[0]->f, sipv[1]->f)
	STR(sip_from->a_display);
	STR(sip_from->a_tag);
	STR(sip_from->a_url->url_user);
	STR(sip_from->a_url->url_host);
	STR(sip_to->a_url->url_user);
	STR(sip_to->a_url->url_host);
	STR(sip_call_id->i_id);
	STR(sip_cseq->cs_method_name);
	STR(sip_contact->m_url->url_user);
	STR(sip_contact->m_url->url_host);
	STR(sip_contact->m_url->url_port);
	STR(sip_contact->m_url->url_params);
#undef STR
	ck_assert_uint_eq(sipv[0]->sip_cseq->cs_seq,
			  sipv[1]->sip_cseq->cs_seq);
	ck_assert_uint_eq(sipv[0]->sip_content_length->l_length,
			  sipv[1]->sip_content_length->l_length);
	ck_assert_ptr_nonnull(sipv[0]->sip_to->a_tag);

	for (v=sipv[0]->sip_via, w=sipv[1]->sip_via; v && w;
	     v=v->v_next, w=w->v_next) {
		ck_assert_str_eq(v->v_protocol, w->v_protocol);
		ck_assert_str_eq(v->v_host, w->v_host);
		ck_assert_str_eq(v->v_port, w->v_port);
		ck_assert_str_eq(v->v_branch, w->v_branch);
		ck_assert_pstr_eq(v->v_rport, w->v_rport);
		ck_assert_pstr_eq(v->v_received, w->v_received);
	}
	ck_assert(!v && !w);

	msg_destroy(msgv[0]);
	msg_destroy(msgv[1]);
	close(fd);
	gate_end(r, 1);
}
END_TEST


START_TEST(arguments)
{
	struct redirect *r;

	ck_assert_int_eq(EINVAL, redirect_alloc(NULL, 1));
	ck_assert_int_eq(EINVAL, redirect_alloc(&r, 0));
	ck_assert_int_eq(EINVAL, redirect_alloc(&r, REDIRECT_THREADS_MAX + 1));
	ck_assert_int_eq(0, redirect_alloc(&r, 2));
	ck_assert_int_eq(EINVAL, redirect_thread_enter(r, 2));
	ck_assert_int_eq(0, redirect_thread_enter(r, 1));
	ck_assert_int_eq(EALREADY, redirect_thread_enter(r, 0));
	redirect_thread_leave(r);
	ck_assert_int_eq(0, redirect_thread_enter(r, 0));
	redirect_thread_leave(r);
	redirect_thread_leave(r);
	mem_deref(r);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("redirect");
	Suite *s = suite_create("redirect");
	SRunner *sr = srunner_create(s);
	int failed;

	su_init();

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, redirected);
	tcase_add_test(tc, handed_over);
	tcase_add_test(tc, came_back);
	tcase_add_test(tc, via_port);
	tcase_add_test(tc, version6);
	tcase_add_test(tc, as_sofia);
	tcase_add_test(tc, arguments);
	suite_add_tcase(s, tc);

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	su_deinit();

	return failed ? 1 : 0;
}
