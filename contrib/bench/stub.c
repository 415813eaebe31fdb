/* A conference server for the test of the load generator; see stub.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <spandsp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "stub_int.h"

static const int64_t ms = 1000000;


static uint32_t hash(const struct str *s)
{
	uint32_t h = 5381;

	for (size_t i = 0; i < s->l; i++)
		h = h * 33 + (uint8_t)s->p[i];

	return h;
}


/* True the first time this branch is seen. */
static bool deaf(struct stub *s, const struct str *via)
{
	const uint32_t h = hash(via);

	for (uint32_t i = 0; i < s->seenc; i++) {
		if (s->seenv[i] == h)
			return false;
	}
	if (s->seenc < 1024)
		s->seenv[s->seenc++] = h;

	return true;
}


static void str_copy(char *out, size_t n, const struct str *s)
{
	snprintf(out, n, "%.*s", (int)s->l, s->p);
}


static struct leg *leg_find(struct stub *s, const struct str *callid)
{
	for (int i = 0; i < LEGS_MAX; i++) {
		if (s->legv[i].used && str_is(callid, s->legv[i].callid))
			return &s->legv[i];
	}

	return NULL;
}


static struct leg *leg_add(struct stub *s, const struct msg *m,
			   const struct sockaddr_in *src)
{
	struct sdp_answer sdp;
	struct leg *l = NULL;
	struct str uri;

	for (int i = 0; i < LEGS_MAX && !l; i++) {
		if (!s->legv[i].used)
			l = &s->legv[i];
	}
	if (!l || sdp_parse(&sdp, &m->body, CODEC_PCMU))
		return NULL;

	memset(l, 0, sizeof(*l));
	l->used = true;
	l->born = now_ns();
	l->sip = *src;
	l->rtp = sdp.media;
	str_copy(l->callid, sizeof(l->callid), &m->callid);
	str_copy(l->from, sizeof(l->from), &m->from);
	str_copy(l->to, sizeof(l->to), &m->to);
	if (!str_uri(&uri, &m->contact))
		str_copy(l->contact, sizeof(l->contact), &uri);
	str_uri(&uri, &m->to);
	str_copy(l->conf, sizeof(l->conf), &uri);
	++s->legs;
	stub_replaced(s, l);

	return l;
}


static void reply(struct stub *s, const struct msg *m, int code,
		  const char *contact, const char *sdp,
		  const struct sockaddr_in *src)
{
	struct wbuf w = {sockio_buf(s->sip), 0, DGRAM_MAX, false};

	reply_write(&w, m, code, "Reason", contact, sdp);
	sockio_push(s->sip, w.n, src);
}


static void invite(struct stub *s, const struct msg *m,
		   const struct sockaddr_in *src)
{
	const uint16_t port = ntohs(sockio_addr(s->sip)->sin_port);
	char contact[128], sdp[300];
	struct str ticket;
	struct leg *l = leg_find(s, &m->callid);

	if (s->faults & STUB_DEAF && deaf(s, &m->viav[0]))
		return;

	snprintf(contact, sizeof(contact),
		 "sip:focus@127.0.0.1:%u;ticket=4711", port);
	if (str_param(&ticket, &m->ruri, "ticket") &&
	    !(s->faults & STUB_DIRECT)) {
		reply(s, m, 302, contact, NULL, src);
		return;
	}
	if (s->faults & STUB_BUSY) {
		reply(s, m, 486, NULL, NULL, src);
		return;
	}

	if (!l)
		l = leg_add(s, m, src);
	stub_sdp(sdp, sizeof(sdp), s->rtp);
	reply(s, m, l ? 200 : 500, contact, l ? sdp : NULL, src);
}


static void sip_datagram(char *buf, size_t len,
			 const struct sockaddr_in *src, void *arg)
{
	struct stub *s = arg;
	struct leg *l;
	struct msg m;

	if (msg_parse(&m, buf, len))
		return;

	l = leg_find(s, &m.callid);
	if (!m.request) {
		if (m.code == 200 && str_is(&m.method, "OPTIONS"))
			__atomic_add_fetch(&s->replies, 1, __ATOMIC_RELAXED);
		else if (l && m.code == 200 && str_is(&m.method, "INVITE"))
			l->silent = false;
	}
	else if (str_is(&m.method, "INVITE"))
		invite(s, &m, src);
	else if (str_is(&m.method, "ACK")) {
		if (l)
			stub_request(s, l, "OPTIONS", NULL);
		stub_gone_bye(s);
	}
	else if (str_is(&m.method, "NOTIFY")) {
		reply(s, &m, l ? 200 : 481, NULL, NULL, src);
	}
	else if (str_is(&m.method, "BYE")) {
		reply(s, &m, l ? 200 : 481, NULL, NULL, src);
		if (l)
			stub_leg_end(s, l);
	}
}


static void rtp_datagram(char *buf, size_t len,
			 const struct sockaddr_in *src, void *arg)
{
	struct stub *s = arg;

	if (len != 12 + FRAME)
		return;

	for (int i = 0; i < LEGS_MAX; i++) {
		struct leg *l = &s->legv[i];

		if (!l->used || memcmp(&l->rtp.sin_addr, &src->sin_addr, 4) ||
		    l->rtp.sin_port != src->sin_port ||
		    l->head - l->tail == QUEUE)
			continue;

		for (int k = 0; k < FRAME; k++)
			l->q[l->head % QUEUE][k] = (int16_t)
				ulaw_to_linear((uint8_t)buf[12 + k]);
		++l->head;
	}
}


static void mix_send(struct stub *s, struct leg *to)
{
	struct sockio *io = to->moved ? s->rtp2 : s->rtp;
	uint8_t *p = (uint8_t *)sockio_buf(io);
	int32_t sum[FRAME] = {0};

	for (int i = 0; i < LEGS_MAX; i++) {
		const struct leg *l = &s->legv[i];

		if (!l->used || l->gone || l->head - l->tail <= s->delay ||
		    (l == to && !(s->faults & STUB_ECHO)) ||
		    (i == 0 && s->faults & STUB_MUTE) ||
		    (strcmp(l->conf, to->conf) && !(s->faults & STUB_LEAK)))
			continue;
		for (int k = 0; k < FRAME; k++)
			sum[k] += l->q[l->tail % QUEUE][k];
	}

	++to->seq;
	to->ts += FRAME;
	memset(p, 0, 12);
	p[0] = 0x80;
	p[2] = (uint8_t)(to->seq >> 8);
	p[3] = (uint8_t)to->seq;
	p[6] = (uint8_t)(to->ts >> 8);
	p[7] = (uint8_t)to->ts;
	p[5] = (uint8_t)(to->ts >> 16);
	for (int k = 0; k < FRAME; k++)
		p[12 + k] = linear_to_ulaw(sum[k]);
	if ((!(s->faults & STUB_LOSS) || to->seq % 10) && !to->silent)
		sockio_push(io, 12 + FRAME, &to->rtp);
}


static void tick(struct stub *s)
{
	for (int i = 0; i < LEGS_MAX; i++) {
		struct leg *l = &s->legv[i];

		if (l->used)
			stub_leg_event(s, l, now_ns());
		if (l->used && !l->gone)
			mix_send(s, l);
		if (l->used && s->faults & STUB_HANGUP && !l->bye &&
		    now_ns() - l->born > 500 * ms) {
			l->bye = true;
			stub_request(s, l, "BYE", NULL);
		}
	}
	for (int i = 0; i < LEGS_MAX; i++) {
		struct leg *l = &s->legv[i];

		while (l->head - l->tail > s->delay)
			++l->tail;
	}
	sockio_flush(s->rtp);
	sockio_flush(s->rtp2);
}


static void *thread(void *arg)
{
	struct stub *s = arg;
	const int fdv[4] = {sockio_fd(s->sip), sockio_fd(s->rtp),
		sockio_fd(s->sip2), sockio_fd(s->rtp2)};
	int64_t due = now_ns();

	while (__atomic_load_n(&s->run, __ATOMIC_ACQUIRE)) {
		wait_until(fdv, 4, due);
		sockio_read(s->sip, sip_datagram, s);
		sockio_read(s->sip2, sip_datagram, s);
		sockio_flush(s->sip);
		sockio_read(s->rtp, rtp_datagram, s);
		sockio_read(s->rtp2, rtp_datagram, s);
		if (now_ns() >= due) {
			tick(s);
			due += 20 * ms;
		}
	}

	return NULL;
}


/**
 * Start a server
 *
 * @param sp       Where it goes, freed with stub_free()
 * @param faults   What it does wrong
 * @param delay_ms How much later it sends what it hears, multiple of 20 [ms]
 *
 * @return 0 if success, otherwise errorcode
 */
int stub_alloc(struct stub **sp, unsigned faults, uint32_t delay_ms)
{
	struct stub *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return ENOMEM;

	s->faults = faults;
	s->delay = delay_ms / 20;
	err = sockio_alloc(&s->sip, "127.0.0.1");
	if (!err)
		err = sockio_alloc(&s->rtp, "127.0.0.1");
	if (!err)
		err = sockio_alloc(&s->sip2, "127.0.0.1");
	if (!err)
		err = sockio_alloc(&s->rtp2, "127.0.0.1");
	if (!err) {
		s->run = true;
		err = pthread_create(&s->thread, NULL, thread, s);
		s->run = !err;
	}
	if (err)
		stub_free(s);
	else
		*sp = s;

	return err;
}


/** Where it can be called */
void stub_addr(const struct stub *s, struct sockaddr_in *sin)
{
	*sin = *sockio_addr(s->sip);
}


/** How many OPTIONS were answered */
uint32_t stub_replies(const struct stub *s)
{
	return __atomic_load_n(&s->replies, __ATOMIC_RELAXED);
}


/** How many calls are up */
uint32_t stub_legs(const struct stub *s)
{
	return __atomic_load_n(&s->legs, __ATOMIC_RELAXED);
}


/** Stop the server */
void stub_free(struct stub *s)
{
	if (!s)
		return;

	if (s->run) {
		__atomic_store_n(&s->run, false, __ATOMIC_RELEASE);
		pthread_join(s->thread, NULL);
	}
	sockio_free(s->sip);
	sockio_free(s->rtp);
	sockio_free(s->sip2);
	sockio_free(s->rtp2);
	free(s);
}
