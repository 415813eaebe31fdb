/**
 * @file mesh/sorter.h  Who of a conference is mixed
 */
#ifndef JUNCTOR_MESH_SORTER_H
#define JUNCTOR_MESH_SORTER_H

struct sorter_entry {            /* one participant; embed, all zero      */
	struct le le;            /* in `activel` while it may be heard    */
	void *who;
	int loud;                /* smoothed, 127 is 0 dBov [dB / 256]    */
	uint16_t voice;          /* ticks of talk, up to the start event  */
	uint16_t idle;           /* ticks since it last talked            */
	uint16_t held;           /* ticks until its silence counts        */
	bool talking;            /* in this tick                          */
	bool seated;             /* is mixed                              */
	bool leaving;            /* lost its seat while it talks: fade    */
	bool entering;           /* got its seat in this tick             */
	bool onset;              /* did not talk in the tick before       */
	bool speaking;           /* started event sent, stopped not yet   */
	bool dominant;           /* gets a seat before anybody louder     */
	bool silenced;           /* never gets a seat                     */
};

typedef void (sorter_speak_h)(void *who, bool on, int level, void *arg);

struct sorter {                  /* embed, all zero                       */
	struct list activel;     /* those who talk or did lately          */
	struct sorter_entry *seatv[MESH_TALKERS_MAX + 1];
	unsigned seatc;          /* this tick's, with one who leaves      */
	unsigned seats;          /* how many may be mixed, 1..16          */
};

void sorter_offer(struct sorter *s, struct sorter_entry *e, bool talking,
		  uint8_t level);
void sorter_pick(struct sorter *s, sorter_speak_h *h, void *arg);
void sorter_resume(struct sorter *s, struct sorter_entry *e);
void sorter_remove(struct sorter *s, struct sorter_entry *e);

#endif
