/**
 * @file member_media.c  What a member's media are: offers and answers
 *
 * Either side may offer: the client when it joins or wants something else
 * (hold, another address, another codec), we when it comes without an offer.
 */
#include <string.h>
#include <re.h>
#include "server/settings.h"
#include "connect/connect.h"
#include "connect/negotiate.h"
#include "connect/room.h"


static bool addr_local(const struct sa *sa)
{
	const uint32_t a = sa_in(sa);

	switch (sa_af(sa)) {

	case AF_INET: /* RFC 1918, RFC 6598, RFC 3927, and this host */
		return a >> 24 == 10 || a >> 20 == 0xac1 ||
			a >> 16 == 0xc0a8 || a >> 22 == 0x191 ||
			a >> 16 == 0xa9fe || a >> 24 == 127;

	case AF_INET6:
		return sa_is_linklocal(sa) || sa_is_loopback(sa) ||
			(sa->u.in6.sin6_addr.s6_addr[0] & 0xfe) == 0xfc;

	default:
		return false;
	}
}


/* RTP that will not come from where the SDP says must not be mixed up with
   somebody else's behind the same address: the SDP names an address that
   means nothing where the request came from. That is so behind NAT, and for
   a phone on this host that tells us its address on the network. A gateway
   whose media have a host of their own is no such case. */
static bool behind_nat(const struct join *j, const struct media_desc *offer)
{
	const struct sa *src = &j->src, *rtp = &offer->rtp;

	if (sa_cmp(src, rtp, SA_ADDR))
		return false;

	return sa_af(src) != sa_af(rtp) ||
		sa_is_loopback(src) != sa_is_loopback(rtp) ||
		(addr_local(rtp) && !addr_local(src));
}


static const char *codecs_allowed(const struct member *m)
{
	return config_str(connect_config(m->room->c), "connect.codecs");
}


/**
 * Put our address and the version of the description into it
 *
 * @param m  Member with a place in the mesh
 * @param md Description to complete
 *
 * @return 0 if success, otherwise errorcode
 */
int member_address(struct member *m, struct media_desc *md)
{
	int err;

	err = mesh_part_laddr(m->part, &md->rtp, &md->rtcp);

	/* RFC 3264 section 8: it stays the same session wherever it goes */
	if (!m->sess_id) {
		m->sess_id = mesh_part_ssrc(m->part);
		m->origin  = md->rtp;
	}

	md->sess_id  = m->sess_id;
	md->sess_ver = ++m->sess_ver;
	md->origin   = m->origin;

	return err;
}


/* Remember what offers of ours have to repeat: the rate of events, and which
   m= lines the session has; most have one. */
static int lines_keep(struct member *m, const struct media_desc *md)
{
	for (unsigned i = 0; i < md->codecc; i++)
		if (m->media.telev_rx &&
		    md->codecv[i].pt == m->media.telev_rx)
			m->telev_rate = md->codecv[i].srate;

	if (md->mediac < 2)
		return 0;

	if (!m->lines) {
		m->lines = mem_zalloc(sizeof *m->lines, NULL);
		if (!m->lines)
			return ENOMEM;
	}

	m->lines->mediac   = md->mediac;
	m->lines->audio_ix = md->audio_ix;
	memcpy(m->lines->linev, md->medialinev, sizeof m->lines->linev);

	return 0;
}


static void lines_put(const struct member *m, struct media_desc *md)
{
	if (!m->lines)
		return;

	md->mediac   = m->lines->mediac;
	md->audio_ix = m->lines->audio_ix;
	memcpy(md->medialinev, m->lines->linev, sizeof m->lines->linev);
}


/* A re-INVITE without an offer asks for ours. */
static int offer_ours(struct member *m)
{
	struct mesh_media unused;
	struct media_desc md;
	int err;

	memset(&md, 0, sizeof md);

	err = negotiate_offer(&unused, &md, codecs_allowed(m));
	if (err)
		return err;

	lines_put(m, &md);
	err = member_address(m, &md);
	if (err)
		return err;

	m->offered = true;

	return client_accept(m->client, &md);
}


/**
 * Offer a member that came from another server what was agreed there, so that
 * only the address changes
 *
 * @param m   Member
 * @param all Offer whatever we have instead: it did not like that
 *
 * @return 0 if success, otherwise errorcode
 */
int member_offer(struct member *m, bool all)
{
	struct mesh_media unused;
	struct media_desc md;
	int err;

	memset(&md, 0, sizeof md);

	err = all || !m->codec[0] ? ENOENT
		: negotiate_again(&md, &m->media, m->telev_rate,
				  codecs_allowed(m));
	if (err == ENOENT)
		err = negotiate_offer(&unused, &md, codecs_allowed(m));
	if (err)
		return err;

	/* who holds us goes on doing so */
	if (m->codec[0])
		md.dir = (m->media.send ? SDP_SENDONLY : 0) |
			(m->media.recv ? SDP_RECVONLY : 0);

	lines_put(m, &md);
	err = member_address(m, &md);
	if (err)
		return err;

	m->offered = true;

	return client_offer(m->client, &md);
}


/**
 * Work out what we will answer, or offer if nothing was offered to us; the
 * address is not known before the mesh has made room
 *
 * @param m     New member; its media is set to what the mesh has to know
 * @param md    Filled in but for the address
 * @param join  The wish to join
 * @param offer Its offer, or NULL
 *
 * @return 0 if success, ENOENT if there is no common codec, otherwise
 *         errorcode
 */
int member_describe(struct member *m, struct media_desc *md,
		    const struct join *join, const struct media_desc *offer)
{
	struct sa unknown;
	int err;

	memset(md, 0, sizeof *md);

	if (!offer) {
		m->offered = m->private_port = true;
		return negotiate_offer(&m->media, md, codecs_allowed(m));
	}

	sa_init(&unknown, AF_INET);

	err = sdp_answer_init(md, offer, &unknown, 0);
	if (err)
		return err;

	m->private_port = behind_nat(join, offer);

	err = negotiate_media(&m->media, md, m->codec, sizeof m->codec,
			      offer, codecs_allowed(m));
	if (err)
		return err;

	m->held = !m->media.send;

	return lines_keep(m, offer);
}


/* Port 0 switches a stream off (RFC 3264 section 8.2), as some phones do to
   hold: who is in stays in, and comes back with another offer. */
static bool switched_off(const struct media_desc *desc)
{
	return desc->has_audio && !sa_port(&desc->rtp);
}


static int media_update(struct member *m, struct media_desc *answer,
			const struct media_desc *desc)
{
	struct mesh_media media = m->media;
	int err = 0;

	if (switched_off(desc))
		media.send = media.recv = false;
	else
		err = negotiate_media(&media, answer, m->codec,
				      sizeof m->codec, desc,
				      codecs_allowed(m));
	if (err)
		return err;

	err = mesh_part_update(m->part, &media);
	if (err)
		return err;

	m->media = media;
	m->held = !media.send;

	return lines_keep(m, desc);
}


/**
 * Answer new media that a member offers: hold, resume, another address or
 * codec
 *
 * @param m     Member
 * @param offer What it offers, or NULL if it asks for our offer
 *
 * @return 0 if success, ENOENT if there is no common codec, otherwise
 *         errorcode
 */
int member_answer(struct member *m, const struct media_desc *offer)
{
	struct media_desc answer;
	struct sa laddr;
	int err;

	if (!m)
		return EINVAL;

	if (!offer)
		return offer_ours(m);

	sa_init(&laddr, AF_INET);

	err = sdp_answer_init(&answer, offer, &laddr, 0);
	if (err)
		return err;

	err = media_update(m, &answer, offer);
	if (err)
		return err;

	err = member_address(m, &answer);
	if (err)
		return err;

	if (switched_off(offer))
		sa_set_port(&answer.rtp, 0);

	err = client_accept(m->client, &answer);
	member_changed(m);

	return err;
}


/**
 * Take the answer to our offer
 *
 * @param m      Member
 * @param answer What it answered
 *
 * @return 0 if success, EPROTO if we did not offer, ENOENT if there is no
 *         common codec, otherwise errorcode
 */
int member_answered(struct member *m, const struct media_desc *answer)
{
	int err;

	if (!m || !answer)
		return EINVAL;

	if (!m->offered)
		return EPROTO;

	m->offered = false;

	err = media_update(m, NULL, answer);
	if (!err)
		member_changed(m);

	return err;
}
