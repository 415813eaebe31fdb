/**
 * @file ghost.h  Servers with the heartbeat, and made-up ones that can die
 *
 * A made-up server is a record in the bucket "nodes", a beater and, if it
 * shall answer on the bus, a subscription; each can end without the others.
 */
#ifndef JUNCTOR_TESTS_MODULES_GHOST_H
#define JUNCTOR_TESTS_MODULES_GHOST_H

#include "heartbeat/beater.h"
#include "heartbeat/heartbeat.h"
#include "noc/node.h"
#include "farm.h"

struct bus_sub;
struct listener;

/* For whatever has to happen, on a machine with much else to do [ms] */
enum { LIMIT_MS = 20000 };

#define CONF "service heartbeat\nheartbeat.listen 127.0.0.1:0\n"

/* What one server was told */
struct ears {
	struct server *srv;
	struct listener *lv[5];
	unsigned up, down, left, isolated;
	bool cut;
	char missing[32];          /* "noc.degraded", on                    */
	uint64_t down_at;          /* [us]                                  */
	char last[64];
};

struct ghost {
	struct farm *farm;
	struct beater *beater;
	struct bus_sub *sub;
	struct node_record rec;
	unsigned ix;
};

extern struct farm farm;
extern struct ears ears[FARM_MAX];

void start(unsigned ix, const char *name);
void start_timeout(unsigned ix, const char *name, unsigned ms);
void stop(unsigned ix);
void all_end(void);
const struct heartbeat_api *api(unsigned ix);
enum node_state state(unsigned ix, const char *name);
bool two_up(void *arg);
bool one_up(void *arg);
bool one_left(void *arg);
bool one_down(void *arg);
bool is_cut(void *arg);
bool not_cut(void *arg);
bool is_degraded(unsigned ix);
void ghost_beats(unsigned ix, uint64_t instance, enum beater_state st,
		 bool bye, void *arg);
void record_put(const struct node_record *rec, uint32_t ttl);
void self_found(const struct node_info *ni, void *arg);
void ghost_start(struct ghost *g, const char *name, uint64_t instance);
void ghost_die(struct ghost *g);

#endif
