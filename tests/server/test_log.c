/**
 * @file test_log.c  Log records from many threads, and the writer's files
 */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <sys/stat.h>
#include <check.h>
#include <re.h>
#include "server/log.h"
#include "server/logwriter.h"


enum { THREADS = 4, LINES = 2000 };

static char dir[64];


struct seen {
	struct log_record rec;
	char service[32], callid[300], text[16384];
	unsigned n;
};


static void seen_h(const struct log_record *rec, void *arg)
{
	struct seen *seen = arg;

	++seen->n;
	seen->rec = *rec;
	str_ncpy(seen->service, rec->service, sizeof(seen->service));
	str_ncpy(seen->callid, rec->callid ? rec->callid : "(null)",
		 sizeof(seen->callid));
	str_ncpy(seen->text, rec->text, sizeof(seen->text));
}


START_TEST(test_record)
{
	struct seen seen = {.n = 0}, trace = {.n = 0};
	struct log_sink *sink, *sink2;

	ck_assert_int_eq(0, log_sink_add(&sink, LOG_KIND_EVENT, seen_h,
					 &seen));
	ck_assert_int_eq(0, log_sink_add(&sink2, LOG_KIND_TRACE, seen_h,
					 &trace));

	log_event(LOG_NOTICE, "dispatch", "id@host", "%d of %s\n", 7, "x");
	ck_assert_uint_eq(1, seen.n);
	ck_assert_int_eq(LOG_KIND_EVENT, seen.rec.kind);
	ck_assert_int_eq(LOG_NOTICE, seen.rec.level);
	ck_assert_str_eq("dispatch", seen.service);
	ck_assert_str_eq("id@host", seen.callid);
	ck_assert_str_eq("7 of x", seen.text);
	ck_assert_uint_gt(seen.rec.usec, 1600000000ull * 1000000);

	log_event(LOG_INFO, NULL, "", "x");
	ck_assert_str_eq("-", seen.service);
	ck_assert_str_eq("(null)", seen.callid);

	/* one record is one line, whatever is in it */
	log_event(LOG_INFO, "s", "a\nb", "1\r\n2\t\x01\x7f\xc3\xa4\n");
	ck_assert_str_eq("1\\r\\n2\\t\\x01\\x7f\xc3\xa4", seen.text);
	ck_assert_str_eq("a\\nb", seen.callid);
	ck_assert_uint_eq(0, trace.n);

	mem_deref(sink);
	log_event(LOG_DEBUG, "s", NULL, "nobody hears");
	ck_assert_uint_eq(3, seen.n);
	mem_deref(sink2);
}
END_TEST


START_TEST(test_long)
{
	struct seen seen = {.n = 0};
	struct log_sink *sink;
	char big[20000], id[1000];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	memset(id, '\n', sizeof(id));
	id[sizeof(id) - 1] = '\0';

	ck_assert_int_eq(0, log_sink_add(&sink, LOG_KIND_EVENT, seen_h,
					 &seen));
	log_event(LOG_INFO, "s", id, "%s", big);
	ck_assert_uint_eq(8191, strlen(seen.text));
	ck_assert_uint_le(strlen(seen.callid), 255);
	mem_deref(sink);
}
END_TEST


START_TEST(test_trace)
{
	struct seen seen = {.n = 0};
	struct log_sink *sink;
	char name[16];
	unsigned i;

	log_trace_set("mesh", true);
	ck_assert(!log_trace_wanted("mesh"));       /* nobody listens */

	ck_assert_int_eq(0, log_sink_add(&sink, LOG_KIND_TRACE, seen_h,
					 &seen));
	ck_assert(log_trace_wanted("mesh"));
	ck_assert(!log_trace_wanted("siphost"));
	ck_assert(!log_trace_wanted(NULL));

	log_trace("mesh", "c", "x %d", 1);
	log_trace("siphost", NULL, "y");
	ck_assert_uint_eq(1, seen.n);
	ck_assert_int_eq(LOG_KIND_TRACE, seen.rec.kind);
	ck_assert_str_eq("x 1", seen.text);

	log_trace_set("*", true);
	ck_assert(log_trace_wanted("siphost"));
	log_trace_set("*", false);
	ck_assert(!log_trace_wanted("siphost"));
	log_trace_set("mesh", false);
	log_trace_set("mesh", false);
	ck_assert(!log_trace_wanted("mesh"));

	/* bounded: what does not fit is not traced, and nothing breaks */
	for (i = 0; i < 100; i++) {
		re_snprintf(name, sizeof(name), "s%u", i);
		log_trace_set(name, true);
	}
	ck_assert(log_trace_wanted("s31"));
	ck_assert(!log_trace_wanted("s32"));
	for (i = 0; i < 100; i++) {
		re_snprintf(name, sizeof(name), "s%u", i);
		log_trace_set(name, false);
	}
	ck_assert(!log_trace_wanted("s31"));

	mem_deref(sink);
}
END_TEST


START_TEST(test_level)
{
	enum log_level level = LOG_DEBUG;

	ck_assert_int_eq(0, log_level_decode(&level, "error"));
	ck_assert_int_eq(LOG_ERROR, level);
	ck_assert_int_eq(0, log_level_decode(&level, "debug"));
	ck_assert_int_eq(LOG_DEBUG, level);
	ck_assert_int_eq(EINVAL, log_level_decode(&level, "Error"));
	ck_assert_int_eq(EINVAL, log_level_decode(&level, ""));
	ck_assert_int_eq(EINVAL, log_level_decode(&level, NULL));
}
END_TEST


START_TEST(test_sink_level)
{
	struct seen few = {.n = 0}, many = {.n = 0}, trace = {.n = 0};
	struct log_sink *sink, *sink2, *sink3;

	/* without a sink what is bad goes to standard error */
	ck_assert(log_event_wanted(LOG_WARN));
	ck_assert(!log_event_wanted(LOG_NOTICE));

	ck_assert_int_eq(0, log_sink_add(&sink, LOG_KIND_EVENT, seen_h,
					 &few));
	ck_assert_int_eq(0, log_sink_add(&sink2, LOG_KIND_EVENT, seen_h,
					 &many));
	ck_assert_int_eq(0, log_sink_add(&sink3, LOG_KIND_TRACE, seen_h,
					 &trace));
	log_sink_level(sink, LOG_ERROR);
	ck_assert(log_event_wanted(LOG_DEBUG));
	log_sink_level(sink2, LOG_INFO);
	ck_assert(!log_event_wanted(LOG_DEBUG));
	ck_assert(log_event_wanted(LOG_INFO));

	log_event(LOG_DEBUG, "s", NULL, "x");
	log_event(LOG_INFO, "s", NULL, "x");
	log_event(LOG_ERROR, "s", NULL, "x");
	ck_assert_uint_eq(1, few.n);
	ck_assert_uint_eq(2, many.n);

	/* traces have no level */
	log_trace_set("s", true);
	log_trace("s", NULL, "x");
	log_trace_set("s", false);
	ck_assert_uint_eq(1, trace.n);

	mem_deref(sink2);
	ck_assert(!log_event_wanted(LOG_WARN));
	mem_deref(sink);
	ck_assert(log_event_wanted(LOG_WARN));
	mem_deref(sink3);
}
END_TEST


static void dir_setup(void)
{
	re_snprintf(dir, sizeof(dir), "/tmp/junctor-log-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}


static void dir_teardown(void)
{
	static const char *const namev[] = {"a", "b", "pipe"};
	char path[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(namev); i++) {
		re_snprintf(path, sizeof(path), "%s/%s", dir, namev[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}


static char *file_text(const char *name)
{
	char path[128];
	char *text = calloc(1, 4 * 1024 * 1024);
	FILE *f;

	re_snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	(void)fread(text, 1, 4 * 1024 * 1024 - 1, f);
	fclose(f);

	return text;
}


static void target(struct logwriter *lw, const char *name)
{
	char path[128];

	re_snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_eq(0, logwriter_target(lw, path, false));
}


/* The writer has a thread of its own: wait for what it is to write. */
static void file_await(const char *name, const char *want)
{
	unsigned i;

	for (i = 0; i < 60000; i++) {
		char *text = file_text(name);
		const bool found = strstr(text, want) != NULL;

		free(text);
		if (found)
			return;
		usleep(1000);
	}

	ck_abort_msg("%s never came", want);
}


static void put_h(const struct log_record *rec, void *arg)
{
	logwriter_put(arg, rec);
}


START_TEST(test_writer)
{
	struct log_record rec = {
		.level = LOG_NOTICE, .service = "mesh", .callid = "c@h",
		.text = "hello", .usec = 1795363203004005ull,
	};
	struct logwriter *lw;
	char *text;

	ck_assert_int_eq(0, logwriter_alloc(&lw, LOGWRITER_QUEUE_MIN));
	logwriter_put(lw, &rec);          /* waits for the first target */
	target(lw, "a");
	rec.callid = NULL;
	rec.kind = LOG_KIND_TRACE;
	logwriter_put(lw, &rec);
	mem_deref(lw);

	text = file_text("a");
	ck_assert_str_eq("2026-11-22T16:00:03.004Z notice mesh c@h hello\n"
			 "2026-11-22T16:00:03.004Z trace mesh - hello\n",
			 text);
	free(text);
}
END_TEST


START_TEST(test_writer_rejects)
{
	struct logwriter *lw = NULL;

	ck_assert_int_eq(EINVAL, logwriter_alloc(&lw, 100));
	ck_assert_int_eq(EINVAL, logwriter_alloc(&lw,
						 LOGWRITER_QUEUE_MAX + 1));
	ck_assert_int_eq(0, logwriter_alloc(&lw, LOGWRITER_QUEUE_MIN));
	ck_assert_int_eq(ENOENT, logwriter_target(lw, "/nonexistent/x",
						  false));
	mem_deref(lw);
}
END_TEST


START_TEST(test_reopen)
{
	struct log_record rec = {
		.level = LOG_ERROR, .service = "s", .text = "one",
	};
	struct logwriter *lw;
	char from[128], to[128];
	unsigned i;
	char *text;

	ck_assert_int_eq(0, logwriter_alloc(&lw, LOGWRITER_QUEUE_MIN));
	target(lw, "a");
	logwriter_put(lw, &rec);
	file_await("a", "one\n");

	/* as a log rotation does: move away, then say so */
	re_snprintf(from, sizeof(from), "%s/a", dir);
	re_snprintf(to, sizeof(to), "%s/b", dir);
	ck_assert_int_eq(0, rename(from, to));
	rec.text = "two";
	logwriter_put(lw, &rec);
	target(lw, "a");

	/* from here on lines are in the new file, and only there; whether
	   the writer has come round yet or not */
	rec.text = "three";
	logwriter_put(lw, &rec);
	ck_assert_int_eq(0, logwriter_target(lw, NULL, false));
	rec.text = "nowhere";
	logwriter_put(lw, &rec);
	for (i = 0; i < 100; i++)
		target(lw, "a");
	mem_deref(lw);

	text = file_text("b");
	ck_assert_ptr_nonnull(strstr(text, "one\n"));
	ck_assert_ptr_nonnull(strstr(text, "two\n"));
	ck_assert_ptr_null(strstr(text, "three"));
	free(text);
	text = file_text("a");
	ck_assert_str_eq("1970-01-01T00:00:00.000Z error s - three\n", text);
	free(text);
}
END_TEST


static void *logging_thread(void *arg)
{
	const int id = *(const int *)arg;
	unsigned i;

	for (i = 0; i < LINES; i++) {
		log_event(LOG_INFO, "t", NULL, "thread %d line %u", id, i);
		log_trace_set("t", i & 1);
		(void)log_trace_wanted("t");
	}

	return NULL;
}


START_TEST(test_threads)
{
	pthread_t tv[THREADS];
	int idv[THREADS];
	unsigned next[THREADS] = {0};
	struct log_sink *sink, *other;
	struct seen seen = {.n = 0};
	struct logwriter *lw;
	char *text, *p;
	int i;

	ck_assert_int_eq(0, logwriter_alloc(&lw, 4 * 1024 * 1024));
	target(lw, "a");
	ck_assert_int_eq(0, log_sink_add(&sink, LOG_KIND_EVENT, put_h, lw));

	for (i = 0; i < THREADS; i++) {
		idv[i] = i;
		ck_assert_int_eq(0, pthread_create(&tv[i], NULL,
						   logging_thread, &idv[i]));
	}
	/* sinks come and go meanwhile */
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(0, log_sink_add(&other, LOG_KIND_TRACE,
						 seen_h, &seen));
		mem_deref(other);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(tv[i], NULL);

	mem_deref(sink);
	ck_assert_uint_eq(0, logwriter_dropped(lw));
	mem_deref(lw);

	/* every line of every thread, whole and in its order */
	text = file_text("a");
	for (p = text; *p; p = strchr(p, '\n') + 1) {
		unsigned line;
		int id;

		ck_assert_int_eq(2, sscanf(strstr(p, "thread"),
					   "thread %d line %u\n", &id,
					   &line));
		ck_assert_int_lt(id, THREADS);
		ck_assert_uint_eq(next[id], line);
		++next[id];
	}
	for (i = 0; i < THREADS; i++)
		ck_assert_uint_eq(LINES, next[i]);
	free(text);
}
END_TEST


START_TEST(test_drop)
{
	struct log_record rec = {.level = LOG_INFO, .service = "s"};
	static char big[4000];
	char path[128], buf[4096];
	struct logwriter *lw;
	bool told = false;
	ssize_t n;
	int fd, i;

	/* a pipe that nobody reads: the slowest of disks */
	re_snprintf(path, sizeof(path), "%s/pipe", dir);
	ck_assert_int_eq(0, mkfifo(path, 0600));
	fd = open(path, O_RDWR | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);

	memset(big, 'x', sizeof(big) - 1);
	rec.text = big;
	ck_assert_int_eq(0, logwriter_alloc(&lw, LOGWRITER_QUEUE_MIN));
	ck_assert_int_eq(0, logwriter_target(lw, path, false));

	for (i = 0; i < 200; i++)
		logwriter_put(lw, &rec);
	ck_assert_uint_gt(logwriter_dropped(lw), 100);

	/* once somebody reads, the log says what is missing */
	for (i = 0; i < 60000 && !told; i++) {
		n = read(fd, buf, sizeof(buf) - 1);
		if (n < 0) {
			ck_assert_int_eq(EAGAIN, errno);
			usleep(1000);
			continue;
		}
		buf[n] = '\0';
		told = strstr(buf, "log lines dropped") != NULL;
	}
	ck_assert(told);

	mem_deref(lw);
	close(fd);
}
END_TEST


START_TEST(test_stuck)
{
	struct log_record rec = {.level = LOG_INFO, .service = "s"};
	static char big[4000];
	struct logwriter *lw;
	char path[128];
	int fd, i;

	/* a reader that never comes must not keep the server from ending */
	re_snprintf(path, sizeof(path), "%s/pipe", dir);
	ck_assert_int_eq(0, mkfifo(path, 0600));
	fd = open(path, O_RDWR | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);

	memset(big, 'x', sizeof(big) - 1);
	rec.text = big;
	ck_assert_int_eq(0, logwriter_alloc(&lw, 256 * 1024));
	ck_assert_int_eq(0, logwriter_target(lw, path, false));
	for (i = 0; i < 60; i++)
		logwriter_put(lw, &rec);

	mem_deref(lw);
	close(fd);
}
END_TEST


int main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log"), *tw = tcase_create("writer");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, test_record);
	tcase_add_test(tc, test_long);
	tcase_add_test(tc, test_trace);
	tcase_add_test(tc, test_level);
	tcase_add_test(tc, test_sink_level);
	suite_add_tcase(s, tc);

	tcase_add_checked_fixture(tw, dir_setup, dir_teardown);
	tcase_set_timeout(tw, 30);
	tcase_add_test(tw, test_writer);
	tcase_add_test(tw, test_writer_rejects);
	tcase_add_test(tw, test_reopen);
	tcase_add_test(tw, test_threads);
	tcase_add_test(tw, test_drop);
	tcase_add_test(tw, test_stuck);
	suite_add_tcase(s, tw);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
