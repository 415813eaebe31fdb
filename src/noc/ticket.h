/**
 * @file ticket.h  Proof that a dispatch server sent a client here
 */
#ifndef JUNCTOR_NOC_TICKET_H
#define JUNCTOR_NOC_TICKET_H

struct ticket_key;

struct ticket {
	const char *conference;  size_t conferencelen;  /* [bytes]          */
	const char *account;     size_t accountlen;
	const char *user;        size_t userlen;
	const char *server;      size_t serverlen;
	uint32_t expires;        /* UTC since the epoch [s]                 */
};

int ticket_key_load(struct ticket_key **kp, const char *file);
int ticket_key_alloc(struct ticket_key **kp, const uint8_t *secret,
		     size_t len);
int ticket_make(const struct ticket_key *key, const struct ticket *t,
		char *text, size_t sz, size_t *len);
int ticket_check(const struct ticket_key *key, const char *text, size_t len,
		 struct ticket *t, char *account, size_t sz, uint32_t now);

#endif
