/**
 * @file tests/mesh/test_packet.c  RTP, RTCP, demultiplexing, batches
 */
#include <re.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "mesh/mesh.h"
#include "mesh/scheduler.h"
#include "mesh/rtp.h"
#include "mesh/rtcp.h"
#include "mesh/demux.h"
#include "mesh/channel.h"

struct bytes {
	const char *what;
	size_t len;
	uint8_t v[64];
};

/* first 12 bytes of every good packet here: PCMU, seq 0x0102, SSRC 9 */
#define FIXED(first, pt) first, pt, 1, 2, 0, 0, 3, 4, 0, 0, 0, 9


START_TEST(test_classify)
{
	static const struct {
		uint8_t v[12];
		size_t len;
		enum packet_class class;
	} t[] = {
		{{0, 1}, 12, PACKET_STUN},
		{{3, 1}, 12, PACKET_STUN},
		{{4, 1}, 12, PACKET_OTHER},
		{{19}, 12, PACKET_OTHER},
		{{20}, 12, PACKET_DTLS},
		{{63}, 12, PACKET_DTLS},
		{{64}, 12, PACKET_OTHER},
		{{127}, 12, PACKET_OTHER},
		{{0x80, 0}, 12, PACKET_RTP},
		{{0x80, 0x80}, 12, PACKET_RTP},
		{{0x80, 191}, 12, PACKET_RTP},
		{{0x80, 192}, 12, PACKET_RTCP},
		{{0x80, 200}, 8, PACKET_RTCP},
		{{0x80, 223}, 8, PACKET_RTCP},
		{{0x80, 224}, 12, PACKET_RTP},
		{{0xbf, 0}, 12, PACKET_RTP},
		{{0xc0, 0}, 12, PACKET_OTHER},
		{{0x80, 0}, 11, PACKET_OTHER},
		{{0x80, 200}, 7, PACKET_OTHER},
		{{0}, 0, PACKET_OTHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		ck_assert_msg(packet_classify(t[i].v, t[i].len) == t[i].class,
			      "row %zu", i);
}
END_TEST


START_TEST(test_rtp_good)
{
	static const struct {
		struct bytes b;
		size_t pos, len;
		int level;
		bool voice;
	} t[] = {
		{{"plain", 14, {FIXED(0x80, 0), 7, 8}}, 12, 2, -1, false},
		{{"empty", 12, {FIXED(0x80, 0)}}, 12, 0, -1, false},
		{{"csrc", 18, {FIXED(0x81, 0), 0, 0, 0, 1, 7, 8}},
		 16, 2, -1, false},
		{{"padding", 16, {FIXED(0xa0, 0), 7, 8, 0, 2}},
		 12, 2, -1, false},
		{{"one byte", 22, {FIXED(0x90, 0), 0xbe, 0xde, 0, 1,
				   0x10, 0xa5, 0, 0, 7, 8}},
		 20, 2, 0x25, true},
		{{"second", 22, {FIXED(0x90, 0), 0xbe, 0xde, 0, 1,
				 0x20, 0x7f, 0x10, 0x05, 7, 8}},
		 20, 2, 5, false},
		{{"other id", 22, {FIXED(0x90, 0), 0xbe, 0xde, 0, 1,
				   0x20, 0x25, 0, 0, 7, 8}},
		 20, 2, -1, false},
		{{"id 15 ends", 22, {FIXED(0x90, 0), 0xbe, 0xde, 0, 1,
				     0xf0, 0x25, 0x10, 0x05, 7, 8}},
		 20, 2, -1, false},
		{{"two bytes", 22, {FIXED(0x90, 0), 0x10, 0x00, 0, 1,
				    1, 1, 0x85, 0, 7, 8}},
		 20, 2, 5, true},
		{{"two, empty first", 26, {FIXED(0x90, 0), 0x10, 0x01, 0, 2,
					   2, 0, 1, 1, 0x09, 0, 0, 0, 7, 8}},
		 24, 2, 9, false},
		{{"unknown profile", 22, {FIXED(0x90, 0), 0xaa, 0xbb, 0, 1,
					  0x10, 0x05, 0, 0, 7, 8}},
		 20, 2, -1, false},
		{{"element too long", 22, {FIXED(0x90, 0), 0xbe, 0xde, 0, 1,
					   0x2f, 1, 2, 3, 7, 8}},
		 20, 2, -1, false},
		{{"no words", 18, {FIXED(0x90, 0), 0xbe, 0xde, 0, 0, 7, 8}},
		 16, 2, -1, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct scheduler_packet pkt;
		const struct bytes *b = &t[i].b;

		ck_assert_msg(!rtp_packet_decode(&pkt, b->v, b->len, 1), "%s",
			      b->what);
		ck_assert_uint_eq(pkt.pt, 0);
		ck_assert(!pkt.marker);
		ck_assert_uint_eq(pkt.seq, 0x0102);
		ck_assert_uint_eq(pkt.ts, 0x0304);
		ck_assert_uint_eq(pkt.ssrc, 9);
		ck_assert_msg(pkt.p == b->v + t[i].pos, "%s", b->what);
		ck_assert_msg(pkt.len == t[i].len, "%s", b->what);
		ck_assert_msg(pkt.level == t[i].level, "%s: %d", b->what,
			      pkt.level);
		ck_assert(pkt.voice == t[i].voice);
	}
}
END_TEST


START_TEST(test_rtp_bad)
{
	static const struct bytes t[] = {
		{"short", 11, {FIXED(0x80, 0)}},
		{"version 1", 14, {FIXED(0x40, 0)}},
		{"version 3", 14, {FIXED(0xc0, 0)}},
		{"no room for csrc", 15, {FIXED(0x81, 0)}},
		{"no room for 15", 40, {FIXED(0x8f, 0)}},
		{"padding 0", 14, {FIXED(0xa0, 0), 1, 0}},
		{"padding beyond", 14, {FIXED(0xa0, 0), 1, 3}},
		{"padding in nothing", 12, {FIXED(0xa0, 0)}},
		{"extension cut", 15, {FIXED(0x90, 0), 0xbe, 0xde, 0}},
		{"extension too long", 20, {FIXED(0x90, 0), 0xbe, 0xde, 0, 2}},
		{"extension huge", 20, {FIXED(0x90, 0), 0xbe, 0xde, 255, 255}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct scheduler_packet pkt;

		ck_assert_msg(rtp_packet_decode(&pkt, t[i].v, t[i].len, 1) ==
			      EBADMSG, "%s", t[i].what);
	}
}
END_TEST


/* What we send is what libre reads */
START_TEST(test_rtp_encode)
{
	const uint32_t csrcv[] = {0x01020304, 0xfffefdfc, 5};
	const uint8_t levelv[] = {3, 127, 200};
	uint8_t buf[RTP_FIXED + RTP_SHARED_MAX], first;
	struct rtp_header hdr;
	struct mbuf mb;
	size_t n;

	n = rtp_mixer_encode(buf + RTP_FIXED, &first, csrcv, levelv, 3, 4);
	rtp_fixed_encode(buf, first, 111, true, 0xfffe, 0xf0e0d0c0,
			 0x80000001);
	ck_assert_uint_eq(n, 3 * 4 + 4 + 4);

	mbuf_init(&mb);
	mb.buf = buf;
	mb.size = mb.end = RTP_FIXED + n;
	ck_assert_int_eq(rtp_hdr_decode(&hdr, &mb), 0);
	ck_assert_uint_eq(hdr.cc, 3);
	ck_assert(hdr.m);
	ck_assert(hdr.ext);
	ck_assert_uint_eq(hdr.pt, 111);
	ck_assert_uint_eq(hdr.seq, 0xfffe);
	ck_assert_uint_eq(hdr.ts, 0xf0e0d0c0);
	ck_assert_uint_eq(hdr.ssrc, 0x80000001);
	ck_assert_mem_eq(hdr.csrc, csrcv, sizeof(csrcv));
	ck_assert_uint_eq(hdr.x.type, 0xbede);
	ck_assert_uint_eq(hdr.x.len, 1);
	ck_assert_uint_eq(buf[RTP_FIXED + 16], 4 << 4 | 2);
	ck_assert_uint_eq(buf[RTP_FIXED + 17], 3);
	ck_assert_uint_eq(buf[RTP_FIXED + 18], 127);
	ck_assert_uint_eq(buf[RTP_FIXED + 19], 200 & 0x7f);

	ck_assert_uint_eq(rtp_mixer_encode(buf, &first, csrcv, levelv, 0, 4),
			  0);
	ck_assert_uint_eq(first, 0x80);
	ck_assert_uint_eq(rtp_mixer_encode(buf, &first, csrcv, levelv, 2, 0),
			  8);
	ck_assert_uint_eq(first, 0x82);
}
END_TEST


/* Who is in a packet is read as it was written; less is no harm */
START_TEST(test_rtp_mixer)
{
	const uint32_t csrcv[] = {0x01020304, 0xfffefdfc, 5};
	const uint8_t levelv[] = {3, 127, 20};
	uint8_t buf[RTP_FIXED + RTP_SHARED_MAX], first, lv[RTP_CSRC_MAX];
	uint32_t cv[RTP_CSRC_MAX];
	size_t n;

	n = RTP_FIXED + rtp_mixer_encode(buf + RTP_FIXED, &first, csrcv,
					 levelv, 3, 4);
	rtp_fixed_encode(buf, first, 96, false, 1, 2, 3);
	ck_assert_uint_eq(rtp_mixer_decode(cv, lv, buf, n, 4), 3);
	ck_assert_mem_eq(cv, csrcv, sizeof(csrcv));
	ck_assert_mem_eq(lv, levelv, sizeof(levelv));

	/* levels under another id, cut off, or in another form */
	ck_assert_uint_eq(rtp_mixer_decode(cv, lv, buf, n, 5), 3);
	ck_assert_uint_eq(lv[0], 127);
	ck_assert_uint_eq(rtp_mixer_decode(cv, lv, buf, n - 1, 4), 3);
	ck_assert_uint_eq(lv[0], 127);
	buf[RTP_FIXED + 12] = 0x10;
	ck_assert_uint_eq(rtp_mixer_decode(cv, lv, buf, n, 4), 3);
	ck_assert_uint_eq(lv[0], 127);
	buf[RTP_FIXED + 12] = 0xbe;
	buf[RTP_FIXED + 15] = 0;
	ck_assert_uint_eq(rtp_mixer_decode(cv, lv, buf, n, 4), 3);
	ck_assert_uint_eq(lv[0], 127);

	/* sources cut off; none; no packet */
	ck_assert_uint_eq(rtp_mixer_decode(cv, lv, buf, RTP_FIXED + 11, 4),
			  0);
	ck_assert_uint_eq(rtp_mixer_decode(cv, lv, buf, RTP_FIXED + 12, 4),
			  3);
	ck_assert_uint_eq(rtp_mixer_decode(cv, lv, buf, 11, 4), 0);
	buf[0] = 0x90;
	ck_assert_uint_eq(rtp_mixer_decode(cv, lv, buf, n, 4), 0);
}
END_TEST


static size_t report(uint8_t *buf, bool sender, bool bye)
{
	const struct rtcp_report rep = {
		.ssrc = 77, .sender = sender, .ntp = 0x1122334455667788ULL,
		.rtp_ts = 99, .packets = 5, .bytes = 800, .has_block = true,
		.block = {42, 25, -3, 0x10005, 12, 0x33445566, 65536},
		.cname = "me@here", .bye = bye,
	};

	return rtcp_compound_encode(buf, &rep);
}


/* What we send is what libre reads */
START_TEST(test_rtcp_libre)
{
	uint8_t buf[RTCP_SIZE_MAX];
	struct rtcp_msg *msg;
	struct mbuf mb;

	mbuf_init(&mb);
	mb.buf = buf;
	mb.size = mb.end = report(buf, true, true);

	ck_assert_int_eq(rtcp_decode(&msg, &mb), 0);
	ck_assert_uint_eq(msg->hdr.pt, RTCP_SR);
	ck_assert_uint_eq(msg->hdr.count, 1);
	ck_assert_uint_eq(msg->r.sr.ssrc, 77);
	ck_assert_uint_eq(msg->r.sr.ntp_sec, 0x11223344);
	ck_assert_uint_eq(msg->r.sr.ntp_frac, 0x55667788);
	ck_assert_uint_eq(msg->r.sr.rtp_ts, 99);
	ck_assert_uint_eq(msg->r.sr.psent, 5);
	ck_assert_uint_eq(msg->r.sr.osent, 800);
	ck_assert_uint_eq(msg->r.sr.rrv[0].ssrc, 42);
	ck_assert_uint_eq(msg->r.sr.rrv[0].fraction, 25);
	ck_assert_int_eq(msg->r.sr.rrv[0].lost, -3);
	ck_assert_uint_eq(msg->r.sr.rrv[0].last_seq, 0x10005);
	ck_assert_uint_eq(msg->r.sr.rrv[0].jitter, 12);
	ck_assert_uint_eq(msg->r.sr.rrv[0].lsr, 0x33445566);
	ck_assert_uint_eq(msg->r.sr.rrv[0].dlsr, 65536);
	mem_deref(msg);

	ck_assert_int_eq(rtcp_decode(&msg, &mb), 0);
	ck_assert_uint_eq(msg->hdr.pt, RTCP_SDES);
	ck_assert_uint_eq(msg->r.sdesv[0].src, 77);
	ck_assert_uint_eq(msg->r.sdesv[0].itemv[0].type, RTCP_SDES_CNAME);
	ck_assert_uint_eq(msg->r.sdesv[0].itemv[0].length, 7);
	ck_assert_mem_eq(msg->r.sdesv[0].itemv[0].data, "me@here", 7);
	mem_deref(msg);

	ck_assert_int_eq(rtcp_decode(&msg, &mb), 0);
	ck_assert_uint_eq(msg->hdr.pt, RTCP_BYE);
	ck_assert_uint_eq(msg->r.bye.srcv[0], 77);
	mem_deref(msg);
	ck_assert_uint_eq(mbuf_get_left(&mb), 0);
}
END_TEST


START_TEST(test_rtcp_own)
{
	uint8_t buf[RTCP_SIZE_MAX];
	struct rtcp_seen seen;
	size_t len;

	len = report(buf, true, true);
	ck_assert_int_eq(rtcp_compound_decode(&seen, buf, len, 42), 0);
	ck_assert(seen.has_sr);
	ck_assert_uint_eq(seen.sr_ntp, 0x33445566);
	ck_assert(seen.has_block);
	ck_assert_int_eq(seen.block.lost, -3);
	ck_assert_uint_eq(seen.block.fraction, 25);
	ck_assert_uint_eq(seen.block.dlsr, 65536);
	ck_assert(seen.bye);

	/* about somebody else */
	len = report(buf, false, false);
	ck_assert_int_eq(rtcp_compound_decode(&seen, buf, len, 43), 0);
	ck_assert(!seen.has_sr);
	ck_assert(!seen.has_block);
	ck_assert(!seen.bye);

	/* cut off anywhere, but not between packets */
	len = report(buf, true, true);
	for (size_t n = 0; n < len; n++) {
		const bool whole = n == 52 || n == 52 + 20;

		ck_assert_msg(!rtcp_compound_decode(&seen, buf, n, 42) ==
			      whole, "%zu of %zu", n, len);
	}
}
END_TEST


START_TEST(test_rtcp_bad)
{
	static const struct bytes t[] = {
		{"empty", 0, {0}},
		{"version", 8, {0x40, 201, 0, 1}},
		{"padding first", 8, {0xa0, 201, 0, 1}},
		{"length beyond", 8, {0x80, 201, 0, 2}},
		{"length huge", 8, {0x80, 201, 255, 255}},
		{"SR too short", 8, {0x80, 200, 0, 1}},
		{"RR without its block", 8, {0x81, 201, 0, 1}},
		{"RR without its 31 blocks", 32, {0x9f, 201, 0, 7}},
		{"junk behind", 10, {0x80, 201, 0, 1, 0, 0, 0, 1, 0, 0}},
		{"second of version 1", 12, {0x80, 201, 0, 1, 0, 0, 0, 1,
					     0x40, 203, 0, 0}},
	};
	struct rtcp_seen seen;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		ck_assert_msg(rtcp_compound_decode(&seen, t[i].v, t[i].len,
						   1) == EBADMSG,
			      "%s", t[i].what);
}
END_TEST


static void address(struct sa *sa, unsigned i, bool six)
{
	char buf[64];

	if (six)
		re_snprintf(buf, sizeof(buf), "2001:db8::%x", 1 + i / 50);
	else
		re_snprintf(buf, sizeof(buf), "10.0.%u.%u", i / 2500,
			    1 + i / 50 % 50);

	ck_assert_int_eq(sa_set_str(sa, buf, (uint16_t)(4000 + i % 50)), 0);
}


/* The table against a plain array, through many random changes */
START_TEST(test_demux_random)
{
	enum { N = 600, ROUNDS = 20000 };
	static bool in[N];
	static int what[N];
	struct demux *d;
	unsigned count = 0;

	memset(in, 0, sizeof(in));
	ck_assert_int_eq(demux_alloc(&d, N), 0);

	for (unsigned r = 0; r < ROUNDS; r++) {
		const unsigned i = rand_u32() % N;
		struct sa sa;

		address(&sa, i, i & 1);
		ck_assert_ptr_eq(demux_find(d, &sa), in[i] ? &what[i] : NULL);

		if (in[i] && (r & 3)) {
			ck_assert_int_eq(demux_add(d, &sa, &what[0]), EEXIST);
			demux_remove(d, &sa);
			in[i] = false;
			--count;
		}
		else if (!in[i]) {
			ck_assert_int_eq(demux_add(d, &sa, &what[i]), 0);
			in[i] = true;
			++count;
		}
		ck_assert_uint_eq(demux_count(d), count);
	}

	for (unsigned i = 0; i < N; i++) {
		struct sa sa;

		address(&sa, i, i & 1);
		ck_assert_ptr_eq(demux_find(d, &sa), in[i] ? &what[i] : NULL);
	}

	mem_deref(d);
}
END_TEST


START_TEST(test_demux_bad)
{
	struct demux *d;
	struct sa sa;
	int x;

	ck_assert_int_eq(demux_alloc(NULL, 1), EINVAL);
	ck_assert_int_eq(demux_alloc(&d, 0), EINVAL);
	ck_assert_int_eq(demux_alloc(&d, 2), 0);

	sa_init(&sa, AF_UNSPEC);
	ck_assert_int_eq(demux_add(d, &sa, &x), EINVAL);
	ck_assert_ptr_null(demux_find(d, &sa));
	demux_remove(d, &sa);

	(void)sa_set_str(&sa, "10.0.0.1", 0);
	ck_assert_int_eq(demux_add(d, &sa, &x), EINVAL);

	address(&sa, 1, false);
	ck_assert_int_eq(demux_add(d, &sa, NULL), EINVAL);
	ck_assert_int_eq(demux_add(d, &sa, &x), 0);
	address(&sa, 2, false);
	ck_assert_int_eq(demux_add(d, &sa, &x), 0);
	address(&sa, 3, false);
	ck_assert_int_eq(demux_add(d, &sa, &x), ENOSPC);
	demux_remove(d, &sa);
	ck_assert_uint_eq(demux_count(d), 2);

	mem_deref(d);
}
END_TEST


/* Header and shared block arrive as one packet, from the even port */
START_TEST(test_batch)
{
	enum { N = CHANNEL_TX_BATCH + 10 };
	struct channel *a, *b;
	struct rx_batch *rx;
	struct tx_batch *tx;
	struct tx_stats st;
	struct sa any, none;
	unsigned got = 0;

	(void)sa_set_str(&any, "127.0.0.1", 0);
	ck_assert_int_eq(channel_open(&a, &any, true), 0);
	ck_assert_int_eq(channel_open(&b, &any, false), 0);
	ck_assert_uint_eq(sa_port(&a->rtp_laddr) % 2, 0);
	ck_assert_uint_eq(sa_port(&a->rtcp_laddr), sa_port(&a->rtp_laddr) + 1);
	ck_assert_int_eq(rx_batch_alloc(&rx), 0);
	ck_assert_int_eq(tx_batch_alloc(&tx), 0);

	ck_assert_uint_eq(rx_batch_recv(rx, b->rtp), 0);

	/* what cannot be sent does not keep the others back */
	sa_init(&none, AF_UNSPEC);
	none.len = sizeof(none.u.in);
	for (unsigned i = 0; i < N; i++) {
		uint8_t *hdr = tx_batch_add(tx, a->rtp,
					    i == 3 ? &none : &b->rtp_laddr,
					    "shared", 6);

		rtp_fixed_encode(hdr, 0x80, 0, false, (uint16_t)i, 0, 1);
	}
	tx_batch_flush(tx);
	tx_batch_stats(tx, &st);
	ck_assert_uint_eq(st.packets, N - 1);
	ck_assert_uint_eq(st.errors, 1);

	for (;;) {
		const unsigned n = rx_batch_recv(rx, b->rtp);

		for (unsigned i = 0; i < n; i++, got++) {
			size_t len;
			const uint8_t *p = rx_batch_packet(rx, i, &len);
			const unsigned seq = got < 3 ? got : got + 1;

			ck_assert_uint_eq(len, RTP_FIXED + 6);
			ck_assert_uint_eq(p[2] << 8 | p[3], seq);
			ck_assert_mem_eq(p + RTP_FIXED, "shared", 6);
			ck_assert(sa_cmp(rx_batch_src(rx, i), &a->rtp_laddr,
					 SA_ALL));
		}
		if (n < CHANNEL_RX_BATCH)
			break;
	}
	ck_assert_uint_eq(got, N - 1);

	mem_deref(tx);
	mem_deref(rx);
	mem_deref(b);
	mem_deref(a);
}
END_TEST


START_TEST(test_channel_bad)
{
	struct channel *a, *b;
	struct rx_batch *rx;
	struct tx_batch *tx;
	static uint8_t big[4000];
	struct sa sa;
	size_t len;

	(void)sa_set_str(&sa, "127.0.0.1", 40001);
	ck_assert_int_eq(channel_open(&a, &sa, false), EINVAL);
	sa_init(&sa, AF_INET);
	sa.u.in.sin_family = AF_UNSPEC;
	ck_assert_int_eq(channel_open(&a, &sa, false), EINVAL);
	(void)sa_set_str(&sa, "192.0.2.1", 0);
	ck_assert_int_eq(channel_open(&a, &sa, false), EADDRNOTAVAIL);

	(void)sa_set_str(&sa, "127.0.0.1", 0);
	ck_assert_int_eq(channel_open(&a, &sa, false), 0);
	ck_assert_int_eq(channel_open(&b, &a->rtp_laddr, false), EADDRINUSE);
	ck_assert_int_eq(channel_open(&b, &sa, false), 0);

	/* too long to be looked at */
	ck_assert_int_eq(rx_batch_alloc(&rx), 0);
	ck_assert_int_eq(tx_batch_alloc(&tx), 0);
	(void)tx_batch_add(tx, a->rtp, &b->rtp_laddr, big, sizeof(big));
	tx_batch_flush(tx);
	ck_assert_uint_eq(rx_batch_recv(rx, b->rtp), 1);
	(void)rx_batch_packet(rx, 0, &len);
	ck_assert_uint_eq(len, 0);

	mem_deref(tx);
	mem_deref(rx);
	mem_deref(a);
	mem_deref(b);
}
END_TEST


static Suite *suite(void)
{
	Suite *s = suite_create("mesh packet");
	TCase *t = tcase_create("packet");

	tcase_add_test(t, test_classify);
	tcase_add_test(t, test_rtp_good);
	tcase_add_test(t, test_rtp_bad);
	tcase_add_test(t, test_rtp_encode);
	tcase_add_test(t, test_rtp_mixer);
	tcase_add_test(t, test_rtcp_libre);
	tcase_add_test(t, test_rtcp_own);
	tcase_add_test(t, test_rtcp_bad);
	tcase_add_test(t, test_demux_random);
	tcase_add_test(t, test_demux_bad);
	tcase_add_test(t, test_batch);
	tcase_add_test(t, test_channel_bad);
	suite_add_tcase(s, t);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
