/**
 * @file mesh/rtcp.h  RTCP reports (RFC 3550, 6)
 */
#ifndef JUNCTOR_MESH_RTCP_H
#define JUNCTOR_MESH_RTCP_H

enum { RTCP_CNAME_MAX = 63, RTCP_SIZE_MAX = 160 };

struct rtcp_block {              /* RFC 3550, 6.4.1                       */
	uint32_t ssrc;           /* of whom                               */
	uint8_t fraction;        /* lost since the last report [1/256]    */
	int32_t lost;            /* in all                                */
	uint32_t ext_seq;        /* highest sequence number received      */
	uint32_t jitter;         /* [RTP clock]                           */
	uint32_t lsr;            /* last sender report [NTP, middle]      */
	uint32_t dlsr;           /* time since it came [1/65536 s]        */
};

struct rtcp_report {             /* a compound packet that we send        */
	uint32_t ssrc;
	bool sender;             /* SR, else RR                           */
	uint64_t ntp;            /* [NTP, 32.32]                          */
	uint32_t rtp_ts;         /* of the same moment                    */
	uint32_t packets, bytes; /* sent                                  */
	bool has_block;
	struct rtcp_block block;
	const char *cname;
	bool bye;
};

struct rtcp_seen {               /* what a compound packet says to us     */
	bool has_sr;
	uint32_t sr_ntp;         /* [NTP, middle]                         */
	bool has_block;          /* about our SSRC                        */
	struct rtcp_block block;
	bool bye;
};

size_t rtcp_compound_encode(uint8_t buf[RTCP_SIZE_MAX],
			    const struct rtcp_report *rep);
int  rtcp_compound_decode(struct rtcp_seen *seen, const uint8_t *buf,
			  size_t len, uint32_t ssrc);

#endif
