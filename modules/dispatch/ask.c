/**
 * @file ask.c  Where is a conference? All banks are asked at the same time
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
#include "dispatch/ask.h"


struct waiting {
	struct le le;
	struct client *client;     /* referenced                            */
};

/* One bank that is asked where a conference is */
struct question {
	struct le le;
	struct ask *ask;
	struct bus_req *req;
	char bank[NAME_SERVER_MAX];
};


static void waiting_destructor(void *arg)
{
	struct waiting *w = arg;

	list_unlink(&w->le);
	mem_deref(w->client);
}


static void question_destructor(void *arg)
{
	struct question *q = arg;

	list_unlink(&q->le);
	mem_deref(q->req);
}


static void ask_destructor(void *arg)
{
	struct ask *a = arg;

	list_unlink(&a->le);
	hash_unlink(&a->he);
	mem_deref(a->req);
	mem_deref(a->op);
	list_flush(&a->questionl);
	ask_release(a);
	a->d->waiting -= list_count(&a->waitl);
	list_flush(&a->waitl);
}


/**
 * Turn away everybody who waits for a conference
 *
 * @param a   What was looked for, released
 * @param err Why
 */
void ask_fail(struct ask *a, int err)
{
	struct le *le;

	while ((le = list_head(&a->waitl))) {
		struct waiting *w = le->data;
		struct client *cl = mem_ref(w->client);

		--a->d->waiting;
		mem_deref(w);
		join_reject(a->d, cl, err);
		mem_deref(cl);
	}

	mem_deref(a);
}


/**
 * A bank has it: the first who waits has a place there, the others look it up
 *
 * @param a    What was looked for, released
 * @param bank Bank
 * @param wp   Where it is
 */
void ask_found(struct ask *a, const char *bank, const struct wire_place *wp)
{
	const struct dispatch_event de = {
		.conference = a->name, .server = wp->server,
	};
	struct dispatch *d = a->d;
	struct list waitl = LIST_INIT;
	struct conf_route cr;
	struct le *le;
	int err;

	err = bank_learn(d, a->name, a->namelen, bank, wp);
	if (err)
		log_event(LOG_WARN, "dispatch", NULL,
			  "no place for conference %s: %s", a->name,
			  strerror(err));

	(void)tables_server_granted(d->banks->tables, bank, wp->unused,
				    wp->seq, tmr_jiffies());
	if (a->created) {
		++d->countv[COUNT_CREATED];
		dispatch_fire(d, "dispatch.created", NULL, &de);
	}

	memset(&cr, 0, sizeof(cr));
	str_ncpy(cr.server, wp->server, sizeof(cr.server));
	str_ncpy(cr.contact, wp->contact, sizeof(cr.contact));
	str_ncpy(cr.other, wp->other, sizeof(cr.other));
	cr.serverlen  = strlen(cr.server);
	cr.contactlen = strlen(cr.contact);

	while ((le = list_head(&a->waitl))) {
		list_unlink(le);
		list_append(&waitl, le, le->data);
		--d->waiting;
	}
	mem_deref(a);

	le = list_head(&waitl);
	if (le) {
		struct waiting *w = le->data;

		join_send(d, w->client, &cr);
		mem_deref(w);
	}

	while ((le = list_head(&waitl))) {
		struct waiting *w = le->data;

		join_answer(d, client_join(w->client));
		mem_deref(w);
	}
}


static int request_encode(const struct ask *a, bool create, uint8_t *buf,
			  size_t sz, size_t *len)
{
	const struct wire_reserve r = { .create = create, .media = a->media };
	const struct waiting *w = list_ledata(list_head(&a->waitl));
	const struct willcall_join j = join_willcall(client_join(w->client));
	size_t n;
	int err;

	err = wire_reserve_encode(buf, sz, len, &r);
	if (!err)
		err = wire_join_encode(buf + *len, sz - *len, &n, &j);
	if (!err)
		*len += n;

	return err;
}


/**
 * Ask a bank, for the first who waits
 *
 * @param reqp Set to the request
 * @param a    What is looked for
 * @param bank Bank
 * @param what "where" or "place"
 * @param ms   Time limit [ms]
 * @param h    Called with the answer
 * @param arg  Its argument
 *
 * @return 0 if success; as of the bus
 */
int ask_request(struct bus_req **reqp, struct ask *a, const char *bank,
		const char *what, uint32_t ms, bus_resp_h *h, void *arg)
{
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	err = request_encode(a, !strcmp(what, "place"), buf, sizeof(buf), &n);
	if (!err)
		err = name_key(key, sizeof(key), bank, strlen(bank));
	if (err)
		return err;

	(void)re_snprintf(subject, sizeof(subject), "bank.%s.%s", key, what);

	return bus_request(reqp, a->d->bus, subject, buf, n, ms, h, arg);
}


/* Nobody has it, as far as is known. */
static void ask_nowhere(struct ask *a)
{
	if (!a->only) {
		ask_select(a);
		return;
	}

	/* whoever asks decides where it is to be */
	ask_fail(a, ENOENT);
}


static void where_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct question *q = arg;
	struct ask *a = q->ask;
	char bank[NAME_SERVER_MAX];
	struct wire_place wp;

	if (!err)
		err = wire_place_decode(&wp, buf, len);
	else if (err == ENOENT)
		tables_server_lost(a->d->banks->tables, q->bank);

	str_ncpy(bank, q->bank, sizeof(bank));
	mem_deref(q);

	if (!err && (wp.verdict == WIRE_GRANT || wp.verdict == WIRE_HERE)) {

		/* the first one who says yes counts */
		list_flush(&a->questionl);
		if (wp.verdict == WIRE_GRANT) {
			ask_found(a, bank, &wp);
			return;
		}
		if (!tables_server_route(a->d->banks->tables, bank,
					 tmr_jiffies(), &a->route)) {
			ask_place(a);
			return;
		}
	}

	if (list_isempty(&a->questionl))
		ask_nowhere(a);
}


static void bank_handler(const struct server_info *si, void *arg)
{
	struct ask *a = arg;
	struct question *q;

	if (!si->in_contact || list_count(&a->questionl) >= BANKS_MAX)
		return;

	q = mem_zalloc(sizeof(*q), question_destructor);
	if (!q)
		return;

	q->ask = a;
	str_ncpy(q->bank, si->report->name, sizeof(q->bank));
	list_append(&a->questionl, &q->le, q);
	++a->d->countv[COUNT_ASKED];

	if (ask_request(&q->req, a, q->bank, "where",
			a->d->banks->where_ms, where_handler, q))
		mem_deref(q);
}


static bool ask_cmp(struct le *le, void *arg)
{
	const struct ask *a = le->data;

	return !strcmp(a->name, arg);
}


static int ask_wait(struct ask *a, struct client *cl)
{
	struct waiting *w;

	w = mem_zalloc(sizeof(*w), waiting_destructor);
	if (!w)
		return ENOMEM;

	w->client = mem_ref(cl);
	list_append(&a->waitl, &w->le, w);
	++a->d->waiting;

	return 0;
}


static int ask_alloc(struct ask **ap, struct dispatch *d,
		     const struct join *join, bool only)
{
	struct ask *a;
	int err;

	a = mem_zalloc(sizeof(*a), ask_destructor);
	if (!a)
		return ENOMEM;

	a->d = d;
	a->only = only;
	a->media = join->media ? join->media : MEDIA_AUDIO;
	str_ncpy(a->name, join->conference, sizeof(a->name));
	a->namelen = strlen(a->name);

	list_append(&d->banks->askl, &a->le, a);

	/* those who only ask must not make others wait for nothing */
	if (!only)
		hash_append(d->banks->askh, hash_joaat_str(a->name), &a->he,
			    a);

	err = ask_wait(a, join->client);
	if (err)
		mem_deref(a);
	else
		*ap = a;

	return err;
}


/**
 * Find the bank of a conference that is not known
 *
 * @param d    Dispatcher of banks
 * @param join Join, which waits
 * @param only Only where it is: nothing is created, ENOENT if nowhere
 */
void bank_join(struct dispatch *d, const struct join *join, bool only)
{
	struct ask *a = list_ledata(hash_lookup(
		d->banks->askh, hash_joaat_str(join->conference), ask_cmp,
		(void *)join->conference));
	int err;

	if (d->waiting >= d->conf.waiting_max) {
		dispatch_reject(d, join->client, 503,
				"Too many wait, try again later");
		return;
	}

	if (a && !only) {
		err = ask_wait(a, join->client);
		if (err)
			join_reject(d, join->client, err);
		return;
	}

	err = ask_alloc(&a, d, join, only);
	if (err) {
		join_reject(d, join->client, err);
		return;
	}

	tables_servers(d->banks->tables, tmr_jiffies(), bank_handler, a);
	if (list_isempty(&a->questionl))
		ask_nowhere(a);
}


/**
 * Turn away everybody for whom banks are asked
 *
 * @param d Dispatcher
 */
void bank_flush(struct dispatch *d)
{
	struct le *le;

	while (d->banks && (le = list_head(&d->banks->askl)))
		ask_fail(le->data, ESHUTDOWN);
}
