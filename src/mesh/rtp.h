/**
 * @file mesh/rtp.h  RTP packets (RFC 3550, RFC 6464, RFC 6465)
 */
#ifndef JUNCTOR_MESH_RTP_H
#define JUNCTOR_MESH_RTP_H

struct scheduler_packet;

enum {
	RTP_FIXED     = 12,      /* header without CSRCs [bytes]          */
	RTP_CSRC_MAX  = 15,
	RTP_MTU       = 1500,    /* longest datagram that is looked at    */
	RTP_SHARED_MAX = 4 * RTP_CSRC_MAX + 4 + 20, /* CSRCs, extension   */
};

enum packet_class {              /* by the first bytes                    */
	PACKET_STUN, PACKET_DTLS, PACKET_RTP, PACKET_RTCP, PACKET_OTHER,
};

enum packet_class packet_classify(const uint8_t *buf, size_t len);
int  rtp_packet_decode(struct scheduler_packet *pkt, const uint8_t *buf,
		       size_t len, uint8_t ext_level);
void rtp_fixed_encode(uint8_t hdr[RTP_FIXED], uint8_t first, uint8_t pt,
		      bool marker, uint16_t seq, uint32_t ts, uint32_t ssrc);
unsigned rtp_mixer_decode(uint32_t csrcv[RTP_CSRC_MAX],
			  uint8_t levelv[RTP_CSRC_MAX], const uint8_t *buf,
			  size_t len, uint8_t ext_mixer);
size_t rtp_mixer_encode(uint8_t buf[RTP_SHARED_MAX], uint8_t *first,
			const uint32_t *csrcv, const uint8_t *levelv,
			unsigned csrcc, uint8_t ext_mixer);

#endif
