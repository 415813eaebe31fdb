/**
 * @file mesh/sender.h  One stream of packets, for one listener or many equal
 */
#ifndef JUNCTOR_MESH_SENDER_H
#define JUNCTOR_MESH_SENDER_H

enum {
	SENDER_PACKETS = 2,      /* of 10 ms in a tick of 20              */
	SENDER_QUIET   = 48,     /* soft enough to change streams [-dBov] */
	SENDER_WAIT    = 250,    /* for a quiet moment at most [ticks]    */
};

struct sender_key {              /* listeners equal in this can share     */
	struct mesh_format fmt;  /* its payload type is of no meaning     */
	uint8_t ptime;           /* 10, 20, 40, 60 [ms]                   */
	uint8_t ext_mixer;       /* RFC 6465 id, 0: none                  */
};

struct sender_env {              /* what is the same for a conference     */
	struct codec_pool *pool;
	uint32_t rate;           /* of the mix [Hz]                       */
	uint32_t bitrate;        /* Opus, if the format has none [bit/s]  */
	unsigned complexity;     /* Opus, 0..10; may change with any tick */
	unsigned haste;          /* so much less than it would be         */
	bool pass_through;
	uint32_t tick;           /* number of this one                    */
	uint64_t encodes, passed;/* counted                               */
};

struct sender_packet {
	const uint8_t *p;        /* CSRCs, extension, payload             */
	size_t len;
	size_t payload;          /* 0: lost on the way in, nothing to send*/
	bool marker;
};

struct sender {
	struct le le;            /* in a list of spare ones, or nowhere   */
	struct codec_enc *enc;   /* or NULL, while there is no need       */
	uint32_t enc_rate;       /* of its input [Hz]                     */
	const void *pass;        /* whose frames went out last, or NULL   */
	unsigned silent;         /* silence encoded in a row [frames]     */
	bool primed;             /* encoder knows the audio before this   */
	bool alone;              /* somebody comes in the middle: packets
				    before are not known there            */
	unsigned wait;           /* frames that would do wait so long for a
				    quiet moment to begin in [ticks]      */
	uint32_t tick;           /* when it last ran                      */
	uint32_t rate;           /* of the audio in `prev`, `gather` [Hz]  */
	size_t fill;             /* in `gather` [samples]                 */
	bool loud;               /* it is not all silence                 */
	unsigned packetc;        /* ready in this tick                    */
	uint8_t first;           /* first byte of their headers           */
	struct sender_packet packetv[SENDER_PACKETS];
	size_t lenv[SENDER_PACKETS];   /* payloads [bytes]                */
	uint8_t bufv[SENDER_PACKETS][RTP_SHARED_MAX + CODEC_PAYLOAD_MAX];
	int16_t prev[CODEC_TICK_MAX];  /* audio of the tick before        */
	int16_t gather[CODEC_FRAME_MAX]; /* for packets of 40 and 60 ms   */
};

int  sender_alloc(struct sender **sp);
void sender_follow(struct sender *s, const struct sender *from);
void sender_clear(struct sender *s);
int  sender_run(struct sender *s, const struct sender_key *key,
		const struct filter_mix *mix, struct sender_env *env);
bool sender_meets(const struct sender *s, const struct sender *other,
		  const struct sender_key *key, bool quiet, unsigned ticks);
bool sender_fits(const struct sender_key *key, const struct filter_mix *mix,
		 const struct sender_env *env);
bool sender_stateless(enum mesh_codec codec);
bool sender_passes(const struct sender *s, const struct sender_key *key,
		   const struct filter_mix *mix,
		   const struct sender_env *env);
const struct scheduler_frame *sender_frame(const struct filter_mix *mix,
					   const void *who,
					   enum mesh_codec codec);
void sender_go_on(uint8_t *next, const uint8_t *older, const uint8_t *last,
		  enum mesh_codec codec);
void sender_cross(uint8_t *to, const uint8_t *from, enum mesh_codec codec);
bool sender_key_equal(const struct sender_key *a,
		      const struct sender_key *b);

#endif
