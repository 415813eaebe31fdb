/**
 * @file dispatch_api.h  What the service `dispatch` offers to other services
 *
 * Main thread only.
 */
#ifndef JUNCTOR_DISPATCH_DISPATCH_API_H
#define JUNCTOR_DISPATCH_DISPATCH_API_H

struct dispatch;

/* what service_api(srv, "dispatch") points to */
struct dispatch_api {
	struct dispatch *d;

	/* joins that wait for their answer */
	unsigned (*waiting)(const struct dispatch *d);
};

#endif
