/* What participants hear while something happens to the servers: a
 * conference is moved, a server is drained, one is killed.
 *
 *	joined   |-- before --|--------- seconds ---------|
 *	                      ^ the command is run
 *
 * Talkers send a tone each, so that what a listener hears can be told in
 * pieces of 10 ms. What it received is kept and looked at afterwards. The time
 * before the event is the measure of what the time after it is worth. */
#include <errno.h>
#include <stdlib.h>
#include "bench.h"

static const int64_t ms = 1000000, second = 1000000000;

enum {
	GRACE_MS = 300,         /* packets under way at the end */
	AWAY_MS = 100,          /* more than that is due to the event */
	FAULT_MS = 20,          /* so late, and this program is to blame */
	NICE = -11,             /* as the media threads of the server */
};

struct move {
	struct bench *b;
	struct crowd *c;
	struct act act;
	struct canary *canary;
	struct gaps *gapv;      /* by participant */
	bool *upv;              /* was in when it began */
	int64_t from, event, to;        /* [ns, wall clock] */
};

/* Some figure of each participant. */
typedef double (figure_h)(const struct move *mv, uint32_t i);


static double silence0(const struct move *mv, uint32_t i)
{
	return (double)mv->gapv[i].silence0.longest / 1e6;
}


static double silence1(const struct move *mv, uint32_t i)
{
	return (double)mv->gapv[i].silence.longest / 1e6;
}


static double missing0(const struct move *mv, uint32_t i)
{
	return (double)mv->gapv[i].missing0.longest / 1e6;
}


static double missing1(const struct move *mv, uint32_t i)
{
	return (double)mv->gapv[i].missing.longest / 1e6;
}


/* When it heard everybody again and lost nobody any more. */
static double back(const struct move *mv, uint32_t i)
{
	const struct gaps *g = &mv->gapv[i];

	return g->missing.back && g->heard ?
		(double)(g->missing.back - mv->event) / 1e6 : 0;
}


static bool is_dropped(const struct move *mv, uint32_t i)
{
	return mv->upv[i] &&
		calls_get(mv->c->calls, i)->state != CALL_UP;
}


/* Whom the event had to do with. */
static bool is_affected(const struct move *mv, uint32_t i)
{
	return calls_get(mv->c->calls, i)->moves || is_dropped(mv, i) ||
		mv->gapv[i].missing.longest > AWAY_MS * ms;
}


static bool tones_expected(const struct move *mv, uint32_t i, uint32_t *mask)
{
	const struct opts *o = mv->c->o;
	const uint32_t member = i / o->conferences;
	uint32_t all = (1u << o->talkers) - 1;

	if (member < o->talkers)
		all &= ~(1u << member);
	*mask = all;

	return mv->upv[i] && all;
}


static int gaps_take(struct move *mv)
{
	struct gaps_ask ask = {
		.stalls = media_stalls(mv->c->media),
		.codec = mv->c->o->codec,
		.from = mv->from, .event = mv->event, .to = mv->to,
	};
	struct tones *ts = malloc(sizeof(*ts));
	int err = 0;

	if (!ts)
		return ENOMEM;

	tones_init(ts, mv->c->o->talkers);
	ask.tones = ts;
	for (uint32_t i = 0; !err && i < mv->c->n; i++) {
		if (tones_expected(mv, i, &ask.mask))
			err = gaps_find(&mv->gapv[i],
					media_part(mv->c->media, i), &ask);
	}
	free(ts);

	return err;
}


/* Median and largest of a figure; of those whom it has to do with only. */
static double spread_tell(struct move *mv, figure_h *fig, bool affected,
			  const char *key, const char *text)
{
	double *v = malloc(mv->c->n * sizeof(*v)), med, max = 0;
	char name[32], what[48];
	uint32_t n = 0, mask;

	if (!v)
		return 0;

	for (uint32_t i = 0; i < mv->c->n; i++) {
		if (!tones_expected(mv, i, &mask) ||
		    (affected && !is_affected(mv, i)))
			continue;
		v[n] = fig(mv, i);
		max = v[n] > max ? v[n] : max;
		++n;
	}
	med = median(v, n);
	free(v);

	snprintf(name, sizeof(name), "%s_median_ms", key);
	snprintf(what, sizeof(what), "%s, median", text);
	result_num(mv->b->res, name, med, "ms", what);
	snprintf(name, sizeof(name), "%s_max_ms", key);
	snprintf(what, sizeof(what), "%s, longest", text);
	result_num(mv->b->res, name, max, "ms", what);

	return med;
}


static void count_tell(struct move *mv)
{
	struct result *r = mv->b->res;
	uint32_t up = 0, moved = 0, affected = 0, dropped = 0, heard = 0;
	uint32_t asked = 0, anew = 0, disorder = 0, referred = 0, mask;

	for (uint32_t i = 0; i < mv->c->n; i++) {
		const struct call *call = calls_get(mv->c->calls, i);

		if (!mv->upv[i])
			continue;
		++up;
		moved += call->moves > 0;
		referred += call->referred;
		dropped += is_dropped(mv, i);
		disorder += call->disorder;
		anew += media_part(mv->c->media, i)->anew;
		affected += is_affected(mv, i);
		if (tones_expected(mv, i, &mask)) {
			++asked;
			heard += mv->gapv[i].heard;
		}
	}

	result_num(r, "participants", up, "", "participants");
	result_num(r, "moved", moved, "", "their media moved");
	result_num(r, "referred", referred, "", "of these by REFER");
	result_num(r, "affected", affected, "", "moved, or away for 100 ms");
	result_num(r, "dropped", dropped, "", "calls that were dropped");
	result_num(r, "heard", asked ? 100.0 * heard / asked : 0, "%",
		   "hear everybody at the end");
	result_num(r, "anew", anew, "", "RTP streams that began anew");
	result_num(r, "disorder", disorder, "",
		   "requests of the server out of order");
	if (dropped || heard < asked)
		mv->b->failed = true;
}


/* Every participant for itself, so that one can see who and not only how
 * many. */
static int each_write(const struct move *mv, const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return errno;

	fprintf(f, "participant,conference,member,in,moved,dropped,heard,"
		"before_ms,silence_ms,missing_ms,back_ms\n");
	for (uint32_t i = 0; i < mv->c->n; i++) {
		const struct call *call = calls_get(mv->c->calls, i);
		const uint32_t confs = mv->c->o->conferences;

		fprintf(f, "b%u,%u,%u,%d,%u,%d,%d,%.1f,%.1f,%.1f,%.1f\n", i,
			i % confs, i / confs, mv->upv[i], call->moves,
			is_dropped(mv, i), mv->gapv[i].heard,
			silence0(mv, i), silence1(mv, i), missing1(mv, i),
			back(mv, i));
	}

	return fclose(f) ? errno : 0;
}


static void fault_tell(struct move *mv)
{
	const struct stalls *st = media_stalls(mv->c->media);
	int64_t worst = 0, sum = 0;
	uint32_t excused = 0;

	for (uint32_t i = 0; i < st->n; i++) {
		const int64_t t = st->v[i].to - st->v[i].from;

		sum += t;
		worst = t > worst ? t : worst;
	}
	for (uint32_t i = 0; i < mv->c->n; i++)
		excused += mv->gapv[i].missing.excused > 0;

	result_num(mv->b->res, "self_late_p99_ms",
		   (double)hist_percentile(media_lateness(mv->c->media),
					   0.99) / 1e3, "ms",
		   "lateness of this program p99");
	result_num(mv->b->res, "self_worst_ms", (double)worst / 1e6, "ms",
		   "lateness of this program, worst");
	result_num(mv->b->res, "self_stalls_ms", (double)sum / 1e6, "ms",
		   "it was late by 3 ms or more, in all");
	result_num(mv->b->res, "excused", excused, "",
		   "participants with a silence it shares in");
	if (canary_tell(mv->canary, mv->b->res) > FAULT_MS * ms)
		fprintf(stderr, "the machine is busy: even an idle thread is "
			"late, and the servers as well\n");
	if (worst > FAULT_MS * ms)
		fprintf(stderr, "this program was up to %.0f ms late: the "
			"machine is busy, and silences are not all the "
			"server's\n", (double)worst / 1e6);
}


static void tell(struct move *mv)
{
	double m0, m1;

	count_tell(mv);
	m0 = spread_tell(mv, silence0, false, "before", "silence before");
	m1 = spread_tell(mv, silence1, false, "silence", "silence");
	result_num(mv->b->res, "more_ms", m1 - m0, "ms",
		   "median silence, more than before");
	spread_tell(mv, missing0, false, "missing0",
		    "one talker missing before");
	spread_tell(mv, missing1, false, "missing", "one talker missing");
	spread_tell(mv, silence1, true, "aff_silence",
		    "silence of the affected");
	spread_tell(mv, missing1, true, "aff_missing",
		    "talker missing, affected");
	spread_tell(mv, back, true, "back", "all heard again after");

	if (mv->act.done) {
		result_num(mv->b->res, "act_ms",
			   (double)(mv->act.ended - mv->act.began) / 1e6,
			   "ms", "the command took");
		result_num(mv->b->res, "act_status", mv->act.status, "",
			   "the command ended with");
	}
	fault_tell(mv);
}


/* The time before, the event, the time after. */
static bool watch(struct move *mv)
{
	const struct opts *o = mv->c->o;
	const int64_t t0 = now_ns();
	const int64_t event = t0 + o->before * second;
	const int64_t end = event + o->seconds * second;

	for (uint32_t i = 0; i < mv->c->n; i++)
		mv->upv[i] = calls_get(mv->c->calls, i)->state == CALL_UP;

	mv->from = wall_ns();
	mv->event = mv->from + o->before * second;
	mv->to = mv->event + o->seconds * second;
	media_window(mv->c->media, mv->from, mv->to);

	if (!calls_poll(mv->c->calls, event))
		return false;
	if (o->act[0]) {
		act_start(&mv->act, o->act);
		mv->event = mv->act.began;
	}
	for (int64_t t = event; t < end;) {
		t = t + 20 * ms < end ? t + 20 * ms : end;
		if (!calls_poll(mv->c->calls, t))
			return false;
		act_poll(&mv->act);
	}

	return calls_poll(mv->c->calls, now_ns() + GRACE_MS * ms);
}


static int record_all(const struct move *mv)
{
	const struct opts *o = mv->c->o;
	const uint32_t packets = (o->before + o->seconds + 1) * 1000 /
		o->ptime;
	int err = 0;

	for (uint32_t i = 0; !err && i < mv->c->n; i++)
		err = part_record(media_part(mv->c->media, i), packets);

	return err;
}


static int run(struct move *mv)
{
	struct bench *b = mv->b;
	bool ok;
	int err;

	err = record_all(mv);
	if (!err)
		err = media_start(mv->c->media);
	if (err)
		return err;

	ok = crowd_join(mv->c, b->o.joinrate) &&
		crowd_wait(mv->c, b->o.warmup) &&
		!canary_alloc(&mv->canary) && watch(mv);
	if (ok) {
		media_stop(mv->c->media);
		err = gaps_take(mv);
		if (!err)
			tell(mv);
		if (!err && b->o.each[0])
			err = each_write(mv, b->o.each);
	}
	if (!ok)
		b->failed = true;

	act_wait(&mv->act, now_ns() + b->o.timeout * second);
	crowd_close(b, mv->c);

	return err;
}


/**
 * Measure what participants hear while a command is run
 *
 * @param b Measurement
 *
 * @return 0 if measured, otherwise errorcode
 */
int bench_move(struct bench *b)
{
	struct move mv = {.b = b};
	int err;

	/* phones are not on the server's machine, and not in its way */
	own_priority(NICE);
	b->o.tones = true;
	err = crowd_alloc(&mv.c, &b->o, b->o.parts * b->o.conferences);
	if (err)
		return err;

	mv.gapv = calloc(mv.c->n, sizeof(*mv.gapv));
	mv.upv = calloc(mv.c->n, sizeof(*mv.upv));
	err = mv.gapv && mv.upv ? run(&mv) : ENOMEM;
	free(mv.gapv);
	free(mv.upv);
	canary_free(mv.canary);
	crowd_free(mv.c);

	return err;
}
