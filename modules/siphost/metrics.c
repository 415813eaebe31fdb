/**
 * @file metrics.c  Numbers of the SIP client host for /metrics
 */
#include <string.h>
#include <re.h>
#include "server/metrics.h"
#include "server/server.h"
#include "server/service.h"
#include "sip/redirect.h"
#include "sip/stack.h"
#include "siphost/host.h"

struct number {
	struct siphost *sh;
	struct metric *metric;
	enum sipstack_stat stat;
	unsigned ix;
};


static double stack_h(void *arg)
{
	const struct number *n = arg;

	return sipstack_stat(n->sh->stack, n->stat, n->ix);
}


static double joins_h(void *arg)
{
	return ((const struct siphost *)arg)->joins;
}


static double refused_h(void *arg)
{
	return ((const struct siphost *)arg)->refused;
}


static double adopted_h(void *arg)
{
	return ((const struct siphost *)arg)->adopted;
}


static double released_h(void *arg)
{
	return ((const struct siphost *)arg)->released;
}


static double redirects_h(void *arg)
{
	const struct siphost *sh = arg;
	struct redirect_stats rs = {0};

	if (sh->redirect)
		redirect_stats(sh->redirect, &rs);

	return sh->redirects + rs.redirected;
}


static double fast_h(void *arg)
{
	const struct siphost *sh = arg;
	struct redirect_stats rs = {0};

	if (sh->redirect)
		redirect_stats(sh->redirect, &rs);

	return rs.redirected;
}


static void number_destructor(void *arg)
{
	struct number *n = arg;

	mem_deref(n->metric);
}


static int stack_add(struct siphost *sh, struct metrics *ms,
		     enum metric_type type, enum sipstack_stat stat,
		     unsigned ix, const char *name, const char *labels,
		     const char *help)
{
	struct number *n;
	int err;

	if (sh->metricc >= HOST_METRICS_MAX)
		return E2BIG;

	n = mem_zalloc(sizeof(*n), number_destructor);
	if (!n)
		return ENOMEM;

	n->sh   = sh;
	n->stat = stat;
	n->ix   = ix;

	err = metric_add(&n->metric, ms, type, name, labels, help,
			 stack_h, n);
	if (err)
		mem_deref(n);
	else
		sh->metricv[sh->metricc++] = (struct metric *)n;

	return err;
}


static int by_method(struct siphost *sh, struct metrics *ms)
{
	const char *method;
	char labels[48];
	int err = 0;

	for (unsigned i = 0; !err && (method = sipstack_method(i)); i++) {

		(void)re_snprintf(labels, sizeof(labels), "method=\"%s\"",
				  method);
		err = stack_add(sh, ms, METRIC_COUNTER, SIPSTACK_REQUESTS, i,
				"junctor_sip_requests_total", labels,
				"SIP requests received");
	}

	return err;
}


static int by_class(struct siphost *sh, struct metrics *ms)
{
	char labels[48];
	int err = 0;

	for (unsigned i = 1; !err && i <= 6; i++) {

		(void)re_snprintf(labels, sizeof(labels), "class=\"%uxx\"",
				  i);
		err = stack_add(sh, ms, METRIC_COUNTER, SIPSTACK_RESPONSES,
				i, "junctor_sip_responses_total", labels,
				"SIP responses sent");
	}

	return err;
}


static int own(struct siphost *sh, struct metrics *ms, const char *name,
	       const char *help, metric_h *h)
{
	int err;

	if (sh->metricc >= HOST_METRICS_MAX)
		return E2BIG;

	err = metric_add(&sh->metricv[sh->metricc], ms, METRIC_COUNTER, name,
			 NULL, help, h, sh);
	if (!err)
		++sh->metricc;

	return err;
}


/**
 * Offer the numbers of the host
 *
 * @param sh Host, whose metricv is to be dereferenced when it closes
 *
 * @return 0 or errno
 */
int metrics_init(struct siphost *sh)
{
	struct metrics *ms = server_metrics(service_server(sh->svc));
	int err;

	err  = by_method(sh, ms);
	err |= by_class(sh, ms);
	err |= stack_add(sh, ms, METRIC_GAUGE, SIPSTACK_CALLS, 0,
			 "junctor_sip_calls", NULL,
			 "SIP dialogs that exist");
	err |= stack_add(sh, ms, METRIC_COUNTER, SIPSTACK_MALFORMED, 0,
			 "junctor_sip_malformed_total", NULL,
			 "Malformed SIP messages");
	err |= stack_add(sh, ms, METRIC_COUNTER, SIPSTACK_OVERLOAD, 0,
			 "junctor_sip_overload_total", NULL,
			 "Requests answered 503 for lack of room");
	err |= own(sh, ms, "junctor_sip_joins_total",
		   "Joins that reached the services", joins_h);
	err |= own(sh, ms, "junctor_sip_refused_total",
		   "Joins that were refused", refused_h);
	err |= own(sh, ms, "junctor_sip_redirects_total",
		   "Joins that were sent elsewhere", redirects_h);
	err |= own(sh, ms, "junctor_sip_fast_redirects_total",
		   "Of these, without a transaction", fast_h);
	err |= own(sh, ms, "junctor_sip_adopted_total",
		   "Dialogs taken over from other servers", adopted_h);
	err |= own(sh, ms, "junctor_sip_released_total",
		   "Dialogs left to other servers",
		   released_h);

	return err;
}
