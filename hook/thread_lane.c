/* SPDX-License-Identifier: MIT */
#include "thread_lane.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call_emit.h"
#include "lane_ops.h"

#define REFUSED_PAUSE 256

static pthread_key_t lane_key;
static bool lane_key_made;
__thread struct thread_lane thread_lane __attribute__((tls_model("initial-exec")));

static void
leave_lane(void *value)
{
	struct producer *producer = value;
	if (thread_lane.generation == session.generation && thread_lane.producer == producer) {
		lane_call_close(&producer->lane);
		call_emit_forget_lane();
		store_relaxed(&producer->lane.shared->state, LANE_LEFT);
		store_release(&producer->left, true);
	}
	thread_lane.producer = NULL;
}

/* An unused lane is mapped for the first time. */
static bool
map_lane(struct producer *producer)
{
	uint64_t bytes = session.at.other_bytes;
	void *base = session_map_part(segment_lane_offset(&session.at, producer->index), bytes);
	if (base == NULL)
		return false;
	store_relaxed(&producer->base, base); /* for session_reserve() */
	if (session_reserve(base, SEGMENT_PAGE) < 0 ||
	    session_reserve((uint8_t *)base + session.at.counters, SEGMENT_PAGE) < 0) {
		store_relaxed(&producer->base, NULL);
		munmap(base, bytes);
		return false;
	}
	lane_attach(producer, base, (bytes - session.at.slots) / SLOT_BYTES, 0);
	producer->n_counters = SEGMENT_PAGE / 8;
	return true;
}

/* How much of a lane that was left is unread, in quarters of it; overwrite mode: none matters. */
static unsigned
quarters_unread(const struct lane *lane)
{
	uint64_t unread = lane->head - load_acquire(&lane->shared->tail);
	if (session_options.mode == LANE_OVERWRITE || unread == 0)
		return 0;
	return unread < lane->n_slots ? 1 + (unsigned)(unread * 4 / lane->n_slots) : 5;
}

static struct producer *
take_again(struct producer *producer)
{
	store_relaxed(&producer->lane.shared->state, LANE_OWNED);
	producer->left = false;
	producer->busy = false;
	producer->tstate = NULL;
	return producer;
}

static struct producer *
take_new(uint32_t i)
{
	struct producer *producer = &session.producers[i];
	producer->index = i;
	if (!map_lane(producer))
		return NULL;
	store_relaxed(&producer->lane.shared->state, LANE_OWNED);
	store_release(&session.n_lanes, i + 1);
	store_release(&session.header->lanes_used, i + 1);
	return producer;
}

/*
 * The emptiest of those that were left, unless its reader lags behind: then a new one, as long as
 * there are any. Called with the lock held.
 */
static struct producer *
take_lane(void)
{
	struct producer *best = NULL;
	unsigned least = UINT32_MAX;
	for (uint32_t i = session_options.free_threaded ? 0 : 1; i < session.n_lanes; i++) {
		struct producer *producer = &session.producers[i];
		if (!load_acquire(&producer->left))
			continue;
		unsigned unread = quarters_unread(&producer->lane);
		if (unread < least) {
			best = producer;
			least = unread;
		}
		if (unread == 0)
			break;
	}
	struct producer *fresh = NULL;
	if (least > 2 && session.n_lanes < SEGMENT_LANES)
		fresh = take_new(session.n_lanes);
	if (fresh == NULL && best != NULL)
		fresh = take_again(best);
	return fresh;
}

/* One that is given back when the thread ends, or NULL; with the lock held. */
static struct producer *
own_lane(void)
{
	/* What was refused is left in peace for so many attempts. */
	if (session.lanes_refused > 0 && --session.lanes_refused > 0)
		return NULL;
	if (!lane_key_made)
		lane_key_made = pthread_key_create(&lane_key, leave_lane) == 0;
	struct producer *producer = lane_key_made ? take_lane() : NULL;
	if (producer != NULL && pthread_setspecific(lane_key, producer) != 0) {
		store_relaxed(&producer->lane.shared->state, LANE_LEFT);
		store_release(&producer->left, true);
		producer = NULL;
	}
	session.lanes_refused = producer != NULL ? 0 : REFUSED_PAUSE;
	return producer;
}

struct producer *
thread_lane_try(void)
{
	if (thread_lane.generation == session.generation && thread_lane.producer != NULL)
		return thread_lane.producer;
	int saved = errno;
	session_lock();
	struct producer *producer = own_lane();
	session_unlock();
	if (producer != NULL) {
		thread_lane.producer = producer;
		thread_lane.generation = session.generation;
		store_relaxed(&producer->lane.shared->thread, (uint32_t)syscall(SYS_gettid));
	}
	errno = saved;
	return producer;
}

struct producer *
thread_lane_get(void)
{
	struct producer *producer = thread_lane_try();
	if (producer == NULL)
		session_lost(LOST_NO_LANE);
	return producer;
}
