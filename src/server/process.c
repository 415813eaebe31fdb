/**
 * @file process.c  What the kernel counts for this process
 */
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <dirent.h>
#include <unistd.h>
#include <time.h>
#include <sys/resource.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/metrics.h"
#include "server/process.h"
#include "server/core.h"


enum { METRICS = 6 };

struct process {
	struct metric *metricv[METRICS];
	const struct server *srv;
	double start;              /* UTC since the epoch [s]               */
};


static unsigned fds_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *de;
	unsigned n = 0;

	if (!dir)
		return 0;

	while ((de = readdir(dir))) {
		if (de->d_name[0] != '.')
			++n;
	}

	(void)closedir(dir);

	/* less the one that reads the folder */
	return n ? n - 1 : 0;
}


/**
 * Read what the kernel counts for this process
 *
 * @param st Filled in
 *
 * @return 0 if success, otherwise errorcode
 */
int process_stats(struct process_stats *st)
{
	struct rusage ru;
	char line[256];
	FILE *f;

	if (!st)
		return EINVAL;

	memset(st, 0, sizeof(*st));

	if (getrusage(RUSAGE_SELF, &ru))
		return errno;

	st->cpu = (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec
		+ (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
	st->fds = fds_count();

	f = fopen("/proc/self/status", "re");
	if (!f)
		return errno;

	while (fgets(line, sizeof(line), f)) {
		unsigned long kb;

		if (sscanf(line, "VmRSS: %lu", &kb) == 1)
			st->rss = (uint64_t)kb * 1024;
		else
			(void)sscanf(line, "Threads: %u", &st->threads);
	}

	(void)fclose(f);

	return 0;
}


static double cpu(void *arg)
{
	struct process_stats st;
	(void)arg;

	return process_stats(&st) ? 0 : st.cpu;
}


static double rss(void *arg)
{
	struct process_stats st;
	(void)arg;

	return process_stats(&st) ? 0 : (double)st.rss;
}


static double threads(void *arg)
{
	struct process_stats st;
	(void)arg;

	return process_stats(&st) ? 0 : st.threads;
}


static double fds(void *arg)
{
	(void)arg;

	return fds_count();
}


static double start(void *arg)
{
	const struct process *pr = arg;

	return pr->start;
}


static double stopping(void *arg)
{
	const struct process *pr = arg;

	return server_stopping(pr->srv);
}


static void process_destructor(void *data)
{
	struct process *pr = data;
	size_t i;

	for (i = 0; i < METRICS; i++)
		mem_deref(pr->metricv[i]);
}


/**
 * Offer the metrics of the process
 *
 * @param pp  Pointer to the new object
 * @param ms  Metrics
 * @param srv Server
 *
 * @return 0 if success, otherwise errorcode
 */
int process_alloc(struct process **pp, struct metrics *ms,
		  const struct server *srv)
{
	struct process *pr;
	struct metric **mp;
	int err;

	if (!pp || !ms)
		return EINVAL;

	pr = mem_zalloc(sizeof(*pr), process_destructor);
	if (!pr)
		return ENOMEM;

	pr->srv = srv;
	pr->start = (double)time(NULL);
	mp = pr->metricv;

	err  = metric_add(mp++, ms, METRIC_COUNTER,
			  "process_cpu_seconds_total", NULL,
			  "User and system time of the process",
			  cpu, NULL);
	err |= metric_add(mp++, ms, METRIC_GAUGE,
			  "process_resident_memory_bytes", NULL,
			  "Resident memory", rss, NULL);
	err |= metric_add(mp++, ms, METRIC_GAUGE, "process_threads", NULL,
			  "Threads", threads, NULL);
	err |= metric_add(mp++, ms, METRIC_GAUGE, "process_open_fds", NULL,
			  "Open files and sockets", fds, NULL);
	err |= metric_add(mp++, ms, METRIC_GAUGE,
			  "process_start_time_seconds", NULL,
			  "When the process started, seconds since the epoch",
			  start, pr);
	err |= metric_add(mp, ms, METRIC_GAUGE, "junctor_stopping", NULL,
			  "1 while the server stops", stopping, pr);

	if (err)
		mem_deref(pr);
	else
		*pp = pr;

	return err;
}
