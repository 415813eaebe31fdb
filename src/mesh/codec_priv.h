/**
 * @file mesh/codec_priv.h  What coders of one worker share
 */
#ifndef JUNCTOR_MESH_CODEC_PRIV_H
#define JUNCTOR_MESH_CODEC_PRIV_H

void codec_pool_count_decode(struct codec_pool *pool, bool opus);
void codec_pool_count_encode(struct codec_pool *pool, bool opus);
void codec_pool_count_judged(struct codec_pool *pool);

size_t codec_dec_size(enum codec_obj obj);
size_t codec_enc_size(enum codec_obj obj);

/* what a worker's pool embeds for the scheduler */
size_t sched_slot_size(void);
size_t sched_talk_size(void);
int    sched_talk_setup(void *talk);
void   sched_talk_close(void *talk);

#endif
