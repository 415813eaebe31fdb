/**
 * @file place.c  A conference that no bank has gets one: chosen by what banks
 *                have left, claimed, and placed there
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
#include "dispatch/ask.h"


enum { RACES_MAX = 3 };            /* times the claim may change under us   */

static void ask_claim(struct ask *a);


/**
 * The bank that was chosen knows, or will not have it
 *
 * @param a What is looked for
 */
void ask_release(struct ask *a)
{
	if (a->held)
		tables_release(a->d->banks->tables, a->route.server, 1,
			       tmr_jiffies());
	a->held = false;
}


static void ask_refused(struct ask *a, int err)
{
	ask_release(a);

	str_ncpy(a->triedv[a->triedc++], a->route.server, NAME_SERVER_MAX);
	if (a->triedc == BANK_TRIES) {
		ask_fail(a, err);
		return;
	}

	++a->d->countv[COUNT_RETRIED];
	ask_select(a);
}


static void place_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct ask *a = arg;
	struct wire_place wp;

	if (!err)
		err = wire_place_decode(&wp, buf, len);
	else if (err == ENOENT)
		tables_server_lost(a->d->banks->tables, a->route.server);

	if (err) {
		ask_refused(a, err);
		return;
	}

	switch (wp.verdict) {

	case WIRE_GRANT:
		ask_release(a);
		ask_found(a, a->route.server, &wp);
		break;

	case WIRE_FULL:
		(void)tables_server_granted(a->d->banks->tables,
					    a->route.server, wp.unused,
					    wp.seq, tmr_jiffies());
		ask_refused(a, ENOSPC);
		break;

	case WIRE_REFUSED:
		ask_fail(a, ENOTSUP);
		break;

	default:
		ask_refused(a, ENOENT);
		break;
	}
}


/**
 * Have the bank that was chosen find a place
 *
 * @param a What is looked for
 */
void ask_place(struct ask *a)
{
	const int err = ask_request(&a->req, a, a->route.server, "place",
				     a->d->banks->place_ms, place_handler, a);

	if (err)
		ask_fail(a, err);
}


/* Another dispatch server was faster: the bank that it chose. */
static void ask_elsewhere(struct ask *a, uint64_t rev, const uint8_t *buf,
			  size_t len)
{
	struct conf_route cr;
	struct wire_claim c;

	if (!wire_claim_decode(&c, buf, len) &&
	    !tables_server_route(a->d->banks->tables, c.server,
				 tmr_jiffies(), &cr) && !a->triedc) {
		ask_release(a);
		a->route = cr;
		ask_place(a);
		return;
	}

	/* that bank is gone, or is full */
	a->rev = rev;
	ask_claim(a);
}


static void claim_handler(int err, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct ask *a = arg;

	if (!err) {
		a->rev = rev;
		a->created = true;
		ask_place(a);
	}
	else if (++a->races > RACES_MAX) {
		ask_fail(a, err);
	}
	else if (err == EEXIST || err == ESTALE) {
		ask_elsewhere(a, rev, buf, len);
	}
	else if (err == ENOENT) {
		a->rev = 0;
		ask_claim(a);
	}
	else {
		ask_fail(a, err);
	}
}


/* It only has to last until the bank itself can say that it has it. */
static void ask_claim(struct ask *a)
{
	const uint32_t ttl = a->d->conf.claim_ms;
	struct wire_claim c = { .running = false };
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	str_ncpy(c.conference, a->name, sizeof(c.conference));
	str_ncpy(c.server, a->route.server, sizeof(c.server));

	err = wire_claim_encode(buf, sizeof(buf), &n, &c);
	if (!err)
		err = name_key(key, sizeof(key), a->name, a->namelen);
	if (err)
		goto out;

	err = a->rev ?
		bus_kv_update(&a->op, a->d->bus, "conferences", key, a->rev,
			      buf, n, ttl, claim_handler, a) :
		bus_kv_create(&a->op, a->d->bus, "conferences", key, buf, n,
			      ttl, claim_handler, a);
 out:
	if (err)
		ask_fail(a, err);
}


/**
 * No bank has it: choose one
 *
 * @param a What is looked for
 */
void ask_select(struct ask *a)
{
	const char *notv[BANK_TRIES];
	struct select_req req = {
		.conf = a->name, .conflen = a->namelen,
		.media = a->media, .notv = notv, .notc = a->triedc,
		.now = tmr_jiffies(), .utc = (uint64_t)time(NULL),
	};
	unsigned i;
	int err;

	for (i=0; i<a->triedc; i++)
		notv[i] = a->triedv[i];

	err = tables_select(a->d->banks->tables, &req, &a->route);
	if (err == ENOTSUP && a->media & MEDIA_AUDIO &&
	    a->media != MEDIA_AUDIO) {
		req.media = a->media = MEDIA_AUDIO;
		err = tables_select(a->d->banks->tables, &req, &a->route);
	}
	if (err) {
		ask_fail(a, err == ENOENT && a->triedc ? ENOSPC : err);
		return;
	}

	a->held = true;
	ask_claim(a);
}
