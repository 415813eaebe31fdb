/**
 * @file natshelp.c  The helper thread of a connection to NATS
 *
 *   connect -> tell "up" -> carry out commands -> lost? tell "down", again
 *
 * Whatever fails on a connection ends it. libnats could reconnect by itself,
 * but would then replay half of what we know better.
 */
#include <signal.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>
#include <pthread.h>
#include <nats/nats.h>
#include <re.h>
#include "server/log.h"
#include "bus/bus.h"
#include "bus/natsconn.h"
#include "bus/natshelp.h"


enum {
	BACKOFF_MIN = 100,         /* between two rounds of all servers     */
	BACKOFF_MAX = 1000,        /* [ms]                                  */
	FLUSH_MS    = 1000,        /* at the end, for the server's answer   */
	LETGO_MS    = 2000,        /* at the end, for libnats               */
};


/* Lock held. False when time is up. */
static bool work_wait(struct natsconn *nc, uint32_t ms)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec  += ms / 1000;
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		++ts.tv_sec;
	}

	return !pthread_cond_timedwait(&nc->work, &nc->lock, &ts);
}


struct ending {
	struct natsconn *nc;
	uint64_t gen;              /* of the connection                     */
};


/* A thread of libnats; it is the last that we hear of the connection. */
static void closed_handler(natsConnection *conn, void *arg)
{
	struct ending *end = arg;
	struct natsconn *nc = end->nc;
	(void)conn;

	pthread_mutex_lock(&nc->lock);
	if (end->gen == nc->gen)
		nc->lost = true;
	--nc->open;
	pthread_cond_signal(&nc->work);
	pthread_mutex_unlock(&nc->lock);

	free(end);
}


static const char *advice(natsStatus s)
{
	switch (s) {

	case NATS_CONNECTION_AUTH_FAILED:
	case NATS_NOT_PERMITTED:
		return "; it does not know us: bus.credentials, or bus.user"
			" and bus.password";

	case NATS_SSL_ERROR:
		return "; bus.tls_ca names who signed its certificate";

	/* with TLS 1.3 it hangs up after its word of welcome */
	case NATS_PROTOCOL_ERROR:
		return "; does it want a certificate of ours? bus.tls_cert,"
			" bus.tls_key";

	default:
		return "";
	}
}


static void failure(struct natsconn *nc, const char *url, natsStatus s)
{
	const char *detail = nats_GetLastError(NULL);
	char text[sizeof(nc->told)];

	if (re_snprintf(text, sizeof(text), "%s: %s%s%s%s%s", url,
			natsStatus_GetText(s), str_isset(detail) ? " (" : "",
			str_isset(detail) ? detail : "",
			str_isset(detail) ? ")" : "", advice(s)) < 0)
		str_ncpy(text, natsStatus_GetText(s), sizeof(text));

	/* the same again: after twice as many attempts each time */
	if (!strcmp(text, nc->told) && nc->failures & (nc->failures - 1))
		return;

	str_ncpy(nc->told, text, sizeof(nc->told));
	log_event(LOG_WARN, "bus", NULL, "cannot connect to NATS at %s;"
		  " trying on", text);
}


static natsStatus conn_try(struct natsconn *nc, const char *url)
{
	struct ending *end = calloc(1, sizeof(*end));
	natsStatus s;

	if (!end)
		return NATS_NO_MEMORY;

	/* before it is there, because it may be lost before we know */
	pthread_mutex_lock(&nc->lock);
	end->nc  = nc;
	end->gen = ++nc->gen;
	nc->lost = false;
	++nc->open;
	pthread_mutex_unlock(&nc->lock);

	s = natsOptions_SetURL(nc->conf.opts, url);
	if (!s)
		s = natsOptions_SetClosedCB(nc->conf.opts, closed_handler,
					    end);
	if (!s)
		s = natsConnection_Connect(&nc->conn, nc->conf.opts);
	if (!s)
		return s;

	free(end);
	pthread_mutex_lock(&nc->lock);
	--nc->open;
	pthread_mutex_unlock(&nc->lock);

	return s;
}


static void conn_open(struct natsconn *nc)
{
	const char *url = nc->conf.urlv[nc->url++ % nc->conf.urlc];
	const natsStatus s = conn_try(nc, url);

	if (s) {
		++nc->failures;
		failure(nc, url, s);
		return;
	}

	nc->failures = 0;
	nc->told[0] = '\0';
	log_event(LOG_NOTICE, "bus", NULL, "connected to NATS at %s", url);
	natsconn_event(nc, NATSEV_UP, nc->gen, 0, NULL);
}


static void sub_drop(struct natssub *sub)
{
	natsSubscription_Destroy(sub->sub);
	sub->sub = NULL;
}


/* Those that libnats uses no more */
static void subs_purge(struct natsconn *nc)
{
	struct natssub **sp = &nc->subs;

	pthread_mutex_lock(&nc->lock);
	while (*sp) {
		struct natssub *sub = *sp;

		if (sub->sub || !sub->done) {
			sp = &sub->next;
			continue;
		}
		*sp = sub->next;
		free(sub);
	}
	pthread_mutex_unlock(&nc->lock);
}


static void conn_close(struct natsconn *nc)
{
	struct natssub *sub;

	natsConnection_Close(nc->conn);
	for (sub = nc->subs; sub; sub = sub->next)
		sub_drop(sub);
	natsConnection_Destroy(nc->conn);
	nc->conn = NULL;
	subs_purge(nc);
}


static void msg_handler(natsConnection *conn, natsSubscription *s,
			natsMsg *msg, void *arg)
{
	const struct natssub *sub = arg;
	(void)conn;
	(void)s;

	natsconn_event(sub->nc, NATSEV_MSG, sub->gen, sub->sid, msg);
}


static void complete_handler(void *arg)
{
	struct natssub *sub = arg;
	struct natsconn *nc = sub->nc;

	pthread_mutex_lock(&nc->lock);
	sub->done = true;
	pthread_cond_signal(&nc->work);
	pthread_mutex_unlock(&nc->lock);
}


static natsStatus subscribe(struct natsconn *nc, const struct natscmd *cmd)
{
	struct natssub *sub = calloc(1, sizeof(*sub));
	natsStatus s;

	if (!sub)
		return NATS_NO_MEMORY;

	sub->nc  = nc;
	sub->gen = cmd->gen;
	sub->sid = cmd->sid;

	s = natsConnection_Subscribe(&sub->sub, nc->conn, cmd->pattern,
				     msg_handler, sub);
	if (s) {
		free(sub);
		return s;
	}

	sub->next = nc->subs;
	nc->subs = sub;

	return natsSubscription_SetOnCompleteCB(sub->sub, complete_handler,
						sub);
}


static natsStatus unsubscribe(struct natsconn *nc, uint64_t sid)
{
	struct natssub *sub = nc->subs;

	while (sub && (sub->sid != sid || !sub->sub))
		sub = sub->next;

	if (sub)
		sub_drop(sub);
	subs_purge(nc);

	return NATS_OK;
}


static natsStatus command(struct natsconn *nc, const struct natscmd *cmd)
{
	switch (cmd->what) {

	case NATSCMD_PUBLISH:
		return natsConnection_PublishMsg(nc->conn, cmd->msg);

	case NATSCMD_SUBSCRIBE:
		return subscribe(nc, cmd);

	case NATSCMD_UNSUBSCRIBE:
		return unsubscribe(nc, cmd->sid);
	}

	return NATS_OK;
}


/* Lock held, and released meanwhile. Takes one at a time, so that the queue's
   length says what really waits. */
static void commands_run(struct natsconn *nc)
{
	struct natscmd *cmd;
	natsStatus s = NATS_OK;

	while ((cmd = nc->txhead) && !s && !nc->lost) {
		nc->txhead = cmd->next;
		if (!nc->txhead)
			nc->txtail = &nc->txhead;
		--nc->txc;
		nc->txbytes -= cmd->size;
		if (cmd->what == NATSCMD_PUBLISH && cmd->gen == nc->gen)
			++nc->sent;

		pthread_mutex_unlock(&nc->lock);
		if (cmd->gen == nc->gen && nc->conn)
			s = command(nc, cmd);
		natscmd_free(cmd);
		pthread_mutex_lock(&nc->lock);
	}

	if (s) {
		log_event(LOG_WARN, "bus", NULL, "NATS: %s",
			  natsStatus_GetText(s));
		nc->lost = true;
	}
}


static void commands_drop(struct natsconn *nc)
{
	struct natscmd *cmd;

	while ((cmd = nc->txhead)) {
		nc->txhead = cmd->next;
		natscmd_free(cmd);
	}

	nc->txtail = &nc->txhead;
	nc->txc = nc->txbytes = 0;
}


static uint32_t backoff(const struct natsconn *nc)
{
	const size_t rounds = nc->failures / nc->conf.urlc;
	uint32_t ms = BACKOFF_MIN;

	/* the others of a cluster are tried at once */
	if (nc->failures % nc->conf.urlc)
		return 0;

	ms = rounds < 6 ? ms << rounds : BACKOFF_MAX;
	ms = min(ms, (uint32_t)BACKOFF_MAX);

	/* not all clients at the same moment */
	return ms - ms / 4 + rand_u32() % (ms / 2);
}


/* Lock held, and released meanwhile */
static void conn_lost(struct natsconn *nc)
{
	const uint64_t gen = nc->gen;

	commands_drop(nc);
	pthread_mutex_unlock(&nc->lock);

	log_event(LOG_WARN, "bus", NULL, "the connection to NATS is lost");
	natsconn_event(nc, NATSEV_DOWN, gen, 0, NULL);
	conn_close(nc);

	pthread_mutex_lock(&nc->lock);
}


/* Lock held, and released meanwhile */
static void finish(struct natsconn *nc)
{
	unsigned n = LETGO_MS / 10;

	if (nc->conn && !nc->lost)
		commands_run(nc);
	commands_drop(nc);
	pthread_mutex_unlock(&nc->lock);

	if (nc->conn) {
		(void)natsConnection_FlushTimeout(nc->conn, FLUSH_MS);
		conn_close(nc);
	}

	pthread_mutex_lock(&nc->lock);
	while ((nc->subs || nc->open) && n--) {
		(void)work_wait(nc, 10);
		pthread_mutex_unlock(&nc->lock);
		subs_purge(nc);
		pthread_mutex_lock(&nc->lock);
	}
}


/**
 * The helper thread
 *
 * @param arg Shared
 *
 * @return NULL
 */
void *natshelp_run(void *arg)
{
	struct natsconn *nc = arg;
	sigset_t all;

	/* for this thread and those that the library makes here */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);

	pthread_mutex_lock(&nc->lock);

	while (!nc->stop) {

		if (!nc->conn) {
			const uint32_t ms = nc->failures ? backoff(nc) : 0;

			if (ms && work_wait(nc, ms))
				continue;

			pthread_mutex_unlock(&nc->lock);
			conn_open(nc);
			pthread_mutex_lock(&nc->lock);
		}
		else if (nc->lost) {
			conn_lost(nc);
		}
		else if (nc->txhead) {
			commands_run(nc);
		}
		else {
			pthread_cond_wait(&nc->work, &nc->lock);
		}
	}

	finish(nc);
	pthread_mutex_unlock(&nc->lock);

	/* what libnats keeps per thread */
	nats_ReleaseThreadMemory();

	return NULL;
}
