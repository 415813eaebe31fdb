/* Participants who are in and do nothing: on hold, no media either way. What
 * a server and its bus do then, they do for nobody. */
#include <errno.h>
#include "bench.h"


static void share_tell(struct bench *b, const char *key, const char *per,
		       double cpu, double took, uint32_t n, const char *who)
{
	char text[48];

	snprintf(text, sizeof(text), "CPU of %s, of one core", who);
	result_num(b->res, key, 100 * cpu / took, "%", text);
	snprintf(text, sizeof(text), "for each participant");
	result_num(b->res, per, 1e6 * cpu / took / n, "us/s", text);
}


static bool measure(struct bench *b, struct crowd *c)
{
	const struct opts *o = &b->o;
	const uint32_t up = calls_count(c->calls, CALL_UP);
	struct proc_use u0, u1, n0, n1;
	int64_t t0;
	double took, rest;

	if (!up || proc_read(&u0, o->pidv, o->pidc, false) ||
	    proc_read(&n0, o->buspidv, o->buspidc, false))
		return false;

	t0 = now_ns();
	rest = proc_threads(o->pidv, o->pidc, o->but);
	if (!crowd_wait(c, o->seconds))
		return false;
	took = (double)(now_ns() - t0) / 1e9;
	rest = proc_threads(o->pidv, o->pidc, o->but) - rest;
	if (proc_read(&u1, o->pidv, o->pidc, true) ||
	    proc_read(&n1, o->buspidv, o->buspidc, false)) {
		fprintf(stderr, "a server has ended\n");
		return false;
	}

	result_num(b->res, "participants", up, "", "participants");
	if (o->pidc)
		share_tell(b, "cpu_share", "cpu_us", u1.cpu - u0.cpu, took,
			   up, "the servers");
	if (o->pidc && o->but[0])
		share_tell(b, "rest_share", "rest_us", rest, took, up,
			   "the other threads");
	if (o->buspidc)
		share_tell(b, "bus_share", "bus_us", n1.cpu - n0.cpu, took,
			   up, "the bus");
	result_num(b->res, "left", up - calls_count(c->calls, CALL_UP), "",
		   "participants that were lost");

	return calls_count(c->calls, CALL_UP) == up;
}


/**
 * Measure what idle participants cost
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_idle(struct bench *b)
{
	struct proc_use u0, u1;
	struct crowd *c;
	int err;

	b->o.inactive = b->o.tones = true;
	err = crowd_alloc(&c, &b->o, b->o.parts * b->o.conferences);
	if (err)
		return err;

	err = proc_read(&u0, b->o.pidv, b->o.pidc, true);
	if (!err && !(crowd_join(c, b->o.joinrate) &&
		      crowd_wait(c, b->o.warmup) && measure(b, c)))
		b->failed = true;
	if (!err && b->o.pidc && !proc_read(&u1, b->o.pidv, b->o.pidc, true))
		result_num(b->res, "rss_kb",
			   ((double)u1.rss - (double)u0.rss) / 1024 / c->n,
			   "kB", "server memory per participant (RSS)");
	if (!err)
		crowd_close(b, c);
	crowd_free(c);

	return err;
}
