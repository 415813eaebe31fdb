/**
 * @file natsd.h  A nats-server of a test's own
 */
#ifndef JUNCTOR_TESTS_BUS_NATSD_H
#define JUNCTOR_TESTS_BUS_NATSD_H

enum { NATSD_ARGS = 16, NATSD_CLUSTER = 3 };

struct natsd {
	pid_t pid;                 /* 0: does not run                       */
	unsigned port;             /* the same after a restart              */
	char dir[64];              /* of its store                          */
	char url[64];
	bool plain;                /* without JetStream                     */
	const char *argv[NATSD_ARGS];    /* more arguments, NULL-terminated */
	char clusterv[3][160];     /* of these: name, address, the others   */
};

bool natsd_installed(void);
int  natsd_run(const char *name, TCase *tc);
void natsd_start(struct natsd *nd);
void natsd_cluster_start(struct natsd *nodev);
void natsd_stop(struct natsd *nd, int sig);
void natsd_wipe(struct natsd *nd);
void natsd_close(struct natsd *nd);
unsigned natsd_port_free(void);

#endif
