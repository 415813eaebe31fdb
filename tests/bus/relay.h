/**
 * @file relay.h  A TCP relay of a test's own: slow, deaf, or cut
 */
#ifndef JUNCTOR_TESTS_BUS_RELAY_H
#define JUNCTOR_TESTS_BUS_RELAY_H

struct relay {
	pid_t pid;
	int ctrl;                  /* socket to the process                 */
	char url[64];
};

void relay_start(struct relay *r, unsigned port, unsigned delay_ms);
void relay_cut(struct relay *r);
void relay_mend(struct relay *r);
void relay_stall(struct relay *r, bool on);
void relay_mute(struct relay *r, bool on);
void relay_stop(struct relay *r);

#endif
