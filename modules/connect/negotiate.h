/**
 * @file negotiate.h  From a session description to what the mesh needs
 */
#ifndef JUNCTOR_CONNECT_NEGOTIATE_H
#define JUNCTOR_CONNECT_NEGOTIATE_H

struct media_desc;
struct mesh_media;

int  negotiate_media(struct mesh_media *media, struct media_desc *answer,
		     char *codec, size_t sz, const struct media_desc *offer,
		     const char *allowed);
int  negotiate_offer(struct mesh_media *media, struct media_desc *offer,
		     const char *allowed);

#endif
