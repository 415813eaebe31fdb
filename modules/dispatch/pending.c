/**
 * @file pending.c  A server is found for those who wait
 *
 *  known, seems full     the server itself is asked
 *  not known             select -> reserve there -> claim on the bus
 *                          |          | no: the next best
 *                          |          |        | exists: that server has it
 *                          +----------+--------+-> no bus, or it takes too
 *                                                  long: remembered here,
 *                                                  claimed when it is back
 *
 * The place is reserved before the conference is claimed, so that a claim
 * which others see always has room behind it. All joins for one new conference
 * wait for the one that came first.
 *
 * Several dispatchers select at the same time by what each has heard. So a
 * reservation says how much the next best server has left, and a server that
 * has less by now, because another dispatcher was faster, says so instead of
 * granting: then the choice is made anew by what is known now.
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "dispatch/dispatch.h"
#include "dispatch/pending.h"


static void pending_select(struct pending *p);
static void pending_claim(struct pending *p);
static void pending_blind(struct pending *p);


static void waiting_destructor(void *arg)
{
	struct waiting *w = arg;

	list_unlink(&w->le);
	mem_deref(w->client);
}


static void pending_destructor(void *arg)
{
	struct pending *p = arg;

	hash_unlink(&p->he);
	tmr_cancel(&p->late);
	mem_deref(p->req);
	mem_deref(p->op);
	pending_release(p);
	p->d->waiting -= list_count(&p->waitl);
	list_flush(&p->waitl);
}


static void pending_answer(struct pending *p, unsigned n)
{
	struct le *le;

	while (n-- && (le = list_head(&p->waitl))) {
		struct waiting *w = le->data;

		if (p->granted) {
			--p->granted;
			join_send(p->d, w->client, &p->route);
		}
		else {
			join_reject(p->d, w->client, ENOSPC);
		}

		--p->d->waiting;
		mem_deref(w);
	}
}


/* Those who came meanwhile, or whose conference turned out to be elsewhere */
static void pending_again(struct pending *p)
{
	struct dispatch *d = p->d;
	struct list waitl = LIST_INIT;
	struct le *le;

	while ((le = list_head(&p->waitl))) {
		list_unlink(le);
		list_append(&waitl, le, le->data);
		--d->waiting;
	}

	mem_deref(p);

	while ((le = list_head(&waitl))) {
		struct waiting *w = le->data;

		join_answer(d, client_join(w->client));
		mem_deref(w);
	}
}


/**
 * Turn away everybody who waits
 *
 * @param p   Pending, released
 * @param err Why
 */
void pending_fail(struct pending *p, int err)
{
	struct le *le;

	while ((le = list_head(&p->waitl))) {
		struct waiting *w = le->data;

		join_reject(p->d, w->client, err);
		--p->d->waiting;
		mem_deref(w);
	}

	mem_deref(p);
}


static void pending_done(struct pending *p)
{
	pending_release(p);
	pending_answer(p, p->asked);
	pending_again(p);
}


static void pending_created(struct pending *p)
{
	const struct dispatch_event de = {
		.conference = p->name, .server = p->route.server,
	};
	int err;

	err = tables_conf_set(p->d->tables, p->name, p->namelen,
			      p->route.server);
	if (err)
		log_event(LOG_WARN, "dispatch", NULL,
			  "no place for conference %s: %s", p->name,
			  strerror(err));

	++p->d->countv[COUNT_CREATED];
	dispatch_fire(p->d, "dispatch.created", NULL, &de);
	pending_done(p);
}


/* Another dispatch server was faster. */
static void pending_elsewhere(struct pending *p, uint64_t rev,
			      const uint8_t *buf, size_t len)
{
	struct conf_route cr;
	struct wire_claim c;
	int err;

	err = wire_claim_decode(&c, buf, len);
	if (!err)
		err = tables_server_route(p->d->tables, c.server,
					  tmr_jiffies(), &cr);

	if (!err && !tables_conf_set(p->d->tables, p->name, p->namelen,
				     c.server)) {
		if (!strcmp(c.server, p->route.server)) {
			pending_done(p);
			return;
		}

		pending_giveback(p);
		pending_release(p);
		p->asked = p->granted = 0;
		pending_again(p);
		return;
	}

	/* that server is gone: the claim is for the taking */
	p->rev = rev;
	pending_claim(p);
}


static void claim_handler(int err, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct pending *p = arg;

	tmr_cancel(&p->late);
	if (!err) {
		pending_created(p);
		return;
	}

	/* the place is kept; only nobody can be told */
	if (err == ENOTCONN || err == ETIMEDOUT) {
		pending_blind(p);
		return;
	}

	if (++p->races > RACES_MAX) {
		pending_fail(p, err);
		return;
	}

	switch (err) {

	case EEXIST:
	case ESTALE:
		pending_elsewhere(p, rev, buf, len);
		break;

	case ENOENT:
		p->rev = 0;
		pending_claim(p);
		break;

	default:
		pending_fail(p, err);
		break;
	}
}


/* The bus seems to be there, but nobody confirms what is stored: a cluster
   elects. The claim goes on by itself, and is looked after when it is known
   again what became of it. */
static void late_handler(void *arg)
{
	struct pending *p = arg;

	log_event(LOG_WARN, "dispatch", NULL, "conference %s goes to %s"
		  " before its claim is confirmed", p->name, p->route.server);
	p->op = mem_deref(p->op);
	pending_blind(p);
}


static void pending_claim(struct pending *p)
{
	const uint32_t ttl = p->d->conf.claim_ms;
	struct wire_claim c = { .running = false };
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	str_ncpy(c.conference, p->name, sizeof(c.conference));
	str_ncpy(c.server, p->route.server, sizeof(c.server));

	err = wire_claim_encode(buf, sizeof(buf), &n, &c);
	if (!err)
		err = name_key(key, sizeof(key), p->name, p->namelen);
	if (err)
		goto out;

	if (p->rev)
		err = bus_kv_update(&p->op, p->d->bus, "conferences", key,
				    p->rev, buf, n, ttl, claim_handler, p);
	else
		err = bus_kv_create(&p->op, p->d->bus, "conferences", key,
				    buf, n, ttl, claim_handler, p);

 out:
	if (err)
		pending_fail(p, err);
	else if (!tmr_isrunning(&p->late))
		tmr_start(&p->late, CLAIM_WAIT, late_handler, p);
}


static void pending_refused(struct pending *p, int err)
{
	pending_release(p);

	if (p->known) {
		p->granted = 0;
		pending_done(p);
		return;
	}

	/* another dispatcher was faster: it is no longer the best */
	if (err == EAGAIN) {
		++p->lessc;
		pending_select(p);
		return;
	}

	if (err == ENOTCONN ||
	    (err == ETIMEDOUT && ++p->silentc == SILENT_MAX)) {
		p->triedc = 0;
		pending_blind(p);
		return;
	}

	str_ncpy(p->triedv[p->triedc++], p->route.server, NAME_SERVER_MAX);
	if (p->triedc == TRIES_MAX) {
		pending_fail(p, err);
		return;
	}

	++p->d->countv[COUNT_RETRIED];
	pending_select(p);
}


/**
 * What became of a reservation
 *
 * @param p   Pending
 * @param err 0: p->granted joins have a place; else nobody has
 */
void pending_reserved(struct pending *p, int err)
{
	if (err)
		pending_refused(p, err);
	else if (p->known)
		pending_done(p);
	else
		pending_claim(p);
}


/* Nobody can be asked or told: those who wait go where there is most room by
   the tables as they are. */
static void pending_blind(struct pending *p)
{
	const struct dispatch_event de = {
		.conference = p->name, .server = p->route.server,
	};
	struct dispatch *d = p->d;
	int err = p->held ? 0 : pending_choose(p);

	if (!err)
		err = tables_conf_set(d->tables, p->name, p->namelen,
				      p->route.server);
	if (!err)
		err = unclaimed_add(d, p->name, p->route.server);
	if (err) {
		pending_fail(p, err);
		return;
	}

	++d->countv[COUNT_CREATED];
	++d->countv[COUNT_BLIND];
	dispatch_fire(d, "dispatch.created", NULL, &de);

	/* the tables count those who wait, one by one */
	pending_release(p);
	pending_again(p);
}


static void pending_select(struct pending *p)
{
	const int err = pending_choose(p);

	if (err)
		/* those that were tried are in service, but full */
		pending_fail(p, err == ENOENT && p->triedc ? ENOSPC : err);
	else if (p->d->degraded)
		pending_blind(p);
	else
		pending_reserve(p);
}


static uint32_t name_hash(const struct dispatch *d, const char *name)
{
	return (uint32_t)siphash(&d->hkey, name, strlen(name));
}


static bool pending_cmp(struct le *le, void *arg)
{
	const struct pending *p = le->data;

	return !strcmp(p->name, arg);
}


static struct pending *pending_find(const struct dispatch *d, const char *name)
{
	return list_ledata(hash_lookup(d->pendingh, name_hash(d, name),
				       pending_cmp, (void *)name));
}


static int pending_wait(struct pending *p, struct client *cl)
{
	struct waiting *w;

	w = mem_zalloc(sizeof(*w), waiting_destructor);
	if (!w)
		return ENOMEM;

	w->client = mem_ref(cl);
	list_append(&p->waitl, &w->le, w);
	++p->d->waiting;

	return 0;
}


static int pending_alloc(struct pending **pp, struct dispatch *d,
			 const struct join *join)
{
	struct pending *p;
	int err;

	p = mem_zalloc(sizeof(*p), pending_destructor);
	if (!p)
		return ENOMEM;

	p->d = d;
	tmr_init(&p->late);
	p->media = join->media ? join->media : MEDIA_AUDIO;
	str_ncpy(p->name, join->conference, sizeof(p->name));
	p->namelen = strlen(p->name);
	hash_append(d->pendingh, name_hash(d, p->name), &p->he, p);

	err = pending_wait(p, join->client);
	if (err)
		mem_deref(p);
	else
		*pp = p;

	return err;
}


/**
 * Let a client wait until a server is found for its conference
 *
 * @param d     Dispatch
 * @param join  Join
 * @param known The conference is known, but its server seems full
 */
void pending_join(struct dispatch *d, const struct join *join, bool known)
{
	struct pending *p = pending_find(d, join->conference);
	int err;

	if (d->waiting >= d->conf.waiting_max) {
		dispatch_reject(d, join->client, 503,
				"Too many wait, try again later");
		return;
	}

	err = p ? pending_wait(p, join->client) : pending_alloc(&p, d, join);
	if (err) {
		join_reject(d, join->client, err);
		return;
	}

	/* a server is being found already */
	if (list_count(&p->waitl) > 1)
		return;

	p->known = known && !tables_lookup(d->tables, p->name, p->namelen,
					   NULL, tmr_jiffies(), &p->route);
	if (p->known)
		pending_reserve(p);
	else
		pending_select(p);
}


static bool flush_handler(struct le *le, void *arg)
{
	(void)arg;
	pending_fail(le->data, ESHUTDOWN);

	return false;
}


/**
 * Turn away everybody for whom a server is being found
 *
 * @param d Dispatcher
 */
void pending_flush(struct dispatch *d)
{
	(void)hash_apply(d->pendingh, flush_handler, NULL);
}
