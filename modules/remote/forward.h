/**
 * @file forward.h  Commands to and from other servers of the farm
 */
#ifndef JUNCTOR_REMOTE_FORWARD_H
#define JUNCTOR_REMOTE_FORWARD_H

#include "server/command.h"

struct forward;
struct odict;
struct server;

enum { FORWARD_MS = 25000 };       /* longest wait for an answer        */

typedef void (forward_owner_h)(int err, const char *server, void *arg);

int  forward_alloc(struct forward **fp, struct server *srv);
int  forward_run(struct forward *f, const char *server, const char *name,
		 const struct odict *args, bool read, uint32_t timeout,
		 command_resp_h *h, void *arg);
int  forward_owner(struct forward *f, const char *conference,
		   forward_owner_h *h, void *arg);
int  farm_commands(struct forward *f);
bool command_kind_get(struct server *srv, const char *name,
		      enum command_kind *kind);

#endif
