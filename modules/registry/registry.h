/**
 * @file registry.h  Events of the service `registry`
 */
#ifndef JUNCTOR_REGISTRY_REGISTRY_H
#define JUNCTOR_REGISTRY_REGISTRY_H

#include "noc/mark.h"

/* "registry.marked": a server has another mark than before, by whichever
 * registry */
struct registry_event {
	const struct mark *mark;
};

#endif
