/**
 * @file certs.h  Certificates of a test's own
 */
#ifndef JUNCTOR_TESTS_BUS_CERTS_H
#define JUNCTOR_TESTS_BUS_CERTS_H

void certs_make(const char *dir, const char *ca, const char *name,
		const char *hosts);

#endif
