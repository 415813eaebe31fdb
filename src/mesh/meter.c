/**
 * @file mesh/meter.c  How near a worker is to breaking; what things cost
 *
 * Three things go wrong when there is too much to do: no time is left over,
 * ticks begin late, and packets are thrown away before they are read. Each
 * is measured over a second and compared with what callers do not hear yet.
 */
#include <re.h>
#include <string.h>
#include "mesh/mesh.h"
#include "mesh/meter.h"

enum {
	SECOND     = 1000000,    /* [us]                                  */
	FULL       = 1000,
	BUSY_BEARS = 800,        /* of a worker's time [1/1000]           */
	LATE_BEARS = 10000,      /* what jitter buffers forgive [us]      */
	DROP_BEARS = 1,          /* of the packets that came [1/1000]     */
	LOAD_MAX   = 10000,

	/* measured on one core of 2.5 GHz, Opus at 48 kHz and effort 5 */
	COST_PACKET      = 4,    /* [us]                                  */
	COST_PLAIN       = 10,
	COST_OPUS_DECODE = 46,
	COST_OPUS_ENCODE = 200,
};


/**
 * Work begins: something has come, or time has
 *
 * @param m   Meter
 * @param now [us]
 */
void meter_begin(struct meter *m, uint64_t now)
{
	m->woke = now;
	if (!m->since)
		m->since = now;
}


static uint32_t share(uint64_t part, uint64_t bears)
{
	return (uint32_t)min(part * FULL / bears, (uint64_t)LOAD_MAX);
}


static void second_close(struct meter *m, uint64_t usec)
{
	struct mesh_worker_load *l = &m->load;
	const uint64_t came = (uint64_t)m->packets + m->drops;

	l->busy  = (unsigned)min(m->busy * FULL / usec, (uint64_t)FULL);
	l->late  = m->latev[METER_WORST - 1];
	l->drops = (unsigned)(m->drops * (uint64_t)SECOND / usec);
	l->load  = max(share(l->busy, BUSY_BEARS),
		       share(l->late, LATE_BEARS));
	if (came)
		l->load = max(l->load, share((uint64_t)m->drops * FULL,
					     came * DROP_BEARS));
}


/**
 * Work ends, there is nothing left to do now
 *
 * @param m   Meter
 * @param now [us]
 *
 * @return True if a second has passed: `load` is new
 */
bool meter_end(struct meter *m, uint64_t now)
{
	uint64_t usec;

	m->busy += now - m->woke;
	usec = now - m->since;
	if (usec < SECOND)
		return false;

	second_close(m, usec);
	memset(m->latev, 0, sizeof(m->latev));
	m->busy    = 0;
	m->packets = m->drops = 0;
	m->since   = now;

	return true;
}


/**
 * A tick begins
 *
 * @param m   Meter
 * @param due When it should have [us]
 * @param now When it does [us]
 */
void meter_tick(struct meter *m, uint64_t due, uint64_t now)
{
	uint32_t late = now > due
		? (uint32_t)min(now - due, (uint64_t)UINT32_MAX) : 0;

	for (unsigned i = 0; i < METER_WORST; i++) {
		const uint32_t was = m->latev[i];

		if (late <= was)
			continue;
		m->latev[i] = late;
		late = was;
	}
}


/**
 * Packets were read
 *
 * @param m       Meter
 * @param packets How many
 * @param drops   How many the system threw away meanwhile
 */
void meter_packets(struct meter *m, unsigned packets, unsigned drops)
{
	m->packets += packets;
	m->drops   += drops;
}


/**
 * There is nothing to measure for a while
 *
 * @param m Meter
 */
void meter_reset(struct meter *m)
{
	memset(m, 0, sizeof(*m));
}


static uint32_t rate(uint64_t from, uint64_t to, uint64_t usec)
{
	return (uint32_t)((to - from) * SECOND / usec);
}


/**
 * Work out what a conference costs
 *
 * @param cost Filled in, but for the worker
 * @param from Counted some time ago
 * @param to   Counted now
 * @param usec How much time lies between [us]
 */
void meter_cost(struct mesh_conf_cost *cost, const struct meter_work *from,
		const struct meter_work *to, uint64_t usec)
{
	memset(cost, 0, sizeof(*cost));
	if (!usec)
		return;

	cost->packets = rate(from->packets, to->packets, usec);
	cost->decodes = rate(from->decodes, to->decodes, usec);
	cost->encodes = rate(from->encodes, to->encodes, usec);
	cost->opus_decodes = rate(from->opus_decodes, to->opus_decodes, usec);
	cost->opus_encodes = rate(from->opus_encodes, to->opus_encodes, usec);

	cost->usec = cost->packets * COST_PACKET +
		(cost->decodes - cost->opus_decodes +
		 cost->encodes - cost->opus_encodes) * COST_PLAIN +
		cost->opus_decodes * COST_OPUS_DECODE +
		cost->opus_encodes * COST_OPUS_ENCODE;
}
