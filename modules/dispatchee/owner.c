/**
 * @file owner.c  Servers that claim conferences, and where clients reach them
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/ticket.h"
#include "dispatchee/dispatchee.h"


enum {
	OWNERS_MAX  = 4096,
	TICKET_LIFE = 30,          /* of a client that is sent on [s]       */
};


static void owner_destructor(void *arg)
{
	struct owner *o = arg;

	list_unlink(&o->le);
}


/**
 * Get the entry of a server
 *
 * @param op   Set to it, borrowed
 * @param d    Dispatchee
 * @param name Server
 *
 * @return 0 if success; ENOSPC if there are too many; ENOMEM
 */
int owner_get(struct owner **op, struct dispatchee *d, const char *name)
{
	struct owner *o;
	struct le *le;

	LIST_FOREACH(&d->ownerl, le) {
		o = le->data;
		if (!strcmp(o->name, name)) {
			*op = o;
			return 0;
		}
	}

	if (list_count(&d->ownerl) >= OWNERS_MAX)
		return ENOSPC;

	o = mem_zalloc(sizeof(*o), owner_destructor);
	if (!o)
		return ENOMEM;

	str_ncpy(o->name, name, sizeof(o->name));
	list_append(&d->ownerl, &o->le, o);
	*op = o;

	return 0;
}


/**
 * Tell all servers that claim conferences, or may
 *
 * @param d   Dispatchee
 * @param h   Called for each
 * @param arg Handler argument
 */
void owner_each(const struct dispatchee *d, owner_each_h *h, void *arg)
{
	struct le *le;

	LIST_FOREACH(&d->ownerl, le)
		h(((const struct owner *)le->data)->name, arg);
}


static void server_handler(const char *key, uint64_t rev, const uint8_t *buf,
			   size_t len, void *arg)
{
	struct dispatchee *d = arg;
	struct wire_server ws;
	struct owner *o;
	(void)rev;

	/* who is gone keeps its contact: its conferences move on anyway */
	if (!key || !buf || wire_server_decode(&ws, buf, len))
		return;

	if (owner_get(&o, d, ws.name))
		return;

	str_ncpy(o->contact, ws.contact, sizeof(o->contact));
	str_ncpy(o->other, ws.other, sizeof(o->other));
}


/**
 * Follow where servers are reached
 *
 * @param d Dispatchee
 *
 * @return 0 if success
 */
int owner_watch(struct dispatchee *d)
{
	int err;

	err = owner_get(&d->self, d, d->report.name);
	if (err)
		return err;

	return bus_kv_watch(&d->server_watch, d->bus, "servers", ">",
			    server_handler, d);
}


/**
 * Where clients reach this server
 *
 * @param d Dispatchee
 *
 * @return Contact (borrowed)
 */
const char *owner_contact(const struct dispatchee *d)
{
	return d->report.contact;
}


/**
 * A server has said where clients reach it. What it tells everybody is newer
 *
 * @param d       Dispatchee
 * @param server  Its name
 * @param contact host:port
 */
void owner_met(struct dispatchee *d, const char *server, const char *contact)
{
	struct owner *o;

	if (name_contact_valid(contact, str_len(contact)) &&
	    !owner_get(&o, d, server) && !o->contact[0])
		str_ncpy(o->contact, contact, sizeof(o->contact));
}


static int uri_make(struct dispatchee *d, const char *server,
		    const struct willcall_join *j, bool ipv6, char *uri,
		    size_t sz)
{
	const struct ticket t = {
		.conference = j->conference,
		.conferencelen = j->conferencelen,
		.account = j->account, .accountlen = j->accountlen,
		.user = j->user, .userlen = j->userlen,
		.server = server, .serverlen = strlen(server),
		.expires = (uint32_t)time(NULL) + TICKET_LIFE,
	};
	char text[CLIENT_TICKET_MAX];
	const char *contact;
	struct owner *o;
	size_t n;
	int err;

	err = owner_get(&o, d, server);
	if (err)
		return err;

	if (!o->contact[0])
		return ENOENT;

	contact = o->other[0] && ipv6 == (o->other[0] == '[') ? o->other
							       : o->contact;

	err = ticket_make(d->key, &t, text, sizeof(text), &n);
	if (err)
		return err;

	err = name_uri(uri, sz - 1, &n, t.conference, t.conferencelen,
		       contact, strlen(contact), text, n);
	if (err)
		return err;

	uri[n] = '\0';

	return 0;
}


/**
 * Where a client is to call a conference of another server, with a fresh
 * ticket
 *
 * @param d      Dispatchee
 * @param server Server of the conference
 * @param j      Who calls
 * @param uri    Set to the URI
 * @param sz     Its size, NAME_URI_MAX + 1 is enough [bytes]
 *
 * @return 0 if success; ENOENT if nobody knows where that server is
 */
int owner_uri(struct dispatchee *d, const char *server,
	      const struct willcall_join *j, char *uri, size_t sz)
{
	return uri_make(d, server, j, false, uri, sz);
}


/**
 * Send a client that came here rightly on to where its conference is now
 *
 * @param d       Dispatchee
 * @param o       Server of the conference
 * @param join    Its join
 * @param account Account that it was sent with
 *
 * @return 0 if success; ENOENT if nobody knows where that server is
 */
int owner_redirect(struct dispatchee *d, const struct owner *o,
		   const struct join *join, const char *account)
{
	const struct willcall_join j = {
		join->conference, str_len(join->conference),
		join->user, str_len(join->user),
		account, str_len(account), join->media
	};
	const bool ipv6 = sa_af(&join->src) == AF_INET6 &&
		!IN6_IS_ADDR_V4MAPPED(&join->src.u.in6.sin6_addr);
	char uri[NAME_URI_MAX + 1];
	int err;

	err = uri_make(d, o->name, &j, ipv6, uri, sizeof(uri));
	if (err)
		return err;

	++d->countv[SENT_ON];
	log_trace("dispatchee", join->callid, "%s is sent on to %s",
		  join->user, o->name);

	return client_dispatch(join->client, uri);
}
