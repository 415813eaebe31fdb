/**
 * @file pair.h  Two members of one bus over NATS; one is behind a relay
 *
 * "near" and "far" are connected to the same server; the network between it
 * and "far" can be cut, slow, or deaf.
 */
#ifndef JUNCTOR_TESTS_BUS_PAIR_H
#define JUNCTOR_TESTS_BUS_PAIR_H

#include "natsd.h"
#include "relay.h"

/* for operations on keys, which a busy machine only takes its time for [ms] */
enum { KV_MS = 60000 };

struct pair {
	struct natsd nd;
	struct relay relay;
	struct bus *near, *far;
	struct bus_watch *watch;
	struct bus_sub *sub;
	struct bus_listener *listener;
	unsigned n;
};

extern struct pair fix;

TCase *pair_case(const char *name);
void pair_make(unsigned delay_ms);
void near_make(void);
void bus_make(struct bus **busp, const char *url);
void bus_conf(struct bus **busp, const struct bus_nats_conf *conf);
bool near_up(void);
bool near_down(void);
bool far_up(void);
bool far_down(void);
void put(struct bus *bus, const char *key, const char *val, uint32_t ttl);
void get(struct bus *bus, const char *key);
int  publish(struct bus *bus, const char *subject, const char *val);
void watch(struct bus *bus);

#endif
