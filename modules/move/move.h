/**
 * @file move.h  Conferences that change their media server: events, and what
 *               the service `move` offers to other services
 *
 * Main thread only.
 */
#ifndef JUNCTOR_MOVE_MOVE_H
#define JUNCTOR_MOVE_MOVE_H

struct move;
struct out;

/* Events:
 * "move.started": a conference begins to leave for `to`
 * "move.leg":     one of its legs moved, or could not (`err`)
 * "move.done":    all of it that can move has moved
 * "move.failed":  nothing, or no more of it, moves; it runs here
 * "move.arriving", "move.arrived": the same at the other end
 * "move.taken":   a conference of a server that is gone has been taken over:
 *                 `moved` legs are back, `failed` are not
 * "move.drained": this server is empty, as was asked for */
struct move_event {
	const char *conference;    /* NULL for drained                      */
	const char *from, *to;     /* servers                               */
	const char *callid;        /* of a leg, or NULL                     */
	const char *reason;        /* why it moves, or why it failed        */
	unsigned legs;             /* when it began                         */
	unsigned moved, failed, left;
	unsigned ms;               /* that it took so far                   */
	int err;
};

/* 0: every leg that was there has moved or has hung up; EAGAIN: some stay
   until they hang up; else nothing has moved */
typedef void (move_done_h)(int err, const struct move_event *me, void *arg);

/* what service_api(srv, "move") points to; usable once started */
struct move_api {
	struct move *mv;

	/* moves a conference that runs here; `to` NULL: wherever there is
	   most room. A conference that `to` has claimed already is merged
	   into the one there. h may be NULL. ENOENT: does not run here; EBUSY:
	   it is moving; ENOSPC, EHOSTUNREACH: nobody can take it */
	int (*move)(struct move *mv, const char *conference, const char *to,
		    const char *why, move_done_h *h, void *arg);
	bool (*moving)(const struct move *mv, const char *conference);

	/* whether anything comes, leaves or is taken over now */
	bool (*busy)(const struct move *mv);
};

#endif
