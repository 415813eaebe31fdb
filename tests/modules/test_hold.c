/**
 * @file test_hold.c  Hold in every form that phones know, and back: a raw
 *                    phone, siphost, groups and the mesh in one server
 *
 * The server runs in the test's thread, the phone in a thread of its own.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <check.h>
#include <re.h>
#include "server/command.h"
#include "server/event.h"
#include "server/server.h"
#include "server/service.h"
#include "siphost/siphost.h"
#include "../sip/phone.h"

enum { WINDOWS = 100 };            /* of time for what has to happen        */

static struct {
	struct server *srv;
	struct listener *running;
	struct mqueue *mq;
	struct sa laddr;
	pthread_t tid;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool done;                 /* under the mutex                       */
	unsigned participants;     /* as the operator's command told        */
	bool held;
	int rtp;                   /* the phone's socket                    */
	unsigned port;             /* and its port                          */
} t;

/* asked of the server's thread by the phone's */
enum ask { ASK_STOP, ASK_LOOK };


static void look_h(int err, const char *reason, const struct odict *result,
		   void *arg)
{
	const struct odict_entry *list, *one;

	(void)reason;
	(void)arg;
	t.participants = 0;

	if (err)
		return;

	list = odict_lookup(result, "participants");
	ck_assert_ptr_nonnull(list);
	t.participants = list_count(&list->u.odict->lst);
	if (!t.participants)
		return;

	one = list_ledata(list->u.odict->lst.head);
	ck_assert(odict_get_boolean(one->u.odict, &t.held, "held"));
}


static void ask_h(int id, void *data, void *arg)
{
	struct odict *args;

	(void)data;
	(void)arg;

	if (id == ASK_STOP) {
		server_stop(t.srv, false);
	}
	else {
		ck_assert(!odict_alloc(&args, 8));
		ck_assert(!odict_entry_add(args, "conference", ODICT_STRING,
					   "room"));
		ck_assert(!command_run(server_commands(t.srv),
				       "participants", args, look_h, NULL));
		mem_deref(args);
	}

	pthread_mutex_lock(&t.mutex);
	t.done = true;
	pthread_cond_signal(&t.cond);
	pthread_mutex_unlock(&t.mutex);
}


static void ask(enum ask what)
{
	t.done = false;
	ck_assert(!mqueue_push(t.mq, what, NULL));

	pthread_mutex_lock(&t.mutex);
	while (!t.done)
		pthread_cond_wait(&t.cond, &t.mutex);
	pthread_mutex_unlock(&t.mutex);
}


/* What the phone offers, what it is answered, whether it is held then. */
static const struct form {
	const char *addr;          /* of c=                                 */
	bool off;                  /* port 0                                */
	const char *attr;
	const char *want, *wantline;
	bool held;
} formv[] = {
	{"127.0.0.1", false, "a=sendonly\r\n", "a=recvonly", "m=audio ",
	 true},
	{"127.0.0.1", false, "a=recvonly\r\n", "a=sendonly", "m=audio ",
	 false},
	{"127.0.0.1", false, "a=inactive\r\n", "a=inactive", "m=audio ",
	 true},
	{"0.0.0.0", false, "", "a=recvonly", "m=audio ", true},
	{"0.0.0.0", false, "a=sendonly\r\n", "a=recvonly", "m=audio ", true},
	{"0.0.0.0", false, "a=inactive\r\n", "a=inactive", "m=audio ", true},
	{"127.0.0.1", true, "", "t=0 0", "m=audio 0 RTP/AVP 0\r\n", true},
	{"127.0.0.1", true, "a=inactive\r\n", "t=0 0",
	 "m=audio 0 RTP/AVP 0\r\n", true},
};


/* What a phone has said takes a while to be known. */
static void look_until(unsigned participants, bool held)
{
	for (unsigned i = 0; i < WINDOWS; i++) {
		ask(ASK_LOOK);
		if (t.participants == participants && t.held == held)
			break;
		loop_run(20);
	}

	ck_assert_uint_eq(t.participants, participants);
	ck_assert(t.held == held);
}


static void offer(struct phone *p, const char *method, unsigned version,
		  const struct form *f)
{
	char sdp[512];

	(void)re_snprintf(sdp, sizeof(sdp), "v=0\r\no=- 1 %u IN IP4 127.0.0.1"
			  "\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
			  "m=audio %u RTP/AVP 0\r\n%s", version, f->addr,
			  f->off ? 0 : t.port, f->attr);
	phone_send(p, method, NULL, sdp);
	ck_assert_uint_eq(phone_status(p), 200);
	if (strcmp(method, "UPDATE"))
		phone_send(p, "ACK", NULL, NULL);
	ck_assert(phone_says(p, f->want));
	ck_assert(phone_says(p, f->wantline));
	look_until(1, f->held);
}


static unsigned rtp_read(void)
{
	char buf[2048];
	unsigned n = 0;

	/* RTCP has a port of its own */
	while (recv(t.rtp, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		++n;

	return n;
}


/* Who is held is sent nothing, who is not hears the room: 10 packets in each
   window, but a machine that is busy may send some late. */
static void hears(bool yes)
{
	unsigned n = 0;

	loop_run(60);
	(void)rtp_read();
	for (unsigned i = 0; i < WINDOWS; i++) {
		loop_run(200);
		n = rtp_read();
		if (yes ? n >= 5 : n == 0)
			return;
	}

	ck_abort_msg("%u packets", n);
}


static void rtp_open(void)
{
	socklen_t len = sizeof(struct sockaddr_in);
	struct sa sa;

	t.rtp = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_ge(t.rtp, 0);
	ck_assert(!sa_set_str(&sa, "127.0.0.1", 0));
	ck_assert_int_eq(bind(t.rtp, &sa.u.sa, sa.len), 0);
	ck_assert_int_eq(getsockname(t.rtp, &sa.u.sa, &len), 0);
	t.port = sa_port(&sa);
}


static void script(struct phone *p)
{
	static const struct form back = {
		"127.0.0.1", false, "a=sendrecv\r\n", "a=sendrecv",
		"m=audio ", false,
	};
	unsigned version = 1;

	offer(p, "INVITE", version, &back);
	hears(true);

	for (size_t i = 0; i < ARRAY_SIZE(formv); i++) {

		const char *method = i & 1 ? "UPDATE" : "INVITE";

		offer(p, method, ++version, &formv[i]);
		hears(!formv[i].held);
		offer(p, method, ++version, &back);
	}

	hears(true);

	/* from one hold into another, and our own offer while it is held */
	offer(p, "INVITE", ++version, &formv[0]);
	offer(p, "INVITE", ++version, &formv[6]);
	offer(p, "INVITE", ++version, &formv[2]);
	phone_send(p, "INVITE", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	ck_assert(phone_says(p, "m=audio "));
	phone_send(p, "ACK", NULL, phone_sdp);
	look_until(1, false);
	offer(p, "INVITE", ++version, &back);
	hears(true);

	/* codecs that nobody knows change nothing */
	phone_send(p, "INVITE", NULL, "v=0\r\no=- 1 99 IN IP4 127.0.0.1\r\n"
		   "s=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		   "m=audio 40000 RTP/AVP 18\r\n");
	ck_assert_uint_eq(phone_status(p), 488);
	phone_send(p, "ACK", NULL, NULL);
	hears(true);

	phone_send(p, "BYE", NULL, NULL);
	ck_assert_uint_eq(phone_status(p), 200);
	look_until(0, false);
	ask(ASK_STOP);
}


static void *phone_run(void *arg)
{
	struct phone p;

	(void)arg;
	ck_assert(!re_thread_init());
	phone_open(&p, &t.laddr, false, "room");
	rtp_open();
	script(&p);
	phone_close(&p);
	(void)close(t.rtp);
	re_thread_close();

	return NULL;
}


static bool running_h(const struct event *ev, void *arg)
{
	const struct siphost_api *api = service_api(t.srv, "siphost");

	(void)ev;
	(void)arg;
	ck_assert_int_eq(api->laddr(api->sh, &t.laddr), 0);
	ck_assert(!pthread_create(&t.tid, NULL, phone_run, NULL));

	return false;
}


START_TEST(hold_forms)
{
	char dir[] = "/tmp/test_hold.XXXXXX", dirv[64], cmd[64];
	const char *const setv[] = {
		"service=siphost", "service=mesh", "service=groups",
		"sip.listen=127.0.0.1:0", "mesh.workers=1",
		"connect.open=yes", dirv,
	};
	struct server_opts opts = {
		.module_path = "modules", .setv = setv,
		.setc = ARRAY_SIZE(setv),
	};

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)re_snprintf(dirv, sizeof(dirv), "server.dir=%s", dir);
	memset(&t, 0, sizeof(t));
	pthread_mutex_init(&t.mutex, NULL);
	pthread_cond_init(&t.cond, NULL);

	ck_assert_int_eq(libre_init(), 0);
	ck_assert_int_eq(mqueue_alloc(&t.mq, ask_h, NULL), 0);
	ck_assert_int_eq(server_alloc(&t.srv, &opts), 0);
	ck_assert_int_eq(event_listen(&t.running, server_events(t.srv),
				      "server.running", EVENT_PRIO_NORMAL,
				      running_h, NULL), 0);
	ck_assert_int_eq(server_run(t.srv), 0);
	ck_assert(!pthread_join(t.tid, NULL));

	mem_deref(t.running);
	mem_deref(t.srv);
	mem_deref(t.mq);
	libre_close();

	(void)re_snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("hold");
	TCase *tc = tcase_create("hold");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, hold_forms);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
