/**
 * @file mesh/phase.c  When a conference had better tick
 *
 *       packets come      v    |              v    |
 *                      a  b    |           a  b    |
 *      ----------------+--+----T-----------+--+----T----> time
 *                              |<-- 20 ms, from tick to tick -->|
 *
 * What a talker says waits for the tick: 10 ms on average, and where its
 * packets come just in time, jitter makes that 20 ms more. A tick soon after
 * them saves both. A talker is there so long before the tick as all but his
 * latest packets; what is left over then is for clocks that drift.
 *
 * A tick may come earlier while somebody is heard, if what is to be played
 * in it is there. Nobody notices but by having a packet early. A later one
 * comes after 25 ms, which is no more than a network does now and then. It
 * helps who is heard if his clock is slow, for then it saves him from lacking
 * a packet; or if with it his packets are there more than a tick too early:
 * then his buffer gets shallower, and of two talkers who were served 2 and 17
 * ms after their packets, one waits 7 now and the other 2.
 */
#include <stdint.h>
#include <stdbool.h>
#include <limits.h>
#include <re.h>
#include "mesh/phase.h"

enum {
	STAY  = 1000,            /* so near a tick may come [us]          */
	LEAST = 1500,            /* the same where it is to go [us]       */
};


/* How long his packets wait if the tick comes `by` later */
static int32_t wait_for(const struct phase_talker *t, int32_t by)
{
	const int32_t least = by ? LEAST : STAY;
	const int32_t period = (int32_t)t->period;
	int32_t wait = t->wait + by;

	/* what comes too late is played a tick later */
	if (wait < least)
		wait += (least - wait + period - 1) / period * period;

	/* whoever begins to talk is heard from his newest packet on; of who
	   is heard, a tick is left out at a time, and rather none: hence the
	   microsecond */
	else if (!t->heard && wait >= least + period)
		wait -= (wait - least) / period * period;
	else if (t->heard && t->shrinks && wait >= t->shrinks)
		wait -= period - 1;

	return wait;
}


/* What is heard must be there in time: for who is later than that, a later
   tick is none too late */
static bool allowed(const struct phase_talker *tv, unsigned n, int32_t by)
{
	for (unsigned i = 0; i < n; i++) {
		if (tv[i].heard && by < 0 && tv[i].spare + by < LEAST)
			return false;
	}

	return true;
}


static int64_t sum(const struct phase_talker *tv, unsigned n, int32_t by)
{
	int64_t wait = 0;

	for (unsigned i = 0; i < n; i++)
		wait += wait_for(&tv[i], by);

	return wait;
}


/**
 * Choose when a conference ticks
 *
 * @param talkerv Those who talk, or did so lately
 * @param talkerc How many
 * @param step    A quarter or half of a tick [us]
 * @param half    It is half of one
 *
 * @return By how much the next tick is to come later, < 0: earlier [us]; 0
 *         if hardly a step per talker can be gained
 */
int32_t phase_choose(const struct phase_talker *talkerv, unsigned talkerc,
		     uint32_t step, bool half)
{
	/* three steps earlier is the same phase as one later, of which there
	   is less to hear */
	static const int stepv[] = {-1, -2, 1, -3};
	const int64_t now = sum(talkerv, talkerc, 0);
	int64_t most = (int64_t)(step - 1) * talkerc;
	int32_t best = 0;

	if (!talkerc)
		return 0;

	for (size_t i = 0; i < (half ? 1 : ARRAY_SIZE(stepv)); i++) {

		const int32_t by = stepv[i] * (int32_t)step;
		int64_t gain;

		if (!allowed(talkerv, talkerc, by))
			continue;

		gain = now - sum(talkerv, talkerc, by);
		if (gain >= most && (gain > most || !best)) {
			most = gain;
			best = by;
		}
	}

	return best;
}
