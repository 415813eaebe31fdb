/**
 * @file mesh/scheduler.h  Adaptive jitter buffer of one participant
 *
 *   scheduler_put ... scheduler_put            as packets arrive
 *   scheduler_tick                             every 20 ms, then, if talking,
 *   scheduler_frame and/or scheduler_pcm       at most once each
 *
 * What of a tick is neither fetched as a frame nor as PCM is skipped: time
 * goes on. After ticks of which only the frame was fetched, scheduler_pcm
 * decodes some of what went out, and scheduler_past tells how it ended. A
 * participant that does not talk costs a look at the header.
 */
#ifndef JUNCTOR_MESH_SCHEDULER_H
#define JUNCTOR_MESH_SCHEDULER_H

struct scheduler;
struct codec_pool;
struct mesh_media;
struct mesh_format;

enum scheduler_state {
	SCHEDULER_SILENT,
	SCHEDULER_JUDGING,     /* may be talking: packets are kept          */
	SCHEDULER_TALKING,
};

struct scheduler_config {
	unsigned depth_max;    /* deepest buffer [ms], 20..1000, 0: 400     */
	bool dtmf_inband;      /* listen for, and take out, tones (G.711)   */
	bool link;             /* from a server: all that comes is talk, in
				  pairs of packets; CN ends it              */
};

struct scheduler_packet {
	uint32_t ssrc;
	uint32_t ts;
	uint16_t seq;
	uint8_t pt;
	bool marker;
	int8_t level;          /* RFC 6464 [-dBov], -1: not known           */
	bool voice;            /* its V bit; only if level is known         */
	const uint8_t *p;      /* payload, copied if needed                 */
	size_t len;
};

struct scheduler_frame {
	const struct mesh_format *fmt;
	const uint8_t *p;      /* valid until the next put or tick          */
	size_t len;
	uint32_t rate;         /* of the frames of the last second [bit/s]  */
	bool first;            /* of a talk spurt: set the marker bit       */
};

struct scheduler_stats {
	uint64_t packets, bytes;
	uint32_t lost;         /* RFC 3550, never negative                  */
	uint32_t late;         /* came after their turn                     */
	uint32_t dup;
	uint32_t malformed;    /* oversize, undecodable, unknown type       */
	uint32_t jitter;       /* RFC 3550 [us]                             */
	uint32_t depth;        /* arrival to play-out, now [ms]             */
	uint32_t concealed;    /* [ms]                                      */
	uint32_t stretched;    /* [ms] added and removed by time-scaling    */
	uint32_t fec;          /* packets recovered                         */
	uint32_t resyncs;      /* SSRC changes, time stamp and seq. jumps   */
	/* for receiver reports, RFC 3550 6.4.1 */
	uint32_t ssrc;
	uint32_t ext_seq;      /* extended highest sequence number          */
	uint32_t expected;
	uint32_t jitter_ts;    /* in units of the RTP clock                 */
};

struct scheduler_phase {       /* of packets and ticks                     */
	int32_t wait;          /* packets are there so long before the next
				  tick [us]                                */
	int32_t spare;         /* if heard: it may come so much earlier, and
				  nothing is missing [us]                  */
	int32_t shrinks;       /* once `wait` is that long, its buffer gets
				  shallower by a tick; 0 if not [us]       */
	uint32_t period;       /* of packets within a tick [us]            */
	bool heard;            /* in the tick before                       */
};

/* `digit` is '0'..'9' '*' '#' 'A'..'D'; called once per key press, inside
   scheduler_put or scheduler_pcm */
typedef void (scheduler_dtmf_h)(char digit, unsigned duration_ms, void *arg);

int  scheduler_alloc(struct scheduler **sp, struct codec_pool *pool,
		     const struct scheduler_config *cfg,
		     const struct mesh_media *media,
		     scheduler_dtmf_h *dtmfh, void *arg);
int  scheduler_update(struct scheduler *s, const struct mesh_media *media);
int  scheduler_put(struct scheduler *s, const struct scheduler_packet *pkt,
		   uint64_t now_us);
enum scheduler_state scheduler_tick(struct scheduler *s, uint64_t now_us,
				    uint8_t *level);
int  scheduler_frame(struct scheduler *s, struct scheduler_frame *frame);
int  scheduler_pcm(struct scheduler *s, int16_t *sampv, uint32_t rate);
int  scheduler_past(const struct scheduler *s, int16_t *sampv, uint32_t rate);
bool scheduler_phase(struct scheduler *s, struct scheduler_phase *ph,
		     uint64_t due);
void scheduler_resume(struct scheduler *s, const struct scheduler_stats *st,
		      uint8_t level);
void scheduler_reset(struct scheduler *s);
void scheduler_stats(const struct scheduler *s, struct scheduler_stats *st);

#endif
