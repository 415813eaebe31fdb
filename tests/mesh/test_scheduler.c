/**
 * @file tests/mesh/test_scheduler.c  The adaptive jitter buffer, simulated
 *
 * A sender, a network and a clock are simulated, so that ten minutes take a
 * second and every run is the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <sndfile.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/g711.h"
#include "mesh/level.h"
#include "mesh/scheduler.h"
#include "signal.h"
#include "sim.h"


static struct scheduler_stats stats(const struct sim *sim)
{
	struct scheduler_stats st;

	scheduler_stats(sim->s, &st);

	return st;
}


/* Nothing that was taken from the pool may stay out */
static void close_clean(struct sim *sim)
{
	struct codec_pool_stats st;
	int i;

	sim->s = mem_deref(sim->s);
	sim->enc = codec_enc_put(sim->enc);
	codec_pool_stats(sim->pool, &st);
	for (i = 0; i < CODEC_OBJ_MAX; i++) {
		ck_assert_uint_eq(st.made[i], st.free[i]);
		ck_assert_uint_eq(0, st.failed[i]);
	}
	sim_close(sim);
}


START_TEST(clean_network_adds_little)
{
	enum mesh_codec codec;
	double phase, sum = 0, worst = 0;
	unsigned n = 0;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++)
	for (phase = 1500; phase < 21000; phase += 3000) {

		/* what the codec itself takes: QMF filters; look-ahead */
		const double own = codec == MESH_G722 ? 1.5
			: codec == MESH_OPUS ? 6.5 : 0;
		static struct sim sim;
		struct scheduler_stats st;
		double delay;

		sim_init(&sim, codec);
		sim.phase  = phase;
		sim.jitter = 300;
		sim_start(&sim);
		sim_run(&sim, 6);

		st    = stats(&sim);
		delay = sim_delay_ms(&sim, 2) - own;

		ck_assert_msg(delay < 25, "codec %d phase %g: %.1f ms",
			      codec, phase, delay);
		ck_assert_uint_eq(0, st.concealed);
		ck_assert_uint_eq(0, st.late);
		ck_assert_uint_eq(0, st.stretched);
		ck_assert_uint_eq(0, st.lost);
		ck_assert_uint_ge(sim.talking, sim.ticks - 3);

		sum  += delay;
		worst = max(worst, delay);
		++n;
		close_clean(&sim);
	}

	ck_assert_msg(sum / n < 14, "mean %.1f ms", sum / n);
	ck_assert_msg(worst < 24, "worst %.1f ms", worst);
}
END_TEST


START_TEST(arrival_close_to_the_tick_does_not_flap)
{
	double phase;

	for (phase = 500; phase < 4500; phase += 250) {
		static struct sim sim;
		struct scheduler_stats st;

		sim_init(&sim, MESH_PCMA);
		sim.phase  = phase;
		sim.jitter = 2000;
		sim_start(&sim);
		sim_run(&sim, 30);
		st = stats(&sim);

		ck_assert_msg(st.concealed <= 40, "phase %g: %u ms "
			      "concealed", phase, st.concealed);
		ck_assert_msg(st.stretched <= 40, "phase %g: %u ms "
			      "stretched", phase, st.stretched);
		ck_assert(sim_delay_ms(&sim, 2) < 26);
		close_clean(&sim);
	}
}
END_TEST


START_TEST(jitter_deepens_and_calm_shrinks)
{
	static struct sim sim;
	struct scheduler_stats a, b;
	double deep, shallow;

	sim_init(&sim, MESH_PCMU);
	sim.jitter = 30000;
	sim_start(&sim);
	sim_run(&sim, 15);
	a    = stats(&sim);
	deep = sim_delay_ms(&sim, 2);

	ck_assert_msg(a.concealed <= 100, "%u ms concealed", a.concealed);
	ck_assert_msg(deep > 25 && deep < 60, "%.1f ms", deep);

	/* the network calms down: back, and not by cuts */
	sim.jitter = 500;
	sim_run(&sim, 20);
	b       = stats(&sim);
	shallow = sim_delay_ms(&sim, 2);

	ck_assert_msg(shallow < 25, "%.1f ms", shallow);
	ck_assert_uint_eq(a.concealed, b.concealed);
	ck_assert_uint_eq(a.late, b.late);
	ck_assert_uint_ge(b.stretched, (uint32_t)(deep - shallow) - 1);
	close_clean(&sim);
}
END_TEST


START_TEST(stretching_makes_no_click)
{
	static struct sim sim;
	int before;
	size_t from;

	sim_init(&sim, MESH_PCMU);
	sim.silence = 3;
	sim.freq    = 233;
	sim.jitter  = 30000;
	sim_start(&sim);
	sim_run(&sim, 10);

	sim.jitter = 100;
	from = sim.outc;
	sim_run(&sim, 20);

	before = signal_step(sim.in, sim.inc);
	ck_assert_uint_gt(stats(&sim).stretched, 10);
	ck_assert_msg(signal_step(&sim.out[from], sim.outc - from) <=
		      before * 3 / 2, "step %d, of the tone %d",
		      signal_step(&sim.out[from], sim.outc - from), before);
	close_clean(&sim);
}
END_TEST


static bool lose_bursts(struct sim *sim, uint16_t seq)
{
	return seq % 100 >= 50 && seq % 100 < 54;
}


START_TEST(bursts_of_loss_are_concealed)
{
	enum mesh_codec codec;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++) {
		static struct sim sim;
		struct scheduler_stats st;

		sim_init(&sim, codec);
		sim.lose = lose_bursts;
		sim_start(&sim);
		sim_run(&sim, 20);
		st = stats(&sim);

		ck_assert_uint_eq(40, st.lost);
		ck_assert_uint_eq(40 * 20, st.concealed);
		ck_assert_uint_eq(0, st.late);

		/* the delay is what it was */
		ck_assert(sim_delay_ms(&sim, 2) < 20);
		close_clean(&sim);
	}
}
END_TEST


START_TEST(fec_helps_at_five_per_cent)
{
	static struct sim sim;
	struct scheduler_stats st;

	sim_init(&sim, MESH_OPUS);
	sim.rate    = 16000;
	sim.fmt.fec = true;
	sim.loss    = .05;
	sim_start(&sim);
	sim_run(&sim, 40);
	st = stats(&sim);

	ck_assert_uint_ge(st.lost, 60);
	ck_assert_msg(st.fec * 2 >= st.lost * 9 / 10, "%u of %u recovered",
		      st.fec, st.lost);
	ck_assert_uint_le(st.concealed, st.lost * 20 * 6 / 10);
	close_clean(&sim);
}
END_TEST


START_TEST(clocks_drift_apart_unheard)
{
	static const double driftv[] = {200e-6, -200e-6};
	enum mesh_codec codec;
	size_t i;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec += 3)
	for (i = 0; i < 2; i++) {
		static struct sim sim;
		struct scheduler_stats st;

		sim_init(&sim, codec);
		sim.drift      = driftv[i];
		sim.jitter     = 500;
		sim.complexity = 0;
		sim.rate       = codec == MESH_OPUS ? 16000 : 8000;
		sim_start(&sim);
		sim_run(&sim, 600);
		st = stats(&sim);

		/* 120 ms in ten minutes, and not much more */
		ck_assert_msg(st.concealed <= 60, "%u ms concealed",
			      st.concealed);
		ck_assert_uint_ge(st.stretched + st.concealed, 80);
		ck_assert_uint_le(st.stretched, 260);
		ck_assert_uint_eq(0, st.late);
		ck_assert_uint_lt(st.depth, 26);
		close_clean(&sim);
	}
}
END_TEST


static double reorder(struct sim *sim, uint16_t seq)
{
	return seq % 10 == 3 ? 25000 : 0;
}


START_TEST(reordered_packets_are_put_right)
{
	static struct sim sim;
	struct scheduler_stats st;

	sim_init(&sim, MESH_PCMU);
	sim.delay = reorder;
	sim_start(&sim);
	sim_run(&sim, 20);
	st = stats(&sim);

	ck_assert_uint_le(st.concealed, 80);
	ck_assert_uint_eq(0, st.lost);
	ck_assert_uint_le(st.late, 3);
	(void)sim_delay_ms(&sim, 4);
	close_clean(&sim);
}
END_TEST


/* A tick with one packet put by hand */
static enum scheduler_state put(struct sim *sim, uint16_t seq, uint32_t ts,
				uint32_t ssrc, uint8_t pt, const uint8_t *p,
				size_t len)
{
	const struct scheduler_packet pkt = {.ssrc = ssrc, .ts = ts,
		.seq = seq, .pt = pt, .level = -1, .p = p, .len = len};

	(void)scheduler_put(sim->s, &pkt, (uint64_t)sim->now - 9000);

	return 0;
}


static enum scheduler_state tick(struct sim *sim, int16_t *out)
{
	enum scheduler_state st;

	st = scheduler_tick(sim->s, (uint64_t)sim->now, NULL);
	memset(out, 0, 960 * sizeof(*out));
	if (st == SCHEDULER_TALKING)
		ck_assert_int_eq(0, scheduler_pcm(sim->s, out, sim->rate));
	sim->now += 20000;

	return st;
}


static void loud(uint8_t *p, size_t len, unsigned k)
{
	struct signal s = {.n = k * len};
	int16_t v[480];

	signal_sine(&s, v, len, 8000, 400, -12);
	g711_from_pcm(false, p, v, len);
}


START_TEST(duplicates_are_dropped)
{
	static struct sim sim;
	int16_t out[960];
	uint8_t p[160];
	unsigned i;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);

	for (i = 0; i < 100; i++) {
		loud(p, 160, i);
		put(&sim, (uint16_t)i, i * 160, 1, 0, p, 160);
		put(&sim, (uint16_t)i, i * 160, 1, 0, p, 160);
		if (i > 5)
			put(&sim, (uint16_t)(i - 5), (i - 5) * 160, 1, 0, p,
			    160);
		ck_assert_int_eq(SCHEDULER_TALKING, tick(&sim, out));
	}

	ck_assert_uint_eq(100 + 94, stats(&sim).dup);
	ck_assert_uint_eq(0, stats(&sim).lost);
	ck_assert_uint_eq(0, stats(&sim).concealed);
	ck_assert_uint_eq(100, stats(&sim).expected);
	close_clean(&sim);
}
END_TEST


START_TEST(streams_may_begin_anew)
{
	static struct sim sim;
	struct scheduler_stats st;
	uint32_t before;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);
	sim_run(&sim, 3);
	ck_assert_uint_eq(0, stats(&sim).resyncs);

	/* time stamps jump, forward and back */
	sim.ts += 8000000;
	sim_run(&sim, 3);
	sim.ts -= 16000000;
	sim_run(&sim, 3);
	ck_assert_uint_eq(2, stats(&sim).resyncs);

	/* the sequence restarts: one packet is the price */
	sim.seq = (uint16_t)(sim.seq + 20000);
	sim_run(&sim, 3);
	ck_assert_uint_eq(3, stats(&sim).resyncs);

	/* another SSRC */
	before   = sim.talking;
	sim.ssrc = 0x77777;
	sim.seq  = 100;
	sim.ts   = 99;
	sim_run(&sim, 3);
	st = stats(&sim);
	ck_assert_uint_eq(4, st.resyncs);
	ck_assert_uint_eq(0x77777, st.ssrc);
	ck_assert_uint_ge(sim.talking - before, 146);
	ck_assert_uint_le(st.concealed, 120);
	ck_assert(sim_delay_ms(&sim, 2) < 60);
	close_clean(&sim);
}
END_TEST


START_TEST(a_stray_ssrc_is_ignored)
{
	static struct sim sim;
	int16_t out[960];
	uint8_t p[160];
	unsigned i;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);

	for (i = 0; i < 100; i++) {
		loud(p, 160, i);
		put(&sim, (uint16_t)i, i * 160, 1, 0, p, 160);
		put(&sim, (uint16_t)(i * 77), i * 99, 1000 + i, 0, p, 160);
		(void)tick(&sim, out);
	}

	ck_assert_uint_eq(0, stats(&sim).resyncs);
	ck_assert_uint_eq(1, stats(&sim).ssrc);
	ck_assert_uint_eq(0, stats(&sim).concealed);
	close_clean(&sim);
}
END_TEST


START_TEST(payload_types_may_change_in_mid_stream)
{
	static struct sim sim;
	struct codec_enc *enc[2] = {NULL, NULL};
	struct codec_enc_params prm = {.rate = 48000, .frame_ms = 20,
		.bitrate = 24000, .complexity = 1};
	static int16_t all[48000 * 6];
	struct signal s = {0};
	int16_t v[960], out[960];
	uint8_t p[CODEC_PAYLOAD_MAX];
	uint32_t ts = 5;
	unsigned i;

	sim_init(&sim, MESH_OPUS);
	sim.media.rxv[0] = sim.fmt;
	sim.media.rxv[1].codec = MESH_PCMA;
	sim.media.rxv[1].pt    = 8;
	sim.media.rxc = 2;
	sim_start(&sim);
	ck_assert_int_eq(0, codec_enc_get(&enc[0], sim.pool,
					  &sim.media.rxv[0], &prm));
	ck_assert_int_eq(0, codec_enc_get(&enc[1], sim.pool,
					  &sim.media.rxv[1], &prm));

	for (i = 0; i < 300; i++) {
		const unsigned k = i / 50 & 1;
		size_t len = sizeof(p);

		signal_sine(&s, v, 960, 48000, 500, -12);
		ck_assert_int_eq(0, codec_encode(enc[k], v, 960, p, &len));
		put(&sim, (uint16_t)i, ts, 9, k ? 8 : 96, p, len);
		ts += k ? 160 : 960;
		ck_assert_int_eq(SCHEDULER_TALKING, tick(&sim, out));
		memcpy(&all[i * 960], out, sizeof(out));
		ck_assert_int_eq(0, codec_pool_refill(sim.pool));
	}

	/* from 100 ms after each change on */
	for (i = 0; i < 300; i += 50)
		ck_assert(signal_tone(&all[(i + 5) * 960], 960 * 44, 48000,
				      500) > .98);
	ck_assert_uint_eq(0, stats(&sim).malformed);
	ck_assert_uint_le(stats(&sim).concealed, 40);
	codec_enc_put(enc[0]);
	codec_enc_put(enc[1]);
	close_clean(&sim);
}
END_TEST


START_TEST(every_ptime_is_played)
{
	static const unsigned msv[] = {10, 20, 40, 60};
	enum mesh_codec codec;
	size_t i;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++)
	for (i = 0; i < 4; i++) {
		static struct sim sim;
		struct scheduler_stats st;

		sim_init(&sim, codec);
		sim.ptime  = msv[i];
		sim.jitter = 1000;
		sim_start(&sim);
		sim_run(&sim, 10);
		st = stats(&sim);

		ck_assert_uint_eq(0, st.concealed);
		ck_assert_uint_eq(0, st.late);
		ck_assert(sim_delay_ms(&sim, 2) < 35);
		close_clean(&sim);
	}
}
END_TEST


START_TEST(thirty_milliseconds_too)
{
	static struct sim sim;
	int16_t out[960];
	uint8_t p[240];
	unsigned i, k = 0;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);

	for (i = 0; i < 300; i++) {
		if (i % 3 != 2) {
			loud(p, 240, k);
			put(&sim, (uint16_t)k, k * 240, 1, 0, p, 240);
			++k;
		}
		(void)tick(&sim, out);
	}

	ck_assert_uint_le(stats(&sim).concealed, 40);
	ck_assert_uint_eq(0, stats(&sim).late);
	close_clean(&sim);
}
END_TEST


START_TEST(frames_pass_through)
{
	enum mesh_codec codec;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++) {
		static struct sim sim;
		struct scheduler_stats st;

		sim_init(&sim, codec);
		sim.frames = true;
		sim.jitter = 300;
		sim.drift  = 500e-6;
		sim.complexity = 0;
		sim_start(&sim);
		sim_run(&sim, 120);
		st = stats(&sim);

		/* but for the moments in which time has to be stretched */
		ck_assert_msg(sim.framed >= sim.talking - 60, "%u of %u",
			      sim.framed, sim.talking);
		ck_assert_uint_ge(sim.talking, sim.ticks - 10);
		ck_assert_uint_le(sim.nodata, 3);
		ck_assert_uint_ge(st.stretched, 20);
		close_clean(&sim);
	}
}
END_TEST


START_TEST(frames_and_pcm_may_alternate)
{
	static struct sim sim;
	unsigned i;

	sim_init(&sim, MESH_OPUS);
	sim.silence = 3;
	sim_start(&sim);

	for (i = 0; i < 40; i++) {
		sim.frames = i & 1;
		sim_run(&sim, .1);
	}
	ck_assert_uint_ge(sim.framed, 95);

	/* what comes as PCM is right from the first sample on */
	for (i = 10; i < 40; i += 2)
		ck_assert(signal_tone(&sim.out[i * 4800 + 480], 3800, 48000,
				      440) > .95);
	close_clean(&sim);
}
END_TEST


START_TEST(both_frame_and_pcm_in_one_tick)
{
	static struct sim sim;
	struct scheduler_frame f;
	int16_t out[960];
	uint8_t p[160];
	unsigned i, n = 0;

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);

	for (i = 0; i < 100; i++) {
		loud(p, 160, i);
		put(&sim, (uint16_t)i, i * 160, 1, 0, p, 160);
		ck_assert_int_eq(SCHEDULER_TALKING,
				 scheduler_tick(sim.s, (uint64_t)sim.now,
						NULL));
		sim.now += 20000;
		if (scheduler_frame(sim.s, &f))
			continue;

		++n;
		ck_assert_uint_eq(160, f.len);
		ck_assert_int_eq(0, memcmp(f.p, p, 160));
		ck_assert(f.first == (n == 1));
		ck_assert_int_eq(0, scheduler_pcm(sim.s, out, 8000));
		ck_assert_int_eq(EALREADY, scheduler_pcm(sim.s, out, 8000));
		ck_assert_int_eq(g711_ulaw[p[80]], out[80]);
	}

	ck_assert_uint_eq(100, n);
	close_clean(&sim);
}
END_TEST


START_TEST(silent_ones_cost_nothing)
{
	enum mesh_codec codec;
	int kind;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++)
	for (kind = 1; kind <= 2; kind++) {
		static struct sim sim;
		struct codec_pool_stats st;

		sim_init(&sim, codec);
		sim.silence = kind;
		sim_start(&sim);
		sim_run(&sim, 30);
		codec_pool_stats(sim.pool, &st);

		ck_assert_uint_eq(0, sim.talking);
		/* a SILK encoder's silence is checked every 3 s */
		ck_assert_msg(st.judged <= 15, "codec %d: %u verdicts",
			      codec, (unsigned)st.judged);
		close_clean(&sim);
	}
}
END_TEST


START_TEST(a_tone_is_talk_to_every_codec)
{
	enum mesh_codec codec;
	int frames;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++)
	for (frames = 0; frames < 2; frames++) {
		static struct sim sim;

		sim_init(&sim, codec);
		sim.silence = 1;
		sim.frames  = frames;
		sim_start(&sim);
		sim_run(&sim, 5);
		ck_assert_uint_eq(0, sim.talking);

		sim.silence = 3;
		sim_run(&sim, 20);
		ck_assert_msg(sim.talking >= 1000 - 15, "codec %d: %u",
			      codec, sim.talking);
		close_clean(&sim);
	}
}
END_TEST


/* Real speech, after silence: how much of its energy gets through */
static double speech_kept(enum mesh_codec codec, bool ext, double *first)
{
	static int16_t pcm[16000 * 10];
	const struct codec_enc_params prm = {.rate = 16000, .frame_ms = 20,
		.bitrate = 24000, .complexity = 5};
	static struct sim sim;
	SF_INFO info;
	SNDFILE *f;
	sf_count_t n, i;
	double in = 0, out = 0, in1 = 0, out1 = 0;
	unsigned k, onset = 0;

	memset(&info, 0, sizeof(info));
	f = sf_open(SPEECH, SFM_READ, &info);
	ck_assert_ptr_nonnull(f);
	n = sf_read_short(f, pcm, ARRAY_SIZE(pcm));
	sf_close(f);
	ck_assert_int_eq(1, info.channels);
	ck_assert_int_eq(16000, info.samplerate);

	sim_init(&sim, codec);
	sim.rate = 16000;
	sim_start(&sim);
	sim.enc = codec_enc_put(sim.enc);
	ck_assert_int_eq(0, codec_enc_get(&sim.enc, sim.pool, &sim.fmt,
					  &prm));

	for (k = 0, i = -320 * 100; i + 320 <= n; i += 320, k++) {
		static const int16_t zero[320];
		const int16_t *v = i < 0 ? zero : &pcm[i];
		const uint32_t step = codec_clock(&sim.fmt) / 50;
		int16_t o[960];
		uint8_t p[CODEC_PAYLOAD_MAX];
		size_t len = sizeof(p);
		struct scheduler_packet pkt = {.ssrc = 1, .ts = k * step,
			.seq = (uint16_t)k, .pt = sim.fmt.pt, .level = -1};

		ck_assert_int_eq(0, codec_encode(sim.enc, v, 320, p, &len));
		pkt.p   = p;
		pkt.len = len;
		if (ext)
			pkt.level = (int8_t)level_pcm(v, 320, 1);
		ck_assert_int_eq(0, scheduler_put(sim.s, &pkt,
					(uint64_t)sim.now - 9000));
		(void)tick(&sim, o);

		in  += signal_power(v, 320);
		out += signal_power(o, 320);
		if (!onset && level_pcm(v, 320, 1) < 40)
			onset = k;
		if (onset && k < onset + 10) {
			in1  += signal_power(v, 320);
			out1 += signal_power(o, 320);
		}
	}

	ck_assert_uint_gt(onset, 0);
	*first = out1 / in1;
	close_clean(&sim);

	return out / in;
}


START_TEST(no_onset_of_speech_is_lost)
{
	enum mesh_codec codec;
	int ext;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++)
	for (ext = 0; ext < 2; ext++) {
		double first, all;

		all = speech_kept(codec, ext, &first);
		ck_assert_msg(all > .8 && all < 1.25, "codec %d ext %d: %.2f "
			      "of the speech", codec, ext, all);
		ck_assert_msg(first > .6 && first < 1.4, "codec %d ext %d: "
			      "%.2f of the first 200 ms", codec, ext, first);
	}
}
END_TEST


START_TEST(dtx_gaps_are_no_loss)
{
	static struct sim sim;
	struct scheduler_stats st;
	unsigned i;

	sim_init(&sim, MESH_OPUS);
	sim.fmt.dtx = true;
	sim_start(&sim);

	/* talk, and silence of which nothing is sent */
	for (i = 0; i < 5; i++) {
		sim.silence = 0;
		sim_run(&sim, 2);
		sim.silence = 1;
		sim_run(&sim, 1);

		/* time passes, sequence numbers do not */
		sim.now     += 400000;
		sim.send_at += 400000;
		sim.ts      += 48000 * 4 / 10;
	}

	st = stats(&sim);
	ck_assert_uint_eq(0, st.lost);
	ck_assert_uint_eq(0, st.resyncs);
	ck_assert_msg(st.concealed <= 100, "%u", st.concealed);
	close_clean(&sim);
}
END_TEST


START_TEST(comfort_noise_and_events_are_no_sound)
{
	static struct sim sim;
	int16_t out[960];
	uint8_t p[160], cn[] = {60}, ev[] = {5, 10, 0, 160};
	unsigned i, seq = 0;

	sim_init(&sim, MESH_PCMU);
	sim.media.rxv[0]   = sim.fmt;
	sim.media.rxc      = 1;
	sim.media.telev_rx = 101;
	sim_start(&sim);

	for (i = 0; i < 200; i++) {
		loud(p, 160, i);
		if (i < 50)
			put(&sim, (uint16_t)seq++, i * 160, 1, 0, p, 160);
		else if (i < 60)
			put(&sim, (uint16_t)seq++, 50 * 160, 1, 101, ev, 4);
		else if (i < 100)
			put(&sim, (uint16_t)seq++, i * 160, 1, 0, p, 160);
		else if (i % 10 == 0)
			put(&sim, (uint16_t)seq++, i * 160, 1, 13, cn, 1);
		(void)tick(&sim, out);
		if (i >= 130)
			ck_assert(signal_power(out, 160) == 0);
	}

	ck_assert_str_eq("5", sim.digits);
	ck_assert_uint_eq(0, stats(&sim).lost);
	ck_assert_uint_eq(0, stats(&sim).malformed);
	ck_assert_uint_le(stats(&sim).concealed, 420);
	close_clean(&sim);
}
END_TEST


START_TEST(keys_in_the_sound_leave_it)
{
	static const double lowv[] = {697, 770, 852, 941};
	static const double highv[] = {1209, 1336, 1477};
	static const char keys[] = "123456789*0#";
	static struct sim sim;
	double tone = 0, all = 0;
	unsigned k, i, seq = 0;

	sim_init(&sim, MESH_PCMA);
	sim.cfg.dtmf_inband = true;
	sim_start(&sim);

	for (k = 0; k < 12; k++) for (i = 0; i < 12; i++, seq++) {
		struct signal a = {.n = i * 160}, b = {.n = i * 160};
		int16_t v[160], w[160], out[960];
		struct scheduler_frame f;
		uint8_t p[160];
		unsigned j;

		signal_sine(&a, v, 160, 8000, lowv[k / 3], -12);
		signal_sine(&b, w, 160, 8000, highv[k % 3], -12);
		for (j = 0; j < 160; j++)
			v[j] = i < 6 ? (int16_t)(v[j] + w[j]) : 0;
		g711_from_pcm(true, p, v, 160);
		put(&sim, (uint16_t)seq, seq * 160, 1, 8, p, 160);
		ck_assert_int_eq(ENOENT, scheduler_frame(sim.s, &f));
		(void)tick(&sim, out);
		all  += signal_power(v, 160);
		tone += signal_power(out, 160);
	}

	ck_assert_str_eq(keys, sim.digits);
	ck_assert_msg(tone < all * .3, "%.2f left", tone / all);
	close_clean(&sim);
}
END_TEST


START_TEST(speech_is_no_key)
{
	static struct sim sim;

	sim_init(&sim, MESH_PCMU);
	sim.cfg.dtmf_inband = true;
	sim_start(&sim);
	sim_run(&sim, 60);
	ck_assert_str_eq("", sim.digits);
	close_clean(&sim);
}
END_TEST


START_TEST(rates_may_change_while_talking)
{
	static const uint32_t ratev[] = {8000, 48000, 16000, 24000, 48000};
	enum mesh_codec codec;
	size_t i, k;

	for (codec = MESH_PCMU; codec <= MESH_OPUS; codec++) {
		static struct sim sim;

		sim_init(&sim, codec);
		sim.silence = 3;
		sim_start(&sim);

		for (i = 0; i < ARRAY_SIZE(ratev); i++) {
			for (k = 0; k < 50; k++) {
				int16_t out[960];

				sim_send(&sim);
				sim.now += 20000;
				{
					struct sim_packet *q = sim.queue;

					ck_assert(q->used);
					(void)scheduler_put(sim.s, &q->pkt,
						(uint64_t)q->at);
					q->used = false;
				}
				(void)scheduler_tick(sim.s,
						     (uint64_t)sim.now, NULL);
				if (k < 5)
					(void)scheduler_pcm(sim.s, out,
							    ratev[i]);
				else
					ck_assert_int_eq(0, scheduler_pcm(
						sim.s, out, ratev[i]));
				if (k > 10)
					ck_assert(signal_db(out, ratev[i]
							    / 50) > -15);
				ck_assert_int_eq(0, codec_pool_refill(
					sim.pool));
			}
		}
		close_clean(&sim);
	}
}
END_TEST


START_TEST(an_empty_pool_is_survived)
{
	static struct sim sim;
	struct scheduler *s = NULL;
	struct codec_pool *pool = NULL;
	uint8_t p[160];
	int16_t out[960];
	unsigned i;

	sim_init(&sim, MESH_PCMU);
	sim.media.rxv[0] = sim.fmt;
	sim.media.rxc    = 1;
	ck_assert_int_eq(0, codec_pool_alloc(&pool));
	ck_assert_int_eq(0, scheduler_alloc(&s, pool, NULL, &sim.media, NULL,
					    NULL));

	for (i = 0; i < 50; i++) {
		const struct scheduler_packet pkt = {.ssrc = 1, .seq =
			(uint16_t)i, .ts = i * 160, .level = -1, .p = p,
			.len = 160};

		if (i == 20)
			(void)codec_pool_fill(pool, CODEC_OBJ_SLOT, 4);
		if (i == 30)
			(void)codec_pool_fill(pool, CODEC_OBJ_TALK, 1);
		if (i == 40)
			(void)codec_pool_fill(pool, CODEC_OBJ_DEC, 1);

		loud(p, 160, i);
		(void)scheduler_put(s, &pkt, 1000000 + i * 20000);
		if (scheduler_tick(s, 1010000 + i * 20000, NULL) ==
		    SCHEDULER_TALKING) {
			ck_assert_uint_ge(i, 30);
			ck_assert_int_eq(i < 40 ? ENOMEM : 0,
					 scheduler_pcm(s, out, 8000));
		}
		else {
			ck_assert_uint_lt(i, 30);
			ck_assert_int_eq(ENOENT, scheduler_pcm(s, out, 8000));
		}
	}

	mem_deref(s);
	mem_deref(pool);
}
END_TEST


START_TEST(junk_is_survived)
{
	static struct sim sim;
	static uint8_t p[1500];
	struct signal r = {.seed = 5};
	struct scheduler_packet pkt = {.p = p};
	int16_t out[960];
	unsigned i, k;

	sim_init(&sim, MESH_OPUS);
	sim.media.rxv[0] = sim.fmt;
	sim.media.rxv[1].codec = MESH_PCMA;
	sim.media.rxv[1].pt    = 8;
	sim.media.rxv[2].codec = MESH_G722;
	sim.media.rxv[2].pt    = 9;
	sim.media.rxc      = 3;
	sim.media.telev_rx = 101;
	sim_start(&sim);

	ck_assert_int_eq(EINVAL, scheduler_put(NULL, &pkt, 0));
	ck_assert_int_eq(EINVAL, scheduler_put(sim.s, NULL, 0));
	pkt.pt = 96;
	ck_assert_int_eq(EBADMSG, scheduler_put(sim.s, &pkt, 0));
	pkt.len = 1400;
	ck_assert_int_eq(EBADMSG, scheduler_put(sim.s, &pkt, 0));
	pkt.len = 100;
	pkt.pt  = 97;
	ck_assert_int_eq(EPROTO, scheduler_put(sim.s, &pkt, 0));

	for (i = 0; i < 40000; i++) {
		static const uint8_t ptv[] = {96, 96, 96, 8, 9, 101, 13, 77};
		int16_t w[8];

		signal_noise(&r, w, 8, -10);
		for (k = 0; k < sizeof(p); k += 1 + (r.seed >> 28)) {
			r.seed = r.seed * 1664525u + 1u;
			p[k]   = (uint8_t)(r.seed >> 17);
		}

		pkt.ssrc  = (uint32_t)w[0] % 97 == 0 ? 5u : 4u;
		pkt.seq   = (uint16_t)(i + (w[1] & 31 ? 0 : w[2]));
		pkt.ts    = i * 960u + (w[3] & 63 ? 0 : (uint32_t)w[4] * 999);
		pkt.pt    = ptv[w[5] & 7];
		pkt.level = (int8_t)(w[6] & 3 ? -1 : w[7] & 127);
		pkt.len   = r.seed % (i & 1 ? 1500 : 12);
		(void)scheduler_put(sim.s, &pkt, (uint64_t)sim.now);

		if (i % 3)
			continue;
		if (scheduler_tick(sim.s, (uint64_t)sim.now, NULL) ==
		    SCHEDULER_TALKING) {
			struct scheduler_frame f;

			if (i & 4)
				(void)scheduler_frame(sim.s, &f);
			if (i & 8)
				(void)scheduler_pcm(sim.s, out, i & 16 ? 8000
						    : 48000);
		}
		sim.now += 20000;
		ck_assert_int_eq(0, codec_pool_refill(sim.pool));
	}

	sim_close(&sim);
}
END_TEST


START_TEST(settings_are_checked)
{
	static struct sim sim;
	struct scheduler_config cfg = {.depth_max = 5};
	struct scheduler *s = NULL;
	int16_t out[960];

	sim_init(&sim, MESH_PCMU);
	sim_start(&sim);
	ck_assert_int_eq(EINVAL, scheduler_alloc(&s, sim.pool, &cfg,
						 &sim.media, NULL, NULL));
	ck_assert_int_eq(EINVAL, scheduler_alloc(&s, NULL, NULL, &sim.media,
						 NULL, NULL));
	ck_assert_int_eq(EINVAL, scheduler_alloc(NULL, sim.pool, NULL,
						 &sim.media, NULL, NULL));
	ck_assert_int_eq(EINVAL, scheduler_pcm(sim.s, out, 44100));
	ck_assert_int_eq(ENOENT, scheduler_pcm(sim.s, out, 8000));
	ck_assert_ptr_null(s);
	close_clean(&sim);
}
END_TEST


static double stall(struct sim *sim, uint16_t seq)
{
	return seq >= 200 && seq < 250 ? (250 - seq) * 20000. : 0;
}


START_TEST(depth_has_a_limit)
{
	static struct sim sim;

	/* the network stands still for a second, then delivers all at once */
	sim_init(&sim, MESH_PCMU);
	sim.cfg.depth_max = 200;
	sim.delay = stall;
	sim_start(&sim);
	sim.seq = 0;
	sim_run(&sim, 5.5);
	ck_assert_uint_le(stats(&sim).depth, 260);
	sim_run(&sim, 14);
	ck_assert_uint_le(stats(&sim).depth, 60);
	close_clean(&sim);
}
END_TEST


int main(void)
{
	Suite *suite = suite_create("scheduler");
	TCase *tc = tcase_create("scheduler");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, clean_network_adds_little);
	tcase_add_test(tc, arrival_close_to_the_tick_does_not_flap);
	tcase_add_test(tc, jitter_deepens_and_calm_shrinks);
	tcase_add_test(tc, stretching_makes_no_click);
	tcase_add_test(tc, bursts_of_loss_are_concealed);
	tcase_add_test(tc, fec_helps_at_five_per_cent);
	tcase_add_test(tc, clocks_drift_apart_unheard);
	tcase_add_test(tc, reordered_packets_are_put_right);
	tcase_add_test(tc, duplicates_are_dropped);
	tcase_add_test(tc, streams_may_begin_anew);
	tcase_add_test(tc, a_stray_ssrc_is_ignored);
	tcase_add_test(tc, payload_types_may_change_in_mid_stream);
	tcase_add_test(tc, every_ptime_is_played);
	tcase_add_test(tc, thirty_milliseconds_too);
	tcase_add_test(tc, frames_pass_through);
	tcase_add_test(tc, frames_and_pcm_may_alternate);
	tcase_add_test(tc, both_frame_and_pcm_in_one_tick);
	tcase_add_test(tc, silent_ones_cost_nothing);
	tcase_add_test(tc, a_tone_is_talk_to_every_codec);
	tcase_add_test(tc, no_onset_of_speech_is_lost);
	tcase_add_test(tc, dtx_gaps_are_no_loss);
	tcase_add_test(tc, comfort_noise_and_events_are_no_sound);
	tcase_add_test(tc, keys_in_the_sound_leave_it);
	tcase_add_test(tc, speech_is_no_key);
	tcase_add_test(tc, rates_may_change_while_talking);
	tcase_add_test(tc, an_empty_pool_is_survived);
	tcase_add_test(tc, junk_is_survived);
	tcase_add_test(tc, settings_are_checked);
	tcase_add_test(tc, depth_has_a_limit);
	suite_add_tcase(suite, tc);

	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
