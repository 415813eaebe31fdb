/**
 * @file settings.c  Settings of the SIP client host
 */
#include <string.h>
#include <re.h>
#include "server/settings.h"
#include "sip/stack.h"
#include "siphost/host.h"

const struct setting siphost_settings[] = {
	{"sip.listen", SETTING_SA, "127.0.0.1:5060", 0, 0, NULL,
	 SETTING_MULTI,
	 "address to listen on, UDP and TCP; port 0: any"},
	{"sip.freebind", SETTING_BOOL, "no", 0, 0, NULL, 0,
	 "listen also on addresses that this host does not have yet"},
	{"sip.threads", SETTING_U32, "1", 1, SIPSTACK_THREADS_MAX, NULL, 0,
	 "signalling threads"},
	{"sip.max_calls", SETTING_U32, "20000", 1, 1000000, NULL, 0,
	 "calls and subscriptions at a time; more are answered 503"},
	{"sip.max_pending", SETTING_U32, "4000", 1, 100000, NULL, 0,
	 "joins waiting for their answer at a time; more are answered 503"},
	{"sip.max_message", SETTING_U32, "32768", 2048, 65535, NULL, 0,
	 "longest SIP message accepted [bytes]"},
	{"sip.session_expires", SETTING_U32, "1800", 90, 86400, NULL, 0,
	 "session timer, RFC 4028 [s]"},
	{"sip.min_se", SETTING_U32, "90", 1, 86400, NULL, 0,
	 "shortest session timer accepted [s]"},
	{"sip.probe", SETTING_U32, "120", 0, 86400, NULL, 0,
	 "OPTIONS to phones without session timer, every so many [s]; "
	 "0: never"},
	{"sip.t1", SETTING_U32, "500", 10, 5000, NULL, 0,
	 "RFC 3261 T1: round-trip time assumed [ms]"},
	{"sip.move_timeout", SETTING_U32, "4000", 0, 64000, NULL, 0,
	 "how long a phone may take to answer the server that took its call "
	 "over [ms]; 0: as any other request"},
	{"sip.trust_asserted", SETTING_BOOL, "no", 0, 0, NULL, 0,
	 "take the account from P-Asserted-Identity"},
	{"sip.server", SETTING_STRING, "Junctor", 1, 63, NULL, 0,
	 "Server header"},
	{NULL, 0, NULL, 0, 0, NULL, 0, NULL}
};

struct listen_arg {
	struct sipstack_conf *conf;
	int err;
};


static bool listen_h(const char *val, void *arg)
{
	struct listen_arg *la = arg;
	struct sipstack_conf *conf = la->conf;

	if (conf->laddrc >= SIPSTACK_LISTEN_MAX) {
		la->err = E2BIG;
		return true;
	}

	la->err = sa_decode(&conf->laddrv[conf->laddrc], val, strlen(val));
	if (la->err)
		return true;

	++conf->laddrc;

	return false;
}


/**
 * Read the settings of the signalling stack
 *
 * @param conf Set; its strings belong to the configuration
 * @param cfg  Configuration
 *
 * @return 0 or errno
 */
int settings_get(struct sipstack_conf *conf, const struct config *cfg)
{
	struct listen_arg la = {.conf = conf};

	memset(conf, 0, sizeof(*conf));

	config_multi(cfg, "sip.listen", listen_h, &la);
	if (la.err)
		return la.err;

	conf->threads        = config_u32(cfg, "sip.threads");
	conf->max_calls      = config_u32(cfg, "sip.max_calls");
	conf->max_pending    = config_u32(cfg, "sip.max_pending");
	conf->max_msg        = config_u32(cfg, "sip.max_message");
	conf->se             = config_u32(cfg, "sip.session_expires");
	conf->min_se         = config_u32(cfg, "sip.min_se");
	conf->probe          = config_u32(cfg, "sip.probe");
	conf->t1             = config_u32(cfg, "sip.t1");
	conf->move_ms        = config_u32(cfg, "sip.move_timeout");
	conf->freebind       = config_bool(cfg, "sip.freebind");
	conf->trust_asserted = config_bool(cfg, "sip.trust_asserted");
	conf->server         = config_str(cfg, "sip.server");

	if (conf->se < conf->min_se)
		conf->se = conf->min_se;

	return 0;
}
