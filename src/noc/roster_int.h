/**
 * @file roster_int.h  Inside the roster
 */
#ifndef JUNCTOR_NOC_ROSTER_INT_H
#define JUNCTOR_NOC_ROSTER_INT_H

enum { ROSTER_TEXT_MAX = 160 };     /* of a name or address [bytes]        */

struct entry {
	struct le le;               /* in roster.entryl, by change          */
	struct le he;               /* in roster.entryh, by id              */
	unsigned id;
	uint64_t change;            /* roster.change when it last changed   */
	uint64_t first;             /* roster.change when it came           */
	bool gone;                  /* tells watchers, then vanishes        */
	uint32_t source;            /* server that told of it, 0: this one  */
	char user[ROSTER_TEXT_MAX];
	char name[ROSTER_TEXT_MAX];
	struct roster_user u;       /* its texts point to user and name     */
};

struct watcher {
	struct le le;               /* in roster.watcherl                   */
	struct client *client;      /* reference                            */
	uint64_t told;              /* roster.change it knows               */
	uint32_t version;           /* of its last document                 */
	bool full;                  /* has had the full state               */
	struct seat_watch *knows;   /* from elsewhere, not compared yet     */
};

struct roster {
	struct list entryl;         /* oldest change first                  */
	struct hash *entryh;
	struct list watcherl;
	struct list mirrorl;        /* struct roster_mirror                 */
	struct tmr tmr;
	char conference[CLIENT_CONFERENCE_MAX];
	uint64_t change;            /* counts changes, from 1               */
	uint32_t interval;          /* between notifications [ms]           */
	unsigned count;             /* users present                        */
	bool locked;
	bool paused;                /* nobody is told anything yet          */
};

/* roster.c */
const struct le *roster_since(const struct roster *r, uint64_t told);
int  roster_notify(struct roster *r, struct watcher *w);
void roster_changed(struct roster *r);
void roster_touch(struct roster *r, struct entry *e);
struct watcher *roster_watcher(const struct roster *r,
			       const struct client *cl);
struct entry *roster_entry(const struct roster *r, unsigned id);
int  roster_user_put(struct roster *r, unsigned id,
		     const struct roster_user *user, uint32_t source);
void roster_user_drop(struct roster *r, unsigned id, uint32_t source);
void roster_forget(struct roster *r);
int  roster_watcher_add(struct watcher **wp, struct roster *r,
			struct client *cl);

/* roster_mirror.c */
void roster_mirrors_tell(const struct roster *r);
uint64_t roster_mirrors_told(const struct roster *r, uint64_t told);
void roster_mirrors_end(struct roster *r);

#endif
