/**
 * @file sdp.h  Session descriptions: text in, plain structs out, and back
 *              (RFC 4566, 3264, 8285, 6464, 6465)
 *
 * enum sdp_dir and its values are libre's.
 */
#ifndef JUNCTOR_SIP_SDP_H
#define JUNCTOR_SIP_SDP_H

struct mbuf;

enum {
	SDP_CODECS_MAX = 16,
	SDP_MEDIA_MAX  = 8,
};

struct sdp_codec {
	char name[16];          /* "opus", "G722", "telephone-event"         */
	uint8_t pt;             /* 0-127                                     */
	uint32_t srate;         /* as in rtpmap: G722 says 8000 [Hz]         */
	uint8_t ch;
	char fmtp[160];
};

/* Codecs that a media server may speak */
enum sdp_spoken {
	SDP_OPUS,
	SDP_G722,
	SDP_PCMU,
	SDP_PCMA,
	SDP_SPOKEN_NUM,
};

/* As we offer them: with the payload type of RFC 3551 or one of ours, and what
 * we say about what we can receive */
extern const struct sdp_codec sdp_spokenv[SDP_SPOKEN_NUM];

/* One description: its audio, and how many other media stood where, so that
 * an answer has a line for each of them. */
struct media_desc {
	uint64_t sess_id, sess_ver;
	struct sa origin;                /* address in o=; unset: rtp's      */
	unsigned media;                  /* set of enum media_type           */
	unsigned mediac;                 /* m= lines                         */
	char medialinev[SDP_MEDIA_MAX][64]; /* "video RTP/AVP 96" ...   */
	unsigned audio_ix;               /* which m= line is `audio` below   */
	bool has_audio;
	struct sa rtp;                   /* port 0: refused                  */
	struct sa rtcp;                  /* af AF_UNSPEC: rtp's port + 1     */
	bool rtcp_mux;
	bool hold_addr;                  /* c= was 0.0.0.0 (RFC 2543 hold)   */
	enum sdp_dir dir;                /* of the side that wrote it        */
	uint32_t ptime, maxptime;        /* [ms], 0: not told                */
	struct sdp_codec codecv[SDP_CODECS_MAX];
	unsigned codecc;                 /* preferred first                  */
	uint8_t ext_level;               /* id of RFC 6464, 0: none          */
	uint8_t ext_mixer;               /* id of RFC 6465, 0: none          */
};

int sdp_desc_decode(struct media_desc *md, const uint8_t *buf, size_t len);
int sdp_desc_encode(struct mbuf *mb, const struct media_desc *md);
int sdp_answer_init(struct media_desc *answer, const struct media_desc *offer,
		    const struct sa *laddr, uint64_t sess_id);
const struct sdp_codec *sdp_codec_spoken(const struct sdp_codec *c);
const struct sdp_codec *sdp_codec_find(const struct media_desc *md,
				       const char *name, uint32_t srate);

#endif
