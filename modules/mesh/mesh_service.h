/**
 * @file mesh_service.h  What the service `mesh` offers to other services
 */
#ifndef JUNCTOR_MODULES_MESH_MESH_SERVICE_H
#define JUNCTOR_MODULES_MESH_MESH_SERVICE_H

struct mesh;

struct mesh_api {                /* service_api(srv, "mesh")              */
	struct mesh *mesh;       /* while the service runs, else NULL     */
};

#endif
