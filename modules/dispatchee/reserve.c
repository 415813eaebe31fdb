/**
 * @file reserve.c  server.NAME.reserve: places are kept by what is really left
 */
#include <string.h>
#include <re.h>
#include "server/service.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "dispatchee/dispatchee.h"


struct reservation {
	struct dispatchee *d;
	struct wire_reserve r;
	uint32_t room;             /* what is left                          */
	uint32_t granted;
	bool here;                 /* their conference is, or is to be      */
	uint64_t now;
};


/* What one more takes of the room */
static uint32_t need(struct reservation *res, const struct willcall_join *j)
{
	const struct dispatchee *d = res->d;
	char name[CLIENT_CONFERENCE_MAX];
	const struct conf *c;
	uint32_t size;

	memcpy(name, j->conference, j->conferencelen);
	name[j->conferencelen] = '\0';

	c = local_find(d, name);
	size = c && c->participants ? c->participants :
		c && (c->running || c->expect.list) ? 1 : 0;

	return d->est->need(&d->est_cfg, size);
}


static void join_handler(const struct willcall_join *join, void *arg)
{
	struct reservation *res = arg;
	struct willcall_join j = *join;
	char name[CLIENT_CONFERENCE_MAX];
	uint32_t n;
	int err;

	j.media = res->r.media ? res->r.media : MEDIA_AUDIO;

	/* who has a place already needs no other */
	n = willcall_is_new(res->d->willcall, &j, res->now) ? need(res, &j)
							     : 0;
	if (n > res->room) {
		++res->d->countv[NOT_GRANTED];
		return;
	}

	err = willcall_add(res->d->willcall, &j, res->now);
	if (err && err != EALREADY)
		return;

	res->room -= n;
	++res->granted;
	++res->d->countv[GRANTED];

	if (res->r.create) {
		memcpy(name, j.conference, j.conferencelen);
		name[j.conferencelen] = '\0';
		(void)local_expect(res->d, name);
	}
}


static void here_handler(const struct willcall_join *j, void *arg)
{
	struct reservation *res = arg;
	char name[CLIENT_CONFERENCE_MAX];
	const struct conf *c;

	memcpy(name, j->conference, j->conferencelen);
	name[j->conferencelen] = '\0';

	c = local_find(res->d, name);
	res->here |= c && (c->running || c->expect.list);
}


/* Another server has their conference: they come neither by ticket nor by
   name. */
static void release_handler(const struct willcall_join *join, void *arg)
{
	struct reservation *res = arg;

	if (!willcall_admit(res->d->willcall, join, res->now, NULL, 0))
		(void)willcall_joined(res->d->willcall, join);
}


static enum wire_verdict reserve(struct dispatchee *d, const uint8_t *buf,
				 size_t len, uint32_t *granted)
{
	struct reservation res = { .d = d, .now = tmr_jiffies() };
	unsigned joinc;

	/* nothing of a bad message is done */
	if (wire_reserve_decode(&res.r, &joinc, buf, len, here_handler, &res))
		return WIRE_REFUSED;

	if (res.r.release) {
		(void)wire_reserve_decode(&res.r, &joinc, buf, len,
					  release_handler, &res);
		report_changed(d);
		return WIRE_GRANT;
	}

	if (report_state(d) == CAPACITY_OUT ||
	    (res.r.create && report_state(d) != CAPACITY_IN_SERVICE))
		return WIRE_OUT;

	res.room = report_unused(d);
	if (res.r.create && !res.here && res.room < res.r.least)
		return WIRE_LESS;

	(void)wire_reserve_decode(&res.r, &joinc, buf, len, join_handler,
				  &res);
	*granted = res.granted;

	return res.granted == joinc ? WIRE_GRANT : WIRE_FULL;
}


/**
 * Keep places for joins, or give them back
 *
 * @param subject Asked for, server.<name>.reserve
 * @param buf     Question
 * @param len     Its length [bytes]
 * @param reply   Where the answer goes, taken; NULL if none is wanted
 * @param arg     Dispatchee
 */
void reserve_handler(const char *subject, const uint8_t *buf, size_t len,
		     struct bus_reply *reply, void *arg)
{
	struct dispatchee *d = arg;
	struct wire_granted g = { .granted = 0 };
	uint8_t resp[WIRE_SMALL_MAX];
	size_t n;
	int err;

	g.verdict = reserve(d, buf, len, &g.granted);
	g.unused  = report_unused(d);
	g.seq     = ++d->seq;

	if (g.verdict == WIRE_REFUSED)
		log_event(LOG_WARN, "dispatchee", NULL,
			  "%s: message is not understood", subject);

	log_trace("dispatchee", NULL, "asked for places: verdict %d, %u "
		  "granted, %u left", g.verdict, g.granted, g.unused);

	err = wire_granted_encode(resp, sizeof(resp), &n, &g);
	if (err || !reply)
		mem_deref(reply);
	else
		(void)bus_respond(reply, resp, n);

	if (g.granted)
		report_changed(d);
}
