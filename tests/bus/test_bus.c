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


typedef int (factory_h)(struct bus **busp);

static factory_h *const factoryv[] = {
	bus_alloc_memory,
};

struct fixture {
	struct bus *bus;
	struct mbuf *told;
	struct bus_sub *sub;
	struct bus_req *req;
	struct bus_kvop *op;
	struct bus_watch *watch;
	struct bus_reply *reply;
	struct tmr limit, pause;
	unsigned n;
	bool timeout;
};

static struct fixture fix;


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
	libre_close();
}


static void limit_handler(void *arg)
{
	bool *timeout = arg;

	if (timeout)
		*timeout = true;
	re_cancel();
}


/* Runs the main loop for a while */
static void run(uint64_t ms)
{
	tmr_init(&fix.limit);
	tmr_start(&fix.limit, ms, limit_handler, NULL);
	(void)re_main(NULL);
	tmr_cancel(&fix.limit);
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

	ck_assert_int_eq(buf != NULL, rev != 0);
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
	run(20);
	told("one a.b 1\nall a.b 1\nword a.b 1\nall a.b.c 2\nword c.b \n");

	mem_deref(word);
	publish("c.b", "3");
	publish("a.b", "4");
	mem_deref(all);         /* was there when it happened, not any more */
	run(20);
	told("one a.b 4\n");
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
	ck_assert_int_eq(0, bus_subscribe(&subv[1], fix.bus, "s",
					  msg_handler, "second"));
	ck_assert_int_eq(0, bus_subscribe(&third, fix.bus, "s",
					  msg_handler, "third"));
	publish("s", "x");
	run(20);
	told("first s\nthird s x\nthird s from within\n");
	mem_deref(third);
}
END_TEST


START_TEST(test_request)
{
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  echo_handler, "echo"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", bytes("hi"),
					2, 1000, resp_handler, "resp"));
	ck_assert_ptr_nonnull(fix.req);
	told("");
	run(20);
	told("echo q\nresp 0 hi\n");

	ck_assert_int_eq(0, bus_request(NULL, fix.bus, "nobody", NULL, 0,
					1000, resp_handler, "resp"));
	run(20);
	told("resp ENOENT -\n");
}
END_TEST


START_TEST(test_request_timeout)
{
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  keep_handler, "keep"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 30,
					resp_handler, "resp"));
	run(10);
	told("keep q\n");
	run(60);
	told("resp ETIMEDOUT -\n");

	/* the answer comes too late */
	ck_assert_int_eq(ENOTCONN, bus_respond(fix.reply, NULL, 0));
	fix.reply = NULL;

	/* a reply that is thrown away is no reply */
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 30,
					resp_handler, "resp"));
	run(10);
	fix.reply = mem_deref(fix.reply);
	run(60);
	told("keep q\nresp ETIMEDOUT -\n");
}
END_TEST


START_TEST(test_request_cancel)
{
	struct bus_sub *second;

	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "q",
					  keep_handler, "keep"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 30,
					resp_handler, "resp"));
	run(10);
	fix.req = mem_deref(fix.req);
	ck_assert_int_eq(ENOTCONN, bus_respond(fix.reply, NULL, 0));
	fix.reply = NULL;
	run(60);
	told("keep q\n");

	/* cancelled with the reply on its way */
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 30,
					resp_handler, "resp"));
	run(10);
	ck_assert_int_eq(0, bus_respond(fix.reply, NULL, 0));
	fix.reply = NULL;
	fix.req = mem_deref(fix.req);
	run(60);
	told("keep q\n");

	/* the first reply counts */
	ck_assert_int_eq(0, bus_subscribe(&second, fix.bus, "q",
					  echo_handler, "echo"));
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", bytes("x"), 1,
					30, resp_handler, "resp"));
	run(10);
	ck_assert_int_eq(ENOTCONN, bus_respond(fix.reply, NULL, 0));
	fix.reply = NULL;
	run(60);
	told("keep q\necho q\nresp 0 x\n");
	mem_deref(second);
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
	run(10);
	ck_assert_ptr_null(fix.op);
	told("create 0 -\n");
	rev = last_rev;

	ck_assert_int_eq(0, bus_kv_create(NULL, fix.bus, "b", "k",
					  bytes("v2"), 2, 0, kv_handler,
					  "create"));
	run(10);
	told("create EEXIST v1\n");
	ck_assert_uint_eq(rev, last_rev);

	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", rev + 1,
					  bytes("v3"), 2, 0, kv_handler,
					  "update"));
	run(10);
	told("update ESTALE v1\n");
	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", rev,
					  bytes("v3"), 2, 0, kv_handler,
					  "update"));
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	run(10);
	told("update 0 -\nget 0 v3\n");
	ck_assert_uint_gt(last_rev, rev);

	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", rev,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", 0,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "k", 0,
					  kv_handler, "delete"));
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "none", "k", kv_handler,
				       "get"));
	ck_assert_int_eq(0, bus_kv_update(NULL, fix.bus, "b", "k", last_rev,
					  NULL, 0, 0, kv_handler, "update"));
	run(10);
	told("delete ESTALE v3\ndelete 0 -\ndelete ENOENT -\n"
	     "get ENOENT -\nget ENOENT -\nupdate ENOENT -\n");

	/* not wanting to know does not undo it */
	ck_assert_int_eq(0, bus_kv_create(&fix.op, fix.bus, "b", "k",
					  bytes("v4"), 2, 0, kv_handler,
					  "create"));
	fix.op = mem_deref(fix.op);
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "k", kv_handler,
				       "get"));
	run(10);
	told("get 0 v4\n");
}
END_TEST


START_TEST(test_kv_watch)
{
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	put("a.1", "x", 0);
	put("b.1", "y", 0);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "a.*",
					 watch_handler, "watch"));
	put("a.2", "z", 0);
	put("a.1", "x2", 0);
	ck_assert_int_eq(0, bus_kv_delete(NULL, fix.bus, "b", "a.1", 0,
					  kv_handler, "delete"));
	put("b.2", "unseen", 0);
	told("");
	run(10);
	told("watch a.1 x\nwatch (all) -\nwatch a.2 z\nwatch a.1 x2\n"
	     "delete 0 -\nwatch a.1 -\n");

	fix.watch = mem_deref(fix.watch);
	put("a.3", "unheard", 0);
	run(10);
	told("");

	/* ended before it began */
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 watch_handler, "watch"));
	fix.watch = mem_deref(fix.watch);
	run(10);
	told("");
}
END_TEST


static void once_handler(const char *key, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	watch_handler(key, rev, buf, len, arg);
	fix.watch = mem_deref(fix.watch);
}


START_TEST(test_kv_watch_end_within)
{
	struct bus_watch *other;

	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	put("a", "x", 0);
	put("b", "x", 0);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 once_handler, "initial"));
	run(10);
	ck_assert_ptr_null(fix.watch);
	fix.told->pos = fix.told->end = 0;     /* order of two is not told */

	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "c",
					 once_handler, "once"));
	ck_assert_int_eq(0, bus_kv_watch(&other, fix.bus, "b", "c",
					 watch_handler, "other"));
	run(10);
	told("once (all) -\nother (all) -\n");

	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "d",
					 watch_handler, "kept"));
	run(10);
	put("c", "1", 0);
	run(10);
	told("kept (all) -\nother c 1\n");
	mem_deref(other);
}
END_TEST


START_TEST(test_kv_ttl)
{
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	put("short", "1", 200);
	put("renewed", "2", 200);
	put("stays", "3", 0);
	put("made-lasting", "4", 200);
	put("made-lasting", "5", 0);
	run(100);
	put("renewed", "2", 600);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", "short",
					 watch_handler, "watch"));
	run(250);
	told("watch short 1\nwatch (all) -\nwatch short -\n");
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "short",
				       kv_handler, "short"));
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "renewed",
				       kv_handler, "renewed"));
	run(5);
	told("short ENOENT -\nrenewed 0 2\n");
	run(600);
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "renewed",
				       kv_handler, "renewed"));
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "stays",
				       kv_handler, "stays"));
	ck_assert_int_eq(0, bus_kv_get(NULL, fix.bus, "b", "made-lasting",
				       kv_handler, "made-lasting"));
	run(5);
	told("renewed ENOENT -\nstays 0 3\nmade-lasting 0 5\n");
}
END_TEST


static void count_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	if (key)
		++fix.n;
}


START_TEST(test_kv_many)
{
	char key[32];
	int i;

	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	for (i=0; i<5000; i++) {
		re_snprintf(key, sizeof(key), "k.%d", i);
		put(key, key, 1 + i % 50);
	}
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 count_handler, NULL));
	run(200);
	/* each is told once when the watch begins, once when it expires */
	ck_assert_uint_eq(10000, fix.n);
	fix.n = 0;
	fix.watch = mem_deref(fix.watch);
	ck_assert_int_eq(0, bus_kv_watch(&fix.watch, fix.bus, "b", ">",
					 count_handler, NULL));
	run(10);
	ck_assert_uint_eq(0, fix.n);
}
END_TEST


static void again_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	if (++fix.n < 20000)
		publish("again", "x");
}


START_TEST(test_endless)
{
	/* a handler that always has more to say starves nobody */
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&fix.sub, fix.bus, "again",
					  again_handler, NULL));
	publish("again", "x");
	run(1000);
	ck_assert_uint_eq(20000, fix.n);
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
	ck_assert_int_eq(0, bus_request(NULL, fix.bus, "q", NULL, 0, 1000,
					resp_handler, "resp"));
	run(10);
	ck_assert_int_eq(0, bus_request(&fix.req, fix.bus, "q", NULL, 0, 1000,
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
	run(50);
	told("watch (all) -\nkeep q\n");
	mem_deref(sub);
	mem_deref(watch);

	/* from within a handler */
	ck_assert_int_eq(0, factoryv[_i](&fix.bus));
	ck_assert_int_eq(0, bus_subscribe(&sub, fix.bus, "q",
					  drop_handler, NULL));
	publish("q", "1");
	publish("q", "2");
	run(10);
	told("drop\n");
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
	subject[BUS_SUBJECT_MAX] = '\0';
	ck_assert_int_eq(0, bus_publish(fix.bus, subject, NULL, 0));

	ck_assert_int_eq(EINVAL, bus_publish(fix.bus, "a", NULL, 1));
	ck_assert_int_eq(EINVAL, bus_publish(fix.bus, "a", bytes("x"),
					     BUS_PAYLOAD_MAX + 1));
	ck_assert_int_eq(EINVAL, bus_publish(NULL, "a", NULL, 0));
	ck_assert_int_eq(EINVAL, bus_request(NULL, fix.bus, "a", NULL, 0, 0,
					     resp_handler, NULL));
	ck_assert_int_eq(EINVAL, bus_respond(NULL, NULL, 0));
	run(10);
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


int main(void)
{
	const int n = ARRAY_SIZE(factoryv);
	Suite *s = suite_create("bus");
	TCase *tc = tcase_create("bus");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, test_publish, 0, n);
	tcase_add_loop_test(tc, test_unsubscribe_within, 0, n);
	tcase_add_loop_test(tc, test_request, 0, n);
	tcase_add_loop_test(tc, test_request_timeout, 0, n);
	tcase_add_loop_test(tc, test_request_cancel, 0, n);
	tcase_add_loop_test(tc, test_kv, 0, n);
	tcase_add_loop_test(tc, test_kv_watch, 0, n);
	tcase_add_loop_test(tc, test_kv_watch_end_within, 0, n);
	tcase_add_loop_test(tc, test_kv_ttl, 0, n);
	tcase_add_loop_test(tc, test_kv_many, 0, n);
	tcase_add_loop_test(tc, test_endless, 0, n);
	tcase_add_loop_test(tc, test_close, 0, n);
	tcase_add_loop_test(tc, test_rejects, 0, n);
	tcase_add_test(tc, test_subject_match);
	tcase_add_test(tc, test_heap);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
