/**
 * @file tests/noc/ticket.c  Tickets: good, forged, expired, for others
 */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
#include <openssl/hmac.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/ticket.h"
#include "test.h"


#define FIELD(s) s, sizeof(s) - 1

static const struct ticket good = {
	FIELD("standup"), FIELD("acme"), FIELD("alice@example.org"),
	FIELD("media-1"), 1000
};

static const uint8_t secret[32] = "0123456789abcdef0123456789abcde";


static struct ticket_key *key_make(void)
{
	struct ticket_key *key;

	ck_assert_int_eq(0, ticket_key_alloc(&key, secret, sizeof(secret)));

	return key;
}


static int check(const struct ticket_key *key, const char *text, size_t len,
		 struct ticket t, uint32_t now, char *account)
{
	char buf[CLIENT_ACCOUNT_MAX];
	int err;

	t.account = NULL;
	t.accountlen = 0;
	t.expires = 0;
	err = ticket_check(key, text, len, &t, buf, sizeof(buf), now);
	if (!err && account)
		memcpy(account, buf, sizeof(buf));

	return err;
}


START_TEST(test_ticket)
{
	struct ticket_key *key = key_make();
	char text[CLIENT_TICKET_MAX], account[CLIENT_ACCOUNT_MAX];
	size_t len, i;

	ck_assert_int_eq(0, ticket_make(key, &good, text, sizeof(text), &len));
	ck_assert_uint_lt(len, CLIENT_TICKET_MAX);
	for (i=0; i<len; i++)
		ck_assert(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"
				 "klmnopqrstuvwxyz0123456789-_", text[i]));

	ck_assert_int_eq(0, check(key, text, len, good, 999, account));
	ck_assert_str_eq("acme", account);
	ck_assert_int_eq(ETIMEDOUT, check(key, text, len, good, 1000, NULL));
	ck_assert_int_eq(ETIMEDOUT, check(key, text, len, good, 9999, NULL));
	mem_deref(key);
}
END_TEST


START_TEST(test_ticket_for_others)
{
	struct ticket_key *key = key_make(), *other;
	char text[CLIENT_TICKET_MAX];
	struct ticket t;
	size_t len;

	ck_assert_int_eq(0, ticket_make(key, &good, text, sizeof(text), &len));

	t = good;
	t.conference = "standuq";
	ck_assert_int_eq(EACCES, check(key, text, len, t, 1, NULL));
	t = good;
	t.conferencelen--;
	ck_assert_int_eq(EACCES, check(key, text, len, t, 1, NULL));
	t = good;
	t.user = "mallory@example.or";
	ck_assert_int_eq(EACCES, check(key, text, len, t, 1, NULL));
	t = good;
	t.server = "media-2";
	ck_assert_int_eq(EACCES, check(key, text, len, t, 1, NULL));

	/* the border between two strings is part of the ticket */
	t = good;
	t.conference = "standupa";
	t.conferencelen = 8;
	t.user = "lice@example.org";
	t.userlen = 16;
	ck_assert_int_eq(EACCES, check(key, text, len, t, 1, NULL));

	/* another NOC */
	ck_assert_int_eq(0, ticket_key_alloc(&other,
					     (const uint8_t *)
					     "another NOC's key", 17));
	ck_assert_int_eq(EACCES, check(other, text, len, good, 1, NULL));
	mem_deref(other);
	mem_deref(key);
}
END_TEST


START_TEST(test_ticket_forged)
{
	struct ticket_key *key = key_make();
	char text[CLIENT_TICKET_MAX + 8];
	size_t len, i;
	int err;

	ck_assert_int_eq(0, ticket_make(key, &good, text, sizeof(text), &len));

	for (i=0; i<len; i++) {
		const char c = text[i];

		text[i] = c == 'A' ? 'B' : 'A';
		err = check(key, text, len, good, 1, NULL);
		ck_assert(err == EACCES || err == EBADMSG);

		text[i] = '=';
		ck_assert_int_eq(EBADMSG, check(key, text, len, good, 1,
						NULL));
		text[i] = c;
	}

	for (i=0; i<len; i++) {
		err = check(key, text, i, good, 1, NULL);
		ck_assert(err == EACCES || err == EBADMSG);
	}

	memset(text + len, 'A', sizeof(text) - len);
	for (i=len + 1; i<sizeof(text); i++) {
		err = check(key, text, i, good, 1, NULL);
		ck_assert(err == EACCES || err == EBADMSG);
	}

	ck_assert_int_eq(EBADMSG, check(key, "", 0, good, 1, NULL));
	mem_deref(key);
}
END_TEST


START_TEST(test_ticket_bounds)
{
	struct ticket_key *key = key_make();
	char text[CLIENT_TICKET_MAX], s[CLIENT_CONFERENCE_MAX];
	char account[CLIENT_ACCOUNT_MAX];
	struct ticket t = good;
	size_t len;

	/* the longest of all fit */
	memset(s, 'x', sizeof(s));
	t.conference = t.account = t.user = s;
	t.conferencelen = CLIENT_CONFERENCE_MAX - 1;
	t.accountlen = CLIENT_ACCOUNT_MAX - 1;
	t.userlen = CLIENT_USER_MAX - 1;
	ck_assert_int_eq(0, ticket_make(key, &t, text, sizeof(text), &len));
	ck_assert_uint_lt(len, CLIENT_TICKET_MAX);
	ck_assert_int_eq(0, check(key, text, len, t, 1, account));
	ck_assert_uint_eq(CLIENT_ACCOUNT_MAX - 1, strlen(account));

	ck_assert_int_eq(EOVERFLOW, ticket_make(key, &t, text, 40, &len));

	t = good;
	t.conferencelen = 0;
	ck_assert_int_eq(EINVAL, ticket_make(key, &t, text, sizeof(text),
					     &len));
	t = good;
	t.conference = s;
	t.conferencelen = CLIENT_CONFERENCE_MAX;
	ck_assert_int_eq(EINVAL, ticket_make(key, &t, text, sizeof(text),
					     &len));
	t = good;
	t.accountlen = CLIENT_ACCOUNT_MAX;
	ck_assert_int_eq(EINVAL, ticket_make(key, &t, text, sizeof(text),
					     &len));
	t = good;
	t.userlen = CLIENT_USER_MAX;
	ck_assert_int_eq(EINVAL, ticket_make(key, &t, text, sizeof(text),
					     &len));

	/* nobody known, no account */
	t = good;
	t.userlen = t.accountlen = 0;
	ck_assert_int_eq(0, ticket_make(key, &t, text, sizeof(text), &len));
	ck_assert_int_eq(0, check(key, text, len, t, 1, account));
	ck_assert_str_eq("", account);
	ck_assert_int_eq(EACCES, check(key, text, len, good, 1, account));

	mem_deref(key);
}
END_TEST


/* The same code as the library's own HMAC, by the published layout */
START_TEST(test_ticket_code)
{
	static const uint8_t msg[] =
		"junctor ticket" "\x01" "\x00\x00\x03\xe8"
		"\x00\x07" "standup" "\x00\x04" "acme"
		"\x00\x11" "alice@example.org" "\x00\x07" "media-1";
	struct ticket_key *key = key_make();
	uint8_t md[32], raw[64];
	char text[CLIENT_TICKET_MAX];
	unsigned mdlen = sizeof(md);
	size_t len, n = sizeof(raw), i;

	ck_assert_int_eq(0, ticket_make(key, &good, text, sizeof(text), &len));
	for (i=0; i<len; i++) {
		if (text[i] == '-')
			text[i] = '+';
		else if (text[i] == '_')
			text[i] = '/';
	}
	while (len % 4)
		text[len++] = '=';
	ck_assert_int_eq(0, base64_decode(text, len, raw, &n));
	ck_assert_uint_eq(21 + 4, n);

	HMAC(EVP_sha256(), secret, sizeof(secret), msg, sizeof(msg) - 1, md,
	     &mdlen);
	ck_assert(!memcmp(raw, "\x01\x00\x00\x03\xe8", 5));
	ck_assert(!memcmp(raw + 5, md, 16));
	ck_assert(!memcmp(raw + 21, "acme", 4));
	mem_deref(key);
}
END_TEST


START_TEST(test_ticket_key_file)
{
	char dir[] = "/tmp/junctor-test-XXXXXX", file[64];
	char text[CLIENT_TICKET_MAX];
	struct ticket_key *a = NULL, *b = NULL;
	struct stat st;
	size_t len;
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	re_snprintf(file, sizeof(file), "%s/noc.key", dir);

	ck_assert_int_eq(0, ticket_key_load(&a, file));
	ck_assert_int_eq(0, stat(file, &st));
	ck_assert_uint_eq(0600, st.st_mode & 0777);
	ck_assert_int_eq(0, ticket_key_load(&b, file));

	ck_assert_int_eq(0, ticket_make(a, &good, text, sizeof(text), &len));
	ck_assert_int_eq(0, check(b, text, len, good, 1, NULL));
	a = mem_deref(a);

	/* others may read it */
	ck_assert_int_eq(0, chmod(file, 0640));
	ck_assert_int_eq(EPERM, ticket_key_load(&a, file));

	/* cut short */
	ck_assert_int_eq(0, chmod(file, 0600));
	ck_assert_int_eq(0, truncate(file, 31));
	ck_assert_int_eq(EBADMSG, ticket_key_load(&a, file));
	f = fopen(file, "a");
	ck_assert_ptr_nonnull(f);
	fputs("too long", f);
	fclose(f);
	ck_assert_int_eq(EBADMSG, ticket_key_load(&a, file));

	(void)unlink(file);
	ck_assert_int_eq(0, rmdir(dir));    /* no half-made file is left */
	ck_assert_int_eq(ENOENT, ticket_key_load(&a, file));
	ck_assert_ptr_null(a);
	mem_deref(b);
}
END_TEST


TCase *case_ticket(void)
{
	TCase *tc = tcase_create("ticket");

	tcase_add_test(tc, test_ticket);
	tcase_add_test(tc, test_ticket_for_others);
	tcase_add_test(tc, test_ticket_forged);
	tcase_add_test(tc, test_ticket_bounds);
	tcase_add_test(tc, test_ticket_code);
	tcase_add_test(tc, test_ticket_key_file);

	return tc;
}
