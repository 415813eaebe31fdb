/**
 * @file join.c  A join is answered: redirected, turned away, or kept waiting
 *               until a server is found (pending.c)
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/log.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "noc/route.h"
#include "dispatch/dispatch.h"


/**
 * Turn a client away
 *
 * @param d      Dispatch
 * @param cl     Client
 * @param scode  SIP status
 * @param reason Reason phrase
 */
void dispatch_reject(struct dispatch *d, struct client *cl, uint16_t scode,
		     const char *reason)
{
	const struct join *join = client_join(cl);
	const struct dispatch_event de = {
		.conference = join->conference, .user = join->user,
		.reason = reason, .scode = scode,
	};

	++d->countv[COUNT_REJECTED];
	dispatch_fire(d, "dispatch.rejected", join->callid, &de);
	(void)client_reject(cl, scode, reason);
}


/**
 * Turn a client away because of an error, with a reason that a caller may
 * read; 480 and 503 say: try again later
 *
 * @param d   Dispatch
 * @param cl  Client
 * @param err Error
 */
void join_reject(struct dispatch *d, struct client *cl, int err)
{
	switch (err) {

	case ENOSPC:
		++d->countv[COUNT_NO_CAPACITY];
		dispatch_reject(d, cl, 480, "No room, try again later");
		break;

	case ENOENT:
		++d->countv[COUNT_NO_SERVER];
		dispatch_reject(d, cl, 503, "No media server in service");
		break;

	case ENOTSUP:
		dispatch_reject(d, cl, 488, "No server has such media");
		break;

	default:
		log_event(LOG_WARN, "dispatch", client_join(cl)->callid,
			  "cannot find a server for %s: %s",
			  client_join(cl)->conference, strerror(err));
		dispatch_reject(d, cl, 503, "Cannot reach a media server");
		break;
	}
}


/**
 * A join as the bus tells it
 *
 * @param join Join, whose strings are borrowed
 *
 * @return The same for the will-call list
 */
struct willcall_join join_willcall(const struct join *join)
{
	return (struct willcall_join){
		join->conference, str_len(join->conference),
		join->user, str_len(join->user),
		join->account, str_len(join->account), join->media
	};
}


/**
 * Did a client come by IPv6? Then it may reach nothing else.
 *
 * @param join Its join
 *
 * @return True if so
 */
bool join_ipv6(const struct join *join)
{
	return sa_af(&join->src) == AF_INET6 &&
		!IN6_IS_ADDR_V4MAPPED(&join->src.u.in6.sin6_addr);
}


static void redirect(struct dispatch *d, struct client *cl,
		     char *uri, size_t n)
{
	const struct join *join = client_join(cl);

	uri[n] = '\0';
	++d->countv[COUNT_REDIRECTED];
	if (log_trace_wanted("dispatch"))
		log_trace("dispatch", join->callid, "%s to %.*s", join->user,
			  (int)strcspn(uri, ";"), uri);
	(void)client_dispatch(cl, uri);
}


/**
 * Redirect a client to the place that was reserved
 *
 * @param d  Dispatch
 * @param cl Client
 * @param cr Where to
 */
void join_send(struct dispatch *d, struct client *cl,
	       const struct conf_route *cr)
{
	const struct willcall_join j = join_willcall(client_join(cl));
	struct conf_route to = *cr;
	char uri[NAME_URI_MAX + 1];
	size_t n;
	int err;

	route_family(&to, join_ipv6(client_join(cl)));
	err = route_contact(d->route, &j, &to, uri, sizeof(uri) - 1, &n);
	if (err)
		join_reject(d, cl, err);
	else
		redirect(d, cl, uri, n);
}


static void join_hold(struct dispatch *d, const struct join *join)
{
	const int err = held_add(d, join);

	if (err == EOVERFLOW)
		dispatch_reject(d, join->client, 503,
				"Too many wait, try again later");
	else if (err)
		join_reject(d, join->client, err);
}


/* A known conference whose server seems full, and cannot be asked: nobody has
   told of those who left since the bus went. It counts for itself. */
static void join_anyway(struct dispatch *d, const struct join *join)
{
	struct conf_route cr;
	int err;

	err = tables_lookup(d->tables, join->conference,
			    strlen(join->conference), NULL, tmr_jiffies(),
			    &cr);
	if (err)
		join_reject(d, join->client, err);
	else
		join_send(d, join->client, &cr);
}


/**
 * Find a server for a join that the tables cannot answer
 *
 * @param d    Dispatch
 * @param join Join
 * @param full The conference is known, but its server seems full
 */
void join_find(struct dispatch *d, const struct join *join, bool full)
{
	if (d->banks && !full)
		bank_join(d, join, false);
	else
		pending_join(d, join, full);
}


/**
 * Answer a join with a name that can be: at once, or when a server is found
 *
 * @param d    Dispatch
 * @param join Join
 */
void join_answer(struct dispatch *d, const struct join *join)
{
	const struct willcall_join j = join_willcall(join);
	char uri[NAME_URI_MAX + 1];
	size_t n;
	int err;

	err = route_lookup(d->route, &j, join_ipv6(join), uri, sizeof(uri) - 1,
			   &n);

	if (!err)
		redirect(d, join->client, uri, n);
	else if (err == ENOSPC && d->degraded)
		join_anyway(d, join);
	else if (err == ENOENT && held_orphan(d, j.conference))
		join_hold(d, join);
	else if (err == ENOENT || err == ENOSPC)
		join_find(d, join, err == ENOSPC);
	else
		join_reject(d, join->client, err);
}


/**
 * Answer a join, now or later
 *
 * @param d    Dispatch
 * @param join Join; its client's copy is used once it has to wait
 *
 * @return True: it is answered by us
 */
bool dispatch_join(struct dispatch *d, const struct join *join)
{
	const size_t len = str_len(join->conference);

	++d->countv[COUNT_JOINS];

	if (!len)
		dispatch_reject(d, join->client, 404,
				"Say which conference: sip:NAME@...");
	else if (!name_valid(join->conference, len, CLIENT_CONFERENCE_MAX))
		dispatch_reject(d, join->client, 400, "Bad conference name");
	else if (d->conf.paused)
		dispatch_reject(d, join->client, 503,
				"Dispatch is paused, try again later");
	else if (d->loading)
		join_hold(d, join);
	else
		join_answer(d, join);

	return true;
}
