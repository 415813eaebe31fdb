/**
 * @file recount.c  Participants that we were not told of
 *
 *   report: another sum than ours -> the next one, too: server.NAME.counts
 *                                    <- conferences and their participants
 *                                    ... until it was all, or the sums agree
 *
 * Who was away from the bus has missed who came and went; so has everybody if
 * the media server was. A single report that differs may only have overtaken
 * what it sums up, or a claim.
 */
#include <string.h>
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
	ANSWER_MS = 3000,
	AGAIN_MIN = 1000,          /* between two counts that change nothing*/
	AGAIN_MAX = 16000,         /* ... longer each time [ms]             */
};

struct recount {
	struct le le;
	struct dispatch *d;
	struct bus_req *req;
	uint32_t from;             /* what the answer begins with           */
	uint32_t round;            /* of the tables                         */
	uint32_t again_ms;
	uint64_t next;             /* not asked before [ms]                 */
	char server[NAME_SERVER_MAX];
};

static int ask(struct recount *rc);


static void destructor(void *arg)
{
	struct recount *rc = arg;

	list_unlink(&rc->le);
	mem_deref(rc->req);
}


static struct recount *find(const struct dispatch *d, const char *server)
{
	struct le *le;

	LIST_FOREACH(&d->recountl, le) {
		struct recount *rc = le->data;

		if (!strcmp(rc->server, server))
			return rc;
	}

	return NULL;
}


static void add(struct dispatch *d, const char *server)
{
	struct recount *rc = mem_zalloc(sizeof(*rc), destructor);

	if (!rc)
		return;

	rc->d = d;
	rc->again_ms = AGAIN_MIN;
	str_ncpy(rc->server, server, sizeof(rc->server));
	list_append(&d->recountl, &rc->le, rc);
}


static void count_handler(const char *name, size_t namelen, uint32_t n,
			  void *arg)
{
	const struct recount *rc = arg;

	/* of what is not in the table, the claim will tell, and then the next
	   report */
	(void)tables_conf_participants(rc->d->tables, name, namelen,
				       rc->server, n);
}


static int answer(struct recount *rc, const uint8_t *buf, size_t len)
{
	struct wire_counts c;
	int err;

	/* nothing of a bad answer is believed */
	err = wire_counts_decode(&c, buf, len, NULL, NULL);
	if (!err && (strcmp(c.server, rc->server) || c.from != rc->from))
		err = EBADMSG;
	if (err)
		return err;

	(void)wire_counts_decode(&c, buf, len, count_handler, rc);
	if (c.next) {
		rc->from = c.next;
		return ask(rc);
	}

	tables_recount_end(rc->d->tables, rc->server, rc->round);

	return 0;
}


static void answer_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct recount *rc = arg;

	if (!err)
		err = answer(rc, buf, len);
	if (err)
		log_event(err == EBADMSG ? LOG_WARN : LOG_INFO, "dispatch",
			  NULL, "server %s does not tell its participants: %s",
			  rc->server, strerror(err));
}


static int ask(struct recount *rc)
{
	struct wire_counts c = { .from = rc->from };
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	str_ncpy(c.server, rc->server, sizeof(c.server));
	err = wire_counts_encode(buf, sizeof(buf), &n, &c);
	if (!err)
		err = name_key(key, sizeof(key), rc->server,
			       strlen(rc->server));
	if (err)
		return err;

	(void)re_snprintf(subject, sizeof(subject), "server.%s.counts", key);

	return bus_request(&rc->req, rc->d->bus, subject, buf, n, ANSWER_MS,
			   answer_handler, rc);
}


static void begin(struct recount *rc, uint64_t now)
{
	rc->from  = 0;
	rc->round = tables_recount_begin(rc->d->tables);
	rc->next  = now + rc->again_ms;
	rc->again_ms = min(2 * rc->again_ms, (uint32_t)AGAIN_MAX);
	++rc->d->countv[COUNT_RECOUNTED];
	(void)ask(rc);
}


/**
 * A server has reported: do we know its participants?
 *
 * @param d      Dispatcher
 * @param server Its name
 */
void recount_look(struct dispatch *d, const char *server)
{
	struct recount *rc = find(d, server);
	const uint64_t now = tmr_jiffies();

	/* without the claims there is nothing to count for */
	if (d->loading)
		return;

	if (tables_tally_same(d->tables, server))
		mem_deref(rc);
	else if (!rc)
		add(d, server);
	else if (!rc->req && now >= rc->next)
		begin(rc, now);
}


/**
 * A server is gone: it need not be asked
 *
 * @param d      Dispatcher
 * @param server Its name
 */
void recount_forget(struct dispatch *d, const char *server)
{
	mem_deref(find(d, server));
}


/**
 * Ask nobody any more
 *
 * @param d Dispatcher
 */
void recount_flush(struct dispatch *d)
{
	list_flush(&d->recountl);
}
