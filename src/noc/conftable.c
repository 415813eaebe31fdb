/**
 * @file conftable.c  The conference table: where a conference runs
 */
#include <string.h>
#include <pthread.h>
#include <re.h>
#include "server/siphash.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "noc/tables_int.h"


static void tables_destructor(void *arg)
{
	struct tables *t = arg;
	size_t i;

	for (i=0; t->bucketv && i<t->bucketc; i++) {

		while (t->bucketv[i]) {
			struct noc_conf *c = t->bucketv[i];

			t->bucketv[i] = c->next;
			mem_deref(c);
		}
	}

	list_flush(&t->serverl);
	mem_deref(t->bucketv);
	mem_deref(t->spare);
	if (t->lock)
		pthread_mutex_destroy(t->lock);
	mem_deref(t->lock);
}


/**
 * Make the two tables
 *
 * @param tp  Pointer to the tables, owned by the caller; no other thread may
 *            use them any more when they are released
 * @param cfg Bounds and times, none of them 0
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int tables_alloc(struct tables **tp, const struct tables_config *cfg)
{
	struct tables *t;
	int err = 0;

	if (!tp || !cfg || !cfg->servers_max || !cfg->conferences_max ||
	    cfg->conferences_max > 1 << 24 || !cfg->lease_ms ||
	    !cfg->contact_ms)
		return EINVAL;

	t = mem_zalloc(sizeof(*t), tables_destructor);
	if (!t)
		return ENOMEM;

	t->cfg = *cfg;
	siphash_key_random(&t->hkey);

	/* never grows, so that no lookup ever waits for that */
	t->bucketc = 64;
	while (t->bucketc < cfg->conferences_max)
		t->bucketc *= 2;

	t->bucketv = mem_zalloc(t->bucketc * sizeof(*t->bucketv), NULL);
	t->spare = mem_alloc(PENDING_MAX, NULL);
	if (!t->bucketv || !t->spare) {
		err = ENOMEM;
		goto out;
	}

	t->lock = mem_zalloc(sizeof(*t->lock), NULL);
	if (!t->lock) {
		err = ENOMEM;
		goto out;
	}

	err = pthread_mutex_init(t->lock, NULL);
	if (err)
		t->lock = mem_deref(t->lock);

 out:
	if (err)
		mem_deref(t);
	else
		*tp = t;

	return err;
}


/* Is a conference still where it was said to be? */
static bool conf_believed(const struct tables *t, const struct noc_conf *c,
			  uint64_t now)
{
	const struct noc_server *s = c->server;

	return !s->dead && c->epoch == s->epoch && server_presumed(t, s, now);
}


/* The place that points to the conference, or to NULL where it would be */
static struct noc_conf **conf_find(const struct tables *t, uint64_t hash,
				   const char *name, size_t namelen)
{
	struct noc_conf **cp = &t->bucketv[hash & (t->bucketc - 1)];

	while (*cp) {
		const struct noc_conf *c = *cp;

		if (c->hash == hash && c->namelen == namelen &&
		    !memcmp(c->name, name, namelen))
			break;

		cp = &(*cp)->next;
	}

	return cp;
}


static int conf_add(struct noc_conf **cp, struct tables *t, uint64_t hash,
		    const char *name, size_t namelen, struct noc_server *s)
{
	struct noc_conf *c;

	if (t->confc >= t->cfg.conferences_max)
		return ENOSPC;

	c = mem_alloc(sizeof(*c) + namelen, NULL);
	if (!c)
		return ENOMEM;

	memset(c, 0, sizeof(*c));
	c->hash    = hash;
	c->server  = s;
	c->epoch   = s->epoch;
	c->namelen = (uint32_t)namelen;
	memcpy(c->name, name, namelen);

	pthread_mutex_lock(t->lock);
	*cp = c;
	++s->confs;
	++t->confc;
	pthread_mutex_unlock(t->lock);

	return 0;
}


/**
 * A conference is on a server
 *
 * @param t       Tables
 * @param name    Conference
 * @param namelen Its length [bytes]
 * @param server  Name of the server, which must be known
 *
 * @return 0 if success; ENOENT if the server is not known; ENOSPC if there are
 *         too many conferences; EINVAL; ENOMEM
 */
int tables_conf_set(struct tables *t, const char *name, size_t namelen,
		    const char *server)
{
	struct noc_server *s;
	struct noc_conf **cp;
	uint64_t hash;

	if (!t || !server || !name_valid(name, namelen, CLIENT_CONFERENCE_MAX))
		return EINVAL;

	s = server_find(t, server);
	if (!s)
		return ENOENT;

	hash = siphash(&t->hkey, name, namelen);
	cp = conf_find(t, hash, name, namelen);
	if (!*cp)
		return conf_add(cp, t, hash, name, namelen, s);

	if ((*cp)->server == s && (*cp)->epoch != s->epoch) {
		pthread_mutex_lock(t->lock);
		(*cp)->epoch = s->epoch;
		pthread_mutex_unlock(t->lock);
	}
	else if ((*cp)->server != s) {
		conf_counted(*cp, t, 0);
		pthread_mutex_lock(t->lock);
		--(*cp)->server->confs;
		++s->confs;
		(*cp)->server = s;
		(*cp)->epoch = s->epoch;
		pthread_mutex_unlock(t->lock);
	}

	return 0;
}


/**
 * Participants of a conference have come or gone
 *
 * @param t            Tables
 * @param name         Conference
 * @param namelen      Its length [bytes]
 * @param server       Who says so
 * @param participants Their number now
 *
 * @return 0 if success; ENOENT if the conference is not known to be there
 */
int tables_conf_participants(struct tables *t, const char *name,
			     size_t namelen, const char *server,
			     uint32_t participants)
{
	struct noc_conf *c;

	if (!t || !name || !server)
		return EINVAL;

	c = *conf_find(t, siphash(&t->hkey, name, namelen), name, namelen);
	if (!c || strcmp(c->server->report.name, server))
		return ENOENT;

	conf_counted(c, t, participants);

	return 0;
}


/**
 * A conference has ended
 *
 * @param t       Tables
 * @param name    Conference
 * @param namelen Its length [bytes]
 * @param server  Only if it is there, or NULL: wherever
 *
 * @return True if it was in the table
 */
bool tables_conf_del(struct tables *t, const char *name, size_t namelen,
		     const char *server)
{
	struct noc_conf **cp, *c;

	if (!t || !name)
		return false;

	cp = conf_find(t, siphash(&t->hkey, name, namelen), name, namelen);
	c = *cp;
	if (!c || (server && strcmp(c->server->report.name, server)))
		return false;

	conf_counted(c, t, 0);
	pthread_mutex_lock(t->lock);
	*cp = c->next;
	--c->server->confs;
	--t->confc;
	pthread_mutex_unlock(t->lock);

	mem_deref(c);

	return true;
}


/**
 * Which server has a conference, whether or not it is in contact?
 *
 * @param t       Tables
 * @param name    Conference
 * @param namelen Its length [bytes]
 *
 * @return Name of the server, as long as the conference stays there; NULL if
 *         it is not known
 */
const char *tables_conf_server(const struct tables *t, const char *name,
			       size_t namelen)
{
	const struct noc_conf *c;

	if (!t || !name)
		return NULL;

	c = *conf_find(t, siphash(&t->hkey, name, namelen), name, namelen);

	return c ? c->server->report.name : NULL;
}


/**
 * Is a conference known, but its server not heard of lately, although others
 * are?
 *
 * @param t       Tables
 * @param name    Conference
 * @param namelen Its length [bytes]
 * @param now     Time [ms]
 *
 * @return True if so
 */
bool tables_conf_orphan(const struct tables *t, const char *name,
			size_t namelen, uint64_t now)
{
	const struct noc_conf *c;

	if (!t || !name)
		return false;

	c = *conf_find(t, siphash(&t->hkey, name, namelen), name, namelen);

	return c && !conf_believed(t, c, now);
}


/**
 * Number of conferences in the table
 *
 * @param t Tables
 *
 * @return Number
 */
uint32_t tables_conf_count(const struct tables *t)
{
	return t ? t->confc : 0;
}


/**
 * Tell every row of the conference table
 *
 * @param t   Tables
 * @param h   Called for every conference; must not change the tables
 * @param arg Handler argument
 */
void tables_confs(const struct tables *t, tables_conf_h *h, void *arg)
{
	size_t i;

	for (i=0; t && h && i<t->bucketc; i++) {
		const struct noc_conf *c;

		for (c = t->bucketv[i]; c; c = c->next)
			h(c->name, c->namelen, c->server->report.name,
			  c->server->report.contact, c->participants, arg);
	}
}


/* Joins that find no room here come with a ticket only. */
static void pend(struct tables *t, struct noc_server *s,
		 const struct willcall_join *join, struct conf_route *route)
{
	size_t len;

	if (s->pendc >= WIRE_JOINS_MAX ||
	    wire_join_encode(s->pend + s->pendlen, PENDING_MAX - s->pendlen,
			     &len, join))
		return;

	s->pendlen += len;
	++s->pendc;

	route->wake = !t->woken;
	t->woken = true;
}


/**
 * Where is a conference that is known to run, and whose server has room?
 * Reserves a place and puts the join on the list that tables_handover hands to
 * the server. Safe in any thread; allocates nothing.
 *
 * @param t       Tables
 * @param name    Conference
 * @param namelen Its length [bytes]
 * @param join    Who comes; NULL: only asks, nothing is reserved
 * @param now     Time [ms]
 * @param route   Set if success
 *
 * @return 0 if success; ENOENT if it is not known, or its server out of
 *         contact (while others are in contact) or service; ENOSPC if its
 *         server is full; EINVAL
 */
int tables_lookup(struct tables *t, const char *name, size_t namelen,
		  const struct willcall_join *join, uint64_t now,
		  struct conf_route *route)
{
	const struct noc_conf *c;
	struct noc_server *s;
	uint64_t hash;
	int err = 0;

	if (!t || !name || !route)
		return EINVAL;

	hash = siphash(&t->hkey, name, namelen);

	pthread_mutex_lock(t->lock);

	c = *conf_find(t, hash, name, namelen);
	s = c ? c->server : NULL;

	if (!s || s->report.state == CAPACITY_OUT ||
	    !conf_believed(t, c, now)) {
		err = ENOENT;
	}
	else if (join && !server_left(t, s, now)) {
		err = ENOSPC;
	}
	else {
		server_route(s, route);
		if (join) {
			leases_add(&s->leases, t, now);
			pend(t, s, join, route);
		}
	}

	pthread_mutex_unlock(t->lock);

	return err;
}


/**
 * Hand over the joins that lookups have put on the servers' lists
 *
 * @param t   Tables
 * @param h   Called for every server with new joins: they are encoded as
 *            wire_join_encode does, and valid until it returns
 * @param arg Handler argument
 */
void tables_handover(struct tables *t, tables_handover_h *h, void *arg)
{
	struct le *le;

	if (!t || !h)
		return;

	pthread_mutex_lock(t->lock);
	t->woken = false;
	pthread_mutex_unlock(t->lock);

	LIST_FOREACH(&t->serverl, le) {
		struct noc_server *s = le->data;
		uint8_t *buf;
		unsigned n;
		size_t len;

		pthread_mutex_lock(t->lock);
		buf = s->pend;
		len = s->pendlen;
		n   = s->pendc;
		s->pend = t->spare;
		s->pendlen = 0;
		s->pendc = 0;
		pthread_mutex_unlock(t->lock);

		t->spare = buf;

		if (n)
			h(s->report.name, buf, len, n, arg);
	}
}
