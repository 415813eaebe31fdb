/**
 * @file test_bus.c  What every kind of bus must do
 *
 * Each test runs against every factory below. What handlers are told is
 * written down as one line per call and compared as a whole: what happened, in
 * which order, and nothing more.
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/subject.h"
#include "bus/heap.h"
#include "natsd.h"
#include "loop.h"


/* It only ends what would never end: a busy machine takes its time. */
enum { LIMIT_MS = 60000 };

typedef int (factory_h)(struct bus **busp);

struct fixture {
	struct natsd natsd;
	struct bus *bus;
	struct mbuf *told;
	struct bus_sub *sub;
	struct bus_req *req;
	struct bus_kvop *op;
	struct bus_watch *watch;
	struct bus_reply *reply;
	unsigned n, gone, many;
};

static struct fixture fix;


static bool is_up(void)
{
	return bus_state(fix.bus) == BUS_UP;
}


static int nats_alloc(struct bus **busp)
{
	struct bus_nats_conf conf = {
		.url = fix.natsd.url, .kv_timeout = LIMIT_MS
	};
	const char *wrong;
	int err;

	if (!fix.natsd.pid)
		natsd_start(&fix.natsd);

	err = bus_alloc_nats(busp, &conf, &wrong);
	if (!err)
		ck_assert(loop_until(is_up, LIMIT_MS));

	return err;
}


/* A space inside another one, in memory */
static int space_alloc(struct bus **busp)
{
	struct bus *outer = NULL, *middle = NULL;
	int err;

	err = bus_alloc_memory(&outer);
	if (!err)
		err = bus_alloc_space(&middle, outer, "b1");
	if (!err)
		err = bus_alloc_space(busp, middle, "x-2");
	mem_deref(middle);
	mem_deref(outer);

	return err;
}


static factory_h *const factoryv[] = {
	bus_alloc_memory,
	space_alloc,
	nats_alloc,
};


static void setup(void)
{
	memset(&fix, 0, sizeof(fix));
	ck_assert_int_eq(0, libre_init());
	fix.told = mbuf_alloc(256);
}


static void teardown(void)
{
	fix.sub = mem_deref(fix.sub);
	fix.watch = mem_deref(fix.watch);
	fix.reply = mem_deref(fix.reply);
	fix.bus = mem_deref(fix.bus);
	fix.told = mem_deref(fix.told);
	natsd_close(&fix.natsd);
	libre_close();
}


/* Runs the main loop until something is so; time is up after LIMIT_MS */
static void run_until(bool (*done)(void))
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


static const char *expected_text;

static bool told_length(void)
{
	return fix.told->end >= strlen(expected_text);
}


/* Waits until that much was told, and a little for what must not come */
static void await(const char *expected)
{
	expected_text = expected;
	(void)loop_until(told_length, LIMIT_MS);
	loop_run(20);
	told(expected);
}


static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}


/* The same, whatever the order of the lines: expected is sorted */
static void await_sorted(const char *expected)
{
	char *linev[64], *buf, *p;
	size_t n = 0, i;

	expected_text = expected;
	(void)loop_until(told_length, LIMIT_MS);
	loop_run(20);

	buf = mem_zalloc(fix.told->end + 1, NULL);
	memcpy(buf, fix.told->buf, fix.told->end);
	fix.told->pos = fix.told->end = 0;
	for (p = buf; *p && n < ARRAY_SIZE(linev); n++) {
		char *lf = strchr(p, '\n');

		*lf = '\0';
		linev[n] = p;
		p = lf + 1;
	}
	qsort(linev, n, sizeof(*linev), line_cmp);
	for (i=0; i<n; i++)
		tell("%s", linev[i]);
	mem_deref(buf);
	told(expected);
}


static struct pl text(const uint8_t *buf, size_t len)
{
	struct pl pl = { buf ? (const char *)buf : "-", buf ? len : 1 };

	return pl;
}


static void msg_handler(const char *subject, const uint8_t *buf, size_t len,
			struct bus_reply *reply, void *arg)
{
	struct pl pl = text(buf, len);

	tell("%s %s %r%s", arg, subject, &pl, reply ? " ?" : "");
	mem_deref(reply);
}


static void echo_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	ck_assert_ptr_nonnull(reply);
	tell("%s %s", arg, subject);
	ck_assert_int_eq(0, bus_respond(reply, buf, len));
}


static void keep_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	tell("%s %s", arg, subject);
	fix.reply = reply;
}


static void throw_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	(void)buf;
	(void)len;
	tell("%s %s", arg, subject);
	mem_deref(reply);
}


static void resp_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct pl pl = text(buf, len);

	ck_assert_ptr_null(fix.req);
	tell("%s %s %r", arg, err == ETIMEDOUT ? "ETIMEDOUT" :
	     err == ENOENT ? "ENOENT" : err ? "?" : "0", &pl);
}


static const char *err_name(int err)
{
	switch (err) {

	case 0:         return "0";
	case EEXIST:    return "EEXIST";
	case ESTALE:    return "ESTALE";
	case ENOENT:    return "ENOENT";
	case ETIMEDOUT: return "ETIMEDOUT";
	default:        return "?";
	}
}


static uint64_t last_rev;

static void kv_handler(int err, uint64_t rev, const uint8_t *buf, size_t len,
		       void *arg)
{
	struct pl pl = text(buf, len);

	last_rev = rev;
	tell("%s %s %r", arg, err_name(err), &pl);
}


static void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct pl pl = text(buf, len);

	ck_assert_int_eq(key != NULL, rev != 0);
	tell("%s %s %r", arg, key ? key : "(all)", &pl);
}


static const uint8_t *bytes(const char *s)
{
	return (const uint8_t *)s;
}


static void publish(const char *subject, const char *s)
{
	ck_assert_int_eq(0, bus_publish(fix.bus, subject, bytes(s),
					strlen(s)));
}


static void put(const char *key, const char *val, uint32_t ttl)
{
	ck_assert_int_eq(0, bus_kv_put(NULL, fix.bus, "b", key, bytes(val),
				       strlen(val), ttl, NULL, NULL));
}


START_TEST(test_publish)
{
	struct bus_sub *all = NULL, *word = NULL;

	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	publish("a.b", "early");
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "a.b",
					  msg_handler, "one"));
	ck_assert_int_eq(0, bus_subscribe(&all, fix.bus, "a.>",
					  msg_handler, "all"));
	ck_assert_int_eq(0, bus_subscribe(&word, fix.bus, "*.b",
					  msg_handler, "word"));
	publish("a.b", "1");
	publish("a.b.c", "2");
	publish("c.b", "");
	publish("a", "nobody");
	told("");               /* never inside the call */
	await_sorted("all a.b 1\nall a.b.c 2\none a.b 1\nword a.b 1\n"
		     "word c.b \n");

	mem_deref(word);
	publish("c.b", "3");
	publish("a.b", "4");
	mem_deref(all);         /* was there when it happened, not any more */
	await("one a.b 4\n");

	/* one publisher's messages arrive in order */
	publish("a.b", "5");
	publish("a.b", "6");
	publish("a.b", "7");
	await("one a.b 5\none a.b 6\none a.b 7\n");
}
END_TEST


static void first_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	struct bus_sub **subv = arg;

	/* ends itself and the next one */
	tell("first %s", subject);
	subv[0] = mem_deref(subv[0]);
	subv[1] = mem_deref(subv[1]);
	publish("s", "from within");
}


START_TEST(test_unsubscribe_within)
{
	struct bus_sub *subv[2], *third;

	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&subv[0], fix.bus, "s",
					  first_handler, subv));
	ck_assert_int_eq(0, bus_subscribe(&subv[1], fix.bus, "t",
					  msg_handler, "second"));
	ck_assert_int_eq(0, bus_subscribe(&third, fix.bus, "s",
					  msg_handler, "third"));
	publish("s", "x");
	publish("t", "unheard");
	await_sorted("first s\nthird s from within\nthird s x\n");
	mem_deref(third);
}
END_TEST


START_TEST(test_request)
{
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  echo_handler, "echo"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", bytes("hi"),
					2, 30000, resp_handler, "resp"));
	ck_assert_ptr_nonnull(fix.req);
	told("");
	await("echo q\nresp 0 hi\n");

	ck_assert_int_eq(0, bus_request(NULL, fix.bus, "nobody", NULL, 0,
					30000, resp_handler, "resp"));
	await("resp ENOENT -\n");
}
END_TEST


/* Some kinds of bus know that nobody waits any more. */
static void respond_late(void)
{
	const int err = bus_respond(fix.reply, NULL, 0);

	ck_assert(!err || err == ENOTCONN);
	fix.reply = NULL;
}


START_TEST(test_request_timeout)
{
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  keep_handler, "keep"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 1000,
					resp_handler, "resp"));
	await_sorted("keep q\nresp ETIMEDOUT -\n");

	/* the answer comes too late */
	respond_late();
	fix.sub = mem_deref(fix.sub);

	/* a reply that is thrown away is no reply */
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  throw_handler, "throw"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 1000,
					resp_handler, "resp"));
	await_sorted("resp ETIMEDOUT -\nthrow q\n");
}
END_TEST


START_TEST(test_request_cancel)
{
	struct bus_sub *second;

	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  keep_handler, "keep"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 2000,
					resp_handler, "resp"));
	await("keep q\n");
	fix.req = mem_deref(fix.req);
	respond_late();

	/* cancelled with the reply on its way */
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 2000,
					resp_handler, "resp"));
	await("keep q\n");
	ck_assert_int_eq(0, bus_respond(fix.reply, NULL, 0));
	fix.reply = NULL;
	fix.req = mem_deref(fix.req);

	/* neither is told that time is up */
	loop_run(2500);
	told("");

	/* the first reply counts */
	ck_assert_int_eq(0, bus_subscribe(&second, fix.bus, "q",
					  echo_handler, "echo"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", bytes("x"), 1,
					30000, resp_handler, "resp"));
	await_sorted("echo q\nkeep q\nresp 0 x\n");
	respond_late();
	loop_run(60);
	told("");
	mem_deref(second);
}
END_TEST


static void request_handler(int err, const uint8_t *buf, size_t len,
			    void *arg)
{
	unsigned *n = arg;

	ck_assert_int_eq(0, err);
	ck_assert_uint_eq(4, len);
	(void)buf;
	++*n;
	if (++fix.n == 2000)
		re_cancel();
}


START_TEST(test_request_many)
{
	static unsigned nv[2000];
	unsigned i;

	/* all at once, and each gets one reply: its own */
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q.*",
					  echo_handler, "echo"));
	for (i=0; i<2000; i++) {
		nv[i] = 0;
		ck_assert_int_eq(0, bus_request(NULL, fix.bus, "q.x",
						(uint8_t *)&i, 4, 50000,
						request_handler, &nv[i]));
	}
	loop_run(LIMIT_MS);
	for (i=0; i<2000; i++)
		ck_assert_uint_eq(1, nv[i]);
}
END_TEST


START_TEST(test_kv)
{
	uint64_t rev;

	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_kv_create(&fix.op, fix.bus, "b", "k",
					  bytes("v1"), 2, 0, kv_handler,
					  "create"));
	ck_assert_ptr_nonnull(fix.op);
	told("");
	await("create 0 -\n");
	ck_assert_ptr_null(fix.op);
	rev = last_rev;
	ck_assert_uint_ne(0, rev);

	ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", "k",
					  bytes("v2"), 2, 0, kv_handler,
					  "create"));
	await("create EEXIST v1\n");
	ck_assert_uint_eq(rev, last_rev);

	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", rev + 1,
					  bytes("v3"), 2, 0, kv_handler,
					  "update"));
	await("update ESTALE v1\n");
	ck_assert_uint_eq(rev, last_rev);

	/* operations on one key happen one after the other */
	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", rev,
					  bytes("v3"), 2, 0, kv_handler,
					  "update"));
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	await("update 0 -\nget 0 v3\n");
	ck_assert_uint_gt(last_rev, rev);

	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", rev,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", 0,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", 0,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", rev,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", last_rev,
					  NULL, 0, 0, kv_handler, "update"));
	await("delete ESTALE v3\ndelete 0 -\ndelete ENOENT -\n"
	      "delete ENOENT -\nget ENOENT -\nupdate ENOENT -\n");

	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "none", "k", kv_handler,
				       "get"));
	await("get ENOENT -\n");

	/* not wanting to know does not undo it */
	ck_assert_int_eq(0, bus_kv_create(&fix.op, fix.bus, "b", "k",
					  bytes("v4"), 2, 0, kv_handler,
					  "create"));
	fix.op = mem_deref(fix.op);
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	await("get 0 v4\n");

	/* an empty value is a value */
	put("k", "", 0);
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", "k",
					  bytes("v5"), 2, 0, kv_handler,
					  "create"));
	await("get 0 \ncreate EEXIST \n");

	/* without wanting to know, too */
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", 0, NULL,
					  NULL));
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", "k",
					  bytes("v6"), 2, 0, kv_handler,
					  "create"));
	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", 0,
					  bytes("v7"), 2, 0, kv_handler,
					  "update"));
	await("create 0 -\nupdate ESTALE v6\n");
}
END_TEST


static void race_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	unsigned *won = arg;

	ck_assert(!err || err == EEXIST);
	ck_assert_uint_ne(0, rev);
	(void)buf;
	(void)len;
	if (!err)
		++*won;
	if (++fix.n == 3000)
		re_cancel();
}


START_TEST(test_kv_race)
{
	static unsigned wonv[1000];
	char key[32];
	unsigned i;

	/* a thousand keys, three want each */
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	for (i=0; i<3000; i++) {
		wonv[i % 1000] = 0;
		re_snprintf(key, sizeof(key), "k.%u", i % 1000);
		ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", key,
						  (uint8_t *)&i, 4, 0,
						  race_handler,
						  &wonv[i % 1000]));
	}
	loop_run(LIMIT_MS);
	ck_assert_uint_eq(3000, fix.n);
	for (i=0; i<1000; i++)
		ck_assert_uint_eq(1, wonv[i]);
}
END_TEST


START_TEST(test_kv_watch)
{
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	put("a.1", "x", 0);
	put("b.1", "y", 0);
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "b.1", kv_handler,
				       "get"));
	await("get 0 y\n");
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "a.*",
					 watch_handler, "watch"));
	told("");
	await("watch a.1 x\nwatch (all) -\n");
	put("a.2", "z", 0);
	put("a.1", "x2", 0);
	put("a.3", "", 0);
	await("watch a.2 z\nwatch a.1 x2\nwatch a.3 \n");
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "a.1", 0,
					  kv_handler, "delete"));
	put("b.2", "unseen", 0);
	await_sorted("delete 0 -\nwatch a.1 -\n");

	fix.watch = mem_deref(fix.watch);
	put("a.3", "unheard", 0);
	loop_run(50);
	told("");

	/* ended before it began */
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 watch_handler, "watch"));
	fix.watch = mem_deref(fix.watch);
	loop_run(50);
	told("");
}
END_TEST


static void once_handler(const char *key, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	watch_handler(key, rev, buf, len, arg);
	fix.watch = mem_deref(fix.watch);
}


static bool watch_ended(void)
{
	return !fix.watch;
}


START_TEST(test_kv_watch_end_within)
{
	struct bus_watch *other;

	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	put("a", "x", 0);
	put("b", "x", 0);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 once_handler, "initial"));
	run_until(watch_ended);
	fix.told->pos = fix.told->end = 0;     /* order of two is not told */

	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "c",
					 once_handler, "once"));
	ck_assert_int_eq(0, bus_kv_watch(&other, fix.bus, "b", "c",
					 watch_handler, "other"));
	await_sorted("once (all) -\nother (all) -\n");

	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "d",
					 watch_handler, "kept"));
	await("kept (all) -\n");
	put("c", "1", 0);
	await("other c 1\n");
	mem_deref(other);
}
END_TEST


static void get(const char *key)
{
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", key, kv_handler,
				       (void *)key));
}


START_TEST(test_kv_ttl)
{
	enum { LIFE = 2500 };
	uint64_t begin;

	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	put("first", "", 0);
	get("first");
	await("first 0 \n");

	begin = tmr_jiffies();
	put("renewed", "2", LIFE);
	put("renewed", "2", 600000);
	put("stays", "3", 0);
	put("made-lasting", "4", LIFE);
	put("made-lasting", "5", 0);
	put("short", "1", LIFE);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "short",
					 watch_handler, "watch"));
	await("watch short 1\nwatch (all) -\nwatch short -\n");
	ck_assert_uint_ge(tmr_jiffies() - begin, LIFE - 50);

	/* those that were stored before it are all past their first time */
	get("short");
	get("renewed");
	get("stays");
	get("made-lasting");
	await_sorted("made-lasting 0 5\nrenewed 0 2\nshort ENOENT -\n"
		     "stays 0 3\n");

	/* what has expired stands in nobody's way */
	ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", "short",
					  bytes("6"), 1, 0, kv_handler,
					  "create"));
	await_sorted("create 0 -\nwatch short 6\n");

	/* a life that is made shorter ends sooner */
	fix.watch = mem_deref(fix.watch);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "renewed",
					 watch_handler, "watch"));
	await("watch renewed 2\nwatch (all) -\n");
	put("renewed", "7", LIFE);
	await("watch renewed 7\nwatch renewed -\n");
}
END_TEST


static void count_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	const bool first = arg != NULL;
	(void)rev;
	(void)len;

	if (key && buf)
		++fix.n;
	else if (key)
		++fix.gone;
	if (!key && first)
		re_cancel();
}


static bool all_gone(void)
{
	return fix.gone == fix.many;
}


START_TEST(test_kv_many)
{
	/* in memory all are stored at once, elsewhere it takes longer */
	const uint32_t life = _i < 2 ? 2000 : 15000;
	char key[32];
	unsigned i;

	fix.many = _i < 2 ? 5000 : 1500;
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	for (i=0; i<fix.many; i++) {
		re_snprintf(key, sizeof(key), "k.%u", i);
		put(key, key, life + i % 50);
	}
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 count_handler, NULL));

	/* each is told once when the watch begins, once when it expires */
	run_until(all_gone);
	loop_run(50);
	ck_assert_uint_eq(fix.many, fix.n);
	ck_assert_uint_eq(fix.many, fix.gone);
	fix.n = fix.gone = 0;
	fix.watch = mem_deref(fix.watch);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 count_handler, "first"));
	loop_run(LIMIT_MS);
	ck_assert_uint_eq(0, fix.n);
	ck_assert_uint_eq(0, fix.gone);
}
END_TEST


static void again_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	(void)subject;
	(void)buf;
	(void)len;
	(void)reply;
	(void)arg;
	++fix.n;
	publish("again", "x");
}


static bool again_enough(void)
{
	return fix.n >= 500;
}


START_TEST(test_endless)
{
	/* a handler that always has more to say starves nobody: the timer
	   that looks for an end has its turn */
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "again",
					  again_handler, NULL));
	publish("again", "x");
	run_until(again_enough);
}
END_TEST


static void drop_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	tell("drop");
	fix.bus = mem_deref(fix.bus);
	mem_deref(reply);
}


START_TEST(test_close)
{
	struct bus_watch *watch;
	struct bus_sub *sub;

	/* all kinds of things under way */
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&sub, fix.bus, "q",
					  keep_handler, "keep"));
	ck_assert_int_eq(0, bus_kv_watch(&watch, fix.bus, "b", ">",
					 watch_handler, "watch"));
	ck_assert_int_eq(0, bus_request(NULL, fix.bus, "q", NULL, 0, 60000,
					resp_handler, "resp"));
	await_sorted("keep q\nwatch (all) -\n");
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 60000,
					resp_handler, "resp"));
	ck_assert_int_eq(0, bus_kv_get(&fix.op, fix.bus, "b", "k", kv_handler,
				       "get"));
	put("k", "v", 30);
	publish("q", "late");
	fix.bus = mem_deref(fix.bus);
	ck_assert_ptr_null(fix.req);
	ck_assert_ptr_null(fix.op);
	ck_assert_int_eq(ENOTCONN, bus_respond(fix.reply, NULL, 0));
	fix.reply = NULL;
	loop_run(50);
	told("");
	mem_deref(sub);
	mem_deref(watch);

	/* from within a handler */
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&sub, fix.bus, "q",
					  drop_handler, NULL));
	publish("q", "1");
	publish("q", "2");
	await("drop\n");
	mem_deref(sub);
}
END_TEST


START_TEST(test_rejects)
{
	static const char *const subjectv[] = {
		"", ".", "a.", ".a", "a..b", "a b", "a\n", "*", "a.>", "a.*",
		"\xc3\xa4", "a\x7f",
	};
	static const char *const patternv[] = {
		"", "a.", ">.a", "a*", "*a", "a>", "a.>b", "**", ".*",
	};
	static const char *const keyv[] = {
		"", "a%b", "a+b", "a..b", "*", ">", "a$", "a:b",
	};
	static const char *const bucketv[] = { "", "a.b", "a b", "*", "a/b" };
	char subject[BUS_SUBJECT_MAX + 2];
	size_t i;

	ck_assert_int_eq(0, factoryv[_i](&fix.bus));

	for (i=0; i<ARRAY_SIZE(subjectv); i++) {
		ck_assert_int_eq(EINVAL, bus_publish(fix.bus, subjectv[i],
						     NULL, 0));
		ck_assert_int_eq(EINVAL, bus_request(NULL, fix.bus,
						     subjectv[i], NULL, 0, 1,
						     resp_handler, NULL));
	}
	for (i=0; i<ARRAY_SIZE(patternv); i++) {
		ck_assert_int_eq(EINVAL, bus_subscribe(&fix.sub, fix.bus,
						       patternv[i],
						       msg_handler, NULL));
		ck_assert_int_eq(EINVAL, bus_kv_watch(&fix.watch, fix.bus,
						      "b", patternv[i],
						      watch_handler, NULL));
	}
	for (i=0; i<ARRAY_SIZE(keyv); i++) {
		ck_assert_int_eq(EINVAL, bus_kv_put(NULL, fix.bus, "b",
						    keyv[i], NULL, 0, 0,
						    NULL, NULL));
		ck_assert_int_eq(EINVAL, bus_kv_get(NULL, fix.bus, "b",
						    keyv[i], kv_handler,
						    NULL));
	}
	for (i=0; i<ARRAY_SIZE(bucketv); i++)
		ck_assert_int_eq(EINVAL, bus_kv_delete(NULL, fix.bus,
						       bucketv[i], "k", 0,
						       NULL, NULL));

	memset(subject, 'a', sizeof(subject));
	subject[BUS_SUBJECT_MAX + 1] = '\0';
	ck_assert_int_eq(EINVAL, bus_publish(fix.bus, subject, NULL, 0));
	/* spaces take some of it */
	subject[BUS_SUBJECT_MAX -
		(bus_space_up(fix.bus) ? sizeof("in.b1.in.x-2.") - 1 : 0)] =
		'\0';
	ck_assert_int_eq(0, bus_publish(fix.bus, subject, NULL, 0));

	ck_assert_int_eq(EINVAL, bus_publish(fix.bus, "a", NULL, 1));
	ck_assert_int_eq(EINVAL, bus_publish(fix.bus, "a", bytes("x"),
					     BUS_PAYLOAD_MAX + 1));
	ck_assert_int_eq(EINVAL, bus_publish(NULL, "a", NULL, 0));
	ck_assert_int_eq(EINVAL, bus_request(NULL, fix.bus, "a", NULL, 0, 0,
					     resp_handler, NULL));
	ck_assert_int_eq(EINVAL, bus_respond(NULL, NULL, 0));
	loop_run(10);
	told("");
}
END_TEST


START_TEST(test_subject_match)
{
	static const struct { const char *pattern, *subject; bool match; }
	v[] = {
		{"a", "a", true}, {"a", "b", false}, {"a", "a.b", false},
		{"a.b", "a", false}, {"a.b", "a.b", true},
		{"a.b", "a.bc", false}, {"a.bc", "a.b", false},
		{"*", "a", true}, {"*", "a.b", false}, {"*.b", "a.b", true},
		{"a.*", "a.b", true}, {"a.*", "a", false},
		{"a.*", "a.b.c", false}, {"a.*.c", "a.b.c", true},
		{"a.*.c", "a.b.d", false}, {"*.*", "a.b", true},
		{">", "a", true}, {">", "a.b.c", true}, {"a.>", "a.b", true},
		{"a.>", "a.b.c", true}, {"a.>", "a", false},
		{"a.>", "b.c", false}, {"*.b.>", "a.b.c", true},
		{"*.b.>", "a.b", false},
	};
	size_t i;

	for (i=0; i<ARRAY_SIZE(v); i++)
		ck_assert_msg(v[i].match == subject_match(v[i].pattern,
							  v[i].subject),
			      "%s %s", v[i].pattern, v[i].subject);
}
END_TEST


START_TEST(test_heap)
{
	enum { N = 500 };
	static struct heap_node nodev[N];
	struct heap heap = { .nodev = NULL };
	struct heap_node *node;
	uint64_t last = 0;
	unsigned i, n = 0;
	uint32_t x = 1;

	/* in, changed and out again in disorder */
	for (i=0; i<3*N; i++) {
		x = x * 1103515245 + 12345;
		ck_assert_int_eq(0, heap_insert(&heap, &nodev[i % N],
						x >> 20));
	}
	for (i=0; i<N; i+=3)
		heap_remove(&heap, &nodev[i]);
	heap_remove(&heap, &nodev[0]);
	ck_assert_uint_eq(0, nodev[0].pos);

	while ((node = heap_first(&heap))) {
		ck_assert_uint_ge(node->when, last);
		last = node->when;
		heap_remove(&heap, node);
		++n;
	}
	ck_assert_uint_eq(N - (N + 2) / 3, n);

	ck_assert_int_eq(0, heap_insert(&heap, &nodev[0], 1));
	heap_reset(&heap);
	ck_assert_uint_eq(0, nodev[0].pos);
	ck_assert_ptr_null(heap_first(&heap));
}
END_TEST


static void subject_handler(const char *subject, const uint8_t *buf,
			    size_t len, struct bus_reply *reply, void *arg)
{
	struct pl pl = text(buf, len);
	(void)arg;

	tell("%s %r", subject, &pl);
	mem_deref(reply);
}


/* Who is in different spaces does not hear one another. */
START_TEST(test_spaces)
{
	static const char *const badv[] = {
		"", "a.b", "a_b", "a b", "*", ">",
		"a-name-that-is-too-long-for-a-space",
	};
	struct bus *mem, *b1, *b2, *x = NULL;
	struct bus_sub *subv[3];
	size_t i;

	ck_assert_int_eq(0, bus_alloc_memory(&mem));
	ck_assert_int_eq(0, bus_alloc_space(&b1, mem, "b1"));
	ck_assert_int_eq(0, bus_alloc_space(&b2, mem, "b2"));
	ck_assert_ptr_eq(mem, bus_space_up(b1));
	ck_assert_ptr_null(bus_space_up(mem));
	for (i=0; i<ARRAY_SIZE(badv); i++)
		ck_assert_int_eq(EINVAL, bus_alloc_space(&x, mem, badv[i]));
	ck_assert_ptr_null(x);

	ck_assert_int_eq(0, bus_subscribe(&subv[0], mem, "noc.*",
					  subject_handler, NULL));
	ck_assert_int_eq(0, bus_subscribe(&subv[1], b1, "noc.*",
					  subject_handler, NULL));
	ck_assert_int_eq(0, bus_subscribe(&subv[2], b2, "noc.*",
					  subject_handler, NULL));
	ck_assert_int_eq(0, bus_publish(b1, "noc.user", bytes("1"), 1));
	ck_assert_int_eq(0, bus_publish(b2, "noc.user", bytes("2"), 1));
	ck_assert_int_eq(0, bus_publish(mem, "noc.user", bytes("0"), 1));
	ck_assert_int_eq(0, bus_kv_put(NULL, b1, "b", "k", bytes("v"), 1, 0,
				       NULL, NULL));
	ck_assert_int_eq(0, bus_kv_get(NULL, b2, "b", "k", kv_handler,
				       "get"));
	await("noc.user 1\nnoc.user 2\nnoc.user 0\nget ENOENT -\n");

	for (i=0; i<ARRAY_SIZE(subv); i++)
		mem_deref(subv[i]);
	mem_deref(b2);
	mem_deref(b1);
	mem_deref(mem);
}
END_TEST


int main(void)
{
	const int n = natsd_installed() ? ARRAY_SIZE(factoryv) : 1;
	Suite *s = suite_create("bus");
	TCase *tc = tcase_create("bus");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 240);
	if (n == 1)
		(void)re_fprintf(stderr, "no nats-server here: only the bus"
				 " in memory is tested\n");
	tcase_add_loop_test(tc, test_publish, 0, n);
	tcase_add_loop_test(tc, test_unsubscribe_within, 0, n);
	tcase_add_loop_test(tc, test_request, 0, n);
	tcase_add_loop_test(tc, test_request_timeout, 0, n);
	tcase_add_loop_test(tc, test_request_cancel, 0, n);
	tcase_add_loop_test(tc, test_request_many, 0, n);
	tcase_add_loop_test(tc, test_kv, 0, n);
	tcase_add_loop_test(tc, test_kv_race, 0, n);
	tcase_add_loop_test(tc, test_kv_watch, 0, n);
	tcase_add_loop_test(tc, test_kv_watch_end_within, 0, n);
	tcase_add_loop_test(tc, test_kv_ttl, 0, n);
	tcase_add_loop_test(tc, test_kv_many, 0, n);
	tcase_add_loop_test(tc, test_endless, 0, n);
	tcase_add_loop_test(tc, test_close, 0, n);
	tcase_add_loop_test(tc, test_rejects, 0, n);
	tcase_add_test(tc, test_spaces);
	tcase_add_test(tc, test_subject_match);
	tcase_add_test(tc, test_heap);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
