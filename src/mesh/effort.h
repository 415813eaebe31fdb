/**
 * @file mesh/effort.h  What a worker can afford to spend on an encode
 */
#ifndef JUNCTOR_MESH_EFFORT_H
#define JUNCTOR_MESH_EFFORT_H

struct mesh_worker_load;

struct effort {
	unsigned full;           /* Opus complexity with little to do     */
	unsigned now;            /* 0..full                               */
	unsigned calm;           /* seconds with little to do             */
};

void effort_init(struct effort *e, unsigned full);
void effort_second(struct effort *e, const struct mesh_worker_load *l);

#endif
