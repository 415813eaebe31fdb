/**
 * @file roster_xml.h  Conference information as XML (RFC 4575 section 5)
 */
#ifndef JUNCTOR_NOC_ROSTER_XML_H
#define JUNCTOR_NOC_ROSTER_XML_H

struct roster_user;

struct roster_head {
	const char *conference;  /* "XYZ@host" or "XYZ"                     */
	bool full;               /* else partial state                      */
	uint32_t version;        /* of the watcher's documents, from 1      */
	unsigned count;          /* users present                           */
	bool locked;
};

int roster_xml_head(struct mbuf *mb, const struct roster_head *h);
int roster_xml_user(struct mbuf *mb, unsigned id,
		    const struct roster_user *u, const char *user);
int roster_xml_tail(struct mbuf *mb);

#endif
