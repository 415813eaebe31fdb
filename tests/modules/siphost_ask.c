/**
 * @file siphost_ask.c  What phones ask of the server that they speak with
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "server/command.h"
#include "server/metrics.h"
#include "server/server.h"
#include "server/service.h"
#include "sip/sdp.h"
#include "siphost/siphost.h"
#include "siphost_server.h"


static void dialog_h(int err, const char *dialog, size_t len, void *arg)
{
	ck_assert_ptr_eq(arg, &host);
	host_told("dialog:%d", err);
	ck_assert(!err == (dialog != NULL));
	if (err)
		return;

	ck_assert_uint_lt(len, sizeof(host.dialog));
	memcpy(host.dialog, dialog, len);
	host.dialoglen = len;
}


static int adopt(const char *dialog, size_t len)
{
	const struct siphost_api *api = service_api(host.srv, "siphost");
	struct join join = {
		.conference = "room", .user = "alice@home", .name = "Alice",
		.info = "test phone", .media = MEDIA_AUDIO,
	};
	struct client *cl;
	int err;

	err = api->adopt(api->sh, &cl, &join, dialog, len, 100);
	if (err)
		return err;

	mem_deref(host.client);
	host.client = mem_ref(cl);
	ck_assert_str_eq(client_join(cl)->conference, "room");
	ck_assert(client_join(cl)->admitted);

	return 0;
}


/* Nothing that is no dialog becomes one. */
static void adopt_bad(void)
{
	ck_assert_int_eq(adopt("", 0), EBADMSG);
	ck_assert_int_eq(adopt("dialog: 1\n", 10), EBADMSG);

	for (size_t i = 0; i < host.dialoglen; i += 7) {
		const bool whole = host.dialog[i - !!i] == '\n';

		ck_assert_int_eq(adopt(host.dialog, i + whole), EBADMSG);
	}
}


static int offer(void)
{
	struct media_desc md;

	ck_assert(!sdp_desc_decode(&md, (const uint8_t *)phone_sdp,
				   strlen(phone_sdp)));

	return client_offer(host.client, &md);
}


static void move_ask(enum ask what)
{
	switch (what) {

	case ASK_DIALOG:
		host.err = client_dialog(host.client, dialog_h, &host);
		if (!host.err)
			ck_assert_int_eq(client_dialog(host.client, dialog_h,
						       &host), EALREADY);
		break;

	case ASK_DIALOG_WATCHER:
		host.err = client_dialog(host.watcher, dialog_h, &host);
		break;

	case ASK_THAW:
		host.err = client_thaw(host.client, 0x20000);
		break;

	case ASK_ADOPT:
		host.err = adopt(host.dialog, host.dialoglen);
		break;

	case ASK_OFFER:
		host.err = offer();
		break;

	case ASK_PROBE:
		host.err = client_probe(host.client);
		break;

	case ASK_ADOPT_BAD:
		adopt_bad();
		break;

	case ASK_RELEASE:
		host.err = client_release(host.client);
		ck_assert_int_eq(client_release(host.client), ENOTCONN);
		break;

	case ASK_REFER:
		host.err = client_refer(host.client, "sip:room@127.0.0.1:9");
		break;

	default:
		ck_abort();
	}
}


static void result_h(int err, const char *reason, const struct odict *result,
		     void *arg)
{
	(void)result;
	(void)arg;
	(void)re_snprintf(host.result, sizeof(host.result), "%d %s", err,
			  reason ? reason : "");
}


static int print_h(const char *p, size_t size, void *arg)
{
	size_t *n = arg;

	if (*n + size < sizeof(host.result)) {
		memcpy(host.result + *n, p, size);
		*n += size;
		host.result[*n] = '\0';
	}

	return 0;
}


static void trace_ask(void)
{
	struct odict *args;

	ck_assert(!odict_alloc(&args, 8));
	ck_assert(!odict_entry_add(args, "user", ODICT_STRING, "alice"));
	ck_assert(!odict_entry_add(args, "on", ODICT_BOOL, true));
	ck_assert(!command_run(server_commands(host.srv), "sip.trace", args,
			       result_h, NULL));
	mem_deref(args);
}


static void metrics_ask(void)
{
	struct re_printf pf;
	size_t n = 0;

	pf.vph = print_h;
	pf.arg = &n;
	ck_assert_int_eq(metrics_print(&pf, server_metrics(host.srv)), 0);
}


static void service_ask(enum ask what)
{
	struct service *svc = service_find(host.srv, "siphost");

	switch (what) {

	case ASK_PAUSE:        host.err = service_pause(svc);  break;
	case ASK_RESUME:       host.err = service_resume(svc); break;
	case ASK_SERVICE_STOP: host.err = service_stop(svc);   break;
	case ASK_STOP:         server_stop(host.srv, false);   return;
	case ASK_TRACE:        trace_ask();                    return;
	case ASK_METRICS:      metrics_ask();                  return;
	default:               move_ask(what);                 return;
	}

	ck_assert_int_eq(host.err, 0);
}


static void client_ask(enum ask what)
{
	switch (what) {

	case ASK_BYE:
		ck_assert_int_eq(client_bye(host.client, 480, "Enough"), 0);
		break;

	case ASK_TEXT:
		ck_assert_int_eq(client_text(host.client, "Bob", "text/plain",
					     "hi"), 0);
		break;

	case ASK_ROSTER:
		ck_assert_int_eq(client_roster(host.watcher, "<x/>", false),
				 0);
		break;

	case ASK_DISPATCH:
		ck_assert_int_eq(client_dispatch(host.client, "sip:later@"
						 "127.0.0.1:9"), 0);
		break;

	default:
		service_ask(what);
		break;
	}
}


/* In the server's thread */
void host_ask_handler(int id, void *data, void *arg)
{
	(void)data;
	(void)arg;

	client_ask((enum ask)id);

	pthread_mutex_lock(&host.mutex);
	host.done = true;
	pthread_cond_signal(&host.cond);
	pthread_mutex_unlock(&host.mutex);
}
