/**
 * @file test_headlimit.c  Messages with too many header fields
 */
#include <string.h>
#include <check.h>
#include <sys/uio.h>
#include <re.h>
#include "sip/headlimit.h"
#include "sip/streamlimit.h"


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


/* In pieces of any size the same is found. */
static bool stream(const char *p, size_t len, size_t piece)
{
	struct streamlimit sl;

	memset(&sl, 0, sizeof sl);

	for (size_t i = 0; i < len; i += piece) {

		const size_t n = len - i < piece ? len - i : piece;

		if (!streamlimit_take(&sl, p + i, n))
			return false;
	}

	/* each of these messages is whole */
	ck_assert_uint_eq(sl.lines + sl.linelen + sl.body, 0);

	return true;
}


static size_t append(size_t n, const char *text, unsigned times)
{
	while (times--) {
		memcpy(msg + n, text, strlen(text));
		n += strlen(text);
	}

	return n;
}


START_TEST(counts_in_streams)
{
	static const size_t piecev[] = {1, 2, 3, 7, 31, 32, 33, 100, 65536};

	for (size_t i = 0; i < sizeof piecev / sizeof *piecev; i++) {

		const size_t piece = piecev[i];
		size_t n;

		/* as many as may be, again and again */
		n = make(HEAD, HEADLIMIT_LINES - 6, "X: y\r\n");
		n = append(n, "\r\n\r\n", 1);
		n = append(n, "X: y\r\n", HEADLIMIT_LINES);
		n = append(n, "\r\n", 1);
		ck_assert(stream(msg, n, piece));

		n = append(n, "X: y\n", HEADLIMIT_LINES + 1);
		ck_assert(!stream(msg, n, piece));

		/* lines of bodies do not count, whoever says how long */
		n = append(0, HEAD "Content-Length : 3000\r\n\r\n", 1);
		n = append(n, "v=\n", 1000);
		n = append(n, HEAD "l:600\n\n", 1);
		n = append(n, "\r\n", 300);
		n = append(n, HEAD "\r\n", 2);
		ck_assert(stream(msg, n, piece));

		n = append(0, HEAD "Content-Length: 5\r\n\r\n12345", 1);
		n = append(n, "X: y\r\n", HEADLIMIT_LINES + 1);
		ck_assert(!stream(msg, n, piece));

		/* one that is longer than anything is none */
		n = append(0, HEAD "L: 99999999999\r\n\r\n", 1);
		n = append(n, "X\n", HEADLIMIT_LINES + 1);
		ck_assert(!stream(msg, n, piece));

		/* a long line is one line */
		n = append(0, "A: ", 1);
		n = append(n, "0123456789abcdef", 2000);
		n = append(n, "\r\n\r\n", 1);
		ck_assert(stream(msg, n, piece));
	}
}
END_TEST


int main(void)
{
	Suite *su = suite_create("headlimit");
	TCase *tc = tcase_create("headlimit");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, counts_lines_before_the_body);
	tcase_add_test(tc, counts_in_streams);
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
