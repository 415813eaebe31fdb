/**
 * @file db_sqlite.c  Usage records in SQLite
 *
 * A leg gets its row when it joins and the rest of it when it leaves. A run
 * of the server is a row too, whose heartbeat says until when it was alive:
 * what it left open is closed with that time by the next run.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/time.h>
#include <sqlite3.h>
#include <re.h>
#include "server/log.h"
#include "usage/db.h"


enum { BUSY_TIMEOUT = 5000 };     /* for other processes' locks [ms]       */

static const char schema[] =
	"PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = NORMAL;"
	"CREATE TABLE IF NOT EXISTS runs ("
	" run INTEGER PRIMARY KEY, server TEXT NOT NULL,"
	" heartbeat INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS legs ("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	" run INTEGER NOT NULL, id INTEGER NOT NULL,"
	" account TEXT, conference TEXT, user TEXT,"
	" \"from\" TEXT, \"to\" TEXT, callid TEXT,"
	" join_time INTEGER, leave_time INTEGER, media TEXT,"
	" packets_in INTEGER, packets_out INTEGER, lost_in INTEGER,"
	" lost_out INTEGER, jitter_us INTEGER, cause TEXT, leg TEXT);"
	"CREATE INDEX IF NOT EXISTS legs_join ON legs (join_time);"
	"CREATE INDEX IF NOT EXISTS legs_open ON legs (run)"
	" WHERE leave_time IS NULL;";

/* Files of earlier versions know legs by run and id only. */
static const char sql_migrate[] =
	"ALTER TABLE legs ADD COLUMN leg TEXT;"
	"UPDATE legs SET leg = run || '-' || id;";

static const char sql_unique[] =
	"CREATE UNIQUE INDEX IF NOT EXISTS legs_leg ON legs (leg);";

static const char sql_close[] =
	"UPDATE legs SET cause = 'server died', leave_time ="
	" max(join_time, (SELECT heartbeat FROM runs"
	" WHERE runs.run = legs.run))"
	" WHERE leave_time IS NULL AND run <> ?2 AND run IN"
	" (SELECT run FROM runs WHERE server = ?1)"
	" AND (?3 IS NULL OR leg = ?3);";

static const char sql_run[] =
	"INSERT OR REPLACE INTO runs (run, server, heartbeat)"
	" VALUES (?1, ?2, ?3);";

/* A leg that comes back is one that an earlier run has, or had. */
static const char sql_join[] =
	"INSERT INTO legs (run, id, account, conference, user,"
	" \"from\", \"to\", callid, join_time, media, leg)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
	" ON CONFLICT (leg) DO UPDATE SET run = excluded.run,"
	" id = excluded.id, \"to\" = excluded.\"to\","
	" leave_time = NULL, cause = NULL;";

static const char sql_leave[] =
	"UPDATE legs SET leave_time = ?1, media = ?2, packets_in = ?3,"
	" packets_out = ?4, lost_in = ?5, lost_out = ?6, jitter_us = ?7,"
	" cause = ?8 WHERE leg = ?9;";

static const char sql_moved[] =
	"DELETE FROM legs WHERE leg = ?1 AND leave_time IS NULL;";

static const char sql_earlier[] =
	"SELECT leg FROM legs WHERE leave_time IS NULL AND run <> ?2"
	" AND run IN (SELECT run FROM runs WHERE server = ?1)"
	" ORDER BY seq LIMIT ?3;";

static const char sql_read[] =
	"SELECT seq, account, conference, user, \"from\", \"to\", callid,"
	" join_time, leave_time, media, packets_in, packets_out, lost_in,"
	" lost_out, jitter_us, cause FROM legs WHERE seq > ?1"
	" AND (?2 IS NULL OR account = ?2)"
	" AND (?3 IS NULL OR conference = ?3)"
	" AND join_time >= ?4 AND join_time < ?5 ORDER BY seq LIMIT ?6;";

struct usage_db {
	sqlite3 *db;
	sqlite3_stmt *join, *leave, *moved, *close, *beat;
	int64_t run;              /* this run: when it began [us]          */
	char server[USAGE_TEXT_MAX];
};


static int64_t now_usec(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);

	return 1000000LL * tv.tv_sec + tv.tv_usec;
}


static int complain(struct usage_db *d, const char *what)
{
	log_event(LOG_ERROR, "usage", NULL, "cannot %s: %s", what,
		  d->db ? sqlite3_errmsg(d->db) : "no memory");

	return EIO;
}


static void db_destructor(void *data)
{
	struct usage_db *d = data;

	sqlite3_finalize(d->join);
	sqlite3_finalize(d->leave);
	sqlite3_finalize(d->moved);
	sqlite3_finalize(d->close);
	sqlite3_finalize(d->beat);
	sqlite3_close(d->db);
}


static void bind_text(sqlite3_stmt *st, int ix, const char *text)
{
	sqlite3_bind_text(st, ix, text, -1, SQLITE_TRANSIENT);
}


static int step(struct usage_db *d, sqlite3_stmt *st, const char *what)
{
	const int rc = sqlite3_step(st);

	sqlite3_reset(st);

	return rc == SQLITE_DONE ? 0 : complain(d, what);
}


static int write_join(struct usage_db *d, const struct usage_leg *leg)
{
	sqlite3_stmt *st = d->join;

	sqlite3_bind_int64(st, 1, d->run);
	sqlite3_bind_int64(st, 2, leg->id);
	bind_text(st, 3, leg->account);
	bind_text(st, 4, leg->conference);
	bind_text(st, 5, leg->user);
	bind_text(st, 6, leg->from);
	bind_text(st, 7, leg->to);
	bind_text(st, 8, leg->callid);
	sqlite3_bind_int64(st, 9, (int64_t)leg->join_usec);
	bind_text(st, 10, leg->media);
	bind_text(st, 11, leg->leg);

	return step(d, st, "record a join");
}


static int write_leave(struct usage_db *d, const struct usage_leg *leg)
{
	sqlite3_stmt *st = d->leave;

	sqlite3_bind_int64(st, 1, (int64_t)leg->leave_usec);
	bind_text(st, 2, leg->media);
	sqlite3_bind_int64(st, 3, (int64_t)leg->packets_in);
	sqlite3_bind_int64(st, 4, (int64_t)leg->packets_out);
	sqlite3_bind_int64(st, 5, leg->lost_in);
	sqlite3_bind_int64(st, 6, leg->lost_out);
	sqlite3_bind_int64(st, 7, leg->jitter);
	bind_text(st, 8, leg->cause);
	bind_text(st, 9, leg->leg);

	return step(d, st, "record a leave");
}


static int write_moved(struct usage_db *d, const struct usage_leg *leg)
{
	bind_text(d->moved, 1, leg->leg);

	return step(d, d->moved, "forget a leg that was moved");
}


static int write_died(struct usage_db *d, const struct usage_leg *leg)
{
	bind_text(d->close, 1, d->server);
	sqlite3_bind_int64(d->close, 2, d->run);
	bind_text(d->close, 3, leg->leg);

	return step(d, d->close, "close an earlier record");
}


static int sqlite_write(struct usage_db *d, const struct usage_leg *leg)
{
	switch (leg->what) {

	case USAGE_JOIN:  return write_join(d, leg);
	case USAGE_LEAVE: return write_leave(d, leg);
	case USAGE_MOVED: return write_moved(d, leg);
	case USAGE_DIED:  return write_died(d, leg);
	}

	return EINVAL;
}


static int sqlite_heartbeat(struct usage_db *d)
{
	sqlite3_bind_int64(d->beat, 1, d->run);
	bind_text(d->beat, 2, d->server);
	sqlite3_bind_int64(d->beat, 3, now_usec());

	return step(d, d->beat, "record the heartbeat");
}


static int sqlite_begin(struct usage_db *d)
{
	/* what is left of one that failed */
	if (!sqlite3_get_autocommit(d->db))
		sqlite3_exec(d->db, "ROLLBACK;", NULL, NULL, NULL);

	return sqlite3_exec(d->db, "BEGIN;", NULL, NULL, NULL)
		? complain(d, "begin a transaction") : 0;
}


static int sqlite_commit(struct usage_db *d)
{
	return sqlite3_exec(d->db, "COMMIT;", NULL, NULL, NULL)
		? complain(d, "commit") : 0;
}


static int migrate(struct usage_db *d)
{
	sqlite3_stmt *st;

	if (!sqlite3_prepare_v2(d->db, "SELECT leg FROM legs LIMIT 0;", -1,
				&st, NULL)) {
		sqlite3_finalize(st);
		return 0;
	}

	return sqlite3_exec(d->db, sql_migrate, NULL, NULL, NULL);
}


static int prepare(struct usage_db *d)
{
	const struct {
		const char *sql;
		sqlite3_stmt **stp;
	} v[] = {
		{sql_join, &d->join}, {sql_leave, &d->leave},
		{sql_moved, &d->moved}, {sql_close, &d->close},
		{sql_run, &d->beat},
	};

	if (sqlite3_exec(d->db, schema, NULL, NULL, NULL) || migrate(d) ||
	    sqlite3_exec(d->db, sql_unique, NULL, NULL, NULL))
		return complain(d, "make the tables");

	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		if (sqlite3_prepare_v2(d->db, v[i].sql, -1, v[i].stp, NULL))
			return complain(d, "make the tables");

	return 0;
}


static int sqlite_open(struct usage_db **dbp, const char *file,
		       const char *server, uint64_t run)
{
	struct usage_db *d = mem_zalloc(sizeof *d, db_destructor);
	int fd, err;

	if (!d)
		return ENOMEM;

	d->run = (int64_t)run;
	str_ncpy(d->server, server, sizeof d->server);

	/* who called whom is for no other user of this machine; SQLite gives
	   its other files the same rights */
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd >= 0)
		(void)close(fd);

	if (sqlite3_open(file, &d->db)) {
		log_event(LOG_ERROR, "usage", NULL, "%s: %s", file,
			  d->db ? sqlite3_errmsg(d->db) : "no memory");
		mem_deref(d);
		return EIO;
	}

	sqlite3_busy_timeout(d->db, BUSY_TIMEOUT);

	err = prepare(d);
	if (err)
		mem_deref(d);
	else
		*dbp = d;

	return err;
}


/* What earlier runs of this server left open ends at their last heartbeat. */
static int sqlite_close_earlier(struct usage_db *d, unsigned *n)
{
	int err;

	bind_text(d->close, 1, d->server);
	sqlite3_bind_int64(d->close, 2, d->run);
	sqlite3_bind_null(d->close, 3);

	err = step(d, d->close, "close earlier records");
	*n = err ? 0 : (unsigned)sqlite3_changes(d->db);

	return err;
}


static int sqlite_earlier(struct usage_db *d, usage_earlier_h *h, void *arg)
{
	sqlite3_stmt *st;
	int rc;

	if (sqlite3_prepare_v2(d->db, sql_earlier, -1, &st, NULL))
		return complain(d, "read open records");

	bind_text(st, 1, d->server);
	sqlite3_bind_int64(st, 2, d->run);
	sqlite3_bind_int64(st, 3, USAGE_EARLIER_MAX);

	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		h((const char *)sqlite3_column_text(st, 0), arg);

	sqlite3_finalize(st);

	return rc == SQLITE_DONE ? 0 : complain(d, "read open records");
}


static int row_add(struct odict *od, sqlite3_stmt *st, int col)
{
	const char *name = sqlite3_column_name(st, col);

	switch (sqlite3_column_type(st, col)) {

	case SQLITE_INTEGER:
		return odict_entry_add(od, name, ODICT_INT,
				       (int64_t)sqlite3_column_int64(st,
								     col));
	case SQLITE_NULL:
		return odict_entry_add(od, name, ODICT_NULL);

	default:
		return odict_entry_add(od, name, ODICT_STRING,
				       sqlite3_column_text(st, col));
	}
}


static int row_read(struct odict *array, sqlite3_stmt *st)
{
	struct odict *od;
	char key[24];
	int err;

	err = odict_alloc(&od, 16);
	if (err)
		return err;

	for (int i = 0; i < sqlite3_column_count(st) && !err; i++)
		err = row_add(od, st, i);

	(void)re_snprintf(key, sizeof key, "%lld",
			  (long long)sqlite3_column_int64(st, 0));
	if (!err)
		err = odict_entry_add(array, key, ODICT_OBJECT, od);
	mem_deref(od);

	return err;
}


static int sqlite_read(struct usage_db *d, const struct usage_filter *f,
		       struct odict *array)
{
	sqlite3_stmt *st;
	int rc, err = 0;

	if (sqlite3_prepare_v2(d->db, sql_read, -1, &st, NULL))
		return complain(d, "read records");

	sqlite3_bind_int64(st, 1, (int64_t)f->after);
	bind_text(st, 2, f->account);
	bind_text(st, 3, f->conference);
	sqlite3_bind_int64(st, 4, (int64_t)f->from_sec * 1000000);
	sqlite3_bind_int64(st, 5, f->to_sec ? (int64_t)f->to_sec * 1000000
			   : INT64_MAX);
	sqlite3_bind_int64(st, 6, f->limit);

	while (!err && (rc = sqlite3_step(st)) == SQLITE_ROW)
		err = row_read(array, st);

	if (!err && rc != SQLITE_DONE)
		err = complain(d, "read records");

	sqlite3_finalize(st);

	return err;
}


const struct usage_db_ops usage_sqlite = {
	.open = sqlite_open,
	.begin = sqlite_begin,
	.write = sqlite_write,
	.heartbeat = sqlite_heartbeat,
	.commit = sqlite_commit,
	.close_earlier = sqlite_close_earlier,
	.earlier = sqlite_earlier,
	.read = sqlite_read,
};
