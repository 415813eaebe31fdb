/**
 * @file test_adopt_route.c  Which way and under which names a server that has
 *                           adopted a dialog speaks with its phone
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "handover.h"
#include "../suite.h"


/* Requests go along the route, with everything that stands in it. */
START_TEST(adopted_route)
{
	char rr[256], uri[128];
	struct phone proxy;
	struct handover f;
	struct sipstack_conf conf;

	fix_conf(&conf, "127.0.0.1");
	handover_conf(&f, &conf, false);
	phone_open(&proxy, &f.a.laddr, false, "room");
	(void)re_snprintf(uri, sizeof(uri), "<sip:%J;lr=on;ftag=%s;did=1.2>",
			  &proxy.me, f.p.ftag);
	(void)re_snprintf(rr, sizeof(rr), "Record-Route: %s\r\n"
			  "Record-Route: <sip:127.0.0.1:9;lr>;x=y\r\n", uri);
	phone_send(&f.p, "INVITE", rr, phone_sdp);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	phone_send(&f.p, "ACK", NULL, NULL);
	fix_told(&f.a, "join established");
	f.a.log[0] = '\0';

	handover_freeze(&f);
	ck_assert_uint_eq(f.d.routec, 2);
	ck_assert_str_eq(f.d.routev[0], uri);
	ck_assert_str_eq(f.d.routev[1], "<sip:127.0.0.1:9;lr>;x=y");
	handover_adopt(&f);
	ck_assert(!sipcall_offer(f.call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&proxy, "INVITE"));
	ck_assert(phone_has(&proxy, "Route", uri));
	ck_assert(phone_has(&proxy, "Route", "<sip:127.0.0.1:9;lr>;x=y"));
	ck_assert(!pl_strcmp(&proxy.msg->ruri, f.d.target));
	proxy.srv = f.b.laddr;
	phone_answer(&proxy, 200, NULL, phone_sdp);
	ck_assert(phone_request(&proxy, "ACK"));
	ck_assert(phone_has(&proxy, "Route", uri));
	fix_told(&f.b, "answer");
	phone_close(&proxy);
	handover_close(&f);
}
END_TEST


/* The new server has several addresses, and says the one that the phone can
   reach. */
START_TEST(adopted_addresses)
{
	struct sipstack_conf conf, other;
	char contact[64];
	struct handover f;
	struct sa sa;

	fix_conf(&conf, "127.0.0.1");
	memset(&f, 0, sizeof(f));
	fix_open(&f.a, &conf);
	fix_conf(&other, "127.0.0.9");
	ck_assert(!sa_set_str(&other.laddrv[1], "::1", 0));
	ck_assert(!sa_set_str(&other.laddrv[2], "127.0.0.1", 0));
	other.laddrc = 3;
	fix_start(&f.b, &other);
	ck_assert(!sipstack_laddr(f.b.st, 2, &sa));
	phone_open(&f.p, &f.a.laddr, false, "room");
	fix_join(&f.a, &f.p);
	handover_freeze(&f);
	handover_adopt(&f);
	ck_assert(!sipcall_offer(f.call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&f.p, "INVITE"));
	(void)re_snprintf(contact, sizeof(contact), "sip:room@%J", &sa);
	ck_assert(phone_has(&f.p, "Contact", contact));
	handover_close(&f);
}
END_TEST


/* Over TCP: where the phone listens, or not at all. */
START_TEST(adopted_tcp)
{
	struct sipstack_conf conf;
	struct sipcall *call;
	struct phone q;
	struct handover f;

	fix_conf(&conf, "127.0.0.1");
	handover_conf(&f, &conf, true);
	fix_join(&f.a, &f.p);
	handover_freeze(&f);
	ck_assert_str_eq(f.d.transport, "tcp");
	ck_assert_uint_eq(f.d.nat, 0);

	/* its port is one that nobody listens on */
	handover_adopt(&f);
	ck_assert(!sipcall_offer(f.call, new_sdp, strlen(new_sdp)));
	for (int i = 0; i < 100 && !strstr(f.b.log, "refused"); i++)
		loop_run(10);
	fix_told(&f.b, "refused:503");
	ck_assert_int_eq(f.b.err, ENOTCONN);
	ck_assert(!sipcall_release(f.call));

	phone_open(&q, &f.a.laddr, true, "room");
	str_ncpy(q.contact, "192.0.2.1:5060", sizeof(q.contact));
	fix_join(&f.a, &q);
	mem_deref(f.p.msg);
	f.p.msg = NULL;
	ck_assert(!sipcall_freeze(f.a.call));
	fix_told(&f.a, "dialog");
	ck_assert(!dialogtext_decode(&f.d, f.a.body, strlen(f.a.body)));
	ck_assert_uint_eq(f.d.nat, 1);
	ck_assert_int_eq(sipstack_adopt(f.b.st, &call, &f.d), ENOTCONN);
	phone_close(&q);
	handover_close(&f);
}
END_TEST


/* Behind NAT over UDP: to where its datagrams came from */
START_TEST(adopted_nat)
{
	struct sipstack_conf conf;
	char hop[64];
	struct handover f;

	fix_conf(&conf, "127.0.0.1");
	handover_conf(&f, &conf, false);
	str_ncpy(f.p.contact, "192.0.2.1:5060", sizeof(f.p.contact));
	fix_join(&f.a, &f.p);
	handover_freeze(&f);
	(void)re_snprintf(hop, sizeof(hop), "sip:%J", &f.p.me);
	ck_assert_str_eq(f.d.hop, hop);
	ck_assert_str_eq(f.d.target, "sip:alice@192.0.2.1:5060");
	handover_adopt(&f);
	handover_reinvite(&f);
	ck_assert(!pl_strcmp(&f.p.msg->ruri, f.d.target));
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	handover_close(&f);
}
END_TEST


/* Display names, privacy and the user part of our Contact come along. */
START_TEST(adopted_names)
{
	struct handover f;
	struct sipstack_conf conf;

	fix_conf(&conf, "127.0.0.1");
	handover_conf(&f, &conf, false);
	str_ncpy(f.p.conf, "a%20b", sizeof(f.p.conf));
	phone_send(&f.p, "INVITE", "Privacy: id;critical\r\n", phone_sdp);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	phone_send(&f.p, "ACK", NULL, NULL);
	fix_told(&f.a, "join established");
	f.a.log[0] = '\0';
	handover_freeze(&f);
	ck_assert_str_eq(f.d.remote_name, "Alice \"A\" Doe");
	ck_assert_str_eq(f.d.privacy, "id;critical");
	ck_assert_str_eq(f.d.user, "a%20b");
	ck_assert_uint_eq(f.d.sdp_id, 7);
	ck_assert_uint_eq(f.d.sdp_version, 7);
	handover_adopt(&f);
	ck_assert(!sipcall_offer(f.call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&f.p, "INVITE"));
	ck_assert(phone_has(&f.p, "To", "\"Alice \\\"A\\\" Doe\" "
			    "<sip:alice@home>;tag="));
	ck_assert(phone_has(&f.p, "Contact", "<sip:a%20b@127.0.0.2:"));
	handover_close(&f);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("adopt route");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, adopted_route);
	tcase_add_test(tc, adopted_addresses);
	tcase_add_test(tc, adopted_tcp);
	tcase_add_test(tc, adopted_nat);
	tcase_add_test(tc, adopted_names);

	return suite_run("adopt route", tc);
}
