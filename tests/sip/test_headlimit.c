/**
 * @file test_headlimit.c  Messages with too many header fields
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "sip/headlimit.h"


#define HEAD "INVITE sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=b\r\n" \
	"f: <sip:a@h>;tag=1\r\nTo: <sip:x@h>\r\nCall-ID: c\r\n" \
	"CSeq: 1 INVITE\r\n"

static char msg[65536], reply[4096];


static size_t make(const char *head, unsigned extra, const char *line)
{
	size_t n = strlen(head);

	memcpy(msg, head, n);
	for (unsigned i = 0; i < extra; i++) {
		memcpy(msg + n, line, strlen(line));
		n += strlen(line);
	}
	memcpy(msg + n, "\r\n", 2);

	return n + 2;
}


START_TEST(counts_lines_before_the_body)
{
	size_t n = make(HEAD, HEADLIMIT_LINES - 7, "X: y\r\n");

	ck_assert(!headlimit_exceeded(msg, n));
	/* lines of the body do not count */
	for (int i = 0; i < 1000; i++)
		memcpy(msg + n + 2 * i, "\r\n", 2);
	ck_assert(!headlimit_exceeded(msg, n + 2000));

	n = make(HEAD, HEADLIMIT_LINES, "X: y\r\n");
	ck_assert(headlimit_exceeded(msg, n));
	n = make(HEAD, HEADLIMIT_LINES, "X\n");
	ck_assert(headlimit_exceeded(msg, n));
	ck_assert(!headlimit_exceeded(msg, 0));
	ck_assert(!headlimit_exceeded("\x80\n\n", 3));
}
END_TEST


START_TEST(says_what_was_wrong)
{
	const size_t n = make(HEAD, 1000, "A: b\r\n");
	size_t len = 0;

	ck_assert_int_eq(headlimit_refuse(reply, sizeof reply, &len, msg, n),
			 0);
	reply[len] = '\0';
	ck_assert_str_eq(reply,
		"SIP/2.0 400 Too Many Header Fields\r\n"
		"Via: SIP/2.0/UDP h;branch=b\r\n"
		"f: <sip:a@h>;tag=1\r\nTo: <sip:x@h>\r\nCall-ID: c\r\n"
		"CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
}
END_TEST


START_TEST(some_get_no_answer)
{
	static const char *const headv[] = {
		"ACK sip:x@h SIP/2.0\r\nVia: v\r\n",
		"SIP/2.0 200 OK\r\nVia: v\r\n",
		"junk\r\nVia: v\r\n",
		"INVITE sip:x@h SIP/2.0\r\nX: y\r\n",
		"",
	};
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(headv); i++) {
		const size_t n = make(headv[i], 300, "A: b\r\n");

		ck_assert_int_eq(headlimit_refuse(reply, sizeof reply, &len,
						  msg, n), EBADMSG);
	}
}
END_TEST


START_TEST(answer_is_bounded)
{
	const size_t n = make(HEAD, 300, "Via: SIP/2.0/UDP 10.0.0.1:5060\r\n");
	size_t len;

	ck_assert_int_eq(headlimit_refuse(reply, sizeof reply, &len, msg, n),
			 EOVERFLOW);
	ck_assert_int_eq(headlimit_refuse(reply, 10, &len, msg, n), EBADMSG);
}
END_TEST


int main(void)
{
	Suite *su = suite_create("headlimit");
	TCase *tc = tcase_create("headlimit");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, counts_lines_before_the_body);
	tcase_add_test(tc, says_what_was_wrong);
	tcase_add_test(tc, some_get_no_answer);
	tcase_add_test(tc, answer_is_bounded);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed != 0;
}
