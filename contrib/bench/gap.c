/* Silences: when did a listener hear its talkers, and when not?
 *
 * What it received is decoded in pieces of 10 ms; a piece in which a tone is
 * found counts as heard from its packet's arrival on, for as long as it is.
 *
 *	packets  |--20 ms--|--20 ms--|            |--20 ms--|
 *	tone A   |aaaa|aaaa|aaaa|                      |aaaa|
 *	silence                 |<---------------->|
 *
 * So an even stream has silences of its jitter only. Two kinds are told: a
 * silence in which none of its talkers was heard, and a time in which one of
 * them was missing while perhaps others were heard.
 *
 * Nobody can be heard while this program does not send: what it was late
 * itself, in a silence or shortly before, is taken off.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum {
	PIECE_MS = 10,
	BEFORE_MS = 100,        /* so long a late packet may be on its way */
	BACK_MS = 60,           /* shorter silences do not count as away */
	PCM_MAX = EAR_RATE / 1000 * 120,
};

static const int64_t ms = 1000000;


struct listening {
	struct gaps *g;
	const struct gaps_ask *ask;
	int64_t anyone;         /* somebody was heard until [ns] */
	int64_t onev[TONES_MAX];        /* each was heard until [ns] */
};


/* How long this program was late itself in that time. */
static int64_t own_fault(const struct stalls *st, int64_t from, int64_t to)
{
	int64_t sum = 0;

	for (uint32_t i = 0; st && i < st->n; i++) {
		const struct stall *s = &st->v[i];

		if (s->to > from - BEFORE_MS * ms && s->from < to)
			sum += s->to - s->from;
	}

	return sum;
}


static void silence_add(struct silence *s, const struct gaps_ask *ask,
			int64_t from, int64_t to)
{
	int64_t len = to - from, own;

	if (len <= 0)
		return;

	if (len > PIECE_MS * ms) {
		own = own_fault(ask->stalls, from, to);
		if (own)
			++s->excused;
		len = len > own ? len - own : 0;
	}
	if (len > s->longest)
		s->longest = len;
	if (len > BACK_MS * ms)
		s->back = to;
}


/* A silence belongs to the time in which it ends. */
static void silence_end(struct listening *l, bool any, int64_t from,
			int64_t to)
{
	struct gaps *g = l->g;
	const bool after = to > l->ask->event;

	if (any)
		silence_add(after ? &g->silence : &g->silence0, l->ask, from,
			    to);
	else
		silence_add(after ? &g->missing : &g->missing0, l->ask, from,
			    to);
}


static void piece_take(struct listening *l, uint32_t mask, int64_t at)
{
	const int64_t end = at + PIECE_MS * ms;

	mask &= l->ask->mask;
	if (mask) {
		silence_end(l, true, l->anyone, at);
		l->anyone = end;
	}
	for (uint32_t k = 0; k < TONES_MAX; k++) {
		if (!(mask & 1u << k))
			continue;
		silence_end(l, false, l->onev[k], at);
		l->onev[k] = end;
	}
}


static void listening_end(struct listening *l)
{
	const int64_t to = l->ask->to;

	silence_end(l, true, l->anyone, to);
	l->g->heard = to - l->anyone < BACK_MS * ms;
	for (uint32_t k = 0; k < TONES_MAX; k++) {
		if (!(l->ask->mask & 1u << k))
			continue;
		silence_end(l, false, l->onev[k], to);
		l->g->heard &= to - l->onev[k] < BACK_MS * ms;
	}
}


/**
 * Find the silences of a listener
 *
 * @param g   Filled in
 * @param p   Participant with its packets kept; the media have stopped
 * @param ask What is looked for, and when
 *
 * @return 0 if success, otherwise errorcode
 */
int gaps_find(struct gaps *g, const struct part *p,
	      const struct gaps_ask *ask)
{
	struct listening l = {.g = g, .ask = ask, .anyone = ask->from};
	const struct heard_packet *h = NULL;
	int16_t pcm[PCM_MAX];
	struct decoder *d;
	int err;

	memset(g, 0, sizeof(*g));
	for (uint32_t k = 0; k < TONES_MAX; k++)
		l.onev[k] = ask->from;

	err = decoder_alloc(&d, ask->codec);
	if (err)
		return err;

	while ((h = part_heard(p, h))) {
		const int n = decoder_frame(d, pcm, PCM_MAX, h->data, h->len);

		for (int i = 0; i + TONE_BLOCK <= n; i += TONE_BLOCK)
			piece_take(&l, tones_find(ask->tones, pcm + i),
				   h->at + i / TONE_BLOCK * PIECE_MS * ms);
	}
	decoder_free(d);
	listening_end(&l);

	return 0;
}
