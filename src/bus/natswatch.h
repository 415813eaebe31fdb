/**
 * @file natswatch.h  Internal to the watches of the NATS bus
 */
#ifndef JUNCTOR_BUS_NATSWATCH_H
#define JUNCTOR_BUS_NATSWATCH_H

struct bus_watch {
	struct target t;           /* first; what the consumer sends        */
	struct target made;        /* the reply to CONSUMER.CREATE          */
	struct le le;
	struct kvbucket *b;        /* NULL once the bus is gone             */
	struct heap_node due;      /* nothing came for too long             */
	struct hash *told;
	uint32_t hsize, toldc;
	unsigned round;
	bool current;              /* all that was stored has been told     */
	bool resumed;              /* the consumer tells what we missed     */
	uint64_t seq;              /* in the stream, of what came last      */
	uint64_t heard_at;         /* when we missed nothing [ms]           */
	char stream[40];           /* that we have heard: when it was made  */
	bool complete;             /* all up to seq has been told           */
	bool running;              /* a consumer was asked for              */
	uint32_t made_ms;          /* it may take to say its first word; 0:
				      it has [ms]                           */
	uint32_t beat_ms;          /* it says something at least each [ms]  */
	uint64_t word_at;          /* when it said anything [ms]            */
	uint64_t nth;              /* of its messages came last             */
	char consumer[48];
	bus_watch_h *h;
	void *arg;
	char pattern[];
};

/* natstold.c */
int  told_alloc(struct bus_watch *w);
void told_close(struct bus_watch *w);
void told_quiet(struct bus_watch *w);
void told_value(struct bus_watch *w, const char *key,
		const struct natsval *val);
void told_caught_up(struct bus_watch *w);
bool watch_wanted(struct bus_watch *w);

#endif
