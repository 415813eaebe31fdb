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
	BANKS_MAX   = 256,
	BANK_TRIES  = 4,           /* banks that may refuse                 */
	RACES_MAX   = 3,           /* times the claim may change under us   */
	SERVERS     = 1024,        /* buckets                               */
};

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

/* A conference that is looked for */
struct ask {
	struct le le;
	struct le he;
	struct dispatch *d;
	struct list waitl;         /* struct waiting, oldest first          */
	struct list questionl;     /* not answered so far                   */
	bool only;                 /* only where it is is asked             */
	unsigned media;
	bool held;                 /* banks' table counts a reservation     */
	bool created;              /* we have claimed it                    */
	struct conf_route route;   /* the bank that is to have it           */
	char triedv[BANK_TRIES][NAME_SERVER_MAX];
	unsigned triedc;
	unsigned races;
	uint64_t rev;              /* of the claim to replace, 0: none      */
	struct bus_req *req;
	struct bus_kvop *op;
	size_t namelen;
	char name[CLIENT_CONFERENCE_MAX];
};

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

static void ask_select(struct ask *a);
static void ask_claim(struct ask *a);
static void ask_place(struct ask *a);


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


static void ask_release(struct ask *a)
{
	if (a->held)
		tables_release(a->d->banks->tables, a->route.server, 1,
			       tmr_jiffies());
	a->held = false;
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


static void ask_fail(struct ask *a, int err)
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


/* media servers and conferences that banks have told of */

static uint32_t name_hash(const char *name)
{
	return hash_joaat_str(name);
}


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
	return list_ledata(hash_lookup(d->banks->serverh, name_hash(server),
				       banked_cmp, (void *)server));
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
		hash_append(d->banks->serverh, name_hash(server), &b->he, b);
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


static int learn(struct dispatch *d, const char *name, size_t namelen,
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


/* A bank has it: the first who waits has a place there, the others look it
   up. */
static void ask_found(struct ask *a, const char *bank,
		      const struct wire_place *wp)
{
	const struct dispatch_event de = {
		.conference = a->name, .server = wp->server,
	};
	struct dispatch *d = a->d;
	struct list waitl = LIST_INIT;
	struct conf_route cr;
	struct le *le;
	int err;

	err = learn(d, a->name, a->namelen, bank, wp);
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


static int bank_request(struct bus_req **reqp, struct ask *a,
			const char *bank, const char *what, uint32_t ms,
			bus_resp_h *h, void *arg)
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


static void ask_refused(struct ask *a, int err)
{
	ask_release(a);

	str_ncpy(a->triedv[a->triedc++], a->route.server, NAME_SERVER_MAX);
	if (a->triedc == BANK_TRIES) {
		ask_fail(a, err);
		return;
	}

	++a->d->countv[COUNT_RETRIED];
	ask_select(a);
}


static void place_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct ask *a = arg;
	struct wire_place wp;

	if (!err)
		err = wire_place_decode(&wp, buf, len);
	else if (err == ENOENT)
		tables_server_lost(a->d->banks->tables, a->route.server);

	if (err) {
		ask_refused(a, err);
		return;
	}

	switch (wp.verdict) {

	case WIRE_GRANT:
		ask_release(a);
		ask_found(a, a->route.server, &wp);
		break;

	case WIRE_FULL:
		(void)tables_server_granted(a->d->banks->tables,
					    a->route.server, wp.unused,
					    wp.seq, tmr_jiffies());
		ask_refused(a, ENOSPC);
		break;

	case WIRE_REFUSED:
		ask_fail(a, ENOTSUP);
		break;

	default:
		ask_refused(a, ENOENT);
		break;
	}
}


static void ask_place(struct ask *a)
{
	const int err = bank_request(&a->req, a, a->route.server, "place",
				     a->d->banks->place_ms, place_handler, a);

	if (err)
		ask_fail(a, err);
}


/* Another dispatch server was faster: the bank that it chose. */
static void ask_elsewhere(struct ask *a, uint64_t rev, const uint8_t *buf,
			  size_t len)
{
	struct conf_route cr;
	struct wire_claim c;

	if (!wire_claim_decode(&c, buf, len) &&
	    !tables_server_route(a->d->banks->tables, c.server,
				 tmr_jiffies(), &cr) && !a->triedc) {
		ask_release(a);
		a->route = cr;
		ask_place(a);
		return;
	}

	/* that bank is gone, or is full */
	a->rev = rev;
	ask_claim(a);
}


static void claim_handler(int err, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct ask *a = arg;

	if (!err) {
		a->rev = rev;
		a->created = true;
		ask_place(a);
	}
	else if (++a->races > RACES_MAX) {
		ask_fail(a, err);
	}
	else if (err == EEXIST || err == ESTALE) {
		ask_elsewhere(a, rev, buf, len);
	}
	else if (err == ENOENT) {
		a->rev = 0;
		ask_claim(a);
	}
	else {
		ask_fail(a, err);
	}
}


/* It only has to last until the bank itself can say that it has it. */
static void ask_claim(struct ask *a)
{
	const uint32_t ttl = a->d->conf.claim_ms;
	struct wire_claim c = { .running = false };
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	str_ncpy(c.conference, a->name, sizeof(c.conference));
	str_ncpy(c.server, a->route.server, sizeof(c.server));

	err = wire_claim_encode(buf, sizeof(buf), &n, &c);
	if (!err)
		err = name_key(key, sizeof(key), a->name, a->namelen);
	if (err)
		goto out;

	err = a->rev ?
		bus_kv_update(&a->op, a->d->bus, "conferences", key, a->rev,
			      buf, n, ttl, claim_handler, a) :
		bus_kv_create(&a->op, a->d->bus, "conferences", key, buf, n,
			      ttl, claim_handler, a);
 out:
	if (err)
		ask_fail(a, err);
}


/* No bank has it. */
static void ask_select(struct ask *a)
{
	const char *notv[BANK_TRIES];
	struct select_req req = {
		.conf = a->name, .conflen = a->namelen,
		.media = a->media, .notv = notv, .notc = a->triedc,
		.now = tmr_jiffies(), .utc = (uint64_t)time(NULL),
	};
	unsigned i;
	int err;

	for (i=0; i<a->triedc; i++)
		notv[i] = a->triedv[i];

	err = tables_select(a->d->banks->tables, &req, &a->route);
	if (err == ENOTSUP && a->media & MEDIA_AUDIO &&
	    a->media != MEDIA_AUDIO) {
		req.media = a->media = MEDIA_AUDIO;
		err = tables_select(a->d->banks->tables, &req, &a->route);
	}
	if (err) {
		ask_fail(a, err == ENOENT && a->triedc ? ENOSPC : err);
		return;
	}

	a->held = true;
	ask_claim(a);
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

	if (bank_request(&q->req, a, q->bank, "where",
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
		hash_append(d->banks->askh, name_hash(a->name), &a->he, a);

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
		d->banks->askh, name_hash(join->conference), ask_cmp,
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


/* what banks tell */

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
	err |= hash_alloc(&b->askh, SERVERS);
	err |= hash_alloc(&b->serverh, SERVERS);
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
