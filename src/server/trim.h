/**
 * @file trim.h  Give memory back that the load no longer needs
 */
#ifndef JUNCTOR_SERVER_TRIM_H
#define JUNCTOR_SERVER_TRIM_H

struct trim;

int trim_alloc(struct trim **tp, uint32_t interval_ms);

#endif
