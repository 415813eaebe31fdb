/**
 * @file negotiate.h  From a session description to what the mesh needs
 */
#ifndef JUNCTOR_CONNECT_NEGOTIATE_H
#define JUNCTOR_CONNECT_NEGOTIATE_H

#include "mesh/mesh.h"

struct media_desc;

int  negotiate_media(struct mesh_media *media, struct media_desc *answer,
		     char *codec, size_t sz, const struct media_desc *offer,
		     const char *allowed);
int  negotiate_offer(struct mesh_media *media, struct media_desc *offer,
		     const char *allowed);
int  negotiate_again(struct media_desc *offer, const struct mesh_media *media,
		     uint32_t telev_rate, const char *allowed);
const char *negotiate_name(enum mesh_codec codec);
int  negotiate_codec(enum mesh_codec *codec, const char *name);

#endif
