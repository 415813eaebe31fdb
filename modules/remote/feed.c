/**
 * @file feed.c  Events of other servers of the farm, for those who watch
 *
 *   who watches       events.feed {subject, names} to every server, each 5 s
 *   the other server  listens for 15 s from then on, and publishes what is
 *                     wanted on that subject, sealed
 *
 * So nothing goes over the bus as long as nobody watches, and a watcher that
 * dies is forgotten. What a server sends a watcher is bounded, too.
 */
#include <string.h>
#include <re.h>
#include "server/event.h"
#include "server/offers.h"
#include "server/server.h"
#include "server/service.h"
#include "bus/bus.h"
#include "heartbeat/heartbeat.h"
#include "noc/seal.h"
#include "remote/feed.h"
#include "remote/forward_int.h"


enum {
	ASK_MS    = 5000,
	LIFE_MS   = 15000,
	SOURCES   = 16,            /* feeds that a server sends at a time   */
	RATE      = 500,           /* events a second in one of them        */
	SUBJECT_LEN = 6 + 16,      /* "watch." and hex digits               */
	ANSWER_MS = 2000,
};

/* Of who watches */
struct feed {
	struct forward *f;
	struct bus_sub *sub;
	struct tmr tmr;
	struct odict *args;
	feed_h *h;
	void *arg;
	char subject[SUBJECT_LEN + 1];
};

/* Of a server whose events are watched */
struct source {
	struct le le;
	struct forward *f;
	struct listener *listener;
	struct tmr tmr;
	struct event_filter filter;
	uint64_t second;           /* that is counted [s]                   */
	unsigned n;                /* events in it                          */
	char subject[SUBJECT_LEN + 1];
};


/**
 * Read the names of events
 *
 * @param ef    Filter
 * @param names Names with commas between, or NULL: all events
 *
 * @return 0 if success; EOVERFLOW
 */
int event_filter_decode(struct event_filter *ef, const char *names)
{
	struct pl rest;
	int err = 0;

	ef->namec = 0;
	pl_set_str(&rest, names ? names : "");

	while (!err && rest.l) {

		const char *comma = memchr(rest.p, ',', rest.l);
		struct pl pl = rest;

		if (comma)
			pl.l = (size_t)(comma - rest.p);
		pl_advance(&rest, (ssize_t)pl.l + (comma ? 1 : 0));
		if (!pl.l)
			continue;

		if (ef->namec >= FILTER_NAMES || pl.l >= FILTER_NAME_SIZE)
			return EOVERFLOW;

		err = pl_strcpy(&pl, ef->namev[ef->namec++],
				FILTER_NAME_SIZE);
	}

	return err;
}


/**
 * Is an event wanted?
 *
 * @param ef   Filter
 * @param name Name of the event
 *
 * @return True if so
 */
bool event_filter_match(const struct event_filter *ef, const char *name)
{
	size_t i;

	for (i=0; i<ef->namec; i++) {
		const size_t len = strlen(ef->namev[i]);

		if (len && ef->namev[i][len - 1] == '*'
		    ? !strncmp(ef->namev[i], name, len - 1)
		    : !strcmp(ef->namev[i], name))
			return true;
	}

	return !ef->namec;
}


static void source_destructor(void *arg)
{
	struct source *s = arg;

	tmr_cancel(&s->tmr);
	list_unlink(&s->le);
	mem_deref(s->listener);
}


static void over_handler(void *arg)
{
	mem_deref(arg);
}


static bool within_rate(struct source *s)
{
	const uint64_t second = tmr_jiffies() / 1000;

	if (s->second != second) {
		s->second = second;
		s->n = 0;
	}

	return s->n++ < RATE;
}


static bool event_handler(const struct event *ev, void *arg)
{
	struct source *s = arg;
	struct odict *od = NULL;
	uint8_t *buf = NULL;
	size_t n;
	int err;

	if (!event_filter_match(&s->filter, ev->name) || !within_rate(s))
		return false;

	err = event_odict(&od, ev);
	if (!err && !odict_lookup(od, "origin"))
		err = odict_entry_add(od, "origin", ODICT_STRING,
				      server_name(s->f->srv));
	if (!err)
		err = seal_odict(&buf, &n, s->f->key, s->subject, od);
	if (!err)
		(void)bus_publish(s->f->bus, s->subject, buf, n);

	mem_deref(buf);
	mem_deref(od);

	return false;
}


static bool subject_valid(const char *s)
{
	return s && strlen(s) == SUBJECT_LEN && !strncmp(s, "watch.", 6) &&
		!s[6 + strspn(s + 6, "0123456789abcdef")];
}


static struct source *source_find(const struct forward *f,
				  const char *subject)
{
	struct le *le;

	LIST_FOREACH(&f->sourcel, le) {
		struct source *s = le->data;

		if (!strcmp(s->subject, subject))
			return s;
	}

	return NULL;
}


static int source_add(struct source **sp, struct forward *f,
		      const char *subject, const char *names)
{
	struct source *s;
	int err;

	if (list_count(&f->sourcel) >= SOURCES)
		return EAGAIN;

	s = mem_zalloc(sizeof(*s), source_destructor);
	if (!s)
		return ENOMEM;

	s->f = f;
	str_ncpy(s->subject, subject, sizeof(s->subject));
	err = event_filter_decode(&s->filter, names);
	if (!err)
		err = event_listen(&s->listener, server_events(f->srv), "*",
				   EVENT_PRIO_LOG, event_handler, s);
	if (err) {
		mem_deref(s);
		return err;
	}

	list_append(&f->sourcel, &s->le, s);
	*sp = s;

	return 0;
}


static void feed_command(struct command_req *req, const struct odict *args,
			 void *arg)
{
	const char *subject = odict_string(args, "subject");
	struct forward *f = arg;
	struct source *s;
	int err = 0;

	if (!subject_valid(subject)) {
		command_fail(req, EINVAL, "for other servers only");
		return;
	}

	s = source_find(f, subject);
	if (!s)
		err = source_add(&s, f, subject, odict_string(args, "names"));
	if (err) {
		command_fail(req, err, "%m", err);
		return;
	}

	tmr_start(&s->tmr, LIFE_MS, over_handler, s);
	command_ok(req, NULL);
}


static void feed_destructor(void *arg)
{
	struct feed *fe = arg;

	tmr_cancel(&fe->tmr);
	mem_deref(fe->sub);
	mem_deref(fe->args);
}


static void heard_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	struct feed *fe = arg;
	struct odict *od = NULL;

	mem_deref(reply);
	if (!seal_open(&od, fe->f->key, subject, buf, len))
		fe->h(od, fe->arg);
	mem_deref(od);
}


static void ignore_handler(int err, const char *reason,
			   const struct odict *result, void *arg)
{
	(void)err;
	(void)reason;
	(void)result;
	(void)arg;
}


static void node_ask(const struct node_info *ni, void *arg)
{
	struct feed *fe = arg;

	if (!ni->self && ni->state == NODE_UP)
		(void)forward_run(fe->f, ni->record->name, "events.feed",
				  fe->args, true, ANSWER_MS, ignore_handler,
				  NULL);
}


static void ask_handler(void *arg)
{
	const struct heartbeat_api *hb;
	struct feed *fe = arg;

	hb = service_api(fe->f->srv, "heartbeat");
	if (hb)
		hb->apply(hb->hb, node_ask, fe);
	tmr_start(&fe->tmr, ASK_MS, ask_handler, fe);
}


/**
 * Watch the events of all other servers
 *
 * @param fp    Pointer to the feed, owned by the caller; ends before f does
 * @param f     Forward
 * @param names Names of events with commas between, or NULL: all
 * @param h     Told every event, with its "origin"
 * @param arg   Handler argument
 *
 * @return 0 if success
 */
int feed_alloc(struct feed **fp, struct forward *f, const char *names,
	       feed_h *h, void *arg)
{
	struct feed *fe;
	int err;

	if (!fp || !f || !h)
		return EINVAL;

	fe = mem_zalloc(sizeof(*fe), feed_destructor);
	if (!fe)
		return ENOMEM;

	fe->f = f;
	fe->h = h;
	fe->arg = arg;
	(void)re_snprintf(fe->subject, sizeof(fe->subject), "watch.%016llx",
			  rand_u64());
	err = odict_alloc(&fe->args, 4);
	if (!err)
		err = odict_entry_add(fe->args, "subject", ODICT_STRING,
				      fe->subject);
	if (!err && str_isset(names))
		err = odict_entry_add(fe->args, "names", ODICT_STRING, names);
	if (!err)
		err = bus_subscribe(&fe->sub, f->bus, fe->subject,
				    heard_handler, fe);
	if (err) {
		mem_deref(fe);
		return err;
	}

	ask_handler(fe);
	*fp = fe;

	return 0;
}


/**
 * Let other servers watch the events of this one
 *
 * @param f Forward
 *
 * @return 0 if success
 */
int feeds_offer(struct forward *f)
{
	static const struct offer_command command = {
		"events.feed", COMMAND_READ,
		"for other servers: send them events", feed_command
	};

	return offers_commands(f->offers, &command, 1, f);
}


/**
 * Send nobody events any more
 *
 * @param f Forward
 */
void feeds_stop(struct forward *f)
{
	list_flush(&f->sourcel);
}
