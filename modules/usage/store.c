/**
 * @file store.c  Usage records in SQLite, written by a thread of its own
 *
 * A leg gets its row when it joins and the rest of it when it leaves. A run
 * of the server is a row too, whose heartbeat says until when it was alive:
 * what it left open is closed with that time by the next run.
 *
 *   main thread  --- queue of usage_leg --->  writer thread
 *                                             one transaction per batch
 *
 * The disk may be slow; calls must not wait for it.
 */
#include <pthread.h>
#include <string.h>
#include <sys/time.h>
#include <sqlite3.h>
#include <re.h>
#include "server/log.h"
#include "usage/store.h"


enum {
	QUEUE_MAX = 65536,            /* legs that wait for the disk         */
	BUSY_TIMEOUT = 5000,          /* for other processes' locks [ms]     */
};

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
	" lost_out INTEGER, jitter_us INTEGER, cause TEXT,"
	" UNIQUE (run, id));"
	"CREATE INDEX IF NOT EXISTS legs_join ON legs (join_time);"
	"CREATE INDEX IF NOT EXISTS legs_open ON legs (run)"
	" WHERE leave_time IS NULL;";

static const char sql_close[] =
	"UPDATE legs SET cause = 'server died', leave_time ="
	" max(join_time, (SELECT heartbeat FROM runs"
	" WHERE runs.run = legs.run))"
	" WHERE leave_time IS NULL AND run IN"
	" (SELECT run FROM runs WHERE server = ?1);";

static const char sql_run[] =
	"INSERT OR REPLACE INTO runs (run, server, heartbeat)"
	" VALUES (?1, ?2, ?3);";

static const char sql_join[] =
	"INSERT OR IGNORE INTO legs (run, id, account, conference, user,"
	" \"from\", \"to\", callid, join_time, media)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10);";

static const char sql_leave[] =
	"UPDATE legs SET leave_time = ?3, media = ?4, packets_in = ?5,"
	" packets_out = ?6, lost_in = ?7, lost_out = ?8, jitter_us = ?9,"
	" cause = ?10 WHERE run = ?1 AND id = ?2;";

static const char sql_read[] =
	"SELECT seq, account, conference, user, \"from\", \"to\", callid,"
	" join_time, leave_time, media, packets_in, packets_out, lost_in,"
	" lost_out, jitter_us, cause FROM legs WHERE seq > ?1"
	" AND (?2 IS NULL OR account = ?2)"
	" AND (?3 IS NULL OR conference = ?3)"
	" AND join_time >= ?4 AND join_time < ?5 ORDER BY seq LIMIT ?6;";

struct item {
	struct le le;
	struct usage_leg leg;
};

struct usage_store {
	/* main thread */
	sqlite3 *rd;                  /* for queries                         */
	pthread_t thread;
	bool started;

	/* both, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct list queue;            /* struct item                         */
	unsigned queued, dropped;
	bool heartbeat, quit;

	/* writer thread, once it runs */
	sqlite3 *wr;
	sqlite3_stmt *join, *leave, *beat;
	uint64_t run;                 /* this run: when it began [us]        */
	char server[USAGE_TEXT_MAX];
};


static int64_t now_usec(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);

	return 1000000LL * tv.tv_sec + tv.tv_usec;
}


static void complain(sqlite3 *db, const char *what)
{
	log_event(LOG_ERROR, "usage", NULL, "cannot %s: %s", what,
		  db ? sqlite3_errmsg(db) : "no memory");
}


static void store_destructor(void *data)
{
	struct usage_store *s = data;

	if (s->started) {
		pthread_mutex_lock(&s->lock);
		s->quit = true;
		pthread_cond_signal(&s->cond);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
	}

	sqlite3_finalize(s->join);
	sqlite3_finalize(s->leave);
	sqlite3_finalize(s->beat);
	sqlite3_close(s->wr);
	sqlite3_close(s->rd);
	list_flush(&s->queue);
	pthread_cond_destroy(&s->cond);
	pthread_mutex_destroy(&s->lock);
}


static void bind_text(sqlite3_stmt *st, int ix, const char *text)
{
	sqlite3_bind_text(st, ix, text, -1, SQLITE_TRANSIENT);
}


static void step(struct usage_store *s, sqlite3_stmt *st, const char *what)
{
	if (sqlite3_step(st) != SQLITE_DONE)
		complain(s->wr, what);

	sqlite3_reset(st);
}


static void write_join(struct usage_store *s, const struct usage_leg *leg)
{
	sqlite3_stmt *st = s->join;

	sqlite3_bind_int64(st, 1, (int64_t)s->run);
	sqlite3_bind_int64(st, 2, leg->id);
	bind_text(st, 3, leg->account);
	bind_text(st, 4, leg->conference);
	bind_text(st, 5, leg->user);
	bind_text(st, 6, leg->from);
	bind_text(st, 7, leg->to);
	bind_text(st, 8, leg->callid);
	sqlite3_bind_int64(st, 9, (int64_t)leg->join_usec);
	bind_text(st, 10, leg->media);
	step(s, st, "record a join");
}


static void write_leave(struct usage_store *s, const struct usage_leg *leg)
{
	sqlite3_stmt *st = s->leave;

	sqlite3_bind_int64(st, 1, (int64_t)s->run);
	sqlite3_bind_int64(st, 2, leg->id);
	sqlite3_bind_int64(st, 3, (int64_t)leg->leave_usec);
	bind_text(st, 4, leg->media);
	sqlite3_bind_int64(st, 5, (int64_t)leg->packets_in);
	sqlite3_bind_int64(st, 6, (int64_t)leg->packets_out);
	sqlite3_bind_int64(st, 7, leg->lost_in);
	sqlite3_bind_int64(st, 8, leg->lost_out);
	sqlite3_bind_int64(st, 9, leg->jitter);
	bind_text(st, 10, leg->cause);
	step(s, st, "record a leave");
}


static void write_heartbeat(struct usage_store *s)
{
	sqlite3_bind_int64(s->beat, 1, (int64_t)s->run);
	bind_text(s->beat, 2, s->server);
	sqlite3_bind_int64(s->beat, 3, now_usec());
	step(s, s->beat, "record the heartbeat");
}


static void write_batch(struct usage_store *s, struct list *batch,
			bool heartbeat)
{
	struct le *le;

	if (sqlite3_exec(s->wr, "BEGIN;", NULL, NULL, NULL))
		complain(s->wr, "begin a transaction");

	LIST_FOREACH(batch, le) {
		const struct item *it = le->data;

		if (it->leg.what == USAGE_JOIN)
			write_join(s, &it->leg);
		else
			write_leave(s, &it->leg);
	}

	if (heartbeat)
		write_heartbeat(s);

	if (sqlite3_exec(s->wr, "COMMIT;", NULL, NULL, NULL))
		complain(s->wr, "commit");

	list_flush(batch);
}


/* Moves the queue out under the lock; false when there will be no more. */
static bool take(struct usage_store *s, struct list *batch, bool *heartbeat)
{
	struct le *le;

	pthread_mutex_lock(&s->lock);

	while (!s->queued && !s->heartbeat && !s->quit)
		pthread_cond_wait(&s->cond, &s->lock);

	list_init(batch);
	while ((le = s->queue.head)) {
		void *it = le->data;

		list_unlink(le);
		list_append(batch, le, it);
	}

	*heartbeat = s->heartbeat;
	s->heartbeat = false;
	s->queued = 0;

	pthread_mutex_unlock(&s->lock);

	return *heartbeat || batch->head;
}


static void *writer(void *arg)
{
	struct usage_store *s = arg;
	struct list batch;
	bool heartbeat;

	while (take(s, &batch, &heartbeat))
		write_batch(s, &batch, heartbeat);

	return NULL;
}


static int db_open(sqlite3 **db, const char *file)
{
	if (sqlite3_open(file, db)) {
		log_event(LOG_ERROR, "usage", NULL, "%s: %s", file,
			  *db ? sqlite3_errmsg(*db) : "no memory");
		return EIO;
	}

	sqlite3_busy_timeout(*db, BUSY_TIMEOUT);

	return 0;
}


/* What an earlier run of this server left open ends at its last heartbeat. */
static int close_earlier(struct usage_store *s)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(s->wr, sql_close, -1, &st, NULL)) {
		complain(s->wr, "close earlier records");
		return EIO;
	}

	bind_text(st, 1, s->server);
	if (sqlite3_step(st) != SQLITE_DONE)
		complain(s->wr, "close earlier records");
	else if (sqlite3_changes(s->wr))
		log_event(LOG_WARN, "usage", NULL,
			  "%d legs of an earlier run closed at its last"
			  " heartbeat", sqlite3_changes(s->wr));
	sqlite3_finalize(st);

	return 0;
}


static int db_prepare(struct usage_store *s)
{
	if (sqlite3_exec(s->wr, schema, NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(s->wr, sql_join, -1, &s->join, NULL) ||
	    sqlite3_prepare_v2(s->wr, sql_leave, -1, &s->leave, NULL) ||
	    sqlite3_prepare_v2(s->wr, sql_run, -1, &s->beat, NULL)) {
		complain(s->wr, "make the tables");
		return EIO;
	}

	return 0;
}


/**
 * Open the usage records of a server and start their writer
 *
 * @param sp     Pointer to the new store; mem_deref writes what waits
 * @param file   SQLite database, created if need be
 * @param server Name of this server
 *
 * @return 0 if success, EIO (logged) if the database cannot be used,
 *         otherwise errorcode
 */
int usage_store_alloc(struct usage_store **sp, const char *file,
		      const char *server)
{
	struct usage_store *s;
	int err;

	if (!sp || !file || !server)
		return EINVAL;

	s = mem_zalloc(sizeof *s, store_destructor);
	if (!s)
		return ENOMEM;

	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->cond, NULL);
	s->run = (uint64_t)now_usec();
	str_ncpy(s->server, server, sizeof s->server);

	err = db_open(&s->wr, file);
	if (!err)
		err = db_prepare(s);
	if (!err)
		err = close_earlier(s);
	if (!err)
		err = db_open(&s->rd, file);
	if (err)
		goto out;

	write_heartbeat(s);

	err = pthread_create(&s->thread, NULL, writer, s);
	s->started = !err;

 out:
	if (err)
		mem_deref(s);
	else
		*sp = s;

	return err;
}


/**
 * Have a join or a leave written
 *
 * @param s   Store
 * @param leg The leg, copied
 *
 * @return 0 if success, ENOSPC if the disk is so slow that too much waits
 *         already, otherwise errorcode
 */
int usage_store_push(struct usage_store *s, const struct usage_leg *leg)
{
	struct item *it;
	int err = 0;

	if (!s || !leg)
		return EINVAL;

	it = mem_alloc(sizeof *it, NULL);
	if (!it)
		return ENOMEM;

	memset(&it->le, 0, sizeof it->le);
	it->leg = *leg;

	pthread_mutex_lock(&s->lock);
	if (s->queued >= QUEUE_MAX) {
		++s->dropped;
		err = ENOSPC;
	}
	else {
		list_append(&s->queue, &it->le, it);
		if (!s->queued++)
			pthread_cond_signal(&s->cond);
	}
	pthread_mutex_unlock(&s->lock);

	if (err)
		mem_deref(it);

	return err;
}


/**
 * Note that this run is alive now
 *
 * @param s Store
 */
void usage_store_heartbeat(struct usage_store *s)
{
	if (!s)
		return;

	pthread_mutex_lock(&s->lock);
	s->heartbeat = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
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


/**
 * Read records, oldest first
 *
 * @param s     Store
 * @param f     Which
 * @param array Array to add them to, as flat objects; times are UTC [us],
 *              an open leg has leave_time null
 *
 * @return 0 if success, otherwise errorcode
 */
int usage_store_read(struct usage_store *s, const struct usage_filter *f,
		     struct odict *array)
{
	sqlite3_stmt *st;
	int rc, err = 0;

	if (!s || !f || !array)
		return EINVAL;

	if (sqlite3_prepare_v2(s->rd, sql_read, -1, &st, NULL)) {
		complain(s->rd, "read records");
		return EIO;
	}

	sqlite3_bind_int64(st, 1, (int64_t)f->after);
	bind_text(st, 2, f->account);
	bind_text(st, 3, f->conference);
	sqlite3_bind_int64(st, 4, (int64_t)f->from_sec * 1000000);
	sqlite3_bind_int64(st, 5, f->to_sec ? (int64_t)f->to_sec * 1000000
			   : INT64_MAX);
	sqlite3_bind_int64(st, 6, f->limit);

	while (!err && (rc = sqlite3_step(st)) == SQLITE_ROW)
		err = row_read(array, st);

	if (!err && rc != SQLITE_DONE) {
		complain(s->rd, "read records");
		err = EIO;
	}

	sqlite3_finalize(st);

	return err;
}


/**
 * How many joins and leaves were not written because the disk was too slow
 *
 * @param s Store
 *
 * @return Number of legs
 */
unsigned usage_store_dropped(const struct usage_store *s)
{
	struct usage_store *w = (struct usage_store *)s;
	unsigned n;

	if (!s)
		return 0;

	pthread_mutex_lock(&w->lock);
	n = s->dropped;
	pthread_mutex_unlock(&w->lock);

	return n;
}
