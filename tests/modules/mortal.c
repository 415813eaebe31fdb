/**
 * @file mortal.c  Usage records of a process that dies when they are written
 */
#include <stdatomic.h>
#include <unistd.h>
#include <re.h>
#include "usage/db.h"
#include "mortal.h"


enum { LIMIT_MS = 20000 };

/* told by the writer's thread */
static atomic_bool beaten, written;


static int heartbeat(struct usage_db *db)
{
	const int err = usage_sqlite.heartbeat(db);

	beaten = !err;

	return err;
}


static int commit(struct usage_db *db)
{
	const int err = usage_sqlite.commit(db);

	if (!err && beaten)
		written = true;

	return err;
}


/**
 * What the store of such a process is opened with
 *
 * @param ops Set to a kind of database
 */
void mortal_ops(struct usage_db_ops *ops)
{
	*ops = usage_sqlite;
	ops->heartbeat = heartbeat;
	ops->commit = commit;
}


/**
 * Write the last heartbeat, behind all that was pushed, and end the process
 * without a goodbye
 *
 * @param s Store
 */
void mortal_end(struct usage_store *s)
{
	/* the first one is that of the beginning */
	beaten = written = false;
	usage_store_heartbeat(s);
	for (unsigned i = 0; i < LIMIT_MS && !written; i++)
		(void)usleep(1000);
	_exit(written ? 0 : 1);
}
