/**
 * @file ping.c  Does a SIP server answer? OPTIONS again and again
 *
 * RFC 3261 section 11. Nothing is repeated and no transaction is kept: the
 * next OPTIONS comes soon enough. Main thread only; one socket for each
 * server, so that one that answers cannot be taken for another.
 */
#include <string.h>
#include <re.h>
#include "sip/ping.h"


enum { MESSAGE_MAX = 1024 };

struct ping {
	struct udp_sock *us;
	struct sa peer, laddr;
	struct tmr tmr;
	uint32_t interval, timeout;    /* [ms]                              */
	uint64_t heard;                /* [ms]                              */
	uint32_t cseq;
	enum ping_state state;
	ping_h *h;
	void *arg;
	char callid[32];
};


static void destructor(void *data)
{
	struct ping *p = data;

	tmr_cancel(&p->tmr);
	mem_deref(p->us);
}


static void state_set(struct ping *p, enum ping_state state)
{
	if (p->state == state)
		return;

	p->state = state;
	p->h(state, p->arg);
}


static const char *line_find(const char *buf, size_t len, const char *name)
{
	const size_t n = strlen(name);
	size_t i;

	for (i=0; i + 2 + n < len; i++) {

		/* the headers end here */
		if (i + 4 <= len && !memcmp(buf + i, "\r\n\r\n", 4))
			break;
		if (buf[i] == '\r' && buf[i + 1] == '\n' &&
		    !memcmp(buf + i + 2, name, n))
			return buf + i + 2 + n;
	}

	return NULL;
}


/**
 * Judge a datagram: is it the response to an OPTIONS of ours?
 *
 * @param buf    Datagram
 * @param len    Its length [bytes]
 * @param callid Call-ID that was sent
 * @param scode  Set to the status, 100..699
 *
 * @return 0 if it is; EBADMSG if it is no response; ENOENT if it belongs to
 *         somebody else
 */
int ping_response(const char *buf, size_t len, const char *callid,
		  uint16_t *scode)
{
	const char *p, *end;
	unsigned i, code = 0;

	if (!buf || !callid || !scode)
		return EINVAL;
	if (len < 12 || memcmp(buf, "SIP/2.0 ", 8))
		return EBADMSG;

	for (i=8; i<11; i++) {
		if (buf[i] < '0' || buf[i] > '9')
			return EBADMSG;
		code = 10 * code + (unsigned)(buf[i] - '0');
	}
	if (code < 100 || code > 699)
		return EBADMSG;

	end = buf + len;
	p = line_find(buf, len, "Call-ID:");
	if (!p)
		p = line_find(buf, len, "i:");
	if (!p)
		return EBADMSG;

	while (p < end && (*p == ' ' || *p == '\t'))
		++p;
	i = (unsigned)strlen(callid);
	if ((size_t)(end - p) < i || memcmp(p, callid, i))
		return ENOENT;

	*scode = (uint16_t)code;

	return 0;
}


static void recv_handler(const struct sa *src, struct mbuf *mb, void *arg)
{
	struct ping *p = arg;
	uint16_t scode;

	if (!sa_cmp(src, &p->peer, SA_ALL) ||
	    ping_response((char *)mbuf_buf(mb), mbuf_get_left(mb), p->callid,
			  &scode) || scode < 200)
		return;

	p->heard = tmr_jiffies();
	state_set(p, scode >= 500 && scode < 600 ? PING_REFUSING
						  : PING_ALIVE);
}


static void send_options(struct ping *p)
{
	struct mbuf *mb;
	int err;

	mb = mbuf_alloc(MESSAGE_MAX);
	if (!mb)
		return;

	++p->cseq;
	err = mbuf_printf(mb, "OPTIONS sip:%J SIP/2.0\r\n"
			  "Via: SIP/2.0/UDP %J;branch=z9hG4bK%s-%u;rport\r\n"
			  "Max-Forwards: 1\r\n"
			  "From: <sip:ping@%J>;tag=%s\r\n"
			  "To: <sip:%J>\r\n"
			  "Call-ID: %s\r\n"
			  "CSeq: %u OPTIONS\r\n"
			  "Content-Length: 0\r\n\r\n",
			  &p->peer, &p->laddr, p->callid, p->cseq, &p->laddr,
			  p->callid, &p->peer, p->callid, p->cseq);
	if (!err) {
		mb->pos = 0;
		(void)udp_send(p->us, &p->peer, mb);
	}

	mem_deref(mb);
}


static void tmr_handler(void *arg)
{
	struct ping *p = arg;

	tmr_start(&p->tmr, p->interval, tmr_handler, p);
	send_options(p);

	/* may release it */
	if (tmr_jiffies() > p->heard + p->timeout)
		state_set(p, PING_DEAD);
}


/**
 * Begin to ask a server
 *
 * @param pp       Set to the object; mem_deref ends it
 * @param peer     Address of the server, UDP
 * @param interval Between two questions [ms]
 * @param timeout  A server is dead that was silent for so long [ms]; leave
 *                 room for one that is lost on the way
 * @param h        Called when the state changes
 * @param arg      Its argument
 *
 * @return 0 if success
 */
int ping_alloc(struct ping **pp, const struct sa *peer, uint32_t interval,
	       uint32_t timeout, ping_h *h, void *arg)
{
	struct ping *p;
	struct sa any;
	int err;

	if (!pp || !peer || !interval || !timeout || !h)
		return EINVAL;

	p = mem_zalloc(sizeof(*p), destructor);
	if (!p)
		return ENOMEM;

	p->peer     = *peer;
	p->interval = interval;
	p->timeout  = timeout;
	p->h        = h;
	p->arg      = arg;
	p->heard    = tmr_jiffies();
	rand_str(p->callid, sizeof(p->callid));
	tmr_init(&p->tmr);

	/* connected, so that the kernel says where we speak from, and drops
	   what others send */
	sa_init(&any, sa_af(peer));
	err = udp_listen(&p->us, &any, recv_handler, p);
	if (!err)
		err = udp_connect(p->us, peer);
	if (!err)
		err = udp_local_get(p->us, &p->laddr);
	if (err) {
		mem_deref(p);
		return err;
	}

	tmr_start(&p->tmr, 0, tmr_handler, p);
	*pp = p;

	return 0;
}


/**
 * What is known of the server
 *
 * @param p Ping
 *
 * @return State
 */
enum ping_state ping_state(const struct ping *p)
{
	return p ? p->state : PING_UNKNOWN;
}
