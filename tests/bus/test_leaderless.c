/**
 * @file test_leaderless.c  The bus while a cluster of NATS has no leader
 *
 * Then nobody answers, and who leads later has not heard the questions. A
 * cluster elects when it likes, so here "far" plays JetStream for "near": a
 * nats-server without it carries the questions over.
 */
#include <string.h>
#include <stdarg.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "natsd.h"
#include "loop.h"


enum {
	LIMIT_MS = 90000,
	DEAF     = 5,              /* questions that nobody hears           */
	DEAD     = 3,              /* consumers that never say a word       */
};

static struct fixture {
	struct natsd nd;
	struct bus *near, *far;
	struct bus_sub *api, *kv;
	struct bus_watch *watch;
	unsigned infos, consumers; /* asked for                             */
	unsigned caught_up;
	unsigned deaf, dead;       /* questions still to come               */
	uint32_t kv_ms;            /* operations fail after, 0: 60000       */
	bool stored;
	bool alone;                /* there is no cluster                   */
	bool mute;                 /* what is to be stored is not confirmed */
	bool refuses;              /* ... but with an error                 */
	struct bus_listener *lis;
	char stores[16];           /* each time it was told                 */
} fix;


static void setup(void)
{
	memset(&fix, 0, sizeof(fix));
	ck_assert_int_eq(0, libre_init());
}


static void teardown(void)
{
	mem_deref(fix.watch);
	mem_deref(fix.lis);
	mem_deref(fix.api);
	mem_deref(fix.kv);
	mem_deref(fix.near);
	mem_deref(fix.far);
	natsd_close(&fix.nd);
	libre_close();
}


static void until(bool (*done)(void))
{
	ck_assert(loop_until(done, LIMIT_MS));
}


static bool both_up(void)
{
	return bus_state(fix.near) == BUS_UP && bus_state(fix.far) == BUS_UP;
}


static void answer(struct bus_reply *reply, const char *json)
{
	ck_assert_int_eq(0, bus_respond(reply, (const uint8_t *)json,
					strlen(json)));
}


/* A consumer that nobody else would miss may be silent for longer. */
static void consumer_check(const uint8_t *buf, size_t len)
{
	char json[1024];

	ck_assert_uint_lt(len, sizeof(json));
	memcpy(json, buf, len);
	json[len] = '\0';
	ck_assert_ptr_nonnull(strstr(json, fix.alone ?
				     "\"idle_heartbeat\":5000000000," :
				     "\"idle_heartbeat\":1250000000,"));
}


static void consumer_answer(struct bus_reply *reply)
{
	++fix.consumers;
	if (fix.dead && fix.dead--)
		mem_deref(reply);
	else
		answer(reply, "{\"name\":\"c\",\"num_pending\":0}");
}


static void api_handler(const char *subject, const uint8_t *buf, size_t len,
			struct bus_reply *reply, void *arg)
{
	(void)arg;

	if (strstr(subject, "STREAM.INFO")) {
		++fix.infos;
		if (fix.deaf && fix.deaf--)
			mem_deref(reply);
		else
			answer(reply, fix.alone ?
			       "{\"created\":\"then\",\"state\":"
			       "{\"last_seq\":1},"
			       "\"cluster\":{\"leader\":\"far\"}}" :
			       "{\"created\":\"then\",\"state\":"
			       "{\"last_seq\":1},"
			       "\"cluster\":{\"name\":\"c\","
			       "\"leader\":\"far\"}}");
	}
	else if (strstr(subject, "STREAM.MSG.GET")) {
		answer(reply, "{\"message\":{\"seq\":1,\"time\":"
		       "\"2026-01-01T00:00:00Z\"}}");
	}
	else if (strstr(subject, "CONSUMER.CREATE")) {
		consumer_check(buf, len);
		consumer_answer(reply);
	}
	else {
		mem_deref(reply);
	}
}


static void kv_handler(const char *subject, const uint8_t *buf, size_t len,
		       struct bus_reply *reply, void *arg)
{
	(void)subject;
	(void)buf;
	(void)len;
	(void)arg;

	if (fix.mute)
		mem_deref(reply);
	else if (fix.refuses)
		answer(reply, "{\"error\":{\"code\":503,\"err_code\":10008,"
		       "\"description\":\"not now\"}}");
	else
		answer(reply, "{\"stream\":\"KV_b\",\"seq\":2}");
}


static void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	(void)rev;
	(void)buf;
	(void)len;
	(void)arg;

	if (!key)
		++fix.caught_up;
}


static void stored_handler(int err, uint64_t rev, const uint8_t *buf,
			   size_t len, void *arg)
{
	(void)buf;
	(void)len;
	(void)arg;
	ck_assert_int_eq(0, err);
	ck_assert_uint_eq(2, rev);
	fix.stored = true;
}


static void leader_there(void)
{
	ck_assert_int_eq(0, bus_subscribe(&fix.kv, fix.far, "$KV.>",
					  kv_handler, NULL));
}


static void prepare(void)
{
	struct bus_nats_conf conf = { .replicas = 3 };
	const char *wrong;

	conf.kv_timeout = fix.kv_ms ? fix.kv_ms : 60000;
	fix.nd.plain = true;
	natsd_start(&fix.nd);
	conf.url = fix.nd.url;
	ck_assert_int_eq(0, bus_alloc_nats(&fix.far, &conf, &wrong));
	ck_assert_int_eq(0, bus_subscribe(&fix.api, fix.far, "$JS.API.>",
					  api_handler, NULL));
	leader_there();
	ck_assert_int_eq(0, bus_alloc_nats(&fix.near, &conf, &wrong));
	until(both_up);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.near, "b", ">",
					 watch_handler, NULL));
}


static bool once(void)
{
	return fix.caught_up == 1;
}


static bool twice(void)
{
	return fix.caught_up == 2;
}


START_TEST(test_deaf)
{
	/* a question is repeated until somebody hears it, and a consumer that
	   says nothing is given up for another one: soon, because an election
	   takes long enough */
	fix.deaf = DEAF;
	fix.dead = DEAD;
	prepare();
	until(once);
	ck_assert_uint_gt(fix.infos, DEAF);
	ck_assert_uint_gt(fix.consumers, DEAD);
}
END_TEST


START_TEST(test_silent)
{
	unsigned n;

	/* one that was there and says nothing any more is replaced, sooner or
	   later */
	fix.alone = _i == 1;
	prepare();
	until(once);
	n = fix.consumers;
	until(twice);
	ck_assert_uint_gt(fix.consumers, n);
}
END_TEST


static bool pause_over(void)
{
	static unsigned n;

	return ++n >= 200;
}


static bool stored(void)
{
	return fix.stored;
}


START_TEST(test_nobody)
{
	unsigned n;

	/* nobody takes what is to be stored, and then somebody does: that is
	   no reason to look for the bucket anew */
	prepare();
	until(once);
	n = fix.infos;

	fix.kv = mem_deref(fix.kv);
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "k",
				       (const uint8_t *)"v", 1, 0,
				       stored_handler, NULL));
	until(pause_over);
	ck_assert(!fix.stored);
	leader_there();
	until(stored);
	ck_assert_uint_eq(n, fix.infos);
}
END_TEST


static void stores_handler(bool stores, void *arg)
{
	const size_t n = strlen(fix.stores);
	(void)arg;

	ck_assert(stores == bus_stores(fix.near));
	if (n < sizeof(fix.stores) - 1)
		fix.stores[n] = stores ? '+' : '-';
}


static bool stores_nothing(void)
{
	return !bus_stores(fix.near);
}


static bool stores_again(void)
{
	return bus_stores(fix.near);
}


static void any_handler(int err, uint64_t rev, const uint8_t *buf, size_t len,
			void *arg)
{
	(void)rev;
	(void)buf;
	(void)len;
	*(int *)arg = err;
}


static void echo_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	(void)subject;
	(void)arg;
	(void)bus_respond(reply, buf, len);
}


static bool echoed;


static void echoed_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	(void)buf;
	(void)len;
	(void)arg;
	ck_assert_int_eq(0, err);
	echoed = true;
}


static bool is_echoed(void)
{
	return echoed;
}


static void messages_pass(void)
{
	struct bus_sub *sub;

	echoed = false;
	ck_assert_int_eq(BUS_UP, bus_state(fix.near));
	ck_assert_int_eq(0, bus_subscribe(&sub, fix.near, "echo",
					  echo_handler, NULL));
	ck_assert_int_eq(0, bus_request(NULL, fix.near, "echo", NULL, 0,
					LIMIT_MS, echoed_handler, NULL));
	until(is_echoed);
	mem_deref(sub);
}


static int outcome;


static bool is_over(void)
{
	return outcome != -1;
}


static void store_once(void)
{
	outcome = -1;
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "k",
				       (const uint8_t *)"v", 1, 0,
				       any_handler, &outcome));
}


/* How it comes that nothing is stored: no answer, nobody who would take it,
   or only errors */
enum { MUTE, NOBODY, REFUSED, HOWS };


static void how_set(int how, bool on)
{
	switch (how) {

	case MUTE:
		fix.mute = on;
		break;
	case NOBODY:
		fix.kv = mem_deref(fix.kv);
		if (!on)
			leader_there();
		break;
	default:
		fix.refuses = on;
		break;
	}
}


START_TEST(test_unstored)
{
	/* the bus is up, and stores nothing: it says so, although messages
	   pass, and when that is over */
	fix.kv_ms = _i == MUTE ? 20000 : 60000;
	prepare();
	until(once);
	ck_assert(bus_stores(fix.near));
	ck_assert(!bus_stores(NULL));
	ck_assert_int_eq(EINVAL, bus_store_listen(&fix.lis, fix.near, NULL,
						  NULL));
	ck_assert_int_eq(EINVAL, bus_store_listen(&fix.lis, NULL,
						  stores_handler, NULL));
	ck_assert_int_eq(0, bus_store_listen(&fix.lis, fix.near,
					     stores_handler, NULL));
	store_once();
	until(is_over);
	ck_assert_int_eq(0, outcome);
	until(stores_again);
	memset(fix.stores, 0, sizeof(fix.stores));

	how_set(_i, true);
	store_once();
	until(stores_nothing);
	messages_pass();

	/* once is enough, and without anybody who wants to store anything it
	   finds out */
	if (_i == MUTE) {
		until(is_over);
		ck_assert_int_eq(ETIMEDOUT, outcome);
	}
	ck_assert(!bus_stores(fix.near));
	how_set(_i, false);
	until(stores_again);
	ck_assert_int_eq(0, strncmp("-+", fix.stores, 2));
}
END_TEST


START_TEST(test_unstored_read)
{
	/* nobody answers who reads, either */
	fix.kv_ms = 60000;
	prepare();
	until(once);
	ck_assert_int_eq(0, bus_store_listen(&fix.lis, fix.near,
					     stores_handler, NULL));
	fix.api = mem_deref(fix.api);
	fix.mute = true;
	outcome = -1;
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.near, "b", "k", any_handler,
				       &outcome));
	until(stores_nothing);
	ck_assert(!is_over());
	fix.mute = false;
	until(stores_again);
	ck_assert_int_eq(0, strncmp("-+", fix.stores, 2));
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("leaderless");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, test_deaf);
	tcase_add_loop_test(tc, test_silent, 0, 2);
	tcase_add_test(tc, test_nobody);
	tcase_add_loop_test(tc, test_unstored, 0, HOWS);
	tcase_add_test(tc, test_unstored_read);

	return natsd_run("leaderless", tc);
}
