/**
 * @file sendlibc.h  A response that cannot be sent is a response that is lost
 */
#ifndef JUNCTOR_SIP_SENDLIBC_H
#define JUNCTOR_SIP_SENDLIBC_H

#include <stdbool.h>

void sendlibc_set(bool on);

#endif
