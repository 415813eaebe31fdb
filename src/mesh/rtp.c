/**
 * @file mesh/rtp.c  RTP packets (RFC 3550, RFC 6464, RFC 6465)
 *
 * Neither allocates nor copies: a decoded packet points into the buffer it
 * came in. The header of a packet sent is in two parts,
 *
 *   own, 12 bytes                      shared by all equal listeners
 *   V P X CC M PT seq ts SSRC       |  CSRCs, extension, payload
 */
#include <re.h>
#include <string.h>
#include "mesh/mesh.h"
#include "mesh/scheduler.h"
#include "mesh/rtp.h"

enum {
	PROFILE_ONE_BYTE = 0xbede,    /* RFC 8285, 4.2                     */
	PROFILE_TWO_BYTE = 0x1000,    /* RFC 8285, 4.3; low 4 bits: appbits*/
};


static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}


static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		(uint32_t)p[2] << 8 | p[3];
}


static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}


static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}


/**
 * Tell by its first bytes what a datagram is (RFC 7983, RFC 5761)
 *
 * @param buf Datagram
 * @param len Its length [bytes]
 *
 * @return Class; PACKET_RTP and PACKET_RTCP are of version 2 and at least as
 *         long as their fixed header
 */
enum packet_class packet_classify(const uint8_t *buf, size_t len)
{
	if (len < 8)
		return PACKET_OTHER;

	if (buf[0] <= 3)
		return PACKET_STUN;

	if (buf[0] >= 20 && buf[0] <= 63)
		return PACKET_DTLS;

	if (buf[0] >> 6 != 2)
		return PACKET_OTHER;

	/* RTCP types 192..223 fall on RTP types 64..95 with the marker set,
	   which RFC 5761, 4 keeps free */
	if (buf[1] >= 192 && buf[1] <= 223)
		return PACKET_RTCP;

	return len >= RTP_FIXED ? PACKET_RTP : PACKET_OTHER;
}


/* One element of a header extension: length of the data, 0 at the end */
static size_t element(const uint8_t *p, size_t n, bool two, uint8_t *id,
		      const uint8_t **data)
{
	const size_t hdr = two ? 2 : 1;
	size_t len;

	if (n < hdr)
		return 0;

	*id = two ? p[0] : p[0] >> 4;
	len = two ? p[1] : (size_t)(p[0] & 0x0f) + 1;
	if (hdr + len > n)
		return 0;

	*data = p + hdr;

	return len;
}


/* RFC 6464, 3: one byte, V in the highest bit */
static void level_find(struct scheduler_packet *pkt, const uint8_t *p,
		       size_t n, bool two, uint8_t ext_level)
{
	while (n) {
		const uint8_t *data;
		uint8_t id;
		size_t len;

		if (!*p) {           /* padding */
			++p;
			--n;
			continue;
		}

		/* RFC 8285, 4.2: 15 ends the list of one-byte headers */
		if (!two && *p >> 4 == 15)
			return;

		if (two && n >= 2 && !p[1]) {
			p += 2;
			n -= 2;
			continue;
		}

		len = element(p, n, two, &id, &data);
		if (!len)
			return;

		if (id == ext_level) {
			pkt->level = (int8_t)(data[0] & 0x7f);
			pkt->voice = data[0] & 0x80;
			return;
		}

		n -= (size_t)(data + len - p);
		p = data + len;
	}
}


/* Returns the length of the extension, or 0 if it does not fit */
static size_t extension_decode(struct scheduler_packet *pkt,
			       const uint8_t *p, size_t n, uint8_t ext_level)
{
	uint16_t profile;
	size_t len;

	if (n < 4)
		return 0;

	profile = get16(p);
	len = (size_t)get16(p + 2) * 4;
	if (4 + len > n)
		return 0;

	if (!ext_level)
		return 4 + len;

	if (profile == PROFILE_ONE_BYTE)
		level_find(pkt, p + 4, len, false, ext_level);
	else if ((profile & 0xfff0) == PROFILE_TWO_BYTE)
		level_find(pkt, p + 4, len, true, ext_level);

	return 4 + len;
}


/**
 * Decode an RTP packet (RFC 3550, 5.1)
 *
 * @param pkt       Filled in; its payload points into the buffer
 * @param buf       Datagram
 * @param len       Its length [bytes]
 * @param ext_level Id of the audio level extension (RFC 6464), 0: none
 *
 * @return 0, or EBADMSG
 */
int rtp_packet_decode(struct scheduler_packet *pkt, const uint8_t *buf,
		      size_t len, uint8_t ext_level)
{
	size_t pos, n;

	if (len < RTP_FIXED || buf[0] >> 6 != 2)
		return EBADMSG;

	pkt->marker = buf[1] & 0x80;
	pkt->pt     = buf[1] & 0x7f;
	pkt->seq    = get16(buf + 2);
	pkt->ts     = get32(buf + 4);
	pkt->ssrc   = get32(buf + 8);
	pkt->level  = -1;
	pkt->voice  = false;

	pos = RTP_FIXED + 4 * (size_t)(buf[0] & 0x0f);
	if (pos > len)
		return EBADMSG;

	if (buf[0] & 0x10) {
		n = extension_decode(pkt, buf + pos, len - pos, ext_level);
		if (!n)
			return EBADMSG;
		pos += n;
	}

	if (buf[0] & 0x20) {
		const uint8_t pad = buf[len - 1];

		if (!pad || pos + pad > len)
			return EBADMSG;
		len -= pad;
	}

	pkt->p   = buf + pos;
	pkt->len = len - pos;

	return 0;
}


/**
 * Encode the fixed header of an RTP packet (RFC 3550, 5.1)
 *
 * @param hdr    Buffer for it
 * @param first  First byte: version, padding, extension, number of CSRCs
 * @param pt     Payload type
 * @param marker Marker bit
 * @param seq    Sequence number
 * @param ts     Time stamp
 * @param ssrc   Synchronization source
 */
void rtp_fixed_encode(uint8_t hdr[RTP_FIXED], uint8_t first, uint8_t pt,
		      bool marker, uint16_t seq, uint32_t ts, uint32_t ssrc)
{
	hdr[0] = first;
	hdr[1] = (uint8_t)((marker ? 0x80 : 0) | pt);
	put16(hdr + 2, seq);
	put32(hdr + 4, ts);
	put32(hdr + 8, ssrc);
}


/**
 * Encode what follows the fixed header: who is heard, and how loud
 *
 * @param buf       Buffer for CSRCs and extension
 * @param first     First byte of the fixed header, set
 * @param csrcv     Contributing sources
 * @param levelv    Their levels [-dBov], as many
 * @param csrcc     How many, at most RTP_CSRC_MAX
 * @param ext_mixer Id of the mixer-to-client extension (RFC 6465), 1..14;
 *                  0: without levels
 *
 * @return Length [bytes], a multiple of four
 */
size_t rtp_mixer_encode(uint8_t buf[RTP_SHARED_MAX], uint8_t *first,
			const uint32_t *csrcv, const uint8_t *levelv,
			unsigned csrcc, uint8_t ext_mixer)
{
	size_t pos = 0, words;

	csrcc = min(csrcc, (unsigned)RTP_CSRC_MAX);
	*first = (uint8_t)(0x80 | csrcc);

	for (unsigned i = 0; i < csrcc; i++, pos += 4)
		put32(buf + pos, csrcv[i]);

	if (!ext_mixer || ext_mixer > 14 || !csrcc)
		return pos;

	*first |= 0x10;
	words = (1 + csrcc + 3) / 4;
	put16(buf + pos, PROFILE_ONE_BYTE);
	put16(buf + pos + 2, (uint16_t)words);
	pos += 4;
	memset(buf + pos, 0, words * 4);
	buf[pos] = (uint8_t)(ext_mixer << 4 | (csrcc - 1));
	for (unsigned i = 0; i < csrcc; i++)
		buf[pos + 1 + i] = levelv[i] & 0x7f;

	return pos + words * 4;
}


/**
 * Who is heard in a packet of a mixer, as rtp_mixer_encode() says it
 *
 * @param csrcv     Set to the contributing sources
 * @param levelv    Set to their levels, 127 if they are not told [-dBov]
 * @param buf       Datagram
 * @param len       Its length [bytes]
 * @param ext_mixer Id of the mixer-to-client extension (RFC 6465), 1..14
 *
 * @return How many they are, 0 also if the packet is malformed
 */
unsigned rtp_mixer_decode(uint32_t csrcv[RTP_CSRC_MAX],
			  uint8_t levelv[RTP_CSRC_MAX], const uint8_t *buf,
			  size_t len, uint8_t ext_mixer)
{
	const unsigned n = len < RTP_FIXED ? 0 : buf[0] & 0x0f;
	const size_t pos = RTP_FIXED + 4 * (size_t)n;
	const uint8_t *ext = buf + pos;

	if (!n || pos > len)
		return 0;

	for (unsigned i = 0; i < n; i++)
		csrcv[i] = get32(buf + RTP_FIXED + 4 * i);
	memset(levelv, 127, n);

	/* it comes first, and has a level for each of them */
	if (!(buf[0] & 0x10) || pos + 5 + n > len ||
	    get16(ext) != PROFILE_ONE_BYTE ||
	    (size_t)get16(ext + 2) * 4 < 1 + n ||
	    ext[4] != (ext_mixer << 4 | (n - 1)))
		return n;

	for (unsigned i = 0; i < n; i++)
		levelv[i] = ext[5 + i] & 0x7f;

	return n;
}
