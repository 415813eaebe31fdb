/**
 * @file netbus.c  The bus that the settings ask for
 *
 * Without bus.url everything is in the memory of this process; with it several
 * servers share what is on NATS.
 */
#include <stddef.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>
#include <re.h>
#include "server/settings.h"
#include "server/metrics.h"
#include "server/config.h"
#include "server/netbus.h"
#include "bus/bus.h"


enum { METRICS = 7 };

static const struct setting settings[] = {
	{"bus.url", SETTING_STRING, NULL, 1, 1024, NULL, 0,
	 "NATS that servers share: nats://HOST:PORT,... or tls://HOST:PORT,"
	 "...; unset: one server alone"},
	{"bus.credentials", SETTING_STRING, NULL, 1, 0, NULL, 0,
	 "file with the credentials of an account of NATS"},
	{"bus.user", SETTING_STRING, NULL, 1, 255, NULL, 0,
	 "user of NATS"},
	{"bus.password", SETTING_STRING, NULL, 1, 255, NULL, SETTING_SECRET,
	 "password of bus.user"},
	{"bus.tls_ca", SETTING_STRING, NULL, 1, 0, NULL, 0,
	 "file with the certificates that NATS must show one of; unset: those"
	 " of the system"},
	{"bus.tls_cert", SETTING_STRING, NULL, 1, 0, NULL, 0,
	 "file with the certificate that we show to NATS"},
	{"bus.tls_key", SETTING_STRING, NULL, 1, 0, NULL, 0,
	 "file with the key of bus.tls_cert"},
	{"bus.space", SETTING_STRING, NULL, 1, 32, NULL, 0,
	 "servers hear only those of the same space, words with dots between:"
	 " a bank of media servers and its dispatch servers"},
	{"bus.replicas", SETTING_U32, "1", 1, 5, NULL, 0,
	 "how many servers of a NATS cluster keep what is stored"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, 0, NULL}
};

/* A metric that is a member of struct bus_stats, or the bus's state */
struct counter {
	enum metric_type type;
	const char *name;
	const char *labels;
	const char *help;
	size_t off, sz;            /* of the member; sz 0: state [bytes]    */
};

struct reader {
	struct metric *metric;
	const struct netbus *nb;
	const struct counter *c;
};

struct netbus {
	struct reader readerv[METRICS];
	struct bus *bus;
};

#define STAT(m) \
	offsetof(struct bus_stats, m), sizeof(((struct bus_stats *)0)->m)

static const char messages[] = "junctor_bus_messages_total";
static const char help[] = "Messages on the bus between servers";

static const struct counter counterv[METRICS] = {
	{METRIC_GAUGE, "junctor_bus_up", NULL,
	 "1 if other servers can be reached", 0, 0},
	{METRIC_COUNTER, messages, "what=\"sent\"", help, STAT(sent)},
	{METRIC_COUNTER, messages, "what=\"received\"", help,
	 STAT(received)},
	{METRIC_COUNTER, messages, "what=\"refused\"", help, STAT(refused)},
	{METRIC_COUNTER, "junctor_bus_resyncs_total", NULL,
	 "Times that a watch had to catch up", STAT(lost)},
	{METRIC_COUNTER, "junctor_bus_connects_total", NULL,
	 "Connections to the bus that were made", STAT(connects)},
	{METRIC_GAUGE, "junctor_bus_waiting", NULL,
	 "Messages to be sent and replies that are awaited", STAT(waiting)},
};


/**
 * Settings of the bus
 *
 * @return Table that ends with key NULL
 */
const struct setting *netbus_settings(void)
{
	return settings;
}


static void nats_conf_get(struct bus_nats_conf *conf,
			  const struct config *cfg,
			  const char *name)
{
	*conf = (struct bus_nats_conf){
		.url         = config_str(cfg, "bus.url"),
		.name        = name,
		.credentials = config_str(cfg, "bus.credentials"),
		.user        = config_str(cfg, "bus.user"),
		.password    = config_str(cfg, "bus.password"),
		.tls_ca      = config_str(cfg, "bus.tls_ca"),
		.tls_cert    = config_str(cfg, "bus.tls_cert"),
		.tls_key     = config_str(cfg, "bus.tls_key"),
		.replicas    = config_u32(cfg, "bus.replicas"),
	};
}


static void where_handler(const char *val, const char *where, void *arg)
{
	const char **p = arg;
	(void)val;

	*p = where;
}


static void tell(const struct config *cfg, config_error_h *eh, void *arg,
		 const char *key, const char *reason)
{
	const char *where = "default";

	config_where(cfg, key, where_handler, &where);
	config_tell(eh, arg, where, key, reason);
}


static unsigned files_check(const struct config *cfg, config_error_h *eh,
			    void *arg)
{
	static const char *const keyv[] = {
		"bus.credentials", "bus.tls_ca", "bus.tls_cert",
		"bus.tls_key",
	};
	unsigned bad = 0;
	size_t i;

	for (i=0; i<ARRAY_SIZE(keyv); i++) {
		const char *file = config_str(cfg, keyv[i]);
		char reason[CONFIG_REASON_MAX];

		if (!file || !access(file, R_OK))
			continue;

		(void)snprintf(reason, sizeof(reason), "'%.128s': %s", file,
			       strerror(errno));
		tell(cfg, eh, arg, keyv[i], reason);
		++bad;
	}

	return bad;
}


static const char *reason_for(const char *field)
{
	if (!strcmp(field, "url"))
		return "write nats://HOST:PORT,... or tls://HOST:PORT,...;"
			" user and password have settings of their own";
	if (!strcmp(field, "tls_ca"))
		return "holds no certificate in PEM form";
	if (!strcmp(field, "tls_cert") || !strcmp(field, "tls_key"))
		return "certificate and key do not fit, or are not in PEM"
			" form";

	return "cannot be used";
}


static bool space_good(const char *space)
{
	while (str_isset(space)) {
		const size_t n = strcspn(space, ".");

		if (!bus_space_valid(space, n))
			return false;
		if (space[n] && !space[n + 1])
			return false;
		space += n + (space[n] == '.');
	}

	return true;
}


/**
 * Judge the settings of the bus
 *
 * @param cfg Configuration
 * @param eh  Told of each error
 * @param arg Handler argument
 */
void netbus_check(const struct config *cfg, config_error_h *eh, void *arg)
{
	struct bus_nats_conf conf;
	const char *wrong = NULL;
	char key[32];

	if (!space_good(config_str(cfg, "bus.space")))
		tell(cfg, eh, arg, "bus.space",
		     "words of letters, digits and - with dots between");

	nats_conf_get(&conf, cfg, NULL);
	if (!conf.url)
		return;

	if (conf.user && !conf.password)
		tell(cfg, eh, arg, "bus.user", "needs bus.password");
	if (conf.password && !conf.user)
		tell(cfg, eh, arg, "bus.password", "needs bus.user");
	if (conf.tls_key && !conf.tls_cert)
		tell(cfg, eh, arg, "bus.tls_key", "needs bus.tls_cert");

	if (files_check(cfg, eh, arg) ||
	    bus_nats_check(&conf, &wrong) != EINVAL || !wrong)
		return;

	(void)snprintf(key, sizeof(key), "bus.%s", wrong);
	tell(cfg, eh, arg, key, reason_for(wrong));
}


/* One inside the other; `*busp` becomes the innermost. */
static int spaces_alloc(struct bus **busp, const char *space)
{
	int err = 0;

	while (!err && str_isset(space)) {
		const struct pl pl = {space, strcspn(space, ".")};
		struct bus *outer = *busp;
		char word[64];

		space += pl.l + (space[pl.l] == '.');
		err = pl_strcpy(&pl, word, sizeof(word));
		if (!err)
			err = bus_alloc_space(busp, outer, word);
		if (err)
			*busp = mem_deref(outer);
		else
			mem_deref(outer);
	}

	return err;
}


/**
 * Make the bus that the settings ask for
 *
 * @param busp Pointer to the bus, owned by the caller
 * @param cfg  Configuration, judged
 * @param name Name of the server
 *
 * @return 0 if success, otherwise errorcode
 */
int netbus_alloc(struct bus **busp, const struct config *cfg,
		 const char *name)
{
	struct bus_nats_conf conf;
	const char *wrong;
	int err;

	nats_conf_get(&conf, cfg, name);

	err = conf.url ? bus_alloc_nats(busp, &conf, &wrong)
		       : bus_alloc_memory(busp);

	return err ? err : spaces_alloc(busp, config_str(cfg, "bus.space"));
}


static double up(const struct netbus *nb)
{
	return bus_state(nb->bus) == BUS_UP;
}


/* One number of what the bus counts */
static double counted(const struct netbus *nb, const struct counter *c)
{
	struct bus_stats st;
	uint64_t wide;
	uint32_t narrow;

	bus_stats_get(nb->bus, &st);
	if (c->sz == sizeof(wide)) {
		memcpy(&wide, (const uint8_t *)&st + c->off, sizeof(wide));
		return (double)wide;
	}

	memcpy(&narrow, (const uint8_t *)&st + c->off, sizeof(narrow));

	return narrow;
}


static double read_handler(void *arg)
{
	const struct reader *r = arg;

	return r->c->sz ? counted(r->nb, r->c) : up(r->nb);
}


static void metrics_destructor(void *arg)
{
	struct netbus *nb = arg;
	size_t i;

	for (i=0; i<ARRAY_SIZE(nb->readerv); i++)
		mem_deref(nb->readerv[i].metric);
	mem_deref(nb->bus);
}


/**
 * Let everybody see what the bus does
 *
 * @param nbp Pointer to the metrics, owned by the caller
 * @param bus Bus
 * @param ms  Where they are listed
 *
 * @return 0 if success, otherwise errorcode
 */
int netbus_metrics_alloc(struct netbus **nbp, struct bus *bus,
			 struct metrics *ms)
{
	struct netbus *nb;
	size_t i;
	int err = 0;

	nb = mem_zalloc(sizeof(*nb), metrics_destructor);
	if (!nb)
		return ENOMEM;

	nb->bus = mem_ref(bus);
	for (i=0; i<ARRAY_SIZE(counterv) && !err; i++) {
		const struct counter *c = &counterv[i];
		struct reader *r = &nb->readerv[i];

		r->nb = nb;
		r->c  = c;
		err = metric_add(&r->metric, ms, c->type, c->name, c->labels,
				 c->help, read_handler, r);
	}

	if (err)
		mem_deref(nb);
	else
		*nbp = nb;

	return err;
}
