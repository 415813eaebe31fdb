/**
 * @file learned.c  What banks have told, in the tables of a dispatcher that
 *                  knows no media servers itself
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


/* Which bank has a media server */
struct banked {
	struct le he;
	char server[NAME_SERVER_MAX];
	char bank[NAME_SERVER_MAX];
};

/* A conference in the tables, with its time */
struct learned {
	struct le le;
	uint64_t until;            /* [ms]                                  */
	char name[];
};


static bool banked_cmp(struct le *le, void *arg)
{
	const struct banked *b = le->data;

	return !strcmp(b->server, arg);
}


static void banked_destructor(void *arg)
{
	struct banked *b = arg;

	hash_unlink(&b->he);
}


static struct banked *banked_find(const struct dispatch *d, const char *server)
{
	return list_ledata(hash_lookup(d->banks->serverh,
				       hash_joaat_str(server), banked_cmp,
				       (void *)server));
}


static int banked_set(struct dispatch *d, const char *server,
		      const char *bank)
{
	struct banked *b = banked_find(d, server);

	if (!b) {
		b = mem_zalloc(sizeof(*b), banked_destructor);
		if (!b)
			return ENOMEM;
		str_ncpy(b->server, server, sizeof(b->server));
		hash_append(d->banks->serverh, hash_joaat_str(server),
			    &b->he, b);
	}

	str_ncpy(b->bank, bank, sizeof(b->bank));

	return 0;
}


/**
 * Subject on which a media server is asked for places
 *
 * @param d       Dispatcher
 * @param server  Media server
 * @param subject Set
 * @param sz      Its size [bytes]
 *
 * @return 0 if success; ENOENT if its bank is not known; EOVERFLOW
 */
int dispatch_subject(const struct dispatch *d, const char *server,
		     char *subject, size_t sz)
{
	char key[NAME_KEY_MAX], bkey[NAME_KEY_MAX];
	const struct banked *b;
	int err;

	err = name_key(key, sizeof(key), server, strlen(server));
	if (err)
		return err;

	if (!d->banks)
		return re_snprintf(subject, sz, "server.%s.reserve", key) < 0 ?
			EOVERFLOW : 0;

	b = banked_find(d, server);
	if (!b)
		return ENOENT;

	err = name_key(bkey, sizeof(bkey), b->bank, strlen(b->bank));
	if (err)
		return err;

	return re_snprintf(subject, sz, "bank.%s.reserve.%s", bkey, key) < 0 ?
		EOVERFLOW : 0;
}


static void learned_destructor(void *arg)
{
	struct learned *l = arg;

	list_unlink(&l->le);
}


/* Learned again if it is asked for again */
static void forget_handler(void *arg)
{
	const uint64_t now = tmr_jiffies();
	struct dispatch *d = arg;
	struct le *le;

	while ((le = list_head(&d->banks->learnedl))) {
		struct learned *l = le->data;

		if (l->until > now) {
			tmr_start(&d->banks->tmr, l->until - now,
				  forget_handler, d);
			break;
		}

		(void)tables_conf_del(d->tables, l->name, strlen(l->name),
				      NULL);
		mem_deref(l);
	}
}


/**
 * A bank has told where a conference is: so it is in our tables for a while
 *
 * @param d       Dispatcher of banks
 * @param name    Conference
 * @param namelen Its length [bytes]
 * @param bank    Bank
 * @param wp      What it told
 *
 * @return 0 if success; ENOMEM; as of the tables
 */
int bank_learn(struct dispatch *d, const char *name, size_t namelen,
	       const char *bank, const struct wire_place *wp)
{
	struct wire_server ws = {
		.state = CAPACITY_IN_SERVICE, .media = MEDIA_AUDIO,
		.capacity = wp->room, .unused = wp->room,
		.seq = wp->roomseq,
	};
	struct learned *l;
	int err;

	str_ncpy(ws.name, wp->server, sizeof(ws.name));
	str_ncpy(ws.contact, wp->contact, sizeof(ws.contact));
	str_ncpy(ws.other, wp->other, sizeof(ws.other));
	err = tables_server_report(d->tables, &ws, tmr_jiffies());
	if (err && err != ESTALE)
		return err;

	err = banked_set(d, wp->server, bank);
	if (err)
		return err;

	err = tables_conf_set(d->tables, name, namelen, wp->server);
	if (err)
		return err;

	l = mem_zalloc(sizeof(*l) + namelen + 1, learned_destructor);
	if (!l)
		return ENOMEM;

	memcpy(l->name, name, namelen);
	l->until = tmr_jiffies() + d->banks->ttl_ms;
	if (list_isempty(&d->banks->learnedl))
		tmr_start(&d->banks->tmr, d->banks->ttl_ms, forget_handler,
			  d);
	list_append(&d->banks->learnedl, &l->le, l);

	return 0;
}
