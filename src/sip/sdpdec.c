/**
 * @file sdpdec.c  Session descriptions: text in (RFC 4566, 3264)
 *
 * A parser of our own and not libre's sdp_session: what a stranger wrote is
 * read in one pass over the text, into a structure of fixed size, without an
 * allocation, so that it can run in the signalling thread and cannot be made
 * to cost more than its length. libre's session object also drops what an
 * answer has to repeat (the order and formats of media it was not told of).
 */
#include <stddef.h>
#include <string.h>
#include <re.h>
#include "sip/sdp.h"
#include "sip/sdpdec.h"


enum {
	TEXT_MAX    = 16384,    /* longest description [bytes]              */
	EVENTS_MAX  = 2,        /* telephone-events kept in a long list     */

	/* enum media_type of noc/client.h, which this folder cannot see    */
	TYPE_AUDIO  = 1 << 0,
	TYPE_VIDEO  = 1 << 1,
	TYPE_TEXT   = 1 << 2,
};

/* Payload types that need no rtpmap (RFC 3551, table 4) */
static const struct {
	uint8_t pt;
	uint8_t ch;
	uint32_t srate;
	const char *name;
} staticv[] = {
	{ 0, 1,  8000, "PCMU"}, { 3, 1,  8000, "GSM"},  { 4, 1,  8000, "G723"},
	{ 5, 1,  8000, "DVI4"}, { 6, 1, 16000, "DVI4"}, { 7, 1,  8000, "LPC"},
	{ 8, 1,  8000, "PCMA"}, { 9, 1,  8000, "G722"}, {10, 2, 44100, "L16"},
	{11, 1, 44100, "L16"},  {12, 1,  8000, "QCELP"},{13, 1,  8000, "CN"},
	{14, 1, 90000, "MPA"},  {15, 1,  8000, "G728"}, {16, 1, 11025, "DVI4"},
	{17, 1, 22050, "DVI4"}, {18, 1,  8000, "G729"},
};


static int origin_decode(struct sdp_parser *p, struct pl line)
{
	struct pl user, id, ver, word;
	unsigned i;

	if (p->have_o || p->md->mediac)
		return EBADMSG;

	if (!sdp_word_next(&user, &line) || !sdp_word_next(&id, &line) ||
	    !sdp_word_next(&ver, &line))
		return EBADMSG;

	if (!sdp_num_decode(&p->md->sess_id, &id, UINT64_MAX) ||
	    !sdp_num_decode(&p->md->sess_ver, &ver, UINT64_MAX))
		return EBADMSG;

	/* who and where is not looked at, but has to be there */
	for (i=0; i<3; i++) {
		if (!sdp_word_next(&word, &line))
			return EBADMSG;
	}

	p->have_o = true;

	return 0;
}


static int conn_decode(struct sdp_parser *p, struct pl line)
{
	int err = sdp_addr_decode(&p->cur->addr, &line);
	if (err)
		return err;

	p->cur->addr_set = true;

	return 0;
}


static void format_add(struct sdp_parser *p, uint8_t pt)
{
	struct sdp_codec *c;
	unsigned i;

	for (i=0; i<p->fmtc; i++) {
		if (p->fmtv[i].pt == pt)
			return;
	}

	if (p->fmtc >= SDP_FMTS_MAX)
		return;

	c = &p->fmtv[p->fmtc++];
	memset(c, 0, sizeof(*c));
	c->pt = pt;

	for (i=0; i<ARRAY_SIZE(staticv); i++) {

		if (staticv[i].pt != pt)
			continue;

		str_ncpy(c->name, staticv[i].name, sizeof(c->name));
		c->srate = staticv[i].srate;
		c->ch    = staticv[i].ch;
	}
}


static int formats_decode(struct sdp_parser *p, struct pl line)
{
	struct pl fmt;
	uint64_t pt;

	p->fmtc = 0;

	while (sdp_word_next(&fmt, &line)) {

		if (!sdp_num_decode(&pt, &fmt, 127))
			return EBADMSG;

		format_add(p, (uint8_t)pt);
	}

	return p->fmtc ? 0 : EBADMSG;
}


/* What an answer repeats of a line: media, protocol, as many formats as fit.
 * One is enough for a line that is refused (RFC 3264 section 6). */
static int media_line(char *buf, size_t sz, const struct pl *media,
		      const struct pl *proto, struct pl fmts)
{
	size_t n = media->l + 1 + proto->l;
	struct pl fmt;
	unsigned c = 0;

	if (n >= sz)
		return EBADMSG;

	(void)re_snprintf(buf, sz, "%r %r", media, proto);

	while (sdp_word_next(&fmt, &fmts)) {

		if (n + 1 + fmt.l >= sz)
			break;

		buf[n++] = ' ';
		memcpy(&buf[n], fmt.p, fmt.l);
		n += fmt.l;
		buf[n] = '\0';
		++c;
	}

	return c ? 0 : EBADMSG;
}


static unsigned media_bit(const struct pl *media)
{
	if (!pl_strcasecmp(media, "audio"))
		return TYPE_AUDIO;
	if (!pl_strcasecmp(media, "video"))
		return TYPE_VIDEO;
	if (!pl_strcasecmp(media, "text"))
		return TYPE_TEXT;

	return 0;
}


/* Is there any codec in the audio so far that a media server may speak? */
static bool audio_spoken(const struct sdp_parser *p)
{
	unsigned i;

	for (i=0; i<p->fmtc; i++) {
		if (sdp_codec_spoken(&p->fmtv[i]))
			return true;
	}

	return false;
}


/* The audio is the first plain RTP audio line that is not refused and has a
 * codec that we may speak, or else one that has not (RFC 3264 section 6: the
 * answerer chooses, and refuses the others). */
static int media_decode(struct sdp_parser *p, struct pl line)
{
	struct media_desc *md = p->md;
	struct pl media, port, proto, count;
	uint64_t portn, n;
	int err;

	if (!p->have_o || md->mediac >= SDP_MEDIA_MAX)
		return EBADMSG;

	if (!sdp_word_next(&media, &line) || !sdp_word_next(&port, &line) ||
	    !sdp_word_next(&proto, &line) || !sdp_is_token(&media))
		return EBADMSG;

	sdp_word_split(&count, &port, '/');

	if (!sdp_num_decode(&portn, &port, 65535))
		return EBADMSG;
	if (count.p && !sdp_num_decode(&n, &count, 65535))
		return EBADMSG;

	err = media_line(md->medialinev[md->mediac],
			 sizeof(md->medialinev[0]), &media, &proto, line);
	if (err)
		return err;

	if (portn)
		md->media |= media_bit(&media);

	p->audio = media_bit(&media) == TYPE_AUDIO &&
		!pl_strcasecmp(&proto, "RTP/AVP") &&
		(!md->has_audio || (portn && (!p->port || !audio_spoken(p))));

	p->cur = &p->media;
	++md->mediac;

	if (!p->audio)
		return 0;

	memset(&p->media, 0, sizeof(p->media));
	sa_init(&p->rtcp_addr, AF_UNSPEC);
	p->rtcp_port = 0;
	p->rtcp_mux  = false;
	p->port      = (uint16_t)portn;

	md->has_audio = true;
	md->audio_ix  = md->mediac - 1;

	return formats_decode(p, line);
}


static int line_decode(struct sdp_parser *p, struct pl line)
{
	const bool skip = p->md->mediac && !p->audio;
	char type;

	if (line.l < 2 || line.p[1] != '=')
		return EBADMSG;

	type = line.p[0] | 0x20;
	if (type < 'a' || type > 'z')
		return EBADMSG;

	pl_advance(&line, 2);

	if (type == 'm')
		return media_decode(p, line);

	/* what is told of media that will be refused is not looked at */
	if (skip)
		return 0;

	switch (type) {

	case 'o': return origin_decode(p, line);
	case 'c': return conn_decode(p, line);
	case 'a': return sdp_attr_read(p, line);
	default:  return 0;
	}
}


/* Codecs in the caller's order. A list too long loses codecs, not the
 * telephone-events that usually stand at its end. */
static void codecs_set(struct media_desc *md, const struct sdp_parser *p)
{
	unsigned i, events = 0, others = 0, room;

	for (i=0; i<p->fmtc; i++) {
		if (!str_casecmp(p->fmtv[i].name, "telephone-event"))
			++events;
	}

	events = min(events, EVENTS_MAX);
	room   = SDP_CODECS_MAX - events;

	for (i=0; i<p->fmtc && md->codecc < SDP_CODECS_MAX; i++) {

		const struct sdp_codec *c = &p->fmtv[i];

		if (!c->name[0])
			continue;

		if (!str_casecmp(c->name, "telephone-event")) {
			if (!events)
				continue;
			--events;
		}
		else if (others++ >= room)
			continue;

		md->codecv[md->codecc++] = *c;
	}
}


static int audio_finish(struct sdp_parser *p)
{
	struct media_desc *md = p->md;
	const struct sdp_level *s = &p->sess, *m = &p->media;
	const struct sdp_level *conn = m->addr_set ? m : s;

	if (p->port && !conn->addr_set)
		return EBADMSG;

	if (conn->addr_set) {
		md->rtp = conn->addr;
		sa_set_port(&md->rtp, p->port);
	}

	if (p->rtcp_port) {
		md->rtcp = sa_isset(&p->rtcp_addr, SA_ADDR) ? p->rtcp_addr
							    : md->rtp;
		sa_set_port(&md->rtcp, p->rtcp_port);
	}

	md->rtcp_mux  = p->rtcp_mux;
	md->ptime     = m->ptime ? m->ptime : s->ptime;
	md->maxptime  = m->maxptime ? m->maxptime : s->maxptime;
	md->ext_level = m->ext_level ? m->ext_level : s->ext_level;
	md->ext_mixer = m->ext_mixer ? m->ext_mixer : s->ext_mixer;

	md->dir = m->dir_set ? m->dir : s->dir_set ? s->dir : SDP_SENDRECV;

	/* RFC 3264 section 8.4: nothing may be sent to such an address */
	md->hold_addr = p->port && sa_is_any(&md->rtp);
	if (md->hold_addr)
		md->dir &= SDP_SENDONLY;

	codecs_set(md, p);

	return 0;
}


static bool text_valid(const uint8_t *buf, size_t len)
{
	size_t i;

	for (i=0; i<len; i++) {

		const uint8_t c = buf[i];

		if (c == '\r') {
			if (i + 1 < len && buf[i + 1] != '\n')
				return false;
		}
		else if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
			return false;
	}

	return true;
}


static int lines_decode(struct sdp_parser *p, const char *buf, size_t len)
{
	bool first = true;
	int err = 0;

	while (len && !err) {

		const char *nl = memchr(buf, '\n', len);
		const size_t n = nl ? (size_t)(nl - buf) + 1 : len;
		struct pl line = {buf, nl ? n - 1 : n};

		if (line.l && line.p[line.l - 1] == '\r')
			--line.l;

		buf += n;
		len -= n;

		if (first) {
			err = pl_strcasecmp(&line, "v=0") ? EBADMSG : 0;
			first = false;
		}
		else if (line.l)
			err = line_decode(p, line);
	}

	return first ? EBADMSG : err;
}


/**
 * Read a session description
 *
 * Media that are not plain RTP audio (RTP/AVP) are only counted and kept as
 * text, so that an answer can refuse them in their place.
 *
 * @param md  Filled with what was read; its contents are undefined after an
 *            error
 * @param buf Text, need not end with a zero or a line end
 * @param len Its length [bytes]
 *
 * @return 0 for success, EBADMSG if this is no session description or one
 *         beyond our bounds
 */
int sdp_desc_decode(struct media_desc *md, const uint8_t *buf, size_t len)
{
	struct sdp_parser p;
	int err;

	if (!md || !buf)
		return EINVAL;

	memset(md, 0, sizeof(*md));
	sa_init(&md->rtp, AF_UNSPEC);
	sa_init(&md->rtcp, AF_UNSPEC);

	if (len > TEXT_MAX || !text_valid(buf, len))
		return EBADMSG;

	memset(&p, 0, offsetof(struct sdp_parser, fmtv));
	p.fmtc = 0;
	p.md   = md;
	p.cur  = &p.sess;

	err = lines_decode(&p, (const char *)buf, len);
	if (err)
		return err;

	if (!p.have_o)
		return EBADMSG;

	return md->has_audio ? audio_finish(&p) : 0;
}
