/**
 * @file roster.h  Who is in a conference, told to those who watch (RFC 4575)
 */
#ifndef JUNCTOR_NOC_ROSTER_H
#define JUNCTOR_NOC_ROSTER_H

struct roster;
struct roster_mirror;
struct client;
struct odict;
struct seat_watch;

struct roster_user {
	const char *user;        /* user@host                               */
	const char *name;        /* display name                            */
	uint64_t joined_usec;    /* UTC since the epoch [us]                */
	uint32_t ssrc;           /* of the mixer's stream, 0: unknown       */
	bool held, muted, speaking;
};

int  roster_alloc(struct roster **rp, const char *conference,
		  uint32_t interval_ms);
int  roster_user_set(struct roster *r, unsigned id,
		     const struct roster_user *user);
void roster_user_del(struct roster *r, unsigned id);
void roster_lock(struct roster *r, bool locked);
bool roster_shows(const struct roster *r, const char *user);
int  roster_watch(struct roster *r, struct client *cl);
bool roster_watches(const struct roster *r, const struct client *cl);
bool roster_unwatch(struct roster *r, const struct client *cl);
/* watchers that go on in another server's roster of the same conference */
void roster_pause(struct roster *r, bool on);
int  roster_watch_save(struct roster *r, const struct client *cl,
		       struct seat_watch *sw);
int  roster_watch_load(struct roster *r, struct client *cl,
		       const struct seat_watch *sw);
void roster_watch_flush(struct roster *r, const struct client *cl);
/* a conference of which a part is at another server */
enum roster_place {
	ROSTER_ELSEWHERE,
	ROSTER_MOVING,           /* here and there                          */
	ROSTER_HERE,
};

typedef enum roster_place (roster_place_h)(unsigned id, void *arg);
typedef void (roster_mirror_h)(void *arg);

int  roster_mirror_alloc(struct roster_mirror **mp, struct roster *r,
			 const char *server, roster_mirror_h *h, void *arg);
bool roster_mirror_news(const struct roster_mirror *m);
int  roster_mirror_next(struct roster_mirror *m, struct odict **odp);
int  roster_take(struct roster *r, const char *server,
		 const struct odict *od, roster_place_h *placeh, void *arg);
void roster_user_moved(struct roster *r, unsigned id, const char *server);
void roster_whole(struct roster *r, roster_place_h *placeh, void *arg);

void roster_end(struct roster *r);
unsigned roster_watchers(const struct roster *r);

#endif
