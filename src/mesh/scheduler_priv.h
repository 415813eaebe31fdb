/**
 * @file mesh/scheduler_priv.h  Inside the scheduler
 *
 *   scheduler.c        life, packets in, statistics
 *   scheduler_rx.c     sequence numbers and time stamps (RFC 3550)
 *   scheduler_slot.c   the packets kept
 *   scheduler_judge.c  does an Opus sender talk?
 *   scheduler_tick.c   the state of a tick; frames for pass-through
 *   scheduler_play.c   PCM: decode, conceal, stretch
 *   scheduler_warm.c   a decoder that has to begin in the middle
 *   scheduler_depth.c  how deep the buffer should be
 *   scheduler_phase.c  when packets come, seen from the tick
 */
#ifndef JUNCTOR_MESH_SCHEDULER_PRIV_H
#define JUNCTOR_MESH_SCHEDULER_PRIV_H

enum {
	SCHED_RING      = 64,      /* packets kept at most, a power of two  */
	SCHED_HIST      = 4,       /* old packets kept to warm up a decoder */
	SCHED_FIFO      = 5760,    /* 120 ms at 48 kHz [samples]            */
	SCHED_BUCKETS   = 8,       /* of transit statistics, 1 s each       */
	SCHED_TICK_US   = CODEC_TICK_MS * 1000,
	SCHED_NOFMT     = 0xff,
};

/* What a payload type is, beyond the index of a format */
enum {
	SCHED_PT_NONE  = 0xff,
	SCHED_PT_CN    = 0xfe,     /* comfort noise, RFC 3389               */
	SCHED_PT_TELEV = 0xfd,
};

struct sched_slot {
	int64_t media;             /* on the stream's own time line [us]    */
	uint64_t arrival;          /* [us]                                  */
	uint32_t dur;              /* [us]                                  */
	uint16_t seq;
	uint16_t len;
	uint8_t fmt;               /* index into fmtv                       */
	uint8_t level;             /* [-dBov]                               */
	uint8_t data[CODEC_PAYLOAD_MAX];
};

/* What only a talker has; from the worker's pool */
struct sched_talk {
	struct codec_dec *dec;     /* NULL until PCM is asked for           */
	uint8_t fmt;               /* it decodes                            */
	uint16_t dec_seq;          /* it has decoded all before this        */
	uint32_t rate;             /* of the FIFO [Hz]                      */
	uint32_t out;              /* rate last asked for [Hz]              */
	size_t have;               /* samples in the FIFO                   */
	bool dec_any;              /* dec_seq is valid                      */
	bool started;              /* sound has come out                    */
	bool again;                /* faded out, and now goes on            */
	bool tone;                 /* a key is being heard                  */
	bool past_any;             /* `past` is valid, in this tick         */
	int16_t past[CODEC_TICK_MAX];  /* the tick before, not fetched   */
	struct resample rs;
	struct dtmf_rx_state_s *dtmf;
	int16_t fifo[SCHED_FIFO];
};

struct sched_rx {              /* RFC 3550 A.1, A.3, A.8                    */
	uint32_t ssrc, ssrc_new;
	uint16_t seq_new;          /* next expected of ssrc_new             */
	bool any;
	uint16_t seq_max;
	uint16_t seq_bad;          /* next expected after a jump            */
	bool bad;                  /* seq_bad is valid                      */
	uint32_t cycles;           /* shifted by 16                         */
	uint32_t seq_base;
	bool resumed;              /* what came so far came elsewhere       */
	uint64_t seen;             /* bitmap: seq_max, seq_max - 1, ...     */
	uint32_t received;
	uint64_t last;             /* arrival of the last packet [us]       */

	uint32_t clock;            /* [Hz]                                  */
	uint32_t ts_last;
	int64_t ts_ext;            /* since ts_base, in clock units         */
	int64_t media_base;        /* [us]                                  */
	int64_t transit;           /* of the last packet [us]               */
	uint32_t jitter;           /* [us * 16]                             */
};

struct sched_depth {
	int32_t top[SCHED_BUCKETS];    /* largest transit of a second [us]  */
	uint64_t turn;             /* the present bucket began [us]         */
	uint8_t bucket;
	uint8_t turns;             /* since the stream began, up to 8       */
	bool stale;                /* `need` is to be computed anew         */
	int32_t need;              /* transit to allow for [us]             */
	int32_t margin;            /* smallest since the last look [us]     */
	uint32_t left;             /* least left in the FIFO since [us]     */
	uint8_t looks;             /* packets played since the last look    */
	int32_t adjust;            /* to remove, or if < 0 to insert [us]   */
	uint64_t hold;             /* do not shrink before [us]             */
	uint32_t hold_us;          /* next time hold this long              */
	uint64_t spared;           /* a late packet was left out [us]       */
	uint32_t now_us;           /* arrival to play-out at last           */
};

struct scheduler {
	struct codec_pool *pool;
	struct scheduler_config cfg;
	scheduler_dtmf_h *dtmfh;
	void *arg;

	struct mesh_format fmtv[MESH_FORMATS_MAX];
	uint8_t fmtc;
	uint8_t ptv[128];          /* payload type to index, or SCHED_PT_*  */
	bool telev;

	enum scheduler_state state;
	struct sched_rx rx;
	struct sched_depth depth;
	struct talk talk;
	struct level_g722 g722;
	struct dtmf dtmf;
	uint8_t midway;            /* of talk that began elsewhere [-dBov]  */
	bool over;                 /* the other server has nothing to say   */
	bool paired;               /* a packet came whose pair is awaited   */
	uint64_t pair_at;          /* when [us]                             */
	int64_t pair_transit;      /* [us]                                  */

	/* judging */
	struct opus_level opus;
	uint64_t judged;           /* last time [us]                        */
	uint8_t verdict;           /* level [-dBov]                         */
	uint8_t gain;              /* of the last SILK packet, or ..._NONE  */
	uint8_t gain_ref;          /* when the verdict was given            */
	bool judge;                /* in this tick                          */
	bool voice;                /* the last SILK packet had some         */

	/* packets */
	struct sched_slot *ring[SCHED_RING];  /* by sequence number         */
	uint8_t kept;              /* slots in the ring                     */
	uint16_t newest;           /* of them; valid if kept                */
	uint32_t dur;              /* of the latest that was kept [us]      */

	/* play-out */
	struct sched_talk *tk;     /* NULL unless talking                   */
	uint64_t now;              /* of this tick [us]                     */
	uint64_t tick_last;
	uint16_t next;             /* to play                               */
	int64_t expect;            /* media time of `next`, if none is lost */
	uint32_t stalled;          /* concealed beyond `expect` [us]        */
	uint32_t made;             /* sound made up since a packet came [us]*/
	uint32_t skip;             /* owed by ticks not fetched [us]        */
	uint8_t others;            /* since `next`, packets without sound   */
	bool ready;                /* `next` and `expect` are valid         */
	bool waiting;              /* the spurt's first packet has to wait  */
	uint16_t frame_seq;        /* valid if frame_taken                  */
	uint32_t frame_mean;       /* length of frames [bytes << 8], 0: none*/
	bool frame_taken, pcm_taken;   /* in this tick                      */
	bool turn_taken;           /* ... found nothing to play             */
	bool clean;                /* ... had nothing to conceal            */
	bool pcm_heard;            /* the level comes from PCM              */
	bool talk_pcm;             /* no packet tells its level by itself   */
	bool ending;               /* this tick is the last of the spurt    */
	bool first;                /* of the spurt                          */
	bool fec_seen;             /* redundancy came lately                */
	bool fec_wait;             /* ... and packets get lost: wait for it */
	uint8_t lossc, playc;      /* lost, played since the last count     */

	struct scheduler_stats st;
	uint64_t made_all;         /* concealed [us]                        */
	uint64_t stretched;        /* [us]                                  */
};

/* rx */
enum sched_verdict { SCHED_OK, SCHED_DROP, SCHED_RESYNC };
enum sched_verdict sched_rx_seq(struct scheduler *s,
				const struct scheduler_packet *pkt,
				uint64_t now);
int64_t sched_rx_time(struct scheduler *s, uint32_t clock, uint32_t ts,
		      uint64_t now);
void sched_rx_resume(struct sched_rx *rx, const struct scheduler_stats *st);

/* slot */
int  sched_slot_keep(struct scheduler *s, const struct scheduler_packet *pkt,
		     uint8_t fmt, int64_t media, uint8_t level, uint64_t now);
struct sched_slot *sched_slot_at(const struct scheduler *s, uint16_t seq);
struct sched_slot *sched_slot_after(const struct scheduler *s, uint16_t seq);
void sched_slot_drop_before(struct scheduler *s, uint16_t seq);
void sched_slot_flush(struct scheduler *s);

/* judge */
bool sched_judge_hear(struct scheduler *s, const struct scheduler_packet *pkt,
		      uint64_t now, uint8_t *level);
void sched_judge_tick(struct scheduler *s);

/* depth */
void sched_depth_init(struct sched_depth *d);
void sched_depth_transit(struct sched_depth *d, int64_t transit,
			 uint64_t now);
int32_t sched_depth_need(struct sched_depth *d);
void sched_depth_played(struct scheduler *s, const struct sched_slot *slot);
bool sched_depth_spare(struct scheduler *s, const struct sched_slot *slot,
		       const struct sched_slot *after);
void sched_depth_late(struct scheduler *s);
void sched_depth_done(struct sched_depth *d);
void sched_depth_look(struct scheduler *s, uint32_t left);
int32_t sched_depth_shrinks(const struct scheduler *s);
bool sched_depth_wait(struct scheduler *s, const struct sched_slot *slot);

/* tick */
enum sched_turn { SCHED_PLAY, SCHED_LOST, SCHED_EMPTY, SCHED_WAIT };
void sched_talk_begin(struct scheduler *s);
void sched_talk_end(struct scheduler *s);
void sched_advance(struct scheduler *s, const struct sched_slot *slot);
enum sched_turn sched_turn(struct scheduler *s, struct sched_slot **slotp);

/* warm */
int  sched_decoder_set(struct scheduler *s, const struct sched_slot *slot);

/* play */
void sched_talk_init(struct sched_talk *tk);
bool sched_inband(const struct scheduler *s);

static inline int seq_diff(uint16_t a, uint16_t b)
{
	return (int16_t)(a - b);
}

#endif
