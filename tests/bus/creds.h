/**
 * @file creds.h  Credentials of a test's own, as `nsc` makes them
 */
#ifndef JUNCTOR_TESTS_BUS_CREDS_H
#define JUNCTOR_TESTS_BUS_CREDS_H

enum creds_role {
	CREDS_OPERATOR = 'O',
	CREDS_ACCOUNT  = 'A',
	CREDS_USER     = 'U',
};

struct creds_key {
	void *pkey;                /* EVP_PKEY                              */
	char name[64];             /* its public key                        */
	char seed[64];
};

void creds_key_make(struct creds_key *key, enum creds_role role);
void creds_key_reset(struct creds_key *key);
void creds_jwt(char *jwt, size_t sz, const struct creds_key *issuer,
	       const struct creds_key *subject, const char *nats,
	       int64_t expires);
void creds_file(const char *path, const char *jwt,
		const struct creds_key *user);

#endif
