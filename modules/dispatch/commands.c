/**
 * @file commands.c  What operators can ask of dispatch, and its metrics
 *
 * capacity           -> {servers: [...]}, or the banks where only these are
 *                       known; what they told of their servers is older
 * conference-table   -> {conferences: [...]}
 * plan-out {server, from, to [UTC, s since the epoch]}; to 0: no plan
 */
#include <string.h>
#include <time.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/offers.h"
#include "bus/bus.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/wire.h"
#include "noc/tables.h"
#include "dispatch/dispatch.h"


enum { PLAN_KEEP = 3600 };       /* after its end [s]                      */

struct rows {
	struct odict *array;
	unsigned n;
	int err;
};


static void media_print(char *buf, size_t sz, unsigned media)
{
	(void)re_snprintf(buf, sz, "%s%s%s%s%s",
			  media & MEDIA_AUDIO ? "audio" : "",
			  media & MEDIA_AUDIO &&
			  media & (MEDIA_VIDEO | MEDIA_TEXT) ? "," : "",
			  media & MEDIA_VIDEO ? "video" : "",
			  media & MEDIA_VIDEO && media & MEDIA_TEXT ? "," : "",
			  media & MEDIA_TEXT ? "text" : "");
}


static void row_add(struct rows *rows, struct odict *od)
{
	char key[16];

	(void)re_snprintf(key, sizeof(key), "%u", rows->n++);
	rows->err |= odict_entry_add(rows->array, key, ODICT_OBJECT, od);
}


static void server_row(const struct server_info *si, void *arg)
{
	const struct wire_server *r = si->report;
	struct rows *rows = arg;
	const uint64_t now = (uint64_t)time(NULL);
	struct odict *od;
	char media[32];
	int err;

	/* never heard of: there was a plan for such a name */
	if (!r->contact[0] && si->out_to <= now)
		return;

	media_print(media, sizeof(media), r->media);

	err = odict_alloc(&od, 16);
	if (err) {
		rows->err |= err;
		return;
	}

	err |= odict_entry_add(od, "name", ODICT_STRING, r->name);
	err |= odict_entry_add(od, "state", ODICT_STRING,
			       tables_state_name(si, now));
	err |= odict_entry_add(od, "media", ODICT_STRING, media);
	err |= odict_entry_add(od, "contact", ODICT_STRING, r->contact);
	err |= odict_entry_add(od, "unused", ODICT_INT, (int64_t)r->unused);
	err |= odict_entry_add(od, "capacity", ODICT_INT,
			       (int64_t)r->capacity);
	err |= odict_entry_add(od, "participants", ODICT_INT,
			       (int64_t)r->participants);
	err |= odict_entry_add(od, "conferences", ODICT_INT,
			       (int64_t)r->conferences);
	err |= odict_entry_add(od, "in_contact", ODICT_BOOL, si->in_contact);
	err |= odict_entry_add(od, "reserved", ODICT_INT,
			       (int64_t)si->reserved);
	if (si->out_to > now) {
		err |= odict_entry_add(od, "out_from", ODICT_INT,
				       (int64_t)si->out_from);
		err |= odict_entry_add(od, "out_to", ODICT_INT,
				       (int64_t)si->out_to);
	}

	rows->err |= err;
	row_add(rows, od);
	mem_deref(od);
}


static void conf_row(const char *name, size_t namelen, const char *server,
		     const char *contact, uint32_t participants, void *arg)
{
	struct rows *rows = arg;
	char conf[CLIENT_CONFERENCE_MAX];
	struct odict *od;
	int err;

	if (namelen >= sizeof(conf))
		return;

	memcpy(conf, name, namelen);
	conf[namelen] = '\0';

	err = odict_alloc(&od, 8);
	if (err) {
		rows->err |= err;
		return;
	}

	err |= odict_entry_add(od, "conference", ODICT_STRING, conf);
	err |= odict_entry_add(od, "server", ODICT_STRING, server);
	err |= odict_entry_add(od, "contact", ODICT_STRING, contact);
	err |= odict_entry_add(od, "participants", ODICT_INT,
			       (int64_t)participants);

	rows->err |= err;
	row_add(rows, od);
	mem_deref(od);
}


static void rows_answer(struct command_req *req, struct rows *rows,
			const char *name)
{
	struct odict *od = NULL;
	int err = rows->err;

	if (!err)
		err = odict_alloc(&od, 1);
	if (!err)
		err = odict_entry_add(od, name, ODICT_ARRAY, rows->array);

	if (err)
		command_fail(req, err, "too much to tell");
	else
		command_ok(req, od);

	mem_deref(od);
}


static void capacity_command(struct command_req *req,
			     const struct odict *args, void *arg)
{
	struct dispatch *d = arg;
	struct rows rows = { .array = NULL };
	(void)args;

	rows.err = odict_alloc(&rows.array, 64);
	if (!rows.err)
		tables_servers(d->banks ? d->banks->tables : d->tables,
			       tmr_jiffies(), server_row, &rows);

	rows_answer(req, &rows, "servers");
	mem_deref(rows.array);
}


static void table_command(struct command_req *req, const struct odict *args,
			  void *arg)
{
	struct dispatch *d = arg;
	struct rows rows = { .array = NULL };
	(void)args;

	rows.err = odict_alloc(&rows.array, 1024);
	if (!rows.err)
		tables_confs(d->tables, conf_row, &rows);

	rows_answer(req, &rows, "conferences");
	mem_deref(rows.array);
}


/* A plan on its way to the bus */
struct planning {
	struct command_req *req;
	const char *note;
};

struct known {
	const char *name;
	bool found;
};


static void known_handler(const struct server_info *si, void *arg)
{
	struct known *k = arg;

	if (si->report->contact[0] && !strcmp(si->report->name, k->name))
		k->found = true;
}


/* What makes a plan useless: a slip of the pen should not pass unnoticed. */
static const char *plan_note(const struct dispatch *d,
			     const struct wire_plan *plan)
{
	struct known k = { .name = plan->server };

	if (!plan->to)
		return NULL;

	if (plan->to <= (uint64_t)time(NULL))
		return "that time is over";

	tables_servers(d->tables, tmr_jiffies(), known_handler, &k);

	return k.found ? NULL : "no media server of that name is known";
}


static void plan_kv_handler(int err, uint64_t rev, const uint8_t *buf,
			    size_t len, void *arg)
{
	struct planning *p = arg;
	struct odict *od = NULL;
	(void)rev;
	(void)buf;
	(void)len;

	if (p->note && !odict_alloc(&od, 1))
		(void)odict_entry_add(od, "note", ODICT_STRING, p->note);

	if (err && err != ENOENT)
		command_fail(p->req, err, "the plan cannot be stored: %m",
			     err);
	else
		command_ok(p->req, od);

	mem_deref(od);
	mem_deref(p);
}


/* [ms] A plan goes away some time after it is over, so that clocks may differ;
   one that is for next year stays. */
static uint32_t plan_ttl(const struct wire_plan *plan)
{
	const uint64_t now = (uint64_t)time(NULL);
	const uint64_t s = (plan->to > now ? plan->to - now : 0) + PLAN_KEEP;

	return s < UINT32_MAX / 1000 ? (uint32_t)s * 1000 : 0;
}


static int plan_store(struct dispatch *d, const struct wire_plan *plan,
		      struct planning *p)
{
	char key[NAME_KEY_MAX];
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;
	int err;

	err = name_key(key, sizeof(key), plan->server, strlen(plan->server));
	if (err)
		return err;

	if (!plan->to)
		return bus_kv_delete(NULL, d->bus, "plans", key, 0,
				     plan_kv_handler, p);

	err = wire_plan_encode(buf, sizeof(buf), &n, plan);
	if (err)
		return err;

	return bus_kv_put(NULL, d->bus, "plans", key, buf, n, plan_ttl(plan),
			  plan_kv_handler, p);
}


static void plan_command(struct command_req *req, const struct odict *args,
			 void *arg)
{
	const char *server = odict_string(args, "server");
	struct wire_plan plan = { .from = 0 };
	struct dispatch *d = arg;
	struct planning *p;
	int err;

	if (!server || !name_valid(server, strlen(server), NAME_SERVER_MAX)) {
		command_fail(req, EINVAL, "server: which one?");
		return;
	}

	if (!odict_get_number(args, &plan.to, "to") ||
	    (plan.to && !odict_get_number(args, &plan.from, "from")) ||
	    (plan.to && plan.to <= plan.from)) {
		command_fail(req, EINVAL, "from, to: seconds since the epoch,"
			     " from before to; to 0: no plan");
		return;
	}

	str_ncpy(plan.server, server, sizeof(plan.server));
	p = mem_zalloc(sizeof(*p), NULL);
	if (!p) {
		command_fail(req, ENOMEM, "out of memory");
		return;
	}

	p->req = req;
	p->note = plan_note(d, &plan);
	err = plan_store(d, &plan, p);
	if (err) {
		command_fail(req, err, "the plan cannot be stored: %m", err);
		mem_deref(p);
	}
}


/**
 * Offer the commands
 *
 * @param d Dispatch
 *
 * @return 0 if success
 */
int dispatch_commands(struct dispatch *d)
{
	static const struct offer_command cmdv[] = {
		{"capacity", COMMAND_READ,
		 "media servers and their unused capacity", capacity_command},
		{"conference-table", COMMAND_READ,
		 "which server has which conference", table_command},
		{"plan-out", COMMAND_CHANGE,
		 "keep new conferences off a server: server, from, to"
		 " [s since the epoch]", plan_command},
	};

	return offers_commands(d->offers, cmdv, ARRAY_SIZE(cmdv), d);
}


static double waiting(void *arg)
{
	const struct dispatch *d = arg;

	return d->waiting;
}


static double degraded(void *arg)
{
	const struct dispatch *d = arg;

	return d->degraded;
}


static double conferences(void *arg)
{
	const struct dispatch *d = arg;

	return tables_conf_count(d->tables);
}


/**
 * Offer the metrics
 *
 * @param d Dispatch
 *
 * @return 0 if success
 */
int dispatch_metrics(struct dispatch *d)
{
	const struct offer_metric mv[] = {
		{METRIC_COUNTER, "junctor_dispatch_joins_total", NULL,
		 "Joins that dispatch was asked for", offers_counter,
		 &d->countv[COUNT_JOINS]},
		{METRIC_COUNTER, "junctor_dispatch_fast_redirects_total", NULL,
		 "Joins that signalling threads redirected by themselves",
		 offers_counter, &d->fast},
		{METRIC_COUNTER, "junctor_dispatch_redirects_total", NULL,
		 "Joins that dispatch redirected", offers_counter,
		 &d->countv[COUNT_REDIRECTED]},
		{METRIC_COUNTER, "junctor_dispatch_created_total", NULL,
		 "Conferences given to a server", offers_counter,
		 &d->countv[COUNT_CREATED]},
		{METRIC_COUNTER, "junctor_dispatch_rejects_total", NULL,
		 "Joins turned away", offers_counter,
		 &d->countv[COUNT_REJECTED]},
		{METRIC_COUNTER, "junctor_dispatch_no_capacity_total", NULL,
		 "Joins turned away because no server had room",
		 offers_counter, &d->countv[COUNT_NO_CAPACITY]},
		{METRIC_COUNTER, "junctor_dispatch_no_server_total", NULL,
		 "Joins turned away because no server was in service",
		 offers_counter, &d->countv[COUNT_NO_SERVER]},
		{METRIC_COUNTER, "junctor_dispatch_retries_total", NULL,
		 "Times that a server refused and the next was asked",
		 offers_counter, &d->countv[COUNT_RETRIED]},
		{METRIC_COUNTER, "junctor_dispatch_held_total", NULL,
		 "Joins that waited for a take-over or for the tables",
		 offers_counter, &d->countv[COUNT_HELD]},
		{METRIC_COUNTER, "junctor_dispatch_blind_total", NULL,
		 "Conferences given to a server while the bus was down",
		 offers_counter, &d->countv[COUNT_BLIND]},
		{METRIC_COUNTER, "junctor_dispatch_asked_total", NULL,
		 "Questions to banks where a conference is", offers_counter,
		 &d->countv[COUNT_ASKED]},
		{METRIC_COUNTER, "junctor_dispatch_recounts_total", NULL,
		 "Times that a server's participants had to be counted anew",
		 offers_counter, &d->countv[COUNT_RECOUNTED]},
		{METRIC_GAUGE, "junctor_dispatch_degraded", NULL,
		 "1 without the bus", degraded, NULL},
		{METRIC_GAUGE, "junctor_dispatch_waiting", NULL,
		 "Clients that wait for a server to be found", waiting, NULL},
		{METRIC_GAUGE, "junctor_dispatch_conferences", NULL,
		 "Conferences in the conference table", conferences, NULL},
	};

	return offers_metrics(d->offers, mv, ARRAY_SIZE(mv), d);
}
