/* SPDX-License-Identifier: MIT */
/*
 * The lanes behind the first: one for each thread that runs another interpreter than the main
 * one. A thread takes one at its first event and leaves it when it ends; it is taken again
 * once it is drained.
 */
#ifndef HOOK_THREAD_LANE_H
#define HOOK_THREAD_LANE_H

#include "session.h"

/* The calling thread's; NULL: all are taken, or it could not be mapped: counted as no_lane. */
struct producer *thread_lane_get(void);

#endif
