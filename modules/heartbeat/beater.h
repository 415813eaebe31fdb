/**
 * @file beater.h  Sends and hears heartbeats, in a thread of its own
 */
#ifndef JUNCTOR_HEARTBEAT_BEATER_H
#define JUNCTOR_HEARTBEAT_BEATER_H

struct beater;
struct hmac_key;

enum {
	BEATER_PEERS = 256,
};

enum beater_state {
	BEATER_NEW,            /* never heard of                        */
	BEATER_HEARD,
	BEATER_QUIET,          /* beats are missing: time to ask        */
	BEATER_SILENT,         /* for the whole timeout                 */
};

struct beater_conf {
	struct sa laddr;       /* port 0: any                           */
	const uint8_t *secret; /* of the NOC, NOC_KEY_LEN bytes         */
	uint64_t instance;     /* of this server                        */
	uint32_t interval;     /* between beats [ms]                    */
	uint32_t timeout;      /* without a beat: silent [ms]           */
	uint32_t stuck;        /* no beats if main does not run for [ms]*/
};

struct beater_stats {
	uint64_t tx, rx;       /* beats                                 */
	uint64_t bad;          /* datagrams that are none, or forged    */
	uint64_t old;          /* replayed or held back                 */
	uint64_t refused;      /* ICMP: nobody listens there            */
	uint64_t pauses;       /* of this process                       */
	uint64_t cpu_usec;     /* of the thread                         */
};

/* Main thread; tells the state that a peer has now. */
typedef void (beater_h)(unsigned ix, uint64_t instance,
			enum beater_state state, bool bye, void *arg);

int  beater_alloc(struct beater **bp, const struct beater_conf *conf,
		  beater_h *h, void *arg);
int  beater_laddr(const struct beater *b, struct sa *laddr);
int  beater_peer_add(struct beater *b, unsigned *ix, uint64_t instance,
		     const struct sa *addr);
void beater_peer_del(struct beater *b, unsigned ix);
enum beater_state beater_peer_state(struct beater *b, unsigned ix);
bool beater_awake(struct beater *b);
void beater_main(struct beater *b);
void beater_bye(struct beater *b);
void beater_stats(struct beater *b, struct beater_stats *st);

#endif
