/**
 * @file tests/mesh/test_meter.c  How near a mesh is to breaking
 */
#include <re.h>
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
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
#include "mesh/worker.h"
#include "mesh/mesh_priv.h"
#include "phone.h"
#include "call.h"

enum { TICKS = 51 };


/* A second of ticks, each `busy` long, of which `n` begin `late` [us] */
static const struct mesh_worker_load *second(struct meter *m, unsigned busy,
					     unsigned n, unsigned late,
					     unsigned drops)
{
	uint64_t now = m->since ? m->since : 1000000;
	bool done = false;

	for (unsigned i = 0; i < TICKS; i++, now += 20000) {
		meter_begin(m, now);
		meter_tick(m, now, now + (i < n ? late : 50));
		meter_packets(m, 200, i ? 0 : drops);
		done = meter_end(m, now + busy);
		ck_assert(done == (i == TICKS - 1));
	}

	return &m->load;
}


START_TEST(test_busy)
{
	const struct mesh_worker_load *l;
	struct meter m;

	memset(&m, 0, sizeof(m));
	l = second(&m, 0, 0, 0, 0);
	ck_assert_uint_eq(l->busy, 0);
	ck_assert_uint_le(l->load, 5);

	memset(&m, 0, sizeof(m));
	l = second(&m, 8000, 0, 0, 0);
	ck_assert_uint_ge(l->busy, 395);
	ck_assert_uint_le(l->busy, 415);
	ck_assert_uint_ge(l->load, 490);
	ck_assert_uint_le(l->load, 520);

	memset(&m, 0, sizeof(m));
	l = second(&m, 19000, 0, 0, 0);
	ck_assert_uint_ge(l->load, 1000);
}
END_TEST


/* Two late ticks are an accident, three are not */
START_TEST(test_late)
{
	const struct mesh_worker_load *l;
	struct meter m;

	memset(&m, 0, sizeof(m));
	l = second(&m, 0, 2, 30000, 0);
	ck_assert_uint_eq(l->late, 50);
	ck_assert_uint_le(l->load, 5);

	memset(&m, 0, sizeof(m));
	l = second(&m, 0, 3, 5000, 0);
	ck_assert_uint_eq(l->late, 5000);
	ck_assert_uint_eq(l->load, 500);
}
END_TEST


static void seconds(struct effort *e, unsigned n, unsigned load,
		    unsigned complexity)
{
	const struct mesh_worker_load l = {.load = load, .busy = 300};

	while (n--)
		effort_second(e, &l);
	ck_assert_uint_eq(e->now, complexity);
}


/* Less at once, more slowly, and never beyond what is set */
START_TEST(test_effort)
{
	struct effort e;

	effort_init(&e, 5);
	seconds(&e, 100, 0, 5);
	seconds(&e, 100, 749, 5);
	seconds(&e, 1, 750, 3);
	seconds(&e, 100, 450, 3);
	seconds(&e, 1, 10000, 1);
	seconds(&e, 1, 800, 0);
	seconds(&e, 100, 800, 0);

	/* what a busy second interrupts begins anew */
	seconds(&e, 9, 449, 0);
	seconds(&e, 1, 450, 0);
	seconds(&e, 9, 449, 0);
	seconds(&e, 1, 449, 1);
	seconds(&e, 10, 0, 3);
	seconds(&e, 10, 0, 5);
	seconds(&e, 100, 0, 5);

	/* late, and not because of what it does */
	effort_second(&e, &(struct mesh_worker_load){.load = 9000,
						     .busy = 299});
	ck_assert_uint_eq(e.now, 5);

	effort_init(&e, 4);
	seconds(&e, 1, 800, 3);
	seconds(&e, 20, 0, 4);
	effort_init(&e, 10);
	seconds(&e, 1, 800, 7);
	seconds(&e, 10, 0, 10);
	effort_init(&e, 0);
	seconds(&e, 2, 800, 0);
	seconds(&e, 20, 0, 0);
}
END_TEST


START_TEST(test_drops)
{
	const struct mesh_worker_load *l;
	struct meter m;

	memset(&m, 0, sizeof(m));
	l = second(&m, 0, 0, 0, 5);
	ck_assert_uint_ge(l->drops, 4);
	ck_assert_uint_ge(l->load, 400);
	ck_assert_uint_le(l->load, 500);

	memset(&m, 0, sizeof(m));
	l = second(&m, 0, 0, 0, 10000);
	ck_assert_uint_eq(l->load, 10000);
}
END_TEST


START_TEST(test_cost)
{
	const struct meter_work from = {1000, 100, 100, 50, 50};
	const struct meter_work to = {3000, 200, 200, 150, 100};
	struct mesh_conf_cost cost;

	meter_cost(&cost, &from, &to, 0);
	ck_assert_uint_eq(cost.usec, 0);
	meter_cost(&cost, &from, &to, 2000000);
	ck_assert_uint_eq(cost.packets, 1000);
	ck_assert_uint_eq(cost.decodes, 50);
	ck_assert_uint_eq(cost.opus_decodes, 50);
	ck_assert_uint_eq(cost.opus_encodes, 25);
	ck_assert_uint_gt(cost.usec, 1000 * 2 + 50 * 20 + 25 * 100);
}
END_TEST


/* Whatever nobody reads in time is counted, once */
START_TEST(test_socket)
{
	struct channel *ch;
	struct rx_batch *b;
	unsigned got = 0, drops = 0, n;
	uint8_t buf[1000] = {0};
	struct sa sa;
	int fd;

	(void)sa_set_str(&sa, "127.0.0.1", 0);
	ck_assert_int_eq(channel_open(&ch, &sa, false), 0);
	ck_assert_int_eq(rx_batch_alloc(&b), 0);
	ck_assert_uint_eq(rx_batch_drops(b, &ch->drops), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_ge(fd, 0);

	for (unsigned r = 1; r <= 2; r++) {
		for (unsigned i = 0; i < 3000; i++)
			ck_assert_int_eq(sendto(fd, buf, sizeof(buf), 0,
						&ch->rtp_laddr.u.sa,
						ch->rtp_laddr.len), 1000);
		/* the next that gets through tells */
		while ((n = rx_batch_recv(b, ch->rtp))) {
			got += n;
			drops += rx_batch_drops(b, &ch->drops);
		}
		ck_assert_int_eq(sendto(fd, buf, sizeof(buf), 0,
					&ch->rtp_laddr.u.sa,
					ch->rtp_laddr.len), 1000);
		n = rx_batch_recv(b, ch->rtp);
		ck_assert_uint_eq(n, 1);
		got += n;
		drops += rx_batch_drops(b, &ch->drops);
		ck_assert_uint_gt(drops, 0);
		ck_assert_uint_eq(got + drops, r * 3001);
		ck_assert_uint_eq(rx_batch_drops(b, &ch->drops), 0);
	}

	(void)close(fd);
	mem_deref(b);
	mem_deref(ch);
}
END_TEST


START_TEST(test_live)
{
	struct mesh_worker_load wl;
	struct mesh_conf_cost cost;
	struct mesh_load load;
	struct call c;

	call_config(&c);
	call_start(&c);
	ck_assert_int_eq(mesh_load(c.mesh, &load), 0);
	ck_assert_uint_eq(load.load, 0);
	call_join(&c, MESH_PCMU, 20, 600);
	call_join(&c, MESH_OPUS, 20, 1000);
	run_ms(3200);

	ck_assert_int_eq(mesh_conf_cost(c.conf, &cost), 0);
	ck_assert_uint_ge(cost.packets, 180);
	ck_assert_uint_le(cost.packets, 220);
	ck_assert_uint_ge(cost.opus_decodes, 45);
	ck_assert_uint_ge(cost.opus_encodes, 45);
	ck_assert_uint_ge(cost.decodes, cost.opus_decodes + 45);
	ck_assert_uint_eq(cost.worker, 0);

	ck_assert_int_eq(mesh_worker_load(c.mesh, 0, &wl), 0);
	ck_assert_uint_gt(wl.busy, 0);
	ck_assert_int_eq(mesh_load(c.mesh, &load), 0);
	ck_assert_uint_gt(load.load, 0);
	ck_assert_uint_eq(load.mean, load.load);

	ck_assert_int_eq(mesh_worker_load(c.mesh, 1, &wl), ENOENT);
	ck_assert_int_eq(mesh_worker_load(NULL, 0, &wl), EINVAL);
	ck_assert_int_eq(mesh_load(c.mesh, NULL), EINVAL);
	ck_assert_int_eq(mesh_conf_cost(NULL, &cost), EINVAL);

	/* who sleeps is not loaded */
	call_leave(&c, 0);
	call_leave(&c, 1);
	c.conf = mem_deref(c.conf);
	run_ms(1500);
	ck_assert_int_eq(mesh_load(c.mesh, &load), 0);
	ck_assert_uint_eq(load.load, 0);

	call_stop(&c);
}
END_TEST


static double cpu_ms(void)
{
	struct rusage ru;

	(void)getrusage(RUSAGE_SELF, &ru);

	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 +
		(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000;
}


/* Main saw the worker asleep, and wakes it when it no longer is */
START_TEST(test_woken)
{
	const uint64_t one = 1;
	struct call c;
	double cpu;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 0);
	run_ms(200);
	ck_assert_int_eq(write(c.mesh->workerv[0]->wakefd, &one,
			       sizeof(one)), sizeof(one));
	cpu = cpu_ms();
	run_ms(600);
	cpu = cpu_ms() - cpu;
	ck_assert_msg(cpu < 200, "%.0f ms", cpu);

	call_stop(&c);
}
END_TEST


struct noise {               /* somebody who talks while main is busy     */
	int fd;
	struct sa dst;
	unsigned packets;
};


static void *noise_thread(void *arg)
{
	const struct noise *n = arg;
	uint8_t pkt[12 + 160] = {0x80, 0};

	for (unsigned i = 0; i < n->packets; i++) {
		pkt[3] = (uint8_t)i;
		pkt[6] = (uint8_t)(i * 160 >> 8);
		pkt[7] = (uint8_t)(i * 160);
		for (unsigned k = 0; k < 160; k++)
			pkt[12 + k] = k / 10 & 1 ? 0x90 : 0x10;
		(void)sendto(n->fd, pkt, sizeof(pkt), 0, &n->dst.u.sa,
			     n->dst.len);
		(void)usleep(20000);
	}

	return NULL;
}


/* Main is busy for so long that there is no room for events: it is told the
   latest later on, and of every key */
START_TEST(test_busy_main)
{
	struct mesh_media media;
	struct ring_event ev;
	struct event_ring *ring;
	struct noise n = {.packets = 50};
	unsigned put = 0;
	struct call c;
	pthread_t t;
	struct sa sa;

	call_config(&c);
	ck_assert_int_eq(mesh_alloc(&c.mesh, &c.cfg), 0);
	ck_assert_int_eq(mesh_conf_alloc(&c.conf, c.mesh, NULL), 0);
	n.fd = socket(AF_INET, SOCK_DGRAM, 0);
	(void)sa_set_str(&sa, "127.0.0.1", 0);
	ck_assert_int_eq(bind(n.fd, &sa.u.sa, sa.len), 0);
	ck_assert_int_eq(getsockname(n.fd, &sa.u.sa, &sa.len), 0);
	memset(&media, 0, sizeof(media));
	media.rxc = 1;
	media.ptime = 20;
	media.rtp = media.rtcp = sa;
	media.send = media.recv = true;
	c.n = 1;
	ck_assert_int_eq(call_part(&c.partv[0], c.conf, &media, false,
				   call_event, &c), 0);
	ck_assert_int_eq(mesh_part_laddr(c.partv[0], &n.dst, NULL), 0);

	/* nobody else writes there yet */
	ring = &c.mesh->workerv[0]->ring;
	memset(&ev, 0, sizeof(ev));
	ev.part = c.partv[0]->part;
	ev.event = MESH_SILENT;
	while (event_ring_put(ring, &ev, false))
		++put;
	ck_assert_uint_eq(put, EVENT_RING_SIZE - EVENT_RING_KEPT);

	ck_assert_int_eq(mesh_start(c.mesh), 0);
	ck_assert_int_eq(pthread_create(&t, NULL, noise_thread, &n), 0);
	sys_msleep(600);
	ck_assert_uint_eq(c.started[0] + c.latched[0] + c.silent[0], 0);
	run_ms(500);
	ck_assert_uint_eq(c.silent[0], put);
	ck_assert_uint_eq(c.started[0], 1);
	ck_assert_uint_eq(c.latched[0], 1);
	ck_assert_uint_eq(c.stopped[0], 0);
	(void)pthread_join(t, NULL);
	run_ms(1200);
	ck_assert_uint_eq(c.started[0], 1);
	ck_assert_uint_eq(c.stopped[0], 1);

	(void)close(n.fd);
	call_stop(&c);
}
END_TEST


int main(void)
{
	const TTest *const testv[] = {
		test_busy, test_late, test_effort, test_drops, test_cost,
		test_socket, test_live, test_woken, test_busy_main,
	};

	return call_main("meter", testv, ARRAY_SIZE(testv));
}
