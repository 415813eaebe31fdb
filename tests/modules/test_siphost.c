/**
 * @file test_siphost.c  The SIP client host: joins, media, watchers, and stops
 */
#include <stdatomic.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/log.h"
#include "siphost_server.h"
#include "../suite.h"


static void basic(struct phone *p)
{
	phone_join(p);

	phone_send(p, "INFO", "Content-Type: application/dtmf-relay\r\n",
		   "Signal=6\r\n");
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("dtmf:6");

	phone_send(p, "MESSAGE", "Content-Type: text/plain\r\n", "hello");
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("text:hello");

	ask(ASK_TEXT);
	ck_assert(phone_request(p, "MESSAGE"));
	ck_assert(phone_says(p, "Bob: hi"));
	phone_answer(p, 200, NULL, NULL);

	phone_send(p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("leave:0");

	/* text from outside: only of who is in */
	phone_new(p);
	phone_send(p, "MESSAGE", "Content-Type: text/plain\r\n", "hello");
	ck_assert_uint_eq(phone_status(p), 403);
	phone_new(p);
	phone_join(p);
	phone_new(p);
	phone_send(p, "MESSAGE", "Content-Type: text/plain\r\n", "hello");
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("text:hello");

	ask(ASK_BYE);
	ck_assert(phone_request(p, "BYE"));
	ck_assert(phone_has(p, "Reason", "480"));
	phone_answer(p, 200, NULL, NULL);
	log_is("leave:480");
	ask(ASK_STOP);
}


START_TEST(siphost_basic)
{
	host_run(basic);
}
END_TEST


static void refusals(struct phone *p)
{
	static const struct {
		const char *conf;
		unsigned scode;
		const char *log;
	} v[] = {
		{"elsewhere", 302, "connect:elsewhere join:elsewhere"},
		{"refuse", 403, "connect:refuse join:refuse"},
		{"nobody", 404, "connect:nobody join:nobody"},
		{"", 404, ""},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		str_ncpy(p->conf, v[i].conf, sizeof(p->conf));
		phone_new(p);
		phone_send(p, "INVITE", NULL, phone_sdp);
		ck_assert_uint_eq(phone_status(p), v[i].scode);
		if (v[i].scode == 302)
			ck_assert(phone_has(p, "Contact", "<sip:elsewhere@"
					    "127.0.0.1:9;ticket=t>"));
		phone_send(p, "ACK", NULL, NULL);
		log_is(v[i].log);
	}

	str_ncpy(p->conf, "room", sizeof(p->conf));
	phone_new(p);
	phone_send(p, "INVITE", NULL, "v=1\r\nthis is no SDP\r\n");
	ck_assert_uint_eq(phone_status(p), 400);
	phone_send(p, "ACK", NULL, NULL);
	log_is("");

	/* cancelled while a service thinks about it */
	str_ncpy(p->conf, "wait", sizeof(p->conf));
	phone_new(p);
	phone_send(p, "INVITE", NULL, phone_sdp);
	log_wait("connect:wait join:wait");
	phone_send(p, "CANCEL", NULL, NULL);
	ck_assert_uint_ne(phone_status(p), 0);
	ck_assert_uint_ne(phone_status(p), 0);
	phone_send(p, "ACK", NULL, NULL);
	log_is("connect:wait join:wait leave:487");
	ask(ASK_STOP);
}


START_TEST(siphost_refusals)
{
	host_run(refusals);
}
END_TEST


/* With a dispatch service there: what it sends on or refuses never becomes a
 * call, what it lets through does, and is told once. */
static void lights(struct phone *p)
{
	static const struct {
		const char *conf;
		unsigned scode;
		const char *log;
	} v[] = {
		{"known", 302, ""},
		{"elsewhere", 302, "connect:elsewhere ask:elsewhere"},
		{"refuse", 480, "connect:refuse ask:refuse"},
		{"nobody", 404, "connect:nobody ask:nobody ask:nobody "
				"join:nobody"},
		{"room", 200, "connect:room ask:room ask:room join:room "
			      "established"},
		{"vip", 200, "connect:vip ask:vip admitted:vip join:vip "
			     "established"},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		str_ncpy(p->conf, v[i].conf, sizeof(p->conf));
		phone_new(p);
		phone_send(p, "INVITE", NULL, phone_sdp);
		ck_assert_uint_eq(phone_status(p), v[i].scode);
		phone_send(p, "ACK", NULL, NULL);
		log_is(v[i].log);
	}

	/* no session description at all is for sofia to answer */
	str_ncpy(p->conf, "elsewhere", sizeof(p->conf));
	phone_new(p);
	phone_send(p, "INVITE", NULL, "v=1\r\nthis is no SDP\r\n");
	ck_assert_uint_eq(phone_status(p), 400);
	phone_send(p, "ACK", NULL, NULL);
	log_is("");

	/* found after a while, meanwhile told again by the phone */
	str_ncpy(p->conf, "later", sizeof(p->conf));
	phone_new(p);
	phone_send(p, "INVITE", NULL, phone_sdp);
	log_is("connect:later ask:later");
	ask(ASK_DISPATCH);
	ck_assert_uint_eq(phone_status(p), 302);
	ck_assert(phone_has(p, "Contact", "<sip:later@127.0.0.1:9>"));
	phone_send(p, "ACK", NULL, NULL);
	log_is("");

	/* nobody answers before the end */
	phone_new(p);
	phone_send(p, "INVITE", NULL, phone_sdp);
	log_is("connect:later ask:later");
	ask(ASK_STOP);
}


START_TEST(siphost_lights)
{
	host_run_light(lights);
}
END_TEST


static void media(struct phone *p)
{
	/* our offer in the 200 */
	phone_send(p, "INVITE", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, phone_sdp);
	log_is("connect:room join:room media:answer established");

	phone_send(p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, NULL);
	log_is("media:offer");

	phone_send(p, "INVITE", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, phone_sdp);
	log_is("media:wanted media:answer");

	phone_send(p, "INVITE", NULL, "junk\r\n");
	ck_assert_uint_eq(phone_status(p), 400);
	phone_send(p, "ACK", NULL, NULL);
	log_is("");

	/* a service is stopped: everybody is told */
	ask(ASK_SERVICE_STOP);
	log_is("leave:503");
	ask(ASK_STOP);
}


START_TEST(siphost_media)
{
	host_run(media);
}
END_TEST


static void watch(struct phone *p)
{
	static const char event[] = "Event: conference\r\n";

	phone_send(p, "SUBSCRIBE", event, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("connect:room subscribe:room");
	ask(ASK_ROSTER);
	ck_assert(phone_request(p, "NOTIFY"));
	ck_assert(phone_says(p, "<x/>"));
	phone_answer(p, 200, NULL, NULL);

	phone_send(p, "SUBSCRIBE", event, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	log_is("refresh");

	phone_send(p, "SUBSCRIBE", "Event: conference\r\nExpires: 0\r\n",
		   NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	ck_assert(phone_request(p, "NOTIFY"));
	phone_answer(p, 200, NULL, NULL);
	log_is("leave:0");

	str_ncpy(p->conf, "nobody", sizeof(p->conf));
	phone_new(p);
	phone_send(p, "SUBSCRIBE", event, NULL);
	ck_assert_uint_eq(phone_status(p), 404);
	log_is("connect:nobody subscribe:nobody");
	ask(ASK_STOP);
}


START_TEST(siphost_watch)
{
	host_run(watch);
}
END_TEST


/* The server stops: who is in is hung up on, who comes is refused. */
static void stopping(struct phone *p)
{
	struct phone q;

	phone_join(p);
	ask(ASK_STOP);

	phone_open(&q, &host.laddr, false, "room");
	phone_send(&q, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&q), 503);
	phone_send(&q, "ACK", NULL, NULL);

	ck_assert(phone_request(p, "BYE"));
	phone_answer(p, 200, NULL, NULL);
	phone_close(&q);
}


START_TEST(siphost_stopping)
{
	host_run(stopping);
	ck_assert_str_eq(host.log, "leave:503");
}
END_TEST


static void sip_traced(const struct log_record *rec, void *arg)
{
	atomic_uint *byes = arg;

	if (!strcmp(rec->service, "sip") && rec->callid &&
	    !strncmp(rec->text, "> BYE ", 6))
		atomic_fetch_add(byes, 1);
}


/* Pauses, then somebody follows alice, whose call is up already. */
static void pausing(struct phone *p)
{
	struct log_sink *sink;
	atomic_uint byes = 0;

	ck_assert(!log_sink_add(&sink, LOG_KIND_TRACE, sip_traced, &byes));
	ask(ASK_PAUSE);
	phone_send(p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(p), 503);
	phone_send(p, "ACK", NULL, NULL);
	log_is("");

	ask(ASK_RESUME);
	phone_new(p);
	phone_join(p);

	ask(ASK_METRICS);
	ck_assert_ptr_nonnull(strstr(host.result, "junctor_sip_calls 1"));
	ck_assert_ptr_nonnull(strstr(host.result,
			"junctor_sip_requests_total{method=\"INVITE\"} 2"));
	ck_assert_ptr_nonnull(strstr(host.result,
			"junctor_sip_responses_total{class=\"2xx\"} 1"));
	ck_assert_ptr_nonnull(strstr(host.result,
				     "junctor_sip_joins_total 1"));

	ask(ASK_TRACE);
	ck_assert_str_eq(host.result, "0 ");
	ask(ASK_BYE);
	ck_assert(phone_request(p, "BYE"));
	phone_answer(p, 200, NULL, NULL);
	for (unsigned i = 0; !atomic_load(&byes) && i < 3000; i++)
		sys_msleep(10);
	ck_assert_uint_eq(atomic_load(&byes), 1);
	mem_deref(sink);

	ask(ASK_STOP);
}


START_TEST(siphost_pausing)
{
	host_run(pausing);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("siphost");

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, siphost_basic);
	tcase_add_test(tc, siphost_refusals);
	tcase_add_test(tc, siphost_lights);
	tcase_add_test(tc, siphost_media);
	tcase_add_test(tc, siphost_watch);
	tcase_add_test(tc, siphost_stopping);
	tcase_add_test(tc, siphost_pausing);

	return suite_run("siphost", tc);
}
