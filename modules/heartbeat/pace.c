/**
 * @file pace.c  How slow is the bus?
 *
 * A question to ourselves goes the same way as one to another server, once a
 * lease. On a bus that is slow but works, whoever is asked has more time to
 * answer than heartbeat.ping: else nobody could ever be found dead there.
 */
#include <re.h>
#include "server/server.h"
#include "bus/bus.h"
#include "noc/node.h"
#include "heartbeat/hb.h"


enum { PACE_MAX = 5000 };          /* what is slower does not work [ms]     */


static void pace_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct heartbeat *hb = arg;
	const uint64_t ms = tmr_jiffies() - hb->pace_asked;
	(void)buf;
	(void)len;

	/* at once when it gets slower, by and by when it gets faster */
	if (!err)
		hb->pace = max((uint32_t)min(ms, (uint64_t)PACE_MAX),
			       hb->pace / 2);
}


/**
 * Measure now and then
 *
 * @param hb Heartbeat
 */
void pace_tick(struct heartbeat *hb)
{
	const uint64_t now = tmr_jiffies();

	if (hb->pace_req || now < hb->pace_asked + hb->lease ||
	    bus_state(hb->bus) != BUS_UP)
		return;

	hb->pace_asked = now;
	(void)judge_ping(&hb->pace_req, hb, hb->self.name, PACE_MAX,
			 pace_handler, hb);
}


/**
 * How long may an answer over the bus take?
 *
 * @param hb Heartbeat
 *
 * @return Time limit, heartbeat.ping if the bus is not slow [ms]
 */
uint32_t pace_limit(const struct heartbeat *hb)
{
	return max(hb->ping, min(2 * hb->pace, (uint32_t)PACE_MAX));
}


/**
 * Measure no more
 *
 * @param hb Heartbeat
 */
void pace_stop(struct heartbeat *hb)
{
	hb->pace_req = mem_deref(hb->pace_req);
	hb->pace = 0;
	hb->pace_asked = 0;
}
