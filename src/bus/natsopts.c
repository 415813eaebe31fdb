/**
 * @file natsopts.c  How to connect to NATS
 */
#include <signal.h>
#include <string.h>
#include <nats/nats.h>
#include <re.h>
#include "bus/bus.h"
#include "bus/natslink.h"


enum {
	CONNECT_TIMEOUT = 3000,    /* of all that it takes [ms]             */
	WRITE_TIMEOUT   = 5000,    /* then the connection is given up [ms]  */
	PING_INTERVAL   = 2000,    /* a silent server is given up after     */
	PINGS_OUT       = 2,       /* three of these                        */
	PENDING_MAX     = 65536,   /* messages that libnats keeps for us    */
	BUF_SIZE        = 65536,   /* [bytes]                               */
};


static int set_fixed(natsOptions *opts)
{
	natsStatus s;

	s = natsOptions_SetAllowReconnect(opts, false);
	if (!s)
		s = natsOptions_UseGlobalMessageDelivery(opts, true);
	if (!s)
		s = natsOptions_SetSendAsap(opts, true);
	if (!s)
		s = natsOptions_SetTimeout(opts, CONNECT_TIMEOUT);
	if (!s)
		s = natsOptions_SetWriteDeadline(opts, WRITE_TIMEOUT);
	if (!s)
		s = natsOptions_SetPingInterval(opts, PING_INTERVAL);
	if (!s)
		s = natsOptions_SetMaxPingsOut(opts, PINGS_OUT);
	if (!s)
		s = natsOptions_SetMaxPendingMsgs(opts, PENDING_MAX);
	if (!s)
		s = natsOptions_SetIOBufSize(opts, BUF_SIZE);

	return s ? ENOMEM : 0;
}


static int set_identity(natsOptions *opts, const struct bus_nats_conf *conf,
			const char **wrongp)
{
	if (conf->name && natsOptions_SetName(opts, conf->name)) {
		*wrongp = "name";
		return EINVAL;
	}

	if (conf->user &&
	    natsOptions_SetUserInfo(opts, conf->user, conf->password ?
				    conf->password : "")) {
		*wrongp = "user";
		return EINVAL;
	}

	if (conf->credentials &&
	    natsOptions_SetUserCredentialsFromFiles(opts, conf->credentials,
						    NULL)) {
		*wrongp = "credentials";
		return EINVAL;
	}

	return 0;
}


static int set_tls(natsOptions *opts, const struct bus_nats_conf *conf,
		   const char **wrongp)
{
	if (strncmp(conf->url, "tls://", 6) && !conf->tls_ca &&
	    !conf->tls_cert)
		return 0;

	if (natsOptions_SetSecure(opts, true)) {
		*wrongp = "url";
		return EINVAL;
	}

	if (conf->tls_ca &&
	    natsOptions_LoadCATrustedCertificates(opts, conf->tls_ca)) {
		*wrongp = "tls_ca";
		return EINVAL;
	}

	if (conf->tls_cert &&
	    natsOptions_LoadCertificatesChain(opts, conf->tls_cert,
					      conf->tls_key ? conf->tls_key :
					      conf->tls_cert)) {
		*wrongp = conf->tls_key ? "tls_key" : "tls_cert";
		return EINVAL;
	}

	return 0;
}


/* The first options start the library's threads. They inherit what is blocked
   here: signals are for the main loop. */
static natsStatus opts_create(natsOptions **optsp)
{
	sigset_t all, old;
	natsStatus s;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	s = natsOptions_Create(optsp);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);

	return s;
}


/**
 * Make the options of libnats, but for the address
 *
 * @param optsp  Pointer to the options, owned by the caller
 * @param conf   How to connect
 * @param wrongp Set to the name of the field that cannot be used
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int natsopts_alloc(natsOptions **optsp, const struct bus_nats_conf *conf,
		   const char **wrongp)
{
	natsOptions *opts;
	int err;

	if (opts_create(&opts))
		return ENOMEM;

	err = set_fixed(opts);
	if (!err)
		err = set_identity(opts, conf, wrongp);
	if (!err)
		err = set_tls(opts, conf, wrongp);

	if (err)
		natsOptions_Destroy(opts);
	else
		*optsp = opts;

	return err;
}
