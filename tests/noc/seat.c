/**
 * @file tests/noc/seat.c  Seats and rooms: written, read again, refused
 */
#include <string.h>
#include <stdlib.h>
#include <check.h>
#include <re.h>
#include "noc/json.h"
#include "noc/client.h"
#include "noc/seat.h"
#include "test.h"


static struct seat seat_make(void)
{
	struct seat s = {
		.kind = SEAT_LEG, .conference = "stand/up", .server = "m1",
		.saved_usec = 1700000000000000, .moves = 3,
		.callid = "abc@host", .account = "acme",
		.user = "alice@host", .name = "Alice \"A\" \xc3\x84",
		.info = "phone 1.0", .types = MEDIA_AUDIO,
		.dialog = "call-id: abc@host\nlocal-tag: 7\n",
		.member = {
			.id = SEAT_ID_MAX, .joined_usec = 1699999999999999,
			.sess_id = 4711, .sess_ver = 3, .held = true,
			.muted_by_operator = true, .private_port = true,
			.key = "*", .key_age = 200,
			.textv = {0xffffffff, 1, 7}, .textc = 3,
		},
		.state = {
			.muted = true, .deaf = true, .dominant = true,
			.speaking = true, .talk_db = -6, .hear_db = 12,
			.ignorev = {1, 0xffffffff}, .ignorec = 2,
			.hear_only = 5, .whisper = 6,
		},
		.media = {
			.codec = "opus", .pt = 111, .telev = 101,
			.rate = 48000, .bitrate = 16000, .fec = true,
			.dtx = true, .cbr = true, .ptime = 20,
			.ext_level = 1, .ext_mixer = 2, .rtcp_mux = true,
			.send = true, .recv = true,
		},
	};

	sa_set_str(&s.src, "192.0.2.1", 5060);
	sa_set_str(&s.member.origin, "198.51.100.9", 0);
	sa_set_str(&s.media.rtp, "192.0.2.1", 4000);
	sa_set_str(&s.media.rtcp, "2001:db8::1", 4001);

	return s;
}


/* As it is on the bus. */
static struct odict *through_text(struct odict *od, size_t *len)
{
	struct odict *back = NULL;
	char *text = NULL;

	ck_assert_int_eq(0, re_sdprintf(&text, "%H", json_print, od));
	ck_assert_int_eq(0, json_object_within(&back, text, strlen(text),
					       &(struct json_limits){8, 512}));
	if (len)
		*len = strlen(text);
	mem_deref(text);
	mem_deref(od);

	return back;
}


START_TEST(test_seat)
{
	const struct seat s = seat_make();
	struct odict *od, *x, *stream;
	struct seat t, u = s;
	size_t len;

	ck_assert_int_eq(0, odict_alloc(&x, 4));
	ck_assert_int_eq(0, odict_entry_add(x, "usage", ODICT_STRING, "17"));
	u.x = x;
	ck_assert_int_eq(0, odict_alloc(&stream, 4));
	ck_assert_int_eq(0, odict_entry_add(stream, "numbers", ODICT_STRING,
					    "of the mesh"));
	u.stream = stream;
	ck_assert_int_eq(0, seat_encode(&od, &u));
	mem_deref(stream);
	mem_deref(x);
	od = through_text(od, &len);
	ck_assert_uint_lt(len, 2048);

	ck_assert_int_eq(0, seat_decode(&t, od));
	ck_assert_int_eq(SEAT_LEG, t.kind);
	ck_assert_str_eq(s.conference, t.conference);
	ck_assert_str_eq(s.server, t.server);
	ck_assert_str_eq(s.callid, t.callid);
	ck_assert_str_eq(s.account, t.account);
	ck_assert_str_eq(s.user, t.user);
	ck_assert_str_eq(s.name, t.name);
	ck_assert_str_eq(s.info, t.info);
	ck_assert_str_eq(s.dialog, t.dialog);
	ck_assert_uint_eq(s.types, t.types);
	ck_assert_uint_eq(s.saved_usec, t.saved_usec);
	ck_assert_uint_eq(s.moves, t.moves);
	ck_assert(sa_cmp(&s.src, &t.src, SA_ALL));
	ck_assert_str_eq("17", odict_string(t.x, "usage"));

	ck_assert_mem_eq(&s.state, &t.state, sizeof(t.state));
	ck_assert_str_eq("of the mesh", odict_string(t.stream, "numbers"));
	ck_assert(sa_cmp(&s.media.rtp, &t.media.rtp, SA_ALL));
	ck_assert(sa_cmp(&s.media.rtcp, &t.media.rtcp, SA_ALL));
	ck_assert(sa_cmp(&s.member.origin, &t.member.origin, SA_ADDR));
	u.media.rtp = t.media.rtp;
	u.media.rtcp = t.media.rtcp;
	u.member.origin = t.member.origin;
	ck_assert_mem_eq(&u.media, &t.media, sizeof(t.media));
	ck_assert_mem_eq(&u.member, &t.member, sizeof(t.member));
	mem_deref(od);
}
END_TEST


/* Who sits and listens takes little room. */
START_TEST(test_seat_small)
{
	struct seat s = {
		.kind = SEAT_LEG, .conference = "c", .server = "m",
		.callid = "i", .user = "u", .dialog = "d",
		.member = {.id = 1, .joined_usec = 1},
	}, t;
	struct odict *od;
	size_t len;

	ck_assert_int_eq(0, seat_encode(&od, &s));
	od = through_text(od, &len);
	ck_assert_uint_lt(len, 160);
	ck_assert_int_eq(0, seat_decode(&t, od));
	ck_assert_str_eq("", t.name);
	ck_assert_ptr_null(t.stream);
	ck_assert_uint_eq(0, t.media.codec[0]);
	ck_assert_ptr_null(t.x);
	ck_assert(!sa_isset(&t.src, SA_ADDR));
	mem_deref(od);
}
END_TEST


START_TEST(test_seat_watcher)
{
	struct seat s = {
		.kind = SEAT_WATCHER, .conference = "c", .server = "m",
		.callid = "i", .user = "u", .dialog = "d",
		.watch = {.version = 70000, .digest = "0123456789abcdef",
			  .speakingv = {5, SEAT_ID_MAX}, .speakingc = 2},
	}, t;
	struct odict *od;

	ck_assert_int_eq(0, seat_encode(&od, &s));
	od = through_text(od, NULL);
	ck_assert_int_eq(0, seat_decode(&t, od));
	ck_assert_int_eq(SEAT_WATCHER, t.kind);
	ck_assert_mem_eq(&s.watch, &t.watch, sizeof(t.watch));
	mem_deref(od);
}
END_TEST


START_TEST(test_seat_not_written)
{
	struct seat s = seat_make();
	struct odict *od = NULL;

	ck_assert_int_eq(EINVAL, seat_encode(NULL, &s));
	ck_assert_int_eq(EINVAL, seat_encode(&od, NULL));
	s.member.id = 0;
	ck_assert_int_eq(EINVAL, seat_encode(&od, &s));
	s = seat_make();
	s.callid = "";
	ck_assert_int_eq(EINVAL, seat_encode(&od, &s));
	s = seat_make();
	s.dialog = NULL;
	ck_assert_int_eq(EINVAL, seat_encode(&od, &s));

	/* would come out as another name */
	s = seat_make();
	s.conference = "\xff";
	ck_assert_int_eq(EILSEQ, seat_encode(&od, &s));
	s = seat_make();
	s.callid = "\xc0\x80";
	ck_assert_int_eq(EILSEQ, seat_encode(&od, &s));

	/* only describes */
	s = seat_make();
	s.name = "\xff";
	ck_assert_int_eq(0, seat_encode(&od, &s));
	mem_deref(od);
}
END_TEST


#define GOOD "\"v\":1,\"kind\":\"leg\",\"conference\":\"c\"," \
	"\"server\":\"m\",\"dialog\":\"d\"," \
	"\"join\":{\"callid\":\"i\",\"user\":\"u\"}"
#define MEMBER "\"member\":{\"id\":1,\"joined\":1}"
#define HEAD "\"v\":1,\"kind\":\"leg\",\"conference\":\"c\","

static const struct {
	int err;
	const char *json;
} seatv[] = {
	{0, "{" GOOD "," MEMBER "}"},
	{0, "{" GOOD "," MEMBER ",\"later\":[1,{}]}"},
	{0, "{" GOOD "," MEMBER ",\"x\":{}}"},
	{0, "{" GOOD "," MEMBER ",\"state\":{\"talk_db\":-60}}"},
	{0, "{\"v\":1,\"kind\":\"watcher\",\"conference\":\"c\","
	 "\"server\":\"m\",\"dialog\":\"d\","
	 "\"join\":{\"callid\":\"i\",\"user\":\"u\"}}"},
	{EBADMSG, "{}"},
	{EBADMSG, "{\"v\":\"1\"}"},
	{EPROTO,  "{\"v\":2}"},
	{EPROTO,  "{\"v\":-1}"},
	{EPROTO,  "{\"v\":1,\"kind\":\"bench\"}"},
	{EPROTO,  "{\"v\":1}"},
	{EBADMSG, "{" GOOD "}"},
	{EBADMSG, "{" GOOD ",\"member\":[]}"},
	{EBADMSG, "{" GOOD ",\"member\":{}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":0,\"joined\":1}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":2147483648,\"joined\":1}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":-1,\"joined\":1}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":\"1\",\"joined\":1}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":1.0,\"joined\":1}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":1}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":1,\"joined\":0}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":1,\"joined\":"
	 "288230376151711745}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":1,\"joined\":1,"
	 "\"key\":\"x\"}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":1,\"joined\":1,"
	 "\"key\":\"12\"}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":1,\"joined\":1,"
	 "\"held\":1}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":1,\"joined\":1,"
	 "\"origin\":\"nowhere\"}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":1,\"joined\":1,"
	 "\"texts\":[0]}}"},
	{EBADMSG, "{" GOOD ",\"member\":{\"id\":1,\"joined\":1,"
	 "\"texts\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
	 "1,1,1,1,1,1]}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"state\":{\"talk_db\":-61}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"state\":{\"hear_db\":61}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"state\":{\"muted\":\"yes\"}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"state\":{\"ignore\":{}}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"state\":{\"ignore\":[0]}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"state\":{\"ignore\":[\"1\"]}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"state\":{\"ignore\":[1,2,3,4,5,6,"
	 "7,8,9,10,11,12,13,14,15,16,17]}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"media\":{}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"media\":{\"codec\":\"opus\","
	 "\"rate\":48000,\"ptime\":30}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"media\":{\"codec\":\"opus\","
	 "\"rate\":48000,\"ptime\":20,\"pt\":128}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"media\":{\"codec\":\"opus\","
	 "\"rate\":96000,\"ptime\":20}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"media\":{\"codec\":"
	 "\"0123456789abcdef\",\"rate\":8000,\"ptime\":20}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"media\":{\"codec\":\"opus\","
	 "\"rate\":48000,\"ptime\":20,\"ext_level\":15}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"media\":{\"codec\":\"opus\","
	 "\"rate\":48000,\"ptime\":20,\"rtp\":\"1.2.3:5\"}}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"stream\":[]}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"stream\":7}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"x\":[]}"},
	{EBADMSG, "{" GOOD "," MEMBER ",\"saved\":\"now\"}"},
	/* control characters end up in headers and logs */
	{EBADMSG, "{" HEAD "\"server\":\"m\\n\",\"dialog\":\"d\","
	 "\"join\":{\"callid\":\"i\",\"user\":\"u\"}," MEMBER "}"},
	{EBADMSG, "{" HEAD "\"server\":\"m\",\"dialog\":\"d\","
	 "\"join\":{\"callid\":\"i\\r\\nX:\",\"user\":\"u\"}," MEMBER "}"},
	{EBADMSG, "{" HEAD "\"server\":\"m\",\"dialog\":\"d\","
	 "\"join\":{\"callid\":\"i\",\"user\":\"\"}," MEMBER "}"},
	{EBADMSG, "{" HEAD "\"server\":\"m\",\"dialog\":\"\","
	 "\"join\":{\"callid\":\"i\",\"user\":\"u\"}," MEMBER "}"},
	{EBADMSG, "{" HEAD "\"server\":\"m\","
	 "\"join\":{\"callid\":\"i\",\"user\":\"u\"}," MEMBER "}"},
	{EBADMSG, "{" HEAD "\"dialog\":\"d\","
	 "\"join\":{\"callid\":\"i\",\"user\":\"u\"}," MEMBER "}"},
	{EBADMSG, "{" HEAD "\"server\":\"m\",\"dialog\":\"d\"," MEMBER "}"},
	{EBADMSG, "{" HEAD "\"server\":\"m\",\"dialog\":\"d\","
	 "\"join\":{\"callid\":\"i\",\"user\":\"u\",\"types\":8},"
	 MEMBER "}"},
	{EBADMSG, "{" HEAD "\"server\":\"m\",\"dialog\":7,"
	 "\"join\":{\"callid\":\"i\",\"user\":\"u\"}," MEMBER "}"},
};


START_TEST(test_seat_rejects)
{
	struct odict *od;
	struct seat s;

	ck_assert_int_eq(0, json_object_within(&od, seatv[_i].json,
					       strlen(seatv[_i].json),
					       &(struct json_limits){8, 99}));
	ck_assert_msg(seat_decode(&s, od) == seatv[_i].err, "%s",
		      seatv[_i].json);
	mem_deref(od);
}
END_TEST


START_TEST(test_seat_lengths)
{
	static const struct {
		size_t max;
		const char *fmt;
	} v[] = {
		{CLIENT_CALLID_MAX, "{" HEAD "\"server\":\"m\",\"dialog\":"
		 "\"d\",\"join\":{\"callid\":\"%s\",\"user\":\"u\"},"
		 MEMBER "}"},
		{CLIENT_USER_MAX, "{" HEAD "\"server\":\"m\",\"dialog\":"
		 "\"d\",\"join\":{\"callid\":\"c\",\"user\":\"%s\"},"
		 MEMBER "}"},
		{64, "{" HEAD "\"server\":\"%s\",\"dialog\":"
		 "\"d\",\"join\":{\"callid\":\"c\",\"user\":\"u\"},"
		 MEMBER "}"},
		{SEAT_DIALOG_MAX, "{" HEAD "\"server\":\"m\",\"dialog\":"
		 "\"%s\",\"join\":{\"callid\":\"c\",\"user\":\"u\"},"
		 MEMBER "}"},
	};
	char *longest = mem_zalloc(v[_i].max + 1, NULL), *json = NULL;
	struct odict *od;
	struct seat s;

	for (int more = 0; more < 2; more++) {
		memset(longest, 'x', v[_i].max - 1 + more);
		ck_assert_int_eq(0, re_sdprintf(&json, v[_i].fmt, longest));
		ck_assert_int_eq(0, json_object_within(&od, json,
			strlen(json), &(struct json_limits){8, 99}));
		ck_assert_int_eq(more ? EBADMSG : 0, seat_decode(&s, od));
		od = mem_deref(od);
		json = mem_deref(json);
	}

	mem_deref(longest);
}
END_TEST


START_TEST(test_room)
{
	struct seat_room r = {
		.conference = "c", .server = "m", .created_usec = 1700,
		.locked = true, .talkers = 6, .rate_max = 16000,
		.ssrc_seed = 0xffffffff, .ssrc_next = 12,
	}, t;
	struct odict *od;

	ck_assert_int_eq(0, seat_room_encode(&od, &r));
	od = through_text(od, NULL);
	ck_assert_int_eq(0, seat_room_decode(&t, od));
	ck_assert_str_eq("c", t.conference);
	ck_assert_str_eq("m", t.server);
	ck_assert_uint_eq(1700, t.created_usec);
	ck_assert(t.locked);
	ck_assert_uint_eq(6, t.talkers);
	ck_assert_uint_eq(16000, t.rate_max);
	ck_assert_uint_eq(0xffffffff, t.ssrc_seed);
	ck_assert_uint_eq(12, t.ssrc_next);
	mem_deref(od);

	r.conference = "\xff";
	ck_assert_int_eq(EILSEQ, seat_room_encode(&od, &r));
	r.conference = NULL;
	ck_assert_int_eq(EINVAL, seat_room_encode(&od, &r));
}
END_TEST


START_TEST(test_room_rejects)
{
	static const struct {
		int err;
		const char *json;
	} v[] = {
		{0, "{\"v\":1,\"conference\":\"c\",\"server\":\"m\"}"},
		{EPROTO, "{\"v\":3,\"conference\":\"c\",\"server\":\"m\"}"},
		{EBADMSG, "{\"conference\":\"c\",\"server\":\"m\"}"},
		{EBADMSG, "{\"v\":1,\"server\":\"m\"}"},
		{EBADMSG, "{\"v\":1,\"conference\":\"c\"}"},
		{EBADMSG, "{\"v\":1,\"conference\":\"\",\"server\":\"m\"}"},
		{EBADMSG, "{\"v\":1,\"conference\":\"c\",\"server\":\"m\","
		 "\"locked\":\"no\"}"},
		{EBADMSG, "{\"v\":1,\"conference\":\"c\",\"server\":\"m\","
		 "\"talkers\":17}"},
		{EBADMSG, "{\"v\":1,\"conference\":\"c\",\"server\":\"m\","
		 "\"x\":1}"},
	};
	struct seat_room r;
	struct odict *od;

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		ck_assert_int_eq(0, json_object_decode(&od, v[i].json,
						       strlen(v[i].json)));
		ck_assert_msg(seat_room_decode(&r, od) == v[i].err, "%s",
			      v[i].json);
		mem_deref(od);
	}
}
END_TEST


START_TEST(test_seat_key)
{
	char key[SEAT_KEY_MAX], other[SEAT_KEY_MAX], id[CLIENT_CALLID_MAX];
	char conf[CLIENT_CONFERENCE_MAX];

	ck_assert_int_eq(0, seat_key(key, sizeof(key), "room 1", "a-b@c"));
	ck_assert_str_eq("room=201.a-b=40c", key);

	/* any names fit, and two calls are two keys */
	memset(conf, '/', sizeof(conf));
	conf[sizeof(conf) - 1] = '\0';
	memset(id, '@', sizeof(id));
	id[sizeof(id) - 1] = '\0';
	ck_assert_int_eq(0, seat_key(key, sizeof(key), conf, id));
	id[sizeof(id) - 2] = '%';
	ck_assert_int_eq(0, seat_key(other, sizeof(other), conf, id));
	ck_assert_str_ne(key, other);
	ck_assert_ptr_nonnull(strstr(key, ".=h"));
	ck_assert_uint_eq(1, strspn(strchr(key, '.'), "."));
	ck_assert_ptr_null(strchr(strchr(key, '.') + 1, '.'));

	ck_assert_int_eq(EINVAL, seat_key(key, sizeof(key), "", "x"));
	ck_assert_int_eq(EINVAL, seat_key(key, sizeof(key), "x", ""));
	for (size_t sz = 0; sz < 20; sz++)
		ck_assert_int_eq(EOVERFLOW, seat_key(key, sz, "conference",
						     "abcdefghij"));
}
END_TEST


TCase *case_seat(void)
{
	TCase *tc = tcase_create("seat");

	tcase_add_test(tc, test_seat);
	tcase_add_test(tc, test_seat_small);
	tcase_add_test(tc, test_seat_watcher);
	tcase_add_test(tc, test_seat_not_written);
	tcase_add_loop_test(tc, test_seat_rejects, 0, ARRAY_SIZE(seatv));
	tcase_add_loop_test(tc, test_seat_lengths, 0, 4);
	tcase_add_test(tc, test_room);
	tcase_add_test(tc, test_room_rejects);
	tcase_add_test(tc, test_seat_key);

	return tc;
}
