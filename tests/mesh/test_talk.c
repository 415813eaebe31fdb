/**
 * @file tests/mesh/test_talk.c  Who talks, and what a scheduler hears of keys
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
		sim_close_clean(&sim);
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
		sim_close_clean(&sim);
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
		(void)sim_tick(&sim, o);

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
	sim_close_clean(&sim);

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

	st = sim_stats(&sim);
	ck_assert_uint_eq(0, st.lost);
	ck_assert_uint_eq(0, st.resyncs);
	ck_assert_msg(st.concealed <= 20, "%u", st.concealed);
	sim_close_clean(&sim);
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
		sim_loud(p, 160, i);
		if (i < 50)
			sim_put(&sim, (uint16_t)seq++, i * 160, 1, 0, p, 160);
		else if (i < 60)
			sim_put(&sim, (uint16_t)seq++, 50 * 160, 1, 101, ev,
				4);
		else if (i < 100)
			sim_put(&sim, (uint16_t)seq++, i * 160, 1, 0, p, 160);
		else if (i % 10 == 0)
			sim_put(&sim, (uint16_t)seq++, i * 160, 1, 13, cn, 1);
		(void)sim_tick(&sim, out);
		if (i >= 130)
			ck_assert(signal_power(out, 160) == 0);
	}

	ck_assert_str_eq("5", sim.digits);
	ck_assert_uint_eq(0, sim_stats(&sim).lost);
	ck_assert_uint_eq(0, sim_stats(&sim).malformed);
	ck_assert_uint_le(sim_stats(&sim).concealed, 40);
	sim_close_clean(&sim);
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
		sim_put(&sim, (uint16_t)seq, seq * 160, 1, 8, p, 160);
		ck_assert_int_eq(ENOENT, scheduler_frame(sim.s, &f));
		(void)sim_tick(&sim, out);
		all  += signal_power(v, 160);
		tone += signal_power(out, 160);
	}

	ck_assert_str_eq(keys, sim.digits);
	ck_assert_msg(tone < all * .3, "%.2f left", tone / all);
	sim_close_clean(&sim);
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
	sim_close_clean(&sim);
}
END_TEST


int main(void)
{
	Suite *suite = suite_create("talk");
	TCase *tc = tcase_create("talk");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, silent_ones_cost_nothing);
	tcase_add_test(tc, a_tone_is_talk_to_every_codec);
	tcase_add_test(tc, no_onset_of_speech_is_lost);
	tcase_add_test(tc, dtx_gaps_are_no_loss);
	tcase_add_test(tc, comfort_noise_and_events_are_no_sound);
	tcase_add_test(tc, keys_in_the_sound_leave_it);
	tcase_add_test(tc, speech_is_no_key);
	suite_add_tcase(suite, tc);

	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
