/**
 * @file membus.h  Internal to the memory bus
 */
#ifndef JUNCTOR_BUS_MEMBUS_H
#define JUNCTOR_BUS_MEMBUS_H

struct membus;
struct item;

/* Called from the main loop, in order. The item is in no list then and is
   released after the call. */
typedef void (item_h)(struct membus *mb, struct item *it);

/* Something that happened and that handlers have yet to be told; first member
   of what carries the details. */
struct item {
	struct le le;
	struct membus *mb;         /* while in its queue                    */
	item_h *h;
	uint64_t seq;              /* of the bus, when it happened          */
};

struct membus {
	struct bus bus;            /* first                                 */
	struct list queue;         /* struct item                           */
	size_t queuec;
	struct tmr drain;
	struct tmr due;
	uint64_t due_at;           /* 0: timer `due` does not run [ms]      */
	struct heap heap;          /* requests and keys that expire         */
	uint64_t seq;              /* counts what happened                  */
	struct list subl;
	struct le *sub_next;       /* next one to tell, while telling       */
	struct list reql;
	struct list bucketl;
	struct le *watch_next;
	struct siphash_key hkey;
	uint64_t rev;              /* last one given to a value             */
	size_t entryc;
};

void membus_push(struct membus *mb, struct item *it, item_h *h);
int  membus_due(struct membus *mb, struct heap_node *node, uint32_t delay);
void membus_pull(struct item *it);
bool membus_full(const struct membus *mb);

int  memkv_put(struct bus_kvop **opp, struct bus *bus,
	       const struct bus_put *put, bus_kv_h *h, void *arg);
int  memkv_delete(struct bus_kvop **opp, struct bus *bus,
		  const char *bucket, const char *key, uint64_t rev,
		  bus_kv_h *h, void *arg);
int  memkv_get(struct bus_kvop **opp, struct bus *bus, const char *bucket,
	       const char *key, bus_kv_h *h, void *arg);
int  memkv_watch(struct bus_watch **wp, struct bus *bus, const char *bucket,
		 const char *pattern, bus_watch_h *h, void *arg);
void memkv_close(struct membus *mb);

#endif
