/**
 * @file test_switch.c  dispatchswitch: who lives, and gets joins
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "bus/bus.h"
#include "noc/name.h"
#include "noc/node.h"
#include "sip/ping.h"
#include "sip/redirect.h"
#include "noc.h"


static const struct {
	const char *msg;
	int err;
	uint16_t scode;
} responsev[] = {
	{"SIP/2.0 200 OK\r\nCall-ID: abc\r\n\r\n", 0, 200},
	{"SIP/2.0 503 No\r\nVia: x\r\ni: abc\r\n\r\n", 0, 503},
	{"SIP/2.0 200 OK\r\nCall-ID: abd\r\n\r\n", ENOENT, 0},
	{"SIP/2.0 200 OK\r\nCall-ID: ab", ENOENT, 0},
	{"SIP/2.0 200 OK\r\nVia: x\r\n\r\nCall-ID: abc\r\n", EBADMSG, 0},
	{"SIP/2.0 2x0 OK\r\nCall-ID: abc\r\n\r\n", EBADMSG, 0},
	{"SIP/2.0 099 OK\r\nCall-ID: abc\r\n\r\n", EBADMSG, 0},
	{"SIP/2.0 700 OK\r\nCall-ID: abc\r\n\r\n", EBADMSG, 0},
	{"OPTIONS sip:a SIP/2.0\r\nCall-ID: abc\r\n\r\n", EBADMSG, 0},
	{"SIP/2.0 200", EBADMSG, 0},
	{"", EBADMSG, 0},
};


START_TEST(test_response)
{
	uint16_t scode;
	size_t i;

	for (i=0; i<ARRAY_SIZE(responsev); i++) {
		scode = 0;
		ck_assert_int_eq(responsev[i].err,
				 ping_response(responsev[i].msg,
					       strlen(responsev[i].msg),
					       "abc", &scode));
		ck_assert_uint_eq(responsev[i].scode, scode);
	}
}
END_TEST


/* Dispatch servers that answer OPTIONS and nothing else */
static struct answerer {
	struct udp_sock *us;
	struct sa sa;
	uint16_t scode;            /* 0: silent                             */
} answererv[3];


static void options_handler(const struct sa *src, struct mbuf *mb, void *arg)
{
	struct answerer *a = arg;
	struct pl via, callid;
	struct mbuf *resp;

	if (!a->scode)
		return;

	ck_assert(!re_regex((char *)mbuf_buf(mb), mbuf_get_left(mb),
			    "\nVia: [^\r]+", &via));
	ck_assert(!re_regex((char *)mbuf_buf(mb), mbuf_get_left(mb),
			    "\nCall-ID: [^\r]+", &callid));
	resp = mbuf_alloc(512);
	ck_assert_ptr_nonnull(resp);
	ck_assert_int_eq(0, mbuf_printf(resp, "SIP/2.0 %u X\r\nVia: %r\r\n"
					"Call-ID: %r\r\n\r\n", a->scode,
					&via, &callid));
	resp->pos = 0;
	(void)udp_send(a->us, src, resp);
	mem_deref(resp);
}


static void answerer_start(unsigned i)
{
	struct answerer *a = &answererv[i];

	ck_assert_int_eq(0, sa_set_str(&a->sa, "127.0.0.1", 0));
	ck_assert_int_eq(0, udp_listen(&a->us, &a->sa, options_handler, a));
	ck_assert_int_eq(0, udp_local_get(a->us, &a->sa));
	a->scode = 200;
}


static void answerers_stop(void)
{
	size_t i;

	for (i=0; i<ARRAY_SIZE(answererv); i++)
		answererv[i].us = mem_deref(answererv[i].us);
}


static void node_put(unsigned i, const char *services)
{
	struct node_record nr = { .instance = 1 };
	struct mbuf *mb = mbuf_alloc(512);

	re_snprintf(nr.name, sizeof(nr.name), "d%u", i);
	re_snprintf(nr.sip, sizeof(nr.sip), "%J", &answererv[i].sa);
	str_ncpy(nr.services, services, sizeof(nr.services));
	ck_assert_ptr_nonnull(mb);
	ck_assert_int_eq(0, node_record_encode(mb, &nr));
	ck_assert_int_eq(0, bus_kv_put(NULL, server_bus(noc.srv), "nodes",
				       nr.name, mb->buf, mb->end, 0, NULL,
				       NULL));
	mem_deref(mb);
}


static void role_put(const char *server)
{
	char json[64];
	const int n = re_snprintf(json, sizeof(json), "{\"server\":\"%s\"}",
				  server);

	ck_assert_int_eq(0, bus_kv_put(NULL, server_bus(noc.srv), "roles",
				       "dispatch-main", (uint8_t *)json,
				       (size_t)n, 0, NULL, NULL));
}


static unsigned tags;


/* 60 new INVITEs by the fast path: how many go to each */
static void counts_are(unsigned c0, unsigned c1, unsigned c2)
{
	unsigned countv[3] = {0}, i, k;
	char uri[256], want[64];
	size_t n;

	for (i=0; i<60; i++) {
		const uint64_t tag = (uint64_t)++tags * 0x9e3779b97f4a7c15;
		const struct redirect_query q = {
			"team a", 6, "u@h", 3, tag, false
		};

		if (noc.redirect(&q, uri, sizeof(uri) - 1, &n,
				 noc.redirect_arg))
			continue;
		uri[n] = '\0';
		for (k=0; k<3; k++) {
			re_snprintf(want, sizeof(want), "sip:team%%20a@%J",
				    &answererv[k].sa);
			countv[k] += !strcmp(uri, want);
		}
	}

	ck_assert_uint_eq(c0, countv[0]);
	ck_assert_uint_eq(c1, countv[1]);
	ck_assert_uint_eq(c2, countv[2]);
}


static void switch_begin(void)
{
	unsigned i;

	counts_are(0, 0, 0);
	phone_call(0, "team a", "u@h", "");
	phone_is(0, 503, NULL);
	phone_call(0, "", "u@h", "");
	phone_is(0, 404, NULL);

	for (i=0; i<3; i++)
		answerer_start(i);
	node_put(0, "siphost,dispatch");
	node_put(1, "siphost,dispatch,standby");
	node_put(2, "siphost,dispatchee");
	noc.delay = 100;
}


static void switch_one(void)
{
	/* the second stands by, the third is none */
	counts_are(60, 0, 0);
	phone_call(0, "team a", "u@h", "");
	phone_is(0, 302, NULL);
	ck_assert(strchr(noc.phonev[0].contact, ';') == NULL);
	phone_ask(1, "client.subscribe", "team a", "u@h", "", 0);
	phone_is(1, 302, NULL);
	role_put("d1");
	node_put(2, "dispatch");
	noc.delay = 100;
}


static void switch_three(void)
{
	counts_are(20, 20, 20);
	answererv[1].scode = 0;
	noc.delay = 500;
}


static void switch_two(void)
{
	/* the one that is dead is passed over within 500 ms */
	counts_are(30, 0, 30);
	answererv[1].scode = 200;
	answererv[2].scode = 503;
	role_put("d0");
	noc.delay = 150;
}


static void switch_stop(void)
{
	/* back, but its role is with another; one takes nothing */
	counts_are(60, 0, 0);
	answerers_stop();
}


START_TEST(test_switch)
{
	RUN("service dispatchswitch\ndispatchswitch.interval 50\n"
	    "dispatchswitch.timeout 300\n",
	    switch_begin, switch_one, switch_three, switch_two, switch_stop);
}
END_TEST


static void rubbish(void)
{
	static const char *const bucketv[] = {"nodes", "roles"};
	static const char junk[] = "{\"name\":7,";
	size_t i;

	for (i=0; i<ARRAY_SIZE(bucketv); i++)
		ck_assert_int_eq(0, bus_kv_put(NULL, server_bus(noc.srv),
					       bucketv[i], "x",
					       (const uint8_t *)junk,
					       sizeof(junk), 0, NULL, NULL));
	ck_assert_int_eq(0, bus_publish(server_bus(noc.srv), "noc.dispatch",
					(const uint8_t *)junk,
					sizeof(junk)));
}


static void fixed_only(void)
{
	struct redirect_query q = { "a", 1, "u@h", 3, 1, false };
	char uri[128];
	size_t n;

	/* a name that heartbeats watch over, not OPTIONS */
	ck_assert_int_eq(0, noc.redirect(&q, uri, sizeof(uri), &n,
					 noc.redirect_arg));
	ck_assert(!strncmp(uri, "sip:a@dispatch.example:5060", n));
	q.conf = "a\n";
	q.conflen = 2;
	ck_assert_int_eq(EINVAL, noc.redirect(&q, uri, sizeof(uri), &n,
					      noc.redirect_arg));
}


START_TEST(test_fixed)
{
	RUN("service dispatchswitch\n"
	    "dispatchswitch.server dispatch.example:5060\n"
	    "dispatchswitch.server not/good\n", rubbish, fixed_only);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("switch");
	TCase *tc = tcase_create("switch");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_response);
	tcase_add_test(tc, test_switch);
	tcase_add_test(tc, test_fixed);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
