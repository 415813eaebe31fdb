/**
 * @file willcall.h  Who was sent here and has not come yet
 */
#ifndef JUNCTOR_NOC_WILLCALL_H
#define JUNCTOR_NOC_WILLCALL_H

struct willcall;

enum { WILLCALL_MEDIA = 3 };     /* bits of enum media_type              */

struct willcall_join {
	const char *conference;  size_t conferencelen;  /* [bytes]          */
	const char *user;        size_t userlen;
	const char *account;     size_t accountlen;
	unsigned media;          /* set of media types; not on the wire   */
};

int  willcall_alloc(struct willcall **wp, size_t max, uint32_t ttl_ms);
int  willcall_add(struct willcall *w, const struct willcall_join *j,
		  uint64_t now);
int  willcall_early(struct willcall *w, const struct willcall_join *j,
		    uint64_t now);
int  willcall_admit(struct willcall *w, const struct willcall_join *j,
		    uint64_t now, char *account, size_t sz);
unsigned willcall_joined(struct willcall *w, const struct willcall_join *j);
bool willcall_has(struct willcall *w, const struct willcall_join *j,
		  uint64_t now);
bool willcall_is_new(struct willcall *w, const struct willcall_join *j,
		     uint64_t now);
size_t willcall_count(struct willcall *w, uint64_t now);
void willcall_media(struct willcall *w, uint64_t now,
		    uint32_t mediav[WILLCALL_MEDIA]);
void willcall_ttl_set(struct willcall *w, uint32_t ttl_ms);

#endif
