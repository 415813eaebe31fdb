/**
 * @file mesh/meter.h  How near a worker is to breaking; what things cost
 */
#ifndef JUNCTOR_MESH_METER_H
#define JUNCTOR_MESH_METER_H

enum { METER_WORST = 3 };

struct meter {                   /* of a worker; embed, all zero          */
	uint64_t since;          /* this second began [us]                */
	uint64_t woke;           /* work began, or 0 [us]                 */
	uint64_t busy;           /* in this second [us]                   */
	uint32_t latev[METER_WORST];  /* latest ticks, worst first [us]   */
	uint32_t packets, drops;
	struct mesh_worker_load load; /* of the second before             */
};

struct meter_work {              /* counted since the start               */
	uint64_t packets, decodes, encodes, opus_decodes, opus_encodes;
};

void meter_begin(struct meter *m, uint64_t now);
bool meter_end(struct meter *m, uint64_t now);
void meter_tick(struct meter *m, uint64_t due, uint64_t now);
void meter_packets(struct meter *m, unsigned packets, unsigned drops);
void meter_reset(struct meter *m);
void meter_cost(struct mesh_conf_cost *cost, const struct meter_work *from,
		const struct meter_work *to, uint64_t usec);

#endif
