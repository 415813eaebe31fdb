/**
 * @file probe.c  Is a server well? SIP OPTIONS to where clients reach it, and
 *                a question on the bus
 *
 *   OPTIONS --> again after a third of the time limit, and after two thirds
 *   server.KEY.ping -->
 *   both answered, or the time limit has passed: that is the outcome
 *
 * Any final response will do: a server that says 503 is there. Over the bus we
 * do not ask ourselves: what we found out could not be told without it.
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/offers.h"
#include "server/server.h"
#include "server/settings.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/name.h"
#include "registry/reg.h"


enum { TRIES = 3 };                /* of OPTIONS                            */


static uint64_t now_usec(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);

	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}


static int outcome_add(struct odict *od, const char *key, enum outcome oc,
		       uint32_t usec)
{
	char text[32];

	if (oc == ANSWERED)
		(void)re_snprintf(text, sizeof(text), "answers after %u.%u ms",
				  usec / 1000, usec / 100 % 10);

	return odict_entry_add(od, key, ODICT_STRING,
			       oc == ANSWERED ? text :
			       oc == SILENT ? "no answer" : "not asked");
}


static void asker_tell(struct target *t)
{
	struct command_req *req = t->asker;
	struct odict *od = NULL;
	const char *reason;
	int err;

	t->asker = NULL;
	if (!req)
		return;

	err = odict_alloc(&od, 8);
	if (!err) {
		const enum mark_state state = target_state(t, &reason);

		err |= odict_entry_add(od, "server", ODICT_STRING, t->name);
		err |= odict_entry_add(od, "well", ODICT_BOOL, (int)t->well);
		err |= outcome_add(od, "sip", t->sip_state, t->sip_usec);
		if (t->sip_state == ANSWERED)
			err |= odict_entry_add(od, "status", ODICT_INT,
					       (int64_t)t->scode);
		err |= outcome_add(od, "bus", t->bus_state, t->bus_usec);
		err |= odict_entry_add(od, "state", ODICT_STRING,
				       mark_state_text(state));
	}

	if (err)
		command_fail(req, err, "%m", err);
	else
		command_ok(req, od);
	mem_deref(od);
}


static void done(struct target *t)
{
	struct registry *r = t->r;
	const bool sip_ok = t->sip_state != SILENT;

	tmr_cancel(&t->tmr);
	t->req = mem_deref(t->req);
	t->probing = false;
	t->token[0] = '\0';
	++r->probes;

	t->well = sip_ok && t->bus_state != SILENT;
	if (t->well) {
		t->failures = 0;
	}
	else if (sip_ok && bus_state(r->bus) != BUS_UP) {
		/* it is we who have no bus: nothing is known */
		t->well = !t->failures;
	}
	else {
		++t->failures;
		++r->failed;
	}

	mark_judge(t);
	asker_tell(t);
}


static void check_done(struct target *t)
{
	if (t->probing && t->sip_state != WAITING && t->bus_state != WAITING)
		done(t);
}


static void ping_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct target *t = arg;
	(void)buf;
	(void)len;

	t->bus_state = err ? SILENT : ANSWERED;
	t->bus_usec = (uint32_t)(now_usec() - t->began);
	check_done(t);
}


static void options_send(struct target *t)
{
	struct mbuf *mb = mbuf_alloc(1024);

	++t->sent;
	if (!mb)
		return;

	if (!options_encode(mb, t->sip, &t->r->laddr, t->token)) {
		mb->pos = 0;
		/* who cannot be reached does not answer: that is enough */
		(void)udp_send(t->r->us, &t->addr, mb);
	}
	mem_deref(mb);
}


static void timer_handler(void *arg)
{
	struct target *t = arg;

	if (t->sent < TRIES && t->sip_state == WAITING) {
		options_send(t);
		tmr_start(&t->tmr, t->r->timeout / TRIES, timer_handler, t);
		return;
	}

	if (t->sip_state == WAITING)
		t->sip_state = SILENT;
	check_done(t);
}


static void ping_send(struct target *t)
{
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX];
	int err;

	if (!strcmp(t->name, server_name(t->r->srv))) {
		t->bus_state = NOT_ASKED;
		return;
	}

	err = name_key(key, sizeof(key), t->name, strlen(t->name));
	if (!err) {
		(void)re_snprintf(subject, sizeof(subject), "server.%s.ping",
				  key);
		t->bus_state = WAITING;
		err = bus_request(&t->req, t->r->bus, subject, NULL, 0,
				  t->r->timeout, ping_handler, t);
	}
	if (err)
		t->bus_state = SILENT;
}


/* Numeric addresses only: a lookup of names is for phones. */
static bool addr_set(struct target *t)
{
	return t->sip[0] && t->r->us &&
		!sa_decode(&t->addr, t->sip, strlen(t->sip)) &&
		sa_port(&t->addr) &&
		sa_af(&t->addr) == sa_af(&t->r->laddr);
}


/**
 * Ask a server whether it is well
 *
 * @param t     Server
 * @param asker Told what came of it, or NULL
 *
 * @return 0 if success; EALREADY if it is being asked, and somebody waits
 *         already
 */
int probe_start(struct target *t, struct command_req *asker)
{
	if (asker && t->asker)
		return EALREADY;
	if (asker)
		t->asker = asker;
	if (t->probing)
		return 0;

	t->probing = true;
	t->began = now_usec();
	t->sent = 0;
	t->scode = 0;
	(void)re_snprintf(t->token, sizeof(t->token), "%016llx", rand_u64());
	t->sip_state = addr_set(t) ? WAITING : NOT_ASKED;

	/* first the one that cannot end the probe before the other begins */
	ping_send(t);
	if (t->sip_state == WAITING)
		options_send(t);
	tmr_start(&t->tmr, t->sip_state == WAITING ? t->r->timeout / TRIES
		  : t->r->timeout, timer_handler, t);

	return 0;
}


/**
 * Ask no more
 *
 * @param t Server
 */
void probe_stop(struct target *t)
{
	tmr_cancel(&t->tmr);
	t->req = mem_deref(t->req);
	t->probing = false;
	if (t->asker)
		command_fail(t->asker, ESHUTDOWN, "the registry stops");
	t->asker = NULL;
}


static void recv_handler(const struct sa *src, struct mbuf *mb, void *arg)
{
	struct registry *r = arg;
	char token[OPTIONS_TOKEN + 1];
	uint16_t scode;
	struct le *le;
	int err;

	err = options_response(&scode, token, mbuf_buf(mb),
			       mbuf_get_left(mb));
	if (err) {
		r->bad += err != EAGAIN;
		return;
	}

	LIST_FOREACH(&r->targetl, le) {
		struct target *t = le->data;

		if (!t->probing || t->sip_state != WAITING ||
		    strcmp(t->token, token) ||
		    !sa_cmp(&t->addr, src, SA_ALL))
			continue;

		t->sip_state = ANSWERED;
		t->sip_usec = (uint32_t)(now_usec() - t->began);
		t->scode = scode;
		check_done(t);
		return;
	}

	++r->bad;
}


/**
 * Open the socket that OPTIONS are sent from
 *
 * @param r Registry
 *
 * @return 0 if success
 */
int probe_open(struct registry *r)
{
	const struct config *cfg = server_config(r->srv);
	struct sa sa;
	int err;

	if (!config_sa(cfg, "registry.listen", &sa))
		goto open;

	if (!config_sa(cfg, "sip.listen", &sa)) {
		sa_set_port(&sa, 0);
		goto open;
	}

	/* a server without SIP asks from wherever its heartbeats come from */
	if (!config_sa(cfg, "heartbeat.listen", &sa)) {
		sa_set_port(&sa, 0);
		goto open;
	}

	err = sa_set_str(&sa, "127.0.0.1", 0);
	if (err)
		return err;

 open:
	err = udp_listen(&r->us, &sa, recv_handler, r);
	if (!err)
		err = udp_local_get(r->us, &r->laddr);
	if (!err && sa_is_any(&r->laddr)) {
		const uint16_t port = sa_port(&r->laddr);

		err = net_default_source_addr_get(sa_af(&sa), &r->laddr);
		sa_set_port(&r->laddr, port);
	}
	if (err)
		log_event(LOG_ERROR, "registry", NULL, "registry.listen: %s",
			  strerror(err));

	return err;
}


/**
 * Close it
 *
 * @param r Registry
 */
void probe_close(struct registry *r)
{
	r->us = mem_deref(r->us);
}
