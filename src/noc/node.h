/**
 * @file noc/node.h  What a server says about itself in the bucket "nodes"
 *
 * JSON: {name, instance (16 hex digits), services: [...], version, started
 * [UTC, s], sip, beat, left}. Members that are not known are passed over.
 */
#ifndef JUNCTOR_NOC_NODE_H
#define JUNCTOR_NOC_NODE_H

struct mbuf;

enum {
	NODE_RECORD_MAX = 4096,    /* [bytes]                               */
	NODE_SERVICES_MAX = 512,
};

struct node_record {
	char name[64];             /* of the server                         */
	uint64_t instance;         /* drawn at every start, not 0           */
	char services[NODE_SERVICES_MAX]; /* with commas between            */
	char version[32];
	uint64_t started;          /* UTC [s]                               */
	char sip[128];             /* host:port for URIs, or ""             */
	char beat[64];             /* ADDR:PORT of heartbeats, or ""        */
	bool left;                 /* stopped in order                      */
};

enum node_state {
	NODE_UNKNOWN,          /* never heard of, or long gone          */
	NODE_NEW,              /* announced, but not heard of yet       */
	NODE_UP,
	NODE_DOWN,             /* died: neither beats nor an answer     */
	NODE_LEFT,             /* stopped in order                      */
};

int  node_record_encode(struct mbuf *mb, const struct node_record *nr);
int  node_record_decode(struct node_record *nr, const uint8_t *buf,
			size_t len);
bool node_has_service(const char *services, const char *service);
int  node_instance_decode(uint64_t *instance, const char *str);
const char *node_state_name(enum node_state state);

#endif
