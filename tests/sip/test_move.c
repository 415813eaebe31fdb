/**
 * @file test_move.c  Dialogs that move between two servers
 *
 * Both run in this process: the old one at 127.0.0.1, the new one at
 * 127.0.0.2. The phone speaks with whoever speaks with it last.
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "fixture.h"
#include "sip/dialogtext.h"
#include "sip/redirect.h"

static const char new_sdp[] =
	"v=0\r\n"
	"o=junctor 7 8 IN IP4 127.0.0.2\r\n"
	"s=-\r\n"
	"c=IN IP4 127.0.0.2\r\n"
	"t=0 0\r\n"
	"m=audio 20002 RTP/AVP 0\r\n";

struct farm {
	struct fix a, b;
	struct phone p;
	struct dialogtext d;
	struct sipcall *call;      /* at b, referenced                      */
};


static void farm_conf(struct farm *f, struct sipstack_conf *conf, bool tcp)
{
	struct sipstack_conf other = *conf;

	memset(f, 0, sizeof(*f));
	ck_assert(!sa_set_str(&other.laddrv[0], "127.0.0.2", 0));
	fix_open(&f->a, conf);
	fix_start(&f->b, &other);
	phone_open(&f->p, &f->a.laddr, tcp, "room");
}


static void farm_open(struct farm *f)
{
	struct sipstack_conf conf;

	fix_conf(&conf, "127.0.0.1");
	farm_conf(f, &conf, false);
	fix_join(&f->a, &f->p);
}


static void farm_close(struct farm *f)
{
	f->call = mem_deref(f->call);
	phone_close(&f->p);
	fix_stop(&f->b);
	fix_close(&f->a);
}


/* The old server writes the dialog down. */
static void freeze(struct farm *f)
{
	ck_assert(!sipcall_freeze(f->a.call));
	fix_told(&f->a, "dialog");
	ck_assert_int_eq(f->a.err, 0);
	f->a.log[0] = '\0';
	ck_assert_int_eq(dialogtext_decode(&f->d, f->a.body,
					   strlen(f->a.body)), 0);
}


/* The new server has it from now on. */
static void adopt(struct farm *f)
{
	struct sipcall *call;

	ck_assert_int_eq(sipstack_adopt(f->b.st, &call, &f->d), 0);
	f->call = mem_ref(call);
	ck_assert_int_eq(sipstack_adopt(f->b.st, &call, &f->d), EEXIST);
}


static void reinvite(struct farm *f)
{
	char contact[64];

	(void)re_snprintf(contact, sizeof(contact), "sip:room@%J",
			  &f->b.laddr);
	ck_assert(!sipcall_offer(f->call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&f->p, "INVITE"));
	f->p.srv = f->b.laddr;
	ck_assert(phone_has(&f->p, "Contact", contact));
	ck_assert(phone_has(&f->p, "Call-ID", f->p.callid));
	ck_assert(phone_has(&f->p, "From", f->p.ttag));
	ck_assert(phone_has(&f->p, "To", f->p.ftag));
	ck_assert(phone_says(&f->p, "m=audio 20002"));
}


static void moved(struct farm *f)
{
	reinvite(f);
	phone_answer(&f->p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f->p, "ACK"));
	fix_told(&f->b, "answer");
	f->b.log[0] = '\0';
	ck_assert(!sipcall_release(f->a.call));
	ck_assert_int_eq(sipcall_bye(f->a.call, 0, NULL), ENOTCONN);
	fix_told(&f->a, "");
	ck_assert(fix_idle(&f->a));
}


/*  phone           A                 B
 *    |--INVITE----->|                 |
 *    |<--200--------|                 |
 *    |--ACK-------->|                 |
 *    |              |---dialog------->|
 *    |<--INVITE-----------------------|
 *    |--200-------------------------->|
 *    |<--ACK--------------------------|
 *    |              | released        |
 *    |--BYE-------------------------->|
 *    |<--200--------------------------|
 */
START_TEST(move_then_their_bye)
{
	struct farm f;

	farm_open(&f);
	freeze(&f);
	adopt(&f);
	moved(&f);

	phone_send(&f.p, "INFO", "Content-Type: application/dtmf\r\n", "7");
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.b, "dtmf:7/250");

	phone_send(&f.p, "INVITE", NULL, phone_sdp);
	fix_told(&f.b, "dtmf:7/250 offer");
	ck_assert(!sipcall_accept(f.call, new_sdp, strlen(new_sdp)));
	ck_assert_uint_eq(phone_status(&f.p), 200);
	phone_send(&f.p, "ACK", NULL, NULL);

	phone_send(&f.p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.b, "dtmf:7/250 offer end:0");
	ck_assert(fix_idle(&f.b));
	farm_close(&f);
}
END_TEST


START_TEST(move_then_our_bye)
{
	struct farm f;

	farm_open(&f);
	freeze(&f);
	adopt(&f);
	moved(&f);

	ck_assert(!sipcall_bye(f.call, 480, "Enough"));
	ck_assert(phone_request(&f.p, "BYE"));
	phone_answer(&f.p, 200, NULL, NULL);
	fix_told(&f.b, "end:480");
	ck_assert(fix_idle(&f.b));
	farm_close(&f);
}
END_TEST


/* The phone changes something while its dialog is frozen: it has to wait. Its
   other requests are answered as ever. */
START_TEST(frozen_and_thawed)
{
	struct farm f;
	uint32_t cseq;

	farm_open(&f);
	freeze(&f);

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
	farm_close(&f);
}
END_TEST


/* Nobody can move what is not there yet, or is busy with something else. */
START_TEST(freeze_refused)
{
	struct farm f;

	farm_open(&f);

	/* a re-INVITE of ours that ends in time */
	ck_assert(!sipcall_offer(f.a.call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&f.p, "INVITE"));
	ck_assert(!sipcall_freeze(f.a.call));
	fix_told(&f.a, "");
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	fix_told(&f.a, "answer dialog");
	ck_assert_int_eq(f.a.err, 0);
	ck_assert(!sipcall_thaw(f.a.call, 0));
	f.a.log[0] = '\0';

	/* one that does not; then it goes on as if nothing had been */
	ck_assert(!sipcall_offer(f.a.call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&f.p, "INVITE"));
	phone_answer(&f.p, 100, NULL, NULL);
	ck_assert(!sipcall_freeze(f.a.call));
	fix_told(&f.a, "dialog");
	ck_assert_int_eq(f.a.err, EBUSY);
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	fix_told(&f.a, "dialog answer");
	f.a.log[0] = '\0';

	/* the phone's own, until it is acknowledged */
	phone_send(&f.p, "INVITE", NULL, new_sdp);
	fix_told(&f.a, "offer");
	ck_assert(!sipcall_freeze(f.a.call));
	ck_assert(!sipcall_accept(f.a.call, fix_sdp, strlen(fix_sdp)));
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.a, "offer");
	phone_send(&f.p, "ACK", NULL, NULL);
	fix_told(&f.a, "offer dialog");
	ck_assert_int_eq(f.a.err, 0);

	/* frozen, and the phone hangs up */
	phone_send(&f.p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.a, "offer dialog end:0");
	ck_assert_int_eq(sipcall_freeze(f.a.call), ENOTCONN);
	f.a.log[0] = '\0';

	/* not acknowledged yet */
	phone_new(&f.p);
	phone_send(&f.p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	ck_assert(!sipcall_freeze(f.a.call));
	fix_told(&f.a, "join dialog");
	ck_assert_int_eq(f.a.err, EAGAIN);
	phone_send(&f.p, "ACK", NULL, NULL);
	fix_told(&f.a, "join dialog established");
	ck_assert(!sipcall_freeze(f.a.call));
	fix_told(&f.a, "join dialog established dialog");
	ck_assert_int_eq(f.a.err, 0);
	farm_close(&f);
}
END_TEST


/* What is released is not known any more, but its BYE is welcome. */
START_TEST(released)
{
	struct farm f;

	farm_open(&f);
	freeze(&f);
	ck_assert(!sipcall_release(f.a.call));
	loop_run(20);

	phone_send(&f.p, "INFO", "Content-Type: application/dtmf\r\n", "1");
	ck_assert_uint_eq(phone_status(&f.p), 481);
	phone_send(&f.p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.a, "");
	ck_assert(fix_idle(&f.a));
	farm_close(&f);
}
END_TEST


/* Both sides offer: ours comes again. */
START_TEST(adopted_glare)
{
	struct farm f;

	farm_open(&f);
	freeze(&f);
	adopt(&f);

	for (int i = 0; i < 3; i++) {
		if (i)
			ck_assert(phone_request(&f.p, "INVITE"));
		else
			reinvite(&f);
		phone_answer(&f.p, 491, NULL, NULL);
		ck_assert(phone_request(&f.p, "ACK"));
	}

	/* meanwhile the phone's own, at the new server */
	phone_send(&f.p, "INVITE", NULL, phone_sdp);
	fix_told(&f.b, "offer");
	ck_assert(!sipcall_accept(f.call, new_sdp, strlen(new_sdp)));
	while (phone_wait(&f.p, PHONE_LIMIT) &&
	       (f.p.msg->req || f.p.msg->scode < 200)) {
		if (f.p.msg->req && pl_strcmp(&f.p.msg->met, "ACK"))
			phone_answer(&f.p, 491, NULL, NULL);
	}
	phone_send(&f.p, "ACK", NULL, NULL);

	ck_assert(phone_request(&f.p, "INVITE"));
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	fix_told(&f.b, "offer answer");
	farm_close(&f);
}
END_TEST


/* What the phone may answer to the new server's re-INVITE */
static const struct {
	unsigned scode;
	const char *hdrs;
	const char *told;
	bool again;                /* it is asked once more first           */
} answerv[] = {
	{488, NULL, "refused:488", false},
	{403, NULL, "refused:403", false},
	{500, NULL, "refused:500", false},
	{503, "Retry-After: 3600\r\n", "refused:503", false},
	{503, "Retry-After: 1\r\n", "refused:488", true},
	{500, "Retry-After: 0\r\n", "refused:488", true},
	{481, NULL, "end:481", false},
	{408, NULL, "end:408", false},
};


START_TEST(adopted_refused)
{
	struct farm f;

	farm_open(&f);
	freeze(&f);
	adopt(&f);
	reinvite(&f);
	phone_answer(&f.p, answerv[_i].scode, answerv[_i].hdrs, NULL);
	ck_assert(phone_request(&f.p, "ACK"));

	if (answerv[_i].again) {
		ck_assert(phone_request(&f.p, "INVITE"));
		phone_answer(&f.p, 488, NULL, NULL);
		ck_assert(phone_request(&f.p, "ACK"));
	}

	fix_told(&f.b, answerv[_i].told);
	ck_assert(!sipcall_release(f.call) ==
		  !strncmp(answerv[_i].told, "refused", 7));
	ck_assert(fix_idle(&f.b));

	/* the old server goes on, with a higher number */
	ck_assert(!sipcall_thaw(f.a.call, f.p.msg->cseq.num));
	ck_assert(!sipcall_bye(f.a.call, 0, NULL));
	ck_assert(phone_request(&f.p, "BYE"));
	farm_close(&f);
}
END_TEST


/* It takes so long to answer that nobody waits for it; when it does, the
   dialog is not the new server's any more. */
START_TEST(adopted_slow)
{
	struct sipstack_conf conf;
	struct farm f;

	fix_conf(&conf, "127.0.0.1");
	conf.move_ms = 300;
	farm_conf(&f, &conf, false);
	fix_join(&f.a, &f.p);
	freeze(&f);
	adopt(&f);
	reinvite(&f);
	phone_answer(&f.p, 180, NULL, NULL);
	fix_told(&f.b, "refused:408");
	ck_assert_int_eq(f.b.err, ETIMEDOUT);

	ck_assert(!sipcall_release(f.call));
	ck_assert(phone_request(&f.p, "CANCEL"));
	phone_answer(&f.p, 200, NULL, NULL);
	ck_assert(sipstack_stat(f.b.st, SIPSTACK_CALLS, 0) != 0);
	f.p.msg = mem_deref(f.p.msg);
	farm_close(&f);
}
END_TEST


/* Released, but the phone's 200 was on its way: it is acknowledged. */
START_TEST(adopted_crosses)
{
	struct farm f;
	struct sip_msg *inv;

	farm_open(&f);
	freeze(&f);
	adopt(&f);
	reinvite(&f);
	inv = mem_ref(f.p.msg);
	ck_assert(!sipcall_release(f.call));
	loop_run(20);
	mem_deref(f.p.msg);
	f.p.msg = inv;
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	fix_told(&f.b, "");
	ck_assert(fix_idle(&f.b));
	farm_close(&f);
}
END_TEST


/* Given up before the signalling thread has heard of it; and once more. */
START_TEST(adopted_given_up)
{
	struct farm f;

	farm_open(&f);
	freeze(&f);

	for (int i = 0; i < 3; i++) {
		adopt(&f);
		ck_assert(!sipcall_offer(f.call, new_sdp, strlen(new_sdp)));
		ck_assert(!sipcall_release(f.call));
		ck_assert_int_eq(sipcall_bye(f.call, 0, NULL), ENOTCONN);
		f.call = mem_deref(f.call);
		fix_told(&f.b, "");
	}

	/* the re-INVITEs were cancelled, the call goes on where it was */
	ck_assert(!sipcall_thaw(f.a.call, (uint32_t)f.d.local_cseq + 5));
	ck_assert(!sipcall_probe(f.a.call));
	while (phone_wait(&f.p, PHONE_LIMIT) && f.p.msg->req &&
	       pl_strcmp(&f.p.msg->met, "OPTIONS"))
		;
	ck_assert(!pl_strcmp(&f.p.msg->met, "OPTIONS"));
	phone_answer(&f.p, 200, NULL, NULL);
	fix_told(&f.a, "");

	/* it ends while one is on its way here */
	adopt(&f);
	farm_close(&f);
}
END_TEST


/* The phone wants longer sessions than the old server had agreed on. */
START_TEST(adopted_timer)
{
	struct sipstack_conf conf;
	struct farm f;

	fix_conf(&conf, "127.0.0.1");
	conf.se = 100;
	farm_conf(&f, &conf, false);
	phone_send(&f.p, "INVITE", "Allow: INVITE, UPDATE\r\n"
		   "Supported: timer, replaces\r\n"
		   "Session-Expires: 100;refresher=uas\r\n", phone_sdp);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	phone_send(&f.p, "ACK", NULL, NULL);
	fix_told(&f.a, "join established");
	f.a.log[0] = '\0';

	freeze(&f);
	ck_assert_uint_eq(f.d.interval, 100);
	ck_assert_uint_eq(f.d.refresher, 1);
	ck_assert_uint_eq(f.d.timer, 1);
	ck_assert_uint_eq(f.d.update, 1);
	ck_assert_uint_eq(f.d.replaces, 1);
	ck_assert_uint_ge(f.d.left, 20);
	ck_assert_uint_le(f.d.left, 50);
	f.d.left = 2;
	adopt(&f);
	reinvite(&f);
	ck_assert(phone_has(&f.p, "Session-Expires", "100;refresher=uac"));
	phone_answer(&f.p, 422, "Min-SE: 200\r\n", NULL);
	ck_assert(phone_request(&f.p, "ACK"));
	ck_assert(phone_request(&f.p, "INVITE"));
	ck_assert(phone_has(&f.p, "Session-Expires", "200;refresher=uac"));
	phone_answer(&f.p, 200, "Session-Expires: 200;refresher=uac\r\n",
		     phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	fix_told(&f.b, "answer");
	farm_close(&f);
}
END_TEST


/* The old server died when it was the refresher's turn. */
START_TEST(adopted_refreshes)
{
	struct farm f;

	farm_open(&f);
	freeze(&f);
	f.d.interval  = 100;
	f.d.refresher = 1;
	f.d.update    = 1;
	f.d.left      = 1;
	adopt(&f);
	ck_assert(phone_request(&f.p, "UPDATE"));
	ck_assert(phone_has(&f.p, "Session-Expires", "100;refresher=uac"));
	ck_assert(phone_has(&f.p, "CSeq", "UPDATE"));
	phone_answer(&f.p, 200, NULL, NULL);
	farm_close(&f);
}
END_TEST


/* Requests go along the route, with everything that stands in it. */
START_TEST(adopted_route)
{
	char rr[256], uri[128];
	struct phone proxy;
	struct farm f;
	struct sipstack_conf conf;

	fix_conf(&conf, "127.0.0.1");
	farm_conf(&f, &conf, false);
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

	freeze(&f);
	ck_assert_uint_eq(f.d.routec, 2);
	ck_assert_str_eq(f.d.routev[0], uri);
	ck_assert_str_eq(f.d.routev[1], "<sip:127.0.0.1:9;lr>;x=y");
	adopt(&f);
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
	farm_close(&f);
}
END_TEST


/* The new server has several addresses, and says the one that the phone can
   reach. */
START_TEST(adopted_addresses)
{
	struct sipstack_conf conf, other;
	char contact[64];
	struct farm f;
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
	freeze(&f);
	adopt(&f);
	ck_assert(!sipcall_offer(f.call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&f.p, "INVITE"));
	(void)re_snprintf(contact, sizeof(contact), "sip:room@%J", &sa);
	ck_assert(phone_has(&f.p, "Contact", contact));
	farm_close(&f);
}
END_TEST


/* After a crash: numbers were used that nobody wrote down. */
START_TEST(adopted_after_crash)
{
	struct farm f;
	uint64_t cseq;

	farm_open(&f);
	freeze(&f);
	cseq = f.d.local_cseq += 1000;
	f.d.remote_cseq = 0;
	adopt(&f);
	reinvite(&f);
	ck_assert_uint_eq(f.p.msg->cseq.num, cseq + 1);
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	phone_send(&f.p, "OPTIONS", NULL, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	farm_close(&f);
}
END_TEST


/* Over TCP: where the phone listens, or not at all. */
START_TEST(adopted_tcp)
{
	struct sipstack_conf conf;
	struct sipcall *call;
	struct phone q;
	struct farm f;

	fix_conf(&conf, "127.0.0.1");
	farm_conf(&f, &conf, true);
	fix_join(&f.a, &f.p);
	freeze(&f);
	ck_assert_str_eq(f.d.transport, "tcp");
	ck_assert_uint_eq(f.d.nat, 0);

	/* its port is one that nobody listens on */
	adopt(&f);
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
	farm_close(&f);
}
END_TEST


/* Behind NAT over UDP: to where its datagrams came from */
START_TEST(adopted_nat)
{
	struct sipstack_conf conf;
	char hop[64];
	struct farm f;

	fix_conf(&conf, "127.0.0.1");
	farm_conf(&f, &conf, false);
	str_ncpy(f.p.contact, "192.0.2.1:5060", sizeof(f.p.contact));
	fix_join(&f.a, &f.p);
	freeze(&f);
	(void)re_snprintf(hop, sizeof(hop), "sip:%J", &f.p.me);
	ck_assert_str_eq(f.d.hop, hop);
	ck_assert_str_eq(f.d.target, "sip:alice@192.0.2.1:5060");
	adopt(&f);
	reinvite(&f);
	ck_assert(!pl_strcmp(&f.p.msg->ruri, f.d.target));
	phone_answer(&f.p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f.p, "ACK"));
	farm_close(&f);
}
END_TEST


/* Display names, privacy and the user part of our Contact come along. */
START_TEST(adopted_names)
{
	struct farm f;
	struct sipstack_conf conf;

	fix_conf(&conf, "127.0.0.1");
	farm_conf(&f, &conf, false);
	str_ncpy(f.p.conf, "a%20b", sizeof(f.p.conf));
	phone_send(&f.p, "INVITE", "Privacy: id;critical\r\n", phone_sdp);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	phone_send(&f.p, "ACK", NULL, NULL);
	fix_told(&f.a, "join established");
	f.a.log[0] = '\0';
	freeze(&f);
	ck_assert_str_eq(f.d.remote_name, "Alice \"A\" Doe");
	ck_assert_str_eq(f.d.privacy, "id;critical");
	ck_assert_str_eq(f.d.user, "a%20b");
	ck_assert_uint_eq(f.d.sdp_id, 7);
	ck_assert_uint_eq(f.d.sdp_version, 7);
	adopt(&f);
	ck_assert(!sipcall_offer(f.call, new_sdp, strlen(new_sdp)));
	ck_assert(phone_request(&f.p, "INVITE"));
	ck_assert(phone_has(&f.p, "To", "\"Alice \\\"A\\\" Doe\" "
			    "<sip:alice@home>;tag="));
	ck_assert(phone_has(&f.p, "Contact", "<sip:a%20b@127.0.0.2:"));
	farm_close(&f);
}
END_TEST


static const char watch[] = "Event: conference;id=w7\r\n"
	"Accept: application/conference-info+xml\r\nExpires: 600\r\n";


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
	struct farm f;
	char contact[64];

	fix_conf(&conf, "127.0.0.1");
	farm_conf(&f, &conf, false);
	phone_send(&f.p, "SUBSCRIBE", watch, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.a, "subscribe");
	ck_assert(!sipcall_notify(f.a.call, "<a/>", 4, false));
	ck_assert(phone_request(&f.p, "NOTIFY"));
	ck_assert(phone_has(&f.p, "Event", "conference;id=w7"));

	/* not before that is answered */
	ck_assert(!sipcall_freeze(f.a.call));
	fix_told(&f.a, "subscribe");
	phone_answer(&f.p, 200, NULL, NULL);
	fix_told(&f.a, "subscribe dialog");
	ck_assert(!dialogtext_decode(&f.d, f.a.body, strlen(f.a.body)));
	ck_assert(!dialogtext_is_call(&f.d));
	ck_assert_uint_eq(f.d.interval, 600);
	ck_assert_uint_ge(f.d.left, 500);
	ck_assert_str_eq(f.d.event_id, "w7");
	ck_assert(!sipcall_notify(f.a.call, "<b/>", 4, false));
	ck_assert(!phone_wait(&f.p, 50));

	adopt(&f);
	ck_assert(!sipcall_notify(f.call, "", 0, false));
	ck_assert(phone_request(&f.p, "NOTIFY"));
	ck_assert(phone_has(&f.p, "Content-Length", "0"));
	ck_assert(!phone_has(&f.p, "Content-Type", NULL));
	ck_assert_uint_eq(f.p.msg->cseq.num, f.d.local_cseq + 1);
	ck_assert(phone_has(&f.p, "Event", "conference;id=w7"));
	ck_assert(phone_has(&f.p, "Subscription-State", "active;expires="));
	(void)re_snprintf(contact, sizeof(contact), "%J", &f.b.laddr);
	ck_assert(phone_has(&f.p, "Contact", contact));
	f.p.srv = f.b.laddr;
	phone_answer(&f.p, 200, NULL, NULL);
	ck_assert(!sipcall_release(f.a.call));
	ck_assert(fix_idle(&f.a));
	ck_assert(!sipcall_notify(f.call, "<c/>", 4, false));
	ck_assert(phone_request(&f.p, "NOTIFY"));
	ck_assert(phone_says(&f.p, "<c/>"));
	phone_answer(&f.p, 200, NULL, NULL);

	phone_send(&f.p, "SUBSCRIBE", watch, NULL);
	ck_assert_uint_eq(phone_status(&f.p), 200);
	fix_told(&f.b, "refreshed");
	ck_assert(!sipcall_notify(f.call, NULL, 0, true));
	ck_assert(phone_request(&f.p, "NOTIFY"));
	ck_assert(phone_has(&f.p, "Subscription-State", "terminated"));
	phone_answer(&f.p, 200, NULL, NULL);
	fix_told(&f.b, "refreshed end:0");
	farm_close(&f);
}
END_TEST


/* It stays here after all: what waited is told. */
START_TEST(subscription_thaws)
{
	struct sipstack_conf conf;
	struct farm f;

	fix_conf(&conf, "127.0.0.1");
	farm_conf(&f, &conf, false);
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
	farm_close(&f);
}
END_TEST


/* A request comes before anybody knows its dialog. */
START_TEST(lost_and_adopted)
{
	struct sipstack_conf conf;
	struct farm f;

	fix_conf(&conf, "127.0.0.1");
	conf.lost_ms = 20000;
	farm_conf(&f, &conf, false);
	fix_join(&f.a, &f.p);
	freeze(&f);
	f.b.lost_wait = true;
	f.p.srv = f.b.laddr;

	phone_send(&f.p, "INVITE", NULL, phone_sdp);
	phone_send(&f.p, "OPTIONS", NULL, NULL);
	fix_told(&f.b, "lost");
	ck_assert_str_eq(f.b.lostid, f.p.callid);
	adopt(&f);
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
	farm_close(&f);
}
END_TEST


START_TEST(lost_for_ever)
{
	struct farm f;
	uint64_t when;

	farm_open(&f);
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
	farm_close(&f);
}
END_TEST


/* More strays than anybody waits for */
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


START_TEST(lost_many)
{
	enum { MANY = 300 };
	bool donev[MANY] = {false};
	struct farm f;
	unsigned n = 0;

	farm_open(&f);
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
	farm_close(&f);
}
END_TEST


/* Several signalling threads: a dialog is adopted by the one that hears what
   the phone says in it. */
START_TEST(move_threads)
{
	struct sipstack_conf conf, other;
	struct redirect *ra, *rb;
	struct farm f;

	memset(&f, 0, sizeof(f));
	ck_assert_int_eq(libre_init(), 0);
	ck_assert(!redirect_alloc(&ra, 3));
	ck_assert(!redirect_alloc(&rb, 3));
	fix_conf(&conf, "127.0.0.1");
	conf.threads  = 3;
	conf.redirect = ra;
	fix_start(&f.a, &conf);
	fix_conf(&other, "127.0.0.2");
	other.threads  = 3;
	other.redirect = rb;
	fix_start(&f.b, &other);
	phone_open(&f.p, &f.a.laddr, false, "room");

	for (int i = 0; i < 12; i++) {
		f.p.srv = f.a.laddr;
		phone_new(&f.p);
		fix_join(&f.a, &f.p);
		freeze(&f);
		adopt(&f);
		moved(&f);
		phone_send(&f.p, "INFO", "Content-Type: application/dtmf\r\n",
			   "7");
		ck_assert_uint_eq(phone_status(&f.p), 200);
		phone_send(&f.p, "BYE", NULL, NULL);
		ck_assert_uint_eq(phone_status(&f.p), 200);
		fix_told(&f.b, "dtmf:7/250 end:0");
		f.b.log[0] = '\0';
		f.call = mem_deref(f.call);
	}

	phone_close(&f.p);
	fix_stop(&f.b);
	fix_stop(&f.a);
	mem_deref(ra);
	mem_deref(rb);
	fix_close(&f.a);
}
END_TEST


static Suite *move_suite(void)
{
	Suite *s = suite_create("move");
	TCase *tc = tcase_create("move");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, move_then_their_bye);
	tcase_add_test(tc, move_then_our_bye);
	tcase_add_test(tc, frozen_and_thawed);
	tcase_add_test(tc, freeze_refused);
	tcase_add_test(tc, released);
	tcase_add_test(tc, adopted_glare);
	tcase_add_loop_test(tc, adopted_refused, 0, ARRAY_SIZE(answerv));
	tcase_add_test(tc, adopted_slow);
	tcase_add_test(tc, adopted_crosses);
	tcase_add_test(tc, adopted_given_up);
	tcase_add_test(tc, adopted_timer);
	tcase_add_test(tc, adopted_refreshes);
	tcase_add_test(tc, adopted_route);
	tcase_add_test(tc, adopted_addresses);
	tcase_add_test(tc, adopted_after_crash);
	tcase_add_test(tc, adopted_tcp);
	tcase_add_test(tc, adopted_nat);
	tcase_add_test(tc, adopted_names);
	tcase_add_test(tc, subscription_moves);
	tcase_add_test(tc, subscription_thaws);
	tcase_add_test(tc, lost_and_adopted);
	tcase_add_test(tc, lost_for_ever);
	tcase_add_test(tc, lost_many);
	tcase_add_test(tc, move_threads);
	suite_add_tcase(s, tc);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(move_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
