/* SPDX-License-Identifier: MIT */
#include "code_table.h"

#if !PY_HAS_GIL

#include <stdlib.h>

#include "session.h"

#define BUCKETS 16384
#define STEPS_MAX 256

static struct code_info *buckets[BUCKETS];
static struct code_info *spares; /* taken out; changed under the lock, as the rest is */
static code_info_forget_fn forget;
static int watcher = -1;

static struct code_info **
bucket_of(const PyCodeObject *code)
{
	uint64_t hash = ((uintptr_t)code >> 4) * 0x9e3779b97f4a7c15u;
	return &buckets[hash >> 32 & (BUCKETS - 1)];
}

static struct code_info *
find(const PyCodeObject *code, size_t most)
{
	struct code_info *info = load_acquire(bucket_of(code));
	for (size_t i = 0; info != NULL && i < most; i++) {
		if (load_acquire(&info->code) == code)
			return info;
		info = load_acquire(&info->next);
	}
	return NULL;
}

/* Chains change under whoever follows them without the lock: one may lead him in a circle. */
struct code_info *
code_table_find(PyCodeObject *code)
{
	return find(code, STEPS_MAX);
}

struct code_info *
code_table_add(PyCodeObject *code, const struct code_info *like)
{
	session_lock();
	struct code_info *info = find(code, SIZE_MAX);
	if (info == NULL) {
		struct code_info **bucket = bucket_of(code);
		info = spares;
		if (info != NULL)
			spares = info->next;
		else
			info = calloc(1, sizeof *info);
		if (info != NULL) {
			info->id = like->id;
			info->class = like->class;
			info->call_wanted = like->call_wanted;
			info->call_rules = like->call_rules;
			info->site_cached = info->call_cached = 0;
			store_release(&info->next, load_relaxed(bucket));
			store_release(&info->code, code);
			store_release(bucket, info);
		}
	}
	session_unlock();
	return info;
}

/* With the lock held. */
static void
take_out(struct code_info **place)
{
	struct code_info *info = *place;
	store_release(place, info->next);
	store_release(&info->code, NULL);
	forget(info);
	store_release(&info->next, spares);
	spares = info;
}

static int
code_event(PyCodeEvent event, PyCodeObject *code)
{
	struct code_info **place = bucket_of(code);
	/* Most code was never seen; what is there stays there until we take it out. */
	if (event != PY_CODE_EVENT_DESTROY || load_acquire(place) == NULL)
		return 0;
	session_lock();
	for (; *place != NULL; place = &(*place)->next) {
		if ((*place)->code == code) {
			take_out(place);
			break;
		}
	}
	session_unlock();
	return 0;
}

int
code_table_init(code_info_forget_fn forget_it)
{
	forget = forget_it;
	if (watcher < 0)
		watcher = PyCode_AddWatcher(code_event);
	if (watcher < 0)
		PyErr_Clear();
	return watcher < 0 ? -1 : 0;
}

void
code_table_fini(void)
{
	watcher = -1;
	session_lock();
	for (unsigned i = 0; i < BUCKETS; i++)
		while (buckets[i] != NULL)
			take_out(&buckets[i]);
	session_unlock();
}

#endif
