/**
 * @file metrics.c  Numbers for Prometheus, text format 0.0.4
 */
#include <string.h>
#include <stdio.h>
#include <math.h>
#include <re.h>
#include "server/metrics.h"


struct metrics {
	struct list metricl;       /* those of equal name follow each other */
};

struct metric {
	struct le le;
	enum metric_type type;
	char *name;
	char *labels;              /* `key="value",...` or NULL             */
	const char *help;
	metric_h *h;
	void *arg;
};


static void metrics_destructor(void *data)
{
	struct metrics *ms = data;

	/* the metrics belong to those who added them */
	list_clear(&ms->metricl);
}


static void metric_destructor(void *data)
{
	struct metric *m = data;

	list_unlink(&m->le);
	mem_deref(m->name);
	mem_deref(m->labels);
}


/**
 * Allocate a set of metrics
 *
 * @param mp Pointer to the new set
 *
 * @return 0 if success, otherwise errorcode
 */
int metrics_alloc(struct metrics **mp)
{
	struct metrics *ms;

	if (!mp)
		return EINVAL;

	ms = mem_zalloc(sizeof(*ms), metrics_destructor);
	if (!ms)
		return ENOMEM;

	*mp = ms;

	return 0;
}


static struct metric *last_of_name(const struct metrics *ms,
				   const char *name)
{
	struct le *le;

	for (le = ms->metricl.tail; le; le = le->prev) {
		struct metric *m = le->data;

		if (!strcmp(m->name, name))
			return m;
	}

	return NULL;
}


static bool name_valid(const char *name)
{
	const char *p;

	if (!str_isset(name) || (*name >= '0' && *name <= '9'))
		return false;

	for (p = name; *p; p++) {
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
		      || (*p >= '0' && *p <= '9') || *p == '_'
		      || *p == ':'))
			return false;
	}

	return true;
}


/**
 * Add a metric
 *
 * @param mp     Pointer to the new metric; mem_deref takes it out
 * @param ms     Set of metrics
 * @param type   Counter or gauge
 * @param name   Name, e.g. "junctor_joins_total"
 * @param labels Labels as they stand between the braces, or NULL
 * @param help   One line; must live as long as the metric
 * @param h      Returns the number
 * @param arg    Handler argument
 *
 * @return 0 if success, EEXIST if the name is taken by another type,
 *         otherwise errorcode
 */
int metric_add(struct metric **mp, struct metrics *ms,
	       enum metric_type type, const char *name, const char *labels,
	       const char *help, metric_h *h, void *arg)
{
	struct metric *m, *last;
	int err;

	if (!mp || !ms || !name_valid(name) || !help || !h)
		return EINVAL;

	last = last_of_name(ms, name);
	if (last && last->type != type)
		return EEXIST;

	m = mem_zalloc(sizeof(*m), metric_destructor);
	if (!m)
		return ENOMEM;

	m->type = type;
	m->help = help;
	m->h    = h;
	m->arg  = arg;

	err = str_dup(&m->name, name);
	if (str_isset(labels))
		err |= str_dup(&m->labels, labels);
	if (err) {
		mem_deref(m);
		return ENOMEM;
	}

	if (last)
		list_insert_after(&ms->metricl, &last->le, &m->le, m);
	else
		list_append(&ms->metricl, &m->le, m);

	*mp = m;

	return 0;
}


/* libre's own formats know neither exponents nor infinity. */
static int number_print(struct re_printf *pf, const double *v)
{
	char buf[64];

	if (isnan(*v))
		(void)snprintf(buf, sizeof(buf), "NaN");
	else if (isinf(*v))
		(void)snprintf(buf, sizeof(buf), *v > 0 ? "+Inf" : "-Inf");
	else if (*v == floor(*v) && fabs(*v) < 9007199254740992.0)
		(void)snprintf(buf, sizeof(buf), "%.0f", *v);
	else
		(void)snprintf(buf, sizeof(buf), "%.9g", *v);

	return re_hprintf(pf, "%s", buf);
}


/**
 * Print all metrics
 *
 * @param pf Print backend
 * @param ms Metrics
 *
 * @return 0 if success, otherwise errorcode
 */
int metrics_print(struct re_printf *pf, const struct metrics *ms)
{
	const char *name = "";
	struct le *le;
	int err = 0;

	if (!ms)
		return EINVAL;

	LIST_FOREACH(&ms->metricl, le) {
		const struct metric *m = le->data;
		const double v = m->h(m->arg);

		if (strcmp(name, m->name)) {
			name = m->name;
			err |= re_hprintf(pf, "# HELP %s %s\n# TYPE %s %s\n",
					  name, m->help, name,
					  m->type == METRIC_COUNTER
					  ? "counter" : "gauge");
		}

		if (m->labels)
			err |= re_hprintf(pf, "%s{%s} %H\n", m->name,
					  m->labels, number_print, &v);
		else
			err |= re_hprintf(pf, "%s %H\n", m->name,
					  number_print, &v);
	}

	return err;
}
