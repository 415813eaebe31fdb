/**
 * @file test_redirect.c  The fast path in front of a real sofia agent
 *
 *   us                         signalling thread
 *    | INVITE known ----------> fast path
 *    | <------------------ 302
 *    | ACK -------------------> (absorbed)
 *    | anything else ---------> fast path ---> sofia
 *    | <--------------------------------- 480
 */
#include <pthread.h>
#include <stdatomic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <re.h>             /* first: sofia has macros with its names */
#include <sofia-sip/su_wait.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/msg.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <check.h>
#include "sip/preparse.h"
#include "sip/redirect.h"
#include "sip/redirjoin.h"

enum { THREADS = 3, ANSWER = 8192 };

#define CONTACT "sip:%.*s@127.0.0.1:5070;ticket=0a1b"

struct thread {
	struct redirect *r;
	unsigned ix;
	const char *host;
	unsigned port;             /* 0 at first: any                   */
	pthread_t tid;
	atomic_int up;             /* 1 running, -1 failed              */
	atomic_int stop;
	atomic_uint got;          /* messages that sofia got           */
	atomic_uint acks;
	atomic_size_t body;       /* of the last                       */
};

static struct thread threadv[THREADS];


static int answer(struct thread *t, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	char phrase[16];

	if (!sip->sip_request) {
		nta_msg_discard(agent, msg);
		return 0;
	}

	t->body = sip->sip_payload ? sip->sip_payload->pl_len : 0;
	++t->got;

	if (sip->sip_request->rq_method == sip_method_ack) {
		++t->acks;
		nta_msg_discard(agent, msg);
		return 0;
	}

	if (sip->sip_subject && !strcmp(sip->sip_subject->g_string, "302"))
		return nta_msg_treply(agent, msg, 302, "Moved Temporarily",
			SIPTAG_CONTACT_STR("<sip:known@127.0.0.1:5070;"
					   "ticket=0a1b>"), TAG_END());

	(void)snprintf(phrase, sizeof(phrase), "Thread %u", t->ix);

	return nta_msg_treply(agent, msg, 480, phrase, TAG_END());
}


static int handle(nta_agent_magic_t *magic, nta_agent_t *agent, msg_t *msg,
		  sip_t *sip)
{
	return answer((struct thread *)magic, agent, msg, sip);
}


static void *run(void *arg)
{
	struct thread *t = arg;
	su_root_t *root = su_root_create(NULL);
	nta_agent_t *agent;
	char url[64], port[12] = "*";

	ck_assert_int_eq(0, redirect_thread_enter(t->r, t->ix));
	ck_assert_int_eq(EALREADY, redirect_thread_enter(t->r, t->ix));

	if (t->port)
		(void)snprintf(port, sizeof(port), "%u", t->port);
	(void)snprintf(url, sizeof(url), "sip:%s:%s;transport=udp", t->host,
		       port);

	agent = nta_agent_create(root, (url_string_t *)url, handle,
				 (nta_agent_magic_t *)t,
				 NTATAG_UDP_MTU(65535), TAG_END());
	if (agent)
		t->port = (unsigned)strtoul(nta_agent_via(agent)->v_port,
					    NULL, 10);
	t->up = agent ? 1 : -1;

	while (agent && !t->stop)
		su_root_step(root, 5);

	nta_agent_destroy(agent);
	redirect_thread_leave(t->r);
	su_root_destroy(root);

	return NULL;
}


static bool server_start(struct redirect *r, unsigned n, const char *host)
{
	unsigned i;

	for (i=0; i<n; i++) {

		struct thread *t = &threadv[i];

		memset(t, 0, sizeof(*t));
		t->r    = r;
		t->ix   = i;
		t->host = host;
		t->port = threadv[0].port;

		ck_assert_int_eq(0, pthread_create(&t->tid, NULL, run, t));
		while (!t->up)
			usleep(1000);
		if (t->up < 0)
			return false;
	}

	return true;
}


static void server_stop(unsigned n)
{
	unsigned i;

	for (i=0; i<n; i++) {
		threadv[i].stop = 1;
		pthread_join(threadv[i].tid, NULL);
	}
}


static int lookup(const char *conf, size_t conflen, const char *user,
		  size_t userlen, char *contact, size_t sz, size_t *len,
		  void *arg)
{
	if (conflen < 5 || memcmp(conf, "known", 5))
		return ENOENT;

	ck_assert_uint_eq(userlen, 15);
	ck_assert_int_eq(0, memcmp(user, "alice@127.0.0.1", 15));
	ck_assert_ptr_eq(arg, threadv);

	*len = (size_t)snprintf(contact, sz, CONTACT, (int)conflen, conf);

	return 0;
}


static int client(const char *host)
{
	struct timeval tv = {2, 0};
	struct sa sa;
	int fd;

	ck_assert_int_eq(0, sa_set_str(&sa, host, 0));
	fd = socket(sa_af(&sa), SOCK_DGRAM, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(0, bind(fd, &sa.u.sa, sa.len));
	sa_set_port(&sa, (uint16_t)threadv[0].port);
	ck_assert_int_eq(0, connect(fd, &sa.u.sa, sa.len));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));

	return fd;
}


static void text_send(int fd, const char *text, size_t len)
{
	ck_assert_int_eq((ssize_t)len, send(fd, text, len, 0));
}


/* One INVITE or ACK of many */
static size_t request(char *buf, size_t sz, const char *method,
		      const char *conf, const char *callid, unsigned seq,
		      const char *totag, const char *more)
{
	return (size_t)snprintf(buf, sz,
		"%s sip:%s@127.0.0.1 SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 10.9.8.7:9;branch=z9hG4bK%s%u;rport\r\n"
		"Max-Forwards: 70\r\n"
		"From: \"A\" <sip:alice@127.0.0.1>;tag=f1\r\n"
		"To: <sip:%s@127.0.0.1>%s%s\r\nCall-ID: %s\r\n"
		"CSeq: %u %s\r\nContact: <sip:alice@127.0.0.1:9>\r\n"
		"%sContent-Length: 0\r\n\r\n",
		method, conf, callid, seq, conf, totag ? ";tag=" : "",
		totag ? totag : "", callid, seq, method, more);
}


static size_t text_recv(int fd, char *buf)
{
	const ssize_t n = recv(fd, buf, ANSWER - 1, 0);

	ck_assert_msg(n > 0, "no answer");
	buf[n] = '\0';

	return (size_t)n;
}


static void expect(int fd, char *buf, const char *start)
{
	(void)text_recv(fd, buf);
	ck_assert_msg(!strncmp(buf, start, strlen(start)), "not %s but:\n%s",
		      start, buf);
}


static void ask(int fd, char *buf, const char *method, const char *conf,
		const char *callid, unsigned seq, const char *more,
		const char *start)
{
	const size_t n = request(buf, ANSWER, method, conf, callid, seq, NULL,
				 more);
	text_send(fd, buf, n);
	expect(fd, buf, start);
}


static struct redirect *begin(unsigned threads)
{
	struct redirect *r;

	memset(threadv, 0, sizeof(threadv));
	ck_assert_int_eq(0, redirect_alloc(&r, REDIRECT_THREADS_MAX));
	redirect_threads_set(r, threads);
	redirect_handler(r, lookup, threadv);
	ck_assert(server_start(r, threads, "127.0.0.1"));

	return r;
}


static void end(struct redirect *r, unsigned threads)
{
	server_stop(threads);
	mem_deref(r);
}


static void tag_get(char *tag, size_t sz, const char *buf)
{
	const char *to = strstr(buf, "\r\nTo: "), *p = strstr(to, ";tag=");

	ck_assert_ptr_nonnull(p);
	p += 5;
	(void)snprintf(tag, sz, "%.*s", (int)strcspn(p, "\r;"), p);
}


START_TEST(redirected)
{
	struct redirect *r = begin(1);
	struct redirect_stats st;
	char buf[ANSWER], again[ANSWER], tag[64], head[512];
	struct sa sa;
	int fd = client("127.0.0.1");
	size_t n;

	sa.len = sizeof(sa.u);
	ck_assert_int_eq(0, getsockname(fd, &sa.u.sa, &sa.len));

	ask(fd, buf, "INVITE", "known1", "c1", 7, "", "SIP/2.0 302 ");
	tag_get(tag, sizeof(tag), buf);
	(void)snprintf(head, sizeof(head),
		"SIP/2.0 302 Moved Temporarily\r\n"
		"Via: SIP/2.0/UDP 10.9.8.7:9;branch=z9hG4bKc17;rport=%u"
		";received=127.0.0.1\r\n"
		"From: \"A\" <sip:alice@127.0.0.1>;tag=f1\r\n"
		"To: <sip:known1@127.0.0.1>;tag=%s\r\n"
		"Call-ID: c1\r\nCSeq: 7 INVITE\r\n"
		"Contact: <sip:known1@127.0.0.1:5070;ticket=0a1b>\r\n"
		"Content-Length: 0\r\n\r\n", sa_port(&sa), tag);
	ck_assert_str_eq(buf, head);

	/* the same again, and once more */
	ask(fd, again, "INVITE", "known1", "c1", 7, "", "SIP/2.0 302 ");
	ck_assert_str_eq(buf, again);
	ask(fd, again, "INVITE", "known1", "c1", 7, "", "SIP/2.0 302 ");
	ck_assert_str_eq(buf, again);

	/* our ACK, then somebody else's, which sofia gets */
	n = request(buf, sizeof(buf), "ACK", "known1", "c1", 7, tag, "");
	text_send(fd, buf, n);
	tag[0] = tag[0] == '0' ? '1' : '0';
	n = request(buf, sizeof(buf), "ACK", "known1", "c1", 7, tag, "");
	text_send(fd, buf, n);
	ask(fd, buf, "OPTIONS", "known1", "c2", 1, "", "SIP/2.0 480 ");

	redirect_stats(r, &st);
	ck_assert_uint_eq(1, st.redirected);
	ck_assert_uint_eq(2, st.retransmitted);
	ck_assert_uint_eq(1, st.acked);
	ck_assert_uint_eq(2, st.handed_over);
	ck_assert_uint_eq(0, st.malformed);
	ck_assert_uint_eq(2, threadv[0].got);
	ck_assert_uint_eq(1, threadv[0].acks);

	close(fd);
	end(r, 1);
}
END_TEST


START_TEST(handed_over)
{
	static const char *morev[] = {
		"Route: <sip:p@127.0.0.1;lr>\r\n", "Require: foo\r\n",
		"Foo: bar\r\n", "Subject: a\r\n b\r\n", "Max-Forwards: 70\r\n",
		"Record-Route: <sip:p@127.0.0.1;lr>\r\n",
	};
	struct redirect *r = begin(1);
	char buf[ANSWER], callid[16];
	int fd = client("127.0.0.1");
	unsigned i;

	ask(fd, buf, "INVITE", "other", "c1", 1, "", "SIP/2.0 480 ");

	for (i=0; i<ARRAY_SIZE(morev); i++) {
		(void)snprintf(callid, sizeof(callid), "m%u", i);
		ask(fd, buf, "INVITE", "known", callid, 1, morev[i],
		    "SIP/2.0 4");
		ck_assert_ptr_null(strstr(buf, "SIP/2.0 302"));
	}

	/* no handler, nobody is known; it may be set again at any time */
	redirect_handler(r, NULL, NULL);
	ask(fd, buf, "INVITE", "known", "c2", 1, "", "SIP/2.0 480 ");
	redirect_handler(r, lookup, threadv);
	ask(fd, buf, "INVITE", "known", "c3", 1, "", "SIP/2.0 302 ");

	/* on hold for two reasons */
	redirect_hold(r, REDIRECT_HOLD_REFUSING, true);
	redirect_hold(r, REDIRECT_HOLD_TRACING, true);
	ask(fd, buf, "INVITE", "known", "c4", 1, "", "SIP/2.0 480 ");
	redirect_hold(r, REDIRECT_HOLD_REFUSING, false);
	ask(fd, buf, "INVITE", "known", "c5", 1, "", "SIP/2.0 480 ");
	redirect_hold(r, REDIRECT_HOLD_TRACING, false);
	ask(fd, buf, "INVITE", "known", "c6", 1, "", "SIP/2.0 302 ");

	close(fd);
	end(r, 1);
}
END_TEST


/* A phone that comes back without its ticket must not be sent round. */
START_TEST(came_back)
{
	struct redirect *r = begin(1);
	char buf[ANSWER];
	int fd = client("127.0.0.1");

	ask(fd, buf, "INVITE", "known1", "c1", 1, "", "SIP/2.0 302 ");
	ask(fd, buf, "INVITE", "known1", "c1", 2, "", "SIP/2.0 480 ");
	ask(fd, buf, "INVITE", "known1", "c1", 2, "", "SIP/2.0 480 ");
	ask(fd, buf, "INVITE", "known1", "c1", 1, "", "SIP/2.0 302 ");

	/* another conference, another call */
	ask(fd, buf, "INVITE", "known2", "c1", 3, "", "SIP/2.0 302 ");
	ask(fd, buf, "INVITE", "known1", "c2", 4, "", "SIP/2.0 302 ");

	close(fd);
	end(r, 1);
}
END_TEST


/* Everything of a burst is answered once: what is for sofia waits its turn,
 * and nothing of it is cut. */
START_TEST(bursts)
{
	enum { N = 120 };
	struct redirect *r = begin(1);
	static char buf[65536];
	unsigned i, redirects = 0, others = 0;
	int fd = client("127.0.0.1"), size = 1 << 20;
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
	ck_assert_uint_eq(N / 2, threadv[0].got);

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
	ck_assert_uint_eq(60000, threadv[0].body);

	close(fd);
	end(r, 1);
}
END_TEST


START_TEST(junk)
{
	struct redirect *r = begin(1);
	struct redirect_stats st;
	char buf[ANSWER];
	int fd = client("127.0.0.1");
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
	}

	/* whatever came back for those */
	usleep(200000);
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;

	ask(fd, buf, "INVITE", "known", "c1", 1, "", "SIP/2.0 302 ");
	ask(fd, buf, "OPTIONS", "known", "c2", 1, "", "SIP/2.0 480 ");

	redirect_stats(r, &st);
	ck_assert_uint_gt(st.malformed, 0);

	close(fd);
	end(r, 1);
}
END_TEST


/* Without rport the answer goes to the port in the Via. */
START_TEST(via_port)
{
	struct redirect *r = begin(1);
	int fd = client("127.0.0.1"), fd2 = client("127.0.0.1");
	char buf[ANSWER];
	struct sa sa;
	size_t n;

	sa.len = sizeof(sa.u);
	ck_assert_int_eq(0, getsockname(fd2, &sa.u.sa, &sa.len));

	n = (size_t)snprintf(buf, sizeof(buf),
		"INVITE sip:known@127.0.0.1 SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK1\r\n"
		"Via: SIP/2.0/TCP a.example;branch=z9hG4bK2;x=y\r\n"
		"Max-Forwards: 70\r\n"
		"From: \"A\" <sip:alice@127.0.0.1>;tag=f1\r\n"
		"To: <sip:known@127.0.0.1>\r\nCall-ID: c\r\n"
		"CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1:9>\r\n"
		"Content-Length: 0\r\n\r\n", sa_port(&sa));
	text_send(fd, buf, n);
	expect(fd2, buf, "SIP/2.0 302 ");
	ck_assert_ptr_nonnull(strstr(buf, ";branch=z9hG4bK1\r\nVia: SIP/2.0/"
				     "TCP a.example;branch=z9hG4bK2;x=y\r\n"));

	close(fd);
	close(fd2);
	end(r, 1);
}
END_TEST


START_TEST(version6)
{
	struct redirect *r;
	char buf[ANSWER];
	int fd;

	memset(threadv, 0, sizeof(threadv));
	ck_assert_int_eq(0, redirect_alloc(&r, 1));
	redirect_handler(r, lookup, threadv);

	/* a machine may have no IPv6 */
	if (server_start(r, 1, "[::1]")) {
		fd = client("::1");
		ask(fd, buf, "INVITE", "known", "c1", 1, "", "SIP/2.0 302 ");
		ck_assert_ptr_nonnull(strstr(buf, ";received=::1\r\n"));
		ask(fd, buf, "OPTIONS", "known", "c2", 1, "", "SIP/2.0 480 ");
		close(fd);
	}

	end(r, 1);
}
END_TEST


/* What sofia gets reaches the thread that owns the Call-ID, from wherever it
 * comes; redirects come from any. */
START_TEST(threads_share)
{
	enum { CALLS = 24, CLIENTS = 6 };
	struct redirect *r = begin(THREADS);
	char buf[ANSWER], callid[16], start[32];
	int fdv[CLIENTS];
	unsigned i, j, used = 0;

	for (j=0; j<CLIENTS; j++)
		fdv[j] = client("127.0.0.1");

	for (i=0; i<CALLS; i++) {

		unsigned owner;

		(void)snprintf(callid, sizeof(callid), "call%u", i);
		owner = redirect_owner(r, callid, strlen(callid));
		ck_assert_uint_lt(owner, THREADS);
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

	ck_assert_uint_eq((1u << THREADS) - 1, used);

	for (j=0; j<CLIENTS; j++)
		close(fdv[j]);
	end(r, THREADS);
}
END_TEST


/* The 302 of the fast path and the one that sofia makes of the same INVITE
 * say the same. */
START_TEST(as_sofia)
{
	struct redirect *r = begin(1);
	msg_t *msgv[2];
	const sip_t *sipv[2];
	const sip_via_t *v, *w;
	char buf[ANSWER];
	int fd = client("127.0.0.1"), i;

	for (i=0; i<2; i++) {

		size_t n;

		redirect_handler(r, i ? NULL : lookup, threadv);
		n = request(buf, sizeof(buf), "INVITE", "known", "c1", 1,
			    NULL, "Via: SIP/2.0/TCP b.example:5;branch="
			    "z9hG4bKb;received=1.2.3.4\r\nSubject: 302\r\n");
		text_send(fd, buf, n);
		expect(fd, buf, "SIP/2.0 302 Moved Temporarily\r\n");
		msgv[i] = msg_make(sip_default_mclass(), 0, buf, -1);
		ck_assert_ptr_nonnull(msgv[i]);
		sipv[i] = sip_object(msgv[i]);
		ck_assert_ptr_null(sipv[i]->sip_error);
	}

	ck_assert_uint_eq(1, threadv[0].got);

#define STR(f) ck_assert_str_eq(sipv[0]->f, sipv[1]->f)
	STR(sip_from->a_display);
	STR(sip_from->a_tag);
	STR(sip_from->a_url->url_user);
	STR(sip_from->a_url->url_host);
	STR(sip_to->a_url->url_user);
	STR(sip_to->a_url->url_host);
	STR(sip_call_id->i_id);
	STR(sip_cseq->cs_method_name);
	STR(sip_contact->m_url->url_user);
	STR(sip_contact->m_url->url_host);
	STR(sip_contact->m_url->url_port);
	STR(sip_contact->m_url->url_params);
#undef STR
	ck_assert_uint_eq(sipv[0]->sip_cseq->cs_seq,
			  sipv[1]->sip_cseq->cs_seq);
	ck_assert_uint_eq(sipv[0]->sip_content_length->l_length,
			  sipv[1]->sip_content_length->l_length);
	ck_assert_ptr_nonnull(sipv[0]->sip_to->a_tag);

	for (v=sipv[0]->sip_via, w=sipv[1]->sip_via; v && w;
	     v=v->v_next, w=w->v_next) {
		ck_assert_str_eq(v->v_protocol, w->v_protocol);
		ck_assert_str_eq(v->v_host, w->v_host);
		ck_assert_str_eq(v->v_port, w->v_port);
		ck_assert_str_eq(v->v_branch, w->v_branch);
		ck_assert_pstr_eq(v->v_rport, w->v_rport);
		ck_assert_pstr_eq(v->v_received, w->v_received);
	}
	ck_assert(!v && !w);

	msg_destroy(msgv[0]);
	msg_destroy(msgv[1]);
	close(fd);
	end(r, 1);
}
END_TEST


static void wake_handler(void *arg)
{
	++*(atomic_uint *)arg;
}


/* The join that was deferred, as the main thread gets it */
static struct redirect_join *join_wait(struct redirect *r, atomic_uint *wakes)
{
	unsigned i;

	for (i=0; i<2000 && !*wakes; i++)
		usleep(1000);

	*wakes = 0;

	return redirect_join_next(r);
}


/* What the look-up does not know is answered later, without a transaction. */
START_TEST(deferred)
{
	struct redirect *r = begin(1);
	struct redirect_stats st;
	struct redirect_join *j;
	const struct preparse *pp;
	atomic_uint wakes = 0;
	char buf[ANSWER], again[ANSWER], tag[64];
	int fd = client("127.0.0.1");
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
	ck_assert_uint_eq(0, threadv[0].acks);

	/* one that nobody takes, and one whose thread is gone */
	n = request(buf, sizeof(buf), "INVITE", "new", "c4", 1, NULL, "");
	text_send(fd, buf, n);
	j = join_wait(r, &wakes);
	n = request(buf, sizeof(buf), "INVITE", "new", "c5", 1, NULL, "");
	text_send(fd, buf, n);
	usleep(50000);
	server_stop(1);
	ck_assert_int_eq(ENOTCONN, redirect_join_answer(j, "480 No", NULL));
	mem_deref(j);
	mem_deref(r);
	close(fd);
}
END_TEST


START_TEST(arguments)
{
	struct redirect *r;

	ck_assert_int_eq(EINVAL, redirect_alloc(NULL, 1));
	ck_assert_int_eq(EINVAL, redirect_alloc(&r, 0));
	ck_assert_int_eq(EINVAL, redirect_alloc(&r, REDIRECT_THREADS_MAX + 1));
	ck_assert_int_eq(0, redirect_alloc(&r, 2));
	ck_assert_int_eq(EINVAL, redirect_thread_enter(r, 2));
	ck_assert_int_eq(0, redirect_thread_enter(r, 1));
	ck_assert_int_eq(EALREADY, redirect_thread_enter(r, 0));
	redirect_thread_leave(r);
	ck_assert_int_eq(0, redirect_thread_enter(r, 0));
	redirect_thread_leave(r);
	redirect_thread_leave(r);
	mem_deref(r);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("redirect");
	Suite *s = suite_create("redirect");
	SRunner *sr = srunner_create(s);
	int failed;

	su_init();

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, redirected);
	tcase_add_test(tc, handed_over);
	tcase_add_test(tc, came_back);
	tcase_add_test(tc, bursts);
	tcase_add_test(tc, junk);
	tcase_add_test(tc, via_port);
	tcase_add_test(tc, version6);
	tcase_add_test(tc, threads_share);
	tcase_add_test(tc, as_sofia);
	tcase_add_test(tc, deferred);
	tcase_add_test(tc, arguments);
	suite_add_tcase(s, tc);

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	su_deinit();

	return failed ? 1 : 0;
}
