/* What the participants received, in figures. */
#include "bench.h"


/**
 * Tell what was delivered, and how evenly
 *
 * @param b Measurement
 * @param m Media, stopped
 * @param n Number of participants
 */
void media_report(struct bench *b, struct media *m, uint32_t n)
{
	const uint32_t expect = b->o.seconds * 1000 / b->o.ptime;
	const struct hist *j = media_jitter(m);
	uint64_t got = 0, lost = 0, gaps = 0, silent = 0;
	int64_t worst = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct part *p = media_part(m, i);

		/* the window may cut off one packet at either end */
		got += p->got + 1 >= expect ? expect : p->got;
		lost += p->lost;
		gaps += p->gaps;
		silent += !p->got;
		worst = p->worst > worst ? p->worst : worst;
	}

	result_num(b->res, "delivered", 100.0 * (double)got / expect / n,
		   "%", "packets delivered");
	result_num(b->res, "lost", (double)lost, "",
		   "packets missing in sequence");
	result_num(b->res, "gaps", (double)gaps, "",
		   "gaps (loss, or 60 ms without a packet)");
	result_num(b->res, "silent", (double)silent, "",
		   "participants that got nothing");
	result_num(b->res, "jitter_p50_ms",
		   (double)hist_percentile(j, 0.5) / 1e6, "ms",
		   "inter-arrival jitter p50");
	result_num(b->res, "jitter_p99_ms",
		   (double)hist_percentile(j, 0.99) / 1e6, "ms",
		   "inter-arrival jitter p99");
	result_num(b->res, "worst_ms", (double)worst / 1e6, "ms",
		   "longest time without a packet");
	if (silent)
		b->failed = true;
}
