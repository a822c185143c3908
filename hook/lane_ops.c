/* SPDX-License-Identifier: MIT */
#include "lane_ops.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK_STEP_US 100
#define LAUNCHER_NS 10000000000u /* one that has not come by then is gone */

static int
reserve(void *context, struct slot *first, uint64_t n)
{
	(void)context;
	return session_reserve(first, n * SLOT_BYTES);
}

static int
move(void *context, struct slot *from, struct slot *to, uint64_t n)
{
	(void)context;
	return session_move(from, to, n * SLOT_BYTES);
}

/* In block mode, also the collector that started us and has not come yet. */
static bool
reader_alive(void *context)
{
	(void)context;
	return session_reader_alive() ||
	       (session_options.mode == LANE_BLOCK && session_awaits_reader() &&
		clock_ns(CLOCK_MONOTONIC_COARSE) - session.opened_ns < LAUNCHER_NS);
}

static void
wake(void *context)
{
	(void)context;
	int saved = errno;
	add_relaxed(&session.control->wake, 1);
	syscall(SYS_futex, &session.control->wake, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	errno = saved;
}

/* A sleep takes as long as a busy machine likes: the time that has passed is asked for. */
static bool
wait_a_little(void *context, unsigned waited)
{
	struct producer *producer = context;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	if (waited == 0)
		producer->waits_until_ns = now_ns + session_options.block_ms * UINT64_C(1000000);
	if (now_ns >= producer->waits_until_ns)
		return false;
	int saved = errno;
	usleep(BLOCK_STEP_US);
	errno = saved;
	return true;
}

static const struct lane_ops ops = {
	.reserve = reserve,
	.move = move,
	.reader_alive = reader_alive,
	.wake = wake,
	.wait = wait_a_little,
};

void
lane_attach(struct producer *producer, uint8_t *base, uint64_t n_slots, uint64_t reserved)
{
	lane_init(&producer->lane, (struct lane_shared *)base,
		  (struct slot *)(base + session.at.slots), n_slots, session_options.mode, reserved,
		  &ops, producer);
	producer->counters = (uint64_t *)(base + session.at.counters);
}
