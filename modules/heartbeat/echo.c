/**
 * @file echo.c  A message to ourselves: does the bus work, and how fast?
 *
 *   server.KEY.ping  <-- {nonce, when it was sent}   without a reply subject
 *
 * One goes with every announcement, so that it is known beforehand how slow
 * the bus is: whoever is asked over a slow one has more time to answer than
 * heartbeat.ping, else nobody could ever be found dead there. One goes along
 * with every question to a silent server: only what comes back meanwhile
 * proves that the silence is not ours. If none comes back in that time, the
 * bus does not work.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "bus/bus.h"
#include "noc/node.h"
#include "heartbeat/hb.h"


enum {
	NEAR_MS  = 50,             /* one that was sent earlier will do     */
	PACE_MAX = 5000,           /* what is slower does not work [ms]     */
};

/* Nobody else reads it. */
struct echo {
	uint64_t nonce;
	uint64_t sent;             /* [ms]                                  */
};


static void late_handler(void *arg)
{
	judge_bus(arg, false);
}


static int echo_send(struct heartbeat *hb)
{
	const struct echo echo = {hb->nonce, tmr_jiffies()};

	hb->sent = echo.sent;

	return bus_publish(hb->bus, hb->ping_subject,
			   (const uint8_t *)&echo, sizeof(echo));
}


/**
 * Measure how slow the bus is
 *
 * @param hb Heartbeat
 */
void echo_measure(struct heartbeat *hb)
{
	/* that the bus is down is told by others */
	(void)echo_send(hb);
}


/**
 * Prove that the bus works; judge_bus is told if that fails
 *
 * @param hb Heartbeat
 */
void echo_prove(struct heartbeat *hb)
{
	const uint64_t now = tmr_jiffies();

	if (!hb->unproven) {
		hb->unproven = now;
		tmr_start(&hb->late, echo_limit(hb), late_handler, hb);
	}

	if (hb->sent > hb->back && hb->sent + NEAR_MS >= now) {
		hb->unproven = min(hb->unproven, hb->sent);
		return;
	}

	if (echo_send(hb))
		judge_bus(hb, false);
}


/**
 * Did a message to ourselves come back so that it proves something of a
 * question to another server? One that is sent later does not: we may have
 * been the one who could not be reached. One shortly before does: who is
 * silent by now was so then. It has half of the way, so half of the time.
 *
 * @param sent  When it was sent [ms]
 * @param back  When it came back [ms]
 * @param asked When the other server was asked [ms]
 * @param limit It had so long to answer [ms]
 *
 * @return True if it proves that the bus worked
 */
bool echo_proves(uint64_t sent, uint64_t back, uint64_t asked, uint32_t limit)
{
	return sent <= asked && sent + NEAR_MS >= asked &&
		2 * (back - sent) <= limit;
}


/**
 * A message came that wants no answer: it may be ours
 *
 * @param hb  Heartbeat
 * @param buf Message
 * @param len [bytes]
 */
void echo_recv(struct heartbeat *hb, const uint8_t *buf, size_t len)
{
	const uint64_t now = tmr_jiffies();
	struct echo echo;
	uint64_t pace;

	if (len != sizeof(echo))
		return;

	memcpy(&echo, buf, sizeof(echo));
	if (echo.nonce != hb->nonce || echo.sent > hb->sent ||
	    echo.sent < hb->back)
		return;

	hb->back = echo.sent;

	/* at once when it gets slower, by and by when it gets faster */
	pace = min(2 * (now - echo.sent), (uint64_t)PACE_MAX);
	hb->pace = max((uint32_t)pace, hb->pace / 2);

	if (echo.sent >= hb->unproven) {
		hb->unproven = 0;
		tmr_cancel(&hb->late);
		judge_bus(hb, true);
	}
	judge_proof(hb, echo.sent, now);
}


/**
 * How long may an answer over the bus take?
 *
 * @param hb Heartbeat
 *
 * @return Time limit, heartbeat.ping if the bus is not slow [ms]
 */
uint32_t echo_limit(const struct heartbeat *hb)
{
	return max(hb->ping, min(2 * hb->pace, (uint32_t)PACE_MAX));
}


/**
 * Begin to know nothing of the bus
 *
 * @param hb Heartbeat
 */
void echo_start(struct heartbeat *hb)
{
	hb->nonce = rand_u64();
	hb->sent = hb->back = hb->unproven = 0;
	hb->pace = 0;
}


/**
 * Wait for nothing any more
 *
 * @param hb Heartbeat
 */
void echo_stop(struct heartbeat *hb)
{
	tmr_cancel(&hb->late);
	hb->unproven = 0;
}
