/**
 * @file hook.h  A program that is run, with a time limit
 */
#ifndef JUNCTOR_STANDBY_HOOK_H
#define JUNCTOR_STANDBY_HOOK_H

struct hook;

/* err: 0: it ended with 0; ECANCELED: with something else, or by a signal;
   ETIMEDOUT: it was killed. May release the hook. */
typedef void (hook_h)(int err, void *arg);

int hook_run(struct hook **hp, const char *const argv[], uint32_t timeout,
	     hook_h *h, void *arg);
int hook_leave(const char *const argv[]);

#endif
