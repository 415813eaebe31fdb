/**
 * @file judge.c  Is a silent server dead?
 *
 *   beats are missing -> ask it on the bus, and ourselves as a proof that
 *                        the bus works
 *      answers           -> it lives; asked again as long as no beats come
 *      nobody listens,
 *      or no answer, but
 *      the proof came    -> and silent for the whole timeout: it is dead
 *      no proof          -> nobody is judged; if nobody's beats come either,
 *                           we are the one who is cut off
 *
 * server.KEY.ping is answered by every server with {instance}.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/log.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/json.h"
#include "noc/name.h"
#include "heartbeat/hb.h"


enum {
	AGAIN_MS = 100,            /* until the next try                    */
	NEAR_MS  = 50,             /* a proof that was asked for earlier    */
};


/**
 * How a server does by its beats; one without any is judged by its record
 *
 * @param n Node
 *
 * @return State
 */
enum beater_state judge_state(const struct node *n)
{
	if (n->slot == NO_SLOT)
		return n->announced ? BEATER_HEARD : BEATER_SILENT;

	return beater_peer_state(n->hb->beater, n->slot);
}


static void again_handler(void *arg)
{
	judge_ask(arg);
}


static void again(struct node *n, uint32_t ms)
{
	tmr_start(&n->again, ms, again_handler, n);
}


static void answered(struct node *n, const uint8_t *buf, size_t len)
{
	struct odict *od = NULL;
	uint64_t instance = 0;

	if (!json_object_decode(&od, (const char *)buf, len))
		(void)node_instance_decode(&instance,
					   odict_string(od, "instance"));
	mem_deref(od);

	n->unanswered = false;
	if (!instance) {
		log_event(LOG_WARN, "heartbeat", NULL, "%s answers what is"
			  " not understood", n->rec.name);
	}
	else if (instance != n->rec.instance) {
		heartbeat_down(n, "has started anew");
		return;
	}

	if (judge_state(n) == BEATER_HEARD) {
		n->only_bus = false;
	}
	else {
		if (judge_state(n) == BEATER_SILENT && !n->only_bus) {
			n->only_bus = true;
			log_event(LOG_WARN, "heartbeat", NULL, "no heartbeats"
				  " of %s, but it answers on the bus",
				  n->rec.name);
		}
		again(n, n->hb->timeout);
	}

	if (n->state != NODE_UP && n->state != NODE_LEFT)
		heartbeat_up(n, "answers on the bus");
}


/* That the bus works later proves nothing: we may have been the one who could
   not be reached when the server was asked. Shortly before does: who is silent
   by now was so then. */
static bool proves(const struct node *n, uint64_t proof)
{
	return proof <= n->asked && proof + NEAR_MS >= n->asked;
}


static void verdict(struct node *n)
{
	struct heartbeat *hb = n->hb;

	if (!n->unanswered || n->state == NODE_DOWN || n->state == NODE_LEFT)
		return;

	switch (judge_state(n)) {

	case BEATER_HEARD:
		n->unanswered = false;
		return;

	case BEATER_SILENT:
		break;

	default:
		return;            /* we are told when it is silent */
	}

	/* what a process misses while it does not run proves nothing */
	if (n->slot != NO_SLOT && !beater_awake(hb->beater)) {
		again(n, AGAIN_MS);
		return;
	}

	if (n->proven) {
		heartbeat_down(n, "neither heartbeats nor an answer");
	}
	else if (!hb->proof_req || !proves(n, hb->proof_asked)) {
		n->unanswered = false;
		again(n, AGAIN_MS);
	}
}


static void bus_set(struct heartbeat *hb, bool works)
{
	hb->bus_bad = !works;
	heartbeat_bus(hb, works);
	judge_isolation(hb);
}


static void proof_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct heartbeat *hb = arg;
	struct le *le;
	(void)buf;
	(void)len;

	if (err) {
		bus_set(hb, false);
		return;
	}

	hb->unproven = 0;
	bus_set(hb, true);
	for (le = hb->nodel.head; le; ) {
		struct node *n = le->data;

		le = le->next;
		n->proven |= proves(n, hb->proof_asked);
		verdict(n);
	}
}


/**
 * Ask a server on the bus
 *
 * @param reqp Pointer to the request
 * @param hb   Heartbeat
 * @param name Server
 * @param ms   It has so long to answer [ms]
 * @param h    Told the answer
 * @param arg  Handler argument
 *
 * @return 0 if success
 */
int judge_ping(struct bus_req **reqp, struct heartbeat *hb,
	       const char *name, uint32_t ms, bus_resp_h *h, void *arg)
{
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX];
	int err;

	err = name_key(key, sizeof(key), name, strlen(name));
	if (err)
		return err;

	(void)re_snprintf(subject, sizeof(subject), "server.%s.ping", key);

	return bus_request(reqp, hb->bus, subject, NULL, 0, ms, h, arg);
}


static void proof_ask(struct heartbeat *hb)
{
	const uint64_t now = tmr_jiffies();

	if (hb->proof_req && hb->proof_asked + NEAR_MS >= now)
		return;

	/* whoever is asked later needs a later one; that none comes back has
	   to be found out all the same */
	hb->proof_req = mem_deref(hb->proof_req);
	hb->proof_asked = now;
	if (!hb->unproven)
		hb->unproven = now;
	else if (now >= hb->unproven + pace_limit(hb))
		bus_set(hb, false);

	if (judge_ping(&hb->proof_req, hb, hb->self.name, pace_limit(hb),
		       proof_handler, hb))
		bus_set(hb, false);
}


static void answer_handler(int err, const uint8_t *buf, size_t len, void *arg)
{
	struct node *n = arg;

	switch (err) {

	case 0:
		answered(n, buf, len);
		break;

	case ENOENT:
		/* the bus itself knows that nobody is there */
		n->proven = true;
		/*@fallthrough@*/
	case ETIMEDOUT:
		n->unanswered = true;
		verdict(n);
		/* until beats come, or silence is complete */
		if (n->state != NODE_DOWN)
			again(n, AGAIN_MS);
		break;

	default:
		bus_set(n->hb, false);
		again(n, AGAIN_MS);
		break;
	}
}


/**
 * Ask a server on the bus whether it lives
 *
 * @param n Node
 */
void judge_ask(struct node *n)
{
	int err;

	if (n->req || n->state == NODE_LEFT ||
	    judge_state(n) == BEATER_HEARD)
		return;

	tmr_cancel(&n->again);
	proof_ask(n->hb);
	n->asked = tmr_jiffies();
	n->proven = false;
	err = judge_ping(&n->req, n->hb, n->rec.name, pace_limit(n->hb),
			 answer_handler, n);
	if (err) {
		bus_set(n->hb, false);
		again(n, AGAIN_MS);
	}
}


/**
 * The beater tells how a server does now
 *
 * @param n     Node
 * @param state State
 */
void judge_beats(struct node *n, enum beater_state state)
{
	switch (state) {

	case BEATER_HEARD:
		n->unanswered = n->only_bus = false;
		n->req = mem_deref(n->req);
		tmr_cancel(&n->again);
		if (n->state != NODE_UP && n->state != NODE_LEFT)
			heartbeat_up(n, n->state == NODE_DOWN ?
				     "heartbeats again" : "heartbeats");
		judge_isolation(n->hb);
		break;

	case BEATER_QUIET:
	case BEATER_SILENT:
		if (n->unanswered)
			verdict(n);
		if (n->state != NODE_DOWN)
			judge_ask(n);
		judge_isolation(n->hb);
		break;

	default:
		break;
	}
}


/**
 * Are we the one who is cut off?
 *
 * @param hb Heartbeat
 */
void judge_isolation(struct heartbeat *hb)
{
	bool others = false;
	struct le *le;

	LIST_FOREACH(&hb->nodel, le) {
		const struct node *n = le->data;

		if (n->state == NODE_LEFT)
			continue;
		if (n->slot != NO_SLOT && judge_state(n) != BEATER_SILENT &&
		    n->state != NODE_NEW) {
			heartbeat_isolated(hb, false);
			return;
		}
		others = true;
	}

	heartbeat_isolated(hb, others && hb->bus_bad);
}


/**
 * Look after a bus that did not work
 *
 * @param hb Heartbeat
 */
void judge_tick(struct heartbeat *hb)
{
	if (hb->bus_bad && !hb->proof_req)
		proof_ask(hb);
}


static void ping_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	struct heartbeat *hb = arg;
	char text[64];
	(void)subject;
	(void)buf;
	(void)len;

	if (!reply)
		return;

	if (re_snprintf(text, sizeof(text),
			"{\"instance\":\"%016llx\"}", hb->self.instance) < 0)
		mem_deref(reply);
	else
		(void)bus_respond(reply, (uint8_t *)text, strlen(text));
}


static void bus_handler(enum bus_state state, void *arg)
{
	struct heartbeat *hb = arg;

	if (state == BUS_UP) {
		/* our record may have ended meanwhile */
		nodes_announce(hb);
		proof_ask(hb);
	}
	else {
		bus_set(hb, false);
	}
}


/**
 * Begin to answer who asks us
 *
 * @param hb Heartbeat
 *
 * @return 0 if success
 */
int judge_start(struct heartbeat *hb)
{
	char subject[NAME_KEY_MAX + 32], key[NAME_KEY_MAX];
	int err;

	err = name_key(key, sizeof(key), hb->self.name,
		       strlen(hb->self.name));
	if (err)
		return err;

	(void)re_snprintf(subject, sizeof(subject), "server.%s.ping", key);

	err = bus_state_listen(&hb->bl, hb->bus, bus_handler, hb);
	if (err)
		return err;

	hb->bus_bad = bus_state(hb->bus) != BUS_UP;

	return bus_subscribe(&hb->sub, hb->bus, subject, ping_handler, hb);
}


/**
 * Answer nobody, ask nobody
 *
 * @param hb Heartbeat
 */
void judge_stop(struct heartbeat *hb)
{
	hb->bl = mem_deref(hb->bl);
	hb->sub = mem_deref(hb->sub);
	hb->proof_req = mem_deref(hb->proof_req);
	pace_stop(hb);
}
