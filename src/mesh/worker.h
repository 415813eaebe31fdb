/**
 * @file mesh/worker.h  A worker and what it owns
 *
 * Private to the mesh. Objects here are allocated and freed by main, and
 * handed over to the worker and back by messages (queue.h); in between only
 * the worker touches them, except for what is marked.
 */
#ifndef JUNCTOR_MESH_WORKER_H
#define JUNCTOR_MESH_WORKER_H

enum {
	WORKER_TICK_US  = 20000,
	WORKER_SLOTS    = 4,         /* phases that a conference can have */
	WORKER_SLOT_US  = WORKER_TICK_US / WORKER_SLOTS,
	WORKER_POLL_US  = 10000,     /* receive at least this often       */
	WORKER_POLL_BUSY_US = 5000,  /* with many participants            */
	WORKER_BUSY     = 400,       /* participants that are many        */
	WORKER_FEW      = 32,        /* ... few: to wake costs little     */
	WORKER_ADDR_MAX = 8192,      /* source addresses on one worker    */
	WORKER_SLOW     = 16,        /* ticks between looks at a part     */
};

struct sender_group {            /* listeners that share a sender         */
	struct le le;
	struct sender_key key;
	struct sender *sender;
	unsigned refc;           /* participants with this key            */
	unsigned listeners;      /* of them in this tick                  */
};

struct wconf_phase {             /* when a conference ticks               */
	struct le le;            /* of those that tick with it            */
	unsigned slot;           /* 0..WORKER_SLOTS - 1                   */
	uint64_t due;            /* next tick, 0: when its slot comes [us]*/
	uint64_t talked;         /* latest talk [us]                      */
	uint64_t look;           /* look again at this time [us]          */
	uint64_t moved;          /* latest change [us]                    */
	uint32_t hold;           /* to stay so long after a change [us]   */
	bool fresh;              /* this tick is the first since          */
};

struct wconf {                   /* a conference                          */
	struct le le;
	struct wconf_phase phase;
	struct worker *w;
	struct sorter sorter;
	struct list partl;
	struct list rulel;       /* of them, those with rules             */
	struct list ownl;        /* of them, those with their own sender  */
	struct list groupl;
	struct list linkl;
	uint32_t rate;           /* of the mix [Hz]                       */
	uint32_t rate_next;      /* as main wants it [Hz]                 */
	bool fade_in;            /* the rate has just changed             */
	const void *unheard;     /* talked alone in the tick before, and
				    nobody needed his audio, or NULL      */
	struct tone tone;        /* for everybody                         */
	struct sender_env env;
	struct meter_work work;  /* done so far                           */
	struct meter_work work_was;  /* the same at `work_at`             */
	uint64_t work_at;        /* [us]                                  */
	struct snap cost;        /* read by main: struct mesh_conf_cost   */
};

struct wpart_resume {            /* where a stream is that was elsewhere  */
	bool pending;            /* until its first packet here           */
	bool on;                 /* it went on since                      */
	uint64_t at;             /* the latest packets there went out [us]*/
	uint32_t step;           /* of `ts` per packet                    */
	uint8_t ptime;           /* [ms]                                  */
};

struct wpart_tx {                /* what is sent to a participant         */
	struct sa rtp, rtcp;     /* where to                              */
	int rtp_fd, rtcp_fd;
	uint32_t ssrc, ts;
	uint32_t step;           /* of `ts` per packet                    */
	uint16_t seq;
	uint8_t pt;
	uint8_t ptime;           /* [ms]                                  */
	bool on;                 /* we may send                           */
	bool hush;               /* another server does: only count       */
	bool marker;             /* on the next packet                    */
	uint64_t at;             /* latest packets, 0: none yet [us]      */
	struct wpart_resume resume;
	uint32_t psent, osent;   /* RFC 3550, 6.4.1                       */
	uint64_t packets, bytes;
};

struct wpart_rx {                /* what comes from a participant         */
	uint8_t ext_level;
	bool mux;                /* RTCP on the port of RTP               */
	bool on;                 /* we listen                             */
	bool inband;             /* keys come as tones in the audio       */
	bool latched;
	bool announced;          /* main has been told so                 */
	bool silent;             /* event sent, nothing came since        */
	uint64_t since;          /* attached [us]                         */
	uint64_t heard;          /* latest RTP or RTCP was read [us]      */
	uint64_t came;           /* latest RTP came [us]                  */
	uint64_t packets, bytes;
	struct sa agreed;        /* by SDP                                */
	struct sa adopted;       /* also found by this, or unset          */
	struct sa peer;          /* where RTP comes from                  */
};

struct wpart_rtcp {
	uint64_t due;            /* next report [us]                      */
	uint32_t lsr;            /* from their last SR [NTP, middle]      */
	uint64_t lsr_at;         /* when it came [us]                     */
	uint32_t expected_prior, lost_prior;
	uint32_t tx_lost;        /* as they say                           */
	uint32_t rtt;            /* [us]                                  */
	char cname[RTCP_CNAME_MAX + 1];
};

struct wpart_shown {             /* to main: of a participant             */
	struct mesh_stats st;
	uint64_t at;             /* latest packets [us]                   */
	uint64_t lsr_at;         /* [us]                                  */
	uint32_t ssrc, ts, step; /* of what it is sent                    */
	uint16_t seq;
	uint8_t pt, ptime;
	bool on;
	uint32_t psent, osent;
	uint32_t rx_ssrc, rx_ext_seq, rx_expected;
	uint32_t expected_prior, lost_prior, lsr;
};

struct wpart_link {              /* to another server                     */
	bool on;                 /* it is one                             */
	bool heard;              /* it has something to say, this tick    */
	unsigned quiet;          /* ticks in which we had nothing         */
	uint32_t csrcv[RTP_CSRC_MAX];  /* who is in what came last        */
	uint8_t levelv[RTP_CSRC_MAX];  /* [-dBov]                         */
	unsigned csrcc;
};

struct wpart {                   /* a participant                         */
	struct le le;            /* in its conference                     */
	struct le rule_le, own_le, link_le;
	struct wconf *conf;
	struct scheduler *sched;
	struct wpart_rx rx;
	struct wpart_tx tx;
	struct wpart_link link;
	struct sorter_entry entry;
	struct filter_rules *rules;   /* or NULL                          */
	struct sender_group *group;
	struct sender *own;      /* while it hears what no other does     */
	unsigned hold;           /* ticks since it no longer had to       */
	uint32_t came;           /* tick in which it came from another
				    server, 0: it did not                 */
	bool apart;              /* hears what no other does, this tick   */
	bool deaf;
	struct tone tone;        /* for this one only                     */
	unsigned slow;           /* its turn of WORKER_SLOW               */
	uint8_t level;           /* of the latest talk [-dBov]            */
	uint64_t talked;         /* when that was [us]                    */
	bool spoken;             /* main has been told that it speaks     */
	struct wpart_rtcp rtcp;

	struct channel *port;    /* a port of its own, or NULL            */
	struct snap shown;       /* read by main: struct wpart_shown      */
	void *handle;            /* main's                                */
};

/* talkers, one who leaves, a sound, other servers */
enum { WORKER_SEATS = MESH_TALKERS_MAX + 2 + MESH_LINKS_MAX };

struct worker_scratch {          /* audio of one tick                     */
	int32_t sumv[CODEC_TICK_MAX];
	int16_t allv[CODEC_TICK_MAX];
	int16_t onev[CODEC_TICK_MAX];
	int16_t seatv[WORKER_SEATS][CODEC_TICK_MAX];
	struct scheduler_frame framev[WORKER_SEATS];
	struct filter_talker talkv[WORKER_SEATS];
	unsigned talkc;
	struct filter_mix all;
	bool quiet;              /* little to hear                        */
};

struct worker {
	/* set before the thread starts */
	struct mesh_config cfg;
	unsigned ix;
	struct channel *ch;
	struct mqueue *mq;       /* pushed by the worker, read by main    */
	int epfd, timerfd, wakefd, portfd;

	/* shared */
	struct msg_stack inbox;      /* to the worker                     */
	struct msg_stack outbox;     /* back to main                      */
	struct event_ring ring;
	_Atomic bool notified;       /* main has been told                */
	_Atomic bool asleep;         /* wakefd is needed                  */
	_Atomic bool stop;
	struct snap snap;            /* struct mesh_worker_stats          */
	struct snap load;            /* struct mesh_worker_load           */

	/* the worker's */
	struct codec_pool *pool;
	struct demux *rtp_from, *rtcp_from;
	struct rx_batch *rx;
	struct tx_batch *tx;         /* by the worker's own port          */
	struct tx_batch *tx_port;    /* by all other ports                */
	struct list confl;
	struct list slotv[WORKER_SLOTS]; /* the same, by phase    */
	struct list sparel;          /* senders                           */
	struct list usedl;           /* senders to clear after this tick  */
	unsigned ports;
	uint32_t tick;           /* slot 0 came so often                  */
	uint32_t random;         /* state, for times only                 */
	uint32_t searched;       /* tick of the latest search, adopt      */
	bool told;                   /* something for main in this tick   */
	uint64_t now;                /* [us]                              */
	uint64_t ticked;         /* when the latest tick was due [us]     */
	uint32_t reports;        /* tick in which RTCP was read last      */
	uint64_t round_usec;     /* time spent in ticks since slot 0 [us] */
	uint64_t late;           /* of them, the latest; came so late [us]*/
	struct mesh_worker_stats stats;
	struct meter meter;
	struct effort effort;
	uint64_t tick_max;           /* of this second [us]               */
	uint64_t events_lost;
	struct worker_scratch scratch;

	/* main's */
	pthread_t thread;
	bool started;
	unsigned confs, parts;       /* handles                           */
	unsigned senders, senders_need;
	struct demux *taken;         /* addresses of participants         */
};

int  worker_alloc(struct worker **wp, const struct mesh_config *cfg,
		  unsigned ix, struct mqueue *mq);
int  worker_start(struct worker *w);
void worker_stop(struct worker *w);
void worker_post(struct worker *w, struct msg *msg);
bool worker_event(struct worker *w, struct wpart *part,
		  enum mesh_event event, int value);
void worker_rx(struct worker *w);
void worker_conf_add(struct worker *w, struct wconf *conf);
void worker_conf_remove(struct wconf *conf);
void worker_slot(struct worker *w, unsigned slot, uint64_t due);
void worker_skip(struct worker *w, uint64_t n);
void worker_show(struct worker *w);
uint64_t worker_port_key(struct wpart *part, bool rtcp);
uint64_t worker_clock(void);
uint32_t worker_random(struct worker *w);

void wconf_voices(struct wconf *conf);
void wconf_mix(struct wconf *conf);
void wconf_tick(struct wconf *conf);
void wconf_cost(struct wconf *conf);
void wconf_talk(struct wconf *conf, struct wpart *part);
void wconf_phase(struct wconf *conf);
void wconf_skip(struct wconf *conf, unsigned n);
void wconf_rate(struct wconf *conf, uint32_t rate);
void wconf_part_add(struct wconf *conf, struct wpart *part);
void wconf_rules(struct wconf *conf, struct wpart *part,
		 struct filter_rules *rules);
void wconf_part_remove(struct wconf *conf, struct wpart *part);

int  wpart_attach(struct wpart *part, struct worker *w);
void wpart_detach(struct wpart *part, struct worker *w);
void wpart_media(struct wpart *part, const struct mesh_media *media);
void wpart_rx(struct wpart *part, const uint8_t *buf, size_t len,
	      const struct sa *src, uint64_t came, bool rtcp);
bool wpart_believes(const struct wpart *part, const struct sa *src);
void wpart_latch(struct wpart *part, const struct sa *src);
struct wpart *worker_adopt(struct worker *w, const struct sa *src,
			   uint32_t ssrc);
void wpart_send(struct wpart *part, const struct sender *s);
enum { WLINK_EXT_MIXER = 1 };    /* levels of who is heard, RFC 6465      */
void wlink_rx(struct wpart *part, const uint8_t *buf, size_t len);
void wlink_listen(struct wpart *part);
bool wlink_fetch(struct wpart *part, struct filter_talker *t);
void wlink_send(struct wconf *conf, struct wpart *part);
uint8_t wlink_pt(uint32_t rate);
void wpart_speak(struct wpart *part, int level);
void wpart_slow(struct wpart *part);
void wpart_publish(struct wpart *part);
void wpart_show(struct wpart *part, uint64_t now);
void wpart_resume(struct wpart *part, const struct mesh_stream *st,
		  unsigned skip);
void wpart_resume_tx(struct wpart_tx *tx, uint64_t now);
uint64_t stream_packets(uint64_t usec, uint32_t ptime);
uint32_t stream_every(uint32_t ptime);
void wpart_rtcp_send(struct wpart *part, bool bye);
void wpart_rtcp_rx(struct wpart *part, const uint8_t *buf, size_t len);
void wpart_dtmf(char digit, unsigned duration, void *arg);

#endif
