/**
 * @file head.c  The dispatch server of a bank, as one above it sees it
 *
 *   bucket banks, bank.capacity   what all servers of the bank have left
 *   bank.KEY.where                is this conference here? then a place for
 *                                 whoever asks
 *   bank.KEY.place                it may be here: a place for whoever asks
 *   bank.KEY.reserve.SERVER       places for those who were sent there without
 *                                 asking: passed on to the media server
 *   bank.conference, bank.down    what is no longer true of it
 *
 * Who asks becomes a client whose answer goes over the bus instead of to a
 * phone: all rules for joins hold. Several dispatch servers of one bank answer
 * alike, and the first answer counts. The banks of this one may be
 * dispatch servers again (bank.c): then there are three levels, or more.
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


enum { RESERVE_MS = 2000 };

/* One above us, who asks for somebody */
struct asker {
	struct le le;
	struct head *head;
	struct client *client;
	struct bus_reply *reply;
};

/* Places that are passed on */
struct passed {
	struct le le;
	struct bus_req *req;
	struct bus_reply *reply;
};


static void asker_destructor(void *arg)
{
	struct asker *ar = arg;

	list_unlink(&ar->le);
	client_gone(ar->client);
	mem_deref(ar->client);
	mem_deref(ar->reply);
}


static void passed_destructor(void *arg)
{
	struct passed *p = arg;

	list_unlink(&p->le);
	mem_deref(p->req);
	mem_deref(p->reply);
}


static uint64_t seq_now(void)
{
	struct timespec ts;

	/* more than one may speak for the bank: the latest counts */
	(void)clock_gettime(CLOCK_REALTIME, &ts);

	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}


static void sum_handler(const struct server_info *si, void *arg)
{
	const struct wire_server *r = si->report;
	struct wire_server *sum = arg;

	if (!si->in_contact)
		return;

	sum->participants += r->participants;
	sum->conferences  += r->conferences;
	if (r->state != CAPACITY_IN_SERVICE)
		return;

	sum->state = CAPACITY_IN_SERVICE;
	sum->media |= r->media;
	sum->capacity += r->capacity;
	if (r->unused > si->reserved)
		sum->unused += r->unused - si->reserved;
}


static void sum_get(const struct head *h, struct wire_server *sum)
{
	const struct dispatch *d = h->d;

	memset(sum, 0, sizeof(*sum));
	sum->state = CAPACITY_OUT;
	sum->seq = seq_now();
	str_ncpy(sum->name, h->bank, sizeof(sum->name));
	str_ncpy(sum->contact, h->contact, sizeof(sum->contact));
	tables_servers(d->banks ? d->banks->tables : d->tables,
		       tmr_jiffies(), sum_handler, sum);
}


static void report_handler(void *arg)
{
	struct head *h = arg;
	struct wire_server sum;
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	tmr_start(&h->tmr, h->report_ms, report_handler, h);

	/* until the tables are loaded there is nothing to say */
	if (h->d->loading)
		return;

	sum_get(h, &sum);
	err = wire_server_encode(buf, sizeof(buf), &n, &sum);
	if (!err)
		err = name_key(key, sizeof(key), h->bank, strlen(h->bank));
	if (err)
		return;

	/* announced now and then, told every time */
	if (!(h->reports++ % 2))
		(void)bus_kv_put(NULL, h->bus, "banks", key, buf, n,
				 6 * h->report_ms, NULL, NULL);
	else
		(void)bus_publish(h->bus, "bank.capacity", buf, n);
}


static void answer(struct head *h, struct bus_reply *reply,
		   struct wire_place *wp)
{
	struct wire_server sum;
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	sum_get(h, &sum);
	wp->unused = sum.unused;
	wp->seq    = sum.seq;

	if (wire_place_encode(buf, sizeof(buf), &n, wp))
		mem_deref(reply);
	else
		(void)bus_respond(reply, buf, n);
}


static int asker_dispatch(struct client *cl, const char *uri)
{
	struct asker *ar = client_arg(cl);
	struct dispatch *d = ar->head->d;
	const char *conf = client_join(cl)->conference;
	struct wire_place wp = { .verdict = WIRE_OUT };
	struct conf_route cr;
	(void)uri;

	/* the ticket is made by who knows the phone */
	if (!tables_lookup(d->tables, conf, strlen(conf), NULL,
			   tmr_jiffies(), &cr)) {
		wp.verdict = WIRE_GRANT;
		str_ncpy(wp.server, cr.server, sizeof(wp.server));
		str_ncpy(wp.contact, cr.contact, sizeof(wp.contact));
		str_ncpy(wp.other, cr.other, sizeof(wp.other));
		(void)tables_server_room(d->tables, cr.server, tmr_jiffies(),
					 &wp.room, &wp.roomseq);
	}

	answer(ar->head, ar->reply, &wp);
	ar->reply = NULL;
	mem_deref(ar);

	return 0;
}


static int asker_reject(struct client *cl, uint16_t scode,
			const char *reason)
{
	struct asker *ar = client_arg(cl);
	struct wire_place wp = {
		.verdict = scode == 480 ? WIRE_FULL :
			scode == 488 ? WIRE_REFUSED : WIRE_OUT,
	};
	(void)reason;

	answer(ar->head, ar->reply, &wp);
	ar->reply = NULL;
	mem_deref(ar);

	return 0;
}


static const struct client_ops ops = {
	.reject   = asker_reject,
	.dispatch = asker_dispatch,
};


static void join_handler(const struct willcall_join *j, void *arg)
{
	struct willcall_join *copy = arg;

	*copy = *j;
}


/* The reply belongs to the asker from now on, or is used up. */
static struct asker *asker_alloc(struct head *h, const uint8_t *buf,
				 size_t len, struct bus_reply *reply)
{
	char conf[CLIENT_CONFERENCE_MAX], user[CLIENT_USER_MAX];
	char account[CLIENT_ACCOUNT_MAX];
	struct wire_place wp = { .verdict = WIRE_REFUSED };
	struct willcall_join j;
	struct wire_reserve r;
	struct asker *ar = NULL;
	struct join join;
	unsigned joinc;
	int err;

	err = wire_reserve_decode(&r, &joinc, buf, len, join_handler, &j);
	if (err || joinc != 1) {
		log_event(LOG_WARN, "dispatch", NULL,
			  "a question for a bank is not understood");
		goto out;
	}

	(void)re_snprintf(conf, sizeof(conf), "%b", j.conference,
			  j.conferencelen);
	(void)re_snprintf(user, sizeof(user), "%b", j.user, j.userlen);
	(void)re_snprintf(account, sizeof(account), "%b", j.account,
			  j.accountlen);
	memset(&join, 0, sizeof(join));
	join.conference = conf;
	join.user       = user;
	join.account    = account;
	join.media      = r.media;

	ar = mem_zalloc(sizeof(*ar), asker_destructor);
	if (!ar)
		goto out;

	ar->head = h;
	if (client_alloc(&ar->client, &ops, &join, ar))
		ar = mem_deref(ar);

 out:
	if (!ar) {
		answer(h, reply, &wp);
		return NULL;
	}

	ar->reply = reply;
	list_append(&h->askerl, &ar->le, ar);

	return ar;
}


static void where_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	struct head *h = arg;
	struct wire_place wp = { .verdict = WIRE_HERE };
	const struct join *join;
	struct asker *ar;
	(void)subject;

	if (!reply)
		return;

	ar = asker_alloc(h, buf, len, reply);
	if (!ar)
		return;

	join = client_join(ar->client);
	if (held_orphan(h->d, join->conference) || h->d->loading) {
		answer(h, ar->reply, &wp);
		ar->reply = NULL;
		mem_deref(ar);
	}
	else if (tables_conf_server(h->d->tables, join->conference,
				    strlen(join->conference))) {
		(void)dispatch_join(h->d, join);
	}
	else if (h->d->banks) {
		bank_join(h->d, join, true);
	}
	else {
		(void)client_reject(ar->client, 404, NULL);
	}
}


static void place_handler(const char *subject, const uint8_t *buf, size_t len,
			  struct bus_reply *reply, void *arg)
{
	struct head *h = arg;
	struct asker *ar;
	(void)subject;

	ar = reply ? asker_alloc(h, buf, len, reply) : NULL;
	if (ar)
		(void)dispatch_join(h->d, client_join(ar->client));
}


static void passed_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct passed *p = arg;

	/* without an answer, who asks finds out by its time limit */
	if (!err) {
		(void)bus_respond(p->reply, buf, len);
		p->reply = NULL;
	}

	mem_deref(p);
}


static void reserve_handler(const char *subject, const uint8_t *buf,
			    size_t len, struct bus_reply *reply, void *arg)
{
	struct head *h = arg;
	const char *key = strrchr(subject, '.');
	char to[NAME_KEY_MAX + 64], server[NAME_SERVER_MAX];
	struct passed *p;

	/* bank.BANK.reserve.SERVER */
	if (!key || name_from_key(server, sizeof(server), key + 1) ||
	    dispatch_subject(h->d, server, to, sizeof(to))) {
		mem_deref(reply);
		return;
	}

	if (!reply) {
		(void)bus_publish(h->d->bus, to, buf, len);
		return;
	}

	p = mem_zalloc(sizeof(*p), passed_destructor);
	if (!p) {
		mem_deref(reply);
		return;
	}

	p->reply = reply;
	list_append(&h->passedl, &p->le, p);
	if (bus_request(&p->req, h->d->bus, to, buf, len, RESERVE_MS,
			passed_handler, p))
		mem_deref(p);
}


/**
 * A conference is not where it was: those above forget it
 *
 * @param d          Dispatcher
 * @param conference Its name
 * @param server     Where it was
 */
void head_gone(struct dispatch *d, const char *conference, const char *server)
{
	struct wire_user u = { .what = WIRE_DELETED };
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	if (!d->head)
		return;

	str_ncpy(u.conference, conference, sizeof(u.conference));
	str_ncpy(u.server, server, sizeof(u.server));
	if (!wire_user_encode(buf, sizeof(buf), &n, &u))
		(void)bus_publish(d->head->bus, "bank.conference", buf, n);
}


/**
 * A media server is gone: those above wait for who takes over
 *
 * @param d      Dispatcher
 * @param server Its name
 */
void head_down(struct dispatch *d, const char *server)
{
	if (d->head)
		(void)bus_publish(d->head->bus, "bank.down",
				  (const uint8_t *)server, strlen(server));
}


static void head_destructor(void *arg)
{
	struct head *h = arg;
	size_t i;

	tmr_cancel(&h->tmr);
	for (i=0; i<ARRAY_SIZE(h->subv); i++)
		mem_deref(h->subv[i]);
	list_flush(&h->askerl);
	list_flush(&h->passedl);
	mem_deref(h->bus);
}


/**
 * Become the head of a bank
 *
 * @param d   Dispatcher, being opened
 * @param prm Bus of those above, name of the bank, our contact
 *
 * @return 0 if success
 */
int head_open(struct dispatch *d, const struct dispatch_params *prm)
{
	static const struct {
		const char *what;
		bus_msg_h *h;
	} subv[] = {
		{"where", where_handler}, {"place", place_handler},
		{"reserve.*", reserve_handler},
	};
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX];
	struct head *h;
	size_t i;
	int err;

	if (!prm->upbus || !name_valid(prm->bank, strlen(prm->bank),
				       NAME_SERVER_MAX) ||
	    !prm->contact ||
	    !name_contact_valid(prm->contact, strlen(prm->contact)))
		return EINVAL;

	err = name_key(key, sizeof(key), prm->bank, strlen(prm->bank));
	if (err)
		return err;

	h = mem_zalloc(sizeof(*h), head_destructor);
	if (!h)
		return ENOMEM;

	d->head = h;
	h->d    = d;
	h->bus  = mem_ref(prm->upbus);
	h->report_ms = prm->report_ms ? prm->report_ms : 1000;
	str_ncpy(h->bank, prm->bank, sizeof(h->bank));
	str_ncpy(h->contact, prm->contact, sizeof(h->contact));
	tmr_init(&h->tmr);

	for (i=0; i<ARRAY_SIZE(subv) && !err; i++) {
		(void)re_snprintf(subject, sizeof(subject), "bank.%s.%s",
				  key, subv[i].what);
		err = bus_subscribe(&h->subv[i], h->bus, subject, subv[i].h,
				    h);
	}

	tmr_start(&h->tmr, 20, report_handler, h);

	return err;
}
