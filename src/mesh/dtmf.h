/**
 * @file mesh/dtmf.h  Keys pressed, as telephone events (RFC 4733)
 */
#ifndef JUNCTOR_MESH_DTMF_H
#define JUNCTOR_MESH_DTMF_H

struct dtmf {                 /* embed; all zero: nothing heard yet         */
	uint32_t ts;                  /* of the present event               */
	uint32_t ssrc;
	uint16_t duration;            /* so far [time stamp units]          */
	uint8_t event;
	bool any;                     /* the above are valid                */
	bool ended;                   /* its end was seen                   */
	uint8_t burst;                /* presses since `turn`               */
	uint64_t turn;                /* [us]                               */
};

int dtmf_recv(struct dtmf *d, uint32_t ssrc, uint32_t ts, const uint8_t *p,
	      size_t len, uint64_t now, char *digit);

#endif
