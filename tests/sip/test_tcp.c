/**
 * @file test_tcp.c  Calls over connections, and what may be wrong with these
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <check.h>
#include <re.h>
#include "fixture.h"
#include "../suite.h"


/* Connections stop being taken before the process has no descriptors. */
START_TEST(test_connections)
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
	ck_assert(fix_alive(&u));

	for (int i = 0; i < TRIES; i++)
		(void)close(fdv[i]);

	phone_close(&u);
	fix_close(&fx);
}
END_TEST


/* Three calls on one connection; ours and theirs BYE over it. */
START_TEST(test_tcp)
{
	struct fix fx;
	struct phone p;
	struct sipcall *call;
	char id1[64], tag1[64], ftag1[16];

	fix_open_default(&fx);
	phone_open(&p, &fx.laddr, true, "room");

	fix_call(&p);
	ck_assert(phone_has(&p, "Contact", ";transport=tcp"));
	str_ncpy(id1, p.callid, sizeof(id1));
	str_ncpy(tag1, p.ttag, sizeof(tag1));
	str_ncpy(ftag1, p.ftag, sizeof(ftag1));
	call = mem_ref(fx.call);

	phone_new(&p);
	fix_call(&p);
	phone_new(&p);
	fix_call(&p);
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
START_TEST(test_tcp_stream)
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
	ck_assert(fix_alive(&q));

	phone_close(&p);
	phone_open(&p, &fx.laddr, true, "room");
	ck_assert(fix_alive(&p));

	/* half a message, and gone */
	phone_raw(&p, buf, n / 2);
	phone_close(&p);
	ck_assert(fix_alive(&q));

	phone_close(&q);
	fix_close(&fx);
}
END_TEST


/* More header fields than sofia can bear end the connection. */
START_TEST(test_tcp_fields)
{
	struct fix fx;
	struct phone p, q;
	char buf[8192];
	size_t n;

	fix_open_default(&fx);
	phone_open(&q, &fx.laddr, true, "room");
	ck_assert(fix_alive(&q));

	for (int i = 0; i < 3; i++) {
		phone_open(&p, &fx.laddr, true, "room");
		ck_assert(fix_alive(&p));
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
		ck_assert(fix_alive(&q));
	}

	phone_close(&q);
	fix_close(&fx);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("tcp");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_connections);
	tcase_add_test(tc, test_tcp);
	tcase_add_test(tc, test_tcp_stream);
	tcase_add_test(tc, test_tcp_fields);

	return suite_run("tcp", tc);
}
