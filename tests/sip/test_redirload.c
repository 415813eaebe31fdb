/**
 * @file test_redirload.c  The fast path when much comes at once, or junk
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <re.h>             /* first: sofia has macros with its names */
#include <sofia-sip/su_wait.h>
#include <check.h>
#include "sip/redirect.h"
#include "gate.h"


/* Everything of a burst is answered once: what is for sofia waits its turn,
 * and nothing of it is cut. */
START_TEST(bursts)
{
	enum { N = 120 };
	struct redirect *r = gate_begin(1);
	static char buf[65536];
	unsigned i, redirects = 0, others = 0;
	int fd = gate_client("127.0.0.1"), size = 1 << 20;
	char callid[16];
	size_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));

	for (i=0; i<N; i++) {
		(void)snprintf(callid, sizeof(callid), "b%u", i);
		n = request(buf, sizeof(buf), i & 1 ? "INVITE" : "OPTIONS",
			    "known", callid, 1, NULL, "");
		text_send(fd, buf, n);
	}

	for (i=0; i<N; i++) {
		(void)text_recv(fd, buf);
		redirects += !strncmp(buf, "SIP/2.0 302", 11);
		others    += !strncmp(buf, "SIP/2.0 480", 11);
	}

	ck_assert_uint_eq(N / 2, redirects);
	ck_assert_uint_eq(N / 2, others);
	ck_assert_uint_eq(N / 2, gate_threadv[0].got);

	/* a message that is longer than any page or slot */
	n = (size_t)snprintf(buf, sizeof(buf),
		"MESSAGE sip:known@127.0.0.1 SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKbig;rport\r\n"
		"From: <sip:a@b>;tag=1\r\nTo: <sip:known@127.0.0.1>\r\n"
		"Call-ID: big\r\nCSeq: 1 MESSAGE\r\n"
		"Content-Type: text/plain\r\nContent-Length: 60000\r\n\r\n");
	memset(buf + n, 'x', 60000);
	text_send(fd, buf, n + 60000);
	expect(fd, buf, "SIP/2.0 480 ");
	ck_assert_uint_eq(60000, gate_threadv[0].body);

	close(fd);
	gate_end(r, 1);
}
END_TEST


START_TEST(junk)
{
	struct redirect *r = gate_begin(1);
	struct redirect_stats st;
	char buf[GATE_TEXT];
	int fd = gate_client("127.0.0.1");
	unsigned i, seed = 1;
	size_t j, n;

	for (i=0; i<300; i++) {

		/* plain noise, or an INVITE with a few bytes changed */
		n = i & 1 ? request(buf, sizeof(buf), "INVITE", "known", "j",
				    i, NULL, "") : i;

		for (j=0; j<n; j += i & 1 ? 97 : 1) {
			seed = seed * 1103515245 + 12345;
			buf[j] = (char)(seed >> 16);
		}

		text_send(fd, buf, n);

		/* no more than there is room for, on a slow machine, too */
		if (i % 20 == 19)
			ask(fd, buf, "OPTIONS", "known", "sync", i, "",
			    "SIP/2.0 480 ");
	}

	/* whatever came back for those */
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;

	ask(fd, buf, "INVITE", "known", "c1", 1, "", "SIP/2.0 302 ");
	ask(fd, buf, "OPTIONS", "known", "c2", 1, "", "SIP/2.0 480 ");

	redirect_stats(r, &st);
	ck_assert_uint_gt(st.malformed, 0);

	close(fd);
	gate_end(r, 1);
}
END_TEST


/* What sofia gets reaches the thread that owns the Call-ID, from wherever it
 * comes; redirects come from any. */
START_TEST(threads_share)
{
	enum { CALLS = 24, CLIENTS = 6 };
	struct redirect *r = gate_begin(GATE_THREADS);
	char buf[GATE_TEXT], callid[16], start[32];
	int fdv[CLIENTS];
	unsigned i, j, used = 0;

	for (j=0; j<CLIENTS; j++)
		fdv[j] = gate_client("127.0.0.1");

	for (i=0; i<CALLS; i++) {

		unsigned owner;

		(void)snprintf(callid, sizeof(callid), "call%u", i);
		owner = redirect_owner(r, callid, strlen(callid));
		ck_assert_uint_lt(owner, GATE_THREADS);
		used |= 1u << owner;
		(void)snprintf(start, sizeof(start), "SIP/2.0 480 Thread %u",
			       owner);

		for (j=0; j<CLIENTS; j++) {
			ask(fdv[j], buf, "OPTIONS", "known", callid, j, "",
			    start);
			(void)snprintf(callid, sizeof(callid), "call%u", i);
		}
		ask(fdv[i % CLIENTS], buf, "INVITE", "known", callid, 9, "",
		    "SIP/2.0 302");
	}

	ck_assert_uint_eq((1u << GATE_THREADS) - 1, used);

	for (j=0; j<CLIENTS; j++)
		close(fdv[j]);
	gate_end(r, GATE_THREADS);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("redirload");
	Suite *s = suite_create("redirload");
	SRunner *sr = srunner_create(s);
	int failed;

	su_init();

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, bursts);
	tcase_add_test(tc, junk);
	tcase_add_test(tc, threads_share);
	suite_add_tcase(s, tc);

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	su_deinit();

	return failed ? 1 : 0;
}
