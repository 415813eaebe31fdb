/**
 * @file mesh/plc.h  Concealment for codecs that bring none of their own
 */
#ifndef JUNCTOR_MESH_PLC_H
#define JUNCTOR_MESH_PLC_H

enum { PLC_HIST = 1920 };     /* 40 ms at 48 kHz                            */

struct plc {                  /* embed; start with plc_start                 */
	uint32_t rate;                /* 8000, 16000, 24000 or 48000 [Hz]   */
	unsigned lost;                /* samples concealed in a row         */
	unsigned pitch;               /* lag repeated [samples]             */
	unsigned pos;                 /* in the period                      */
	int16_t hist[PLC_HIST];       /* what was last played; newest last  */
	int16_t period[PLC_HIST / 2];
};

void plc_start(struct plc *plc, uint32_t rate);
void plc_good(struct plc *plc, int16_t *sampv, size_t sampc);
void plc_lost(struct plc *plc, int16_t *sampv, size_t sampc);

#endif
