/**
 * @file loop.c  The main loop, for a while or until something is so
 */
#include <re.h>
#include "loop.h"


enum { LOOK_MS = 3 };

struct look {
	struct tmr tmr;
	bool (*done)(void);
};


static void limit_handler(void *arg)
{
	(void)arg;
	re_cancel();
}


static void look_handler(void *arg)
{
	struct look *look = arg;

	if (look->done())
		re_cancel();
	else
		tmr_start(&look->tmr, LOOK_MS, look_handler, look);
}


/**
 * Run the main loop for a while, or until somebody calls re_cancel
 *
 * @param ms How long [ms]
 */
void loop_run(uint64_t ms)
{
	struct tmr limit;

	tmr_init(&limit);
	tmr_start(&limit, ms, limit_handler, NULL);
	(void)re_main(NULL);
	tmr_cancel(&limit);
}


/**
 * Run the main loop until something is so
 *
 * @param done Asked every few milliseconds
 * @param ms   Limit [ms]
 *
 * @return True if it is so, false if time was up first
 */
bool loop_until(bool (*done)(void), uint64_t ms)
{
	struct look look = {.done = done};

	tmr_init(&look.tmr);
	tmr_start(&look.tmr, 0, look_handler, &look);
	loop_run(ms);
	tmr_cancel(&look.tmr);

	return done();
}
