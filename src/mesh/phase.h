/**
 * @file mesh/phase.h  When a conference had better tick
 */
#ifndef JUNCTOR_MESH_PHASE_H
#define JUNCTOR_MESH_PHASE_H

enum { PHASE_TALKERS = 16 };     /* with more, one phase is like another  */

struct phase_talker {
	int32_t wait;            /* its packet comes this long before the
				    tick; < 0: after it [us]              */
	int32_t spare;           /* if heard: that tick may come so much
				    earlier, and nothing is missing [us]  */
	int32_t shrinks;         /* if heard: having to wait that long, it is
				    brought forward by a tick; 0: it is not
				    [us]                                  */
	uint32_t period;         /* of its packets within a tick [us]     */
	bool heard;              /* at this moment                        */
};

int32_t phase_choose(const struct phase_talker *talkerv, unsigned talkerc,
		     uint32_t step, bool half);

#endif
