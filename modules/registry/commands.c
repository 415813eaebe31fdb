/**
 * @file commands.c  What operators can ask of the registry
 *
 * servers                 -> {servers: [...]}, this server first
 * registry.probe {server} -> how it answers now
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/offers.h"
#include "server/server.h"
#include "noc/client.h"
#include "noc/name.h"
#include "registry/reg.h"


struct rows {
	struct registry *r;
	struct odict *array;
	int err;
};


static bool planned(const struct target *t)
{
	const uint64_t now = (uint64_t)time(NULL);

	return t->out_from <= now && now < t->out_to;
}


static enum mark_state reported(const struct target *t, const char **reason)
{
	*reason = "";
	if (t->reported && t->report.state == CAPACITY_OUT) {
		*reason = "it says so";
		return MARK_OUT_OF_SERVICE;
	}
	/* it drains because of that, and began a little earlier */
	if (planned(t)) {
		*reason = "as planned";
		return MARK_PLANNED;
	}
	if (t->reported && t->report.state == CAPACITY_DRAINING) {
		*reason = "it says so";
		return MARK_DRAINING;
	}

	return MARK_IN_CONTACT;
}


/**
 * How a server is, as we see it
 *
 * @param t      Server
 * @param reason Set to the reason, for people
 *
 * @return State; MARK_NONE if nothing is known yet
 */
enum mark_state target_state(const struct target *t, const char **reason)
{
	const enum node_state node = t->r->hb->state(t->r->hb->hb, t->name);

	*reason = "";
	switch (node) {

	case NODE_UP:
		break;
	case NODE_DOWN:
		*reason = "died";
		return MARK_OUT_OF_CONTACT;
	case NODE_LEFT:
		*reason = "stopped";
		return MARK_OUT_OF_SERVICE;
	default:
		return MARK_NONE;
	}

	if (t->failures >= t->r->tries) {
		*reason = t->sip_state == SILENT ? "no answer to OPTIONS"
			: "no answer on the bus";
		return MARK_OUT_OF_CONTACT;
	}

	return reported(t, reason);
}


/* While the bus is down nobody tells that a mark has gone. */
static bool mark_lives(const struct target *t)
{
	return t->mark.state != MARK_NONE &&
		tmr_jiffies() < t->marked +
		(uint64_t)MARK_LIFE * t->r->interval;
}


/* Of media servers only; a place in the row for it has each */
static int number_add(struct odict *od, const char *key,
		      const struct target *t, uint32_t n)
{
	return t->reported ? odict_entry_add(od, key, ODICT_INT, (int64_t)n)
		: odict_entry_add(od, key, ODICT_NULL);
}


static int target_add(struct odict *od, const struct target *t)
{
	const char *reason;
	enum mark_state state;
	uint64_t since = 0;
	int err = 0;

	/* what the registries agree on, and if nobody says anything, what we
	   see ourselves */
	state = target_state(t, &reason);
	if (mark_lives(t) && state != MARK_OUT_OF_SERVICE) {
		state = t->mark.state;
		reason = t->mark.reason;
		since = t->mark.since;
	}

	err |= odict_entry_add(od, "state", ODICT_STRING,
			       mark_state_text(state));
	if (since)
		err |= odict_entry_add(od, "since", ODICT_INT,
				       (int64_t)since);
	err |= odict_entry_add(od, "reason", ODICT_STRING, reason);
	err |= number_add(od, "participants", t, t->report.participants);
	err |= number_add(od, "conferences", t, t->report.conferences);
	err |= number_add(od, "unused", t, t->report.unused);
	if (t->out_to > (uint64_t)time(NULL)) {
		err |= odict_entry_add(od, "out_from", ODICT_INT,
				       (int64_t)t->out_from);
		err |= odict_entry_add(od, "out_to", ODICT_INT,
				       (int64_t)t->out_to);
	}

	return err;
}


static void row_add(struct rows *rows, struct odict *od)
{
	char key[16];

	(void)re_snprintf(key, sizeof(key), "%zu",
			  odict_count(rows->array, false));
	rows->err |= odict_entry_add(rows->array, key, ODICT_OBJECT, od);
}


static void node_row(const struct node_info *ni, void *arg)
{
	struct rows *rows = arg;
	const struct target *t = target_find(rows->r, ni->record->name);
	struct odict *od;
	int err;

	err = odict_alloc(&od, 16);
	if (err) {
		rows->err |= err;
		return;
	}

	err |= odict_entry_add(od, "name", ODICT_STRING, ni->record->name);
	if (t)
		err |= target_add(od, t);
	else
		err |= odict_entry_add(od, "state", ODICT_STRING,
				       node_state_name(ni->state));
	err |= odict_entry_add(od, "version", ODICT_STRING,
			       ni->record->version);
	err |= odict_entry_add(od, "address", ODICT_STRING, ni->record->sip);
	err |= odict_entry_add(od, "services", ODICT_STRING,
			       ni->record->services);
	rows->err |= err;
	row_add(rows, od);
	mem_deref(od);
}


static void servers_command(struct command_req *req, const struct odict *args,
			    void *arg)
{
	struct rows rows = {.r = arg};
	struct odict *od = NULL;
	(void)args;

	rows.err = odict_alloc(&rows.array, 64);
	if (!rows.err)
		rows.r->hb->apply(rows.r->hb->hb, node_row, &rows);
	if (!rows.err)
		rows.err = odict_alloc(&od, 1);
	if (!rows.err)
		rows.err = odict_entry_add(od, "servers", ODICT_ARRAY,
					   rows.array);

	if (rows.err)
		command_fail(req, rows.err, "%m", rows.err);
	else
		command_ok(req, od);

	mem_deref(rows.array);
	mem_deref(od);
}


static void probe_command(struct command_req *req, const struct odict *args,
			  void *arg)
{
	const char *name = odict_string(args, "server");
	struct registry *r = arg;
	struct target *t;
	int err;

	if (!str_isset(name)) {
		command_fail(req, EINVAL, "server: which one?");
		return;
	}

	t = target_find(r, name);
	if (!t || !t->known) {
		command_fail(req, ENOENT, "%s: no such server", name);
		return;
	}

	err = probe_start(t, req);
	if (err)
		command_fail(req, err, "%s is being asked already", name);
}


static double stat_marked(void *arg, enum mark_state state)
{
	const struct registry *r = arg;
	unsigned n = 0;
	struct le *le;

	LIST_FOREACH(&r->targetl, le)
		n += ((const struct target *)le->data)->mark.state == state;

	return n;
}


static double in_contact(void *arg)
{
	return stat_marked(arg, MARK_IN_CONTACT);
}


static double out_of_contact(void *arg)
{
	return stat_marked(arg, MARK_OUT_OF_CONTACT);
}


/**
 * Offer commands and metrics
 *
 * @param r Registry
 *
 * @return 0 if success
 */
int registry_commands(struct registry *r)
{
	static const struct offer_command commandv[] = {
		{"servers", COMMAND_READ, "the servers of the farm",
		 servers_command},
		{"registry.probe", COMMAND_READ,
		 "server: ask it now whether it is well", probe_command},
	};
	const struct offer_metric metricv[] = {
		{METRIC_GAUGE, "junctor_registry_servers",
		 "state=\"in_contact\"", "Servers by their mark",
		 in_contact, NULL},
		{METRIC_GAUGE, "junctor_registry_servers",
		 "state=\"out_of_contact\"", "Servers by their mark",
		 out_of_contact, NULL},
		{METRIC_COUNTER, "junctor_registry_probes_total", NULL,
		 "Servers asked whether they are well", offers_counter,
		 &r->probes},
		{METRIC_COUNTER, "junctor_registry_probes_failed_total", NULL,
		 "Of these: no answer by SIP, or on the bus", offers_counter,
		 &r->failed},
		{METRIC_COUNTER, "junctor_registry_bad_total", NULL,
		 "Datagrams that are no response to a probe",
		 offers_counter, &r->bad},
	};
	int err;

	err = offers_commands(r->offers, commandv, ARRAY_SIZE(commandv), r);
	if (!err)
		err = offers_metrics(r->offers, metricv, ARRAY_SIZE(metricv),
				     r);

	return err;
}
