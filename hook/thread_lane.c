/* SPDX-License-Identifier: MIT */
#include "thread_lane.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lane_ops.h"

static pthread_key_t lane_key;
static bool lane_key_made;
static __thread struct {
	struct producer *producer;
	uint64_t generation;
} mine __attribute__((tls_model("initial-exec")));

static void
leave_lane(void *value)
{
	struct producer *producer = value;
	if (mine.generation == session.generation && mine.producer == producer) {
		store_relaxed(&producer->lane.shared->state, LANE_LEFT);
		store_release(&producer->left, true);
	}
	mine.producer = NULL;
}

/* An unused lane is mapped for the first time. */
static bool
map_lane(struct producer *producer)
{
	uint64_t bytes = session.at.other_bytes;
	bool ok = false;
	int fd = session_open_own(O_RDWR);
	if (fd < 0)
		return false;
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		    (off_t)segment_lane_offset(&session.at, producer->index));
	if (base == MAP_FAILED)
		goto out;
	producer->base = base;
	if (madvise(base, bytes, MADV_DONTFORK) < 0 || session_reserve(base, SEGMENT_PAGE) < 0 ||
	    session_reserve((uint8_t *)base + session.at.counters, SEGMENT_PAGE) < 0) {
		munmap(base, bytes);
		producer->base = NULL;
		goto out;
	}
	madvise(base, bytes, MADV_DONTDUMP);
	lane_attach(producer, base, SEGMENT_OTHER_SLOTS, 0);
	producer->n_counters = SEGMENT_PAGE / 8;
	ok = true;
out:
	close(fd);
	return ok;
}

/* Called with the lock held. */
static struct producer *
take_lane(void)
{
	for (uint32_t i = 1; i < SEGMENT_LANES; i++) {
		struct producer *producer = &session.producers[i];
		producer->index = i;
		if (i >= session.n_lanes) {
			if (!map_lane(producer))
				return NULL;
			store_relaxed(&producer->lane.shared->state, LANE_OWNED);
			store_release(&session.n_lanes, i + 1);
			store_release(&session.header->lanes_used, i + 1);
			return producer;
		}
		struct lane_shared *shared = producer->lane.shared;
		bool drained = load_acquire(&shared->tail) == producer->lane.head;
		if (load_acquire(&producer->left) &&
		    (drained || session_options.mode == LANE_OVERWRITE)) {
			store_relaxed(&shared->state, LANE_OWNED);
			producer->left = false;
			producer->tstate = NULL;
			return producer;
		}
	}
	return NULL;
}

struct producer *
thread_lane_get(void)
{
	if (mine.generation == session.generation && mine.producer != NULL)
		return mine.producer;
	int saved = errno;
	session_lock();
	if (!lane_key_made)
		lane_key_made = pthread_key_create(&lane_key, leave_lane) == 0;
	struct producer *producer = lane_key_made ? take_lane() : NULL;
	session_unlock();
	if (producer != NULL && pthread_setspecific(lane_key, producer) == 0) {
		mine.producer = producer;
		mine.generation = session.generation;
		store_relaxed(&producer->lane.shared->thread, (uint32_t)syscall(SYS_gettid));
	} else {
		session_lost(LOST_NO_LANE);
		producer = NULL;
	}
	errno = saved;
	return producer;
}
