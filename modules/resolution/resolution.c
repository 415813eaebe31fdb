/**
 * @file resolution.c  Service: one conference of two
 *
 * A claim on the bus keeps a conference from being created twice. Where the
 * bus was parted, it may happen all the same, and shows when it is whole:
 *
 *   noc.conflict   a media server runs what another one has claimed
 *   noc.user       somebody joined at a server that does not have the claim
 *
 *   suspected -- still so after a while --> ours to resolve? (bucket
 *   "resolutions", create-if-absent) --> both say how old it is there --> the
 *   younger one is ordered to move it to the older one
 *
 * Of two of the same age the server whose name comes first keeps it. Several
 * servers may run this service: the bucket says whose case it is.
 *
 * Settings (resolution.*): see below.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "server/siphash.h"
#include "server/offers.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/json.h"
#include "noc/name.h"
#include "noc/seal.h"
#include "noc/wire.h"
#include "resolution/resolution.h"


enum {
	BUCKETS      = 1 << 14,    /* claims of all servers are in there    */
	CASES_MAX    = 1000,       /* at a time                             */
	ABOUT_TIME   = 1000,       /* [ms]                                  */
	CASE_TTL     = 15000,      /* of whose case it is [ms]              */
	SAME_AGE     = 50,         /* differs by less: the same [ms]        */
	TRIES_MAX    = 5,
	AGAIN_MS     = 2000,
};

static const struct setting settings[] = {
	{"resolution.settle", SETTING_U32, "500", 10, 60000, NULL,
	 SETTING_RUNTIME,
	 "what seems to run twice is looked at again after [ms]"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};

/* Who has claimed a conference */
struct owner {
	struct le he;
	char server[NAME_SERVER_MAX];
	char name[];
};

/* One of the two servers of a case */
struct side {
	struct suspect *s;
	struct bus_req *req;
	bool answered, running;
	uint64_t age;              /* [ms]                                  */
	char server[NAME_SERVER_MAX];
};

/* A conference that seems to run twice */
struct suspect {
	struct le le;
	struct resolution *r;
	struct tmr tmr;
	struct bus_kvop *op;
	struct order *order;
	struct side sidev[2];
	unsigned tries;
	bool ours;                 /* the bucket says that it is our case   */
	char key[NAME_KEY_MAX];
	char name[CLIENT_CONFERENCE_MAX];
};

struct resolution {
	struct service *svc;
	struct bus *bus;
	struct seal_key *seal;
	struct offers *offers;
	struct bus_watch *watch;
	struct bus_sub *subv[2];
	struct hash *ownerh;       /* struct owner                          */
	struct list suspectl;      /* struct suspect                        */
	struct siphash_key hkey;
	uint64_t merged, failed;
};

static void case_ask(struct suspect *s);
static void settle_handler(void *arg);


/* claims */

static uint32_t name_hash(const struct resolution *r, const char *name)
{
	return (uint32_t)siphash(&r->hkey, name, strlen(name));
}


static bool owner_cmp(struct le *le, void *arg)
{
	const struct owner *o = le->data;

	return !strcmp(o->name, arg);
}


static struct owner *owner_find(const struct resolution *r, const char *name)
{
	return list_ledata(hash_lookup(r->ownerh, name_hash(r, name),
				       owner_cmp, (void *)name));
}


static void owner_destructor(void *arg)
{
	struct owner *o = arg;

	hash_unlink(&o->he);
}


static void owner_set(struct resolution *r, const struct wire_claim *c)
{
	struct owner *o = owner_find(r, c->conference);
	const size_t n = strlen(c->conference) + 1;

	if (!o) {
		o = mem_zalloc(sizeof(*o) + n, owner_destructor);
		if (!o)
			return;
		memcpy(o->name, c->conference, n);
		hash_append(r->ownerh, name_hash(r, o->name), &o->he, o);
	}

	str_ncpy(o->server, c->server, sizeof(o->server));
}


static void claim_handler(const char *key, uint64_t rev, const uint8_t *buf,
			  size_t len, void *arg)
{
	struct resolution *r = arg;
	char name[CLIENT_CONFERENCE_MAX];
	struct wire_claim c;
	(void)rev;

	if (!key)
		return;

	if (!buf) {
		if (!name_from_key(name, sizeof(name), key))
			mem_deref(owner_find(r, name));
	}
	else if (!wire_claim_decode(&c, buf, len)) {
		owner_set(r, &c);
	}
}


/* cases */

static int event_detail(struct odict *od, const void *data)
{
	const struct resolution_event *re = data;
	int err;

	err  = odict_entry_add(od, "conference", ODICT_STRING,
			       re->conference);
	err |= odict_entry_add(od, "from", ODICT_STRING, re->from);
	err |= odict_entry_add(od, "to", ODICT_STRING, re->to);
	if (re->reason)
		err |= odict_entry_add(od, "reason", ODICT_STRING,
				       re->reason);

	return err;
}


static void fire(struct suspect *s, const char *name, const char *reason)
{
	struct resolution_event re = {
		.conference = s->name, .from = s->sidev[1].server,
		.to = s->sidev[0].server, .reason = reason,
	};
	const struct event ev = {
		.name = name, .data = &re, .detail = event_detail,
	};

	(void)event_fire(server_events(service_server(s->r->svc)), &ev);
}


static void suspect_destructor(void *arg)
{
	struct suspect *s = arg;
	size_t i;

	tmr_cancel(&s->tmr);
	list_unlink(&s->le);
	mem_deref(s->op);
	mem_deref(s->order);
	for (i=0; i<ARRAY_SIZE(s->sidev); i++)
		mem_deref(s->sidev[i].req);
	if (s->ours)
		(void)bus_kv_delete(NULL, s->r->bus, "resolutions", s->key, 0,
				    NULL, NULL);
}


static void again(struct suspect *s)
{
	if (++s->tries >= TRIES_MAX)
		mem_deref(s);
	else
		tmr_start(&s->tmr, AGAIN_MS, settle_handler, s);
}


static void order_handler(int err, const char *reason, void *arg)
{
	struct suspect *s = arg;

	s->order = mem_deref(s->order);

	if (!err) {
		++s->r->merged;
		log_event(LOG_NOTICE, "resolution", NULL,
			  "conference %s is whole again, at %s", s->name,
			  s->sidev[0].server);
		fire(s, "resolution.merged", NULL);
		mem_deref(s);
		return;
	}

	++s->r->failed;
	log_event(LOG_WARN, "resolution", NULL,
		  "conference %s remains on %s and %s: %s", s->name,
		  s->sidev[0].server, s->sidev[1].server, reason);
	fire(s, "resolution.failed", reason);
	again(s);
}


static bool older(const struct side *a, const struct side *b)
{
	const uint64_t diff = a->age > b->age ? a->age - b->age
					       : b->age - a->age;

	return diff < SAME_AGE ? strcmp(a->server, b->server) < 0
			       : a->age > b->age;
}


/* Both have answered: the older one is put first. */
static void case_decide(struct suspect *s)
{
	struct resolution *r = s->r;
	int err;

	if (!s->sidev[0].running || !s->sidev[1].running) {
		mem_deref(s);
		return;
	}

	if (older(&s->sidev[1], &s->sidev[0])) {
		const struct side tmp = s->sidev[0];

		s->sidev[0] = s->sidev[1];
		s->sidev[1] = tmp;
	}

	log_event(LOG_NOTICE, "resolution", NULL,
		  "conference %s runs at %s (%lu ms) and %s (%lu ms): the"
		  " younger one moves", s->name, s->sidev[0].server,
		  (unsigned long)s->sidev[0].age, s->sidev[1].server,
		  (unsigned long)s->sidev[1].age);
	fire(s, "resolution.merging", NULL);

	err = order_send(&s->order, r->bus, r->seal,
			 server_name(service_server(r->svc)),
			 s->sidev[1].server, s->name, s->sidev[0].server,
			 order_handler, s);
	if (err)
		order_handler(err, strerror(err), s);
}


static void about_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct side *side = arg;
	struct suspect *s = side->s;
	const struct odict_entry *e;
	struct odict *od = NULL;

	side->answered = true;
	side->running = false;
	if (!err && !json_object_decode(&od, (const char *)buf, len)) {
		e = odict_lookup(od, "running");
		side->running = e && e->type == ODICT_BOOL && e->u.boolean &&
			odict_get_number(od, &side->age, "age");
	}
	mem_deref(od);

	if (s->sidev[0].answered && s->sidev[1].answered)
		case_decide(s);
}


static int about_ask(struct suspect *s, struct side *side)
{
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX];
	struct odict *od = NULL;
	char *json = NULL;
	int err;

	side->s = s;
	side->answered = false;
	err = name_key(key, sizeof(key), side->server, strlen(side->server));
	if (err)
		return err;

	(void)re_snprintf(subject, sizeof(subject), "server.%s.about", key);
	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_entry_add(od, "conference", ODICT_STRING,
				      s->name);
	if (!err)
		err = re_sdprintf(&json, "%H", json_print, od);
	if (!err)
		err = bus_request(&side->req, s->r->bus, subject,
				  (uint8_t *)json, strlen(json), ABOUT_TIME,
				  about_handler, side);

	mem_deref(json);
	mem_deref(od);

	return err;
}


static void case_ask(struct suspect *s)
{
	int err;

	err = about_ask(s, &s->sidev[0]);
	if (!err)
		err = about_ask(s, &s->sidev[1]);
	if (err) {
		s->sidev[0].req = mem_deref(s->sidev[0].req);
		again(s);
	}
}


static void case_handler(int err, uint64_t rev, const uint8_t *buf,
			 size_t len, void *arg)
{
	struct suspect *s = arg;
	(void)rev;
	(void)buf;
	(void)len;

	if (!err) {
		s->ours = true;
		case_ask(s);
	}
	else if (err == EEXIST) {
		/* another's; seen to again should that one fail */
		again(s);
	}
	else {
		mem_deref(s);
	}
}


static void settle_handler(void *arg)
{
	struct suspect *s = arg;
	const struct resolution *r = s->r;
	const struct owner *o = owner_find(r, s->name);
	const char *self = server_name(service_server(r->svc));

	/* who has the claim is one of the two, whoever it is by now */
	if (o && strcmp(o->server, s->sidev[0].server) &&
	    strcmp(o->server, s->sidev[1].server))
		str_ncpy(s->sidev[0].server, o->server,
			 sizeof(s->sidev[0].server));

	if (!o || !strcmp(s->sidev[0].server, s->sidev[1].server)) {
		mem_deref(s);
		return;
	}

	if (s->ours)
		case_ask(s);
	else if (bus_kv_create(&s->op, r->bus, "resolutions", s->key,
			       (const uint8_t *)self, strlen(self), CASE_TTL,
			       case_handler, s))
		again(s);
}


static struct suspect *suspect_find(const struct resolution *r,
				    const char *name)
{
	struct le *le;

	LIST_FOREACH(&r->suspectl, le) {
		struct suspect *s = le->data;

		if (!strcmp(s->name, name))
			return s;
	}

	return NULL;
}


/* Moves look like this, too, but only for a moment. */
static void suspect_add(struct resolution *r, const char *name,
			const char *claimed, const char *runs)
{
	const struct config *cfg = server_config(service_server(r->svc));
	struct suspect *s;

	if (suspect_find(r, name) || list_count(&r->suspectl) >= CASES_MAX)
		return;

	s = mem_zalloc(sizeof(*s), suspect_destructor);
	if (!s)
		return;

	if (name_key(s->key, sizeof(s->key), name, strlen(name))) {
		mem_deref(s);
		return;
	}

	s->r = r;
	str_ncpy(s->name, name, sizeof(s->name));
	str_ncpy(s->sidev[0].server, claimed, sizeof(s->sidev[0].server));
	str_ncpy(s->sidev[1].server, runs, sizeof(s->sidev[1].server));
	list_append(&r->suspectl, &s->le, s);
	tmr_init(&s->tmr);
	tmr_start(&s->tmr, config_u32(cfg, "resolution.settle"),
		  settle_handler, s);
}


static void user_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	struct resolution *r = arg;
	const struct owner *o;
	struct wire_user u;
	(void)subject;

	if (!wire_user_decode(&u, buf, len) && u.participants) {
		o = owner_find(r, u.conference);
		if (o && strcmp(o->server, u.server))
			suspect_add(r, u.conference, o->server, u.server);
	}

	mem_deref(reply);
}


static void conflict_handler(const char *subject, const uint8_t *buf,
			     size_t len, struct bus_reply *reply, void *arg)
{
	const char *conference, *server, *claimed;
	struct resolution *r = arg;
	struct odict *od = NULL;

	if (json_object_decode(&od, (const char *)buf, len)) {
		log_event(LOG_WARN, "resolution", NULL,
			  "%s is not understood", subject);
		goto out;
	}

	conference = odict_string(od, "conference");
	server     = odict_string(od, "server");
	claimed    = odict_string(od, "claimed");
	if (conference && server && claimed &&
	    name_valid(conference, strlen(conference),
		       CLIENT_CONFERENCE_MAX) &&
	    name_valid(server, strlen(server), NAME_SERVER_MAX) &&
	    name_valid(claimed, strlen(claimed), NAME_SERVER_MAX))
		suspect_add(r, conference, claimed, server);

 out:
	mem_deref(od);
	mem_deref(reply);
}


/* life */

static int offers_make(struct resolution *r)
{
	const struct offer_metric metricv[] = {
		{METRIC_COUNTER, "junctor_resolution_merged_total", NULL,
		 "Conferences that ran twice and are one again",
		 offers_counter, &r->merged},
		{METRIC_COUNTER, "junctor_resolution_failed_total", NULL,
		 "Times that this did not work", offers_counter, &r->failed},
	};
	int err;

	err = offers_alloc(&r->offers, service_server(r->svc));
	if (!err)
		err = offers_metrics(r->offers, metricv, ARRAY_SIZE(metricv),
				     r);

	return err;
}


static void stop(struct service *svc)
{
	struct resolution *r = service_data(svc);
	size_t i;

	for (i=0; i<ARRAY_SIZE(r->subv); i++)
		r->subv[i] = mem_deref(r->subv[i]);
	r->watch = mem_deref(r->watch);
	list_flush(&r->suspectl);
	hash_flush(r->ownerh);
	r->offers = mem_deref(r->offers);
	r->seal   = mem_deref(r->seal);
	r->bus    = mem_deref(r->bus);
}


static int start(struct service *svc)
{
	struct resolution *r = service_data(svc);
	struct server *srv = service_server(svc);
	int err;

	r->bus = mem_ref(server_bus(srv));
	err = seal_key_load(&r->seal, srv, "resolution");
	if (!err)
		err = offers_make(r);
	if (!err)
		err = bus_kv_watch(&r->watch, r->bus, "conferences", ">",
				   claim_handler, r);
	if (!err)
		err = bus_subscribe(&r->subv[0], r->bus, "noc.conflict",
				    conflict_handler, r);
	if (!err)
		err = bus_subscribe(&r->subv[1], r->bus, "noc.user",
				    user_handler, r);
	if (err)
		stop(svc);

	return err;
}


static void destructor(void *arg)
{
	struct resolution *r = arg;

	mem_deref(r->ownerh);
}


static int init(struct service *svc)
{
	struct resolution *r;
	int err;

	r = mem_zalloc(sizeof(*r), destructor);
	if (!r)
		return ENOMEM;

	r->svc = svc;
	siphash_key_random(&r->hkey);
	err = hash_alloc(&r->ownerh, BUCKETS);
	if (err)
		mem_deref(r);
	else
		service_data_set(svc, r);

	return err;
}


extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name     = "resolution",
	.settings = settings,
	.init     = init,
	.start    = start,
	.stop     = stop,
	.close    = service_release,
};
