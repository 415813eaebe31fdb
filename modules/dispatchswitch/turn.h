/**
 * @file turn.h  Whose turn it is
 */
#ifndef JUNCTOR_DISPATCHSWITCH_TURN_H
#define JUNCTOR_DISPATCHSWITCH_TURN_H

struct turn;

enum { TURN_MAX = 64 };

enum turn_mode { TURN_ROUND_ROBIN, TURN_LOAD };

struct turn_member {
	uint16_t id;               /* not 0; told apart by this             */
	uint32_t load;             /* as it said last                       */
	char contact[128];         /* host:port                             */
};

int  turn_alloc(struct turn **tp, enum turn_mode mode);
int  turn_set(struct turn *t, const struct turn_member *v, unsigned n);
void turn_load(struct turn *t, uint16_t id, uint32_t load);
int  turn_next(struct turn *t, uint64_t tag, char *contact, size_t sz,
	       size_t *len);

#endif
