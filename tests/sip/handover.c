/**
 * @file handover.c  Two servers, and a phone whose dialog goes from one to
 *                   the other
 *
 * Both run in this process: the old one at 127.0.0.1, the new one at
 * 127.0.0.2. The phone speaks with whoever speaks with it last.
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "handover.h"


const char new_sdp[] =
	"v=0\r\n"
	"o=junctor 7 8 IN IP4 127.0.0.2\r\n"
	"s=-\r\n"
	"c=IN IP4 127.0.0.2\r\n"
	"t=0 0\r\n"
	"m=audio 20002 RTP/AVP 0\r\n";


void handover_conf(struct handover *f, struct sipstack_conf *conf, bool tcp)
{
	struct sipstack_conf other = *conf;

	memset(f, 0, sizeof(*f));
	ck_assert(!sa_set_str(&other.laddrv[0], "127.0.0.2", 0));
	fix_open(&f->a, conf);
	fix_start(&f->b, &other);
	phone_open(&f->p, &f->a.laddr, tcp, "room");
}


void handover_open(struct handover *f)
{
	struct sipstack_conf conf;

	fix_conf(&conf, "127.0.0.1");
	handover_conf(f, &conf, false);
	fix_join(&f->a, &f->p);
}


void handover_close(struct handover *f)
{
	f->call = mem_deref(f->call);
	phone_close(&f->p);
	fix_stop(&f->b);
	fix_close(&f->a);
}


/* The old server writes the dialog down. */
void handover_freeze(struct handover *f)
{
	ck_assert(!sipcall_freeze(f->a.call));
	fix_told(&f->a, "dialog");
	ck_assert_int_eq(f->a.err, 0);
	f->a.log[0] = '\0';
	ck_assert_int_eq(dialogtext_decode(&f->d, f->a.body,
					   strlen(f->a.body)), 0);
}


/* The new server has it from now on. */
void handover_adopt(struct handover *f)
{
	struct sipcall *call;

	ck_assert_int_eq(sipstack_adopt(f->b.st, &call, &f->d), 0);
	f->call = mem_ref(call);
	ck_assert_int_eq(sipstack_adopt(f->b.st, &call, &f->d), EEXIST);
}


void handover_reinvite(struct handover *f)
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


void handover_finish(struct handover *f)
{
	handover_reinvite(f);
	phone_answer(&f->p, 200, NULL, phone_sdp);
	ck_assert(phone_request(&f->p, "ACK"));
	fix_told(&f->b, "answer");
	f->b.log[0] = '\0';
	ck_assert(!sipcall_release(f->a.call));
	ck_assert_int_eq(sipcall_bye(f->a.call, 0, NULL), ENOTCONN);
	fix_told(&f->a, "");
	ck_assert(fix_idle(&f->a));
}
