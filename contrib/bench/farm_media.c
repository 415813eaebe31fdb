/**
 * @file farm_media.c  A made-up media server: it keeps places, admits, counts
 *                     and reports as a real one does, and mixes nothing
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/siphash.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "noc/ticket.h"
#include "farm.h"
#include "farm_int.h"


enum { CONF_BUCKETS = 256, WILLCALL_MAX = 100000 };

struct room {
	struct le he;
	uint32_t participants;
	bool running;
	char name[];
};


static void room_destructor(void *arg)
{
	struct room *c = arg;

	hash_unlink(&c->he);
}


static uint32_t hash_of(const char *s)
{
	return hash_joaat_str(s);
}


static bool room_cmp(struct le *le, void *arg)
{
	const struct room *c = le->data;

	return !strcmp(c->name, arg);
}


static struct room *room_find(const struct farm_media *m, const char *name)
{
	return list_ledata(hash_lookup(m->confs, hash_of(name), room_cmp,
				       (void *)name));
}


/* A conference that is expected; it runs when somebody is in */
static struct room *room_get(struct farm_media *m, const char *name)
{
	const size_t n = strlen(name) + 1;
	struct room *c = room_find(m, name);

	if (c)
		return c;

	c = mem_zalloc(sizeof(*c) + n, room_destructor);
	if (!c)
		return NULL;

	memcpy(c->name, name, n);
	hash_append(m->confs, hash_of(name), &c->he, c);

	return c;
}


static void destructor(void *arg)
{
	struct farm_media *m = arg;

	list_unlink(&m->le);
	hash_unlink(&m->he);
	mem_deref(m->sub);
	hash_flush(m->confs);
	mem_deref(m->confs);
	mem_deref(m->willcall);
	mem_deref(m->bus);
}


static uint32_t unused(struct farm_media *m)
{
	const uint32_t used = m->st.participants +
		(uint32_t)willcall_count(m->willcall, tmr_jiffies());

	m->st.peak = max(m->st.peak, used);

	return used < m->capacity ? m->capacity - used : 0;
}


/**
 * Report capacity
 *
 * @param m        Media server
 * @param announce In the bucket, as one does at its start
 */
void farm_media_report(struct farm_media *m, bool announce)
{
	struct wire_server ws = {
		.state = CAPACITY_IN_SERVICE, .media = MEDIA_AUDIO,
		.capacity = m->capacity, .unused = unused(m),
		.participants = m->st.participants,
		.conferences = m->st.conferences, .seq = ++m->seq,
	};
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	if (m->mute)
		return;

	str_ncpy(ws.name, m->name, sizeof(ws.name));
	str_ncpy(ws.contact, m->contact, sizeof(ws.contact));

	if (wire_server_encode(buf, sizeof(buf), &n, &ws) ||
	    name_key(key, sizeof(key), m->name, strlen(m->name)))
		return;

	if (announce)
		(void)bus_kv_put(NULL, m->bus, "servers", key, buf, n, 0,
				 NULL, NULL);
	else
		(void)bus_publish(m->bus, "noc.capacity", buf, n);
}


struct reservation {
	struct farm_media *m;
	uint32_t room, granted;
	bool here;                 /* their conference is, or is to be      */
};


static void here_handler(const struct willcall_join *j, void *arg)
{
	struct reservation *res = arg;
	char name[CLIENT_CONFERENCE_MAX];
	const struct room *c;

	memcpy(name, j->conference, j->conferencelen);
	name[j->conferencelen] = '\0';
	c = room_find(res->m, name);
	res->here |= c != NULL;
}


static void join_handler(const struct willcall_join *j, void *arg)
{
	struct reservation *res = arg;
	const uint64_t now = tmr_jiffies();
	struct willcall_join join = *j;
	char name[CLIENT_CONFERENCE_MAX];
	int err;

	join.media = MEDIA_AUDIO;
	if (willcall_is_new(res->m->willcall, &join, now)) {
		if (!res->room)
			return;
		--res->room;
	}

	err = willcall_add(res->m->willcall, &join, now);
	if (err && err != EALREADY)
		return;

	memcpy(name, j->conference, j->conferencelen);
	name[j->conferencelen] = '\0';
	(void)room_get(res->m, name);
	++res->granted;
}


static void release_handler(const struct willcall_join *j, void *arg)
{
	struct farm_media *m = arg;

	if (!willcall_admit(m->willcall, j, tmr_jiffies(), NULL, 0))
		(void)willcall_joined(m->willcall, j);
}


static enum wire_verdict reserve(struct farm_media *m, const uint8_t *buf,
				 size_t len, uint32_t *granted)
{
	struct reservation res = { .m = m, .room = unused(m) };
	struct wire_reserve r;
	unsigned joinc;

	if (wire_reserve_decode(&r, &joinc, buf, len, here_handler, &res))
		return WIRE_REFUSED;

	if (r.release) {
		(void)wire_reserve_decode(&r, &joinc, buf, len,
					  release_handler, m);
		return WIRE_GRANT;
	}

	if (r.create && !res.here && res.room < r.least)
		return WIRE_LESS;

	(void)wire_reserve_decode(&r, &joinc, buf, len, join_handler, &res);
	*granted = res.granted;

	return res.granted == joinc ? WIRE_GRANT : WIRE_FULL;
}


static void reserve_handler(const char *subject, const uint8_t *buf,
			    size_t len, struct bus_reply *reply, void *arg)
{
	struct farm_media *m = arg;
	struct wire_granted g = { .granted = 0 };
	uint8_t resp[WIRE_SMALL_MAX];
	size_t n;
	(void)subject;

	++m->st.reserves;
	if (m->mute) {
		mem_deref(reply);
		return;
	}

	g.verdict = reserve(m, buf, len, &g.granted);
	g.unused  = unused(m);
	g.seq     = ++m->seq;

	if (!reply || wire_granted_encode(resp, sizeof(resp), &n, &g))
		mem_deref(reply);
	else
		(void)bus_respond(reply, resp, n);
}


static void claim_put(struct farm_media *m, const char *name)
{
	struct wire_claim c = { .running = true };
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	str_ncpy(c.conference, name, sizeof(c.conference));
	str_ncpy(c.server, m->name, sizeof(c.server));

	if (!wire_claim_encode(buf, sizeof(buf), &n, &c) &&
	    !name_key(key, sizeof(key), name, strlen(name)))
		(void)bus_kv_put(NULL, m->bus, "conferences", key, buf, n, 0,
				 NULL, NULL);
}


static struct room *room_begin(struct farm_media *m, const char *name)
{
	struct room *c = room_get(m, name);

	if (c && !c->running) {
		c->running = true;
		++m->st.conferences;
		claim_put(m, name);
	}

	return c;
}


static void joined_tell(struct farm_media *m, const struct room *c,
			const char *user)
{
	struct wire_user u = {
		.what = WIRE_JOINED, .participants = c->participants,
	};
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	str_ncpy(u.conference, c->name, sizeof(u.conference));
	str_ncpy(u.server, m->name, sizeof(u.server));
	str_ncpy(u.user, user, sizeof(u.user));

	if (!wire_user_encode(buf, sizeof(buf), &n, &u))
		(void)bus_publish(m->bus, "noc.user", buf, n);
}


static int ticket_judge(const struct farm_media *m, const struct join *join,
			const char *text)
{
	char account[CLIENT_ACCOUNT_MAX];
	struct ticket t = {
		.conference = join->conference,
		.conferencelen = strlen(join->conference),
		.user = join->user,
		.userlen = strlen(join->user),
		.server = m->name,
		.serverlen = strlen(m->name),
	};

	return ticket_check(m->farm->key, text, strlen(text), &t, account,
			    sizeof(account), (uint32_t)time(NULL));
}


/* A phone with a ticket comes: 0 if it is let in */
int farm_media_arrive(struct farm_media *m, const struct join *join,
		      const char *ticket)
{
	const struct willcall_join j = {
		join->conference, strlen(join->conference),
		join->user, strlen(join->user), "", 0, MEDIA_AUDIO
	};
	const uint64_t now = tmr_jiffies();
	struct room *c;

	if (ticket_judge(m, join, ticket)) {
		++m->st.refused_ticket;
		return EACCES;
	}

	(void)willcall_admit(m->willcall, &j, now, NULL, 0);
	if (!willcall_has(m->willcall, &j, now)) {
		if (!unused(m)) {
			++m->st.refused_full;
			return ENOSPC;
		}
		(void)willcall_early(m->willcall, &j, now);
	}

	c = room_begin(m, join->conference);
	if (!c)
		return ENOMEM;

	(void)willcall_joined(m->willcall, &j);
	++c->participants;
	++m->st.participants;
	(void)unused(m);
	joined_tell(m, c, join->user);

	return 0;
}


/**
 * Put participants there as if they had come
 *
 * @param m    Media server
 * @param conf Conference
 * @param n    How many
 *
 * @return 0 if success; ENOMEM
 */
int farm_media_fill(struct farm_media *m, const char *conf, uint32_t n)
{
	struct room *c = room_begin(m, conf);

	if (!c)
		return ENOMEM;

	c->participants += n;
	m->st.participants += n;

	return 0;
}


/**
 * Fall silent, as a server does that is dead, or speak again
 *
 * @param m  Media server
 * @param on True to fall silent
 */
void farm_media_mute(struct farm_media *m, bool on)
{
	m->mute = on;
}


static bool contact_cmp(struct le *le, void *arg)
{
	const struct farm_media *m = le->data;

	return !strcmp(m->contact, arg);
}


struct farm_media *farm_media_find(const struct farm *f, const char *contact)
{
	return list_ledata(hash_lookup(f->mediah, hash_of(contact),
				       contact_cmp, (void *)contact));
}


/**
 * Add a media server, which announces itself
 *
 * @param mp       Set to the server, which the farm owns; or NULL
 * @param f        Farm
 * @param bus      Bus of its bank
 * @param name     Its name
 * @param contact  host:port
 * @param capacity Participants
 *
 * @return 0 if success
 */
int farm_media_add(struct farm_media **mp, struct farm *f, struct bus *bus,
		   const char *name, const char *contact, uint32_t capacity)
{
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX];
	struct farm_media *m;
	int err;

	m = mem_zalloc(sizeof(*m), destructor);
	if (!m)
		return ENOMEM;

	m->farm = f;
	m->bus  = mem_ref(bus);
	m->capacity = capacity;
	str_ncpy(m->name, name, sizeof(m->name));
	str_ncpy(m->contact, contact, sizeof(m->contact));
	list_append(&f->medial, &m->le, m);
	hash_append(f->mediah, hash_of(contact), &m->he, m);

	err  = hash_alloc(&m->confs, CONF_BUCKETS);
	err |= willcall_alloc(&m->willcall, WILLCALL_MAX, f->lease_ms);
	if (err)
		goto out;

	err = name_key(key, sizeof(key), name, strlen(name));
	if (err)
		goto out;

	(void)re_snprintf(subject, sizeof(subject), "server.%s.reserve", key);
	err = bus_subscribe(&m->sub, bus, subject, reserve_handler, m);
	if (!err)
		farm_media_report(m, true);

 out:
	if (err)
		mem_deref(m);
	else if (mp)
		*mp = m;

	return err;
}
