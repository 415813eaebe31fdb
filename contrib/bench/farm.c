/**
 * @file farm.c  Made-up phones: they call a dispatcher and follow where they
 *               are sent
 *
 *   phone            dispatcher              media server
 *     |-- join -------->|                        |
 *     |<-- 302, ticket -|-- place ... bus ------>|
 *     |--------------- join, ticket ------------>|   travel_ms later
 */
#include <string.h>
#include <stdlib.h>
#include <re.h>
#include "server/siphash.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "sip/redirect.h"
#include "dispatch/dispatch.h"
#include "farm.h"
#include "farm_int.h"


enum { MEDIA_BUCKETS = 4096 };

/* One call of a phone */
struct caller {
	struct farm *farm;
	struct client *client;
	char uri[NAME_URI_MAX + 1];
};

struct arrival {
	struct le le;
	struct caller *caller;     /* owned                                 */
	uint64_t when;             /* [ms]                                  */
};


static void caller_destructor(void *arg)
{
	struct caller *c = arg;

	client_gone(c->client);
	mem_deref(c->client);
}


static void arrival_destructor(void *arg)
{
	struct arrival *a = arg;

	list_unlink(&a->le);
	mem_deref(a->caller);
}


/* sip:CONF@HOST:PORT;ticket=... */
static int uri_split(const char *uri, char *contact, size_t sz,
		     char *ticket, size_t tsz)
{
	const char *at = strchr(uri, '@'), *end, *t;
	struct pl pl;

	if (!at)
		return EBADMSG;

	end = at + 1 + strcspn(at + 1, ";");
	pl.p = at + 1;
	pl.l = (size_t)(end - pl.p);
	t = strstr(end, ";ticket=");
	str_ncpy(ticket, t ? t + 8 : "", tsz);

	return pl_strcpy(&pl, contact, sz);
}


static void caller_arrive(struct caller *c)
{
	const struct join *join = client_join(c->client);
	char contact[NAME_CONTACT_MAX], ticket[CLIENT_TICKET_MAX];
	struct farm *f = c->farm;
	struct farm_media *m;

	if (uri_split(c->uri, contact, sizeof(contact), ticket,
		      sizeof(ticket)))
		goto refused;

	++f->st.redirects;
	m = farm_media_find(f, contact);
	if (!m || m->mute)
		goto refused;

	if (!farm_media_arrive(m, join, ticket)) {
		++f->st.in;
		if (f->inh)
			f->inh(join->conference, join->user, m, f->arg);
		return;
	}

 refused:
	++f->st.refused;
}


static void arrive_handler(void *arg)
{
	const uint64_t now = tmr_jiffies();
	struct farm *f = arg;
	struct le *le;

	while ((le = list_head(&f->arrivel))) {
		struct arrival *a = le->data;

		if (a->when > now) {
			tmr_start(&f->arrive, a->when - now, arrive_handler,
				  f);
			break;
		}

		caller_arrive(a->caller);
		mem_deref(a);
	}
}


/* The caller belongs to the arrival from now on. */
static void travel(struct caller *c)
{
	struct farm *f = c->farm;
	struct arrival *a;

	a = mem_zalloc(sizeof(*a), arrival_destructor);
	if (!a) {
		mem_deref(c);
		return;
	}

	a->caller = c;
	a->when   = tmr_jiffies() + f->travel_ms;
	if (list_isempty(&f->arrivel))
		tmr_start(&f->arrive, f->travel_ms, arrive_handler, f);
	list_append(&f->arrivel, &a->le, a);
}


static int caller_dispatch(struct client *cl, const char *contact)
{
	struct caller *c = client_arg(cl);

	--c->farm->st.unanswered;
	str_ncpy(c->uri, contact, sizeof(c->uri));
	travel(c);

	return 0;
}


static int caller_reject(struct client *cl, uint16_t scode,
			 const char *reason)
{
	struct caller *c = client_arg(cl);
	(void)reason;

	--c->farm->st.unanswered;
	++c->farm->st.rejected;
	c->farm->scode = scode;
	mem_deref(c);

	return 0;
}


static const struct client_ops ops = {
	.reject   = caller_reject,
	.dispatch = caller_dispatch,
};


/**
 * A phone calls a dispatcher
 *
 * @param f    Farm
 * @param d    Dispatcher
 * @param conf Conference
 * @param user user@host
 * @param fast Try the look-up of signalling threads first
 *
 * @return 0 if the call is on its way
 */
int farm_call(struct farm *f, struct dispatch *d, const char *conf,
	      const char *user, bool fast)
{
	struct join join = {
		.callid = user, .conference = conf, .user = user,
		.name = user, .info = "farm", .media = MEDIA_AUDIO,
	};
	const struct redirect_query q = {
		conf, strlen(conf), user, strlen(user), 0, false
	};
	struct caller *c;
	size_t n = 0;
	int err;

	c = mem_zalloc(sizeof(*c), caller_destructor);
	if (!c)
		return ENOMEM;

	c->farm = f;
	err = client_alloc(&c->client, &ops, &join, c);
	if (err) {
		mem_deref(c);
		return err;
	}

	++f->st.calls;
	if (fast && !dispatch_lookup(&q, c->uri, sizeof(c->uri) - 1, &n, d)) {
		c->uri[n] = '\0';
		++f->st.fast;
		travel(c);
		return 0;
	}

	++f->st.unanswered;
	(void)dispatch_join(d, client_join(c->client));

	return 0;
}


static void report_handler(void *arg)
{
	struct farm *f = arg;
	struct le *le;

	LIST_FOREACH(&f->medial, le)
		farm_media_report(le->data, false);

	tmr_start(&f->report, f->report_ms, report_handler, f);
}


/**
 * Begin to report capacity every report_ms
 *
 * @param f Farm
 */
void farm_start(struct farm *f)
{
	tmr_start(&f->report, f->report_ms, report_handler, f);
}


/**
 * How evenly participants are spread
 *
 * @param f Farm
 *
 * @return Most of any server, over the mean of all
 */
double farm_spread(const struct farm *f)
{
	uint64_t sum = 0, most = 0;
	struct le *le;

	LIST_FOREACH(&f->medial, le) {
		const struct farm_media *m = le->data;

		sum += m->st.participants;
		most = max(most, m->st.participants);
	}

	return sum ? (double)most * list_count(&f->medial) / (double)sum : 0;
}


static void destructor(void *arg)
{
	struct farm *f = arg;

	tmr_cancel(&f->arrive);
	tmr_cancel(&f->report);
	list_flush(&f->arrivel);
	hash_clear(f->mediah);
	list_flush(&f->medial);
	mem_deref(f->mediah);
	mem_deref(f->key);
}


/**
 * Make a farm without servers; times may be changed before farm_start
 *
 * @param fp Set to the farm; its dispatchers must be closed before it goes
 *
 * @return 0 if success
 */
int farm_alloc(struct farm **fp)
{
	static const uint8_t secret[32] = "a farm of one process";
	struct farm *f;
	int err;

	f = mem_zalloc(sizeof(*f), destructor);
	if (!f)
		return ENOMEM;

	tmr_init(&f->arrive);
	tmr_init(&f->report);
	f->travel_ms = 5;
	f->report_ms = 1000;
	f->lease_ms  = 10000;

	err = hash_alloc(&f->mediah, MEDIA_BUCKETS);
	if (!err)
		err = ticket_key_alloc(&f->key, secret, sizeof(secret));

	if (err)
		mem_deref(f);
	else
		*fp = f;

	return err;
}
