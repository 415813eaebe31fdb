/**
 * @file negotiate.c  From a session description to what the mesh needs
 *
 * The first codec of the peer's list that is allowed here is used both ways
 * (RFC 3264 section 6.1 asks to keep the peer's order); telephone-event and
 * the two audio level extensions come along when the peer has them.
 */
#include <string.h>
#include <stdlib.h>
#include <re.h>
#include "noc/client.h"
#include "sip/sdp.h"
#include "mesh/mesh.h"
#include "connect/negotiate.h"


struct known {
	const struct sdp_codec *sdp;
	enum mesh_codec codec;
	uint32_t rate;           /* of the sound [Hz]                       */
};

static const struct known knownv[SDP_SPOKEN_NUM] = {
	[SDP_OPUS] = {&sdp_spokenv[SDP_OPUS], MESH_OPUS, 48000},
	[SDP_G722] = {&sdp_spokenv[SDP_G722], MESH_G722, 16000},
	[SDP_PCMU] = {&sdp_spokenv[SDP_PCMU], MESH_PCMU, 8000},
	[SDP_PCMA] = {&sdp_spokenv[SDP_PCMA], MESH_PCMA, 8000},
};

enum { TELEV_PT = 101 };


static const struct known *known_find(const struct sdp_codec *c)
{
	const struct sdp_codec *sdp = sdp_codec_spoken(c);

	return sdp ? &knownv[sdp - sdp_spokenv] : NULL;
}


/* One word of a comma-separated list. */
static bool list_has(const char *listv, const char *word)
{
	const size_t n = strlen(word);

	for (const char *p = listv; *p; ) {
		size_t len;

		p += strspn(p, ", ");
		len = strcspn(p, ", ");

		if (len == n && !strncasecmp(p, word, n))
			return true;

		p += len;
	}

	return false;
}


/* A number of an fmtp line: "name=123"; def when absent. */
static uint32_t fmtp_num(const char *fmtp, const char *name, uint32_t def)
{
	const size_t n = strlen(name);

	for (const char *p = fmtp; *p; ) {

		p += strspn(p, "; ");

		if (!strncasecmp(p, name, n) && p[n] == '=')
			return (uint32_t)strtoul(p + n + 1, NULL, 10);

		p += strcspn(p, ";");
	}

	return def;
}


/* RFC 7587 section 6.1; values outside its ranges count as not told. */
static void opus_format(struct mesh_format *f, const char *fmtp)
{
	const uint32_t rate = fmtp_num(fmtp, "maxplaybackrate", 48000);
	const uint32_t bits = fmtp_num(fmtp, "maxaveragebitrate", 0);

	f->rate = rate <= 8000 ? 8000 : rate <= 12000 ? 12000
		: rate <= 16000 ? 16000 : rate <= 24000 ? 24000 : 48000;

	if (f->rate == 12000)
		f->rate = 16000;

	if (bits >= 6000 && bits <= 510000)
		f->bitrate = bits;

	f->fec = fmtp_num(fmtp, "useinbandfec", 0) == 1;
	f->dtx = fmtp_num(fmtp, "usedtx", 0) == 1;
	f->cbr = fmtp_num(fmtp, "cbr", 0) == 1;
}


static void format_set(struct mesh_format *f, const struct known *k,
		       const struct sdp_codec *c)
{
	*f = (struct mesh_format){
		.codec = k->codec, .pt = c->pt, .rate = k->rate,
	};

	if (k->codec == MESH_OPUS)
		opus_format(f, c->fmtp);
}


/* The packet time nearest to what the peer asks for that we can send. */
static uint32_t ptime_pick(const struct media_desc *md)
{
	uint32_t pt = md->ptime ? md->ptime : 20;

	if (md->maxptime && pt > md->maxptime)
		pt = md->maxptime;

	return pt >= 60 ? 60 : pt >= 40 ? 40 : pt >= 20 ? 20 : 10;
}


static void codec_add(struct media_desc *md, const char *name, uint8_t pt,
		      uint32_t srate, uint8_t ch, const char *fmtp)
{
	struct sdp_codec *c;

	if (md->codecc >= SDP_CODECS_MAX)
		return;

	c = &md->codecv[md->codecc++];
	memset(c, 0, sizeof *c);
	str_ncpy(c->name, name, sizeof c->name);
	str_ncpy(c->fmtp, fmtp, sizeof c->fmtp);
	c->pt    = pt;
	c->srate = srate;
	c->ch    = ch;
}


static void known_add(struct media_desc *md, const struct known *k, uint8_t pt)
{
	codec_add(md, k->sdp->name, pt, k->sdp->srate, k->sdp->ch,
		  k->sdp->fmtp);
}


static void televents(struct mesh_media *media, struct media_desc *answer,
		      const struct media_desc *offer, uint32_t srate)
{
	const struct sdp_codec *te;

	te = sdp_codec_find(offer, "telephone-event", srate);
	if (!te)
		te = sdp_codec_find(offer, "telephone-event", 8000);
	if (!te)
		return;

	media->telev_rx = media->telev_tx = te->pt;

	if (answer)
		codec_add(answer, "telephone-event", te->pt, te->srate, 1,
			  "0-15");
}


/**
 * Agree on media with a peer
 *
 * @param media   Filled in: what the mesh has to know
 * @param answer  Its codecs, extensions and direction are set; the rest is
 *                the caller's. NULL when `offer` is an answer to our offer
 * @param codec   Name of the codec in use
 * @param sz      Size of codec [bytes]
 * @param offer   What the peer wrote
 * @param allowed Codecs of use here, comma-separated
 *
 * @return 0, or ENOENT if there is no audio that both can use
 */
int negotiate_media(struct mesh_media *media, struct media_desc *answer,
		    char *codec, size_t sz, const struct media_desc *offer,
		    const char *allowed)
{
	const struct sdp_codec *c = NULL;
	const struct known *k = NULL;

	if (!media || !codec || !offer || !allowed)
		return EINVAL;

	if (!offer->has_audio || !sa_port(&offer->rtp))
		return ENOENT;

	for (unsigned i = 0; i < offer->codecc; i++) {

		c = &offer->codecv[i];
		k = known_find(c);
		if (k && list_has(allowed, k->sdp->name))
			break;
		k = NULL;
	}

	if (!k)
		return ENOENT;

	memset(media, 0, sizeof *media);
	format_set(&media->rxv[0], k, c);
	media->rxc = 1;
	media->tx  = media->rxv[0];
	media->ptime = ptime_pick(offer);
	media->ext_level = offer->ext_level;
	media->ext_mixer = offer->ext_mixer;
	media->rtp  = offer->rtp;
	media->rtcp = offer->rtcp;
	media->rtcp_mux = offer->rtcp_mux;
	media->send = (offer->dir & SDP_RECVONLY) && !offer->hold_addr;
	media->recv = offer->dir & SDP_SENDONLY;
	str_ncpy(codec, k->sdp->name, sz);

	if (answer) {
		answer->codecc = 0;
		known_add(answer, k, c->pt);
		answer->ptime = media->ptime;
		answer->rtcp_mux  = offer->rtcp_mux;
		answer->ext_level = offer->ext_level;
		answer->ext_mixer = offer->ext_mixer;
	}

	televents(media, answer, offer, k->sdp->srate);

	return 0;
}


/**
 * Write our own offer, for an INVITE that came without one (RFC 3261
 * section 13.3.1)
 *
 * @param media   Filled in: what the mesh may expect until the answer comes
 * @param offer   Its codecs, extensions and direction are set
 * @param allowed Codecs of use here, comma-separated
 *
 * @return 0, EINVAL, or ENOENT if no codec is allowed that we know
 */
int negotiate_offer(struct mesh_media *media, struct media_desc *offer,
		    const char *allowed)
{
	if (!media || !offer || !allowed)
		return EINVAL;

	memset(media, 0, sizeof *media);

	offer->media     = MEDIA_AUDIO;
	offer->mediac    = 1;
	offer->has_audio = true;
	offer->dir       = SDP_SENDRECV;
	offer->ptime     = 20;
	offer->rtcp_mux  = true;
	offer->ext_level = 1;
	offer->ext_mixer = 2;

	for (size_t i = 0; i < ARRAY_SIZE(knownv); i++) {
		const struct known *k = &knownv[i];

		if (!list_has(allowed, k->sdp->name))
			continue;

		known_add(offer, k, k->sdp->pt);
		format_set(&media->rxv[media->rxc++], k,
			   &offer->codecv[offer->codecc - 1]);
	}

	if (!media->rxc)
		return ENOENT;

	codec_add(offer, "telephone-event", TELEV_PT, 8000, 1, "0-15");
	media->telev_rx = TELEV_PT;
	media->tx = media->rxv[0];
	media->ptime = offer->ptime;

	return 0;
}


static const struct known *known_codec(enum mesh_codec codec)
{
	for (size_t i = 0; i < ARRAY_SIZE(knownv); i++)
		if (knownv[i].codec == codec)
			return &knownv[i];

	return NULL;
}


/**
 * Offer once more what was agreed, and nothing else: payload types stay what
 * they are (RFC 3264 section 8.3.2)
 *
 * @param offer   Its codecs and extensions are set
 * @param media   What was agreed
 * @param telev_rate Rate that telephone-event was agreed with, 0: 8000 [Hz]
 * @param allowed Codecs of use here, comma-separated
 *
 * @return 0, EINVAL, or ENOENT if the codec is of no use here
 */
int negotiate_again(struct media_desc *offer, const struct mesh_media *media,
		    uint32_t telev_rate, const char *allowed)
{
	const struct known *k;

	if (!offer || !media || !allowed)
		return EINVAL;

	k = known_codec(media->tx.codec);
	if (!k || !list_has(allowed, k->sdp->name))
		return ENOENT;

	offer->media     = MEDIA_AUDIO;
	offer->mediac    = 1;
	offer->has_audio = true;
	offer->ptime     = media->ptime;
	offer->rtcp_mux  = media->rtcp_mux;
	offer->ext_level = media->ext_level;
	offer->ext_mixer = media->ext_mixer;

	known_add(offer, k, media->tx.pt);

	if (media->telev_rx)
		codec_add(offer, "telephone-event", media->telev_rx,
			  telev_rate ? telev_rate : 8000, 1, "0-15");

	return 0;
}


/**
 * Name of a codec
 *
 * @param codec Codec
 *
 * @return Name as in SDP, or NULL if it is none for clients
 */
const char *negotiate_name(enum mesh_codec codec)
{
	const struct known *k = known_codec(codec);

	return k ? k->sdp->name : NULL;
}


/**
 * Find a codec by name
 *
 * @param codec Set to the codec
 * @param name  Name as in SDP
 *
 * @return 0, or ENOENT if we do not know it
 */
int negotiate_codec(enum mesh_codec *codec, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(knownv); i++) {

		if (!str_casecmp(knownv[i].sdp->name, name)) {
			*codec = knownv[i].codec;
			return 0;
		}
	}

	return ENOENT;
}
