/**
 * @file seatwriter.h  Seats and rooms on the bus, in case this server dies
 */
#ifndef JUNCTOR_CONNECT_SEATWRITER_H
#define JUNCTOR_CONNECT_SEATWRITER_H

struct connect;
struct member;
struct room;
struct watch;
struct seatwriter;

struct seatwriter_stats {
	uint64_t written, deleted, lost, failed;
	unsigned waiting;         /* records to be written or deleted       */
};

int  seatwriter_alloc(struct seatwriter **wp, struct connect *c);
unsigned seatwriter_busy(const struct seatwriter *w);
unsigned seatwriter_waiting(const struct seatwriter *w);
void seatwriter_stats(const struct seatwriter *w,
		      struct seatwriter_stats *st);

/* all of them do nothing if seats are not written */
void seatwriter_member(struct member *m);
void seatwriter_look(struct member *m);
void seatwriter_left(struct member *m);
void seatwriter_forget(struct member *m);
void seatwriter_watch(struct watch *watch);
void seatwriter_watch_left(struct watch *watch);
void seatwriter_watch_forget(struct watch *watch);
void seatwriter_room(struct room *room);
void seatwriter_room_moved(struct room *room);
void seatwriter_room_back(struct room *room);
void seatwriter_room_end(struct room *room);
void seatwriter_verify(struct connect *c, const char *conference);

#endif
