/**
 * @file test_dialogtext.c  Dialogs written down and read again
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "sip/dialogtext.h"

static const char good[] =
	"dialog: 1\n"
	"kind: call\n"
	"transport: udp\n"
	"call-id: a84b4c76e66710@pc33\n"
	"local-tag: 1928301774\n"
	"remote-tag: a6c85cf\n"
	"local-uri: sip:conf@noc\n"
	"remote-uri: sip:alice@home;user=phone\n"
	"remote-name: Al \"the\" \xc3\x89lan\n"
	"local-cseq: 17\n"
	"remote-cseq: 4294967295\n"
	"contact-user: a%20b\n"
	"remote-target: sip:alice@127.0.0.1:5062;transport=udp\n"
	"route: <sip:127.0.0.1:9;lr=on;did=1.2>\n"
	"route: <sip:[::1]:9;lr>;x=y\n"
	"hop: sip:127.0.0.9:1024\n"
	"privacy: id;critical\n"
	"interval: 1800\n"
	"left: 900\n"
	"refresher: 1\n"
	"timer: 1\n"
	"update: 1\n"
	"replaces: 1\n"
	"sdp-id: 18446744073709551615\n"
	"sdp-version: 3\n";


START_TEST(round_trip)
{
	struct dialogtext d;
	char buf[DIALOGTEXT_MAX];
	size_t len;

	ck_assert_int_eq(dialogtext_decode(&d, good, strlen(good)), 0);
	ck_assert(dialogtext_is_call(&d));
	ck_assert_str_eq(d.callid, "a84b4c76e66710@pc33");
	ck_assert_str_eq(d.remote_name, "Al \"the\" \xc3\x89lan");
	ck_assert_uint_eq(d.routec, 2);
	ck_assert_str_eq(d.routev[1], "<sip:[::1]:9;lr>;x=y");
	ck_assert_uint_eq(d.remote_cseq, 4294967295u);
	ck_assert_uint_eq(d.sdp_id, UINT64_MAX);
	ck_assert_str_eq(d.local_name, "");

	ck_assert_int_eq(dialogtext_encode(buf, sizeof(buf), &len, &d), 0);
	ck_assert_uint_eq(len, strlen(good));
	ck_assert_str_eq(buf, good);

	/* too little room, whatever it is */
	for (size_t sz = 0; sz <= len; sz++)
		ck_assert_int_eq(dialogtext_encode(buf, sz, &len, &d),
				 EOVERFLOW);
}
END_TEST


/* A line of `good`, and what to put there instead; "" takes it out. */
static const struct {
	const char *line, *instead;
} rejectv[] = {
	{"dialog: 1\n", ""},
	{"dialog: 1\n", "dialog: 2\n"},
	{"dialog: 1\n", "\ndialog: 1\n"},
	{"kind: call\n", ""},
	{"kind: call\n", "kind: \n"},
	{"kind: call\n", "kind: calls\n"},
	{"kind: call\n", "kind: call\nkind: call\n"},
	{"kind: call\n", "kind: call\n\n"},
	{"kind: call\n", "kind: call\r\n"},
	{"kind: call\n", "kind:call\n"},
	{"kind: call\n", "Kind: call\n"},
	{"kind: call\n", "kind\n"},
	{"kind: call\n", ": call\n"},
	{"kind: call\n", "kind: call\nx\n"},
	{"kind: call\n", "kind: call\nnew key: 1\n"},
	{"kind: call\n", "kind: call\nnew: \x01\n"},
	{"kind: call\n", "kind: call\nnew: a\x7f\n"},
	{"kind: call\n", "kind: call\nabcdefghijklmnopqrstuvwxyzabcdefg: 1\n"},
	{"transport: udp\n", ""},
	{"transport: udp\n", "transport: tls\n"},
	{"call-id: a84b4c76e66710@pc33\n", ""},
	{"call-id: a84b4c76e66710@pc33\n", "call-id: a b\n"},
	{"call-id: a84b4c76e66710@pc33\n", "call-id: a,b\n"},
	{"call-id: a84b4c76e66710@pc33\n", "call-id: a\rX: y\n"},
	{"local-tag: 1928301774\n", ""},
	{"local-tag: 1928301774\n", "local-tag: 1;x=y\n"},
	{"local-tag: 1928301774\n", "local-tag: 1>\n"},
	{"remote-tag: a6c85cf\n", "remote-tag: \"a\"\n"},
	{"local-uri: sip:conf@noc\n", ""},
	{"local-uri: sip:conf@noc\n", "local-uri: conf@noc\n"},
	{"local-uri: sip:conf@noc\n", "local-uri: +a:b\n"},
	{"local-uri: sip:conf@noc\n", "local-uri: a/b:c\n"},
	{"local-uri: sip:conf@noc\n", "local-uri: :c\n"},
	{"local-uri: sip:conf@noc\n", "local-uri: sip:\n"},
	{"local-uri: sip:conf@noc\n", "local-uri: sip:a>b\n"},
	{"local-uri: sip:conf@noc\n", "local-uri: sip:a b\n"},
	{"remote-uri: sip:alice@home;user=phone\n", ""},
	{"remote-name: Al \"the\" \xc3\x89lan\n", "remote-name: a\tb\n"},
	{"local-cseq: 17\n", ""},
	{"local-cseq: 17\n", "local-cseq: \n"},
	{"local-cseq: 17\n", "local-cseq: -1\n"},
	{"local-cseq: 17\n", "local-cseq: 1x\n"},
	{"local-cseq: 17\n", "local-cseq: 2147483648\n"},
	{"local-cseq: 17\n", "local-cseq: 99999999999999999999999\n"},
	{"remote-cseq: 4294967295\n", "remote-cseq: 4294967296\n"},
	{"contact-user: a%20b\n", "contact-user: a b\n"},
	{"contact-user: a%20b\n", "contact-user: a@b\n"},
	{"contact-user: a%20b\n", "contact-user: a>b\n"},
	{"remote-target: sip:alice@127.0.0.1:5062;transport=udp\n", ""},
	{"route: <sip:127.0.0.1:9;lr=on;did=1.2>\n", "route: sip:a;lr\n"},
	{"route: <sip:127.0.0.1:9;lr=on;did=1.2>\n", "route: <sip:a;lr\n"},
	{"route: <sip:127.0.0.1:9;lr=on;did=1.2>\n", "route: <sip:a>x\n"},
	{"route: <sip:127.0.0.1:9;lr=on;did=1.2>\n",
	 "route: <sip:a>;x,<sip:b>\n"},
	{"route: <sip:127.0.0.1:9;lr=on;did=1.2>\n", "route: <tel:1>\n"},
	{"route: <sip:127.0.0.1:9;lr=on;did=1.2>\n",
	 "route: <sip:a>\nroute: <sip:a>\nroute: <sip:a>\nroute: <sip:a>\n"
	 "route: <sip:a>\nroute: <sip:a>\nroute: <sip:a>\nroute: <sip:a>\n"},
	{"hop: sip:127.0.0.9:1024\n", "hop: 127.0.0.9\n"},
	{"privacy: id;critical\n", "privacy: id, x\n"},
	{"interval: 1800\n", "interval: 604801\n"},
	{"refresher: 1\n", "refresher: 2\n"},
	{"timer: 1\n", "timer: yes\n"},
	{"sdp-id: 18446744073709551615\n", "sdp-id: 18446744073709551616\n"},
	{"sdp-version: 3\n", "sdp-version: 3"},
};


static size_t change(char *buf, size_t sz, const char *line,
		     const char *instead)
{
	const char *p = strstr(good, line);
	int n;

	ck_assert_ptr_nonnull(p);
	n = snprintf(buf, sz, "%.*s%s%s", (int)(p - good), good, instead,
		     p + strlen(line));
	ck_assert_int_gt(n, 0);
	ck_assert_uint_lt((size_t)n, sz);

	return (size_t)n;
}


START_TEST(rejected)
{
	char buf[2 * DIALOGTEXT_MAX];
	struct dialogtext d;

	for (size_t i = 0; i < ARRAY_SIZE(rejectv); i++) {

		const size_t n = change(buf, sizeof(buf), rejectv[i].line,
					rejectv[i].instead);

		ck_assert_msg(dialogtext_decode(&d, buf, n) == EBADMSG,
			      "%zu: %s", i, rejectv[i].instead);
	}

	/* cut short anywhere */
	for (size_t n = 0; n < strlen(good); n++) {
		char *copy = malloc(n ? n : 1);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, good, n);
		if (n && copy[n - 1] == '\n')
			(void)dialogtext_decode(&d, copy, n);
		else
			ck_assert_int_eq(dialogtext_decode(&d, copy, n),
					 EBADMSG);
		free(copy);
	}
}
END_TEST


/* As long as it may be, and one more */
START_TEST(lengths)
{
	static const struct {
		const char *line, *key, *head, *tail;
		size_t max;
	} v[] = {
		{"call-id: a84b4c76e66710@pc33\n", "call-id", "", "",
		 DIALOGTEXT_CALLID_MAX},
		{"local-tag: 1928301774\n", "local-tag", "", "",
		 DIALOGTEXT_TAG_MAX},
		{"local-uri: sip:conf@noc\n", "local-uri", "sip:", "",
		 DIALOGTEXT_URI_MAX},
		{"route: <sip:[::1]:9;lr>;x=y\n", "route", "<sip:", ">",
		 DIALOGTEXT_URI_MAX},
		{"privacy: id;critical\n", "privacy", "", "",
		 DIALOGTEXT_WORD_MAX},
		{"contact-user: a%20b\n", "contact-user", "", "",
		 DIALOGTEXT_USER_MAX},
	};
	char buf[2 * DIALOGTEXT_MAX], line[1024], fill[1024];
	struct dialogtext d;

	memset(fill, 'a', sizeof(fill));

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		for (size_t more = 0; more < 2; more++) {

			const size_t n = v[i].max - 1 + more -
				strlen(v[i].head) - strlen(v[i].tail);
			size_t len;

			(void)snprintf(line, sizeof(line), "%s: %s%.*s%s\n",
				       v[i].key, v[i].head, (int)n, fill,
				       v[i].tail);
			len = change(buf, sizeof(buf), v[i].line, line);
			ck_assert_int_eq(dialogtext_decode(&d, buf, len),
					 more ? EBADMSG : 0);
		}
	}

	/* keys of younger servers, until there are too many */
	memcpy(buf, good, sizeof(good));
	for (size_t len = strlen(good); ; len += 5) {
		ck_assert_int_eq(dialogtext_decode(&d, buf, len),
				 len < DIALOGTEXT_MAX ? 0 : EBADMSG);
		if (len >= DIALOGTEXT_MAX)
			break;
		memcpy(buf + len, "x: y\n", 5);
	}
}
END_TEST


/* What could not be read again is not written. */
START_TEST(not_written)
{
	struct dialogtext d, ok;
	char buf[DIALOGTEXT_MAX];
	size_t len;

	ck_assert(!dialogtext_decode(&ok, good, strlen(good)));

#define BAD(change)                                                       \
	do {                                                              \
		d = ok;                                                   \
		change;                                                   \
		ck_assert_int_eq(dialogtext_encode(buf, sizeof(buf),      \
						   &len, &d), EBADMSG);   \
	} while (0)

	BAD(d.callid[0] = '\0');
	BAD(d.callid[3] = '\n');
	BAD(d.remote_name[0] = '\r');
	BAD(memset(d.local_uri, 'a', sizeof(d.local_uri)));
	BAD(memset(d.target, 0, sizeof(d.target)));
	BAD(d.routev[1][0] = 'x');
	BAD(d.local_cseq = (uint64_t)DIALOGTEXT_CSEQ_MAX + 1);
	BAD(d.refresher = 2);
#undef BAD

	d = ok;
	d.routec = DIALOGTEXT_ROUTES + 1;
	ck_assert_int_eq(dialogtext_encode(buf, sizeof(buf), &len, &d),
			 EINVAL);
	ck_assert_int_eq(dialogtext_encode(NULL, 0, &len, &ok), EINVAL);
	ck_assert_int_eq(dialogtext_encode(buf, sizeof(buf), NULL, &ok),
			 EINVAL);
	ck_assert_int_eq(dialogtext_encode(buf, sizeof(buf), &len, NULL),
			 EINVAL);
	ck_assert_int_eq(dialogtext_decode(NULL, good, strlen(good)),
			 EINVAL);
	ck_assert_int_eq(dialogtext_decode(&d, NULL, 0), EINVAL);
	ck_assert(!dialogtext_is_call(NULL));
}
END_TEST


/* Everything at its longest fits. */
START_TEST(longest)
{
	struct dialogtext d;
	char buf[DIALOGTEXT_MAX];
	size_t len;

	ck_assert(!dialogtext_decode(&d, good, strlen(good)));

#define FILL(field, head, tail)                                           \
	do {                                                              \
		memset(d.field, 'a', sizeof(d.field) - 1);                \
		d.field[sizeof(d.field) - 1] = '\0';                      \
		memcpy(d.field, head, strlen(head));                      \
		memcpy(d.field + sizeof(d.field) - 1 - strlen(tail),      \
		       tail, strlen(tail));                               \
	} while (0)

	FILL(callid, "", "");
	FILL(local_tag, "", "");
	FILL(remote_tag, "", "");
	FILL(local_uri, "sip:", "");
	FILL(remote_uri, "urn:\xc3\x89,", "");
	FILL(local_name, "", "");
	FILL(remote_name, "", "");
	FILL(user, "", "");
	FILL(target, "sips:", "");
	FILL(hop, "sip:", "");
	FILL(privacy, "", "");
	FILL(event_id, "", "");
	for (d.routec = 0; d.routec < DIALOGTEXT_ROUTES; d.routec++)
		FILL(routev[d.routec], "<sip:", ">;x");
#undef FILL
	d.local_cseq  = DIALOGTEXT_CSEQ_MAX;
	d.interval    = DIALOGTEXT_SECS_MAX;
	d.left        = DIALOGTEXT_SECS_MAX;
	d.nat         = 1;
	d.sdp_version = UINT64_MAX;
	ck_assert_int_eq(dialogtext_encode(buf, sizeof(buf), &len, &d), 0);
	ck_assert_int_eq(dialogtext_decode(&d, buf, len), 0);
}
END_TEST


static Suite *dialogtext_suite(void)
{
	Suite *s = suite_create("dialogtext");
	TCase *tc = tcase_create("dialogtext");

	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, rejected);
	tcase_add_test(tc, lengths);
	tcase_add_test(tc, not_written);
	tcase_add_test(tc, longest);
	suite_add_tcase(s, tc);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(dialogtext_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
