/**
 * @file sofiacmp.h  What sofia reads in a message that our pre-parser took
 */
#ifndef JUNCTOR_TESTS_SIP_SOFIACMP_H
#define JUNCTOR_TESTS_SIP_SOFIACMP_H

struct preparse;

const char *sofiacmp(const struct preparse *pp, const char *method,
		     const char *buf, size_t len);

#endif
