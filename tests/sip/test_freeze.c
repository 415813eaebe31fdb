/**
 * @file test_freeze.c  Dialogs that are frozen: their server does nothing in
 *                      them
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "handover.h"
#include "../suite.h"


/* The phone changes something while its dialog is frozen: it has to wait. Its
   other requests are answered as ever. */
START_TEST(frozen_and_thawed)
{
	struct handover f;
	uint32_t cseq;

	handover_open(&f);
	handover_freeze(&f);

	phone_send(&f.p, "INVITE", NULL, new_sdp);
	ck_assert_uint_eq(phone_status(&f.p), 491);
	phone_send(&f.p, "ACK", NULL, NULL);
	phone_send(&f.p, "UPDATE", NULL, new_sdp);
	ck_assert_uint_eq(phone_status(&f.p), 491);
	phone_send(&f.p, "UPDATE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	phone_send(&f.p, "INFO", "Content-Type: application/dtmf\r\n", "1");
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.a, "dtmf:1/250");

	/* ours waits */
	ck_assert(!sipcall_text(f.a.call, "text/plain", "one", 3));
	ck_assert(!sipcall_text(f.a.call, "text/plain", "two", 3));
	ck_assert(!sipcall_offer(f.a.call, fix_sdp, strlen(fix_sdp)));
	ck_assert(!sipcall_probe(f.a.call));
	ck_assert(!phone_wait(&f.p, 100));

	cseq = (uint32_t)f.d.local_cseq + 10;
	ck_assert(!sipcall_thaw(f.a.call, cseq));
	ck_assert(phone_request(&f.p, "MESSAGE"));
	ck_assert(phone_says(&f.p, "one"));
	ck_assert_uint_eq(f.p.msg->cseq.num, cseq + 1);
	phone_answer(&f.p, 200, NULL, NULL);
	ck_assert(phone_request(&f.p, "MESSAGE"));
	ck_assert(phone_says(&f.p, "two"));
	phone_answer(&f.p, 200, NULL, NULL);
	ck_assert(phone_request(&f.p, "INVITE"));
	ck_assert_uint_eq(f.p.msg->cseq.num, cseq + 3);
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	fix_told(&f.a, "dtmf:1/250 answer");

	/* the dialog is whole: what the phone says arrives */
	phone_send(&f.p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.a, "dtmf:1/250 answer end:0");
	handover_close(&f);
}
END_TEST


/* A re-INVITE of ours that ends in time */
static void busy_for_a_moment(struct handover *f)
{
	ck_assert(!sipcall_offer(f->a.call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&f->p, "INVITE"));
	ck_assert(!sipcall_freeze(f->a.call));
	fix_told(&f->a, "");
	phone_answer(&f->p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f->p, "ACK"));
	fix_told(&f->a, "answer dialog");
	ck_assert_int_eq(f->a.err, 0);
	ck_assert(!sipcall_thaw(f->a.call, 0));
	f->a.log[0] = '\0';
}


/* One that does not; then it goes on as if nothing had been. */
static void busy_too_long(struct handover *f)
{
	ck_assert(!sipcall_offer(f->a.call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&f->p, "INVITE"));
	phone_answer(&f->p, 100, NULL, NULL);
	ck_assert(!sipcall_freeze(f->a.call));
	fix_told(&f->a, "dialog");
	ck_assert_int_eq(f->a.err, EBUSY);
	phone_answer(&f->p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f->p, "ACK"));
	fix_told(&f->a, "dialog answer");
	f->a.log[0] = '\0';
}


/* The phone's own, until it is acknowledged */
static void busy_with_theirs(struct handover *f)
{
	phone_send(&f->p, "INVITE", NULL, new_sdp);
	fix_told(&f->a, "offer");
	ck_assert(!sipcall_freeze(f->a.call));
	ck_assert(!sipcall_accept(f->a.call, fix_sdp, strlen(fix_sdp)));
	ck_assert_uint_eq(phone_status(&f->p), 200);
	fix_told(&f->a, "offer");
	phone_send(&f->p, "ACK", NULL, NULL);
	fix_told(&f->a, "offer dialog");
	ck_assert_int_eq(f->a.err, 0);
}


/* Frozen, and the phone hangs up */
static void frozen_and_gone(struct handover *f)
{
	phone_send(&f->p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f->p), 200);
	fix_told(&f->a, "offer dialog end:0");
	ck_assert_int_eq(sipcall_freeze(f->a.call), ENOTCONN);
	f->a.log[0] = '\0';
}


static void not_acknowledged(struct handover *f)
{
	phone_new(&f->p);
	phone_send(&f->p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&f->p), 200);
	ck_assert(!sipcall_freeze(f->a.call));
	fix_told(&f->a, "join dialog");
	ck_assert_int_eq(f->a.err, EAGAIN);
	phone_send(&f->p, "ACK", NULL, NULL);
	fix_told(&f->a, "join dialog established");
	ck_assert(!sipcall_freeze(f->a.call));
	fix_told(&f->a, "join dialog established dialog");
	ck_assert_int_eq(f->a.err, 0);
}


/* Nobody can move what is not there yet, or is busy with something else. */
START_TEST(freeze_refused)
{
	struct handover f;

	handover_open(&f);
	busy_for_a_moment(&f);
	busy_too_long(&f);
	busy_with_theirs(&f);
	frozen_and_gone(&f);
	not_acknowledged(&f);
	handover_close(&f);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("freeze");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, frozen_and_thawed);
	tcase_add_test(tc, freeze_refused);

	return suite_run("freeze", tc);
}
