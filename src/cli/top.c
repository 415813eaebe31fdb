/**
 * @file top.c  What the server does, or all of a farm, second by second
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <re.h>
#include "cli/cli.h"

enum {
	ROWS       = 24,         /* of a terminal that does not say        */
	HEAD_ROWS  = 5,          /* above the conferences                  */
	PERIOD_MAX = 3600,       /* [s]                                    */
	SERVERS    = 256,        /* of a farm, that CPU time is kept of    */
};

/* a server of the farm at the last picture */
struct past {
	char name[64];
	double cpu;              /* [s]                                    */
};

struct top {
	struct cli *cli;
	bool tty;
	unsigned period;         /* [s]                                    */
	unsigned count;          /* pictures, 0: no end                    */
	double cpu;              /* of the server at the last picture [s]  */
	uint64_t when;           /* of the last picture [ms]               */
	struct past pastv[SERVERS];
	size_t pastc;
	int sigfd;               /* what would end us, or -1               */
	int sig;                 /* which one came, or 0                   */
};

static uint64_t number(const struct odict *od, const char *key)
{
	uint64_t v = 0;

	(void)odict_get_number(od, &v, key);
	return v;
}

static double real(const struct odict *od, const char *key)
{
	const struct odict_entry *e = odict_lookup(od, key);

	if (!e)
		return 0;

	return e->type == ODICT_DOUBLE ? e->u.dbl
		: e->type == ODICT_INT ? (double)e->u.integer : 0;
}

static uint64_t participants(const struct le *le)
{
	const struct odict_entry *e = le->data;

	return e->type == ODICT_OBJECT ? number(e->u.odict, "participants")
		: 0;
}

static bool busier(struct le *le1, struct le *le2, void *arg)
{
	(void)arg;

	return participants(le1) >= participants(le2);
}

static unsigned rows(void)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) || !ws.ws_row)
		return ROWS;

	return ws.ws_row;
}

static void status_print(struct top *t, const struct odict *st,
			 size_t confs, uint64_t parts)
{
	const uint64_t now = tmr_jiffies(), up = number(st, "uptime");
	const double cpu = real(st, "cpu");
	const char *name = odict_string(st, "name");
	const char *state = odict_string(st, "state");
	char load[32] = "-", title[128];

	/* the CPU time of the whole process, so 100 % is one core */
	if (t->when && now > t->when)
		(void)snprintf(load, sizeof(load), "%.1f %%",
			       (cpu - t->cpu) * 1e5 /
			       (double)(now - t->when));
	t->cpu  = cpu;
	t->when = now;

	(void)re_snprintf(title, sizeof(title), "%s  %s",
			  name ? name : "junctord", state ? state : "");
	text_clean(title);
	(void)printf("%s  ", title);
	(void)re_printf("up %H\n", duration_print, &up);
	(void)printf("CPU %s  memory %.1f MB  threads %u\n", load,
		     real(st, "memory") / 1048576,
		     (unsigned)number(st, "threads"));
	(void)printf("conferences %zu  participants %llu\n\n", confs,
		     (unsigned long long)parts);
}

/* Only as many rows as the terminal shows; all if it is a file. */
static void busiest_print(const struct top *t, struct odict *array,
			  unsigned head)
{
	const unsigned max = t->tty ? rows() : 0;
	struct le *le;
	unsigned n = 0;

	list_sort(&array->lst, busier, NULL);

	for (le = array->lst.head; le;) {
		struct odict_entry *e = le->data;

		le = le->next;
		if (max && ++n + head >= max)
			mem_deref(e);
	}

	if (array->lst.head)
		table_print(array);
}

/* CPU time since the last picture [%], -1: not known yet */
static double load_of(struct top *t, const char *name, double cpu,
		      uint64_t ms)
{
	struct past *p = NULL;
	double load = -1;
	size_t i;

	for (i = 0; i < t->pastc && !p; i++)
		if (!strcmp(t->pastv[i].name, name))
			p = &t->pastv[i];

	if (p && ms && cpu >= p->cpu)
		load = (cpu - p->cpu) * 1e5 / (double)ms;
	if (!p && t->pastc < SERVERS) {
		p = &t->pastv[t->pastc++];
		(void)re_snprintf(p->name, sizeof(p->name), "%s", name);
	}
	if (p)
		p->cpu = cpu;

	return load;
}

static void count_of(const struct odict *confs, const char *server,
		     unsigned *conferences, uint64_t *parts)
{
	struct le *le;

	*conferences = 0;
	*parts = 0;
	for (le = confs ? confs->lst.head : NULL; le; le = le->next) {
		const struct odict_entry *e = le->data;
		const char *at = e->type == ODICT_OBJECT
			? odict_string(e->u.odict, "server") : NULL;

		if (!at || strcmp(at, server))
			continue;
		++*conferences;
		*parts += participants(le);
	}
}

static void server_print(struct top *t, const struct odict *st,
			 const struct odict *confs, uint64_t ms)
{
	const char *server = odict_string(st, "server");
	const char *state = odict_string(st, "state");
	char name[64], word[32], load[16] = "-";
	unsigned conferences;
	uint64_t parts;
	double cpu;

	if (!server)
		return;

	cpu = load_of(t, server, real(st, "cpu"), ms);
	if (cpu >= 0)
		(void)snprintf(load, sizeof(load), "%.1f", cpu);
	count_of(confs, server, &conferences, &parts);

	(void)re_snprintf(name, sizeof(name), "%s", server);
	(void)re_snprintf(word, sizeof(word), "%s", state ? state : "");
	text_clean(name);
	text_clean(word);
	(void)printf("%-20s %-10s %6s %9.1f %11u %12llu\n", name, word, load,
		     real(st, "memory") / 1048576, conferences,
		     (unsigned long long)parts);
}

/* Returns the rows it has taken */
static unsigned farm_print(struct top *t, const struct odict *servers,
			   const struct odict *confs)
{
	const uint64_t now = tmr_jiffies();
	const uint64_t ms = t->when && now > t->when ? now - t->when : 0;
	unsigned n = 2;
	struct le *le;

	t->when = now;
	(void)printf("%-20s %-10s %6s %9s %11s %12s\n", "SERVER", "STATE",
		     "CPU %", "MEMORY MB", "CONFERENCES", "PARTICIPANTS");
	for (le = servers->lst.head; le; le = le->next) {
		const struct odict_entry *e = le->data;

		if (e->type != ODICT_OBJECT)
			continue;
		server_print(t, e->u.odict, confs, ms);
		++n;
	}
	(void)putchar('\n');

	return n;
}

/* For programs: a line with all that was answered */
static int json_print(const struct answer *st, const struct odict_entry *confs)
{
	struct odict *od = NULL;
	int err;

	err = odict_alloc(&od, 4);
	if (!err)
		err = odict_entry_add(od, "status", ODICT_OBJECT, st->od);
	if (!err && confs)
		err = odict_entry_add(od, "conferences", ODICT_ARRAY,
				      confs->u.odict);
	if (!err)
		(void)re_printf("%H\n", json_encode_odict, od);
	(void)fflush(stdout);
	mem_deref(od);

	return err ? CLI_FAILED : CLI_OK;
}

static int picture(struct top *t)
{
	struct answer st = {0}, confs = {0};
	const struct odict_entry *e = NULL, *farm;
	unsigned head = HEAD_ROWS;
	uint64_t parts = 0;
	struct le *le;
	int ret;

	ret = client_farm(t->cli, &st, "status", NULL);
	if (!ret && st.scode != 200) {
		cli_error("top: the server does not tell its status");
		ret = CLI_FAILED;
	}
	if (!ret)
		ret = client_farm(t->cli, &confs, "conferences", NULL);
	if (ret)
		goto out;

	/* a server without media has none */
	if (confs.scode == 200)
		e = odict_get_type(confs.od, ODICT_ARRAY, "conferences");
	if (t->cli->json) {
		ret = json_print(&st, e);
		goto out;
	}
	for (le = e ? e->u.odict->lst.head : NULL; le; le = le->next)
		parts += participants(le);

	if (t->tty)
		(void)fputs("\033[H\033[2J", stdout);
	farm = odict_get_type(st.od, ODICT_ARRAY, "servers");
	if (farm)
		head = farm_print(t, farm->u.odict, e ? e->u.odict : NULL);
	else
		status_print(t, st.od, e ? odict_count(e->u.odict, false) : 0,
			     parts);
	if (e)
		busiest_print(t, e->u.odict, head);
	if (!t->tty)
		(void)putchar('\n');
	(void)fflush(stdout);

 out:
	answer_reset(&st);
	answer_reset(&confs);
	return ret;
}

/* True if the operator wants to leave, or somebody ends us. */
static bool key_wait(struct top *t)
{
	struct pollfd pfdv[] = {
		{.fd = t->tty ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = t->sigfd, .events = POLLIN},
	};
	struct signalfd_siginfo si;
	char ch = 0;

	if (poll(pfdv, ARRAY_SIZE(pfdv), (int)t->period * 1000) <= 0)
		return false;

	if (pfdv[1].revents &&
	    read(t->sigfd, &si, sizeof(si)) == sizeof(si)) {
		t->sig = (int)si.ssi_signo;
		return true;
	}
	if (pfdv[0].revents && read(STDIN_FILENO, &ch, 1) <= 0)
		return true;

	return ch == 'q' || ch == 'Q' || ch == 3 || ch == 4;
}

/* What ends a program is kept until the terminal has been put back. */
static void signals_keep(struct top *t, sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGHUP);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGQUIT);

	if (sigprocmask(SIG_BLOCK, set, NULL))
		return;

	t->sigfd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->sigfd < 0)
		(void)sigprocmask(SIG_UNBLOCK, set, NULL);
}

/* Then it ends us as it would have. */
static void signals_give(struct top *t, const sigset_t *set)
{
	if (t->sigfd < 0)
		return;

	(void)close(t->sigfd);
	if (t->sig)
		(void)raise(t->sig);
	(void)sigprocmask(SIG_UNBLOCK, set, NULL);
}

static int loop(struct top *t)
{
	unsigned n = 0;
	int ret;

	for (;;) {
		ret = picture(t);
		if (ret || (t->count && ++n >= t->count) || key_wait(t))
			return ret;
	}
}

static int option_read(unsigned *v, const char *opt, const char *val,
		       unsigned max)
{
	if (!val || !val[0] || strspn(val, "0123456789") != strlen(val) ||
	    strlen(val) > 8 || strtoul(val, NULL, 10) < 1 ||
	    strtoul(val, NULL, 10) > max) {
		cli_error("top: %s needs a number from 1 to %u", opt, max);
		return CLI_USAGE;
	}

	*v = (unsigned)strtoul(val, NULL, 10);
	return CLI_OK;
}

/**
 * top [-n COUNT] [-d SECONDS]
 *
 * @param cli  Options
 * @param argc Number of arguments
 * @param argv Arguments
 *
 * @return Exit code
 */
int cmd_top(struct cli *cli, int argc, char **argv)
{
	struct top t = {.cli = cli, .period = 1, .sigfd = -1};
	struct termios old, raw;
	sigset_t set;
	int i, ret = CLI_OK;

	for (i = 0; i < argc && !ret; i += 2) {
		const char *val = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "-n"))
			ret = option_read(&t.count, "-n", val, 1000000);
		else if (!strcmp(argv[i], "-d"))
			ret = option_read(&t.period, "-d", val, PERIOD_MAX);
		else {
			cli_error("top: unknown option '%s'", argv[i]);
			ret = CLI_USAGE;
		}
	}
	if (ret)
		return ret;

	t.tty = !cli->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
		!tcgetattr(STDIN_FILENO, &old);

	signals_keep(&t, &set);
	if (t.tty) {
		/* keys at once and unseen; Ctrl-C is one of them, so that
		   the terminal is always put back */
		raw = old;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}

	ret = loop(&t);

	if (t.tty)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &old);
	signals_give(&t, &set);

	return ret;
}
