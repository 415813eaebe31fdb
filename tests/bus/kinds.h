/**
 * @file kinds.h  Every kind of bus, for tests of what all of them must do
 *
 * The kinds are numbered, so that Check can run a test for each of them.
 */
#ifndef JUNCTOR_TESTS_BUS_KINDS_H
#define JUNCTOR_TESTS_BUS_KINDS_H

#include "natsd.h"

struct kinds {
	struct natsd natsd;
	struct bus *bus;
	struct bus_sub *sub;
	struct bus_req *req;
	struct bus_kvop *op;
	struct bus_watch *watch;
	struct bus_reply *reply;
	unsigned n, gone, many;
};

extern struct kinds fix;

TCase *kinds_case(const char *name);
int  kinds_count(void);
void kind_open(int i);
bool kind_in_memory(int i);
void publish(const char *subject, const char *s);
void put(const char *key, const char *val, uint32_t ttl);
void echo_handler(const char *subject, const uint8_t *buf, size_t len,
		  struct bus_reply *reply, void *arg);
void keep_handler(const char *subject, const uint8_t *buf, size_t len,
		  struct bus_reply *reply, void *arg);
void answer_handler(int err, const uint8_t *buf, size_t len, void *arg);

#endif
