/**
 * @file tests/mesh/sim.c  A sender, a network and a scheduler, simulated
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/g711.h"
#include "mesh/level.h"
#include "mesh/scheduler.h"
#include "signal.h"
#include "sim.h"


void sim_init(struct sim *sim, enum mesh_codec codec)
{
	static const uint8_t ptv[] = {0, 8, 9, 96};

	memset(sim, 0, sizeof(*sim));
	sim->fmt.codec   = codec;
	sim->fmt.pt      = ptv[codec];
	sim->fmt.rate    = 48000;
	sim->fmt.bitrate = 24000;
	sim->ptime       = 20;
	sim->rate        = codec == MESH_OPUS ? 48000
		: codec == MESH_G722 ? 16000 : 8000;
	sim->phase       = 10000;
	sim->freq        = 440;
	sim->noise       = -60;
	sim->complexity  = 5;
}


static void digit_h(char digit, unsigned duration_ms, void *arg)
{
	struct sim *sim = arg;
	const size_t n = strlen(sim->digits);

	if (n + 1 < sizeof(sim->digits))
		sim->digits[n] = digit;
}


void sim_start(struct sim *sim)
{
	const struct codec_enc_params prm = {
		.rate = sim->rate, .frame_ms = sim->ptime,
		.bitrate = 24000, .complexity = sim->complexity,
		.loss = (unsigned)(sim->loss * 200)};
	int i;

	if (!sim->media.rxc) {
		sim->media.rxv[0] = sim->fmt;
		sim->media.rxc    = 1;
	}

	ck_assert_int_eq(0, codec_pool_alloc(&sim->pool));
	for (i = 0; i < CODEC_OBJ_MAX; i++)
		ck_assert_int_eq(0, codec_pool_fill(
			sim->pool, (enum codec_obj)i,
			i == CODEC_OBJ_SLOT ? 80 : 2));
	if (prm.frame_ms != 30)
		ck_assert_int_eq(0, codec_enc_get(&sim->enc, sim->pool,
						  &sim->fmt, &prm));
	ck_assert_int_eq(0, scheduler_alloc(&sim->s, sim->pool, &sim->cfg,
					    &sim->media, digit_h, sim));

	sim->cap  = (size_t)sim->rate * 40;
	sim->in   = calloc(sim->cap + 5760, sizeof(*sim->in));
	sim->out  = calloc(sim->cap + 5760, sizeof(*sim->out));
	sim->ssrc = 0x1234;
	sim->seq  = 65530;
	sim->ts   = 0xfffff000;
	sim->now  = 1e9;
	sim->send_at = 1e9 - sim->phase + 1000;
	sim->rnd.seed = 4711;
}


double sim_random(struct sim *sim)
{
	sim->rnd.seed = sim->rnd.seed * 1664525u + 1013904223u;

	return (double)(sim->rnd.seed >> 8) / 16777216.;
}


static void make(struct sim *sim, int16_t *pcm, size_t n)
{
	switch (sim->silence) {

	case 0:  signal_speech(&sim->sig, pcm, n, sim->rate); break;
	case 1:  memset(pcm, 0, n * sizeof(*pcm)); break;
	case 2:  signal_noise(&sim->sig, pcm, n, sim->noise); break;
	default: signal_sine(&sim->sig, pcm, n, sim->rate, sim->freq, -12);
		 break;
	}
}


/* One packet enters the network */
void sim_send(struct sim *sim)
{
	const size_t n = sim->rate / 1000 * sim->ptime;
	int16_t pcm[CODEC_FRAME_MAX];
	struct sim_packet *p = NULL;
	size_t len = CODEC_PAYLOAD_MAX, i;
	uint8_t buf[CODEC_PAYLOAD_MAX];
	const uint32_t clock = codec_clock(&sim->fmt);

	make(sim, pcm, n);
	if (sim->inc + n <= sim->cap) {
		memcpy(&sim->in[sim->inc], pcm, n * sizeof(*pcm));
		sim->inc += n;
	}
	ck_assert_int_eq(0, codec_encode(sim->enc, pcm, n, buf, &len));

	for (i = 0; i < SIM_QUEUE && !p; i++)
		p = sim->queue[i].used ? NULL : &sim->queue[i];
	ck_assert_ptr_nonnull(p);

	memcpy(p->buf, buf, len);
	p->used = true;
	p->at   = sim->send_at + sim->jitter * sim_random(sim);
	if (sim->delay)
		p->at += sim->delay(sim, sim->seq);

	p->pkt.ssrc  = sim->ssrc;
	p->pkt.seq   = sim->seq;
	p->pkt.ts    = sim->ts;
	p->pkt.pt    = sim->fmt.pt;
	p->pkt.p     = p->buf;
	p->pkt.len   = len;
	p->pkt.level = -1;
	if (sim->ext) {
		p->pkt.level = (int8_t)level_pcm(pcm, n, 1);
		p->pkt.voice = p->pkt.level < 50;
	}

	if (sim_random(sim) < sim->loss ||
	    (sim->lose && sim->lose(sim, sim->seq)))
		p->used = false;

	++sim->seq;
	sim->ts      += clock / 1000 * sim->ptime;
	sim->send_at += sim->ptime * 1000. / (1 + sim->drift);
}


static void deliver(struct sim *sim)
{
	for (;;) {
		struct sim_packet *p = NULL;
		size_t i;

		for (i = 0; i < SIM_QUEUE; i++) {
			struct sim_packet *q = &sim->queue[i];

			if (q->used && q->at <= sim->now &&
			    (!p || q->at < p->at))
				p = q;
		}
		if (!p)
			return;

		(void)scheduler_put(sim->s, &p->pkt, (uint64_t)p->at);
		memset(p->buf, 0xee, sizeof(p->buf));
		p->used = false;
	}
}


static void take(struct sim *sim)
{
	const size_t n = sim->rate / 50;
	int16_t *out = &sim->out[sim->outc];
	enum scheduler_state st;
	struct scheduler_frame frame;
	int err = ENOENT;

	if (sim->outc + n > sim->cap)
		out = &sim->out[sim->cap];
	else
		sim->outc += n;

	st = scheduler_tick(sim->s, (uint64_t)sim->now, &sim->level);
	++sim->ticks;
	if (st == SCHEDULER_JUDGING)
		++sim->judging;
	if (st != SCHEDULER_TALKING)
		return;
	++sim->talking;

	if (sim->frames) {
		err = scheduler_frame(sim->s, &frame);
		if (!err) {
			++sim->framed;
			ck_assert_uint_ge(frame.len, 1);
		}
		else if (err == ENODATA)
			++sim->nodata;
		else
			ck_assert_int_eq(ENOENT, err);
	}

	if (err == ENOENT && !sim->no_pcm)
		ck_assert_int_eq(0, scheduler_pcm(sim->s, out, sim->rate));
}


void sim_run(struct sim *sim, double seconds)
{
	const double end = sim->now + seconds * 1e6;

	while (sim->now < end) {

		while (sim->send_at <= sim->now)
			sim_send(sim);
		deliver(sim);
		take(sim);
		ck_assert_int_eq(0, codec_pool_refill(sim->pool));
		sim->now += 20000;
	}
}


/* How much later something is played than its packet could have come: the
   lag of the output behind the input over the last seconds, less the time
   it takes to fill a packet [ms] */
double sim_delay_ms(const struct sim *sim, double seconds)
{
	const size_t n = (size_t)(seconds * sim->rate);
	const size_t max_lag = sim->rate / 4, step = sim->rate / 8000;
	const size_t from = sim->outc - n;
	double best = 0;
	size_t lag, at = 0, i;

	for (lag = 0; lag < max_lag; lag += step) {
		double xy = 0, xx = 1, yy = 1;

		for (i = from; i < sim->outc; i += step) {
			const double x = sim->in[i - lag], y = sim->out[i];

			xy += x * y;
			xx += x * x;
			yy += y * y;
		}
		if (xy / sqrt(xx * yy) > best) {
			best = xy / sqrt(xx * yy);
			at   = lag;
		}
	}

	ck_assert_msg(best > .6, "output is not the input: %.2f", best);

	/* input sample i was in a packet that came at 1e9 - phase + 1000 +
	   its packet's time; output sample i at 1e9 + i */
	return (double)at * 1000 / sim->rate + (sim->phase - 1000) / 1000;
}


void sim_close(struct sim *sim)
{
	mem_deref(sim->s);
	codec_enc_put(sim->enc);
	mem_deref(sim->pool);
	free(sim->in);
	free(sim->out);
}


struct scheduler_stats sim_stats(const struct sim *sim)
{
	struct scheduler_stats st;

	scheduler_stats(sim->s, &st);

	return st;
}


/* Nothing that was taken from the pool may stay out */
void sim_close_clean(struct sim *sim)
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


/* A packet put by hand */
void sim_put(struct sim *sim, uint16_t seq, uint32_t ts, uint32_t ssrc,
	     uint8_t pt, const uint8_t *p, size_t len)
{
	const struct scheduler_packet pkt = {.ssrc = ssrc, .ts = ts,
		.seq = seq, .pt = pt, .level = -1, .p = p, .len = len};

	(void)scheduler_put(sim->s, &pkt, (uint64_t)sim->now - 9000);
}


enum scheduler_state sim_tick(struct sim *sim, int16_t *out)
{
	enum scheduler_state st;

	st = scheduler_tick(sim->s, (uint64_t)sim->now, NULL);
	memset(out, 0, 960 * sizeof(*out));
	if (st == SCHEDULER_TALKING)
		ck_assert_int_eq(0, scheduler_pcm(sim->s, out, sim->rate));
	sim->now += 20000;

	return st;
}


void sim_loud(uint8_t *p, size_t len, unsigned k)
{
	struct signal s = {.n = k * len};
	int16_t v[480];

	signal_sine(&s, v, len, 8000, 400, -12);
	g711_from_pcm(false, p, v, len);
}
