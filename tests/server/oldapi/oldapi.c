/**
 * @file oldapi.c  A plug-in made for another server
 */
#include <re.h>
#include "server/service.h"


extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION + 41,
	.name        = "oldapi",
};
