/**
 * @file ask.h  A conference that a dispatcher of banks looks for: shared by
 *              ask.c and place.c only
 */
#ifndef JUNCTOR_DISPATCH_ASK_H
#define JUNCTOR_DISPATCH_ASK_H

enum {
	BANKS_MAX  = 256,
	BANK_TRIES = 4,            /* banks that may refuse                 */
};

/* A conference that is looked for */
struct ask {
	struct le le;
	struct le he;
	struct dispatch *d;
	struct list waitl;         /* struct waiting, oldest first          */
	struct list questionl;     /* not answered so far                   */
	bool only;                 /* only where it is is asked             */
	unsigned media;
	bool held;                 /* banks' table counts a reservation     */
	bool created;              /* we have claimed it                    */
	struct conf_route route;   /* the bank that is to have it           */
	char triedv[BANK_TRIES][NAME_SERVER_MAX];
	unsigned triedc;
	unsigned races;
	uint64_t rev;              /* of the claim to replace, 0: none      */
	struct bus_req *req;
	struct bus_kvop *op;
	size_t namelen;
	char name[CLIENT_CONFERENCE_MAX];
};

/* ask.c */
void ask_fail(struct ask *a, int err);
void ask_found(struct ask *a, const char *bank, const struct wire_place *wp);
int  ask_request(struct bus_req **reqp, struct ask *a, const char *bank,
		 const char *what, uint32_t ms, bus_resp_h *h, void *arg);

/* place.c */
void ask_release(struct ask *a);
void ask_select(struct ask *a);
void ask_place(struct ask *a);

#endif
