/**
 * @file tests/noc/tables.h  Tables to test with, and who is in them
 */
#ifndef JUNCTOR_TESTS_NOC_TABLES_H
#define JUNCTOR_TESTS_NOC_TABLES_H

#include "noc/wire.h"
#include "noc/tables.h"

enum { LEASE = 3100, CONTACT = 3000 };

extern const struct tables_config tables_config;

struct wire_server tables_report(const char *name, unsigned media,
				 uint32_t unused);
void tables_add(struct tables *t, const char *name, unsigned media,
		uint32_t unused);
void printed(struct mbuf *mb, const char *expected);

#endif
