/**
 * @file mesh/filter.h  What one listener hears
 */
#ifndef JUNCTOR_MESH_FILTER_H
#define JUNCTOR_MESH_FILTER_H

enum {
	FILTER_IGNORE_MAX = 16,
	FILTER_GAIN_ONE = 4096,
	FILTER_CSRCS = MESH_TALKERS_MAX + 1,
};

struct scheduler_frame;

struct filter_talker {           /* somebody who is mixed in this tick    */
	const void *who;         /* NULL: a sound of the conference       */
	const void *to;          /* whispers to this one only, or NULL    */
	int16_t *sampv;          /* its audio of this tick                */
	uint32_t ssrc;
	uint8_t level;           /* [-dBov]                               */
	bool link;               /* the mix of another server             */
	const uint32_t *csrcv;   /* of it: who is in it                   */
	const uint8_t *levelv;   /* their levels [-dBov]                  */
	unsigned csrcc;
	const struct scheduler_frame *frame; /* what its audio was made of,
				  unaltered; length 0: lost; or NULL      */
};

struct filter_rules {            /* of one listener; all zero: none       */
	const void *ignorev[FILTER_IGNORE_MAX];
	unsigned ignorec;
	const void *hear_only;   /* or NULL                               */
	int talk_gain;           /* 1/4096; 0: unchanged                  */
	int hear_gain;           /* 1/4096; 0: unchanged                  */
	const void *whisper;     /* to whom, or NULL                      */
	bool link;               /* hears no other server                 */
};

struct filter_mix {              /* the outcome                           */
	const int16_t *sampv;    /* NULL: silence                         */
	const struct filter_talker *lone; /* its frames are the mix       */
	uint32_t csrcv[FILTER_CSRCS];
	uint8_t levelv[FILTER_CSRCS];
	unsigned csrcc;
	const struct filter_talker *talkv; /* all, heard or not           */
	unsigned talkc;
};

void filter_sum(int32_t *sumv, size_t sampc,
		const struct filter_talker *talkv, unsigned talkc);
void filter_all(struct filter_mix *mix, int16_t *buf, const int32_t *sumv,
		size_t sampc, const struct filter_talker *talkv,
		unsigned talkc);
void filter_one(struct filter_mix *mix, int16_t *buf, const int32_t *sumv,
		size_t sampc, const struct filter_talker *talkv,
		unsigned talkc, const void *self,
		const struct filter_rules *rules);
void filter_gain(int16_t *sampv, size_t sampc, int gain);
int  filter_gain_db(int db);
void filter_rules_forget(struct filter_rules *rules, const void *self,
			 const void *gone);
bool filter_concerns(const struct filter_talker *talkv, unsigned talkc,
		     const void *self, const struct filter_rules *rules);

#endif
