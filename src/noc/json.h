/**
 * @file noc/json.h  JSON from and to strangers
 */
#ifndef JUNCTOR_NOC_JSON_H
#define JUNCTOR_NOC_JSON_H

struct odict;
struct re_printf;

enum {
	JSON_DEPTH_MAX  = 4,       /* containers inside one another        */
	JSON_VALUES_MAX = 512,     /* values in one text                   */
};

struct json_limits {
	unsigned depth, values;    /* most, as above                       */
};

int json_check(const char *buf, size_t len);
int json_object_decode(struct odict **odp, const char *buf, size_t len);
int json_object_within(struct odict **odp, const char *buf, size_t len,
		       const struct json_limits *max);
bool json_utf8(const char *str);
int json_print(struct re_printf *pf, const struct odict *od);

#endif
