/**
 * @file noc/key.h  The secret that all servers of a NOC share
 *
 * A file of 32 random bytes, the setting noc.key or DIR/noc.key. Tickets,
 * heartbeats and what is sealed on the bus are made with it, each with a key
 * of its own, derived by hmac.h.
 */
#ifndef JUNCTOR_NOC_KEY_H
#define JUNCTOR_NOC_KEY_H

struct server;
struct ticket_key;

enum { NOC_KEY_LEN = 32 };     /* [bytes]                               */

int noc_key_read(uint8_t key[NOC_KEY_LEN], const char *file);
int noc_key_load(uint8_t key[NOC_KEY_LEN], struct server *srv,
		 const char *service);
int noc_key_ticket(struct ticket_key **kp, struct server *srv,
		   const char *service);

#endif
