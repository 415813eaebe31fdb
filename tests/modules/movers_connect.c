/**
 * @file movers_connect.c  A made-up connect service, and its phones
 */
#include <string.h>
#include <sys/time.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/key.h"
#include "noc/name.h"
#include "noc/seal.h"
#include "noc/seat.h"
#include "connect/connect.h"
#include "movers.h"


struct connect {
	struct connect_api api;
	struct media *m;
};

struct room_hold {
	struct media *m;
	struct mroom *r;
};

struct later {
	struct tmr tmr;
	struct media *m;
	unsigned life;             /* of the server that asked              */
	struct mphone *p;
	connect_save_h *sh;
	connect_adopt_h *ah;
	void *arg;
	int err;
	uint16_t scode;
};


struct mroom *mroom_find(struct media *m, const char *name)
{
	for (size_t i = 0; i < MROOMS_MAX; i++) {
		if (m->roomv[i].here && !strcmp(m->roomv[i].name, name))
			return &m->roomv[i];
	}

	return NULL;
}


static void fire(struct media *m, const char *event,
		 const struct connect_event *from)
{
	struct connect_event ce = *from;
	const struct event ev = {
		.name = event, .callid = ce.callid, .data = &ce,
	};

	if (m->dead)
		return;

	m->created += !strcmp(event, "connect.created");
	m->deleted += !strcmp(event, "connect.deleted");
	m->joined  += !strcmp(event, "connect.joined") && !ce.moved;
	m->left    += !strcmp(event, "connect.left");
	m->moved   += !strcmp(event, "connect.moved");
	(void)event_fire(server_events(m->srv), &ev);
}


static uint64_t utc(void)
{
	struct timeval tv;

	ck_assert_int_eq(0, gettimeofday(&tv, NULL));

	return (uint64_t)tv.tv_sec * 1000000 + (uint64_t)tv.tv_usec;
}


static struct mroom *room_get(struct media *m, const char *name, bool moved,
			      uint64_t created)
{
	const struct connect_event ce = {
		.conference = name, .moved = moved,
		.created_usec = created ? created : utc(),
	};
	struct mroom *r = mroom_find(m, name);

	for (size_t i = 0; !r && i < MROOMS_MAX; i++) {
		if (m->roomv[i].here)
			continue;

		r = &m->roomv[i];
		memset(r, 0, sizeof(*r));
		r->here = true;
		r->created_usec = ce.created_usec;
		str_ncpy(r->name, name, sizeof(r->name));
		fire(m, "connect.created", &ce);
	}
	ck_assert_ptr_nonnull(r);

	return r;
}


void mroom_gone(struct media *m, struct mroom *r, bool moved)
{
	const struct connect_event ce = {
		.conference = r->name, .moved = moved,
	};

	if (!r->here || r->members || r->holds || r->leaving)
		return;

	r->here = r->linked = false;
	fire(m, "connect.deleted", &ce);
}


static int callid_find(const char *callid)
{
	for (unsigned i = 0; i < movers.phonec; i++) {
		if (!strcmp(movers.phonev[i].callid, callid))
			return (int)i;
	}

	return -1;
}


static struct mphone *phone_here(struct media *m, const char *callid)
{
	const int i = callid_find(callid);
	struct mphone *p = i < 0 ? NULL : &movers.phonev[i];

	return p && p->there && p->at == m->ix ? p : NULL;
}


static void event_get(struct connect_event *ce, const struct mphone *p,
		      const struct mroom *r)
{
	memset(ce, 0, sizeof(*ce));
	ce->conference = p->conference;
	ce->callid = p->callid;
	ce->account = "";
	ce->user = ce->name = ce->info = p->callid;
	ce->id = p->id;
	ce->participants = r->members;
	ce->joined_usec = 1;
}


void mphone_enter(struct mphone *p, int ix, bool moved)
{
	struct media *m = &movers.mediav[ix];
	struct mroom *r = room_get(m, p->conference, moved, 0);
	struct connect_event ce;

	p->at = ix;
	p->frozen = false;
	p->there = true;
	if (!p->watcher)
		++r->members;
	mseat_put(p);
	event_get(&ce, p, r);
	ce.moved = moved;
	if (!p->watcher)
		fire(m, "connect.joined", &ce);
}


/* The phone is no longer at its server. */
void mphone_leave(struct mphone *p, const char *event, const char *to)
{
	struct media *m = &movers.mediav[p->at];
	struct mroom *r = mroom_find(m, p->conference);
	struct connect_event ce;

	ck_assert_ptr_nonnull(r);
	if (!p->watcher)
		--r->members;
	p->at = -1;
	p->frozen = false;
	event_get(&ce, p, r);
	ce.to = to;
	ce.moved = to != NULL;
	fire(m, event, &ce);

	mroom_gone(m, r, false);
}


static void later_destructor(void *arg)
{
	struct later *l = arg;

	tmr_cancel(&l->tmr);
}


static struct later *later_alloc(struct media *m, struct mphone *p, void *arg)
{
	struct later *l = mem_zalloc(sizeof(*l), later_destructor);

	ck_assert_ptr_nonnull(l);
	l->m = m;
	l->life = m->life;
	l->p = p;
	l->arg = arg;

	return l;
}


static void totals(const struct connect *c, struct connect_totals *tot)
{
	memset(tot, 0, sizeof(*tot));
	for (size_t i = 0; i < MROOMS_MAX; i++) {
		tot->conferences += c->m->roomv[i].here;
		tot->participants += c->m->roomv[i].here ?
			c->m->roomv[i].members : 0;
	}
}


static unsigned participants(const struct connect *c, const char *name)
{
	const struct mroom *r = mroom_find(c->m, name);

	return r ? r->members : 0;
}


static int room_save(struct connect *c, const char *name, struct odict **odp)
{
	const struct mroom *r = mroom_find(c->m, name);
	const struct seat_room room = {
		.conference = name, .server = server_name(c->m->srv),
		.locked = r && r->locked,
		.created_usec = r ? r->created_usec : 0,
	};

	return r ? seat_room_encode(odp, &room) : ENOENT;
}


static void hold_destructor(void *arg)
{
	struct room_hold *h = arg;

	--h->r->holds;
	mroom_gone(h->m, h->r, false);
}


static int room_load(struct connect *c, const struct odict *od,
		     struct room_hold **holdp)
{
	struct seat_room room;
	struct room_hold *h;
	int err;

	err = seat_room_decode(&room, od);
	if (err)
		return err;

	h = mem_zalloc(sizeof(*h), hold_destructor);
	if (!h)
		return ENOMEM;

	h->m = c->m;
	h->r = room_get(c->m, room.conference, true, room.created_usec);
	h->r->locked |= room.locked;
	++h->r->holds;
	*holdp = h;

	return 0;
}


static unsigned legs(struct connect *c, const char *name, connect_leg_h *h,
		     void *arg)
{
	unsigned n = 0;

	for (int w = 0; w < 2; w++) {
		for (unsigned i = 0; i < movers.phonec; i++) {
			struct mphone *p = &movers.phonev[i];

			if (p->watcher != (w == 1) || !p->there ||
			    p->at != c->m->ix || strcmp(p->conference, name))
				continue;

			h(p->callid, p->id, p->watcher, arg);
			++n;
		}
	}

	return n;
}


static int seat_get(struct odict **odp, const struct mphone *p)
{
	struct seat s = {
		.kind = p->watcher ? SEAT_WATCHER : SEAT_LEG,
		.conference = p->conference,
		.server = server_name(movers.mediav[p->at].srv),
		.callid = p->callid, .user = p->callid, .types = MEDIA_AUDIO,
		.dialog = "made up", .account = "",
		.member = { .id = p->id, .joined_usec = 1 },
	};

	return seat_encode(odp, &s);
}


static struct seal_key *seal_get(void)
{
	struct seal_key *key;
	uint8_t secret[NOC_KEY_LEN];
	char file[128];

	(void)re_snprintf(file, sizeof(file), "%s/m1/noc.key", movers.dir);
	ck_assert_int_eq(0, noc_key_read(secret, file));
	ck_assert_int_eq(0, seal_key_alloc(&key, secret, sizeof(secret)));

	return key;
}


/* as the real one does: sealed, on the bus, with the server's name */
void mseat_put(const struct mphone *p)
{
	struct seal_key *seal = seal_get();
	char key[SEAT_KEY_MAX], place[SEAT_KEY_MAX + 8];
	struct odict *od;
	uint8_t *buf;
	size_t len;

	ck_assert_int_eq(0, seat_get(&od, p));
	ck_assert_int_eq(0, seat_key(key, sizeof(key), p->conference,
				     p->callid));
	(void)re_snprintf(place, sizeof(place), "seats/%s", key);
	ck_assert_int_eq(0, seal_odict(&buf, &len, seal, place, od));
	ck_assert_int_eq(0, bus_kv_put(NULL, movers.bus, "seats", key, buf,
				       len, 0, NULL, NULL));
	mem_deref(od);
	mem_deref(buf);
	mem_deref(seal);
}


void mseat_delete(const struct mphone *p)
{
	char key[SEAT_KEY_MAX];

	ck_assert_int_eq(0, seat_key(key, sizeof(key), p->conference,
				     p->callid));
	(void)bus_kv_delete(NULL, movers.bus, "seats", key, 0, NULL, NULL);
}


/* Whoever asked has died meanwhile. */
static bool too_late(const struct later *l)
{
	return l->m->dead || l->life != l->m->life;
}


static void save_later(void *arg)
{
	struct later *l = arg;
	struct mphone *p = l->p;
	struct odict *seat = NULL;
	int err = 0;

	if (too_late(l)) {
		mem_deref(l);
		return;
	}

	if (!p->there || p->at != l->m->ix)
		err = ENOTCONN;
	else if (p->busy) {
		--p->busy;
		err = EBUSY;
	}
	else {
		ck_assert_msg(!p->frozen, "%s frozen twice", p->callid);
		p->frozen = true;
		err = seat_get(&seat, p);
	}

	l->sh(err, p->callid, seat, l->arg);
	mem_deref(seat);
	mem_deref(l);
}


static int leg_save(struct connect *c, const char *callid,
		    connect_save_h *h, void *arg)
{
	struct mphone *p = phone_here(c->m, callid);
	struct later *l;

	if (!p)
		return ENOENT;

	l = later_alloc(c->m, p, arg);
	l->sh = h;
	tmr_start(&l->tmr, 1, save_later, l);

	return 0;
}


static int leg_thaw(struct connect *c, const char *callid, uint32_t cseq)
{
	struct mphone *p = phone_here(c->m, callid);
	(void)cseq;

	if (!p)
		return ENOENT;

	ck_assert_msg(p->frozen, "%s thawed, but not frozen", callid);
	p->frozen = false;
	++p->thaws;

	return 0;
}


static int leg_release(struct connect *c, const char *callid, const char *to)
{
	const int i = callid_find(callid);
	struct mphone *p = i < 0 ? NULL : &movers.phonev[i];
	struct mroom *r = p ? mroom_find(c->m, p->conference) : NULL;
	struct connect_event ce;

	if (!p || !r || c->m->dead)
		return ENOENT;

	/* it is the other's since that adopted it */
	++p->moves;
	r->leaving = true;
	if (p->at == c->m->ix) {
		mphone_leave(p, "connect.moved", to);
		p->frozen = false;
		return 0;
	}

	if (!p->watcher)
		--r->members;
	event_get(&ce, p, r);
	ce.to = to;
	ce.moved = true;
	fire(c->m, "connect.moved", &ce);

	return 0;
}


static void adopt_later(void *arg)
{
	struct later *l = arg;
	struct mphone *p = l->p;
	int err = l->err;

	p->adopter = 0;
	if (too_late(l)) {
		mem_deref(l);
		return;
	}

	if (!err && !p->there)
		err = ENOTCONN;
	if (!err) {
		p->order = ++movers.adopted;
		mphone_enter(p, l->m->ix, true);
	}

	l->ah(err, l->scode, 7, p->callid, l->arg);
	mem_deref(l);
}


static int leg_adopt(struct connect *c, const struct odict *od, bool crash,
		     connect_adopt_h *h, void *arg)
{
	struct mphone *p;
	struct later *l;
	struct seat s;
	int i, err;
	(void)crash;

	err = seat_decode(&s, od);
	if (err)
		return err;

	i = callid_find(s.callid);
	ck_assert_int_ge(i, 0);
	p = &movers.phonev[i];
	if ((p->there && p->at == c->m->ix) || p->adopter == c->m->ix + 1)
		return EEXIST;

	l = later_alloc(c->m, p, arg);
	l->ah = h;
	p->adopter = c->m->ix + 1;
	++p->adoptions;
	if (p->refuses) {
		--p->refuses;
		l->scode = p->scode;
		l->err = EPROTO;
	}
	if (p->mute) {
		l->scode = 408;
		l->err = ETIMEDOUT;
	}
	tmr_start(&l->tmr, p->mute ? 800 : p->slow ? p->slow : movers.speed,
		  adopt_later, l);

	return 0;
}


static int leg_refer(struct connect *c, const char *callid, const char *uri)
{
	struct mphone *p = phone_here(c->m, callid);

	if (!p)
		return ENOENT;

	ck_assert_ptr_nonnull(strstr(uri, ";ticket="));
	++p->referred;

	return 0;
}


static void leg_gone(struct connect *c, const char *conference, unsigned id)
{
	(void)c;
	(void)conference;
	(void)id;
}


static int leg_texts(struct connect *c, const char *callid,
		     struct odict **odp)
{
	const int i = callid_find(callid);
	struct mphone *p = i < 0 ? NULL : &movers.phonev[i];
	(void)c;

	if (!p || !p->texts)
		return ENOENT;

	ck_assert_int_eq(0, odict_alloc(odp, 4));
	(void)odict_entry_add(*odp, "id", ODICT_INT, (int64_t)rand_u32());
	(void)odict_entry_add(*odp, "texts", ODICT_INT, (int64_t)p->texts);
	p->texts = 0;

	return 0;
}


static int leg_text(struct connect *c, const char *callid,
		    const struct odict *od)
{
	struct mphone *p = phone_here(c->m, callid);
	uint64_t id, n;

	ck_assert(odict_get_number(od, &id, "id"));
	ck_assert(odict_get_number(od, &n, "texts"));
	if (!p)
		return ENOENT;

	if (id != p->texts_id)
		p->texts_got += (unsigned)n;
	p->texts_id = id;

	return 0;
}


static int room_text(struct connect *c, const char *name,
		     const struct odict *od)
{
	struct mroom *r = mroom_find(c->m, name);
	const char *text = odict_string(od, "text");
	size_t n;

	if (!r)
		return ENOENT;
	if (!text)
		return EBADMSG;

	n = strlen(r->said);
	ck_assert_uint_lt(n + strlen(text), sizeof(r->said));
	str_ncpy(r->said + n, text, sizeof(r->said) - n);

	return 0;
}


static int room_drop(struct connect *c, const char *name, const char *to)
{
	struct mroom *r = mroom_find(c->m, name);

	if (!r)
		return ENOENT;
	if (to && (r->members || r->holds))
		return EBUSY;

	r->leaving = r->going = false;
	mroom_gone(c->m, r, to != NULL);

	return 0;
}


static int room_going(struct connect *c, const char *name, const char *to)
{
	struct mroom *r = mroom_find(c->m, name);

	ck_assert(str_isset(to));
	if (!r)
		return ENOENT;

	r->going = true;

	return 0;
}


static int link_(struct connect *c, const char *name, const char *peer,
		 char *laddr, size_t sz)
{
	struct mroom *r = mroom_find(c->m, name);

	if (!r)
		return ENOENT;

	r->linked = true;
	if (peer)
		str_ncpy(r->peer, peer, sizeof(r->peer));
	(void)re_snprintf(laddr, sz, "127.0.0.%d:9", c->m->ix + 1);

	return 0;
}


static int unlink_(struct connect *c, const char *name)
{
	struct mroom *r = mroom_find(c->m, name);

	if (!r)
		return ENOENT;

	r->linked = false;

	return 0;
}


static void verify(struct connect *c, const char *name)
{
	(void)c;
	(void)name;
}


static int connect_init_(struct service *svc)
{
	struct connect *c = mem_zalloc(sizeof(*c), NULL);

	if (!c)
		return ENOMEM;

	c->m = movers_media(service_server(svc));
	c->api = (struct connect_api){
		.c = c, .totals = totals, .participants = participants,
		.room_save = room_save, .room_load = room_load, .legs = legs,
		.leg_save = leg_save, .leg_thaw = leg_thaw,
		.leg_release = leg_release, .leg_adopt = leg_adopt,
		.leg_texts = leg_texts, .leg_text = leg_text,
		.room_text = room_text,
		.leg_refer = leg_refer, .leg_gone = leg_gone,
		.room_going = room_going,
		.room_drop = room_drop, .link = link_, .unlink = unlink_,
		.verify = verify,
	};
	service_data_set(svc, c);
	service_api_set(svc, &c->api);

	return 0;
}


static void connect_close_(struct service *svc)
{
	mem_deref(service_data(svc));
}


const struct service_export movers_connect_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "groups",
	.role = "connect",
	.init = connect_init_,
	.close = connect_close_,
};
