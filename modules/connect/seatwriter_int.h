/**
 * @file seatwriter_int.h  Records of what is kept on the bus
 */
#ifndef JUNCTOR_CONNECT_SEATWRITER_INT_H
#define JUNCTOR_CONNECT_SEATWRITER_INT_H

#include "connect/seatwriter.h"

struct bus;
struct bus_kvop;
struct bus_listener;
struct seal_key;

enum { SEATREC_GATHER = 50 };  /* changes until then are one, but for the
				   first [ms]                               */

enum seatrec_work { WORK_WRITE, WORK_DELETE, WORK_LOOK };

/* It outlives its member until that has been deleted from the bus. Referenced
   by its owner, by the queue, and by what is under way. */
struct seatrec {
	struct le le;              /* in seatwriter.duel                    */
	struct le all;             /* in seatwriter.recl                    */
	struct seatwriter *w;      /* NULL: it is gone                      */
	struct member *m;          /* whose it is: one of these; none when  */
	struct watch *watch;       /* that is gone                          */
	struct room *room;
	struct bus_kvop *op;
	const char *bucket;
	uint64_t rev;              /* of what is on the bus, 0: unknown     */
	uint64_t due;              /* [ms]                                  */
	unsigned fails;            /* in a row                              */
	enum seatrec_work work;
	bool busy;                 /* something is under way                */
	bool again;                /* and then it is to be done once more   */
	bool whole;                /* it was written a second time, if its
				      streams had not begun                 */
	bool seat;                 /* of a member or a watcher              */
	uint32_t moves;            /* seat: times that its server changed   */
	char from[NAME_SERVER_MAX];/* server that it was taken over from    */
	char key[];
};

struct seatwriter {
	struct connect *c;
	struct bus *bus;
	struct bus_listener *lis;
	struct seal_key *key;
	struct list duel;          /* struct seatrec, by due                */
	struct list recl;          /* all of them                           */
	struct tmr tmr;
	struct seatwriter_stats st;
	unsigned duec;             /* records in the queue                  */
	unsigned busy;             /* records that are under way            */
	uint32_t rate;             /* records begun per second              */
	uint32_t tokens;           /* records that may be begun, in 1/1000  */
	uint64_t refilled;         /* when [ms]                             */
};

/* seatwriter.c */
int  seatrec_alloc(struct seatrec **rp, struct seatwriter *w,
		   const char *bucket, const char *key);
void seatrec_enqueue(struct seatrec *rec, uint32_t delay);
void seatrec_done(struct seatrec *rec, int err);

/* seatrec.c */
int  seatrec_begin(struct seatrec *rec);

/* seatowner.c */
void seatrec_look(struct seatrec *rec);
void seatrec_room_look(struct room *room);

#endif
