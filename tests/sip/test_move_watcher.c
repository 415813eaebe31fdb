/**
 * @file test_move_watcher.c  Subscriptions that move from one server to
 *                            another
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "handover.h"
#include "../suite.h"


static const char watch[] = "Event: conference;id=w7\r\n"
	"Accept: application/conference-info+xml\r\nExpires: 600\r\n";


static void watcher_freezes(struct handover *f)
{
	phone_send(&f->p, "SUBSCRIBE", watch, NULL);
	ck_assert_uint_eq(phone_status(&f->p), 200);
	fix_told(&f->a, "subscribe");
	ck_assert(!sipcall_notify(f->a.call, "<a/>", 4, false));
	ck_assert(phone_request(&f->p, "NOTIFY"));
	ck_assert(phone_has(&f->p, "Event", "conference;id=w7"));

	/* not before that is answered */
	ck_assert(!sipcall_freeze(f->a.call));
	fix_told(&f->a, "subscribe");
	phone_answer(&f->p, 200, NULL, NULL);
	fix_told(&f->a, "subscribe dialog");
	ck_assert(!dialogtext_decode(&f->d, f->a.body, strlen(f->a.body)));
	ck_assert(!dialogtext_is_call(&f->d));
	ck_assert_uint_eq(f->d.interval, 600);
	ck_assert_uint_ge(f->d.left, 500);
	ck_assert_str_eq(f->d.event_id, "w7");
	ck_assert(!sipcall_notify(f->a.call, "<b/>", 4, false));
	ck_assert(!phone_wait(&f->p, 50));
}


static void watcher_adopted(struct handover *f)
{
	char contact[64];

	handover_adopt(f);
	ck_assert(!sipcall_notify(f->call, "", 0, false));
	ck_assert(phone_request(&f->p, "NOTIFY"));
	ck_assert(phone_has(&f->p, "Content-Length", "0"));
	ck_assert(!phone_has(&f->p, "Content-Type", NULL));
	ck_assert_uint_eq(f->p.msg->cseq.num, f->d.local_cseq + 1);
	ck_assert(phone_has(&f->p, "Event", "conference;id=w7"));
	ck_assert(phone_has(&f->p, "Subscription-State", "active;expires="));
	(void)re_snprintf(contact, sizeof(contact), "%J", &f->b.laddr);
	ck_assert(phone_has(&f->p, "Contact", contact));
	f->p.srv = f->b.laddr;
	phone_answer(&f->p, 200, NULL, NULL);
	ck_assert(!sipcall_release(f->a.call));
	ck_assert(fix_idle(&f->a));
	ck_assert(!sipcall_notify(f->call, "<c/>", 4, false));
	ck_assert(phone_request(&f->p, "NOTIFY"));
	ck_assert(phone_says(&f->p, "<c/>"));
	phone_answer(&f->p, 200, NULL, NULL);
}


static void watcher_goes_on(struct handover *f)
{
	phone_send(&f->p, "SUBSCRIBE", watch, NULL);
	ck_assert_uint_eq(phone_status(&f->p), 200);
	fix_told(&f->b, "refreshed");
	ck_assert(!sipcall_notify(f->call, NULL, 0, true));
	ck_assert(phone_request(&f->p, "NOTIFY"));
	ck_assert(phone_has(&f->p, "Subscription-State", "terminated"));
	phone_answer(&f->p, 200, NULL, NULL);
	fix_told(&f->b, "refreshed end:0");
}


/*  watcher         A                 B
 *    |--SUBSCRIBE-->|                 |
 *    |<--NOTIFY-----|                 |
 *    |              |---dialog------->|
 *    |<--NOTIFY-----------------------|
 *    |--SUBSCRIBE-------------------->|
 */
START_TEST(subscription_moves)
{
	struct sipstack_conf conf;
	struct handover f;

	fix_conf(&conf, "127.0.0.1");
	handover_conf(&f, &conf, false);
	watcher_freezes(&f);
	watcher_adopted(&f);
	watcher_goes_on(&f);
	handover_close(&f);
}
END_TEST


/* It stays here after all: what waited is told. */
START_TEST(subscription_thaws)
{
	struct sipstack_conf conf;
	struct handover f;

	fix_conf(&conf, "127.0.0.1");
	handover_conf(&f, &conf, false);
	phone_send(&f.p, "SUBSCRIBE", watch, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.a, "subscribe");
	ck_assert(!sipcall_freeze(f.a.call));
	fix_told(&f.a, "subscribe dialog");
	ck_assert(!sipcall_notify(f.a.call, "<b/>", 4, false));
	ck_assert(!phone_wait(&f.p, 50));
	phone_send(&f.p, "SUBSCRIBE", watch, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 500);
	ck_assert(phone_has(&f.p, "Retry-After", "1"));
	ck_assert(!sipcall_thaw(f.a.call, 0x10005));
	ck_assert(phone_request(&f.p, "NOTIFY"));
	ck_assert_uint_eq(f.p.msg->cseq.num, 0x10006);
	phone_answer(&f.p, 200, NULL, NULL);

	/* it goes while it is frozen */
	ck_assert(!sipcall_freeze(f.a.call));
	fix_told(&f.a, "subscribe dialog dialog");
	phone_send(&f.p, "SUBSCRIBE", "Event: conference;id=w7\r\n"
		   "Expires: 0\r\n", NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	ck_assert(phone_request(&f.p, "NOTIFY"));
	ck_assert(phone_has(&f.p, "Subscription-State", "terminated"));
	phone_answer(&f.p, 200, NULL, NULL);
	fix_told(&f.a, "subscribe dialog dialog end:0");
	ck_assert(fix_idle(&f.a));
	handover_close(&f);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("move watcher");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, subscription_moves);
	tcase_add_test(tc, subscription_thaws);

	return suite_run("move watcher", tc);
}
