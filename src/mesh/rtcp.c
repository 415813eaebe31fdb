/**
 * @file mesh/rtcp.c  RTCP reports (RFC 3550, 6)
 *
 * libre's coder allocates for every packet, so it cannot be used in a tick.
 */
#include <re.h>
#include <string.h>
#include "mesh/rtcp.h"

enum {
	HDR = 4,
	BLOCK = 24,
	SENDER_INFO = 20,
};


static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		(uint32_t)p[2] << 8 | p[3];
}


static uint8_t *put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;

	return p + 4;
}


static uint8_t *hdr_put(uint8_t *p, unsigned count, enum rtcp_type type,
			size_t len)
{
	return put32(p, 0x80000000u | count << 24 | (uint32_t)type << 16 |
		     (uint32_t)(len / 4 - 1));
}


static uint8_t *block_put(uint8_t *p, const struct rtcp_block *b)
{
	/* 24 bits with sign */
	const int32_t lost = max(min(b->lost, 0x7fffff), -0x800000);

	p = put32(p, b->ssrc);
	p = put32(p, (uint32_t)b->fraction << 24 |
		  ((uint32_t)lost & 0xffffff));
	p = put32(p, b->ext_seq);
	p = put32(p, b->jitter);
	p = put32(p, b->lsr);

	return put32(p, b->dlsr);
}


static void block_get(struct rtcp_block *b, const uint8_t *p)
{
	uint32_t v = get32(p + 4);

	b->ssrc = get32(p);
	b->fraction = (uint8_t)(v >> 24);
	v &= 0xffffff;
	b->lost = v & 0x800000 ? (int32_t)v - 0x1000000 : (int32_t)v;
	b->ext_seq = get32(p + 8);
	b->jitter = get32(p + 12);
	b->lsr = get32(p + 16);
	b->dlsr = get32(p + 20);
}


static uint8_t *report_put(uint8_t *p, const struct rtcp_report *rep)
{
	const size_t len = HDR + 4 + (rep->sender ? SENDER_INFO : 0) +
		(rep->has_block ? BLOCK : 0);

	p = hdr_put(p, rep->has_block, rep->sender ? RTCP_SR : RTCP_RR, len);
	p = put32(p, rep->ssrc);

	if (rep->sender) {
		p = put32(p, (uint32_t)(rep->ntp >> 32));
		p = put32(p, (uint32_t)rep->ntp);
		p = put32(p, rep->rtp_ts);
		p = put32(p, rep->packets);
		p = put32(p, rep->bytes);
	}

	return rep->has_block ? block_put(p, &rep->block) : p;
}


static uint8_t *sdes_put(uint8_t *p, const struct rtcp_report *rep)
{
	const size_t n = strnlen(rep->cname, RTCP_CNAME_MAX);
	/* the item, then at least one zero, then up to the next word */
	const size_t chunk = (4 + 2 + n + 1 + 3) & ~(size_t)3;

	p = hdr_put(p, 1, RTCP_SDES, HDR + chunk);
	memset(p, 0, chunk);
	put32(p, rep->ssrc);
	p[4] = RTCP_SDES_CNAME;
	p[5] = (uint8_t)n;
	memcpy(p + 6, rep->cname, n);

	return p + chunk;
}


/**
 * Encode a compound packet: SR or RR, SDES with CNAME, and BYE if so
 *
 * @param buf Buffer for it
 * @param rep What it says
 *
 * @return Length [bytes]
 */
size_t rtcp_compound_encode(uint8_t buf[RTCP_SIZE_MAX],
			    const struct rtcp_report *rep)
{
	uint8_t *p = sdes_put(report_put(buf, rep), rep);

	if (rep->bye) {
		p = hdr_put(p, 1, RTCP_BYE, HDR + 4);
		p = put32(p, rep->ssrc);
	}

	return (size_t)(p - buf);
}


/* Report blocks of an SR or RR; only what is about us is of interest */
static int blocks_get(struct rtcp_seen *seen, const uint8_t *p, size_t len,
		      unsigned count, uint32_t ssrc)
{
	if (len < (size_t)count * BLOCK)
		return EBADMSG;

	for (unsigned i = 0; i < count; i++, p += BLOCK) {
		if (get32(p) != ssrc)
			continue;
		seen->has_block = true;
		block_get(&seen->block, p);
	}

	return 0;
}


static int part_get(struct rtcp_seen *seen, const uint8_t *p, size_t len,
		    uint32_t ssrc)
{
	const unsigned count = p[0] & 0x1f;

	switch (p[1]) {

	case RTCP_SR:
		if (len < HDR + 4 + SENDER_INFO)
			return EBADMSG;
		seen->has_sr = true;
		seen->sr_ntp = get32(p + 8) << 16 | get32(p + 12) >> 16;
		return blocks_get(seen, p + HDR + 4 + SENDER_INFO,
				  len - HDR - 4 - SENDER_INFO, count, ssrc);

	case RTCP_RR:
		if (len < HDR + 4)
			return EBADMSG;
		return blocks_get(seen, p + HDR + 4, len - HDR - 4, count,
				  ssrc);

	case RTCP_BYE:
		seen->bye = true;
		return 0;

	default:
		return 0;
	}
}


/**
 * Decode a compound packet (RFC 3550, 6.1 and appendix A.2)
 *
 * @param seen Filled in
 * @param buf  Datagram
 * @param len  Its length [bytes]
 * @param ssrc Our SSRC: blocks about others are skipped
 *
 * @return 0, or EBADMSG
 */
int rtcp_compound_decode(struct rtcp_seen *seen, const uint8_t *buf,
			 size_t len, uint32_t ssrc)
{
	const uint8_t *p = buf;

	memset(seen, 0, sizeof(*seen));

	/* a report comes first, even if it is an empty one; RFC 5506 allows
	   others to, which say nothing that is used here */
	if (len < HDR + 4 || p[0] & 0x20)
		return EBADMSG;

	while (len) {
		size_t n;
		int err;

		if (len < HDR || p[0] >> 6 != RTCP_VERSION)
			return EBADMSG;

		n = ((size_t)(p[2] << 8 | p[3]) + 1) * 4;
		if (n > len)
			return EBADMSG;

		err = part_get(seen, p, n, ssrc);
		if (err)
			return err;

		p += n;
		len -= n;
	}

	return 0;
}
