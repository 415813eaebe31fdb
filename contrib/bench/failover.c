/* Joins at a steady rate while a dispatch server is killed, restarted or cut
 * off. Phones behave as phones do: who is refused or not answered waits a
 * little and tries again, at the next address if it knows several (RFC 3263).
 * Who is in hangs up after a while. */
#include <errno.h>
#include <stdlib.h>
#include "bench.h"

static const int64_t ms = 1000000, second = 1000000000;

enum {
	STEP_MS = 5,
	HOLD_S = 3,             /* in the conference */
};

enum phase { WAITING, CALLING, IN, OUT, GAVE_UP };

struct phone {
	enum phase phase;
	uint32_t tries;
	int64_t first;          /* first attempt [ns] */
	int64_t begun;          /* last attempt [ns] */
	int64_t due;            /* of the next attempt, or of the BYE [ns] */
	double took;            /* from the first attempt on [s] */
};

struct failover {
	struct bench *b;
	struct calls *calls;
	struct phone *phonev;
	uint32_t n, begun, over;
	struct act act;
	int64_t event;          /* the command began [ns, monotonic] */
	int64_t refused0, refused1;     /* first and last attempt in vain,
					 * when it was begun [ns] */
	uint32_t refusals;
};


static int attempt(struct failover *fo, uint32_t i)
{
	const struct opts *o = &fo->b->o;
	struct phone *ph = &fo->phonev[i];
	const struct sockaddr_in *to = &o->tov[(i + ph->tries) % o->toc];
	char uri[80];
	int err;

	err = conf_uri(uri, sizeof(uri), o, to, i % o->conferences);
	if (!err)
		err = call_start(fo->calls, i, uri, to, NULL);
	if (err)
		return err;

	++ph->tries;
	ph->begun = now_ns();
	ph->phase = CALLING;

	return 0;
}


static void refused(struct failover *fo, struct phone *ph, int64_t now)
{
	const struct opts *o = &fo->b->o;

	++fo->refusals;
	if (!fo->refused0 || ph->begun < fo->refused0)
		fo->refused0 = ph->begun;
	if (ph->begun > fo->refused1)
		fo->refused1 = ph->begun;

	ph->phase = ph->tries > o->retries ? GAVE_UP : WAITING;
	ph->due = now + o->retry * ms;
	fo->over += ph->phase == GAVE_UP;
}


static void phone_step(struct failover *fo, uint32_t i, int64_t now)
{
	struct phone *ph = &fo->phonev[i];
	const struct call *call = calls_get(fo->calls, i);

	switch (ph->phase) {

	case WAITING:
		if (now >= ph->due)
			(void)attempt(fo, i);
		break;

	case CALLING:
		if (call->state == CALL_DONE)
			refused(fo, ph, now);
		else if (call->state == CALL_UP) {
			ph->phase = IN;
			ph->took = (double)(now - ph->first) / 1e9;
			ph->due = now + HOLD_S * second;
		}
		break;

	case IN:
		if (now >= ph->due && call->state == CALL_UP)
			call_bye(fo->calls, i);
		if (call->state == CALL_DONE) {
			ph->phase = OUT;
			++fo->over;
		}
		break;

	default:
		break;
	}
}


static void event_step(struct failover *fo, int64_t t0, int64_t now)
{
	const struct opts *o = &fo->b->o;

	if (o->act[0] && !fo->act.done && now >= t0 + o->before * second) {
		fo->event = now;
		act_start(&fo->act, o->act);
	}
	act_poll(&fo->act);
}


static bool run(struct failover *fo)
{
	const struct opts *o = &fo->b->o;
	const int64_t t0 = now_ns();
	const int64_t limit = t0 + o->seconds * second + HOLD_S * second +
		(o->retries + 1) * (o->timeout * second + o->retry * ms);
	int64_t now = t0;

	while (fo->over < fo->n && now < limit) {
		while (fo->begun < fo->n && now >= t0 + (int64_t)fo->begun *
		       second / o->rate) {
			fo->phonev[fo->begun].first = now;
			if (attempt(fo, fo->begun++))
				return false;
		}
		event_step(fo, t0, now);

		if (!calls_poll(fo->calls, now + STEP_MS * ms))
			return false;
		now = now_ns();
		for (uint32_t i = 0; i < fo->begun; i++)
			phone_step(fo, i, now);
	}

	return true;
}


static void tell(struct failover *fo)
{
	struct result *r = fo->b->res;
	uint32_t in = 0, again = 0;
	struct hist *h;
	double worst = 0;

	if (hist_alloc(&h, 100, 1000000))       /* 100 us, to 100 s */
		return;

	for (uint32_t i = 0; i < fo->begun; i++) {
		const struct phone *ph = &fo->phonev[i];

		again += ph->tries > 1;
		if (ph->phase != IN && ph->phase != OUT)
			continue;
		++in;
		hist_add(h, (uint64_t)(ph->took * 1e6));
		worst = ph->took > worst ? ph->took : worst;
	}

	result_num(r, "joins", fo->begun, "", "phones that called");
	result_num(r, "in", in, "", "phones that came in");
	result_num(r, "never", fo->begun - in, "", "phones that never did");
	result_num(r, "again", again, "", "phones that tried more than once");
	result_num(r, "refusals", fo->refusals, "",
		   "attempts refused or not answered");
	result_num(r, "refused_s", (double)(fo->refused1 - fo->refused0) /
		   1e9, "s", "from the first attempt in vain to the last");
	result_num(r, "refused_after_s", fo->refused1 && fo->event ?
		   (double)(fo->refused1 - fo->event) / 1e9 : 0, "s",
		   "last attempt in vain, after the command");
	result_num(r, "took_p50_ms", (double)hist_percentile(h, 0.5) / 1e3,
		   "ms", "until in, with all attempts, p50");
	result_num(r, "took_p99_ms", (double)hist_percentile(h, 0.99) / 1e3,
		   "ms", "until in, with all attempts, p99");
	result_num(r, "took_max_ms", worst * 1e3, "ms",
		   "until in, with all attempts, longest");
	if (fo->act.done)
		result_num(r, "act_status", fo->act.status, "",
			   "the command ended with");
	calls_report(fo->calls, stderr);
	if (in < fo->begun || !in)
		fo->b->failed = true;
	free(h);
}


/**
 * Measure what joins meet with while a command is run
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_failover(struct bench *b)
{
	struct failover fo = {.b = b, .n = b->o.rate * b->o.seconds};
	int err;

	if (fo.n > PARTS_MAX) {
		fprintf(stderr, "--rate times --seconds: at most %d here\n",
			PARTS_MAX);
		return EINVAL;
	}

	fo.phonev = calloc(fo.n, sizeof(*fo.phonev));
	err = fo.phonev ? calls_alloc(&fo.calls, &b->o, fo.n) : ENOMEM;
	if (err)
		goto out;

	if (!run(&fo))
		b->failed = true;
	act_wait(&fo.act, now_ns() + b->o.timeout * second);
	calls_hangup(fo.calls, 0);
	tell(&fo);

 out:
	free(fo.phonev);
	calls_free(fo.calls);

	return err;
}
