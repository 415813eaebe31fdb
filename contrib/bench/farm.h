/**
 * @file farm.h  A farm in one process: real dispatchers, tables, tickets,
 *               will-call lists and bus messages; media servers and phones are
 *               made up
 *
 * Used by farm-sim and by tests. Main thread only.
 */
#ifndef JUNCTOR_BENCH_FARM_H
#define JUNCTOR_BENCH_FARM_H

struct bus;
struct bus_sub;
struct dispatch;
struct farm;
struct ticket_key;
struct willcall;

enum { FARM_NAME_MAX = 64 };

struct farm_media_stats {
	uint32_t participants;
	uint32_t peak;             /* most participants and places kept     */
	uint32_t conferences;
	uint64_t reserves;         /* requests                              */
	uint64_t refused_full;     /* came, and there was no place          */
	uint64_t refused_ticket;
};

/* One made-up media server */
struct farm_media {
	struct le le;
	struct le he;              /* by contact                            */
	struct farm *farm;
	struct bus *bus;           /* of its bank                           */
	struct bus_sub *sub;
	struct willcall *willcall;
	struct hash *confs;
	char name[FARM_NAME_MAX];
	char contact[FARM_NAME_MAX];
	uint32_t capacity;
	uint64_t seq;
	bool mute;                 /* answers nothing, reports nothing      */
	struct farm_media_stats st;
};

/* How all the phones fared */
struct farm_stats {
	uint64_t calls, in, rejected, unanswered;
	uint64_t redirects;        /* 302 followed                          */
	uint64_t fast;             /* of these: without the main loop       */
	uint64_t refused;          /* by media servers                      */
};

struct farm {
	struct list medial;
	struct hash *mediah;       /* by contact                            */
	struct ticket_key *key;
	struct list arrivel;       /* struct arrival, oldest first          */
	struct tmr arrive, report;
	uint32_t travel_ms;        /* from the 302 to the next INVITE       */
	uint32_t report_ms;        /* between capacity reports              */
	uint32_t lease_ms;         /* places are kept                       */
	struct farm_stats st;
	uint16_t scode;            /* of the last rejection                 */
	void (*inh)(const char *conf, const char *user,
		    struct farm_media *m, void *arg);
	void *arg;
};

int  farm_alloc(struct farm **fp);
void farm_start(struct farm *f);
int  farm_media_add(struct farm_media **mp, struct farm *f, struct bus *bus,
		    const char *name, const char *contact,
		    uint32_t capacity);
int  farm_media_fill(struct farm_media *m, const char *conf, uint32_t n);
void farm_media_report(struct farm_media *m, bool announce);
void farm_media_mute(struct farm_media *m, bool on);
int  farm_call(struct farm *f, struct dispatch *d, const char *conf,
	       const char *user, bool fast);
double farm_spread(const struct farm *f);

#endif
