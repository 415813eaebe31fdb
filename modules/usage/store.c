/**
 * @file store.c  Usage records, written by a thread of its own
 *
 *   main thread  --- queue of usage_leg --->  writer thread --> database
 *                                             one transaction per batch
 *
 * The disk may be slow; calls must not wait for it. A batch that could not be
 * written is written again until it can be, or the service stops.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <sys/time.h>
#include <re.h>
#include "server/log.h"
#include "usage/db.h"


enum {
	QUEUE_MAX = 65536,            /* legs that wait for the disk         */
	RETRY_SEC = 1,                /* after a batch that failed [s]       */
};

struct item {
	struct le le;
	struct usage_leg leg;
};

struct usage_store {
	const struct usage_db_ops *ops;

	/* main thread */
	struct usage_db *rd;          /* for queries                         */
	pthread_t thread;
	bool started;

	/* both, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct list queue;            /* struct item                         */
	unsigned queued, dropped;
	bool heartbeat, quit;

	/* writer thread, once it runs */
	struct usage_db *wr;
	bool last;                    /* the last try                        */
};


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

	mem_deref(s->wr);
	mem_deref(s->rd);
	list_flush(&s->queue);
	pthread_cond_destroy(&s->cond);
	pthread_mutex_destroy(&s->lock);
}


static int batch_write(struct usage_store *s, const struct list *batch,
		       bool heartbeat)
{
	struct le *le;
	int err;

	err = s->ops->begin(s->wr);

	for (le = batch->head; le && !err; le = le->next)
		err = s->ops->write(s->wr,
				    &((const struct item *)le->data)->leg);

	if (!err && heartbeat)
		err = s->ops->heartbeat(s->wr);
	if (!err)
		err = s->ops->commit(s->wr);

	return err;
}


/* Moves the queue out under the lock, behind what is left of it; false when
   there will be no more. */
static bool take(struct usage_store *s, struct list *batch, bool *heartbeat,
		 bool failed)
{
	struct timespec ts;
	struct le *le;
	bool more;

	pthread_mutex_lock(&s->lock);

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += RETRY_SEC;

	if (failed && !s->quit)
		(void)pthread_cond_timedwait(&s->cond, &s->lock, &ts);

	while (!batch->head && !s->queued && !s->heartbeat && !s->quit)
		pthread_cond_wait(&s->cond, &s->lock);

	while ((le = s->queue.head)) {
		void *it = le->data;

		list_unlink(le);
		list_append(batch, le, it);
	}

	*heartbeat |= s->heartbeat;
	more = *heartbeat || batch->head;

	/* who stops has one more try */
	if (failed && s->quit) {
		more &= !s->last;
		s->last = true;
	}

	s->heartbeat = false;
	s->queued = 0;

	pthread_mutex_unlock(&s->lock);

	return more;
}


static void *writer(void *arg)
{
	struct usage_store *s = arg;
	struct list batch = LIST_INIT;
	bool heartbeat = false, failed = false;

	while (take(s, &batch, &heartbeat, failed)) {

		failed = batch_write(s, &batch, heartbeat) != 0;
		if (failed)
			continue;

		list_flush(&batch);
		heartbeat = false;
	}

	if (batch.head)
		log_event(LOG_ERROR, "usage", NULL,
			  "%u records could not be written",
			  list_count(&batch));
	list_flush(&batch);

	return NULL;
}


/* Without other servers nobody else can have what is open. */
static int close_earlier(struct usage_store *s)
{
	unsigned n;
	int err;

	err = s->ops->close_earlier(s->wr, &n);
	if (!err && n)
		log_event(LOG_WARN, "usage", NULL,
			  "%u legs of an earlier run closed at its last"
			  " heartbeat", n);

	return err;
}


/**
 * Open the usage records of a server and start their writer
 *
 * @param sp     Pointer to the new store; mem_deref writes what waits
 * @param ops    Kind of database
 * @param where  SQLite: file, created if need be
 * @param server Name of this server
 * @param keep   Keep open what earlier runs left open: others may have it
 *
 * @return 0 if success, EIO (logged) if the database cannot be used,
 *         otherwise errorcode
 */
int usage_store_alloc(struct usage_store **sp,
		      const struct usage_db_ops *ops, const char *where,
		      const char *server, bool keep)
{
	struct usage_store *s;
	struct timeval tv;
	uint64_t run;
	int err;

	if (!sp || !ops || !where || !server)
		return EINVAL;

	gettimeofday(&tv, NULL);
	run = 1000000ULL * (uint64_t)tv.tv_sec + (uint64_t)tv.tv_usec;

	s = mem_zalloc(sizeof *s, store_destructor);
	if (!s)
		return ENOMEM;

	s->ops = ops;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->cond, NULL);

	err = ops->open(&s->wr, where, server, run);
	if (!err && !keep)
		err = close_earlier(s);
	if (!err)
		err = ops->open(&s->rd, where, server, run);
	if (!err)
		err = ops->heartbeat(s->wr);
	if (err)
		goto out;

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
 * Have something about a leg written
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
	if (!s || !f || !array)
		return EINVAL;

	return s->ops->read(s->rd, f, array);
}


/**
 * What earlier runs of this server left open
 *
 * @param s   Store
 * @param h   Called for each leg, at most USAGE_EARLIER_MAX of them
 * @param arg Its argument
 *
 * @return 0 if success, otherwise errorcode
 */
int usage_store_earlier(struct usage_store *s, usage_earlier_h *h, void *arg)
{
	if (!s || !h)
		return EINVAL;

	return s->ops->earlier(s->rd, h, arg);
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
