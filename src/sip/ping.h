/**
 * @file ping.h  Does a SIP server answer? OPTIONS again and again
 */
#ifndef JUNCTOR_SIP_PING_H
#define JUNCTOR_SIP_PING_H

struct ping;
struct sa;

enum ping_state {
	PING_UNKNOWN,              /* not heard of yet                      */
	PING_ALIVE,
	PING_REFUSING,             /* answers 5xx: takes nothing            */
	PING_DEAD,                 /* silent for `timeout`                  */
};

/* The state has changed. May release the ping. */
typedef void (ping_h)(enum ping_state state, void *arg);

int ping_alloc(struct ping **pp, const struct sa *peer, uint32_t interval,
	       uint32_t timeout, ping_h *h, void *arg);
enum ping_state ping_state(const struct ping *p);
int ping_response(const char *buf, size_t len, const char *callid,
		  uint16_t *scode);

#endif
