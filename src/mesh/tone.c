/**
 * @file mesh/tone.c  Mute and unmute tones, join and leave chimes
 *
 * Sines with raised-cosine edges, -20 dBov: heard under talk, never a click.
 */
#include <math.h>
#include <string.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/tone.h"


enum {
	AMPLITUDE = 4600,     /* -20 dBov                                   */
	EDGE_MS   = 8,
};

struct tone_note {
	uint16_t freq;        /* [Hz], 0: pause                             */
	uint16_t ms;
};


/**
 * Begin to play
 *
 * @param tone  State; what it played before is cut
 * @param kind  An enum mesh_tone
 * @param rate  Rate of the samples it will be mixed into [Hz]
 *
 * @return 0 if success, EINVAL
 */
int tone_start(struct tone *tone, int kind, uint32_t rate)
{
	/* up: on, in; down: off, out. Mute is one key, join is a chord */
	static const struct tone_note muted[] = {
		{620, 90}, {0, 30}, {440, 140} };
	static const struct tone_note unmuted[] = {
		{440, 90}, {0, 30}, {620, 140} };
	static const struct tone_note join[] = {
		{523, 90}, {659, 90}, {784, 160} };
	static const struct tone_note leave[] = {
		{784, 90}, {659, 90}, {523, 160} };
	static const struct {
		const struct tone_note *v;
		unsigned c;
	} tonev[] = {
		[MESH_TONE_MUTED]   = {muted,   ARRAY_SIZE(muted)},
		[MESH_TONE_UNMUTED] = {unmuted, ARRAY_SIZE(unmuted)},
		[MESH_TONE_JOIN]    = {join,    ARRAY_SIZE(join)},
		[MESH_TONE_LEAVE]   = {leave,   ARRAY_SIZE(leave)},
	};

	if (!tone || kind < 0 || kind >= (int)ARRAY_SIZE(tonev) ||
	    rate < 8000 || rate > 48000)
		return EINVAL;

	tone->notev = tonev[kind].v;
	tone->notec = tonev[kind].c;
	tone->note  = 0;
	tone->pos   = 0;
	tone->rate  = rate;
	tone->len   = rate / 1000 * tone->notev[0].ms;

	return 0;
}


/**
 * Tell whether there is more to play
 *
 * @param tone  State
 *
 * @return true if so
 */
bool tone_playing(const struct tone *tone)
{
	return tone && tone->note < tone->notec;
}


static float sample(const struct tone *tone)
{
	const float edge = (float)(tone->rate / 1000 * EDGE_MS);
	const uint32_t near = min(tone->pos, tone->len - 1 - tone->pos);
	const float w = 2 * (float)M_PI * tone->notev[tone->note].freq /
		(float)tone->rate;
	float x = AMPLITUDE * sinf(w * (float)tone->pos);

	if ((float)near < edge)
		x *= .5f - .5f * cosf((float)M_PI * (float)near / edge);

	return x;
}


/**
 * Mix the next piece of a tone into a sound
 *
 * @param tone   State
 * @param sampv  Samples, added to
 * @param sampc  Number of samples
 *
 * @return true if there is more to play
 */
bool tone_mix(struct tone *tone, int16_t *sampv, size_t sampc)
{
	size_t i;

	for (i = 0; i < sampc && tone_playing(tone); i++) {

		if (tone->notev[tone->note].freq) {
			const int x = sampv[i] + (int)sample(tone);

			sampv[i] = (int16_t)max(-32768, min(x, 32767));
		}

		if (++tone->pos < tone->len)
			continue;

		tone->pos = 0;
		if (++tone->note < tone->notec)
			tone->len = tone->rate / 1000 *
				tone->notev[tone->note].ms;
	}

	return tone_playing(tone);
}
