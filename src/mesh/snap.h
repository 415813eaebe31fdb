/**
 * @file mesh/snap.h  Numbers that one thread writes and another may read
 */
#ifndef JUNCTOR_MESH_SNAP_H
#define JUNCTOR_MESH_SNAP_H

enum { SNAP_WORDS = 32 };

struct snap {                    /* embed, all zero                       */
	_Atomic uint32_t seq;    /* odd while it is written               */
	_Atomic uint64_t wordv[SNAP_WORDS];
};

void snap_write(struct snap *snap, const void *p, size_t len);
void snap_read(struct snap *snap, void *p, size_t len);

#endif
