/**
 * @file test_unstored.c  A server whose bus is up and stores nothing
 *
 * It is degraded like one without a bus, and places new conferences by its
 * tables, whatever its heartbeats say of messages that pass.
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/event.h"
#include "server/command.h"
#include "server/degraded.h"
#include "server/metrics.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "siphost/siphost.h"
#include "farm.h"
#include "../suite.h"


#define CONF "service heartbeat\nheartbeat.listen 127.0.0.1:0\n" \
	"heartbeat.lease 200\n"
#define DISPATCH CONF "service siphost\nservice dispatch\n"

enum { LIMIT_MS = 30000 };

static struct {
	struct farm farm;
	struct server *srv;
	struct listener *lis, *dlis;
	struct siphost_api host;
	unsigned on, off;          /* "noc.degraded" of the bus             */
	unsigned don, doff;        /* "dispatch.degraded"                   */
} t;


static int laddr(const struct siphost *sh, struct sa *sa)
{
	(void)sh;

	return sa_set_str(sa, "127.0.0.1", 5070);
}


static int host_init(struct service *svc)
{
	t.host.laddr = laddr;
	service_api_set(svc, &t.host);

	return 0;
}


static const struct service_export host_export = {
	.api_version = SERVICE_API_VERSION,
	.name = "siphost",
	.init = host_init,
};


static bool degraded_handler(const struct event *ev, void *arg)
{
	const struct degraded_event *de = ev->data;
	(void)arg;

	/* never twice the same */
	ck_assert_str_eq("bus", de->what);
	ck_assert_uint_gt(strlen(de->text), 0);
	if (de->on)
		ck_assert_uint_eq(++t.on, t.off + 1);
	else
		ck_assert_uint_eq(++t.off, t.on);

	return false;
}


static bool dispatch_handler(const struct event *ev, void *arg)
{
	struct odict *od;
	bool on;
	(void)arg;

	ck_assert_int_eq(0, odict_alloc(&od, 4));
	ck_assert_int_eq(0, ev->detail(od, ev->data));
	ck_assert(odict_get_boolean(od, &on, "on"));
	mem_deref(od);
	if (on)
		++t.don;
	else
		++t.doff;

	return false;
}


static void begin(const char *conf, bool stores)
{
	static const struct service_export *const builtinv[] = {
		&host_export, NULL
	};
	struct events *evs;

	memset(&t, 0, sizeof(t));
	farm_open(&t.farm);
	bus_store_set(t.farm.bus, stores);
	t.srv = farm_start(&t.farm, 0, "a", conf, builtinv);
	t.on = !stores;
	evs = server_events(t.srv);
	ck_assert_int_eq(0, event_listen(&t.lis, evs, "noc.degraded",
					 EVENT_PRIO_NORMAL, degraded_handler,
					 NULL));
	ck_assert_int_eq(0, event_listen(&t.dlis, evs, "dispatch.degraded",
					 EVENT_PRIO_NORMAL, dispatch_handler,
					 NULL));
}


static void end(void)
{
	t.lis = mem_deref(t.lis);
	t.dlis = mem_deref(t.dlis);
	farm_close(&t.farm);
}


static void status_handler(int err, const char *reason,
			   const struct odict *result, void *arg)
{
	const struct odict_entry *e = odict_get_type(result, ODICT_ARRAY,
						     "degraded");
	(void)reason;

	ck_assert_int_eq(0, err);
	*(bool *)arg = e && odict_lookup(e->u.odict, "bus");
	if (e)
		ck_assert_uint_eq(1, odict_count(e->u.odict, false));
}


static bool metric_is(const char *line)
{
	char *text;
	bool is;

	ck_assert_int_eq(0, re_sdprintf(&text, "%H", metrics_print,
					server_metrics(t.srv)));
	is = strstr(text, line) != NULL;
	mem_deref(text);

	return is;
}


/* Event, metric and status all say so */
static bool is_degraded(void)
{
	bool on = false;

	ck_assert_int_eq(0, command_run(server_commands(t.srv), "status",
					NULL, status_handler, &on));
	ck_assert(on == metric_is("junctor_degraded{what=\"bus\"} 1\n"));
	ck_assert(t.on + t.off == 0 || on == (t.on > t.off));

	return on;
}


static bool not_degraded(void *arg)
{
	(void)arg;

	return !is_degraded();
}


START_TEST(test_told)
{
	begin(CONF, true);
	ck_assert(!is_degraded());
	bus_store_set(t.farm.bus, true);
	ck_assert(!is_degraded());

	bus_store_set(t.farm.bus, false);
	bus_store_set(t.farm.bus, false);
	ck_assert(is_degraded());
	ck_assert_uint_eq(1, t.on);

	/* heartbeats find that messages pass: that is not enough */
	farm_nap(1000);
	ck_assert(is_degraded());

	bus_store_set(t.farm.bus, true);
	ck_assert(!is_degraded());
	ck_assert(metric_is("junctor_degraded{what=\"bus\"} 0\n"));
	ck_assert_uint_eq(1, t.off);

	bus_store_set(t.farm.bus, false);
	ck_assert(is_degraded());
	bus_store_set(t.farm.bus, true);
	ck_assert(!is_degraded());
	ck_assert_uint_eq(2, t.on);
	end();
}
END_TEST


START_TEST(test_both)
{
	/* also away, and back before it stores anything */
	begin(CONF, true);
	bus_store_set(t.farm.bus, false);
	farm_down(&t.farm, true);
	ck_assert(is_degraded());
	farm_down(&t.farm, false);
	farm_nap(1000);
	ck_assert(is_degraded());
	bus_store_set(t.farm.bus, true);
	ck_assert(farm_wait(not_degraded, NULL, LIMIT_MS));
	ck_assert_uint_eq(1, t.on);

	/* ... and afterwards */
	farm_down(&t.farm, true);
	ck_assert(is_degraded());
	bus_store_set(t.farm.bus, false);
	bus_store_set(t.farm.bus, true);
	ck_assert(is_degraded());
	farm_down(&t.farm, false);
	ck_assert(farm_wait(not_degraded, NULL, LIMIT_MS));
	ck_assert_uint_eq(2, t.on);
	end();
}
END_TEST


START_TEST(test_start)
{
	/* a server that begins without it */
	begin(DISPATCH, false);
	ck_assert(is_degraded());
	ck_assert(metric_is("junctor_dispatch_degraded 1\n"));
	farm_nap(1000);
	ck_assert(is_degraded());
	bus_store_set(t.farm.bus, true);
	ck_assert(!is_degraded());
	ck_assert(metric_is("junctor_dispatch_degraded 0\n"));
	end();
}
END_TEST


START_TEST(test_dispatch)
{
	begin(DISPATCH, true);
	ck_assert(metric_is("junctor_dispatch_degraded 0\n"));
	bus_store_set(t.farm.bus, false);
	ck_assert_uint_eq(1, t.don);
	ck_assert(metric_is("junctor_dispatch_degraded 1\n"));
	bus_store_set(t.farm.bus, true);
	ck_assert_uint_eq(1, t.doff);
	ck_assert(metric_is("junctor_dispatch_degraded 0\n"));
	end();
}
END_TEST


static void stores_handler(bool stores, void *arg)
{
	unsigned *n = arg;

	n[stores]++;
}


START_TEST(test_space)
{
	struct bus *bus, *space, *inner;
	struct bus_listener *lis;
	unsigned n[2] = {0, 0};

	/* a space of a bus does as the bus */
	ck_assert_int_eq(0, libre_init());
	ck_assert_int_eq(0, bus_alloc_memory(&bus));
	ck_assert(bus_stores(bus));
	ck_assert_int_eq(0, bus_alloc_space(&space, bus, "one"));
	ck_assert_int_eq(0, bus_store_listen(&lis, space, stores_handler, n));
	bus_store_set(bus, false);
	ck_assert(!bus_stores(space));
	ck_assert_int_eq(BUS_UP, bus_state(space));
	ck_assert_int_eq(0, bus_alloc_space(&inner, space, "two"));
	ck_assert(!bus_stores(inner));
	bus_store_set(bus, true);
	ck_assert(bus_stores(space) && bus_stores(inner));
	ck_assert_uint_eq(1, n[false]);
	ck_assert_uint_eq(1, n[true]);

	mem_deref(lis);
	bus_store_set(bus, false);
	ck_assert_uint_eq(1, n[false]);
	mem_deref(inner);
	mem_deref(space);
	mem_deref(bus);
	libre_close();
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("unstored");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_told);
	tcase_add_test(tc, test_both);
	tcase_add_test(tc, test_start);
	tcase_add_test(tc, test_dispatch);
	tcase_add_test(tc, test_space);

	return suite_run("unstored", tc);
}
