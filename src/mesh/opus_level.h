/**
 * @file mesh/opus_level.h  How loud an Opus packet is, without decoding it
 */
#ifndef JUNCTOR_MESH_OPUS_LEVEL_H
#define JUNCTOR_MESH_OPUS_LEVEL_H

enum {
	OPUS_LEVEL_BANDS = 21,
	OPUS_LEVEL_NONE  = 255,   /* cannot tell                           */
};

enum opus_look {
	OPUS_LOOK_LEVEL,      /* the level is known                         */
	OPUS_LOOK_VOICE,      /* SILK, and its encoder heard a voice        */
	OPUS_LOOK_NOVOICE,    /* SILK, and it heard none                    */
	OPUS_LOOK_BAD,        /* not Opus                                   */
};

struct opus_level {           /* embed; all zero to begin                   */
	float ev[2][OPUS_LEVEL_BANDS]; /* energy of each band, log2 against
					  the codec's mean             */
	bool stereo;
};

enum opus_look opus_level_look(struct opus_level *st, const uint8_t *p,
			       size_t len, uint8_t *level);

#endif
