/**
 * @file tests/mesh/call.h  A conference with up to four phones, for tests
 */
#ifndef JUNCTOR_TESTS_MESH_CALL_H
#define JUNCTOR_TESTS_MESH_CALL_H

enum { PHONES = 4, AMP = 8000 };

struct call {
	struct mesh *mesh;
	struct mesh_conf *conf;
	struct phone *phonev[PHONES];
	struct mesh_part *partv[PHONES];
	unsigned n;
	unsigned started[PHONES], stopped[PHONES], latched[PHONES];
	unsigned silent[PHONES];
	char keys[PHONES][16];
	struct mesh_config cfg;
};

void call_setup(void);
void call_teardown(void);
void call_config(struct call *c);
void call_start(struct call *c);
void call_event(struct mesh_part *part, enum mesh_event ev, int value,
		void *arg);
int  call_part(struct mesh_part **pp, struct mesh_conf *conf,
	       const struct mesh_media *media, bool private_port,
	       mesh_event_h *h, void *arg);
unsigned call_join(struct call *c, enum mesh_codec codec, unsigned ptime,
		   double freq);
void call_leave(struct call *c, unsigned i);
void call_stop(struct call *c);
void call_hears(struct call *c, unsigned i, double freq, bool on);
int  call_main(const char *name, const TTest *const *testv, size_t testc);

#endif
