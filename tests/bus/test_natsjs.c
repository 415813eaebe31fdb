/**
 * @file test_natsjs.c  What JetStream says, and what it would not say
 */
#include <string.h>
#include <stdlib.h>
#include <time.h>
#include <check.h>
#include <nats/nats.h>
#include <re.h>
#include "server/siphash.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/heap.h"
#include "bus/due.h"
#include "bus/natsbus.h"
#include "bus/natsbucket.h"
#include "bus/natsjs.h"
#include "../suite.h"


START_TEST(test_push)
{
	static const char *const badv[] = {
		"", "$JS.ACK", "$JS.ACK.", "a.b.c.d.e.f.g.h.i",
		"$JS.ACK.s.c.1.2.3.4", "$JS.ACK.s.c.1.x.3.4.5",
		"$JS.ACK.s.c.1..3.4.5", "$JS.ACK.s.c.1.2.3.4.-5",
		"$JS.ACK.s.c.1.2.3.4.5.6",
		"$JS.ACK.s.c.1.18446744073709551616.3.4.5",
		"$JS.ACK.s.c.1.222222222222222222222.3.4.5",
		"$JS.ACK.1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18",
	};
	struct natspush p;
	size_t i;

	ck_assert_int_eq(0, natsjs_push_decode(&p, "$JS.ACK.KV_b.Xy.1.10.3"
					       ".1700000000000000001.5"));
	ck_assert_uint_eq(10, p.seq);
	ck_assert_uint_eq(3, p.nth);
	ck_assert_uint_eq(1700000000000000001ULL, p.stamp);
	ck_assert_uint_eq(5, p.pending);

	ck_assert_int_eq(0, natsjs_push_decode(&p, "$JS.ACK.d.a.KV_b.Xy.1.11"
					       ".4.18446744073709551615.0"
					       ".rnd"));
	ck_assert_uint_eq(11, p.seq);
	ck_assert_uint_eq(4, p.nth);
	ck_assert_uint_eq(UINT64_MAX, p.stamp);
	ck_assert_uint_eq(0, p.pending);

	ck_assert_int_eq(EBADMSG, natsjs_push_decode(&p, NULL));
	for (i=0; i<ARRAY_SIZE(badv); i++)
		ck_assert_msg(EBADMSG == natsjs_push_decode(&p, badv[i]),
			      "%s", badv[i]);
}
END_TEST


START_TEST(test_time)
{
	static const struct { const char *s; uint64_t ns; } goodv[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T00:00:01.5Z", 1500000000},
		{"2026-11-22T19:48:22.482471175Z", 1795376902482471175ULL},
		{"2026-11-22T19:48:22.000000001Z", 1795376902000000001ULL},
	};
	static const char *const badv[] = {
		"", "x", "2026-11-22", "2026-11-22T19:48:22",
		"2026-11-22T19:48:22.Z", "2026-11-22T19:48:22+01:00",
		"2026-11-22T19:48:22.1234567890Z", "2026-11-22T19:48:22Zx",
		"1969-01-01T00:00:00Z",
	};
	uint64_t ns;
	size_t i;

	for (i=0; i<ARRAY_SIZE(goodv); i++) {
		ck_assert_int_eq(0, natsjs_time_decode(&ns, goodv[i].s));
		ck_assert_uint_eq(goodv[i].ns, ns);
	}
	for (i=0; i<ARRAY_SIZE(badv); i++)
		ck_assert_msg(EBADMSG == natsjs_time_decode(&ns, badv[i]),
			      "%s", badv[i]);
	ck_assert_int_eq(EBADMSG, natsjs_time_decode(&ns, NULL));
}
END_TEST


static int headers(struct natsval *val, const char *s)
{
	memset(val, 0, sizeof(*val));

	return natsjs_headers_decode(val, s, strlen(s));
}


START_TEST(test_headers)
{
	static const char *const badv[] = {
		"", "NATS/2.0\r\n\r\n", "NATS/1.0\r\nno colon\r\n\r\n",
		"NATS/1.0\r\nUnended: x",
	};
	struct natsval val;
	size_t i;

	ck_assert_int_eq(0, headers(&val, "NATS/1.0\r\nJunctor-TTL: 3000\r\n"
				    "Other: x\r\njunctor-write:ff\r\n\r\n"));
	ck_assert_uint_eq(3000, val.ttl);
	ck_assert_uint_eq(255, val.write);
	ck_assert(!val.deleted);

	ck_assert_int_eq(0, headers(&val, "NATS/1.0 100 Status\r\n"
				    "KV-Operation: PURGE\r\n\r\n"));
	ck_assert(val.deleted);

	/* what makes no sense is as if it were not there */
	ck_assert_int_eq(0, headers(&val, "NATS/1.0\r\nJunctor-TTL: -1\r\n"
				    "Junctor-TTL: 99999999999\r\n"
				    "KV-Operation: PUT\r\n"
				    "Junctor-Write: 11111111111111111\r\n"
				    "\r\n"));
	ck_assert_uint_eq(0, val.ttl);
	ck_assert_uint_eq(0, val.write);
	ck_assert(!val.deleted);

	for (i=0; i<ARRAY_SIZE(badv); i++)
		ck_assert_msg(EBADMSG == headers(&val, badv[i]), "%s",
			      badv[i]);
}
END_TEST


static int reply(struct odict **odp, unsigned *code, const char *s)
{
	return natsjs_reply_decode(odp, code, s, strlen(s));
}


START_TEST(test_reply)
{
	static const char *const badv[] = { "", "x", "[]", "+OK", "\"{}\"" };
	struct odict *od = NULL;
	unsigned code;
	size_t i;

	ck_assert_int_eq(0, reply(&od, &code, "{\"seq\":7}"));
	ck_assert_uint_eq(0, code);
	od = mem_deref(od);
	ck_assert_int_eq(0, reply(&od, &code, "{\"error\":{\"code\":404,"
				  "\"err_code\":10037}}"));
	ck_assert_uint_eq(NATSJS_NO_MESSAGE, code);
	od = mem_deref(od);
	ck_assert_int_eq(0, reply(&od, &code, "{\"error\":{\"code\":503}}"));
	ck_assert_uint_eq(503, code);
	od = mem_deref(od);
	ck_assert_int_eq(0, reply(&od, &code, "{\"error\":{}}"));
	ck_assert_uint_ne(0, code);
	od = mem_deref(od);

	for (i=0; i<ARRAY_SIZE(badv); i++)
		ck_assert_msg(EBADMSG == reply(&od, &code, badv[i]), "%s",
			      badv[i]);
}
END_TEST


static int value(struct natsval *val, const char *s)
{
	struct odict *od = NULL;
	unsigned code;
	int err;

	ck_assert_int_eq(0, reply(&od, &code, s));
	err = natsjs_value_decode(val, od);
	mem_deref(od);

	return err;
}


START_TEST(test_value)
{
	static const char *const badv[] = {
		"{}", "{\"message\":7}", "{\"message\":{}}",
		"{\"message\":{\"seq\":0,\"time\":\"1970-01-01T00:00:00Z\"}}",
		"{\"message\":{\"seq\":1,\"time\":\"yesterday\"}}",
		"{\"message\":{\"seq\":1}}",
		"{\"message\":{\"seq\":1,\"time\":\"1970-01-01T00:00:00Z\","
		"\"hdrs\":\"eA==\"}}",
	};
	struct natsval val;
	size_t i;

	ck_assert_int_eq(0, value(&val, "{\"message\":{\"seq\":5,\"hdrs\":"
				  "\"TkFUUy8xLjANCkp1bmN0b3ItVFRMOiA1DQoNCg=="
				  "\",\"data\":\"dmFsdWU=\",\"time\":"
				  "\"1970-01-01T00:00:02Z\"}}"));
	ck_assert_uint_eq(5, val.seq);
	ck_assert_uint_eq(5, val.ttl);
	ck_assert_uint_eq(2000000000, val.stamp);
	ck_assert_uint_eq(5, val.len);
	ck_assert(!memcmp(val.buf, "value", 5));
	natsjs_value_reset(&val);

	ck_assert_int_eq(0, value(&val, "{\"message\":{\"seq\":6,\"time\":"
				  "\"1970-01-01T00:00:02Z\"}}"));
	ck_assert_uint_eq(0, val.len);
	ck_assert_ptr_nonnull(val.buf);
	natsjs_value_reset(&val);

	for (i=0; i<ARRAY_SIZE(badv); i++) {
		ck_assert_msg(EBADMSG == value(&val, badv[i]), "%s", badv[i]);
		natsjs_value_reset(&val);
	}
}
END_TEST


static uint64_t utc(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);

	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}


/* It was ms old since then, and has become older */
static void age_is(const struct kvbucket *b, uint64_t stamp, uint64_t ms,
		   uint64_t since)
{
	const uint64_t age = kvbucket_age(b, stamp);

	ck_assert_uint_ge(age, ms);
	ck_assert_uint_le(age, ms + tmr_jiffies() - since + 2);
}


START_TEST(test_age)
{
	/* the server's clock is right, 2 s ahead, 2 s behind, of another
	   century: ages are the same */
	static const int64_t aheadv[] = { 0, 2, -2, 3000000000LL, -900000000 };
	const int64_t s = 1000000000;
	size_t i;

	for (i=0; i<ARRAY_SIZE(aheadv); i++) {
		struct kvbucket b = { .clock = false };
		const uint64_t now_ms = tmr_jiffies();
		const uint64_t now = utc() + (uint64_t)(aheadv[i] * s);

		kvbucket_stamp(&b, now);
		age_is(&b, now - (uint64_t)(5 * s), 5000, now_ms);
		age_is(&b, now, 0, now_ms);
		ck_assert_uint_eq(0, kvbucket_age(&b, now +
						  (uint64_t)(600 * s)));

		/* a stamp that was long on its way says nothing new, one that
		   was faster does */
		kvbucket_stamp(&b, now - (uint64_t)(3 * s));
		age_is(&b, now - (uint64_t)(5 * s), 5000, now_ms);
		kvbucket_stamp(&b, utc() + (uint64_t)((aheadv[i] + 60) * s));
		age_is(&b, now - (uint64_t)(5 * s), 65000, now_ms);
	}
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("natsjs");

	tcase_add_test(tc, test_push);
	tcase_add_test(tc, test_time);
	tcase_add_test(tc, test_headers);
	tcase_add_test(tc, test_reply);
	tcase_add_test(tc, test_value);
	tcase_add_test(tc, test_age);

	return suite_run("natsjs", tc);
}
