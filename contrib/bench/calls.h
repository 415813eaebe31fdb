/* What call.c and calls.c share. */
#ifndef JUNCTOR_BENCH_CALLS_H
#define JUNCTOR_BENCH_CALLS_H

#include "bench.h"

enum { CODES_MAX = 16 };

struct calls {
	const struct opts *o;
	struct sockio *io;
	uint32_t run;           /* makes Call-IDs of this run unique */
	int stopfd;
	uint32_t stops;         /* how often the user wanted the end */
	int64_t scan;           /* next look at the timers [ns] */
	uint32_t failed, retrans;
	struct {
		int code;
		uint32_t n;
	} codev[CODES_MAX];     /* why calls failed */
	uint32_t callc;
	struct call callv[];
};

void call_answer(struct calls *cs, uint32_t i, const struct msg *m,
		 const struct sockaddr_in *src);
void call_timer(struct calls *cs, uint32_t i, int64_t now);
void target_set(const struct calls *cs, struct dialog *d,
		const struct str *uri);
void invite_send(struct calls *cs, uint32_t i);
void dialog_send(struct calls *cs, uint32_t i, const struct dialog *d,
		 const char *method, uint32_t cseq, const char *more);
void calls_failure(struct calls *cs, int code);

/* stray.c */
void stray_answer(struct calls *cs, const struct msg *m,
		  const struct sockaddr_in *src);

/* refer.c */
int  call_refer(struct calls *cs, uint32_t i, const struct str *referto);
bool refer_ended(struct calls *cs, struct call *c, int code);
void old_ended(struct calls *cs, struct call *c);
void refer_notify(struct calls *cs, uint32_t i, int code);

#endif
