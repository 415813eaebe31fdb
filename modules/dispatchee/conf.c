/**
 * @file conf.c  Conferences of this server, and their claims on the bus
 *
 *  expected    a place was reserved for the first who comes
 *  running     the claim is made ours and lasting (held)
 *  over        the claim is deleted
 *
 * Changes of a claim take time, and a conference may end and begin again
 * meanwhile: one operation is under way at most, and when it ends what is
 * there is compared with what should be.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/event.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "dispatchee/dispatchee.h"


enum { CONFS_MAX = 1 << 20 };

static void local_sync(struct conf *c);


static uint32_t name_hash(const struct dispatchee *d, const char *name)
{
	return (uint32_t)siphash(&d->hkey, name, strlen(name));
}


static bool local_cmp(struct le *le, void *arg)
{
	const struct conf *c = le->data;

	return !strcmp(c->name, arg);
}


/**
 * Find a conference
 *
 * @param d    Dispatchee
 * @param name Conference
 *
 * @return Conference or NULL if nothing is known of it
 */
struct conf *local_find(const struct dispatchee *d, const char *name)
{
	return list_ledata(hash_lookup(d->confh, name_hash(d, name), local_cmp,
				       (void *)name));
}


/* What it takes of the conferences that this server is contracted for */
static void share_update(struct conf *c)
{
	uint32_t share = 0;

	if (c->running || c->expect.list)
		share = max(c->participants, c->d->est_cfg.contracted);

	c->d->contracted += share - c->share;
	c->share = share;
}


static void local_destructor(void *arg)
{
	struct conf *c = arg;

	hash_unlink(&c->he);
	list_unlink(&c->expect);
	mem_deref(c->op);
}


static struct conf *local_get(struct dispatchee *d, const char *name)
{
	const size_t n = strlen(name) + 1;
	struct conf *c = local_find(d, name);

	if (c)
		return c;

	c = mem_zalloc(sizeof(*c) + n, local_destructor);
	if (!c)
		return NULL;

	c->d = d;
	memcpy(c->name, name, n);
	hash_append(d->confh, name_hash(d, name), &c->he, c);

	return c;
}


static void local_maybe_drop(struct conf *c)
{
	if (c->running || c->expect.list || c->rev || c->op)
		return;

	share_update(c);
	mem_deref(c);
}


static void unexpect(struct conf *c)
{
	list_unlink(&c->expect);
	share_update(c);
}


/**
 * Expect the first participant of a new conference
 *
 * @param d    Dispatchee
 * @param name Conference
 *
 * @return 0 if success; ENOMEM
 */
int local_expect(struct dispatchee *d, const char *name)
{
	struct conf *c = local_get(d, name);

	if (!c)
		return ENOMEM;

	if (c->running)
		return 0;

	c->expires = tmr_jiffies() + d->lease_ms;
	list_unlink(&c->expect);
	list_append(&d->expectl, &c->expect, c);
	share_update(c);

	return 0;
}


/**
 * Forget conferences that were expected and did not come
 *
 * @param d Dispatchee
 */
void local_purge(struct dispatchee *d)
{
	const uint64_t now = tmr_jiffies();
	struct le *le;

	while ((le = list_head(&d->expectl))) {
		struct conf *c = le->data;

		if (c->expires > now)
			break;

		unexpect(c);
		local_maybe_drop(c);
	}
}


static void conflict(struct conf *c, const char *server)
{
	const struct event ev = { .name = "dispatchee.conflict" };

	c->held = false;
	if (c->conflict)
		return;

	c->conflict = true;
	++c->d->countv[CONFLICTS];
	log_event(LOG_WARN, "dispatchee", NULL,
		  "conference %s runs here and is claimed by %s", c->name,
		  server);
	(void)event_fire(server_events(service_server(c->d->svc)), &ev);
}


static void claim_set(struct conf *c, uint64_t rev, const uint8_t *buf,
		      size_t len)
{
	struct wire_claim wc;
	const int err = wire_claim_decode(&wc, buf, len);

	c->rev = rev;
	c->foreign = err || strcmp(wc.server, c->d->report.name);
	if (c->foreign && c->running)
		conflict(c, err ? "?" : wc.server);
}


static void hold_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct conf *c = arg;

	switch (err) {

	case 0:
		c->rev = rev;
		c->held = true;
		c->foreign = c->conflict = false;
		break;

	case EEXIST:
	case ESTALE:
		claim_set(c, rev, buf, len);
		break;

	case ENOENT:
		c->rev = 0;
		break;

	default:
		/* the next heartbeat of a participant tries again */
		log_event(LOG_WARN, "dispatchee", NULL,
			  "cannot claim conference %s: %s", c->name,
			  strerror(err));
		local_maybe_drop(c);
		return;
	}

	local_sync(c);
}


static int hold(struct conf *c, const char *key)
{
	struct wire_claim wc = { .running = true };
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	str_ncpy(wc.conference, c->name, sizeof(wc.conference));
	str_ncpy(wc.server, c->d->report.name, sizeof(wc.server));

	err = wire_claim_encode(buf, sizeof(buf), &n, &wc);
	if (err)
		return err;

	return c->rev ?
		bus_kv_update(&c->op, c->d->bus, "conferences", key, c->rev,
			      buf, n, 0, hold_handler, c) :
		bus_kv_create(&c->op, c->d->bus, "conferences", key, buf, n,
			      0, hold_handler, c);
}


/* What is there becomes what should be. May release the conference. */
static void local_sync(struct conf *c)
{
	char key[NAME_KEY_MAX];
	int err;

	if (c->op)
		return;

	err = name_key(key, sizeof(key), c->name, strlen(c->name));

	if (!err && c->running && !c->held && !c->foreign) {
		err = hold(c, key);
	}
	else if (!err && !c->running && c->held) {
		err = bus_kv_delete(NULL, c->d->bus, "conferences", key,
				    c->rev, NULL, NULL);
		c->held = false;
		c->rev = 0;
	}

	if (err)
		log_event(LOG_WARN, "dispatchee", NULL,
			  "cannot claim conference %s: %s", c->name,
			  strerror(err));

	local_maybe_drop(c);
}


/**
 * A conference began
 *
 * @param d    Dispatchee
 * @param name Conference
 */
void local_created(struct dispatchee *d, const char *name)
{
	struct conf *c = local_get(d, name);

	if (!c || c->running)
		return;

	c->running = true;
	c->conflict = false;
	++d->running;
	unexpect(c);
	if (c->foreign)
		conflict(c, "another server");
	local_sync(c);
}


/**
 * A conference is over
 *
 * @param d    Dispatchee
 * @param name Conference
 */
void local_deleted(struct dispatchee *d, const char *name)
{
	struct conf *c = local_find(d, name);

	if (!c || !c->running)
		return;

	c->running = false;
	c->participants = 0;
	--d->running;
	share_update(c);
	local_sync(c);
}


/**
 * Somebody came or went
 *
 * @param d    Dispatchee
 * @param name Conference
 * @param n    Participants now
 */
void local_participants(struct dispatchee *d, const char *name, uint32_t n)
{
	struct conf *c = local_find(d, name);

	if (!c || !c->running)
		return;

	c->participants = n;
	share_update(c);
	if (!c->held && !c->foreign)
		local_sync(c);
}


static bool recount_handler(struct le *le, void *arg)
{
	(void)arg;
	share_update(le->data);

	return false;
}


/**
 * The contracted size has changed
 *
 * @param d Dispatchee
 */
void local_recount(struct dispatchee *d)
{
	(void)hash_apply(d->confh, recount_handler, NULL);
}


static void claim_gone(struct dispatchee *d, const char *key)
{
	char name[CLIENT_CONFERENCE_MAX];
	struct conf *c;

	if (name_from_key(name, sizeof(name), key))
		return;

	c = local_find(d, name);

	/* an operation under way will find out by itself */
	if (!c || c->op)
		return;

	c->rev = 0;
	c->foreign = c->held = false;
	local_sync(c);
}


static void watch_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct dispatchee *d = arg;
	struct wire_claim wc;
	struct conf *c;

	if (!key)
		return;

	if (!buf) {
		claim_gone(d, key);
		return;
	}

	if (wire_claim_decode(&wc, buf, len))
		return;

	c = local_get(d, wc.conference);

	/* older than what an operation of ours has told */
	if (!c || rev <= c->rev)
		return;

	claim_set(c, rev, buf, len);

	/* of an earlier life of this server, which ended without goodbye */
	if (wc.running && !c->foreign && !c->running && !c->op) {
		c->held = true;
		local_sync(c);
	}
}


/**
 * Follow the claims of all conferences
 *
 * @param d Dispatchee
 *
 * @return 0 if success
 */
int local_watch(struct dispatchee *d)
{
	return bus_kv_watch(&d->watch, d->bus, "conferences", ">",
			    watch_handler, d);
}
