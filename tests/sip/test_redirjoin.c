/**
 * @file test_redirjoin.c  Joins that the fast path keeps for the main thread
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <re.h>             /* first: sofia has macros with its names */
#include <sofia-sip/su_wait.h>
#include <check.h>
#include "sip/preparse.h"
#include "sip/redirect.h"
#include "sip/redirjoin.h"
#include "gate.h"


static void wake_handler(void *arg)
{
	++*(atomic_uint *)arg;
}


/* The join that was deferred, as the main thread gets it */
static struct redirect_join *join_wait(struct redirect *r, atomic_uint *wakes)
{
	unsigned i;

	for (i=0; i<30000 && !*wakes; i++)
		usleep(1000);

	*wakes = 0;

	return redirect_join_next(r);
}


/* What the look-up does not know is answered later, without a transaction. */
START_TEST(deferred)
{
	struct redirect *r = gate_begin(1);
	struct redirect_stats st;
	struct redirect_join *j;
	const struct preparse *pp;
	atomic_uint wakes = 0;
	char buf[GATE_TEXT], again[GATE_TEXT], tag[64];
	int fd = gate_client("127.0.0.1");
	size_t n, m;

	redirect_defer_handler(r, wake_handler, &wakes);

	/* repeated while it waits: one join */
	n = request(buf, sizeof(buf), "INVITE", "new", "c1", 7, NULL,
		    "User-Agent: Phone\r\n");
	text_send(fd, buf, n);
	text_send(fd, buf, n);
	j = join_wait(r, &wakes);
	ck_assert_ptr_nonnull(j);
	ask(fd, again, "OPTIONS", "new", "o1", 1, "", "SIP/2.0 480 ");
	ck_assert_ptr_null(redirect_join_next(r));

	pp = redirect_join_get(j);
	ck_assert_int_eq(0, pl_strcmp(&pp->conf, "new"));
	ck_assert_int_eq(0, pl_strcmp(&pp->user, "alice@127.0.0.1"));
	ck_assert_int_eq(0, pl_strcmp(&pp->name, "A"));
	ck_assert_int_eq(0, pl_strcmp(&pp->agent, "Phone"));
	ck_assert_int_eq(0, pl_strcmp(&pp->callid, "c1"));
	ck_assert_uint_eq(0, pp->body.l);
	ck_assert_int_eq(AF_INET, redirect_join_src(j)->sa_family);

	ck_assert_int_eq(EINVAL, redirect_join_answer(j, "480 a\r\nb: c",
						      NULL));
	ck_assert_int_eq(EINVAL, redirect_join_answer(j, "302 a", "sip:a>"));
	ck_assert_int_eq(0, redirect_join_answer(j, "302 Moved Temporarily",
						 "sip:new@127.0.0.1:9"));
	ck_assert_int_eq(EALREADY, redirect_join_answer(j, "480 No", NULL));
	ck_assert_int_eq(EALREADY, redirect_join_pass(j));
	mem_deref(j);

	expect(fd, again, "SIP/2.0 302 Moved Temporarily\r\n");
	ck_assert_ptr_nonnull(strstr(again, "Contact: <sip:new@127.0.0.1:9>"
				     "\r\n"));
	tag_get(tag, sizeof(tag), again);
	n = request(buf, sizeof(buf), "ACK", "new", "c1", 7, tag, "");
	text_send(fd, buf, n);

	/* it came back, and is not deferred again */
	ask(fd, buf, "INVITE", "new", "c1", 8, "", "SIP/2.0 480 ");

	/* refused, which is acknowledged in the same way */
	n = request(buf, sizeof(buf), "INVITE", "full", "c2", 1, NULL, "");
	text_send(fd, buf, n);
	j = join_wait(r, &wakes);
	ck_assert_int_eq(0, redirect_join_answer(j, "480 No room", NULL));
	mem_deref(j);
	expect(fd, buf, "SIP/2.0 480 No room\r\n");
	ck_assert_ptr_null(strstr(buf, "Contact:"));
	ck_assert_ptr_nonnull(strstr(buf, "\r\nRetry-After: 5\r\n"));
	tag_get(tag, sizeof(tag), buf);
	m = request(buf, sizeof(buf), "ACK", "full", "c2", 1, tag, "");
	text_send(fd, buf, m);

	/* given to sofia after all */
	n = request(buf, sizeof(buf), "INVITE", "here", "c3", 1, NULL, "");
	text_send(fd, buf, n);
	j = join_wait(r, &wakes);
	ck_assert_int_eq(0, redirect_join_pass(j));
	mem_deref(j);
	expect(fd, buf, "SIP/2.0 480 Thread 0\r\n");

	redirect_stats(r, &st);
	ck_assert_uint_eq(3, st.deferred);
	ck_assert_uint_eq(2, st.acked);
	ck_assert_uint_eq(0, gate_threadv[0].acks);

	/* one that nobody takes, and one whose thread is gone */
	n = request(buf, sizeof(buf), "INVITE", "new", "c4", 1, NULL, "");
	text_send(fd, buf, n);
	j = join_wait(r, &wakes);
	n = request(buf, sizeof(buf), "INVITE", "new", "c5", 1, NULL, "");
	text_send(fd, buf, n);
	usleep(50000);
	gate_stop(1);
	ck_assert_int_eq(ENOTCONN, redirect_join_answer(j, "480 No", NULL));
	mem_deref(j);
	mem_deref(r);
	close(fd);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("redirjoin");
	Suite *s = suite_create("redirjoin");
	SRunner *sr = srunner_create(s);
	int failed;

	su_init();

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, deferred);
	suite_add_tcase(s, tc);

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	su_deinit();

	return failed ? 1 : 0;
}
