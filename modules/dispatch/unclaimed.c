/**
 * @file unclaimed.c  Conferences that were placed while the bus was down
 *
 * They are claimed when it is back. Whoever had claimed one before keeps it:
 * the tables follow, and if both servers run it by then, `resolution` makes
 * one of the two.
 */
#include <string.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "dispatch/dispatch.h"


enum {
	UNCLAIMED_MAX = 100000,
	WINDOW        = 64,        /* claims under way at once              */
	RETRY_MS      = 1000,
};

struct unclaimed {
	struct le le;
	struct dispatch *d;
	struct bus_kvop *op;       /* while it is being claimed             */
	char server[NAME_SERVER_MAX];
	char name[];
};


static void destructor(void *arg)
{
	struct unclaimed *u = arg;

	list_unlink(&u->le);
	mem_deref(u->op);
}


static void retry_handler(void *arg)
{
	unclaimed_claim(arg);
}


/* The bus may be up and yet have failed once. */
static void retry_start(struct dispatch *d)
{
	if (!tmr_isrunning(&d->unclaimed))
		tmr_start(&d->unclaimed, RETRY_MS, retry_handler, d);
}


/**
 * Remember to claim a conference
 *
 * @param d          Dispatcher
 * @param conference Its name
 * @param server     Where it was placed
 *
 * @return 0 if success; ENOMEM; EOVERFLOW
 */
int unclaimed_add(struct dispatch *d, const char *conference,
		  const char *server)
{
	const size_t n = strlen(conference) + 1;
	struct unclaimed *u;

	if (list_count(&d->unclaimedl) >= UNCLAIMED_MAX)
		return EOVERFLOW;

	u = mem_zalloc(sizeof(*u) + n, destructor);
	if (!u)
		return ENOMEM;

	u->d = d;
	memcpy(u->name, conference, n);
	str_ncpy(u->server, server, sizeof(u->server));
	list_append(&d->unclaimedl, &u->le, u);
	retry_start(d);

	return 0;
}


/* Somebody has claimed it: the tables say what is claimed. */
static void taken(struct unclaimed *u, const uint8_t *buf, size_t len)
{
	struct dispatch_event de = {
		.conference = u->name, .server = u->server,
	};
	struct wire_claim c;

	if (wire_claim_decode(&c, buf, len) || !strcmp(c.server, u->server))
		return;

	log_event(LOG_WARN, "dispatch", NULL,
		  "conference %s was sent to %s and is claimed by %s",
		  u->name, u->server, c.server);
	(void)tables_conf_set(u->d->tables, u->name, strlen(u->name),
			      c.server);
	de.reason = c.server;
	dispatch_fire(u->d, "dispatch.conflict", NULL, &de);
}


static void claim_handler(int err, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct unclaimed *u = arg;
	struct dispatch *d = u->d;
	(void)rev;

	/* down again: it stays in the list */
	if (err == ENOTCONN || err == ETIMEDOUT) {
		retry_start(d);
		return;
	}

	if (err == EEXIST)
		taken(u, buf, len);

	mem_deref(u);
	unclaimed_claim(d);
}


static int claim(struct unclaimed *u)
{
	struct wire_claim c = { .running = false };
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	str_ncpy(c.conference, u->name, sizeof(c.conference));
	str_ncpy(c.server, u->server, sizeof(c.server));

	err = wire_claim_encode(buf, sizeof(buf), &n, &c);
	if (!err)
		err = name_key(key, sizeof(key), u->name, strlen(u->name));
	if (err)
		return err;

	return bus_kv_create(&u->op, u->d->bus, "conferences", key, buf, n,
			     u->d->conf.claim_ms, claim_handler, u);
}


/**
 * Claim what has to be claimed, some at a time
 *
 * @param d Dispatcher
 */
void unclaimed_claim(struct dispatch *d)
{
	struct le *le = list_head(&d->unclaimedl);
	unsigned n = 0;

	while (le && n < WINDOW && !d->degraded) {
		struct unclaimed *u = le->data;

		le = le->next;
		++n;
		if (u->op)
			continue;

		if (claim(u))
			retry_start(d);
	}
}


/**
 * A conference is over, or somebody else has claimed it
 *
 * @param d          Dispatcher
 * @param conference Its name
 */
void unclaimed_forget(struct dispatch *d, const char *conference)
{
	struct le *le = list_head(&d->unclaimedl);

	while (le) {
		struct unclaimed *u = le->data;

		le = le->next;
		if (!u->op && !strcmp(u->name, conference))
			mem_deref(u);
	}
}
