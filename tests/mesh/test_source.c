/**
 * @file tests/mesh/test_source.c  Where packets come from, and what comes
 */
#include <re.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "mesh/mesh.h"
#include "phone.h"
#include "call.h"


/* A caller behind NAT: its address is not the one it told */
START_TEST(test_private)
{
	struct mesh_media media;
	struct mesh_stats st;
	struct sa sa, shared;
	struct call c;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 600);
	ck_assert_int_eq(phone_alloc(&c.phonev[1], MESH_PCMU, 20,
				     "127.0.0.1"), 0);
	phone_media(c.phonev[1], &media);
	(void)sa_set_str(&media.rtp, "192.0.2.1", 4000);
	media.rtcp = media.rtp;
	c.n = 2;
	ck_assert_int_eq(call_part(&c.partv[1], c.conf, &media, true,
				   call_event, &c), 0);
	ck_assert_int_eq(mesh_part_laddr(c.partv[1], &sa, NULL), 0);
	ck_assert_int_eq(mesh_laddr(c.mesh, 0, &shared), 0);
	ck_assert(!sa_cmp(&sa, &shared, SA_ALL));
	phone_peer(c.phonev[1], &sa);
	phone_talk(c.phonev[1], 1000, AMP);
	phone_start(c.phonev[1]);
	run_ms(1000);

	call_hears(&c, 0, 1000, true);
	call_hears(&c, 1, 600, true);
	ck_assert_uint_eq(c.latched[1], 1);

	/* somebody else cannot take its place while it talks */
	ck_assert_int_eq(phone_alloc(&c.phonev[2], MESH_PCMU, 20,
				     "127.0.0.1"), 0);
	c.n = 3;
	phone_peer(c.phonev[2], &sa);
	phone_talk(c.phonev[2], 2000, AMP);
	phone_start(c.phonev[2]);
	run_ms(700);
	call_hears(&c, 0, 2000, false);
	call_hears(&c, 0, 1000, true);
	ck_assert_uint_eq(c.latched[1], 1);
	ck_assert_uint_eq(phone_stats(c.phonev[2])->packets, 0);
	phone_stop(c.phonev[2]);

	/* but it may come back from another port after a while */
	phone_stop(c.phonev[1]);
	run_ms(1300);
	ck_assert_int_eq(phone_move(c.phonev[1]), 0);
	phone_start(c.phonev[1]);
	run_ms(1000);
	ck_assert_uint_eq(c.latched[1], 2);
	call_hears(&c, 0, 1000, true);
	call_hears(&c, 1, 600, true);
	ck_assert_int_eq(mesh_part_stats(c.partv[1], &st), 0);
	ck_assert(!sa_cmp(&st.peer, &media.rtp, SA_ALL));

	call_stop(&c);
}
END_TEST


/* Private ports are numbered, limited, and come back */
START_TEST(test_private_max)
{
	struct mesh_part *partv[3];
	struct mesh_media media;
	struct phone *ph;
	struct call c;

	call_config(&c);
	c.cfg.private_max = 2;
	call_start(&c);
	ck_assert_int_eq(phone_alloc(&ph, MESH_PCMU, 20,
				     "127.0.0.1"), 0);
	phone_media(ph, &media);

	for (unsigned r = 0; r < 3; r++) {
		for (unsigned i = 0; i < 3; i++)
			ck_assert_int_eq(call_part(&partv[i], c.conf, &media,
						   true, NULL, NULL),
					 i < 2 ? 0 : ENOSPC);
		mem_deref(partv[0]);
		mem_deref(partv[1]);
	}

	/* the same address twice: the second gets a port of its own */
	ck_assert_int_eq(call_part(&partv[0], c.conf, &media, false,
				   NULL, NULL), 0);
	ck_assert_int_eq(call_part(&partv[1], c.conf, &media, false,
				   NULL, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct sa sa, shared;

		(void)mesh_laddr(c.mesh, 0, &shared);
		(void)mesh_part_laddr(partv[i], &sa, NULL);
		ck_assert(sa_cmp(&sa, &shared, SA_ALL) == (i == 0));
	}
	mem_deref(partv[1]);
	mem_deref(partv[0]);

	mem_deref(ph);
	call_stop(&c);
}
END_TEST


/* A phone that sends from another port than it has told */
START_TEST(test_other_port)
{
	struct call c;

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 600);
	call_join(&c, MESH_PCMU, 20, 0);
	phone_stop(c.phonev[1]);
	run_ms(500);
	ck_assert_uint_eq(c.latched[1], 0);
	ck_assert_int_eq(phone_move(c.phonev[1]), 0);
	phone_talk(c.phonev[1], 1000, AMP);
	phone_start(c.phonev[1]);
	run_ms(800);
	call_hears(&c, 0, 1000, true);
	ck_assert_uint_eq(c.latched[1], 1);

	/* nobody is missing now: a stranger is not heard */
	ck_assert_int_eq(phone_alloc(&c.phonev[2], MESH_PCMU, 20,
				     "127.0.0.1"), 0);
	c.n = 3;
	{
		struct sa sa;

		(void)mesh_laddr(c.mesh, 0, &sa);
		phone_peer(c.phonev[2], &sa);
	}
	phone_talk(c.phonev[2], 2000, AMP);
	phone_start(c.phonev[2]);
	run_ms(700);
	call_hears(&c, 0, 2000, false);
	call_hears(&c, 0, 1000, true);

	call_stop(&c);
}
END_TEST


/* Junk between good packets disturbs nobody and is counted */
START_TEST(test_junk)
{
	struct mesh_worker_stats st;
	struct call c;
	uint8_t buf[1600];

	call_config(&c);
	call_start(&c);
	call_join(&c, MESH_PCMU, 20, 600);
	call_join(&c, MESH_PCMU, 20, 1000);

	for (unsigned i = 0; i < 1200; i++) {
		const size_t len = rand_u16() % (i % 50 ? 60 : sizeof(buf));

		rand_bytes(buf, sizeof(buf));
		switch (i % 4) {

		case 0: /* anything */
			break;
		case 1: /* RTP, with everything in its header */
			buf[0] = (uint8_t)(0x80 | (buf[0] & 0x3f));
			break;
		case 2: /* RTCP */
			buf[0] = 0x81;
			buf[1] = (uint8_t)(200 + buf[1] % 5);
			buf[2] = 0;
			buf[3] &= 0x0f;
			break;
		case 3: /* unknown payload type */
			buf[0] = 0x80;
			buf[1] = 77;
			break;
		}
		(void)phone_send(c.phonev[1], buf, len);
		if (i % 40 == 0)
			run_ms(20);
	}
	run_ms(900);

	call_hears(&c, 0, 1000, true);
	call_hears(&c, 1, 600, true);
	ck_assert_uint_eq(phone_stats(c.phonev[0])->gaps, 0);
	ck_assert_int_eq(mesh_worker_stats(c.mesh, 0, &st), 0);
	ck_assert_uint_gt(st.rx_malformed, 100);
	ck_assert_uint_eq(st.tx_errors, 0);

	call_stop(&c);
}
END_TEST


int main(void)
{
	const TTest *const testv[] = {
		test_private, test_private_max, test_other_port, test_junk,
	};

	return call_main("mesh source", testv, ARRAY_SIZE(testv));
}
