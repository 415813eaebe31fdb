/**
 * @file tests/mesh/phone.c  Phones for tests: a tone goes out, audio comes in
 *
 * Coding is done with spandsp and libopus directly, not with what is tested.
 * Everything is recorded at 8 kHz, whatever the codec.
 */
#include <re.h>
#include <math.h>
#include <string.h>
#include <spandsp.h>
#include <opus/opus.h>
#include "mesh/mesh.h"
#include "phone.h"

enum { TICK = 20, HELD = PHONE_RATE * PHONE_SECONDS };

struct phone {
	const char *host;
	struct udp_sock *us, *us_rtcp;
	struct sa laddr, laddr_rtcp, peer;
	struct tmr tmr;
	uint64_t due;
	enum mesh_codec codec;
	unsigned ptime;
	OpusEncoder *enc;
	OpusDecoder *dec;
	g722_encode_state_t *g722enc;
	g722_decode_state_t *g722dec;
	double freq, amp, phase;
	int16_t pcm[48000 / 1000 * 60];
	size_t fill;
	uint16_t seq;
	uint32_t ts, ssrc;
	bool first;
	uint16_t rx_seq;
	uint32_t rx_ts;
	size_t sent;
	struct phone_stats stats;
	int16_t *heard;
	size_t heardc;
};


static uint32_t rate(const struct phone *ph)
{
	switch (ph->codec) {

	case MESH_G722: return 16000;
	case MESH_OPUS: return 48000;
	default:        return 8000;
	}
}


static uint32_t rtp_clock(const struct phone *ph)
{
	return ph->codec == MESH_OPUS ? 48000 : 8000;
}


static uint8_t ptype(const struct phone *ph)
{
	switch (ph->codec) {

	case MESH_PCMU: return 0;
	case MESH_PCMA: return 8;
	case MESH_G722: return 9;
	default:        return 111;
	}
}


static void destructor(void *arg)
{
	struct phone *ph = arg;

	tmr_cancel(&ph->tmr);
	mem_deref(ph->us);
	mem_deref(ph->us_rtcp);
	mem_deref(ph->heard);
	if (ph->enc)
		opus_encoder_destroy(ph->enc);
	if (ph->dec)
		opus_decoder_destroy(ph->dec);
	if (ph->g722enc)
		g722_encode_free(ph->g722enc);
	if (ph->g722dec)
		g722_decode_free(ph->g722dec);
}


static size_t encode(struct phone *ph, uint8_t *buf, const int16_t *v,
		     size_t n)
{
	switch (ph->codec) {

	case MESH_PCMU:
		for (size_t i = 0; i < n; i++)
			buf[i] = linear_to_ulaw(v[i]);
		return n;

	case MESH_PCMA:
		for (size_t i = 0; i < n; i++)
			buf[i] = linear_to_alaw(v[i]);
		return n;

	case MESH_G722:
		return (size_t)g722_encode(ph->g722enc, buf, v, (int)n);

	default:
		return (size_t)opus_encode(ph->enc, v, (int)n, buf, 1275);
	}
}


static void record(struct phone *ph, const int16_t *v, size_t n)
{
	n = min(n, HELD - ph->heardc);
	memcpy(ph->heard + ph->heardc, v, n * sizeof(*v));
	ph->heardc += n;
}


static void decode(struct phone *ph, const uint8_t *p, size_t len)
{
	int16_t v[5760];
	int n;

	switch (ph->codec) {

	case MESH_PCMU:
		for (size_t i = 0; i < len; i++)
			v[i] = ulaw_to_linear(p[i]);
		record(ph, v, len);
		break;

	case MESH_PCMA:
		for (size_t i = 0; i < len; i++)
			v[i] = alaw_to_linear(p[i]);
		record(ph, v, len);
		break;

	case MESH_G722:
		n = g722_decode(ph->g722dec, v, p, (int)len);
		for (int i = 0; i < n / 2; i++)
			v[i] = v[2 * i];
		record(ph, v, (size_t)n / 2);
		break;

	default:
		n = opus_decode(ph->dec, p, (int)len, v, 5760, 0);
		record(ph, v, n > 0 ? (size_t)n : 0);
		break;
	}
}


static void tmr_handler(void *arg)
{
	struct phone *ph = arg;
	const size_t n = rate(ph) / 1000 * TICK;
	const size_t frame = rate(ph) / 1000 * ph->ptime;
	size_t pos = 0;
	uint64_t now = tmr_jiffies();

	ph->due += TICK;
	tmr_start(&ph->tmr, ph->due > now ? ph->due - now : 0, tmr_handler,
		  ph);

	for (size_t i = 0; i < n; i++) {
		ph->phase += 2 * M_PI * ph->freq / rate(ph);
		ph->pcm[ph->fill++] = (int16_t)(ph->amp * sin(ph->phase));
	}

	while (ph->fill - pos >= frame) {

		struct mbuf *mb = mbuf_alloc(1500);
		struct rtp_header hdr;

		memset(&hdr, 0, sizeof(hdr));
		hdr.ver = RTP_VERSION;
		hdr.m = ph->first;
		hdr.pt = ptype(ph);
		hdr.seq = ph->seq++;
		hdr.ts = ph->ts;
		hdr.ssrc = ph->ssrc;
		(void)rtp_hdr_encode(mb, &hdr);
		mb->end += encode(ph, mb->buf + mb->pos, ph->pcm + pos,
				  frame);
		mb->pos = 0;
		(void)udp_send(ph->us, &ph->peer, mb);
		mem_deref(mb);

		++ph->sent;
		ph->first = false;
		ph->ts += rtp_clock(ph) / 1000 * ph->ptime;
		pos += frame;
	}

	ph->fill -= pos;
	memmove(ph->pcm, ph->pcm + pos, ph->fill * sizeof(*ph->pcm));
}


static void levels_get(struct phone_stats *st, const uint8_t *p, size_t words)
{
	if (words)
		st->levels = (uint8_t)((p[0] & 0x0f) + 1);
}


static void rtp_handler(const struct sa *src, struct mbuf *mb, void *arg)
{
	struct phone *ph = arg;
	struct phone_stats *st = &ph->stats;
	const uint8_t *ext = mbuf_buf(mb);
	const uint32_t step = rtp_clock(ph) / 1000 * ph->ptime;
	struct rtp_header hdr;
	(void)src;

	if (mbuf_get_left(mb) > 1 && (ext[1] & 0x7f) >= 72 &&
	    (ext[1] & 0x7f) <= 76) {
		++st->rtcp;
		return;
	}

	if (rtp_hdr_decode(&hdr, mb))
		return;

	st->levels = 0;
	if (hdr.ext)
		levels_get(st, mbuf_buf(mb) - hdr.x.len * 4, hdr.x.len);

	if (st->packets) {
		const uint16_t d = (uint16_t)(hdr.seq - ph->rx_seq);

		if (d != 1)
			++st->gaps;
		if (d > 1 && d < 0x8000)
			st->gap_most = max(st->gap_most, d - 1u);
		if (hdr.ts - ph->rx_ts != d * step)
			++st->ts_bad;
		if (hdr.ssrc != st->ssrc)
			++st->ssrcs;
	}

	ph->rx_seq = hdr.seq;
	ph->rx_ts = hdr.ts;
	st->ssrc = hdr.ssrc;
	st->markers += hdr.m;
	st->csrcc = hdr.cc;
	memcpy(st->csrcv, hdr.csrc, sizeof(hdr.csrc));
	++st->packets;

	st->len = min(mbuf_get_left(mb), sizeof(st->payload));
	memcpy(st->payload, mbuf_buf(mb), st->len);
	decode(ph, st->payload, st->len);
}


static void rtcp_handler(const struct sa *src, struct mbuf *mb, void *arg)
{
	struct phone *ph = arg;
	struct rtcp_msg *msg = NULL;
	(void)src;

	++ph->stats.rtcp;
	while (mbuf_get_left(mb) && !rtcp_decode(&msg, mb)) {
		if (msg->hdr.pt == RTCP_BYE)
			++ph->stats.bye;
		if (msg->hdr.pt == RTCP_SR && msg->hdr.count == 1)
			ph->stats.rr = msg->r.sr.rrv[0];
		if (msg->hdr.pt == RTCP_SR)
			ph->stats.sr_packets = msg->r.sr.psent;
		msg = mem_deref(msg);
	}
}


static int sockets_open(struct phone *ph)
{
	struct sa any;
	int err;

	(void)sa_set_str(&any, ph->host, 0);
	err  = udp_listen(&ph->us, &any, rtp_handler, ph);
	err |= udp_local_get(ph->us, &ph->laddr);

	return err;
}


/* A phone with a codec; it neither sends nor is known to anybody yet */
int phone_alloc(struct phone **pp, enum mesh_codec codec, unsigned ptime,
		const char *host)
{
	struct phone *ph = mem_zalloc(sizeof(*ph), destructor);
	struct sa any;
	int err;

	if (!ph)
		return ENOMEM;

	ph->host = host;
	ph->codec = codec;
	ph->ptime = ptime;
	ph->seq = rand_u16();
	ph->ts = rand_u32();
	ph->ssrc = rand_u32();
	ph->first = true;
	ph->heard = mem_zalloc(HELD * sizeof(*ph->heard), NULL);
	tmr_init(&ph->tmr);

	if (codec == MESH_OPUS) {
		ph->enc = opus_encoder_create(48000, 1,
					      OPUS_APPLICATION_VOIP, &err);
		ph->dec = opus_decoder_create(PHONE_RATE, 1, &err);
	}
	else if (codec == MESH_G722) {
		ph->g722enc = g722_encode_init(NULL, 64000, 0);
		ph->g722dec = g722_decode_init(NULL, 64000, 0);
	}

	err = sockets_open(ph);
	(void)sa_set_str(&any, host, 0);
	err |= udp_listen(&ph->us_rtcp, &any, rtcp_handler, ph);
	err |= udp_local_get(ph->us_rtcp, &ph->laddr_rtcp);

	if (err)
		mem_deref(ph);
	else
		*pp = ph;

	return err;
}


/* What it would have agreed on */
void phone_media(const struct phone *ph, struct mesh_media *media)
{
	memset(media, 0, sizeof(*media));
	media->rxc = 1;
	media->rxv[0].codec = ph->codec;
	media->rxv[0].pt = ptype(ph);
	media->rxv[0].rate = rate(ph);
	media->tx = media->rxv[0];
	media->ptime = ph->ptime;
	media->rtp = ph->laddr;
	media->rtcp = ph->laddr_rtcp;
	media->telev_rx = media->telev_tx = 101;
	media->send = media->recv = true;
}


void phone_peer(struct phone *ph, const struct sa *rtp)
{
	ph->peer = *rtp;
}


void phone_laddr(const struct phone *ph, struct sa *sa)
{
	*sa = ph->laddr;
}


void phone_talk(struct phone *ph, double freq, double amp)
{
	ph->freq = freq;
	ph->amp = amp;
}


void phone_start(struct phone *ph)
{
	ph->due = tmr_jiffies();
	tmr_start(&ph->tmr, 0, tmr_handler, ph);
}


void phone_stop(struct phone *ph)
{
	tmr_cancel(&ph->tmr);
}


/* Send anything */
int phone_send(struct phone *ph, const void *p, size_t len)
{
	struct mbuf *mb = mbuf_alloc(len ? len : 1);
	int err;

	(void)mbuf_write_mem(mb, p, len);
	mb->pos = 0;
	err = udp_send(ph->us, &ph->peer, mb);
	mem_deref(mb);

	return err;
}


/* Send a sender report with one block, to where RTCP goes */
static int rr_encode(struct mbuf *mb, void *arg)
{
	const struct rtcp_rr *rr = arg;
	int err;

	err  = mbuf_write_u32(mb, htonl(rr->ssrc));
	err |= mbuf_write_u32(mb, htonl((uint32_t)rr->fraction << 24 |
					(uint32_t)(rr->lost & 0xffffff)));
	err |= mbuf_write_u32(mb, htonl(rr->last_seq));
	err |= mbuf_write_u32(mb, htonl(rr->jitter));
	err |= mbuf_write_u32(mb, htonl(rr->lsr));
	err |= mbuf_write_u32(mb, htonl(rr->dlsr));

	return err;
}


int phone_report(struct phone *ph, const struct sa *dst,
		 const struct rtcp_rr *rr)
{
	struct mbuf *mb = mbuf_alloc(256);
	int err;

	err  = rtcp_encode(mb, RTCP_SR, 1, ph->ssrc, 0x11223344u, 0x55667788u,
			   ph->ts, (uint32_t)ph->sent, 0u, rr_encode,
			   (void *)rr);
	mb->pos = 0;
	err |= udp_send(ph->us_rtcp, dst, mb);
	mem_deref(mb);

	return err;
}


/* Go on from another port, as behind a NAT that forgot */
int phone_move(struct phone *ph)
{
	ph->us = mem_deref(ph->us);

	return sockets_open(ph);
}


const struct phone_stats *phone_stats(const struct phone *ph)
{
	return &ph->stats;
}


void phone_forget(struct phone *ph)
{
	const uint32_t ssrc = ph->stats.ssrc;

	memset(&ph->stats, 0, sizeof(ph->stats));
	ph->stats.ssrc = ssrc;
	ph->heardc = 0;
}


const int16_t *phone_heard(const struct phone *ph, size_t *sampc)
{
	*sampc = ph->heardc;

	return ph->heard;
}


size_t phone_sent(const struct phone *ph)
{
	return ph->sent;
}


/* Amplitude of a tone in the latest audio */
double phone_level(const struct phone *ph, double freq, unsigned ms)
{
	const size_t n = min((size_t)ms * PHONE_RATE / 1000, ph->heardc);

	return tone_power(ph->heard + ph->heardc - n, n, freq, PHONE_RATE);
}


/* Amplitude of a tone (Goertzel) */
double tone_power(const int16_t *v, size_t n, double freq, double hz)
{
	const double c = 2 * cos(2 * M_PI * freq / hz);
	double s1 = 0, s2 = 0;

	if (!n)
		return 0;

	for (size_t i = 0; i < n; i++) {
		const double s = v[i] + c * s1 - s2;

		s2 = s1;
		s1 = s;
	}

	return 2 * sqrt(fabs(s1 * s1 + s2 * s2 - c * s1 * s2)) / (double)n;
}


/* The greatest second difference: large at a click, small in low tones */
double click_max(const int16_t *v, size_t n)
{
	double most = 0;

	for (size_t i = 2; i < n; i++) {
		const double d = fabs(v[i] - 2.0 * v[i - 1] + v[i - 2]);

		most = max(most, d);
	}

	return most;
}


static void run_handler(void *arg)
{
	(void)arg;
	re_cancel();
}


void run_ms(unsigned ms)
{
	struct tmr tmr;

	tmr_init(&tmr);
	tmr_start(&tmr, ms, run_handler, NULL);
	(void)re_main(NULL);
	tmr_cancel(&tmr);
}
