/**
 * @file misnamed.c  A plug-in that was renamed
 */
#include <re.h>
#include "server/service.h"


extern const struct service_export service_export;

const struct service_export service_export = {
	.api_version = SERVICE_API_VERSION,
	.name        = "original",
};
