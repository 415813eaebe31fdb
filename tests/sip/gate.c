/**
 * @file gate.c  The fast path in front of real sofia agents, for tests
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
#include "sip/redirect.h"
#include "gate.h"

#define CONTACT "sip:%.*s@127.0.0.1:5070;ticket=0a1b"
#define CONTACT6 "sip:%.*s@[::1]:5070;ticket=0a1b"

struct gate_thread gate_threadv[GATE_THREADS];


static int answer(struct gate_thread *t, nta_agent_t *agent, msg_t *msg,
		  sip_t *sip)
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
	return answer((struct gate_thread *)magic, agent, msg, sip);
}


static void *run(void *arg)
{
	struct gate_thread *t = arg;
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


/* False if there is no such address on this machine */
bool gate_listen(struct redirect *r, unsigned n, const char *host)
{
	unsigned i;

	for (i=0; i<n; i++) {

		struct gate_thread *t = &gate_threadv[i];

		memset(t, 0, sizeof(*t));
		t->r    = r;
		t->ix   = i;
		t->host = host;
		t->port = gate_threadv[0].port;

		ck_assert_int_eq(0, pthread_create(&t->tid, NULL, run, t));
		while (!t->up)
			usleep(1000);
		if (t->up < 0)
			return false;
	}

	return true;
}


void gate_stop(unsigned n)
{
	unsigned i;

	for (i=0; i<n; i++) {
		gate_threadv[i].stop = 1;
		pthread_join(gate_threadv[i].tid, NULL);
	}
}


int gate_lookup(const struct redirect_query *q, char *contact, size_t sz,
		size_t *len, void *arg)
{
	if (q->conflen < 5 || memcmp(q->conf, "known", 5))
		return ENOENT;

	ck_assert_uint_eq(q->userlen, 15);
	ck_assert_int_eq(0, memcmp(q->user, "alice@127.0.0.1", 15));
	ck_assert_ptr_eq(arg, gate_threadv);

	*len = (size_t)snprintf(contact, sz, q->ipv6 ? CONTACT6 : CONTACT,
				(int)q->conflen, q->conf);

	return 0;
}


int gate_client(const char *host)
{
	struct timeval tv = {30, 0};
	struct sa sa;
	int fd;

	ck_assert_int_eq(0, sa_set_str(&sa, host, 0));
	fd = socket(sa_af(&sa), SOCK_DGRAM, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(0, bind(fd, &sa.u.sa, sa.len));
	sa_set_port(&sa, (uint16_t)gate_threadv[0].port);
	ck_assert_int_eq(0, connect(fd, &sa.u.sa, sa.len));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));

	return fd;
}


void text_send(int fd, const char *text, size_t len)
{
	ck_assert_int_eq((ssize_t)len, send(fd, text, len, 0));
}


/* One INVITE or ACK of many */
size_t request(char *buf, size_t sz, const char *method, const char *conf,
	       const char *callid, unsigned seq, const char *totag,
	       const char *more)
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


size_t text_recv(int fd, char *buf)
{
	const ssize_t n = recv(fd, buf, GATE_TEXT - 1, 0);

	ck_assert_msg(n > 0, "no answer");
	buf[n] = '\0';

	return (size_t)n;
}


void expect(int fd, char *buf, const char *start)
{
	(void)text_recv(fd, buf);
	ck_assert_msg(!strncmp(buf, start, strlen(start)), "not %s but:\n%s",
		      start, buf);
}


/* An answer to this request, and not one that is repeated of another */
static bool is_answer(const char *buf, const char *callid, unsigned seq,
		      const char *method)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "\r\nCall-ID: %s\r\n", callid);
	if (!strstr(buf, line))
		return false;

	(void)snprintf(line, sizeof(line), "\r\nCSeq: %u %s\r\n", seq,
		       method);

	return strstr(buf, line) != NULL;
}


void ask(int fd, char *buf, const char *method, const char *conf,
	 const char *callid, unsigned seq, const char *more,
	 const char *start)
{
	const size_t n = request(buf, GATE_TEXT, method, conf, callid, seq,
				 NULL, more);

	text_send(fd, buf, n);
	do {
		(void)text_recv(fd, buf);
	} while (!is_answer(buf, callid, seq, method));
	ck_assert_msg(!strncmp(buf, start, strlen(start)), "not %s but:\n%s",
		      start, buf);
}


struct redirect *gate_begin(unsigned threads)
{
	struct redirect *r;

	memset(gate_threadv, 0, sizeof(gate_threadv));
	ck_assert_int_eq(0, redirect_alloc(&r, REDIRECT_THREADS_MAX));
	redirect_threads_set(r, threads);
	redirect_handler(r, gate_lookup, gate_threadv);
	ck_assert(gate_listen(r, threads, "127.0.0.1"));

	return r;
}


void gate_end(struct redirect *r, unsigned threads)
{
	gate_stop(threads);
	mem_deref(r);
}


void tag_get(char *tag, size_t sz, const char *buf)
{
	const char *to = strstr(buf, "\r\nTo: "), *p = strstr(to, ";tag=");

	ck_assert_ptr_nonnull(p);
	p += 5;
	(void)snprintf(tag, sz, "%.*s", (int)strcspn(p, "\r;"), p);
}
