/**
 * @file pending.h  A conference for which a server is being found: shared by
 *                  pending.c and reserve.c only
 */
#ifndef JUNCTOR_DISPATCH_PENDING_H
#define JUNCTOR_DISPATCH_PENDING_H

enum {
	TRIES_MAX = 4,             /* servers that may refuse               */
	RACES_MAX = 3,             /* times the claim may change under us   */
	ASK_MAX   = 64,            /* joins in one reservation              */
	LESS_MAX  = 16,            /* choices that may be made anew         */
	LESS_PART = 128,           /* of what is left: too little to choose
				      anew for                              */
	SILENT_MAX = 2,            /* servers in a row that do not answer:
				      it is the bus                         */
	CLAIM_WAIT = 2000,         /* callers wait for the bus no longer: a
				      cluster elects for ten seconds [ms]   */
};

struct waiting {
	struct le le;
	struct client *client;     /* referenced                            */
};

/* A conference, and all who wait for it */
struct pending {
	struct le he;
	struct dispatch *d;
	struct list waitl;         /* struct waiting, oldest first          */
	unsigned asked;            /* of these, in the reservation          */
	unsigned granted;
	unsigned media;
	bool known;                /* its server is asked for more room     */
	bool held;                 /* tables count a reservation for us     */
	struct conf_route route;   /* server that is asked                  */
	char triedv[TRIES_MAX][NAME_SERVER_MAX];
	unsigned triedc;
	unsigned races;
	unsigned lessc;            /* choices that were made anew           */
	unsigned silentc;          /* servers that did not answer           */
	uint64_t rev;              /* of the claim to replace, 0: none      */
	struct bus_req *req;
	struct bus_kvop *op;
	struct tmr late;           /* runs while a claim is under way       */
	size_t namelen;
	char name[CLIENT_CONFERENCE_MAX];
};

/* pending.c */
void pending_fail(struct pending *p, int err);
void pending_reserved(struct pending *p, int err);

/* reserve.c */
int  pending_choose(struct pending *p);
void pending_release(struct pending *p);
void pending_reserve(struct pending *p);
void pending_giveback(struct pending *p);

#endif
