/**
 * @file mesh/filter.c  What one listener hears
 *
 *   sum of all who talk to everybody         once per conference
 *     - own voice - ignored                  once per talker or rule
 *     + what is whispered to this listener
 *     * gain                                 once per listener with one
 *
 * The sum has 32 bits, so that taking a voice out again leaves exactly the
 * others; only the outcome is limited to 16.
 */
#include <re.h>
#include <math.h>
#include <string.h>
#include "mesh/mesh.h"
#include "mesh/filter.h"


static inline int16_t clip(int32_t v)
{
	if (v > INT16_MAX)
		return INT16_MAX;
	if (v < INT16_MIN)
		return INT16_MIN;

	return (int16_t)v;
}


/**
 * Sum all who talk to everybody
 *
 * @param sumv  Set
 * @param sampc Length [samples]
 * @param talkv Who is mixed
 * @param talkc How many
 */
void filter_sum(int32_t *sumv, size_t sampc,
		const struct filter_talker *talkv, unsigned talkc)
{
	memset(sumv, 0, sampc * sizeof(*sumv));

	for (unsigned t = 0; t < talkc; t++) {
		const int16_t *sampv = talkv[t].sampv;

		if (talkv[t].to)
			continue;
		for (size_t i = 0; i < sampc; i++)
			sumv[i] += sampv[i];
	}
}


static void csrc_add(struct filter_mix *mix, uint32_t ssrc, uint8_t level)
{
	if (mix->csrcc == FILTER_CSRCS)
		return;

	mix->csrcv[mix->csrcc] = ssrc;
	mix->levelv[mix->csrcc] = level;
	++mix->csrcc;
}


static void mix_add(struct filter_mix *mix, const struct filter_talker *t)
{
	if (!t->who)
		return;

	if (!t->link) {
		csrc_add(mix, t->ssrc, t->level);
		return;
	}

	/* nobody knows a link: it is those in it who are heard */
	for (unsigned i = 0; i < t->csrcc; i++)
		csrc_add(mix, t->csrcv[i], t->levelv[i]);
}


static void limit(int16_t *buf, const int32_t *sumv, size_t sampc)
{
	for (size_t i = 0; i < sampc; i++)
		buf[i] = clip(sumv[i]);
}


/**
 * What those hear who neither talk nor have rules
 *
 * @param mix   Set
 * @param buf   Room for the mix; used only if there is something to hear
 * @param sumv  From filter_sum()
 * @param sampc Length [samples]
 * @param talkv Who is mixed
 * @param talkc How many
 */
void filter_all(struct filter_mix *mix, int16_t *buf, const int32_t *sumv,
		size_t sampc, const struct filter_talker *talkv,
		unsigned talkc)
{
	unsigned n = 0;

	memset(mix, 0, sizeof(*mix));
	mix->talkv = talkv;
	mix->talkc = talkc;

	for (unsigned t = 0; t < talkc; t++) {
		if (talkv[t].to)
			continue;
		++n;
		mix->lone = &talkv[t];
		mix_add(mix, &talkv[t]);
	}

	if (n != 1 || !mix->lone->frame)
		mix->lone = NULL;
	if (!n)
		return;

	limit(buf, sumv, sampc);
	mix->sampv = buf;
}


static bool ignores(const struct filter_rules *rules, const void *who)
{
	for (unsigned i = 0; i < rules->ignorec; i++)
		if (rules->ignorev[i] == who)
			return true;

	return false;
}


/* Does a listener hear a talker? Sounds of the conference are for all. */
static bool hears(const struct filter_talker *t, const void *self,
		  const struct filter_rules *rules)
{
	if (t->who == self || (t->to && t->to != self))
		return false;

	if (!rules || !t->who)
		return true;

	if (ignores(rules, t->who) || (rules->link && t->link))
		return false;

	return !rules->hear_only || rules->hear_only == t->who;
}


/**
 * Does a listener hear anything else than those who have no rules
 *
 * @param talkv Who is mixed
 * @param talkc How many
 * @param self  The listener
 * @param rules Its rules, or NULL
 *
 * @return True if it needs a mix of its own
 */
bool filter_concerns(const struct filter_talker *talkv, unsigned talkc,
		     const void *self, const struct filter_rules *rules)
{
	if (rules && rules->hear_gain && talkc)
		return true;

	for (unsigned t = 0; t < talkc; t++)
		if (hears(&talkv[t], self, rules) != !talkv[t].to)
			return true;

	return false;
}


/* Take one voice out, or put a whispered one in */
static void sum_apply(int32_t *accv, size_t sampc,
		      const struct filter_talker *t, int sign)
{
	for (size_t i = 0; i < sampc; i++)
		accv[i] += sign * t->sampv[i];
}


/**
 * What one listener hears
 *
 * @param mix   Set
 * @param buf   Room for the mix
 * @param sumv  From filter_sum()
 * @param sampc Length [samples], at most 960
 * @param talkv Who is mixed
 * @param talkc How many
 * @param self  The listener
 * @param rules Its rules, or NULL
 */
void filter_one(struct filter_mix *mix, int16_t *buf, const int32_t *sumv,
		size_t sampc, const struct filter_talker *talkv,
		unsigned talkc, const void *self,
		const struct filter_rules *rules)
{
	int32_t accv[960];
	unsigned n = 0;

	memset(mix, 0, sizeof(*mix));
	mix->talkv = talkv;
	mix->talkc = talkc;
	memcpy(accv, sumv, sampc * sizeof(*accv));

	for (unsigned t = 0; t < talkc; t++) {
		const bool in = hears(&talkv[t], self, rules);

		if (in != !talkv[t].to)
			sum_apply(accv, sampc, &talkv[t], in ? 1 : -1);
		if (!in)
			continue;

		++n;
		mix->lone = &talkv[t];
		mix_add(mix, &talkv[t]);
	}

	if (n != 1 || !mix->lone->frame || (rules && rules->hear_gain))
		mix->lone = NULL;
	if (!n)
		return;

	limit(buf, accv, sampc);
	if (rules && rules->hear_gain)
		filter_gain(buf, sampc, rules->hear_gain);
	mix->sampv = buf;
}


/**
 * Make audio louder or softer
 *
 * @param sampv Audio, changed
 * @param sampc Its length [samples]
 * @param gain  From filter_gain_db(), 0: as it is
 */
void filter_gain(int16_t *sampv, size_t sampc, int gain)
{
	if (!gain || gain == FILTER_GAIN_ONE)
		return;

	for (size_t i = 0; i < sampc; i++)
		sampv[i] = clip((int32_t)((int64_t)sampv[i] * gain /
					  FILTER_GAIN_ONE));
}


/**
 * Gain as the filter wants it
 *
 * @param db Gain, -60..20 [dB]; beyond that the nearest
 *
 * @return Factor [1/4096], or 0 for no change
 */
int filter_gain_db(int db)
{
	if (!db)
		return 0;

	db = min(max(db, -60), 20);

	return (int)lround(FILTER_GAIN_ONE * pow(10, db / 20.0));
}


/**
 * Forget somebody who is gone. What was for that one only is not for
 * everybody then: who whispered is heard by nobody, since nobody hears
 * himself, until told otherwise.
 *
 * @param rules Rules
 * @param self  Whose they are
 * @param gone  Who is gone
 */
void filter_rules_forget(struct filter_rules *rules, const void *self,
			 const void *gone)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rules->ignorec; i++)
		if (rules->ignorev[i] != gone)
			rules->ignorev[n++] = rules->ignorev[i];

	rules->ignorec = n;
	if (rules->hear_only == gone)
		rules->hear_only = self;
	if (rules->whisper == gone)
		rules->whisper = self;
}
