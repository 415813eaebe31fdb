/**
 * @file test_baresip.c  A stock phone follows its call from one server to
 *                       another, and both can end it there
 *
 * Both servers run in this process, the phone in one of its own. The test is
 * skipped where it is not installed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <check.h>
#include <re.h>
#include "fixture.h"
#include "sip/dialogtext.h"

enum { SKIPPED = 77 };

/* One server: its stack, and where it hears RTP. */
struct side {
	struct fix fx;
	struct sa rtp;
	int fd;
	unsigned packets;
	char sdp[512];
	size_t sdplen;
};

struct test {
	struct side a, b;
	struct sipcall *call;      /* at b                                  */
	char dir[64];
	pid_t pid;
	int keys;                  /* the phone's keyboard                  */
};

static const char config[] =
	"module_path\t/usr/lib/baresip/modules\n"
	"module\tstdio.so\n"
	"module\tg711.so\n"
	"module\taubridge.so\n"
	"module_tmp\tuuid.so\n"
	"module_tmp\taccount.so\n"
	"module_app\tmenu.so\n"
	"sip_listen\t127.0.0.1:0\n"
	"net_interface\t127.0.0.1\n"
	"audio_source\taubridge,x\n"
	"audio_player\taubridge,x\n"
	"rtp_timeout\t0\n";


static void file_write(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)re_snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}


static void side_open(struct side *s, const char *addr, unsigned ver)
{
	socklen_t len = sizeof(s->rtp.u);
	struct sa any;
	int n;

	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(s->fd, 0);
	ck_assert(!sa_set_str(&any, addr, 0));
	ck_assert_int_eq(bind(s->fd, &any.u.sa, any.len), 0);
	sa_init(&s->rtp, AF_INET);
	ck_assert_int_eq(getsockname(s->fd, &s->rtp.u.sa, &len), 0);

	n = re_snprintf(s->sdp, sizeof(s->sdp),
			"v=0\r\no=- 77 %u IN IP4 %s\r\ns=-\r\n"
			"c=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/AVP 0\r\n"
			"a=rtpmap:0 PCMU/8000\r\n", ver, addr, addr,
			sa_port(&s->rtp));
	ck_assert_int_gt(n, 0);
	s->sdplen = (size_t)n;
}


static void side_read(struct side *s)
{
	char buf[2048];

	while (recv(s->fd, buf, sizeof(buf), 0) > 0)
		++s->packets;
}


static void phone_start(struct test *t, bool tcp)
{
	char dial[96];
	int fds[2];

	(void)re_snprintf(dial, sizeof(dial), "d sip:silent@%J%s",
			  &t->a.fx.laddr, tcp ? ";transport=tcp" : "");
	str_ncpy(t->dir, "/tmp/test_baresip.XXXXXX", sizeof(t->dir));
	ck_assert_ptr_nonnull(mkdtemp(t->dir));
	file_write(t->dir, "config", config);
	file_write(t->dir, "contacts", "");
	file_write(t->dir, "accounts", tcp ? "<sip:phone@127.0.0.1;transport="
		   "tcp>;regint=0;audio_codecs=PCMU\n" :
		   "<sip:phone@127.0.0.1>;regint=0;audio_codecs=PCMU\n");
	ck_assert_int_eq(pipe(fds), 0);

	t->pid = fork();
	ck_assert_int_ge(t->pid, 0);
	t->keys = fds[1];
	if (t->pid) {
		(void)close(fds[0]);
		return;
	}

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(fds[0], 0) < 0 || close(fds[1]) ||
	    dup2(open("/dev/null", O_WRONLY), 1) < 0 || dup2(1, 2) < 0 ||
	    chdir(t->dir))
		_exit(127);
	execlp("baresip", "baresip", "-f", t->dir, "-t", "120", "-e", dial,
	       (char *)NULL);
	_exit(127);
}


/* Until this was told */
static bool wait_told(struct test *t, const struct fix *fx, const char *word)
{
	for (int i = 0; i < PHONE_LIMIT / 10 && !strstr(fx->log, word); i++) {
		loop_run(10);
		side_read(&t->a);
		side_read(&t->b);
	}

	return strstr(fx->log, word) != NULL;
}


/* Until ten more packets have come there */
static void packets_wait(struct test *t, const struct side *s)
{
	t->a.packets = t->b.packets = 0;
	for (int i = 0; i < PHONE_LIMIT / 10 && s->packets < 10; i++) {
		loop_run(10);
		side_read(&t->a);
		side_read(&t->b);
	}
	ck_assert_uint_ge(s->packets, 10);
}


static void begin(struct test *t, bool tcp)
{
	struct sipstack_conf conf;

	memset(t, 0, sizeof(*t));
	fix_conf(&conf, "127.0.0.1");
	fix_open(&t->a.fx, &conf);
	fix_conf(&conf, "127.0.0.2");
	fix_start(&t->b.fx, &conf);
	side_open(&t->a, "127.0.0.1", 1);
	side_open(&t->b, "127.0.0.2", 2);
	phone_start(t, tcp);

	ck_assert(wait_told(t, &t->a.fx, "join"));
	ck_assert(!sipcall_accept(t->a.fx.call, t->a.sdp, t->a.sdplen));
	ck_assert(wait_told(t, &t->a.fx, "established"));
	packets_wait(t, &t->a);
}


/* The new server takes the call, the old one forgets it. */
static void move(struct test *t)
{
	struct dialogtext d;
	struct sipcall *call;

	ck_assert(!sipcall_freeze(t->a.fx.call));
	ck_assert(wait_told(t, &t->a.fx, "dialog"));
	ck_assert_int_eq(t->a.fx.err, 0);
	ck_assert(!dialogtext_decode(&d, t->a.fx.body,
				     strlen(t->a.fx.body)));
	ck_assert(!sipstack_adopt(t->b.fx.st, &call, &d));
	t->call = mem_ref(call);
	ck_assert(!sipcall_offer(call, t->b.sdp, t->b.sdplen));
	ck_assert(wait_told(t, &t->b.fx, "answer"));
	ck_assert(!sipcall_release(t->a.fx.call));

	/* its media follow, and no more go where they went */
	packets_wait(t, &t->b);
	packets_wait(t, &t->b);
	ck_assert_uint_eq(t->a.packets, 0);
	ck_assert(fix_idle(&t->a.fx));
	ck_assert_str_eq(t->b.fx.log, "answer");
}


static void end(struct test *t)
{
	char cmd[96];

	ck_assert(fix_idle(&t->b.fx));
	(void)kill(t->pid, SIGTERM);
	ck_assert_int_eq(waitpid(t->pid, NULL, 0), t->pid);
	(void)re_snprintf(cmd, sizeof(cmd), "rm -rf %s", t->dir);
	ck_assert_int_eq(system(cmd), 0);
	(void)close(t->keys);
	(void)close(t->a.fd);
	(void)close(t->b.fd);
	mem_deref(t->call);
	fix_stop(&t->b.fx);
	fix_close(&t->a.fx);
}


static void we_hang_up(bool tcp)
{
	struct test t;

	begin(&t, tcp);
	move(&t);
	ck_assert(!sipcall_bye(t.call, 0, NULL));
	ck_assert(wait_told(&t, &t.b.fx, "end:0"));
	end(&t);
}


static void phone_hangs_up(bool tcp)
{
	struct test t;

	begin(&t, tcp);
	move(&t);
	ck_assert_int_eq(write(t.keys, "b\n", 2), 2);
	ck_assert(wait_told(&t, &t.b.fx, "end:0"));
	end(&t);
}


START_TEST(baresip_our_bye)
{
	we_hang_up(_i);
}
END_TEST


START_TEST(baresip_its_bye)
{
	phone_hangs_up(_i);
}
END_TEST


/* Where its dialog cannot be taken over, it is asked to call there. What it
   says of Replaces is not looked at: it puts that into the request URI, and
   not as it was told. */
START_TEST(baresip_referred)
{
	struct test t;
	char uri[64];

	begin(&t, false);
	(void)re_snprintf(uri, sizeof(uri), "sip:silent@%J", &t.b.fx.laddr);
	ck_assert(!sipcall_refer(t.a.fx.call, uri));
	ck_assert(wait_told(&t, &t.b.fx, "join"));
	ck_assert(!sipcall_accept(t.b.fx.call, t.b.sdp, t.b.sdplen));
	ck_assert(wait_told(&t, &t.b.fx, "established"));
	ck_assert(wait_told(&t, &t.a.fx, "referred:200"));
	(void)sipcall_bye(t.a.fx.call, 0, NULL);
	ck_assert(wait_told(&t, &t.a.fx, "end"));
	ck_assert(fix_idle(&t.a.fx));
	ck_assert(!sipcall_bye(t.b.fx.call, 0, NULL));
	end(&t);
}
END_TEST


static Suite *baresip_suite(void)
{
	Suite *s = suite_create("baresip");
	TCase *tc = tcase_create("baresip");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, baresip_our_bye, 0, 2);
	tcase_add_loop_test(tc, baresip_its_bye, 0, 2);
	tcase_add_test(tc, baresip_referred);
	suite_add_tcase(s, tc);

	return s;
}


int main(void)
{
	SRunner *sr;
	int failed;

	if (access("/usr/bin/baresip", X_OK))
		return SKIPPED;

	sr = srunner_create(baresip_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);

	return failed ? 1 : 0;
}
