/**
 * @file api.c  What other services and operators can ask of the heartbeat
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/offers.h"
#include "bus/bus.h"
#include "heartbeat/hb.h"


static void info_set(struct node_info *ni, const struct node *n)
{
	ni->record = &n->rec;
	ni->state  = n->state;
	ni->self   = false;
	ni->beats  = n->slot != NO_SLOT && judge_state(n) == BEATER_HEARD;
	ni->since  = n->since;
}


static void info_self(struct node_info *ni, const struct heartbeat *hb)
{
	ni->record = &hb->self;
	ni->state  = NODE_UP;
	ni->self   = true;
	ni->beats  = true;
	ni->since  = hb->self.started;
}


static enum node_state api_state(const struct heartbeat *hb, const char *name)
{
	const struct node *n;

	if (!hb || !name)
		return NODE_UNKNOWN;
	if (!strcmp(name, hb->self.name))
		return NODE_UP;

	n = node_find(hb, name);

	return n ? n->state : NODE_UNKNOWN;
}


static int api_get(const struct heartbeat *hb, const char *name,
		   node_info_h *h, void *arg)
{
	const struct node *n;
	struct node_info ni;

	if (!hb || !name || !h)
		return EINVAL;

	if (!strcmp(name, hb->self.name)) {
		info_self(&ni, hb);
	}
	else {
		n = node_find(hb, name);
		if (!n)
			return ENOENT;
		info_set(&ni, n);
	}

	h(&ni, arg);

	return 0;
}


static void api_apply(const struct heartbeat *hb, node_info_h *h, void *arg)
{
	struct node_info ni;
	struct le *le;

	if (!hb || !h)
		return;

	info_self(&ni, hb);
	h(&ni, arg);

	for (le = hb->nodel.head; le; ) {
		const struct node *n = le->data;

		le = le->next;
		info_set(&ni, n);
		h(&ni, arg);
	}
}


static bool api_isolated(const struct heartbeat *hb)
{
	return hb ? hb->isolated : false;
}


static uint64_t api_instance(const struct heartbeat *hb)
{
	return hb ? hb->self.instance : 0;
}


/**
 * Fill in what other services call
 *
 * @param hb Heartbeat
 */
void heartbeat_api(struct heartbeat *hb)
{
	hb->api = (struct heartbeat_api){
		.hb = hb, .state = api_state, .get = api_get,
		.apply = api_apply, .isolated = api_isolated,
		.instance = api_instance,
	};
}


static void node_row(const struct node_info *ni, void *arg)
{
	struct odict *array = arg, *od = NULL;
	char key[16];

	if (odict_alloc(&od, 16))
		return;

	(void)re_snprintf(key, sizeof(key), "%zu", odict_count(array, false));
	(void)odict_entry_add(od, "name", ODICT_STRING, ni->record->name);
	(void)odict_entry_add(od, "state", ODICT_STRING,
			      node_state_name(ni->state));
	(void)odict_entry_add(od, "since", ODICT_INT, (int64_t)ni->since);
	(void)odict_entry_add(od, "beats", ODICT_BOOL, (int)ni->beats);
	(void)odict_entry_add(od, "self", ODICT_BOOL, (int)ni->self);
	(void)odict_entry_add(od, "sip", ODICT_STRING, ni->record->sip);
	(void)odict_entry_add(od, "version", ODICT_STRING,
			      ni->record->version);
	(void)odict_entry_add(od, "services", ODICT_STRING,
			      ni->record->services);
	(void)odict_entry_add(array, key, ODICT_OBJECT, od);
	mem_deref(od);
}


static void nodes_command(struct command_req *req, const struct odict *args,
			  void *arg)
{
	struct odict *od = NULL, *array = NULL;
	int err;
	(void)args;

	err  = odict_alloc(&od, 4);
	err |= odict_alloc(&array, 64);
	if (!err) {
		api_apply(arg, node_row, array);
		err = odict_entry_add(od, "nodes", ODICT_ARRAY, array);
	}

	if (err)
		command_fail(req, err, "%m", err);
	else
		command_ok(req, od);

	mem_deref(array);
	mem_deref(od);
}


static double stat_sent(void *arg)
{
	struct beater_stats st = {.tx = 0};

	beater_stats(((struct heartbeat *)arg)->beater, &st);
	return (double)st.tx;
}


static double stat_heard(void *arg)
{
	struct beater_stats st = {.rx = 0};

	beater_stats(((struct heartbeat *)arg)->beater, &st);
	return (double)st.rx;
}


static double stat_bad(void *arg)
{
	struct beater_stats st = {.bad = 0};

	beater_stats(((struct heartbeat *)arg)->beater, &st);
	return (double)(st.bad + st.old);
}


static double stat_pauses(void *arg)
{
	struct beater_stats st = {.pauses = 0};

	beater_stats(((struct heartbeat *)arg)->beater, &st);
	return (double)st.pauses;
}


static double stat_cpu(void *arg)
{
	struct beater_stats st = {.cpu_usec = 0};

	beater_stats(((struct heartbeat *)arg)->beater, &st);
	return (double)st.cpu_usec / 1e6;
}


static double nodes_up(void *arg)
{
	const struct heartbeat *hb = arg;
	unsigned n = 1;
	struct le *le;

	LIST_FOREACH(&hb->nodel, le)
		n += ((const struct node *)le->data)->state == NODE_UP;

	return n;
}


static double isolated(void *arg)
{
	return ((const struct heartbeat *)arg)->isolated;
}


/**
 * Offer commands and metrics
 *
 * @param hb Heartbeat
 *
 * @return 0 if success
 */
int heartbeat_offers(struct heartbeat *hb)
{
	static const struct offer_command commandv[] = {
		{"nodes", COMMAND_READ,
		 "servers of the farm, as this one sees them", nodes_command},
	};
	const struct offer_metric metricv[] = {
		{METRIC_GAUGE, "junctor_heartbeat_nodes_up", NULL,
		 "Servers of the farm that are there, this one too",
		 nodes_up, NULL},
		{METRIC_COUNTER, "junctor_heartbeat_nodes_down_total", NULL,
		 "Servers that died", offers_counter, &hb->downs},
		{METRIC_GAUGE, "junctor_heartbeat_isolated", NULL,
		 "1 while this server is cut off", isolated, NULL},
		{METRIC_COUNTER, "junctor_heartbeat_sent_total", NULL,
		 "Heartbeats sent", stat_sent, NULL},
		{METRIC_COUNTER, "junctor_heartbeat_heard_total", NULL,
		 "Heartbeats heard", stat_heard, NULL},
		{METRIC_COUNTER, "junctor_heartbeat_bad_total", NULL,
		 "Datagrams that are no heartbeats, forged or too old",
		 stat_bad, NULL},
		{METRIC_COUNTER, "junctor_heartbeat_pauses_total", NULL,
		 "Times that this process did not run for a while",
		 stat_pauses, NULL},
		{METRIC_COUNTER, "junctor_heartbeat_cpu_seconds_total", NULL,
		 "Processor time of the thread of heartbeats", stat_cpu, NULL},
	};
	int err;

	err = offers_commands(hb->offers, commandv,
				      ARRAY_SIZE(commandv), hb);
	if (!err)
		err = offers_metrics(hb->offers, metricv,
				     ARRAY_SIZE(metricv), hb);

	return err;
}
