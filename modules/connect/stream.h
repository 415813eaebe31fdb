/**
 * @file stream.h  The streams to and from a member, as its seat has them
 */
#ifndef JUNCTOR_CONNECT_STREAM_H
#define JUNCTOR_CONNECT_STREAM_H

struct mesh_stream;
struct odict;

int stream_encode(struct odict **odp, const struct mesh_stream *st);
int stream_decode(struct mesh_stream *st, const struct odict *od);

#endif
