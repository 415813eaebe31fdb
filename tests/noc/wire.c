/**
 * @file tests/noc/wire.c  Messages on the bus: there and back, and rejects
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/willcall.h"
#include "noc/wire.h"
#include "test.h"


static const struct wire_server server = {
	.name = "media-1", .contact = "127.0.0.1:5060",
	.state = CAPACITY_DRAINING, .media = MEDIA_AUDIO | MEDIA_TEXT,
	.capacity = 1000, .unused = 0, .participants = UINT32_MAX,
	.conferences = 65536, .seq = UINT64_MAX, .other = "[::1]:5060",
	.tally = UINT64_MAX,
};


START_TEST(test_wire_there_and_back)
{
	const struct wire_claim claim = { "stand up", "media-1", true };
	const struct wire_granted granted = {
		WIRE_FULL, 0, 17, 1234567890123
	};
	const struct wire_user user = {
		WIRE_LEFT, "c", "s", "", "u@h", 3, 1700000000000000
	};
	const struct wire_plan plan = { "s", 1700000000, 1700003600 };
	struct wire_server s;
	struct wire_claim c;
	struct wire_granted g;
	struct wire_user u;
	struct wire_place place = {
		WIRE_GRANT, "m1", "127.0.0.1:5060", 7, 8, 9, 10, "[::1]:5060"
	};
	struct wire_place pl;
	struct wire_plan p;
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n;

	ck_assert_int_eq(0, wire_server_encode(buf, sizeof(buf), &n, &server));
	ck_assert_int_eq(0, wire_server_decode(&s, buf, n));
	ck_assert(!memcmp(&server, &s, sizeof(s)));

	ck_assert_int_eq(0, wire_claim_encode(buf, sizeof(buf), &n, &claim));
	ck_assert_int_eq(0, wire_claim_decode(&c, buf, n));
	ck_assert_str_eq("stand up", c.conference);
	ck_assert_str_eq("media-1", c.server);
	ck_assert(c.running);

	ck_assert_int_eq(0, wire_granted_encode(buf, sizeof(buf), &n,
						&granted));
	ck_assert_int_eq(0, wire_granted_decode(&g, buf, n));
	ck_assert_int_eq(WIRE_FULL, g.verdict);
	ck_assert_uint_eq(17, g.unused);
	ck_assert_uint_eq(1234567890123, g.seq);

	ck_assert_int_eq(0, wire_user_encode(buf, sizeof(buf), &n, &user));
	ck_assert_int_eq(0, wire_user_decode(&u, buf, n));
	ck_assert(!memcmp(&user, &u, sizeof(u)));

	ck_assert_int_eq(0, wire_place_encode(buf, sizeof(buf), &n, &place));
	ck_assert_int_eq(0, wire_place_decode(&pl, buf, n));
	ck_assert_int_eq(WIRE_GRANT, pl.verdict);
	ck_assert_str_eq("m1", pl.server);
	ck_assert_str_eq("127.0.0.1:5060", pl.contact);
	ck_assert_uint_eq(7, pl.room);
	ck_assert_uint_eq(8, pl.roomseq);
	ck_assert_uint_eq(9, pl.unused);
	ck_assert_uint_eq(10, pl.seq);

	/* granted, but where? it would become part of a URI */
	place.contact[0] = '>';
	ck_assert_int_eq(0, wire_place_encode(buf, sizeof(buf), &n, &place));
	ck_assert_int_eq(EBADMSG, wire_place_decode(&pl, buf, n));
	place.contact[0] = place.server[0] = '\0';
	ck_assert_int_eq(0, wire_place_encode(buf, sizeof(buf), &n, &place));
	ck_assert_int_eq(EBADMSG, wire_place_decode(&pl, buf, n));
	place.verdict = WIRE_OUT;
	ck_assert_int_eq(0, wire_place_encode(buf, sizeof(buf), &n, &place));
	ck_assert_int_eq(0, wire_place_decode(&pl, buf, n));

	ck_assert_int_eq(0, wire_plan_encode(buf, sizeof(buf), &n, &plan));
	ck_assert_int_eq(0, wire_plan_decode(&p, buf, n));
	ck_assert(!memcmp(&plan, &p, sizeof(p)));
}
END_TEST


static void join_handler(const struct willcall_join *j, void *arg)
{
	struct mbuf *mb = arg;

	(void)mbuf_write_mem(mb, (const uint8_t *)j->conference,
			     j->conferencelen);
	(void)mbuf_write_u8(mb, '/');
	(void)mbuf_write_mem(mb, (const uint8_t *)j->user, j->userlen);
	(void)mbuf_write_u8(mb, '/');
	(void)mbuf_write_mem(mb, (const uint8_t *)j->account, j->accountlen);
	(void)mbuf_write_u8(mb, ' ');
}


START_TEST(test_wire_reserve)
{
	const struct wire_reserve reserve = { true, MEDIA_AUDIO, 77, true };
	struct willcall_join j = { "c", 1, "u@h", 3, "a", 1, 0 };
	struct mbuf *mb = mbuf_alloc(64);
	struct wire_reserve r;
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n, len;
	unsigned joinc;

	ck_assert_int_eq(0, wire_reserve_encode(buf, sizeof(buf), &n,
						&reserve));
	ck_assert_int_eq(0, wire_reserve_decode(&r, &joinc, buf, n,
						NULL, NULL));
	ck_assert_uint_eq(0, joinc);

	ck_assert_int_eq(0, wire_join_encode(buf + n, sizeof(buf) - n, &len,
					     &j));
	n += len;
	j.userlen = j.accountlen = 0;
	ck_assert_int_eq(0, wire_join_encode(buf + n, sizeof(buf) - n, &len,
					     &j));
	n += len;
	ck_assert_int_eq(0, wire_reserve_decode(&r, &joinc, buf, n,
						join_handler, mb));
	ck_assert_uint_eq(2, joinc);
	ck_assert(r.create);
	ck_assert_uint_eq(MEDIA_AUDIO, r.media);
	ck_assert_uint_eq(77, r.least);
	ck_assert(r.release);
	(void)mbuf_write_u8(mb, 0);
	ck_assert_str_eq("c/u@h/a c// ", (char *)mb->buf);

	ck_assert_int_eq(EOVERFLOW, wire_join_encode(buf, 5, &len, &j));
	j.conferencelen = CLIENT_CONFERENCE_MAX;
	ck_assert_int_eq(EINVAL, wire_join_encode(buf, sizeof(buf), &len,
						  &j));
	mem_deref(mb);
}
END_TEST


#define MSG(s) (const uint8_t *)s, sizeof(s) - 1

static const struct {
	const uint8_t *buf;
	size_t len;
	int err;
} claimv[] = {
	{MSG("\x01\x02\x01\x00\x01" "c\x02\x00\x01" "s\x03\x00\x01\x01"), 0},
	/* no number is zero, and what is not known is skipped */
	{MSG("\x01\x02\x01\x00\x01" "c\x02\x00\x01" "s\x03\x00\x00"
	     "\x09\x00\x02xx"), 0},
	{MSG(""), EBADMSG},
	{MSG("\x01"), EBADMSG},
	{MSG("\x02\x02"), EPROTO},
	{MSG("\x01\x01\x01\x00\x01" "c\x02\x00\x01" "s\x03\x00\x00"), EBADMSG},
	/* incomplete */
	{MSG("\x01\x02"), EBADMSG},
	{MSG("\x01\x02\x01\x00\x01" "c\x02\x00\x01" "s"), EBADMSG},
	{MSG("\x01\x02\x01\x00\x01" "c\x03\x00\x00"), EBADMSG},
	/* twice, out of order */
	{MSG("\x01\x02\x01\x00\x01" "c\x01\x00\x01" "c\x02\x00\x01" "s"
	     "\x03\x00\x00"), EBADMSG},
	{MSG("\x01\x02\x02\x00\x01" "s\x01\x00\x01" "c\x03\x00\x00"), EBADMSG},
	/* tag 0 */
	{MSG("\x01\x02\x00\x00\x00\x01\x00\x01" "c\x02\x00\x01" "s"
	     "\x03\x00\x00"), EBADMSG},
	/* cut, in the head and in the value */
	{MSG("\x01\x02\x01\x00"), EBADMSG},
	{MSG("\x01\x02\x01\x00\x05" "c"), EBADMSG},
	{MSG("\x01\x02\x01\xff\xff" "c"), EBADMSG},
	/* bad values: empty, control character, zero inside, number */
	{MSG("\x01\x02\x01\x00\x00\x02\x00\x01" "s\x03\x00\x00"), EBADMSG},
	{MSG("\x01\x02\x01\x00\x01\n\x02\x00\x01" "s\x03\x00\x00"), EBADMSG},
	{MSG("\x01\x02\x01\x00\x02" "c\x00\x02\x00\x01" "s\x03\x00\x00"),
	 EBADMSG},
	{MSG("\x01\x02\x01\x00\x01" "c\x02\x00\x01" "s\x03\x00\x01\x02"),
	 EBADMSG},
	{MSG("\x01\x02\x01\x00\x01" "c\x02\x00\x01" "s\x03\x00\x01\x00"),
	 EBADMSG},
	{MSG("\x01\x02\x01\x00\x01" "c\x02\x00\x01" "s\x03\x00\x09"
	     "\x01\x01\x01\x01\x01\x01\x01\x01\x01"), EBADMSG},
};


START_TEST(test_wire_rejects)
{
	struct wire_claim c;

	ck_assert_int_eq(claimv[_i].err,
			 wire_claim_decode(&c, claimv[_i].buf,
					   claimv[_i].len));
}
END_TEST


START_TEST(test_wire_too_long)
{
	uint8_t buf[WIRE_SMALL_MAX];
	struct wire_server s = server;
	struct wire_claim c;
	size_t n, i;

	/* every cut of a good message is bad, but for what older servers do
	   not say */
	ck_assert_int_eq(0, wire_server_encode(buf, sizeof(buf), &n, &s));
	for (i=0; i<n; i++) {
		const int err = wire_server_decode(&s, buf, i);

		if (i == n - 11 || i == n - 11 - 3 - strlen(server.other)) {
			ck_assert_int_eq(0, err);
			ck_assert_str_eq(server.contact, s.contact);
			ck_assert_str_eq(i == n - 11 ? server.other : "",
					 s.other);
			ck_assert_uint_eq(0, s.tally);
		}
		else {
			ck_assert_int_ne(0, err);
		}
	}
	for (i=0; i<n; i++)
		ck_assert_int_eq(EOVERFLOW, wire_server_encode(buf, i, &n,
							       &server));

	/* a name without room for its final zero */
	buf[0] = 1;
	buf[1] = WIRE_CLAIM;
	buf[2] = 1;
	buf[3] = 0;
	buf[4] = 128;
	memset(buf + 5, 'a', 128);
	memcpy(buf + 5 + 128, "\x02\x00\x01s\x03\x00\x00", 7);
	ck_assert_int_eq(EBADMSG, wire_claim_decode(&c, buf, 5 + 128 + 7));

	/* a contact that would end the URI it becomes part of */
	s = server;
	str_ncpy(s.contact, "h>\r\nX: y", sizeof(s.contact));
	ck_assert_int_eq(0, wire_server_encode(buf, sizeof(buf), &n, &s));
	ck_assert_int_eq(EBADMSG, wire_server_decode(&s, buf, n));
	s = server;
	str_ncpy(s.other, "h>\r\nX: y", sizeof(s.other));
	ck_assert_int_eq(0, wire_server_encode(buf, sizeof(buf), &n, &s));
	ck_assert_int_eq(EBADMSG, wire_server_decode(&s, buf, n));
	s = server;
	s.state = 0;
	ck_assert_int_eq(0, wire_server_encode(buf, sizeof(buf), &n, &s));
	ck_assert_int_eq(EBADMSG, wire_server_decode(&s, buf, n));
}
END_TEST


static void count_handler(const struct willcall_join *j, void *arg)
{
	unsigned *n = arg;

	(void)j;
	++*n;
}


START_TEST(test_wire_join_rejects)
{
#define HEAD "\x01\x03\x01\x00\x00\x02\x00\x01\x01"
	static const struct {
		const uint8_t *buf;
		size_t len;
	} msgv[] = {
		{MSG(HEAD "\xff\x00\x00")},
		{MSG(HEAD "\xff\x00\x02\x01" "c")},
		{MSG(HEAD "\xff\x00\x04\x01" "c\x01" "u")},
		{MSG(HEAD "\xff\x00\x05\x00\x01" "u\x01" "a")},
		{MSG(HEAD "\xff\x00\x05\x01" "c\x09" "u\x00")},
		{MSG(HEAD "\xff\x00\x05\x01" "c\x00\x00\x00")},
		{MSG(HEAD "\xff\x00\x05\x01\n\x01" "u\x00")},
		{MSG("\x01\x03\xff\x00\x04\x01" "c\x00\x00")},
		{MSG("\x01\x03\xff\x00\x04\x01" "c\x00\x00" "\x01\x00\x00")},
	};
	struct wire_reserve r;
	unsigned joinc, n = 0;
	size_t i;

	for (i=0; i<ARRAY_SIZE(msgv); i++)
		ck_assert_int_eq(EBADMSG,
				 wire_reserve_decode(&r, &joinc, msgv[i].buf,
						     msgv[i].len,
						     count_handler, &n));
}
END_TEST


static void said_handler(const char *name, size_t namelen, uint32_t n,
			 void *arg)
{
	(void)mbuf_printf(arg, "%b %u;", name, namelen, n);
}


START_TEST(test_wire_counts)
{
	const struct wire_counts counts = { "media-1", 65535, 70000 };
	struct mbuf *mb = mbuf_alloc(64);
	char name[CLIENT_CONFERENCE_MAX + 1];
	struct wire_counts c;
	uint8_t buf[WIRE_SMALL_MAX];
	size_t n, len, i;

	ck_assert_int_eq(0, wire_counts_encode(buf, sizeof(buf), &n,
					       &counts));
	ck_assert_int_eq(0, wire_counts_decode(&c, buf, n, NULL, NULL));
	ck_assert(!memcmp(&counts, &c, sizeof(c)));

	ck_assert_int_eq(0, wire_count_encode(buf + n, sizeof(buf) - n, &len,
					      "stand up", UINT32_MAX));
	n += len;
	ck_assert_int_eq(0, wire_count_encode(buf + n, sizeof(buf) - n, &len,
					      "c", 0x01020304));
	n += len;
	ck_assert_int_eq(0, wire_counts_decode(&c, buf, n, said_handler, mb));
	(void)mbuf_write_u8(mb, 0);
	ck_assert_str_eq("stand up 4294967295;c 16909060;", (char *)mb->buf);

	/* the longest name, and one too long */
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(EINVAL, wire_count_encode(buf, sizeof(buf), &len,
						   name, 1));
	name[sizeof(name) - 2] = '\0';
	for (i=0; i<4 + 3 + strlen(name); i++)
		ck_assert_int_eq(EOVERFLOW, wire_count_encode(buf, i, &len,
							      name, 1));
	ck_assert_int_eq(0, wire_count_encode(buf, WIRE_COUNT_MAX, &len, name,
					      1));
	ck_assert_int_eq(EINVAL, wire_count_encode(buf, sizeof(buf), &len, "",
						   1));
	ck_assert_int_eq(EINVAL, wire_count_encode(buf, sizeof(buf), &len,
						   NULL, 1));
	mem_deref(mb);
}
END_TEST


START_TEST(test_wire_counts_rejects)
{
#define COUNTS "\x01\x08\x01\x00\x01" "s\x02\x00\x00\x03\x00\x00"
	static const struct {
		const uint8_t *buf;
		size_t len;
		int err;
	} msgv[] = {
		{MSG(COUNTS), 0},
		{MSG(COUNTS "\xff\x00\x05\x00\x00\x00\x01" "c"), 0},
		/* what is not known is skipped */
		{MSG(COUNTS "\x04\x00\x01x"), 0},
		{MSG(""), EBADMSG},
		{MSG("\x02\x08"), EPROTO},
		{MSG("\x01\x07\x01\x00\x01" "s\x02\x00\x00\x03\x00\x00"),
		 EBADMSG},
		/* incomplete, nobody's */
		{MSG("\x01\x08\x01\x00\x01" "s\x02\x00\x00"), EBADMSG},
		{MSG("\x01\x08\x01\x00\x00\x02\x00\x00\x03\x00\x00"),
		 EBADMSG},
		/* leads back, or nowhere */
		{MSG("\x01\x08\x01\x00\x01" "s\x02\x00\x01\x05"
		     "\x03\x00\x01\x05"), EBADMSG},
		{MSG("\x01\x08\x01\x00\x01" "s\x02\x00\x01\x05"
		     "\x03\x00\x01\x04"), EBADMSG},
		{MSG("\x01\x08\x01\x00\x01" "s\x02\x00\x01\x05"
		     "\x03\x00\x05\x01\x00\x00\x00\x00"), EBADMSG},
		/* conferences: no number, no name, a bad one, cut */
		{MSG(COUNTS "\xff\x00\x00"), EBADMSG},
		{MSG(COUNTS "\xff\x00\x03\x00\x00\x01"), EBADMSG},
		{MSG(COUNTS "\xff\x00\x04\x00\x00\x00\x01"), EBADMSG},
		{MSG(COUNTS "\xff\x00\x05\x00\x00\x00\x01\n"), EBADMSG},
		{MSG(COUNTS "\xff\x00\x06\x00\x00\x00\x01" "c"), EBADMSG},
	};
	struct wire_counts c;
	size_t i;

	for (i=0; i<ARRAY_SIZE(msgv); i++)
		ck_assert_int_eq(msgv[i].err,
				 wire_counts_decode(&c, msgv[i].buf,
						    msgv[i].len, NULL, NULL));
}
END_TEST


TCase *case_wire(void)
{
	TCase *tc = tcase_create("wire");

	tcase_add_test(tc, test_wire_there_and_back);
	tcase_add_test(tc, test_wire_reserve);
	tcase_add_loop_test(tc, test_wire_rejects, 0, ARRAY_SIZE(claimv));
	tcase_add_test(tc, test_wire_too_long);
	tcase_add_test(tc, test_wire_join_rejects);
	tcase_add_test(tc, test_wire_counts);
	tcase_add_test(tc, test_wire_counts_rejects);

	return tc;
}
