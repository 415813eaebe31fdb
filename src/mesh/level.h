/**
 * @file mesh/level.h  How loud something is, without or before decoding it
 *
 * Levels are those of RFC 6464: 0..127 [-dBov], 127 is digital silence.
 */
#ifndef JUNCTOR_MESH_LEVEL_H
#define JUNCTOR_MESH_LEVEL_H

enum { LEVEL_SILENCE = 127 };

struct level_g722 {
	int16_t nb;           /* log2 of the lower band's step, Q11         */
};

uint8_t level_energy(uint64_t sum, size_t sampc);
uint8_t level_pcm(const int16_t *sampv, size_t sampc, unsigned step);
uint8_t level_l16(const uint8_t *p, size_t len);
uint8_t level_g711(bool alaw, const uint8_t *p, size_t len);
uint8_t level_g722(struct level_g722 *st, const uint8_t *p, size_t len);

#endif
