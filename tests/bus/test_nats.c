/**
 * @file test_nats.c  The bus over NATS when things go wrong
 *
 * What test_bus.c tests for every kind of bus holds here, too. Here servers
 * die and come back, the network is cut or slow, doors are locked. "near" and
 * "far" are two members of one bus; "far" goes through a relay.
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <stdlib.h>
#include <signal.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "natsd.h"
#include "loop.h"
#include "relay.h"
#include "certs.h"


/* Neither of these ends what a busy machine only takes its time for. */
enum { LIMIT_MS = 90000, KV_MS = 60000 };

static struct fixture {
	struct natsd nd;
	struct natsd nodev[3];
	struct relay relay;
	struct bus *near, *far;
	struct bus_watch *watch, *watch2;
	struct bus_sub *sub, *sub2;
	struct bus_listener *listener;
	struct mbuf *told;
	const char *expected;
	uint64_t rev;
	unsigned n;
} fix;


static void setup(void)
{
	memset(&fix, 0, sizeof(fix));
	ck_assert_int_eq(0, libre_init());
	fix.told = mbuf_alloc(1024);
}


static void teardown(void)
{
	size_t i;

	mem_deref(fix.watch);
	mem_deref(fix.watch2);
	mem_deref(fix.sub);
	mem_deref(fix.sub2);
	mem_deref(fix.listener);
	mem_deref(fix.near);
	mem_deref(fix.far);
	mem_deref(fix.told);
	relay_stop(&fix.relay);
	natsd_close(&fix.nd);
	for (i=0; i<ARRAY_SIZE(fix.nodev); i++)
		natsd_close(&fix.nodev[i]);
	libre_close();
}


static bool near_up(void)
{
	return bus_state(fix.near) == BUS_UP;
}


static bool near_down(void)
{
	return bus_state(fix.near) == BUS_DOWN;
}


static bool far_up(void)
{
	return bus_state(fix.far) == BUS_UP;
}


static bool far_down(void)
{
	return bus_state(fix.far) == BUS_DOWN;
}


static void until(bool (*done)(void))
{
	ck_assert(loop_until(done, LIMIT_MS));
}


static void tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)mbuf_vprintf(fix.told, fmt, ap);
	va_end(ap);
	(void)mbuf_write_u8(fix.told, '\n');
}


static void told(const char *expected)
{
	fix.told->pos = fix.told->end;
	(void)mbuf_write_u8(fix.told, 0);
	ck_assert_str_eq(expected, (char *)fix.told->buf);
	fix.told->pos = fix.told->end = 0;
}


static bool told_has(const char *line)
{
	bool has;

	fix.told->pos = fix.told->end;
	(void)mbuf_write_u8(fix.told, 0);
	has = strstr((char *)fix.told->buf, line) != NULL;
	fix.told->pos = --fix.told->end;

	return has;
}


static void told_forget(void)
{
	fix.told->pos = fix.told->end = 0;
}


static bool told_length(void)
{
	return fix.told->end >= strlen(fix.expected);
}


/* Waits for that much to be told, and a little for what must not come */
static void await(const char *expected)
{
	fix.expected = expected;
	(void)loop_until(told_length, LIMIT_MS);
	loop_run(50);
	told(expected);
}


static const char *const *wanted;

static bool told_wanted(void)
{
	size_t i;

	for (i=0; wanted[i]; i++) {
		if (!told_has(wanted[i]))
			return false;
	}

	return true;
}


/* Waits for these lines, in any order and among others, and forgets them;
   ends with NULL */
static void await_all(const char *const *linev)
{
	wanted = linev;
	until(told_wanted);
	told_forget();
}


static void bus_conf(struct bus **busp, const struct bus_nats_conf *conf)
{
	const char *wrong = NULL;

	ck_assert_int_eq(0, bus_alloc_nats(busp, conf, &wrong));
}


static void bus_make(struct bus **busp, const char *url)
{
	const struct bus_nats_conf conf = { .url = url, .kv_timeout = KV_MS };

	bus_conf(busp, &conf);
}


/* One server, both connected */
static void pair_make(unsigned delay_ms)
{
	natsd_start(&fix.nd);
	relay_start(&fix.relay, fix.nd.port, delay_ms);
	bus_make(&fix.near, fix.nd.url);
	bus_make(&fix.far, fix.relay.url);
	until(near_up);
	until(far_up);
}


static const char *err_name(int err)
{
	switch (err) {

	case 0:          return "0";
	case EEXIST:     return "EEXIST";
	case ESTALE:     return "ESTALE";
	case ENOENT:     return "ENOENT";
	case ETIMEDOUT:  return "ETIMEDOUT";
	case ENOTCONN:   return "ENOTCONN";
	case ECONNRESET: return "ECONNRESET";
	default:         return "?";
	}
}


static struct pl text(const uint8_t *buf, size_t len)
{
	struct pl pl = { buf ? (const char *)buf : "-", buf ? len : 1 };

	return pl;
}


static void kv_handler(int err, uint64_t rev, const uint8_t *buf, size_t len,
		       void *arg)
{
	struct pl pl = text(buf, len);

	fix.rev = rev;
	tell("%s %s %r", arg, err_name(err), &pl);
}


static void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct pl pl = text(buf, len);
	(void)rev;

	tell("%s %s %r", arg, key ? key : "(all)", &pl);
}


static void msg_handler(const char *subject, const uint8_t *buf, size_t len,
			struct bus_reply *reply, void *arg)
{
	struct pl pl = text(buf, len);

	tell("%s %s %r", arg, subject, &pl);
	mem_deref(reply);
}


static void echo_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	(void)subject;
	(void)arg;
	(void)bus_respond(reply, buf, len);
}


static void resp_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct pl pl = text(buf, len);

	tell("%s %s %r", arg, err_name(err), &pl);
}


static void state_handler(enum bus_state state, void *arg)
{
	tell("%s %s", arg, state == BUS_UP ? "up" : "down");
}


static const uint8_t *bytes(const char *s)
{
	return (const uint8_t *)s;
}


static void put(struct bus *bus, const char *key, const char *val,
		uint32_t ttl)
{
	ck_assert_int_eq(0, bus_kv_put(NULL, bus, "b", key, bytes(val),
				       strlen(val), ttl, kv_handler, "put"));
	await("put 0 -\n");
}


static void del(struct bus *bus, const char *key)
{
	ck_assert_int_eq(0, bus_kv_delete(NULL, bus, "b", key, 0, kv_handler,
					  "del"));
	await("del 0 -\n");
}


static void get(struct bus *bus, const char *key)
{
	ck_assert_int_eq(0, bus_kv_get(NULL, bus, "b", key, kv_handler,
				       "get"));
}


static int publish(struct bus *bus, const char *subject, const char *val)
{
	return bus_publish(bus, subject, bytes(val), strlen(val));
}


static void watch(struct bus *bus)
{
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, bus, "b", ">",
					 watch_handler, "watch"));
}


START_TEST(test_later)
{
	struct bus_kvop *op;

	/* NATS is not there yet, and everything begins nevertheless */
	fix.nd.port = natsd_port_free();
	re_snprintf(fix.nd.url, sizeof(fix.nd.url), "nats://127.0.0.1:%u",
		    fix.nd.port);
	bus_make(&fix.near, fix.nd.url);
	ck_assert_int_eq(0, bus_state_listen(&fix.listener, fix.near,
					     state_handler, "bus"));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.near, "s",
					  msg_handler, "sub"));
	watch(fix.near);
	ck_assert_int_eq(ENOTCONN, publish(fix.near, "s", "lost"));
	ck_assert_int_eq(0, bus_request(NULL, fix.near, "s", NULL, 0, 5000,
					resp_handler, "resp"));
	told("");
	await("resp ENOTCONN -\n");

	ck_assert_int_eq(0, bus_kv_create(NULL, fix.near, "b", "k",
					  bytes("v"), 1, 0, kv_handler,
					  "create"));
	ck_assert_int_eq(0, bus_kv_get(&op, fix.near, "b", "k", kv_handler,
				       "cancelled"));
	mem_deref(op);
	loop_run(100);
	told("");

	natsd_start(&fix.nd);
	until(near_up);
	await_all((const char *const []){"bus up\n", "create 0 -\n",
		  "watch k v\n", "watch (all) -\n", NULL});

	ck_assert_int_eq(0, publish(fix.near, "s", "heard"));
	await("sub s heard\n");
}
END_TEST


/* What had waited too long has made room */
static bool put_fits(void)
{
	return !bus_kv_put(NULL, fix.near, "b", "k", NULL, 0, 0, NULL, NULL);
}


START_TEST(test_never)
{
	struct bus_nats_conf conf = {
		.url = "nats://127.0.0.1:1", .kv_timeout = 500
	};
	unsigned n = 0;
	uint8_t *big;
	uint64_t t0 = tmr_jiffies();
	int err = 0;

	bus_conf(&fix.near, &conf);
	get(fix.near, "k");
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "k", bytes("v"),
				       1, 0, NULL, NULL));
	await("get ENOTCONN -\n");
	ck_assert_uint_ge(tmr_jiffies() - t0, 450);

	/* what waits is bounded */
	big = mem_zalloc(BUS_PAYLOAD_MAX, NULL);
	while (!err && n < 1000) {
		err = bus_kv_put(NULL, fix.near, "b", "k", big,
				 BUS_PAYLOAD_MAX, 0, NULL, NULL);
		++n;
	}
	mem_deref(big);
	ck_assert_int_eq(ENOBUFS, err);
	ck_assert_uint_gt(n, 100);
	until(put_fits);

	/* it goes away at once, with everything under way */
	get(fix.near, "k");
	watch(fix.near);
	fix.near = mem_deref(fix.near);
	loop_run(50);
	told("");
}
END_TEST


static bool goes_gone(void)
{
	return told_has("watch goes -\n") && told_has("watch (all) -\n");
}


START_TEST(test_restart)
{
	/* the server is killed and comes back with what it had */
	natsd_start(&fix.nd);
	bus_make(&fix.near, fix.nd.url);
	until(near_up);
	put(fix.near, "stays", "1", 0);
	put(fix.near, "goes", "2", 0);
	watch(fix.near);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.near, "s",
					  msg_handler, "sub"));
	await("watch stays 1\nwatch goes 2\nwatch (all) -\n");

	ck_assert_int_eq(0, bus_request(NULL, fix.near, "s", bytes("?"), 1,
					5000, resp_handler, "resp"));
	await("sub s ?\n");
	natsd_stop(&fix.nd, SIGKILL);
	until(near_down);
	await("resp ECONNRESET -\n");

	/* waits for the server */
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.near, "b", "goes", 0,
					  NULL, NULL));
	loop_run(200);
	natsd_start(&fix.nd);
	until(near_up);
	until(goes_gone);
	ck_assert(!told_has("stays"));
	told_forget();

	ck_assert_int_eq(0, publish(fix.near, "s", "again"));
	await("sub s again\n");
	get(fix.near, "stays");
	get(fix.near, "goes");
	await("get 0 1\nget ENOENT -\n");
}
END_TEST


START_TEST(test_missed)
{
	/* what the others did while we were cut off is told afterwards */
	pair_make(0);
	put(fix.near, "same", "1", 0);
	put(fix.near, "changed", "2", 0);
	put(fix.near, "deleted", "3", 0);
	put(fix.near, "again", "4", 0);
	watch(fix.far);
	await("watch same 1\nwatch changed 2\nwatch deleted 3\n"
	      "watch again 4\nwatch (all) -\n");

	relay_cut(&fix.relay);
	until(far_down);
	put(fix.near, "changed", "2b", 0);
	del(fix.near, "deleted");
	del(fix.near, "again");
	put(fix.near, "again", "4b", 0);
	put(fix.near, "new", "5", 0);
	put(fix.near, "brief", "6", 0);
	del(fix.near, "brief");
	loop_run(200);
	told("");

	relay_mend(&fix.relay);
	until(far_up);
	await("watch changed 2b\nwatch deleted -\nwatch again 4b\n"
	      "watch new 5\nwatch (all) -\n");

	/* and goes on */
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "new",
				       bytes("5b"), 2, 0, NULL, NULL));
	await("watch new 5b\n");
}
END_TEST


START_TEST(test_stalled)
{
	/* nothing comes through, and no connection breaks */
	pair_make(0);
	put(fix.near, "k", "1", 0);
	watch(fix.far);
	await("watch k 1\nwatch (all) -\n");

	relay_stall(&fix.relay, true);
	ck_assert_int_eq(0, bus_request(NULL, fix.far, "nobody", NULL, 0, 300,
					resp_handler, "resp"));
	await("resp ETIMEDOUT -\n");
	put(fix.near, "k", "2", 0);
	until(far_down);
	put(fix.near, "k", "3", 0);

	/* nobody gets through before all is as it should be */
	relay_cut(&fix.relay);
	relay_stall(&fix.relay, false);
	relay_mend(&fix.relay);
	until(far_up);
	await("watch k 3\nwatch (all) -\n");
}
END_TEST


START_TEST(test_wiped)
{
	/* the server comes back with nothing */
	natsd_start(&fix.nd);
	bus_make(&fix.near, fix.nd.url);
	until(near_up);
	put(fix.near, "a", "1", 0);
	put(fix.near, "b", "2", 0);
	watch(fix.near);
	await("watch a 1\nwatch b 2\nwatch (all) -\n");

	natsd_stop(&fix.nd, SIGKILL);
	until(near_down);
	natsd_wipe(&fix.nd);
	natsd_start(&fix.nd);
	until(near_up);
	await_all((const char *const []){"watch a -\n", "watch b -\n",
		  "watch (all) -\n", NULL});

	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "a", bytes("3"),
				       1, 0, NULL, NULL));
	await("watch a 3\n");
}
END_TEST


START_TEST(test_ttl_reconnect)
{
	enum { LIFE = 4000 };
	uint64_t begin;

	pair_make(0);
	put(fix.near, "stays", "0", 0);
	watch(fix.far);
	await("watch stays 0\nwatch (all) -\n");
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "kept",
				       bytes("1"), 1, LIFE, NULL, NULL));
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "dead",
				       bytes("2"), 1, LIFE, NULL, NULL));
	begin = tmr_jiffies();
	await_all((const char *const []){"watch kept 1\n", "watch dead 2\n",
		  NULL});

	/* nothing expires while we cannot know */
	relay_cut(&fix.relay);
	until(far_down);
	put(fix.near, "kept", "1b", 10 * LIFE);
	while (tmr_jiffies() < begin + LIFE + 500)
		loop_run(100);
	told("");

	/* it is not told again, and gets its time anew */
	relay_mend(&fix.relay);
	until(far_up);
	await("watch kept 1b\nwatch (all) -\n");
	begin = tmr_jiffies();
	await("watch dead -\n");
	ck_assert_uint_ge(tmr_jiffies() - begin, LIFE / 2);

	/* for others it expired long ago */
	get(fix.near, "dead");
	await("get ENOENT -\n");
	mem_deref(fix.watch);
	watch(fix.near);
	await("watch stays 0\nwatch kept 1b\nwatch (all) -\n");
}
END_TEST


START_TEST(test_ttl_restart)
{
	/* age counts while the server is away */
	natsd_start(&fix.nd);
	bus_make(&fix.near, fix.nd.url);
	until(near_up);
	put(fix.near, "long", "1", 600000);
	put(fix.near, "short", "2", 1000);
	natsd_stop(&fix.nd, SIGKILL);
	until(near_down);
	loop_run(1000);
	natsd_start(&fix.nd);
	until(near_up);
	get(fix.near, "short");
	await("get ENOENT -\n");
	get(fix.near, "long");
	await("get 0 1\n");
	watch(fix.near);
	await("watch long 1\nwatch (all) -\n");
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.near, "b", "short",
					  bytes("3"), 1, 0, kv_handler,
					  "create"));
	await_all((const char *const []){"create 0 -\n", "watch short 3\n",
		  NULL});
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.near, "b", "long",
					  bytes("4"), 1, 0, kv_handler,
					  "create"));
	await("create EEXIST 1\n");
}
END_TEST


static void many_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	(void)rev;
	(void)buf;
	(void)len;
	(void)arg;
	ck_assert_int_eq(0, err);
	if (++fix.n == 3000)
		re_cancel();
}


/* A request of its own comes back, so the server knows its subscription */
static bool near_hears(void)
{
	static bool asked, heard;

	if (told_has("self 0 x")) {
		told_forget();
		heard = true;
	}
	if (!asked)
		(void)bus_request(NULL, fix.near, "q", bytes("x"), 1, 30000,
				  resp_handler, "self");
	asked = true;

	return heard;
}


START_TEST(test_slow)
{
	unsigned i;

	/* 200 ms each way: slow, but thousands are under way at once */
	pair_make(200);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.near, "q",
					  echo_handler, NULL));
	until(near_hears);
	ck_assert_int_eq(0, bus_request(NULL, fix.far, "q", bytes("x"), 1,
					30000, resp_handler, "resp"));
	await("resp 0 x\n");
	ck_assert_int_eq(0, bus_request(NULL, fix.far, "nobody", NULL, 0,
					30000, resp_handler, "none"));
	await("none ENOENT -\n");

	/* one after the other they would take twenty minutes */
	put(fix.far, "first", "x", 0);
	for (i=0; i<3000; i++) {
		char key[32];

		re_snprintf(key, sizeof(key), "k.%u", i);
		ck_assert_int_eq(0, bus_kv_create(NULL, fix.far, "b", key,
						  (uint8_t *)&i, 4, 0,
						  many_handler, NULL));
	}
	loop_run(LIMIT_MS);
	ck_assert_uint_eq(3000, fix.n);

	/* who is slow loses against who is fast, and hears of it */
	relay_stall(&fix.relay, true);
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.far, "b", "race",
					  bytes("far"), 3, 0, kv_handler,
					  "far"));
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.near, "b", "race",
					  bytes("near"), 4, 0, kv_handler,
					  "near"));
	await("near 0 -\n");
	relay_stall(&fix.relay, false);
	await("far EEXIST near\n");
}
END_TEST


START_TEST(test_reply_lost)
{
	/* it was stored, and the word of it did not come through */
	pair_make(0);
	put(fix.far, "first", "x", 0);
	watch(fix.near);
	await("watch first x\nwatch (all) -\n");
	relay_mute(&fix.relay, true);
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.far, "b", "k",
					  bytes("v"), 1, 0, kv_handler,
					  "create"));
	await("watch k v\n");
	relay_cut(&fix.relay);
	until(far_down);
	relay_mute(&fix.relay, false);
	relay_mend(&fix.relay);
	await("create 0 -\n");
	ck_assert_int_eq(0, bus_kv_update(NULL, fix.far, "b", "k", fix.rev,
					  bytes("w"), 1, 0, kv_handler,
					  "update"));
	await_all((const char *const []){"update 0 -\n", "watch k w\n",
		  NULL});
}
END_TEST


START_TEST(test_flood)
{
	static uint8_t buf[1024];
	struct bus_stats st;
	unsigned n = 0;
	int err = 0;

	/* the server takes nothing more: we do not, either, and nobody waits
	   for it: that would end when it is given up, with ENOTCONN */
	natsd_start(&fix.nd);
	bus_make(&fix.near, fix.nd.url);
	until(near_up);
	ck_assert_int_eq(0, kill(fix.nd.pid, SIGSTOP));

	while (n < 200000 && !err) {
		err = bus_publish(fix.near, "flood", buf, sizeof(buf));
		++n;
	}
	ck_assert_int_eq(ENOBUFS, err);
	ck_assert_uint_gt(n, 10000);
	ck_assert_uint_lt(n, 70000);
	bus_stats_get(fix.near, &st);
	ck_assert_uint_eq(1, st.refused);
	ck_assert_uint_gt(st.waiting, 10000);

	/* it is given up, and found again */
	until(near_down);
	ck_assert_int_eq(ENOTCONN, publish(fix.near, "flood", "x"));
	ck_assert_int_eq(0, kill(fix.nd.pid, SIGCONT));
	until(near_up);
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.near, "s",
					  msg_handler, "sub"));
	ck_assert_int_eq(0, publish(fix.near, "s", "x"));
	await("sub s x\n");
	bus_stats_get(fix.near, &st);
	ck_assert_uint_eq(2, st.refused);
	ck_assert_uint_eq(2, st.connects);
}
END_TEST


static void big_handler(const char *key, uint64_t rev, const uint8_t *buf,
			size_t len, void *arg)
{
	(void)rev;
	(void)buf;
	(void)arg;
	if (!key) {
		re_cancel();
		return;
	}
	ck_assert_uint_eq(BUS_PAYLOAD_MAX, len);
	++fix.n;
}


START_TEST(test_big)
{
	uint8_t *buf = mem_zalloc(BUS_PAYLOAD_MAX, NULL);
	char key[16];
	unsigned i;

	/* a main thread that does not look drowns nobody */
	natsd_start(&fix.nd);
	bus_make(&fix.near, fix.nd.url);
	until(near_up);
	for (i=0; i<100; i++) {
		re_snprintf(key, sizeof(key), "k%u", i);
		ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", key, buf,
					       BUS_PAYLOAD_MAX, 0, kv_handler,
					       "put"));
		await("put 0 -\n");
	}
	mem_deref(buf);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.near, "b", ">",
					 big_handler, NULL));
	loop_run(1);
	sys_msleep(1500);
	loop_run(LIMIT_MS);
	ck_assert_uint_eq(100, fix.n);
}
END_TEST


static uint64_t messages;


static void info_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	const struct odict_entry *e;
	struct odict *od = NULL;
	(void)arg;

	ck_assert_int_eq(0, err);
	ck_assert_int_eq(0, json_decode_odict(&od, 8, (const char *)buf, len,
					      8));
	e = odict_lookup(od, "state");
	ck_assert_ptr_nonnull(e);
	ck_assert(odict_get_number(e->u.odict, &messages, "messages"));
	mem_deref(od);
	re_cancel();
}


/* What really is stored in the bucket */
static uint64_t stored(struct bus *bus)
{
	messages = 0;
	ck_assert_int_eq(0, bus_request(NULL, bus, "$JS.API.STREAM.INFO.KV_b",
					NULL, 0, 5000, info_handler, NULL));
	loop_run(LIMIT_MS);

	return messages;
}


static void nothing_handler(int err, uint64_t rev, const uint8_t *buf,
			    size_t len, void *arg)
{
	(void)err;
	(void)rev;
	(void)buf;
	(void)len;
	(void)arg;
	++fix.n;
}


static bool all_deleted(void)
{
	return fix.n >= 100;
}


/* Waits until little more is stored than what there is */
static void await_few(struct bus *bus)
{
	const uint64_t end = tmr_jiffies() + LIMIT_MS;
	uint64_t n;

	while ((n = stored(bus)) > 4 && tmr_jiffies() < end)
		loop_run(200);
	ck_assert_uint_le(n, 4);
}


START_TEST(test_growth)
{
	struct bus_nats_conf conf = { .mark_life = 400, .kv_timeout = KV_MS };
	char key[16];
	unsigned i;

	natsd_start(&fix.nd);
	conf.url = fix.nd.url;
	bus_conf(&fix.near, &conf);
	until(near_up);
	put(fix.near, "stays", "1", 0);
	put(fix.near, "lives", "1", 60000);

	/* who deletes removes the mark */
	for (i=0; i<100; i++) {
		re_snprintf(key, sizeof(key), "k%u", i);
		ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", key, NULL,
					       0, 0, NULL, NULL));
		ck_assert_int_eq(0, bus_kv_delete(NULL, fix.near, "b", key, 0,
						  nothing_handler, NULL));
	}
	until(all_deleted);
	await_few(fix.near);

	/* who watches removes what has expired */
	watch(fix.near);
	await("watch stays 1\nwatch lives 1\nwatch (all) -\n");
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", "short", NULL, 0,
				       1000, NULL, NULL));
	await("watch short \nwatch short -\n");
	await_few(fix.near);
	fix.watch = mem_deref(fix.watch);

	/* and of those who died somebody does */
	for (i=0; i<100; i++) {
		re_snprintf(key, sizeof(key), "k%u", i);
		ck_assert_int_eq(0, bus_kv_put(NULL, fix.near, "b", key, NULL,
					       0, i & 1 ? 300 : 0, NULL,
					       NULL));
		if (i & 1)
			continue;
		ck_assert_int_eq(0, bus_kv_delete(NULL, fix.near, "b", key, 0,
						  nothing_handler, NULL));
	}
	fix.n = 50;
	until(all_deleted);
	fix.near = mem_deref(fix.near);
	bus_conf(&fix.far, &conf);
	until(far_up);
	get(fix.far, "stays");
	await("get 0 1\n");
	await_few(fix.far);
	get(fix.far, "lives");
	await("get 0 1\n");
}
END_TEST


START_TEST(test_password)
{
	struct bus_nats_conf conf = {
		.url = fix.nd.url, .kv_timeout = KV_MS
	};

	fix.nd.argv[0] = "--user";
	fix.nd.argv[1] = "junctor";
	fix.nd.argv[2] = "--pass";
	fix.nd.argv[3] = "secret";
	natsd_start(&fix.nd);

	/* nobody, then the wrong one, then the right one */
	bus_conf(&fix.near, &conf);
	loop_run(600);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.near));
	fix.near = mem_deref(fix.near);

	conf.user = "junctor";
	conf.password = "wrong";
	bus_conf(&fix.near, &conf);
	loop_run(1200);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.near));
	fix.near = mem_deref(fix.near);

	/* credentials that are none */
	conf.credentials = fix.nd.dir;
	conf.user = conf.password = NULL;
	bus_conf(&fix.near, &conf);
	loop_run(800);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.near));
	fix.near = mem_deref(fix.near);

	conf.credentials = NULL;
	conf.user = "junctor";
	conf.password = "secret";
	bus_conf(&fix.near, &conf);
	until(near_up);
	put(fix.near, "k", "v", 0);
}
END_TEST


static void certs_prepare(void)
{
	const char *dir = fix.nd.dir;

	/* its folder is made by its first start */
	natsd_start(&fix.nd);
	natsd_stop(&fix.nd, SIGKILL);
	certs_make(dir, NULL, "ca", NULL);
	certs_make(dir, NULL, "otherca", NULL);
	certs_make(dir, "ca", "server", "DNS:localhost,IP:127.0.0.1");
	certs_make(dir, "ca", "elsewhere", "DNS:elsewhere,IP:127.0.0.2");
	certs_make(dir, "ca", "client", "DNS:client");
	certs_make(dir, "otherca", "stranger", "DNS:client");
}


static const char *cert(const char *name)
{
	static char filev[16][128];
	static unsigned n;
	char *p = filev[n++ % ARRAY_SIZE(filev)];

	(void)re_snprintf(p, sizeof(filev[0]), "%s/%s", fix.nd.dir, name);

	return p;
}


START_TEST(test_tls)
{
	struct bus_nats_conf conf = {
		.url = fix.nd.url, .kv_timeout = KV_MS
	};

	certs_prepare();
	fix.nd.argv[0] = "--tlsverify";
	fix.nd.argv[1] = "--tlscert";
	fix.nd.argv[2] = cert("server.pem");
	fix.nd.argv[3] = "--tlskey";
	fix.nd.argv[4] = cert("server.key");
	fix.nd.argv[5] = "--tlscacert";
	fix.nd.argv[6] = cert("ca.pem");
	natsd_start(&fix.nd);

	/* not encrypted */
	bus_conf(&fix.near, &conf);
	loop_run(600);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.near));
	fix.near = mem_deref(fix.near);

	/* a server that we do not trust */
	conf.tls_ca   = cert("otherca.pem");
	conf.tls_cert = cert("client.pem");
	conf.tls_key  = cert("client.key");
	bus_conf(&fix.near, &conf);
	loop_run(600);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.near));
	fix.near = mem_deref(fix.near);

	/* a client that it does not trust */
	conf.tls_ca   = cert("ca.pem");
	conf.tls_cert = cert("stranger.pem");
	conf.tls_key  = cert("stranger.key");
	bus_conf(&fix.near, &conf);
	loop_run(1000);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.near));
	fix.near = mem_deref(fix.near);

	/* one that shows nothing */
	conf.tls_cert = conf.tls_key = NULL;
	bus_conf(&fix.near, &conf);
	loop_run(1000);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.near));
	fix.near = mem_deref(fix.near);

	conf.tls_cert = cert("client.pem");
	conf.tls_key  = cert("client.key");
	bus_conf(&fix.near, &conf);
	until(near_up);
	put(fix.near, "k", "v", 0);
	watch(fix.near);
	await("watch k v\nwatch (all) -\n");
	natsd_stop(&fix.nd, SIGKILL);
	until(near_down);
	natsd_start(&fix.nd);
	until(near_up);
	await("watch (all) -\n");
}
END_TEST


START_TEST(test_tls_host)
{
	struct bus_nats_conf conf = {
		.url = fix.nd.url, .kv_timeout = KV_MS
	};
	char url[64];

	/* it has a good certificate, of another host */
	certs_prepare();
	fix.nd.argv[0] = "--tls";
	fix.nd.argv[1] = "--tlscert";
	fix.nd.argv[2] = cert("elsewhere.pem");
	fix.nd.argv[3] = "--tlskey";
	fix.nd.argv[4] = cert("elsewhere.key");
	natsd_start(&fix.nd);

	conf.tls_ca = cert("ca.pem");
	bus_conf(&fix.near, &conf);
	loop_run(800);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.near));
	fix.near = mem_deref(fix.near);

	(void)re_snprintf(url, sizeof(url), "tls://localhost:%u",
			  fix.nd.port);
	conf.url = url;
	bus_conf(&fix.near, &conf);
	loop_run(800);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.near));
	fix.near = mem_deref(fix.near);

	natsd_stop(&fix.nd, SIGKILL);
	fix.nd.argv[2] = cert("server.pem");
	fix.nd.argv[4] = cert("server.key");
	natsd_start(&fix.nd);
	bus_conf(&fix.near, &conf);
	until(near_up);
	fix.near = mem_deref(fix.near);
	conf.url = fix.nd.url;
	bus_conf(&fix.near, &conf);
	until(near_up);
}
END_TEST


START_TEST(test_conf)
{
	static const struct { const char *url, *wrong; } urlv[] = {
		{"", "url"}, {",", "url"}, {"http://127.0.0.1:1", "url"},
		{"nats://u:p@127.0.0.1:1", "url"},
		{"nats://127.0.0.1:1,ws://127.0.0.1", "url"},
		{"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "url"},
	};
	struct bus_nats_conf conf = { .url = NULL };
	const char *wrong = NULL;
	size_t i;

	ck_assert_int_eq(EINVAL, bus_alloc_nats(&fix.near, &conf, &wrong));
	for (i=0; i<ARRAY_SIZE(urlv); i++) {
		conf.url = urlv[i].url;
		ck_assert_int_eq(EINVAL, bus_alloc_nats(&fix.near, &conf,
							&wrong));
		ck_assert_str_eq(urlv[i].wrong, wrong);
		ck_assert_int_eq(EINVAL, bus_nats_check(&conf, &wrong));
		ck_assert_str_eq(urlv[i].wrong, wrong);
	}

	certs_prepare();
	conf.url = "tls://127.0.0.1:1, nats://localhost:2";
	ck_assert_int_eq(0, bus_nats_check(&conf, &wrong));
	conf.tls_ca = cert("ca.key");
	ck_assert_int_eq(EINVAL, bus_nats_check(&conf, &wrong));
	ck_assert_str_eq("tls_ca", wrong);
	conf.tls_ca = cert("none.pem");
	ck_assert_int_eq(EINVAL, bus_nats_check(&conf, &wrong));
	ck_assert_str_eq("tls_ca", wrong);
	conf.tls_ca = cert("ca.pem");
	conf.tls_cert = cert("client.pem");
	conf.tls_key = cert("stranger.key");
	ck_assert_int_eq(EINVAL, bus_nats_check(&conf, &wrong));
	ck_assert_str_eq("tls_key", wrong);
	conf.tls_key = cert("client.key");
	ck_assert_int_eq(0, bus_nats_check(&conf, &wrong));
	ck_assert_int_eq(EINVAL, bus_alloc_nats(NULL, &conf, &wrong));
	ck_assert_int_eq(EINVAL, bus_alloc_nats(&fix.near, NULL, &wrong));
}
END_TEST


static void node_conf(struct natsd *nd, unsigned i, const unsigned *portv)
{
	static char argv[3][6][160];

	(void)re_snprintf(argv[i][0], sizeof(argv[i][0]), "n%u", i);
	(void)re_snprintf(argv[i][1], sizeof(argv[i][1]),
			  "nats://127.0.0.1:%u", portv[i]);
	(void)re_snprintf(argv[i][2], sizeof(argv[i][2]),
			  "nats://127.0.0.1:%u,nats://127.0.0.1:%u,"
			  "nats://127.0.0.1:%u", portv[0], portv[1],
			  portv[2]);
	nd->argv[0] = "--name";
	nd->argv[1] = argv[i][0];
	nd->argv[2] = "--cluster_name";
	nd->argv[3] = "c";
	nd->argv[4] = "--cluster";
	nd->argv[5] = argv[i][1];
	nd->argv[6] = "--routes";
	nd->argv[7] = argv[i][2];
}


static char changed[32];


static bool cluster_told(void)
{
	return told_has("put 0 -\n") && told_has(changed);
}


START_TEST(test_cluster)
{
	struct bus_nats_conf conf = { .replicas = 3, .kv_timeout = KV_MS };
	unsigned portv[3], i;
	char url[200];

	for (i=0; i<3; i++)
		portv[i] = natsd_port_free();
	for (i=0; i<3; i++) {
		node_conf(&fix.nodev[i], i, portv);
		natsd_start(&fix.nodev[i]);
	}
	re_snprintf(url, sizeof(url), "%s,%s,%s", fix.nodev[0].url,
		    fix.nodev[1].url, fix.nodev[2].url);
	conf.url = url;
	bus_conf(&fix.near, &conf);
	bus_conf(&fix.far, &conf);
	until(near_up);
	until(far_up);
	put(fix.near, "k", "1", 0);
	put(fix.near, "l", "1", 0);
	watch(fix.near);
	await("watch k 1\nwatch l 1\nwatch (all) -\n");

	/* each of them in turn, so the leader is one of them */
	for (i=0; i<3; i++) {
		char val[8];

		natsd_stop(&fix.nodev[i], SIGKILL);
		re_snprintf(val, sizeof(val), "%u", 10 + i);
		ck_assert_int_eq(0, bus_kv_put(NULL, fix.far, "b", "k",
					       bytes(val), 2, 0, kv_handler,
					       "put"));
		re_snprintf(changed, sizeof(changed), "watch k %s\n", val);
		(void)loop_until(cluster_told, LIMIT_MS);
		ck_assert(cluster_told());
		ck_assert(!told_has("watch l"));
		told_forget();
		natsd_start(&fix.nodev[i]);
		loop_run(3000);
		told_forget();
	}
}
END_TEST


int main(void)
{
	Suite *s = suite_create("nats");
	TCase *tc = tcase_create("nats"), *tcc = tcase_create("cluster");
	SRunner *sr;
	int failed;

	if (!natsd_installed()) {
		(void)re_fprintf(stderr, "skipped: nats-server is not"
				 " installed (contrib/packages)\n");
		return 77;
	}

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, test_later);
	tcase_add_test(tc, test_never);
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_missed);
	tcase_add_test(tc, test_stalled);
	tcase_add_test(tc, test_wiped);
	tcase_add_test(tc, test_ttl_reconnect);
	tcase_add_test(tc, test_ttl_restart);
	tcase_add_test(tc, test_slow);
	tcase_add_test(tc, test_reply_lost);
	tcase_add_test(tc, test_flood);
	tcase_add_test(tc, test_big);
	tcase_add_test(tc, test_growth);
	tcase_add_test(tc, test_password);
	tcase_add_test(tc, test_tls);
	tcase_add_test(tc, test_tls_host);
	tcase_add_test(tc, test_conf);
	suite_add_tcase(s, tc);

	tcase_add_checked_fixture(tcc, setup, teardown);
	tcase_set_timeout(tcc, 600);
	tcase_add_test(tcc, test_cluster);
	suite_add_tcase(s, tcc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
