/**
 * @file tests/mesh/test_phase.c  When a conference ticks, and how that moves
 *
 * Time is told to the worker here, whose thread does not run: packets come
 * and slots pass when the test says so, however busy the machine is.
 */
#include <re.h>
#include <check.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "mesh/mesh.h"
#include "mesh/codec.h"
#include "mesh/scheduler.h"
#include "mesh/tone.h"
#include "mesh/rtp.h"
#include "mesh/rtcp.h"
#include "mesh/demux.h"
#include "mesh/queue.h"
#include "mesh/snap.h"
#include "mesh/channel.h"
#include "mesh/sorter.h"
#include "mesh/filter.h"
#include "mesh/sender.h"
#include "mesh/effort.h"
#include "mesh/meter.h"
#include "mesh/phase.h"
#include "mesh/worker.h"
#include "mesh/mesh_priv.h"
#include "phone.h"
#include "call.h"

enum {
	STEP    = WORKER_SLOT_US,
	TICK    = WORKER_TICK_US,
	FRAME   = 160,           /* of G.711, 20 ms [bytes]               */
	FRAMES  = 12000,         /* that a test sends at most             */
	MEMBERS = 4,
};

struct member {                  /* a participant, in the time of the test */
	struct mesh_part *part;
	int fd;                  /* where it listens                      */
	struct sa laddr;
	bool talks;
	double drift;            /* of its clock                          */
	double jitter;           /* up to this late [us]                  */
	double at;               /* its next packet is sent [us]          */
	uint64_t sentv[FRAMES];  /* a packet came [us]                    */
	unsigned sent;
};

struct world {
	struct mesh *mesh;
	struct mesh_conf *conf;
	struct worker *w;
	struct member memberv[MEMBERS];
	unsigned n;
	uint64_t now;            /* the next slot [us]                    */
	unsigned slot;
	unsigned moves;          /* changes of the phase                  */
	unsigned is;             /* the phase                             */
	uint32_t seed;
};

struct heard {                   /* what a listener has got               */
	unsigned packets;
	unsigned first, last;    /* frame of the talker                   */
	uint16_t seq;
	uint32_t ts;
	double most;             /* delay of a frame since `reset` [ms]   */
};


/* ---- the choice alone ---- */

static const struct {
	struct phase_talker talkerv[3];
	unsigned n;
	int32_t by;
} choices[] = {
	/* nobody, and one who is well off */
	{{{0}}, 0, 0},
	{{{.wait = 1100, .period = TICK}}, 1, 0},
	{{{.wait = 6400, .period = TICK}}, 1, 0},
	/* one in a pause: the step that is right, whichever way is shorter */
	{{{.wait = 6500, .period = TICK}}, 1, -5000},
	{{{.wait = 11500, .period = TICK}}, 1, -10000},
	{{{.wait = 17000, .period = TICK}}, 1, 5000},
	{{{.wait = 100, .period = TICK}}, 1, 5000},
	{{{.wait = -3000, .period = TICK}}, 1, 5000},
	/* heard: not later for comfort, and no more than can be spared */
	{{{.wait = 17000, .spare = 17000, .period = TICK, .heard = true}},
	 1, -15000},
	{{{.wait = 17000, .spare = 11000, .period = TICK, .heard = true}},
	 1, -5000},
	{{{.wait = 17000, .spare = 0, .period = TICK, .heard = true}}, 1, 0},
	{{{.wait = 1100, .spare = 1100, .period = TICK, .heard = true}},
	 1, 0},
	/* ... but later rather than lacking a packet */
	{{{.wait = 900, .spare = 900, .period = TICK, .heard = true}},
	 1, 5000},
	{{{.wait = -800, .spare = 0, .period = TICK, .heard = true}},
	 1, 5000},
	/* a tick more than needed, because of what has been */
	{{{.wait = 22000, .spare = 22000, .period = TICK, .heard = true}},
	 1, -15000},
	/* packets of 10 ms: two phases are as good as four */
	{{{.wait = 7000, .period = 10000}}, 1, -5000},
	{{{.wait = 4000, .period = 10000}}, 1, 0},
	/* two: the best for both */
	{{{.wait = 17000, .period = TICK}, {.wait = 12000, .period = TICK}},
	 2, -10000},
	{{{.wait = 2000, .period = TICK}, {.wait = 7000, .period = TICK}},
	 2, 0},
	{{{.wait = 2000, .period = TICK}, {.wait = 17500, .period = TICK}},
	 2, 5000},
	{{{.wait = 2000, .period = TICK}, {.wait = 12000, .period = TICK}},
	 2, 0},
	/* one of them is heard, and must not be hurt: the other is helped by
	   5 ms more for him, but not by more delay */
	{{{.wait = 2000, .spare = 2000, .period = TICK, .heard = true},
	  {.wait = 17500, .period = TICK}}, 2, 5000},
	{{{.wait = 2000, .spare = 2000, .period = TICK, .heard = true},
	  {.wait = 13500, .period = TICK}}, 2, 0},
	{{{.wait = 17500, .spare = 17500, .period = TICK, .heard = true},
	  {.wait = 2000, .period = TICK}}, 2, -15000},
	{{{.wait = 12000, .spare = 12000, .period = TICK, .heard = true},
	  {.wait = 17000, .period = TICK}}, 2, -10000},
	/* both are heard, and the second has a tick to spare after it */
	{{{.wait = 2000, .spare = 2000, .shrinks = 22000, .period = TICK,
	   .heard = true},
	  {.wait = 17000, .spare = 17000, .shrinks = 22000, .period = TICK,
	   .heard = true}}, 2, 5000},
	{{{.wait = 2000, .spare = 2000, .shrinks = 22000, .period = TICK,
	   .heard = true},
	  {.wait = 16500, .spare = 16500, .shrinks = 22000, .period = TICK,
	   .heard = true}}, 2, 0},
	/* alone, an earlier tick saves the same and leaves out nothing */
	{{{.wait = 17000, .spare = 17000, .shrinks = 22000, .period = TICK,
	   .heard = true}}, 1, -15000},
	/* three all over the place */
	{{{.wait = 2000, .period = TICK}, {.wait = 9000, .period = TICK},
	  {.wait = 16000, .period = TICK}}, 3, 0},
};


START_TEST(test_choose)
{
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		const int32_t by = phase_choose(choices[i].talkerv,
						choices[i].n, STEP, false);

		ck_assert_msg(by == choices[i].by, "choice %zu: %d, not %d",
			      i, by, choices[i].by);
	}
}
END_TEST


/* Wherever he is, one look is enough, and the next one finds nothing */
START_TEST(test_settle)
{
	for (int32_t wait = 0; wait < TICK; wait += 50) {
		for (int heard = 0; heard < 2; heard++) {

			struct phase_talker t = {
				.wait = wait, .spare = wait,
				.period = TICK, .heard = heard,
			};
			const int32_t by = phase_choose(&t, 1, STEP, false);

			t.wait = (t.wait + by + TICK) % TICK;
			t.spare = t.wait;
			ck_assert_int_eq(phase_choose(&t, 1, STEP, false), 0);
			ck_assert_int_lt(t.wait, STEP + 1500);
		}
	}
}
END_TEST


/* With two phases only: a step is half a tick, and earlier */
START_TEST(test_half)
{
	struct phase_talker t = {.period = TICK};

	t.wait = 11400;
	ck_assert_int_eq(phase_choose(&t, 1, 2 * STEP, true), 0);
	t.wait = 11500;
	ck_assert_int_eq(phase_choose(&t, 1, 2 * STEP, true), -2 * STEP);
	t.heard = true;
	t.spare = 11400;
	ck_assert_int_eq(phase_choose(&t, 1, 2 * STEP, true), 0);
	t.wait = 900;
	ck_assert_int_eq(phase_choose(&t, 1, 2 * STEP, true), 0);
}
END_TEST


/* ---- a worker ---- */

static double chance(struct world *w)
{
	w->seed = w->seed * 1664525u + 1013904223u;

	return (double)(w->seed >> 8) / 16777216.;
}


/* A frame that is loud, and tells who said it and when */
static void frame_fill(uint8_t *p, unsigned who, unsigned n)
{
	uint32_t x = who * 65536 + n + 1;

	for (unsigned i = 0; i < FRAME; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (uint8_t)((x >> 24 & 0x9f) | 0x10);
	}
	p[0] = (uint8_t)(0x80 | (n & 15));
	p[1] = (uint8_t)(0x80 | (n >> 4 & 15));
	p[2] = (uint8_t)(0x80 | (n >> 8 & 15));
	p[3] = (uint8_t)(0x80 | (n >> 12 & 15));
}


static unsigned frame_number(const uint8_t *p)
{
	return (p[0] & 15u) | (p[1] & 15u) << 4 | (p[2] & 15u) << 8 |
		(p[3] & 15u) << 12;
}


static void silence_fill(uint8_t *p)
{
	memset(p, 0xff, FRAME);
}


static void member_join(struct world *w, double offset)
{
	struct member *m = &w->memberv[w->n++];
	const struct timeval limit = {.tv_sec = 20};
	struct mesh_media media;
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);

	m->fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_ge(m->fd, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(m->fd, (void *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(getsockname(m->fd, (void *)&sin, &len), 0);
	ck_assert_int_eq(setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
				    sizeof(limit)), 0);
	ck_assert_int_eq(sa_set_sa(&m->laddr, (void *)&sin), 0);

	memset(&media, 0, sizeof(media));
	media.rxc = 1;
	media.rxv[0].codec = MESH_PCMU;
	media.rxv[0].rate = 8000;
	media.tx = media.rxv[0];
	media.ptime = 20;
	media.rtp = m->laddr;
	media.send = media.recv = true;
	ck_assert_int_eq(call_part(&m->part, w->conf, &media, false, NULL,
				   NULL), 0);

	/* what was asked for, as if the thread had done it */
	worker_stop(w->w);
	m->at = (double)w->now + offset;
}


static void world_start(struct world *w)
{
	struct mesh_config cfg;
	struct call c;

	memset(w, 0, sizeof(*w));
	call_config(&c);
	cfg = c.cfg;
	ck_assert_int_eq(mesh_alloc(&w->mesh, &cfg), 0);
	ck_assert_int_eq(mesh_conf_alloc(&w->conf, w->mesh, NULL), 0);
	w->w = w->conf->w;
	w->now = 1000000000;
	w->seed = 4711;
}


static void world_stop(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		mem_deref(w->memberv[i].part);
		(void)close(w->memberv[i].fd);
	}
	mem_deref(w->conf);
	mem_deref(w->mesh);
}


static void packet_put(struct world *w, struct member *m, uint64_t came)
{
	const unsigned n = m->sent;
	uint8_t buf[RTP_FIXED + FRAME];

	ck_assert_uint_lt(n, FRAMES);
	rtp_fixed_encode(buf, 0x80, 0, n == 0, (uint16_t)(65500 + n),
			 0xffff0000 + n * FRAME,
			 0x1000u + (unsigned)(m - w->memberv));
	if (m->talks)
		frame_fill(buf + RTP_FIXED, (unsigned)(m - w->memberv), n);
	else
		silence_fill(buf + RTP_FIXED);

	m->sentv[m->sent++] = came;
	w->w->now = came;
	wpart_rx(m->part->part, buf, sizeof(buf), &m->laddr, came, false);
}


/* One slot: all that came before it, and whoever ticks in it */
static void slot_run(struct world *w)
{
	struct wconf *conf = w->conf->conf;

	for (unsigned i = 0; i < w->n; i++) {
		struct member *m = &w->memberv[i];

		for (;;) {
			const double late = m->jitter * chance(w);

			if (m->at + late > (double)w->now)
				break;
			packet_put(w, m, (uint64_t)(m->at + late));
			m->at += TICK * (1 + m->drift);
		}
	}

	worker_slot(w->w, w->slot, w->now);
	w->slot = (w->slot + 1) % WORKER_SLOTS;
	w->now += STEP;
	w->moves += conf->phase.slot != w->is;
	w->is = conf->phase.slot;
}


static void run(struct world *w, double seconds)
{
	const uint64_t end = w->now + (uint64_t)(seconds * 1e6);

	while (w->now < end)
		slot_run(w);
}


/* The same, and what a listener gets of the only one who talks: every frame
   once, in order, and numbered as if nothing had moved */
static void run_listen(struct world *w, double seconds, struct heard *h)
{
	const struct member *talker = &w->memberv[0], *m = &w->memberv[1];
	const uint64_t end = w->now + (uint64_t)(seconds * 1e6);
	const struct wpart_tx *tx = &m->part->part->tx;

	h->most = 0;

	while (w->now < end) {

		uint64_t left = tx->packets;
		const uint64_t at = w->now;

		slot_run(w);

		for (left = tx->packets - left; left; left--) {

			uint8_t buf[1500];
			const ssize_t len = recv(m->fd, buf, sizeof(buf), 0);
			const uint16_t seq = (uint16_t)(buf[2] << 8 | buf[3]);
			const uint32_t ts = (uint32_t)buf[4] << 24 |
				(uint32_t)buf[5] << 16 |
				(uint32_t)buf[6] << 8 | buf[7];
			const size_t hdr = RTP_FIXED + (buf[0] & 15) * 4u;
			uint8_t want[FRAME];
			unsigned n;

			ck_assert_int_gt(len, RTP_FIXED);
			ck_assert_uint_eq((size_t)len, hdr + FRAME);
			if (h->packets++) {
				ck_assert_uint_eq(seq, (uint16_t)(h->seq + 1));
				ck_assert_uint_eq(ts, h->ts + FRAME);
			}
			h->seq = seq;
			h->ts = ts;

			/* silence until he is heard */
			n = frame_number(buf + hdr);
			frame_fill(want, 0, n);
			if (memcmp(buf + hdr, want, FRAME)) {
				ck_assert_uint_eq(h->last, 0);
				continue;
			}
			if (h->last)
				ck_assert_uint_eq(n, h->last + 1);
			h->last = n;
			ck_assert_uint_lt(n, talker->sent);
			h->most = max(h->most, (double)
				      (at - talker->sentv[n]) / 1000);
		}
	}
}


static struct scheduler_stats figures(const struct world *w, unsigned i)
{
	struct scheduler_stats st;

	scheduler_stats(w->memberv[i].part->part->sched, &st);

	return st;
}


/* Whenever his packets come, they soon wait for 6.5 ms at most; and the
   listener gets every one of them, once */
START_TEST(test_delay)
{
	for (unsigned offset = 500; offset < TICK; offset += 1500) {

		struct scheduler_stats st;
		struct heard h;
		struct world w;

		world_start(&w);
		memset(&h, 0, sizeof(h));
		member_join(&w, offset);
		member_join(&w, offset + 3000);
		w.memberv[0].talks = true;

		run_listen(&w, 1.5, &h);
		run_listen(&w, 3, &h);
		ck_assert_uint_gt(h.last, 190);
		ck_assert_msg(h.most <= 6.5, "at %u us: %.1f ms", offset,
			      h.most);
		st = figures(&w, 0);
		ck_assert_uint_eq(st.concealed, 0);
		ck_assert_uint_eq(st.stretched, 0);
		ck_assert_uint_eq(st.late, 0);
		ck_assert_uint_le(w.moves, 1);

		world_stop(&w);
	}
}
END_TEST


/* With two talkers of any phases both are served, and neither is hurt */
START_TEST(test_two)
{
	for (unsigned gap = 0; gap < TICK; gap += 2500) {

		struct world w;

		world_start(&w);
		member_join(&w, 1500);
		member_join(&w, 1500 + gap);
		member_join(&w, 4000);
		w.memberv[0].talks = w.memberv[1].talks = true;

		run(&w, 8);
		for (unsigned i = 0; i < 2; i++) {
			const struct scheduler_stats st = figures(&w, i);

			ck_assert_uint_eq(st.concealed, 0);
			ck_assert_uint_eq(st.late, 0);
		}
		ck_assert_msg(min(figures(&w, 0).depth, figures(&w, 1).depth)
			      <= 6, "gap %u: %u and %u ms", gap,
			      figures(&w, 0).depth, figures(&w, 1).depth);
		ck_assert_uint_lt(max(figures(&w, 0).depth,
				      figures(&w, 1).depth), 20);
		ck_assert_uint_le(w.moves, 2);

		world_stop(&w);
	}
}
END_TEST


/* People who take turns, in twenty conferences that differ in when packets
   come: what a tick costs them is a third less than with one phase for all,
   on which it would depend who is lucky */
START_TEST(test_turns)
{
	double all = 0;
	unsigned n = 0;

	for (unsigned f = 0; f < 20; f++) {

		double sum = 0;
		unsigned k = 0;
		struct world w;

		world_start(&w);
		member_join(&w, 300 + f * 1000);
		member_join(&w, 300 + (f + 15) % 20 * 1000);
		member_join(&w, 300 + f * 700);

		for (unsigned t = 0; t < 200; t++) {
			const unsigned turn = (t + f) % 30;

			/* in between both do */
			w.memberv[0].talks = turn < 18;
			w.memberv[1].talks = turn >= 15 || turn < 3;
			run(&w, 0.1);
			for (unsigned i = 0; i < 2 && t >= 60; i++) {
				const uint32_t depth = figures(&w, i).depth;

				sum += depth;
				k += depth != 0;
			}
		}

		for (unsigned i = 0; i < 2; i++) {
			ck_assert_uint_eq(figures(&w, i).concealed, 0);
			ck_assert_uint_eq(figures(&w, i).late, 0);
		}
		ck_assert_uint_le(w.moves, 3);
		ck_assert_uint_gt(k, 70);
		ck_assert_msg(sum / k <= 10, "%u: %.1f ms", f, sum / k);
		all += sum;
		n += k;

		world_stop(&w);
	}

	ck_assert_msg(all / n <= 7.5, "%.1f ms", all / n);
}
END_TEST


/* A listener who begins to talk where the phase is bad for him: it moves as
   far as it does not hurt the one who is heard */
START_TEST(test_joins_in)
{
	struct scheduler_stats st;
	struct world w;

	world_start(&w);
	member_join(&w, 2000);
	member_join(&w, 15000);
	w.memberv[0].talks = true;
	run(&w, 5);
	ck_assert_uint_le(figures(&w, 0).depth, 6);

	w.memberv[1].talks = true;
	run(&w, 5);
	w.memberv[0].talks = false;
	run(&w, 25);
	st = figures(&w, 1);
	ck_assert_uint_le(st.depth, 6);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(figures(&w, i).concealed, 0);
		ck_assert_uint_eq(figures(&w, i).late, 0);
	}

	world_stop(&w);
}
END_TEST


/* Jitter does not make it go back and forth */
START_TEST(test_calm)
{
	struct scheduler_stats st;
	struct world w;

	world_start(&w);
	member_join(&w, 3000);
	member_join(&w, 9000);
	w.memberv[0].talks = true;
	w.memberv[0].jitter = 8000;
	run(&w, 10);
	st = figures(&w, 0);
	w.moves = 0;
	run(&w, 100);
	ck_assert_uint_le(w.moves, 4);
	ck_assert_uint_le(figures(&w, 0).concealed, st.concealed + 100);

	world_stop(&w);
}
END_TEST


/* Clocks that drift are followed, step by step */
START_TEST(test_drift)
{
	for (int sign = -1; sign <= 1; sign += 2) {

		struct world w;

		world_start(&w);
		member_join(&w, 3000);
		member_join(&w, 9000);
		w.memberv[0].talks = true;
		w.memberv[0].drift = sign * 200e-6;
		run(&w, 5);
		for (unsigned i = 0; i < 20; i++) {
			run(&w, 5);
			ck_assert_uint_le(figures(&w, 0).depth, 26);
		}
		ck_assert_uint_ge(w.moves, 3);
		ck_assert_uint_le(w.moves, 8);
		ck_assert_uint_eq(figures(&w, 0).concealed, 0);

		world_stop(&w);
	}
}
END_TEST


/* A conference in which nobody talks stays, and has no slot but one */
START_TEST(test_silent)
{
	struct world w;

	world_start(&w);
	member_join(&w, 3000);
	member_join(&w, 9000);
	run(&w, 5);
	ck_assert_uint_eq(w.moves, 0);
	ck_assert_uint_eq(list_count(&w.w->slotv[0]), 1);
	for (unsigned i = 1; i < WORKER_SLOTS; i++)
		ck_assert_uint_eq(list_count(&w.w->slotv[i]), 0);

	world_stop(&w);
}
END_TEST


/* A worker with more to do keeps to slots in which it wakes anyhow */
START_TEST(test_many)
{
	uint32_t concealed;
	struct world w;

	world_start(&w);
	member_join(&w, 8000);
	member_join(&w, 9000);
	w.memberv[0].talks = true;
	run(&w, 4);
	ck_assert_uint_eq(w.is % 2, 0);
	w.memberv[0].at += 5000;
	run(&w, 40);
	ck_assert_uint_eq(w.is % 2, 1);

	/* what came of the jump has been heard */
	concealed = figures(&w, 0).concealed;
	w.w->stats.parts += WORKER_FEW;
	run(&w, 40);
	ck_assert_uint_eq(w.is % 2, 0);
	ck_assert_uint_le(figures(&w, 0).depth, 12);
	ck_assert_uint_eq(figures(&w, 0).concealed, concealed);
	w.w->stats.parts -= WORKER_FEW;

	world_stop(&w);
}
END_TEST


/* After a standstill everything goes on, in the slot where it was */
START_TEST(test_standstill)
{
	struct heard h;
	struct world w;

	world_start(&w);
	memset(&h, 0, sizeof(h));
	member_join(&w, 8000);
	member_join(&w, 9000);
	w.memberv[0].talks = true;
	run(&w, 4);
	ck_assert_uint_ne(w.is, 0);

	worker_skip(w.w, 40);
	w.now += 40 * TICK;
	w.memberv[0].at += 40 * TICK;
	w.memberv[1].at += 40 * TICK;
	run(&w, 2);
	w.moves = 0;
	run(&w, 2);
	ck_assert_uint_eq(w.moves, 0);
	ck_assert_uint_le(figures(&w, 0).depth, 6);

	world_stop(&w);
}
END_TEST


int main(void)
{
	const TTest *const testv[] = {
		test_choose, test_settle, test_half,
		test_delay, test_two, test_turns, test_joins_in, test_calm,
		test_drift, test_silent, test_many, test_standstill,
	};

	return call_main("phase", testv, ARRAY_SIZE(testv));
}
