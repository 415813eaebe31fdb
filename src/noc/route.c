/**
 * @file route.c  The whole answer to a join for a known conference
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "noc/route.h"


struct route {
	struct tables *tables;
	struct ticket_key *key;
	uint32_t ticket_s;         /* atomic; a ticket's life [s]           */
	route_wake_h *h;
	void *arg;
};


static void route_destructor(void *arg)
{
	struct route *r = arg;

	mem_deref(r->tables);
	mem_deref(r->key);
}


/**
 * Make a route
 *
 * @param rp       Pointer to the route, owned by the caller; no other thread
 *                 may use it any more when it is released
 * @param tables   Tables, referenced
 * @param key      Key of the NOC, referenced
 * @param ticket_s How long tickets are good [s]
 * @param h        Called in any thread when joins begin to wait
 * @param arg      Handler argument
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int route_alloc(struct route **rp, struct tables *tables,
		struct ticket_key *key, uint32_t ticket_s,
		route_wake_h *h, void *arg)
{
	struct route *r;

	if (!rp || !tables || !key || !ticket_s)
		return EINVAL;

	r = mem_zalloc(sizeof(*r), route_destructor);
	if (!r)
		return ENOMEM;

	r->tables   = mem_ref(tables);
	r->key      = mem_ref(key);
	r->ticket_s = ticket_s;
	r->h        = h;
	r->arg      = arg;
	*rp = r;

	return 0;
}


/**
 * Change how long tickets are good
 *
 * @param r        Route
 * @param ticket_s Time [s]
 */
void route_ticket_set(struct route *r, uint32_t ticket_s)
{
	if (r && ticket_s)
		__atomic_store_n(&r->ticket_s, ticket_s, __ATOMIC_RELAXED);
}


/**
 * Of the addresses of a server, choose one that a client can reach. Safe in
 * any thread.
 *
 * @param cr   Where to; its contact becomes the one of that family, if there
 *             is one
 * @param ipv6 The client came by IPv6
 */
void route_family(struct conf_route *cr, bool ipv6)
{
	if (!cr->other[0] || ipv6 != (cr->other[0] == '['))
		return;

	memcpy(cr->contact, cr->other, sizeof(cr->contact));
	cr->contactlen = strlen(cr->contact);
	cr->other[0] = '\0';
}


/**
 * Write the URI that sends a client to a server, with a fresh ticket. Safe in
 * any thread.
 *
 * @param r       Route
 * @param j       Who comes, within the bounds of noc/client.h
 * @param cr      Where to
 * @param contact Set to the URI, not zero-terminated
 * @param sz      Its size, NAME_URI_MAX is enough [bytes]
 * @param len     Length of the URI [bytes]
 *
 * @return 0 if success; EINVAL; EOVERFLOW
 */
int route_contact(const struct route *r, const struct willcall_join *j,
		  const struct conf_route *cr,
		  char *contact, size_t sz, size_t *len)
{
	const struct ticket t = {
		j->conference, j->conferencelen, j->account, j->accountlen,
		j->user, j->userlen, cr->server, cr->serverlen,
		(uint32_t)time(NULL) +
			__atomic_load_n(&r->ticket_s, __ATOMIC_RELAXED),
	};
	char text[CLIENT_TICKET_MAX];
	size_t n;
	int err;

	err = ticket_make(r->key, &t, text, sizeof(text), &n);
	if (err)
		return err;

	return name_uri(contact, sz, len, j->conference, j->conferencelen,
			cr->contact, cr->contactlen, text, n);
}


/**
 * Answer a join for a known conference. Safe in any thread.
 *
 * @param r       Route
 * @param j       Who comes; checked here
 * @param ipv6    The client came by IPv6
 * @param contact Set to the URI with a fresh ticket, not zero-terminated
 * @param sz      Its size, NAME_URI_MAX is enough [bytes]
 * @param len     Length of the URI [bytes]
 *
 * @return 0 if success; ENOENT if the conference is not known; ENOSPC if its
 *         server is full; EINVAL; EOVERFLOW
 */
int route_lookup(struct route *r, const struct willcall_join *j, bool ipv6,
		 char *contact, size_t sz, size_t *len)
{
	struct conf_route cr;
	int err;

	if (!r || !j || !contact || !len || j->userlen >= CLIENT_USER_MAX ||
	    j->accountlen >= CLIENT_ACCOUNT_MAX ||
	    !name_valid(j->conference, j->conferencelen,
			CLIENT_CONFERENCE_MAX))
		return EINVAL;

	err = tables_lookup(r->tables, j->conference, j->conferencelen, j,
			    tmr_jiffies(), &cr);
	if (err)
		return err;

	if (cr.wake && r->h)
		r->h(r->arg);

	route_family(&cr, ipv6);

	return route_contact(r, j, &cr, contact, sz, len);
}
