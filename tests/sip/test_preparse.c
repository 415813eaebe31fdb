/**
 * @file test_preparse.c  The pre-parser takes what sofia reads the same way,
 *                        and nothing else
 */
#include <stdlib.h>
#include <string.h>
#include <re.h>
#include <check.h>
#include "sip/preparse.h"
#include "sofiacmp.h"

#define REQ  "INVITE sip:conf@127.0.0.1:5060 SIP/2.0\r\n"
#define VIA  "Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bKa1;rport\r\n"
#define MAXF "Max-Forwards: 70\r\n"
#define FROM "From: \"Alice A.\" <sip:alice@example.com>;tag=f1\r\n"
#define TO   "To: <sip:conf@127.0.0.1:5060>\r\n"
#define CALL "Call-ID: abc-1@127.0.0.1\r\n"
#define SEQ  "CSeq: 7 INVITE\r\n"
#define CONT "Contact: <sip:alice@127.0.0.1:5061;transport=udp>\r\n"
#define LEN0 "Content-Length: 0\r\n\r\n"
#define ALL  REQ VIA MAXF FROM TO CALL SEQ CONT

static const struct {
	const char *name;
	const char *text;
} acceptv[] = {
{"plain",            ALL LEN0},
{"with a body",      ALL "Content-Type: application/sdp\r\n"
		     "Content-Length: 5\r\n\r\nv=0\r\n"},
{"case and order",
	REQ "content-length: 0\r\nCALL-ID: x\r\nvia: SIP/2.0/UDP h.example;"
	"Branch=z9hG4bKa1;RPORT\r\nfrom: <sip:a@b>;TAG=1\r\nto: <sip:c@d>\r\n"
	"cseq: 1 INVITE\r\nCONTACT: <sip:a@b>\r\nmax-FORWARDS: 1\r\n\r\n"},
{"compact forms",
	REQ "v: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa1\r\n" MAXF
	"f: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\ni: x\r\n" SEQ
	"m: <sip:a@b>\r\nk: 100rel,timer\r\ns: Hello \"you\"\r\nl: 0\r\n\r\n"},
{"addresses without brackets",
	REQ VIA MAXF "From: sip:a@b;tag=1\r\nTo: sip:c@d\r\n" CALL SEQ
	"Contact: sip:a@b:5070\r\n" LEN0},
{"display names",
	REQ VIA MAXF "From: Bob <sip:a@b>;tag=1\r\n"
	"To: \"M\xc3\xbcller, #1\"<sip:c@d>\r\n" CALL SEQ CONT LEN0},
{"many vias",
	REQ "Via: SIP/2.0/UDP p.example:5061;branch=z9hG4bKa1;rport;x=y\r\n"
	"Via: SIP/2.0/TCP 10.0.0.9:5062;branch=z9hG4bKa2;received=10.0.0.7;"
	"rport=9\r\nVia: SIP/2.0/TLS q.example;branch=foo\r\n"
	MAXF FROM TO CALL SEQ CONT LEN0},
{"addresses of version 6",
	"INVITE sip:conf@[2001:db8::1]:5060 SIP/2.0\r\n"
	"Via: SIP/2.0/UDP [::1]:5061;branch=z9hG4bKa1;rport\r\n" MAXF
	"From: <sip:a@[::1]>;tag=1\r\nTo: <sip:conf@[2001:db8::1]>\r\n"
	CALL SEQ "Contact: <sip:a@[::1]:5061>\r\n" LEN0},
{"what phones add",
	ALL "User-Agent: Phone 1.0 (x; y) \"z\"\r\n"
	"Allow: INVITE, ACK,BYE\r\nSupported: gruu, replaces\r\n"
	"Allow-Events: talk\r\nSubject: about\r\nExpires: 120\r\n" LEN0},
{"parameters of the contact",
	REQ VIA MAXF FROM TO CALL SEQ "Contact: \"A\" <sip:a@b;ob>;expires=5;"
	"+sip.instance=\"<urn:uuid:1>\"\r\n" LEN0},
{"session timers", ALL "Session-Expires: 1800;refresher=uac\r\n"
	"Min-SE: 90\r\n" LEN0},
{"session timers, compact", ALL "x: 90\r\n" LEN0},
{"lists of nothing", ALL "Supported: \r\nAllow:\r\n" LEN0},
{"no user agent port", REQ "Via: SIP/2.0/UDP h;branch=z9hG4bK1;rport\r\n"
	MAXF FROM TO CALL SEQ CONT LEN0},
};

static const struct {
	const char *name;
	const char *text;
} rejectv[] = {
{"nothing",              ""},
{"request line alone",   REQ},
{"no end of headers",    ALL "Content-Length: 0\r\n"},
{"other method",         "OPTIONS sip:conf@h SIP/2.0\r\n" VIA MAXF FROM TO
			 CALL "CSeq: 7 OPTIONS\r\n" CONT LEN0},
{"method in small letters", "invite sip:conf@h SIP/2.0\r\n" VIA MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"a response",           "SIP/2.0 200 OK\r\n" VIA FROM TO CALL SEQ LEN0},
{"no user",              "INVITE sip:127.0.0.1 SIP/2.0\r\n" VIA MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"password",             "INVITE sip:c:pw@h SIP/2.0\r\n" VIA MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"escape",               "INVITE sip:c%41@h SIP/2.0\r\n" VIA MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"ticket",               "INVITE sip:conf@h;ticket=1 SIP/2.0\r\n" VIA MAXF
			 FROM TO CALL SEQ CONT LEN0},
{"URI headers",          "INVITE sip:conf@h?a=b SIP/2.0\r\n" VIA MAXF
			 FROM TO CALL SEQ CONT LEN0},
{"sips",                 "INVITE sips:conf@h SIP/2.0\r\n" VIA MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"tel",                  "INVITE tel:123 SIP/2.0\r\n" VIA MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"port 0",               "INVITE sip:conf@h:0 SIP/2.0\r\n" VIA MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"port too large",       "INVITE sip:conf@h:65536 SIP/2.0\r\n" VIA MAXF FROM
			 TO CALL SEQ CONT LEN0},
{"host",                 "INVITE sip:conf@h..x SIP/2.0\r\n" VIA MAXF FROM
			 TO CALL SEQ CONT LEN0},
{"host v6",              "INVITE sip:conf@[::1 SIP/2.0\r\n" VIA MAXF FROM
			 TO CALL SEQ CONT LEN0},
{"host v6 scope",        "INVITE sip:conf@[fe80::1%eth0] SIP/2.0\r\n" VIA
			 MAXF FROM TO CALL SEQ CONT LEN0},
{"other version",        "INVITE sip:conf@h SIP/3.0\r\n" VIA MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"two spaces",           "INVITE  sip:conf@h SIP/2.0\r\n" VIA MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"bare line feed",       REQ VIA MAXF FROM TO CALL "CSeq: 7 INVITE\n" CONT
			 LEN0},
{"bare line feeds",      "INVITE sip:c@h SIP/2.0\nVia: SIP/2.0/UDP h;branch="
			 "z9hG4bK1\n\n"},
{"folded",               ALL "Subject: a\r\n b\r\n" LEN0},
{"folded by a tab",      ALL "Subject:\r\n\ta\r\n" LEN0},
{"space before colon",   ALL "Subject : a\r\n" LEN0},
{"no colon",             ALL "Subject\r\n" LEN0},
{"zero in a value",      ALL "Subject: \001\r\n" LEN0},
{"Route",                ALL "Route: <sip:p@h;lr>\r\n" LEN0},
{"Record-Route",         ALL "Record-Route: <sip:p@h;lr>\r\n" LEN0},
{"Require",              ALL "Require: 100rel\r\n" LEN0},
{"Proxy-Require",        ALL "Proxy-Require: x\r\n" LEN0},
{"Replaces",             ALL "Replaces: a;to-tag=1;from-tag=2\r\n" LEN0},
{"Authorization",        ALL "Authorization: Digest x=y\r\n" LEN0},
{"unknown header",       ALL "Foo: bar\r\n" LEN0},
{"To tag",               REQ VIA MAXF FROM "To: <sip:c@d>;tag=1\r\n" CALL SEQ
			 CONT LEN0},
{"empty To tag",         REQ VIA MAXF FROM "To: <sip:c@d>;tag=\r\n" CALL SEQ
			 CONT LEN0},
{"no From tag",          REQ VIA MAXF "From: <sip:a@b>\r\n" TO CALL SEQ CONT
			 LEN0},
{"two From tags",        REQ VIA MAXF "From: <sip:a@b>;tag=1;tag=2\r\n" TO
			 CALL SEQ CONT LEN0},
{"no From user",         REQ VIA MAXF "From: <sip:b>;tag=1\r\n" TO CALL SEQ
			 CONT LEN0},
{"From open",            REQ VIA MAXF "From: <sip:a@b;tag=1\r\n" TO CALL SEQ
			 CONT LEN0},
{"From quote open",      REQ VIA MAXF "From: \"A <sip:a@b>;tag=1\r\n" TO CALL
			 SEQ CONT LEN0},
{"From quote escape",    REQ VIA MAXF "From: \"\\\"\" <sip:a@b>;tag=1\r\n" TO
			 CALL SEQ CONT LEN0},
{"From garbage",         REQ VIA MAXF "From: <sip:a@b> x;tag=1\r\n" TO CALL
			 SEQ CONT LEN0},
{"no via",               REQ MAXF FROM TO CALL SEQ CONT LEN0},
{"no Max-Forwards",      REQ VIA FROM TO CALL SEQ CONT LEN0},
{"no From",              REQ VIA MAXF TO CALL SEQ CONT LEN0},
{"no To",                REQ VIA MAXF FROM CALL SEQ CONT LEN0},
{"no Call-ID",           REQ VIA MAXF FROM TO SEQ CONT LEN0},
{"no CSeq",              REQ VIA MAXF FROM TO CALL CONT LEN0},
{"no Contact",           REQ VIA MAXF FROM TO CALL SEQ LEN0},
{"no Content-Length",    ALL "\r\n"},
{"two From",             ALL FROM LEN0},
{"two To",               ALL TO LEN0},
{"two Call-ID",          ALL CALL LEN0},
{"two CSeq",             ALL SEQ LEN0},
{"two Contact",          ALL CONT LEN0},
{"two Max-Forwards",     ALL MAXF LEN0},
{"two Content-Length",   ALL "l: 0\r\n" LEN0},
{"Max-Forwards 0",       REQ VIA "Max-Forwards: 0\r\n" FROM TO CALL SEQ CONT
			 LEN0},
{"Max-Forwards 256",     REQ VIA "Max-Forwards: 256\r\n" FROM TO CALL SEQ CONT
			 LEN0},
{"Max-Forwards a word",  REQ VIA "Max-Forwards: x\r\n" FROM TO CALL SEQ CONT
			 LEN0},
{"Content-Length small", ALL "Content-Type: application/sdp\r\n"
			 "Content-Length: 4\r\n\r\nv=0\r\n"},
{"Content-Length large", ALL "Content-Type: application/sdp\r\n"
			 "Content-Length: 6\r\n\r\nv=0\r\n"},
{"Content-Length wraps", ALL "Content-Type: application/sdp\r\n"
			 "Content-Length: 4294967301\r\n\r\nv=0\r\n"},
{"Content-Length sign",  ALL "Content-Length: -0\r\n\r\n"},
{"other body",           ALL "Content-Type: multipart/mixed\r\n"
			 "Content-Length: 1\r\n\r\nx"},
{"body without type",    ALL "Content-Length: 1\r\n\r\nx"},
{"type with a control",  ALL "Content-Type: application\017sdp\r\n"
			 "Content-Length: 1\r\n\r\nx"},
{"CSeq method",          REQ VIA MAXF FROM TO CALL "CSeq: 7 ACK\r\n" CONT
			 LEN0},
{"CSeq too large",       REQ VIA MAXF FROM TO CALL "CSeq: 2147483648 INVITE"
			 "\r\n" CONT LEN0},
{"CSeq wraps",           REQ VIA MAXF FROM TO CALL "CSeq: 99999999999 INVITE"
			 "\r\n" CONT LEN0},
{"Call-ID with space",   REQ VIA MAXF FROM TO "Call-ID: a b\r\n" SEQ CONT
			 LEN0},
{"Call-ID empty",        REQ VIA MAXF FROM TO "Call-ID: \r\n" SEQ CONT LEN0},
{"via over TCP",         REQ "Via: SIP/2.0/TCP h;branch=z9hG4bK1\r\n" MAXF
			 FROM TO CALL SEQ CONT LEN0},
{"vias in one line",     REQ "Via: SIP/2.0/UDP h;branch=z9hG4bK1, SIP/2.0/UDP"
			 " g;branch=z9hG4bK2\r\n" MAXF FROM TO CALL SEQ CONT
			 LEN0},
{"no branch",            REQ "Via: SIP/2.0/UDP h;rport\r\n" MAXF FROM TO CALL
			 SEQ CONT LEN0},
{"old branch",           REQ "Via: SIP/2.0/UDP h;branch=1\r\n" MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"two branches",         REQ "Via: SIP/2.0/UDP h;branch=z9hG4bK1;branch="
			 "z9hG4bK2\r\n" MAXF FROM TO CALL SEQ CONT LEN0},
{"rport told",           REQ "Via: SIP/2.0/UDP h;branch=z9hG4bK1;rport=1\r\n"
			 MAXF FROM TO CALL SEQ CONT LEN0},
{"received told",        REQ "Via: SIP/2.0/UDP h;branch=z9hG4bK1;received=h"
			 "\r\n" MAXF FROM TO CALL SEQ CONT LEN0},
{"maddr",                REQ "Via: SIP/2.0/UDP h;branch=z9hG4bK1;maddr=h\r\n"
			 MAXF FROM TO CALL SEQ CONT LEN0},
{"via short",            REQ "Via: SIP/2.0/UDP\r\n" MAXF FROM TO CALL SEQ CONT
			 LEN0},
{"Contact star",         REQ VIA MAXF FROM TO CALL SEQ "Contact: *\r\n" LEN0},
{"Contacts",             REQ VIA MAXF FROM TO CALL SEQ "Contact: <sip:a@b>,"
			 "<sip:c@d>\r\n" LEN0},
{"short session",        ALL "Session-Expires: 89\r\n" LEN0},
{"two sessions",         ALL "Session-Expires: 90\r\nx: 90\r\n" LEN0},
{"session a word",       ALL "Session-Expires: x\r\n" LEN0},
{"session and more",     ALL "Session-Expires: 90 x\r\n" LEN0},
{"Allow",                ALL "Allow: INVITE,,ACK\r\n" LEN0},
{"a ninth via",          REQ VIA VIA VIA VIA VIA VIA VIA VIA VIA MAXF FROM TO
			 CALL SEQ CONT LEN0},
{"line end first",       "\r\n" ALL LEN0},
{"an ACK",               "ACK sip:c@h SIP/2.0\r\n" VIA MAXF FROM TO CALL
			 "CSeq: 7 ACK\r\n" LEN0},
};


/* On the heap at its exact size, for the address sanitizer */
static char *copy(const char *text, size_t len)
{
	char *buf = malloc(len ? len : 1);

	ck_assert_ptr_nonnull(buf);
	memcpy(buf, text, len);

	return buf;
}


START_TEST(accepts)
{
	const size_t len = strlen(acceptv[_i].text);
	char *buf = copy(acceptv[_i].text, len);
	struct preparse pp;
	struct pl callid;
	const char *diff;

	ck_assert_msg(!preparse_invite(&pp, buf, len), "%s",
		      acceptv[_i].name);
	diff = sofiacmp(&pp, "INVITE", buf, len);
	ck_assert_msg(!diff, "%s: %s", acceptv[_i].name, diff);

	ck_assert_int_eq(EBADMSG, preparse_ack(&pp, buf, len));
	ck_assert_int_eq(0, preparse_callid(&callid, buf, len));
	ck_assert_int_eq(0, preparse_invite(&pp, buf, len));
	ck_assert_int_eq(0, pl_cmp(&callid, &pp.callid));

	free(buf);
}
END_TEST


START_TEST(rejects)
{
	const size_t len = strlen(rejectv[_i].text);
	char *buf = copy(rejectv[_i].text, len);
	struct preparse pp;

	ck_assert_msg(EBADMSG == preparse_invite(&pp, buf, len), "%s",
		      rejectv[_i].name);
	free(buf);
}
END_TEST


/* No prefix of an INVITE is one: the length says so. */
START_TEST(prefixes)
{
	struct preparse pp;
	struct pl pl;
	size_t len = strlen(acceptv[_i].text);

	while (len--) {
		char *buf = copy(acceptv[_i].text, len);

		ck_assert_int_eq(EBADMSG, preparse_invite(&pp, buf, len));
		(void)preparse_callid(&pl, buf, len);
		free(buf);
	}
}
END_TEST


/* Whatever one byte becomes, either sofia reads the same or gets it. */
START_TEST(mutations)
{
	static const char bytev[] = "\0\t\n\r \"%,:;<=>?@[]\\/aZ0*-.\x7f\xff";
	const char *text = acceptv[_i].text;
	const size_t len = strlen(text);
	struct preparse pp;
	size_t i, j;

	for (i=0; i<len; i++) {
		for (j=0; j<sizeof(bytev)-1; j++) {

			char *buf = copy(text, len);
			const char *diff = NULL;

			buf[i] = bytev[j];
			if (!preparse_invite(&pp, buf, len))
				diff = sofiacmp(&pp, "INVITE", buf, len);

			ck_assert_msg(!diff, "%s\n%.*s", diff, (int)len, buf);
			free(buf);
		}
	}
}
END_TEST


#define ACK "ACK sip:conf@127.0.0.1 SIP/2.0\r\n"
#define TAGGED "To: <sip:c@d>;tag=0123456789abcdef\r\n"

START_TEST(acks)
{
	static const char *goodv[] = {
		ACK VIA FROM TAGGED CALL "CSeq: 7 ACK\r\n\r\n",
		ACK "v: SIP/2.0/UDP h;rport;branch=z9hG4bKa1\r\n" VIA
		"t: sip:c@d;tag=0123456789abcdef\r\ni: abc-1@127.0.0.1\r\n"
		"Route: <sip:p@h;lr>\r\nSubject: x\r\n y\r\n\r\nbody",
	};
	static const char *badv[] = {
		ACK VIA FROM TO CALL "CSeq: 7 ACK\r\n\r\n",
		ACK FROM TAGGED CALL "\r\n",
		ACK VIA FROM TAGGED "\r\n",
		ACK VIA FROM TAGGED TAGGED CALL "\r\n",
		ACK VIA FROM TAGGED CALL CALL "\r\n",
		ACK VIA FROM "To: <sip:c@d>\r\n ;tag=0123456789abcdef\r\n"
		CALL "\r\n",
		ACK "Via: SIP/2.0/TCP h;branch=z9hG4bKa1\r\n" TAGGED CALL
		"\r\n",
		ACK VIA "\r\n" TAGGED CALL "\r\n",
		"ACK ", "ACK \r\n", "ACK \n\n\n",
		REQ VIA FROM TAGGED CALL "\r\n",
	};
	struct preparse pp;
	unsigned i;

	for (i=0; i<ARRAY_SIZE(goodv); i++) {

		const size_t len = strlen(goodv[i]);
		char *buf = copy(goodv[i], len);

		ck_assert_int_eq(0, preparse_ack(&pp, buf, len));
		ck_assert_int_eq(0, pl_strcmp(&pp.to_tag, "0123456789abcdef"));
		ck_assert_int_eq(0, pl_strcmp(&pp.branch, "z9hG4bKa1"));
		ck_assert_int_eq(0, pl_strcmp(&pp.callid, "abc-1@127.0.0.1"));
		ck_assert_int_eq(EBADMSG, preparse_invite(&pp, buf, len));
		free(buf);
	}

	for (i=0; i<ARRAY_SIZE(badv); i++) {

		const size_t len = strlen(badv[i]);
		char *buf = copy(badv[i], len);

		ck_assert_msg(EBADMSG == preparse_ack(&pp, buf, len), "%u",
			      i);
		free(buf);
	}
}
END_TEST


START_TEST(callids)
{
	static const struct {
		const char *text, *callid;
	} v[] = {
		{"SIP/2.0 200 OK\r\nCall-ID: a@b\r\n\r\n", "a@b"},
		{"BYE x\r\nFoo: bar\r\n folded\r\ncall-id \t:\t a b \r\n",
		 "a b"},
		{"BYE x\ni:y\n", "y"},
		{"BYE x\r\nVia: x\r\n\r\ni: body\r\n", NULL},
		{"BYE x\r\ni:\r\n y\r\n", NULL},
		{"BYE x\r\ni: y", NULL},
		{"\r\n\r\n", NULL},
		{"", NULL},
	};
	struct pl pl;
	unsigned i;

	for (i=0; i<ARRAY_SIZE(v); i++) {

		const int err = preparse_callid(&pl, v[i].text,
						strlen(v[i].text));

		ck_assert_int_eq(v[i].callid ? 0 : ENOENT, err);
		if (!err)
			ck_assert_int_eq(0, pl_strcmp(&pl, v[i].callid));
	}
}
END_TEST


START_TEST(long_parts)
{
	char buf[2048], word[300];
	struct preparse pp;
	unsigned n;

	/* the longest that is taken, and one more */
	for (n=0; n<2; n++) {

		int len;

		memset(word, 'x', sizeof(word));
		word[PREPARSE_CALLID_MAX + n] = '\0';
		len = re_snprintf(buf, sizeof(buf), REQ VIA MAXF FROM TO
				  "Call-ID: %s\r\n" SEQ CONT LEN0, word);
		ck_assert_int_eq(n ? EBADMSG : 0,
				 preparse_invite(&pp, buf, (size_t)len));

		memset(word, 'x', sizeof(word));
		word[PREPARSE_CONF_MAX + n] = '\0';
		len = re_snprintf(buf, sizeof(buf), "INVITE sip:%s@h SIP/2.0"
				  "\r\n" VIA MAXF FROM TO CALL SEQ CONT LEN0,
				  word);
		ck_assert_int_eq(n ? EBADMSG : 0,
				 preparse_invite(&pp, buf, (size_t)len));

		word[PREPARSE_CONF_MAX] = 'x';
		word[PREPARSE_USER_MAX - 2 + n] = '\0';
		len = re_snprintf(buf, sizeof(buf), REQ VIA MAXF
				  "From: <sip:%s@h>;tag=1\r\n" TO CALL SEQ
				  CONT LEN0, word);
		ck_assert_int_eq(n ? EBADMSG : 0,
				 preparse_invite(&pp, buf, (size_t)len));
	}

	ck_assert_int_eq(EINVAL, preparse_invite(NULL, buf, 1));
	ck_assert_int_eq(EINVAL, preparse_invite(&pp, NULL, 1));
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("preparse");
	Suite *s = suite_create("preparse");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, accepts, 0, ARRAY_SIZE(acceptv));
	tcase_add_loop_test(tc, prefixes, 0, ARRAY_SIZE(acceptv));
	tcase_add_loop_test(tc, mutations, 0, ARRAY_SIZE(acceptv));
	tcase_add_loop_test(tc, rejects, 0, ARRAY_SIZE(rejectv));
	tcase_add_test(tc, acks);
	tcase_add_test(tc, callids);
	tcase_add_test(tc, long_parts);
	suite_add_tcase(s, tc);

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
