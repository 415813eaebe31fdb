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

enum mesh_codec { MESH_PCMU, MESH_PCMA, MESH_G722, MESH_OPUS };

enum { MESH_FORMATS_MAX = 6, MESH_TALKERS_MAX = 16 };

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
	uint32_t opus_bitrate;        /* [bit/s]                            */
	unsigned jitter_max;          /* deepest scheduler [ms]             */
	bool pass_through;
	unsigned silence_timeout;     /* no RTP, no RTCP: event [s], 0: off */
};

struct mesh_conf_params {
	unsigned talkers_max;         /* 0: the mesh's setting              */
	uint32_t rate_max;            /* [Hz], 0: 48000                     */
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

struct mesh_worker_stats {
	unsigned confs, parts;
	uint64_t rx_packets, tx_packets, rx_unknown, rx_malformed;
	uint64_t ticks, overruns;     /* ticks that began > 10 ms late      */
	uint64_t tick_usec;           /* time spent in ticks [us]           */
	uint64_t tick_usec_max;       /* longest of the last second [us]    */
	uint64_t decodes, encodes, encodes_shared, passed_through;
	uint64_t tx_errors;
};

typedef void (mesh_event_h)(struct mesh_part *part, enum mesh_event ev,
			    int value, void *arg);

int  mesh_alloc(struct mesh **mp, const struct mesh_config *cfg);
int  mesh_start(struct mesh *mesh);
unsigned mesh_workers(const struct mesh *mesh);
int  mesh_worker_stats(const struct mesh *mesh, unsigned ix,
		       struct mesh_worker_stats *st);
int  mesh_laddr(const struct mesh *mesh, unsigned worker, struct sa *sa);

/* mem_deref of a handle takes the object out of the mesh. A conference must
   outlive its participants: each holds a reference to it. */
int  mesh_conf_alloc(struct mesh_conf **cp, struct mesh *mesh,
		     const struct mesh_conf_params *prm);
int  mesh_conf_tone(struct mesh_conf *conf, enum mesh_tone tone);
int  mesh_part_alloc(struct mesh_part **pp, struct mesh_conf *conf,
		     const struct mesh_media *media, bool private_port,
		     const char *cname, mesh_event_h *h, void *arg);
int  mesh_part_update(struct mesh_part *part, const struct mesh_media *media);
int  mesh_part_laddr(const struct mesh_part *part, struct sa *rtp,
		     struct sa *rtcp);
uint32_t mesh_part_ssrc(const struct mesh_part *part);
int  mesh_part_stats(const struct mesh_part *part, struct mesh_stats *st);

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
