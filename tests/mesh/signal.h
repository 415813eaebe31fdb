/**
 * @file tests/mesh/signal.h  Sounds to test with, and how to measure them
 */
#ifndef JUNCTOR_TESTS_MESH_SIGNAL_H
#define JUNCTOR_TESTS_MESH_SIGNAL_H

struct signal {               /* embed; all zero to begin                   */
	uint64_t n;           /* samples made                               */
	uint32_t seed;
	double phase;
	double f1[2], f2[2], f3[2];
};

void signal_sine(struct signal *s, int16_t *v, size_t n, uint32_t rate,
		 double freq, double dbov);
void signal_noise(struct signal *s, int16_t *v, size_t n, double dbov);
void signal_speech(struct signal *s, int16_t *v, size_t n, uint32_t rate);
double signal_power(const int16_t *v, size_t n);
double signal_db(const int16_t *v, size_t n);
double signal_tone(const int16_t *v, size_t n, uint32_t rate, double freq);
int signal_step(const int16_t *v, size_t n);
double signal_snr(const int16_t *ref, const int16_t *v, size_t n,
		  size_t lag_max);

#endif
