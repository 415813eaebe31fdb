/* bench: SIP and RTP load, measured and checked. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"

enum { EXIT_BAD = 3 };          /* measured, but not all went well */

struct command {
	const char *name;
	int (*run)(struct bench *b);
	struct opts defaults;
};

#define COMMON .outstanding = 64, .joinrate = 200, .bitrate = 24000, \
	.ptime = 20, .payload = 160, .hangup = 1, .conf = "bench%d"
#define TIMES .warmup = 2, .seconds = 10, .timeout = 32

static const struct command commandv[] = {
	{"redirect", bench_redirect,
	 {COMMON, TIMES, .count = 100000, .parts = 1, .conferences = 1}},
	{"firstjoin", bench_firstjoin,
	 {COMMON, TIMES, .count = 20000, .parts = 1, .conferences = 1}},
	{"conference", bench_conference,
	 {COMMON, TIMES, .parts = 200, .conferences = 1, .talkers = 2}},
	{"latency", bench_latency,
	 {COMMON, TIMES, .parts = 4, .conferences = 5, .talkers = 2}},
	{"join", bench_join,
	 {COMMON, TIMES, .count = 1000, .rate = 100, .parts = 1,
	  .conferences = 10}},
	{"storm", bench_storm,
	 {COMMON, TIMES, .count = 1000, .rate = 500, .rounds = 5, .parts = 1,
	  .conferences = 10, .settle = 40}},
	{"move", bench_move,
	 {COMMON, TIMES, .parts = 200, .conferences = 1, .talkers = 2,
	  .before = 5, .tones = true}},
	{"failover", bench_failover,
	 {COMMON, .rate = 200, .seconds = 15, .before = 5, .timeout = 2,
	  .retry = 500, .retries = 20, .parts = 1, .conferences = 10}},
	{"spread", bench_spread,
	 {COMMON, .count = 92, .seconds = 31, .timeout = 32, .parts = 1,
	  .conferences = 10}},
	/* servers write down who has come at a rate of their own */
	{"idle", bench_idle,
	 {COMMON, .parts = 10, .conferences = 1000, .seconds = 30,
	  .warmup = 15, .timeout = 32}},
	{"floor", bench_floor,
	 {COMMON, TIMES, .count = 100000, .parts = 1000, .conferences = 1}},
};


static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commandv) / sizeof(commandv[0]); i++) {
		if (!strcmp(commandv[i].name, name))
			return &commandv[i];
	}

	return NULL;
}


/* The sample lies beside the sources, or beside an installed program. */
static void speech_find(struct opts *o)
{
	char exe[PATH_MAX];
	ssize_t n;
	char *slash;

	if (o->speech[0])
		return;

	snprintf(o->speech, sizeof(o->speech), "%s", SPEECH_WAV);
	if (!access(o->speech, R_OK))
		return;

	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n <= 0)
		return;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (slash && (size_t)(slash - exe) + 12 < sizeof(o->speech))
		snprintf(o->speech, sizeof(o->speech), "%.*s/speech.wav",
			 (int)(slash - exe), exe);
}


static int command_run(const struct command *cmd, int argc, char **argv)
{
	struct bench b = {.o = cmd->defaults};
	int err;

	addr_parse(&b.o.to, "127.0.0.1:5060", 14);
	b.o.tov[0] = b.o.to;
	b.o.toc = 1;
	if (opts_parse(&b.o, argc, argv, stderr))
		return EXIT_FAILURE;

	if (cmd->run == bench_join || cmd->run == bench_storm ||
	    cmd->run == bench_spread) {
		if (b.o.count > PARTS_MAX) {
			fprintf(stderr, "--count: at most %d here\n",
				PARTS_MAX);
			return EXIT_FAILURE;
		}
	}
	speech_find(&b.o);

	err = result_alloc(&b.res, cmd->name);
	if (!err)
		err = cmd->run(&b);
	if (err)
		fprintf(stderr, "bench %s: %s\n", cmd->name, strerror(err));
	else
		result_print(b.res, b.o.json, stdout);
	result_free(b.res);

	return err ? EXIT_FAILURE : b.failed ? EXIT_BAD : EXIT_SUCCESS;
}


int main(int argc, char **argv)
{
	const struct command *cmd;

	if (argc < 2) {
		fputs(usage_text, stderr);
		return EXIT_FAILURE;
	}

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(usage_text, stdout);
			return EXIT_SUCCESS;
		}
	}

	cmd = command_find(argv[1]);
	if (!cmd) {
		fprintf(stderr, "%s: no such command; see bench --help\n",
			argv[1]);
		return EXIT_FAILURE;
	}

	return command_run(cmd, argc - 2, argv + 2);
}
