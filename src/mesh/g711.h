/**
 * @file mesh/g711.h  ITU-T G.711, both laws
 */
#ifndef JUNCTOR_MESH_G711_H
#define JUNCTOR_MESH_G711_H

extern const int16_t g711_ulaw[256];
extern const int16_t g711_alaw[256];

uint8_t g711_to_ulaw(int16_t x);
uint8_t g711_to_alaw(int16_t x);
void g711_from_pcm(bool alaw, uint8_t *p, const int16_t *sampv, size_t sampc);
void g711_to_pcm(bool alaw, int16_t *sampv, const uint8_t *p, size_t len);

#endif
