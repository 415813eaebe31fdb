/* Joining: how long it takes at a steady rate, and whether crowds that come
 * and go together leave anything behind. */
#include <errno.h>
#include "bench.h"

static const int64_t second = 1000000000;


/**
 * Joins at a steady rate, each to the end of the measurement
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_join(struct bench *b)
{
	struct opts *o = &b->o;
	struct proc_use u0, u1;
	struct crowd *c;
	int err;

	err = crowd_alloc(&c, o, o->count);
	if (err)
		return err;

	err = proc_read(&u0, o->pidv, o->pidc, false);
	if (!err && !o->nortp)
		err = media_start(c->media);
	if (err)
		goto out;

	if (!crowd_join(c, o->rate))
		b->failed = true;

	result_num(b->res, "joined", calls_count(c->calls, CALL_UP), "",
		   "participants that joined");
	crowd_setup(c, b->res);
	if (o->pidc && !proc_read(&u1, o->pidv, o->pidc, false))
		result_num(b->res, "cpu_us",
			   1e6 * (u1.cpu - u0.cpu) / o->count, "us",
			   "server CPU per join, with the media meanwhile");
	crowd_close(b, c);

 out:
	crowd_free(c);

	return err;
}


static void round_report(struct bench *b, uint32_t round, uint64_t rss0)
{
	struct proc_use u;
	char key[32], text[48];

	if (!b->o.pidc || proc_read(&u, b->o.pidv, b->o.pidc, true))
		return;

	snprintf(key, sizeof(key), "rss%u_mb", round);
	snprintf(text, sizeof(text), "server memory after round %u, growth",
		 round);
	result_num(b->res, key, ((double)u.rss - (double)rss0) / 1048576,
		   "MB", text);
	result_num(b->res, "threads", u.threads, "",
		   "server threads afterwards");
}


/* SIP transactions live for 32 s after their end (RFC 3261, timers H and J);
 * only then everything can be gone. */
static void settled_report(struct bench *b, uint64_t rss0)
{
	struct proc_use u;

	if (!b->o.pidc || proc_read(&u, b->o.pidv, b->o.pidc, true))
		return;

	result_num(b->res, "rss_end_mb",
		   ((double)u.rss - (double)rss0) / 1048576, "MB",
		   "server memory at the end, growth");
}


/**
 * Everybody joins at a high rate and then hangs up together, several times
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_storm(struct bench *b)
{
	struct opts *o = &b->o;
	struct proc_use u0;
	struct crowd *c;
	uint32_t joined = 0;
	int err;

	err = crowd_alloc(&c, o, o->count);
	if (err)
		return err;

	err = proc_read(&u0, o->pidv, o->pidc, true);
	if (!err && !o->nortp)
		err = media_start(c->media);
	if (err)
		goto out;

	for (uint32_t r = 1; r <= o->rounds && !calls_stopped(c->calls);
	     r++) {
		if (!crowd_join(c, o->rate))
			break;

		joined += calls_count(c->calls, CALL_UP);
		if (r == o->rounds)
			crowd_setup(c, b->res);
		calls_hangup(c->calls, o->hangup * second);
		calls_poll(c->calls, now_ns() + second);
		if (r <= 10)
			round_report(b, r, u0.rss);
	}

	if (!calls_stopped(c->calls) && o->settle) {
		calls_poll(c->calls, now_ns() + o->settle * second);
		settled_report(b, u0.rss);
	}

	result_num(b->res, "joined", joined, "",
		   "participants that joined, all rounds");
	if (joined != o->count * o->rounds)
		b->failed = true;
	crowd_close(b, c);

 out:
	crowd_free(c);

	return err;
}
