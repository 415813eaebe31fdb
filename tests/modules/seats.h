/**
 * @file seats.h  Conferences that go from one server to another, and what is
 *                kept of them on the bus
 *
 * The servers have real connect services, meshes and usage records; the test
 * is their client hosts, and whoever moves conferences. Everything that goes
 * from one server to the other is sealed and opened again.
 */
#ifndef JUNCTOR_TESTS_MODULES_SEATS_H
#define JUNCTOR_TESTS_MODULES_SEATS_H

#include "callers.h"
#include "farm.h"
#include "../mesh/phone.h"

struct room_hold;

/* For whatever has to happen, on a machine with much else to do [ms] */
enum { LIMIT_MS = 20000 };

/* What one server tells */
struct told {
	unsigned joined, arrived, left, moved, lost, created, deleted;
	unsigned muted;
	char to[64];
	struct listener *lv[7];
};

struct move {
	unsigned from, to;
	unsigned pending, ok, failed;
	unsigned legc;
	char legv[CALLERS_MAX][64];
	size_t bytes;              /* of all seats, sealed                  */
	int err;                   /* of the last that failed               */
	uint16_t scode;
	struct room_hold *hold;
};

extern struct farm farm;
extern struct told toldv[HOSTS_MAX];
extern struct seal_key *seats_key;

TCase *seats_case(const char *name);
void server_up(unsigned ix, const char *name, const char *more);
void server_down(unsigned ix);
unsigned here(unsigned ix);
unsigned roomsof(unsigned ix);
void command(unsigned ix, const char *name, const char *user);
void comes_to(const unsigned *n, unsigned want);
bool hears(const struct caller *c, unsigned n);
bool hears_not(const struct caller *c, unsigned n);
void seamless(const struct phone_stats *st);

/* seats_move.c */
void move_begin(struct move *mv, unsigned from, unsigned to);
void move_end(struct move *mv);
void legs_move(struct move *mv);
void adopted_h(int err, uint16_t scode, uint32_t cseq, const char *callid,
	       void *arg);
void saved_h(int err, const char *callid, const struct odict *seat,
	     void *arg);
bool none_pending(void *arg);

/* seats_bus.c */
void kept_are(const char *bucket, const char *server, unsigned n);
struct odict *bus_object(const char *bucket, const char *k);
void usage_are(unsigned ix, unsigned records, unsigned closed);

#endif
