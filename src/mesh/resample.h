/**
 * @file mesh/resample.h  8, 16, 24 and 48 kHz into one another
 */
#ifndef JUNCTOR_MESH_RESAMPLE_H
#define JUNCTOR_MESH_RESAMPLE_H

enum {
	RESAMPLE_TAPS   = 24,                  /* per phase, at the low rate */
	RESAMPLE_RATIO  = 6,
	RESAMPLE_COEFS  = RESAMPLE_TAPS * RESAMPLE_RATIO,
	RESAMPLE_IN_MAX = 960,                 /* samples in one call        */
};

struct resample {             /* embed; start with resample_init            */
	uint32_t in, out;             /* [Hz]                               */
	unsigned up, down;            /* ratio in lowest terms              */
	unsigned taps;                /* per phase                          */
	unsigned phase;               /* of the next output, 0..up-1        */
	unsigned skip;                /* input not needed at the next start */
	float coefv[RESAMPLE_COEFS];  /* [up][taps], each phase reversed    */
	int16_t hist[RESAMPLE_COEFS]; /* the last taps - 1 samples          */
};

int    resample_init(struct resample *r, uint32_t in, uint32_t out);
void   resample_reset(struct resample *r);
size_t resample(struct resample *r, int16_t *dst, const int16_t *src,
		size_t sampc);

#endif
