/**
 * @file core.c  A dispatcher, made of tables, a bus and a key alone: it needs
 *               no server and no socket, so tests and simulators run many of
 *               them
 *
 *   dispatch_alloc -> dispatch_open -> dispatch_join ... -> dispatch_close
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/wire.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "noc/route.h"
#include "dispatch/dispatch.h"


enum { PENDING_BUCKETS = 1024 };


static void destructor(void *arg)
{
	struct dispatch *d = arg;

	dispatch_close(d);
	mem_deref(d->pendingh);
}


/**
 * Make a dispatcher; it does nothing until it is opened
 *
 * @param dp Set to the dispatcher, owned by the caller
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int dispatch_alloc(struct dispatch **dp)
{
	struct dispatch *d;
	int err;

	if (!dp)
		return EINVAL;

	d = mem_zalloc(sizeof(*d), destructor);
	if (!d)
		return ENOMEM;

	tmr_init(&d->held);
	tmr_init(&d->unclaimed);
	tmr_init(&d->handover);
	siphash_key_random(&d->hkey);

	err = hash_alloc(&d->pendingh, PENDING_BUCKETS);
	if (err)
		mem_deref(d);
	else
		*dp = d;

	return err;
}


/* The bus went down, or is back. */
static void degraded_look(struct dispatch *d)
{
	const bool on = d->bus_down || d->bus_missing;
	const struct dispatch_event de = { .on = on };
	const bool begin = !d->bus_seen;

	if (!d->tables)
		return;

	/* at the start it takes a moment until it is up */
	d->bus_seen |= !on;
	if (d->degraded == on)
		return;

	d->degraded = on;
	tables_blind(d->tables, on, tmr_jiffies());
	if (begin)
		return;

	log_event(on ? LOG_WARN : LOG_NOTICE, "dispatch", NULL, on ?
		  "without the bus new conferences are placed by the tables"
		  " as they are" : "the bus is back");
	dispatch_fire(d, "dispatch.degraded", NULL, &de);

	if (!on)
		unclaimed_claim(d);
}


static void state_handler(enum bus_state state, void *arg)
{
	struct dispatch *d = arg;

	d->bus_down = state == BUS_DOWN;
	degraded_look(d);
}


/**
 * Nothing comes over the bus, or something does again, whatever it says of
 * itself
 *
 * @param d  Dispatcher
 * @param on True if nothing comes
 */
void dispatch_bus_missing(struct dispatch *d, bool on)
{
	d->bus_missing = on;
	degraded_look(d);
}


/**
 * Begin to dispatch. d->conf must have been set, but may change later.
 *
 * @param d   Dispatcher
 * @param prm What it works with; the bus and the key are referenced
 *
 * @return 0 if success; EINVAL; ENOMEM; else as of the bus
 */
int dispatch_open(struct dispatch *d, const struct dispatch_params *prm)
{
	struct tables_config tc;
	int err;

	if (!d || !prm || !prm->name || !prm->bus || !prm->key ||
	    !prm->tables || d->tables)
		return EINVAL;

	tc = *prm->tables;
	str_ncpy(d->name, prm->name, sizeof(d->name));
	d->bus   = mem_ref(prm->bus);
	d->key   = mem_ref(prm->key);
	d->fireh = prm->fireh;
	d->arg   = prm->arg;

	/* who knows only banks is told by them when a server is gone */
	if (prm->banks)
		tc.contact_ms = INT32_MAX;

	err = tables_alloc(&d->tables, &tc);
	if (err)
		goto out;

	err = dispatch_handover_start(d);
	if (err)
		goto out;

	err = bus_state_listen(&d->buslis, d->bus, state_handler, d);
	if (err)
		goto out;

	err = prm->banks ? bank_open(d, prm->tables) : dispatch_follow(d);
	if (!err && prm->bank)
		err = head_open(d, prm);
	d->bus_missing = !bus_stores(d->bus);
	if (!err)
		state_handler(bus_state(d->bus), d);

 out:
	if (err)
		dispatch_close(d);

	return err;
}


/**
 * End it: whoever waits is turned away. No other thread may use the tables
 * any more.
 *
 * @param d Dispatcher
 */
void dispatch_close(struct dispatch *d)
{
	size_t i;

	if (!d)
		return;

	dispatch_handover_stop(d);
	held_flush(d);
	pending_flush(d);
	bank_flush(d);
	d->head = mem_deref(d->head);
	d->banks = mem_deref(d->banks);
	tmr_cancel(&d->unclaimed);
	list_flush(&d->unclaimedl);
	recount_flush(d);

	d->buslis = mem_deref(d->buslis);
	for (i=0; i<ARRAY_SIZE(d->watchv); i++)
		d->watchv[i] = mem_deref(d->watchv[i]);
	for (i=0; i<ARRAY_SIZE(d->subv); i++)
		d->subv[i] = mem_deref(d->subv[i]);

	d->route    = mem_deref(d->route);
	d->tables   = mem_deref(d->tables);
	d->key      = mem_deref(d->key);
	d->bus      = mem_deref(d->bus);
	d->loading  = 0;
	d->degraded = d->bus_seen = d->by_beats = false;
	d->bus_down = d->bus_missing = false;
}


/**
 * Fire an event
 *
 * @param d      Dispatcher
 * @param name   "dispatch.created", ...
 * @param callid Call-ID or NULL
 * @param de     Its data
 */
void dispatch_fire(struct dispatch *d, const char *name, const char *callid,
		   const struct dispatch_event *de)
{
	if (d->fireh)
		d->fireh(name, callid, de, d->arg);
}
