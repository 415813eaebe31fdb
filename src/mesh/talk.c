/**
 * @file mesh/talk.c  Is this talk, or is it the room?
 *
 * Talk is what stands out of the quietest of the last three seconds. The
 * first loud packet counts, so that no onset is lost; a pause as long as
 * those between words does not. What is loud in itself is always talk, also
 * when it never pauses (music, a test tone).
 */
#include <string.h>
#include <re.h>
#include "mesh/level.h"
#include "mesh/talk.h"


enum {
	BUCKET_US   = 750000,
	ROOM_FIRST  = 64,     /* assumed until known [-dBov]                */
	ROOM_LOUD   = 47,     /* no room is louder than this [-dBov]        */
	ROOM_QUIET  = 80,
	ON_DB       = 11,     /* above the room: talk begins                */
	STAY_DB     = 6,      /* above the room: talk goes on               */
	ON_QUIET    = 54,     /* quieter is never talk [-dBov]              */
	HANG_US     = 400000,
};


/**
 * Start anew
 *
 * @param t  State
 */
void talk_init(struct talk *t)
{
	memset(t, 0, sizeof(*t));
	t->room   = ROOM_FIRST;
	t->smooth = LEVEL_SILENCE << 4;
}


static void room_learn(struct talk *t, uint8_t smooth, uint64_t now)
{
	int i;

	if (!t->turn)
		t->turn = now;

	if (smooth > t->low[t->bucket])
		t->low[t->bucket] = smooth;

	if (now - t->turn < BUCKET_US)
		return;

	/* Only full turns count: a bucket not yet heard is not a quiet one */
	t->turn = now;
	t->room = 0;
	for (i = 0; i < TALK_BUCKETS; i++) {
		if (!t->low[i])
			t->room = max(t->room, (uint8_t)ROOM_FIRST);
		t->room = max(t->room, t->low[i]);
	}
	t->room = max(t->room, (uint8_t)ROOM_LOUD);
	t->room = min(t->room, (uint8_t)ROOM_QUIET);

	t->bucket = (uint8_t)((t->bucket + 1) % TALK_BUCKETS);
	t->low[t->bucket] = smooth;
}


/**
 * Level from which on something is talk
 *
 * @param t  State
 *
 * @return [-dBov]; this or a smaller figure begins talk
 */
uint8_t talk_threshold(const struct talk *t)
{
	return min((uint8_t)(t->room - ON_DB), (uint8_t)ON_QUIET);
}


/**
 * Hear one packet
 *
 * @param t      State
 * @param level  Its level [-dBov]
 * @param now    When it came [us]
 *
 * @return true if the participant talks
 */
bool talk_hear(struct talk *t, uint8_t level, uint64_t now)
{
	const int x = (int)level << 4;
	uint8_t smooth, stay;

	/* Up at once, down slowly */
	if (x < t->smooth)
		t->smooth = (uint16_t)((t->smooth + x) / 2);
	else
		t->smooth = (uint16_t)(t->smooth + (x - t->smooth + 7) / 8);

	smooth = (uint8_t)(t->smooth >> 4);
	room_learn(t, smooth, now);

	stay = min((uint8_t)(t->room - STAY_DB), (uint8_t)(ON_QUIET + 3));

	if (level <= (t->talking ? stay : talk_threshold(t))) {
		t->talking = true;
		t->loud    = now;
	}

	return talk_check(t, now);
}


/**
 * Be told that this is talk, whatever its level
 *
 * @param t      State
 * @param level  Its level [-dBov]
 * @param now    When it came [us]
 */
void talk_say(struct talk *t, uint8_t level, uint64_t now)
{
	t->smooth  = (uint16_t)(level << 4);
	t->talking = true;
	t->loud    = now;
}


/**
 * Be told that talk has ended
 *
 * @param t  State
 */
void talk_stop(struct talk *t)
{
	t->talking = false;
}


/**
 * Let time pass
 *
 * @param t    State
 * @param now  [us]
 *
 * @return true if the participant talks
 */
bool talk_check(struct talk *t, uint64_t now)
{
	if (t->talking && now > t->loud + HANG_US)
		t->talking = false;

	return t->talking;
}


/**
 * The smoothed level
 *
 * @param t  State
 *
 * @return [-dBov]
 */
uint8_t talk_level(const struct talk *t)
{
	return (uint8_t)(t->smooth >> 4);
}
