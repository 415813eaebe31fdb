/* The load generator's own test: its parts. selfrun.c has whole
 * measurements. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "stub.h"


static int parse(struct opts *o, const char *line)
{
	char buf[256], *argv[16], *save = NULL;
	int argc = 0, err;
	FILE *null = fopen("/dev/null", "w");

	snprintf(buf, sizeof(buf), "%s", line);
	for (char *t = strtok_r(buf, " ", &save); t && argc < 16;
	     t = strtok_r(NULL, " ", &save))
		argv[argc++] = t;

	memset(o, 0, sizeof(*o));
	addr_parse(&o->to, "127.0.0.1", 9);
	o->parts = o->conferences = 1;
	o->ptime = 20;
	snprintf(o->conf, sizeof(o->conf), "t%%d");
	err = opts_parse(o, argc, argv, null);
	fclose(null);

	return err;
}


START_TEST(test_opts_accept)
{
	struct opts o;

	ck_assert_int_eq(parse(&o, "--to 127.0.0.9:5080 --parts 200 --codec "
			       "opus --burst --listeners noise"), 0);
	ck_assert_int_eq(ntohs(o.to.sin_port), 5080);
	ck_assert_int_eq(o.parts, 200);
	ck_assert_int_eq(o.codec, CODEC_OPUS);
	ck_assert(o.burst);
	ck_assert_int_eq(o.listeners, LISTEN_NOISE);

	ck_assert_int_eq(parse(&o, "--to 10.1.1.1 --i-own-this-host "
			       "--local 10.1.1.2"), 0);
	ck_assert_int_eq(parse(&o, "--pid 1"), 0);
	ck_assert_int_eq((int)o.pidc, 1);
}
END_TEST


START_TEST(test_opts_reject)
{
	static const char *const badv[] = {
		"--to 10.1.1.1", "--to 128.0.0.1", "--to 127.0.0.1:0",
		"--to 127.0.0.1:65536", "--to example", "--to", "--to :5060",
		"--i-own-this-host --local 10.1.1.2",
		"--to 10.1.1.1 --i-own-this-host",
		"--parts 0", "--parts -1", "--parts 20001", "--parts 1x",
		"--parts 4294967297", "--parts 200 --conferences 101",
		"--codec g729", "--listeners music", "--ptime 15",
		"--ptime 50", "--ptime 30 --codec opus", "--conf a%s",
		"--conf a%d%d", "--conf a@b", "--conf a%", "--pid 0",
		"--pid 1,,2", "--pid x", "--pid 4194303", "--what 1",
		"parts 1", "--", "-p", "--seconds 3601",
	};
	struct opts o;

	for (size_t i = 0; i < sizeof(badv) / sizeof(badv[0]); i++)
		ck_assert_msg(parse(&o, badv[i]) == EINVAL, "%s", badv[i]);
}
END_TEST


START_TEST(test_hist)
{
	struct hist *h;

	ck_assert_int_eq(hist_alloc(&h, 0, 10), EINVAL);
	ck_assert_int_eq(hist_alloc(&h, 10, 0), EINVAL);
	ck_assert_int_eq(hist_alloc(&h, 10, 100), 0);
	ck_assert_int_eq((int)hist_percentile(h, 0.5), 0);

	for (uint64_t v = 0; v < 1000; v++)
		hist_add(h, v);
	ck_assert_int_eq((int)hist_percentile(h, 0.5), 500);
	ck_assert_int_eq((int)hist_percentile(h, 0.99), 990);
	ck_assert_int_eq((int)hist_percentile(h, 0.0), 10);

	hist_add(h, UINT64_MAX);
	ck_assert_int_eq((int)hist_percentile(h, 1.0), 1000);
	ck_assert_int_eq((int)hist_count(h), 1001);
	hist_reset(h);
	ck_assert_int_eq((int)hist_count(h), 0);
	free(h);
}
END_TEST


START_TEST(test_median)
{
	double a[] = {3, 1, 2}, b[] = {4, 1, 3, 2};

	ck_assert(median(a, 3) == 2);
	ck_assert(median(b, 4) == 2.5);
	ck_assert(isnan(median(a, 0)));
}
END_TEST


START_TEST(test_result)
{
	char buf[256] = "";
	FILE *f = fmemopen(buf, sizeof(buf), "w");
	struct result *r;

	ck_assert_int_eq(result_alloc(&r, "thing"), 0);
	result_num(r, "a", 1, "ms", "first");
	result_num(r, "b", NAN, "", "none");
	result_num(r, "a", 2.5, "ms", "first");
	result_print(r, true, f);
	fclose(f);
	result_free(r);
	ck_assert_str_eq(buf, "{\"what\":\"thing\",\"a\":2.5,\"b\":null}\n");
}
END_TEST


START_TEST(test_proc)
{
	const int self = getpid(), none = 4194303;
	struct proc_use u;

	ck_assert_int_eq(proc_read(&u, &self, 1, true), 0);
	ck_assert(u.cpu > 0);
	ck_assert(u.rss > 100000);
	ck_assert(u.pss <= u.rss);
	ck_assert_int_ge((int)u.threads, 1);
	ck_assert_int_ne(proc_read(&u, &none, 1, true), 0);
}
END_TEST


static const char redirect_text[] =
	"SIP/2.0 302 Moved Temporarily\r\n"
	"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\n"
	"v: SIP/2.0/UDP 127.0.0.2:9;\r\n branch=z9hG4bKy\r\n"
	"f: <sip:a@b>;tag=1\r\n"
	"To: \"B;tag=no\" <sip:c@d;tag=no>;x;tag=2;y=1\r\n"
	"i: one@two\r\n"
	"CSeq: 7 INVITE\r\n"
	"Contact: \"C\" <sip:c@127.0.0.5:5070;ticket=a.b;x=1>;q=1\r\n"
	"\r\nbody";


START_TEST(test_msg_accept)
{
	struct sockaddr_in sin;
	struct str s;
	struct msg m;

	ck_assert_int_eq(msg_parse(&m, redirect_text,
				   strlen(redirect_text)), 0);
	ck_assert(!m.request);
	ck_assert_int_eq(m.code, 302);
	ck_assert_int_eq((int)m.viac, 2);
	ck_assert_int_eq((int)m.cseq, 7);
	ck_assert(str_is(&m.method, "INVITE"));
	ck_assert(str_is(&m.callid, "one@two"));
	ck_assert(str_is(&m.body, "body"));
	ck_assert_int_eq(str_param(&s, &m.to, "tag"), 0);
	ck_assert(str_is(&s, "2"));
	ck_assert_int_eq(str_param(&s, &m.to, "z"), ENOENT);
	ck_assert_int_eq(str_uri(&s, &m.contact), 0);
	ck_assert(str_is(&s, "sip:c@127.0.0.5:5070;ticket=a.b;x=1"));
	ck_assert_int_eq(uri_addr(&sin, &s), 0);
	ck_assert_int_eq(ntohs(sin.sin_port), 5070);
}
END_TEST


START_TEST(test_msg_reject)
{
	static const char *const badv[] = {
		"", "\r\n\r\n", "SIP/2.0", "SIP/2.0 99 X\r\n\r\n",
		"SIP/2.0 abc Foo\r\n\r\n", "SIP/2.0 700 X\r\n\r\n",
		"INVITE sip:a SIP/3.0\r\n\r\n",
		"INVITE\r\n\r\n", "SIP/2.0 200 OK\r\nFrom: a\r\n\r\n",
		"SIP/2.0 200 OK\r\nno colon here\r\n\r\n",
		"SIP/2.0 200 OK\r\nVia: a\r\nFrom: a\r\nTo: b\r\n"
		"Call-ID: c\r\nCSeq: 99999999999 INVITE\r\n\r\n",
	};
	struct msg m;

	for (size_t i = 0; i < sizeof(badv) / sizeof(badv[0]); i++)
		ck_assert_msg(msg_parse(&m, badv[i], strlen(badv[i])) ==
			      EBADMSG, "%zu", i);

	/* every cut of a good one is survived */
	for (size_t n = 0; n < strlen(redirect_text); n++) {
		char *cut = malloc(n ? n : 1);

		memcpy(cut, redirect_text, n);
		(void)msg_parse(&m, cut, n);
		free(cut);
	}
}
END_TEST


START_TEST(test_uri_reject)
{
	static const char *const badv[] = {
		"sip:a@127.0.0.1;transport=tcp", "sip:a@[::1]",
		"sip:a@example.org", "sips:a@127.0.0.1", "sip:", "",
		"sip:a@127.0.0.1:99999",
	};
	struct sockaddr_in sin;

	for (size_t i = 0; i < sizeof(badv) / sizeof(badv[0]); i++) {
		const struct str s = {badv[i], strlen(badv[i])};

		ck_assert_msg(uri_addr(&sin, &s) != 0, "%s", badv[i]);
	}
}
END_TEST


static int sdp(struct sdp_answer *a, const char *text, enum codec codec)
{
	const struct str s = {text, strlen(text)};

	return sdp_parse(a, &s, codec);
}


START_TEST(test_sdp)
{
	struct sdp_answer a;

	ck_assert_int_eq(sdp(&a, "v=0\r\nc=IN IP4 127.0.0.3\r\n"
			     "m=audio 4000 RTP/AVP 96 0\r\n"
			     "a=rtpmap:96 opus/48000/2\r\n"
			     "a=ptime:20\r\n", CODEC_OPUS), 0);
	ck_assert_int_eq(a.pt, 96);
	ck_assert_int_eq((int)a.ptime, 20);
	ck_assert_int_eq(ntohs(a.media.sin_port), 4000);

	ck_assert_int_eq(sdp(&a, "c=IN IP4 127.0.0.3\nm=audio 4000 RTP/AVP "
			     "0\n", CODEC_PCMU), 0);
	ck_assert_int_eq(a.pt, 0);

	ck_assert_int_eq(sdp(&a, "c=IN IP4 127.0.0.3\nm=audio 4000 RTP/AVP "
			     "0\n", CODEC_OPUS), EPROTO);
	ck_assert_int_eq(sdp(&a, "c=IN IP4 127.0.0.3\nm=audio 0 RTP/AVP 0\n",
			     CODEC_PCMU), EBADMSG);
	ck_assert_int_eq(sdp(&a, "m=audio 4000 RTP/AVP 0\n", CODEC_PCMU),
			 EBADMSG);
	ck_assert_int_eq(sdp(&a, "c=IN IP6 ::1\nm=audio 4000 RTP/AVP 0\n",
			     CODEC_PCMU), EBADMSG);
	ck_assert_int_eq(sdp(&a, "", CODEC_PCMU), EBADMSG);
}
END_TEST


/* All codecs: what is encoded can be decoded, in equal pieces. */
START_TEST(test_codec)
{
	for (int c = CODEC_PCMU; c <= CODEC_OPUS; c++) {
		struct opts o = {.codec = (enum codec)c, .ptime = 20,
			.bitrate = 24000, .speech = SPEECH_WAV};
		struct loop *l;
		double sum = 0;

		ck_assert_int_eq(loop_speech(&l, &o), 0);
		ck_assert_int_eq((int)l->framec, 400);
		ck_assert_int_eq((int)l->samples, 160);
		for (uint32_t i = 0; i < l->framec * l->samples; i++)
			sum += (double)l->ref[i] * l->ref[i];
		sum = sqrt(sum / l->framec / l->samples);
		ck_assert_msg(sum > 1000 && sum < 10000, "rms %f", sum);
		loop_free(l);

		ck_assert_int_eq(loop_quiet(&l, &o), 0);
		loop_free(l);
	}
}
END_TEST


START_TEST(test_speech_reject)
{
	struct opts o = {.ptime = 20, .speech = "/nonexistent.wav"};
	struct loop *l;

	ck_assert_int_eq(loop_speech(&l, &o), ENOENT);
	snprintf(o.speech, sizeof(o.speech), "/dev/null");
	ck_assert_int_ne(loop_speech(&l, &o), 0);
}
END_TEST


/* Tones: found where they are, not where they are not. */
START_TEST(test_tones)
{
	static struct tones ts;

	tones_init(&ts, TONES_MAX);
	for (int c = CODEC_PCMU; c <= CODEC_OPUS; c++) {
		for (uint32_t k = 0; k < TONES_MAX; k++) {
			struct opts o = {.codec = (enum codec)c, .ptime = 20,
				.bitrate = 24000};
			struct loop *l;

			ck_assert_int_eq(loop_tone(&l, &o, k), 0);
			for (uint32_t i = 0; i < l->framec * l->samples;
			     i += TONE_BLOCK)
				ck_assert_msg(tones_find(&ts, l->ref + i) ==
					      1u << k, "codec %d tone %u "
					      "at %u", c, k, i);
			loop_free(l);
		}
	}
}
END_TEST


int main(void)
{
	TCase *parts = tcase_create("parts"), *whole = tcase_create("whole");
	Suite *s = suite_create("bench");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(parts, test_opts_accept);
	tcase_add_test(parts, test_opts_reject);
	tcase_add_test(parts, test_hist);
	tcase_add_test(parts, test_median);
	tcase_add_test(parts, test_result);
	tcase_add_test(parts, test_proc);
	tcase_add_test(parts, test_msg_accept);
	tcase_add_test(parts, test_msg_reject);
	tcase_add_test(parts, test_uri_reject);
	tcase_add_test(parts, test_sdp);
	tcase_add_test(parts, test_codec);
	tcase_add_test(parts, test_speech_reject);
	tcase_add_test(parts, test_tones);
	tcase_set_timeout(parts, 60);
	suite_add_tcase(s, parts);

	measurements_add(whole);
	tcase_set_timeout(whole, 120);
	suite_add_tcase(s, whole);

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
