/* What the server costs, as the kernel counts it. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"


/* User + system time of all threads, ended ones too. The CPU clock is the
 * sum that /proc/PID/stat shows, in nanoseconds instead of ticks of 10 ms.
 * A process of another PID name space has no clock here: then stat. */
static int cpu_read(double *cpu, int pid)
{
	char path[64], line[1024], *p;
	unsigned long ut, st;
	struct timespec ts;
	clockid_t clk;
	FILE *f;
	int err = EBADMSG;

	if (!clock_getcpuclockid(pid, &clk) && !clock_gettime(clk, &ts)) {
		*cpu += (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
		return 0;
	}

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return errno;

	/* the name may hold anything; the fields follow the last ')' */
	if (fgets(line, sizeof(line), f) && (p = strrchr(line, ')')) &&
	    sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u"
		   " %lu %lu", &ut, &st) == 2) {
		*cpu += (double)(ut + st) / (double)sysconf(_SC_CLK_TCK);
		err = 0;
	}
	fclose(f);

	return err;
}


static uint64_t field_read(int pid, const char *file, const char *name)
{
	char path[64], line[256];
	uint64_t v = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "r");
	if (!f)
		return 0;

	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, strlen(name))) {
			v = strtoull(line + strlen(name), NULL, 10);
			break;
		}
	}
	fclose(f);

	return v;
}


/**
 * Read what some processes have used together
 *
 * @param u    Filled in
 * @param pidv Process ids
 * @param pidc How many; with none all is zero
 * @param mem  Also read the memory: walks the page tables, not for free
 *
 * @return 0 if success, ESRCH or ENOENT if one has ended
 */
int proc_read(struct proc_use *u, const int *pidv, size_t pidc, bool mem)
{
	memset(u, 0, sizeof(*u));

	for (size_t i = 0; i < pidc; i++) {
		const int err = cpu_read(&u->cpu, pidv[i]);

		if (err)
			return err;

		u->threads += (uint32_t)field_read(pidv[i], "status",
						   "Threads:");
		if (!mem)
			continue;

		u->rss += 1024 * field_read(pidv[i], "status", "VmRSS:");
		u->pss += 1024 * field_read(pidv[i], "smaps_rollup", "Pss:");
	}

	return 0;
}


/**
 * Tell whether all these processes exist
 *
 * @param pidv Process ids
 * @param pidc How many
 *
 * @return 0 if success, otherwise errorcode
 */
int proc_check(const int *pidv, size_t pidc)
{
	struct proc_use u;

	return proc_read(&u, pidv, pidc, false);
}


/* One thread: its name, and what it has used. */
static double thread_read(int pid, const char *tid, const char *but)
{
	char path[64], line[128] = "";
	unsigned long long ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", pid, tid);
	f = fopen(path, "r");
	if (f) {
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		fclose(f);
	}
	if (!strncmp(line, but, strlen(but)))
		return 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", pid,
		 tid);
	f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "%llu", &ns) != 1)
			ns = 0;
		fclose(f);
	}

	return (double)ns / 1e9;
}


/**
 * CPU time of the threads that are there, but for some
 *
 * @param pidv Process ids
 * @param pidc How many
 * @param but  Threads whose names begin so do not count
 *
 * @return User + system time [s]
 */
double proc_threads(const int *pidv, size_t pidc, const char *but)
{
	double sum = 0;

	for (size_t i = 0; i < pidc; i++) {
		char path[32];
		struct dirent *de;
		DIR *dir;

		snprintf(path, sizeof(path), "/proc/%d/task", pidv[i]);
		dir = opendir(path);
		while (dir && (de = readdir(dir))) {
			if (de->d_name[0] != '.')
				sum += thread_read(pidv[i], de->d_name, but);
		}
		if (dir)
			closedir(dir);
	}

	return sum;
}


/** CPU time of this program [s] */
double proc_self(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);

	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
		(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}


/**
 * Let this thread, and those that it starts, come before others, or not;
 * nothing happens where the user may not do so
 *
 * @param nice As of nice(1), -20 to 19
 */
void own_priority(int nice)
{
	/* Linux: of the thread, whatever POSIX says */
	(void)setpriority(PRIO_PROCESS, 0, nice);
}
