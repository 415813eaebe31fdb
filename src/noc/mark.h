/**
 * @file noc/mark.h  What registries say of a server, in the bucket "marks"
 *
 * JSON: {name, state, since [UTC, s], reason, by}. A mark that no registry
 * refreshes goes away by itself.
 */
#ifndef JUNCTOR_NOC_MARK_H
#define JUNCTOR_NOC_MARK_H

struct mbuf;

enum { MARK_RECORD_MAX = 1024 };   /* [bytes]                           */

enum mark_state {
	MARK_NONE,             /* nobody says anything                  */
	MARK_IN_CONTACT,
	MARK_PLANNED,          /* within a planned out-of-service period*/
	MARK_DRAINING,
	MARK_OUT_OF_SERVICE,
	MARK_OUT_OF_CONTACT,
};

struct mark {
	char name[64];         /* of the server                         */
	enum mark_state state;
	uint64_t since;        /* in this state, UTC [s]                */
	char reason[128];      /* for people                            */
	char by[64];           /* registry that has written it          */
};

int  mark_encode(struct mbuf *mb, const struct mark *m);
int  mark_decode(struct mark *m, const uint8_t *buf, size_t len);
const char *mark_state_name(enum mark_state state);
const char *mark_state_text(enum mark_state state);

#endif
