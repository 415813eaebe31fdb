/**
 * @file metrics.h  Numbers for /metrics (Prometheus text format 0.0.4)
 */
#ifndef JUNCTOR_SERVER_METRICS_H
#define JUNCTOR_SERVER_METRICS_H

struct metric;
struct metrics;
struct re_printf;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

/* Called in the main thread when somebody reads /metrics. */
typedef double (metric_h)(void *arg);

int metrics_alloc(struct metrics **mp);
int metric_add(struct metric **mp, struct metrics *ms,
	       enum metric_type type, const char *name, const char *labels,
	       const char *help, metric_h *h, void *arg);
int metrics_print(struct re_printf *pf, const struct metrics *ms);

#endif
