/**
 * @file phone.h  A raw SIP phone for tests: sends what it is told, however
 *                wrong, and reads with libre's parser
 *
 * Everything runs in the test's thread: waiting for a message runs the main
 * loop, so that the server under test gets its events meanwhile.
 */
#ifndef JUNCTOR_TESTS_SIP_PHONE_H
#define JUNCTOR_TESTS_SIP_PHONE_H

/* What a test waits for at most [ms]: it only ends what would never end, on a
   machine that is slow and stands still now and then. */
enum { PHONE_LIMIT = 30000 };

struct phone {
	int fd;
	bool tcp;
	bool plain;              /* nothing unusual in its headers     */
	struct sa me, srv;
	char callid[64], ftag[16], ttag[64];
	char conf[256];            /* user and parameters of the URI        */
	char contact[128];         /* instead of the phone's address, or "" */
	unsigned cseq, branch;
	char sent[32768];          /* last request                          */
	size_t sentlen;
	uint8_t rx[65536];         /* of a connection, not yet a message    */
	size_t rxlen;
	struct sip_msg *msg;       /* last received, or NULL                */
};

void phone_open(struct phone *p, const struct sa *srv, bool tcp,
		const char *conf);
void phone_close(struct phone *p);
void phone_move(struct phone *p);
void phone_new(struct phone *p);
void phone_raw(struct phone *p, const char *buf, size_t len);
void phone_send(struct phone *p, const char *method, const char *hdrs,
		const char *body);
void phone_repeat(struct phone *p);
bool phone_wait(struct phone *p, unsigned ms);
unsigned phone_status(struct phone *p);
bool phone_request(struct phone *p, const char *method);
bool phone_has(struct phone *p, const char *name, const char *value);
bool phone_says(struct phone *p, const char *text);
void phone_answer(struct phone *p, unsigned scode, const char *hdrs,
		  const char *body);
void loop_run(unsigned ms);

extern const char phone_sdp[];

#endif
