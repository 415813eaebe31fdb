/* Who hears whom, and how late.
 *
 * What a listener received is decoded and laid on its RTP time line. Pieces
 * of it are searched for in what a talker sent (normalised correlation of
 * pre-emphasised speech). A talker is heard if most pieces are found and
 * found with the same delay; a stranger is found here and there, each time
 * with another delay.
 *
 * Delay is what lies between an ideal reflector and the server: the moment a
 * frame arrives, less the moment the frame with its first sample left. So
 * packetisation is not in it, nor is the codec's own delay: what was sent is
 * itself encoded and decoded once.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum {
	PIECE = 2400,           /* samples of a search, 300 ms */
	SHORT = 1600,           /* samples of a measurement, 200 ms */
	SEARCH_MS = 500,        /* delays searched */
	LATE_MS = 30,           /* a likely delay */
	AHEAD_MS = 10,          /* clocks are read before the send */
	PIECES_MAX = 24,
	SAME_MS = 12,           /* delays that count as the same */
	AROUND_MS = 30,         /* about the commonest delay */
};

#define FOUND 0.30f             /* correlation of a piece that is found */
#define HEARD_SHARE 0.25        /* of the pieces; strangers reach 0.1 */
#define LOUD 1e5f               /* energy/sample after pre-emphasis */

typedef float vec __attribute__((vector_size(16)));

struct arrival {
	uint32_t pos;           /* of its first sample */
	int64_t at;             /* [ns, wall clock] */
};

struct ear {
	float *pcm;             /* pre-emphasised */
	uint32_t n;
	struct arrival *arrv;
	uint32_t arrc;
};

/* What a talker sent, as a time line. */
struct voice {
	const struct part *p;
	float *pcm;             /* pre-emphasised */
	uint32_t n, frames;
	uint32_t fs;            /* samples per frame */
};


static void preemphasis(float *out, const int16_t *in, uint32_t n,
			float *mem)
{
	for (uint32_t i = 0; i < n; i++) {
		out[i] = in[i] - 0.9f * *mem;
		*mem = in[i];
	}
}


/** Free an ear */
void ear_free(struct ear *e)
{
	if (!e)
		return;

	free(e->pcm);
	free(e->arrv);
	free(e);
}


/* The place of a packet: by RTP time, but a jump begins right behind. */
static uint32_t place(uint32_t pos, uint32_t expect, uint32_t ts,
		      uint32_t scale)
{
	const uint32_t skip = (ts - expect) / scale;

	return skip < EAR_RATE ? pos + skip : pos;
}


/**
 * Decode what a participant has heard
 *
 * @param ep    Ear, freed with ear_free()
 * @param p     Participant with its packets kept
 * @param codec Codec
 *
 * @return 0 if success, ENOENT if it heard less than a second
 */
int ear_alloc(struct ear **ep, const struct part *p, enum codec codec)
{
	const uint32_t scale = codec_rate(codec) / EAR_RATE;
	int16_t pcm[EAR_RATE / 1000 * 120];
	const uint32_t max = EAR_RATE / 1000 * 60 * p->heardc + EAR_RATE;
	const struct heard_packet *h = NULL;
	struct decoder *d = NULL;
	struct ear *e;
	uint32_t expect = 0;
	float mem = 0;
	int err;

	e = calloc(1, sizeof(*e));
	if (!e)
		return ENOMEM;

	e->pcm = calloc(max, sizeof(*e->pcm));
	e->arrv = calloc(p->heardc + 1, sizeof(*e->arrv));
	err = e->pcm && e->arrv ? decoder_alloc(&d, codec) : ENOMEM;

	while (!err && (h = part_heard(p, h))) {
		const int n = decoder_frame(d, pcm, sizeof(pcm) /
					    sizeof(pcm[0]), h->data, h->len);
		uint32_t pos = e->n;

		if (n <= 0)
			continue;
		if (e->arrc)
			pos = place(e->n, expect, h->ts, scale);
		if (pos + (uint32_t)n > max)
			break;

		preemphasis(e->pcm + pos, pcm, (uint32_t)n, &mem);
		e->arrv[e->arrc].pos = pos;
		e->arrv[e->arrc++].at = h->at;
		e->n = pos + (uint32_t)n;
		expect = h->ts + (uint32_t)n * scale;
	}
	decoder_free(d);

	if (!err && e->n < EAR_RATE)
		err = ENOENT;
	if (err)
		ear_free(e);
	else
		*ep = e;

	return err;
}


static int voice_init(struct voice *v, const struct part *p)
{
	const struct loop *l = p->loop;
	float mem = 0;

	v->p = p;
	v->fs = l->samples;
	v->frames = p->frame < p->sentmax ? p->frame : p->sentmax;
	v->n = v->frames * v->fs;
	v->pcm = calloc(v->n ? v->n : 1, sizeof(*v->pcm));
	if (!v->pcm)
		return ENOMEM;

	for (uint32_t k = 0; k < v->frames; k++) {
		const uint32_t f = (k + p->off) % l->framec;

		preemphasis(v->pcm + (size_t)k * v->fs,
			    l->ref + (size_t)f * v->fs, v->fs, &mem);
	}

	return 0;
}


/* When a sample would come back from an ideal reflector [ns]. */
static int64_t sample_time(const struct voice *v, uint32_t s)
{
	const uint32_t k = s / v->fs;

	return v->p->sentv[k] +
		(int64_t)(s - k * v->fs) * (1000000000 / EAR_RATE);
}


/* The sample that an ideal reflector would deliver at this moment. */
static uint32_t sample_at(const struct voice *v, int64_t at)
{
	uint32_t lo = 0, hi = v->frames;

	while (lo < hi) {
		const uint32_t mid = (lo + hi) / 2;

		if (v->p->sentv[mid] <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return 0;

	return (lo - 1) * v->fs + (uint32_t)((at - v->p->sentv[lo - 1]) /
					     (1000000000 / EAR_RATE));
}


/* Eight products at a time: all the work of the check is here. */
static float product(const float *a, const float *b, uint32_t n)
{
	vec s = {0}, t = {0}, x, y;

	for (uint32_t i = 0; i + 7 < n; i += 8) {
		memcpy(&x, a + i, sizeof(x));
		memcpy(&y, b + i, sizeof(y));
		s += x * y;
		memcpy(&x, a + i + 4, sizeof(x));
		memcpy(&y, b + i + 4, sizeof(y));
		t += x * y;
	}
	s += t;

	return s[0] + s[1] + s[2] + s[3];
}


/**
 * Look for a piece of what was heard in what was said
 *
 * @param best Where it begins in v
 * @param v    What was said
 * @param from Search from this sample
 * @param to   up to this one
 * @param e    The piece
 * @param n    Its length [samples]
 *
 * @return Correlation -1..1; 0 if there is nothing to compare
 */
static float piece_find(uint32_t *best, const struct voice *v,
			uint32_t from, uint32_t to, const float *e,
			uint32_t n)
{
	const float ee = product(e, e, n);
	float vv, max = 0;

	if (to + n > v->n)
		to = v->n > n ? v->n - n : 0;
	if (ee < LOUD * (float)n || from >= to)
		return 0;

	vv = product(v->pcm + from, v->pcm + from, n);
	for (uint32_t s = from; s < to; s++) {
		const float c = product(e, v->pcm + s, n);

		if (c > 0 && vv > 0 && c / sqrtf(ee * vv) > max) {
			max = c / sqrtf(ee * vv);
			*best = s;
		}
		vv += v->pcm[s + n] * v->pcm[s + n] -
			v->pcm[s] * v->pcm[s];
	}

	return max;
}


/* The commonest delay, and how many share it. */
static uint32_t mode(int64_t *delay, const int64_t *dv, uint32_t n)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t c = 0;

		for (uint32_t k = 0; k < n; k++)
			c += llabs(dv[k] - dv[i]) <= SAME_MS * 1000000 / 2;
		if (c > most) {
			most = c;
			*delay = dv[i];
		}
	}

	return most;
}


static void recognise(struct heard *h, const struct ear *e,
		      const struct voice *v)
{
	const uint32_t back = SEARCH_MS * EAR_RATE / 1000;
	const uint32_t ahead = AHEAD_MS * EAR_RATE / 1000;
	const uint32_t late = LATE_MS * EAR_RATE / 1000;
	const uint32_t step = e->arrc / PIECES_MAX + 1;
	int64_t dv[PIECES_MAX];
	uint32_t tried = 0, found = 0;

	for (uint32_t i = 0; i < e->arrc && tried < PIECES_MAX; i += step) {
		const struct arrival *a = &e->arrv[i];
		const uint32_t now = sample_at(v, a->at);
		uint32_t s = 0, from = now > back ? now - back : 0, mid;
		float said, c;

		if (a->pos + PIECE > e->n || now + PIECE > v->n)
			break;

		/* a pause tells nothing */
		mid = now > late ? now - late : 0;
		said = product(v->pcm + mid, v->pcm + mid, PIECE);
		if (said < LOUD * PIECE)
			continue;

		++tried;
		c = piece_find(&s, v, from, now + ahead, e->pcm + a->pos,
			       PIECE);
		if (c > FOUND)
			dv[found++] = a->at - sample_time(v, s);
	}

	h->delay = 0;
	h->share = tried ? (double)mode(&h->delay, dv, found) / tried : 0;
	h->heard = h->share >= HEARD_SHARE;
}


static void delays_measure(struct hist *delays, const struct heard *h,
			   const struct ear *e, const struct voice *v)
{
	const uint32_t around = AROUND_MS * EAR_RATE / 1000;

	for (uint32_t i = 0; i < e->arrc;) {
		const struct arrival *a = &e->arrv[i];
		const uint32_t mid = sample_at(v, a->at - h->delay);
		uint32_t s = 0, k = i;
		bool found;

		if (a->pos + SHORT > e->n)
			break;

		found = piece_find(&s, v, mid > around ? mid - around : 0,
				   mid + around, e->pcm + a->pos,
				   SHORT) > FOUND + 0.1f;

		for (; k < e->arrc && e->arrv[k].pos < a->pos + SHORT; k++) {
			const uint32_t at = s + e->arrv[k].pos - a->pos;
			int64_t d;

			if (!found || at >= v->n)
				continue;
			d = e->arrv[k].at - sample_time(v, at);
			hist_add(delays, d > 0 ? (uint64_t)d / 1000 : 0);
		}
		i = k;
	}
}


/**
 * Tell whether a listener hears a talker
 *
 * @param h      Filled in
 * @param e      What was heard
 * @param talker Participant whose sent frames were logged
 * @param delays Counts mouth-to-ear less packetisation [us], may be NULL
 *
 * @return 0 if success, otherwise errorcode
 */
int ear_listen(struct heard *h, const struct ear *e,
	       const struct part *talker, struct hist *delays)
{
	struct voice v;
	int err;

	memset(h, 0, sizeof(*h));
	err = voice_init(&v, talker);
	if (err)
		return err;

	if (v.frames > 1)
		recognise(h, e, &v);
	if (delays && h->heard)
		delays_measure(delays, h, e, &v);
	free(v.pcm);

	return 0;
}
