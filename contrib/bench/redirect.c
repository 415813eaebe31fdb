/* Redirection: INVITE, 302, ACK, never followed, as fast as the server
 * answers or at a steady rate. The requests differ in one number only, so
 * they are made by copying and cost next to nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "bench.h"

enum {
	ID_LEN = 12,            /* hex digits: 8 of the call, 4 of the slot */
	PLACES = 8,
	SLOTS = 4096,
	SCAN_MS = 50,
	WARMUP = 1000,          /* calls before the measurement */
	REFUSE_MAX = 1000,      /* gives up after as many */
};

static const int64_t ms = 1000000, second = 1000000000;
static const char mark[] = "############";

/* A request with places for the number. */
struct pattern {
	char buf[1200];
	size_t len;
	size_t placev[PLACES];
	size_t placec;
};

struct slot {
	bool busy;
	uint32_t id;
	int64_t sent;           /* first time [ns] */
	int64_t next, ival;     /* retransmission [ns] */
};

struct redirect {
	const struct opts *o;
	struct sockio *io;
	struct pattern invite, ack1, ack2;
	struct slot slotv[SLOTS];
	uint16_t freev[SLOTS];
	uint32_t freec;
	uint32_t next;          /* number of the next call */
	uint32_t done, refused, lost, retrans, skipped;
	int code;               /* last refusal */
	struct hist *took;      /* INVITE to 302 [us] */
	bool steady;            /* paced; else one goes as one comes */
	uint32_t left;          /* calls still to be made */
};


static void pattern_set(struct pattern *p, const char *text)
{
	const char *at;

	p->len = strlen(text);
	memcpy(p->buf, text, p->len + 1);

	for (at = strstr(p->buf, mark); at && p->placec < PLACES;
	     at = strstr(at + ID_LEN, mark))
		p->placev[p->placec++] = (size_t)(at - p->buf);
}


static size_t pattern_copy(char *out, const struct pattern *p,
			   const char *id)
{
	memcpy(out, p->buf, p->len);
	for (size_t i = 0; i < p->placec; i++)
		memcpy(out + p->placev[i], id, ID_LEN);

	return p->len;
}


static void id_write(char *id, uint32_t call, uint32_t slot)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < 8; i++)
		id[i] = hex[call >> (28 - 4 * i) & 15];
	for (int i = 0; i < 4; i++)
		id[8 + i] = hex[slot >> (12 - 4 * i) & 15];
}


/* uri is the conference; with a mark in it each call goes to another. */
static int patterns_make(struct redirect *r, const char *uri)
{
	const struct sockaddr_in *me = sockio_addr(r->io);
	char ip[INET_ADDRSTRLEN], body[600], text[1200], head[500];
	struct wbuf b = {body, 0, sizeof(body), false};
	struct wbuf h = {head, 0, sizeof(head), false};
	struct wbuf w = {text, 0, sizeof(text), false};
	struct sockaddr_in media = *me;
	const uint16_t port = ntohs(me->sin_port);
	uint32_t run;

	(void)!getrandom(&run, sizeof(run), 0);
	inet_ntop(AF_INET, &me->sin_addr, ip, sizeof(ip));
	media.sin_port = htons(9);
	sdp_write(&b, r->o, &media, run >> 1);

	wbuf_add(&h, " %s SIP/2.0\r\n"
		 "Via: SIP/2.0/UDP %s:%u;branch=z9hG4bK%08x%s;rport\r\n"
		 "Max-Forwards: 70\r\n"
		 "From: <sip:load@%s:%u>;tag=%s\r\n",
		 uri, ip, port, run, mark, ip, port, mark);

	wbuf_add(&w, "INVITE%sTo: <%s>\r\n"
		 "Call-ID: %s@%08x\r\n"
		 "CSeq: 1 INVITE\r\n"
		 "Contact: <sip:load@%s:%u>\r\n"
		 "Content-Type: application/sdp\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 head, uri, mark, run, ip, port, b.n, body);
	pattern_set(&r->invite, text);

	w.n = 0;
	wbuf_add(&w, "ACK%sTo: ", head);
	pattern_set(&r->ack1, text);

	w.n = 0;
	wbuf_add(&w, "\r\nCall-ID: %s@%08x\r\n"
		 "CSeq: 1 ACK\r\n"
		 "Content-Length: 0\r\n\r\n", mark, run);
	pattern_set(&r->ack2, text);

	return w.full || b.full || h.full ? EOVERFLOW : 0;
}


static void invite_send(struct redirect *r, uint32_t k)
{
	char *buf = sockio_buf(r->io), id[ID_LEN];

	id_write(id, r->slotv[k].id, k);
	sockio_push(r->io, pattern_copy(buf, &r->invite, id), &r->o->to);
}


static void launch(struct redirect *r, int64_t now)
{
	struct slot *s;
	uint32_t k;

	--r->left;
	if (!r->freec) {
		++r->skipped;
		return;
	}

	k = r->freev[--r->freec];
	s = &r->slotv[k];
	s->busy = true;
	s->id = r->next++;
	s->sent = now;
	s->ival = 500 * ms;
	s->next = now + s->ival;
	invite_send(r, k);
}


static void slot_free(struct redirect *r, uint32_t k)
{
	r->slotv[k].busy = false;
	r->freev[r->freec++] = (uint16_t)k;
}


static void ack_send(struct redirect *r, const char *id,
		     const struct str *to)
{
	char *buf = sockio_buf(r->io);
	size_t n;

	if (r->ack1.len + to->l + r->ack2.len > DGRAM_MAX)
		return;

	n = pattern_copy(buf, &r->ack1, id);
	memcpy(buf + n, to->p, to->l);
	n += to->l;
	n += pattern_copy(buf + n, &r->ack2, id);
	sockio_push(r->io, n, &r->o->to);
}


static void datagram(char *buf, size_t len, const struct sockaddr_in *src,
		     void *arg)
{
	struct redirect *r = arg;
	char num[ID_LEN + 1] = "";
	unsigned long long v;
	struct slot *s;
	struct msg m;
	uint32_t k;

	if (msg_parse(&m, buf, len) || m.request || m.code < 200 ||
	    m.callid.l < ID_LEN)
		return;

	memcpy(num, m.callid.p, ID_LEN);
	v = strtoull(num, NULL, 16);
	k = v & 0xffff;
	if (k >= SLOTS)
		return;

	ack_send(r, num, &m.to);
	s = &r->slotv[k];
	if (!s->busy || s->id != v >> 16)
		return;

	slot_free(r, k);
	if (m.code >= 300 && m.code < 400 && m.contact.l) {
		const int64_t now = now_ns();

		++r->done;
		hist_add(r->took, (uint64_t)(now - s->sent) / 1000);
	}
	else {
		++r->refused;
		r->code = m.code;
	}

	if (!r->steady && r->left && r->refused < REFUSE_MAX)
		launch(r, now_ns());
}


static void timers(struct redirect *r, int64_t now)
{
	for (uint32_t k = 0; k < SLOTS; k++) {
		struct slot *s = &r->slotv[k];

		if (!s->busy || now < s->next)
			continue;
		if (now - s->sent > r->o->timeout * second) {
			++r->lost;
			slot_free(r, k);
			continue;
		}
		s->ival *= 2;
		s->next = now + s->ival;
		++r->retrans;
		invite_send(r, k);
	}
}


/* Make a number of calls and wait for their answers. */
static bool phase(struct redirect *r, struct calls *keeper, uint32_t count)
{
	const int fdv[2] = {sockio_fd(r->io), calls_fd(keeper)};
	const int64_t t0 = now_ns();
	int64_t scan = t0;

	r->left = count;
	for (uint32_t i = 0; !r->steady && i < r->o->outstanding && r->left;
	     i++)
		launch(r, t0);

	while (r->refused < REFUSE_MAX &&
	       (r->left || r->freec < SLOTS)) {
		int64_t now = now_ns(), due = scan;

		while (r->steady && r->left) {
			due = t0 + (int64_t)(count - r->left) * second /
				r->o->rate;
			if (due > now)
				break;
			launch(r, now);
		}
		sockio_flush(r->io);

		wait_until(fdv, 2, due < scan ? due : scan);
		sockio_read(r->io, datagram, r);

		now = now_ns();
		if (now >= scan) {
			scan = now + SCAN_MS * ms;
			timers(r, now);
			if (!calls_poll(keeper, now))
				return false;
		}
	}
	sockio_flush(r->io);

	return true;
}


static void figures(struct bench *b, const struct redirect *r, double cpu,
		    double took, double self)
{
	struct result *res = b->res;

	if (b->o.pidc && r->done)
		result_num(res, "cpu_us", 1e6 * cpu / r->done, "us",
			   "server CPU per INVITE + 302 + ACK");
	result_num(res, "rate", r->done / took, "1/s", "redirections");
	result_num(res, "took_p50_us",
		   (double)hist_percentile(r->took, 0.5), "us",
		   "INVITE to 302, p50");
	result_num(res, "took_p99_us",
		   (double)hist_percentile(r->took, 0.99), "us",
		   "INVITE to 302, p99");
	result_num(res, "redirected", r->done, "", "redirected");
	result_num(res, "refused", r->refused, "", "refused");
	result_num(res, "lost", r->lost + r->skipped, "", "not answered");
	result_num(res, "retransmitted", r->retrans, "",
		   "requests sent again");
	result_num(res, "self_us", r->done ? 1e6 * self / r->done : 0, "us",
		   "CPU of this program for each");
	if (r->refused) {
		fprintf(stderr, "%u calls: answered %d\n", r->refused,
			r->code);
	}
	if (r->refused || r->lost || r->skipped || !r->done)
		b->failed = true;
}


/* Somebody has to be in the conference, or it is not known; and a server
 * that does not redirect should not be left with thousands of calls. */
static int keeper_join(struct crowd **cp, const struct opts *o)
{
	struct crowd *c;
	int err;

	err = crowd_alloc(&c, o, 1);
	if (err)
		return err;

	if (!crowd_join(c, 1000) || calls_count(c->calls, CALL_UP) != 1) {
		calls_report(c->calls, stderr);
		fprintf(stderr, "the first call does not come about\n");
		err = ECONNREFUSED;
	}
	else if (!calls_get(c->calls, 0)->hops) {
		fprintf(stderr, "this server does not redirect\n");
		calls_hangup(c->calls, 0);
		err = EPROTO;
	}

	if (err)
		crowd_free(c);
	else
		*cp = c;

	return err;
}


static int redirect_alloc(struct redirect **rp, const struct opts *o,
			  bool steady, const char *uri)
{
	struct redirect *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return ENOMEM;

	r->o = o;
	r->steady = steady;
	for (r->freec = 0; r->freec < SLOTS; r->freec++)
		r->freev[r->freec] = (uint16_t)(SLOTS - 1 - r->freec);

	err = hist_alloc(&r->took, 1, 1000000);
	if (!err)
		err = sockio_alloc(&r->io, o->local);
	if (!err)
		err = patterns_make(r, uri);
	*rp = r;

	return err;
}


static int run(struct bench *b, const char *uri)
{
	struct opts *o = &b->o;
	const bool steady = o->rate > 0;
	const uint32_t count = steady ? o->rate * o->seconds : o->count;
	const uint32_t warm = count / 5 < WARMUP ? count / 5 : WARMUP;
	struct redirect *r = NULL;
	struct proc_use u0, u1;
	struct crowd *keeper = NULL;
	double self;
	int64_t t0;
	bool ok;
	int err;

	err = keeper_join(&keeper, o);
	if (!err)
		err = redirect_alloc(&r, o, steady, uri);
	if (err)
		goto out;

	ok = phase(r, keeper->calls, warm);
	r->done = 0;
	hist_reset(r->took);

	err = proc_read(&u0, o->pidv, o->pidc, false);
	if (err || !ok || r->refused)
		goto hangup;

	t0 = now_ns();
	self = proc_self();
	phase(r, keeper->calls, count);
	self = proc_self() - self;
	err = proc_read(&u1, o->pidv, o->pidc, false);
	if (!err)
		figures(b, r, u1.cpu - u0.cpu,
			(double)(now_ns() - t0) / 1e9, self);

 hangup:
	if (r->refused && !r->done)
		fprintf(stderr, "refused with %d\n", r->code);
	b->failed |= !r->done;
	crowd_close(b, keeper);

 out:
	if (r) {
		sockio_free(r->io);
		free(r->took);
		free(r);
	}
	crowd_free(keeper);

	return err;
}


/**
 * Measure redirection to a known conference
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_redirect(struct bench *b)
{
	char uri[80];
	int err;

	err = conf_uri(uri, sizeof(uri), &b->o, &b->o.to, 0);
	if (err)
		return err;

	return run(b, uri);
}


/**
 * Measure redirection when each call is the first to its conference
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_firstjoin(struct bench *b)
{
	char uri[80];
	struct wbuf w = {uri, 0, sizeof(uri), false};
	char ip[INET_ADDRSTRLEN];
	uint32_t run_id;

	(void)!getrandom(&run_id, sizeof(run_id), 0);
	inet_ntop(AF_INET, &b->o.to.sin_addr, ip, sizeof(ip));
	wbuf_add(&w, "sip:n%08x%s@%s:%u", run_id, mark, ip,
		 ntohs(b->o.to.sin_port));

	return w.full ? EOVERFLOW : run(b, uri);
}
