/**
 * @file fixture.h  A signalling stack under test, and what it told
 */
#ifndef JUNCTOR_TESTS_SIP_FIXTURE_H
#define JUNCTOR_TESTS_SIP_FIXTURE_H

#include "sip/stack.h"
#include "phone.h"

/* What the stack's owner does with a join is said by the conference:
 *   "silent"  nothing, the test answers through fix.call
 *   "refuse"  403
 *   "move"    302
 *   else      200 */
struct fix {
	struct sipstack *st;
	struct sa laddr;
	struct sipcall *call;      /* of the last join, referenced          */
	char log[4096];            /* every event, one word each            */
	char body[16384];          /* of the last event that had one        */
	char trace[16384];         /* messages traced                       */
	uint16_t scode;            /* of the last SIPCALL_END, _REFUSED     */
	int err;                   /* likewise, or of SIPCALL_DIALOG        */
	char replaces[256];        /* of the last join                      */
	const struct sipcall *replaced;
	uint64_t lost;             /* of the last SIPCALL_LOST              */
	char lostid[256];
	bool lost_wait;            /* else: nobody knows lost dialogs       */
	char name[128], user[128], account[64], ticket[128], info[256];
	struct sa src;
};

extern const char fix_sdp[];

void fix_conf(struct sipstack_conf *conf, const char *addr);
void fix_open(struct fix *fx, const struct sipstack_conf *conf);
void fix_open_default(struct fix *fx);
void fix_start(struct fix *fx, const struct sipstack_conf *conf);
void fix_stop(struct fix *fx);
void fix_close(struct fix *fx);
bool fix_idle(struct fix *fx);
void fix_await(const struct fix *fx, const char *words);
void fix_join(struct fix *fx, struct phone *p);
void fix_call(struct phone *p);
bool fix_alive(struct phone *p);

/* exactly these events happened, in this order, and nothing more */
#define fix_told(fx, words)                                              \
	do {                                                             \
		fix_await(fx, words);                                    \
		ck_assert_str_eq((fx)->log, words);                      \
	} while (0)

#endif
