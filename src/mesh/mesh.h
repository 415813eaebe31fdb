/**
 * @file mesh.h  The media engine as the main thread sees it
 *
 *  channel -> scheduler -> sorter -> filter -> sender -> channel
 *
 * Everything here is called in the main thread. Calls that create, wire or
 * release mesh objects are queued and applied by the worker between two
 * ticks; the handles returned here are valid at once. Handlers run in the
 * main thread too.
 */
#ifndef JUNCTOR_MESH_MESH_H
#define JUNCTOR_MESH_MESH_H

struct mesh;
struct mesh_conf;            /* a sorter and all that is wired to it        */
struct mesh_part;            /* a participant: scheduler, filter, sender    */

/* MESH_L16 is spoken between servers only, on links */
enum mesh_codec { MESH_PCMU, MESH_PCMA, MESH_G722, MESH_OPUS, MESH_L16 };

enum {
	MESH_FORMATS_MAX = 6,
	MESH_TALKERS_MAX = 16,
	MESH_LINKS_MAX   = 4,         /* of a conference                    */
	MESH_IGNORE_MAX  = 16,        /* whom one participant ignores       */
};

struct mesh_format {
	enum mesh_codec codec;
	uint8_t pt;
	uint32_t rate;        /* highest audio rate of use [Hz]: 8000..48000 */
	uint32_t bitrate;     /* Opus [bit/s], 0: the mesh's setting         */
	bool fec;             /* Opus in-band FEC                            */
	bool dtx;
	bool cbr;
};

struct mesh_media {           /* what was agreed with one participant       */
	struct mesh_format rxv[MESH_FORMATS_MAX]; /* what may come          */
	unsigned rxc;
	struct mesh_format tx;
	uint8_t telev_rx, telev_tx;   /* payload types, 0: none             */
	uint32_t ptime;               /* of what we send: 10 20 40 60 [ms]  */
	uint8_t ext_level;            /* RFC 6464 id in what comes, 0: none */
	uint8_t ext_mixer;            /* RFC 6465 id in what we send        */
	struct sa rtp, rtcp;          /* the peer's, by its SDP             */
	bool rtcp_mux;
	bool send, recv;              /* may we send; do we listen          */
};

struct mesh_config {
	unsigned workers;             /* 0: one per core                    */
	struct sa laddr;              /* address; port: first of the range,
					 0: any free ports                  */
	unsigned private_max;         /* ports for callers behind NAT       */
	unsigned talkers_max;         /* mixed at once, 1..MESH_TALKERS_MAX */
	unsigned opus_complexity;     /* 0..10                              */
	bool opus_adapt;              /* less of it under load              */
	uint32_t opus_bitrate;        /* [bit/s]                            */
	unsigned jitter_max;          /* deepest scheduler [ms]             */
	bool pass_through;
	unsigned silence_timeout;     /* no RTP, no RTCP: event [s], 0: off */
};

/* All that a conference has beside its participants: what
   mesh_conf_state() tells makes an equal one elsewhere */
struct mesh_conf_params {
	unsigned talkers_max;         /* 0: the mesh's setting              */
	uint32_t rate_max;            /* [Hz], 0: 48000                     */
	uint32_t ssrc_seed, ssrc_next;/* where SSRCs come from; both 0: new */
};

enum mesh_event {
	MESH_SPEAKING_STARTED,        /* value: level [-dBov]               */
	MESH_SPEAKING_STOPPED,
	MESH_DTMF,                    /* value: '0'..'9' '*' '#' 'A'..'D'   */
	MESH_LATCHED,                 /* first media, from `sa`             */
	MESH_SILENT,                  /* neither RTP nor RTCP for long      */
};

enum mesh_tone {
	MESH_TONE_MUTED, MESH_TONE_UNMUTED, MESH_TONE_JOIN, MESH_TONE_LEAVE,
};

struct mesh_stats {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint32_t rx_lost, rx_late, rx_dup;
	uint32_t rx_jitter;           /* RFC 3550 [us]                      */
	uint32_t tx_lost;             /* as the peer reports it             */
	uint32_t rtt;                 /* [us], 0: unknown                   */
	uint32_t depth;               /* of the scheduler now [ms]          */
	uint32_t concealed;           /* [ms]                               */
	uint8_t level;                /* 0..127 [-dBov]                     */
	bool speaking;
	struct sa peer;               /* latched source                     */
	uint64_t quiet_ms;            /* since the last RTP or RTCP         */
};

struct mesh_worker_load {
	unsigned load;                /* the greatest of the following      */
	unsigned busy;                /* of its time it works [1/1000]      */
	unsigned late;                /* ticks began this late, but for the
					 worst two [us]                     */
	unsigned drops;               /* packets the system threw away [1/s]*/
	unsigned complexity;          /* of Opus encoders at present        */
};

struct mesh_worker_stats {
	unsigned confs, parts;
	uint64_t rx_packets, tx_packets, rx_unknown, rx_malformed;
	uint64_t ticks, overruns;     /* ticks that began > 10 ms late      */
	uint64_t tick_usec;           /* time spent in ticks [us]           */
	uint64_t tick_usec_max;       /* longest of the last second [us]    */
	uint64_t decodes, encodes, encodes_shared, passed_through;
	uint64_t tx_errors;
	struct mesh_worker_load load; /* of the last second                 */
};

/* The streams to and from a participant, as they were `age` ago. Plain
   numbers: they may be written down, and go on in another server. */
struct mesh_stream {
	uint64_t age;                 /* of all this [us]                   */
	/* to the participant */
	uint32_t ssrc;                /* never 0                            */
	uint32_t ts;                  /* of the next packet                 */
	uint32_t step;                /* of `ts` per packet                 */
	uint32_t ptime;               /* of a packet [ms]                   */
	uint16_t seq;                 /* of the next packet                 */
	uint8_t pt;
	bool on;                      /* packets go out; false: on hold     */
	uint32_t psent, osent;        /* RFC 3550, 6.4.1                    */
	uint64_t tx_packets, tx_bytes;
	uint32_t tx_lost;             /* as the peer reports it             */
	uint32_t rtt;                 /* [us], 0: unknown                   */
	/* from the participant */
	uint64_t rx_packets, rx_bytes;
	uint32_t rx_ssrc;             /* 0: nothing came yet                */
	uint32_t rx_ext_seq;          /* extended highest sequence number   */
	uint32_t rx_expected, rx_lost, rx_late, rx_dup;
	uint32_t rx_jitter;           /* RFC 3550 [us]                      */
	uint32_t concealed;           /* [ms]                               */
	uint8_t loud;                 /* of the talk, 0: none, 127 is full  */
	uint32_t expected_prior, lost_prior;  /* at the last report         */
	uint32_t lsr;                 /* of their last SR [NTP, middle]     */
	uint64_t lsr_age;             /* since it came [us]                 */
};

/* All that may be set for a participant while it is there. Others are named
   by their SSRC: it stays the same wherever a stream goes on. Who is named
   need not be there yet. */
struct mesh_part_state {
	bool muted, deaf, dominant;
	bool speaking;                /* main has been told so              */
	int talk_db, hear_db;         /* gains [dB]                         */
	uint32_t ignorev[MESH_IGNORE_MAX];
	unsigned ignorec;
	uint32_t hear_only;           /* 0: hears all                       */
	uint32_t whisper;             /* 0: is heard by all                 */
};

typedef void (mesh_event_h)(struct mesh_part *part, enum mesh_event ev,
			    int value, void *arg);

struct mesh_part_params {
	const struct mesh_media *media;
	bool private_port;            /* its packets may come from elsewhere:
					 it gets a port of its own          */
	const char *cname;            /* for RTCP, or NULL                  */
	const struct mesh_stream *stream; /* to go on with, or NULL         */
	unsigned skip;                /* numbers left out of it [packets]:
					 none is sent twice after a crash   */
	const struct mesh_part_state *state;  /* to begin with, or NULL     */
	bool quiet;                   /* is sent nothing until
					 mesh_part_go()                     */
	mesh_event_h *h;              /* or NULL                            */
	void *arg;
};

/* How near the media engine is to breaking, over the last second. At 1000
   it is about to be heard. */
struct mesh_load {
	unsigned load;                /* of the worst worker [1/1000]       */
	unsigned worst;               /* which one that is                  */
	unsigned mean;                /* of all workers [1/1000]            */
};

/* What a conference costs, over the last second */
struct mesh_conf_cost {
	unsigned worker;              /* that has it                        */
	uint32_t packets;             /* in and out [1/s]                   */
	uint32_t decodes, encodes;    /* of all codecs [1/s]                */
	uint32_t opus_decodes, opus_encodes;  /* of them, those of Opus     */
	uint32_t usec;                /* estimate, of a core's time [us/s]  */
};

int  mesh_alloc(struct mesh **mp, const struct mesh_config *cfg);
int  mesh_start(struct mesh *mesh);
unsigned mesh_workers(const struct mesh *mesh);
int  mesh_worker_stats(const struct mesh *mesh, unsigned ix,
		       struct mesh_worker_stats *st);
int  mesh_laddr(const struct mesh *mesh, unsigned worker, struct sa *sa);
int  mesh_load(const struct mesh *mesh, struct mesh_load *load);
int  mesh_worker_load(const struct mesh *mesh, unsigned ix,
		      struct mesh_worker_load *load);

/* mem_deref of a handle takes the object out of the mesh. A conference must
   outlive its participants: each holds a reference to it. */
int  mesh_conf_alloc(struct mesh_conf **cp, struct mesh *mesh,
		     const struct mesh_conf_params *prm);
int  mesh_conf_tone(struct mesh_conf *conf, enum mesh_tone tone);
int  mesh_conf_state(const struct mesh_conf *conf,
		     struct mesh_conf_params *prm);
int  mesh_conf_cost(const struct mesh_conf *conf,
		    struct mesh_conf_cost *cost);
int  mesh_part_alloc(struct mesh_part **pp, struct mesh_conf *conf,
		     const struct mesh_part_params *prm);
int  mesh_part_update(struct mesh_part *part, const struct mesh_media *media);
int  mesh_part_laddr(const struct mesh_part *part, struct sa *rtp,
		     struct sa *rtcp);
uint32_t mesh_part_ssrc(const struct mesh_part *part);
int  mesh_part_stats(const struct mesh_part *part, struct mesh_stats *st);

/* Two servers share a conference: each has a link that stands for all who
   are at the other one. A link hears everybody but links, is heard by
   everybody beside the talkers that are mixed, and speaks without events.
   It is heard from `peer` only, which may be set later. MESH_LATCHED: the
   peer is there; MESH_SILENT: it has gone. */
int  mesh_link_alloc(struct mesh_part **pp, struct mesh_conf *conf,
		     const struct sa *peer, mesh_event_h *h, void *arg);
int  mesh_link_peer(struct mesh_part *link, const struct sa *peer);

/* A stream goes on in another server: there quiet at first, then `go` there
   and `hush` here, both from the next tick on. Whoever is hushed counts on,
   and says no goodbye when it is removed. */
int  mesh_part_stream(const struct mesh_part *part, struct mesh_stream *st);
int  mesh_part_go(struct mesh_part *part);
int  mesh_part_hush(struct mesh_part *part, bool on);
int  mesh_part_state(const struct mesh_part *part,
		     struct mesh_part_state *state);

int  mesh_part_mute(struct mesh_part *part, bool on);
int  mesh_part_deaf(struct mesh_part *part, bool on);
int  mesh_part_dominant(struct mesh_part *part, bool on);
int  mesh_part_gain(struct mesh_part *part, int talk_db, int hear_db);
int  mesh_part_ignore(struct mesh_part *part, struct mesh_part *talker,
		      bool on);
int  mesh_part_hear_only(struct mesh_part *part, struct mesh_part *talker);
int  mesh_part_whisper(struct mesh_part *part, struct mesh_part *to);
int  mesh_part_tone(struct mesh_part *part, enum mesh_tone tone);

#endif
