/**
 * @file switch.h  Inside the service `dispatchswitch`
 */
#ifndef JUNCTOR_DISPATCHSWITCH_SWITCH_H
#define JUNCTOR_DISPATCHSWITCH_SWITCH_H

struct bus_sub;
struct bus_watch;
struct odict;
struct offers;
struct ping;
struct service;
struct siphost_api;
struct turn;

enum {
	TARGETS_MAX = 64,          /* dispatch servers                      */
};

/* A dispatch server. Main thread. */
struct target {
	struct le le;
	struct dswitch *sw;
	struct ping *ping;         /* NULL: no address of numbers           */
	char name[64];             /* of the server, or its contact         */
	char contact[128];
	uint16_t id;               /* in the turn, not 0                    */
	bool fixed;                /* of the configuration                  */
	bool wanted;               /* announced as dispatch server          */
	bool standby;              /* takes joins only while it has a role  */
	bool down;                 /* heartbeats say so                     */
	uint32_t load;             /* as it says itself                     */
};

/* Who has a role that standby servers watch over */
struct role {
	struct le le;
	char key[192];
	char server[64];
};

struct dswitch {
	struct service *svc;
	const struct siphost_api *host;
	struct offers *offers;
	struct bus_watch *watchv[2];   /* nodes, roles                      */
	struct bus_sub *sub;           /* noc.dispatch                      */
	struct list targetl;           /* struct target                     */
	struct list rolel;             /* struct role                       */
	struct turn *turn;             /* shared with signalling threads    */
	uint16_t lastid;
	uint32_t interval, timeout;    /* of OPTIONS [ms]                   */
	uint64_t redirects, fast, refused;
};

/* targets.c */
int  targets_start(struct dswitch *sw);
void targets_stop(struct dswitch *sw);
void targets_down(struct dswitch *sw, const char *name, bool down);
bool target_alive(const struct target *t);
void targets_turn(struct dswitch *sw);
int  targets_odict(const struct dswitch *sw, struct odict *array);

#endif
