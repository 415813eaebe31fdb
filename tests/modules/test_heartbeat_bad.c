/**
 * @file test_heartbeat_bad.c  Heartbeats and records that are forged or broken
 *
 * ... and a process that does not run for a while.
 */
#include <string.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "noc/beat.h"
#include "noc/hmac.h"
#include "ghost.h"


static int forger_socket(void)
{
	struct sa sa;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(0, sa_set_str(&sa, "127.0.0.1", 0));
	ck_assert_int_eq(0, bind(fd, &sa.u.sa, sa.len));

	return fd;
}


/* Beats that are forged, replayed, held back or for somebody else keep
   nobody alive. */
START_TEST(test_forged)
{
	uint8_t secret[32] = {1}, buf[BEAT_LEN];
	struct hmac_key *key, *wrong;
	struct node_record self;
	struct beat beat;
	struct ghost g;
	struct sa sa;
	unsigned i;
	int fd;

	farm_open(&farm);
	start(0, "a");
	ghost_start(&g, "g", 7);
	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
	ck_assert_int_eq(0, hmac_key_alloc(&key, farm.key, 32, BEAT_LABEL));
	ck_assert_int_eq(0, hmac_key_alloc(&wrong, secret, 32, BEAT_LABEL));
	ck_assert_int_eq(0, api(0)->get(api(0)->hb, "a", self_found, &self));
	ck_assert_int_eq(0, sa_decode(&sa, self.beat, strlen(self.beat)));
	fd = forger_socket();

	ghost_die(&g);
	for (i=0; i<400 && !ears[0].down; i++) {
		beat = (struct beat){
			.type = BEAT_ALIVE, .from = 7, .to = self.instance,
			.seq = 100000 + i, .echo = 5,
		};
		switch (_i) {

		case 0:                         /* forged */
			beat.echo = 1000;
			beat_encode(buf, &beat, wrong);
			break;
		case 1:                         /* held back for long */
			beat_encode(buf, &beat, key);
			break;
		case 2:                         /* to somebody else */
			beat.to = 99;
			beat_encode(buf, &beat, key);
			break;
		case 3:                         /* replayed */
			beat.seq = 1;
			beat_encode(buf, &beat, key);
			break;
		default:                        /* noise */
			rand_bytes(buf, sizeof(buf));
			break;
		}

		ck_assert_int_eq(BEAT_LEN, sendto(fd, buf, BEAT_LEN, 0,
						  &sa.u.sa, sa.len));
		farm_nap(50);
	}
	ck_assert_uint_eq(1, ears[0].down);

	close(fd);
	mem_deref(key);
	mem_deref(wrong);
	all_end();
}
END_TEST


static void states_handler(unsigned ix, uint64_t instance,
			   enum beater_state st, bool bye, void *arg)
{
	enum beater_state *state = arg;
	(void)ix;
	(void)instance;
	(void)bye;

	*state = st;
}


static bool is_heard(void *arg)
{
	return *(enum beater_state *)arg == BEATER_HEARD;
}


static bool is_quiet(void *arg)
{
	return *(enum beater_state *)arg == BEATER_QUIET;
}


static bool is_silent(void *arg)
{
	return *(enum beater_state *)arg == BEATER_SILENT;
}


/* That a port is closed is a reason to ask at once, but no proof. */
START_TEST(test_refused)
{
	static const char *const addrv[] = {"127.0.0.1", "::1"};
	enum beater_state statev[2] = {BEATER_NEW, BEATER_NEW};
	struct beater *bv[2];
	struct beater_stats st;
	struct sa sav[2];
	unsigned i, ix;
	uint64_t t;
	int err;

	farm_open(&farm);
	for (i=0; i<2; i++) {
		struct beater_conf conf = {
			.secret = farm.key, .instance = 1 + i,
			.interval = 100, .timeout = 4000, .stuck = 60000,
		};

		ck_assert_int_eq(0, sa_set_str(&conf.laddr, addrv[_i], 0));
		err = beater_alloc(&bv[i], &conf, states_handler, &statev[i]);
		if (err == EADDRNOTAVAIL || err == EAFNOSUPPORT) {
			farm_close(&farm);          /* a host without IPv6 */
			return;
		}
		ck_assert_int_eq(0, err);
		ck_assert_int_eq(0, beater_laddr(bv[i], &sav[i]));
	}
	ck_assert_int_eq(0, beater_peer_add(bv[0], &ix, 2, &sav[1]));
	ck_assert_int_eq(0, beater_peer_add(bv[1], &ix, 1, &sav[0]));
	ck_assert(farm_wait(is_heard, &statev[0], LIMIT_MS));

	t = farm_clock();
	mem_deref(bv[1]);
	ck_assert(farm_wait(is_quiet, &statev[0], LIMIT_MS));
	/* by silence alone it would be after 4/7 of the time limit */
	ck_assert_uint_lt(farm_clock() - t, 2000000);
	ck_assert(farm_wait(is_silent, &statev[0], LIMIT_MS));
	ck_assert_uint_ge(farm_clock() - t, 2800000);
	beater_stats(bv[0], &st);
	ck_assert_uint_gt(st.refused, 0);
	ck_assert_uint_eq(0, st.bad);
	mem_deref(bv[0]);
	farm_close(&farm);
}
END_TEST


START_TEST(test_bad_records)
{
	static const char *const badv[] = {
		"", "{}", "x", "{\"name\":\"g\"}",
		"{\"name\":\"g\",\"instance\":\"0000000000000000\","
		"\"services\":[]}",
		"{\"name\":\"g\",\"instance\":\"1\",\"services\":[]}",
		"{\"name\":\"g\",\"instance\":\"000000000000000g\","
		"\"services\":[]}",
		"{\"name\":\"\",\"instance\":\"0000000000000007\","
		"\"services\":[]}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\"}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\","
		"\"services\":[\"A B\"]}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\","
		"\"services\":[1]}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\","
		"\"services\":[],\"beat\":\"127.0.0.1\"}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\","
		"\"services\":[],\"beat\":\"0.0.0.0:1\"}",
		"{\"name\":\"g\",\"instance\":\"0000000000000007\","
		"\"services\":[],\"sip\":\"a b\"}",
	};
	struct node_record rec;
	size_t i;

	for (i=0; i<ARRAY_SIZE(badv); i++) {
		ck_assert_msg(node_record_decode(&rec, (uint8_t *)badv[i],
						 strlen(badv[i])),
			      "taken: %s", badv[i]);
	}

	farm_open(&farm);
	start(0, "a");
	for (i=0; i<ARRAY_SIZE(badv); i++) {
		ck_assert_int_eq(0, bus_kv_put(NULL, farm.inner, "nodes", "g",
					       (uint8_t *)badv[i],
					       strlen(badv[i]), 0, NULL,
					       NULL));
		farm_nap(5);
	}
	farm_nap(50);
	ck_assert_int_eq(NODE_UNKNOWN, state(0, "g"));
	all_end();
}
END_TEST


static const uint8_t pause_key[32] = "the key of both of test_pause";


/* A server with the heartbeat in a process of its own, which is stopped for a
 * while: afterwards it does not call the others dead that lived on. */
static void paused_child(int fd, int from)
{
	struct ghost g;
	char beat[64];
	ssize_t n;

	farm_open(&farm);
	memcpy(farm.key, pause_key, sizeof(farm.key));
	start_timeout(0, "a", 1500);
	memset(&g, 0, sizeof(g));
	str_ncpy(g.rec.name, "g", sizeof(g.rec.name));
	g.rec.instance = 7;

	/* the address of the beater that runs in the parent */
	{
		struct node_record self;
		char line[128];

		ck_assert_int_eq(0, api(0)->get(api(0)->hb, "a", self_found,
						&self));
		re_snprintf(line, sizeof(line), "%016llx %s", self.instance,
			    self.beat);
		ck_assert_int_eq((ssize_t)sizeof(line),
				 write(fd, line, sizeof(line)));
	}
	n = read(from, beat, sizeof(beat));
	ck_assert_int_eq((ssize_t)sizeof(beat), n);
	str_ncpy(g.rec.beat, beat, sizeof(g.rec.beat));
	record_put(&g.rec, 0);
	farm_silence(&farm, &g.sub, "server.g.ping");

	ck_assert(farm_wait(one_up, NULL, LIMIT_MS));
	ck_assert_int_eq(1, write(fd, "u", 1));

	/* the parent stops us in here */
	(void)farm_wait(one_down, NULL, 3000);
	ck_assert_int_eq(1, write(fd, ears[0].down ? "d" : "l", 1));
	(void)farm_wait(one_down, NULL, LIMIT_MS);
	ck_assert_int_eq(1, write(fd, ears[0].down ? "d" : "l", 1));
	mem_deref(g.sub);
	all_end();
}


START_TEST(test_pause)
{
	struct beater_conf conf = {
		.instance = 7, .interval = 100, .timeout = 350,
		.stuck = 600000,
	};
	int to[2], from[2], status;
	struct beater *beater;
	char line[128], ch;
	uint64_t instance;
	unsigned ix;
	struct sa sa;
	char beat[64];
	pid_t pid;

	ck_assert_int_eq(0, pipe(to));
	ck_assert_int_eq(0, pipe(from));
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		close(to[1]);
		close(from[0]);
		paused_child(from[1], to[0]);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);

	ck_assert_int_eq((ssize_t)sizeof(line),
			 read(from[0], line, sizeof(line)));
	line[16] = '\0';
	ck_assert_int_eq(0, node_instance_decode(&instance, line));
	ck_assert_int_eq(0, libre_init());
	conf.secret = pause_key;
	ck_assert_int_eq(0, sa_set_str(&conf.laddr, "127.0.0.1", 0));
	ck_assert_int_eq(0, beater_alloc(&beater, &conf, ghost_beats, NULL));
	ck_assert_int_eq(0, beater_laddr(beater, &sa));
	memset(beat, 0, sizeof(beat));
	re_snprintf(beat, sizeof(beat), "%J", &sa);
	ck_assert_int_eq(0, sa_decode(&sa, line + 17, strlen(line + 17)));
	ck_assert_int_eq(0, beater_peer_add(beater, &ix, instance, &sa));
	ck_assert_int_eq((ssize_t)sizeof(beat),
			 write(to[1], beat, sizeof(beat)));

	ck_assert_int_eq(1, read(from[0], &ch, 1));
	ck_assert_int_eq('u', ch);
	usleep(300000);
	ck_assert_int_eq(0, kill(pid, SIGSTOP));
	usleep(2500000);
	ck_assert_int_eq(0, kill(pid, SIGCONT));

	/* nobody was judged */
	ck_assert_int_eq(1, read(from[0], &ch, 1));
	ck_assert_int_eq('l', ch);

	/* and it still can */
	mem_deref(beater);
	ck_assert_int_eq(1, read(from[0], &ch, 1));
	ck_assert_int_eq('d', ch);

	ck_assert_int_eq(pid, waitpid(pid, &status, 0));
	ck_assert_int_eq(0, status);
	close(to[1]);
	close(from[0]);
	libre_close();
}
END_TEST


int main(void)
{
	Suite *s = suite_create("heartbeat bad");
	TCase *tc = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, test_forged, 0, 5);
	tcase_add_loop_test(tc, test_refused, 0, 2);
	tcase_add_test(tc, test_bad_records);
	tcase_add_test(tc, test_pause);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
