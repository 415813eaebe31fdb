/* The heard check: in some conferences, do listeners hear all talkers, do
 * talkers hear the others but not themselves, and nobody the neighbours? */
#include <errno.h>
#include <stdlib.h>
#include "bench.h"

enum {
	CONFS_MAX = 4,          /* conferences looked at */
	LISTENERS = 3,          /* in each, besides the talkers */
	TALKERS = 3,            /* in each */
	HEAR_S = 10,            /* so long is listened */
};


static struct part *member(struct crowd *c, uint32_t conf, uint32_t k)
{
	return media_part(c->media, conf + k * c->o->conferences);
}


static uint32_t confs(const struct crowd *c)
{
	return c->o->conferences < CONFS_MAX ? c->o->conferences : CONFS_MAX;
}


static uint32_t talkers(const struct crowd *c)
{
	const uint32_t n = c->o->talkers < TALKERS ? c->o->talkers : TALKERS;

	return n < c->o->parts ? n : c->o->parts;
}


/* The talkers looked at and then some others, spread over the conference. */
static uint32_t listener(const struct crowd *c, uint32_t k)
{
	const uint32_t t = talkers(c), others = c->o->parts - c->o->talkers;

	if (k < t)
		return k;

	return c->o->talkers + (others > LISTENERS ?
				(k - t) * (others / LISTENERS) : k - t);
}


static uint32_t listeners(const struct crowd *c)
{
	const uint32_t others = c->o->parts > c->o->talkers ?
		c->o->parts - c->o->talkers : 0;

	return talkers(c) + (others < LISTENERS ? others : LISTENERS);
}


/**
 * Have the participants to be checked keep what the check needs; before the
 * media start
 *
 * @param c Crowd
 *
 * @return 0 if success, otherwise errorcode
 */
int check_prepare(struct crowd *c)
{
	const struct opts *o = c->o;
	const uint32_t life = c->n / o->joinrate + o->warmup + o->seconds +
		o->timeout + 10;
	const uint32_t hear = o->seconds < HEAR_S ? o->seconds : HEAR_S;
	int err = 0;

	for (uint32_t f = 0; !err && f < confs(c); f++) {
		for (uint32_t t = 0; !err && t < talkers(c); t++)
			err = part_logsent(member(c, f, t),
					   life * 1000 / o->ptime);
		for (uint32_t k = 0; !err && k < listeners(c); k++)
			err = part_record(member(c, f, listener(c, k)),
					  hear * 1000 / o->ptime);
	}

	return err;
}


struct tally {
	uint32_t right, wrong;
	double least, most;     /* share recognised: of those that should be
				 * heard, and of those that should not */
	struct hist *delays;    /* [us] */
};


/* One listener: the talkers of conference f must be heard if it is its own,
 * and must not be if not. */
static void ear_check(struct tally *t, struct crowd *c, const struct ear *e,
		      uint32_t conf, uint32_t k, uint32_t f)
{
	for (uint32_t i = 0; i < talkers(c); i++) {
		const bool want = f == conf && i != k;
		struct heard h;

		if (ear_listen(&h, e, member(c, f, i),
			       want ? t->delays : NULL))
			continue;

		if (want && h.share < t->least)
			t->least = h.share;
		if (!want && h.share > t->most)
			t->most = h.share;
		if (h.heard == want) {
			++t->right;
			continue;
		}
		++t->wrong;
		if (t->wrong <= 10)
			fprintf(stderr, "conference %u: member %u %s member "
				"%u of conference %u (%.0f %%)\n", conf, k,
				want ? "does not hear" : "hears", i, f,
				100 * h.share);
	}
}


/**
 * Check what was heard, and how late; after the media have stopped
 *
 * @param b Measurement
 * @param c Crowd
 */
void check_run(struct bench *b, struct crowd *c)
{
	struct tally t = {0, 0, 1, 0, NULL};

	if (hist_alloc(&t.delays, 50, 20000))   /* 50 us, to 1 s */
		return;

	for (uint32_t f = 0; f < confs(c); f++) {
		for (uint32_t n = 0; n < listeners(c); n++) {
			const uint32_t k = listener(c, n);
			struct ear *e;

			if (ear_alloc(&e, member(c, f, k), c->o->codec)) {
				++t.wrong;
				fprintf(stderr, "conference %u: member %u "
					"hears nothing\n", f, k);
				continue;
			}
			ear_check(&t, c, e, f, k, f);
			if (confs(c) > 1)
				ear_check(&t, c, e, f, k, (f + 1) % confs(c));
			ear_free(e);
		}
	}

	result_num(b->res, "heard_right", t.right, "",
		   "pairs heard, or not heard, as it should be");
	result_num(b->res, "heard_wrong", t.wrong, "",
		   "pairs wrongly heard or not heard");
	result_num(b->res, "heard_least", 100 * t.least, "%",
		   "recognised, of the least heard");
	result_num(b->res, "heard_most", 100 * t.most, "%",
		   "recognised, of those not to be heard");
	if (hist_count(t.delays)) {
		result_num(b->res, "delay_p50_ms",
			   (double)hist_percentile(t.delays, 0.5) / 1e3, "ms",
			   "mouth-to-ear less packetisation, p50");
		result_num(b->res, "delay_p99_ms",
			   (double)hist_percentile(t.delays, 0.99) / 1e3,
			   "ms", "mouth-to-ear less packetisation, p99");
	}
	if (t.wrong || !t.right)
		b->failed = true;
	free(t.delays);
}
