/**
 * @file test_subscribe.c  Event package "conference": the notifier's side
 */
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <check.h>
#include <re.h>
#include "fixture.h"

#define EVENT "Event: conference\r\n" \
	"Accept: application/conference-info+xml\r\n"

static const char xml[] = "<conference-info version=\"0\"/>";


static void notify(struct fix *fx, const char *text, bool last)
{
	ck_assert(!sipcall_notify(fx->call, text, strlen(text), last));
}


static void subscribe(struct fix *fx, struct phone *p)
{
	fix_open_default(fx);
	phone_open(p, &fx->laddr, false, "room");

	phone_send(p, "SUBSCRIBE", EVENT "Expires: 600\r\n", NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	ck_assert(phone_has(p, "Expires", "600"));
	ck_assert(phone_has(p, "Contact", "isfocus"));
	fix_told(fx, "subscribe");
	fx->log[0] = '\0';
}


START_TEST(subscribe_basic)
{
	struct fix fx;
	struct phone p;

	subscribe(&fx, &p);

	notify(&fx, xml, false);
	ck_assert(phone_request(&p, "NOTIFY"));
	ck_assert(phone_has(&p, "Event", "conference"));
	ck_assert(phone_has(&p, "Subscription-State", "active;expires="));
	ck_assert(phone_has(&p, "Content-Type",
			    "application/conference-info+xml"));
	ck_assert(phone_says(&p, xml));

	/* the next one waits until this one is answered */
	notify(&fx, "<second/>", false);
	ck_assert(!phone_wait(&p, 100));
	phone_answer(&p, 200, NULL, NULL);
	ck_assert(phone_request(&p, "NOTIFY"));
	ck_assert(phone_says(&p, "<second/>"));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "");

	/* refresh */
	phone_send(&p, "SUBSCRIBE", EVENT "Expires: 700\r\n", NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_has(&p, "Expires", "700"));
	fix_told(&fx, "refreshed");

	/* farewell */
	phone_send(&p, "SUBSCRIBE", EVENT "Expires: 0\r\n", NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert(phone_request(&p, "NOTIFY"));
	ck_assert(phone_has(&p, "Subscription-State", "terminated"));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "refreshed end:0");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* The conference ends. */
START_TEST(subscribe_last)
{
	struct fix fx;
	struct phone p;

	subscribe(&fx, &p);

	notify(&fx, xml, false);
	notify(&fx, "<gone/>", true);
	ck_assert(phone_request(&p, "NOTIFY"));
	phone_answer(&p, 200, NULL, NULL);
	ck_assert(phone_request(&p, "NOTIFY"));
	ck_assert(phone_has(&p, "Subscription-State",
			    "terminated;reason=noresource"));
	ck_assert(phone_says(&p, "<gone/>"));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "end:0");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


START_TEST(subscribe_notify_refused)
{
	struct fix fx;
	struct phone p;

	subscribe(&fx, &p);

	notify(&fx, xml, false);
	ck_assert(phone_request(&p, "NOTIFY"));
	phone_answer(&p, 481, NULL, NULL);
	fix_told(&fx, "end:481");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* Who does not answer is given up, not remembered without bound. */
START_TEST(subscribe_silent)
{
	struct fix fx;
	struct phone p;

	subscribe(&fx, &p);

	for (int i = 0; i < 100; i++)
		(void)sipcall_notify(fx.call, xml, strlen(xml), false);

	fix_told(&fx, "end:408");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


START_TEST(subscribe_fetch)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	phone_send(&p, "SUBSCRIBE", EVENT "Expires: 0\r\n", NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	notify(&fx, xml, false);
	ck_assert(phone_request(&p, "NOTIFY"));
	ck_assert(phone_has(&p, "Subscription-State", "terminated"));
	ck_assert(phone_says(&p, xml));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "subscribe end:0");
	ck_assert(fix_idle(&fx));

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


static const struct {
	const char *hdrs;
	unsigned scode;
	const char *name, *value;
} rejectv[] = {
	{"Event: presence\r\n", 489, "Allow-Events", "conference"},
	{"", 489, "Allow-Events", "conference"},
	{"Event: conference\r\nAccept: text/plain\r\n", 406, "Accept",
	 "application/conference-info+xml"},
	{EVENT "Expires: 5\r\n", 423, "Min-Expires", "30"},
};


START_TEST(subscribe_rejects)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	for (size_t i = 0; i < sizeof(rejectv) / sizeof(rejectv[0]); i++) {
		phone_new(&p);
		phone_send(&p, "SUBSCRIBE", rejectv[i].hdrs, NULL);
		ck_assert_uint_eq(phone_status(&p), rejectv[i].scode);
		ck_assert(phone_has(&p, rejectv[i].name, rejectv[i].value));
	}

	fix_told(&fx, "");
	ck_assert(fix_idle(&fx));

	str_ncpy(p.conf, "refuse", sizeof(p.conf));
	phone_new(&p);
	phone_send(&p, "SUBSCRIBE", EVENT, NULL);
	ck_assert_uint_eq(phone_status(&p), 403);
	fix_told(&fx, "subscribe end:403");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* The dialog of a call is not shared (RFC 6665 section 4.5.2), and a
   subscription is no call. */
START_TEST(subscribe_not_shared)
{
	struct fix fx;
	struct phone p;

	subscribe(&fx, &p);
	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 481);
	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 481);
	phone_send(&p, "ACK", NULL, NULL);
	fix_told(&fx, "");

	phone_new(&p);
	fix_join(&fx, &p);
	phone_send(&p, "SUBSCRIBE", EVENT, NULL);
	ck_assert_uint_eq(phone_status(&p), 403);
	fix_told(&fx, "");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* What is long does not go over a connection to who is behind NAT. */
START_TEST(subscribe_nat)
{
	struct fix fx;
	struct phone p;
	char doc[3000];
	int fd;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	str_ncpy(p.contact, "192.0.2.1:5060", sizeof(p.contact));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, &p.me.u.sa, p.me.len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);

	phone_send(&p, "SUBSCRIBE", EVENT "Expires: 600\r\n", NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	memset(doc, 'x', sizeof(doc) - 1);
	doc[sizeof(doc) - 1] = '\0';
	notify(&fx, doc, false);
	ck_assert(phone_request(&p, "NOTIFY"));
	ck_assert(phone_says(&p, doc));
	phone_answer(&p, 200, NULL, NULL);

	(void)close(fd);
	phone_close(&p);
	fix_close(&fx);
}
END_TEST


static Suite *subscribe_suite(void)
{
	Suite *s = suite_create("subscribe");
	TCase *tc = tcase_create("subscribe");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, subscribe_basic);
	tcase_add_test(tc, subscribe_nat);
	tcase_add_test(tc, subscribe_last);
	tcase_add_test(tc, subscribe_notify_refused);
	tcase_add_test(tc, subscribe_silent);
	tcase_add_test(tc, subscribe_fetch);
	tcase_add_test(tc, subscribe_rejects);
	tcase_add_test(tc, subscribe_not_shared);
	suite_add_tcase(s, tc);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(subscribe_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
