/**
 * @file test_negotiate.c  What is agreed on with a peer, codec by codec
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "sip/sdp.h"
#include "mesh/mesh.h"
#include "connect/negotiate.h"


#define ALL "opus,G722,PCMU,PCMA"
#define HEAD "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\n" \
	"c=IN IP4 127.0.0.9\r\nt=0 0\r\n"


static int agree(struct mesh_media *media, struct media_desc *answer,
		 char codec[16], const char *sdp, const char *allowed)
{
	struct media_desc offer;

	memset(answer, 0, sizeof *answer);
	ck_assert_int_eq(sdp_desc_decode(&offer, (const uint8_t *)sdp,
				    strlen(sdp)), 0);

	return negotiate_media(media, answer, codec, 16, &offer, allowed);
}


/* An offer's media part, what is allowed, and which codec comes of it. */
static const struct {
	const char *media;
	const char *allowed;
	const char *codec;           /* NULL: nothing in common             */
	uint8_t pt;
	uint32_t rate;
} pickv[] = {
	{"m=audio 4000 RTP/AVP 0 8\r\n", ALL, "PCMU", 0, 8000},
	{"m=audio 4000 RTP/AVP 8 0\r\n", ALL, "PCMA", 8, 8000},
	{"m=audio 4000 RTP/AVP 0 8\r\n", "PCMA", "PCMA", 8, 8000},
	{"m=audio 4000 RTP/AVP 9 0\r\n", ALL, "G722", 9, 16000},
	{"m=audio 4000 RTP/AVP 111 0\r\na=rtpmap:111 opus/48000/2\r\n",
	 ALL, "opus", 111, 48000},
	{"m=audio 4000 RTP/AVP 111 0\r\na=rtpmap:111 OPUS/48000/2\r\n",
	 "pcmu", "PCMU", 0, 8000},
	{"m=audio 4000 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n"
	 "a=fmtp:111 maxplaybackrate=16000;usedtx=1\r\n",
	 ALL, "opus", 111, 16000},
	{"m=audio 4000 RTP/AVP 97 0\r\na=rtpmap:97 speex/8000\r\n",
	 ALL, "PCMU", 0, 8000},
	{"m=audio 4000 RTP/AVP 18\r\n", ALL, NULL, 0, 0},
	{"m=audio 4000 RTP/AVP 0\r\n", "opus", NULL, 0, 0},
	{"m=audio 0 RTP/AVP 0\r\n", ALL, NULL, 0, 0},
	{"m=audio 4000 RTP/AVP 111\r\na=rtpmap:111 opus/16000/1\r\n",
	 ALL, NULL, 0, 0},
};


START_TEST(picks)
{
	struct media_desc answer;
	struct mesh_media media;
	char codec[16], sdp[1024];
	int err;

	re_snprintf(sdp, sizeof sdp, HEAD "%s", pickv[_i].media);
	err = agree(&media, &answer, codec, sdp, pickv[_i].allowed);

	if (!pickv[_i].codec) {
		ck_assert_int_eq(err, ENOENT);
		return;
	}

	ck_assert_int_eq(err, 0);
	ck_assert_str_eq(codec, pickv[_i].codec);
	ck_assert_uint_eq(media.rxc, 1);
	ck_assert_uint_eq(media.tx.pt, pickv[_i].pt);
	ck_assert_uint_eq(media.tx.rate, pickv[_i].rate);
	ck_assert_uint_eq(answer.codecv[0].pt, pickv[_i].pt);
	ck_assert_str_eq(answer.codecv[0].name, pickv[_i].codec);
}
END_TEST


START_TEST(opus_parameters)
{
	struct media_desc answer;
	struct mesh_media media;
	char codec[16];

	ck_assert_int_eq(agree(&media, &answer, codec,
		HEAD "m=audio 4000 RTP/AVP 96\r\n"
		"a=rtpmap:96 opus/48000/2\r\n"
		"a=fmtp:96 useinbandfec=1; usedtx=1; cbr=1;"
		" maxaveragebitrate=16000\r\n", ALL), 0);

	ck_assert(media.tx.fec && media.tx.dtx && media.tx.cbr);
	ck_assert_uint_eq(media.tx.bitrate, 16000);

	ck_assert_int_eq(agree(&media, &answer, codec,
		HEAD "m=audio 4000 RTP/AVP 96\r\n"
		"a=rtpmap:96 opus/48000/2\r\n"
		"a=fmtp:96 maxaveragebitrate=9999999;cbr=2\r\n", ALL), 0);

	ck_assert(!media.tx.fec && !media.tx.dtx && !media.tx.cbr);
	ck_assert_uint_eq(media.tx.bitrate, 0);
}
END_TEST


/* Packet time that the peer writes, and what we send. */
static const struct {
	const char *attr;
	uint32_t ptime;
} ptimev[] = {
	{"", 20},
	{"a=ptime:10\r\n", 10},
	{"a=ptime:20\r\n", 20},
	{"a=ptime:30\r\n", 20},
	{"a=ptime:60\r\n", 60},
	{"a=ptime:120\r\n", 60},
	{"a=ptime:5\r\n", 10},
	{"a=ptime:60\r\na=maxptime:40\r\n", 40},
};


START_TEST(ptimes)
{
	struct media_desc answer;
	struct mesh_media media;
	char codec[16], sdp[1024];

	re_snprintf(sdp, sizeof sdp, HEAD "m=audio 4000 RTP/AVP 0\r\n%s",
		    ptimev[_i].attr);
	ck_assert_int_eq(agree(&media, &answer, codec, sdp, ALL), 0);
	ck_assert_uint_eq(media.ptime, ptimev[_i].ptime);
	ck_assert_uint_eq(answer.ptime, ptimev[_i].ptime);
}
END_TEST


/* Direction that the peer writes, and what it means for us. */
static const struct {
	const char *attr;
	bool send, recv;
} dirv[] = {
	{"a=sendrecv\r\n", true, true},
	{"a=sendonly\r\n", false, true},
	{"a=recvonly\r\n", true, false},
	{"a=inactive\r\n", false, false},
	{"c=IN IP4 0.0.0.0\r\n", false, true},
};


START_TEST(directions)
{
	struct media_desc answer;
	struct mesh_media media;
	char codec[16], sdp[1024];

	re_snprintf(sdp, sizeof sdp, HEAD "m=audio 4000 RTP/AVP 0\r\n%s",
		    dirv[_i].attr);
	ck_assert_int_eq(agree(&media, &answer, codec, sdp, ALL), 0);
	ck_assert_int_eq(media.send, dirv[_i].send);
	ck_assert_int_eq(media.recv, dirv[_i].recv);
}
END_TEST


START_TEST(events_and_levels)
{
	struct media_desc answer;
	struct mesh_media media;
	char codec[16];

	ck_assert_int_eq(agree(&media, &answer, codec,
		HEAD "m=audio 4000 RTP/AVP 0 101\r\n"
		"a=rtpmap:101 telephone-event/8000\r\n"
		"a=extmap:3 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
		"a=rtcp-mux\r\n", ALL), 0);

	ck_assert_uint_eq(media.telev_rx, 101);
	ck_assert_uint_eq(media.ext_level, 3);
	ck_assert_uint_eq(media.ext_mixer, 0);
	ck_assert(media.rtcp_mux && answer.rtcp_mux);
	ck_assert_uint_eq(answer.codecc, 2);
	ck_assert_str_eq(answer.codecv[1].name, "telephone-event");
}
END_TEST


START_TEST(our_offer)
{
	struct media_desc offer;
	struct mesh_media media;

	memset(&offer, 0, sizeof offer);
	ck_assert_int_eq(negotiate_offer(&media, &offer, "none"), ENOENT);

	memset(&offer, 0, sizeof offer);
	ck_assert_int_eq(negotiate_offer(&media, &offer, "PCMU,opus"), 0);
	ck_assert_uint_eq(media.rxc, 2);
	ck_assert_int_eq(media.rxv[1].codec, MESH_PCMU);
	ck_assert(!media.send && !media.recv);
	ck_assert_uint_eq(offer.codecc, 3);
	ck_assert_str_eq(offer.codecv[0].name, "opus");
	ck_assert_str_eq(offer.codecv[1].name, "PCMU");
	ck_assert_str_eq(offer.codecv[2].name, "telephone-event");
	ck_assert_int_eq(negotiate_offer(NULL, &offer, ALL), EINVAL);
}
END_TEST


/* Once more, from another server: nothing may change but the address. */
START_TEST(what_was_agreed)
{
	struct media_desc answer, again;
	struct mesh_media media, same;
	enum mesh_codec mc;
	char codec[16];

	ck_assert_int_eq(agree(&media, &answer, codec, HEAD
		"m=audio 4000 RTP/AVP 111 0 102\r\n"
		"a=rtpmap:111 opus/48000/2\r\na=rtcp-mux\r\n"
		"a=rtpmap:102 telephone-event/48000\r\n"
		"a=extmap:3 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
		"a=ptime:40\r\n", ALL), 0);

	memset(&again, 0, sizeof again);
	ck_assert_int_eq(negotiate_again(&again, &media, 48000, ALL), 0);
	ck_assert_uint_eq(again.codecc, 2);
	ck_assert_str_eq(again.codecv[0].name, "opus");
	ck_assert_uint_eq(again.codecv[0].pt, 111);
	ck_assert_uint_eq(again.codecv[0].ch, 2);
	ck_assert_uint_eq(again.codecv[1].pt, 102);
	ck_assert_uint_eq(again.codecv[1].srate, 48000);
	ck_assert_uint_eq(again.ptime, 40);
	ck_assert_uint_eq(again.ext_level, 3);
	ck_assert_uint_eq(again.ext_mixer, 0);
	ck_assert(again.rtcp_mux);

	/* who answers what we offer agrees on the same */
	again.rtp = media.rtp;
	again.dir = SDP_SENDRECV;
	ck_assert_int_eq(negotiate_media(&same, NULL, codec, sizeof codec,
					 &again, ALL), 0);
	ck_assert_int_eq(same.tx.codec, media.tx.codec);
	ck_assert_uint_eq(same.tx.pt, media.tx.pt);
	ck_assert_uint_eq(same.telev_rx, media.telev_rx);

	/* the other server does not allow it */
	ck_assert_int_eq(negotiate_again(&again, &media, 0, "PCMU"), ENOENT);
	ck_assert_int_eq(negotiate_again(NULL, &media, 0, ALL), EINVAL);
	media.tx.codec = MESH_L16;
	ck_assert_int_eq(negotiate_again(&again, &media, 0, ALL), ENOENT);

	ck_assert_int_eq(negotiate_codec(&mc, "g722"), 0);
	ck_assert_int_eq(mc, MESH_G722);
	ck_assert_int_eq(negotiate_codec(&mc, "L16"), ENOENT);
	ck_assert_str_eq(negotiate_name(MESH_G722), "G722");
	ck_assert_ptr_null(negotiate_name(MESH_L16));
}
END_TEST


int main(void)
{
	Suite *su = suite_create("negotiate");
	TCase *tc = tcase_create("negotiate");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, picks, 0, ARRAY_SIZE(pickv));
	tcase_add_test(tc, opus_parameters);
	tcase_add_loop_test(tc, ptimes, 0, ARRAY_SIZE(ptimev));
	tcase_add_loop_test(tc, directions, 0, ARRAY_SIZE(dirv));
	tcase_add_test(tc, events_and_levels);
	tcase_add_test(tc, our_offer);
	tcase_add_test(tc, what_was_agreed);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed != 0;
}
