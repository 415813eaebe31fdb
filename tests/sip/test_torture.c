/**
 * @file test_torture.c  Whatever comes in: a clear answer, never a crash, and
 *                       no harm to others; in the spirit of RFC 4475
 */
#include <string.h>
#include <sys/socket.h>
#include <check.h>
#include <re.h>
#include "fixture.h"
#include "../suite.h"


/* $me, $srv and $id are replaced */
#define VIA   "Via: SIP/2.0/UDP $me;branch=z9hG4bK$id\r\n"
#define FROM  "From: <sip:a@home>;tag=1\r\n"
#define TO    "To: <sip:room@home>\r\n"
#define ID    "Call-ID: $id\r\n"
#define CTCT  "Contact: <sip:a@$me>\r\n"
#define END   "Content-Length: 0\r\n\r\n"
#define ROOM  "INVITE sip:room@$srv SIP/2.0\r\n"
#define CSEQ  "CSeq: 1 INVITE\r\n"
#define SDP   "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"


static void fill(char *dst, size_t sz, const char *src, const struct phone *p)
{
	const char *s = src;
	char addr[64];
	size_t n = 0;

	for (; *s && n + 64 < sz; ) {

		if (!strncmp(s, "$me", 3)) {
			(void)re_snprintf(addr, sizeof(addr), "%J", &p->me);
			s += 3;
		}
		else if (!strncmp(s, "$srv", 4)) {
			(void)re_snprintf(addr, sizeof(addr), "%J", &p->srv);
			s += 4;
		}
		else if (!strncmp(s, "$id", 3)) {
			str_ncpy(addr, p->callid, sizeof(addr));
			s += 3;
		}
		else {
			dst[n++] = *s++;
			continue;
		}

		memcpy(dst + n, addr, strlen(addr));
		n += strlen(addr);
	}

	dst[n] = '\0';
}


static const struct {
	const char *what;
	const char *msg;
	unsigned scode;            /* 0: any final error will do            */
} rejectv[] = {
	{"no From", ROOM VIA TO ID CSEQ CTCT END, 400},
	{"no To", ROOM VIA FROM ID CSEQ CTCT END, 400},
	{"no Call-ID", ROOM VIA FROM TO CSEQ CTCT END, 400},
	{"no CSeq", ROOM VIA FROM TO ID CTCT END, 400},
	{"bad CSeq", ROOM VIA FROM TO ID "CSeq: x INVITE\r\n" CTCT END, 400},
	{"CSeq beyond 2^32", ROOM VIA FROM TO ID
	 "CSeq: 36893488147419103232 INVITE\r\n" CTCT END, 400},
	{"CSeq of another method", ROOM VIA FROM TO ID
	 "CSeq: 1 OPTIONS\r\n" CTCT END, 400},
	{"bad From", ROOM VIA "From: <sip:;tag=1\r\n" TO ID CSEQ CTCT END,
	 400},
	{"bad Contact", ROOM VIA FROM TO ID CSEQ "Contact: <<>>\r\n" END,
	 400},
	{"bad To", ROOM VIA FROM "To: \"unclosed <sip:room@home>\r\n" ID CSEQ
	 CTCT END, 400},
	{"no Contact", ROOM VIA FROM TO ID CSEQ END, 400},
	{"Contact *", ROOM VIA FROM TO ID CSEQ "Contact: *\r\n" END, 400},
	{"version 7.0", "INVITE sip:room@$srv SIP/7.0\r\n" VIA FROM TO ID CSEQ
	 CTCT END, 505},
	{"unknown scheme", "INVITE nobody:room@$srv SIP/2.0\r\n" VIA FROM TO
	 ID CSEQ CTCT END, 416},
	{"tel URI", "INVITE tel:+123 SIP/2.0\r\n" VIA FROM TO ID CSEQ CTCT
	 END, 416},
	{"URI in brackets", "INVITE <sip:room@$srv> SIP/2.0\r\n" VIA FROM TO
	 ID CSEQ CTCT END, 0},
	{"extension required", ROOM VIA FROM TO ID CSEQ CTCT
	 "Require: nothingSupportsThis, norThat\r\n" END, 420},
	{"unknown method", "WISH sip:room@$srv SIP/2.0\r\n" VIA FROM TO ID
	 "CSeq: 1 WISH\r\n" CTCT END, 501},
	{"REGISTER", "REGISTER sip:$srv SIP/2.0\r\n" VIA FROM TO ID
	 "CSeq: 1 REGISTER\r\n" CTCT END, 405},
	{"wrong body", ROOM VIA FROM TO ID CSEQ CTCT
	 "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi", 415},
	{"compressed body", ROOM VIA FROM TO ID CSEQ CTCT
	 "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n"
	 "Content-Length: 2\r\n\r\nhi", 415},
	{"Content-Length too large", ROOM VIA FROM TO ID CSEQ CTCT
	 "Content-Type: application/sdp\r\nContent-Length: 9999\r\n\r\nv=0",
	 400},
	{"Content-Length negative", ROOM VIA FROM TO ID CSEQ CTCT
	 "Content-Length: -999\r\n\r\n", 400},
	{"zero byte in the name", "INVITE sip:ro%00om@$srv SIP/2.0\r\n" VIA
	 FROM TO ID CSEQ CTCT END, 400},
	{"line feed in the name", "INVITE sip:ro%0d%0aom@$srv SIP/2.0\r\n" VIA
	 FROM TO ID CSEQ CTCT END, 400},
	{"unknown dialog", "BYE sip:room@$srv SIP/2.0\r\n" VIA FROM
	 "To: <sip:room@home>;tag=never\r\n" ID "CSeq: 2 BYE\r\n" CTCT END,
	 481},
	{"CANCEL of nothing", "CANCEL sip:room@$srv SIP/2.0\r\n" VIA FROM TO
	 ID "CSeq: 1 CANCEL\r\n" END, 481},
	{"two Call-IDs", ROOM VIA FROM TO ID "Call-ID: other\r\n" CSEQ CTCT
	 END, 0},
};


static void torture(const char *addr)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone p;
	char buf[4096];

	fix_conf(&conf, addr);
	fix_open(&fx, &conf);

	for (size_t i = 0; i < sizeof(rejectv) / sizeof(rejectv[0]); i++) {

		unsigned scode;

		phone_open(&p, &fx.laddr, false, "room");
		fill(buf, sizeof(buf), rejectv[i].msg, &p);
		phone_raw(&p, buf, strlen(buf));
		scode = phone_status(&p);

		ck_assert_msg(scode >= 400, "%s: %u", rejectv[i].what, scode);
		ck_assert_msg(!rejectv[i].scode || scode == rejectv[i].scode,
			      "%s: %u instead of %u", rejectv[i].what, scode,
			      rejectv[i].scode);
		ck_assert_msg(fix_alive(&p), "%s", rejectv[i].what);
		phone_close(&p);
	}

	fix_told(&fx, "");
	ck_assert(fix_idle(&fx));
	fix_close(&fx);
}


START_TEST(test_torture)
{
	torture("127.0.0.1");
}
END_TEST


START_TEST(test_torture6)
{
	torture("::1");
}
END_TEST


static void noise(struct phone *p)
{
	char buf[60000];

	for (int i = 0; i < 500; i++) {

		const size_t n = 1 + rand_u16() % 1400;

		for (size_t k = 0; k < n; k++)
			buf[k] = rand_u32();
		phone_raw(p, buf, n);
	}

	/* a header line that does not end */
	memset(buf, 'a', sizeof(buf));
	memcpy(buf, "INVITE sip:", 11);
	phone_raw(p, buf, sizeof(buf));
}


/* Of a good message */
static void mutations(struct phone *p)
{
	for (int i = 0; i < 500; i++) {
		phone_new(p);
		phone_send(p, "OPTIONS", NULL, NULL);
		for (int k = 0; k < 3; k++)
			p->sent[rand_u32() % p->sentlen] = rand_u32();
		phone_raw(p, p->sent, p->sentlen);
	}
}


/* What cannot be answered, because it does not say to whom */
START_TEST(test_garbage)
{
	static const char *const junkv[] = {
		"\r\n\r\n", "\0\0\0\0", "hello", "INVITE", "INVITE \r\n\r\n",
		"INVITE sip:room SIP/2.0\r\n\r\n", "SIP/2.0\r\n\r\n",
		"SIP/2.0 200 OK\r\n\r\n", ":\r\n:\r\n\r\n",
		"SIP/2.0 999999999999 x\r\nVia: x\r\n\r\n",
		"INVITE sip:room@x SIP/2.0\r\nVia: \r\n\r\n",
		"ACK sip:room@x SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n\r\n",
		ROOM "Via: SIP/2.0/TCP x;branch=z9hG4bKx\r\n" FROM TO ID CSEQ
		CTCT END,
	};
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	for (size_t i = 0; i < sizeof(junkv) / sizeof(junkv[0]); i++)
		phone_raw(&p, junkv[i], strlen(junkv[i]) + 1);

	noise(&p);
	mutations(&p);

	while (phone_wait(&p, 100))
		;

	phone_close(&p);
	phone_open(&p, &fx.laddr, false, "room");
	ck_assert(fix_alive(&p));
	fix_told(&fx, "");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* Responses that cannot be sent: what nta believes about them ends the
   process when an ACK comes (src/sip/sendlibc.c). */
START_TEST(test_unsendable)
{
	static const char *const viav[] = {
		"127.0.0.1:0", "127.0.0.1:99999", "x;maddr=255.255.255.255",
		"x;maddr=no.host.invalid", "x;maddr=[::1]", "x;rport=0",
		"x;maddr=0.0.0.0", "x;ttl=1;maddr=239.1.1.1",
		"x;comp=sigcomp", "255.255.255.255",
	};
	static const char *const confv[] = {"room", "refuse", "move"};
	struct fix fx;
	struct phone p;
	char head[1024], buf[2048];

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	for (size_t i = 0; i < sizeof(viav) / sizeof(viav[0]); i++) {
		for (int k = 0; k < 3; k++) {
			phone_new(&p);
			(void)re_snprintf(buf, sizeof(buf), "Via: SIP/2.0/UDP "
					  "%s;branch=z9hG4bK$id\r\n"
					  FROM TO ID CTCT, viav[i]);
			fill(head, sizeof(head), buf, &p);

			(void)re_snprintf(buf, sizeof(buf), "INVITE sip:%s@x "
					  "SIP/2.0\r\n%sCSeq: 1 INVITE\r\n"
					  END, confv[k], head);
			phone_raw(&p, buf, strlen(buf));
			loop_run(20);

			(void)re_snprintf(buf, sizeof(buf), "ACK sip:%s@x "
					  "SIP/2.0\r\n%sCSeq: 1 ACK\r\n" END,
					  confv[k], head);
			phone_raw(&p, buf, strlen(buf));
			while (phone_wait(&p, 10))
				;
		}
	}

	phone_close(&p);
	phone_open(&p, &fx.laddr, false, "room");
	ck_assert(fix_alive(&p));
	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* The same over connections that are reset before the response */
START_TEST(test_reset)
{
	const struct linger lg = {.l_onoff = 1};
	struct fix fx;
	struct phone p, u;
	char ack[2048];

	fix_open_default(&fx);
	phone_open(&u, &fx.laddr, false, "room");

	for (int i = 0; i < 60; i++) {
		phone_open(&p, &fx.laddr, true, i & 1 ? "refuse" : "room");
		phone_send(&p, "INVITE", NULL, NULL);
		(void)re_snprintf(ack, sizeof(ack),
				  "ACK sip:room@x SIP/2.0\r\n"
				  "Via: SIP/2.0/UDP %J;branch=z9hG4bK%08x\r\n"
				  "From: <sip:a@b>;tag=%s\r\n" TO
				  "Call-ID: %s\r\nCSeq: 1 ACK\r\n" END,
				  &p.me, p.branch, p.ftag, p.callid);
		(void)setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &lg,
				 sizeof(lg));
		phone_close(&p);
		for (int k = 0; k < 5; k++) {
			phone_raw(&u, ack, strlen(ack));
			loop_run(1);
		}
	}

	ck_assert(fix_alive(&u));
	phone_close(&u);
	fix_close(&fx);
}
END_TEST


START_TEST(test_long_name)
{
	struct fix fx;
	struct phone p;
	char room[200];

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	memset(room, 'x', sizeof(room));
	room[127] = '\0';
	str_ncpy(p.conf, room, sizeof(p.conf));
	fix_join(&fx, &p);

	room[127] = 'x';
	room[128] = '\0';
	str_ncpy(p.conf, room, sizeof(p.conf));
	phone_new(&p);
	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 400);
	fix_told(&fx, "");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* The same request by two ways (RFC 3261 section 8.2.2.2) */
START_TEST(test_merged)
{
	struct fix fx;
	struct phone p, q;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	phone_open(&q, &fx.laddr, false, "room");
	str_ncpy(q.callid, p.callid, sizeof(q.callid));
	str_ncpy(q.ftag, p.ftag, sizeof(q.ftag));

	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 200);
	phone_send(&q, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&q), 482);
	fix_told(&fx, "join");

	phone_close(&q);
	phone_close(&p);
	fix_close(&fx);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("torture");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_torture);
	tcase_add_test(tc, test_torture6);
	tcase_add_test(tc, test_garbage);
	tcase_add_test(tc, test_unsendable);
	tcase_add_test(tc, test_reset);
	tcase_add_test(tc, test_long_name);
	tcase_add_test(tc, test_merged);

	return suite_run("torture", tc);
}
