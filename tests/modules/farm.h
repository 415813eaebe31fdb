/**
 * @file farm.h  Several servers in the test's process, on one bus, which can
 *               be broken
 */
#ifndef JUNCTOR_TESTS_MODULES_FARM_H
#define JUNCTOR_TESTS_MODULES_FARM_H

enum { FARM_MAX = 8, FARM_KEPT = 64 };

struct bus;
struct bus_reply;
struct bus_sub;
struct server;
struct service_export;

struct farm {
	struct bus *bus;           /* what servers use                      */
	struct bus *inner;         /* in memory                             */
	bool down;                 /* every use of it fails: farm_down      */
	bool mute;                 /* nothing comes back: time limits pass  */
	uint32_t slow;             /* requests take so much longer, and half
				      of it publications [ms]               */
	struct list latel;         /* publications on their way             */
	struct server *srvv[FARM_MAX];
	char dir[64];
	uint8_t key[32];
	struct bus_sub *silent;
	struct bus_reply *keptv[FARM_KEPT];
	unsigned keptc;
};

typedef bool (farm_cond_h)(void *arg);

void farm_open(struct farm *f);
void farm_down(struct farm *f, bool on);
struct server *farm_start(struct farm *f, unsigned ix, const char *name,
			  const char *conf,
			  const struct service_export *const *builtinv);
void farm_stop(struct farm *f, unsigned ix);
void farm_close(struct farm *f);
void farm_silence(struct farm *f, struct bus_sub **subp, const char *subject);
bool farm_wait(farm_cond_h *h, void *arg, unsigned ms);
void farm_nap(unsigned ms);
uint64_t farm_clock(void);

#endif
