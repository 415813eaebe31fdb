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
	NAME_KEY_MAX     = 192,
	NAME_URI_MAX     = 768,   /* 4 + 3 * 127 + 1 + 127 + 8 + 127        */
};

bool name_valid(const char *name, size_t len, size_t max);
bool name_contact_valid(const char *contact, size_t len);
int  name_key(char *key, size_t sz, const char *name, size_t len);
int  name_from_key(char *name, size_t sz, const char *key);
int  name_uri(char *uri, size_t sz, size_t *len, const char *conf,
	      size_t conflen, const char *contact, size_t contactlen,
	      const char *ticket, size_t ticketlen);

#endif
