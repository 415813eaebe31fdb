/**
 * @file sdpdec.h  Shared by sdpdec.c and sdpattr.c only
 */
#ifndef JUNCTOR_SIP_SDPDEC_H
#define JUNCTOR_SIP_SDPDEC_H

enum { SDP_FMTS_MAX = 64 };          /* formats looked at in an m= line     */

/* What may be told for the session or for one medium. */
struct sdp_level {
	struct sa addr;              /* c=, port 0                       */
	bool addr_set;
	bool dir_set;
	enum sdp_dir dir;
	uint32_t ptime, maxptime;    /* [ms]                             */
	uint8_t ext_level, ext_mixer;
};

struct sdp_parser {
	struct media_desc *md;
	struct sdp_level sess, media;
	struct sdp_level *cur;           /* the level that lines belong to   */
	bool audio;                  /* in the m= line that is `audio`   */
	bool have_o;
	uint16_t port;               /* of the audio                     */
	uint16_t rtcp_port;
	struct sa rtcp_addr;         /* unset: as the audio's            */
	bool rtcp_mux;
	struct sdp_codec fmtv[SDP_FMTS_MAX];
	unsigned fmtc;
};

bool sdp_word_next(struct pl *word, struct pl *line);
void sdp_word_split(struct pl *tail, struct pl *word, char c);
bool sdp_num_decode(uint64_t *num, const struct pl *pl, uint64_t max);
bool sdp_is_token(const struct pl *pl);
int  sdp_addr_decode(struct sa *sa, struct pl *line);
int  sdp_attr_read(struct sdp_parser *p, struct pl line);

#endif
