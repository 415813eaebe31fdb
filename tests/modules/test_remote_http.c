/**
 * @file test_remote_http.c  The HTTP server of the service `remote`
 */
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "remote/http.h"
#include "remote/httpd.h"
#include "talk.h"

enum { BIG = 4 << 20 };

struct fixture {
	struct httpd *httpd;
	struct httpd_req *kept;
	struct sa addr;
	struct tmr tmr, look, wait;
	unsigned requests, gone, wrote;
	bool (*ready)(const struct fixture *f);
	atomic_bool until;         /* ready, for clients that wait for it   */
};

/* No limit is reached, however slow the machine is, but one that a test sets
   to LIMIT_MS. */
static const struct httpd_limits patient = {
	.conns = 4, .streams = 1, .line = 128, .header = 512, .body = 256,
	.backlog = 65536, .request_ms = 30000, .idle_ms = 30000,
	.answer_ms = 30000, .send_ms = 30000,
};

enum { LIMIT_MS = 300 };

static void reply(struct httpd_req *req, const char *text, size_t len)
{
	struct mbuf *mb = mbuf_alloc(len + 1);

	(void)mbuf_write_mem(mb, (const uint8_t *)text, len);
	mb->pos = 0;
	httpd_reply(req, 200, NULL, "text/plain", mb);
	mem_deref(mb);
}

static void later_handler(void *arg)
{
	struct fixture *f = arg;

	reply(f->kept, "later", 5);
	f->kept = mem_deref(f->kept);
}

static void stream_handler(void *arg)
{
	struct fixture *f = arg;
	char line[1024];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';

	if (httpd_stream_write(f->kept, line, sizeof(line)))
		return;

	++f->wrote;
	tmr_start(&f->tmr, 0, stream_handler, f);
}

static void gone_handler(void *arg)
{
	struct fixture *f = arg;

	++f->gone;
	f->kept = mem_deref(f->kept);
	tmr_cancel(&f->tmr);
}

static void req_handler(struct httpd_req *req, const struct http_msg *msg,
			void *arg)
{
	struct fixture *f = arg;

	++f->requests;

	if (!pl_strcmp(&msg->path, "/big")) {
		char *big = calloc(1, BIG);

		memset(big, 'b', BIG);
		reply(req, big, BIG);
		free(big);
	}
	else if (!pl_strcmp(&msg->path, "/later")) {
		f->kept = mem_ref(req);
		tmr_start(&f->tmr, 20, later_handler, f);
	}
	else if (!pl_strcmp(&msg->path, "/never")) {
		f->kept = mem_ref(req);
	}
	else if (!pl_strcmp(&msg->path, "/stream")) {
		if (httpd_stream(req, "text/plain", gone_handler, f)) {
			httpd_reply(req, 503, NULL, "text/plain", NULL);
			return;
		}
		f->kept = mem_ref(req);
		tmr_start(&f->tmr, 0, stream_handler, f);
	}
	else {
		reply(req, (char *)mbuf_buf(msg->mb),
		      mbuf_get_left(msg->mb));
	}
}

static void fixture_limits(struct fixture *f, const struct httpd_limits *lim)
{
	memset(f, 0, sizeof(*f));
	ck_assert_int_eq(libre_init(), 0);
	ck_assert_int_eq(sa_set_str(&f->addr, "127.0.0.1", 0), 0);
	ck_assert_int_eq(httpd_listen(&f->httpd, &f->addr, lim,
				      req_handler, f), 0);
	ck_assert_int_eq(httpd_addr(f->httpd, &f->addr), 0);
}

static void fixture_open(struct fixture *f)
{
	fixture_limits(f, &patient);
}

static void fixture_close(struct fixture *f)
{
	tmr_cancel(&f->tmr);
	tmr_cancel(&f->look);
	tmr_cancel(&f->wait);
	f->httpd = mem_deref(f->httpd);
	f->kept = mem_deref(f->kept);
	libre_close();
}

static void look_handler(void *arg)
{
	struct fixture *f = arg;

	if (f->ready(f))
		f->until = true;
	else
		tmr_start(&f->look, 5, look_handler, f);
}

/* Clients wait for this before they go on. */
static void fixture_until(struct fixture *f,
			  bool (*ready)(const struct fixture *f))
{
	f->ready = ready;
	tmr_start(&f->look, 0, look_handler, f);
}

static void wait_handler(void *arg)
{
	struct fixture *f = arg;

	if (f->until)
		re_cancel();
	else
		tmr_start(&f->wait, 5, wait_handler, f);
}

/* What a client did last takes a while to be known. */
static void fixture_wait(struct fixture *f,
			 bool (*ready)(const struct fixture *f))
{
	f->until = false;
	fixture_until(f, ready);
	tmr_start(&f->wait, 0, wait_handler, f);
	(void)re_main(NULL);
}

static bool is_cut(const struct fixture *f)
{
	return f->requests && !f->httpd->connc;
}

static bool is_gone(const struct fixture *f)
{
	return f->gone;
}

static bool is_written(const struct fixture *f)
{
	return f->wrote;
}

static bool two_asked(const struct fixture *f)
{
	return f->requests == 2;
}

static bool two_answered(const struct fixture *f)
{
	return f->requests == 2 && !f->kept;
}

static void talk_one(struct fixture *f, struct talk *t)
{
	t->addr = f->addr;
	talk_run(t, 1);
}

static const struct {
	const char *say;
	unsigned status;
} refusev[] = {
	{"GARBAGE\r\n\r\n", 400},
	{"\x16\x03\x01\x02\x01\x01\xfc\n\n", 400},
	{"GET\r\n\r\n", 400},
	{"GET /\r\n\r\n", 400},
	{"get / HTTP/1.1\r\n\r\n", 400},
	{"GET  / HTTP/1.1\r\n\r\n", 400},
	{" GET / HTTP/1.1\r\n\r\n", 400},
	{"GETGETGETGETGETGET / HTTP/1.1\r\n\r\n", 400},
	{"GET http://a/ HTTP/1.1\r\n\r\n", 400},
	{"GET /a b HTTP/1.1\r\n\r\n", 400},
	{"GET /\x01 HTTP/1.1\r\n\r\n", 400},
	{"GET / HTTP/2.0\r\n\r\n", 505},
	{"GET / HTTP/1.1.1\r\n\r\n", 505},
	{"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\n: x\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nA: \x02\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nContent-Length: abc\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nContent-Length: 1 1\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nContent-Length: 1\r\n"
	 "Content-Length: 2\r\n\r\nab", 400},
	{"POST / HTTP/1.1\r\nContent-Length: 257\r\n\r\n", 413},
	{"POST / HTTP/1.1\r\nContent-Length: 4294967297\r\n\r\n", 413},
	{"POST / HTTP/1.1\r\nContent-Length: "
	 "99999999999999999999999999999999\r\n\r\n", 413},
	{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	 501},
	{"POST / HTTP/1.1\r\nExpect: miracles\r\n\r\n", 417},
};

START_TEST(refuses)
{
	struct talk t = {.say = refusev[_i].say};
	struct fixture f;

	fixture_open(&f);
	talk_one(&f, &t);
	ck_assert_uint_eq(talk_status(&t), refusev[_i].status);
	ck_assert_ptr_nonnull(strstr(t.heard, "\"error\""));
	ck_assert_uint_eq(f.requests, 0);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

/* Longer than allowed, with and without an end in sight. */
START_TEST(refuses_long)
{
	static const struct {
		const char *head;
		size_t len;
		const char *tail;
		unsigned status;
	} longv[] = {
		{"GET /", 200, "", 414},
		{"GET /", 200, " HTTP/1.1\r\n\r\n", 414},
		{"GET / HTTP/1.1\r\nA: ", 600, "", 431},
		{"GET / HTTP/1.1\r\nA: ", 600, "\r\n\r\n", 431},
	};
	char text[1024] = "";
	struct talk t = {.say = text};
	struct fixture f;
	size_t n;

	n = strlen(longv[_i].head);
	memcpy(text, longv[_i].head, n);
	memset(text + n, 'a', longv[_i].len);
	memcpy(text + n + longv[_i].len, longv[_i].tail,
	       strlen(longv[_i].tail));

	fixture_open(&f);
	talk_one(&f, &t);
	ck_assert_uint_eq(talk_status(&t), longv[_i].status);
	ck_assert_uint_eq(f.requests, 0);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

/* A sender that goes on and on still hears why it is refused. */
START_TEST(refuses_loud)
{
	const size_t len = 600000;
	char *text = calloc(1, len + 1);
	struct talk t = {.say = text, .len = len};
	struct fixture f;

	memset(text, 'a', len);
	memcpy(text, "POST / HTTP/1.1\r\nContent-Length: 600000\r\n\r\n",
	       43);
	fixture_open(&f);
	talk_one(&f, &t);
	ck_assert_uint_eq(talk_status(&t), 413);
	ck_assert_uint_eq(f.requests, 0);
	talk_reset(&t);
	fixture_close(&f);
	free(text);
}
END_TEST

START_TEST(half_requests)
{
	static const char *const halfv[] = {
		"GET / HT",
		"GET / HTTP/1.1\r\nA: b\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc",
	};
	struct talk t = {.say = halfv[_i]};
	struct httpd_limits lim = patient;
	struct fixture f;

	lim.request_ms = LIMIT_MS;
	fixture_limits(&f, &lim);
	talk_one(&f, &t);
	ck_assert_uint_eq(talk_status(&t), 408);
	ck_assert_uint_eq(f.requests, 0);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

/* One byte now and then does not keep a connection for ever. */
START_TEST(trickle)
{
	struct talk t = {.say = "GET / HTTP/1.1\r\nA: bbbbbbbbbbbbbbbbbbbbbb"
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n\r\n",
		.piece = 1, .pause_ms = 10};
	struct httpd_limits lim = patient;
	struct fixture f;

	lim.request_ms = LIMIT_MS;
	fixture_limits(&f, &lim);
	talk_one(&f, &t);
	ck_assert_uint_eq(talk_status(&t), 408);
	ck_assert_uint_eq(f.requests, 0);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

static const struct {
	const char *say;
	unsigned requests;
	const char *hear;
} acceptv[] = {
	{"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 1,
	 "Content-Length: 0\r\n"},
	{"\r\n\r\nGET / HTTP/1.1\nConnection: close\n\n", 1,
	 "Content-Length: 0\r\n"},
	{"GET /a?b=c+d HTTP/1.0\r\n\r\n", 1, "Content-Length: 0\r\n"},
	{"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1"
	 "\r\n\r\nPOST / HTTP/1.1\r\nConnection: close\r\n"
	 "Content-Length: 3\r\n\r\nend", 3, "hello"},
	{"GET /later HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\n"
	 "Connection: close\r\nContent-Length: 3\r\n\r\nend", 2, "later"},
	{"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
	 "Connection: close\r\n\r\nhello", 1, "hello"},
};

START_TEST(accepts)
{
	/* at once, and byte by byte */
	struct talk t = {.say = acceptv[_i / 2].say, .piece = _i % 2};
	struct fixture f;

	fixture_open(&f);
	talk_one(&f, &t);
	ck_assert_uint_eq(talk_status(&t), 200);
	ck_assert_uint_eq(f.requests, acceptv[_i / 2].requests);
	ck_assert_ptr_nonnull(strstr(t.heard, acceptv[_i / 2].hear));
	ck_assert_int_eq(t.err, 0);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

START_TEST(head_has_no_body)
{
	struct talk t = {.say = "HEAD / HTTP/1.1\r\nContent-Length: 3\r\n"
		"Connection: close\r\n\r\nabc"};
	struct fixture f;
	const char *end;

	fixture_open(&f);
	talk_one(&f, &t);
	ck_assert_uint_eq(talk_status(&t), 200);
	ck_assert_ptr_nonnull(strstr(t.heard, "Content-Length: 3\r\n"));
	end = strstr(t.heard, "\r\n\r\n");
	ck_assert_ptr_nonnull(end);
	ck_assert_str_eq(end, "\r\n\r\n");
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

/* Nothing is asked any more: the connection is closed without a word. */
START_TEST(idle_ends)
{
	struct talk t = {.say = "POST / HTTP/1.1\r\nContent-Length: 2\r\n"
		"\r\nok"};
	struct httpd_limits lim = patient;
	struct fixture f;

	lim.idle_ms = LIMIT_MS;
	fixture_limits(&f, &lim);
	talk_one(&f, &t);
	ck_assert_int_eq(t.err, 0);
	ck_assert_uint_eq(talk_status(&t), 200);
	ck_assert_uint_eq(f.requests, 1);
	ck_assert_uint_eq(f.httpd->connc, 0);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

START_TEST(big_answer)
{
	struct talk t = {.say = "GET /big HTTP/1.0\r\n\r\n",
		.pause_ms = 100};
	struct fixture f;
	const char *body;

	fixture_open(&f);
	talk_one(&f, &t);
	ck_assert_int_eq(t.err, 0);
	body = strstr(t.heard, "\r\n\r\n");
	ck_assert_ptr_nonnull(body);
	ck_assert_uint_eq(t.heardc - (size_t)(body + 4 - t.heard), BIG);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

/* Who asks and does not take the answer holds nothing for long. */
START_TEST(answer_not_taken)
{
	struct fixture f;
	struct talk t = {.say = "GET /big HTTP/1.1\r\n\r\n", .leave = true,
		.until = &f.until};
	struct httpd_limits lim = patient;

	lim.send_ms = LIMIT_MS;
	fixture_limits(&f, &lim);
	fixture_until(&f, is_cut);
	talk_one(&f, &t);
	ck_assert_uint_eq(f.requests, 1);
	ck_assert_uint_eq(f.httpd->connc, 0);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

START_TEST(never_answered)
{
	struct talk t = {.say = "GET /never HTTP/1.1\r\n\r\n"};
	struct httpd_limits lim = patient;
	struct fixture f;

	lim.answer_ms = LIMIT_MS;
	fixture_limits(&f, &lim);
	talk_one(&f, &t);
	ck_assert_uint_eq(talk_status(&t), 504);

	/* the answer comes after all, and goes nowhere */
	ck_assert_ptr_nonnull(f.kept);
	later_handler(&f);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

START_TEST(client_leaves_before_answer)
{
	struct talk tv[2] = {
		{.say = "GET /later HTTP/1.1\r\n\r\n", .leave = true},
		{.say = "GET / HTTP/1.0\r\n\r\n"},
	};
	struct fixture f;

	fixture_open(&f);
	tv[0].addr = tv[1].addr = f.addr;
	talk_run(tv, 2);
	fixture_wait(&f, two_answered);
	ck_assert_uint_eq(f.requests, 2);
	ck_assert_ptr_null(f.kept);
	ck_assert_uint_eq(talk_status(&tv[1]), 200);
	talk_reset(&tv[0]);
	talk_reset(&tv[1]);
	fixture_close(&f);
}
END_TEST

START_TEST(too_many_connections)
{
	struct talk tv[12];
	struct httpd_limits lim = patient;
	struct fixture f;
	unsigned i, idle = 0, shut = 0;

	/* time for all to come before the first one has to go */
	lim.request_ms = 3000;
	fixture_limits(&f, &lim);
	memset(tv, 0, sizeof(tv));
	for (i = 0; i < 12; i++) {
		tv[i].addr = f.addr;
		tv[i].say = "GET / HTTP/1.1\r\nA";
	}
	talk_run(tv, 12);

	for (i = 0; i < 12; i++) {
		idle += talk_status(&tv[i]) == 408;
		shut += talk_status(&tv[i]) == 0;
		talk_reset(&tv[i]);
	}
	ck_assert_uint_eq(idle, lim.conns);
	ck_assert_uint_eq(shut, 12 - lim.conns);
	ck_assert_uint_eq(f.httpd->connc, 0);
	fixture_close(&f);
}
END_TEST

START_TEST(requests_without_reading)
{
	const char one[] = "GET /never HTTP/1.1\r\n\r\n";
	const size_t n = 4000;
	char *text = calloc(n, sizeof(one));
	struct talk t = {.say = text};
	struct httpd_limits lim = patient;
	struct fixture f;
	size_t i;

	for (i = 0; i < n; i++)
		memcpy(text + i * (sizeof(one) - 1), one, sizeof(one) - 1);

	lim.answer_ms = LIMIT_MS;
	fixture_limits(&f, &lim);
	talk_one(&f, &t);
	ck_assert_uint_eq(f.requests, 1);
	ck_assert_uint_eq(f.httpd->connc, 0);
	talk_reset(&t);
	fixture_close(&f);
	free(text);
}
END_TEST

START_TEST(slow_watcher_is_cut)
{
	struct fixture f;
	struct talk t = {.say = "GET /stream HTTP/1.1\r\n\r\n",
		.until = &f.until};
	struct httpd_limits lim = patient;

	lim.send_ms = LIMIT_MS;
	fixture_limits(&f, &lim);
	fixture_until(&f, is_gone);
	talk_one(&f, &t);
	ck_assert_uint_eq(talk_status(&t), 200);
	ck_assert_uint_gt(f.wrote, 0);
	ck_assert_uint_eq(f.gone, 1);
	ck_assert_uint_eq(f.httpd->connc, 0);
	ck_assert_uint_eq(f.httpd->streamc, 0);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

START_TEST(streams_are_few)
{
	struct httpd_limits lim = patient;
	struct fixture f;
	struct talk tv[2] = {
		{.say = "GET /stream HTTP/1.1\r\n\r\n", .until = &f.until},
		{.say = "GET /stream HTTP/1.0\r\n\r\n", .until = &f.until},
	};

	/* who is refused may ask again, but does not */
	lim.idle_ms = LIMIT_MS;
	fixture_limits(&f, &lim);
	tv[0].addr = tv[1].addr = f.addr;
	fixture_until(&f, two_asked);
	talk_run(tv, 2);
	fixture_wait(&f, is_gone);
	ck_assert_uint_eq(talk_status(&tv[0]) + talk_status(&tv[1]),
			  200 + 503);
	ck_assert_uint_eq(f.gone, 1);
	talk_reset(&tv[0]);
	talk_reset(&tv[1]);
	fixture_close(&f);
}
END_TEST

/* The server goes while somebody watches. */
START_TEST(close_with_streams)
{
	struct fixture f;
	struct talk t = {.say = "GET /stream HTTP/1.1\r\n\r\n",
		.until = &f.until, .leave = true};

	fixture_open(&f);
	fixture_until(&f, is_written);
	talk_one(&f, &t);
	f.httpd = mem_deref(f.httpd);
	ck_assert_uint_eq(f.gone, 1);
	talk_reset(&t);
	fixture_close(&f);
}
END_TEST

static Suite *http_suite(void)
{
	Suite *s = suite_create("remote http");
	TCase *tc = tcase_create("requests");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, refuses, 0, ARRAY_SIZE(refusev));
	tcase_add_loop_test(tc, refuses_long, 0, 4);
	tcase_add_test(tc, refuses_loud);
	tcase_add_loop_test(tc, half_requests, 0, 3);
	tcase_add_test(tc, trickle);
	tcase_add_loop_test(tc, accepts, 0, 2 * ARRAY_SIZE(acceptv));
	tcase_add_test(tc, head_has_no_body);
	tcase_add_test(tc, idle_ends);
	tcase_add_test(tc, big_answer);
	tcase_add_test(tc, answer_not_taken);
	tcase_add_test(tc, never_answered);
	tcase_add_test(tc, client_leaves_before_answer);
	tcase_add_test(tc, too_many_connections);
	tcase_add_test(tc, requests_without_reading);
	tcase_add_test(tc, slow_watcher_is_cut);
	tcase_add_test(tc, streams_are_few);
	tcase_add_test(tc, close_with_streams);
	suite_add_tcase(s, tc);

	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(http_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
