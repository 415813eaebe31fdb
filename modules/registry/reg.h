/**
 * @file reg.h  Inside the service `registry`
 */
#ifndef JUNCTOR_REGISTRY_REG_H
#define JUNCTOR_REGISTRY_REG_H

#include "heartbeat/heartbeat.h"
#include "noc/mark.h"
#include "noc/options.h"
#include "noc/wire.h"

struct bus;
struct bus_kvop;
struct bus_req;
struct bus_watch;
struct command_req;
struct offers;
struct server;
struct service;
struct udp_sock;

enum { MARK_LIFE = 4 };            /* of a mark [probes]                    */

/* Main thread only, as is all of this service. */
struct registry {
	struct service *svc;
	struct server *srv;
	struct bus *bus;
	const struct heartbeat_api *hb;
	struct offers *offers;
	uint32_t interval, timeout, tries;   /* settings                    */

	struct list targetl;       /* struct target                         */
	struct bus_watch *watchv[3]; /* marks, servers, plans               */
	struct udp_sock *us;
	struct sa laddr;           /* of us                                 */
	struct tmr tick;

	uint64_t probes, failed, bad;
};

enum outcome { NOT_ASKED, WAITING, ANSWERED, SILENT };

/* A server, whether there or known by something that is stored about it */
struct target {
	struct le le;
	struct registry *r;
	char name[64];
	char sip[128];             /* host:port or ""                       */
	bool known;                /* by the heartbeat                      */
	uint64_t due;              /* next probe [ms]                       */

	/* the probe that runs, or the last one */
	bool probing;
	char token[OPTIONS_TOKEN + 1];
	struct sa addr;
	uint64_t began;            /* [us]                                  */
	enum outcome sip_state, bus_state;
	uint16_t scode;
	uint32_t sip_usec, bus_usec;
	unsigned sent;             /* OPTIONS                               */
	struct bus_req *req;
	struct tmr tmr;
	struct command_req *asker; /* wants to be told, or NULL             */

	unsigned failures;         /* of it, one after the other            */
	bool well;                 /* the last one                          */

	/* what others say */
	struct wire_server report;
	bool reported;
	uint64_t out_from, out_to; /* UTC [s]                               */
	struct mark mark;          /* MARK_NONE: there is none              */
	uint64_t mark_rev;
	uint64_t marked;           /* heard then [ms]                       */
	struct bus_kvop *op;
};

/* registry.c */
void registry_marked(struct registry *r, const struct mark *m);

/* probe.c */
int  probe_open(struct registry *r);
void probe_close(struct registry *r);
int  probe_start(struct target *t, struct command_req *asker);
void probe_stop(struct target *t);

/* marks.c */
int  marks_start(struct registry *r);
void marks_stop(struct registry *r);
struct target *target_find(const struct registry *r, const char *name);
struct target *target_get(struct registry *r, const char *name);
void mark_judge(struct target *t);

/* commands.c */
int  registry_commands(struct registry *r);
enum mark_state target_state(const struct target *t, const char **reason);

#endif
