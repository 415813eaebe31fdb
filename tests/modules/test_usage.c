/**
 * @file test_usage.c  Usage records: written, read, and closed after a crash
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>
#include <check.h>
#include <re.h>
#include "usage/db.h"
#include "mortal.h"


static char dir[] = "/tmp/junctor-usage-XXXXXX";
static char file[64];


static void setup(void)
{
	memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)re_snprintf(file, sizeof file, "%s/usage.db", dir);
}


static void teardown(void)
{
	char cmd[96];

	(void)re_snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}


static void push(struct usage_store *s, enum usage_what what, unsigned id,
		 uint64_t sec)
{
	struct usage_leg leg = {
		.what = what, .id = id,
		.account = "acme", .conference = "room", .user = "Alice",
		.from = "sip:alice@a", .to = "sip:room@srv",
		.callid = "abc", .media = "PCMU", .cause = "bye",
		.join_usec = sec * 1000000, .leave_usec = sec * 1000000 + 5,
		.packets_in = 50, .packets_out = 49, .lost_in = 1,
		.jitter = 1500,
	};

	(void)re_snprintf(leg.leg, sizeof leg.leg, "leg-%u", id);
	ck_assert_int_eq(usage_store_push(s, &leg), 0);
}


static struct odict *read_all(const struct usage_filter *f)
{
	struct usage_store *s;
	struct odict *od;

	ck_assert_int_eq(usage_store_alloc(&s, &usage_sqlite, file, "reader",
					   false), 0);
	ck_assert_int_eq(odict_alloc(&od, 32), 0);
	ck_assert_int_eq(usage_store_read(s, f, od), 0);
	mem_deref(s);

	return od;
}


static const struct odict *record(const struct odict *od, unsigned ix)
{
	const struct le *le = od->lst.head;

	while (ix--)
		le = le->next;

	return ((struct odict_entry *)le->data)->u.odict;
}


START_TEST(one_record_per_leg)
{
	const struct usage_filter all = {.limit = 100};
	const struct odict *rec;
	struct usage_store *s;
	struct odict *od;
	uint64_t n;

	ck_assert_int_eq(usage_store_alloc(&s, &usage_sqlite, file, "srv",
					   false), 0);
	push(s, USAGE_JOIN, 1, 1000);
	push(s, USAGE_LEAVE, 1, 1000);
	mem_deref(s);

	od = read_all(&all);
	ck_assert_uint_eq(odict_count(od, false), 1);
	rec = record(od, 0);
	ck_assert_str_eq(odict_string(rec, "account"), "acme");
	ck_assert_str_eq(odict_string(rec, "from"), "sip:alice@a");
	ck_assert_str_eq(odict_string(rec, "to"), "sip:room@srv");
	ck_assert_str_eq(odict_string(rec, "cause"), "bye");
	ck_assert(odict_get_number(rec, &n, "leave_time"));
	ck_assert_uint_eq(n, 1000000005);
	ck_assert(odict_get_number(rec, &n, "packets_in"));
	ck_assert_uint_eq(n, 50);
	mem_deref(od);
}
END_TEST


START_TEST(filters)
{
	struct usage_filter f = {.limit = 3};
	struct usage_store *s;
	struct odict *od;

	ck_assert_int_eq(usage_store_alloc(&s, &usage_sqlite, file, "srv",
					   false), 0);
	for (unsigned i = 1; i <= 10; i++) {
		push(s, USAGE_JOIN, i, 1000 + i);
		push(s, USAGE_LEAVE, i, 1000 + i);
	}
	mem_deref(s);

	od = read_all(&f);
	ck_assert_uint_eq(odict_count(od, false), 3);
	mem_deref(od);

	f = (struct usage_filter){
		.limit = 100, .from_sec = 1003, .to_sec = 1006};
	od = read_all(&f);
	ck_assert_uint_eq(odict_count(od, false), 3);
	mem_deref(od);

	f = (struct usage_filter){.limit = 100, .after = 8};
	od = read_all(&f);
	ck_assert_uint_eq(odict_count(od, false), 2);
	mem_deref(od);

	f = (struct usage_filter){.limit = 100, .account = "acm"};
	od = read_all(&f);
	ck_assert_uint_eq(odict_count(od, false), 0);
	mem_deref(od);
}
END_TEST


/* A run that dies with a leg open, in a process of its own. */
static void die_with_open_leg(void)
{
	const pid_t pid = fork();
	int st;

	if (!pid) {
		struct usage_db_ops ops;
		struct usage_store *s;

		mortal_ops(&ops);
		if (usage_store_alloc(&s, &ops, file, "srv", false))
			_exit(1);
		push(s, USAGE_JOIN, 1, 1000);
		push(s, USAGE_JOIN, 2, 1000);
		push(s, USAGE_LEAVE, 2, 1000);
		mortal_end(s);
	}

	ck_assert_int_eq(waitpid(pid, &st, 0), pid);
	ck_assert_int_eq(st, 0);
}


START_TEST(crash_closes_at_last_heartbeat)
{
	const struct usage_filter all = {.limit = 100};
	struct usage_store *s;
	struct odict *od;
	uint64_t left;

	die_with_open_leg();

	/* Another server's start closes nothing of ours ... */
	od = read_all(&all);
	ck_assert_uint_eq(odict_count(od, false), 2);
	ck_assert_int_eq(odict_lookup(record(od, 0), "leave_time")->type,
			 ODICT_NULL);
	mem_deref(od);

	/* ... our own next one does. */
	ck_assert_int_eq(usage_store_alloc(&s, &usage_sqlite, file, "srv",
					   false), 0);
	mem_deref(s);

	od = read_all(&all);
	ck_assert(odict_get_number(record(od, 0), &left, "leave_time"));
	ck_assert_uint_gt(left, 1700000000000000ULL);
	ck_assert_str_eq(odict_string(record(od, 0), "cause"),
			 "server died");
	ck_assert_str_eq(odict_string(record(od, 1), "cause"), "bye");
	mem_deref(od);
}
END_TEST


/* The record goes with the leg: away, and perhaps back again. */
START_TEST(moves_away_and_back)
{
	const struct usage_filter all = {.limit = 100};
	struct usage_store *s;
	struct odict *od;
	uint64_t n;

	ck_assert_int_eq(usage_store_alloc(&s, &usage_sqlite, file, "srv",
					   false), 0);
	push(s, USAGE_JOIN, 1, 1000);
	push(s, USAGE_JOIN, 2, 1000);
	push(s, USAGE_JOIN, 3, 1000);
	push(s, USAGE_LEAVE, 3, 1000);
	push(s, USAGE_MOVED, 1, 1000);
	push(s, USAGE_MOVED, 2, 1000);
	/* one that has left is a record, whoever asks for it */
	push(s, USAGE_MOVED, 3, 1000);
	push(s, USAGE_JOIN, 2, 1000);
	push(s, USAGE_JOIN, 2, 1000);
	push(s, USAGE_LEAVE, 2, 1000);
	mem_deref(s);

	od = read_all(&all);
	ck_assert_uint_eq(odict_count(od, false), 2);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(odict_get_number(record(od, i), &n, "leave_time"));
		ck_assert_str_eq(odict_string(record(od, i), "cause"),
				 "bye");
	}
	mem_deref(od);
}
END_TEST


static void leg_h(const char *leg, void *arg)
{
	ck_assert_str_eq(leg, "leg-1");
	++*(unsigned *)arg;
}


/* Others may have what an earlier run left open: it stays until that is
   known. */
START_TEST(kept_open_until_known)
{
	const struct usage_filter all = {.limit = 100};
	struct usage_store *s;
	struct odict *od;
	unsigned n = 0;
	uint64_t left;

	die_with_open_leg();
	ck_assert_int_eq(usage_store_alloc(&s, &usage_sqlite, file, "srv",
					   true), 0);
	push(s, USAGE_JOIN, 7, 1000);
	ck_assert_int_eq(usage_store_earlier(s, leg_h, &n), 0);
	ck_assert_uint_eq(n, 1);
	push(s, USAGE_DIED, 1, 0);
	/* not of an earlier run */
	push(s, USAGE_DIED, 7, 0);
	mem_deref(s);

	od = read_all(&all);
	ck_assert_uint_eq(odict_count(od, false), 3);
	ck_assert_str_eq(odict_string(record(od, 0), "cause"),
			 "server died");
	ck_assert(odict_get_number(record(od, 0), &left, "leave_time"));
	ck_assert_int_eq(odict_lookup(record(od, 2), "leave_time")->type,
			 ODICT_NULL);
	mem_deref(od);
}
END_TEST


/* A file of an earlier version knows no names of legs. */
START_TEST(earlier_version)
{
	const struct usage_filter all = {.limit = 100};
	struct odict *od;
	char cmd[1000];

	(void)re_snprintf(cmd, sizeof cmd, "sqlite3 %s \"CREATE TABLE legs ("
		"seq INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL,"
		" id INTEGER NOT NULL, account TEXT, conference TEXT,"
		" user TEXT, 'from' TEXT, 'to' TEXT, callid TEXT,"
		" join_time INTEGER, leave_time INTEGER, media TEXT,"
		" packets_in INTEGER, packets_out INTEGER, lost_in INTEGER,"
		" lost_out INTEGER, jitter_us INTEGER, cause TEXT,"
		" UNIQUE (run, id)); INSERT INTO legs (run, id, conference,"
		" join_time) VALUES (5, 1, 'old', 7), (5, 2, 'old', 8)\"",
		file);
	if (system(cmd))
		return;              /* no sqlite3 here */

	od = read_all(&all);
	ck_assert_uint_eq(odict_count(od, false), 2);
	ck_assert_str_eq(odict_string(record(od, 1), "conference"), "old");
	mem_deref(od);
}
END_TEST


/* A database that is away for a while: its batch is written again. */

static _Atomic unsigned failures;    /* read by the writer's thread */


static int commit_fails(struct usage_db *db)
{
	if (failures) {
		--failures;
		return EIO;
	}

	return usage_sqlite.commit(db);
}


/* Whether a leg is written, and closed */
static bool is_closed(struct usage_store *s, unsigned ix)
{
	const struct usage_filter all = {.limit = 100};
	struct odict *od;
	uint64_t left;
	bool yes;

	ck_assert_int_eq(odict_alloc(&od, 32), 0);
	ck_assert_int_eq(usage_store_read(s, &all, od), 0);
	yes = odict_count(od, false) > ix &&
		odict_get_number(record(od, ix), &left, "leave_time");
	mem_deref(od);

	return yes;
}


START_TEST(written_again)
{
	const struct usage_filter all = {.limit = 100};
	struct usage_db_ops ops = usage_sqlite;
	struct usage_store *s;
	struct odict *od;

	failures = 1;
	ops.commit = commit_fails;
	ck_assert_int_eq(usage_store_alloc(&s, &ops, file, "srv", false), 0);
	push(s, USAGE_JOIN, 1, 1000);
	for (unsigned i = 0; i < 20000 && failures; i++)
		(void)usleep(1000);
	ck_assert_uint_eq(failures, 0);
	push(s, USAGE_LEAVE, 1, 1000);
	for (unsigned i = 0; i < 20000 && !is_closed(s, 0); i++)
		(void)usleep(1000);
	failures = 1;
	push(s, USAGE_JOIN, 2, 1000);
	mem_deref(s);
	ck_assert_uint_eq(failures, 0);

	od = read_all(&all);
	ck_assert_uint_eq(odict_count(od, false), 2);
	ck_assert_str_eq(odict_string(record(od, 0), "cause"), "bye");
	mem_deref(od);
}
END_TEST


START_TEST(not_a_database)
{
	struct usage_store *s = NULL;
	FILE *f = fopen(file, "w");

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < 1000; i++)
		fputs("this is no database ", f);
	fclose(f);

	ck_assert_int_eq(usage_store_alloc(&s, &usage_sqlite, file, "srv",
					   false), EIO);
	ck_assert_ptr_null(s);
	ck_assert_int_eq(usage_store_alloc(&s, &usage_sqlite,
					   "/nonexistent/x.db", "srv", false),
			 EIO);
}
END_TEST


int main(void)
{
	Suite *su = suite_create("usage");
	TCase *tc = tcase_create("usage");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_record_per_leg);
	tcase_add_test(tc, filters);
	tcase_add_test(tc, crash_closes_at_last_heartbeat);
	tcase_add_test(tc, moves_away_and_back);
	tcase_add_test(tc, kept_open_until_known);
	tcase_add_test(tc, earlier_version);
	tcase_add_test(tc, written_again);
	tcase_add_test(tc, not_a_database);
	tcase_set_timeout(tc, 120);
	suite_add_tcase(su, tc);

	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed != 0;
}
