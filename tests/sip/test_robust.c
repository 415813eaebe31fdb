/**
 * @file test_robust.c  Whatever comes in: a clear answer, never a crash,
 *                      and no harm to others; in the spirit of RFC 4475
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <check.h>
#include <re.h>
#include "sip/redirect.h"
#include "fixture.h"

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


static bool alive(struct phone *p)
{
	phone_new(p);
	phone_send(p, "OPTIONS", NULL, NULL);

	/* after much junk there may be no room for it at first */
	for (int i = 0; i < PHONE_LIMIT / 2000; i++) {
		while (phone_wait(p, 2000)) {
			if (!p->msg->req && p->msg->scode > 100)
				return p->msg->scode == 200;
		}
		if (!p->tcp)
			phone_repeat(p);
	}

	return false;
}


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
		ck_assert_msg(alive(&p), "%s", rejectv[i].what);
		phone_close(&p);
	}

	fix_told(&fx, "");
	ck_assert(fix_idle(&fx));
	fix_close(&fx);
}


START_TEST(robust_torture)
{
	torture("127.0.0.1");
}
END_TEST


START_TEST(robust_torture6)
{
	torture("::1");
}
END_TEST


/* What cannot be answered, because it does not say to whom */
START_TEST(robust_garbage)
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
	char buf[60000];

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");

	for (size_t i = 0; i < sizeof(junkv) / sizeof(junkv[0]); i++)
		phone_raw(&p, junkv[i], strlen(junkv[i]) + 1);

	for (int i = 0; i < 500; i++) {

		const size_t n = 1 + rand_u16() % 1400;

		for (size_t k = 0; k < n; k++)
			buf[k] = rand_u32();
		phone_raw(&p, buf, n);
	}

	/* a header line that does not end */
	memset(buf, 'a', sizeof(buf));
	memcpy(buf, "INVITE sip:", 11);
	phone_raw(&p, buf, sizeof(buf));

	/* mutations of a good message */
	for (int i = 0; i < 500; i++) {
		phone_new(&p);
		phone_send(&p, "OPTIONS", NULL, NULL);
		for (int k = 0; k < 3; k++)
			p.sent[rand_u32() % p.sentlen] = rand_u32();
		phone_raw(&p, p.sent, p.sentlen);
	}

	while (phone_wait(&p, 100))
		;

	phone_close(&p);
	phone_open(&p, &fx.laddr, false, "room");
	ck_assert(alive(&p));
	fix_told(&fx, "");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* Responses that cannot be sent: what nta believes about them ends the
   process when an ACK comes (src/sip/sendlibc.c). */
START_TEST(robust_unsendable)
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
	ck_assert(alive(&p));
	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* The same over connections that are reset before the response */
START_TEST(robust_reset)
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

	ck_assert(alive(&u));
	phone_close(&u);
	fix_close(&fx);
}
END_TEST


/* Connections stop being taken before the process has no descriptors. */
START_TEST(robust_connections)
{
	enum { LIMIT = 200, TRIES = 95 };
	struct rlimit rl = {LIMIT, LIMIT}, old;
	struct fix fx;
	struct phone u;
	static int fdv[TRIES];
	int fd;

	/* ours and the server's come from the same process here */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	rl.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	fix_open_default(&fx);
	phone_open(&u, &fx.laddr, false, "room");

	for (int i = 0; i < TRIES; i++) {
		fdv[i] = socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_ge(fdv[i], 0);
		(void)connect(fdv[i], &fx.laddr.u.sa, fx.laddr.len);
		loop_run(1);
	}

	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	ck_assert(alive(&u));

	for (int i = 0; i < TRIES; i++)
		(void)close(fdv[i]);

	phone_close(&u);
	fix_close(&fx);
}
END_TEST


START_TEST(robust_long_name)
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


START_TEST(robust_overload)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone p, q;

	fix_conf(&conf, "127.0.0.1");
	conf.max_calls = 1;
	fix_open(&fx, &conf);

	phone_open(&p, &fx.laddr, false, "room");
	fix_join(&fx, &p);

	phone_open(&q, &fx.laddr, false, "room");
	phone_send(&q, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&q), 503);
	ck_assert(phone_has(&q, "Retry-After", "5"));
	phone_send(&q, "ACK", NULL, NULL);
	fix_told(&fx, "");
	ck_assert(sipstack_stat(fx.st, SIPSTACK_OVERLOAD, 0) >= 1);

	/* who is in can do what he wants */
	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	phone_new(&q);
	fix_told(&fx, "end:0");
	fix_join(&fx, &q);

	phone_close(&q);
	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* The services do not keep up: new joins are refused at once. */
START_TEST(robust_backlog)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone pv[4];

	fix_conf(&conf, "127.0.0.1");
	conf.max_pending = 3;
	fix_open(&fx, &conf);

	for (int i = 0; i < 4; i++) {
		phone_open(&pv[i], &fx.laddr, false, "silent");
		phone_send(&pv[i], "INVITE", NULL, phone_sdp);
		loop_run(30);
	}

	ck_assert_uint_eq(phone_status(&pv[3]), 503);
	ck_assert(phone_has(&pv[3], "Retry-After", "5"));
	ck_assert_uint_eq(sipstack_stat(fx.st, SIPSTACK_PENDING, 0), 3);
	fix_told(&fx, "join join join");

	ck_assert(!sipcall_reject(fx.call, 486, NULL));
	ck_assert_uint_eq(phone_status(&pv[2]), 486);
	phone_new(&pv[3]);
	str_ncpy(pv[3].conf, "room", sizeof(pv[3].conf));
	phone_send(&pv[3], "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&pv[3]), 200);

	for (int i = 0; i < 4; i++)
		phone_close(&pv[i]);
	fix_close(&fx);
}
END_TEST


START_TEST(robust_refusing)
{
	struct fix fx;
	struct phone p;

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, false, "room");
	fix_join(&fx, &p);

	ck_assert(!sipstack_refuse(fx.st, 503));
	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);

	phone_new(&p);
	phone_send(&p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(&p), 503);
	phone_send(&p, "ACK", NULL, NULL);

	ck_assert(!sipstack_refuse(fx.st, 0));
	fix_told(&fx, "end:0");
	phone_new(&p);
	fix_join(&fx, &p);

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* The same request by two ways (RFC 3261 section 8.2.2.2) */
START_TEST(robust_merged)
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


static void one_call(struct fix *fx, struct phone *p)
{
	phone_send(p, "INVITE", NULL, phone_sdp);
	ck_assert_uint_eq(phone_status(p), 200);
	phone_send(p, "ACK", NULL, NULL);
	loop_run(20);
}


/* Three calls on one connection; ours and theirs BYE over it. */
START_TEST(robust_tcp)
{
	struct fix fx;
	struct phone p;
	struct sipcall *call;
	char id1[64], tag1[64], ftag1[16];

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, true, "room");

	one_call(&fx, &p);
	ck_assert(phone_has(&p, "Contact", ";transport=tcp"));
	str_ncpy(id1, p.callid, sizeof(id1));
	str_ncpy(tag1, p.ttag, sizeof(tag1));
	str_ncpy(ftag1, p.ftag, sizeof(ftag1));
	call = mem_ref(fx.call);

	phone_new(&p);
	one_call(&fx, &p);
	phone_new(&p);
	one_call(&fx, &p);
	fix_told(&fx, "join established join established join established");
	fx.log[0] = '\0';

	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	fix_told(&fx, "end:0");

	ck_assert(!sipcall_bye(call, 0, NULL));
	mem_deref(call);
	ck_assert(phone_request(&p, "BYE"));
	ck_assert(!pl_strcmp(&p.msg->callid, id1));
	phone_answer(&p, 200, NULL, NULL);
	fix_told(&fx, "end:0 end:0");

	phone_close(&p);
	fix_close(&fx);
}
END_TEST


/* Messages come in pieces, and several at once. */
START_TEST(robust_tcp_stream)
{
	struct fix fx;
	struct phone p, q;
	char buf[8192];
	size_t n;

	fix_open_default(&fx);
	phone_open(&q, &fx.laddr, false, "room");
	phone_open(&p, &fx.laddr, true, "room");

	phone_send(&p, "OPTIONS", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);
	n = p.sentlen;
	memcpy(buf, p.sent, n);
	buf[n - 1] = '\n';

	for (size_t i = 0; i < n; i += 7) {
		phone_raw(&p, buf + i, n - i < 7 ? n - i : 7);
		loop_run(1);
	}
	ck_assert_uint_eq(phone_status(&p), 200);

	memcpy(buf + n, buf, n);
	phone_raw(&p, buf, 2 * n);
	ck_assert_uint_eq(phone_status(&p), 200);
	ck_assert_uint_eq(phone_status(&p), 200);

	/* junk on a connection ends it at most, and only that one */
	phone_raw(&p, "junk junk junk\r\n\r\n", 18);
	ck_assert(alive(&q));

	phone_close(&p);
	phone_open(&p, &fx.laddr, true, "room");
	ck_assert(alive(&p));

	/* half a message, and gone */
	phone_raw(&p, buf, n / 2);
	phone_close(&p);
	ck_assert(alive(&q));

	phone_close(&q);
	fix_close(&fx);
}
END_TEST


/* More header fields than sofia can bear end the connection. */
START_TEST(robust_tcp_fields)
{
	struct fix fx;
	struct phone p, q;
	char buf[8192];
	size_t n;

	fix_open_default(&fx);
	phone_open(&q, &fx.laddr, true, "room");
	ck_assert(alive(&q));

	for (int i = 0; i < 3; i++) {
		phone_open(&p, &fx.laddr, true, "room");
		ck_assert(alive(&p));
		n = 0;
		n += (size_t)re_snprintf(buf, sizeof(buf), "OPTIONS sip:a@b "
					 "SIP/2.0\r\n");
		while (n < sizeof(buf) - 8) {
			memcpy(buf + n, "X: y\r\n", 6);
			n += 6;
		}
		phone_raw(&p, buf, n);
		ck_assert(!phone_wait(&p, PHONE_LIMIT));
		errno = 0;
		ck_assert_int_le(recv(p.fd, buf, 1, MSG_DONTWAIT), 0);
		ck_assert_int_ne(errno, EAGAIN);
		phone_close(&p);
		ck_assert(alive(&q));
	}

	phone_close(&q);
	fix_close(&fx);
}
END_TEST


START_TEST(robust_ipv6)
{
	struct sipstack_conf conf;
	struct fix fx;
	struct phone p, q;

	fix_conf(&conf, "127.0.0.1");
	ck_assert(!sa_set_str(&conf.laddrv[1], "::1", 0));
	conf.laddrc = 2;
	fix_open(&fx, &conf);

	ck_assert_int_eq(sipstack_laddr(fx.st, 1, &fx.laddr), 0);
	ck_assert_int_eq(sa_af(&fx.laddr), AF_INET6);
	ck_assert_int_eq(sipstack_laddr(fx.st, 2, &fx.laddr), ENOENT);
	ck_assert_int_eq(sipstack_laddr(fx.st, 1, &fx.laddr), 0);

	phone_open(&p, &fx.laddr, false, "room");
	one_call(&fx, &p);
	ck_assert(phone_has(&p, "Contact", "@[::1]:"));
	ck_assert(sa_cmp(&fx.src, &p.me, SA_ALL));
	phone_send(&p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(&p), 200);

	phone_open(&q, &fx.laddr, true, "room");
	one_call(&fx, &q);
	ck_assert(!sipcall_bye(fx.call, 0, NULL));
	ck_assert(phone_request(&q, "BYE"));
	phone_answer(&q, 200, NULL, NULL);
	fix_told(&fx, "join established end:0 join established end:0");
	ck_assert(fix_idle(&fx));

	phone_close(&q);
	phone_close(&p);
	fix_close(&fx);
}
END_TEST


static void nothing_h(struct sipcall *call, const struct sipcall_event *ev,
		      void *arg)
{
	(void)call;
	(void)ev;
	(void)arg;
}


START_TEST(robust_address_in_use)
{
	struct sipstack_conf conf;
	struct sipstack *st = NULL;
	struct fix fx;

	fix_open_default(&fx);
	fix_conf(&conf, "127.0.0.1");
	conf.laddrv[0] = fx.laddr;
	ck_assert_int_eq(sipstack_alloc(&st, &conf, nothing_h, NULL),
			 EADDRINUSE);

	conf.laddrc = 0;
	ck_assert_int_eq(sipstack_alloc(&st, &conf, nothing_h, NULL),
			 EINVAL);
	ck_assert_ptr_null(st);
	fix_close(&fx);
}
END_TEST


/* Many phones at once, over several threads that share the port */
static void storm(unsigned threads)
{
	enum { PHONES = 40 };
	struct sipstack_conf conf;
	static struct phone pv[PHONES];
	struct fix fx;

	fix_conf(&conf, "127.0.0.1");
	conf.threads = threads;
	ck_assert_int_eq(redirect_alloc(&conf.redirect, threads), 0);
	fix_open(&fx, &conf);

	for (int i = 0; i < PHONES; i++) {
		phone_open(&pv[i], &fx.laddr, false, "room");
		phone_send(&pv[i], "INVITE", NULL, phone_sdp);
	}

	for (int i = 0; i < PHONES; i++) {
		ck_assert_uint_eq(phone_status(&pv[i]), 200);
		phone_move(&pv[i]);
		phone_send(&pv[i], "ACK", NULL, NULL);
		phone_move(&pv[i]);
	}

	for (int i = 0; i < PHONES; i++)
		phone_send(&pv[i], "BYE", NULL, NULL);

	for (int i = 0; i < PHONES; i++) {
		ck_assert_uint_eq(phone_status(&pv[i]), 200);
		phone_close(&pv[i]);
	}

	ck_assert(fix_idle(&fx));
	fx.st = mem_deref(fx.st);
	mem_deref(conf.redirect);
	fix_close(&fx);
}


START_TEST(robust_storm)
{
	storm(1);
}
END_TEST


START_TEST(robust_storm_threads)
{
	storm(4);
}
END_TEST


static Suite *robust_suite(void)
{
	Suite *s = suite_create("robust");
	TCase *tc = tcase_create("robust");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, robust_torture);
	tcase_add_test(tc, robust_torture6);
	tcase_add_test(tc, robust_garbage);
	tcase_add_test(tc, robust_unsendable);
	tcase_add_test(tc, robust_reset);
	tcase_add_test(tc, robust_connections);
	tcase_add_test(tc, robust_long_name);
	tcase_add_test(tc, robust_overload);
	tcase_add_test(tc, robust_backlog);
	tcase_add_test(tc, robust_refusing);
	tcase_add_test(tc, robust_merged);
	tcase_add_test(tc, robust_tcp);
	tcase_add_test(tc, robust_tcp_stream);
	tcase_add_test(tc, robust_tcp_fields);
	tcase_add_test(tc, robust_ipv6);
	tcase_add_test(tc, robust_address_in_use);
	tcase_add_test(tc, robust_storm);
	tcase_add_test(tc, robust_storm_threads);
	suite_add_tcase(s, tc);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(robust_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
