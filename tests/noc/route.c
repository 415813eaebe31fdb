/**
 * @file tests/noc/route.c  Where a client is sent, with a ticket
 */
#include <string.h>
#include <time.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/name.h"
#include "noc/willcall.h"
#include "noc/ticket.h"
#include "noc/route.h"
#include "tables.h"
#include "test.h"


static void wake_handler(void *arg)
{
	unsigned *n = arg;

	++*n;
}


static int lookup(struct route *r, const char *conf, const char *user,
		  const char *account, char *uri, size_t sz, size_t *len)
{
	const struct willcall_join j = {
		conf, strlen(conf), user, strlen(user), account,
		strlen(account), 0
	};

	return route_lookup(r, &j, false, uri, sz, len);
}


static void family(struct route *r, bool ipv6, const char *expected)
{
	const struct willcall_join j = { "a b", 3, "", 0, "", 0, 0 };
	char uri[NAME_URI_MAX];
	size_t len;

	ck_assert_int_eq(0, route_lookup(r, &j, ipv6, uri, sizeof(uri),
					 &len));
	ck_assert_msg(!strncmp(uri, expected, strlen(expected)), "%.*s",
		      (int)len, uri);
}


/* A client gets an address of the family that it came by, if there is one. */
static void families(struct route *r, struct tables *t)
{
	struct wire_server s = tables_report("a", MEDIA_AUDIO, 100);

	s.seq = 1000;
	family(r, true, "sip:a%20b@a.example:5060;ticket=");
	str_ncpy(s.contact, "192.0.2.1:5060", sizeof(s.contact));
	str_ncpy(s.other, "[2001:db8::1]:5062", sizeof(s.other));
	ck_assert_int_eq(0, tables_server_report(t, &s, tmr_jiffies()));
	family(r, false, "sip:a%20b@192.0.2.1:5060;ticket=");
	family(r, true, "sip:a%20b@[2001:db8::1]:5062;ticket=");

	str_ncpy(s.other, "192.0.2.1:5060", sizeof(s.other));
	str_ncpy(s.contact, "[2001:db8::1]:5062", sizeof(s.contact));
	++s.seq;
	ck_assert_int_eq(0, tables_server_report(t, &s, tmr_jiffies()));
	family(r, false, "sip:a%20b@192.0.2.1:5060;ticket=");
	family(r, true, "sip:a%20b@[2001:db8::1]:5062;ticket=");
	tables_release(t, "a", 5, tmr_jiffies());
}


START_TEST(test_route)
{
	static const uint8_t secret[32] = "secret";
	struct ticket_key *key;
	char uri[NAME_URI_MAX], account[CLIENT_ACCOUNT_MAX];
	struct ticket tk;
	struct tables *t;
	struct route *r;
	unsigned woken = 0;
	size_t len;

	ck_assert_int_eq(0, ticket_key_alloc(&key, secret, sizeof(secret)));
	ck_assert_int_eq(0, tables_alloc(&t, &tables_config));
	ck_assert_int_eq(0, route_alloc(&r, t, key, 30, wake_handler,
					&woken));
	ck_assert_int_eq(ENOENT, lookup(r, "a b", "u@h", "acme", uri,
					sizeof(uri), &len));
	{
		struct wire_server s = tables_report("a", MEDIA_AUDIO, 2);

		ck_assert_int_eq(0, tables_server_report(t, &s,
							 tmr_jiffies()));
	}
	ck_assert_int_eq(0, tables_conf_set(t, "a b", 3, "a"));
	ck_assert_int_eq(0, lookup(r, "a b", "u@h", "acme", uri, sizeof(uri),
				   &len));
	ck_assert_uint_eq(1, woken);
	ck_assert(!strncmp(uri, "sip:a%20b@a.example:5060;ticket=", 32));

	tk = (struct ticket){ .conference = "a b", .conferencelen = 3,
			      .user = "u@h", .userlen = 3,
			      .server = "a", .serverlen = 1 };
	ck_assert_int_eq(0, ticket_check(key, uri + 32, len - 32, &tk, account,
					 sizeof(account), time(NULL)));
	ck_assert_str_eq("acme", account);
	ck_assert_int_eq(ETIMEDOUT,
			 ticket_check(key, uri + 32, len - 32, &tk, account,
				      sizeof(account), time(NULL) + 31));

	ck_assert_int_eq(0, lookup(r, "a b", "", "", uri, sizeof(uri), &len));
	ck_assert_uint_eq(1, woken);
	ck_assert_int_eq(ENOSPC, lookup(r, "a b", "", "", uri, sizeof(uri),
					&len));
	ck_assert_int_eq(EINVAL, lookup(r, "", "", "", uri, sizeof(uri),
					&len));
	tables_release(t, "a", 2, tmr_jiffies());
	families(r, t);
	ck_assert_int_eq(EOVERFLOW, lookup(r, "a b", "", "", uri, 10, &len));
	mem_deref(r);
	mem_deref(t);
	mem_deref(key);
}
END_TEST


TCase *case_route(void)
{
	TCase *tc = tcase_create("route");

	tcase_add_test(tc, test_route);

	return tc;
}
