/* Conferences with speech: what a participant costs the server and what it
 * gets for that. */
#include <errno.h>
#include <stdlib.h>
#include "bench.h"

static const int64_t ms = 1000000, second = 1000000000;

enum { GRACE_MS = 300 };        /* packets under way when the window ends */


static void cost_report(struct bench *b, const struct proc_use *idle,
			const struct proc_use *u0, const struct proc_use *u1,
			double took, uint32_t n)
{
	const double mem = (double)u1->rss - (double)idle->rss;
	const double pss = (double)u1->pss - (double)idle->pss;

	if (!b->o.pidc)
		return;

	result_num(b->res, "cpu_ms", 1e3 * (u1->cpu - u0->cpu) / n / took,
		   "ms", "server CPU per participant-second");
	result_num(b->res, "cpu_share", 100 * (u1->cpu - u0->cpu) / took,
		   "%", "server CPU, of one core");
	result_num(b->res, "rss_kb", mem / 1024 / n, "kB",
		   "server memory per participant (RSS)");
	if (u1->pss)            /* another user's may not be read */
		result_num(b->res, "pss_kb", pss / 1024 / n, "kB",
			   "server memory per participant (PSS)");
	result_num(b->res, "threads_idle", idle->threads, "",
		   "server threads before");
	result_num(b->res, "threads", u1->threads, "",
		   "server threads with all participants");
}


static bool measure(struct bench *b, struct crowd *c,
		    const struct proc_use *idle)
{
	const struct opts *o = &b->o;
	const uint32_t up = calls_count(c->calls, CALL_UP);
	struct proc_use u0, u1;
	int64_t t0, w0;
	double self;

	if (!up || proc_read(&u0, o->pidv, o->pidc, false))
		return false;

	t0 = now_ns();
	w0 = wall_ns();
	self = proc_self();
	media_window(c->media, w0, w0 + o->seconds * second);

	if (!crowd_wait(c, o->seconds))
		return false;

	self = proc_self() - self;
	if (proc_read(&u1, o->pidv, o->pidc, true)) {
		fprintf(stderr, "the server has ended\n");
		return false;
	}

	cost_report(b, idle, &u0, &u1, (double)(now_ns() - t0) / 1e9, up);
	result_num(b->res, "participants", up, "", "participants");
	result_num(b->res, "self_share", 100 * self / o->seconds, "%",
		   "CPU of this program, of one core");
	result_num(b->res, "self_late_p99_ms",
		   (double)hist_percentile(media_lateness(c->media),
					   0.99) / 1e3, "ms",
		   "lateness of this program p99");

	return calls_poll(c->calls, now_ns() + GRACE_MS * ms);
}


static int run(struct bench *b, uint32_t n)
{
	struct proc_use idle;
	struct crowd *c = NULL;
	bool ok = false;
	int err;

	err = crowd_alloc(&c, &b->o, n);
	if (!err && !b->o.nocheck)
		err = check_prepare(c);
	if (!err)
		err = proc_read(&idle, b->o.pidv, b->o.pidc, true);
	if (!err)
		err = media_start(c->media);
	if (err)
		goto out;

	if (crowd_join(c, b->o.joinrate) && crowd_wait(c, b->o.warmup)) {
		crowd_setup(c, b->res);
		ok = measure(b, c, &idle);
	}
	if (!ok)
		b->failed = true;

	crowd_close(b, c);
	media_stop(c->media);
	if (ok) {
		media_report(b, c->media, c->n);
		if (!b->o.nocheck && b->o.talkers)
			check_run(b, c);
	}

 out:
	crowd_free(c);

	return err;
}


/**
 * Measure conferences
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_conference(struct bench *b)
{
	return run(b, b->o.parts * b->o.conferences);
}


/**
 * Measure the delay: the same with fewer figures of interest
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_latency(struct bench *b)
{
	return run(b, b->o.parts * b->o.conferences);
}
