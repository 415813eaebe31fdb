/**
 * @file judge.c  Is a silent server dead?
 *
 *   beats are missing -> ask it on the bus, and send ourselves a message as a
 *                        proof that the bus works (echo.c)
 *      answers           -> it lives; asked again as long as no beats come
 *      nobody listens,
 *      or no answer, but
 *      ours came back    -> and silent for the whole timeout: it is dead
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


enum { AGAIN_MS = 100 };          /* until the next try                    */


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
				  " of %s, but it answers on the bus; if that"
				  " stays so: is UDP let through, and is its"
				  " noc.key the same?",
				  n->rec.name);
		}
		again(n, n->hb->timeout);
	}

	if (n->state != NODE_UP && n->state != NODE_LEFT)
		heartbeat_up(n, "answers on the bus");
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
	else {
		n->unanswered = false;
		again(n, AGAIN_MS);
	}
}


/**
 * The bus was seen to work, or not to
 *
 * @param hb    Heartbeat
 * @param works True if it does
 */
void judge_bus(struct heartbeat *hb, bool works)
{
	hb->bus_bad = !works;
	heartbeat_bus(hb, works);
	judge_isolation(hb);
}


/**
 * A message to ourselves came back
 *
 * @param hb   Heartbeat
 * @param sent When it was sent [ms]
 * @param back When it came back [ms]
 */
void judge_proof(struct heartbeat *hb, uint64_t sent, uint64_t back)
{
	struct le *le;

	LIST_FOREACH(&hb->nodel, le) {
		struct node *n = le->data;

		n->proven |= echo_proves(sent, back, n->asked, n->limit);
	}
}


static int subject_print(char *buf, size_t sz, const char *name)
{
	char key[NAME_KEY_MAX];
	int err;

	err = name_key(key, sizeof(key), name, strlen(name));
	if (err)
		return err;

	return re_snprintf(buf, sz, "server.%s.ping", key) < 0 ? ENOMEM : 0;
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
		judge_bus(n->hb, false);
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
	char subject[SUBJECT_MAX];
	int err;

	if (n->req || n->state == NODE_LEFT ||
	    judge_state(n) == BEATER_HEARD)
		return;

	tmr_cancel(&n->again);
	echo_prove(n->hb);
	n->asked = tmr_jiffies();
	n->limit = echo_limit(n->hb);
	n->proven = false;
	err = subject_print(subject, sizeof(subject), n->rec.name);
	if (!err)
		err = bus_request(&n->req, n->hb->bus, subject, NULL, 0,
				  n->limit, answer_handler, n);
	if (err) {
		judge_bus(n->hb, false);
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
	if (hb->bus_bad)
		echo_prove(hb);
}


static void ping_handler(const char *subject, const uint8_t *buf, size_t len,
			 struct bus_reply *reply, void *arg)
{
	struct heartbeat *hb = arg;
	char text[64];
	(void)subject;

	if (!reply) {
		echo_recv(hb, buf, len);
		return;
	}

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
		echo_prove(hb);
	}
	else {
		judge_bus(hb, false);
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
	int err;

	echo_start(hb);
	err = subject_print(hb->ping_subject, sizeof(hb->ping_subject),
			    hb->self.name);
	if (err)
		return err;

	err = bus_state_listen(&hb->bl, hb->bus, bus_handler, hb);
	if (err)
		return err;

	hb->bus_bad = bus_state(hb->bus) != BUS_UP;

	return bus_subscribe(&hb->sub, hb->bus, hb->ping_subject,
			     ping_handler, hb);
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
	echo_stop(hb);
}
