/**
 * @file mesh/codec.h  Audio codecs: decode, encode, and the pool behind both
 *
 * Everything belongs to one mesh worker. After set-up nothing here allocates,
 * locks or calls the system: coders come from the worker's codec_pool, which
 * the worker refills between two ticks.
 */
#ifndef JUNCTOR_MESH_CODEC_H
#define JUNCTOR_MESH_CODEC_H

struct mesh_format;
struct codec_pool;
struct codec_dec;
struct codec_enc;

enum {
	CODEC_RATE_MAX    = 48000,  /* [Hz]                                 */
	CODEC_FRAME_MAX   = 2880,   /* longest packet, 60 ms at 48 kHz      */
	CODEC_PAYLOAD_MAX = 1280,   /* longest payload taken [bytes]        */
	CODEC_TICK_MS     = 20,
	CODEC_TICK_MAX    = 960,    /* samples of a tick at 48 kHz          */
};

/** What a pool hands out; sizes differ a lot, so each has its own list */
enum codec_obj {
	CODEC_OBJ_DEC,         /* decoder of G.711 or G.722                 */
	CODEC_OBJ_DEC_OPUS,
	CODEC_OBJ_ENC,         /* encoder of G.711 or G.722                 */
	CODEC_OBJ_ENC_OPUS,
	CODEC_OBJ_SLOT,        /* one received packet (scheduler)           */
	CODEC_OBJ_TALK,        /* play-out state of a talker (scheduler)    */
	CODEC_OBJ_MAX
};

struct codec_counts {         /* what coders have done                     */
	uint64_t decodes, encodes;
	uint64_t opus_decodes, opus_encodes;   /* of them                   */
};

struct codec_pool_stats {
	unsigned made[CODEC_OBJ_MAX];    /* exist                           */
	unsigned free[CODEC_OBJ_MAX];
	unsigned failed[CODEC_OBJ_MAX];  /* asked for when there was none   */
	uint64_t decodes, encodes, judged;
};

struct codec_enc_params {
	uint32_t rate;         /* of the PCM given: 8000 16000 24000 48000  */
	unsigned frame_ms;     /* 10, 20, 40, 60 [ms]                       */
	uint32_t bitrate;      /* Opus [bit/s], if the format names none    */
	unsigned complexity;   /* Opus 0..10                                */
	unsigned loss;         /* expected at the far end [%], for FEC      */
};

int  codec_pool_alloc(struct codec_pool **pp);
int  codec_pool_fill(struct codec_pool *pool, enum codec_obj obj,
		     unsigned spare);
int  codec_pool_refill(struct codec_pool *pool);
void *codec_pool_get(struct codec_pool *pool, enum codec_obj obj);
void *codec_pool_put(struct codec_pool *pool, enum codec_obj obj, void *p);
void codec_pool_counts(const struct codec_pool *pool,
		       struct codec_counts *counts);
void codec_pool_stats(const struct codec_pool *pool,
		      struct codec_pool_stats *st);

uint32_t codec_clock(const struct mesh_format *fmt);
uint32_t codec_rate(const struct mesh_format *fmt);
bool codec_equal(const struct mesh_format *a, const struct mesh_format *b);
bool codec_has_fec(const struct mesh_format *fmt, const uint8_t *p,
		   size_t len);
uint32_t codec_duration(const struct mesh_format *fmt, const uint8_t *p,
			size_t len);

int  codec_dec_get(struct codec_dec **dp, struct codec_pool *pool,
		   const struct mesh_format *fmt, uint32_t rate);
struct codec_dec *codec_dec_put(struct codec_dec *dec);
uint32_t codec_dec_rate(const struct codec_dec *dec);
int  codec_decode(struct codec_dec *dec, const uint8_t *p, size_t len,
		  int16_t *sampv, size_t *sampc);
int  codec_decode_fec(struct codec_dec *dec, const uint8_t *p, size_t len,
		      int16_t *sampv, size_t sampc);
int  codec_decode_lost(struct codec_dec *dec, int16_t *sampv, size_t sampc);
void codec_dec_reset(struct codec_dec *dec);

int  codec_enc_get(struct codec_enc **ep, struct codec_pool *pool,
		   const struct mesh_format *fmt,
		   const struct codec_enc_params *prm);
int  codec_enc_copy(struct codec_enc **ep, const struct codec_enc *from,
		    uint32_t rate);
struct codec_enc *codec_enc_put(struct codec_enc *enc);
int  codec_encode(struct codec_enc *enc, const int16_t *sampv, size_t sampc,
		  uint8_t *buf, size_t *len);
void codec_enc_complexity(struct codec_enc *enc, unsigned complexity);
int  codec_enc_prime(struct codec_enc *enc, const int16_t *sampv,
		     size_t sampc);
void codec_enc_alone(struct codec_enc *enc);
int  codec_enc_loss(struct codec_enc *enc, unsigned loss);
void codec_enc_reset(struct codec_enc *enc);

void codec_fade_in(int16_t *sampv, size_t sampc);
void codec_fade_out(int16_t *sampv, size_t sampc);
void codec_crossfade(int16_t *to, const int16_t *from, size_t sampc);

#endif
