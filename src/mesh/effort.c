/**
 * @file mesh/effort.c  What a worker can afford to spend on an encode
 *
 *      load  ^
 *            |  less at once, every second
 *       750  +---------------------------------
 *            |  stay
 *       450  +---------------------------------
 *            |  more, after ten seconds of it
 *            '---------------------------------> time
 *
 * Opus takes most of a worker's time. At complexity 0 an encode costs less
 * than half of what it does at 5, and sounds a little worse; a tick that is
 * late sounds much worse. What is given up with one step is less than what
 * lies between the two marks, so it does not come back at once. A worker that
 * is late and has little to do waits for others, and less effort is no help.
 */
#include <stdint.h>
#include <stdbool.h>
#include <re.h>
#include "mesh/mesh.h"
#include "mesh/effort.h"

enum {
	MUCH   = 750,            /* load, 1000: it is heard               */
	LITTLE = 450,
	BUSY   = 300,            /* of 1000                               */
	CALM   = 10,             /* [s]                                   */
};

/* Complexities at which libopus changes what it does for speech */
static const unsigned stepv[] = {0, 1, 3, 5, 7, 10};

enum { STEPS = sizeof(stepv) / sizeof(stepv[0]) };


static unsigned less(unsigned now)
{
	unsigned i = STEPS - 1;

	while (i && stepv[i] >= now)
		--i;

	return stepv[i] < now ? stepv[i] : now;
}


static unsigned more(unsigned now, unsigned full)
{
	unsigned i = 0;

	while (i < STEPS - 1 && stepv[i] <= now)
		++i;

	return stepv[i] < full ? stepv[i] : full;
}


/**
 * Begin with all of it
 *
 * @param e    Effort
 * @param full Opus complexity with little to do, 0..10
 */
void effort_init(struct effort *e, unsigned full)
{
	e->full = e->now = full;
	e->calm = 0;
}


/**
 * A second is over
 *
 * @param e Effort; `now` holds for the next second
 * @param l Load of the worker in this one
 */
void effort_second(struct effort *e, const struct mesh_worker_load *l)
{
	const bool much = l->load >= MUCH && l->busy >= BUSY;

	e->calm = l->load < LITTLE || l->busy < BUSY ? e->calm + 1 : 0;

	if (much) {
		e->now = less(e->now);
	}
	else if (e->calm >= CALM) {
		e->now = more(e->now, e->full);
		e->calm = 0;
	}
}
