/**
 * @file adopted.c  Which server has the record of a leg
 *
 * Whoever takes a leg over puts its name into the bucket `legs`, under the
 * leg. A server that died and runs again looks there before it closes what
 * its earlier run left open: what somebody else has is not its record any
 * more. While the bus does not answer, records stay open.
 *
 *   took over:   put, again until it is there
 *   runs again:  wait until others must have noticed the death; then for
 *                each open record: get -> nobody: close it
 *                                      -> another: forget it
 *                                      -> no answer: ask again later
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/name.h"
#include "noc/seal.h"
#include "usage/adopted.h"
#include "usage/store.h"


enum {
	BUSY_MAX = 32,             /* operations at a time                  */
	RETRY    = 2000,           /* after no answer [ms]                  */
	TTL_MOVED = 86400 * 1000,  /* of a mark [ms]: who gave a leg away   */
	TTL_CRASH = 14 * TTL_MOVED,/* knows it, who died may be away long   */
};

static const char bucket[] = "legs";

struct job {
	struct le le;
	struct adopted *a;
	struct bus_kvop *op;
	bool mark;                 /* else: look                            */
	bool crash;                /* marked for a server that died         */
	char leg[USAGE_LEG_MAX];
};

struct adopted {
	struct service *svc;
	struct usage_store *store; /* borrowed                              */
	struct bus *bus;
	struct seal_key *key;
	struct list waitl, busyl;  /* struct job                            */
	struct tmr tmr;
	uint64_t started;          /* [ms]                                  */
	uint32_t wait;             /* before anything is looked up [ms]     */
	unsigned closed, forgotten;
};

static void work_h(void *arg);


static void job_destructor(void *data)
{
	struct job *j = data;

	list_unlink(&j->le);
	mem_deref(j->op);
}


static void adopted_destructor(void *data)
{
	struct adopted *a = data;

	tmr_cancel(&a->tmr);
	list_flush(&a->waitl);
	list_flush(&a->busyl);
	mem_deref(a->key);
}


static void job_add(struct adopted *a, const char *leg, bool mark,
		    bool crash)
{
	struct job *j = mem_zalloc(sizeof *j, job_destructor);

	if (!j)
		return;

	j->a = a;
	j->mark = mark;
	j->crash = crash;
	str_ncpy(j->leg, leg, sizeof j->leg);

	/* marks are in a hurry */
	if (mark)
		list_prepend(&a->waitl, &j->le, j);
	else
		list_append(&a->waitl, &j->le, j);
}


static void decide(struct adopted *a, const struct job *j,
		   const char *server)
{
	struct usage_leg leg = {.what = USAGE_DIED};

	/* what came back to us is a new record of ours, or was never lost */
	if (server && strcmp(server, server_name(service_server(a->svc)))) {
		leg.what = USAGE_MOVED;
		++a->forgotten;
	}
	else {
		++a->closed;
	}

	str_ncpy(leg.leg, j->leg, sizeof leg.leg);
	(void)usage_store_push(a->store, &leg);
}


static void look_done(struct adopted *a, struct job *j, int err,
		      const uint8_t *buf, size_t len)
{
	struct odict *od = NULL;
	char place[64];

	if (err == ENOENT) {
		decide(a, j, NULL);
		return;
	}

	(void)re_snprintf(place, sizeof place, "%s/%s", bucket, j->leg);
	if (!seal_open(&od, a->key, place, buf, len))
		decide(a, j, odict_string(od, "server"));
	else
		log_event(LOG_WARN, "usage", NULL,
			  "whose record %s is makes no sense: left open",
			  j->leg);
	mem_deref(od);
}


static void summary(struct adopted *a)
{
	if (!a->closed && !a->forgotten)
		return;

	log_event(LOG_WARN, "usage", NULL, "%u legs of an earlier run closed"
		  " at its last heartbeat, %u are with other servers",
		  a->closed, a->forgotten);
	a->closed = a->forgotten = 0;
}


static void kv_h(int err, uint64_t rev, const uint8_t *buf, size_t len,
		 void *arg)
{
	struct job *j = arg;
	struct adopted *a = j->a;
	(void)rev;

	j->op = NULL;

	if (err && !(err == ENOENT && !j->mark)) {
		list_unlink(&j->le);
		list_append(&a->waitl, &j->le, j);
		tmr_start(&a->tmr, RETRY, work_h, a);
		return;
	}

	if (!j->mark)
		look_done(a, j, err, buf, len);
	mem_deref(j);

	if (list_isempty(&a->waitl) && list_isempty(&a->busyl))
		summary(a);
	else if (!tmr_isrunning(&a->tmr))
		tmr_start(&a->tmr, 0, work_h, a);
}


static int mark_begin(struct adopted *a, struct job *j)
{
	struct odict *od;
	uint8_t *buf = NULL;
	char place[64];
	size_t len;
	int err;

	err = odict_alloc(&od, 4);
	if (err)
		return err;

	(void)re_snprintf(place, sizeof place, "%s/%s", bucket, j->leg);
	err = odict_entry_add(od, "server", ODICT_STRING,
			      server_name(service_server(a->svc)));
	if (!err)
		err = seal_odict(&buf, &len, a->key, place, od);
	if (!err)
		err = bus_kv_put(&j->op, a->bus, bucket, j->leg, buf, len,
				 j->crash ? TTL_CRASH : TTL_MOVED, kv_h, j);

	mem_deref(od);
	mem_deref(buf);

	return err;
}


static struct job *next(const struct adopted *a)
{
	struct job *j = list_ledata(a->waitl.head);

	if (j && !j->mark && tmr_jiffies() - a->started < a->wait)
		return NULL;

	return j;
}


static void work_h(void *arg)
{
	struct adopted *a = arg;
	struct job *j;
	int err;

	while (list_count(&a->busyl) < BUSY_MAX && (j = next(a))) {

		list_unlink(&j->le);
		list_append(&a->busyl, &j->le, j);

		err = j->mark ? mark_begin(a, j)
			: bus_kv_get(&j->op, a->bus, bucket, j->leg, kv_h, j);
		if (!err)
			continue;

		list_unlink(&j->le);
		list_append(&a->waitl, &j->le, j);
		tmr_start(&a->tmr, RETRY, work_h, a);
		return;
	}

	/* what may not be looked up yet */
	if (!list_isempty(&a->waitl) && list_isempty(&a->busyl))
		tmr_start(&a->tmr, 200, work_h, a);
}


static void earlier_h(const char *leg, void *arg)
{
	job_add(arg, leg, false, false);
}


/**
 * Begin to find out whose the records are that an earlier run left open
 *
 * @param ap    Pointer to the new object, owned by the caller
 * @param svc   The service
 * @param store Where the records are, must outlive it
 *
 * @return 0 if success, otherwise errorcode
 */
int adopted_alloc(struct adopted **ap, struct service *svc,
		  struct usage_store *store)
{
	struct server *srv = service_server(svc);
	struct adopted *a;
	int err;

	a = mem_zalloc(sizeof *a, adopted_destructor);
	if (!a)
		return ENOMEM;

	a->svc = svc;
	a->store = store;
	a->bus = server_bus(srv);
	a->started = tmr_jiffies();
	a->wait = 1000 * config_u32(server_config(srv), "usage.adopt_wait");
	tmr_init(&a->tmr);

	err = seal_key_load(&a->key, srv, "usage");
	if (!err)
		err = usage_store_earlier(store, earlier_h, a);
	if (err) {
		mem_deref(a);
		return err;
	}

	if (!list_isempty(&a->waitl))
		tmr_start(&a->tmr, 0, work_h, a);
	*ap = a;

	return 0;
}


/**
 * We have taken a leg over: its record is ours
 *
 * @param a     Object, or NULL
 * @param leg   The leg
 * @param crash A server that had it has died: it may run again much later
 */
void adopted_mark(struct adopted *a, const char *leg, bool crash)
{
	if (!a)
		return;

	job_add(a, leg, true, crash);
	if (!tmr_isrunning(&a->tmr))
		tmr_start(&a->tmr, 0, work_h, a);
}


/**
 * How many records may still be somebody else's, or are not marked yet
 *
 * @param a Object, or NULL
 *
 * @return Number of legs
 */
unsigned adopted_waiting(const struct adopted *a)
{
	return a ? list_count(&a->waitl) + list_count(&a->busyl) : 0;
}
