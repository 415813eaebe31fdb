/**
 * @file phone.c  A raw SIP phone for tests
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <check.h>
#include <re.h>
#include "phone.h"

const char phone_sdp[] =
	"v=0\r\n"
	"o=- 1 1 IN IP4 127.0.0.1\r\n"
	"s=-\r\n"
	"c=IN IP4 127.0.0.1\r\n"
	"t=0 0\r\n"
	"m=audio 40000 RTP/AVP 0\r\n"
	"a=rtpmap:0 PCMU/8000\r\n";


static void cancel_h(void *arg)
{
	(void)arg;
	re_cancel();
}


static void readable_h(int flags, void *arg)
{
	(void)flags;
	(void)arg;
	re_cancel();
}


/* Let the server under test work for a while. */
void loop_run(unsigned ms)
{
	struct tmr tmr;

	tmr_init(&tmr);
	tmr_start(&tmr, ms, cancel_h, NULL);
	ck_assert_int_eq(re_main(NULL), 0);
	tmr_cancel(&tmr);
}


static void socket_open(struct phone *p)
{
	const int af = sa_af(&p->srv);
	socklen_t len;
	struct sa any;

	p->fd = socket(af, p->tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	ck_assert_int_ge(p->fd, 0);

	ck_assert(!sa_set_str(&any, af == AF_INET6 ? "::1" : "127.0.0.1",
			      0));
	ck_assert_int_eq(bind(p->fd, &any.u.sa, any.len), 0);

	/* datagrams may come from another server as well */
	if (p->tcp)
		ck_assert_int_eq(connect(p->fd, &p->srv.u.sa, p->srv.len), 0);

	sa_init(&p->me, af);
	len = sizeof(p->me.u);
	ck_assert_int_eq(getsockname(p->fd, &p->me.u.sa, &len), 0);
	p->me.len = len;
}


void phone_open(struct phone *p, const struct sa *srv, bool tcp,
		const char *conf)
{
	memset(p, 0, sizeof(*p));
	p->tcp = tcp;
	p->srv = *srv;
	str_ncpy(p->conf, conf, sizeof(p->conf));
	phone_new(p);
	socket_open(p);
}


/* The same phone at another port: what it says may reach another thread. */
void phone_move(struct phone *p)
{
	close(p->fd);
	p->rxlen = 0;
	socket_open(p);
}


void phone_close(struct phone *p)
{
	p->msg = mem_deref(p->msg);
	close(p->fd);
}


/* Forget the dialog, begin another one. */
void phone_new(struct phone *p)
{
	(void)re_snprintf(p->callid, sizeof(p->callid), "%08x%08x",
			  rand_u32(), rand_u32());
	(void)re_snprintf(p->ftag, sizeof(p->ftag), "f%08x", rand_u32());
	p->ttag[0] = '\0';
	p->cseq = 0;
}


void phone_raw(struct phone *p, const char *buf, size_t len)
{
	ck_assert_int_eq(sendto(p->fd, buf, len, MSG_NOSIGNAL,
				p->tcp ? NULL : &p->srv.u.sa,
				p->tcp ? 0 : p->srv.len), (ssize_t)len);
}


/* Sends a request of the dialog; hdrs are whole lines, or NULL. A Content-Type
   goes with hdrs, else a body is SDP. */
void phone_send(struct phone *p, const char *method, const char *hdrs,
		const char *body)
{
	const bool ack = !strcmp(method, "ACK") || !strcmp(method, "CANCEL");
	const size_t ulen = strcspn(p->conf, ";");
	char addr[64];
	int n;

	(void)re_snprintf(addr, sizeof(addr), "%J", &p->me);

	if (!ack)
		++p->cseq;

	if (strcmp(method, "CANCEL"))
		p->branch = rand_u32();

	n = re_snprintf(p->sent, sizeof(p->sent),
			"%s sip:%b%s%J%s SIP/2.0\r\n"
			"Via: SIP/2.0/%s %J;branch=z9hG4bK%08x;rport\r\n"
			"From: %s <sip:alice@home>;tag=%s\r\n"
			"To: <sip:%s%s%J>%s%s\r\n"
			"Call-ID: %s\r\n"
			"CSeq: %u %s\r\n"
			"Max-Forwards: 70\r\n"
			"Contact: <sip:alice@%s%s>\r\n"
			"User-Agent: test phone\r\n"
			"%s%s"
			"Content-Length: %zu\r\n\r\n%s",
			method, p->conf, ulen, ulen ? "@" : "", &p->srv,
			p->conf + ulen,
			p->tcp ? "TCP" : "UDP", &p->me, p->branch,
			p->plain ? "Alice" : "\"Alice \\\"A\\\" Doe\"",
			p->ftag,
			"conf", "@", &p->srv,
			p->ttag[0] ? ";tag=" : "", p->ttag,
			p->callid, p->cseq, method,
			p->contact[0] ? p->contact : addr,
			p->tcp ? ";transport=tcp" : "",
			hdrs ? hdrs : "",
			body && !(hdrs && strstr(hdrs, "Content-Type")) ?
			"Content-Type: application/sdp\r\n" : "",
			body ? strlen(body) : (size_t)0, body ? body : "");
	ck_assert_int_gt(n, 0);
	p->sentlen = n;

	phone_raw(p, p->sent, p->sentlen);
}


void phone_repeat(struct phone *p)
{
	phone_raw(p, p->sent, p->sentlen);
}


static bool message_take(struct phone *p)
{
	struct mbuf *mb = mbuf_alloc(p->rxlen + 1);
	struct sip_msg *msg = NULL;
	size_t used;
	bool ok = false;

	ck_assert_ptr_nonnull(mb);
	ck_assert(!mbuf_write_mem(mb, p->rx, p->rxlen));
	mb->pos = 0;

	if (p->rxlen && !sip_msg_decode(&msg, mb)) {

		size_t clen = pl_isset(&msg->clen) ? pl_u32(&msg->clen) : 0;

		if (mbuf_get_left(mb) >= clen) {
			used = mb->pos + clen;
			mb->end = used;
			memmove(p->rx, p->rx + used, p->rxlen - used);
			p->rxlen -= used;
			mem_deref(p->msg);
			p->msg = mem_ref(msg);
			ok = true;
		}
	}

	mem_deref(msg);
	mem_deref(mb);

	return ok;
}


/* Waits for the next message. A To tag of a response is kept. */
bool phone_wait(struct phone *p, unsigned ms)
{
	const uint64_t end = tmr_jiffies() + ms;
	struct tmr tmr;
	ssize_t n;

	for (;;) {
		if (p->rxlen && message_take(p))
			break;

		n = recv(p->fd, p->rx + p->rxlen, sizeof(p->rx) - p->rxlen,
			 MSG_DONTWAIT);
		if (n > 0) {
			p->rxlen += n;
			continue;
		}

		if (n == 0 && p->tcp)
			return false;

		if (tmr_jiffies() >= end)
			return false;

		tmr_init(&tmr);
		tmr_start(&tmr, end - tmr_jiffies() + 1, cancel_h, NULL);
		ck_assert(!fd_listen(p->fd, FD_READ, readable_h, NULL));
		ck_assert_int_eq(re_main(NULL), 0);
		fd_close(p->fd);
		tmr_cancel(&tmr);
	}

	if (!p->msg->req && pl_isset(&p->msg->to.tag) && !p->ttag[0] &&
	    p->msg->scode < 300 && p->msg->scode > 100)
		(void)pl_strcpy(&p->msg->to.tag, p->ttag, sizeof(p->ttag));

	return true;
}


/* Status of the next final response, 0 if none comes; 100 is passed over. */
unsigned phone_status(struct phone *p)
{
	while (phone_wait(p, PHONE_LIMIT)) {
		if (!p->msg->req && p->msg->scode > 100)
			return p->msg->scode;
	}

	return 0;
}


/* The next request is this one. */
bool phone_request(struct phone *p, const char *method)
{
	while (phone_wait(p, PHONE_LIMIT)) {
		if (p->msg->req)
			return !pl_strcmp(&p->msg->met, method);
	}

	return false;
}


/* The last message has this header, with value somewhere in it. */
bool phone_has(struct phone *p, const char *name, const char *value)
{
	char head[8192], line[128];
	size_t n = p->msg->mb->pos;

	n = n < sizeof(head) - 1 ? n : sizeof(head) - 1;
	memcpy(head, p->msg->mb->buf, n);
	head[n] = '\0';
	(void)re_snprintf(line, sizeof(line), "\r\n%s: ", name);

	for (char *h = head; (h = strstr(h, line)); h += 2) {

		char *found, *eol = strstr(h + 2, "\r\n");

		if (!value)
			return true;

		found = strstr(h, value);
		if (found && (!eol || found < eol))
			return true;
	}

	return false;
}


/* The last message has this text in its body. */
bool phone_says(struct phone *p, const char *text)
{
	char body[16384];
	size_t n = mbuf_get_left(p->msg->mb);

	n = n < sizeof(body) - 1 ? n : sizeof(body) - 1;
	memcpy(body, mbuf_buf(p->msg->mb), n);
	body[n] = '\0';

	return strstr(body, text) != NULL;
}


/* Answers the last request received. */
void phone_answer(struct phone *p, unsigned scode, const char *hdrs,
		  const char *body)
{
	const struct sip_msg *m = p->msg;
	const bool tag = pl_isset(&m->to.tag);
	char buf[32768];
	int n;

	n = re_snprintf(buf, sizeof(buf), "SIP/2.0 %u Whatever\r\n", scode);

	for (struct le *le = m->hdrl.head; le; le = le->next) {

		const struct sip_hdr *h = le->data;

		switch (h->id) {

		case SIP_HDR_VIA:
		case SIP_HDR_FROM:
		case SIP_HDR_CALL_ID:
		case SIP_HDR_CSEQ:
			n += re_snprintf(buf + n, sizeof(buf) - n,
					 "%r: %r\r\n", &h->name, &h->val);
			break;

		case SIP_HDR_TO:
			n += re_snprintf(buf + n, sizeof(buf) - n,
					 "To: %r%s%s\r\n", &h->val,
					 tag ? "" : ";tag=",
					 tag ? "" : p->ftag);
			break;

		default:
			break;
		}
	}

	n += re_snprintf(buf + n, sizeof(buf) - n,
			 "Contact: <sip:alice@%J%s>\r\n%s%s"
			 "Content-Length: %zu\r\n\r\n%s", &p->me,
			 p->tcp ? ";transport=tcp" : "", hdrs ? hdrs : "",
			 body ? "Content-Type: application/sdp\r\n" : "",
			 body ? strlen(body) : (size_t)0, body ? body : "");

	phone_raw(p, buf, n);
}
