/**
 * @file conf.c  Conferences of this server, and their claims on the bus
 *
 *  expected    a place was reserved for the first who comes
 *  incoming    places were reserved for a conference that is moved here
 *  running     the claim is made ours and lasting (held)
 *  given       the claim became another server's while it runs here (claim.c)
 *  taken       the claim became ours before it runs here (claim.c)
 *  over        the claim is deleted, unless it is another server's
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


enum { INCOMING_MAX = 1 << 20 };   /* participants */


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

	if (c->running || c->expect.list || c->incoming)
		share = max(c->participants + c->incoming,
			    c->d->est_cfg.contracted);

	c->d->contracted += share - c->share;
	c->share = share;
}


/**
 * Reports tell the sum of what runs here and is ours; of what others have
 * claimed, they tell
 *
 * @param c Conference that changed
 */
void local_tally(struct conf *c)
{
	const uint64_t tally = c->running && !c->foreign ?
		wire_tally(c->name, strlen(c->name), c->participants) : 0;

	c->d->tally += tally - c->tally;
	c->tally = tally;
}


static void local_destructor(void *arg)
{
	struct conf *c = arg;

	c->d->tally -= c->tally;
	hash_unlink(&c->he);
	list_unlink(&c->expect);
	claim_op_end(c, ECANCELED);
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
	if (c->running || c->expect.list || c->rev || c->op || c->incoming)
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


static int conflict_detail(struct odict *od, const void *data)
{
	const struct dispatchee_conflict *dc = data;
	int err;

	err  = odict_entry_add(od, "conference", ODICT_STRING,
			       dc->conference);
	err |= odict_entry_add(od, "server", ODICT_STRING, dc->server);

	return err;
}


static void conflict(struct conf *c)
{
	struct dispatchee_conflict dc = {
		.conference = c->name,
		.server = c->owner ? c->owner->name : "?",
	};
	const struct event ev = {
		.name = "dispatchee.conflict", .data = &dc,
		.detail = conflict_detail,
	};

	c->held = false;
	if (c->conflict)
		return;

	c->conflict = true;
	++c->d->countv[CONFLICTS];
	log_event(LOG_WARN, "dispatchee", NULL,
		  "conference %s runs here and is claimed by %s", c->name,
		  dc.server);
	(void)event_fire(server_events(service_server(c->d->svc)), &ev);
	about_conflict(c->d, c->name, dc.server);
}


/* Runs here although another has the claim, and not because it is moved, or
   just being given away */
static bool in_conflict(const struct conf *c)
{
	return c->running && c->foreign && !c->given && !c->incoming &&
		!(c->op && c->owner && c->owner == c->wanted);
}


/**
 * A claim is known to be like this
 *
 * @param c   Conference
 * @param rev Revision of the claim
 * @param buf The claim
 * @param len Its length [bytes]
 */
void local_claim_set(struct conf *c, uint64_t rev, const uint8_t *buf,
		     size_t len)
{
	struct wire_claim wc = { .running = false };

	c->rev = rev;
	c->owner = NULL;
	if (!wire_claim_decode(&wc, buf, len))
		(void)owner_get(&c->owner, c->d, wc.server);

	c->live = wc.running;
	c->foreign = c->owner != c->d->self;
	c->held = !c->foreign && wc.running;
	if (c->foreign)
		c->taken = c->orphan = false;
	else
		c->given = c->conflict = false;

	local_tally(c);
	if (in_conflict(c))
		conflict(c);
}


/**
 * Forget a claim: there is none any more
 *
 * @param c Conference
 */
void local_claim_none(struct conf *c)
{
	c->rev = 0;
	c->owner = NULL;
	c->live = c->foreign = c->held = c->given = c->taken = false;
	c->orphan = c->conflict = false;
	local_tally(c);
}


/**
 * Write a lasting claim
 *
 * @param c      Conference
 * @param server Whose it is to be
 * @param buf    Claim
 * @param sz     Its size, WIRE_SMALL_MAX is enough [bytes]
 * @param len    Its length [bytes]
 * @param key    Its key, NAME_KEY_MAX bytes
 *
 * @return 0 if success
 */
int local_claim_encode(const struct conf *c, const char *server,
		       uint8_t *buf, size_t sz, size_t *len, char *key)
{
	struct wire_claim wc = { .running = true };
	int err;

	str_ncpy(wc.conference, c->name, sizeof(wc.conference));
	str_ncpy(wc.server, server, sizeof(wc.server));

	err = wire_claim_encode(buf, sz, len, &wc);
	if (err)
		return err;

	return name_key(key, NAME_KEY_MAX, c->name, strlen(c->name));
}


/* It is tried again with the next report of this server. */
static void trouble(const struct conf *c, int err)
{
	c->d->unsure = true;

	/* that the bus is down is known */
	if (bus_state(c->d->bus) == BUS_UP)
		log_event(LOG_WARN, "dispatchee", NULL,
		  "cannot claim conference %s: %s", c->name, strerror(err));
}


static void hold_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct conf *c = arg;

	switch (err) {

	case 0:
		c->rev = rev;
		c->owner = c->d->self;
		c->held = c->live = true;
		c->foreign = c->conflict = false;
		local_tally(c);
		break;

	case EEXIST:
	case ESTALE:
		local_claim_set(c, rev, buf, len);
		break;

	case ENOENT:
		local_claim_none(c);
		break;

	default:
		trouble(c, err);
		local_maybe_drop(c);
		return;
	}

	local_sync(c);
}


static int hold(struct conf *c)
{
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	err = local_claim_encode(c, c->d->report.name, buf, sizeof(buf), &n,
				 key);
	if (err)
		return err;

	return c->rev ?
		bus_kv_update(&c->op, c->d->bus, "conferences", key, c->rev,
			      buf, n, 0, hold_handler, c) :
		bus_kv_create(&c->op, c->d->bus, "conferences", key, buf, n,
			      0, hold_handler, c);
}


static void unhold_handler(int err, uint64_t rev, const uint8_t *buf,
			   size_t len, void *arg)
{
	struct conf *c = arg;

	switch (err) {

	case 0:
	case ENOENT:
		local_claim_none(c);
		break;

	case ESTALE:
		local_claim_set(c, rev, buf, len);
		break;

	default:
		/* still there, perhaps: nobody else would delete it */
		trouble(c, err);
		return;
	}

	local_sync(c);
}


static int unhold(struct conf *c)
{
	char key[NAME_KEY_MAX];
	int err;

	err = name_key(key, sizeof(key), c->name, strlen(c->name));
	if (err)
		return err;

	return bus_kv_delete(&c->op, c->d->bus, "conferences", key, c->rev,
			     unhold_handler, c);
}


/**
 * What is there becomes what should be
 *
 * @param c Conference; may be released
 */
void local_sync(struct conf *c)
{
	int err = 0;

	if (c->op)
		return;

	if (c->running && !c->held && !c->foreign)
		err = hold(c);
	else if (!c->running && c->held && !c->taken)
		err = unhold(c);

	if (err)
		trouble(c, err);

	local_maybe_drop(c);
}


static bool sync_handler(struct le *le, void *arg)
{
	(void)arg;
	local_sync(le->data);

	return false;
}


/**
 * Try again what the bus did not do
 *
 * @param d Dispatchee
 */
void local_sync_all(struct dispatchee *d)
{
	if (!d->unsure)
		return;

	d->unsure = false;
	(void)hash_apply(d->confh, sync_handler, NULL);
}


/**
 * A conference began
 *
 * @param d    Dispatchee
 * @param name Conference
 * @param age  Of one that began elsewhere [ms]
 */
void local_created(struct dispatchee *d, const char *name, uint64_t age)
{
	struct conf *c = local_get(d, name);

	if (!c || c->running)
		return;

	c->running = true;
	c->since = tmr_jiffies();
	c->older = age;
	c->conflict = c->taken = c->orphan = false;
	++d->running;
	unexpect(c);
	if (in_conflict(c))
		conflict(c);
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
	local_tally(c);
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
	local_tally(c);
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


static void incoming_set(struct conf *c, uint32_t n)
{
	c->d->incoming += n - c->incoming;
	c->incoming = n;
	share_update(c);
}


/* What so many more take of what is left */
static uint64_t need_all(const struct dispatchee *d, const struct conf *c,
			 uint32_t n)
{
	const uint32_t size = c ? c->participants : 0;
	uint64_t need = 0;
	uint32_t i;

	for (i=0; i<n && i<INCOMING_MAX; i++)
		need += d->est->need(&d->est_cfg, size + i);

	return need;
}


/**
 * Keep places for a conference that will be moved here
 *
 * @param d    Dispatchee
 * @param name Conference
 * @param n    Participants, 0: keep none any more
 *
 * @return 0 if success; ENOSPC if there is no room for so many; ENOMEM
 */
int local_incoming(struct dispatchee *d, const char *name, uint32_t n)
{
	struct conf *c = local_find(d, name);

	if (!n) {
		if (c) {
			incoming_set(c, 0);
			if (in_conflict(c))
				conflict(c);
			local_maybe_drop(c);
		}
		return 0;
	}

	if (n > INCOMING_MAX || need_all(d, c, n) > report_unused(d))
		return ENOSPC;

	c = local_get(d, name);
	if (!c)
		return ENOMEM;

	incoming_set(c, n);

	return 0;
}


/**
 * One of those who are moved here is in
 *
 * @param d    Dispatchee
 * @param name Conference
 */
void local_moved_in(struct dispatchee *d, const char *name)
{
	struct conf *c = local_find(d, name);

	/* the last place stands for the move itself, until it ends */
	if (c && c->incoming > 1)
		incoming_set(c, c->incoming - 1);
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


static void claim_gone(struct dispatchee *d, const char *key, uint64_t rev)
{
	char name[CLIENT_CONFERENCE_MAX];
	struct conf *c;

	if (name_from_key(name, sizeof(name), key))
		return;

	c = local_find(d, name);

	/* an operation under way will find out by itself, or one of ours has
	   told of a later claim already */
	if (!c || c->op || c->rev > rev)
		return;

	local_claim_none(c);
	local_sync(c);
}


/* Somebody may know how to go on with it; else it is over. */
static void orphaned(struct conf *c)
{
	struct dispatchee *d = c->d;

	if (d->orphan_h) {
		if (!c->orphan) {
			c->orphan = true;
			d->orphan_h(c->name, 0, d->orphan_arg);
		}
		return;
	}

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
		claim_gone(d, key, rev);
		return;
	}

	if (wire_claim_decode(&wc, buf, len))
		return;

	c = local_get(d, wc.conference);

	/* older than what an operation of ours has told */
	if (!c || rev <= c->rev)
		return;

	local_claim_set(c, rev, buf, len);

	/* of an earlier life of this server, which ended without goodbye */
	if (c->held && !c->running && !c->op && !c->taken)
		orphaned(c);
	else
		local_sync(c);
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
