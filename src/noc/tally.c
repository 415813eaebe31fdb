/**
 * @file tally.c  Participants of conferences: are the tables right?
 *
 * Servers tell whenever somebody comes or goes, and of what was missed only
 * the sum. As long as it differs from ours, some of the numbers are wrong.
 * Main thread only.
 */
#include <string.h>
#include <pthread.h>
#include <re.h>
#include "server/siphash.h"
#include "noc/client.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "noc/tables_int.h"


/**
 * The participants of a conference have been counted
 *
 * @param c Conference
 * @param t Its tables
 * @param n Participants now
 */
void conf_counted(struct noc_conf *c, const struct tables *t, uint32_t n)
{
	struct noc_server *s = c->server;

	s->tally -= wire_tally(c->name, c->namelen, c->participants);
	s->tally += wire_tally(c->name, c->namelen, n);
	c->participants = n;
	c->round = t->round;
}


/**
 * Do we know the participants that a server had when it reported last?
 *
 * @param t      Tables
 * @param server Name of the server
 *
 * @return True if so, or if it is not known or does not say
 */
bool tables_tally_same(const struct tables *t, const char *server)
{
	const struct noc_server *s = t && server ? server_find(t, server)
		: NULL;

	return !s || !s->report.tally || s->report.tally == s->tally;
}


/**
 * All conferences of a server are about to be counted
 *
 * @param t Tables
 *
 * @return Number of this count
 */
uint32_t tables_recount_begin(struct tables *t)
{
	return t ? ++t->round : 0;
}


/**
 * All conferences of a server have been counted: in those that it was silent
 * about is nobody
 *
 * @param t      Tables
 * @param server Name of the server
 * @param round  Number of the count
 */
void tables_recount_end(struct tables *t, const char *server, uint32_t round)
{
	const struct noc_server *s = t && server ? server_find(t, server)
		: NULL;
	size_t i;

	for (i=0; s && i<t->bucketc; i++) {
		struct noc_conf *c;

		for (c = t->bucketv[i]; c; c = c->next) {
			if (c->server == s && c->participants &&
			    (int32_t)(c->round - round) < 0)
				conf_counted(c, t, 0);
		}
	}
}
