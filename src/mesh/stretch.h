/**
 * @file mesh/stretch.h  Time scaling: a little more or less of the same sound
 */
#ifndef JUNCTOR_MESH_STRETCH_H
#define JUNCTOR_MESH_STRETCH_H

unsigned stretch_lag(const int16_t *sampv, size_t sampc, uint32_t rate,
		     unsigned lag_min, unsigned lag_max, unsigned window);
unsigned stretch_lag_back(const int16_t *sampv, size_t sampc, uint32_t rate,
			  unsigned lag_min, unsigned lag_max,
			  unsigned window);
size_t stretch_remove(int16_t *sampv, size_t sampc, uint32_t rate,
		      unsigned remove, bool exact);
size_t stretch_insert(int16_t *sampv, size_t sampc, uint32_t rate,
		      unsigned insert, bool exact);

#endif
