/**
 * @file mesh/opus_level.c  How loud an Opus packet is, without decoding it
 *
 * A CELT frame begins with the energy of each band in steps of 6 dB, each
 * predicted from the last frame and from the band below (RFC 6716 4.3.2.1).
 * Reading just that takes a fortieth of a decode. The fine energy, which needs
 * the bit allocation, is left out: it is half a step at most, either way, and
 * the sum of all bands is right within 1 dB for noise, 6 dB for tones.
 *
 * SILK (also as the lower part of a hybrid frame) begins with its encoder's
 * own voice flag (4.2.3), and soon after tells the gain of its excitation
 * (4.2.7.4). That is no level, as nobody knows what the filters make of it,
 * but it rises and falls with the level.
 */
#include <math.h>
#include <opus/opus.h>
#include <re.h>
#include "mesh/level.h"
#include "mesh/opus_level.h"


enum {
	BANDS     = OPUS_LEVEL_BANDS,
	FRAMES    = 48,
	MINP      = 1,        /* of the Laplace model: RFC 6716 4.3.2.1     */
	MODELLED  = 16,
	FLOOR     = -28,      /* quieter than this has no meaning [log2]    */
	PREDICT   = -9,
	CALIBRATE = 94,
};

struct range {                /* RFC 6716 4.1                               */
	const uint8_t *p;
	size_t len, pos;
	uint32_t rng, val;
	unsigned rem;
	int bits;             /* read so far, and those in rng              */
};


static unsigned next_byte(struct range *r)
{
	return r->pos < r->len ? r->p[r->pos++] : 0;
}


static void range_fill(struct range *r)
{
	while (r->rng <= 1u << 23) {
		const unsigned prev = r->rem;

		r->rem  = next_byte(r);
		r->val  = ((r->val << 8) +
			   (255 & ~((prev << 8 | r->rem) >> 1))) & 0x7fffffff;
		r->rng <<= 8;
		r->bits += 8;
	}
}


static void range_init(struct range *r, const uint8_t *p, size_t len)
{
	r->p    = p;
	r->len  = len;
	r->pos  = 0;
	r->rem  = next_byte(r);
	r->rng  = 128;
	r->val  = 127 - (r->rem >> 1);
	r->bits = 9;
	range_fill(r);
}


/* Bits used so far, of len * 8 */
static int range_tell(const struct range *r)
{
	return r->bits - (32 - __builtin_clz(r->rng));
}


static void range_update(struct range *r, unsigned lo, unsigned hi,
			 uint32_t scale, unsigned total)
{
	r->val -= scale * (total - hi);
	r->rng  = lo ? scale * (hi - lo) : r->rng - scale * (total - hi);
	range_fill(r);
}


/* One bit that is set once in 2^logp times */
static bool range_bit(struct range *r, unsigned logp)
{
	const uint32_t s = r->rng >> logp;
	const bool bit = r->val < s;

	if (!bit)
		r->val -= s;
	r->rng = bit ? s : r->rng - s;
	range_fill(r);

	return bit;
}


static unsigned range_uniform(struct range *r, unsigned total)
{
	const uint32_t s = r->rng / total;
	const unsigned x = total - min(r->val / s + 1, total);

	range_update(r, x, x + 1, s, total);

	return x;
}


/* 0, 1 or -1, as 2:1:1 */
static int range_small(struct range *r)
{
	const uint32_t s = r->rng >> 2;
	const unsigned x = 4 - min(r->val / s + 1, 4u);
	const int sym = x < 2 ? 0 : x == 2 ? 1 : 2;

	range_update(r, sym ? x : 0, sym ? x + 1 : 2, s, 4);

	return sym == 1 ? -1 : sym == 2 ? 1 : 0;
}


/* A step of energy: zero has the probability p0, and each further one
   falls by `decay` until it is MINP */
static int range_laplace(struct range *r, unsigned p0, unsigned decay)
{
	const uint32_t s = r->rng >> 15;
	const unsigned at = 32768 - min(r->val / s + 1, 32768u);
	unsigned lo = 0, width = p0;
	int x = 0;

	if (at >= width) {

		x     = 1;
		lo    = width;
		width = (((32768 - MINP * 2 * MODELLED - width) *
			  (16384 - decay)) >> 15) + MINP;

		while (width > MINP && at >= lo + 2 * width) {
			width *= 2;
			lo    += width;
			width  = (((width - 2 * MINP) * decay) >> 15) + MINP;
			++x;
		}

		if (width <= MINP) {
			const unsigned n = (at - lo) >> 1;

			x  += (int)n;
			lo += 2 * n * MINP;
		}

		if (at < lo + width)
			x = -x;
		else
			lo += width;
	}

	range_update(r, lo, min(lo + width, 32768u), s, 32768);

	return x;
}


static void energy_read(struct opus_level *st, struct range *r, unsigned end,
			unsigned channels, unsigned lm, bool intra)
{
	/* probability of no step and decay, per frame size, inter or intra,
	   and band: the model of RFC 6716 4.3.2.1 */
	static const uint8_t modelv[4][2][BANDS * 2] = {
		{{72, 127, 65, 129, 66, 128, 65, 128, 64, 128, 62, 128, 64,
		  128, 64, 128, 92, 78, 92, 79, 92, 78, 90, 79, 116, 41, 115,
		  40, 114, 40, 132, 26, 132, 26, 145, 17, 161, 12, 176, 10,
		  177, 11},
		 {24, 179, 48, 138, 54, 135, 54, 132, 53, 134, 56, 133, 55,
		  132, 55, 132, 61, 114, 70, 96, 74, 88, 75, 88, 87, 74, 89,
		  66, 91, 67, 100, 59, 108, 50, 120, 40, 122, 37, 97, 43, 78,
		  50}},
		{{83, 78, 84, 81, 88, 75, 86, 74, 87, 71, 90, 73, 93, 74, 93,
		  74, 109, 40, 114, 36, 117, 34, 117, 34, 143, 17, 145, 18,
		  146, 19, 162, 12, 165, 10, 178, 7, 189, 6, 190, 8, 177, 9},
		 {23, 178, 54, 115, 63, 102, 66, 98, 69, 99, 74, 89, 71, 91,
		  73, 91, 78, 89, 86, 80, 92, 66, 93, 64, 102, 59, 103, 60,
		  104, 60, 117, 52, 123, 44, 138, 35, 133, 31, 97, 38, 77,
		  45}},
		{{61, 90, 93, 60, 105, 42, 107, 41, 110, 45, 116, 38, 113, 38,
		  112, 38, 124, 26, 132, 27, 136, 19, 140, 20, 155, 14, 159,
		  16, 158, 18, 170, 13, 177, 10, 187, 8, 192, 6, 175, 9, 159,
		  10},
		 {21, 178, 59, 110, 71, 86, 75, 85, 84, 83, 91, 66, 88, 73,
		  87, 72, 92, 75, 98, 72, 105, 58, 107, 54, 115, 52, 114, 55,
		  112, 56, 129, 51, 132, 40, 150, 33, 140, 29, 98, 35, 77,
		  42}},
		{{42, 121, 96, 66, 108, 43, 111, 40, 117, 44, 123, 32, 120,
		  36, 119, 33, 127, 33, 134, 34, 139, 21, 147, 23, 152, 20,
		  158, 25, 154, 26, 166, 21, 173, 16, 184, 13, 184, 10, 150,
		  13, 139, 15},
		 {22, 178, 63, 114, 74, 82, 84, 83, 92, 82, 103, 62, 96, 72,
		  96, 67, 101, 73, 107, 72, 113, 55, 118, 52, 125, 52, 118,
		  52, 117, 55, 135, 49, 137, 39, 157, 32, 145, 29, 97, 33, 77,
		  40}},
	};
	static const float predictv[4] = {.8984375f, .796875f, .6484375f, .5f};
	static const float leakv[4] = {.92001f, .67999f, .36999f, .20001f};
	const float predict = intra ? 0 : predictv[lm];
	const float leak = intra ? .15f : leakv[lm];
	const uint8_t *model = modelv[lm][intra];
	const int budget = (int)r->len * 8;
	float below[2] = {0, 0};
	unsigned i, c;

	for (i = 0; i < end; i++) for (c = 0; c < channels; c++) {

		const int left = budget - range_tell(r);
		float *e = &st->ev[c][i];
		int step;

		if (left >= 15)
			step = range_laplace(r, (unsigned)model[2 * i] << 7,
					     (unsigned)model[2 * i + 1] << 6);
		else if (left >= 2)
			step = range_small(r);
		else if (left >= 1)
			step = -(int)range_bit(r, 1);
		else
			step = -1;

		*e = max((float)PREDICT, *e) * predict + below[c] +
			(float)step;
		below[c] += (float)step - leak * (float)step;
	}
}


/* The strength of the post-filter: three raw bits, after those of its period,
   counted from the end of the packet */
static float comb_gain(const struct range *r, unsigned skip)
{
	const uint8_t *end = &r->p[r->len];
	const unsigned raw = r->len < 2 ? 0 : end[-1] | end[-2] << 8;

	return (float)(((raw >> skip) & 7) + 1) * 3 / 32;
}


/* RFC 6716 4.3.1, 4.3.3, 4.3.7.1: what comes before the energy */
static bool header_read(struct range *r, unsigned lm, bool *intra,
			float *comb)
{
	const int budget = (int)r->len * 8;
	unsigned raw;

	if (range_tell(r) >= budget)
		return false;
	if (range_tell(r) == 1 && range_bit(r, 15))
		return false;

	if (range_tell(r) + 16 <= budget && range_bit(r, 1)) {

		raw   = 4 + range_uniform(r, 6);
		*comb = comb_gain(r, raw);
		r->bits += (int)raw + 3;
		if (range_tell(r) + 2 <= budget)
			(void)range_small(r);
	}

	if (lm && range_tell(r) + 3 <= budget)
		(void)range_bit(r, 3);

	*intra = range_tell(r) + 3 <= budget && range_bit(r, 3);

	return true;
}


static void channels_set(struct opus_level *st, bool stereo)
{
	unsigned i;

	if (st->stereo == stereo)
		return;

	for (i = 0; i < BANDS; i++) {
		if (stereo)
			st->ev[1][i] = st->ev[0][i];
		else
			st->ev[0][i] = max(st->ev[0][i], st->ev[1][i]);
	}
	st->stereo = stereo;
}


/* Power of the sum of all bands */
static float power(const struct opus_level *st, unsigned end,
		   unsigned channels)
{
	/* twice the codec's mean energy of a band, less what the encoder's
	   pre-emphasis adds there [log2] */
	static const float meanv[BANDS] = {
		18.34f, 17.89f, 16.76f, 15.70f, 14.99f, 14.27f, 13.41f,
		12.93f, 13.60f, 12.82f, 12.19f, 11.60f, 12.03f, 11.01f,
		9.95f, 9.87f, 9.15f, 9.22f, 8.97f, 7.81f, 5.98f,
	};
	float sum = 0;
	unsigned i, c;

	for (c = 0; c < channels; c++) for (i = 0; i < end; i++)
		sum += exp2f(2 * min(st->ev[c][i], 20.f) + meanv[i]);

	return sum / (float)channels;
}


static void frame_read(struct opus_level *st, const uint8_t *p, size_t len,
		       uint8_t toc, float *top)
{
	/* NB, WB, SWB, FB */
	static const uint8_t endv[4] = {13, 17, 19, 21};
	const unsigned end = endv[toc >> 5 & 3], lm = toc >> 3 & 3;
	const unsigned channels = toc & 4 ? 2 : 1;
	bool intra = false;
	float comb = 0;
	struct range r;
	unsigned i, c;

	channels_set(st, channels == 2);
	range_init(&r, p, len);

	if (!header_read(&r, lm, &intra, &comb)) {

		for (c = 0; c < 2; c++) for (i = 0; i < BANDS; i++)
			st->ev[c][i] = FLOOR;
		return;
	}

	energy_read(st, &r, end, channels, lm, intra);

	/* What repeats itself was combed out before and is put back after:
	   of a tone nearly all, of speech a part; take the middle */
	*top = max(*top, power(st, end, channels) / (1 - comb));
}


/* CALIBRATE is the level of what sums up to 1 */
static uint8_t to_dbov(float sum)
{
	const float db = sum > 0 ? CALIBRATE - 3.0103f * log2f(sum)
		: LEVEL_SILENCE;

	return (uint8_t)lrintf(max(0.f, min(db, (float)LEVEL_SILENCE)));
}


/* The symbol at the decoder's position, for probabilities of 1/256 */
static unsigned range_symbol(struct range *r, const uint8_t *pdf, unsigned n)
{
	const uint32_t s = r->rng >> 8;
	const unsigned at = 256 - min(r->val / s + 1, 256u);
	unsigned lo = 0, i;

	for (i = 0; i + 1 < n && at >= lo + pdf[i]; i++)
		lo += pdf[i];

	range_update(r, lo, lo + pdf[i], s, 256);

	return i;
}


/* RFC 6716 4.2.7.3, 4.2.7.4: 64 steps of 1.37 dB */
static uint8_t gain_read(const uint8_t *p, size_t len, unsigned flags)
{
	static const uint8_t quiet[] = {26, 230}, loud[] = {24, 74, 148, 10};
	static const uint8_t gainv[3][8] = {
		{32, 112, 68, 29, 12, 1, 1, 1},
		{2, 17, 45, 60, 62, 47, 19, 4},
		{1, 3, 26, 71, 94, 50, 9, 2},
	};
	unsigned i, type, gain;
	struct range r;
	bool voice = false;

	range_init(&r, p, len);

	for (i = 0; i < flags; i++)
		voice |= range_bit(&r, 1) && !i;
	if (range_bit(&r, 1))
		return OPUS_LEVEL_NONE;

	type = voice ? 1 + range_symbol(&r, loud, 4) / 2
		: 0;
	if (!voice)
		(void)range_symbol(&r, quiet, 2);
	gain = range_symbol(&r, gainv[type], 8) << 3;
	gain |= range_uniform(&r, 8);

	return (uint8_t)(88 - gain * 350 / 256);
}


static enum opus_look silk_look(const uint8_t *p, size_t len, uint8_t toc,
				uint8_t *level)
{
	const unsigned flags = toc >= 0x60 ? 1 : max(1, toc >> 3 & 3);

	*level = toc & 4 || len < 3 ? OPUS_LEVEL_NONE
		: gain_read(p, len, flags);

	return p[0] >> (8 - flags) ? OPUS_LOOK_VOICE : OPUS_LOOK_NOVOICE;
}


/**
 * Look at an Opus packet
 *
 * @param st     What was known before; must see every packet of a stream
 * @param p      Payload
 * @param len    Its length [bytes]
 * @param level  Set to the level, if OPUS_LOOK_LEVEL [-dBov]; else to what
 *               rises and falls as the level does, or OPUS_LEVEL_NONE
 *
 * @return What was seen
 */
enum opus_look opus_level_look(struct opus_level *st, const uint8_t *p,
			       size_t len, uint8_t *level)
{
	const uint8_t *framev[FRAMES];
	opus_int16 sizev[FRAMES];
	unsigned char toc;
	float top = 0;
	int i, n;

	n = opus_packet_parse(p, (opus_int32)len, &toc, framev, sizev, NULL);
	if (n <= 0)
		return OPUS_LOOK_BAD;

	/* discontinuous transmission: nothing to say */
	if (sizev[0] < 2 && n == 1) {
		*level = LEVEL_SILENCE;
		return OPUS_LOOK_LEVEL;
	}

	if (!(toc & 0x80)) {
		*level = OPUS_LEVEL_NONE;
		return sizev[0] ? silk_look(framev[0], (size_t)sizev[0], toc,
					    level) : OPUS_LOOK_NOVOICE;
	}

	for (i = 0; i < n; i++) {
		if (sizev[i] > 1)
			frame_read(st, framev[i], (size_t)sizev[i], toc,
				   &top);
	}

	*level = to_dbov(top);

	return OPUS_LOOK_LEVEL;
}
