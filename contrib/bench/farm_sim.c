/**
 * @file farm_sim.c  farm-sim: a NOC of banks in one process, in a storm of
 *                   joins
 *
 *   phones -> top dispatchers -> (bus) -> heads of banks -> (bus) -> media
 *
 * The dispatchers are the service's code: tables, selection, claims, tickets
 * and messages. Media servers keep places, admit and count as real ones do,
 * but mix nothing; phones call and follow where they are sent. Each bank has a
 * bus of its own, as with one NATS for each. It runs in real time.
 */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/resource.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/ops.h"
#include "noc/client.h"
#include "noc/name.h"
#include "noc/wire.h"
#include "noc/ticket.h"
#include "noc/tables.h"
#include "dispatch/dispatch.h"
#include "farm.h"


enum { TOPS_MAX = 16, BANKS_MAX = 200, EXIT_BAD = 3, TICK_MS = 10 };

static const char usage[] =
"usage: farm-sim [OPTION]...\n"
"\n"
"A NOC with a middle layer, in one process and in real time: the dispatch\n"
"servers are real (tables, selection, claims, messages), media servers and\n"
"phones are made up. Prints what a storm of joins does to it.\n"
"\n"
"  --banks N         dispatch servers, each with a bank            (20)\n"
"  --servers N       media servers of each bank                    (50)\n"
"  --capacity N      participants that each can take             (1000)\n"
"  --before N        of these, there before the storm             (880)\n"
"  --size N          participants of each conference               (10)\n"
"  --tops N          dispatch servers above the banks               (2)\n"
"  --joins N         joins of the storm                        (100000)\n"
"  --seconds N       ... within                                    (30)\n"
"  --existing N      of 100 joins, to conferences that run already (20)\n"
"  --report MS       between two capacity reports                (1000)\n"
"  --quick           a small farm: 4 banks of 10 servers, 2000 joins in 2 s\n"
"  --json            one JSON object instead of a table\n"
"  --help            this text\n"
"\n"
"Ends with 3 if a media server was sent more than 2 % above its capacity,\n"
"or a join got no answer.\n";

struct opts {
	unsigned banks, servers, capacity, before, size, tops;
	unsigned joins, seconds, existing, report;
	bool json;
};

/* A bus that counts; every operation on a key is a request, too */
struct counted {
	struct bus bus;            /* first                                 */
	struct bus *inner;
	uint64_t *n;               /* messages                              */
};

struct sim {
	struct opts o;
	struct farm *farm;
	struct bus *topbus;
	struct bus *busv[BANKS_MAX];
	struct dispatch *topv[TOPS_MAX];
	struct dispatch *headv[BANKS_MAX];
	uint64_t messages;         /* on the buses of banks                 */
	uint64_t topmessages;      /* on the one above                      */
	unsigned sent;             /* joins so far                          */
	unsigned news;             /* of these, to new conferences          */
	unsigned existing;         /* conferences before the storm          */
	uint64_t created, begun;
	struct tmr tick, end;
	bool comma;
};


/* the counting bus */

static int count_publish(struct bus *bus, const char *subject,
			 const uint8_t *buf, size_t len)
{
	struct counted *c = (struct counted *)bus;

	++*c->n;
	return bus_publish(c->inner, subject, buf, len);
}


static int count_subscribe(struct bus_sub **subp, struct bus *bus,
			   const char *pattern, bus_msg_h *h, void *arg)
{
	return bus_subscribe(subp, ((struct counted *)bus)->inner, pattern,
			     h, arg);
}


static int count_request(struct bus_req **reqp, struct bus *bus,
			 const char *subject, const uint8_t *buf, size_t len,
			 uint32_t ms, bus_resp_h *h, void *arg)
{
	struct counted *c = (struct counted *)bus;

	*c->n += 2;
	return bus_request(reqp, c->inner, subject, buf, len, ms, h, arg);
}


static int count_put(struct bus_kvop **opp, struct bus *bus,
		     const struct bus_put *put, bus_kv_h *h, void *arg)
{
	struct counted *c = (struct counted *)bus;

	*c->n += 2;
	return c->inner->ops->kv_put(opp, c->inner, put, h, arg);
}


static int count_watch(struct bus_watch **wp, struct bus *bus,
		       const char *bucket, const char *pattern,
		       bus_watch_h *h, void *arg)
{
	return bus_kv_watch(wp, ((struct counted *)bus)->inner, bucket,
			    pattern, h, arg);
}


static const struct bus_ops count_ops = {
	.publish   = count_publish,
	.subscribe = count_subscribe,
	.request   = count_request,
	.kv_put    = count_put,
	.kv_watch  = count_watch,
};


static void counted_destructor(void *arg)
{
	struct counted *c = arg;

	bus_close(&c->bus);
	mem_deref(c->inner);
}


static int counted_alloc(struct bus **busp, uint64_t *n)
{
	struct counted *c;
	int err;

	c = mem_zalloc(sizeof(*c), counted_destructor);
	if (!c)
		return ENOMEM;

	c->bus.ops   = &count_ops;
	c->bus.state = BUS_UP;
	c->n = n;
	err = bus_alloc_memory(&c->inner);
	if (err)
		mem_deref(c);
	else
		*busp = &c->bus;

	return err;
}


/* results */

static void result(struct sim *s, const char *key, double val,
		   const char *unit, const char *text)
{
	if (s->o.json)
		printf("%s\"%s\":%.6g", s->comma ? "," : "{", key, val);
	else
		printf("%12.6g %-6s %s\n", val, unit, text);
	s->comma = true;
}


static double cpu_s(void)
{
	struct rusage ru;

	(void)getrusage(RUSAGE_SELF, &ru);

	return (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec +
		1e-6 * (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}


static size_t heap_used(void)
{
	const struct mallinfo2 mi = mallinfo2();

	return mi.uordblks + mi.hblkhd;
}


/* How much a conference takes in a table, and how fast a server is selected
   and a conference found: the tables alone */
static int tables_measure(struct sim *s)
{
	const unsigned n = s->o.joins;
	const struct tables_config tc = { s->o.servers, n, 2000, 3000 };
	struct select_req req = { .media = MEDIA_AUDIO, .now = 1000 };
	struct wire_server ws = {
		.contact = "192.0.2.1:5060", .state = CAPACITY_IN_SERVICE,
		.media = MEDIA_AUDIO, .capacity = 1u << 30,
	};
	struct conf_route cr;
	struct tables *t;
	char name[32];
	size_t before;
	double begin;
	unsigned i;
	int err;

	err = tables_alloc(&t, &tc);
	for (i=0; i<s->o.servers && !err; i++) {
		re_snprintf(ws.name, sizeof(ws.name), "media%u", i);
		ws.unused = (1u << 30) - i;
		err = tables_server_report(t, &ws, 1000);
	}
	if (err)
		goto out;

	before = heap_used();
	begin = cpu_s();
	for (i=0; i<n && !err; i++) {
		re_snprintf(name, sizeof(name), "conference-%u", i);
		re_snprintf(ws.name, sizeof(ws.name), "media%u",
			    i % s->o.servers);
		err = tables_conf_set(t, name, strlen(name), ws.name);
	}
	result(s, "conference_bytes", (double)(heap_used() - before) / n,
	       "bytes", "a conference in the table (its slot beside: 8 to"
	       " 16)");

	begin = cpu_s();
	for (i=0; i<n && !err; i++) {
		req.conf = name;
		req.conflen = (size_t)re_snprintf(name, sizeof(name),
						  "conference-%u", i);
		err = tables_select(t, &req, &cr);
	}
	result(s, "selections_per_s", n / (cpu_s() - begin), "/s",
	       "servers selected for new conferences, one core");

	begin = cpu_s();
	for (i=0; i<n && !err; i++) {
		re_snprintf(name, sizeof(name), "conference-%u", i);
		err = tables_lookup(t, name, strlen(name), NULL, 1000, &cr);
	}
	result(s, "lookups_per_s", n / (cpu_s() - begin), "/s",
	       "conferences found, one core");

 out:
	mem_deref(t);

	return err;
}


/* the farm */

static void fire(const char *name, const char *callid,
		 const struct dispatch_event *de, void *arg)
{
	struct sim *s = arg;
	(void)callid;
	(void)de;

	s->created += !strcmp(name, "dispatch.created");
}


static int dispatcher_open(struct sim *s, struct dispatch **dp,
			   struct dispatch_params *prm)
{
	const struct tables_config tc = {
		.servers_max = s->o.banks * s->o.servers,
		.conferences_max = 1u << 20, .lease_ms = 2000,
		.contact_ms = 3000 + 3 * s->o.report,
	};
	int err;

	prm->key = s->farm->key;
	prm->tables = &tc;
	prm->report_ms = s->o.report;

	err = dispatch_alloc(dp);
	if (err)
		return err;

	(*dp)->conf = (struct dispatch_conf){
		.claim_ms = 30000, .reserve_ms = 2000,
		.waiting_max = 100000, .orphan_ms = 2000, .load_ms = 10000,
		.ticket_s = 60,
	};

	return dispatch_open(*dp, prm);
}


/* Participants who are there before the storm */
static int media_fill(struct sim *s, struct farm_media *m)
{
	unsigned left = s->o.before;
	char conf[32];
	int err = 0;

	while (left && !err) {
		const unsigned n = min(left, s->o.size);

		re_snprintf(conf, sizeof(conf), "old%u", s->existing++);
		err = farm_media_fill(m, conf, n);
		left -= n;
	}

	return err;
}


static int bank_make(struct sim *s, unsigned b)
{
	char bank[16], name[32], contact[32];
	struct dispatch_params prm = {
		.name = bank, .bank = bank, .upbus = s->topbus,
		.contact = contact,
	};
	struct farm_media *m;
	unsigned i;
	int err;

	re_snprintf(bank, sizeof(bank), "bank%u", b);
	err = counted_alloc(&s->busv[b], &s->messages);

	for (i=0; i<s->o.servers && !err; i++) {
		re_snprintf(name, sizeof(name), "media%u-%u", b, i);
		re_snprintf(contact, sizeof(contact), "127.%u.%u.%u:5060",
			    b / 250 + 1, b % 250, i);
		err = farm_media_add(&m, s->farm, s->busv[b], name, contact,
				     s->o.capacity);
		if (!err)
			err = media_fill(s, m);
		if (!err)
			farm_media_report(m, true);
	}
	if (err)
		return err;

	prm.bus = s->busv[b];
	re_snprintf(contact, sizeof(contact), "127.0.1.%u:5060", b % 250);

	return dispatcher_open(s, &s->headv[b], &prm);
}


static int noc_make(struct sim *s)
{
	struct dispatch_params prm = {
		.name = "top", .banks = true, .fireh = fire, .arg = s,
	};
	unsigned i;
	int err;

	err = farm_alloc(&s->farm);
	if (!err)
		err = counted_alloc(&s->topbus, &s->topmessages);
	if (err)
		return err;

	s->farm->report_ms = s->o.report;
	for (i=0; i<s->o.banks && !err; i++)
		err = bank_make(s, i);

	prm.bus = s->topbus;
	for (i=0; i<s->o.tops && !err; i++)
		err = dispatcher_open(s, &s->topv[i], &prm);

	if (!err)
		farm_start(s->farm);

	return err;
}


static void noc_free(struct sim *s)
{
	unsigned i;

	tmr_cancel(&s->tick);
	tmr_cancel(&s->end);
	for (i=0; i<TOPS_MAX; i++)
		mem_deref(s->topv[i]);
	for (i=0; i<BANKS_MAX; i++)
		mem_deref(s->headv[i]);
	mem_deref(s->farm);
	for (i=0; i<BANKS_MAX; i++)
		mem_deref(s->busv[i]);
	mem_deref(s->topbus);
}


/* the storm */

static void end_handler(void *arg)
{
	(void)arg;
	re_cancel();
}


static void run(struct sim *s, uint32_t ms)
{
	tmr_start(&s->end, ms, end_handler, s);
	(void)re_main(NULL);
}


static void join(struct sim *s)
{
	struct dispatch *d = s->topv[s->sent % s->o.tops];
	char conf[32], user[32];

	/* new conferences come one after the other, a few are filled at a
	   time in any order */
	if (s->existing && rand_u16() % 100 < s->o.existing) {
		re_snprintf(conf, sizeof(conf), "old%u",
			    rand_u32() % s->existing);
	}
	else {
		const unsigned c = s->news++ / s->o.size;

		re_snprintf(conf, sizeof(conf), "new%u",
			    c - c % 50 + rand_u16() % 50);
	}

	re_snprintf(user, sizeof(user), "user%u@h", s->sent);
	++s->sent;
	(void)farm_call(s->farm, d, conf, user, true);
}


static void tick_handler(void *arg)
{
	struct sim *s = arg;
	const uint64_t ms = tmr_jiffies() - s->begun;
	const uint64_t due = min((uint64_t)s->o.joins, (uint64_t)s->o.joins *
				 ms / (1000 * (uint64_t)s->o.seconds));

	while (s->sent < due)
		join(s);

	if (s->sent < s->o.joins)
		tmr_start(&s->tick, TICK_MS, tick_handler, s);
}


/* Most that a server was sent above what it can take [%] */
static double overcommit(const struct sim *s)
{
	double most = 0;
	struct le *le;

	LIST_FOREACH(&s->farm->medial, le) {
		const struct farm_media *m = le->data;
		const double sent = (double)m->st.peak +
			(double)m->st.refused_full;

		most = max(most, 100 * (sent / m->capacity - 1));
	}

	return most;
}


static bool report(struct sim *s, double cpu)
{
	const struct farm_stats *st = &s->farm->st;
	const double over = overcommit(s);
	const double secs = s->o.seconds;
	uint64_t asked = 0;
	unsigned i;

	for (i=0; i<s->o.tops; i++)
		asked += s->topv[i]->countv[COUNT_ASKED];

	result(s, "participants", (double)s->o.banks * s->o.servers *
	       s->o.before, "", "participants before the storm");
	result(s, "conferences", s->existing, "",
	       "conferences before the storm");
	result(s, "joins", (double)st->calls, "", "joins of the storm");
	result(s, "in", (double)st->in, "", "joins that got in");
	result(s, "created", (double)s->created, "", "conferences created");
	result(s, "fast", (double)st->fast, "",
	       "joins that the tables answered at once");
	result(s, "rejected", (double)st->rejected, "",
	       "joins turned away by dispatch servers: no room");
	result(s, "refused", (double)st->refused, "",
	       "joins turned away by media servers: no room any more");
	result(s, "unanswered", (double)st->unanswered, "",
	       "joins without an answer");
	result(s, "questions", (double)asked, "",
	       "questions to banks where a conference is");
	result(s, "top_messages_per_s", (double)s->topmessages / secs, "/s",
	       "messages on the bus above the banks");
	result(s, "bank_messages_per_s", (double)s->messages / secs /
	       s->o.banks, "/s", "messages on the bus of each bank");
	result(s, "cpu_us", 1e6 * cpu / (double)max(st->calls, 1u), "us",
	       "CPU of the whole simulation per join");
	result(s, "spread", farm_spread(s->farm), "",
	       "most participants of a server over the mean");
	result(s, "overcommit", over, "%",
	       "most that a server was sent above its capacity");

	return over <= 2 && !st->unanswered;
}


static int simulate(struct sim *s, bool *good)
{
	uint64_t top, bank;
	double cpu;
	int err;

	err = tables_measure(s);
	if (!err)
		err = noc_make(s);
	if (err)
		return err;

	/* until everybody knows everything */
	run(s, 2 * s->o.report + 1000);

	s->messages = s->topmessages = 0;
	s->begun = tmr_jiffies();
	cpu = cpu_s();
	tick_handler(s);
	run(s, 1000 * s->o.seconds);
	cpu = cpu_s() - cpu;

	/* the last ones find their way */
	top  = s->topmessages;
	bank = s->messages;
	run(s, 3000);
	s->topmessages = top;
	s->messages    = bank;
	*good = report(s, cpu);

	if (s->o.json)
		printf("}\n");

	return 0;
}


static bool number(unsigned *n, const char *arg, unsigned most)
{
	char *end;
	const unsigned long v = strtoul(arg, &end, 10);

	*n = (unsigned)v;

	return *arg >= '0' && *arg <= '9' && !*end && v <= most;
}


static int opts_parse(struct opts *o, int argc, char **argv)
{
	static const struct option longv[] = {
		{"banks", 1, NULL, 'b'}, {"servers", 1, NULL, 's'},
		{"capacity", 1, NULL, 'c'}, {"before", 1, NULL, 'p'},
		{"size", 1, NULL, 'z'}, {"tops", 1, NULL, 't'},
		{"joins", 1, NULL, 'j'}, {"seconds", 1, NULL, 'd'},
		{"existing", 1, NULL, 'e'}, {"report", 1, NULL, 'r'},
		{"quick", 0, NULL, 'q'}, {"json", 0, NULL, 'o'},
		{"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}
	};
	bool ok = true;
	int c;

	*o = (struct opts){ 20, 50, 1000, 880, 10, 2, 100000, 30, 20, 1000,
			    false };

	while ((c = getopt_long(argc, argv, "", longv, NULL)) != -1 && ok) {

		switch (c) {

		case 'b': ok = number(&o->banks, optarg, BANKS_MAX); break;
		case 's': ok = number(&o->servers, optarg, 250);     break;
		case 'c': ok = number(&o->capacity, optarg, 100000); break;
		case 'p': ok = number(&o->before, optarg, 100000);   break;
		case 'z': ok = number(&o->size, optarg, 10000);      break;
		case 't': ok = number(&o->tops, optarg, TOPS_MAX);   break;
		case 'j': ok = number(&o->joins, optarg, 10000000);  break;
		case 'd': ok = number(&o->seconds, optarg, 3600);    break;
		case 'e': ok = number(&o->existing, optarg, 100);    break;
		case 'r': ok = number(&o->report, optarg, 10000);    break;
		case 'q':
			o->banks = 4;
			o->servers = 10;
			o->capacity = 200;
			o->before = 140;
			o->joins = 2000;
			o->seconds = 2;
			break;
		case 'o': o->json = true; break;
		case 'h':
			(void)fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			return EINVAL;
		}
		if (!ok)
			(void)fprintf(stderr, "farm-sim: %s: not possible\n",
				      optarg);
	}

	if (!ok || optind < argc || !o->banks || !o->servers || !o->size ||
	    !o->tops || !o->joins || !o->seconds || !o->report)
		return EINVAL;

	return 0;
}


int main(int argc, char **argv)
{
	struct sim *s;
	bool good = false;
	int err;

	s = calloc(1, sizeof(*s));
	if (!s || opts_parse(&s->o, argc, argv)) {
		(void)fputs("usage: farm-sim [OPTION]...; see farm-sim"
			    " --help\n", stderr);
		free(s);
		return EXIT_FAILURE;
	}

	err = libre_init();
	if (!err)
		err = simulate(s, &good);
	if (err)
		(void)fprintf(stderr, "farm-sim: %s\n", strerror(err));

	noc_free(s);
	libre_close();
	free(s);

	return err ? EXIT_FAILURE : good ? EXIT_SUCCESS : EXIT_BAD;
}
