/**
 * @file test_stream.c  The streams of a leg, written down and read again
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "noc/json.h"
#include "mesh/mesh.h"
#include "connect/stream.h"


static const struct mesh_stream full = {
	.age = 1, .ssrc = 0xdeadbeef, .ts = 0xffffffff, .step = 960,
	.ptime = 20, .seq = 65535, .pt = 111, .on = true, .psent = 2,
	.osent = 3, .tx_packets = 4, .tx_bytes = 1ULL << 50, .tx_lost = 5,
	.rtt = 6, .rx_packets = 7, .rx_bytes = 8, .rx_ssrc = 9,
	.rx_ext_seq = 10, .rx_expected = 11, .rx_lost = 12, .rx_late = 13,
	.rx_dup = 14, .rx_jitter = 15, .concealed = 16, .loud = 97,
	.expected_prior = 17, .lost_prior = 18, .lsr = 19, .lsr_age = 20,
};


/* as it is on the bus */
static struct odict *through_text(struct odict *od)
{
	struct odict *back = NULL;
	char *text = NULL;

	ck_assert_int_eq(0, re_sdprintf(&text, "%H", json_print, od));
	ck_assert_int_eq(0, json_object_decode(&back, text, strlen(text)));
	mem_deref(text);
	mem_deref(od);

	return back;
}


START_TEST(test_full)
{
	struct mesh_stream st;
	struct odict *od;

	memset(&st, 0xff, sizeof(st));
	ck_assert_int_eq(0, stream_encode(&od, &full));
	od = through_text(od);
	ck_assert_uint_eq(29, odict_count(od, false));
	ck_assert_int_eq(0, stream_decode(&st, od));
	mem_deref(od);

#define SAME(member) ck_assert_uint_eq(full.member, st.member)
	SAME(age); SAME(ssrc); SAME(ts); SAME(step); SAME(ptime); SAME(seq);
	SAME(pt); SAME(on); SAME(psent); SAME(osent); SAME(tx_packets);
	SAME(tx_bytes); SAME(tx_lost); SAME(rtt); SAME(rx_packets);
	SAME(rx_bytes); SAME(rx_ssrc); SAME(rx_ext_seq); SAME(rx_expected);
	SAME(rx_lost); SAME(rx_late); SAME(rx_dup); SAME(rx_jitter);
	SAME(concealed); SAME(loud); SAME(expected_prior); SAME(lost_prior);
	SAME(lsr); SAME(lsr_age);
#undef SAME
}
END_TEST


START_TEST(test_small)
{
	const struct mesh_stream one = { .ssrc = 1 };
	struct mesh_stream st;
	struct odict *od;

	memset(&st, 0xff, sizeof(st));
	ck_assert_int_eq(0, stream_encode(&od, &one));
	od = through_text(od);
	ck_assert_uint_eq(1, odict_count(od, false));
	ck_assert_int_eq(0, stream_decode(&st, od));
	ck_assert_uint_eq(1, st.ssrc);
	ck_assert_uint_eq(0, st.lsr_age + st.age + st.ts + st.seq);
	mem_deref(od);
}
END_TEST


START_TEST(test_rejects)
{
	static const char *const badv[] = {
		"{}",
		"{\"ssrc\":0}",
		"{\"ssrc\":\"1\"}",
		"{\"ssrc\":4294967296}",
		"{\"ssrc\":1,\"seq\":65536}",
		"{\"ssrc\":1,\"age\":-1}",
		"{\"ssrc\":1,\"pt\":128}",
		"{\"ssrc\":1,\"step\":48001}",
		"{\"ssrc\":1,\"ptime\":61}",
		"{\"ssrc\":1,\"loud\":128}",
		"{\"ssrc\":1,\"on\":1}",
		"{\"ssrc\":1,\"tx_bytes\":-1}",
	};
	struct mesh_stream st;

	for (size_t i = 0; i < ARRAY_SIZE(badv); i++) {
		struct odict *od;

		ck_assert_int_eq(0, json_object_decode(&od, badv[i],
						       strlen(badv[i])));
		ck_assert_msg(stream_decode(&st, od) == EBADMSG, "%s",
			      badv[i]);
		mem_deref(od);
	}

	ck_assert_int_eq(EINVAL, stream_decode(&st, NULL));
	ck_assert_int_eq(EINVAL, stream_encode(NULL, &full));
}
END_TEST


int main(void)
{
	Suite *s = suite_create("stream");
	TCase *tc = tcase_create("stream");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_small);
	tcase_add_test(tc, test_rejects);
	suite_add_tcase(s, tc);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
