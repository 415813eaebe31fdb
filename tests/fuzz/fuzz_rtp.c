/**
 * @file fuzz_rtp.c  What comes on a media port: RTP, RTCP, and audio in it
 *
 * The input is a row of packets, each behind two bytes: flags and length.
 * Flags: 1 a tick before it, 2 fetch the frame, 4 fetch the audio, 8 60 ms
 * pass, 0x30 rate of the audio; of the first, 0x40 it is a link, 0x80 the
 * stream began elsewhere.
 */
#include <re.h>
#include <stdlib.h>
#include <string.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/scheduler.h"
#include "mesh/rtp.h"
#include "mesh/rtcp.h"

enum { PACKETS_MAX = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void key_handler(char digit, unsigned duration, void *arg)
{
	(void)arg;
	(void)duration;

	if (!strchr("0123456789*#ABCD", digit) || !digit)
		abort();
}


static void media_set(struct mesh_media *m)
{
	static const struct mesh_format fmtv[] = {
		{ .codec = MESH_PCMU, .pt = 0,   .rate = 8000 },
		{ .codec = MESH_PCMA, .pt = 8,   .rate = 8000 },
		{ .codec = MESH_G722, .pt = 9,   .rate = 16000 },
		{ .codec = MESH_OPUS, .pt = 111, .rate = 48000, .fec = true },
		{ .codec = MESH_L16,  .pt = 96,  .rate = 8000 },
		{ .codec = MESH_L16,  .pt = 99,  .rate = 48000 },
	};

	memset(m, 0, sizeof(*m));
	memcpy(m->rxv, fmtv, sizeof(fmtv));
	m->rxc = ARRAY_SIZE(fmtv);
	m->tx = fmtv[0];
	m->telev_rx = 101;
	m->ext_level = 1;
	m->ptime = 20;
	m->send = m->recv = true;
}


static void tick(struct scheduler *s, unsigned flags, uint64_t *now)
{
	static const uint32_t ratev[] = {8000, 16000, 24000, 48000};
	int16_t sampv[CODEC_TICK_MAX];
	struct scheduler_frame frame;
	uint8_t level;

	*now += flags & 8 ? 60000 : 20000;
	(void)scheduler_tick(s, *now, &level);

	if (flags & 2 && !scheduler_frame(s, &frame) &&
	    (!frame.p || frame.len > CODEC_PAYLOAD_MAX))
		abort();

	if (flags & 4) {
		(void)scheduler_pcm(s, sampv, ratev[flags >> 4 & 3]);
		(void)scheduler_past(s, sampv, ratev[flags >> 4 & 3]);
	}
}


static void packet(struct scheduler *s, const uint8_t *p, size_t len,
		   uint64_t now)
{
	uint32_t csrcv[RTP_CSRC_MAX];
	uint8_t levelv[RTP_CSRC_MAX];
	struct scheduler_packet pkt;
	struct rtcp_seen seen;

	if (rtp_mixer_decode(csrcv, levelv, p, len, 1) > RTP_CSRC_MAX)
		abort();

	switch (packet_classify(p, len)) {

	case PACKET_RTP:
		if (rtp_packet_decode(&pkt, p, len, 1))
			return;
		if (pkt.p < p + RTP_FIXED || pkt.p + pkt.len > p + len)
			abort();
		(void)scheduler_put(s, &pkt, now);
		break;

	case PACKET_RTCP:
		(void)rtcp_compound_decode(&seen, p, len, 0x01020304);
		break;

	default:
		break;
	}
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct codec_pool *pool = NULL;
	struct scheduler *s = NULL;
	const struct scheduler_stats was = {
		.ssrc = 1, .ext_seq = 0xfffe, .expected = 100, .lost = 2,
	};
	struct scheduler_config cfg = {0};
	struct scheduler_stats st;
	struct mesh_media media;
	uint64_t now = 1000000;

	media_set(&media);
	if (codec_pool_alloc(&pool))
		return 0;

	for (int i = 0; i < CODEC_OBJ_MAX; i++)
		(void)codec_pool_fill(pool, (enum codec_obj)i,
				      i == CODEC_OBJ_SLOT ? 32 : 2);

	cfg.link = size && data[0] & 0x40;
	if (scheduler_alloc(&s, pool, &cfg, &media, key_handler, NULL))
		goto out;
	if (size && data[0] & 0x80)
		scheduler_resume(s, &was, 20);

	for (unsigned n = 0; size > 2 && n < PACKETS_MAX; n++) {

		const unsigned flags = data[0];
		const size_t len = min((size_t)data[1], size - 2);
		uint8_t *copy;

		if (flags & 1)
			tick(s, flags, &now);

		/* on the heap, so that reading beyond it is seen */
		copy = malloc(len ? len : 1);
		if (!copy)
			break;
		memcpy(copy, data + 2, len);
		packet(s, copy, len, now);
		free(copy);

		(void)codec_pool_refill(pool);
		data += 2 + len;
		size -= 2 + len;
	}

	scheduler_stats(s, &st);

 out:
	mem_deref(s);
	mem_deref(pool);

	return 0;
}
