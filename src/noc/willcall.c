/**
 * @file willcall.c  Who was sent here and has not come yet
 *
 * One entry is both a lease of capacity and the right to come in without a
 * ticket (some clients drop URI parameters). Entries live for one fixed time,
 * so the list is always in the order of expiry. A user who is sent to the same
 * conference again, by a retransmission or a second device, renews the entry
 * and may come in once more, but takes one place until it has come.
 *
 * Dispatch tells of those it has redirected at once a little later, so
 * somebody with a ticket may be here before the list knows. Such an entry is
 * owed to the list: what is told of it afterwards is not another lease.
 */
#include <string.h>
#include <re.h>
#include "server/siphash.h"
#include "noc/client.h"
#include "noc/willcall.h"


enum {
	USES_MAX = 16,        /* times one entry lets somebody in           */
};

struct entry {
	struct le le;         /* in willcall.lst, oldest first              */
	struct le he;
	uint64_t hash;
	uint64_t expires;     /* [ms]                                       */
	unsigned uses;        /* times it still lets somebody in            */
	unsigned owed;        /* times the list will yet be told of it      */
	bool lease;           /* a place is kept; what lives has this or is
				 owed                                       */
	unsigned media;       /* set of media types                         */
	size_t keylen;        /* conference and user with their lengths     */
	char *account;        /* within key                                 */
	size_t accountlen;
	char key[];
};

struct willcall {
	struct list lst;
	struct hash *ht;
	struct siphash_key hkey;
	size_t count, max;    /* entries                                    */
	size_t leases;        /* of these                                   */
	uint32_t mediav[WILLCALL_MEDIA];   /* leases with that type         */
	uint32_t ttl;         /* [ms]                                       */
};

enum { KEY_MAX = 2 + CLIENT_CONFERENCE_MAX + CLIENT_USER_MAX };

struct key {
	char buf[KEY_MAX];
	size_t len;
	uint64_t hash;
};


static void entry_destructor(void *arg)
{
	struct entry *e = arg;

	list_unlink(&e->le);
	hash_unlink(&e->he);
}


static void willcall_destructor(void *arg)
{
	struct willcall *w = arg;

	list_flush(&w->lst);
	mem_deref(w->ht);
}


/**
 * Make a will-call list
 *
 * @param wp     Pointer to the list, owned by the caller
 * @param max    Most entries; the oldest make room for new ones
 * @param ttl_ms Time that an entry lives [ms]
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int willcall_alloc(struct willcall **wp, size_t max, uint32_t ttl_ms)
{
	struct willcall *w;
	uint32_t bsize = 64;
	int err;

	if (!wp || !max || !ttl_ms)
		return EINVAL;

	w = mem_zalloc(sizeof(*w), willcall_destructor);
	if (!w)
		return ENOMEM;

	while (bsize < max && bsize < 65536)
		bsize *= 2;

	err = hash_alloc(&w->ht, bsize);
	if (err) {
		mem_deref(w);
		return err;
	}

	w->max = max;
	w->ttl = ttl_ms;
	siphash_key_random(&w->hkey);
	*wp = w;

	return 0;
}


static int key_make(struct key *k, const struct willcall *w,
		    const struct willcall_join *j)
{
	char *p = k->buf;

	if (!j->conference || !j->conferencelen ||
	    j->conferencelen >= CLIENT_CONFERENCE_MAX ||
	    j->userlen >= CLIENT_USER_MAX || (!j->user && j->userlen))
		return EINVAL;

	*p++ = (char)j->conferencelen;
	memcpy(p, j->conference, j->conferencelen);
	p += j->conferencelen;
	*p++ = (char)j->userlen;
	if (j->userlen)
		memcpy(p, j->user, j->userlen);

	k->len  = p + j->userlen - k->buf;
	k->hash = siphash(&w->hkey, k->buf, k->len);

	return 0;
}


static bool account_valid(const struct willcall_join *j)
{
	return j->accountlen < CLIENT_ACCOUNT_MAX &&
		(j->account || !j->accountlen);
}


static struct entry *entry_find(const struct willcall *w, const struct key *k)
{
	struct le *le = list_head(hash_list(w->ht, (uint32_t)k->hash));

	for (; le; le = le->next) {
		struct entry *e = le->data;

		if (e->hash == k->hash && e->keylen == k->len &&
		    !memcmp(e->key, k->buf, k->len))
			return e;
	}

	return NULL;
}


static void lease_set(struct willcall *w, struct entry *e, bool lease)
{
	const int n = lease ? 1 : -1;
	unsigned i;

	if (e->lease == lease)
		return;

	e->lease = lease;
	w->leases += n;
	for (i=0; i<WILLCALL_MEDIA; i++) {
		if (e->media & 1u << i)
			w->mediav[i] += n;
	}
}


static void entry_drop(struct willcall *w, struct entry *e)
{
	lease_set(w, e, false);
	--w->count;
	mem_deref(e);
}


static void purge(struct willcall *w, uint64_t now)
{
	struct le *le;

	while ((le = list_head(&w->lst))) {
		struct entry *e = le->data;

		if (e->expires > now)
			break;

		entry_drop(w, e);
	}
}


static void entry_renew(struct willcall *w, struct entry *e, uint64_t now)
{
	e->expires = now + w->ttl;
	list_unlink(&e->le);
	list_append(&w->lst, &e->le, e);
}


static int entry_add(struct entry **ep, struct willcall *w,
		     const struct key *k, const struct willcall_join *j,
		     uint64_t now)
{
	struct entry *e;

	if (w->count >= w->max)
		entry_drop(w, list_head(&w->lst)->data);

	e = mem_alloc(sizeof(*e) + k->len + j->accountlen, entry_destructor);
	if (!e)
		return ENOMEM;

	memset(e, 0, sizeof(*e));
	e->hash    = k->hash;
	e->media   = j->media;
	e->expires = now + w->ttl;
	e->keylen  = k->len;
	memcpy(e->key, k->buf, k->len);
	e->account = e->key + k->len;
	e->accountlen = j->accountlen;
	if (j->accountlen)
		memcpy(e->account, j->account, j->accountlen);

	list_append(&w->lst, &e->le, e);
	hash_append(w->ht, (uint32_t)e->hash, &e->he, e);
	++w->count;
	lease_set(w, e, true);
	*ep = e;

	return 0;
}


/**
 * Put a join on the list
 *
 * @param w   Will-call list
 * @param j   Conference, user and account, within the bounds of noc/client.h
 * @param now Monotonic time [ms]
 *
 * @return 0 if success; EALREADY if it was on the list, and no further place
 *         is kept; EINVAL; ENOMEM
 */
int willcall_add(struct willcall *w, const struct willcall_join *j,
		 uint64_t now)
{
	struct entry *e;
	struct key k;
	int err;

	if (!w || !j || !account_valid(j))
		return EINVAL;

	err = key_make(&k, w, j);
	if (err)
		return err;

	purge(w, now);

	e = entry_find(w, &k);
	if (!e) {
		err = entry_add(&e, w, &k, j, now);
		if (!err)
			e->uses = 1;
		return err;
	}

	if (e->owed) {
		if (!--e->owed && !e->lease)
			entry_drop(w, e);
		return EALREADY;
	}

	if (e->uses < USES_MAX)
		++e->uses;
	lease_set(w, e, true);
	entry_renew(w, e, now);

	return EALREADY;
}


/**
 * Keep a place for somebody who came with a ticket before the list was told.
 * It is let in already.
 *
 * @param w   Will-call list
 * @param j   as willcall_add
 * @param now Monotonic time [ms]
 *
 * @return 0 if success; EINVAL; ENOMEM
 */
int willcall_early(struct willcall *w, const struct willcall_join *j,
		   uint64_t now)
{
	struct entry *e;
	struct key k;
	int err;

	if (!w || !j || !account_valid(j))
		return EINVAL;

	err = key_make(&k, w, j);
	if (err)
		return err;

	purge(w, now);

	e = entry_find(w, &k);
	if (!e) {
		err = entry_add(&e, w, &k, j, now);
		if (err)
			return err;
	}

	if (e->owed < USES_MAX)
		++e->owed;
	lease_set(w, e, true);
	entry_renew(w, e, now);

	return 0;
}


/**
 * Let somebody in. Its place is kept until willcall_joined or the entry's
 * expiry, because the call may still fail.
 *
 * @param w       Will-call list
 * @param j       Conference and user
 * @param now     Monotonic time [ms]
 * @param account Set to the account that it was sent with, or NULL
 * @param sz      Its size [bytes]
 *
 * @return 0 if success; ENOENT if it is not on the list, or came already
 */
int willcall_admit(struct willcall *w, const struct willcall_join *j,
		   uint64_t now, char *account, size_t sz)
{
	struct entry *e;
	struct key k;

	if (!w || !j || key_make(&k, w, j))
		return EINVAL;

	purge(w, now);

	e = entry_find(w, &k);
	if (!e || !e->uses)
		return ENOENT;

	--e->uses;

	if (account) {
		if (e->accountlen >= sz)
			return EOVERFLOW;
		memcpy(account, e->account, e->accountlen);
		account[e->accountlen] = '\0';
	}

	return 0;
}


/**
 * Somebody is in: its place is no longer a lease
 *
 * @param w Will-call list
 * @param j Conference and user
 *
 * @return Media types that it came with, 0: not known
 */
unsigned willcall_joined(struct willcall *w, const struct willcall_join *j)
{
	unsigned media;
	struct entry *e;
	struct key k;

	if (!w || !j || key_make(&k, w, j))
		return 0;

	e = entry_find(w, &k);
	if (!e)
		return 0;

	media = e->media;
	if (!e->uses) {
		lease_set(w, e, false);
		if (!e->owed)
			entry_drop(w, e);
	}

	return media;
}


/**
 * Tell if a place is kept for somebody, come or not
 *
 * @param w   Will-call list
 * @param j   Conference and user
 * @param now Monotonic time [ms]
 *
 * @return True if so
 */
bool willcall_has(struct willcall *w, const struct willcall_join *j,
		  uint64_t now)
{
	const struct entry *e;
	struct key k;

	if (!w || !j || key_make(&k, w, j))
		return false;

	purge(w, now);

	e = entry_find(w, &k);

	return e && e->lease;
}


/**
 * Tell if willcall_add would take another place
 *
 * @param w   Will-call list
 * @param j   Conference and user
 * @param now Monotonic time [ms]
 *
 * @return True if so
 */
bool willcall_is_new(struct willcall *w, const struct willcall_join *j,
		     uint64_t now)
{
	struct key k;

	if (!w || !j || key_make(&k, w, j))
		return true;

	purge(w, now);

	return !entry_find(w, &k);
}


/**
 * Places that are kept
 *
 * @param w   Will-call list
 * @param now Monotonic time [ms]
 *
 * @return Number of leases that have not expired
 */
size_t willcall_count(struct willcall *w, uint64_t now)
{
	if (!w)
		return 0;

	purge(w, now);

	return w->leases;
}


/**
 * Places that are kept, by media type
 *
 * @param w      Will-call list
 * @param now    Monotonic time [ms]
 * @param mediav Number of leases with each bit of enum media_type
 */
void willcall_media(struct willcall *w, uint64_t now,
		    uint32_t mediav[WILLCALL_MEDIA])
{
	if (!w || !mediav)
		return;

	purge(w, now);
	memcpy(mediav, w->mediav, sizeof(w->mediav));
}


/**
 * Change how long entries live; those on the list keep their time, at most
 * until later ones expire
 *
 * @param w      Will-call list
 * @param ttl_ms Time [ms]
 */
void willcall_ttl_set(struct willcall *w, uint32_t ttl_ms)
{
	if (w && ttl_ms)
		w->ttl = ttl_ms;
}
