/**
 * @file tests/noc/node.c  Heartbeats, records of servers, probes
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/beat.h"
#include "noc/hmac.h"
#include "noc/node.h"
#include "noc/options.h"
#include "test.h"


/* RFC 4231 section 4.2 */
START_TEST(test_hmac)
{
	static const struct {
		uint8_t key[32];
		size_t len;
		const char *data;
		const char *code;      /* first 8 bytes                     */
	} casev[] = {
		{{0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
		  0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b},
		 20, "Hi There", "\xb0\x34\x4c\x61\xd8\xdb\x38\x53"},
	};
	uint8_t code[HMAC_CODE_LEN];
	struct hmac_key *key;
	size_t i;

	for (i=0; i<ARRAY_SIZE(casev); i++) {
		ck_assert_int_eq(0, hmac_key_alloc(&key, casev[i].key,
						   casev[i].len, NULL));
		hmac_code(key, code, casev[i].data, strlen(casev[i].data));
		ck_assert_mem_eq(casev[i].code, code, 8);
		ck_assert(hmac_match(key, code, 16, casev[i].data,
				     strlen(casev[i].data)));
		ck_assert(!hmac_match(key, code, 7, casev[i].data,
				      strlen(casev[i].data)));
		code[15] ^= 1;
		ck_assert(!hmac_match(key, code, 16, casev[i].data,
				      strlen(casev[i].data)));
		mem_deref(key);
	}

	ck_assert_int_eq(EINVAL, hmac_key_alloc(&key, casev[0].key, 15, NULL));
	ck_assert_int_eq(EINVAL, hmac_key_alloc(&key, NULL, 32, NULL));
}
END_TEST


START_TEST(test_beat)
{
	const struct beat in = {
		.type = BEAT_ALIVE, .from = 0x1122334455667788, .to = 9,
		.seq = UINT64_MAX, .echo = 3,
	};
	struct hmac_key *key, *other, *plain;
	const uint8_t secret[32] = {7};
	uint8_t buf[BEAT_LEN];
	struct beat out;
	size_t i;

	ck_assert_int_eq(0, hmac_key_alloc(&key, secret, 32, BEAT_LABEL));
	ck_assert_int_eq(0, hmac_key_alloc(&other, secret, 32, "other"));
	ck_assert_int_eq(0, hmac_key_alloc(&plain, secret, 32, NULL));
	beat_encode(buf, &in, key);
	ck_assert_int_eq(0, beat_decode(&out, buf, sizeof(buf)));
	ck_assert_int_eq(in.type, out.type);
	ck_assert_uint_eq(in.from, out.from);
	ck_assert_uint_eq(in.to, out.to);
	ck_assert_uint_eq(in.seq, out.seq);
	ck_assert_uint_eq(in.echo, out.echo);
	ck_assert(beat_match(buf, key));
	ck_assert(!beat_match(buf, other));
	ck_assert(!beat_match(buf, plain));

	/* nothing of it can be changed */
	for (i=0; i<8 * sizeof(buf); i++) {
		buf[i / 8] ^= 1 << i % 8;
		ck_assert(beat_decode(&out, buf, sizeof(buf)) ||
			  !beat_match(buf, key));
		buf[i / 8] ^= 1 << i % 8;
	}

	for (i=0; i<sizeof(buf); i++)
		ck_assert_int_eq(EBADMSG, beat_decode(&out, buf, i));
	ck_assert_int_eq(EBADMSG, beat_decode(&out, buf, sizeof(buf) + 1));
	mem_deref(key);
	mem_deref(other);
	mem_deref(plain);
}
END_TEST


START_TEST(test_record)
{
	struct node_record in = {
		.name = "media \"1\"", .instance = 0xabc, .started = 1234,
		.services = "mesh,groups", .version = "0.1",
		.sip = "[::1]:5060", .beat = "127.0.0.1:4000",
	}, out;
	struct mbuf *mb = mbuf_alloc(64);

	ck_assert_int_eq(0, node_record_encode(mb, &in));
	ck_assert_int_eq(0, node_record_decode(&out, mb->buf, mb->end));
	ck_assert_str_eq(in.name, out.name);
	ck_assert_uint_eq(in.instance, out.instance);
	ck_assert_str_eq(in.services, out.services);
	ck_assert_str_eq(in.version, out.version);
	ck_assert_str_eq(in.sip, out.sip);
	ck_assert_str_eq(in.beat, out.beat);
	ck_assert_uint_eq(in.started, out.started);
	ck_assert(!out.left);

	in.instance = 0;
	ck_assert_int_eq(EINVAL, node_record_encode(mb, &in));
	mem_deref(mb);

	ck_assert(node_has_service("a,bc,d", "bc"));
	ck_assert(node_has_service("a", "a"));
	ck_assert(!node_has_service("a,bc,d", "b"));
	ck_assert(!node_has_service("", "a"));
	ck_assert(!node_has_service("a", ""));
}
END_TEST


#define TOKEN "0123456789abcdef"
#define VIA "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKjnctr" TOKEN
#define REST "From: <sip:registry@h>;tag=x\r\nTo: <sip:h>;tag=y\r\n"
#define ID "Call-ID: " TOKEN "@registry\r\n"
#define CSEQ "CSeq: 1 OPTIONS\r\n"
#define OK "SIP/2.0 200 OK\r\n"

START_TEST(test_options)
{
	static const struct {
		const char *text;
		int err;
	} casev[] = {
		{OK VIA ";received=1.2.3.4;rport=9\r\n" REST ID CSEQ
		 "Content-Length: 0\r\n\r\n", 0},
		{OK "v: SIP/2.0/UDP h;branch=z9hG4bKjnctr" TOKEN "\r\n"
		 "i:" TOKEN "@registry\r\n" CSEQ "\r\nrubbish", 0},
		{OK "VIA : SIP/2.0/UDP h;branch=z9hG4bKjnctr" TOKEN "\r\n"
		 "call-id:\t" TOKEN "@registry\r\ncseq: 1 OPTIONS\r\n\r\n",
		 0},
		{"SIP/2.0 503 Later\r\n" VIA "\r\n" REST ID CSEQ "\r\n", 0},
		{"SIP/2.0 404 \r\n" VIA "\r\n" REST ID CSEQ "\r\n", 0},
		{"SIP/2.0 100 Trying\r\n" VIA "\r\n" REST ID CSEQ "\r\n",
		 EAGAIN},

		{"", EBADMSG},
		{"\r\n", EBADMSG},
		{OK, EBADMSG},
		{OK "\r\n", EBADMSG},
		{"SIP/2.0 200 OK\n" VIA "\n" REST ID CSEQ "\n", EBADMSG},
		{"SIP/2.0 20 OK\r\n" VIA "\r\n" ID CSEQ "\r\n", EBADMSG},
		{"SIP/2.0 2000 OK\r\n" VIA "\r\n" ID CSEQ "\r\n", EBADMSG},
		{"SIP/2.0 799 OK\r\n" VIA "\r\n" ID CSEQ "\r\n", EBADMSG},
		{"SIP/2.0 099 OK\r\n" VIA "\r\n" ID CSEQ "\r\n", EBADMSG},
		{"SIP/3.0 200 OK\r\n" VIA "\r\n" ID CSEQ "\r\n", EBADMSG},
		{"HTTP/1.1 200 OK\r\n" VIA "\r\n" ID CSEQ "\r\n", EBADMSG},
		{"OPTIONS sip:h SIP/2.0\r\n" VIA "\r\n" ID CSEQ "\r\n",
		 EBADMSG},
		{OK ID CSEQ "\r\n", EBADMSG},
		{OK VIA "\r\n" CSEQ "\r\n", EBADMSG},
		{OK VIA "\r\n" ID "\r\n", EBADMSG},
		{OK VIA "\r\n" VIA "\r\n" ID CSEQ "\r\n", EBADMSG},
		{OK VIA "\r\n" ID ID CSEQ "\r\n", EBADMSG},
		{OK VIA "\r\n" ID CSEQ CSEQ "\r\n", EBADMSG},
		{OK VIA "0\r\n" ID CSEQ "\r\n", EBADMSG},
		{OK "Via: SIP/2.0/UDP h;branch=z9hG4bKjnctr0123456789abcdee"
		 "\r\n" ID CSEQ "\r\n", EBADMSG},
		{OK VIA "\r\nCall-ID: " TOKEN "@other\r\n" CSEQ "\r\n",
		 EBADMSG},
		{OK VIA "\r\nCall-ID: x" TOKEN "@registry\r\n" CSEQ "\r\n",
		 EBADMSG},
		{OK VIA "\r\n" ID "CSeq: 1 INVITE\r\n\r\n", EBADMSG},
		{OK VIA "\r\n" ID "CSeq: 2 OPTIONS\r\n\r\n", EBADMSG},
		{OK VIA "\r\n" ID CSEQ, EBADMSG},
	};
	char token[OPTIONS_TOKEN + 1];
	uint8_t big[5000];
	uint16_t scode;
	size_t i;

	for (i=0; i<ARRAY_SIZE(casev); i++) {
		const int err = options_response(&scode, token,
						 (uint8_t *)casev[i].text,
						 strlen(casev[i].text));

		ck_assert_msg(err == casev[i].err, "%d: %s", err,
			      casev[i].text);
		if (!err)
			ck_assert_str_eq(TOKEN, token);
	}

	memset(big, 'x', sizeof(big));
	memcpy(big, OK, sizeof(OK) - 1);
	ck_assert_int_eq(EBADMSG, options_response(&scode, token, big,
						   sizeof(big)));
	ck_assert_int_eq(EBADMSG, options_response(&scode, token,
						   (uint8_t *)OK "\0", 17));
}
END_TEST


START_TEST(test_options_encode)
{
	struct mbuf *mb = mbuf_alloc(64);
	struct sip_msg *msg = NULL;
	struct sa sa;

	ck_assert_int_eq(0, sa_set_str(&sa, "127.0.0.1", 9));
	ck_assert_int_eq(0, options_encode(mb, "127.0.0.2:5060", &sa, TOKEN));
	mb->pos = 0;
	ck_assert_int_eq(0, sip_msg_decode(&msg, mb));
	ck_assert(!pl_strcmp(&msg->met, "OPTIONS"));
	ck_assert(!pl_strcmp(&msg->callid, TOKEN "@registry"));
	mem_deref(msg);

	ck_assert_int_eq(EINVAL, options_encode(mb, "", &sa, TOKEN));
	ck_assert_int_eq(EINVAL, options_encode(mb, "h:1", &sa, "short"));
	ck_assert_int_eq(EINVAL, options_encode(mb, "h:1", &sa,
						"0123456789ABCDEF"));
	ck_assert_int_eq(EINVAL, options_encode(mb, "h:1", NULL, TOKEN));
	mem_deref(mb);
}
END_TEST


TCase *case_node(void)
{
	TCase *tc = tcase_create("node");

	tcase_add_test(tc, test_hmac);
	tcase_add_test(tc, test_beat);
	tcase_add_test(tc, test_record);
	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_options_encode);

	return tc;
}
