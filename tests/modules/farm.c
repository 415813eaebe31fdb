/**
 * @file tests/modules/farm.c  Several servers in the test's process
 */
#define _GNU_SOURCE 1
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <ftw.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "farm.h"


/* a bus that can be broken */

struct broken {
	struct bus bus;
	struct farm *farm;
};


static struct farm *farm_of(struct bus *bus)
{
	return ((struct broken *)bus)->farm;
}


/* A publication that is on its way for long */
struct late_msg {
	struct le le;
	struct tmr tmr;
	struct farm *farm;
	char subject[128];
	size_t len;
	uint8_t buf[];
};


static void late_msg_destructor(void *arg)
{
	struct late_msg *m = arg;

	list_unlink(&m->le);
	tmr_cancel(&m->tmr);
}


static void late_msg_handler(void *arg)
{
	struct late_msg *m = arg;

	(void)bus_publish(m->farm->inner, m->subject, m->buf, m->len);
	mem_deref(m);
}


static int late_publish(struct farm *f, const char *subject,
			const uint8_t *buf, size_t len)
{
	struct late_msg *m = mem_zalloc(sizeof(*m) + len,
					late_msg_destructor);

	if (!m)
		return ENOMEM;

	m->farm = f;
	m->len  = len;
	memcpy(m->buf, buf, len);
	str_ncpy(m->subject, subject, sizeof(m->subject));
	list_append(&f->latel, &m->le, m);

	/* one way, of the two that a request takes */
	tmr_start(&m->tmr, f->slow / 2, late_msg_handler, m);

	return 0;
}


static int broken_publish(struct bus *bus, const char *subject,
			  const uint8_t *buf, size_t len)
{
	struct farm *f = farm_of(bus);

	if (f->down)
		return ENOTCONN;
	if (f->mute)
		return 0;

	return f->slow ? late_publish(f, subject, buf, len)
		: bus_publish(f->inner, subject, buf, len);
}


static int broken_subscribe(struct bus_sub **subp, struct bus *bus,
			    const char *pattern, bus_msg_h *h, void *arg)
{
	return bus_subscribe(subp, farm_of(bus)->inner, pattern, h, arg);
}


/* A request that is on its way for long */
struct late {
	struct tmr tmr;
	struct farm *farm;
	struct bus_req *inner;
	struct bus_req **reqp;
	char subject[128];
	uint32_t ms;               /* left of its time limit                */
	bus_resp_h *h;
	void *arg;
};


static void late_destructor(void *arg)
{
	struct late *l = arg;

	tmr_cancel(&l->tmr);
	mem_deref(l->inner);
	if (l->reqp)
		*l->reqp = NULL;
}


static void late_resp_handler(int err, const uint8_t *buf, size_t len,
			      void *arg)
{
	struct late *l = arg;
	bus_resp_h *h = l->h;

	arg = l->arg;
	mem_deref(l);
	h(err, buf, len, arg);
}


static void late_handler(void *arg)
{
	struct late *l = arg;

	if (!l->ms || bus_request(&l->inner, l->farm->inner, l->subject, NULL,
				  0, l->ms, late_resp_handler, l))
		late_resp_handler(ETIMEDOUT, NULL, 0, l);
}


static int late_request(struct bus_req **reqp, struct farm *f,
			const char *subject, uint32_t ms, bus_resp_h *h,
			void *arg)
{
	struct late *l = mem_zalloc(sizeof(*l), late_destructor);

	if (!l)
		return ENOMEM;

	l->farm = f;
	l->ms   = ms > f->slow ? ms - f->slow : 0;
	l->h    = h;
	l->arg  = arg;
	l->reqp = reqp;
	str_ncpy(l->subject, subject, sizeof(l->subject));
	if (reqp)
		*reqp = (struct bus_req *)l;
	tmr_start(&l->tmr, min(ms, f->slow), late_handler, l);

	return 0;
}


static int broken_request(struct bus_req **reqp, struct bus *bus,
			  const char *subject, const uint8_t *buf, size_t len,
			  uint32_t timeout_ms, bus_resp_h *h, void *arg)
{
	struct farm *f = farm_of(bus);

	if (f->down)
		return ENOTCONN;

	/* who only asks if somebody is there says nothing else */
	if (f->slow && !f->mute && !len)
		return late_request(reqp, f, subject, timeout_ms, h, arg);

	return bus_request(reqp, f->inner, f->mute ? "nobody.answers"
			   : subject, buf, len, timeout_ms, h, arg);
}


static int broken_put(struct bus_kvop **opp, struct bus *bus,
		      const struct bus_put *put, bus_kv_h *h, void *arg)
{
	struct farm *f = farm_of(bus);

	if (f->down)
		return ENOTCONN;
	if (f->mute)
		return 0;

	return f->inner->ops->kv_put(opp, f->inner, put, h, arg);
}


static int broken_delete(struct bus_kvop **opp, struct bus *bus,
			 const char *bucket, const char *key, uint64_t rev,
			 bus_kv_h *h, void *arg)
{
	struct farm *f = farm_of(bus);

	return f->down ? ENOTCONN : f->mute ? 0 :
		bus_kv_delete(opp, f->inner, bucket, key, rev, h, arg);
}


static int broken_get(struct bus_kvop **opp, struct bus *bus,
		      const char *bucket, const char *key, bus_kv_h *h,
		      void *arg)
{
	struct farm *f = farm_of(bus);

	return f->down ? ENOTCONN : f->mute ? 0 :
		bus_kv_get(opp, f->inner, bucket, key, h, arg);
}


static int broken_watch(struct bus_watch **wp, struct bus *bus,
			const char *bucket, const char *pattern,
			bus_watch_h *h, void *arg)
{
	return bus_kv_watch(wp, farm_of(bus)->inner, bucket, pattern, h, arg);
}


static const struct bus_ops broken_ops = {
	.publish = broken_publish,
	.subscribe = broken_subscribe,
	.request = broken_request,
	.kv_put = broken_put,
	.kv_delete = broken_delete,
	.kv_get = broken_get,
	.kv_watch = broken_watch,
};


/* Whoever asked waits for the time limit. */
static void silent_handler(const char *subject, const uint8_t *buf,
			   size_t len, struct bus_reply *reply, void *arg)
{
	struct farm *f = arg;
	(void)subject;
	(void)buf;
	(void)len;

	mem_deref(f->keptv[f->keptc % FARM_KEPT]);
	f->keptv[f->keptc++ % FARM_KEPT] = reply;
}


/**
 * Keep every request to a subject without an answer
 *
 * @param f       Farm
 * @param subp    Pointer to the subscription, owned by the caller
 * @param subject Subject
 */
void farm_silence(struct farm *f, struct bus_sub **subp, const char *subject)
{
	ck_assert_int_eq(0, bus_subscribe(subp, f->inner, subject,
					  silent_handler, f));
}


/**
 * Open a farm without servers
 *
 * @param f Farm
 */
void farm_open(struct farm *f)
{
	struct broken *b;

	memset(f, 0, sizeof(*f));
	ck_assert_int_eq(0, libre_init());
	str_ncpy(f->dir, "/tmp/junctor-farm-XXXXXX", sizeof(f->dir));
	ck_assert_ptr_nonnull(mkdtemp(f->dir));
	rand_bytes(f->key, sizeof(f->key));

	ck_assert_int_eq(0, bus_alloc_memory(&f->inner));
	b = mem_zalloc(sizeof(*b), NULL);
	ck_assert_ptr_nonnull(b);
	b->bus.ops = &broken_ops;
	b->bus.state = BUS_UP;
	b->farm = f;
	f->bus = &b->bus;
	farm_silence(f, &f->silent, "nobody.answers");
}


static void file_write(const char *path, const void *buf, size_t len)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((ssize_t)len, write(fd, buf, len));
	ck_assert_int_eq(0, close(fd));
}


/**
 * Break the bus, so that it says so, or mend it
 *
 * @param f  Farm
 * @param on True: it is down
 */
void farm_down(struct farm *f, bool on)
{
	f->down = on;
	bus_state_set(f->bus, on ? BUS_DOWN : BUS_UP);
}


/**
 * Start a server
 *
 * @param f        Farm
 * @param ix       Its place
 * @param name     Its name
 * @param conf     Lines of its configuration
 * @param builtinv Services that are made up, or NULL
 *
 * @return The server
 */
struct server *farm_start(struct farm *f, unsigned ix, const char *name,
			  const char *conf,
			  const struct service_export *const *builtinv)
{
	struct server_opts opts = {
		.module_path = "modules", .builtinv = builtinv,
		.bus = f->bus,
	};
	char path[128], dir[128];
	char *text = NULL;

	ck_assert_ptr_null(f->srvv[ix]);
	re_snprintf(dir, sizeof(dir), "%s/%s", f->dir, name);
	(void)mkdir(dir, 0700);
	re_snprintf(path, sizeof(path), "%s/noc.key", dir);
	file_write(path, f->key, sizeof(f->key));
	re_snprintf(path, sizeof(path), "%s/c.conf", dir);
	ck_assert_int_eq(0, re_sdprintf(&text, "server.name %s\nserver.dir "
					"%s\n%s", name, dir, conf));
	file_write(path, text, strlen(text));
	mem_deref(text);

	opts.file = path;
	ck_assert_int_eq(0, server_alloc(&f->srvv[ix], &opts));
	ck_assert_int_eq(0, server_start(f->srvv[ix]));

	return f->srvv[ix];
}


/**
 * Stop a server in order
 *
 * @param f  Farm
 * @param ix Its place
 */
void farm_stop(struct farm *f, unsigned ix)
{
	server_end(f->srvv[ix]);
	f->srvv[ix] = mem_deref(f->srvv[ix]);
}


static int removed(const char *path, const struct stat *st, int type,
		   struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;

	return remove(path);
}


/**
 * Stop what still runs
 *
 * @param f Farm
 */
void farm_close(struct farm *f)
{
	unsigned i;

	farm_down(f, false);
	f->mute = false;
	for (i=0; i<FARM_MAX; i++) {
		if (f->srvv[i])
			farm_stop(f, i);
	}

	list_flush(&f->latel);
	mem_deref(f->silent);
	for (i=0; i<FARM_KEPT; i++)
		mem_deref(f->keptv[i]);
	mem_deref(f->bus);
	mem_deref(f->inner);
	ck_assert_int_eq(0, nftw(f->dir, removed, 8, FTW_DEPTH | FTW_PHYS));
	libre_close();
}


struct wait {
	struct tmr tmr;
	farm_cond_h *h;
	void *arg;
	uint64_t until;            /* [ms], tmr_jiffies                     */
	bool ok;
};


/**
 * A clock that nobody sets
 *
 * @return Time [us]
 */
uint64_t farm_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}


static void wait_handler(void *arg)
{
	struct wait *w = arg;

	const uint64_t now = tmr_jiffies();

	w->ok = w->h && w->h(w->arg);
	if (w->ok || now >= w->until)
		re_cancel();
	else
		tmr_start(&w->tmr, w->h ? 5 : w->until - now, wait_handler,
			  w);
}


/**
 * Let the servers run until something has happened
 *
 * @param h   Returns true when it has, or NULL
 * @param arg Handler argument
 * @param ms  At most so long [ms]
 *
 * @return True if it has happened
 */
bool farm_wait(farm_cond_h *h, void *arg, unsigned ms)
{
	struct wait w = {
		.h = h, .arg = arg,
		.until = tmr_jiffies() + ms,
	};

	tmr_init(&w.tmr);
	tmr_start(&w.tmr, 0, wait_handler, &w);
	(void)re_main(NULL);
	tmr_cancel(&w.tmr);

	return w.ok;
}


void farm_nap(unsigned ms)
{
	(void)farm_wait(NULL, NULL, ms);
}
