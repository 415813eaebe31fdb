/**
 * @file bank.c  A dispatch server that knows no media servers, only banks of
 *               them, each behind a dispatch server of its own (head.c)
 *
 *   not known   where?  asked of all banks at the same time
 *                 |        yes -> there
 *                 no: the bank with the most room gets it
 *               claim      so that two of us do not choose two banks
 *                 |
 *               place      asked of that bank: it finds a media server
 *
 * What a bank has answered is kept in the tables: its media server with what
 * it has left, and the conference. From then on joins go straight there, with
 * a ticket, and the media server is told through its bank. It is forgotten
 * when the bank says that it is over, or after a while (ttl_ms), because a
 * word of the bank may be lost. That a conference is nowhere is not kept.
 *
 * Files: ask.c asks, place.c chooses a bank, learned.c keeps the answers; here
 * is what banks tell by themselves.
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


enum {
	BANKS_MAX = 256,
	BUCKETS   = 1024,          /* of servers and conferences            */
};


static void report(struct dispatch *d, const uint8_t *buf, size_t len)
{
	struct wire_server ws;
	int err;

	err = wire_server_decode(&ws, buf, len);
	if (!err)
		err = tables_server_report(d->banks->tables, &ws,
					   tmr_jiffies());
	if (err && err != ESTALE)
		log_event(LOG_WARN, "dispatch", NULL,
			  "report of a bank is not taken: %s", strerror(err));
}


static void banks_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct dispatch *d = arg;
	char name[NAME_SERVER_MAX];
	(void)rev;

	if (!key) {
		dispatch_loaded(d, 1 << WATCH_SERVERS);
	}
	else if (buf) {
		report(d, buf, len);
	}
	else if (!name_from_key(name, sizeof(name), key)) {
		log_event(LOG_WARN, "dispatch", NULL,
			  "bank %s is out of contact", name);
		tables_server_lost(d->banks->tables, name);
	}
}


static void capacity_handler(const char *subject, const uint8_t *buf,
			     size_t len, struct bus_reply *reply, void *arg)
{
	(void)subject;
	report(arg, buf, len);
	mem_deref(reply);
}


static void gone_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	struct dispatch *d = arg;
	struct wire_user u;
	(void)subject;

	if (!wire_user_decode(&u, buf, len) && u.what == WIRE_DELETED)
		dispatch_gone(d, u.conference, u.server);

	mem_deref(reply);
}


static void down_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	struct dispatch *d = arg;
	char name[NAME_SERVER_MAX];
	(void)subject;

	if (name_valid((const char *)buf, len, sizeof(name))) {
		memcpy(name, buf, len);
		name[len] = '\0';
		dispatch_server_down(d, name);
	}

	mem_deref(reply);
}


static void banks_destructor(void *arg)
{
	struct banks *b = arg;
	size_t i;

	tmr_cancel(&b->tmr);
	mem_deref(b->watch);
	for (i=0; i<ARRAY_SIZE(b->subv); i++)
		mem_deref(b->subv[i]);
	list_flush(&b->learnedl);
	hash_flush(b->serverh);
	mem_deref(b->serverh);
	mem_deref(b->askh);
	mem_deref(b->tables);
}


/**
 * Become a dispatcher of banks
 *
 * @param d   Dispatcher, being opened
 * @param cfg Bounds and times of the table of banks
 *
 * @return 0 if success
 */
int bank_open(struct dispatch *d, const struct tables_config *cfg)
{
	const struct tables_config tc = {
		.servers_max = BANKS_MAX, .conferences_max = 1,
		.lease_ms = cfg->lease_ms, .contact_ms = cfg->contact_ms,
	};
	struct banks *b;
	int err;

	b = mem_zalloc(sizeof(*b), banks_destructor);
	if (!b)
		return ENOMEM;

	d->banks = b;
	tmr_init(&b->tmr);
	b->where_ms = 500;
	b->place_ms = 5000;
	b->ttl_ms   = 60000;

	err  = tables_alloc(&b->tables, &tc);
	err |= hash_alloc(&b->askh, BUCKETS);
	err |= hash_alloc(&b->serverh, BUCKETS);
	if (err)
		return err;

	d->loading = 1 << WATCH_SERVERS;
	err = bus_kv_watch(&b->watch, d->bus, "banks", ">", banks_handler, d);
	if (!err)
		err = bus_subscribe(&b->subv[0], d->bus, "bank.capacity",
				    capacity_handler, d);
	if (!err)
		err = bus_subscribe(&b->subv[1], d->bus, "bank.conference",
				    gone_handler, d);
	if (!err)
		err = bus_subscribe(&b->subv[2], d->bus, "bank.down",
				    down_handler, d);

	return err;
}
