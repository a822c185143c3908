/* SPDX-License-Identifier: MIT */
/*
 * The lanes behind the first: one for each thread that runs another interpreter than the main
 * one; without a GIL, all lanes, and one for each thread. A thread takes one at its first event
 * and leaves it when it ends. The next one goes on behind what is still unread, for each record
 * says whose it is.
 */
#ifndef HOOK_THREAD_LANE_H
#define HOOK_THREAD_LANE_H

#include "barrier.h"
#include "session.h"

struct thread_lane {
	struct producer *producer;
	uint64_t generation;
};
extern __thread struct thread_lane thread_lane
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The calling thread's if it has one, or NULL. */
static inline struct producer *
thread_lane_own(void)
{
	return thread_lane.generation == session.generation ? thread_lane.producer : NULL;
}

/* The calling thread's; NULL: all are taken, or it could not be mapped. */
struct producer *thread_lane_try(void);

/* The same, counted as no_lane. */
struct producer *thread_lane_get(void);

static inline struct producer *
thread_lane_find(void)
{
	struct producer *own = thread_lane_own();
	return likely(own != NULL) ? own : thread_lane_get();
}

#endif
