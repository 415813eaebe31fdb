/**
 * @file roster_xml.c  Conference information as XML (RFC 4575 section 5)
 */
#include <time.h>
#include <re.h>
#include "noc/roster.h"
#include "noc/roster_xml.h"


/* Text as XML character data; what XML 1.0 cannot hold becomes '?'. */
static int xml_text(struct re_printf *pf, const char *s)
{
	int err = 0;

	for (; *s && !err; s++) {
		const unsigned char ch = (unsigned char)*s;

		switch (ch) {
		case '&':  err = re_hprintf(pf, "&amp;");  break;
		case '<':  err = re_hprintf(pf, "&lt;");   break;
		case '>':  err = re_hprintf(pf, "&gt;");   break;
		case '"':  err = re_hprintf(pf, "&quot;"); break;
		case '\'': err = re_hprintf(pf, "&apos;"); break;
		default:
			err = pf->vph(ch < 0x20 ? "?" : s, 1, pf->arg);
			break;
		}
	}

	return err;
}


/* RFC 3339 time of a moment in microseconds. */
static int xml_time(struct re_printf *pf, const uint64_t *usec)
{
	const time_t t = (time_t)(*usec / 1000000);
	struct tm tm;

	gmtime_r(&t, &tm);

	return re_hprintf(pf, "%04d-%02d-%02dT%02d:%02d:%02dZ",
			  tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			  tm.tm_hour, tm.tm_min, tm.tm_sec);
}


/**
 * Begin a document; users follow
 *
 * @param mb Written to
 * @param h  What it says of the conference
 *
 * @return 0 if success, otherwise errorcode
 */
int roster_xml_head(struct mbuf *mb, const struct roster_head *h)
{
	return mbuf_printf(mb,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
		"<conference-info"
		" xmlns=\"urn:ietf:params:xml:ns:conference-info\""
		" xmlns:j=\"urn:junctor:conference\""
		" entity=\"sip:%H\" state=\"%s\" version=\"%u\">\r\n"
		"<conference-state><user-count>%u</user-count>"
		"<active>true</active><locked>%s</locked>"
		"</conference-state>\r\n<users%s>\r\n",
		xml_text, h->conference, h->full ? "full" : "partial",
		h->version, h->count, h->locked ? "true" : "false",
		h->full ? "" : " state=\"partial\"");
}


/**
 * Add a user; the leg number makes two calls of one person two users
 *
 * @param mb   Written to
 * @param id   Number of the leg
 * @param u    What there is to say, or NULL: it is gone
 * @param user user@host
 *
 * @return 0 if success, otherwise errorcode
 */
int roster_xml_user(struct mbuf *mb, unsigned id,
		    const struct roster_user *u, const char *user)
{
	int err;

	err = mbuf_printf(mb, "<user entity=\"sip:%H;leg=%u\" state=\"%s\"",
			  xml_text, user, id, u ? "full" : "deleted");
	if (err)
		return err;

	if (!u)
		return mbuf_write_str(mb, "/>\r\n");

	err = mbuf_printf(mb,
		"><display-text>%H</display-text>"
		"<endpoint entity=\"sip:%H;leg=%u\">"
		"<status>%s</status>"
		"<joining-method>dialed-in</joining-method>"
		"<joining-info><when>%H</when></joining-info>"
		"<media id=\"1\"><type>audio</type>",
		xml_text, u->name, xml_text, u->user, id,
		u->held ? "on-hold" : "connected",
		xml_time, &u->joined_usec);

	if (u->ssrc)
		err |= mbuf_printf(mb, "<src-id>%u</src-id>", u->ssrc);

	err |= mbuf_printf(mb,
		"<status>%s</status>"
		"<j:muted>%s</j:muted><j:speaking>%s</j:speaking>"
		"</media></endpoint></user>\r\n",
		u->muted ? "recvonly" : "sendrecv",
		u->muted ? "true" : "false",
		u->speaking ? "true" : "false");

	return err;
}


/**
 * End a document
 *
 * @param mb Written to
 *
 * @return 0 if success, otherwise errorcode
 */
int roster_xml_tail(struct mbuf *mb)
{
	return mbuf_write_str(mb, "</users>\r\n</conference-info>\r\n");
}
