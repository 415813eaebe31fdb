/**
 * @file netbus.h  The bus that the settings ask for
 */
#ifndef JUNCTOR_SERVER_NETBUS_H
#define JUNCTOR_SERVER_NETBUS_H

struct bus;
struct netbus;

const struct setting *netbus_settings(void);
void netbus_check(const struct config *cfg, config_error_h *eh, void *arg);
int  netbus_alloc(struct bus **busp, const struct config *cfg,
		  const char *name);
int  netbus_metrics_alloc(struct netbus **nbp, struct bus *bus,
			  struct metrics *ms);

#endif
