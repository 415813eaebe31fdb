/**
 * @file mesh/demux.h  Whose packet is this: participants by source address
 */
#ifndef JUNCTOR_MESH_DEMUX_H
#define JUNCTOR_MESH_DEMUX_H

struct demux;

int  demux_alloc(struct demux **dp, unsigned max);
int  demux_add(struct demux *d, const struct sa *sa, void *what);
void demux_remove(struct demux *d, const struct sa *sa);
void *demux_find(const struct demux *d, const struct sa *sa);
unsigned demux_count(const struct demux *d);

#endif
