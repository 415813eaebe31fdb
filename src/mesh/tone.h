/**
 * @file mesh/tone.h  Mute and unmute tones, join and leave chimes
 */
#ifndef JUNCTOR_MESH_TONE_H
#define JUNCTOR_MESH_TONE_H

struct tone {                 /* embed; all zero: nothing to play           */
	const struct tone_note *notev;
	unsigned notec, note;
	uint32_t rate;        /* [Hz]                                       */
	uint32_t pos, len;    /* in this note [samples]                     */
};

/* `kind` is an enum mesh_tone */
int  tone_start(struct tone *tone, int kind, uint32_t rate);
bool tone_playing(const struct tone *tone);
bool tone_mix(struct tone *tone, int16_t *sampv, size_t sampc);

#endif
