/**
 * @file tests/noc/client.c  The client as every service sees it
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "test.h"


struct host {
	unsigned accepts, rejects;
	uint16_t scode;
	char contact[64];
};


static int accept_h(struct client *cl, const struct media_desc *answer)
{
	struct host *host = client_arg(cl);

	++host->accepts;

	return answer ? 0 : EPROTO;
}


static int reject_h(struct client *cl, uint16_t scode, const char *reason)
{
	struct host *host = client_arg(cl);

	++host->rejects;
	host->scode = scode;

	return 0;
}


static int dispatch_h(struct client *cl, const char *contact)
{
	struct host *host = client_arg(cl);

	str_ncpy(host->contact, contact, sizeof(host->contact));

	return 0;
}


static const struct client_ops ops = {
	.accept = accept_h,
	.reject = reject_h,
	.dispatch = dispatch_h,
};


START_TEST(test_client_life)
{
	struct host host;
	char conf[8] = "c";
	struct join join = {
		.callid = "id", .conference = conf, .account = NULL,
		.user = "u@h", .name = "U", .info = "x", .ticket = "",
	};
	struct client *cl;

	memset(&host, 0, sizeof(host));
	ck_assert_int_eq(0, client_alloc(&cl, &ops, &join, &host));
	conf[0] = 'd';
	ck_assert_str_eq("c", client_join(cl)->conference);
	ck_assert_str_eq("", client_join(cl)->account);
	ck_assert_str_eq("u@h", client_join(cl)->user);
	ck_assert_ptr_eq(cl, client_join(cl)->client);

	ck_assert_int_eq(EPROTO, client_accept(cl, NULL));
	ck_assert_int_eq(0, client_reject(cl, 404, NULL));
	ck_assert_uint_eq(404, host.scode);
	ck_assert_int_eq(EINVAL, client_reject(cl, 200, NULL));
	ck_assert_int_eq(EINVAL, client_reject(cl, 700, NULL));
	ck_assert_int_eq(0, client_dispatch(cl, "sip:c@h"));
	ck_assert_str_eq("sip:c@h", host.contact);
	ck_assert_int_eq(EINVAL, client_dispatch(cl, ""));
	ck_assert_int_eq(ENOSYS, client_bye(cl, 0, NULL));
	ck_assert_int_eq(ENOSYS, client_text(cl, NULL, "text/plain", "x"));

	client_gone(cl);
	ck_assert_ptr_null(client_arg(cl));
	ck_assert_int_eq(ENOTCONN, client_accept(cl, NULL));
	ck_assert_int_eq(ENOTCONN, client_reject(cl, 404, NULL));
	ck_assert_int_eq(ENOTCONN, client_dispatch(cl, "sip:c@h"));
	ck_assert_int_eq(ENOTCONN, client_text(cl, NULL, "text/plain", "x"));
	ck_assert_int_eq(ENOTCONN, client_roster(cl, "<x/>", false));
	ck_assert_int_eq(ENOTCONN, client_bye(cl, 0, NULL));
	ck_assert_int_eq(ENOTCONN, client_trace(cl, true));
	ck_assert_uint_eq(1, host.accepts);
	ck_assert_uint_eq(1, host.rejects);
	ck_assert_str_eq("c", client_join(cl)->conference);
	mem_deref(cl);
}
END_TEST


START_TEST(test_client_bounds)
{
	char s[CLIENT_CALLID_MAX + 1];
	struct join join = { .conference = s };
	struct client *cl = NULL;

	memset(s, 'a', sizeof(s));
	s[CLIENT_CONFERENCE_MAX] = '\0';
	ck_assert_int_eq(EOVERFLOW, client_alloc(&cl, &ops, &join, NULL));
	ck_assert_ptr_null(cl);
	s[CLIENT_CONFERENCE_MAX - 1] = '\0';
	ck_assert_int_eq(0, client_alloc(&cl, &ops, &join, NULL));
	mem_deref(cl);

	/* what only describes is cut, between characters */
	memset(s, 'a', sizeof(s));
	memcpy(s + CLIENT_USER_MAX - 2, "\xc3\xa4", 3);
	join.conference = "c";
	join.name = s;
	ck_assert_int_eq(0, client_alloc(&cl, &ops, &join, NULL));
	ck_assert_uint_eq(CLIENT_USER_MAX - 2,
			  strlen(client_join(cl)->name));
	mem_deref(cl);

	ck_assert_int_eq(EINVAL, client_alloc(NULL, &ops, &join, NULL));
	ck_assert_int_eq(EINVAL, client_alloc(&cl, NULL, &join, NULL));
	ck_assert_int_eq(EINVAL, client_accept(NULL, NULL));
}
END_TEST


TCase *case_client(void)
{
	TCase *tc = tcase_create("client");

	tcase_add_test(tc, test_client_life);
	tcase_add_test(tc, test_client_bounds);

	return tc;
}
