/* A conference server in one thread, for the load generator's own test:
 * redirects once, mixes PCMU, and can be told to do each of these wrong. */
#ifndef JUNCTOR_BENCH_STUB_H
#define JUNCTOR_BENCH_STUB_H

#include "bench.h"

struct TCase;

enum stub_fault {
	STUB_ECHO = 1,          /* talkers hear themselves */
	STUB_MUTE = 2,          /* nobody hears the first participant */
	STUB_LEAK = 4,          /* everybody hears all conferences */
	STUB_DEAF = 8,          /* the first copy of each INVITE is lost */
	STUB_BUSY = 16,         /* 486 instead of 200 */
	STUB_LOSS = 32,         /* every tenth packet is not sent */
	STUB_DIRECT = 64,       /* 200 at once, no redirection */
	STUB_HANGUP = 128,      /* says BYE after half a second */
};

/* What happens to each call when it is so old. */
enum stub_event {
	STUB_MOVE,              /* another server takes it over: re-INVITE */
	STUB_REFER,             /* it is referred, with Replaces */
	STUB_VANISH,            /* the first one is forgotten */
	STUB_BACKWARDS,         /* a re-INVITE with a number of long ago */
};

struct stub;

int stub_alloc(struct stub **sp, unsigned faults, uint32_t delay_ms);
void stub_addr(const struct stub *s, struct sockaddr_in *sin);
uint32_t stub_replies(const struct stub *s);
uint32_t stub_legs(const struct stub *s);
void stub_event(struct stub *s, enum stub_event event, uint32_t at_ms,
		uint32_t gap_ms);
void stub_free(struct stub *s);

/* selfrun.c */
void measurements_add(struct TCase *whole);

#endif
