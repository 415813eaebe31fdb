/**
 * @file offers.h  What a service adds to a server, taken back at once
 *
 * Listeners, commands and metrics of a service stand in tables; one object
 * holds what came of them. mem_deref takes all of it out, the last first.
 */
#ifndef JUNCTOR_SERVER_OFFERS_H
#define JUNCTOR_SERVER_OFFERS_H

#include "server/command.h"
#include "server/event.h"
#include "server/metrics.h"

struct offers;
struct server;

struct offer_listener {
	const char *name;          /* of the event                          */
	enum event_prio prio;
	event_h *h;
	bool remote;               /* also events of other servers          */
};

struct offer_command {
	const char *name;
	enum command_kind kind;
	const char *help;
	command_h *h;
};

struct offer_metric {
	enum metric_type type;
	const char *name, *labels, *help;
	metric_h *h;
	void *arg;                 /* NULL: as given to offers_metrics      */
};

int offers_alloc(struct offers **op, struct server *srv);
int offers_listen(struct offers *o, const struct offer_listener *v, size_t n,
		  void *arg);
int offers_commands(struct offers *o, const struct offer_command *v,
		    size_t n, void *arg);
int offers_metrics(struct offers *o, const struct offer_metric *v, size_t n,
		   void *arg);
double offers_counter(void *arg);

#endif
