/**
 * @file certs.c  Certificates of a test's own
 */
#include <stdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <check.h>
#include <re.h>
#include "certs.h"


static FILE *file_open(const char *dir, const char *name, const char *ext,
		       const char *mode)
{
	char path[256];
	FILE *f;

	(void)re_snprintf(path, sizeof(path), "%s/%s.%s", dir, name, ext);
	f = fopen(path, mode);
	ck_assert_ptr_nonnull(f);

	return f;
}


static void extension_add(X509 *crt, X509 *issuer, int nid, const char *val)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, crt, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, val);
	ck_assert_ptr_nonnull(ext);
	ck_assert(X509_add_ext(crt, ext, -1));
	X509_EXTENSION_free(ext);
}


static X509 *certificate(EVP_PKEY *key, X509 *issuer, const char *name,
			 const char *hosts)
{
	X509 *crt = X509_new();
	X509_NAME *subject;

	ck_assert(X509_set_version(crt, 2));
	ck_assert(ASN1_INTEGER_set(X509_get_serialNumber(crt),
				   issuer ? 2 : 1));
	X509_gmtime_adj(X509_getm_notBefore(crt), -60);
	X509_gmtime_adj(X509_getm_notAfter(crt), 3600);
	subject = X509_get_subject_name(crt);
	ck_assert(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
					     (const unsigned char *)name, -1,
					     -1, 0));
	ck_assert(X509_set_issuer_name(crt, issuer ?
				       X509_get_subject_name(issuer) :
				       subject));
	ck_assert(X509_set_pubkey(crt, key));

	if (issuer)
		extension_add(crt, issuer, NID_subject_alt_name,
			      hosts);
	else
		extension_add(crt, crt, NID_basic_constraints,
			      "critical,CA:TRUE");

	return crt;
}


/**
 * Make DIR/NAME.pem and DIR/NAME.key
 *
 * @param dir   Folder
 * @param ca    Who signs it, made before; NULL: an authority of its own
 * @param name  Name, also of its subject
 * @param hosts "DNS:...,IP:..." that it is good for; not for an authority
 */
void certs_make(const char *dir, const char *ca, const char *name,
		const char *hosts)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *cakey = NULL;
	X509 *crt, *cacrt = NULL;
	FILE *f;

	if (ca) {
		f = file_open(dir, ca, "pem", "r");
		cacrt = PEM_read_X509(f, NULL, NULL, NULL);
		(void)fclose(f);
		f = file_open(dir, ca, "key", "r");
		cakey = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		(void)fclose(f);
	}

	crt = certificate(key, cacrt, name, hosts);
	ck_assert(X509_sign(crt, cakey ? cakey : key, EVP_sha256()));

	f = file_open(dir, name, "pem", "w");
	ck_assert(PEM_write_X509(f, crt));
	(void)fclose(f);
	f = file_open(dir, name, "key", "w");
	ck_assert(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	(void)fclose(f);

	X509_free(crt);
	X509_free(cacrt);
	EVP_PKEY_free(key);
	EVP_PKEY_free(cakey);
}
