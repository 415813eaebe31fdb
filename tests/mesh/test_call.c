/**
 * @file tests/mesh/test_call.c  Phones in a conference, over real sockets
 */
#include <re.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "mesh/mesh.h"
#include "phone.h"

enum { PHONES = 4, AMP = 8000 };

struct call {
	struct mesh *mesh;
	struct mesh_conf *conf;
	struct phone *phonev[PHONES];
	struct mesh_part *partv[PHONES];
	unsigned n;
	unsigned started[PHONES], stopped[PHONES], latched[PHONES];
	unsigned silent[PHONES];
	char keys[PHONES][16];
	struct mesh_config cfg;
};


static void setup(void)
{
	ck_assert_int_eq(libre_init(), 0);
}


static void teardown(void)
{
	libre_close();
}


static void event_handler(struct mesh_part *part, enum mesh_event ev,
			  int value, void *arg)
{
	struct call *c = arg;
	unsigned i;

	for (i = 0; i < c->n; i++)
		if (c->partv[i] == part)
			break;
	ck_assert_uint_lt(i, c->n);

	switch (ev) {

	case MESH_SPEAKING_STARTED: ++c->started[i]; break;
	case MESH_SPEAKING_STOPPED: ++c->stopped[i]; break;
	case MESH_LATCHED:          ++c->latched[i]; break;
	case MESH_SILENT:           ++c->silent[i];  break;
	case MESH_DTMF:
		if (strlen(c->keys[i]) < sizeof(c->keys[i]) - 1)
			c->keys[i][strlen(c->keys[i])] = (char)value;
		break;
	}
}


static void config(struct call *c)
{
	memset(c, 0, sizeof(*c));
	c->cfg.workers = 1;
	c->cfg.talkers_max = 3;
	c->cfg.private_max = 4;
	c->cfg.opus_complexity = 5;
	c->cfg.opus_bitrate = 24000;
	c->cfg.pass_through = true;
	(void)sa_set_str(&c->cfg.laddr, "127.0.0.1", 0);
}


static void start(struct call *c)
{
	ck_assert_int_eq(mesh_alloc(&c->mesh, &c->cfg), 0);
	ck_assert_int_eq(mesh_start(c->mesh), 0);
	ck_assert_int_eq(mesh_conf_alloc(&c->conf, c->mesh, NULL), 0);
}


static unsigned join(struct call *c, enum mesh_codec codec, unsigned ptime,
		     double freq)
{
	struct mesh_media media;
	const unsigned i = c->n++;
	struct sa sa;

	ck_assert_int_eq(phone_alloc(&c->phonev[i], codec, ptime), 0);
	phone_media(c->phonev[i], &media);
	ck_assert_int_eq(mesh_part_alloc(&c->partv[i], c->conf, &media, false,
					 "phone@test", event_handler, c), 0);
	ck_assert_int_eq(mesh_part_laddr(c->partv[i], &sa, NULL), 0);
	phone_peer(c->phonev[i], &sa);
	phone_talk(c->phonev[i], freq, freq > 0 ? AMP : 0);
	phone_start(c->phonev[i]);

	return i;
}


static void leave(struct call *c, unsigned i)
{
	c->partv[i] = mem_deref(c->partv[i]);
	phone_stop(c->phonev[i]);
}


static void stop(struct call *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		c->partv[i] = mem_deref(c->partv[i]);
		c->phonev[i] = mem_deref(c->phonev[i]);
	}
	c->conf = mem_deref(c->conf);
	c->mesh = mem_deref(c->mesh);
}


static void hears(struct call *c, unsigned i, double freq, bool on)
{
	const double a = phone_level(c->phonev[i], freq, 400);

	if (on)
		ck_assert_msg(a > AMP / 2.0 && a < AMP * 1.5,
			      "phone %u: %.0f Hz at %.0f", i, freq, a);
	else
		ck_assert_msg(a < AMP / 50.0,
			      "phone %u: %.0f Hz at %.0f", i, freq, a);
}


/*
 *  A 600 Hz ---\        /--> hears B
 *               >- mesh-<
 *  B 1000 Hz --/        \--> hears A
 */
START_TEST(test_two)
{
	struct call c;

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 600);
	join(&c, MESH_PCMU, 20, 1000);
	run_ms(1500);

	hears(&c, 0, 1000, true);
	hears(&c, 0, 600, false);
	hears(&c, 1, 600, true);
	hears(&c, 1, 1000, false);

	for (unsigned i = 0; i < 2; i++) {
		const struct phone_stats *st = phone_stats(c.phonev[i]);

		ck_assert_uint_ge(st->packets, 68);
		ck_assert_uint_eq(st->gaps, 0);
		ck_assert_uint_eq(st->ts_bad, 0);
		ck_assert_uint_eq(st->ssrcs, 0);
		ck_assert_uint_eq(st->csrcc, 1);
		ck_assert_uint_eq(st->csrcv[0], mesh_part_ssrc(c.partv[!i]));
		ck_assert_uint_eq(st->ssrc, mesh_part_ssrc(c.partv[i]));
		ck_assert_uint_eq(c.started[i], 1);
		ck_assert_uint_eq(c.latched[i], 1);
	}

	stop(&c);
}
END_TEST


/* Everybody hears the others and not himself, whatever they speak */
START_TEST(test_codecs)
{
	static const double freqv[] = {500, 900, 1400, 2100};
	struct call c;

	config(&c);
	c.cfg.talkers_max = 4;
	start(&c);
	join(&c, MESH_PCMU, 20, freqv[0]);
	join(&c, MESH_PCMA, 20, freqv[1]);
	join(&c, MESH_G722, 20, freqv[2]);
	join(&c, MESH_OPUS, 20, freqv[3]);
	run_ms(2500);

	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 4; k++)
			hears(&c, i, freqv[k], i != k);

	stop(&c);
}
END_TEST


/* Who leaves is heard no longer, and is told so */
START_TEST(test_leave)
{
	struct call c;

	config(&c);
	start(&c);
	join(&c, MESH_PCMU, 20, 600);
	join(&c, MESH_PCMU, 20, 1000);
	join(&c, MESH_PCMU, 20, 0);
	run_ms(1000);
	hears(&c, 2, 600, true);
	hears(&c, 2, 1000, true);

	leave(&c, 1);
	run_ms(700);
	hears(&c, 2, 600, true);
	hears(&c, 2, 1000, false);
	ck_assert_uint_eq(phone_stats(c.phonev[1])->bye, 1);

	stop(&c);
}
END_TEST


static Suite *suite(void)
{
	Suite *s = suite_create("mesh call");
	TCase *t = tcase_create("call");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_two);
	tcase_add_test(t, test_codecs);
	tcase_add_test(t, test_leave);
	suite_add_tcase(s, t);

	return s;
}


int main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
