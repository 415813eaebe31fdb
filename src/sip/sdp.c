/**
 * @file sdp.c  Session descriptions: answers, and plain structs to text
 *              (RFC 3264, 4566)
 */
#include <string.h>
#include <re.h>
#include "sip/sdp.h"


static enum sdp_dir dir_mirror(enum sdp_dir dir)
{
	return (dir & SDP_SENDONLY ? SDP_RECVONLY : 0) |
		(dir & SDP_RECVONLY ? SDP_SENDONLY : 0);
}


const struct sdp_codec sdp_spokenv[SDP_SPOKEN_NUM] = {
	[SDP_OPUS] = {"opus", 96, 48000, 2, "useinbandfec=1"},
	[SDP_G722] = {"G722", 9, 8000, 1, ""},
	[SDP_PCMU] = {"PCMU", 0, 8000, 1, ""},
	[SDP_PCMA] = {"PCMA", 8, 8000, 1, ""},
};


/**
 * Which of the codecs that a media server may speak is this one?
 *
 * @param c Codec, as somebody offers it
 *
 * @return One of sdp_spokenv, or NULL
 */
const struct sdp_codec *sdp_codec_spoken(const struct sdp_codec *c)
{
	size_t i;

	for (i=0; c && i<ARRAY_SIZE(sdp_spokenv); i++) {
		if (!str_casecmp(c->name, sdp_spokenv[i].name) &&
		    c->srate == sdp_spokenv[i].srate)
			return &sdp_spokenv[i];
	}

	return NULL;
}


/**
 * Find a codec
 *
 * @param md    Description
 * @param name  Encoding name, case does not matter
 * @param srate Rate as in rtpmap [Hz], 0 for any
 *
 * @return The first that matches, owned by md, or NULL
 */
const struct sdp_codec *sdp_codec_find(const struct media_desc *md,
				       const char *name, uint32_t srate)
{
	unsigned i;

	if (!md || !name)
		return NULL;

	for (i=0; i<md->codecc; i++) {

		const struct sdp_codec *c = &md->codecv[i];

		if (!str_casecmp(c->name, name) &&
		    (!srate || c->srate == srate))
			return c;
	}

	return NULL;
}


/**
 * Begin the answer to an offer (RFC 3264 section 6): the same lines in the
 * same order, the direction mirrored, all codecs offered with the offerer's
 * payload types. The caller then drops the codecs it does not want.
 *
 * @param answer  Filled
 * @param offer   What was offered
 * @param laddr   Where we want the RTP; its port 0 refuses the audio
 * @param sess_id Identifier of our side of the session; the version starts
 *                at 1
 *
 * @return 0 for success, otherwise errorcode
 */
int sdp_answer_init(struct media_desc *answer, const struct media_desc *offer,
		    const struct sa *laddr, uint64_t sess_id)
{
	if (!answer || !offer || !laddr)
		return EINVAL;

	*answer = *offer;

	answer->sess_id   = sess_id;
	answer->sess_ver  = 1;
	sa_init(&answer->origin, AF_UNSPEC);
	answer->rtp       = *laddr;
	answer->hold_addr = false;
	answer->dir       = dir_mirror(offer->dir);
	answer->maxptime  = 0;
	answer->media     = 1;          /* MEDIA_AUDIO of noc/client.h */
	sa_init(&answer->rtcp, AF_UNSPEC);

	if (!offer->has_audio || !sa_port(&offer->rtp) || !offer->codecc)
		sa_set_port(&answer->rtp, 0);

	if (!sa_isset(&answer->rtp, SA_PORT))
		answer->media = 0;

	return 0;
}


static int addr_encode(struct mbuf *mb, const struct sa *sa)
{
	if (!sa_isset(sa, SA_ADDR))
		return mbuf_write_str(mb, "IN IP4 0.0.0.0");

	return mbuf_printf(mb, "IN IP%c %j",
			   sa_af(sa) == AF_INET6 ? '6' : '4', sa);
}


static int codec_encode(struct mbuf *mb, const struct sdp_codec *c)
{
	int err;

	err = mbuf_printf(mb, "a=rtpmap:%u %s/%u", c->pt, c->name, c->srate);

	if (c->ch > 1)
		err |= mbuf_printf(mb, "/%u", c->ch);

	err |= mbuf_write_str(mb, "\r\n");

	if (c->fmtp[0])
		err |= mbuf_printf(mb, "a=fmtp:%u %s\r\n", c->pt, c->fmtp);

	return err;
}


/* RFC 3605: only told when it is not where everybody expects it */
static int rtcp_attr_encode(struct mbuf *mb, const struct media_desc *md)
{
	int err;

	if (md->rtcp_mux)
		return mbuf_write_str(mb, "a=rtcp-mux\r\n");

	if (!sa_isset(&md->rtcp, SA_PORT))
		return 0;

	if (sa_cmp(&md->rtcp, &md->rtp, SA_ADDR) &&
	    sa_port(&md->rtcp) == sa_port(&md->rtp) + 1)
		return 0;

	err  = mbuf_printf(mb, "a=rtcp:%u ", sa_port(&md->rtcp));
	err |= addr_encode(mb, &md->rtcp);
	err |= mbuf_write_str(mb, "\r\n");

	return err;
}


static int attrs_encode(struct mbuf *mb, const struct media_desc *md)
{
	static const char *dirv[] = {
		[SDP_INACTIVE] = "inactive", [SDP_RECVONLY] = "recvonly",
		[SDP_SENDONLY] = "sendonly", [SDP_SENDRECV] = "sendrecv",
	};
	unsigned i;
	int err = 0;

	for (i=0; i<md->codecc; i++)
		err |= codec_encode(mb, &md->codecv[i]);

	if (md->ptime)
		err |= mbuf_printf(mb, "a=ptime:%u\r\n", md->ptime);
	if (md->maxptime)
		err |= mbuf_printf(mb, "a=maxptime:%u\r\n", md->maxptime);

	err |= rtcp_attr_encode(mb, md);

	if (md->ext_level)
		err |= mbuf_printf(mb, "a=extmap:%u urn:ietf:params:rtp-"
				   "hdrext:ssrc-audio-level\r\n",
				   md->ext_level);
	if (md->ext_mixer)
		err |= mbuf_printf(mb, "a=extmap:%u urn:ietf:params:rtp-"
				   "hdrext:csrc-audio-level\r\n",
				   md->ext_mixer);

	err |= mbuf_printf(mb, "a=%s\r\n", dirv[md->dir & SDP_SENDRECV]);

	return err;
}


static int audio_encode(struct mbuf *mb, const struct media_desc *md)
{
	unsigned i;
	int err;

	err = mbuf_printf(mb, "m=audio %u RTP/AVP", sa_port(&md->rtp));

	for (i=0; i<md->codecc; i++)
		err |= mbuf_printf(mb, " %u", md->codecv[i].pt);

	err |= mbuf_write_str(mb, "\r\n");
	err |= attrs_encode(mb, md);

	return err;
}


/* "video RTP/AVP 96" becomes "m=video 0 RTP/AVP 96" */
static int refused_encode(struct mbuf *mb, const char *line)
{
	const char *sp = strchr(line, ' ');

	if (!sp)
		return EINVAL;

	return mbuf_printf(mb, "m=%b 0%s\r\n", line, (size_t)(sp - line), sp);
}


/**
 * Write a session description: the audio in its place, every other medium
 * refused with port 0
 *
 * @param mb Written at its position
 * @param md Description; mediac 0 with has_audio is the audio alone
 *
 * @return 0 for success, EINVAL if there is nothing to write, otherwise
 *         errorcode
 */
int sdp_desc_encode(struct mbuf *mb, const struct media_desc *md)
{
	unsigned i, mediac;
	int err;

	if (!mb || !md || md->mediac > SDP_MEDIA_MAX ||
	    md->codecc > SDP_CODECS_MAX)
		return EINVAL;

	mediac = md->mediac ? md->mediac : md->has_audio;

	err  = mbuf_printf(mb, "v=0\r\no=- %llu %llu ",
			   md->sess_id, md->sess_ver);
	err |= addr_encode(mb, sa_isset(&md->origin, SA_ADDR) ? &md->origin
			   : &md->rtp);
	err |= mbuf_write_str(mb, "\r\ns=-\r\nc=");
	err |= addr_encode(mb, &md->rtp);
	err |= mbuf_write_str(mb, "\r\nt=0 0\r\n");

	for (i=0; i<mediac && !err; i++) {

		const bool audio = md->has_audio && i == md->audio_ix;

		if (audio && sa_isset(&md->rtp, SA_PORT) && md->codecc)
			err = audio_encode(mb, md);
		else if (md->mediac)
			err = refused_encode(mb, md->medialinev[i]);
		else
			err = EINVAL;
	}

	return err;
}
