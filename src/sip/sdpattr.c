/**
 * @file sdpattr.c  Session descriptions: the words of a line, and attributes
 *                  (RFC 4566, 3605, 5761, 6464, 6465, 8285)
 */
#include <string.h>
#include <re.h>
#include "sip/sdp.h"
#include "sip/sdpdec.h"


enum {
	PTIME_MAX   = 1000,     /* [ms]                                     */
	EXT_ID_MAX  = 14,       /* one-byte header extensions, RFC 8285     */
};


static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}


/* The next word of a line; false at its end. */
bool sdp_word_next(struct pl *word, struct pl *line)
{
	while (line->l && is_space(*line->p))
		pl_advance(line, 1);

	word->p = line->p;
	word->l = 0;

	while (line->l && !is_space(*line->p)) {
		pl_advance(line, 1);
		++word->l;
	}

	return word->l > 0;
}


/* Digits and nothing else, at most max; a saturated value is not a number. */
bool sdp_num_decode(uint64_t *num, const struct pl *pl, uint64_t max)
{
	uint64_t n = 0;
	size_t i;

	if (!pl->l || pl->l > 20)
		return false;

	for (i=0; i<pl->l; i++) {

		const unsigned d = (unsigned)(pl->p[i] - '0');

		if (d > 9 || n > (max - d) / 10)
			return false;

		n = n*10 + d;
	}

	*num = n;

	return true;
}


/* Cut a word at the first c; the rest goes to tail (l = 0 if c is missing). */
void sdp_word_split(struct pl *tail, struct pl *word, char c)
{
	const char *p = pl_strchr(word, c);

	*tail = pl_null;

	if (!p)
		return;

	tail->p = p + 1;
	tail->l = word->l - (size_t)(p - word->p) - 1;
	word->l = (size_t)(p - word->p);
}


bool sdp_is_token(const struct pl *pl)
{
	size_t i;

	for (i=0; i<pl->l; i++) {
		const char c = pl->p[i];

		if (c <= ' ' || c > '~' || strchr("\"(),:;<=>?@[\\]", c))
			return false;
	}

	return pl->l > 0;
}


static bool is_multicast(const struct sa *sa)
{
	return sa_af(sa) == AF_INET ? (sa_in(sa) >> 28) == 0xe
		: sa->u.in6.sin6_addr.s6_addr[0] == 0xff;
}


/* "IN IP4 10.0.0.1": a unicast address. A name is refused: resolving what a
 * stranger wrote would block the signalling thread. */
int sdp_addr_decode(struct sa *sa, struct pl *line)
{
	struct pl net, type, addr, tail;

	if (!sdp_word_next(&net, line) || !sdp_word_next(&type, line) ||
	    !sdp_word_next(&addr, line) || pl_strcasecmp(&net, "IN"))
		return EBADMSG;

	sdp_word_split(&tail, &addr, '/');

	if (sa_set(sa, &addr, 0))
		return EBADMSG;

	if (pl_strcasecmp(&type, sa_af(sa) == AF_INET ? "IP4" : "IP6"))
		return EBADMSG;

	return is_multicast(sa) ? EBADMSG : 0;
}


static struct sdp_codec *format_find(struct sdp_parser *p, struct pl *line,
				     int *err)
{
	struct pl word;
	uint64_t pt;
	unsigned i;

	if (!sdp_word_next(&word, line) || !sdp_num_decode(&pt, &word, 127)) {
		*err = EBADMSG;
		return NULL;
	}

	for (i=0; i<p->fmtc; i++) {
		if (p->fmtv[i].pt == pt)
			return &p->fmtv[i];
	}

	return NULL;
}


/* "96 opus/48000/2". A codec whose name does not fit is none of ours; its
 * format is left nameless and dropped at the end. */
static int rtpmap_decode(struct sdp_parser *p, struct pl line)
{
	struct pl name, rate, ch;
	struct sdp_codec *c;
	uint64_t srate, n = 1;
	int err = 0;

	c = format_find(p, &line, &err);
	if (err)
		return err;

	if (!sdp_word_next(&name, &line))
		return EBADMSG;

	sdp_word_split(&rate, &name, '/');
	sdp_word_split(&ch, &rate, '/');

	if (!sdp_is_token(&name) ||
	    !sdp_num_decode(&srate, &rate, UINT32_MAX) || !srate)
		return EBADMSG;
	if (ch.p && (!sdp_num_decode(&n, &ch, 255) || !n))
		return EBADMSG;

	if (!c)
		return 0;

	c->name[0] = '\0';
	if (name.l < sizeof(c->name))
		(void)pl_strcpy(&name, c->name, sizeof(c->name));

	c->srate = (uint32_t)srate;
	c->ch    = (uint8_t)n;

	return 0;
}


/* Parameters that do not fit are cut between two of them, never within. */
static int fmtp_decode(struct sdp_parser *p, struct pl line)
{
	struct sdp_codec *c;
	int err = 0;

	c = format_find(p, &line, &err);
	if (err || !c)
		return err;

	while (line.l && is_space(*line.p))
		pl_advance(&line, 1);

	if (line.l >= sizeof(c->fmtp)) {

		line.l = sizeof(c->fmtp) - 1;

		while (line.l && line.p[line.l] != ';')
			--line.l;
	}

	while (line.l && is_space(line.p[line.l - 1]))
		--line.l;

	return pl_strcpy(&line, c->fmtp, sizeof(c->fmtp));
}


/* RFC 3605: "53020" or "53020 IN IP4 10.0.0.1" */
static int rtcp_attr_decode(struct sdp_parser *p, struct pl line)
{
	struct pl word;
	uint64_t port;

	if (!sdp_word_next(&word, &line) ||
	    !sdp_num_decode(&port, &word, 65535))
		return EBADMSG;

	sa_init(&p->rtcp_addr, AF_UNSPEC);
	p->rtcp_port = (uint16_t)port;

	if (!line.l)
		return 0;

	return sdp_addr_decode(&p->rtcp_addr, &line);
}


/* RFC 8285: "1 URI". One with a direction is left out of the answer, which
 * the RFC permits: there is no place for the direction in a media_desc. */
static int extmap_decode(struct sdp_level *lv, struct pl line)
{
	struct pl id, dir, uri;
	uint64_t n;

	if (!sdp_word_next(&id, &line) || !sdp_word_next(&uri, &line))
		return EBADMSG;

	sdp_word_split(&dir, &id, '/');

	if (!sdp_num_decode(&n, &id, UINT32_MAX))
		return EBADMSG;

	if (n < 1 || n > EXT_ID_MAX)
		return 0;
	if (dir.p && pl_strcasecmp(&dir, "sendrecv"))
		return 0;

	if (!pl_strcasecmp(&uri, "urn:ietf:params:rtp-hdrext:"
				 "ssrc-audio-level"))
		lv->ext_level = (uint8_t)n;
	else if (!pl_strcasecmp(&uri, "urn:ietf:params:rtp-hdrext:"
				      "csrc-audio-level"))
		lv->ext_mixer = (uint8_t)n;

	return 0;
}


static int ptime_decode(uint32_t *ptime, struct pl line)
{
	struct pl word;
	uint64_t n;

	if (!sdp_word_next(&word, &line) ||
	    !sdp_num_decode(&n, &word, UINT32_MAX))
		return EBADMSG;

	if (n && n <= PTIME_MAX)
		*ptime = (uint32_t)n;

	return 0;
}


static bool dir_decode(struct sdp_level *lv, const struct pl *name)
{
	static const char *namev[] = {
		[SDP_INACTIVE] = "inactive", [SDP_RECVONLY] = "recvonly",
		[SDP_SENDONLY] = "sendonly", [SDP_SENDRECV] = "sendrecv",
	};
	unsigned i;

	for (i=0; i<ARRAY_SIZE(namev); i++) {

		if (pl_strcasecmp(name, namev[i]))
			continue;

		lv->dir     = (enum sdp_dir)i;
		lv->dir_set = true;
		return true;
	}

	return false;
}


int sdp_attr_read(struct sdp_parser *p, struct pl line)
{
	struct pl name = line, val;

	sdp_word_split(&val, &name, ':');

	while (name.l && is_space(name.p[name.l - 1]))
		--name.l;

	if (!name.l)
		return EBADMSG;

	if (!val.p && dir_decode(p->cur, &name))
		return 0;

	if (!pl_strcasecmp(&name, "ptime"))
		return ptime_decode(&p->cur->ptime, val);
	if (!pl_strcasecmp(&name, "maxptime"))
		return ptime_decode(&p->cur->maxptime, val);
	if (!pl_strcasecmp(&name, "extmap"))
		return extmap_decode(p->cur, val);

	if (!p->audio)
		return 0;

	if (!pl_strcasecmp(&name, "rtpmap"))
		return rtpmap_decode(p, val);
	if (!pl_strcasecmp(&name, "fmtp"))
		return fmtp_decode(p, val);
	if (!pl_strcasecmp(&name, "rtcp"))
		return rtcp_attr_decode(p, val);
	if (!pl_strcasecmp(&name, "rtcp-mux"))
		p->rtcp_mux = true;

	return 0;
}
