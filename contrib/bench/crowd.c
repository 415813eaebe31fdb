/* A crowd: participants with media and calls, in conferences of equal size.
 * Participant i is in conference i modulo their number; the first members of
 * a conference talk. */
#include <errno.h>
#include <stdlib.h>
#include "bench.h"

static const int64_t ms = 1000000, second = 1000000000;


/* Where a talker begins in the sample, in twelfths of it. Those who are
 * checked together are never at the same place: they would be taken for one
 * another. The first two talkers are half a sample apart, so that one always
 * speaks with the one voice, the other with the other. */
static uint32_t talker_place(uint32_t conf, uint32_t member)
{
	static const uint8_t placev[3][4] = {
		{0, 1, 2, 3}, {6, 7, 8, 9}, {4, 5, 10, 11},
	};

	return placev[member % 3][conf % 4];
}


static void loops_set(struct crowd *c)
{
	for (uint32_t i = 0; i < c->n; i++) {
		struct part *p = media_part(c->media, i);
		const uint32_t conf = i % c->o->conferences;
		const uint32_t member = i / c->o->conferences;

		if (member < c->o->talkers && c->o->tones)
			p->loop = c->tonev[member];
		else if (member < c->o->talkers) {
			p->loop = c->speech;
			p->off = talker_place(conf, member) *
				c->speech->framec / 12;
		}
		else {
			p->loop = c->quiet;
			p->off = i % c->quiet->framec;
		}
	}
}


static int tones_make(struct crowd *c)
{
	int err = 0;

	for (uint32_t k = 0; !err && k < c->o->talkers; k++)
		err = loop_tone(&c->tonev[k], c->o, k);

	return err;
}


/**
 * Make a crowd; nobody calls yet
 *
 * @param cp Where it goes, freed with crowd_free()
 * @param o  Options; must live as long
 * @param n  Number of participants
 *
 * @return 0 if success, otherwise errorcode
 */
int crowd_alloc(struct crowd **cp, const struct opts *o, uint32_t n)
{
	struct crowd *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return ENOMEM;

	c->o = o;
	c->n = n;
	err = o->tones ? tones_make(c) : loop_speech(&c->speech, o);
	if (err) {
		fprintf(stderr, "%s: no speech in it\n", o->speech);
		goto out;
	}

	err = loop_quiet(&c->quiet, o);
	if (!err)
		err = media_alloc(&c->media, o, n);
	if (!err)
		err = calls_alloc(&c->calls, o, n);
	if (!err)
		loops_set(c);

 out:
	if (err)
		crowd_free(c);
	else
		*cp = c;

	return err;
}


/** Free a crowd */
void crowd_free(struct crowd *c)
{
	if (!c)
		return;

	media_free(c->media);
	calls_free(c->calls);
	loop_free(c->speech);
	loop_free(c->quiet);
	for (int k = 0; k < TONES_MAX; k++)
		loop_free(c->tonev[k]);
	free(c);
}


/**
 * Everybody joins, evenly paced, and is answered or refused
 *
 * @param c    Crowd
 * @param rate Joins per second
 *
 * @return False if the user wants this to end
 */
bool crowd_join(struct crowd *c, uint32_t rate)
{
	const int64_t t0 = now_ns();
	int64_t limit;
	char uri[80];

	for (uint32_t i = 0; i < c->n; i++) {
		const struct sockaddr_in *to = &c->o->to;

		if (conf_uri(uri, sizeof(uri), c->o, to,
			     i % c->o->conferences) ||
		    call_start(c->calls, i, uri, to,
			       media_part(c->media, i)))
			return false;
		if (!calls_poll(c->calls, t0 + second * (i + 1) / rate))
			return false;
	}

	limit = now_ns() + c->o->timeout * second;
	while (calls_count(c->calls, CALL_INVITE) && now_ns() < limit) {
		if (!calls_poll(c->calls, now_ns() + 10 * ms))
			return false;
	}

	return true;
}


/**
 * Stay in the call
 *
 * @param c       Crowd
 * @param seconds So long
 *
 * @return False if the user wants this to end
 */
bool crowd_wait(struct crowd *c, uint32_t seconds)
{
	return calls_poll(c->calls, now_ns() + seconds * second);
}


/** Tell how long joining took, from the first INVITE to the 200 */
void crowd_setup(const struct crowd *c, struct result *r)
{
	struct hist *h;

	if (hist_alloc(&h, 10, 100000))         /* 10 us, to 1 s */
		return;

	for (uint32_t i = 0; i < c->n; i++) {
		const struct call *call = calls_get(c->calls, i);

		if (call->setup > 0)
			hist_add(h, (uint64_t)(call->setup * 1e6));
	}

	result_num(r, "setup_p50_ms", (double)hist_percentile(h, 0.5) / 1e3,
		   "ms", "set-up time, both hops, p50");
	result_num(r, "setup_p99_ms", (double)hist_percentile(h, 0.99) / 1e3,
		   "ms", "set-up time, both hops, p99");
	free(h);
}


/**
 * Everybody hangs up; failures are told and counted
 *
 * @param b Measurement
 * @param c Crowd
 */
void crowd_close(struct bench *b, struct crowd *c)
{
	calls_hangup(c->calls, c->o->hangup * second);
	calls_report(c->calls, stderr);
	result_num(b->res, "failed", calls_failed(c->calls), "",
		   "calls that failed");
	result_num(b->res, "retransmitted", calls_retrans(c->calls), "",
		   "requests sent again");
	if (calls_failed(c->calls))
		b->failed = true;
}
