/**
 * @file test_tls.c  A bus over NATS behind locked doors: certificates, and
 *                   a password
 */
#define _GNU_SOURCE 1
#include <signal.h>
#include <string.h>
#include <check.h>
#include <re.h>
#include "bus/bus.h"
#include "loop.h"
#include "told.h"
#include "pair.h"
#include "certs.h"
#include "../suite.h"


/* It does not get in, and says so by staying down. */
static void stays_out(const struct bus_nats_conf *conf, unsigned ms)
{
	bus_conf(&fix.near, conf);
	loop_run(ms);
	ck_assert_int_eq(BUS_DOWN, bus_state(fix.near));
	fix.near = mem_deref(fix.near);
}


START_TEST(test_password)
{
	struct bus_nats_conf conf = {
		.url = fix.nd.url, .kv_timeout = KV_MS
	};

	fix.nd.argv[0] = "--user";
	fix.nd.argv[1] = "junctor";
	fix.nd.argv[2] = "--pass";
	fix.nd.argv[3] = "secret";
	natsd_start(&fix.nd);

	/* nobody, then the wrong one, then the right one */
	stays_out(&conf, 600);

	conf.user = "junctor";
	conf.password = "wrong";
	stays_out(&conf, 1200);

	/* credentials that are none */
	conf.credentials = fix.nd.dir;
	conf.user = conf.password = NULL;
	stays_out(&conf, 800);

	conf.credentials = NULL;
	conf.user = "junctor";
	conf.password = "secret";
	bus_conf(&fix.near, &conf);
	until(near_up);
	put(fix.near, "k", "v", 0);
}
END_TEST


static void certs_prepare(void)
{
	const char *dir = fix.nd.dir;

	/* its folder is made by its first start */
	natsd_start(&fix.nd);
	natsd_stop(&fix.nd, SIGKILL);
	certs_make(dir, NULL, "ca", NULL);
	certs_make(dir, NULL, "otherca", NULL);
	certs_make(dir, "ca", "server", "DNS:localhost,IP:127.0.0.1");
	certs_make(dir, "ca", "elsewhere", "DNS:elsewhere,IP:127.0.0.2");
	certs_make(dir, "ca", "client", "DNS:client");
	certs_make(dir, "otherca", "stranger", "DNS:client");
}


static const char *cert(const char *name)
{
	static char filev[16][128];
	static unsigned n;
	char *p = filev[n++ % ARRAY_SIZE(filev)];

	(void)re_snprintf(p, sizeof(filev[0]), "%s/%s", fix.nd.dir, name);

	return p;
}


START_TEST(test_tls)
{
	struct bus_nats_conf conf = {
		.url = fix.nd.url, .kv_timeout = KV_MS
	};

	certs_prepare();
	fix.nd.argv[0] = "--tlsverify";
	fix.nd.argv[1] = "--tlscert";
	fix.nd.argv[2] = cert("server.pem");
	fix.nd.argv[3] = "--tlskey";
	fix.nd.argv[4] = cert("server.key");
	fix.nd.argv[5] = "--tlscacert";
	fix.nd.argv[6] = cert("ca.pem");
	natsd_start(&fix.nd);

	/* not encrypted */
	stays_out(&conf, 600);

	/* a server that we do not trust */
	conf.tls_ca   = cert("otherca.pem");
	conf.tls_cert = cert("client.pem");
	conf.tls_key  = cert("client.key");
	stays_out(&conf, 600);

	/* a client that it does not trust */
	conf.tls_ca   = cert("ca.pem");
	conf.tls_cert = cert("stranger.pem");
	conf.tls_key  = cert("stranger.key");
	stays_out(&conf, 1000);

	/* one that shows nothing */
	conf.tls_cert = conf.tls_key = NULL;
	stays_out(&conf, 1000);

	conf.tls_cert = cert("client.pem");
	conf.tls_key  = cert("client.key");
	bus_conf(&fix.near, &conf);
	until(near_up);
	put(fix.near, "k", "v", 0);
	watch(fix.near);
	await("watch k v\nwatch (all) -\n");
	natsd_stop(&fix.nd, SIGKILL);
	until(near_down);
	natsd_start(&fix.nd);
	until(near_up);
	await("watch (all) -\n");
}
END_TEST


START_TEST(test_tls_host)
{
	struct bus_nats_conf conf = {
		.url = fix.nd.url, .kv_timeout = KV_MS
	};
	char url[64];

	/* it has a good certificate, of another host */
	certs_prepare();
	fix.nd.argv[0] = "--tls";
	fix.nd.argv[1] = "--tlscert";
	fix.nd.argv[2] = cert("elsewhere.pem");
	fix.nd.argv[3] = "--tlskey";
	fix.nd.argv[4] = cert("elsewhere.key");
	natsd_start(&fix.nd);

	conf.tls_ca = cert("ca.pem");
	stays_out(&conf, 800);

	(void)re_snprintf(url, sizeof(url), "tls://localhost:%u",
			  fix.nd.port);
	conf.url = url;
	stays_out(&conf, 800);

	natsd_stop(&fix.nd, SIGKILL);
	fix.nd.argv[2] = cert("server.pem");
	fix.nd.argv[4] = cert("server.key");
	natsd_start(&fix.nd);
	bus_conf(&fix.near, &conf);
	until(near_up);
	fix.near = mem_deref(fix.near);
	conf.url = fix.nd.url;
	bus_conf(&fix.near, &conf);
	until(near_up);
}
END_TEST


START_TEST(test_conf)
{
	static const struct { const char *url, *wrong; } urlv[] = {
		{"", "url"}, {",", "url"}, {"http://127.0.0.1:1", "url"},
		{"nats://u:p@127.0.0.1:1", "url"},
		{"nats://127.0.0.1:1,ws://127.0.0.1", "url"},
		{"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "url"},
	};
	struct bus_nats_conf conf = { .url = NULL };
	const char *wrong = NULL;
	size_t i;

	ck_assert_int_eq(EINVAL, bus_alloc_nats(&fix.near, &conf, &wrong));
	for (i=0; i<ARRAY_SIZE(urlv); i++) {
		conf.url = urlv[i].url;
		ck_assert_int_eq(EINVAL, bus_alloc_nats(&fix.near, &conf,
							&wrong));
		ck_assert_str_eq(urlv[i].wrong, wrong);
		ck_assert_int_eq(EINVAL, bus_nats_check(&conf, &wrong));
		ck_assert_str_eq(urlv[i].wrong, wrong);
	}

	certs_prepare();
	conf.url = "tls://127.0.0.1:1, nats://localhost:2";
	ck_assert_int_eq(0, bus_nats_check(&conf, &wrong));
	conf.tls_ca = cert("ca.key");
	ck_assert_int_eq(EINVAL, bus_nats_check(&conf, &wrong));
	ck_assert_str_eq("tls_ca", wrong);
	conf.tls_ca = cert("none.pem");
	ck_assert_int_eq(EINVAL, bus_nats_check(&conf, &wrong));
	ck_assert_str_eq("tls_ca", wrong);
	conf.tls_ca = cert("ca.pem");
	conf.tls_cert = cert("client.pem");
	conf.tls_key = cert("stranger.key");
	ck_assert_int_eq(EINVAL, bus_nats_check(&conf, &wrong));
	ck_assert_str_eq("tls_key", wrong);
	conf.tls_key = cert("client.key");
	ck_assert_int_eq(0, bus_nats_check(&conf, &wrong));
	ck_assert_int_eq(EINVAL, bus_alloc_nats(NULL, &conf, &wrong));
	ck_assert_int_eq(EINVAL, bus_alloc_nats(&fix.near, NULL, &wrong));
}
END_TEST


int main(void)
{
	TCase *tc = pair_case("tls");

	tcase_add_test(tc, test_password);
	tcase_add_test(tc, test_tls);
	tcase_add_test(tc, test_tls_host);
	tcase_add_test(tc, test_conf);

	return natsd_run("tls", tc);
}
