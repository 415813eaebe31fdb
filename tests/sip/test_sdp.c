/**
 * @file test_sdp.c  Session descriptions: text in, text out, and rejects
 */
#include <string.h>
#include <stdlib.h>
#include <re.h>
#include <check.h>
#include "sip/sdp.h"

#define HEAD "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\n"
#define CONN "c=IN IP4 10.0.0.1\r\nt=0 0\r\n"
#define OURS "v=0\r\no=- 77 1 IN IP4 127.0.0.1\r\ns=-\r\n" \
	     "c=IN IP4 127.0.0.1\r\nt=0 0\r\n"
#define AUDIO0 "a=rtpmap:0 PCMU/8000\r\n"
#define LEVEL "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
#define MIXER "urn:ietf:params:rtp-hdrext:csrc-audio-level"

/* An offer, and the answer to it from 127.0.0.1:4000. */
static const struct {
	const char *name;
	const char *offer;
	const char *answer;
} answerv[] = {

{"plain",
	HEAD CONN "m=audio 5004 RTP/AVP 0\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},

{"lf only, no line end at the end",
	"v=0\no=- 1 2 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.1\nt=0 0\n"
	"m=audio 5004 RTP/AVP 0\na=sendonly",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=recvonly\r\n"},

{"cr at the very end",
	HEAD CONN "m=audio 5004 RTP/AVP 0\r",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},

{"mixed case",
	HEAD "c=in ip4 10.0.0.1\r\nM=AUDIO 5004 rtp/avp 96\r\n"
	"A=RTPMAP:96 Opus/48000/2\r\nA=RecvOnly\r\n",
	OURS "m=audio 4000 RTP/AVP 96\r\n"
	"a=rtpmap:96 Opus/48000/2\r\na=sendonly\r\n"},

{"static types without rtpmap",
	HEAD CONN "m=audio 5004 RTP/AVP 0 8 9 18 3\r\n",
	OURS "m=audio 4000 RTP/AVP 0 8 9 18 3\r\n" AUDIO0
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n"
	"a=rtpmap:18 G729/8000\r\na=rtpmap:3 GSM/8000\r\n"
	"a=sendrecv\r\n"},

{"dynamic types keep their numbers, fmtp is repeated",
	HEAD CONN "m=audio 5004 RTP/AVP 120 101\r\n"
	"a=rtpmap:120 opus/48000/2\r\n"
	"a=fmtp:120 minptime=10;useinbandfec=1\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
	"a=ptime:20\r\na=maxptime:60\r\n",
	OURS "m=audio 4000 RTP/AVP 120 101\r\n"
	"a=rtpmap:120 opus/48000/2\r\n"
	"a=fmtp:120 minptime=10;useinbandfec=1\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
	"a=ptime:20\r\na=sendrecv\r\n"},

{"dynamic type without rtpmap is dropped, repeats too",
	HEAD CONN "m=audio 5004 RTP/AVP 97 0 0\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},

{"a codec name too long for us is dropped",
	HEAD CONN "m=audio 5004 RTP/AVP 97 0\r\n"
	"a=rtpmap:97 a-codec-of-16-ch/8000\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},

{"other media are refused in their places",
	HEAD CONN "m=video 6000 RTP/AVP 96 97\r\na=rtpmap:96 VP8/90000\r\n"
	"a=sendonly\r\n"
	"m=audio 5004 RTP/AVP 0\r\n"
	"m=text 7000 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n"
	"m=x-thing 9 TCP/FOO *\r\n"
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
	OURS "m=video 0 RTP/AVP 96 97\r\n"
	"m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"
	"m=text 0 RTP/AVP 98\r\n"
	"m=x-thing 0 TCP/FOO *\r\n"
	"m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"},

{"secured audio is refused, the plain one beside it taken",
	HEAD CONN "m=audio 5002 RTP/SAVP 8\r\na=recvonly\r\n"
	"m=audio 5004 RTP/AVP 0\r\n",
	OURS "m=audio 0 RTP/SAVP 8\r\n"
	"m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},

{"the first of two audios, attributes of the second not mixed in",
	HEAD CONN "m=audio 5002 RTP/AVP 8\r\n"
	"m=audio 5004 RTP/AVP 0\r\na=inactive\r\na=rtcp-mux\r\n",
	OURS "m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
	"a=sendrecv\r\n" "m=audio 0 RTP/AVP 0\r\n"},

{"an audio with nothing that we may speak gives way",
	HEAD CONN "m=audio 5002 RTP/AVP 97 18\r\na=rtpmap:97 iLBC/8000\r\n"
	"a=sendonly\r\na=ptime:30\r\na=rtcp-mux\r\n"
	"m=audio 5004 RTP/AVP 0\r\n",
	OURS "m=audio 0 RTP/AVP 97 18\r\n"
	"m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},

{"an audio with port 0 gives way",
	HEAD CONN "m=audio 0 RTP/AVP 8\r\na=inactive\r\na=rtcp:9\r\n"
	"m=audio 5004 RTP/AVP 0\r\n",
	OURS "m=audio 0 RTP/AVP 8\r\n"
	"m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},

{"refused audio, no address needed",
	HEAD "m=audio 0 RTP/AVP 0 8\r\n",
	OURS "m=audio 0 RTP/AVP 0 8\r\n"},

{"no codec known by name",
	HEAD CONN "m=audio 5004 RTP/AVP 97\r\n",
	OURS "m=audio 0 RTP/AVP 97\r\n"},

{"no media at all", HEAD CONN, OURS},

{"held by address",
	HEAD "c=IN IP4 0.0.0.0\r\nm=audio 5004 RTP/AVP 0\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=recvonly\r\n"},

{"held by the session, unheld by the medium",
	HEAD CONN "a=inactive\r\nm=audio 5004 RTP/AVP 0\r\na=sendrecv\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},

{"held by the session",
	HEAD CONN "a=inactive\r\nm=audio 5004 RTP/AVP 0\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=inactive\r\n"},

{"rtcp-mux and header extensions",
	HEAD CONN "m=audio 5004 RTP/AVP 0\r\na=rtcp-mux\r\n"
	"a=extmap:3 " LEVEL " vad=on\r\na=extmap:4/sendrecv " MIXER "\r\n"
	"a=extmap:5 urn:ietf:params:rtp-hdrext:sdes:mid\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=rtcp-mux\r\n"
	"a=extmap:3 " LEVEL "\r\na=extmap:4 " MIXER "\r\na=sendrecv\r\n"},

{"header extensions that cannot be: directed, id out of range",
	HEAD CONN "m=audio 5004 RTP/AVP 0\r\n"
	"a=extmap:3/sendonly " LEVEL "\r\na=extmap:15 " MIXER "\r\n"
	"a=extmap:0 " LEVEL "\r\na=extmap:4096 " MIXER "\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},

{"header extensions of the session",
	HEAD CONN "a=extmap:1 " LEVEL "\r\nm=audio 5004 RTP/AVP 0\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0
	"a=extmap:1 " LEVEL "\r\na=sendrecv\r\n"},

{"spaces and empty lines are forgiven",
	HEAD CONN "\r\nm=audio  5004\tRTP/AVP  0 \r\n\r\n\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},

{"unknown attributes and lines",
	HEAD "i=about\r\nb=AS:64\r\n" CONN "k=clear:x\r\na=tool:x y z\r\n"
	"m=audio 5004/2 RTP/AVP 0\r\na=candidate:1 1 UDP 1 10.0.0.1 5 typ "
	"host\r\na=rtpmap:99 absent/8000\r\na=fmtp:99 x=y\r\na=ssrc:1 x:y\r\n",
	OURS "m=audio 4000 RTP/AVP 0\r\n" AUDIO0 "a=sendrecv\r\n"},
};


static const struct {
	const char *name;
	const char *text;
} rejectv[] = {
	{"empty",                   ""},
	{"line end only",           "\r\n"},
	{"no version",              "o=- 1 2 IN IP4 10.0.0.1\r\n"},
	{"other version",           "v=1\r\no=- 1 2 IN IP4 10.0.0.1\r\n"},
	{"version alone",           "v=0\r\n"},
	{"text",                    "Hello, world\r\n"},
	{"text after version",      "v=0\r\nHello, world\r\n"},
	{"media before origin",     "v=0\r\nm=audio 1 RTP/AVP 0\r\n"},
	{"second origin",           HEAD "o=- 1 2 IN IP4 10.0.0.1\r\n"},
	{"origin id",               "v=0\r\no=- x 2 IN IP4 10.0.0.1\r\n"},
	{"origin id too large",     "v=0\r\no=- 18446744073709551616 2 IN IP4 "
				    "10.0.0.1\r\n"},
	{"origin short",            "v=0\r\no=- 1 2 IN IP4\r\n"},
	{"no address",              HEAD "m=audio 5004 RTP/AVP 0\r\n"},
	{"host name",               HEAD "c=IN IP4 phone.example\r\n"},
	{"bad address",             HEAD "c=IN IP4 999.0.0.1\r\n"},
	{"address family",          HEAD "c=IN IP4 2001:db8::1\r\n"},
	{"address type",            HEAD "c=IN IP5 10.0.0.1\r\n"},
	{"network type",            HEAD "c=ATM IP4 10.0.0.1\r\n"},
	{"multicast",               HEAD "c=IN IP4 224.2.1.1/127\r\n"},
	{"multicast v6",            HEAD "c=IN IP6 ff15::101\r\n"},
	{"address missing",         HEAD "c=IN IP4\r\n"},
	{"media short",             HEAD CONN "m=audio 5004\r\n"},
	{"media no format",         HEAD CONN "m=audio 5004 RTP/AVP\r\n"},
	{"port too large",          HEAD CONN "m=audio 65536 RTP/AVP 0\r\n"},
	{"port negative",           HEAD CONN "m=audio -1 RTP/AVP 0\r\n"},
	{"port a word",             HEAD CONN "m=audio x RTP/AVP 0\r\n"},
	{"port count",              HEAD CONN "m=audio 5004/ RTP/AVP 0\r\n"},
	{"format too large",        HEAD CONN "m=audio 5004 RTP/AVP 128\r\n"},
	{"format a word",           HEAD CONN "m=audio 5004 RTP/AVP x\r\n"},
	{"media name",              HEAD CONN "m=a@b 5004 RTP/AVP 0\r\n"},
	{"media line too long",     HEAD CONN "m=aaaaaaaaaaaaaaaaaaaaaaaaa"
				    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				    "aaaaa 1 X 0\r\n"},
	{"nine media",              HEAD CONN
				    "m=a 1 X 0\r\nm=a 1 X 0\r\nm=a 1 X 0\r\n"
				    "m=a 1 X 0\r\nm=a 1 X 0\r\nm=a 1 X 0\r\n"
				    "m=a 1 X 0\r\nm=a 1 X 0\r\nm=a 1 X 0\r\n"},
	{"rtpmap no rate",          HEAD CONN "m=audio 5004 RTP/AVP 96\r\n"
				    "a=rtpmap:96 opus\r\n"},
	{"rtpmap rate 0",           HEAD CONN "m=audio 5004 RTP/AVP 96\r\n"
				    "a=rtpmap:96 opus/0\r\n"},
	{"rtpmap rate too large",   HEAD CONN "m=audio 5004 RTP/AVP 96\r\n"
				    "a=rtpmap:96 opus/4294967296\r\n"},
	{"rtpmap channels",         HEAD CONN "m=audio 5004 RTP/AVP 96\r\n"
				    "a=rtpmap:96 opus/48000/0\r\n"},
	{"rtpmap type",             HEAD CONN "m=audio 5004 RTP/AVP 96\r\n"
				    "a=rtpmap:x opus/48000\r\n"},
	{"rtpmap empty",            HEAD CONN "m=audio 5004 RTP/AVP 96\r\n"
				    "a=rtpmap\r\n"},
	{"rtpmap name",             HEAD CONN "m=audio 5004 RTP/AVP 96\r\n"
				    "a=rtpmap:96 o\"s/48000\r\n"},
	{"fmtp type",               HEAD CONN "m=audio 5004 RTP/AVP 96\r\n"
				    "a=fmtp:128 x\r\n"},
	{"rtcp port",               HEAD CONN "m=audio 5004 RTP/AVP 0\r\n"
				    "a=rtcp:65536\r\n"},
	{"rtcp address",            HEAD CONN "m=audio 5004 RTP/AVP 0\r\n"
				    "a=rtcp:5 IN IP4 x\r\n"},
	{"ptime",                   HEAD CONN "m=audio 5004 RTP/AVP 0\r\n"
				    "a=ptime:x\r\n"},
	{"extmap",                  HEAD CONN "a=extmap:1\r\n"},
	{"attribute without name",  HEAD CONN "a=\r\n"},
	{"control character",       HEAD CONN "a=x:\001\r\n"},
	{"cr within a line",        HEAD CONN "a=x:\ra=y\r\n"},
};


static int decode(struct media_desc *md, const char *text)
{
	/* on the heap at its exact size, for the address sanitizer */
	const size_t len = strlen(text);
	uint8_t *buf = malloc(len ? len : 1);
	int err;

	ck_assert_ptr_nonnull(buf);
	memcpy(buf, text, len);
	err = sdp_desc_decode(md, buf, len);
	free(buf);

	return err;
}


START_TEST(answers)
{
	struct media_desc offer, answer;
	struct mbuf *mb = mbuf_alloc(256);
	struct sa laddr;

	ck_assert_int_eq(0, sa_set_str(&laddr, "127.0.0.1", 4000));
	ck_assert_int_eq(0, decode(&offer, answerv[_i].offer));
	ck_assert_int_eq(0, sdp_answer_init(&answer, &offer, &laddr, 77));
	ck_assert_int_eq(0, sdp_desc_encode(mb, &answer));
	mbuf_write_u8(mb, 0);

	if (strcmp((char *)mb->buf, answerv[_i].answer))
		ck_abort_msg("%s: got\n%s\nnot\n%s", answerv[_i].name,
			     (char *)mb->buf, answerv[_i].answer);

	/* what we write, we read, and read it the same */
	ck_assert_int_eq(0, decode(&offer, (char *)mb->buf));
	offer.rtp = laddr;
	sa_set_port(&offer.rtp, sa_port(&answer.rtp));
	mbuf_rewind(mb);
	offer.sess_id = 77;
	ck_assert_int_eq(0, sdp_desc_encode(mb, &offer));
	ck_assert_int_eq(0, memcmp(mb->buf, answerv[_i].answer, mb->end - 1));

	mem_deref(mb);
}
END_TEST


START_TEST(rejects)
{
	struct media_desc md;
	const int err = decode(&md, rejectv[_i].text);

	ck_assert_msg(err == EBADMSG, "%s: %d", rejectv[_i].name, err);
}
END_TEST


/* Every prefix of every good offer ends in a verdict. */
START_TEST(prefixes)
{
	struct media_desc md;
	char *text = strdup(answerv[_i].offer);
	size_t n = strlen(text);

	ck_assert_ptr_nonnull(text);

	while (n--) {
		const int err = (text[n] = '\0', decode(&md, text));

		ck_assert(err == 0 || err == EBADMSG);
	}

	free(text);
}
END_TEST


START_TEST(addresses)
{
	struct media_desc md;
	struct sa sa;

	ck_assert_int_eq(0, decode(&md, HEAD CONN
		"m=audio 5004 RTP/AVP 0\r\nc=IN IP4 10.0.0.9\r\n"
		"a=rtcp:6001\r\n"
		"m=video 6000 RTP/AVP 96\r\nc=IN IP4 10.0.0.7\r\n"));
	ck_assert_int_eq(0, sa_set_str(&sa, "10.0.0.9", 5004));
	ck_assert(sa_cmp(&sa, &md.rtp, SA_ALL));
	sa_set_port(&sa, 6001);
	ck_assert(sa_cmp(&sa, &md.rtcp, SA_ALL));
	ck_assert_uint_eq(2, md.mediac);
	ck_assert_uint_eq(1 | 2, md.media);
	ck_assert_uint_eq(1, md.sess_id);
	ck_assert_uint_eq(2, md.sess_ver);
	ck_assert(!md.hold_addr);
	ck_assert(!md.rtcp_mux);

	ck_assert_int_eq(0, decode(&md, HEAD CONN
		"m=audio 5004 RTP/AVP 0\r\na=rtcp:53020 IN IP6 2001:db8::4\r\n"
		"c=IN IP6 2001:db8::1\r\n"));
	ck_assert_int_eq(0, sa_set_str(&sa, "2001:db8::1", 5004));
	ck_assert(sa_cmp(&sa, &md.rtp, SA_ALL));
	ck_assert_int_eq(0, sa_set_str(&sa, "2001:db8::4", 53020));
	ck_assert(sa_cmp(&sa, &md.rtcp, SA_ALL));

	ck_assert_int_eq(0, decode(&md, HEAD CONN "m=audio 5004 RTP/AVP 0"));
	ck_assert_int_eq(AF_UNSPEC, sa_af(&md.rtcp));

	ck_assert_int_eq(0, decode(&md, HEAD "c=IN IP6 ::\r\n"
				   "m=audio 5004 RTP/AVP 0\r\n"));
	ck_assert(md.hold_addr);
	ck_assert_int_eq(SDP_SENDONLY, md.dir);

	/* refused media are not media asked for */
	ck_assert_int_eq(0, decode(&md, HEAD CONN
		"m=audio 0 RTP/AVP 0\r\nm=text 5 RTP/AVP 98\r\n"));
	ck_assert_uint_eq(4, md.media);
	ck_assert(md.has_audio);
	ck_assert_uint_eq(0, sa_port(&md.rtp));
}
END_TEST


START_TEST(encode_addresses)
{
	struct media_desc md;
	struct mbuf *mb = mbuf_alloc(256);

	memset(&md, 0, sizeof(md));
	md.has_audio = true;
	md.dir = SDP_SENDRECV;
	md.codecc = 1;
	md.codecv[0] = (struct sdp_codec){"PCMA", 8, 8000, 1, ""};
	ck_assert_int_eq(0, sa_set_str(&md.rtp, "2001:db8::1", 4000));
	ck_assert_int_eq(0, sa_set_str(&md.rtcp, "2001:db8::1", 5000));
	ck_assert_int_eq(0, sdp_desc_encode(mb, &md));
	mbuf_write_u8(mb, 0);
	ck_assert_str_eq((char *)mb->buf,
		"v=0\r\no=- 0 0 IN IP6 2001:db8::1\r\ns=-\r\n"
		"c=IN IP6 2001:db8::1\r\nt=0 0\r\n"
		"m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
		"a=rtcp:5000 IN IP6 2001:db8::1\r\na=sendrecv\r\n");

	/* the port everybody expects is not told */
	sa_set_port(&md.rtcp, 4001);
	mbuf_rewind(mb);
	ck_assert_int_eq(0, sdp_desc_encode(mb, &md));
	mbuf_write_u8(mb, 0);
	ck_assert_ptr_null(strstr((char *)mb->buf, "a=rtcp"));

	md.mediac = SDP_MEDIA_MAX + 1;
	ck_assert_int_eq(EINVAL, sdp_desc_encode(mb, &md));

	mem_deref(mb);
}
END_TEST


START_TEST(long_lists)
{
	struct media_desc md;
	struct mbuf *mb = mbuf_alloc(8192);
	unsigned i;

	/* 30 codecs, the telephone-event last: it is kept */
	mbuf_write_str(mb, HEAD CONN "m=audio 5004 RTP/AVP");
	for (i=90; i<121; i++)
		mbuf_printf(mb, " %u", i);
	mbuf_write_str(mb, "\r\n");
	for (i=90; i<120; i++)
		mbuf_printf(mb, "a=rtpmap:%u codec%u/8000\r\n", i, i);
	mbuf_write_str(mb, "a=rtpmap:120 telephone-event/8000\r\n"
		       "a=fmtp:90 p0=0123456789012345678901234567890123456789"
		       ";p1=01234567890123456789012345678901234567890123456789"
		       ";p2=0123456789012345678901234567890123456789012345678"
		       ";p3=01234567890123\r\n");

	ck_assert_int_eq(0, sdp_desc_decode(&md, mb->buf, mb->end));
	ck_assert_uint_eq(SDP_CODECS_MAX, md.codecc);
	ck_assert_ptr_nonnull(sdp_codec_find(&md, "TELEPHONE-EVENT", 8000));
	ck_assert_ptr_nonnull(sdp_codec_find(&md, "codec104", 0));
	ck_assert_ptr_null(sdp_codec_find(&md, "codec105", 0));
	ck_assert_ptr_null(sdp_codec_find(&md, "codec90", 16000));
	ck_assert_uint_le(strlen(md.codecv[0].fmtp), 159);
	ck_assert_ptr_nonnull(strstr(md.codecv[0].fmtp, ";p2="));
	ck_assert_ptr_null(strstr(md.codecv[0].fmtp, "p3"));

	/* more text than anybody needs */
	while (mb->end <= 16384)
		mbuf_write_str(mb, "a=x\r\n");
	ck_assert_int_eq(EBADMSG, sdp_desc_decode(&md, mb->buf, mb->end));

	/* a zero in the text */
	ck_assert_int_eq(EBADMSG, sdp_desc_decode(&md, (const uint8_t *)
		"v=0\no=- 1 2 IN IP4 1.2.3.4\ns=a\0b\n", 34));

	ck_assert_int_eq(EINVAL, sdp_desc_decode(NULL, mb->buf, 1));
	ck_assert_int_eq(EINVAL, sdp_desc_decode(&md, NULL, 1));

	mem_deref(mb);
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("sdp");
	Suite *s = suite_create("sdp");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, answers, 0, ARRAY_SIZE(answerv));
	tcase_add_loop_test(tc, prefixes, 0, ARRAY_SIZE(answerv));
	tcase_add_loop_test(tc, rejects, 0, ARRAY_SIZE(rejectv));
	tcase_add_test(tc, addresses);
	tcase_add_test(tc, encode_addresses);
	tcase_add_test(tc, long_lists);
	suite_add_tcase(s, tc);

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
