/**
 * @file mesh/talk.h  Is this talk, or is it the room?
 */
#ifndef JUNCTOR_MESH_TALK_H
#define JUNCTOR_MESH_TALK_H

enum { TALK_BUCKETS = 4 };

struct talk {                 /* embed; start with talk_init                */
	uint64_t loud;                /* last time it was talk [us]         */
	uint64_t turn;                /* the present bucket began [us]      */
	uint8_t low[TALK_BUCKETS];    /* quietest of each bucket [-dBov]    */
	uint8_t bucket;
	uint8_t room;                 /* the room's own noise [-dBov]       */
	uint16_t smooth;              /* level, smoothed [-dBov / 16]       */
	bool talking;
};

void talk_init(struct talk *t);
bool talk_hear(struct talk *t, uint8_t level, uint64_t now);
void talk_say(struct talk *t, uint8_t level, uint64_t now);
void talk_stop(struct talk *t);
bool talk_check(struct talk *t, uint64_t now);
uint8_t talk_threshold(const struct talk *t);
uint8_t talk_level(const struct talk *t);

#endif
