/**
 * @file name.h  Names of conferences and servers: bounds and escaping
 *
 * Lengths of conferences, users, accounts and tickets: noc/client.h
 */
#ifndef JUNCTOR_NOC_NAME_H
#define JUNCTOR_NOC_NAME_H

enum {
	NAME_SERVER_MAX  = 64,    /* bytes of each, with the final zero     */
	NAME_CONTACT_MAX = 128,   /* host:port, perhaps with parameters     */
	NAME_KEY_MAX     = 128,
	NAME_URI_MAX     = 512,
};

bool name_valid(const char *name, size_t len, size_t max);
bool name_contact_valid(const char *contact, size_t len);
int  name_key(char *key, size_t sz, const char *name, size_t len);
int  name_uri(char *uri, size_t sz, size_t *len, const char *conf,
	      size_t conflen, const char *contact, size_t contactlen,
	      const char *ticket, size_t ticketlen);

#endif
