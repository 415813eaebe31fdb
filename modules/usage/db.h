/**
 * @file db.h  A database that usage records are written to
 *
 * Opened twice: once for the writer thread, once to read in the main thread.
 * A write that failed is done again, with its whole batch: all of them can be
 * repeated.
 */
#ifndef JUNCTOR_USAGE_DB_H
#define JUNCTOR_USAGE_DB_H

#include "usage/store.h"

struct usage_db;

struct usage_db_ops {
	int (*open)(struct usage_db **dbp, const char *where,
		    const char *server, uint64_t run);
	int (*begin)(struct usage_db *db);
	int (*write)(struct usage_db *db, const struct usage_leg *leg);
	int (*heartbeat)(struct usage_db *db);
	int (*commit)(struct usage_db *db);
	int (*close_earlier)(struct usage_db *db, unsigned *n);
	int (*earlier)(struct usage_db *db, usage_earlier_h *h, void *arg);
	int (*read)(struct usage_db *db, const struct usage_filter *f,
		    struct odict *array);
};

extern const struct usage_db_ops usage_sqlite;

#endif
