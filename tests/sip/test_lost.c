/**
 * @file test_lost.c  Requests in dialogs that nobody knows, or not yet
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "handover.h"
#include "../suite.h"


/* A request comes before anybody knows its dialog. */
START_TEST(lost_and_adopted)
{
	struct sipstack_conf conf;
	struct handover f;

	fix_conf(&conf, "127.0.0.1");
	conf.lost_ms = 20000;
	handover_conf(&f, &conf, false);
	fix_join(&f.a, &f.p);
	handover_freeze(&f);
	f.b.lost_wait = true;
	f.p.srv = f.b.laddr;

	phone_send(&f.p, "INVITE", NULL, phone_sdp);
	phone_send(&f.p, "OPTIONS", NULL, NULL);
	fix_told(&f.b, "lost");
	ck_assert_str_eq(f.b.lostid, f.p.callid);
	handover_adopt(&f);
	fix_told(&f.b, "lost offer");
	ck_assert_uint_eq(phone_status(&f.p), 200);
	ck_assert(!pl_strcmp(&f.p.msg->cseq.met, "OPTIONS"));
	--f.p.cseq;
	ck_assert(!sipcall_accept(f.call, new_sdp, strlen(new_sdp)));
	ck_assert_uint_eq(phone_status(&f.p), 200);
	phone_send(&f.p, "ACK", NULL, NULL);
	++f.p.cseq;
	phone_send(&f.p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.b, "lost offer end:0");
	handover_close(&f);
}
END_TEST


START_TEST(lost_for_ever)
{
	struct handover f;
	uint64_t when;

	handover_open(&f);
	f.b.lost_wait = true;
	f.p.srv = f.b.laddr;

	when = tmr_jiffies();
	phone_send(&f.p, "OPTIONS", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 481);
	ck_assert_uint_ge(tmr_jiffies() - when, 280);
	fix_told(&f.b, "lost");

	/* somebody says so */
	f.b.lost_wait = false;
	phone_send(&f.p, "UPDATE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&f.p), 481);

	/* nobody waits for the end of a call */
	f.b.lost_wait = true;
	phone_send(&f.p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 481);
	fix_told(&f.b, "lost");
	ck_assert(fix_idle(&f.b));
	handover_close(&f);
}
END_TEST


/* Whose 481 this is */
static unsigned many_answered(const struct phone *p, bool *donev, unsigned n)
{
	unsigned i;

	if (p->msg->req || p->msg->scode != 481 || p->msg->callid.l < 5)
		return 0;

	i = pl_u32(&p->msg->callid);
	if (i >= n || donev[i])
		return 0;

	donev[i] = true;

	return 1;
}


/* More strays than anybody waits for */
START_TEST(lost_many)
{
	enum { MANY = 300 };
	bool donev[MANY] = {false};
	struct handover f;
	unsigned n = 0;

	handover_open(&f);
	f.b.lost_wait = true;
	f.p.srv = f.b.laddr;

	/* so many datagrams may find no room at times, and come again */
	for (int round = 0; round < 10 && n < MANY; round++) {
		for (int i = 0; i < MANY; i++) {
			if (donev[i])
				continue;
			phone_new(&f.p);
			(void)re_snprintf(f.p.callid, sizeof(f.p.callid),
					  "%05d", i);
			str_ncpy(f.p.ttag, "x", sizeof(f.p.ttag));
			phone_send(&f.p, "OPTIONS", NULL, NULL);
			while (phone_wait(&f.p, 0))
				n += many_answered(&f.p, donev, MANY);
		}
		while (n < MANY && phone_wait(&f.p, 3000))
			n += many_answered(&f.p, donev, MANY);
	}
	ck_assert_uint_eq(n, MANY);
	ck_assert(fix_idle(&f.b));
	handover_close(&f);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("lost");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, lost_and_adopted);
	tcase_add_test(tc, lost_for_ever);
	tcase_add_test(tc, lost_many);

	return suite_run("lost", tc);
}
