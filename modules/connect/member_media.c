/**
 * @file member_media.c  What a member's media are: offers and answers
 *
 * Either side may offer: the client when it joins or wants something else
 * (hold, another address, another codec), we when it comes without an offer.
 */
#include <string.h>
#include <re.h>
#include "server/server.h"
#include "server/service.h"
#include "server/settings.h"
#include "noc/client.h"
#include "sip/sdp.h"
#include "mesh/mesh.h"
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

	md->sess_id  = mesh_part_ssrc(m->part);
	md->sess_ver = ++m->sess_ver;

	return err;
}


/* A re-INVITE without an offer asks for ours. */
static int offer_ours(struct member *m)
{
	struct mesh_media unused;
	struct media_desc md;
	int err;

	memset(&md, 0, sizeof md);

	err = negotiate_offer(&unused, &md, codecs_allowed(m));
	if (!err)
		err = member_address(m, &md);
	if (err)
		return err;

	m->offered = true;

	return client_accept(m->client, &md);
}


/**
 * Work out what we will answer, or offer if nothing was offered to us; the
 * address is not known before the mesh has made room
 *
 * @param m     New member
 * @param md    Filled in but for the address
 * @param media Filled in: what the mesh has to know
 * @param join  The wish to join
 * @param offer Its offer, or NULL
 *
 * @return 0 if success, ENOENT if there is no common codec, otherwise
 *         errorcode
 */
int member_describe(struct member *m, struct media_desc *md,
		    struct mesh_media *media, const struct join *join,
		    const struct media_desc *offer)
{
	struct sa unknown;
	int err;

	memset(md, 0, sizeof *md);

	if (!offer) {
		m->offered = m->private_port = true;
		return negotiate_offer(media, md, codecs_allowed(m));
	}

	sa_init(&unknown, AF_INET);

	err = sdp_answer_init(md, offer, &unknown, 0);
	if (err)
		return err;

	m->private_port = behind_nat(join, offer);

	err = negotiate_media(media, md, m->codec, sizeof m->codec, offer,
			      codecs_allowed(m));
	m->held = !media->send;

	return err;
}


static int media_update(struct member *m, struct media_desc *answer,
			const struct media_desc *desc)
{
	struct mesh_media media;
	int err;

	err = negotiate_media(&media, answer, m->codec, sizeof m->codec,
			      desc, codecs_allowed(m));
	if (err)
		return err;

	err = mesh_part_update(m->part, &media);
	if (err)
		return err;

	m->held = !media.send;
	member_tell(m);

	return 0;
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

	return client_accept(m->client, &answer);
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
	if (!m || !answer)
		return EINVAL;

	if (!m->offered)
		return EPROTO;

	m->offered = false;

	return media_update(m, NULL, answer);
}
