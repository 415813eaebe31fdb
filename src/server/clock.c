/**
 * @file clock.c  The clock of libre's timers
 *
 * libre 1.1.0 takes the time of day: set back by an hour, no timer would fire
 * for an hour; set forward, all would at once. Servers of a farm have their
 * clocks set while they run. The function has libre's name and is called in
 * its place, also by libre itself. It is weak: a test may have another clock.
 */
#include <time.h>
#include <re.h>


/* Whoever keeps 0 for "never" must find that long ago, also right after the
   machine has started. */
static const uint64_t origin = 1000000000000ULL;


/**
 * A time that only goes on, and that nobody sets
 *
 * @return Time [ms]
 */
__attribute__((weak)) uint64_t tmr_jiffies(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);

	return origin + (uint64_t)ts.tv_sec * 1000 +
		(uint64_t)ts.tv_nsec / 1000000;
}
